//! Five thousand sockets open at once. They and their limit belong to the process, so
//! this file has one test.

#![cfg(all(unix, feature = "default-loop"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails panics")]

mod net_support;

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use net_support::on_every_loop;
use policy::net::{TcpListener, TcpStream};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const CONNECTIONS: usize = 2500;

#[test]
fn five_thousand_sockets_are_served() {
    let limit = getrlimit(Resource::Nofile);
    let needed = 2 * CONNECTIONS as u64 + 200;
    if limit.current.is_some_and(|current| current < needed) {
        let raised = Rlimit { current: Some(needed), ..limit };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            println!("skipped: {needed} descriptors are more than the limit here: {error}");
            return;
        }
    }
    on_every_loop(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = policy::spawn(async move {
            let mut echoes = policy::task::JoinSet::new();
            for _ in 0..CONNECTIONS {
                let (stream, _) = listener.accept().await.unwrap();
                echoes.spawn(async move { policy::io::copy(&stream, &stream).await.unwrap() });
            }
            let mut echoed = 0;
            while let Some(bytes) = echoes.join_next().await {
                echoed += bytes.unwrap();
            }
            echoed
        });
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            clients.push(TcpStream::connect(address).await.unwrap());
        }
        // All of them wait, and then each has its answer.
        for round in 0..2_u8 {
            for (n, client) in clients.iter_mut().enumerate() {
                client.write_all(&[round, n as u8]).await.unwrap();
            }
            for (n, client) in clients.iter_mut().enumerate() {
                let mut back = [0; 2];
                client.read_exact(&mut back).await.unwrap();
                assert_eq!(back, [round, n as u8]);
            }
        }
        drop(clients);
        assert_eq!(server.await.unwrap(), 4 * CONNECTIONS as u64);
    });
}
