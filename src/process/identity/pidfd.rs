//! Whether pidfds do here all that is needed of them.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use crate::process::sys::{self, Take, Target};

/// Opens the pidfd of a child, if pidfds do all that is needed of them here.
pub(crate) fn open_pidfd(pid: u32) -> io::Result<OwnedFd> {
    if !pidfds_work() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    sys::pidfd_open(pid)
}

/// Returns true if this kernel has pidfds, can wait by them, and lets us.
pub(crate) fn pidfds_work() -> bool {
    static PROBED: Probe = Probe::new();

    PROBED.ask(|| {
        sys::pidfd_open(std::process::id())
            .and_then(|fd| sys::exit_now(Target::Pidfd(fd.as_fd()), Take::Look))
            .map(drop)
    })
}

/// Returns true if a pidfd that a child has from birth can be waited by: one may be refused
/// where the other is not.
pub(in crate::process) fn can_wait_by(pidfd: BorrowedFd<'_>) -> bool {
    static PROBED: Probe = Probe::new();

    PROBED.ask(|| sys::exit_now(Target::Pidfd(pidfd), Take::Look).map(drop))
}

static SAID: AtomicBool = AtomicBool::new(false);

/// What was found out about the kernel, or a sandbox.
struct Probe(AtomicU8);

impl Probe {
    const UNKNOWN: u8 = 0;
    const WORKS: u8 = 1;
    const REFUSED: u8 = 2;

    const fn new() -> Self {
        Self(AtomicU8::new(Self::UNKNOWN))
    }

    fn ask(&self, probe: impl FnOnce() -> io::Result<()>) -> bool {
        match self.0.load(Ordering::Relaxed) {
            Self::WORKS => return true,
            Self::REFUSED => return false,
            _ => {}
        }
        match probe().map_err(|error| error.raw_os_error()) {
            // Nobody is a child of himself, or somebody has reaped it: the right answer.
            Ok(()) | Err(Some(libc::ECHILD)) => self.0.store(Self::WORKS, Ordering::Relaxed),
            // A limit that may be over soon; each child asks again.
            Err(Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM)) => {}
            Err(errno) => {
                self.0.store(Self::REFUSED, Ordering::Relaxed);
                // Said once, by whichever probe is first.
                if !SAID.swap(true, Ordering::Relaxed) {
                    log::info!("no pidfds here ({errno:?}); children are waited for in other ways");
                }
                return false;
            }
        }
        true
    }
}
