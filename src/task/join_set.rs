//! Many tasks, with their results in the order of completion.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use policy_core::local::Generation;
use policy_core::sync::{Mutex, wakers};
use policy_core::{Error, EventLoop, budget};

use super::{AbortHandle, Id, JoinError, JoinHandle};

/// A set of tasks, whose results you await in the order in which they complete.
///
/// Dropping the set aborts its tasks. The tasks may run on different loops, and you may await the
/// set on any of them.
///
/// ```
/// use policy::task::JoinSet;
///
/// policy::run(async {
///     let mut set = JoinSet::new();
///     for n in 1..=3 {
///         set.spawn(async move { n });
///     }
///     let mut sum = 0;
///     while let Some(result) = set.join_next().await {
///         sum += result.unwrap();
///     }
///     assert_eq!(sum, 6);
/// });
/// ```
pub struct JoinSet<T> {
    members: HashMap<Id, Member<T>>,
    ready: Arc<Ready>,
    /// In which process it was last polled.
    process: Generation,
}

struct Member<T> {
    handle: JoinHandle<T>,
    waker: Waker,
}

/// The members that may have finished, and who waits for one.
#[derive(Default)]
struct Ready(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    ids: VecDeque<Id>,
    waiter: Option<Waker>,
}

/// Wakes the set on behalf of one member, so that only that one is polled.
struct MemberWaker {
    id: Id,
    ready: Arc<Ready>,
}

impl<T> JoinSet<T> {
    /// Makes an empty set.
    ///
    /// ```
    /// let set = policy::task::JoinSet::<()>::new();
    /// assert!(set.is_empty());
    /// ```
    pub fn new() -> Self {
        Self { members: HashMap::new(), ready: Arc::default(), process: Generation::current() }
    }

    /// Returns how many tasks are in the set, finished or not.
    ///
    /// ```
    /// policy::run(async {
    ///     let mut set = policy::task::JoinSet::new();
    ///     set.spawn(async {});
    ///     assert_eq!(set.len(), 1);
    /// });
    /// ```
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Returns true if no task is in the set.
    ///
    /// ```
    /// policy::run(async {
    ///     let mut set = policy::task::JoinSet::new();
    ///     set.spawn(async {});
    ///     set.join_next().await;
    ///     assert!(set.is_empty());
    /// });
    /// ```
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

impl<T: Send + 'static> JoinSet<T> {
    /// Spawns a task by [`policy::spawn`](crate::spawn), and adds it.
    ///
    /// # Panics
    /// Panics if there is no loop; [`try_spawn`](Self::try_spawn) returns an error instead.
    ///
    /// ```
    /// policy::run(async {
    ///     let mut set = policy::task::JoinSet::new();
    ///     set.spawn(async { 1 });
    ///     assert_eq!(set.join_next().await.unwrap().unwrap(), 1);
    /// });
    /// ```
    #[track_caller]
    pub fn spawn(&mut self, future: impl Future<Output = T> + Send + 'static) -> AbortHandle {
        self.insert(super::spawn(future))
    }

    /// Spawns a task by [`policy::try_spawn`](crate::try_spawn), and adds it.
    ///
    /// # Errors
    /// Returns the errors of [`policy::try_spawn`](crate::try_spawn).
    ///
    /// ```
    /// let mut set = policy::task::JoinSet::new();
    /// assert!(set.try_spawn(async {}).is_err()); // no loop runs here
    /// ```
    #[track_caller]
    pub fn try_spawn(
        &mut self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<AbortHandle, Error> {
        super::try_spawn(future).map(|handle| self.insert(handle))
    }

    /// Spawns a task on `event_loop`, and adds it.
    ///
    /// ```
    /// let event_loop = policy::new_event_loop()?;
    /// let mut set = policy::task::JoinSet::new();
    /// set.spawn_on(async { 1 }, &event_loop);
    /// let result = event_loop.run_until_complete(async { set.join_next().await })?;
    /// assert_eq!(result.unwrap().unwrap(), 1);
    /// event_loop.close()?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn_on(
        &mut self,
        future: impl Future<Output = T> + Send + 'static,
        event_loop: &Arc<dyn EventLoop>,
    ) -> AbortHandle {
        self.insert(event_loop.spawn(future))
    }

    /// Runs `f` by [`policy::spawn_blocking`](crate::spawn_blocking), and adds it.
    ///
    /// # Panics
    /// Panics if [`policy::spawn_blocking`](crate::spawn_blocking) does.
    ///
    /// ```
    /// policy::run(async {
    ///     let mut set = policy::task::JoinSet::new();
    ///     set.spawn_blocking(|| 1);
    ///     assert_eq!(set.join_next().await.unwrap().unwrap(), 1);
    /// });
    /// ```
    #[track_caller]
    pub fn spawn_blocking(&mut self, f: impl FnOnce() -> T + Send + 'static) -> AbortHandle {
        self.insert(super::spawn_blocking(f))
    }

