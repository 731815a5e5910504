//! Starts of children: a child shares this process's memory until it is its program, and goes
//! on there, on a stack of its own, beside threads that allocate, lock, take signals and end.
//! For a sanitizer, and for machines with other instructions.
//!
//! Programs are the system's, which are the host's where this is emulated.
#![cfg(target_os = "linux")]
#![allow(
    missing_docs,
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails panics, and installs a signal handler"
)]

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use policy::process::{Cgroup, Command, Stdio};
use policy::{Error, ErrorKind};

fn sh(line: &str) -> Command {
    Command::shell(line)
}

fn says(command: &mut Command, expected: &str) {
    let output = policy::run(command.output()).unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), expected, "{output:?}");
    assert!(output.status.success(), "{output:?}");
}

fn children() -> usize {
    let me = std::process::id().to_string();
    let stats = fs::read_dir("/proc").unwrap().flatten();
    stats
        .filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok())
        .filter_map(|stat| Some(stat.rsplit_once(") ")?.1.split(' ').nth(1)? == me))
        .filter(|is_ours| *is_ours)
        .count()
}

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_child_carries_out_every_step() {
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    says(sh("umask").umask(0o27), "0027");
    says(sh("ulimit -c").rlimit(4, 0, 0), "0");
    says(Command::new("nice").nice(19), "19");
    says(sh("pwd").current_dir("/usr"), "/usr");
    says(sh("pwd").current_dir_fd(File::open("/usr").unwrap()), "/usr");
    says(sh("cat").input("given"), "given");
    says(sh("echo $A").env("A", "b"), "b");
    says(sh("echo $0").arg0("own"), "own");
    says(sh("exit 0").session().pdeathsig(15), "");
    says(sh("exit 0").process_group(0), "");
    says(sh("exit 0").kill_tree(true), "");
    // These get a copy of the memory.
    says(sh("id -u").uid(uid), &uid.to_string());
    says(sh("id -g").gid(gid), &gid.to_string());
    let passed = File::open("/dev/null").unwrap();
    let line = format!("[ -e /proc/self/fd/{} ] && echo there", passed.as_raw_fd());
    says(sh(&line).pass_fd(passed), "there");
    match policy::run(sh("echo in").cgroup(Cgroup::new()).output()) {
        Ok(output) => assert_eq!(output.stdout, b"in\n"),
        Err(error) => println!("skipped: {error}"),
    }
    let output = policy::run(sh("tty > /dev/null && echo terminal").pty().output());
    assert_eq!(output.unwrap().stdout, b"terminal\r\n");
    eventually("no child is left", || children() == 0);
}

#[test]
fn a_step_that_fails_is_an_error_and_leaves_no_child() {
    type Make = fn(&mut Command) -> &mut Command;
    let cases: [(&str, Make, i32); 5] = [
        ("/no/such/program", |command| command, 2),
        ("/bin/true", |command| command.current_dir("/no/such/folder"), 2),
        ("/bin/true", |command| command.pdeathsig(999), 22),
        ("/bin/true", |command| command.rlimit(999, 0, 0), 22),
        ("/bin/true", |command| command.process_group(1), 1),
    ];
    policy::run(async {
        for _ in 0..20 {
            for (program, change, errno) in cases {
                let mut command = Command::new(program);
                // Also where std's own way to start it would not tell.
                let error = change(command.umask(0o22)).spawn().map(drop).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Io, "{error:?}");
                let found = error.io_error().and_then(std::io::Error::raw_os_error);
                assert_eq!(found, Some(errno), "{error:?}");
            }
        }
    });
    eventually("no child is left", || children() == 0);
}

static HEARD: AtomicUsize = AtomicUsize::new(0);

#[test]
fn threads_start_children_beside_others_that_allocate_take_signals_and_end() {
    extern "C" fn hear(_: i32) {
        HEARD.fetch_add(1, SeqCst);
    }
    // SIGUSR1, with SA_RESTART.
    unsafe { signal(10, hear) };
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(SeqCst) {
                    let noisy = std::thread::spawn(|| {
                        let all: Vec<String> = (0..100).map(|n| n.to_string().repeat(n)).collect();
                        let me = rustix::process::getpid();
                        let _sent =
                            rustix::process::kill_process(me, rustix::process::Signal::USR1);
                        all.len() + std::env::vars_os().count()
                    });
                    assert!(noisy.join().unwrap() >= 100);
                }
            });
        }
        let starters: Vec<_> = (0..64).map(|_| scope.spawn(|| policy::run(starts()))).collect();
        let ended: Vec<_> = starters.into_iter().map(|starter| starter.join()).collect();
        is_over.store(true, SeqCst);
        ended.into_iter().for_each(|ended| ended.unwrap().unwrap());
    });
    assert!(HEARD.load(SeqCst) > 0);
    eventually("no child is left", || children() == 0);
}

async fn starts() -> Result<(), Error> {
    for code in 3..6 {
        let child = sh(&format!("exit {code}")).umask(0o22).stdout(Stdio::null()).spawn()?;
        assert!(Command::new("/no/such/program").umask(0o22).spawn().is_err());
        assert_eq!(child.wait().await?.code(), Some(code));
    }
    Ok(())
}

unsafe extern "C" {
    fn signal(number: i32, handler: extern "C" fn(i32)) -> usize;
}
