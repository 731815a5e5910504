//! The wheel's edges, one by one; `oracle` is the wheel beside a sorted list.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::time::{Duration, Instant};

use super::{Key, Wheel};

mod oracle;

const ALL: usize = usize::MAX;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn fire<T>(wheel: &mut Wheel<T>, now: Instant) -> Vec<T> {
    let mut fired = Vec::new();
    assert!(!wheel.fire(now, &mut fired, ALL));
    fired
}

/// The latest `Instant` that there is, found bit by bit.
fn the_end(origin: Instant) -> Instant {
    let mut end = origin;
    for bit in (0..64).rev() {
        end = end.checked_add(Duration::from_secs(1 << bit)).unwrap_or(end);
    }
    end.checked_add(Duration::from_nanos(999_999_999)).unwrap_or(end)
}

#[test]
fn a_timer_fires_at_its_nanosecond_and_not_before() {
    let origin = Instant::now();
    for bits in 0..64 {
        for nanos in [(1_u64 << bits) - 1, 1 << bits, (1 << bits) + 1] {
            let deadline = origin + Duration::from_nanos(nanos);
            let mut wheel = Wheel::new(origin);
            let key = wheel.insert(deadline, nanos);
            assert_eq!(wheel.next(), Some(deadline));
            assert_eq!(wheel.earliest_exact(), Some(deadline));
            if nanos > 0 {
                assert_eq!(fire(&mut wheel, deadline - Duration::from_nanos(1)), []);
            }
            assert!(wheel.payload_mut(key).is_some());
            assert_eq!(fire(&mut wheel, deadline), [nanos]);
            assert!(wheel.payload_mut(key).is_none());
            assert_eq!(wheel.len(), 0);
            assert_eq!(wheel.next(), None);
        }
    }
}

#[test]
fn a_deadline_in_the_past_is_due_and_the_most_overdue_is_first() {
    let origin = Instant::now() + DAY;
    let mut wheel = Wheel::new(origin);
    wheel.insert(origin, 2);
    wheel.insert(origin - DAY, 0);
    wheel.insert(origin - DAY / 2, 1);
    assert_eq!(wheel.next(), Some(origin - DAY));
    assert_eq!(fire(&mut wheel, origin - DAY / 2), [0, 1]);
    assert_eq!(fire(&mut wheel, origin), [2]);

    // Also after the wheel has moved on.
    assert_eq!(fire(&mut wheel, origin + 500 * DAY), []);
    wheel.insert(origin + DAY, 4);
    wheel.insert(origin, 3);
    assert_eq!(fire(&mut wheel, origin + 500 * DAY), [3, 4]);
}

#[test]
fn deadlines_at_the_end_of_time_keep_their_order_and_do_not_fire_early() {
    let origin = Instant::now();
    let end = the_end(origin);
    let nano = Duration::from_nanos(1);
    let ages = origin + Duration::from_nanos(u64::MAX);
    let mut wheel = Wheel::new(origin);
    wheel.insert(end, 4);
    wheel.insert(end - nano, 3);
    wheel.insert(ages + nano, 2);
    wheel.insert(ages, 1);
    wheel.insert(origin + 500 * DAY, 0);
    assert_eq!(wheel.next(), Some(origin + 500 * DAY));
    assert_eq!(fire(&mut wheel, origin + 500 * DAY - nano), []);
    assert_eq!(fire(&mut wheel, origin + 500 * DAY), [0]);
    assert_eq!(wheel.next(), Some(ages));
    assert_eq!(fire(&mut wheel, ages), [1]);
    assert_eq!(wheel.next(), Some(ages + nano));
    assert_eq!(fire(&mut wheel, end - nano - nano), [2]);
    assert_eq!(fire(&mut wheel, end - nano), [3]);
    assert_eq!(wheel.next(), Some(end));
    assert_eq!(fire(&mut wheel, end), [4]);

    // A crowd there: the beginning of its slot is an instant, too.
    for number in 0..20 {
        wheel.insert(end, number);
    }
    assert_eq!(wheel.next(), Some(end));
    assert_eq!(fire(&mut wheel, end), (0..20).collect::<Vec<_>>());
}

#[test]
fn a_wheel_that_begins_at_the_end_of_time_works() {
    let end = the_end(Instant::now());
    let mut wheel = Wheel::new(end);
    wheel.insert(end, 1);
    wheel.insert(end - DAY, 0);
    assert_eq!(wheel.next(), Some(end - DAY));
    assert_eq!(fire(&mut wheel, end), [0, 1]);
}

#[test]
fn a_million_timers_of_one_deadline_fire_in_the_order_of_making() {
    const MANY: usize = 1_000_000;
    let origin = Instant::now();
    let deadline = origin + Duration::from_secs(3_600);
    let mut wheel = Wheel::new(origin);
    let keys: Vec<Key> = (0..MANY).map(|number| wheel.insert(deadline, number)).collect();
    assert_eq!(wheel.len(), MANY);
    // Every tenth is removed, and every tenth made anew.
    let mut expected: Vec<usize> = (0..MANY).filter(|number| number % 10 > 1).collect();
    for number in (0..MANY).step_by(10) {
        assert_eq!(wheel.remove(keys[number]), Some(number));
        assert!(wheel.reset(keys[number + 1], deadline));
        expected.push(number + 1);
    }
    assert_eq!(wheel.earliest_exact(), Some(deadline));

    let mut fired = Vec::new();
    while wheel.fire(deadline, &mut fired, 1_000) {
        assert_eq!(fired.len() % 1_000, 0);
    }
    assert_eq!(fired, expected);
    assert_eq!(wheel.len(), 0);
}

