//! Windows: a process by its handle, which the system signals when it ends.

pub(super) mod exit;
pub(super) mod sys;
