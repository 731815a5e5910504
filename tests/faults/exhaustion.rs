//! Exhaustion: no descriptors, no threads, no processes, no system calls, no room.

use std::os::unix::process::ExitStatusExt;

use policy::process::{Child, Command, Stdio, max_children, set_max_children};
use policy::{Error, ErrorKind};

use crate::causes::{Call, FewDescriptors, FewProcesses, refuse};
use crate::inside::Place;
use crate::table::{AUTO, EACH_WATCHER_AND_LOOP, LOOPS, On, Outcome, Row, TWO_LOOPS, WATCHERS};
use crate::tools::{Barrier, census, children, eventually, fds, helpers, logged, sh};

const EACH_REACTOR: On = &[(LOOPS, &["auto", "pidfd"])];

pub const ROWS: &[Row] = &[
    Row::new(
        "R1",
        "0 to 13 free descriptors, three pipes, everything in use",
        EACH_WATCHER_AND_LOOP,
        r1,
    ),
    Row::new("R2", "0 to 13 free descriptors at the very first use", EACH_WATCHER_AND_LOOP, r2)
        .cold()
        // Inside executors, which their adapters make errors of; one that gets out of
        // them fails the row.
        .may_panic(),
    Row::new("R3", "pidfd_open gives EMFILE after the fork", &[(TWO_LOOPS, WATCHERS)], r3)
        .once("a seccomp filter stays until the process ends"),
    Row::new("R4", "epoll_ctl gives ENOSPC after the fork", EACH_REACTOR, r4)
        .once("a seccomp filter stays until the process ends"),
    Row::new("R5", "pidfd_open gives EPERM: a sandbox", EACH_WATCHER_AND_LOOP, r5).cold(),
    Row::new(
        "R5 later",
        "pidfd_open gives EPERM, but did not before",
        EACH_WATCHER_AND_LOOP,
        r5_later,
    )
    .once("a seccomp filter stays until the process ends"),
    Row::new(
        "R6",
        "room for 0 to 3 more threads or processes",
        &[(TWO_LOOPS, WATCHERS), (LOOPS, AUTO)],
        r6,
    ),
    Row::new("R7", "no room for another process", EACH_WATCHER_AND_LOOP, r7),
    Row::new("R9 clone3", "clone3 gives ENOSYS", EACH_WATCHER_AND_LOOP, |place| {
        lacking(place, &CLONE3)
    })
    .cold(),
    Row::new("R9 pidfd_open", "pidfd_open gives ENOSYS", EACH_WATCHER_AND_LOOP, |place| {
        lacking(place, &OPEN)
    })
    .cold(),
    Row::new(
        "R9 pidfd_send_signal",
        "pidfd_send_signal gives ENOSYS",
        EACH_WATCHER_AND_LOOP,
        |place| lacking(place, &SEND),
    )
    .cold(),
    Row::new("R9 waitid", "waitid(P_PIDFD) gives EINVAL", EACH_WATCHER_AND_LOOP, lacking_waitid)
        .cold(),
    Row::new("R9 io_uring", "io_uring_setup gives ENOSYS", EACH_WATCHER_AND_LOOP, |place| {
        lacking(place, &RING)
    })
    .cold(),
    Row::new("R9 all", "none of these is there", EACH_WATCHER_AND_LOOP, lacking_all).cold(),
    Row::new("R10", "the limits of children and of output are reached", EACH_WATCHER_AND_LOOP, r10),
];

fn r1(place: &Place) -> Outcome {
    place.run(async {
        for free in 0..=13 {
            let before = fds();
            let few = FewDescriptors::new(free);
            let outcome = with_three_pipes().await;
            let spawned = command_with_three_pipes().spawn().map(drop);
            drop(few);
            right_or_no_descriptors(free, outcome.map(Some));
            right_or_no_descriptors(free, spawned.map(|()| None));
            eventually("no child is left", || children().is_empty());
            assert_eq!(with_three_pipes().await.unwrap(), 1, "the next");
            eventually("no descriptor is left", || fds() <= before);
        }
    });
    Ok(())
}

