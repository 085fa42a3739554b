use super::*;

const BOB: &str = "Contact: <sip:bob@192.0.2.5:5066>";

/// Our INVITE is out.
fn inviting() -> (Stand, Sent, SessionId) {
    let mut stand = Stand::default();
    let session = stand.agent.invite(stand.now, &mut stand.ids, our_invite(), None, &mut stand.out);
    let invite = stand.only();
    (stand, invite, session.expect("there is a way"))
}

fn cancel(stand: &mut Stand, session: SessionId) {
    stand.agent.cancel(stand.now, &mut stand.ids, session, Some("SIP;cause=200"), &mut stand.out);
}

#[test]
fn an_invite_says_what_the_session_may_use() {
    let (_, invite, _) = inviting();
    assert_eq!(invite.get(Name::SessionExpires), "1800");
    assert_eq!(invite.get(Name::Supported), "100rel, timer, tdialog");
    assert!(invite.get(Name::Allow).contains("UPDATE"));
    let mut stand = Stand::default();
    let draft =
        our_invite().header(Name::Supported, "tdialog, norefersub").header(Name::SessionExpires, "90");
    stand.agent.invite(stand.now, &mut stand.ids, draft, None, &mut stand.out).expect("there is a way");
    let invite = stand.only();
    assert_eq!(invite.all(Name::Supported), ["tdialog, norefersub", "100rel, timer"]);
    assert_eq!(invite.all(Name::SessionExpires), ["90"]);
}

#[test]
fn progress_and_success_are_told_and_the_2xx_is_acknowledged() {
    let (mut stand, invite, session) = inviting();
    stand.receive(&invite.answer(100, "", &[], None));
    stand.receive(&invite.answer(180, "bob", &[BOB], None));
    assert_eq!((stand.told(), stand.lines()), (vec!["Progress 180".to_owned()], vec![]));
    let routes = "Record-Route: <sip:192.0.2.8;lr>, <sip:192.0.2.9;lr>";
    stand.receive(&invite.answer(200, "bob", &["Contact: <sip:bob@198.51.100.7>", routes], Some(SDP)));
    assert_eq!(stand.told(), ["Accepted"]);
    let ack = stand.only();
    assert_eq!((ack.line(), ack.get(Name::CSeq)), ("ACK".to_owned(), "1 ACK".to_owned()));
    assert_eq!((ack.uri(), ack.tag(Name::To)), ("sip:bob@198.51.100.7".to_owned(), "bob".to_owned()));
    assert_eq!(ack.all(Name::Route), ["<sip:192.0.2.9;lr>", "<sip:192.0.2.8;lr>"]);
    assert_eq!(ack.to().1.to_string(), "192.0.2.9:5060");
    let fact = stand.agent.stored(session).expect("it is confirmed");
    assert_eq!((fact.local_tag.as_str(), fact.remote_tag.as_str(), fact.local_cseq), ("ours", "bob", 1));
}

#[test]
fn a_callee_that_rang_before_it_accepted_can_release_the_session() {
    let (mut stand, invite, _) = inviting();
    stand.receive(&invite.answer(180, "bob", &[BOB], None));
    stand.receive(&invite.answer(200, "bob", &[BOB], Some(SDP)));
    assert_eq!(
        (stand.told(), stand.lines()),
        (vec!["Progress 180".to_owned(), "Accepted".to_owned()], vec!["ACK".to_owned()])
    );
    let mut peer = Peer::of(&invite, "bob");
    stand.receive(&peer.request("BYE", &[], None));
    assert_eq!((stand.told(), stand.lines()), (vec!["Released".to_owned()], vec!["200 BYE".to_owned()]));
}

#[test]
fn a_repeated_2xx_gets_the_same_ack() {
    let (mut stand, invite, _) = inviting();
    let ok = invite.answer(200, "bob", &[BOB], Some(SDP));
    stand.receive(&ok);
    let ack = stand.only();
    stand.pass(20_000);
    stand.receive(&ok);
    assert_eq!(stand.only().transmit.octets, ack.transmit.octets);
    assert_eq!(stand.told(), ["Accepted"]);
    // After 64*T1 nothing is kept of the INVITE; the dialog still knows what to say.
    stand.pass(20_000);
    stand.receive(&ok);
    let late = stand.only();
    assert_eq!(
        (late.line(), late.get(Name::CSeq), late.tag(Name::To)),
        ("ACK".into(), "1 ACK".into(), "bob".into())
    );
    assert_eq!(stand.told(), [""; 0]);
}

