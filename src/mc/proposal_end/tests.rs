//! TS 23.280 10.8.5.1.2 steps 5 and 6: what a proposal comes to.

use super::*;
use crate::documents::affiliation_command::ChangeOutcome;
use crate::documents::{Body, McInfo};
use crate::mc::proposing::propose;
use crate::model::testing::*;
use crate::procedure::testing::World;
use std::time::Duration;

/// alice proposes to bob, who is affiliated to `sea` with the client `b`.
fn world() -> World {
    let alice = user_with("alice", |profile| profile.allow_recommend_affiliations = true);
    let mut world = World::new(
        [alice, user("bob")],
        [group("fire", &["bob"]), group("sea", &["bob"]), group("rail", &["bob"])],
    );
    world.policy.proposal_outcome = Some(Duration::from_secs(60));
    world.affiliate("bob", "b", &["sea"]);
    world
}

fn ask(sender: &str, about: &str, call_id: &str, command: AffiliationCommand) -> CommandAsk {
    CommandAsk {
        reply: ReplyTo(1),
        sender: Originator::Client(user_id(sender)),
        client: (sender == "bob").then(|| ClientId::from("b")),
        service: Service::Mcptt,
        info: McInfo { request_uri: Some(user_id(about).to_string()), ..McInfo::default() },
        command,
        document: Body { content_type: String::new(), content: bytes::Bytes::new() },
        heading: Heading {
            from: String::new(),
            to: String::new(),
            call_id: call_id.to_owned(),
            cseq: 1,
            hops: 69,
        },
    }
}

fn groups(names: &[&str]) -> Vec<GroupId> {
    names.iter().map(|name| group_id(name)).collect()
}

fn proposes(world: &mut World, call_id: &str, enter: &[&str], leave: &[&str]) -> Result<usize, Refusal> {
    let command = AffiliationCommand { affiliate: groups(enter), de_affiliate: groups(leave), outcome: None };
    let ask = ask("alice", "bob", call_id, command);
    world.ask(|view| propose(view, ask)).map(|outcome| outcome.changes.len())
}

fn says(world: &mut World, call_id: &str, said: ProposalOutcome, enter: &[&str]) -> Outcome<Over> {
    let outcome = ChangeOutcome { outcome: said, in_reply_to: Some(call_id.to_owned()) };
    let command =
        AffiliationCommand { affiliate: groups(enter), de_affiliate: Vec::new(), outcome: Some(outcome) };
    let ask = ask("bob", "alice", call_id, command);
    world.ask(|view| told(view, ask)).unwrap()
}

/// What the originator is told in an outcome.
fn end_in(outcome: &Outcome<Over>) -> Option<(ProposalOutcome, ProposedChanges)> {
    outcome.changes.iter().find_map(|change| match change {
        Change::Put(Fact::Owed(Owed { notice: Notice::Proposal(end), .. })) => {
            Some((end.outcome, end.changes.clone()))
        }
        _ => None,
    })
}

/// bob's client publishes a set; what the originator is told of it.
fn publishes(world: &mut World, client: &str, wanted: &[&str]) -> Option<(ProposalOutcome, ProposedChanges)> {
    let (bob, client_id, set) =
        (user_id("bob"), ClientId::from(client), groups(wanted).into_iter().collect());
    let brought = brought(&world.view(), &bob, Service::Mcptt, &client_id, &set);
    world.affiliate("bob", client, wanted);
    let outcome = world.run(|view| brought.map(|brought| published(view, brought)).unwrap_or_default());
    end_in(&outcome)
}

fn changes(enter: &[&str], leave: &[&str]) -> ProposedChanges {
    ProposedChanges { affiliate: groups(enter), de_affiliate: groups(leave) }
}

#[test]
fn one_user_has_so_many_proposals_at_once_and_no_more() {
    let mut world = world();
    for number in 0..PROPOSALS_PER_USER {
        assert_eq!(proposes(&mut world, &format!("c{number}"), &["fire"], &[]), Ok(1));
    }
    // One that comes again is none more.
    assert_eq!(proposes(&mut world, "c0", &["fire"], &[]), Ok(0));
    let refusal = proposes(&mut world, "more", &["fire"], &[]).unwrap_err();
    assert_eq!(refusal, Refusal::Full { what: "proposals of one user", limit: PROPOSALS_PER_USER });
    assert_eq!(refusal.answer().status, 503);
    says(&mut world, "c7", ProposalOutcome::Rejected, &[]);
    assert_eq!(proposes(&mut world, "more", &["fire"], &[]), Ok(1));
}

