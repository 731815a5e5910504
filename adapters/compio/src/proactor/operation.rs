//! An operation from its beginning to its end, whatever completes it.

use std::future::{Future, poll_fn};
use std::io;
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
#[cfg(windows)]
use std::os::windows::io::{AsSocket, BorrowedSocket};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use compio_buf::IntoInner;
use compio_driver::OpCode;
#[cfg(unix)]
use policy_core::ResourceKind;
use policy_core::os::OwnedIo;
use policy_core::{Buffer, Interest, Operation, Promise, Resource, context};

use super::buffer::{Held, all_filled, filled};
use super::system;
use crate::local::Number;

/// The most buffers that the system takes at once (IOV_MAX).
const AT_ONCE: usize = 1024;

/// The descriptor of an operation. The system has a clone of it until it has let go of
/// the operation's memory.
#[derive(Clone)]
pub(super) struct Fd {
    io: Arc<OwnedIo>,
    #[cfg(unix)]
    pub(super) kind: ResourceKind,
    _alive: Rc<Number>,
}

impl Fd {
    /// `io` is the resource's.
    pub(super) fn new(resource: &Resource, io: &Arc<OwnedIo>, alive: &Rc<Number>) -> Self {
        #[cfg(windows)]
        let _ = resource;
        Self {
            io: io.clone(),
            #[cfg(unix)]
            kind: resource.kind(),
            _alive: alive.clone(),
        }
    }
}

#[cfg(unix)]
impl AsFd for Fd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}

#[cfg(windows)]
impl compio_driver::AsFd for Fd {
    fn as_fd(&self) -> compio_driver::BorrowedFd<'_> {
        self.as_socket().into()
    }
}

#[cfg(windows)]
impl AsSocket for Fd {
    fn as_socket(&self) -> BorrowedSocket<'_> {
        self.io.as_socket()
    }
}

/// What an operation ends with.
pub(super) type Ended = (io::Result<usize>, Operation);

/// Performs an operation in a task of its own, unless nobody waits for it any more: then it is
/// cancelled. Called by the thread that drives, with the loop entered.
///
/// What performs it is made in the task: a future is moved about on its way there, and what it is
/// made of is smaller.
pub(super) fn start<F>(promise: Promise, perform: impl FnOnce() -> F + 'static)
where
    F: Future<Output = Ended> + 'static,
{
    let task = async move {
        let ended = {
            let mut performing = pin!(perform());
            poll_fn(|cx| {
                if promise.poll_abandoned(cx).is_ready() {
                    // compio cancels what it has under way when it is dropped, and keeps
                    // the memory until the system says that it has ended.
                    return Poll::Ready(None);
                }
                performing.as_mut().poll(cx).map(Some)
            })
            .await
        };
        if let Some((result, operation)) = ended {
            promise.complete(result, operation);
        }
    };
    // Nobody waits for the task: a promise tells.
    let spawned = context::with_running(|here| drop(here.spawn_local(task)));
    debug_assert!(spawned.is_some(), "a driven loop is entered");
}

/// Reads into a buffer by what `make` makes.
pub(super) async fn fill<T: OpCode + IntoInner<Inner = Held> + 'static>(
    fd: &Fd,
    buffer: Buffer,
    make: impl Fn(Fd, Held) -> T,
) -> (io::Result<usize>, Buffer) {
    let (result, held) = system::repeat(fd, Interest::Readable, Held::new(buffer), make).await;
    let mut buffer = held.into_buffer();
    if let Ok(len) = result {
        filled(&mut buffer, len);
    }
    (result, buffer)
}

/// Writes from a buffer.
pub(super) async fn drain<T: OpCode + IntoInner<Inner = Held> + 'static>(
    fd: &Fd,
    buffer: Buffer,
    make: impl Fn(Fd, Held) -> T,
) -> (io::Result<usize>, Buffer) {
    let (result, held) = system::repeat(fd, Interest::Writable, Held::new(buffer), make).await;
    (result, held.into_buffer())
}

/// Reads into several buffers.
pub(super) async fn fill_all<T: OpCode + IntoInner<Inner = Vec<Held>> + 'static>(
    fd: &Fd,
    buffers: Vec<Buffer>,
    make: impl Fn(Fd, Vec<Held>) -> T,
) -> (io::Result<usize>, Vec<Buffer>) {
    let (held, rest) = split(buffers);
    let (result, held) = system::repeat(fd, Interest::Readable, held, make).await;
    let mut buffers = join(held, rest);
    if let Ok(len) = result {
        all_filled(&mut buffers, len);
    }
    (result, buffers)
}

/// Writes from several buffers.
pub(super) async fn drain_all<T: OpCode + IntoInner<Inner = Vec<Held>> + 'static>(
    fd: &Fd,
    buffers: Vec<Buffer>,
    make: impl Fn(Fd, Vec<Held>) -> T,
) -> (io::Result<usize>, Vec<Buffer>) {
    let (held, rest) = split(buffers);
    let (result, held) = system::repeat(fd, Interest::Writable, held, make).await;
    (result, join(held, rest))
}

/// As many as the system takes at once, and the rest: an operation may do less than it
/// is asked to.
fn split(mut buffers: Vec<Buffer>) -> (Vec<Held>, Vec<Buffer>) {
    let rest = buffers.split_off(buffers.len().min(AT_ONCE));
    (buffers.into_iter().map(Held::new).collect(), rest)
}

fn join(held: Vec<Held>, rest: Vec<Buffer>) -> Vec<Buffer> {
    held.into_iter().map(Held::into_buffer).chain(rest).collect()
}
