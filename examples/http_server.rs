//! How does a real server use `policy::net`? This one speaks HTTP/1.1, with hyper, on any loop: it
//! keeps connections alive, drops slow clients, and on Ctrl-C finishes the requests that have
//! begun.
//!
//! ```text
//! cargo run --example http_server --features hyper
//! cargo run --example http_server --all-features -- --loop tokio --addr 0.0.0.0:8080
//!
//! curl http://127.0.0.1:8080/                       hello
//! curl http://127.0.0.1:8080/loop                   the name of the loop
//! curl http://127.0.0.1:8080/bytes/1000000 | wc -c  that many bytes, in pieces
//! curl --data-binary @file http://127.0.0.1:8080/echo
//! ```
//!
//! Nothing below names an executor: hyper reads and writes our streams directly (feature `hyper`),
//! and its timeouts use `policy::hyper::Timer`, which uses the timers of the loop.
//!
//! When descriptors run out, the listener reports it, pauses and continues. The second Ctrl-C does
//! not wait.

use std::convert::Infallible;
use std::fmt::Display;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use async_channel::Receiver;
use clap::Parser;
use futures_lite::{future, stream};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use policy::ErrorKind;
use policy::hyper::Timer;
use policy::net::{TcpListener, TcpStream};
use policy::task::JoinSet;
use policy::time::timeout;

/// Serves HTTP/1.1 on any event loop.
#[derive(Parser)]
#[command(name = "http_server")]
struct Settings {
    /// Where to listen; port 0 lets the system choose
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    addr: SocketAddr,
    #[arg(long = "loop", value_name = "NAME", default_value = "default", help = loop_help())]
    event_loop: String,
    /// How many seconds a client has for the head of a request, and between two of them
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    header_timeout: Duration,
    /// How many seconds requests have for their end after Ctrl-C
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    grace: Duration,
}

fn loop_help() -> String {
    format!("The event loop: {}", policy::policy_names().join(", "))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.filter(|time| !time.is_zero()).ok_or_else(|| "not a time; try 10 or 0.5".into())
}

/// What went wrong: one line, for a person.
type Failure = String;

fn main() -> ExitCode {
    let settings = Settings::parse();
    let chosen = policy::from_name(&settings.event_loop);
    let served =
        chosen.map(policy::set_event_loop_policy).and_then(|()| policy::try_run(serve(settings)));
    match served {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(failure)) => failed(failure),
        // As a shell says of a program that SIGINT ended.
        Err(error) if error.kind() == ErrorKind::Interrupted => ExitCode::from(130),
        Err(error) => failed(error),
    }
}

fn failed(why: impl Display) -> ExitCode {
    complain(why);
    ExitCode::from(2)
}

/// Accepts until Ctrl-C, then lets requests end.
async fn serve(settings: Settings) -> Result<(), Failure> {
    // First, so that nobody who reads the address can be too early.
    let mut interrupt = policy::signal::ctrl_c();
    let listener = TcpListener::bind(settings.addr).await;
    let listener =
        listener.map_err(|error| format!("can't listen at {}: {error}", settings.addr))?;
    announce(&listener).map_err(|error| format!("can't say where it listens: {error}"))?;

    // Nothing is ever sent: it is closed, and all connections see that.
    let (open, closing) = async_channel::bounded(1);
    let mut connections = JoinSet::new();
    loop {
        let accepted = async { Some(listener.accept().await) };
        let interrupted = async {
            if let Err(error) = (&mut interrupt).await {
                complain(format_args!("Ctrl-C will end it at once: {error}"));
                future::pending::<()>().await;
            }
            None
        };
        match future::or(interrupted, accepted).await {
            Some(Ok((stream, peer))) => {
                let time = settings.header_timeout;
                connections.spawn(converse(stream, peer, time, closing.clone()));
            }
            // Those that wait are accepted when there is room.
            Some(Err(error)) => complain(format_args!("can't accept a connection: {error}")),
            None => break,
        }
        while connections.try_join_next().is_some() {}
    }

    drop(listener);
    // The next one is not ours.
    drop(interrupt);
    open.close();
    let ended = async { while connections.join_next().await.is_some() {} };
    if timeout(settings.grace, ended).await.is_err() {
        complain(format_args!("{} connections are cut off", connections.len()));
    }
    Ok(())
}

/// Answers the requests of one client, one after the other.
async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    header_timeout: Duration,
    closing: Receiver<Infallible>,
) {
    // Answers are written whole: waiting for more would only hold up the last piece.
    let _slower = stream.set_nodelay(true);
    let mut connection = pin!(
        http1::Builder::new()
            .timer(Timer::new())
            .header_read_timeout(header_timeout)
            .serve_connection(stream, service_fn(answer))
    );
    let ended = async { Some(connection.as_mut().await) };
    let closed = async {
        let _closed = closing.recv().await;
        None
    };
    let ended = match future::or(ended, closed).await {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        complain(format_args!("{peer}: {error}"));
    }
}

type Body = BoxBody<Bytes, hyper::Error>;

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    let reads = [Method::GET, Method::HEAD].contains(request.method());
    Ok(match (path.as_str(), path.strip_prefix("/bytes/").and_then(|count| count.parse().ok())) {
        ("/echo", _) if request.method() == Method::POST => {
            Response::new(request.into_body().boxed())
        }
        ("/echo", _) => refused(StatusCode::METHOD_NOT_ALLOWED, "POST"),
        ("/" | "/loop", _) | (_, Some(_)) if !reads => {
            refused(StatusCode::METHOD_NOT_ALLOWED, "GET, HEAD")
        }
        ("/", _) => text("hello\n"),
        ("/loop", _) => match policy::get_running_loop() {
            Ok(event_loop) => text(format!("{}\n", event_loop.name())),
            Err(error) => text(format!("{error}\n")),
        },
        (_, Some(count)) => Response::new(zeros(count)),
        _ => refused(StatusCode::NOT_FOUND, ""),
    })
}

fn text(text: impl Into<Bytes>) -> Response<Body> {
    Response::new(Full::new(text.into()).map_err(|never| match never {}).boxed())
}

fn refused(status: StatusCode, allowed: &'static str) -> Response<Body> {
    let mut response = text(format!("{status}\n"));
    *response.status_mut() = status;
    if !allowed.is_empty() {
        response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static(allowed));
    }
    response
}

/// So many bytes; the next piece is made when there is room for it.
fn zeros(count: u64) -> Body {
    static ZEROS: [u8; 1 << 16] = [0; 1 << 16];
    let pieces = stream::unfold(count, |left| async move {
        let piece = usize::try_from(left).unwrap_or(usize::MAX).min(ZEROS.len());
        let piece = ZEROS.get(..piece).filter(|piece| !piece.is_empty())?;
        Some((Ok(Frame::data(Bytes::from_static(piece))), left - piece.len() as u64))
    });
    StreamBody::new(pieces).boxed()
}

fn announce(listener: &TcpListener) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "listening at http://{}", listener.local_addr()?)?;
    out.flush()
}

fn complain(what: impl Display) {
    // Not `eprintln!`: it panics if standard error is closed.
    let _nobody_reads = writeln!(io::stderr(), "http_server: {what}");
}
