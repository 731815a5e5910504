//! Windows: a process by its handle, which the system signals when it ends.

mod child;
mod command;
mod exit;
mod sys;

pub use child::{Child, Starting};
pub use command::Command;
