//! SIP to words: what a request or response says, as the procedures understand it.

use super::Service;
use super::render::ACCEPT;
use super::trust::malformed;
use crate::documents::conference_info::RosterTold;
use crate::documents::pidf::Presence;
use crate::documents::{DocumentError, McInfo, Part, SessionDescription, multipart, names, resource_lists};
use crate::model::{CallRef, GroupId, Service as McService, UserId};
use crate::procedure::{
    Acceptance, AnswerModeHeader, Invitation, Progress, Refusal, Rejection, SharedMembers, Warning,
};
use crate::sip::message::{Method, NameAddr, Request, Response, Uri, values};
use crate::sip::wire::Name;

/// The parts of a body, with the info document already read.
#[derive(Debug)]
pub(super) struct Bodies {
    /// Leaf parts, in order.
    pub parts: Vec<Part>,
    /// The service whose info document is there, and the document.
    pub info: Option<(McService, McInfo)>,
}

impl Bodies {
    /// The first part of this media type.
    pub fn find(&self, media_type: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.media_type.eq_ignore_ascii_case(media_type))
    }
}

/// A document that cannot be used, as a refusal.
pub(super) fn unusable(error: DocumentError) -> Refusal {
    Refusal::Malformed { place: error.to_string() }
}

impl Service {
    /// Splits the body of a request and reads its info document, if there is one.
    pub(super) fn bodies(&self, request: &Request) -> Result<Bodies, Refusal> {
        let body = request.body();
        let parts = match request.text(Name::ContentType) {
            Some(content_type) => {
                multipart::split(&content_type, &body, &self.setup.limits).map_err(unusable)?
            }
            None if body.is_empty() => Vec::new(),
            None => return Err(Refusal::Malformed { place: "a body without Content-Type".to_owned() }),
        };
        if request.method() != Method::Register && !parts.is_empty() && parts.iter().all(is_foreign) {
            return Err(Refusal::UnsupportedBody { expected: names::of(McService::Mcptt).info_type });
        }
        let info = self.info_of(&parts)?;
        if info.as_ref().is_some_and(|(_, info)| info.encrypted) {
            return Err(Refusal::Encrypted);
        }
        Ok(Bodies { parts, info })
    }

    fn info_of(&self, parts: &[Part]) -> Result<Option<(McService, McInfo)>, Refusal> {
        for part in parts {
            for service in McService::ALL {
                if part.media_type.eq_ignore_ascii_case(names::of(service).info_type) {
                    let info =
                        McInfo::decode(&part.content, service, &self.setup.limits).map_err(unusable)?;
                    return Ok(Some((service, info)));
                }
            }
        }
        Ok(None)
    }

    /// The service a request is for: P-Asserted-Service, then P-Preferred-Service, then the info document. `None` if
    /// nothing names one.
    pub(super) fn service_of(
        &self,
        request: &Request,
        bodies: &Bodies,
    ) -> Result<Option<McService>, Refusal> {
        let by_header = |name| {
            request.wire().headers(name).find_map(|value| {
                McService::ALL.into_iter().find(|service| {
                    let icsi = names::of(*service).icsi.as_bytes();
                    value.get(..icsi.len()).is_some_and(|head| head.eq_ignore_ascii_case(icsi))
                })
            })
        };
        let header = by_header(Name::PAssertedService).or_else(|| by_header(Name::PPreferredService));
        let body = bodies.info.as_ref().map(|(service, _)| *service);
        match (header, body) {
            (Some(header), Some(body)) if header != body => Err(Refusal::Malformed {
                place: "service headers and body name different services".to_owned(),
            }),
            (header, body) => Ok(header.or(body)),
        }
    }

    /// What an INVITE asks for.
    pub(super) fn invitation(
        &self,
        request: &Request,
        session: Option<CallRef>,
    ) -> Result<Invitation, Refusal> {
        let bodies = self.bodies(request)?;
        let service = self.service_of(request, &bodies)?.unwrap_or(McService::Mcptt);
        let offer = match bodies.find(names::SDP) {
            Some(part) => {
                Some(SessionDescription::decode(&part.content, &self.setup.limits).map_err(unusable)?)
            }
            None => None,
        };
        let contacts = request.contacts().map_err(malformed)?;
        let focus = contacts.first().is_some_and(|contact| contact.param("isfocus").is_some());
        let mut answer_modes = Vec::new();
        for (name, header) in [
            (Name::AnswerMode, AnswerModeHeader::Answer),
            (Name::PrivAnswerMode, AnswerModeHeader::PrivAnswer),
        ] {
            if let Some(value) = request.text(name) {
                answer_modes.push((header, value));
            }
        }
        let hops = request.number(Name::MaxForwards).map_err(malformed)?.unwrap_or(MAX_FORWARDS);
        Ok(Invitation {
            service,
            info: bodies.info.map(|(_, info)| info).unwrap_or_default(),
            offer,
            focus,
            focus_session: contacts.first().filter(|_| focus).map(|contact| contact.uri.as_str().to_owned()),
            asserted: None,
            service_requested: service_requested(request, service),
            answer_modes,
            resource_priority: request.text(Name::ResourcePriority),
            hops,
            session,
        })
    }

