//! CPython, whose asyncio is the model, and uvloop: their programs tell their own times.

use std::process::{Command, Stdio};

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

/// The interpreter, where 3.11 is installed.
pub fn python() -> Option<&'static str> {
    ["python3.11", "python3"].into_iter().find(|python| {
        let version = Command::new(python)
            .args(["-c", "import sys; sys.exit(sys.version_info[:2] != (3, 11))"])
            .stderr(Stdio::null())
            .status();
        version.is_ok_and(|status| status.success())
    })
}

/// Returns the numbers that a script prints.
pub fn say(python: &str, script: &str, args: &[&str]) -> Vec<f64> {
    let mut command = Command::new(python);
    let output = command.args(["-c", script]).args(args).stderr(Stdio::inherit()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().map(|n| n.parse().unwrap()).collect()
}
