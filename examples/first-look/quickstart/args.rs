//! What the user asks for. By hand: an example should need no other crate.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::Failure;

pub(crate) const USAGE: &str = "\
Counts the lines of a folder, asks child programs, and ticks beside that:
on the default loop, and then on every loop that is compiled in.

Usage: quickstart [--loop NAME] [FOLDER]

  FOLDER        the folder to count [default: this project]
  --loop NAME   only on this loop, such as `tokio` or `smol:multi_thread:4`
  --help        print this

Exit code: 0, or 2 after an error, which is printed in one line.
";

/// What the user asks for.
pub(crate) enum Asked {
    Help,
    Everywhere { folder: PathBuf },
    On { event_loop: String, folder: PathBuf },
}

pub(crate) fn parse(args: impl Iterator<Item = OsString>) -> Result<Asked, Failure> {
    let mut args = args;
    let (mut event_loop, mut folder) = (None, None);
    let mut options = true;
    while let Some(arg) = args.next() {
        let text = arg.to_string_lossy();
        let option = options && text.len() > 1 && text.starts_with('-');
        if !option {
            if folder.replace(PathBuf::from(&arg)).is_some() {
                return Err(format!("one folder at a time, and {text:?} is another; try --help"));
            }
        } else if text == "--" {
            options = false;
        } else if text == "--help" || text == "-h" {
            return Ok(Asked::Help);
        } else if text == "--loop" {
            let name = args.next().ok_or_else(needs_name)?;
            event_loop = Some(name.to_string_lossy().into_owned());
        } else if let Some(name) = text.strip_prefix("--loop=") {
            event_loop = Some(name.to_owned());
        } else {
            return Err(format!("there is no option {text:?}; try --help"));
        }
    }
    let folder = folder.unwrap_or_else(this_project);
    Ok(match event_loop {
        Some(event_loop) => Asked::On { event_loop, folder },
        None => Asked::Everywhere { folder },
    })
}

fn this_project() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    // examples/first-look → the project
    here.ancestors().nth(2).map_or_else(|| here.clone(), PathBuf::from)
}

fn needs_name() -> Failure {
    format!("--loop needs a name; choose one of {}", policy::policy_names().join(", "))
}
