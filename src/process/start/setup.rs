//! What a command says of its child, all of it.

use std::ffi::OsStr;
use std::sync::Arc;

use super::{Recipe, Taken};
use crate::process::cgroup::Cgroup;
use crate::process::terms::Terms;

/// All that is needed to start children, and to keep them.
#[derive(Clone)]
pub(in crate::process) struct Setup {
    pub(in crate::process) recipe: Arc<Recipe>,
    /// A command of std's, which has what the recipe lacks.
    pub(in crate::process) taken: Option<Arc<Taken>>,
    pub(in crate::process) terms: Terms,
    pub(in crate::process) reap_on_drop: bool,
    /// It is started in one.
    pub(in crate::process) cgroup: Option<Arc<Cgroup>>,
    /// A terminal of its own.
    pub(in crate::process) pty: bool,
    /// Ours, while it runs.
    pub(in crate::process) foreground: bool,
    /// It is started by a thread that stays.
    pub(in crate::process) on_keeper: bool,
}

impl Setup {
    pub(in crate::process) fn new(program: &OsStr) -> Self {
        Self {
            recipe: Arc::new(Recipe::new(program)),
            taken: None,
            terms: Terms::default(),
            reap_on_drop: true,
            cgroup: None,
            pty: false,
            foreground: false,
            on_keeper: false,
        }
    }

    /// What the command says, to be changed.
    pub(in crate::process) fn recipe(&mut self) -> &mut Recipe {
        Arc::make_mut(&mut self.recipe)
    }
}
