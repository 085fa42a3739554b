//! Requests of peers: figures 7 and 8 with their losses, repetitions and races.

use super::*;

#[test]
fn a_request_comes_up_once_and_its_answer_is_repeated_until_timer_j() {
    let mut world = World::new();
    let options = over_udp("OPTIONS", "z9hG4bK1");
    let id = world.request(udp(), &options);
    world.receive(udp(), &options);
    assert_eq!((world.sent().len(), world.told().len()), (0, 0), "Trying is silent");

    assert!(world.respond(id, 200));
    let (first, text) = world.one();
    assert_eq!((first.path, first.answers, first.trying), (Path::Flow(udp()), Some(id), false));
    assert!(text.starts_with("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.9:5062;branch=z9hG4bK1\r\n"));
    assert!(text.contains("\r\nTo: <sip:fire@one.example>;tag=ours\r\n"));

    world.wait(31_999);
    world.receive(udp(), &options);
    assert_eq!(world.one().0.octets, first.octets);
    world.wait(1);
    assert!(world.is_empty());
    assert_eq!(world.request(udp(), &options).0 & 0xffff_ffff, id.0 & 0xffff_ffff, "a new transaction");
}

#[test]
fn proceeding_repeats_the_provisional_answer_of_a_plain_request() {
    let mut world = World::new();
    let options = over_udp("OPTIONS", "z9hG4bK1");
    let id = world.request(udp(), &options);
    assert!(world.respond(id, 183));
    world.receive(udp(), &options);
    assert_eq!(world.sent(), ["SIP/2.0 183 Session Progress", "SIP/2.0 183 Session Progress"]);
}

#[test]
fn a_second_answer_is_refused() {
    let mut world = World::new();
    let id = world.request(udp(), &over_udp("OPTIONS", "z9hG4bK1"));
    assert!(world.respond(id, 200));
    assert!(!world.respond(id, 200) && !world.respond(id, 404) && !world.respond(id, 180));
    let id = world.request(udp(), &over_udp("INVITE", "z9hG4bK2"));
    assert!(world.respond(id, 486));
    assert!(!world.respond(id, 200) && !world.respond(id, 180));
    world.wait(64_000);
    assert!(!world.respond(id, 200), "over");
}

#[test]
fn a_stream_forgets_a_plain_request_with_its_answer() {
    let mut world = World::new();
    let id = world.request(tcp(), &message("OPTIONS", "z9hG4bK1", "", "TCP"));
    world.respond(id, 200);
    assert!(world.is_empty());
    assert_eq!(world.one().0.path, Path::Flow(tcp()));
}

#[test]
fn an_invite_without_an_answer_of_its_own_gets_100_trying() {
    let mut world = World::new();
    let invite = over_udp("INVITE", "z9hG4bK1").replace("CSeq", "Timestamp: 54.1\r\nCSeq");
    let id = world.request(udp(), &invite);
    let (trying, text) = world.one();
    assert!(trying.trying && text.starts_with("SIP/2.0 100 Trying\r\n"));
    assert!(text.contains("\r\nTimestamp: 54.1\r\n") && !text.contains("tag=ours"));
    world.receive(udp(), &invite);
    assert_eq!(world.sent(), ["SIP/2.0 100 Trying"]);
    world.respond(id, 180);
    world.receive(udp(), &invite);
    assert_eq!(world.sent(), ["SIP/2.0 180 Ringing", "SIP/2.0 180 Ringing"]);
    assert_eq!(world.told().len(), 0);
}

#[test]
fn an_invite_that_is_answered_in_the_same_input_gets_no_100() {
    let mut world = World::new();
    let octets = Bytes::from(over_udp("INVITE", "z9hG4bK1"));
    let message = wire::message(octets, &Limits::default()).unwrap();
    world.table.receive(world.now, &mut world.ids, udp(), message, &mut world.out, &mut world.events);
    let Some(Event::Request { id, .. }) = world.events.pop() else { panic!() };
    world.respond(id, 302);
    world.table.settle_trying(world.now, &mut world.out);
    assert_eq!(world.sent(), ["SIP/2.0 302 Moved Temporarily"]);
}

#[test]
fn a_failure_is_repeated_by_timer_g_and_given_up_by_timer_h() {
    let mut world = World::new();
    let id = world.request(udp(), &over_udp("INVITE", "z9hG4bK1"));
    world.respond(id, 486);
    world.sent();
    let sent = world.wait(40_000);
    assert_eq!(sent, [500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]);
    assert!(matches!(world.events[..], [Event::NoAck { id: over }] if over == id));
    assert!(world.is_empty());
}

