//! What policies promise: contexts, composition, and what is refused.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

mod common;

use std::cell::Cell;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use policy_core::{
    ChildCallback, ChildId, ChildWatcher, Context, ContextKey, ContextPolicy, CurrentLoop, Error,
    ErrorKind, EventLoop, EventLoopPolicy, ExitFuture, LoopFactory, LoopId, WatcherSlot,
};

use common::{TinyLoop, at_thread_end, loop_that};

fn tiny() -> Result<Arc<dyn EventLoop>, Error> {
    Ok(TinyLoop::new())
}

fn policy(context: Context) -> ContextPolicy {
    ContextPolicy::new(tiny, context)
}

/// A context for tests that must not depend on their thread.
fn constant() -> Context {
    Context::key(|| 1_u64)
}

fn got(policy: &dyn EventLoopPolicy) -> LoopId {
    policy.get_event_loop().unwrap().state().id()
}

fn kind<T>(result: Result<T, Error>) -> ErrorKind {
    match result {
        Ok(_) => panic!("no error"),
        Err(error) => error.kind(),
    }
}

fn on_thread<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    thread::spawn(f).join().unwrap()
}

#[test]
fn each_thread_has_the_loop_that_was_set_there_and_none_by_itself() {
    let policy = Arc::new(policy(Context::thread()));
    let theirs = on_thread({
        let policy = policy.clone();
        move || {
            // Not the main thread: asyncio's default policy makes none here.
            let refused = policy.get_event_loop().unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::NoCurrentLoop);
            assert!(refused.to_string().contains("policy::set_event_loop"));
            assert_eq!(policy.contexts(), 0);
            let event_loop = TinyLoop::new();
            policy.set_event_loop(Some(event_loop.clone())).unwrap();
            assert_eq!(got(&*policy), event_loop.state().id());
            assert_eq!(policy.contexts(), 1);
            event_loop.state().id()
        }
    });
    assert_eq!(policy.contexts(), 0, "goes with its thread");
    assert_eq!(kind(policy.get_event_loop()), ErrorKind::NoCurrentLoop);
    assert_ne!(policy.new_event_loop().unwrap().state().id(), theirs);
}

#[test]
fn a_process_context_is_the_same_for_all_threads() {
    let policy = Arc::new(policy(Context::process()));
    let here = got(&*policy);
    assert_eq!(
        on_thread({
            let policy = policy.clone();
            move || got(&*policy)
        }),
        here
    );
    assert_eq!(policy.contexts(), 1);
}

#[test]
fn threads_that_race_for_a_shared_context_get_one_loop() {
    // Each used to make one, and all but the last were lost.
    for _ in 0..20 {
        let made = Arc::new(AtomicUsize::new(0));
        let policy = ContextPolicy::new(
            {
                let made = made.clone();
                move || {
                    made.fetch_add(1, SeqCst);
                    thread::yield_now();
                    tiny()
                }
            },
            Context::process(),
        );
        // Also through a policy that is built on it.
        let policy: Arc<dyn EventLoopPolicy> = Arc::new(Wrapper(policy));
        let start = Arc::new(Barrier::new(16));
        let threads: Vec<_> = (0..16)
            .map(|_| {
                let (policy, start) = (policy.clone(), start.clone());
                thread::spawn(move || {
                    start.wait();
                    policy.get_event_loop().unwrap()
                })
            })
            .collect();
        let mut loops: Vec<_> =
            threads.into_iter().map(|thread| thread.join().unwrap().state().id()).collect();
        loops.dedup();
        assert_eq!((loops.len(), made.load(SeqCst)), (1, 1));
    }
}

#[test]
fn making_a_loop_may_ask_for_that_of_another_context() {
    thread_local!(static TENANT: Cell<u64> = const { Cell::new(1) });
    let slot = Arc::new(Mutex::new(None::<Arc<ContextPolicy>>));
    let policy = Arc::new(ContextPolicy::new(
        {
            let slot = slot.clone();
            move || {
                let policy = slot.lock().unwrap().clone();
                if let Some(policy) = policy.filter(|_| TENANT.get() > 1) {
                    TENANT.set(1);
                    policy.get_event_loop()?;
                    TENANT.set(2);
                }
                tiny()
            }
        },
        || TENANT.get(),
    ));
    *slot.lock().unwrap() = Some(policy.clone());
    TENANT.set(2);
    policy.get_event_loop().unwrap();
    assert_eq!(policy.contexts(), 2);
    *slot.lock().unwrap() = None;
}

#[test]
fn naming_a_context_may_ask_the_policy() {
    // Used to be asked with the policy locked.
    let slot = Arc::new(Mutex::new(None::<Arc<ContextPolicy>>));
    let policy = Arc::new(ContextPolicy::new(tiny, {
        let slot = slot.clone();
        move || {
            let policy = slot.lock().unwrap().clone();
            let _asked = policy.map(|policy| policy.contexts());
            0
        }
    }));
    *slot.lock().unwrap() = Some(policy.clone());
    assert_eq!(got(&*policy), got(&*policy));
    *slot.lock().unwrap() = None;
}

