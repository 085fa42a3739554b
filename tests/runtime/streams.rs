//! Streams.

use crate::node::{SOON, Seen, Server, Wish};
use crate::peers::{Datagrams, Stream, request, until};
use rollcall::config::Limits;
use rollcall::model::Transport;
use rollcall::sip::transaction::{ClientId, Path};
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

fn path(address: SocketAddr) -> Path {
    Path::Address { listener: 1, transport: Transport::Tcp, address }
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listener");
    let address = listener.local_addr().expect("address");
    (listener, address)
}

#[test]
fn messages_are_cut_out_of_a_stream_however_it_comes_over_ipv4_and_ipv6() {
    let listeners = vec![(Transport::Tcp, "127.0.0.1:0"), (Transport::Tcp, "[::1]:0")];
    let server = Server::with(Wish { listeners, ..Wish::default() });
    for address in &server.bound {
        let mut peer = Stream::connect(*address);
        let ask = |number: usize, body: &str| request("OPTIONS", number, "TCP", *address, body);
        // Octet by octet.
        for octet in ask(1, "a body").bytes() {
            peer.write(&[octet]);
        }
        assert!(peer.hear().ends_with("\r\n\r\na body"));
        // Several at once, the last one in part.
        let (two, three, four) = (ask(2, "two"), ask(3, ""), ask(4, "four"));
        let (begin, rest) = four.split_at(four.len() - 2);
        peer.write(format!("{two}{three}{begin}").as_bytes());
        assert!(peer.hear().contains("Call-ID: 2\r\n"));
        assert!(peer.hear().contains("Call-ID: 3\r\n"));
        peer.write(rest.as_bytes());
        assert!(peer.hear().ends_with("\r\n\r\nfour"));
        // As large as a message may be.
        let large = "x".repeat(Limits::default().message_octets - ask(5, "").len() - 4);
        peer.write(ask(5, &large).as_bytes());
        assert!(peer.hear().ends_with(&large));
    }
}

#[test]
fn answers_that_waited_for_the_disk_come_in_order() {
    let server = Server::start();
    let mut peer = Stream::connect(server.bound[1]);
    server.door.shut();
    for number in 0..500 {
        peer.ask(if number % 2 == 0 { "MESSAGE" } else { "OPTIONS" }, number);
    }
    until("the first commit", || !server.door.commits().is_empty());
    server.door.open();
    for number in 0..500 {
        assert!(peer.hear().contains(&format!("Call-ID: {number}\r\n")));
    }
}

#[test]
fn a_ping_is_answered() {
    let server = Server::start();
    let mut peer = Stream::connect(server.bound[1]);
    peer.write(b"\r\n\r\n");
    assert_eq!(peer.some(), b"\r\n");
    assert_eq!(peer.asks("OPTIONS", 1), 200);
    peer.write(b"\r\n\r\n\r\n\r\n");
    let mut answers = Vec::new();
    while answers.len() < 4 {
        answers.extend(peer.some());
    }
    assert_eq!(answers, b"\r\n\r\n");
}

#[test]
fn what_is_no_sip_is_told_and_the_connection_closed() {
    let server = Server::start();
    let mut peer = Stream::connect(server.bound[1]);
    let _ = peer.socket.write_all(&[0x16; 100_000]);
    assert_eq!(server.hears(), Seen::Broken("not the beginning of a message"));
    peer.is_closed();
    let mut peer = Stream::connect(server.bound[1]);
    peer.write(b"OPTIONS sip:x SIP/2.0\r\nCSeq: 1 OPTIONS\r\n\r\n");
    assert_eq!(server.hears(), Seen::Broken("Content-Length missing"));
    peer.is_closed();
}

#[test]
fn a_peer_that_does_not_read_loses_its_connection_and_slows_nobody() {
    let limits = Limits { connection_queue_octets: 100_000, ..Limits::default() };
    let server = Server::with(Wish { limits, ..Wish::default() });
    let mut deaf = Stream::connect(server.bound[1]);
    let mut other = Stream::connect(server.bound[1]);
    let body = "x".repeat(60_000);
    let mut number = 0;
    // Until the queue, and the kernel's buffers on both sides, are full.
    loop {
        number += 1;
        assert!(number < 10_000, "nobody cuts the connection");
        let ask = request("OPTIONS", number, "TCP", deaf.address(), &body);
        if deaf.socket.write_all(ask.as_bytes()).is_err() {
            break;
        }
        assert_eq!(other.asks("OPTIONS", number), 200);
    }
    deaf.is_closed();
    assert_eq!(other.asks("MESSAGE", 0), 200);
    assert_eq!(Stream::connect(server.bound[1]).asks("OPTIONS", 1), 200);
}

