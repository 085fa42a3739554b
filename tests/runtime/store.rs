//! The disk thread, and what happens when it cannot go on.

use crate::node::{Seen, Server, Wish};
use crate::peers::{Datagrams, Stream, told, until};
use rollcall::node::Kept;
use rollcall::store::Fault;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

/// The ends of commits that the node heard of, up to the one with this number.
fn settled(server: &Server, last: u64) -> Vec<(u64, Kept)> {
    let mut all = Vec::new();
    while all.last().is_none_or(|(number, _)| *number < last) {
        if let Seen::Settled(number, kept) = server.hears() {
            all.push((number, kept));
        }
    }
    all
}

#[test]
fn batches_that_pile_up_are_committed_together_and_settled_in_order() {
    let server = Server::start();
    let peer = Datagrams::new(server.bound[0]);
    server.door.shut();
    peer.ask("MESSAGE", 0);
    until("the first commit", || server.door.commits() == [1]);
    // Each alone is a batch of its own, because a stream hands over one after the other.
    let mut stream = Stream::connect(server.bound[1]);
    for number in 1..=400 {
        stream.ask("MESSAGE", number);
    }
    stream.ask("SUBSCRIBE", 401);
    assert!(matches!(server.hears(), Seen::Waits(_)), "all are with the node");
    server.turn();
    assert_eq!((server.facts(), server.door.commits()), (0, vec![1]));
    server.door.open();
    assert_eq!(peer.answer(0), 200);
    for number in 1..=400 {
        assert_eq!(told(&stream.hear()), (200, number));
    }
    let commits = server.door.commits();
    assert_eq!(commits.iter().sum::<usize>(), 401);
    assert_eq!(commits, [1, 400], "one commit for all that waited");
    assert_eq!(server.facts(), 401);
    let Seen::Settled(1, Kept::Yes) = server.hears() else { panic!("not the first") };
    let Seen::Settled(last, Kept::Yes) = server.hears() else { panic!("not the second") };
    assert!((2..=401).contains(&last), "{last}");
}

#[test]
fn a_commit_does_not_grow_without_end() {
    let server = Server::start();
    let peer = Datagrams::new(server.bound[0]);
    server.door.shut();
    peer.ask("MESSAGE", 0);
    until("the first commit", || server.door.commits() == [1]);
    let mut stream = Stream::connect(server.bound[1]);
    let asks: usize = 30_000;
    let writing = std::thread::spawn(move || {
        for number in 0..asks {
            stream.ask("MESSAGE", number);
        }
        stream.ask("SUBSCRIBE", asks);
        for number in 0..asks {
            assert_eq!(told(&stream.hear()), (200, number));
        }
    });
    assert!(matches!(server.hears(), Seen::Waits(_)));
    server.turn();
    server.door.open();
    writing.join().expect("all are answered");
    let commits = server.door.commits();
    assert_eq!(commits.iter().sum::<usize>(), 1 + asks);
    assert!(commits.len() >= 3, "{commits:?}");
}

#[test]
fn a_node_that_has_its_hands_full_is_left_alone_until_the_disk_has_caught_up() {
    let server = Server::with(Wish { room: 10, ..Wish::default() });
    let (peer, mut stream) = (Datagrams::new(server.bound[0]), Stream::connect(server.bound[1]));
    server.door.shut();
    for number in 0..100 {
        peer.ask("MESSAGE", number);
        stream.ask("MESSAGE", number);
    }
    // It is not deaf for orders.
    server.turn();
    server.door.open();
    let answered: BTreeSet<_> = (0..100).map(|_| told(&peer.hear())).collect();
    assert_eq!(answered, (0..100).map(|number| (200, number)).collect());
    for number in 0..100 {
        assert_eq!(told(&stream.hear()), (200, number));
    }
    assert_eq!(server.facts(), 200);
}

