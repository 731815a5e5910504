//! Sockets, against the executors' own.

use std::future::Future;
use std::sync::Arc;

use policy::{EventLoop, EventLoopPolicy};

use super::tasks::{executor, tokio_runtime};
use crate::harness::{Aim, Case, Measure, Plan, Row};

/// Of a round trip, of the messages of many, and of a stream's rate.
type Aims = [Option<Aim>; 3];
const ON_TOKIO: Aims = [Some(Aim::AtMost(1.02)), Some(Aim::AtMost(1.03)), Some(Aim::AtLeast(0.99))];
const ON_SMOL: Aims = [Some(Aim::AtMost(1.03)), Some(Aim::AtMost(1.03)), Some(Aim::AtLeast(0.98))];
const RATE: Measure = ("throughput", "MiB/s");

const BLOCK: usize = 64 * 1024;

pub fn rows(plan: &Plan) -> Vec<Row> {
    [on_tokio(plan), on_smol(plan), on_compio(plan)]
        .into_iter()
        .flatten()
        .flat_map(|case| case.run(plan))
        .collect()
}

/// The same client and server, written once and compiled with each set of types: their
/// methods have the same names, and the traits that give them are in scope there.
macro_rules! programs {
    () => {
        /// 64 bytes to and fro.
        async fn ping_pong(
            mut client: impl Stream,
            mut server: impl Stream,
            count: u32,
        ) -> Duration {
            let other = spawn(async move {
                let mut buffer = [0; 64];
                while server.read_exact(&mut buffer).await.is_ok() {
                    server.write_all(&buffer).await.unwrap();
                }
            });
            let mut buffer = [7; 64];
            let began = Instant::now();
            for _ in 0..count {
                client.write_all(&buffer).await.unwrap();
                client.read_exact(&mut buffer).await.unwrap();
            }
            let took = began.elapsed();
            drop(client);
            let _ = other.await;
            took
        }

        pub async fn tcp_ping_pong(count: u32) -> Duration {
            let (client, server) = tcp_pair().await;
            ping_pong(client, server, count).await
        }

        pub async fn tcp_flood(blocks: u32) -> Vec<f64> {
            let (client, server) = tcp_pair().await;
            flood(client, server, blocks).await
        }

        /// One way, in large blocks; bytes per second.
        async fn flood(mut client: impl Stream, mut server: impl Stream, blocks: u32) -> Vec<f64> {
            let other = spawn(async move {
                let block = vec![7; BLOCK];
                for _ in 0..blocks {
                    server.write_all(&block).await.unwrap();
                }
            });
            let mut buffer = vec![0; BLOCK];
            let mut left = blocks as usize * BLOCK;
            let began = Instant::now();
            while left > 0 {
                left -= client.read(&mut buffer).await.unwrap();
            }
            let took = began.elapsed();
            let _ = other.await;
            vec![f64::from(blocks) * BLOCK as f64 / took.as_secs_f64() / 1048576.0]
        }

        /// Many connections that talk at the same time.
        pub async fn many(count: u32, rounds: u32) -> Duration {
            let mut pairs = Vec::new();
            for _ in 0..count {
                pairs.push(tcp_pair().await);
            }
            let began = Instant::now();
            let talks: Vec<_> = pairs
                .into_iter()
                .map(|(client, server)| spawn(ping_pong(client, server, rounds)))
                .collect();
            for talk in talks {
                let _ = talk.await;
            }
            began.elapsed()
        }

        /// Datagrams of 64 bytes to and fro.
        pub async fn datagrams(count: u32) -> Duration {
            let (a, b) = udp_pair().await;
            let other = spawn(async move {
                let mut buffer = [0; 64];
                for _ in 0..count {
                    b.recv(&mut buffer).await.unwrap();
                    b.send(&buffer).await.unwrap();
                }
            });
            let mut buffer = [7; 64];
            let began = Instant::now();
            for _ in 0..count {
                a.send(&buffer).await.unwrap();
                a.recv(&mut buffer).await.unwrap();
            }
            let took = began.elapsed();
            let _ = other.await;
            took
        }
    };
}

/// Unix sockets, which not all have.
macro_rules! unix_programs {
    () => {
        pub async fn unix_ping_pong(count: u32) -> Duration {
            let (client, server) = unix_pair().await;
            ping_pong(client, server, count).await
        }
    };
}

