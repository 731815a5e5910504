//! Operations that own their buffers.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;

use policy::proactor::{ProactorHandle, Resource};
use policy::{ErrorKind, EventLoop};
use socket2::{Domain, Socket, Type};

use crate::support::{driven, on_loop};
use crate::{Make, Skipped};

/// Two sockets that are connected to each other.
pub(crate) fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    loop {
        // Not a stranger who found the port.
        let (theirs, peer) = listener.accept().unwrap();
        if peer == ours.local_addr().unwrap() {
            return (ours, theirs);
        }
    }
}

/// Calls `f` with a loop and its proactor.
///
/// # Errors
/// The loop's own reason for not having one.
pub(crate) fn on_proactor(
    make: Make<'_>,
    f: impl FnOnce(&Arc<dyn EventLoop>, ProactorHandle),
) -> Result<(), Skipped> {
    on_loop(make, |event_loop| match event_loop.proactor() {
        Ok(proactor) => {
            f(event_loop, proactor);
            Ok(())
        }
        Err(error) => Err(Skipped(error.to_string())),
    })
}

/// As [`on_proactor`], inside the running loop.
pub(crate) fn with_proactor<F: Future<Output = ()>>(
    make: Make<'_>,
    f: impl FnOnce(Arc<dyn EventLoop>, ProactorHandle) -> F,
) -> Result<(), Skipped> {
    on_proactor(make, |event_loop, proactor| {
        event_loop.run_until_complete(f(event_loop.clone(), proactor)).unwrap();
    })
}

/// A loop that is a proactor, natively or not, says by what; one that is none says so,
/// by name, and names the way out.
///
/// Proves: 'a loop says what it can not do', B131
pub fn a_loop_says_whether_it_is_a_proactor(make: Make<'_>) {
    on_loop(make, |event_loop| match event_loop.proactor() {
        Ok(proactor) => {
            assert!(!proactor.driver().is_empty());
            if proactor.is_native() {
                assert_eq!(event_loop.kind(), policy::LoopKind::Proactor);
            }
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            let message = error.to_string();
            assert!(message.contains(event_loop.name()), "{message}");
            assert!(message.contains("set_event_loop_policy"), "{message}");
        }
    });
}

/// A read waits for bytes, fills the buffer from its beginning, and sets its length; at
/// the end it gives 0.
///
/// Proves: B118
pub fn a_read_fills_the_buffer_from_its_beginning(make: Make<'_>) -> Result<(), Skipped> {
    with_proactor(make, |event_loop, proactor| async move {
        let (ours, theirs) = tcp_pair();
        let (ours, theirs) = (Resource::from(ours), Resource::from(theirs));
        let (own, reader) = (proactor.clone(), ours.clone());
        let reading = event_loop.spawn(async move { own.recv(&reader, vec![9; 64]).await });
        let (sent, back) = proactor.send(&theirs, b"hello".to_vec()).await;
        assert_eq!((sent.unwrap(), &back[..]), (5, &b"hello"[..]));
        let (read, buffer) = reading.await.unwrap();
        assert_eq!((read.unwrap(), &buffer[..]), (5, &b"hello"[..]));
        drop(theirs);
        let (read, buffer) = proactor.read(&ours, buffer).await;
        assert_eq!((read.unwrap(), buffer.len()), (0, 0));
    })
}

/// A vector is filled up to its capacity, whatever its length was; a boxed slice keeps
/// its length.
///
/// Proves: 'an operation owns its buffer'
pub fn a_read_takes_the_room_that_there_is(make: Make<'_>) -> Result<(), Skipped> {
    with_proactor(make, |_, proactor| async move {
        let (ours, theirs) = tcp_pair();
        let (ours, theirs) = (Resource::from(ours), Resource::from(theirs));
        send_all(&proactor, &theirs, &[7; 24]).await;
        let empty: Vec<u8> = Vec::with_capacity(8);
        let room = empty.capacity();
        let (read, filled) = proactor.recv(&ours, empty).await;
        assert_eq!((read.unwrap(), filled.len(), filled.capacity()), (8, 8, room));
        let (read, boxed) = proactor.recv(&ours, vec![1; 4].into_boxed_slice()).await;
        assert_eq!((read.unwrap(), &boxed[..]), (4, &[7; 4][..]));
        let (read, boxed) = proactor.recv(&ours, vec![1; 16].into_boxed_slice()).await;
        assert_eq!(read.unwrap(), 12);
        assert_eq!(&boxed[..], [&[7; 12][..], &[1; 4]].concat());
    })
}

