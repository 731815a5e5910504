//! Starting, and what a child is given: errors, descriptors, pipes, groups.

use std::fs::File;
use std::io::{ErrorKind as IoKind, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use futures_lite::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use policy::process::{Child, Command, Stdio};
use policy::{Error, ErrorKind};

use crate::causes::{self, Scratch, Thieves, program};
use crate::helpers::helper;
use crate::inside::Place;
use crate::pace::Pace;
use crate::table::{
    AUTO, DEFAULT_LOOP, EACH_WATCHER_AND_LOOP, LOOPS, On, Outcome, POLITE, Row, Skip, TWO_LOOPS,
};
use crate::tools::{Barrier, check_code, children, eventually, fds, is_alive, sh, stat};

const EACH_LOOP: On = &[(LOOPS, AUTO)];

pub const ROWS: &[Row] = &[
    Row::new(
        "I1",
        "programs that can't be started, each with its kind of error",
        EACH_WATCHER_AND_LOOP,
        i1,
    ),
    Row::new(
        "I1 among thieves",
        "the same while others reap all they find: an error, not a panic",
        EACH_WATCHER_AND_LOOP,
        i1_among_thieves,
    )
    // Of std, caught by us.
    .may_panic()
    .once("who has seen thieves starts children in another way from then on"),
    Row::new("I2", "environment variables that no environment can hold", EACH_LOOP, i2),
    Row::new(
        "I3",
        "what a child inherits beside 8 siblings with pipes, then 16 threads with 10 each (full: 64 with 50)",
        &[(DEFAULT_LOOP, &["auto", "pidfd", "threaded", "multi-loop"]), (TWO_LOOPS, AUTO)],
        i3,
    ),
    Row::new("I4", "1 MB for a child that has closed its stdin", EACH_WATCHER_AND_LOOP, i4),
    Row::new("I5", "the shell exits, a grandchild keeps stdout", EACH_WATCHER_AND_LOOP, i5),
    Row::new(
        "I10",
        "groups and sessions as asked; Ctrl-C reaches one only",
        &[(TWO_LOOPS, POLITE)],
        i10,
    ),
];

fn i1(place: &Place) -> Outcome {
    let text = program(b"no program\n", 0o600);
    let folder = Scratch::folder();
    let garbage = program(b"\x7fELF, or so it says", 0o700);
    let io = |kind| (ErrorKind::Io, Some(kind));
    let mut long = Command::new("true");
    long.arg("x".repeat(200_000));
    let mut many = Command::new("true");
    many.args(vec!["x".repeat(100_000); 100]);
    let mut elsewhere = Command::new("true");
    elsewhere.current_dir("/no/such/folder");
    let mut nul = Command::new("true");
    nul.arg("a\0b");
    let mut commands = [
        (Command::new("/no/such/program"), io(IoKind::NotFound)),
        (Command::new("no-such-program-at-all"), io(IoKind::NotFound)),
        (Command::new(""), io(IoKind::NotFound)),
        (elsewhere, io(IoKind::NotFound)),
        (Command::new(&text.0), io(IoKind::PermissionDenied)),
        (Command::new(&folder.0), io(IoKind::PermissionDenied)),
        (long, io(IoKind::ArgumentListTooLong)),
        (many, io(IoKind::ArgumentListTooLong)),
        (Command::new("tr\0ue"), (ErrorKind::InvalidInput, Some(IoKind::InvalidInput))),
        (nul, (ErrorKind::InvalidInput, Some(IoKind::InvalidInput))),
    ];
    let kinds = |error: Error| (error.kind(), error.io_kind());
    place.run(async {
        let before = fds();
        for (command, expected) in &mut commands {
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let spawned = command.spawn().map(drop).map_err(kinds);
            assert_eq!(spawned, Err(*expected), "{command:?}");
            let awaited = command.start().await.map(drop).map_err(kinds);
            assert_eq!(awaited, Err(*expected), "{command:?}");
            let output = command.output().await.map(drop).map_err(kinds);
            assert_eq!(output, Err(*expected), "{command:?}");
        }
        let error = Command::new(&garbage.0).spawn().unwrap_err();
        assert_eq!(error.io_error().and_then(std::io::Error::raw_os_error), Some(libc::ENOEXEC));
        assert!(children().is_empty());
        // Who looks for orphans opens files in `/proc`.
        eventually("no descriptor is left", || fds() == before);
    });
    Ok(())
}

fn i1_among_thieves(place: &Place) -> Outcome {
    place.run(async {
        let thieves = Thieves::new(2);
        for _ in 0..50 {
            let mut command = Command::new("/no/such/program");
            let error = command.spawn().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Io, "{error:?}");
            let error = command.start().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Io, "{error:?}");
        }
        thieves.stop();
    });
    Ok(())
}

fn i2(place: &Place) -> Outcome {
    place.run(async {
        for (key, value) in [("", "x"), ("A=B", "x"), ("=", ""), ("A\0", "x"), ("A", "x\0y")] {
            let error = Command::new("true").env(key, value).spawn().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{key:?}={value:?}");
            let error = Command::new("true").envs([(key, value)]).status().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{key:?}={value:?}");
        }
        assert!(children().is_empty());
        let output = sh("echo \"$A\"").env("A", "x=y").output().await.unwrap();
        assert_eq!(output.stdout, b"x=y\n");
    });
    Ok(())
}

