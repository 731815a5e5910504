//! The loop's clock, paused, advanced and resumed.

use std::future::pending;
use std::pin::pin;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use futures_lite::future::poll_once;
use policy::task::{unconstrained, yield_now};
use policy::time::{
    Instant, advance, interval, pause, pause_without_jumping, resume, sleep, sleep_until, timeout,
};
use policy::{ErrorKind, Runner, get_running_loop};

use crate::support::{
    Gate, Log, NEVER, SHUTDOWN, in_thread, kind, needs_local_tasks, needs_selector, on_loop, run,
    run_pausable,
};
use crate::{Make, Skipped};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// Gives the loop's own reason for not being able to jump.
fn needs_jumps(make: Make<'_>) -> Result<(), Skipped> {
    match run_pausable(make, async { pause() }) {
        Err(error) if error.kind() == ErrorKind::Unsupported => Err(Skipped(error.to_string())),
        paused => {
            paused.expect("a running loop can be paused");
            Ok(())
        }
    }
}

/// Runs `future` under a clock that jumps.
fn jumping(make: Make<'_>, future: impl Future<Output = ()>) -> Result<(), Skipped> {
    needs_jumps(make)?;
    run_pausable(make, async {
        pause().unwrap();
        future.await;
    });
    Ok(())
}

/// Runs `future` under a clock that is advanced.
fn manual(make: Make<'_>, future: impl Future<Output = ()>) {
    run_pausable(make, async {
        pause_without_jumping().unwrap();
        future.await;
    });
}

/// While the clock is paused time stands still: in main, in tasks, in blocking jobs,
/// and for whoever asks the loop.
///
/// Proves: the virtual clock
pub fn a_paused_clock_stands_still(make: Make<'_>) {
    manual(make, async {
        let start = Instant::now();
        thread::sleep(Duration::from_millis(2));
        let task = policy::spawn(async { Instant::now() });
        assert_eq!(task.await.unwrap(), start);
        let job = policy::spawn_blocking(|| {
            thread::sleep(Duration::from_millis(2));
            Instant::now()
        });
        assert_eq!(job.await.unwrap(), start);
        assert_eq!(get_running_loop().unwrap().time(), start.into_std());
        assert_eq!(start.elapsed(), Duration::ZERO);
    });
}

/// Whoever waits is woken in the order of deadlines, and at each of them time stands:
/// also for those that wait anew.
///
/// Proves: the virtual clock "order of deadlines kept", B83
pub fn advancing_keeps_the_order_of_deadlines(make: Make<'_>) {
    manual(make, async {
        let start = Instant::now();
        let log = Log::default();
        for n in [5_u32, 3, 9, 1, 30] {
            let log = log.clone();
            drop(policy::spawn(async move {
                sleep(n * SECOND).await;
                log.add(format!("{n} at {}", start.elapsed().as_secs()));
                sleep(2 * n * SECOND).await;
                log.add(format!("{n} at {}", start.elapsed().as_secs()));
            }));
        }
        advance(10 * SECOND).await.unwrap();
        let order = ["1 at 1", "1 at 3", "3 at 3", "5 at 5", "3 at 9", "9 at 9"];
        let mut happened = log.take();
        // Of equal deadlines, which of two threads is first is open.
        happened.sort_by_key(|line| line.rsplit(' ').next().unwrap().parse::<u32>().unwrap());
        if get_running_loop().unwrap().is_self_driving() {
            happened[1..3].sort();
            happened[4..].sort();
        }
        assert_eq!(happened.len(), order.len(), "{happened:?}");
        assert!(happened.iter().all(|line| order.contains(&line.as_str())), "{happened:?}");
        assert_eq!(start.elapsed(), 10 * SECOND);
    });
}

/// Of those who wait for the same moment, who came first is woken first.
///
/// Proves: B84 "departs: ours keeps the order"
pub fn equal_deadlines_keep_the_order_of_coming(make: Make<'_>) {
    manual(make, async {
        let log = Log::default();
        let deadline = Instant::now() + HOUR;
        let mut tasks = Vec::new();
        for n in 0..20 {
            let log = log.clone();
            tasks.push(policy::spawn(async move {
                sleep_until(deadline).await;
                assert_eq!(Instant::now(), deadline);
                log.add(n.to_string());
            }));
            advance(Duration::ZERO).await.unwrap();
        }
        advance(HOUR).await.unwrap();
        for task in tasks {
            task.await.unwrap();
        }
        let mut order: Vec<u32> = log.take().iter().map(|n| n.parse().unwrap()).collect();
        if get_running_loop().unwrap().is_self_driving() {
            order.sort_unstable();
        }
        assert_eq!(order, (0..20).collect::<Vec<_>>());
    });
}

