//! Faults: what must survive. Nothing is lost: each child that was asked for ends as
//! its right status or as a typed error; afterwards there is no zombie, no running
//! child, no descriptor and no thread more than before; nothing panics, nothing hangs.
//!
//! SIGCHLD, limits and masks belong to the whole process, so each row runs in a process
//! of its own, for every watcher and loop that it makes sense for:
//!
//! ```text
//! cargo test --all-features --test faults                # every row, scaled down
//! FAULTS_FULL=1 cargo test --all-features --test faults  # with the full counts
//! cargo test --all-features --test faults -- --exact L3 --loop default --watcher pidfd
//! ```
//!
//! Faults are caused, never mocked: by seccomp filters, limits, control groups, thieves,
//! handlers, namespaces and tracers. What this system does not allow is skipped, with
//! the reason.
#![allow(
    missing_docs,
    unsafe_code,
    unreachable_pub,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics, and breaks what the kernel lets it break"
)]

#[cfg(target_os = "linux")]
mod busy;
#[cfg(target_os = "linux")]
mod causes;
#[cfg(target_os = "linux")]
mod exhaustion;
#[cfg(target_os = "linux")]
mod harness;
#[cfg(target_os = "linux")]
mod helpers;
#[cfg(target_os = "linux")]
mod input;
#[cfg(target_os = "linux")]
mod inside;
#[cfg(target_os = "linux")]
mod kill;
#[cfg(target_os = "linux")]
mod lifecycle;
#[cfg(target_os = "linux")]
mod load;
#[cfg(target_os = "linux")]
mod loops;
#[cfg(target_os = "linux")]
mod pace;
#[cfg(target_os = "linux")]
mod places;
#[cfg(target_os = "linux")]
mod spawn;
#[cfg(target_os = "linux")]
mod start;
#[cfg(target_os = "linux")]
mod status;
#[cfg(target_os = "linux")]
mod steps;
#[cfg(target_os = "linux")]
mod table;
#[cfg(target_os = "linux")]
mod time;
#[cfg(target_os = "linux")]
mod tools;
#[cfg(target_os = "linux")]
mod trees;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    harness::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
}
