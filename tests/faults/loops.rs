//! Loops: nested, several at once, closed too early.

use std::sync::mpsc;

use futures_lite::AsyncReadExt;
use futures_lite::future::{block_on, poll_once};
use policy::process::{Child, Stdio};
use policy::{ErrorKind, Runner};

use crate::inside::Place;
use crate::table::{EACH_WATCHER_TWICE_AND_LOOP, Outcome, Row};
use crate::tools::{Barrier, check_code, children, code_of, eventually, sh};

pub const ROWS: &[Row] = &[
    Row::new("C5", "a run inside a task", EACH_WATCHER_TWICE_AND_LOOP, c5),
    Row::new(
        "C6",
        "a child of one loop is awaited on every other, and on none",
        EACH_WATCHER_TWICE_AND_LOOP,
        c6,
    )
    .all_loops(),
    Row::new(
        "C8 loop",
        "the loop is closed while 100 handles remain, which are awaited after",
        EACH_WATCHER_TWICE_AND_LOOP,
        c8_loop,
    ),
];

fn c5(place: &Place) -> Outcome {
    place.run(async {
        let inside = policy::spawn(async {
            let error = policy::try_run(sh("exit 5").status()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::OtherLoopRunning);
            // On a thread of its own it works, while this loop stands still.
            let status = std::thread::scope(|scope| {
                let run = || policy::try_run(sh("exit 5").output());
                scope.spawn(run).join().unwrap().unwrap()
            });
            match status {
                Ok(output) => assert_eq!(output.status.code(), Some(5)),
                // That one wants a loop that runs in the main thread, and there may be
                // none at this moment.
                Err(error) => assert_eq!(error.kind(), ErrorKind::WatcherInactive),
            }
        });
        inside.await.unwrap();
        check_code(sh("exit 5").status().await, 5, true);
    });
    Ok(())
}

fn c6(_: &Place) -> Outcome {
    let others: Vec<&str> = policy::policy_names();
    let mut runner = Runner::new();
    for &other in &others {
        let barrier = Barrier::new();
        let (fresh, begun, mut piped) = runner
            .run(async {
                let fresh = barrier.child(6).spawn().unwrap();
                let begun = barrier.child(7).spawn().unwrap();
                // Known to the reactor of the loop that nobody drives from here on.
                let mut begun = Box::pin(async move { begun.wait().await });
                assert!(poll_once(&mut begun).await.is_none());
                let mut piped = sh("read _; echo piped; exit 8");
                let mut piped =
                    piped.stdin(barrier.stdin()).stdout(Stdio::piped()).spawn().unwrap();
                let mut stdout = piped.stdout.take().unwrap();
                let mut byte = [0];
                assert!(poll_once(stdout.read(&mut byte)).await.is_none());
                piped.stdout = Some(stdout);
                (fresh, begun, piped)
            })
            .unwrap();
        barrier.open();
        let story = async move {
            check_code(fresh.wait().await, 6, true);
            check_code(begun.await, 7, true);
            let mut said = String::new();
            piped.stdout.as_mut().unwrap().read_to_string(&mut said).await.unwrap();
            assert_eq!(said, "piped\n");
            check_code(piped.wait().await, 8, true);
        };
        println!("awaited on {other}");
        // The foreign thread is a loop's, or, once, nobody's.
        let thread = std::thread::spawn(move || {
            let policy = policy::from_name(other).unwrap();
            let mut runner = Runner::with_policy(policy);
            runner.run(story).unwrap();
            runner.close().unwrap();
        });
        thread.join().unwrap();
    }
    let barrier = Barrier::new();
    let child = runner.run(async { barrier.child(9).spawn().unwrap() }).unwrap();
    let thread = std::thread::spawn(move || check_code(block_on(child.wait()), 9, true));
    barrier.open();
    thread.join().unwrap();
    runner.close().unwrap();
    Ok(())
}

fn c8_loop(place: &Place) -> Outcome {
    let barrier = Barrier::new();
    let (tell, told) = mpsc::channel();
    let waits = place.run(async {
        let children: Vec<Child> =
            (0..100).map(|number| barrier.child(code_of(number)).spawn().unwrap()).collect();
        let mut waits = Vec::new();
        for (number, child) in children.into_iter().enumerate() {
            let mut wait = Box::pin(async move { (number, child.wait().await) });
            match number % 4 {
                0 => assert!(poll_once(&mut wait).await.is_none()),
                1 => {
                    let tell = tell.clone();
                    // Cancelled when the loop is closed, and its child dropped.
                    let _detached = policy::spawn(async move { tell.send(wait.await).unwrap() });
                    continue;
                }
                _ => {}
            }
            waits.push(wait);
        }
        waits
    });
    barrier.open();
    for wait in waits {
        let (number, status) = block_on(wait);
        check_code(status, code_of(number), true);
    }
    drop(tell);
    for (number, status) in told {
        check_code(status, code_of(number), true);
    }
    eventually("no zombie is left", || children().is_empty());
    Ok(())
}
