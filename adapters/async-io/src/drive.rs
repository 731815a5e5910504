//! How a thread drives a loop.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use policy_core::{Error, ErrorKind};

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
    let mut begun = false;
    let main = pin!(Begins { main, begun: &mut begun });
    // `async_io::block_on` has a thread-local, and panics where that is gone: in a
    // destructor while the thread ends. Nothing else in here can panic.
    match catch_unwind(AssertUnwindSafe(|| block_on(main))) {
        Ok(()) => Ok(()),
        Err(payload) if begun => resume_unwind(payload),
        Err(_payload) => Err(Error::new(
            ErrorKind::WrongThread,
            "this thread is ending and can't run an event loop any more; run it on another thread",
        )),
    }
}

/// Notes that the main future is polled.
struct Begins<'a> {
    main: Pin<&'a mut dyn Future<Output = ()>>,
    begun: &'a mut bool,
}

impl Future for Begins<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        *self.begun = true;
        self.main.as_mut().poll(cx)
    }
}
