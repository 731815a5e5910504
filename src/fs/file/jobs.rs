//! What a file does by jobs, one at a time: what it reads ahead, and writes behind.

use std::io::{self, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::task::{Context, Poll, ready};

use policy_core::budget;

use super::{File, State};
use crate::fs::job::Job;
use crate::io::uninterrupted;

/// At most so much is copied for one job.
const LARGEST: usize = 2 * 1024 * 1024;

impl File {
    pub(super) fn unread(&self) -> usize {
        self.read.0.len() - self.read.1
    }

    pub(super) async fn settle(&mut self) -> io::Result<()> {
        std::future::poll_fn(|cx| self.poll_settled(cx)).await
    }

    /// Waits for what is under way, and tells its error. Tries again to write what is left
    /// of an earlier one.
    pub(super) fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_idle(cx));
            if let Some(error) = self.error.take() {
                return Poll::Ready(Err(error));
            }
            if self.backlog.is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.start_writing_out()?;
        }
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
            State::Writes(job) => {
                self.error = ready!(job.poll_done(cx)).and_then(|written| written).err();
            }
            // Given up by whoever sought: the file stands there all the same.
            State::Seeks(_, job) => {
                let sought = ready!(job.poll_done(cx)).and_then(|sought| sought);
                self.error = self.note_seek(sought).err();
            }
            State::Rewinds(job) => {
                let sought = ready!(job.poll_done(cx)).and_then(|sought| sought);
                match self.note_seek(sought) {
                    Err(error) if error.kind() == io::ErrorKind::NotSeekable => {
                        self.has_no_position = true;
                    }
                    other => self.error = other.err(),
                }
            }
        }
        self.state = State::Idle;
        Poll::Ready(())
    }

    /// Reads into the buffers, from what was read ahead or by a job.
    pub(super) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let room = bufs.iter().fold(0, |room: usize, buf| room.saturating_add(buf.len()));
        if room == 0 {
            return Poll::Ready(Ok(0));
        }
        budget::poll(cx, |cx| self.poll_buffered(cx, bufs, room))
    }

    /// Gives out what was read ahead, and reads where there is nothing of it.
    fn poll_buffered(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        room: usize,
    ) -> Poll<io::Result<usize>> {
        loop {
            let was_read = matches!(self.state, State::Reads(_));
            ready!(self.poll_settled(cx))?;
            let (buffer, at) = &mut self.read;
            let mut rest = buffer.get(*at..).unwrap_or_default();
            if !rest.is_empty() {
                let count = rest.read_vectored(bufs)?;
                *at += count;
                return Poll::Ready(Ok(count));
            }
            if was_read {
                return Poll::Ready(Ok(0)); // the end of the file
            }
            self.start_read(room)?;
        }
    }

    /// Seeks; the same target goes on with a seek that is under way.
    pub(super) fn poll_sought(
        &mut self,
        cx: &mut Context<'_>,
        to: SeekFrom,
    ) -> Poll<io::Result<u64>> {
        loop {
            match &mut self.state {
                State::Seeks(asked, _) if *asked == to => return self.poll_seek_done(cx),
                _ => {}
            }
            ready!(self.poll_settled(cx))?;
            self.start_seek(to)?;
        }
    }

    /// Waits for the seek that is under way; without one it settles, and says nothing of the
    /// position.
    pub(super) fn poll_seek_done(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        let State::Seeks(_, job) = &mut self.state else {
            return self.poll_settled(cx).map_ok(|()| 0);
        };
        let sought = ready!(job.poll_done(cx)).and_then(|sought| sought);
        self.state = State::Idle;
        Poll::Ready(self.note_seek(sought))
    }

    fn start_read(&mut self, most: usize) -> io::Result<()> {
        let (std, mut buffer) = (self.std.clone(), std::mem::take(&mut self.read).0);
        buffer.resize(most.min(LARGEST), 0);
        self.state = State::Reads(Job::start(move || {
            let read = uninterrupted(|| (&*std).read(&mut buffer));
            (read, buffer)
        })?);
        Ok(())
    }

    /// Accepts bytes, when all that was accepted before is written.
    pub(super) fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_settled(cx))?;
            if self.unread() == 0 || self.has_no_position {
                break;
            }
            // The stream's position is where its reader is, not where it read ahead to.
            let (std, back) = (self.std.clone(), self.unread() as i64);
            self.state =
                State::Rewinds(Job::start(move || (&*std).seek(SeekFrom::Current(-back)))?);
        }
        check_writable(&self.std)?;
        let len = self.backlog.accept(bufs, LARGEST);
        if len == 0 {
            return Poll::Ready(Ok(0));
        }
        if let Err(error) = self.start_writing_out() {
            // Refused as a whole: what is accepted is written.
            self.backlog.take();
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(len))
    }

    fn start_writing_out(&mut self) -> io::Result<()> {
        let (std, backlog) = (self.std.clone(), self.backlog.clone());
        self.state = State::Writes(Job::start(move || {
            let result = backlog.write_out(|bytes| (&*std).write(bytes));
            backlog.log_if_abandoned("a file", &result);
            result
        })?);
        Ok(())
    }

    pub(super) fn start_seek(&mut self, to: SeekFrom) -> io::Result<()> {
        let target = match to {
            SeekFrom::Current(by) => SeekFrom::Current(by.saturating_sub(self.unread() as i64)),
            other => other,
        };
        let std = self.std.clone();
        self.state = State::Seeks(to, Job::start(move || (&*std).seek(target))?);
        Ok(())
    }

    /// Forgets what was read ahead, once the file stands elsewhere. One that could not be
    /// sought stands where it stood.
    fn note_seek(&mut self, sought: io::Result<u64>) -> io::Result<u64> {
        if sought.is_ok() {
            self.read.0.clear();
            self.read.1 = 0;
        }
        sought
    }
}

/// Refuses at once what no later try could write: bytes for a file that is open for
/// reading only. They would be kept for ever, and keep it from being read.
fn check_writable(file: &std::fs::File) -> io::Result<()> {
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;

        let mode = rustix::fs::fcntl_getfl(file)? & OFlags::ACCMODE;
        if mode == OFlags::RDONLY {
            return Err(rustix::io::Errno::BADF.into());
        }
    }
    #[cfg(not(unix))]
    let _ = file;
    Ok(())
}
