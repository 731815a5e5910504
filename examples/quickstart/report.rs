//! What the user sees.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use crate::survey::{BEAT, Survey};

/// Everything about one run.
pub(crate) fn full(folder: &Path, survey: &Survey, took: Duration) -> String {
    // Writing to a string can't fail.
    let mut text = String::new();
    let _ok = write(&mut text, folder, survey, took);
    text
}

fn write(
    text: &mut String,
    folder: &Path,
    survey: &Survey,
    took: Duration,
) -> Result<(), std::fmt::Error> {
    let folder = folder.display();
    writeln!(text, "{folder} on the loop {}: {}\n", survey.event_loop, millis(took))?;

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
        "{:<22} {:>7} {:>11} {:>9} {:>7} {:>10}\n",
        "loop", "files", "lines", "children", "ticks", "time"
    )
}

/// One run in one line.
pub(crate) fn row(name: &str, survey: &Survey, took: Duration) -> String {
    let total = survey.count.total();
    format!(
        "{name:<22} {:>7} {:>11} {:>9} {:>7} {:>10}\n",
        grouped(total.files),
        grouped(total.lines),
        survey.answers.len(),
        grouped(survey.ticks),
        millis(took)
    )
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