fn command_with_three_pipes() -> Command {
    // All by the shell itself, which may not be able to start anything.
    let mut command = sh("read _; echo err >&2; exit 1");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

async fn with_three_pipes() -> Result<i32, Error> {
    let output = command_with_three_pipes().output().await?;
    assert_eq!(output.stderr, b"err\n");
    Ok(output.status.code().unwrap())
}

/// Three pipes have six ends, the child has a pidfd, and its start and its reactor need some, too.
const ENOUGH: usize = 12;

#[track_caller]
fn right_or_no_descriptors(free: usize, outcome: Result<Option<i32>, Error>) {
    match outcome {
        Ok(code) => assert!(matches!(code, None | Some(1)), "{free} free: {code:?}"),
        Err(error) => {
            assert!(free < ENOUGH, "{free} free are enough: {error:?}");
            let errno = error.io_error().and_then(std::io::Error::raw_os_error);
            assert_eq!(error.kind(), ErrorKind::Io, "{free} free: {error:?}");
            assert_eq!(errno, Some(libc::EMFILE), "{free} free: {error:?}");
        }
    }
}

fn r2(place: &Place) -> Outcome {
    let Some(free) = place.part else {
        let failed: Vec<u64> =
            (0..=13).filter(|&free| !place.again(free).status().unwrap().success()).collect();
        assert!(failed.is_empty(), "with {failed:?} free descriptors; see above");
        return Ok(());
    };
    println!("-- {free} free descriptors");
    let few = FewDescriptors::new(free as usize);
    let mut runner = None;
    let first = first_use(place, &mut runner);
    drop(few);
    if let Err(error) = first {
        assert_eq!(error.kind(), ErrorKind::Io, "{error:?}");
    }
    drop(runner);
    eventually("no child is left", || children().is_empty());
    // No lasting damage.
    place.set_up();
    assert_eq!(place.run(with_three_pipes()).unwrap(), 1);
    Ok(())
}

fn first_use(place: &Place, runner: &mut Option<policy::Runner>) -> Result<i32, Error> {
    policy::set_event_loop_policy(policy::from_name(&place.on_loop).unwrap());
    policy::set_child_watcher(place.new_watcher())?;
    runner.insert(policy::Runner::new()).run(with_three_pipes())?
}

fn r3(place: &Place) -> Outcome {
    // Else the child has its pidfd from birth.
    refuse(&[Call(libc::SYS_clone3, None)], libc::ENOSYS)?;
    refuse(&[Call(libc::SYS_pidfd_open, None)], libc::EMFILE)?;
    place.run(falls_back(place.watches_by(&["pidfd"]), libc::EMFILE));
    Ok(())
}

/// All that needs no pidfd is right; a child that would need one is killed and reaped.
async fn falls_back(needs_pidfd: bool, errno: i32) {
    let barrier = Barrier::new();
    for _ in 0..3 {
        match barrier.child(3).spawn() {
            Ok(child) if !needs_pidfd => {
                child.start_kill().unwrap();
                assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGKILL));
            }
            Err(error) if needs_pidfd => {
                let found = error.io_error().and_then(std::io::Error::raw_os_error);
                assert_eq!(found, Some(errno), "{error:?}");
                assert!(children().is_empty(), "its child lives on");
            }
            outcome => panic!("{outcome:?}"),
        }
        if !needs_pidfd {
            assert_eq!(with_three_pipes().await.unwrap(), 1);
            drop(barrier.child(3).kill_on_drop(true).spawn().unwrap());
            drop(sh("exit 3").spawn().unwrap());
        }
    }
    eventually("no child is left", || children().is_empty());
}

fn r4(place: &Place) -> Outcome {
    const ADD: u64 = libc::EPOLL_CTL_ADD as u64;
    place.run(async {
        let barrier = Barrier::new();
        let early = barrier.child(4).spawn().unwrap();
        refuse(&[Call(libc::SYS_epoll_ctl, Some((1, ADD)))], libc::ENOSPC)?;
        for _ in 0..3 {
            // A thread can wait for a child, though not for a pipe.
            full_or_right(sh("exit 1").status().await.map(|status| status.code().unwrap()));
            let mut command = command_with_three_pipes();
            let output = command.kill_on_drop(true).output().await;
            full_or_right(output.map(|output| output.status.code().unwrap()));
            drop(barrier.child(1).kill_on_drop(true).spawn().unwrap());
        }
        barrier.open();
        assert_eq!(early.wait().await.unwrap().code(), Some(4));
        eventually("no child is left", || children().is_empty());
        Ok(())
    })
}

