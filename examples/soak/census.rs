//! What the process has, counted while nothing runs.

use std::error::Error;
use std::fmt;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// How long what ends by itself may take to end: children that were dropped, threads that are idle.
const SETTLE: Duration = Duration::from_secs(20);

/// What has not changed for so long is at rest.
const REST: Duration = Duration::from_secs(1);

/// Memory may be that much more than before: what allocators keep for later grows for a minute.
const NOISE: usize = 16 << 20;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Census {
    descriptors: usize,
    threads: usize,
    children: usize,
    /// In bytes.
    resident: usize,
}

impl Census {
    /// Counts as soon as no more changes, or when that does not come.
    pub(crate) fn at_rest() -> Result<Self, Box<dyn Error + Send + Sync>> {
        let begun = Instant::now();
        let (mut last, mut since) = (Self::now()?, begun);
        loop {
            thread::sleep(Duration::from_millis(20));
            let now = Self::now()?;
            if (now.descriptors, now.threads, now.children)
                != (last.descriptors, last.threads, last.children)
            {
                since = Instant::now();
            }
            last = now;
            let is_rest = now.children == 0 && since.elapsed() > REST;
            if is_rest || begun.elapsed() > SETTLE {
                return Ok(now);
            }
        }
    }

    fn now() -> Result<Self, Box<dyn Error + Send + Sync>> {
        let status = fs::read_to_string("/proc/self/status")?;
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok())
        };
        let (threads, resident) = (number("Threads:"), number("VmRSS:"));
        Ok(Self {
            // But for the one that looks.
            descriptors: fs::read_dir("/proc/self/fd")?.count() - 1,
            threads: threads.ok_or("/proc says no number of threads")?,
            children: children()?,
            resident: resident.ok_or("/proc says nothing of memory")? << 10,
        })
    }
}

/// How many children there are, zombies included.
fn children() -> Result<usize, Box<dyn Error + Send + Sync>> {
    let me = std::process::id().to_string();
    let mut children = 0;
    for entry in fs::read_dir("/proc")?.flatten() {
        // Gone meanwhile, or no process.
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // After the name, which may have brackets: the state, and the parent.
        let parent = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1));
        children += usize::from(parent == Some(&me));
    }
    Ok(children)
}

impl fmt::Display for Census {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { descriptors, threads, children, resident } = self;
        write!(
            f,
            "{descriptors} descriptors, {threads} threads, {children} children, {} KiB",
            resident >> 10
        )
    }
}

/// All counts, one after another.
#[derive(Default)]
pub(crate) struct Growth {
    counts: Vec<Census>,
}

impl Growth {
    /// # Errors
    /// If a child is left: there is none to be at rest.
    pub(crate) fn add(&mut self, now: Census) -> Result<(), Box<dyn Error + Send + Sync>> {
        if now.children > 0 {
            return Err(format!("{} children are left", now.children).into());
        }
        self.counts.push(now);
        Ok(())
    }

    /// The least of the end against the most of the beginning, without the first count, since the
    /// first load fills what is kept for later. A loop that is not driven keeps its descriptor of
    /// the signals' bell, or has given it back, as it comes: one count against another would tell
    /// such chances, and one that is lost each time is told all the same.
    ///
    /// # Errors
    /// If there is more of something than there was.
    pub(crate) fn check(&self) -> Result<(), Box<dyn Error + Send + Sync>> {
        let third = self.counts.len() / 3;
        let begin = self.counts.get(1..=third).unwrap_or_default();
        let end = self.counts.get(2 * third..).unwrap_or_default();
        if begin.len() < 2 || end.len() < 2 {
            return Err("too few counts to say anything; let it run for longer".into());
        }
        let grown = |what: &str, count: fn(&Census) -> usize, noise: usize| {
            let most = begin.iter().map(count).max().unwrap_or_default();
            let least = end.iter().map(count).min().unwrap_or_default();
            let grown = least > most + noise;
            if grown { Err(format!("{what} have grown: from {most} to {least}")) } else { Ok(()) }
        };
        grown("descriptors", |census| census.descriptors, 0)?;
        grown("threads", |census| census.threads, 0)?;
        grown("bytes of memory", |census| census.resident, NOISE)?;
        Ok(())
    }
}
