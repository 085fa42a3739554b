//! Writing group documents.

use super::order::{ENTRY_ORDER, ORDER};
use super::{area, kept, rules};
use crate::documents::xml::{Ns, Out};
use crate::documents::{names, xsd};
use crate::model::*;
use std::time::Duration;

/// Writes a `group` element. `ls`: the prefix of its own namespace, with colon; empty: the default namespace.
pub(in crate::documents) fn group(
    out: &mut Out,
    ls: &str,
    document: &GroupDocument,
    with_members: bool,
    mark: Option<&Regrouped>,
) {
    let details = &document.details;
    list_service(out, ls, document.id.as_str(), |out| {
        if !document.display_name.is_empty() {
            let language = details.language.iter().map(|language| ("xml:lang", language.as_str()));
            let language: Vec<_> = language.collect();
            out.leaf((ls, "display-name"), &language, &document.display_name);
        }
        if with_members && document.temporary.is_none() {
            list(out, ls, &document.members);
        }
        let oma = details.kept.iter().filter(|element| element.space == Space::ListService);
        oma.for_each(|element| kept::write(out, ls, element));
        rules::write(out, ls, &document.rules, document.temporary.is_none());
        match &details.services {
            Some((services, xml)) if *services == document.services => out.raw(xml),
            _ => supported_services(out, &document.services),
        }
        kept::write_in_order(out, &ORDER, &details.kept, |out, name| setting(out, name, document, mark));
    });
}

/// The two outer elements, with the declarations of all namespaces that a group document uses.
pub(in crate::documents) fn list_service(out: &mut Out, ls: &str, uri: &str, content: impl FnOnce(&mut Out)) {
    let declarations = [
        (if ls.is_empty() { "xmlns" } else { "xmlns:ls" }, Ns::ListService.text()),
        ("xmlns:rl", Ns::ResourceLists.text()),
        ("xmlns:cp", Ns::CommonPolicy.text()),
        ("xmlns:oxe", Ns::Extensions.text()),
        ("xmlns:mcpttgi", Ns::GroupInfo.text()),
    ];
    out.element((ls, "group"), &declarations, |out| {
        out.element((ls, "list-service"), &[("uri", uri)], content);
    });
}

fn list(out: &mut Out, ls: &str, members: &MemberList) {
    out.element((ls, "list"), &[], |out| {
        for (user, member) in members.iter() {
            out.element((ls, "entry"), &[("uri", user.as_str())], |out| entry(out, ls, member));
        }
    });
}

fn entry(out: &mut Out, ls: &str, member: &Member) {
    let details = member.details.as_deref();
    if let Some(name) = details.and_then(|details| details.display_name.as_ref()) {
        out.leaf(("rl:", "display-name"), &[], name);
    }
    let elements = details.map_or(&[][..], |details| &details.kept);
    let oma = elements.iter().filter(|element| element.space == Space::ListService);
    oma.for_each(|element| kept::write(out, ls, element));
    kept::write_in_order(out, &ENTRY_ORDER, elements, |out, name| match name {
        "user-priority" => number(out, name, member.priority),
        "on-network-required" => flag(out, name, member.required),
        "on-network-recvonly" => flag(out, name, member.receive_only),
        "on-network-affiliation-to-group-required" => flag(out, name, member.affiliation_required),
        _ => {}
    });
}

fn supported_services(out: &mut Out, services: &[Service]) {
    out.element(("oxe:", "supported-services"), &[], |out| {
        for service in services {
            out.element(("oxe:", "service"), &[("enabler", names::of(*service).icsi)], |out| {
                out.element(("oxe:", "group-media"), &[], |out| match service {
                    Service::Mcptt => out.empty(("mcpttgi:", "mcptt-speech"), &[]),
                    Service::McVideo => out.empty(("mcpttgi:", "mcvideo-video-media"), &[]),
                    Service::McData => {}
                });
            });
        }
    });
}

