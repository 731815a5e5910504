//! What each operation is on io_uring, in compio's words.

use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;

use compio_buf::{BufResult, IntoInner};
use compio_driver::OpCode;
use compio_driver::op::{
    self, Accept, Connect, PollOnce, ReadAt, ReadVectoredAt, Recv, RecvFrom, RecvVectored, Send,
    SendTo, SendVectored, WriteAt, WriteVectoredAt,
};
use compio_runtime::{Runtime, submit};
use policy_core::{
    Address, Buffer, Error, ErrorKind, Interest, LoopState, Operation, Promise, Resource,
    ResourceKind, peer,
};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

use super::buffer::{Held, filled, initialised};
use super::operation::{Ended, Fd, drain, drain_all, fill, fill_all, start};
use crate::local::Number;

/// What an operation needs to take place: of a ring nothing.
#[derive(Debug)]
pub(super) struct Site;

impl Site {
    pub(super) fn of(_resource: &Resource, _event_loop: &LoopState) -> Self {
        Self
    }

    /// Gives the operation its descriptor.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`], for what has none.
    pub(super) fn take(
        self,
        resource: &Resource,
        _operation: &Operation,
        _runtime: &Runtime,
        alive: &Rc<Number>,
    ) -> Result<Fd, Error> {
        let io = resource.io().ok_or(ErrorKind::Unsupported)?;
        Ok(Fd::new(resource, io, alive))
    }
}

/// Where the file stands, to io_uring; nothing, where it has no position.
const CURRENT: u64 = u64::MAX;

/// Begins an operation. The usual ones each by a future of their own, since one for all is as
/// large as the largest part of it.
pub(super) fn begin(fd: Fd, operation: Operation, promise: Promise) {
    match operation {
        Operation::Read { buffer, at } => start(promise, move || read(fd, buffer, at)),
        Operation::Write { buffer, at } => start(promise, move || write(fd, buffer, at)),
        Operation::Recv { buffer } => start(promise, move || recv(fd, buffer)),
        Operation::Send { buffer } => start(promise, move || send(fd, buffer)),
        other => start(promise, move || perform(fd, other)),
    }
}

async fn read(fd: Fd, buffer: Buffer, at: Option<u64>) -> Ended {
    if let Err(error) = check_position(&fd, at) {
        return (Err(error), Operation::Read { buffer, at });
    }
    let offset = at.unwrap_or(CURRENT);
    let (result, buffer) = fill(&fd, buffer, |fd, held| ReadAt::new(fd, offset, held)).await;
    (result, Operation::Read { buffer, at })
}

async fn write(fd: Fd, buffer: Buffer, at: Option<u64>) -> Ended {
    if let Err(error) = check_position(&fd, at) {
        return (Err(error), Operation::Write { buffer, at });
    }
    let offset = at.unwrap_or(CURRENT);
    let (result, buffer) = drain(&fd, buffer, |fd, held| WriteAt::new(fd, offset, held)).await;
    (result, Operation::Write { buffer, at })
}

async fn recv(fd: Fd, buffer: Buffer) -> Ended {
    let (result, buffer) =
        fill(&fd, buffer, |fd, held| Recv::new(fd, held, RecvFlags::empty())).await;
    (result, Operation::Recv { buffer })
}

async fn send(fd: Fd, buffer: Buffer) -> Ended {
    let (result, buffer) =
        drain(&fd, buffer, |fd, held| Send::new(fd, held, SendFlags::NOSIGNAL)).await;
    (result, Operation::Send { buffer })
}

async fn perform(fd: Fd, operation: Operation) -> Ended {
    let fd = &fd;
    match operation {
        Operation::ReadVectored { buffers, at } => {
            if let Err(error) = check_position(fd, at) {
                return (Err(error), Operation::ReadVectored { buffers, at });
            }
            let offset = at.unwrap_or(CURRENT);
            let (mut buffers, lengths) = initialised(buffers);
            let result;
            (result, buffers) =
                fill_all(fd, buffers, |fd, held| ReadVectoredAt::new(fd, offset, held)).await;
            if result.is_err() {
                lengths.restore(&mut buffers);
            }
            (result, Operation::ReadVectored { buffers, at })
        }
        Operation::WriteVectored { buffers, at } => {
            if let Err(error) = check_position(fd, at) {
                return (Err(error), Operation::WriteVectored { buffers, at });
            }
            let offset = at.unwrap_or(CURRENT);
            let (result, buffers) =
                drain_all(fd, buffers, |fd, held| WriteVectoredAt::new(fd, offset, held)).await;
            (result, Operation::WriteVectored { buffers, at })
        }
        Operation::RecvVectored { buffers } => {
            let (result, buffers) =
                fill_all(fd, buffers, |fd, held| RecvVectored::new(fd, held, RecvFlags::empty()))
                    .await;
            (result, Operation::RecvVectored { buffers })
        }
        Operation::SendVectored { buffers } => {
            let (result, buffers) =
                drain_all(fd, buffers, |fd, held| SendVectored::new(fd, held, SendFlags::NOSIGNAL))
                    .await;
            (result, Operation::SendVectored { buffers })
        }
        Operation::RecvFrom { buffer, .. } => recv_from(fd, buffer).await,
        Operation::SendTo { buffer, to } => {
            let address = match to.to_system() {
                Ok(address) => address,
                Err(error) => return (Err(error), Operation::SendTo { buffer, to }),
            };
            let (result, buffer) = drain(fd, buffer, |fd, held| {
                SendTo::new(fd, held, address.clone(), SendFlags::NOSIGNAL)
            })
            .await;
            (result, Operation::SendTo { buffer, to })
        }
        Operation::Accept { .. } => accept(fd).await,
        Operation::Connect { to } => {
            (connect(fd, &to).await.map(|()| 0), Operation::Connect { to })
        }
        other => {
            let unknown = policy_core::Error::new(
                policy_core::ErrorKind::Unsupported,
                "this loop does not know the operation; update its adapter",
            );
            (Err(unknown.into()), other)
        }
    }
}

