//! Code that `#[policy::test]` with options generates calls to. Not for direct use.

use std::future::Future;
use std::io::{self, Write};
use std::panic::resume_unwind;
use std::process::{ExitCode, Termination};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use policy_core::{Error, ErrorKind, EventLoop, EventLoopPolicy, IntoPolicy};

use crate::{DefaultEventLoopPolicy, Runner, ambient, from_name};

/// How a test is run.
#[derive(Clone, Debug)]
pub struct TestOptions {
    /// The test, with its crate.
    pub name: &'static str,
    /// The capabilities of the loop that it needs.
    pub requires: &'static [&'static str],
    /// How many worker threads a multi-threaded loop gets.
    pub worker_threads: Option<usize>,
    /// How long it may take, in real time.
    pub timeout: Option<Duration>,
    /// The clock of its loop.
    pub clock: TestClock,
}

/// The clock of a test's loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TestClock {
    /// The system's.
    Real,
    /// Paused, and jumping.
    Virtual,
    /// Paused, and moved by `advance` only.
    Manual,
}

/// Two show what one can't, and leave the machine to other tests.
const WORKER_THREADS: usize = 2;

/// Runs a test of `all` on the loop that is called `which`.
#[track_caller]
pub fn test_loop<F>(
    which: &'static str,
    options: TestOptions,
    test: impl FnOnce() -> F + Send + 'static,
) -> ExitCode
where
    F: Future,
    F::Output: Termination,
{
    let policy = named(which, options.worker_threads);
    let case = format!("{}::{}", options.name, which.replace([':', '-'], "_"));
    // What a loop can't do is no fault of a test that asked for all of them.
    Case { name: case, options, all: true }.run(policy, test)
}

/// Runs a test on the default loop, or the multi-threaded one of the same executor.
#[track_caller]
pub fn test_flavor<F>(
    multi_thread: bool,
    options: TestOptions,
    test: impl FnOnce() -> F + Send + 'static,
) -> ExitCode
where
    F: Future,
    F::Output: Termination,
{
    let policy = match multi_thread {
        false => Ok(Arc::new(DefaultEventLoopPolicy::new()) as Arc<dyn EventLoopPolicy>),
        true => named("smol:multi_thread", options.worker_threads),
    };
    Case { name: options.name.into(), options, all: false }.run(policy, test)
}

/// Runs a test on a loop of `policy`.
#[track_caller]
pub fn test_policy<P: IntoPolicy, F>(
    policy: P,
    which: &str,
    options: TestOptions,
    test: impl FnOnce() -> F + Send + 'static,
) -> ExitCode
where
    F: Future,
    F::Output: Termination,
{
    let policy = policy.into_policy().unwrap_or_else(|| Arc::new(DefaultEventLoopPolicy::new()));
    let case = format!("{}::{which}", options.name);
    Case { name: case, options, all: false }.run(Ok(policy), test)
}

fn named(which: &str, threads: Option<usize>) -> Result<Arc<dyn EventLoopPolicy>, Error> {
    match which.ends_with(":multi_thread") {
        true => from_name(&format!("{which}:{}", threads.unwrap_or(WORKER_THREADS))),
        false => from_name(which),
    }
}

/// One test, on one loop.
struct Case {
    name: String,
    options: TestOptions,
    /// Whether it runs on all loops, so that one which can't jump is skipped.
    all: bool,
}

impl Case {
    #[track_caller]
    fn run<F>(
        mut self,
        policy: Result<Arc<dyn EventLoopPolicy>, Error>,
        test: impl FnOnce() -> F + Send + 'static,
    ) -> ExitCode
    where
        F: Future,
        F::Output: Termination,
    {
        // As the harness shows it: without the crate.
        if let Some((_crate, name)) = self.name.split_once("::") {
            self.name = name.to_string();
        }
        let policy = or_fail(policy);
        match self.options.timeout {
            None => self.run_here(policy, test),
            Some(limit) => watched(self.name.clone(), limit, move || self.run_here(policy, test)),
        }
    }

    fn run_here<F>(self, policy: Arc<dyn EventLoopPolicy>, test: impl FnOnce() -> F) -> ExitCode
    where
        F: Future,
        F::Output: Termination,
    {
        let clock = self.options.clock;
        let mut runner = Runner::with_policy(policy).pausable(clock != TestClock::Real);
        let event_loop = or_fail(runner.get_loop());
        let jumps = self.options.clock == TestClock::Virtual && self.all;
        let requires = self.options.requires.iter().copied().chain(jumps.then_some("jump"));
        for capability in requires {
            if let Err(reason) = ask(&event_loop, capability, &mut runner) {
                return self.skip(capability, &reason);
            }
        }
        drop(event_loop);
        let output = runner.run(async {
            or_fail(match clock {
                TestClock::Real => Ok(()),
                TestClock::Virtual => crate::time::pause(),
                TestClock::Manual => crate::time::pause_without_jumping(),
            });
            test().await
        });
        or_fail(output).report()
    }

    /// Says so where it is read also if the test passes: a test that was not run has
    /// not passed, and the harness has no word for that.
    fn skip(&self, capability: &str, reason: &Error) -> ExitCode {
        let line = format!("test {} ... skipped, needs `{capability}`: {reason}\n", self.name);
        // Past the harness, which would keep it; who has closed it does not read it.
        let _closed = io::stderr().write_all(line.as_bytes());
        ExitCode::SUCCESS
    }
}

/// Asks the loop for a capability.
///
/// # Errors
/// The loop's own, if it has not.
fn ask(
    event_loop: &Arc<dyn EventLoop>,
    capability: &str,
    runner: &mut Runner,
) -> Result<(), Error> {
    match capability {
        "selector" => event_loop.selector().map(drop),
        #[cfg(feature = "proactor")]
        "proactor" => event_loop.proactor().map(drop),
        #[cfg(feature = "net")]
        "net" => event_loop.selector().map(drop).or_else(|_| event_loop.proactor().map(drop)),
        "local" => runner.run(async { crate::try_spawn_local(async {}).map(drop) })?,
        "jump" => {
            let paused = event_loop.pause();
            paused.and_then(|()| event_loop.resume())
        }
        "children" | "signals" if cfg!(unix) => Ok(()),
        _ => Err(ErrorKind::Unsupported.into()),
    }
}

/// Runs `f` on a thread of its own, so that one that hangs can be told from one that
/// ends.
#[track_caller]
fn watched(
    name: String,
    limit: Duration,
    f: impl FnOnce() -> ExitCode + Send + 'static,
) -> ExitCode {
    let (done, ended) = channel();
    let watched = thread::Builder::new().name(name.clone()).spawn(f);
    let watched = or_fail(watched.map_err(no_thread));
    // A second thread joins the first: what its thread-locals do when it ends may hang
    // too.
    let watchdog = thread::Builder::new()
        .name("policy-watchdog".into())
        .spawn(move || drop(done.send(watched.join())));
    or_fail(watchdog.map_err(no_thread));
    match ended.recv_timeout(limit) {
        Ok(Ok(code)) => code,
        Ok(Err(payload)) => resume_unwind(payload),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            or_fail(Err(Error::new(
                ErrorKind::TimedOut,
                format!(
                    "test {name} hangs: it did not end within {limit:?}; allow more by `timeout`"
                ),
            )))
        }
    }
}

fn no_thread(error: io::Error) -> Error {
    Error::io("can't start a thread for a test with `timeout`; run fewer at once", error)
}

#[track_caller]
fn or_fail<T>(result: Result<T, Error>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => ambient::fail(&error),
    }
}
