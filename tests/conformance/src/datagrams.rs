//! Datagrams of UDP.

use std::io::ErrorKind as IoErrorKind;
use std::sync::Arc;

use futures_lite::future;
use policy::net::{Ipv4Addr, UdpSocket};
use policy::time::timeout;

use crate::support::{LONG, on_selector};
use crate::{Make, Skipped};

async fn bound() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").await.unwrap()
}

/// A datagram arrives as it was sent, with its sender; a peek leaves it there, and what is
/// too long is cut off.
///
/// Proves: 'datagrams keep their bounds and senders'
pub fn a_datagram_arrives_with_its_sender(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, async {
        let (a, b) = (bound().await, bound().await);
        let (from, to) = (a.local_addr().unwrap(), b.local_addr().unwrap());
        let mut buf = [0; 64];
        assert!(future::poll_once(b.recv_from(&mut buf)).await.is_none());
        assert_eq!(a.send_to(b"hello", to).await.unwrap(), 5);
        assert_eq!(b.peek_from(&mut buf).await.unwrap(), (5, from));
        assert_eq!(b.recv_from(&mut buf).await.unwrap(), (5, from));
        assert_eq!(&buf[..5], b"hello");
        assert_eq!(a.send_to(b"", &to.to_string()).await.unwrap(), 0);
        assert_eq!(b.recv_from(&mut buf).await.unwrap(), (0, from));
        #[cfg(unix)]
        {
            a.send_to(b"too long", to).await.unwrap();
            a.send_to(b"next", to).await.unwrap();
            let mut short = [0; 3];
            assert_eq!(b.recv_from(&mut short).await.unwrap().0, 3);
            assert_eq!(&short, b"too");
            assert_eq!(b.recv(&mut buf).await.unwrap(), 4);
        }
        let huge = a.send_to(&vec![0; 70_000], to).await.unwrap_err();
        assert!(huge.raw_os_error().is_some(), "{huge:?}");
    })
}

/// A socket with a peer hears that peer only, and what was refused.
///
/// Proves: 'datagrams keep their bounds and senders'
pub fn a_socket_with_a_peer_hears_nobody_else(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, async {
        let (a, b, stranger) = (bound().await, bound().await, bound().await);
        let alone = a.send(b"x").await.unwrap_err();
        assert!(
            matches!(alone.kind(), IoErrorKind::NotConnected)
                || alone.to_string().contains("address"),
            "{alone:?}"
        );
        a.connect(b.local_addr().unwrap()).await.unwrap();
        assert_eq!(a.peer_addr().unwrap(), b.local_addr().unwrap());
        stranger.send_to(b"stranger", a.local_addr().unwrap()).await.unwrap();
        b.send_to(b"friend", a.local_addr().unwrap()).await.unwrap();
        let mut buf = [0; 64];
        assert_eq!(a.peek(&mut buf).await.unwrap(), 6);
        assert_eq!(a.recv(&mut buf).await.unwrap(), 6);
        assert_eq!(&buf[..6], b"friend");
        a.send(b"hi").await.unwrap();
        assert_eq!(b.recv(&mut buf).await.unwrap(), 2);
        drop(b);
        #[cfg(target_os = "linux")]
        {
            a.send(b"gone").await.unwrap();
            let refused = timeout(LONG, a.recv(&mut buf)).await.expect("it is told").unwrap_err();
            assert_eq!(refused.kind(), IoErrorKind::ConnectionRefused);
        }
    })
}

/// Many tasks send and receive by one socket: each datagram goes to one of them, and no
/// wake-up is lost.
///
/// Proves: 'the right result or a typed error on every loop'
pub fn many_tasks_receive_by_one_socket(make: Make<'_>) -> Result<(), Skipped> {
    const TASKS: usize = 8;
    const ROUNDS: usize = 50;
    on_selector(make, async {
        let server = Arc::new(bound().await);
        let to = server.local_addr().unwrap();
        let (got, counted) = async_channel::unbounded();
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let (server, got) = (server.clone(), got.clone());
                policy::spawn(async move {
                    loop {
                        let mut buf = [0; 8];
                        let len = server.recv(&mut buf).await.unwrap();
                        got.send(buf[..len].to_vec()).await.unwrap();
                    }
                })
            })
            .collect();
        let client = bound().await;
        for round in 0..ROUNDS {
            // Few enough at once that no queue of the system is full.
            for n in 0..TASKS {
                client.send_to(&[round as u8, n as u8], to).await.unwrap();
            }
            let mut seen = Vec::new();
            for _ in 0..TASKS {
                seen.push(timeout(LONG, counted.recv()).await.expect("each arrives").unwrap());
            }
            seen.sort();
            let sent: Vec<_> = (0..TASKS).map(|n| vec![round as u8, n as u8]).collect();
            assert_eq!(seen, sent);
        }
        tasks.iter().for_each(|task| task.abort());
    })
}

/// A receive that is dropped has taken nothing.
///
/// Proves: 'what is cancelled loses nothing'
pub fn a_receive_that_is_dropped_loses_nothing(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, async {
        let (a, b) = (bound().await, bound().await);
        let to = b.local_addr().unwrap();
        let mut buf = [0; 8];
        for n in 0..100 {
            assert!(future::poll_once(b.recv(&mut buf)).await.is_none());
            let mut waiting = Box::pin(b.readable());
            assert!(future::poll_once(&mut waiting).await.is_none());
            a.send_to(&[n], to).await.unwrap();
            waiting.await.unwrap();
            assert_eq!(b.recv(&mut buf).await.unwrap(), 1);
            assert_eq!(buf[0], n);
        }
    })
}

/// The options say what was set.
///
/// Proves: 'groups and options of UDP'
pub fn options_say_what_was_set(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, async {
        let socket = bound().await;
        assert!(!socket.broadcast().unwrap());
        socket.set_broadcast(true).unwrap();
        assert!(socket.broadcast().unwrap());
        socket.set_ttl(7).unwrap();
        assert_eq!(socket.ttl().unwrap(), 7);
        socket.set_multicast_ttl_v4(3).unwrap();
        assert_eq!(socket.multicast_ttl_v4().unwrap(), 3);
        socket.set_multicast_loop_v4(false).unwrap();
        assert!(!socket.multicast_loop_v4().unwrap());
        assert!(socket.take_error().unwrap().is_none());
    })
}

/// What is sent to a group comes to those who joined it.
///
/// Proves: 'groups and options of UDP'
pub fn a_group_hears_what_is_sent_to_it(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, async {
        let group = Ipv4Addr::new(224, 0, 0, 251);
        let member = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        let port = member.local_addr().unwrap().port();
        if let Err(error) = member.join_multicast_v4(group, Ipv4Addr::LOCALHOST) {
            println!("skipped: this machine has no multicast on its loopback: {error}");
            return;
        }
        let sender = bound().await;
        match sender.send_to(b"all", (group, port)).await {
            Ok(sent) => {
                assert_eq!(sent, 3);
                let mut buf = [0; 8];
                let (len, from) =
                    timeout(LONG, member.recv_from(&mut buf)).await.expect("it comes").unwrap();
                assert_eq!((len, from), (3, sender.local_addr().unwrap()));
            }
            Err(error) => println!("skipped: this machine sends no multicast: {error}"),
        }
        member.leave_multicast_v4(group, Ipv4Addr::LOCALHOST).unwrap();
    })
}
