//! Whether pidfds do here all that is needed of them.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU8, Ordering};

use super::sys::{self, Take, Target};

/// Opens the pidfd of a child, if pidfds do all that is needed of them here.
pub(crate) fn open_pidfd(pid: u32) -> io::Result<OwnedFd> {
    if !pidfds_work() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    sys::pidfd_open(pid)
}

/// Returns true if this kernel has pidfds, can wait by them, and lets us.
pub(crate) fn pidfds_work() -> bool {
    const UNKNOWN: u8 = 0;
    const WORK: u8 = 1;
    const REFUSED: u8 = 2;
    static PROBED: AtomicU8 = AtomicU8::new(UNKNOWN);

    match PROBED.load(Ordering::Relaxed) {
        WORK => return true,
        REFUSED => return false,
        _ => {}
    }
    let probe = sys::pidfd_open(std::process::id())
        .and_then(|fd| sys::exit_now(Target::Pidfd(fd.as_fd()), Take::Look));
    let errno = probe.as_ref().err().and_then(io::Error::raw_os_error);
    match errno {
        // Nobody is a child of himself: the right answer.
        Some(libc::ECHILD) => PROBED.store(WORK, Ordering::Relaxed),
        // A limit that may be over soon; each child asks again.
        Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM) => {}
        _ => {
            PROBED.store(REFUSED, Ordering::Relaxed);
            log::info!("no pidfds here ({errno:?}); children are waited for in other ways");
            return false;
        }
    }
    true
}
