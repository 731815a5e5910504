//! Files as streams: `policy::fs` on each loop, against what its executor's users take.
//!
//! A write is flushed, so that each side has written when the next operation begins.

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use policy::EventLoop;
use tempfile::NamedTempFile;

use super::proactor::{self, Io, KIB, MIB, Way};
use super::tasks::tokio_runtime;
use crate::harness::{Aim, Case, Plan, Row};

/// Of each of them, and so of the best.
const AIM: Option<Aim> = Some(Aim::AtMost(1.0));

pub fn rows(plan: &Plan) -> Vec<Row> {
    let plan = &plan.at_most(15);
    let file = Rc::new(proactor::page_cached());
    let (small, large) = (plan.scale(1_000), plan.scale(30));
    let mut rows = Vec::new();
    for (name, size, count, way) in [
        ("read of 4 KiB", 4 * KIB, small, Way::Read),
        ("write of 4 KiB", 4 * KIB, small, Way::Write),
        ("read of 1 MiB", MIB, large, Way::Read),
        ("write of 1 MiB", MIB, large, Way::Write),
    ] {
        for (on, event_loop) in loops() {
            let case = format!("{name}, policy::fs on {on}");
            rows.extend(of_file(&case, event_loop, &file, Io { size, count }, way).run(plan));
        }
    }
    rows
}

fn loops() -> Vec<(&'static str, Arc<dyn EventLoop>)> {
    let mut loops = vec![("tokio", proactor::tokio()), ("smol", proactor::smol())];
    if proactor::has_io_uring() {
        loops.push(("compio", proactor::native()));
    }
    loops
}

/// Reads or writes piece by piece, from the start of the file on.
macro_rules! pieces {
    ($file:expr, $io:expr, $way:expr) => {{
        let (mut file, io) = ($file, $io);
        let mut buffer = vec![7; io.size];
        file.seek(SeekFrom::Start(0)).await.unwrap();
        let began = Instant::now();
        for _ in 0..io.count {
            match $way {
                Way::Read => _ = file.read_exact(&mut buffer).await.unwrap(),
                Way::Write => {
                    file.write_all(&buffer).await.unwrap();
                    file.flush().await.unwrap();
                }
            }
        }
        began.elapsed()
    }};
}

fn of_file(
    name: &str,
    event_loop: Arc<dyn EventLoop>,
    file: &Rc<NamedTempFile>,
    io: Io,
    way: Way,
) -> Case {
    let path = file.path().to_path_buf();
    let at = || path.clone();
    let (ours, tokio_s, smol_s, in_a_thread) = (at(), at(), at(), at());
    let (runtime, threads) = (tokio_runtime(None), tokio_runtime(None));
    let case = Case::timed("files", name, io.count)
        .side("ours", None, proactor::on(event_loop, move || by_ours(ours.clone(), io, way)))
        .side("tokio::fs", AIM, move || runtime.block_on(by_tokio(tokio_s.clone(), io, way)))
        .side("async-fs", AIM, move || async_io::block_on(by_async_fs(smol_s.clone(), io, way)))
        .side("std in a thread", AIM, move || {
            threads.block_on(by_std(in_a_thread.clone(), io, way))
        });
    let kept = file.clone();
    match proactor::has_io_uring() {
        true => case.side(
            "compio-fs",
            AIM,
            proactor::direct(move || proactor::compio_file(kept.clone(), io, way)),
        ),
        false => case,
    }
}

async fn by_ours(path: PathBuf, io: Io, way: Way) -> Duration {
    use futures_lite::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};
    let file = policy::fs::OpenOptions::new().read(true).write(true).open(path).await;
    pieces!(file.unwrap(), io, way)
}

async fn by_async_fs(path: PathBuf, io: Io, way: Way) -> Duration {
    use futures_lite::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};
    let file = async_fs::OpenOptions::new().read(true).write(true).open(path).await;
    pieces!(file.unwrap(), io, way)
}

async fn by_tokio(path: PathBuf, io: Io, way: Way) -> Duration {
    use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};
    let file = tokio::fs::OpenOptions::new().read(true).write(true).open(path).await;
    pieces!(file.unwrap(), io, way)
}

/// A job of tokio's pool for each piece.
async fn by_std(path: PathBuf, io: Io, way: Way) -> Duration {
    let mut file = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    let mut buffer = vec![7; io.size];
    let began = Instant::now();
    for _ in 0..io.count {
        let job = move || {
            match way {
                Way::Read => file.read_exact(&mut buffer).unwrap(),
                Way::Write => file.write_all(&buffer).unwrap(),
            }
            (file, buffer)
        };
        (file, buffer) = tokio::task::spawn_blocking(job).await.unwrap();
    }
    began.elapsed()
}
