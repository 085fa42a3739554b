//! What happens to messages between the systems of a figure.

use crate::outside::network::Carrier;
use bytes::Bytes;
use rollcall::env::Time;
use rollcall::sip::transaction::ClientId;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// What happens to a message on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is lost. A stream breaks with it.
    Lost,
    /// It arrives twice; over a stream once.
    Twice,
    /// It takes so long.
    Delayed(Duration),
}

impl std::fmt::Display for Fate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lost => f.write_str("lost"),
            Self::Twice => f.write_str("twice"),
            Self::Delayed(delay) => write!(f, "takes {delay:?}"),
        }
    }
}

/// The ways between the systems, and what is on them.
#[derive(Debug, Default)]
pub struct Between {
    /// What happens to the next messages, by sender and receiver.
    fates: BTreeMap<(usize, usize), VecDeque<Fate>>,
    /// Nothing passes.
    cut: Vec<(usize, usize)>,
    /// What went last.
    last: BTreeMap<(usize, usize), (Carrier, Bytes)>,
    /// When the last message of each stream arrives: none overtakes another.
    streams: BTreeMap<u64, Time>,
    /// What arrives later, by time and order of sending.
    under_way: BTreeMap<(Time, u64), Arrival>,
    order: u64,
}

/// What arrives at a system.
#[derive(Clone, Debug)]
pub enum Arrival {
    Message {
        to: usize,
        carrier: Carrier,
        octets: Bytes,
    },
    /// No stream could be opened for this, by a sender that was started so often.
    Unreachable {
        server: usize,
        starts: u8,
        ticket: ClientId,
    },
}

impl Between {
    /// This happens to the next message on this way that nothing was said about.
    pub fn expect(&mut self, way: (usize, usize), fate: Fate) {
        self.fates.entry(way).or_default().push_back(fate);
    }

    /// This happens to the message that leaves now.
    pub fn strike(&mut self, way: (usize, usize), fate: Fate) {
        self.fates.entry(way).or_default().push_front(fate);
    }

    /// From now on everything arrives, and once.
    pub fn heal(&mut self) {
        self.fates.clear();
        self.cut.clear();
    }

    pub fn cut(&mut self, way: (usize, usize)) {
        self.cut.push(way);
    }

    pub fn mend(&mut self, way: (usize, usize)) {
        self.cut.retain(|one| *one != way);
    }

    pub fn is_cut(&self, way: (usize, usize)) -> bool {
        self.cut.contains(&way)
    }

    /// A message leaves. Returns what happens to it.
    pub fn leave(&mut self, now: Time, way: (usize, usize), carrier: Carrier, octets: Bytes) -> Option<Fate> {
        let fate = match self.is_cut(way) {
            true => Some(Fate::Lost),
            false => self.fates.get_mut(&way).and_then(VecDeque::pop_front),
        };
        self.last.insert(way, (carrier, octets.clone()));
        let (times, delay) = match fate {
            Some(Fate::Lost) => (0, Duration::ZERO),
            Some(Fate::Twice) if matches!(carrier, Carrier::Datagram(_)) => (2, Duration::ZERO),
            Some(Fate::Delayed(delay)) => (1, delay),
            _ => (1, Duration::ZERO),
        };
        let mut at = now.plus(delay);
        if let Carrier::Stream(connection) = carrier {
            at = at.max(*self.streams.get(&connection).unwrap_or(&at));
            self.streams.insert(connection, at);
        }
        for _ in 0..times {
            let octets = octets.clone();
            self.arrives(at, Arrival::Message { to: way.1, carrier, octets });
        }
        fate
    }

    /// The last datagram on this way comes again.
    pub fn repeat(&mut self, now: Time, way: (usize, usize)) {
        let (carrier, octets) = self.last.get(&way).expect("nothing to repeat").clone();
        assert!(matches!(carrier, Carrier::Datagram(_)), "a stream repeats nothing");
        self.arrives(now, Arrival::Message { to: way.1, carrier, octets });
    }

    pub fn arrives(&mut self, at: Time, arrival: Arrival) {
        self.order += 1;
        self.under_way.insert((at, self.order), arrival);
    }

    /// When the next thing arrives.
    pub fn due(&self) -> Option<Time> {
        self.under_way.keys().next().map(|(at, _)| *at)
    }

    /// What arrives next, if its time has come.
    pub fn next(&mut self, now: Time) -> Option<Arrival> {
        self.due().filter(|at| *at <= now)?;
        self.under_way.pop_first().map(|(_, arrival)| arrival)
    }
}
