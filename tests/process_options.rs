//! What a child can be told before it runs; and thieves, who take statuses. Each story
//! in a process of its own.
#![cfg(all(target_os = "linux", feature = "default-loop"))]
#![allow(
    missing_docs,
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::zombie_processes,
    clippy::indexing_slicing,
    reason = "a test that fails panics, and sets signal handlers"
)]

mod process_support;

use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use policy::process::{Command, Stdio};
use policy::{ErrorKind, PidfdChildWatcher, Runner};

use process_support::{
    children, eventually, nothing_is_left_everywhere, on_every_loop, policy_with, sh, state_of,
    watchers,
};

fn stat_of(pid: u32, field: usize) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let rest = stat.rsplit_once(") ").unwrap().1.to_owned();
    rest.split(' ').nth(field - 3).unwrap().to_owned()
}

#[test]
fn a_session_is_led_by_the_child() {
    on_every_loop(|| async {
        let child = Command::new("sleep").arg("1000").session().spawn().unwrap();
        assert_eq!(stat_of(child.id(), 6), child.id().to_string());
        child.kill().await.unwrap();
    });
}

#[test]
fn a_process_group_is_led_by_the_child() {
    on_every_loop(|| async {
        let child = Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
        assert_eq!(stat_of(child.id(), 5), child.id().to_string());
        child.kill().await.unwrap();
    });
}

#[test]
fn the_leader_of_a_session_leads_a_group_whatever_else_it_is_told() {
    on_every_loop(|| async {
        for kind in ["kill_tree", "process_group", "both", "std"] {
            let mut command = Command::new("sleep");
            if kind == "std" {
                let mut std = std::process::Command::new("sleep");
                std::os::unix::process::CommandExt::process_group(&mut std, 0);
                command = Command::from(std);
            }
            if matches!(kind, "kill_tree" | "both") {
                command.kill_tree(true);
            }
            if matches!(kind, "process_group" | "both") {
                command.process_group(0);
            }
            // Used to be EPERM, whichever came first.
            let child = command.arg("1000").session().spawn().unwrap();
            let id = child.id().to_string();
            assert_eq!((stat_of(child.id(), 5), stat_of(child.id(), 6)), (id.clone(), id));
            child.kill().await.unwrap();
        }
    });
}

#[test]
fn options_that_exclude_each_other_are_named_before_anything_is_started() {
    on_every_loop(|| async {
        let group = i32::try_from(std::process::id()).unwrap();
        let mut tree = Command::new("true");
        tree.process_group(group).kill_tree(true);
        let mut session = Command::new("true");
        session.session().process_group(group);
        for (mut command, other) in [(tree, "kill_tree"), (session, "session")] {
            for error in [command.spawn().unwrap_err(), command.output().await.unwrap_err()] {
                assert_eq!(error.kind(), ErrorKind::InvalidInput);
                let said = error.to_string();
                assert!(said.contains("process_group") && said.contains(other), "{said}");
            }
        }
    });
}

#[test]
fn a_limit_holds_in_the_child_alone() {
    on_every_loop(|| async {
        let output = sh("ulimit -n").rlimit(libc::RLIMIT_NOFILE, 77, 77).output().await.unwrap();
        assert_eq!(output.stdout, b"77\n");
        let output = sh("ulimit -n").output().await.unwrap();
        assert_ne!(output.stdout, b"77\n");
    });
}

#[test]
fn a_descriptor_is_passed_to_the_one_it_was_given_to() {
    on_every_loop(|| async {
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        assert_eq!(rustix::io::write(&write, b"hello"), Ok(5));
        drop(write);
        let number = read.as_raw_fd();
        let line = format!("cat /proc/self/fd/{number}");
        let output = sh(&line).output().await.unwrap();
        assert!(!output.status.success());
        let output = sh(&line).pass_fd(read).output().await.unwrap();
        assert_eq!(output.stdout, b"hello");
    });
}

#[test]
fn a_plan_that_fails_in_the_child_is_an_error_of_the_start() {
    on_every_loop(|| async {
        let error = Command::new("true").pdeathsig(999).spawn().unwrap_err();
        assert_eq!(error.io_error().and_then(std::io::Error::raw_os_error), Some(libc::EINVAL));
    });
}