/// Writes the element of this name, if the document has it and this server reads it.
fn setting(out: &mut Out, name: &str, document: &GroupDocument, mark: Option<&Regrouped>) {
    let details = &document.details;
    match name {
        "on-network-disabled" => flag(out, name, document.disabled),
        "on-network-temporary" => {
            if let Some(temporary) = &document.temporary {
                on_network_temporary(out, temporary.constituents.iter().map(GroupId::as_str));
            }
        }
        "on-network-regrouped" => {
            if let Some(mark) = mark {
                regrouped(out, mark);
            }
        }
        "owner" => text(out, name, details.owner.as_deref()),
        "preconfigured-group-use-only" => {
            text(out, name, document.preconfigured_only.then_some(xsd::boolean_text(true)));
        }
        "permitted-geographic-area" => {
            details.permitted_area.iter().for_each(|area| area::write(out, name, area));
        }
        "mandatory-geographic-area" => {
            details.mandatory_area.iter().for_each(|area| area::write(out, name, area));
        }
        "on-network-group-priority" => priority(out, document.priority),
        "on-network-invite-members" => text(out, name, Some(xsd::boolean_text(document.prearranged))),
        "on-network-max-participant-count" => number(out, name, document.max_participants),
        "on-network-minimum-number-to-start" => {
            number(out, name, Some(document.minimum_to_start).filter(|count| *count > 0));
        }
        "on-network-timeout-for-acknowledgement-of-required-members" => {
            duration(out, name, document.acknowledgement_timeout);
        }
        "on-network-action-upon-expiration-of-timeout-for-acknowledgement-of-required-members" => {
            let action = document.on_acknowledgement_timeout;
            let meant = document.acknowledgement_timeout.is_some() || action == OnTimeout::Proceed;
            let action = match action {
                OnTimeout::Proceed => "proceed",
                OnTimeout::Abandon => "abandon",
            };
            text(out, name, meant.then_some(action));
        }
        "on-network-hang-timer" => duration(out, name, document.hang_timer),
        "on-network-maximum-duration" => duration(out, name, document.maximum_duration),
        "on-network-in-progress-emergency-state-cancellation-timeout" => {
            duration(out, name, details.emergency_timeout);
        }
        "on-network-in-progress-imminent-peril-state-cancellation-timeout" => {
            duration(out, name, details.imminent_peril_timeout);
        }
        "preferred-voice-encodings" => encodings(out, &document.encodings),
        "protect-media" => protection(out, Some(document.protect_media), None),
        "protect-floor-control-signalling" => protection(out, None, Some(document.protect_floor_control)),
        "on-network-minimum-number-of-affiliated-members" => {
            number(out, name, document.minimum_affiliated);
        }
        "mcvideo-on-network-group-priority" => number(out, name, details.mcvideo_priority),
        "mcdata-on-network-group-priority" => number(out, name, details.mcdata_priority),
        _ => {}
    }
}

fn encodings(out: &mut Out, encodings: &[String]) {
    if encodings.is_empty() {
        return;
    }
    out.element(("mcpttgi:", "preferred-voice-encodings"), &[], |out| {
        for encoding in encodings {
            out.empty(("mcpttgi:", "encoding"), &[("name", encoding)]);
        }
    });
}

fn regrouped(out: &mut Out, mark: &Regrouped) {
    let attributes = [
        ("temporary-MCPTT-group-ID", mark.temporary.as_str()),
        ("temporary-MCPTT-group-requestor", mark.requestor.as_str()),
    ];
    out.element(("mcpttgi:", "on-network-regrouped"), &attributes, |out| {
        constituents(out, mark.constituents.iter().map(GroupId::as_str));
        priority(out, mark.priority);
        protection(out, Some(mark.protect_media), Some(mark.protect_floor_control));
    });
}

/// `on-network-temporary` with these constituents.
pub(in crate::documents) fn on_network_temporary<'a>(out: &mut Out, groups: impl Iterator<Item = &'a str>) {
    out.element(("mcpttgi:", "on-network-temporary"), &[], |out| constituents(out, groups));
}

fn constituents<'a>(out: &mut Out, groups: impl Iterator<Item = &'a str>) {
    out.element(("mcpttgi:", "constituent-MCPTT-group-IDs"), &[], |out| {
        for group in groups {
            leaf(out, "constituent-MCPTT-group-ID", group);
        }
    });
}

/// `on-network-group-priority`; absent is the lowest.
pub(in crate::documents) fn priority(out: &mut Out, priority: Option<u8>) {
    if let Some(priority) = priority {
        leaf(out, "on-network-group-priority", &priority.to_string());
    }
}

/// The two protection settings. Absent means protected, so a group that is not protected says so.
pub(in crate::documents) fn protection(out: &mut Out, media: Option<bool>, floor_control: Option<bool>) {
    for (name, protected) in [("protect-media", media), ("protect-floor-control-signalling", floor_control)] {
        if let Some(protected) = protected {
            leaf(out, name, xsd::boolean_text(protected));
        }
    }
}

fn duration(out: &mut Out, name: &str, span: Option<Duration>) {
    text(out, name, span.map(xsd::duration_text).as_deref());
}

fn number(out: &mut Out, name: &str, number: Option<impl ToString>) {
    text(out, name, number.map(|number| number.to_string()).as_deref());
}

/// An element whose presence says yes.
fn flag(out: &mut Out, name: &str, present: bool) {
    if present {
        out.empty(("mcpttgi:", name), &[]);
    }
}

fn text(out: &mut Out, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        leaf(out, name, value);
    }
}

fn leaf(out: &mut Out, name: &str, text: &str) {
    out.leaf(("mcpttgi:", name), &[], text);
}
