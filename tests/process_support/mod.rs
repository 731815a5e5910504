//! What the tests of children share.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "each test file uses a part, and a test that fails panics"
)]

use std::fmt::Display;
use std::fs;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use policy::process::Command;
use policy::{
    AutoChildWatcher, ChildWatcher, EventLoopPolicy, PidfdChildWatcher, Runner,
    ThreadedChildWatcher,
};

/// Longer than anything here takes on a loaded machine: a guard against hanging.
pub const LONG: Duration = Duration::from_secs(30);

pub type MakeWatcher = fn() -> Arc<dyn ChildWatcher>;

/// Every watcher that needs nothing but itself.
pub fn watchers() -> Vec<(&'static str, MakeWatcher)> {
    vec![
        ("auto", || Arc::new(AutoChildWatcher::new())),
        ("pidfd", || Arc::new(PidfdChildWatcher::new())),
        ("threaded", || Arc::new(ThreadedChildWatcher::new())),
        ("threaded, 1 thread", || Arc::new(ThreadedChildWatcher::new().max_threads(1))),
    ]
}

/// Makes the policy with this name, with a watcher.
pub fn policy_with(name: &str, watcher: Arc<dyn ChildWatcher>) -> Arc<dyn EventLoopPolicy> {
    let policy = policy::from_name(name).expect("the name is one of `policy_names`");
    policy.set_child_watcher(Some(watcher)).expect("it keeps a watcher");
    policy
}

/// Runs a story on every loop that is compiled in, with every watcher.
pub fn everywhere<F: Future<Output = ()>>(story: impl Fn() -> F) {
    for name in policy::policy_names() {
        for (watcher_name, watcher) in watchers() {
            on(name, watcher_name, watcher(), story());
        }
    }
}

/// Runs a story on every loop that is compiled in, with the default watcher.
pub fn on_every_loop<F: Future<Output = ()>>(story: impl Fn() -> F) {
    for name in policy::policy_names() {
        on(name, "auto", Arc::new(AutoChildWatcher::new()), story());
    }
}

fn on(name: &str, watcher_name: &str, watcher: Arc<dyn ChildWatcher>, story: impl Future<Output = ()>) {
    // Shown if the test fails.
    println!("on {name}, {watcher_name}");
    let mut runner = Runner::with_policy(policy_with(name, watcher));
    runner
        .run(async { policy::time::timeout(LONG, story).await.expect("it does not hang") })
        .expect("the story runs to its end");
    runner.close().expect("the runner closes");
}

/// A command of the shell.
pub fn sh(line: impl Display) -> Command {
    Command::shell(line.to_string())
}

/// Waits until something is true; fails if that takes very long.
pub fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_true() {
        assert!(begun.elapsed() < LONG, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// How many descriptors, threads and children this process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Census {
    pub fds: usize,
    pub threads: usize,
    pub children: usize,
}

pub fn census() -> Census {
    Census { fds: fds(), threads: threads(), children: children().len() }
}

/// Descriptors, but for the one that looks.
pub fn fds() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count() - 1
}

pub fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

/// The states of this process's children: `Z` is a zombie.
pub fn children() -> Vec<(u32, char)> {
    let me = std::process::id().to_string();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some((pid, rest)) = stat.split_once(' ') else { continue };
        let Some((_, rest)) = rest.rsplit_once(") ") else { continue };
        let mut fields = rest.split(' ');
        let state = fields.next().unwrap_or_default();
        if fields.next() == Some(&me) {
            found.push((pid.parse().unwrap(), state.chars().next().unwrap_or('?')));
        }
    }
    found
}

/// The state of a process, if it is there.
pub fn state_of(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}
