//! The mechanism that completes operations.

use std::fmt;
use std::io;

use compio_driver::{DriverType, ProactorBuilder};
use compio_runtime::{Runtime, RuntimeBuilder};
use policy_core::{Error, ErrorKind};

/// The mechanism with which a compio loop waits.
///
/// Unless you choose one, a loop uses io_uring if the system allows it, and polling if not (an old
/// kernel, a container that forbids it).
///
/// ```
/// use policy_compio::Driver;
///
/// assert_eq!(Driver::IoUring.to_string(), "io_uring");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Driver {
    /// io_uring: Linux.
    IoUring,
    /// epoll, kqueue and the like: the loop tries operations and waits for readiness.
    Polling,
    /// I/O completion ports: Windows.
    Iocp,
}

impl Driver {
    /// Returns the name: `io_uring`, `polling` or `iocp`.
    ///
    /// ```
    /// assert_eq!(policy_compio::Driver::Polling.as_str(), "polling");
    /// ```
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IoUring => "io_uring",
            Self::Polling => "polling",
            Self::Iocp => "iocp",
        }
    }

    /// What a system that is as it should be has.
    #[cfg(any(target_os = "linux", windows))]
    pub(crate) const BEST: Self = if cfg!(windows) { Self::Iocp } else { Self::IoUring };

    pub(crate) fn of(driver: DriverType) -> Self {
        match driver {
            DriverType::IoUring => Self::IoUring,
            DriverType::Poll => Self::Polling,
            DriverType::IOCP => Self::Iocp,
        }
    }

    /// Returns what compio calls it, where this system may have it.
    pub(crate) fn check(self) -> Result<DriverType, Error> {
        match self {
            Self::IoUring if cfg!(target_os = "linux") => Ok(DriverType::IoUring),
            Self::Polling if cfg!(unix) => Ok(DriverType::Poll),
            Self::Iocp if cfg!(windows) => Ok(DriverType::IOCP),
            _ => Err(Error::new(
                ErrorKind::Unsupported,
                format!("this system has no {self}; leave the choice to `CompioPolicy::new()`"),
            )),
        }
    }
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Makes a runtime of compio's for this thread.
pub(crate) fn start(asked: Option<Driver>) -> Result<Runtime, Error> {
    let mut proactor = ProactorBuilder::new();
    if let Some(asked) = asked {
        proactor.driver_type(asked.check()?);
    }
    RuntimeBuilder::new().with_proactor(proactor).build().map_err(|error| refused(asked, error))
}

fn refused(asked: Option<Driver>, error: io::Error) -> Error {
    let message = match asked {
        Some(Driver::IoUring) => {
            "can't start io_uring; allow it (`kernel.io_uring_disabled`, seccomp), raise RLIMIT_NOFILE, or leave the choice to `CompioPolicy::new()`"
        }
        _ => "can't start compio's driver; close descriptors, or raise RLIMIT_NOFILE",
    };
    Error::io(message, error)
}
