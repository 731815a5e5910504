//! Starts where a program seldom stands: limits, namespaces, folders and files that are not
//! as they should be.

use std::fs::{self, File};
use std::io::{ErrorKind as IoKind, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use policy::process::{Cgroup, Command, Stdio};
use policy::{Error, ErrorKind};

use crate::causes::{self, Call, refuse};
use crate::helpers::helper;
use crate::inside::Place;
use crate::table::{AUTO, EACH_WATCHER, On, Outcome, Row, Skip, TWO_LOOPS};
use crate::tools::{children, eventually, sh};

const TWO: On = &[(TWO_LOOPS, AUTO)];
const FILTERED: &str = "a seccomp filter stays until the process ends";

pub const ROWS: &[Row] = &[
    Row::new("F17", "programs are written and started at once, by 8 threads", TWO, f17),
    Row::new("F18", "what would run a program is missing, not the program", TWO, f18),
    Row::new("F19", "a PATH of folders that are none, too long, forbidden, empty", TWO, f19),
    Row::new("F20", "each limit is 0, for the child alone", EACH_WATCHER, f20),
    Row::new("F21", "no memory for the first child's stack", TWO, f21).cold(),
    Row::new("F22", "children are born in another pid namespace", TWO, f22),
    Row::new("F23", "the working directory was removed", TWO, f23)
        .once("the process moves for good"),
    Row::new("F24", "fewer descriptors are allowed than are open", EACH_WATCHER, f24),
    Row::new("F25", "what a child needs lies under 0 to 2", TWO, f25),
    Row::new("F26", "there is no /proc", TWO, f26),
    Row::new("F27", "a child gets 300 descriptors", TWO, f27),
    Row::new("F28", "there is no second start: a filter kills who forks", TWO, f28).once(FILTERED),
];

fn errno(error: &Error) -> Option<i32> {
    error.io_error().and_then(std::io::Error::raw_os_error)
}

/// A child that another thread is starting has the file open for writing until it is its own
/// program, and meanwhile the kernel lets nobody execute it.
fn f17(place: &Place) -> Outcome {
    let folder = causes::Scratch::folder();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                let folder = &folder.0;
                scope.spawn(move || {
                    place.run(async {
                        for number in 0..place.count(40, 400) {
                            let path = folder.join(format!("{thread}-{number}"));
                            let mut file = File::options()
                                .create_new(true)
                                .write(true)
                                .mode(0o700)
                                .open(&path)
                                .unwrap();
                            file.write_all(b"#!/bin/sh\nexit 7\n").unwrap();
                            drop(file);
                            let child = Command::new(&path).spawn().unwrap();
                            assert_eq!(child.wait().await.unwrap().code(), Some(7));
                        }
                    });
                })
            })
            .collect();
        let ended: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
        assert!(ended.iter().all(Result::is_ok), "a program was busy");
    });
    // One that is really being written is busy, and that is said.
    let busy = causes::program(b"#!/bin/sh\nexit 7\n", 0o700);
    let writer = File::options().append(true).open(&busy.0).unwrap();
    place.run(async {
        let error = Command::new(&busy.0).spawn().map(drop).unwrap_err();
        assert_eq!(errno(&error), Some(libc::ETXTBSY), "{error:?}");
        assert!(error.to_string().contains("somebody is writing it"), "{error}");
        drop(writer);
        assert_eq!(Command::new(&busy.0).status().await.unwrap().code(), Some(7));
    });
    Ok(())
}

fn f18(place: &Place) -> Outcome {
    let script = causes::program(b"#!/no/such/interpreter\n", 0o700);
    place.run(async {
        let name = script.0.file_name().unwrap();
        let mut by_path = Command::new(name);
        by_path.env("PATH", script.0.parent().unwrap());
        for mut command in [Command::new(&script.0), by_path] {
            let error = command.spawn().map(drop).unwrap_err();
            assert_eq!(error.io_kind(), Some(IoKind::NotFound), "{error:?}");
            assert!(error.to_string().contains("`#!` line"), "{error}");
        }
        let error = Command::new("/no/such/program").spawn().map(drop).unwrap_err();
        assert!(error.to_string().contains("no such program"), "{error}");
    });
    Ok(())
}

