//! What a child has used.

use std::time::Duration;

/// Which resources a child used, together with those of its children that it waited for
/// (`getrusage(2)`). The kernel reports them when the child is reaped.
///
/// See [`Child::usage`](super::Child::usage) and [`Output::usage`](super::Output::usage).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Processor time in user mode.
    pub user_time: Duration,
    /// Processor time in the kernel.
    pub system_time: Duration,
    /// The largest resident set of one of these processes, in bytes.
    pub max_memory: u64,
    /// Page faults without I/O.
    pub minor_faults: u64,
    /// Page faults with I/O.
    pub major_faults: u64,
    /// How often they gave up the processor to wait.
    pub voluntary_switches: u64,
    /// How often the kernel preempted them.
    pub involuntary_switches: u64,
}

impl Usage {
    #[cfg(unix)]
    pub(super) fn of(raw: &libc::rusage) -> Self {
        let time = |time: libc::timeval| {
            let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
            Duration::from_secs(seconds)
                + Duration::from_micros(u64::try_from(time.tv_usec).unwrap_or(0))
        };
        let count = |count: libc::c_long| u64::try_from(count).unwrap_or(0);
        // KiB, but for macOS.
        let unit = if cfg!(target_vendor = "apple") { 1 } else { 1024 };
        Self {
            user_time: time(raw.ru_utime),
            system_time: time(raw.ru_stime),
            max_memory: count(raw.ru_maxrss).saturating_mul(unit),
            minor_faults: count(raw.ru_minflt),
            major_faults: count(raw.ru_majflt),
            voluntary_switches: count(raw.ru_nvcsw),
            involuntary_switches: count(raw.ru_nivcsw),
        }
    }
}