    /// SDP and info document of a response or in-session request; what cannot be read is left out, with a log line:
    /// the session itself goes on.
    fn lenient_bodies(
        &self,
        content_type: Option<String>,
        body: &bytes::Bytes,
    ) -> (Option<SessionDescription>, Option<McInfo>) {
        let Some(content_type) = content_type else { return (None, None) };
        let parts = match multipart::split(&content_type, body, &self.setup.limits) {
            Ok(parts) => parts,
            Err(error) => {
                tracing::warn!("body left out: {error}");
                return (None, None);
            }
        };
        let sdp =
            parts.iter().find(|part| part.media_type.eq_ignore_ascii_case(names::SDP)).and_then(|part| {
                SessionDescription::decode(&part.content, &self.setup.limits)
                    .inspect_err(|error| tracing::warn!("SDP left out: {error}"))
                    .ok()
            });
        let info = self.info_of(&parts).unwrap_or_default().map(|(_, info)| info);
        (sdp, info)
    }

    /// What an offer inside a session says.
    pub(super) fn in_session_offer(
        &self,
        request: &Request,
    ) -> Result<(Option<SessionDescription>, Option<McInfo>), Refusal> {
        let bodies = self.bodies(request)?;
        let offer = match bodies.find(names::SDP) {
            Some(part) => {
                Some(SessionDescription::decode(&part.content, &self.setup.limits).map_err(unusable)?)
            }
            None => None,
        };
        Ok((offer, bodies.info.map(|(_, info)| info)))
    }

    /// What a 2xx to INVITE says.
    pub(super) fn acceptance(&self, response: &Response) -> Acceptance {
        let (answer, info) = self.lenient_bodies(response.text(Name::ContentType), &response.body());
        let contact = response.contacts().ok().and_then(|contacts| contacts.into_iter().next());
        Acceptance {
            answer,
            info,
            warnings: warnings(response),
            session: contact.map(|contact| contact.uri.as_str().to_owned()),
            unconfirmed: unconfirmed(response),
            client: None,
        }
    }

    /// What a final failure says, to be handed on. Nobody shall take this server for the one that is out of service (RFC
    /// 3261 16.7 point 6): a 503 becomes 500, and 504 where the receiver was not reached at all (RFC 3261 21.5.5).
    pub(super) fn rejection(&self, status: u16, response: Option<&Response>) -> Rejection {
        let status = match status {
            503 if response.is_some() => 500,
            503 => 504,
            other => other,
        };
        let Some(response) = response else {
            return Rejection {
                status,
                warnings: Vec::new(),
                info: None,
                contacts: Vec::new(),
                retry_after: None,
                members: None,
            };
        };
        let (_, info) = self.lenient_bodies(response.text(Name::ContentType), &response.body());
        let contacts = match status {
            300..=399 => response.contacts().unwrap_or_default(),
            _ => Vec::new(),
        };
        Rejection {
            status,
            warnings: warnings(response),
            info,
            contacts: contacts.into_iter().map(|contact| contact.uri.identity()).collect(),
            retry_after: response.number(Name::RetryAfter).ok().flatten(),
            members: if status == 403 { self.shared_members(response) } else { None },
        }
    }

    /// The members of a group that a 403 tells (RFC 5318 with RFC 4826): what `P-Refused-URI-List` points to, or the only
    /// list there is.
    fn shared_members(&self, response: &Response) -> Option<Box<SharedMembers>> {
        let parts =
            multipart::split(&response.text(Name::ContentType)?, &response.body(), &self.setup.limits)
                .ok()?;
        let header = response.text(Name::PRefusedUriList);
        let refused = header.as_deref().and_then(|text| NameAddr::parse_list(text.as_bytes()).ok());
        let refused = refused.and_then(|list| list.into_iter().next());
        let wanted = refused.as_ref().and_then(|one| one.param("members")).map(|members| {
            let members = members.trim_matches(|c| matches!(c, '"' | '<' | '>'));
            members.strip_prefix("cid:").unwrap_or(members).to_owned()
        });
        let lists =
            || parts.iter().filter(|part| part.media_type.eq_ignore_ascii_case(names::RESOURCE_LISTS));
        let pointed = lists().find(|part| part.content_id.is_some() && part.content_id == wanted);
        let part = pointed.or_else(|| lists().next())?;
        let entries = resource_lists::decode(&part.content, &self.setup.limits)
            .inspect_err(|error| tracing::warn!("member list left out: {error}"))
            .ok()?;
        // What is no URI is nobody.
        let users =
            entries.iter().filter_map(|entry| crate::procedure::uri::identity(entry)).map(UserId::new);
        let group = refused.map_or_else(String::new, |one| one.uri.identity());
        Some(Box::new(SharedMembers { group: GroupId::new(group), users: users.collect() }))
    }

