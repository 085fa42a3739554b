//! The user agent core: all INVITE sessions of a node over its transactions. What belongs to a side of a session stands
//! in `called`, `calling` and `within`; here messages find their session, and the machine's actions are carried out.

use super::called::bad_request;
use super::calling::Call;
use super::checks::{Says, check};
use super::session::{Action, Event as On, State, next};
use super::sessions::{Numbered, Session, Sessions, Setup};
use super::within::{Within, asserted};
use super::{AgentEvent, Dialog, SessionId, timer};
use crate::env::{Ids, Time};
use crate::model::{DialogFact, Source};
use crate::sip::message::{Draft, Method, Reply, Request, Response};
use crate::sip::transaction::{
    Beyond, ClientId, Due, Event, Flow, NoHop, Outbox, Path, ServerId, Settings, Transactions,
};
use crate::sip::wire::{self, Name};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// How far CSeq of a restored dialog is moved on.
pub const RESTART_CSEQ_GAP: u32 = 100;

/// How many requests of ours a dialog may send before its CSeq is to be stored again.
pub const UNTOLD_CSEQ: u32 = RESTART_CSEQ_GAP / 2;

/// How long an INVITE of ours may stay without a word after a provisional response: then it is cancelled, and counts as
/// timed out. Longer than the three minutes after which proxies do so (RFC 3261 16.6 step 11); a callee that needs
/// longer speaks every minute (13.3.1.1).
pub const PATIENCE: Duration = Duration::from_secs(200);

/// `Retry-After` of refusals for want of room, seconds.
const RETRY_AFTER: u32 = 5;

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
    pub(super) settings: AgentSettings,
    pub(super) says: Says,
    pub(super) transactions: Transactions,
    pub(super) sessions: Sessions,
    /// Requests of peers in sessions that wait for an answer.
    pub(super) servers: Numbered<ServerId, SessionId>,
    /// Requests of sessions that wait for an answer; a request of [`Agent::request`] has no entry.
    pub(super) clients: Numbered<ClientId, Purpose>,
    /// INVITEs of ours with a 2xx, kept for its repetitions and forks; all for equally long.
    pub(super) lingering: VecDeque<(Time, ClientId)>,
    /// What the user hears next.
    pub(super) told: Vec<AgentEvent>,
    heard: Vec<Event>,
    due: Vec<SessionId>,
}

/// What a request of ours is for.
#[derive(Debug)]
pub(super) enum Purpose {
    /// It opens a session.
    Invite(Box<Call>),
    /// It is inside a session, for the user or to refresh it.
    Within(Box<Within>),
    /// It releases a session.
    Bye(SessionId),
    /// Its answer changes nothing.
    Nothing,
}

/// What comes with an event of a session: what its actions send and tell.
#[derive(Debug, Default)]
pub(super) struct Matter<'a> {
    /// The user's answer to the INVITE.
    pub reply: Option<Reply>,
    /// The BYE or ACK that came.
    pub request: Option<Request>,
    /// The transaction of the BYE.
    pub server: Option<ServerId>,
    /// Our INVITE.
    pub client: Option<ClientId>,
    /// The answer to our INVITE, and where it came from.
    pub response: Option<(Flow, Response)>,
    /// The status of that answer, also where none came.
    pub status: u16,
    /// `Reason` of our CANCEL or BYE, or of the CANCEL that came.
    pub reason: Option<&'a str>,
    /// Why the session is lost.
    pub why: &'static str,
}

impl Agent {
    /// An agent without sessions.
    pub fn new(settings: AgentSettings) -> Self {
        Self {
            says: Says::new(&settings),
            transactions: Transactions::new(settings.transactions.clone()),
            sessions: Sessions::new(settings.transactions.hash_key),
            settings,
            servers: Numbered::default(),
            clients: Numbered::default(),
            lingering: VecDeque::new(),
            told: Vec::new(),
            heard: Vec::new(),
            due: Vec::new(),
        }
    }

    /// The settings.
    pub fn settings(&self) -> &AgentSettings {
        &self.settings
    }

    /// Other systems are others, from the next message on.
    pub fn set_beyond(&mut self, beyond: Beyond) {
        self.transactions.set_beyond(beyond);
    }

