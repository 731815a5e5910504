//! What grows in a process that runs for long? Three loops at once start children, talk over
//! sockets, sleep, hear signals, run blocking jobs and write files. All bytes are checked, and from
//! time to time all stops, and what the process has is counted: nothing may have grown.
//!
//! ```text
//! soak [TIME] [--seed NUMBER] [--leak descriptor|thread|child|memory]
//!
//! cargo run --release --example soak --all-features -- 10m          # before a release
//! cargo run --example soak --all-features -- 30s --leak descriptor    # to see it fail
//! ```
//!
//! The exit code is 0 if all went well, 1 if something was wrong or has grown, 2 if the arguments
//! are invalid. Linux only: the counts come from `/proc`.

#[cfg(all(target_os = "linux", feature = "smol", feature = "tokio"))]
mod census;
#[cfg(all(target_os = "linux", feature = "smol", feature = "tokio"))]
mod load;

#[cfg(not(all(target_os = "linux", feature = "smol", feature = "tokio")))]
fn main() {
    println!("soak needs Linux, and the features `smol` and `tokio`");
}

#[cfg(all(target_os = "linux", feature = "smol", feature = "tokio"))]
fn main() -> std::process::ExitCode {
    soak::main()
}

#[cfg(all(target_os = "linux", feature = "smol", feature = "tokio"))]
mod soak {
    use std::error::Error;
    use std::process::ExitCode;
    use std::sync::Arc;
    use std::thread;
    use std::time::{Duration, Instant};

    use policy::EventLoop;

    use super::census::{Census, Growth};
    use super::load::{self, Counts, Random};

    const USAGE: &str =
        "Usage: soak [TIME] [--seed NUMBER] [--leak descriptor|thread|child|memory]";

    /// A reactor of each kind, and one loop with threads.
    const LOOPS: [&str; 3] = ["default", "tokio:current_thread", "smol:multi_thread"];

    struct Asked {
        time: Duration,
        seed: u64,
        leak: Option<Leak>,
    }

    #[derive(Clone, Copy)]
    enum Leak {
        Descriptor,
        Thread,
        Child,
        Memory,
    }

    pub(super) fn main() -> ExitCode {
        let Some(asked) = parse(std::env::args().skip(1)) else {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        };
        println!("seed {}", asked.seed);
        match run(&asked) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("soak: {error}");
                ExitCode::FAILURE
            }
        }
    }

    fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Asked> {
        let seed = u64::from(std::process::id());
        let mut asked = Asked { time: Duration::from_secs(30), seed, leak: None };
        while let Some(argument) = arguments.next() {
            match &*argument {
                "--seed" => asked.seed = arguments.next()?.parse().ok()?,
                "--leak" => {
                    asked.leak = Some(match &*arguments.next()? {
                        "descriptor" => Leak::Descriptor,
                        "thread" => Leak::Thread,
                        "child" => Leak::Child,
                        "memory" => Leak::Memory,
                        _ => return None,
                    });
                }
                time => {
                    let split = time.find(|c: char| !c.is_ascii_digit())?;
                    let (number, unit) = time.split_at(split);
                    let seconds = match unit {
                        "s" => 1,
                        "m" => 60,
                        "h" => 3600,
                        _ => return None,
                    };
                    asked.time = Duration::from_secs(number.parse::<u64>().ok()? * seconds);
                }
            }
        }
        Some(asked)
    }

    fn run(asked: &Asked) -> Result<(), Box<dyn Error + Send + Sync>> {
        // Nine counts, with what comes to rest between them; in a long run one every half a minute.
        let round = (asked.time / 12).min(Duration::from_secs(30));
        let (begun, mut random) = (Instant::now(), Random::new(asked.seed));
        let mut loops: Vec<(&str, Arc<dyn EventLoop>)> = Vec::new();
        for name in LOOPS {
            loops.push((name, policy::from_name(name)?.new_event_loop()?));
        }
        let counts: [Arc<Counts>; LOOPS.len()] = Default::default();
        let mut growth = Growth::default();
        while begun.elapsed() < asked.time {
            thread::scope(|scope| {
                let mut running = Vec::new();
                for ((name, event_loop), counts) in loops.iter().zip(&counts) {
                    let seed = random.next();
                    running.push(scope.spawn(move || {
                        match event_loop.run_until_complete(load::all(round, seed, counts)) {
                            Ok(Ok(())) => Ok(()),
                            Ok(Err(error)) => Err(format!("on {name}: {error}")),
                            Err(error) => Err(format!("on {name}: {error}")),
                        }
                    }));
                }
                running.into_iter().try_for_each(|on_loop| {
                    on_loop.join().unwrap_or_else(|_| Err("a loop panicked".to_owned()))
                })
            })?;
            if let Some(leak) = asked.leak {
                leak.happen()?;
            }
            let now = Census::at_rest()?;
            println!("{:4} s: {now}", begun.elapsed().as_secs());
            growth.add(now)?;
        }
        for (name, counts) in LOOPS.iter().zip(&counts) {
            println!("{name}: {counts}");
            counts.check()?;
        }
        for (_, event_loop) in &loops {
            event_loop.close_within(Duration::from_secs(20))?;
        }
        growth.check()
    }

    impl Leak {
        /// What this program is for to find.
        fn happen(self) -> Result<(), Box<dyn Error + Send + Sync>> {
            match self {
                Self::Descriptor => std::mem::forget(std::fs::File::open("/dev/null")?),
                Self::Thread => drop(thread::Builder::new().spawn(|| {
                    thread::sleep(Duration::from_secs(1_000_000));
                })?),
                Self::Child => {
                    std::mem::forget(std::process::Command::new("true").spawn()?);
                }
                Self::Memory => std::mem::forget(vec![1_u8; 8 << 20]),
            }
            Ok(())
        }
    }
}
