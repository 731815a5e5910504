//! What is always ready, and who must have a turn all the same.
//!
//! Each clause takes one kind of future that never has to wait, awaits it again and again,
//! and looks whether a timeout around it fires, another task's timers go on, it can be
//! aborted, and the run ends.

use std::future::{Future, poll_fn};
use std::io::{self, SeekFrom, Write};
use std::net::TcpStream as StdTcpStream;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::{AsyncRead, AsyncReadExt, AsyncSeekExt, AsyncWriteExt, future};
use policy::net::{TcpListener, UdpSocket};
use policy::task::{JoinSet, consume_budget, has_budget_remaining, unconstrained, yield_now};
use policy::time::{MissedTickBehavior, interval, sleep, sleep_until, timeout};

use crate::support::{Flag, Gate, Log, block_on, connected, needs_selector, run};
use crate::{Make, Skipped};

/// How long a future is busy that lets nobody run. Others wait that long then, and the
/// clause fails; with a budget it is given up long before.
const BUSY: Duration = Duration::from_secs(20);

/// What others may wait for on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(15);

/// Says for how long a future goes on.
pub(crate) struct Busy(Instant);

impl Busy {
    pub(crate) fn begin() -> Self {
        Self(Instant::now() + BUSY)
    }

    pub(crate) fn goes_on(&self) -> bool {
        Instant::now() < self.0
    }
}

/// Checks that others have their turn beside `busy()`.
pub(crate) fn lets_others_run<F>(make: Make<'_>, busy: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut began = Instant::now();
    let in_time = |began: &mut Instant, what: &str| {
        assert!(began.elapsed() < PATIENCE, "{what} had to wait for {:?}", began.elapsed());
        *began = Instant::now();
    };
    run(make, async {
        let over = timeout(Duration::from_millis(5), busy()).await;
        assert!(over.is_err(), "a timeout did not fire");
        in_time(&mut began, "a timeout");
        let task = policy::spawn(busy());
        for _ in 0..3 {
            sleep(Duration::from_millis(1)).await;
        }
        in_time(&mut began, "a ticker beside it");
        task.abort();
        assert!(task.await.is_err_and(|error| error.is_cancelled()), "it was not aborted");
        in_time(&mut began, "who aborts it");
        drop(policy::spawn(busy()));
        // It is under way when the run ends.
        sleep(Duration::from_millis(1)).await;
    });
    in_time(&mut began, "the end of the run");
}

/// As [`lets_others_run`], on loops with sockets.
pub(crate) fn with_sockets<F>(make: Make<'_>, busy: impl Fn() -> F) -> Result<(), Skipped>
where
    F: Future<Output = ()> + Send + 'static,
{
    needs_selector(make)?;
    lets_others_run(make, busy);
    Ok(())
}

/// A TCP stream with bytes to read, room to write, and a peer that answers at once.
///
/// Proves: 'what is always ready lets others run'
pub fn a_tcp_stream_that_never_waits_lets_others_run(make: Make<'_>) -> Result<(), Skipped> {
    with_sockets(make, || async {
        let (mut ours, mut theirs) = connected().await;
        let busy = Busy::begin();
        while busy.goes_on() {
            ours.write_all(b"x").await.unwrap();
            theirs.read_exact(&mut [0]).await.unwrap();
        }
    })
}

/// A peer that sends as fast as it can, to a reader of a few bytes at a time.
///
/// Proves: 'what is always ready lets others run'
pub fn a_peer_that_sends_flat_out_lets_others_run(make: Make<'_>) -> Result<(), Skipped> {
    with_sockets(make, || async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let mut stream = StdTcpStream::connect(address).unwrap();
            while stream.write_all(&[1; 1 << 16]).is_ok() {}
        });
        let (mut stream, _) = listener.accept().await.unwrap();
        let busy = Busy::begin();
        while busy.goes_on() {
            stream.read_exact(&mut [0; 16]).await.unwrap();
        }
    })
}

/// A listener in whose queue there is always a connection.
///
/// Proves: 'what is always ready lets others run'
pub fn a_tcp_listener_that_never_waits_lets_others_run(make: Make<'_>) -> Result<(), Skipped> {
    with_sockets(make, || async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let busy = Busy::begin();
        while busy.goes_on() {
            let _ours = StdTcpStream::connect(address).unwrap();
            listener.accept().await.unwrap();
        }
    })
}

/// A UDP socket whose datagrams have come before they are asked for.
///
/// Proves: 'what is always ready lets others run'
pub fn a_udp_socket_that_never_waits_lets_others_run(make: Make<'_>) -> Result<(), Skipped> {
    with_sockets(make, || async {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let busy = Busy::begin();
        while busy.goes_on() {
            socket.send_to(b"x", address).await.unwrap();
            // The system may lose one.
            timeout(Duration::from_millis(100), socket.recv_from(&mut [0; 8])).await.ok();
        }
    })
}

