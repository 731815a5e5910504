//! What the contract says, in the plainest way.

use std::collections::VecDeque;

use crate::{End, Event, GATES, Op, Step, What, Who};

pub(crate) fn run(program: &[Op]) -> Vec<Event> {
    let mut model = Model::new(program);
    while !model.is_over() {
        match model.ready.pop_front() {
            Some(Who::Main) => {
                model.main_is_ready = false;
                model.poll_main();
            }
            Some(Who::Task(number)) => model.poll_task(number),
            None if model.timers.is_empty() => unreachable!("main waits for ever"),
            None => model.jump(),
        }
    }
    model.events
}

struct Model<'a> {
    program: &'a [Op],
    now: u64,
    ready: VecDeque<Who>,
    main_is_ready: bool,
    /// When, and whom. In the order of making.
    timers: Vec<(u64, Who)>,
    gates: [Gate; GATES],
    tasks: Vec<Task>,
    main: Cursor,
    events: Vec<Event>,
}

#[derive(Default)]
struct Gate {
    is_open: bool,
    waiting: Vec<Who>,
}

struct Task {
    steps: Vec<Step>,
    cursor: Cursor,
    /// It was polled: before that there is nothing of it that could be dropped.
    is_begun: bool,
    is_ready: bool,
    is_aborted: bool,
    end: Option<End>,
    /// Main has asked for its end, and is told.
    tells: bool,
    is_detached: bool,
}

/// Where it stands, and how far it is within that step.
#[derive(Clone, Copy, Default)]
struct Cursor {
    at: usize,
    begun: Option<u64>,
}

/// What the poll of a step gives.
enum Polled {
    Done,
    Waits,
    Panics,
}

impl<'a> Model<'a> {
    fn new(program: &'a [Op]) -> Self {
        Self {
            program,
            now: 0,
            ready: VecDeque::from([Who::Main]),
            main_is_ready: true,
            timers: Vec::new(),
            gates: Default::default(),
            tasks: Vec::new(),
            main: Cursor::default(),
            events: Vec::new(),
        }
    }

    fn is_over(&self) -> bool {
        self.main.at == self.program.len()
    }

    fn say(&mut self, who: Who, what: What) {
        self.events.push(Event { at: self.now, who, what });
    }

    fn wake(&mut self, who: Who) {
        let is_ready = match who {
            Who::Main => &mut self.main_is_ready,
            Who::Task(number) if self.tasks[number].end.is_some() => return,
            Who::Task(number) => &mut self.tasks[number].is_ready,
        };
        if !std::mem::replace(is_ready, true) {
            self.ready.push_back(who);
        }
    }

    /// Nothing is ready: the time of the next timer comes.
    fn jump(&mut self) {
        let next = self.timers.iter().map(|(at, _)| *at).min().unwrap_or_default();
        self.now = next;
        let (due, later): (Vec<_>, _) = self.timers.drain(..).partition(|(at, _)| *at == next);
        self.timers = later;
        due.into_iter().for_each(|(_, who)| self.wake(who));
    }

    fn no_timer(&mut self, who: Who) {
        self.timers.retain(|(_, other)| *other != who);
    }

    fn open(&mut self, gate: usize) {
        self.gates[gate].is_open = true;
        let waiting = std::mem::take(&mut self.gates[gate].waiting);
        waiting.into_iter().for_each(|who| self.wake(who));
    }

    fn leave_gates(&mut self, who: Who) {
        self.gates.iter_mut().for_each(|gate| gate.waiting.retain(|other| *other != who));
    }

    fn wait(&mut self, gate: usize, who: Who) -> Polled {
        if self.gates[gate].is_open {
            return Polled::Done;
        }
        if !self.gates[gate].waiting.contains(&who) {
            self.gates[gate].waiting.push(who);
        }
        Polled::Waits
    }

    fn poll_step(&mut self, who: Who, step: &Step, begun: &mut Option<u64>) -> Polled {
        let is_first = begun.is_none();
        match *step {
            Step::Sleep(time) | Step::Reset(_, time) => {
                let until = *begun.get_or_insert(self.now + time);
                if is_first {
                    self.timers.push((until, who));
                }
                if self.now >= until { Polled::Done } else { Polled::Waits }
            }
            Step::Yield | Step::Wake(_) => {
                *begun = Some(0);
                if is_first {
                    self.wake(who);
                    return Polled::Waits;
                }
                Polled::Done
            }
            Step::Wait(gate) => self.wait(gate, who),
            Step::Open(gate) => {
                self.open(gate);
                Polled::Done
            }
            Step::Panic => Polled::Panics,
        }
    }

