//! Host names, looked up off the loop.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::vec;

use super::addr::ToSocketAddrs;
use crate::ambient;

/// Looks up the addresses of a host with the system's resolver (asyncio's `getaddrinfo`), on a
/// thread where it may block.
///
/// Dropping the future stops the wait; the resolver continues until it returns by itself.
///
/// # Errors
/// Returns the resolver's error if the name is unknown, [`io::ErrorKind::InvalidInput`] if there is
/// no port, and an error with a [`policy::Error`](crate::Error) inside if no loop runs here to
/// provide a thread.
///
/// ```
/// use policy::net::lookup_host;
///
/// policy::run(async {
///     for address in lookup_host("localhost:80").await? {
///         assert!(address.ip().is_loopback());
///     }
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub async fn lookup_host(host: impl ToSocketAddrs) -> io::Result<impl Iterator<Item = SocketAddr>> {
    let target = host.target()?;
    drop(host);
    Ok(target.resolve().await?.into_iter())
}

/// Asks the system's resolver; there is at least one answer.
pub(super) async fn lookup(host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
    let asked = format!("{host}:{port}");
    let job = ambient::event_loop()?.try_spawn_blocking(move || {
        (host.as_str(), port).to_socket_addrs().map(vec::IntoIter::collect::<Vec<_>>)
    })?;
    let answer = match job.await {
        Ok(answer) => answer,
        Err(error) => Err(crate::io::calls::not_run(error)),
    };
    let found = answer.map_err(|cause| failed(&asked, cause))?;
    if found.is_empty() {
        return Err(failed(&asked, io::ErrorKind::NotFound.into()));
    }
    Ok(found)
}

fn failed(asked: &str, cause: io::Error) -> io::Error {
    policy_core::Error::io(
        format!("can't find the address of {asked}: {cause}; check the name and the resolver"),
        cause,
    )
    .into()
}
