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
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use policy::process::Command;
use policy::{
    AutoChildWatcher, ChildWatcher, EventLoopPolicy, MultiLoopChildWatcher, PidfdChildWatcher,
    Runner, ThreadedChildWatcher,
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
        ("multi-loop", || Arc::new(MultiLoopChildWatcher::new())),
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

/// Runs a story on one loop, with one watcher.
pub fn on(
    name: &str,
    watcher_name: &str,
    watcher: Arc<dyn ChildWatcher>,
    story: impl Future<Output = ()>,
) {
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

/// Runs a story in a process of its own: the test binary again, with this one test.
///
/// For what is process-wide, and for counting what is left.
pub fn alone(test: &str, story: impl FnOnce()) {
    const INSIDE: &str = "POLICY_TEST_ALONE";
    if std::env::var(INSIDE).is_ok_and(|inside| inside == test) {
        return story();
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(INSIDE, test)
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{test}, alone: {}\n{said}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    for line in said.lines().filter(|line| line.starts_with("skipped")) {
        println!("{line}");
    }
}

/// Runs a story in a process of its own that sees control groups of version 2: in a mount
/// namespace of its own, since another version may be mounted here. It gets where they are.
pub fn with_cgroup2(test: &str, story: impl FnOnce(&Path)) {
    const INSIDE: &str = "POLICY_TEST_CGROUP2";
    if let Some(mount) = std::env::var_os(INSIDE) {
        return story(Path::new(&mount));
    }
    let mount = std::env::temp_dir().join(format!("policy-{}-{test}", std::process::id()));
    fs::create_dir(&mount).unwrap();
    let output = std::process::Command::new("unshare")
        .args(["--mount", "sh", "-c", "mount -t cgroup2 none \"$0\" && exec \"$@\""])
        .arg(&mount)
        .arg(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(INSIDE, &mount)
        .output();
    fs::remove_dir(&mount).unwrap();
    match output {
        Ok(output) if String::from_utf8_lossy(&output.stdout).contains("1 passed") => {
            print!("{}", String::from_utf8_lossy(&output.stdout));
        }
        Ok(output) if output.stdout.is_empty() => {
            let said = String::from_utf8_lossy(&output.stderr);
            println!("skipped: no mount of cgroup2 here: {said}");
        }
        Ok(output) => panic!(
            "{test}, alone: {}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) => println!("skipped: no program `unshare` here: {error}"),
    }
}

/// The control groups that this process has made here, for trees and for limits.
pub fn groups_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().flatten();
    let names = entries.map(|entry| entry.file_name().into_string().unwrap());
    let ours = format!("policy-tree-{}-", std::process::id());
    names.filter(|name| name.starts_with(&ours)).collect()
}

/// A test that runs [`alone`].
#[macro_export]
macro_rules! alone {
    ($($(#[$attr:meta])* fn $name:ident() $story:block)*) => {$(
        #[test]
        $(#[$attr])*
        fn $name() {
            $crate::process_support::alone(stringify!($name), || $story);
        }
    )*};
}

/// Runs `story` for each loop and watcher and checks that it leaves nothing behind:
/// no child, no descriptor, no thread.
pub fn nothing_is_left_everywhere<F: Future<Output = ()>>(story: impl Fn() -> F) {
    for name in policy::policy_names() {
        for (watcher_name, watcher) in watchers() {
            nothing_is_left(name, watcher_name, watcher, &story);
        }
    }
}

pub fn nothing_is_left<F: Future<Output = ()>>(
    name: &str,
    watcher_name: &str,
    watcher: MakeWatcher,
    story: impl Fn() -> F,
) {
    // Twice: what executors and the starters keep for the process is there after the
    // first.
    on(name, watcher_name, watcher(), story());
    settle();
    let before = census();
    on(name, watcher_name, watcher(), story());
    eventually("nothing is left", || {
        let after = census();
        after.children == 0 && after.fds <= before.fds && after.threads <= before.threads
    });
}

/// Waits until threads that end when idle have ended, and no child is left.
pub fn settle() {
    eventually("no child and no helper thread is left", || {
        children().is_empty() && helpers().is_empty()
    });
}

/// The names of the threads that this crate started for children.
pub fn helpers() -> Vec<String> {
    fs::read_dir("/proc/self/task")
        .unwrap()
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("comm")).ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| {
            ["policy-reaper", "policy-starter", "policy-sigchld", "policy-waiter", "policy-w"]
                .iter()
                .any(|ours| name.starts_with(ours) && !name.starts_with("policy-worker"))
        })
        .collect()
}