    /// Whether what came from this address may come from the other end of a dialog: of what another system began only that
    /// one goes on with, and it goes on with nothing else.
    pub(crate) fn is_other_end(&self, dialog: &Dialog, from: SocketAddr) -> bool {
        let Settings { beyond, hops, .. } = self.transactions.settings();
        match dialog.fact.source {
            Some(source) => beyond.same_side(source.address, from),
            None => {
                let ends = dialog.ends(hops);
                ends.is_empty() || ends.iter().any(|end| beyond.same_side(*end, from))
            }
        }
    }

    /// The same of a dialog that a request of ours is to begin.
    pub(crate) fn is_asked(&self, draft: &Draft, from: SocketAddr) -> bool {
        let Settings { beyond, hops, .. } = self.transactions.settings();
        hops.of(draft).map_or(true, |hops| hops.iter().any(|hop| beyond.same_side(hop.address, from)))
    }

    /// The refusal of a request that is not from the other end of its dialog.
    pub(crate) fn not_the_other_end(&self, request: &Request, from: SocketAddr) -> Reply {
        tracing::warn!(
            call_id = request.call_id(),
            method = request.method_token(),
            peer = %from,
            "request refused: it is not from the other end of its dialog"
        );
        let agent = &self.transactions.settings().beyond.warning_agent;
        Reply::new(403).header(Name::Warning, format!("399 {agent} \"not the other end of this dialog\""))
    }

    /// Sessions that are open.
    pub fn open_sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Server and client transactions that are open.
    pub fn open_transactions(&self) -> (usize, usize) {
        self.transactions.open()
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
        match message {
            Ok(message) => {
                let mut heard = std::mem::take(&mut self.heard);
                self.transactions.receive(now, ids, flow, message, out, &mut heard);
                self.hear(now, ids, heard, out);
            }
            Err(wire::Rejected::Answerable { message, status, place }) => {
                self.transactions.reject(ids, flow, &message, status, place, out);
            }
            Err(wire::Rejected::Silent { place }) => tracing::debug!(%place, "message dropped"),
        }
        events.append(&mut self.told);
    }

    /// Answers a request that came as `Request` or `InSession`. A 2xx to a re-INVITE or UPDATE gets our Contact and
    /// the session timer headers. Adds a To tag (`to_tag`, or one that is drawn) unless the request has one: for a
    /// SUBSCRIBE that creates a dialog pass the tag the dialog will have.
    pub fn answer(
        &mut self,
        now: Time,
        ids: &mut Ids,
        id: ServerId,
        reply: Reply,
        to_tag: Option<&str>,
        out: &mut Outbox,
    ) {
        match (self.servers.get(&id), to_tag) {
            (Some(session), _) => self.answer_within(now, ids, *session, id, reply, out),
            (None, Some(tag)) => {
                self.transactions.respond(now, id, &reply, tag, out);
            }
            (None, None) => self.reply(now, ids, id, &reply, out),
        }
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
        self.transactions.request(now, ids, draft, path, out)
    }

    /// As [`Self::request`], inside a dialog that the user keeps: by its route set and target, or where the peer was
    /// last heard from.
    ///
    /// # Errors
    /// [`NoHop`] if there is no way to the target.
    pub fn request_within(
        &mut self,
        now: Time,
        ids: &mut Ids,
        dialog: &Dialog,
        draft: &Draft,
        out: &mut Outbox,
    ) -> Result<ClientId, NoHop> {
        match dialog.open_stream(&self.transactions.settings().hops) {
            Some(stream) => self.transactions.request_over(now, ids, draft, stream, out),
            None => send(&mut self.transactions, now, ids, dialog, draft, out),
        }
    }

    /// Where a request came from that is not finally answered.
    pub fn source_of(&self, id: ServerId) -> Option<Source> {
        self.transactions.flow_of(id).map(|flow| flow.source())
    }

    /// Gives up a request of ours outside sessions whose answer nobody waits for any more: it is not repeated, and late
    /// answers are taken in silence. No event follows.
    pub fn abandon(&mut self, now: Time, id: ClientId, out: &mut Outbox) {
        self.transactions.abandon(now, id, out);
    }

    /// Gives up an INVITE of ours. The session is over for the user: `GivenUp` follows, then `Ended`.
    pub fn cancel(
        &mut self,
        now: Time,
        ids: &mut Ids,
        session: SessionId,
        reason: Option<&str>,
        out: &mut Outbox,
    ) {
        // What it may have is a 2xx of which the user has not heard yet.
        self.step(now, ids, session, On::Cancel, Matter { reason, status: 200, ..Matter::default() }, out);
    }

