//! One job: its tries, its limits, its end.

use std::ffi::OsString;
use std::fmt;
use std::future::pending;
use std::os::unix::process::ExitStatusExt;
use std::pin::pin;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use async_channel::Sender;
use futures_lite::future::{or, zip};
use policy::process::{Child, Stdio};
use policy::task::JoinError;
use policy::time::sleep;

use crate::flag::Flag;
use crate::printer::News;
use crate::spool::{self, Collected, Spool, Text};
use crate::template::{CommandLine, Template};

/// What holds for all jobs.
pub(crate) struct Rules {
    pub(crate) template: Template,
    pub(crate) timeout: Option<Duration>,
    pub(crate) grace: Duration,
    pub(crate) retries: u32,
}

/// A job that is to run.
pub(crate) struct Job {
    pub(crate) seq: u64,
    pub(crate) input: OsString,
    pub(crate) rules: Arc<Rules>,
    pub(crate) spool: Arc<Spool>,
    pub(crate) news: Sender<News>,
    /// End, with grace.
    pub(crate) stop: Flag,
    /// End at once.
    pub(crate) kill: Flag,
}

/// How a job ended.
pub(crate) enum End {
    Exited(ExitStatus),
    TimedOut(ExitStatus),
    Stopped(ExitStatus),
    /// Stopped before it had begun.
    NotRun,
    NotStarted(policy::Error),
    /// It exited, and the disk is full, say: a reader would miss something.
    OutputLost(ExitStatus, String),
    /// It can't be told.
    Unknown(policy::Error),
}

/// A job that has ended.
pub(crate) struct Ended {
    pub(crate) seq: u64,
    /// For a person, and for a shell.
    pub(crate) command: String,
    pub(crate) started: SystemTime,
    pub(crate) took: Duration,
    pub(crate) end: End,
    pub(crate) stdout: Text,
    pub(crate) stderr: Text,
    /// What else there is to say.
    pub(crate) notes: Vec<String>,
}

/// What the scheduler wants to know of it.
pub(crate) enum Verdict {
    Good,
    Failed,
    Stopped,
    NotRun(String),
}

/// How long is read on when a job has exited and something that it left behind holds
/// its output: that may live for days.
const READ_ON: Duration = Duration::from_secs(1);

impl Job {
    /// Runs it, again if it fails and may, and tells the printer.
    pub(crate) async fn run(self) -> Verdict {
        let line = self.rules.template.fill(&self.input);
        let retries = self.rules.retries;
        let mut ended = self.attempt(&line).await;
        for again in 1..=retries {
            if !ended.end.is_failure() || self.stop.is_raised() {
                break;
            }
            self.tell(News::Again { failed: Box::new(ended), again, of: retries }).await;
            ended = self.attempt(&line).await;
        }
        let verdict = ended.verdict();
        if !matches!(verdict, Verdict::NotRun(_)) {
            self.tell(News::Ended(Box::new(ended))).await;
        }
        verdict
    }

    /// A printer whose reader does not read holds up the jobs that follow; not,
    /// however, a user who will not wait any more.
    async fn tell(&self, news: News) {
        let told = async {
            // Fails when the printer is gone, and then there is nobody to tell.
            let _gone = self.news.send(news).await;
        };
        or(told, self.kill.raised()).await;
    }

    async fn attempt(&self, line: &CommandLine) -> Ended {
        let mut ended = Ended {
            seq: self.seq,
            command: line.shown(),
            started: SystemTime::now(),
            took: Duration::ZERO,
            end: End::NotRun,
            stdout: Text::new(self.spool.clone()),
            stderr: Text::new(self.spool.clone()),
            notes: Vec::new(),
        };
        if self.stop.is_raised() {
            return ended;
        }
        let begun = Instant::now();
        let mut command = line.command();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_tree(true);
        match command.start().await {
            Ok(child) => {
                ended.started = SystemTime::now();
                self.attend(child, begun, &mut ended).await;
            }
            Err(error) => ended.end = End::NotStarted(error),
        }
        ended
    }

    async fn attend(&self, child: Child, begun: Instant, ended: &mut Ended) {
        let mut child = child;
        let enough = Flag::new();
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let stdout = policy::spawn(spool::collect(stdout, self.spool.clone(), enough.clone()));
        let stderr = policy::spawn(spool::collect(stderr, self.spool.clone(), enough.clone()));

        ended.end = self.end_of(&child).await;
        ended.took = begun.elapsed();

        let mut reading = pin!(zip(stdout, stderr));
        let patience = async {
            self.patience(&child).await;
            None
        };
        let read = or(async { Some(reading.as_mut().await) }, patience).await;
        let (stdout, stderr) = match read {
            Some(read) => read,
            None => {
                enough.raise();
                reading.await
            }
        };
        ended.keep(stdout, stderr);
    }

