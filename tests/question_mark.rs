//! Errors meet `?`: a function that opens a socket, runs a child and waits for a task has one error,
//! ours or std's.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that fails panics")]

use std::io;

use policy::net::TcpListener;
use policy::process::Command;
use policy::{Error, ErrorKind};

async fn ours() -> Result<u16, Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    Command::new("true").status().await?;
    let _answer = policy::try_spawn(async { 42 })?.await?;
    Ok(listener.local_addr()?.port())
}

async fn stds() -> io::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    Command::new("true").status().await?;
    let _answer = policy::try_spawn(async { 42 })?.await?;
    Ok(listener.local_addr()?.port())
}

#[test]
fn each_call_can_be_asked_by_a_question_mark() {
    assert_ne!(policy::run(ours()).unwrap(), 0);
    assert_ne!(policy::run(stds()).unwrap(), 0);
}

#[test]
fn an_error_that_goes_through_stds_comes_back_as_it_was() {
    let through = Error::from(io::Error::from(Error::from(ErrorKind::LoopClosed)));
    assert_eq!(through.kind(), ErrorKind::LoopClosed);
    let refused = Error::from(io::Error::from(io::ErrorKind::AddrInUse));
    assert_eq!(
        (refused.kind(), refused.io_kind()),
        (ErrorKind::Io, Some(io::ErrorKind::AddrInUse))
    );
    assert_eq!(io::Error::from(refused).kind(), io::ErrorKind::AddrInUse);
}

#[test]
fn a_task_that_failed_says_so_in_both() {
    let failed = |error: Error| {
        assert_eq!(error.kind(), ErrorKind::TaskFailed);
        assert!(std::error::Error::source(&error).unwrap().is::<policy::task::JoinError>());
    };
    let cancelled = policy::run(async {
        let task = policy::spawn(std::future::pending::<()>());
        task.abort();
        task.await.unwrap_err()
    });
    failed(io::Error::from(cancelled).into());
}
