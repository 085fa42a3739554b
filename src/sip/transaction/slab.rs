//! Numbered places for transactions: found by number in one step, and a number is never used twice.

use std::num::NonZeroU32;

/// Places of one chunk. Growing adds a chunk and moves nothing.
const CHUNK: usize = 1024;
/// No place.
const NONE: u32 = u32::MAX;

/// Values with a number each: place in the lower half, generation in the upper.
#[derive(Debug)]
pub struct Slab<T> {
    chunks: Vec<Vec<Slot<T>>>,
    free: u32,
    live: usize,
    generation: NonZeroU32,
}

#[derive(Debug)]
enum Slot<T> {
    Used { generation: NonZeroU32, value: T },
    Free { next: u32 },
}

impl<T> Slab<T> {
    /// No values.
    pub fn new() -> Self {
        Self { chunks: Vec::new(), free: NONE, live: 0, generation: NonZeroU32::MIN }
    }

    /// Values held.
    pub fn len(&self) -> usize {
        self.live
    }

    /// The number the next [`Self::insert`] will give.
    pub fn next_id(&self) -> u64 {
        let index = if self.free == NONE { self.used() as u32 } else { self.free };
        u64::from(self.generation.get()) << 32 | u64::from(index)
    }

    /// Keeps a value and returns its number.
    pub fn insert(&mut self, value: T) -> u64 {
        let id = self.next_id();
        let slot = Slot::Used { generation: self.generation, value };
        self.generation = self.generation.checked_add(1).unwrap_or(NonZeroU32::MIN);
        self.live += 1;
        if let Some(free) = self.slot_mut(place(id)) {
            let taken = std::mem::replace(free, slot);
            self.free = if let Slot::Free { next } = taken { next } else { NONE };
            return id;
        }
        match self.chunks.last_mut() {
            Some(last) if last.len() < CHUNK => last.push(slot),
            _ => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(slot);
                self.chunks.push(chunk);
            }
        }
        id
    }

    /// The value with this number, if it is still here.
    pub fn get(&self, id: u64) -> Option<&T> {
        match self.slot(place(id))? {
            Slot::Used { generation, value } if generation.get() == generation_of(id) => Some(value),
            _ => None,
        }
    }

    /// The value with this number, if it is still here.
    pub fn get_mut(&mut self, id: u64) -> Option<&mut T> {
        match self.slot_mut(place(id))? {
            Slot::Used { generation, value } if generation.get() == generation_of(id) => Some(value),
            _ => None,
        }
    }

    /// The value at this place and its number.
    pub fn at(&self, place: u32) -> Option<(u64, &T)> {
        match self.slot(place)? {
            Slot::Used { generation, value } => {
                Some((u64::from(generation.get()) << 32 | u64::from(place), value))
            }
            Slot::Free { .. } => None,
        }
    }

    /// Takes a value out. When the last one leaves, all memory is given back.
    pub fn remove(&mut self, id: u64) -> Option<T> {
        self.get(id)?;
        let next = self.free;
        let slot = self.slot_mut(place(id))?;
        let Slot::Used { value, .. } = std::mem::replace(slot, Slot::Free { next }) else { return None };
        self.free = place(id);
        self.live -= 1;
        if self.live == 0 && self.chunks.len() > 1 {
            self.chunks = Vec::new();
            self.free = NONE;
        }
        Some(value)
    }

    fn used(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.len())
    }

    fn slot(&self, place: u32) -> Option<&Slot<T>> {
        let place = place as usize;
        self.chunks.get(place / CHUNK)?.get(place % CHUNK)
    }

    fn slot_mut(&mut self, place: u32) -> Option<&mut Slot<T>> {
        let place = place as usize;
        self.chunks.get_mut(place / CHUNK)?.get_mut(place % CHUNK)
    }
}

/// The place half of a number.
pub fn place(id: u64) -> u32 {
    id as u32
}

fn generation_of(id: u64) -> u32 {
    (id >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_finds_its_value_until_it_is_removed_and_never_another() {
        let mut slab = Slab::new();
        let first = slab.insert("first");
        assert_eq!((slab.get(first), slab.at(place(first))), (Some(&"first"), Some((first, &"first"))));
        assert_eq!(slab.remove(first), Some("first"));
        let second = slab.insert("second");
        assert_eq!(place(first), place(second));
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.get_mut(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!((slab.get(second), slab.len()), (Some(&"second"), 1));
    }

    #[test]
    fn the_next_number_is_known_beforehand() {
        let mut slab = Slab::new();
        for n in 0..3000 {
            let next = slab.next_id();
            assert_eq!(slab.insert(n), next);
            if n % 3 == 0 {
                slab.remove(next);
            }
        }
        assert_eq!(slab.len(), 2000);
    }

    #[test]
    fn the_memory_of_a_crowd_is_given_back() {
        let mut slab = Slab::new();
        let ids: Vec<_> = (0..10_000).map(|n| slab.insert(n)).collect();
        for (n, id) in ids.iter().enumerate() {
            assert_eq!(slab.remove(*id), Some(n));
        }
        assert_eq!((slab.len(), slab.chunks.capacity()), (0, 0));
        let new = slab.insert(7);
        assert!(!ids.contains(&new));
        assert_eq!(slab.get(9_999), None);
    }
}
