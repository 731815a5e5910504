//! Policies: the process's, one made of two parts, and what names a context.

mod context_policy;
mod exclusive;
mod keys;
#[doc(hidden)]
pub mod limits;
mod provided;
pub mod registry;
mod watcher_slot;

pub use context_policy::{ContextPolicy, IntoLoopFactory, LoopFactory};
pub use keys::{Context, ContextKey, IntoContext};
pub use provided::provide_child_watcher;
pub use watcher_slot::{IntoWatcher, WatcherSlot};
