//! Legs: what is behind one side of a session. A leg ends in a SIP session, in several that are tried at once, or in a
//! leg of another function in this process; procedures cannot tell the difference.

use super::read::canonical;
use super::render::{is_focus, offer_body};
use super::router::challenge;
use super::trust::{Sender, Unknown};
use super::{Service, Work};
use crate::documents::McInfo;
use crate::env::Time;
use crate::mc::calls::{self, Incoming};
use crate::model::{
    CallRef, Change, ClientId, Fact, FactKey, Leg, LegId, LegLink, LegOwner, ParticipationRef,
    Service as McService, UserId,
};
use crate::procedure::{Acceptance, CallSend, Invitation, LegEvent, Party, Refusal, Rejection};
use crate::sip::dialog::{AgentEvent, SessionId};
use crate::sip::message::{Method, Reply, Request, Response, Uri};
use crate::sip::transaction::{Flow, ServerId};
use crate::sip::wire::Name;
use std::collections::HashMap;

/// All legs of this process.
#[derive(Debug, Default)]
pub(super) struct Legs {
    legs: HashMap<LegId, LegState>,
    by_session: HashMap<SessionId, LegId>,
    /// Sessions we released whose BYE is not answered yet.
    ending: HashMap<SessionId, LegId>,
    /// Offers inside a session that wait for our answer.
    offers: HashMap<LegId, ServerId>,
    /// Legs of sessions at the participating function to a controlling function in this process.
    to_core: HashMap<ParticipationRef, LegId>,
}

#[derive(Debug)]
struct LegState {
    owner: LegOwner,
    service: McService,
    end: End,
    established: bool,
}

/// What is at the other end.
#[allow(clippy::large_enum_variant, reason = "of many legs most are sessions; tries last seconds")]
#[derive(Debug)]
enum End {
    /// A leg in this process.
    Memory(LegId),
    /// A SIP session. `listener`: for our Contact. `client`: the peer is a client, not a function.
    Session { session: SessionId, listener: u16, client: bool },
    /// INVITEs to the contacts of a client; the first that accepts stays.
    Trying { tries: Vec<Try>, best: Option<Rejection> },
}

#[derive(Debug)]
struct Try {
    session: SessionId,
    client: Option<ClientId>,
    listener: u16,
}

/// A request for a session from one function of this process to another.
#[derive(Debug)]
pub(super) struct Handover {
    /// The leg of the one who asks.
    from: LegId,
    role: Incoming,
    invitation: Box<Invitation>,
}

/// What a session identity names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addressed {
    /// The instance that gave the identity away; it may be over.
    pub owner: LegOwner,
    /// The call it leads to, where its controlling function is in this process.
    pub call: Option<CallRef>,
}

impl Legs {
    /// The session that carries a leg.
    pub fn session(&self, leg: LegId) -> Option<SessionId> {
        match &self.legs.get(&leg)?.end {
            End::Session { session, .. } => Some(*session),
            _ => None,
        }
    }

    /// Nothing is left of any leg.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        let Self { legs, by_session, ending, offers, to_core } = self;
        legs.is_empty()
            && by_session.is_empty()
            && ending.is_empty()
            && offers.is_empty()
            && to_core.is_empty()
    }

    /// Legs that are open or wait for the answer to their BYE.
    pub fn count(&self) -> usize {
        self.legs.len() + self.ending.len()
    }

    /// A leg was joined with one of another function in this process.
    fn joined(&mut self, leg: LegId) {
        if let Some(LegOwner::Participation(id)) = self.legs.get(&leg).map(|state| state.owner) {
            self.to_core.insert(id, leg);
        }
    }

    /// The call that an instance is or leads to, if its controlling function is in this process.
    pub fn call_behind(&self, owner: LegOwner) -> Option<CallRef> {
        let leg = match owner {
            LegOwner::Call(call) => return Some(call),
            LegOwner::Participation(id) => self.to_core.get(&id)?,
        };
        let End::Memory(other) = &self.legs.get(leg)?.end else { return None };
        match self.legs.get(other)?.owner {
            LegOwner::Call(call) => Some(call),
            LegOwner::Participation(_) => None,
        }
    }

    fn forget(&mut self, leg: LegId) -> Option<LegState> {
        let state = self.legs.remove(&leg)?;
        self.offers.remove(&leg);
        if let LegOwner::Participation(id) = state.owner
            && self.to_core.get(&id) == Some(&leg)
        {
            self.to_core.remove(&id);
        }
        match &state.end {
            End::Session { session, .. } => {
                self.by_session.remove(session);
            }
            End::Trying { tries, .. } => {
                for attempt in tries {
                    self.by_session.remove(&attempt.session);
                }
            }
            End::Memory(_) => {}
        }
        Some(state)
    }

    /// Takes a leg back after a restart.
    pub fn restore(&mut self, leg: &Leg, session: Option<SessionId>, listener: u16) {
        let end = match (&leg.link, session) {
            (LegLink::Memory(other), _) => End::Memory(*other),
            (LegLink::Dialog(_), Some(session)) => {
                self.by_session.insert(session, leg.id);
                End::Session { session, listener, client: matches!(leg.owner, LegOwner::Participation(_)) }
            }
            (LegLink::Dialog(_), None) => return,
        };
        let in_memory = matches!(end, End::Memory(_));
        self.legs.insert(leg.id, LegState { owner: leg.owner, service: leg.service, end, established: true });
        if in_memory {
            self.joined(leg.id);
        }
    }

    /// A restored leg whose BYE must be repeated.
    pub fn restore_ending(&mut self, session: SessionId, leg: LegId) {
        self.ending.insert(session, leg);
    }
}

