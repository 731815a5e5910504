//! The work. It names no executor, and runs on each.

mod children;
mod count;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use policy::task::AbortOnDrop;
use policy::time::{Instant, MissedTickBehavior, interval};

pub(crate) use children::Answer;
pub(crate) use count::Count;

use crate::Failure;

/// How often the timer ticks beside the work.
pub(crate) const BEAT: Duration = Duration::from_millis(2);

/// What was found.
pub(crate) struct Survey {
    /// The loop that did it, as it calls itself.
    pub(crate) event_loop: String,
    pub(crate) count: Count,
    pub(crate) answers: Vec<Answer>,
    pub(crate) ticks: u64,
    /// How late the latest tick came.
    pub(crate) latest: Duration,
}

/// Does everything at once: counts, asks children, ticks.
pub(crate) async fn survey(folder: PathBuf) -> Result<Survey, Failure> {
    let event_loop = policy::get_running_loop().map_err(|error| error.to_string())?;
    let beat = Arc::new(Beat::default());
    // Goes with this function, whichever way that ends.
    let ticking = AbortOnDrop::new(policy::spawn(tick(beat.clone())));

    let children = policy::spawn(children::ask_all(folder.clone()));
    let count = count::lines_of(folder).await?;
    let answers = children.await.map_err(|error| error.to_string())??;
    drop(ticking);

    Ok(Survey {
        event_loop: event_loop.name().to_owned(),
        count,
        answers,
        ticks: beat.ticks.load(Ordering::Relaxed),
        latest: Duration::from_micros(beat.latest_micros.load(Ordering::Relaxed)),
    })
}

#[derive(Default)]
struct Beat {
    ticks: AtomicU64,
    latest_micros: AtomicU64,
}

async fn tick(beat: Arc<Beat>) {
    let mut interval = interval(BEAT);
    interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        let due = interval.tick().await;
        let late = Instant::now().duration_since(due).as_micros();
        beat.ticks.fetch_add(1, Ordering::Relaxed);
        beat.latest_micros.fetch_max(late.try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}
