//! Asking for a session: in memory, or with INVITEs to every contact of a client, of which the first that accepts stays.

use super::super::render::is_focus;
use super::super::{Service, Work};
use super::{End, Handover, LegState, Try};
use crate::env::Time;
use crate::mc::calls::Incoming;
use crate::model::{ClientId, LegId, LegOwner, UserId};
use crate::procedure::{Invitation, LegEvent, Party, Refusal, Rejection};
use crate::sip::dialog::SessionId;
use crate::sip::message::Response;

impl Service {
    /// Opens a leg and asks for a session over it.
    pub(super) fn ask(
        &mut self,
        now: Time,
        leg: LegId,
        owner: LegOwner,
        to: Party,
        invitation: Box<Invitation>,
    ) {
        let service = invitation.service;
        match to {
            Party::Controlling { group } => {
                // The controlling function of a group is where its document is hosted.
                if self.model.group(crate::model::Side::Mc, group.as_str()).is_none()
                    && group.domain() != self.setup.policy.domain
                {
                    let answer = Refusal::NoControllingFunction(group).answer();
                    let rejection =
                        Rejection { warnings: answer.warnings, ..self.rejection(answer.status, None) };
                    self.legs
                        .legs
                        .insert(leg, LegState { owner, service, end: End::Memory(leg), established: false });
                    self.hear_later(leg, LegEvent::Refused(Box::new(rejection)));
                    return;
                }
                self.in_memory(leg, owner, Incoming::Controlling { from: None }, invitation);
            }
            Party::Terminating { .. } => self.in_memory(leg, owner, Incoming::Terminating, invitation),
            Party::Client { user, clients } => self.ask_client(now, leg, owner, &user, &clients, &invitation),
        }
    }

    pub(super) fn in_memory(
        &mut self,
        leg: LegId,
        owner: LegOwner,
        role: Incoming,
        invitation: Box<Invitation>,
    ) {
        // Until the other function has taken it, the leg ends in itself: nothing can be sent over it yet.
        let state =
            LegState { owner, service: invitation.service, end: End::Memory(leg), established: false };
        self.legs.legs.insert(leg, state);
        self.work.push_back(Work::Incoming(Handover { from: leg, role, invitation }));
    }

    /// INVITEs every contact of the clients that are meant (TS 24.379 6.3.2.2.3).
    pub(super) fn ask_client(
        &mut self,
        now: Time,
        leg: LegId,
        owner: LegOwner,
        user: &UserId,
        clients: &[ClientId],
        invitation: &Invitation,
    ) {
        let service = invitation.service;
        let ways = self.ways_to(now, user.as_str(), clients);
        let mut tries = Vec::new();
        let psi = self.psi_of(owner).clone();
        let mut failure = Refusal::NotRegistered(user.clone()).answer().status;
        for way in ways {
            let listener = self.listener_for(way.source);
            let contact = self.contact(owner, listener, service, is_focus(owner, true));
            let draft = self.render_invite(owner, &way, invitation, &contact);
            match self.agent.invite(now, &mut self.ids, draft, way.path, &mut self.out) {
                Ok(session) => {
                    self.agent.speak_as(session, &psi);
                    self.legs.by_session.insert(session, leg);
                    tries.push(Try { session, client: way.client, listener });
                }
                Err(error) => {
                    tracing::warn!(user = %user, "client not reached: {error}");
                    failure = 503;
                }
            }
        }
        let refused = tries.is_empty();
        let end = End::Trying { tries, best: None };
        self.legs.legs.insert(leg, LegState { owner, service, end, established: false });
        if refused {
            let rejection = self.rejection(failure, None);
            self.hear_later(leg, LegEvent::Refused(Box::new(rejection)));
        }
    }

    /// One contact of a client accepted: the others are cancelled.
    pub(super) fn client_accepted(&mut self, now: Time, leg: LegId, session: SessionId, response: &Response) {
        let mut acceptance = self.acceptance(response);
        let Some(state) = self.legs.legs.get_mut(&leg) else { return };
        let End::Trying { tries, .. } = &mut state.end else { return };
        let tries = std::mem::take(tries);
        state.established = true;
        for attempt in tries {
            if attempt.session == session {
                acceptance.client = attempt.client;
                state.end = End::Session { session, listener: attempt.listener, client: true };
            } else {
                self.legs.by_session.remove(&attempt.session);
                let (ids, out) = (&mut self.ids, &mut self.out);
                self.agent.cancel(now, ids, attempt.session, Some(COMPLETED_ELSEWHERE), out);
            }
        }
        self.keep_leg(leg, session);
        self.hear(now, leg, LegEvent::Accepted(Box::new(acceptance)));
    }

    /// One contact refused: the leg is refused when the last one has (RFC 3261 16.7 point 6 chooses the answer).
    pub(super) fn client_refused(
        &mut self,
        now: Time,
        leg: LegId,
        session: SessionId,
        status: u16,
        response: Option<&Response>,
    ) {
        let rejection = self.rejection(status, response);
        self.legs.by_session.remove(&session);
        let Some(state) = self.legs.legs.get_mut(&leg) else { return };
        let End::Trying { tries, best } = &mut state.end else { return };
        tries.retain(|attempt| attempt.session != session);
        let better = best.as_ref().is_none_or(|old| rank(rejection.status) < rank(old.status));
        if better {
            *best = Some(rejection);
        }
        if tries.is_empty()
            && let Some(best) = best.take()
        {
            self.hear(now, leg, LegEvent::Refused(Box::new(best)));
        }
    }
}

/// Reason of a CANCEL to the contacts that were slower (RFC 3326 2).
const COMPLETED_ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";

/// RFC 3261 16.7 point 6: a 6xx first, then the lowest class; within 4xx those that help the caller.
fn rank(status: u16) -> (u16, u16) {
    match status {
        600.. => (0, status),
        401 | 407 | 415 | 420 | 484 => (4, 0),
        _ => (status / 100, status),
    }
}
