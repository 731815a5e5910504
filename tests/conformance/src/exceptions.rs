//! The exception handler: failures that nobody waits for.

use std::panic::panic_any;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use policy::task::{Id, JoinHandle, yield_now};
use policy::{EventLoop, ExceptionContext, get_running_loop};

use crate::support::{
    Flag, Gate, Log, NEVER, OnDrop, SHUTDOWN, needs_local_tasks, new_loop, on_loop, run,
};
use crate::{Make, Skipped};

/// What the handler was told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Failure>>>);

#[derive(Debug)]
struct Failure {
    said: Option<String>,
    task: Option<Id>,
    of_callback: bool,
    file: Option<&'static str>,
    event_loop: String,
}

impl Told {
    /// Sets a handler that remembers.
    fn by(event_loop: &Arc<dyn EventLoop>) -> Self {
        let told = Self::default();
        let tells = told.clone();
        event_loop.set_exception_handler(Some(Arc::new(move |event_loop, context| {
            tells.0.lock().unwrap().push(Failure {
                said: context.panic_message().map(str::to_string),
                task: context.task(),
                of_callback: context.handle().is_some(),
                file: context.location().map(std::panic::Location::file),
                event_loop: event_loop.name().to_string(),
            });
        })));
        told
    }

    fn take(&self) -> Vec<Failure> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    /// Waits, in a task, until the handler was told of `count` failures.
    async fn wait(&self, count: usize) -> Vec<Failure> {
        while self.0.lock().unwrap().len() < count {
            policy::time::sleep(Duration::from_millis(1)).await;
        }
        self.take()
    }
}

async fn ended<T>(handle: JoinHandle<T>) {
    while !handle.is_finished() {
        yield_now().await;
    }
}

/// The handler is told of a callback that panics: what it said, and where it was
/// scheduled.
///
/// Proves: B91
pub fn the_panic_of_a_callback_is_told(make: Make<'_>) {
    run(make, async {
        let event_loop = get_running_loop().unwrap();
        let told = Told::by(&event_loop);
        event_loop.call_soon(|| panic!("bad {}", "luck"));
        event_loop.call_later(Duration::ZERO, || panic!("no luck"));
        let failures = told.wait(2).await;
        assert_eq!(failures.len(), 2);
        for (failure, said) in failures.iter().zip(["bad luck", "no luck"]) {
            assert_eq!(failure.said.as_deref(), Some(said));
            assert_eq!(failure.event_loop, event_loop.name());
            assert!(failure.of_callback && failure.task.is_none());
            assert!(failure.file.unwrap().ends_with("exceptions.rs"), "{failure:?}");
        }
    });
}

/// The handler is told of the panic of a task whose handle is dropped without being
/// awaited, before the task ends or after; and not of one that was awaited.
///
/// Proves: asyncio's 'Task exception was never retrieved', the contract of tasks
pub fn a_panic_that_nobody_asks_for_is_told(make: Make<'_>) {
    run(make, async {
        let told = Told::by(&get_running_loop().unwrap());
        let awaited: JoinHandle<()> = policy::spawn(async { panic!("awaited") });
        assert!(awaited.await.unwrap_err().is_panic());
        let gate = Gate::default();
        let waits = gate.clone();
        let before = policy::spawn(async move {
            waits.wait().await;
            panic!("before");
        });
        let id = before.id();
        let _: &JoinHandle<()> = &before;
        drop(before);
        gate.open();
        let [failure] = &told.wait(1).await[..] else { panic!("one failure") };
        assert_eq!((failure.said.as_deref(), failure.task), (Some("before"), Some(id)));
        let after: JoinHandle<()> = policy::spawn(async { panic!("after") });
        let id = after.id();
        ended(after).await;
        let [failure] = &told.wait(1).await[..] else { panic!("one failure") };
        assert_eq!((failure.said.as_deref(), failure.task), (Some("after"), Some(id)));
        assert_eq!(failure.event_loop, get_running_loop().unwrap().name());
        drop(policy::spawn(async { 1 }));
        policy::spawn(std::future::pending::<()>()).abort();
        assert_eq!(policy::spawn(async { 1 }).await.unwrap(), 1);
        assert!(told.take().is_empty(), "what does not panic is not told");
    });
}

/// So is the panic of a blocking job.
///
/// Proves: B98, the contract of tasks
pub fn the_panic_of_a_detached_job_is_told(make: Make<'_>) {
    run(make, async {
        let told = Told::by(&get_running_loop().unwrap());
        let job: JoinHandle<()> = policy::spawn_blocking(|| panic!("job"));
        drop(job);
        let [failure] = &told.wait(1).await[..] else { panic!("one failure") };
        assert_eq!(failure.said.as_deref(), Some("job"));
    });
}

