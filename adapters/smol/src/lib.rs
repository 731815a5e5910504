//! smol for `event-loop-policy`: [`SmolPolicy`].
//!
//! Its loops use smol's crates async-executor and async-io. How to choose:
//!
//! - [`SmolPolicy::current_thread`]: tasks run on the thread that runs the loop, while it runs.
//! - [`SmolPolicy::multi_thread`]: the loop's own threads run them, always.
//!
//! Users name this type through the crate `policy`.
//!
//! ```
//! use policy_core::EventLoopPolicy;
//!
//! let event_loop = policy_smol::SmolPolicy::current_thread().new_event_loop()?;
//! assert_eq!(event_loop.run_until_complete(async { 6 * 7 })?, 42);
//! event_loop.close()?;
//! # Ok::<(), policy_core::Error>(())
//! ```

mod event_loop;
mod executor;
mod options;
mod policy;
mod workers;

pub use policy::SmolPolicy;
