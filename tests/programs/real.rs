//! The same on a loop.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use policy::Runner;
use policy::task::{JoinError, JoinHandle, yield_now};
use policy::time::{Instant, pause, sleep, timeout};

use crate::{End, Event, GATES, Op, Step, What, Who};

/// What a task's panic says.
pub(crate) const BOMB: &str = "a step of a program";

pub(crate) fn run(name: &str, program: &[Op]) -> Vec<Event> {
    let policy = policy::from_name(name).unwrap();
    let mut runner = Runner::with_policy(policy).pausable(true);
    let (events, aborts) = runner
        .run(async {
            pause().unwrap();
            let world = World::new();
            let mut handles: Vec<Option<JoinHandle<()>>> = Vec::new();
            let mut aborts = Vec::new();
            for (at, op) in program.iter().enumerate() {
                let said = match op {
                    Op::Step(step) => {
                        world.step(step).await;
                        What::Done(at)
                    }
                    Op::Spawn(steps) => {
                        let task = policy::spawn(world.clone().task(handles.len(), steps.clone()));
                        aborts.push(task.abort_handle());
                        handles.push(Some(task));
                        What::Done(at)
                    }
                    Op::Abort(number) => {
                        if let Some(Some(handle)) = handles.get(*number) {
                            handle.abort();
                        }
                        What::Done(at)
                    }
                    Op::Detach(number) => {
                        drop(handles.get_mut(*number).and_then(Option::take));
                        What::Done(at)
                    }
                    Op::Join(number, most) => match handles.get_mut(*number) {
                        Some(Some(handle)) => {
                            match timeout(Duration::from_nanos(*most), &mut *handle).await {
                                Ok(joined) => {
                                    handles[*number] = None;
                                    What::Joined(end_of(joined))
                                }
                                Err(_) => What::Late,
                            }
                        }
                        _ => What::Done(at),
                    },
                    Op::WaitAtMost(gate, most) => {
                        let waits = timeout(Duration::from_nanos(*most), world.wait(*gate));
                        match waits.await {
                            Ok(()) => What::Done(at),
                            Err(_) => What::Late,
                        }
                    }
                };
                world.say(Who::Main, said);
            }
            // What comes after the end of main is the end of the run.
            (world.shared.lock().unwrap().events.take().unwrap(), aborts)
        })
        .unwrap();
    runner.close().unwrap();
    assert!(aborts.iter().all(|task| task.is_finished()), "a closed loop has a task that goes on");
    events
}

fn end_of(joined: Result<(), JoinError>) -> End {
    match joined {
        Ok(()) => End::Value,
        Err(error) if error.is_cancelled() => End::Cancelled,
        Err(_) => End::Panicked,
    }
}

#[derive(Clone)]
struct World {
    began: Instant,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    /// `None` once main has ended.
    events: Option<Vec<Event>>,
    gates: [Gate; GATES],
    waits: usize,
}

#[derive(Default)]
struct Gate {
    is_open: bool,
    waiting: Vec<(usize, Waker)>,
}

impl World {
    fn new() -> Self {
        let shared = Shared { events: Some(Vec::new()), gates: Default::default(), waits: 0 };
        Self { began: Instant::now(), shared: Arc::new(Mutex::new(shared)) }
    }

    fn say(&self, who: Who, what: What) {
        let at = u64::try_from(self.began.elapsed().as_nanos()).unwrap();
        if let Some(events) = &mut self.shared.lock().unwrap().events {
            events.push(Event { at, who, what });
        }
    }

    async fn task(self, number: usize, steps: Vec<Step>) {
        let who = Who::Task(number);
        let mut says_end = SaysEnd { world: &self, who, is_over: false };
        for (at, step) in steps.iter().enumerate() {
            self.step(step).await;
            self.say(who, What::Done(at));
        }
        says_end.is_over = true;
    }

    async fn step(&self, step: &Step) {
        match *step {
            Step::Sleep(time) => sleep(Duration::from_nanos(time)).await,
            Step::Reset(first, second) => {
                let mut sleeps = pin!(sleep(Duration::from_nanos(first)));
                let polled = poll_fn(|cx| Poll::Ready(sleeps.as_mut().poll(cx))).await;
                assert!(polled.is_pending());
                sleeps.as_mut().reset(Instant::now() + Duration::from_nanos(second));
                sleeps.await;
            }
            Step::Yield => yield_now().await,
            Step::Wait(gate) => self.wait(gate).await,
            Step::Open(gate) => {
                let waiting = {
                    let mut shared = self.shared.lock().unwrap();
                    shared.gates[gate].is_open = true;
                    std::mem::take(&mut shared.gates[gate].waiting)
                };
                waiting.into_iter().for_each(|(_, waker)| waker.wake());
            }
            Step::Wake(times) => {
                let mut is_first = true;
                poll_fn(|cx| {
                    if !std::mem::take(&mut is_first) {
                        return Poll::Ready(());
                    }
                    (0..times).for_each(|_| cx.waker().wake_by_ref());
                    Poll::Pending
                })
                .await;
            }
            Step::Panic => std::panic::panic_any(BOMB),
        }
    }

    fn wait(&self, gate: usize) -> Waits<'_> {
        Waits { world: self, gate, key: None }
    }
}

struct SaysEnd<'a> {
    world: &'a World,
    who: Who,
    is_over: bool,
}

impl Drop for SaysEnd<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.world.say(self.who, What::Dropped);
        }
    }
}

struct Waits<'a> {
    world: &'a World,
    gate: usize,
    key: Option<usize>,
}

impl Future for Waits<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut shared = this.world.shared.lock().unwrap();
        if shared.gates[this.gate].is_open {
            return Poll::Ready(());
        }
        if this.key.is_none() {
            shared.waits += 1;
            let key = shared.waits;
            this.key = Some(key);
            shared.gates[this.gate].waiting.push((key, cx.waker().clone()));
        }
        Poll::Pending
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        let mut shared = self.world.shared.lock().unwrap();
        shared.gates[self.gate].waiting.retain(|(key, _)| Some(*key) != self.key);
    }
}
