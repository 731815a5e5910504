//! Control groups are Linux's.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use policy_core::{Error, ErrorKind};

use super::{Home, WayIn};

#[derive(Debug)]
pub(in crate::process) enum OwnCgroup {}

impl OwnCgroup {
    pub(in crate::process) fn for_tree() -> Option<Self> {
        None
    }

    pub(in crate::process) fn way_in(&self) -> std::io::Result<WayIn> {
        match *self {}
    }

    pub(in crate::process) fn can_kill(&self) -> bool {
        match *self {}
    }

    pub(in crate::process) fn kill(&self) -> bool {
        match *self {}
    }

    pub(in crate::process) fn members(&self, _: u32) -> Vec<(u32, OwnedFd)> {
        match *self {}
    }
}

type Settings = [(String, String)];

pub(super) fn below_own(_: &Settings) -> Result<Home, Error> {
    Err(none_here())
}

pub(super) fn below(_: &Path, _: &Settings) -> Result<Home, Error> {
    Err(none_here())
}

pub(super) fn existing(_: &Path, _kills: bool) -> Result<Home, Error> {
    Err(none_here())
}

pub(super) fn existing_fd(_: &Arc<OwnedFd>, _kills: bool) -> Result<Home, Error> {
    Err(none_here())
}

fn none_here() -> Error {
    Error::new(ErrorKind::Unsupported, "control groups are Linux's; leave out `cgroup` here")
}
