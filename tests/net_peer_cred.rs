//! Who a peer is, where the kernel has no number for it here. The namespace belongs to
//! the process, so the server of the second story is one of its own.

#![cfg(all(target_os = "linux", feature = "default-loop"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails panics")]

mod net_support;

use std::env;
use std::os::fd::OwnedFd;
use std::os::unix::net as std_net;
use std::process::{Child, Command, Stdio};

use net_support::on_every_loop;
use policy::net::{UnixListener, UnixStream};
use rustix::process::{getgid, getuid};
use socket2::{Domain, Socket, Type};

/// Tells the copy of this program that is the server where to listen.
const PATH: &str = "POLICY_TEST_PEER_CRED_PATH";

// It was undefined behaviour: a dependency took the kernel's 0 for a number that is not 0.
#[test]
fn a_socket_without_a_peer_has_credentials_without_a_pid() {
    let unconnected = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    let datagram = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    for fd in [OwnedFd::from(unconnected), OwnedFd::from(datagram)] {
        let stream = UnixStream::from_std(std_net::UnixStream::from(fd)).unwrap();
        let cred = stream.peer_cred().unwrap();
        assert_eq!(cred.pid(), None);
        assert_eq!((cred.uid(), cred.gid()), (u32::MAX, u32::MAX), "nobody, the kernel says");
    }
}

// It was undefined behaviour, and the peer's user came out as the number of an error.
#[test]
fn a_peer_outside_of_our_pid_namespace_has_a_user_and_no_pid() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let mut server = Command::new("unshare");
    server.args(["--pid", "--fork"]).arg(env::current_exe().unwrap());
    server.args(["--exact", "the_server_of_another_namespace", "--nocapture"]);
    let allowed = Command::new("unshare").args(["--pid", "--fork", "true"]).output();
    if !allowed.as_ref().is_ok_and(|output| output.status.success()) {
        println!("skipped: no pid namespace can be made here: {allowed:?}");
        return;
    }
    let mut server = server.env(PATH, &path).stdout(Stdio::piped()).spawn().unwrap();
    let _client = connect(&path, &mut server);
    let output = server.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}");
    assert!(!told.contains("0 passed"), "the server ran: {told}");
}

/// As soon as the server listens, or has failed.
fn connect(path: &std::path::Path, server: &mut Child) -> Option<std_net::UnixStream> {
    loop {
        if let Ok(client) = std_net::UnixStream::connect(path) {
            return Some(client);
        }
        if server.try_wait().unwrap().is_some() {
            return None;
        }
        std::thread::yield_now();
    }
}

// The other half of the test above; nothing, when it is not asked for.
#[test]
fn the_server_of_another_namespace() {
    let Some(path) = env::var_os(PATH) else { return };
    assert_eq!(std::process::id(), 1, "the first of its namespace");
    let listener = std_net::UnixListener::bind(path).unwrap();
    policy::run(async {
        let listener = UnixListener::from_std(listener).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let cred = stream.peer_cred().unwrap();
        assert_eq!(cred.pid(), None);
        assert_eq!((cred.uid(), cred.gid()), (getuid().as_raw(), getgid().as_raw()));
    });
}

#[test]
fn a_peer_has_the_pid_and_the_user_that_it_connected_with() {
    on_every_loop(|| async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let client = UnixStream::connect(&path).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        for end in [client, server] {
            let cred = end.peer_cred().unwrap();
            assert_eq!(cred.pid(), Some(std::process::id() as i32));
            assert_eq!((cred.uid(), cred.gid()), (getuid().as_raw(), getgid().as_raw()));
        }
    });
}
