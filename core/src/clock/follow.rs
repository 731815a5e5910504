//! The timers that wait by their executor, and would have to know of a pause.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use slab::Slab;

use crate::task::quietly;

/// Threads use different shards, so that they seldom wait for each other.
const SHARDS: usize = 8;

#[derive(Default)]
pub(super) struct Followers {
    shards: [Shard; SHARDS],
}

// A line of its own for each: a lock that is taken shall not slow its neighbour.
#[derive(Default)]
#[repr(align(64))]
struct Shard(Mutex<Slab<Waker>>);

impl Followers {
    /// Adds a waker, if `holds`, asked under the lock. Returns its key.
    pub(super) fn add(&self, waker: Waker, holds: impl FnOnce() -> bool) -> Option<usize> {
        let shard = this_shard();
        let refused = {
            let mut wakers = self.lock(shard);
            if holds() {
                return Some(wakers.insert(waker) * SHARDS + shard);
            }
            waker
        };
        quietly(|| drop(refused));
        None
    }

    pub(super) fn replace(&self, key: usize, waker: Waker) {
        let old = {
            let mut wakers = self.lock(key % SHARDS);
            wakers.get_mut(key / SHARDS).map(|slot| std::mem::replace(slot, waker))
        };
        quietly(|| drop(old));
    }

    pub(super) fn remove(&self, key: usize) {
        let waker = self.lock(key % SHARDS).try_remove(key / SHARDS);
        if waker.is_some() {
            quietly(|| drop(waker));
        }
    }

    /// Wakes all; they stay until they leave.
    pub(super) fn wake_all(&self) {
        for shard in 0..SHARDS {
            let wakers: Vec<Waker> =
                self.lock(shard).iter().map(|(_, waker)| waker.clone()).collect();
            for waker in wakers {
                quietly(|| waker.wake());
            }
        }
    }

    fn lock(&self, shard: usize) -> MutexGuard<'_, Slab<Waker>> {
        let Shard(wakers) = self.shards.get(shard).unwrap_or(&self.shards[0]);
        wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn this_shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SHARD: Cell<Option<usize>> = const { Cell::new(None) };
    }
    SHARD.get().unwrap_or_else(|| {
        let shard = NEXT.fetch_add(1, Relaxed) % SHARDS;
        SHARD.set(Some(shard));
        shard
    })
}
