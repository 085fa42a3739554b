//! Which procedure a request is for, by method, Request-URI and bodies.

use super::read::{canonical, canonical_presence, fingerprint, unusable};
use super::render::ACCEPT;
use super::trust::{Sender, Unknown, malformed};
use super::{ReplyContext, ReplyKind, Service};
use crate::documents::gmop::{Gmop, OperationKind};
use crate::documents::{McInfo, names, pidf};
use crate::env::Time;
use crate::mc::affiliation::PublishAsk;
use crate::mc::registration::{ContactAsk, RegisterAsk};
use crate::model::{Binding, BindingOrigin, ClientId, PublicId, Service as McService, User, UserId};
use crate::procedure::{Outcome, Over, Refusal, ReplyTo};
use crate::sip::message::{Method, NameAddr, Reply, Request, Uri};
use crate::sip::transaction::{Flow, ServerId};
use crate::sip::wire::{self, Name};
use crate::{gms, mc};
use std::sync::Arc;

impl Service {
    /// A request outside the INVITE sessions.
    pub(super) fn route(&mut self, now: Time, id: ServerId, flow: Flow, request: &Request) {
        let result = match request.method() {
            Method::Options => self.options(now, id, request),
            _ if self.stopping && request.to_tag().is_none() => {
                Err(Unknown::Refuse(Refusal::StoreUnavailable))
            }
            Method::Register => self.register(now, id, flow, request),
            Method::Message => self.message(now, id, flow, request),
            Method::Publish => self.publish(now, id, flow, request),
            Method::Subscribe => self.subscribe(now, id, flow, request),
            Method::Notify => {
                // Whoever knows both tags of a dialog of ours may notify; anybody else hears 481 (RFC 6665 4.1.3).
                let (agent, ids, events) = (&mut self.agent, &mut self.ids, &mut self.subscriber_events);
                self.subscriber.notified(now, ids, agent, request.clone(), id, &mut self.out, events);
                Ok(())
            }
            _ => Err(Unknown::Refuse(Refusal::UnknownOperation)),
        };
        match result {
            Ok(()) => {}
            Err(Unknown::Challenge(challenges)) => {
                let reply = challenge(challenges);
                self.agent.answer(now, &mut self.ids, id, reply, None, &mut self.out);
            }
            Err(Unknown::Refuse(refusal)) => {
                let answer = refusal.answer();
                tracing::info!(
                    call_id = request.call_id(),
                    peer = %flow.peer,
                    method = request.method_token(),
                    status = answer.status,
                    "request refused: {refusal}"
                );
                let reply = self.render_answer(&answer);
                self.agent.answer(now, &mut self.ids, id, reply, None, &mut self.out);
            }
        }
    }

    /// Registers who waits for an answer, runs the procedure, and carries out what it decided.
    fn decide(
        &mut self,
        now: Time,
        id: ServerId,
        request: &Request,
        kind: ReplyKind,
        procedure: impl FnOnce(&mut Self, ReplyTo) -> Result<Outcome<Over>, Refusal>,
    ) -> Result<(), Unknown> {
        let to = ReplyTo(id.0);
        let outcome = procedure(self, to).map_err(Unknown::Refuse)?;
        self.room_for_owed(&outcome).map_err(Unknown::Refuse)?;
        self.cause = Some(request.call_id().to_owned());
        self.replies.insert(to, ReplyContext { server: id, kind });
        self.carry_out(now, outcome);
        Ok(())
    }

    /// OPTIONS (RFC 3261 11): what this server takes.
    fn options(&mut self, now: Time, id: ServerId, request: &Request) -> Result<(), Unknown> {
        if !self.is_ours(request.uri()) {
            return Err(Unknown::Refuse(Refusal::NotFound));
        }
        let reply = Reply::new(200)
            .header(Name::Allow, self.allow.clone())
            .header(Name::Accept, ACCEPT)
            .header(Name::AcceptEncoding, "identity")
            .header(Name::AcceptLanguage, "en")
            .header(Name::Supported, self.supported.clone())
            .header(Name::AllowEvents, self.allow_events.clone());
        self.agent.answer(now, &mut self.ids, id, reply, None, &mut self.out);
        Ok(())
    }

    /// Whether a URI names this server: its domain, a listener, or a PSI.
    fn is_ours(&self, uri: &Uri) -> bool {
        let host = uri.host();
        let policy = &self.setup.policy;
        if host.eq_ignore_ascii_case(&policy.domain) && uri.user().is_none() {
            return true;
        }
        if uri.user().is_none() && (host.eq_ignore_ascii_case(&policy.warning_agent) || self.is_listener(uri))
        {
            return true;
        }
        let identity = uri.identity();
        let functions = &policy.functions;
        [&functions.participating, &functions.controlling, &functions.gms]
            .into_iter()
            .flatten()
            .any(|psi| psi.as_str() == identity)
    }

