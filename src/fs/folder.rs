//! The entries of a folder.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{FileType, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::job::{Job, blocking};

/// Lists a folder; see [`std::fs::read_dir`].
///
/// ```
/// # policy::run(async {
/// let mut entries = policy::fs::read_dir(".").await?;
/// while let Some(entry) = entries.next_entry().await? {
///     println!("{}", entry.path().display());
/// }
/// # std::io::Result::Ok(()) })?;
/// # std::io::Result::Ok(())
/// ```
pub async fn read_dir(path: impl AsRef<Path>) -> io::Result<ReadDir> {
    let path = path.as_ref().to_owned();
    blocking(move || std::fs::read_dir(path).map(ReadDir::new)).await
}

/// As many entries are read by one job: a job for each would cost more than the call.
const BATCH: usize = 64;

type Batch = (VecDeque<io::Result<std::fs::DirEntry>>, Option<std::fs::ReadDir>);

/// The entries of a folder, as a stream, in no particular order. See [`read_dir`].
#[derive(Debug)]
pub struct ReadDir {
    read: VecDeque<io::Result<std::fs::DirEntry>>,
    /// Where the rest comes from; nothing once the end is reached.
    rest: Option<std::fs::ReadDir>,
    job: Option<Job<Batch>>,
}

impl ReadDir {
    fn new(rest: std::fs::ReadDir) -> Self {
        Self { read: VecDeque::new(), rest: Some(rest), job: None }
    }

    /// Returns the next entry; `None` at the end. Cancel safe: no entry is lost.
    ///
    /// # Errors
    /// Returns the errors of std's iterator; the entries after it are still returned.
    ///
    /// ```
    /// # policy::run(async {
    /// let mut entries = policy::fs::read_dir(".").await?;
    /// assert!(entries.next_entry().await?.is_some());
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn next_entry(&mut self) -> io::Result<Option<DirEntry>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await.transpose()
    }
}

impl Stream for ReadDir {
    type Item = io::Result<DirEntry>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(entry) = self.read.pop_front() {
                return Poll::Ready(Some(entry.map(DirEntry)));
            }
            if let Some(job) = &mut self.job {
                let done = ready!(job.poll_done(cx));
                self.job = None;
                match done {
                    Ok((read, rest)) => (self.read, self.rest) = (read, rest),
                    Err(error) => return Poll::Ready(Some(Err(error))),
                }
                continue;
            }
            let Some(mut rest) = self.rest.take() else { return Poll::Ready(None) };
            let job = Job::start(move || {
                let read: VecDeque<_> = rest.by_ref().take(BATCH).collect();
                let rest = (read.len() == BATCH).then_some(rest);
                (read, rest)
            });
            match job {
                Ok(job) => self.job = Some(job),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }
}

/// An entry of a folder. See [`read_dir`].
#[derive(Debug)]
pub struct DirEntry(std::fs::DirEntry);

impl DirEntry {
    /// Returns the full path: the folder's path with the name.
    ///
    /// ```
    /// # policy::run(async {
    /// let mut entries = policy::fs::read_dir(".").await?;
    /// while let Some(entry) = entries.next_entry().await? {
    ///     println!("{}", entry.path().display());
    /// }
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn path(&self) -> PathBuf {
        self.0.path()
    }

    /// Returns the name.
    ///
    /// ```
    /// # policy::run(async {
    /// let mut entries = policy::fs::read_dir(".").await?;
    /// while let Some(entry) = entries.next_entry().await? {
    ///     println!("{}", entry.file_name().display());
    /// }
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn file_name(&self) -> OsString {
        self.0.file_name()
    }

    /// Returns whether it is a file, a folder or a link. Does not follow links.
    ///
    /// # Errors
    /// Returns the errors of [`std::fs::DirEntry::file_type`].
    ///
    /// ```
    /// # policy::run(async {
    /// let mut entries = policy::fs::read_dir(".").await?;
    /// while let Some(entry) = entries.next_entry().await? {
    ///     println!("{:?}", entry.file_type().await?);
    /// }
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn file_type(&self) -> io::Result<FileType> {
        // Nearly always known already; std asks the system only if it is not.
        self.0.file_type()
    }

    /// Returns its inode number, without a system call.
    ///
    /// ```
    /// # policy::run(async {
    /// let mut entries = policy::fs::read_dir(".").await?;
    /// while let Some(entry) = entries.next_entry().await? {
    ///     println!("{}", entry.ino());
    /// }
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[cfg(unix)]
    pub fn ino(&self) -> u64 {
        std::os::unix::fs::DirEntryExt::ino(&self.0)
    }

    /// Returns its metadata. Does not follow links.
    ///
    /// # Errors
    /// Returns the errors of [`std::fs::DirEntry::metadata`].
    ///
    /// ```
    /// # policy::run(async {
    /// let mut entries = policy::fs::read_dir(".").await?;
    /// while let Some(entry) = entries.next_entry().await? {
    ///     println!("{} bytes", entry.metadata().await?.len());
    /// }
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn metadata(&self) -> io::Result<Metadata> {
        super::symlink_metadata(self.path()).await
    }
}

/// Options for creating a folder: std's [`DirBuilder`](std::fs::DirBuilder), off the loop.
///
/// ```
/// use policy::fs::DirBuilder;
///
/// # policy::run(async {
/// # let temporary = tempfile::tempdir()?;
/// # let base = temporary.path();
/// DirBuilder::new().recursive(true).create(base.join("a/b")).await?;
/// assert!(policy::fs::metadata(base.join("a/b")).await?.is_dir());
/// # std::io::Result::Ok(()) })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug, Default)]
pub struct DirBuilder {
    recursive: bool,
    #[cfg(unix)]
    mode: Option<u32>,
}

impl DirBuilder {
    /// Makes options that create a single folder, with all permissions that the process's umask
    /// allows.
    ///
    /// ```
    /// # async fn example() -> std::io::Result<()> {
    /// policy::fs::DirBuilder::new().create("logs").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether to create missing parent folders too, and to accept a folder that exists
    /// already.
    ///
    /// ```
    /// # async fn example() -> std::io::Result<()> {
    /// policy::fs::DirBuilder::new().recursive(true).create("logs/2026/12").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn recursive(&mut self, recursive: bool) -> &mut Self {
        self.recursive = recursive;
        self
    }

    /// Sets the permissions of new folders; the process's umask is removed from them.
    ///
    /// ```
    /// # #[cfg(unix)]
    /// # async fn example() -> std::io::Result<()> {
    /// policy::fs::DirBuilder::new().mode(0o700).create("private").await?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(unix)]
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        self.mode = Some(mode);
        self
    }

    /// Creates the folder.
    ///
    /// # Errors
    /// Returns the errors of [`std::fs::DirBuilder::create`].
    ///
    /// ```no_run
    /// # policy::run(async {
    /// policy::fs::DirBuilder::new().create("folder").await?;
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn create(&self, path: impl AsRef<Path>) -> io::Result<()> {
        // std's can't be cloned.
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(self.recursive);
        #[cfg(unix)]
        if let Some(mode) = self.mode {
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, mode);
        }
        let path = path.as_ref().to_owned();
        blocking(move || builder.create(path)).await
    }
}
