//! Status integrity: whoever else waits, ignores, blocks, stops or traces.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use futures_lite::future::poll_once;
use futures_lite::io::{AsyncBufReadExt, BufReader};
use policy::process::{Child, Command, Stdio};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::causes::{self, Call, Thieves, refuse, steal};
use crate::helpers::helper;
use crate::inside::Place;
use crate::pace::Pace;
use crate::table::{
    AUTO, DEFAULT_LOOP, EACH_WATCHER_AND_LOOP, EACH_WATCHER_TWICE_AND_LOOP, LOOPS, Outcome, Row,
    Skip, TWO_LOOPS, WATCHERS, WITHOUT_PIDFD,
};
use crate::tools::{
    Barrier, LONG, check_code, code_of, eventually, kernel_keeps_statuses, logged, sh, state_of,
};

pub const ROWS: &[Row] = &[
    Row::new(
        "S1",
        "a foreign waitpid takes the status before our wait",
        EACH_WATCHER_TWICE_AND_LOOP,
        s1,
    ),
    Row::new(
        "S1 without pidfds",
        "the same, where nothing keeps the status: never a made-up one, never a hang",
        &[(DEFAULT_LOOP, WITHOUT_PIDFD), (LOOPS, AUTO)],
        s1_without_pidfds,
    )
    .once("a seccomp filter stays until the process ends"),
    Row::new(
        "S2",
        "two threads in waitpid(-1); 300 children (full: 5,000)",
        EACH_WATCHER_AND_LOOP,
        s2,
    ),
    Row::new(
        "S2 many",
        "the same, 1,000 alive at once (full: 2,000)",
        EACH_WATCHER_AND_LOOP,
        s2_many,
    ),
    Row::new("S3", "SIGCHLD is ignored; 200 children (full: 5,000)", EACH_WATCHER_AND_LOOP, s3),
    Row::new(
        "S3 from the start",
        "SIGCHLD was ignored before the program began",
        EACH_WATCHER_AND_LOOP,
        s3_cold,
    )
    .cold(),
    Row::new(
        "S5",
        "all 256 exit codes, every fatal signal, the core flag",
        EACH_WATCHER_AND_LOOP,
        s5,
    ),
    Row::new(
        "S6",
        "a wait is dropped five times midway, then awaited, then awaited again",
        EACH_WATCHER_TWICE_AND_LOOP,
        s6,
    ),
    Row::new("S8", "stopped for 500 ms, then continued", EACH_WATCHER_AND_LOOP, s8),
    Row::new(
        "S9",
        "SIGCHLD is blocked in every thread from the start",
        &[(TWO_LOOPS, WATCHERS)],
        s9,
    )
    .cold(),
    Row::new("S10", "the handler of SIGCHLD is replaced; one warning", EACH_WATCHER_AND_LOOP, s10),
    Row::new(
        "S11",
        "a tracer holds a killed child for 1.7 s: that costs no processor time",
        EACH_WATCHER_TWICE_AND_LOOP,
        s11,
    ),
    Row::new(
        "S12",
        "a child exits before anybody waits for it, while another is waited for: told at once",
        EACH_WATCHER_AND_LOOP,
        s12,
    ),
];

fn s1(place: &Place) -> Outcome {
    stolen_one_by_one(place, kernel_keeps_statuses());
    Ok(())
}

fn s1_without_pidfds(place: &Place) -> Outcome {
    refuse(&[Call(libc::SYS_pidfd_open, None)], libc::EPERM)?;
    stolen_one_by_one(place, false);
    Ok(())
}

fn stolen_one_by_one(place: &Place, keeps: bool) {
    let stolen = place.run(async {
        let mut stolen = 0;
        for number in 0..20 {
            let barrier = Barrier::new();
            let child = barrier.child(code_of(number)).spawn().unwrap();
            let pid = child.id();
            barrier.open();
            // The watcher may be quicker; both ask for the same exit.
            stolen += usize::from(steal(pid));
            check_code(child.wait().await, code_of(number), keeps);
            // And the same ever after.
            check_code(child.wait().await, code_of(number), keeps);
        }
        stolen
    });
    println!("{stolen} of 20 were stolen");
    if place.watches_by(&["pidfd"]) {
        assert_eq!(stolen, 20, "nobody else was waiting");
    }
}

fn s2(place: &Place) -> Outcome {
    // A child that std starts may be stolen before it has a pidfd, as long as nobody knows
    // of the thieves: it is lost, with a typed error.
    let keeps = kernel_keeps_statuses() && !cfg!(policy_force_std_start);
    let count = place.count(300, 5000);
    place.run(async {
        let thieves = Thieves::new(2);
        for batch in (0..count).collect::<Vec<_>>().chunks(50) {
            let start = |&number: &usize| {
                let code = code_of(number);
                (code, sh(format!("exit {code}")).spawn().unwrap())
            };
            let children: Vec<(usize, Child)> = batch.iter().map(start).collect();
            for (code, child) in children {
                check_code(child.wait().await, code, keeps);
            }
        }
        let stolen = thieves.stop();
        println!("{stolen} of {count} were stolen");
        assert!(stolen > 0, "the thieves got nothing, so this has shown nothing");
    });
    Ok(())
}

