//! Ctrl-C and its like.
//!
//! By the crate signal-hook, on a thread of its own: an impatient user is heard also when
//! the loop is not, because it waits for a disk.

use std::fs;
use std::time::{Duration, Instant};

use async_channel::Sender;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::Failure;
use crate::scheduler::Alarm;

/// Tells of signals, from now on, instead of dying of them.
///
/// # Errors
/// If handlers or a thread can't be had.
pub(crate) fn listen(alarm: Sender<Alarm>) -> Result<(), Failure> {
    let mut wanted = vec![SIGINT, SIGTERM, SIGQUIT];
    // Jobs are groups of their own, which the end of a terminal does not reach.
    if !is_ignored(SIGHUP) {
        wanted.push(SIGHUP);
    }
    let signals = Signals::new(wanted)
        .map_err(|error| format!("can't wait for signals ({error}); raise `ulimit -n`"))?;
    std::thread::Builder::new()
        .name("fanout-signals".into())
        .spawn(move || tell(signals, &alarm))
        .map_err(|error| format!("can't start a thread ({error}); raise `ulimit -u`"))?;
    Ok(())
}

fn tell(mut signals: Signals, alarm: &Sender<Alarm>) {
    let mut interrupted: Option<Instant> = None;
    let mut killed = false;
    for signal in signals.forever() {
        if killed {
            // The jobs are, too: what is waited for is a pipe or a disk.
            std::process::exit(130);
        }
        let next = match interrupted {
            None if signal != SIGQUIT => {
                interrupted = Some(Instant::now());
                Alarm::Interrupted
            }
            // `timeout fanout …` sends one to the program and one to its group.
            Some(first) if first.elapsed() < ECHO => continue,
            _ => {
                killed = true;
                Alarm::Kill
            }
        };
        if alarm.send_blocking(next).is_err() {
            return;
        }
    }
}

/// Less than a person needs to press twice.
const ECHO: Duration = Duration::from_millis(100);

/// Returns true under `nohup`, which means it.
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << (signal - 1)) != 0
}
