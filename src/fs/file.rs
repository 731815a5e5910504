//! An open file.

mod jobs;
mod traits;

use std::fs::{Metadata, Permissions};
use std::io::{self, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use policy_core::{IoBuf, IoBufMut, Resource};

use super::OpenOptions;
use super::job::{Job, blocking};
use crate::ambient;
use crate::io::backlog::Backlog;

/// An open file: a stream of bytes that can be read, written and sought.
///
/// A write is complete only after a *flush*: until then a job may still be working on it, and the
/// next call returns its error. Flush before you drop a file whose contents matter;
/// [`sync_all`](Self::sync_all) writes them to the disk.
///
/// After an error, such as a full disk, the file keeps the bytes that are not written yet, and
/// every call that depends on them (`flush`, `close`, the next read, write or seek, `sync_all` …)
/// first tries again. So no call reports success too early, and a disk that was full for a moment
/// loses nothing. [`take_unwritten`](Self::take_unwritten) gives up instead.
///
/// Cancel safe: the next read returns the bytes that a dropped read has read.
///
/// ```
/// use futures_lite::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
/// use policy::fs::{self, OpenOptions};
///
/// # policy::run(async {
/// let path = std::env::temp_dir().join(format!("policy-file-{}", std::process::id()));
/// let mut file = OpenOptions::new().read(true).write(true).create(true).open(&path).await?;
/// file.write_all(b"hello").await?;
/// file.seek(std::io::SeekFrom::Start(1)).await?;
/// let mut text = String::new();
/// file.read_to_string(&mut text).await?;
/// assert_eq!(text, "ello");
/// fs::remove_file(&path).await?;
/// # std::io::Result::Ok(()) })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct File {
    std: Arc<std::fs::File>,
    state: State,
    /// What was read and not given out: from `.1` on.
    read: (Vec<u8>, usize),
    /// What was accepted as written, and is not yet.
    backlog: Backlog,
    /// A pipe, a terminal: what is written goes to no position, and so not to the reader's.
    has_no_position: bool,
    /// Of a job whose result nobody asked for yet.
    error: Option<io::Error>,
    /// For operations at positions.
    resource: OnceLock<Resource>,
}

#[derive(Debug)]
enum State {
    Idle,
    Reads(Job<(io::Result<usize>, Vec<u8>)>),
    Writes(Job<io::Result<()>>),
    Seeks(SeekFrom, Job<io::Result<u64>>),
    /// Back to where the reader is, before a write.
    Rewinds(Job<io::Result<u64>>),
}

