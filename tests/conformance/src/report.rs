//! What a loop keeps, to be shown to others: as a table, as JSON, as a badge.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use policy::EventLoopPolicy;

use crate::{Clause, Outcome, clauses};

/// What became of one clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The promise is kept.
    Kept,
    /// The loop says which capability it has not: its own words.
    Missing(String),
    /// The promise is broken: what the clause said.
    Broken(String),
}

/// What a loop keeps: a line for each clause that was tried.
///
/// `Display` writes a table. [`suite!`](crate::suite) writes one of each kind into the folder that
/// the variable `CONFORMANCE_REPORT` names.
///
/// ```no_run
/// use policy_conformance::{LIMIT, Report};
/// # use policy::DefaultEventLoopPolicy as MyPolicy;
/// use std::sync::Arc;
///
/// let report = Report::of("my loop", LIMIT, || Arc::new(MyPolicy::new()));
/// println!("{report}");
/// std::fs::write("conformance.json", report.to_json())?;
/// std::fs::write("conformance.svg", report.to_badge())?;
/// assert!(report.is_kept());
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct Report {
    name: String,
    lines: Vec<(Clause, Finding)>,
}

impl Report {
    /// Tries all clauses, one after another; each may take as long as `limit`. Takes minutes.
    ///
    /// ```no_run
    /// # use policy::DefaultEventLoopPolicy as MyPolicy;
    /// # use policy_conformance::{LIMIT, Report};
    /// let report = Report::of("my loop", LIMIT, || std::sync::Arc::new(MyPolicy::new()));
    /// print!("{report}");
    /// ```
    pub fn of(
        name: impl Into<String>,
        limit: Duration,
        make: impl Fn() -> Arc<dyn EventLoopPolicy> + Send + Sync + 'static,
    ) -> Self {
        let make = Arc::new(make);
        let mut report = Self { name: name.into(), lines: Vec::new() };
        for clause in clauses() {
            let make = make.clone();
            let check = AssertUnwindSafe(|| clause.check(limit, move || make()));
            report.lines.push((clause, found(catch_unwind(check))));
        }
        report
    }

    /// Returns the name that the loop was given.
    ///
    /// ```no_run
    /// # fn example(report: &policy_conformance::Report) {
    /// assert_eq!(report.name(), "my loop");
    /// # }
    /// ```
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the clauses that were tried, and what was found.
    ///
    /// ```no_run
    /// # fn example(report: &policy_conformance::Report) {
    /// for (clause, finding) in report.findings() {
    ///     println!("{}: {finding:?}", clause.name());
    /// }
    /// # }
    /// ```
    pub fn findings(&self) -> impl Iterator<Item = (&Clause, &Finding)> {
        self.lines.iter().map(|(clause, finding)| (clause, finding))
    }

    /// Returns true if no promise is broken, and at least one is kept.
    ///
    /// ```no_run
    /// # fn example(report: &policy_conformance::Report) {
    /// assert!(report.is_kept(), "{report}");
    /// # }
    /// ```
    pub fn is_kept(&self) -> bool {
        let [kept, _, broken] = self.counts();
        kept > 0 && broken == 0
    }

    /// Kept, missing, broken.
    fn counts(&self) -> [usize; 3] {
        let mut counts = [0; 3];
        for (_, finding) in &self.lines {
            counts[match finding {
                Finding::Kept => 0,
                Finding::Missing(_) => 1,
                Finding::Broken(_) => 2,
            }] += 1;
        }
        counts
    }

    /// Returns an object with `loop`, the numbers of `kept`, `missing` and `broken` clauses, and
    /// `clauses`, an array of objects with `room`, `clause`, `proves`, `result` and, unless it is
    /// kept, `why`.
    ///
    /// ```no_run
    /// # fn example(report: &policy_conformance::Report) -> std::io::Result<()> {
    /// std::fs::write("conformance.json", report.to_json())
    /// # }
    /// ```
    pub fn to_json(&self) -> String {
        let [kept, missing, broken] = self.counts();
        let name = json(&self.name);
        let mut text = format!(
            "{{\"loop\":{name},\"kept\":{kept},\"missing\":{missing},\"broken\":{broken},\"clauses\":["
        );
        for (at, (clause, finding)) in self.lines.iter().enumerate() {
            let (result, why) = finding.words();
            let comma = if at == 0 { "" } else { "," };
            let (room, name) = (json(clause.room()), json(clause.name()));
            let (proves, result) = (json(clause.proves()), json(result));
            let why = why.map(|why| format!(",\"why\":{}", json(why))).unwrap_or_default();
            text += &format!(
                "{comma}\n{{\"room\":{room},\"clause\":{name},\"proves\":{proves},\"result\":{result}{why}}}"
            );
        }
        text + "\n]}\n"
    }

