//! A child that calls itself what a reader of `/proc` could take for something else.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails panics")]

use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;

use policy::process::Command;
use policy::{
    AutoChildWatcher, ChildWatcher, MultiLoopChildWatcher, PidfdChildWatcher, Runner,
    ThreadedChildWatcher,
};

#[test]
fn a_child_is_the_one_that_was_meant_whatever_it_calls_itself() {
    let folder = tempfile::tempdir().unwrap();
    // Its state, its parent and its start would be read from here, if a parenthesis ended it.
    for name in [") Z 1 1 1 1", "(", ")", ") (", "\n) Z 0", "\u{fe}\u{ff}"] {
        let program = folder.path().join(name);
        std::fs::copy("/bin/sleep", &program).unwrap();
        let watchers: [Arc<dyn ChildWatcher>; 4] = [
            Arc::new(AutoChildWatcher::new()),
            Arc::new(PidfdChildWatcher::new()),
            Arc::new(ThreadedChildWatcher::new()),
            Arc::new(MultiLoopChildWatcher::new()),
        ];
        for watcher in watchers {
            println!("{name:?}, {watcher:?}");
            let policy = policy::from_name("default").unwrap();
            policy.set_child_watcher(Some(watcher)).unwrap();
            let mut runner = Runner::with_policy(policy);
            runner
                .run(async {
                    let child = Command::new(&program).arg("1000").spawn().unwrap();
                    let by_number = policy::process::watch(child.id());
                    assert!(child.try_wait().unwrap().is_none(), "it has not exited");
                    child.start_kill().unwrap();
                    assert_eq!(child.wait().await.unwrap().signal(), Some(9));
                    println!("{:?}", by_number.await);
                })
                .unwrap();
        }
    }
}