#[test]
fn the_first_fork_that_accepts_wins_and_the_others_are_released() {
    let (mut stand, invite, session) = inviting();
    stand.receive(&invite.answer(180, "one", &["Contact: <sip:one@192.0.2.5:5066>"], None));
    stand.receive(&invite.answer(180, "two", &["Contact: <sip:two@192.0.2.5:5066>"], None));
    assert_eq!(stand.told(), ["Progress 180", "Progress 180"]);
    stand.receive(&invite.answer(200, "two", &["Contact: <sip:two@192.0.2.5:5066>"], Some(SDP)));
    assert_eq!((stand.told(), stand.lines()), (vec!["Accepted".to_owned()], vec!["ACK".to_owned()]));
    for (tag, contact) in [("one", "sip:one@192.0.2.5:5066"), ("three", "sip:three@192.0.2.5:5066")] {
        let ok = invite.answer(200, tag, &[&format!("Contact: <{contact}>")], Some(SDP));
        stand.receive(&ok);
        let sent = stand.sent();
        assert_eq!(sent.iter().map(Sent::line).collect::<Vec<_>>(), ["ACK", "BYE"]);
        assert!(sent.iter().all(|sent| sent.uri() == contact && sent.tag(Name::To) == tag));
        stand.receive(&sent[1].answer(200, "", &[], None));
        stand.receive(&ok);
        assert_eq!(stand.lines(), ["ACK"]);
    }
    assert_eq!(stand.told(), [""; 0]);
    assert_eq!(stand.agent.stored(session).expect("it lives").remote_tag, "two");
}

#[test]
fn a_fork_that_accepts_after_the_session_is_over_is_released() {
    let (mut stand, invite, session) = inviting();
    stand.receive(&invite.answer(200, "one", &[BOB], Some(SDP)));
    bye(&mut stand, session);
    let release = stand.sent().pop().expect("the BYE");
    stand.receive(&release.answer(200, "", &[], None));
    assert_eq!(stand.told(), ["Accepted", "Ended"]);
    stand.receive(&invite.answer(200, "two", &[BOB], Some(SDP)));
    assert_eq!((stand.lines(), stand.told()), (vec!["ACK".to_owned(), "BYE".to_owned()], vec![]));
}

#[test]
fn more_forks_than_we_keep_are_not_heard_and_still_released() {
    let (mut stand, invite, _) = inviting();
    for fork in 0..=super::super::calling::MAX_FORKS {
        stand.receive(&invite.answer(180, &format!("f{fork}"), &[BOB], None));
    }
    assert_eq!(stand.told().len(), super::super::calling::MAX_FORKS);
    stand.receive(&invite.answer(200, "f0", &[BOB], Some(SDP)));
    stand.receive(&invite.answer(200, "more", &[BOB], Some(SDP)));
    assert_eq!(
        (stand.told(), stand.lines()),
        (vec!["Accepted".to_owned()], vec!["ACK".to_owned(), "ACK".into(), "BYE".into()])
    );
}

#[test]
fn a_refusal_is_told_with_its_response() {
    for status in [302, 404, 486, 503, 603] {
        let (mut stand, invite, _) = inviting();
        stand.receive(&invite.answer(180, "bob", &[BOB], None));
        stand.receive(&invite.answer(status, "bob", &[], None));
        assert_eq!(stand.told(), ["Progress 180".to_owned(), format!("Refused {status}")]);
        assert_eq!((stand.lines(), stand.agent.open_sessions()), (vec!["ACK".to_owned()], 0));
    }
}

