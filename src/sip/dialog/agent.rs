//! The user agent core: all INVITE sessions of a node over its transactions.

use super::{AgentEvent, NotSent, SessionId};
use crate::env::{Ids, Time};
use crate::model::DialogFact;
use crate::sip::message::{Draft, Method, OutBody, Reply};
use crate::sip::transaction::{ClientId, Due, Flow, NoHop, Outbox, Path, ServerId, Settings};
use crate::sip::wire;

/// What the agent is set up with.
#[derive(Clone, Debug)]
pub struct AgentSettings {
    /// For the transaction layer.
    pub transactions: Settings,
    /// Methods we take (405 with Allow beyond); `Allow` of our messages.
    pub allowed: Vec<Method>,
    /// Option tags we understand in Require (420 with Unsupported beyond): `100rel`, `timer`, `tdialog`,
    /// `norefersub`, `explicitsub`, `nosub`, `path`, `outbound`, ...
    pub options: Vec<&'static str>,
    /// `Allow-Events`.
    pub events: Vec<&'static str>,
    /// RFC 4028: interval we ask for, seconds (default 1800).
    pub session_interval: u32,
    /// RFC 4028: smallest interval we take, seconds (default 90; 422 with Min-SE below).
    pub session_minimum: u32,
}

/// All INVITE sessions of a node. Holds the transaction layer.
#[derive(Debug)]
pub struct Agent {
    settings: AgentSettings,
}

impl Agent {
    /// An agent without sessions.
    pub fn new(settings: AgentSettings) -> Self {
        Self { settings }
    }

    /// The settings.
    pub fn settings(&self) -> &AgentSettings {
        &self.settings
    }

    /// Takes one datagram or stream message. What the user must decide or know is pushed to `events`.
    pub fn receive(
        &mut self,
        now: Time,
        ids: &mut Ids,
        flow: Flow,
        message: Result<wire::Message, wire::Rejected>,
        out: &mut Outbox,
        events: &mut Vec<AgentEvent>,
    ) {
        let _ = (now, ids, flow, message, out, events);
        unimplemented!()
    }

    /// Answers a request that came as `Request` or `InSession`. A 2xx to a re-INVITE or UPDATE gets our Contact and
    /// the session timer headers. Adds a To tag (`to_tag` of the first answer stays: for a SUBSCRIBE that creates a
    /// dialog pass the tag the dialog will have).
    pub fn answer(
        &mut self,
        now: Time,
        ids: &mut Ids,
        id: ServerId,
        reply: Reply,
        to_tag: Option<&str>,
        out: &mut Outbox,
    ) {
        let _ = (now, ids, id, reply, to_tag, out);
        unimplemented!()
    }

    /// Sends a request of its own transaction (MESSAGE, NOTIFY, PUBLISH, SUBSCRIBE, OPTIONS...). The answer comes as
    /// `Answered`.
    ///
    /// # Errors
    /// [`NoHop`] if there is no way to the target.
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

    /// Calls: sends an INVITE. `draft` has From with tag, To, Call-ID, CSeq, Contact, body; session timer and
    /// `Supported` headers are added if absent.
    ///
    /// # Errors
    /// [`NotSent`] if there is no way to the target, or too many sessions are open.
    pub fn invite(
        &mut self,
        now: Time,
        ids: &mut Ids,
        draft: Draft,
        path: Option<Path>,
        out: &mut Outbox,
    ) -> Result<SessionId, NotSent> {
        let _ = (now, ids, draft, path, out);
        unimplemented!()
    }

    /// Sends a provisional answer to an INVITE: reliably (RFC 3262) if the caller requires it, or supports it and the
    /// reply has a body or `P-Answer-State`; reliable ones wait for each other's PRACK. `contact` is ours.
    pub fn progress(
        &mut self,
        now: Time,
        ids: &mut Ids,
        session: SessionId,
        reply: Reply,
        contact: &str,
        out: &mut Outbox,
    ) {
        let _ = (now, ids, session, reply, contact, out);
        unimplemented!()
    }

