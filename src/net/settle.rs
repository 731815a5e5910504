//! Sockets that you can register with a loop.

use std::sync::Arc;

use policy_core::{Error, EventLoop};

/// A socket, or another descriptor of this module, that you can give to a loop with
/// [`On::register`](crate::On::register).
///
/// ```
/// use policy::net::Settle;
/// use policy::prelude::*;
///
/// fn ours<S: Settle>(event_loop: &std::sync::Arc<dyn policy::EventLoop>, socket: S) -> std::io::Result<S> {
///     event_loop.on().register(socket)
/// }
/// # let _example = ours::<policy::net::UdpSocket>;
/// ```
pub trait Settle: sealed::Sealed {
    #[doc(hidden)]
    fn settle_on(&self, event_loop: &Arc<dyn EventLoop>) -> Result<(), Error>;
}

impl<S: Settle> Settle for &S {
    fn settle_on(&self, event_loop: &Arc<dyn EventLoop>) -> Result<(), Error> {
        S::settle_on(self, event_loop)
    }
}

pub(crate) mod sealed {
    pub trait Sealed {}
    impl<S: Sealed> Sealed for &S {}
}