    /// What a provisional answer says.
    pub(super) fn progress_of(&self, response: &Response) -> Progress {
        Progress {
            status: response.status(),
            unconfirmed: unconfirmed(response),
            warnings: warnings(response),
        }
    }
}

/// Hops of a request that does not say (RFC 3261 8.1.1.6).
pub(super) const MAX_FORWARDS: u32 = 70;

/// Whether Accept-Contact asks for the service: its feature tag, and its ICSI, in one header or several.
fn service_requested(request: &Request, service: McService) -> bool {
    let names = names::of(service);
    let (mut feature, mut icsi) = (false, false);
    for value in request.wire().headers(Name::AcceptContact) {
        for parameter in value.split(|octet| matches!(octet, b';' | b',')) {
            let mut halves = parameter.splitn(2, |octet| *octet == b'=');
            let name = halves.next().unwrap_or_default().trim_ascii();
            let name = name.strip_prefix(b"+").unwrap_or(name);
            feature |= name.eq_ignore_ascii_case(names.feature_tag.as_bytes());
            let Some(value) = halves.next() else { continue };
            let value = value.trim_ascii();
            let value = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value);
            icsi |= name.eq_ignore_ascii_case(b"g.3gpp.icsi-ref")
                && (value.eq_ignore_ascii_case(names.icsi_escaped.as_bytes())
                    || value.eq_ignore_ascii_case(names.icsi.as_bytes()));
        }
    }
    feature && icsi
}

fn unconfirmed(response: &Response) -> bool {
    response.text(Name::PAnswerState).is_some_and(|state| state.trim().eq_ignore_ascii_case("unconfirmed"))
}

/// The warnings of a response.
pub(super) fn warnings(response: &Response) -> Vec<Warning> {
    let lines = response.wire().headers(Name::Warning);
    lines.flat_map(|line| values::Warning::parse_list(&line).unwrap_or_default()).map(warning).collect()
}

/// A warning as it is meant: the code of TS 24.379 4.4 is the three digits at the front of the text.
pub(super) fn warning(value: values::Warning) -> Warning {
    let coded = value.text.split_once(' ').and_then(|(code, text)| {
        (code.len() == 3).then(|| code.parse().ok()).flatten().map(|code| (code, text.to_owned()))
    });
    match coded {
        Some((code, text)) => Warning { code: Some(code), text },
        None => Warning::plain(value.text),
    }
}

/// Canonical form of an identity that a document names; a text that is no URI stays as it is, trimmed, and will
/// match nothing.
pub(super) fn identity(text: &str) -> String {
    crate::procedure::uri::identity(text).unwrap_or_else(|| text.trim().to_owned())
}

/// Puts every identity in an info document into canonical form, so that procedures compare plain text.
pub(super) fn canonical(mut info: McInfo) -> McInfo {
    let fields = [
        &mut info.request_uri,
        &mut info.calling_user,
        &mut info.called_party,
        &mut info.calling_group,
        &mut info.associated_group,
        &mut info.originated_by,
    ];
    for text in fields.into_iter().flatten().filter(|text| !Uri::is_identity(text)) {
        *text = identity(text);
    }
    info
}

/// Identities of a presence document in canonical form.
pub(super) fn canonical_presence(mut presence: Presence) -> Presence {
    presence.entity = identity(&presence.entity);
    for tuple in &mut presence.tuples {
        for affiliation in &mut tuple.affiliations {
            if let Some(group) = &mut affiliation.group {
                *group = identity(group);
            }
        }
    }
    presence
}

/// Identities of a roster in canonical form; what is no URI is nobody.
pub(super) fn canonical_roster(mut told: RosterTold) -> RosterTold {
    told.entity = identity(&told.entity);
    let users = std::mem::take(&mut told.users).into_iter();
    told.users =
        users.filter_map(|(user, status)| Some((crate::procedure::uri::identity(&user)?, status))).collect();
    told
}

/// A fingerprint of a request's body, to tell a repetition from a reuse of its identifier (FNV-1a; not a secret).
pub(super) fn fingerprint(body: &[u8]) -> u64 {
    body.iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, octet| (hash ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3))
}

/// Whether a part must be understood and is of a type that this server does not take (RFC 3261 8.2.3, 20.11).
fn is_foreign(part: &Part) -> bool {
    let optional = part.disposition.as_deref().is_some_and(|disposition| {
        disposition
            .split(';')
            .skip(1)
            .any(|parameter| parameter.trim().eq_ignore_ascii_case("handling=optional"))
    });
    !optional && !ACCEPT.split(", ").any(|accepted| accepted.eq_ignore_ascii_case(&part.media_type))
}
