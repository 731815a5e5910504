//! The body of a request, within limits.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::{Bytes, Frame, Incoming, SizeHint};
use policy_core::{Error, ErrorKind};

use super::Limits;
use super::pace::{Pace, TooSlow};

/// The body of a request that [`serve`](super::serve) passes to its service.
///
/// As hyper's `Incoming`, and with limits: one that is too large gives
/// [`ErrorKind::LimitReached`](crate::ErrorKind), and one that comes too slowly
/// [`ErrorKind::TimedOut`](crate::ErrorKind). The connection ends with it.
#[derive(Debug)]
pub struct Body {
    incoming: Incoming,
    left: u64,
    pace: Pace,
    /// What was told of it: nothing comes after that.
    failed: bool,
}

impl Body {
    pub(super) fn new(incoming: Incoming, limits: &Limits) -> Self {
        let pace = Pace::new(limits.body_time, limits.body_total);
        Self { incoming, left: limits.body_size, pace, failed: false }
    }

    fn fail(&mut self, error: Error) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.failed = true;
        Poll::Ready(Some(Err(error)))
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        if this.failed {
            return Poll::Ready(None);
        }
        // Before any of it is read, if its length is told.
        if this.incoming.size_hint().lower() > this.left {
            return this.fail(too_large());
        }
        match Pin::new(&mut this.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let len = frame.data_ref().map_or(0, Bytes::len);
                this.pace.moved(len);
                match this.left.checked_sub(len as u64) {
                    Some(left) => this.left = left,
                    None => return this.fail(too_large()),
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => this.fail(Error::io(
                "the rest of the request did not come; answer nothing, its client has gone",
                io::Error::other(error),
            )),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                let said = match ready!(this.pace.poll_wait(cx)) {
                    TooSlow::Piece => {
                        "the body of the request comes too slowly; raise `Limits::body_time`"
                    }
                    TooSlow::Total => {
                        "the body of the request takes too long; raise `Limits::body_total`"
                    }
                };
                this.fail(Error::new(ErrorKind::TimedOut, said))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.failed || self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

fn too_large() -> Error {
    Error::new(
        ErrorKind::LimitReached,
        "the body of the request is too large; raise `Limits::body_size`",
    )
}