/// A stream within the process.
///
/// Proves: 'what is always ready lets others run'
pub fn a_duplex_that_never_waits_lets_others_run(make: Make<'_>) {
    lets_others_run(make, || async {
        let (mut ours, mut theirs) = policy::io::duplex(64);
        let busy = Busy::begin();
        while busy.goes_on() {
            ours.write_all(b"x").await.unwrap();
            theirs.read_exact(&mut [0]).await.unwrap();
        }
    });
}

/// Gives a byte whenever it is asked, and knows of no budget.
struct Endless(Busy);

impl AsyncRead for Endless {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        buf[0] = 1;
        Poll::Ready(Ok(usize::from(self.0.goes_on())))
    }
}

/// A copy from a reader to a writer that know of no budget.
///
/// Proves: 'what is always ready lets others run'
pub fn a_copy_that_never_waits_lets_others_run(make: Make<'_>) {
    lets_others_run(make, || async {
        let endless = Endless(Busy::begin());
        policy::io::copy(endless, futures_lite::io::sink()).await.unwrap();
    });
}

/// A file, of which more was read than is asked for: it is not read to its end in one poll.
///
/// Proves: 'what is always ready lets others run'
pub fn a_file_that_was_read_ahead_lets_others_run(make: Make<'_>) {
    run(make, async {
        let path = std::env::temp_dir().join(format!("policy-ahead-{:?}", Instant::now()));
        std::fs::write(&path, [1; 1000]).unwrap();
        let mut file = policy::fs::File::open(&path).await.unwrap();
        std::fs::remove_file(&path).ok();
        // Given up, so that what it has read is there for the next.
        while future::poll_once(file.read(&mut [0; 1000])).await.is_some() {
            file.seek(SeekFrom::Start(0)).await.unwrap();
        }
        file.read_exact(&mut [0]).await.unwrap();
        yield_now().await;
        let (mut read, mut polls) = (1, 0);
        poll_fn(|cx| {
            polls += 1;
            while let Poll::Ready(count) = Pin::new(&mut file).poll_read(cx, &mut [0]) {
                match count.unwrap() {
                    0 => return Poll::Ready(()),
                    count => read += count,
                }
            }
            Poll::Pending
        })
        .await;
        assert_eq!(read, 1000);
        assert!(polls > 1000 / 128, "1000 bytes, one at a time, in {polls} polls");
    });
}

/// Sleeps whose time has come before they are made, and beats of no length.
///
/// Proves: 'what is always ready lets others run'
pub fn timers_that_never_wait_let_others_run(make: Make<'_>) {
    lets_others_run(make, || async {
        let past = policy::time::Instant::now();
        let busy = Busy::begin();
        while busy.goes_on() {
            sleep_until(past).await;
        }
    });
    lets_others_run(make, || async {
        let mut beat = interval(Duration::from_nanos(1));
        beat.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let busy = Busy::begin();
        while busy.goes_on() {
            beat.tick().await;
        }
    });
    lets_others_run(make, || async {
        let busy = Busy::begin();
        while busy.goes_on() {
            sleep(Duration::ZERO).await;
        }
    });
}

/// Handles of tasks that have ended, and a set that has nothing to wait for.
///
/// Proves: 'what is always ready lets others run'
pub fn handles_that_never_wait_let_others_run(make: Make<'_>) {
    lets_others_run(make, || async {
        let mut handle = policy::spawn(async {});
        let busy = Busy::begin();
        while busy.goes_on() {
            // After the first time it says that its result was taken.
            let _ended = (&mut handle).await;
        }
    });
    lets_others_run(make, || async {
        let mut none = JoinSet::<()>::new();
        let busy = Busy::begin();
        while busy.goes_on() {
            assert!(none.join_next().await.is_none());
        }
    });
}

/// A computation that asks, and one under `within`.
///
/// Proves: the documentation of `consume_budget`, the documentation of `within`
pub fn a_computation_that_spends_its_budget_lets_others_run(make: Make<'_>) {
    let computes = || async {
        let busy = Busy::begin();
        while busy.goes_on() {
            consume_budget().await;
        }
    };
    lets_others_run(make, computes);
    lets_others_run(make, || {
        policy::within(policy::get_running_loop().unwrap(), async move { computes().await })
    });
}

/// A select of two that are always ready: its task shares one budget among both.
///
/// Proves: 'one budget for each poll'
pub fn a_select_of_busy_futures_lets_others_run(make: Make<'_>) {
    lets_others_run(make, || async {
        let busy = Busy::begin();
        while busy.goes_on() {
            future::or(consume_budget(), consume_budget()).await;
        }
    });
    lets_others_run(make, || async {
        let busy = || async {
            let busy = Busy::begin();
            while busy.goes_on() {
                consume_budget().await;
            }
        };
        future::zip(busy(), busy()).await;
    });
}

