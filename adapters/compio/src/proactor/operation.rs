//! What each operation is in compio's words.

use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use compio_buf::{BufResult, IntoInner};
use compio_driver::OpCode;
use compio_driver::op::{
    Accept, Connect, Interest, PollOnce, ReadAt, ReadVectoredAt, Recv, RecvFrom, RecvVectored,
    Send, SendTo, SendVectored, WriteAt, WriteVectoredAt,
};
use compio_runtime::submit;
use policy_core::{Buffer, Operation, Promise, Resource, ResourceKind};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

use super::address;
use super::buffer::{Held, all_filled, filled, initialised};

/// The most buffers that the system takes at once (IOV_MAX).
const AT_ONCE: usize = 1024;

/// Where the file stands, to io_uring; nothing, where it has no position.
const CURRENT: u64 = u64::MAX;

/// The descriptor of an operation. The system has a clone of it until it has let go of
/// the operation's memory.
#[derive(Clone)]
pub(super) struct Fd {
    resource: Resource,
    _alive: Rc<()>,
}

impl Fd {
    pub(super) fn new(resource: Resource, alive: Rc<()>) -> Self {
        Self { resource, _alive: alive }
    }
}

impl AsFd for Fd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.resource.as_fd()
    }
}

/// Performs an operation, unless nobody waits for it any more: then it is cancelled.
pub(super) async fn run(fd: Fd, operation: Operation, promise: Promise) {
    let ended = {
        let mut performing = pin!(perform(&fd, operation));
        poll_fn(|cx| {
            if promise.poll_abandoned(cx).is_ready() {
                // compio cancels what it has under way when it is dropped, and keeps
                // the memory until the system says that it has ended.
                return Poll::Ready(None);
            }
            performing.as_mut().poll(cx).map(Some)
        })
        .await
    };
    if let Some((result, operation)) = ended {
        promise.complete(result, operation);
    }
}

async fn perform(fd: &Fd, operation: Operation) -> (io::Result<usize>, Operation) {
    match operation {
        Operation::Read { buffer, at } => {
            if let Err(error) = check_position(fd, at) {
                return (Err(error), Operation::Read { buffer, at });
            }
            let offset = at.unwrap_or(CURRENT);
            let (result, buffer) = fill(fd, buffer, |fd, held| ReadAt::new(fd, offset, held)).await;
            (result, Operation::Read { buffer, at })
        }
        Operation::Write { buffer, at } => {
            if let Err(error) = check_position(fd, at) {
                return (Err(error), Operation::Write { buffer, at });
            }
            let offset = at.unwrap_or(CURRENT);
            let (result, buffer) =
                drain(fd, buffer, |fd, held| WriteAt::new(fd, offset, held)).await;
            (result, Operation::Write { buffer, at })
        }
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
        Operation::Recv { buffer } => {
            let (result, buffer) =
                fill(fd, buffer, |fd, held| Recv::new(fd, held, RecvFlags::empty())).await;
            (result, Operation::Recv { buffer })
        }
        Operation::Send { buffer } => {
            let (result, buffer) =
                drain(fd, buffer, |fd, held| Send::new(fd, held, SendFlags::NOSIGNAL)).await;
            (result, Operation::Send { buffer })
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
            let address = match address::to_system(&to) {
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
    if at.is_some() && fd.resource.kind() != ResourceKind::File {
        rustix::fs::tell(fd)?;
    }
    Ok(())
}

/// Reads into a buffer by what `make` makes.
async fn fill<T: OpCode + IntoInner<Inner = Held> + 'static>(
    fd: &Fd,
    buffer: Buffer,
    make: impl Fn(Fd, Held) -> T,
) -> (io::Result<usize>, Buffer) {
    let (result, held) = repeat(fd, Interest::Readable, Held::new(buffer), make).await;
    let mut buffer = held.into_buffer();
    if let Ok(len) = result {
        filled(&mut buffer, len);
    }
    (result, buffer)
}

/// Writes from a buffer.
async fn drain<T: OpCode + IntoInner<Inner = Held> + 'static>(
    fd: &Fd,
    buffer: Buffer,
    make: impl Fn(Fd, Held) -> T,
) -> (io::Result<usize>, Buffer) {
    let (result, held) = repeat(fd, Interest::Writable, Held::new(buffer), make).await;
    (result, held.into_buffer())
}

/// Reads into several buffers.
async fn fill_all<T: OpCode + IntoInner<Inner = Vec<Held>> + 'static>(
    fd: &Fd,
    buffers: Vec<Buffer>,
    make: impl Fn(Fd, Vec<Held>) -> T,
) -> (io::Result<usize>, Vec<Buffer>) {
    let (held, rest) = split(buffers);
    let (result, held) = repeat(fd, Interest::Readable, held, make).await;
    let mut buffers = join(held, rest);
    if let Ok(len) = result {
        all_filled(&mut buffers, len);
    }
    (result, buffers)
}

