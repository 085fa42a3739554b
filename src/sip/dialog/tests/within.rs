use super::*;

#[test]
fn bye_of_the_peer_is_answered_and_ends_the_session() {
    let (mut stand, mut peer, _) = called();
    let bye = peer.request("BYE", &["Reason: SIP;cause=200"], None);
    stand.receive(&bye);
    assert_eq!((stand.lines(), stand.told()), (vec!["200 BYE".to_owned()], vec!["Released".to_owned()]));
    assert_eq!(stand.agent.open_sessions(), 0);
    stand.receive(&bye);
    stand.receive(&peer.request("INFO", &[], None));
    assert_eq!((stand.lines(), stand.told()), (vec!["200 BYE".to_owned(), "481 INFO".to_owned()], vec![]));
}

#[test]
fn our_bye_ends_the_session_however_it_is_answered() {
    for status in [200, 404, 481, 500] {
        let (mut stand, _, session) = called();
        bye(&mut stand, session);
        let bye = stand.only();
        assert_eq!((bye.line(), bye.uri()), ("BYE".to_owned(), "sip:anna@192.0.2.5:5066".to_owned()));
        assert_eq!(stand.agent.stored(session).map(|fact| fact.local_cseq), Some(1));
        stand.receive(&bye.answer(status, "", &[], None));
        assert_eq!((stand.told(), stand.agent.open_sessions()), (vec!["Ended".to_owned()], 0));
    }
}

#[test]
fn a_bye_without_answer_is_repeated_and_given_up() {
    let (mut stand, _, session) = called();
    bye(&mut stand, session);
    let seen = stand.watch(40_000);
    assert_eq!(seen.len(), 11);
    assert_eq!((stand.told(), stand.agent.open_sessions()), (vec!["Ended".to_owned()], 0));
}

#[test]
fn byes_that_cross_are_both_answered() {
    let (mut stand, mut peer, session) = called();
    bye(&mut stand, session);
    let ours = stand.only();
    stand.receive(&peer.request("BYE", &[], None));
    stand.receive(&peer.request("INFO", &[], None));
    assert_eq!((stand.lines(), stand.told()), (vec!["200 BYE".to_owned(), "481 INFO".to_owned()], vec![]));
    stand.receive(&ours.answer(200, "", &[], None));
    assert_eq!(stand.told(), ["Ended"]);
    bye(&mut stand, session);
    assert_eq!(stand.lines(), [""; 0]);
}

#[test]
fn a_request_out_of_order_is_asked_to_come_back() {
    let (mut stand, mut peer, _) = called();
    stand.receive(&peer.request_at("INFO", 5, &[], None));
    let id = stand.asked();
    answer(&mut stand, id, Reply::new(200));
    stand.receive(&peer.request_at("INFO", 4, &[], None));
    let sent = stand.sent().pop().expect("a refusal");
    assert_eq!((sent.line(), stand.told()), ("500 INFO".to_owned(), vec![]));
    assert!(sent.get(Name::RetryAfter).parse::<u32>().is_ok_and(|seconds| seconds <= 10));
    // A gap is no disorder.
    stand.receive(&peer.request_at("INFO", 50, &[], None));
    assert_eq!(stand.told(), ["InSession INFO"]);
}

#[test]
fn options_is_answered_and_what_a_session_does_not_take_is_refused() {
    let (mut stand, mut peer, _) = called();
    stand.receive(&peer.request("OPTIONS", &[], None));
    assert!(stand.only().get(Name::Allow).contains("INVITE"));
    stand.receive(&peer.request("MESSAGE", &[], None));
    let refusal = stand.only();
    assert_eq!(refusal.line(), "405 MESSAGE");
    assert_eq!(refusal.get(Name::Allow), "INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE, INFO");
    stand.receive(&peer.request("PRACK", &["RAck: 1 1 INVITE"], None));
    assert_eq!((stand.lines(), stand.told()), (vec!["481 PRACK".to_owned()], vec![]));
}