    fn is_listener(&self, uri: &Uri) -> bool {
        self.setup.agent.transactions.hops.listeners.iter().any(|listener| {
            let (host, port) = listener.advertised.rsplit_once(':').unwrap_or((&listener.advertised, "5060"));
            host.eq_ignore_ascii_case(uri.host()) && port.parse().ok() == Some(uri.port().unwrap_or(5060))
        })
    }

    /// REGISTER: from a configured S-CSCF (third party), or from a client of the laboratory.
    fn register(&mut self, now: Time, id: ServerId, flow: Flow, request: &Request) -> Result<(), Unknown> {
        let refuse = |refusal| Unknown::Refuse(refusal);
        let address_of_record = request.to().map_err(|e| refuse(malformed(e)))?.uri.identity();
        if self.is_from_serving(flow) {
            return self.register_by_core(now, id, flow, request, &address_of_record);
        }
        if !self.setup.registrar {
            return Err(refuse(Refusal::NotPermitted {
                why: "no configured S-CSCF, and this server is no registrar",
            }));
        }
        let Some(user) = self.model.user_of(&address_of_record).cloned() else {
            return Err(refuse(Refusal::UnknownUser));
        };
        // RFC 3261 10.3 step 3 and 4: who registers is who is registered.
        let claimed = self.claimed_user(request)?;
        if claimed.id != user.id {
            return Err(refuse(Refusal::NotPermitted { why: "registering somebody else" }));
        }
        self.authenticate(now, flow, request, &user)?;
        let bodies = self.bodies(request).map_err(refuse)?;
        let mc_service = self.service_of(request, &bodies).map_err(refuse)?.unwrap_or(McService::Mcptt);
        let body_client =
            bodies.info.and_then(|(_, info)| info.client_id).map(|client| ClientId::new(client.as_str()));
        let contacts = request.contacts().map_err(|e| refuse(malformed(e)))?;
        let expires = request.number(Name::Expires).map_err(|e| refuse(malformed(e)))?;
        let remove_all = contacts.iter().any(|contact| contact.text.trim() == "*");
        let contacts = contacts
            .iter()
            .filter(|_| !remove_all)
            .map(|contact| {
                let instance =
                    contact.param("+sip.instance").map(|text| ClientId::new(text.trim_matches(['<', '>'])));
                ContactAsk {
                    contact: contact.uri.as_str().to_owned(),
                    expires: contact.param("expires").and_then(|text| text.parse().ok()),
                    client: body_client.clone().or(instance).or_else(|| user.default_client.clone()),
                    parameters: contact_parameters(&contact.params),
                }
            })
            .collect();
        // RFC 3261 10.3 step 1: this server knows no bindings of other domains.
        if !self.is_ours(request.uri()) {
            return Err(refuse(Refusal::NotFound));
        }
        let path = request.addresses(Name::Path).map_err(|e| refuse(malformed(e)))?;
        let public_id = PublicId::new(address_of_record);
        let address = public_id.clone();
        let user_id = user.id.clone();
        let kind = ReplyKind::Register(public_id.clone());
        self.decide(now, id, request, kind, |service, reply| {
            let ask = RegisterAsk {
                reply,
                user: user.id.clone(),
                public_id,
                contacts,
                remove_all,
                expires,
                call_id: request.call_id().to_owned(),
                cseq: request.cseq(),
                source: flow.source(),
                route: path.into_iter().map(|route| route.text).collect(),
                origin: BindingOrigin::Own,
                service: mc_service,
                contacts_limit: service.setup.limits.contacts_per_identity,
            };
            mc::registration::register(&mut view!(service, now), ask)
        })?;
        self.registered(now, request, &user_id, &address);
        Ok(())
    }

    /// After a REGISTER that was taken: what waits for the user goes out.
    fn registered(&mut self, now: Time, request: &Request, user: &UserId, address: &PublicId) {
        let contacts = self.model.registration(address.as_str()).map_or(0, |known| known.bindings.len());
        tracing::info!(call_id = request.call_id(), user = %user, address = %address, contacts, "REGISTER taken");
        self.deliver_owed_to(now, user.as_str());
    }