#[test]
fn silence_and_no_way_read_as_408_and_503() {
    let (mut stand, _, _) = inviting();
    stand.pass(32_000);
    assert_eq!(
        (stand.told(), stand.agent.open_sessions()),
        (vec!["Refused 408 without response".to_owned()], 0)
    );
    let (mut stand, invite, _) = inviting();
    let ticket = invite.transmit.ticket.expect("it wants to know");
    stand.agent.unreachable(stand.now, &mut stand.ids, ticket, &mut stand.out, &mut stand.events);
    assert_eq!(
        (stand.told(), stand.agent.open_sessions()),
        (vec!["Refused 503 without response".to_owned()], 0)
    );
    let mut draft = our_invite();
    draft.uri = "sip:bob@nowhere.example".to_owned();
    assert!(matches!(
        stand.agent.invite(stand.now, &mut stand.ids, draft, None, &mut stand.out),
        Err(NotSent::NoHop(_))
    ));
    assert_eq!(stand.agent.open_sessions(), 0);
}

#[test]
fn who_rings_and_falls_silent_is_cancelled() {
    let (mut stand, invite, _) = inviting();
    stand.receive(&invite.answer(180, "bob", &[BOB], None));
    stand.pass(150_000);
    stand.receive(&invite.answer(180, "bob", &[BOB], None));
    assert_eq!(stand.told(), ["Progress 180", "Progress 180"]);
    let seen = stand.watch(PATIENCE.as_millis() as u64);
    assert_eq!(seen, [(200_000, "CANCEL".to_owned())]);
    assert_eq!(stand.told(), ["Refused 408 without response"]);
    // It wakes up and accepts: too late.
    stand.receive(&invite.answer(200, "bob", &[BOB], Some(SDP)));
    assert_eq!((stand.lines(), stand.told()), (vec!["ACK".to_owned(), "BYE".to_owned()], vec![]));
}

#[test]
fn a_cancelled_invite_ends_with_its_487() {
    let (mut stand, invite, session) = inviting();
    stand.receive(&invite.answer(180, "bob", &[BOB], None));
    stand.told();
    cancel(&mut stand, session);
    let cancel = stand.only();
    assert_eq!((cancel.line(), cancel.get(Name::Reason)), ("CANCEL".to_owned(), "SIP;cause=200".to_owned()));
    stand.receive(&cancel.answer(200, "", &[], None));
    stand.receive(&invite.answer(183, "bob", &[BOB], None));
    assert_eq!(stand.told(), [""; 0]);
    stand.receive(&invite.answer(487, "bob", &[], None));
    assert_eq!(
        (stand.lines(), stand.told(), stand.agent.open_sessions()),
        (vec!["ACK".to_owned()], vec!["GivenUp 487".to_owned(), "Ended".to_owned()], 0)
    );
}

#[test]
fn a_cancel_waits_for_a_sign_of_life() {
    let (mut stand, invite, session) = inviting();
    cancel(&mut stand, session);
    assert_eq!(stand.lines(), [""; 0]);
    stand.receive(&invite.answer(100, "", &[], None));
    assert_eq!(stand.lines(), ["CANCEL"]);
    // Nobody answers the INVITE any more.
    stand.pass(40_000);
    let last = vec!["GivenUp 408".to_owned(), "Ended".to_owned()];
    assert_eq!((stand.told(), stand.agent.open_sessions()), (last, 0));
}

#[test]
fn a_2xx_that_crosses_the_cancel_is_acknowledged_and_released() {
    let (mut stand, invite, session) = inviting();
    stand.receive(&invite.answer(180, "bob", &[BOB], None));
    cancel(&mut stand, session);
    stand.lines();
    stand.told();
    stand.receive(&invite.answer(200, "bob", &[BOB], Some(SDP)));
    let sent = stand.sent();
    assert_eq!(sent.iter().map(Sent::line).collect::<Vec<_>>(), ["ACK", "BYE"]);
    assert_eq!(stand.told(), ["GivenUp 200"]);
    stand.receive(&sent[1].answer(200, "", &[], None));
    assert_eq!((stand.told(), stand.agent.open_sessions()), (vec!["Ended".to_owned()], 0));
}