impl Service {
    /// A new INVITE: finds the function it is for (TS 24.379 6.3.1.1) and hands it over.
    pub(super) fn invited(&mut self, now: Time, session: SessionId, flow: Flow, request: &Request) {
        let mut service = McService::Mcptt;
        match self.try_invited(now, session, flow, request, &mut service) {
            Ok(()) => {}
            Err(Unknown::Challenge(challenges)) => {
                let reply = challenge(challenges);
                self.agent.refuse(now, &mut self.ids, session, reply, &mut self.out);
            }
            Err(Unknown::Refuse(refusal)) => {
                let answer = refusal.answer();
                if answer.status < 400 {
                    tracing::debug!(call_id = request.call_id(), "call redirected: {refusal}");
                } else {
                    tracing::info!(
                        call_id = request.call_id(),
                        peer = %flow.peer,
                        status = answer.status,
                        "call refused: {refusal}"
                    );
                }
                let reply = match self.addressed_psi(request) {
                    Some(psi) => self.render_refusal(&answer, &psi, service),
                    None => self.render_answer(&answer),
                };
                self.agent.refuse(now, &mut self.ids, session, reply, &mut self.out);
            }
        }
    }

    fn addressed_psi(&self, request: &Request) -> Option<crate::model::Psi> {
        let functions = &self.setup.policy.functions;
        let identity = request.uri().identity();
        functions
            .participating
            .iter()
            .chain(&functions.controlling)
            .find(|psi| psi.as_str() == identity)
            .cloned()
    }

