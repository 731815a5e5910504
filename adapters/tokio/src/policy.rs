//! The choice of the tokio runtime behind the loops.

use std::sync::Arc;

use policy_core::{Context, ContextPolicy, Error, EventLoop, EventLoopPolicy, LoopFactory};
use tokio::runtime::Handle;

use crate::event_loop::TokioLoop;

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
        Self::new(Loops { runtime: Choice::CurrentThread, workers: None })
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
        Self::new(Loops { runtime: Choice::MultiThread, workers: None })
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
        Self::new(Loops { runtime: Choice::Handle(handle), workers: None })
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
        Self::new(Loops { workers: Some(workers), ..self.loops })
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
    workers: Option<usize>,
}

#[derive(Clone, Debug)]
enum Choice {
    CurrentThread,
    MultiThread,
    Handle(Handle),
}

impl LoopFactory for Loops {
    fn new_event_loop(&self) -> Result<Arc<dyn EventLoop>, Error> {
        Ok(match (&self.runtime, self.workers) {
            (Choice::CurrentThread, None) => TokioLoop::current_thread()?,
            (Choice::MultiThread, workers) => TokioLoop::multi_thread(workers)?,
            (Choice::Handle(handle), None) => TokioLoop::lent(handle.clone()),
            (Choice::CurrentThread | Choice::Handle(_), Some(_)) => return Err(no_workers()),
        })
    }

    fn is_self_driving(&self) -> bool {
        match self.runtime {
            Choice::CurrentThread => false,
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
