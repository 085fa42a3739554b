//! Requests of ours: figures 5 and 6 with their losses, repetitions and races, and the ways they take.

use super::*;

fn plain(world: &mut World) -> (ClientId, String) {
    let id = world.send(&draft(Method::Message, "sip:a@192.0.2.9:5062"));
    let (sent, text) = world.one();
    assert_eq!(sent.ticket, Some(id));
    (id, text)
}

fn invite(world: &mut World) -> (ClientId, String) {
    let id =
        world.send(&draft(Method::Invite, "sip:a@192.0.2.9:5062").header(Name::Route, "<sip:192.0.2.9;lr>"));
    (id, world.one().1)
}

#[test]
fn a_request_leaves_with_our_via_and_its_answer_comes_up() {
    let mut world = World::new();
    let (id, text) = plain(&mut world);
    assert!(text.starts_with(
        "MESSAGE sip:a@192.0.2.9:5062 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK"
    ));
    assert!(text.contains(";rport\r\n"));
    world.receive(udp(), &answer(&text, 100, "t"));
    world.receive(udp(), &answer(&text, 200, "t"));
    world.receive(udp(), &answer(&text, 200, "t"));
    assert!(matches!(&world.events[..], [
        Event::Response { id: a, response: first, .. },
        Event::Response { id: b, response: second, .. },
    ] if *a == id && *b == id && first.status() == 100 && second.status() == 200));
    assert_eq!(world.wait(4_999), [0; 0]);
    assert_eq!(world.table.open(), (0, 1));
    world.wait(1);
    assert!(world.is_empty());
}

#[test]
fn a_lost_request_is_repeated_by_timer_e_and_given_up_by_timer_f() {
    let mut world = World::new();
    let (id, _) = plain(&mut world);
    let sent = world.wait(40_000);
    assert_eq!(sent, [500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]);
    assert!(matches!(world.events[..], [Event::Timeout { id: over }] if over == id));
    assert!(world.is_empty());
}

#[test]
fn after_a_provisional_answer_a_plain_request_is_repeated_every_t2_and_timer_f_stays() {
    let mut world = World::new();
    let (_, text) = plain(&mut world);
    world.wait(600);
    world.receive(udp(), &answer(&text, 100, "t"));
    let sent = world.wait(40_000);
    assert_eq!(sent, [900, 4900, 8900, 12900, 16900, 20900, 24900, 28900]);
    assert_eq!(world.told(), ["response", "timeout"]);
}

#[test]
fn an_abandoned_request_is_not_repeated_and_its_late_answer_is_told_to_nobody() {
    for provisional in [false, true] {
        let mut world = World::new();
        let (id, text) = plain(&mut world);
        if provisional {
            world.receive(udp(), &answer(&text, 100, "t"));
            world.told();
        }
        world.abandon(id);
        assert_eq!(world.wait(20_000), [0; 0]);
        world.receive(udp(), &answer(&text, 100, "t"));
        world.receive(udp(), &answer(&text, 200, "t"));
        world.receive(udp(), &answer(&text, 200, "t"));
        assert!(world.told().is_empty() && world.sent().is_empty());
        assert_eq!(world.table.open(), (0, 1), "it takes repetitions of the answer until timer K");
        world.wait(5_000);
        assert!(world.is_empty());
    }
}

#[test]
fn an_abandoned_request_ends_in_silence_by_timer_f_or_when_its_way_is_gone() {
    let mut world = World::new();
    let (id, _) = plain(&mut world);
    world.abandon(id);
    world.wait(31_999);
    assert_eq!(world.table.open(), (0, 1));
    world.wait(1);
    assert!(world.told().is_empty() && world.is_empty());
    let (id, _) = plain(&mut world);
    world.abandon(id);
    world.unreachable(id);
    assert!(world.told().is_empty() && world.is_empty());
}

#[test]
fn an_answered_request_and_an_invite_are_not_abandoned() {
    let mut world = World::new();
    let (id, text) = plain(&mut world);
    world.receive(udp(), &answer(&text, 200, "t"));
    world.abandon(id);
    assert_eq!((world.told(), world.table.open()), (vec!["response"], (0, 1)));
    let (id, _) = invite(&mut world);
    world.abandon(id);
    assert_eq!(world.wait(1_500), [500, 1500]);
}

#[test]
fn over_a_stream_nothing_is_repeated_and_nothing_lingers() {
    let mut world = World::new();
    let id = world.send(&draft(Method::Message, "sip:a@192.0.2.9:5062;transport=tcp"));
    let (_, text) = world.one();
    assert!(text.contains("Via: SIP/2.0/TCP 192.0.2.1:5060;") && !text.contains("rport"));
    assert_eq!(world.wait(31_000), [0; 0]);
    world.receive(tcp(), &answer(&text, 200, "t"));
    assert_eq!(world.told(), ["response"]);
    assert!(world.is_empty());
    world.unreachable(id);
    assert!(world.told().is_empty(), "over");
    world.send(&draft(Method::Message, "sip:a@192.0.2.9:5062;transport=tcp"));
    world.wait(32_000);
    assert_eq!(world.told(), ["timeout"]);
}

