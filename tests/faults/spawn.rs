//! Starting, and what a child is given: errors, descriptors, pipes, groups.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{ErrorKind as IoKind, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::process::ExitStatusExt;

use futures_lite::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use policy::process::{Child, Command, Stdio};
use policy::{Error, ErrorKind};

use crate::causes::{self, Scratch, program};
use crate::helpers::helper;
use crate::inside::Place;
use crate::table::{AUTO, DEFAULT_LOOP, LOOPS, Outcome, POLITE, Row, Skip, TWO_LOOPS, WATCHERS};
use crate::tools::{Barrier, check_code, children, eventually, fds, is_alive, sh, stat};

type On = &'static [(&'static [&'static str], &'static [&'static str])];
const EACH_LOOP: On = &[(LOOPS, AUTO)];
const EACH_WATCHER_AND_LOOP: On = &[(DEFAULT_LOOP, WATCHERS), (LOOPS, AUTO)];

pub const ROWS: &[Row] = &[
    Row::new("I1", "programs that can't be started, each with its kind of error", EACH_WATCHER_AND_LOOP, i1),
    Row::new("I2", "environment variables that no environment can hold", EACH_LOOP, i2),
    Row::new(
        "I3",
        "what a child inherits beside 8 siblings with pipes, then 16 threads with 10 each (full: 64 with 50)",
        &[(DEFAULT_LOOP, &["auto", "pidfd", "threaded", "multi-loop"]), (TWO_LOOPS, AUTO)],
        i3,
    ),
    Row::new("I4", "1 MB for a child that has closed its stdin", EACH_WATCHER_AND_LOOP, i4),
    Row::new("I5", "the shell exits, a grandchild keeps stdout", EACH_WATCHER_AND_LOOP, i5),
    Row::new("I10", "process groups as asked; Ctrl-C reaches one only", &[(TWO_LOOPS, POLITE)], i10),
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
    let commands = [
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
    place.run(async {
        let mut descriptors = None;
        for round in 0..2 {
            let wrong = Command::new(&garbage.0).spawn().map(drop).unwrap_err();
            assert_eq!(errno(&wrong), Some(libc::ENOEXEC), "{wrong:?}");
        let mut again = Vec::new();
            again.extend(commands_again(&text, &folder));
            for (mut command, expected) in again {
                let kinds = |error: Error| (error.kind(), error.io_kind());
                command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
                assert_eq!(command.spawn().map(drop).map_err(kinds), Err(expected), "{command:?}");
                let awaited = command.start().await.map(drop).map_err(kinds);
                assert_eq!(awaited, Err(expected), "{command:?}");
            }
            assert!(children().is_empty());
            let now = fds();
            let before = *descriptors.get_or_insert(now);
            assert!(now <= before, "{now} descriptors, {before} before, round {round}");
        }
    });
    drop(commands);
    Ok(())
}