#[test]
fn a_cancel_that_comes_after_the_2xx_releases() {
    let (mut stand, _, session) = calling(&[]);
    cancel(&mut stand, session);
    let bye = stand.only();
    assert_eq!((bye.line(), bye.get(Name::Reason)), ("BYE".to_owned(), "SIP;cause=200".to_owned()));
}

#[test]
fn a_422_is_tried_again_once_with_its_interval() {
    let (mut stand, invite, session) = inviting();
    stand.receive(&invite.answer(422, "proxy", &["Min-SE: 3600"], None));
    let sent = stand.sent();
    assert_eq!(sent.iter().map(Sent::line).collect::<Vec<_>>(), ["ACK", "INVITE"]);
    let second = &sent[1];
    assert_eq!(
        (second.all(Name::SessionExpires), second.all(Name::MinSe)),
        (vec!["3600".to_owned()], vec!["3600".to_owned()])
    );
    assert_eq!(
        (second.get(Name::CSeq), second.get(Name::CallId)),
        ("2 INVITE".into(), invite.get(Name::CallId))
    );
    assert_eq!(second.message.body(), invite.message.body());
    assert_eq!(stand.told(), [""; 0]);
    stand.receive(&second.answer(422, "proxy", &["Min-SE: 7200"], None));
    assert_eq!((stand.told(), stand.lines()), (vec!["Refused 422".to_owned()], vec!["ACK".to_owned()]));
    assert_eq!(stand.agent.stored(session), None);
}

#[test]
fn a_second_try_after_422_makes_the_session() {
    let (mut stand, invite, session) = inviting();
    stand.receive(&invite.answer(422, "proxy", &["Min-SE: 3600"], None));
    let second = stand.sent().pop().expect("the second INVITE");
    stand.receive(&second.answer(200, "bob", &[BOB, "Session-Expires: 3600;refresher=uac"], Some(SDP)));
    assert_eq!(
        (stand.told(), stand.only().get(Name::CSeq)),
        (vec!["Accepted".to_owned()], "2 ACK".to_owned())
    );
    assert_eq!(stand.agent.stored(session).expect("it lives").local_cseq, 2);
}

#[test]
fn a_422_without_min_se_and_one_after_cancel_are_final() {
    let (mut stand, invite, _) = inviting();
    stand.receive(&invite.answer(422, "proxy", &[], None));
    assert_eq!(stand.told(), ["Refused 422"]);
    let (mut stand, invite, session) = inviting();
    cancel(&mut stand, session);
    stand.receive(&invite.answer(422, "proxy", &["Min-SE: 3600"], None));
    let last = vec!["GivenUp 422".to_owned(), "Ended".to_owned()];
    assert_eq!((stand.told(), stand.lines()), (last, vec!["ACK".to_owned()]));
}

#[test]
fn a_reliable_provisional_response_is_acknowledged_in_its_early_dialog() {
    let (mut stand, invite, _) = inviting();
    let reliable = |tag: &str, status, rseq: u32| {
        let rseq = format!("RSeq: {rseq}");
        invite.answer(status, tag, &[BOB, "Require: 100rel", &rseq], None)
    };
    stand.receive(&reliable("one", 183, 7));
    let prack = stand.only();
    assert_eq!((prack.line(), prack.get(Name::RAck)), ("PRACK".to_owned(), "7 1 INVITE".to_owned()));
    assert_eq!((prack.get(Name::CSeq), prack.tag(Name::To)), ("2 PRACK".to_owned(), "one".to_owned()));
    stand.receive(&prack.answer(200, "", &[], None));
    // A repetition and one out of order are not heard.
    stand.receive(&reliable("one", 183, 7));
    stand.receive(&reliable("one", 180, 9));
    assert_eq!((stand.told(), stand.lines()), (vec!["Progress 183".to_owned()], vec![]));
    stand.receive(&reliable("one", 180, 8));
    assert_eq!(stand.only().get(Name::RAck), "8 1 INVITE");
    // Another fork counts for itself.
    stand.receive(&reliable("two", 180, 100));
    let prack = stand.only();
    assert_eq!(
        (prack.get(Name::RAck), prack.get(Name::CSeq)),
        ("100 1 INVITE".to_owned(), "2 PRACK".to_owned())
    );
    // Requests in the session go on from the CSeq of the early dialog.
    stand.receive(&invite.answer(200, "one", &[BOB], Some(SDP)));
    stand.lines();
    let session = match stand.events.pop() {
        Some(AgentEvent::Accepted { session, .. }) => session,
        other => panic!("{other:?}"),
    };
    bye(&mut stand, session);
    assert_eq!(stand.only().get(Name::CSeq), "4 BYE");
}

