//! What is left of a run: a table, figures for programs, pictures.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;

use crate::harness::Row;
use crate::plot;

#[derive(Serialize)]
pub struct Report {
    machine: BTreeMap<&'static str, String>,
    rows: Vec<Row>,
}

impl Report {
    pub fn new(rows: Vec<Row>) -> Self {
        Self { machine: machine(), rows }
    }

    pub fn to_markdown(&self) -> String {
        let mut text = String::from("# What the layer costs\n\n");
        for (name, value) in &self.machine {
            let _ = writeln!(text, "- {name}: {value}");
        }
        text.push_str(
            "\nA ratio is ours divided by theirs: the median of the rounds' ratios, and its quartiles. \
             Times are medians. Allocations are per operation, ours and theirs.\n",
        );
        for group in self.groups() {
            let _ = writeln!(text, "\n## {group}\n");
            text.push_str(
                "| case | against | ours | theirs | ratio | quartiles | aim | | allocations |\n",
            );
            text.push_str("|---|---|---:|---:|---:|---|---|---|---|\n");
            for row in self.rows.iter().filter(|row| row.group == group) {
                text.push_str(&line(row));
            }
        }
        text.push_str(&self.where_it_costs());
        text
    }

    /// The cases whose aim is missed, with the reason where it is known.
    fn where_it_costs(&self) -> String {
        let mut text = String::from("\n## Where it costs\n\n");
        let mut missed = self.rows.iter().filter(|row| row.is_met() == Some(false)).peekable();
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

    fn groups(&self) -> Vec<&'static str> {
        let mut groups: Vec<_> = self.rows.iter().map(|row| row.group).collect();
        groups.dedup();
        groups
    }

    /// Writes everything to `target/compare`.
    pub fn write(&self) -> io::Result<PathBuf> {
        let folder = target().join("compare");
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("report.md"), self.to_markdown())?;
        std::fs::write(folder.join("report.json"), serde_json::to_string_pretty(self)?)?;
        for group in self.groups() {
            let rows: Vec<&Row> = self.rows.iter().filter(|row| row.group == group).collect();
            let path = folder.join(format!("{group}.svg"));
            plot::ratios(&path, group, &self.caption(), &rows).map_err(io::Error::other)?;
        }
        Ok(folder)
    }

    /// What stands under each picture.
    fn caption(&self) -> String {
        let of = |name: &str| self.machine.get(name).map_or("?", String::as_str);
        format!("{}, {} cores, {}, {}", of("processor"), of("cores"), of("rustc"), of("date"))
    }
}

fn line(row: &Row) -> String {
    let case = match row.measure {
        "time" => row.case.clone(),
        measure => format!("{}: {measure}", row.case),
    };
    let [q1, median, q3] = row.ratio;
    format!(
        "| {case} | {} | {} | {} | {median:.3} | {q1:.3}–{q3:.3} | {} | {} | {} |\n",
        row.against,
        amount(row.ours, row.unit),
        amount(row.theirs, row.unit),
        row.aim.map(|aim| aim.to_string()).unwrap_or_default(),
        match row.is_met() {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "",
        },
        row.allocations.map(|[a, b]| format!("{a:.2} / {b:.2}")).unwrap_or_default(),
    )
}

fn amount(value: f64, unit: &str) -> String {
    match (unit, value) {
        ("ns", value) if value >= 1e6 => format!("{:.2} ms", value / 1e6),
        ("ns", value) if value >= 1e4 => format!("{:.1} µs", value / 1e3),
        ("ns", value) if value >= 100.0 => format!("{value:.0} ns"),
        (unit, value) if value >= 100.0 => format!("{value:.0} {unit}"),
        (unit, value) => format!("{value:.2} {unit}"),
    }
}

fn machine() -> BTreeMap<&'static str, String> {
    let first_line = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        text.ok().and_then(|text| text.lines().next().map(str::to_owned)).unwrap_or("?".into())
    };
    let processor = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(": ")?.1.to_owned())
    });
    BTreeMap::from([
        ("command", "`cargo bench --bench compare`".into()),
        ("cores", std::thread::available_parallelism().map_or("?".into(), |n| n.to_string())),
        ("date", first_line("date", &["-u", "+%F"])),
        ("kernel", first_line("uname", &["-sr"])),
        ("processor", processor.unwrap_or("?".into())),
        ("revision", first_line("git", &["describe", "--always", "--dirty"])),
        ("rustc", first_line("rustc", &["--version"])),
    ])
}

/// The build folder: benches run in their package's folder.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"), PathBuf::from)
}
