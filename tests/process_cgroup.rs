//! Children in control groups: what they are limited to, and what is said where that can't be.
//!
//! Limits are proven by what the kernel does to a real child. Where it has a controller only as
//! version 1, that is skipped, with the reason.
#![cfg(all(target_os = "linux", feature = "default-loop"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

mod process_support;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use policy::process::{Cgroup, Command, Stdio, TreeReach};
use policy::{Error, ErrorKind};

use process_support::{eventually, groups_in, on_every_loop, sh, state_of, with_cgroup2};

/// Runs a story where control groups of version 2 are.
macro_rules! in_groups {
    ($($(#[$attr:meta])* fn $name:ident($mount:ident) $story:block)*) => {$(
        #[test]
        $(#[$attr])*
        fn $name() {
            with_cgroup2(stringify!($name), |$mount| $story);
        }
    )*};
}

/// Says whether the kernel has this controller for groups of version 2.
fn has(mount: &Path, controller: &str) -> bool {
    let all = fs::read_to_string(mount.join("cgroup.controllers")).unwrap();
    let has = all.split_ascii_whitespace().any(|one| one == controller);
    if !has {
        println!("skipped: no `{controller}` for control groups of version 2 here, only: {all}");
    }
    has
}

/// A group of the test's own.
struct Scratch(PathBuf);

impl Scratch {
    fn new(parent: &Path, name: &str) -> Self {
        let folder = parent.join(format!("policy-test-{}-{name}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        eventually("the group is empty", || fs::remove_dir(&self.0).is_ok());
    }
}

/// Says in which group it is, before anything else.
const SAYS_WHERE: &str = "sed -n 's/^0:://p' /proc/self/cgroup";

fn inside(mount: &Path, said: &[u8]) -> PathBuf {
    let path = String::from_utf8(said.to_vec()).unwrap();
    mount.join(path.trim().trim_start_matches('/'))
}

in_groups! {
    fn a_child_is_started_in_a_group_of_its_own_which_is_removed(mount) {
        on_every_loop(|| async {
            let limits = Cgroup::below(mount).set("cgroup.max.descendants", "0");
            let m = mount.display();
            let line = format!("g={m}$({SAYS_WHERE}); mkdir $g/more 2>&1 || echo refused; {SAYS_WHERE}");
            let output = sh(line).cgroup(limits).output().await.unwrap();
            let said = String::from_utf8(output.stdout).unwrap();
            let group = inside(mount, said.lines().last().unwrap().as_bytes());
            assert!(group.to_string_lossy().contains("/policy-tree-"), "{said}");
            assert!(said.contains("refused"), "the limit holds: {said}");
            eventually("the group is removed", || !group.exists());
        });
    }

    fn a_group_stays_for_a_child_that_was_let_go_and_goes_with_it(mount) {
        on_every_loop(|| async {
            let child = sh("exec sleep 1000").cgroup(Cgroup::below(mount)).spawn().unwrap();
            let pid = child.id();
            assert_eq!(child.tree_reach(), TreeReach::Child);
            drop(child);
            assert_eq!(groups_in(mount).len(), 1);
            let members = fs::read_to_string(mount.join(&groups_in(mount)[0]).join("cgroup.procs"));
            assert_eq!(members.unwrap().trim(), pid.to_string());
            rustix::process::kill_process(
                rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(),
                rustix::process::Signal::KILL,
            )
            .unwrap();
            eventually("the group is removed", || groups_in(mount).is_empty());
        });
    }

    fn a_start_that_fails_leaves_no_group(mount) {
        on_every_loop(|| async {
            for kills in [false, true] {
                let mut command = Command::new("/no/such/program");
                command.cgroup(Cgroup::below(mount)).kill_tree(kills);
                assert_eq!(command.spawn().unwrap_err().io_kind(), Some(std::io::ErrorKind::NotFound));
                assert_eq!(groups_in(mount), [""; 0]);
            }
        });
    }

    fn what_a_child_starts_is_killed_by_its_group(mount) {
        on_every_loop(|| async {
            let mut command = sh("(setsid sleep 1000 & ); echo; exec sleep 1000");
            command.cgroup(Cgroup::below(mount)).kill_tree(true).stdout(Stdio::piped());
            let mut child = command.spawn().unwrap();
            assert_eq!(child.tree_reach(), TreeReach::Cgroup);
            let mut line = [0];
            let mut stdout = child.stdout.take().unwrap();
            futures_lite::AsyncReadExt::read_exact(&mut stdout, &mut line).await.unwrap();
            child.kill().await.unwrap();
            drop(child);
            eventually("the group is removed", || groups_in(mount).is_empty());
        });
    }

    fn a_bomb_of_forks_is_stopped_by_the_limit_of_processes(mount) {
        if !has(mount, "pids") {
            return;
        }
        on_every_loop(|| async {
            let mut command = sh("while :; do sleep 1000 & done");
            command.cgroup(Cgroup::below(mount).pids_max(5)).kill_tree(true).kill_on_drop(true);
            let child = command.stderr(Stdio::null()).spawn().unwrap();
            // The shell gives up at the fork that is refused.
            assert_eq!(child.wait().await.unwrap().code(), Some(2));
            let group = mount.join(&groups_in(mount)[0]);
            let events = fs::read_to_string(group.join("pids.events")).unwrap();
            assert!(!events.contains("max 0\n"), "{events}");
            assert_eq!(fs::read_to_string(group.join("cgroup.procs")).unwrap().lines().count(), 4);
            drop(child);
            eventually("the group is removed", || groups_in(mount).is_empty());
        });
    }

    fn a_child_for_which_there_is_no_room_is_an_error_and_not_a_child_elsewhere(mount) {
        if !has(mount, "pids") {
            return;
        }
        fs::write(mount.join("cgroup.subtree_control"), "+pids").unwrap();
        let full = Scratch::new(mount, "full");
        fs::write(full.0.join("pids.max"), "0").unwrap();
        on_every_loop(|| async {
            // Joining from outside, a process may exceed the limit; born there, it may not.
            let error = Command::new("true").cgroup(Cgroup::existing(&full.0)).spawn().unwrap_err();
            assert_eq!(error.io_kind(), Some(std::io::ErrorKind::WouldBlock), "{error:?}");
            assert!(error.to_string().contains("pids.max"), "{error}");
        });
    }

    fn memory_is_limited_and_the_child_killed(mount) {
        if !has(mount, "memory") {
            return;
        }
        on_every_loop(|| async {
            let limits = Cgroup::below(mount).memory_max(16 << 20);
            // It keeps all of a line that never ends.
            let mut command = Command::new("tail");
            let status = command.arg("/dev/zero").cgroup(limits).status().await.unwrap();
            assert_eq!(status.signal(), Some(9), "{status}");
        });
    }

    fn a_child_without_any_memory_is_an_error_and_this_process_lives(mount) {
        if !has(mount, "memory") {
            return;
        }
        on_every_loop(|| async {
            // For want of memory the kernel kills all who share that of its victim, which until it
            // is a program a child shares with us.
            for bytes in [0, 4096, 64 << 10] {
                let limits = Cgroup::below(mount).memory_max(bytes).set("memory.oom.group", "1");
                let mut command = Command::new("/bin/true");
                let ended = command.cgroup(limits).spawn();
                // It used to hang: the kernel kills nobody in the middle of `vfork`.
                match ended {
                    Ok(child) => {
                        let status = child.wait().await.unwrap();
                        assert!(matches!(status.signal(), Some(9 | 11)), "{bytes}: {status}");
                    }
                    Err(error) => is_said(&error, ErrorKind::Io, "can't start"),
                }
            }
        });
        eventually("the groups are removed", || groups_in(mount).is_empty());
    }

    fn processor_time_is_limited(mount) {
        if !has(mount, "cpu") {
            return;
        }
        on_every_loop(|| async {
            let (quota, period) = (Duration::from_millis(10), Duration::from_millis(100));
            let limits = Cgroup::below(mount).cpu_max(quota, period);
            let begun = Instant::now();
            let mut command = sh("while :; do :; done");
            let output = command.cgroup(limits).timeout(Duration::from_secs(1)).output().await.unwrap();
            let used = output.usage().unwrap().user_time + output.usage().unwrap().system_time;
            assert!(used < begun.elapsed() * 3 / 10, "{used:?} of {:?}", begun.elapsed());
        });
    }

    fn a_controller_is_passed_on_to_the_group(mount) {
        if !has(mount, "hugetlb") {
            return;
        }
        on_every_loop(|| async {
            let m = mount.display();
            let line = format!("cat {m}$({SAYS_WHERE})/hugetlb.2MB.max");
            let limits = Cgroup::below(mount).set("hugetlb.2MB.max", "4194304");
            let output = sh(line).cgroup(limits).output().await.unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), "4194304\n");
        });
    }

    fn a_group_that_exists_is_joined_and_left_as_it_was(mount) {
        on_every_loop(|| async {
            let there = Scratch::new(mount, "there");
            let folder = fs::File::open(&there.0).unwrap();
            for cgroup in [Cgroup::existing(&there.0), Cgroup::existing_fd(folder)] {
                let output = sh(SAYS_WHERE).cgroup(cgroup.clone()).output().await.unwrap();
                assert_eq!(inside(mount, &output.stdout), there.0);

                // A tree in it is killed alone.
                let mut other = sh("exec sleep 1000");
                let other = other.cgroup(cgroup.clone()).kill_on_drop(true).spawn().unwrap();
                let mut tree = sh("exec sleep 1000");
                let tree = tree.cgroup(cgroup).kill_tree(true).spawn().unwrap();
                assert_eq!(tree.tree_reach(), TreeReach::Cgroup);
                tree.kill().await.unwrap();
                assert!(other.try_wait().unwrap().is_none());
                drop(tree);
                other.kill().await.unwrap();
            }
            assert!(there.0.exists());
        });
    }

    fn what_stands_in_the_way_is_said_with_the_remedy(mount) {
        let there = Scratch::new(mount, "there");
        let busy = Scratch::new(&there.0, "busy");
        let sleeper = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        fs::write(busy.0.join("cgroup.procs"), sleeper.id().to_string()).unwrap();
        let version_1 = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup/cpu"].into_iter().find(|v1| Path::new(v1).exists());
        let cases: Vec<(Cgroup, ErrorKind, &str)> = vec![
            (Cgroup::below("/tmp"), ErrorKind::InvalidInput, "name a folder"),
            (Cgroup::existing("/tmp"), ErrorKind::InvalidInput, "name a folder"),
            (Cgroup::below(version_1.unwrap_or("/tmp")), ErrorKind::InvalidInput, "version 2"),
            (Cgroup::below(mount.join("none")), ErrorKind::Io, "check that it is there"),
            (Cgroup::below(mount).set("nonsense.max", "1"), ErrorKind::Unsupported, "cgroup.subtree_control"),
            (Cgroup::below(mount).set("cgroup.max.depth", "deep"), ErrorKind::InvalidInput, "documentation"),
            (Cgroup::below(mount).set("cgroup.freeze", "1"), ErrorKind::InvalidInput, "name a file"),
            (Cgroup::below(mount).set("../x.y", "1"), ErrorKind::InvalidInput, "name a file"),
            (Cgroup::existing(&there.0).pids_max(1), ErrorKind::InvalidInput, "Cgroup::below"),
        ];
        on_every_loop(|| async {
            for (cgroup, kind, remedy) in &cases {
                let error = Command::new("true").cgroup(cgroup.clone()).spawn().unwrap_err();
                is_said(&error, *kind, remedy);
                let error = Command::new("true").cgroup(cgroup.clone()).status().await.unwrap_err();
                is_said(&error, *kind, remedy);
            }
            assert_eq!(groups_in(mount), [""; 0]);
        });
        if has(mount, "hugetlb") {
            fs::write(mount.join("cgroup.subtree_control"), "+hugetlb").unwrap();
            fs::write(there.0.join("cgroup.subtree_control"), "+hugetlb").unwrap();
            on_every_loop(|| async {
                let limits = Cgroup::below(&busy.0).set("hugetlb.2MB.max", "0");
                let error = Command::new("true").cgroup(limits).spawn().unwrap_err();
                is_said(&error, ErrorKind::Io, "processes are in it");
                let error = Command::new("true").cgroup(Cgroup::existing(&there.0)).spawn().unwrap_err();
                is_said(&error, ErrorKind::Io, "name one of those");
            });
            fs::write(there.0.join("cgroup.subtree_control"), "-hugetlb").unwrap();
        }
        let mut sleeper = sleeper;
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
    }

    fn a_frozen_group_is_refused_where_a_start_would_wait(mount) {
        let frozen = Scratch::new(mount, "frozen");
        fs::write(frozen.0.join("cgroup.freeze"), "1").unwrap();
        on_every_loop(|| async {
            for cgroup in [Cgroup::existing(&frozen.0), Cgroup::below(&frozen.0)] {
                for kills in [false, true] {
                    let mut command = Command::new("true");
                    let error = command.cgroup(cgroup.clone()).kill_tree(kills).spawn().unwrap_err();
                    is_said(&error, ErrorKind::InvalidInput, "thaw it");
                }
            }
            assert_eq!(groups_in(&frozen.0), [""; 0]);
        });
    }

    fn a_group_for_threads_takes_no_child_and_the_step_is_named(mount) {
        let top = Scratch::new(mount, "threads");
        let (threaded, invalid) = (Scratch::new(&top.0, "a"), Scratch::new(&top.0, "b"));
        fs::write(threaded.0.join("cgroup.type"), "threaded").unwrap();
        on_every_loop(|| async {
            // Born there it can't be, and it can't join later.
            for kills in [false, true] {
                let mut command = Command::new("true");
                let error = command.cgroup(Cgroup::existing(&invalid.0)).kill_tree(kills).spawn();
                let error = error.unwrap_err();
                is_said(&error, ErrorKind::Io, "it can't join its control group");
                assert_eq!(error.io_error().unwrap().raw_os_error(), Some(95), "{error:?}");
            }
        });
    }

    fn a_tree_does_without_a_group_that_nobody_asked_for(mount) {
        // This process's own, below which no process can be.
        let top = Scratch::new(mount, "own");
        let threaded = Scratch::new(&top.0, "a");
        fs::write(threaded.0.join("cgroup.type"), "threaded").unwrap();
        fs::write(top.0.join("cgroup.procs"), "0").unwrap();
        on_every_loop(|| async {
            let mut child = sh("sleep 1000 & echo $!; wait");
            let mut child = child.kill_tree(true).stdout(Stdio::piped()).spawn().unwrap();
            assert_eq!(child.tree_reach(), TreeReach::Group);
            let mut said = String::new();
            let mut stdout = futures_lite::io::BufReader::new(child.stdout.take().unwrap());
            futures_lite::AsyncBufReadExt::read_line(&mut stdout, &mut said).await.unwrap();
            child.kill().await.unwrap();
            let sleeper = said.trim().parse().unwrap();
            eventually("it is gone", || matches!(state_of(sleeper), None | Some('Z' | 'X')));
            assert_eq!(groups_in(&top.0), [""; 0]);
        });
        fs::write(mount.join("cgroup.procs"), "0").unwrap();
    }
}

#[track_caller]
fn is_said(error: &Error, kind: ErrorKind, remedy: &str) {
    assert_eq!(error.kind(), kind, "{error:?}");
    assert!(error.to_string().contains(remedy), "{error}");
}
