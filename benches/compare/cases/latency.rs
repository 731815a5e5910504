//! How late a ticker is that shares its thread with busy tasks, with a socket at full rate
//! and with many timers.

use std::future::Future;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_io::Async;
use futures_lite::future::yield_now;
use futures_lite::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use policy::{EventLoop, EventLoopPolicy};

use super::python;
use super::tasks::{executor, tokio_runtime};
use crate::harness::{Aim, Case, Measure, Plan, Row};

const MEASURES: [Measure; 3] =
    [("late, half of the ticks", "ns"), ("late, 99 %", "ns"), ("late, worst", "ns")];
const AIMS: [Option<Aim>; 3] = [Some(Aim::AtMost(1.0)); 3];

const TICK: Duration = Duration::from_millis(1);
const BUSY: u32 = 64;
/// How long a busy task works before it yields.
const WORK: Duration = Duration::from_micros(20);
const TIMERS: u32 = 1_000;
const BLOCK: usize = 64 * 1024;

/// An executor may poll its main future more often than its tasks.
#[derive(Clone, Copy)]
enum Ticker {
    Task,
    Main,
}

#[derive(Clone, Copy)]
struct Program {
    length: Duration,
    ticker: Ticker,
}

pub fn rows(plan: &Plan) -> Vec<Row> {
    let plan = &plan.at_most(5);
    let length = Duration::from_millis(if plan.is_quick { 20 } else { 500 });
    let program = Program { length, ticker: Ticker::Task };
    let mut by_default = case("default loop", &policy::DefaultEventLoopPolicy::new(), program)
        .measured("tokio", &AIMS, by_tokio(program))
        .measured("smol", &AIMS, by_smol(program));
    #[cfg(target_os = "linux")]
    {
        by_default = by_default.measured("compio", &AIMS, by_compio(program));
    }
    for (name, kind) in python::loops() {
        by_default = by_default.measured(name, &AIMS, by_python(kind, program));
    }
    let mut rows = by_default.run(plan);
    for ticker in [Ticker::Task, Ticker::Main] {
        let program = Program { length, ticker };
        let cases = [
            case("tokio current_thread", &policy_tokio::TokioPolicy::current_thread(), program)
                .measured("tokio", &AIMS, by_tokio(program)),
            case("smol current_thread", &policy_smol::SmolPolicy::current_thread(), program)
                .measured("smol", &AIMS, by_smol(program)),
            #[cfg(target_os = "linux")]
            case("compio", &policy_compio::CompioPolicy::new(), program).measured(
                "compio",
                &AIMS,
                by_compio(program),
            ),
        ];
        rows.extend(cases.into_iter().flat_map(|case| case.run(plan)));
    }
    rows
}

fn case(on: &str, policy: &dyn EventLoopPolicy, program: Program) -> Case {
    let ticker = match program.ticker {
        Ticker::Task => "",
        Ticker::Main => "by the main future, ",
    };
    let event_loop = policy.new_event_loop().unwrap();
    Case::new("latency", format!("1 ms ticks under load, {ticker}{on}"), 0, &MEASURES).measured(
        "ours",
        &[],
        move || ours(&event_loop, program),
    )
}

/// The program, with whatever spawns, yields, sleeps, and the two ends of a socket.
macro_rules! under_load {
    ($program:expr, $spawn:expr, $yield:path, $sleep:path, $writer:expr, $reader:expr) => {{
        let Program { length, ticker } = $program;
        async move {
            let ends = Arc::new(AtomicBool::new(false));
            let mut tasks = Vec::new();
            for _ in 0..BUSY {
                let ends = ends.clone();
                tasks.push($spawn(async move {
                    while !ends.load(Relaxed) {
                        work();
                        $yield().await;
                    }
                }));
            }
            for n in 0..TIMERS {
                let ends = ends.clone();
                tasks.push($spawn(async move {
                    while !ends.load(Relaxed) {
                        let _ = $sleep(Duration::from_millis(u64::from(5 + n % 46))).await;
                    }
                }));
            }
            tasks.push($spawn($writer(ends.clone())));
            tasks.push($spawn($reader));
            let late = Arc::new(Mutex::new(Vec::new()));
            let ticks = {
                let late = late.clone();
                async move {
                    let began = Instant::now();
                    while began.elapsed() < length {
                        let due = Instant::now() + TICK;
                        let _ = $sleep(TICK).await;
                        late.lock().unwrap().push(due.elapsed());
                    }
                }
            };
            match ticker {
                Ticker::Task => _ = $spawn(ticks).await,
                Ticker::Main => ticks.await,
            }
            ends.store(true, Relaxed);
            for task in tasks {
                let _ = task.await;
            }
            percentiles(std::mem::take(&mut *late.lock().unwrap()))
        }
    }};
}

fn work() {
    let began = Instant::now();
    while began.elapsed() < WORK {
        std::hint::spin_loop();
    }
}

fn percentiles(mut late: Vec<Duration>) -> Vec<f64> {
    late.sort_unstable();
    let at = |hundredth: usize| late[(late.len() - 1) * hundredth / 100].as_secs_f64() * 1e9;
    vec![at(50), at(99), at(100)]
}

fn ours(event_loop: &Arc<dyn EventLoop>, program: Program) -> Vec<f64> {
    let work = async {
        let (from, to) = policy::net::UnixStream::pair().unwrap();
        under_load!(
            program,
            policy::spawn,
            policy::task::yield_now,
            policy::time::sleep,
            |ends| write_until(ends, from),
            read_on(to)
        )
        .await
    };
    event_loop.run_until_complete(work).unwrap()
}

