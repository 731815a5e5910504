//! Connecting to one of several addresses.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use policy_core::{Interest, peer};
use socket2::{Domain, Protocol, SockAddr, SockRef, Type};

use super::socket::Socket;
use super::sys;
use crate::io::anchor::served_loop;
use crate::task::yield_now;
use crate::time::{Sleep, sleep};

/// How long an attempt is alone before the next begins: the "Connection Attempt Delay"
/// that RFC 8305 recommends.
const HEAD_START: Duration = Duration::from_millis(250);

/// Why connecting to every address failed.
///
/// ```
/// use policy::net::{ConnectError, TcpStream};
///
/// policy::run(async {
///     let free = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
///     let error = TcpStream::connect(free).await.unwrap_err();
///     assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
///     let error = error.into_inner().and_then(|inner| inner.downcast::<ConnectError>().ok());
///     for (address, cause) in error.expect("one reason per address").attempts() {
///         println!("{address}: {cause}");
///     }
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct ConnectError {
    attempts: Vec<(SocketAddr, io::Error)>,
}

impl ConnectError {
    pub(super) fn of(address: SocketAddr, error: io::Error) -> Self {
        Self { attempts: vec![(address, error)] }
    }

    /// Returns the attempts, in the order in which they failed.
    ///
    /// ```
    /// fn causes(error: &policy::net::ConnectError) -> Vec<std::io::ErrorKind> {
    ///     error.attempts().iter().map(|(_, cause)| cause.kind()).collect()
    /// }
    /// # let _causes = causes;
    /// ```
    pub fn attempts(&self) -> &[(SocketAddr, io::Error)] {
        &self.attempts
    }
}

impl From<ConnectError> for io::Error {
    fn from(error: ConnectError) -> Self {
        let kind = error.attempts.last().map_or(io::ErrorKind::Other, |(_, cause)| cause.kind());
        Self::new(kind, error)
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("can't connect to ")?;
        for (at, (address, cause)) in self.attempts.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            write!(f, "{comma}{address} ({cause})")?;
        }
        f.write_str("; check the address, and that somebody listens there")
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.attempts.last().map(|(_, cause)| cause as _)
    }
}

/// Connects to whichever address answers first. Dropping the future drops all attempts.
pub(super) async fn first_of(addresses: Vec<SocketAddr>) -> io::Result<Socket> {
    // Before anything is sent.
    drop(served_loop()?);
    let mut waiting = interleave(addresses).into_iter();
    let mut race = Race { running: Vec::new(), failed: Vec::new() };
    loop {
        match waiting.next() {
            Some(address) => {
                if let Err(error) = race.start(address) {
                    race.failed.push((address, error));
                    continue;
                }
            }
            None if race.running.is_empty() => {
                return Err(ConnectError { attempts: race.failed }.into());
            }
            None => {}
        }
        let winner = if waiting.as_slice().is_empty() {
            poll_fn(|cx| race.poll(cx)).await
        } else {
            let mut head_start = pin!(sleep(HEAD_START));
            poll_fn(|cx| race.poll_for(cx, head_start.as_mut())).await
        };
        if let Some(socket) = winner {
            // To this machine a connection is made at once. Who makes many in a row must
            // not keep the loop from whoever accepts them: a full queue costs seconds.
            yield_now().await;
            return Ok(socket);
        }
    }
}

struct Race {
    running: Vec<(SocketAddr, Socket)>,
    failed: Vec<(SocketAddr, io::Error)>,
}

impl Race {
    fn start(&mut self, address: SocketAddr) -> io::Result<()> {
        let domain = Domain::for_address(address);
        self.running.push((address, begin(domain, Some(Protocol::TCP), &address.into())?));
        Ok(())
    }

    /// Returns who is connected, or `None` if it is time for the next address: one has
    /// failed.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Socket>> {
        let mut at = 0;
        while let Some((address, socket)) = self.running.get(at) {
            match socket.poll_with(cx, Interest::Writable, peer::is_connected) {
                Poll::Pending => at += 1,
                Poll::Ready(Ok(())) => return Poll::Ready(Some(self.running.swap_remove(at).1)),
                Poll::Ready(Err(error)) => {
                    self.failed.push((*address, error));
                    drop(self.running.swap_remove(at));
                    return Poll::Ready(None);
                }
            }
        }
        Poll::Pending
    }

    fn poll_for(
        &mut self,
        cx: &mut Context<'_>,
        head_start: Pin<&mut Sleep>,
    ) -> Poll<Option<Socket>> {
        match self.poll(cx) {
            Poll::Pending => head_start.poll(cx).map(|()| None),
            ended => ended,
        }
    }
}

/// The connections that may wait to be accepted; the system may have a lower limit.
const QUEUE: i32 = 1024;

/// Makes a socket that listens.
pub(super) fn listen(address: SocketAddr) -> io::Result<Socket> {
    let socket = sys::nonblocking(Domain::for_address(address), Type::STREAM, None)?;
    // On Windows this would let others take the address.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(QUEUE)?;
    Ok(Socket::nonblocking(socket))
}

/// Begins to connect; see [`peer::is_connected`].
pub(super) fn begin(
    domain: Domain,
    protocol: Option<Protocol>,
    address: &SockAddr,
) -> io::Result<Socket> {
    let socket = sys::nonblocking(domain, Type::STREAM, protocol)?;
    peer::begin_connect(&SockRef::from(&socket), address)?;
    Ok(Socket::nonblocking(socket))
}

/// Puts the families in turn, beginning with that of the first: in each, the order of
/// the resolver stays (RFC 8305, section 4).
fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first().map(SocketAddr::is_ipv6) else { return addresses };
    let (ours, theirs): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first);
    let mut ours = ours.into_iter();
    let mut theirs = theirs.into_iter();
    let mut all = Vec::with_capacity(ours.len() + theirs.len());
    loop {
        match (ours.next(), theirs.next()) {
            (None, None) => return all,
            pair => all.extend([pair.0, pair.1].into_iter().flatten()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails panics")]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns_beginning_with_the_resolvers_first() {
        let given = ["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "1.1.1.2:1"];
        let sorted = ["[::1]:1", "1.1.1.1:1", "[::2]:1", "1.1.1.2:1", "[::3]:1"];
        let parse = |texts: &[&str]| -> Vec<SocketAddr> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        assert_eq!(interleave(parse(&given)), parse(&sorted));
        assert!(interleave(Vec::new()).is_empty());
    }
}