    /// Returns an image (SVG) that says how many of the clauses that were tried are kept.
    ///
    /// ```no_run
    /// # fn example(report: &policy_conformance::Report) -> std::io::Result<()> {
    /// std::fs::write("conformance.svg", report.to_badge())
    /// # }
    /// ```
    pub fn to_badge(&self) -> String {
        let [kept, missing, broken] = self.counts();
        let (says, colour) = match broken {
            0 if missing == 0 => (format!("{kept} kept"), "#2c7a3f"),
            0 => (format!("{kept} kept, {missing} not there"), "#2c7a3f"),
            _ => (format!("{broken} of {} broken", kept + broken), "#b3261e"),
        };
        // As wide as the letters of a usual sans-serif at this size.
        let (left, right) = (90, 7 * says.len() + 14);
        let (width, middle) = (left + right, left + right / 2);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"20\" role=\"img\" aria-label=\"conformance: {says}\">\
             <rect width=\"{left}\" height=\"20\" fill=\"#444\"/><rect x=\"{left}\" width=\"{right}\" height=\"20\" fill=\"{colour}\"/>\
             <g fill=\"#fff\" text-anchor=\"middle\" font-family=\"Verdana,DejaVu Sans,sans-serif\" font-size=\"11\">\
             <text x=\"{}\" y=\"14\">conformance</text><text x=\"{middle}\" y=\"14\">{says}</text></g></svg>\n",
            left / 2
        )
    }

    fn write_to(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let file = |kind| folder.join(format!("{}.{kind}", self.name.replace("::", "-")));
        fs::write(file("txt"), self.to_string())?;
        fs::write(file("json"), self.to_json())?;
        fs::write(file("svg"), self.to_badge())
    }
}

impl Finding {
    fn words(&self) -> (&'static str, Option<&str>) {
        match self {
            Self::Kept => ("kept", None),
            Self::Missing(why) => ("missing", Some(why)),
            Self::Broken(why) => ("broken", Some(why)),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [kept, missing, broken] = self.counts();
        writeln!(f, "{}: {kept} kept, {missing} missing, {broken} broken", self.name)?;
        let width = |of: fn(&Clause) -> &str| {
            self.lines.iter().map(|(clause, _)| of(clause).len()).max().unwrap_or(0)
        };
        let (rooms, names) = (width(Clause::room), width(Clause::name));
        for (clause, finding) in &self.lines {
            let (result, why) = finding.words();
            write!(f, "{:rooms$}  {:names$}  {result}", clause.room(), clause.name())?;
            match why {
                // A panic may say many lines.
                Some(why) => writeln!(f, ": {}", why.lines().next().unwrap_or_default())?,
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}

fn found(checked: std::thread::Result<Outcome>) -> Finding {
    match checked {
        Ok(Outcome::Kept) => Finding::Kept,
        Ok(Outcome::Skipped(why)) => Finding::Missing(why),
        Err(payload) => {
            let said = payload.downcast_ref::<String>().map(String::as_str);
            let said = said.or_else(|| payload.downcast_ref::<&str>().copied());
            Finding::Broken(said.unwrap_or("a panic without words").to_owned())
        }
    }
}

fn json(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted += "\\n",
            c if c < ' ' => {
                let _never = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

/// What the tests of each `suite!` in this process have found.
static SUITES: Mutex<BTreeMap<String, Report>> = Mutex::new(BTreeMap::new());

/// Adds what a test has found, and writes the report anew: which test is the last, nobody says.
pub(crate) fn add(module: &str, clause: Clause, checked: &std::thread::Result<Outcome>) {
    let Some(folder) = std::env::var_os("CONFORMANCE_REPORT") else { return };
    // tests::default::conformance::tasks: of `default`.
    let suite = module.rsplit_once("::conformance::").map_or(module, |(suite, _)| suite);
    let finding = match checked {
        Ok(outcome) => found(Ok(outcome.clone())),
        Err(payload) => found(Err(match payload.downcast_ref::<String>() {
            Some(said) => Box::new(said.clone()),
            None => Box::new(payload.downcast_ref::<&str>().copied().unwrap_or("a panic")),
        })),
    };
    let mut suites = SUITES.lock().unwrap_or_else(PoisonError::into_inner);
    let report = suites
        .entry(suite.to_owned())
        .or_insert_with(|| Report { name: suite.to_owned(), lines: Vec::new() });
    report.lines.push((clause, finding));
    report.lines.sort_by_key(|(clause, _)| (clause.room(), clause.name()));
    if let Err(error) = report.write_to(Path::new(&folder)) {
        println!("the report can't be written to {folder:?}: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let findings = [
            Finding::Kept,
            Finding::Missing("it is no selector".into()),
            Finding::Broken("left: \"a\"\nright: b\\".into()),
        ];
        Report { name: "mine".into(), lines: clauses().into_iter().zip(findings).collect() }
    }

    #[test]
    fn a_table_has_a_line_for_each_clause_and_the_capability_that_is_missing() {
        let text = report().to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "mine: 1 kept, 1 missing, 1 broken");
        assert!(lines[1].ends_with("  kept"), "{text}");
        assert!(lines[2].ends_with("  missing: it is no selector"), "{text}");
        assert!(lines[3].ends_with("  broken: left: \"a\""), "{text}");
        assert_eq!(lines.len(), 4);
        assert!(!report().is_kept());
    }

    #[test]
    fn json_quotes_what_panics_say() {
        let text = report().to_json();
        assert!(text.starts_with("{\"loop\":\"mine\",\"kept\":1,\"missing\":1,\"broken\":1,"));
        assert!(text.contains(r#""result":"broken","why":"left: \"a\"\nright: b\\"}"#), "{text}");
        assert_eq!(json("\u{1}"), "\"\\u0001\"");
    }

    #[test]
    fn a_badge_says_what_is_broken_before_what_is_kept() {
        assert!(report().to_badge().contains("1 of 2 broken"));
        let mut good = report();
        good.lines.truncate(2);
        assert!(good.is_kept() && good.to_badge().contains("1 kept, 1 not there"));
        // Nothing that was tried is nothing kept.
        assert!(!Report { name: String::new(), lines: Vec::new() }.is_kept());
    }
}