/// A watcher that needs no descriptors keeps them all the same: what a thief takes is known
/// by them alone.
fn s2_many(place: &Place) -> Outcome {
    causes::many_descriptors();
    let keeps = kernel_keeps_statuses() && !cfg!(policy_force_std_start);
    place.run(async {
        let barrier = Barrier::new();
        let children: Vec<Child> = (0..place.count(1000, 2000))
            .map(|number| barrier.child(code_of(number)).spawn().unwrap())
            .collect();
        let thieves = Thieves::new(2);
        barrier.open();
        for (number, child) in children.into_iter().enumerate() {
            check_code(child.wait().await, code_of(number), keeps);
        }
        let stolen = thieves.stop();
        println!("{stolen} were stolen");
        assert!(stolen > 0, "the thieves got nothing, so this has shown nothing");
    });
    Ok(())
}

fn s3(place: &Place) -> Outcome {
    place.run(ignored(place.count(200, 5000)));
    causes::handle_sigchld(libc::SIG_DFL);
    Ok(())
}

fn s3_cold(place: &Place) -> Outcome {
    causes::handle_sigchld(libc::SIG_IGN);
    place.set_up();
    place.run(some_codes(place.count(200, 5000)));
    Ok(())
}

async fn ignored(count: usize) {
    causes::handle_sigchld(libc::SIG_IGN);
    some_codes(count).await;
}

/// Half of them exit at once, half of them while they are waited for.
async fn some_codes(count: usize) {
    let keeps = kernel_keeps_statuses();
    let barrier = Barrier::new();
    let late: Vec<Child> =
        (0..count / 2).map(|number| barrier.child(code_of(number)).spawn().unwrap()).collect();
    let quick: Vec<Child> = (0..count / 2)
        .map(|number| sh(format!("exit {}", code_of(number))).spawn().unwrap())
        .collect();
    for (number, child) in quick.into_iter().enumerate() {
        check_code(child.wait().await, code_of(number), keeps);
    }
    barrier.open();
    for (number, child) in late.into_iter().enumerate() {
        check_code(child.wait().await, code_of(number), keeps);
    }
}

fn s5(place: &Place) -> Outcome {
    // The oracle, before the watcher is there that would take its child.
    let folder = causes::Scratch::folder();
    let before = getrlimit(Resource::Core);
    setrlimit(Resource::Core, Rlimit { current: before.maximum, ..before }).unwrap();
    policy::set_event_loop_policy(None);
    let aborted = std::process::Command::new("sh")
        .args(["-c", "kill -ABRT $$"])
        .current_dir(&folder.0)
        .status()
        .unwrap();
    place.set_up();
    place.run(async {
        for batch in (0..256).collect::<Vec<usize>>().chunks(64) {
            let children: Vec<Child> =
                batch.iter().map(|code| sh(format!("exit {code}")).spawn().unwrap()).collect();
            for (&code, child) in batch.iter().zip(children) {
                let status = child.wait().await.unwrap();
                assert_eq!((status.code(), status.signal()), (Some(code as i32), None));
                assert_eq!(child.returncode(), Some(code as i32));
            }
        }
        for signal in fatal_signals() {
            let child = Command::new("sleep").arg("1000").current_dir(&folder.0).spawn().unwrap();
            child.send_signal(signal).unwrap();
            let status = child.wait().await.unwrap();
            assert_eq!((status.code(), status.signal()), (None, Some(signal)));
            assert_eq!(child.returncode(), Some(-signal));
            if signal == libc::SIGABRT {
                assert_eq!(status.core_dumped(), aborted.core_dumped());
            }
            if signal == libc::SIGTERM {
                assert!(!status.core_dumped());
            }
        }
    });
    setrlimit(Resource::Core, before).unwrap();
    Ok(())
}

/// Those that end a process which does nothing about them.
fn fatal_signals() -> impl Iterator<Item = i32> {
    let harmless = [
        libc::SIGCHLD,
        libc::SIGCONT,
        libc::SIGSTOP,
        libc::SIGTSTP,
        libc::SIGTTIN,
        libc::SIGTTOU,
        libc::SIGURG,
        libc::SIGWINCH,
    ];
    (1..=31).chain(libc::SIGRTMIN()..=libc::SIGRTMAX()).filter(move |s| !harmless.contains(s))
}

fn s6(place: &Place) -> Outcome {
    place.run(async {
        let barrier = Barrier::new();
        let child = barrier.child(6).spawn().unwrap();
        for _ in 0..5 {
            assert!(poll_once(child.wait()).await.is_none());
            policy::task::yield_now().await;
        }
        barrier.open();
        for _ in 0..2 {
            assert_eq!(child.wait().await.unwrap().code(), Some(6));
        }
    });
    Ok(())
}

