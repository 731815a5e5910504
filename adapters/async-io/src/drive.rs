//! How a thread drives a loop.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;

use policy_core::{Error, ErrorKind, MainFuture};

/// Drives a loop on this thread until `main` is done, by the executor's `block_on`.
///
/// # Errors
/// Returns [`ErrorKind::WrongThread`] on a thread that is ending, where async-io's thread-locals
/// may be gone.
///
/// ```
/// let main = std::pin::pin!(async {});
/// policy_async_io::drive::drive(main, |main| async_io::block_on(main))?;
/// # Ok::<(), policy_core::Error>(())
/// ```
pub fn drive(
    main: Pin<&mut dyn Future<Output = ()>>,
    block_on: impl FnOnce(Pin<&mut dyn Future<Output = ()>>),
) -> Result<(), Error> {
    let mut main = MainFuture::new(main);
    let mut pinned = Pin::new(&mut main);
    // `async_io::block_on` has a thread-local, and panics where that is gone: in a
    // destructor while the thread ends. Nothing else in here can panic.
    match catch_unwind(AssertUnwindSafe(|| block_on(pinned.as_mut()))) {
        Ok(()) => Ok(()),
        Err(payload) if main.was_polled() => resume_unwind(payload),
        Err(_payload) => Err(Error::new(
            ErrorKind::WrongThread,
            "this thread is ending and can't run an event loop any more; run it on another thread",
        )),
    }
}
