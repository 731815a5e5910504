//! Connecting where nobody answers; and sockets under a tokio runtime that never heard of
//! policies.

#![cfg(all(unix, feature = "default-loop"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails panics")]

mod net_support;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use net_support::on_every_loop;
use policy::net::{TcpListener, TcpStream};
use policy::time::timeout;
use socket2::{Domain, Socket, Type};

/// An address that answers nobody: it listens, and its queue is full.
struct Silent {
    address: SocketAddr,
    _sockets: Vec<Socket>,
}

impl Silent {
    fn new() -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut sockets = vec![listener];
        for _ in 0..4 {
            let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            client.set_nonblocking(true).unwrap();
            // Under way: the first fill the queue, the others wait as we will.
            let _under_way = client.connect(&address);
            sockets.push(client);
        }
        Self { address: address.as_socket().unwrap(), _sockets: sockets }
    }
}

#[test]
fn a_timeout_ends_a_connect_that_nobody_answers() {
    on_every_loop(|| async {
        let silent = Silent::new();
        for _ in 0..3 {
            let connect = TcpStream::connect(silent.address);
            assert!(timeout(Duration::from_millis(20), connect).await.is_err());
        }
    });
}

#[test]
fn an_address_that_is_silent_is_overtaken_after_its_head_start() {
    on_every_loop(|| async {
        let (silent, mute) = (Silent::new(), Silent::new());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let all = [silent.address, mute.address, good];
        let began = Instant::now();
        let stream = TcpStream::connect(&all[..]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        // Two head starts of 250 ms, and not the minutes of the system.
        assert!(began.elapsed() >= Duration::from_millis(490), "{:?}", began.elapsed());
    });
}

#[cfg(feature = "tokio")]
#[test]
fn sockets_work_in_a_plain_tokio_program() {
    use futures_lite::{AsyncReadExt, AsyncWriteExt};

    let plain = || async {
        let listener = TcpListener::bind("localhost:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            policy::io::copy(&stream, &stream).await.unwrap()
        });
        let mut client = TcpStream::connect(address).await.unwrap();
        for n in 0..100_u8 {
            client.write_all(&[n; 1000]).await.unwrap();
            let mut back = [0; 1000];
            client.read_exact(&mut back).await.unwrap();
            assert_eq!(back, [n; 1000]);
        }
        drop(client);
        assert_eq!(server.await.unwrap(), 100_000);
        let late = tokio::time::timeout(Duration::from_millis(5), async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.accept().await.map(drop)
        });
        assert!(late.await.is_err());
    };
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap().block_on(plain());
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap().block_on(plain());
}

#[cfg(feature = "tokio")]
#[test]
fn a_runtime_without_a_reactor_says_so() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let refused = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.accept().await.map(drop).unwrap_err()
    });
    let inner = refused.get_ref().unwrap().downcast_ref::<policy::Error>().unwrap();
    assert_eq!(inner.kind(), policy::ErrorKind::Unsupported, "{inner}");
    assert!(inner.to_string().contains("enable_io"), "{inner}");
}
