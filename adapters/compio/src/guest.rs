//! What a host can watch while nobody drives the loop: whether compio's driver has
//! something to tell.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use compio_runtime::Runtime;
use policy_core::{Error, os};

/// Returns a descriptor that is readable while the driver's is.
pub(crate) fn descriptor(runtime: &Runtime) -> Result<OwnedFd, Error> {
    os::duplicate(runtime.as_raw_fd()).and_then(around).map_err(|error| {
        Error::io("can't watch compio's driver; close descriptors, or raise RLIMIT_NOFILE", error)
    })
}

/// Not the copy itself: it would keep a ring alive that is closed, and so the operations
/// whose memory goes then. An epoll keeps nothing: it forgets what is closed elsewhere, and
/// watches on when the copy, of which it has learned, is closed here.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn around(copy: OwnedFd) -> io::Result<OwnedFd> {
    use rustix::event::epoll;

    let watched = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&watched, &copy, epoll::EventData::new_u64(0), epoll::EventFlags::IN)?;
    Ok(watched)
}

/// Elsewhere the driver polls, and the system has no memory of operations.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn around(copy: OwnedFd) -> io::Result<OwnedFd> {
    Ok(copy)
}
