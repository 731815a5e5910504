//! What each operation is on a completion port, in compio's words.
//!
//! A port takes sockets, each for ever: one that another port has is refused here, and
//! `policy_core` tries its operations and waits in between.

use std::convert::Infallible;
use std::io;
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use compio_buf::{BufResult, IntoInner};
use compio_driver::op::{
    Accept, Connect, Recv, RecvFlags, RecvVectored, Send, SendFlags, SendVectored,
};
use compio_driver::{AsRawFd, OpCode};
use compio_runtime::{Runtime, submit};
use policy_core::os::OwnedIo;
use policy_core::{
    Address, Buffer, Error, ErrorKind, Interest, LoopState, Operation, Promise, Resource, peer,
};
use socket2::{SockAddr, SockRef, Socket, Type};

use super::buffer::Held;
use super::operation::{Ended, Fd, drain, drain_all, fill, fill_all, start};
use crate::local::Number;

/// What an operation needs to take place: the port that its socket belongs to.
#[derive(Debug)]
pub(super) struct Site(Arc<Port>);

/// The runtime that has the port; `None` if it is of no runtime of this loop.
#[derive(Debug, Default)]
struct Port(OnceLock<Option<Number>>);

impl Site {
    pub(super) fn of(resource: &Resource, event_loop: &LoopState) -> Self {
        let Ok(port) = resource.attached(event_loop, || Ok::<_, Infallible>(Port::default()));
        Self(port)
    }

    /// Lets the port of the runtime complete what is done with the socket.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`], if another port does, or this is nothing for a port.
    pub(super) fn take(
        self,
        resource: &Resource,
        operation: &Operation,
        runtime: &Runtime,
        alive: &Rc<Number>,
    ) -> Result<Fd, Error> {
        let socket = resource.io().filter(|_| suits_ports(operation)).ok_or_else(refusal)?;
        let attach = || runtime.attach(AsRawFd::as_raw_fd(&**socket));
        let port = self.0.0.get_or_init(|| attach().is_ok().then_some(**alive));
        if *port != Some(**alive) {
            return Err(refusal());
        }
        Ok(Fd::new(resource, socket, alive))
    }
}

/// Returns true for what is done with streams, and for bytes to move.
fn suits_ports(operation: &Operation) -> bool {
    match operation {
        Operation::Read { buffer, at: None } | Operation::Recv { buffer } => has_room(buffer),
        Operation::Write { buffer, at: None } | Operation::Send { buffer } => has_bytes(buffer),
        Operation::ReadVectored { buffers, at: None } | Operation::RecvVectored { buffers } => {
            buffers.iter().any(has_room)
        }
        Operation::WriteVectored { buffers, at: None } | Operation::SendVectored { buffers } => {
            buffers.iter().any(has_bytes)
        }
        Operation::Accept { .. } => true,
        Operation::Connect { to } => to.as_inet().is_some(),
        _ => false,
    }
}

fn has_room(buffer: &Buffer) -> bool {
    buffer.capacity() > 0
}

fn has_bytes(buffer: &Buffer) -> bool {
    !buffer.as_slice().is_empty()
}

pub(super) fn begin(fd: Fd, operation: Operation, promise: Promise) {
    start(promise, move || perform(fd, operation));
}

async fn perform(fd: Fd, operation: Operation) -> Ended {
    let fd = &fd;
    match operation {
        Operation::Read { buffer, at } => {
            let (result, buffer) = fill(fd, buffer, recv).await;
            (result, Operation::Read { buffer, at })
        }
        Operation::Recv { buffer } => {
            let (result, buffer) = fill(fd, buffer, recv).await;
            (result, Operation::Recv { buffer })
        }
        Operation::Write { buffer, at } => {
            let (result, buffer) = drain(fd, buffer, send).await;
            (result, Operation::Write { buffer, at })
        }
        Operation::Send { buffer } => {
            let (result, buffer) = drain(fd, buffer, send).await;
            (result, Operation::Send { buffer })
        }
        Operation::ReadVectored { buffers, at } => {
            let (result, buffers) = fill_all(fd, buffers, recv_vectored).await;
            (result, Operation::ReadVectored { buffers, at })
        }
        Operation::RecvVectored { buffers } => {
            let (result, buffers) = fill_all(fd, buffers, recv_vectored).await;
            (result, Operation::RecvVectored { buffers })
        }
        Operation::WriteVectored { buffers, at } => {
            let (result, buffers) = drain_all(fd, buffers, send_vectored).await;
            (result, Operation::WriteVectored { buffers, at })
        }
        Operation::SendVectored { buffers } => {
            let (result, buffers) = drain_all(fd, buffers, send_vectored).await;
            (result, Operation::SendVectored { buffers })
        }
        Operation::Accept { .. } => match accept(fd).await {
            Ok(accepted) => (Ok(0), Operation::Accept { accepted: Some(accepted) }),
            Err(error) => (Err(error), Operation::Accept { accepted: None }),
        },
        Operation::Connect { to } => {
            (connect(fd, &to).await.map(|()| 0), Operation::Connect { to })
        }
        other => (Err(refusal().into()), other),
    }
}

