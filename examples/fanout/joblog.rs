//! The table of jobs that have ended.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::Failure;
use crate::job::Ended;

/// A file with one line per job.
pub(crate) struct Joblog {
    path: PathBuf,
    file: File,
}

impl Joblog {
    /// # Errors
    /// If the file can't be written.
    pub(crate) fn create(path: PathBuf) -> Result<Self, Failure> {
        let file = File::create(&path);
        let file = file.map_err(|error| format!("can't write `{}`: {error}", path.display()))?;
        let mut joblog = Self { path, file };
        joblog.write("Seq\tStarttime\tJobRuntime\tExitval\tSignal\tCommand\n")?;
        Ok(joblog)
    }

    /// Adds a job. Not buffered: the log is of use above all when something goes wrong.
    ///
    /// # Errors
    /// If the file can't be written.
    pub(crate) fn add(&mut self, job: &Ended) -> Result<(), Failure> {
        let Some((exit_value, signal)) = job.end.numbers() else { return Ok(()) };
        let started = job.started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let (started, took) = (started.as_secs_f64(), job.took.as_secs_f64());
        self.write(&format!(
            "{}\t{started:.3}\t{took:.3}\t{exit_value}\t{signal}\t{}\n",
            job.seq, job.command
        ))
    }

    fn write(&mut self, line: &str) -> Result<(), Failure> {
        self.file
            .write_all(line.as_bytes())
            .map_err(|error| format!("can't write `{}`: {error}", self.path.display()))
    }
}
