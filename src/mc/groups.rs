//! Groups as the MC service server knows them: its copy of what the GMS tells, who is a member, who is affiliated.
//!
//! A temporary group has no members of its own (TS 24.481 7.2.8): its members are those of its constituents, and whoever
//! is affiliated to a constituent counts as affiliated to the temporary group (TS 23.280 10.8).
//!
//! ```text
//!  GMS                              MC service server
//!   |-- formed (TS 23.280 10.2.4.1) -->| copy of the document, marks of the constituents
//!   |-- torn down (10.2.4.2a step 4) ->| copy and marks removed; 5: a call that runs is preserved
//! ```

use super::affiliation::owning;
use crate::model::*;
use crate::procedure::{GroupChange, Outcome, Over, Send, View};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// TS 23.280 10.2.4.1 and 10.2.4.2a steps 4 and 5: what the GMS says about a temporary group becomes our copy.
/// The same change told twice changes nothing the second time.
pub fn changed(view: &View<'_>, change: GroupChange) -> Outcome<Over> {
    match change {
        GroupChange::Formed { document, marks } => formed(view.model, document, marks),
        GroupChange::Configured { document } => configured(view.model, document),
        GroupChange::Withdrawn { group } => withdrawn(view.model, &group),
        GroupChange::TornDown { temporary, constituents } => torn_down(view.model, &temporary, &constituents),
    }
}

/// TS 23.280 10.2.7.2 step 4 and 10.2.7.3 step 6: a group of another system, as our GMS lets it count here.
fn configured(model: &Model, document: GroupDocument) -> Outcome<Over> {
    let same = model.group(Side::Mc, document.id.as_str()).map(Arc::as_ref) == Some(&document);
    let change = (!same).then_some(Change::Put(Fact::Configuration(Side::Mc, document)));
    Outcome::end(change.into_iter().collect(), Vec::new())
}

/// The copy of a group of another system goes. Affiliations stay: they are the other system's to end.
fn withdrawn(model: &Model, group: &GroupId) -> Outcome<Over> {
    let known = model.group(Side::Mc, group.as_str()).is_some_and(|group| group.temporary.is_none());
    let change = known.then(|| Change::Remove(FactKey::Configuration(Side::Mc, group.clone())));
    Outcome::end(change.into_iter().collect(), Vec::new())
}

/// What to say when a group of another system is needed here: its configuration is asked for if it is not known
/// (TS 23.280 10.2.7.3 step 1).
pub fn wanted(view: &View<'_>, group: &GroupId) -> Option<Send> {
    let unknown = !view.policy.is_own(group) && view.model.group(Side::Mc, group.as_str()).is_none();
    unknown.then(|| Send::GroupWanted(group.clone()))
}

/// TS 23.280 10.2.4.1: the group and its constituents are known from now on. Nobody is moved out of a running call.
fn formed(model: &Model, document: GroupDocument, marks: Vec<(GroupId, Regrouped)>) -> Outcome<Over> {
    let mut changes = Vec::new();
    if model.group(Side::Mc, document.id.as_str()).map(Arc::as_ref) != Some(&document) {
        changes.push(Change::Put(Fact::TemporaryGroup(Side::Mc, document)));
    }
    for (constituent, mark) in marks {
        if model.regrouped(Side::Mc, constituent.as_str()) != Some(&mark) {
            changes.push(Change::Put(Fact::Regrouped(Side::Mc, constituent, mark)));
        }
    }
    Outcome::end(changes, Vec::new())
}

