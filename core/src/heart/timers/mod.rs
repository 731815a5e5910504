//! The timer queue of a loop: what runs later, and when the next of it is due.
//!
//! | file | knows |
//! |---|---|
//! | `wheel` | all timers of a loop: made, moved, removed and fired in order |
//! | `far` | the slots of the timers whose time is some ticks away |
//! | `near` | the timers of the ticks that have come, in exact order |
//! | `entries` | where the timers are kept, and the keys by which they are found |
//!
//! A wheel alone knows no order within a slot, and a heap alone pays for its order with
//! each timer that is removed before its time, as nearly all are. So a timer waits in a
//! slot, where it costs a few links, and goes through the heap only once its tick has come.

mod entries;
mod far;
mod near;
#[cfg(test)]
mod tests;
mod wheel;

pub(crate) use entries::Key;
pub(crate) use wheel::Wheel;