/// A select that asks a timer or a handle last, after one that is always busy.
///
/// Proves: 'what is ready once is not overlooked'
pub fn a_timer_behind_a_busy_future_is_seen(make: Make<'_>) {
    let busy = || async {
        let busy = Busy::begin();
        while busy.goes_on() {
            consume_budget().await;
        }
        false
    };
    run(make, async {
        let waits = async {
            sleep(Duration::from_millis(1)).await;
            true
        };
        assert!(future::or(busy(), waits).await, "a timer is overlooked");
        let task = policy::spawn(async { sleep(Duration::from_millis(1)).await });
        let waits = async {
            task.await.unwrap();
            true
        };
        assert!(future::or(busy(), waits).await, "a handle is overlooked");
        let past = async {
            sleep_until(policy::time::Instant::now()).await;
            true
        };
        assert!(future::or(busy(), past).await, "a timer that is over is overlooked");
    });
}

/// A sleep of zero pends once, and once only, also when the budget is used up; others run
/// in between.
///
/// Proves: asyncio's `sleep(0)`
pub fn a_sleep_of_nothing_yields_once(make: Make<'_>) {
    async fn polls(is_poor: bool) -> u32 {
        let mut wait = pin!(sleep(Duration::ZERO));
        let mut polls = 0;
        poll_fn(|cx| {
            while is_poor && has_budget_remaining() {
                let _spent = pin!(consume_budget()).poll(cx);
            }
            polls += 1;
            wait.as_mut().poll(cx)
        })
        .await;
        polls
    }
    run(make, async {
        assert_eq!((polls(false).await, polls(true).await), (2, 2));
        let log = Log::default();
        let worker = |name: &'static str| {
            let log = log.clone();
            async move {
                for _ in 0..20 {
                    log.add(name);
                    sleep(Duration::ZERO).await;
                }
            }
        };
        let (a, b) = (policy::spawn(worker("a")), policy::spawn(worker("b")));
        a.await.unwrap();
        b.await.unwrap();
        let order = log.take();
        if !policy::get_running_loop().unwrap().is_self_driving() {
            let longest = order.chunk_by(|x, y| x == y).map(<[_]>::len).max().unwrap();
            assert!(longest < 10, "one of two tasks ran {longest} times in a row");
        }
    });
}

/// A task has 128 units for each of its polls; what is unconstrained spends none of them.
///
/// Proves: the documentation of `unconstrained`, the documentation of `has_budget_remaining`
pub fn a_budget_is_of_one_poll(make: Make<'_>) {
    async fn units() -> u32 {
        let mut units = 0;
        poll_fn(|cx| {
            while has_budget_remaining() {
                assert!(pin!(consume_budget()).poll(cx).is_ready());
                units += 1;
            }
            Poll::Ready(())
        })
        .await;
        units
    }
    async fn free() {
        for _ in 0..1000 {
            let mut spent = pin!(consume_budget());
            poll_fn(|cx| {
                assert!(spent.as_mut().poll(cx).is_ready());
                Poll::Ready(())
            })
            .await;
        }
    }
    let checks = || async {
        yield_now().await;
        unconstrained(free()).await;
        let first = units().await;
        // The next poll has its own.
        consume_budget().await;
        (first, units().await)
    };
    run(make, async {
        assert_eq!(checks().await, (128, 127));
        assert_eq!(policy::spawn(checks()).await.unwrap(), (128, 127));
    });
}

/// A set of more tasks than a budget has units gives all results, to who waits and to who
/// only asks.
///
/// Proves: the documentation of `JoinSet`
pub fn a_set_of_many_that_have_ended_loses_none(make: Make<'_>) {
    run(make, async {
        let mut set: JoinSet<_> = (0..1000).map(|n| async move { n }).collect();
        // They have all ended when the set looks.
        let gate = Gate::default();
        let opens = gate.clone();
        set.spawn(async move {
            opens.open();
            1000
        });
        gate.wait().await;
        let mut sum = 0;
        for _ in 0..500 {
            sum += set.join_next().await.unwrap().unwrap();
        }
        while !set.is_empty() {
            match set.try_join_next() {
                Some(n) => sum += n.unwrap(),
                None => yield_now().await,
            }
        }
        assert_eq!(sum, 1000 * 1001 / 2);
    });
}

/// Where no loop polls it, what is always ready pends from time to time, and goes on.
///
/// Proves: the documentation of `consume_budget`
pub fn under_another_executor_others_have_their_turn(_make: Make<'_>) {
    let (done, sets) = (Flag::default(), Flag::default());
    let other = sets.clone();
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(5));
        other.set();
    });
    let watches = poll_fn(|cx| {
        if sets.is_set() {
            done.set();
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    });
    block_on(future::or(
        async {
            let (mut ours, mut theirs) = policy::io::duplex(64);
            let busy = Busy::begin();
            while busy.goes_on() {
                ours.write_all(b"x").await.unwrap();
                theirs.read_exact(&mut [0]).await.unwrap();
            }
        },
        watches,
    ));
    assert!(done.is_set(), "the other half of a select was never asked");
}