fn full_or_right(outcome: Result<i32, Error>) {
    match outcome {
        Ok(code) => assert_eq!(code, 1),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Io, "{error:?}");
            let errno = errno_within(&error);
            assert_eq!(errno, Some(libc::ENOSPC), "{error:?}");
        }
    }
}

/// The number of the system's error, at whatever depth.
fn errno_within(error: &(dyn std::error::Error + 'static)) -> Option<i32> {
    let mut error = Some(error);
    while let Some(inner) = error {
        let io = inner.downcast_ref::<std::io::Error>();
        if let Some(errno) = io.and_then(std::io::Error::raw_os_error) {
            return Some(errno);
        }
        // An `io::Error` around another error shows that one's source only.
        error = match io.and_then(std::io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => inner.source(),
        };
    }
    None
}

fn r5(place: &Place) -> Outcome {
    refuse(&[Call(libc::SYS_pidfd_open, None)], libc::EPERM)?;
    right_without_pidfds(place);
    Ok(())
}

/// Right with every watcher but the one that stands on pidfds, which says so before
/// anything is started.
fn right_without_pidfds(place: &Place) {
    place.set_up();
    place.run(async {
        if place.watches_by(&["pidfd"]) {
            assert!(!policy::get_child_watcher().unwrap().is_active());
            let error = sh("exit 3").spawn().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::WatcherInactive);
            return;
        }
        every_use().await;
    });
}

/// Statuses, signals, pipes, drops and trees, all right.
async fn every_use() {
    assert_eq!(with_three_pipes().await.unwrap(), 1);
    let barrier = Barrier::new();
    let children: Vec<Child> = (0..10).map(|code| barrier.child(code).spawn().unwrap()).collect();
    let killed = barrier.child(3).spawn().unwrap();
    killed.send_signal(0).unwrap();
    killed.start_kill().unwrap();
    assert_eq!(killed.wait().await.unwrap().signal(), Some(libc::SIGKILL));
    assert_eq!(killed.start_kill().unwrap_err().kind(), ErrorKind::ChildExited);
    drop(barrier.child(3).kill_on_drop(true).spawn().unwrap());
    drop(barrier.child(3).spawn().unwrap());
    let mut tree = sh("sleep 1000 & wait");
    let tree = tree.kill_tree(true).spawn().unwrap();
    tree.kill().await.unwrap();
    barrier.open();
    for (code, child) in (0..).zip(children) {
        assert_eq!(child.wait().await.unwrap().code(), Some(code));
    }
}

fn r5_later(place: &Place) -> Outcome {
    refuse(&[Call(libc::SYS_clone3, None)], libc::ENOSYS)?;
    refuse(&[Call(libc::SYS_pidfd_open, None)], libc::EPERM)?;
    place.run(falls_back(place.watches_by(&["pidfd"]), libc::EPERM));
    Ok(())
}

fn r6(place: &Place) -> Outcome {
    let group = FewProcesses::new()?;
    for free in 0..=3 {
        place.run(async {
            threads_end(place);
            group.leave(free);
            let spawned = sh("exit 1").spawn();
            let spawned = match spawned {
                Ok(child) => child.wait().await.map(|status| status.code().unwrap()),
                Err(error) => Err(error),
            };
            let status = sh("exit 1").status().await.map(|status| status.code().unwrap());
            let output = with_three_pipes().await;
            let dropped = sh("exit 1").spawn().map(|child| {
                drop(child);
                1
            });
            group.leave_all();
            for outcome in [spawned, status, output, dropped] {
                right_or_no_room(free, outcome);
            }
            // The next is right, and sweeps up what had to wait.
            assert_eq!(sh("exit 2").status().await.unwrap().code(), Some(2));
            eventually("no child is left", || children().is_empty());
        });
    }
    Ok(())
}

/// Waits until only the thread is left that a watcher has for good.
fn threads_end(place: &Place) {
    let has_own = place.watches_by(&["fast", "subreaper"]);
    eventually("helper threads end", || {
        helpers().iter().all(|name| has_own && name == "policy-sigchld")
    });
}

