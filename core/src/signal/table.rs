//! Who wants which signals handled, and what was in place before.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::atomic::Ordering;

use super::SignalKind;
use super::bell::{is_this_process, this_process};
use super::handler::{self, ENTRIES, OWNER, slot};
use crate::sync::Mutex;
use crate::{Error, ErrorKind};

static TABLE: Mutex<BTreeMap<i32, Known>> = Mutex::new(BTreeMap::new());

/// What is known of a signal that is, or was, handled.
struct Known {
    /// The entry that is in place, or would be next.
    entry: usize,
    /// Put in place and not put back: then it is there, or somebody came after us.
    is_installed: bool,
    /// What was there before each entry.
    previous: [Option<libc::sigaction>; ENTRIES],
    has_warned: bool,
}

/// Keeps a signal handled until it is dropped.
///
/// The handler calls the previous handler too. Dropping the last hold restores that handler.
///
/// | the previous handler's | while the signal is held |
/// |---|---|
/// | stack (`SA_ONSTACK`, or the thread's own) | unchanged |
/// | `SA_RESTART`, or interrupted system calls | unchanged |
/// | `SA_NODEFER`, `sa_mask` | unchanged |
/// | `SA_RESETHAND` | called once; then the last hold restores the default |
/// | `SA_SIGINFO` with its context, `SA_NOCLDSTOP` | unchanged |
/// | `SA_NOCLDWAIT`, and an ignored SIGCHLD | not kept, and logged if there is a handler: children that exit wait to be reaped |
/// | entry in `sigaction` | ours, until the last hold is dropped |
/// | successor, a handler installed over ours that does not call it | takes the signal; the next hold installs ours over it, once. It is not installed over another one after that, which is logged |
///
/// ```
/// use policy_core::signal::{Hold, SignalKind, is_first};
///
/// let hold = Hold::new(SignalKind::user_defined2())?;
/// assert!(is_first(SignalKind::user_defined2()));
/// assert!(hold.release()); // it was put back
/// assert!(!is_first(SignalKind::user_defined2()));
/// # Ok::<(), policy_core::Error>(())
/// ```
#[must_use = "the signal is handled until this is dropped"]
pub struct Hold {
    wanted: Wanted,
    /// The process that it is of: a forked child's copy means nothing.
    owner: u64,
    is_released: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Signal(i32),
    Listener(i32),
    Interrupt,
}

impl Wanted {
    fn signal(self) -> i32 {
        match self {
            Self::Signal(signal) | Self::Listener(signal) => signal,
            Self::Interrupt => libc::SIGINT,
        }
    }

    fn slot(self) -> &'static handler::Slot {
        slot(self.signal() as usize)
    }
}

impl Hold {
    /// Installs the handler, unless it is installed already.
    ///
    /// # Errors
    /// Returns [`ErrorKind::InvalidInput`] if the number is no signal, and
    /// [`ErrorKind::UncatchableSignal`] for SIGKILL and SIGSTOP, which the system reserves, and for
    /// SIGSEGV, SIGBUS, SIGILL and SIGFPE, where a handler that returns repeats the fault.
    ///
    /// ```
    /// use policy_core::{ErrorKind, signal::{Hold, SignalKind}};
    ///
    /// let Err(error) = Hold::new(SignalKind::from_raw(9)) else { unreachable!() };
    /// assert_eq!(error.kind(), ErrorKind::UncatchableSignal);
    /// let Err(error) = Hold::new(SignalKind::from_raw(0)) else { unreachable!() };
    /// assert_eq!(error.kind(), ErrorKind::InvalidInput);
    /// ```
    pub fn new(kind: SignalKind) -> Result<Self, Error> {
        check(kind)?;
        Self::acquire(Wanted::Signal(kind.as_raw()))
    }

    /// As `new`, for one that hears of it by the bell of all listeners.
    pub(super) fn listener(kind: SignalKind) -> Result<Self, Error> {
        check(kind)?;
        Self::acquire(Wanted::Listener(kind.as_raw()))
    }

    /// Returns true where SIGINT has its default.
    pub(super) fn may_interrupt() -> bool {
        handler::current(libc::SIGINT).is_ok_and(|top| top.sa_sigaction == libc::SIG_DFL)
    }

    /// Wants SIGINT if nobody else does, once.
    pub(super) fn interrupt() -> Result<Self, Error> {
        Self::acquire(Wanted::Interrupt)
    }

    fn acquire(wanted: Wanted) -> Result<Self, Error> {
        let mut table = TABLE.lock();
        let owner = this_process();
        if OWNER.load(Ordering::Acquire) != owner {
            // The parent's holds mean nothing in a forked child.
            for signal in 0..handler::SIGNALS {
                slot(signal).forget_holders();
            }
            OWNER.store(owner, Ordering::Release);
        }
        // Before the handler is there, so that none of its signals is nobody's.
        let slot = wanted.slot();
        if let Wanted::Listener(_) = wanted {
            slot.listeners.fetch_add(1, Ordering::AcqRel);
        }
        match wanted {
            Wanted::Signal(_) | Wanted::Listener(_) => slot.holders.add(),
            Wanted::Interrupt => slot.holders.arm(),
        }
        let hold = Self { wanted, owner, is_released: false };
        let put = put_in_place(&mut table, wanted.signal());
        drop(table);
        match put {
            Ok(warning) => {
                if let Some(warning) = warning {
                    log::warn!("{:?}: {warning}", SignalKind::from_raw(wanted.signal()));
                }
                Ok(hold)
            }
            Err(error) => Err(refused(error)),
        }
    }