/// Of what is not done here.
fn refusal() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "the loop's completion port does not take this operation; use the loop's selector",
    )
}

fn recv(fd: Fd, held: Held) -> Recv<Held, Fd> {
    Recv::new(fd, held, RecvFlags::empty())
}

fn send(fd: Fd, held: Held) -> Send<Held, Fd> {
    Send::new(fd, held, SendFlags::empty())
}

fn recv_vectored(fd: Fd, held: Vec<Held>) -> RecvVectored<Vec<Held>, Fd> {
    RecvVectored::new(fd, held, RecvFlags::empty())
}

fn send_vectored(fd: Fd, held: Vec<Held>) -> SendVectored<Vec<Held>, Fd> {
    SendVectored::new(fd, held, SendFlags::empty())
}

/// Submits what `make` makes of a buffer.
///
/// Nothing moved means the end to compio, also where the connection broke: so the
/// socket is asked.
pub(super) async fn repeat<B, T: OpCode + IntoInner<Inner = B> + 'static>(
    fd: &Fd,
    interest: Interest,
    buffer: B,
    make: impl Fn(Fd, B) -> T,
) -> (io::Result<usize>, B) {
    let BufResult(result, operation) = submit(make(fd.clone(), buffer)).await;
    let result = match (result, interest) {
        (Ok(0), Interest::Readable) => has_ended(fd).map(|()| 0),
        (Ok(0), Interest::Writable) => Err(has_broken(fd)),
        (result, _) => result.map_err(of_sockets),
    };
    (result, operation.into_inner())
}

/// Looks at what comes next on a socket that gave nothing: the end, or an error.
fn has_ended(fd: &Fd) -> io::Result<()> {
    let socket = SockRef::from(fd);
    socket.set_nonblocking(true)?;
    match socket.peek(&mut [MaybeUninit::uninit()]) {
        // It was the end, whatever has become of the socket since.
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error),
    }
}

fn has_broken(fd: &Fd) -> io::Error {
    let pending = SockRef::from(fd).take_error().ok().flatten();
    pending.unwrap_or_else(|| io::ErrorKind::ConnectionReset.into())
}

async fn accept(fd: &Fd) -> io::Result<(OwnedIo, Address)> {
    let domain = SockRef::from(fd).local_addr()?.domain();
    // Windows refuses to accept on what does not listen; wine waits for ever.
    if !rustix::net::sockopt::socket_acceptconn(fd)? {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    loop {
        let socket = Socket::new(domain, Type::STREAM, None)?;
        let BufResult(result, accept) = submit(Accept::new(fd.clone(), socket)).await;
        match result.map_err(of_sockets).and_then(|_| accept.update_context()) {
            Ok(()) => {}
            // A peer that went before it was accepted: the next.
            Err(error) if is_gone(&error) => continue,
            Err(error) => return Err(error),
        }
        let (socket, peer) = accept.into_addr()?;
        return Ok((socket.into(), Address::from_system(&peer)));
    }
}

/// Returns true for the error of a connection, which is none of the listener's.
fn is_gone(error: &io::Error) -> bool {
    // The latter is what a socket says that was to take its place.
    peer::is_of_one_connection(error) || error.kind() == io::ErrorKind::NotConnected
}

async fn connect(fd: &Fd, to: &Address) -> io::Result<()> {
    let to = to.as_inet().ok_or_else(refusal)?;
    bind(fd, to)?;
    let BufResult(result, connect) = submit(Connect::new(fd.clone(), to.into())).await;
    result.map_err(of_sockets)?;
    // Without this, the socket knows neither its peer nor how to shut down.
    connect.update_context()
}

/// The system connects bound sockets only.
fn bind(fd: &Fd, to: SocketAddr) -> io::Result<()> {
    let any: SocketAddr = match to {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    match SockRef::from(fd).bind(&SockAddr::from(any)) {
        // It is bound already.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        result => result,
    }
}

/// A port tells errors in the words of files; here they are in those of sockets, which
/// std knows.
fn of_sockets(error: io::Error) -> io::Error {
    let code = match error.raw_os_error() {
        Some(64) => 10054,   // ERROR_NETNAME_DELETED, WSAECONNRESET
        Some(121) => 10060,  // ERROR_SEM_TIMEOUT, WSAETIMEDOUT
        Some(1225) => 10061, // ERROR_CONNECTION_REFUSED, WSAECONNREFUSED
        Some(1227) => 10048, // ERROR_ADDRESS_ALREADY_ASSOCIATED, WSAEADDRINUSE
        Some(1229) => 10057, // ERROR_CONNECTION_INVALID, WSAENOTCONN
        Some(1231) => 10051, // ERROR_NETWORK_UNREACHABLE, WSAENETUNREACH
        Some(1232) => 10065, // ERROR_HOST_UNREACHABLE, WSAEHOSTUNREACH
        Some(1236) => 10053, // ERROR_CONNECTION_ABORTED, WSAECONNABORTED
        _ => return error,
    };
    io::Error::from_raw_os_error(code)
}
