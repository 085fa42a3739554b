//! Reading group documents.

use super::rules::RuleSet;
use super::{area, kept};
use crate::documents::xml::{Element, Ns, Xml};
use crate::documents::{DocumentError, names, xsd};
use crate::model::*;
use crate::sip::message::Uri;
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) type Result<T> = std::result::Result<T, DocumentError>;

/// The content of an open `group` element: exactly one `list-service`.
pub(in crate::documents) fn group(xml: &mut Xml<'_>) -> Result<(GroupDocument, Option<Regrouped>)> {
    let mut read = None;
    while let Some(element) = xml.child()? {
        if !element.is(Ns::ListService, "list-service") {
            xml.skip()?;
            continue;
        }
        if read.is_some() {
            return Err(xml.fault_in("list-service", TWICE));
        }
        let id = GroupId::new(attribute_identity(xml, &element, "uri")?);
        read = Some(list_service(xml, id)?);
    }
    read.ok_or_else(|| xml.fault_in("list-service", "element missing"))
}

pub(super) const TWICE: &str = "element that occurs twice";

fn list_service(xml: &mut Xml<'_>, id: GroupId) -> Result<(GroupDocument, Option<Regrouped>)> {
    let mut group = GroupDocument::blank(id);
    let mut members = BTreeMap::new();
    let mut rules = RuleSet::default();
    let mut mark = None;
    let mut details = GroupDetails::default();
    let mut budget = xml.kept_octets();
    let mut seen = Seen::default();
    while let Some(element) = xml.child()? {
        match (element.ns, element.name) {
            (Ns::ListService, "display-name") => {
                seen.once(xml, &element)?;
                details.language = element.attribute("xml:lang").map(|language| language.into_owned());
                group.display_name = xml.text()?.into_owned();
            }
            (Ns::ListService, "list") => {
                seen.once(xml, &element)?;
                members = list(xml, &mut budget)?;
            }
            (Ns::CommonPolicy, "ruleset") => {
                seen.once(xml, &element)?;
                rules = RuleSet::read(xml)?;
            }
            (Ns::Extensions, "supported-services") => {
                seen.once(xml, &element)?;
                let (services, plain) = supported_services(xml)?;
                if !plain {
                    details.services = Some((services.clone(), xml.raw_behind(&element, &mut budget)?));
                }
                group.services = services;
            }
            (Ns::GroupInfo, "on-network-regrouped") => {
                seen.once(xml, &element)?;
                mark = Some(regrouped(xml, &element)?);
            }
            (Ns::GroupInfo, "permitted-geographic-area" | "mandatory-geographic-area") => {
                seen.once(xml, &element)?;
                geographic_area(xml, &element, &mut details, &mut budget)?;
            }
            _ if setting(xml, &element, &mut group)? || detail(xml, &element, &mut details)? => {
                seen.once(xml, &element)?;
            }
            _ => details.kept.push(kept::read(xml, &element, &mut budget)?),
        }
    }
    group.details = Arc::new(details);
    group.rules = rules.resolve(&members);
    group.members = Arc::new(members);
    Ok((group, mark))
}

