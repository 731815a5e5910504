//! Measuring several ways to do the same, in turn, in one process.

use std::time::Duration;

use serde::Serialize;

use crate::allocations;

/// How often all sides are measured, after the warm-up.
const ROUNDS: usize = 31;
const WARM_UP: usize = 3;

/// What was asked for on the command line.
#[derive(Clone)]
pub struct Plan {
    /// Every case runs once, small; nothing is said about time.
    pub is_quick: bool,
    groups: Vec<String>,
    pub rounds: usize,
}

impl Plan {
    pub fn from_args() -> Self {
        let mut plan = Self { is_quick: false, groups: Vec::new(), rounds: ROUNDS };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                // cargo's own: `--test` comes from `cargo test --benches`.
                "--bench" => {}
                "--quick" | "--test" => plan.is_quick = true,
                "--rounds" => plan.rounds = args.next().and_then(|n| n.parse().ok()).unwrap(),
                group => plan.groups.push(group.into()),
            }
        }
        plan
    }

    /// The same, with so many rounds at most: for what takes long.
    pub fn at_most(&self, rounds: usize) -> Self {
        Self { rounds: self.rounds.min(rounds), ..self.clone() }
    }

    pub fn wants(&self, group: &str) -> bool {
        self.groups.is_empty() || self.groups.iter().any(|name| group.contains(name.as_str()))
    }

    /// Returns `count`, or little of it if the case is only to run.
    pub fn scale(&self, count: u32) -> u32 {
        if self.is_quick { (count / 100).max(2) } else { count }
    }
}

/// What the ratio of ours to theirs should be.
#[derive(Clone, Copy, Debug, Serialize)]
pub enum Aim {
    AtMost(f64),
    AtLeast(f64),
}

impl Aim {
    pub fn is_met(self, ratio: f64) -> bool {
        match self {
            Self::AtMost(limit) => ratio <= limit,
            Self::AtLeast(limit) => ratio >= limit,
        }
    }
}

impl std::fmt::Display for Aim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtMost(limit) => write!(f, "≤ {limit}"),
            Self::AtLeast(limit) => write!(f, "≥ {limit}"),
        }
    }
}

/// Ours against one other, by one measure.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub group: &'static str,
    pub case: String,
    pub measure: &'static str,
    pub unit: &'static str,
    pub against: String,
    /// Medians.
    pub ours: f64,
    pub theirs: f64,
    /// The quartiles of the ratios of a round.
    pub ratio: [f64; 3],
    pub aim: Option<Aim>,
    /// Per operation.
    pub allocations: Option<[f64; 2]>,
    pub rounds: usize,
}

impl Row {
    pub fn is_met(&self) -> Option<bool> {
        self.aim.map(|aim| aim.is_met(self.ratio[1]))
    }
}

/// What a side measures: its name, and what it is told in.
pub type Measure = (&'static str, &'static str);

/// Time per operation.
pub const TIME: Measure = ("time", "ns");

/// One side: does the work once and returns what was measured, in the order of the
/// case's measures.
type Run = Box<dyn FnMut() -> Vec<f64>>;

struct Side {
    name: String,
    aims: Vec<Option<Aim>>,
    run: Run,
}

/// The same work, done by several sides. The first is ours.
pub struct Case {
    group: &'static str,
    name: String,
    measures: Vec<Measure>,
    /// Operations of one run, to count allocations by.
    operations: u32,
    sides: Vec<Side>,
}

impl Case {
    /// A case whose sides measure the time per operation.
    pub fn timed(group: &'static str, name: impl Into<String>, operations: u32) -> Self {
        Self::new(group, name, operations, &[TIME])
    }

    pub fn new(
        group: &'static str,
        name: impl Into<String>,
        operations: u32,
        measures: &[Measure],
    ) -> Self {
        Self { group, name: name.into(), measures: measures.into(), operations, sides: Vec::new() }
    }

    /// Adds a side of which each run takes so long for all its operations.
    pub fn side(
        self,
        name: impl Into<String>,
        aim: Option<Aim>,
        mut run: impl FnMut() -> Duration + 'static,
    ) -> Self {
        let operations = f64::from(self.operations);
        self.measured(name, &[aim], move || vec![run().as_secs_f64() * 1e9 / operations])
    }

    /// Adds a side that measures by itself.
    pub fn measured(
        mut self,
        name: impl Into<String>,
        aims: &[Option<Aim>],
        run: impl FnMut() -> Vec<f64> + 'static,
    ) -> Self {
        self.sides.push(Side { name: name.into(), aims: aims.into(), run: Box::new(run) });
        self
    }

    /// Runs the rounds.
    pub fn run(mut self, plan: &Plan) -> Vec<Row> {
        eprintln!("   {}", self.name);
        let (warm_up, rounds) = if plan.is_quick { (0, 1) } else { (WARM_UP, plan.rounds) };
        for side in &mut self.sides {
            for _ in 0..warm_up {
                (side.run)();
            }
        }
        let sides = self.sides.len();
        let mut samples: Vec<Vec<Vec<f64>>> = vec![Vec::new(); sides];
        for round in 0..rounds {
            // Who goes first changes: the second of a pair finds warm caches.
            for turn in 0..sides {
                let at = (turn + round) % sides;
                samples[at].push((self.sides[at].run)());
            }
        }
        let allocations: Vec<f64> =
            self.sides.iter_mut().map(|side| side.count(self.operations)).collect();
        self.rows(&samples, &allocations)
    }

    fn rows(&self, samples: &[Vec<Vec<f64>>], allocations: &[f64]) -> Vec<Row> {
        let mut rows = Vec::new();
        for (measure, &(name, unit)) in self.measures.iter().enumerate() {
            let of = |side: usize| -> Vec<f64> {
                samples[side].iter().map(|values| values[measure]).collect()
            };
            let ours = of(0);
            for (at, side) in self.sides.iter().enumerate().skip(1) {
                let theirs = of(at);
                // A side that can't say leaves a NaN.
                if theirs.iter().chain(&ours).any(|value| value.is_nan()) {
                    continue;
                }
                let ratios = ours.iter().zip(&theirs).map(|(a, b)| a / b).collect();
                rows.push(Row {
                    group: self.group,
                    case: self.name.clone(),
                    measure: name,
                    unit,
                    against: side.name.clone(),
                    ours: quartiles(ours.clone())[1],
                    theirs: quartiles(theirs)[1],
                    ratio: quartiles(ratios),
                    aim: side.aims.get(measure).copied().flatten(),
                    allocations: (measure == 0).then_some([allocations[0], allocations[at]]),
                    rounds: samples[0].len(),
                });
            }
        }
        rows
    }
}

impl Side {
    fn count(&mut self, operations: u32) -> f64 {
        let (_, count) = allocations::count(|| (self.run)());
        count.allocations as f64 / f64::from(operations)
    }
}

/// The lower quartile, the median, the upper quartile.
pub fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    let at = |quarter: usize| values[(values.len() - 1) * quarter / 4];
    [at(1), at(2), at(3)]
}

/// Thousands of sockets and children need thousands of descriptors.
pub fn raise_descriptor_limit() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Nofile);
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            eprintln!("the limit of open files stays: {error}");
        }
    }
}
