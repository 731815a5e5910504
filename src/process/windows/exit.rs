//! A process, by its handle, and who waits for its end.

use std::future::poll_fn;
use std::os::windows::io::{AsHandle, BorrowedHandle, OwnedHandle};
use std::os::windows::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::{Arc, OnceLock};
use std::task::{Poll, Waker};

use policy_core::sync::Mutex;
use policy_core::{Error, ErrorKind};

use super::sys::{self, ExitWait, Job};
use crate::process::identity::limit::Permit;

#[derive(Debug)]
pub(in crate::process) struct Record {
    pid: u32,
    /// The identity: while it is open the number belongs to no other process.
    handle: OwnedHandle,
    job: Option<Job>,
    state: Mutex<State>,
    /// Given back when the record goes, which is after the call.
    registered: OnceLock<ExitWait>,
}

#[derive(Debug)]
struct State {
    exited: bool,
    wakers: Vec<Waker>,
    permit: Option<Permit>,
}

impl Record {
    /// Begins to wait for a process that was just started.
    ///
    /// # Errors
    /// [`ErrorKind::Io`], and the process is killed.
    pub(in crate::process) fn watch(
        pid: u32,
        handle: OwnedHandle,
        job: Option<Job>,
        permit: Permit,
    ) -> Result<Arc<Self>, Error> {
        let state = State { exited: false, wakers: Vec::new(), permit: Some(permit) };
        let record = Arc::new(Self {
            pid,
            handle,
            job,
            state: Mutex::new(state),
            registered: OnceLock::new(),
        });
        let told = record.clone();
        let registered =
            sys::on_exit(record.handle(), Box::new(move || told.exited())).map_err(|error| {
                let _gone = record.kill();
                Error::io("can't wait for the child; free memory", error)
            })?;
        record.registered.get_or_init(|| registered);
        Ok(record)
    }

    pub(in crate::process) fn pid(&self) -> u32 {
        self.pid
    }

    pub(in crate::process) fn try_wait(&self) -> Result<Option<ExitStatus>, Error> {
        let code = sys::exit_code(self.handle()).map_err(|error| {
            Error::io("can't ask for the child's exit code; start it again", error)
        })?;
        Ok(code.map(ExitStatus::from_raw))
    }

    pub(in crate::process) async fn wait(&self) -> Result<ExitStatus, Error> {
        poll_fn(|cx| {
            // Before the lock, and dropped after it: either may run any code.
            let mut waker = Some(cx.waker().clone());
            let mut state = self.state.lock();
            if state.exited {
                return Poll::Ready(());
            }
            if !state.wakers.iter().any(|known| known.will_wake(cx.waker())) {
                state.wakers.extend(waker.take());
            }
            Poll::Pending
        })
        .await;
        self.try_wait()?.ok_or_else(|| {
            Error::new(ErrorKind::StatusLost, "the child is told to have exited, and has not")
        })
    }

    /// Kills the process, or its whole tree if it has a job.
    pub(in crate::process) fn kill(&self) -> Result<(), Error> {
        let exited = self.try_wait()?.is_some();
        if let Some(job) = &self.job {
            job.terminate().map_err(refused)?;
        }
        if exited {
            return Err(ErrorKind::ChildExited.into());
        }
        if self.job.is_none() {
            if let Err(error) = sys::terminate(self.handle()) {
                // Access is denied to what is just about to exit, too.
                return match self.try_wait()? {
                    Some(_) => Err(ErrorKind::ChildExited.into()),
                    None => Err(refused(error)),
                };
            }
        }
        Ok(())
    }

    fn exited(&self) {
        let (wakers, permit) = {
            let mut state = self.state.lock();
            state.exited = true;
            (std::mem::take(&mut state.wakers), state.permit.take())
        };
        drop(permit);
        // Outside the lock: a waker is user code.
        wakers.into_iter().for_each(Waker::wake);
    }

    fn handle(&self) -> BorrowedHandle<'_> {
        self.handle.as_handle()
    }
}

fn refused(error: std::io::Error) -> Error {
    Error::io("can't kill the child; it may belong to another user", error)
}
