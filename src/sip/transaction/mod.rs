//! Transactions (RFC 3261 section 17, RFC 6026): four machines in four files, the table that finds them, and next
//! hops. Compact after completion: a finished transaction keeps a key, the octets it resends and a deadline.

mod border;
mod client;
mod client_invite;
mod client_plain;
mod clock;
mod hop;
mod incoming;
mod kept;
mod key;
mod machine;
mod outgoing;
mod rewrite;
mod server;
mod server_invite;
mod server_plain;
mod slab;
mod table;
#[cfg(test)]
mod tests;

pub use border::{Beyond, Border, shown};
pub use hop::{Hop, Listener, NextHops, NoHop};
pub(crate) use incoming::reply_flow;
pub(crate) use key::Hasher;
pub use rewrite::{RETRY_AFTER_SECONDS, unavailable_instead};
pub(crate) use slab::Slab;
pub use table::{Counters, Settings, Transactions};

use crate::env::Time;
use crate::model::{Source, Transport};
use crate::sip::message::{Request, Response};
use bytes::Bytes;
use std::net::SocketAddr;

/// Where a message came from and where its answer goes: socket and peer, or connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// Protocol.
    pub transport: Transport,
    /// Index of the listener (see [`Listener`]) whose socket this is, or that accepted or would name the connection.
    pub listener: u16,
    /// The peer's address and port.
    pub peer: SocketAddr,
    /// Stream connection, counted by the runtime from 1; 0 for datagrams.
    pub connection: u64,
}

impl Flow {
    /// Transport and address, as it is stored.
    pub fn source(&self) -> Source {
        Source { transport: self.transport, address: self.peer }
    }
}

/// Where to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// Over this flow; a stream that is gone is not replaced, except for responses (RFC 3261 18.2.2: the runtime
    /// opens one to `peer`'s address and the port of sent-by).
    Flow(Flow),
    /// To this address: any connection that is open to it, else a new one.
    Address {
        /// Listener to send from (datagrams) or to be named in Via.
        listener: u16,
        /// Protocol.
        transport: Transport,
        /// Address and port.
        address: SocketAddr,
    },
}

/// Octets on their way out.
#[derive(Clone, Debug)]
pub struct Transmit {
    /// Where to.
    pub path: Path,
    /// One whole message.
    pub octets: Bytes,
    /// The client transaction that wants to know if this cannot be sent (`Transactions::unreachable`).
    pub ticket: Option<ClientId>,
    /// For a final or provisional response: the server transaction it belongs to, so that it can be replaced by a 503
    /// if what it says could not be kept.
    pub answers: Option<ServerId>,
    /// 100 Trying: owes nothing to the disk.
    pub trying: bool,
}

/// Octets collected while inputs are handled, in order.
pub type Outbox = Vec<Transmit>;

/// A server transaction. Stays valid until it ends; a stale one is recognised (generation).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(pub u64);

/// A client transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u64);

/// What the transaction layer tells its user.
#[derive(Debug)]
pub enum Event {
    /// A new request that needs an answer through [`Transactions::respond`].
    Request {
        /// Its transaction.
        id: ServerId,
        /// Where it came from.
        flow: Flow,
        /// The request.
        request: Request,
    },
    /// An ACK that belongs to no failed INVITE: it confirms a 2xx (or is stray).
    Ack {
        /// Where it came from.
        flow: Flow,
        /// The request.
        request: Request,
    },
    /// A CANCEL for this INVITE transaction (already answered with 200); the INVITE still waits for its final answer.
    Cancel {
        /// The INVITE.
        id: ServerId,
        /// The CANCEL, for its Reason.
        request: Request,
    },
    /// A response to a request of ours. For INVITE every 2xx comes up, repetitions and forks included (RFC 6026).
    Response {
        /// The transaction.
        id: ClientId,
        /// Where it came from.
        flow: Flow,
        /// The response.
        response: Response,
    },
    /// No final answer in time (timer B or F).
    Timeout {
        /// The transaction, now over.
        id: ClientId,
    },
    /// The request could not be sent to any hop, or the connection broke (8.1.3.1: treat as 503).
    Unreachable {
        /// The transaction, now over.
        id: ClientId,
    },
    /// A final failure was never acknowledged (timer H).
    NoAck {
        /// The transaction, now over.
        id: ServerId,
    },
    /// A 2xx response that matches no transaction: the user resends its ACK if it knows the dialog.
    StrayResponse {
        /// Where it came from.
        flow: Flow,
        /// The response.
        response: Response,
    },
}

/// Timer values of RFC 3261 table 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// T1, round-trip estimate; default 500 ms.
    pub t1: std::time::Duration,
    /// T2, longest interval between repetitions; default 4 s.
    pub t2: std::time::Duration,
    /// T4, longest life of a message in the network; default 5 s.
    pub t4: std::time::Duration,
}

impl Default for Timers {
    fn default() -> Self {
        use std::time::Duration;
        Self { t1: Duration::from_millis(500), t2: Duration::from_secs(4), t4: Duration::from_secs(5) }
    }
}

/// A moment at which [`Transactions::fire`] wants to be called.
pub type Due = Option<Time>;
