//! PUBLISH: affiliation, and service settings.

use super::read::{canonical, canonical_presence};
use super::trust::Unknown;
use super::{ReplyKind, Service};
use crate::documents::poc_settings::PocSettings;
use crate::documents::{Body, names, pidf};
use crate::env::Time;
use crate::mc;
use crate::mc::affiliation::PublishAsk;
use crate::mc::proposal_end::Brought;
use crate::mc::remote_change::{ForwardAsk, Originator};
use crate::mc::settings::SettingsAsk;
use crate::model::{ClientId, GroupId, Service as McService, UserId};
use crate::procedure::{Place, Refusal};
use crate::sip::message::Request;
use crate::sip::transaction::{Flow, ServerId};
use crate::sip::wire::Name;

impl Service {
    /// PUBLISH: affiliation (TS 24.379 9.2.2.2.3).
    pub(super) fn publish(
        &mut self,
        now: Time,
        id: ServerId,
        flow: Flow,
        request: &Request,
    ) -> Result<(), Unknown> {
        if self.addressed_controlling(request) {
            return self.publish_group(now, id, flow, request);
        }
        if self.addressed_gms(request) {
            return self.publish_status(now, id, flow, request);
        }
        self.addressed_participating(request)?;
        let event = self.event(request)?;
        if event == "poc-settings" {
            return self.publish_settings(now, id, flow, request);
        }
        if event != "presence" {
            return Err(Refusal::BadEvent.into());
        }
        let mut bodies = self.bodies(request)?;
        let info = bodies.info.take().map(|(service, info)| (service, canonical(info)));
        let sender = self.originator(now, flow, request, info.as_ref().map(|(_, info)| info))?;
        bodies.info = info;
        let service = self.service_of(request, &bodies)?.ok_or(Refusal::NotOurService)?;
        let presence = match bodies.find(names::PIDF) {
            Some(part) => Some(
                pidf::Presence::decode(&part.content, service, &self.setup.limits).map(canonical_presence)?,
            ),
            None => None,
        };
        let expires = request.number(Name::Expires)?;
        let info = bodies.info.take().map(|(_, info)| info).unwrap_or_default();
        let etag = request.text(Name::SipIfMatch);
        if presence.is_none() && !bodies.parts.is_empty() && etag.is_none() {
            return Err(Refusal::UnsupportedBody { expected: names::PIDF }.into());
        }
        let groups =
            presence.iter().flat_map(|presence| &presence.tuples).map(|tuple| tuple.affiliations.len());
        self.within_groups_limit(groups.max().unwrap_or(0))?;
        // TS 24.379 9.2.2.2.9: a target who is served elsewhere.
        let target = mc::affiliation::served_user(&info)?;
        if let (Originator::Client(originator), Place::At(at)) =
            (&sender, self.setup.policy.participating_of(&target))
        {
            let (at, originator) = (at.clone(), originator.clone());
            let document = bodies
                .find(names::PIDF)
                .map(|part| Body { content_type: names::PIDF.to_owned(), content: part.content.clone() });
            return self.decide(now, id, request, ReplyKind::Plain, |layer, reply| {
                let ask = ForwardAsk { reply, originator, target, service, info, document, expires, etag };
                mc::remote_change::forward(&view!(layer, now), at, ask)
            });
        }
        sender.may(&view!(self, now), |_| true, "")?;
        let brought = self.brought(now, &sender, &target, service, presence.as_ref(), expires);
        self.decide(now, id, request, ReplyKind::Plain, |layer, reply| {
            let (by_agreement, sender) = (sender.is_partners(), sender.user().clone());
            let ask = PublishAsk { reply, sender, by_agreement, service, info, presence, expires, etag };
            mc::affiliation::publish(&mut view!(layer, now), ask)
        })?;
        if let Some(brought) = brought {
            let outcome = mc::proposal_end::published(&mut view!(self, now), brought);
            self.carry_out(now, outcome);
        }
        Ok(())
    }

    /// What a PUBLISH will bring of the proposals to its sender, if there are any.
    fn brought(
        &mut self,
        now: Time,
        sender: &Originator,
        target: &UserId,
        service: McService,
        presence: Option<&pidf::Presence>,
        expires: Option<u32>,
    ) -> Option<Brought> {
        if self.model.proposal_count() == 0 || sender.user() != target {
            return None;
        }
        let tuple = presence.filter(|presence| presence.entity == target.as_str())?.tuples.first()?;
        let groups = tuple.affiliations.iter().filter(|_| expires != Some(0));
        let wanted = groups.filter_map(|one| one.group.as_deref().map(GroupId::from)).collect();
        let client = ClientId::new(tuple.id.trim());
        mc::proposal_end::brought(&view!(self, now), target, service, &client, &wanted)
    }

    /// PUBLISH of `poc-settings`: service authorisation, settings and log-off (TS 24.379 7.3.3 to 7.3.5).
    fn publish_settings(
        &mut self,
        now: Time,
        id: ServerId,
        flow: Flow,
        request: &Request,
    ) -> Result<(), Unknown> {
        let user = self.sending_user(now, flow, request)?;
        let mut bodies = self.bodies(request)?;
        let service = self.service_of(request, &bodies)?.ok_or(Refusal::NotOurService)?;
        let entities = match bodies.find(names::POC_SETTINGS) {
            Some(part) => Some(PocSettings::decode(&part.content, &self.setup.limits)?),
            None => None,
        };
        let expires = request.number(Name::Expires)?;
        let info = bodies.info.take().map(|(_, info)| canonical(info)).unwrap_or_default();
        let etag = request.text(Name::SipIfMatch);
        let client = self.client_named(now, &user, None, flow);
        self.decide(now, id, request, ReplyKind::Plain, |layer, reply| {
            let sender = user.id.clone();
            let ask = SettingsAsk { reply, sender, client, service, info, entities, expires, etag };
            mc::settings::publish(&mut view!(layer, now), ask)
        })
    }
}
