//! The choice of the tokio runtime behind the loops.

use std::sync::Arc;

use policy_core::sync::Mutex;
use policy_core::{Context, ContextPolicy, Error, EventLoop, EventLoopPolicy, LoopFactory};
use tokio::runtime::{Builder, Handle};

use crate::event_loop::TokioLoop;
use crate::options::Options;

/// Makes event loops that are tokio runtimes.
///
/// Each thread has its own loop, created by itself on the main thread only, as with the default
/// policy. Timers and I/O are always on; tokio's own functions (`tokio::spawn`, `tokio::net` …)
/// work inside.
///
/// ```
/// use policy_core::EventLoopPolicy;
/// use policy_tokio::TokioPolicy;
///
/// let event_loop = TokioPolicy::current_thread().new_event_loop()?;
/// let answer = event_loop.run_until_complete(async {
///     tokio::spawn(async { 6 * 7 }).await.unwrap()
/// })?;
/// assert_eq!(answer, 42);
/// event_loop.close()?;
/// # Ok::<(), policy_core::Error>(())
/// ```
#[derive(Debug)]
pub struct TokioPolicy {
    loops: Loops,
    contexts: ContextPolicy,
}

impl TokioPolicy {
    /// Makes a policy whose loops run their tasks on the thread that runs the loop.
    ///
    /// ```
    /// use policy_core::EventLoopPolicy;
    /// use policy_tokio::TokioPolicy;
    ///
    /// let event_loop = TokioPolicy::current_thread().new_event_loop()?;
    /// assert_eq!(event_loop.name(), "tokio:current_thread");
    /// event_loop.close()?;
    /// # Ok::<(), policy_core::Error>(())
    /// ```
    #[must_use]
    pub fn current_thread() -> Self {
        Self::new(Loops::of(Choice::CurrentThread))
    }

    /// Makes a policy whose loops run their tasks on worker threads, also while no thread runs the
    /// loop: as many as tokio chooses (`TOKIO_WORKER_THREADS`, else one per core), unless
    /// [`worker_threads`](Self::worker_threads) sets another number.
    ///
    /// ```
    /// use policy_core::EventLoopPolicy;
    /// use policy_tokio::TokioPolicy;
    ///
    /// let event_loop = TokioPolicy::multi_thread().new_event_loop()?;
    /// assert!(event_loop.is_self_driving());
    /// event_loop.close()?;
    /// # Ok::<(), policy_core::Error>(())
    /// ```
    #[must_use]
    pub fn multi_thread() -> Self {
        Self::new(Loops::of(Choice::MultiThread))
    }

    /// Makes a policy whose loops spawn onto an existing runtime.
    ///
    /// The runtime still belongs to its owner: closing such a loop cancels the tasks that were
    /// spawned through *it*, and nothing else. A loop closes by itself when the runtime is dropped.
    ///
    /// The loops count as running by themselves. A `current_thread` runtime makes progress only
    /// while its owner is in `block_on`: until then the tasks, timers and sockets of the loop wait,
    /// also while the loop itself is run (which polls the main future and local tasks only).
    ///
    /// ```
    /// use policy_core::EventLoopPolicy;
    /// use policy_tokio::TokioPolicy;
    ///
    /// let runtime = tokio::runtime::Runtime::new()?;
    /// let event_loop = TokioPolicy::from_handle(runtime.handle().clone()).new_event_loop()?;
    /// assert_eq!(event_loop.run_until_complete(event_loop.spawn(async { 1 }))?.unwrap(), 1);
    /// event_loop.close()?;
    /// runtime.block_on(async {}); // still there
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn from_handle(handle: Handle) -> Self {
        Self::new(Loops::of(Choice::Handle(handle)))
    }

    /// Sets how many worker threads each loop has.
    ///
    /// Making a loop returns [`ErrorKind::InvalidInput`](policy_core::ErrorKind) if the number is
    /// 0, or above both 1024 and the number of processors, or if the policy is not
    /// [`multi_thread`](Self::multi_thread).
    ///
    /// ```
    /// use policy_core::{ErrorKind, EventLoopPolicy};
    /// use policy_tokio::TokioPolicy;
    ///
    /// let event_loop = TokioPolicy::multi_thread().worker_threads(2).new_event_loop()?;
    /// event_loop.close()?;
    ///
    /// let refused = TokioPolicy::multi_thread().worker_threads(0).new_event_loop();
    /// assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
    /// # Ok::<(), policy_core::Error>(())
    /// ```
    #[must_use]
    pub fn worker_threads(self, workers: usize) -> Self {
        self.with(|options| options.worker_threads = Some(workers))
    }

    /// Makes a policy whose loops have runtimes of this builder, for options that this type does
    /// not name.
    ///
    /// The policy turns timers and I/O on, and puts its own function in place of the builder's
    /// `on_thread_start`: give yours to [`on_thread_start`](Self::on_thread_start). Spawning while no
    /// loop runs returns [`ErrorKind::NoRunningLoop`](policy_core::ErrorKind), also where the
    /// runtime has threads: tokio does not tell before it has built one.
    ///
    /// ```
    /// use policy_core::EventLoopPolicy;
    /// use policy_tokio::TokioPolicy;
    ///
    /// let mut builder = tokio::runtime::Builder::new_multi_thread();
    /// builder.worker_threads(1).global_queue_interval(31);
    /// let event_loop = TokioPolicy::from_builder(builder).new_event_loop()?;
    /// assert_eq!(event_loop.name(), "tokio:multi_thread");
    /// event_loop.close()?;
    /// # Ok::<(), policy_core::Error>(())
    /// ```
    #[must_use]
    pub fn from_builder(builder: Builder) -> Self {
        Self::new(Loops::of(Choice::Builder(Arc::new(Mutex::new(builder)))))
    }

