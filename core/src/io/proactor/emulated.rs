//! A proactor's operations on a loop that waits for readiness.
//!
//! An operation is tried first, without blocking, and only if that would block is its
//! resource registered with the loop's reactor, where it stays for the next one. Files
//! are always "ready": the loop's blocking jobs work on them.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;

use super::attached::Attached;
use super::{blocking, sockets};
use crate::os::{self, OwnedIo};
use crate::sync::Mutex;
use crate::{
    Address, Completed, Error, ErrorKind, EventLoop, Operation, Resource, ResourceKind, Source,
    budget, peer,
};

/// Tries the operation, and waits for readiness in between.
pub(super) async fn perform(
    event_loop: &Arc<dyn EventLoop>,
    resource: &Resource,
    mut operation: Operation,
) -> Completed {
    if let Some(io) = resource.io().filter(|_| resource.kind() != ResourceKind::File) {
        let mut result = match &operation {
            Operation::Connect { to } => Ok(connect(event_loop, io, to).await),
            _ => transfer(event_loop, resource, io, &mut operation).await,
        };
        while let (Ok(Err(error)), Operation::Accept { .. }) = (&result, &operation) {
            if !peer::is_of_one_connection(error) {
                break;
            }
            // That one has gone while it waited: the next.
            budget::consume().await;
            result = transfer(event_loop, resource, io, &mut operation).await;
        }
        if let Ok(result) = result {
            return (result, Some(operation));
        }
    }
    in_blocking_job(event_loop, resource, operation).await
}

/// The resource can't be waited for, and trying may block.
struct NeedsThread;

async fn transfer(
    event_loop: &Arc<dyn EventLoop>,
    resource: &Resource,
    io: &Arc<OwnedIo>,
    operation: &mut Operation,
) -> Result<io::Result<usize>, NeedsThread> {
    let kind = resource.kind();
    // On Windows a socket is non-blocking or is not, and so is a listener elsewhere: no
    // flag of a single call says it.
    if cfg!(windows) || matches!(operation, Operation::Accept { .. }) {
        let ready = attach(event_loop, resource, io)
            .map_err(io::Error::from)
            .and_then(|source| source.make_non_blocking(|| sockets::set_non_blocking(io)));
        if let Err(error) = ready {
            return Ok(Err(error));
        }
    }
    match attempt(kind, operation, os::borrow(io)) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        Err(error) if needs_thread(kind, &error) => return Err(NeedsThread),
        result => return Ok(result),
    }
    let source = match attach(event_loop, resource, io) {
        Ok(source) => source,
        // Epoll's word for what it can't wait for.
        Err(error)
            if kind == ResourceKind::Stream
                && error.io_kind() == Some(io::ErrorKind::PermissionDenied) =>
        {
            return Err(NeedsThread);
        }
        Err(error) => return Ok(Err(error.into())),
    };
    let mut wait = source.wait(operation.interest());
    Ok(poll_fn(|cx| wait.poll_io(cx, &mut |io| attempt(kind, operation, io))).await)
}

/// Tries once, without blocking.
fn attempt(
    kind: ResourceKind,
    operation: &mut Operation,
    io: os::BorrowedIo<'_>,
) -> io::Result<usize> {
    loop {
        let result = match kind {
            #[cfg(unix)]
            ResourceKind::Stream => super::streams::attempt(operation, io),
            _ => sockets::attempt(operation, io),
        };
        match result {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

fn needs_thread(kind: ResourceKind, error: &io::Error) -> bool {
    #[cfg(unix)]
    return kind == ResourceKind::Stream && super::streams::may_block(error);
    #[cfg(windows)]
    {
        let _ = (kind, error);
        false
    }
}

/// Connects, with a registration of its own: a reactor that was told of a socket before
/// it was connected may hold it for one whose peer has hung up (tokio's does).
async fn connect(
    event_loop: &Arc<dyn EventLoop>,
    io: &Arc<OwnedIo>,
    to: &Address,
) -> io::Result<usize> {
    sockets::set_non_blocking(io)?;
    let mut pause = Duration::from_millis(1);
    loop {
        match peer::begin_connect(&SockRef::from(&**io), &to.to_system()?) {
            Ok(true) => return Ok(0),
            Ok(false) => break,
            // The queue of a Unix listener is full, and nobody tells when it has room.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let until = event_loop.time() + pause;
                event_loop.timer(until)?.await;
                pause = (pause * 2).min(Duration::from_millis(100));
            }
            Err(error) => return Err(error),
        }
    }
    let source = register(event_loop, io)?;
    let interest = Operation::Connect { to: to.clone() }.interest();
    poll_fn(|cx| source.poll_io(cx, interest, &mut |io| peer::is_connected(&io).map(|()| 0))).await
}

fn attach(
    event_loop: &Arc<dyn EventLoop>,
    resource: &Resource,
    io: &Arc<OwnedIo>,
) -> Result<Arc<Attached>, Error> {
    resource.attached(event_loop.state(), || register(event_loop, io).map(Attached::new))
}

fn register(event_loop: &Arc<dyn EventLoop>, io: &Arc<OwnedIo>) -> Result<Box<dyn Source>, Error> {
    match event_loop.register(io.clone()) {
        // Two loops may share one reactor (all of async-io's do), which knows
        // descriptors by their number: so it gets a second one.
        Err(error) if error.io_kind() == Some(io::ErrorKind::AlreadyExists) => {
            let second = os::duplicate(os::raw(&**io)).map_err(|cause| {
                Error::io("can't duplicate a descriptor; close others, or raise the limit", cause)
            })?;
            event_loop.register(Arc::new(second))
        }
        result => result,
    }
}

async fn in_blocking_job(
    event_loop: &Arc<dyn EventLoop>,
    resource: &Resource,
    operation: Operation,
) -> Completed {
    // Shared, so that the buffer is not lost with a job that never runs.
    let shared = Arc::new(Mutex::new(Some(operation)));
    let take = |shared: &Mutex<Option<Operation>>| shared.lock().take();
    let (resource, theirs) = (resource.clone(), shared.clone());
    let job = event_loop.try_spawn_blocking(move || {
        let mut operation = take(&theirs).ok_or(io::ErrorKind::Other)?;
        let result = blocking::perform(&resource, &mut operation);
        *theirs.lock() = Some(operation);
        result
    });
    let result = match job {
        Ok(job) => job.await.unwrap_or_else(|_| Err(Error::from(ErrorKind::LoopClosed).into())),
        Err(error) => Err(error.into()),
    };
    (result, take(&shared))
}