/// Static bytes and shared ones are written as they are.
///
/// Proves: 'an operation owns its buffer'
pub fn bytes_of_several_types_are_written(make: Make<'_>) -> Result<(), Skipped> {
    with_proactor(make, |_, proactor| async move {
        let (ours, theirs) = tcp_pair();
        let (ours, theirs) = (Resource::from(ours), Resource::from(theirs));
        assert_eq!(proactor.write(&ours, &b"static "[..]).await.0.unwrap(), 7);
        let shared: Arc<[u8]> = Arc::from(*b"shared ");
        let (sent, back) = proactor.send(&ours, shared.clone()).await;
        assert_eq!(sent.unwrap(), 7);
        assert!(Arc::ptr_eq(&shared, &back));
        let boxed: Box<[u8]> = Box::from(*b"boxed");
        assert_eq!(proactor.send(&ours, boxed).await.0.unwrap(), 5);
        drop(ours);
        assert_eq!(read_to_end(&proactor, &theirs).await, b"static shared boxed");
    })
}

/// Several buffers are filled one after the other, and written in their order.
///
/// Proves: 'several buffers go by one call'
pub fn vectored_operations_take_buffers_in_order(make: Make<'_>) -> Result<(), Skipped> {
    with_proactor(make, |_, proactor| async move {
        let (ours, theirs) = tcp_pair();
        let (ours, theirs) = (Resource::from(ours), Resource::from(theirs));
        let parts = vec![b"one ".to_vec(), Vec::new(), b"two ".to_vec()];
        let (sent, back) = proactor.send_vectored(&ours, parts.clone()).await;
        assert_eq!((sent.unwrap(), back), (8, parts));
        let parts = vec![&b"three "[..], b"four"];
        assert_eq!(proactor.write_vectored(&ours, parts).await.0.unwrap(), 10);
        let room = || vec![vec![0_u8; 3].into_boxed_slice(), vec![0; 3].into_boxed_slice()];
        let (read, buffers) = proactor.recv_vectored(&theirs, room()).await;
        assert_eq!((read.unwrap(), buffers.concat()), (6, b"one tw".to_vec()));
        let (read, buffers) = proactor.read_vectored(&theirs, room()).await;
        assert_eq!((read.unwrap(), buffers.concat()), (6, b"o thre".to_vec()));
        let room = vec![Vec::with_capacity(4), Vec::with_capacity(400)];
        let (read, buffers) = proactor.read_vectored(&theirs, room).await;
        assert_eq!((read.unwrap(), buffers.concat()), (6, b"e four".to_vec()));
        assert_eq!(buffers[0].len(), buffers[0].capacity().min(6));
    })
}

/// A connection is made and accepted, and each side knows the other's address.
///
/// Proves: B118
pub fn a_connection_is_made_and_accepted(make: Make<'_>) -> Result<(), Skipped> {
    with_proactor(make, |event_loop, proactor| async move {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let listener = Resource::from(listener);
        let (own, listens) = (proactor.clone(), listener.clone());
        let accepting = event_loop.spawn(async move { own.accept(&listens).await });
        let socket = Resource::socket_for(&address.into()).unwrap();
        proactor.connect(&socket, address).await.unwrap();
        let (accepted, peer) = accepting.await.unwrap().unwrap();
        send_all(&proactor, &socket, b"ping").await;
        let (read, buffer) = proactor.recv(&accepted, vec![0; 16]).await;
        assert_eq!((read.unwrap(), &buffer[..]), (4, &b"ping"[..]));
        let socket = TcpStream::from(socket.try_into_io().unwrap());
        assert_eq!(peer, socket.local_addr().unwrap());
        assert_eq!(peer.as_inet(), Some(socket.local_addr().unwrap()));
        // It was accepted as a socket of its own: blocking, close-on-exec.
        drop(listener);
        send_all(&proactor, &accepted, b"pong").await;
    })
}

