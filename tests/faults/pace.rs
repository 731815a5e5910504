//! How fast this machine is at the moment: upper bounds are scaled by it, and never dropped.

use std::cell::Cell;
use std::process::Command;
use std::time::{Duration, Instant};

/// More than a shell that exits at once takes on a machine at rest, from its start to its
/// status.
const AT_REST: Duration = Duration::from_millis(10);

/// How much slower than a machine at rest this one is.
pub struct Pace {
    slow: Cell<f64>,
}

impl Pace {
    /// Takes it now, by std: before the fault.
    pub fn take() -> Self {
        let pace = Self { slow: Cell::new(1.0) };
        pace.again();
        pace
    }

    /// The slowest of a few counts: a bound is for the worst, too.
    fn again(&self) {
        for _ in 0..5 {
            let begun = Instant::now();
            if let Ok(mut child) = Command::new("sh").args(["-c", "exit 0"]).spawn() {
                // A thief, or a watcher that reaps everything, may have been quicker.
                let _stolen = child.wait();
            }
            let slow = begun.elapsed().as_secs_f64() / AT_REST.as_secs_f64();
            self.slow.set(self.slow.get().max(slow));
        }
    }

    /// Fails if `took` is more than `bound`, scaled.
    #[track_caller]
    pub fn check(&self, what: &str, bound: Duration, took: Duration) {
        if took > bound {
            // The load may have come since.
            self.again();
        }
        let slow = self.slow.get();
        assert!(
            took <= bound.mul_f64(slow),
            "{what} took {took:?}: more than {bound:?}, on a machine that is {slow:.1} times as slow as one at rest"
        );
    }

    /// As [`check`](Self::check), for the best of three: others use this machine, too.
    pub async fn check_best(
        &self,
        what: &str,
        bound: Duration,
        mut measure: impl AsyncFnMut() -> Duration,
    ) {
        let mut best = Duration::MAX;
        for _ in 0..3 {
            best = best.min(measure().await);
            if best <= bound {
                return println!("{what}: {best:?}");
            }
        }
        self.check(what, bound, best);
    }

    /// As [`check`](Self::check), for the one in the middle: a few that were held up by others
    /// say nothing.
    #[track_caller]
    pub fn check_median(&self, what: &str, bound: Duration, mut took: Vec<Duration>) {
        took.sort_unstable();
        println!("{what}: {took:?}");
        self.check(what, bound, took[took.len() / 2]);
    }
}