/// What waited before the clock was paused follows it: sleeps, timeouts, callbacks.
///
/// Proves: the virtual clock
pub fn what_waited_before_the_pause_follows(make: Make<'_>) {
    run_pausable(make, async {
        let log = Log::default();
        let polled = Gate::default();
        let (opens, says) = (polled.clone(), log.clone());
        let task = policy::spawn(async move {
            let mut sleep = pin!(sleep(2 * HOUR));
            assert!(poll_once(sleep.as_mut()).await.is_none());
            opens.open();
            sleep.await;
            says.add("task");
        });
        let says = log.clone();
        let handle = get_running_loop().unwrap().call_later(HOUR, move || says.add("callback"));
        polled.wait().await;
        let mut late = pin!(timeout(3 * HOUR, pending::<()>()));
        assert!(poll_once(late.as_mut()).await.is_none());

        pause_without_jumping().unwrap();
        advance(4 * HOUR).await.unwrap();
        task.await.unwrap();
        assert!(late.await.is_err());
        assert_eq!(log.take(), ["callback", "task"]);
        assert!(!handle.cancelled());
    });
}

/// Sleeps, intervals, timeouts and callbacks follow a clock that jumps, each in its
/// time.
///
/// Proves: the virtual clock "sleeps, intervals and timeouts of the loop jump"
pub fn all_kinds_of_timers_jump(make: Make<'_>) -> Result<(), Skipped> {
    jumping(make, async {
        let start = Instant::now();
        let log = Log::default();
        let says = log.clone();
        get_running_loop().unwrap().call_later(90 * SECOND, move || says.add("callback"));
        let says = log.clone();
        let beat = policy::spawn(async move {
            let mut beat = interval(60 * SECOND);
            for n in 0..3_u32 {
                assert_eq!(beat.tick().await - start, n * 60 * SECOND);
                assert_eq!(start.elapsed(), n * 60 * SECOND);
                says.add(format!("tick {n}"));
            }
        });
        assert!(timeout(100 * SECOND, pending::<()>()).await.is_err());
        log.add("timeout");
        assert_eq!(start.elapsed(), 100 * SECOND);
        beat.await.unwrap();
        assert_eq!(timeout(HOUR, sleep(SECOND)).await, Ok(()), "what is earlier comes first");
        assert_eq!(start.elapsed(), 121 * SECOND);
        assert_eq!(log.take(), ["tick 0", "tick 1", "callback", "timeout", "tick 2"]);
    })
}

/// A million seconds pass in no time; a thousand steps do, too.
///
/// Proves: the virtual clock "sleeps, intervals and timeouts of the loop jump"
pub fn a_million_seconds_pass_in_no_time(make: Make<'_>) -> Result<(), Skipped> {
    jumping(make, async {
        let start = Instant::now();
        sleep(1_000_000 * SECOND).await;
        assert_eq!(start.elapsed(), 1_000_000 * SECOND);
        let mut beat = interval(1000 * SECOND);
        for _ in 0..=1000 {
            beat.tick().await;
        }
        assert_eq!(start.elapsed(), 2_000_000 * SECOND);
    })
}

/// Time does not jump while a task has something to do: also one that yields, or waits
/// for another.
///
/// Proves: the virtual clock "jump when everything else is idle"
pub fn time_does_not_jump_while_a_task_works(make: Make<'_>) -> Result<(), Skipped> {
    jumping(make, async {
        let start = Instant::now();
        let others = policy::spawn(sleep(SECOND));
        let (send, receive) = async_channel::bounded(1);
        let works = policy::spawn(async move {
            for n in 0..200 {
                yield_now().await;
                send.send(n).await.unwrap();
            }
        });
        let hears = policy::spawn(async move {
            let mut heard = 0;
            while receive.recv().await.is_ok() {
                heard += 1;
            }
            (heard, Instant::now())
        });
        works.await.unwrap();
        assert_eq!(hears.await.unwrap(), (200, start));
        others.await.unwrap();
        assert_eq!(start.elapsed(), SECOND);
    })
}

