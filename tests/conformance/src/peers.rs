//! What a peer calls itself, which is the peer's choice: no name of one, and no end of
//! one, takes anything from a server.

use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{self as std_net, SocketAddr};
use std::path::{Path, PathBuf};

use futures_lite::{AsyncReadExt, StreamExt};
use policy::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener};
use policy::proactor::Resource;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, connect, socket};

use crate::proactor::with_proactor;
use crate::support::on_selector;
use crate::unix_sockets::Folder;
use crate::{Make, Skipped};

/// The longest path that Linux takes: std takes one byte less.
const LONGEST: usize = 108;

/// A client that is bound to a path of 108 bytes is accepted, and its address has no name.
///
/// Proves: 'no name of a peer takes a connection from a server'
pub fn a_stream_from_the_longest_path_is_accepted_without_a_name(
    make: Make<'_>,
) -> Result<(), Skipped> {
    on_selector(make, async {
        let folder = Folder::new();
        let listener = UnixListener::bind(folder.path()).unwrap();
        let _first = stream_from(&longest(&folder, "a"), &folder.path());
        let (stream, peer) = listener.accept().await.unwrap();
        assert!(peer.is_unnamed());
        assert!(stream.peer_addr().unwrap().is_unnamed());
        assert!(format!("{stream:?}").contains("UnixStream"));
        let _second = stream_from(&longest(&folder, "b"), &folder.path());
        listener.incoming().next().await.unwrap().unwrap();
        // And others as before.
        let _third = std_net::UnixStream::connect(folder.path()).unwrap();
        listener.accept().await.unwrap();
    })
}

/// A datagram from a path of 108 bytes arrives, and its sender has no name.
///
/// Proves: 'no name of a peer takes a datagram from a server'
pub fn a_datagram_from_the_longest_path_arrives_without_a_name(
    make: Make<'_>,
) -> Result<(), Skipped> {
    on_selector(make, async {
        let folder = Folder::new();
        let server = UnixDatagram::bind(folder.path()).unwrap();
        let client = datagrams_from(&longest(&folder, "a"), &folder.path());
        client.send(b"hello").unwrap();
        let mut buf = [0; 8];
        let (len, peer) = server.recv_from(&mut buf).await.unwrap();
        assert_eq!(&buf[..len], b"hello");
        assert!(peer.is_unnamed());
    })
}

/// The operations of a proactor accept and receive from a path of 108 bytes, too.
///
/// Proves: 'no name of a peer takes a connection from a server'
pub fn operations_take_what_comes_from_the_longest_path(make: Make<'_>) -> Result<(), Skipped> {
    let folder = &Folder::new();
    with_proactor(make, |_, proactor| async move {
        let path = folder.path();
        let listener = Resource::from(std_net::UnixListener::bind(&path).unwrap());
        let _client = stream_from(&longest(folder, "a"), &path);
        let (_connection, peer) = proactor.accept(&listener).await.unwrap();
        assert!(peer.as_unix().expect("a unix socket").is_unnamed());

        let path = path.with_extension("datagrams");
        let server = Resource::from(std_net::UnixDatagram::bind(&path).unwrap());
        let client = datagrams_from(&longest(folder, "b"), &path);
        client.send(b"hello").unwrap();
        let (received, buffer) = proactor.recv_from(&server, vec![0; 8]).await;
        let (len, from) = received.unwrap();
        assert_eq!(&buffer[..len], b"hello");
        assert!(from.as_unix().expect("a unix socket").is_unnamed());
    })
}

/// A name that is no path comes as it is, whatever bytes it has and as long as it may be.
///
/// Proves: 'no name of a peer takes a connection from a server'
pub fn a_name_that_is_no_path_may_have_any_bytes(make: Make<'_>) -> Result<(), Skipped> {
    let folder = &Folder::new();
    for name in names() {
        let name = &name;
        on_selector(make, async {
            let path = folder.path().with_extension("selector");
            let listener = UnixListener::bind(&path).unwrap();
            let server = UnixDatagram::bind(path.with_extension("datagrams")).unwrap();
            let _client = connected_from(SocketType::STREAM, name, &path);
            let (_stream, peer) = listener.accept().await.unwrap();
            assert_eq!(peer.as_abstract_name(), Some(&name[..]));
            drop(_client);
            let client = connected_from(SocketType::DGRAM, name, &path.with_extension("datagrams"));
            std_net::UnixDatagram::from(client).send(b"hello").unwrap();
            let (_, peer) = server.recv_from(&mut [0; 8]).await.unwrap();
            assert_eq!(peer.as_abstract_name(), Some(&name[..]));
            std::fs::remove_file(&path).unwrap();
            std::fs::remove_file(path.with_extension("datagrams")).unwrap();
        })?;
        with_proactor(make, |_, proactor| async move {
            let path = folder.path().with_extension("proactor");
            let listener = Resource::from(std_net::UnixListener::bind(&path).unwrap());
            let _client = connected_from(SocketType::STREAM, name, &path);
            let (_connection, peer) = proactor.accept(&listener).await.unwrap();
            let peer = peer.as_unix().and_then(SocketAddr::as_abstract_name);
            assert_eq!(peer, Some(&name[..]));
            std::fs::remove_file(&path).unwrap();
        })?;
    }
    Ok(())
}