    /// Waits for the child's end, and brings it about if it is time.
    async fn end_of(&self, child: &Child) -> End {
        enum First {
            Exit(Result<ExitStatus, policy::Error>),
            Timeout,
            Stop,
        }
        let exit = async { First::Exit(child.wait().await) };
        let timeout = async {
            match self.rules.timeout {
                Some(limit) => sleep(limit).await,
                None => pending().await,
            }
            First::Timeout
        };
        let stop = async {
            self.stop.raised().await;
            First::Stop
        };
        match or(exit, or(stop, timeout)).await {
            First::Exit(status) => End::of(status, End::Exited),
            First::Timeout => End::of(self.terminate(child).await, End::TimedOut),
            First::Stop => End::of(self.terminate(child).await, End::Stopped),
        }
    }

    async fn terminate(&self, child: &Child) -> Result<ExitStatus, policy::Error> {
        let at_once = async {
            self.kill.raised().await;
            // It may have exited just now.
            let _exited = child.start_kill();
            child.wait().await
        };
        or(at_once, child.terminate(self.rules.grace)).await
    }

    /// Waits as long as makes sense for the end of the output of a child that is gone.
    async fn patience(&self, child: &Child) {
        let stop = async {
            self.stop.raised().await;
            // What the child left behind; with the child, if that is alive after all.
            let _exited = child.start_kill();
            sleep(READ_ON).await;
        };
        or(sleep(READ_ON), or(stop, self.kill.raised())).await;
    }
}

impl End {
    fn of(status: Result<ExitStatus, policy::Error>, end: impl FnOnce(ExitStatus) -> Self) -> Self {
        status.map_or_else(Self::Unknown, end)
    }

    pub(crate) fn is_failure(&self) -> bool {
        match self {
            Self::Exited(status) => !status.success(),
            Self::TimedOut(_) | Self::NotStarted(_) | Self::OutputLost(..) | Self::Unknown(_) => {
                true
            }
            Self::Stopped(_) | Self::NotRun => false,
        }
    }

    /// The exit value and the signal for the job log; `None` if nothing was run.
    pub(crate) fn numbers(&self) -> Option<(i32, i32)> {
        const TIMED_OUT: i32 = 124;
        const NOT_STARTED: i32 = 127;
        const NOT_KNOWN: i32 = -1;
        let signal = |status: &ExitStatus| status.signal().unwrap_or(0);
        match self {
            Self::Exited(status) | Self::Stopped(status) => {
                let signal = signal(status);
                Some((status.code().unwrap_or(128 + signal), signal))
            }
            Self::TimedOut(status) => Some((TIMED_OUT, signal(status))),
            Self::NotStarted(_) => Some((NOT_STARTED, 0)),
            Self::OutputLost(status, _) => Some((NOT_KNOWN, signal(status))),
            Self::Unknown(_) => Some((NOT_KNOWN, 0)),
            Self::NotRun => None,
        }
    }
}

/// What went wrong, or what happened to it.
impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "{status}"),
            Self::TimedOut(status) => write!(f, "timed out, {status}"),
            Self::Stopped(status) => write!(f, "stopped, {status}"),
            Self::NotRun => f.write_str("not run"),
            Self::OutputLost(_, problem) => {
                write!(f, "can't keep its output: {problem}; free some disk, or set TMPDIR")
            }
            Self::NotStarted(error) | Self::Unknown(error) => {
                write!(f, "{error}")?;
                match error.io_error() {
                    Some(cause) if error.to_string().contains("see the source") => {
                        write!(f, ": {cause}")
                    }
                    _ => Ok(()),
                }
            }
        }
    }
}

impl Ended {
    fn keep(&mut self, stdout: Result<Collected, JoinError>, stderr: Result<Collected, JoinError>) {
        let (mut is_all, mut problem) = (true, None);
        for (collected, text) in [(stdout, &mut self.stdout), (stderr, &mut self.stderr)] {
            match collected {
                Ok(collected) => {
                    *text = collected.text;
                    is_all &= collected.is_all || collected.problem.is_some();
                    problem = problem.or(collected.problem.map(|problem| problem.to_string()));
                }
                Err(error) => problem = Some(error.to_string()),
            }
        }
        match (&self.end, problem) {
            (End::Exited(status), Some(problem)) => self.end = End::OutputLost(*status, problem),
            (_, Some(problem)) => self.notes.push(format!("can't keep its output: {problem}")),
            (_, None) => {}
        }
        // One that was ended may leave something that is just about to end.
        if !is_all && matches!(self.end, End::Exited(_)) {
            self.notes.push(
                "left a process behind that holds its output; more of it is not shown".to_owned(),
            );
        }
    }

    fn verdict(&self) -> Verdict {
        match &self.end {
            End::NotRun => Verdict::NotRun(self.command.clone()),
            End::Stopped(_) => Verdict::Stopped,
            end if end.is_failure() => Verdict::Failed,
            _ => Verdict::Good,
        }
    }
}
