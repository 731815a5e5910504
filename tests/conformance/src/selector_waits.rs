//! Waits for what is ready.

use std::future::poll_fn;
use std::io::{Read, Write};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use policy::ErrorKind;
use policy::core::os::{BorrowedIo, OwnedIo, RawIo, raw};
use policy::core::{Interest, SharedSource};
use policy::time::timeout;

use crate::selector::{is_pending, on_selector, pair, turns};
#[cfg(unix)]
use crate::support::kind;
use crate::{Make, Skipped};

/// A wait ends when there is something to read, and when there is room.
///
/// Proves: the documentation of `readable`
pub fn a_wait_ends_when_it_is_ready(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, |event_loop, selector| {
        let (ours, mut theirs) = pair();
        let ready = event_loop.run_until_complete(async {
            selector.writable(&ours).await?;
            let mut wait = pin!(selector.readable(&ours));
            assert!(is_pending(wait.as_mut()).await);
            theirs.write_all(b"!").unwrap();
            wait.await?;
            // Nothing was read: it is ready still.
            selector.readable(raw(&ours)).await
        });
        ready.unwrap().unwrap();
    })
}

/// A source tells that it is ready and tries nothing: what was so before anybody asked, what
/// becomes so while somebody waits, and what came back after it was over.
///
/// Proves: the documentation of `Source::poll_ready`
pub fn a_source_says_that_it_is_ready(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, |event_loop, _| {
        let (ours, mut theirs) = pair();
        ours.set_nonblocking(true).unwrap();
        let mut reader = ours.try_clone().unwrap();
        let io = Arc::new(OwnedIo::from(ours));
        let source = SharedSource::new(event_loop.as_selector().unwrap().register(io).unwrap());
        event_loop
            .run_until_complete(async {
                let ready = || poll_fn(|cx| source.poll_ready(cx, Interest::Readable));
                poll_fn(|cx| source.poll_ready(cx, Interest::Writable)).await.unwrap();
                for early in [true, false, true, false] {
                    let mut wait = pin!(ready());
                    if early {
                        theirs.write_all(b"!").unwrap();
                        // The reactor is told of it before anybody asks.
                        turns(3).await;
                    } else {
                        // It may be early; it must not be late.
                        let _early = is_pending(wait.as_mut()).await;
                        theirs.write_all(b"!").unwrap();
                    }
                    wait.await.unwrap();
                    // Nothing was read: it is ready still.
                    ready().await.unwrap();
                    for expected in [Some(1), None] {
                        let read = poll_fn(|cx| {
                            let mut read = |_: BorrowedIo<'_>| reader.read(&mut [0; 8]);
                            Poll::Ready(source.poll_io(cx, Interest::Readable, &mut read))
                        });
                        match read.await {
                            Poll::Ready(read) => assert_eq!(read.ok(), expected),
                            Poll::Pending => assert_eq!(expected, None),
                        }
                    }
                }
            })
            .unwrap();
    })
}

/// All who wait for one descriptor are told.
///
/// Proves: B121
pub fn several_waits_for_one_descriptor_all_end(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, |event_loop, selector| {
        let (ours, mut theirs) = pair();
        let waits: Vec<_> = (0..8).map(|_| event_loop.spawn(selector.readable(&ours))).collect();
        event_loop
            .run_until_complete(async {
                turns(5).await;
                theirs.write_all(b"!").unwrap();
                for wait in waits {
                    wait.await.unwrap().unwrap();
                }
            })
            .unwrap();
    })
}

/// A wait that is dropped leaves what there is to read, and holds nothing open.
///
/// Proves: B120
pub fn a_dropped_wait_leaves_no_trace(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, |event_loop, selector| {
        let (mut ours, mut theirs) = pair();
        event_loop
            .run_until_complete(async {
                let late = timeout(Duration::from_millis(1), selector.readable(&ours)).await;
                assert!(late.is_err());
                theirs.write_all(b"!").unwrap();
                selector.readable(&ours).await.unwrap();
            })
            .unwrap();
        assert_eq!(ours.read(&mut [0]).unwrap(), 1);
        drop(ours);
        assert_eq!(theirs.read(&mut [0]).unwrap(), 0);
    })
}

/// A number that is not open is an error that says so, for callbacks and for waits.
///
/// Proves: B108
pub fn a_number_that_is_not_open_is_an_error(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, |event_loop, selector| {
        // Beyond the limit of descriptors: no other test has it.
        let closed: RawIo = 2_000_000_000;
        let wait = event_loop.run_until_complete(selector.writable(closed)).unwrap();
        for result in [selector.add_reader(closed, || ()), wait] {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Io, "{error}");
            #[cfg(unix)]
            assert_eq!(error.io_error().unwrap().raw_os_error(), Some(9), "EBADF: {error}");
        }
        assert!(!selector.remove_reader(closed));
        #[cfg(unix)]
        assert_eq!(kind(selector.add_writer(-1, || ())), ErrorKind::InvalidInput);
    })
}
