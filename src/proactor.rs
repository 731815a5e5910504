//! Completion: a loop's `proactor()`, the buffers that its operations own, and the traits that an
//! adapter implements for it.
//!
//! ```
//! use policy::proactor::ProactorHandle;
//!
//! let event_loop = policy::new_event_loop()?;
//! let proactor: ProactorHandle = event_loop.proactor()?;
//! let file = std::sync::Arc::new(std::fs::File::open("Cargo.toml")?);
//! # drop((file, proactor));
//! event_loop.close()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub use policy_core::{Address, IoBuf, IoBufMut, Proactor, ProactorHandle, Resource, ResourceKind};