fn f19(place: &Place) -> Outcome {
    let folder = causes::Scratch::folder();
    let at = |name: &str| folder.0.join(name);
    fs::create_dir(at("locked")).unwrap();
    fs::write(at("locked").join("true"), "").unwrap();
    fs::write(at("file"), "").unwrap();
    symlink(at("loop"), at("loop")).unwrap();
    let (long, deep) = ("x".repeat(300), "y/".repeat(3000));
    let odd =
        format!("::/no/such:{}:{}:/{long}:/{deep}", at("locked").display(), at("file").display());
    place.run(async {
        // As std does it: what is wrong with one folder does not hide the next.
        for path in [format!("{odd}:/bin"), format!("{odd}:/usr/bin:"), format!("/bin:{odd}")] {
            let mut command = Command::new("true");
            let ended = command.env("PATH", &path).status().await;
            assert!(ended.as_ref().is_ok_and(|status| status.success()), "{path}: {ended:?}");
        }
        let error = Command::new("true").env("PATH", &odd).spawn().map(drop).unwrap_err();
        // It is there, and is not allowed.
        assert_eq!(errno(&error), Some(libc::EACCES), "{error:?}");
        let error = Command::new("no-such").env("PATH", "").spawn().map(drop).unwrap_err();
        assert_eq!(errno(&error), Some(libc::ENOENT), "{error:?}");
        let error = Command::new(&long).spawn().map(drop).unwrap_err();
        assert_eq!(errno(&error), Some(libc::ENAMETOOLONG), "{error:?}");
        assert!(Command::new("true").env_clear().status().await.unwrap().success());
        assert!(Command::new("true").env_remove("PATH").status().await.unwrap().success());
    });
    Ok(())
}

fn f20(place: &Place) -> Outcome {
    /// As many as Linux has.
    const RESOURCES: u32 = 16;
    let limit = |resource| {
        let mut limit = unsafe { std::mem::zeroed::<libc::rlimit>() };
        assert_eq!(unsafe { libc::getrlimit(resource, &raw mut limit) }, 0);
        (limit.rlim_cur, limit.rlim_max)
    };
    let before: Vec<_> = (0..RESOURCES).map(limit).collect();
    place.run(async {
        for resource in 0..RESOURCES {
            for uid in [None, Some(65534)] {
                let mut command = Command::new("/bin/true");
                command.rlimit(resource, 0, 0);
                uid.map(|uid| command.uid(uid));
                let ended = command.status().await;
                println!("{resource}, {uid:?}: {ended:?}");
                match ended {
                    // The loader had not what it needs, or the kernel ended it.
                    Ok(status) => assert!(matches!(
                        (status.code(), status.signal()),
                        (Some(0 | 1 | 127), _)
                            | (_, Some(libc::SIGKILL | libc::SIGSEGV | libc::SIGXCPU))
                    )),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Io, "{error:?}"),
                }
            }
        }
        // Another user's, who has his share already.
        let mut command = Command::new("/bin/true");
        let ended = command.uid(65534).rlimit(libc::RLIMIT_NPROC, 0, 0).status().await;
        if let Err(error) = ended {
            assert!(error.to_string().contains("too many processes"), "{error}");
        }
    });
    let after: Vec<_> = (0..RESOURCES).map(limit).collect();
    assert_eq!(before, after);
    Ok(())
}

fn f21(place: &Place) -> Outcome {
    // Nobody else asks for memory in these ways.
    let stack = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK | libc::MAP_NORESERVE;
    refuse(&[Call(libc::SYS_mmap, Some((3, stack as u64)))], libc::ENOMEM)?;
    place.set_up();
    place.run(async {
        for _ in 0..3 {
            match sh("exit 3").spawn() {
                Ok(child) => {
                    if !cfg!(policy_force_std_start) {
                        panic!("it has no stack");
                    }
                    assert_eq!(child.wait().await.unwrap().code(), Some(3));
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Io, "{error:?}");
                    assert_eq!(errno(&error), Some(libc::ENOMEM), "{error:?}");
                }
            }
        }
        assert!(children().is_empty());
    });
    Ok(())
}

fn f22(place: &Place) -> Outcome {
    // No other thread is moved, and no thread can be made by this one then.
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| {
            let mut runner = policy::Runner::new();
            runner
                .run(async {
                    if unsafe { libc::unshare(libc::CLONE_NEWPID) } != 0 {
                        return Err(Skip::because(std::io::Error::last_os_error()));
                    }
                    let init = sh("exec sleep 1000").spawn().unwrap();
                    for _ in 0..5 {
                        assert_eq!(
                            sh("exit 3").spawn().unwrap().wait().await.unwrap().code(),
                            Some(3)
                        );
                        let status = sh("exit 4").session().spawn().unwrap().wait().await.unwrap();
                        assert_eq!(status.code(), Some(4));
                    }
                    // Its parent has no number there.
                    let mut command = sh("exit 5");
                    command.pdeathsig(libc::SIGTERM);
                    assert_eq!(command.spawn().unwrap().wait().await.unwrap().code(), Some(5));
                    let member = sh("exec sleep 1000").spawn().unwrap();
                    init.start_kill().unwrap();
                    // The first process ends when all others are reaped.
                    assert_eq!(member.wait().await.unwrap().signal(), Some(libc::SIGKILL));
                    init.wait().await.unwrap();
                    // There is no second first process.
                    let error = sh("exit 3").spawn().map(drop).unwrap_err();
                    assert_eq!(errno(&error), Some(libc::ENOMEM), "{error:?}");
                    Ok(())
                })
                .unwrap()
        });
        inside.join().unwrap()
    })?;
    place.run(async { assert_eq!(sh("exit 6").status().await.unwrap().code(), Some(6)) });
    Ok(())
}

