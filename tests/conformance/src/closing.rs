//! The end of a loop, against all who use it meanwhile.

use std::env;
use std::future::{Future, poll_fn};
use std::io;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::{AsyncReadExt, AsyncWriteExt, future};
use policy::net::{TcpListener, TcpStream, UdpSocket};
use policy::task::{AbortHandle, JoinHandle, yield_now};
use policy::{ErrorKind, EventLoop};

use crate::support::{
    Flag, Gate, LONG, SHUTDOWN, block_on, connected, inner_kind, needs_selector, new_loop,
};
use crate::{Make, Skipped};

/// How often a clause tries, and for how long on a loaded machine; with more rounds by the
/// variable `CLOSING_ROUNDS`, until it has made them.
const ROUNDS: usize = 200;
const ENOUGH: Duration = Duration::from_secs(10);

/// How many tasks a thread spawns at most; in many rounds fewer, so that there are many.
const TASKS: usize = 5_000;
const FEW_TASKS: usize = 100;

/// Closing a loop while others spawn, wake and abort its tasks loses none: each handle
/// ends, by a result or as cancelled, and each future is dropped. On a loop without
/// threads that is so when `close` returns.
///
/// Proves: B240, 'what is cancelled loses nothing'
pub fn closing_loses_no_task(make: Make<'_>) {
    let asked = env::var("CLOSING_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    let (rounds, enough, tasks) = match asked {
        Some(rounds) => (rounds, Duration::MAX, FEW_TASKS),
        None => (ROUNDS, ENOUGH, TASKS),
    };
    let began = Instant::now();
    for round in 0..rounds {
        Storm { tasks, ..Storm::default() }.rage(&new_loop(make));
        if began.elapsed() > enough {
            break;
        }
        if asked.is_some() && (round + 1) % 10_000 == 0 {
            println!("{} rounds in {:.0?}", round + 1, began.elapsed());
        }
    }
}

/// What another executor polls, and waits for a socket of a loop that closes, hears of the
/// end: by `within` or without, in each direction, alone or one of several.
///
/// Proves: B75, 'what was made stays with its loop'
pub fn who_waits_elsewhere_for_a_socket_hears_of_the_end(make: Make<'_>) -> Result<(), Skipped> {
    needs_selector(make)?;
    let event_loop = new_loop(make);
    let mut waits = Vec::new();
    // The peers are there for as long as anybody waits.
    let wait = sockets_wait_elsewhere(&event_loop, &mut waits);
    let _peers = event_loop.run_until_complete(wait).unwrap();
    // Between two runs nobody hears anything.
    event_loop.run_until_complete(yield_now()).unwrap();
    assert!(waits.iter().all(Wait::is_waiting));
    event_loop.close_within(SHUTDOWN).unwrap();
    for Wait { what, ended, .. } in waits {
        let error = ended.recv_timeout(LONG).unwrap_or_else(|_| panic!("{what} hangs"));
        assert_eq!(error, ErrorKind::LoopClosed, "{what}");
    }
    Ok(())
}

/// A wait on a thread of its own, which knows no loop.
struct Wait {
    what: &'static str,
    ended: mpsc::Receiver<ErrorKind>,
    begun: Gate,
}

impl Wait {
    fn start<T>(
        what: &'static str,
        wait: impl Future<Output = io::Result<T>> + Send + 'static,
    ) -> Self {
        let (tell, ended) = mpsc::channel();
        let begun = Gate::default();
        let begins = begun.clone();
        thread::spawn(move || {
            let mut wait = Box::pin(wait);
            let ended = block_on(poll_fn(|cx| {
                let polled = wait.as_mut().poll(cx);
                begins.open();
                polled
            }));
            let error = ended.err().expect("nothing comes");
            tell.send(inner_kind(&error).unwrap_or_else(|| panic!("{what}: {error}")))
        });
        Self { what, ended, begun }
    }

    fn is_waiting(&self) -> bool {
        matches!(self.ended.try_recv(), Err(mpsc::TryRecvError::Empty))
    }
}