#[test]
fn the_loop_of_a_task_goes_when_the_task_ends() {
    let policy = Arc::new(policy(Context::task()));
    let event_loop = TinyLoop::new();
    let both = [(); 2].map(|()| {
        let policy = policy.clone();
        event_loop.spawn(async move {
            let first = got(&*policy);
            assert_eq!(first, got(&*policy));
            (first, policy.contexts())
        })
    });
    let [a, b] = both.map(|task| event_loop.run_until_complete(task).unwrap().unwrap());
    assert_ne!(a.0, b.0);
    assert_eq!((a.1, b.1), (1, 1));
    assert_eq!(policy.contexts(), 0);
    // A task that is cancelled ends, too.
    let task = event_loop.spawn({
        let policy = policy.clone();
        async move {
            got(&*policy);
            pending::<()>().await;
        }
    });
    event_loop.stop();
    event_loop.run_forever().unwrap(); // one turn
    assert_eq!(policy.contexts(), 1);
    task.abort();
    let joined = event_loop.run_until_complete(task).unwrap();
    assert!(joined.unwrap_err().is_cancelled());
    assert_eq!(policy.contexts(), 0);
}

#[test]
fn a_hook_of_a_task_that_panics_does_not_keep_its_joiner_waiting() {
    // The panic of a loop's destructor used to unwind through the executor.
    let policy = Arc::new(policy(Context::task()));
    let event_loop = TinyLoop::new();
    let task = event_loop.spawn({
        let policy = policy.clone();
        async move { policy.set_event_loop(Some(loop_that(|| panic!("dropped")))).unwrap() }
    });
    event_loop.run_until_complete(task).unwrap().unwrap();
    assert_eq!(policy.contexts(), 0);
}

#[test]
fn the_loop_of_an_object_goes_after_the_object() {
    let object = Arc::new(Mutex::new(Arc::new("tenant")));
    let policy = policy(Context::key({
        let object = object.clone();
        move || object.lock().unwrap().clone()
    }));
    let event_loop = policy.get_event_loop().unwrap();
    assert_eq!(got(&policy), event_loop.state().id());
    assert_eq!((policy.contexts(), Arc::strong_count(&event_loop)), (1, 2));
    *object.lock().unwrap() = Arc::new("tenant"); // equal, but another
    assert_eq!(policy.contexts(), 0);
    assert_ne!(got(&policy), event_loop.state().id());
    assert_eq!((policy.contexts(), Arc::strong_count(&event_loop)), (1, 1));
}

#[test]
fn objects_that_come_and_go_leave_nothing() {
    let object = Arc::new(Mutex::new(Arc::new(0)));
    let policy = policy(Context::key({
        let object = object.clone();
        move || object.lock().unwrap().clone()
    }));
    let event_loop = TinyLoop::new();
    let kept = object.lock().unwrap().clone();
    policy.set_event_loop(Some(event_loop.clone())).unwrap();
    for number in 1..10_000 {
        *object.lock().unwrap() = Arc::new(number);
        policy.set_event_loop(Some(event_loop.clone())).unwrap();
        assert!(Arc::strong_count(&event_loop) < 10);
    }
    assert_eq!(policy.contexts(), 2);
    drop(kept);
    assert_eq!(policy.contexts(), 1);
}

