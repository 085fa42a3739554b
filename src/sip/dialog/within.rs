//! Requests inside a session, of both sides: re-INVITE (RFC 3261 14), UPDATE (RFC 3311), INFO (RFC 6086), BYE
//! (RFC 3261 15), PRACK, and the refresh of the session timer (RFC 4028).

use super::agent::{Matter, PATIENCE, Purpose, UNTOLD_CSEQ, send};
use super::calling::acknowledge;
use super::checks::takes_update;
use super::session::{Event as On, State};
use super::sessions::{Again, MAX_OPEN_REQUESTS, Ours, Repeat, Setup, Wish};
use super::timer::{self, Asked};
use super::{Agent, AgentEvent, Dialog, NotSent, SessionId};
use crate::env::{Ids, Time};
use crate::model::Psi;
use crate::sip::message::{Draft, Headers, Method, OutBody, Reply, Request, Response};
use crate::sip::transaction::{ClientId, Flow, NoHop, Outbox, Path, ServerId, Transmit};
use crate::sip::wire::Name;
use bytes::Bytes;
use std::time::Duration;

/// A refresh that finds another INVITE under way, or was refused, is tried again after this long at the least.
const REFRESH_PAUSE: Duration = Duration::from_secs(5);

/// A request of ours inside a session.
#[derive(Debug)]
pub(super) struct Within {
    session: SessionId,
    wish: Wish,
    /// RSeq of the last reliable provisional response to a re-INVITE.
    rseq: Option<u32>,
    /// A re-INVITE that was accepted: only repetitions of the 2xx can come.
    accepted: bool,
    /// Its ACK, if it could be sent: goes out again with every repetition of the 2xx.
    ack: Option<(Path, Bytes)>,
}

/// The header that says as whom we speak.
pub(super) fn asserted(identity: Option<&Psi>) -> Option<(Name, String)> {
    identity.map(|psi| (Name::PAssertedIdentity, format!("<{psi}>")))
}

impl Agent {
    /// Sends a re-INVITE (or UPDATE, INFO) inside a session. The final answer comes as `Answered` (a re-INVITE's 2xx
    /// is acknowledged by the agent; glare (491) is retried by the agent as RFC 3261 14.1 says, and so is 422).
    ///
    /// # Errors
    /// [`NotSent`] if there is no way to the target, the session is not confirmed, or it has an open offer.
    #[allow(clippy::too_many_arguments, reason = "time and identifiers come in as values")]
    pub fn in_session(
        &mut self,
        now: Time,
        ids: &mut Ids,
        session: SessionId,
        method: Method,
        headers: Vec<(Name, String)>,
        body: Option<OutBody>,
        out: &mut Outbox,
    ) -> Result<ClientId, NotSent> {
        let open = self.sessions.get_mut(session).filter(|open| open.state == State::Confirmed);
        let open = open.ok_or(NotSent::NotConfirmed)?;
        let offers = method == Method::Invite || method == Method::Update && body.is_some();
        if offers && open.invite_open() {
            return Err(NotSent::Busy);
        }
        if method == Method::Invite && !open.peer_updates {
            open.description = body.clone().map(Box::new);
        }
        let wish = Wish { method, headers, body, report: None, retried: false };
        let client = self.wish(now, ids, session, wish, out)?;
        // The user knows the request by its first transaction, also if it has to be sent again.
        if let Some(Purpose::Within(within)) = self.clients.get_mut(&client) {
            within.wish.report = Some(client);
        }
        Ok(client)
    }

    /// As whom this server speaks in a session: `P-Asserted-Identity` (RFC 3325 9.1) of its BYE, re-INVITE, UPDATE and
    /// INFO from now on.
    pub fn speak_as(&mut self, session: SessionId, identity: &Psi) {
        if let Some(session) = self.sessions.get_mut(session) {
            session.identity = Some(identity.clone());
        }
    }

