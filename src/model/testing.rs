//! Users and groups for tests. Names are short: `alice` is `sip:alice@one.example`, the group `fire` is
//! `sip:fire@one.example`.

use super::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The domain of everything made here.
pub const DOMAIN: &str = "one.example";

/// `sip:NAME@one.example`, or the name itself if it has a scheme already.
fn uri(name: &str) -> String {
    if name.contains(':') { name.to_owned() } else { format!("sip:{name}@{DOMAIN}") }
}

/// The MC service ID of a name.
pub fn user_id(name: &str) -> UserId {
    UserId::new(uri(name))
}

/// The public user identity of a name: the same URI.
pub fn public_id(name: &str) -> PublicId {
    PublicId::new(uri(name))
}

/// The group ID of a name.
pub fn group_id(name: &str) -> GroupId {
    GroupId::new(uri(name))
}

/// A profile that allows ordinary calls and nothing else, without limits.
pub fn profile() -> UserProfile {
    UserProfile {
        max_affiliations_n2: None,
        max_calls_n6: None,
        allow_regroup: false,
        allow_prearranged_call: true,
        allow_chat_call: true,
        allow_request_affiliated_groups: false,
        allow_affiliate_others: false,
        allow_recommend_affiliations: false,
        implicit_affiliations: Vec::new(),
        answer_mode: AnswerMode::Automatic,
    }
}

/// A user with [`profile`].
pub fn user(name: &str) -> User {
    user_with(name, |_| ())
}

/// A user whose profile is changed first.
pub fn user_with(name: &str, change: impl FnOnce(&mut UserProfile)) -> User {
    let mut profile = profile();
    change(&mut profile);
    User {
        id: user_id(name),
        public_ids: vec![public_id(name)],
        password: None,
        default_client: None,
        profile: Arc::new(profile),
    }
}

/// A prearranged MCPTT group of plain members, whose rules let members do everything and anyone regroup.
pub fn group(name: &str, members: &[&str]) -> GroupDocument {
    GroupDocument {
        display_name: name.to_owned(),
        members: Arc::new(members.iter().map(|name| (user_id(name), Member::default())).collect()),
        prearranged: true,
        maximum_duration: Some(Duration::from_secs(3600)),
        protect_media: false,
        protect_floor_control: false,
        rules: GroupRules {
            initiate: Who::Members,
            join: Who::Members,
            conference_state: Who::Members,
            member_list: Who::Members,
            affiliation_list: Who::Members,
            emergency_call: Who::Members,
            imminent_peril_call: Who::Members,
            emergency_alert: Who::Members,
            regroup: Who::Anyone,
            others: Vec::new(),
        },
        services: vec![Service::Mcptt],
        version: 1,
        ..GroupDocument::blank(group_id(name))
    }
}

/// The same with flags for some of the members.
pub fn group_with_members(name: &str, members: &[(&str, Member)]) -> GroupDocument {
    let members: BTreeMap<_, _> =
        members.iter().map(|(name, member)| (user_id(name), member.clone())).collect();
    GroupDocument { members: Arc::new(members), ..group(name, &[]) }
}

/// A temporary group of these constituents, formed by `dispatcher`.
pub fn temporary_group(name: &str, constituents: &[&str]) -> GroupDocument {
    GroupDocument {
        temporary: Some(Temporary {
            constituents: constituents.iter().map(|name| group_id(name)).collect(),
            requestor: user_id("dispatcher"),
        }),
        ..group(name, &[])
    }
}

/// The changes by which both sides know a temporary group and the marks of its constituents.
pub fn regrouping(document: &GroupDocument) -> Vec<Change> {
    let Some(temporary) = &document.temporary else { return Vec::new() };
    let mut changes = Vec::new();
    for side in [Side::Gms, Side::Mc] {
        changes.push(Change::Put(Fact::TemporaryGroup(side, document.clone())));
        for constituent in &temporary.constituents {
            let mark = Regrouped {
                temporary: document.id.clone(),
                requestor: temporary.requestor.clone(),
                constituents: temporary.constituents.clone(),
                priority: document.priority,
                protect_media: document.protect_media,
                protect_floor_control: document.protect_floor_control,
            };
            changes.push(Change::Put(Fact::Regrouped(side, constituent.clone(), mark)));
        }
    }
    changes
}

/// All affiliations of one client (MCPTT, not limited in time).
pub fn affiliation(user: &str, client: &str, groups: &[&str]) -> Change {
    Change::Put(Fact::Affiliation(ClientAffiliations {
        user: user_id(user),
        client: ClientId::from(client),
        groups: groups
            .iter()
            .map(|group| GroupAffiliation::own(group_id(group), Service::Mcptt, None))
            .collect(),
    }))
}

/// A running call on a group, with nobody in it yet.
pub fn call(id: u64, group: GroupDocument) -> Call {
    Call {
        id: CallRef(id),
        group,
        members: MemberList::default(),
        service: Service::Mcptt,
        initiator: user_id("alice"),
        broadcast: false,
        priority: CallPriority::Normal,
        resource_priority: None,
        established: true,
        started: crate::env::Time::default(),
        ends: None,
        orphaned: false,
        superior: None,
    }
}
