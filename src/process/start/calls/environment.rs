//! The environment of this process, as libc has it.
#![allow(unsafe_code, reason = "a static of libc's")]

use std::ffi::c_char;

/// Returns the environment of this process, as `execve` takes it: the kernel reads it, nobody else.
///
/// std changes it behind a lock that nobody but std can take; so a thread that calls `set_var`
/// meanwhile may have the child see half of it, or be refused for it. That is what `set_var`, which
/// is unsafe for the sake of those who read it so, leaves to its caller.
pub(in crate::process::start) fn environment() -> *const *const c_char {
    #[cfg(target_vendor = "apple")]
    // SAFETY: a function without arguments, which gives the address of a static.
    return unsafe { (*libc::_NSGetEnviron()).cast_const().cast() };
    #[cfg(not(target_vendor = "apple"))]
    {
        unsafe extern "C" {
            static environ: *const *const c_char;
        }
        // SAFETY: every libc of unix has this one, of this type. Read as one word, once, since
        // others may write it.
        unsafe { std::ptr::read_volatile(&raw const environ) }
    }
}
