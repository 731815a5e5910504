//! Operations that io_uring completes.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]
#![allow(clippy::async_yields_async, reason = "operations leave their loop on purpose")]

use std::fs::File;
use std::future::{pending, poll_fn};
use std::io::{self, Read, Seek, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram, UnixListener, UnixStream};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::thread;

use futures_lite::future::{self, block_on};
use policy_compio::{CompioPolicy, Driver, ProactorEventLoop};
use policy_core::{Buffer, Error, ErrorKind, EventLoopPolicy, Operation, ProactorHandle, Resource};

/// Runs a test on a loop with io_uring; where the system has none, says so.
fn on_ring<F: Future<Output = ()>>(test: impl FnOnce(ProactorHandle) -> F) {
    let event_loop = CompioPolicy::new().driver(Driver::IoUring).new_event_loop().unwrap();
    match event_loop.run_until_complete(async {}) {
        Ok(()) => {}
        Err(error) => return println!("skipped: {error}"),
    }
    let proactor = event_loop.proactor().unwrap();
    assert!(proactor.is_native());
    assert_eq!(proactor.driver(), "io_uring");
    event_loop.run_until_complete(test(proactor)).unwrap();
    event_loop.close().unwrap();
}

fn pair() -> (Resource, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    (Resource::from(ours), theirs)
}

fn kind(error: &io::Error) -> Option<ErrorKind> {
    error.get_ref()?.downcast_ref::<Error>().map(Error::kind)
}

#[test]
fn bytes_go_both_ways() {
    on_ring(|proactor| async move {
        let (ours, mut theirs) = pair();
        let (sent, hello) = proactor.send(&ours, b"hello".to_vec()).await;
        assert_eq!((sent.unwrap(), hello), (5, b"hello".to_vec()));
        let mut heard = [0; 5];
        theirs.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"hello");
        let answers = thread::spawn(move || {
            theirs.write_all(b"world").unwrap();
        });
        let (received, world) = proactor.recv(&ours, Vec::with_capacity(64)).await;
        assert_eq!((received.unwrap(), world), (5, b"world".to_vec()));
        answers.join().unwrap();
        let (end, empty) = proactor.recv(&ours, vec![7; 16]).await;
        assert_eq!((end.unwrap(), empty), (0, vec![]));
    });
}

#[test]
fn a_resource_in_non_blocking_mode_is_waited_for() {
    on_ring(|proactor| async move {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let ours = Resource::from(ours);
        for read in [true, false] {
            let mut reading = pin!(async {
                match read {
                    true => proactor.read(&ours, vec![0; 4]).await,
                    false => proactor.recv(&ours, vec![0; 4]).await,
                }
            });
            assert!(future::poll_once(&mut reading).await.is_none());
            for _ in 0..10 {
                future::yield_now().await;
            }
            assert!(future::poll_once(&mut reading).await.is_none());
            theirs.write_all(b"late").unwrap();
            let (read, late) = reading.await;
            assert_eq!((read.unwrap(), late), (4, b"late".to_vec()));
        }
    });
}

#[test]
fn a_write_into_a_full_socket_waits_for_room() {
    on_ring(|proactor| async move {
        for nonblocking in [false, true] {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            ours.set_nonblocking(true).unwrap();
            while (&ours).write(&[1; 65536]).is_ok() {}
            ours.set_nonblocking(nonblocking).unwrap();
            let ours = Resource::from(ours);
            let mut writing = Box::pin(proactor.write(&ours, &b"more"[..]));
            assert!(future::poll_once(&mut writing).await.is_none());
            for _ in 0..10 {
                future::yield_now().await;
            }
            assert!(future::poll_once(&mut writing).await.is_none());
            let reads = thread::spawn(move || {
                let mut all = Vec::new();
                theirs.read_to_end(&mut all).unwrap();
                all
            });
            assert_eq!(writing.await.0.unwrap(), 4);
            drop(ours);
            assert!(reads.join().unwrap().ends_with(b"more"));
        }
    });
}

