//! Kill safety: a signal reaches the child that it is meant for, or nobody.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child as StdChild, ChildStdout, Command as StdCommand, Stdio};
use std::time::{Duration, Instant};

use policy::process::{Child, Command};
use policy::{Error, ErrorKind};

use crate::causes::{self, Call, recycle, refuse, steal};
use crate::inside::Place;
use crate::pace::Pace;
use crate::table::{
    AUTO, DEFAULT_LOOP, EACH_WATCHER_AND_LOOP, EACH_WATCHER_TWICE_AND_LOOP, LOOPS, Needs, On,
    Outcome, Row, Skip, TWO_LOOPS, WATCHERS, WITHOUT_PIDFD,
};
use crate::tools::{
    Barrier, check_code, check_exited, eventually, is_alive, kernel_keeps_statuses, processes, sh,
    state_of,
};

const NUMBERS_ONLY: On = &[(DEFAULT_LOOP, WITHOUT_PIDFD), (LOOPS, AUTO)];

pub const ROWS: &[Row] = &[
    Row::new(
        "K1",
        "the pid is recycled, then the stale handle kills; 20 times (full: 100)",
        EACH_WATCHER_AND_LOOP,
        k1,
    )
    .needs(Needs::PidNamespace),
    Row::new(
        "K1 without pidfds",
        "the same, by number and time of birth",
        NUMBERS_ONLY,
        k1_by_number,
    )
    .needs(Needs::PidNamespace),
    Row::new(
        "K2",
        "the pid is recycled, then the stale handle is dropped with kill_on_drop",
        EACH_WATCHER_AND_LOOP,
        k2,
    )
    .needs(Needs::PidNamespace),
    Row::new(
        "K2 without pidfds",
        "the same, by number and time of birth",
        NUMBERS_ONLY,
        k2_by_number,
    )
    .needs(Needs::PidNamespace),
    Row::new("K3", "the pid is recycled, then the stale handle waits", EACH_WATCHER_AND_LOOP, k3)
        .needs(Needs::PidNamespace),
    Row::new(
        "K3 without pidfds",
        "the same, by number and time of birth",
        &[(DEFAULT_LOOP, WITHOUT_PIDFD)],
        k3_by_number,
    )
    .needs(Needs::PidNamespace),
    Row::new(
        "K4 without kill",
        "kill(2) is refused: a child that has a pidfd is signalled by that, and never by number",
        &[(TWO_LOOPS, WATCHERS)],
        k4_without_kill,
    )
    .once("a seccomp filter stays until the process ends"),
    Row::new(
        "K4",
        "killed twice, after the wait, before the wait",
        EACH_WATCHER_TWICE_AND_LOOP,
        k4,
    ),
    Row::new(
        "K5",
        "the tree of a shell with two sleepers is killed, dropped, terminated",
        EACH_WATCHER_TWICE_AND_LOOP,
        k5,
    ),
    Row::new(
        "K7",
        "a child that ignores TERM is terminated with a grace",
        EACH_WATCHER_TWICE_AND_LOOP,
        k7,
    ),
];

fn k1(place: &Place) -> Outcome {
    each_recycled(place, async |stale| {
        check_exited(stale.start_kill());
        check_exited(stale.send_signal(libc::SIGTERM));
        check_exited(stale.kill().await);
    })
}

fn k1_by_number(place: &Place) -> Outcome {
    no_pidfds()?;
    k1(place)
}

fn k2(place: &Place) -> Outcome {
    each_recycled(place, async |stale| drop(stale))
}

fn k2_by_number(place: &Place) -> Outcome {
    no_pidfds()?;
    k2(place)
}

fn k3(place: &Place) -> Outcome {
    let keeps = kernel_keeps_statuses();
    each_recycled(place, async |stale| check_code(stale.wait().await, 7, keeps))
}

fn k3_by_number(place: &Place) -> Outcome {
    no_pidfds()?;
    each_recycled(place, async |stale| check_code(stale.wait().await, 7, false))
}

fn no_pidfds() -> Outcome {
    refuse(&[Call(libc::SYS_pidfd_open, None)], libc::ENOSYS)
}

/// Gives stale handles whose number has an innocent, which must live through what is
/// done with them, and keep its status.
fn each_recycled(place: &Place, action: impl AsyncFn(Child)) -> Outcome {
    // Where there is none the birth is told by the clock tick, which is 10 ms; a number
    // takes longer to come again by itself.
    let by_number = policy_opens_no_pidfds();
    place.run(async {
        for _ in 0..place.count(if by_number { 4 } else { 20 }, 100) {
            let barrier = Barrier::new();
            let stale = barrier.child(7).kill_on_drop(true).spawn().unwrap();
            let pid = stale.id();
            if by_number {
                std::thread::sleep(Duration::from_millis(25));
            }
            barrier.open();
            // Whoever gets it, the library's watcher or this, the number is free then.
            steal(pid);
            eventually("the number is free", || state_of(pid).is_none());
            let mut innocent = Innocent::with_pid(pid)?;
            action(stale).await;
            innocent.lives(place.watches_by(&["fast"]));
        }
        Ok(())
    })
}

fn policy_opens_no_pidfds() -> bool {
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, std::process::id(), 0) };
    if fd >= 0 {
        unsafe { libc::close(fd as i32) };
    }
    fd < 0
}

struct Innocent {
    process: StdChild,
    stdout: BufReader<ChildStdout>,
}

