//! What Ctrl-C does to a run, which it does on the main thread only: so this file is its
//! own harness, and each story a process that is sent SIGINT.
#![allow(
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics, and signals are raw"
)]

#[cfg(not(unix))]
fn main() {
    println!("skipped: there is no SIGINT here");
}

#[cfg(unix)]
fn main() {
    unix::main();
}

#[cfg(unix)]
#[path = "signal_support/mod.rs"]
mod signal_support;

#[cfg(unix)]
mod unix {
    use std::env;
    use std::fs;
    use std::future::pending;
    use std::io::{BufRead, BufReader, Read};
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::pin::pin;
    use std::process::{Child, ChildStdout, Command, Stdio};
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::thread;
    use std::time::{Duration, Instant};

    use futures_lite::future::poll_once;
    use policy::signal::{SignalKind, ctrl_c};
    use policy::{ErrorKind, Runner};

    use crate::signal_support::{disposition, kill_me, set_disposition};

    const LONG: Duration = Duration::from_secs(60);
    const STORY: &str = "POLICY_SIGNAL_STORY";
    const INT: SignalKind = SignalKind::interrupt();

    /// What a process does, and what is seen of it from outside.
    struct Story {
        name: &'static str,
        inside: fn(),
        outside: fn(Seen),
    }

