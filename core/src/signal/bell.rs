//! How a signal handler reaches a thread or a loop.

use std::fmt;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU64, Ordering};
use std::{process, ptr};

use super::handler;
use crate::local::fork_generation;
use crate::os;
use crate::sync::Mutex;

/// SIGCHLD rings it while a [`Hold`](super::Hold) or [`Listener`](super::Listener) for SIGCHLD
/// exists: for a thread that waits for children.
pub static CHILDREN: Bell = Bell::new();

/// Rung by every signal that has a listener.
pub(super) static LISTENERS: Bell = Bell::new();

/// A pair of sockets: a signal handler writes a byte to one, and a thread or a loop waits at the
/// other.
///
/// It does nothing until it is [opened](Self::open). Its descriptors are never closed, because a
/// handler may be about to write; a forked child opens a pair of its own.
///
/// ```
/// use policy_core::signal::Bell;
///
/// static BELL: Bell = Bell::new();
///
/// BELL.open()?;
/// BELL.ring();
/// assert!(BELL.wait(1_000)); // at most a second
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Bell {
    /// What the handler reads; -1 before there is one.
    write: AtomicI32,
    /// The process that these ends belong to: a forked child has copies that its
    /// parent hears.
    owner: AtomicU64,
    /// Leaked, so that it is there for ever.
    ends: AtomicPtr<Ends>,
    opening: Mutex<()>,
}

struct Ends {
    read: UnixStream,
    /// Kept open.
    _write: UnixStream,
}

impl Bell {
    /// Makes a bell without descriptors.
    ///
    /// ```
    /// use policy_core::signal::Bell;
    ///
    /// static BELL: Bell = Bell::new();
    /// BELL.ring(); // nothing happens
    /// ```
    pub const fn new() -> Self {
        Self {
            write: AtomicI32::new(-1),
            owner: AtomicU64::new(0),
            ends: AtomicPtr::new(ptr::null_mut()),
            opening: Mutex::new(()),
        }
    }

    /// Opens the descriptors, unless this process has them already.
    ///
    /// # Errors
    /// Returns an error if no descriptors are left.
    ///
    /// ```
    /// use policy_core::signal::Bell;
    ///
    /// static BELL: Bell = Bell::new();
    /// BELL.open()?;
    /// BELL.open()?; // does nothing
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn open(&self) -> io::Result<()> {
        let _one_at_a_time = self.opening.lock();
        if self.is_open() {
            return Ok(());
        }
        let (read, write) = UnixStream::pair()?;
        read.set_nonblocking(true)?;
        write.set_nonblocking(true)?;
        let fd = write.as_raw_fd();
        self.ends.store(Box::into_raw(Box::new(Ends { read, _write: write })), Ordering::Release);
        self.write.store(fd, Ordering::Release);
        self.owner.store(this_process(), Ordering::Release);
        Ok(())
    }

    /// Rings. Async-signal-safe, and never blocks; has no effect on a bell that already rings.
    ///
    /// ```
    /// # use policy_core::signal::Bell;
    /// # static BELL: Bell = Bell::new();
    /// BELL.open()?;
    /// BELL.ring();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn ring(&self) {
        if self.is_open() {
            handler::write_byte(self.write.load(Ordering::Acquire));
        }
    }

    /// Blocks this thread until the bell rings, for at most that many milliseconds; -1 waits for
    /// ever. Returns true if it rang. May return false early.
    ///
    /// ```
    /// # use policy_core::signal::Bell;
    /// # static BELL: Bell = Bell::new();
    /// BELL.open()?;
    /// assert!(!BELL.wait(0)); // it does not ring
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn wait(&self, milliseconds: i32) -> bool {
        let Some(ends) = self.ends() else {
            // No descriptors were left; nothing rings.
            let pause = u64::try_from(milliseconds).unwrap_or(1_000);
            std::thread::sleep(std::time::Duration::from_millis(pause));
            return false;
        };
        if !os::wait_readable([ends.read.as_fd()], milliseconds).unwrap_or(false) {
            return false;
        }
        self.silence();
        true
    }

    /// Takes the bytes that were rung, and returns how many there were.
    pub(super) fn silence(&self) -> usize {
        let Some(ends) = self.ends() else { return 0 };
        let (mut buffer, mut taken) = ([0; 512], 0);
        loop {
            match (&ends.read).read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) | Ok(0) => return taken,
                Ok(read) => {
                    taken += read;
                    // There was no more. What rings now is heard at the next look.
                    if read < buffer.len() {
                        return taken;
                    }
                }
            }
        }
    }

    /// Returns another descriptor of the end that is waited at: a reactor takes each
    /// descriptor once.
    pub(super) fn duplicate(&self) -> io::Result<OwnedFd> {
        match self.ends() {
            Some(ends) => ends.read.as_fd().try_clone_to_owned(),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn ends(&self) -> Option<&'static Ends> {
        if !self.is_open() {
            return None;
        }
        handler::leaked(&self.ends)
    }

    fn is_open(&self) -> bool {
        is_this_process(self.owner.load(Ordering::Acquire))
    }
}

impl Default for Bell {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bell").field("open", &self.is_open()).finish()
    }
}

/// Returns this process: its number, and how often it was forked. A number alone comes
/// again, 1 in each namespace of its own; and who calls `clone` or `vfork` counts no fork.
pub(super) fn this_process() -> u64 {
    u64::from(process::id()) << 32 | fork_generation() & u64::from(u32::MAX)
}

/// Returns true for what `this_process` gave in this process. Async-signal-safe: whoever
/// was given something has begun to count forks.
pub(super) fn is_this_process(process: u64) -> bool {
    process != 0 && process == this_process()
}
