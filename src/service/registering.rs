//! REGISTER: from a client of the laboratory, or by third party from the core.

use super::trust::Unknown;
use super::{ReplyKind, Service};
use crate::documents::{McInfo, names};
use crate::env::Time;
use crate::mc;
use crate::mc::registration::{ContactAsk, RegisterAsk};
use crate::model::{Binding, BindingOrigin, ClientId, PublicId, Service as McService, ServiceSet, UserId};
use crate::procedure::Refusal;
use crate::sip::message::{Method, NameAddr, Request, Uri};
use crate::sip::transaction::{Flow, ServerId};
use crate::sip::wire::{self, Name};

impl Service {
    /// REGISTER: from a configured S-CSCF (third party), or from a client of the laboratory.
    pub(super) fn register(
        &mut self,
        now: Time,
        id: ServerId,
        flow: Flow,
        request: &Request,
    ) -> Result<(), Unknown> {
        let address_of_record = request.to()?.uri.identity();
        if self.is_from_serving(flow) {
            return self.register_by_core(now, id, flow, request, &address_of_record);
        }
        if !self.setup.registrar {
            return Err(Refusal::NotPermitted {
                why: "no configured S-CSCF, and this server is no registrar",
            }
            .into());
        }
        let Some(user) = self.model.user_of(&address_of_record).cloned() else {
            return Err(Refusal::UnknownUser.into());
        };
        // RFC 3261 10.3 step 3 and 4: who registers is who is registered.
        let claimed = self.claimed_user(request)?;
        if claimed.id != user.id {
            return Err(Refusal::NotPermitted { why: "registering somebody else" }.into());
        }
        self.authenticate(now, flow, request, &user)?;
        let bodies = self.bodies(request)?;
        let named = self.service_of(request, &bodies)?;
        let body_client =
            bodies.info.and_then(|(_, info)| info.client_id).map(|client| ClientId::new(client.as_str()));
        let contacts = request.contacts()?;
        let expires = request.number(Name::Expires)?;
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
                    services: services_of(Some(contact), named),
                }
            })
            .collect();
        // RFC 3261 10.3 step 1: this server knows no bindings of other domains.
        if !self.is_ours(request.uri()) {
            return Err(Refusal::NotFound.into());
        }
        let path = request.addresses(Name::Path)?;
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
        let Some(user) = self.model.user_of(address_of_record).cloned() else {
            return Err(Refusal::UnknownUser.into());
        };
        let expires = request.number(Name::Expires)?;
        let inner = self.inner_register(request);
        let public_id = PublicId::new(address_of_record);
        let address = public_id.clone();
        let binding = ContactAsk {
            contact: address_of_record.to_owned(),
            expires: inner.ends.then_some(0),
            client: inner.client,
            parameters: String::new(),
            services: inner.services,
        };
        // Requests to the user go through the configured core, or back to the S-CSCF that told us.
        let contacts = request.contacts()?;
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
        let mut told = InnerRegister { services: services_of(None, None), ..InnerRegister::default() };
        let Ok(bodies) = self.bodies(request) else { return told };
        let mut named = bodies.info.as_ref().map(|(service, _)| *service);
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
            let info = self.bodies(&inner).ok().and_then(|bodies| bodies.info);
            named = named.or(info.as_ref().map(|(service, _)| *service));
            told.client = client(info.map(|(_, info)| info));
            told.services = services_of(contacts.first(), named);
        } else {
            told.services = services_of(None, named);
        }
        told.client = client(bodies.info.map(|(_, info)| info)).or(told.client);
        told
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
    /// The services that the client registers for.
    services: ServiceSet,
}

/// The services that a client registers for: by the feature tags of its Contact (TS 24.379 7.2.1), and the one that the
/// request names in a body or header. Where nothing tells: MCPTT.
fn services_of(contact: Option<&NameAddr>, named: Option<McService>) -> ServiceSet {
    let tagged = |service: &McService| {
        let names = names::of(*service);
        contact.is_some_and(|contact| {
            contact.params.iter().any(|(name, value)| {
                let tag = name.strip_prefix('+').unwrap_or_default();
                // `g.3gpp.mcdata.sds` and its siblings are MCData.
                tag.strip_prefix(names.feature_tag)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                    || tag == "g.3gpp.icsi-ref"
                        && value
                            .as_deref()
                            .unwrap_or_default()
                            .split(',')
                            .any(|icsi| icsi == names.icsi_escaped)
            })
        })
    };
    let services: ServiceSet = McService::ALL.into_iter().filter(tagged).chain(named).collect();
    if services.is_empty() { McService::Mcptt.into() } else { services }
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
