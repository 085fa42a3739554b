//! The calling side of a session (UAC): RFC 3261 13.2, RFC 3262 4, RFC 6026 for what forks bring late.

use super::agent::{Matter, PATIENCE, Purpose, send, send_bye};
use super::checks::{lists, takes_update};
use super::reliable::{expected, prack};
use super::session::{Event as On, State};
use super::sessions::{Session, Setup};
use super::timer::{self, min_se};
use super::{Agent, AgentEvent, Dialog, NotSent, SessionId};
use crate::env::{Ids, Time};
use crate::sip::message::{Draft, Method, Response};
use crate::sip::transaction::{ClientId, Flow, Outbox, Path, Transactions, Transmit};
use crate::sip::wire::Name;
use bytes::Bytes;

/// Dialogs that one INVITE may have at once; what further forks say is not heard, and they give up by themselves.
pub(super) const MAX_FORKS: usize = 16;

/// An INVITE of ours, from its sending until nothing can come of it any more.
#[derive(Debug)]
pub(super) struct Call {
    session: SessionId,
    /// The request; only its URI once it was accepted.
    draft: Draft,
    contact: String,
    path: Option<Path>,
    /// It was sent again because of a 422.
    retried: bool,
    forks: Vec<Fork>,
}

/// One dialog of an INVITE that may have forked.
#[derive(Debug)]
pub(super) struct Fork {
    /// While it is early.
    pub dialog: Option<Dialog>,
    /// The peer's tag.
    tag: String,
    /// RSeq of its last reliable provisional response.
    rseq: Option<u32>,
    /// A reliable provisional response answered our offer (RFC 3262 5).
    described: bool,
    /// Its 2xx came.
    accepted: bool,
    /// The ACK of that, if it could be sent: goes out again with every repetition of the 2xx.
    ack: Option<(Path, Bytes)>,
}

impl Call {
    /// The early dialog with this peer's tag.
    pub fn early(&mut self, tag: &str) -> Option<&mut Dialog> {
        self.forks.iter_mut().find(|fork| fork.tag == tag)?.dialog.as_mut()
    }

    /// Whether the offer of the INVITE is answered in the early dialog with this peer's tag.
    pub fn is_described(&self, tag: &str) -> bool {
        self.forks.iter().any(|fork| fork.tag == tag && fork.described)
    }

    /// Notes the 2xx of a fork and its ACK.
    fn accepted(&mut self, tag: &str, ack: Option<(Path, Bytes)>) {
        let fork =
            Fork { dialog: None, tag: tag.to_owned(), rseq: None, described: false, accepted: true, ack };
        if let Some(known) = self.forks.iter_mut().find(|fork| fork.tag == tag) {
            *known = fork;
        } else if self.forks.len() < MAX_FORKS {
            self.forks.push(fork);
        }
    }
}

impl Agent {
    /// Calls: sends an INVITE. `draft` has From with tag, To, Call-ID, CSeq, Contact, body; session timer, Allow and
    /// `Supported` headers are added if absent (`100rel` and `timer` in any case).
    ///
    /// # Errors
    /// [`NotSent`] if there is no way to the target, or too many sessions are open.
    pub fn invite(
        &mut self,
        now: Time,
        ids: &mut Ids,
        mut draft: Draft,
        path: Option<Path>,
        out: &mut Outbox,
    ) -> Result<SessionId, NotSent> {
        if self.sessions.len() >= self.settings.transactions.limits.sessions {
            return Err(NotSent::Full);
        }
        let minimum = self.settings.session_minimum;
        if draft.get(Name::SessionExpires).is_none() {
            let interval = self.settings.session_interval.max(minimum);
            draft.headers.push((Name::SessionExpires, interval.to_string()));
            if draft.get(Name::MinSe).is_none() {
                draft.headers.extend(min_se(minimum));
            }
        }
        if let Some(supported) = draft.get(Name::Supported) {
            let named =
                |option: &str| supported.split(',').any(|token| token.trim().eq_ignore_ascii_case(option));
            let missing: Vec<&str> =
                ["100rel", "timer"].into_iter().filter(|option| !named(option)).collect();
            if !missing.is_empty() {
                draft.headers.push((Name::Supported, missing.join(", ")));
            }
        }
        self.says.add_to(&mut draft.headers);
        let client = self.transactions.request(now, ids, &draft, path, out)?;
        let contact = draft.get(Name::Contact).unwrap_or_default().to_owned();
        let session = Session::new(State::Calling, Setup::Calling { client, patience: None }, minimum);
        let session = self.sessions.insert(session);
        let call = Call { session, draft, contact, path, retried: false, forks: Vec::new() };
        self.clients.insert(client, Purpose::Invite(Box::new(call)));
        Ok(session)
    }

