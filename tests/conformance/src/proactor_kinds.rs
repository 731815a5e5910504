//! What operations work on: files, and on Unix pipes, terminals and Unix sockets.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use policy::proactor::{Resource, ResourceKind};

use crate::proactor::{read_to_end, with_proactor};
use crate::{Make, Skipped};

/// A file of a name that nobody else has, removed when it is dropped.
struct TempFile(PathBuf);

impl TempFile {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let next = NEXT.fetch_add(1, Relaxed);
        let name = format!("policy-conformance-{}-{next}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn open(&self) -> File {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).open(&self.0).unwrap()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

/// A file is read and written at positions, and where it stands.
///
/// Proves: 'an operation owns its buffer'
pub fn files_are_read_and_written(make: Make<'_>) -> Result<(), Skipped> {
    let temp = TempFile::new();
    let temp = &temp;
    with_proactor(make, |_, proactor| async move {
        let file = Resource::from(temp.open());
        assert_eq!(file.kind(), ResourceKind::File);
        let (written, back) = proactor.write_all(&file, b"hello, ".to_vec()).await;
        assert_eq!((written.unwrap(), &back[..]), (7, &b"hello, "[..]));
        assert_eq!(proactor.write_at(&file, 7, &b"file"[..]).await.0.unwrap(), 4);
        let (read, page) = proactor.read_at(&file, 0, vec![9; 100]).await;
        assert_eq!((read.unwrap(), &page[..]), (11, &b"hello, file"[..]));
        let (read, page) = proactor.read_at(&file, 7, Vec::with_capacity(4)).await;
        assert_eq!((read.unwrap(), &page[..]), (4, &b"file"[..]));
        // Where it stands: behind what was written without a position.
        assert_eq!(read_to_end(&proactor, &file).await, b"file");
        let (read, page) = proactor.read_at(&file, 1000, page).await;
        assert_eq!((read.unwrap(), page.len()), (0, 0));
    })
}

/// Several parts of a file are read and written at once.
///
/// Proves: 'several buffers go by one call'
pub fn parts_of_a_file_are_read_at_once(make: Make<'_>) -> Result<(), Skipped> {
    let temp = TempFile::new();
    let temp = &temp;
    with_proactor(make, |event_loop, proactor| async move {
        let file = Resource::from(temp.open());
        let writers: Vec<_> = (0..16_u8)
            .map(|part| {
                let (own, file) = (proactor.clone(), file.clone());
                event_loop.spawn(async move {
                    own.write_at(&file, u64::from(part) * 1000, vec![part; 1000]).await.0
                })
            })
            .collect();
        for writer in writers {
            assert_eq!(writer.await.unwrap().unwrap(), 1000);
        }
        let parts = vec![vec![0_u8; 1500].into_boxed_slice(), vec![0; 500].into_boxed_slice()];
        let (read, parts) = proactor.read_vectored(&file, parts).await;
        let read = read.unwrap();
        assert!(read >= 1500 || cfg!(windows), "{read}");
        let expected = [[0; 1000], [1; 1000]].concat();
        assert_eq!(parts.concat()[..read], expected[..read]);
    })
}

/// A pipe is read and written as it is, in blocking mode too, and its mode stays.
///
/// Proves: 'operations work on sockets, pipes and terminals'
pub fn pipes_are_read_and_written_as_they_are(make: Make<'_>) -> Result<(), Skipped> {
    #[cfg(unix)]
    return unix::pipes(make);
    #[cfg(not(unix))]
    no_such_thing(make)
}

/// More than a pipe holds goes through it, while another reads.
///
/// Proves: 'operations work on sockets, pipes and terminals'
pub fn much_goes_through_a_pipe(make: Make<'_>) -> Result<(), Skipped> {
    #[cfg(unix)]
    return unix::much(make);
    #[cfg(not(unix))]
    no_such_thing(make)
}

/// A terminal is read line by line and written to; what it shares with others stays.
///
/// Proves: 'operations work on sockets, pipes and terminals'
pub fn terminals_are_read_and_written(make: Make<'_>) -> Result<(), Skipped> {
    #[cfg(unix)]
    return unix::terminals(make);
    #[cfg(not(unix))]
    no_such_thing(make)
}

/// Devices that no reactor takes are read all the same.
///
/// Proves: 'the right result or a typed error on every loop'
pub fn devices_are_read(make: Make<'_>) -> Result<(), Skipped> {
    #[cfg(unix)]
    return unix::devices(make);
    #[cfg(not(unix))]
    no_such_thing(make)
}

/// Unix sockets connect by path, accept, and know who sent a datagram; a listener whose
/// queue is full is waited for.
///
/// Proves: 'operations work on sockets, pipes and terminals'
pub fn unix_sockets_have_all_operations(make: Make<'_>) -> Result<(), Skipped> {
    #[cfg(unix)]
    return unix::sockets(make);
    #[cfg(not(unix))]
    no_such_thing(make)
}

#[cfg(not(unix))]
fn no_such_thing(_make: Make<'_>) -> Result<(), Skipped> {
    Err(Skipped("this system has no such thing".into()))
}

#[cfg(unix)]
mod unix {
    use std::fs::File;
    use std::os::fd::{AsFd, OwnedFd};
    use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};

    use policy::proactor::{Address, Resource, ResourceKind};
    use rustix::fs::{OFlags, fcntl_getfl};
    use rustix::pipe::{PipeFlags, pipe_with};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use socket2::{Domain, SockAddr, Socket, Type};

    use super::TempFile;
    use crate::proactor::{read_to_end, send_all, with_proactor};
    use crate::{Make, Skipped};

    fn is_non_blocking(fd: impl AsFd) -> bool {
        fcntl_getfl(fd).unwrap().contains(OFlags::NONBLOCK)
    }

    pub(super) fn pipes(make: Make<'_>) -> Result<(), Skipped> {
        for flags in [PipeFlags::CLOEXEC, PipeFlags::CLOEXEC | PipeFlags::NONBLOCK] {
            with_proactor(make, |event_loop, proactor| async move {
                let (reader, writer) = pipe_with(flags).unwrap();
                let (reader, writer) = (Resource::from(reader), Resource::from(writer));
                assert_eq!(reader.kind(), ResourceKind::Stream);
                let (own, reads) = (proactor.clone(), reader.clone());
                let reading = event_loop.spawn(async move { own.read(&reads, vec![0; 64]).await });
                policy::task::yield_now().await;
                let parts = vec![b"one ".to_vec(), b"two".to_vec()];
                let (written, _) = proactor.write_vectored(&writer, parts).await;
                let written = written.unwrap();
                let (read, buffer) = reading.await.unwrap();
                assert_eq!((read.unwrap(), &buffer[..]), (written, &b"one two"[..written]));
                assert!(proactor.recv(&reader, vec![0; 1]).await.0.is_err(), "no socket");
                let non_blocking = flags.contains(PipeFlags::NONBLOCK);
                assert_eq!(is_non_blocking(&reader), non_blocking);
                assert_eq!(is_non_blocking(&writer), non_blocking);
                drop(reader);
                let (written, back) = proactor.write(&writer, vec![1, 2, 3]).await;
                assert_eq!(written.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
                assert_eq!(back, [1, 2, 3]);
            })?;
        }
        Ok(())
    }

    pub(super) fn much(make: Make<'_>) -> Result<(), Skipped> {
        with_proactor(make, |event_loop, proactor| async move {
            let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
            let (reader, writer) = (Resource::from(reader), Resource::from(writer));
            let all: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
            let (own, expected) = (proactor.clone(), all.clone());
            let writing = event_loop.spawn(async move { own.write_all(&writer, all).await.0 });
            assert!(read_to_end(&proactor, &reader).await == expected, "other bytes");
            assert_eq!(writing.await.unwrap().unwrap(), 1_000_000);
        })
    }

    pub(super) fn terminals(make: Make<'_>) -> Result<(), Skipped> {
        with_proactor(make, |event_loop, proactor| async move {
            let main = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
            grantpt(&main).unwrap();
            unlockpt(&main).unwrap();
            let name = ptsname(&main, Vec::new()).unwrap();
            let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
            let terminal: OwnedFd =
                rustix::fs::open(&*name, flags, rustix::fs::Mode::empty()).unwrap();
            let terminal = Resource::from(terminal);
            let (own, reads) = (proactor.clone(), terminal.clone());
            let reading = event_loop.spawn(async move { own.read(&reads, vec![0; 64]).await });
            policy::task::yield_now().await;
            rustix::io::write(&main, b"a line\nanother\n").unwrap();
            let (read, line) = reading.await.unwrap();
            assert_eq!((read.unwrap(), &line[..]), (7, &b"a line\n"[..]));
            let (read, line) = proactor.read(&terminal, line).await;
            assert_eq!((read.unwrap(), &line[..]), (8, &b"another\n"[..]));
            assert_eq!(proactor.write_all(&terminal, &b"prompt> "[..]).await.0.unwrap(), 8);
            assert!(!is_non_blocking(&terminal));
        })
    }

    pub(super) fn devices(make: Make<'_>) -> Result<(), Skipped> {
        with_proactor(make, |_, proactor| async move {
            let zero = Resource::from(File::open("/dev/zero").unwrap());
            let (read, zeros) = proactor.read(&zero, vec![1; 100]).await;
            assert_eq!((read.unwrap(), zeros), (100, vec![0; 100]));
            let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null");
            let null = Resource::from(null.unwrap());
            assert_eq!(proactor.read(&null, vec![1; 4]).await.0.unwrap(), 0);
            assert_eq!(proactor.write_all(&null, vec![1; 4]).await.0.unwrap(), 4);
        })
    }

    pub(super) fn sockets(make: Make<'_>) -> Result<(), Skipped> {
        let (path, other) = (&TempFile::new(), &TempFile::new());
        with_proactor(make, |event_loop, proactor| async move {
            let address = Address::from(SocketAddr::from_pathname(&path.0).unwrap());
            // A queue of one: the third connection has to wait for it.
            let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
            listener.bind(&SockAddr::unix(&path.0).unwrap()).unwrap();
            listener.listen(0).unwrap();
            let listener = Resource::from(UnixListener::from(OwnedFd::from(listener)));
            let connecting: Vec<_> = (0..8)
                .map(|_| {
                    let (own, to) = (proactor.clone(), address.clone());
                    let socket = Resource::socket_for(&to).unwrap();
                    event_loop.spawn(async move {
                        own.connect(&socket, to).await.unwrap();
                        socket
                    })
                })
                .collect();
            let mut accepted = Vec::new();
            for _ in 0..8 {
                let (connection, peer) = proactor.accept(&listener).await.unwrap();
                assert!(peer.as_unix().expect("a unix socket").is_unnamed());
                accepted.push(connection);
            }
            for connection in connecting {
                let connection = connection.await.unwrap();
                send_all(&proactor, &connection, b"!").await;
            }
            for connection in &accepted {
                assert_eq!(proactor.read(connection, vec![0; 4]).await.0.unwrap(), 1);
            }
            let missing = Address::from(SocketAddr::from_pathname(&other.0).unwrap());
            let socket = Resource::socket_for(&missing).unwrap();
            let error = proactor.connect(&socket, missing.clone()).await.unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound);

            let receiver = Resource::from(UnixDatagram::bind(&other.0).unwrap());
            let sender = Resource::from(UnixDatagram::unbound().unwrap());
            let (sent, _) = proactor.send_to(&sender, b"who?".to_vec(), missing.clone()).await;
            assert_eq!(sent.unwrap(), 4);
            let (received, buffer) = proactor.recv_from(&receiver, vec![0; 16]).await;
            let (len, from) = received.unwrap();
            assert_eq!((len, &buffer[..]), (4, &b"who?"[..]));
            assert!(from.as_unix().expect("a unix socket").is_unnamed());
            let (sent, _) = proactor.send_to(&receiver, b"me".to_vec(), missing.clone()).await;
            assert_eq!(sent.unwrap(), 2);
            let (received, _) = proactor.recv_from(&receiver, buffer).await;
            assert_eq!(received.unwrap().1, missing);
        })
    }
}
