//! What is left of a run: a table, figures for programs, pictures.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::harness::Row;
use crate::plot::{self, Series};

const NOTES: &str = "
A ratio is ours divided by theirs: the median of the rounds' ratios, and its quartiles. Times are \
medians. All sides of a case take turns in one process, round by round. Allocations are per \
operation, ours and theirs, counted in a round of their own.

System calls are counted by hand, of one side of one case at a time:
`strace -f -c target/release/deps/compare-… GROUP --case CASE --side SIDE --rounds 1`.
";

/// A group, as it was measured.
#[derive(Serialize, Deserialize)]
pub struct Part {
    group: String,
    revision: String,
    /// In UTC.
    measured: String,
    seconds: u64,
    machine: BTreeMap<String, String>,
    rows: Vec<Row>,
}

impl Part {
    pub fn new(group: &str, rows: Vec<Row>, took: Duration) -> Self {
        Self {
            group: group.into(),
            revision: revision(),
            measured: first_line("date", &["-u", "+%F %H:%M"]),
            seconds: took.as_secs(),
            machine: machine(),
            rows,
        }
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Keeps it, in place of what was measured of the group before.
    pub fn write(&self) -> io::Result<()> {
        let folder = folder().join("groups");
        std::fs::create_dir_all(&folder)?;
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(folder.join(format!("{}.json", self.group)), text)
    }

    fn read(group: &str) -> io::Result<Self> {
        let text = std::fs::read_to_string(folder().join("groups").join(format!("{group}.json")))?;
        Ok(serde_json::from_str(&text)?)
    }
}

#[derive(Serialize)]
pub struct Report {
    parts: Vec<Part>,
    /// What is not in it, and why.
    missing: Vec<String>,
}

impl Report {
    pub fn of(parts: Vec<Part>) -> Self {
        Self { parts, missing: Vec::new() }
    }

    /// Puts together what was measured of this revision.
    pub fn of_this_revision(groups: &[&str]) -> io::Result<Self> {
        let (revision, mut report) = (revision(), Self::of(Vec::new()));
        for group in groups {
            match Part::read(group) {
                Ok(part) if part.revision == revision => report.parts.push(part),
                Ok(part) => report
                    .missing
                    .push(format!("{group}: what there is was measured at {}", part.revision)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    report.missing.push(format!("{group}: not measured"));
                }
                Err(error) => report.missing.push(format!("{group}: {error}")),
            }
        }
        match report.parts.is_empty() {
            true => Err(io::Error::other(format!("nothing was measured at {revision}"))),
            false => Ok(report),
        }
    }

    pub fn to_markdown(&self) -> String {
        let mut text = String::from("# What the layer costs\n\n");
        if let Some(part) = self.parts.first() {
            for (name, value) in &part.machine {
                let _ = writeln!(text, "- {name}: {value}");
            }
            let _ = writeln!(text, "- revision: {}", part.revision);
        }
        text.push_str(NOTES);
        for missing in &self.missing {
            let _ = writeln!(text, "\nNot here: {missing}.");
        }
        for part in &self.parts {
            let _ = writeln!(
                text,
                "\n## {}\n\nMeasured {} UTC, in {} s.\n",
                part.group, part.measured, part.seconds
            );
            text.push_str(
                "| case | against | ours | theirs | ratio | quartiles | aim | | allocations | rounds |\n",
            );
            text.push_str("|---|---|---:|---:|---:|---|---|---|---|---:|\n");
            part.rows.iter().for_each(|row| text.push_str(&line(row)));
        }
        text.push_str(&self.where_it_costs());
        text
    }

    /// The cases whose aim is missed, with the reason where it is known.
    fn where_it_costs(&self) -> String {
        let mut text = String::from("\n## Where it costs\n\n");
        let rows = self.parts.iter().flat_map(|part| &part.rows);
        let mut missed = rows.filter(|row| row.is_met() == Some(false)).peekable();
        if missed.peek().is_none() {
            text.push_str("Every aim is met in this run.\n");
        }
        for row in missed {
            let (Some(aim), [_, ratio, _]) = (row.aim, row.ratio) else { continue };
            let _ = writeln!(
                text,
                "- {}, {} against {}: {ratio:.2}, aim {aim}.{}",
                row.case,
                row.measure,
                row.against,
                crate::cases::cause(row).map(|cause| format!(" {cause}")).unwrap_or_default()
            );
        }
        text
    }

