//! Timers as values: the owner asks for what is due, nothing fires by itself.
//!
//! A hashed wheel of 4096 slots of 10 ms holds what is due within its horizon (about 41 s). What lies beyond waits in an ordered map, so an expiry of hours or years costs nothing until its moment. A slot whose time
//! has come is poured into a heap, from which timers leave to the millisecond.
//!
//! ```text
//!  schedule -+-- tick already poured ----> heap ----------> expire(now)
//!            +-- within the horizon -----> slot --(tick)--> heap
//!            +-- beyond -----------------> map ---(tick)--> heap
//! ```

use super::Time;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// Slots of the wheel.
const SLOTS: u64 = 4096;
/// Milliseconds of one slot.
const TICK_MILLIS: u64 = 10;
/// Words of the bitmap of occupied slots.
const WORDS: usize = (SLOTS / 64) as usize;
/// No entry.
const NONE: u32 = u32::MAX;
/// An idle wheel gives the memory of more entries than this back.
const KEPT_ENTRIES: usize = 1024;

/// Names one scheduled timer. A stale name (fired, cancelled) is recognised and does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerId {
    index: u32,
    generation: u32,
}

/// Timers that carry a key `K` each. Holds at most `u32::MAX - 1` timers at once; its owners' limits are far below.
#[derive(Debug)]
pub struct Wheel<K> {
    entries: Vec<Entry<K>>,
    free: u32,
    live: usize,
    generation: u32,
    /// The last tick whose slot was poured into `ready`; slots hold the `SLOTS` ticks after it.
    poured: u64,
    slots: Box<[Slot]>,
    occupied: [u64; WORDS],
    /// Beyond the horizon when scheduled: due time to the head of a list.
    far: BTreeMap<Time, u32>,
    ready: BinaryHeap<Reverse<Ready>>,
    /// Counts what enters `ready`, so that ties leave in the order they were scheduled.
    sequence: u64,
    scratch: Vec<u32>,
}

/// A list of entries that are due within one tick, newest first.
#[derive(Clone, Copy, Debug)]
struct Slot {
    head: u32,
    /// No entry is due earlier than this many milliseconds into the tick.
    earliest: u8,
}

const EMPTY: Slot = Slot { head: NONE, earliest: 0 };

#[derive(Debug)]
struct Entry<K> {
    at: Time,
    previous: u32,
    next: u32,
    generation: u32,
    place: Place,
    key: Option<K>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Free,
    Slot,
    Far,
    Ready,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ready {
    at: Time,
    sequence: u64,
    index: u32,
    generation: u32,
}

impl<K> Default for Wheel<K> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            free: NONE,
            live: 0,
            generation: 0,
            poured: 0,
            slots: vec![EMPTY; SLOTS as usize].into_boxed_slice(),
            occupied: [0; WORDS],
            far: BTreeMap::new(),
            ready: BinaryHeap::new(),
            sequence: 0,
            scratch: Vec::new(),
        }
    }
}

impl<K> Wheel<K> {
    /// A wheel without timers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Timers that are scheduled and neither fired nor cancelled.
    pub fn len(&self) -> usize {
        self.live
    }

    /// Whether no timer is scheduled.
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Schedules a timer; a moment in the past is due at once.
    pub fn schedule(&mut self, at: Time, key: K) -> TimerId {
        let index = self.take_entry(at, key);
        let generation = self.entries[index as usize].generation;
        let tick = tick_of(at);
        if tick <= self.poured {
            self.make_ready(index);
        } else if tick - self.poured <= SLOTS {
            self.put_in_slot(index, tick);
        } else {
            let head = self.far.insert(at, index).unwrap_or(NONE);
            self.link(index, head, Place::Far);
        }
        TimerId { index, generation }
    }

    /// Cancels a timer and returns its key; `None` if it fired or was cancelled before.
    pub fn cancel(&mut self, id: TimerId) -> Option<K> {
        let entry = self.entries.get(id.index as usize)?;
        if entry.generation != id.generation || entry.place == Place::Free {
            return None;
        }
        match entry.place {
            Place::Slot | Place::Far => self.unlink(id.index),
            Place::Ready | Place::Free => {}
        }
        let key = self.free_entry(id.index);
        self.drop_stale_ready();
        key
    }

