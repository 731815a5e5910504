//! The system calls of a child that is not its program yet.
//!
//! All give the error's number. None may allocate, lock, or touch what belongs to the
//! thread that started the child.

#[cfg(not(all(
    target_os = "linux",
    target_pointer_width = "64",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
mod by_libc;
#[cfg(not(all(
    target_os = "linux",
    target_pointer_width = "64",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
pub(super) use by_libc::*;

// A child that shares its parent's memory shares its `errno` as well: these do without.
#[cfg(all(
    target_os = "linux",
    target_pointer_width = "64",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod raw;
#[cfg(all(
    target_os = "linux",
    target_pointer_width = "64",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub(super) use raw::*;

mod environment;
pub(super) use environment::environment;

/// The number of an error.
pub(super) type Errno = i32;
