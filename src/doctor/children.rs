//! How children are waited for here.

use super::{Report, Topic};

#[cfg(unix)]
pub(super) fn examine(report: &mut Report) {
    use crate::process::probe;

    match crate::get_child_watcher() {
        Ok(watcher) => report.yes(Topic::Children, "watcher in force", type_name(&watcher)),
        Err(error) => report.problem(
            Topic::Children,
            "watcher in force",
            "the policy gives none",
            error.to_string(),
        ),
    }
    let auto = if probe::pidfds_work() {
        "a pidfd for each child, in the running loop"
    } else if cfg!(any(target_vendor = "apple", target_os = "freebsd", target_os = "netbsd")) {
        "kqueue"
    } else {
        "a thread for each child, up to a limit"
    };
    report.yes(Topic::Children, "AutoChildWatcher", format!("waits with {auto}"));
    if !cfg!(target_os = "linux") {
        return;
    }
    if probe::pidfds_work() {
        report.yes(Topic::Children, "pidfd", "children are watched and signalled by identity");
    } else {
        report.no(
            Topic::Children,
            "pidfd",
            "this kernel has none, or a sandbox refuses them",
            "use Linux 5.4 or later, and allow pidfd_open, pidfd_send_signal and waitid in the \
             sandbox; threads wait meanwhile",
        );
    }
    match probe::exit_after_reap() {
        Ok(()) => report.yes(
            Topic::Children,
            "PIDFD_GET_INFO",
            "a status that somebody else took can be asked for",
        ),
        Err(error) => report.no(
            Topic::Children,
            "PIDFD_GET_INFO",
            error.to_string(),
            "use Linux 6.15 or later; until then a status that another part of the program \
             reaped is ErrorKind::StatusLost",
        ),
    }
}

/// The name of a watcher's type, which its `Debug` begins with.
#[cfg(unix)]
fn type_name(watcher: &dyn std::fmt::Debug) -> String {
    let text = format!("{watcher:?}");
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    text.get(..end).unwrap_or_default().to_owned()
}

/// As in asyncio, Windows has no child watchers.
#[cfg(not(unix))]
pub(super) fn examine(report: &mut Report) {
    report.yes(Topic::Children, "watcher in force", "none is needed: handles are waited for");
}
