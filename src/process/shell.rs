//! Command lines for the shell.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Quotes a word for a shell's command line, so that the shell takes it literally: as one argument,
/// executing and expanding nothing.
///
/// For `/bin/sh` and shells with the same syntax. An argument can't contain NUL at all; starting
/// the command returns an error then.
///
/// ```
/// use policy::process::{Command, quote};
///
/// let name = "it's; rm -rf $HOME";
/// let mut line = std::ffi::OsString::from("printf %s ");
/// line.push(quote(name));
/// let output = policy::run(async { Command::shell(line).output().await })?;
/// assert_eq!(output.stdout, name.as_bytes());
/// # Ok::<(), policy::Error>(())
/// ```
pub fn quote<S: AsRef<OsStr> + ?Sized>(word: &S) -> Cow<'_, OsStr> {
    let word = word.as_ref();
    let bytes = word.as_bytes();
    if !bytes.is_empty() && bytes.iter().all(|&byte| is_plain(byte)) {
        return Cow::Borrowed(word);
    }
    let mut quoted = Vec::with_capacity(bytes.len() + 2);
    quoted.push(b'\'');
    for &byte in bytes {
        match byte {
            // Out of the quotes, one that is escaped, in again.
            b'\'' => quoted.extend_from_slice(b"'\\''"),
            _ => quoted.push(byte),
        }
    }
    quoted.push(b'\'');
    Cow::Owned(OsString::from_vec(quoted))
}

/// Returns true for what means itself in any place of a command line. `=` does not
/// (an assignment), nor does `~`.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-./:,+@%".contains(&byte)
}