    /// Releases a session with BYE (waiting for the ACK of our 2xx first if it has not come, as RFC 3261 15 asks).
    /// `Ended` follows. An INVITE of ours that has no answer yet is cancelled, one that we have not answered is refused
    /// with 480.
    pub fn bye(
        &mut self,
        now: Time,
        ids: &mut Ids,
        session: SessionId,
        reason: Option<&str>,
        out: &mut Outbox,
    ) {
        let open = self.sessions.get(session);
        let unacknowledged = open.is_some_and(|open| open.state == State::Confirmed && open.repeat.is_some());
        let event = if unacknowledged { On::LeaveEarly } else { On::Leave };
        self.step(now, ids, session, event, Matter { reason, ..Matter::default() }, out);
    }

    /// What to store about a session that is accepted and not over.
    pub fn stored(&self, session: SessionId) -> Option<DialogFact> {
        let session = self.sessions.get(session)?;
        match session.state {
            State::Proceeding | State::Holding | State::Calling | State::Cancelling | State::Over => None,
            State::Accepted | State::Leaving | State::Confirmed | State::Releasing | State::Closing => {
                Some(session.dialog.as_ref()?.fact.clone())
            }
        }
    }

    /// Takes a stored session back after a restart: confirmed, session timer running, CSeq moved on by
    /// [`RESTART_CSEQ_GAP`] in case requests were sent that no fact tells of.
    pub fn restore(&mut self, _now: Time, _ids: &mut Ids, fact: &DialogFact) -> SessionId {
        let mut dialog = Box::new(Dialog { fact: fact.clone() });
        dialog.move_cseq_on();
        let mut session = Session::new(State::Confirmed, Setup::Done, self.settings.session_minimum);
        // The first request of ours asks the user to store that CSeq has moved.
        session.told_cseq = fact.local_cseq;
        session.refresh_at =
            dialog.fact.session_timer.filter(|timer| timer.we_refresh).map(|timer| timer::refresh_at(&timer));
        session.dialog = Some(dialog);
        let id = self.sessions.insert(session);
        self.sessions.list(fact, id);
        self.sessions.rewind(id);
        id
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
        let mut heard = std::mem::take(&mut self.heard);
        self.transactions.unreachable(now, ids, id, out, &mut heard);
        self.hear(now, ids, heard, out);
        events.append(&mut self.told);
    }

    /// Lets timers that are due fire.
    pub fn fire(&mut self, now: Time, ids: &mut Ids, out: &mut Outbox, events: &mut Vec<AgentEvent>) {
        let mut heard = std::mem::take(&mut self.heard);
        self.transactions.fire(now, ids, out, &mut heard);
        self.hear(now, ids, heard, out);
        while let Some((until, client)) = self.lingering.front().copied() {
            if until > now {
                break;
            }
            self.lingering.pop_front();
            self.clients.remove(&client);
        }
        let mut due = std::mem::take(&mut self.due);
        self.sessions.expire(now, &mut due);
        for id in due.drain(..) {
            self.fire_session(now, ids, id, out);
            self.sessions.rewind(id);
        }
        self.due = due;
        events.append(&mut self.told);
    }

    /// Tells what calls that have no events of their own have brought ([`Self::answer`], [`Self::bye`]...): `Moved`,
    /// `Lost`, `Ended`. Called after them it makes these part of the same commit; else [`Self::fire`] tells them.
    pub fn tell(&mut self, events: &mut Vec<AgentEvent>) {
        events.append(&mut self.told);
    }

    /// Sends what is due at the end of handling one input (`100 Trying`).
    pub fn settle(&mut self, now: Time, out: &mut Outbox) {
        self.transactions.settle_trying(now, out);
    }

    /// When [`Self::fire`] has something to do, at the earliest: at once if there is something to tell.
    pub fn due(&self) -> Due {
        if !self.told.is_empty() {
            return Some(Time::from_millis(0));
        }
        let lingering = self.lingering.front().map(|(until, _)| *until);
        [self.transactions.due(), self.sessions.due(), lingering].into_iter().flatten().min()
    }

