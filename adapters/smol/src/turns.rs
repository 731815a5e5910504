//! How the thread that drives a loop shares its time between the main future, the
//! executor and the reactor.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use async_executor::Executor;

/// How many polls are made before the reactor has its turn.
const TURN: u32 = 64;

/// Polls `main` and the executor's tasks, until `main` is done: for
/// `async_io::block_on`, in place of [`Executor::run`].
///
/// `block_on` looks at the reactor, by a system call, whenever its future was
/// woken; and the main future is woken for each task that it awaits. Here wakes
/// that come while this thread polls anyway are only noted, so that the reactor has
/// its turn after [`TURN`] polls, or when there is nothing else to do.
///
/// For an executor that nobody else runs: this takes no tasks from the queues of
/// worker threads, as `run` does.
pub(crate) async fn run(executor: &Executor<'static>, mut main: Pin<&mut dyn Future<Output = ()>>) {
    let alarm = Arc::new(Alarm::default());
    let main_waker = Waker::from(Arc::new(MainWaker(alarm.clone())));
    let work_waker = Waker::from(Arc::new(WorkWaker(alarm.clone())));
    let budget = Budget::default();
    let mut work = pin!(work(executor, &budget));
    poll_fn(|cx| {
        alarm.awake();
        budget.renew();
        loop {
            if alarm.take_main() {
                budget.spend(1);
                if main.as_mut().poll(&mut Context::from_waker(&main_waker)).is_ready() {
                    return Poll::Ready(());
                }
            }
            // Not `work` at once, which goes to sleep where there is nothing: that
            // costs locks, and the main future may have been woken meanwhile.
            while !budget.is_spent() && executor.try_tick() {
                budget.spend(1);
            }
            if !budget.is_spent() && !alarm.has_main() {
                alarm.take_work();
                let _never = work.as_mut().poll(&mut Context::from_waker(&work_waker));
            }
            if budget.is_spent() {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if alarm.sleeps(cx.waker()) {
                return Poll::Pending;
            }
        }
    })
    .await;
}

/// Runs tasks until there are none, and then waits for one; pends, too, when the
/// budget is spent.
async fn work(executor: &Executor<'static>, budget: &Budget) {
    loop {
        executor.tick().await;
        budget.spend(1);
        if budget.is_spent() {
            pause().await;
        }
    }
}

/// Pends once. Whoever polls knows when to come again.
async fn pause() {
    let mut paused = false;
    poll_fn(|_| match std::mem::replace(&mut paused, true) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await;
}

/// How many polls are left in this turn.
#[derive(Default)]
struct Budget(Cell<u32>);

impl Budget {
    fn renew(&self) {
        self.0.set(TURN);
    }

    fn spend(&self, polls: u32) {
        self.0.set(self.0.get().saturating_sub(polls));
    }

    fn is_spent(&self) -> bool {
        self.0.get() == 0
    }
}

/// Who has something to do, and whether the thread has to be woken for it.
#[derive(Debug)]
struct Alarm {
    main: AtomicBool,
    work: AtomicBool,
    /// Set after a look at the two above that found nothing, before another such
    /// look; they are set before a look at this. So one side sees the other.
    asleep: AtomicBool,
    thread: Mutex<Option<Waker>>,
}

impl Default for Alarm {
    fn default() -> Self {
        Self {
            // It has to be polled once before it can wake anybody.
            main: AtomicBool::new(true),
            work: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
            thread: Mutex::new(None),
        }
    }
}

impl Alarm {
    fn has_main(&self) -> bool {
        self.main.load(SeqCst)
    }

    fn take_main(&self) -> bool {
        // Most often clear, and a load is cheaper.
        self.has_main() && self.main.swap(false, SeqCst)
    }

    fn take_work(&self) {
        if self.work.load(SeqCst) {
            self.work.store(false, SeqCst);
        }
    }

    fn awake(&self) {
        self.asleep.store(false, SeqCst);
    }

    /// Returns true if there is nothing to do: from now on, whatever comes wakes
    /// the thread.
    fn sleeps(&self, waker: &Waker) -> bool {
        if self.main.load(SeqCst) || self.work.load(SeqCst) {
            return false;
        }
        {
            let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
            match &mut *thread {
                Some(thread) => thread.clone_from(waker),
                None => *thread = Some(waker.clone()),
            }
        }
        self.asleep.store(true, SeqCst);
        if self.main.load(SeqCst) || self.work.load(SeqCst) {
            self.asleep.store(false, SeqCst);
            return false;
        }
        true
    }

    fn ring(&self, who: &AtomicBool) {
        who.store(true, SeqCst);
        if self.asleep.load(SeqCst) && self.asleep.swap(false, SeqCst) {
            let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(thread) = thread {
                thread.wake();
            }
        }
    }
}

struct MainWaker(Arc<Alarm>);

impl Wake for MainWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.ring(&self.0.main);
    }
}

struct WorkWaker(Arc<Alarm>);

impl Wake for WorkWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.ring(&self.0.work);
    }
}