/// Time does not jump while a blocking job runs; it may be advanced.
///
/// Proves: the virtual clock "real I/O and children still work"
pub fn time_does_not_jump_while_a_job_runs(make: Make<'_>) -> Result<(), Skipped> {
    jumping(make, async {
        let start = Instant::now();
        let job = policy::spawn_blocking(|| thread::sleep(Duration::from_millis(20)));
        assert!(timeout(HOUR, job).await.is_ok(), "the job takes no virtual time");
        assert_eq!(start.elapsed(), Duration::ZERO);

        let (go, wait) = mpsc::channel::<()>();
        let job = policy::spawn_blocking(move || wait.recv());
        advance(HOUR).await.unwrap();
        assert_eq!(start.elapsed(), HOUR);
        go.send(()).unwrap();
        job.await.unwrap().unwrap();
        assert_eq!(start.elapsed(), HOUR);
    })
}

/// Time does not jump while a child is waited for; a grace for it is real.
///
/// Proves: the virtual clock "real I/O and children still work"
pub fn time_does_not_jump_while_a_child_is_waited_for(make: Make<'_>) -> Result<(), Skipped> {
    #[cfg(not(unix))]
    return needs_jumps(make);
    #[cfg(unix)]
    jumping(make, async {
        use policy::process::Command;

        let start = Instant::now();
        let beat = policy::spawn(sleep(HOUR));
        let child = Command::new("sleep").arg("0.05").spawn().unwrap();
        let status = timeout(SECOND, child.wait()).await.expect("no time passes");
        assert!(status.unwrap().success());
        let output = Command::shell("sleep 0.05; echo done").output();
        let output = timeout(SECOND, output).await.expect("no time passes");
        assert_eq!(output.unwrap().stdout, b"done\n");
        // It ignores the signal: the grace ends, although no time passes.
        let child = Command::shell("trap '' TERM; echo; while :; do sleep 0.01; done")
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let status = child.terminate(Duration::from_millis(50)).await.unwrap();
        assert!(!status.success());
        assert_eq!(start.elapsed(), Duration::ZERO);
        beat.await.unwrap();
        assert_eq!(start.elapsed(), HOUR);
    })
}

/// What a socket has is read before time jumps.
///
/// Proves: the virtual clock "real I/O and children still work"
pub fn what_is_ready_comes_before_a_jump(make: Make<'_>) -> Result<(), Skipped> {
    use futures_lite::{AsyncReadExt, AsyncWriteExt};

    // Up to tokio's budget of 128; the last of them again and again.
    let rounds = (0..118_u8).chain(std::iter::repeat_n(118..130, 20).flatten());
    needs_selector(make)?;
    jumping(make, async {
        let start = Instant::now();
        let (mut here, mut there) = crate::support::connected().await;
        let (mut source, mut sink) = crate::support::connected().await;
        let others = policy::spawn(sleep(SECOND));
        let echo = policy::spawn(async move {
            let mut byte = [0];
            while there.read(&mut byte).await.unwrap() > 0 {
                there.write_all(&byte).await.unwrap();
            }
        });
        let mut byte = [0];
        // A socket that never had to wait is not known to the executor, and spends nothing of its.
        assert!(poll_once(sink.read(&mut byte)).await.is_none());
        for n in rounds {
            source.write_all(&vec![n; usize::from(n)]).await.unwrap();
            // What the clock has sent through the reactor, to see whether all is idle, is back
            // by then: it is read at the end of this very poll.
            thread::sleep(Duration::from_micros(200));
            // Each number of operations leaves another rest of an executor's own budget, down to
            // none: then the reads of the clock's own are refused, too.
            unconstrained(async {
                for _ in 0..n {
                    sink.read_exact(&mut byte).await.unwrap();
                }
                here.write_all(&[n]).await.unwrap();
            })
            .await;
            let read = timeout(Duration::from_millis(1), here.read_exact(&mut byte)).await;
            read.expect("what is there is read first").unwrap();
            assert_eq!(byte, [n]);
            assert_eq!(start.elapsed(), Duration::ZERO, "after {n} operations");
        }
        drop(here);
        echo.await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        others.await.unwrap();
    })
}

