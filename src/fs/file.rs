//! An open file.

use std::fs::{Metadata, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use futures_io::{AsyncRead, AsyncSeek, AsyncWrite};
use policy_core::{IoBuf, IoBufMut, Resource};

use super::OpenOptions;
use super::job::{Job, blocking};
use crate::ambient;

/// At most so much is copied for one job.
const LARGEST: usize = 2 * 1024 * 1024;

/// An open file: a stream of bytes that can be read, written and sought.
///
/// A write is done when it is *flushed*: until then it is a job that may be under way,
/// and whose error the next call tells. Flush before you drop a file whose contents
/// matter; [`sync_all`](Self::sync_all) brings them to the disk.
///
/// Cancel safe: what a read that was given up has read comes with the next one.
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
    /// Of a write that nobody asked about yet.
    error: Option<io::Error>,
    /// For operations at positions.
    resource: OnceLock<Resource>,
}

#[derive(Debug)]
enum State {
    Idle,
    Reads(Job<(io::Result<usize>, Vec<u8>)>),
    Writes(Job<(io::Result<()>, Vec<u8>)>),
    Seeks(SeekFrom, Job<io::Result<u64>>),
}

impl File {
    /// Opens a file for reading; see [`std::fs::File::open`].
    ///
    /// # Errors
    /// As there.
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

    /// Makes a file for writing, and drops what it held; see [`std::fs::File::create`].
    ///
    /// # Errors
    /// As there.
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

    /// Returns what can be said of how a file is opened.
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

