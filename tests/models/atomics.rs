//! loom's atomics, with a ticket drawn before each access; see `core/src/heart/task/sync.rs`.

use std::sync::atomic::Ordering::{self, Relaxed};

/// loom remembers only the last access to an atomic, so it never tries a store of one
/// thread before a mere load of another if the first loads, too. Tickets are drawn by
/// relaxed read-modify-writes: they order nothing, and loom tries them in every order.
macro_rules! ticketed {
    ($name:ident of $value:ty: $($call:ident)+) => {
        pub(crate) struct $name {
            tickets: loom::sync::atomic::AtomicUsize,
            value: loom::sync::atomic::$name,
        }

        impl $name {
            pub(crate) fn new(value: $value) -> Self {
                Self {
                    tickets: loom::sync::atomic::AtomicUsize::new(0),
                    value: loom::sync::atomic::$name::new(value),
                }
            }

            pub(crate) fn load(&self, order: Ordering) -> $value {
                self.tickets.fetch_add(1, Relaxed);
                self.value.load(order)
            }

            $(
                pub(crate) fn $call(&self, value: $value, order: Ordering) -> $value {
                    self.tickets.fetch_add(1, Relaxed);
                    self.value.$call(value, order)
                }
            )+
        }
    };
}

ticketed!(AtomicBool of bool: swap fetch_or);
ticketed!(AtomicUsize of usize: fetch_add fetch_sub);

impl AtomicUsize {
    pub(crate) fn store(&self, value: usize, order: Ordering) {
        self.tickets.fetch_add(1, Relaxed);
        self.value.store(value, order);
    }
}