fn s8(place: &Place) -> Outcome {
    place.run(async {
        let barrier = Barrier::new();
        let child = barrier.child(8).spawn().unwrap();
        child.send_signal(libc::SIGSTOP).unwrap();
        eventually("it is stopped", || state_of(child.id()) == Some('T'));
        let half = Duration::from_millis(500);
        assert!(policy::time::timeout(half, child.wait()).await.is_err(), "a false exit");
        assert!(child.try_wait().unwrap().is_none());
        barrier.open();
        assert!(poll_once(child.wait()).await.is_none(), "it is still stopped");
        child.send_signal(libc::SIGCONT).unwrap();
        assert_eq!(child.wait().await.unwrap().code(), Some(8));
    });
    Ok(())
}

/// Who hears of a child by SIGCHLD hears at once. A look now and then would find it, too,
/// four times a second: that is for where nothing is heard.
const AT_ONCE: Duration = Duration::from_millis(100);

fn s9(place: &Place) -> Outcome {
    let pace = Pace::take();
    causes::block_sigchld();
    place.set_up();
    place.run(async {
        // No shell: some empty their mask themselves.
        let status = Command::new("cat").arg("/proc/self/status").output().await.unwrap();
        let status = String::from_utf8(status.stdout).unwrap();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
        assert_eq!(mask.trim(), "0000000000000000", "the child's");
        let mut took = Vec::new();
        for number in 0..10 {
            let barrier = Barrier::new();
            let child = barrier.child(code_of(number)).spawn().unwrap();
            assert!(poll_once(child.wait()).await.is_none());
            barrier.open();
            let begun = Instant::now();
            check_code(child.wait().await, code_of(number), true);
            took.push(begun.elapsed());
        }
        pace.check_median("an exit", AT_ONCE, took);
    });
    Ok(())
}

fn s12(place: &Place) -> Outcome {
    let pace = Pace::take();
    place.run(async {
        // Whatever thread there is, it runs and has nothing to do.
        let barrier = Barrier::new();
        let other = barrier.child(4).spawn().unwrap();
        assert!(poll_once(other.wait()).await.is_none());
        let mut took = Vec::new();
        for number in 0..10 {
            let child = sh(format!("exit {}", code_of(number))).spawn().unwrap();
            eventually("it has exited", || state_of(child.id()).is_none_or(|state| state == 'Z'));
            // What was rung for it was heard, and told nobody.
            policy::time::sleep(Duration::from_millis(20)).await;
            let begun = Instant::now();
            check_code(child.wait().await, code_of(number), true);
            took.push(begun.elapsed());
        }
        pace.check_median("a wait for what has exited", AT_ONCE, took);
        barrier.open();
        check_code(other.wait().await, 4, true);
    });
    Ok(())
}

fn s10(place: &Place) -> Outcome {
    let pace = Pace::take();
    let rings = place.watches_by(&["multi-loop", "safe", "fast", "subreaper"]);
    place.run(async {
        let barrier = Barrier::new();
        let children: Vec<Child> =
            (0..20).map(|number| barrier.child(code_of(number)).spawn().unwrap()).collect();
        // After the last start: that would put the handler in place again.
        causes::handle_sigchld(causes::rude_handler());
        if rings {
            eventually("somebody notices", || !warnings().is_empty());
        }
        barrier.open();
        let begun = Instant::now();
        for (number, child) in children.into_iter().enumerate() {
            check_code(child.wait().await, code_of(number), true);
        }
        pace.check("20 exits that nobody is told of", Duration::from_secs(1), begun.elapsed());
        // Again, and at each start.
        for _ in 0..3 {
            causes::handle_sigchld(causes::rude_handler());
            check_code(sh("exit 3").status().await, 3, true);
        }
    });
    policy::set_event_loop_policy(None);
    causes::handle_sigchld(libc::SIG_DFL);
    let warnings = warnings();
    assert!(warnings.len() <= 1, "{warnings:?}");
    Ok(())
}

fn warnings() -> Vec<String> {
    logged("another handler of SIGCHLD")
}

fn s11(place: &Place) -> Outcome {
    place.run(async {
        let child = Command::new("sleep").arg("1000").spawn().unwrap();
        let mut tracer = helper("tracer");
        tracer.arg(child.id().to_string()).arg("1700").stdout(Stdio::piped());
        let mut tracer = tracer.spawn().unwrap();
        let mut said = String::new();
        let mut stdout = BufReader::new(tracer.stdout.take().unwrap());
        stdout.read_line(&mut said).await.unwrap();
        if said.starts_with("refused") {
            child.kill().await.unwrap();
            return Err(Skip(format!("no tracing here: {said}")));
        }
        let before = causes::cpu_time();
        child.start_kill().unwrap();
        let status = policy::time::timeout(LONG, child.wait()).await.unwrap().unwrap();
        let used = causes::cpu_time() - before;
        println!("{used:?}");
        assert_eq!(status.signal(), Some(libc::SIGKILL));
        // Who asks all the time uses 1.7 s. It is 10 ms here, and was 95 once, where others
        // kept the machine busy.
        assert!(used < Duration::from_millis(300), "{used:?} of processor time");
        assert!(tracer.wait().await.unwrap().success());
        Ok(())
    })
}