/// A position means something in a file only. io_uring ignores it elsewhere, where
/// `pread` refuses.
fn check_position(fd: &Fd, at: Option<u64>) -> io::Result<()> {
    if at.is_some() && fd.kind != ResourceKind::File {
        rustix::fs::tell(fd)?;
    }
    Ok(())
}

async fn recv_from(fd: &Fd, buffer: Buffer) -> Ended {
    let start = (Held::new(buffer), None);
    let (result, (held, address)) = repeat(fd, Interest::Readable, start, |fd, (held, _)| {
        RecvFrom::new(fd, held, RecvFlags::empty())
    })
    .await;
    let mut buffer = held.into_buffer();
    let from = match result {
        Ok(len) => {
            filled(&mut buffer, len);
            Some(Address::of_sender(fd.as_fd(), address.as_ref()))
        }
        Err(_) => None,
    };
    (result, Operation::RecvFrom { buffer, from })
}

async fn accept(fd: &Fd) -> Ended {
    loop {
        let BufResult(result, accept) = submit(Accept::new(fd.clone())).await;
        match result {
            // Only now is there a socket to take out.
            Ok(_) => {
                let (socket, peer) = accept.into_inner();
                let accepted = Some((socket.into(), Address::from_system(&peer)));
                return (Ok(0), Operation::Accept { accepted });
            }
            // That one has gone while it waited: the next.
            Err(error) if peer::is_of_one_connection(&error) => {}
            Err(error) => {
                if let Err(error) = settle(fd, Interest::Readable, error).await {
                    return (Err(error), Operation::Accept { accepted: None });
                }
            }
        }
    }
}

async fn connect(fd: &Fd, to: &Address) -> io::Result<()> {
    let address = to.to_system()?;
    let BufResult(result, _connect) = submit(Connect::new(fd.clone(), address)).await;
    let Err(error) = result else { return Ok(()) };
    match Errno::from_io_error(&error) {
        // A socket in non-blocking mode: it is under way.
        Some(Errno::INPROGRESS | Errno::ALREADY | Errno::INTR) => {
            ready(fd, Interest::Writable).await?;
            Ok(rustix::net::sockopt::socket_error(fd)??)
        }
        _ => Err(error),
    }
}

/// Submits what `make` makes of a buffer until it has a result: a resource in
/// non-blocking mode says that it would block, and is waited for.
pub(super) async fn repeat<B, T: OpCode + IntoInner<Inner = B> + 'static>(
    fd: &Fd,
    interest: Interest,
    mut buffer: B,
    make: impl Fn(Fd, B) -> T,
) -> (io::Result<usize>, B) {
    loop {
        let BufResult(result, operation) = submit(make(fd.clone(), buffer)).await;
        buffer = operation.into_inner();
        match result {
            Ok(len) => return (Ok(len), buffer),
            Err(error) => {
                if let Err(error) = settle(fd, interest, error).await {
                    return (Err(error), buffer);
                }
            }
        }
    }
}

/// Waits where an operation has to be tried again; else gives the error back.
async fn settle(fd: &Fd, interest: Interest, error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::Interrupted => Ok(()),
        io::ErrorKind::WouldBlock => ready(fd, interest).await,
        _ => Err(error),
    }
}

async fn ready(fd: &Fd, interest: Interest) -> io::Result<()> {
    let interest = match interest {
        Interest::Readable => op::Interest::Readable,
        Interest::Writable => op::Interest::Writable,
    };
    let BufResult(result, _poll) = submit(PollOnce::new(fd.clone(), interest)).await;
    result.map(drop)
}
