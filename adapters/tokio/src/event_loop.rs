//! A tokio runtime as an event loop.

use std::env;
use std::future::Future;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use policy_core::os::OwnedIo;
use policy_core::sync::Mutex;
use policy_core::task::Task;
use policy_core::tracker::Tracker;
use policy_core::{
    Error, ErrorKind, EventLoop, Job, LoopKind, LoopState, MainFuture, Selector, Timer, context,
    limits,
};
use tokio::runtime::{Builder, Handle, RuntimeFlavor};
use tokio::task::coop;

use crate::facilities::{Facility, is_thread_ending};
use crate::options::Options;
use crate::scoped::Scoped;
use crate::tenure::{self, Lent, Owned, PROMPT, Tenure};
use crate::timer::LoopTimer;
use crate::{adopt, fair, nesting, sentinel};

#[derive(Debug)]
pub(crate) struct TokioLoop {
    state: LoopState,
    handle: Handle,
    tenure: Tenure,
    /// True once the runtime shuts down: its timers may not be polled any more.
    /// Shared with the timers, which may outlive the loop.
    gone: Arc<AtomicBool>,
    time: Facility,
    io: Facility,
}

impl TokioLoop {
    pub(crate) fn current_thread(options: &Options) -> Result<Arc<dyn EventLoop>, Error> {
        let mut builder = named(Builder::new_current_thread());
        options.apply(&mut builder)?;
        if let Some(hook) = options.threads.on_start.clone() {
            builder.on_thread_start(move || hook());
        }
        let state = LoopState::new("tokio:current_thread", LoopKind::Selector);
        Ok(Self::owned(state, Owned::build(&mut builder)?)?)
    }

    pub(crate) fn multi_thread(options: &Options) -> Result<Arc<dyn EventLoop>, Error> {
        let mut builder = named(Builder::new_multi_thread());
        Self::built(&mut builder, options)
    }

    /// Makes a loop of a builder, which decides whether its runtime has threads.
    pub(crate) fn built(
        builder: &mut Builder,
        options: &Options,
    ) -> Result<Arc<dyn EventLoop>, Error> {
        if options.worker_threads.is_none() {
            check_variable()?;
        }
        options.apply(builder)?;
        // Locked until the loop is made: a worker that starts earlier waits for it.
        let home = Arc::new(Mutex::new(Weak::<Self>::new()));
        let mut made = home.lock();
        builder.on_thread_start({
            let (home, hook) = (home.clone(), options.threads.on_start.clone());
            move || {
                let home = home.lock().clone();
                // The thread is the loop's until it ends, and the entry ends with it.
                // Threads that block are such threads, too: `block_in_place` makes
                // workers of them. Our own jobs there hide the entry.
                mem::forget(context::enter_worker(home));
                if let Some(hook) = &hook {
                    hook();
                }
            }
        });
        let runtime = Owned::build(builder)?;
        let has_threads = runtime
            .handle()
            .is_some_and(|handle| handle.runtime_flavor() != RuntimeFlavor::CurrentThread);
        if !has_threads {
            let state = LoopState::new("tokio:current_thread", LoopKind::Selector);
            return Ok(Self::owned(state, runtime)?);
        }
        let state = LoopState::self_driving("tokio:multi_thread", LoopKind::Selector);
        let event_loop = Self::owned(state, runtime)?;
        *made = Arc::downgrade(&event_loop);
        Ok(event_loop)
    }

    fn owned(state: LoopState, runtime: Owned) -> Result<Arc<Self>, Error> {
        let handle = runtime.handle().ok_or(ErrorKind::LoopClosed)?;
        let id = handle.id();
        let event_loop = Arc::new(Self::new(state, handle, Tenure::Owned(runtime)));
        adopt::register(id, &event_loop);
        if event_loop.handle.runtime_flavor() == RuntimeFlavor::MultiThread {
            fair::learn(&event_loop.handle);
        }
        Ok(event_loop)
    }