    const STORIES: [Story; 13] = [
        Story {
            name: "the_first_ctrl_c_cleans_up_and_then_the_process_dies_of_it",
            inside: || policy::run(with_guards()),
            outside: |mut seen| {
                seen.until("ready");
                seen.interrupt();
                let (said, status) = seen.end();
                assert!(said.contains("main dropped") && said.contains("task dropped"), "{said}");
                assert_eq!(status.signal(), Some(libc::SIGINT));
            },
        },
        Story {
            name: "try_run_says_that_it_was_interrupted",
            inside: || {
                let error = policy::try_run(with_guards()).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Interrupted);
                println!("interrupted: {error}");
                // The signal is what it was, and another run can be.
                assert_eq!(disposition(INT), libc::SIG_DFL);
                assert_eq!(policy::try_run(async { 7 }).unwrap(), 7);
                std::process::exit(7);
            },
            outside: |mut seen| {
                seen.until("ready");
                seen.interrupt();
                let (said, status) = seen.end();
                let at = |what: &str| said.find(what).unwrap_or_else(|| panic!("{what}: {said}"));
                assert!(at("main dropped") < at("interrupted: "));
                assert!(at("task dropped") < at("interrupted: "));
                assert_eq!(status.code(), Some(7));
            },
        },
        Story {
            name: "a_runner_is_usable_after_it_was_interrupted",
            inside: || {
                let mut runner = Runner::new();
                for _ in 0..3 {
                    let error = runner.run(with_guards()).unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Interrupted);
                    println!("interrupted");
                }
                runner.close().unwrap();
                println!("closed");
            },
            outside: |mut seen| {
                for _ in 0..3 {
                    seen.until("ready");
                    seen.interrupt();
                    seen.until("interrupted");
                }
                assert!(seen.end().1.success());
            },
        },
        Story {
            name: "the_second_ctrl_c_kills_while_the_first_is_dealt_with",
            inside: || {
                policy::run(async {
                    let _stuck = OnDrop(|| {
                        println!("cleaning up");
                        thread::sleep(LONG);
                        println!("cleaned up");
                    });
                    println!("ready");
                    pending::<()>().await;
                });
            },
            outside: |mut seen| {
                seen.until("ready");
                seen.interrupt();
                seen.until("cleaning up");
                seen.interrupt();
                let (said, status) = seen.end();
                assert!(!said.contains("cleaned up"));
                assert_eq!(status.signal(), Some(libc::SIGINT));
            },
        },
        Story {
            name: "the_second_ctrl_c_kills_also_where_the_loop_is_stuck",
            inside: || {
                policy::run(async {
                    println!("ready");
                    thread::sleep(LONG);
                    println!("slept");
                });
            },
            outside: |mut seen| {
                seen.until("ready");
                seen.interrupt();
                // The handler itself gives it up.
                seen.wait_until_not_caught();
                seen.interrupt();
                let (said, status) = seen.end();
                assert!(!said.contains("slept"));
                assert_eq!(status.signal(), Some(libc::SIGINT));
            },
        },
        Story {
            name: "a_program_that_listens_to_ctrl_c_decides",
            inside: || {
                let value = policy::run(async {
                    let pressed = ctrl_c();
                    println!("ready");
                    pressed.await.unwrap();
                    policy::time::sleep(Duration::from_millis(10)).await;
                    "decided"
                });
                println!("{value}");
            },
            outside: |mut seen| {
                seen.until("ready");
                seen.interrupt();
                seen.until("decided");
                assert!(seen.end().1.success());
            },
        },
        // The second was swallowed for as long as the future was in scope.
        Story {
            name: "a_ctrl_c_that_has_come_and_is_kept_leaves_the_second_alone",
            inside: || {
                policy::run(async {
                    let mut pressed = pin!(ctrl_c());
                    println!("listens");
                    pressed.as_mut().await.unwrap();
                    assert!(poll_once(pressed.as_mut()).await.is_none());
                    with_guards().await;
                });
            },
            outside: |mut seen| {
                seen.until("listens");
                seen.interrupt();
                seen.until("ready");
                seen.interrupt();
                let (said, status) = seen.end();
                assert!(said.contains("main dropped"), "{said}");
                assert_eq!(status.signal(), Some(libc::SIGINT));
            },
        },
        Story {
            name: "between_two_listeners_the_run_is_interrupted_and_cleans_up",
            inside: || {
                policy::run(async {
                    drop(ctrl_c());
                    with_guards().await;
                });
            },
            outside: |mut seen| {
                seen.until("ready");
                seen.interrupt();
                let (said, status) = seen.end();
                assert!(said.contains("main dropped"), "{said}");
                assert_eq!(status.signal(), Some(libc::SIGINT));
            },
        },
        // B70
        Story {
            name: "a_handler_that_is_there_is_left_alone",
            inside: || {
                static CALLS: AtomicUsize = AtomicUsize::new(0);
                extern "C" fn count(_: libc::c_int) {
                    CALLS.fetch_add(1, SeqCst);
                }
                let mine = count as extern "C" fn(libc::c_int) as libc::sighandler_t;
                set_disposition(INT, mine);
                let value = policy::run(async {
                    assert_eq!(disposition(INT), mine);
                    kill_me(INT);
                    policy::time::sleep(Duration::from_millis(10)).await;
                    "ok"
                });
                assert_eq!((CALLS.load(SeqCst), value), (1, "ok"));
                assert_eq!(disposition(INT), mine);
                // Also one that comes during a run.
                set_disposition(INT, libc::SIG_DFL);
                policy::run(async {
                    set_disposition(INT, mine);
                    kill_me(INT);
                    policy::time::sleep(Duration::from_millis(10)).await;
                });
                assert_eq!(CALLS.load(SeqCst), 2);
                assert_eq!(disposition(INT), mine);
            },
            outside: |seen| assert!(seen.end().1.success()),
        },
        Story {
            name: "an_ignored_ctrl_c_stays_ignored",
            inside: || {
                set_disposition(INT, libc::SIG_IGN);
                policy::run(async {
                    kill_me(INT);
                    policy::time::sleep(Duration::from_millis(10)).await;
                });
                assert_eq!(disposition(INT), libc::SIG_IGN);
            },
            outside: |seen| assert!(seen.end().1.success()),
        },
        Story {
            name: "a_runner_may_be_told_to_leave_it",
            inside: || {
                let mut runner = Runner::new().handle_sigint(false);
                runner.run(with_guards()).unwrap();
            },
            outside: |mut seen| {
                seen.until("ready");
                seen.interrupt();
                let (said, status) = seen.end();
                assert!(!said.contains("dropped"), "{said}");
                assert_eq!(status.signal(), Some(libc::SIGINT));
            },
        },
        // B64
        Story {
            name: "a_run_on_another_thread_leaves_it",
            inside: || {
                let _never = thread::spawn(|| policy::run(with_guards())).join();
            },
            outside: |mut seen| {
                seen.until("ready");
                seen.interrupt();
                let (said, status) = seen.end();
                assert!(!said.contains("dropped"), "{said}");
                assert_eq!(status.signal(), Some(libc::SIGINT));
            },
        },
        Story {
            name: "a_run_that_ends_leaves_everything_as_it_was",
            inside: || {
                let count = |folder| fs::read_dir(folder).unwrap().count();
                policy::run(async {});
                // What loops and their reactors keep is there after the first.
                let before = (count("/proc/self/fd"), count("/proc/self/task"));
                for _ in 0..20 {
                    policy::run(policy::time::sleep(Duration::from_millis(1)));
                    assert_eq!(disposition(INT), libc::SIG_DFL);
                }
                let begun = Instant::now();
                while (count("/proc/self/fd"), count("/proc/self/task")) > before {
                    assert!(begun.elapsed() < LONG, "something is left");
                    thread::sleep(Duration::from_millis(10));
                }
            },
            outside: |seen| assert!(seen.end().1.success()),
        },
    ];

    struct OnDrop<F: FnMut()>(F);

    impl<F: FnMut()> Drop for OnDrop<F> {
        fn drop(&mut self) {
            (self.0)();
        }
    }

    async fn with_guards() {
        let _main = OnDrop(|| println!("main dropped"));
        drop(policy::spawn(async {
            let _task = OnDrop(|| println!("task dropped"));
            println!("task runs");
            pending::<()>().await;
        }));
        policy::time::sleep(Duration::from_millis(1)).await;
        println!("ready");
        pending::<()>().await;
    }

    pub(super) fn main() {
        if let Ok(story) = env::var(STORY) {
            policy::set_event_loop_policy(policy::from_env("EVENT_LOOP_POLICY").unwrap());
            let found = STORIES.iter().find(|found| found.name == story).unwrap();
            return (found.inside)();
        }
        // As libtest: a list for tools, and filters by name.
        let arguments: Vec<String> = env::args().skip(1).collect();
        let filters: Vec<_> = arguments.iter().filter(|arg| !arg.starts_with('-')).collect();
        let is_chosen = |name: &str| {
            filters.is_empty() || filters.iter().any(|filter| name.contains(&***filter))
        };
        for story in STORIES.iter().filter(|story| is_chosen(story.name)) {
            if arguments.iter().any(|argument| argument == "--list") {
                println!("{}: test", story.name);
                continue;
            }
            for policy in policy::policy_names() {
                // Shown if it fails.
                print!("test {} on {policy} ... ", story.name);
                (story.outside)(Seen::start(story.name, policy));
                println!("ok");
            }
        }
    }

    /// A process, seen from outside.
    struct Seen {
        child: Child,
        stdout: BufReader<ChildStdout>,
        said: String,
    }

    impl Seen {
        fn start(story: &str, policy: &str) -> Self {
            let mut command = Command::new(env::current_exe().unwrap());
            command.env(STORY, story).env("EVENT_LOOP_POLICY", policy).stdout(Stdio::piped());
            // Whatever this test inherited, as a background job does.
            unsafe {
                command.pre_exec(|| {
                    libc::signal(libc::SIGINT, libc::SIG_DFL);
                    Ok(())
                });
            }
            let mut child = command.spawn().unwrap();
            // A guard against hanging.
            let pid = child.id() as libc::pid_t;
            let begun = Instant::now();
            let stdout = BufReader::new(child.stdout.take().unwrap());
            thread::spawn(move || {
                while begun.elapsed() < LONG {
                    thread::sleep(Duration::from_millis(200));
                    if fs::metadata(format!("/proc/{pid}")).is_err() {
                        return;
                    }
                }
                unsafe { libc::kill(pid, libc::SIGKILL) };
            });
            Self { child, stdout, said: String::new() }
        }

        fn until(&mut self, line: &str) {
            loop {
                let mut read = String::new();
                let some = self.stdout.read_line(&mut read).unwrap();
                self.said.push_str(&read);
                assert!(some > 0, "it ended without saying {line:?}, but {:?}", self.said);
                if read.trim() == line {
                    return;
                }
            }
        }

        fn interrupt(&self) {
            assert_eq!(unsafe { libc::kill(self.child.id() as libc::pid_t, libc::SIGINT) }, 0);
        }

        fn wait_until_not_caught(&self) {
            let caught = || {
                let status =
                    fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
                let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
                u64::from_str_radix(mask.trim(), 16).unwrap() & (1 << (libc::SIGINT - 1)) != 0
            };
            let begun = Instant::now();
            while caught() {
                assert!(begun.elapsed() < LONG, "SIGINT is still caught");
                thread::sleep(Duration::from_millis(1));
            }
        }

        fn end(mut self) -> (String, std::process::ExitStatus) {
            self.stdout.read_to_string(&mut self.said).unwrap();
            (self.said, self.child.wait().unwrap())
        }
    }
}
