//! The wheel does what a sorted list does.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::super::{Key, Wheel};
use super::{ALL, DAY};

/// The same queue as a sorted list.
#[derive(Default)]
struct Oracle {
    /// Deadline, number, name.
    timers: Vec<(Instant, usize, usize)>,
    made: usize,
}

impl Oracle {
    fn insert(&mut self, deadline: Instant, name: usize) {
        self.made += 1;
        self.timers.push((deadline, self.made, name));
        self.timers.sort_unstable();
    }

    fn remove(&mut self, name: usize) -> Option<usize> {
        let at = self.timers.iter().position(|timer| timer.2 == name)?;
        Some(self.timers.remove(at).2)
    }

    fn fire(&mut self, now: Instant, limit: usize) -> (Vec<usize>, bool) {
        let due = self.timers.partition_point(|timer| timer.0 <= now);
        let fired = self.timers.drain(..due.min(limit)).map(|timer| timer.2).collect();
        (fired, due > limit)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert(When),
    /// The timer made as which number, of all so far.
    Reset(prop::sample::Index, When),
    Remove(prop::sample::Index),
    Fire(When, usize),
    Drain,
}

/// A time, relative to what was before.
#[derive(Clone, Debug)]
enum When {
    /// This many nanoseconds after the last time that was fired.
    Ahead(u64),
    /// Before it.
    Passed(u64),
    /// Just when another timer was to fire, or this many nanoseconds later.
    Equal(prop::sample::Index, u64),
    /// When the wheel says.
    Next,
}

fn when() -> impl Strategy<Value = When> {
    // All magnitudes alike, so that all levels are met.
    let nanos = (0..63_u32).prop_flat_map(|bits| 0..1_u64 << bits);
    prop_oneof![
        8 => nanos.prop_map(When::Ahead),
        1 => (0..1_u64 << 40).prop_map(When::Passed),
        6 => (any::<prop::sample::Index>(), 0..3_u64).prop_map(|(of, by)| When::Equal(of, by)),
        3 => Just(When::Next),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => when().prop_map(Step::Insert),
        4 => (any::<prop::sample::Index>(), when()).prop_map(|(of, to)| Step::Reset(of, to)),
        4 => any::<prop::sample::Index>().prop_map(Step::Remove),
        6 => (when(), prop_oneof![Just(ALL), 0..4_usize]).prop_map(|(to, n)| Step::Fire(to, n)),
        1 => Just(Step::Drain),
    ]
}

/// A wheel, what it should be, and all that was made so far.
struct Pair {
    wheel: Wheel<usize>,
    oracle: Oracle,
    now: Instant,
    made: Vec<(Key, Instant)>,
}

impl Pair {
    fn at(&self, when: When) -> Instant {
        let nanos = Duration::from_nanos;
        match when {
            When::Ahead(by) => self.now + nanos(by),
            When::Passed(by) => self.now.checked_sub(nanos(by)).unwrap_or(self.now),
            When::Equal(..) if self.made.is_empty() => self.now,
            When::Equal(of, by) => self.made[of.index(self.made.len())].1 + nanos(by),
            When::Next => self.wheel.next().unwrap_or(self.now),
        }
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Insert(to) => {
                let (deadline, name) = (self.at(to), self.made.len());
                self.oracle.insert(deadline, name);
                self.made.push((self.wheel.insert(deadline, name), deadline));
            }
            Step::Reset(of, to) if !self.made.is_empty() => {
                let name = of.index(self.made.len());
                let deadline = self.at(to);
                let waits = self.oracle.remove(name).is_some();
                if waits {
                    self.oracle.insert(deadline, name);
                    self.made[name].1 = deadline;
                }
                prop_assert_eq!(self.wheel.reset(self.made[name].0, deadline), waits);
            }
            Step::Remove(of) if !self.made.is_empty() => {
                let name = of.index(self.made.len());
                let key = self.made[name].0;
                let expected = self.oracle.remove(name);
                prop_assert_eq!(self.wheel.payload_mut(key).is_some(), expected.is_some());
                prop_assert_eq!(self.wheel.remove(key), expected);
                prop_assert!(self.wheel.payload_mut(key).is_none());
            }
            Step::Reset(..) | Step::Remove(_) => {}
            Step::Fire(to, limit) => {
                self.now = self.at(to);
                let mut fired = Vec::new();
                let more = self.wheel.fire(self.now, &mut fired, limit);
                prop_assert_eq!((fired, more), self.oracle.fire(self.now, limit));
                let next = self.wheel.next();
                prop_assert!(more || next.is_none_or(|next| next > self.now));
            }
            Step::Drain => {
                let mut all = Vec::new();
                self.wheel.drain(&mut all);
                all.sort_unstable();
                let mut expected: Vec<_> = self.oracle.timers.drain(..).map(|t| t.2).collect();
                expected.sort_unstable();
                prop_assert_eq!(all, expected);
            }
        }

        let earliest = self.oracle.timers.first().map(|timer| timer.0);
        prop_assert_eq!(self.wheel.len(), self.oracle.timers.len());
        prop_assert_eq!(self.wheel.earliest_exact(), earliest);
        let next = self.wheel.next();
        prop_assert_eq!(next.is_some(), earliest.is_some());
        prop_assert!(next <= earliest);
        if self.wheel.len() <= 8 {
            prop_assert_eq!(next, earliest);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_wheel_does_what_a_sorted_list_does(steps in prop::collection::vec(step(), 1..200)) {
        let now = Instant::now() + DAY;
        let (wheel, oracle) = (Wheel::new(now), Oracle::default());
        let mut pair = Pair { wheel, oracle, now, made: Vec::new() };
        for step in steps {
            pair.step(step)?;
        }
        // The rest, as a loop that sleeps until `next` would fire it.
        while pair.wheel.next().is_some() {
            pair.step(Step::Fire(When::Next, ALL))?;
        }
    }
}