    /// Sends a request inside a session.
    fn wish(
        &mut self,
        now: Time,
        ids: &mut Ids,
        id: SessionId,
        wish: Wish,
        out: &mut Outbox,
    ) -> Result<ClientId, NoHop> {
        let lost = || NoHop { host: String::new(), why: "the session is over" };
        let session = self.sessions.get_mut(id).ok_or_else(lost)?;
        let dialog = session.dialog.as_mut().ok_or_else(lost)?;
        let mut draft = dialog.request(wish.method, None);
        if matches!(wish.method, Method::Invite | Method::Update) {
            if let Some(timer) = &dialog.fact.session_timer {
                draft.headers.extend(timer::request_headers(timer, session.min_se));
            }
            self.says.add_to(&mut draft.headers);
        }
        draft.headers.extend(asserted(session.identity.as_ref()));
        draft.headers.extend(wish.headers.iter().cloned());
        draft.body = wish.body.clone();
        let untold = dialog.fact.local_cseq.saturating_sub(session.told_cseq) >= UNTOLD_CSEQ;
        let client = send(&mut self.transactions, now, ids, dialog, &draft, out)?;
        if wish.method == Method::Invite {
            session.ours = Some(Ours { client, until: Some(now.plus(PATIENCE)) });
            self.sessions.rewind(id);
        } else if wish.method == Method::Update && wish.body.is_some() {
            session.ours = Some(Ours { client, until: None });
        }
        if untold {
            self.moved(id);
        }
        let within = Within { session: id, wish, rseq: None, accepted: false, ack: None };
        self.clients.insert(client, Purpose::Within(Box::new(within)));
        Ok(client)
    }

    /// The stored part of a dialog changed.
    fn moved(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        session.told_cseq = session.dialog.as_ref().map_or(0, |dialog| dialog.fact.local_cseq);
        if session.state == State::Confirmed {
            self.told.push(AgentEvent::Moved { session: id });
        }
    }

    /// An answer to a request of ours inside a session; none: 408 or 503.
    pub(super) fn within_answered(
        &mut self,
        now: Time,
        ids: &mut Ids,
        client: ClientId,
        status: u16,
        response: Option<(Flow, Response)>,
        out: &mut Outbox,
    ) {
        let Some(Purpose::Within(within)) = self.clients.get_mut(&client) else { return };
        if within.accepted {
            // RFC 3261 13.2.2.4: the same ACK for each repetition.
            if let (Some((path, octets)), 200..=299) = (within.ack.clone(), status) {
                out.push(Transmit { path, octets, ticket: None, answers: None, trying: false });
            }
            return;
        }
        if status < 200 {
            if let Some((_, response)) = &response {
                self.within_progressed(now, ids, client, response, out);
            }
            return;
        }
        let Some(Purpose::Within(mut within)) = self.clients.remove(&client) else { return };
        let id = within.session;
        let method = within.wish.method;
        let report = within.wish.report;
        let mut lost = matches!(status, 408 | 481);
        match self.sessions.get_mut(id) {
            Some(session) => {
                if session.ours.is_some_and(|ours| ours.client == client) {
                    session.ours = None;
                }
                if let (Some(dialog), Some((flow, _))) = (&mut session.dialog, &response) {
                    dialog.fact.source = Some(flow.source());
                }
            }
            None => lost = false,
        }
        match (status, &response) {
            (200..=299, Some((_, response))) => {
                self.refreshed(now, id, method, response);
                if method == Method::Invite {
                    within.accepted = true;
                    within.ack = self.acknowledge_within(ids, id, response, out);
                    within.wish.body = None;
                    within.wish.headers = Vec::new();
                    self.clients.insert(client, Purpose::Within(within));
                    self.linger(now, client);
                }
            }
            (491, _) if !within.wish.retried && self.is_confirmed(id) => {
                return self.try_later(now, ids, id, within.wish);
            }
            (422, Some((_, response))) if !within.wish.retried && self.is_confirmed(id) => {
                if let Ok(Some(minimum)) = response.number(Name::MinSe)
                    && let Some(session) = self.sessions.get_mut(id)
                {
                    session.min_se = session.min_se.max(minimum);
                    within.wish.retried = true;
                    if self.wish(now, ids, id, within.wish, out).is_ok() {
                        return;
                    }
                }
            }
            // The stream on which the peer was last heard is gone: the target may still listen (RFC 3261 18.1.1).
            (503, None) if self.forget_stream(id) && !within.wish.retried && self.is_confirmed(id) => {
                within.wish.retried = true;
                if self.wish(now, ids, id, within.wish, out).is_ok() {
                    return;
                }
            }
            _ => {}
        }
        match report {
            Some(id) => {
                let response = response.map(|(_, response)| response);
                self.told.push(AgentEvent::Answered { id, status, response });
            }
            None if status >= 300 && !lost => self.refresh_refused(now, ids, id, method, status, out),
            None => {}
        }
        if lost {
            // RFC 3261 12.2.1.2, RFC 4028 10.
            let why = if status == 481 { "the peer does not know the session" } else { "the peer is silent" };
            self.step(now, ids, id, On::Broken, Matter { why, ..Matter::default() }, out);
        }
        self.sessions.rewind(id);
    }