/// A child of `list-service` in the 3GPP namespace by which this server decides; `false`: it is none.
fn setting(xml: &mut Xml<'_>, element: &Element<'_>, group: &mut GroupDocument) -> Result<bool> {
    if element.ns != Ns::GroupInfo {
        return Ok(false);
    }
    let name = element.name;
    match name {
        "on-network-disabled" => {
            group.disabled = true;
            xml.skip()?;
        }
        "on-network-temporary" => {
            let written = constituents(xml)?.ok_or_else(|| xml.fault_in(CONSTITUENTS, "element missing"))?;
            let constituents = written
                .iter()
                .map(|uri| Ok(GroupId::new(identity(xml, CONSTITUENT, uri)?)))
                .collect::<Result<_>>()?;
            // Who formed the group is not in its document.
            group.temporary = Some(Temporary { constituents, requestor: UserId::new("") });
        }
        "preconfigured-group-use-only" => group.preconfigured_only = xml.value(name, xsd::boolean)?,
        "on-network-group-priority" => group.priority = Some(xml.value(name, xsd::number)?),
        "on-network-invite-members" => group.prearranged = xml.value(name, xsd::boolean)?,
        "on-network-max-participant-count" => group.max_participants = Some(xml.value(name, xsd::number)?),
        "on-network-minimum-number-to-start" => group.minimum_to_start = xml.value(name, xsd::number)?,
        "on-network-timeout-for-acknowledgement-of-required-members" => {
            group.acknowledgement_timeout = Some(xml.value(name, xsd::duration)?);
        }
        "on-network-action-upon-expiration-of-timeout-for-acknowledgement-of-required-members" => {
            group.on_acknowledgement_timeout =
                if xml.text()? == "proceed" { OnTimeout::Proceed } else { OnTimeout::Abandon };
        }
        "on-network-hang-timer" => group.hang_timer = Some(xml.value(name, xsd::duration)?),
        "on-network-maximum-duration" => group.maximum_duration = Some(xml.value(name, xsd::duration)?),
        "preferred-voice-encodings" => group.encodings = encodings(xml)?,
        "protect-media" => group.protect_media = xml.value(name, xsd::boolean)?,
        "protect-floor-control-signalling" => group.protect_floor_control = xml.value(name, xsd::boolean)?,
        "on-network-minimum-number-of-affiliated-members" => {
            let positive = |text: &str| xsd::number(text).filter(|number: &u32| *number > 0);
            group.minimum_affiliated = Some(xml.value(name, positive)?);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// A child of `list-service` in the 3GPP namespace that a partner's policy may change; `false`: it is none.
fn detail(xml: &mut Xml<'_>, element: &Element<'_>, details: &mut GroupDetails) -> Result<bool> {
    if element.ns != Ns::GroupInfo {
        return Ok(false);
    }
    let name = element.name;
    match name {
        "owner" => details.owner = Some(xml.text()?.into_owned()),
        "on-network-in-progress-emergency-state-cancellation-timeout" => {
            details.emergency_timeout = Some(xml.value(name, xsd::duration)?);
        }
        "on-network-in-progress-imminent-peril-state-cancellation-timeout" => {
            details.imminent_peril_timeout = Some(xml.value(name, xsd::duration)?);
        }
        "mcvideo-on-network-group-priority" => {
            details.mcvideo_priority = Some(xml.value(name, xsd::number)?);
        }
        "mcdata-on-network-group-priority" => details.mcdata_priority = Some(xml.value(name, xsd::number)?),
        _ => return Ok(false),
    }
    Ok(true)
}

/// One of the two areas. An area that holds more than this server knows is kept as it is.
fn geographic_area<'i>(
    xml: &mut Xml<'i>,
    element: &Element<'i>,
    details: &mut GroupDetails,
    budget: &mut usize,
) -> Result<()> {
    match area::read(xml)? {
        Some(area) if element.name == "permitted-geographic-area" => details.permitted_area = Some(area),
        Some(area) => details.mandatory_area = Some(area),
        None => details.kept.push(KeptElement {
            space: Space::GroupInfo,
            name: element.name.to_owned(),
            content: KeptContent::Xml(xml.raw_behind(element, budget)?),
        }),
    }
    Ok(())
}

/// Known elements that have occurred: each may once.
#[derive(Default)]
struct Seen<'i>(SmallVec<[(Ns, &'i str); 24]>);

impl<'i> Seen<'i> {
    fn once(&mut self, xml: &Xml<'i>, element: &Element<'i>) -> Result<()> {
        let name = (element.ns, element.name);
        if self.0.contains(&name) {
            return Err(xml.fault_in(element.name, TWICE));
        }
        self.0.push(name);
        Ok(())
    }
}

