//! Operations with buffers that they own: ours on io_uring against compio's own types on
//! its own runtime, and, to look at, the same calls where they are emulated.

use std::future::Future;
use std::io::{self, Write as _};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use compio_buf::BufResult;
use compio_io::{AsyncRead, AsyncReadAt, AsyncWriteAt, AsyncWriteExt};
use compio_runtime::Runtime;
use policy::proactor::{ProactorHandle, Resource};
use policy::{EventLoop, EventLoopPolicy};
use policy_compio::{CompioPolicy, Driver};
use tempfile::NamedTempFile;

use crate::harness::{Aim, Case, Plan, Row};

const DIRECT: Option<Aim> = Some(Aim::AtMost(1.05));
/// Where the operation itself takes next to nothing.
const SMALL: Option<Aim> = Some(Aim::AtMost(1.10));

pub const KIB: usize = 1024;
pub const MIB: usize = 1024 * KIB;
/// Fits into the page cache of any machine, and into no processor's.
const FILE: usize = 32 * MIB;

pub fn rows(plan: &Plan) -> Vec<Row> {
    if !has_io_uring() {
        eprintln!("   skipped: the system refuses io_uring, so nothing completes natively");
        return Vec::new();
    }
    let plan = &plan.at_most(15);
    let file = Rc::new(page_cached());
    let (small, large) = (plan.scale(2_000), plan.scale(200));
    let cases = [
        of_file("file, read of 4 KiB", &file, Io { size: 4 * KIB, count: small }, Way::Read),
        of_file("file, write of 4 KiB", &file, Io { size: 4 * KIB, count: small }, Way::Write),
        of_file("file, read of 1 MiB", &file, Io { size: MIB, count: large }, Way::Read),
        of_file("file, write of 1 MiB", &file, Io { size: MIB, count: large }, Way::Write),
        of_socket(
            "Unix socket, 4 KiB to and fro",
            Io { size: 4 * KIB, count: small },
            Talk::PingPong,
        ),
        of_socket("Unix socket, 1 MiB one way", Io { size: MIB, count: large }, Talk::OneWay),
    ];
    cases.into_iter().flat_map(|case| case.run(plan)).collect()
}

/// The cases of the group `net`: what is done there with streams that wait for readiness,
/// done by operations, against compio's own types.
pub fn net(plan: &Plan) -> Vec<Case> {
    if !has_io_uring() {
        return Vec::new();
    }
    let case = |name: &str, io: Io, talk| {
        Case::timed("net", format!("{name}, operations on compio"), io.count)
            .side("ours", None, on(native(), move || ours_talk(io, talk)))
            .side("compio-net", SMALL, direct(move || compio_talk(io, talk)))
    };
    vec![
        case("Unix ping-pong of 64 B", Io { size: 64, count: plan.scale(5_000) }, Talk::PingPong),
        case(
            "Unix stream in 64 KiB",
            Io { size: 64 * KIB, count: plan.scale(2_000) },
            Talk::OneWay,
        ),
    ]
}

/// So many operations of one size.
#[derive(Clone, Copy)]
pub struct Io {
    pub size: usize,
    pub count: u32,
}

#[derive(Clone, Copy)]
pub enum Way {
    Read,
    Write,
}

#[derive(Clone, Copy)]
enum Talk {
    PingPong,
    OneWay,
}

fn of_file(name: &str, file: &Rc<NamedTempFile>, io: Io, way: Way) -> Case {
    let aim = if matches!(way, Way::Read) && io.size < MIB { SMALL } else { DIRECT };
    let resource = || Resource::from(file.reopen().unwrap());
    let ours = |event_loop| {
        let resource = resource();
        on(event_loop, move || ours_file(resource.clone(), io, way))
    };
    let kept = file.clone();
    Case::timed("proactor", name, io.count)
        .side("ours", None, ours(native()))
        .side("compio-fs", aim, direct(move || compio_file(kept.clone(), io, way)))
        .side("ours emulated, tokio", None, ours(tokio()))
        .side("ours emulated, smol", None, ours(smol()))
        .side("ours emulated, compio without io_uring", None, ours(polling()))
}

fn of_socket(name: &str, io: Io, talk: Talk) -> Case {
    let ours = |event_loop| on(event_loop, move || ours_talk(io, talk));
    Case::timed("proactor", name, io.count)
        .side("ours", None, ours(native()))
        .side("compio-net", SMALL, direct(move || compio_talk(io, talk)))
        .side("ours emulated, tokio", None, ours(tokio()))
        .side("ours emulated, smol", None, ours(smol()))
        .side("ours emulated, compio without io_uring", None, ours(polling()))
}

/// A side that runs what `make` makes on a loop.
pub fn on<F: Future<Output = Duration>>(
    event_loop: Arc<dyn EventLoop>,
    make: impl Fn() -> F,
) -> impl FnMut() -> Duration {
    move || event_loop.run_until_complete(make()).unwrap()
}

/// The same on compio's own runtime.
pub fn direct<F: Future<Output = Duration>>(make: impl Fn() -> F) -> impl FnMut() -> Duration {
    let runtime = Runtime::new().unwrap();
    move || runtime.block_on(make())
}

fn proactor() -> ProactorHandle {
    policy::get_running_loop().unwrap().proactor().unwrap()
}

