//! What must hold between the systems: after every step what is on their disks, and more of it when everything has
//! come to rest.

use super::server::Server;
use super::setting::DOMAINS;
use rollcall::model::{
    AffiliationStatus, Fact, FactKey, GroupDocument, GroupId, Psi, Received, SharingState, Side,
};
use std::collections::{BTreeMap, BTreeSet};

type Facts = BTreeMap<FactKey, Fact>;

/// TS 23.280 10.2.4.2: a constituent belongs to at most one temporary group, whichever system formed it.
pub fn at_all_times(systems: &[&Facts]) {
    let mut taken: BTreeMap<&GroupId, &GroupId> = BTreeMap::new();
    for (group, constituent) in formed(systems) {
        let other = taken.insert(constituent, group);
        assert!(other.is_none(), "{constituent} is in {group} and in {other:?}");
    }
}

/// Nothing is under way any more, and each system has what the other one thinks it has.
pub fn at_rest(systems: &[&Facts]) {
    for fact in systems.iter().flat_map(|facts| facts.values()) {
        let under_way = matches!(
            fact,
            Fact::Formation(_) | Fact::Reservation(_) | Fact::Withdrawal(_) | Fact::Request(_)
        );
        assert!(!under_way, "not over yet: {fact:?}");
    }
    marks_agree(systems);
    affiliations_agree(systems);
}

/// TS 23.280 10.8.3.2.2: the system of the user and the owner of the group know the same affiliations.
fn affiliations_agree(systems: &[&Facts]) {
    let (mut here, mut at_owner) = (BTreeSet::new(), BTreeSet::new());
    for (system, facts) in systems.iter().enumerate() {
        for fact in facts.values() {
            match fact {
                Fact::Affiliation(client) => {
                    for entry in client.groups.iter().filter(|entry| !is_of(&entry.group, system)) {
                        assert_eq!(entry.status, AffiliationStatus::Affiliated, "not over yet: {client:?}");
                        here.insert((&entry.group, &client.user, &client.client));
                    }
                }
                Fact::OwnedAffiliation(owned) => {
                    at_owner.extend(owned.clients.iter().map(|client| (&owned.group, &owned.user, client)));
                }
                _ => {}
            }
        }
    }
    assert_eq!(here, at_owner, "affiliations as the users' systems and the owners of the groups know them");
}

/// TS 23.280 10.2.7: what a system serves of its partner's groups is what the partner has of them now, changed by the
/// policy of the one that serves it; or it was refused, or is not shared.
pub fn configurations_agree(servers: &[Server]) {
    for (primary, partner) in [(0, 1), (1, 0)] {
        let (Some(primary), Some(partner)) = (servers.get(primary), servers.get(partner)) else { return };
        let at = Psi::new(format!("sip:gms@{}", partner.domain()));
        for group in primary.provisioned() {
            let sharing = match primary.facts.get(&FactKey::Sharing(group.id.clone(), at.clone())) {
                Some(Fact::Sharing(sharing)) => Some(sharing),
                _ => None,
            };
            let received = match partner.facts.get(&FactKey::Received(group.id.clone())) {
                Some(Fact::Received(received)) => Some(received),
                _ => None,
            };
            match sharing.map(|sharing| (&sharing.document, &sharing.state)) {
                Some((document, SharingState::Stored)) if partner.decisions.shares => {
                    // Where it is shown each system gives it a version of its own.
                    let has = received.map(|received| GroupDocument {
                        version: document.version,
                        ..received.document.clone()
                    });
                    let is_same = has.as_ref() == Some(document);
                    // Whoever asks for a configuration says nothing more if its policy then refuses what came, and asks
                    // again when it needs it.
                    let mut decisions = partner.earlier.iter().chain([&partner.decisions]);
                    let is_useless = has.is_none() && decisions.any(|decided| !decided.supports(document));
                    assert!(
                        is_same || is_useless,
                        "{} has of {}: {}",
                        partner.domain(),
                        group.id,
                        told(has.as_ref())
                    );
                    assert_eq!(document.priority, group.priority, "{} as it is now", group.id);
                    let theirs = |user: &&_| is_in(user, partner.domain());
                    let members =
                        |of: &GroupDocument| of.members.keys().filter(theirs).cloned().collect::<Vec<_>>();
                    assert_eq!(members(document), members(group), "{} as it is now", group.id);
                    assert!(
                        primary.decisions.shares && !members(group).is_empty(),
                        "not shared: {document:?}"
                    );
                }
                // The next one is offered to it again; what it took before it has.
                Some((_, SharingState::Refused(_) | SharingState::Stored)) => {}
                Some((_, state)) => panic!("not over yet: {} of {}", group.id, kind_of(state)),
                None => {
                    assert_eq!(received, None, "{} has it, and {} knows nothing", partner.domain(), group.id)
                }
            }
            served(partner, &group.id, received);
        }
    }
}