mod ours {
    use std::time::{Duration, Instant};

    use futures_lite::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
    use policy::net::{TcpListener, TcpStream, UdpSocket, UnixStream};
    use policy::spawn;

    use super::BLOCK;

    trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
    impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for T {}

    programs!();
    unix_programs!();

    async fn tcp_pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        client.set_nodelay(true).unwrap();
        server.set_nodelay(true).unwrap();
        (client, server)
    }

    async fn unix_pair() -> (UnixStream, UnixStream) {
        UnixStream::pair().unwrap()
    }

    async fn udp_pair() -> (UdpSocket, UdpSocket) {
        let a = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let b = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        a.connect(b.local_addr().unwrap()).await.unwrap();
        b.connect(a.local_addr().unwrap()).await.unwrap();
        (a, b)
    }
}

mod tokios {
    use std::time::{Duration, Instant};

    use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream, UdpSocket, UnixStream};
    use tokio::spawn;

    use super::BLOCK;

    trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
    impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for T {}

    programs!();
    unix_programs!();

    async fn tcp_pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        client.set_nodelay(true).unwrap();
        server.set_nodelay(true).unwrap();
        (client, server)
    }

    async fn unix_pair() -> (UnixStream, UnixStream) {
        UnixStream::pair().unwrap()
    }

    async fn udp_pair() -> (UdpSocket, UdpSocket) {
        let a = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let b = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        a.connect(b.local_addr().unwrap()).await.unwrap();
        b.connect(a.local_addr().unwrap()).await.unwrap();
        (a, b)
    }
}

/// `agnostic-net`, whose streams are futures-io's as ours are. It has no Unix sockets.
mod agnostics {
    use std::time::{Duration, Instant};

    use agnostic_net::tokio::{TcpListener, TcpStream, UdpSocket};
    use agnostic_net::{TcpListener as _, TcpStream as _, UdpSocket as _};
    use futures_lite::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
    use tokio::spawn;

    use super::BLOCK;

    trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
    impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for T {}

    programs!();

    async fn tcp_pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        client.set_nodelay(true).unwrap();
        server.set_nodelay(true).unwrap();
        (client, server)
    }

    async fn udp_pair() -> (UdpSocket, UdpSocket) {
        let a = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let b = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        a.connect(b.local_addr().unwrap()).await.unwrap();
        b.connect(a.local_addr().unwrap()).await.unwrap();
        (a, b)
    }
}

mod smols {
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::unix::net::UnixStream;
    use std::sync::OnceLock;
    use std::time::{Duration, Instant};

    use async_executor::{Executor, Task};
    use async_io::Async;
    use futures_lite::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

    use super::BLOCK;

    trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
    impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for T {}

    programs!();
    unix_programs!();

    pub fn single() -> &'static Executor<'static> {
        static SINGLE: OnceLock<&'static Executor<'static>> = OnceLock::new();
        SINGLE.get_or_init(|| super::executor(0))
    }

    fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Task<T> {
        single().spawn(future)
    }

    async fn tcp_pair() -> (Async<TcpStream>, Async<TcpStream>) {
        let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0)).unwrap();
        let address = listener.get_ref().local_addr().unwrap();
        let client = Async::<TcpStream>::connect(address).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        client.get_ref().set_nodelay(true).unwrap();
        server.get_ref().set_nodelay(true).unwrap();
        (client, server)
    }

    async fn unix_pair() -> (Async<UnixStream>, Async<UnixStream>) {
        Async::<UnixStream>::pair().unwrap()
    }

    async fn udp_pair() -> (Async<UdpSocket>, Async<UdpSocket>) {
        let a = Async::<UdpSocket>::bind(([127, 0, 0, 1], 0)).unwrap();
        let b = Async::<UdpSocket>::bind(([127, 0, 0, 1], 0)).unwrap();
        a.get_ref().connect(b.get_ref().local_addr().unwrap()).unwrap();
        b.get_ref().connect(a.get_ref().local_addr().unwrap()).unwrap();
        (a, b)
    }
}