    /// Takes out every timer that is due at `now`, in order of due time, ties in the order they were scheduled, and
    /// appends the keys to `out`. Costs next to nothing if none is due.
    pub fn expire(&mut self, now: Time, out: &mut Vec<K>) {
        let tick = tick_of(now);
        if self.due().is_none_or(|due| due > now) {
            // No slot before the present tick holds anything, so they count as poured.
            self.poured = self.poured.max(tick.saturating_sub(1));
            return;
        }
        self.pour(tick);
        while let Some(&Reverse(ready)) = self.ready.peek() {
            if ready.at > now {
                break;
            }
            self.ready.pop();
            out.extend(self.free_entry(ready.index));
            self.drop_stale_ready();
        }
    }

    /// The moment the next timer is due; never later than that, and earlier only after that timer was cancelled.
    pub fn due(&self) -> Option<Time> {
        if self.live == 0 {
            return None;
        }
        let ready = self.ready.peek().map(|Reverse(ready)| ready.at);
        let far = self.far.first_key_value().map(|(at, _)| *at);
        let near = self.next_tick().map(|tick| {
            let slot = self.slots[slot_of(tick)];
            Time::from_millis(tick * TICK_MILLIS + u64::from(slot.earliest))
        });
        [ready, near, far].into_iter().flatten().min()
    }

    /// Moves everything of the ticks up to `tick` into the heap.
    fn pour(&mut self, tick: u64) {
        // Of two timers for one moment the far one was scheduled first: the horizon only moves on.
        while let Some(far) = self.far.first_entry() {
            if tick_of(*far.key()) > tick {
                break;
            }
            let head = far.remove();
            self.pour_list(head);
        }
        while let Some(next) = self.next_tick() {
            if next > tick {
                break;
            }
            let head = std::mem::replace(&mut self.slots[slot_of(next)], EMPTY).head;
            self.clear_bit(slot_of(next));
            self.pour_list(head);
        }
        self.poured = self.poured.max(tick);
    }

    /// Lists are newest first, the heap wants oldest first.
    fn pour_list(&mut self, head: u32) {
        let mut list = std::mem::take(&mut self.scratch);
        let mut index = head;
        while index != NONE {
            list.push(index);
            index = self.entries[index as usize].next;
        }
        for index in list.drain(..).rev() {
            self.make_ready(index);
        }
        self.scratch = list;
    }

    fn make_ready(&mut self, index: u32) {
        let entry = &mut self.entries[index as usize];
        entry.place = Place::Ready;
        self.sequence += 1;
        self.ready.push(Reverse(Ready {
            at: entry.at,
            sequence: self.sequence,
            index,
            generation: entry.generation,
        }));
    }

    /// Keeps the top of the heap alive, so that `due` can trust it.
    fn drop_stale_ready(&mut self) {
        while let Some(&Reverse(ready)) = self.ready.peek() {
            let live = self
                .entries
                .get(ready.index as usize)
                .is_some_and(|entry| entry.generation == ready.generation && entry.place == Place::Ready);
            if live {
                break;
            }
            self.ready.pop();
        }
    }

    fn put_in_slot(&mut self, index: u32, tick: u64) {
        let slot = slot_of(tick);
        let head = self.slots[slot].head;
        let into = (self.entries[index as usize].at.as_millis() % TICK_MILLIS) as u8;
        let earliest = if head == NONE { into } else { into.min(self.slots[slot].earliest) };
        self.slots[slot] = Slot { head: index, earliest };
        self.occupied[slot / 64] |= 1 << (slot % 64);
        self.link(index, head, Place::Slot);
    }

    /// Puts an entry in front of the list that begins with `head`.
    fn link(&mut self, index: u32, head: u32, place: Place) {
        let entry = &mut self.entries[index as usize];
        entry.previous = NONE;
        entry.next = head;
        entry.place = place;
        if head != NONE {
            self.entries[head as usize].previous = index;
        }
    }

    /// Takes an entry out of the list it is in.
    fn unlink(&mut self, index: u32) {
        let Entry { at, previous, next, place, .. } = self.entries[index as usize];
        if next != NONE {
            self.entries[next as usize].previous = previous;
        }
        if previous != NONE {
            self.entries[previous as usize].next = next;
        } else if place == Place::Slot {
            let slot = slot_of(tick_of(at));
            self.slots[slot].head = next;
            if next == NONE {
                self.clear_bit(slot);
            }
        } else if next == NONE {
            self.far.remove(&at);
        } else {
            self.far.insert(at, next);
        }
    }

    fn clear_bit(&mut self, slot: usize) {
        self.occupied[slot / 64] &= !(1 << (slot % 64));
    }

