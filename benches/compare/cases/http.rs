//! hyper, with 64 clients that keep their connections: wrk's, from a process of its own.
//!
//! A server is one thread. `no timeouts` is hyper by itself; `header timeout` is how a
//! server is left alone with its clients: a timer per request.

use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use async_io::Async;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::rt::{Read, Timer, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use policy::EventLoopPolicy;
use smol_hyper::rt::{FuturesIo, SmolTimer};

use super::tasks::{executor, tokio_runtime};
use crate::harness::{Aim, Case, Measure, Plan, Row};

const AIM: Option<Aim> = Some(Aim::AtLeast(0.98));
const RATE: Measure = ("requests", "/s");

const CONNECTIONS: u32 = 64;
/// The shortest time that wrk can be told.
const SECONDS: u32 = 1;

pub fn rows(plan: &Plan) -> Vec<Row> {
    if !plan.is_quick && Command::new("wrk").arg("--version").output().is_err() {
        eprintln!(
            "   skipped: there is no wrk; `apt-get install wrk` or `.ci/run tools` brings it"
        );
        return Vec::new();
    }
    let plan = &plan.at_most(7);
    [false, true]
        .into_iter()
        .flat_map(|timeouts| [on_tokio(plan, timeouts), on_smol(plan, timeouts)])
        .flat_map(|case| case.run(plan))
        .collect()
}

fn on_tokio(plan: &Plan, timeouts: bool) -> Case {
    case("tokio current_thread", timeouts)
        .measured(
            "ours",
            &[],
            clients(plan.is_quick, move || {
                let policy = policy_tokio::TokioPolicy::current_thread();
                serve_ours(&policy, timeouts)
            }),
        )
        .measured(
            "hyper-util on tokio::net",
            &[AIM],
            clients(plan.is_quick, move || serve_tokio(timeouts)),
        )
}

fn on_smol(plan: &Plan, timeouts: bool) -> Case {
    case("smol current_thread", timeouts)
        .measured(
            "ours",
            &[],
            clients(plan.is_quick, move || {
                serve_ours(&policy_smol::SmolPolicy::current_thread(), timeouts)
            }),
        )
        .measured(
            "smol-hyper on async-io",
            &[AIM],
            clients(plan.is_quick, move || serve_smol(timeouts)),
        )
}

fn case(on: &str, timeouts: bool) -> Case {
    let timeouts = if timeouts { "header timeout" } else { "no timeouts" };
    // No count of requests is known beforehand, so allocations are not counted.
    Case::new("http", format!("hyper hello, {timeouts}, {on}"), 0, &[RATE])
}

/// Starts the server with the first round, and gives its rate.
fn clients(is_quick: bool, start: impl Fn() -> SocketAddr + 'static) -> impl FnMut() -> Vec<f64> {
    let mut address = None;
    move || {
        let address = *address.get_or_insert_with(&start);
        vec![if is_quick { few_requests(address) } else { wrk(address) }]
    }
}

fn wrk(address: SocketAddr) -> f64 {
    let output = Command::new("wrk")
        .args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{SECONDS}s")])
        .arg(format!("http://{address}/"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains("Non-2xx") && !text.contains("Socket errors"), "{text}");
    let rate = text.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
    rate.expect("wrk says its rate").trim().parse().unwrap()
}

/// Instead of wrk, where nothing is measured.
fn few_requests(address: SocketAddr) -> f64 {
    const REQUESTS: u32 = 20;
    let mut stream = TcpStream::connect(address).unwrap();
    let (began, mut answer) = (Instant::now(), Vec::new());
    for _ in 0..REQUESTS {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
        answer.clear();
        while !answer.ends_with(HELLO) {
            let mut buffer = [0; 1024];
            let read = stream.read(&mut buffer).unwrap();
            assert_ne!(read, 0, "the connection is kept");
            answer.extend_from_slice(&buffer[..read]);
        }
    }
    f64::from(REQUESTS) / began.elapsed().as_secs_f64()
}

const HELLO: &[u8] = b"hello world";

async fn hello(_request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::new(Bytes::from_static(HELLO))))
}

/// Answers one client.
async fn converse(
    io: impl Read + Write + Unpin + 'static,
    timer: Option<impl Timer + Send + Sync + 'static>,
) {
    let mut builder = http1::Builder::new();
    if let Some(timer) = timer {
        builder.timer(timer).header_read_timeout(Duration::from_secs(30));
    }
    // wrk resets its connections at the end.
    let _reset = builder.serve_connection(io, service_fn(hello)).await;
}

/// Has a server run on a thread of its own, for as long as the process lives; `run` tells
/// where it listens.
fn server(run: impl FnOnce(Sender<SocketAddr>) + Send + 'static) -> SocketAddr {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || run(send));
    receive.recv().expect("a server listens")
}

fn serve_ours(policy: &dyn EventLoopPolicy, timeouts: bool) -> SocketAddr {
    let event_loop = policy.new_event_loop().unwrap();
    server(move |send| {
        let serving = async {
            let listener = policy::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            send.send(listener.local_addr().unwrap()).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let timer = timeouts.then(policy::hyper::Timer::new);
                drop(policy::spawn(converse(stream, timer)));
            }
        };
        event_loop.run_until_complete(serving).unwrap()
    })
}

fn serve_tokio(timeouts: bool) -> SocketAddr {
    let runtime = tokio_runtime(None);
    server(move |send| {
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            send.send(listener.local_addr().unwrap()).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let timer = timeouts.then(TokioTimer::new);
                tokio::spawn(converse(TokioIo::new(stream), timer));
            }
        })
    })
}

fn serve_smol(timeouts: bool) -> SocketAddr {
    let single = executor(0);
    server(move |send| {
        let serving = async {
            let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0)).unwrap();
            send.send(listener.get_ref().local_addr().unwrap()).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.get_ref().set_nodelay(true).unwrap();
                let timer = timeouts.then(SmolTimer::new);
                single.spawn(converse(FuturesIo::new(stream), timer)).detach();
            }
        };
        async_io::block_on(single.run(serving))
    })
}
