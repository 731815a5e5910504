//! Reading and writing, on any loop.
//!
//! | I want to … | use |
//! |---|---|
//! | copy from one stream to another | [`copy`], [`copy_bidirectional`] |
//! | read and write the process's own streams | [`stdin`], [`stdout`], [`stderr`] |
//! | connect two tasks, or test without a socket | [`duplex`] |
//! | talk to other processes and machines | [`net`](crate::net) |
//!
//! The traits are those of [futures-io](futures_io). Their methods (`read`, `write_all`, `lines` …)
//! come from the extension traits of futures-lite, which are re-exported here (feature `io-util`,
//! on by default):
//!
//! ```
//! # #[cfg(feature = "io-util")]
//! policy::run(async {
//!     use policy::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
//!
//!     let (mut a, b) = policy::io::duplex(64);
//!     a.write_all(b"one\ntwo\n").await?;
//!     let mut line = String::new();
//!     BufReader::new(b).read_line(&mut line).await?;
//!     assert_eq!(line, "one\n");
//!     std::io::Result::Ok(())
//! })?;
//! # std::io::Result::Ok(())
//! ```
//!
//! They are the same traits as `futures_lite`'s, so a program may import both. `futures_util` has
//! other traits of the same names: import one of the two in a file. With the feature `tokio-io` all
//! streams implement tokio's traits, too, whose methods come from `tokio::io`.

#[macro_use]
pub(crate) mod bridge;

#[cfg(feature = "net")]
pub(crate) mod anchor;
pub(crate) mod backlog;
pub(crate) mod calls;
mod copy;
mod duplex;
mod stdio;

pub use copy::{copy, copy_bidirectional};
pub use duplex::{DuplexStream, duplex};
pub use futures_io::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite};
#[cfg(feature = "io-util")]
pub use futures_lite::io::{
    AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt, BufReader, BufWriter, Cursor,
    empty, repeat, sink,
};
pub use stdio::{Stderr, Stdin, Stdout, stderr, stdin, stdout};

pub(crate) use calls::uninterrupted;
#[cfg(feature = "net")]
pub(crate) use policy_core::os::{BorrowedIo, OwnedIo};