    /// Sets how many threads for blocking jobs each loop may have; tokio's default is 512.
    ///
    /// Making a loop returns [`ErrorKind::InvalidInput`](policy_core::ErrorKind) for 0.
    ///
    /// ```
    /// use policy_core::EventLoopPolicy;
    /// use policy_tokio::TokioPolicy;
    ///
    /// let event_loop = TokioPolicy::current_thread().max_blocking_threads(8).new_event_loop()?;
    /// event_loop.close()?;
    /// # Ok::<(), policy_core::Error>(())
    /// ```
    #[must_use]
    pub fn max_blocking_threads(self, most: usize) -> Self {
        self.with(|options| options.max_blocking_threads = Some(most))
    }

    /// Sets the name of the loops' threads, which is `policy-tokio` otherwise.
    ///
    /// Making a loop returns [`ErrorKind::InvalidInput`](policy_core::ErrorKind) for a name that
    /// contains NUL.
    #[must_use]
    pub fn thread_name(self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.with(|options| options.threads.name = Some(name))
    }

    /// Sets the stack size of the loops' threads, in bytes; tokio's default is 2 MiB. The system
    /// raises a size that is too small. Where it refuses one that is too large, making a loop
    /// returns [`ErrorKind::Io`](policy_core::ErrorKind).
    #[must_use]
    pub fn thread_stack_size(self, bytes: usize) -> Self {
        self.with(|options| options.threads.stack_size = Some(bytes))
    }

    /// Sets after how many polls tokio looks at its reactor; tokio's default is 61.
    ///
    /// Making a loop returns [`ErrorKind::InvalidInput`](policy_core::ErrorKind) for 0.
    #[must_use]
    pub fn event_interval(self, polls: u32) -> Self {
        self.with(|options| options.event_interval = Some(polls))
    }

    /// Sets a function that each thread of the loops calls when it starts, the threads for blocking
    /// jobs too.
    ///
    /// ```
    /// use policy_core::EventLoopPolicy;
    /// use policy_tokio::TokioPolicy;
    ///
    /// let policy = TokioPolicy::multi_thread()
    ///     .on_thread_start(|| println!("a thread starts"))
    ///     .on_thread_stop(|| println!("a thread ends"));
    /// policy.new_event_loop()?.close()?;
    /// # Ok::<(), policy_core::Error>(())
    /// ```
    #[must_use]
    pub fn on_thread_start(self, f: impl Fn() + Send + Sync + 'static) -> Self {
        self.with(|options| options.threads.on_start = Some(Arc::new(f)))
    }

    /// Sets a function that each thread of the loops calls when it ends; see
    /// [`on_thread_start`](Self::on_thread_start).
    #[must_use]
    pub fn on_thread_stop(self, f: impl Fn() + Send + Sync + 'static) -> Self {
        self.with(|options| options.threads.on_stop = Some(Arc::new(f)))
    }

    fn with(self, set: impl FnOnce(&mut Options)) -> Self {
        let mut loops = self.loops;
        set(&mut loops.options);
        Self::new(loops)
    }

    fn new(loops: Loops) -> Self {
        Self { contexts: ContextPolicy::new(loops.clone(), Context::thread()), loops }
    }
}

impl Default for TokioPolicy {
    /// Makes [`TokioPolicy::multi_thread`], as `#[tokio::main]` would.
    fn default() -> Self {
        Self::multi_thread()
    }
}

impl EventLoopPolicy for TokioPolicy {
    fn base(&self) -> Option<&dyn EventLoopPolicy> {
        Some(&self.contexts)
    }
}

/// The factory, kept beside the policy so that a builder can change it.
#[derive(Clone, Debug)]
struct Loops {
    runtime: Choice,
    options: Options,
}

#[derive(Clone, Debug)]
enum Choice {
    CurrentThread,
    MultiThread,
    Handle(Handle),
    /// Locked while a runtime is built.
    Builder(Arc<Mutex<Builder>>),
}

impl Loops {
    fn of(runtime: Choice) -> Self {
        Self { runtime, options: Options::default() }
    }
}

impl LoopFactory for Loops {
    fn new_event_loop(&self) -> Result<Arc<dyn EventLoop>, Error> {
        let options = &self.options;
        match &self.runtime {
            Choice::CurrentThread if options.worker_threads.is_some() => Err(no_workers()),
            Choice::CurrentThread => TokioLoop::current_thread(options),
            Choice::MultiThread => TokioLoop::multi_thread(options),
            Choice::Handle(handle) if options.is_empty() => Ok(TokioLoop::lent(handle.clone())),
            Choice::Handle(_) if options.worker_threads.is_some() => Err(no_workers()),
            Choice::Handle(_) => Err(Error::new(
                policy_core::ErrorKind::InvalidInput,
                "the threads of a runtime that is there already are its owner's; give the options to its builder",
            )),
            Choice::Builder(builder) => {
                let mut builder = builder.lock();
                TokioLoop::built(&mut builder, options)
            }
        }
    }

    fn is_self_driving(&self) -> bool {
        match self.runtime {
            Choice::CurrentThread | Choice::Builder(_) => false,
            Choice::MultiThread | Choice::Handle(_) => true,
        }
    }
}

fn no_workers() -> Error {
    Error::new(
        policy_core::ErrorKind::InvalidInput,
        "this policy's loops have no worker threads of their own; call `worker_threads` on `TokioPolicy::multi_thread()` only",
    )
}
