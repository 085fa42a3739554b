//! Limits that the service holds, each at its edge; and that nothing grows where facts come and go.

use super::*;
use crate::sip::wire::Name;

fn limited(change: impl FnOnce(&mut Limits)) -> World {
    let mut setup = setup();
    change(&mut setup.limits);
    World::brigade(setup)
}

/// The GMOP request of a formation of `fire` and `rescue`, as alice sends it.
fn form(world: &mut World, transaction: &str) -> Sent {
    let (kind, body) = with_info(
        "<anyExt><req-type type=\"Normal\"><mcpttString>group-regroup-request</mcpttString></req-type></anyExt>",
        "application/vnd.3gpp.GMOP+xml",
        &gmop(transaction),
    );
    world.ask(("alice", 5), "MESSAGE", GMS, &[], Some((&kind, &body)))
}

fn gmop(transaction: &str) -> String {
    use crate::documents::gmop::{Gmop, GroupProposal, Operation, OperationKind};
    Gmop::Request(Operation {
        kind: OperationKind::GroupRegroupCreation,
        group_id: None,
        transaction_id: Some(transaction.to_owned()),
        requestor: None,
        group: Some(GroupProposal {
            uri: "sip:both@one.example".to_owned(),
            constituents: Some(["fire", "rescue"].map(|group| format!("sip:{group}@one.example")).to_vec()),
            ..GroupProposal::default()
        }),
        document: None,
    })
    .encode()
}

/// The affiliation document of one client.
fn publish(world: &mut World, groups: &[&str]) -> Sent {
    use crate::documents::pidf::{Affiliation, Presence, Tuple};
    let affiliation = |group: &&str| Affiliation {
        group: Some(format!("sip:{group}@one.example")),
        ..Affiliation::default()
    };
    let document = Presence {
        entity: "sip:alice@one.example".to_owned(),
        tuples: vec![Tuple {
            id: "alice-phone".to_owned(),
            affiliations: groups.iter().map(affiliation).collect(),
        }],
        p_id: None,
    };
    let (kind, body) = with_info(
        "<mcptt-request-uri type=\"Normal\"><mcpttURI>sip:alice@one.example</mcpttURI></mcptt-request-uri>",
        "application/pidf+xml",
        &document.encode(crate::model::Service::Mcptt),
    );
    let service = format!("P-Preferred-Service: {ICSI}");
    let extra = ["Event: presence", "Expires: 4294967295", &service];
    world.ask(("alice", 5), "PUBLISH", PARTICIPATING, &extra, Some((&kind, &body)))
}

fn subscribe(world: &mut World) -> Sent {
    let body = info(
        "<mcptt-request-uri type=\"Normal\"><mcpttURI>sip:alice@one.example</mcpttURI></mcptt-request-uri>",
    );
    let service = format!("P-Preferred-Service: {ICSI}");
    let extra = ["Event: presence", "Expires: 3600", "Contact: <sip:alice@192.0.2.5:5060>", &service];
    let body = ("application/vnd.3gpp.mcptt-info+xml", body.as_str());
    world.ask(("alice", 5), "SUBSCRIBE", PARTICIPATING, &extra, Some(body))
}

#[test]
fn an_operation_that_would_owe_too_much_is_refused_as_a_whole() {
    // Three notifications and the result.
    let mut world = limited(|limits| limits.owed = 3);
    let facts = world.facts.clone();
    let answer = form(&mut world, "t1");
    assert_eq!(answer.line(), "503 MESSAGE");
    assert!(!answer.get(Name::RetryAfter).is_empty());
    assert_eq!(world.facts, facts);
    assert_eq!(world.sent.len(), 1, "nobody hears of it");

    let mut world = limited(|limits| limits.owed = 4);
    assert_eq!(form(&mut world, "t1").line(), "200 MESSAGE");
    assert_eq!(world.service.model.owed_count(), 4);
    // Until they are answered there is room for nothing else, not even for a repetition.
    assert_eq!(form(&mut world, "t1").line(), "503 MESSAGE");
    for _ in 0..2 {
        world.wait(Duration::from_secs(40));
    }
    assert_eq!(world.service.model.owed_count(), 0);
    assert_eq!(form(&mut world, "t1").line(), "200 MESSAGE");
}

#[test]
fn a_request_names_no_more_groups_than_the_limit() {
    let mut world = limited(|limits| limits.groups_per_request = 2);
    assert_eq!(publish(&mut world, &["fire", "rescue"]).line(), "200 PUBLISH");
    let facts = world.facts.clone();
    let answer = publish(&mut world, &["fire", "rescue", "water"]);
    assert_eq!(answer.line(), "400 PUBLISH");
    assert!(answer.get(Name::Warning).contains("more than 2 groups"), "{}", answer.get(Name::Warning));
    assert_eq!(world.facts, facts);
    assert_eq!(form(&mut world, "t1").line(), "200 MESSAGE");

    let mut world = limited(|limits| limits.groups_per_request = 1);
    assert_eq!(form(&mut world, "t1").line(), "400 MESSAGE");
}

