//! One clause, and how it is run.

use std::fmt;
use std::panic::{catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use policy::{DefaultEventLoopPolicy, EventLoopPolicy, IntoPolicy};

use crate::report;

/// Makes the policy that is tested, each time anew.
pub type Make<'a> = &'a (dyn Fn() -> Arc<dyn EventLoopPolicy> + Send + Sync);

/// How long a clause may take before it counts as hung. None takes a second on a
/// machine at rest.
pub const LIMIT: Duration = Duration::from_secs(60);

/// One promise, and the test of it.
#[derive(Clone, Copy)]
pub struct Clause {
    room: &'static str,
    name: &'static str,
    proves: &'static str,
    test: fn(Make<'_>) -> Outcome,
}

/// What a clause found. A promise that is broken is a panic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The promise is kept.
    Kept,
    /// The loop says that it can't do this: its own words.
    Skipped(String),
}

/// A loop's word that it can't do something.
#[derive(Clone, Debug)]
pub struct Skipped(pub String);

/// What a clause may return.
pub trait Verdict {
    /// Converts.
    fn outcome(self) -> Outcome;
}

impl Verdict for () {
    fn outcome(self) -> Outcome {
        Outcome::Kept
    }
}

impl Verdict for Result<(), Skipped> {
    fn outcome(self) -> Outcome {
        match self {
            Ok(()) => Outcome::Kept,
            Err(Skipped(reason)) => Outcome::Skipped(reason),
        }
    }
}

macro_rules! list {
    ($($(#[$only:meta])? $room:ident { $($clause:ident $proves:literal)* })*) => {{
        let mut clauses = Vec::new();
        $($(#[$only])? {
            $(clauses.push(Clause {
                room: stringify!($room),
                name: stringify!($clause),
                proves: $proves,
                test: |make| crate::$room::$clause(make).outcome(),
            });)*
        })*
        clauses
    }};
}

/// Lists all clauses, room by room.
///
/// ```
/// for clause in policy_conformance::clauses() {
///     println!("{}::{} proves {}", clause.room(), clause.name(), clause.proves());
/// }
/// ```
pub fn clauses() -> Vec<Clause> {
    __clauses!(list)
}

impl Clause {
    /// Returns the room: the part of the contract that the clause is about.
    pub fn room(&self) -> &'static str {
        self.room
    }

    /// Returns the name: the promise, as a sentence.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns what the clause proves.
    pub fn proves(&self) -> &'static str {
        self.proves
    }

    /// Tests the promise, in a thread of its own.
    ///
    /// # Panics
    /// If the promise is broken, or the clause takes longer than `limit`: then the
    /// thread is left behind, and the message names the clause.
    pub fn check(
        &self,
        limit: Duration,
        make: impl Fn() -> Arc<dyn EventLoopPolicy> + Send + Sync + 'static,
    ) -> Outcome {
        let clause = *self;
        let (done, ended) = channel();
        let watched = thread::Builder::new()
            .name(self.name.into())
            .spawn(move || (clause.test)(&make))
            .expect("a thread for the clause");
        // A second thread joins the first: what its thread-locals do when it ends
        // is a part of the clause, and may hang too.
        thread::Builder::new()
            .name("policy-watchdog".into())
            .spawn(move || drop(done.send(watched.join())))
            .expect("a thread for the watchdog");
        match ended.recv_timeout(limit) {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(payload)) => resume_unwind(payload),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                panic!("{self:?} hangs: it did not end within {limit:?}")
            }
        }
    }
}

impl fmt::Debug for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "clause {}::{} (proves {})", self.room, self.name, self.proves)
    }
}

/// Runs one `#[test]` of `suite!`, in a module of the caller's.
pub fn run_test(module: &str, room: &str, name: &str, make: fn() -> Arc<dyn EventLoopPolicy>) {
    let clause = clauses()
        .into_iter()
        .find(|clause| clause.room == room && clause.name == name)
        .expect("the table that made the test lists the clause");
    let checked = catch_unwind(|| clause.check(LIMIT, make));
    report::add(module, clause, &checked);
    match checked {
        Ok(Outcome::Kept) => {}
        Ok(Outcome::Skipped(reason)) => println!("skipped: {reason}"),
        Err(payload) => resume_unwind(payload),
    }
}

/// Takes what `suite!` is given.
pub fn into_policy(policy: impl IntoPolicy) -> Arc<dyn EventLoopPolicy> {
    policy.into_policy().unwrap_or_else(|| Arc::new(DefaultEventLoopPolicy::new()))
}
