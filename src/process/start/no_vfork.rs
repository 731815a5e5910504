//! Where there is no way of our own, std starts children.

use std::io;
use std::os::fd::OwnedFd;

use super::plan::{Failed, Plan};

#[derive(Debug)]
pub(super) struct Born {
    pub(super) pid: u32,
    pub(super) pidfd: Option<OwnedFd>,
}

#[derive(Debug)]
#[allow(dead_code, reason = "what the other way says as well")]
pub(super) enum Stillborn {
    Unsupported,
    Refused(io::Error),
    Failed(Failed),
}

#[cfg(target_os = "linux")]
pub(in crate::process) fn works() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn only_fork_goes() -> bool {
    false
}

pub(super) fn start(_: &Plan) -> Result<Born, Stillborn> {
    Err(Stillborn::Unsupported)
}
