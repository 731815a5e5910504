//! The pipes of a child that is about to be started.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use super::plan::Source;
use crate::process::sys;
use crate::process::talk::stdio::Stream;

/// Both ends of each.
#[derive(Debug, Default)]
pub(super) struct Ends {
    pub(super) ours: [Option<OwnedFd>; 3],
    pub(super) theirs: [Option<OwnedFd>; 3],
}

impl Ends {
    /// # Errors
    /// If there are not enough descriptors left.
    pub(super) fn open(streams: &[Stream; 3]) -> io::Result<Self> {
        let mut ends = Self::default();
        let places = ends.ours.iter_mut().zip(&mut ends.theirs);
        for (number, (stream, (ours, theirs))) in streams.iter().zip(places).enumerate() {
            if matches!(stream, Stream::Piped) {
                let (reading, writing) = sys::pipe()?;
                let (own, childs) =
                    if number == 0 { (writing, reading) } else { (reading, writing) };
                *ours = Some(own);
                *theirs = Some(childs);
            }
        }
        Ok(ends)
    }

    /// Where the child's streams come from.
    pub(super) fn sources(&self, streams: &[Stream; 3]) -> [Source; 3] {
        let [input, output, error] = &self.theirs;
        let [stdin, stdout, stderr] = streams;
        let source = |stream: &Stream, end: &Option<OwnedFd>| match (end, stream) {
            (Some(end), _) => Source::Fd(end.as_raw_fd()),
            (None, Stream::Fd(fd)) => Source::Fd(fd.as_raw_fd()),
            (None, Stream::Null) => Source::Null,
            (None, Stream::Inherit | Stream::Piped) => Source::Inherit,
        };
        [source(stdin, input), source(stdout, output), source(stderr, error)]
    }
}