/// TS 23.280 10.2.4.2a steps 4 and 5.
fn torn_down(model: &Model, temporary: &GroupId, constituents: &[GroupId]) -> Outcome<Over> {
    let mut changes = Vec::new();
    // Step 4. The copy goes; an ordinary group is never removed this way.
    let mut marked: BTreeSet<&GroupId> = constituents.iter().collect();
    if let Some(document) = model.group(Side::Mc, temporary.as_str())
        && let Some(parts) = &document.temporary
    {
        marked.extend(&parts.constituents);
        changes.push(Change::Remove(FactKey::TemporaryGroup(Side::Mc, temporary.clone())));
    }
    for constituent in &marked {
        if model.regrouped(Side::Mc, constituent.as_str()).is_some_and(|mark| mark.temporary == *temporary) {
            changes.push(Change::Remove(FactKey::Regrouped(Side::Mc, (*constituent).clone())));
        }
    }
    // Step 5. The calls live on from their own snapshots of the group until they end by themselves; so do the parts that
    // our members take in a call that another system controls.
    let mut without_call = Vec::new();
    for service in Service::ALL {
        let call = model.call_on(service, temporary.as_str()).filter(|call| call.group.temporary.is_some());
        let of_constituents = marked.iter().filter_map(|constituent| {
            let call = model.call_on(service, constituent.as_str())?;
            let part =
                call.superior.as_ref().is_some_and(|above| above.temporary == *temporary && !above.merged);
            part.then_some(call)
        });
        let lives_on = call.into_iter().chain(of_constituents);
        changes.extend(lives_on.map(|call| Change::Put(Fact::Call(Call { orphaned: true, ..call.clone() }))));
        if call.is_none() {
            without_call.push(service);
        }
    }
    let mut outcome = Outcome::end(changes, Vec::new());
    affiliations_end(model, temporary, &without_call, &mut outcome);
    outcome
}

/// A group that is gone has no affiliations: those that named the temporary group itself end, for a service of which a call
/// has outlived it with that call.
pub(super) fn affiliations_end(
    model: &Model,
    temporary: &GroupId,
    services: &[Service],
    outcome: &mut Outcome<Over>,
) {
    let mut records = BTreeSet::new();
    for service in services.iter().copied() {
        for (user, clients) in model.affiliated_users(service, temporary.as_str()) {
            records.extend(clients.iter().map(|client| (user, client)));
            outcome.sends.push(Send::AffiliationStatus { user: user.clone(), service, p_id: None });
        }
    }
    for (user, client) in records {
        let Some(record) = model.affiliations(user.as_str(), client.as_str()) else { continue };
        // Of a group that another server owns this server hears from there.
        let stays = |entry: &&GroupAffiliation| {
            entry.group != *temporary || entry.owner.is_some() || !services.contains(&entry.service)
        };
        let left: Vec<_> = record.groups.iter().filter(stays).cloned().collect();
        outcome.changes.push(if left.is_empty() {
            Change::Remove(FactKey::Affiliation(user.clone(), client.clone()))
        } else {
            Change::Put(Fact::Affiliation(ClientAffiliations { groups: left, ..record.clone() }))
        });
    }
    for owned in
        model.owned_affiliations(temporary.as_str()).filter(|owned| services.contains(&owned.service))
    {
        owning::end(model, owned, outcome);
    }
}

/// Clients by which a user is affiliated to a group for a service (TS 24.379 6.3.6). To a temporary group: by an
/// affiliation to it, or to one of its constituents of which the user is a member.
pub fn affiliated_to(model: &Model, service: Service, user: &UserId, group: &GroupId) -> BTreeSet<ClientId> {
    let of = |group: &GroupId| model.affiliated_clients(service, group.as_str(), user.as_str());
    let mut clients = of(group).cloned().unwrap_or_default();
    for constituent in constituents_of(model, group) {
        if is_listed(model, user, constituent) {
            clients.extend(of(constituent).into_iter().flatten().cloned());
        }
    }
    clients
}

/// The members of a group; for a temporary group the members of its constituents in this system, each once, with the
/// strongest of their marks (`merge`). Empty for a group that is not known.
pub fn members_of(model: &Model, group: &GroupId) -> MemberList {
    let Some(document) = model.group(Side::Mc, group.as_str()) else { return MemberList::default() };
    let Some(temporary) = &document.temporary else { return document.members.clone() };
    let mut union: BTreeMap<UserId, Member> = BTreeMap::new();
    for constituent in &temporary.constituents {
        // A constituent of a partner system has no members that are known here.
        let Some(constituent) = model.group(Side::Mc, constituent.as_str()) else { continue };
        for (user, member) in constituent.members.iter() {
            union
                .entry(user.clone())
                .and_modify(|known| merge(known, member))
                .or_insert_with(|| member.clone());
        }
    }
    Arc::new(union)
}