    /// A response to an INVITE that opens a session.
    pub(super) fn invite_answered(
        &mut self,
        now: Time,
        ids: &mut Ids,
        client: ClientId,
        flow: Flow,
        response: Response,
        out: &mut Outbox,
    ) {
        match response.status() {
            0..=100 => self.still_there(now, client),
            101..=199 => self.invite_progressed(now, ids, client, flow, response, out),
            200..=299 => self.invite_accepted(now, ids, client, flow, response, out),
            _ => self.invite_refused(now, ids, client, flow, response, out),
        }
    }

    /// No response came to an INVITE that opens a session.
    pub(super) fn invite_failed(
        &mut self,
        now: Time,
        ids: &mut Ids,
        client: ClientId,
        status: u16,
        out: &mut Outbox,
    ) {
        let Some(call) = self.end_call(client) else { return };
        self.step(now, ids, call.session, On::Failure, Matter { status, ..Matter::default() }, out);
    }

    /// The peer lives: the clock of our patience starts anew.
    fn still_there(&mut self, now: Time, client: ClientId) {
        let Some(Purpose::Invite(call)) = self.clients.get(&client) else { return };
        let id = call.session;
        let Some(session) = self.sessions.get_mut(id) else { return };
        if let (State::Calling, Setup::Calling { patience, .. }) = (session.state, &mut session.setup) {
            *patience = Some(now.plus(PATIENCE));
            self.sessions.rewind(id);
        }
    }

    fn invite_progressed(
        &mut self,
        now: Time,
        ids: &mut Ids,
        client: ClientId,
        flow: Flow,
        response: Response,
        out: &mut Outbox,
    ) {
        self.still_there(now, client);
        let Some(Purpose::Invite(call)) = self.clients.get_mut(&client) else { return };
        let id = call.session;
        let state = self.sessions.get(id).map_or(State::Over, |session| session.state);
        if !matches!(state, State::Calling | State::Cancelling) {
            return;
        }
        if let Some(tag) = response.to_tag() {
            let position = match call.forks.iter().position(|fork| fork.tag == tag) {
                Some(position) => position,
                None => {
                    if call.forks.len() == MAX_FORKS {
                        tracing::info!("provisional response ignored: too many forks");
                        return;
                    }
                    let dialog = Dialog::of_response(&call.draft, &response, &call.contact).ok();
                    if let Some(dialog) = &dialog {
                        self.sessions.list(&dialog.fact, id);
                    }
                    call.forks.push(Fork {
                        dialog,
                        tag: tag.to_owned(),
                        rseq: None,
                        described: false,
                        accepted: false,
                        ack: None,
                    });
                    call.forks.len() - 1
                }
            };
            let Some(fork) = call.forks.get_mut(position) else { return };
            if let Some(dialog) = &mut fork.dialog {
                dialog.fact.source = Some(flow.source());
                let contacts = response.contacts().unwrap_or_default();
                dialog.refresh_target(contacts.first().map(|contact| contact.uri.as_str()));
            }
            if lists(&response, Name::Require, "100rel") {
                let (Some(rseq), Some(dialog)) = (expected(&response, fork.rseq), &mut fork.dialog) else {
                    return;
                };
                fork.rseq = Some(rseq);
                fork.described |= !response.body().is_empty();
                let prack = prack(dialog, &response, rseq);
                match send(&mut self.transactions, now, ids, dialog, &prack, out) {
                    Ok(prack) => {
                        self.clients.insert(prack, Purpose::Nothing);
                    }
                    Err(error) => tracing::info!(%error, "PRACK cannot be sent"),
                }
            }
        }
        if state == State::Calling {
            self.told.push(AgentEvent::Progress { session: id, response });
        }
    }