    /// Writes everything to `target/compare`, and a copy of the report and the pictures
    /// to `save`, a folder of the project.
    pub fn write(&self, save: Option<&str>) -> io::Result<PathBuf> {
        let folder = folder();
        let mut files = vec![folder.join("report.md")];
        std::fs::write(&files[0], self.to_markdown())?;
        std::fs::write(folder.join("report.json"), serde_json::to_string_pretty(self)?)?;
        let draw = |name: &str, title: &str, caption: &str, rows: &[&Row]| {
            let path = folder.join(format!("{name}.svg"));
            plot::ratios(&path, title, caption, rows).map(|()| path).map_err(io::Error::other)
        };
        for part in self.parts.iter().filter(|part| !part.rows.is_empty()) {
            let rows: Vec<&Row> = part.rows.iter().collect();
            let title = format!("{}: ours / theirs", part.group);
            files.push(draw(&part.group, &title, &part.caption(), &rows)?);
        }
        // What has an aim: others are there to look at, in their group's own picture.
        let rows = self.parts.iter().flat_map(|part| &part.rows);
        let aimed: Vec<&Row> = rows.filter(|row| row.aim.is_some()).collect();
        if let Some(part) = self.parts.first() {
            let title = "What the layer costs: ours / theirs, and its aim";
            files.push(draw("overview", title, &part.caption(), &aimed)?);
            let bars = crate::cases::glance(self.parts.iter().flat_map(|part| &part.rows));
            let (path, title) = (folder.join("glance.svg"), "What ours takes where theirs takes 1");
            plot::bars(&path, title, &part.caption(), &bars).map_err(io::Error::other)?;
            files.push(path);
        }
        let children = self.parts.iter().find(|part| part.group == "children");
        if let (Some(part), Some(series)) = (children, kept_ticks()) {
            let path = folder.join("ticks.svg");
            plot::ticks(&path, &part.caption(), &series).map_err(io::Error::other)?;
            files.push(path);
        }
        if let Some(save) = save {
            let save = root().join(save);
            std::fs::create_dir_all(&save)?;
            for file in &files {
                std::fs::copy(file, save.join(file.file_name().unwrap_or_default()))?;
            }
        }
        Ok(folder)
    }
}

/// The ticks while children started, for a picture.
#[derive(Serialize, Deserialize)]
struct Beats {
    revision: String,
    series: Vec<Series>,
}

/// Keeps them beside the groups' figures.
pub fn keep_ticks(series: Vec<Series>) -> io::Result<()> {
    let folder = folder().join("groups");
    std::fs::create_dir_all(&folder)?;
    let text = serde_json::to_string(&Beats { revision: revision(), series })?;
    std::fs::write(folder.join("ticks"), text)
}

/// Those that were measured of this revision.
fn kept_ticks() -> Option<Vec<Series>> {
    let text = std::fs::read_to_string(folder().join("groups").join("ticks")).ok()?;
    let beats: Beats = serde_json::from_str(&text).ok()?;
    (beats.revision == revision()).then_some(beats.series)
}

impl Part {
    /// What stands under each picture.
    fn caption(&self) -> String {
        let of = |name: &str| self.machine.get(name).map_or("?", String::as_str);
        format!(
            "{}, {} cores, {}, {}, revision {}, {} UTC",
            of("processor"),
            of("cores"),
            of("kernel"),
            of("rustc").split(" (").next().unwrap_or_default(),
            self.revision,
            self.measured
        )
    }
}

fn line(row: &Row) -> String {
    let case = match row.measure.as_str() {
        "time" => row.case.clone(),
        measure => format!("{}: {measure}", row.case),
    };
    let [q1, median, q3] = row.ratio;
    format!(
        "| {case} | {} | {} | {} | {median:.3} | {q1:.3}–{q3:.3} | {} | {} | {} | {} |\n",
        row.against,
        amount(row.ours, &row.unit),
        amount(row.theirs, &row.unit),
        row.aim.map(|aim| aim.to_string()).unwrap_or_default(),
        match row.is_met() {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "",
        },
        row.allocations.map(|[a, b]| format!("{a:.2} / {b:.2}")).unwrap_or_default(),
        row.rounds,
    )
}

fn amount(value: f64, unit: &str) -> String {
    match (unit, value) {
        ("ns", value) if value >= 1e6 => format!("{:.2} ms", value / 1e6),
        ("ns", value) if value >= 1e4 => format!("{:.1} µs", value / 1e3),
        ("ns", value) if value >= 100.0 => format!("{value:.0} ns"),
        ("", value) => format!("{value:.0}"),
        (unit, value) if value >= 100.0 => format!("{value:.0} {unit}"),
        (unit, value) => format!("{value:.2} {unit}"),
    }
}

fn machine() -> BTreeMap<String, String> {
    let processor = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(": ")?.1.to_owned())
    });
    let cores = std::thread::available_parallelism().map_or("?".into(), |n| n.to_string());
    let facts = [
        ("command", "`cargo bench --bench compare`".into()),
        ("cores", cores),
        ("kernel", first_line("uname", &["-sr"])),
        ("processor", processor.unwrap_or("?".into())),
        ("rustc", first_line("rustc", &["--version"])),
    ];
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn revision() -> String {
    first_line("git", &["describe", "--always", "--dirty"])
}

fn first_line(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    text.ok().and_then(|text| text.lines().next().map(str::to_owned)).unwrap_or("?".into())
}

/// The folder of the project: benches run in their package's.
pub fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap_or(root)
}

/// Where all of it goes.
pub fn folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or("target".into());
    root().join(target).join("compare")
}
