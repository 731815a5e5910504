//! What stands in the picture for who has one glance.

use crate::harness::Row;

/// A comparison: the group, the beginning of the case, its measure, whom against, and its
/// name in the picture.
type Chosen = (&'static str, &'static str, &'static str, &'static str, &'static str);

const CHOSEN: &[Chosen] = &[
    ("tasks", "spawn and await, tokio current", "time", "tokio", "spawn and await: tokio"),
    ("tasks", "spawn and await, smol current", "time", "async-executor", "spawn and await: smol"),
    ("tasks", "spawn and await, compio", "time", "compio", "spawn and await: compio"),
    ("tasks", "spawn 10,000 then join, tokio current", "time", "tokio", "spawn 10,000: tokio"),
    (
        "tasks",
        "spawn 10,000 then join, smol current",
        "time",
        "async-executor",
        "spawn 10,000: smol",
    ),
    ("tasks", "yield, tokio", "time", "tokio", "yield: tokio"),
    (
        "timers",
        "insert and cancel among 10,000, tokio current",
        "time",
        "tokio",
        "a time-out given up: tokio",
    ),
    (
        "timers",
        "insert and cancel among 10,000, smol current",
        "time",
        "async-io",
        "a time-out given up: smol",
    ),
    ("net", "TCP ping-pong of 64 B, tokio", "time", "tokio::net", "TCP round trip: tokio"),
    ("net", "TCP ping-pong of 64 B, smol", "time", "async-io", "TCP round trip: smol"),
    (
        "http",
        "hyper hello, header timeout, tokio",
        "requests",
        "hyper-util on tokio::net",
        "hyper, a request: tokio",
    ),
    (
        "http",
        "hyper hello, header timeout, smol",
        "requests",
        "smol-hyper on async-io",
        "hyper, a request: smol",
    ),
    ("proactor", "file, read of 4 KiB", "time", "compio-fs", "io_uring, read of 4 KiB: compio"),
    (
        "latency",
        "1 ms ticks under load, tokio",
        "late, 99 %",
        "tokio",
        "tick under load, 99 %: tokio",
    ),
    (
        "shutdown",
        "100000 tasks",
        "time",
        "tokio, the drop of its Runtime",
        "shutdown, 100,000 tasks: tokio",
    ),
    (
        "children",
        "1000 × /bin/true, 64 in flight",
        "time",
        "tokio::process",
        "1,000 children: tokio",
    ),
    (
        "children",
        "1000 × /bin/true, 64 in flight",
        "time",
        "async-process",
        "1,000 children: async-process",
    ),
    (
        "children",
        "1000 × /bin/true, 64 in flight",
        "time",
        "asyncio 3.11, PidfdChildWatcher",
        "1,000 children: asyncio",
    ),
    (
        "children",
        "1000 × /bin/true, 64 in flight",
        "worst 2 ms tick",
        "tokio::process",
        "worst tick meanwhile: tokio",
    ),
    ("memory", "a task, tokio", "memory", "tokio", "memory of a task: tokio"),
    ("memory", "a sleep, tokio", "memory", "its own", "memory of a sleep: tokio"),
];

/// Their names, and what ours takes where the other takes 1.
pub fn glance<'a>(rows: impl Iterator<Item = &'a Row> + Clone) -> Vec<(String, f64)> {
    let mut bars = Vec::new();
    for (group, case, measure, against, name) in CHOSEN {
        let is_it = |row: &&Row| {
            row.group == *group
                && row.case.starts_with(case)
                && row.measure == *measure
                && row.against == *against
        };
        if let Some(row) = rows.clone().find(is_it) {
            let [_, ratio, _] = row.ratio;
            // Of a rate, more is better.
            bars.push((
                (*name).to_owned(),
                if row.unit.ends_with("/s") { 1.0 / ratio } else { ratio },
            ));
        }
    }
    bars
}