    fn invite_accepted(
        &mut self,
        now: Time,
        ids: &mut Ids,
        client: ClientId,
        flow: Flow,
        response: Response,
        out: &mut Outbox,
    ) {
        let Some(Purpose::Invite(call)) = self.clients.get_mut(&client) else { return };
        let id = call.session;
        let tag = response.to_tag().unwrap_or_default();
        if let Some(fork) = call.forks.iter().find(|fork| fork.tag == tag && fork.accepted) {
            // RFC 3261 13.2.2.4: the same ACK for each repetition.
            if let Some((path, octets)) = fork.ack.clone() {
                out.push(Transmit { path, octets, ticket: None, answers: None, trying: false });
            }
            return;
        }
        let first = !call.forks.iter().any(|fork| fork.accepted);
        if first {
            self.lingering.push_back((now.plus(self.settings.transactions.timers.t1 * 64), client));
        }
        let made = Dialog::of_response(&call.draft, &response, &call.contact);
        let usable = made.is_ok();
        let mut dialog = made.unwrap_or_else(|malformed| {
            tracing::info!(%malformed, "2xx with a dialog that cannot be used");
            Dialog::towards(call.draft.uri.clone(), Vec::new(), &response, &call.contact)
        });
        dialog.fact.source = Some(flow.source());
        if let Some(early) = call.early(tag) {
            // What passed in the early dialog counts; the route set is that of the 2xx (RFC 3261 13.2.2.4).
            dialog.fact.local_cseq = early.fact.local_cseq;
            dialog.fact.remote_cseq = early.fact.remote_cseq;
        }
        let state = self.sessions.get(id).map_or(State::Over, |session| session.state);
        let wanted = first && matches!(state, State::Calling | State::Cancelling);
        if wanted && usable {
            self.establish(now, id, client, dialog, &response);
            let matter = Matter {
                client: Some(client),
                response: Some((flow, response)),
                status: 200,
                ..Matter::default()
            };
            return self.step(now, ids, id, On::Success, matter, out);
        }
        // A fork that lost, or a 2xx that crossed the end of the session (RFC 3261 13.2.2.4).
        self.sessions.unlist(&dialog.fact, id);
        let ack = acknowledge(&mut self.transactions, ids, &mut dialog, response.cseq(), out);
        call.accepted(tag, ack);
        if let Ok(bye) = send_bye(&mut self.transactions, now, ids, &mut dialog, Vec::new(), out) {
            self.clients.insert(bye, Purpose::Nothing);
        }
        if wanted {
            self.step(now, ids, id, On::Failure, Matter { status: 502, ..Matter::default() }, out);
        }
    }

    /// The first 2xx makes the session's dialog; what the INVITE kept for a second try and for other forks goes.
    fn establish(
        &mut self,
        now: Time,
        id: SessionId,
        client: ClientId,
        mut dialog: Dialog,
        response: &Response,
    ) {
        dialog.fact.session_timer = timer::of_response(now, response).ok().flatten();
        let mut body = None;
        if let Some(Purpose::Invite(call)) = self.clients.get_mut(&client) {
            body = call.draft.body.take();
            call.draft.headers = Vec::new();
            for other in call.forks.iter_mut().filter_map(|fork| fork.dialog.take()) {
                self.sessions.unlist(&other.fact, id);
            }
        }
        // After the early dialogs have gone: one of them was this one.
        self.sessions.list(&dialog.fact, id);
        if let Some(session) = self.sessions.get_mut(id) {
            session.told_cseq = dialog.fact.local_cseq;
            session.peer_updates = takes_update(response);
            session.description = body.filter(|_| !session.peer_updates).map(Box::new);
        }
        self.sessions.set_dialog(id, dialog);
    }

    fn invite_refused(
        &mut self,
        now: Time,
        ids: &mut Ids,
        client: ClientId,
        flow: Flow,
        response: Response,
        out: &mut Outbox,
    ) {
        let Some(call) = self.end_call(client) else { return };
        let id = call.session;
        let calling = self.sessions.get(id).is_some_and(|session| session.state == State::Calling);
        if response.status() == 422 && calling && !call.retried && self.retry(now, ids, &call, &response, out)
        {
            return;
        }
        let status = response.status();
        let matter = Matter { response: Some((flow, response)), status, ..Matter::default() };
        self.step(now, ids, id, On::Failure, matter, out);
    }

