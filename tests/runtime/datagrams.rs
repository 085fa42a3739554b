//! Datagrams.

use crate::node::{Seen, Server, Wish};
use crate::peers::{Datagrams, told};
use rollcall::model::Transport;
use rollcall::sip::transaction::{ClientId, Path};
use std::collections::BTreeSet;

#[test]
fn many_datagrams_are_answered_each_to_its_sender_over_ipv4_and_ipv6() {
    let listeners = vec![(Transport::Udp, "127.0.0.1:0"), (Transport::Udp, "[::1]:0")];
    let server = Server::with(Wish { listeners, ..Wish::default() });
    let peers: Vec<Datagrams> =
        [0, 1, 1, 0].into_iter().map(|listener: usize| Datagrams::new(server.bound[listener])).collect();
    // Windows that fit the buffers of the kernel.
    for window in 0..20 {
        let numbers = window * 100..(window + 1) * 100;
        for number in numbers.clone() {
            for peer in &peers {
                peer.ask(if number % 3 == 0 { "MESSAGE" } else { "OPTIONS" }, number);
            }
        }
        for peer in &peers {
            let answered: BTreeSet<_> = numbers.clone().map(|_| told(&peer.hear())).collect();
            assert_eq!(answered, numbers.clone().map(|number| (200, number)).collect());
        }
    }
    assert_eq!(server.facts(), 20 * 100 / 3 * 4 + 4);
}

#[test]
fn an_answer_that_waits_for_the_disk_is_sent_by_a_server_that_sleeps() {
    let server = Server::start();
    let peer = Datagrams::new(server.bound[0]);
    for number in 0..200 {
        assert_eq!(peer.asks("MESSAGE", number), 200);
    }
}

#[test]
fn what_no_datagram_can_carry_is_unreachable() {
    let server = Server::start();
    let peer = Datagrams::new(server.bound[0]);
    let path = Path::Address { listener: 0, transport: Transport::Udp, address: peer.address() };
    server.send(path, 4, vec![b'x'; 70_000]);
    assert_eq!(server.hears(), Seen::Unreachable(ClientId(4)));
    // The next one is not held up.
    server.send(path, 5, "fits");
    assert_eq!(peer.hear(), "fits");
    // A listener that is not one for datagrams.
    let path = Path::Address { listener: 1, transport: Transport::Udp, address: peer.address() };
    server.send(path, 6, "x");
    assert_eq!(server.hears(), Seen::Unreachable(ClientId(6)));
}

#[test]
fn more_than_the_kernel_takes_at_once_leaves_in_order() {
    let server = Server::start();
    let peer = Datagrams::new(server.bound[0]);
    let path = Path::Address { listener: 0, transport: Transport::Udp, address: peer.address() };
    // The peer's buffer holds a few; loopback throws away what does not fit, so they come in windows.
    for window in 0..30 {
        server.apply(move |node| {
            for number in 0..100 {
                let octets = format!("{window} {number}").into();
                let transmit = rollcall::sip::transaction::Transmit {
                    path,
                    octets,
                    ticket: None,
                    answers: None,
                    trying: false,
                };
                node.out.push(transmit);
            }
        });
        for number in 0..100 {
            assert_eq!(peer.hear(), format!("{window} {number}"));
        }
    }
}
