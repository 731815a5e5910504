//! What code behind locks is careful about.

#[doc(hidden)]
pub mod wakers;
