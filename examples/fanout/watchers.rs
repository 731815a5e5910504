//! Watchers by name.

use std::sync::Arc;

use policy::{
    AutoChildWatcher, ChildWatcher, FastChildWatcher, MultiLoopChildWatcher, PidfdChildWatcher,
    SafeChildWatcher, ThreadedChildWatcher,
};

use crate::Failure;

type Make = fn() -> Arc<dyn ChildWatcher>;

const KNOWN: [(&str, Make); 6] = [
    ("auto", || Arc::new(AutoChildWatcher::new())),
    ("pidfd", || Arc::new(PidfdChildWatcher::new())),
    ("threaded", || Arc::new(ThreadedChildWatcher::new())),
    ("multi-loop", || Arc::new(MultiLoopChildWatcher::new())),
    ("safe", || Arc::new(SafeChildWatcher::new())),
    ("fast", || Arc::new(FastChildWatcher::new())),
];

/// Makes the watcher with this name that of the policy.
pub(crate) fn set(name: &str) -> Result<(), Failure> {
    let (_, make) = KNOWN
        .iter()
        .find(|(known, _)| *known == name)
        .ok_or_else(|| format!("no watcher is called {name:?}; choose one of {}", names()))?;
    policy::set_child_watcher(make()).map_err(|error| error.to_string())
}

/// All names, for a person.
pub(crate) fn names() -> String {
    KNOWN.map(|(name, _)| name).join(", ")
}
