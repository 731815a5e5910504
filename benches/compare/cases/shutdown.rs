//! From the end of the main future to the end of the loop, with much that waits.

use std::future::pending;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use async_io::Async;
use futures_lite::future::yield_now;
use policy::{EventLoopPolicy, Runner};

use crate::harness::{Aim, Case, Plan, Row};

const AIM: Option<Aim> = Some(Aim::AtMost(0.7));

pub fn rows(plan: &Plan) -> Vec<Row> {
    let plan = &plan.at_most(9);
    let many =
        Many { tasks: plan.scale(100_000), timers: plan.scale(10_000), sockets: plan.scale(1_000) };
    let case = |on: &str| {
        let Many { tasks, timers, sockets } = many;
        let name = format!("{tasks} tasks, {timers} timers, {sockets} sockets, {on}");
        Case::timed("shutdown", name, 1)
    };
    use policy_smol::SmolPolicy;
    use policy_tokio::TokioPolicy;
    let cases = [
        case("tokio current_thread")
            .side("ours", None, move || ours(TokioPolicy::current_thread(), many))
            .side("tokio, the drop of its Runtime", AIM, move || by_tokio(many)),
        case("default loop")
            .side("ours", None, move || ours(policy::DefaultEventLoopPolicy::new(), many))
            .side("tokio, the drop of its Runtime", AIM, move || by_tokio(many)),
        case("smol current_thread")
            .side("ours", None, move || ours(SmolPolicy::current_thread(), many))
            .side("async-executor, its drop", AIM, move || by_smol(many)),
        #[cfg(target_os = "linux")]
        case("compio")
            .side("ours", None, move || ours(policy_compio::CompioPolicy::new(), many))
            .side("compio, the drop of its Runtime", AIM, move || by_compio(many)),
    ];
    cases.into_iter().flat_map(|case| case.run(plan)).collect()
}

#[derive(Clone, Copy)]
struct Many {
    tasks: u32,
    timers: u32,
    sockets: u32,
}

/// Makes all of it wait; each has been polled when this ends.
macro_rules! leave {
    ($many:expr, $f:ident => $spawn:expr, $sleep:path, $receive:expr) => {{
        let many: Many = $many;
        async move {
            let started = Arc::new(AtomicU32::new(0));
            for _ in 0..many.tasks {
                let started = started.clone();
                let $f = async move {
                    started.fetch_add(1, Relaxed);
                    pending::<()>().await;
                };
                $spawn;
            }
            for n in 0..many.timers {
                let started = started.clone();
                let $f = async move {
                    started.fetch_add(1, Relaxed);
                    let _ = $sleep(Duration::from_secs(60 + u64::from(n % 60))).await;
                };
                $spawn;
            }
            for _ in 0..many.sockets {
                let (started, socket) = (started.clone(), socket());
                let $f = async move {
                    started.fetch_add(1, Relaxed);
                    $receive(socket).await;
                };
                $spawn;
            }
            while started.load(Relaxed) < many.tasks + many.timers + many.sockets {
                yield_now().await;
            }
            Instant::now()
        }
    }};
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

fn ours(policy: impl EventLoopPolicy, many: Many) -> Duration {
    async fn receive(socket: UdpSocket) {
        let socket = policy::net::UdpSocket::from_std(socket).unwrap();
        socket.recv(&mut [0; 64]).await.unwrap();
    }
    let mut runner = Runner::with_policy(policy);
    let began = runner
        .run(leave!(many, f => drop(policy::spawn(f)), policy::time::sleep, receive))
        .unwrap();
    runner.close().unwrap();
    began.elapsed()
}

fn by_tokio(many: Many) -> Duration {
    async fn receive(socket: UdpSocket) {
        let socket = tokio::net::UdpSocket::from_std(socket).unwrap();
        socket.recv(&mut [0; 64]).await.unwrap();
    }
    // Not the one in an `Arc`: it must be dropped here.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let began =
        runtime.block_on(leave!(many, f => drop(tokio::spawn(f)), tokio::time::sleep, receive));
    drop(runtime);
    began.elapsed()
}

fn by_smol(many: Many) -> Duration {
    async fn receive(socket: UdpSocket) {
        Async::new(socket).unwrap().recv(&mut [0; 64]).await.unwrap();
    }
    let own = async_executor::Executor::new();
    let executor = &own;
    let began = async_io::block_on(executor.run(leave!(
        many,
        f => executor.spawn(f).detach(),
        async_io::Timer::after,
        receive
    )));
    drop(own);
    began.elapsed()
}

#[cfg(target_os = "linux")]
fn by_compio(many: Many) -> Duration {
    async fn receive(socket: UdpSocket) {
        let socket = compio_net::UdpSocket::from_std(socket).unwrap();
        let _received = socket.recv(vec![0; 64]).await;
    }
    let runtime = compio_runtime::Runtime::new().unwrap();
    let began = runtime.block_on(
        leave!(many, f => compio_runtime::spawn(f).detach(), compio_runtime::time::sleep, receive),
    );
    drop(runtime);
    began.elapsed()
}
