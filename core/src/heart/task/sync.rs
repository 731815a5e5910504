//! The primitives of the cell: std's, or loom's under its model checker, or shuttle's.

#[cfg(not(loom))]
mod real {
    #[cfg(shuttle)]
    use shuttle::sync::atomic;
    #[cfg(not(shuttle))]
    use std::sync::atomic;
    use std::sync::atomic::Ordering;

    /// std's, with a name for loads whose answer is checked by the next step.
    pub(crate) struct AtomicUsize(atomic::AtomicUsize);

    impl AtomicUsize {
        pub(crate) fn new(value: usize) -> Self {
            Self(atomic::AtomicUsize::new(value))
        }

        #[inline]
        pub(crate) fn peek(&self, order: Ordering) -> usize {
            self.0.load(order)
        }
    }

    impl std::ops::Deref for AtomicUsize {
        type Target = atomic::AtomicUsize;

        #[inline]
        fn deref(&self) -> &Self::Target {
            &self.0
        }
    }

    /// loom's `UnsafeCell`, over std's.
    #[derive(Debug)]
    pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }
}

#[cfg(loom)]
mod real {
    use std::sync::atomic::Ordering::{self, Relaxed};

    pub(crate) use loom::cell::UnsafeCell;

    /// loom's, with a ticket drawn before each access. loom remembers only the last
    /// access to an atomic, so it never tries a store of one thread before a mere
    /// load of another if the first loads, too. Tickets are drawn by relaxed
    /// read-modify-writes: they order nothing, and loom tries them in every order.
    pub(crate) struct AtomicUsize {
        tickets: loom::sync::atomic::AtomicUsize,
        value: loom::sync::atomic::AtomicUsize,
    }

    impl AtomicUsize {
        pub(crate) fn new(value: usize) -> Self {
            let new = loom::sync::atomic::AtomicUsize::new;
            Self { tickets: new(0), value: new(value) }
        }

        pub(crate) fn load(&self, order: Ordering) -> usize {
            self.tickets.fetch_add(1, Relaxed);
            self.value.load(order)
        }

        /// A load whose answer is checked by the next step: that draws the ticket.
        pub(crate) fn peek(&self, order: Ordering) -> usize {
            self.value.load(order)
        }

        pub(crate) fn compare_exchange(
            &self,
            current: usize,
            new: usize,
            success: Ordering,
            failure: Ordering,
        ) -> Result<usize, usize> {
            self.tickets.fetch_add(1, Relaxed);
            self.value.compare_exchange(current, new, success, failure)
        }

        /// Counts only, and what is counted has no meaning for who loads.
        pub(crate) fn fetch_add(&self, value: usize, order: Ordering) -> usize {
            self.value.fetch_add(value, order)
        }

        /// As `fetch_add`.
        pub(crate) fn fetch_sub(&self, value: usize, order: Ordering) -> usize {
            self.value.fetch_sub(value, order)
        }

        pub(crate) fn fetch_or(&self, bits: usize, order: Ordering) -> usize {
            self.tickets.fetch_add(1, Relaxed);
            self.value.fetch_or(bits, order)
        }

        pub(crate) fn fetch_and(&self, bits: usize, order: Ordering) -> usize {
            self.tickets.fetch_add(1, Relaxed);
            self.value.fetch_and(bits, order)
        }
    }
}

pub(crate) use real::{AtomicUsize, UnsafeCell};
