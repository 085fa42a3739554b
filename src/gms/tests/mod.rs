//! What the tests of both procedures share: a system with four groups, and requests.

mod across;
mod formation;
mod interleavings;
mod teardown;

use super::*;
use crate::documents::gmop::{GroupProposal, OperationKind};
use crate::model::testing::*;
use crate::procedure::testing::World;
use crate::procedure::{Answer, GroupChange, Outcome, Over};

/// `dispatcher` and `chief` may regroup; alice and bob are in `fire`, bob and carol in `police`.
fn world() -> World {
    let regroup = |name: &str| user_with(name, |profile| profile.allow_regroup = true);
    let users = [regroup("dispatcher"), regroup("chief"), user("alice"), user("bob"), user("carol")];
    World::new(users, groups())
}

fn groups() -> [GroupDocument; 4] {
    [
        group("fire", &["alice", "bob"]),
        group("police", &["bob", "carol"]),
        group("rail", &["carol"]),
        group("sea", &[]),
    ]
}

/// A world where one of the groups is different.
fn world_with(name: &str, change: impl FnOnce(&mut GroupDocument)) -> World {
    let mut groups = groups();
    if let Some(group) = groups.iter_mut().find(|group| group.id == group_id(name)) {
        change(group);
    }
    World { model: Model::provisioned(world_users(), groups), ..world() }
}

fn world_users() -> Vec<User> {
    let world = world();
    ["dispatcher", "chief", "alice", "bob", "carol"]
        .iter()
        .filter_map(|name| world.model.user(user_id(name).as_str()))
        .map(|user| user.as_ref().clone())
        .collect()
}

fn ask(sender: &str, kind: OperationKind, transaction_id: Option<&str>) -> Ask {
    Ask {
        reply: ReplyTo(1),
        sender: user_id(sender),
        client: Some(ClientId::from("desk")),
        call_id: "request-1".to_owned(),
        info: McInfo::default(),
        service: Service::Mcptt,
        operation: GmopOperation {
            kind,
            group_id: None,
            transaction_id: transaction_id.map(str::to_owned),
            requestor: None,
            group: None,
            document: None,
        },
        hash: 1,
    }
}

/// A request to form `id` of these groups; the empty name leaves the choice to the GMS.
fn formation(sender: &str, id: &str, constituents: &[&str]) -> Ask {
    let mut ask = ask(sender, OperationKind::GroupRegroupCreation, Some("t-1"));
    ask.operation.group = Some(GroupProposal {
        uri: if id.is_empty() { String::new() } else { group_id(id).to_string() },
        display_name: Some("Harbour fire".to_owned()),
        constituents: Some(constituents.iter().map(|name| group_id(name).to_string()).collect()),
        ..GroupProposal::default()
    });
    ask
}

/// A request to tear `id` down.
fn teardown(sender: &str, id: &str) -> Ask {
    let mut ask = ask(sender, OperationKind::GroupRegroupTeardown, Some("t-2"));
    ask.operation.group_id = Some(group_id(id).to_string());
    ask
}

/// A world in which `dispatcher` has formed `joint` of `fire` and `police`, and every notification was heard.
fn formed_world() -> World {
    let mut world = world();
    form(&mut world);
    world
}

fn form(world: &mut World) {
    let outcome = world
        .ask(|view| super::formation::request(view, formation("dispatcher", "joint", &["fire", "police"])));
    for owed in owed_in(&outcome.unwrap()) {
        world.model.apply(Change::Remove(FactKey::Owed(owed.id)));
    }
}

/// The requests that an outcome owes, in the order in which they are sent. Each send has its fact.
fn owed_in(outcome: &Outcome<Over>) -> Vec<Owed> {
    let fact = |id: OwedRef| {
        outcome.changes.iter().find_map(|change| match change {
            Change::Put(Fact::Owed(owed)) if owed.id == id => Some(owed.clone()),
            _ => None,
        })
    };
    outcome
        .sends
        .iter()
        .filter_map(|send| match send {
            Send::Owed(id) => Some(fact(*id).expect("what is sent is a fact")),
            _ => None,
        })
        .collect()
}

