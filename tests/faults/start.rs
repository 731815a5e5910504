//! The start of a child: what it gets, what it does to itself, and what fails.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use policy::ErrorKind;
use policy::process::{Cgroup, Command, Stdio};

use crate::causes::{self, Call, Thieves};
use crate::inside::Place;
use crate::table::{AUTO, EACH_WATCHER, On, Outcome, Row, TWO_LOOPS};
use crate::tools::{Barrier, census, check_code, children, code_of, eventually, fds, sh};

const TWO: On = &[(TWO_LOOPS, AUTO)];

pub const ROWS: &[Row] = &[
    Row::new("F4", "starts that fail while nobody minds SIGCHLD", EACH_WATCHER, |place| {
        failing(place, || causes::handle_sigchld(libc::SIG_DFL))
    }),
    Row::new("F4 ignored", "starts that fail while SIGCHLD is ignored", EACH_WATCHER, |place| {
        failing(place, || causes::handle_sigchld(libc::SIG_IGN))
    }),
    Row::new("F4 nocldwait", "starts that fail while the kernel reaps", EACH_WATCHER, |place| {
        failing(place, reap_by_kernel)
    }),
    Row::new(
        "F4 thieves",
        "starts that fail beside two threads in waitpid(-1)",
        EACH_WATCHER,
        |place| {
            let thieves = Thieves::new(2);
            let outcome = failing(place, || ());
            thieves.stop();
            outcome
        },
    ),
    Row::new("F5", "starts from threads that block every signal", EACH_WATCHER, f5),
    Row::new("F6", "0 to 2 are closed, in all combinations", TWO, f6),
    // It starts the keeper, which stays, and compares what there is after that by itself.
    Row::new("F10", "every pair of options", TWO, f10).cold(),
    Row::new("F14", "64 threads start 10 children each (full: 50), among noise", TWO, f14),
    Row::new("F15", "descriptors that are not close-on-exec", TWO, f15),
    Row::new("F16", "a child that is killed before it is its program", EACH_WATCHER, f16),
];

fn reap_by_kernel() {
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_flags = libc::SA_NOCLDWAIT;
    assert_eq!(
        unsafe { libc::sigaction(libc::SIGCHLD, &raw const action, std::ptr::null_mut()) },
        0
    );
}

type Make<'a> = Box<dyn Fn() -> Command + 'a>;

/// Each gives the kind that std gives where nothing is wrong, and calls no panic hook.
fn failing(place: &Place, cause: impl FnOnce()) -> Outcome {
    let (locked, garbage) =
        (causes::program(b"exit 0", 0o600), causes::program(b"\0\x01\x02", 0o700));
    let folder = causes::Scratch::folder();
    place.run(async {
        cause();
        let gone = folder.0.join("gone");
        let commands: Vec<(&str, Make<'_>, i32)> = vec![
            ("missing", Box::new(|| Command::new("/no/such/program")), libc::ENOENT),
            ("not in PATH", Box::new(|| Command::new("no-such-program")), libc::ENOENT),
            ("empty", Box::new(|| Command::new("")), libc::ENOENT),
            ("folder", Box::new(|| Command::new("/")), libc::EACCES),
            ("not executable", Box::new(|| Command::new(&locked.0)), libc::EACCES),
            ("no format", Box::new(|| Command::new(&garbage.0)), libc::ENOEXEC),
            (
                "no format, in a PATH of its own",
                Box::new(|| {
                    let mut command = Command::new(garbage.0.file_name().unwrap());
                    command.env("PATH", garbage.0.parent().unwrap());
                    command
                }),
                libc::ENOEXEC,
            ),
            (
                "no folder",
                Box::new(|| {
                    let mut command = Command::new("true");
                    command.current_dir(&gone);
                    command
                }),
                libc::ENOENT,
            ),
            (
                "no group",
                Box::new(|| {
                    let mut command = Command::new("true");
                    command.process_group(1);
                    command
                }),
                libc::EPERM,
            ),
        ];
        for (name, make, errno) in &commands {
            for _ in 0..place.count(3, 20) {
                let errors = [
                    make().spawn().map(drop).unwrap_err(),
                    make().status().await.map(drop).unwrap_err(),
                    make().output().await.map(drop).unwrap_err(),
                    make().session_or_not(name).spawn().map(drop).unwrap_err(),
                ];
                for error in errors {
                    let found = error.io_error().and_then(std::io::Error::raw_os_error);
                    assert_eq!(found, Some(*errno), "{name}: {error:?}");
                }
            }
        }
        causes::handle_sigchld(libc::SIG_DFL);
    });
    eventually("no child is left", || children().is_empty());
    Ok(())
}

