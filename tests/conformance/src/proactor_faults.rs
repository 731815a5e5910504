//! Operations that fail, that are given up, and peers that misbehave: the buffer comes
//! back, and nothing is lost.

use std::future::poll_fn;
use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::pin::pin;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use policy::ErrorKind;
use policy::proactor::Resource;
use policy::time::timeout;
use socket2::SockRef;

use crate::proactor::{on_proactor, read_to_end, send_all, tcp_pair, with_proactor};
use crate::support::block_on;
use crate::{Make, Skipped};

/// The error of a write comes with its buffer, as it was; a peer that has gone is an
/// error, and no signal.
///
/// Proves: 'the buffer comes back with every result'
pub fn a_write_to_nobody_gives_the_buffer_back(make: Make<'_>) -> Result<(), Skipped> {
    with_proactor(make, |_, proactor| async move {
        let (ours, theirs) = tcp_pair();
        let ours = Resource::from(ours);
        drop(theirs);
        // The first may be taken by the system, which learns of the end by the answer.
        let error = loop {
            let bytes = vec![7; 100_000];
            let start = bytes.as_ptr();
            let (sent, back) = proactor.send(&ours, bytes).await;
            assert_eq!((back.len(), back.as_ptr()), (100_000, start), "another buffer");
            if let Err(error) = sent {
                break error;
            }
        };
        let kinds = [
            io::ErrorKind::BrokenPipe,
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::ConnectionAborted,
        ];
        assert!(kinds.contains(&error.kind()), "{error}");
        let (sent, back) = proactor.send_all(&ours, &b"more"[..]).await;
        assert!(sent.is_err());
        assert_eq!(back, b"more");
        let (sent, back) = proactor.write_vectored(&ours, vec![vec![1], vec![2]]).await;
        assert!(sent.is_err());
        assert_eq!(back, [[1], [2]]);
    })
}

/// The error of a read leaves the buffer untouched: its bytes, its length, its place.
///
/// Proves: 'the buffer comes back with every result'
pub fn a_read_that_fails_leaves_the_buffer_untouched(make: Make<'_>) -> Result<(), Skipped> {
    with_proactor(make, |_, proactor| async move {
        // Not connected: nothing to receive from.
        let address = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let socket = Resource::socket_for(&address.into()).unwrap();
        let bytes = vec![1, 2, 3];
        let start = bytes.as_ptr();
        let (read, back) = proactor.recv(&socket, bytes).await;
        let error = read.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotConnected, "{error}");
        assert_eq!((&back[..], back.as_ptr()), (&[1, 2, 3][..], start));
        let (read, back) = proactor.recv_vectored(&socket, vec![back]).await;
        assert!(read.is_err());
        assert_eq!(back, [[1, 2, 3]]);
        let boxed = vec![9; 2].into_boxed_slice();
        let (read, boxed) = proactor.read(&socket, boxed).await;
        assert!(read.is_err());
        assert_eq!(*boxed, [9, 9]);
    })
}

/// A closed loop says so, by our error inside of the system's type, and gives the buffer
/// back.
///
/// Proves: B74
pub fn a_closed_loop_gives_the_buffer_back(make: Make<'_>) -> Result<(), Skipped> {
    on_proactor(make, |event_loop, proactor| {
        let (ours, _theirs) = tcp_pair();
        let ours = Resource::from(ours);
        event_loop.close().unwrap();
        let (read, back) = block_on(proactor.recv(&ours, vec![1, 2, 3]));
        let error = read.unwrap_err();
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<policy::Error>());
        assert_eq!(inner.expect("our error inside").kind(), ErrorKind::LoopClosed);
        assert_eq!(back, [1, 2, 3]);
        let (sent, back) = block_on(proactor.send_all(&ours, &b"bytes"[..]));
        assert!(sent.is_err());
        assert_eq!(back, b"bytes");
        assert!(block_on(proactor.accept(&ours)).is_err());
    })
}

