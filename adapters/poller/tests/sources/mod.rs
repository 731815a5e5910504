//! Descriptors in a loop's own poller: written once, run by each adapter with its loops in
//! `crate::LOOPS`.

use std::fs::File;
use std::future::{Future, poll_fn};
use std::io::{self, Read, Write};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

use futures_lite::future::{self, block_on};
use policy_core::{Error, ErrorKind, EventLoop, Interest, Source};

/// Makes a loop.
pub(crate) type Make = fn() -> Arc<dyn EventLoop>;

/// Runs a test on a loop of each kind.
fn on_each_loop(test: fn(&Arc<dyn EventLoop>)) {
    for make in crate::LOOPS {
        let event_loop = make();
        test(&event_loop);
        event_loop.close().unwrap();
    }
}

fn register(event_loop: &Arc<dyn EventLoop>, io: impl Into<OwnedFd>) -> Box<dyn Source> {
    event_loop.selector().unwrap().register(Arc::new(io.into())).unwrap()
}

fn pair(event_loop: &Arc<dyn EventLoop>) -> (Box<dyn Source>, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    (register(event_loop, ours), theirs)
}

/// Borrows a descriptor as the stream that it is.
fn stream(fd: BorrowedFd<'_>) -> UnixStream {
    UnixStream::from(fd.try_clone_to_owned().unwrap())
}

fn read(source: &dyn Source) -> impl Future<Output = io::Result<usize>> + '_ {
    poll_fn(|cx| source.poll_io(cx, Interest::Readable, &mut |fd| stream(fd).read(&mut [0; 64])))
}

fn kind(error: &io::Error) -> Option<ErrorKind> {
    error.get_ref()?.downcast_ref::<Error>().map(Error::kind)
}

/// Counts how often it is used.
#[derive(Default)]
struct Counts(AtomicUsize);