trait OnTheOtherPath {
    /// Asks for something more, so that a start without a way of its own takes another.
    fn session_or_not(self, name: &str) -> Self;
}

impl OnTheOtherPath for Command {
    fn session_or_not(mut self, name: &str) -> Self {
        if name != "no group" {
            self.session();
        }
        self
    }
}

fn f5(place: &Place) -> Outcome {
    place.run(async {
        let former = block_all();
        for _ in 0..2 {
            let output = asks_for_signals().output().await.unwrap();
            is_clean(&output.stdout);
            let spawned = asks_for_signals().stdout(Stdio::piped()).spawn().unwrap();
            is_clean(&spawned.wait_with_output().await.unwrap().stdout);
            for change in [Command::session as fn(&mut Command) -> &mut Command, keeps_tree, dies] {
                let mut command = asks_for_signals();
                is_clean(&change(&mut command).output().await.unwrap().stdout);
            }
        }
        restore(&former);
        // By a callback, wherever that is called.
        let (tell, told) = std::sync::mpsc::channel();
        let barrier = Barrier::new();
        let child = barrier.child(3).spawn().unwrap();
        let watcher = policy::get_child_watcher().unwrap();
        let callback = Box::new(move |_: u32, _: Result<i32, policy::Error>| {
            let child = asks_for_signals().stdout(Stdio::piped()).spawn();
            let _heard = tell.send(child);
        });
        watcher.add_child_handler(child.id(), callback).unwrap();
        barrier.open();
        check_code(child.wait().await, 3, true);
        let started = loop {
            match told.try_recv() {
                Ok(started) => break started,
                Err(_) => policy::time::sleep(Duration::from_millis(1)).await,
            }
        };
        is_clean(&started.unwrap().wait_with_output().await.unwrap().stdout);
    });
    Ok(())
}

fn keeps_tree(command: &mut Command) -> &mut Command {
    command.kill_tree(true)
}

fn dies(command: &mut Command) -> &mut Command {
    command.pdeathsig(libc::SIGTERM)
}

/// A program that changes nothing of its own.
fn asks_for_signals() -> Command {
    let mut command = Command::new("cat");
    command.arg("/proc/self/status");
    command
}

fn is_clean(status: &[u8]) {
    let status = String::from_utf8_lossy(status);
    let mask = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap()
    };
    assert_eq!(mask("SigBlk:"), 0, "{status}");
    assert_eq!(mask("SigCgt:"), 0, "{status}");
    assert_eq!(mask("SigIgn:") & 1 << (libc::SIGPIPE - 1), 0, "{status}");
}

fn block_all() -> libc::sigset_t {
    unsafe {
        let (mut all, mut former) = (std::mem::zeroed(), std::mem::zeroed());
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut former);
        former
    }
}

fn restore(former: &libc::sigset_t) {
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, former, std::ptr::null_mut()) };
}

fn high(fd: i32) -> OwnedFd {
    unsafe { OwnedFd::from_raw_fd(libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 60)) }
}