#[test]
fn a_reliable_response_after_the_cancel_is_still_acknowledged() {
    let (mut stand, invite, session) = inviting();
    cancel(&mut stand, session);
    stand.receive(&invite.answer(183, "one", &[BOB, "Require: 100rel", "RSeq: 7"], None));
    assert_eq!((stand.lines(), stand.told()), (vec!["CANCEL".to_owned(), "PRACK".to_owned()], vec![]));
}

#[test]
fn a_2xx_without_contact_is_taken_to_be_where_the_invite_went() {
    let (mut stand, invite, _) = inviting();
    stand.receive(&invite.answer(200, "bob", &[], Some(SDP)));
    assert_eq!(
        (stand.told(), stand.only().uri()),
        (vec!["Accepted".to_owned()], "sip:bob@192.0.2.5:5066".to_owned())
    );
}

#[test]
fn a_2xx_that_names_no_usable_place_is_released_and_refused() {
    let (mut stand, invite, _) = inviting();
    stand.receive(&invite.answer(200, "bob", &["Contact: <sip:bob@192.0.2.5:port>"], Some(SDP)));
    assert_eq!(stand.lines(), ["ACK", "BYE"]);
    assert_eq!(
        (stand.told(), stand.agent.open_sessions()),
        (vec!["Refused 502 without response".to_owned()], 0)
    );
}

#[test]
fn an_early_dialog_takes_update_and_info_but_no_bye() {
    let (mut stand, invite, session) = inviting();
    stand.receive(&invite.answer(183, "bob", &[BOB], None));
    stand.told();
    let mut peer = Peer::of(&invite, "bob");
    stand.receive(&peer.request("UPDATE", &["Contact: <sip:bob@192.0.2.5:5077>"], None));
    let ok = stand.only();
    assert_eq!((ok.line(), ok.get(Name::Contact)), ("200 UPDATE".to_owned(), CONTACT.to_owned()));
    stand.receive(&peer.request("INFO", &[], None));
    let id = stand.asked();
    answer(&mut stand, id, Reply::new(200));
    stand.receive(&peer.request("BYE", &[], None));
    stand.receive(&peer.request("INVITE", &[], Some(SDP)));
    stand.receive(&peer.request("UPDATE", &[], Some(SDP)));
    stand.receive(&Peer { tag: "nobody".to_owned(), ..peer.clone() }.request("INFO", &[], None));
    assert_eq!(stand.lines(), ["200 INFO", "481 BYE", "491 INVITE", "491 UPDATE", "481 INFO"]);
    // Once a reliable response has answered our offer, the peer may make one.
    stand.receive(&invite.answer(183, "bob", &[BOB, "Require: 100rel", "RSeq: 1"], Some(SDP)));
    stand.told();
    peer.branch += 1;
    stand.receive(&peer.request("UPDATE", &[], Some(SDP)));
    assert_eq!(stand.told(), ["InSession UPDATE"]);
    cancel(&mut stand, session);
    stand.lines();
    stand.receive(&peer.request("INFO", &[], None));
    assert_eq!((stand.lines(), stand.told()), (vec!["481 INFO".to_owned()], vec![]));
}

#[test]
fn a_2xx_to_nothing_of_ours_is_dropped() {
    let (mut stand, invite, _) = inviting();
    let mut other = Stand::default();
    other.receive(&invite.answer(200, "bob", &[BOB], Some(SDP)));
    assert_eq!((other.lines(), other.told()), (vec![], vec![]));
    stand.receive(&invite.answer(200, "bob", &[BOB], Some(SDP)).replace("z9hG4bK", "z9hG4bKnot"));
    assert_eq!((stand.lines(), stand.told()), (vec![], vec![]));
}