/// Of a configuration what the administrators change.
fn told(document: Option<&GroupDocument>) -> String {
    let told = |document: &GroupDocument| {
        format!("{:?} {:?}", document.priority, document.members.keys().collect::<Vec<_>>())
    };
    document.map_or_else(|| "nothing".to_owned(), told)
}

fn kind_of(state: &SharingState) -> &'static str {
    match state {
        SharingState::Asked { .. } => "asked",
        SharingState::Withdrawing { .. } => "withdrawing",
        SharingState::Stored => "stored",
        SharingState::Refused(_) => "refused",
    }
}

fn is_in(user: &rollcall::model::UserId, domain: &str) -> bool {
    user.as_str().ends_with(&format!("@{domain}"))
}

/// What came is served by GMS and MC service server as the policy of the system has it.
fn served(server: &Server, group: &GroupId, received: Option<&Received>) {
    let [gms, mc] = [Side::Gms, Side::Mc].map(|side| {
        match server.facts.get(&FactKey::Configuration(side, group.clone())) {
            Some(Fact::Configuration(_, document)) => Some(document),
            _ => None,
        }
    });
    assert_eq!(gms, mc, "GMS and MC service server of {}", server.domain());
    assert_eq!(gms.is_some(), received.is_some(), "{group} is served at {} and came", server.domain());
    if let (Some(served), Some(received)) = (gms, received) {
        let most = server.decisions.priority_max.unwrap_or(u8::MAX);
        let priority = received.document.priority.map(|priority| priority.min(most));
        assert_eq!(served.members, received.document.members);
        // A policy that makes it unusable leaves it as it was.
        if !server.decisions.supports(&received.document) {
            return;
        }
        assert_eq!(served.priority, priority, "{group} by the policy of {}", server.domain());
        assert_eq!(
            served.disabled,
            server.decisions.disables,
            "{group} by the policy of {}",
            server.domain()
        );
    }
}

/// Each mark of a constituent belongs to a temporary group, and the other way round.
fn marks_agree(systems: &[&Facts]) {
    let expected: BTreeMap<&GroupId, &GroupId> =
        formed(systems).map(|(group, constituent)| (constituent, group)).collect();
    for (system, facts) in systems.iter().enumerate() {
        for side in [Side::Gms, Side::Mc] {
            let marks = facts.values().filter_map(|fact| match fact {
                Fact::Regrouped(of, group, mark) if *of == side && is_of(group, system) => {
                    Some((group, &mark.temporary))
                }
                _ => None,
            });
            let marks: BTreeMap<_, _> = marks.collect();
            let here = expected.iter().filter(|(constituent, _)| is_of(constituent, system));
            let here: BTreeMap<_, _> = here.map(|(constituent, group)| (*constituent, *group)).collect();
            assert_eq!(marks, here, "{side:?} of {} and the systems that formed them", DOMAINS[system]);
        }
    }
}

/// Temporary groups where they were formed, with each constituent. What partners are still being told of may yet fail.
fn formed<'a>(systems: &[&'a Facts]) -> impl Iterator<Item = (&'a GroupId, &'a GroupId)> {
    systems.iter().enumerate().flat_map(|(system, facts)| {
        let groups = facts.values().filter_map(move |fact| match fact {
            Fact::TemporaryGroup(Side::Gms, group) if is_of(&group.id, system) => {
                let open = facts.contains_key(&FactKey::Formation(group.id.clone()));
                (!open).then_some(group)
            }
            _ => None,
        });
        groups.flat_map(|group| {
            let constituents = group.temporary.iter().flat_map(|temporary| &temporary.constituents);
            constituents.map(|constituent| (&group.id, constituent))
        })
    })
}

fn is_of(group: &GroupId, system: usize) -> bool {
    group.as_str().ends_with(&format!("@{}", DOMAINS[system]))
}
