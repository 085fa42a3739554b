//! The called side of a session (UAS): RFC 3261 13.3, RFC 3262 3.

use super::agent::Matter;
use super::checks::{lists, takes_update};
use super::reliable::{Late, Reliable};
use super::session::{Event as On, State};
use super::sessions::{Called, Repeat, Session, Setup};
use super::timer::Asked;
use super::{Agent, AgentEvent, Dialog, SessionId};
use crate::env::{Ids, Time};
use crate::sip::message::{Method, Reply, Request};
use crate::sip::transaction::{Flow, Outbox, ServerId};
use crate::sip::wire::Name;
use std::time::Duration;

/// RFC 3261 13.3.1.1: a callee that needs time says so every minute.
const STILL_PROCEEDING: Duration = Duration::from_secs(60);

impl Agent {
    /// A new INVITE came.
    pub(super) fn invited(
        &mut self,
        now: Time,
        ids: &mut Ids,
        server: ServerId,
        flow: Flow,
        request: Request,
        out: &mut Outbox,
    ) {
        if let Err(refusal) = self.acceptable(&request) {
            return self.reply(now, ids, server, &refusal, out);
        }
        if self.sessions.len() >= self.settings.transactions.limits.sessions {
            tracing::info!("INVITE refused: too many sessions");
            return self.reply(now, ids, server, &Self::no_room(), out);
        }
        let called = Called {
            server,
            cseq: request.cseq(),
            source: flow.source(),
            tag: ids.tag(),
            reliable: None,
            held: None,
            described: request.wire().body().is_empty(),
            progress: None,
        };
        let session = Session::new(State::Proceeding, Setup::Called(called), self.settings.session_minimum);
        let session = self.sessions.insert(session);
        self.servers.insert(server, session);
        self.told.push(AgentEvent::Invite { session, flow, request });
    }

    /// What an INVITE or UPDATE must fulfil before the user hears of it: it can create a dialog (RFC 3261 8.1.1.8), and
    /// its session interval is long enough (RFC 4028 9).
    pub(super) fn acceptable(&self, request: &Request) -> Result<(), Reply> {
        if request.wire().header(Name::Contact).is_none() && request.method() == Method::Invite {
            return Err(bad_request("Contact missing"));
        }
        if request.wire().header(Name::SessionExpires).is_none() {
            return Ok(());
        }
        let minimum = self.settings.session_minimum;
        let asked = Asked::of(request).map_err(|malformed| bad_request(malformed.place))?;
        if asked.too_small(minimum) {
            return Err(Reply::new(422).header(Name::MinSe, minimum.to_string()));
        }
        Ok(())
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
        if !(101..200).contains(&reply.status) || !self.dialog_of_invite(now, ids, session, contact, out) {
            return;
        }
        let t1 = self.settings.transactions.timers.t1;
        let Some(open) = self.sessions.get_mut(session) else { return };
        let Setup::Called(called) = &mut open.setup else { return };
        let Some(request) = self.transactions.request_of(called.server) else { return };
        let required = lists(request, Name::Require, "100rel");
        let reliable = self.settings.options.contains(&"100rel")
            && (required
                || lists(request, Name::Supported, "100rel")
                    && (reply.body.is_some() || names(&reply, Name::PAnswerState)));
        let mut reply = reply.header(Name::Contact, contact);
        // Said again by the minute where an unreliable response will do.
        called.progress = if required { None } else { Some((reply.status, now.plus(STILL_PROCEEDING))) };
        if reliable {
            // RFC 3311 5.1: this is where the caller learns that it may send UPDATE.
            self.says.add_to(&mut reply.headers);
            called.described |= reply.body.is_some();
            let reliable =
                called.reliable.get_or_insert_with(|| Box::new(Reliable::new(t1, ids.number() as u32)));
            if let Some(reply) = reliable.offer(now, reply) {
                self.transactions.respond(now, called.server, reply, &called.tag, out);
            }
        } else {
            self.transactions.respond(now, called.server, &reply, &called.tag, out);
        }
        self.sessions.rewind(session);
    }