    /// Releases the signal. Returns false if this was the last hold and the previous handler could
    /// not be restored, because other code has installed a handler over ours; that handler stays.
    ///
    /// ```
    /// use policy_core::signal::{Hold, SignalKind};
    ///
    /// let hold = Hold::new(SignalKind::user_defined2())?;
    /// let other = Hold::new(SignalKind::user_defined2())?;
    /// assert!(hold.release());
    /// assert!(other.release());
    /// # Ok::<(), policy_core::Error>(())
    /// ```
    pub fn release(mut self) -> bool {
        self.let_go()
    }

    fn let_go(&mut self) -> bool {
        let table = TABLE.lock();
        if std::mem::replace(&mut self.is_released, true) || !is_this_process(self.owner) {
            return true;
        }
        let slot = self.wanted.slot();
        if let Wanted::Listener(_) = self.wanted {
            slot.listeners.fetch_sub(1, Ordering::AcqRel);
        }
        match self.wanted {
            Wanted::Signal(_) | Wanted::Listener(_) => slot.holders.remove(),
            Wanted::Interrupt => drop(slot.holders.disarm()),
        }
        slot.holders.any_or_armed() || put_back(table, self.wanted.signal())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.let_go();
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hold").field(&self.wanted).finish()
    }
}

/// Returns true while the signal calls our handler first, before any other.
///
/// ```
/// use policy_core::signal::{SignalKind, is_first};
///
/// assert!(!is_first(SignalKind::window_change()));
/// ```
pub fn is_first(kind: SignalKind) -> bool {
    handler::current(kind.as_raw()).is_ok_and(|top| handler::entry_of(&top).is_some())
}

fn check(kind: SignalKind) -> Result<(), Error> {
    const UNCATCHABLE: [i32; 6] =
        [libc::SIGKILL, libc::SIGSTOP, libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE];
    let signal = kind.as_raw();
    if UNCATCHABLE.contains(&signal) {
        return Err(Error::new(
            ErrorKind::UncatchableSignal,
            format!("{kind:?} ({signal}) can't be caught; choose another signal"),
        ));
    }
    let in_range = usize::try_from(signal).is_ok_and(|at| at > 0 && at < handler::SIGNALS);
    // The C library keeps some of the real-time signals for itself.
    if !in_range || handler::current(signal).is_err() {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            format!("{signal} is not the number of a signal; choose one, or use `SignalKind`"),
        ));
    }
    Ok(())
}

fn refused(error: io::Error) -> Error {
    Error::io("can't handle the signal; choose another, or raise the limit of descriptors", error)
}

/// Returns what is to be logged, outside the lock.
fn put_in_place(table: &mut BTreeMap<i32, Known>, signal: i32) -> io::Result<Option<&'static str>> {
    let top = handler::current(signal)?;
    let known = table.entry(signal).or_insert(Known {
        entry: 0,
        is_installed: false,
        previous: [None; ENTRIES],
        has_warned: false,
    });
    if let Some(entry) = handler::entry_of(&top) {
        known.entry = entry;
        known.is_installed = true;
        return Ok(None);
    }
    if !handler::is_function(top.sa_sigaction) {
        // Nobody is there who could call us.
        known.entry = 0;
    } else if known.is_installed {
        // Whoever came after us may call that entry, which goes on being theirs.
        if known.entry + 1 == ENTRIES {
            return Ok(known.warn(
                "other handlers came over ours twice; it hears of this signal only if they call the one before",
            ));
        }
        known.entry += 1;
    }
    let before = handler::install(signal, known.entry, top)?;
    if let Some(previous) = known.previous.get_mut(known.entry) {
        *previous = Some(before);
    }
    known.is_installed = true;
    if handler::lost_flags(&before) == 0 {
        return Ok(None);
    }
    Ok(known.warn(
        "the handler that was there goes on being called, but without some of its flags (`SA_NOCLDWAIT`, or one that is not known here)",
    ))
}

impl Known {
    /// Once for each signal.
    fn warn(&mut self, warning: &'static str) -> Option<&'static str> {
        (!std::mem::replace(&mut self.has_warned, true)).then_some(warning)
    }
}

fn put_back(mut table: std::sync::MutexGuard<'_, BTreeMap<i32, Known>>, signal: i32) -> bool {
    let Some(known) = table.get_mut(&signal) else { return true };
    let Ok(top) = handler::current(signal) else { return false };
    let Some(entry) = handler::entry_of(&top) else {
        // The handler itself may have put the default back.
        return top.sa_sigaction == libc::SIG_DFL;
    };
    let Some(previous) = known.previous.get(entry).copied().flatten() else { return false };
    let left = handler::left_of(signal, entry, previous);
    let is_put_back = handler::put_back(signal, &left).unwrap_or(false);
    known.entry = entry;
    // Else somebody came this very moment, who may call that entry.
    known.is_installed = !is_put_back;
    is_put_back
}