/// A paused clock is of one loop: on another time goes on, in the same process and at
/// the same time.
///
/// Proves: the virtual clock "paused time never leaks into another loop or test"
pub fn two_loops_have_two_clocks(make: Make<'_>) {
    manual(make, async {
        let start = Instant::now();
        let policy = make();
        let other = policy::spawn_blocking(move || {
            let mut runner = Runner::with_policy(policy).shutdown_limit(SHUTDOWN);
            let ran = runner.run(async {
                assert_eq!(kind(resume()), ErrorKind::NotPaused);
                let begun = Instant::now();
                sleep(Duration::from_millis(3)).await;
                policy::spawn(sleep(Duration::from_millis(3))).await.unwrap();
                begun.elapsed()
            });
            runner.close().unwrap();
            ran.unwrap()
        });
        let real = other.await.unwrap();
        assert!(real >= Duration::from_millis(6) && real < HOUR, "{real:?}");
        assert_eq!(start.elapsed(), Duration::ZERO);
        advance(2 * HOUR).await.unwrap();
        assert!(in_thread(Instant::now) < start + HOUR, "a thread without a loop");
    });
    // The next loop of this policy is a new one.
    run(make, async {
        assert_eq!(kind(advance(SECOND).await), ErrorKind::NotPaused);
        let begun = Instant::now();
        sleep(Duration::from_millis(2)).await;
        assert!(begun.elapsed() >= Duration::from_millis(2));
    });
}

/// Pauses nest: time goes on after as many resumes.
///
/// Proves: the virtual clock
pub fn pauses_nest(make: Make<'_>) {
    run(make, async {
        assert_eq!(kind(resume()), ErrorKind::NotPaused);
        pause_without_jumping().unwrap();
        pause_without_jumping().unwrap();
        let stands = Instant::now();
        resume().unwrap();
        thread::sleep(Duration::from_millis(2));
        assert_eq!(Instant::now(), stands);
        resume().unwrap();
        thread::sleep(Duration::from_millis(2));
        assert!(Instant::now() >= stands + Duration::from_millis(2));
        assert_eq!(kind(resume()), ErrorKind::NotPaused);
        pause_without_jumping().unwrap();
        advance(HOUR).await.unwrap();
        assert!(stands.elapsed() >= HOUR);
    });
}

/// A clock that is not paused is not advanced: a typed error, and nothing else.
///
/// Proves: the virtual clock "`advance` while not paused"
pub fn a_clock_that_goes_is_not_advanced(make: Make<'_>) {
    run_pausable(make, async {
        assert_eq!(kind(advance(HOUR).await), ErrorKind::NotPaused);
        assert_eq!(kind(advance(Duration::ZERO).await), ErrorKind::NotPaused);
        let before = Instant::now();
        pause_without_jumping().unwrap();
        assert!(before.elapsed() < HOUR);
        assert_eq!(kind(advance(Duration::MAX).await), ErrorKind::InvalidInput);
        // One that is under way ends with the pause.
        let blocks = policy::spawn(async { yield_now().await });
        let mut under_way = pin!(advance(HOUR));
        let polled = poll_once(under_way.as_mut()).await;
        resume().unwrap();
        if polled.is_none() {
            assert_eq!(kind(under_way.await), ErrorKind::NotPaused);
        }
        blocks.await.unwrap();
    });
    let nowhere = crate::support::block_on(advance(HOUR));
    assert_eq!(kind(nowhere), ErrorKind::NoRunningLoop);
}

/// Advancing by nothing lets run what has something to do, and moves no time.
///
/// Proves: the virtual clock
pub fn advancing_by_nothing_lets_others_run(make: Make<'_>) {
    manual(make, async {
        let start = Instant::now();
        let waits = policy::spawn(sleep(Duration::from_nanos(1)));
        let runs = policy::spawn(async {
            for _ in 0..10 {
                yield_now().await;
            }
        });
        advance(Duration::ZERO).await.unwrap();
        assert!(runs.is_finished() && !waits.is_finished());
        assert_eq!(start.elapsed(), Duration::ZERO);
        advance(Duration::from_nanos(1)).await.unwrap();
        assert!(waits.is_finished());
        sleep(Duration::ZERO).await;
    });
}

