//! Memory that stream connections share. Each may hold a little whatever the others do; what it holds beyond comes out
//! of one pot. So a hundred thousand peers that send half a message, or do not read, cost what the pot holds, and those
//! that behave never notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};

/// What all holders may hold together beyond their allowances.
#[derive(Debug)]
pub struct Pot {
    allowance: usize,
    size: isize,
    /// Below zero for a moment when one thread lets go of what another is just about to count.
    taken: AtomicIsize,
}

/// What one connection holds in one direction. Gives everything back when it is dropped.
#[derive(Debug)]
pub struct Held {
    pot: Arc<Pot>,
    octets: AtomicUsize,
}

impl Pot {
    /// A pot of `size` octets; each holder may hold `allowance` octets that do not come out of it.
    pub fn new(allowance: usize, size: usize) -> Arc<Self> {
        let size = isize::try_from(size).unwrap_or(isize::MAX);
        Arc::new(Self { allowance, size, taken: AtomicIsize::new(0) })
    }

    /// Someone who holds nothing yet.
    pub fn holder(self: &Arc<Self>) -> Held {
        Held { pot: self.clone(), octets: AtomicUsize::new(0) }
    }

    fn beyond(&self, octets: usize) -> isize {
        isize::try_from(octets.saturating_sub(self.allowance)).unwrap_or(isize::MAX)
    }
}

impl Held {
    /// Octets held.
    pub fn octets(&self) -> usize {
        self.octets.load(Ordering::Relaxed)
    }

    /// Holds more. False if the pot is empty: it counts all the same, but someone should let go.
    pub fn add(&self, octets: usize) -> bool {
        let before = self.octets.fetch_add(octets, Ordering::Relaxed);
        let more = self.pot.beyond(before + octets) - self.pot.beyond(before);
        more == 0 || self.pot.taken.fetch_add(more, Ordering::Relaxed) + more <= self.pot.size
    }

    /// Lets go of what was added.
    pub fn remove(&self, octets: usize) {
        let before = self.octets.fetch_sub(octets, Ordering::Relaxed);
        let less = self.pot.beyond(before) - self.pot.beyond(before.saturating_sub(octets));
        self.pot.taken.fetch_sub(less, Ordering::Relaxed);
    }

    /// Holds so much from now on; for a holder whom one task alone changes. False as for [`Self::add`].
    pub fn set(&self, octets: usize) -> bool {
        let now = self.octets();
        if octets >= now {
            return self.add(octets - now);
        }
        self.remove(now - octets);
        true
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.remove(self.octets());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(pot: &Pot) -> isize {
        pot.taken.load(Ordering::Relaxed)
    }

    #[test]
    fn the_allowance_is_free_and_the_rest_comes_out_of_the_pot() {
        let pot = Pot::new(10, 20);
        let (one, other) = (pot.holder(), pot.holder());
        assert!(one.add(4) && one.add(6));
        assert_eq!(taken(&pot), 0);
        assert!(one.add(20));
        assert_eq!((one.octets(), taken(&pot)), (30, 20));
        assert!(other.add(10), "the allowance is there even if the pot is empty");
        assert!(!other.add(1));
        assert_eq!(taken(&pot), 21, "it counts all the same");
        other.remove(1);
        one.remove(25);
        assert_eq!(taken(&pot), 0);
    }

    #[test]
    fn one_thread_lets_go_while_another_holds_more() {
        let pot = Pot::new(10, 1_000_000);
        let one = Arc::new(pot.holder());
        let (holds, lets_go) = std::sync::mpsc::channel();
        let other = one.clone();
        let letting_go = std::thread::spawn(move || lets_go.iter().for_each(|octets| other.remove(octets)));
        for octets in (1..=100).cycle().take(200_000) {
            one.add(octets);
            holds.send(octets).expect("the other thread lives");
        }
        drop(holds);
        letting_go.join().expect("no overflow");
        assert_eq!((one.octets(), taken(&pot)), (0, 0));
    }

    #[test]
    fn a_holder_gives_back_what_it_holds_when_it_goes() {
        let pot = Pot::new(10, 20);
        let one = pot.holder();
        assert!(one.set(30));
        assert!(!one.set(31));
        assert!(one.set(15));
        assert_eq!((one.octets(), taken(&pot)), (15, 5));
        drop(one);
        assert_eq!(taken(&pot), 0);
    }
}
