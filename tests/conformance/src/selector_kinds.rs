//! What can be waited for: on Unix, everything but regular files.

use crate::{Make, Skipped};

#[cfg(unix)]
mod unix {
    use std::fs::File;
    use std::io::{Read, Write};
    use std::os::fd::{AsFd, AsRawFd, OwnedFd};
    use std::os::unix::net::{UnixDatagram, UnixStream};
    use std::process::Command;

    use policy::ErrorKind;
    use rustix::pipe::{PipeFlags, pipe_with};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use crate::selector::{is_pending, on_selector};
    use crate::support::{Gate, block_on};
    use crate::{Make, Skipped};
    use std::pin::pin;

    /// Waits until `fd` is readable, which `write` brings about; by a wait and by a
    /// callback.
    fn becomes_readable(
        make: Make<'_>,
        fd: impl AsFd,
        write: impl FnOnce(),
    ) -> Result<(), Skipped> {
        on_selector(make, |event_loop, selector| {
            event_loop
                .run_until_complete(async {
                    let mut wait = pin!(selector.readable(fd.as_fd()));
                    assert!(is_pending(wait.as_mut()).await, "readable from the start");
                    let called = Gate::default();
                    let opens = called.clone();
                    selector.add_reader(fd.as_fd(), move || opens.open()).unwrap();
                    write();
                    wait.await.unwrap();
                    called.wait().await;
                    assert!(selector.remove_reader(fd.as_fd().as_raw_fd()));
                })
                .unwrap();
        })
    }

    pub(super) fn pipes(make: Make<'_>) -> Result<(), Skipped> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        becomes_readable(make, &reader, || {
            rustix::io::write(&writer, b"!").unwrap();
        })?;
        rustix::io::read(&reader, &mut [0; 8]).unwrap();
        becomes_readable(make, &reader, || drop(writer))
    }

    pub(super) fn a_full_pipe(make: Make<'_>) -> Result<(), Skipped> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
        while rustix::io::write(&writer, &[0; 4096]).is_ok() {}
        on_selector(make, |event_loop, selector| {
            event_loop
                .run_until_complete(async {
                    let mut wait = pin!(selector.writable(&writer));
                    assert!(is_pending(wait.as_mut()).await);
                    while rustix::io::read(&reader, &mut [0; 4096]).is_ok() {}
                    wait.await.unwrap();
                    // Nobody reads: that counts as ready, so that a write tells it.
                    drop(reader);
                    selector.writable(&writer).await.unwrap();
                })
                .unwrap();
        })
    }

    pub(super) fn terminals(make: Make<'_>) -> Result<(), Skipped> {
        let main = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&main).unwrap();
        unlockpt(&main).unwrap();
        let name = ptsname(&main, Vec::new()).unwrap();
        let terminal = rustix::fs::open(
            &*name,
            rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        )
        .unwrap();
        becomes_readable(make, &terminal, || {
            rustix::io::write(&main, b"a line\n").unwrap();
        })?;
        on_selector(make, |event_loop, selector| {
            event_loop.run_until_complete(selector.writable(&terminal)).unwrap().unwrap();
        })
    }

    #[cfg(target_os = "linux")]
    pub(super) fn counters(make: Make<'_>) -> Result<(), Skipped> {
        use rustix::event::{EventfdFlags, eventfd};

        let counter = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
        becomes_readable(make, &counter, || {
            rustix::io::write(&counter, &1_u64.to_ne_bytes()).unwrap();
        })
    }

    #[cfg(target_os = "linux")]
    pub(super) fn processes(make: Make<'_>) -> Result<(), Skipped> {
        use rustix::process::{Pid, PidfdFlags, pidfd_open};

        let mut child =
            Command::new("cat").stdin(std::process::Stdio::piped()).spawn().expect("cat");
        let pid = Pid::from_child(&child);
        let process = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(process) => process,
            Err(error) => {
                drop(child.stdin.take());
                child.wait().unwrap();
                return Err(Skipped(format!("no pidfds here: {error}")));
            }
        };
        let stdin = child.stdin.take();
        let waited = becomes_readable(make, &process, || drop(stdin));
        drop(child.stdin.take());
        child.wait().unwrap();
        waited
    }

    pub(super) fn unix_sockets(make: Make<'_>) -> Result<(), Skipped> {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        becomes_readable(make, &ours, || theirs.write_all(b"!").unwrap())?;
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        becomes_readable(make, &ours, || {
            theirs.send(b"!").unwrap();
        })
    }

    pub(super) fn regular_files(make: Make<'_>) -> Result<(), Skipped> {
        on_selector(make, |_, selector| {
            let mut file = File::open(std::env::current_exe().unwrap()).unwrap();
            let directory = File::open("/").unwrap();
            for refused in [
                selector.add_reader(&file, || unreachable!("called")),
                selector.add_writer(&file, || unreachable!("called")),
                block_on(selector.readable(&file)),
                selector.add_reader(&directory, || unreachable!("called")),
            ] {
                let error = refused.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Io);
                assert_eq!(error.io_kind(), Some(std::io::ErrorKind::PermissionDenied));
                assert!(error.to_string().contains("proactor"), "{error}");
            }
            assert!(!selector.remove_reader(&file));
            file.read_exact(&mut [0; 4]).unwrap();
            drop(OwnedFd::from(file));
        })
    }
}