/// After a resume time goes on from where it has come to, and never back; what still
/// waits, waits in real time.
///
/// Proves: the virtual clock, B101
pub fn after_a_resume_time_goes_on(make: Make<'_>) {
    run_pausable(make, async {
        for _ in 0..2 {
            let start = Instant::now();
            pause_without_jumping().unwrap();
            let task = policy::spawn(sleep(HOUR + Duration::from_millis(5)));
            thread::sleep(Duration::from_millis(5));
            advance(HOUR).await.unwrap();
            let stood = Instant::now();
            assert!(!task.is_finished());
            resume().unwrap();
            let now = Instant::now();
            assert!(now >= stood && now < stood + HOUR, "{:?}", now - stood);
            task.await.unwrap();
            assert!(start.elapsed() >= HOUR + Duration::from_millis(5));
            let begun = Instant::now();
            sleep(Duration::from_millis(2)).await;
            assert!(begun.elapsed() >= Duration::from_millis(2) && begun.elapsed() < HOUR);
        }
    });
}

/// A blocking job may pause and resume the clock of its loop.
///
/// Proves: the virtual clock, B38
pub fn a_job_may_pause_the_clock_of_its_loop(make: Make<'_>) {
    run(make, async {
        let job = policy::spawn_blocking(|| {
            pause_without_jumping().unwrap();
            Instant::now()
        });
        let paused = job.await.unwrap();
        assert_eq!(Instant::now(), paused);
        advance(HOUR).await.unwrap();
        policy::spawn_blocking(resume).await.unwrap().unwrap();
        assert!(paused.elapsed() >= HOUR);
    });
}

/// An advance that is dropped leaves time where it has come to; two are served one
/// after the other.
///
/// Proves: the virtual clock
pub fn a_dropped_advance_leaves_time_where_it_is(make: Make<'_>) {
    manual(make, async {
        let start = Instant::now();
        // Its first poll moves nothing: this task has something to do.
        drop(poll_once(pin!(advance(HOUR))).await);
        assert_eq!(start.elapsed(), Duration::ZERO);
        let stops = policy::spawn(async {
            sleep(SECOND).await;
            Instant::now()
        });
        let first = policy::spawn(async { advance(SECOND).await.map(|()| Instant::now()) });
        let second = policy::spawn(async { advance(HOUR).await.map(|()| Instant::now()) });
        let (first, second) = (first.await.unwrap().unwrap(), second.await.unwrap().unwrap());
        let (earlier, later) = (first.min(second), first.max(second));
        assert!(earlier - start == SECOND || earlier - start == HOUR);
        assert_eq!(later - start, HOUR + SECOND);
        assert_eq!(stops.await.unwrap(), start + SECOND);
    });
}

/// While nobody runs the loop its time does not jump, and goes on with the next run.
///
/// Proves: the virtual clock, B72
pub fn time_waits_for_the_next_run(make: Make<'_>) -> Result<(), Skipped> {
    needs_jumps(make)?;
    on_loop(make, |event_loop| {
        event_loop.state().make_pausable().unwrap();
        let task = event_loop
            .run_until_complete(async {
                pause().unwrap();
                let task = policy::spawn(sleep(HOUR));
                // Until it waits.
                advance(Duration::ZERO).await.unwrap();
                task
            })
            .unwrap();
        let stands = event_loop.time();
        thread::sleep(Duration::from_millis(5));
        assert_eq!(event_loop.time(), stands);
        event_loop.run_until_complete(task).unwrap().unwrap();
        assert_eq!(event_loop.time(), stands + HOUR);
        event_loop.resume().unwrap();
    });
    Ok(())
}

