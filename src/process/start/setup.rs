//! What a command says of its child, all of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Recipe, Taken};
use crate::process::cgroup::Cgroup;
use crate::process::talk::output::Bounds;

/// All that is needed to start children, and to keep them.
#[derive(Clone)]
pub(in crate::process) struct Setup {
    pub(in crate::process) recipe: Arc<Recipe>,
    /// A command of std's, which has what the recipe lacks.
    pub(in crate::process) taken: Option<Arc<Taken>>,
    pub(in crate::process) kill_on_drop: bool,
    pub(in crate::process) reap_on_drop: bool,
    /// Signals that end it go to its process group.
    pub(in crate::process) kill_tree: bool,
    /// It is started in one.
    pub(in crate::process) cgroup: Option<Arc<Cgroup>>,
    /// A terminal of its own.
    pub(in crate::process) pty: bool,
    /// Ours, while it runs.
    pub(in crate::process) foreground: bool,
    pub(in crate::process) wait_delay: Option<Duration>,
    pub(in crate::process) max_output: Option<usize>,
    pub(in crate::process) timeout: Option<Duration>,
    pub(in crate::process) input: Option<Arc<[u8]>>,
    /// It is started by a thread that stays.
    pub(in crate::process) on_keeper: bool,
}

impl Setup {
    /// Returns what bounds the child that is started now, if anything does.
    pub(in crate::process) fn bounds(&self) -> Option<Bounds> {
        let Self { wait_delay, max_output, timeout, .. } = *self;
        // A time that no clock can hold is never over.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        (wait_delay.is_some() || max_output.is_some() || deadline.is_some()).then_some(Bounds {
            wait_delay,
            max_output,
            deadline,
        })
    }
}
