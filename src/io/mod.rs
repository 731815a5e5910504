//! Reading and writing, on whichever loop runs.
//!
//! | I want to … | use |
//! |---|---|
//! | hand on what one stream gives to another | [`copy`], [`copy_bidirectional`] |
//! | read and write the process's own streams | [`stdin`], [`stdout`], [`stderr`] |
//! | connect two tasks, or test without a socket | [`duplex`] |
//! | talk to other processes and machines | [`net`](crate::net) |
//!
//! The traits are those of [futures-io](futures_io). Their methods (`read`, `write_all`,
//! `lines` …) come from an extension trait, of which there are several that are
//! well-kept: `futures_lite::{AsyncReadExt, AsyncWriteExt}` or `futures_util`'s. This
//! crate adds none of its own.

#[macro_use]
pub(crate) mod bridge;

pub(crate) mod anchor;
pub(crate) mod backlog;
pub(crate) mod calls;
mod copy;
mod duplex;
mod stdio;

pub use copy::{copy, copy_bidirectional};
pub use duplex::{DuplexStream, duplex};
pub use futures_io::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite};
pub use stdio::{Stderr, Stdin, Stdout, stderr, stdin, stdout};

pub(crate) use calls::uninterrupted;
pub(crate) use policy_core::os::{BorrowedIo, OwnedIo};