    /// Makes a loop on a runtime of others, which has its own tasks there.
    pub(crate) fn lent(handle: Handle) -> Arc<dyn EventLoop> {
        let event_loop = Arc::new_cyclic(|me: &Weak<Self>| {
            let lent =
                Lent { me: me.clone(), tracker: Tracker::default(), sentinel: Mutex::new(None) };
            let state = LoopState::self_driving("tokio:handle", LoopKind::Selector).borrowed();
            Self::new(state, handle, Tenure::Lent(lent))
        });
        if let Tenure::Lent(lent) = &event_loop.tenure {
            let sentinel = sentinel::watch(&event_loop.handle, &event_loop);
            *lent.sentinel.lock() = Some(sentinel);
        }
        event_loop
    }

    /// Makes the loop that stands for a runtime of others.
    pub(crate) fn found(handle: Handle) -> Arc<Self> {
        let state = LoopState::always_running("tokio:handle", LoopKind::Selector);
        Arc::new(Self::new(state, handle, Tenure::Found))
    }

    fn new(state: LoopState, handle: Handle, tenure: Tenure) -> Self {
        Self {
            state,
            handle,
            tenure,
            gone: Arc::default(),
            time: Facility::time(),
            io: Facility::io(),
        }
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    pub(crate) fn gone(&self) -> &Arc<AtomicBool> {
        &self.gone
    }

    pub(crate) fn io(&self) -> &Facility {
        &self.io
    }
}

impl EventLoop for TokioLoop {
    fn state(&self) -> &LoopState {
        &self.state
    }

    fn drive(&self, main: Pin<&mut dyn Future<Output = ()>>) -> Result<(), Error> {
        nesting::refuse()?;
        let mut main = MainFuture::new(main);
        let driven = catch_unwind(AssertUnwindSafe(|| match &self.tenure {
            Tenure::Owned(owned) => owned.block_on(&self.handle, &mut main),
            Tenure::Lent(_) | Tenure::Found => {
                self.handle.block_on(&mut main);
                Ok(())
            }
        }));
        match driven {
            Ok(driven) => driven,
            // `main` never panics: this is tokio's own.
            Err(payload) if main.was_polled() => resume_unwind(payload),
            Err(_) => Err(nesting::refused()),
        }
    }

    fn submit(&self, task: Task) -> Result<(), Error> {
        match &self.tenure {
            Tenure::Owned(_) | Tenure::Found => drop(self.handle.spawn(task)),
            Tenure::Lent(lent) => {
                let Ok(task) = lent.tracker.track(task) else {
                    return Err(ErrorKind::LoopClosed.into());
                };
                drop(self.handle.spawn(Scoped::new(task, lent.me.clone())));
            }
        }
        Ok(())
    }

    fn submit_blocking(&self, job: Job) -> Result<(), Error> {
        // Shared, because tokio keeps a job that it could find no thread for, and
        // panics: the job has to be dropped then.
        let job = Arc::new(Mutex::new(Some(job)));
        let take = |job: &Mutex<Option<Job>>| job.lock().take();
        let theirs = job.clone();
        let submitted = catch_unwind(AssertUnwindSafe(|| {
            self.handle.spawn_blocking(move || {
                if let Some(job) = take(&theirs) {
                    job.run();
                }
            })
        }));
        if submitted.is_err() {
            drop(take(&job));
            return Err(Error::new(
                ErrorKind::Io,
                "can't start a thread for a blocking job; raise the limit of threads or memory",
            ));
        }
        Ok(())
    }

    fn timer(&self, deadline: Instant) -> Result<Timer, Error> {
        let sleep = self.time.make(&self.handle, || tokio::time::sleep_until(deadline.into()))?;
        Ok(Timer::new(LoopTimer::new(sleep, self.gone.clone())))
    }

    fn as_selector(&self) -> Result<&dyn Selector, Error> {
        Ok(self)
    }

    fn has_budget(&self) -> bool {
        // All that is run in one poll of the main future shares tokio's budget for it.
        coop::has_budget_remaining()
    }