/// Clients that are gone before they are accepted do not end an accept.
///
/// Proves: 'no end of a peer takes a connection from others'
pub fn clients_that_went_before_they_were_accepted_harm_nobody(
    make: Make<'_>,
) -> Result<(), Skipped> {
    on_selector(make, async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        for _ in 0..20 {
            let client = socket2::Socket::from(std::net::TcpStream::connect(address).unwrap());
            // Closed by a reset.
            client.set_linger(Some(std::time::Duration::ZERO)).unwrap();
        }
        let honest = TcpStream::connect(address).await.unwrap();
        let mut peers = Vec::new();
        while !peers.contains(&honest.local_addr().unwrap()) {
            peers.push(listener.accept().await.unwrap().1);
        }
    })?;
    let folder = &Folder::new();
    with_proactor(make, |_, proactor| async move {
        let listener = Resource::from(std_net::UnixListener::bind(folder.path()).unwrap());
        for _ in 0..20 {
            drop(std_net::UnixStream::connect(folder.path()).unwrap());
            let (connection, peer) = proactor.accept(&listener).await.unwrap();
            assert!(peer.as_unix().expect("a unix socket").is_unnamed());
            assert_eq!(proactor.recv(&connection, vec![0; 8]).await.0.unwrap(), 0);
        }
    })
}

/// A peer of IPv6 that is known by an interface, too, is told with it, and can be answered.
///
/// Proves: 'a peer's address is told with its scope'
pub fn a_peer_of_ipv6_is_told_with_its_scope(make: Make<'_>) -> Result<(), Skipped> {
    let Some(local) = link_local() else {
        return Err(Skipped("no interface here has a link-local address of IPv6".into()));
    };
    on_selector(make, async {
        let listener = TcpListener::bind(local).await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, peer) = listener.accept().await.unwrap();
        assert_eq!(peer, client.local_addr().unwrap(), "with its scope");
        drop(server);
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);

        let server = UdpSocket::bind(local).await.unwrap();
        let client = UdpSocket::bind(local).await.unwrap();
        client.send_to(b"who?", server.local_addr().unwrap()).await.unwrap();
        let (_, peer) = server.recv_from(&mut [0; 8]).await.unwrap();
        assert_eq!(peer, client.local_addr().unwrap(), "with its scope");
        server.send_to(b"you", peer).await.unwrap();
        assert_eq!(client.recv(&mut [0; 8]).await.unwrap(), 3);
    })?;
    with_proactor(make, |_, proactor| async move {
        let listener = std::net::TcpListener::bind(local).unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (_connection, peer) = proactor.accept(&Resource::from(listener)).await.unwrap();
        assert_eq!(peer, client.local_addr().unwrap(), "with its scope");
    })
}

/// An address of an interface of this machine that means nothing without it; port 0.
fn link_local() -> Option<std::net::SocketAddr> {
    // proc_net(5): the address, the interface's number, the length of the prefix, the scope.
    let table = std::fs::read_to_string("/proc/net/if_inet6").ok()?;
    table.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let ip = u128::from_str_radix(fields.next()?, 16).ok()?;
        let interface = u32::from_str_radix(fields.next()?, 16).ok()?;
        let (_prefix, scope) = (fields.next()?, fields.next()?);
        let address = std::net::SocketAddrV6::new(ip.into(), 0, 0, interface);
        // Not while the system still asks whether another has it.
        (scope == "20" && std::net::TcpListener::bind(address).is_ok()).then(|| address.into())
    })
}

/// The longest name that a socket can have, one with zeros, and one that is no text.
fn names() -> [Vec<u8>; 3] {
    let unique = |rest: &[u8]| [format!("{:x}", std::process::id()).as_bytes(), rest].concat();
    let mut longest = unique(b"longest");
    longest.resize(LONGEST - 1, b'x');
    [longest, unique(b"\0zeros\0"), unique(b"\xff\xfe/..")]
}

/// A path of 108 bytes in a folder.
fn longest(folder: &Folder, name: &str) -> PathBuf {
    let folder = folder.path().with_file_name("");
    let fill = LONGEST - folder.as_os_str().len() - name.len();
    folder.join(format!("{name}{}", "x".repeat(fill)))
}

fn stream_from(path: &Path, server: &Path) -> std_net::UnixStream {
    from(SocketType::STREAM, &SocketAddrUnix::new(path).unwrap(), server).into()
}

fn datagrams_from(path: &Path, server: &Path) -> std_net::UnixDatagram {
    from(SocketType::DGRAM, &SocketAddrUnix::new(path).unwrap(), server).into()
}

fn connected_from(kind: SocketType, name: &[u8], server: &Path) -> OwnedFd {
    from(kind, &SocketAddrUnix::new_abstract_name(name).unwrap(), server)
}

/// Makes a client. Not by std or socket2, which don't take what Linux does.
fn from(kind: SocketType, name: &SocketAddrUnix, server: &Path) -> OwnedFd {
    let client = socket(AddressFamily::UNIX, kind, None).unwrap();
    bind(&client, name).unwrap();
    connect(&client, &SocketAddrUnix::new(server).unwrap()).unwrap();
    client
}
