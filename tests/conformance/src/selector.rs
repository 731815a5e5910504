//! Callbacks that are called while something is ready.

use std::future::poll_fn;
use std::io::{ErrorKind::WouldBlock, Read, Write};
#[cfg(not(unix))]
use std::net::TcpStream as Stream;
#[cfg(unix)]
use std::os::unix::net::UnixStream as Stream;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Poll;

use policy::core::os::raw;
use policy::selector::SelectorHandle;
use policy::{ErrorKind, EventLoop};

use crate::support::{Gate, Log, driven, kind, on_loop};
use crate::{Make, Skipped};

/// Two sockets that are connected to each other. Unix sockets where there are any: one
/// that is full stays so until the other side reads.
pub(crate) fn pair() -> (Stream, Stream) {
    #[cfg(unix)]
    return Stream::pair().unwrap();
    #[cfg(not(unix))]
    crate::proactor::tcp_pair()
}

/// Calls `f` with a loop and its selector.
///
/// # Errors
/// The loop's own reason for not having one.
pub(crate) fn on_selector(
    make: Make<'_>,
    f: impl FnOnce(&Arc<dyn EventLoop>, SelectorHandle),
) -> Result<(), Skipped> {
    on_loop(make, |event_loop| match event_loop.selector() {
        Ok(selector) => {
            f(event_loop, selector);
            Ok(())
        }
        Err(error) => Err(Skipped(error.to_string())),
    })
}

/// Gives the others on the loop a few turns.
pub(crate) async fn turns(mut count: usize) {
    poll_fn(|cx| {
        if count == 0 {
            return Poll::Ready(());
        }
        count -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Counts calls, opens a gate at one of them, and another when it is dropped.
struct Calls {
    count: Arc<AtomicUsize>,
    reached: Gate,
    dropped: Gate,
}

impl Calls {
    fn new() -> Self {
        Self { count: Arc::default(), reached: Gate::default(), dropped: Gate::default() }
    }

    fn callback(&self, opens_at: usize) -> impl FnMut() + Send + use<> {
        let (count, reached, dropped) =
            (self.count.clone(), self.reached.clone(), self.dropped.clone());
        let on_drop = crate::support::OnDrop::new(move || dropped.open());
        move || {
            let _held = &on_drop;
            if count.fetch_add(1, SeqCst) + 1 >= opens_at {
                reached.open();
            }
        }
    }

    fn count(&self) -> usize {
        self.count.load(SeqCst)
    }
}

/// A loop that is a selector gives a handle; one that is none says so, by name, and
/// names the way out.
///
/// Proves: 'a loop says what it can not do', B131
pub fn a_loop_says_whether_it_is_a_selector(make: Make<'_>) {
    on_loop(make, |event_loop| {
        if let Err(error) = event_loop.selector() {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            let message = error.to_string();
            assert!(message.contains(event_loop.name()), "{message}");
            assert!(message.contains("set_event_loop_policy"), "{message}");
        }
    });
}

/// A reader is called in every turn of the loop while there is something to read, and
/// not once it is removed.
///
/// Proves: B105
pub fn a_reader_is_called_in_every_turn_until_it_is_removed(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, |event_loop, selector| {
        let (ours, mut theirs) = pair();
        theirs.write_all(b"!").unwrap();
        let calls = Calls::new();
        event_loop
            .run_until_complete(async {
                selector.add_reader(&ours, calls.callback(3)).unwrap();
                calls.reached.wait().await;
                assert!(selector.remove_reader(&ours));
                // On a loop of several threads it may be in a call just now.
                calls.dropped.wait().await;
                let count = calls.count();
                turns(50).await;
                assert_eq!(calls.count(), count);
            })
            .unwrap();
    })
}

/// A reader is not called any more once it has read what there was, and again when more
/// comes; the end of the peer counts as something to read.
///
/// Proves: B105
pub fn a_reader_is_called_for_bytes_and_for_the_end(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, |event_loop, selector| {
        let (ours, mut theirs) = pair();
        ours.set_nonblocking(true).unwrap();
        let mut reads = ours.try_clone().unwrap();
        let (sender, receiver) = async_channel::unbounded();
        event_loop
            .run_until_complete(async {
                selector
                    .add_reader(&ours, move || {
                        let mut bytes = [0; 64];
                        let read = reads.read(&mut bytes).unwrap();
                        sender.try_send(bytes[..read].to_vec()).unwrap();
                    })
                    .unwrap();
                for message in [&b"one"[..], b"two"] {
                    turns(20).await;
                    assert!(receiver.is_empty(), "called without anything to read");
                    theirs.write_all(message).unwrap();
                    assert_eq!(receiver.recv().await.unwrap(), message);
                }
                drop(theirs);
                assert_eq!(receiver.recv().await.unwrap(), b"");
                assert!(selector.remove_reader(&ours));
            })
            .unwrap();
    })
}

/// A writer is called while there is room, and not while there is none.
///
/// Proves: B105
pub fn a_writer_is_called_while_there_is_room(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, |event_loop, selector| {
        let (mut ours, mut theirs) = pair();
        ours.set_nonblocking(true).unwrap();
        let mut written = 0;
        loop {
            match ours.write(&[7; 65_536]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        let calls = Calls::new();
        event_loop
            .run_until_complete(async {
                selector.add_writer(&ours, calls.callback(3)).unwrap();
                turns(20).await;
                assert_eq!(calls.count(), 0, "called without room");
                let reader = std::thread::spawn(move || {
                    theirs.read_exact(&mut vec![0; written]).unwrap();
                    theirs
                });
                calls.reached.wait().await;
                assert!(selector.remove_writer(&ours));
                drop(reader.join().unwrap());
            })
            .unwrap();
    })
}

/// Removing says whether there was something to remove.
///
/// Proves: B106
pub fn removing_tells_the_truth(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, |event_loop, selector| {
        let (ours, _theirs) = pair();
        assert!(!selector.remove_reader(&ours) && !selector.remove_writer(&ours));
        selector.add_reader(&ours, || ()).unwrap();
        assert!(!selector.remove_writer(&ours), "it was a reader");
        assert!(event_loop.selector().unwrap().remove_reader(&ours));
        assert!(!selector.remove_reader(&ours));
        selector.add_writer(&ours, || ()).unwrap();
        assert!(!selector.remove_reader(&ours), "it was a writer");
        assert!(selector.remove_writer(&ours));
        assert!(!selector.remove_writer(&ours));
    })
}

/// A second callback takes the place of the first, which is dropped and not called any
/// more.
///
/// Proves: B107
pub fn a_second_callback_replaces_the_first(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, |event_loop, selector| {
        let (ours, mut theirs) = pair();
        let (first, second) = (Calls::new(), Calls::new());
        event_loop
            .run_until_complete(async {
                selector.add_reader(&ours, first.callback(1)).unwrap();
                turns(3).await;
                selector.add_reader(&ours, second.callback(3)).unwrap();
                first.dropped.wait().await;
                theirs.write_all(b"!").unwrap();
                second.reached.wait().await;
                assert_eq!(first.count(), 0);
                assert!(selector.remove_reader(&ours));
                assert!(!selector.remove_reader(&ours), "there was one place");
            })
            .unwrap();
    })
}