#[test]
fn the_ack_of_a_failure_ends_its_repetition_and_does_not_come_up() {
    let mut world = World::new();
    let invite = over_udp("INVITE", "z9hG4bK1");
    let id = world.request(udp(), &invite);
    world.respond(id, 486);
    world.receive(udp(), &invite);
    assert_eq!(world.sent(), ["SIP/2.0 100 Trying", "SIP/2.0 486 Busy Here", "SIP/2.0 486 Busy Here"]);
    world.receive(udp(), &ack("z9hG4bK1"));
    world.receive(udp(), &ack("z9hG4bK1"));
    world.receive(udp(), &invite);
    assert_eq!(world.wait(4_999), [0; 0]);
    assert_eq!(world.table.open(), (1, 0));
    world.wait(1);
    assert!(world.is_empty() && world.told().is_empty());
}

#[test]
fn a_failure_over_a_stream_is_not_repeated_but_still_waits_for_its_ack() {
    let mut world = World::new();
    let id = world.request(tcp(), &message("INVITE", "z9hG4bK1", "", "TCP"));
    world.respond(id, 486);
    assert_eq!(world.wait(31_999), [0; 0]);
    assert_eq!(world.table.open(), (1, 0));
    world.receive(tcp(), &message("ACK", "z9hG4bK1", ";tag=ours", "TCP"));
    assert!(world.is_empty(), "timer I is zero");

    let id = world.request(tcp(), &message("INVITE", "z9hG4bK2", "", "TCP"));
    world.respond(id, 486);
    world.wait(32_000);
    assert_eq!(world.told(), ["no ack"]);
}

#[test]
fn an_accepted_invite_swallows_repetitions_and_leaves_2xx_to_the_dialog() {
    let mut world = World::new();
    let invite = over_udp("INVITE", "z9hG4bK1");
    let id = world.request(udp(), &invite);
    world.respond(id, 200);
    assert_eq!(world.sent(), ["SIP/2.0 100 Trying", "SIP/2.0 200 OK"]);
    world.receive(udp(), &invite);
    assert_eq!(world.wait(20_000), [0; 0]);
    world.table.resend(id, &mut world.out);
    assert_eq!(world.sent(), ["SIP/2.0 200 OK"]);
    // The ACK of a 2xx has a branch of its own; a careless peer takes the INVITE's.
    world.receive(udp(), &ack("z9hG4bK2"));
    world.receive(udp(), &ack("z9hG4bK1"));
    assert_eq!(world.told(), ["ack", "ack"]);
    assert_eq!(world.wait(12_000), [0; 0]);
    assert!(world.is_empty());
    world.table.resend(id, &mut world.out);
    assert!(world.out.is_empty());
}

#[test]
fn only_an_accepted_invite_is_resent() {
    let mut world = World::new();
    let id = world.request(udp(), &over_udp("INVITE", "z9hG4bK1"));
    world.respond(id, 486);
    world.sent();
    world.table.resend(id, &mut world.out);
    world.table.resend(ServerId(u64::MAX), &mut world.out);
    assert!(world.out.is_empty());
}

#[test]
fn the_request_is_kept_until_the_final_answer() {
    let mut world = World::new();
    let id = world.request(udp(), &over_udp("INVITE", "z9hG4bK1"));
    assert_eq!(world.table.request_of(id).map(|request| request.call_id()), Some("call"));
    assert_eq!(
        world.table.last_response(id).map(|octets| line(&octets)),
        Some("SIP/2.0 100 Trying".to_owned())
    );
    world.respond(id, 404);
    assert!(world.table.request_of(id).is_none());
    assert_eq!(
        world.table.last_response(id).map(|octets| line(&octets)),
        Some("SIP/2.0 404 Not Found".to_owned())
    );
    world.receive(udp(), &ack("z9hG4bK1"));
    world.wait(5_000);
    assert_eq!(world.table.last_response(id), None);
}

#[test]
fn a_cancel_is_answered_and_the_invite_stays_with_the_user() {
    let mut world = World::new();
    let id = world.request(udp(), &over_udp("INVITE", "z9hG4bK1"));
    world.respond(id, 180);
    world.sent();
    let cancel = over_udp("CANCEL", "z9hG4bK1");
    world.receive(udp(), &cancel);
    let (sent, text) = world.one();
    assert!(text.starts_with("SIP/2.0 200 OK\r\n") && text.contains(";tag=ours\r\nCall-ID"));
    assert_eq!(sent.answers, None);
    assert!(matches!(world.events[..], [Event::Cancel { id: cancelled, .. }] if cancelled == id));
    world.told();
    world.receive(udp(), &cancel);
    assert_eq!((world.sent(), world.told().len()), (vec!["SIP/2.0 200 OK".to_owned()], 0));
    assert!(world.respond(id, 487));
    assert_eq!(world.sent(), ["SIP/2.0 487 Request Terminated"]);
}

