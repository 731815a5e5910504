//! How do you do I/O with buffers that the operation owns? On a proactor (io_uring, IOCP) the
//! system works on the buffers itself; every other loop tries and waits, with the same calls.
//!
//! It copies a file, several parts of it at once, or is a proxy between clients and a server.
//!
//! ```text
//! cargo run --example proactor_copy -- SOURCE TARGET
//! cargo run --example proactor_copy --all-features -- --loop compio SOURCE TARGET
//! cargo run --example proactor_copy -- --proxy 127.0.0.1:8080 example.org:80
//! ```

use std::fs::File;
use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, ToSocketAddrs};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use policy::proactor::{ProactorHandle, Resource};
use policy::task::JoinSet;

const USAGE: &str = "usage: proactor_copy [--loop NAME] SOURCE TARGET
       proactor_copy [--loop NAME] --proxy LISTEN UPSTREAM";

/// How much is read by one operation.
const CHUNK: usize = 256 << 10;
/// How many parts of a file are copied at once.
const AT_ONCE: usize = 8;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let mut name = "default".to_owned();
    if args.first().is_some_and(|first| first == "--loop") && args.len() > 1 {
        name = args.remove(1);
        args.remove(0);
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        ["--proxy", listen, upstream] => on(&name, proxy(listen.into(), upstream.into())),
        [source, target] if !source.starts_with("--") => {
            on(&name, copy(source.into(), target.into()))
        }
        _ => {
            let _nobody_reads = writeln!(io::stderr(), "{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _nobody_reads = writeln!(io::stderr(), "proactor_copy: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the program on the loop of this name.
fn on(name: &str, program: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    policy::set_event_loop_policy(policy::from_name(name)?);
    policy::try_run(program)?
}

async fn copy(source: String, target: String) -> Result<(), Failure> {
    let event_loop = policy::get_running_loop()?;
    let proactor = event_loop.proactor()?;
    let (read, written) = policy::spawn_blocking(move || open(&source, &target)).await??;
    let size = read.metadata()?.len();
    let is_file = read.metadata()?.is_file() && written.metadata()?.is_file();
    let (read, written) = (Resource::from(read), Resource::from(written));
    let copied = if is_file {
        copy_parts(&proactor, &read, &written, size).await?
    } else {
        // A pipe or a terminal: one byte after the other, to its end.
        pump(&proactor, &read, &written).await?
    };
    say(&format!(
        "copied {copied} bytes on the loop {} by {}{}",
        event_loop.name(),
        proactor.driver(),
        if proactor.is_native() { "" } else { " (emulated)" }
    ));
    Ok(())
}

/// Opens both; a file that is copied to itself would be empty before it is read.
fn open(source: &str, target: &str) -> io::Result<(File, File)> {
    let names =
        |error: io::Error, path: &str| io::Error::new(error.kind(), format!("{path}: {error}"));
    let read = File::open(source).map_err(|error| names(error, source))?;
    if let (Ok(from), Ok(to)) = (Path::new(source).canonicalize(), Path::new(target).canonicalize())
    {
        if from == to && read.metadata()?.is_file() {
            return Err(io::Error::other(format!("{source} and {target} are the same file")));
        }
    }
    Ok((read, File::create(target).map_err(|error| names(error, target))?))
}

/// Copies a file by several tasks, each of which takes the next part that is left.
async fn copy_parts(
    proactor: &ProactorHandle,
    from: &Resource,
    to: &Resource,
    size: u64,
) -> Result<u64, Failure> {
    let next = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..AT_ONCE.min(size.div_ceil(CHUNK as u64) as usize) {
        let (proactor, from, to) = (proactor.clone(), from.clone(), to.clone());
        let next = next.clone();
        tasks.spawn(async move {
            let (mut copied, mut buffer) = (0, Vec::with_capacity(CHUNK));
            loop {
                let start = next.fetch_add(CHUNK as u64, Relaxed);
                let end = (start + CHUNK as u64).min(size);
                let mut at = start;
                while at < end {
                    // The buffer goes in, and comes back with what was read.
                    let (read, mut filled) = proactor.read_at(&from, at, buffer).await;
                    if read? == 0 {
                        return Ok(copied); // shorter than it was
                    }
                    filled.truncate((end - at) as usize);
                    let (written, filled) = proactor.write_all_at(&to, at, filled).await;
                    written?;
                    at += filled.len() as u64;
                    copied += filled.len() as u64;
                    buffer = filled;
                }
                if start >= size {
                    return Ok::<u64, io::Error>(copied);
                }
            }
        });
    }
    let mut copied = 0;
    while let Some(part) = tasks.join_next().await {
        copied += part??;
    }
    Ok(copied)
}

async fn proxy(listen: String, upstream: String) -> Result<(), Failure> {
    let event_loop = policy::get_running_loop()?;
    let proactor = event_loop.proactor()?;
    let upstream = policy::spawn_blocking(move || upstream.to_socket_addrs()).await??;
    let upstream: SocketAddr = upstream.into_iter().next().ok_or("no such server")?;
    let listener = TcpListener::bind(listen)?;
    say(&format!("listening on {}", listener.local_addr()?));
    let listener = Resource::from(listener);
    loop {
        match proactor.accept(&listener).await {
            Ok((client, address)) => {
                let proactor = proactor.clone();
                drop(policy::spawn(async move {
                    if let Err(error) = between(&proactor, client, upstream).await {
                        let _nobody_reads = writeln!(io::stderr(), "{address}: {error}");
                    }
                }));
            }
            // Too many at once: those that come wait in the queue of the listener.
            Err(error) => {
                let _nobody_reads = writeln!(io::stderr(), "can't accept: {error}");
                policy::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Carries bytes both ways until both have ended.
async fn between(
    proactor: &ProactorHandle,
    client: Resource,
    upstream: SocketAddr,
) -> Result<(), Failure> {
    let server = Resource::socket_for(&upstream.into())?;
    proactor.connect(&server, upstream).await?;
    let (own, from, to) = (proactor.clone(), server.clone(), client.clone());
    let back = policy::spawn(async move { half(&own, &from, &to).await });
    half(proactor, &client, &server).await?;
    back.await??;
    Ok(())
}

/// Carries bytes one way, and then says that there are no more.
async fn half(proactor: &ProactorHandle, from: &Resource, to: &Resource) -> io::Result<u64> {
    let carried = pump(proactor, from, to).await?;
    // The other may have gone.
    let _shut = to.shutdown(Shutdown::Write);
    Ok(carried)
}

/// Reads to the end, and writes all of it.
async fn pump(proactor: &ProactorHandle, from: &Resource, to: &Resource) -> io::Result<u64> {
    let (mut carried, mut buffer) = (0, Vec::with_capacity(CHUNK));
    loop {
        let (read, filled) = proactor.read(from, buffer).await;
        if read? == 0 {
            return Ok(carried);
        }
        let (written, back) = proactor.write_all(to, filled).await;
        carried += written? as u64;
        buffer = back;
    }
}

fn say(line: &str) {
    let _nobody_reads = writeln!(io::stdout(), "{line}");
}
