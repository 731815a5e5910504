//! The policy whose loops use smol's executor.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use policy_core::limits::{self, ThreadOptions};
use policy_core::{
    Context, ContextPolicy, Error, ErrorKind, EventLoop, EventLoopPolicy, LoopFactory,
};

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
    loops: Loops,
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
        Self::new(Loops { threads: Threads::None, options: ThreadOptions::default() })
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
        Self::new(Loops { threads: Threads::EachProcessor, options: ThreadOptions::default() })
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
        Self::new(Loops { threads: Threads::Count(count), ..self.loops })
    }

    /// Sets the name of the loops' threads, which are `policy-smol-0`, `policy-smol-1` … otherwise.
    ///
    /// For a name that contains NUL, and on loops without threads of their own, making a loop
    /// returns [`ErrorKind::InvalidInput`](policy_core::ErrorKind). The threads for blocking jobs,
    /// and that of smol's reactor, belong to the process and keep their names.
    ///
    /// ```
    /// use policy_core::EventLoopPolicy;
    /// use policy_smol::SmolPolicy;
    ///
    /// let policy = SmolPolicy::multi_thread().worker_threads(1).thread_name("worker");
    /// let event_loop = policy.new_event_loop()?;
    /// let name = event_loop.spawn(async { std::thread::current().name().map(str::to_owned) });
    /// // This thread helps with tasks while it runs the loop.
    /// let name = futures_lite::future::block_on(name);
    /// assert_eq!(name.unwrap().as_deref(), Some("worker"));
    /// event_loop.close()?;
    /// # Ok::<(), policy_core::Error>(())
    /// ```
    #[must_use]
    pub fn thread_name(self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.with(|options| options.name = Some(name))
    }

    /// Sets the stack size of the loops' threads, in bytes; std's default is 2 MiB. The system
    /// raises a size that is too small. Where it refuses one that is too large, making a loop
    /// returns [`ErrorKind::Io`](policy_core::ErrorKind); on loops without threads of their own,
    /// [`ErrorKind::InvalidInput`](policy_core::ErrorKind).
    #[must_use]
    pub fn thread_stack_size(self, bytes: usize) -> Self {
        self.with(|options| options.stack_size = Some(bytes))
    }

    /// Sets a function that each thread of the loops calls when it starts, inside the loop. A panic
    /// of it is printed, and changes nothing else.
    ///
    /// On loops without threads of their own, making a loop returns
    /// [`ErrorKind::InvalidInput`](policy_core::ErrorKind).
    ///
    /// ```
    /// use policy_core::EventLoopPolicy;
    /// use policy_smol::SmolPolicy;
    ///
    /// let policy = SmolPolicy::multi_thread()
    ///     .on_thread_start(|| println!("a thread starts"))
    ///     .on_thread_stop(|| println!("a thread ends"));
    /// policy.new_event_loop()?.close()?;
    /// # Ok::<(), policy_core::Error>(())
    /// ```
    #[must_use]
    pub fn on_thread_start(self, f: impl Fn() + Send + Sync + 'static) -> Self {
        self.with(|options| options.on_start = Some(Arc::new(f)))
    }

    /// Sets a function that each thread of the loops calls when it ends; see
    /// [`on_thread_start`](Self::on_thread_start).
    #[must_use]
    pub fn on_thread_stop(self, f: impl Fn() + Send + Sync + 'static) -> Self {
        self.with(|options| options.on_stop = Some(Arc::new(f)))
    }

    fn with(self, set: impl FnOnce(&mut ThreadOptions)) -> Self {
        let mut loops = self.loops;
        set(&mut loops.options);
        Self::new(loops)
    }

    fn new(loops: Loops) -> Self {
        Self { contexts: ContextPolicy::new(loops.clone(), Context::thread()), loops }
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

/// The factory, kept beside the policy so that a builder can change it.
#[derive(Clone, Debug)]
struct Loops {
    threads: Threads,
    options: ThreadOptions,
}

#[derive(Clone, Copy, Debug)]
enum Threads {
    None,
    EachProcessor,
    Count(usize),
}

impl LoopFactory for Loops {
    fn new_event_loop(&self) -> Result<Arc<dyn EventLoop>, Error> {
        let count = match self.threads {
            Threads::None if self.options.is_empty() => return SmolLoop::current_thread(),
            Threads::None => {
                return Err(Error::new(
                    ErrorKind::InvalidInput,
                    "this policy's loops have no threads of their own; set these options on `SmolPolicy::multi_thread()`",
                ));
            }
            // Asked for each loop: an affinity mask or a cgroup may have changed.
            Threads::EachProcessor => thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            Threads::Count(count) => limits::worker_threads(count)?,
        };
        SmolLoop::multi_thread(count, &self.options)
    }

    fn is_self_driving(&self) -> bool {
        !matches!(self.threads, Threads::None)
    }
}
