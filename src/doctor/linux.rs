//! What Linux allows this process. Everything is read from /proc and /sys, which changes nothing.

use std::fs;
use std::path::Path;

use rustix::process::{Resource, getrlimit};

use super::{Report, Topic};

pub(super) fn examine(report: &mut Report) {
    clone3(report);
    sigchld(report);
    cgroup_kill(report);
    io_uring(report);
    let kernel = read("/proc/sys/kernel/osrelease").unwrap_or_else(|| "unknown".into());
    report.yes(Topic::Limits, "kernel", kernel);
    descriptors(report);
    processes(report);
}

/// Which way children are started.
fn clone3(report: &mut Report) {
    match crate::process::probe::clone3_works() {
        Ok(()) => report.yes(Topic::Children, "clone3", "each child has its pidfd from birth"),
        Err(error) => report.no(
            Topic::Children,
            "clone3",
            error.to_string(),
            "nothing is amiss: std starts children there, a little slower; to have it, use Linux \
             5.5 or later on x86_64 or aarch64, and allow clone3 in the sandbox",
        ),
    }
}

/// With SIGCHLD ignored, the kernel reaps every child by itself.
fn sigchld(report: &mut Report) {
    const SIGCHLD: u32 = 17;
    let status = read("/proc/self/status").unwrap_or_default();
    let mask = |field: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
    };
    let sigchld = 1 << (SIGCHLD - 1);
    if mask("SigIgn:") & sigchld != 0 {
        report.problem(
            Topic::Children,
            "SIGCHLD",
            "ignored: the kernel reaps children, and throws their statuses away",
            "set it to its default before children are started; a parent such as `nohup` or a \
             supervisor may have passed it on",
        );
    } else if mask("SigCgt:") & sigchld != 0 {
        report.yes(Topic::Children, "SIGCHLD", "a handler is installed, and is called as before");
    } else {
        report.yes(Topic::Children, "SIGCHLD", "default");
    }
}

/// A cgroup of one's own ends a tree for sure.
fn cgroup_kill(report: &mut Report) {
    let mounts = read("/proc/self/mounts").unwrap_or_default();
    let mount = mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (at, kind) = (fields.next()?, fields.next()?);
        (kind == "cgroup2").then(|| at.to_owned())
    });
    let Some(mount) = mount else {
        report.no(
            Topic::Children,
            "cgroup.kill",
            "no cgroup2 is mounted",
            "mount it, and give this user a group below; trees are killed by process group and \
             /proc meanwhile",
        );
        return;
    };
    let groups = read("/proc/self/cgroup").unwrap_or_default();
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let group = Path::new(&mount).join(own);
    // Only groups below the root have the file: what counts is whether one can be made.
    let writable = rustix::fs::access(&group, rustix::fs::Access::WRITE_OK).is_ok();
    if writable {
        report.yes(Topic::Children, "cgroup.kill", format!("{} can be written", group.display()));
    } else {
        report.no(
            Topic::Children,
            "cgroup.kill",
            format!("{} can't be written", group.display()),
            "delegate a group to this user (systemd: `Delegate=yes`)",
        );
    }
}

fn io_uring(report: &mut Report) {
    let remedy = "nothing is amiss: the loops of compio wait by polling there; to have it, allow \
                  io_uring_setup in the sandbox and set kernel.io_uring_disabled to 0";
    match read("/proc/sys/kernel/io_uring_disabled").as_deref() {
        Some("0") => report.yes(Topic::Limits, "io_uring", "allowed by the kernel"),
        Some(level) => report.no(
            Topic::Limits,
            "io_uring",
            format!("kernel.io_uring_disabled is {level}"),
            remedy,
        ),
        // The switch came with Linux 6.6; before, only making a ring tells.
        None => report.no(Topic::Limits, "io_uring", "the kernel does not say", remedy),
    }
}

/// A socket takes one, and so does a child that is watched by pidfd.
fn descriptors(report: &mut Report) {
    let limit = getrlimit(Resource::Nofile);
    let open = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count) as u64;
    let Some(soft) = limit.current else {
        report.yes(Topic::Limits, "descriptors", "without a limit");
        return;
    };
    let left = soft.saturating_sub(open);
    let detail = format!("{left} of {soft} left, for sockets, files and pidfds");
    if left < 64 {
        report.problem(Topic::Limits, "descriptors", detail, "raise it with `ulimit -n`");
    } else if limit.maximum.is_none_or(|hard| hard > soft) && soft <= 1024 {
        report.no(
            Topic::Limits,
            "more descriptors",
            detail,
            "raise the soft limit with `ulimit -n` before thousands of sockets or children",
        );
    } else {
        report.yes(Topic::Limits, "descriptors", detail);
    }
}

/// Threads and children count against the same limits.
fn processes(report: &mut Report) {
    let number = |path: &str| read(path).and_then(|text| text.parse::<u64>().ok());
    let user = getrlimit(Resource::Nproc).current;
    let system = number("/proc/sys/kernel/threads-max");
    let pids = number("/proc/sys/kernel/pid_max");
    let group = cgroup_pids();
    let least = [user, system, pids, group].into_iter().flatten().min();
    let Some(least) = least else {
        report.yes(Topic::Limits, "threads and children", "without a limit");
        return;
    };
    let of =
        |limit: Option<u64>| limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string());
    let detail = format!(
        "at most {least} (user: {}, system: {}, pid_max: {}, cgroup: {})",
        of(user),
        of(system),
        of(pids),
        of(group)
    );
    if least < 128 {
        report.problem(
            Topic::Limits,
            "threads and children",
            detail,
            "raise it with `ulimit -u`, or the cgroup's pids.max",
        );
    } else {
        report.yes(Topic::Limits, "threads and children", detail);
    }
}

/// The limit of the controller `pids`, in either version of cgroups.
fn cgroup_pids() -> Option<u64> {
    let groups = read("/proc/self/cgroup")?;
    groups.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let root = match controllers {
            "" => "/sys/fs/cgroup".to_owned(),
            "pids" => "/sys/fs/cgroup/pids".to_owned(),
            _ => return None,
        };
        read(&format!("{root}{path}/pids.max"))?.parse().ok()
    })
}

fn read(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}