/// Writes from several buffers.
async fn drain_all<T: OpCode + IntoInner<Inner = Vec<Held>> + 'static>(
    fd: &Fd,
    buffers: Vec<Buffer>,
    make: impl Fn(Fd, Vec<Held>) -> T,
) -> (io::Result<usize>, Vec<Buffer>) {
    let (held, rest) = split(buffers);
    let (result, held) = repeat(fd, Interest::Writable, held, make).await;
    (result, join(held, rest))
}

/// As many as the system takes at once, and the rest: an operation may do less than it
/// is asked to.
fn split(mut buffers: Vec<Buffer>) -> (Vec<Held>, Vec<Buffer>) {
    let rest = buffers.split_off(buffers.len().min(AT_ONCE));
    (buffers.into_iter().map(Held::new).collect(), rest)
}

fn join(held: Vec<Held>, rest: Vec<Buffer>) -> Vec<Buffer> {
    held.into_iter().map(Held::into_buffer).chain(rest).collect()
}

async fn recv_from(fd: &Fd, buffer: Buffer) -> (io::Result<usize>, Operation) {
    let start = (Held::new(buffer), None);
    let (result, (held, address)) = repeat(fd, Interest::Readable, start, |fd, (held, _)| {
        RecvFrom::new(fd, held, RecvFlags::empty())
    })
    .await;
    let mut buffer = held.into_buffer();
    let from = match result {
        Ok(len) => {
            filled(&mut buffer, len);
            match &address {
                Some(address) => address::from_system(address),
                None => address::of_sender(fd.as_fd()),
            }
        }
        Err(_) => None,
    };
    (result, Operation::RecvFrom { buffer, from })
}

async fn accept(fd: &Fd) -> (io::Result<usize>, Operation) {
    let accepted = loop {
        let BufResult(result, accept) = submit(Accept::new(fd.clone())).await;
        match result {
            // Only now is there a socket to take out.
            Ok(_) => {
                let (socket, peer) = accept.into_inner();
                break Ok((socket.into(), peer));
            }
            Err(error) => {
                if let Err(error) = settle(fd, Interest::Readable, error).await {
                    break Err(error);
                }
            }
        }
    };
    let accepted = accepted.and_then(|(socket, peer)| match address::from_system(&peer) {
        Some(peer) => Ok((socket, peer)),
        None => Err(Errno::AFNOSUPPORT.into()),
    });
    match accepted {
        Ok(accepted) => (Ok(0), Operation::Accept { accepted: Some(accepted) }),
        Err(error) => (Err(error), Operation::Accept { accepted: None }),
    }
}

async fn connect(fd: &Fd, to: &policy_core::Address) -> io::Result<()> {
    let address = address::to_system(to)?;
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
async fn repeat<B, T: OpCode + IntoInner<Inner = B> + 'static>(
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
    let BufResult(result, _poll) = submit(PollOnce::new(fd.clone(), interest)).await;
    result.map(drop)
}
