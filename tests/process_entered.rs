//! Children under a tokio runtime of one thread that was entered, and that nobody runs.
#![cfg(all(unix, feature = "tokio"))]
#![allow(missing_docs, clippy::unwrap_used, reason = "a test that fails panics")]

mod process_support;

use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

use futures_lite::future::block_on;
use policy::process::{Command, Stdio};

use process_support::{LONG, sh, watchers};

/// Runs a story inside of the runtime, and on another executor.
fn entered<F: Future<Output = ()>>(story: impl FnOnce() -> F + Send + 'static) {
    // One at a time: the watcher is the process's, and one that is replaced is closed.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (said, heard) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _entered = runtime.enter();
        block_on(story());
        said.send(()).unwrap();
    });
    let told = heard.recv_timeout(LONG);
    assert!(told.is_ok() || thread.is_finished(), "it hangs, as it did");
    thread.join().unwrap();
}

#[test]
fn a_child_is_awaited() {
    for (name, watcher) in watchers() {
        println!("{name}");
        let watcher = watcher();
        entered(move || async move {
            policy::set_child_watcher(watcher).unwrap();
            let child = sh("read line; exit 7").stdin(Stdio::piped()).spawn().unwrap();
            // Pending at first, so that something has to wake it.
            assert_eq!(child.wait().await.unwrap().code(), Some(7));
            let output = sh("sleep 0.05; echo said").output().await.unwrap();
            assert_eq!(output.stdout, b"said\n");
        });
    }
}

#[test]
fn a_child_is_killed_after_its_grace() {
    entered(|| async {
        let child = sh("trap '' TERM; while :; do sleep 0.01; done").spawn().unwrap();
        child.terminate(Duration::from_millis(50)).await.unwrap();
    });
}

#[test]
fn a_handler_is_called() {
    entered(|| async {
        let child = Command::new("sleep").arg("1000").spawn().unwrap();
        let (said, heard) = mpsc::channel();
        let watcher = policy::get_child_watcher().unwrap();
        let say: policy::ChildCallback = Box::new(move |_, code| said.send(code.unwrap()).unwrap());
        watcher.add_child_handler(child.id(), say).unwrap();
        child.start_kill().unwrap();
        assert_eq!(heard.recv_timeout(LONG).unwrap(), -9);
    });
}