/// Sleeps that are dropped while the clock is paused hold nothing up.
///
/// Proves: B88
pub fn dropped_sleeps_hold_nothing_up(make: Make<'_>) -> Result<(), Skipped> {
    jumping(make, async {
        let start = Instant::now();
        for _ in 0..100 {
            assert!(poll_once(pin!(sleep(SECOND))).await.is_none());
        }
        let aborted = policy::spawn(sleep(SECOND));
        let never = policy::spawn(pending::<()>());
        aborted.abort();
        sleep(HOUR).await;
        assert_eq!(start.elapsed(), HOUR);
        // One that is kept, and not polled when its time comes, either.
        let mut kept = pin!(sleep(SECOND));
        assert!(poll_once(kept.as_mut()).await.is_none());
        sleep(HOUR).await;
        kept.await;
        assert_eq!(start.elapsed(), 2 * HOUR);
        never.abort();
    })
}

/// A task that panics or is aborted holds nothing up.
///
/// Proves: the virtual clock 'jump when everything else is idle', the contract of tasks
pub fn tasks_that_end_hold_nothing_up(make: Make<'_>) -> Result<(), Skipped> {
    jumping(make, async {
        let start = Instant::now();
        let panics = policy::spawn(async {
            sleep(SECOND).await;
            panic!("as it should");
        });
        assert!(panics.await.unwrap_err().is_panic());
        let never_polled = policy::spawn(async {});
        never_polled.abort();
        let waits = policy::spawn(sleep(NEVER));
        sleep(SECOND).await;
        waits.abort();
        assert!(waits.await.unwrap_err().is_cancelled());
        sleep(SECOND).await;
        assert_eq!(start.elapsed(), 3 * SECOND);
    })
}

/// Local tasks follow the clock as others do.
///
/// Proves: the documentation of `spawn_local`, the virtual clock
pub fn local_tasks_follow_the_clock(make: Make<'_>) -> Result<(), Skipped> {
    needs_local_tasks(make)?;
    jumping(make, async {
        let start = Instant::now();
        let shared = std::rc::Rc::new(HOUR);
        let task = policy::spawn_local(async move {
            sleep(*shared).await;
            yield_now().await;
            Instant::now()
        });
        assert_eq!(task.await.unwrap(), start + HOUR);
        let task = policy::spawn_local(sleep(HOUR));
        advance(HOUR).await.unwrap();
        assert!(task.is_finished());
    })
}

/// A loop that is closed while its clock is paused lets go of those who wait.
///
/// Proves: B74, the virtual clock "paused time never leaks into another loop or test"
pub fn a_clock_ends_with_its_loop(make: Make<'_>) {
    let sleep = run(make, async {
        pause_without_jumping().unwrap();
        advance(HOUR).await.unwrap();
        let mut sleep = Box::pin(sleep(Duration::from_millis(2)));
        assert!(poll_once(sleep.as_mut()).await.is_none());
        // An hour from here for all others.
        assert!(sleep.deadline().into_std() > std::time::Instant::now());
        sleep.as_mut().reset(Instant::from_std(std::time::Instant::now()));
        sleep
    });
    run(make, sleep);
    on_loop(make, |event_loop| {
        event_loop.pause_without_jumping().unwrap();
        let advance = event_loop.advance(HOUR);
        event_loop.close().unwrap();
        assert_eq!(kind(event_loop.pause()), ErrorKind::LoopClosed);
        assert_eq!(kind(crate::support::block_on(advance)), ErrorKind::NotPaused);
    });
}

/// A loop that runs its tasks on threads can't know when all of them are idle: its time
/// does not jump, which an error says, with the way out; it is advanced by hand. Made
/// pausable, before it has tasks, it jumps.
///
/// Proves: the virtual clock
pub fn a_loop_with_threads_is_paused_by_hand_or_made_pausable(make: Make<'_>) {
    run(make, async {
        let threads = get_running_loop().unwrap().is_self_driving();
        if threads {
            let error = pause().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains("pause_without_jumping"), "{error}");
        }
        pause_without_jumping().unwrap();
        let start = Instant::now();
        let task = policy::spawn(sleep(HOUR));
        // Not before it waits: on other threads, that may take any time.
        while !task.is_finished() {
            advance(HOUR).await.unwrap();
        }
        assert!(start.elapsed() >= HOUR);
    });
    if needs_jumps(make).is_ok() {
        run_pausable(make, async {
            assert!(!get_running_loop().unwrap().is_self_driving());
            assert!(policy::spawn(async { policy::spawn(async {}).await }).await.is_ok());
        });
    }
}
