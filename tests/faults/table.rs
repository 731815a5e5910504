//! The table: what a row is, and all of them.

use crate::inside::Place;
use crate::{exhaustion, input, kill, lifecycle, load, loops, spawn, status, time};

/// A fault, and what must survive it.
pub struct Row {
    /// As in FAULTS.md; a second word tells variants apart.
    pub id: &'static str,
    pub says: &'static str,
    pub run: fn(&Place) -> Outcome,
    /// Loops × watchers, in sum.
    pub on: &'static [(&'static [&'static str], &'static [&'static str])],
    pub needs: Needs,
    /// The fault is there before anything of the library was used, so there is no
    /// “before” to count against: descriptors and threads are not compared.
    pub cold: bool,
    /// The row uses every loop, so each is warmed up.
    pub all_loops: bool,
    /// The fault is a panic.
    pub may_panic: bool,
}

pub type Outcome = Result<(), Skip>;

/// Why a row can't be run here.
#[derive(Debug)]
pub struct Skip(pub String);

impl Skip {
    pub fn because(reason: impl std::fmt::Display) -> Self {
        Self(reason.to_string())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    Nothing,
    /// To be PID 1 of a new one.
    PidNamespace,
    /// Where the monotonic clock stands elsewhere.
    TimeNamespace,
}

impl Row {
    pub const fn new(
        id: &'static str,
        says: &'static str,
        on: &'static [(&'static [&'static str], &'static [&'static str])],
        run: fn(&Place) -> Outcome,
    ) -> Self {
        Self {
            id,
            says,
            run,
            on,
            needs: Needs::Nothing,
            cold: false,
            all_loops: false,
            may_panic: false,
        }
    }

    pub const fn needs(self, needs: Needs) -> Self {
        Self { needs, ..self }
    }

    pub const fn cold(self) -> Self {
        Self { cold: true, ..self }
    }

    pub const fn all_loops(self) -> Self {
        Self { all_loops: true, ..self }
    }

    pub const fn may_panic(self) -> Self {
        Self { may_panic: true, ..self }
    }
}

pub fn rows() -> impl Iterator<Item = &'static Row> {
    [
        status::ROWS,
        kill::ROWS,
        exhaustion::ROWS,
        lifecycle::ROWS,
        loops::ROWS,
        spawn::ROWS,
        input::ROWS,
        load::ROWS,
        time::ROWS,
    ]
    .into_iter()
    .flatten()
}

/// Every loop, as far as it is compiled in.
pub const LOOPS: &[&str] = &[
    "default",
    "smol:current_thread",
    "smol:multi_thread",
    "tokio:current_thread",
    "tokio:multi_thread",
    "async-std",
    "compio",
];
pub const DEFAULT_LOOP: &[&str] = &["default"];
/// A reactor of each kind.
pub const TWO_LOOPS: &[&str] = &["default", "tokio:current_thread"];

/// Every watcher; `shared` is the threaded one when its threads are used up.
pub const WATCHERS: &[&str] =
    &["auto", "pidfd", "threaded", "shared", "multi-loop", "safe", "fast", "subreaper"];
/// Those that leave other code's children alone, whatever that does with them.
pub const POLITE: &[&str] = &["auto", "pidfd", "threaded", "shared", "multi-loop", "safe"];
/// Those that wait without pidfds.
pub const WITHOUT_PIDFD: &[&str] =
    &["auto", "threaded", "shared", "multi-loop", "safe", "fast", "subreaper"];
pub const AUTO: &[&str] = &["auto"];
