//! Threads that wait for children: one each, up to a limit, then one for the rest.

use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use policy_core::sync::Mutex;
use policy_core::{Error, local::fork_generation};

use crate::process::identity::thieves;
use crate::process::identity::{Outcome, Record};
use crate::process::sys::{self, Take, Target};

/// Enough for most programs, and few enough for a container's limit.
pub(in crate::process) const DEFAULT_LIMIT: usize = 256;

/// A thread that waits needs little; one that wakes a task needs what an executor
/// needs for that.
const STACK: usize = 128 * 1024;

/// Where children wait that have no watcher of their own: dropped ones, and those
/// whose pidfd no reactor takes.
pub(in crate::process) fn global() -> &'static Arc<Threads> {
    static GLOBAL: OnceLock<Arc<Threads>> = OnceLock::new();
    GLOBAL.get_or_init(|| Arc::new(Threads::new(DEFAULT_LIMIT)))
}

#[derive(Debug)]
pub(in crate::process) struct Threads {
    limit: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Threads with a child each.
    single: usize,
    /// The children of the thread that serves many, as long as it lives.
    shared: Option<Shared>,
    /// A forked copy of the process has no threads.
    generation: u64,
}

#[derive(Debug, Default)]
struct Shared {
    /// Those that the thread has not taken over yet.
    new: Vec<Arc<Record>>,
}

impl Threads {
    pub(in crate::process) fn new(limit: usize) -> Self {
        Self { limit: limit.max(1), state: Mutex::default() }
    }

    /// Returns how many threads wait now.
    pub(in crate::process) fn count(&self) -> usize {
        let state = self.state.lock();
        state.single + usize::from(state.shared.is_some())
    }

    /// Sees to it that the child is reaped when it exits.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](policy_core::ErrorKind::Io) if no thread can be had.
    pub(in crate::process) fn attend(self: &Arc<Self>, record: &Arc<Record>) -> Result<(), Error> {
        if record.outcome().is_some() || !record.attend() {
            return Ok(());
        }
        let mut state = self.state.lock();
        if state.generation != fork_generation() {
            *state = State { generation: fork_generation(), ..State::default() };
        }
        // The last thread of the limit is the one that serves the rest.
        let alone = state.single + 1 < self.limit;
        let begun = match alone {
            true => self.single(&mut state, record).or_else(|_| self.share(&mut state, record)),
            false => self.share(&mut state, record),
        };
        begun.map_err(|error| {
            record.unattend();
            Error::io(
                "can't start a thread that waits for a child; raise the limit of threads, or use `PidfdChildWatcher`",
                error,
            )
        })
    }

    fn single(self: &Arc<Self>, state: &mut State, record: &Arc<Record>) -> io::Result<()> {
        let (threads, record) = (self.clone(), record.clone());
        start(format!("policy-w{}", record.pid()), move || {
            wait_for(&record);
            threads.ended(|state| state.single = state.single.saturating_sub(1));
        })?;
        state.single += 1;
        Ok(())
    }

    fn share(self: &Arc<Self>, state: &mut State, record: &Arc<Record>) -> io::Result<()> {
        if state.shared.is_none() {
            let threads = self.clone();
            start("policy-waiter".into(), move || threads.serve())?;
        }
        let shared = state.shared.get_or_insert_default();
        shared.new.push(record.clone());
        Ok(())
    }

    fn ended(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        if state.generation == fork_generation() {
            change(&mut state);
        }
    }

    /// Serves many children: by their pidfds, and those that have none by looking
    /// whether there is any exit at all, which costs the same however many there are.
    fn serve(&self) {
        const SHORTEST: Duration = Duration::from_millis(1);
        const LONGEST: Duration = Duration::from_millis(16);
        // A thief leaves no zombie to be seen: all are asked now and then.
        const SCAN_AFTER: Duration = Duration::from_millis(250);
        let mut children: Vec<Arc<Record>> = Vec::new();
        let mut pause = SHORTEST;
        let mut since_scan = Duration::ZERO;
        loop {
            {
                let mut state = self.state.lock();
                let Some(shared) = &mut state.shared else { return };
                children.append(&mut shared.new);
                if children.is_empty() {
                    state.shared = None;
                    return;
                }
            }
            let pidfds: Vec<_> = children.iter().filter_map(|child| child.pidfd()).collect();
            let any_ready = sys::wait_any_readable(&pidfds, pause);
            since_scan += pause;
            let quiet = !any_ready
                && since_scan < SCAN_AFTER
                && (pidfds.len() == children.len()
                    || matches!(sys::exit_now(Target::Any, Take::Look), Ok(None)));
            // Before the children are reaped, so that none outlives its record.
            drop(pidfds);
            pause = (pause * 2).min(LONGEST);
            if quiet {
                continue;
            }
            since_scan = Duration::ZERO;
            let before = children.len();
            children.retain(|child| !child.is_over());
            if children.len() < before {
                pause = SHORTEST;
            } else if any_ready {
                // A tracer holds one that has exited: it would be ready all the time.
                std::thread::sleep(pause);
            }
        }
    }
}

/// Waits for one child, and reaps it if somebody wants that.
fn wait_for(record: &Record) {
    while record.outcome().is_none() {
        // The zombie stays until the record's lock is held.
        let waited = match record.pidfd() {
            Some(pidfd) => sys::wait_for_exit(Target::Pidfd(pidfd.as_fd())),
            None => sys::wait_for_exit(Target::Pid(record.pid())),
        };
        if record.is_over() {
            return;
        }
        let errno = waited.as_ref().err().and_then(io::Error::raw_os_error);
        if errno == Some(libc::ECHILD) && record.pidfd().is_none() {
            // Somebody else has reaped it. Asking by its number again would be to wait
            // for whoever has that now.
            thieves::note();
            record.settle(Outcome::Lost);
            return;
        }
        if waited.is_err() {
            // The question itself is refused; asking on would spin.
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn start(name: String, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name).stack_size(STACK).spawn(move || {
        sys::block_signals();
        run();
    })?;
    Ok(())
}
