//! Who reads the bell: a task on each loop where somebody waits, which needs no thread;
//! or the thread `policy-signal`, where no loop runs, the loop can't wait for
//! descriptors, or the signal is blocked everywhere else.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;

use super::bell::LISTENERS;
use super::handler::{block_all_but, is_blocked};
use super::hub::{Reader, ReaderState, hub, look_for_readers, tell};
use crate::task::AbortHandle;
use crate::{Error, EventLoop, Interest, Source};

/// How long the thread stays when it is not needed, in milliseconds: a program that
/// waits for one signal after the other should not pay for a thread each time.
const LINGER: i32 = 100;

/// Sees to it that somebody reads the bell: on the loop where a listener is polled, if
/// that can do it.
///
/// # Errors
/// [`ErrorKind::Io`](crate::ErrorKind::Io) if there can be no thread.
pub(super) fn ensure(home: Option<&Arc<dyn EventLoop>>) -> Result<(), Error> {
    let Some(event_loop) = home.filter(|home| !home.is_closed()) else { return ensure_thread() };
    let id = event_loop.state().id();
    let reader = {
        let mut hub = hub();
        match hub.readers.iter().find(|reader| reader.event_loop == id) {
            Some(Reader { state: ReaderState::Refused, .. }) => {
                drop(hub);
                return ensure_thread();
            }
            Some(_) => return Ok(()),
            None => {}
        }
        let reader = hub.new_id();
        hub.readers.push(Reader { id: reader, event_loop: id, state: ReaderState::Starting });
        reader
    };
    // Outside the lock: an executor wakes, and drops what it refuses.
    match start(event_loop, Reading(reader)) {
        Ok(task) => {
            let mut hub = hub();
            match hub.readers.iter_mut().find(|found| found.id == reader) {
                Some(found) => found.state = ReaderState::Reads(task),
                // The last listener has gone meanwhile.
                None => {
                    drop(hub);
                    task.abort();
                }
            }
            Ok(())
        }
        Err(error) => {
            log::debug!("event loop {} does not read signals: {error}", event_loop.name());
            // So that it is not asked again by all whom this wakes.
            hub().readers.push(Reader { id: reader, event_loop: id, state: ReaderState::Refused });
            ensure_thread()
        }
    }
}

fn start(event_loop: &Arc<dyn EventLoop>, reading: Reading) -> Result<AbortHandle, Error> {
    let fd = LISTENERS.duplicate().map_err(|error| {
        Error::io("can't wait for signals; close descriptors, or raise their limit", error)
    })?;
    let source = event_loop.selector()?.register(Arc::new(fd))?;
    Ok(event_loop.try_spawn(read(source, reading))?.abort_handle())
}

async fn read(source: Box<dyn Source>, reading: Reading) {
    loop {
        // First: what was rung before may be told to nobody else.
        tell();
        let heard = poll_fn(|cx| {
            source.poll_io(cx, Interest::Readable, &mut |_| match tell() {
                0 => Err(io::ErrorKind::WouldBlock.into()),
                rung => Ok(rung),
            })
        });
        if let Err(error) = heard.await {
            // The loop's reactor has gone.
            log::debug!("signals are not read here any more: {error}");
            break;
        }
        pause().await;
    }
    drop(source);
    drop(reading);
}

/// Pends once, so that a storm of signals leaves the loop its turns.
pub(super) async fn pause() {
    let mut paused = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut paused, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// The task of a reader, while it is there.
struct Reading(u64);

impl Drop for Reading {
    fn drop(&mut self) {
        let mut hub = hub();
        // Not there if it was let go since nobody listens.
        let at = hub.readers.iter().position(|reader| reader.id == self.0);
        let missed = at.map(|at| hub.readers.swap_remove(at));
        drop(hub);
        if missed.is_some() {
            look_for_readers();
        }
    }
}

/// A signal that comes to the thread `policy-signal`, since the thread that began to
/// listen, and so perhaps every other, blocks it.
#[derive(Debug)]
pub(super) struct Unblocked {
    signal: i32,
    generation: u64,
}

impl Unblocked {
    /// # Errors
    /// As [`ensure`].
    pub(super) fn if_blocked(signal: i32) -> Result<Option<Self>, Error> {
        if !is_blocked(signal) {
            return Ok(None);
        }
        let generation = {
            let mut hub = hub();
            *hub.thread.unblocked.entry(signal).or_default() += 1;
            hub.generation
        };
        let unblocked = Self { signal, generation };
        ensure_thread()?;
        LISTENERS.ring();
        Ok(Some(unblocked))
    }
}

impl Drop for Unblocked {
    fn drop(&mut self) {
        let mut hub = hub();
        if hub.generation != self.generation {
            return;
        }
        if let Some(waiting) = hub.thread.unblocked.get_mut(&self.signal) {
            *waiting -= 1;
            if *waiting == 0 {
                hub.thread.unblocked.remove(&self.signal);
                LISTENERS.ring();
            }
        }
    }
}

fn ensure_thread() -> Result<(), Error> {
    let mut hub = hub();
    hub.thread.is_needed = true;
    if hub.thread.is_there {
        return Ok(());
    }
    let generation = hub.generation;
    let started = std::thread::Builder::new().name("policy-signal".into()).spawn(move || {
        block_all_but(&mut std::iter::empty());
        serve(generation);
    });
    match started {
        Ok(_) => {
            hub.thread.is_there = true;
            Ok(())
        }
        Err(error) => Err(Error::io(
            "can't start the thread `policy-signal`; raise the limit of threads, or wait on a loop that is a selector",
            error,
        )),
    }
}

fn serve(generation: u64) {
    let mut limit = -1;
    loop {
        {
            let mut hub = hub();
            if hub.generation != generation {
                return;
            }
            block_all_but(&mut hub.thread.unblocked.keys().copied());
            limit = match (hub.thread.is_needed, limit) {
                (true, _) => -1,
                (false, -1) => LINGER,
                (false, _) => {
                    hub.thread.is_there = false;
                    return;
                }
            };
        }
        LISTENERS.wait(limit);
        tell();
    }
}
