//! The policies that asyncio has on Windows.

use policy_core::{Context, ContextPolicy, CurrentLoop, Error, EventLoopPolicy};

/// Makes a policy as asyncio's on Windows are: a loop for each thread, made by itself on
/// the main thread only, and no child watcher.
macro_rules! policy {
    ($(#[$docs:meta])* $name:ident, $make:expr) => {
        $(#[$docs])*
        #[derive(Debug)]
        pub struct $name {
            contexts: ContextPolicy,
        }

        impl $name {
            /// Makes the policy. Does not create a loop yet.
            ///
            /// ```
            #[doc = concat!("policy::set_event_loop_policy(policy::", stringify!($name), "::new());")]
            /// ```
            pub fn new() -> Self {
                crate::default::begin();
                Self { contexts: ContextPolicy::new($make, Context::thread()) }
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl EventLoopPolicy for $name {
            fn base(&self) -> Option<&dyn EventLoopPolicy> {
                Some(&self.contexts)
            }

            fn current(&self) -> Result<CurrentLoop, Error> {
                self.contexts.current()
            }
        }
    };
}

#[cfg(feature = "default-loop")]
policy! {
    /// Gives each thread a [`SelectorEventLoop`](crate::SelectorEventLoop), which waits
    /// for sockets to be ready (AFD). asyncio: `WindowsSelectorEventLoopPolicy`.
    ///
    /// ```
    /// use policy::{EventLoopPolicy, LoopKind, WindowsSelectorEventLoopPolicy};
    ///
    /// let event_loop = WindowsSelectorEventLoopPolicy::new().new_event_loop()?;
    /// assert_eq!(event_loop.kind(), LoopKind::Selector);
    /// event_loop.close()?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    WindowsSelectorEventLoopPolicy, crate::SelectorEventLoop::new
}

#[cfg(any(feature = "default-loop", feature = "compio"))]
policy! {
    /// Gives each thread a [`ProactorEventLoop`](crate::ProactorEventLoop), which waits
    /// for operations to be complete (IOCP). asyncio: `WindowsProactorEventLoopPolicy`,
    /// the default there since Python 3.8.
    ///
    /// ```
    /// use policy::{EventLoopPolicy, LoopKind, WindowsProactorEventLoopPolicy};
    ///
    /// let event_loop = WindowsProactorEventLoopPolicy::new().new_event_loop()?;
    /// assert_eq!(event_loop.kind(), LoopKind::Proactor);
    /// event_loop.close()?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    WindowsProactorEventLoopPolicy, crate::ProactorEventLoop::new
}
