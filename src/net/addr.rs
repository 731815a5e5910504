//! Addresses to connect to, or to bind.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use super::lookup;

/// One or more addresses: a [`SocketAddr`], an IP address and a port, or a host and a port, as a
/// pair or as text like `"example.org:443"`.
///
/// A host name is looked up on another thread; std's trait of this name would block. The trait
/// can't be implemented outside this crate.
///
/// ```
/// use policy::net::lookup_host;
///
/// policy::run(async {
///     let by_text = lookup_host("127.0.0.1:80").await?.next();
///     assert_eq!(by_text, lookup_host(("127.0.0.1", 80)).await?.next());
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub trait ToSocketAddrs: sealed::Resolve {}

impl<T: sealed::Resolve + ?Sized> ToSocketAddrs for T {}

/// One or more addresses, or what has to be looked up to know them.
#[derive(Debug)]
pub enum Target {
    One(SocketAddr),
    Many(Vec<SocketAddr>),
    Host(String, u16),
}

impl Target {
    /// Returns the first of the addresses; allocates nothing where there is one.
    pub(super) async fn first(self) -> io::Result<SocketAddr> {
        match self {
            Self::One(address) => Ok(address),
            many => many.resolve().await?.into_iter().next().ok_or_else(no_address),
        }
    }

    /// Returns the addresses; there is at least one.
    pub(super) async fn resolve(self) -> io::Result<Vec<SocketAddr>> {
        let found = match self {
            Self::One(address) => vec![address],
            Self::Many(addresses) => addresses,
            Self::Host(host, port) => return lookup::lookup(host, port).await,
        };
        if found.is_empty() {
            return Err(no_address());
        }
        Ok(found)
    }
}

fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "an empty list of addresses; give at least one")
}

mod sealed {
    use super::*;

    pub trait Resolve {
        fn target(&self) -> io::Result<Target>;
    }

    impl Resolve for SocketAddr {
        fn target(&self) -> io::Result<Target> {
            Ok(Target::One(*self))
        }
    }

    impl Resolve for [SocketAddr] {
        fn target(&self) -> io::Result<Target> {
            Ok(Target::Many(self.to_vec()))
        }
    }

    impl Resolve for Vec<SocketAddr> {
        fn target(&self) -> io::Result<Target> {
            Ok(Target::Many(self.clone()))
        }
    }

    impl<const N: usize> Resolve for [SocketAddr; N] {
        fn target(&self) -> io::Result<Target> {
            self.as_slice().target()
        }
    }

    macro_rules! into_one {
        ($($type:ty),*) => {$(
            impl Resolve for $type {
                fn target(&self) -> io::Result<Target> {
                    Ok(Target::One(SocketAddr::from(*self)))
                }
            }
        )*};
    }

    into_one!(SocketAddrV4, SocketAddrV6, (IpAddr, u16), (Ipv4Addr, u16), (Ipv6Addr, u16));

    impl Resolve for (&str, u16) {
        fn target(&self) -> io::Result<Target> {
            let (host, port) = *self;
            Ok(match host.parse::<IpAddr>() {
                Ok(ip) => Target::One((ip, port).into()),
                Err(_) => Target::Host(host.into(), port),
            })
        }
    }

    impl Resolve for (String, u16) {
        fn target(&self) -> io::Result<Target> {
            (&*self.0, self.1).target()
        }
    }

    impl Resolve for str {
        fn target(&self) -> io::Result<Target> {
            if let Ok(address) = self.parse() {
                return Ok(Target::One(address));
            }
            let port =
                self.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
            port.ok_or_else(|| {
                io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!("no port in {self:?}; write `host:port`"),
                )
            })?
            .target()
        }
    }

    impl Resolve for String {
        fn target(&self) -> io::Result<Target> {
            (**self).target()
        }
    }

    impl<T: Resolve + ?Sized> Resolve for &T {
        fn target(&self) -> io::Result<Target> {
            (**self).target()
        }
    }
}