fn f6(place: &Place) -> Outcome {
    let saved = [high(0), high(1), high(2)];
    let null = high(File::open("/dev/null").unwrap().as_raw_fd());
    let mut wrong = Vec::new();
    for closed in 1..8u32 {
        let is_closed = |fd: i32| closed & 1 << fd != 0;
        let outcome = place.run(async {
            let low = UnixStream::pair().unwrap();
            let (theirs, ours) = (high(low.0.as_raw_fd()), high(low.1.as_raw_fd()));
            let mut ours = UnixStream::from(ours);
            drop(low);
            (0..3).filter(|&fd| is_closed(fd)).for_each(|fd| {
                unsafe { libc::close(fd) };
            });
            let mut wrong = Vec::new();
            for options in [Vec::new(), vec!["session"], vec!["passed"]] {
                let with = |mut command: Command| {
                    if options.contains(&"session") {
                        command.session();
                    }
                    if options.contains(&"passed") {
                        command.pass_fd(null.try_clone().unwrap());
                    }
                    command
                };
                let mut command = with(sh("cat; echo err >&2; exit 4"));
                let mut given = command.stdin(null.try_clone().unwrap()).output().await;
                let all = given.as_mut().map(|all| (&*all.stdout, &*all.stderr, all.status.code()));
                if !matches!(all, Ok((b"", b"err\n", Some(4)))) {
                    wrong.push(format!("{closed:03b} {options:?}: {given:?}"));
                }
                let mut command = with(sh("read line; echo out-$line; exit 5"));
                let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
                let said = match spawned {
                    Ok(mut child) => {
                        use futures_lite::AsyncWriteExt;
                        let mut stdin = child.stdin.take().unwrap();
                        stdin.write_all(b"in\n").await.unwrap();
                        drop(stdin);
                        child.wait_with_output().await.map(|all| (all.stdout, all.status.code()))
                    }
                    Err(error) => Err(error),
                };
                if !matches!(&said, Ok((out, Some(5))) if out == b"out-in\n") {
                    wrong.push(format!("{closed:03b} {options:?}: {said:?}"));
                }
                let mut command = with(Command::new("true"));
                command.stdin(Stdio::null()).stdout(theirs.try_clone().unwrap());
                let ended = command.stderr(Stdio::null()).status().await;
                if !matches!(&ended, Ok(status) if status.success()) {
                    wrong.push(format!("{closed:03b} {options:?}: {ended:?}"));
                }
                // The child inherits what is closed as closed, and nothing of ours.
                let (mut says, says_to) = high_pipe();
                let number = says_to.as_raw_fd();
                let line = format!(
                    "for fd in 0 1 2; do [ -e /proc/self/fd/$fd ] && has=$has$fd; done
                    printf \"$has\" > /proc/self/fd/{number}"
                );
                let mut command = with(sh(line));
                let ended = command.pass_fd(says_to).status().await;
                drop(command);
                let mut has = String::new();
                says.read_to_string(&mut has).unwrap();
                let open: String =
                    (0..3).filter(|&fd| !is_closed(fd)).map(|fd| fd.to_string()).collect();
                if !matches!(&ended, Ok(status) if status.success()) || has != open {
                    wrong.push(format!("{closed:03b} {options:?}: inherits {has:?}: {ended:?}"));
                }
                for fd in (0..3).filter(|&fd| is_closed(fd)) {
                    if let Ok(ours) = std::fs::read_link(format!("/proc/self/fd/{fd}")) {
                        wrong.push(format!("{closed:03b} {options:?}: {fd} is {ours:?}"));
                    }
                }
            }
            drop(theirs);
            let mut written = Vec::new();
            ours.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
            let _ended = ours.read_to_end(&mut written);
            if !written.is_empty() {
                wrong.push(format!("{closed:03b}: the socket got {written:?}"));
            }
            wrong
        });
        for (fd, saved) in (0..).zip(&saved) {
            unsafe { libc::dup2(saved.as_raw_fd(), fd) };
        }
        wrong.extend(outcome);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

fn high_pipe() -> (File, OwnedFd) {
    let mut ends = [0; 2];
    assert_eq!(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) }, 0);
    let [reading, writing] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
    (File::from(high(reading.as_raw_fd())), high(writing.as_raw_fd()))
}

