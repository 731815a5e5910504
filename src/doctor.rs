//! Reports what this machine and this build can do, and the remedy for what they can't.

#[cfg(feature = "process")]
mod children;
#[cfg(all(target_os = "linux", feature = "process"))]
mod linux;
mod loops;
mod report;

pub use report::{Answer, Finding, Report, Topic};

/// Examines what this machine and this build can do: the compiled-in loops, the ways to wait for
/// children, and the limits of the system.
///
/// It makes a loop of each policy and closes it again, so it takes some milliseconds, and starts
/// the threads of multi-threaded loops. It starts no child and changes nothing. May be called on
/// any thread, inside or outside a running loop.
///
/// `cargo run --example doctor` prints the report; `--json` prints it for programs.
///
/// ```
/// let report = policy::doctor();
/// for finding in report.problems() {
///     println!("{finding}");
/// }
/// assert!(report.to_json().starts_with('{'));
/// ```
#[must_use]
pub fn doctor() -> Report {
    let mut report = Report::default();
    versions(&mut report);
    loops::examine(&mut report);
    #[cfg(feature = "process")]
    children::examine(&mut report);
    #[cfg(all(target_os = "linux", feature = "process"))]
    linux::examine(&mut report);
    report
}

fn versions(report: &mut Report) {
    report.yes(Topic::Build, "event-loop-policy", env!("CARGO_PKG_VERSION"));
    let target = format!("{} on {}", std::env::consts::ARCH, std::env::consts::OS);
    report.yes(Topic::Build, "target", target);
    let mut features = Vec::new();
    for (name, on) in crate::names::FEATURES.into_iter().zip(crate::names::on()) {
        if on {
            features.push(name);
        }
    }
    report.yes(
        Topic::Build,
        "executors",
        if features.is_empty() { "none".into() } else { features.join(", ") },
    );
}
