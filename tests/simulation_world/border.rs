//! What must hold between the systems: after every step what is on their disks, and more of it when everything has
//! come to rest.

use super::setting::DOMAINS;
use rollcall::model::{Fact, FactKey, GroupId, Side};
use std::collections::BTreeMap;

type Facts = BTreeMap<FactKey, Fact>;

/// TS 23.280 10.2.4.2: a constituent belongs to at most one temporary group, whichever system formed it.
pub fn at_all_times(systems: &[&Facts]) {
    let mut taken: BTreeMap<&GroupId, &GroupId> = BTreeMap::new();
    for (group, constituent) in formed(systems) {
        let other = taken.insert(constituent, group);
        assert!(other.is_none(), "{constituent} is in {group} and in {other:?}");
    }
}

/// Each mark of a constituent belongs to a temporary group, and the other way round.
pub fn at_rest(systems: &[&Facts]) {
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

/// Temporary groups where they were formed, with each constituent.
fn formed<'a>(systems: &[&'a Facts]) -> impl Iterator<Item = (&'a GroupId, &'a GroupId)> {
    systems.iter().enumerate().flat_map(|(system, facts)| {
        let groups = facts.values().filter_map(move |fact| match fact {
            Fact::TemporaryGroup(Side::Gms, group) if is_of(&group.id, system) => Some(group),
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
