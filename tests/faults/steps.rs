//! What a child does to itself before it is its program: each step is refused, on each way
//! to start it, and the error says which.

use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use policy::process::{Cgroup, Command, Stdio};

use crate::causes::{self, Call, refuse};
use crate::inside::{Place, SKIPPED};
use crate::table::{AUTO, Outcome, Row, Skip, TWO_LOOPS};
use crate::tools::{census, children, eventually, helpers};

pub const ROWS: &[Row] = &[
    // It starts the keeper, which stays, and compares what there is after that by itself.
    Row::new("F13", "every step of a start is refused, one at a time", &[(TWO_LOOPS, AUTO)], f13)
        .limit(180)
        .cold(),
];

/// What becomes of a start one step of which is refused.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    /// The child does without.
    Runs,
    /// An error, in which these words are.
    Fails(&'static str),
    /// One or the other: the refusal comes before the step, or std's part is in it.
    Either,
}
use Then::{Either, Fails, Runs};

type Change = fn(&mut Command) -> &mut Command;

struct Step {
    name: &'static str,
    call: Call,
    errno: i32,
    /// Asks for the step.
    change: Change,
    /// On our own way, and on std's.
    then: [Then; 2],
}

fn step(
    name: &'static str,
    number: i64,
    condition: Option<(u8, u64)>,
    change: Change,
    then: [Then; 2],
) -> Step {
    Step { name, call: Call(number, condition), errno: libc::ENOSYS, change, then }
}

/// A step that std's command has no words for: it is the same plan on both ways.
fn own(
    name: &'static str,
    number: i64,
    condition: Option<(u8, u64)>,
    change: Change,
    words: &'static str,
) -> Step {
    step(name, number, condition, change, [Fails(words); 2])
}

const WRITE: Option<(u8, u64)> = Some((2, (libc::O_WRONLY | libc::O_CLOEXEC) as u64));

fn steps() -> Vec<Step> {
    let mut all = streams();
    all.extend(places());
    all.extend(rights());
    all.push(step(
        "rt_sigaction",
        libc::SYS_rt_sigaction,
        Some((0, libc::SIGPIPE as u64)),
        |command| command,
        [Fails("signals"), Either],
    ));
    let set_mask = Some((0, libc::SIG_SETMASK as u64));
    all.push(step(
        "rt_sigprocmask",
        libc::SYS_rt_sigprocmask,
        set_mask,
        |command| command,
        [Either; 2],
    ));
    all.push(step(
        "execve",
        libc::SYS_execve,
        None,
        |command| command,
        [Fails("`/bin/true`"), Either],
    ));
    for errno in [libc::ENOSYS, libc::EPERM, libc::EINVAL] {
        // glibc does not do without it if that is not ENOSYS; the first of our starts looks.
        let clone3 = step("clone3", libc::SYS_clone3, None, |command| command, [Runs, Either]);
        all.push(Step { errno, ..clone3 });
    }
    all
}

fn streams() -> Vec<Step> {
    let duplicate = Some((1, libc::F_DUPFD_CLOEXEC as u64));
    let keep = Some((1, libc::F_SETFD as u64));
    vec![
        step(
            "dup3",
            libc::SYS_dup3,
            None,
            |command| command.stdout(Stdio::piped()),
            [Fails("standard streams"), Either],
        ),
        step(
            "fcntl to copy",
            libc::SYS_fcntl,
            duplicate,
            |command| command.stdout(low()),
            [Fails("standard streams"), Either],
        ),
        step(
            "openat /dev/null",
            libc::SYS_openat,
            WRITE,
            |command| command.stdout(Stdio::null()),
            [Fails("standard streams"), Either],
        ),
        step("close_range", libc::SYS_close_range, None, |command| command, [Runs; 2]),
        own("fcntl", libc::SYS_fcntl, keep, |command| command.pass_fd(high()), "descriptor"),
    ]
}

fn places() -> Vec<Step> {
    let (control, forward) = (Some((1, libc::TIOCSCTTY)), Some((1, libc::TIOCSPGRP)));
    vec![
        step(
            // Who is born there need not join.
            "openat cgroup.procs",
            libc::SYS_openat,
            WRITE,
            |command| {
                let group = causes::cgroup_of(std::process::id()).unwrap();
                command.cgroup(Cgroup::existing(group))
            },
            [Runs, Fails("join its control group")],
        ),
        own("setsid", libc::SYS_setsid, None, |command| command.session(), "lead a session"),
        own(
            "getpgid",
            libc::SYS_getpgid,
            None,
            |command| {
                let mut std = std::process::Command::new("/bin/true");
                std::os::unix::process::CommandExt::process_group(&mut std, 0);
                *command = std.into();
                command.session()
            },
            "lead a session",
        ),
        step(
            "setpgid",
            libc::SYS_setpgid,
            None,
            |command| command.process_group(0),
            [Fails("process group 0"), Either],
        ),
        own("TIOCSCTTY", libc::SYS_ioctl, control, |command| command.pty(), "the terminal"),
        own(
            "TIOCSPGRP",
            libc::SYS_ioctl,
            forward,
            |command| command.foreground(true),
            "foreground",
        ),
        step(
            "chdir",
            libc::SYS_chdir,
            None,
            |command| command.current_dir("/"),
            [Fails("in `/`"), Either],
        ),
        own(
            "fchdir",
            libc::SYS_fchdir,
            None,
            |command| command.current_dir_fd(File::open("/").unwrap()),
            "the folder that was given",
        ),
    ]
}