#[test]
fn an_invite_is_repeated_by_timer_a_and_given_up_by_timer_b() {
    let mut world = World::new();
    invite(&mut world);
    assert_eq!(world.wait(40_000), [500, 1500, 3500, 7500, 15500, 31500]);
    assert_eq!(world.told(), ["timeout"]);
    assert!(world.is_empty());
}

#[test]
fn a_provisional_answer_ends_repetition_and_timer_b() {
    let mut world = World::new();
    let (_, text) = invite(&mut world);
    world.receive(udp(), &answer(&text, 180, "t"));
    assert_eq!(world.wait(600_000), [0; 0]);
    assert_eq!((world.told(), world.table.open()), (vec!["response"], (0, 1)));
}

#[test]
fn a_failure_of_an_invite_is_acknowledged_each_time_and_comes_up_once() {
    let mut world = World::new();
    let (_, text) = invite(&mut world);
    world.receive(udp(), &answer(&text, 486, "t"));
    let (sent, ack) = world.one();
    let via = text.split("\r\n").nth(1).unwrap();
    assert!(ack.starts_with("ACK sip:a@192.0.2.9:5062 SIP/2.0\r\n") && ack.contains(via));
    assert!(ack.contains("\r\nRoute: <sip:192.0.2.9;lr>\r\n") && ack.contains("\r\nCSeq: 1 ACK\r\n"));
    assert!(ack.contains("\r\nTo: <sip:a@one.example>;tag=t\r\n"));
    world.receive(udp(), &answer(&text, 486, "t"));
    let (again, _) = world.one();
    assert_eq!((again.octets, again.path), (sent.octets, sent.path));
    world.receive(udp(), &answer(&text, 180, "t"));
    world.receive(udp(), &answer(&text, 200, "t"));
    assert_eq!((world.told(), world.sent().len()), (vec!["response"], 0));
    world.wait(31_999);
    assert_eq!(world.table.open(), (0, 1));
    world.wait(1);
    assert!(world.is_empty());
}

#[test]
fn an_ack_that_cannot_be_sent_ends_the_transaction_in_silence() {
    let mut world = World::new();
    let (id, text) = invite(&mut world);
    world.receive(udp(), &answer(&text, 486, "t"));
    world.told();
    world.unreachable(id);
    assert!(world.told().is_empty() && world.is_empty());
}

#[test]
fn every_2xx_of_every_fork_comes_up_until_timer_m_and_none_is_acknowledged_here() {
    let mut world = World::new();
    let (_, text) = invite(&mut world);
    world.receive(udp(), &answer(&text, 200, "t"));
    world.receive(udp(), &answer(&text, 200, "t"));
    world.receive(udp(), &answer(&text, 200, "fork"));
    world.receive(udp(), &answer(&text, 486, "late"));
    assert_eq!((world.told(), world.sent().len()), (vec!["response"; 3], 0));
    world.wait(31_999);
    world.receive(udp(), &answer(&text, 200, "t"));
    assert_eq!(world.told(), ["response"]);
    world.wait(1);
    assert!(world.is_empty());
    // Too late for the transaction, but the dialog may know it.
    world.receive(udp(), &answer(&text, 200, "t"));
    world.receive(udp(), &answer(&text, 486, "t"));
    assert_eq!(world.told(), ["stray"]);
}

#[test]
fn a_response_that_is_not_ours_is_dropped_and_counted() {
    let mut world = World::new();
    let (_, text) = invite(&mut world);
    let other =
        answer(&text, 200, "t").replace("192.0.2.1:5060", "192.0.2.77:5060").replace("z9hG4bK", "z9hG4bKx");
    world.receive(udp(), &other);
    world.receive(udp(), &answer(&text, 200, "t").replace("CSeq: 1 INVITE", "CSeq: 1 BYE"));
    assert!(world.told().is_empty());
    assert_eq!(world.table.counters().stray_responses, 2);
}