type Change = (&'static str, fn(&mut Command) -> &mut Command);

/// In one where that is possible.
fn in_a_group(command: &mut Command) -> &mut Command {
    match causes::cgroup_of(std::process::id()) {
        Some(_) => command.cgroup(Cgroup::new()),
        None => command,
    }
}

fn f10(place: &Place) -> Outcome {
    const OPTIONS: &[Change] = &[
        ("kill_tree", |command| command.kill_tree(true)),
        ("session", |command| command.session()),
        ("process_group(0)", |command| command.process_group(0)),
        ("process_group", |command| command.process_group(unsafe { libc::getpgrp() })),
        ("pdeathsig", |command| command.pdeathsig(libc::SIGTERM)),
        ("rlimit", |command| command.rlimit(libc::RLIMIT_CORE, 0, 0)),
        ("pass_fd", |command| command.pass_fd(high(2))),
        ("umask", |command| command.umask(0o27)),
        ("nice", |command| command.nice(19)),
        ("uid", |command| command.uid(unsafe { libc::getuid() })),
        ("gid", |command| command.gid(unsafe { libc::getgid() })),
        ("current_dir", |command| command.current_dir("/")),
        ("current_dir_fd", |command| command.current_dir_fd(File::open("/").unwrap())),
        ("env_clear", |command| command.env_clear()),
        ("env_remove", |command| command.env_remove("PATH")),
        ("arg0", |command| command.arg0("other")),
        ("stdin", |command| command.stdin(Stdio::null())),
        ("stdout", |command| command.stdout(Stdio::piped())),
        ("input", |command| command.input("hello")),
        ("timeout", |command| command.timeout(Duration::from_secs(1000))),
        ("pty", |command| command.pty()),
        ("foreground", |command| command.foreground(true)),
        ("stdin of std's", |command| command.stdin(std::process::Stdio::null())),
        ("kill_on_drop", |command| command.kill_on_drop(true)),
        ("cgroup", in_a_group),
    ];
    place.set_up();
    place.run(async {
        let mut dies = Command::new("true");
        assert!(dies.pdeathsig(libc::SIGTERM).status().await.unwrap().success());
        eventually("helper threads end", || {
            crate::tools::helpers().iter().all(|name| name == "policy-keeper")
        });
        let before = census();
        for (first, one) in OPTIONS {
            for (second, two) in OPTIONS {
                let mut command = Command::new("true");
                one(&mut command);
                two(&mut command);
                match command.status().await {
                    Ok(status) => assert!(status.success(), "{first} and {second}: {status:?}"),
                    Err(error) => {
                        let says = error.to_string();
                        assert_eq!(
                            error.kind(),
                            ErrorKind::InvalidInput,
                            "{first}, {second}: {says}"
                        );
                        for name in [first, second] {
                            let name = name.split(['(', ' ']).next().unwrap();
                            assert!(says.contains(name), "{first}, {second}: {says}");
                        }
                    }
                }
            }
        }
        eventually(&format!("nothing is left beside {before:?}"), || {
            let after = census();
            after.fds <= before.fds && after.threads <= before.threads
        });
    });
    Ok(())
}

static HEARD: AtomicBool = AtomicBool::new(false);

fn f14(place: &Place) -> Outcome {
    extern "C" fn hear(_: i32) {
        HEARD.store(true, SeqCst);
    }
    unsafe { libc::signal(libc::SIGUSR1, hear as extern "C" fn(i32) as libc::sighandler_t) };
    let (threads, each) = (64, place.count(10, 50));
    let is_over = AtomicBool::new(false);
    let before = fds();
    std::thread::scope(|scope| {
        // They allocate, lock, take signals, and end.
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_over.load(SeqCst) {
                    let noisy = std::thread::spawn(|| {
                        let all: Vec<String> = (0..100).map(|n| n.to_string().repeat(n)).collect();
                        unsafe { libc::kill(libc::getpid(), libc::SIGUSR1) };
                        all.len() + std::env::vars_os().count()
                    });
                    assert!(noisy.join().unwrap() > 100);
                }
            });
        }
        let starters: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    place.run(async {
                        for number in 0..each {
                            let code = code_of(number);
                            let child = sh(format!("exit {code}")).spawn().unwrap();
                            check_code(child.wait().await, code, true);
                            assert!(Command::new("/no/such/program").spawn().is_err());
                        }
                    });
                })
            })
            .collect();
        let ended: Vec<_> = starters.into_iter().map(|starter| starter.join()).collect();
        is_over.store(true, SeqCst);
        assert!(ended.iter().all(Result::is_ok), "a starter panicked");
    });
    unsafe { libc::signal(libc::SIGUSR1, libc::SIG_DFL) };
    assert!(HEARD.load(SeqCst));
    eventually("no descriptor is left", || fds() <= before);
    Ok(())
}

fn f15(place: &Place) -> Outcome {
    place.run(async {
        let leaky = high(2);
        unsafe { libc::fcntl(leaky.as_raw_fd(), libc::F_SETFD, 0) };
        let asks = || sh(format!("[ -e /proc/self/fd/{} ]", leaky.as_raw_fd()));
        let has_it = asks().status().await.unwrap().success();
        // std leaves it to whoever opens a descriptor.
        assert_eq!(has_it, cfg!(policy_force_std_start));
        assert!(!asks().session().uid(0).status().await.unwrap().success());
    });
    Ok(())
}

/// Until then its end rings nobody's SIGCHLD, and no `waitpid(-1)` finds it.
fn f16(place: &Place) -> Outcome {
    place.run(async {
        assert!(Command::new("true").nice(19).status().await.unwrap().success());
        causes::kill_at(&[Call(libc::SYS_setpriority, None)])?;
        for _ in 0..3 {
            let begun = Instant::now();
            let status = Command::new("true").nice(19).spawn().unwrap().wait().await.unwrap();
            assert_eq!(status.signal(), Some(libc::SIGSYS), "{status}");
            assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
        }
        assert!(children().is_empty(), "{:?}", children());
        Ok(())
    })
}
