//! Identifiers that peers must not be able to guess, drawn from a seeded generator so that a run can be replayed.

use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};

/// Source of tags, branches, Call-IDs and other random values. A given seed gives the same sequence for ever.
#[derive(Clone, Debug)]
pub struct Ids(StdRng);

impl Ids {
    /// A generator that starts from `seed`. The runtime takes the seed from the operating system, tests choose it.
    pub fn new(seed: [u8; 32]) -> Self {
        Self(StdRng::from_seed(seed))
    }

    /// A 64-bit number, for instance the identity of a call or a leg. Never zero.
    pub fn number(&mut self) -> u64 {
        loop {
            let n = self.0.next_u64();
            if n != 0 {
                return n;
            }
        }
    }

    /// A From or To tag: 64 bits as hexadecimal digits (RFC 3261 19.3 asks for at least 32 random bits).
    pub fn tag(&mut self) -> String {
        format!("{:016x}", self.0.next_u64())
    }

    /// A Via branch with the magic cookie of RFC 3261 8.1.1.7.
    pub fn branch(&mut self) -> String {
        format!("z9hG4bK{:016x}", self.0.next_u64())
    }

    /// A Call-ID, unique in space and time without revealing the host (RFC 3261 8.1.1.4).
    pub fn call_id(&mut self) -> String {
        self.token()
    }

    /// 128 random bits as hexadecimal digits: nonces, session identities, entity tags.
    pub fn token(&mut self) -> String {
        format!("{:016x}{:016x}", self.0.next_u64(), self.0.next_u64())
    }
}