#[track_caller]
fn right_or_no_room(free: usize, outcome: Result<i32, Error>) {
    match outcome {
        Ok(code) => assert_eq!(code, 1),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Io, "room for {free}: {error:?}");
            assert_eq!(error.io_kind(), Some(std::io::ErrorKind::WouldBlock), "{error:?}");
        }
    }
}

fn r7(place: &Place) -> Outcome {
    let group = FewProcesses::new()?;
    place.run(async {
        threads_end(place);
        let before = census();
        group.leave(0);
        for _ in 0..10 {
            let error = command_with_three_pipes().spawn().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Io);
            assert_eq!(error.io_kind(), Some(std::io::ErrorKind::WouldBlock), "{error:?}");
            let error = command_with_three_pipes().output().await.unwrap_err();
            assert_eq!(error.io_kind(), Some(std::io::ErrorKind::WouldBlock), "{error:?}");
        }
        assert_eq!(census(), before);
        assert!(children().is_empty());
        group.leave_all();
        assert_eq!(with_three_pipes().await.unwrap(), 1);
    });
    Ok(())
}

const CLONE3: [Call; 1] = [Call(libc::SYS_clone3, None)];
const OPEN: [Call; 1] = [Call(libc::SYS_pidfd_open, None)];
const SEND: [Call; 1] = [Call(libc::SYS_pidfd_send_signal, None)];
const RING: [Call; 1] = [Call(libc::SYS_io_uring_setup, None)];
const WAIT: [Call; 1] = [Call(libc::SYS_waitid, Some((0, libc::P_PIDFD as u64)))];

fn lacking(place: &Place, calls: &[Call]) -> Outcome {
    refuse(calls, libc::ENOSYS)?;
    if calls[0].0 == libc::SYS_pidfd_open {
        right_without_pidfds(place);
        assert_eq!(logged("pidfd").len(), 1, "one line says so: {:?}", logged("pidfd"));
    } else {
        place.set_up();
        place.run(every_use());
        let says_so = calls[0].0 == libc::SYS_clone3 && !cfg!(policy_force_std_start);
        assert_eq!(logged("").len(), usize::from(says_so), "{:?}", logged(""));
    }
    Ok(())
}

/// As before Linux 5.4.
fn lacking_waitid(place: &Place) -> Outcome {
    refuse(&WAIT, libc::EINVAL)?;
    right_without_pidfds(place);
    assert_eq!(logged("pidfd").len(), 1, "one line says so: {:?}", logged("pidfd"));
    Ok(())
}

fn lacking_all(place: &Place) -> Outcome {
    for calls in [CLONE3, OPEN, SEND, RING] {
        refuse(&calls, libc::ENOSYS)?;
    }
    refuse(&WAIT, libc::EINVAL)?;
    right_without_pidfds(place);
    // The watcher that is not active starts none.
    let starts = !place.watches_by(&["pidfd"]) && !cfg!(policy_force_std_start);
    assert_eq!(logged("").len(), 1 + usize::from(starts), "a line for each: {:?}", logged(""));
    Ok(())
}

fn r10(place: &Place) -> Outcome {
    place.run(async {
        set_max_children(Some(3));
        assert_eq!(max_children(), Some(3));
        let barrier = Barrier::new();
        let alive: Vec<Child> = (0..3).map(|_| barrier.child(1).spawn().unwrap()).collect();
        let error = barrier.child(1).spawn().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitReached);
        let error = sh("exit 1").status().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitReached);
        assert_eq!(children().len(), 3);
        barrier.open();
        for child in alive {
            assert_eq!(child.wait().await.unwrap().code(), Some(1));
        }
        assert_eq!(sh("exit 1").status().await.unwrap().code(), Some(1));
        set_max_children(None);

        for line in ["cat /dev/zero", "cat /dev/zero >&2"] {
            let error = sh(line).max_output(100_000).output().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::LimitReached);
            eventually("it is dealt with", || children().is_empty());
        }
        let output = sh("head -c 100000 /dev/zero").max_output(100_000).output().await.unwrap();
        assert_eq!(output.stdout.len(), 100_000);
    });
    Ok(())
}