    /// Notes the service in whose names the answer speaks, once it is read.
    fn try_invited(
        &mut self,
        now: Time,
        session: SessionId,
        flow: Flow,
        request: &Request,
        service: &mut McService,
    ) -> Result<(), Unknown> {
        let refuse = |refusal| Unknown::Refuse(refusal);
        if self.stopping {
            return Err(refuse(Refusal::StoreUnavailable));
        }
        let rejoin = self.session_addressed(request.uri());
        let identity = request.uri().identity();
        let functions = &self.setup.policy.functions;
        let participating = functions.participating.iter().any(|psi| psi.as_str() == identity)
            || matches!(rejoin, Some(Addressed { owner: LegOwner::Participation(_), .. }));
        let controlling = functions.controlling.iter().any(|psi| psi.as_str() == identity)
            || matches!(rejoin, Some(Addressed { owner: LegOwner::Call(_), .. }));
        if !participating && !controlling {
            return Err(refuse(Refusal::NotFound));
        }
        let sender = self.identify(now, flow, request)?;
        // A session identity of the participating function leads to the call behind it (TS 24.379 10.1.1.3.5.1).
        let call = match rejoin {
            Some(addressed) => Some(addressed.call.ok_or(refuse(Refusal::NoSuchCall))?),
            None => None,
        };
        let mut invitation = self.invitation(request, call).map_err(refuse)?;
        *service = invitation.service;
        invitation.info = canonical(invitation.info);
        let role = match sender {
            Sender::User(user) if participating && !invitation.focus => {
                // TS 24.379 10.1.1.2.1.1 NOTE 2: clients do not send it, and are not believed.
                invitation.info.calling_user = None;
                let client = match &invitation.info.client_id {
                    Some(client) => Some(ClientId::new(client.as_str())),
                    None => self.client_at(now, &user.id, flow).or_else(|| user.default_client.clone()),
                };
                Incoming::Originating { user: user.id.clone(), client }
            }
            Sender::User(_) => {
                return Err(refuse(Refusal::NotPermitted { why: "only functions may ask for that" }));
            }
            Sender::Function(caller) if !caller.may(&self.setup.policy).call => {
                return Err(refuse(Refusal::PartnerMayNot(caller.psi)));
            }
            // One PSI may stand for both functions: then `isfocus` tells a controlling function that invites a member
            // from a participating function that asks for a call (TS 24.379 6.3.1.1).
            Sender::Function(caller)
                if participating && caller.controlling && (invitation.focus || !controlling) =>
            {
                invitation.asserted = Some(caller.psi);
                Incoming::Terminating
            }
            Sender::Function(caller) if controlling && caller.participating => {
                self.speaks_for(&caller, invitation.info.calling_user.as_deref()).map_err(refuse)?;
                Incoming::Controlling { from: Some(caller.psi) }
            }
            Sender::Function(..) => {
                return Err(refuse(Refusal::NotPermitted { why: "peer lacks that permission" }));
            }
        };
        let client = matches!(role, Incoming::Originating { .. });
        let service = invitation.service;
        let leg = LegId(self.ids.number());
        let (owner, outcome) =
            calls::incoming(&mut view!(self, now), &mut self.open, leg, role, invitation).map_err(refuse)?;
        let end = End::Session { session, listener: flow.listener, client };
        self.legs.legs.insert(leg, LegState { owner, service, end, established: false });
        self.legs.by_session.insert(session, leg);
        tracing::debug!(call_id = request.call_id(), leg = %leg, "session asked for");
        self.cause = Some(request.call_id().to_owned());
        self.carry_out(now, outcome);
        Ok(())
    }

    /// What the session identity in this URI names ([`Self::session_identity`]).
    pub(super) fn session_addressed(&self, uri: &Uri) -> Option<Addressed> {
        let mut numbers = uri.param("gr")?.split('-').map(|number| u64::from_str_radix(number, 16).ok());
        let (instance, behind) = (numbers.next()??, numbers.next());
        let user = uri.user()?;
        let names = |psis: &[crate::model::Psi]| {
            psis.iter().any(|psi| {
                Uri::parse(psi.as_str().as_bytes()).ok().and_then(|p| p.user().map(|u| u == user))
                    == Some(true)
            })
        };
        let functions = &self.setup.policy.functions;
        let of_call = names(&functions.controlling);
        // The two functions may have the same user part.
        if of_call && (self.model.call(CallRef(instance)).is_some() || !names(&functions.participating)) {
            let call = CallRef(instance);
            return Some(Addressed { owner: LegOwner::Call(call), call: Some(call) });
        }
        if !names(&functions.participating) {
            return None;
        }
        let owner = LegOwner::Participation(ParticipationRef(instance));
        let call = behind.flatten().map(CallRef).or_else(|| self.legs.call_behind(owner));
        Some(Addressed { owner, call })
    }

    /// The client that registered from where this message came; `None` if several did, as behind a core.
    pub(super) fn client_at(&self, now: Time, user: &UserId, flow: Flow) -> Option<ClientId> {
        let mut clients = self
            .model
            .registrations_of(user.as_str())
            .flat_map(|registration| &registration.bindings)
            .filter(|binding| binding.expires > now && binding.source == flow.source())
            .map(|binding| &binding.client);
        let first = clients.next()?;
        if clients.all(|client| client == first) { first.clone() } else { None }
    }

    /// A function of this process is asked by another.
    pub(super) fn hand_over(&mut self, now: Time, handover: Handover) {
        let Handover { from, role, invitation } = handover;
        let Some(asking) = self.legs.legs.get(&from) else { return };
        let service = asking.service;
        let leg = LegId(self.ids.number());
        match calls::incoming(&mut view!(self, now), &mut self.open, leg, role, *invitation) {
            Ok((owner, outcome)) => {
                self.legs
                    .legs
                    .insert(leg, LegState { owner, service, end: End::Memory(from), established: false });
                if let Some(asking) = self.legs.legs.get_mut(&from) {
                    asking.end = End::Memory(leg);
                }
                self.legs.joined(from);
                self.legs.joined(leg);
                self.carry_out(now, outcome);
            }
            Err(refusal) => {
                tracing::debug!(leg = %from, "refused: {refusal}");
                self.hear_later(from, LegEvent::Refused(Box::new(refusal.into())));
            }
        }
    }