    /// The first tick after the poured one whose slot holds something.
    fn next_tick(&self) -> Option<u64> {
        let first = slot_of(self.poured + 1);
        let (word, bit) = (first / 64, first % 64);
        // The word of the first slot is looked at twice: its upper bits first, its lower bits last.
        for step in 0..=WORDS {
            let mut bits = self.occupied[(word + step) % WORDS];
            if step == 0 {
                bits &= u64::MAX << bit;
            } else if step == WORDS {
                bits &= !(u64::MAX << bit);
            }
            if bits != 0 {
                let slot = ((word + step) % WORDS) * 64 + bits.trailing_zeros() as usize;
                let ahead = (slot as u64 + SLOTS - first as u64) % SLOTS;
                return Some(self.poured + 1 + ahead);
            }
        }
        None
    }

    fn take_entry(&mut self, at: Time, key: K) -> u32 {
        self.generation = self.generation.wrapping_add(1);
        let entry = Entry {
            at,
            previous: NONE,
            next: NONE,
            generation: self.generation,
            place: Place::Free,
            key: Some(key),
        };
        self.live += 1;
        if self.free == NONE {
            self.entries.push(entry);
            (self.entries.len() - 1) as u32
        } else {
            let index = self.free;
            self.free = self.entries[index as usize].next;
            self.entries[index as usize] = entry;
            index
        }
    }

    fn free_entry(&mut self, index: u32) -> Option<K> {
        let entry = &mut self.entries[index as usize];
        let key = entry.key.take();
        entry.place = Place::Free;
        entry.next = self.free;
        self.free = index;
        self.live -= 1;
        if self.live == 0 && self.entries.len() > KEPT_ENTRIES {
            // Every generation is drawn once from one counter, so a stale name stays stale.
            self.entries = Vec::new();
            self.free = NONE;
            self.ready = BinaryHeap::new();
            self.scratch = Vec::new();
        }
        key
    }
}

fn tick_of(at: Time) -> u64 {
    at.as_millis() / TICK_MILLIS
}

