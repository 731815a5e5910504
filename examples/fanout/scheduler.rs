//! Which job runs when, and when there is to be an end.

use std::ffi::OsString;
use std::future::pending;
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_channel::Receiver;
use futures_lite::future::or;
use policy::task::{JoinError, JoinSet};
use policy::time::sleep;

use crate::Failure;
use crate::flag::Flag;
use crate::inputs::Inputs;
use crate::job::{Job, Rules, Verdict};
use crate::printer::{News, Printer};
use crate::spool::Spool;

/// What comes in between.
pub(crate) enum Alarm {
    Interrupted,
    /// The user will not wait for the grace.
    Kill,
    NobodyReads,
    Broken(Failure),
}

/// Why it ended before all was done.
pub(crate) enum Why {
    Halted,
    Interrupted,
    NobodyReads,
    Broken(Failure),
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) failed: u64,
    pub(crate) why: Option<Why>,
}

/// What is to be done.
pub(crate) struct Scheduler {
    pub(crate) jobs: usize,
    pub(crate) halt_on_error: bool,
    pub(crate) rules: Arc<Rules>,
    pub(crate) inputs: Inputs,
    pub(crate) printer: Printer,
    pub(crate) alarms: Receiver<Alarm>,
}

impl Scheduler {
    /// Runs all jobs, or as many as there is time for.
    ///
    /// # Errors
    /// If children can't be waited for; nothing was run then.
    pub(crate) async fn run(self) -> Result<Outcome, Failure> {
        // Once for all, and not for each job.
        let watcher = policy::get_child_watcher().map_err(|error| error.to_string())?;
        if !watcher.is_active() {
            return Err("this watcher does not work here; choose another with `--watcher`".into());
        }
        let mut run = Run {
            asked: self,
            spool: Arc::default(),
            running: JoinSet::new(),
            has_more: true,
            started: 0,
            failed: 0,
            stopped: 0,
            not_run: Vec::new(),
            why: None,
            stop: Flag::new(),
            kill: Flag::new(),
        };
        while run.has_work() {
            run.turn().await;
        }
        run.finish().await;
        Ok(Outcome { failed: run.failed, why: run.why })
    }
}

struct Run {
    asked: Scheduler,
    spool: Arc<Spool>,
    running: JoinSet<Verdict>,
    /// There are, or may be, inputs that were not taken.
    has_more: bool,
    started: u64,
    failed: u64,
    stopped: usize,
    not_run: Vec<String>,
    why: Option<Why>,
    stop: Flag,
    kill: Flag,
}

enum Event {
    Alarm(Alarm),
    Ended(Result<Verdict, JoinError>),
    Input(Option<Result<OsString, Failure>>),
}

impl Run {
    fn has_work(&self) -> bool {
        self.has_more || !self.running.is_empty()
    }

    async fn turn(&mut self) {
        match self.next().await {
            Event::Alarm(alarm) => self.alarm(alarm),
            Event::Ended(verdict) => self.ended(verdict),
            Event::Input(Some(Ok(input))) => self.start(input),
            Event::Input(Some(Err(failure))) => {
                // What was read is run to its end.
                self.has_more = false;
                self.why = Some(Why::Broken(failure));
            }
            Event::Input(None) => self.has_more = false,
        }
    }

    async fn next(&mut self) -> Event {
        let wants_more = self.has_more && self.running.len() < self.asked.jobs;
        let (running, inputs) = (&mut self.running, &mut self.asked.inputs);
        let alarms = &self.asked.alarms;
        let alarm = async { next_or_never(alarms.recv().await.ok()).await };
        let ended = async { Event::Ended(next_or_never(running.join_next().await).await) };
        let input = async {
            if !wants_more {
                pending::<()>().await;
            }
            Event::Input(inputs.next().await)
        };
        // In this order: no job is started that an alarm or a failure forbids.
        or(async { Event::Alarm(alarm.await) }, or(ended, input)).await
    }

    fn start(&mut self, input: OsString) {
        self.started += 1;
        let job = Job {
            seq: self.started,
            input,
            rules: self.asked.rules.clone(),
            spool: self.spool.clone(),
            news: self.asked.printer.news.clone(),
            stop: self.stop.clone(),
            kill: self.kill.clone(),
        };
        self.running.spawn(job.run());
    }