    /// Takes a file of std's.
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
            error: None,
            resource: OnceLock::new(),
        }
    }

    /// Gives the file back as std's, when what was begun is done. What was read ahead
    /// is sought back.
    ///
    /// # Errors
    /// Of a write that was under way, or of the seek.
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

    /// Returns what is known of the file.
    ///
    /// # Errors
    /// As [`std::fs::File::metadata`].
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

    /// Sets who may do what with the file.
    ///
    /// # Errors
    /// As [`std::fs::File::set_permissions`].
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

    /// Cuts the file, or fills it with zeroes, to this length.
    ///
    /// # Errors
    /// As [`std::fs::File::set_len`]; of a write that was under way.
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

    /// Brings what was written to the disk, with all that is known of the file.
    ///
    /// # Errors
    /// As [`std::fs::File::sync_all`]; of a write that was under way.
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

    /// Brings what was written to the disk, and no more than reading it back needs.
    ///
    /// # Errors
    /// As [`std::fs::File::sync_data`]; of a write that was under way.
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

    /// Returns another handle of the same open file: they share its position.
    ///
    /// # Errors
    /// As [`std::fs::File::try_clone`].
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

    /// Reads at a position, into a buffer that comes back in every case. By the loop's
    /// proactor: on io_uring and IOCP no thread waits.
    ///
    /// The position of the stream stays. As in [`ProactorHandle`](crate::ProactorHandle),
    /// a vector is filled from its beginning up to its capacity, and has the length
    /// that was read.
    ///
    /// # Errors
    /// As [`ProactorHandle::read_at`](crate::ProactorHandle::read_at).
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

    /// Writes at a position, from a buffer that comes back in every case; see
    /// [`read_at`](Self::read_at). May write less than the buffer.
    ///
    /// # Errors
    /// As [`ProactorHandle::write_at`](crate::ProactorHandle::write_at).
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

    fn positioned(&self) -> io::Result<(crate::ProactorHandle, &Resource)> {
        let proactor = ambient::event_loop()?.proactor()?;
        if let Some(resource) = self.resource.get() {
            return Ok((proactor, resource));
        }
        let resource = Resource::from(self.std.try_clone()?);
        Ok((proactor, self.resource.get_or_init(|| resource)))
    }

    fn unread(&self) -> usize {
        self.read.0.len() - self.read.1
    }

    async fn settle(&mut self) -> io::Result<()> {
        std::future::poll_fn(|cx| self.poll_settled(cx)).await
    }

    /// Waits for what is under way, and tells the error of a write.
    fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_idle(cx));
        Poll::Ready(self.error.take().map_or(Ok(()), Err))
    }

    /// Waits for what is under way. What was read is kept; errors too.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.state {
            State::Idle => return Poll::Ready(()),
            State::Reads(job) => match ready!(job.poll_done(cx)) {
                Ok((result, mut buffer)) => {
                    buffer.truncate(*result.as_ref().unwrap_or(&0));
                    self.read = (buffer, 0);
                    self.error = result.err();
                }
                Err(error) => self.error = Some(error),
            },
            State::Writes(job) => match ready!(job.poll_done(cx)) {
                Ok((result, mut buffer)) => {
                    buffer.clear();
                    self.read = (buffer, 0);
                    self.error = result.err();
                }
                Err(error) => self.error = Some(error),
            },
            // Given up by whoever sought: the file stands there all the same.
            State::Seeks(_, job) => {
                self.error = ready!(job.poll_done(cx)).and_then(|sought| sought).err();
            }
        }
        self.state = State::Idle;
        Poll::Ready(())
    }

    fn start_read(&mut self, most: usize) -> io::Result<()> {
        let (std, mut buffer) = (self.std.clone(), std::mem::take(&mut self.read).0);
        buffer.resize(most.min(LARGEST), 0);
        self.state = State::Reads(Job::start(move || {
            let read = retry(|| (&*std).read(&mut buffer));
            (read, buffer)
        })?);
        Ok(())
    }

    fn start_write(&mut self, bytes: &[u8]) -> io::Result<()> {
        // The stream's position is where its reader is, not where it read ahead to.
        let back = self.unread() as i64;
        let (std, mut buffer) = (self.std.clone(), std::mem::take(&mut self.read).0);
        buffer.clear();
        buffer.extend_from_slice(bytes);
        self.state = State::Writes(Job::start(move || {
            let written = match back {
                0 => (&*std).write_all(&buffer),
                back => {
                    (&*std).seek(SeekFrom::Current(-back)).and_then(|_| (&*std).write_all(&buffer))
                }
            };
            (written, buffer)
        })?);
        Ok(())
    }

    fn start_seek(&mut self, to: SeekFrom) -> io::Result<()> {
        let target = match to {
            SeekFrom::Current(by) => SeekFrom::Current(by.saturating_sub(self.unread() as i64)),
            other => other,
        };
        self.read.0.clear();
        self.read.1 = 0;
        let std = self.std.clone();
        self.state = State::Seeks(to, Job::start(move || (&*std).seek(target))?);
        Ok(())
    }
}

fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

impl AsyncRead for File {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if out.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let this = &mut *self;
        loop {
            let was_read = matches!(this.state, State::Reads(_));
            ready!(this.poll_settled(cx))?;
            let (buffer, at) = &mut this.read;
            let mut rest = buffer.get(*at..).unwrap_or_default();
            if !rest.is_empty() {
                let count = rest.read(out)?;
                *at += count;
                return Poll::Ready(Ok(count));
            }
            if was_read {
                return Poll::Ready(Ok(0)); // the end of the file
            }
            this.start_read(out.len())?;
        }
    }
}

impl AsyncWrite for File {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_settled(cx))?;
        let some = bytes.get(..LARGEST).unwrap_or(bytes);
        self.start_write(some)?;
        Poll::Ready(Ok(some.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_settled(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_settled(cx)
    }
}

impl AsyncSeek for File {
    fn poll_seek(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: SeekFrom,
    ) -> Poll<io::Result<u64>> {
        loop {
            match &mut self.state {
                State::Seeks(asked, job) if *asked == to => {
                    let sought = ready!(job.poll_done(cx));
                    self.state = State::Idle;
                    return Poll::Ready(sought?);
                }
                _ => {}
            }
            ready!(self.poll_settled(cx))?;
            self.start_seek(to)?;
        }
    }
}

impl From<std::fs::File> for File {
    fn from(std: std::fs::File) -> Self {
        Self::from_std(std)
    }
}