#[test]
fn a_re_invite_is_the_users_and_moves_the_target_when_it_is_accepted() {
    let (mut stand, mut peer, session) = called();
    let moved = "Contact: <sip:anna@192.0.2.5:5099>";
    stand.receive(&peer.request("INVITE", &[moved], Some(SDP)));
    let id = stand.asked();
    answer(&mut stand, id, Reply::new(488));
    assert_eq!(stand.lines(), ["100 INVITE", "488 INVITE"]);
    stand.receive(&peer.ack_refusal());
    assert_eq!(stand.agent.stored(session).expect("it lives").remote_target, "sip:anna@192.0.2.5:5066");
    stand.receive(&peer.request("INVITE", &[moved], Some(SDP)));
    let id = stand.asked();
    answer(&mut stand, id, Reply::new(200).body(SDP.0, SDP.1));
    let ok = stand.sent().pop().expect("the 200");
    assert_eq!((ok.line(), ok.get(Name::Contact)), ("200 INVITE".to_owned(), CONTACT.to_owned()));
    assert_eq!(stand.told(), ["Moved"]);
    assert_eq!(stand.watch(1500).len(), 2);
    stand.receive(&peer.request_at("ACK", peer.cseq, &[], None));
    assert_eq!((stand.told(), stand.watch(60_000)), (vec![], vec![]));
    bye(&mut stand, session);
    assert_eq!(stand.only().uri(), "sip:anna@192.0.2.5:5099");
}

#[test]
fn a_re_invite_without_offer_gets_one_and_the_ack_answers_it() {
    let (mut stand, mut peer, _) = called();
    stand.receive(&peer.request("INVITE", &[], None));
    let id = stand.asked();
    answer(&mut stand, id, Reply::new(200).body(SDP.0, SDP.1));
    assert_eq!(stand.told(), ["Moved"]);
    stand.receive(&peer.request_at("ACK", peer.cseq, &[], Some(SDP)));
    assert_eq!(stand.told(), ["Confirmed"]);
}

#[test]
fn without_ack_for_a_re_invite_the_session_is_lost() {
    let (mut stand, mut peer, _) = called();
    stand.receive(&peer.request("INVITE", &[], Some(SDP)));
    let id = stand.asked();
    answer(&mut stand, id, Reply::new(200));
    stand.told();
    let seen = stand.watch(32_000);
    assert_eq!(seen.last(), Some(&(32_000, "BYE".to_owned())));
    assert_eq!(stand.told(), ["Lost: no ACK for the 2xx"]);
}

#[test]
fn a_cancelled_re_invite_leaves_the_session_as_it_was() {
    let (mut stand, mut peer, session) = called();
    stand.receive(&peer.request("INVITE", &[], Some(SDP)));
    let id = stand.asked();
    stand.lines();
    stand.receive(&peer.cancel(&[]));
    assert_eq!(
        (stand.lines(), stand.told()),
        (vec!["200 CANCEL".to_owned(), "487 INVITE".to_owned()], vec![])
    );
    answer(&mut stand, id, Reply::new(200));
    assert_eq!(stand.lines(), [""; 0]);
    assert!(in_session(&mut stand, session, Method::Invite, Some(SDP)).is_ok());
}

#[test]
fn a_second_offer_before_the_first_is_answered_is_asked_to_come_back() {
    for first in ["INVITE", "UPDATE"] {
        for second in ["INVITE", "UPDATE"] {
            let (mut stand, mut peer, _) = called();
            stand.receive(&peer.request(first, &[], Some(SDP)));
            stand.lines();
            stand.receive(&peer.request(second, &[], Some(SDP)));
            let refusal = stand.sent().pop().expect("a refusal");
            assert_eq!(refusal.line(), format!("500 {second}"));
            assert!(!refusal.get(Name::RetryAfter).is_empty());
            assert_eq!(stand.told().len(), 1);
        }
    }
}

#[test]
fn an_offer_that_crosses_ours_is_a_glare() {
    for (method, ours) in [("INVITE", Method::Invite), ("INVITE", Method::Update), ("UPDATE", Method::Invite)]
    {
        let (mut stand, mut peer, session) = called();
        in_session(&mut stand, session, ours, Some(SDP)).expect("it goes out");
        stand.lines();
        stand.receive(&peer.request(method, &[], Some(SDP)));
        assert_eq!((stand.lines().pop(), stand.told()), (Some(format!("491 {method}")), vec![]));
    }
}