#[test]
fn a_cancel_after_the_final_answer_changes_nothing() {
    let mut world = World::new();
    let id = world.request(udp(), &over_udp("INVITE", "z9hG4bK1"));
    world.respond(id, 200);
    world.sent();
    world.receive(udp(), &over_udp("CANCEL", "z9hG4bK1"));
    assert_eq!((world.sent(), world.told().len()), (vec!["SIP/2.0 200 OK".to_owned()], 0));
}

#[test]
fn a_cancel_of_nothing_is_answered_481() {
    let mut world = World::new();
    let cancel = over_udp("CANCEL", "z9hG4bK1");
    world.receive(udp(), &cancel);
    world.receive(udp(), &cancel);
    assert_eq!(world.sent(), ["SIP/2.0 481 Call/Transaction Does Not Exist"; 2]);
    assert!(world.told().is_empty());
    // A CANCEL that overtook its INVITE does not stop it.
    world.request(udp(), &over_udp("INVITE", "z9hG4bK1"));
}

#[test]
fn a_merged_request_is_answered_482_while_the_first_is_open() {
    let mut world = World::new();
    let first = world.request(udp(), &over_udp("INVITE", "z9hG4bK1"));
    world.sent();
    world.receive(udp(), &over_udp("INVITE", "z9hG4bK2"));
    assert_eq!((world.sent(), world.told().len()), (vec!["SIP/2.0 482 Loop Detected".to_owned()], 0));
    // Its ACK belongs to that answer and nobody wants it.
    let tag = world.merged_tag();
    world.receive(udp(), &message("ACK", "z9hG4bK2", &format!(";tag={tag}"), "UDP"));
    assert!(world.told().is_empty() && world.table.open() == (1, 0));
    // Within a dialog, with another From tag, Call-ID or CSeq it is another request.
    world.request(udp(), &message("INVITE", "z9hG4bK3", ";tag=x", "UDP"));
    world.request(udp(), &over_udp("INVITE", "z9hG4bK4").replace("tag=f", "tag=g"));
    world.request(udp(), &over_udp("INVITE", "z9hG4bK5").replace("CSeq: 1", "CSeq: 2"));
    world.request(udp(), &over_udp("INVITE", "z9hG4bK6").replace("Call-ID: call", "Call-ID: other"));
    world.respond(first, 302);
    world.request(udp(), &over_udp("INVITE", "z9hG4bK7"));
    assert_eq!(world.table.counters().merged_requests, 2);
}

impl World {
    /// The To tag of a 482 to a request with branch `z9hG4bK2`.
    fn merged_tag(&mut self) -> String {
        self.receive(udp(), &over_udp("INVITE", "z9hG4bK2"));
        let (_, text) = self.one();
        let to = text.split("\r\n").find(|line| line.starts_with("To:")).unwrap();
        to.split(";tag=").nth(1).unwrap().to_owned()
    }
}

#[test]
fn branch_sent_by_and_method_each_make_another_transaction() {
    let mut world = World::new();
    let base = message("OPTIONS", "z9hG4bK1", ";tag=x", "UDP");
    world.request(udp(), &base);
    world.request(udp(), &base.replace("z9hG4bK1", "z9hG4bK2"));
    world.request(udp(), &base.replace("192.0.2.9:5062", "192.0.2.9:5063"));
    world.request(udp(), &base.replace("192.0.2.9:5062", "192.0.2.8:5062"));
    world.request(udp(), &base.replace("OPTIONS", "MESSAGE"));
    world.request(udp(), &base.replace("OPTIONS", "HELLO"));
    world.request(udp(), &base.replace("OPTIONS", "HELLOO"));
    world.receive(
        udp(),
        &base.replace("To: <sip:fire@one.example>;tag=x", "To: <sip:else@one.example>;tag=x"),
    );
    assert_eq!((world.told().len(), world.table.open()), (0, (7, 0)));
}

