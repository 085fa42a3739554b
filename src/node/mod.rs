//! The node: everything below composed into one value. Bytes, due timers and the time go in; bytes to send and facts
//! to keep come out. No socket, no clock, no disk.

mod batches;
pub mod setup;
#[cfg(test)]
mod tests;

pub use batches::Node;

use crate::env::Time;
use crate::model::Change;
use crate::sip::transaction::{ClientId, Flow, Transmit};
use bytes::Bytes;

/// Something that happened outside.
#[derive(Debug)]
pub enum Input {
    /// A datagram.
    Datagram {
        /// Socket and peer.
        flow: Flow,
        /// Its octets.
        octets: Bytes,
    },
    /// One message that was cut out of a stream.
    Stream {
        /// Connection.
        flow: Flow,
        /// Its octets.
        octets: Bytes,
    },
    /// A stream whose framing broke after this head: answer 400 if possible. The runtime closes it.
    Broken {
        /// Connection.
        flow: Flow,
        /// The head of the message that broke it, if complete.
        head: Option<Bytes>,
        /// What was wrong.
        place: &'static str,
    },
    /// A transmit with this ticket could not be sent (refused, unreachable, queue full, connection gone).
    Unreachable {
        /// The ticket.
        ticket: ClientId,
    },
    /// Time went on: let due timers fire.
    Tick,
}

/// What came of a batch of inputs.
#[derive(Debug, Default)]
pub struct Ready {
    /// To send now, in order: owes nothing to the disk.
    pub at_once: Vec<Transmit>,
    /// Facts to keep, as one batch. When `batch` is `Some`, commit it and call `Node::settle` with the same number.
    pub batch: Option<Batch>,
}

/// Facts of one commit.
#[derive(Debug)]
pub struct Batch {
    /// Numbers rise by one.
    pub number: u64,
    /// The changes, in order.
    pub changes: Vec<Change>,
}

/// How a commit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// On disk.
    Yes,
    /// Not kept: what depended on it is answered 503, and the node must be rebuilt from the store.
    No,
}

/// When the node wants [`Input::Tick`].
pub type Due = Option<Time>;

/// What the driver of `runtime/` needs of a node; tests of the driver put a small one behind it.
pub trait Core: Send {
    /// Takes one input.
    fn handle(&mut self, now: Time, input: Input, ready: &mut Ready);

    /// Ends a batch of inputs: what may leave at once and what must be committed first is now in `ready`. While a
    /// batch is being committed everything but `100 Trying` that later batches produce waits inside the node.
    fn finish(&mut self, now: Time, ready: &mut Ready);

    /// A commit ended; commits end in the order of their numbers. Returns what may leave now.
    fn settle(&mut self, now: Time, number: u64, kept: Kept) -> Vec<Transmit>;

    /// When [`Input::Tick`] is wanted, at the earliest.
    fn due(&self) -> Due;

    /// Too much waits for the disk: nothing is to be handed over but the ends of commits, until they made room.
    fn is_full(&self) -> bool {
        false
    }

    /// Takes no new work from now on; what is open goes on.
    fn stop(&mut self) {}

    /// Nothing is open that a stop should wait for.
    fn is_idle(&self) -> bool {
        true
    }
}
