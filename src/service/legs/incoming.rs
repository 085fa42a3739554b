//! New INVITEs: which function of this process they are for (TS 24.379 6.3.1.1), and who may ask for that.

use super::super::Service;
use super::super::read::canonical;
use super::super::router::challenge;
use super::super::trust::{Sender, Unknown};
use super::{Addressed, End, Handover, LegState};
use crate::env::Time;
use crate::mc::calls::{self, Incoming};
use crate::model::{
    CallRef, ClientId, FunctionKind, GroupId, LegId, LegOwner, ParticipationRef, Service as McService, Side,
    UserId,
};
use crate::procedure::{Invitation, LegEvent, Refusal};
use crate::sip::dialog::SessionId;
use crate::sip::message::{Request, Uri};
use crate::sip::transaction::{Flow, shown};

impl Service {
    /// A new INVITE: finds the function it is for (TS 24.379 6.3.1.1) and hands it over.
    pub(in crate::service) fn invited(
        &mut self,
        now: Time,
        session: SessionId,
        flow: Flow,
        request: &Request,
    ) {
        let mut service = McService::Mcptt;
        if let Err(unknown) = self.try_invited(now, session, flow, request, &mut service) {
            self.refused_invite(now, session, flow, request, service, unknown);
        }
    }

    /// Refuses a new INVITE.
    pub(in crate::service) fn refused_invite(
        &mut self,
        now: Time,
        session: SessionId,
        flow: Flow,
        request: &Request,
        service: McService,
        unknown: Unknown,
    ) {
        match unknown {
            Unknown::Challenge(challenges) => {
                let reply = challenge(challenges);
                self.agent.refuse(now, &mut self.ids, session, reply, &mut self.out);
            }
            Unknown::Refuse(refusal) => {
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

    pub(super) fn addressed_psi(&self, request: &Request) -> Option<crate::model::Psi> {
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
    pub(super) fn try_invited(
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
        // That call may be one of a controlling function elsewhere.
        let (call, elsewhere) = match (&rejoin, &sender) {
            (None, _) => (None, None),
            (Some(Addressed { call: Some(call), .. }), _) => (Some(*call), None),
            (Some(Addressed { owner: LegOwner::Participation(id), .. }), Sender::User(user)) => {
                let left = self.open.left_elsewhere(&self.model, *id, &user.id);
                (None, Some(left.ok_or(refuse(Refusal::NoSuchCall))?))
            }
            (Some(_), _) => return Err(refuse(Refusal::NoSuchCall)),
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
                Incoming::Originating { user: user.id.clone(), client, elsewhere }
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
                if controlling
                    && caller.controlling
                    && invitation.focus
                    && (!participating || self.names_group(&invitation)) =>
            {
                Incoming::NonControlling { from: caller }
            }
            Sender::Function(caller)
                if participating && caller.controlling && (invitation.focus || !controlling) =>
            {
                let group = invitation.info.calling_group.as_deref().map(GroupId::new);
                if let (Some(partner), Some(group)) = (&caller.partner, group)
                    && !self.may_invite_to(partner, &group)
                {
                    return Err(refuse(Refusal::NotPermitted { why: "no group of ours to invite to" }));
                }
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

    /// Whether an invitation is for a group that is known here, rather than for a member.
    fn names_group(&self, invitation: &Invitation) -> bool {
        invitation.info.request_uri.as_deref().is_some_and(|named| self.names_group_here(named))
    }

    /// Whether a partner system may invite our users to a call on a group: not on one of ours, unless it does so for a
    /// constituent of its own that is part of our temporary group (TS 24.379 10.1.1.5.2), or was before it was torn down.
    fn may_invite_to(&self, partner: &str, group: &GroupId) -> bool {
        let ours = group.domain().eq_ignore_ascii_case(&self.setup.policy.domain);
        let known = self.model.group(Side::Mc, group.as_str()).filter(|_| ours);
        known.is_none_or(|document| {
            let mut constituents = document.temporary.iter().flat_map(|temporary| &temporary.constituents);
            constituents.any(|constituent| constituent.domain().eq_ignore_ascii_case(partner))
        })
    }

    /// Whether this is a group that is known here.
    pub(in crate::service) fn names_group_here(&self, named: &str) -> bool {
        self.model.group(Side::Mc, named).is_some()
    }

    /// What the session identity in this URI names ([`Self::session_identity`]).
    pub(in crate::service) fn session_addressed(&self, uri: &Uri) -> Option<Addressed> {
        let whole = uri.param("gr")?;
        // A session identity that our gateway has shown in place of the function's.
        let gateway = shown(whole);
        let mut numbers = gateway
            .map_or(whole, |(_, instance)| instance)
            .split('-')
            .map(|number| u64::from_str_radix(number, 16).ok());
        let (instance, behind) = (numbers.next()??, numbers.next());
        let user = uri.user()?;
        if gateway.is_some() && !self.is_gateways_user(user) {
            return None;
        }
        let names = |psis: &[crate::model::Psi]| {
            psis.iter().any(|psi| {
                Uri::parse(psi.as_str().as_bytes()).ok().and_then(|p| p.user().map(|u| u == user))
                    == Some(true)
            })
        };
        let functions = &self.setup.policy.functions;
        let is = |kind| match gateway {
            Some((kinds, _)) => kinds.contains(&kind),
            None => names(functions.of(kind)),
        };
        let participating = is(FunctionKind::Participating);
        // The two functions may have the same user part.
        if is(FunctionKind::Controlling) && (self.model.call(CallRef(instance)).is_some() || !participating) {
            let call = CallRef(instance);
            return Some(Addressed { owner: LegOwner::Call(call), call: Some(call) });
        }
        if !participating {
            return None;
        }
        let owner = LegOwner::Participation(ParticipationRef(instance));
        let call = behind.flatten().map(CallRef).or_else(|| self.legs.call_behind(owner));
        Some(Addressed { owner, call })
    }

    fn is_gateways_user(&self, user: &str) -> bool {
        let gateway = self.setup.policy.gateway.as_ref();
        let gateway = gateway.and_then(|gateway| Uri::parse(gateway.as_str().as_bytes()).ok());
        gateway.is_some_and(|gateway| gateway.user() == Some(user))
    }

    /// The client that registered from where this message came; `None` if several did, as behind a core.
    pub(in crate::service) fn client_at(&self, now: Time, user: &UserId, flow: Flow) -> Option<ClientId> {
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
    pub(in crate::service) fn hand_over(&mut self, now: Time, handover: Handover) {
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
}