#[test]
fn a_user_has_no_more_subscriptions_than_the_limit() {
    let mut world = limited(|limits| limits.subscriptions_per_user = 2);
    for _ in 0..2 {
        assert_eq!(subscribe(&mut world).line(), "200 SUBSCRIBE");
    }
    let answer = subscribe(&mut world);
    assert_eq!(answer.line(), "503 SUBSCRIBE");
    assert!(!answer.get(Name::RetryAfter).is_empty());
}

#[test]
fn an_identity_has_no_more_contacts_than_the_limit() {
    let mut world = limited(|limits| limits.contacts_per_identity = 2);
    let register = |world: &mut World, device: u32| {
        let contact = format!("Contact: <sip:alice@192.0.2.5:{}>", 6000 + device);
        world.ask(("alice", 5), "REGISTER", "sip:one.example", &[&contact], None).line()
    };
    assert_eq!(register(&mut world, 1), "200 REGISTER");
    assert_eq!(register(&mut world, 2), "403 REGISTER");
    assert_eq!(register(&mut world, 1), "200 REGISTER");
}

#[test]
fn a_call_whose_members_find_no_room_is_released() {
    let mut small = setup();
    small.agent.transactions.limits.sessions = 1;
    let mut world = World::brigade(small);
    let caller = world.call(("alice", 5), "fire", &[]);
    assert!(world.to(6, "INVITE").is_none() && world.to(7, "INVITE").is_none());
    // The group lets the caller in at once; then nobody else is there.
    let accepted = world.to(5, "200 INVITE").cloned().unwrap();
    let ack = caller.text("ACK", 1, &accepted.tag(Name::To), PARTICIPATING, &[], "");
    world.receive(flow(5), &ack);
    let bye = world.to(5, "BYE").cloned().unwrap();
    assert_eq!(bye.get(Name::PAssertedIdentity), format!("<{PARTICIPATING}>"));
    world.answer(5, &bye, 200);
    assert!(world.facts.keys().all(|key| !matches!(key, FactKey::Call(_) | FactKey::Leg(_))));
    // And there is room for the next.
    world.call(("bob", 6), "fire", &[]);
    assert!(world.to(6, "200 INVITE").is_some());
}

#[test]
fn refreshes_leave_no_timers_behind() {
    let mut world = World::brigade(setup());
    let before = world.service.alarms.len();
    for _ in 0..100 {
        world.now = world.now.plus(Duration::from_secs(1));
        assert_eq!(world.register("alice", 5, 3600).line(), "200 REGISTER");
    }
    assert_eq!(world.service.alarms.len(), before);
    world.register("alice", 5, 0);
    assert_eq!(world.service.alarms.len(), before - 1);
}

#[test]
fn nothing_stays_open_when_all_owed_requests_are_answered_or_given_up() {
    let mut world = World::brigade(setup());
    let before = world.service.alarms.len();
    form(&mut world, "t1");
    let notices: Vec<Sent> = world.sent.iter().filter(|sent| sent.line() == "MESSAGE").cloned().collect();
    assert_eq!(notices.len(), 4);
    world.answer(5, &notices[0], 200);
    world.answer(6, &notices[1], 486);
    world.answer(7, &notices[2], 503);
    world.wait(Duration::from_secs(120));
    assert!(world.service.is_idle());
    assert!(world.service.owed_by_client.is_empty() && world.service.replies.is_empty());
    // The operation is remembered for its repetition.
    assert_eq!(world.service.alarms.len(), before + 1);
}

#[test]
fn owed_requests_are_sent_again_after_a_restart_until_their_time_is_over() {
    let mut world = World::brigade(setup());
    form(&mut world, "t1");
    let notices = |world: &World| world.sent.iter().filter(|sent| sent.line() == "MESSAGE").count();
    assert_eq!(notices(&world), 4);
    let notice = world.to(6, "MESSAGE").cloned().unwrap();
    world.answer(6, &notice, 200);
    world.restart();
    assert_eq!(notices(&world), 3, "bob has heard");
    // The server is down until nobody waits for them any more.
    world.now = world.now.plus(world.setup.policy.owed_for);
    world.restart();
    assert_eq!(notices(&world), 0);
    world.wait(Duration::from_secs(1));
    assert_eq!(world.service.model.owed_count(), 0);
    assert!(world.facts.keys().all(|key| !matches!(key, FactKey::Owed(_))));
}