#[test]
fn pings_that_are_not_read_count_for_what_they_cost() {
    let limits = Limits { connection_queue_octets: 1_000_000, ..Limits::default() };
    let server = Server::with(Wish { limits, ..Wish::default() });
    let mut deaf = Stream::connect(server.bound[1]);
    let pings = b"\r\n\r\n".repeat(10_000);
    // Two octets each would let half a million of them wait.
    let mut sent = 0;
    while deaf.socket.write_all(&pings).is_ok() {
        sent += 10_000;
        assert!(sent < 50_000_000, "nobody cuts the connection");
    }
    deaf.is_closed();
}

#[test]
fn there_are_as_many_connections_as_the_limit_says() {
    let limits = Limits { connections: 3, ..Limits::default() };
    let server = Server::with(Wish { limits, ..Wish::default() });
    let mut open: Vec<Stream> = (0..3).map(|_| Stream::connect(server.bound[1])).collect();
    for peer in &mut open {
        assert_eq!(peer.asks("OPTIONS", 1), 200);
    }
    Stream::connect(server.bound[1]).is_closed();
    // Neither can one be opened from here.
    let (_listener, address) = listener();
    server.send(path(address), 8, "x");
    assert_eq!(server.hears(), Seen::Unreachable(ClientId(8)));
    // One goes, one comes.
    drop(open.pop());
    until("room for one more", || {
        let mut peer = Stream::connect(server.bound[1]);
        peer.ask("OPTIONS", 2);
        let answered = !peer.some().is_empty();
        if answered {
            open.push(peer);
        }
        answered
    });
    assert_eq!(open.len(), 3);
    for peer in &mut open[..2] {
        assert_eq!(peer.asks("OPTIONS", 3), 200);
    }
}

