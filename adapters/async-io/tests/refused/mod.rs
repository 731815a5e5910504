//! Threads that the system refuses.

use std::collections::BTreeMap;
use std::thread;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

/// Calls `f` on a thread for which starting a thread fails with EAGAIN, as at a
/// limit: by a filter, because root has no limit.
pub(crate) fn on_a_thread_that_starts_none<R: Send + 'static>(
    f: impl FnOnce() -> R + Send + 'static,
) -> R {
    let calls = [libc::SYS_clone, libc::SYS_clone3].map(|call| (call, Vec::new()));
    let filter: BpfProgram = SeccompFilter::new(
        BTreeMap::from(calls),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EAGAIN as u32),
        std::env::consts::ARCH.try_into().unwrap(),
    )
    .unwrap()
    .try_into()
    .unwrap();
    // The filter goes with its thread.
    let thread = thread::spawn(move || {
        seccompiler::apply_filter(&filter).unwrap();
        f()
    });
    thread.join().unwrap()
}
