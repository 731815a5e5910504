//! Time: the clock that is waited by stands elsewhere.

use std::os::unix::process::ExitStatusExt;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::SeqCst};
use std::time::{Duration, Instant, SystemTime};

use policy::process::Command;

use crate::causes;
use crate::inside::Place;
use crate::pace::Pace;
use crate::table::{EACH_WATCHER_AND_LOOP, Needs, Outcome, Row};
use crate::tools::{eventually, is_alive, sh};

pub const ROWS: &[Row] = &[
    Row::new(
        "T1",
        "the monotonic clock is 11 days ahead: nothing is early, nothing is that late",
        EACH_WATCHER_AND_LOOP,
        t1,
    )
    .needs(Needs::TimeNamespace),
    Row::new(
        "T1 wall clock",
        "the wall clock jumps to 2030 and back all the time: nobody looks at it",
        EACH_WATCHER_AND_LOOP,
        t1_wall_clock,
    ),
];

/// How many seconds the wall clock is ahead in this program.
static AHEAD: AtomicI64 = AtomicI64::new(0);

/// Takes the place of the C library's for this program and all that is linked into it.
/// Setting the clock itself would set everybody's.
#[unsafe(no_mangle)]
extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> libc::c_int {
    let result = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) };
    if result == 0 && clock == libc::CLOCK_REALTIME {
        unsafe { (*time).tv_sec += AHEAD.load(SeqCst) };
    }
    result as libc::c_int
}

fn t1_wall_clock(place: &Place) -> Outcome {
    const YEARS: i64 = 4 * 365 * 24 * 3600;
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(SeqCst) {
                AHEAD.store(YEARS - AHEAD.load(SeqCst), SeqCst);
                std::thread::sleep(Duration::from_millis(20));
            }
            AHEAD.store(0, SeqCst);
        });
        let begun = SystemTime::now();
        eventually("it jumps", || {
            let apart =
                SystemTime::now().duration_since(begun).unwrap_or_else(|error| error.duration());
            apart > Duration::from_secs(1_000_000)
        });
        let outcome = t1(place);
        stop.store(true, SeqCst);
        outcome
    })?;
    // Timers of the kernel see its own clock, which has not jumped: none goes by that.
    for fd in std::fs::read_dir("/proc/self/fdinfo").unwrap().flatten() {
        let info = std::fs::read_to_string(fd.path()).unwrap_or_default();
        let clock = info.lines().find_map(|line| line.strip_prefix("clockid:"));
        assert_ne!(clock.map(str::trim), Some("0"), "a timer goes by the wall clock: {info}");
    }
    Ok(())
}

fn t1(place: &Place) -> Outcome {
    const SOME: Duration = Duration::from_millis(200);
    const LATE: Duration = Duration::from_millis(50);
    let pace = Pace::take();
    place.run(async {
        pace.check_best("the end of a sleep", LATE, async || {
            let begun = Instant::now();
            policy::time::sleep(SOME).await;
            assert!(begun.elapsed() >= SOME, "too early");
            begun.elapsed() - SOME
        })
        .await;

        let child = sh("trap '' TERM; while :; do sleep 0.01; done");
        let child = { child }.kill_tree(true).spawn().unwrap();
        let begun = Instant::now();
        let status = child.terminate(SOME).await.unwrap();
        if status.signal() == Some(libc::SIGKILL) {
            assert!(begun.elapsed() >= SOME, "no grace");
        }

        let begun = Instant::now();
        let mut command = sh("sleep 1000 & echo $!");
        let output = command.wait_delay(SOME).output().await.unwrap();
        assert!(output.truncated && begun.elapsed() >= SOME);
        let grandchild: u32 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
        causes::signal(grandchild, libc::SIGKILL);
        eventually("it is gone", || !is_alive(grandchild));

        let child = Command::new("sleep").arg("1000").spawn().unwrap();
        pace.check_best("the end of a timeout", LATE, async || {
            let begun = Instant::now();
            assert!(policy::time::timeout(SOME, child.wait()).await.is_err());
            begun.elapsed() - SOME
        })
        .await;
        child.kill().await.unwrap();
    });
    Ok(())
}
