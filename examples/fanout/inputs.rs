//! Where the inputs come from.

use std::ffi::OsString;
use std::io::{self, BufRead, Read};
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::vec;

use async_channel::{Receiver, Sender};

use crate::Failure;

/// The inputs that are left, from the first to the last.
pub(crate) struct Inputs {
    from: From,
    total: Arc<Total>,
}

enum From {
    Args(vec::IntoIter<OsString>),
    Lines(Receiver<Result<OsString, Failure>>),
}

/// How many inputs there are, as far as is known.
#[derive(Default)]
pub(crate) struct Total {
    known: AtomicU64,
    is_all: AtomicBool,
}

impl Total {
    /// Returns how many are known, and whether these are all.
    pub(crate) fn get(&self) -> (u64, bool) {
        // In this order: once they are all, none is added.
        let is_all = self.is_all.load(Ordering::Acquire);
        (self.known.load(Ordering::Relaxed), is_all)
    }
}

/// How many lines are read ahead: enough to know the total of most lists, and not so
/// many that `yes | fanout …` eats the memory.
const AHEAD: usize = 10_000;
/// The longest line. No system takes an argument of that length.
const LONGEST: usize = 4 << 20;

impl Inputs {
    /// The arguments if there are any, else standard input.
    ///
    /// # Errors
    /// If there is no thread to read with.
    pub(crate) fn new(args: Option<Vec<OsString>>, null: bool) -> Result<Self, Failure> {
        let total = Arc::new(Total::default());
        let from = match args {
            Some(args) => {
                total.known.store(args.len() as u64, Ordering::Relaxed);
                total.is_all.store(true, Ordering::Release);
                From::Args(args.into_iter())
            }
            None => From::Lines(read_ahead(total.clone(), if null { 0 } else { b'\n' })?),
        };
        Ok(Self { from, total })
    }

    pub(crate) fn total(&self) -> Arc<Total> {
        self.total.clone()
    }

    /// Returns the next input; `None` after the last. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Result<OsString, Failure>> {
        match &mut self.from {
            From::Args(args) => args.next().map(Ok),
            From::Lines(lines) => lines.recv().await.ok(),
        }
    }

    /// Returns all that were read and not taken, and whether there may be more.
    pub(crate) fn rest(&mut self) -> (Vec<OsString>, bool) {
        match &mut self.from {
            From::Args(args) => (args.collect(), false),
            From::Lines(lines) => {
                lines.close();
                let rest = std::iter::from_fn(|| lines.try_recv().ok()).filter_map(Result::ok);
                (rest.collect(), !self.total.get().1)
            }
        }
    }
}

/// Reads on a thread of its own: there is no other way to wait for all that standard
/// input can be, and one that waits for a terminal must keep nobody from exiting.
fn read_ahead(total: Arc<Total>, end: u8) -> Result<Receiver<Result<OsString, Failure>>, Failure> {
    let (send, receive) = async_channel::bounded(AHEAD);
    std::thread::Builder::new()
        .name("fanout-input".into())
        .spawn(move || read_lines(&mut io::stdin().lock(), end, &total, &send))
        .map_err(|error| format!("can't start a thread ({error}); raise `ulimit -u`"))?;
    Ok(receive)
}

fn read_lines(
    from: &mut impl BufRead,
    end: u8,
    total: &Total,
    send: &Sender<Result<OsString, Failure>>,
) {
    loop {
        let line = match read_line(from, end) {
            Ok(Some(line)) => Ok(OsString::from_vec(line)),
            Ok(None) => break,
            Err(failure) => Err(failure),
        };
        let is_last = line.is_err();
        if !is_last {
            total.known.fetch_add(1, Ordering::Relaxed);
        }
        if send.send_blocking(line).is_err() {
            // Nobody wants more.
            return;
        }
        if is_last {
            break;
        }
    }
    total.is_all.store(true, Ordering::Release);
}

fn read_line(from: &mut impl BufRead, end: u8) -> Result<Option<Vec<u8>>, Failure> {
    let mut line = Vec::new();
    let read = from.by_ref().take(LONGEST as u64).read_until(end, &mut line);
    match read {
        Ok(0) => return Ok(None),
        Ok(_) => {}
        Err(error) => return Err(format!("can't read the inputs: {error}")),
    }
    if line.last() == Some(&end) {
        line.pop();
    } else if line.len() == LONGEST {
        return Err(format!(
            "an input is longer than {LONGEST} bytes; check what ends them, and `--null`"
        ));
    }
    Ok(Some(line))
}