    /// Accepts an INVITE: 200 with `contact`, session timer, Allow, Supported; repeated until the ACK comes, then
    /// `Confirmed`; without ACK for 64*T1 a BYE and `Lost`. Waits for the PRACK of an unacknowledged reliable 1xx. An
    /// INVITE whose Contact or Record-Route cannot be read is answered 400, and the session is `Lost`.
    pub fn accept(
        &mut self,
        now: Time,
        ids: &mut Ids,
        session: SessionId,
        reply: Reply,
        contact: &str,
        out: &mut Outbox,
    ) {
        if !self.dialog_of_invite(now, ids, session, contact, out) {
            return;
        }
        let Some(open) = self.sessions.get_mut(session) else { return };
        let (Setup::Called(called), Some(dialog)) = (&mut open.setup, &mut open.dialog) else { return };
        let mut reply = reply.header(Name::Contact, contact);
        if let Some(asked) =
            self.transactions.request_of(called.server).and_then(|request| Asked::of(request).ok())
        {
            let granted = asked.grant(self.settings.session_interval, self.settings.session_minimum, None);
            dialog.fact.session_timer = Some(granted.start(now));
            reply.headers.extend(granted.headers());
        }
        self.says.add_to(&mut reply.headers);
        if !open.peer_updates {
            open.description = reply.body.clone().map(Box::new);
        }
        let waits = called.reliable.as_ref().is_some_and(|reliable| reliable.is_open());
        let event = if waits { On::AcceptEarly } else { On::Accept };
        self.step(now, ids, session, event, Matter { reply: Some(reply), ..Matter::default() }, out);
    }

    /// Refuses an INVITE (300-699). The session is over.
    pub fn refuse(&mut self, now: Time, ids: &mut Ids, session: SessionId, reply: Reply, out: &mut Outbox) {
        self.step(now, ids, session, On::Refuse, Matter { reply: Some(reply), ..Matter::default() }, out);
    }

    /// Makes the dialog of an INVITE that is not answered yet, with this Contact of ours. False if there is no such
    /// INVITE, or none any more because it cannot make a dialog.
    fn dialog_of_invite(
        &mut self,
        now: Time,
        ids: &mut Ids,
        id: SessionId,
        contact: &str,
        out: &mut Outbox,
    ) -> bool {
        let Some(session) = self.sessions.get_mut(id) else { return false };
        let Setup::Called(called) = &session.setup else { return false };
        if session.state != State::Proceeding {
            return false;
        }
        if let Some(dialog) = &mut session.dialog {
            contact.clone_into(&mut dialog.fact.local_contact);
            return true;
        }
        let Some(request) = self.transactions.request_of(called.server) else { return false };
        match Dialog::of_request(request, &called.tag, contact) {
            Ok(mut dialog) => {
                dialog.fact.source = Some(called.source);
                session.peer_updates = takes_update(request);
                self.sessions.set_dialog(id, dialog);
                true
            }
            Err(malformed) => {
                let why = malformed.place;
                self.step(now, ids, id, On::Unusable, Matter { why, ..Matter::default() }, out);
                false
            }
        }
    }

    pub(super) fn hold_success(&mut self, id: SessionId, reply: Option<Reply>) {
        if let Some(called) = self.sessions.get_mut(id).and_then(Session::called) {
            called.held = reply.map(Box::new);
            called.progress = None;
            if let Some(reliable) = &mut called.reliable {
                reliable.drop_waiting();
            }
        }
    }

    /// Sends the 2xx and starts repeating it, on every transport: a proxy may lose it further on.
    pub(super) fn send_success(&mut self, now: Time, id: SessionId, reply: Option<Reply>, out: &mut Outbox) {
        let t1 = self.settings.transactions.timers.t1;
        let until = now.plus(self.patience_for_ack());
        let Some(session) = self.sessions.get_mut(id) else { return };
        let Setup::Called(called) = std::mem::replace(&mut session.setup, Setup::Done) else { return };
        let Some(reply) = reply.or(called.held.map(|held| *held)) else { return };
        self.servers.remove(&called.server);
        self.transactions.respond(now, called.server, &reply, &called.tag, out);
        let again = now.plus(t1);
        session.repeat =
            Some(Box::new(Repeat { server: called.server, cseq: called.cseq, interval: t1, again, until }));
    }

    /// Sends the final answer of a session that is over.
    pub(super) fn send_refusal(&mut self, now: Time, id: SessionId, reply: &Reply, out: &mut Outbox) {
        if let Some(called) = self.sessions.get_mut(id).and_then(Session::called) {
            self.servers.remove(&called.server);
            self.transactions.respond(now, called.server, reply, &called.tag, out);
        }
    }

    /// A CANCEL came; it is answered already.
    pub(super) fn cancelled(
        &mut self,
        now: Time,
        ids: &mut Ids,
        server: ServerId,
        cancel: &Request,
        out: &mut Outbox,
    ) {
        // Without an entry the INVITE has its final answer: RFC 3261 9.2, no effect.
        let Some(id) = self.servers.get(&server).copied() else { return };
        let Some(session) = self.sessions.get_mut(id) else { return };
        if session.called().is_some() {
            let reason = cancel.text(Name::Reason);
            let matter = Matter { reason: reason.as_deref(), ..Matter::default() };
            return self.step(now, ids, id, On::PeerCancels, matter, out);
        }
        // A re-INVITE: the session stays as it is (RFC 3261 14.2).
        session.theirs.retain(|(open, _)| *open != server);
        self.servers.remove(&server);
        self.reply(now, ids, server, &Reply::new(487), out);
    }