#[test]
fn a_cancel_waits_for_a_provisional_answer() {
    let mut world = World::new();
    let (id, text) = invite(&mut world);
    world.cancel(id);
    assert!(world.out.is_empty());
    world.receive(udp(), &answer(&text, 180, "t"));
    let (sent, cancel) = world.one();
    let via = text.split("\r\n").nth(1).unwrap();
    assert!(cancel.starts_with("CANCEL sip:a@192.0.2.9:5062 SIP/2.0\r\n") && cancel.contains(via));
    assert!(
        cancel.contains("\r\nReason: SIP;cause=200\r\n")
            && cancel.contains("\r\nRoute: <sip:192.0.2.9;lr>\r\n")
    );
    assert_ne!(sent.ticket, Some(id));
    world.cancel(id);
    assert!(world.out.is_empty(), "once");
    world.receive(udp(), &answer(&cancel, 200, "t"));
    world.receive(udp(), &answer(&text, 487, "t"));
    assert_eq!(world.sent(), ["ACK sip:a@192.0.2.9:5062 SIP/2.0"]);
    assert_eq!(world.told(), ["response", "response"], "nobody asks for the answer to the CANCEL");
    world.wait(64_000);
    assert!(world.is_empty() && world.told().is_empty());
}

#[test]
fn a_cancel_has_a_transaction_of_its_own_that_repeats_it() {
    let mut world = World::new();
    let (id, text) = invite(&mut world);
    world.receive(udp(), &answer(&text, 180, "t"));
    world.cancel(id);
    assert_eq!(world.sent(), ["CANCEL sip:a@192.0.2.9:5062 SIP/2.0"]);
    assert_eq!(world.wait(3_500), [500, 1500, 3500]);
    assert_eq!(world.table.open(), (0, 2));
    world.told();
    world.wait(64_000);
    assert_eq!(world.told(), ["timeout"], "of the INVITE: no final answer within 64*T1 of the CANCEL");
    assert!(world.is_empty());
}

#[test]
fn a_cancel_whose_way_is_gone_says_nothing() {
    let mut world = World::new();
    let (id, text) = invite(&mut world);
    world.receive(udp(), &answer(&text, 180, "t"));
    world.told();
    world.cancel(id);
    let (sent, _) = world.one();
    world.unreachable(sent.ticket.unwrap());
    assert!(world.told().is_empty());
    assert_eq!(world.table.open(), (0, 1));
}

#[test]
fn a_cancel_that_crosses_a_2xx_is_not_sent() {
    let mut world = World::new();
    let (id, text) = invite(&mut world);
    world.cancel(id);
    world.receive(udp(), &answer(&text, 200, "t"));
    world.cancel(id);
    assert_eq!((world.sent().len(), world.told()), (0, vec!["response"]));
}

#[test]
fn the_answer_to_a_cancel_is_known_after_its_invite_is_over() {
    let mut world = World::new();
    let id = world.send(&draft(Method::Invite, "sip:a@192.0.2.9:5062;transport=tcp"));
    let (_, text) = world.one();
    world.receive(tcp(), &answer(&text, 180, "t"));
    world.cancel(id);
    let (_, cancel) = world.one();
    world.receive(tcp(), &answer(&text, 487, "t"));
    assert_eq!(world.table.open(), (0, 1), "timer D is zero");
    world.receive(tcp(), &answer(&cancel, 200, "t"));
    assert!(world.is_empty());
    assert_eq!(world.table.counters().stray_responses, 0);
}

#[test]
fn a_large_request_goes_over_tcp_and_falls_back_to_udp() {
    let mut world = World::new();
    let large = draft(Method::Message, "sip:a@192.0.2.9:5062").body("text/plain", vec![b'x'; 1300]);
    let id = world.send(&large);
    let (sent, text) = world.one();
    let address = "192.0.2.9:5062".parse().unwrap();
    assert_eq!(sent.path, Path::Address { listener: 1, transport: Transport::Tcp, address });
    assert!(text.contains("Via: SIP/2.0/TCP 192.0.2.1:5060;branch=") && text.ends_with("xxx"));
    world.unreachable(id);
    let (sent, text) = world.one();
    assert_eq!(sent.path, Path::Address { listener: 0, transport: Transport::Udp, address });
    assert!(text.contains("Via: SIP/2.0/UDP 192.0.2.1:5060;branch=") && text.ends_with("xxx"));
    assert_eq!(world.wait(500), [500], "datagrams are repeated");
    world.receive(udp(), &answer(&text, 200, "t"));
    assert_eq!(world.told(), ["response"]);
}

#[test]
fn a_request_as_large_as_allowed_stays_on_udp() {
    let mut world = World::new();
    plain(&mut world);
    let small = world.table.request(
        world.now,
        &mut world.ids,
        &draft(Method::Message, "sip:a@192.0.2.9:5062").body("text/plain", "x"),
        None,
        &mut world.out,
    );
    assert!(small.is_ok());
    let overhead = world.one().1.len() - 1;
    // The body of one octet has a Content-Length of one digit, these have four.
    let body = |total: usize| vec![b'x'; total - overhead - 3];
    for (total, protocol) in [(1300, "UDP"), (1301, "TCP")] {
        world.send(&draft(Method::Message, "sip:a@192.0.2.9:5062").body("text/plain", body(total)));
        let (_, text) = world.one();
        assert!(text.contains(&format!("Via: SIP/2.0/{protocol} ")), "{total}: {}", text.len());
    }
}

