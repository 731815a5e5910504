//! The standard streams, in a process that has them to itself: each test starts this very
//! program again, as the one `story` that its environment names, on every loop.

#![cfg(all(unix, feature = "default-loop"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails panics"
)]

mod support;

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use policy::Runner;
use policy::io::{copy, stderr, stdin, stdout};
use policy::time::timeout;
use support::Ran;

const STORY: &str = "POLICY_TEST_STORY";
const LOOP: &str = "POLICY_TEST_LOOP";

/// Starts a story on a loop.
fn start(story: &str, event_loop: &str) -> Child {
    println!("{story} on {event_loop}");
    Command::new(env::current_exe().unwrap())
        .args(["story", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .env(STORY, story)
        .env(LOOP, event_loop)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What a story wrote, without what the test harness did.
fn between(out: &str) -> &str {
    let (_, rest) = out.split_once("<<").expect(out);
    rest.split_once(">>").expect(out).0
}

/// Not a test: what the others start.
#[test]
#[ignore = "a part of the other tests"]
fn story() {
    let (Ok(story), Ok(name)) = (env::var(STORY), env::var(LOOP)) else { return };
    let mut runner = Runner::with_policy(policy::from_name(&name).unwrap());
    let run = runner.run(async move {
        match &*story {
            "copies" => copies().await,
            "gives up" => gives_up().await,
            "leaves a read" => leaves_a_read().await,
            "forgets to flush" => stdout().write_all(b"<<not flushed>>").await.unwrap(),
            "nobody reads" => nobody_reads().await,
            _ => unreachable!("{story}"),
        }
    });
    run.unwrap();
    runner.close().unwrap();
}

async fn copies() {
    let mut out = stdout();
    out.write_all(b"<<").await.unwrap();
    copy(stdin(), &mut out).await.unwrap();
    out.write_all(b">>").await.unwrap();
    out.flush().await.unwrap();
    let mut err = stderr();
    err.write_all(b"no complaints\n").await.unwrap();
    err.close().await.unwrap();
}

async fn gives_up() {
    let mut input = stdin();
    for _ in 0..3 {
        let late = timeout(Duration::from_millis(1), input.read(&mut [0; 8])).await;
        assert!(late.is_err(), "nothing was sent yet");
    }
    stdout().write_all(b"<<").await.unwrap();
    let mut all = String::new();
    // Another handle, and in a task.
    let reading = policy::spawn(async move {
        stdin().read_to_string(&mut all).await.unwrap();
        all
    });
    let all = reading.await.unwrap();
    let mut out = stdout();
    out.write_all(all.as_bytes()).await.unwrap();
    out.write_all(b">>").await.unwrap();
}

async fn leaves_a_read() {
    let reading = policy::spawn(async { stdin().read(&mut [0; 8]).await });
    policy::time::sleep(Duration::from_millis(5)).await;
    assert!(!reading.is_finished());
    stdout().write_all(b"<<left>>").await.unwrap();
}

async fn nobody_reads() {
    let mut err = stderr();
    err.write_all(b"ready\n").await.unwrap();
    let mut byte = [0];
    stdin().read_exact(&mut byte).await.unwrap();
    let mut out = stdout();
    let refused = loop {
        if let Err(refused) = out.write_all(b"hello\n").await {
            break refused;
        }
    };
    assert_eq!(refused.kind(), std::io::ErrorKind::BrokenPipe);
    err.write_all(b"<<refused>>").await.unwrap();
    err.flush().await.unwrap();
    // The harness, too, would complain of standard output.
    std::process::exit(0);
}

#[test]
fn what_comes_in_goes_out() {
    for name in policy::policy_names() {
        let mut child = start("copies", name);
        let mut input = child.stdin.take().unwrap();
        let sent: String = (0..50_000).map(|n| format!("{n}\n")).collect();
        let bytes = sent.clone();
        let writing = thread::spawn(move || input.write_all(bytes.as_bytes()).unwrap());
        let ran = Ran::wait(child);
        writing.join().unwrap();
        assert!(between(ran.code(0)) == sent);
        assert!(ran.err.contains("no complaints"));
    }
}

#[test]
fn a_read_that_is_dropped_loses_nothing() {
    for name in policy::policy_names() {
        let mut child = start("gives up", name);
        let mut out = child.stdout.take().unwrap();
        // Until it has given up, nothing is sent.
        let mut said = Vec::new();
        while !said.ends_with(b"<<") {
            let mut byte = [0];
            out.read_exact(&mut byte).unwrap();
            said.push(byte[0]);
        }
        let mut input = child.stdin.take().unwrap();
        input.write_all(b"for whoever reads").unwrap();
        drop(input);
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        assert_eq!(rest.split_once(">>").expect(&rest).0, "for whoever reads");
        Ran::wait(child).code(0);
    }
}

#[test]
fn a_read_that_waits_holds_up_neither_loop_nor_process() {
    for name in policy::policy_names() {
        let mut child = start("leaves a read", name);
        // Open to the end, and silent.
        let input = child.stdin.take();
        assert_eq!(between(Ran::wait(child).code(0)), "left");
        drop(input);
    }
}

#[test]
fn what_was_written_is_printed_before_the_run_ends() {
    for name in policy::policy_names() {
        assert_eq!(between(Ran::wait(start("forgets to flush", name)).code(0)), "not flushed");
    }
}

#[test]
fn a_reader_that_has_gone_is_an_error() {
    for name in policy::policy_names() {
        let mut child = start("nobody reads", name);
        let mut err = BufReader::new(child.stderr.take().unwrap());
        // The harness has said all that it says before.
        let mut line = String::new();
        while line != "ready\n" {
            line.clear();
            assert!(err.read_line(&mut line).unwrap() > 0, "it is ready some time");
        }
        drop(child.stdout.take());
        child.stdin.take().unwrap().write_all(b"!").unwrap();
        let mut rest = String::new();
        err.read_to_string(&mut rest).unwrap();
        assert_eq!(Ran::wait(child).code, Some(0), "{rest}");
        assert_eq!(between(&rest), "refused");
    }
}
