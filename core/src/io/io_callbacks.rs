//! A callback that is called while a descriptor is ready, and the table of a loop's.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll};
use std::time::Instant;

use crate::heart::Kept;
use crate::os::{self, RawIo};
use crate::sync::{Mutex, quietly};
use crate::task::AbortHandle;
use crate::{Error, ErrorKind, EventLoop, ExceptionContext, Interest, Source};

pub(super) type Callback = Box<dyn FnMut() + Send>;

/// What a loop watches, by the numbers that it was asked to.
#[derive(Default)]
pub(super) struct IoCallbacks(Mutex<Table>);

#[derive(Default)]
struct Table {
    watches: HashMap<(RawIo, Interest), Arc<IoCallback>>,
    closed: bool,
}

/// One of them; lives in its task, too.
pub(super) struct IoCallback {
    state: Mutex<State>,
    /// `None` until it was spawned.
    task: OnceLock<AbortHandle>,
    /// Where in the source it was added.
    location: &'static Location<'static>,
}

enum State {
    Watching {
        /// Polled outside the lock: it clones wakers, which may run any code.
        source: Arc<dyn Source>,
        /// Out while it is called.
        callback: Option<Callback>,
    },
    Removed,
}

impl Kept for IoCallbacks {
    fn close(&self) {
        let watches = {
            let mut table = self.0.lock();
            table.closed = true;
            std::mem::take(&mut table.watches)
        };
        watches.into_values().for_each(remove);
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl IoCallbacks {
    /// # Errors
    /// [`ErrorKind::LoopClosed`] if the loop was closed before it had any.
    pub(super) fn of(event_loop: &Arc<dyn EventLoop>) -> Result<&Self, Error> {
        event_loop.state().kept().ok_or_else(|| ErrorKind::LoopClosed.into())
    }

    /// Puts a watch in the place of the former, which is removed.
    pub(super) fn insert(&self, key: (RawIo, Interest), watch: Arc<IoCallback>) {
        let mut table = self.0.lock();
        let former = if table.closed { Some(watch) } else { table.watches.insert(key, watch) };
        drop(table);
        former.into_iter().for_each(remove);
    }

    /// Returns true if there was one.
    pub(super) fn remove(&self, key: (RawIo, Interest)) -> bool {
        let removed = self.0.lock().watches.remove(&key);
        let found = removed.is_some();
        removed.into_iter().for_each(remove);
        found
    }

    /// Removes one that has ended by itself, unless another has its place.
    pub(super) fn forget(&self, key: (RawIo, Interest), watch: &Arc<IoCallback>) {
        let mut table = self.0.lock();
        let is_it = table.watches.get(&key).is_some_and(|known| Arc::ptr_eq(known, watch));
        let ended = if is_it { table.watches.remove(&key) } else { None };
        drop(table);
        ended.into_iter().for_each(remove);
    }
}

/// Outside any lock: the callback is dropped, which may run anything.
fn remove(watch: Arc<IoCallback>) {
    let removed = std::mem::replace(&mut *watch.state.lock(), State::Removed);
    drop(removed);
    watch.end();
}

impl IoCallback {
    pub(super) fn new(
        source: Box<dyn Source>,
        callback: Callback,
        location: &'static Location<'static>,
    ) -> Self {
        let state = State::Watching { source: source.into(), callback: Some(callback) };
        Self { state: Mutex::new(state), task: OnceLock::new(), location }
    }

    /// Says which task it lives in. It may have been removed meanwhile.
    pub(super) fn spawned(&self, task: AbortHandle) {
        // It is spawned once.
        let _first = self.task.set(task);
        if matches!(*self.state.lock(), State::Removed) {
            self.end();
        }
    }

    fn end(&self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }

    /// Calls the callback once in every turn of the loop while the source is ready,
    /// until it is removed or the reactor fails.
    pub(super) async fn run(&self, event_loop: &Weak<dyn EventLoop>, interest: Interest) {
        loop {
            match poll_fn(|cx| self.poll_ready(cx, interest)).await {
                Next::Removed => return,
                Next::Failed(error) => {
                    return log::error!(
                        "a callback is not called any more, since its loop can't wait: {error}"
                    );
                }
                Next::Call(callback) => self.call(callback, event_loop, interest),
            }
            // Called again while it is ready, yet not before others had their turn.
            let mut had_a_turn = false;
            poll_fn(|cx| {
                if std::mem::replace(&mut had_a_turn, true) {
                    return Poll::Ready(());
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
        }
    }

    fn poll_ready(&self, cx: &mut Context<'_>, interest: Interest) -> Poll<Next> {
        let source = match &*self.state.lock() {
            State::Watching { source, .. } => source.clone(),
            State::Removed => return Poll::Ready(Next::Removed),
        };
        // Asked of the system each time: a reactor may tell of an edge only.
        match source.poll_io(cx, interest, &mut |io| os::is_ready(io, interest)) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Next::Failed(error)),
            Poll::Ready(Ok(_)) => Poll::Ready(match &mut *self.state.lock() {
                // Nobody else takes it out.
                State::Watching { callback, .. } => {
                    callback.take().map_or(Next::Removed, Next::Call)
                }
                State::Removed => Next::Removed,
            }),
        }
    }

    fn call(&self, mut callback: Callback, event_loop: &Weak<dyn EventLoop>, interest: Interest) {
        // No lock is held: the callback may remove itself, or be replaced.
        let debugged = event_loop.upgrade().filter(|event_loop| event_loop.get_debug());
        let began = debugged.map(|event_loop| (Instant::now(), event_loop));
        let called = catch_unwind(AssertUnwindSafe(&mut callback));
        if let Some((began, event_loop)) = began {
            let slow = event_loop.state().ready().slow();
            slow.check(began, format_args!("a {}, added at {},", name(interest), self.location));
        }
        if let Err(payload) = called {
            let context = ExceptionContext::new(format!("panic in a {}", name(interest)))
                .with_location(self.location)
                .with_panic(payload);
            match event_loop.upgrade() {
                Some(event_loop) => event_loop.call_exception_handler(&context),
                None => log::error!("{context}"),
            }
            // Its payload may panic when it is dropped.
            quietly(|| drop(context));
        }
        if let State::Watching { callback: place, .. } = &mut *self.state.lock() {
            *place = Some(callback);
        }
    }
}

enum Next {
    Call(Callback),
    Failed(std::io::Error),
    Removed,
}

fn name(interest: Interest) -> &'static str {
    match interest {
        Interest::Readable => "reader",
        Interest::Writable => "writer",
    }
}

impl fmt::Debug for IoCallbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.lock().watches.keys()).finish()
    }
}