#[test]
fn a_flow_is_kept_whatever_the_size() {
    let mut world = World::new();
    let large = draft(Method::Message, "sip:a@nowhere.example").body("text/plain", vec![b'x'; 2000]);
    for flow in [udp(), tcp()] {
        let path = Some(Path::Flow(flow));
        let id = world.table.request(world.now, &mut world.ids, &large, path, &mut world.out).unwrap();
        let (sent, text) = world.one();
        assert_eq!(Some(sent.path), path);
        assert!(text.contains(if flow.transport == Transport::Udp { "SIP/2.0/UDP" } else { "SIP/2.0/TCP" }));
        world.unreachable(id);
        assert_eq!(world.told(), ["unreachable"]);
    }
}

#[test]
fn the_next_hop_is_tried_with_a_new_branch_and_only_when_one_is_unreachable() {
    let mut world = World::new();
    let id = world.send(&draft(Method::Invite, "sip:a@two.example"));
    let (first, first_text) = world.one();
    world.unreachable(id);
    let (second, text) = world.one();
    assert_eq!(second.ticket, Some(id));
    let address = |path| match path {
        Path::Address { address, .. } => address.to_string(),
        Path::Flow(_) => panic!(),
    };
    assert_eq!(
        (address(first.path), address(second.path)),
        ("192.0.2.20:5060".into(), "192.0.2.21:5060".into())
    );
    assert_ne!(first_text.split("\r\n").nth(1), text.split("\r\n").nth(1));
    world.receive(udp(), &answer(&first_text, 486, "t"));
    assert!(world.told().is_empty(), "the branch of the first is void");
    world.receive(udp(), &answer(&text, 486, "t"));
    assert_eq!((world.told(), world.sent().len()), (vec!["response"], 1));

    let id = world.send(&draft(Method::Invite, "sip:a@two.example"));
    world.unreachable(id);
    world.unreachable(id);
    assert_eq!((world.told(), world.table.open()), (vec!["unreachable"], (0, 1)));

    world.send(&draft(Method::Invite, "sip:a@two.example"));
    world.sent();
    world.wait(32_000);
    assert!(world.told().contains(&"timeout"));
    assert!(
        world.out.iter().all(|transmit| address(transmit.path) == "192.0.2.20:5060"),
        "silence is no failover"
    );
}

#[test]
fn a_large_request_tries_both_transports_of_each_hop() {
    let mut world = World::new();
    let large = draft(Method::Message, "sip:a@two.example").body("text/plain", vec![b'x'; 1300]);
    let id = world.send(&large);
    let mut tried = Vec::new();
    while let Some(transmit) = world.out.pop() {
        let Path::Address { transport, address, .. } = transmit.path else { panic!() };
        tried.push((transport, address.to_string()));
        world.unreachable(id);
    }
    use Transport::{Tcp, Udp};
    let (one, two) = ("192.0.2.20:5060".to_owned(), "192.0.2.21:5060".to_owned());
    assert_eq!(tried, [(Tcp, one.clone()), (Udp, one), (Tcp, two.clone()), (Udp, two)]);
    assert_eq!(world.told(), ["unreachable"]);
    assert!(world.is_empty());
}

#[test]
fn who_gave_up_does_not_try_the_next_hop() {
    let mut world = World::new();
    let id = world.send(&draft(Method::Invite, "sip:a@two.example"));
    world.sent();
    world.cancel(id);
    world.unreachable(id);
    assert_eq!((world.told(), world.sent().len()), (vec!["unreachable"], 0));
}

#[test]
fn an_ack_for_a_2xx_leaves_without_a_transaction() {
    let mut world = World::new();
    let ack = draft(Method::Ack, "sip:a@192.0.2.9:5062");
    let (path, octets) = world.table.send_ack(&mut world.ids, &ack, None, &mut world.out).unwrap();
    let (sent, _) = world.one();
    assert_eq!((sent.path, sent.octets, sent.ticket), (path, octets, None));
    assert!(world.is_empty());
}

#[test]
fn without_a_hop_nothing_is_begun() {
    let mut world = World::new();
    let lost = draft(Method::Message, "sip:a@nowhere.example");
    assert!(world.table.request(world.now, &mut world.ids, &lost, None, &mut world.out).is_err());
    assert!(world.table.send_ack(&mut world.ids, &lost, None, &mut world.out).is_err());
    assert!(world.out.is_empty() && world.is_empty());
}

#[test]
fn the_user_agent_header_is_ours_where_it_is_configured() {
    let mut world = World::with(Settings { product: Some("rollcall".to_owned()), ..settings() });
    let (_, text) = plain(&mut world);
    assert!(text.contains("\r\nUser-Agent: rollcall\r\n"));
}
