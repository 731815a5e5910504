//! What only the main thread does: a loop is made there by itself. libtest runs tests
//! on other threads, so this file is its own harness.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

use std::sync::Arc;
use std::thread;

use policy::{
    ErrorKind, EventLoopPolicy, get_event_loop, set_event_loop, try_run, with_event_loop_policy,
};

type Story = (&'static str, fn());

const STORIES: [Story; 8] = [
    ("the_main_thread_gets_a_loop_by_itself_once", the_main_thread_gets_a_loop_by_itself_once),
    ("another_thread_gets_none", another_thread_gets_none),
    ("a_context_that_was_cleared_gets_none", a_context_that_was_cleared_gets_none),
    ("a_refused_set_leaves_the_making_on", a_refused_set_leaves_the_making_on),
    ("a_refused_run_leaves_the_making_on", a_refused_run_leaves_the_making_on),
    ("after_run_the_former_loop_is_back", after_run_the_former_loop_is_back),
    (
        "after_run_a_context_without_a_loop_is_cleared",
        after_run_a_context_without_a_loop_is_cleared,
    ),
    ("each_policy_makes_one_of_its_own", each_policy_makes_one_of_its_own),
];

fn main() {
    // As libtest: a list for tools, and filters by name.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let filters: Vec<_> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let chosen =
        |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(&***filter));
    for (name, story) in STORIES.into_iter().filter(|(name, _)| chosen(name)) {
        if arguments.iter().any(|argument| argument == "--list") {
            println!("{name}: test");
            continue;
        }
        for policy in policy::policy_names() {
            let made = policy::from_name(policy).unwrap();
            with_event_loop_policy(made, story);
        }
        println!("test {name} ... ok");
    }
}

// B29
fn the_main_thread_gets_a_loop_by_itself_once() {
    let event_loop = get_event_loop().unwrap();
    assert!(!event_loop.is_running() && !event_loop.is_closed());
    assert!(Arc::ptr_eq(&event_loop, &get_event_loop().unwrap()));
    assert_eq!(event_loop.run_until_complete(async { 1 }).unwrap(), 1);
    event_loop.close().unwrap();
    // B35: a closed loop stays the one of its context.
    assert!(get_event_loop().unwrap().is_closed());
}

// B30
fn another_thread_gets_none() {
    let policy = policy::get_event_loop_policy();
    let ask = || policy.get_event_loop().unwrap_err().kind();
    let kind = thread::scope(|scope| scope.spawn(ask).join()).unwrap();
    assert_eq!(kind, ErrorKind::NoCurrentLoop);
    get_event_loop().unwrap().close().unwrap();
}

// B32
fn a_context_that_was_cleared_gets_none() {
    set_event_loop(None).unwrap();
    for _ in 0..2 {
        let error = get_event_loop().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoCurrentLoop);
        assert!(error.to_string().contains("main"), "{error}");
    }
    let event_loop = policy::new_event_loop().unwrap();
    set_event_loop(Some(event_loop.clone())).unwrap();
    assert!(Arc::ptr_eq(&get_event_loop().unwrap(), &event_loop));
    event_loop.close().unwrap();
}

// B34: asyncio turns the making off.
fn a_refused_set_leaves_the_making_on() {
    let closed = policy::new_event_loop().unwrap();
    closed.close().unwrap();
    assert_eq!(set_event_loop(Some(closed)).unwrap_err().kind(), ErrorKind::LoopClosed);
    get_event_loop().unwrap().close().unwrap();
}

// B53
fn a_refused_run_leaves_the_making_on() {
    struct Fails(Arc<dyn EventLoopPolicy>);
    impl EventLoopPolicy for Fails {
        fn base(&self) -> Option<&dyn EventLoopPolicy> {
            Some(&*self.0)
        }
        fn new_event_loop(&self) -> Result<Arc<dyn policy::EventLoop>, policy::Error> {
            Err(ErrorKind::LimitReached.into())
        }
    }
    let base = policy::get_event_loop_policy();
    let refused = with_event_loop_policy(Fails(base), || try_run(async {}));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::LimitReached);
    get_event_loop().unwrap().close().unwrap();
}

// B42: asyncio forgets it.
fn after_run_the_former_loop_is_back() {
    let former = get_event_loop().unwrap();
    policy::run(async {
        assert!(!Arc::ptr_eq(&get_event_loop().unwrap(), &former));
    });
    assert!(Arc::ptr_eq(&get_event_loop().unwrap(), &former));
    former.close().unwrap();
}

// B14, B42
fn after_run_a_context_without_a_loop_is_cleared() {
    policy::run(async {});
    assert_eq!(get_event_loop().unwrap_err().kind(), ErrorKind::NoCurrentLoop);
}

// B7
fn each_policy_makes_one_of_its_own() {
    let first = get_event_loop().unwrap();
    with_event_loop_policy(policy::DefaultEventLoopPolicy::new(), || {
        let second = get_event_loop().unwrap();
        assert!(!Arc::ptr_eq(&first, &second));
        second.close().unwrap();
    });
    assert!(Arc::ptr_eq(&get_event_loop().unwrap(), &first));
    first.close().unwrap();
}