/// A callback that was about to be called when it was replaced is not called.
///
/// Proves: B107
pub fn a_replaced_callback_is_not_called_though_it_was_due(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, |event_loop, selector| {
        let (ours, mut theirs) = pair();
        theirs.write_all(b"!").unwrap();
        let (first, second) = (Calls::new(), Calls::new());
        // Not run yet: nothing is called.
        selector.add_reader(&ours, first.callback(1)).unwrap();
        if !event_loop.is_self_driving() {
            selector.add_reader(&ours, second.callback(1)).unwrap();
            event_loop.run_until_complete(second.reached.wait()).unwrap();
            assert_eq!(first.count(), 0);
        }
        assert!(selector.remove_reader(&ours));
    })
}

/// The reader and the writer of one descriptor do not touch each other.
///
/// Proves: B107
pub fn reader_and_writer_are_independent(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, |event_loop, selector| {
        let (ours, mut theirs) = pair();
        let (reader, writer) = (Calls::new(), Calls::new());
        event_loop
            .run_until_complete(async {
                selector.add_reader(&ours, reader.callback(2)).unwrap();
                selector.add_writer(&ours, writer.callback(2)).unwrap();
                writer.reached.wait().await;
                assert_eq!(reader.count(), 0);
                assert!(selector.remove_writer(&ours));
                theirs.write_all(b"!").unwrap();
                reader.reached.wait().await;
                assert!(selector.remove_reader(&ours));
            })
            .unwrap();
    })
}

/// A callback may remove itself: then it was its last call.
///
/// Proves: B105, B106
pub fn a_callback_may_remove_itself(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, |event_loop, selector| {
        let (ours, mut theirs) = pair();
        theirs.write_all(b"!").unwrap();
        let calls = Calls::new();
        let (mut callback, own, number) = (calls.callback(1), selector.clone(), raw(&ours));
        event_loop
            .run_until_complete(async {
                selector
                    .add_reader(&ours, move || {
                        callback();
                        assert!(own.remove_reader(number));
                    })
                    .unwrap();
                calls.dropped.wait().await;
                turns(20).await;
                assert_eq!(calls.count(), 1);
                assert!(!selector.remove_reader(&ours));
            })
            .unwrap();
    })
}

