//! Pre-conditions that a figure writes into the store of a system, where the procedure that brings them about is not what
//! the figure is about.

use super::names::Names;
use rollcall::model::{
    Call, Change, Fact, GroupDocument, GroupId, GroupRules, Regrouped, Side, Temporary, UserId, Who,
};
use std::time::Duration;

/// A temporary group of these constituents as the MC service server of one system knows it: its document in the system
/// where it was formed, the marks of the constituents in their own. `template` gives what does not matter.
pub fn regrouped(
    names: &Names,
    domain: &str,
    template: &GroupDocument,
    temporary: &str,
    of: &str,
) -> Vec<Fact> {
    let id = GroupId::new(names.full(temporary));
    let constituents: Vec<GroupId> = of.split(',').map(|group| GroupId::new(names.full(group))).collect();
    let requestor = UserId::new(names.full("alice"));
    let mut facts = Vec::new();
    if id.domain() == domain {
        facts.push(Fact::TemporaryGroup(
            Side::Mc,
            document(template, id.clone(), constituents.clone(), requestor.clone()),
        ));
    }
    for constituent in constituents.iter().filter(|constituent| constituent.domain() == domain) {
        let mark = Regrouped {
            temporary: id.clone(),
            requestor: requestor.clone(),
            constituents: constituents.clone(),
            priority: None,
            protect_media: false,
            protect_floor_control: false,
        };
        facts.push(Fact::Regrouped(Side::Mc, constituent.clone(), mark));
    }
    facts
}

/// What the teardown of a temporary group changes at the MC service server of a system (TS 23.280 10.2.4.3).
pub fn gone<'a>(temporary: &str, facts: impl Iterator<Item = &'a Fact>) -> Vec<Change> {
    facts
        .filter_map(|fact| match fact {
            Fact::TemporaryGroup(Side::Mc, document) if document.id.as_str() == temporary => {
                Some(Change::Remove(fact.key()))
            }
            Fact::Regrouped(Side::Mc, _, mark) if mark.temporary.as_str() == temporary => {
                Some(Change::Remove(fact.key()))
            }
            Fact::Call(call) if call.group.id.as_str() == temporary => {
                Some(Change::Put(Fact::Call(Call { orphaned: true, ..call.clone() })))
            }
            _ => None,
        })
        .collect()
}

fn document(
    template: &GroupDocument,
    id: GroupId,
    constituents: Vec<GroupId>,
    requestor: UserId,
) -> GroupDocument {
    let anyone = || Who::Anyone;
    GroupDocument {
        id,
        members: Default::default(),
        prearranged: true,
        maximum_duration: Some(Duration::from_secs(3600)),
        rules: GroupRules {
            initiate: anyone(),
            join: anyone(),
            conference_state: anyone(),
            emergency_call: anyone(),
            imminent_peril_call: anyone(),
            ..template.rules.clone()
        },
        temporary: Some(Temporary { constituents, requestor }),
        ..template.clone()
    }
}
