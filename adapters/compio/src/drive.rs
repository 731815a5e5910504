//! How the thread of a loop goes between the main future, which runs the loop's tasks,
//! and compio's driver.

use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{Ordering, fence};
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

use compio_runtime::Runtime;

use crate::local::Part;

/// How often in a row the driver may fail.
const FAILURES: u32 = 100;

/// The longest wait: clocks of drivers can't count farther than some.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Polls `main` and the driver until `main` is done.
pub(crate) fn run(part: &Part, runtime: &Runtime, mut main: Pin<&mut dyn Future<Output = ()>>) {
    let shared = &part.shared;
    let waker = Waker::from(shared.clone());
    let mut cx = Context::from_waker(&waker);
    let rounds = Rounds { part, runtime, failures: Cell::new(0) };
    loop {
        shared.awake();
        if main.as_mut().poll(&mut cx).is_ready() {
            #[cfg(unix)]
            if shared.is_guest.load(Ordering::Relaxed) {
                rounds.leave();
            }
            return;
        }
        // What others have spawned with compio's own functions.
        let more = runtime.run();
        match more || shared.is_woken() {
            true => rounds.look(),
            false => rounds.wait(),
        }
    }
}

struct Rounds<'a> {
    part: &'a Part,
    runtime: &'a Runtime,
    /// How often in a row it failed.
    failures: Cell<u32>,
}

impl Rounds<'_> {
    fn look(&self) {
        // A driver that was woken does not wait. A time-out of nothing alone would put
        // the thread to sleep in io_uring, for tens of microseconds.
        self.part.driver.wake_by_ref();
        self.drive(Duration::ZERO);
        // One that has a completion port does not even look at it then; now it does.
        if cfg!(windows) {
            self.drive(Duration::ZERO);
        }
    }

    /// Leaves the driver to who watches its descriptor: hands all operations to the system, and
    /// makes it readable if there is more to do.
    #[cfg(unix)]
    fn leave(&self) {
        let more = self.runtime.run();
        let ready = self.part.lookout.arm(&self.part.shared).is_some_and(|limit| limit.is_zero());
        // Last: it has whoever wakes the driver write to its descriptor from now on.
        if self.runtime.flush() || more || ready {
            self.part.driver.wake_by_ref();
        }
    }

    /// Waits until somebody wakes the loop, or a timer is due.
    fn wait(&self) {
        let now = Instant::now();
        let timer = self.part.shared.timers.next().map(|at| at.saturating_duration_since(now));
        let waits = [self.runtime.current_timeout(), timer, Some(LONGEST)];
        self.drive(waits.into_iter().flatten().min().unwrap_or(LONGEST));
    }

    /// Notes how a call of the driver ended. A driver that fails again and again waits
    /// for nothing any more: the panic goes on then, instead of a loop that spins.
    fn survived(&self, polled: thread::Result<()>) {
        match polled {
            Ok(()) => self.failures.set(0),
            Err(payload) if self.failures.get() >= FAILURES => resume_unwind(payload),
            Err(_payload) => {
                self.failures.set(self.failures.get() + 1);
                log::error!("compio's driver failed, and the event loop goes on");
            }
        }
    }

    fn drive(&self, timeout: Duration) {
        #[cfg(unix)]
        let timeout = self.part.lookout.arm(&self.part.shared).map_or(timeout, |t| t.min(timeout));
        // compio panics on an error of the system that it does not know.
        let polled = catch_unwind(AssertUnwindSafe(|| self.runtime.poll_with(Some(timeout))));
        self.survived(polled);
        // Pairs with the fence of `Shared::ring`.
        fence(Ordering::SeqCst);
        #[cfg(unix)]
        self.part.lookout.dispatch(&self.part.shared);
        self.part.shared.timers.fire();
    }
}
