//! The table: what a row is, and all of them.

use crate::inside::Place;
use crate::{
    busy, exhaustion, input, kill, lifecycle, load, loops, places, spawn, start, status, steps,
    time, trees,
};

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
    /// Why it can't be run twice in one process.
    pub once: Option<&'static str>,
    /// How many seconds it may take; more where all is done with the full counts.
    pub limit: u64,
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
            once: None,
            limit: 60,
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

    pub const fn once(self, because: &'static str) -> Self {
        Self { once: Some(because), ..self }
    }

    pub const fn limit(self, seconds: u64) -> Self {
        Self { limit: seconds, ..self }
    }

    /// Says why the row can't be run twice in one process, if so.
    pub fn is_once(&self) -> Option<&'static str> {
        match (self.once, self.needs, self.cold) {
            (Some(because), _, _) => Some(because),
            (_, Needs::PidNamespace | Needs::TimeNamespace, _) => {
                Some("a namespace is entered at the start")
            }
            (_, _, true) => Some("the fault is there before the first use of the library"),
            _ => None,
        }
    }

    pub fn is_on(&self, on_loop: &str, watcher: &str) -> bool {
        self.on
            .iter()
            .any(|(loops, watchers)| loops.contains(&on_loop) && watchers.contains(&watcher))
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
        start::ROWS,
        steps::ROWS,
        places::ROWS,
        input::ROWS,
        load::ROWS,
        time::ROWS,
        busy::ROWS,
        trees::ROWS,
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

/// On which loops, with which watchers.
pub type On = &'static [(&'static [&'static str], &'static [&'static str])];
pub const EACH_WATCHER: On = &[(DEFAULT_LOOP, WATCHERS)];
/// What a watcher does is the same on every loop: each of both, once.
pub const EACH_WATCHER_AND_LOOP: On = &[(DEFAULT_LOOP, WATCHERS), (LOOPS, AUTO)];
/// What a reactor has a part in.
pub const EACH_WATCHER_TWICE_AND_LOOP: On = &[(TWO_LOOPS, WATCHERS), (LOOPS, AUTO)];
