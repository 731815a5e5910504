//! What a policy promises.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use policy::context::Context;
use policy::{
    ContextPolicy, Error, ErrorKind, EventLoop, EventLoopPolicy, Runner, get_event_loop,
    new_event_loop, set_event_loop, with_event_loop_policy,
};

use crate::Make;
use crate::support::{block_on, kind, new_loop, on_loop, run};

/// Each loop that a policy makes is a new one, open, not running, and not set.
///
/// Proves: B9, B51
pub fn each_loop_made_is_new_and_not_set(make: Make<'_>) {
    with_event_loop_policy(make(), || {
        let (first, second) = (new_event_loop().unwrap(), new_event_loop().unwrap());
        assert!(!Arc::ptr_eq(&first, &second));
        assert_ne!(first.state().id(), second.state().id());
        for event_loop in [&first, &second] {
            assert!(!event_loop.is_closed() && !event_loop.is_running());
        }
        assert_eq!(kind(get_event_loop()), ErrorKind::NoCurrentLoop);
        first.close().unwrap();
        second.close().unwrap();
    });
}

/// A loop says what it is: name, kind, state.
///
/// Proves: B44
pub fn a_loop_says_what_it_is(make: Make<'_>) {
    on_loop(make, |event_loop| {
        assert!(!event_loop.name().is_empty());
        assert_eq!(event_loop.kind(), new_loop(make).kind());
        let debug = format!("{:?}", event_loop.state());
        assert!(debug.contains(event_loop.name()) && debug.contains("running: false"), "{debug}");
        assert!(!format!("{event_loop:?}").is_empty());
        let earlier = event_loop.time();
        assert!(event_loop.time() >= earlier);
    });
}

/// Overriding `new_event_loop` alone changes what `get_event_loop` makes and sets.
///
/// Proves: B10
pub fn overriding_new_event_loop_changes_what_get_event_loop_makes(make: Make<'_>) {
    struct Counts(ContextPolicy, AtomicUsize);
    impl EventLoopPolicy for Counts {
        fn base(&self) -> Option<&dyn EventLoopPolicy> {
            Some(&self.0)
        }
        fn new_event_loop(&self) -> Result<Arc<dyn EventLoop>, Error> {
            self.1.fetch_add(1, SeqCst);
            self.0.new_event_loop()
        }
    }
    let policy = Counts(per_process(make), AtomicUsize::new(0));
    let made = policy.get_event_loop().unwrap();
    assert_eq!(policy.1.load(SeqCst), 1, "made by the override");
    assert!(Arc::ptr_eq(&made, &policy.get_event_loop().unwrap()), "and set");
    assert!(Arc::ptr_eq(&made, &policy.0.get_event_loop().unwrap()), "in the base");
    assert_eq!(policy.1.load(SeqCst), 1);
    made.close().unwrap();
}

/// A policy that only names its base does what the base does.
///
/// Proves: B10, 'a policy names the one it is based on'
pub fn a_policy_that_names_its_base_forwards_to_it(make: Make<'_>) {
    struct Wraps(Arc<dyn EventLoopPolicy>);
    impl EventLoopPolicy for Wraps {
        fn base(&self) -> Option<&dyn EventLoopPolicy> {
            Some(&*self.0)
        }
    }
    let base = make();
    with_event_loop_policy(Wraps(base.clone()), || {
        assert_eq!(policy::run(async { 1 }), 1);
        let event_loop = new_event_loop().unwrap();
        set_event_loop(Some(event_loop.clone())).unwrap();
        assert!(Arc::ptr_eq(&base.get_event_loop().unwrap(), &event_loop));
        set_event_loop(None).unwrap();
        event_loop.close().unwrap();
    });
}

