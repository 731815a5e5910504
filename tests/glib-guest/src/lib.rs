//! A guest in the main loop of GLib, as `docs/guide/guests.md` shows it.

// guide: begin
use std::cell::RefCell;
use std::time::{Duration, Instant};

use policy::{Error, Guest, IntoPolicy};

thread_local! {
    static GUEST: RefCell<Option<Hosted>> = const { RefCell::new(None) };
}

struct Hosted {
    guest: Guest,
    timer: Option<glib::SourceId>,
}

/// Makes a loop the guest of this thread's main loop, which is GLib's default one.
pub fn host(policy: impl IntoPolicy) -> Result<(), Error> {
    let guest = Guest::new(policy, || {
        glib::idle_add_once(turn);
    })?;
    GUEST.set(Some(Hosted { guest, timer: None }));
    turn();
    Ok(())
}

/// Calls `f` with the guest: to spawn, for example.
pub fn with<R>(f: impl FnOnce(&Guest) -> R) -> Option<R> {
    GUEST.with_borrow(|hosted| hosted.as_ref().map(|hosted| f(&hosted.guest)))
}

fn turn() {
    GUEST.with(|hosted| {
        // Inside of a main loop that a task runs, the guest is in the middle of a turn.
        let Ok(mut hosted) = hosted.try_borrow_mut() else { return };
        let Some(Hosted { guest, timer }) = &mut *hosted else { return };
        if let Some(timer) = timer.take() {
            timer.remove();
        }
        match guest.turn() {
            Ok(turn) if !turn.is_idle() => {
                glib::idle_add_local_once(self::turn);
            }
            Ok(turn) => *timer = turn.next_timer().map(at),
            Err(error) => eprintln!("the guest stands still: {error}"),
        }
    });
}

fn at(deadline: Instant) -> glib::SourceId {
    let wait = deadline.saturating_duration_since(Instant::now());
    // GLib counts whole milliseconds, downwards: a turn too early is one in vain.
    glib::timeout_add_local_once(wait + Duration::from_micros(999), || {
        // GLib removes a timer that has fired.
        GUEST.with_borrow_mut(|hosted| drop(hosted.as_mut().and_then(|h| h.timer.take())));
        turn();
    })
}

/// Closes the guest, and cancels its tasks.
pub fn close() -> Result<(), Error> {
    match GUEST.take() {
        Some(Hosted { guest, timer }) => {
            if let Some(timer) = timer {
                timer.remove();
            }
            guest.close()
        }
        None => Ok(()),
    }
}
// guide: end
