//! Why a case misses its aim, where that was measured.

use crate::harness::Row;

/// A cause holds for the rows of `group` whose case contains `case` and whose measure
/// contains `measure`; the first that fits is told.
struct Cause {
    group: &'static str,
    case: &'static str,
    measure: &'static str,
    because: &'static str,
}

const CAUSES: &[Cause] = &[
    Cause {
        group: "net",
        case: "ping-pong of 64 B, tokio",
        measure: "",
        because: "The same system calls, and some 1,800 instructions more for a round trip of six polls (Unix, callgrind): tokio's public `AsyncFd` and its guard behind a contract by pointer, who waits, and the check that the loop is run.",
    },
    Cause {
        group: "net",
        case: "connections",
        measure: "",
        because: "A socket is registered when it first waits, which is within the time of its ten round trips, and natively when it is made.",
    },
    Cause {
        group: "children",
        case: "× /bin/true",
        measure: "time",
        because: "By getrusage /bin/true uses 600 µs of processor time itself, a static program that only exits 130: the rest is the dynamic loader and what it maps, whose CPUID instructions trap to the hypervisor at 6 to 10 µs each. No parent can shorten that.",
    },
    Cause {
        group: "build",
        case: "",
        measure: "time",
        because: "An executor alone does no net, children and signals.",
    },
];

pub fn cause(row: &Row) -> Option<&'static str> {
    let fits = |cause: &&Cause| {
        row.group == cause.group
            && row.case.contains(cause.case)
            && row.measure.contains(cause.measure)
    };
    CAUSES.iter().find(fits).map(|cause| cause.because)
}
