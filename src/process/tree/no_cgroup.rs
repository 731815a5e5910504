//! Control groups are Linux's.

use std::os::fd::OwnedFd;

#[derive(Debug)]
pub(super) enum Cgroup {}

impl Cgroup {
    pub(super) fn new() -> Option<Self> {
        None
    }

    pub(super) fn way_in(&self) -> Option<OwnedFd> {
        match *self {}
    }

    pub(super) fn has(&self, _: u32) -> bool {
        match *self {}
    }

    pub(super) fn kill(&self) -> bool {
        match *self {}
    }

    pub(super) fn members(&self, _: u32) -> Vec<(u32, OwnedFd)> {
        match *self {}
    }
}