#[test]
fn an_offer_before_our_2xx_is_acknowledged_is_a_glare() {
    let (mut stand, mut peer, _) = called();
    stand.receive(&peer.request("INVITE", &[], Some(SDP)));
    let id = stand.asked();
    answer(&mut stand, id, Reply::new(200));
    stand.lines();
    stand.receive(&peer.request("UPDATE", &[], Some(SDP)));
    assert_eq!(stand.lines(), ["491 UPDATE"]);
}

#[test]
fn an_invite_in_the_early_dialog_and_an_update_before_the_answer_come_too_soon() {
    let mut stand = Stand::default();
    let mut peer = Peer::default();
    stand.receive(&peer.request("INVITE", &["Supported: 100rel"], Some(SDP)));
    let session = stand.invited();
    let progress = |stand: &mut Stand, reply: Reply| {
        stand.agent.progress(stand.now, &mut stand.ids, session, reply, CONTACT, &mut stand.out);
        stand.sent().pop().expect("it is sent")
    };
    peer.our_tag = progress(&mut stand, Reply::new(180)).tag(Name::To);
    stand.receive(&peer.request("INVITE", &[], Some(SDP)));
    stand.receive(&peer.request("UPDATE", &[], Some(SDP)));
    assert_eq!(stand.lines(), ["500 INVITE", "500 UPDATE"]);
    let rseq = progress(&mut stand, Reply::new(183).body(SDP.0, SDP.1)).get(Name::RSeq);
    stand.receive(&peer.request("PRACK", &[&format!("RAck: {rseq} 1 INVITE")], None));
    stand.receive(&peer.request("UPDATE", &[], Some(SDP)));
    assert_eq!(
        (stand.lines(), stand.told()),
        (vec!["200 PRACK".to_owned()], vec!["InSession UPDATE".to_owned()])
    );
}

#[test]
fn an_update_without_offer_is_answered_here() {
    let (mut stand, mut peer, session) = called();
    stand.receive(&peer.request("UPDATE", &["Contact: <sip:anna@192.0.2.5:5099>"], None));
    let ok = stand.only();
    assert_eq!((ok.line(), ok.get(Name::Contact)), ("200 UPDATE".to_owned(), CONTACT.to_owned()));
    assert_eq!(stand.told(), ["Moved"]);
    assert_eq!(stand.agent.stored(session).expect("it lives").remote_target, "sip:anna@192.0.2.5:5099");
}

#[test]
fn requests_that_wait_when_the_session_ends_are_answered_487() {
    let (mut stand, mut peer, _) = called();
    stand.receive(&peer.request("INFO", &[], None));
    stand.receive(&peer.request("INVITE", &[], Some(SDP)));
    let id = stand.asked();
    stand.lines();
    stand.receive(&peer.request("BYE", &[], None));
    assert_eq!(stand.lines(), ["200 BYE", "487 INFO", "487 INVITE"]);
    answer(&mut stand, id, Reply::new(200));
    assert_eq!(stand.lines(), [""; 0]);
}

#[test]
fn a_session_keeps_only_so_many_requests_waiting() {
    let (mut stand, mut peer, _) = called();
    for _ in 0..=super::super::sessions::MAX_OPEN_REQUESTS {
        stand.receive(&peer.request("INFO", &[], None));
    }
    assert_eq!(stand.told().len(), super::super::sessions::MAX_OPEN_REQUESTS);
    let refusal = stand.only();
    assert_eq!((refusal.line(), refusal.get(Name::RetryAfter)), ("503 INFO".to_owned(), "5".to_owned()));
}

#[test]
fn our_re_invite_is_acknowledged_and_its_answer_told() {
    let (mut stand, _, session) = calling(&[]);
    let id = in_session(&mut stand, session, Method::Invite, Some(SDP)).expect("it goes out");
    let invite = stand.only();
    assert_eq!((invite.line(), invite.get(Name::CSeq)), ("INVITE".to_owned(), "2 INVITE".to_owned()));
    assert_eq!(invite.get(Name::Contact), CONTACT);
    let moved = "Contact: <sip:bob@192.0.2.5:5099>";
    let ok = invite.answer(200, "", &[moved], Some(SDP));
    stand.receive(&ok);
    let ack = stand.only();
    assert_eq!(
        (ack.line(), ack.get(Name::CSeq), ack.uri()),
        ("ACK".into(), "2 ACK".into(), "sip:bob@192.0.2.5:5099".into())
    );
    assert!(
        stand
            .events
            .iter()
            .any(|event| matches!(event, AgentEvent::Answered { id: told, .. } if *told == id))
    );
    assert_eq!(stand.told(), ["Moved", "Answered 200"]);
    stand.receive(&ok);
    assert_eq!(stand.only().transmit.octets, ack.transmit.octets);
    assert_eq!(stand.told(), [""; 0]);
}

