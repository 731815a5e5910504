//! Handles of callbacks, which a loop's `call_soon`, `call_later` and `call_at` return.
//!
//! ```
//! use policy::callback::{Handle, TimerHandle};
//! use std::time::Duration;
//!
//! let event_loop = policy::new_event_loop()?;
//! let soon: Handle = event_loop.call_soon(|| println!("never"));
//! let later: TimerHandle = event_loop.call_later(Duration::from_secs(60), || println!("never"));
//! soon.cancel();
//! later.cancel();
//! assert!(soon.cancelled() && later.cancelled());
//! event_loop.close()?;
//! # Ok::<(), policy::Error>(())
//! ```

pub use policy_core::{Handle, TimerHandle};