    /// Takes what the transactions say.
    fn hear(&mut self, now: Time, ids: &mut Ids, mut heard: Vec<Event>, out: &mut Outbox) {
        for event in heard.drain(..) {
            match event {
                Event::Request { id, flow, request } => self.requested(now, ids, id, flow, request, out),
                Event::Ack { flow, request } => self.acknowledged(now, ids, flow, request, out),
                Event::Cancel { id, request } => self.cancelled(now, ids, id, &request, out),
                Event::Response { id, flow, response } => self.responded(now, ids, id, flow, response, out),
                Event::Timeout { id } => self.failed(now, ids, id, 408, out),
                Event::Unreachable { id } => self.failed(now, ids, id, 503, out),
                // A refusal was not acknowledged: the session was over before.
                Event::NoAck { .. } => {}
                Event::StrayResponse { response, .. } => self.stray(ids, &response, out),
            }
        }
        self.heard = heard;
    }

    /// Takes a new request: checks it, then finds who decides about it.
    fn requested(
        &mut self,
        now: Time,
        ids: &mut Ids,
        id: ServerId,
        flow: Flow,
        request: Request,
        out: &mut Outbox,
    ) {
        if let Err(refusal) = check(&request, &self.settings, &self.says) {
            return self.reply(now, ids, id, &refusal, out);
        }
        match (request.to_tag().is_some(), request.method()) {
            // The subscription layer knows their dialogs.
            (true, Method::Subscribe | Method::Notify) => {
                self.told.push(AgentEvent::Request { id, flow, request })
            }
            (true, _) => self.requested_within(now, ids, id, flow, request, out),
            (false, Method::Invite) => self.invited(now, ids, id, flow, request, out),
            // RFC 3261 12.2.2: requests that only a dialog knows.
            (false, Method::Bye | Method::Prack | Method::Update | Method::Info) => {
                self.reply(now, ids, id, &Reply::new(481), out);
            }
            (false, _) => self.told.push(AgentEvent::Request { id, flow, request }),
        }
    }

    /// Takes a response to a request of ours.
    fn responded(
        &mut self,
        now: Time,
        ids: &mut Ids,
        id: ClientId,
        flow: Flow,
        response: Response,
        out: &mut Outbox,
    ) {
        let status = response.status();
        match self.clients.get(&id) {
            Some(Purpose::Invite(_)) => self.invite_answered(now, ids, id, flow, response, out),
            Some(Purpose::Within(_)) => {
                self.within_answered(now, ids, id, status, Some((flow, response)), out)
            }
            Some(Purpose::Bye(session)) if status >= 200 => {
                let session = *session;
                self.clients.remove(&id);
                self.step(now, ids, session, On::ByeAnswered, Matter::default(), out);
            }
            Some(Purpose::Nothing) if status >= 200 => {
                self.clients.remove(&id);
            }
            Some(_) => {}
            None if response.method() == Method::Invite => self.stray(ids, &response, out),
            None if status >= 200 => {
                self.told.push(AgentEvent::Answered { id, status, response: Some(response) });
            }
            None => {}
        }
    }

    /// A request of ours got no answer: 408 or 503 (RFC 3261 8.1.3.1).
    fn failed(&mut self, now: Time, ids: &mut Ids, id: ClientId, status: u16, out: &mut Outbox) {
        match self.clients.get(&id) {
            Some(Purpose::Invite(_)) => self.invite_failed(now, ids, id, status, out),
            Some(Purpose::Within(_)) => self.within_answered(now, ids, id, status, None, out),
            Some(Purpose::Bye(session)) => {
                let session = *session;
                self.clients.remove(&id);
                let broken = status == 503 && self.forget_stream(session);
                if broken {
                    // The connection is gone; the peer may still be where its Contact says.
                    self.send_bye(now, ids, session, None, out);
                } else {
                    self.step(now, ids, session, On::ByeAnswered, Matter::default(), out);
                }
            }
            Some(Purpose::Nothing) => {
                self.clients.remove(&id);
            }
            None => self.told.push(AgentEvent::Answered { id, status, response: None }),
        }
    }

