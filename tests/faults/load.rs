//! Load: many children, many signals, many bytes.

use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use policy::process::{Child, Command};
use policy::{ChildWatcher, ThreadedChildWatcher};

use crate::causes::{self, many_descriptors};
use crate::inside::{Place, settle};
use crate::pace::Pace;
use crate::table::{
    AUTO, DEFAULT_LOOP, EACH_WATCHER, EACH_WATCHER_AND_LOOP, LOOPS, Outcome, Row, TWO_LOOPS,
    WATCHERS,
};
use crate::tools::{Barrier, belongings, census, check_code, code_of, fds, sh, threads};
use crate::{exhaustion, kill, lifecycle, loops, spawn, status};

pub const ROWS: &[Row] = &[
    Row::new(
        "L1",
        "1,000 children alive at once (full: 10,000), killed in one burst",
        &[(DEFAULT_LOOP, WATCHERS), (TWO_LOOPS, AUTO)],
        l1,
    ),
    Row::new("L2", "1,000 short children, 64 in flight (full: 20,000)", EACH_WATCHER_AND_LOOP, l2),
    Row::new(
        "L3",
        "100 children under 20,000 forged SIGCHLD (full: 300, 200,000)",
        EACH_WATCHER_AND_LOOP,
        l3,
    ),
    Row::new(
        "L4",
        "32 MB to stdout, 16 MB to stderr at once (full: 200, 100)",
        &[(LOOPS, AUTO)],
        l4,
    ),
    repeated("L5 status", |place| l5(place, status::ROWS)),
    repeated("L5 kill", |place| l5(place, kill::ROWS)),
    repeated("L5 exhaustion", |place| l5(place, exhaustion::ROWS)),
    repeated("L5 lifecycle", |place| l5(place, lifecycle::ROWS)),
    repeated("L5 loops", |place| l5(place, loops::ROWS)).all_loops(),
    repeated("L5 spawn", |place| l5(place, spawn::ROWS)),
    repeated("L5 load", |place| l5(place, ROWS)),
    Row::new(
        "L6",
        "500 children for 64 threads (full: 2,000 for 256)",
        &[(TWO_LOOPS, &["threaded"])],
        l6,
    ),
];

fn l1(place: &Place) -> Outcome {
    let count = place.count(1000, 10_000);
    let pace = Pace::take();
    many_descriptors();
    place.run(async {
        let before = fds();
        let children: Vec<Child> =
            (0..count).map(|_| Command::new("sleep").arg("1000").spawn().unwrap()).collect();
        let used = fds() - before;
        println!("{used} descriptors for {count} children");
        assert!(used <= count + 16, "{used} descriptors");
        let begun = Instant::now();
        for child in &children {
            child.start_kill().unwrap();
        }
        for child in &children {
            assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGKILL));
        }
        println!("reaped after {:?}", begun.elapsed());
        pace.check("to reap them", Duration::from_secs(2), begun.elapsed());
    });
    Ok(())
}

fn l2(place: &Place) -> Outcome {
    let count = place.count(1000, 20_000);
    place.run(async {
        in_flight(200).await;
        let (fds_before, memory_before) = (fds(), resident());
        in_flight(count).await;
        let grown = resident().saturating_sub(memory_before);
        assert!(grown < 4 << 20, "{grown} bytes more");
        // Those of helper threads that linger are counted when all is over.
        assert!(fds() <= fds_before + 4, "{} descriptors, {fds_before} before", fds());
    });
    Ok(())
}

