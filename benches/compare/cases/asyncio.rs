//! A loop's own figures beside those of the loops that are its model: asyncio's and uvloop.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use policy::{EventLoop, EventLoopPolicy};

use super::python;
use crate::harness::{Case, Plan, Row};

/// How many children are alive at once.
const IN_FLIGHT: u32 = 16;

pub fn rows(plan: &Plan) -> Vec<Row> {
    let plan = &plan.at_most(7);
    let peers = python::loops();
    let case =
        |name: &str, what: &'static str, count, run: fn(&Arc<dyn EventLoop>, u32) -> Duration| {
            let event_loop = policy::DefaultEventLoopPolicy::new().new_event_loop().unwrap();
            let mut case = Case::timed("asyncio", format!("{name}, default loop"), count).side(
                "ours",
                None,
                move || run(&event_loop, count),
            );
            for &(name, kind) in &peers {
                case = case.side(name, None, move || by_python(kind, what, count));
            }
            case
        };
    let (many, sleeps) = (plan.scale(100_000), plan.scale(10_000));
    let cases = [
        case("call_soon, one after the other", "chain", many, chain),
        case("call_soon, 100,000 at once", "burst", many, burst),
        case("sleep(0)", "yields", plan.scale(20_000), yields),
        case("10,000 sleeps", "sleeps", sleeps, sleep_all),
        case("200 × /bin/true, 16 in flight", "children", plan.scale(200), children),
    ];
    cases.into_iter().flat_map(|case| case.run(plan)).collect()
}

/// Each callback schedules the next.
fn chain(event_loop: &Arc<dyn EventLoop>, count: u32) -> Duration {
    fn step(event_loop: Arc<dyn EventLoop>, left: u32, ended: async_channel::Sender<()>) {
        if left == 0 {
            ended.try_send(()).unwrap();
            return;
        }
        let on = event_loop.clone();
        on.call_soon(move || step(event_loop, left - 1, ended));
    }
    let (send, ended) = async_channel::bounded(1);
    let first = event_loop.clone();
    let work = async {
        let began = Instant::now();
        step(first, count, send);
        ended.recv().await.unwrap();
        began.elapsed()
    };
    event_loop.run_until_complete(work).unwrap()
}

fn burst(event_loop: &Arc<dyn EventLoop>, count: u32) -> Duration {
    let (send, ended) = async_channel::bounded(1);
    let left = Arc::new(AtomicU32::new(count));
    let work = async {
        let began = Instant::now();
        for _ in 0..count {
            let (left, send) = (left.clone(), send.clone());
            event_loop.call_soon(move || {
                if left.fetch_sub(1, Relaxed) == 1 {
                    send.try_send(()).unwrap();
                }
            });
        }
        ended.recv().await.unwrap();
        began.elapsed()
    };
    event_loop.run_until_complete(work).unwrap()
}

fn yields(event_loop: &Arc<dyn EventLoop>, count: u32) -> Duration {
    let work = async {
        let began = Instant::now();
        for _ in 0..count {
            policy::time::sleep(Duration::ZERO).await;
        }
        began.elapsed()
    };
    event_loop.run_until_complete(work).unwrap()
}

fn sleep_all(event_loop: &Arc<dyn EventLoop>, count: u32) -> Duration {
    let work = async {
        let began = Instant::now();
        let pause = |n| Duration::from_micros(u64::from(n % 20_000));
        let tasks: Vec<_> =
            (0..count).map(|n| policy::spawn(policy::time::sleep(pause(n)))).collect();
        for task in tasks {
            task.await.unwrap();
        }
        began.elapsed()
    };
    event_loop.run_until_complete(work).unwrap()
}

fn children(event_loop: &Arc<dyn EventLoop>, count: u32) -> Duration {
    let work = async {
        let began = Instant::now();
        let left = Arc::new(AtomicU32::new(count));
        let mut set = policy::task::JoinSet::new();
        for _ in 0..IN_FLIGHT {
            let left = left.clone();
            set.spawn(async move {
                while left.fetch_update(Relaxed, Relaxed, |n| n.checked_sub(1)).is_ok() {
                    let none: [&str; 0] = [];
                    let child = policy::create_subprocess_exec("/bin/true", none).await.unwrap();
                    assert!(child.wait().await.unwrap().success());
                }
            });
        }
        while let Some(result) = set.join_next().await {
            result.unwrap();
        }
        began.elapsed()
    };
    event_loop.run_until_complete(work).unwrap()
}

const PROGRAM: &str = r#"
import asyncio, sys, time
kind, what, count, in_flight = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
async def chain():
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    def step(left):
        if left: loop.call_soon(step, left - 1)
        else: ended.set()
    step(count)
    await ended.wait()
async def burst():
    loop, ended, left = asyncio.get_running_loop(), asyncio.Event(), [count]
    def step():
        left[0] -= 1
        if not left[0]: ended.set()
    for _ in range(count): loop.call_soon(step)
    await ended.wait()
async def yields():
    for _ in range(count): await asyncio.sleep(0)
async def sleeps():
    pause = lambda n: asyncio.ensure_future(asyncio.sleep((n % 20000) / 1e6))
    for task in [pause(n) for n in range(count)]: await task
async def children():
    left = list(range(count))
    async def worker():
        while left:
            left.pop()
            process = await asyncio.create_subprocess_exec("/bin/true")
            assert await process.wait() == 0
    await asyncio.gather(*(worker() for _ in range(in_flight)))
async def main():
    began = time.monotonic()
    await globals()[what]()
    print(time.monotonic() - began)
if kind == "uvloop":
    import uvloop
    uvloop.install()
asyncio.run(main())
"#;

/// By the interpreter's own clock: its start does not count.
fn by_python(kind: &str, what: &str, count: u32) -> Duration {
    let python = python::python().expect("there was one");
    let said =
        python::say(python, PROGRAM, &[kind, what, &count.to_string(), &IN_FLIGHT.to_string()]);
    Duration::from_secs_f64(said[0])
}