fn slot_of(tick: u64) -> usize {
    (tick % SLOTS) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_700_000_000_003;

    fn at(millis: u64) -> Time {
        Time::from_millis(START + millis)
    }

    fn started() -> Wheel<u64> {
        let mut wheel = Wheel::new();
        wheel.expire(at(0), &mut Vec::new());
        wheel
    }

    fn expire(wheel: &mut Wheel<u64>, millis: u64) -> Vec<u64> {
        let mut out = Vec::new();
        wheel.expire(at(millis), &mut out);
        out
    }

    #[test]
    fn a_timer_fires_at_its_millisecond_and_not_before() {
        let mut wheel = started();
        wheel.schedule(at(504), 1);
        assert_eq!(wheel.due(), Some(at(504)));
        assert!(expire(&mut wheel, 503).is_empty());
        assert_eq!(expire(&mut wheel, 504), [1]);
        assert!(expire(&mut wheel, 600).is_empty());
        assert_eq!((wheel.len(), wheel.due()), (0, None));
    }

    #[test]
    fn timers_leave_in_order_of_due_time_and_ties_in_the_order_they_were_scheduled() {
        let mut wheel = started();
        for (millis, key) in [(505, 1), (501, 2), (505, 3), (100_000, 4), (501, 5), (20, 6), (100_000, 7)] {
            wheel.schedule(at(millis), key);
        }
        assert_eq!(expire(&mut wheel, 200_000), [6, 2, 5, 1, 3, 4, 7]);
    }

    #[test]
    fn a_far_timer_precedes_a_near_one_for_the_same_moment() {
        let mut wheel = started();
        wheel.schedule(at(50_000), 1);
        assert!(expire(&mut wheel, 40_000).is_empty());
        wheel.schedule(at(50_000), 2);
        assert_eq!(expire(&mut wheel, 50_000), [1, 2]);
    }

    #[test]
    fn a_moment_in_the_past_is_due_at_once() {
        let mut wheel = started();
        expire(&mut wheel, 1000);
        wheel.schedule(at(10), 1);
        wheel.schedule(Time::from_millis(0), 2);
        assert_eq!(wheel.due(), Some(Time::from_millis(0)));
        assert_eq!(expire(&mut wheel, 1000), [2, 1]);
    }

    #[test]
    fn years_and_the_end_of_time_wait_beyond_the_horizon() {
        let mut wheel = started();
        let year = 365 * 24 * 3600 * 1000;
        wheel.schedule(at(year), 1);
        wheel.schedule(Time::from_millis(u64::MAX), 2);
        assert!(expire(&mut wheel, year - 1).is_empty());
        assert_eq!(expire(&mut wheel, year), [1]);
        let mut out = Vec::new();
        wheel.expire(Time::from_millis(u64::MAX), &mut out);
        assert_eq!(out, [2]);
    }

    #[test]
    fn a_wheel_that_was_never_asked_for_the_time_works_too() {
        let mut wheel = Wheel::new();
        wheel.schedule(at(500), 1u64);
        wheel.schedule(at(5), 2);
        assert_eq!(wheel.due(), Some(at(5)));
        assert_eq!(expire(&mut wheel, 500), [2, 1]);
    }

    #[test]
    fn a_cancelled_timer_never_fires_wherever_it_waits() {
        let mut wheel = started();
        let ready = wheel.schedule(at(0), 1);
        let near = wheel.schedule(at(700), 2);
        let far = wheel.schedule(at(7_000_000), 3);
        let poured = wheel.schedule(at(409), 4);
        wheel.schedule(at(401), 5);
        assert_eq!(expire(&mut wheel, 401), [1, 5]);
        assert_eq!(wheel.cancel(ready), None);
        assert_eq!(wheel.cancel(near), Some(2));
        assert_eq!(wheel.cancel(far), Some(3));
        assert_eq!(wheel.cancel(poured), Some(4));
        assert_eq!(wheel.cancel(near), None);
        assert_eq!((wheel.len(), wheel.due()), (0, None));
        assert!(expire(&mut wheel, 10_000_000).is_empty());
    }

    #[test]
    fn a_stale_name_does_not_cancel_the_timer_that_took_its_place() {
        let mut wheel = started();
        let old = wheel.schedule(at(10), 1);
        wheel.cancel(old);
        wheel.schedule(at(20), 2);
        assert_eq!(wheel.cancel(old), None);
        assert_eq!(expire(&mut wheel, 20), [2]);
    }

    #[test]
    fn a_leap_over_the_whole_wheel_loses_nothing() {
        let mut wheel = started();
        for millis in (0..40_000).step_by(7) {
            wheel.schedule(at(millis), millis);
        }
        let fired = expire(&mut wheel, 90_000);
        assert_eq!(fired, (0..40_000).step_by(7).collect::<Vec<_>>());
        wheel.schedule(at(90_001), 1);
        assert_eq!(expire(&mut wheel, 90_001), [1]);
    }

    #[test]
    fn memory_of_a_crowd_is_given_back() {
        let mut wheel = started();
        let names: Vec<_> = (0..10_000).map(|n| wheel.schedule(at(n), n)).collect();
        assert_eq!(wheel.len(), 10_000);
        for name in &names {
            wheel.cancel(*name);
        }
        assert_eq!(wheel.entries.capacity(), 0);
        let new = wheel.schedule(at(5), 1);
        assert!(names.iter().all(|name| *name != new));
        assert_eq!(expire(&mut wheel, 5), [1]);
    }

    /// A plain list that is searched as a whole: slow and surely right.
    #[derive(Default)]
    struct Plain(Vec<(Time, u64, TimerId)>);

    #[test]
    fn behaves_like_a_plain_list_under_a_long_random_run() {
        let mut wheel = started();
        let mut plain = Plain::default();
        let mut state = 88_172_645_463_325_252u64;
        let mut random = move |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        let mut now = 0;
        for key in 0..60_000u64 {
            match random(10) {
                0..=4 => {
                    let due = match random(4) {
                        0 => random(60),
                        1 => random(5_000),
                        2 => random(60_000),
                        _ => 500,
                    };
                    let id = wheel.schedule(at(now + due), key);
                    plain.0.push((at(now + due), key, id));
                }
                5..=7 if !plain.0.is_empty() => {
                    let (_, key, id) = plain.0.swap_remove(random(plain.0.len() as u64) as usize);
                    assert_eq!(wheel.cancel(id), Some(key));
                }
                _ => {
                    let stride = if random(200) == 0 { 100_000 } else { 30 };
                    now += random(stride);
                    let mut expected: Vec<_> =
                        plain.0.iter().filter(|(due, _, _)| *due <= at(now)).map(|t| (t.0, t.1)).collect();
                    expected.sort();
                    plain.0.retain(|(due, _, _)| *due > at(now));
                    let keys: Vec<_> = expected.into_iter().map(|(_, key)| key).collect();
                    assert_eq!(expire(&mut wheel, now), keys);
                }
            }
            assert_eq!(wheel.len(), plain.0.len());
            let earliest = plain.0.iter().map(|t| t.0).min();
            match (wheel.due(), earliest) {
                (None, None) => {}
                (Some(due), Some(earliest)) => assert!(due <= earliest),
                other => panic!("{other:?}"),
            }
        }
    }
}
