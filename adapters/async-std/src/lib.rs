//! async-std for `event-loop-policy`: [`AsyncStdPolicy`].
//!
//! async-std is discontinued (RUSTSEC-2025-0052); its authors recommend smol. This adapter is for
//! programs that use it already: their libraries and `policy`'s share one executor. New programs
//! should use `SmolPolicy::multi_thread()`.
//!
//! Users name the policy through the crate `policy`.
//!
//! ```
//! use policy_core::EventLoopPolicy;
//!
//! let event_loop = policy_async_std::AsyncStdPolicy::new().new_event_loop()?;
//! assert_eq!(event_loop.run_until_complete(async { 6 * 7 })?, 42);
//! event_loop.close()?;
//! # Ok::<(), policy_core::Error>(())
//! ```

mod event_loop;
mod executor;
mod policy;

pub use policy::AsyncStdPolicy;
