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

/// Whether this code is inside of a tokio runtime, as tokio sees it.
fn is_inside() -> bool {
    tokio::runtime::Handle::try_current().is_ok()
}

// What was spawned inside used to panic: "there is no reactor running".
#[test]
fn what_the_future_gives_to_the_loop_is_inside_the_bridge() {
    for debug in [false, true] {
        on_every_loop(|| async move {
            let event_loop = policy::get_running_loop().unwrap();
            event_loop.set_debug(debug);
            let outside = is_inside();
            with_tokio(async {
                let nap = || tokio::time::sleep(Duration::from_millis(1));
                policy::spawn(async move { nap().await }).await.unwrap();
                policy::spawn_local(async move { nap().await }).await.unwrap();
                event_loop.spawn(async move { nap().await }).await.unwrap();
                let mut set = policy::task::JoinSet::new();
                // And what those spawn.
                set.spawn(async move { policy::spawn(async move { nap().await }).await });
                set.join_next().await.unwrap().unwrap().unwrap();
                assert!(policy::spawn_blocking(is_inside).await.unwrap());
                let (tell, told) = async_channel::unbounded();
                let tells = || {
                    let tell = tell.clone();
                    move || tell.try_send(is_inside()).unwrap()
                };
                event_loop.call_soon(tells());
                event_loop.call_later(Duration::from_millis(1), tells());
                for _ in 0..2 {
                    assert!(told.recv().await.unwrap());
                }
            })
            .await;
            // And nothing else is.
            assert_eq!(is_inside(), outside);
            let task = policy::spawn(async { is_inside() });
            assert_eq!(task.await.unwrap(), outside);
        });
    }
}

#[test]
fn what_is_inside_is_dropped_inside() {
    struct Looks(async_channel::Sender<bool>);

    impl Drop for Looks {
        fn drop(&mut self) {
            self.0.try_send(is_inside()).unwrap();
        }
    }

    on_every_loop(|| async {
        let (tell, told) = async_channel::unbounded();
        // Given up half-way.
        let looks = Looks(tell.clone());
        let waits = with_tokio(async move {
            let _looks = looks;
            std::future::pending::<()>().await;
        });
        assert!(futures_lite::future::poll_once(waits).await.is_none());
        assert!(told.recv().await.unwrap());
        // An aborted task of it.
        let looks = Looks(tell.clone());
        let mut spawned = None;
        with_tokio(async {
            spawned = Some(policy::spawn(async move {
                let _looks = looks;
                std::future::pending::<()>().await;
            }));
        })
        .await;
        let task = spawned.unwrap();
        policy::task::yield_now().await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert!(told.recv().await.unwrap());
        // One that panics, and takes nobody along.
        let looks = Looks(tell);
        let task = with_tokio(async move {
            let panics = policy::spawn(async move {
                let _looks = looks;
                panic!("expected: a task's");
            });
            panics.await.unwrap_err().is_panic()
        });
        assert!(task.await);
        assert!(told.recv().await.unwrap());
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