/// A pipe is readable when bytes come and when its other end closes, in whatever mode
/// it is.
///
/// Proves: 'whatever can be polled can be waited for'
pub fn pipes_can_be_waited_for(make: Make<'_>) -> Result<(), Skipped> {
    #[cfg(unix)]
    return unix::pipes(make);
    #[cfg(not(unix))]
    no_such_thing(make)
}

/// A pipe that is full is writable when it has room, and when nobody reads it.
///
/// Proves: 'whatever can be polled can be waited for'
pub fn a_full_pipe_can_be_waited_for(make: Make<'_>) -> Result<(), Skipped> {
    #[cfg(unix)]
    return unix::a_full_pipe(make);
    #[cfg(not(unix))]
    no_such_thing(make)
}

/// A terminal is readable when a line comes.
///
/// Proves: 'whatever can be polled can be waited for'
pub fn terminals_can_be_waited_for(make: Make<'_>) -> Result<(), Skipped> {
    #[cfg(unix)]
    return unix::terminals(make);
    #[cfg(not(unix))]
    no_such_thing(make)
}

/// An eventfd is readable when it counts.
///
/// Proves: 'whatever can be polled can be waited for'
pub fn counters_can_be_waited_for(make: Make<'_>) -> Result<(), Skipped> {
    #[cfg(target_os = "linux")]
    return unix::counters(make);
    #[cfg(not(target_os = "linux"))]
    no_such_thing(make)
}

/// A pidfd is readable when its process ends.
///
/// Proves: 'whatever can be polled can be waited for'
pub fn processes_can_be_waited_for(make: Make<'_>) -> Result<(), Skipped> {
    #[cfg(target_os = "linux")]
    return unix::processes(make);
    #[cfg(not(target_os = "linux"))]
    no_such_thing(make)
}

/// Unix sockets are waited for as others are.
///
/// Proves: 'whatever can be polled can be waited for'
pub fn unix_sockets_can_be_waited_for(make: Make<'_>) -> Result<(), Skipped> {
    #[cfg(unix)]
    return unix::unix_sockets(make);
    #[cfg(not(unix))]
    no_such_thing(make)
}

/// A regular file and a directory are refused, on every loop by the same error, which
/// names the way out.
///
/// Proves: B108
pub fn regular_files_are_refused(make: Make<'_>) -> Result<(), Skipped> {
    #[cfg(unix)]
    return unix::regular_files(make);
    #[cfg(not(unix))]
    no_such_thing(make)
}

#[cfg(not(target_os = "linux"))]
fn no_such_thing(_make: Make<'_>) -> Result<(), Skipped> {
    Err(Skipped("this system has no such thing".into()))
}
