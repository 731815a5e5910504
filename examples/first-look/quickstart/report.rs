//! What the user sees.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use event_loop_policy_first_look::bar;

use crate::survey::{BEAT, Survey};

/// One run of the program on one loop.
pub(crate) struct Run {
    /// The policy's name.
    pub(crate) name: String,
    pub(crate) survey: Survey,
    /// From making the loop to its close.
    pub(crate) took: Duration,
}

/// Everything about one run.
pub(crate) fn full(folder: &Path, run: &Run) -> String {
    // Writing to a string can't fail.
    let mut text = String::new();
    let _ok = write(&mut text, folder, run);
    text
}

fn write(text: &mut String, folder: &Path, run: &Run) -> std::fmt::Result {
    let Run { survey, took, .. } = run;
    let folder = folder.display();
    writeln!(text, "{folder} on the loop {}: {}\n", survey.event_loop, millis(*took))?;

    writeln!(text, "{:<12} {:>7} {:>11}", "language", "files", "lines")?;
    for (language, tally) in &survey.count.by_language {
        let (files, lines) = (grouped(tally.files), grouped(tally.lines));
        writeln!(text, "{language:<12} {files:>7} {lines:>11}")?;
    }
    let total = survey.count.total();
    let (files, lines) = (grouped(total.files), grouped(total.lines));
    writeln!(text, "{:<12} {files:>7} {lines:>11}", "total")?;
    if survey.count.unreadable > 0 {
        writeln!(text, "{} could not be read", grouped(survey.count.unreadable))?;
    }

    writeln!(text, "\n{:<16} {:>10}  answer", "child", "after")?;
    for answer in &survey.answers {
        writeln!(text, "{:<16} {:>10}  {}", answer.question, millis(answer.after), answer.text)?;
    }

    let (ticks, latest) = (grouped(survey.ticks), millis(survey.latest));
    writeln!(text, "\n{ticks} ticks of {BEAT:?} beside the work, the latest {latest} late")
}

/// The heading of [`row`]s.
pub(crate) fn heading() -> String {
    format!(
        "{:<22} {:>6} {:>9} {:>8} {:>6} {:>10} {:>10}\n",
        "loop", "files", "lines", "children", "ticks", "worst tick", "time"
    )
}

/// One run in one line.
pub(crate) fn row(run: &Run) -> String {
    let Run { name, survey, took } = run;
    let total = survey.count.total();
    format!(
        "{name:<22} {:>6} {:>9} {:>8} {:>6} {:>10} {:>10}\n",
        grouped(total.files),
        grouped(total.lines),
        survey.answers.len(),
        grouped(survey.ticks),
        millis(survey.latest),
        millis(*took)
    )
}

/// The runs as bars: what each took, and how late its timer was at worst meanwhile.
pub(crate) fn picture(runs: &[Run]) -> String {
    let mut text = String::new();
    for (title, of) in [
        ("time", (|run| run.took) as fn(&Run) -> Duration),
        ("how late the worst tick came", |run| run.survey.latest),
    ] {
        let longest = runs.iter().map(of).max().unwrap_or_default().as_secs_f64();
        text += &format!("\n{title}\n");
        for run in runs {
            let bar = bar(of(run).as_secs_f64(), longest, 40);
            text += &format!("{:<22} {bar} {}\n", run.name, millis(of(run)));
        }
    }
    text
}

fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}

/// 1234567 as 1,234,567.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