    /// Third-party REGISTER (TS 24.229 5.4.1.7): the S-CSCF tells who is registered.
    fn register_by_core(
        &mut self,
        now: Time,
        id: ServerId,
        flow: Flow,
        request: &Request,
        address_of_record: &str,
    ) -> Result<(), Unknown> {
        let refuse = |refusal| Unknown::Refuse(refusal);
        let Some(user) = self.model.user_of(address_of_record).cloned() else {
            return Err(refuse(Refusal::UnknownUser));
        };
        let expires = request.number(Name::Expires).map_err(|e| refuse(malformed(e)))?;
        let inner = self.inner_register(request);
        let public_id = PublicId::new(address_of_record);
        let address = public_id.clone();
        let binding = ContactAsk {
            contact: address_of_record.to_owned(),
            expires: inner.ends.then_some(0),
            client: inner.client,
            parameters: String::new(),
        };
        // Requests to the user go through the configured core, or back to the S-CSCF that told us.
        let contacts = request.contacts().map_err(|e| refuse(malformed(e)))?;
        let route = contacts.first().map(|contact| route_of(&contact.uri)).into_iter().collect();
        let user_id = user.id.clone();
        self.decide(now, id, request, ReplyKind::Register(public_id.clone()), |service, reply| {
            let ask = RegisterAsk {
                reply,
                user: user.id.clone(),
                public_id,
                contacts: vec![binding],
                remove_all: inner.ends_all,
                expires,
                call_id: inner.call_id.unwrap_or_else(|| request.call_id().to_owned()),
                cseq: request.cseq(),
                source: flow.source(),
                route,
                origin: BindingOrigin::ThirdParty,
                service: McService::Mcptt,
                contacts_limit: service.setup.limits.contacts_per_identity,
            };
            mc::registration::register(&mut view!(service, now), ask)
        })?;
        self.registered(now, request, &user_id, &address);
        Ok(())
    }

    /// What the client's own REGISTER says, which the S-CSCF may have enclosed (`message/sip`; a response may stand there
    /// too), or an info document beside it. What cannot be read is left out: the registration stands.
    fn inner_register(&self, request: &Request) -> InnerRegister {
        let mut told = InnerRegister::default();
        let Ok(bodies) = self.bodies(request) else { return told };
        let client =
            |info: Option<McInfo>| info.and_then(|info| info.client_id).as_deref().map(ClientId::from);
        let inner = bodies
            .find("message/sip")
            .and_then(|part| wire::datagram(part.content.clone(), &self.setup.limits).ok().flatten())
            .and_then(|message| Request::read(message).ok())
            .filter(|inner| inner.method() == Method::Register);
        if let Some(inner) = inner {
            let header = inner.number(Name::Expires).ok().flatten();
            let contacts = inner.contacts().unwrap_or_default();
            let ends = |contact: &NameAddr| match contact.param("expires") {
                Some(seconds) => seconds.parse() == Ok(0),
                None => header == Some(0),
            };
            told.ends = !contacts.is_empty() && contacts.iter().all(ends);
            told.ends_all = told.ends && contacts.iter().any(|contact| contact.text.trim() == "*");
            told.call_id = Some(inner.call_id().to_owned());
            told.client =
                self.bodies(&inner).ok().and_then(|bodies| client(bodies.info.map(|(_, info)| info)));
        }
        told.client = client(bodies.info.map(|(_, info)| info)).or(told.client);
        told
    }

