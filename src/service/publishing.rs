//! PUBLISH: affiliation.

use super::read::{canonical, canonical_presence, unusable};
use super::trust::{Unknown, malformed};
use super::{ReplyKind, Service};
use crate::documents::{names, pidf};
use crate::env::Time;
use crate::mc;
use crate::mc::affiliation::PublishAsk;
use crate::procedure::Refusal;
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
        let refuse = |refusal| Unknown::Refuse(refusal);
        self.addressed_participating(request).map_err(refuse)?;
        let event = self.event(request).map_err(refuse)?;
        if event != "presence" {
            return Err(refuse(Refusal::BadEvent));
        }
        let user = self.sending_user(now, flow, request)?;
        let mut bodies = self.bodies(request).map_err(refuse)?;
        let service =
            self.service_of(request, &bodies).map_err(refuse)?.ok_or(refuse(Refusal::NotOurService))?;
        let presence = match bodies.find(names::PIDF) {
            Some(part) => Some(
                pidf::Presence::decode(&part.content, service, &self.setup.limits)
                    .map(canonical_presence)
                    .map_err(|e| refuse(unusable(e)))?,
            ),
            None => None,
        };
        let expires = request.number(Name::Expires).map_err(|e| refuse(malformed(e)))?;
        let info = bodies.info.take().map(|(_, info)| canonical(info));
        let etag = request.text(Name::SipIfMatch);
        if presence.is_none() && !bodies.parts.is_empty() && etag.is_none() {
            return Err(refuse(Refusal::UnsupportedBody { expected: names::PIDF }));
        }
        let groups =
            presence.iter().flat_map(|presence| &presence.tuples).map(|tuple| tuple.affiliations.len());
        self.within_groups_limit(groups.max().unwrap_or(0)).map_err(refuse)?;
        self.decide(now, id, request, ReplyKind::Plain, |layer, reply| {
            let info = info.unwrap_or_default();
            let ask = PublishAsk { reply, sender: user.id.clone(), service, info, presence, expires, etag };
            mc::affiliation::publish(&mut view!(layer, now), ask)
        })
    }
}
