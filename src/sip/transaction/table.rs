//! All transactions of a node.

use super::client::{self, Clients};
use super::clock::{Alarm, Clock, Side};
use super::key::Hasher;
use super::machine::ServerAction;
use super::server::{self, Servers};
use super::*;
use crate::config::Limits;
use crate::env::Ids;
use crate::sip::message::{Draft, Reply};
use crate::sip::wire::{self, Name, Start};

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
    /// Other systems.
    pub beyond: Beyond,
    /// Key of the hash of tables that are keyed by what peers choose.
    pub hash_key: (u64, u64),
}

/// What was dropped or refused without the user hearing of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Responses that belong to no request of ours.
    pub stray_responses: u64,
    /// Responses that could not be read.
    pub malformed_responses: u64,
    /// Requests answered 400, or not at all because they were an ACK.
    pub malformed_requests: u64,
    /// Requests answered 482.
    pub merged_requests: u64,
    /// Requests answered 503 for lack of room.
    pub refused_requests: u64,
    /// Answered transactions forgotten before their time to make room.
    pub forgotten: u64,
    /// Messages for which the figure has no arrow in the state of their transaction.
    pub out_of_state: u64,
}

/// The table of all server and client transactions, and their timers.
#[derive(Debug)]
pub struct Transactions {
    pub(super) settings: Settings,
    pub(super) hasher: Hasher,
    pub(super) clock: Clock,
    pub(super) servers: Servers,
    pub(super) clients: Clients,
    /// INVITEs that came since the last [`Self::settle_trying`].
    pub(super) untried: Vec<u64>,
    pub(super) counters: Counters,
    /// The key of the request at hand, and what it has in common with merged ones; kept for their memory, like `fired`.
    pub(super) key: Vec<u8>,
    pub(super) merged: Vec<u8>,
    fired: Vec<Alarm>,
}

impl Transactions {
    /// An empty table.
    pub fn new(settings: Settings) -> Self {
        Self {
            hasher: Hasher::new(settings.hash_key),
            clock: Clock::new(settings.timers),
            settings,
            servers: Servers::new(),
            clients: Clients::new(),
            untried: Vec::new(),
            counters: Counters::default(),
            key: Vec::new(),
            merged: Vec::new(),
            fired: Vec::new(),
        }
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Other systems are others, from the next message on.
    pub fn set_beyond(&mut self, beyond: Beyond) {
        self.settings.beyond = beyond;
    }

    /// What was dropped or refused so far.
    pub fn counters(&self) -> Counters {
        self.counters
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
        match message.start() {
            Start::Request { .. } => match Request::read_or_return(message) {
                Ok(request) => self.receive_request(now, flow, request, out, events),
                Err(refused) => self.reject(ids, flow, &refused.0, 400, refused.1.place, out),
            },
            Start::Response { .. } => match Response::read(message) {
                Ok(response) => self.receive_response(now, flow, response, out, events),
                Err(_) => self.counters.malformed_responses += 1,
            },
        }
    }

    /// Answers `wire::Rejected::Answerable` without state.
    pub fn reject(
        &mut self,
        _ids: &mut Ids,
        flow: Flow,
        message: &wire::Message,
        status: u16,
        place: &str,
        out: &mut Outbox,
    ) {
        self.refuse_unread(flow, message, status, place, out);
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
        let heard = server::Heard::Answer(reply.status);
        let Some(server) = self.servers.get(id.0) else { return false };
        let Some((request, flow)) = server.request() else { return false };
        if !server.takes(heard) {
            return false;
        }
        let octets = self.dressed(reply, request, flow.peer).to_wire(request, Some(to_tag), flow.peer);
        self.servers.set_response(id.0, octets, reply.status >= 200);
        self.servers.drive(now, &mut self.clock, id.0, heard, out);
        if reply.status >= 200 {
            self.servers.compact(id.0);
        }
        true
    }

    /// Sends `100 Trying` for every INVITE received since the last call that has had no answer yet. The node calls
    /// it at the end of handling one input.
    pub fn settle_trying(&mut self, now: Time, out: &mut Outbox) {
        let mut untried = std::mem::take(&mut self.untried);
        for id in untried.drain(..) {
            let Some(server) = self.servers.get(id) else { continue };
            let Some((request, _)) = server.request() else { continue };
            if server.response().is_none() {
                let mut trying = Reply::new(100);
                // RFC 3261 8.2.6.1.
                trying.headers.extend(request.text(Name::Timestamp).map(|time| (Name::Timestamp, time)));
                self.respond(now, ServerId(id), &trying, "", out);
            }
        }
        self.untried = untried;
    }

    /// The request of a server transaction, while it is kept (until the final answer).
    pub fn request_of(&self, id: ServerId) -> Option<&Request> {
        self.servers.get(id.0)?.request().map(|(request, _)| request)
    }

    /// Where the request of a server transaction came from, while it is kept (until the final answer).
    pub fn flow_of(&self, id: ServerId) -> Option<Flow> {
        self.servers.get(id.0)?.request().map(|(_, flow)| flow)
    }

    /// The response last sent by a server transaction that is not over; `None` also for a failed INVITE that was
    /// acknowledged, whose response nobody will ask for again.
    pub fn last_response(&self, id: ServerId) -> Option<Bytes> {
        self.servers.get(id.0)?.response()
    }

    /// Sends the last 2xx of an INVITE transaction again.
    pub fn resend(&mut self, id: ServerId, out: &mut Outbox) {
        if self.servers.get(id.0).is_some_and(server::Server::is_accepted) {
            // The arrow starts no timer, so the time does not matter.
            self.servers.drive(Time::default(), &mut self.clock, id.0, server::Heard::Answer(200), out);
        }
    }

    /// What a response said could not be kept, and the response has not left: returns the 503 to send in its place
    /// ([`unavailable_instead`]). From now on the transaction, if it is not over, repeats the 503 and for an
    /// INVITE waits for its ACK. `None`: `response` cannot be replaced (it is no response of ours, or `100 Trying`).
    pub fn refuse_instead(&mut self, now: Time, id: ServerId, response: &Bytes) -> Option<Bytes> {
        let refusal = rewrite::unavailable_instead(response)?;
        if self.servers.get(id.0).is_some_and(|server| server.takes(server::Heard::NotKept)) {
            self.servers.set_response(id.0, refusal.clone(), true);
            self.servers.drive(now, &mut self.clock, id.0, server::Heard::NotKept, &mut Vec::new());
            self.servers.compact(id.0);
        }
        Some(refusal)
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
        self.start_client(now, ids, draft, (path, Vec::new()), out)
    }

    /// As [`Self::request`] over a stream that may be open, and where Route or Request-URI lead if it is not.
    ///
    /// # Errors
    /// [`NoHop`] if there are too many client transactions.
    pub fn request_over(
        &mut self,
        now: Time,
        ids: &mut Ids,
        draft: &Draft,
        stream: Path,
        out: &mut Outbox,
    ) -> Result<ClientId, NoHop> {
        let mut hops = self.settings.hops.of(draft).unwrap_or_default();
        hops.reverse();
        self.start_client(now, ids, draft, (Some(stream), hops), out)
    }

    /// Sends an ACK for a 2xx: no transaction. Returns its octets and path for repetition. It goes where it is
    /// resolved to whatever its size, because nobody would hear that a stream could not be opened.
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
        self.send_without_state(ids, draft, path, out)
    }

