//! Signals that are ignored where the tests run, as `nohup` has it, or a script with `&`.

#![allow(unreachable_pub, clippy::panic, reason = "a test that fails panics")]

use std::fs;

/// Returns true, and prints why, if a test that sends this signal can't be run: what a process
/// ignores its children ignore.
pub fn is_ignored(signal: &str) -> bool {
    let number = match signal {
        "HUP" => 1,
        "INT" => 2,
        "QUIT" => 3,
        "TERM" => 15,
        other => panic!("which number has {other}? add it here"),
    };
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:\t"));
    let ignored = ignored.and_then(|set| u64::from_str_radix(set, 16).ok()).unwrap_or(0);
    let is_ignored = ignored & (1 << (number - 1)) != 0;
    if is_ignored {
        println!("skipped: {signal} is ignored where these tests run, as `nohup` or `&` has it");
    }
    is_ignored
}
