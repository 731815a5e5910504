//! Who wants a signal handled, and the handler that finds that nobody does.
//!
//! Two change what is in place for a signal: whoever begins or ends to want it, one at a
//! time; and a handler that was called when nobody wanted it any more, and gives it up.
//! A handler can't take a lock. Without an agreement it may see nobody, let somebody come
//! who finds ours in place, and then put the default there: the signal would be deaf for
//! as long as it is wanted.
//!
//! So a handler says that it is leaving before it looks again, and whoever comes says so
//! before it looks whether one is leaving: one of the two sees the other. The handler then
//! stays, or the other waits until it has left, and puts ours in place.

use crate::sync::{AcqRel, Acquire, AtomicBool, AtomicUsize, pause};

/// Those who want one signal handled.
pub(super) struct Holders {
    pub(super) count: AtomicUsize,
    /// A run that wants it if nobody else does, and once.
    pub(super) is_armed: AtomicBool,
    /// Handlers that may be about to put the default in place.
    pub(super) leaving: AtomicUsize,
}

impl Holders {
    /// One more wants it; what is in place now stays until it does not.
    pub(super) fn add(&self) {
        self.count.fetch_add(1, AcqRel);
        self.wait_for_the_leaving();
    }

    pub(super) fn remove(&self) {
        self.count.fetch_sub(1, AcqRel);
    }

    /// As `add`, for the next signal only, and if nobody else wants that.
    pub(super) fn arm(&self) {
        self.is_armed.swap(true, AcqRel);
        self.wait_for_the_leaving();
    }

    /// Returns true if it was armed, which it is not any more.
    pub(super) fn disarm(&self) -> bool {
        self.is_armed.swap(false, AcqRel)
    }

    /// Returns true if it is wanted by others than a run.
    pub(super) fn any(&self) -> bool {
        self.count.load(Acquire) > 0
    }

    pub(super) fn any_or_armed(&self) -> bool {
        self.any() || self.is_armed.load(Acquire)
    }

    /// In a handler: calls `give_up`, which puts the default in place, unless somebody
    /// wants the signal by now. `counts` is false where whoever is counted is the
    /// parent's.
    pub(super) fn leave(
        &self,
        counts: impl FnOnce() -> bool,
        give_up: impl FnOnce() -> bool,
    ) -> bool {
        self.leaving.fetch_add(1, AcqRel);
        // Changes that change nothing, since those see the newest value, which a load
        // need not.
        let any = self.count.fetch_add(0, AcqRel) > 0;
        let any = self.is_armed.fetch_or(false, AcqRel) || any;
        let has_left = !(any && counts()) && give_up();
        self.leaving.fetch_sub(1, AcqRel);
        has_left
    }

    /// Not long: a handler that leaves makes two system calls, and no other handler
    /// interrupts it.
    fn wait_for_the_leaving(&self) {
        let mut looks = 0;
        while self.leaving.fetch_add(0, AcqRel) > 0 {
            pause(looks);
            looks += 1;
        }
    }
}
