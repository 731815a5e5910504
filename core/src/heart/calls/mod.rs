//! The methods of `dyn EventLoop`, which users call.

mod callbacks;
mod diagnostics;
mod elsewhere;
mod run;
mod tasks;

pub use elsewhere::AtEnd;
pub use run::ShutdownReport;
