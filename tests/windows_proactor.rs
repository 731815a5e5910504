//! Completion on Windows, by IOCP: `ci/windows` runs it. What every loop keeps is in the
//! conformance suite; here is that the port does the work, and what it can't do.
#![cfg(windows)]
#![allow(clippy::unwrap_used, reason = "a test that fails panics")]

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use policy::proactor::Resource;
use policy::{CompioPolicy, EventLoop, EventLoopPolicy, SmolPolicy};

#[test]
fn the_proactor_is_native_and_its_driver_is_a_completion_port() {
    let event_loop = CompioPolicy::new().new_event_loop().unwrap();
    let proactor = event_loop.proactor().unwrap();
    assert_eq!((proactor.is_native(), proactor.driver()), (true, "iocp"));
    event_loop.close().unwrap();
}

#[test]
fn a_completed_receive_leaves_the_socket_in_blocking_mode() {
    let event_loop = CompioPolicy::new().new_event_loop().unwrap();
    let (resource, socket, peer) = sockets();
    receive(&event_loop, &resource, &peer);
    assert!(blocks(socket), "it was tried and waited for");
    event_loop.close().unwrap();
}

#[test]
fn an_emulated_receive_does_not() {
    let event_loop = SmolPolicy::current_thread().new_event_loop().unwrap();
    let (resource, socket, peer) = sockets();
    receive(&event_loop, &resource, &peer);
    assert!(!blocks(socket), "the test above would notice nothing");
    event_loop.close().unwrap();
}

#[test]
fn a_socket_that_belongs_to_the_port_of_another_loop_is_served_all_the_same() {
    let (resource, _socket, peer) = sockets();
    for _ in 0..3 {
        let event_loop = CompioPolicy::new().new_event_loop().unwrap();
        receive(&event_loop, &resource, &peer);
        event_loop.close().unwrap();
    }
}

/// A resource, a second handle on its socket, and the peer.
fn sockets() -> (Resource, TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (socket, _) = listener.accept().unwrap();
    (Resource::from(socket.try_clone().unwrap()), socket, peer)
}

/// Lets the loop wait for a byte that comes later.
fn receive(event_loop: &Arc<dyn EventLoop>, resource: &Resource, mut peer: &TcpStream) {
    let proactor = event_loop.proactor().unwrap();
    let received = event_loop.run_until_complete(async {
        let receive = event_loop.spawn({
            let resource = resource.clone();
            async move { proactor.recv(&resource, vec![0; 8]).await }
        });
        policy::task::yield_now().await;
        peer.write_all(b"!").unwrap();
        receive.await.unwrap()
    });
    let (received, buffer) = received.unwrap();
    assert_eq!((received.unwrap(), buffer), (1, b"!".to_vec()));
}

/// Whether a read of nothing waits for its time-out.
fn blocks(mut socket: TcpStream) -> bool {
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    socket.read(&mut [0]).unwrap_err().kind() == ErrorKind::TimedOut
}