    fn become_guest(&self) -> Result<Option<OwnedIo>, Error> {
        match &self.tenure {
            Tenure::Owned(owned) => owned.become_guest(&self.handle).map(|()| None).map_err(|error| {
                Error::io(
                    "can't start a thread that drives the reactor of a guest; end others, or raise the limits",
                    error,
                )
            }),
            // Never asked: their tasks run on threads.
            Tenure::Lent(_) | Tenure::Found => Err(ErrorKind::Unsupported.into()),
        }
    }

    fn knows_idle(&self) -> bool {
        // The tasks of a runtime that somebody else owns are not only ours.
        matches!(self.tenure, Tenure::Owned(_))
    }

    fn poll_inside(&self, poll: &mut dyn FnMut()) {
        if is_thread_ending() {
            return poll();
        }
        let _entered = self.handle.enter();
        poll();
    }

    fn block_in_place(&self, f: &mut dyn FnMut()) -> Result<(), Error> {
        nesting::may_block_in_place(&self.handle, &self.state)?;
        let mut was_called = false;
        let blocked = catch_unwind(AssertUnwindSafe(|| {
            tokio::task::block_in_place(|| {
                was_called = true;
                f();
            });
        }));
        match blocked {
            // Before it called `f`: inside of somebody's `LocalSet`, tokio panics.
            Err(_) if !was_called => Err(nesting::bound_to_thread(&self.state)),
            blocked => blocked.or_else(|payload| resume_unwind(payload)),
        }
    }

    fn shutdown(&self, limit: Duration) {
        match &self.tenure {
            Tenure::Owned(owned) => {
                self.gone.store(true, Ordering::Release);
                // Inside one of the runtime's own tasks it would wait for itself.
                let prompt = if nesting::is_polling() { Duration::ZERO } else { limit.max(PROMPT) };
                if let Some(runtime) = owned.take(prompt) {
                    let jobs = self.state.blocking().wait_finished(Duration::ZERO) > 0;
                    tenure::shut_down(runtime, limit, jobs);
                }
            }
            Tenure::Lent(lent) => {
                // Who polls for a runtime and waits may hold up the very one whose
                // tasks should end.
                let limit = if nesting::is_polling() { Duration::ZERO } else { limit };
                lent.tracker.abort_all(limit);
            }
            // Never asked: it counts as running.
            Tenure::Found => {}
        }
    }
}

impl Drop for TokioLoop {
    fn drop(&mut self) {
        if self.state.is_forked() {
            // Of the parent's runtime only memory is here, and its epoll: to drop it
            // would take descriptors out of the parent's reactor. And any lock may be
            // held by a thread that is not here.
            if let Tenure::Owned(owned) = &self.tenure {
                owned.leak();
            }
            return;
        }
        match &self.tenure {
            Tenure::Owned(owned) => {
                self.state.close_on_drop();
                self.gone.store(true, Ordering::Release);
                if let Some(runtime) = owned.take(Duration::ZERO) {
                    // A drop may be anywhere, also where nobody may wait.
                    runtime.shutdown_background();
                }
            }
            Tenure::Lent(lent) => {
                if self.state.close_on_drop() {
                    lent.tracker.abort_all(Duration::ZERO);
                }
                let sentinel = lent.sentinel.lock().take();
                if let Some(sentinel) = sentinel {
                    sentinel.abort();
                }
            }
            Tenure::Found => drop(self.state.mark_closed()),
        }
        adopt::forget(self.handle.id(), self);
    }
}

/// Names the threads, unless the user does.
fn named(mut builder: Builder) -> Builder {
    builder.thread_name("policy-tokio");
    builder
}

/// Checks what tokio takes from the environment where no number is asked for. What is no
/// number tokio refuses by itself.
fn check_variable() -> Result<(), Error> {
    let asked = env::var("TOKIO_WORKER_THREADS").ok().and_then(|count| count.parse().ok());
    asked.map_or(Ok(()), |count| limits::worker_threads(count).map(drop))
}