fn f23(place: &Place) -> Outcome {
    let folder = causes::Scratch::folder();
    std::env::set_current_dir(&folder.0).unwrap();
    fs::remove_dir(&folder.0).unwrap();
    place.run(async {
        for (mut command, code) in [(sh("exit 3"), 3), (Command::new("true"), 0)] {
            assert_eq!(command.status().await.unwrap().code(), Some(code));
            assert_eq!(command.kill_tree(true).output().await.unwrap().status.code(), Some(code));
        }
        let error = Command::new("./here").spawn().map(drop).unwrap_err();
        assert_eq!(error.io_kind(), Some(IoKind::NotFound), "{error:?}");
        let error = Command::new("true").current_dir("below").spawn().map(drop).unwrap_err();
        assert!(error.to_string().contains("in `below`"), "{error}");
        assert!(Command::new("true").current_dir("/").status().await.unwrap().success());
    });
    std::env::set_current_dir("/").unwrap();
    Ok(())
}

fn f24(place: &Place) -> Outcome {
    let set = |limit| {
        let mut before = unsafe { std::mem::zeroed::<libc::rlimit>() };
        unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut before) };
        let after = libc::rlimit { rlim_cur: limit, ..before };
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const after) }, 0);
        before.rlim_cur
    };
    let before = place.run(async {
        let before = set(0);
        for limit in [0, 1, 3, 4] {
            set(limit);
            let command = |line| {
                let mut command = sh(line);
                // Or its loader finds no library.
                command.rlimit(libc::RLIMIT_NOFILE, before, before);
                command
            };
            let alone = command("exit 3").spawn();
            let streams = command("exit 3").stdout(Stdio::piped()).spawn();
            let tree = command("exit 0").kill_tree(true).spawn();
            set(before);
            // A child can do without any; a thread waits for it.
            match alone {
                Ok(child) => assert_eq!(child.wait().await.unwrap().code(), Some(3)),
                Err(error) => assert_eq!(errno(&error), Some(libc::EMFILE), "{limit}: {error:?}"),
            }
            let error = streams.map(drop).unwrap_err();
            assert_eq!(errno(&error), Some(libc::EMFILE), "{limit}: {error:?}");
            match tree {
                Ok(child) => assert_eq!(child.wait().await.unwrap().code(), Some(0)),
                Err(error) => assert_eq!(errno(&error), Some(libc::EMFILE), "{limit}: {error:?}"),
            }
        }
        before
    });
    set(before);
    Ok(())
}

