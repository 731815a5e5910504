//! smol for `event-loop-policy`: [`SelectorEventLoop`], which is the default
//! loop, and [`SmolPolicy`].
//!
//! Both use smol's crates async-executor and async-io. How to choose:
//!
//! - [`SmolPolicy::current_thread`]: tasks run on the thread that runs the loop, while it runs.
//! - [`SmolPolicy::multi_thread`]: the loop's own threads run them, always.
//!
//! Users name these types through the crate `policy`.
//!
//! ```
//! let event_loop = policy_smol::SelectorEventLoop::new()?;
//! assert_eq!(event_loop.run_until_complete(async { 6 * 7 })?, 42);
//! event_loop.close()?;
//! # Ok::<(), policy_core::Error>(())
//! ```

mod event_loop;
mod executor;
mod policy;
mod workers;

pub use event_loop::SelectorEventLoop;
pub use policy::SmolPolicy;
