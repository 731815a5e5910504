//! The command, and what becomes of it with an input.

use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use policy::process::{Command, quote};

/// A command with places for the input.
pub(crate) struct Template {
    program: OsString,
    args: Vec<OsString>,
}

const PLACE: &[u8] = b"{}";

impl Template {
    /// Makes one of the words of a command; `None` if there are none.
    pub(crate) fn new(words: Vec<OsString>) -> Option<Self> {
        let mut words = words;
        if !words.iter().any(|word| first_place(word.as_bytes()).is_some()) {
            let has_program = !words.is_empty();
            words.extend(has_program.then(|| OsString::from("{}")));
        }
        let mut words = words.into_iter();
        Some(Self { program: words.next()?, args: words.collect() })
    }

    /// Puts an input in all places.
    pub(crate) fn fill(&self, input: &OsStr) -> CommandLine {
        CommandLine {
            program: filled(&self.program, input),
            args: self.args.iter().map(|arg| filled(arg, input)).collect(),
        }
    }
}

/// Looks at `word` only, and never at the input: that may hold `{}` itself.
fn filled(word: &OsStr, input: &OsStr) -> OsString {
    let (mut filled, mut rest) = (Vec::new(), word.as_bytes());
    while let Some((before, after)) = first_place(rest) {
        filled.extend_from_slice(before);
        filled.extend_from_slice(input.as_bytes());
        rest = after;
    }
    filled.extend_from_slice(rest);
    OsString::from_vec(filled)
}

/// What is before the first `{}`, and what is after it.
fn first_place(word: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = word.windows(PLACE.len()).position(|part| part == PLACE)?;
    let (before, from) = word.split_at(at);
    Some((before, from.get(PLACE.len()..)?))
}

/// What one job runs.
pub(crate) struct CommandLine {
    program: OsString,
    args: Vec<OsString>,
}

impl CommandLine {
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args);
        command
    }

    /// Returns one line that a shell takes for this command.
    pub(crate) fn shown(&self) -> String {
        let mut line = shown(&self.program);
        for arg in &self.args {
            line.push(' ');
            line.push_str(&shown(arg));
        }
        line
    }
}

/// As `quote`, with what is not text or would confuse a terminal or a table escaped in
/// the manner of bash and of POSIX's shell since 2024.
fn shown(word: &OsStr) -> String {
    if let Some(text) = word.to_str().filter(|text| !text.contains(char::is_control)) {
        return quote(text).to_string_lossy().into_owned();
    }
    let mut line = String::from("$'");
    for chunk in word.as_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\t' => line.push_str("\\t"),
                '\n' => line.push_str("\\n"),
                '\r' => line.push_str("\\r"),
                '\\' | '\'' => line.extend(['\\', c]),
                c if c.is_control() => escape(c.encode_utf8(&mut [0; 4]).as_bytes(), &mut line),
                c => line.push(c),
            }
        }
        escape(chunk.invalid(), &mut line);
    }
    line.push('\'');
    line
}

fn escape(bytes: &[u8], line: &mut String) {
    for byte in bytes {
        // Octal, with all digits: what follows can't become a part of it.
        let _never_fails = write!(line, "\\{byte:03o}");
    }
}