#[test]
fn files_are_read_and_written_where_asked_for() {
    on_ring(|proactor| async move {
        let mut file = tempfile();
        let resource = Resource::from(file.try_clone().unwrap());
        assert_eq!(proactor.write(&resource, b"0123456789".to_vec()).await.0.unwrap(), 10);
        assert_eq!(proactor.write_at(&resource, 2, &b"ab"[..]).await.0.unwrap(), 2);
        assert_eq!(file.stream_position().unwrap(), 10, "where the first write ended");
        file.rewind().unwrap();
        for expected in ["01ab", "4567", "89"] {
            let (read, bytes) = proactor.read(&resource, Vec::with_capacity(4)).await;
            assert_eq!((read.unwrap(), &*bytes), (expected.len(), expected.as_bytes()));
        }
        assert_eq!(proactor.read(&resource, vec![0; 4]).await.0.unwrap(), 0, "the end");
        let (read, bytes) = proactor.read_at(&resource, 8, vec![0; 4]).await;
        assert_eq!((read.unwrap(), bytes), (2, b"89".to_vec()));
        let buffers = vec![Vec::with_capacity(3), Vec::with_capacity(100)];
        let operation = Operation::ReadVectored {
            buffers: buffers.into_iter().map(Buffer::from).collect(),
            at: Some(1),
        };
        let (read, operation) = proactor.perform(&resource, operation).await;
        assert_eq!(read.unwrap(), 9);
        let Some(Operation::ReadVectored { buffers, .. }) = operation else { panic!() };
        assert_eq!((buffers[0].as_slice(), buffers[1].as_slice()), (&b"1ab"[..], &b"456789"[..]));
    });
}

#[test]
fn a_position_in_a_stream_is_refused() {
    on_ring(|proactor| async move {
        let (ours, mut theirs) = pair();
        theirs.write_all(b"not lost").unwrap();
        let (refused, buffer) = proactor.read_at(&ours, 3, vec![1, 2, 3]).await;
        assert_eq!(refused.unwrap_err().raw_os_error(), Some(libc::ESPIPE));
        assert_eq!(buffer, [1, 2, 3]);
        assert_eq!(proactor.read(&ours, vec![0; 64]).await.0.unwrap(), 8);
    });
}

#[test]
fn vectors_of_more_buffers_than_the_system_takes_come_back_whole() {
    on_ring(|proactor| async move {
        let (ours, mut theirs) = pair();
        let buffers: Vec<_> = (0..3000).map(|n| vec![n as u8]).collect();
        let (sent, back) = proactor.send_vectored(&ours, buffers.clone()).await;
        assert!(sent.unwrap() <= 1024);
        assert_eq!(back, buffers);
        theirs.write_all(&[9; 2000]).unwrap();
        let (received, back) = proactor.recv_vectored(&ours, buffers.clone()).await;
        let received = received.unwrap();
        assert_eq!(back.len(), 3000);
        assert!(back[..received].iter().all(|buffer| *buffer == [9]));
    });
}

#[test]
fn connections_are_made_and_accepted() {
    on_ring(|proactor| async move {
        for nonblocking in [false, true] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.set_nonblocking(nonblocking).unwrap();
            let address = listener.local_addr().unwrap();
            let listener = Resource::from(listener);
            let client = Resource::from(socket(libc::AF_INET, libc::SOCK_STREAM, nonblocking));
            let accepting = proactor.accept(&listener);
            let connecting = proactor.connect(&client, address);
            let (accepted, connected) = future::zip(accepting, connecting).await;
            connected.unwrap();
            let (server, peer) = accepted.unwrap();
            assert_eq!(flags(&server) & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
            let client_address: SocketAddr = peer.as_inet().unwrap();
            assert_ne!(client_address, address);
            proactor.send(&client, &b"x"[..]).await.0.unwrap();
            let (received, x) = proactor.recv(&server, vec![0; 9]).await;
            assert_eq!((received.unwrap(), x), (1, b"x".to_vec()));
        }
    });
}

#[test]
fn a_refused_connection_says_so() {
    on_ring(|proactor| async move {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        for nonblocking in [false, true] {
            let client = Resource::from(socket(libc::AF_INET, libc::SOCK_STREAM, nonblocking));
            let refused = proactor.connect(&client, address).await.unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        }
        let path = UnixDatagram::unbound().unwrap().local_addr().unwrap();
        let client = Resource::from(socket(libc::AF_UNIX, libc::SOCK_STREAM, false));
        let refused = proactor.connect(&client, path).await.unwrap_err();
        assert_eq!(kind(&refused), Some(ErrorKind::InvalidInput), "{refused}");
    });
}

#[test]
fn unix_sockets_are_known_by_their_names() {
    on_ring(|proactor| async move {
        let name = format!("policy-compio-{}", std::process::id());
        let name = UnixAddr::from_abstract_name(name).unwrap();
        let listener = UnixListener::bind_addr(&name).unwrap();
        let listener = Resource::from(listener);
        let client = Resource::from(socket(libc::AF_UNIX, libc::SOCK_STREAM, false));
        proactor.connect(&client, name.clone()).await.unwrap();
        let (_server, peer) = proactor.accept(&listener).await.unwrap();
        assert!(peer.as_unix().unwrap().is_unnamed());

        let bound =
            UnixAddr::from_abstract_name([name.as_abstract_name().unwrap(), b"-d"].concat());
        let bound = bound.unwrap();
        let receiver = Resource::from(UnixDatagram::bind_addr(&bound).unwrap());
        let sender = Resource::from(UnixDatagram::unbound().unwrap());
        let (sent, _) = proactor.send_to(&sender, &b"to a name"[..], bound.clone()).await;
        assert_eq!(sent.unwrap(), 9);
        let (received, datagram) = proactor.recv_from(&receiver, vec![0; 64]).await;
        assert_eq!(datagram, b"to a name");
        let from = received.unwrap().1;
        assert!(from.as_unix().unwrap().is_unnamed());
        let (sent, _) = proactor.send_to(&receiver, &b"to nobody"[..], from).await;
        assert_eq!(kind(&sent.unwrap_err()), Some(ErrorKind::InvalidInput));
    });
}

