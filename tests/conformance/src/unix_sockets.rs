//! Sockets of this machine, named by paths.

use std::env;
use std::fs;
use std::io::ErrorKind as IoErrorKind;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use futures_lite::{AsyncReadExt, AsyncWriteExt, StreamExt, future};
use policy::net::{UnixDatagram, UnixListener, UnixStream};
use policy::time::timeout;

use crate::support::{LONG, on_selector};
use crate::{Make, Skipped};

/// A folder of its own, removed at the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("policy-{}-{}", process::id(), NEXT.fetch_add(1, Relaxed));
        let folder = env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.join("socket")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Bytes go both ways, an end is an end, and the peer is who it is.
///
/// Proves: 'streams at paths'
pub fn a_stream_at_a_path_carries_bytes_both_ways(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, async {
        let folder = Folder::new();
        let listener = UnixListener::bind(folder.path()).unwrap();
        assert!(future::poll_once(listener.accept()).await.is_none());
        let mut client = UnixStream::connect(folder.path()).await.unwrap();
        assert_eq!(client.peer_addr().unwrap().as_pathname(), Some(&*folder.path()));
        let mut incoming = listener.incoming();
        let mut server = incoming.next().await.unwrap().unwrap();
        assert!(server.peer_addr().unwrap().is_unnamed());
        client.write_all(b"ping").await.unwrap();
        client.close().await.unwrap();
        let mut asked = String::new();
        server.read_to_string(&mut asked).await.unwrap();
        assert_eq!(asked, "ping");
        server.write_all(b"pong").await.unwrap();
        drop(server);
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "pong");
    })
}

/// A pair carries more than any buffer holds, and its halves go apart.
///
/// Proves: 'streams at paths'
pub fn a_pair_needs_no_path(make: Make<'_>) -> Result<(), Skipped> {
    const SIZE: usize = 4 << 20;
    on_selector(make, async {
        let (a, b) = UnixStream::pair().unwrap();
        #[cfg(target_os = "linux")]
        assert_eq!(a.peer_cred().unwrap().pid(), Some(process::id() as i32));
        let (mut reader, mut writer) = a.into_split();
        let echo = policy::spawn(async move { policy::io::copy(&b, &b).await.unwrap() });
        let sent = policy::spawn(async move {
            writer.write_all(&vec![7; SIZE]).await.unwrap();
            // Dropped: an end for the echo.
        });
        let mut all = vec![0; SIZE];
        reader.read_exact(&mut all).await.unwrap();
        assert!(all.iter().all(|byte| *byte == 7));
        sent.await.unwrap();
        assert_eq!(echo.await.unwrap(), SIZE as u64);
        assert_eq!(reader.read(&mut [0]).await.unwrap(), 0);
    })
}

/// What is wrong with a path is told: too long, in use, nothing there, nobody there any
/// more.
///
/// Proves: 'an error of a path says what is wrong with it'
pub fn what_is_wrong_with_a_path_is_told(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, async {
        let folder = Folder::new();
        let path = folder.path();
        let long = folder.0.join("x".repeat(200));
        let invalid = |path: PathBuf| async move {
            let connect = UnixStream::connect(&path).await.unwrap_err().kind();
            let bind = UnixListener::bind(&path).unwrap_err().kind();
            let datagram = UnixDatagram::bind(&path).unwrap_err().kind();
            let send = UnixDatagram::unbound().unwrap().send_to(b"x", &path).await;
            assert_eq!(
                [connect, bind, datagram, send.unwrap_err().kind()],
                [IoErrorKind::InvalidInput; 4]
            );
        };
        invalid(long).await;
        invalid(Path::new("a\0b").into()).await;
        let connect = || async { UnixStream::connect(&path).await.unwrap_err().kind() };
        assert_eq!(connect().await, IoErrorKind::NotFound);
        let listener = UnixListener::bind(&path).unwrap();
        assert_eq!(UnixListener::bind(&path).unwrap_err().kind(), IoErrorKind::AddrInUse);
        assert_eq!(UnixDatagram::bind(&path).unwrap_err().kind(), IoErrorKind::AddrInUse);
        drop(listener);
        assert_eq!(connect().await, IoErrorKind::ConnectionRefused);
        assert_eq!(UnixListener::bind(&path).unwrap_err().kind(), IoErrorKind::AddrInUse);
        fs::remove_file(&path).unwrap();
        drop(UnixListener::bind(&path).unwrap());
    })
}

/// Datagrams arrive whole, in order, and none is lost: who sends waits while the
/// receiver's queue is full, whether connected or not.
///
/// Proves: 'datagrams at paths'
pub fn no_datagram_is_lost(make: Make<'_>) -> Result<(), Skipped> {
    const MANY: u16 = 2000;
    on_selector(make, async {
        let folder = Folder::new();
        let path = folder.path();
        let server = UnixDatagram::bind(&path).unwrap();
        let to = path.clone();
        let sending = policy::spawn(async move {
            let client = UnixDatagram::unbound().unwrap();
            for n in 0..MANY {
                client.send_to(&n.to_be_bytes(), &to).await.unwrap();
            }
            client.connect(&to).unwrap();
            for n in MANY..2 * MANY {
                client.send(&n.to_be_bytes()).await.unwrap();
            }
        });
        let mut buf = [0; 8];
        for n in 0..2 * MANY {
            let (len, peer) =
                timeout(LONG, server.recv_from(&mut buf)).await.expect("it comes").unwrap();
            assert_eq!(buf[..len], n.to_be_bytes());
            assert!(peer.is_unnamed());
        }
        sending.await.unwrap();
    })
}

/// A datagram is answered by the address that it came from.
///
/// Proves: 'datagrams at paths'
pub fn a_datagram_can_be_answered(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, async {
        let (ours, theirs) = (Folder::new(), Folder::new());
        let server = UnixDatagram::bind(ours.path()).unwrap();
        let client = UnixDatagram::bind(theirs.path()).unwrap();
        client.send_to(b"ping", ours.path()).await.unwrap();
        let mut buf = [0; 8];
        let (len, peer) = server.recv_from(&mut buf).await.unwrap();
        assert_eq!(peer.as_pathname(), Some(&*theirs.path()));
        server.send_to_addr(&buf[..len], &peer).await.unwrap();
        assert_eq!(client.recv(&mut buf).await.unwrap(), 4);
        drop(server);
        let gone = client.send_to(b"ping", ours.path()).await.unwrap_err();
        assert_eq!(gone.kind(), IoErrorKind::ConnectionRefused);
        let (a, b) = UnixDatagram::pair().unwrap();
        a.send(b"pair").await.unwrap();
        assert_eq!(b.recv(&mut buf).await.unwrap(), 4);
        let unnamed = a.local_addr().unwrap();
        let nobody = b.send_to_addr(b"x", &unnamed).await.unwrap_err();
        assert_eq!(nobody.kind(), IoErrorKind::InvalidInput);
    })
}