    fn hear_later(&mut self, leg: LegId, event: LegEvent) {
        self.work.push_back(Work::Hear(leg, event));
    }

    /// A leg hears something.
    pub(super) fn hear(&mut self, now: Time, leg: LegId, event: LegEvent) {
        let gone = matches!(
            event,
            LegEvent::Refused(_) | LegEvent::Cancelled | LegEvent::Released { .. } | LegEvent::Lost { .. }
        );
        let owner = match self.legs.legs.get(&leg) {
            Some(state) => state.owner,
            None => match self.model.leg(leg) {
                Some(fact) => fact.owner,
                None => return,
            },
        };
        if gone {
            self.legs.forget(leg);
            if self.model.leg(leg).is_some() {
                self.change(Change::Remove(FactKey::Leg(leg)));
            }
        }
        let outcome = calls::hear(&mut view!(self, now), &mut self.open, owner, leg, event);
        self.carry_out(now, outcome);
    }

    /// A word between the functions of a call.
    pub(super) fn send_call(&mut self, now: Time, send: CallSend) {
        match send {
            CallSend::Invite { leg, owner, to, invitation } => self.ask(now, leg, owner, to, invitation),
            CallSend::Cancel { leg } => self.give_up(now, leg, None),
            CallSend::Release { leg, reason } => self.give_up(now, leg, reason),
            CallSend::Progress { leg, progress } => match self.end_of(leg) {
                Some(Reached::Memory(other)) => self.hear_later(other, LegEvent::Progress(progress)),
                Some(Reached::Session { session, owner, service, listener, client }) => {
                    let contact = self.contact(owner, listener, service, is_focus(owner, client));
                    let reply = self.render_progress(&progress);
                    self.agent.progress(now, &mut self.ids, session, reply, &contact, &mut self.out);
                }
                None => {}
            },
            CallSend::Accept { leg, acceptance } => self.accept(now, leg, acceptance),
            CallSend::Refuse { leg, rejection } => match self.end_of(leg) {
                Some(Reached::Memory(other)) => {
                    self.legs.forget(leg);
                    self.hear_later(other, LegEvent::Refused(rejection));
                }
                Some(Reached::Session { session, owner, service, .. }) => {
                    self.legs.forget(leg);
                    let reply = self.render_rejection(owner, service, &rejection);
                    self.agent.refuse(now, &mut self.ids, session, reply, &mut self.out);
                }
                None => {}
            },
            CallSend::Offer { leg, offer, info } => match self.end_of(leg) {
                Some(Reached::Memory(other)) => self.hear_later(other, LegEvent::Offered { offer, info }),
                Some(Reached::Session { session, service, .. }) => {
                    let body = offer_body(offer.as_ref(), info.as_deref(), service).map(|body| {
                        crate::sip::message::OutBody {
                            content_type: body.content_type,
                            content: body.content,
                        }
                    });
                    let headers = self.priority_of(info.as_deref());
                    let (agent, ids) = (&mut self.agent, &mut self.ids);
                    match agent.in_session(now, ids, session, Method::Invite, headers, body, &mut self.out) {
                        Ok(client) => {
                            self.offers.insert(client, leg);
                        }
                        Err(error) => {
                            tracing::warn!(leg = %leg, "offer not sent: {error}");
                            let rejection = self.rejection(503, None);
                            self.hear_later(leg, LegEvent::OfferAnswered(Err(Box::new(rejection))));
                        }
                    }
                }
                None => {}
            },
            CallSend::AnswerOffer { leg, result } => match self.end_of(leg) {
                Some(Reached::Memory(other)) => self.hear_later(other, LegEvent::OfferAnswered(result)),
                Some(Reached::Session { owner, service, .. }) => {
                    let Some(server) = self.legs.offers.remove(&leg) else { return };
                    let reply = match &result {
                        Ok(acceptance) => self.render_acceptance(owner, service, acceptance),
                        Err(rejection) => self.render_rejection(owner, service, rejection),
                    };
                    self.agent.answer(now, &mut self.ids, server, reply, None, &mut self.out);
                }
                None => {}
            },
        }
    }

