//! The process of one row: sets up, warms up, counts, runs the row, counts again.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use policy::{
    AutoChildWatcher, ChildWatcher, FastChildWatcher, MultiLoopChildWatcher, PidfdChildWatcher,
    Runner, SafeChildWatcher, SubreaperChildWatcher, ThreadedChildWatcher,
};

use crate::table::{Outcome, Row};
use crate::tools::{belongings, census, children, eventually, helpers, is_full, keep_logs, sh};

/// The exit code of a row that can't be run here.
pub const SKIPPED: i32 = 77;

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Where a row runs.
#[derive(Clone)]
pub struct Place {
    pub row: &'static str,
    pub on_loop: String,
    pub watcher: String,
    /// See [`Place::again`].
    pub part: Option<u64>,
    /// With the full counts.
    pub is_full: bool,
}

pub fn main(row: &'static Row, on_loop: &str, watcher: &str, part: Option<u64>) -> ExitCode {
    let (row_id, on_loop, watcher) = (row.id, on_loop.into(), watcher.into());
    let place = Place { row: row_id, on_loop, watcher, part, is_full: is_full() };
    keep_logs();
    count_panics();
    let before = (!row.cold).then(|| {
        if row.all_loops {
            policy::policy_names().into_iter().for_each(|name| place.warm_up(name));
        }
        place.warm_up(&place.on_loop);
        settle();
        let before = (census(), belongings());
        place.set_up();
        before
    });
    let outcome = (row.run)(&place);
    // The watcher is still there, to reap what it should.
    eventually("every child is reaped", || outcome.is_err() || children().is_empty());
    policy::set_event_loop_policy(None);
    if let Err(skip) = outcome {
        println!("skipped: {}", skip.0);
        return ExitCode::from(SKIPPED as u8);
    }
    settle();
    if let Some((before, belongings)) = before {
        eventually(&format!("nothing is left beside {before:?}, {belongings}"), || {
            let after = census();
            after.fds <= before.fds && after.threads <= before.threads
        });
    }
    let panics = PANICS.load(SeqCst);
    assert!(row.may_panic || panics == 0, "{panics} panics");
    ExitCode::SUCCESS
}

impl Place {
    /// A count for every day, or the one of FAULTS.md.
    pub fn count(&self, usual: usize, full: usize) -> usize {
        if self.is_full { full } else { usual }
    }

    /// Sets the policy and the watcher of the process.
    pub fn set_up(&self) {
        policy::set_event_loop_policy(policy::from_name(&self.on_loop).unwrap());
        policy::set_child_watcher(self.new_watcher()).unwrap();
    }

    pub fn new_watcher(&self) -> Arc<dyn ChildWatcher> {
        match &*self.watcher {
            "auto" => Arc::new(AutoChildWatcher::new()),
            "pidfd" => Arc::new(PidfdChildWatcher::new()),
            "threaded" => Arc::new(ThreadedChildWatcher::new()),
            "shared" => Arc::new(ThreadedChildWatcher::new().max_threads(1)),
            "multi-loop" => Arc::new(MultiLoopChildWatcher::new()),
            "safe" => Arc::new(SafeChildWatcher::new()),
            "fast" => Arc::new(FastChildWatcher::new()),
            "subreaper" => Arc::new(SubreaperChildWatcher::new()),
            other => panic!("no watcher is called {other}"),
        }
    }

    /// True if the loop has threads of its own that drive it.
    pub fn runs_by_itself(&self) -> bool {
        self.on_loop.contains("multi_thread") || self.on_loop == "async-std"
    }

    /// True if the watcher is one of these.
    pub fn watches_by(&self, names: &[&str]) -> bool {
        names.contains(&&*self.watcher)
    }

    /// Runs a story on a new loop, and closes that. What hangs is found by the process
    /// that watches over this one.
    pub fn run<T>(&self, story: impl Future<Output = T>) -> T {
        let mut runner = Runner::new();
        let value = runner.run(story).unwrap();
        runner.close().unwrap();
        value
    }

    /// What executors and this crate keep for the process is there after this, and the
    /// watcher is gone.
    fn warm_up(&self, on_loop: &str) {
        policy::set_event_loop_policy(policy::from_name(on_loop).unwrap());
        policy::set_child_watcher(self.new_watcher()).unwrap();
        self.run(async {
            let output = sh("echo warm").output().await.unwrap();
            assert_eq!(output.stdout, b"warm\n");
            policy::spawn(async { policy::spawn_blocking(|| ()).await.unwrap() }).await.unwrap();
        });
        policy::set_event_loop_policy(None);
    }

    /// Runs another row here, and leaves the process as it was: no child, and neither a
    /// policy nor a watcher of its own.
    pub fn repeat(&self, row: &'static Row) -> Outcome {
        // One row may have swapped or closed what the next needs.
        self.set_up();
        let panics = PANICS.load(SeqCst);
        let place = Self {
            row: row.id,
            on_loop: self.on_loop.clone(),
            watcher: self.watcher.clone(),
            part: None,
            is_full: false,
        };
        let outcome = (row.run)(&place);
        if row.may_panic {
            PANICS.store(panics, SeqCst);
        }
        eventually("every child is reaped", || children().is_empty());
        policy::set_event_loop_policy(None);
        outcome
    }

    /// The command that runs this row again, with a number of its own.
    pub fn again(&self, part: u64) -> std::process::Command {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--inside", "--exact", self.row]);
        command.args(["--loop", &self.on_loop, "--watcher", &self.watcher]);
        command.args(["--part", &part.to_string()]);
        command
    }
}

/// Waits until the threads that end when they are idle have ended.
pub fn settle() {
    eventually("no helper thread is left", || helpers().is_empty());
}

fn count_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, SeqCst);
        before(info);
    }));
}