/// The words of an outcome, one each, in order.
fn order(outcome: &Outcome<Over>) -> Vec<String> {
    let owed = owed_in(outcome);
    outcome
        .sends
        .iter()
        .map(|send| match send {
            Send::Answer { to: ReplyTo(1), answer } if *answer == Answer::plain(200) => "200".to_owned(),
            Send::GroupChanged(GroupChange::Formed { document, .. }) => format!("formed {}", document.id),
            Send::GroupChanged(GroupChange::TornDown { temporary, .. }) => format!("torn down {temporary}"),
            Send::Owed(id) => {
                let owed = owed.iter().find(|owed| owed.id == *id).unwrap();
                let kind = match owed.notice {
                    Notice::Regrouped { .. } => "regrouped",
                    Notice::TornDown { .. } => "torn down",
                    Notice::Result(_) => "result",
                    Notice::Proposal(_) => "outcome of a proposal",
                };
                format!("{kind} to {}", owed.to)
            }
            other => panic!("unexpected: {other:?}"),
        })
        .collect()
}

/// Status and warnings of a refusal's answer.
fn answer(refusal: &Refusal) -> (u16, Vec<Option<u16>>) {
    let answer = refusal.answer();
    (answer.status, answer.warnings.iter().map(|warning| warning.code).collect())
}

#[test]
fn places_that_name_a_group_must_agree() {
    let fire = Some("sip:fire@one.example");
    assert_eq!(named(&[None, Some(" "), fire]), Ok(Some(group_id("fire"))));
    assert_eq!(named(&[fire, Some("SIP:fire@ONE.example")]), Ok(Some(group_id("fire"))));
    assert_eq!(named(&[None, Some("")]), Ok(None));
    let refusal = named(&[fire, Some("sip:sea@one.example")]).unwrap_err();
    assert_eq!(answer(&refusal), (400, vec![None]));
}

#[test]
fn a_group_identity_is_taken_up_to_the_limit() {
    let tail = "@one.example";
    let longest = format!("sip:{}{tail}", "x".repeat(GROUP_ID_OCTETS - "sip:".len() - tail.len()));

    assert_eq!(read_group(&longest), Ok(GroupId::new(longest.clone())));
    let longer = read_group(&longest.replace("sip:x", "sip:xx")).unwrap_err();
    assert_eq!(answer(&longer), (400, vec![None]));
    assert!(read_group("fire one").is_err());
}

#[test]
fn a_member_affiliated_to_both_is_concerned_once_by_each_constituent() {
    let mut world = formed_world();
    world.affiliate("bob", "b1", &["joint", "fire"]);
    let own = [group_id("fire"), group_id("police")];
    let members = affiliated_members(&world.model, &group_id("joint"), &own);
    let bob = members.get(&(user_id("bob"), Service::Mcptt));
    assert_eq!(bob.map(|concern| &concern.constituents[..]), Some(&own[..]));
}

// TS 23.280 5.2.5.
#[test]
fn a_member_is_concerned_for_each_service_in_which_he_is_affiliated() {
    let mut world = formed_world();
    let Change::Put(Fact::Affiliation(mut record)) = affiliation("bob", "b1", &["fire", "police"]) else {
        unreachable!()
    };
    record.groups[1].service = Service::McData;
    world.apply(&[Change::Put(Fact::Affiliation(record))]);
    let own = [group_id("fire"), group_id("police")];
    let members = affiliated_members(&world.model, &group_id("joint"), &own);
    let concern =
        |group: &str| Concern { clients: [ClientId::from("b1")].into(), constituents: vec![group_id(group)] };
    let of = |service: Service| members.get(&(user_id("bob"), service));
    assert_eq!(of(Service::Mcptt), Some(&concern("fire")));
    assert_eq!(of(Service::McData), Some(&concern("police")));
    assert_eq!(of(Service::McVideo), None);
}

#[test]
fn a_member_affiliated_to_the_temporary_group_only_is_concerned_by_his_constituents() {
    let mut world = formed_world();
    world.affiliate("bob", "b1", &["joint"]);
    world.affiliate("dispatcher", "d1", &["joint"]);
    let own = [group_id("fire"), group_id("police")];
    let members = affiliated_members(&world.model, &group_id("joint"), &own);
    let concern = Concern { clients: [ClientId::from("b1")].into(), constituents: own.to_vec() };
    assert_eq!(members, [((user_id("bob"), Service::Mcptt), concern)].into());
}