async fn ours_file(file: Resource, io: Io, way: Way) -> Duration {
    let proactor = proactor();
    let mut buffer = vec![7; io.size];
    let began = Instant::now();
    for at in io.positions() {
        let (done, back) = match way {
            Way::Read => proactor.read_at(&file, at, buffer).await,
            Way::Write => proactor.write_at(&file, at, buffer).await,
        };
        assert_eq!(done.unwrap(), io.size);
        buffer = back;
    }
    began.elapsed()
}

pub async fn compio_file(file: Rc<NamedTempFile>, io: Io, way: Way) -> Duration {
    let options = compio_fs::OpenOptions::new().read(true).write(true).open(file.path()).await;
    let file = options.unwrap();
    let mut buffer = vec![7; io.size];
    let began = Instant::now();
    for at in io.positions() {
        let BufResult(done, back) = match way {
            Way::Read => file.read_at(buffer, at).await,
            Way::Write => (&file).write_at(buffer, at).await,
        };
        assert_eq!(done.unwrap(), io.size);
        buffer = back;
    }
    began.elapsed()
}

impl Io {
    /// Where the operations begin: all over the file.
    fn positions(self) -> impl Iterator<Item = u64> {
        (0..self.count as usize).map(move |n| (n * self.size % FILE) as u64)
    }
}

async fn ours_talk(io: Io, talk: Talk) -> Duration {
    let (client, server) = UnixStream::pair().unwrap();
    let (client, server) = (Resource::from(client), Resource::from(server));
    let began = Instant::now();
    let other = policy::spawn(async move {
        let mut buffer = vec![7; io.size];
        for _ in 0..io.count {
            if let Talk::PingPong = talk {
                buffer = ours_recv(&server, buffer, io.size).await;
            }
            let (sent, back) = proactor().send_all(&server, buffer).await;
            assert_eq!(sent.unwrap(), io.size);
            buffer = back;
        }
    });
    let mut buffer = vec![7; io.size];
    match talk {
        Talk::PingPong => {
            for _ in 0..io.count {
                let (sent, back) = proactor().send_all(&client, buffer).await;
                assert_eq!(sent.unwrap(), io.size);
                buffer = ours_recv(&client, back, io.size).await;
            }
        }
        Talk::OneWay => _ = ours_recv(&client, buffer, io.size * io.count as usize).await,
    }
    other.await.unwrap();
    began.elapsed()
}

/// Receives so many bytes; the pieces need not be put together.
async fn ours_recv(socket: &Resource, mut buffer: Vec<u8>, bytes: usize) -> Vec<u8> {
    let (proactor, size) = (proactor(), buffer.len());
    let mut left = bytes;
    while left > 0 {
        let (received, back) = proactor.recv(socket, buffer).await;
        left -= more(received);
        buffer = back;
    }
    buffer.resize(size, 7);
    buffer
}

fn more(received: io::Result<usize>) -> usize {
    let received = received.unwrap();
    assert_ne!(received, 0, "the other has ended");
    received
}

async fn compio_talk(io: Io, talk: Talk) -> Duration {
    let (client, server) = UnixStream::pair().unwrap();
    let of = |stream| compio_net::UnixStream::from_std(stream).unwrap();
    let (mut client, mut server) = (of(client), of(server));
    let began = Instant::now();
    let other = compio_runtime::spawn(async move {
        let mut buffer = vec![7; io.size];
        for _ in 0..io.count {
            if let Talk::PingPong = talk {
                buffer = compio_recv(&mut server, buffer, io.size).await;
            }
            let BufResult(sent, back) = server.write_all(buffer).await;
            sent.unwrap();
            buffer = back;
        }
    });
    let mut buffer = vec![7; io.size];
    match talk {
        Talk::PingPong => {
            for _ in 0..io.count {
                let BufResult(sent, back) = client.write_all(buffer).await;
                sent.unwrap();
                buffer = compio_recv(&mut client, back, io.size).await;
            }
        }
        Talk::OneWay => _ = compio_recv(&mut client, buffer, io.size * io.count as usize).await,
    }
    other.await.unwrap();
    began.elapsed()
}

async fn compio_recv(
    socket: &mut compio_net::UnixStream,
    mut buffer: Vec<u8>,
    bytes: usize,
) -> Vec<u8> {
    let (mut left, size) = (bytes, buffer.len());
    while left > 0 {
        let BufResult(received, back) = socket.read(buffer).await;
        left -= more(received);
        buffer = back;
    }
    buffer.resize(size, 7);
    buffer
}

/// A file that the system has in memory.
pub fn page_cached() -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(&vec![7; FILE]).unwrap();
    file
}

pub fn has_io_uring() -> bool {
    Runtime::new().is_ok_and(|runtime| runtime.driver_type().is_iouring())
}

pub fn native() -> Arc<dyn EventLoop> {
    CompioPolicy::new().driver(Driver::IoUring).new_event_loop().unwrap()
}

fn polling() -> Arc<dyn EventLoop> {
    CompioPolicy::new().driver(Driver::Polling).new_event_loop().unwrap()
}

pub fn tokio() -> Arc<dyn EventLoop> {
    policy_tokio::TokioPolicy::current_thread().new_event_loop().unwrap()
}

pub fn smol() -> Arc<dyn EventLoop> {
    policy_smol::SmolPolicy::current_thread().new_event_loop().unwrap()
}
