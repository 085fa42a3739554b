//! Peers that mean no good, and limits.

use super::*;

fn limited(limit: usize) -> World {
    let limits = Limits { server_transactions: limit, client_transactions: limit, ..Limits::default() };
    World::with(Settings { limits, ..settings() })
}

fn options(n: usize) -> String {
    message("OPTIONS", &format!("z9hG4bK{n}"), ";tag=x", "UDP")
}

fn invite(n: usize) -> String {
    message("INVITE", &format!("z9hG4bK{n}"), ";tag=x", "UDP")
}

#[test]
fn over_the_limit_a_request_is_answered_503_without_state() {
    let mut world = limited(2);
    world.request(udp(), &options(1));
    world.request(udp(), &invite(2));
    world.sent();
    world.receive(udp(), &invite(3));
    let (first, text) = world.one();
    assert!(
        text.starts_with("SIP/2.0 503 Service Unavailable\r\n") && text.contains("\r\nRetry-After: 5\r\n")
    );
    assert_eq!((world.told().len(), world.table.open()), (0, (2, 0)));
    world.receive(udp(), &invite(3));
    assert_eq!(world.one().0.octets, first.octets, "with the same To tag");
    assert_eq!(world.table.counters().refused_requests, 2);
}

#[test]
fn the_ack_of_an_answer_without_state_does_not_come_up() {
    let mut world = limited(0);
    let outside = over_udp("INVITE", "z9hG4bK1");
    world.receive(udp(), &outside);
    let (_, text) = world.one();
    let tag =
        text.split("\r\n").find_map(|line| line.strip_prefix("To: <sip:fire@one.example>;tag=")).unwrap();
    world.receive(udp(), &message("ACK", "z9hG4bK1", &format!(";tag={tag}"), "UDP"));
    assert!(world.told().is_empty());
    world.receive(udp(), &message("ACK", "z9hG4bK1", ";tag=other", "UDP"));
    assert_eq!(world.told(), ["ack"]);
}

#[test]
fn at_the_limit_the_answered_make_room_oldest_first_and_the_open_do_not() {
    let mut world = limited(3);
    let open = world.request(udp(), &options(1));
    let answered = world.request(udp(), &options(2));
    world.respond(answered, 200);
    world.wait(10);
    let acknowledged = world.request(udp(), &invite(3));
    world.respond(acknowledged, 486);
    world.receive(udp(), &ack("z9hG4bK3"));
    world.sent();

    let fourth = world.request(udp(), &options(4));
    assert_eq!(world.table.last_response(answered), None);
    assert_eq!(world.table.counters().forgotten, 1);
    world.receive(udp(), &invite(3));
    assert!(world.sent().is_empty() && world.told().is_empty(), "the acknowledged one is still known");
    world.request(udp(), &options(5));
    assert_eq!((world.table.counters().forgotten, world.table.open().0), (2, 3));
    assert!(world.table.request_of(open).is_some() && world.table.request_of(fourth).is_some());
    world.receive(udp(), &options(6));
    assert_eq!(world.sent().last().map(String::as_str), Some("SIP/2.0 503 Service Unavailable"));
    assert_eq!(world.table.counters().forgotten, 2);
}

#[test]
fn a_cancel_is_heard_even_if_there_is_no_room_for_it() {
    let mut world = limited(1);
    let id = world.request(udp(), &over_udp("INVITE", "z9hG4bK1"));
    world.sent();
    world.receive(udp(), &over_udp("CANCEL", "z9hG4bK1"));
    world.receive(udp(), &over_udp("CANCEL", "z9hG4bK2"));
    assert_eq!(world.sent(), ["SIP/2.0 200 OK", "SIP/2.0 481 Call/Transaction Does Not Exist"]);
    assert!(matches!(world.events[..], [Event::Cancel { id: cancelled, .. }] if cancelled == id));
    assert_eq!(world.table.open(), (1, 0));
}

#[test]
fn a_failure_that_waits_for_its_ack_does_not_make_room() {
    let mut world = limited(1);
    let id = world.request(udp(), &invite(1));
    world.respond(id, 486);
    world.sent();
    world.receive(udp(), &options(2));
    assert_eq!(world.sent(), ["SIP/2.0 503 Service Unavailable"]);
    assert!(world.table.last_response(id).is_some());
}

#[test]
fn over_the_limit_no_request_of_ours_leaves() {
    let mut world = limited(1);
    world.send(&draft(Method::Message, "sip:a@192.0.2.9"));
    let second = draft(Method::Message, "sip:a@192.0.2.9");
    let refused = world.table.request(world.now, &mut world.ids, &second, None, &mut world.out);
    assert_eq!(refused.map_err(|error| error.why), Err("too many client transactions"));
    assert_eq!(world.sent().len(), 1);
}

#[test]
fn a_request_that_cannot_be_read_is_answered_400_with_the_place() {
    let mut world = World::new();
    let broken = over_udp("OPTIONS", "z9hG4bK1").replace("CSeq: 1 OPTIONS", "CSeq: 1 INVITE");
    world.receive(udp(), &broken);
    let (sent, text) = world.one();
    assert!(text.starts_with("SIP/2.0 400 CSeq method differs from the request line\r\n"), "{text}");
    assert!(text.contains("\r\nTo: <sip:fire@one.example>;tag="));
    assert_eq!((sent.path, sent.answers), (Path::Flow(udp()), None));
    assert!(world.is_empty() && world.told().is_empty());
}