impl Innocent {
    fn with_pid(pid: u32) -> Result<Self, Skip> {
        let mut process = recycle(pid, || {
            StdCommand::new("sh")
                .args(["-c", "read _; echo lives; exit 42"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        })?;
        let stdout = BufReader::new(process.stdout.take().unwrap());
        Ok(Self { process, stdout })
    }

    fn lives(&mut self, is_taken: bool) {
        drop(self.process.stdin.take());
        let mut said = String::new();
        self.stdout.read_line(&mut said).unwrap();
        assert_eq!(said, "lives\n", "an innocent was killed");
        if is_taken {
            // As documented: that watcher reaps whatever there is.
            eventually("it is reaped", || state_of(self.process.id()).is_none());
        } else {
            assert_eq!(self.process.wait().unwrap().code(), Some(42), "its status was taken");
        }
    }
}

fn k4(place: &Place) -> Outcome {
    place.run(async {
        let child = sleeper();
        child.start_kill().unwrap();
        harmless(child.start_kill());
        assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGKILL));
        check_exited(child.start_kill());
        check_exited(child.kill().await);
        check_exited(child.send_signal(0));
        assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGKILL));

        let child = sleeper();
        child.kill().await.unwrap();
        check_exited(child.kill().await);
        assert_eq!(child.returncode(), Some(-libc::SIGKILL));

        let child = sh("exit 4").spawn().unwrap();
        assert_eq!(child.wait().await.unwrap().code(), Some(4));
        check_exited(child.start_kill());
        assert_eq!(child.terminate(Duration::ZERO).await.unwrap().code(), Some(4));
        assert_eq!(child.try_wait().unwrap().unwrap().code(), Some(4));

        let child = sleeper();
        let error = child.send_signal(4711).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        child.kill().await.unwrap();
    });
    Ok(())
}

/// Who looks by the pidfd and then kills by number kills whoever has got the number in between.
fn k4_without_kill(place: &Place) -> Outcome {
    if policy_opens_no_pidfds() {
        return Err(Skip::because("no pidfds here"));
    }
    refuse(&[Call(libc::SYS_kill, None)], libc::EPERM)?;
    assert!(!causes::signal(std::process::id(), 0), "this is how it would be seen");
    k4(place)
}

fn sleeper() -> Child {
    Command::new("sleep").arg("1000").spawn().unwrap()
}

/// It came in time, or a moment too late.
fn harmless(result: Result<(), Error>) {
    if let Err(error) = result {
        assert_eq!(error.kind(), ErrorKind::ChildExited);
    }
}

fn k5(place: &Place) -> Outcome {
    place.run(async {
        let child = tree();
        child.kill().await.unwrap();
        all_gone(child.id());

        let child = tree();
        let leader = child.id();
        drop(child);
        all_gone(leader);

        let child = tree();
        let status = child.terminate(Duration::from_secs(20)).await.unwrap();
        assert_eq!(status.signal(), Some(libc::SIGTERM));
        all_gone(child.id());

        // The leader goes first.
        let child = tree();
        child.send_signal(libc::SIGKILL).unwrap();
        assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGKILL));
        assert_eq!(alive_in(child.id()), 2);
        let tree_is_reachable = child.start_kill();
        if let Err(error) = tree_is_reachable {
            // Before Linux 6.9 a group whose leader was reaped has no safe name.
            assert_eq!(error.kind(), ErrorKind::ChildExited);
            for process in processes().filter(|process| process.group == child.id()) {
                causes::signal(process.pid, libc::SIGKILL);
            }
        }
        all_gone(child.id());
    });
    Ok(())
}

fn tree() -> Child {
    let mut command = sh("sleep 1000 & sleep 1000 & wait");
    let child = command.kill_tree(true).kill_on_drop(true).spawn().unwrap();
    eventually("all three are there", || {
        processes().filter(|p| p.group == child.id() && p.name == "sleep").count() == 2
    });
    child
}

fn alive_in(group: u32) -> usize {
    processes().filter(|process| process.group == group && is_alive(process.pid)).count()
}

#[track_caller]
fn all_gone(group: u32) {
    eventually("no descendant is left", || alive_in(group) == 0);
}

fn k7(place: &Place) -> Outcome {
    const GRACE: Duration = Duration::from_millis(200);
    let pace = Pace::take();
    place.run(async {
        pace.check_best("the end after the grace", Duration::from_millis(100), async || {
            let mut command = sh("trap '' TERM; echo ready; exec sleep 1000");
            let mut child = command.stdout(policy::process::Stdio::piped()).spawn().unwrap();
            let mut said = String::new();
            let stdout = futures_lite::io::BufReader::new(child.stdout.take().unwrap());
            futures_lite::AsyncBufReadExt::read_line(&mut { stdout }, &mut said).await.unwrap();
            assert_eq!(said, "ready\n");
            let begun = Instant::now();
            let status = child.terminate(GRACE).await.unwrap();
            assert_eq!(status.signal(), Some(libc::SIGKILL));
            assert!(begun.elapsed() >= GRACE, "no grace");
            begun.elapsed() - GRACE
        })
        .await;

        // One that obeys needs no grace.
        let child = sleeper();
        let status = child.terminate(Duration::from_secs(1000)).await.unwrap();
        assert_eq!(status.signal(), Some(libc::SIGTERM));
    });
    Ok(())
}
