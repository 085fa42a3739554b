//! Writing group documents.

use super::rules;
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
    list_service(out, ls, document.id.as_str(), |out| {
        if !document.display_name.is_empty() {
            out.leaf((ls, "display-name"), &[], &document.display_name);
        }
        if with_members && document.temporary.is_none() {
            list(out, ls, &document.members);
        }
        rules::write(out, ls, &document.rules, document.temporary.is_none());
        supported_services(out, &document.services);
        settings(out, document, mark);
    });
}

/// The two outer elements, with the declarations of all namespaces that a group document uses.
pub(in crate::documents) fn list_service(out: &mut Out, ls: &str, uri: &str, content: impl FnOnce(&mut Out)) {
    let declarations = [
        (if ls.is_empty() { "xmlns" } else { "xmlns:ls" }, Ns::ListService.text()),
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
            out.element((ls, "entry"), &[("uri", user.as_str())], |out| {
                if let Some(priority) = member.priority {
                    leaf(out, "user-priority", &priority.to_string());
                }
                for (name, present) in [
                    ("on-network-required", member.required),
                    ("on-network-recvonly", member.receive_only),
                    ("on-network-affiliation-to-group-required", member.affiliation_required),
                ] {
                    if present {
                        out.empty(("mcpttgi:", name), &[]);
                    }
                }
            });
        }
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

/// The 3GPP children of `list-service`, in the order of TS 24.481 7.2.4.2.
fn settings(out: &mut Out, document: &GroupDocument, mark: Option<&Regrouped>) {
    if document.disabled {
        out.empty(("mcpttgi:", "on-network-disabled"), &[]);
    }
    if let Some(temporary) = &document.temporary {
        on_network_temporary(out, temporary.constituents.iter().map(GroupId::as_str));
    }
    if let Some(mark) = mark {
        regrouped(out, mark);
    }
    if document.preconfigured_only {
        leaf(out, "preconfigured-group-use-only", "true");
    }
    priority(out, document.priority);
    leaf(out, "on-network-invite-members", xsd::boolean_text(document.prearranged));
    if let Some(count) = document.max_participants {
        leaf(out, "on-network-max-participant-count", &count.to_string());
    }
    if document.minimum_to_start > 0 {
        leaf(out, "on-network-minimum-number-to-start", &document.minimum_to_start.to_string());
    }
    duration(
        out,
        "on-network-timeout-for-acknowledgement-of-required-members",
        document.acknowledgement_timeout,
    );
    if document.acknowledgement_timeout.is_some() || document.on_acknowledgement_timeout == OnTimeout::Proceed
    {
        let action = match document.on_acknowledgement_timeout {
            OnTimeout::Proceed => "proceed",
            OnTimeout::Abandon => "abandon",
        };
        leaf(
            out,
            "on-network-action-upon-expiration-of-timeout-for-acknowledgement-of-required-members",
            action,
        );
    }
    duration(out, "on-network-hang-timer", document.hang_timer);
    duration(out, "on-network-maximum-duration", document.maximum_duration);
    if !document.encodings.is_empty() {
        out.element(("mcpttgi:", "preferred-voice-encodings"), &[], |out| {
            for encoding in &document.encodings {
                out.empty(("mcpttgi:", "encoding"), &[("name", encoding)]);
            }
        });
    }
    protection(out, Some(document.protect_media), Some(document.protect_floor_control));
    if let Some(count) = document.minimum_affiliated {
        leaf(out, "on-network-minimum-number-of-affiliated-members", &count.to_string());
    }
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
    if let Some(span) = span {
        leaf(out, name, &xsd::duration_text(span));
    }
}

fn leaf(out: &mut Out, name: &str, text: &str) {
    out.leaf(("mcpttgi:", name), &[], text);
}
