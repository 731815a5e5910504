//! The extension traits of this crate, for `use policy::prelude::*`.
//!
//! ```
//! use policy::prelude::*;
//!
//! let event_loop = policy::new_event_loop()?;
//! let child = event_loop.run_until_complete(event_loop.subprocess_shell("exit 7"))??;
//! assert_eq!(event_loop.run_until_complete(child.wait())??.code(), Some(7));
//! event_loop.close()?;
//! # Ok::<(), policy::Error>(())
//! ```

pub use crate::on::EventLoopExt;