/// A connection that nobody takes is refused, by the error of the system.
///
/// Proves: B119
pub fn a_refused_connection_is_an_error(make: Make<'_>) -> Result<(), Skipped> {
    with_proactor(make, |_, proactor| async move {
        // Nobody else gets the port: this socket has it, and does not listen.
        let holds = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        holds.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let address = holds.local_addr().unwrap().as_socket().unwrap();
        let socket = Resource::socket_for(&address.into()).unwrap();
        let error = proactor.connect(&socket, address).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused, "{error}");
        assert!(error.raw_os_error().is_some());
        drop(holds);
    })
}

/// Datagrams come whole, and with the address of their sender.
///
/// Proves: B122
pub fn datagrams_come_with_their_sender(make: Make<'_>) -> Result<(), Skipped> {
    with_proactor(make, |event_loop, proactor| async move {
        let bind = || UdpSocket::bind("127.0.0.1:0").unwrap();
        let (ours, theirs) = (bind(), bind());
        let (our_address, their_address) =
            (ours.local_addr().unwrap(), theirs.local_addr().unwrap());
        let (ours, theirs) = (Resource::from(ours), Resource::from(theirs));
        let (own, receives) = (proactor.clone(), ours.clone());
        let receiving =
            event_loop.spawn(async move { own.recv_from(&receives, vec![0; 64]).await });
        let (sent, _) = proactor.send_to(&theirs, b"one".to_vec(), our_address).await;
        assert_eq!(sent.unwrap(), 3);
        let (received, buffer) = receiving.await.unwrap();
        let (len, sender) = received.unwrap();
        assert_eq!((len, &buffer[..]), (3, &b"one"[..]));
        assert_eq!(sender, their_address);
        // Its sender is whom the answer goes to.
        assert_eq!(proactor.send_to(&ours, buffer, sender).await.0.unwrap(), 3);
        assert_eq!(proactor.recv(&theirs, vec![0; 64]).await.0.unwrap(), 3);
        // An empty datagram is one, too.
        assert_eq!(proactor.send_to(&ours, Vec::new(), their_address).await.0.unwrap(), 0);
        let (received, _) = proactor.recv_from(&theirs, vec![0; 64]).await;
        let (len, sender) = received.unwrap();
        assert_eq!(len, 0);
        assert_eq!(sender, our_address);
    })
}

/// Any number of operations may wait for one resource: each gets its part.
///
/// Proves: B121
pub fn many_operations_wait_for_one_resource(make: Make<'_>) -> Result<(), Skipped> {
    with_proactor(make, |event_loop, proactor| async move {
        let (ours, theirs) = tcp_pair();
        let (ours, theirs) = (Resource::from(ours), Resource::from(theirs));
        let readers: Vec<_> = (0..20)
            .map(|_| {
                let (own, ours) = (proactor.clone(), ours.clone());
                event_loop.spawn(async move { own.recv(&ours, vec![0; 1]).await })
            })
            .collect();
        for byte in 0..20_u8 {
            send_all(&proactor, &theirs, &[byte]).await;
        }
        let mut bytes = Vec::new();
        for reader in readers {
            let (read, buffer) = reader.await.unwrap();
            assert_eq!(read.unwrap(), 1);
            bytes.extend(buffer);
        }
        bytes.sort_unstable();
        assert_eq!(bytes, (0..20).collect::<Vec<u8>>());
    })
}

/// Much more than the buffers of the system hold arrives whole.
///
/// Proves: 'the size of a write does not matter'
pub fn sixty_four_mebibytes_arrive_whole(make: Make<'_>) -> Result<(), Skipped> {
    with_proactor(make, |event_loop, proactor| async move {
        let (ours, theirs) = tcp_pair();
        let (ours, theirs) = (Resource::from(ours), Resource::from(theirs));
        let all = numbered(64 << 20);
        let (own, bytes) = (proactor.clone(), all.clone());
        let writer = event_loop.spawn(async move { own.send_all(&theirs, bytes).await.0 });
        expect(&proactor, &ours, &all).await;
        assert_eq!(writer.await.unwrap().unwrap(), all.len());
        assert_eq!(proactor.recv(&ours, vec![0; 1]).await.0.unwrap(), 0);
    })
}

