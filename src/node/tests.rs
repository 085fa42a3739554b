//! What waits for the disk, up to its limits.

use super::*;
use crate::config::Config;
use crate::env::Ids;
use crate::model::Transport;
use std::path::Path;

/// A node with room for 16 waiting messages. Alice may register.
fn node(now: Time) -> Node {
    let text = r#"
        [server]
        domain = "one.example"
        memory = true
        listen = ["udp:192.0.2.1:5060"]
        registrar = true
        [functions]
        participating = "sip:mcptt@one.example"
        controlling = "sip:groups@one.example"
        gms = "sip:gms@one.example"
        [media]
        address = "192.0.2.1"
        [limits]
        waiting_for_store = 16
        [[user]]
        id = "sip:alice@one.example"
    "#;
    let config = Config::read(Path::new("test.toml"), text.as_bytes()).expect("configuration");
    Node::start(setup::service(&config, Ids::new([1; 32])), now)
}

/// Statuses of what leaves at once, and whether there is a batch.
fn ask(node: &mut Node, now: Time, method: &str, number: u32, more: &str) -> (Vec<u16>, bool) {
    let octets = format!(
        "{method} sip:one.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK{number}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:alice@one.example>;tag=1\r\nTo: <sip:alice@one.example>{more}\r\n\
         Call-ID: {number}\r\nCSeq: 1 {method}\r\nContact: <sip:alice@192.0.2.9>\r\nContent-Length: 0\r\n\r\n"
    );
    let peer = "192.0.2.9:5060".parse().expect("address");
    let flow = Flow { transport: Transport::Udp, listener: 0, peer, connection: 0 };
    let mut ready = Ready::default();
    node.handle(now, Input::Datagram { flow, octets: octets.into() }, &mut ready);
    node.finish(now, &mut ready);
    (statuses(&ready.at_once), ready.batch.is_some())
}

fn statuses(sent: &[Transmit]) -> Vec<u16> {
    let status = |transmit: &Transmit| std::str::from_utf8(transmit.octets.get(8..11)?).ok()?.parse().ok();
    sent.iter().filter_map(status).collect()
}

#[test]
fn while_a_commit_is_open_answers_wait_then_new_work_is_refused_then_nothing_is_taken() {
    let now = Time::from_millis(1_000_000);
    let mut node = node(now);
    assert_eq!(ask(&mut node, now, "OPTIONS", 0, ""), (vec![200], false), "nothing waits");
    assert_eq!(ask(&mut node, now, "REGISTER", 1, ""), (vec![], true));
    for number in 2..17 {
        assert_eq!(ask(&mut node, now, "OPTIONS", number, ""), (vec![], false));
    }
    assert_eq!(node.held(), 16);
    assert_eq!(ask(&mut node, now, "OPTIONS", 17, ""), (vec![503], false), "refused at once");
    // A request inside a dialog is heard.
    for number in 18..34 {
        assert!(!node.is_full());
        assert_eq!(ask(&mut node, now, "BYE", number, ";tag=2"), (vec![], false));
    }
    assert_eq!(node.held(), 32);
    assert!(node.is_full());
    let released = statuses(&node.settle(now, 1, Kept::Yes));
    assert_eq!(released, [vec![200; 16], vec![481; 16]].concat());
    assert!(!node.is_full());
    assert_eq!(ask(&mut node, now, "OPTIONS", 40, ""), (vec![200], false));
}

#[test]
fn what_was_not_kept_is_answered_503_and_nothing_else_is_said() {
    let now = Time::from_millis(1_000_000);
    let mut node = node(now);
    assert_eq!(ask(&mut node, now, "REGISTER", 1, ""), (vec![], true));
    assert_eq!(ask(&mut node, now, "OPTIONS", 2, ""), (vec![], false));
    assert_eq!(statuses(&node.settle(now, 1, Kept::No)), [503, 503]);
    assert_eq!(node.held(), 0);
}
