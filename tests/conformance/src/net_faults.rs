//! What goes wrong with sockets, and what it is called.

use std::io::{ErrorKind as IoErrorKind, Read, Write};
use std::net;
use std::thread;

use futures_lite::{AsyncReadExt, AsyncWriteExt, future};
use policy::net::{ConnectError, TcpListener, TcpStream, lookup_host};
use policy::time::{Duration, timeout};

use crate::support::{LONG, connected, on_selector};
use crate::{Make, Skipped};

/// A connection that nobody takes is refused, and the error names each address and the
/// remedy.
///
/// Proves: 'an error of a connection says where to'
pub fn a_refused_connection_names_what_was_tried(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, async {
        let (a, b) = (unheard(), unheard());
        let refused = TcpStream::connect(&[a, b][..]).await.unwrap_err();
        assert_eq!(refused.kind(), IoErrorKind::ConnectionRefused);
        let message = refused.to_string();
        assert!(message.contains(&a.to_string()) && message.contains(&b.to_string()));
        assert!(message.contains("check"), "{message}");
        let error = refused.into_inner().unwrap().downcast::<ConnectError>().unwrap();
        assert_eq!(error.attempts().iter().map(|(at, _)| *at).collect::<Vec<_>>(), [a, b]);
        assert!(error.attempts().iter().all(|(_, e)| e.raw_os_error().is_some()));
    })
}

/// An address where nobody listens.
fn unheard() -> net::SocketAddr {
    net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Of several addresses the next is tried at once when one fails.
///
/// Proves: RFC 8305, 'happy eyeballs'
pub fn an_address_that_fails_does_not_hold_up_the_next(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let all = [unheard(), unheard(), good];
        let client = TcpStream::connect(&all[..]).await.unwrap();
        assert_eq!(client.peer_addr().unwrap(), good);
        let none: [net::SocketAddr; 0] = [];
        let empty = TcpStream::connect(none).await.unwrap_err();
        assert_eq!(empty.kind(), IoErrorKind::InvalidInput);
    })
}

/// A port in use is an error, and free again at once after its listener has gone, though
/// connections of it linger.
///
/// Proves: 'an error of an address says what is wrong with it'
pub fn a_port_in_use_says_so_and_is_soon_free(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let taken = TcpListener::bind(address).await.unwrap_err();
        assert_eq!(taken.kind(), IoErrorKind::AddrInUse);
        let mut client = TcpStream::connect(address).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        drop((server, listener));
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        drop(client);
        let again = TcpListener::bind(address).await.unwrap();
        assert_eq!(again.local_addr().unwrap(), address);
    })
}

/// A name that nobody has is a typed error, and the loop goes on while it is looked up.
///
/// Proves: 'names are looked up off the loop'
pub fn a_name_that_nobody_has_is_an_error(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, async {
        let unknown = TcpStream::connect("no-such-host.invalid:80");
        let refused = timeout(LONG, unknown).await.expect("it is told").unwrap_err();
        let message = refused.to_string();
        assert!(message.contains("no-such-host.invalid:80"), "{message}");
        assert!(refused.get_ref().unwrap().is::<policy::Error>(), "{message}");
        let malformed = lookup_host("no port").await.map(drop).unwrap_err();
        assert_eq!(malformed.kind(), IoErrorKind::InvalidInput);
        let local: Vec<_> = lookup_host("localhost:80").await.unwrap().collect();
        assert!(local.iter().all(|address| address.ip().is_loopback() && address.port() == 80));
    })
}

/// A peer that resets the connection ends a write that waits, and a read.
///
/// Proves: 'a reset ends what waits'
pub fn a_peer_that_resets_ends_a_write_that_waits(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, async {
        let (client, server) = connected().await;
        let writing = policy::spawn(async move {
            let mut client = client;
            let result = client.write_all(&vec![0; 64 << 20]).await;
            (client, result)
        });
        // It has written, and can't have written all.
        server.readable().await.unwrap();
        server.set_linger(Some(Duration::ZERO)).unwrap();
        drop(server);
        let (mut client, result) = timeout(LONG, writing).await.expect("it ends").unwrap();
        let kind = result.unwrap_err().kind();
        assert!(matches!(kind, IoErrorKind::ConnectionReset | IoErrorKind::BrokenPipe), "{kind:?}");
        // And it stays so.
        let kind = client.write_all(b"more").await.unwrap_err().kind();
        assert!(matches!(kind, IoErrorKind::ConnectionReset | IoErrorKind::BrokenPipe), "{kind:?}");
    })
}

