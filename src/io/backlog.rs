//! What a writer has handed over, until a blocking job has written it.

use std::fmt;
use std::io::{self, IoSlice};
use std::sync::Arc;

use policy_core::sync::Mutex;

/// Bytes that were accepted as written, and are not yet.
///
/// They stay here, and do not travel with the job: a job that fails has written some of
/// them, a job that a closing loop cancels none, and in both cases the next one goes on
/// where this one stopped.
///
/// One job at a time works on it. Its owner looks only when none does.
#[derive(Clone, Default)]
pub(crate) struct Backlog(Arc<Mutex<Bytes>>);

#[derive(Default)]
struct Bytes {
    bytes: Vec<u8>,
    written: usize,
}

impl Backlog {
    #[cfg(feature = "fs")]
    pub(crate) fn is_empty(&self) -> bool {
        let bytes = self.0.lock();
        bytes.written >= bytes.bytes.len()
    }

    /// Accepts up to `most` bytes, in place of those that are written.
    pub(crate) fn accept(&self, bufs: &[IoSlice<'_>], most: usize) -> usize {
        let mut bytes = self.0.lock();
        let Bytes { bytes, written } = &mut *bytes;
        bytes.clear();
        *written = 0;
        for buf in bufs {
            let left = most - bytes.len();
            bytes.extend_from_slice(buf.get(..left).unwrap_or(buf));
        }
        bytes.len()
    }

    /// Writes what is left: the work of the job.
    ///
    /// # Errors
    /// Those of `write`. What it did not take is still here.
    pub(crate) fn write_out(
        &self,
        mut write: impl FnMut(&[u8]) -> io::Result<usize>,
    ) -> io::Result<()> {
        let mut bytes = self.0.lock();
        let Bytes { bytes, written } = &mut *bytes;
        while let Some(left) = bytes.get(*written..).filter(|left| !left.is_empty()) {
            match write(left) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(taken) => *written += taken,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes what is left away, so that nobody writes it.
    pub(crate) fn take(&self) -> Vec<u8> {
        let Bytes { mut bytes, written } = std::mem::take(&mut *self.0.lock());
        bytes.drain(..written.min(bytes.len()));
        bytes
    }

    /// Logs an error of the last job, if the owner has gone and nobody else can tell it.
    pub(crate) fn log_if_abandoned(&self, what: &str, result: &io::Result<()>) {
        if let (1, Err(error)) = (Arc::strong_count(&self.0), result) {
            log::error!(
                "what was written to {what} before it was dropped is lost: {error}; flush before you drop it"
            );
        }
    }
}

impl fmt::Debug for Backlog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A job may have the lock for long.
        match self.0.try_lock() {
            Some(bytes) => write!(f, "Backlog({})", bytes.bytes.len() - bytes.written),
            None => f.write_str("Backlog(being written)"),
        }
    }
}
