//! A watcher of children says whether a child has exited, and how.

use std::future::poll_fn;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_lite::future;
use policy::core::{ChildCallback, ChildId, ExitFuture};
use policy::process::Command;
use policy::time::timeout;
use policy::{ChildWatcher, Error, ErrorKind, EventLoop};

/// How it watches.
type Watch = fn(&ChildId) -> Result<ExitFuture, Error>;

#[derive(Debug)]
struct Lie(Watch);

impl ChildWatcher for Lie {
    fn watch(&self, child: &ChildId) -> Result<ExitFuture, Error> {
        (self.0)(child)
    }

    fn add_child_handler(&self, pid: u32, callback: ChildCallback) -> Result<(), Error> {
        // Of another child, and at once.
        callback(pid.wrapping_add(1), Ok(i32::MIN));
        Ok(())
    }

    fn remove_child_handler(&self, _: u32) -> bool {
        true
    }

    fn attach_loop(&self, _: Option<Arc<dyn EventLoop>>) -> Result<(), Error> {
        Ok(())
    }

    fn is_active(&self) -> bool {
        true
    }

    fn close(&self) {}
}

const LIES: [(&str, Watch); 6] = [
    ("it has exited", |_| Ok(ExitFuture::new(async { Ok(ExitStatus::from_raw(0)) }))),
    ("it has exited, again and again", |_| {
        Ok(ExitFuture::new(poll_fn(|_| Poll::Ready(Ok(ExitStatus::from_raw(i32::MIN))))))
    }),
    ("it never exits", |_| Ok(ExitFuture::new(future::pending()))),
    ("its status is lost", |_| Ok(ExitFuture::new(async { Err(ErrorKind::StatusLost.into()) }))),
    ("it can't be watched", |_| Err(ErrorKind::WatcherClosed.into())),
    ("it panics", |_| Ok(ExitFuture::new(async { panic!("the watcher panics") }))),
];

// Its word for an exit is taken; a signal to a process that was not meant is not.
#[test]
fn a_signal_reaches_the_child_that_was_meant_or_nobody() {
    for (lie, watch) in LIES {
        println!("{lie}");
        let policy = policy::from_name("default").unwrap();
        policy.set_child_watcher(Some(Arc::new(Lie(watch)))).unwrap();
        let mut runner = policy::Runner::with_policy(policy);
        let mut bystander = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        // What a watcher has said to have exited runs on.
        let mut left = None;
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            runner.run(async {
                let child = match Command::new("sleep").arg("1000").spawn() {
                    Ok(child) => child,
                    Err(error) => return println!("refused: {error}"),
                };
                left = Some(child.id());
                let waited = timeout(Duration::from_millis(20), child.wait()).await;
                println!("{waited:?}");
                // What is left of it ends.
                let killed = child.start_kill();
                println!("{killed:?}");
                if killed.is_ok() {
                    left = None;
                }
                println!("{:?}", timeout(Duration::from_millis(20), child.wait()).await);
            })
        }));
        println!("{:?}", ran.is_ok());
        // Nobody has reaped it, so that the number is still its own.
        if let Some(pid) = left {
            let said = std::process::Command::new("kill").args(["-9", &pid.to_string()]).output();
            println!("{:?}", said.unwrap().status);
        }
        assert_eq!(bystander.try_wait().unwrap(), None, "{lie}: it killed another");
        bystander.kill().unwrap();
        bystander.wait().unwrap();
    }
}