#[test]
fn datagrams_come_with_their_sender() {
    on_ring(|proactor| async move {
        let (one, other) = (udp(), udp());
        let (first, second) = (one.local_addr().unwrap(), other.local_addr().unwrap());
        let (one, other) = (Resource::from(one), Resource::from(other));
        let (sent, _) = proactor.send_to(&one, b"ping".to_vec(), second).await;
        assert_eq!(sent.unwrap(), 4);
        let (received, datagram) = proactor.recv_from(&other, Vec::with_capacity(1500)).await;
        let (len, from) = received.unwrap();
        assert_eq!((len, &*datagram), (4, &b"ping"[..]));
        assert_eq!(from, first);
        // Cut off, as the system does.
        proactor.send_to(&other, &b"long answer"[..], from).await.0.unwrap();
        let (received, datagram) = proactor.recv_from(&one, vec![0; 4]).await;
        assert_eq!((received.unwrap().0, &*datagram), (4, &b"long"[..]));
    });
}

#[test]
fn an_abandoned_operation_lets_go_of_its_buffer_and_its_descriptor() {
    on_ring(|proactor| async move {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        while (&ours).write(&[1; 65536]).is_ok() {}
        ours.set_nonblocking(false).unwrap();
        let ours = Resource::from(ours);
        let buffer: Arc<[u8]> = Arc::from([7; 100]);
        {
            let mut sending = pin!(proactor.send(&ours, buffer.clone()));
            assert!(future::poll_once(&mut sending).await.is_none());
            future::yield_now().await;
            assert!(future::poll_once(&mut sending).await.is_none());
            assert_eq!(Arc::strong_count(&buffer), 2);
        }
        while Arc::strong_count(&buffer) > 1 {
            future::yield_now().await;
        }
        // Nothing has a clone of the resource any more.
        let mut resource = Some(ours);
        poll_fn(|cx| match resource.take().unwrap().try_into_io() {
            Ok(_closed) => Poll::Ready(()),
            Err(shared) => {
                resource = Some(shared);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        })
        .await;
        drop(theirs);
    });
}

#[test]
fn a_loop_that_closes_waits_until_the_system_has_let_go() {
    let event_loop = ProactorEventLoop::new().unwrap();
    let buffer: Arc<[u8]> = Arc::from(vec![7; 1 << 20]);
    let (ours, theirs) = pair();
    let sending = event_loop
        .run_until_complete(async {
            let proactor = event_loop.proactor().unwrap();
            let (ours, buffer) = (ours.clone(), buffer.clone());
            let mut sending = Box::pin(async move {
                loop {
                    if let (Err(error), _) = proactor.send(&ours, buffer.clone()).await {
                        break error;
                    }
                }
            });
            for _ in 0..100 {
                assert!(future::poll_once(&mut sending).await.is_none());
            }
            sending
        })
        .unwrap();
    event_loop.close().unwrap();
    // The future has one, and this test.
    assert_eq!(Arc::strong_count(&buffer), 2);
    assert_eq!(kind(&block_on(sending)), Some(ErrorKind::LoopClosed));
    assert_eq!(Arc::strong_count(&buffer), 1);
    assert!(ours.try_into_io().is_ok());
    drop(theirs);
}

#[test]
fn operations_are_asked_for_on_any_thread() {
    let event_loop = ProactorEventLoop::new().unwrap();
    let (ours, mut theirs) = pair();
    theirs.write_all(b"before the run").unwrap();
    // Before the first run.
    let proactor = event_loop.proactor().unwrap();
    let mut early = Box::pin(async move { proactor.recv(&ours, vec![0; 64]).await });
    assert!(block_on(future::poll_once(&mut early)).is_none());
    let (received, bytes) = event_loop.run_until_complete(early).unwrap();
    assert_eq!((received.unwrap(), &*bytes), (14, &b"before the run"[..]));

    // While it runs here, from elsewhere.
    let asks = thread::spawn({
        let event_loop = event_loop.clone();
        move || {
            for n in 0..100 {
                let (ours, mut theirs) = pair();
                let proactor = event_loop.proactor().unwrap();
                let mut reading = Box::pin(proactor.recv(&ours, vec![0; 8]));
                if n % 2 == 0 {
                    assert!(block_on(future::poll_once(&mut reading)).is_none());
                }
                theirs.write_all(&[n]).unwrap();
                let (received, bytes) = block_on(reading);
                assert_eq!((received.unwrap(), bytes), (1, vec![n]));
            }
            event_loop.stop();
        }
    });
    event_loop.run_forever().unwrap();
    asks.join().unwrap();
    event_loop.close().unwrap();
}

#[test]
fn a_closed_loop_gives_the_buffer_back() {
    let event_loop = ProactorEventLoop::new().unwrap();
    let proactor = event_loop.proactor().unwrap();
    let (ours, _theirs) = pair();
    // Asked for, and not begun.
    let mut queued = Box::pin(proactor.recv(&ours, vec![1, 2, 3]));
    assert!(block_on(future::poll_once(&mut queued)).is_none());
    event_loop.close().unwrap();
    for (refused, buffer) in [block_on(queued), block_on(proactor.recv(&ours, vec![1, 2, 3]))] {
        assert_eq!(kind(&refused.unwrap_err()), Some(ErrorKind::LoopClosed));
        assert_eq!(buffer, [1, 2, 3]);
    }
}

#[test]
fn thousands_of_operations_are_under_way_at_once() {
    on_ring(|proactor| async move {
        let (ours, theirs): (Vec<_>, Vec<_>) = (0..400).map(|_| pair()).unzip();
        let mut readings: Vec<_> = (0..4000)
            .map(|n| Box::pin(proactor.recv(&ours[n % 400], Vec::with_capacity(1))))
            .collect();
        for reading in &mut readings {
            assert!(future::poll_once(reading).await.is_none());
        }
        let writes = thread::spawn(move || {
            for mut theirs in theirs {
                theirs.write_all(&[5; 10]).unwrap();
            }
        });
        for reading in readings {
            let (received, byte) = reading.await;
            assert_eq!((received.unwrap(), byte), (1, vec![5]));
        }
        writes.join().unwrap();
    });
}

#[test]
fn what_the_system_refuses_gives_the_buffer_back() {
    on_ring(|proactor| async move {
        let write_only = Resource::from(File::create("/dev/null").unwrap());
        let (refused, buffer) = proactor.read(&write_only, vec![1, 2, 3]).await;
        assert_eq!(refused.unwrap_err().raw_os_error(), Some(libc::EBADF));
        assert_eq!(buffer, [1, 2, 3]);
        let (ours, theirs) = pair();
        drop(theirs);
        let (refused, buffer) = proactor.send(&ours, vec![1, 2, 3]).await;
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(buffer, [1, 2, 3]);
    });
}

#[test]
fn tasks_that_are_dropped_abandon_what_they_wait_for() {
    on_ring(|proactor| async move {
        let (ours, mut theirs) = pair();
        let event_loop = policy_core::context::running().unwrap();
        for _ in 0..50 {
            let (proactor, ours) = (proactor.clone(), ours.clone());
            let waits = event_loop.spawn(async move {
                let _received = proactor.recv(&ours, vec![0; 64]).await;
                pending::<()>().await;
            });
            for _ in 0..3 {
                future::yield_now().await;
            }
            waits.abort();
        }
        for _ in 0..200 {
            future::yield_now().await;
        }
        // None of them takes it away.
        theirs.write_all(b"for who stays").unwrap();
        assert_eq!(proactor.recv(&ours, vec![0; 64]).await.1, b"for who stays");
    });
}

fn udp() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").unwrap()
}

fn tempfile() -> File {
    let path = std::env::temp_dir().join(format!(
        "policy-compio-{}-{:?}",
        std::process::id(),
        thread::current().id()
    ));
    let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    file
}

#[allow(unsafe_code, reason = "std makes no sockets that are not connected")]
fn socket(family: i32, kind: i32, nonblocking: bool) -> OwnedFd {
    let flags = libc::SOCK_CLOEXEC | if nonblocking { libc::SOCK_NONBLOCK } else { 0 };
    // SAFETY: takes numbers only.
    let number = unsafe { libc::socket(family, kind | flags, 0) };
    assert!(number >= 0);
    // SAFETY: just made, so nobody else's.
    unsafe { OwnedFd::from_raw_fd(number) }
}

#[allow(unsafe_code, reason = "std does not tell the flags of a descriptor")]
fn flags(fd: &impl AsRawFd) -> i32 {
    // SAFETY: takes numbers only.
    unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFD) }
}
