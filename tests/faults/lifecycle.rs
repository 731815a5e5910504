//! Lifecycle: handles that are dropped, watchers that go, orphans that come.

use std::fs::File;
use std::future::poll_fn;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

use policy::process::{Child, Command};
use policy::{ChildId, ErrorKind, ExitFuture};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::causes;
use crate::inside::Place;
use crate::pace::Pace;
use crate::table::{
    DEFAULT_LOOP, EACH_WATCHER, EACH_WATCHER_TWICE_AND_LOOP, Needs, Outcome, POLITE, Row, TWO_LOOPS,
};
use crate::tools::{
    Barrier, LONG, check_code, children, code_of, eventually, processes, sh, state_of,
};

pub const ROWS: &[Row] = &[
    Row::new(
        "C1",
        "a child is dropped, the runtime ends, then the child exits",
        EACH_WATCHER_TWICE_AND_LOOP,
        c1,
    ),
    Row::new(
        "C2",
        "kill_on_drop, held by a task when the runtime ends",
        EACH_WATCHER_TWICE_AND_LOOP,
        c2,
    ),
    Row::new(
        "C3",
        "20 dropped, 20 with kill_on_drop, the runtime goes on",
        EACH_WATCHER_TWICE_AND_LOOP,
        c3,
    ),
    Row::new("C4", "a child is started where no loop runs", EACH_WATCHER_TWICE_AND_LOOP, c4).cold(),
    Row::new("C7", "wakers and callbacks panic", EACH_WATCHER_TWICE_AND_LOOP, c7).may_panic(),
    Row::new(
        "C8 watcher",
        "the watcher is closed, twice, while 100 children run, and used after",
        EACH_WATCHER_TWICE_AND_LOOP,
        c8_watcher,
    ),
    Row::new(
        "C9 watcher",
        "the watcher is swapped with 100 children pending",
        EACH_WATCHER_TWICE_AND_LOOP,
        c9_watcher,
    ),
    Row::new(
        "F9 watcher",
        "a copy of the process, by fork, has the watcher and not its threads",
        // Not `safe`: its loop is the main thread's, which runs the parent's.
        &[(DEFAULT_LOOP, &["auto", "pidfd", "threaded", "shared", "multi-loop", "fast"])],
        f9_watcher,
    ),
    Row::new(
        "C9 policy",
        "the policy is swapped with 100 children pending",
        EACH_WATCHER_TWICE_AND_LOOP,
        c9_policy,
    ),
    Row::new(
        "C11 subreaper",
        "20 orphans come to a subreaper",
        &[(TWO_LOOPS, &["subreaper"])],
        c11,
    ),
    Row::new("C11 PID 1", "20 orphans come to PID 1", &[(TWO_LOOPS, &["subreaper"])], c11)
        .needs(Needs::PidNamespace),
    Row::new(
        "C11 replaced",
        "orphans come to a subreaper, whose watcher is then replaced",
        &[(TWO_LOOPS, &["subreaper"])],
        c11_replaced,
    ),
    Row::new(
        "C11 others",
        "as PID 1, the watchers that do not adopt still get their own",
        EACH_WATCHER,
        c11_others,
    )
    .needs(Needs::PidNamespace)
    .cold(),
    Row::new(
        "C13",
        "50 children of std::process alongside 100 of ours (full: 1,000)",
        &[(TWO_LOOPS, POLITE)],
        c13,
    ),
];

fn c1(place: &Place) -> Outcome {
    let barrier = Barrier::new();
    place.run(async {
        drop(barrier.child(1).spawn().unwrap());
        // One that was being waited for.
        let waited = barrier.child(1).spawn().unwrap();
        assert!(futures_lite::future::poll_once(waited.wait()).await.is_none());
        drop(waited);
    });
    assert_eq!(children().len(), 2, "they live on");
    barrier.open();
    eventually("no zombie is left", || children().is_empty());
    Ok(())
}