#[test]
fn a_publish_decides_by_what_it_brings() {
    for (wanted, expected) in [
        (&["sea"][..], None),
        (&["sea", "rail"], None),
        (&["fire"], Some((ProposalOutcome::Accepted, changes(&["fire"], &["sea"])))),
        (&["fire", "sea"], Some((ProposalOutcome::Partial, changes(&["fire"], &[])))),
        (&[], Some((ProposalOutcome::Partial, changes(&[], &["sea"])))),
    ] {
        let mut world = world();
        proposes(&mut world, "c", &["fire"], &["sea"]).unwrap();
        assert_eq!(publishes(&mut world, "b", wanted), expected, "{wanted:?}");
        assert_eq!(world.model.proposal_count(), usize::from(expected.is_none()));
    }
}

#[test]
fn an_owner_who_has_not_spoken_is_waited_for_and_what_he_refuses_is_not_told_as_accepted() {
    for (then, expected) in [
        (Some(AffiliationStatus::Affiliated), (ProposalOutcome::Accepted, changes(&["fire", "rail"], &[]))),
        (None, (ProposalOutcome::Partial, changes(&["fire"], &[]))),
    ] {
        let mut world = world();
        proposes(&mut world, "c", &["fire", "rail"], &[]).unwrap();
        let decided = says(&mut world, "c", ProposalOutcome::Accepted, &["fire", "rail"]);
        assert_eq!(end_in(&decided), None, "the PUBLISH has not come");
        let (bob, client) = (user_id("bob"), ClientId::from("b"));
        let set = groups(&["fire", "rail"]).into_iter().collect();
        let brought = brought(&world.view(), &bob, Service::Mcptt, &client, &set).unwrap();
        let under_way = with_status("rail", Some(AffiliationStatus::Affiliating));
        world.apply(&[under_way]);
        let outcome = world.run(|view| published(view, brought));
        assert_eq!(end_in(&outcome), None, "rail is under way");
        let settled = with_status("rail", then);
        world.apply(&[settled]);
        let outcome = world.run(|view| settle(view, &bob, Service::Mcptt));
        assert_eq!(end_in(&outcome), Some(expected));
    }
}

/// bob's client `b` in `fire`, and in this group with this status.
fn with_status(name: &str, status: Option<AffiliationStatus>) -> Change {
    let names: &[&str] = if status.is_some() { &["fire", name] } else { &["fire"] };
    let mut change = affiliation("bob", "b", names);
    if let (Change::Put(Fact::Affiliation(record)), Some(status)) = (&mut change, status) {
        for entry in record.groups.iter_mut().filter(|entry| entry.group == group_id(name)) {
            entry.status = status;
        }
    }
    change
}

#[test]
fn the_first_decision_counts() {
    let mut world = world();
    proposes(&mut world, "c", &["fire"], &[]).unwrap();
    let first = says(&mut world, "c", ProposalOutcome::Rejected, &[]);
    assert_eq!(end_in(&first), Some((ProposalOutcome::Rejected, ProposedChanges::default())));
    assert_eq!(end_in(&says(&mut world, "c", ProposalOutcome::Accepted, &["fire"])), None);
    assert_eq!(publishes(&mut world, "other", &["fire"]), None);
}

#[test]
fn time_ends_the_waiting_and_not_before() {
    let mut world = world();
    proposes(&mut world, "c", &["fire"], &[]).unwrap();
    let id = world.model.proposals_of(&user_id("bob")).next().unwrap().id;
    world.wait(Duration::from_millis(59_999));
    assert!(world.run(|view| expire(view, id)).changes.is_empty());
    world.wait(Duration::from_millis(1));
    let outcome = world.run(|view| expire(view, id));
    assert_eq!(end_in(&outcome), Some((ProposalOutcome::Timeout, ProposedChanges::default())));
    assert!(world.run(|view| expire(view, id)).changes.is_empty(), "told once");
}

#[test]
fn nothing_is_remembered_where_outcomes_are_not_told() {
    let mut world = world();
    world.policy.proposal_outcome = None;
    assert_eq!(proposes(&mut world, "c", &["fire"], &[]), Ok(0));
    let outcome = ChangeOutcome { outcome: ProposalOutcome::Accepted, in_reply_to: None };
    let command = AffiliationCommand { outcome: Some(outcome), ..AffiliationCommand::default() };
    let ask = ask("bob", "alice", "c", command);
    assert_eq!(world.ask(|view| told(view, ask)).unwrap_err(), Refusal::UnknownOperation);
}

#[test]
fn a_proposal_that_nobody_took_is_forgotten_unless_it_is_decided() {
    let mut world = world();
    proposes(&mut world, "c", &["fire"], &[]).unwrap();
    let id = world.model.proposals_of(&user_id("alice")).next().unwrap().id;
    says(&mut world, "c", ProposalOutcome::Accepted, &["fire"]);
    assert!(world.run(|view| not_taken(view, id)).changes.is_empty());
    proposes(&mut world, "d", &["fire"], &[]).unwrap();
    let open = world.model.proposals_of(&user_id("alice")).find(|one| one.decided.is_none()).unwrap().id;
    assert_eq!(world.run(|view| not_taken(view, open)).changes, [Change::Remove(FactKey::Proposal(open))]);
}
