//! How late each tick is while children start.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use policy::EventLoopPolicy;

use super::{measured, run_ours, run_tokio};
use crate::cases::tasks::tokio_runtime;
use crate::plot::Series;
use crate::report;

/// The ticks of a run.
pub struct Ticks {
    began: Instant,
    /// When each was due, and how late it came.
    came: Mutex<Vec<(Instant, Duration)>>,
}

impl Ticks {
    pub fn start() -> Arc<Self> {
        Arc::new(Self { began: Instant::now(), came: Mutex::default() })
    }

    pub fn came(&self, due: Instant) {
        let late = Instant::now().saturating_duration_since(due);
        self.came.lock().unwrap().push((due, late));
    }

    /// What the run that ends now gives.
    pub fn measured(&self, count: u32) -> Vec<f64> {
        let took = self.began.elapsed();
        let worst = self.came.lock().unwrap().iter().map(|(_, late)| *late).max();
        measured(count, took, worst)
    }

    fn series(&self, name: &str) -> Series {
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        let came = self.came.lock().unwrap();
        let points =
            came.iter().map(|(due, late)| (millis(*due - self.began), millis(*late))).collect();
        Series { name: name.into(), points }
    }
}

/// Measures ours and tokio's once, and keeps them for the picture.
pub fn keep(count: u32) {
    let event_loop = policy_tokio::TokioPolicy::current_thread().new_event_loop().unwrap();
    let theirs = run_tokio(&tokio_runtime(None), count).series("tokio::process");
    let ours = run_ours(&event_loop, count).series("policy, on tokio's current thread");
    if let Err(error) = report::keep_ticks(vec![theirs, ours]) {
        eprintln!("   the ticks are not kept: {error}");
    }
}