impl File {
    /// Opens a file for reading; see [`std::fs::File::open`].
    ///
    /// # Errors
    /// Returns the errors of [`std::fs::File::open`].
    ///
    /// ```
    /// # policy::run(async {
    /// let program = policy::fs::File::open(std::env::current_exe()?).await?;
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        OpenOptions::new().read(true).open(path).await
    }

    /// Creates a file for writing, or truncates an existing one; see [`std::fs::File::create`].
    ///
    /// # Errors
    /// Returns the errors of [`std::fs::File::create`].
    ///
    /// ```no_run
    /// # policy::run(async {
    /// let notes = policy::fs::File::create("notes.txt").await?;
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        OpenOptions::new().write(true).create(true).truncate(true).open(path).await
    }

    /// Returns the options with which a file can be opened.
    ///
    /// ```no_run
    /// # policy::run(async {
    /// let log = policy::fs::File::options().append(true).open("log.txt").await?;
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    /// Converts a std file.
    ///
    /// ```
    /// let std_file = std::fs::File::open(std::env::current_exe()?)?;
    /// let file = policy::fs::File::from_std(std_file);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn from_std(std: std::fs::File) -> Self {
        Self {
            std: Arc::new(std),
            state: State::Idle,
            read: (Vec::new(), 0),
            backlog: Backlog::default(),
            has_no_position: false,
            error: None,
            resource: OnceLock::new(),
        }
    }

    /// Converts into a std file, once the jobs that have begun are done. Seeks back over bytes that
    /// were read ahead.
    ///
    /// # Errors
    /// Returns the error of a pending write, or of the seek. The file is closed then, and its
    /// unwritten bytes are lost: flush first if they matter.
    ///
    /// ```
    /// # policy::run(async {
    /// let file = policy::fs::File::open(std::env::current_exe()?).await?;
    /// let std_file: std::fs::File = file.into_std().await?;
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn into_std(mut self) -> io::Result<std::fs::File> {
        self.settle().await?;
        if self.unread() > 0 {
            let (std, back) = (self.std.clone(), self.unread() as i64);
            blocking(move || (&*std).seek(SeekFrom::Current(-back))).await?;
        }
        Arc::try_unwrap(self.std).or_else(|shared| shared.try_clone())
    }

    /// Converts into a std file if nothing is pending: no job, no bytes that were read ahead, no
    /// unwritten bytes.
    ///
    /// # Errors
    /// Returns the file itself, unchanged, if something is pending.
    ///
    /// ```
    /// # policy::run(async {
    /// let file = policy::fs::File::open(std::env::current_exe()?).await?;
    /// let std_file: std::fs::File = file.try_into_std().expect("nothing is under way");
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[allow(
        clippy::result_large_err,
        reason = "what is given back is the file itself, to go on with"
    )]
    pub fn try_into_std(self) -> Result<std::fs::File, Self> {
        let is_idle = matches!(self.state, State::Idle)
            && self.error.is_none()
            && self.unread() == 0
            && self.backlog.is_empty();
        if !is_idle {
            return Err(self);
        }
        // Shared with a job of a call that was given up, such as `metadata`.
        Arc::try_unwrap(self.std).map_err(|std| Self { std, ..self })
    }

    /// Returns the metadata of the file.
    ///
    /// # Errors
    /// Returns the errors of [`std::fs::File::metadata`].
    ///
    /// ```
    /// # policy::run(async {
    /// let program = policy::fs::File::open(std::env::current_exe()?).await?;
    /// assert!(program.metadata().await?.len() > 0);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn metadata(&self) -> io::Result<Metadata> {
        let std = self.std.clone();
        blocking(move || std.metadata()).await
    }

    /// Sets the permissions of the file.
    ///
    /// # Errors
    /// Returns the errors of [`std::fs::File::set_permissions`].
    ///
    /// ```no_run
    /// # policy::run(async {
    /// let file = policy::fs::File::open("notes.txt").await?;
    /// let mut permissions = file.metadata().await?.permissions();
    /// permissions.set_readonly(true);
    /// file.set_permissions(permissions).await?;
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn set_permissions(&self, permissions: Permissions) -> io::Result<()> {
        let std = self.std.clone();
        blocking(move || std.set_permissions(permissions)).await
    }

    /// Truncates the file to this length, or extends it with zeroes.
    ///
    /// # Errors
    /// Returns the errors of [`std::fs::File::set_len`], or the error of a pending write.
    ///
    /// ```no_run
    /// # policy::run(async {
    /// let mut file = policy::fs::File::create("zeroes").await?;
    /// file.set_len(4096).await?;
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.settle().await?;
        let std = self.std.clone();
        blocking(move || std.set_len(len)).await
    }

    /// Writes all data and metadata of the file to the disk.
    ///
    /// # Errors
    /// Returns the errors of [`std::fs::File::sync_all`], or the error of a pending write.
    ///
    /// ```no_run
    /// # policy::run(async {
    /// use futures_lite::AsyncWriteExt;
    ///
    /// let mut journal = policy::fs::File::create("journal").await?;
    /// journal.write_all(b"begin").await?;
    /// journal.sync_all().await?;
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn sync_all(&mut self) -> io::Result<()> {
        self.settle().await?;
        let std = self.std.clone();
        blocking(move || std.sync_all()).await
    }

    /// Writes the data of the file to the disk, and only the metadata that reading it back needs.
    ///
    /// # Errors
    /// Returns the errors of [`std::fs::File::sync_data`], or the error of a pending write.
    ///
    /// ```no_run
    /// # policy::run(async {
    /// let mut journal = policy::fs::File::options().append(true).open("journal").await?;
    /// journal.sync_data().await?;
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn sync_data(&mut self) -> io::Result<()> {
        self.settle().await?;
        let std = self.std.clone();
        blocking(move || std.sync_data()).await
    }

    /// Returns another handle to the same open file; both share its position.
    ///
    /// # Errors
    /// Returns the errors of [`std::fs::File::try_clone`].
    ///
    /// ```
    /// # policy::run(async {
    /// let one = policy::fs::File::open(std::env::current_exe()?).await?;
    /// let other = one.try_clone().await?;
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn try_clone(&self) -> io::Result<Self> {
        let std = self.std.clone();
        blocking(move || std.try_clone()).await.map(Self::from_std)
    }

    /// Reads at a position, into a buffer that is returned in every case. Uses the loop's proactor:
    /// on io_uring and IOCP no thread waits.
    ///
    /// Does not move the position of the stream. Like [`ProactorHandle`](crate::proactor::ProactorHandle), it
    /// fills a vector from its start up to its capacity, and sets its length to the number of bytes
    /// read.
    ///
    /// # Errors
    /// Returns the errors of [`ProactorHandle::read_at`](crate::proactor::ProactorHandle::read_at).
    ///
    /// ```
    /// # policy::run(async {
    /// let program = policy::fs::File::open(std::env::current_exe()?).await?;
    /// let (read, buffer) = program.read_at(1, Vec::with_capacity(16)).await;
    /// assert_eq!(read?, buffer.len());
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn read_at<B: IoBufMut>(&self, offset: u64, buffer: B) -> (io::Result<usize>, B) {
        match self.positioned() {
            Ok((proactor, resource)) => proactor.read_at(resource, offset, buffer).await,
            Err(error) => (Err(error), buffer),
        }
    }

    /// Writes at a position, from a buffer that is returned in every case; see
    /// [`read_at`](Self::read_at). May write fewer bytes than the buffer holds.
    ///
    /// # Errors
    /// Returns the errors of [`ProactorHandle::write_at`](crate::proactor::ProactorHandle::write_at).
    ///
    /// ```no_run
    /// # policy::run(async {
    /// let file = policy::fs::File::create("table").await?;
    /// let (written, row) = file.write_at(512, b"a row".to_vec()).await;
    /// assert!(written? <= row.len());
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn write_at<B: IoBuf>(&self, offset: u64, buffer: B) -> (io::Result<usize>, B) {
        match self.positioned() {
            Ok((proactor, resource)) => proactor.write_at(resource, offset, buffer).await,
            Err(error) => (Err(error), buffer),
        }
    }

    /// Takes the bytes that could not be written, so that no call tries them again. Returns nothing
    /// if all bytes are written, or are still being written.
    ///
    /// ```
    /// # async fn example(file: &mut policy::fs::File) -> std::io::Result<()> {
    /// use futures_lite::AsyncWriteExt;
    ///
    /// if let Err(full) = file.flush().await {
    ///     let lost = file.take_unwritten();
    ///     eprintln!("{} bytes are not in the file: {full}", lost.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn take_unwritten(&mut self) -> Vec<u8> {
        match self.state {
            State::Writes(_) => Vec::new(),
            _ => self.backlog.take(),
        }
    }

    fn positioned(&self) -> io::Result<(crate::proactor::ProactorHandle, &Resource)> {
        let proactor = ambient::event_loop()?.proactor()?;
        if let Some(resource) = self.resource.get() {
            return Ok((proactor, resource));
        }
        let resource = Resource::from(self.std.try_clone()?);
        Ok((proactor, self.resource.get_or_init(|| resource)))
    }
}