    fn poll_task(&mut self, number: usize) {
        let who = Who::Task(number);
        self.tasks[number].is_ready = false;
        if self.tasks[number].is_aborted {
            return self.end(number, End::Cancelled);
        }
        self.tasks[number].is_begun = true;
        loop {
            let Cursor { at, mut begun } = self.tasks[number].cursor;
            let Some(step) = self.tasks[number].steps.get(at).cloned() else {
                return self.end(number, End::Value);
            };
            let polled = self.poll_step(who, &step, &mut begun);
            match polled {
                Polled::Done => {
                    self.tasks[number].cursor = Cursor { at: at + 1, begun: None };
                    self.say(who, What::Done(at));
                }
                Polled::Waits => {
                    self.tasks[number].cursor.begun = begun;
                    return;
                }
                Polled::Panics => return self.end(number, End::Panicked),
            }
        }
    }

    fn end(&mut self, number: usize, end: End) {
        let who = Who::Task(number);
        self.no_timer(who);
        self.leave_gates(who);
        if end != End::Value && self.tasks[number].is_begun {
            self.say(who, What::Dropped);
        }
        self.tasks[number].end = Some(end);
        if self.tasks[number].tells {
            self.wake(Who::Main);
        }
    }

    fn poll_main(&mut self) {
        while let Some(op) = self.program.get(self.main.at) {
            let mut begun = self.main.begun;
            let said = match op {
                Op::Step(step) => match self.poll_step(Who::Main, step, &mut begun) {
                    Polled::Done => What::Done(self.main.at),
                    Polled::Waits | Polled::Panics => {
                        self.main.begun = begun;
                        return;
                    }
                },
                Op::Spawn(steps) => {
                    self.spawn(steps.clone());
                    What::Done(self.main.at)
                }
                Op::Abort(number) => {
                    if self.is_there(*number) {
                        self.tasks[*number].is_aborted = true;
                        self.wake(Who::Task(*number));
                    }
                    What::Done(self.main.at)
                }
                Op::Detach(number) => {
                    if self.is_there(*number) {
                        let task = &mut self.tasks[*number];
                        (task.is_detached, task.tells) = (true, false);
                    }
                    What::Done(self.main.at)
                }
                Op::Join(number, _) if !self.is_there(*number) => What::Done(self.main.at),
                Op::Join(number, most) => match (self.tasks[*number].end, begun) {
                    (Some(end), _) => {
                        // Its output was taken.
                        self.tasks[*number].is_detached = true;
                        What::Joined(end)
                    }
                    (None, Some(until)) if self.now >= until => What::Late,
                    (None, _) => {
                        self.tasks[*number].tells = true;
                        return self.wait_at_most(*most);
                    }
                },
                Op::WaitAtMost(gate, most) => match (self.wait(*gate, Who::Main), begun) {
                    (Polled::Done, _) => What::Done(self.main.at),
                    (_, Some(until)) if self.now >= until => What::Late,
                    _ => return self.wait_at_most(*most),
                },
            };
            self.no_timer(Who::Main);
            self.leave_gates(Who::Main);
            self.say(Who::Main, said);
            self.main = Cursor { at: self.main.at + 1, begun: None };
        }
    }

    fn wait_at_most(&mut self, most: u64) {
        if self.main.begun.is_none() {
            self.main.begun = Some(self.now + most);
            self.timers.push((self.now + most, Who::Main));
        }
    }

    fn spawn(&mut self, steps: Vec<Step>) {
        self.tasks.push(Task {
            steps,
            cursor: Cursor::default(),
            is_begun: false,
            is_ready: false,
            is_aborted: false,
            end: None,
            tells: false,
            is_detached: false,
        });
        self.wake(Who::Task(self.tasks.len() - 1));
    }

    /// Main has its handle.
    fn is_there(&self, number: usize) -> bool {
        self.tasks.get(number).is_some_and(|task| !task.is_detached)
    }
}
