//! What is held of a record: the wish to have the child reaped, and its descriptor.

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Record;

/// The wish that a child be reaped, while it is held.
///
/// A thread that watches over many children reaps those that somebody claims, so
/// that a handler which was removed leaves the zombie to its owner.
pub(crate) struct Claim(Arc<Record>);

impl Claim {
    pub(crate) fn new(record: Arc<Record>) -> Self {
        record.claims.fetch_add(1, Ordering::AcqRel);
        Self(record)
    }

    pub(crate) fn record(&self) -> &Arc<Record> {
        &self.0
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.claims.fetch_sub(1, Ordering::AcqRel);
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A descriptor of a child that may be registered with a reactor.
pub(in crate::process) struct Lease {
    pub(super) fd: Arc<OwnedFd>,
    /// The record whose own descriptor this is.
    pub(super) of: Option<Arc<Record>>,
}

impl Lease {
    pub(in crate::process) fn fd(&self) -> &Arc<OwnedFd> {
        &self.fd
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(record) = &self.of {
            let mut inner = record.inner.lock();
            inner.registered = false;
            if inner.outcome.is_some() && !inner.keep {
                inner.pidfd = None;
            }
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("fd", &self.fd).finish()
    }
}