/// Reading and writing of one resource go on at once: an echo of more than its buffers
/// hold comes back whole.
///
/// Proves: B118
pub fn an_echo_comes_back_whole(make: Make<'_>) -> Result<(), Skipped> {
    with_proactor(make, |event_loop, proactor| async move {
        let (ours, theirs) = tcp_pair();
        let (ours, theirs) = (Resource::from(ours), Resource::from(theirs));
        let own = proactor.clone();
        let echo = event_loop.spawn(async move {
            let mut buffer = vec![0; 64 << 10];
            loop {
                let (read, filled) = own.recv(&theirs, buffer).await;
                if read.unwrap() == 0 {
                    return;
                }
                let (sent, back) = own.send_all(&theirs, filled).await;
                sent.unwrap();
                buffer = back;
            }
        });
        let all = numbered(16 << 20);
        let (own, writes, bytes) = (proactor.clone(), ours.clone(), all.clone());
        let writer = event_loop.spawn(async move { own.send_all(&writes, bytes).await.0 });
        expect(&proactor, &ours, &all).await;
        assert_eq!(writer.await.unwrap().unwrap(), all.len());
        drop(ours);
        echo.await.unwrap();
    })
}

/// Bytes of which no two parts are alike.
fn numbered(len: usize) -> Arc<[u8]> {
    let mut all = vec![0; len];
    for (n, word) in all.chunks_exact_mut(64).enumerate() {
        word[..8].copy_from_slice(&(n as u64).to_le_bytes());
    }
    all.into()
}

/// Receives these bytes, and no others.
async fn expect(proactor: &ProactorHandle, from: &Resource, all: &[u8]) {
    let (mut buffer, mut seen) = (vec![0; 256 << 10], 0);
    while seen < all.len() {
        let (read, filled) = proactor.recv(from, buffer).await;
        assert_ne!(read.unwrap(), 0, "the end, after {seen} bytes");
        assert!(all[seen..].starts_with(&filled), "other bytes after {seen}");
        seen += filled.len();
        buffer = filled;
    }
}

/// A resource serves two loops at once.
///
/// Proves: 'what was made stays with its loop'
pub fn a_resource_serves_two_loops_at_once(make: Make<'_>) -> Result<(), Skipped> {
    on_proactor(make, |event_loop, proactor| {
        let other_loop = make().new_event_loop().unwrap();
        let other = other_loop.proactor().unwrap();
        let (ours, theirs) = tcp_pair();
        let (ours, theirs) = (Resource::from(ours), Resource::from(theirs));
        driven(event_loop, || {
            let (own, reads) = (proactor.clone(), ours.clone());
            let reading = event_loop.spawn(async move { own.recv(&reads, vec![0; 4]).await.0 });
            let both = async {
                let (own, reads) = (other.clone(), ours.clone());
                let here = other_loop.spawn(async move { own.recv(&reads, vec![0; 4]).await.0 });
                // Each wakes one of them, or both.
                for _ in 0..2 {
                    send_all(&other, &theirs, b"four").await;
                }
                assert_eq!(here.await.unwrap().unwrap(), 4);
                assert_eq!(reading.await.unwrap().unwrap(), 4);
            };
            other_loop.run_until_complete(both).unwrap();
        });
        other_loop.close().unwrap();
    })
}

/// An operation that is always ready at once lets others on the loop run.
///
/// Proves: B73
pub fn who_never_waits_starves_nobody(make: Make<'_>) -> Result<(), Skipped> {
    with_proactor(make, |event_loop, proactor| async move {
        let (ours, theirs) = tcp_pair();
        let (ours, theirs) = (Resource::from(ours), Resource::from(theirs));
        let other = event_loop.spawn(async {});
        for _ in 0..10_000 {
            send_all(&proactor, &ours, b"!").await;
            assert_eq!(proactor.recv(&theirs, vec![0; 1]).await.0.unwrap(), 1);
            if other.is_finished() {
                return;
            }
        }
        panic!("10,000 operations, and no turn for another task");
    })
}

/// Sends all of it.
pub(crate) async fn send_all(proactor: &ProactorHandle, to: &Resource, bytes: &[u8]) {
    let (sent, _) = proactor.send_all(to, bytes.to_vec()).await;
    assert_eq!(sent.unwrap(), bytes.len());
}

/// Reads to the end.
pub(crate) async fn read_to_end(proactor: &ProactorHandle, from: &Resource) -> Vec<u8> {
    let (mut all, mut buffer) = (Vec::new(), vec![0; 4096]);
    loop {
        let (read, filled) = proactor.read(from, buffer).await;
        if read.unwrap() == 0 {
            return all;
        }
        all.extend_from_slice(&filled);
        buffer = filled;
    }
}