#[test]
fn fire_says_exactly_whether_more_is_due() {
    let origin = Instant::now();
    let second = Duration::from_secs(1);
    let mut wheel = Wheel::new(origin);
    let mut fired = Vec::new();
    assert!(!wheel.fire(origin, &mut fired, 0));
    wheel.insert(origin + second, 0);
    wheel.insert(origin + 2 * second, 1);
    wheel.insert(origin + 1_000 * second, 2);
    assert!(!wheel.fire(origin, &mut fired, 0));
    assert!(wheel.fire(origin + second, &mut fired, 0));
    assert!(!wheel.fire(origin + second, &mut fired, 1));
    assert!(wheel.fire(origin + 1_000 * second, &mut fired, 1));
    assert_eq!(fired, [0, 1]);
    // What is made meanwhile, and is due earlier, is first.
    wheel.insert(origin + 500 * second, 3);
    assert!(!wheel.fire(origin + 1_000 * second, &mut fired, 2));
    assert_eq!(fired, [0, 1, 3, 2]);
}

#[test]
fn a_clock_may_go_back() {
    let origin = Instant::now();
    let mut wheel = Wheel::new(origin);
    assert_eq!(fire(&mut wheel, origin + DAY), []);
    wheel.insert(origin + DAY / 2, 'a');
    assert_eq!(wheel.next(), Some(origin + DAY / 2));
    assert_eq!(fire(&mut wheel, origin), []);
    assert_eq!(fire(&mut wheel, origin + DAY / 2), ['a']);
}

#[test]
fn the_key_of_a_timer_that_is_over_never_touches_another_one() {
    let origin = Instant::now();
    let mut wheel = Wheel::new(origin);
    let removed = wheel.insert(origin, 0);
    assert_eq!(wheel.remove(removed), Some(0));
    let fired = wheel.insert(origin, 1);
    assert_eq!(fire(&mut wheel, origin), [1]);
    let drained = wheel.insert(origin, 2);
    let mut all = Vec::new();
    wheel.drain(&mut all);
    assert_eq!(all, [2]);

    let living = wheel.insert(origin + DAY, 3);
    for key in [removed, fired, drained] {
        assert_ne!(key, living);
        assert!(wheel.payload_mut(key).is_none());
        assert!(!wheel.reset(key, origin));
        assert_eq!(wheel.payload_mut(key), None);
        assert_eq!(wheel.remove(key), None);
    }
    assert_eq!(wheel.next(), Some(origin + DAY));
    assert_eq!(wheel.remove(living), Some(3));
}

#[test]
fn a_drained_wheel_is_empty_and_works_on() {
    let origin = Instant::now();
    let mut wheel = Wheel::new(origin);
    assert_eq!(fire(&mut wheel, origin + DAY), []);
    for number in 0..100 {
        wheel.insert(origin + number * DAY / 50, number);
    }
    let mut all = Vec::new();
    wheel.drain(&mut all);
    all.sort_unstable();
    assert_eq!(all, (0..100).collect::<Vec<_>>());
    assert_eq!(wheel.len(), 0);
    assert_eq!(wheel.next(), None);
    wheel.insert(origin + 500 * DAY, 1);
    assert_eq!(fire(&mut wheel, origin + 500 * DAY), [1]);
}

#[test]
fn a_timer_that_is_made_and_removed_over_and_over_needs_no_memory() {
    let origin = Instant::now();
    let mut wheel = Wheel::new(origin);
    let mut slots = std::collections::HashSet::new();
    for number in 0..10_000 {
        let key = wheel.insert(origin + number * Duration::from_millis(7), ());
        slots.insert(format!("{key:?}").split("generation").next().map(str::to_owned));
        assert_eq!(wheel.remove(key), Some(()));
    }
    assert_eq!(slots.len(), 1);
}

/// How often a caller wakes in vain that sleeps until `next`, and how many timers fire.
fn wakes_in_vain(deadlines: impl Iterator<Item = Duration>) -> (usize, usize) {
    let origin = Instant::now();
    let mut wheel = Wheel::new(origin);
    for deadline in deadlines {
        wheel.insert(origin + deadline, origin + deadline);
    }
    let all = wheel.len();
    let (mut last, mut vain) = (None, 0);
    while let Some(now) = wheel.next() {
        assert!(last < Some(now), "no progress");
        last = Some(now);
        let fired = fire(&mut wheel, now);
        assert!(fired.iter().all(|deadline| *deadline == now), "late");
        vain += usize::from(fired.is_empty());
    }
    (vain, all)
}

#[test]
fn few_timers_never_wake_in_vain_and_many_share_a_wake() {
    let (vain, _) = wakes_in_vain([DAY * 500, DAY, DAY / 7, DAY / 1_000].into_iter());
    assert_eq!(vain, 0);

    // Each is ahead by a number of days that looks random.
    let spread = (1..10_000_u64).map(|n| Duration::from_nanos(n.wrapping_mul(n) << 27));
    let (vain, all) = wakes_in_vain(spread);
    assert!(vain * 8 < all, "{vain} in vain for {all}");
}
