//! Waiting for descriptors.

pub(crate) mod registered;

pub(crate) use std::os::fd::BorrowedFd as BorrowedIo;
