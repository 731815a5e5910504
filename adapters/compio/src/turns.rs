//! How the thread that drives a loop shares its time between the main future, the
//! tasks and the driver.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

use compio_runtime::Runtime;

use crate::local::Part;
use crate::shared::Mail;
use crate::tasks::Node;

/// How many polls are made before the driver has its turn: a look at it is a system
/// call.
const TURN: u32 = 64;

/// How often in a row the driver may fail.
const FAILURES: u32 = 100;

/// The longest wait: clocks of drivers can't count farther than some.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Polls `main`, the tasks and the driver until `main` is done.
pub(crate) fn run(part: &Part, runtime: &Runtime, mut main: Pin<&mut dyn Future<Output = ()>>) {
    let shared = &part.shared;
    let mut cx = Context::from_waker(&part.main);
    let turns = Turns {
        part,
        runtime,
        polls: Cell::new(0),
        mail: RefCell::default(),
        failures: Cell::new(0),
    };
    // It has to be polled once before it can wake anybody.
    shared.wake_main();
    loop {
        if shared.take_main() {
            turns.polled();
            if main.as_mut().poll(&mut cx).is_ready() {
                return;
            }
        }
        turns.fetch();
        turns.batch();
        // What others have spawned with compio's own functions.
        let more = runtime.run();
        if more {
            turns.polls.set(TURN);
        }
        let busy =
            more || shared.is_main_woken() || shared.has_mail() || !part.ready.borrow().is_empty();
        match busy {
            true => turns.look(),
            false => turns.wait(),
        }
    }
}

struct Turns<'a> {
    part: &'a Part,
    runtime: &'a Runtime,
    /// Since the last look at the driver.
    polls: Cell<u32>,
    /// Lists that are empty, and have room.
    mail: RefCell<Mail>,
    /// How often in a row the driver failed.
    failures: Cell<u32>,
}

impl Turns<'_> {
    /// Takes in what other threads have given and woken.
    fn fetch(&self) {
        let mail = &mut *self.mail.borrow_mut();
        if self.part.shared.fetch(mail) {
            self.part.ready.borrow_mut().extend(mail.woken.drain(..));
            for task in mail.fresh.drain(..) {
                self.part.spawn(task);
            }
            #[cfg(any(target_os = "linux", windows))]
            for operation in mail.operations.drain(..) {
                self.part.perform(operation);
            }
        }
    }

    /// Polls the tasks that are ready now, each once. Those that become ready
    /// meanwhile have to wait for the next batch, so that main has its turn.
    fn batch(&self) {
        let ready = self.part.ready.borrow().len();
        for _ in 0..ready {
            let Some(node) = self.part.ready.borrow_mut().pop_front() else { return };
            self.poll(node);
            self.polled();
            if self.polls.get() >= TURN {
                self.look();
            }
        }
    }

    fn poll(&self, node: Arc<Node>) {
        node.left_queue();
        let (key, id, is_local) = (node.key, node.id, node.is_local);
        // No borrow while a task is polled or dropped: that is user code.
        let waker = Waker::from(node);
        let mut cx = Context::from_waker(&waker);
        macro_rules! poll_in {
            ($table:expr) => {{
                let task = $table.borrow_mut().take(key, id);
                if let Some(mut task) = task {
                    match Pin::new(&mut task).poll(&mut cx).is_pending() {
                        true => $table.borrow_mut().put_back(key, task),
                        false => $table.borrow_mut().remove(key),
                    }
                }
            }};
        }
        match is_local {
            true => poll_in!(self.part.locals),
            false => poll_in!(self.part.tasks),
        }
    }

    fn polled(&self) {
        self.polls.set(self.polls.get() + 1);
    }

    /// Lets the driver work, without a wait, if its turn has come.
    fn look(&self) {
        if self.polls.get() >= TURN {
            // A driver that was woken does not wait. A time-out of nothing alone would
            // put the thread to sleep in io_uring, for tens of microseconds.
            self.part.driver.wake_by_ref();
            self.drive(Duration::ZERO);
        }
    }

    /// Waits until there is something to do.
    fn wait(&self) {
        let now = Instant::now();
        let timer = self.part.shared.timers.next().map(|at| at.saturating_duration_since(now));
        let waits = [self.runtime.current_timeout(), timer, Some(LONGEST)];
        self.drive(waits.into_iter().flatten().min().unwrap_or(LONGEST));
    }

    /// Notes how a call of the driver ended. A driver that fails again and again waits
    /// for nothing any more: the panic goes on then, instead of a loop that spins.
    fn survived(&self, polled: thread::Result<()>) {
        match polled {
            Ok(()) => self.failures.set(0),
            Err(payload) if self.failures.get() >= FAILURES => resume_unwind(payload),
            Err(_payload) => {
                self.failures.set(self.failures.get() + 1);
                log::error!("compio's driver failed, and the event loop goes on");
            }
        }
    }

    fn drive(&self, timeout: Duration) {
        self.polls.set(0);
        #[cfg(unix)]
        let timeout = self.part.watch.arm(&self.part.shared).map_or(timeout, |t| t.min(timeout));
        // compio panics on an error of the system that it does not know.
        let polled = catch_unwind(AssertUnwindSafe(|| self.runtime.poll_with(Some(timeout))));
        self.survived(polled);
        // Pairs with the fence of `shared::ring`.
        fence(Ordering::SeqCst);
        #[cfg(unix)]
        self.part.watch.dispatch(&self.part.shared);
        self.part.shared.timers.fire();
    }
}
