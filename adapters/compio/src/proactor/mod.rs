//! Operations that io_uring or IOCP completes, with buffers that it owns meanwhile.
//!
//! An operation begins and ends in a task on the loop's thread, which has the ring or
//! the port. It comes there at once if it was asked for there, else through the loop's
//! queue of callbacks; its end travels by a [`Promise`].
//!
//! Where the loop has neither, `policy_core` tries operations on the loop's selector and
//! waits in between: compio's stand-in would block the loop on files that are in
//! blocking mode.

mod buffer;
mod operation;
#[cfg_attr(windows, path = "iocp.rs")]
#[cfg_attr(not(windows), path = "ring.rs")]
mod system;

use std::rc::Rc;
use std::sync::OnceLock;

use compio_driver::ProactorBuilder;
use compio_runtime::Runtime;
use policy_core::{
    Completion, Error, ErrorKind, EventLoop, LoopId, Operation, Proactor, Promise, Resource,
};

use self::system::Site;
use crate::Driver;
use crate::event_loop::ProactorEventLoop;
use crate::local::{self, Number};

/// An operation on its way to the loop's thread.
#[derive(Debug)]
pub(crate) struct Submission {
    resource: Resource,
    site: Site,
    operation: Operation,
    promise: Promise,
}

impl Proactor for ProactorEventLoop {
    fn is_native(&self) -> bool {
        self.expected_driver() != Driver::Polling
    }

    fn driver(&self) -> &'static str {
        self.expected_driver().as_str()
    }

    fn submit(&self, resource: &Resource, operation: Operation) -> Completion {
        let (promise, completion) = Completion::channel();
        let site = Site::of(resource, self.state());
        let submission = Submission { resource: resource.clone(), site, operation, promise };
        if self.state().is_forked() {
            // The ring is the parent's, and not even mapped here.
            submission.refuse(ErrorKind::Forked);
            return completion;
        }
        let id = self.state().id();
        if let Some(submission) = local::perform(id, submission) {
            // In order with others: operations that one thread asks for begin in turn.
            let posted = Posted(Some(submission));
            self.state().post(move || posted.perform(id));
        }
        completion
    }
}

impl ProactorEventLoop {
    /// Returns the driver that the loop has, or will have as far as one can know.
    fn expected_driver(&self) -> Driver {
        match (self.driver(), self.asked()) {
            (Some(driver), _) | (None, Some(driver)) => driver,
            (None, None) => best_driver(),
        }
    }
}

/// Returns what a loop gets that asks for nothing; found out once.
fn best_driver() -> Driver {
    static BEST: OnceLock<Driver> = OnceLock::new();
    if let Some(best) = BEST.get() {
        return *best;
    }
    match ProactorBuilder::new().capacity(2).build() {
        Ok(proactor) => *BEST.get_or_init(|| Driver::of(proactor.driver_type())),
        // No descriptors at this moment: that may change.
        Err(_) => Driver::BEST,
    }
}

impl Submission {
    /// Tells why it did not begin.
    pub(crate) fn refuse(self, why: impl Into<Error>) {
        self.promise.complete(Err(why.into().into()), self.operation);
    }

    /// Begins it, on the thread of the ring, with the loop entered.
    ///
    /// `alive`, of which every runtime has another, lives until the system has let go of
    /// the operation's memory, whatever becomes of the task.
    pub(crate) fn begin(self, runtime: &Runtime, alive: &Rc<Number>) {
        if Driver::of(runtime.driver_type()) == Driver::Polling {
            // It was asked for before the first run, when nobody could know.
            return self.refuse(Error::new(
                ErrorKind::Unsupported,
                "the system refused io_uring when the loop started, so nothing completes there; ask again, and it is tried and waited for",
            ));
        }
        let Self { resource, site, operation, promise } = self;
        match site.take(&resource, &operation, runtime, alive) {
            Ok(fd) => system::begin(fd, operation, promise),
            Err(refusal) => promise.complete(Err(refusal.into()), operation),
        }
    }
}

/// An operation that waits for the loop's thread; told if the loop is closed first.
struct Posted(Option<Submission>);

impl Posted {
    fn perform(mut self, id: LoopId) {
        self.0 = self.0.take().and_then(|submission| local::perform(id, submission));
    }
}

impl Drop for Posted {
    fn drop(&mut self) {
        if let Some(submission) = self.0.take() {
            submission.refuse(ErrorKind::LoopClosed);
        }
    }
}