#[test]
fn an_ack_is_never_answered() {
    let mut world = limited(0);
    let broken = over_udp("ACK", "z9hG4bK1").replace("CSeq: 1 ACK", "CSeq: 1 INVITE");
    world.receive(udp(), &broken);
    let message = wire::datagram(Bytes::from(broken), &Limits::default()).unwrap().unwrap();
    world.table.reject(&mut world.ids, udp(), &message, 400, "a place", &mut world.out);
    world.receive(udp(), &over_udp("ACK", "z9hG4bK1"));
    assert!(world.out.is_empty());
    assert_eq!((world.told(), world.table.counters().malformed_requests), (vec!["ack"], 2));
}

#[test]
fn a_response_that_cannot_be_read_is_dropped_and_counted() {
    let mut world = World::new();
    world.send(&draft(Method::Message, "sip:a@192.0.2.9"));
    let (_, text) = world.one();
    world.receive(udp(), &answer(&text, 200, "t").replace("CSeq: 1", "CSeq: x"));
    assert!(world.told().is_empty());
    assert_eq!(world.table.counters().malformed_responses, 1);
}

#[test]
fn a_guessed_branch_finds_nothing() {
    let mut world = World::new();
    world.send(&draft(Method::Message, "sip:a@192.0.2.9"));
    let (_, text) = world.one();
    let via = text.split("\r\n").nth(1).unwrap();
    let branch = via.split("branch=").nth(1).unwrap().split(';').next().unwrap();
    let last = branch.len() - 1;
    for guess in [
        "z9hG4bK".to_owned(),
        "z9hG4bK000000000000000000000000".to_owned(),
        format!("{}0", &branch[..last]) + "1",
        format!("{}f", &branch[..last]),
        branch.to_uppercase(),
        branch.replacen("z9hG4bK", "z9hG4bK+", 1),
    ] {
        assert_ne!(guess, branch);
        world.receive(udp(), &answer(&text, 200, "t").replace(branch, &guess));
    }
    assert!(world.told().is_empty());
    world.receive(udp(), &answer(&text, 200, "t"));
    assert_eq!(world.told(), ["response"]);
}

#[test]
fn one_branch_of_many_senders_is_many_transactions() {
    let mut world = World::new();
    for n in 0..500 {
        let text = message("OPTIONS", "z9hG4bKsame", ";tag=x", "UDP");
        world.request(udp(), &text.replace("192.0.2.9:5062", &format!("host{n}.example")));
    }
    assert_eq!(world.table.open(), (500, 0));
}

#[test]
fn a_table_full_of_one_hash_still_tells_its_transactions_apart() {
    use super::super::clock::Clock;
    use super::super::server::{Arrived, Heard, Servers, State};
    use super::super::server_plain;
    use crate::sip::message::Request;

    let message = wire::message(Bytes::from(options(1)), &Limits::default()).unwrap();
    let request = Request::read(message).unwrap();
    let arrived = || Arrived {
        request: request.clone(),
        flow: udp(),
        reply: udp(),
        state: State::Plain(server_plain::START),
        merged: None,
        own: false,
    };
    let (mut servers, mut clock) = (Servers::new(), Clock::new(Timers::default()));
    let ids: Vec<_> = (0..200u32).map(|n| servers.insert(42, &n.to_be_bytes(), arrived())).collect();
    for (n, id) in (0..200u32).zip(&ids) {
        assert_eq!(servers.find(42, &n.to_be_bytes()), Some(*id));
    }
    assert_eq!(servers.find(42, b"none"), None);
    servers.drive(Time::default(), &mut clock, ids[7], Heard::Answer(200), &mut Vec::new());
    assert!(servers.forget_one(&mut clock) && !servers.forget_one(&mut clock));
    assert_eq!(servers.find(42, &7u32.to_be_bytes()), None);
    assert_eq!(servers.find(42, &8u32.to_be_bytes()), Some(ids[8]));
    assert_eq!(clock.len(), 0);
}

#[test]
fn a_crowd_comes_and_goes_and_leaves_nothing_behind() {
    let mut world = World::new();
    for n in 0..10_000 {
        let id = world.request(udp(), &if n % 2 == 0 { options(n) } else { invite(n) });
        world.respond(id, if n % 4 == 1 { 200 } else { 404 });
        if n % 8 == 3 {
            world.receive(udp(), &ack(&format!("z9hG4bK{n}")));
        }
        let client =
            world.send(&draft(if n % 2 == 0 { Method::Message } else { Method::Invite }, "sip:a@192.0.2.9"));
        if n % 3 == 0 {
            let text = String::from_utf8(world.out.last().unwrap().octets.to_vec()).unwrap();
            world.receive(udp(), &answer(&text, if n % 5 == 0 { 200 } else { 486 }, "t"));
        } else if n % 3 == 1 {
            world.unreachable(client);
        }
        world.sent();
        world.told();
    }
    assert_eq!(world.table.open().0, 10_000);
    world.wait(64_000);
    assert!(world.is_empty(), "{:?} {:?}", world.table.open(), world.table.due());
}
