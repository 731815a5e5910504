//! Learns that a runtime of others has gone.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use policy_core::EventLoop;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::event_loop::TokioLoop;
use crate::fair;

/// A task that only waits to be dropped. A runtime drops its tasks before its timers
/// and its reactor, so nothing of them is touched too late.
struct Sentinel {
    gone: Arc<AtomicBool>,
    event_loop: Weak<TokioLoop>,
    _kept: Option<Arc<TokioLoop>>,
}

/// Closes the loop when its runtime goes.
pub(crate) fn watch(handle: &Handle, event_loop: &Arc<TokioLoop>) -> AbortHandle {
    spawn(handle, event_loop, None)
}

/// Closes the loop when its runtime goes, and keeps it until then: a runtime that
/// was adopted is one loop for as long as it lives, whoever holds that.
pub(crate) fn keep(handle: &Handle, event_loop: &Arc<TokioLoop>) {
    drop(spawn(handle, event_loop, Some(event_loop.clone())));
}

fn spawn(
    handle: &Handle,
    event_loop: &Arc<TokioLoop>,
    kept: Option<Arc<TokioLoop>>,
) -> AbortHandle {
    fair::learn(handle);
    let sentinel = Sentinel {
        gone: event_loop.gone().clone(),
        event_loop: Arc::downgrade(event_loop),
        _kept: kept,
    };
    handle.spawn(sentinel).abort_handle()
}

impl Future for Sentinel {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Release);
        if let Some(event_loop) = self.event_loop.upgrade() {
            event_loop.state().mark_closed();
        }
    }
}
