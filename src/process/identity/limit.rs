//! A limit on the children of the whole process.

use std::sync::atomic::{AtomicUsize, Ordering};

use policy_core::{Error, ErrorKind};

static ALIVE: AtomicUsize = AtomicUsize::new(0);
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Sets how many children of [`Command`](crate::process::Command) may be alive at once; `None`, the default,
/// means no limit.
///
/// When the limit is reached, starting another child returns [`ErrorKind::LimitReached`], before
/// anything is started. Children that are alive already are not affected. May be called from any
/// thread.
///
/// ```
/// policy::process::set_max_children(Some(64));
/// assert_eq!(policy::process::max_children(), Some(64));
/// # policy::process::set_max_children(None);
/// ```
pub fn set_max_children(limit: Option<usize>) {
    LIMIT.store(limit.unwrap_or(usize::MAX), Ordering::Relaxed);
}

/// Returns how many children may be alive at once, if there is a limit.
///
/// ```
/// assert_eq!(policy::process::max_children(), None);
/// ```
pub fn max_children() -> Option<usize> {
    Some(LIMIT.load(Ordering::Relaxed)).filter(|&limit| limit != usize::MAX)
}

/// A child's place among those that are alive.
#[derive(Debug)]
pub(in crate::process) struct Permit(());

impl Permit {
    /// # Errors
    /// [`ErrorKind::LimitReached`].
    pub(in crate::process) fn take() -> Result<Self, Error> {
        let limit = LIMIT.load(Ordering::Relaxed);
        let taken = ALIVE.fetch_update(Ordering::AcqRel, Ordering::Acquire, |alive| {
            (alive < limit).then_some(alive + 1)
        });
        match taken {
            Ok(_) => Ok(Self(())),
            Err(alive) => Err(Error::new(
                ErrorKind::LimitReached,
                format!(
                    "{alive} children are alive already; wait for one to exit, or raise the limit with `process::set_max_children`"
                ),
            )),
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Ordering::AcqRel);
    }
}