    fn is_confirmed(&self, id: SessionId) -> bool {
        self.sessions.get(id).is_some_and(|session| session.state == State::Confirmed)
    }

    /// A provisional response to a re-INVITE: acknowledged if it is reliable (RFC 3262 4).
    fn within_progressed(
        &mut self,
        now: Time,
        ids: &mut Ids,
        client: ClientId,
        response: &Response,
        out: &mut Outbox,
    ) {
        let Some(Purpose::Within(within)) = self.clients.get_mut(&client) else { return };
        let Some(dialog) = self.sessions.get_mut(within.session).and_then(|session| session.dialog.as_mut())
        else {
            return;
        };
        if let Some(rseq) = super::reliable::expected(response, within.rseq) {
            within.rseq = Some(rseq);
            let prack = super::reliable::prack(dialog, response, rseq);
            if let Ok(prack) = send(&mut self.transactions, now, ids, dialog, &prack, out) {
                self.clients.insert(prack, Purpose::Nothing);
            }
        }
    }

    fn acknowledge_within(
        &mut self,
        ids: &mut Ids,
        id: SessionId,
        response: &Response,
        out: &mut Outbox,
    ) -> Option<(Path, Bytes)> {
        let dialog = self.sessions.get_mut(id).and_then(|session| session.dialog.as_deref_mut());
        let mut of_response;
        let dialog = match dialog {
            Some(dialog) => dialog,
            // The session ended meanwhile, but the peer goes on repeating its 2xx.
            None => {
                of_response = Dialog::of_response(&Draft::new(Method::Invite, ""), response, "").ok()?;
                &mut of_response
            }
        };
        acknowledge(&mut self.transactions, ids, dialog, response.cseq(), out)
    }

    /// A 2xx to a request of ours: target (RFC 3261 12.2.1.2), what the peer takes, session timer.
    fn refreshed(&mut self, now: Time, id: SessionId, method: Method, response: &Response) {
        if !matches!(method, Method::Invite | Method::Update) {
            return;
        }
        let Some(session) = self.sessions.get_mut(id) else { return };
        let Some(dialog) = &mut session.dialog else { return };
        let before = (dialog.fact.remote_target.clone(), dialog.fact.session_timer);
        let contacts = response.contacts().unwrap_or_default();
        dialog.refresh_target(contacts.first().map(|contact| contact.uri.as_str()));
        if response.wire().header(Name::Allow).is_some() {
            session.peer_updates = takes_update(response);
        }
        if let Ok(timer) = timer::of_response(now, response) {
            dialog.fact.session_timer = timer;
            if session.state == State::Confirmed {
                session.refresh_at =
                    timer.filter(|timer| timer.we_refresh).map(|timer| timer::refresh_at(&timer));
            }
        }
        let changed = before != (dialog.fact.remote_target.clone(), dialog.fact.session_timer);
        self.sessions.rewind(id);
        if changed {
            self.moved(id);
        }
    }