/// A read that is given up before anything came takes nothing from the next; on a loop
/// that waits for readiness, no read ever does.
///
/// Proves: B120, 'what is cancelled loses nothing'
pub fn reads_that_are_given_up_lose_nothing(make: Make<'_>) -> Result<(), Skipped> {
    with_proactor(make, |event_loop, proactor| async move {
        let (ours, theirs) = tcp_pair();
        let ours = Resource::from(ours);
        let (started, starts) = async_channel::bounded::<()>(1);
        let writer = event_loop.spawn_blocking(move || {
            let theirs = theirs;
            block_on(starts.recv()).unwrap();
            for chunk in 0..200_u32 {
                io::Write::write_all(&mut &theirs, &chunk.to_le_bytes()).unwrap();
                thread::yield_now();
            }
        });
        for _ in 0..20 {
            // Polled once, with nothing there, and dropped.
            let mut reading = pin!(proactor.recv(&ours, vec![0; 64]));
            let pending = poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx).is_pending())).await;
            assert!(pending);
        }
        if proactor.is_native() {
            // What the kernel has read when it is told to stop is lost, as documented:
            // so the cancelled ones must have gone first.
            policy::time::sleep(Duration::from_millis(50)).await;
        }
        started.send(()).await.unwrap();
        let mut seen = Vec::new();
        let mut impatient = !proactor.is_native();
        while seen.len() < 800 {
            let patience = if impatient { Duration::from_micros(20) } else { Duration::MAX };
            impatient = !impatient && !proactor.is_native();
            let read = timeout(patience, proactor.recv(&ours, vec![0; 7])).await;
            if let Ok((read, buffer)) = read {
                assert_ne!(read.unwrap(), 0, "the end, after {} bytes", seen.len());
                seen.extend_from_slice(&buffer);
            }
        }
        let sent: Vec<u8> = (0..200_u32).flat_map(u32::to_le_bytes).collect();
        assert_eq!(seen, sent);
        writer.await.unwrap();
    })
}

/// An accept that is given up leaves the connections that come after it to the next.
///
/// Proves: 'what is cancelled loses nothing'
pub fn accepts_that_are_given_up_lose_nothing(make: Make<'_>) -> Result<(), Skipped> {
    with_proactor(make, |_, proactor| async move {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let listener = Resource::from(listener);
        for _ in 0..20 {
            let mut accepting = pin!(proactor.accept(&listener));
            let pending = poll_fn(|cx| Poll::Ready(accepting.as_mut().poll(cx).is_pending())).await;
            assert!(pending);
        }
        if proactor.is_native() {
            policy::time::sleep(Duration::from_millis(50)).await;
        }
        let peers: Vec<_> = (0..20).map(|_| TcpStream::connect(address).unwrap()).collect();
        for _ in &peers {
            let (_accepted, from) = proactor.accept(&listener).await.unwrap();
            assert!(peers.iter().any(|peer| from == peer.local_addr().unwrap()));
        }
    })
}

/// A read and a write that wait end when the connection is reset. The system tells the
/// reason once: whoever comes second sees the end.
///
/// Proves: 'a reset ends what waits'
pub fn a_reset_ends_what_waits(make: Make<'_>) -> Result<(), Skipped> {
    with_proactor(make, |event_loop, proactor| async move {
        let (ours, theirs) = tcp_pair();
        let ours = Resource::from(ours);
        let (own, reads) = (proactor.clone(), ours.clone());
        let reading = event_loop.spawn(async move { own.recv(&reads, vec![5; 16]).await });
        let (own, writes) = (proactor.clone(), ours.clone());
        let writing =
            event_loop.spawn(async move { own.send_all(&writes, vec![6; 64 << 20]).await });
        let theirs_too = Resource::from(theirs.try_clone().unwrap());
        assert!(proactor.recv(&theirs_too, vec![0; 16]).await.0.unwrap() > 0);
        drop(theirs_too);
        // Closed with bytes unread, and without lingering: a reset.
        SockRef::from(&theirs).set_linger(Some(Duration::ZERO)).unwrap();
        drop(theirs);
        let (read, buffer) = reading.await.unwrap();
        let (sent, all) = writing.await.unwrap();
        let sent = sent.unwrap_err().kind();
        assert_eq!(all.len(), 64 << 20);
        match read {
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
                assert_eq!(buffer, [5; 16]);
            }
            Ok(read) => assert_eq!((read, sent), (0, io::ErrorKind::ConnectionReset)),
        }
    })
}

