//! All transactions of a node.

use super::*;
use crate::config::Limits;
use crate::env::Ids;
use crate::sip::message::{Draft, Reply};
use crate::sip::wire;

/// What the transaction layer is set up with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Timer values.
    pub timers: Timers,
    /// Where requests go, and our own listeners.
    pub hops: NextHops,
    /// Limits.
    pub limits: Limits,
    /// Largest request in octets that still goes over UDP when TCP could carry it (RFC 3261 18.1.1; 1300 where the
    /// path MTU is unknown). If the stream cannot be opened the request falls back to UDP.
    pub udp_request_octets: usize,
    /// `Server` header of our responses and `User-Agent` of our requests, if any.
    pub product: Option<String>,
    /// Key of the hash of tables that are keyed by what peers choose.
    pub hash_key: (u64, u64),
}

/// The table of all server and client transactions, and their timers.
#[derive(Debug)]
pub struct Transactions {
    settings: Settings,
}

impl Transactions {
    /// An empty table.
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Takes one scanned message. Repetitions, ACKs of failures and CANCELs are dealt with here (200 or 481 to a
    /// CANCEL; the INVITE's final answer stays with the user); what the user must know is pushed to `events`.
    /// A request that [`crate::sip::message::Request::read`] refuses is answered 400 here; a merged request
    /// (RFC 3261 8.2.2.2) 482; over the limit of open transactions 503 with Retry-After, without state. A server
    /// INVITE that is not answered at once by the user gets `100 Trying` (`settle_trying`).
    pub fn receive(
        &mut self,
        now: Time,
        ids: &mut Ids,
        flow: Flow,
        message: wire::Message,
        out: &mut Outbox,
        events: &mut Vec<Event>,
    ) {
        let _ = (now, ids, flow, message, out, events);
        unimplemented!()
    }

    /// Answers `wire::Rejected::Answerable` without state.
    pub fn reject(
        &mut self,
        ids: &mut Ids,
        flow: Flow,
        message: &wire::Message,
        status: u16,
        place: &str,
        out: &mut Outbox,
    ) {
        let _ = (ids, flow, message, status, place, out);
        unimplemented!()
    }

    /// Sends a response of a server transaction. `to_tag` is added unless the request has one. A 2xx to INVITE puts
    /// the transaction into Accepted; repeating the 2xx until the ACK comes is the dialog layer's
    /// ([`Self::resend`]). Returns false if the transaction is over or already had a final answer.
    pub fn respond(
        &mut self,
        now: Time,
        id: ServerId,
        reply: &Reply,
        to_tag: &str,
        out: &mut Outbox,
    ) -> bool {
        let _ = (now, id, reply, to_tag, out);
        unimplemented!()
    }

    /// Sends `100 Trying` for every INVITE received since the last call that has had no answer yet. The node calls
    /// it at the end of handling one input.
    pub fn settle_trying(&mut self, now: Time, out: &mut Outbox) {
        let _ = (now, out);
        unimplemented!()
    }

    /// The request of a server transaction, while it is kept (until the final answer).
    pub fn request_of(&self, id: ServerId) -> Option<&Request> {
        let _ = id;
        unimplemented!()
    }

    /// Sends the last 2xx of an INVITE transaction again.
    pub fn resend(&mut self, id: ServerId, out: &mut Outbox) {
        let _ = (id, out);
        unimplemented!()
    }

    /// Starts a client transaction: finds the hop (`path`, or by Route and Request-URI), writes Via, sends. ACK for a
    /// 2xx goes through [`Self::send_ack`] instead.
    ///
    /// # Errors
    /// [`NoHop`] if there is no way to the target; the limit of client transactions reads as `NoHop` too.
    pub fn request(
        &mut self,
        now: Time,
        ids: &mut Ids,
        draft: &Draft,
        path: Option<Path>,
        out: &mut Outbox,
    ) -> Result<ClientId, NoHop> {
        let _ = (now, ids, draft, path, out);
        unimplemented!()
    }

    /// Sends an ACK for a 2xx: no transaction. Returns its octets and path for repetition.
    ///
    /// # Errors
    /// [`NoHop`] if there is no way to the target.
    pub fn send_ack(
        &mut self,
        ids: &mut Ids,
        draft: &Draft,
        path: Option<Path>,
        out: &mut Outbox,
    ) -> Result<(Path, Bytes), NoHop> {
        let _ = (ids, draft, path, out);
        unimplemented!()
    }

    /// Cancels an INVITE of ours (RFC 3261 9.1): at once if a provisional answer came, else as soon as one comes.
    /// If no final answer follows within 64*T1 the transaction ends with `Timeout`. Nothing if it is over.
    pub fn cancel(&mut self, now: Time, ids: &mut Ids, id: ClientId, reason: Option<&str>, out: &mut Outbox) {
        let _ = (now, ids, id, reason, out);
        unimplemented!()
    }

    /// The runtime could not send what carried this ticket.
    pub fn unreachable(
        &mut self,
        now: Time,
        ids: &mut Ids,
        id: ClientId,
        out: &mut Outbox,
        events: &mut Vec<Event>,
    ) {
        let _ = (now, ids, id, out, events);
        unimplemented!()
    }

    /// Lets timers that are due fire.
    pub fn fire(&mut self, now: Time, ids: &mut Ids, out: &mut Outbox, events: &mut Vec<Event>) {
        let _ = (now, ids, out, events);
        unimplemented!()
    }

    /// When [`Self::fire`] has something to do, at the earliest.
    pub fn due(&self) -> Due {
        unimplemented!()
    }

    /// Open server transactions, open client transactions: for limits, metrics and tests.
    pub fn open(&self) -> (usize, usize) {
        unimplemented!()
    }
}
