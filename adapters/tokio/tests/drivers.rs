//! Timers and descriptors, and runtimes that have none.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

mod support;

use std::fs::File;
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use policy_core::{ErrorKind, EventLoop, EventLoopPolicy, Interest, Source};
use policy_tokio::{TokioPolicy, adopt};
use support::{
    current_thread, guarded, owned, plain_current_thread, plain_multi_thread, poll_once,
};
use tokio::runtime::Builder;

#[test]
fn a_timer_is_not_early() {
    for event_loop in owned() {
        guarded(move || {
            let deadline = Instant::now() + Duration::from_millis(20);
            // Made outside, awaited inside: it is the loop's all the same.
            let timer = event_loop.timer(deadline).unwrap();
            event_loop.run_until_complete(timer).unwrap();
            assert!(Instant::now() >= deadline);
            // One whose time is past is ready.
            let past = event_loop.timer(deadline).unwrap();
            event_loop.run_until_complete(past).unwrap();
        });
    }
}

#[test]
fn a_timer_of_one_loop_is_awaited_on_another() {
    guarded(|| {
        let timers = support::multi_thread();
        let here = current_thread();
        let deadline = Instant::now() + Duration::from_millis(10);
        here.run_until_complete(timers.timer(deadline).unwrap()).unwrap();
        assert!(Instant::now() >= deadline);
    });
}

struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Polls timers of a loop while its runtime goes, and after.
fn outlive(event_loop: &Arc<dyn EventLoop>, go: impl FnOnce()) {
    let soon = Instant::now() + Duration::from_millis(50);
    let woken = Arc::new(Count(AtomicUsize::new(0)));
    let waker = Waker::from(woken.clone());
    let cx = &mut Context::from_waker(&waker);
    let mut late = pin!(event_loop.timer(Instant::now() + Duration::from_secs(3600)).unwrap());
    let mut early = pin!(event_loop.timer(soon).unwrap());
    let never_polled = pin!(event_loop.timer(soon).unwrap());
    assert!(late.as_mut().poll(cx).is_pending());
    let _maybe = early.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    go();
    // Whoever waits learns that the loop is closed, and is not told that it is time.
    while woken.0.load(Ordering::SeqCst) == 0 {
        thread::yield_now();
    }
    assert!(event_loop.is_closed());
    assert!(late.as_mut().poll(cx).is_pending());
    while Instant::now() < soon {
        thread::yield_now();
    }
    assert!(early.as_mut().poll(cx).is_ready());
    assert!(poll_once(never_polled).is_ready());
}

#[test]
fn a_timer_that_outlives_its_loop_wakes_and_is_neither_early_nor_panics() {
    for event_loop in owned() {
        guarded(move || outlive(&event_loop, || event_loop.close().unwrap()));
    }
}

#[test]
fn a_timer_that_outlives_the_runtime_of_others_does_the_same() {
    for runtime in [plain_current_thread(), plain_multi_thread()] {
        guarded(move || {
            let event_loop = runtime.block_on(async { adopt().unwrap() });
            outlive(&event_loop, || drop(runtime));
        });
    }
    for runtime in [plain_current_thread(), plain_multi_thread()] {
        guarded(move || {
            let policy = TokioPolicy::from_handle(runtime.handle().clone());
            let event_loop = policy.new_event_loop().unwrap();
            outlive(&event_loop, || drop(runtime));
        });
    }
}

fn pair(event_loop: &Arc<dyn EventLoop>) -> (Box<dyn Source>, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let source = event_loop.selector().unwrap().register(Arc::new(OwnedFd::from(ours))).unwrap();
    (source, theirs)
}

async fn read(source: &dyn Source, buffer: &mut [u8]) -> io::Result<usize> {
    poll_fn(|cx| {
        source.poll_io(cx, Interest::Readable, &mut |fd| {
            File::from(fd.try_clone_to_owned()?).read(buffer)
        })
    })
    .await
}

async fn write(source: &dyn Source, bytes: &[u8]) -> io::Result<usize> {
    poll_fn(|cx| {
        source.poll_io(cx, Interest::Writable, &mut |fd| {
            File::from(fd.try_clone_to_owned()?).write(bytes)
        })
    })
    .await
}