/// The members; a member that occurs twice breaks the uniqueness of TS 24.481 7.2.7. What is no `entry` is not kept: it
/// refers to members elsewhere, whom only the server that wrote it can find.
fn list(xml: &mut Xml<'_>, budget: &mut usize) -> Result<BTreeMap<UserId, Member>> {
    let mut members = BTreeMap::new();
    while let Some(element) = xml.child()? {
        if !element.is(Ns::ListService, "entry") {
            xml.skip()?;
            continue;
        }
        let user = UserId::new(attribute_identity(xml, &element, "uri")?);
        let member = entry(xml, budget)?;
        if members.insert(user, member).is_some() {
            return Err(xml.fault_in("entry", "member that occurs twice"));
        }
    }
    Ok(members)
}

fn entry(xml: &mut Xml<'_>, budget: &mut usize) -> Result<Member> {
    let mut member = Member::default();
    let mut details = MemberDetails::default();
    while let Some(element) = xml.child()? {
        match (element.ns, element.name) {
            (Ns::ResourceLists, "display-name") => {
                details.display_name = Some(xml.text()?.into_owned());
                continue;
            }
            (Ns::GroupInfo, "user-priority") => {
                member.priority = Some(xml.value(element.name, xsd::number)?);
                continue;
            }
            (Ns::GroupInfo, "on-network-required") => member.required = true,
            (Ns::GroupInfo, "on-network-recvonly") => member.receive_only = true,
            (Ns::GroupInfo, "on-network-affiliation-to-group-required") => member.affiliation_required = true,
            (ns, name) => {
                member.required |= ns == Ns::GroupInfo && name == "mcvideo-on-network-required";
                details.kept.push(kept::read(xml, &element, budget)?);
                continue;
            }
        }
        xml.skip()?;
    }
    member.details = (details != MemberDetails::default()).then(|| Box::new(details));
    Ok(member)
}

/// Services by the five conditions of TS 24.481 7.2.8, and whether they say all that the element does.
fn supported_services(xml: &mut Xml<'_>) -> Result<(Vec<Service>, bool)> {
    let (mut services, mut plain) = (Vec::new(), true);
    while let Some(element) = xml.child()? {
        if !element.is(Ns::Extensions, "service") {
            plain = false;
            xml.skip()?;
            continue;
        }
        let enabler = element.attribute("enabler");
        plain &= element.plain_attributes().is_some_and(|attributes| attributes.len() == 1);
        let mut media = 0;
        while let Some(element) = xml.child()? {
            if !element.is(Ns::Extensions, "group-media") {
                plain = false;
                xml.skip()?;
                continue;
            }
            media += 1;
            plain &= element.plain_attributes().is_some_and(|attributes| attributes.is_empty());
            let (mut speech, mut video) = (0, 0);
            while let Some(kind) = xml.child()? {
                let slot = match (kind.ns, kind.name) {
                    (Ns::GroupInfo, "mcptt-speech") => &mut speech,
                    (Ns::GroupInfo, "mcvideo-video-media") => &mut video,
                    _ => {
                        plain = false;
                        xml.skip()?;
                        continue;
                    }
                };
                *slot += 1;
                plain &= kind.plain_attributes().is_some_and(|attributes| attributes.is_empty());
                while xml.child()?.is_some() {
                    plain = false;
                    xml.skip()?;
                }
            }
            let (service, icsi, expected) = match enabler.as_deref() {
                Some(icsi) if icsi == names::MCPTT.icsi && speech > 0 => (Service::Mcptt, icsi, (1, 0)),
                Some(icsi) if icsi == names::MCVIDEO.icsi && video > 0 => (Service::McVideo, icsi, (0, 1)),
                // MCData has an enabler per kind of data, and no media element in the schema.
                Some(icsi) if is_mcdata(icsi) => (Service::McData, icsi, (0, 0)),
                _ => {
                    plain = false;
                    continue;
                }
            };
            plain &= icsi == names::of(service).icsi && (speech, video) == expected;
            if services.contains(&service) {
                plain = false;
            } else {
                services.push(service);
            }
        }
        plain &= media == 1;
    }
    Ok((services, plain))
}

