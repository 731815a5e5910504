//! Killing a child and what descends from it, also what has left its group.
#![cfg(all(target_os = "linux", feature = "default-loop"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

mod process_support;

use std::time::Duration;

use policy::process::{Child, Command, Stdio};
use policy::time::{sleep, timeout};

use process_support::{groups_in, with_cgroup2};

/// A shell whose grandchild is the leader of a session of its own. Returns the shell
/// and the pid of the grandchild.
async fn shell_with_a_daemon() -> (Child, u32) {
    let mut child = Command::shell("setsid sh -c 'echo $$; exec sleep 1000' & wait")
        .kill_tree(true)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = Vec::new();
    let mut stdout = child.stdout.take().unwrap();
    while !line.ends_with(b"\n") {
        let mut byte = [0];
        let read = futures_lite::AsyncReadExt::read(&mut stdout, &mut byte).await.unwrap();
        assert_eq!(read, 1, "the daemon says who it is");
        line.push(byte[0]);
    }
    (child, String::from_utf8(line).unwrap().trim().parse().unwrap())
}

/// Waits until a process is gone, or a zombie that its new parent has yet to reap.
async fn is_gone(pid: u32) {
    let gone = async {
        loop {
            match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
                Ok(stat) if !stat.contains(") Z") && !stat.contains(") X") => {}
                _ => return,
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(30), gone).await.unwrap();
}

fn on_every_loop(test: impl AsyncFn()) {
    for name in policy::policy_names() {
        policy::with_event_loop_policy(policy::from_name(name).unwrap(), || policy::run(test()));
    }
}

#[test]
fn killing_a_tree_reaches_a_daemon_that_left_the_group() {
    on_every_loop(async || {
        let (child, daemon) = shell_with_a_daemon().await;
        child.kill().await.unwrap();
        is_gone(daemon).await;
    });
}

#[test]
fn terminating_a_tree_asks_a_daemon_that_left_the_group() {
    on_every_loop(async || {
        // The shell ends when its daemon has.
        let line = "setsid sh -c 'trap \"exit\" TERM; echo ready; while :; do sleep 0.01; done' &
            daemon=$!
            trap 'wait $daemon; exit 3' TERM
            wait $daemon";
        let mut child = Command::shell(line);
        let mut child = child.kill_tree(true).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        let mut stdout = futures_lite::io::BufReader::new(child.stdout.take().unwrap());
        futures_lite::AsyncBufReadExt::read_line(&mut stdout, &mut said).await.unwrap();
        assert_eq!(said, "ready\n");
        let status = child.terminate(Duration::from_secs(30)).await.unwrap();
        assert_eq!(status.code(), Some(3), "{status}");
    });
}

#[test]
fn the_grace_is_the_whole_trees() {
    on_every_loop(async || {
        // The shell ends at once, what it started needs its time. It used to be killed as
        // soon as the shell was gone.
        for daemon in ["", "setsid "] {
            let line = format!(
                "{daemon}sh -c 'trap \"sleep 0.3; echo cleaned; exit\" TERM; echo ready; while :; do sleep 0.01; done' & wait"
            );
            let mut child = Command::shell(line);
            let mut child = child.kill_tree(true).stdout(Stdio::piped()).spawn().unwrap();
            let mut stdout = futures_lite::io::BufReader::new(child.stdout.take().unwrap());
            let mut said = String::new();
            futures_lite::AsyncBufReadExt::read_line(&mut stdout, &mut said).await.unwrap();
            let begun = std::time::Instant::now();
            let status = child.terminate(Duration::from_secs(30)).await.unwrap();
            assert_eq!(
                std::os::unix::process::ExitStatusExt::signal(&status),
                Some(15),
                "{status}"
            );
            assert!(begun.elapsed() < Duration::from_secs(29), "the whole grace was waited for");
            let mut then = String::new();
            futures_lite::AsyncReadExt::read_to_string(&mut stdout, &mut then).await.unwrap();
            assert_eq!((&*said, &*then), ("ready\n", "cleaned\n"));
        }
    });
}

#[test]
fn what_left_the_group_and_ignores_the_request_is_killed_when_the_grace_is_over() {
    on_every_loop(async || {
        let line = "trap '' TERM; setsid sh -c 'echo $$; exec sleep 1000' & trap - TERM; wait";
        let mut child = Command::shell(line);
        let mut child = child.kill_tree(true).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        let mut stdout = futures_lite::io::BufReader::new(child.stdout.take().unwrap());
        futures_lite::AsyncBufReadExt::read_line(&mut stdout, &mut said).await.unwrap();
        let begun = std::time::Instant::now();
        child.terminate(Duration::from_millis(300)).await.unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(300));
        is_gone(said.trim().parse().unwrap()).await;
    });
}