/// `run` asks the policy for a new loop, sets it, and clears it at the end; it never
/// asks for the current one.
///
/// Proves: B14, B61
pub fn run_makes_sets_and_clears_in_this_order(make: Make<'_>) {
    let log = crate::support::Log::default();
    let policy = Recorder { base: make(), log: log.clone() };
    with_event_loop_policy(policy, || policy::run(async { log.add("main") }));
    assert_eq!(log.take(), ["new", "set(loop)", "main", "set(none)"]);
}

struct Recorder {
    base: Arc<dyn EventLoopPolicy>,
    log: crate::support::Log,
}

impl EventLoopPolicy for Recorder {
    fn base(&self) -> Option<&dyn EventLoopPolicy> {
        Some(&*self.base)
    }
    fn new_event_loop(&self) -> Result<Arc<dyn EventLoop>, Error> {
        self.log.add("new");
        self.base.new_event_loop()
    }
    fn get_event_loop(&self) -> Result<Arc<dyn EventLoop>, Error> {
        self.log.add("get");
        self.base.get_event_loop()
    }
    fn set_event_loop(&self, event_loop: Option<Arc<dyn EventLoop>>) -> Result<(), Error> {
        self.log.add(if event_loop.is_some() { "set(loop)" } else { "set(none)" });
        self.base.set_event_loop(event_loop)
    }
}

/// A policy that can't make a loop gives its error to whoever asked, and nothing has
/// changed: not the context, not the runner.
///
/// Proves: B5, B53, B63
pub fn a_policy_that_makes_no_loop_changes_nothing(make: Make<'_>) {
    struct Fails(Arc<dyn EventLoopPolicy>, AtomicUsize);
    impl EventLoopPolicy for Fails {
        fn base(&self) -> Option<&dyn EventLoopPolicy> {
            Some(&*self.0)
        }
        fn new_event_loop(&self) -> Result<Arc<dyn EventLoop>, Error> {
            if self.1.fetch_add(1, SeqCst) < 2 {
                return Err(Error::new(ErrorKind::LimitReached, "no loops today; come tomorrow"));
            }
            self.0.new_event_loop()
        }
    }
    let base = make();
    let set_before = base.new_event_loop().unwrap();
    base.set_event_loop(Some(set_before.clone())).unwrap();
    let policy: Arc<dyn EventLoopPolicy> = Arc::new(Fails(base.clone(), AtomicUsize::new(0)));

    let refused = with_event_loop_policy(policy.clone(), || policy::try_run(async {}));
    let error = refused.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitReached);
    assert_eq!(error.to_string(), "no loops today; come tomorrow");
    assert!(Arc::ptr_eq(&base.get_event_loop().unwrap(), &set_before));

    let mut runner = Runner::with_policy(policy);
    assert_eq!(kind(runner.run(async {})), ErrorKind::LimitReached);
    assert_eq!(runner.run(async { 1 }).unwrap(), 1, "the runner is as it was");
    runner.close().unwrap();
    base.set_event_loop(None).unwrap();
    set_before.close().unwrap();
}

/// A policy that fails to set the loop fails the run, before anything was polled;
/// the loop that was made is closed.
///
/// Proves: B5, B53
pub fn a_policy_that_sets_no_loop_fails_the_run(make: Make<'_>) {
    struct Fails(Arc<dyn EventLoopPolicy>, std::sync::Mutex<Option<Arc<dyn EventLoop>>>);
    impl EventLoopPolicy for Fails {
        fn base(&self) -> Option<&dyn EventLoopPolicy> {
            Some(&*self.0)
        }
        fn new_event_loop(&self) -> Result<Arc<dyn EventLoop>, Error> {
            let made = self.0.new_event_loop()?;
            *self.1.lock().unwrap() = Some(made.clone());
            Ok(made)
        }
        fn set_event_loop(&self, _: Option<Arc<dyn EventLoop>>) -> Result<(), Error> {
            Err(ErrorKind::NotImplemented.into())
        }
    }
    let policy = Arc::new(Fails(make(), None.into()));
    let shared: Arc<dyn EventLoopPolicy> = policy.clone();
    let refused = with_event_loop_policy(shared, || {
        policy::try_run(async { panic!("polled although the run was refused") })
    });
    assert_eq!(kind::<()>(refused), ErrorKind::NotImplemented);
    assert!(policy.1.lock().unwrap().as_ref().unwrap().is_closed());
}

