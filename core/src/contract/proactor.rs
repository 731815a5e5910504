//! The contract of a loop that waits for completion.

mod address;
mod buffer;
mod completion;
mod operation;
mod resource;

pub use address::Address;
pub use buffer::{Buffer, IoBuf, IoBufMut};
pub use completion::{Completed, Completion, Promise};
pub use operation::Operation;
pub use resource::{Resource, ResourceKind};

/// Waits until operations complete (io_uring, IOCP). An operation owns its buffers meanwhile.
///
/// An adapter implements it, and only if its executor works like that. A loop that is only a
/// [`Selector`](crate::Selector) has a proactor's operations all the same:
/// [`ProactorHandle`](crate::ProactorHandle) tries them and waits for readiness in between.
///
/// # An executor that stays on its thread
///
/// `submit` is called from any thread, and the [`Completion`] is `Send`. An executor whose
/// operations are not `Send` makes a pair with [`Completion::channel`], sends the operation and the
/// [`Promise`] to its thread over the queue that carries its tasks, and runs the operation there
/// until it completes or is [abandoned](Promise::poll_abandoned):
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
    /// Returns true if the system completes operations, and false if the executor tries them and
    /// waits, in place of io_uring or IOCP. If it is false and the loop has a selector, operations
    /// are emulated on the selector and not submitted here.
    fn is_native(&self) -> bool {
        true
    }

    /// Returns the name of the mechanism that completes operations: `io_uring`, `iocp`, `polling`.
    fn driver(&self) -> &'static str;

    /// Starts an operation, from any thread.
    ///
    /// The completion reports an error together with the operation, so the caller always gets the
    /// buffer back. A resource may be in non-blocking mode or not: either way the operation waits
    /// until it is done. If a loop finds that it can't complete an operation after all, it refuses
    /// it with [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported): a loop that is a selector
    /// too tries it then, and waits.
    fn submit(&self, resource: &Resource, operation: Operation) -> Completion;
}