fn rights() -> Vec<Step> {
    let dies: Change = |command| command.pdeathsig(libc::SIGTERM);
    let core = Some((1, u64::from(libc::RLIMIT_CORE)));
    let death_signal = Some((0, libc::PR_SET_PDEATHSIG as u64));
    vec![
        own(
            "prlimit64",
            libc::SYS_prlimit64,
            core,
            |command| command.rlimit(libc::RLIMIT_CORE, 0, 0),
            "limit of resource",
        ),
        own("setpriority", libc::SYS_setpriority, None, |command| command.nice(19), "priority"),
        own("umask", libc::SYS_umask, None, |command| command.umask(0o22), "umask"),
        own(
            "setgid",
            libc::SYS_setgid,
            None,
            |command| command.gid(unsafe { libc::getgid() }),
            "become group",
        ),
        own("setgroups", libc::SYS_setgroups, None, |command| command.groups([0]), "groups"),
        own(
            "setuid",
            libc::SYS_setuid,
            None,
            |command| command.uid(unsafe { libc::getuid() }),
            "become user",
        ),
        own("prctl", libc::SYS_prctl, death_signal, dies, "signal 15"),
        own("getppid", libc::SYS_getppid, None, dies, "signal 15"),
    ]
}

/// A descriptor whose number is a standard stream's.
fn low() -> OwnedFd {
    unsafe { libc::close(0) };
    let null = OwnedFd::from(File::options().write(true).open("/dev/null").unwrap());
    assert_eq!(null.as_raw_fd(), 0);
    null
}

fn high() -> OwnedFd {
    unsafe { OwnedFd::from_raw_fd(libc::fcntl(2, libc::F_DUPFD_CLOEXEC, 60)) }
}

/// Gives this process a terminal, in a session of its own.
fn have_a_terminal() {
    let side = |name: &std::ffi::CStr| unsafe { libc::open(name.as_ptr(), libc::O_RDWR) };
    unsafe {
        libc::setsid();
        let ours = side(c"/dev/ptmx");
        libc::grantpt(ours);
        libc::unlockpt(ours);
        // The first that is opened becomes it.
        assert!(side(std::ffi::CStr::from_ptr(libc::ptsname(ours))) >= 0);
    }
}

fn f13(place: &Place) -> Outcome {
    place.set_up();
    let Some(part) = place.part else {
        for (number, step) in (0..).zip(steps()) {
            for by_std in [0, 1] {
                let status = place.again(2 * number + by_std).status().unwrap();
                let may = [Some(0), Some(SKIPPED)];
                assert!(may.contains(&status.code()), "{}, {by_std}: {status}", step.name);
            }
        }
        return Ok(());
    };
    let Step { name, call, errno, change, then } = steps().swap_remove((part / 2) as usize);
    let by_std = part % 2 == 1 || cfg!(policy_force_std_start);
    let then = then[usize::from(by_std)];
    println!("-- {name}, by std: {by_std}");
    if name.contains("cgroup") && causes::cgroup_of(std::process::id()).is_none() {
        return Err(Skip::because("no control groups of version 2 here"));
    }
    if name == "TIOCSPGRP" {
        have_a_terminal();
    }
    if part % 2 == 1 {
        refuse(&[Call(libc::SYS_clone3, None)], libc::ENOSYS)?;
    }
    let make = || {
        let mut command = Command::new("/bin/true");
        change(&mut command);
        command
    };
    place.run(async {
        // What is kept for later starts is there by now.
        assert!(make().status().await.unwrap().success());
        assert!(make().spawn().unwrap().wait().await.unwrap().success());
        eventually("helper threads end", || helpers().iter().all(|name| name == "policy-keeper"));
        let before = census();
        refuse(&[call], errno)?;
        for _ in 0..20 {
            match make().spawn() {
                Ok(child) => {
                    assert!(matches!(then, Runs | Either), "{name} was refused");
                    assert!(child.wait().await.unwrap().success());
                }
                Err(error) => {
                    let found = error.io_error().and_then(std::io::Error::raw_os_error);
                    assert_eq!(found, Some(errno), "{name}: {error:?}");
                    match then {
                        Runs => panic!("{name}: {error:?}"),
                        Fails(words) => assert!(error.to_string().contains(words), "{error}"),
                        Either => {}
                    }
                }
            }
        }
        assert!(children().is_empty(), "{name}: {:?}", children());
        eventually(&format!("{name}: nothing is left beside {before:?}"), || {
            let after = census();
            after.fds <= before.fds && after.threads <= before.threads
        });
        Ok(())
    })
}
