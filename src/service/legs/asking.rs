//! Asking for a session: a function in this process in memory, one elsewhere with an INVITE, a client with INVITEs to all
//! its contacts, of which the first that accepts stays.

use super::super::gateway::CALL;
use super::super::render::is_focus;
use super::super::{Service, Work};
use super::{End, Handover, LegState, Try};
use crate::env::Time;
use crate::mc::calls::Incoming;
use crate::model::{ClientId, LegId, LegOwner, Psi, Service as McService, UserId};
use crate::procedure::{Caller, Invitation, LegEvent, Party, Place, Refusal};
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
        let policy = &self.setup.policy;
        match to {
            Party::Controlling { group, session } => match policy.controlling_of(&group) {
                Place::Here => self.in_memory(leg, owner, Incoming::Controlling { from: None }, invitation),
                Place::At(psi) => {
                    let psi = psi.clone();
                    self.ask_function(now, leg, owner, &psi, session.as_deref(), &invitation);
                }
                Place::Nowhere => {
                    self.ask_nobody(leg, owner, service, &Refusal::NoControllingFunction(group))
                }
            },
            Party::Terminating { user, .. } => match policy.participating_of(&user) {
                Place::Here => self.in_memory(leg, owner, Incoming::Terminating, invitation),
                Place::At(psi) => {
                    let psi = psi.clone();
                    self.ask_function(now, leg, owner, &psi, None, &invitation);
                }
                Place::Nowhere => {
                    self.ask_nobody(leg, owner, service, &Refusal::NoParticipatingFunction(user))
                }
            },
            Party::NonControlling { group } => match policy.controlling_of(&group) {
                Place::At(psi) => {
                    let psi = psi.clone();
                    self.ask_function(now, leg, owner, &psi, None, &invitation);
                }
                // A constituent of our own, whose call is running.
                Place::Here => {
                    let from = Caller::own_controlling(policy);
                    self.in_memory(leg, owner, Incoming::NonControlling { from }, invitation);
                }
                Place::Nowhere => {
                    self.ask_nobody(leg, owner, service, &Refusal::NoControllingFunction(group));
                }
            },
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

    /// A leg to a function that nobody knows: it is refused at once.
    fn ask_nobody(&mut self, leg: LegId, owner: LegOwner, service: McService, refusal: &Refusal) {
        let state = LegState { owner, service, end: End::Memory(leg), established: false };
        self.legs.legs.insert(leg, state);
        self.hear_later(leg, LegEvent::Refused(Box::new(refusal.answer().into())));
    }

    /// INVITEs a function elsewhere by its PSI, or by the session identity that it gave (TS 24.379 6.3.2.1.3, 6.3.3.1.2).
    fn ask_function(
        &mut self,
        now: Time,
        leg: LegId,
        owner: LegOwner,
        psi: &Psi,
        session: Option<&str>,
        invitation: &Invitation,
    ) {
        let service = invitation.service;
        if let Err(refusal) = self.exit(psi, CALL) {
            return self.ask_nobody(leg, owner, service, &refusal);
        }
        let (draft, listener) = self.render_invite_to_function(owner, psi, session, invitation);
        let mut tries = Vec::new();
        match self.agent.invite(now, &mut self.ids, draft, None, &mut self.out) {
            Ok(session) => {
                let own = self.psi_of(owner).clone();
                self.agent.speak_as(session, &own);
                self.legs.by_session.insert(session, leg);
                tries.push(Try { session, client: None, listener, function: true });
            }
            Err(error) => {
                tracing::warn!(function = %psi, "function elsewhere not reached: {error}");
                let rejection = self.rejection(503, None);
                self.hear_later(leg, LegEvent::Refused(Box::new(rejection)));
            }
        }
        let end = End::Trying { tries, best: None };
        self.legs.legs.insert(leg, LegState { owner, service, end, established: false });
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
                    tries.push(Try { session, client: way.client, listener, function: false });
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
                let client = !attempt.function;
                state.end = End::Session { session, listener: attempt.listener, client };
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
pub(in crate::service) fn rank(status: u16) -> (u16, u16) {
    match status {
        600.. => (0, status),
        401 | 407 | 415 | 420 | 484 => (4, 0),
        _ => (status / 100, status),
    }
}
