//! What is compared, group by group.

mod build;
mod children;
mod http;
mod lookup;
mod memory;
mod net;
#[cfg(target_os = "linux")]
mod proactor;
mod scaling;
mod tasks;
mod timers;

use crate::harness::{Plan, Row};

type Group = (&'static str, fn(&Plan) -> Vec<Row>);

pub const GROUPS: &[Group] = &[
    ("tasks", tasks::rows),
    ("lookup", lookup::rows),
    ("timers", timers::rows),
    ("net", net::rows),
    ("http", http::rows),
    #[cfg(target_os = "linux")]
    ("proactor", proactor::rows),
    ("children", children::rows),
    ("memory", memory::rows),
    ("scaling", scaling::rows),
    ("build", build::rows),
];

/// Why a case misses its aim, where that is known.
pub fn cause(row: &Row) -> Option<&'static str> {
    match row.case.as_str() {
        case if case.starts_with("spawn 10,000")
            && (case.contains("multi_thread") || case.contains("async-std")) =>
        {
            Some(
                "Mostly glibc: what one thread allocates and another frees goes through the lock of an arena, and each spawn has one allocation more. With mimalloc instead, measured beside it, ours took 287 ns instead of 708 on tokio (1.30 of its own), 330 instead of 787 on smol (1.20), 463 instead of 2244 on async-std (1.42).",
            )
        }
        case if case.starts_with("spawn 10,000") => Some(
            "One allocation more per spawn: the cell that future and result share, twice the memory to touch. Not glibc: with mimalloc the ratio was the same, 1.29 and 1.37 on tokio, 1.43 and 1.44 on smol; it fell to 1.15 and 1.23 when the cell's references were counted in its word of state, with one locked instruction instead of five.",
        ),
        "spawn and await, tokio current_thread" => Some(
            "The cell, and handing it over: the ratio was 1.10 with glibc and 1.12 with mimalloc, so it is not the allocator; it fell from 1.12 to 1.07 when the cell's references were counted in its word of state.",
        ),
        case if case.starts_with("insert and cancel") || case.starts_with("10,000 sleeps") => Some(
            "A pause of the clock has to reach whoever sleeps, so each sleep leaves its waker with the clock of its loop: a lock taken twice, beside the executor's own timer, of which nobody can be asked for all that wait. By callgrind 1600 instructions instead of 730 on tokio and 960 on smol. tokio's is also made inside its runtime, and watches for its end.",
        ),
        case if case.contains("× /bin/true") => Some(
            "The floor: C that does nothing but `posix_spawn` on 4 threads takes 0.89 of tokio::process and 0.75 of async-process here, and ours 1.07 of that C. By getrusage (on a busy machine) /bin/true uses 600 µs of processor time itself, a static program that only exits 130: the rest is the dynamic loader and what it maps, whose CPUID instructions trap to the hypervisor at 6 to 10 µs each. Its start uses 60 µs in C and 90 in ours, of which the 122 calls of `sigaction` and the mapped stack that glibc makes per child are common to C, tokio and ours.",
        ),
        case if case.starts_with("file, ") => Some(
            "As many system calls as compio's: one per operation. What is added is a task on the loop's thread, and a completion that may travel to another: three allocations more, two more polls, and the operation moved from one to the next. Beside 4 KiB from the page cache that can be seen.",
        ),
        case if row.group == "net" && case.contains("ping-pong") && case.contains("tokio") => Some(
            "The same system calls, and about 1,090 instructions more for a round trip of six polls (Unix, callgrind): tokio's public `AsyncFd` and its guard behind a contract by pointer, who waits, the check that the loop is run, and the cell of the task.",
        ),
        case if case.contains("loops, each run") => Some(
            "What a run does beside `block_on`: it claims the loop, enters the context, looks after callbacks, local tasks and signals, and leaves again; with the cell of the task 1,730 instructions more (5,450 instead of 3,720 by callgrind), once a run.",
        ),
        case if case.starts_with("spawn on ") => Some(
            "Not explained: up to four workers the ratio is within the aim; the machine has two cores.",
        ),
        case if case.starts_with("spawn and await, tokio multi_thread, from a worker") => Some(
            "The cell, and handing it over, as on the current thread; the quartiles are far apart.",
        ),
        case if case.starts_with("spawn and await, smol multi_thread") => {
            Some("By less than the quartiles are apart.")
        }
        case if case.starts_with("TCP stream") => {
            Some("Not explained: by strace there are as many `recv` and `send` as natively.")
        }
        case if case.contains("on compio") || case.starts_with("Unix socket, ") => Some(
            "As many system calls as compio's. Each operation is a task on the loop's thread with a completion that may travel: four allocations instead of one, of which there are four operations in a round trip.",
        ),
        case if case.starts_with("hyper hello, header timeout") => Some(
            "By reading: hyper moves the deadline of its timer with each request. tokio's own notes the later time and goes on; ours is dropped and made anew.",
        ),
        case if case.starts_with("hyper hello") => Some(
            "What TCP costs, see there, and a task for each connection; not taken apart further.",
        ),
        _ if row.measure.contains("CPU per exit") => Some(
            "In part: a pidfd is registered with the reactor when it is first waited for, which is within the measured time; tokio registers it when the child is started. The rest is not taken apart.",
        ),
        case if case.starts_with("a task, smol") => Some(
            "The cell: 130 bytes for the future, its result, two wakers and the state; async-executor's task is small itself.",
        ),
        case if case.starts_with("a sleep, ") => Some(
            "It has room for the timer of any loop, so that none is boxed, and for its place with a clock that may be paused.",
        ),
        case if case.starts_with("an idle loop, compio") => Some(
            "By reading: a second reactor beside compio's, for readiness, which its driver tells only for single operations.",
        ),
        _ if row.group == "build" && row.measure.contains("time") => Some(
            "By `cargo build --timings` of `policy` with feature tokio, 19.5 s of compiling: `policy` 3.6, its core 3.5, rustix with what is below it 4.7, tokio itself 2.9, its adapter 1.6. An executor alone does no net, children and signals.",
        ),
        case if row.group == "net" && case.contains("connections") => Some(
            "A socket is registered when it first waits, which is within the time of its ten round trips, and natively when it is made.",
        ),
        _ => None,
    }
}
