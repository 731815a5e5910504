//! Accepting when the process has no descriptor left. The limit belongs to the process,
//! so this file has one test.

#![cfg(all(target_os = "linux", feature = "default-loop"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails panics")]

mod net_support;

use std::fs::File;
use std::future::poll_fn;
use std::net;
use std::os::fd::AsRawFd;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use futures_lite::{Stream, StreamExt, future};
use net_support::on_every_loop;
use policy::net::{TcpListener, UnixListener};
use policy::time::{sleep, timeout};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Leaves no descriptor free, until it is dropped.
struct NoDescriptors {
    before: Rlimit,
    _fillers: Vec<File>,
}

impl NoDescriptors {
    fn new() -> Self {
        let before = getrlimit(Resource::Nofile);
        // Above all that is open, so that what is below can be filled.
        let above = File::open("/dev/null").unwrap().as_raw_fd() as u64 + 64;
        setrlimit(Resource::Nofile, Rlimit { current: Some(above), ..before }).unwrap();
        let mut fillers = Vec::new();
        while let Ok(filler) = File::open("/dev/null") {
            fillers.push(filler);
        }
        Self { before, _fillers: fillers }
    }
}

impl Drop for NoDescriptors {
    fn drop(&mut self) {
        setrlimit(Resource::Nofile, self.before).unwrap();
    }
}

/// Counts the errors of a stream of connections for some time.
async fn errors<T>(mut incoming: impl Stream<Item = std::io::Result<T>> + Unpin) -> usize {
    let mut count = 0;
    let mut over = pin!(sleep(Duration::from_millis(100)));
    poll_fn(|cx| {
        if over.as_mut().poll(cx).is_ready() {
            return Poll::Ready(count);
        }
        while let Poll::Ready(Some(item)) = Pin::new(&mut incoming).poll_next(cx) {
            assert_eq!(item.err().unwrap().raw_os_error(), Some(libc::EMFILE));
            count += 1;
            assert!(count < 1000, "it spins");
        }
        Poll::Pending
    })
    .await
}

#[test]
fn a_listener_survives_the_limit_and_backs_off() {
    on_every_loop(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let at_path = UnixListener::bind(folder.path().join("socket")).unwrap();
        // Used before: whatever the loop makes for the first time is made.
        assert!(future::poll_once(listener.accept()).await.is_none());
        assert!(future::poll_once(at_path.accept()).await.is_none());
        sleep(Duration::from_millis(1)).await;
        let clients = [(); 2].map(|()| net::TcpStream::connect(address).unwrap());
        let path = folder.path().join("socket");
        let local = std::os::unix::net::UnixStream::connect(path).unwrap();

        let none = NoDescriptors::new();
        let refused = listener.accept().await.unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::EMFILE), "{refused}");
        // The next call waits first: a loop that goes on after an error does not spin.
        assert!(future::poll_once(listener.accept()).await.is_none());
        // 5, 10, 20, 40 and 80 milliseconds apart: about five.
        let (tcp, unix) =
            future::zip(errors(listener.incoming()), errors(at_path.incoming())).await;
        assert!((1..20).contains(&tcp) && (1..20).contains(&unix), "{tcp} and {unix} errors");
        drop(none);

        for client in &clients {
            let (_, peer) = listener.accept().await.unwrap();
            assert_eq!(peer, client.local_addr().unwrap());
        }
        at_path.incoming().next().await.unwrap().unwrap();
        // A success has ended the pauses.
        let more = net::TcpStream::connect(address).unwrap();
        assert!(timeout(net_support::LONG, listener.accept()).await.unwrap().is_ok());
        drop((more, local));
    });
}
