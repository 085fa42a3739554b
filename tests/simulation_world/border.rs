//! What must hold between the systems: after every step what is on their disks, and more of it when everything has
//! come to rest.

use super::setting::DOMAINS;
use rollcall::model::{AffiliationStatus, Fact, FactKey, GroupId, Side};
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