    /// Resource-Priority of a re-INVITE by its indications (TS 24.379 6.3.3.1.6, 6.3.3.1.15, 6.3.3.1.19). One that
    /// indicates nothing changes nothing.
    fn priority_of(&self, info: Option<&McInfo>) -> Vec<(Name, String)> {
        let values = &self.setup.policy.resource_priorities;
        let value = match info.map(|info| (info.emergency, info.imminent_peril)) {
            Some((Some(true), _)) => &values.emergency,
            Some((_, Some(true))) => &values.imminent_peril,
            Some((Some(false), _) | (_, Some(false))) => &values.normal,
            Some((None, None)) | None => &None,
        };
        value.iter().map(|value| (Name::ResourcePriority, value.clone())).collect()
    }

    /// What a leg that was answered or waits for our answer ends in.
    fn end_of(&self, leg: LegId) -> Option<Reached> {
        let state = self.legs.legs.get(&leg)?;
        match &state.end {
            End::Memory(other) => Some(Reached::Memory(*other)),
            End::Session { session, listener, client } => Some(Reached::Session {
                session: *session,
                owner: state.owner,
                service: state.service,
                listener: *listener,
                client: *client,
            }),
            End::Trying { .. } => None,
        }
    }

    /// Opens a leg and asks for a session over it.
    fn ask(&mut self, now: Time, leg: LegId, owner: LegOwner, to: Party, invitation: Box<Invitation>) {
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

    fn in_memory(&mut self, leg: LegId, owner: LegOwner, role: Incoming, invitation: Box<Invitation>) {
        // Until the other function has taken it, the leg ends in itself: nothing can be sent over it yet.
        let state =
            LegState { owner, service: invitation.service, end: End::Memory(leg), established: false };
        self.legs.legs.insert(leg, state);
        self.work.push_back(Work::Incoming(Handover { from: leg, role, invitation }));
    }

    /// INVITEs every contact of the clients that are meant (TS 24.379 6.3.2.2.3).
    fn ask_client(
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

    /// Gives up or releases whatever is behind a leg.
    fn give_up(&mut self, now: Time, leg: LegId, reason: Option<String>) {
        let Some(state) = self.legs.forget(leg) else {
            // Asked for, not taken yet: take the request back.
            self.work.retain(|work| !matches!(work, Work::Incoming(handover) if handover.from == leg));
            return;
        };
        let reason = reason.as_deref();
        match state.end {
            End::Memory(other) if other == leg => {
                self.work.retain(|work| !matches!(work, Work::Incoming(handover) if handover.from == leg));
            }
            End::Memory(other) => {
                let event = if state.established {
                    LegEvent::Released { reason: reason.map(str::to_owned) }
                } else {
                    LegEvent::Cancelled
                };
                self.hear_later(other, event);
                if self.model.leg(leg).is_some() {
                    self.change(Change::Remove(FactKey::Leg(leg)));
                }
            }
            End::Session { session, .. } => {
                self.legs.ending.insert(session, leg);
                if let Some(fact) = self.model.leg(leg) {
                    let fact = Leg { ending: true, ..fact.clone() };
                    self.put(Fact::Leg(fact));
                }
                self.agent.bye(now, &mut self.ids, session, reason, &mut self.out);
            }
            End::Trying { tries, .. } => {
                for attempt in tries {
                    self.agent.cancel(now, &mut self.ids, attempt.session, reason, &mut self.out);
                }
            }
        }
    }

    fn accept(&mut self, now: Time, leg: LegId, acceptance: Box<Acceptance>) {
        match self.end_of(leg) {
            Some(Reached::Memory(other)) => {
                for (side, across) in [(leg, other), (other, leg)] {
                    let Some(state) = self.legs.legs.get_mut(&side) else { continue };
                    state.established = true;
                    let fact = Leg {
                        id: side,
                        owner: state.owner,
                        link: LegLink::Memory(across),
                        service: state.service,
                        ending: false,
                    };
                    self.put(Fact::Leg(fact));
                }
                self.hear_later(other, LegEvent::Accepted(acceptance));
                self.hear_later(leg, LegEvent::Confirmed);
            }
            Some(Reached::Session { session, owner, service, listener, client }) => {
                let contact = self.contact(owner, listener, service, is_focus(owner, client));
                let reply = self.render_acceptance(owner, service, &acceptance);
                self.agent.accept(now, &mut self.ids, session, reply, &contact, &mut self.out);
                if let Some(state) = self.legs.legs.get_mut(&leg) {
                    state.established = true;
                }
                self.keep_leg(leg, session);
            }
            None => {}
        }
    }

    /// Writes the fact of a leg that ends in a SIP session.
    fn keep_leg(&mut self, leg: LegId, session: SessionId) {
        let Some(state) = self.legs.legs.get(&leg) else { return };
        let psi = self.psi_of(state.owner).clone();
        self.agent.speak_as(session, &psi);
        let Some(dialog) = self.agent.stored(session) else { return };
        let fact = Leg {
            id: leg,
            owner: state.owner,
            link: LegLink::Dialog(dialog),
            service: state.service,
            ending: false,
        };
        if self.model.leg(leg) != Some(&fact) {
            self.put(Fact::Leg(fact));
        }
    }

    /// Something happened to a SIP session.
    pub(super) fn on_session(&mut self, now: Time, session: SessionId, event: AgentEvent) {
        if let AgentEvent::Ended { .. } = event {
            if let Some(leg) = self.legs.ending.remove(&session)
                && self.model.leg(leg).is_some()
            {
                self.change(Change::Remove(FactKey::Leg(leg)));
            }
            return;
        }
        let Some(leg) = self.legs.by_session.get(&session).copied() else { return };
        match event {
            AgentEvent::Progress { response, .. } => {
                let progress = self.progress_of(&response);
                self.hear(now, leg, LegEvent::Progress(progress));
            }
            AgentEvent::Accepted { response, .. } => self.client_accepted(now, leg, session, &response),
            AgentEvent::Refused { status, response, .. } => {
                self.client_refused(now, leg, session, status, response.as_ref());
            }
            AgentEvent::Confirmed { .. } => {
                self.keep_leg(leg, session);
                self.hear(now, leg, LegEvent::Confirmed);
            }
            AgentEvent::Cancelled { .. } => self.hear(now, leg, LegEvent::Cancelled),
            AgentEvent::Released { request, .. } => {
                self.cause = Some(request.call_id().to_owned());
                let reason = request.text(Name::Reason);
                self.hear(now, leg, LegEvent::Released { reason });
            }
            AgentEvent::Lost { why, .. } => {
                tracing::warn!(leg = %leg, "session lost: {why}");
                self.hear(now, leg, LegEvent::Lost { why });
            }
            AgentEvent::Moved { .. } => self.keep_leg(leg, session),
            AgentEvent::InSession { id, request, .. } => self.asked_in_session(now, leg, id, &request),
            _ => {}
        }
    }

    /// One contact of a client accepted: the others are cancelled.
    fn client_accepted(&mut self, now: Time, leg: LegId, session: SessionId, response: &Response) {
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
    fn client_refused(
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

    /// A request inside an established session.
    fn asked_in_session(&mut self, now: Time, leg: LegId, id: ServerId, request: &Request) {
        if request.method() == Method::Info {
            // RFC 6086 4.2.2: no Info-Package is offered here; one without a package is answered and ignored.
            let status = if request.text(Name::InfoPackage).is_some() { 469 } else { 200 };
            self.agent.answer(now, &mut self.ids, id, Reply::new(status), None, &mut self.out);
            return;
        }
        match self.in_session_offer(request) {
            Ok((offer, info)) => {
                self.legs.offers.insert(leg, id);
                self.hear(now, leg, LegEvent::Offered { offer, info: info.map(canonical).map(Box::new) });
            }
            Err(refusal) => {
                tracing::info!(call_id = request.call_id(), "offer refused: {refusal}");
                let reply = self.render_answer(&refusal.answer());
                self.agent.answer(now, &mut self.ids, id, reply, None, &mut self.out);
            }
        }
    }

    /// The final answer to an offer of ours inside a session.
    pub(super) fn offer_answered(&mut self, leg: LegId, status: u16, response: Option<&Response>) {
        let result = match response {
            Some(response) if (200..300).contains(&status) => Ok(Box::new(self.acceptance(response))),
            response => Err(Box::new(self.rejection(status, response))),
        };
        if self.legs.legs.contains_key(&leg) {
            self.hear_later(leg, LegEvent::OfferAnswered(result));
        }
    }
}

enum Reached {
    Memory(LegId),
    Session { session: SessionId, owner: LegOwner, service: McService, listener: u16, client: bool },
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