    /// Tries a request again after a glare (RFC 3261 14.1): the caller waits longer, so that one of both comes first.
    fn try_later(&mut self, now: Time, ids: &mut Ids, id: SessionId, mut wish: Wish) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        if session.again.is_some() {
            // Only a refresh can meet one that waits already.
            session.refresh_at = Some(now.plus(REFRESH_PAUSE));
            return self.sessions.rewind(id);
        }
        let millis = if session.caller { 2100 + ids.number() % 191 * 10 } else { ids.number() % 201 * 10 };
        wish.retried = true;
        session.again = Some(Box::new(Again { at: now.plus(Duration::from_millis(millis)), wish }));
        self.sessions.rewind(id);
    }

    /// Our refresh was refused, but the session lives: we try again while there is time.
    fn refresh_refused(
        &mut self,
        now: Time,
        ids: &mut Ids,
        id: SessionId,
        method: Method,
        status: u16,
        out: &mut Outbox,
    ) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        if method == Method::Update && matches!(status, 405 | 501) {
            session.peer_updates = false;
            return self.refresh(now, ids, id, out);
        }
        let left = session.release_at().map_or(Duration::ZERO, |end| end.since(now)) / 2;
        session.refresh_at = if left >= REFRESH_PAUSE { Some(now.plus(left)) } else { None };
    }

    /// Refreshes the session (RFC 4028 7.4, 10): by UPDATE without a body, or by the last re-INVITE again where the peer
    /// does not take UPDATE.
    fn refresh(&mut self, now: Time, ids: &mut Ids, id: SessionId, out: &mut Outbox) {
        let Some(session) = self.sessions.get_mut(id).filter(|session| session.state == State::Confirmed)
        else {
            return;
        };
        session.refresh_at = None;
        let (method, body) = match (&session.description, session.peer_updates) {
            (_, true) => (Method::Update, None),
            (Some(_), false) if session.invite_open() => {
                session.refresh_at = Some(now.plus(REFRESH_PAUSE));
                return;
            }
            (Some(description), false) => (Method::Invite, Some((**description).clone())),
            // After a restart we do not know what to offer. The session ends in time; the user may re-INVITE.
            (None, false) => return,
        };
        let wish = Wish { method, headers: Vec::new(), body, report: None, retried: false };
        if let Err(error) = self.wish(now, ids, id, wish, out) {
            tracing::info!(%error, "session cannot be refreshed");
        }
    }

    /// What is due inside a session.
    pub(super) fn fire_within(&mut self, now: Time, ids: &mut Ids, id: SessionId, out: &mut Outbox) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        if let Some(ours) = &mut session.ours
            && ours.until.is_some_and(|until| until <= now)
        {
            // Its timeout follows, and the session is lost.
            ours.until = None;
            self.transactions.cancel(now, ids, ours.client, None, out);
        }
        if session.release_at().is_some_and(|at| at <= now) {
            let why = "the session timer ran out";
            return self.step(now, ids, id, On::Broken, Matter { why, ..Matter::default() }, out);
        }
        if session.again.as_ref().is_some_and(|again| again.at <= now)
            && let Some(again) = session.again.take()
        {
            let report = again.wish.report;
            let sent = self.wish(now, ids, id, again.wish, out);
            if let (Err(_), Some(id)) = (sent, report) {
                self.told.push(AgentEvent::Answered { id, status: 503, response: None });
            }
        }
        let Some(session) = self.sessions.get_mut(id) else { return };
        if session.refresh_at.is_some_and(|at| at <= now) {
            self.refresh(now, ids, id, out);
        }
    }

    /// A request inside a dialog came.
    pub(super) fn requested_within(
        &mut self,
        now: Time,
        ids: &mut Ids,
        server: ServerId,
        flow: Flow,
        request: Request,
        out: &mut Outbox,
    ) {
        let Some(id) = self.sessions.of_request(&request) else {
            return self.reply(now, ids, server, &Reply::new(481), out);
        };
        let Some(known) = self.dialog_with(id, &request).map(|dialog| dialog.clone()) else {
            return self.reply(now, ids, server, &Reply::new(481), out);
        };
        if !self.is_other_end(&known, flow.peer) {
            let reply = self.not_the_other_end(&request, flow.peer);
            return self.reply(now, ids, server, &reply, out);
        }
        let Some(dialog) = self.dialog_with(id, &request) else { return };
        dialog.fact.source = Some(flow.source());
        if !dialog.in_order(&request) {
            // RFC 3261 12.2.2
            let reply = come_back(ids);
            return self.reply(now, ids, server, &reply, out);
        }
        let state = self.sessions.get(id).map_or(State::Over, |session| session.state);
        match (request.method(), state) {
            // RFC 3261 15: the callee of an early dialog cannot send BYE.
            (Method::Bye, State::Calling | State::Cancelling) => {
                self.reply(now, ids, server, &Reply::new(481), out);
            }
            (Method::Bye, _) => {
                let matter = Matter { server: Some(server), request: Some(request), ..Matter::default() };
                self.step(now, ids, id, On::PeerLeaves, matter, out);
            }
            // Given up by us: the dialog is gone for everything but a BYE that crosses ours.
            (_, State::Cancelling | State::Leaving | State::Releasing | State::Closing | State::Over) => {
                self.reply(now, ids, server, &Reply::new(481), out);
            }
            (Method::Prack, _) => self.pracked(now, ids, server, id, request, out),
            (Method::Invite | Method::Update, _) => self.offered(now, ids, server, id, request, out),
            (Method::Info, _) => self.pass_up(now, ids, server, id, request, out),
            (Method::Options, _) => {
                let mut reply = Reply::new(200);
                self.says.add_to(&mut reply.headers);
                self.reply(now, ids, server, &reply, out);
            }
            _ => {
                // What our Contact of a session takes is less than what the server takes.
                let reply = Reply::new(405).header(Name::Allow, IN_SESSION);
                self.reply(now, ids, server, &reply, out);
            }
        }
    }

    /// The dialog of a session that a request belongs to: its own, or an early one.
    fn dialog_with(&mut self, id: SessionId, request: &Headers) -> Option<&mut Dialog> {
        let session = self.sessions.get_mut(id)?;
        let dialog = match (&mut session.dialog, &session.setup) {
            (Some(dialog), _) => dialog,
            (None, Setup::Calling { client, .. }) => match self.clients.get_mut(client) {
                Some(Purpose::Invite(call)) => call.early(request.from_tag())?,
                _ => return None,
            },
            (None, _) => return None,
        };
        if dialog.is_of(request) { Some(dialog) } else { None }
    }

    /// A re-INVITE or UPDATE came: glare and order (RFC 3261 14.2, RFC 3311 5.2), then the user.
    fn offered(
        &mut self,
        now: Time,
        ids: &mut Ids,
        server: ServerId,
        id: SessionId,
        request: Request,
        out: &mut Outbox,
    ) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let invite = request.method() == Method::Invite;
        let offer = invite || !request.body().is_empty();
        let theirs_open =
            session.theirs.iter().any(|(_, method)| matches!(method, Method::Invite | Method::Update));
        let unanswered = match &session.setup {
            Setup::Called(called) => invite || offer && !called.described,
            _ => false,
        };
        if theirs_open || unanswered {
            let reply = come_back(ids);
            return self.reply(now, ids, server, &reply, out);
        }
        // An offer of ours is open, or a 2xx of ours is not acknowledged (RFC 5407 3.1.4).
        let calling = match &session.setup {
            Setup::Calling { client, .. } => match self.clients.get(client) {
                Some(Purpose::Invite(call)) => !call.is_described(request.from_tag()),
                _ => true,
            },
            _ => false,
        };
        let ours_open = calling || session.ours.is_some() || session.repeat.is_some();
        if offer && ours_open || invite && session.state != State::Confirmed {
            return self.reply(now, ids, server, &Reply::new(491), out);
        }
        if let Err(refusal) = self.acceptable(&request) {
            return self.reply(now, ids, server, &refusal, out);
        }
        if offer {
            self.pass_up(now, ids, server, id, request, out);
        } else {
            // An UPDATE that only refreshes target and timer.
            self.servers.insert(server, id);
            self.answer_within(now, ids, id, server, Reply::new(200), out);
        }
    }

    /// Gives a request inside a session to the user.
    pub(super) fn pass_up(
        &mut self,
        now: Time,
        ids: &mut Ids,
        server: ServerId,
        id: SessionId,
        request: Request,
        out: &mut Outbox,
    ) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        if session.theirs.len() >= MAX_OPEN_REQUESTS {
            return self.reply(now, ids, server, &Self::no_room(), out);
        }
        session.theirs.push((server, request.method()));
        self.servers.insert(server, id);
        self.told.push(AgentEvent::InSession { session: id, id: server, request });
    }

    /// Answers a request of the peer inside a session.
    pub(super) fn answer_within(
        &mut self,
        now: Time,
        ids: &mut Ids,
        id: SessionId,
        server: ServerId,
        mut reply: Reply,
        out: &mut Outbox,
    ) {
        let accepts = (200..300).contains(&reply.status);
        if accepts
            && let Some(request) = self.transactions.request_of(server).cloned()
            && matches!(request.method(), Method::Invite | Method::Update)
        {
            self.accept_within(now, id, server, &request, &mut reply);
        }
        if reply.status >= 200 {
            self.servers.remove(&server);
            if let Some(session) = self.sessions.get_mut(id) {
                session.theirs.retain(|(open, _)| *open != server);
            }
        }
        self.reply(now, ids, server, &reply, out);
        self.sessions.rewind(id);
    }

    /// What a 2xx to a re-INVITE or UPDATE changes and says: target, Contact, session timer.
    fn accept_within(
        &mut self,
        now: Time,
        id: SessionId,
        server: ServerId,
        request: &Request,
        reply: &mut Reply,
    ) {
        let t1 = self.settings.transactions.timers.t1;
        let until = now.plus(self.patience_for_ack());
        let (interval, minimum) = (self.settings.session_interval, self.settings.session_minimum);
        let contacts = request.contacts().unwrap_or_default();
        let target = contacts.first().map(|contact| contact.uri.as_str());
        self.says.add_to(&mut reply.headers);
        let Some(dialog) = self.dialog_with(id, request) else { return };
        let mut changed = dialog.refresh_target(target);
        reply.headers.insert(0, (Name::Contact, dialog.fact.local_contact.clone()));
        let Some(session) = self.sessions.get_mut(id) else { return };
        if request.wire().header(Name::Allow).is_some() {
            session.peer_updates = takes_update(request);
        }
        let Some(dialog) = &mut session.dialog else { return };
        // A timer runs from the answer to the INVITE on.
        if session.state != State::Proceeding
            && let Ok(asked) = Asked::of(request)
        {
            let refreshing = dialog.fact.session_timer.map(|timer| timer.we_refresh);
            let granted = asked.grant(interval, minimum, refreshing);
            let timer = granted.start(now);
            reply.headers.extend(granted.headers());
            dialog.fact.session_timer = Some(timer);
            session.refresh_at = if timer.we_refresh { Some(timer::refresh_at(&timer)) } else { None };
            changed = true;
        }
        if request.method() == Method::Invite {
            if !session.peer_updates {
                session.description = reply.body.clone().map(Box::new);
            }
            let (cseq, again) = (request.cseq(), now.plus(t1));
            session.repeat = Some(Box::new(Repeat { server, cseq, interval: t1, again, until }));
        }
        if changed {
            self.moved(id);
        }
    }
}

/// What the Contact of a session takes.
const IN_SESSION: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE, INFO";

/// 500 with Retry-After of 0 to 10 seconds (RFC 3261 12.2.2, 14.2, RFC 3311 5.2).
pub(crate) fn come_back(ids: &mut Ids) -> Reply {
    Reply::new(500).header(Name::RetryAfter, (ids.number() % 11).to_string())
}
