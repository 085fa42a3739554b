//! The node alone, no sockets and no disk: what the core costs.

use crate::messages::*;
use crate::{measure, resident, start};
use bytes::Bytes;
use rollcall::env::{Ids, Time};
use rollcall::model::{Change, ClientAffiliations, ClientId, Fact, GroupAffiliation, Service, UserId};
use rollcall::node::{Core, Input, Kept, Node, Ready, setup};
use rollcall::sip::transaction::{Flow, Path};

/// Time of an INVITE that is answered 302 and acknowledged, and of an OPTIONS.
pub fn path(arguments: &[String]) {
    let rounds = arguments.first().map_or(100_000, |text| text.parse().expect("a number"));
    let now = start();
    let mut node = Node::start(setup::service(&system(1_000), Ids::new([1; 32])), now);
    let answer = feed(&mut node, now, flow("127.0.0.2:7001"), form());
    assert!(answer.starts_with(b"SIP/2.0 200"), "{}", String::from_utf8_lossy(&answer));
    invites(&mut node, now, rounds);
    let peer = flow("127.0.0.1:6001");
    measure("OPTIONS, 200", rounds, |n| {
        let answer = feed(&mut node, at(now, rounds + n), peer, options(n));
        assert!(answer.starts_with(b"SIP/2.0 200"), "{}", String::from_utf8_lossy(&answer));
    });
}

fn invites(node: &mut Node, now: Time, rounds: u64) {
    let peer = flow("127.0.0.1:6001");
    measure("INVITE, 302, ACK", rounds, |n| {
        let answer = feed(node, at(now, n), peer, invite(n));
        assert!(answer.starts_with(b"SIP/2.0 302"), "{}", String::from_utf8_lossy(&answer));
        feed(node, at(now, n), peer, ack(n, &answer));
    });
}

/// What is stored of the affiliation of a user to a group.
pub fn affiliation(user: u64, group: &str) -> Fact {
    Fact::Affiliation(ClientAffiliations {
        user: UserId::new(format!("sip:user{user}@one.example")),
        client: ClientId::new(format!("urn:uuid:00000000-0000-1000-8000-{user:012}")),
        groups: vec![GroupAffiliation::own(
            format!("sip:{group}@one.example").as_str().into(),
            Service::Mcptt,
            None,
        )],
    })
}

/// The same INVITE with so many affiliated users, and the memory of an affiliation.
pub fn scale(arguments: &[String]) {
    let sizes: Vec<u64> = match arguments {
        [] => vec![1_000, 10_000, 100_000, 1_000_000],
        sizes => sizes.iter().map(|text| text.parse().expect("a number")).collect(),
    };
    for users in sizes {
        let (config, now) = (system(users), start());
        // What the formation leaves behind, taken from a small system: the members need not be told here.
        let mut small = Node::start(setup::service(&system(2), Ids::new([1; 32])), now);
        let mut ready = Ready::default();
        small.handle(now, Input::Datagram { flow: flow("127.0.0.2:7001"), octets: form() }, &mut ready);
        small.finish(now, &mut ready);
        let formed = ready.batch.expect("a batch").changes;
        let mut service = setup::service(&config, Ids::new([1; 32]));
        for change in formed {
            if let Change::Put(fact @ (Fact::TemporaryGroup(..) | Fact::Regrouped(..))) = change {
                service.replay(now, fact);
            }
        }
        let before = resident();
        for user in 0..users {
            service.replay(now, affiliation(user, "fire"));
        }
        let each = (resident() - before) / users;
        println!("{users} users affiliated to one group: {each} octets of memory each");
        let mut node = Node::start(service, now);
        invites(&mut node, now, 100_000);
        drop(node);
        spread(users);
    }
}

/// Memory of an affiliation where a thousand users share a group.
fn spread(users: u64) {
    let (parts, now) = (users.div_ceil(1_000), start());
    let config = read(&configuration(users, parts, "memory = true"));
    let mut service = setup::service(&config, Ids::new([1; 32]));
    let before = resident();
    for user in 0..users {
        service.replay(now, affiliation(user, &format!("part{}", user * parts / users)));
    }
    let each = (resident() - before.min(resident())) / users;
    println!("{users} users affiliated to {parts} groups: {each} octets of memory each");
}

/// Memory of a completed transaction, and of a leg of a call.
pub fn memory() {
    let now = start();
    let mut node = Node::start(setup::service(&system(1_000), Ids::new([1; 32])), now);
    let rounds = 200_000;
    let before = resident();
    for n in 0..rounds {
        feed(&mut node, now, flow("127.0.0.1:6001"), options(n));
    }
    println!("completed OPTIONS transaction over UDP: {} octets", (resident() - before) / rounds);
    let members = 10_000;
    let mut node = Node::start(setup::service(&system(members + 1), Ids::new([1; 32])), now);
    for user in 0..=members {
        if user > 0 {
            feed(&mut node, now, client(user), Bytes::from(register(user)));
        }
        feed(&mut node, now, flow("127.0.0.2:7001"), publish(user, user, &["fire"]));
    }
    let before = resident();
    let caller = flow("127.0.0.1:6001");
    let mut asked = all(&mut node, now, caller, call());
    let mut answered = 0;
    while let Some((peer, octets)) = asked.pop() {
        if octets.starts_with(b"INVITE ") {
            answered += 1;
            asked.extend(all(&mut node, now, peer, accept(&octets)));
        }
    }
    let each = (resident() - before) / answered;
    println!("leg of a call with {answered} members, controlling function to client: {each} octets");
}

/// All that is sent because of one datagram.
pub fn all(node: &mut Node, now: Time, from: Flow, octets: Bytes) -> Vec<(Flow, Bytes)> {
    let mut ready = Ready::default();
    node.handle(now, Input::Datagram { flow: from, octets }, &mut ready);
    node.finish(now, &mut ready);
    if let Some(batch) = ready.batch {
        ready.at_once.extend(node.settle(now, batch.number, Kept::Yes));
    }
    let to = |path| match path {
        Path::Flow(flow) => flow,
        Path::Address { address, .. } => Flow { peer: address, ..from },
    };
    ready.at_once.into_iter().map(|transmit| (to(transmit.path), transmit.octets)).collect()
}

/// The clock goes on as it would at 100,000 requests a second.
fn at(now: Time, n: u64) -> Time {
    Time::from_millis(now.as_millis() + n / 100)
}

fn feed(node: &mut Node, now: Time, flow: Flow, octets: Bytes) -> Bytes {
    let mut ready = Ready::default();
    node.handle(now, Input::Datagram { flow, octets }, &mut ready);
    if node.due().is_some_and(|due| due <= now) {
        node.handle(now, Input::Tick, &mut ready);
    }
    node.finish(now, &mut ready);
    if let Some(batch) = ready.batch {
        ready.at_once.extend(node.settle(now, batch.number, Kept::Yes));
    }
    ready
        .at_once
        .into_iter()
        .find(|transmit| !transmit.trying)
        .map(|transmit| transmit.octets)
        .unwrap_or_default()
}
