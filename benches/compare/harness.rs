//! Measuring several ways to do the same, in turn, in one process.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::allocations;

/// How often all sides are measured, after the warm-up.
const ROUNDS: usize = 31;
const WARM_UP: usize = 3;

/// What was asked for on the command line.
#[derive(Clone)]
pub struct Plan {
    /// Every case runs once, small; nothing is said about time.
    pub is_quick: bool,
    /// Nothing is measured: what was measured before is put together.
    pub only_reports: bool,
    /// Where the report and its pictures are copied to.
    pub save: Option<String>,
    pub rounds: usize,
    groups: Vec<String>,
    case: Option<String>,
    side: Option<String>,
}

impl Plan {
    /// # Errors
    /// What is wrong with the arguments.
    pub fn from_args(known: &[&str]) -> Result<Self, String> {
        let mut plan = Self {
            is_quick: false,
            only_reports: false,
            save: None,
            rounds: ROUNDS,
            groups: Vec::new(),
            case: None,
            side: None,
        };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                // cargo's own: `--test` comes from `cargo test --benches`.
                "--bench" => {}
                "--quick" | "--test" => plan.is_quick = true,
                "--report" => plan.only_reports = true,
                "--rounds" => {
                    plan.rounds = value()?.parse().map_err(|error| format!("--rounds: {error}"))?;
                }
                "--save" => plan.save = Some(value()?),
                "--case" => plan.case = Some(value()?),
                "--side" => plan.side = Some(value()?),
                group if known.contains(&group) => plan.groups.push(group.into()),
                other => {
                    return Err(format!(
                        "there is no group {other}; there are {}",
                        known.join(", ")
                    ));
                }
            }
        }
        if plan.rounds == 0 {
            return Err("--rounds: at least one".into());
        }
        Ok(plan)
    }

    /// The same, with so many rounds at most: for what takes long.
    pub fn at_most(&self, rounds: usize) -> Self {
        Self { rounds: self.rounds.min(rounds), ..self.clone() }
    }

    /// How many rounds are left out, before the others.
    fn warm_up(&self) -> usize {
        if self.is_quick { 0 } else { self.rounds.div_ceil(10).min(WARM_UP) }
    }

    pub fn wants(&self, group: &str) -> bool {
        self.groups.is_empty() || self.groups.iter().any(|name| name == group)
    }

    /// Whether whole groups are measured, so that their figures can be kept.
    pub fn is_whole(&self) -> bool {
        !self.is_quick && self.case.is_none() && self.side.is_none()
    }

    /// Whether a case is left out by `--case`.
    pub fn leaves_out(&self, case: &str) -> bool {
        self.case.as_ref().is_some_and(|part| !case.contains(part))
    }

    /// Returns `count`, or little of it if the case is only to run.
    pub fn scale(&self, count: u32) -> u32 {
        if self.is_quick { (count / 100).max(2) } else { count }
    }
}

/// What the figures should be.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Aim {
    /// The ratio of ours to theirs.
    AtMost(f64),
    AtLeast(f64),
    /// Ours, whatever theirs is.
    Ours(f64),
    /// The other's, where both are ours.
    Other(f64),
}

impl std::fmt::Display for Aim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtMost(limit) => write!(f, "≤ {}", short(*limit)),
            Self::AtLeast(limit) => write!(f, "≥ {}", short(*limit)),
            Self::Ours(limit) => write!(f, "ours ≤ {}", short(*limit)),
            Self::Other(limit) => write!(f, "theirs ≤ {}", short(*limit)),
        }
    }
}

/// Three digits behind the point at most.
fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Ours against one other, by one measure.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    pub group: String,
    pub case: String,
    pub measure: String,
    pub unit: String,
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
    /// Makes one of what was measured, round by round.
    pub fn of(
        group: &str,
        case: &str,
        (measure, unit): Measure,
        against: &str,
        ours: &[f64],
        theirs: &[f64],
        aim: Option<Aim>,
    ) -> Self {
        let ratios = ours.iter().zip(theirs).map(|(a, b)| a / b).collect();
        Self {
            group: group.into(),
            case: case.into(),
            measure: measure.into(),
            unit: unit.into(),
            against: against.into(),
            ours: quartiles(ours.to_vec())[1],
            theirs: quartiles(theirs.to_vec())[1],
            ratio: quartiles(ratios),
            aim,
            allocations: None,
            rounds: ours.len(),
        }
    }

    pub fn is_met(&self) -> Option<bool> {
        Some(match self.aim? {
            Aim::AtMost(limit) => self.ratio[1] <= limit,
            Aim::AtLeast(limit) => self.ratio[1] >= limit,
            Aim::Ours(limit) => self.ours <= limit,
            Aim::Other(limit) => self.theirs <= limit,
        })
    }

    /// Where the aim is, as a ratio.
    pub fn aimed_ratio(&self) -> Option<f64> {
        Some(match self.aim? {
            Aim::AtMost(limit) | Aim::AtLeast(limit) => limit,
            Aim::Ours(limit) => limit / self.theirs,
            Aim::Other(limit) => self.ours / limit,
        })
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
    /// Operations of one run, to count allocations by; none if they say nothing.
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
        if plan.leaves_out(&self.name) {
            return Vec::new();
        }
        if let Some(only) = &plan.side {
            self.sides.retain(|side| side.name == *only);
        }
        eprintln!("   {}", self.name);
        for side in &mut self.sides {
            for _ in 0..plan.warm_up() {
                (side.run)();
            }
        }
        let sides = self.sides.len();
        let mut samples: Vec<Vec<Vec<f64>>> = vec![Vec::new(); sides];
        for round in 0..if plan.is_quick { 1 } else { plan.rounds } {
            // Who goes first changes: the second of a pair finds warm caches.
            for turn in 0..sides {
                let at = (turn + round) % sides;
                samples[at].push((self.sides[at].run)());
            }
        }
        if plan.side.is_some() {
            return Vec::new();
        }
        let allocations: Vec<f64> = match self.operations {
            0 => Vec::new(),
            operations => self.sides.iter_mut().map(|side| side.count(operations)).collect(),
        };
        self.rows(&samples, &allocations)
    }

    fn rows(&self, samples: &[Vec<Vec<f64>>], allocations: &[f64]) -> Vec<Row> {
        let mut rows = Vec::new();
        for (at_measure, &measure) in self.measures.iter().enumerate() {
            let of = |side: usize| -> Vec<f64> {
                samples[side].iter().map(|values| values[at_measure]).collect()
            };
            let ours = of(0);
            for (at, side) in self.sides.iter().enumerate().skip(1) {
                let theirs = of(at);
                // A side that can't say leaves a NaN.
                if theirs.iter().chain(&ours).any(|value| value.is_nan()) {
                    continue;
                }
                let aim = side.aims.get(at_measure).copied().flatten();
                let mut row =
                    Row::of(self.group, &self.name, measure, &side.name, &ours, &theirs, aim);
                if at_measure == 0 && !allocations.is_empty() {
                    row.allocations = Some([allocations[0], allocations[at]]);
                }
                rows.push(row);
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