#[test]
fn requests_to_an_address_share_one_connection_and_a_new_one_follows_a_lost_one() {
    let server = Server::start();
    let (listener, address) = listener();
    let ask = |number| request("OPTIONS", number, "TCP", address, "");
    for number in 1..=3 {
        server.send(path(address), 1, ask(number));
    }
    let mut peer = Stream::accept(&listener);
    for number in 1..=3 {
        assert_eq!(peer.hear(), ask(number));
    }
    // Its answers are the node's.
    peer.write(b"SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert!(matches!(server.hears(), Seen::Response(flow) if flow.peer == address && flow.listener == 1));
    // It may ask as well.
    assert_eq!(peer.asks("OPTIONS", 9), 200);
    drop(peer);
    listener.set_nonblocking(true).expect("option");
    let mut accepted = None;
    until("a new connection", || {
        server.send(path(address), 2, ask(4));
        accepted = listener.accept().ok();
        accepted.is_some()
    });
}

#[test]
fn a_request_to_the_address_of_a_connection_goes_over_it() {
    let server = Server::start();
    let mut peer = Stream::connect(server.bound[1]);
    assert_eq!(peer.asks("OPTIONS", 1), 200);
    let ask = request("OPTIONS", 2, "TCP", server.bound[1], "");
    server.send(path(peer.address()), 1, ask.clone());
    assert_eq!(peer.hear(), ask);
}

#[test]
fn nobody_at_the_other_end_is_unreachable() {
    let server = Server::start();
    let (gone, address) = listener();
    drop(gone);
    server.send(path(address), 6, "x");
    server.send(path(address), 7, "y");
    let mut told = [server.hears(), server.hears()];
    told.sort_by_key(|seen| format!("{seen:?}"));
    assert_eq!(told, [Seen::Unreachable(ClientId(6)), Seen::Unreachable(ClientId(7))]);
}

#[test]
fn a_request_over_a_connection_that_is_gone_is_unreachable() {
    let server = Server::start();
    let mut peer = Stream::connect(server.bound[1]);
    peer.ask("SUBSCRIBE", 1);
    let Seen::Waits(flow) = server.hears() else { panic!("another") };
    server.send(Path::Flow(flow), 1, "x");
    assert_eq!(peer.some(), b"x");
    drop(peer);
    until("told", || {
        server.send(Path::Flow(flow), 2, "y");
        matches!(server.seen.recv_timeout(Duration::from_millis(20)), Ok(Seen::Unreachable(ClientId(2))))
    });
}

// RFC 3261 18.2.2.
#[test]
fn an_answer_whose_connection_is_gone_goes_to_sent_by() {
    let server = Server::start();
    let (listener, sent_by) = listener();
    let mut peer = Stream::connect(server.bound[1]);
    peer.write(request("SUBSCRIBE", 5, "TCP", sent_by, "").as_bytes());
    let Seen::Waits(flow) = server.hears() else { panic!("another") };
    drop(peer);
    // The server has noticed when it can send nothing over it any more.
    until("noticed", || {
        server.send(Path::Flow(flow), 2, "y");
        matches!(server.seen.recv_timeout(Duration::from_millis(20)), Ok(Seen::Unreachable(_)))
    });
    server.apply(|node| node.answer_all());
    let answer = Stream::accept(&listener).hear();
    assert!(answer.starts_with("SIP/2.0 200") && answer.contains("Call-ID: 5\r\n"), "{answer}");
}

#[test]
fn who_says_nothing_or_half_a_message_is_not_waited_for() {
    let server = Server::with(Wish { patience: Duration::from_millis(300), ..Wish::default() });
    let mut silent = Stream::connect(server.bound[1]);
    let mut slow = Stream::connect(server.bound[1]);
    let mut good = Stream::connect(server.bound[1]);
    let mut pings = Stream::connect(server.bound[1]);
    assert_eq!(good.asks("OPTIONS", 1), 200);
    pings.write(b"\r\n\r\n\r\n");
    assert_eq!(pings.some(), b"\r\n");
    assert_eq!(slow.asks("OPTIONS", 1), 200);
    slow.write(b"OPTIONS sip:server@one");
    silent.is_closed();
    slow.is_closed();
    // Whoever has said something may be idle, with half a ping too.
    assert_eq!(good.asks("OPTIONS", 2), 200);
    pings.write(b"\r\n");
    assert_eq!(pings.some(), b"\r\n");
    assert_eq!(pings.asks("OPTIONS", 2), 200);
    // A connection that we opened needs no word of the peer at all.
    let (listener, address) = listener();
    server.send(path(address), 1, "x");
    let mut called = Stream::accept(&listener);
    assert_eq!(called.some(), b"x");
    Stream::connect(server.bound[1]).is_closed();
    server.send(path(address), 1, "y");
    assert_eq!(called.some(), b"y");
}

#[test]
fn a_peer_that_asks_without_end_does_not_keep_others_from_being_heard() {
    let server = Server::start();
    let address = server.bound[1];
    let ask = request("OPTIONS", 0, "TCP", address, "");
    let greedy = Stream::connect(address);
    let mut reader = Stream::connect(address);
    reader.socket = greedy.socket.try_clone().expect("socket");
    let mut writer = greedy;
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let many = ask.repeat(50);
    let writing = std::thread::spawn(move || {
        while stopped.try_recv().is_err() && writer.socket.write_all(many.as_bytes()).is_ok() {}
        let _ = writer.socket.shutdown(std::net::Shutdown::Both);
    });
    let reading = std::thread::spawn(move || {
        let mut total = 0;
        loop {
            match reader.some().len() {
                0 => return total,
                octets => total += octets,
            }
        }
    });
    let (mut stream, datagrams) = (Stream::connect(address), Datagrams::new(server.bound[0]));
    for number in 1..200 {
        assert_eq!(stream.asks("MESSAGE", number), 200);
        assert_eq!(datagrams.asks("MESSAGE", number), 200);
    }
    drop(stop);
    let _ = stream.socket.set_read_timeout(Some(SOON));
    writing.join().expect("writer");
    assert!(reading.join().expect("reader") > 0);
}
