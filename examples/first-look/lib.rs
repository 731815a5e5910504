//! Printing, for the programs of this folder.
//!
//! - `cargo run --example quickstart`: one program on every executor, with a picture.
//! - `cargo run --example doctor`: what this machine and this build can do.

use std::io::{self, Write};

/// Whether all of a text was printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Printed {
    /// All of it.
    All,
    /// The reader has gone, as in `quickstart | head -1`. That is no failure, and no reason to
    /// work on.
    NobodyReads,
}

/// Prints `text` to standard output.
///
/// # Errors
/// If standard output can't be written to: one line, for a person.
pub fn print(text: &str) -> Result<Printed, String> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(Printed::All),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Printed::NobodyReads),
        Err(error) => Err(format!("can't write to standard output: {error}")),
    }
}

/// Returns a bar of `width` columns if `part` is `whole`, and shorter as it is less.
#[must_use]
pub fn bar(part: f64, whole: f64, width: u32) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let share = if whole > 0.0 { (part / whole).clamp(0.0, 1.0) } else { 0.0 };
    // What is there at all is seen.
    let eighths = ((share * f64::from(width) * 8.0) as usize).max(1);
    let rest = EIGHTHS.get(eighths % 8).copied().unwrap_or_default();
    "█".repeat(eighths / 8) + rest
}
