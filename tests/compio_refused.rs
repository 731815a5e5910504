//! compio where the system refuses io_uring, as containers do: by a filter that the whole
//! process is under, so this test is a program of its own. Every clause of the
//! conformance suite holds there, and the loop says which driver it got.
//!
//! ```text
//! cargo test --features compio --test compio_refused
//! ```
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails panics"
)]

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    refused::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
}

#[cfg(target_os = "linux")]
mod refused {
    use std::collections::BTreeMap;
    use std::env;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::process::{Command, ExitCode};
    use std::sync::Arc;
    use std::time::Duration;

    use policy::{CompioDriver, CompioPolicy, ErrorKind, EventLoopPolicy, ProactorEventLoop};
    use policy_conformance::{Outcome, clauses};
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

    /// In the environment of the child: the error that it gets from `io_uring_setup`.
    const ERRNO: &str = "POLICY_TEST_REFUSED";

    /// What a seccomp profile answers, a sysctl, and a kernel without io_uring.
    const ERRORS: [i32; 2] = [libc::EPERM, libc::ENOSYS];

    pub(super) fn main() -> ExitCode {
        if let Ok(errno) = env::var(ERRNO) {
            refuse_io_uring(errno.parse().unwrap());
            return all_holds();
        }
        if env::args().any(|arg| arg == "--list") {
            return ExitCode::SUCCESS;
        }
        for errno in ERRORS {
            println!("io_uring_setup gives error {errno}:");
            let mut child = Command::new(env::current_exe().unwrap());
            let status = child.env(ERRNO, errno.to_string()).status().unwrap();
            if !status.success() {
                return ExitCode::FAILURE;
            }
        }
        ExitCode::SUCCESS
    }

    fn all_holds() -> ExitCode {
        the_loop_says_that_it_polls();
        a_loop_that_wants_io_uring_and_no_other_says_why_not();
        let (mut kept, mut skipped, mut broken) = (0, 0, Vec::new());
        for clause in clauses() {
            let make = || -> Arc<dyn EventLoopPolicy> { Arc::new(CompioPolicy::new()) };
            let checked =
                catch_unwind(AssertUnwindSafe(|| clause.check(Duration::from_secs(60), make)));
            match checked {
                Ok(Outcome::Kept) => kept += 1,
                Ok(Outcome::Skipped(reason)) => {
                    println!("skipped: {clause:?}: {reason}");
                    skipped += 1;
                }
                Err(_) => broken.push(clause),
            }
        }
        for clause in &broken {
            println!("broken: {clause:?}");
        }
        println!("{kept} clauses kept, {skipped} skipped, {} broken", broken.len());
        if broken.is_empty() && kept > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn the_loop_says_that_it_polls() {
        let event_loop = ProactorEventLoop::new().unwrap();
        assert_eq!(
            event_loop.proactor().unwrap().driver(),
            "polling",
            "known before the first run"
        );
        event_loop.run_until_complete(async {}).unwrap();
        let driver = event_loop.downcast_ref::<ProactorEventLoop>().unwrap().driver();
        assert_eq!(driver, Some(CompioDriver::Polling));
        let proactor = event_loop.proactor().unwrap();
        assert_eq!((proactor.is_native(), proactor.driver()), (false, "polling"));
        event_loop.close().unwrap();
    }

    fn a_loop_that_wants_io_uring_and_no_other_says_why_not() {
        let event_loop = CompioPolicy::new().driver(CompioDriver::IoUring).new_event_loop();
        let event_loop = event_loop.unwrap();
        let mut polled = false;
        let refused = event_loop.run_until_complete(async { polled = true }).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Io);
        assert!(refused.to_string().contains("io_uring"), "{refused}");
        assert!(!polled);
        event_loop.close().unwrap();
    }

    /// For the whole process, which has one thread yet; those to come inherit it.
    fn refuse_io_uring(errno: i32) {
        let filter: BpfProgram = SeccompFilter::new(
            BTreeMap::from([(libc::SYS_io_uring_setup, Vec::new())]),
            SeccompAction::Allow,
            SeccompAction::Errno(errno.unsigned_abs()),
            env::consts::ARCH.try_into().unwrap(),
        )
        .unwrap()
        .try_into()
        .unwrap();
        seccompiler::apply_filter(&filter).unwrap();
    }
}