#[test]
fn a_hundred_thousand_short_threads_leave_nothing() {
    let policy = Arc::new(policy(Context::thread()));
    let event_loop = TinyLoop::new();
    for _ in 0..1_000 {
        let threads: Vec<_> = (0..100)
            .map(|_| {
                let (policy, event_loop) = (policy.clone(), event_loop.clone());
                let short = thread::Builder::new().stack_size(64 * 1024);
                short.spawn(move || policy.set_event_loop(Some(event_loop)).unwrap()).unwrap()
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(policy.contexts(), 0);
    }
    assert_eq!(Arc::strong_count(&event_loop), 1);
}

#[test]
fn a_key_of_another_thread_does_not_go_with_this_one() {
    let foreign = Context::thread().current();
    let policy = Arc::new(policy(Context::key(move || -> ContextKey { foreign.clone() })));
    on_thread({
        let policy = policy.clone();
        move || got(&*policy)
    });
    assert_eq!(policy.contexts(), 1);
}

#[test]
fn get_event_loop_makes_and_sets_by_the_methods_that_were_overridden() {
    // B10: get, new, set; overriding `new_event_loop` alone changes what get makes.
    struct Recording(ContextPolicy, Mutex<Vec<&'static str>>);
    impl Recording {
        fn note(&self, what: &'static str) {
            self.1.lock().unwrap().push(what);
        }
    }
    impl EventLoopPolicy for Recording {
        fn base(&self) -> Option<&dyn EventLoopPolicy> {
            Some(&self.0)
        }
        fn new_event_loop(&self) -> Result<Arc<dyn EventLoop>, Error> {
            self.note("new");
            self.0.new_event_loop()
        }
        fn set_event_loop(&self, event_loop: Option<Arc<dyn EventLoop>>) -> Result<(), Error> {
            self.note("set");
            self.0.set_event_loop(event_loop)
        }
    }
    let policy = Recording(policy(constant()), Mutex::default());
    policy.note("get");
    let first = got(&policy);
    assert_eq!(got(&policy), first);
    assert_eq!(*policy.1.lock().unwrap(), ["get", "new", "set"]);
    // What was made is in the base.
    assert_eq!(got(&policy.0), first);
}

#[test]
fn a_loop_that_is_refused_changes_nothing() {
    // B25, B34: asyncio changes half, and turns creation off for ever.
    let policy = policy(constant());
    let closed = TinyLoop::new();
    closed.close().unwrap();
    assert_eq!(kind(policy.set_event_loop(Some(closed.clone()))), ErrorKind::LoopClosed);
    assert_eq!(policy.contexts(), 0);
    let open = got(&policy);
    assert_eq!(kind(policy.set_event_loop(Some(closed))), ErrorKind::LoopClosed);
    assert_eq!(got(&policy), open);
}

#[test]
fn a_slot_that_was_cleared_makes_none_by_itself() {
    // B32.
    let policy = policy(constant());
    policy.set_event_loop(None).unwrap();
    let refused = policy.get_event_loop().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NoCurrentLoop);
    assert!(matches!(policy.current().unwrap(), CurrentLoop::Refused(_)));
    let event_loop = TinyLoop::new();
    policy.set_event_loop(Some(event_loop.clone())).unwrap();
    assert_eq!(got(&policy), event_loop.state().id());
}

#[test]
fn a_policy_that_fails_to_make_a_loop_sets_none() {
    let fails = || -> Result<Arc<dyn EventLoop>, Error> {
        Err(Error::new(ErrorKind::LimitReached, "no descriptors; raise the limit"))
    };
    let policy = ContextPolicy::new(fails, constant());
    assert_eq!(kind(policy.get_event_loop()), ErrorKind::LimitReached);
    assert_eq!(policy.contexts(), 0);
}

#[test]
fn a_policy_without_a_base_implements_nothing() {
    struct Bare;
    impl EventLoopPolicy for Bare {}
    assert_eq!(kind(Bare.get_event_loop()), ErrorKind::NotImplemented);
    assert_eq!(kind(Bare.set_event_loop(None)), ErrorKind::NotImplemented);
    assert_eq!(kind(Bare.new_event_loop()), ErrorKind::NotImplemented);
    assert_eq!(kind(Bare.current()), ErrorKind::NotImplemented);
    assert_eq!(kind(Bare.get_child_watcher()), ErrorKind::NotImplemented);
    assert_eq!(kind(Bare.set_child_watcher(None)), ErrorKind::NotImplemented);
    assert!(Bare.background_loop().unwrap().is_none());
    assert_eq!(kind(Bare.create_exclusively(&mut || Err(ErrorKind::Io.into()))), ErrorKind::Io);
}

struct Wrapper<P>(P);

impl<P: EventLoopPolicy> EventLoopPolicy for Wrapper<P> {
    fn base(&self) -> Option<&dyn EventLoopPolicy> {
        Some(&self.0)
    }
}

#[test]
fn a_policy_forwards_to_its_base() {
    let policy = Wrapper(Wrapper(policy(constant())));
    let event_loop = TinyLoop::new();
    policy.set_event_loop(Some(event_loop.clone())).unwrap();
    assert_eq!(got(&policy), event_loop.state().id());
    assert_eq!(policy.new_event_loop().unwrap().name(), "tiny");
    assert_eq!(kind(policy.get_child_watcher()), ErrorKind::NoChildWatcher);
    policy.set_child_watcher(Some(Arc::new(Watcher::default()))).unwrap();
    assert!(policy.get_child_watcher().unwrap().is_active());
    // A policy as the maker of another's loops.
    let other = ContextPolicy::new(policy, Context::process());
    assert_ne!(got(&other), event_loop.state().id());
}

struct SelfDriving;

impl LoopFactory for SelfDriving {
    fn new_event_loop(&self) -> Result<Arc<dyn EventLoop>, Error> {
        tiny()
    }
    fn is_self_driving(&self) -> bool {
        true
    }
}

#[test]
fn the_background_loop_is_one_while_it_is_open() {
    assert!(policy(constant()).background_loop().unwrap().is_none());
    let policy = ContextPolicy::new(SelfDriving, constant());
    let first = policy.background_loop().unwrap().unwrap();
    assert_eq!(policy.background_loop().unwrap().unwrap().state().id(), first.state().id());
    first.close().unwrap();
    assert!(!policy.background_loop().unwrap().unwrap().is_closed());
}

#[test]
fn a_background_loop_may_ask_for_the_next_when_it_goes() {
    // Used to be dropped with the policy locked.
    #[derive(Clone, Copy)]
    struct Asks(&'static std::sync::OnceLock<ContextPolicy>);
    impl LoopFactory for Asks {
        fn new_event_loop(&self) -> Result<Arc<dyn EventLoop>, Error> {
            let Self(policy) = *self;
            Ok(loop_that(move || {
                policy.get().unwrap().background_loop().unwrap();
            }))
        }
        fn is_self_driving(&self) -> bool {
            true
        }
    }
    static POLICY: std::sync::OnceLock<ContextPolicy> = std::sync::OnceLock::new();
    let policy = POLICY.get_or_init(|| ContextPolicy::new(Asks(&POLICY), Context::process()));
    policy.background_loop().unwrap().unwrap().close().unwrap();
    policy.background_loop().unwrap();
}

#[test]
fn a_loop_that_goes_may_ask_the_policy_again() {
    let policy = Arc::new(policy(constant()));
    let asks = || {
        let policy = policy.clone();
        loop_that(move || drop(policy.current()))
    };
    policy.set_event_loop(Some(asks())).unwrap();
    policy.set_event_loop(Some(asks())).unwrap();
    policy.set_event_loop(None).unwrap();
}

#[test]
#[cfg_attr(
    all(windows, target_env = "gnu"),
    ignore = "std drops thread-locals there in an order of the process, not of the thread"
)]
fn a_loop_that_is_set_while_its_thread_ends_does_not_stay() {
    let policy = Arc::new(policy(Context::thread()));
    let (sender, receiver) = channel();
    on_thread({
        let policy = policy.clone();
        move || {
            let first = TinyLoop::new();
            let inner = policy.clone();
            at_thread_end(move || {
                let again = inner.clone();
                // Asks when it goes: it used to go with the policy locked.
                let late = loop_that(move || drop(again.current()));
                inner.set_event_loop(Some(late)).unwrap();
                sender.send(inner.contexts()).unwrap();
            });
            policy.set_event_loop(Some(first)).unwrap();
        }
    });
    assert_eq!((receiver.recv().unwrap(), policy.contexts()), (0, 0));
}

#[derive(Debug, Default)]
struct Watcher {
    closed: AtomicUsize,
}

impl ChildWatcher for Watcher {
    fn watch(&self, _child: &ChildId) -> Result<ExitFuture, Error> {
        Err(ErrorKind::Unsupported.into())
    }
    fn add_child_handler(&self, _pid: u32, _callback: ChildCallback) -> Result<(), Error> {
        Err(ErrorKind::Unsupported.into())
    }
    fn remove_child_handler(&self, _pid: u32) -> bool {
        false
    }
    fn attach_loop(&self, _event_loop: Option<Arc<dyn EventLoop>>) -> Result<(), Error> {
        Ok(())
    }
    fn is_active(&self) -> bool {
        self.closed.load(SeqCst) == 0
    }
    fn close(&self) {
        self.closed.fetch_add(1, SeqCst);
    }
}

#[test]
fn a_watcher_that_is_replaced_is_closed_once_and_one_set_again_stays_open() {
    let policy = policy(constant());
    let (first, second) = (Arc::new(Watcher::default()), Arc::new(Watcher::default()));
    policy.set_child_watcher(Some(first.clone())).unwrap();
    policy.set_child_watcher(Some(first.clone())).unwrap();
    assert_eq!(first.closed.load(SeqCst), 0); // B22: asyncio closes it
    policy.set_child_watcher(Some(second.clone())).unwrap();
    assert_eq!((first.closed.load(SeqCst), second.closed.load(SeqCst)), (1, 0));
    policy.set_child_watcher(None).unwrap();
    assert_eq!((first.closed.load(SeqCst), second.closed.load(SeqCst)), (1, 1));
}

#[test]
fn a_watcher_is_made_once_however_many_threads_ask() {
    let slot = Arc::new(WatcherSlot::default());
    let made = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..16)
        .map(|_| {
            let (slot, made) = (slot.clone(), made.clone());
            thread::spawn(move || {
                slot.get_or_try_init(&mut || {
                    made.fetch_add(1, SeqCst);
                    Ok(Arc::new(Watcher::default()))
                })
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| drop(thread.join().unwrap().unwrap()));
    assert_eq!(made.load(SeqCst), 1);
}
