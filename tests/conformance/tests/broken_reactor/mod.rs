//! The default loop, whose reactor or proactor is broken in one way.

use std::future::Future;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use policy::core::{
    Completion, Interest, Job, LoopState, Operation, Proactor, Resource, Selector, Source, Timer,
};
use policy::{ContextPolicy, DefaultEventLoopPolicy, Error, EventLoop, EventLoopPolicy};

/// A policy of loops that are broken in one way.
pub(crate) fn policy(sabotage: Sabotage) -> Arc<dyn EventLoopPolicy> {
    let make = move || {
        let inner = DefaultEventLoopPolicy::new().new_event_loop()?;
        Ok(Arc::new(Broken { inner, sabotage }) as Arc<dyn EventLoop>)
    };
    Arc::new(ContextPolicy::new(make, policy::context::Context::thread()))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// Who waits to read is not told.
    ForgetsReaders,
    /// Who waits to write is not told.
    ForgetsWriters,
    /// An operation is said to be done that was never tried.
    ClaimsWhatItNeverTried,
    /// Of several descriptors, TCP sockets are told of late: what came first is not seen first.
    TellsLate,
    /// An operation never ends.
    ForgetsOperations,
    /// An operation gives an error, and no buffer.
    LosesBuffers,
    /// An operation says that one byte more was done.
    MiscountsBytes,
}

#[derive(Debug)]
struct Broken {
    inner: Arc<dyn EventLoop>,
    sabotage: Sabotage,
}

impl EventLoop for Broken {
    fn state(&self) -> &LoopState {
        EventLoop::state(&*self.inner)
    }

    fn drive(&self, main: Pin<&mut dyn Future<Output = ()>>) -> Result<(), Error> {
        EventLoop::drive(&*self.inner, main)
    }

    fn submit_blocking(&self, job: Job) -> Result<(), Error> {
        EventLoop::submit_blocking(&*self.inner, job)
    }

    fn timer(&self, deadline: Instant) -> Result<Timer, Error> {
        EventLoop::timer(&*self.inner, deadline)
    }

    fn as_selector(&self) -> Result<&dyn Selector, Error> {
        Ok(self)
    }

    fn as_proactor(&self) -> Result<&dyn Proactor, Error> {
        Ok(self)
    }

    fn shutdown(&self, limit: Duration) {
        EventLoop::shutdown(&*self.inner, limit);
    }
}

impl Selector for Broken {
    fn register(&self, io: Arc<OwnedFd>) -> Result<Box<dyn Source>, Error> {
        let is_tcp = rustix::net::getsockname(&*io).is_ok_and(|address| {
            let family = address.address_family();
            family == rustix::net::AddressFamily::INET
        });
        let source = self.inner.as_selector()?.register(io)?;
        Ok(Box::new(BrokenSource { source, sabotage: self.sabotage, is_tcp }))
    }
}

#[derive(Debug)]
struct BrokenSource {
    source: Box<dyn Source>,
    sabotage: Sabotage,
    is_tcp: bool,
}

impl Source for BrokenSource {
    fn poll_io(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        op: &mut dyn FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let forgotten = match self.sabotage {
            Sabotage::ForgetsReaders => Some(Interest::Readable),
            Sabotage::ForgetsWriters => Some(Interest::Writable),
            Sabotage::ClaimsWhatItNeverTried => return Poll::Ready(Ok(1)),
            _ => None,
        };
        let waker = if forgotten == Some(interest) {
            Waker::noop().clone()
        } else if self.sabotage == Sabotage::TellsLate && self.is_tcp {
            Waker::from(Arc::new(Late { waker: cx.waker().clone() }))
        } else {
            cx.waker().clone()
        };
        self.source.poll_io(&mut Context::from_waker(&waker), interest, op)
    }
}

/// Tells some time after it was told.
struct Late {
    waker: Waker,
}

impl Wake for Late {
    fn wake(self: Arc<Self>) {
        let waker = self.waker.clone();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            waker.wake();
        });
    }
}

impl Proactor for Broken {
    fn driver(&self) -> &'static str {
        "sabotaged"
    }

    fn submit(&self, resource: &Resource, operation: Operation) -> Completion {
        let Ok(proactor) = self.inner.as_proactor() else {
            return Completion::ready(Err(io::ErrorKind::Unsupported.into()), operation);
        };
        let completion = proactor.submit(resource, operation);
        match self.sabotage {
            Sabotage::ForgetsOperations => Completion::new(async move {
                let _held = completion;
                std::future::pending().await
            }),
            Sabotage::LosesBuffers => Completion::new(async move {
                drop(completion.await);
                (Err(io::ErrorKind::Other.into()), None)
            }),
            Sabotage::MiscountsBytes => Completion::new(async move {
                let (result, operation) = completion.await;
                (result.map(|length| length + 1), operation)
            }),
            _ => completion,
        }
    }
}