/// So is that of a local task.
///
/// Proves: the contract of tasks
pub fn the_panic_of_a_detached_local_task_is_told(make: Make<'_>) -> Result<(), Skipped> {
    needs_local_tasks(make)?;
    run(make, async {
        let told = Told::by(&get_running_loop().unwrap());
        let task: JoinHandle<()> = policy::spawn_local(async { panic!("local") });
        drop(task);
        let [failure] = &told.wait(1).await[..] else { panic!("one failure") };
        assert_eq!(failure.said.as_deref(), Some("local"));
    });
    Ok(())
}

/// And that of a task that panics while its loop closes.
///
/// Proves: B57, B74
pub fn a_panic_at_the_end_is_told(make: Make<'_>) {
    let event_loop = new_loop(make);
    let told = Told::by(&event_loop);
    let begun = Gate::default();
    let opener = begun.clone();
    drop(event_loop.spawn(async move {
        let _bomb = OnDrop::new(|| panic!("at the end"));
        opener.open();
        std::future::pending::<()>().await;
    }));
    event_loop.run_until_complete(begun.wait()).unwrap();
    assert!(told.take().is_empty());
    event_loop.close_within(SHUTDOWN).unwrap();
    let [failure] = &told.take()[..] else { panic!("one failure") };
    assert_eq!(failure.said.as_deref(), Some("at the end"));
}

/// A handler that panics ends nothing; nor does a payload that panics when it is
/// dropped.
///
/// Proves: B92
pub fn a_handler_that_panics_ends_nothing(make: Make<'_>) {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("the payload's destructor");
            }
        }
    }
    run(make, async {
        let event_loop = get_running_loop().unwrap();
        event_loop.set_exception_handler(Some(Arc::new(|_, _| panic_any(Bomb))));
        event_loop.call_soon(|| panic!("bad luck"));
        event_loop.call_soon(|| panic_any(Bomb));
        let detached: JoinHandle<()> = policy::spawn(async { panic_any(Bomb) });
        ended(detached).await;
        event_loop.call_exception_handler(&ExceptionContext::new("by hand"));
        let gate = Gate::default();
        let opener = gate.clone();
        event_loop.call_soon(move || opener.open());
        gate.wait().await;
    });
}

/// The handler may use its loop, and be exchanged while it runs; `None` restores the
/// default.
///
/// Proves: B92, B93
pub fn a_handler_may_use_its_loop(make: Make<'_>) {
    on_loop(make, |event_loop| {
        assert!(event_loop.get_exception_handler().is_none());
        let log = Log::default();
        let (by_handler, gate) = (log.clone(), Gate::default());
        let opener = gate.clone();
        event_loop.set_exception_handler(Some(Arc::new(move |event_loop, context| {
            by_handler.add(context.message());
            event_loop.default_exception_handler(context);
            event_loop.set_exception_handler(None);
            let opener = opener.clone();
            event_loop.call_soon(move || opener.open());
        })));
        assert!(event_loop.get_exception_handler().is_some());
        let context = ExceptionContext::new("by hand").with_error(std::io::Error::other("why"));
        event_loop.call_exception_handler(&context);
        assert!(event_loop.get_exception_handler().is_none());
        event_loop.call_exception_handler(&context);
        event_loop.call_exception_handler(&ExceptionContext::default());
        event_loop.run_until_complete(gate.wait()).unwrap();
        assert_eq!(log.take(), ["by hand"]);
    });
}

/// The handlers of two loops are two; a closed loop has its own still, and lets go of
/// it when it is dropped.
///
/// Proves: B74, 'what was made stays with its loop'
pub fn each_loop_has_a_handler_of_its_own(make: Make<'_>) {
    let (one, two) = (new_loop(make), new_loop(make));
    let (of_one, of_two) = (Told::by(&one), Told::by(&two));
    let panics = || -> JoinHandle<()> { one.spawn(async { panic!("on one") }) };
    let task = panics();
    one.run_until_complete(ended(task)).unwrap();
    assert_eq!((of_one.take().len(), of_two.take().len()), (1, 0));
    // Found in another loop, told to the task's own.
    let task = panics();
    one.run_until_complete(async {
        while !task.is_finished() {
            yield_now().await;
        }
    })
    .unwrap();
    two.run_until_complete(async move { drop(task) }).unwrap();
    assert_eq!((of_one.take().len(), of_two.take().len()), (1, 0));
    one.close().unwrap();
    one.call_exception_handler(&ExceptionContext::new("closed"));
    assert_eq!(of_one.take().len(), 1);
    let dropped = Flag::default();
    let held = Mutex::new(Some(dropped.on_drop()));
    two.set_exception_handler(Some(Arc::new(move |_, _| drop(held.lock().unwrap().take()))));
    drop(two.call_later(NEVER, || ()));
    two.close_within(SHUTDOWN).unwrap();
    assert!(!dropped.is_set());
    drop(two);
    while !dropped.is_set() {
        // A loop that drives itself goes when its last thread lets go.
        std::thread::yield_now();
    }
}