    /// Cancels an INVITE of ours (RFC 3261 9.1): at once if a provisional answer came, else as soon as one comes.
    /// If no final answer follows within 64*T1 the transaction ends with `Timeout`. Nothing if it is over.
    pub fn cancel(
        &mut self,
        now: Time,
        _ids: &mut Ids,
        id: ClientId,
        reason: Option<&str>,
        out: &mut Outbox,
    ) {
        let crosses = self.clients.get(id.0).is_some_and(|client| self.border_of(client.octets()).is_some());
        let shown = reason.filter(|_| crosses).map(border::without_text);
        let reason = shown.as_deref().or(reason);
        self.clients.wish_cancel(id.0, reason);
        self.clients.drive(now, &mut self.clock, id.0, client::Heard::Cancel(reason), out);
    }

    /// Abandons a request of ours that is no INVITE: it is not sent again, and nothing is told of it any more. Nothing if
    /// it is answered.
    pub fn abandon(&mut self, now: Time, id: ClientId, out: &mut Outbox) {
        self.clients.drive(now, &mut self.clock, id.0, client::Heard::Abandon, out);
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
        if self.move_on(now, ids, id.0, out) {
            return;
        }
        self.drive_client(now, id.0, client::Heard::Unreachable, out, events);
    }

    /// Lets timers that are due fire.
    pub fn fire(&mut self, now: Time, _ids: &mut Ids, out: &mut Outbox, events: &mut Vec<Event>) {
        let mut fired = std::mem::take(&mut self.fired);
        self.clock.expire(now, &mut fired);
        for Alarm { id, side, timer } in fired.drain(..) {
            match side {
                Side::Server => {
                    let heard = server::Heard::Fired(timer);
                    let actions = self.servers.drive(now, &mut self.clock, id, heard, out);
                    if actions.is_some_and(|actions| actions.contains(&ServerAction::ReportNoAck)) {
                        events.push(Event::NoAck { id: ServerId(id) });
                    }
                }
                Side::Client => {
                    self.drive_client(now, id, client::Heard::Fired(timer), out, events);
                }
            }
        }
        self.fired = fired;
    }

    /// When [`Self::fire`] has something to do, at the earliest.
    pub fn due(&self) -> Due {
        self.clock.due()
    }

    /// Open server transactions, open client transactions: for limits, metrics and tests.
    pub fn open(&self) -> (usize, usize) {
        (self.servers.len(), self.clients.len())
    }
}
