//! Pipes, and descriptors of one's own: on every loop.

#![cfg(all(unix, feature = "default-loop"))]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

mod net_support;

use std::future::poll_fn;
use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use futures_lite::{AsyncReadExt, AsyncWriteExt, future};
use net_support::on_every_loop;
use policy::net::unix::pipe::{self, Receiver, Sender};
use policy::net::{AsyncFd, Interests};
use rustix::fs::{OFlags, fcntl_getfl};

#[test]
fn a_pipe_carries_more_than_it_holds_and_ends_when_its_sender_goes() {
    const SIZE: usize = 1 << 20;
    on_every_loop(|| async {
        let (mut sender, mut receiver) = pipe::pipe().unwrap();
        let writing = policy::spawn(async move {
            let bytes: Vec<u8> = (0..SIZE).map(|at| (at % 251) as u8).collect();
            let head = [IoSlice::new(&bytes[..3]), IoSlice::new(b"")];
            assert_eq!(sender.write_vectored(&head).await.unwrap(), 3);
            sender.write_all(&bytes[3..]).await.unwrap();
            // No end by itself: it is a shared reference's, too.
            sender.close().await.unwrap();
            sender.write_all(b"!").await.unwrap();
        });
        let mut all: Vec<u8> = Vec::new();
        receiver.read_to_end(&mut all).await.unwrap();
        writing.await.unwrap();
        assert_eq!((all.len(), all[SIZE]), (SIZE + 1, b'!'));
        assert!(all[..SIZE].iter().enumerate().all(|(at, byte)| *byte == (at % 251) as u8));
        assert_eq!(receiver.read(&mut [0; 8]).await.unwrap(), 0);
    });
}