/// A member of several constituents has the highest of the priorities, is required where one of them requires it, and
/// may speak if one of them lets it speak.
fn merge(known: &mut Member, other: &Member) {
    known.priority = known.priority.max(other.priority);
    known.required |= other.required;
    known.affiliation_required |= other.affiliation_required;
    known.receive_only &= other.receive_only;
}

/// Whether a user is a member of a group, or of a constituent if it is a temporary one.
pub fn is_member(model: &Model, user: &UserId, group: &GroupId) -> bool {
    is_listed(model, user, group)
        || constituents_of(model, group).iter().any(|constituent| is_listed(model, user, constituent))
}

/// Members with an affiliation for a service, each once, with the clients by which they are affiliated as
/// [`affiliated_to`] counts.
pub fn affiliated_members(
    model: &Model,
    service: Service,
    group: &GroupId,
) -> BTreeMap<UserId, BTreeSet<ClientId>> {
    let mut members: BTreeMap<UserId, BTreeSet<ClientId>> = BTreeMap::new();
    let mut add = |list: &GroupId, affiliated: &GroupId| {
        for (user, clients) in model.affiliated_users(service, affiliated.as_str()) {
            if is_listed(model, user, list) {
                members.entry(user.clone()).or_default().extend(clients.iter().cloned());
            }
        }
    };
    add(group, group);
    for constituent in constituents_of(model, group) {
        add(constituent, constituent);
        // Affiliated to the temporary group itself, a member through this constituent.
        add(constituent, group);
    }
    members
}

/// The constituents of a temporary group; none for any other.
pub fn constituents_of<'a>(model: &'a Model, group: &GroupId) -> &'a [GroupId] {
    model
        .group(Side::Mc, group.as_str())
        .and_then(|document| document.temporary.as_ref())
        .map_or(&[], |temporary| &temporary.constituents)
}

