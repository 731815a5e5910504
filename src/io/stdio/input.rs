//! Standard input, read on a thread of its own.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use futures_io::AsyncRead;
use policy_core::budget;
use policy_core::sync::{Condvar, Mutex};

use crate::io::bridge::{PollRead, initialised};

/// Returns the standard input of the process, for reading without blocking.
///
/// A thread of the process, `policy-stdin`, reads when a handle asks for bytes: not every terminal,
/// file or Windows console can be waited for, and a pipe that is shared with other processes must
/// stay blocking. So a read without an answer delays neither a closing loop nor the end of the
/// process.
///
/// All handles read from one stream, through [`std::io::stdin`], whose buffer comes first. Needs no
/// loop. Cancel safe: the bytes of a dropped read go to the next read of any handle; std, and the
/// programs that this one starts, don't see them any more.
///
/// ```no_run
/// use futures_lite::AsyncReadExt;
///
/// policy::run(async {
///     let mut text = String::new();
///     policy::io::stdin().read_to_string(&mut text).await?;
///     println!("{} bytes", text.len());
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[must_use]
pub fn stdin() -> Stdin {
    Stdin(())
}

/// A handle to the standard input; see [`stdin`].
///
/// ```
/// use futures_lite::AsyncReadExt;
///
/// # async fn example() -> std::io::Result<()> {
/// let mut input: policy::io::Stdin = policy::io::stdin();
/// let mut text = String::new();
/// input.read_to_string(&mut text).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Stdin(());

/// What is read at once. As much as std's own buffer, or more: then that is passed by.
const CHUNK: usize = 16 * 1024;

/// How long the thread stays when nobody asks: who reads asks again soon.
const LINGER: Duration = Duration::from_secs(1);

static INPUT: Input = Input { state: Mutex::new(State::NEW), asked: Condvar::new() };

struct Input {
    state: Mutex<State>,
    asked: Condvar,
}

struct State {
    /// Read, and not taken yet.
    bytes: VecDeque<u8>,
    /// An end or an error, behind the bytes. Told once: a terminal goes on after an end.
    ended: Option<io::Result<()>>,
    asked: bool,
    /// The thread is there, in the process of this generation: `fork` copies no threads.
    thread: Option<u64>,
    waiting: Vec<Waker>,
}

impl State {
    const NEW: Self = Self {
        bytes: VecDeque::new(),
        ended: None,
        asked: false,
        thread: None,
        waiting: Vec::new(),
    };

    /// Takes what is there.
    fn take(&mut self, buf: &mut [u8]) -> Option<io::Result<usize>> {
        if !self.bytes.is_empty() || buf.is_empty() {
            return Some(self.bytes.read(buf));
        }
        Some(self.ended.take()?.map(|()| 0))
    }
}

impl Input {
    fn poll_read(&'static self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        // Before the lock, and dropped after it: to clone a waker or to drop one may run any
        // code, which may read here, too.
        let mut waker = Some(cx.waker().clone());
        let mut state = self.state.lock();
        if let Some(result) = state.take(buf) {
            return Poll::Ready(result);
        }
        if state.thread != Some(generation()) {
            if state.thread.is_some() {
                // A parent's process: those who wait there are not to be woken here.
                std::mem::forget(std::mem::take(&mut state.waiting));
            }
            let started =
                thread::Builder::new().name("policy-stdin".into()).spawn(move || self.serve());
            if let Err(error) = started {
                return Poll::Ready(Err(error));
            }
            (state.thread, state.asked) = (Some(generation()), false);
        }
        if !state.waiting.iter().any(|known| known.will_wake(cx.waker())) {
            state.waiting.extend(waker.take());
        }
        if !state.asked {
            state.asked = true;
            self.asked.notify_one();
        }
        Poll::Pending
    }

    /// What the thread does.
    fn serve(&self) {
        let mut chunk = vec![0; CHUNK];
        loop {
            let mut state = self.state.lock();
            let is_asked;
            (state, is_asked) = self.asked.wait_for(state, LINGER, |state| !state.asked);
            if !is_asked {
                state.thread = None;
                return;
            }
            drop(state);
            let read = crate::io::uninterrupted(|| io::stdin().lock().read(&mut chunk));
            let waiting = {
                let mut state = self.state.lock();
                state.asked = false;
                match read {
                    Ok(0) => state.ended = Some(Ok(())),
                    Ok(read) => state.bytes.extend(chunk.iter().take(read)),
                    Err(error) => state.ended = Some(Err(error)),
                }
                std::mem::take(&mut state.waiting)
            };
            waiting.into_iter().for_each(policy_core::sync::wake);
        }
    }
}

/// Tells a forked copy of the process, in which the thread is not.
fn generation() -> u64 {
    #[cfg(unix)]
    return policy_core::local::fork_generation();
    #[cfg(not(unix))]
    0
}

impl AsyncRead for Stdin {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        budget::poll(cx, |cx| INPUT.poll_read(cx, buf))
    }
}

impl PollRead for Stdin {
    fn poll_read_uninit(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [MaybeUninit<u8>],
    ) -> Poll<io::Result<usize>> {
        budget::poll(cx, |cx| INPUT.poll_read(cx, initialised(buf)))
    }
}

bridge_read!(Stdin);