/// Makes sockets that the loop knows, and lets threads of their own wait for them.
async fn sockets_wait_elsewhere(
    event_loop: &Arc<dyn EventLoop>,
    waits: &mut Vec<Wait>,
) -> [TcpStream; 2] {
    let (full, full_peer) = connected().await;
    while future::poll_once((&full).write(&[0; 65536])).await.is_some() {}
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    // From here on they are the loop's.
    assert!(future::poll_once(listener.accept()).await.is_none());
    assert!(future::poll_once(udp.recv(&mut [0; 8])).await.is_none());
    let (idle, idle_peer) = connected().await;
    let idle = Arc::new(idle);
    assert!(future::poll_once((&*idle).read(&mut [0; 8])).await.is_none());

    let (first, second) = (idle.clone(), idle.clone());
    waits.push(Wait::start("a read", async move { (&*first).read(&mut [0; 8]).await }));
    let here = || event_loop.clone();
    waits.push(Wait::start(
        "one of two reads, by `within`",
        policy::within(here(), async move { (&*second).read(&mut [0; 8]).await }),
    ));
    waits.push(Wait::start(
        "a write, by `within`",
        policy::within(here(), async move { (&full).write_all(&[0; 1 << 24]).await }),
    ));
    waits.push(Wait::start("an accept", async move { listener.accept().await }));
    waits.push(Wait::start(
        "a datagram, by `within`",
        policy::within(here(), async move { udp.recv(&mut [0; 8]).await }),
    ));
    let readable = event_loop.selector().unwrap().readable(&*idle);
    waits.push(Wait::start("a wait for a descriptor", async move {
        let ready = readable.await;
        Ok::<(), io::Error>(ready?)
    }));
    for wait in waits {
        wait.begun.wait().await;
    }
    [full_peer, idle_peer]
}

#[derive(Default)]
struct Storm {
    closed: Flag,
    /// How many each spawner makes at most.
    tasks: usize,
    /// Has a clone in each future.
    futures: Arc<()>,
    wakers: Arc<Mutex<Vec<Waker>>>,
    aborts: Mutex<Vec<AbortHandle>>,
}

impl Storm {
    /// Three threads spawn, two wake, two abort, and this one runs the loop and closes it.
    fn rage(self, event_loop: &Arc<dyn EventLoop>) {
        let handles: Vec<_> = thread::scope(|scope| {
            let spawners = [(); 3].map(|()| scope.spawn(|| self.spawn(event_loop)));
            for _ in 0..2 {
                scope.spawn(|| self.wake());
                scope.spawn(|| self.abort());
            }
            let turns = async {
                for _ in 0..3 {
                    yield_now().await;
                }
            };
            event_loop.run_until_complete(turns).unwrap();
            event_loop.close_within(SHUTDOWN).unwrap();
            self.closed.set();
            spawners.into_iter().flat_map(|spawner| spawner.join().unwrap()).collect()
        });
        for handle in handles {
            assert!(event_loop.is_self_driving() || handle.is_finished(), "closed, and not ended");
            match block_on(handle) {
                Ok(one) => assert_eq!(one, 1),
                Err(error) => assert!(error.is_cancelled(), "{error}"),
            }
        }
        // Whoever wakes now finds nobody.
        self.wakers.lock().unwrap().drain(..).for_each(Waker::wake);
        assert_eq!(Arc::strong_count(&self.futures), 1, "a future was not dropped");
    }

    fn spawn(&self, event_loop: &Arc<dyn EventLoop>) -> Vec<JoinHandle<usize>> {
        let mut handles = Vec::new();
        let mut number = 0;
        // Some more, which come too late.
        let mut late = 3;
        while late > 0 && number < self.tasks {
            late -= usize::from(self.closed.is_set());
            let handle = match number % 3 {
                0 => event_loop.spawn(self.future(async { 1 })),
                1 => event_loop.spawn(self.future(yields())),
                _ => event_loop.spawn(self.future(waits(self.wakers.clone()))),
            };
            if number % 2 == 0 {
                self.aborts.lock().unwrap().push(handle.abort_handle());
            }
            handles.push(handle);
            number += 1;
            thread::yield_now();
        }
        handles
    }

    fn future<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        let counted = self.futures.clone();
        async move {
            let result = future.await;
            drop(counted);
            result
        }
    }

    fn wake(&self) {
        while !self.closed.is_set() {
            let wakers = self.wakers.lock().unwrap().clone();
            wakers.iter().for_each(Waker::wake_by_ref);
            thread::yield_now();
        }
    }

    fn abort(&self) {
        while !self.closed.is_set() {
            let abort = self.aborts.lock().unwrap().pop();
            abort.into_iter().for_each(|abort| abort.abort());
            thread::yield_now();
        }
    }
}

async fn yields() -> usize {
    loop {
        yield_now().await;
    }
}

fn waits(wakers: Arc<Mutex<Vec<Waker>>>) -> impl Future<Output = usize> {
    let mut registered = false;
    poll_fn(move |cx| {
        if !std::mem::replace(&mut registered, true) {
            wakers.lock().unwrap().push(cx.waker().clone());
        }
        Poll::Pending
    })
}