#[test]
fn an_end_is_tried_and_waited_for() {
    on_every_loop(|| async {
        let (sender, receiver) = pipe::pipe().unwrap();
        assert!(future::poll_once(receiver.readable()).await.is_none());
        assert_eq!(receiver.try_read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        sender.writable().await.unwrap();
        assert_eq!(sender.try_write(b"").unwrap(), 0);
        assert_eq!(
            sender.try_write_vectored(&[IoSlice::new(b"he"), IoSlice::new(b"y")]).unwrap(),
            3
        );
        receiver.readable().await.unwrap();
        let (mut a, mut b) = ([0; 1], [0; 8]);
        let mut slices = [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)];
        assert_eq!(receiver.try_read_vectored(&mut slices).unwrap(), 3);
        // Full, then nobody reads.
        while sender.try_write(&[0; 4096]).is_ok() {}
        assert!(future::poll_once(sender.writable()).await.is_none());
        let mut waits = Box::pin(sender.writable());
        assert!(future::poll_once(&mut waits).await.is_none());
        drop(receiver);
        waits.await.unwrap();
        assert_eq!(sender.try_write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[cfg(not(target_vendor = "apple"))]
#[test]
fn a_pipe_with_a_name_is_opened_at_both_ends_without_waiting() {
    on_every_loop(|| async {
        use policy::net::unix::pipe::OpenOptions;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        let nobody = OpenOptions::new().open_sender(&path).unwrap_err();
        assert_eq!(nobody.raw_os_error(), Some(libc::ENXIO));
        let mut receiver = OpenOptions::new().open_receiver(&path).unwrap();
        // Nobody has come yet, which is the end for the system.
        assert_eq!(receiver.read(&mut [0; 8]).await.unwrap(), 0);
        let mut sender = OpenOptions::new().open_sender(&path).unwrap();
        sender.write_all(b"hello").await.unwrap();
        drop(sender);
        let mut text = String::new();
        receiver.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "hello");
        #[cfg(target_os = "linux")]
        {
            drop(receiver);
            let sender = OpenOptions::new().read_write(true).open_sender(&path).unwrap();
            assert_eq!(sender.try_write(b"early").unwrap(), 5);
        }
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let wrong = OpenOptions::new().open_receiver(&file).unwrap_err();
        assert_eq!(wrong.kind(), ErrorKind::InvalidInput);
        let missing = OpenOptions::new().open_receiver(folder.path().join("none")).unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
    });
}

#[test]
fn an_end_that_somebody_made_is_taken_and_given_back() {
    on_every_loop(|| async {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let wrong = Sender::from_owned_fd(reader.try_clone().unwrap()).unwrap_err();
        assert_eq!(wrong.kind(), ErrorKind::InvalidInput);
        let socket = Receiver::from_owned_fd(UnixStream::pair().unwrap().0.into()).unwrap_err();
        assert!(socket.to_string().contains("no pipe"), "{socket}");
        let mut sender = Sender::from_owned_fd(writer).unwrap();
        let mut receiver = Receiver::from_file(reader.into()).unwrap();
        assert_eq!(receiver.as_fd().as_raw_fd(), receiver.as_raw_fd());
        sender.write_all(b"hello").await.unwrap();
        receiver.read_exact(&mut [0; 5]).await.unwrap();
        assert!(future::poll_once(receiver.read(&mut [0])).await.is_none());
        let sender = sender.into_nonblocking_fd().unwrap();
        assert!(fcntl_getfl(&sender).unwrap().contains(OFlags::NONBLOCK));
        let receiver = receiver.into_blocking_fd().unwrap();
        assert!(!fcntl_getfl(&receiver).unwrap().contains(OFlags::NONBLOCK));
        drop(sender);
        let mut rest = Vec::new();
        std::fs::File::from(receiver).read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"");
    });
}

fn pair() -> (AsyncFd<UnixStream>, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    (AsyncFd::new(ours).unwrap(), theirs)
}

#[test]
fn a_descriptor_of_ones_own_is_waited_for() {
    on_every_loop(|| async {
        let (ours, mut theirs) = pair();
        assert!(future::poll_once(ours.readable()).await.is_none());
        assert!(
            ours.ready(Interests::READABLE | Interests::WRITABLE)
                .await
                .unwrap()
                .ready()
                .is_writable()
        );
        let ours = Arc::new(ours);
        let waiting = ours.clone();
        let reading = policy::spawn(async move {
            let mut all: Vec<u8> = Vec::new();
            while all.len() < 10 {
                let mut guard = waiting.readable().await.unwrap();
                let mut buf = [0; 4];
                // Also without saying that it is not ready any more.
                match guard.try_io(|fd| fd.get_ref().read(&mut buf)) {
                    Ok(read) => all.extend(&buf[..read.unwrap()]),
                    Err(_) => guard.clear_ready(),
                }
            }
            all
        });
        for byte in 0..10 {
            theirs.write_all(&[byte]).unwrap();
            policy::task::yield_now().await;
        }
        assert_eq!(reading.await.unwrap(), (0..10).collect::<Vec<u8>>());
        let mut guard = poll_fn(|cx| ours.poll_write_ready(cx)).await.unwrap();
        assert!(guard.get_inner().as_raw_fd() == ours.as_raw_fd() && guard.ready().is_writable());
        let own = guard.try_io(|_| Err::<(), _>(ErrorKind::InvalidData.into())).unwrap();
        assert_eq!(own.unwrap_err().kind(), ErrorKind::InvalidData);
        assert!(guard.try_io(|_| Err::<(), _>(ErrorKind::WouldBlock.into())).is_err());
        let mut waits = Box::pin(ours.async_io(Interests::READABLE, |mut fd| fd.read(&mut [0; 8])));
        assert!(future::poll_once(&mut waits).await.is_none());
        drop(theirs);
        assert_eq!(waits.await.unwrap(), 0);
        assert!(ours.readable().await.unwrap().ready().is_read_closed());
    });
}

#[test]
fn a_wait_for_a_descriptor_is_woken_in_every_task() {
    on_every_loop(|| async {
        let (ours, mut theirs) = pair();
        let ours = Arc::new(ours);
        let waits: Vec<_> = (0..8)
            .map(|_| {
                let ours = ours.clone();
                policy::spawn(async move { ours.readable().await.map(drop) })
            })
            .collect();
        policy::task::yield_now().await;
        theirs.write_all(b"x").unwrap();
        for wait in waits {
            wait.await.unwrap().unwrap();
        }
    });
}

#[test]
fn kinds_that_can_not_be_waited_for_say_so() {
    on_every_loop(|| async {
        // A file is always ready, so no wait begins.
        let file = AsyncFd::new(tempfile::tempfile().unwrap()).unwrap();
        assert!(file.readable().await.unwrap().ready().is_readable());
        let refused =
            file.async_io(Interests::READABLE, |_| Err::<(), _>(ErrorKind::WouldBlock.into()));
        refused.await.unwrap_err();
        // A reference, and what it gives back.
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let lent = AsyncFd::new(&ours).unwrap();
        assert!(lent.writable().await.is_ok());
        assert_eq!(lent.into_inner().as_raw_fd(), ours.as_raw_fd());
    });
}

#[test]
fn a_descriptor_of_a_loop_that_is_closed_says_so() {
    for name in policy::policy_names() {
        let policy = policy::from_name(name).unwrap();
        let mut runner = policy::Runner::with_policy(policy);
        let (ours, mut theirs) = pair();
        let ours = runner
            .run(async move {
                assert!(future::poll_once(ours.readable()).await.is_none());
                ours
            })
            .unwrap();
        runner.close().unwrap();
        let closed = future::block_on(ours.readable()).unwrap_err();
        assert!(closed.get_ref().unwrap().is::<policy::Error>(), "{closed:?} on {name}");
        // What need not wait is done all the same.
        theirs.write_all(b"x").unwrap();
        assert!(future::block_on(ours.readable()).is_ok());
    }
}