fn i3(place: &Place) -> Outcome {
    place.run(async {
        let mut siblings = Vec::new();
        for _ in 0..8 {
            let mut command = Command::new("cat");
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            siblings.push(command.spawn().unwrap());
        }
        gets_three().await;
        for sibling in siblings {
            // It reads to an end, since nobody else has its pipe.
            check_code(sibling.wait().await, 0, true);
        }
    });
    let (threads, each) = (place.count(16, 64), place.count(10, 50));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                place.run(async {
                    for _ in 0..each {
                        gets_three().await;
                    }
                });
            });
        }
    });
    Ok(())
}

async fn gets_three() {
    let mut child = helper("descriptors");
    let child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = child.spawn().unwrap().wait_with_output().await.unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0 1 2\n");
}

fn i4(place: &Place) -> Outcome {
    place.run(async {
        let mut command = sh("exec <&-; echo closed; exec sleep 1000");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).await.unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let error = stdin.write_all(&vec![0; 1 << 20]).await.unwrap_err();
        assert_eq!(error.kind(), IoKind::BrokenPipe);
        drop(stdin);
        child.start_kill().unwrap();
        assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGKILL));

        // One that closes it in the midst of the writing.
        let mut command = sh("head -c 1000 > /dev/null; exit 4");
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let error = stdin.write_all(&vec![0; 1 << 20]).await.unwrap_err();
        assert_eq!(error.kind(), IoKind::BrokenPipe);
        check_code(child.wait().await, 4, true);
    });
    Ok(())
}

fn i5(place: &Place) -> Outcome {
    let pace = Pace::take();
    place.run(async {
        let delay = Duration::from_millis(200);
        pace.check_best("the end after the delay", Duration::from_millis(100), async || {
            let mut command = sh("sleep 1000 & echo $!; exit 5");
            let begun = Instant::now();
            let output = command.wait_delay(delay).output().await.unwrap();
            let late = begun.elapsed() - delay;
            // The grandchild would have kept it for longer than anybody waits.
            assert!(output.truncated);
            assert_eq!(output.status.code(), Some(5));
            let grandchild: u32 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
            assert!(is_alive(grandchild));
            causes::signal(grandchild, libc::SIGKILL);
            eventually("it is gone", || !is_alive(grandchild));
            late
        })
        .await;
        let output = sh("echo all").wait_delay(delay).output().await.unwrap();
        assert!(!output.truncated);
        assert_eq!(output.stdout, b"all\n");
    });
    Ok(())
}

fn i10(place: &Place) -> Outcome {
    // What the default action would do to this process. A child starts with that again.
    for signal in [libc::SIGINT, libc::SIGHUP] {
        unsafe { libc::signal(signal, causes::rude_handler()) };
    }
    let (mut terminal, _ours) = controlling_terminal()?;
    let me = stat(std::process::id()).unwrap();
    place.run(async {
        let barrier = Barrier::new();
        let ours = barrier.child(1).spawn().unwrap();
        let leader = barrier.child(2).process_group(0).spawn().unwrap();
        let member = barrier.child(3).process_group(leader.id() as i32).spawn().unwrap();
        let tree = barrier.child(4).kill_tree(true).spawn().unwrap();
        let group = |child: &Child| stat(child.id()).unwrap().group;
        assert_eq!(group(&ours), me.group);
        assert_eq!(group(&leader), leader.id());
        assert_eq!(group(&member), leader.id());
        assert_eq!(group(&tree), tree.id());
        let alone = barrier.child(5).session().spawn().unwrap();
        assert_eq!(stat(alone.id()).unwrap().session, alone.id());
        assert_eq!(group(&alone), alone.id());
        // Ctrl-C, in our group, which is the terminal's foreground.
        terminal.write_all(b"\x03").unwrap();
        assert_eq!(ours.wait().await.unwrap().signal(), Some(libc::SIGINT));
        barrier.open();
        check_code(leader.wait().await, 2, true);
        check_code(member.wait().await, 3, true);
        check_code(tree.wait().await, 4, true);
        check_code(alone.wait().await, 5, true);
    });
    Ok(())
}

/// Makes a terminal the one of this session. Returns its two ends.
fn controlling_terminal() -> Result<(File, File), Skip> {
    let (mut master, mut slave) = (0, 0);
    let null = std::ptr::null_mut();
    let made =
        unsafe { libc::openpty(&raw mut master, &raw mut slave, null, null.cast(), null.cast()) };
    if made != 0 {
        return Err(Skip(format!("no terminals here: {}", std::io::Error::last_os_error())));
    }
    let (master, slave) = unsafe { (File::from_raw_fd(master), File::from_raw_fd(slave)) };
    for file in [&master, &slave] {
        unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    if unsafe { libc::ioctl(slave.as_raw_fd(), libc::TIOCSCTTY, 0) } != 0 {
        let error = std::io::Error::last_os_error();
        return Err(Skip(format!("no controlling terminal: {error}")));
    }
    Ok((master, slave))
}
