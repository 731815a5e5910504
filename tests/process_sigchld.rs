//! SIGCHLD, which belongs to the whole process: each story in a process of its own.
#![cfg(all(unix, feature = "default-loop"))]
#![allow(
    missing_docs,
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::zombie_processes,
    reason = "a test that fails panics, and sets signal handlers"
)]

mod process_support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;
use std::time::Duration;

use policy::process::{Command, Stdio};
use policy::{
    ChildWatcher, ErrorKind, FastChildWatcher, MultiLoopChildWatcher, Runner, SafeChildWatcher,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use process_support::{
    LONG, census, children, eventually, fds, nothing_is_left, policy_with, settle, sh, state_of,
    watchers,
};

static CALLS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: libc::c_int) {
    CALLS.fetch_add(1, SeqCst);
}

fn handle_with(handler: libc::sighandler_t) -> libc::sighandler_t {
    unsafe { libc::signal(libc::SIGCHLD, handler) }
}

fn counting() -> libc::sighandler_t {
    count as extern "C" fn(libc::c_int) as libc::sighandler_t
}

fn run_with<T>(watcher: Arc<dyn ChildWatcher>, story: impl Future<Output = T>) -> T {
    let mut runner = Runner::with_policy(policy_with("default", watcher));
    runner
        .run(async { policy::time::timeout(LONG, story).await.expect("it does not hang") })
        .unwrap()
}

/// A process whose parent is gone.
async fn an_orphan() -> u32 {
    let output = sh("sleep 1000 > /dev/null 2>&1 & echo $!").output().await.unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

/// The processor time of the thread that watches, in nanoseconds.
#[cfg(target_os = "linux")]
fn time_of_the_watching_thread() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    let read = |task: &std::path::Path, file| std::fs::read_to_string(task.join(file)).ok();
    let times = tasks.filter_map(|task| {
        read(&task, "comm").filter(|name| name.trim() == "policy-sigchld")?;
        read(&task, "schedstat")?.split(' ').next()?.parse::<u64>().ok()
    });
    times.sum()
}