impl Wake for Counts {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_read_waits_for_bytes() {
    on_each_loop(|event_loop| {
        let (source, mut theirs) = pair(event_loop);
        event_loop
            .run_until_complete(async {
                for n in 0..20 {
                    let mut reading = pin!(read(&*source));
                    assert!(future::poll_once(&mut reading).await.is_none());
                    let writes = thread::scope(|scope| {
                        scope.spawn(|| theirs.write_all(b"four").unwrap()).join()
                    });
                    writes.unwrap();
                    assert_eq!(reading.await.unwrap(), 4, "round {n}");
                }
                drop(theirs);
                assert_eq!(read(&*source).await.unwrap(), 0);
            })
            .unwrap();
    });
}

#[test]
fn a_write_waits_for_room() {
    on_each_loop(|event_loop| {
        let (source, mut theirs) = pair(event_loop);
        let write = || {
            poll_fn(|cx| {
                source.poll_io(cx, Interest::Writable, &mut |fd| stream(fd).write(&[0; 65536]))
            })
        };
        event_loop
            .run_until_complete(async {
                let mut written = 0;
                while let Some(more) = future::poll_once(write()).await {
                    written += more.unwrap();
                }
                let reads = thread::spawn(move || {
                    let mut taken = vec![0; written];
                    theirs.read_exact(&mut taken).unwrap();
                    theirs
                });
                assert!(write().await.unwrap() > 0);
                drop(reads.join().unwrap());
            })
            .unwrap();
    });
}

#[test]
fn both_directions_are_waited_for_at_once() {
    on_each_loop(|event_loop| {
        let (source, mut theirs) = pair(event_loop);
        event_loop
            .run_until_complete(async {
                while stream_write(&*source).await.is_some() {}
                let waiting_to_write = poll_fn(|cx| {
                    source.poll_io(cx, Interest::Writable, &mut |fd| stream(fd).write(&[0; 1]))
                });
                let mut both = Box::pin(future::zip(read(&*source), waiting_to_write));
                assert!(future::poll_once(&mut both).await.is_none());
                let answers = thread::spawn(move || {
                    theirs.write_all(b"x").unwrap();
                    let mut all = Vec::new();
                    theirs.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
                    let _end = theirs.read_to_end(&mut all);
                    all.len()
                });
                let (read, written) = both.await;
                assert_eq!((read.unwrap(), written.unwrap()), (1, 1));
                drop(source);
                assert!(answers.join().unwrap() > 1);
            })
            .unwrap();
    });

    async fn stream_write(source: &dyn Source) -> Option<()> {
        let written = poll_fn(|cx| {
            source.poll_io(cx, Interest::Writable, &mut |fd| stream(fd).write(&[0; 65536]))
        });
        future::poll_once(written).await.map(|written| assert!(written.unwrap() > 0))
    }
}

#[test]
fn a_source_is_polled_and_dropped_on_any_thread_while_the_loop_runs() {
    on_each_loop(|event_loop| {
        let polls = thread::spawn({
            let event_loop = event_loop.clone();
            move || {
                for _ in 0..50 {
                    // Registered there as well.
                    let (source, mut theirs) = pair(&event_loop);
                    let mut reading = Box::pin(read(&*source));
                    assert!(block_on(future::poll_once(&mut reading)).is_none());
                    theirs.write_all(b"four").unwrap();
                    assert_eq!(block_on(reading).unwrap(), 4);
                    drop(source);
                }
                event_loop.stop();
            }
        });
        event_loop.run_forever().unwrap();
        polls.join().unwrap();
    });
}

#[test]
fn who_waits_when_the_loop_closes_is_told_so() {
    on_each_loop(|event_loop| {
        let (source, mut theirs) = pair(event_loop);
        let counts = Arc::new(Counts::default());
        let waker = Waker::from(counts.clone());
        let mut reading = pin!(read(&*source));
        assert!(reading.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        event_loop.close().unwrap();
        assert_eq!(counts.0.load(Ordering::SeqCst), 1, "woken");
        assert_eq!(kind(&block_on(reading).unwrap_err()), Some(ErrorKind::LoopClosed));
        // What is there needs no loop.
        theirs.write_all(b"four").unwrap();
        assert_eq!(block_on(read(&*source)).unwrap(), 4);
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let late = event_loop.selector().unwrap().register(Arc::new(ours.into())).unwrap_err();
        assert_eq!(late.kind(), ErrorKind::LoopClosed);
    });
}

#[test]
fn what_can_not_be_waited_for_is_refused() {
    on_each_loop(|event_loop| {
        let selector = event_loop.selector().unwrap();
        let file = File::open(std::env::current_exe().unwrap()).unwrap();
        let refused = selector.register(Arc::new(file.into())).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Io);
        if cfg!(target_os = "linux") {
            assert_eq!(refused.io_error().unwrap().raw_os_error(), Some(libc::EPERM));
            let (ours, _theirs) = UnixStream::pair().unwrap();
            let ours: Arc<OwnedFd> = Arc::new(ours.into());
            let first = selector.register(ours.clone()).unwrap();
            let twice = selector.register(ours.clone()).unwrap_err();
            assert_eq!(twice.io_error().unwrap().raw_os_error(), Some(libc::EEXIST));
            // The refused one has not taken the first with it, nor is either left.
            drop(first);
            drop(selector.register(ours).unwrap());
        }
    });
}

#[test]
fn one_descriptor_is_waited_for_on_two_loops_and_a_copy_of_it_on_the_same() {
    on_each_loop(|event_loop| {
        let other = crate::LOOPS[0]();
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let copy = ours.try_clone().unwrap();
        let ours: Arc<OwnedFd> = Arc::new(ours.into());
        let here = event_loop.selector().unwrap().register(ours.clone()).unwrap();
        let there = other.selector().unwrap().register(ours).unwrap();
        let copy = register(event_loop, copy);
        for n in 0..5 {
            let source = [&here, &copy][n % 2];
            let read = event_loop.run_until_complete(async {
                let mut reading = pin!(read(&**source));
                assert!(future::poll_once(&mut reading).await.is_none());
                theirs.write_all(b"four").unwrap();
                reading.await
            });
            assert_eq!(read.unwrap().unwrap(), 4);
            theirs.write_all(b"two").unwrap();
            assert_eq!(other.run_until_complete(read_all(&*there)).unwrap(), 3);
        }
        // Of two copies one goes, and the other is still waited for.
        drop(copy);
        theirs.write_all(b"four").unwrap();
        assert_eq!(event_loop.run_until_complete(read(&*here)).unwrap().unwrap(), 4);
        other.close().unwrap();
    });

    async fn read_all(source: &dyn Source) -> usize {
        read(source).await.unwrap()
    }
}

#[test]
fn nobody_is_woken_for_a_source_that_is_gone() {
    on_each_loop(|event_loop| {
        let counts = Arc::new(Counts::default());
        let waker = Waker::from(counts.clone());
        let (source, mut theirs) = pair(event_loop);
        assert!(pin!(read(&*source)).poll(&mut Context::from_waker(&waker)).is_pending());
        drop(source);
        theirs.write_all(b"late").unwrap_err();
        let (next, mut theirs) = pair(event_loop);
        event_loop
            .run_until_complete(async {
                let mut reading = pin!(read(&*next));
                assert!(future::poll_once(&mut reading).await.is_none());
                theirs.write_all(b"next").unwrap();
                assert_eq!(reading.await.unwrap(), 4);
            })
            .unwrap();
        assert_eq!(counts.0.load(Ordering::SeqCst), 0);
        assert_eq!(Arc::strong_count(&counts), 2, "its waker has gone, too");
    });
}

#[test]
fn many_sources_are_served_at_once() {
    on_each_loop(|event_loop| {
        let (ours, theirs): (Vec<_>, Vec<_>) = (0..400).map(|_| pair(event_loop)).unzip();
        let tasks: Vec<_> = ours
            .into_iter()
            .map(|source| {
                event_loop.spawn(async move {
                    let mut all = 0;
                    loop {
                        match read(&*source).await.unwrap() {
                            0 => break all,
                            more => all += more,
                        }
                    }
                })
            })
            .collect();
        let writes = thread::spawn(move || {
            for _ in 0..5 {
                for mut theirs in &theirs {
                    theirs.write_all(b"four").unwrap();
                }
            }
        });
        for task in tasks {
            assert_eq!(event_loop.run_until_complete(task).unwrap().unwrap(), 20);
        }
        writes.join().unwrap();
    });
}

#[cfg(target_os = "linux")]
#[test]
fn events_and_processes_are_waited_for() {
    use rustix::event::{EventfdFlags, eventfd};
    use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};