#[test]
fn a_source_waits_until_there_is_something_to_read() {
    for event_loop in owned() {
        guarded(move || {
            let (source, mut theirs) = pair(&event_loop);
            let (asked, ask) = mpsc::channel();
            let writer = thread::spawn(move || {
                ask.recv().unwrap();
                theirs.write_all(b"hello").unwrap();
                theirs
            });
            let mut buffer = [0; 16];
            let read = event_loop
                .run_until_complete(async {
                    let mut tried = 0;
                    poll_fn(|cx| {
                        let polled = source.poll_io(cx, Interest::Readable, &mut |fd| {
                            tried += 1;
                            File::from(fd.try_clone_to_owned()?).read(&mut buffer)
                        });
                        if polled.is_pending() {
                            let _ = asked.send(());
                        }
                        polled
                    })
                    .await
                })
                .unwrap();
            assert_eq!(read.unwrap(), 5);
            assert_eq!(&buffer[..5], b"hello");
            drop(writer.join().unwrap());
            let end = event_loop.run_until_complete(read_end(&*source)).unwrap();
            assert_eq!(end.unwrap(), 0);
        });
    }
}

async fn read_end(source: &dyn Source) -> io::Result<usize> {
    read(source, &mut [0; 16]).await
}

#[test]
fn a_source_waits_until_there_is_room_to_write() {
    for event_loop in owned() {
        guarded(move || {
            let (source, mut theirs) = pair(&event_loop);
            let reader = thread::spawn(move || {
                let mut all = Vec::new();
                theirs.read_to_end(&mut all).map(|_| all.len())
            });
            let written = event_loop
                .run_until_complete(async {
                    let mut written = 0;
                    while written < 4 << 20 {
                        written += write(&*source, &[7; 65_536]).await.unwrap();
                    }
                    written
                })
                .unwrap();
            drop(source);
            assert_eq!(reader.join().unwrap().unwrap(), written);
        });
    }
}

#[test]
fn a_regular_file_can_not_be_waited_for() {
    for event_loop in owned() {
        let file = File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
        let file = Arc::new(OwnedFd::from(file));
        let error = event_loop.selector().unwrap().register(file).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert_eq!(error.io_kind(), Some(io::ErrorKind::PermissionDenied));
    }
}

#[test]
fn a_source_gives_its_descriptor_back_when_it_is_dropped() {
    let event_loop = current_thread();
    let fd = Arc::new(OwnedFd::from(UnixStream::pair().unwrap().0));
    let source = event_loop.selector().unwrap().register(fd.clone()).unwrap();
    assert_eq!(Arc::strong_count(&fd), 2);
    drop(source);
    assert_eq!(Arc::strong_count(&fd), 1);
    assert!(fd.as_fd().try_clone_to_owned().is_ok());
    // And it may be registered again.
    drop(event_loop.selector().unwrap().register(fd).unwrap());
}

#[test]
fn a_source_whose_loop_closed_gives_an_error() {
    for event_loop in owned() {
        guarded(move || {
            let (source, _theirs) = pair(&event_loop);
            let mut waiting = Box::pin(read_end(&*source));
            assert!(poll_once(waiting.as_mut()).is_pending());
            event_loop.close().unwrap();
            assert!(matches!(poll_once(waiting.as_mut()), Poll::Ready(Err(_))));
            let (late, _) = UnixStream::pair().unwrap();
            let late = event_loop.selector().unwrap().register(Arc::new(OwnedFd::from(late)));
            assert_eq!(late.unwrap_err().kind(), ErrorKind::Io);
        });
    }
}

#[test]
fn a_runtime_without_drivers_gives_errors_that_name_the_builder() {
    let runtime = Builder::new_current_thread().build().unwrap();
    let lent = TokioPolicy::from_handle(runtime.handle().clone()).new_event_loop().unwrap();
    let adopted = runtime.block_on(async { adopt().unwrap() });
    for event_loop in [lent, adopted] {
        for _ in 0..2 {
            let error = event_loop.timer(Instant::now()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains("enable_time"));
            let (fd, _theirs) = UnixStream::pair().unwrap();
            let fd = Arc::new(OwnedFd::from(fd));
            let error = event_loop.selector().unwrap().register(fd).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains("enable_io"));
        }
        // The rest works.
        assert_eq!(runtime.block_on(event_loop.spawn(async { 1 })).unwrap(), 1);
    }
}
