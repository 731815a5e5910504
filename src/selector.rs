//! Readiness: a loop's `selector()`, and the traits that an adapter implements for it.
//!
//! ```
//! use policy::selector::SelectorHandle;
//!
//! # #[cfg(unix)] {
//! let event_loop = policy::new_event_loop()?;
//! let selector: SelectorHandle = event_loop.selector()?;
//! let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
//! event_loop.run_until_complete(selector.writable(&ours))??;
//! event_loop.close()?;
//! # drop(theirs);
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub use policy_core::{Interest, Readiness, Selector, SelectorHandle, Source};
