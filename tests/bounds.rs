//! What is asked for by a number: from a name, a variable, a configuration. Too much is a
//! typed error that says the limit, and no number ends the process.
#![cfg(all(unix, feature = "default-loop"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails panics"
)]

use std::env;
use std::future::Future;
use std::pin::pin;
use std::process::Command;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use policy::time::{interval, sleep, timeout};
use policy::{ErrorKind, EventLoop, Runner, ThreadedChildWatcher};

/// More than any machine has.
const TOO_MANY: [&str; 4] = ["1025000", "100000", "18446744073709551615", "99999999999999999999"];

fn multi_threaded() -> Vec<&'static str> {
    policy::policy_names().into_iter().filter(|name| name.ends_with(":multi_thread")).collect()
}

// The process was aborted: the executor panicked while it panicked.
#[test]
fn a_name_with_too_many_threads_is_refused_with_the_limit() {
    for name in multi_threaded() {
        for many in TOO_MANY {
            let error = policy::from_name(&format!("{name}:{many}")).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let said = error.to_string();
            assert!(said.contains(many) && said.contains("1024"), "{said}");
        }
        let few = policy::from_name(&format!("{name}:2")).unwrap();
        few.new_event_loop().unwrap().close().unwrap();
    }
}

#[test]
fn a_policy_with_too_many_threads_makes_no_loop() {
    let refused: Vec<Result<std::sync::Arc<dyn EventLoop>, policy::Error>> = vec![
        #[cfg(feature = "tokio")]
        make(policy::TokioPolicy::multi_thread().worker_threads(100_000)),
        #[cfg(feature = "tokio")]
        make(policy::TokioPolicy::multi_thread().worker_threads(usize::MAX)),
        #[cfg(feature = "smol")]
        make(policy::SmolPolicy::multi_thread().worker_threads(usize::MAX)),
    ];
    for refused in refused {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("1024"), "{error}");
    }
}

#[allow(dead_code, reason = "there may be no loop with threads")]
fn make(
    policy: impl policy::EventLoopPolicy,
) -> Result<std::sync::Arc<dyn EventLoop>, policy::Error> {
    policy.new_event_loop()
}

/// Makes a loop of this name, in a process of its own.
const NAME: &str = "POLICY_TEST_BOUNDS_NAME";

#[test]
fn a_variable_with_too_many_threads_is_refused_with_the_limit() {
    for (name, variable) in
        [("tokio:multi_thread", "TOKIO_WORKER_THREADS"), ("async-std", "ASYNC_STD_THREAD_COUNT")]
    {
        if !policy::policy_names().contains(&name) {
            continue;
        }
        let mut process = Command::new(env::current_exe().unwrap());
        process.args(["--exact", "the_loop_of_another_process", "--nocapture"]);
        let output = process.env(NAME, name).env(variable, "100000").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("InvalidInput"), "{variable}: {said}");
        assert!(said.contains("100000") && said.contains("1024"), "{variable}: {said}");
    }
}

// The other half of the test above; nothing, when it is not asked for.
#[test]
fn the_loop_of_another_process() {
    let Ok(name) = env::var(NAME) else { return };
    let made = policy::from_name(&name).and_then(|policy| policy.new_event_loop());
    println!("{:?}", made.map(drop));
}

#[test]
fn no_time_is_too_long() {
    for name in policy::policy_names() {
        println!("on {name}");
        let long = [Duration::MAX, Duration::from_secs(u64::MAX / 4), Duration::from_secs(1 << 40)];
        for long in long {
            let mut runner =
                Runner::with_policy(policy::from_name(name).unwrap()).shutdown_limit(long);
            let event_loop = runner.get_loop().unwrap();
            runner
                .run(async {
                    assert!(poll(sleep(long)).is_pending());
                    assert!(poll(timeout(long, std::future::pending::<()>())).is_pending());
                    let mut every = interval(long);
                    every.tick().await;
                    assert!(poll(every.tick()).is_pending());
                    let later =
                        event_loop.call_later(long, || unreachable!("nobody waits so long"));
                    later.cancel();
                    let child = policy::process::Command::new("sleep")
                        .arg("1000")
                        .wait_delay(long)
                        .max_output(usize::MAX)
                        .spawn()
                        .unwrap();
                    assert!(poll(timeout(long, child.wait())).is_pending());
                    child.terminate(long).await.unwrap();
                })
                .unwrap();
            runner.close().unwrap();
        }
    }
}

fn poll<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn no_capacity_is_reserved_before_it_is_used() {
    futures_lite::future::block_on(async {
        let (mut a, mut b) = policy::io::duplex(usize::MAX);
        a.write_all(b"hello").await.unwrap();
        drop(a);
        let mut text = String::new();
        b.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "hello");
    });
    let watcher = ThreadedChildWatcher::new().max_threads(usize::MAX);
    let policy = policy::from_name("default").unwrap();
    policy.set_child_watcher(Some(std::sync::Arc::new(watcher))).unwrap();
    let mut runner = Runner::with_policy(policy);
    let status = runner.run(async { policy::process::Command::new("true").status().await });
    assert!(status.unwrap().unwrap().success());
}

// It would grow for as long as its writer is the quicker one.
#[test]
fn a_duplex_holds_no_more_than_it_was_made_for() {
    for size in [1, 7, 4096] {
        let (mut a, mut b) = policy::io::duplex(size);
        let more = vec![1; 2 * size + 1];
        let Poll::Ready(Ok(written)) = poll(a.write(&more)) else { panic!("there is room") };
        assert_eq!(written, size);
        let slices = [std::io::IoSlice::new(&more), std::io::IoSlice::new(&more)];
        assert!(poll(a.write(&more)).is_pending(), "it is full");
        assert!(poll(a.write_vectored(&slices)).is_pending(), "it is full");
        // Room for as much as is read, and no more; the other way has room of its own.
        assert!(matches!(poll(b.write(&more)), Poll::Ready(Ok(written)) if written == size));
        assert!(matches!(poll(b.read(&mut [0])), Poll::Ready(Ok(1))));
        assert!(matches!(poll(a.write_vectored(&slices)), Poll::Ready(Ok(1))));
        assert!(poll(a.write(&more)).is_pending(), "it is full again");
    }
}

// 2^32 seconds came out as none at all: a reset.
#[test]
fn a_socket_is_not_given_a_time_that_it_can_not_keep() {
    policy::run(async {
        let listener = policy::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = policy::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        // So it was of a socket that has no connection yet, longer than of one that has.
        let socket = policy::net::TcpSocket::new_v4().unwrap();
        for long in [Duration::MAX, Duration::from_secs(1 << 32), Duration::from_secs(65_536)] {
            for refused in [stream.set_linger(Some(long)), socket.set_linger(Some(long))] {
                let refused = refused.unwrap_err();
                assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
                assert!(refused.to_string().contains("65535"), "{refused}");
            }
        }
        let most = Duration::from_secs(65_535);
        stream.set_linger(Some(most)).unwrap();
        assert_eq!(stream.linger().unwrap(), Some(most));
        // The longest that the system takes; more is as much.
        if let Err(refused) = stream.set_keepalive(Some(Duration::MAX)) {
            println!("{refused}");
        }
    });
}