fn c2(place: &Place) -> Outcome {
    let barrier = Barrier::new();
    place.run(async {
        let (told, tell) = mpsc::channel();
        for is_polled in [true, false] {
            let child = barrier.child(2).kill_on_drop(true).spawn().unwrap();
            let told = told.clone();
            let _detached = policy::spawn(async move {
                told.send(()).unwrap();
                if is_polled {
                    child.wait().await.unwrap();
                }
                std::future::pending::<()>().await;
                drop(child);
            });
        }
        // Both hold their child: a task that never ran would be dropped with it too.
        for _ in 0..2 {
            while tell.try_recv().is_err() {
                policy::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
    eventually("they are killed and reaped", || children().is_empty());
    Ok(())
}

fn c3(place: &Place) -> Outcome {
    place.run(async {
        let barrier = Barrier::new();
        for _ in 0..20 {
            drop(barrier.child(3).spawn().unwrap());
            drop(barrier.child(3).kill_on_drop(true).spawn().unwrap());
        }
        eventually("20 are killed and reaped", || children().len() == 20);
        barrier.open();
        eventually("no zombie is left", || children().is_empty());
        assert_eq!(sh("exit 3").status().await.unwrap().code(), Some(3));
    });
    Ok(())
}

fn c4(place: &Place) -> Outcome {
    place.set_up();
    let spawned = sh("exit 4").spawn();
    if place.runs_by_itself() {
        // It needs nobody who runs it: that works.
        check_code(futures_lite::future::block_on(spawned.unwrap().wait()), 4, true);
        return Ok(());
    }
    refused(spawned);
    refused(futures_lite::future::block_on(sh("exit 4").start()));
    refused(futures_lite::future::block_on(sh("exit 4").output()));
    refused(std::thread::spawn(|| sh("exit 4").spawn()).join().unwrap());
    assert!(children().is_empty() && !causes::has_reaped(), "something was started");
    check_code(place.run(sh("exit 4").status()), 4, true);
    assert!(causes::has_reaped(), "this is how it would be seen");
    Ok(())
}

fn refused<T: std::fmt::Debug>(outcome: Result<T, policy::Error>) {
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::NoRunningLoop);
}

struct Bomb;

impl Wake for Bomb {
    fn wake(self: Arc<Self>) {
        panic!("a waker that panics");
    }
}

fn c7(place: &Place) -> Outcome {
    place.run(async {
        let watcher = policy::get_child_watcher().unwrap();
        let barrier = Barrier::new();
        let children: Vec<Child> =
            (0..20).map(|number| barrier.child(code_of(number)).spawn().unwrap()).collect();
        let (said, heard) = mpsc::channel();
        let bomb = Waker::from(Arc::new(Bomb));
        let mut bombed: Vec<ExitFuture> = Vec::new();
        for (number, child) in children.iter().enumerate() {
            if number % 4 == 0 {
                // Beside the wait that is awaited below.
                let mut exit = watcher.watch(&ChildId::from_pid(child.id())).unwrap();
                let exit_now = std::pin::Pin::new(&mut exit).poll(&mut Context::from_waker(&bomb));
                assert!(exit_now.is_pending());
                bombed.push(exit);
            }
            let said = said.clone();
            let callback: policy::ChildCallback = Box::new(move |_, code| {
                said.send((number, code.unwrap())).unwrap();
                assert!(number % 4 != 1, "a callback that panics");
            });
            watcher.add_child_handler(child.id(), callback).unwrap();
        }
        barrier.open();
        for (number, child) in children.iter().enumerate() {
            check_code(child.wait().await, code_of(number), true);
        }
        let mut called = 0;
        while called < children.len() {
            match heard.try_recv() {
                Ok((number, code)) => {
                    assert_eq!(code, code_of(number) as i32);
                    called += 1;
                }
                Err(_) => policy::time::sleep(Duration::from_millis(1)).await,
            }
        }
        for exit in bombed {
            exit.await.unwrap();
        }
        // And what comes after is right.
        check_code(sh("exit 7").status().await, 7, true);
    });
    Ok(())
}

fn c8_watcher(place: &Place) -> Outcome {
    let pace = Pace::take();
    place.run(async {
        let watcher = policy::get_child_watcher().unwrap();
        let barrier = Barrier::new();
        let children: Vec<Child> =
            (0..100).map(|number| barrier.child(code_of(number)).spawn().unwrap()).collect();
        let polled = Arc::new(AtomicUsize::new(0));
        let wait = |child: &Child| {
            let mut wait = watcher.watch(&ChildId::from_pid(child.id())).unwrap();
            let polled = polled.clone();
            policy::spawn(poll_fn(move |cx| {
                let ended = std::pin::Pin::new(&mut wait).poll(cx);
                polled.fetch_add(1, SeqCst);
                ended
            }))
        };
        // Half of them have a waker when it happens, half of them have none.
        let waiting: Vec<_> = children.iter().step_by(2).map(wait).collect();
        let waits: Vec<ExitFuture> = children
            .iter()
            .map(|child| watcher.watch(&ChildId::from_pid(child.id())).unwrap())
            .collect();
        while polled.load(SeqCst) < waiting.len() {
            policy::time::sleep(Duration::from_millis(1)).await;
        }
        let begun = Instant::now();
        watcher.close();
        watcher.close();
        assert!(!watcher.is_active());
        let error = sh("exit 8").spawn().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WatcherInactive);
        let id = ChildId::from_pid(children[0].id());
        assert_eq!(watcher.watch(&id).unwrap_err().kind(), ErrorKind::WatcherClosed);
        let handler = watcher.add_child_handler(children[0].id(), Box::new(|_, _| ()));
        assert_eq!(handler.unwrap_err().kind(), ErrorKind::WatcherClosed);
        assert!(!watcher.remove_child_handler(children[0].id()));
        for wait in waiting {
            let ended = policy::time::timeout(LONG, wait).await.expect("nobody was woken");
            assert_eq!(ended.unwrap().unwrap_err().kind(), ErrorKind::WatcherClosed);
        }
        pace.check("to end the waits", Duration::from_secs(1), begun.elapsed());
        for wait in waits {
            assert_eq!(wait.await.unwrap_err().kind(), ErrorKind::WatcherClosed);
        }
        barrier.open();
        for (number, child) in children.into_iter().enumerate() {
            match number % 3 {
                0 => drop(child),
                _ => check_code(child.wait().await, code_of(number), true),
            }
        }
        eventually("no zombie is left", || crate::tools::children().is_empty());
    });
    Ok(())
}

fn c9_watcher(place: &Place) -> Outcome {
    swapped(place, || policy::set_child_watcher(place.new_watcher()).unwrap());
    swapped(place, || policy::set_child_watcher(None).unwrap());
    Ok(())
}

fn c9_policy(place: &Place) -> Outcome {
    swapped(place, || place.set_up());
    swapped(place, || policy::set_event_loop_policy(None));
    Ok(())
}

fn f9_watcher(place: &Place) -> Outcome {
    place.run(async {
        let barrier = Barrier::new();
        let child = barrier.child(4).spawn().unwrap();
        assert!(futures_lite::future::poll_once(child.wait()).await.is_none());
        // Not by its status, which a watcher that reaps everything may take.
        let (hears, says) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        // Whatever thread the watcher has, it has now.
        let copy = unsafe { libc::fork() };
        if copy == 0 {
            // What hangs here ends here.
            unsafe { libc::alarm(LONG.as_secs() as u32) };
            let place = place.clone();
            if std::thread::spawn(move || in_the_copy(&place)).join().is_ok() {
                File::from(says).write_all(b"right").unwrap();
            }
            unsafe { libc::_exit(0) };
        }
        drop(says);
        let mut said = String::new();
        File::from(hears).read_to_string(&mut said).unwrap();
        assert_eq!(said, "right", "what the copy says");
        causes::steal(copy as u32);
        barrier.open();
        check_code(child.wait().await, 4, true);
    });
    Ok(())
}

/// On a thread of its own: the loop of this one is its parent's.
fn in_the_copy(place: &Place) {
    // By the watcher that came along, then by one of its own.
    for _ in 0..2 {
        check_code(place.run(sh("exit 7").status()), 7, true);
        place.set_up();
    }
}

/// Half of the children are being waited for while it happens.
fn swapped(place: &Place, swap: impl FnOnce()) {
    place.run(async {
        let barrier = Barrier::new();
        let mut children: Vec<Child> =
            (0..100).map(|number| barrier.child(code_of(number)).spawn().unwrap()).collect();
        let waiting: Vec<_> = (50..100)
            .zip(children.split_off(50))
            .map(|(number, child)| {
                policy::spawn(async move { check_code(child.wait().await, code_of(number), true) })
            })
            .collect();
        policy::task::yield_now().await;
        swap();
        barrier.open();
        for (number, child) in children.into_iter().enumerate() {
            check_code(child.wait().await, code_of(number), true);
        }
        for waiting in waiting {
            waiting.await.unwrap();
        }
        check_code(sh("exit 9").status().await, 9, true);
    });
}

/// Starts so many processes and exits.
fn orphans(count: usize) -> Command {
    sh(format!("i=0; while [ $i -lt {count} ]; do (sleep 0.05 &); i=$((i+1)); done"))
}

fn c11(place: &Place) -> Outcome {
    place.run(async {
        let barrier = Barrier::new();
        let registered = barrier.child(8).spawn().unwrap();
        assert!(orphans(20).status().await.unwrap().success());
        // One of other code, that is being waited for, and one that is not yet.
        let mut theirs = std::process::Command::new("sh").args(["-c", "exit 9"]).spawn().unwrap();
        assert_eq!(theirs.wait().unwrap().code(), Some(9));
        eventually("only the registered child is left", || children().len() == 1);
        barrier.open();
        // Left a zombie for longer than strangers are left alone.
        eventually("it has exited", || state_of(registered.id()).is_none_or(|state| state == 'Z'));
        policy::time::sleep(Duration::from_millis(700)).await;
        check_code(registered.wait().await, 8, true);
        check_code(sh("exit 7").status().await, 7, true);
    });
    Ok(())
}

fn c11_replaced(place: &Place) -> Outcome {
    place.run(async {
        let barrier = Barrier::new();
        // Ten that exit at once, and ten that outlive the watcher.
        assert!(orphans(10).status().await.unwrap().success());
        let mut late = sh("exec 3<&0; for _ in 1 2 3 4 5 6 7 8 9 0; do (read _ <&3) & done");
        assert!(late.stdin(barrier.stdin()).status().await.unwrap().success());
        eventually("they have come to us", || {
            children().iter().filter(|child| child.name == "sh").count() >= 10
        });
        policy::set_child_watcher(None).unwrap();
        // Those that are not waited for any more used to stay as zombies.
        eventually("the first ten are reaped", || children().len() == 10);
        barrier.open();
        eventually("all are reaped", || children().is_empty());
        check_code(sh("exit 7").status().await, 7, true);
    });
    Ok(())
}

fn c11_others(place: &Place) -> Outcome {
    assert_eq!(std::process::id(), 1);
    place.set_up();
    place.run(async {
        assert!(orphans(20).status().await.unwrap().success());
        eventually("the orphans have exited", || {
            processes().all(|process| process.name != "sleep" || process.state == 'Z')
        });
        for number in 0..20 {
            check_code(
                sh(format!("exit {}", code_of(number))).status().await,
                code_of(number),
                true,
            );
        }
    });
    // They are left to whoever wants them.
    let adopts = place.watches_by(&["fast", "subreaper"]);
    if !adopts {
        assert_eq!(children().len(), 20, "strangers were reaped");
        for orphan in children() {
            assert!(causes::steal(orphan.pid));
        }
    }
    Ok(())
}

fn c13(place: &Place) -> Outcome {
    let count = place.count(100, 1000);
    place.run(async {
        let barrier = Barrier::new();
        let start = |number: usize| {
            let (line, stdin) = (format!("read _; exit {}", code_of(number)), barrier.stdin());
            std::process::Command::new("sh").args(["-c", &line]).stdin(stdin).spawn().unwrap()
        };
        let mut theirs: Vec<_> = (0..50).map(start).collect();
        let waited: Vec<_> = (0..25)
            .map(|number| {
                let mut child = start(number);
                std::thread::spawn(move || child.wait().unwrap().code())
            })
            .collect();
        let ours: Vec<Child> =
            (0..count).map(|number| barrier.child(code_of(number)).spawn().unwrap()).collect();
        barrier.open();
        for (number, child) in ours.into_iter().enumerate() {
            let status = policy::time::timeout(LONG, child.wait()).await.unwrap();
            check_code(status, code_of(number), true);
        }
        for (number, child) in theirs.iter_mut().enumerate() {
            assert_eq!(child.wait().unwrap().code(), Some(code_of(number) as i32), "stolen");
        }
        for (number, thread) in waited.into_iter().enumerate() {
            assert_eq!(thread.join().unwrap(), Some(code_of(number) as i32), "stolen");
        }
    });
    Ok(())
}
