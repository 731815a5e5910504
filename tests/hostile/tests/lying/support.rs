//! A loop that says of each of its parts what it was made to say.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use policy::core::os::OwnedIo;
use policy::core::task::Task;
use policy::core::{Job, LoopState, Source, Timer};
use policy::proactor::Proactor;
use policy::selector::Selector;
use policy::{Error, ErrorKind, EventLoop, LoopKind};

type Drive = dyn Fn(Pin<&mut dyn Future<Output = ()>>) -> Result<(), Error> + Send + Sync;
type Register = dyn Fn(Arc<OwnedIo>) -> Result<Box<dyn Source>, Error> + Send + Sync;
type Take<T> = dyn Fn(T) -> Result<(), Error> + Send + Sync;

/// What it does not say it refuses.
pub(crate) struct Liar {
    pub(crate) state: LoopState,
    pub(crate) drive: Box<Drive>,
    pub(crate) submit: Box<Take<Task>>,
    pub(crate) submit_blocking: Box<Take<Job>>,
    pub(crate) timer: Box<dyn Fn(Instant) -> Result<Timer, Error> + Send + Sync>,
    /// How often `poll_inside` calls what it is given.
    pub(crate) polls_inside: usize,
    pub(crate) register: Option<Box<Register>>,
    pub(crate) proactor: Option<Box<dyn Proactor>>,
}

impl Liar {
    pub(crate) fn new() -> Self {
        Self {
            // So that it need not be run for its sockets to be used.
            state: LoopState::self_driving("liar", LoopKind::Selector),
            drive: Box::new(|_| refuse()),
            submit: Box::new(|_| refuse()),
            submit_blocking: Box::new(|_| refuse()),
            timer: Box::new(|_| refuse()),
            polls_inside: 1,
            register: None,
            proactor: None,
        }
    }
}

fn refuse<T>() -> Result<T, Error> {
    Err(ErrorKind::Unsupported.into())
}

impl EventLoop for Liar {
    fn state(&self) -> &LoopState {
        &self.state
    }

    fn drive(&self, main: Pin<&mut dyn Future<Output = ()>>) -> Result<(), Error> {
        (self.drive)(main)
    }

    fn submit(&self, task: Task) -> Result<(), Error> {
        (self.submit)(task)
    }

    fn submit_blocking(&self, job: Job) -> Result<(), Error> {
        (self.submit_blocking)(job)
    }

    fn timer(&self, deadline: Instant) -> Result<Timer, Error> {
        (self.timer)(deadline)
    }

    fn as_selector(&self) -> Result<&dyn Selector, Error> {
        if self.register.is_some() { Ok(self) } else { refuse() }
    }

    fn as_proactor(&self) -> Result<&dyn Proactor, Error> {
        self.proactor.as_deref().map_or_else(refuse, Ok)
    }

    fn poll_inside(&self, poll: &mut dyn FnMut()) {
        (0..self.polls_inside).for_each(|_| poll());
    }

    fn shutdown(&self, _limit: Duration) {}
}

impl Selector for Liar {
    fn register(&self, io: Arc<OwnedIo>) -> Result<Box<dyn Source>, Error> {
        self.register.as_ref().map_or_else(refuse, |register| register(io))
    }
}

impl fmt::Debug for Liar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state.fmt(f)
    }
}
