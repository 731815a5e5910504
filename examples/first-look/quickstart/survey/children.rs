//! Asking child programs, all at once, with a timeout on each.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use policy::process::{Command, Stdio};
use policy::time::timeout;

use crate::Failure;

/// How long a child may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a child said.
pub(crate) struct Answer {
    pub(crate) question: &'static str,
    pub(crate) text: String,
    pub(crate) after: Duration,
}

struct Question {
    label: &'static str,
    program: &'static str,
    args: &'static [&'static str],
}

const RUSTC: Question =
    Question { label: "rustc --version", program: "rustc", args: &["--version"] };
const CARGO: Question =
    Question { label: "cargo --version", program: "cargo", args: &["--version"] };
const GIT: Question =
    Question { label: "git log -1", program: "git", args: &["log", "-1", "--format=%h %s"] };

/// Asks every child that has something to say about `folder`.
///
/// # Errors
/// If a child can't be started: one line that names all of them.
pub(crate) async fn ask_all(folder: PathBuf) -> Result<Vec<Answer>, Failure> {
    let mut questions = vec![RUSTC, CARGO];
    if is_in_repository(&folder) {
        questions.push(GIT);
    }
    let asked: Vec<_> = questions
        .into_iter()
        .map(|question| policy::spawn(ask(question, folder.clone())))
        .collect();
    let (mut answers, mut failures) = (Vec::new(), Vec::new());
    for answer in asked {
        match answer.await.map_err(|error| error.to_string())? {
            Ok(answer) => answers.push(answer),
            Err(failure) => failures.push(failure),
        }
    }
    if failures.is_empty() {
        return Ok(answers);
    }
    Err(format!("can't start {}; install what is missing, or correct PATH", failures.join(", ")))
}

fn is_in_repository(folder: &Path) -> bool {
    let Ok(folder) = folder.canonicalize() else { return false };
    folder.ancestors().any(|folder| folder.join(".git").exists())
}

async fn ask(question: Question, folder: PathBuf) -> Result<Answer, Failure> {
    let began = Instant::now();
    let mut command = Command::new(question.program);
    command.args(question.args).current_dir(folder).stdin(Stdio::null());
    // When the time is over, the wait is dropped, and the child ends with it.
    command.kill_on_drop(true);
    let text = match timeout(PATIENCE, command.output()).await {
        Ok(Ok(output)) if output.status.success() => first_line(&output.stdout),
        Ok(Ok(output)) => format!("{}: {}", output.status, first_line(&output.stderr)),
        Ok(Err(error)) => return Err(cannot_start(question.program, &error)),
        Err(elapsed) => format!("no answer in {PATIENCE:?}: {elapsed}"),
    };
    Ok(Answer { question: question.label, text, after: began.elapsed() })
}

fn cannot_start(program: &str, error: &policy::Error) -> Failure {
    match error.io_error() {
        Some(cause) => format!("`{program}` ({cause})"),
        None => format!("`{program}` ({error})"),
    }
}

/// The first line, without what could confuse a terminal.
fn first_line(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    text.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).collect()
}
