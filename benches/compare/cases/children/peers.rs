//! Peers that are programs: xargs, a C program, asyncio.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::measured;
use crate::cases::python::{python, say};

pub fn xargs(count: u32, in_flight: u32) -> impl FnMut() -> Vec<f64> {
    move || {
        let began = Instant::now();
        let script = format!("seq {count} | xargs -P {in_flight} -n 1 /bin/true");
        assert!(Command::new("sh").arg("-c").arg(script).status().unwrap().success());
        measured(count, began.elapsed(), None)
    }
}

/// The floor: four threads that start and reap, with nothing else in the process.
const POSIX_SPAWN: &str = r#"
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
extern char **environ;
static atomic_long left;
static void *work(void *unused) {
    char *args[] = {"/bin/true", 0};
    pid_t window[16];
    int alive = 0;
    while (atomic_fetch_sub(&left, 1) > 0) {
        if (alive == 16) waitpid(window[0], 0, 0);
        if (alive == 16) for (int i = 1; i < alive--; i++) window[i - 1] = window[i];
        if (posix_spawn(&window[alive++], args[0], 0, 0, args, environ)) abort();
    }
    while (alive) waitpid(window[--alive], 0, 0);
    return unused;
}
int main(int argc, char **argv) {
    (void)argc;
    pthread_t threads[4];
    left = atol(argv[1]);
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], 0, work, 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], 0);
    return 0;
}
"#;

pub fn posix_spawn(count: u32) -> Option<impl FnMut() -> Vec<f64>> {
    let folder = tempfile::tempdir().ok()?;
    let (source, program) = (folder.path().join("floor.c"), folder.path().join("floor"));
    std::fs::write(&source, POSIX_SPAWN).ok()?;
    let built =
        Command::new("cc").args(["-O2", "-pthread", "-o"]).args([&program, &source]).status();
    if !built.is_ok_and(|status| status.success()) {
        eprintln!("   no C compiler: the floor is left out");
        return None;
    }
    Some(move || {
        let _kept = &folder;
        let began = Instant::now();
        assert!(
            Command::new(Path::new(&program)).arg(count.to_string()).status().unwrap().success()
        );
        measured(count, began.elapsed(), None)
    })
}

const ASYNCIO: &str = r#"
import asyncio, sys, time
children, in_flight, watcher = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
worst = 0.0
async def beat():
    global worst
    while True:
        due = time.monotonic() + 0.002
        await asyncio.sleep(0.002)
        worst = max(worst, time.monotonic() - due)
async def worker(left):
    while left:
        left.pop()
        process = await asyncio.create_subprocess_exec("/bin/true")
        assert await process.wait() == 0
async def main():
    ticks = asyncio.ensure_future(beat())
    left = list(range(children))
    began = time.monotonic()
    await asyncio.gather(*(worker(left) for _ in range(in_flight)))
    print(time.monotonic() - began, worst)
    ticks.cancel()
asyncio.set_child_watcher(getattr(asyncio, watcher)())
asyncio.run(main())
"#;

/// CPython's asyncio, where 3.11 is installed: by its own clock, so that the start of
/// the interpreter does not count.
pub fn asyncio(
    watcher: &'static str,
    count: u32,
    in_flight: u32,
) -> Option<impl FnMut() -> Vec<f64>> {
    let python = python()?;
    Some(move || {
        let said = say(python, ASYNCIO, &[&count.to_string(), &in_flight.to_string(), watcher]);
        let mut seconds = said.into_iter().map(|n| Duration::from_secs_f64(n.max(0.0)));
        let took = seconds.next().expect("asyncio printed its time");
        measured(count, took, seconds.next())
    })
}

/// As the cases of `watch`, in CPU time of the interpreter.
const ASYNCIO_WATCHING: &str = r#"
import asyncio, sys, time
count, watcher = int(sys.argv[1]), sys.argv[2]
def lap(operations):
    global last
    now = time.process_time()
    took, last = now - last, now
    return took / max(operations, 1)
async def main():
    global last
    last = time.process_time()
    children = [await asyncio.create_subprocess_exec("/bin/sleep", "1000") for _ in range(count)]
    started = lap(count)
    burst, singly = children[:count // 2], children[count // 2:]
    for child in burst: child.kill()
    for child in burst: await child.wait()
    at_once = lap(len(burst))
    some = singly[:500]
    for child in some:
        child.kill()
        await child.wait()
    print(started, at_once, lap(len(some)))
    for child in singly[500:]:
        child.kill()
        await child.wait()
asyncio.set_child_watcher(getattr(asyncio, watcher)())
asyncio.run(main())
"#;

pub fn asyncio_watching(watcher: &'static str, count: u32) -> Option<impl FnMut() -> Vec<f64>> {
    let python = python()?;
    Some(move || {
        let said = say(python, ASYNCIO_WATCHING, &[&count.to_string(), watcher]);
        said.into_iter().map(|seconds| seconds * 1e9).collect()
    })
}