fn by_smol(program: Program) -> impl FnMut() -> Vec<f64> {
    let single = executor(0);
    move || {
        let (from, to) = Async::<UnixStream>::pair().unwrap();
        async_io::block_on(single.run(under_load!(
            program,
            |f| single.spawn(f),
            yield_now,
            async_io::Timer::after,
            |ends| write_until(ends, from),
            read_on(to)
        )))
    }
}

async fn write_until(ends: Arc<AtomicBool>, mut stream: impl AsyncWrite + Unpin) {
    let block = vec![7; BLOCK];
    while !ends.load(Relaxed) {
        stream.write_all(&block).await.unwrap();
    }
}

async fn read_on(mut stream: impl AsyncRead + Unpin) {
    let mut buffer = vec![0; BLOCK];
    while stream.read(&mut buffer).await.unwrap() > 0 {}
}

fn by_tokio(program: Program) -> impl FnMut() -> Vec<f64> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;
    async fn write_until(ends: Arc<AtomicBool>, mut stream: UnixStream) {
        let block = vec![7; BLOCK];
        while !ends.load(Relaxed) {
            stream.write_all(&block).await.unwrap();
        }
    }
    async fn read_on(mut stream: UnixStream) {
        let mut buffer = vec![0; BLOCK];
        while stream.read(&mut buffer).await.unwrap() > 0 {}
    }
    let runtime = tokio_runtime(None);
    move || {
        runtime.block_on(async {
            let (from, to) = UnixStream::pair().unwrap();
            under_load!(
                program,
                tokio::spawn,
                tokio::task::yield_now,
                tokio::time::sleep,
                |ends| write_until(ends, from),
                read_on(to)
            )
            .await
        })
    }
}

/// compio has no function that yields.
#[cfg(target_os = "linux")]
fn by_compio(program: Program) -> impl FnMut() -> Vec<f64> {
    use compio_io::{AsyncRead, AsyncWriteExt};
    use compio_net::UnixStream;
    async fn write_until(ends: Arc<AtomicBool>, mut stream: UnixStream) {
        let mut block = vec![7; BLOCK];
        while !ends.load(Relaxed) {
            let compio_buf::BufResult(written, back) = stream.write_all(block).await;
            written.unwrap();
            block = back;
        }
    }
    async fn read_on(mut stream: UnixStream) {
        let mut buffer = vec![0; BLOCK];
        loop {
            let compio_buf::BufResult(read, back) = stream.read(buffer).await;
            if read.unwrap() == 0 {
                return;
            }
            buffer = back;
        }
    }
    fn pair() -> (impl Future<Output = UnixStream>, impl Future<Output = UnixStream>) {
        let (from, to) = std::os::unix::net::UnixStream::pair().unwrap();
        let of = |stream| async { UnixStream::from_std(stream).unwrap() };
        (of(from), of(to))
    }
    let runtime = compio_runtime::Runtime::new().unwrap();
    move || {
        runtime.block_on(async {
            let (from, to) = pair();
            let (from, to) = (from.await, to.await);
            under_load!(
                program,
                compio_runtime::spawn,
                yield_now,
                compio_runtime::time::sleep,
                |ends| write_until(ends, from),
                read_on(to)
            )
            .await
        })
    }
}

const UNDER_LOAD: &str = r#"
import asyncio, socket, sys, time
kind, length, busy, work, timers, block = sys.argv[1], *map(float, sys.argv[2:])
ends, late = False, []
async def works():
    while not ends:
        until = time.monotonic() + work
        while time.monotonic() < until: pass
        await asyncio.sleep(0)
async def sleeps(seconds):
    while not ends: await asyncio.sleep(seconds)
async def writes(loop, stream):
    data = bytes(int(block))
    while not ends: await loop.sock_sendall(stream, data)
    stream.close()
async def reads(loop, stream):
    while await loop.sock_recv(stream, int(block)): pass
    stream.close()
async def main():
    global ends
    loop = asyncio.get_running_loop()
    a, b = socket.socketpair()
    a.setblocking(False)
    b.setblocking(False)
    tasks = [asyncio.ensure_future(works()) for _ in range(int(busy))]
    tasks += [asyncio.ensure_future(sleeps((5 + n % 46) / 1000)) for n in range(int(timers))]
    tasks += [asyncio.ensure_future(writes(loop, a)), asyncio.ensure_future(reads(loop, b))]
    began = time.monotonic()
    while time.monotonic() < began + length:
        due = time.monotonic() + 0.001
        await asyncio.sleep(0.001)
        late.append(max(0, time.monotonic() - due))
    ends = True
    await asyncio.gather(*tasks)
if kind == "uvloop":
    import uvloop
    uvloop.install()
asyncio.run(main())
late.sort()
for hundredth in (50, 99, 100): print(late[(len(late) - 1) * hundredth // 100])
"#;

fn by_python(kind: &'static str, program: Program) -> impl FnMut() -> Vec<f64> {
    move || {
        let numbers = [
            program.length.as_secs_f64(),
            f64::from(BUSY),
            WORK.as_secs_f64(),
            f64::from(TIMERS),
            BLOCK as f64,
        ];
        let numbers = numbers.map(|number| number.to_string());
        let mut args = vec![kind];
        args.extend(numbers.iter().map(String::as_str));
        let python = python::python().expect("there was one");
        python::say(python, UNDER_LOAD, &args).into_iter().map(|seconds| seconds * 1e9).collect()
    }
}
