//! Callbacks of loops for signals: asyncio's `add_signal_handler`.

use std::any::Any;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use super::reader::pause;
use super::{Listener, SignalKind};
use crate::local::fork_generation;
use crate::sync::Mutex;
use crate::task::AbortHandle;
use crate::{Error, EventLoop, ExceptionContext, LoopId};

type Key = (LoopId, SignalKind);

static CALLBACKS: Mutex<Option<HashMap<Key, Added>>> = Mutex::new(None);

struct Added {
    shared: Arc<Shared>,
    task: AbortHandle,
}

/// What the table and the task on the loop share.
#[derive(Debug)]
struct Shared {
    key: Key,
    /// `None` once the callback was removed: the signal is given up at once, and not
    /// when the loop comes to drop the task.
    listener: Mutex<Option<Listener>>,
    is_removed: AtomicBool,
    generation: u64,
}

/// Adds a callback, or replaces the one that is there.
pub(crate) fn add(
    event_loop: &Arc<dyn EventLoop>,
    kind: SignalKind,
    callback: impl FnMut() + Send + 'static,
) -> Result<(), Error> {
    event_loop.state().check_open()?;
    let shared = Arc::new(Shared {
        key: (event_loop.state().id(), kind),
        listener: Mutex::new(Some(Listener::new(kind)?)),
        is_removed: AtomicBool::new(false),
        generation: fork_generation(),
    });
    let guard = Guard(shared.clone());
    let home = Arc::downgrade(event_loop);
    let task = event_loop.try_spawn(serve(guard, home, callback))?.abort_handle();
    let former = {
        let mut table = CALLBACKS.lock();
        table.get_or_insert_default().insert(shared.key, Added { shared: shared.clone(), task })
    };
    if let Some(former) = former {
        former.shared.retire();
        former.task.abort();
    }
    // The loop may have dropped the task before it was in the table.
    if shared.is_removed.load(Ordering::Acquire) {
        forget(&shared);
    }
    Ok(())
}

/// Removes a callback. Returns false if there is none.
pub(crate) fn remove(event_loop: LoopId, kind: SignalKind) -> bool {
    let removed = CALLBACKS.lock().as_mut().and_then(|table| table.remove(&(event_loop, kind)));
    let Some(removed) = removed else { return false };
    let was_there = removed.shared.retire();
    if was_there {
        removed.task.abort();
    }
    was_there
}

async fn serve(guard: Guard, home: Weak<dyn EventLoop>, mut callback: impl FnMut() + Send) {
    let shared = &guard.0;
    loop {
        let came = std::future::poll_fn(|cx| shared.poll(cx, &home)).await;
        let Some(times) = came else { return };
        for _ in 0..times {
            if shared.is_removed.load(Ordering::Acquire) {
                return;
            }
            if let Err(payload) = catch_unwind(AssertUnwindSafe(&mut callback)) {
                report(&home, shared.key.1, payload);
            }
        }
        pause().await;
    }
}

impl Shared {
    /// `None` when there is nothing more to come.
    fn poll(&self, cx: &mut Context<'_>, home: &Weak<dyn EventLoop>) -> Poll<Option<u64>> {
        let mut listener = self.listener.lock();
        let Some(listener) = &mut *listener else { return Poll::Ready(None) };
        let home = home.upgrade();
        listener.poll_recv(cx, home.as_ref()).map(|came| match came {
            Ok(times) => Some(times),
            Err(error) => {
                log::error!("no callback for {:?} any more: {error}", self.key.1);
                None
            }
        })
    }

    /// Gives the signal up. Returns false if that was done before.
    fn retire(&self) -> bool {
        self.is_removed.store(true, Ordering::Release);
        let listener = self.listener.lock().take();
        listener.is_some() && self.generation == fork_generation()
    }
}

/// The end of the task, also by the end of its loop.
struct Guard(Arc<Shared>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.retire();
        forget(&self.0);
    }
}

/// Takes this callback, and not the one that replaced it, off the table.
fn forget(shared: &Arc<Shared>) {
    let mut table = CALLBACKS.lock();
    let forgotten = table.as_mut().and_then(|table| {
        let is_there = table.get(&shared.key).is_some_and(|at| Arc::ptr_eq(&at.shared, shared));
        if is_there { table.remove(&shared.key) } else { None }
    });
    drop(table);
    drop(forgotten);
}

fn report(home: &Weak<dyn EventLoop>, kind: SignalKind, payload: Box<dyn Any + Send>) {
    let context =
        ExceptionContext::new(format!("panic in the callback for {kind:?}")).with_panic(payload);
    match home.upgrade() {
        Some(event_loop) => event_loop.call_exception_handler(&context),
        None => log::error!("{context}"),
    }
    // A payload whose destructor panics harms nobody.
    let _dropped = catch_unwind(AssertUnwindSafe(|| drop(context)));
}
