//! CPython, whose asyncio is the model, and uvloop: their programs tell their own times.

use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The loops that are there: asyncio's own, and uvloop after `pip install uvloop`.
pub fn loops() -> Vec<(&'static str, &'static str)> {
    let Some(python) = python() else {
        eprintln!("   there is no Python 3.11: asyncio is left out");
        return Vec::new();
    };
    let uvloop = Command::new(python).args(["-c", "import uvloop"]).stderr(Stdio::null()).status();
    if uvloop.is_ok_and(|status| status.success()) {
        return vec![("asyncio 3.11", "asyncio"), ("uvloop on 3.11", "uvloop")];
    }
    eprintln!("   `python3.11 -m pip install uvloop` brings uvloop, which is left out");
    vec![("asyncio 3.11", "asyncio")]
}

/// The interpreter, where 3.11 is installed: itself, not what may stand before it in the path
/// and look for it anew each time.
pub fn python() -> Option<&'static str> {
    const ITSELF: &str =
        "import sys; print(sys.executable if sys.version_info[:2] == (3, 11) else '')";
    static FOUND: OnceLock<Option<String>> = OnceLock::new();
    let find = || {
        ["python3.11", "python3"].into_iter().find_map(|python| {
            let mut command = Command::new(python);
            let output = command.args(["-c", ITSELF]).stderr(Stdio::null()).output().ok()?;
            let path = String::from_utf8(output.stdout).ok()?.trim().to_owned();
            (!path.is_empty()).then_some(path)
        })
    };
    FOUND.get_or_init(find).as_deref()
}

/// Returns the numbers that a script prints.
pub fn say(python: &str, script: &str, args: &[&str]) -> Vec<f64> {
    let mut command = Command::new(python);
    let output = command.args(["-c", script]).args(args).stderr(Stdio::inherit()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().map(|n| n.parse().unwrap()).collect()
}