/// A callback may put another in its own place.
///
/// Proves: B107
pub fn a_callback_may_replace_itself(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, |event_loop, selector| {
        let (ours, mut theirs) = pair();
        theirs.write_all(b"!").unwrap();
        let (first, second) = (Calls::new(), Calls::new());
        let (mut callback, own, number) = (first.callback(1), selector.clone(), raw(&ours));
        let mut next = Some(second.callback(2));
        event_loop
            .run_until_complete(async {
                selector
                    .add_reader(&ours, move || {
                        callback();
                        own.add_reader(number, next.take().expect("called once")).unwrap();
                    })
                    .unwrap();
                second.reached.wait().await;
                assert_eq!(first.count(), 1);
                assert!(selector.remove_reader(&ours));
            })
            .unwrap();
    })
}

/// A callback that panics is told to the exception handler, each time, and is called
/// again.
///
/// Proves: B110
pub fn a_callback_that_panics_stays(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, |event_loop, selector| {
        let (ours, mut theirs) = pair();
        theirs.write_all(b"!").unwrap();
        let calls = Calls::new();
        let mut callback = calls.callback(3);
        let told = Log::default();
        let log = told.clone();
        event_loop.set_exception_handler(Some(Arc::new(move |_, context| {
            log.add(context.panic_message().unwrap_or("no panic"));
        })));
        event_loop
            .run_until_complete(async {
                selector
                    .add_reader(&ours, move || {
                        callback();
                        panic!("each time");
                    })
                    .unwrap();
                calls.reached.wait().await;
                assert!(selector.remove_reader(&ours));
                calls.dropped.wait().await;
            })
            .unwrap();
        let told = told.take();
        // On a loop of several threads the last may be on its way.
        assert!(told.len() >= 2 && told.iter().all(|message| message == "each time"), "{told:?}");
    })
}

/// A callback sees its loop as the running one.
///
/// Proves: B39
pub fn a_callback_sees_its_loop(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, |event_loop, selector| {
        let (ours, _theirs) = pair();
        let (sender, receiver) = async_channel::unbounded();
        let seen = event_loop
            .run_until_complete(async {
                selector
                    .add_writer(&ours, move || {
                        drop(sender.try_send(policy::get_running_loop()));
                    })
                    .unwrap();
                receiver.recv().await.unwrap()
            })
            .unwrap();
        assert!(Arc::ptr_eq(&seen.unwrap(), event_loop));
        assert!(selector.remove_writer(&ours));
    })
}

/// A callback that another thread adds wakes a loop that sleeps.
///
/// Proves: B89, 'callbacks may be added by any thread'
pub fn another_thread_may_add_and_remove(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, |event_loop, selector| {
        let (ours, mut theirs) = pair();
        driven(event_loop, || {
            let calls = Calls::new();
            selector.add_reader(&ours, calls.callback(1)).unwrap();
            theirs.write_all(b"!").unwrap();
            calls.reached.wait_blocking();
            assert!(selector.remove_reader(&ours));
            calls.dropped.wait_blocking();
        });
    })
}

/// Closing the loop drops its callbacks; a closed loop takes none, and has none to
/// remove.
///
/// Proves: B74
pub fn closing_the_loop_removes_all_callbacks(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, |event_loop, selector| {
        let (ours, mut theirs) = pair();
        let calls = Calls::new();
        selector.add_reader(&ours, calls.callback(1)).unwrap();
        selector.add_writer(&ours, calls.callback(1)).unwrap();
        event_loop.close().unwrap();
        assert!(calls.dropped.is_open());
        assert_eq!(kind(selector.add_reader(&ours, || ())), ErrorKind::LoopClosed);
        let late = crate::support::block_on(selector.readable(&ours));
        assert_eq!(kind(late), ErrorKind::LoopClosed);
        assert!(!selector.remove_reader(&ours) && !selector.remove_writer(&ours));
        drop(ours);
        // Nothing of the loop holds it open.
        assert_eq!(theirs.read(&mut [0]).unwrap(), 0);
    })
}

/// What is watched stays open until it is removed, and no longer.
///
/// Proves: 'a descriptor is its owner's'
pub fn a_removed_callback_holds_nothing_open(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, |_, selector| {
        let (ours, mut theirs) = pair();
        let number = raw(&ours);
        selector.add_reader(&ours, || ()).unwrap();
        drop(ours);
        theirs.set_nonblocking(true).unwrap();
        assert_eq!(theirs.read(&mut [0]).unwrap_err().kind(), WouldBlock, "it is closed");
        assert!(selector.remove_reader(number));
        theirs.set_nonblocking(false).unwrap();
        assert_eq!(theirs.read(&mut [0]).unwrap(), 0);
    })
}

/// Polls once.
pub(crate) async fn is_pending<F: Future>(mut future: Pin<&mut F>) -> bool {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}