/// The cases of one executor: the module with its types, how ours and how its own run a
/// future to its end.
macro_rules! cases {
    ($plan:expr, $name:expr, $peer:expr, $aims:expr, $theirs:ident, $policy:expr, $run:expr) => {{
        let (plan, name, peer) = ($plan, $name, $peer);
        let [trip, of_many, rate] = $aims;
        let (trips, blocks) = (plan.scale(5_000), plan.scale(2_000));
        let (connections, each) = (plan.scale(1_000), 10);
        let event_loop = $policy.new_event_loop().unwrap();
        /// One side of a case: its own handle on the loop.
        macro_rules! ours {
            ($future:expr) => {{
                let event_loop = event_loop.clone();
                move || run(&event_loop, $future)
            }};
        }
        macro_rules! theirs {
            ($future:expr) => {{
                let run_theirs = $run;
                move || run_theirs.run($future)
            }};
        }
        [
            Case::timed("net", format!("TCP ping-pong of 64 B, {name}"), trips)
                .side("ours", None, ours!(ours::tcp_ping_pong(trips)))
                .side(peer, trip, theirs!($theirs::tcp_ping_pong(trips))),
            Case::new("net", format!("TCP stream in 64 KiB, {name}"), blocks, &[RATE])
                .measured("ours", &[], ours!(ours::tcp_flood(blocks)))
                .measured(peer, &[rate], theirs!($theirs::tcp_flood(blocks))),
            Case::timed("net", format!("{connections} connections, {name}"), connections * each)
                .side("ours", None, ours!(ours::many(connections, each)))
                .side(peer, of_many, theirs!($theirs::many(connections, each))),
            Case::timed("net", format!("UDP ping-pong of 64 B, {name}"), trips)
                .side("ours", None, ours!(ours::datagrams(trips)))
                .side(peer, trip, theirs!($theirs::datagrams(trips))),
            Case::timed("net", format!("Unix ping-pong of 64 B, {name}"), trips)
                .side("ours", None, ours!(ours::unix_ping_pong(trips)))
                .side(peer, trip, theirs!($theirs::unix_ping_pong(trips))),
        ]
    }};
}

/// How an executor's own users run a future to its end.
trait Runs {
    fn run<T>(&self, future: impl Future<Output = T>) -> T;
}

impl Runs for Arc<tokio::runtime::Runtime> {
    fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.block_on(future)
    }
}

struct Smol;

impl Runs for Smol {
    fn run<T>(&self, future: impl Future<Output = T>) -> T {
        async_io::block_on(smols::single().run(future))
    }
}

fn on_tokio(plan: &Plan) -> Vec<Case> {
    const AGNOSTIC: &str = "agnostic-net";
    let runtime = tokio_runtime(None);
    let [ping_pong, flood, many, datagrams, unix] = cases!(
        plan,
        "tokio current_thread",
        "tokio::net",
        ON_TOKIO,
        tokios,
        policy_tokio::TokioPolicy::current_thread(),
        runtime.clone()
    );
    let (trips, blocks, connections) = (plan.scale(5_000), plan.scale(2_000), plan.scale(1_000));
    /// A side of agnostic's.
    macro_rules! agnostic {
        ($future:expr) => {{
            let runtime = runtime.clone();
            move || runtime.run($future)
        }};
    }
    vec![
        ping_pong.side(AGNOSTIC, None, agnostic!(agnostics::tcp_ping_pong(trips))),
        flood.measured(AGNOSTIC, &[], agnostic!(agnostics::tcp_flood(blocks))),
        many.side(AGNOSTIC, None, agnostic!(agnostics::many(connections, 10))),
        datagrams.side(AGNOSTIC, None, agnostic!(agnostics::datagrams(trips))),
        unix,
    ]
}

fn on_smol(plan: &Plan) -> Vec<Case> {
    Vec::from(cases!(
        plan,
        "smol current_thread",
        "async-io",
        ON_SMOL,
        smols,
        policy_smol::SmolPolicy::current_thread(),
        Smol
    ))
}

/// compio's own types take buffers that they own: what is comparable are the operations.
fn on_compio(plan: &Plan) -> Vec<Case> {
    #[cfg(target_os = "linux")]
    return super::proactor::net(plan);
    #[cfg(not(target_os = "linux"))]
    Vec::new()
}

fn run<T>(event_loop: &Arc<dyn EventLoop>, future: impl Future<Output = T>) -> T {
    event_loop.run_until_complete(future).unwrap()
}