/// An end in the midst of what was expected is an error of whoever expected it.
///
/// Proves: 'an end is told from a break'
pub fn an_end_in_the_middle_is_an_error(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, async {
        let (mut client, mut server) = connected().await;
        client.write_all(b"half").await.unwrap();
        drop(client);
        let cut = server.read_exact(&mut [0; 8]).await.unwrap_err();
        assert_eq!(cut.kind(), IoErrorKind::UnexpectedEof);
        assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
    })
}

/// A peer that sends a byte at a time is read without loss, and without help of the
/// loop's own tasks.
///
/// Proves: 'the pace of a peer does not matter'
pub fn a_peer_that_sends_byte_by_byte_is_understood(make: Make<'_>) -> Result<(), Skipped> {
    const SIZE: usize = 5000;
    on_selector(make, async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let peer = thread::spawn(move || {
            let mut stream = net::TcpStream::connect(address).unwrap();
            stream.set_nodelay(true).unwrap();
            for n in 0..SIZE {
                stream.write_all(&[n as u8]).unwrap();
            }
            stream.shutdown(net::Shutdown::Write).unwrap();
            let mut back = Vec::new();
            stream.read_to_end(&mut back).unwrap();
            back
        });
        let (mut server, _) = listener.accept().await.unwrap();
        let mut all = Vec::new();
        server.read_to_end(&mut all).await.unwrap();
        assert!(all.iter().enumerate().all(|(n, byte)| *byte == n as u8));
        assert_eq!(all.len(), SIZE);
        for byte in &all {
            server.write_all(&[*byte]).await.unwrap();
        }
        drop(server);
        let back = policy::spawn_blocking(|| peer.join().unwrap()).await.unwrap();
        assert_eq!(back, all);
    })
}

/// A timeout ends a wait, and what it waited for can go on.
///
/// Proves: 'what is cancelled loses nothing'
pub fn a_timeout_ends_a_wait_and_nothing_is_lost(make: Make<'_>) -> Result<(), Skipped> {
    const SHORT: Duration = Duration::from_millis(2);
    on_selector(make, async {
        let (mut client, mut server) = connected().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut byte = [0];
        for n in 0..5 {
            assert!(timeout(SHORT, server.read(&mut byte)).await.is_err());
            assert!(timeout(SHORT, listener.accept()).await.is_err());
            client.write_all(&[n]).await.unwrap();
            timeout(LONG, server.read_exact(&mut byte)).await.expect("it comes").unwrap();
            assert_eq!(byte, [n]);
        }
        // A write that waits for room.
        let chunk = vec![0; 1 << 20];
        let mut sent = 0;
        while let Some(written) = future::poll_once(client.write(&chunk)).await {
            sent += written.unwrap();
        }
        assert!(timeout(SHORT, client.write(&chunk)).await.is_err());
        client.close().await.unwrap();
        let mut read = 0;
        let mut room = vec![0; 1 << 20];
        loop {
            match server.read(&mut room).await.unwrap() {
                0 => break,
                some => read += some,
            }
        }
        assert_eq!(read, sent, "what was said to be written, and no more");
    })
}

/// The other direction of a stream that was shut goes on; a write into the one that was
/// shut is an error.
///
/// Proves: 'each direction ends by itself'
pub fn one_direction_ends_without_the_other(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, async {
        let (mut client, mut server) = connected().await;
        client.shutdown(net::Shutdown::Write).unwrap();
        assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
        let ended = client.write_all(b"x").await.unwrap_err();
        assert_eq!(ended.kind(), IoErrorKind::BrokenPipe);
        let mut answer = [0; 2];
        let (sent, received) =
            future::zip(server.write_all(b"ok"), client.read_exact(&mut answer)).await;
        sent.unwrap();
        received.unwrap();
        // A shut reading side is an end for who reads, also for who waits already.
        let mut reading = Box::pin(async {
            let read = client.read(&mut [0]).await.unwrap();
            (client, read)
        });
        assert!(future::poll_once(&mut reading).await.is_none());
        server.shutdown(net::Shutdown::Both).unwrap();
        assert_eq!(timeout(LONG, reading).await.expect("it is woken").1, 0);
    })
}
