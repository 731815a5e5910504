//! What is always ready, where there is something of Unix to it; see [`budget`](crate::budget).

use std::future::{Future, poll_fn};
use std::os::unix::net::UnixStream as StdStream;
use std::pin::pin;
use std::task::Poll;
use std::thread;

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use policy::get_running_loop;
use policy::net::{UnixDatagram, UnixListener, UnixStream};
use policy::proactor::Resource;
use policy::process::{Command, Stdio};
use policy::signal::{SignalKind, signal};
use policy::task::has_budget_remaining;
use rustix::process::{Signal, getpid, kill_process};

use crate::budget::{Busy, lets_others_run, with_sockets};
use crate::support::run;
use crate::unix_sockets::Folder;
use crate::{Make, Skipped};

/// A stream that can be written and read for ever, without a peer: of Unix.
///
/// Proves: 'what is always ready lets others run'
pub fn a_unix_stream_that_never_waits_lets_others_run(make: Make<'_>) -> Result<(), Skipped> {
    with_sockets(make, || async {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        let busy = Busy::begin();
        while busy.goes_on() {
            ours.write_all(b"x").await.unwrap();
            theirs.read_exact(&mut [0]).await.unwrap();
        }
    })
}

/// Datagrams of Unix that have come before they are asked for.
///
/// Proves: 'what is always ready lets others run'
pub fn a_unix_datagram_that_never_waits_lets_others_run(make: Make<'_>) -> Result<(), Skipped> {
    with_sockets(make, || async {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        let busy = Busy::begin();
        while busy.goes_on() {
            ours.send(b"x").await.unwrap();
            theirs.recv(&mut [0; 8]).await.unwrap();
        }
    })
}

/// A listener in whose queue there is always a connection.
///
/// Proves: 'what is always ready lets others run'
pub fn a_listener_that_never_waits_lets_others_run(make: Make<'_>) -> Result<(), Skipped> {
    with_sockets(make, || async {
        let folder = Folder::new();
        let listener = UnixListener::bind(folder.path()).unwrap();
        let busy = Busy::begin();
        while busy.goes_on() {
            let _ours = StdStream::connect(folder.path()).unwrap();
            listener.accept().await.unwrap();
        }
    })
}

/// A child that writes faster than its pipe is read.
///
/// Proves: 'what is always ready lets others run'
pub fn a_child_that_never_stops_writing_lets_others_run(make: Make<'_>) {
    lets_others_run(make, || async {
        let mut child =
            Command::new("yes").stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let busy = Busy::begin();
        while busy.goes_on() {
            stdout.read_exact(&mut [0; 2]).await.unwrap();
        }
    });
}

/// A child that reads faster than its pipe is written.
///
/// Proves: 'what is always ready lets others run'
pub fn a_child_that_never_stops_reading_lets_others_run(make: Make<'_>) {
    lets_others_run(make, || async {
        let mut command = Command::new("sh");
        command.args(["-c", "exec cat >/dev/null"]).stdin(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let busy = Busy::begin();
        while busy.goes_on() {
            stdin.write_all(b"x").await.unwrap();
        }
    });
}

/// A signal that has come whenever it is asked for.
///
/// Proves: 'what is always ready lets others run'
pub fn a_signal_that_never_waits_lets_others_run(make: Make<'_>) {
    run(make, async {
        // One that does nothing by default, and that no other clause listens to.
        let mut signals = signal(SignalKind::from_raw(Signal::URG.as_raw())).unwrap();
        let mut came = 0;
        poll_fn(|cx| {
            while came < 1000 {
                kill_process(getpid(), Signal::URG).unwrap();
                // It may be handled by another thread, a little later.
                while pin!(signals.recv()).poll(cx).is_pending() {
                    if !has_budget_remaining() {
                        return Poll::Ready(());
                    }
                    thread::yield_now();
                }
                came += 1;
            }
            Poll::Ready(())
        })
        .await;
        assert!(came <= 128, "{came} signals in one poll");
    });
}

/// Waits for a descriptor that is ready.
///
/// Proves: 'what is always ready lets others run'
pub fn waits_for_a_ready_descriptor_let_others_run(make: Make<'_>) -> Result<(), Skipped> {
    with_sockets(make, || async {
        let (ours, _theirs) = StdStream::pair().unwrap();
        let selector = get_running_loop().unwrap().selector().unwrap();
        let busy = Busy::begin();
        while busy.goes_on() {
            selector.writable(&ours).await.unwrap();
        }
    })
}

/// Operations that are done at once.
///
/// Proves: 'what is always ready lets others run'
pub fn operations_that_never_wait_let_others_run(make: Make<'_>) -> Result<(), Skipped> {
    with_sockets(make, || async {
        let (ours, theirs) = StdStream::pair().unwrap();
        let (ours, theirs) = (Resource::from(ours), Resource::from(theirs));
        let proactor = get_running_loop().unwrap().proactor().unwrap();
        let busy = Busy::begin();
        while busy.goes_on() {
            proactor.send(&ours, &b"x"[..]).await.0.unwrap();
            assert_eq!(proactor.recv(&theirs, vec![0; 8]).await.0.unwrap(), 1);
        }
    })
}