/// Children that exit at once, 64 at a time.
async fn in_flight(count: usize) {
    let mut tasks = std::collections::VecDeque::new();
    for number in 0..count {
        if tasks.len() == 64 {
            let oldest: policy::task::JoinHandle<()> = tasks.pop_front().unwrap();
            oldest.await.unwrap();
        }
        tasks.push_back(policy::spawn(async move {
            let code = code_of(number);
            check_code(sh(format!("exit {code}")).status().await, code, true);
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

fn resident() -> usize {
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap();
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * page
}

fn l3(place: &Place) -> Outcome {
    let (count, forged) = (place.count(100, 300), place.count(20_000, 200_000));
    place.run(async {
        let stop = Arc::new(AtomicBool::new(false));
        let forger = std::thread::spawn({
            let stop = stop.clone();
            move || {
                let mut sent = 0;
                while sent < forged || !stop.load(SeqCst) {
                    causes::signal(std::process::id(), libc::SIGCHLD);
                    sent += 1;
                }
                sent
            }
        });
        for batch in (0..count).collect::<Vec<_>>().chunks(20) {
            let barrier = Barrier::new();
            let children: Vec<Child> = batch
                .iter()
                .map(|&number| barrier.child(code_of(number)).spawn().unwrap())
                .collect();
            barrier.open();
            for (&number, child) in batch.iter().zip(children) {
                check_code(child.wait().await, code_of(number), true);
            }
        }
        stop.store(true, SeqCst);
        println!("{} forged", forger.join().unwrap());
    });
    Ok(())
}

fn l4(place: &Place) -> Outcome {
    let (out, err) = (place.count(32, 200) << 20, place.count(16, 100) << 20);
    let pace = Pace::take();
    place.run(async {
        let begun = Instant::now();
        let line = format!("head -c {out} /dev/zero & head -c {err} /dev/zero >&2; wait");
        let output = sh(line).output().await.unwrap();
        assert!(output.status.success());
        assert_eq!((output.stdout.len(), output.stderr.len()), (out, err));
        pace.check("to collect them", Duration::from_secs(3), begun.elapsed());
    });
    Ok(())
}

/// The rows of one room.
const fn repeated(id: &'static str, run: fn(&Place) -> Outcome) -> Row {
    let says = "all rows of that room 5 times over (full: 20) in one process, and nothing grows";
    Row::new(id, says, EACH_WATCHER, run).once("it repeats").limit(300)
}

fn l5(place: &Place, room: &'static [Row]) -> Outcome {
    let mut rows = Vec::new();
    for row in room.iter().filter(|row| row.is_on(&place.on_loop, &place.watcher)) {
        match row.is_once() {
            Some(because) => println!("not {}: {because}", row.id),
            None => rows.push(row),
        }
    }
    // The first two rounds fill what is kept for later: pools, arenas of malloc.
    let mut before = None;
    let rounds = if rows.is_empty() { 0 } else { place.count(5, 20) };
    for round in 0..rounds {
        rows.retain(|row| {
            let begun = Instant::now();
            let outcome = place.repeat(row);
            println!("{round}: {} in {:?}", row.id, begun.elapsed());
            outcome.inspect_err(|skip| println!("not {}: {}", row.id, skip.0)).is_ok()
        });
        settle();
        let now = (census(), resident());
        match (round, before) {
            (0, _) => {}
            (_, None) => before = Some(now),
            (_, Some((before, memory))) => {
                let grown = || format!("{now:?} after {before:?}, {}", belongings());
                assert!(now.0.fds <= before.fds && now.0.threads <= before.threads, "{}", grown());
                let grown = now.1.saturating_sub(memory);
                assert!(grown < 4 << 20, "{grown} bytes more in round {round}");
            }
        }
    }
    place.set_up();
    Ok(())
}

fn l6(place: &Place) -> Outcome {
    let (count, cap) = (place.count(500, 2000), place.count(64, 256));
    many_descriptors();
    let watcher = Arc::new(ThreadedChildWatcher::new().max_threads(cap));
    policy::set_child_watcher(watcher.clone() as Arc<dyn ChildWatcher>).unwrap();
    place.run(async {
        let before = threads().len();
        let barrier = Barrier::new();
        let children: Vec<Child> =
            (0..count).map(|number| barrier.child(code_of(number)).spawn().unwrap()).collect();
        assert_eq!(watcher.threads(), cap);
        assert!(threads().len() <= before + cap, "{} threads", threads().len());
        barrier.open();
        for (number, child) in children.into_iter().enumerate() {
            check_code(child.wait().await, code_of(number), true);
        }
    });
    Ok(())
}