#[test]
fn one_offer_at_a_time() {
    let (mut stand, _, session) = calling(&[]);
    assert!(in_session(&mut stand, session, Method::Update, Some(SDP)).is_ok());
    assert_eq!(in_session(&mut stand, session, Method::Invite, Some(SDP)), Err(NotSent::Busy));
    assert_eq!(in_session(&mut stand, session, Method::Update, Some(SDP)), Err(NotSent::Busy));
    assert!(in_session(&mut stand, session, Method::Info, None).is_ok());
    assert!(in_session(&mut stand, session, Method::Update, None).is_ok());
    let update = stand.sent().remove(0);
    stand.receive(&update.answer(200, "", &[], Some(SDP)));
    assert_eq!(stand.told(), ["Answered 200"]);
    assert!(in_session(&mut stand, session, Method::Invite, Some(SDP)).is_ok());
}

#[test]
fn a_release_before_the_ack_of_a_re_invite_waits_for_it() {
    let (mut stand, mut peer, session) = called();
    stand.receive(&peer.request("INVITE", &[], Some(SDP)));
    let id = stand.asked();
    answer(&mut stand, id, Reply::new(200).body(SDP.0, SDP.1));
    stand.lines();
    stand.told();
    bye(&mut stand, session);
    assert_eq!((stand.watch(1000), stand.told()), (vec![(500, "200 INVITE".to_owned())], vec![]));
    stand.receive(&peer.request_at("ACK", peer.cseq, &[], None));
    assert_eq!((stand.lines(), stand.told()), (vec!["BYE".to_owned()], vec![]));
}

#[test]
fn a_re_invite_that_is_never_answered_is_cancelled_and_loses_the_session() {
    let (mut stand, _, session) = called();
    in_session(&mut stand, session, Method::Invite, Some(SDP)).expect("it goes out");
    let invite = stand.only();
    stand.receive(&invite.answer(100, "", &[], None));
    assert_eq!(stand.watch(PATIENCE.as_millis() as u64), [(200_000, "CANCEL".to_owned())]);
    stand.pass(32_000);
    assert_eq!(stand.told(), ["Answered 408 without response", "Lost: the peer is silent"]);
    stand.pass(32_000);
    assert_eq!((stand.agent.open_sessions(), stand.agent.open_transactions()), (0, (0, 0)));
}

#[test]
fn a_re_invite_that_is_open_when_the_session_ends_is_cancelled() {
    let (mut stand, mut peer, session) = called();
    in_session(&mut stand, session, Method::Invite, Some(SDP)).expect("it goes out");
    let invite = stand.only();
    stand.receive(&invite.answer(100, "", &[], None));
    stand.receive(&peer.request("BYE", &[], None));
    assert_eq!(
        (stand.lines(), stand.told()),
        (vec!["200 BYE".to_owned(), "CANCEL".into()], vec!["Released".to_owned()])
    );
    stand.pass(64_000);
    assert_eq!(
        (stand.told(), stand.agent.open_transactions()),
        (vec!["Answered 408 without response".to_owned()], (0, 0))
    );
}

#[test]
fn a_re_invite_that_is_accepted_after_the_end_is_acknowledged_and_told_once() {
    let (mut stand, mut peer, session) = called();
    in_session(&mut stand, session, Method::Invite, Some(SDP)).expect("it goes out");
    let invite = stand.only();
    stand.receive(&peer.request("BYE", &[], None));
    stand.lines();
    stand.told();
    let ok = invite.answer(200, "", &["Contact: <sip:anna@192.0.2.5:5066>"], Some(SDP));
    stand.receive(&ok);
    stand.receive(&ok);
    let acks = stand.sent();
    assert_eq!(acks.iter().map(Sent::line).collect::<Vec<_>>(), ["ACK", "ACK"]);
    assert_eq!(acks[0].transmit.octets, acks[1].transmit.octets);
    assert_eq!(stand.told(), ["Answered 200"]);
}