fn f25(place: &Place) -> Outcome {
    let high =
        |fd: i32| unsafe { OwnedFd::from_raw_fd(libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 60)) };
    let saved = [high(0), high(1), high(2)];
    let null = high(File::open("/dev/null").unwrap().as_raw_fd());
    let group = causes::cgroup_of(std::process::id());
    let wrong = place.run(async {
        let mut wrong = Vec::new();
        let folder_of = |path: &std::path::Path| {
            let folder = File::open(path).unwrap();
            assert!(folder.as_raw_fd() < 3, "{folder:?}");
            folder
        };
        for closed in 0..3 {
            for what in ["tree", "folder", "group", "group and tree", "terminal", "foreground"] {
                unsafe { libc::close(closed) };
                let mut command = sh("pwd; exit 3");
                match what {
                    "tree" => command.kill_tree(true),
                    "folder" => command.current_dir_fd(folder_of("/usr".as_ref())),
                    "terminal" => command.pty(),
                    "foreground" => command.foreground(true),
                    _ => match &group {
                        Some(group) => {
                            let folder = folder_of(group);
                            command.cgroup(Cgroup::existing_fd(folder)).kill_tree(what != "group")
                        }
                        None => &mut command,
                    },
                };
                if what != "terminal" {
                    command.stdin(null.try_clone().unwrap());
                }
                let output = command.output().await;
                let here = std::env::current_dir().unwrap();
                let expected = if what == "folder" { "/usr".as_ref() } else { &*here };
                let is_right = output.as_ref().is_ok_and(|output| {
                    let said = String::from_utf8_lossy(&output.stdout);
                    output.status.code() == Some(3) && expected == std::path::Path::new(said.trim())
                });
                if !is_right {
                    wrong.push(format!("{closed}, {what}: {output:?}"));
                }
                drop(command);
                // What it kept under that number is gone.
                if let Ok(left) = fs::read_link(format!("/proc/self/fd/{closed}")) {
                    wrong.push(format!("{closed}, {what}: is {left:?}"));
                }
                let saved = &saved[closed as usize];
                unsafe { libc::dup2(saved.as_raw_fd(), closed) };
            }
        }
        wrong
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

fn f26(place: &Place) -> Outcome {
    let mut command = std::process::Command::new("unshare");
    command.args(["--mount", "sh", "-c", "umount -l /proc && exec \"$@\"", "sh"]);
    command.arg(std::env::current_exe().unwrap());
    command.args(["--helper", "starts", &place.on_loop]);
    let output = command.output().map_err(Skip::because)?;
    let said = String::from_utf8_lossy(&output.stdout);
    if said.is_empty() && !output.status.success() {
        return Err(Skip(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    assert!(output.status.success() && said.contains("all right"), "{output:?}");
    Ok(())
}

/// Every kind of start, and of end, in a process of its own that nobody looks into.
pub fn starts(on_loop: &str) {
    policy::set_event_loop_policy(policy::from_name(on_loop).unwrap());
    println!("begins");
    policy::run(async {
        assert_eq!(sh("exit 3").status().await.unwrap().code(), Some(3));
        assert_eq!(sh("echo hello").output().await.unwrap().stdout, b"hello\n");
        assert_eq!(sh("exit 4").session().nice(19).status().await.unwrap().code(), Some(4));
        assert!(sh("true").pdeathsig(libc::SIGTERM).status().await.unwrap().success());
        let tree = sh("sleep 1000 & wait").kill_tree(true).spawn().unwrap();
        println!("{:?}", tree.tree_reach());
        tree.kill().await.unwrap();
        let tree = sh("exec sleep 1000").kill_tree(true).spawn().unwrap();
        let begun = Instant::now();
        tree.terminate(Duration::from_secs(20)).await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(15), "the grace was waited for");
        let asked = Command::new("true").cgroup(Cgroup::new()).status().await;
        assert_eq!(asked.unwrap_err().kind(), ErrorKind::Unsupported);
        let mut terminal = sh("tty > /dev/null");
        assert!(terminal.pty().output().await.unwrap().status.success());
        let error = Command::new("/no/such/program").spawn().map(drop).unwrap_err();
        assert_eq!(error.io_kind(), Some(IoKind::NotFound));
        drop(sh("exit 5").spawn().unwrap());
    });
    println!("all right");
}

fn f27(place: &Place) -> Outcome {
    place.run(async {
        let mut command = helper("descriptors");
        let mut expected = vec![0, 1, 2];
        for _ in 0..300 {
            let file = File::open("/dev/null").unwrap();
            expected.push(file.as_raw_fd());
            command.pass_fd(file);
        }
        let output = command.output().await.unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let mut got: Vec<i32> = said.split_whitespace().map(|fd| fd.parse().unwrap()).collect();
        expected.sort_unstable();
        got.sort_unstable();
        assert_eq!(got, expected);
    });
    Ok(())
}

/// What our own way does not do, or the child dies of it: only `clone3`, and calls by number.
fn f28(place: &Place) -> Outcome {
    if cfg!(policy_force_std_start) {
        return Err(Skip::because("std forks"));
    }
    place.run(async {
        let forks = [
            Call(libc::SYS_clone, Some((0, libc::SIGCHLD as u64))),
            #[cfg(target_arch = "x86_64")]
            Call(libc::SYS_fork, None),
            #[cfg(target_arch = "x86_64")]
            Call(libc::SYS_vfork, None),
        ];
        causes::kill_at(&forks)?;
        for _ in 0..3 {
            let mut command = Command::new("true");
            let status = command.session().nice(19).kill_tree(true).status().await.unwrap();
            assert!(status.success(), "{status}");
            let error = Command::new("/no/such/program").spawn().map(drop).unwrap_err();
            assert_eq!(error.io_kind(), Some(IoKind::NotFound));
        }
        eventually("no child is left", || children().is_empty());
        Ok(())
    })
}