alone! {
    fn the_former_handler_is_called_and_put_back() {
        handle_with(counting());
        let watcher = MultiLoopChildWatcher::new();
        let before = CALLS.load(SeqCst);
        assert!(std::process::Command::new("true").status().unwrap().success());
        assert!(CALLS.load(SeqCst) > before);
        watcher.close();
        assert_eq!(handle_with(libc::SIG_DFL), counting());
        watcher.close();
    }

    fn a_handler_that_came_later_is_left_in_place() {
        let watcher = MultiLoopChildWatcher::new();
        handle_with(counting());
        drop(watcher);
        assert_eq!(handle_with(libc::SIG_DFL), counting());
    }

    fn a_replaced_handler_delays_and_loses_nothing() {
        for (name, watcher) in watchers() {
            println!("{name}");
            run_with(watcher(), async {
                handle_with(counting());
                let children: Vec<_> =
                    (0..20).map(|code| sh(format!("exit {code}")).spawn().unwrap()).collect();
                for (code, child) in (0..).zip(children) {
                    assert_eq!(child.wait().await.unwrap().code(), Some(code));
                }
            });
            handle_with(libc::SIG_DFL);
        }
    }

    fn a_signal_blocked_in_every_thread_hangs_nobody() {
        // Threads that are made from here on inherit it.
        let mut set = std::mem::MaybeUninit::uninit();
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            libc::sigaddset(set.as_mut_ptr(), libc::SIGCHLD);
            libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut());
        }
        for (name, watcher) in watchers() {
            println!("{name}");
            run_with(watcher(), async {
                for code in 0..20 {
                    let child = sh(format!("exit {code}")).spawn().unwrap();
                    assert_eq!(child.wait().await.unwrap().code(), Some(code));
                }
            });
        }
    }

    fn many_children_at_once_leave_half_of_the_descriptors_to_others() {
        const LIMIT: u64 = 400;
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(LIMIT), ..limit }).unwrap();
        let policy = policy_with("default", Arc::new(MultiLoopChildWatcher::new()));
        let mut runner = Runner::with_policy(policy);
        runner.run(async {
            let before = fds();
            let most = before + usize::try_from(LIMIT).unwrap() / 2 + 64;
            let mut children = Vec::new();
            for _ in 0..1_000 {
                let mut command = Command::new("sleep");
                children.push(command.arg("1000").kill_on_drop(true).spawn().unwrap());
                assert!(fds() <= most, "{} descriptors", fds() - before);
            }
            assert!(fds() <= before + 16, "{} descriptors", fds() - before);
            for child in &children {
                child.start_kill().unwrap();
            }
            for child in &children {
                child.wait().await.unwrap();
                assert_eq!(child.returncode(), Some(-9));
            }
        }).unwrap();
    }

    // All were gone through by the kernel, twice for each exit: 1.7 ms with 8,000.
    #[cfg(target_os = "linux")]
    fn an_exit_costs_about_the_same_however_many_children_live() {
        const EXITS: usize = 50;
        const ROUNDS: usize = 5;
        let limit = getrlimit(Resource::Nofile);
        if limit.maximum.is_some_and(|most| most < 8_000) {
            return println!("skipped: few descriptors, so that children are known by numbers");
        }
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
        if !policy::PidfdChildWatcher::new().is_active() {
            return println!("skipped: no pidfds here");
        }
        let all: [(&str, Arc<dyn ChildWatcher>); 2] = [
            ("multi-loop", Arc::new(MultiLoopChildWatcher::new())),
            ("fast", Arc::new(FastChildWatcher::new())),
        ];
        for (name, watcher) in all {
            let start = |_| {
                let mut command = Command::new("sleep");
                command.arg("1000").kill_on_drop(true).spawn().unwrap()
            };
            let (mut living, mut costs) = (Vec::new(), Vec::new());
            for live in [0, 6_000] {
                // Each within the time of a story, also on a machine that has much else to do.
                while living.len() < live {
                    run_with(watcher.clone(), async { living.extend((0..1_000).map(start)) });
                }
                let mut rounds = Vec::new();
                for _ in 0..ROUNDS {
                    run_with(watcher.clone(), async {
                        let ending: Vec<_> = (0..EXITS).map(start).collect();
                        let before = time_of_the_watching_thread();
                        for child in &ending {
                            child.start_kill().unwrap();
                            assert!(!child.wait().await.unwrap().success());
                        }
                        rounds.push(time_of_the_watching_thread() - before);
                    });
                }
                // What else the machine does makes an exit dearer, never cheaper.
                costs.extend(rounds.into_iter().min());
            }
            println!("{name}: {costs:?} ns for {EXITS} exits");
            let [alone, beside] = costs[..] else { panic!("{costs:?}") };
            assert!(beside < alone * 5, "{name}: {costs:?}");
            drop(living);
            watcher.close();
            eventually("all are reaped", || children().is_empty());
        }
    }

    fn a_zombie_of_others_in_front_hides_nobody() {
        let mut theirs = std::process::Command::new("sh").args(["-c", "exit 9"]).spawn().unwrap();
        eventually("it exits", || state_of(theirs.id()) == Some('Z'));
        run_with(Arc::new(MultiLoopChildWatcher::new()), async {
            for code in 0..20 {
                let child = sh(format!("exit {code}")).spawn().unwrap();
                assert_eq!(child.wait().await.unwrap().code(), Some(code));
            }
        });
        assert_eq!(theirs.wait().unwrap().code(), Some(9));
    }

    fn a_safe_watcher_needs_a_loop_in_the_main_thread() {
        let watcher: Arc<dyn ChildWatcher> = Arc::new(SafeChildWatcher::new());
        assert!(!watcher.is_active());
        // Tests never run in the main thread.
        let mut runner = Runner::with_policy(policy_with("default", watcher.clone()));
        let error = runner.run(async { Command::new("true").spawn().unwrap_err() }).unwrap();
        assert_eq!(error.kind(), ErrorKind::WatcherInactive);
        assert!(children().is_empty());
        // Attached by hand, the loop is taken for the main one's.
        watcher.attach_loop(Some(runner.get_loop().unwrap())).unwrap();
        assert!(!watcher.is_active());
        let code = runner.run(async {
            sh("exit 3").spawn().unwrap().wait().await.unwrap().code()
        });
        assert_eq!(code.unwrap(), Some(3));
        watcher.attach_loop(None).unwrap();
        assert!(!watcher.is_active());
        let closed = policy::new_event_loop().unwrap();
        closed.close().unwrap();
        let error = watcher.attach_loop(Some(closed)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LoopClosed);
    }

    fn a_fast_watcher_reaps_all_and_hands_over_what_came_early() {
        let watcher: Arc<dyn ChildWatcher> = Arc::new(FastChildWatcher::new());
        run_with(watcher.clone(), async {
            for code in 0..100 {
                let child = sh(format!("exit {code}")).spawn().unwrap();
                assert_eq!(child.wait().await.unwrap().code(), Some(code));
            }
        });
        // Registered when it has gone already.
        let theirs = std::process::Command::new("sh").args(["-c", "exit 9"]).spawn().unwrap();
        eventually("it is reaped", || state_of(theirs.id()).is_none());
        let (said, heard) = mpsc::channel();
        watcher
            .add_child_handler(theirs.id(), Box::new(move |pid, code| {
                said.send((pid, code.unwrap())).unwrap();
            }))
            .unwrap();
        assert_eq!(heard.recv_timeout(LONG).unwrap(), (theirs.id(), 9));
    }

    fn a_subreaper_reaps_orphans_and_leaves_others_alone() {
        use policy::SubreaperChildWatcher;
        let watcher = Arc::new(SubreaperChildWatcher::with_grace(Duration::from_millis(300)));
        run_with(watcher.clone(), async {
            let registered = sh("exit 8").spawn().unwrap();
            // 20 whose parent exits first.
            let line = "i=0; while [ $i -lt 20 ]; do (sleep 0.05 &) ; i=$((i+1)); done";
            assert!(sh(line).status().await.unwrap().success());
            let mut theirs =
                std::process::Command::new("sh").args(["-c", "exit 9"]).spawn().unwrap();
            assert_eq!(theirs.wait().unwrap().code(), Some(9));
            assert_eq!(registered.wait().await.unwrap().code(), Some(8));
        });
        eventually("no orphan is left", || children().is_empty());
        watcher.close();
    }

    fn orphans_go_on_coming_when_one_of_two_subreapers_is_gone() {
        use policy::SubreaperChildWatcher;
        let first = SubreaperChildWatcher::with_grace(Duration::ZERO);
        let second: Arc<dyn ChildWatcher> =
            Arc::new(SubreaperChildWatcher::with_grace(Duration::ZERO));
        // It took the process's being one with it, though the second was open.
        drop(first);
        run_with(second.clone(), async {
            let orphan = an_orphan().await;
            eventually("it has come to us", || children().iter().any(|(pid, _)| *pid == orphan));
            unsafe { libc::kill(orphan as i32, libc::SIGKILL) };
        });
        eventually("no orphan is left", || children().is_empty());
        second.close();
        let mut is_subreaper: libc::c_int = -1;
        unsafe { libc::prctl(libc::PR_GET_CHILD_SUBREAPER, &raw mut is_subreaper) };
        assert_eq!(is_subreaper, 0, "as it was before");
    }

    fn orphans_are_reaped_that_stand_behind_the_zombie_of_another_watcher() {
        use policy::{ChildId, PidfdChildWatcher, SubreaperChildWatcher};
        let other = PidfdChildWatcher::new();
        if !other.is_active() {
            return println!("skipped: no pidfds here");
        }
        let watcher = Arc::new(SubreaperChildWatcher::with_grace(Duration::ZERO));
        let mut theirs = std::process::Command::new("sh");
        // Not before it is registered: an orphan is what nobody has come for.
        theirs.args(["-c", "read line; exit 9"]).stdin(Stdio::piped());
        let mut theirs = theirs.spawn().unwrap();
        // Nobody polls this now, so it stays in front.
        let exit = other.watch(&ChildId::from_pid(theirs.id())).unwrap();
        drop(theirs.stdin.take());
        eventually("it is a zombie", || state_of(theirs.id()) == Some('Z'));
        run_with(watcher.clone(), async {
            let orphan = an_orphan().await;
            unsafe { libc::kill(orphan as i32, libc::SIGKILL) };
            eventually("the orphan is reaped", || state_of(orphan).is_none());
            assert_eq!(exit.await.unwrap().code(), Some(9));
        });
        watcher.close();
    }

    fn handlers_are_called_replaced_and_removed_on_every_watcher() {
        let mut all = watchers();
        all.push(("fast", || Arc::new(FastChildWatcher::new())));
        for (name, watcher) in all {
            println!("{name}");
            let watcher = watcher();
            run_with(watcher.clone(), async {
                let (said, heard) = mpsc::channel();
                let handler = |word: &'static str| {
                    let said = said.clone();
                    let handler: policy::ChildCallback = Box::new(move |pid, code| {
                        said.send((word, pid, code.unwrap())).unwrap();
                    });
                    handler
                };
                let start = || {
                    std::process::Command::new("sh")
                        .args(["-c", "read line; exit 7"])
                        .stdin(Stdio::piped())
                        .spawn()
                        .unwrap()
                };
                let mut replaced = start();
                let pid = replaced.id();
                watcher.add_child_handler(pid, handler("first")).unwrap();
                watcher.add_child_handler(pid, handler("second")).unwrap();
                drop(replaced.stdin.take());
                let told = loop {
                    match heard.try_recv() {
                        Ok(told) => break told,
                        Err(_) => policy::time::sleep(Duration::from_millis(1)).await,
                    }
                };
                assert_eq!(told, ("second", pid, 7));
                assert!(!watcher.remove_child_handler(pid));

                let mut removed = start();
                let pid = removed.id();
                watcher.add_child_handler(pid, handler("third")).unwrap();
                assert!(watcher.remove_child_handler(pid));
                assert!(!watcher.remove_child_handler(pid));
                policy::time::sleep(Duration::from_millis(5)).await;
                drop(removed.stdin.take());
                if name != "fast" {
                    // Its owner has it back.
                    assert_eq!(removed.wait().unwrap().code(), Some(7));
                }
                // A panic ends no other's wait.
                let mut panics = start();
                watcher.add_child_handler(panics.id(), Box::new(|_, _| panic!("of the test"))).unwrap();
                let mut fine = start();
                watcher.add_child_handler(fine.id(), handler("fine")).unwrap();
                drop((panics.stdin.take(), fine.stdin.take()));
                let told = loop {
                    match heard.try_recv() {
                        Ok(told) => break told,
                        Err(_) => policy::time::sleep(Duration::from_millis(1)).await,
                    }
                };
                assert_eq!(told, ("fine", fine.id(), 7));
                let error = watcher.add_child_handler(1, handler("never")).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::NotOurChild);
                let error = watcher.add_child_handler(u32::MAX, handler("never")).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::NoSuchProcess);
            });
            watcher.close();
            let error = watcher.add_child_handler(1, Box::new(|_, _| ())).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::WatcherClosed);
        }
    }

    fn a_handler_is_called_also_when_its_loop_is_closed() {
        for (name, watcher) in watchers() {
            println!("{name}");
            let watcher = watcher();
            let (said, heard) = mpsc::channel();
            let mut child = std::process::Command::new("sh")
                .args(["-c", "read line; exit 7"])
                .stdin(Stdio::piped())
                .spawn()
                .unwrap();
            let pid = child.id();
            run_with(watcher.clone(), async {
                watcher
                    .add_child_handler(pid, Box::new(move |pid, code| {
                        said.send((pid, code.unwrap())).unwrap();
                    }))
                    .unwrap();
            });
            drop(child.stdin.take());
            assert_eq!(heard.recv_timeout(LONG).unwrap(), (pid, 7));
        }
    }

    fn nothing_is_left_of_a_sigchld_watcher() {
        for name in policy::policy_names() {
            nothing_is_left(name, "multi-loop", || Arc::new(MultiLoopChildWatcher::new()), || async {
                drop(sh("sleep 0.02").spawn().unwrap());
                assert!(Command::new("true").status().await.unwrap().success());
            });
        }
        settle();
        assert_eq!(handle_with(libc::SIG_DFL), libc::SIG_DFL);
        assert_eq!(census().children, 0);
    }
}
