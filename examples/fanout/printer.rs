//! All that the user sees, on one thread: whole outputs, in order if so asked.
//!
//! A thread and not a task, since a terminal or a pager may block for as long as it
//! likes, while limits and signals are to work on.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use async_channel::{Receiver, Sender};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::Failure;
use crate::inputs::Total;
use crate::job::Ended;
use crate::joblog::Joblog;
use crate::scheduler::Alarm;
use crate::spool::Text;

/// How to print.
#[derive(Clone, Copy)]
pub(crate) struct Style {
    pub(crate) keep_order: bool,
    pub(crate) progress: bool,
}

/// What there is to print.
pub(crate) enum News {
    Ended(Box<Ended>),
    /// A job that failed is tried again, for the `again`th time.
    Again {
        failed: Box<Ended>,
        again: u32,
        of: u32,
    },
    /// A line for the user.
    Line(String),
    /// Nothing comes any more but these lines.
    Last(Vec<String>),
}

/// The thread.
pub(crate) struct Printer {
    pub(crate) news: Sender<News>,
    /// Closed when the thread has printed everything.
    pub(crate) done: Receiver<()>,
}

/// How many outputs may wait for the terminal before jobs wait, too.
const QUEUE: usize = 64;

impl Printer {
    /// # Errors
    /// If there is no thread.
    pub(crate) fn start(
        style: Style,
        joblog: Option<Joblog>,
        total: Arc<Total>,
        alarm: Sender<Alarm>,
    ) -> Result<Self, Failure> {
        let (news, receive) = async_channel::bounded(QUEUE);
        let (keep, done) = async_channel::bounded(1);
        let progress = Progress::new(style.progress, total);
        let page = Page {
            keep_order: style.keep_order,
            joblog,
            alarm,
            progress,
            is_read: true,
            waiting: BTreeMap::new(),
            next: 1,
        };
        std::thread::Builder::new()
            .name("fanout-printer".into())
            .spawn(move || {
                page.print_all(&receive);
                drop(keep);
            })
            .map_err(|error| format!("can't start a thread ({error}); raise `ulimit -u`"))?;
        Ok(Self { news, done })
    }
}

struct Page {
    keep_order: bool,
    joblog: Option<Joblog>,
    alarm: Sender<Alarm>,
    progress: Progress,
    /// False: what comes is thrown away, as the reader is gone or the disk is full.
    is_read: bool,
    /// Outputs that wait for the turn of their jobs.
    waiting: BTreeMap<u64, Ended>,
    /// Whose turn it is.
    next: u64,
}

impl Page {
    fn print_all(mut self, news: &Receiver<News>) {
        while let Ok(news) = news.recv_blocking() {
            match news {
                News::Ended(ended) => self.ended(*ended),
                News::Again { failed, again, of } => self.again(&failed, again, of),
                News::Line(line) => self.progress.suspend(|| say(&line)),
                News::Last(lines) => {
                    self.flush();
                    self.progress.finish();
                    lines.iter().for_each(|line| say(line));
                    return;
                }
            }
        }
    }

    fn ended(&mut self, ended: Ended) {
        if let Some(Err(failure)) = self.joblog.as_mut().map(|joblog| joblog.add(&ended)) {
            // Once is enough.
            self.joblog = None;
            self.give_up(Alarm::Broken(failure));
        }
        self.progress.ended(&ended);
        if !self.keep_order {
            return self.print(&ended);
        }
        let mut ended = ended;
        if ended.seq != self.next {
            // If the disk is full, they stay in memory.
            let _full = ended.stdout.settle().and_then(|()| ended.stderr.settle());
        }
        self.waiting.insert(ended.seq, ended);
        while let Some(ended) = self.waiting.remove(&self.next) {
            self.next += 1;
            self.print(&ended);
        }
    }

    fn again(&mut self, failed: &Ended, again: u32, of: u32) {
        let line = format!(
            "job {} failed ({}), trying again ({again} of {of}): {}",
            failed.seq, failed.end, failed.command
        );
        self.progress.suspend(|| {
            print_to_stderr(&failed.stderr);
            say(&line);
        });
    }

    /// Prints what waits for jobs that will not run any more.
    fn flush(&mut self) {
        for ended in std::mem::take(&mut self.waiting).into_values() {
            self.print(&ended);
        }
    }

    fn print(&mut self, ended: &Ended) {
        let is_read = self.is_read;
        let printed = self.progress.suspend(|| {
            let printed = if is_read { print_to_stdout(&ended.stdout) } else { Ok(()) };
            print_to_stderr(&ended.stderr);
            for note in &ended.notes {
                say(&format!("job {}: {note}", ended.seq));
            }
            if ended.end.is_failure() {
                say(&format!("job {} failed ({}): {}", ended.seq, ended.end, ended.command));
            }
            printed
        });
        match printed {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.is_read = false;
                self.give_up(Alarm::NobodyReads);
            }
            Err(error) => {
                self.is_read = false;
                self.give_up(Alarm::Broken(format!("can't print the output: {error}")));
            }
        }
    }

    fn give_up(&self, alarm: Alarm) {
        // The scheduler may have ended.
        let _ended = self.alarm.send_blocking(alarm);
    }
}

fn print_to_stdout(text: &Text) -> io::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let mut out = io::stdout().lock();
    text.write_to(&mut out)?;
    // It holds back what follows the last newline.
    out.flush()
}

fn print_to_stderr(text: &Text) {
    // There is no place left to complain at.
    let _nobody_reads = text.write_to(&mut io::stderr().lock());
}

fn say(line: &str) {
    // In one piece: others may write to the same terminal.
    let _nobody_reads = io::stderr().write_all(format!("fanout: {line}\n").as_bytes());
}

/// How far it is.
struct Progress {
    show: Show,
    total: Arc<Total>,
    done: u64,
    failed: u64,
}

enum Show {
    Nothing,
    Lines,
    Bar(ProgressBar),
}

impl Progress {
    fn new(wanted: bool, total: Arc<Total>) -> Self {
        let show = match (wanted, io::stderr().is_terminal()) {
            (false, _) => Show::Nothing,
            (true, false) => Show::Lines,
            (true, true) => Show::Bar(bar()),
        };
        Self { show, total, done: 0, failed: 0 }
    }

    fn ended(&mut self, ended: &Ended) {
        self.done += 1;
        self.failed += u64::from(ended.end.is_failure());
        let (done, failed) = (self.done, self.failed);
        let (known, is_all) = self.total.get();
        match &self.show {
            Show::Nothing => {}
            Show::Lines => {
                let more = if is_all { "" } else { "+" };
                let took = ended.took.as_secs_f64();
                say(&format!(
                    "{done} of {known}{more} done, {failed} failed: {} ({took:.2} s)",
                    ended.command
                ));
            }
            Show::Bar(bar) => {
                bar.set_length(known);
                bar.set_position(done);
                if failed > 0 {
                    bar.set_message(format!("{failed} failed"));
                }
            }
        }
    }

    /// Calls `f` while no bar is in the way.
    fn suspend<T>(&self, f: impl FnOnce() -> T) -> T {
        match &self.show {
            Show::Bar(bar) => bar.suspend(f),
            Show::Nothing | Show::Lines => f(),
        }
    }

    fn finish(&self) {
        if let Show::Bar(bar) = &self.show {
            bar.abandon();
        }
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    let style = "{elapsed_precise} [{bar:30}] {pos}/{len} {msg}";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style.progress_chars("=> "));
    }
    // The clock goes on while no job ends.
    bar.enable_steady_tick(std::time::Duration::from_millis(250));
    bar
}
