//! How does one server speak TCP, UDP and Unix sockets on any loop? It echoes all bytes that it
//! receives. On Ctrl-C it serves the connected clients to their end, and exits.
//!
//! ```text
//! echo [--loop NAME] [--tcp ADDRESS] [--udp ADDRESS] [--unix PATH]
//!
//! cargo run --example echo                                    # the system chooses the ports
//! cargo run --example echo --all-features -- --loop tokio --tcp localhost:7000
//! ```
//!
//! It prints a line `listening NAME ADDRESS` for each socket. The exit code is 0 after Ctrl-C, 1 if
//! it can't bind a socket, 2 if the arguments are invalid.

use std::error::Error;
use std::io;
#[cfg(unix)]
use std::path::PathBuf;
use std::process::ExitCode;

use async_channel::Receiver;
use futures_lite::{AsyncRead, AsyncWrite, AsyncWriteExt, Stream, StreamExt, future};
#[cfg(unix)]
use policy::net::UnixListener;
use policy::net::{TcpListener, UdpSocket};
use policy::task::JoinSet;
use policy::time::{Duration, timeout};

const USAGE: &str = "\
Usage: echo [--loop NAME] [--tcp ADDRESS] [--udp ADDRESS] [--unix PATH]";

/// How long who is connected may go on after Ctrl-C.
const GRACE: Duration = Duration::from_secs(5);

#[derive(Default)]
struct Asked {
    event_loop: Option<String>,
    tcp: Option<String>,
    udp: Option<String>,
    #[cfg(unix)]
    unix: Option<PathBuf>,
}

fn main() -> ExitCode {
    let asked = match parse(std::env::args().skip(1)) {
        Ok(asked) => asked,
        Err(wrong) => {
            eprintln!("echo: {wrong}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if let Some(name) = &asked.event_loop {
        match policy::from_name(name) {
            Ok(policy) => policy::set_event_loop_policy(policy),
            Err(error) => {
                eprintln!("echo: {error}");
                return ExitCode::from(2);
            }
        }
    }
    match policy::run(serve(asked)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Asked, String> {
    let mut asked = Asked::default();
    while let Some(option) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{option} needs a value"));
        match &*option {
            "--loop" => asked.event_loop = Some(value()?),
            "--tcp" => asked.tcp = Some(value()?),
            "--udp" => asked.udp = Some(value()?),
            #[cfg(unix)]
            "--unix" => asked.unix = Some(value()?.into()),
            _ => return Err(format!("there is no option {option:?}")),
        }
    }
    Ok(asked)
}

/// Serves until Ctrl-C.
async fn serve(asked: Asked) -> Result<(), Box<dyn Error>> {
    // Listened to before anybody is told that we are there.
    let mut interrupted = Box::pin(policy::signal::ctrl_c());
    future::poll_once(&mut interrupted).await.transpose()?;

    let nothing_asked = asked.tcp.is_none() && asked.udp.is_none();
    #[cfg(unix)]
    let nothing_asked = nothing_asked && asked.unix.is_none();
    let default = || nothing_asked.then(|| "127.0.0.1:0".to_owned());
    let (stop, stopped) = async_channel::bounded::<Never>(1);
    let mut servers = JoinSet::new();
    if let Some(address) = asked.tcp.or_else(default) {
        let listener = TcpListener::bind(&address).await?;
        say("tcp", listener.local_addr()?).await?;
        let stopped = stopped.clone();
        servers.spawn(async move {
            let clients = serve_until(listener.incoming(), &stopped).await;
            drop(listener);
            finish(clients).await;
        });
    }
    if let Some(address) = asked.udp.or_else(default) {
        let socket = UdpSocket::bind(&address).await?;
        say("udp", socket.local_addr()?).await?;
        let stopped = stopped.clone();
        servers.spawn(async move { future::or(datagrams(&socket), closed(&stopped)).await });
    }
    #[cfg(unix)]
    if let Some(path) = asked.unix {
        let listener = UnixListener::bind(&path)?;
        say("unix", path.display()).await?;
        servers.spawn(async move {
            let clients = serve_until(listener.incoming(), &stopped).await;
            drop(listener);
            if let Err(error) = std::fs::remove_file(&path) {
                eprintln!("echo: {}: {error}", path.display());
            }
            finish(clients).await;
        });
    }

    interrupted.await?;
    drop(stop);
    servers.join_all().await;
    Ok(())
}

/// Prints where somebody listens, by a stream that no slow reader blocks the loop with.
async fn say(name: &str, address: impl std::fmt::Display) -> io::Result<()> {
    let mut out = policy::io::stdout();
    out.write_all(format!("listening {name} {address}\n").as_bytes()).await?;
    out.flush().await
}

/// Serves those who connect, and returns those who still are when it is stopped.
async fn serve_until<S>(
    mut incoming: impl Stream<Item = io::Result<S>> + Unpin,
    stopped: &Receiver<Never>,
) -> JoinSet<()>
where
    S: Send + Sync + 'static,
    for<'a> &'a S: AsyncRead + AsyncWrite + Unpin,
{
    let mut clients = JoinSet::new();
    let accepting = async {
        while let Some(stream) = incoming.next().await {
            // Those that have ended are let go of, so that the set does not grow.
            while clients.try_join_next().is_some() {}
            match stream {
                Ok(stream) => drop(clients.spawn(async move { report(echo(&stream).await) })),
                // One that failed, or too many for the moment: the next may do.
                failed => report(failed.map(drop)),
            }
        }
    };
    future::or(accepting, closed(stopped)).await;
    clients
}

async fn finish(clients: JoinSet<()>) {
    let _late = timeout(GRACE, clients.join_all()).await;
}

async fn echo<'a, S>(stream: &'a S) -> io::Result<()>
where
    &'a S: AsyncRead + AsyncWrite + Unpin,
{
    policy::io::copy(stream, stream).await?;
    let mut stream = stream;
    stream.close().await
}

async fn datagrams(socket: &UdpSocket) {
    let mut buf = vec![0; 64 * 1024];
    loop {
        let echoed = match socket.recv_from(&mut buf).await {
            Ok((len, peer)) => socket.send_to(buf.get(..len).unwrap_or(&buf), peer).await,
            Err(error) => Err(error),
        };
        // Whoever can't be answered is no reason to stop.
        report(echoed.map(drop));
    }
}

/// Waits until the sender is dropped.
async fn closed(stopped: &Receiver<Never>) {
    let _closed = stopped.recv().await;
}

fn report(result: io::Result<()>) {
    if let Err(error) = result {
        eprintln!("echo: {error}");
    }
}

/// What is never sent: the channel is closed, and that tells enough.
enum Never {}
