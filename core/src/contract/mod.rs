//! What an adapter, a policy or a child watcher implements: the traits, and the types in their
//! signatures.

mod error;
mod event_loop;
pub mod foreign;
#[cfg(any(unix, windows))]
pub mod os;
mod policy;
#[cfg(feature = "proactor")]
mod proactor;
#[cfg(any(unix, windows))]
mod selector;
mod state;
mod timer;
mod watcher;

pub use error::{Error, ErrorKind};
pub use event_loop::{EventLoop, LoopKind};
pub use policy::{CurrentLoop, EventLoopPolicy, IntoPolicy};
#[cfg(feature = "proactor")]
pub use proactor::{
    Address, Buffer, Completed, Completion, IoBuf, IoBufMut, Operation, Proactor, Promise,
    Resource, ResourceKind,
};
#[cfg(any(unix, windows))]
pub use selector::{Interest, Selector, Source};
pub use state::{LoopId, LoopState};
pub use timer::Timer;
pub use watcher::{ChildCallback, ChildId, ChildWatcher, ExitFuture};
