//! The policy whose loops use smol's executor.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use policy_core::{Context, ContextPolicy, Error, EventLoop, EventLoopPolicy, LoopFactory, limits};

use crate::event_loop::SmolLoop;

/// Gives each thread a loop on smol's executor; creates one by itself on the main thread only.
///
/// ```
/// use policy_core::EventLoopPolicy;
/// use policy_smol::SmolPolicy;
///
/// let event_loop = SmolPolicy::multi_thread().worker_threads(2).new_event_loop()?;
/// assert_eq!(event_loop.name(), "smol:multi_thread");
/// event_loop.close()?;
/// # Ok::<(), policy_core::Error>(())
/// ```
#[derive(Debug)]
pub struct SmolPolicy {
    contexts: ContextPolicy,
}

impl SmolPolicy {
    /// Makes a policy whose loops run their tasks on the thread that runs the loop.
    ///
    /// ```
    /// use policy_core::EventLoopPolicy;
    ///
    /// let event_loop = policy_smol::SmolPolicy::current_thread().new_event_loop()?;
    /// assert_eq!(event_loop.name(), "smol:current_thread");
    /// event_loop.close()?;
    /// # Ok::<(), policy_core::Error>(())
    /// ```
    pub fn current_thread() -> Self {
        Self::of(Flavour::CurrentThread)
    }

    /// Makes a policy whose loops run their tasks on their own threads: one for each processor,
    /// unless [`worker_threads`](Self::worker_threads) sets another number.
    ///
    /// ```
    /// use policy_core::EventLoopPolicy;
    ///
    /// let event_loop = policy_smol::SmolPolicy::multi_thread().new_event_loop()?;
    /// assert!(event_loop.is_self_driving());
    /// event_loop.close()?;
    /// # Ok::<(), policy_core::Error>(())
    /// ```
    pub fn multi_thread() -> Self {
        Self::of(Flavour::MultiThread { threads: None })
    }

    /// Makes the same policy with `count` threads per loop, which makes it multi-threaded. Loops
    /// that it created before are not its loops any more.
    ///
    /// If `count` is 0, or above both 1024 and the number of processors, making a loop returns
    /// [`ErrorKind::InvalidInput`](policy_core::ErrorKind).
    ///
    /// ```
    /// use policy_core::{ErrorKind, EventLoopPolicy};
    ///
    /// let policy = policy_smol::SmolPolicy::multi_thread().worker_threads(0);
    /// assert_eq!(policy.new_event_loop().unwrap_err().kind(), ErrorKind::InvalidInput);
    /// ```
    #[must_use]
    pub fn worker_threads(self, count: usize) -> Self {
        Self::of(Flavour::MultiThread { threads: Some(count) })
    }

    fn of(flavour: Flavour) -> Self {
        Self { contexts: ContextPolicy::new(flavour, Context::thread()) }
    }
}

/// Loops of the [`current_thread`](SmolPolicy::current_thread) kind.
impl Default for SmolPolicy {
    fn default() -> Self {
        Self::current_thread()
    }
}

impl EventLoopPolicy for SmolPolicy {
    fn base(&self) -> Option<&dyn EventLoopPolicy> {
        Some(&self.contexts)
    }
}

#[derive(Clone, Copy, Debug)]
enum Flavour {
    CurrentThread,
    /// `None`: one for each processor.
    MultiThread {
        threads: Option<usize>,
    },
}

impl LoopFactory for Flavour {
    fn new_event_loop(&self) -> Result<Arc<dyn EventLoop>, Error> {
        match *self {
            Self::CurrentThread => SmolLoop::current_thread(),
            Self::MultiThread { threads } => SmolLoop::multi_thread(worker_threads(threads)?),
        }
    }

    fn is_self_driving(&self) -> bool {
        matches!(self, Self::MultiThread { .. })
    }
}

fn worker_threads(asked: Option<usize>) -> Result<NonZeroUsize, Error> {
    match asked {
        // Asked for each loop: an affinity mask or a cgroup may have changed.
        None => Ok(thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)),
        Some(count) => limits::worker_threads(count),
    }
}