#[test]
fn killing_a_tree_leaves_other_children_alone() {
    on_every_loop(async || {
        let (child, daemon) = shell_with_a_daemon().await;
        let innocent = Command::new("sleep").arg("1000").kill_on_drop(true).spawn().unwrap();
        child.start_kill().unwrap();
        is_gone(daemon).await;
        assert!(innocent.try_wait().unwrap().is_none());
        child.wait().await.unwrap();
    });
}

#[test]
fn a_tree_whose_root_has_ended_is_still_killed_by_its_group() {
    on_every_loop(async || {
        let mut child = Command::shell("sleep 1000 & echo $!")
            .kill_tree(true)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = futures_lite::io::BufReader::new(child.stdout.take().unwrap());
        futures_lite::AsyncBufReadExt::read_line(&mut stdout, &mut line).await.unwrap();
        child.wait().await.unwrap();
        child.start_kill().ok();
        is_gone(line.trim().parse().unwrap()).await;
    });
}

#[test]
fn a_tree_with_a_control_group_ends_to_the_last_daemon_and_leaves_no_group() {
    const ME: &str = "a_tree_with_a_control_group_ends_to_the_last_daemon_and_leaves_no_group";
    with_cgroup2(ME, |mount| {
        let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
        let own = mount.join(own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap());
        on_every_loop(async || {
            // Forked twice, so that nobody is its parent, and in a session of its own.
            let line = "(setsid sh -c 'echo $$; exec sleep 1000' & ); exec sleep 1000";
            let mut child = Command::shell(line);
            let mut child = child.kill_tree(true).stdout(Stdio::piped()).spawn().unwrap();
            let mut said = String::new();
            let mut stdout = futures_lite::io::BufReader::new(child.stdout.take().unwrap());
            futures_lite::AsyncBufReadExt::read_line(&mut stdout, &mut said).await.unwrap();
            assert_eq!(child.tree_reach(), policy::process::TreeReach::Cgroup);
            assert_eq!(groups_in(&own).len(), 1);
            child.kill().await.unwrap();
            is_gone(said.trim().parse().unwrap()).await;
            drop(child);
            while !groups_in(&own).is_empty() {
                sleep(Duration::from_millis(5)).await;
            }
        });
    });
}

#[test]
fn a_stopped_tree_is_asked_to_end_and_not_killed() {
    on_every_loop(async || {
        // It used to take no notice until its grace was over.
        let line = "trap 'exit 3' TERM; echo ready; kill -STOP $$; sleep 1000";
        let mut child = Command::shell(line);
        let mut child = child.kill_tree(true).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        let mut stdout = futures_lite::io::BufReader::new(child.stdout.take().unwrap());
        futures_lite::AsyncBufReadExt::read_line(&mut stdout, &mut said).await.unwrap();
        while process_support::state_of(child.id()) != Some('T') {
            sleep(Duration::from_millis(2)).await;
        }
        let status = child.terminate(Duration::from_secs(30)).await.unwrap();
        assert_eq!(status.code(), Some(3), "{status}");
    });
}
