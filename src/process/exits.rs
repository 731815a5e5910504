//! The exits of many children, one after another.

mod by_pidfd;
mod by_watcher;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::process::ExitStatus;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use policy_core::Error;

use super::child::Child;
use super::identity::{Outcome, Record};
use crate::ambient;

use by_pidfd::ByPidfd;
use by_watcher::ByWatcher;

/// Waits for many children at once, and yields their exits in the order in which they exit.
///
/// On Linux this takes one descriptor and one waker for all children with a pidfd, and the cost
/// of an exit does not depend on how many wait. For other children, their watchers wait.
///
/// ```
/// use policy::process::{Command, watch_all};
///
/// policy::run(async {
///     let slow = Command::shell("read _; exit 1").stdin(policy::process::Stdio::piped()).spawn()?;
///     let quick = Command::shell("exit 2").spawn()?;
///     let mut exits = watch_all([&slow, &quick]);
///     let (pid, status) = exits.next().await.expect("there are two");
///     assert_eq!((pid, status?.code()), (quick.id(), Some(2)));
///     slow.kill().await?;
///     let (pid, _) = exits.next().await.expect("and one more");
///     assert_eq!(pid, slow.id());
///     assert!(exits.next().await.is_none());
///     Ok::<(), policy::Error>(())
/// })?;
/// # Ok::<(), policy::Error>(())
/// ```
pub fn watch_all<'a>(children: impl IntoIterator<Item = &'a Child>) -> Exits {
    let mut exits = Exits {
        known: VecDeque::new(),
        by_pidfd: ByPidfd::new(),
        by_watcher: ByWatcher::default(),
    };
    children.into_iter().for_each(|child| exits.push(child));
    exits
}

/// A stream of the exits of children, in the order in which they exit; see [`watch_all`]. Call
/// [`next`](Self::next) where no stream trait is in scope.
#[must_use = "streams do nothing unless they are polled"]
#[derive(Debug)]
pub struct Exits {
    /// Known when they were added.
    known: VecDeque<Exit>,
    by_pidfd: Option<ByPidfd>,
    by_watcher: ByWatcher,
}

/// The next exit that one of the two ways finds; as an error the children, if no reactor
/// takes the descriptor.
type Found = Result<(u32, Outcome), Vec<Arc<Record>>>;

/// A number, and how its process ended.
type Exit = (u32, Result<ExitStatus, Error>);

impl Exits {
    /// Waits for one more child.
    pub fn push(&mut self, child: &Child) {
        let record = child.record();
        if let Some(outcome) = record.try_reap() {
            self.known.push_back((record.pid(), outcome.into_result()));
            return;
        }
        if let Some(by_pidfd) = &mut self.by_pidfd {
            if by_pidfd.push(record) {
                return;
            }
        }
        match child.watch() {
            Ok(exit) => self.by_watcher.push(record, exit),
            Err(error) => self.known.push_back((record.pid(), Err(error))),
        }
    }

    /// Returns the number of exits that are still to come.
    pub fn len(&self) -> usize {
        let by_pidfd = self.by_pidfd.as_ref().map_or(0, ByPidfd::len);
        self.known.len() + by_pidfd + self.by_watcher.len()
    }

    /// Returns true if no exit is left to wait for.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the pid of the next child that exits, and its status, or `None` if all have
    /// exited. The error of a status is that of [`Child::wait`].
    ///
    /// Cancel safe.
    pub async fn next(&mut self) -> Option<(u32, Result<ExitStatus, Error>)> {
        // While they run a paused clock does not jump.
        let _outside = ambient::outside();
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for Exits {
    type Item = (u32, Result<ExitStatus, Error>);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Some(exit) = this.known.pop_front() {
            return Poll::Ready(Some(exit));
        }
        if let Some(by_pidfd) = &mut this.by_pidfd {
            match by_pidfd.poll(cx) {
                Poll::Ready(Ok((pid, outcome))) => {
                    return Poll::Ready(Some((pid, Outcome::into_result(outcome))));
                }
                Poll::Ready(Err(records)) => {
                    // No reactor takes the descriptor: as for those that have none.
                    for record in records {
                        match super::watcher::exit::Watch::ungated(record.clone()) {
                            Ok(watch) => this.by_watcher.push(&record, watch.into()),
                            Err(error) => this.known.push_back((record.pid(), Err(error))),
                        }
                    }
                    this.by_pidfd = None;
                    if let Some(exit) = this.known.pop_front() {
                        return Poll::Ready(Some(exit));
                    }
                }
                Poll::Pending => {}
            }
        }
        if let Poll::Ready(exit) = this.by_watcher.poll(cx) {
            return Poll::Ready(Some(exit));
        }
        if this.is_empty() { Poll::Ready(None) } else { Poll::Pending }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), Some(self.len()))
    }
}
