//! What one loop does for some time: a little of everything at once, each byte of it checked.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use policy::net::{TcpListener, TcpStream, UdpSocket};
use policy::process::{Command, Stdio};
use policy::signal::{SignalKind, signal};
use policy::task::JoinSet;
use policy::time::{Duration, Instant, sleep, timeout};

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// How many of each kind were done, and right.
#[derive(Default)]
pub(crate) struct Counts {
    children: AtomicU64,
    dropped: AtomicU64,
    connections: AtomicU64,
    datagrams: AtomicU64,
    timers: AtomicU64,
    signals: AtomicU64,
    jobs: AtomicU64,
    files: AtomicU64,
}

impl Counts {
    fn all(&self) -> [(&'static str, u64); 8] {
        [
            ("children", &self.children),
            ("dropped children", &self.dropped),
            ("connections", &self.connections),
            ("datagrams", &self.datagrams),
            ("timers", &self.timers),
            ("signals", &self.signals),
            ("jobs", &self.jobs),
            ("files", &self.files),
        ]
        .map(|(name, count)| (name, count.load(Relaxed)))
    }

    /// # Errors
    /// If there are none of some kind: then nothing was shown of it.
    pub(crate) fn check(&self) -> Outcome {
        match self.all().iter().find(|(_, count)| *count == 0) {
            Some((name, _)) => Err(format!("no {name} at all").into()),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.all().map(|(name, count)| format!("{count} {name}"));
        f.write_str(&all.join(", "))
    }
}

/// xorshift64*: the same numbers for the same seed.
#[derive(Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        // Never 0, and not alike for seeds that are.
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 16) % limit
    }

    fn bytes(&mut self, most: u64) -> Vec<u8> {
        let length = self.below(most) + 1;
        (0..length).map(|_| (self.next() >> 32) as u8).collect()
    }
}

/// Does all kinds at once, until the time is over.
pub(crate) async fn all(time: Duration, seed: u64, counts: &Arc<Counts>) -> Outcome {
    let mut random = Random::new(seed);
    let end = Instant::now() + time;
    let mut kinds = JoinSet::new();
    macro_rules! repeat {
        ($kind:ident) => {{
            let (counts, mut random) = (counts.clone(), Random::new(random.next()));
            kinds.spawn(async move {
                while Instant::now() < end {
                    let done = $kind(&mut random);
                    let done = timeout(Duration::from_secs(60), done).await;
                    let done = done.map_err(|_| concat!(stringify!($kind), " hang"))?;
                    done.map_err(|error| format!("{}: {error}", stringify!($kind)))?;
                    counts.$kind.fetch_add(1, Relaxed);
                }
                Outcome::Ok(())
            });
        }};
    }
    repeat!(children);
    repeat!(children);
    repeat!(dropped);
    repeat!(connections);
    repeat!(connections);
    repeat!(datagrams);
    repeat!(timers);
    repeat!(timers);
    repeat!(signals);
    repeat!(jobs);
    repeat!(files);
    while let Some(ended) = kinds.join_next().await {
        ended??;
    }
    Ok(())
}

fn same(what: &str, sent: &[u8], came: &[u8]) -> Outcome {
    if sent == came {
        return Ok(());
    }
    let at = sent.iter().zip(came).position(|(sent, came)| sent != came);
    let (sent, came) = (sent.len(), came.len());
    Err(format!("{what} are wrong from byte {at:?} on: {came} came of {sent}").into())
}

/// A child gives back what it is given, and exits as it is told.
async fn children(random: &mut Random) -> Outcome {
    let (bytes, code) = (random.bytes(200_000), random.below(256) as i32);
    let mut command = Command::shell(format!("cat; exit {code}"));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().ok_or("no stdin")?;
    let sent = bytes.clone();
    let writes = policy::spawn(async move { stdin.write_all(&sent).await });
    let output = child.wait_with_output().await?;
    writes.await??;
    same("a child's bytes", &bytes, &output.stdout)?;
    if output.status.code() != Some(code) {
        return Err(format!("{} in place of {code}", output.status).into());
    }
    Ok(())
}

/// Children that nobody waits for are reaped all the same.
async fn dropped(random: &mut Random) -> Outcome {
    if random.below(2) == 0 {
        drop(Command::new("sleep").arg("1000").kill_on_drop(true).spawn()?);
    } else {
        drop(Command::shell("exit 3").spawn()?);
    }
    sleep(Duration::from_millis(random.below(20))).await;
    Ok(())
}

/// A connection, both ways at once, by halves.
async fn connections(random: &mut Random) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let echo = policy::spawn(async move {
        let (stream, _) = listener.accept().await?;
        let (mut reads, mut writes) = stream.into_split();
        policy::io::copy(&mut reads, &mut writes).await?;
        writes.close().await
    });
    let bytes = random.bytes(300_000);
    let (mut reads, mut writes) = TcpStream::connect(address).await?.into_split();
    let sent = bytes.clone();
    let sends = policy::spawn(async move {
        writes.write_all(&sent).await?;
        writes.close().await
    });
    let mut came = Vec::new();
    reads.read_to_end(&mut came).await?;
    sends.await??;
    echo.await??;
    same("a connection's bytes", &bytes, &came)
}

async fn datagrams(random: &mut Random) -> Outcome {
    let here = UdpSocket::bind("127.0.0.1:0").await?;
    let there = UdpSocket::bind("127.0.0.1:0").await?;
    let bytes = random.bytes(1400);
    here.send_to(&bytes, there.local_addr()?).await?;
    let mut buffer = [0; 2000];
    let (length, from) = there.recv_from(&mut buffer).await?;
    if from != here.local_addr()? {
        return Err(format!("a datagram of {from}").into());
    }
    same("a datagram's bytes", &bytes, buffer.get(..length).unwrap_or_default())
}

/// Sleeps that end, in their order, and others that are dropped before.
async fn timers(random: &mut Random) -> Outcome {
    let long: Vec<_> = (0..random.below(50)).map(|n| sleep(Duration::from_secs(n + 1))).collect();
    let (begun, time) = (Instant::now(), Duration::from_micros(random.below(20_000)));
    let cut = timeout(time, std::future::pending::<()>()).await;
    if cut.is_ok() || begun.elapsed() < time {
        return Err(format!("a timeout of {time:?} after {:?}", begun.elapsed()).into());
    }
    drop(long);
    Ok(())
}

/// Three loops send it to this process and each hears of it, once at least.
async fn signals(random: &mut Random) -> Outcome {
    let mut usual = signal(SignalKind::user_defined1())?;
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::USR1)?;
    usual.recv().await.ok_or("no more signals")?;
    sleep(Duration::from_millis(random.below(10))).await;
    Ok(())
}

async fn jobs(random: &mut Random) -> Outcome {
    let bytes = random.bytes(50_000);
    let (sent, expected) = (bytes.clone(), sum(&bytes));
    let found = policy::spawn_blocking(move || sum(&sent)).await?;
    if found != expected {
        return Err(format!("{found} in place of {expected}").into());
    }
    Ok(())
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(7, |sum, &byte| sum * 31 % 1_000_003 + u64::from(byte))
}

async fn files(random: &mut Random) -> Outcome {
    let name = format!("policy-soak-{}-{:x}", std::process::id(), random.next());
    let path = std::env::temp_dir().join(name);
    let bytes = random.bytes(200_000);
    let done = async {
        policy::fs::write(&path, &bytes).await?;
        let came = policy::fs::read(&path).await?;
        same("a file's bytes", &bytes, &came)
    };
    let done = done.await;
    policy::fs::remove_file(&path).await?;
    done
}
