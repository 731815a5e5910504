//! Code of another executor's, on every loop.
#![cfg(all(unix, feature = "compat"))]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

use std::future::Future;
use std::time::Duration;

use policy::compat::{CompatExt, with_tokio};

fn on_every_loop<F: Future<Output = ()>>(story: impl Fn() -> F) {
    for name in policy::policy_names() {
        println!("on {name}");
        policy::Runner::with_policy(policy::from_name(name).unwrap()).run(story()).unwrap();
    }
}

/// As a library would write it that knows tokio only.
async fn echo_by_tokio(text: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut peer, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 64];
        let count = peer.read(&mut buffer).await.unwrap();
        peer.write_all(&buffer[..count]).await.unwrap();
    });
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(text.as_bytes()).await.unwrap();
    let mut echo = String::new();
    client.read_to_string(&mut echo).await.unwrap();
    server.await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    echo
}

#[test]
fn a_future_that_needs_tokio_runs_on_any_loop() {
    on_every_loop(|| async {
        assert_eq!(with_tokio(echo_by_tokio("hello")).await, "hello");
    });
}

#[test]
fn a_task_that_needs_tokio_runs_on_any_loop() {
    on_every_loop(|| async {
        let task = policy::spawn(with_tokio(echo_by_tokio("hello")));
        assert_eq!(task.await.unwrap(), "hello");
    });
}

#[test]
fn inside_the_bridge_ambient_calls_mean_the_loop_outside() {
    on_every_loop(|| async {
        let outside = policy::get_running_loop().unwrap();
        let inside = with_tokio(async { policy::get_running_loop().unwrap() }).await;
        assert_eq!(inside.state().id(), outside.state().id());
    });
}

#[cfg(feature = "tokio")]
#[test]
fn on_a_tokio_loop_the_bridge_leads_to_its_own_runtime() {
    policy::Runner::with_policy(policy::TokioPolicy::current_thread())
        .run(async {
            let here = tokio::runtime::Handle::current().id();
            let there = with_tokio(async { tokio::runtime::Handle::current().id() }).await;
            assert_eq!(here, there);
        })
        .unwrap();
}

#[test]
fn a_future_that_stands_on_async_io_runs_on_any_loop() {
    on_every_loop(|| async {
        use futures_lite::{AsyncReadExt, AsyncWriteExt};

        let (mut a, mut b) = async_io::Async::<std::os::unix::net::UnixStream>::pair().unwrap();
        a.write_all(b"hello").await.unwrap();
        drop(a);
        let mut text = String::new();
        b.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "hello");
        async_io::Timer::after(Duration::from_millis(1)).await;
    });
}

#[test]
fn a_type_with_tokios_traits_has_those_of_futures_io() {
    on_every_loop(|| async {
        use futures_lite::{AsyncReadExt, AsyncWriteExt};

        let (one, other) = tokio::io::duplex(64);
        let (mut one, mut other) = (one.compat(), other.compat());
        one.write_all(b"hello").await.unwrap();
        one.close().await.unwrap();
        let mut text = String::new();
        other.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "hello");
    });
}