    /// MESSAGE: operations of the GMS (this product's carrier of TS 24.481 GMOP).
    fn message(&mut self, now: Time, id: ServerId, flow: Flow, request: &Request) -> Result<(), Unknown> {
        let refuse = |refusal| Unknown::Refuse(refusal);
        let addressed = request.uri().identity();
        let functions = &self.setup.policy.functions;
        let to_gms = functions.gms.iter().any(|psi| psi.as_str() == addressed);
        let ours = to_gms
            || functions
                .participating
                .iter()
                .chain(&functions.controlling)
                .any(|psi| psi.as_str() == addressed);
        if !ours {
            return Err(refuse(Refusal::NotFound));
        }
        let user = match self.identify(now, flow, request)? {
            Sender::User(user) => user,
            Sender::Function(..) => {
                return Err(refuse(Refusal::NotPermitted {
                    why: "group operations between systems are not agreed",
                }));
            }
        };
        let mut bodies = self.bodies(request).map_err(refuse)?;
        let mc_service = self.service_of(request, &bodies).map_err(refuse)?.unwrap_or(McService::Mcptt);
        let Some((_, info)) = bodies.info.take() else {
            return Err(refuse(Refusal::Malformed { place: "mcptt-info missing".to_owned() }));
        };
        let info = canonical(info);
        let Some(part) = bodies.find(names::GMOP) else {
            let known = info.req_type.as_deref().is_none_or(|kind| KINDS.contains(&kind));
            return Err(refuse(if known {
                Refusal::UnsupportedBody { expected: names::GMOP }
            } else {
                Refusal::UnknownOperation
            }));
        };
        let operation =
            match Gmop::decode(&part.content, &self.setup.limits).map_err(|e| refuse(unusable(e)))? {
                Gmop::Request(operation) => operation,
                Gmop::Response(_) => return Err(refuse(Refusal::UnknownOperation)),
            };
        match (info.req_type.as_deref(), kind_of(&operation.kind)) {
            (Some(kind), _) if !KINDS.contains(&kind) => return Err(refuse(Refusal::UnknownOperation)),
            (Some(kind), Some(of_document)) if kind != of_document => {
                let place = "mcptt-info and GMOP name different operations";
                return Err(refuse(Refusal::malformed(place)));
            }
            _ => {}
        }
        let hash = fingerprint(&part.content);
        let client = self.client_named(now, &user, info.client_id.as_deref(), flow);
        let groups =
            operation.group.as_ref().and_then(|group| group.constituents.as_ref()).map_or(0, Vec::len);
        self.within_groups_limit(groups).map_err(refuse)?;
        self.decide(now, id, request, ReplyKind::Plain, |service, reply| {
            let ask = gms::Ask {
                reply,
                sender: user.id.clone(),
                client,
                call_id: request.call_id().to_owned(),
                info,
                service: mc_service,
                operation,
                hash,
            };
            match ask.operation.kind {
                OperationKind::GroupRegroupCreation => gms::formation::request(&mut view!(service, now), ask),
                OperationKind::GroupRegroupTeardown => gms::teardown::request(&mut view!(service, now), ask),
                _ => Err(Refusal::UnknownOperation),
            }
        })
    }

    /// `Limits::groups_per_request`.
    fn within_groups_limit(&self, groups: usize) -> Result<(), Refusal> {
        let limit = self.setup.limits.groups_per_request;
        if groups > limit { Err(Refusal::TooManyGroups { limit }) } else { Ok(()) }
    }

    fn client_named(&self, now: Time, user: &User, named: Option<&str>, flow: Flow) -> Option<ClientId> {
        named
            .map(ClientId::from)
            .or_else(|| self.client_at(now, &user.id, flow))
            .or_else(|| user.default_client.clone())
    }

