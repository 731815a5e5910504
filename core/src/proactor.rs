//! The promise of a loop that waits for completion.

mod address;
mod attached;
mod blocking;
mod buffer;
mod completion;
mod emulated;
mod handle;
mod operation;
mod resource;
mod sockets;
#[cfg(unix)]
mod streams;
#[cfg(unix)]
mod sys;

pub use address::Address;
pub use buffer::{Buffer, IoBuf, IoBufMut};
pub use completion::{Completed, Completion, Promise};
pub use handle::ProactorHandle;
pub use operation::Operation;
pub use resource::{Resource, ResourceKind};

/// Waits until operations are complete (io_uring, IOCP), with buffers that it owns
/// meanwhile.
///
/// What an adapter implements, and only where its executor works like that. A loop
/// without it that is a [`Selector`](crate::Selector) has proactor's operations all
/// the same: [`ProactorHandle`](crate::ProactorHandle) tries them and waits for
/// readiness in between.
///
/// # An executor that stays on its thread
///
/// `submit` is called from any thread, and the [`Completion`] travels. An executor
/// whose operations are not `Send` makes a pair with [`Completion::channel`], sends the
/// operation and the [`Promise`] to its thread by the queue by which it gets its tasks,
/// and runs the operation there until it is done or
/// [abandoned](Promise::poll_abandoned):
///
/// ```
/// use policy_core::{Completion, Operation, Proactor, Promise, Resource};
/// use std::sync::mpsc::Sender;
///
/// struct Ring {
///     queue: Sender<(Resource, Operation, Promise)>,
/// }
///
/// impl Proactor for Ring {
///     fn driver(&self) -> &'static str {
///         "io_uring"
///     }
///
///     fn submit(&self, resource: &Resource, operation: Operation) -> Completion {
///         let (promise, completion) = Completion::channel();
///         // What is not sent is dropped, and its promise with it: the completion says so.
///         let _sent = self.queue.send((resource.clone(), operation, promise));
///         completion
///     }
/// }
/// ```
pub trait Proactor: Send + Sync {
    /// Returns true if the system completes operations, false if the executor tries
    /// and waits: io_uring's and IOCP's stand-ins. Operations are then emulated on the
    /// loop's selector, if it has one, and not submitted here.
    fn is_native(&self) -> bool {
        true
    }

    /// Returns the name of what completes operations: `io_uring`, `iocp`, `polling`.
    fn driver(&self) -> &'static str;

    /// Begins an operation, from any thread.
    ///
    /// An error is told by the completion, together with the operation: so the caller
    /// has the buffer back in every case. A resource may be in non-blocking mode or
    /// not: the operation waits until it is done. What a loop finds that it can't complete
    /// after all it refuses with [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported):
    /// a loop that is a selector too tries it then, and waits.
    fn submit(&self, resource: &Resource, operation: Operation) -> Completion;
}
