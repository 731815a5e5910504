//! How does a real server use `policy::net`? This one speaks HTTP/1.1, with hyper, on any loop: it
//! keeps connections alive, drops clients that are too slow or want too much, and on Ctrl-C
//! finishes the requests that have begun.
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
//! `policy::hyper::serve` limits what a client can use.
//!
//! When descriptors run out, the listener reports it, pauses and continues. The second Ctrl-C does
//! not wait.

use std::convert::Infallible;
use std::error::Error;
use std::fmt::{self, Display};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use futures_lite::{future, stream};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use policy::ErrorKind;
use policy::hyper::Limits;
use policy::net::TcpListener;

/// Serves HTTP/1.1 on any event loop.
#[derive(Parser)]
#[command(args_override_self = true)]
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
    /// How many seconds a client has for each KiB of a request's body
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    body_timeout: Duration,
    /// How many seconds a client has for the whole body of a request
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = seconds)]
    upload_timeout: Duration,
    /// How many seconds a client has to take each KiB of an answer
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    answer_timeout: Duration,
    /// How many bytes the body of a request may have
    #[arg(long, value_name = "BYTES", default_value_t = 16 << 20)]
    max_body: u64,
    /// How many connections there may be; with so many, the one that waits the longest for a
    /// request makes room for the next
    #[arg(long, value_name = "COUNT", default_value_t = 512)]
    max_connections: usize,
    /// How many connections one peer may have; half of all, if it is not given
    #[arg(long, value_name = "COUNT")]
    max_per_peer: Option<usize>,
    /// How many seconds requests have for their end after Ctrl-C
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    grace: Duration,
}

impl Settings {
    fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        limits.head_time = self.header_timeout;
        limits.body_time = self.body_timeout;
        limits.body_total = self.upload_timeout;
        limits.body_size = self.max_body;
        limits.answer_time = self.answer_timeout;
        limits.connections = self.max_connections;
        limits.connections_per_peer = self.max_per_peer;
        limits.grace = self.grace;
        limits
    }
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
    let interrupt = policy::signal::ctrl_c();
    let listener = TcpListener::bind(settings.addr).await;
    let listener =
        listener.map_err(|error| format!("can't listen at {}: {error}", settings.addr))?;
    announce(&listener).map_err(|error| format!("can't say where it listens: {error}"))?;

    let end = async {
        if let Err(error) = interrupt.await {
            complain(format_args!("Ctrl-C will end it at once: {error}"));
            future::pending::<()>().await;
        }
    };
    let served = policy::hyper::serve(listener, service_fn(answer))
        .limits(settings.limits())
        .until(end)
        .on_error(|peer, error| match peer {
            Some(peer) => complain(format_args!("{peer}: {}", Causes(error))),
            None => complain(format_args!("can't accept a connection: {error}")),
        })
        .await
        .map_err(|error| format!("can't accept connections any more: {error}"))?;
    if served.cut_off > 0 {
        complain(format_args!("{} connections are cut off", served.cut_off));
    }
    Ok(())
}

/// An error and what caused it.
struct Causes<'a>(&'a (dyn Error + 'static));

impl Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

type Body = BoxBody<Bytes, policy::Error>;

async fn answer(request: Request<policy::hyper::Body>) -> Result<Response<Body>, Infallible> {
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
