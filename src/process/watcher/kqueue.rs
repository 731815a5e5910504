//! Waiting with kqueue, on a thread: macOS and the BSDs.
#![allow(unsafe_code, reason = "`kevent`, with events that name processes")]

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::ptr;
use std::sync::Arc;

use policy_core::sync::Mutex;
use policy_core::{Error, local::fork_generation};
use rustix::event::kqueue::{Event, EventFilter, EventFlags, ProcessEvents, kevent, kqueue};
use rustix::process::Pid;

use super::common::{Common, child_watcher};
use super::exit::Watch;
use super::threads;
use crate::process::identity::Record;
use crate::process::sys::{self, Target};

/// Waits for all children with kqueue (EVFILT_PROC), on one thread.
///
/// For macOS and the BSDs. No signals, and O(1) per exit. One descriptor and one thread
/// (`policy-kqueue`) serve all children, and are released when no child is left.
///
/// ```
/// use policy::{KqueueChildWatcher, process::Command};
///
/// policy::set_child_watcher(KqueueChildWatcher::new())?;
/// let status = policy::run(async { Command::new("true").status().await })?;
/// assert!(status.success());
/// # policy::set_child_watcher(None)?;
/// # Ok::<(), policy::Error>(())
/// ```
#[derive(Debug)]
pub struct KqueueChildWatcher {
    common: Common,
    queue: Arc<Queue>,
}

impl KqueueChildWatcher {
    /// Makes a watcher. It is ready at once, and needs no attached loop.
    pub fn new() -> Self {
        Self { common: Common::default(), queue: Arc::default() }
    }

    fn wait(&self, record: Arc<Record>) -> Result<Watch, Error> {
        self.common.told(record, |record| self.queue.attend(record))
    }
}

child_watcher!(KqueueChildWatcher);

/// A kqueue and its thread, while there are children to wait for.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// There is a thread as long as this is there.
    kqueue: Option<Arc<OwnedFd>>,
    /// By the name that the kernel gives back: a number may be another child's soon.
    children: HashMap<usize, Arc<Record>>,
    last_token: usize,
    /// A forked copy of the process has neither the thread nor the kqueue.
    generation: u64,
}

/// How many exits are taken in one call.
const EXITS: usize = 64;

impl Queue {
    /// Sees to it that the child is reaped when it exits.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](policy_core::ErrorKind::Io) if there can be no kqueue, or no thread.
    pub(super) fn attend(self: &Arc<Self>, record: &Arc<Record>) -> Result<(), Error> {
        if record.outcome().is_some() || !record.attend() {
            return Ok(());
        }
        let mut state = self.state.lock();
        if state.generation != fork_generation() {
            *state = State { generation: fork_generation(), ..State::default() };
        }
        let added = self.add(&mut state, record);
        drop(state);
        let Err(error) = added else { return Ok(()) };
        record.unattend();
        if error.raw_os_error() == Some(libc::ESRCH) {
            // On its way out, or a zombie: no event would come any more.
            return threads::global().attend(record);
        }
        Err(Error::io(
            "can't watch a child by kqueue; raise the limits of open files and threads, or use `MultiLoopChildWatcher`",
            error,
        ))
    }

    fn add(self: &Arc<Self>, state: &mut State, record: &Arc<Record>) -> io::Result<()> {
        let running = state.kqueue.clone();
        let is_new = running.is_none();
        let kqueue = match running {
            Some(kqueue) => kqueue,
            None => Arc::new(open()?),
        };
        state.last_token += 1;
        let token = state.last_token;
        register(&kqueue, record.pid(), token)?;
        if is_new {
            let (queue, on_thread) = (self.clone(), kqueue.clone());
            std::thread::Builder::new().name("policy-kqueue".into()).spawn(move || {
                sys::block_signals();
                queue.serve(&on_thread);
            })?;
            state.kqueue = Some(kqueue);
        }
        // The thread takes the lock before it looks for who has exited.
        state.children.insert(token, record.clone());
        Ok(())
    }

    fn serve(&self, kqueue: &OwnedFd) {
        loop {
            match wait(kqueue) {
                Ok(tokens) => {
                    for token in tokens {
                        let record = self.state.lock().children.remove(&token);
                        record.iter().for_each(finish);
                    }
                }
                Err(error) => {
                    // No event will come.
                    log::error!("a kqueue fails ({error}); its children get threads");
                    let all = std::mem::take(&mut self.state.lock().children);
                    all.values().for_each(finish);
                }
            }
            let mut state = self.state.lock();
            if state.children.is_empty() {
                state.kqueue = None;
                return;
            }
        }
    }
}

/// Reaps a child that has exited, if somebody wants that.
fn finish(record: &Arc<Record>) {
    if record.is_over() {
        return;
    }
    // The event comes a moment before the zombie (macOS), or a tracer holds it: a
    // thread waits for the rest, so that others' exits don't have to.
    record.unattend();
    if let Err(error) = threads::global().attend(record) {
        log::warn!("process {} is waited for before others: {error}", record.pid());
        // What is asked for is an exit that has begun.
        let _gone = sys::wait_for_exit(Target::Pid(record.pid()));
        record.is_over();
    }
}

fn open() -> io::Result<OwnedFd> {
    let kqueue = kqueue()?;
    rustix::io::fcntl_setfd(&kqueue, rustix::io::FdFlags::CLOEXEC)?;
    Ok(kqueue)
}

/// Asks for the exit of a process, once.
///
/// # Errors
/// ESRCH for one that has exited already, as most systems see it.
fn register(kqueue: &OwnedFd, pid: u32, token: usize) -> io::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))?;
    let filter = EventFilter::Proc { pid, flags: ProcessEvents::EXIT };
    let token = ptr::without_provenance_mut(token);
    let change = Event::new(filter, EventFlags::ADD | EventFlags::ONESHOT, token);
    let mut none = Vec::new();
    // SAFETY: the event names a process, and no descriptor that could be closed.
    unsafe { kevent(kqueue, &[change], rustix::buffer::spare_capacity(&mut none), None)? };
    Ok(())
}

/// Waits for exits, and returns whose they are.
fn wait(kqueue: &OwnedFd) -> io::Result<Vec<usize>> {
    let mut events: Vec<Event> = Vec::with_capacity(EXITS);
    loop {
        // SAFETY: no event is changed, and none that was names a descriptor.
        match unsafe { kevent(kqueue, &[], rustix::buffer::spare_capacity(&mut events), None) } {
            Ok(_) => return Ok(events.iter().map(|event| event.udata().addr()).collect()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