    fn ended(&mut self, verdict: Result<Verdict, JoinError>) {
        match verdict {
            Ok(Verdict::Good) => {}
            Ok(Verdict::Stopped) => self.stopped += 1,
            Ok(Verdict::NotRun(command)) => self.not_run.push(command),
            Ok(Verdict::Failed) => {
                self.failed += 1;
                if self.asked.halt_on_error && self.why.is_none() {
                    self.give_up(Why::Halted);
                }
            }
            Err(error) => {
                self.failed += 1;
                self.give_up(Why::Broken(format!("a job was lost: {error}")));
            }
        }
    }

    fn alarm(&mut self, alarm: Alarm) {
        match alarm {
            Alarm::Interrupted => {
                self.give_up(Why::Interrupted);
                if !self.running.is_empty() {
                    let running = jobs(self.running.len());
                    let line = format!("stopping {running}; interrupt again to kill at once");
                    // The printer may be busy; it is no great loss.
                    let _busy = self.asked.printer.news.try_send(News::Line(line));
                }
            }
            Alarm::Kill => {
                self.give_up(Why::Interrupted);
                self.kill.raise();
            }
            Alarm::NobodyReads => self.give_up(Why::NobodyReads),
            Alarm::Broken(failure) => self.give_up(Why::Broken(failure)),
        }
    }

    /// Stops what runs, and starts nothing more.
    fn give_up(&mut self, why: Why) {
        // The user's word is the last.
        if self.why.is_none() || matches!(why, Why::Interrupted) {
            self.why = Some(why);
        }
        self.stop.raise();
        self.has_more = false;
    }

    /// Says what was not done, and waits until everything is printed.
    async fn finish(&mut self) {
        let last = News::Last(self.last_lines());
        let (news, done) = (self.asked.printer.news.clone(), self.asked.printer.done.clone());
        let mut printed = pin!(async {
            let _gone = news.send(last).await;
            let _closed = done.recv().await;
        });
        loop {
            let alarm = async { next_or_never(self.asked.alarms.recv().await.ok()).await };
            let enough = or(printed.as_mut(), self.impatience());
            let came = or(async { Some(alarm.await) }, async {
                enough.await;
                None
            });
            let Some(alarm) = came.await else { break };
            if self.last_alarm(alarm).is_break() {
                return;
            }
        }
        // One that came just before the printer ended counts, too.
        while let Ok(alarm) = self.asked.alarms.try_recv() {
            let _over = self.last_alarm(alarm);
        }
    }

    /// What an alarm means when all jobs have ended: breaks if nothing is waited for.
    fn last_alarm(&mut self, alarm: Alarm) -> ControlFlow<()> {
        match alarm {
            Alarm::NobodyReads => self.give_up(Why::NobodyReads),
            Alarm::Broken(failure) => self.give_up(Why::Broken(failure)),
            // What ran has ended: there is nothing left to be graceful with.
            Alarm::Interrupted | Alarm::Kill => {
                self.give_up(Why::Interrupted);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    /// A user who will not wait for jobs will not wait long for a pager either.
    async fn impatience(&self) {
        if !self.kill.is_raised() {
            pending::<()>().await;
        }
        sleep(LAST_WORDS).await;
    }

    fn last_lines(&mut self) -> Vec<String> {
        let what = match &self.why {
            // Nobody wants to know.
            None | Some(Why::NobodyReads) => return Vec::new(),
            Some(Why::Interrupted) => "interrupted",
            Some(Why::Halted) => "halted",
            Some(Why::Broken(_)) => "given up",
        };
        let (rest, is_unread) = self.asked.inputs.rest();
        let template = &self.asked.rules.template;
        let not_run = self.not_run.len() + rest.len();
        if matches!(self.why, Some(Why::Broken(_))) && self.stopped + not_run == 0 && !is_unread {
            return Vec::new();
        }
        let mut lines = vec![format!(
            "{what}: {} stopped, {not_run} not run{}",
            jobs(self.stopped),
            if is_unread { ", and the rest of the input not read" } else { "" }
        )];
        let commands =
            self.not_run.drain(..).chain(rest.iter().map(|input| template.fill(input).shown()));
        lines.extend(commands.take(SHOWN).map(|command| format!("not run: {command}")));
        if not_run > SHOWN {
            lines.push(format!("not run: {} more", not_run - SHOWN));
        }
        lines
    }
}

/// How long an impatient user waits for what can still be printed.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How many commands are named that were not run.
const SHOWN: usize = 20;

fn jobs(count: usize) -> String {
    format!("{count} {}", if count == 1 { "job" } else { "jobs" })
}

/// Waits for ever if there is nothing that could come.
async fn next_or_never<T>(next: Option<T>) -> T {
    match next {
        Some(next) => next,
        None => pending().await,
    }
}
