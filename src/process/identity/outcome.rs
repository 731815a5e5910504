//! How a child ended.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use policy_core::{Error, ErrorKind};

/// How a child ended, as far as can be known.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    Exited(ExitStatus),
    /// Somebody else took the status.
    Lost,
    /// It is somebody else's child.
    NotOurs,
    /// This process is a forked copy; the child is its sibling.
    Forked,
    /// The system refused.
    Failed(i32),
}

impl Outcome {
    /// What it means that a child can't be waited for.
    pub(in crate::process) fn of_error(error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::ECHILD) => Self::Lost,
            errno => Self::Failed(errno.unwrap_or(libc::EIO)),
        }
    }

    pub(crate) fn into_result(self) -> Result<ExitStatus, Error> {
        match self {
            Self::Exited(status) => Ok(status),
            Self::Lost => Err(ErrorKind::StatusLost.into()),
            Self::NotOurs => Err(ErrorKind::NotOurChild.into()),
            Self::Forked => Err(Error::new(
                ErrorKind::Forked,
                "the child belongs to the parent process; wait for it there",
            )),
            Self::Failed(errno) => Err(Error::io(
                "can't wait for the child; see the source of this error",
                io::Error::from_raw_os_error(errno),
            )),
        }
    }
}

/// asyncio's return code: the exit code, or the negative number of the signal.
pub(in crate::process) fn returncode(status: ExitStatus) -> i32 {
    match (status.code(), status.signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => -signal,
        // Neither: a status that `wait` without WUNTRACED does not give.
        (None, None) => status.into_raw(),
    }
}