    /// Runs `f` on one of `event_loop`'s threads for blocking jobs, and adds it.
    ///
    /// ```
    /// let event_loop = policy::new_event_loop()?;
    /// let mut set = policy::task::JoinSet::new();
    /// set.spawn_blocking_on(|| 1, &event_loop);
    /// let result = event_loop.run_until_complete(async { set.join_next().await })?;
    /// assert_eq!(result.unwrap().unwrap(), 1);
    /// event_loop.close()?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn_blocking_on(
        &mut self,
        f: impl FnOnce() -> T + Send + 'static,
        event_loop: &Arc<dyn EventLoop>,
    ) -> AbortHandle {
        self.insert(event_loop.spawn_blocking(f))
    }
}

impl<T: 'static> JoinSet<T> {
    /// Spawns a task by [`policy::spawn_local`](crate::spawn_local), and adds it.
    ///
    /// # Panics
    /// Panics if [`policy::spawn_local`](crate::spawn_local) does.
    ///
    /// ```
    /// policy::run(async {
    ///     let shared = std::rc::Rc::new(1);
    ///     let mut set = policy::task::JoinSet::new();
    ///     set.spawn_local(async move { *shared });
    ///     assert_eq!(set.join_next().await.unwrap().unwrap(), 1);
    /// });
    /// ```
    #[track_caller]
    pub fn spawn_local(&mut self, future: impl Future<Output = T> + 'static) -> AbortHandle {
        self.insert(super::spawn_local(future))
    }

    /// Adds a task that was spawned elsewhere.
    ///
    /// ```
    /// policy::run(async {
    ///     let mut set = policy::task::JoinSet::new();
    ///     set.insert(policy::spawn(async { 1 }));
    ///     assert_eq!(set.join_next().await.unwrap().unwrap(), 1);
    /// });
    /// ```
    pub fn insert(&mut self, handle: JoinHandle<T>) -> AbortHandle {
        let (id, abort) = (handle.id(), handle.abort_handle());
        // The first poll registers the waker; it happens in the next wait.
        let waker = MemberWaker::queued(id, &self.ready);
        self.members.insert(id, Member { handle, waker });
        abort
    }

    /// Waits for the next task to complete, and returns its result; returns `None` if the set is
    /// empty.
    ///
    /// Cancel safe: dropping the wait loses no result.
    ///
    /// ```
    /// policy::run(async {
    ///     let mut set: policy::task::JoinSet<i32> = [1, 2].map(|n| async move { n }).into_iter().collect();
    ///     let mut sum = 0;
    ///     while let Some(result) = set.join_next().await {
    ///         sum += result.unwrap();
    ///     }
    ///     assert_eq!(sum, 3);
    /// });
    /// ```
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        self.join_next_with_id().await.map(|(_, result)| result)
    }

    /// Like [`join_next`](Self::join_next), but also returns the identity of the task.
    ///
    /// ```
    /// policy::run(async {
    ///     let mut set = policy::task::JoinSet::new();
    ///     let id = set.spawn(async {}).id();
    ///     assert_eq!(set.join_next_with_id().await.unwrap().0, id);
    /// });
    /// ```
    pub async fn join_next_with_id(&mut self) -> Option<(Id, Result<T, JoinError>)> {
        poll_fn(|cx| self.poll_join_next(cx)).await
    }

    /// Returns the result of a task that has ended, if any.
    ///
    /// ```
    /// policy::run(async {
    ///     let mut set = policy::task::JoinSet::new();
    ///     set.spawn(std::future::pending::<()>());
    ///     assert!(set.try_join_next().is_none());
    /// });
    /// ```
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        self.try_join_next_with_id().map(|(_, result)| result)
    }

    /// Like [`try_join_next`](Self::try_join_next), but also returns the identity of the task.
    ///
    /// ```
    /// policy::run(async {
    ///     let mut set = policy::task::JoinSet::new();
    ///     let id = set.spawn(async {}).id();
    ///     let (ended, result) = loop {
    ///         match set.try_join_next_with_id() {
    ///             Some(next) => break next,
    ///             None => policy::task::yield_now().await,
    ///         }
    ///     };
    ///     assert!(ended == id && result.is_ok());
    /// });
    /// ```
    pub fn try_join_next_with_id(&mut self) -> Option<(Id, Result<T, JoinError>)> {
        match self.poll_members(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(next) => next,
            Poll::Pending => None,
        }
    }

    /// Polls for the next task to end; see [`join_next`](Self::join_next).
    ///
    /// ```
    /// policy::run(async {
    ///     let mut set = policy::task::JoinSet::new();
    ///     set.spawn(async { 1 });
    ///     let next = std::future::poll_fn(|cx| set.poll_join_next(cx)).await;
    ///     assert_eq!(next.unwrap().1.unwrap(), 1);
    /// });
    /// ```
    pub fn poll_join_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<(Id, Result<T, JoinError>)>> {
        budget::poll(cx, |cx| self.poll_members(cx))
    }

    /// Polls those that may have finished. For the set's budget, not each member's: one
    /// that pended for that would wake itself, and be polled again here at once.
    fn poll_members(&mut self, cx: &mut Context<'_>) -> Poll<Option<(Id, Result<T, JoinError>)>> {
        if self.members.is_empty() {
            return Poll::Ready(None);
        }
        if self.process.is_past() {
            self.ask_all();
        }
        while let Some(id) = self.ready.next_or_wait(cx) {
            // A member may be named twice, and be gone the second time.
            let Some(member) = self.members.get_mut(&id) else { continue };
            let cx = &mut Context::from_waker(&member.waker);
            let polled = budget::unconstrained(|| Pin::new(&mut member.handle).poll(cx));
            if let Poll::Ready(result) = polled {
                self.members.remove(&id);
                return Poll::Ready(Some((id, result)));
            }
        }
        Poll::Pending
    }

    /// In a forked child nobody tells which member has ended: each is asked, and knows. By a
    /// queue of the child's own, as a thread of the parent may have locked the former.
    #[cold]
    fn ask_all(&mut self) {
        self.process = Generation::current();
        mem::forget(mem::take(&mut self.ready));
        for (id, member) in &mut self.members {
            let former = mem::replace(&mut member.waker, MemberWaker::queued(*id, &self.ready));
            mem::forget(former);
        }
    }

    /// Waits for all tasks, and returns their results in the order in which they completed.
    ///
    /// ```
    /// policy::run(async {
    ///     let set: policy::task::JoinSet<i32> = [1, 2].map(|n| async move { n }).into_iter().collect();
    ///     assert_eq!(set.join_all().await.len(), 2);
    /// });
    /// ```
    pub async fn join_all(mut self) -> Vec<Result<T, JoinError>> {
        let mut results = Vec::with_capacity(self.len());
        while let Some(result) = self.join_next().await {
            results.push(result);
        }
        results
    }

    /// Aborts all tasks. They stay in the set, and end as cancelled.
    ///
    /// ```
    /// policy::run(async {
    ///     let mut set = policy::task::JoinSet::new();
    ///     set.spawn(std::future::pending::<()>());
    ///     set.abort_all();
    ///     assert!(set.join_next().await.unwrap().unwrap_err().is_cancelled());
    /// });
    /// ```
    pub fn abort_all(&mut self) {
        self.members.values().for_each(|member| member.handle.abort());
    }

    /// Aborts all tasks and waits until they have ended.
    ///
    /// ```
    /// policy::run(async {
    ///     let mut set = policy::task::JoinSet::new();
    ///     set.spawn(std::future::pending::<()>());
    ///     set.shutdown().await;
    ///     assert!(set.is_empty());
    /// });
    /// ```
    pub async fn shutdown(&mut self) {
        self.abort_all();
        while self.join_next().await.is_some() {}
    }

    /// Lets all tasks continue, and removes them from the set.
    ///
    /// ```
    /// policy::run(async {
    ///     let mut set = policy::task::JoinSet::new();
    ///     let task = set.spawn(std::future::pending::<()>());
    ///     set.detach_all();
    ///     assert!(set.is_empty() && !task.is_finished());
    /// });
    /// ```
    pub fn detach_all(&mut self) {
        // Dropping a handle detaches its task.
        self.members.clear();
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        self.members.values().for_each(|member| member.handle.abort());
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet").field("len", &self.len()).finish()
    }
}

