//! Children whose handles were dropped before they exited: reaped here, so that no
//! zombie stays, whether or not a loop is left.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use policy_core::Error;
use policy_core::sync::Mutex;

use super::exit::Watch;
use super::threads;
use crate::process::background;
use crate::process::identity::{Claim, Record};

/// Children for whom no thread could be had, to be tried again.
static WAITING: Mutex<Vec<Claim>> = Mutex::new(Vec::new());
static WAITING_COUNT: AtomicUsize = AtomicUsize::new(0);

/// Takes a child over: it is reaped when it exits.
pub(in crate::process) fn adopt(record: &Arc<Record>) {
    if record.try_reap().is_some() {
        return;
    }
    if record.is_attended() {
        // Its watcher reaps it, polled or not.
        record.abandon();
        return;
    }
    // Those that had to wait come first: what they lacked may be there again.
    sweep();
    if let Err(error) = take_over(record) {
        log::warn!("process {} can't be waited for now: {error}", record.pid());
        let mut waiting = WAITING.lock();
        waiting.push(Claim::new(record.clone()));
        WAITING_COUNT.store(waiting.len(), Ordering::Release);
    }
}

fn take_over(record: &Arc<Record>) -> Result<(), Error> {
    let watch = Watch::ungated(record.clone())?;
    if !record.is_attended() {
        let begun = background::spawn(async move {
            let _known = watch.await;
        });
        if begun.is_ok() {
            return Ok(());
        }
        // No epoll, or no descriptor for one: a thread needs neither.
        let claim = Claim::new(record.clone());
        threads::global().attend(claim.record())?;
    }
    record.abandon();
    Ok(())
}

/// Tries again for the children that had to wait. Called when children start, and when
/// others are dropped.
pub(in crate::process) fn sweep() {
    if WAITING_COUNT.load(Ordering::Acquire) == 0 {
        return;
    }
    let waiting = {
        let mut waiting = WAITING.lock();
        WAITING_COUNT.store(0, Ordering::Release);
        std::mem::take(&mut *waiting)
    };
    for claim in waiting {
        adopt(claim.record());
    }
}
