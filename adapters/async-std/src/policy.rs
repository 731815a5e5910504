//! The policy whose loops use async-std's executor.

use std::sync::Arc;

use policy_core::{Context, ContextPolicy, Error, EventLoop, EventLoopPolicy, LoopFactory};

use crate::event_loop::AsyncStdEventLoop;

/// Gives each thread a loop on async-std's executor; creates one by itself on the main thread only.
///
/// async-std is discontinued (RUSTSEC-2025-0052): this is for programs that use it already. The
/// process has one such executor; a loop is a set of tasks on it, which make progress while no
/// thread drives the loop. The environment variable `ASYNC_STD_THREAD_COUNT` sets its number of
/// threads.
///
/// ```
/// use policy_async_std::AsyncStdPolicy;
/// use policy_core::EventLoopPolicy;
///
/// let event_loop = AsyncStdPolicy::new().new_event_loop()?;
/// assert_eq!(event_loop.name(), "async-std");
/// event_loop.close()?;
/// # Ok::<(), policy_core::Error>(())
/// ```
#[derive(Debug)]
pub struct AsyncStdPolicy {
    contexts: ContextPolicy,
}

impl AsyncStdPolicy {
    /// Makes the policy. Nothing is started before it creates its first loop.
    ///
    /// ```
    /// use policy_core::EventLoopPolicy;
    ///
    /// let policy = policy_async_std::AsyncStdPolicy::new();
    /// policy.new_event_loop()?.close()?;
    /// # Ok::<(), policy_core::Error>(())
    /// ```
    pub fn new() -> Self {
        Self { contexts: ContextPolicy::new(Loops, Context::thread()) }
    }
}

impl Default for AsyncStdPolicy {
    fn default() -> Self {
        Self::new()
    }
}

impl EventLoopPolicy for AsyncStdPolicy {
    fn base(&self) -> Option<&dyn EventLoopPolicy> {
        Some(&self.contexts)
    }
}

struct Loops;

impl LoopFactory for Loops {
    fn new_event_loop(&self) -> Result<Arc<dyn EventLoop>, Error> {
        AsyncStdEventLoop::make()
    }

    fn is_self_driving(&self) -> bool {
        true
    }
}
