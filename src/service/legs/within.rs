//! What happens to the SIP sessions that legs end in, and requests inside them.

use super::super::Service;
use super::super::read::canonical;
use crate::documents::McInfo;
use crate::env::Time;
use crate::mc::calls;
use crate::model::{Change, Fact, FactKey, Leg, LegId, LegLink};
use crate::procedure::LegEvent;
use crate::sip::dialog::{AgentEvent, SessionId};
use crate::sip::message::{Method, Reply, Request, Response};
use crate::sip::transaction::ServerId;
use crate::sip::wire::Name;

impl Service {
    /// Something happened to a SIP session.
    pub(in crate::service) fn on_session(&mut self, now: Time, session: SessionId, event: AgentEvent) {
        if let AgentEvent::Ended { .. } = event {
            if let Some(leg) = self.legs.ending.remove(&session)
                && self.model.leg(leg).is_some()
            {
                self.change(Change::Remove(FactKey::Leg(leg)));
            }
            return;
        }
        if let AgentEvent::GivenUp { status, .. } = event {
            if let Some((leg, owner)) = self.legs.given_up.remove(&session) {
                let event = LegEvent::GivenUp { status };
                let outcome = calls::hear(&mut view!(self, now), &mut self.open, owner, leg, event);
                self.carry_out(now, outcome);
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

    /// Writes the fact of a leg that ends in a SIP session.
    pub(super) fn keep_leg(&mut self, leg: LegId, session: SessionId) {
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

    /// Resource-Priority of a re-INVITE by its indications (TS 24.379 6.3.3.1.6, 6.3.3.1.15, 6.3.3.1.19). One that
    /// indicates nothing changes nothing.
    pub(super) fn priority_of(&self, info: Option<&McInfo>) -> Vec<(Name, String)> {
        let values = &self.setup.policy.resource_priorities;
        let value = match info.map(|info| (info.emergency, info.imminent_peril)) {
            Some((Some(true), _)) => &values.emergency,
            Some((_, Some(true))) => &values.imminent_peril,
            Some((Some(false), _) | (_, Some(false))) => &values.normal,
            Some((None, None)) | None => &None,
        };
        value.iter().map(|value| (Name::ResourcePriority, value.clone())).collect()
    }

    /// A request inside an established session.
    pub(super) fn asked_in_session(&mut self, now: Time, leg: LegId, id: ServerId, request: &Request) {
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
    pub(in crate::service) fn offer_answered(
        &mut self,
        leg: LegId,
        status: u16,
        response: Option<&Response>,
    ) {
        let result = match response {
            Some(response) if (200..300).contains(&status) => Ok(Box::new(self.acceptance(response))),
            response => Err(Box::new(self.rejection(status, response))),
        };
        if self.legs.legs.contains_key(&leg) {
            self.hear_later(leg, LegEvent::OfferAnswered(result));
        }
    }
}
