//! Our loops as guests of GLib's main loop: one after another, on the main thread, since its
//! sources stay on the thread that made them.

use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use event_loop_policy_glib_guest as glib_guest;
use glib::{ControlFlow, MainLoop};
use policy::Guest;
use policy::io::{AsyncReadExt, AsyncWriteExt};
use policy::net::{TcpListener, TcpStream};
use policy::process::Command;
use policy::signal::ctrl_c;
use policy::time::sleep;

const LOOPS: [&str; 5] =
    ["default", "smol:current_thread", "tokio:current_thread", "compio", "compio:polling"];

const STORIES: [(&str, fn()); 5] = [
    (
        "everything_works_beside_the_hosts_own_sources",
        everything_works_beside_the_hosts_own_sources,
    ),
    (
        "a_busy_guest_does_not_keep_the_host_from_its_sources",
        a_busy_guest_does_not_keep_the_host_from_its_sources,
    ),
    ("an_idle_guest_uses_no_processor_time", an_idle_guest_uses_no_processor_time),
    ("glib_may_watch_the_descriptor", glib_may_watch_the_descriptor),
    ("the_guide_shows_this_host", the_guide_shows_this_host),
];

fn main() {
    let filter = std::env::args().nth(1).unwrap_or_default();
    for (name, story) in STORIES.iter().filter(|(name, _)| name.contains(&filter)) {
        println!("{name} …");
        story();
    }
}

/// A child, a socket, a timer, a blocking job and a Ctrl-C.
async fn everything() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    let echo = policy::spawn(async move {
        let mut byte = [0];
        server.read_exact(&mut byte).await.unwrap();
        sleep(Duration::from_millis(5)).await;
        server.write_all(&byte).await.unwrap();
    });
    client.write_all(b"x").await.unwrap();
    client.read_exact(&mut [0]).await.unwrap();
    echo.await.unwrap();
    let output = Command::shell("sleep 0.02; echo done").output().await.unwrap();
    assert_eq!(output.stdout, b"done\n");
    let job = || {
        thread::sleep(Duration::from_millis(5));
        6 * 7
    };
    assert_eq!(policy::spawn_blocking(job).await.unwrap(), 42);
    let interrupt = ctrl_c();
    let kill = format!("kill -INT {}", std::process::id());
    let killer = policy::spawn(async move {
        sleep(Duration::from_millis(5)).await;
        Command::shell(kill).status().await.unwrap();
    });
    interrupt.await.unwrap();
    killer.await.unwrap();
}

/// Has the main loop end when `story` does, or panics.
fn runs(main_loop: &MainLoop, story: impl Future<Output = ()> + Send + 'static) {
    let task = glib_guest::with(|guest| guest.spawn(story)).unwrap();
    let (done, quits) = (Arc::new(Mutex::new(None)), main_loop.clone());
    let ended = done.clone();
    drop(glib_guest::with(|guest| {
        guest.spawn(async move {
            *ended.lock().unwrap() = Some(task.await);
            quits.quit();
        })
    }));
    main_loop.run();
    done.lock().unwrap().take().unwrap().unwrap();
}

fn everything_works_beside_the_hosts_own_sources() {
    for name in LOOPS {
        let main_loop = MainLoop::new(None, false);
        glib_guest::host(policy::from_name(name).unwrap()).unwrap();
        let ticks = Arc::new(AtomicUsize::new(0));
        let counts = ticks.clone();
        let ticking = glib::timeout_add_local(Duration::from_millis(1), move || {
            counts.fetch_add(1, SeqCst);
            ControlFlow::Continue
        });
        for _ in 0..3 {
            runs(&main_loop, everything());
        }
        assert!(ticks.load(SeqCst) > 10, "{name}: {ticks:?} ticks of the host's");
        ticking.remove();
        glib_guest::close().unwrap();
    }
}

fn a_busy_guest_does_not_keep_the_host_from_its_sources() {
    for name in LOOPS {
        let main_loop = MainLoop::new(None, false);
        glib_guest::host(policy::from_name(name).unwrap()).unwrap();
        drop(glib_guest::with(|guest| {
            guest.spawn(async {
                loop {
                    policy::task::yield_now().await;
                }
            })
        }));
        let quits = main_loop.clone();
        glib::timeout_add_local_once(Duration::from_millis(20), move || quits.quit());
        main_loop.run();
        glib_guest::close().unwrap();
    }
}

fn an_idle_guest_uses_no_processor_time() {
    for name in LOOPS {
        let main_loop = MainLoop::new(None, false);
        glib_guest::host(policy::from_name(name).unwrap()).unwrap();
        drop(glib_guest::with(|guest| {
            guest.spawn(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                drop(policy::spawn(sleep(Duration::from_secs(3600))));
                listener.accept().await.unwrap();
            })
        }));
        runs(&main_loop, sleep(Duration::from_millis(50)));
        let before = processor_time();
        runs(&main_loop, sleep(Duration::from_secs(1)));
        let used = processor_time() - before;
        assert!(
            used <= Duration::from_millis(20),
            "{name}: {used:?} of processor time in a second"
        );
        glib_guest::close().unwrap();
    }
}

/// Without our thread: GLib polls the guest's descriptor among its own.
fn glib_may_watch_the_descriptor() {
    for name in ["default", "compio", "compio:polling"] {
        let main_loop = MainLoop::new(None, false);
        let context = main_loop.context();
        let guest = Guest::new(policy::from_name(name).unwrap(), || {
            glib::MainContext::default().wakeup();
        });
        let mut guest = guest.unwrap();
        let fd = guest.as_fd().unwrap().as_fd().as_raw_fd();
        let watch = glib::source::unix_fd_add_local(fd, glib::IOCondition::IN, |_, _| {
            ControlFlow::Continue
        });
        let task = guest.spawn(everything());
        let begun = Instant::now();
        while !task.is_finished() {
            assert!(begun.elapsed() < Duration::from_secs(60), "{name}");
            let turn = guest.turn().unwrap();
            if task.is_finished() {
                break;
            }
            let timer = turn.next_timer().map(|at| {
                let wait = at.saturating_duration_since(Instant::now());
                glib::source::timeout_source_new(
                    wait + Duration::from_micros(999),
                    None,
                    glib::Priority::DEFAULT,
                    || ControlFlow::Break,
                )
            });
            if let Some(timer) = &timer {
                timer.attach(Some(&context));
            }
            context.iteration(turn.is_idle());
            if let Some(timer) = &timer {
                timer.destroy();
            }
        }
        guest.get_loop().run_until_complete(task).unwrap().unwrap();
        watch.remove();
        guest.close().unwrap();
    }
}

/// The page shows what is tested here.
fn the_guide_shows_this_host() {
    let page = include_str!("../../../docs/guide/guests.md");
    let code = include_str!("../src/lib.rs");
    let code = code.split("// guide: begin\n").nth(1).unwrap();
    let code = code.split("// guide: end").next().unwrap();
    assert!(page.contains(code), "copy src/lib.rs into docs/guide/guests.md");
}

/// What this process has used, to a hundredth of a second.
fn processor_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(2);
    let ticks: u64 = fields.map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(10 * ticks)
}
