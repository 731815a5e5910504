//! The traits of other libraries, for whatever reads and writes here.

use std::io;
use std::mem::MaybeUninit;
use std::task::{Context, Poll};

/// Reading into memory that need not be initialised.
#[cfg_attr(not(any(feature = "tokio-io", feature = "hyper")), allow(dead_code, reason = "what the bridges stand on"))]
pub(crate) trait PollRead {
    /// Reads; the first bytes of `buf`, as many as this returns, are initialised then.
    fn poll_read_uninit(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [MaybeUninit<u8>],
    ) -> Poll<io::Result<usize>>;
}