fn is_mcdata(icsi: &str) -> bool {
    icsi.strip_prefix(names::MCDATA.icsi).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn encodings(xml: &mut Xml<'_>) -> Result<Vec<String>> {
    let mut encodings = Vec::new();
    while let Some(element) = xml.child()? {
        if element.is(Ns::GroupInfo, "encoding") {
            encodings.push(xml.required(&element, "name")?.into_owned());
        }
        xml.skip()?;
    }
    Ok(encodings)
}

const CONSTITUENTS: &str = "constituent-MCPTT-group-IDs";
const CONSTITUENT: &str = "constituent-MCPTT-group-ID";

/// The constituents in an open `on-network-temporary`, as written; `None` if there is no list of them.
pub(in crate::documents) fn constituents(xml: &mut Xml<'_>) -> Result<Option<Vec<String>>> {
    let mut constituents = None;
    while let Some(element) = xml.child()? {
        if element.is(Ns::GroupInfo, CONSTITUENTS) {
            if constituents.is_some() {
                return Err(xml.fault_in(CONSTITUENTS, TWICE));
            }
            constituents = Some(constituent_list(xml)?);
        } else {
            xml.skip()?;
        }
    }
    Ok(constituents)
}

fn constituent_list(xml: &mut Xml<'_>) -> Result<Vec<String>> {
    let mut list = Vec::new();
    while let Some(element) = xml.child()? {
        if element.is(Ns::GroupInfo, CONSTITUENT) {
            list.push(xml.text()?.into_owned());
        } else {
            xml.skip()?;
        }
    }
    Ok(list)
}

fn regrouped<'i>(xml: &mut Xml<'i>, element: &Element<'i>) -> Result<Regrouped> {
    let mut mark = Regrouped {
        temporary: GroupId::new(attribute_identity(xml, element, "temporary-MCPTT-group-ID")?),
        requestor: UserId::new(attribute_identity(xml, element, "temporary-MCPTT-group-requestor")?),
        constituents: Vec::new(),
        priority: None,
        protect_media: true,
        protect_floor_control: true,
    };
    let mut seen = Seen::default();
    while let Some(element) = xml.child()? {
        let name = element.name;
        match (element.ns, name) {
            (Ns::GroupInfo, CONSTITUENTS) => {
                for uri in constituent_list(xml)? {
                    mark.constituents.push(GroupId::new(identity(xml, CONSTITUENT, &uri)?));
                }
            }
            (Ns::GroupInfo, "on-network-group-priority") => {
                mark.priority = Some(xml.value(name, xsd::number)?)
            }
            (Ns::GroupInfo, "protect-media") => mark.protect_media = xml.value(name, xsd::boolean)?,
            (Ns::GroupInfo, "protect-floor-control-signalling") => {
                mark.protect_floor_control = xml.value(name, xsd::boolean)?;
            }
            _ => {
                xml.skip()?;
                continue;
            }
        }
        seen.once(xml, &element)?;
    }
    Ok(mark)
}

/// The identity in an attribute that must be there.
pub(in crate::documents) fn attribute_identity(
    xml: &Xml<'_>,
    element: &Element<'_>,
    name: &'static str,
) -> Result<String> {
    let uri = xml.required(element, name)?;
    identity(xml, name, &uri)
}

/// The canonical form of a URI that stands at `place`.
fn identity(xml: &Xml<'_>, place: &str, uri: &str) -> Result<String> {
    match Uri::parse(uri.as_bytes()) {
        Ok(uri) => Ok(uri.identity()),
        Err(_) => Err(xml.fault_in(place, "not a URI")),
    }
}