    /// Accepts an INVITE: 200 with `contact`, session timer, Allow, Supported; repeated until the ACK comes, then
    /// `Confirmed`; without ACK for 64*T1 a BYE and `Lost`. Waits for the PRACK of an unacknowledged reliable 1xx.
    pub fn accept(
        &mut self,
        now: Time,
        ids: &mut Ids,
        session: SessionId,
        reply: Reply,
        contact: &str,
        out: &mut Outbox,
    ) {
        let _ = (now, ids, session, reply, contact, out);
        unimplemented!()
    }

    /// Refuses an INVITE (300-699). The session is over.
    pub fn refuse(&mut self, now: Time, ids: &mut Ids, session: SessionId, reply: Reply, out: &mut Outbox) {
        let _ = (now, ids, session, reply, out);
        unimplemented!()
    }

    /// Gives up an INVITE of ours. The session is over for the user (no further event but `Ended`).
    pub fn cancel(
        &mut self,
        now: Time,
        ids: &mut Ids,
        session: SessionId,
        reason: Option<&str>,
        out: &mut Outbox,
    ) {
        let _ = (now, ids, session, reason, out);
        unimplemented!()
    }

    /// Releases a session with BYE (waiting for the ACK of our 2xx first if it has not come, as RFC 3261 15 asks).
    /// `Ended` follows.
    pub fn bye(
        &mut self,
        now: Time,
        ids: &mut Ids,
        session: SessionId,
        reason: Option<&str>,
        out: &mut Outbox,
    ) {
        let _ = (now, ids, session, reason, out);
        unimplemented!()
    }

    /// Sends a re-INVITE (or UPDATE, INFO) inside a session. The final answer comes as `Answered` (a re-INVITE's 2xx
    /// is acknowledged by the agent; glare (491) is retried by the agent as RFC 3261 14.1 says).
    ///
    /// # Errors
    /// [`NotSent`] if there is no way to the target, the session is not confirmed, or it has an open offer.
    #[allow(clippy::too_many_arguments)]
    pub fn in_session(
        &mut self,
        now: Time,
        ids: &mut Ids,
        session: SessionId,
        method: Method,
        headers: Vec<(wire::Name, String)>,
        body: Option<OutBody>,
        out: &mut Outbox,
    ) -> Result<ClientId, NotSent> {
        let _ = (now, ids, session, method, headers, body, out);
        unimplemented!()
    }

    /// What to store about a confirmed (or accepted) session.
    pub fn stored(&self, session: SessionId) -> Option<DialogFact> {
        let _ = session;
        unimplemented!()
    }

    /// Takes a stored session back after a restart: confirmed, session timer running, CSeq moved on by
    /// [`RESTART_CSEQ_GAP`] in case requests were sent that no fact tells of.
    pub fn restore(&mut self, now: Time, ids: &mut Ids, fact: &DialogFact) -> SessionId {
        let _ = (now, ids, fact);
        unimplemented!()
    }

    /// The runtime could not send what carried this ticket.
    pub fn unreachable(
        &mut self,
        now: Time,
        ids: &mut Ids,
        id: ClientId,
        out: &mut Outbox,
        events: &mut Vec<AgentEvent>,
    ) {
        let _ = (now, ids, id, out, events);
        unimplemented!()
    }

    /// Lets timers that are due fire.
    pub fn fire(&mut self, now: Time, ids: &mut Ids, out: &mut Outbox, events: &mut Vec<AgentEvent>) {
        let _ = (now, ids, out, events);
        unimplemented!()
    }

    /// Sends what is due at the end of handling one input (`100 Trying`).
    pub fn settle(&mut self, now: Time, out: &mut Outbox) {
        let _ = (now, out);
        unimplemented!()
    }

    /// When [`Self::fire`] has something to do, at the earliest.
    pub fn due(&self) -> Due {
        unimplemented!()
    }
}

/// How far CSeq of a restored dialog is moved on.
pub const RESTART_CSEQ_GAP: u32 = 100;