#[test]
fn nothing_goes_out_in_a_session_that_is_not_confirmed() {
    let (mut stand, mut peer, session) = called();
    assert_eq!(in_session(&mut stand, SessionId(0), Method::Info, None), Err(NotSent::NotConfirmed));
    stand.receive(&peer.request("BYE", &[], None));
    assert_eq!(in_session(&mut stand, session, Method::Info, None), Err(NotSent::NotConfirmed));
}

#[test]
fn a_glare_is_tried_again_after_a_while_and_told_under_its_first_number() {
    for ours in [true, false] {
        let (mut stand, _, session) = if ours { calling(&[]) } else { called() };
        let id = in_session(&mut stand, session, Method::Invite, Some(SDP)).expect("it goes out");
        let first = stand.only();
        stand.receive(&first.answer(491, "", &[], None));
        assert_eq!((stand.lines(), stand.told()), (vec!["ACK".to_owned()], vec![]));
        assert_eq!(in_session(&mut stand, session, Method::Invite, Some(SDP)), Err(NotSent::Busy));
        // RFC 3261 14.1: 2.1 to 4 s for the caller, up to 2 s for the called.
        let (least, most) = if ours { (2100, 4000) } else { (0, 2000) };
        let before = stand.now;
        let second = stand.wait();
        let waited = stand.now.since(before).as_millis();
        assert!((least..=most).contains(&waited), "{waited}");
        assert_eq!(second.message.body(), first.message.body());
        stand.receive(&second.answer(491, "", &[], None));
        let told = std::mem::take(&mut stand.events);
        assert!(matches!(told[..], [AgentEvent::Answered { id: told, status: 491, .. }] if told == id));
    }
}

#[test]
fn a_second_try_dies_with_its_session() {
    let (mut stand, mut peer, session) = called();
    in_session(&mut stand, session, Method::Invite, Some(SDP)).expect("it goes out");
    let first = stand.only();
    stand.receive(&first.answer(491, "", &[], None));
    stand.receive(&peer.request("BYE", &[], None));
    assert_eq!(stand.told(), ["Released", "Answered 487 without response"]);
}

#[test]
fn who_does_not_know_the_session_or_is_silent_loses_it() {
    for status in [481, 408] {
        let (mut stand, _, session) = called();
        in_session(&mut stand, session, Method::Info, None).expect("it goes out");
        let info = stand.only();
        stand.receive(&info.answer(status, "", &[], None));
        assert_eq!(stand.lines(), ["BYE"]);
        let told = stand.told();
        assert_eq!((told.len(), &told[0]), (2, &format!("Answered {status}")));
        assert!(told[1].starts_with("Lost"), "{told:?}");
        stand.pass(60_000);
        assert_eq!((stand.told(), stand.agent.open_sessions()), (vec![], 0));
    }
    let (mut stand, _, session) = called();
    in_session(&mut stand, session, Method::Info, None).expect("it goes out");
    stand.lines();
    assert_eq!(stand.watch(32_000).last(), Some(&(32_000, "BYE".to_owned())));
    assert_eq!(stand.told(), ["Answered 408 without response", "Lost: the peer is silent"]);
}

#[test]
fn another_refusal_leaves_the_session() {
    let (mut stand, _, session) = called();
    in_session(&mut stand, session, Method::Invite, Some(SDP)).expect("it goes out");
    let invite = stand.only();
    stand.receive(&invite.answer(488, "", &[], None));
    assert_eq!((stand.told(), stand.lines()), (vec!["Answered 488".to_owned()], vec!["ACK".to_owned()]));
    assert!(in_session(&mut stand, session, Method::Invite, Some(SDP)).is_ok());
}

#[test]
fn an_answer_that_comes_after_the_session_is_told_and_loses_nothing() {
    let (mut stand, mut peer, session) = called();
    in_session(&mut stand, session, Method::Info, None).expect("it goes out");
    let info = stand.only();
    stand.receive(&peer.request("BYE", &[], None));
    stand.receive(&info.answer(481, "", &[], None));
    assert_eq!(
        (stand.told(), stand.lines()),
        (vec!["Released".to_owned(), "Answered 481".into()], vec!["200 BYE".to_owned()])
    );
}