    /// Takes an event to a session through its machine and carries out what follows.
    pub(super) fn step(
        &mut self,
        now: Time,
        ids: &mut Ids,
        id: SessionId,
        event: On,
        mut matter: Matter<'_>,
        out: &mut Outbox,
    ) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let Some((state, actions)) = next(session.state, event) else {
            tracing::debug!(state = ?session.state, ?event, "no such arrow");
            return;
        };
        let entered = session.state != state;
        let held = session.state == State::Holding && state == State::Accepted;
        session.state = state;
        for action in actions {
            self.act(now, ids, id, *action, &mut matter, out);
        }
        if entered {
            self.enter(now, ids, id, state, out);
        }
        if held {
            // Only now the caller hears that it is accepted: a restart must know of it from here on.
            self.told.push(AgentEvent::Moved { session: id });
        }
        if state == State::Over {
            self.sessions.remove(id);
        } else {
            self.sessions.rewind(id);
        }
    }

    /// What a new state brings with it.
    fn enter(&mut self, now: Time, ids: &mut Ids, id: SessionId, state: State, out: &mut Outbox) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        match state {
            State::Confirmed => {
                session.setup = Setup::Done;
                let timer = session.dialog.as_ref().and_then(|dialog| dialog.fact.session_timer);
                session.refresh_at =
                    timer.filter(|timer| timer.we_refresh).map(|timer| timer::refresh_at(&timer));
            }
            State::Leaving | State::Releasing | State::Closing | State::Over => {
                session.refresh_at = None;
                // The peer should answer it, but if it does not it would wait for ever.
                if let Some(client) =
                    session.ours.take().filter(|ours| ours.until.is_some()).map(|ours| ours.client)
                {
                    self.transactions.cancel(now, ids, client, None, out);
                }
                let again = session.again.take();
                let theirs = std::mem::take(&mut session.theirs);
                if let Some(report) = again.and_then(|again| again.wish.report) {
                    self.told.push(AgentEvent::Answered { id: report, status: 487, response: None });
                }
                // RFC 3261 15.1.2: requests that are open are answered, with 487.
                for (server, _) in theirs {
                    self.servers.remove(&server);
                    self.reply(now, ids, server, &Reply::new(487), out);
                }
            }
            _ => {}
        }
    }

    fn act(
        &mut self,
        now: Time,
        ids: &mut Ids,
        id: SessionId,
        action: Action,
        matter: &mut Matter<'_>,
        out: &mut Outbox,
    ) {
        match action {
            Action::SendSuccess => self.send_success(now, id, matter.reply.take(), out),
            Action::HoldSuccess => self.hold_success(id, matter.reply.take()),
            Action::SendRefusal => {
                let refusal = matter.reply.take().unwrap_or_else(|| Reply::new(480));
                self.send_refusal(now, id, &refusal, out);
            }
            Action::SendTerminated => self.send_refusal(now, id, &Reply::new(487), out),
            Action::SendNoPrack => self.send_refusal(now, id, &Reply::new(504), out),
            Action::SendUnusable => self.send_refusal(now, id, &bad_request(matter.why), out),
            Action::StopRepeating => {
                if let Some(session) = self.sessions.get_mut(id) {
                    session.repeat = None;
                }
            }
            Action::SendAck => self.send_ack(ids, id, matter, out),
            Action::SendCancel => self.send_cancel(now, ids, id, matter.reason, out),
            Action::SendBye => self.send_bye(now, ids, id, matter.reason, out),
            Action::AnswerBye => {
                if let Some(server) = matter.server {
                    self.reply(now, ids, server, &Reply::new(200), out);
                }
            }
            Action::TellCancelled => self
                .told
                .push(AgentEvent::Cancelled { session: id, reason: matter.reason.map(str::to_owned) }),
            Action::TellConfirmed => self
                .told
                .extend(matter.request.take().map(|request| AgentEvent::Confirmed { session: id, request })),
            Action::TellAccepted => {
                let accepted = matter.response.take();
                self.told.extend(accepted.map(|(flow, response)| AgentEvent::Accepted {
                    session: id,
                    flow,
                    response,
                }));
            }
            Action::TellRefused => {
                let response = matter.response.take().map(|(_, response)| response);
                self.told.push(AgentEvent::Refused { session: id, status: matter.status, response });
            }
            Action::TellReleased => self
                .told
                .extend(matter.request.take().map(|request| AgentEvent::Released { session: id, request })),
            Action::TellLost => self.told.push(AgentEvent::Lost { session: id, why: matter.why }),
            Action::TellGivenUp => {
                self.told.push(AgentEvent::GivenUp { session: id, status: matter.status });
            }
            Action::TellEnded => self.told.push(AgentEvent::Ended { session: id }),
        }
    }

    /// Answers a request with a tag drawn for this answer only.
    pub(super) fn reply(&mut self, now: Time, ids: &mut Ids, id: ServerId, reply: &Reply, out: &mut Outbox) {
        self.transactions.respond(now, id, reply, &ids.tag(), out);
    }

    /// A refusal that asks to come back.
    pub(super) fn no_room() -> Reply {
        Reply::new(503).header(Name::RetryAfter, RETRY_AFTER.to_string())
    }

    /// 64*T1: how long the last word of a transaction is waited for.
    pub(super) fn patience_for_ack(&self) -> Duration {
        self.settings.transactions.timers.t1 * 64
    }

    /// Remembers an INVITE of ours that has a 2xx, for its repetitions and forks.
    pub(super) fn linger(&mut self, now: Time, client: ClientId) {
        self.lingering.push_back((now.plus(self.patience_for_ack()), client));
    }

    fn send_bye(&mut self, now: Time, ids: &mut Ids, id: SessionId, reason: Option<&str>, out: &mut Outbox) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let Some(dialog) = &mut session.dialog else { return };
        let mut headers: Vec<_> = asserted(session.identity.as_ref()).into_iter().collect();
        headers.extend(reason.map(|reason| (Name::Reason, reason.to_owned())));
        match send_bye(&mut self.transactions, now, ids, dialog, headers, out) {
            Ok(client) => {
                self.clients.insert(client, Purpose::Bye(id));
            }
            Err(error) => {
                tracing::info!(%error, "BYE cannot be sent");
                self.step(now, ids, id, On::ByeAnswered, Matter::default(), out);
            }
        }
    }

    /// The stream to the peer broke: true if requests went over it and now go to the target.
    pub(super) fn forget_stream(&mut self, id: SessionId) -> bool {
        let hops = &self.transactions.settings().hops;
        let Some(dialog) = self.sessions.get_mut(id).and_then(|session| session.dialog.as_mut()) else {
            return false;
        };
        let used = dialog.open_stream(hops).is_some();
        if used {
            dialog.fact.source = None;
        }
        used
    }

    /// Something is due in a session.
    fn fire_session(&mut self, now: Time, ids: &mut Ids, id: SessionId, out: &mut Outbox) {
        let t2 = self.settings.transactions.timers.t2;
        let Some(session) = self.sessions.get_mut(id) else { return };
        if let Some(repeat) = &mut session.repeat {
            if repeat.until <= now {
                session.repeat = None;
                let why = "no ACK for the 2xx";
                return self.step(now, ids, id, On::NoAck, Matter { why, ..Matter::default() }, out);
            }
            if repeat.again <= now {
                repeat.interval = (repeat.interval * 2).min(t2);
                repeat.again = now.plus(repeat.interval);
                self.transactions.resend(repeat.server, out);
            }
        }
        self.fire_called(now, ids, id, out);
        self.fire_calling(now, ids, id, out);
        self.fire_within(now, ids, id, out);
    }
}

/// Sends a request of a dialog: over the stream the peer is on, by route set and target, or where the peer was last
/// heard from.
pub(super) fn send(
    transactions: &mut Transactions,
    now: Time,
    ids: &mut Ids,
    dialog: &Dialog,
    draft: &Draft,
    out: &mut Outbox,
) -> Result<ClientId, NoHop> {
    let stream = dialog.open_stream(&transactions.settings().hops);
    transactions.request(now, ids, draft, stream, out).or_else(|error| {
        match dialog.last_heard(&transactions.settings().hops) {
            Some(path) if stream.is_none() => transactions.request(now, ids, draft, Some(path), out),
            _ => Err(error),
        }
    })
}

/// Sends a BYE in a dialog, with these headers beside those that it needs.
pub(super) fn send_bye(
    transactions: &mut Transactions,
    now: Time,
    ids: &mut Ids,
    dialog: &mut Dialog,
    headers: Vec<(Name, String)>,
    out: &mut Outbox,
) -> Result<ClientId, NoHop> {
    let mut draft = dialog.request(Method::Bye, None);
    draft.headers.extend(headers);
    send(transactions, now, ids, dialog, &draft, out)
}
