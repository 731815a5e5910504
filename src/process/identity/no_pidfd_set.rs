//! Where there are no pidfds to have a set of.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

#[derive(Debug)]
pub(in crate::process) enum PidfdSet {}

impl PidfdSet {
    pub(in crate::process) const BATCH: usize = 0;

    pub(in crate::process) fn new() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in crate::process) fn fd(&self) -> &Arc<OwnedFd> {
        match *self {}
    }

    pub(in crate::process) fn add(&self, _: impl AsFd, _: u64) -> io::Result<()> {
        match *self {}
    }

    pub(in crate::process) fn remove(&self, _: impl AsFd) {
        match *self {}
    }

    pub(in crate::process) fn exited(&self, _: &mut impl Extend<u64>) -> io::Result<usize> {
        match *self {}
    }
}
