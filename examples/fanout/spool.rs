//! What a job writes, kept until it is its turn to be printed.
//!
//! Small outputs stay in memory; of a large one, each 256 KiB go to a place in a
//! temporary file. One file for all: thousands of outputs may wait for their turn, and
//! a descriptor for each would not do. Places are used again, so that the file is
//! never larger than what waits at one time.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_lite::future::or;
use futures_lite::{AsyncRead, AsyncReadExt};

use crate::flag::Flag;

/// The temporary file.
#[derive(Default)]
pub(crate) struct Spool {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Made when it is first needed. It has no name: it goes with the process.
    file: Option<Arc<File>>,
    free: Vec<u64>,
    places: u64,
}

/// How much is kept in memory of one output, and how large a place in the file is.
const PLACE: usize = 256 * 1024;
/// What is less than a page of the file would not be smaller there.
const PAGE: usize = 4096;

impl Spool {
    fn take_place(&self) -> io::Result<(Arc<File>, u64)> {
        let mut state = self.lock();
        let file = match &state.file {
            Some(file) => file.clone(),
            None => state.file.insert(Arc::new(tempfile::tempfile()?)).clone(),
        };
        let place = state.free.pop().unwrap_or_else(|| {
            state.places += 1;
            state.places - 1
        });
        Ok((file, place))
    }

    fn file(&self) -> io::Result<Arc<File>> {
        self.lock().file.clone().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn give_back(&self, place: u64) {
        self.lock().free.push(place);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One output.
pub(crate) struct Text {
    spool: Arc<Spool>,
    /// Places in the file, and how many bytes are there.
    spilled: Vec<(u64, usize)>,
    /// What comes after those.
    tail: Vec<u8>,
}

impl Text {
    pub(crate) fn new(spool: Arc<Spool>) -> Self {
        Self { spool, spilled: Vec::new(), tail: Vec::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.spilled.is_empty() && self.tail.is_empty()
    }

    fn is_full(&self) -> bool {
        self.tail.len() >= PLACE
    }

    /// Moves to the file what is worth it. Blocks.
    ///
    /// # Errors
    /// If the disk is full, or there is no temporary folder; nothing is lost then.
    pub(crate) fn settle(&mut self) -> io::Result<()> {
        if self.tail.len() >= PAGE { self.spill() } else { Ok(()) }
    }

    fn spill(&mut self) -> io::Result<()> {
        for chunk in self.tail.chunks(PLACE) {
            let (file, place) = self.spool.take_place()?;
            // Noted first: a place that could not be written is given back, too.
            self.spilled.push((place, 0));
            file.write_all_at(chunk, offset(place))?;
            if let Some((_, len)) = self.spilled.last_mut() {
                *len = chunk.len();
            }
        }
        // Its room, too.
        self.tail = Vec::new();
        Ok(())
    }

    /// Writes all of it. Blocks.
    ///
    /// # Errors
    /// What `to` gives; or if the temporary file can't be read.
    pub(crate) fn write_to(&self, to: &mut impl Write) -> io::Result<()> {
        if !self.spilled.is_empty() {
            let (file, mut chunk) = (self.spool.file()?, vec![0; PLACE]);
            for &(place, len) in &self.spilled {
                chunk.resize(len, 0);
                file.read_exact_at(&mut chunk, offset(place))?;
                to.write_all(&chunk)?;
            }
        }
        to.write_all(&self.tail)
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        for (place, _) in self.spilled.drain(..) {
            self.spool.give_back(place);
        }
    }
}

fn offset(place: u64) -> u64 {
    place * PLACE as u64
}

/// What could be had of an output.
pub(crate) struct Collected {
    pub(crate) text: Text,
    /// False: somebody might write more.
    pub(crate) is_all: bool,
    /// Why something is missing.
    pub(crate) problem: Option<io::Error>,
}

/// Reads a pipe to its end; when `enough` is raised, only what is in it.
pub(crate) async fn collect(
    pipe: Option<impl AsyncRead + Unpin>,
    spool: Arc<Spool>,
    enough: Flag,
) -> Collected {
    let mut collected = Collected { text: Text::new(spool), is_all: false, problem: None };
    if let Some(mut pipe) = pipe {
        match fill(&mut collected.text, &mut pipe, &enough).await {
            Ok(is_all) => collected.is_all = is_all,
            // The pipe is closed, so that the job does not wait for a reader.
            Err(error) => collected.problem = Some(error),
        }
    }
    collected
}

async fn fill(
    text: &mut Text,
    pipe: &mut (impl AsyncRead + Unpin),
    enough: &Flag,
) -> io::Result<bool> {
    let mut buffer = vec![0; 32 * 1024];
    loop {
        let read = async { Some(pipe.read(&mut buffer).await) };
        // Reading comes first: what is there is read, in any case.
        let read = or(read, async {
            enough.raised().await;
            None
        });
        match read.await {
            None => return Ok(false),
            Some(Ok(0)) => return Ok(true),
            Some(Ok(len)) => text.tail.extend_from_slice(buffer.get(..len).unwrap_or_default()),
            Some(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Some(Err(error)) => return Err(error),
        }
        if text.is_full() {
            spill_elsewhere(text).await?;
        }
    }
}

/// As `spill`, on a thread that may block: a disk that is slow must not stop timeouts.
async fn spill_elsewhere(text: &mut Text) -> io::Result<()> {
    let mut full = std::mem::replace(text, Text::new(text.spool.clone()));
    let spilling = policy::try_spawn_blocking(move || (full.spill(), full));
    let (result, full) = spilling.map_err(io::Error::other)?.await.map_err(io::Error::other)?;
    *text = full;
    result
}