alone! {
    fn a_death_signal_comes_when_the_process_ends_and_not_with_a_thread() {
        // Played by a process of its own: this test again.
        const PARENT: &str = "POLICY_TEST_PARENT";
        if std::env::var_os(PARENT).is_some() {
            let child = std::thread::spawn(|| {
                let mut runner = Runner::new();
                runner
                    .run(async {
                        Command::new("sleep").arg("1000").pdeathsig(libc::SIGTERM).spawn()
                    })
                    .unwrap()
                    .unwrap()
            })
            .join()
            .unwrap();
            // The thread has gone, and its loop.
            eventually("it sleeps", || state_of(child.id()) == Some('S'));
            println!("child {}", child.id());
            std::mem::forget(child);
            std::process::exit(0);
        }
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(std::env::args().skip(1))
            .env(PARENT, "1")
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let pid: u32 = said
            .lines()
            .find_map(|line| line.split_once("child ").and_then(|(_, pid)| pid.parse().ok()))
            .unwrap_or_else(|| panic!("{said}"));
        eventually("it ends with its parent", || matches!(state_of(pid), None | Some('Z')));
    }

    fn an_ignored_sigchld_loses_no_status() {
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
        for (name, watcher) in watchers() {
            // That one handles the signal, which ends the ignoring.
            println!("{name}");
            let mut runner = Runner::with_policy(policy_with("default", watcher()));
            runner.run(async {
                for code in 0..100 {
                    let child = sh(format!("exit {code}")).spawn().unwrap();
                    assert_eq!(child.wait().await.unwrap().code(), Some(code));
                    let output = sh(format!("exit {code}")).output().await.unwrap();
                    assert_eq!(output.status.code(), Some(code));
                }
            }).unwrap();
        }
    }

    fn thieves_get_no_status_of_a_child() {
        let stop = Arc::new(AtomicBool::new(false));
        let thieves: Vec<_> = (0..2)
            .map(|_| {
                let stop = stop.clone();
                std::thread::spawn(move || {
                    let mut stolen = 0;
                    while !stop.load(SeqCst) {
                        if unsafe { libc::waitpid(-1, std::ptr::null_mut(), 0) } > 0 {
                            stolen += 1;
                        } else {
                            std::thread::yield_now();
                        }
                    }
                    stolen
                })
            })
            .collect();
        for (name, watcher) in watchers() {
            println!("{name}");
            let mut runner = Runner::with_policy(policy_with("default", watcher()));
            runner.run(async {
                for round in 0..300 {
                    let code = round % 256;
                    let child = sh(format!("exit {code}")).spawn().unwrap();
                    match child.wait().await {
                        Ok(status) => assert_eq!(status.code(), Some(code)),
                        Err(error) => {
                            // Before Linux 6.15.
                            assert_eq!(error.kind(), ErrorKind::StatusLost);
                            println!("skipped: this kernel keeps no status of a reaped child");
                            break;
                        }
                    }
                }
            }).unwrap();
        }
        stop.store(true, SeqCst);
        // Something for them to wait for, so that they see that it is over.
        while !thieves.iter().all(std::thread::JoinHandle::is_finished) {
            let _taken = std::process::Command::new("true").status();
        }
        let stolen: i32 = thieves.into_iter().map(|thief| thief.join().unwrap()).sum();
        assert!(stolen > 100, "the thieves stole {stolen}");
    }

    fn a_thief_makes_a_status_lost_or_right_and_never_wrong() {
        for (name, watcher) in watchers() {
            println!("{name}");
            let mut runner = Runner::with_policy(policy_with("default", watcher()));
            runner.run(async {
                let mut child = sh("read line; exit 42").stdin(Stdio::piped()).spawn().unwrap();
                let pid = child.id();
                drop(child.stdin.take());
                // It may be ours first.
                unsafe { libc::waitpid(pid as i32, std::ptr::null_mut(), 0) };
                match child.wait().await {
                    Ok(status) => assert_eq!(status.code(), Some(42)),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::StatusLost),
                }
                assert_eq!(child.kill().await.unwrap_err().kind(), ErrorKind::ChildExited);
            }).unwrap();
        }
    }

    fn children_with_plans_leave_nothing() {
        nothing_is_left_everywhere(|| async {
            let mut command = sh("exit 3");
            command.session().rlimit(libc::RLIMIT_CORE, 0, 0);
            assert_eq!(command.status().await.unwrap().code(), Some(3));
            assert_eq!(command.spawn().unwrap().wait().await.unwrap().code(), Some(3));
            let error = Command::new("no-such").spawn().unwrap_err();
            assert_eq!(error.io_kind(), Some(std::io::ErrorKind::NotFound));
        });
    }

    fn a_forked_copy_leaves_the_children_of_its_parent_alone() {
        let mut runner = Runner::with_policy(policy_with("default", Arc::new(PidfdChildWatcher::new())));
        let child = runner.run(async {
            Command::new("sleep").arg("1000").kill_on_drop(true).spawn().unwrap()
        }).unwrap();
        let pid = child.id();
        match unsafe { libc::fork() } {
            0 => {
                let forked = child.try_wait().is_err_and(|error| error.kind() == ErrorKind::Forked)
                    && child.start_kill().is_err_and(|error| error.kind() == ErrorKind::Forked);
                drop(child);
                unsafe { libc::_exit(if forked { 0 } else { 1 }) };
            }
            copy => {
                let mut status = 0;
                assert_eq!(unsafe { libc::waitpid(copy, &raw mut status, 0) }, copy);
                assert_eq!(status, 0);
            }
        }
        assert!(!matches!(state_of(pid), None | Some('Z')));
        drop(child);
        eventually("it is gone", || children().is_empty());
    }
}
