//! Many children, waited for at once.
#![cfg(all(target_os = "linux", feature = "default-loop"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

mod process_support;

use std::time::Duration;

use policy::process::{Child, Stdio, watch_all};
use policy::time::timeout;

use process_support::{eventually, everywhere, fds, nothing_is_left_everywhere, sh, state_of};

/// A child that exits when its stdin is closed.
fn waiting(code: usize) -> Child {
    sh(format!("read _; exit {code}")).stdin(Stdio::piped()).spawn().unwrap()
}

#[test]
fn exits_come_in_the_order_in_which_the_children_exit() {
    everywhere(|| async {
        let mut children: Vec<Child> = (0..20).map(waiting).collect();
        let mut exits = watch_all(&children);
        assert_eq!(exits.len(), 20);
        // Not that of the list.
        for number in (0..20).map(|n| (n * 7) % 20) {
            drop(children[number].stdin.take());
            let (pid, status) = exits.next().await.unwrap();
            assert_eq!(pid, children[number].id());
            assert_eq!(status.unwrap().code(), Some(number as i32));
        }
        assert!(exits.is_empty() && exits.next().await.is_none());
    });
}

#[test]
fn exits_that_nobody_asked_for_meanwhile_come_in_order_where_the_kernel_tells() {
    everywhere(|| async {
        let mut children: Vec<Child> = (0..10).map(waiting).collect();
        let mut exits = watch_all(&children);
        assert!(timeout(Duration::from_millis(5), exits.next()).await.is_err(), "all wait");
        for child in children.iter_mut().rev() {
            drop(child.stdin.take());
            eventually("it has exited", || matches!(state_of(child.id()), None | Some('Z')));
        }
        let mut pids = Vec::new();
        while let Some((pid, status)) = exits.next().await {
            status.unwrap();
            pids.push(pid);
        }
        let expected: Vec<u32> = children.iter().rev().map(Child::id).collect();
        assert_eq!(pids, expected);
    });
}

#[test]
fn children_may_be_added_and_may_have_exited_and_be_waited_for_elsewhere() {
    everywhere(|| async {
        let over = waiting(1);
        over.wait().await.unwrap();
        let mut exits = watch_all([&over]);
        let late = sh("exit 2").spawn().unwrap();
        exits.push(&late);
        exits.push(&late);
        let mut codes = Vec::new();
        while let Some((_, status)) = exits.next().await {
            codes.push(status.unwrap().code().unwrap());
        }
        assert_eq!(codes, [1, 2, 2]);
        assert_eq!(late.wait().await.unwrap().code(), Some(2));
        assert_eq!(late.returncode(), Some(2));
        assert!(watch_all([]).next().await.is_none());
    });
}

alone! {
    fn all_of_them_take_one_descriptor() {
        policy::run(async {
            let children: Vec<Child> = (0..50).map(waiting).collect();
            if std::fs::read_link(format!("/proc/self/fd/{}", 0)).is_err() {
                println!("skipped: no /proc");
            }
            let before = fds();
            let mut exits = watch_all(&children);
            assert!(timeout(Duration::from_millis(5), exits.next()).await.is_err());
            assert!(fds() <= before + 1, "{} more", fds() - before);
            for child in &children {
                child.start_kill().unwrap();
            }
            let mut count = 0;
            while let Some((_, status)) = exits.next().await {
                assert!(!status.unwrap().success());
                count += 1;
            }
            assert_eq!(count, 50);
        });
    }

    fn exits_leave_nothing() {
        nothing_is_left_everywhere(|| async {
            let children: Vec<Child> = (0..20).map(waiting).collect();
            let mut exits = watch_all(&children);
            drop(children);
            for _ in 0..10 {
                exits.next().await.unwrap().1.unwrap();
            }
            // The rest is not waited for.
        });
    }
}