/// Inside a running loop `get_event_loop` returns it, and asks no policy.
///
/// Proves: B11
pub fn inside_a_loop_no_policy_is_asked(make: Make<'_>) {
    struct Silent;
    impl EventLoopPolicy for Silent {
        fn get_event_loop(&self) -> Result<Arc<dyn EventLoop>, Error> {
            panic!("asked although a loop runs")
        }
    }
    run(make, async {
        let running = policy::get_running_loop().unwrap();
        with_event_loop_policy(Silent, || {
            assert!(Arc::ptr_eq(&get_event_loop().unwrap(), &running));
            drop(policy::spawn(async {}));
            drop(policy::time::try_sleep(std::time::Duration::ZERO).unwrap());
        });
    });
}

/// What was made under a loop stays with it when the policy changes.
///
/// Proves: B7, B15, 'what was made stays with its loop'
pub fn a_new_policy_leaves_what_was_made_as_it_is(make: Make<'_>) {
    run(make, async {
        let here = policy::get_running_loop().unwrap();
        let id = here.state().id();
        let handle = with_event_loop_policy(make(), || {
            assert!(Arc::ptr_eq(&policy::get_running_loop().unwrap(), &here));
            policy::spawn(async { policy::get_running_loop().unwrap().state().id() })
        });
        assert_eq!(handle.await.unwrap(), id);
    });
}

/// Outside any loop, ambient calls find the policy's background loop, or the typed
/// error: as the policy says.
///
/// Proves: 'the loop that a call means'
pub fn outside_a_loop_the_background_loop_is_found_or_none(make: Make<'_>) {
    let policy = make();
    let background = policy.background_loop().unwrap();
    with_event_loop_policy(policy.clone(), || match &background {
        Some(event_loop) => {
            assert!(event_loop.is_self_driving());
            assert!(Arc::ptr_eq(event_loop, &policy.background_loop().unwrap().unwrap()));
            let handle = policy::spawn(async { policy::get_running_loop().unwrap().state().id() });
            assert_eq!(block_on(handle).unwrap(), event_loop.state().id());
            assert!(policy::get_running_loop().is_err(), "it runs elsewhere");
        }
        None => {
            assert_eq!(kind(policy::try_spawn(async {})), ErrorKind::NoRunningLoop);
            assert_eq!(kind(policy::try_spawn_blocking(|| ())), ErrorKind::NoRunningLoop);
            assert_eq!(kind(policy::try_spawn_local(async {})), ErrorKind::NoRunningLoop);
            let never = std::time::Duration::MAX;
            assert_eq!(kind(policy::time::try_sleep(never)), ErrorKind::NoRunningLoop);
        }
    });
    if let Some(event_loop) = background {
        event_loop.close().unwrap();
        // Closed: the policy makes another.
        let another = policy.background_loop().unwrap().unwrap();
        assert!(!another.is_closed());
        another.close().unwrap();
    }
}

/// A policy that was dropped leaves the loops that it made alone.
///
/// Proves: B7, B26
pub fn a_loop_outlives_its_policy(make: Make<'_>) {
    let policy = make();
    let event_loop = policy.new_event_loop().unwrap();
    policy.set_event_loop(Some(event_loop.clone())).unwrap();
    drop(policy);
    assert!(!event_loop.is_closed());
    assert_eq!(event_loop.run_until_complete(async { 1 }).unwrap(), 1);
    event_loop.close().unwrap();
}

/// Makes a policy with one loop for all, out of the policy that is tested.
fn per_process(make: Make<'_>) -> ContextPolicy {
    let loops = make();
    ContextPolicy::new(move || loops.new_event_loop(), Context::process())
}