#[test]
fn what_was_not_kept_is_refused_then_everything_is_until_the_store_is_open_again() {
    let server = Server::start();
    let (peer, mut stream) = (Datagrams::new(server.bound[0]), Stream::connect(server.bound[1]));
    assert_eq!(peer.asks("MESSAGE", 1), 200);
    server.door.locked.store(true, Ordering::SeqCst);
    server.records.fail_commit(1, Fault::Refused);
    server.door.shut();
    peer.ask("MESSAGE", 2);
    until("the commit", || server.door.commits().len() == 2);
    // This one owes nothing to the disk, but was seen after what did.
    peer.ask("OPTIONS", 3);
    stream.ask("SUBSCRIBE", 4);
    while !matches!(server.hears(), Seen::Waits(_)) {}
    server.door.open();
    assert_eq!(peer.answer(2), 503);
    assert_eq!(peer.answer(3), 503);
    assert_eq!(server.facts(), 1);
    // No node, no store: over every way the same, and in the same connections.
    for number in 5..50 {
        assert_eq!(peer.asks("OPTIONS", number), 503);
        assert_eq!(stream.asks("MESSAGE", number), 503);
    }
    // At least one attempt fails.
    until("an attempt", || server.door.built.load(Ordering::SeqCst) >= 2);
    assert_eq!(peer.asks("OPTIONS", 50), 503);
    server.door.locked.store(false, Ordering::SeqCst);
    until("recovery", || peer.asks("OPTIONS", 51) == 200);
    assert_eq!((peer.asks("MESSAGE", 52), stream.asks("MESSAGE", 53)), (200, 200));
    assert_eq!(server.facts(), 3);
}

#[test]
fn everybody_is_answered_while_a_large_store_is_replayed() {
    let mut server = Server::start();
    let (peer, mut stream) = (Datagrams::new(server.bound[0]), Stream::connect(server.bound[1]));
    for (round, number) in [(1, 0), (2, 100)] {
        server.records.fail_commit(1, Fault::Refused);
        assert_eq!(peer.asks("MESSAGE", number), 503);
        server.door.shut();
        until("an attempt", || server.door.built.load(Ordering::SeqCst) == 1 + round);
        for more in 1..20 {
            assert_eq!(peer.asks("OPTIONS", number + more), 503);
            assert_eq!(stream.asks("OPTIONS", number + more), 503);
        }
        if round == 1 {
            server.door.open();
            until("recovery", || peer.asks("OPTIONS", number + 20) == 200);
        }
    }
    // Nobody waits for the second one.
    server.order_stop();
    server.join().expect("a good end");
    server.door.open();
}

#[test]
fn a_commit_that_may_have_happened_is_refused_and_found_at_the_next_opening() {
    let server = Server::start();
    let peer = Datagrams::new(server.bound[0]);
    server.records.fail_commit(1, Fault::Unconfirmed);
    assert_eq!(peer.asks("MESSAGE", 1), 503);
    assert_eq!(server.facts(), 1);
    until("recovery", || peer.asks("OPTIONS", 2) == 200);
    assert_eq!(peer.asks("MESSAGE", 3), 200);
    assert_eq!(server.facts(), 2, "the node counts on from what is there");
}

#[test]
fn a_disk_thread_that_panics_is_a_store_that_failed() {
    let server = Server::start();
    let peer = Datagrams::new(server.bound[0]);
    server.door.breaks.store(true, Ordering::SeqCst);
    assert_eq!(peer.asks("MESSAGE", 1), 503);
    assert_eq!(settled(&server, 1), [(1, Kept::No)]);
    until("recovery", || peer.asks("MESSAGE", 2) == 200);
}

#[test]
fn a_node_that_panics_is_built_anew_from_what_was_committed() {
    let server = Server::start();
    let (peer, mut stream) = (Datagrams::new(server.bound[0]), Stream::connect(server.bound[1]));
    for number in 0..10 {
        assert_eq!(peer.asks("MESSAGE", number), 200);
    }
    for round in 0..3 {
        peer.ask("INFO", 11);
        // Connections outlive the node.
        until("recovery", || stream.asks("OPTIONS", 12) == 200);
        assert_eq!(peer.asks("MESSAGE", 13 + round), 200);
        assert_eq!(server.facts(), 11 + round);
        assert_eq!(server.door.built.load(Ordering::SeqCst), 2 + round);
    }
}