    /// RFC 4028 7.3: calls again with the interval that a 422 asks for.
    fn retry(&mut self, now: Time, ids: &mut Ids, call: &Call, refusal: &Response, out: &mut Outbox) -> bool {
        let Ok(Some(minimum)) = refusal.number(Name::MinSe) else { return false };
        let mut draft = call.draft.clone();
        let interval = self.settings.session_interval.max(minimum);
        draft.headers.retain(|(name, _)| !matches!(name, Name::SessionExpires | Name::MinSe));
        draft.headers.push((Name::SessionExpires, interval.to_string()));
        draft.headers.push((Name::MinSe, minimum.to_string()));
        let cseq = refusal.cseq().saturating_add(1);
        for (_, value) in draft.headers.iter_mut().filter(|(name, _)| *name == Name::CSeq) {
            *value = format!("{cseq} INVITE");
        }
        let Ok(client) = self.transactions.request(now, ids, &draft, call.path, out) else { return false };
        if let Some(session) = self.sessions.get_mut(call.session) {
            session.min_se = minimum;
            session.setup = Setup::Calling { client, patience: None };
            self.sessions.rewind(call.session);
        }
        let (session, contact, path) = (call.session, call.contact.clone(), call.path);
        let call = Call { session, draft, contact, path, retried: true, forks: Vec::new() };
        self.clients.insert(client, Purpose::Invite(Box::new(call)));
        true
    }

    /// Forgets an INVITE of ours that failed, with its early dialogs.
    fn end_call(&mut self, client: ClientId) -> Option<Box<Call>> {
        if !matches!(self.clients.get(&client), Some(Purpose::Invite(_))) {
            return None;
        }
        let Some(Purpose::Invite(mut call)) = self.clients.remove(&client) else { return None };
        for dialog in call.forks.iter_mut().filter_map(|fork| fork.dialog.take()) {
            self.sessions.unlist(&dialog.fact, call.session);
        }
        Some(call)
    }

    /// Acknowledges the 2xx that established a session.
    pub(super) fn send_ack(&mut self, ids: &mut Ids, id: SessionId, matter: &Matter<'_>, out: &mut Outbox) {
        let (Some(client), Some((_, response))) = (matter.client, &matter.response) else { return };
        let Some(session) = self.sessions.get_mut(id) else { return };
        let Some(dialog) = &mut session.dialog else { return };
        let ack = acknowledge(&mut self.transactions, ids, dialog, response.cseq(), out);
        if let Some(Purpose::Invite(call)) = self.clients.get_mut(&client) {
            call.accepted(response.to_tag().unwrap_or_default(), ack);
        }
    }

    pub(super) fn send_cancel(
        &mut self,
        now: Time,
        ids: &mut Ids,
        id: SessionId,
        reason: Option<&str>,
        out: &mut Outbox,
    ) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        if let Setup::Calling { client, patience } = &mut session.setup {
            *patience = None;
            self.transactions.cancel(now, ids, *client, reason, out);
        }
    }

    /// A 2xx to an INVITE came that belongs to no transaction any more: its ACK was lost (RFC 6026 7.2).
    pub(super) fn stray(&mut self, ids: &mut Ids, response: &Response, out: &mut Outbox) {
        if response.method() != Method::Invite || !(200..300).contains(&response.status()) {
            return;
        }
        let Some(id) = self.sessions.of_response(response) else { return };
        let Some(dialog) = self.sessions.get_mut(id).and_then(|session| session.dialog.as_mut()) else {
            return;
        };
        if response.cseq() <= dialog.fact.local_cseq {
            acknowledge(&mut self.transactions, ids, dialog, response.cseq(), out);
        }
    }

    /// What is due on the calling side.
    pub(super) fn fire_calling(&mut self, now: Time, ids: &mut Ids, id: SessionId, out: &mut Outbox) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        if let Setup::Calling { patience: Some(at), .. } = session.setup
            && at <= now
        {
            self.step(now, ids, id, On::Silence, Matter { status: 408, ..Matter::default() }, out);
        }
    }
}

/// Sends the ACK of a 2xx. Returns what to send again when the 2xx comes again.
pub(super) fn acknowledge(
    transactions: &mut Transactions,
    ids: &mut Ids,
    dialog: &mut Dialog,
    cseq: u32,
    out: &mut Outbox,
) -> Option<(Path, Bytes)> {
    let ack = dialog.request(Method::Ack, Some(cseq));
    let stream = dialog.open_stream(&transactions.settings().hops);
    let sent = transactions.send_ack(ids, &ack, stream, out).or_else(|error| {
        match dialog.last_heard(&transactions.settings().hops) {
            Some(path) if stream.is_none() => transactions.send_ack(ids, &ack, Some(path), out),
            _ => Err(error),
        }
    });
    sent.inspect_err(|error| tracing::info!(%error, "ACK cannot be sent")).ok()
}
