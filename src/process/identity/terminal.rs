//! Terminals: whose turn it is at ours, and new ones for children.
#![allow(
    unsafe_code,
    reason = "calls that rustix has only with features that change all its users"
)]

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use crate::process::sys::{self, Whom};

/// Our terminal, while a child has its turn there. Taken back when this is dropped, unless
/// somebody else has it by then.
#[derive(Debug)]
pub(in crate::process) struct Handover {
    terminal: OwnedFd,
    ours: libc::pid_t,
    /// The group that has it; unknown as long as the child is being started.
    theirs: Option<u32>,
}

impl Handover {
    /// Makes ready to hand our terminal over. `None` if we have none, or are in the
    /// background ourselves: it is not ours to give, then.
    pub(in crate::process) fn prepare() -> Option<Self> {
        let terminal = File::options().read(true).write(true).open("/dev/tty").ok()?.into();
        let ours = rustix::process::getpgrp().as_raw_nonzero().get();
        (foreground(&terminal)? == ours).then_some(Self { terminal, ours, theirs: None })
    }

    /// Returns what the child needs to come forward.
    pub(in crate::process) fn way(&self) -> io::Result<OwnedFd> {
        self.terminal.try_clone()
    }

    pub(in crate::process) fn given_to(&mut self, child: u32) {
        self.theirs = Some(child);
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        let Some(now) = foreground(&self.terminal) else { return };
        let has_gone = || {
            let asked = sys::kill(now.unsigned_abs(), 0, Whom::Group);
            asked.is_err_and(|error| error.raw_os_error() == Some(libc::ESRCH))
        };
        let is_theirs = self.theirs.is_some_and(|theirs| i64::from(theirs) == i64::from(now));
        if now != self.ours && (is_theirs || has_gone()) {
            // Without a terminal any more there is nothing to take back.
            let _hung_up = put_forward(self.terminal.as_fd(), self.ours);
        }
    }
}

fn foreground(terminal: &OwnedFd) -> Option<libc::pid_t> {
    // SAFETY: takes a descriptor that is open.
    Some(unsafe { libc::tcgetpgrp(terminal.as_raw_fd()) }).filter(|&group| group > 0)
}

fn put_forward(terminal: BorrowedFd<'_>, group: libc::pid_t) -> io::Result<()> {
    let mut one = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // Whoever is in the background and asks for the foreground is stopped by SIGTTOU, unless
    // that is blocked.
    // SAFETY: `sigemptyset` initializes the set, the call that follows it the former mask;
    // the mask of this thread alone is changed, and put back.
    unsafe {
        libc::sigemptyset(one.as_mut_ptr());
        libc::sigaddset(one.as_mut_ptr(), libc::SIGTTOU);
        libc::pthread_sigmask(libc::SIG_BLOCK, one.as_ptr(), before.as_mut_ptr());
        let put = libc::tcsetpgrp(terminal.as_raw_fd(), group);
        let error = io::Error::last_os_error();
        libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut());
        if put == 0 { Ok(()) } else { Err(error) }
    }
}

/// How large a terminal is, in rows and columns.
pub(in crate::process) fn size(terminal: BorrowedFd<'_>) -> io::Result<(u16, u16)> {
    let mut size = MaybeUninit::<libc::winsize>::zeroed();
    // SAFETY: a valid place to write to; all zeroes is a valid `winsize`.
    let size = unsafe {
        if libc::ioctl(terminal.as_raw_fd(), libc::TIOCGWINSZ as _, size.as_mut_ptr()) == -1 {
            return Err(io::Error::last_os_error());
        }
        size.assume_init()
    };
    Ok((size.ws_row, size.ws_col))
}

pub(in crate::process) fn set_size(
    terminal: BorrowedFd<'_>,
    rows: u16,
    columns: u16,
) -> io::Result<()> {
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: a valid structure.
    let result =
        unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ as _, &raw const size) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
