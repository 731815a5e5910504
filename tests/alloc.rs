//! What a spawn costs: one allocation on a loop that runs its tasks itself, and one over
//! the executor's own where that has threads. The allocator of this process counts, so it
//! has its file, and one test.

#![cfg(all(
    feature = "default-loop",
    feature = "tokio",
    feature = "smol",
    feature = "async-std",
    feature = "compio"
))]
#![allow(unsafe_code, reason = "a global allocator that counts")]
#![allow(clippy::unwrap_used, reason = "a test that fails panics")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use policy::{EventLoop, EventLoopPolicy};

struct Counting;

static COUNT: AtomicUsize = AtomicUsize::new(0);

// SAFETY: hands everything on to the system's allocator, as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Relaxed);
        // SAFETY: by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: by the caller.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.fetch_add(1, Relaxed);
        // SAFETY: by the caller.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SPAWNS: usize = 1000;

/// The fewest allocations of several rounds: executors grow their queues now and then.
async fn fewest<F: Future<Output = ()>>(round: impl Fn() -> F) -> usize {
    let mut fewest = usize::MAX;
    for _ in 0..7 {
        let before = COUNT.load(Relaxed);
        round().await;
        fewest = fewest.min(COUNT.load(Relaxed) - before);
    }
    fewest
}

async fn ours() {
    for n in 0..SPAWNS {
        assert_eq!(policy::spawn(async move { n }).await.unwrap(), n);
    }
}

async fn tokios() {
    for n in 0..SPAWNS {
        assert_eq!(tokio::spawn(async move { n }).await.unwrap(), n);
    }
}

async fn async_stds() {
    for n in 0..SPAWNS {
        assert_eq!(async_std::task::spawn(async move { n }).await, n);
    }
}

/// smol's executor, beside the loop's own, which nobody can get at.
fn smols() -> usize {
    let executor = Arc::new(async_executor::Executor::new());
    let spawner = executor.clone();
    async_io::block_on(executor.run(fewest(|| async {
        for n in 0..SPAWNS {
            assert_eq!(spawner.spawn(async move { n }).await, n);
        }
    })))
}

/// What the executor itself allocates, measured while its loop runs.
type Native = Pin<Box<dyn Future<Output = usize>>>;
type Case = (Box<dyn EventLoopPolicy>, fn() -> Native);

fn on_loop(policy: &dyn EventLoopPolicy, native: Native) -> (String, usize, usize) {
    let event_loop: Arc<dyn EventLoop> = policy.new_event_loop().unwrap();
    let (native, ours) =
        event_loop.run_until_complete(async { (native.await, fewest(ours).await) }).unwrap();
    let name = event_loop.name().to_string();
    event_loop.close().unwrap();
    (name, native, ours)
}

#[test]
fn a_spawn_allocates_once_beside_what_an_executor_with_threads_does() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let nothing: fn() -> Native = || Box::pin(async { 0 });
    let tokio: fn() -> Native = || Box::pin(fewest(tokios));
    let smol: fn() -> Native = || {
        let native = std::thread::spawn(smols).join().unwrap();
        Box::pin(async move { native })
    };
    let async_std: fn() -> Native = || Box::pin(fewest(async_stds));
    let cases: [Case; 8] = [
        (Box::new(policy::DefaultEventLoopPolicy::new()), nothing),
        (Box::new(policy::SmolPolicy::current_thread()), nothing),
        (Box::new(policy::TokioPolicy::current_thread()), nothing),
        (Box::new(policy::CompioPolicy::new()), nothing),
        (Box::new(policy::SmolPolicy::multi_thread().worker_threads(2)), smol),
        (Box::new(policy::TokioPolicy::multi_thread().worker_threads(2)), tokio),
        (Box::new(policy::TokioPolicy::from_handle(runtime.handle().clone())), || {
            // `tokio::spawn` in the main future finds that runtime, too.
            Box::pin(fewest(tokios))
        }),
        (Box::new(policy::AsyncStdPolicy::new()), async_std),
    ];
    for (policy, native) in cases {
        let (name, native, ours) = on_loop(&*policy, native());
        println!("{name}: native {native}, ours {ours} allocations for {SPAWNS} spawns");
        assert_eq!(ours.saturating_sub(native), SPAWNS, "{name}: {native} native, {ours} ours");
    }

    // A runtime that was adopted: the same.
    let (native, ours) = runtime.block_on(async { (fewest(tokios).await, fewest(ours).await) });
    assert_eq!(ours.saturating_sub(native), SPAWNS, "adopted: {native} native, {ours} ours");
}
