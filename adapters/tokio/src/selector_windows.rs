//! Sockets on tokio's reactor. tokio has no `AsyncFd` here, and its types own what
//! they wait for: so a second handle of the socket is registered, and the operations
//! are tried on the first.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use policy_core::os::{self, BorrowedIo, OwnedIo};
use policy_core::{Error, Interest, Selector, Source};

use crate::event_loop::TokioLoop;

impl Selector for TokioLoop {
    fn register(&self, io: Arc<OwnedIo>) -> Result<Box<dyn Source>, Error> {
        let register = || {
            // Of whatever sort it is: nothing is called on this handle but what waits
            // for readiness, and AFD waits for all sorts of sockets alike.
            let waits = TcpStream::from(io.try_clone()?);
            tokio::net::TcpStream::from_std(waits)
        };
        match self.io().make(self.handle(), register)? {
            Ok(waits) => Ok(Box::new(Registered { waits, io })),
            Err(cause) => Err(Error::io(
                format!("can't wait for socket {}; check that it is one, and open", os::raw(&*io)),
                cause,
            )),
        }
    }
}

#[derive(Debug)]
struct Registered {
    /// Knows what is ready.
    waits: tokio::net::TcpStream,
    io: Arc<OwnedIo>,
}

impl Source for Registered {
    fn poll_io(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        op: &mut dyn FnMut(BorrowedIo<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            // An error here means that the runtime has gone.
            let interest = match interest {
                Interest::Readable => {
                    ready!(self.waits.poll_read_ready(cx))?;
                    tokio::io::Interest::READABLE
                }
                Interest::Writable => {
                    ready!(self.waits.poll_write_ready(cx))?;
                    tokio::io::Interest::WRITABLE
                }
            };
            match self.waits.try_io(interest, || op(os::borrow(&*self.io))) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }
}
