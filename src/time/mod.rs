//! Time, by the running loop's timers.
//!
//! | I want … | use |
//! |---|---|
//! | to wait | [`sleep`], [`sleep_until`] |
//! | a limit on a wait | [`timeout`], [`timeout_at`] |
//! | a periodic tick | [`interval`], [`interval_at`] |
//! | a test that need not wait | [`pause`], [`advance`], [`resume`]; `#[policy::test(clock = virtual)]` |

mod clock;
mod instant;
mod interval;
mod sleep;
mod timeout;

pub use std::time::Duration;

pub use clock::{Advance, advance, pause, pause_without_jumping, resume};
pub use instant::Instant;
pub use interval::{
    Interval, MissedTickBehavior, interval, interval_at, try_interval, try_interval_at,
};
pub use sleep::{Sleep, sleep, sleep_until, try_sleep, try_sleep_until};
pub use timeout::{Elapsed, Timeout, timeout, timeout_at};