    on_each_loop(|event_loop| {
        let event = Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC).unwrap());
        let source = event_loop.selector().unwrap().register(event.clone()).unwrap();
        event_loop
            .run_until_complete(async {
                let mut waiting = pin!(poll_fn(|cx| {
                    source.poll_io(cx, Interest::Readable, &mut |fd| {
                        Ok(rustix::io::read(fd, &mut [0; 8])?)
                    })
                }));
                assert!(future::poll_once(&mut waiting).await.is_none());
                rustix::io::write(&event, &1_u64.to_ne_bytes()).unwrap();
                assert_eq!(waiting.await.unwrap(), 8);
            })
            .unwrap();

        let mut child = std::process::Command::new("sh")
            .args(["-c", "read _; exit 7"])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let pid = Pid::from_child(&child);
        let source = register(event_loop, pidfd_open(pid, PidfdFlags::empty()).unwrap());
        event_loop
            .run_until_complete(async {
                let mut waiting = pin!(poll_fn(|cx| {
                    source.poll_io(cx, Interest::Readable, &mut |fd| {
                        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
                        match waitid(WaitId::PidFd(fd), look | WaitIdOptions::NOWAIT)? {
                            Some(status) => Ok(status.exit_status().unwrap() as usize),
                            None => Err(io::ErrorKind::WouldBlock.into()),
                        }
                    })
                }));
                assert!(future::poll_once(&mut waiting).await.is_none());
                drop(child.stdin.take());
                assert_eq!(waiting.await.unwrap(), 7);
            })
            .unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(7));
    });
}

#[test]
fn a_wait_that_is_not_ready_after_all_is_gone_on_with() {
    on_each_loop(|event_loop| {
        let (source, mut theirs) = pair(event_loop);
        let mut tries = 0;
        theirs.write_all(b"x").unwrap();
        event_loop
            .run_until_complete(async {
                let mut waiting = pin!(poll_fn(|cx| {
                    source.poll_io(cx, Interest::Readable, &mut |_| {
                        tries += 1;
                        // A process that is traced, say: readable, and nothing there.
                        if tries < 3 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(tries) }
                    })
                }));
                while future::poll_once(&mut waiting).await.is_none() {
                    theirs.write_all(b"x").unwrap();
                    future::yield_now().await;
                }
            })
            .unwrap();
        assert_eq!(tries, 3);
    });
}