impl<T: Send + 'static, F: Future<Output = T> + Send + 'static> FromIterator<F> for JoinSet<T> {
    /// Spawns each future by [`policy::spawn`](crate::spawn).
    fn from_iter<I: IntoIterator<Item = F>>(futures: I) -> Self {
        let mut set = Self::new();
        set.extend(futures);
        set
    }
}

impl<T: Send + 'static, F: Future<Output = T> + Send + 'static> Extend<F> for JoinSet<T> {
    /// Spawns each future by [`policy::spawn`](crate::spawn).
    fn extend<I: IntoIterator<Item = F>>(&mut self, futures: I) {
        futures.into_iter().for_each(|future| drop(self.spawn(future)));
    }
}

impl Ready {
    /// Takes the next member that may have finished, or registers who waits. Both
    /// under one lock, so that a wake-up in between is not lost.
    fn next_or_wait(&self, cx: &Context<'_>) -> Option<Id> {
        let mut waker = None;
        loop {
            let mut queue = self.0.lock();
            let next = queue.ids.pop_front();
            if next.is_some()
                || wakers::leave(queue, |queue| &mut queue.waiter, &mut waker, cx.waker())
            {
                return next;
            }
        }
    }
}

impl MemberWaker {
    /// Makes one whose member is polled in the next wait.
    fn queued(id: Id, ready: &Arc<Ready>) -> Waker {
        let waker = Waker::from(Arc::new(Self { id, ready: ready.clone() }));
        waker.wake_by_ref();
        waker
    }
}

impl Wake for MemberWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let waiter = {
            let mut queue = self.ready.0.lock();
            queue.ids.push_back(self.id);
            queue.waiter.take()
        };
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }
}