#[test]
fn without_the_cookie_a_transaction_is_known_by_the_rules_of_rfc_2543() {
    for branch in ["1", "z9hG4bK"] {
        let mut world = World::new();
        let invite = over_udp("INVITE", branch);
        let id = world.request(udp(), &invite);
        world.receive(udp(), &invite);
        assert_eq!((world.sent().len(), world.told().len()), (2, 0));
        world.receive(udp(), &over_udp("CANCEL", branch));
        assert_eq!((world.sent(), world.told()), (vec!["SIP/2.0 200 OK".to_owned()], vec!["cancel"]));
        world.respond(id, 486);
        world.sent();
        world.receive(udp(), &message("ACK", branch, ";tag=theirs", "UDP"));
        assert_eq!(world.told(), ["ack"], "the ACK of another answer");
        world.receive(udp(), &ack(branch));
        assert_eq!(world.told().len(), 0);
        assert_eq!(world.wait(4_000), [0; 0]);
        world.wait(60_000);
        // Same branch, but another call.
        world.request(udp(), &invite.replace("Call-ID: call", "Call-ID: two"));
        world.request(
            udp(),
            &invite.replace("sip:fire@192.0.2.1", "sip:water@192.0.2.1").replace("tag=f", "tag=g"),
        );
    }
}

#[test]
fn responses_go_where_the_request_came_from_and_to_the_port_its_via_names() {
    let mut world = World::new();
    let mut path = |via: &str| {
        let options =
            message("OPTIONS", "z9hG4bK1", ";tag=x", "UDP").replace("192.0.2.9:5062;branch=z9hG4bK1", via);
        let id = world.request(udp(), &options);
        world.respond(id, 200);
        match world.one().0.path {
            Path::Flow(flow) => flow.peer.to_string(),
            Path::Address { .. } => panic!(),
        }
    };
    assert_eq!(path("198.51.100.1:5099;branch=z9hG4bKa"), "192.0.2.9:5099");
    assert_eq!(path("host.example;branch=z9hG4bKb"), "192.0.2.9:5060");
    assert_eq!(path("host.example:5099;rport;branch=z9hG4bKc"), "192.0.2.9:5062");
    assert_eq!(path("host.example:5099;received=203.0.113.5;branch=z9hG4bKd"), "192.0.2.9:5099");
    assert_eq!(path("host.example:5099;maddr=203.0.113.5;branch=z9hG4bKe"), "192.0.2.9:5099");
}

#[test]
fn what_could_not_be_kept_becomes_a_503_for_good() {
    let mut world = World::new();
    let options = over_udp("OPTIONS", "z9hG4bK1");
    let id = world.request(udp(), &options);
    world.respond(id, 200);
    let (sent, _) = world.one();
    let refusal = world.table.refuse_instead(world.now, id, &sent.octets).expect("a 503");
    assert_eq!(line(&refusal), "SIP/2.0 503 Service Unavailable");
    assert!(world.out.is_empty(), "the caller sends it");
    world.receive(udp(), &options);
    assert_eq!(world.one().0.octets, refusal);
    world.wait(32_000);
    assert!(world.is_empty());
    assert!(
        world.table.refuse_instead(world.now, id, &sent.octets).is_some(),
        "over, but the answer is still owed"
    );
}

#[test]
fn an_accepted_invite_that_could_not_be_kept_fails_and_waits_for_its_ack() {
    let mut world = World::new();
    let id = world.request(udp(), &over_udp("INVITE", "z9hG4bK1"));
    world.sent();
    world.respond(id, 200);
    let (sent, _) = world.one();
    world.table.refuse_instead(world.now, id, &sent.octets).expect("a 503");
    world.table.resend(id, &mut world.out);
    assert!(world.out.is_empty());
    assert_eq!(world.wait(600), [500]);
    assert_eq!(world.sent(), ["SIP/2.0 503 Service Unavailable"]);
    world.receive(udp(), &ack("z9hG4bK1"));
    assert!(world.told().is_empty());
    assert_eq!(world.wait(5_000), [0; 0]);
    assert!(world.is_empty());
}

#[test]
fn a_provisional_answer_that_could_not_be_kept_is_the_last_one() {
    let mut world = World::new();
    let id = world.request(udp(), &over_udp("INVITE", "z9hG4bK1"));
    world.sent();
    world.respond(id, 180);
    let (sent, _) = world.one();
    world.table.refuse_instead(world.now, id, &sent.octets).expect("a 503");
    assert!(!world.respond(id, 200) && world.table.request_of(id).is_none());
    assert_eq!(world.wait(600), [500]);
}

#[test]
fn the_server_header_is_ours_where_it_is_configured() {
    let mut world = World::with(Settings { product: Some("rollcall".to_owned()), ..settings() });
    let id = world.request(udp(), &over_udp("OPTIONS", "z9hG4bK1"));
    world.respond(id, 200);
    assert!(world.one().1.contains("\r\nServer: rollcall\r\n"));
}
