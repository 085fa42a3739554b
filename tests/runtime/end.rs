//! The end.

use crate::node::{SOON, Seen, Server, Wish};
use crate::peers::{Datagrams, Stream, told, until};
use rollcall::store::Fault;
use std::sync::atomic::Ordering;
use std::time::Duration;

#[test]
fn an_order_to_stop_ends_a_server_that_has_nothing_open() {
    let mut server = Server::start();
    assert_eq!(Datagrams::new(server.bound[0]).asks("MESSAGE", 1), 200);
    server.order_stop();
    server.join().expect("a good end");
    assert_eq!(server.facts(), 1);
    // The sockets are free again.
    std::net::UdpSocket::bind(server.bound[0]).expect("bind");
}

#[test]
fn what_was_taken_is_committed_and_answered_before_the_end() {
    let mut server = Server::start();
    let (peer, mut stream) = (Datagrams::new(server.bound[0]), Stream::connect(server.bound[1]));
    server.door.shut();
    for number in 0..50 {
        stream.ask("MESSAGE", number);
    }
    stream.ask("SUBSCRIBE", 51);
    assert!(matches!(server.hears(), Seen::Waits(_)));
    peer.ask("MESSAGE", 1);
    until("all are with the node", || !server.door.commits().is_empty());
    server.order_stop();
    assert_eq!(server.hears(), Seen::Stopped);
    assert!(!server.is_over(), "it waits for the disk");
    server.door.open();
    server.join().expect("a good end");
    assert_eq!(server.facts(), 51);
    assert_eq!(peer.answer(1), 200);
    for number in 0..50 {
        assert_eq!(told(&stream.hear()), (200, number));
    }
    stream.is_closed();
}

#[test]
fn what_is_open_is_waited_for() {
    let mut server = Server::start();
    let peer = Datagrams::new(server.bound[0]);
    server.apply(|node| node.busy = true);
    server.order_stop();
    assert_eq!(server.hears(), Seen::Stopped);
    // It goes on for whoever has something open.
    for number in 0..20 {
        assert_eq!(peer.asks("MESSAGE", number), 200);
    }
    server.apply(|node| node.busy = false);
    server.join().expect("a good end");
    assert_eq!(server.facts(), 20);
}

#[test]
fn what_is_open_is_waited_for_only_so_long_whoever_goes_on_asking() {
    let grace = Duration::from_millis(300);
    let mut server = Server::with(Wish { grace, ..Wish::default() });
    server.apply(|node| node.busy = true);
    server.order_stop();
    let peer = Datagrams::new(server.bound[0]);
    peer.socket.set_read_timeout(Some(Duration::from_millis(20))).expect("timeout");
    let mut number = 0;
    until("the end", || {
        number += 1;
        peer.ask("MESSAGE", number);
        // Asking again does not prolong it.
        server.order_stop();
        server.is_over()
    });
    server.join().expect("a good end");
}

#[test]
fn a_stop_ends_a_server_without_a_store() {
    let mut server = Server::start();
    server.door.locked.store(true, Ordering::SeqCst);
    server.records.fail_commit(1, Fault::Refused);
    assert_eq!(Datagrams::new(server.bound[0]).asks("MESSAGE", 1), 503);
    server.order_stop();
    server.join().expect("a good end");
}

#[test]
fn a_store_that_fails_during_a_stop_does_not_undo_it() {
    let mut server = Server::start();
    let peer = Datagrams::new(server.bound[0]);
    server.apply(|node| node.busy = true);
    server.order_stop();
    server.records.fail_commit(1, Fault::Refused);
    assert_eq!(peer.asks("MESSAGE", 1), 503);
    server.join().expect("a good end");
    assert_eq!(server.door.built.load(Ordering::SeqCst), 1);
}

#[test]
fn a_listener_that_is_taken_is_named() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").expect("bind");
    let address = taken.local_addr().expect("address");
    let listener = rollcall::sip::transaction::Listener {
        transport: rollcall::model::Transport::Udp,
        bind: address,
        advertised: address.to_string(),
    };
    let settings = rollcall::runtime::Settings {
        listeners: vec![listener],
        limits: rollcall::config::Limits::default(),
        worker_threads: 1,
        patience: SOON,
        shutdown_grace: SOON,
        seed: [0; 32],
    };
    let build =
        || -> Result<rollcall::runtime::Built<crate::node::Echo>, _> { unreachable!("nothing is built") };
    let error =
        rollcall::runtime::start(settings, rollcall::runtime::Clock::start(), build).err().expect("refused");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}
