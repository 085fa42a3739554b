//! A change of affiliation to a group that is watched by many.

use crate::core::affiliation;
use crate::messages::*;
use crate::{argument, start};
use bytes::Bytes;
use rollcall::env::{Ids, Time};
use rollcall::model::{Change, FactKey};
use rollcall::node::{Core, Input, Kept, Node, Ready, setup};
use rollcall::sip::transaction::{Flow, Path};
use std::time::{Duration, Instant};

/// What came of inputs.
#[derive(Default)]
struct Told {
    out: Vec<(Flow, Bytes)>,
    facts: u64,
    of_subscriptions: u64,
    fact_octets: u64,
    took: Duration,
}

/// The first `watchers` users watch a group to which `affiliated` others are affiliated; one more comes and goes. Each NOTIFY
/// is answered 200 before the next change.
pub fn watchers(arguments: &[String]) {
    let (watchers, affiliated) = (argument(arguments, 0, 1_000), argument(arguments, 1, 100));
    let rounds = argument(arguments, 2, 200);
    let mut service = setup::service(&system(watchers + affiliated + 1), Ids::new([1; 32]));
    for user in watchers..watchers + affiliated {
        service.replay(start(), affiliation(user, "sea"));
    }
    let mut node = Node::start(service, start());
    let proxy = flow("127.0.0.2:7001");
    for user in 0..watchers {
        let mut told = Told::default();
        feed(&mut node, start(), proxy, subscribe(user, "sea"), &mut told);
        let answer = &told.out.first().expect("an answer").1;
        assert!(answer.starts_with(b"SIP/2.0 200"), "{}", String::from_utf8_lossy(answer));
        for (peer, request) in told.out.iter().filter(|(_, octets)| octets.starts_with(b"NOTIFY")) {
            feed(&mut node, start(), *peer, ok(request), &mut Told::default());
        }
    }
    let (mut change, mut answers) = (Told::default(), Told::default());
    let (mut notified, mut octets) = (0, 0);
    for round in 0..rounds {
        // No two changes in one second: transactions end, and are no part of what is measured.
        let now = start().plus(Duration::from_secs(round));
        let groups: &[&str] = if round % 2 == 0 { &["sea"] } else { &[] };
        change.out.clear();
        feed(&mut node, now, proxy, publish(watchers + affiliated, round, groups), &mut change);
        let told: Vec<_> =
            change.out.iter().filter(|(_, octets)| octets.starts_with(b"NOTIFY")).cloned().collect();
        assert_eq!(told.len() as u64, watchers, "everybody is told");
        notified += watchers;
        octets += told.iter().map(|(_, octets)| octets.len() as u64).sum::<u64>();
        for (peer, request) in told {
            feed(&mut node, now, peer, ok(&request), &mut answers);
        }
    }
    println!("{watchers} watchers of a group with {affiliated} affiliated users, {rounds} changes");
    println!("a NOTIFY: {} octets", octets / notified);
    for (what, told) in [("a change and its NOTIFYs", &change), ("the answers to them", &answers)] {
        println!(
            "{what}: {} us, {} ns for each NOTIFY; {} facts, {} of them subscriptions; {} octets of facts",
            told.took.as_micros() / u128::from(rounds),
            told.took.as_nanos() / u128::from(notified),
            told.facts / rounds,
            told.of_subscriptions / rounds,
            told.fact_octets / rounds,
        );
    }
}

#[allow(clippy::disallowed_methods, reason = "a measurement")]
fn feed(node: &mut Node, now: Time, from: Flow, octets: Bytes, told: &mut Told) {
    let began = Instant::now();
    let mut ready = Ready::default();
    node.handle(now, Input::Datagram { flow: from, octets }, &mut ready);
    if node.due().is_some_and(|due| due <= now) {
        node.handle(now, Input::Tick, &mut ready);
    }
    node.finish(now, &mut ready);
    let mut changes = Vec::new();
    if let Some(batch) = ready.batch {
        ready.at_once.extend(node.settle(now, batch.number, Kept::Yes));
        changes = batch.changes;
    }
    told.took += began.elapsed();
    for change in &changes {
        let (key, encoded) = match change {
            Change::Put(fact) => (fact.key(), postcard::to_stdvec(fact)),
            Change::Remove(key) => (key.clone(), postcard::to_stdvec(key)),
        };
        told.facts += 1;
        told.of_subscriptions += u64::from(matches!(key, FactKey::Subscription(_)));
        told.fact_octets += encoded.expect("a record").len() as u64;
    }
    let to = |path| match path {
        Path::Flow(flow) => flow,
        Path::Address { address, .. } => Flow { peer: address, ..from },
    };
    told.out.extend(ready.at_once.into_iter().map(|transmit| (to(transmit.path), transmit.octets)));
}
