//! Contexts of a policy: the keys under which it keeps its loops. See
//! [`ContextPolicy`](crate::ContextPolicy).
//!
//! ```
//! use policy::context::Context;
//! use policy::{ContextPolicy, EventLoopPolicy, SelectorEventLoop};
//!
//! // One loop for the whole process, in place of one for each thread.
//! let policy = ContextPolicy::new(SelectorEventLoop::new, Context::process());
//! let event_loop = policy.get_event_loop()?;
//! let elsewhere = std::thread::scope(|scope| scope.spawn(|| policy.get_event_loop()).join());
//! assert!(std::sync::Arc::ptr_eq(&event_loop, &elsewhere.unwrap()?));
//! event_loop.close()?;
//! # Ok::<(), policy::Error>(())
//! ```

pub use policy_core::{Context, ContextKey, CurrentLoop, LoopFactory};