/// Whether the document of this very group lists the user.
pub fn is_listed(model: &Model, user: &UserId, group: &GroupId) -> bool {
    model.group(Side::Mc, group.as_str()).is_some_and(|document| document.members.contains_key(user))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::*;
    use crate::procedure::testing::World;

    fn world() -> World {
        let users = ["alice", "bob", "carol", "dave"].map(user);
        World::new(users, [group("fire", &["alice", "bob"]), group("police", &["bob", "carol"])])
    }

    fn clients(names: &[&str]) -> BTreeSet<ClientId> {
        names.iter().map(|name| ClientId::from(*name)).collect()
    }

    fn formation() -> GroupChange {
        let document = temporary_group("joint", &["fire", "police"]);
        let marks = regrouping(&document)
            .into_iter()
            .filter_map(|change| match change {
                Change::Put(Fact::Regrouped(Side::Mc, group, mark)) => Some((group, mark)),
                _ => None,
            })
            .collect();
        GroupChange::Formed { document, marks }
    }

    fn teardown() -> GroupChange {
        GroupChange::TornDown {
            temporary: group_id("joint"),
            constituents: vec![group_id("fire"), group_id("police")],
        }
    }

    #[test]
    fn a_formed_group_is_copied_with_its_marks() {
        let mut world = world();
        let outcome = changed(&world.view(), formation());
        assert!(outcome.sends.is_empty());
        world.keep(&outcome);
        assert!(world.model.group(Side::Mc, "sip:joint@one.example").is_some());
        assert!(
            world.model.group(Side::Gms, "sip:joint@one.example").is_none(),
            "the GMS keeps its own facts"
        );
        for name in ["fire", "police"] {
            let mark = world.model.regrouped(Side::Mc, group_id(name).as_str()).unwrap();
            assert_eq!(mark.temporary, group_id("joint"));
        }
    }

    #[test]
    fn the_same_change_told_twice_changes_nothing() {
        let mut world = world();
        for change in [formation(), teardown()] {
            let first = changed(&world.view(), change.clone());
            assert_eq!(first.changes.len(), 3);
            world.keep(&first);
            assert!(changed(&world.view(), change).changes.is_empty());
        }
        assert!(world.model.group(Side::Mc, "sip:joint@one.example").is_none());
        assert!(world.model.regrouped(Side::Mc, "sip:fire@one.example").is_none());
    }

    #[test]
    fn a_torn_down_group_never_takes_an_ordinary_group_with_it() {
        let mut world = world();
        let change =
            GroupChange::TornDown { temporary: group_id("fire"), constituents: vec![group_id("police")] };
        assert!(changed(&world.view(), change).changes.is_empty());
    }

    #[test]
    fn a_mark_of_another_temporary_group_stays() {
        let mut world = world();
        world.run(|view| changed(view, formation()));
        let change =
            GroupChange::TornDown { temporary: group_id("other"), constituents: vec![group_id("fire")] };
        assert!(changed(&world.view(), change).changes.is_empty());
    }

    #[test]
    fn a_running_call_is_orphaned_and_otherwise_left_alone() {
        let mut world = world();
        world.run(|view| changed(view, formation()));
        let running = call(1, temporary_group("joint", &["fire", "police"]));
        let other = call(2, group("fire", &["alice"]));
        world.apply(&[Change::Put(Fact::Call(running.clone())), Change::Put(Fact::Call(other.clone()))]);
        let outcome = changed(&world.view(), teardown());
        assert!(outcome.sends.is_empty(), "step 5: nothing is sent");
        world.keep(&outcome);
        assert_eq!(world.model.call(CallRef(1)), Some(&Call { orphaned: true, ..running }));
        assert_eq!(world.model.call(CallRef(2)), Some(&other));
    }

    #[test]
    fn a_part_in_a_call_that_another_system_controls_is_orphaned_unless_it_ran_before() {
        for merged in [false, true] {
            let mut world = world();
            world.run(|view| changed(view, formation()));
            let superior = Superior {
                leg: LegId(7),
                temporary: group_id("joint"),
                caller: user_id("zoe"),
                merged,
                awaits_required: false,
            };
            let part = Call { superior: Some(superior), ..call(1, group("fire", &["alice"])) };
            world.apply(&[Change::Put(Fact::Call(part))]);
            world.run(|view| changed(view, teardown()));
            assert_eq!(world.model.call(CallRef(1)).map(|call| call.orphaned), Some(!merged));
            let found = world.model.call_on(Service::Mcptt, "sip:fire@one.example");
            assert_eq!(found.is_some(), merged, "the constituent may be called again");
        }
    }

    #[test]
    fn affiliations_to_the_temporary_group_itself_stay_while_its_call_runs() {
        let mut world = world();
        world.run(|view| changed(view, formation()));
        world.affiliate("bob", "b1", &["joint"]);
        world.apply(&[Change::Put(Fact::Call(call(1, temporary_group("joint", &["fire", "police"]))))]);
        let outcome = changed(&world.view(), teardown());
        assert!(outcome.sends.is_empty());
        world.keep(&outcome);
        assert_eq!(world.model.affiliated_count(Service::Mcptt, "sip:joint@one.example"), 1);
        let mut outcome = Outcome::default();
        affiliations_end(&world.model, &group_id("joint"), &[Service::McVideo], &mut outcome);
        assert!(outcome.changes.is_empty(), "of another service");
        affiliations_end(&world.model, &group_id("joint"), &[Service::Mcptt], &mut outcome);
        world.keep(&outcome);
        assert_eq!(world.model.affiliated_count(Service::Mcptt, "sip:joint@one.example"), 0);
    }

    #[test]
    fn teardown_ends_affiliations_to_the_temporary_group_itself() {
        let mut world = world();
        world.run(|view| changed(view, formation()));
        world.affiliate("alice", "a1", &["fire", "joint"]);
        world.affiliate("bob", "b1", &["joint"]);
        let outcome = changed(&world.view(), teardown());
        let told: Vec<_> = outcome
            .sends
            .iter()
            .map(|send| match send {
                Send::AffiliationStatus { user, service: Service::Mcptt, p_id: None } => user.clone(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(told, [user_id("alice"), user_id("bob")]);
        world.keep(&outcome);
        assert_eq!(world.model.affiliated_count(Service::Mcptt, "sip:joint@one.example"), 0);
        assert!(world.model.is_affiliated(
            Service::Mcptt,
            "sip:alice@one.example",
            "a1",
            "sip:fire@one.example"
        ));
        assert!(world.model.affiliations("sip:bob@one.example", "b1").is_none());
    }

    #[test]
    fn a_constituent_counts_as_affiliation_to_the_temporary_group() {
        let mut world = world();
        world.run(|view| changed(view, formation()));
        world.affiliate("bob", "b1", &["fire"]);
        world.affiliate("bob", "b2", &["police"]);
        world.affiliate("bob", "b3", &["joint"]);
        assert_eq!(
            affiliated_to(&world.model, Service::Mcptt, &user_id("bob"), &group_id("joint")),
            clients(&["b1", "b2", "b3"])
        );
        assert_eq!(
            affiliated_to(&world.model, Service::Mcptt, &user_id("bob"), &group_id("fire")),
            clients(&["b1"])
        );
        assert_eq!(
            affiliated_to(&world.model, Service::Mcptt, &user_id("alice"), &group_id("joint")),
            clients(&[])
        );
    }

    #[test]
    fn an_affiliation_without_membership_does_not_count() {
        let mut world = world();
        world.run(|view| changed(view, formation()));
        world.affiliate("dave", "d1", &["fire"]);
        assert!(affiliated_to(&world.model, Service::Mcptt, &user_id("dave"), &group_id("joint")).is_empty());
        assert!(affiliated_members(&world.model, Service::Mcptt, &group_id("fire")).is_empty());
        assert!(affiliated_members(&world.model, Service::Mcptt, &group_id("joint")).is_empty());
    }

    #[test]
    fn each_affiliated_member_of_the_constituents_is_named_once() {
        let mut world = world();
        world.run(|view| changed(view, formation()));
        world.affiliate("alice", "a1", &["fire"]);
        world.affiliate("bob", "b1", &["fire", "police"]);
        world.affiliate("bob", "b2", &["police"]);
        world.affiliate("carol", "c1", &["joint"]);
        let members = affiliated_members(&world.model, Service::Mcptt, &group_id("joint"));
        let expected = [("alice", &["a1"][..]), ("bob", &["b1", "b2"]), ("carol", &["c1"])];
        assert_eq!(members, expected.map(|(user, of)| (user_id(user), clients(of))).into());
    }

    #[test]
    fn members_of_a_temporary_group_are_those_of_its_constituents_with_the_strongest_marks() {
        let strong = Member { priority: Some(9), required: true, ..Member::default() };
        let listener = Member {
            priority: Some(200),
            affiliation_required: true,
            receive_only: true,
            ..Member::default()
        };
        let mut world = World::new(
            [user("bob")],
            [
                group_with_members("fire", &[("bob", strong), ("alice", Member::default())]),
                group_with_members("police", &[("bob", listener.clone()), ("carol", listener.clone())]),
            ],
        );
        world.apply(&regrouping(&temporary_group("joint", &["fire", "police", "sip:far@two.example"])));
        let members = members_of(&world.model, &group_id("joint"));
        assert_eq!(members.keys().cloned().collect::<Vec<_>>(), ["alice", "bob", "carol"].map(user_id));
        let bob =
            Member { priority: Some(200), required: true, affiliation_required: true, ..Member::default() };
        assert_eq!(members.get(&user_id("bob")), Some(&bob));
        assert_eq!(members.get(&user_id("carol")), Some(&listener));
        assert!(is_member(&world.model, &user_id("carol"), &group_id("joint")));
        assert!(!is_member(&world.model, &user_id("dave"), &group_id("joint")));
    }

    #[test]
    fn an_unknown_group_has_no_members() {
        let world = world();
        assert!(members_of(&world.model, &group_id("none")).is_empty());
        assert!(affiliated_members(&world.model, Service::Mcptt, &group_id("none")).is_empty());
        assert!(!is_member(&world.model, &user_id("alice"), &group_id("none")));
    }
}