#[test]
fn the_user_is_asked_to_store_the_cseq_before_the_gap_of_a_restart_is_used_up() {
    let (mut stand, _, session) = called();
    for number in 1..=RESTART_CSEQ_GAP {
        in_session(&mut stand, session, Method::Info, None).expect("it goes out");
        let info = stand.only();
        stand.receive(&info.answer(200, "", &[], None));
        let told = stand.told();
        let moved = told.iter().any(|told| told == "Moved");
        assert_eq!(moved, number % (RESTART_CSEQ_GAP / 2) == 0, "{number}");
    }
}

#[test]
fn a_peer_on_a_stream_is_reached_over_it_and_where_its_contact_says_once_it_breaks() {
    let mut stand = Stand { flow: tcp(), ..Stand::default() };
    let mut peer = Peer::default();
    let contact = "Contact: <sip:anna@192.0.2.5:5066;transport=tcp>";
    stand.receive(&peer.request("INVITE", &[contact], Some(SDP)));
    let session = stand.invited();
    stand.agent.accept(stand.now, &mut stand.ids, session, Reply::new(200), CONTACT, &mut stand.out);
    peer.our_tag = stand.sent().pop().expect("the 200").tag(Name::To);
    stand.receive(&peer.request_at("ACK", 1, &[], None));
    stand.told();
    bye(&mut stand, session);
    let over_stream = stand.only();
    assert_eq!(over_stream.to().1, tcp().peer);
    let ticket = over_stream.transmit.ticket.expect("it wants to know");
    stand.agent.unreachable(stand.now, &mut stand.ids, ticket, &mut stand.out, &mut stand.events);
    let again = stand.only();
    assert_eq!((again.line(), again.to().1, stand.told()), ("BYE".to_owned(), peer_address(), vec![]));
    let ticket = again.transmit.ticket.expect("it wants to know");
    stand.agent.unreachable(stand.now, &mut stand.ids, ticket, &mut stand.out, &mut stand.events);
    assert_eq!((stand.told(), stand.agent.open_sessions()), (vec!["Ended".to_owned()], 0));
}

#[test]
fn a_request_that_meets_a_broken_stream_goes_where_the_contact_says_and_is_told_if_nobody_is_there_either() {
    let mut stand = Stand { flow: tcp(), ..Stand::default() };
    let mut peer = Peer::default();
    stand.receive(&peer.request("INVITE", &["Contact: <sip:anna@192.0.2.5:5066;transport=tcp>"], Some(SDP)));
    let session = stand.invited();
    stand.agent.accept(stand.now, &mut stand.ids, session, Reply::new(200), CONTACT, &mut stand.out);
    peer.our_tag = stand.sent().pop().expect("the 200").tag(Name::To);
    stand.receive(&peer.request_at("ACK", 1, &[], None));
    stand.told();
    in_session(&mut stand, session, Method::Info, None).expect("it goes out");
    let info = stand.only();
    assert_eq!(info.to().1, tcp().peer);
    let ticket = info.transmit.ticket.expect("it wants to know");
    stand.agent.unreachable(stand.now, &mut stand.ids, ticket, &mut stand.out, &mut stand.events);
    let again = stand.only();
    assert_eq!((again.to().1, stand.told()), (peer_address(), vec![]));
    let ticket = again.transmit.ticket.expect("it wants to know");
    stand.agent.unreachable(stand.now, &mut stand.ids, ticket, &mut stand.out, &mut stand.events);
    assert_eq!(stand.told(), ["Answered 503 without response"]);
    in_session(&mut stand, session, Method::Info, None).expect("it goes out");
    assert_eq!(stand.only().to().1, peer_address());
}

#[test]
fn a_contact_without_address_is_reached_where_the_peer_was_last_heard() {
    let (mut stand, mut peer, session) = called();
    stand.receive(&peer.request("UPDATE", &["Contact: <sip:anna@behind.nat.invalid>"], None));
    stand.lines();
    bye(&mut stand, session);
    let bye = stand.only();
    assert_eq!((bye.uri(), bye.to().1), ("sip:anna@behind.nat.invalid".to_owned(), peer_address()));
}

fn peer_address() -> std::net::SocketAddr {
    crate::sip::testing::peer()
}