    /// An ACK came that belongs to no failed INVITE.
    pub(super) fn acknowledged(
        &mut self,
        now: Time,
        ids: &mut Ids,
        flow: Flow,
        request: Request,
        out: &mut Outbox,
    ) {
        let Some(id) = self.sessions.of_request(&request) else { return };
        let Some(session) = self.sessions.get_mut(id) else { return };
        let expected = session.repeat.as_ref().is_some_and(|repeat| repeat.cseq == request.cseq());
        if !expected {
            return;
        }
        let known = session.dialog.clone();
        if known.is_some_and(|known| !self.is_other_end(&known, flow.peer)) {
            self.not_the_other_end(&request, flow.peer);
            return;
        }
        let Some(session) = self.sessions.get_mut(id) else { return };
        if let Some(dialog) = &mut session.dialog {
            dialog.fact.source = Some(flow.source());
        }
        if session.state == State::Confirmed {
            // The ACK of a re-INVITE; the user wants to hear of it if it carries the answer to an offer of ours.
            session.repeat = None;
            self.sessions.rewind(id);
            if !request.body().is_empty() {
                self.told.push(AgentEvent::Confirmed { session: id, request });
            }
        } else {
            self.step(now, ids, id, On::Ack, Matter { request: Some(request), ..Matter::default() }, out);
        }
    }

    /// A PRACK came (RFC 3262 3).
    pub(super) fn pracked(
        &mut self,
        now: Time,
        ids: &mut Ids,
        server: ServerId,
        id: SessionId,
        request: Request,
        out: &mut Outbox,
    ) {
        let rack = match request.rack() {
            Ok(Some(rack)) => rack,
            Ok(None) => return self.reply(now, ids, server, &bad_request("RAck missing"), out),
            Err(malformed) => return self.reply(now, ids, server, &bad_request(malformed.place), out),
        };
        let Some(session) = self.sessions.get_mut(id) else { return };
        let Setup::Called(called) = &mut session.setup else {
            return self.reply(now, ids, server, &Reply::new(481), out);
        };
        let Some(reliable) = called.reliable.as_mut().filter(|reliable| reliable.is_open()) else {
            return self.reply(now, ids, server, &Reply::new(481), out);
        };
        if !reliable.acknowledge(&rack, called.cseq) {
            return self.reply(now, ids, server, &Reply::new(481), out);
        }
        let waiting = reliable.next_waiting();
        if let Some(reply) = waiting.and_then(|reply| reliable.offer(now, reply)) {
            self.transactions.respond(now, called.server, reply, &called.tag, out);
        }
        let settled = !reliable.is_open();
        self.sessions.rewind(id);
        if request.body().is_empty() {
            self.reply(now, ids, server, &Reply::new(200), out);
        } else {
            // An offer, or the answer to ours (RFC 3262 5): the user's.
            self.pass_up(now, ids, server, id, request, out);
        }
        if settled {
            self.step(now, ids, id, On::Pracked, Matter::default(), out);
        }
    }

    /// What is due on the called side.
    pub(super) fn fire_called(&mut self, now: Time, ids: &mut Ids, id: SessionId, out: &mut Outbox) {
        let Some(called) = self.sessions.get_mut(id).and_then(Session::called) else { return };
        if let Some(reliable) = &mut called.reliable {
            match reliable.late(now) {
                Some(Late::Repeat) => {
                    if let Some(reply) = reliable.again() {
                        self.transactions.respond(now, called.server, reply, &called.tag, out);
                    }
                }
                Some(Late::GiveUp) => {
                    let why = "no PRACK for a reliable provisional response";
                    return self.step(now, ids, id, On::NoPrack, Matter { why, ..Matter::default() }, out);
                }
                None => {}
            }
        }
        if let Some((status, at)) = called.progress
            && at <= now
        {
            called.progress = Some((status, now.plus(STILL_PROCEEDING)));
            let (server, tag) = (called.server, called.tag.clone());
            let dialog = self.sessions.get(id).and_then(|session| session.dialog.as_ref());
            let contact = dialog.map(|dialog| dialog.fact.local_contact.as_str()).unwrap_or_default();
            let reply = Reply::new(status).header(Name::Contact, contact);
            self.transactions.respond(now, server, &reply, &tag, out);
        }
    }
}

/// 400 that names the place.
pub(crate) fn bad_request(place: &str) -> Reply {
    Reply { reason: Some(format!("Bad Request: {place}")), ..Reply::new(400) }
}

fn names(reply: &Reply, name: Name) -> bool {
    reply.headers.iter().any(|(other, _)| *other == name)
}
