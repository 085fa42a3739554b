//! What functions elsewhere say and ask about groups that are owned here: affiliation of the users they serve
//! (TS 24.379 9.2.2.3.3, 9.2.2.3.4).

use super::read::{Bodies, canonical, identity};
use super::trust::{Sender, Unknown};
use super::{ReplyKind, Service};
use crate::documents::pidf::{self, Presence};
use crate::documents::{McInfo, names};
use crate::env::Time;
use crate::gms::{self, status::StatusAsk};
use crate::mc::affiliation::owning::{self, GroupPublishAsk};
use crate::mc::dynamic;
use crate::model::{GroupId, Service as McService, Subscriber, UserId};
use crate::procedure::{Caller, Refusal};
use crate::sip::message::Request;
use crate::sip::transaction::{Flow, ServerId};
use crate::sip::wire::Name;

impl Service {
    /// PUBLISH at the controlling function.
    pub(super) fn publish_group(
        &mut self,
        now: Time,
        id: ServerId,
        flow: Flow,
        request: &Request,
    ) -> Result<(), Unknown> {
        self.is_presence(request)?;
        let Asked { caller, service, info, bodies } = self.asked_by_function(now, flow, request)?;
        self.speaks_for(&caller, info.calling_user.as_deref())?;
        if self.await_document(now, info.request_uri.as_deref(), (id, flow), request) {
            return Ok(());
        }
        let presence = self.presence(&bodies, service)?;
        let expires = request.number(Name::Expires)?;
        self.decide(now, id, request, ReplyKind::Plain, |layer, reply| {
            let (call_id, cseq) = (request.call_id().to_owned(), request.cseq());
            let ask = GroupPublishAsk { reply, caller, service, info, presence, expires, call_id, cseq };
            owning::publish(&mut view!(layer, now), ask)
        })
    }

    /// PUBLISH at the group management server: a status update (TS 23.280 10.8.3.1 step 5b).
    pub(super) fn publish_status(
        &mut self,
        now: Time,
        id: ServerId,
        flow: Flow,
        request: &Request,
    ) -> Result<(), Unknown> {
        self.is_presence(request)?;
        let Asked { caller, service, info, bodies } = self.asked_by_function(now, flow, request)?;
        let group = info
            .request_uri
            .ok_or_else(|| Refusal::malformed("mcptt-info: mcptt-request-uri names no group"))?;
        let user = info
            .calling_user
            .ok_or_else(|| Refusal::malformed("mcptt-info: mcptt-calling-user-id names no user"))?;
        let presence = self.presence(&bodies, service)?;
        let expires = request.number(Name::Expires)?;
        self.decide(now, id, request, ReplyKind::Plain, |layer, reply| {
            let (group, user) = (GroupId::new(group), UserId::new(user));
            let ask = StatusAsk { reply, caller, group, user, service, presence, expires };
            gms::status::update(&mut view!(layer, now), ask)
        })
    }

    /// SUBSCRIBE at the controlling function.
    pub(super) fn subscribe_group(
        &mut self,
        now: Time,
        id: ServerId,
        flow: Flow,
        request: &Request,
    ) -> Result<(), Unknown> {
        let Asked { caller, service, info, bodies } = self.asked_by_function(now, flow, request)?;
        self.speaks_for(&caller, info.calling_user.as_deref())?;
        if self.await_document(now, info.request_uri.as_deref(), (id, flow), request) {
            return Ok(());
        }
        let filter = match bodies.find(names::SIMPLE_FILTER) {
            Some(part) => pidf::filter_tuple(&part.content, &self.setup.limits)?,
            None => None,
        };
        let by = info.calling_user.as_deref().map(UserId::new);
        // One user's affiliation is asked for with a filter for this user; anything else is the group's dynamic data.
        let filter = filter.map(|id| UserId::new(identity(&id)));
        if by.is_none() || filter != by {
            let group = info.request_uri.as_deref().map(GroupId::new);
            let group = group.ok_or_else(|| Refusal::malformed("mcptt-info: mcptt-request-uri missing"))?;
            let view = view!(self, now);
            let watched = dynamic::subscribe_function(&view, &caller, &group, (filter, by), service);
            let subscriber = Subscriber::Function(caller.psi);
            return self.accept_subscription(now, id, flow, request, subscriber, watched?, None);
        }
        let expires = request.number(Name::Expires)?;
        let watched = owning::subscribe(&view!(self, now), &caller, &info, service, expires)?;
        self.accept_subscription(now, id, flow, request, Subscriber::Function(caller.psi), watched, None)
    }

    /// Whether the event package of a PUBLISH is that of affiliations.
    fn is_presence(&self, request: &Request) -> Result<(), Refusal> {
        if self.event(request)? != "presence" {
            return Err(Refusal::BadEvent);
        }
        Ok(())
    }

    /// The affiliations that a PUBLISH tells.
    fn presence(&self, bodies: &Bodies, service: McService) -> Result<Presence, Unknown> {
        let part = bodies.find(names::PIDF).ok_or(Refusal::UnsupportedBody { expected: names::PIDF })?;
        Ok(Presence::decode(&part.content, service, &self.setup.limits)?)
    }

    /// A function asks about one of its users.
    fn asked_by_function(&mut self, now: Time, flow: Flow, request: &Request) -> Result<Asked, Unknown> {
        let caller = match self.identify(now, flow, request)? {
            Sender::Function(caller) => caller,
            Sender::User(_) => {
                return Err(Refusal::NotPermitted { why: "only functions may ask for that" }.into());
            }
        };
        let mut bodies = self.bodies(request)?;
        let service = self.service_of(request, &bodies)?.ok_or(Refusal::NotOurService)?;
        let info = bodies.info.take().map(|(_, info)| canonical(info)).unwrap_or_default();
        Ok(Asked { caller, service, info, bodies })
    }
}

/// What a function asks.
struct Asked {
    caller: Caller,
    service: McService,
    info: McInfo,
    bodies: Bodies,
}