    /// PUBLISH: affiliation (TS 24.379 9.2.2.2.3).
    fn publish(&mut self, now: Time, id: ServerId, flow: Flow, request: &Request) -> Result<(), Unknown> {
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

    /// SUBSCRIBE: affiliation status (TS 24.379 9.2.2.2.4) or the roster of a call (10.1.3).
    fn subscribe(&mut self, now: Time, id: ServerId, flow: Flow, request: &Request) -> Result<(), Unknown> {
        if request.to_tag().is_some() {
            let (agent, ids) = (&mut self.agent, &mut self.ids);
            self.notifier.in_dialog(now, ids, agent, request, id, &mut self.out, &mut self.notifier_events);
            return Ok(());
        }
        let refuse = |refusal| Unknown::Refuse(refusal);
        let event = self.event(request).map_err(refuse)?;
        let user = self.sending_user(now, flow, request)?;
        let bodies = self.bodies(request).map_err(refuse)?;
        match event.as_str() {
            "presence" => self.watch_affiliations(now, id, flow, request, &user, bodies),
            "conference" => self.watch_conference(now, id, flow, request, &user, bodies),
            _ => Err(refuse(Refusal::BadEvent)),
        }
    }

    /// The user who sent a request; functions are refused where only users may ask.
    fn sending_user(&mut self, now: Time, flow: Flow, request: &Request) -> Result<Arc<User>, Unknown> {
        match self.identify(now, flow, request)? {
            Sender::User(user) => Ok(user),
            Sender::Function(..) => {
                Err(Unknown::Refuse(Refusal::NotPermitted { why: "only users may ask for that" }))
            }
        }
    }

    pub(super) fn addressed_participating(&self, request: &Request) -> Result<(), Refusal> {
        let addressed = request.uri().identity();
        let ours = self.setup.policy.functions.participating.iter().any(|psi| psi.as_str() == addressed);
        if ours { Ok(()) } else { Err(Refusal::NotFound) }
    }

    fn event(&self, request: &Request) -> Result<String, Refusal> {
        let line = request.wire().header(Name::Event).ok_or(Refusal::BadEvent)?;
        let event = crate::sip::message::values::Event::parse(&line).map_err(malformed)?;
        Ok(event.package.to_ascii_lowercase())
    }

    /// Contact values of a 200 to REGISTER: every current binding with the seconds left (RFC 3261 10.3 step 8). Clients
    /// behind a core share a contact, which is told once.
    pub(super) fn contacts_for_answer(&self, now: Time, public_id: &PublicId) -> Vec<String> {
        let Some(registration) = self.model.registration(public_id.as_str()) else { return Vec::new() };
        let mut told: Vec<&Binding> = Vec::new();
        for binding in registration.bindings.iter().filter(|binding| binding.expires > now) {
            match told.iter_mut().find(|known| known.contact == binding.contact) {
                Some(known) if known.expires < binding.expires => *known = binding,
                Some(_) => {}
                None => told.push(binding),
            }
        }
        told.into_iter()
            .map(|binding| {
                let left = binding.expires.since(now).as_millis().div_ceil(1000);
                let parameters = &binding.parameters;
                format!("<{}>{parameters};expires={left}", binding.contact)
            })
            .collect()
    }
}

/// What a third-party REGISTER encloses (TS 24.229 5.4.1.7A).
#[derive(Debug, Default)]
struct InnerRegister {
    /// The client ID.
    client: Option<ClientId>,
    /// The Call-ID, the same for all REGISTERs of one client (RFC 3261 10.2).
    call_id: Option<String>,
    /// The client goes.
    ends: bool,
    /// And all its user's other clients with it: `Contact: *`.
    ends_all: bool,
}

/// Request kinds of TS 24.379's `req-type` that this server's GMS takes.
const KINDS: [&str; 2] = ["group-regroup-request", "group-regroup-teardown-request"];

/// The request kind that belongs to an operation element.
fn kind_of(operation: &OperationKind) -> Option<&'static str> {
    let [formation, teardown] = KINDS;
    match operation {
        OperationKind::GroupRegroupCreation => Some(formation),
        OperationKind::GroupRegroupTeardown => Some(teardown),
        _ => None,
    }
}

/// Contact parameters for the answer, without those that the registrar sets itself.
fn contact_parameters(params: &[(String, Option<String>)]) -> String {
    let mut text = String::new();
    for (name, value) in params {
        if name == "expires" {
            continue;
        }
        text.push(';');
        text.push_str(name);
        if let Some(value) = value {
            // Values of feature tags always stand in quotes (RFC 3840 9), other values where they must.
            let token = !is_feature_tag(name)
                && !value.is_empty()
                && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b));
            if token {
                text.push_str(&format!("={value}"));
            } else {
                let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
                text.push_str(&format!("=\"{escaped}\""));
            }
        }
    }
    text
}

/// Feature tags of RFC 3840 9 that may have a value; all others begin with `+`.
const BASE_TAGS: [&str; 10] = [
    "class",
    "duplex",
    "mobility",
    "description",
    "events",
    "priority",
    "methods",
    "schemes",
    "type",
    "language",
];

fn is_feature_tag(name: &str) -> bool {
    name.starts_with('+') || BASE_TAGS.contains(&name)
}

/// Asks for credentials.
pub(super) fn challenge(challenges: Vec<String>) -> Reply {
    let add = |reply: Reply, challenge| reply.header(Name::WwwAuthenticate, challenge);
    challenges.into_iter().fold(Reply::new(401), add)
}

/// A Route value that leads to this URI.
fn route_of(uri: &Uri) -> String {
    if uri.param("lr").is_some() { format!("<{}>", uri.as_str()) } else { format!("<{};lr>", uri.as_str()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contact_parameters_keep_their_quotes_where_the_grammar_wants_them() {
        let params = [
            ("+g.3gpp.mcptt", None),
            ("+g.3gpp.icsi-ref", Some("urn%3Aurn-7%3A3gpp-service.ims.icsi.mcptt")),
            ("methods", Some("INVITE")),
            ("q", Some("0.5")),
            ("reg-id", Some("1")),
            ("expires", Some("60")),
            ("x", Some("a \"b\"")),
        ]
        .map(|(name, value)| (name.to_owned(), value.map(str::to_owned)));
        assert_eq!(
            contact_parameters(&params),
            ";+g.3gpp.mcptt;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.mcptt\";methods=\"INVITE\"\
             ;q=0.5;reg-id=1;x=\"a \\\"b\\\"\""
        );
    }
}