/// A peer that writes one byte at a time, and one that reads so, get all of it.
///
/// Proves: 'the pace of a peer does not matter'
pub fn a_peer_of_single_bytes_gets_and_gives_all(make: Make<'_>) -> Result<(), Skipped> {
    with_proactor(make, |event_loop, proactor| async move {
        let (ours, theirs) = tcp_pair();
        theirs.set_nodelay(true).unwrap();
        let ours = Resource::from(ours);
        let peer = event_loop.spawn_blocking(move || {
            let mut byte = [0];
            for _ in 0..1000 {
                io::Read::read_exact(&mut &theirs, &mut byte).unwrap();
                io::Write::write_all(&mut &theirs, &byte).unwrap();
            }
        });
        let all: Vec<u8> = (0..1000_u32).map(|n| n as u8).collect();
        send_all(&proactor, &ours, &all).await;
        assert_eq!(read_to_end(&proactor, &ours).await, all);
        peer.await.unwrap();
    })
}

/// What a half-closed peer sent is read to its end, and it can still be written to.
///
/// Proves: 'each direction ends by itself'
pub fn a_half_closed_peer_can_still_be_written_to(make: Make<'_>) -> Result<(), Skipped> {
    with_proactor(make, |event_loop, proactor| async move {
        let (ours, theirs) = tcp_pair();
        io::Write::write_all(&mut &theirs, b"bye").unwrap();
        theirs.shutdown(std::net::Shutdown::Write).unwrap();
        let ours = Resource::from(ours);
        assert_eq!(read_to_end(&proactor, &ours).await, b"bye");
        let peer = event_loop.spawn_blocking(move || {
            let mut all = Vec::new();
            io::Read::read_to_end(&mut &theirs, &mut all).unwrap();
            all
        });
        send_all(&proactor, &ours, b"and bye").await;
        drop(ours);
        assert_eq!(peer.await.unwrap(), b"and bye");
    })
}

/// An operation for sockets on what is none is an error, and so is a position in a
/// stream.
///
/// Proves: 'the right result or a typed error on every loop'
pub fn what_does_not_fit_the_resource_is_an_error(make: Make<'_>) -> Result<(), Skipped> {
    with_proactor(make, |_, proactor| async move {
        let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
        let file = Resource::from(file);
        let (read, back) = proactor.recv(&file, vec![1]).await;
        assert!(read.is_err());
        assert_eq!(back, [1]);
        assert!(proactor.accept(&file).await.is_err());
        // It is open for reading only.
        assert!(proactor.write(&file, vec![1]).await.0.is_err());
        let (ours, _theirs) = tcp_pair();
        let ours = Resource::from(ours);
        let (read, back) = proactor.read_at(&ours, 100, vec![1]).await;
        assert!(read.is_err());
        assert_eq!(back, [1]);
        assert!(proactor.write_at(&ours, 100, vec![1]).await.0.is_err());
        assert!(proactor.accept(&ours).await.is_err(), "it does not listen");
    })
}

/// A resource is closed when its last clone has gone and no operation has it, on every
/// loop that ever served it.
///
/// Proves: 'nothing is leaked'
pub fn a_resource_is_closed_with_its_last_clone(make: Make<'_>) -> Result<(), Skipped> {
    with_proactor(make, |event_loop, proactor| async move {
        let (ours, theirs) = tcp_pair();
        let (ours, theirs) = (Resource::from(ours), Resource::from(theirs));
        let (own, reads) = (proactor.clone(), ours.clone());
        let reading = event_loop.spawn(async move { own.recv(&reads, vec![0; 8]).await.0 });
        send_all(&proactor, &theirs, b"!").await;
        assert_eq!(reading.await.unwrap().unwrap(), 1);
        let (own, reads) = (proactor.clone(), ours.clone());
        let given_up = event_loop.spawn(async move { own.recv(&reads, vec![0; 8]).await.0 });
        given_up.abort();
        assert!(given_up.await.unwrap_err().is_cancelled());
        drop(ours);
        assert_eq!(proactor.recv(&theirs, vec![0; 8]).await.0.unwrap(), 0);
    })
}
