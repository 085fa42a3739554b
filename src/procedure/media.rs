//! Ports of the media function: a pair per leg, allocated here, used there.

/// The pool of port pairs (speech on the even port, floor control on the next).
#[derive(Debug)]
pub struct MediaPorts {
    first: u16,
    free: std::collections::VecDeque<u16>,
    taken: std::collections::BTreeSet<u16>,
    last: u16,
}

impl MediaPorts {
    /// All pairs within `first..=last`; an odd first port is skipped.
    pub fn new(first: u16, last: u16) -> Self {
        let first = first.saturating_add(first % 2);
        let free =
            (first..last).step_by(2).filter(|port| port.checked_add(1).is_some_and(|next| next <= last));
        Self { first, free: free.collect(), taken: std::collections::BTreeSet::new(), last }
    }

    /// Takes the pair that has been free longest; `None`: all are in use.
    pub fn take(&mut self) -> Option<u16> {
        let port = self.free.pop_front()?;
        self.taken.insert(port);
        Some(port)
    }

    /// Marks a pair as in use (replay). False if it is outside the range or already taken.
    pub fn claim(&mut self, port: u16) -> bool {
        if port < self.first || port >= self.last || !self.taken.insert(port) {
            return false;
        }
        self.free.retain(|free| *free != port);
        true
    }

    /// Gives a pair back. Nothing happens if it was not taken.
    pub fn give_back(&mut self, port: u16) {
        if self.taken.remove(&port) {
            self.free.push_back(port);
        }
    }

    /// Pairs in use.
    pub fn in_use(&self) -> usize {
        self.taken.len()
    }
}

#[cfg(test)]
mod tests {
    use super::MediaPorts;

    #[test]
    fn pairs_start_even_and_end_within_the_range() {
        let mut ports = MediaPorts::new(40_001, 40_007);
        assert_eq!(
            [ports.take(), ports.take(), ports.take(), ports.take()],
            [Some(40_002), Some(40_004), Some(40_006), None]
        );
    }

    #[test]
    fn a_returned_pair_is_used_again_last() {
        let mut ports = MediaPorts::new(40_000, 40_003);
        let first = ports.take().unwrap();
        ports.give_back(first);
        assert_eq!((ports.take(), ports.take(), ports.take()), (Some(40_002), Some(40_000), None));
        ports.give_back(50_000);
        assert_eq!(ports.in_use(), 2);
    }

    #[test]
    fn replay_claims_each_pair_once() {
        let mut ports = MediaPorts::new(40_000, 40_003);
        assert!(ports.claim(40_002));
        assert!(!ports.claim(40_002));
        assert!(!ports.claim(50_000));
        assert_eq!((ports.take(), ports.take()), (Some(40_000), None));
    }
}
