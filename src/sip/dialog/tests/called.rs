use super::*;

/// A caller, its INVITE received.
fn ringing(extra: &[&str]) -> (Stand, Peer, SessionId) {
    let mut stand = Stand::default();
    let mut peer = Peer::default();
    stand.receive(&peer.request("INVITE", extra, Some(SDP)));
    let session = stand.invited();
    assert_eq!(stand.lines(), ["100 INVITE"]);
    (stand, peer, session)
}

/// The same with our 200 sent.
fn accepted(extra: &[&str]) -> (Stand, Peer, SessionId) {
    let (mut stand, mut peer, session) = ringing(extra);
    accept(&mut stand, session);
    peer.our_tag = stand.only().tag(Name::To);
    (stand, peer, session)
}

fn accept(stand: &mut Stand, session: SessionId) {
    let reply = Reply::new(200).body(SDP.0, SDP.1);
    stand.agent.accept(stand.now, &mut stand.ids, session, reply, CONTACT, &mut stand.out);
}

fn progress(stand: &mut Stand, session: SessionId, reply: Reply) {
    stand.agent.progress(stand.now, &mut stand.ids, session, reply, CONTACT, &mut stand.out);
}

fn refuse(stand: &mut Stand, session: SessionId, reply: Reply) {
    stand.agent.refuse(stand.now, &mut stand.ids, session, reply, &mut stand.out);
}

#[test]
fn a_refusal_leaves_nothing_behind() {
    let (mut stand, _, session) = ringing(&[]);
    refuse(&mut stand, session, Reply::new(302).header(Name::Contact, "<sip:tg-1@one.example>"));
    let sent = stand.only();
    assert_eq!(
        (sent.line(), sent.get(Name::Contact)),
        ("302 INVITE".into(), "<sip:tg-1@one.example>".into())
    );
    assert_eq!((stand.told(), stand.agent.open_sessions()), (vec![], 0));
    accept(&mut stand, session);
    refuse(&mut stand, session, Reply::new(486));
    assert_eq!(stand.lines(), [""; 0]);
}

#[test]
fn a_2xx_says_what_the_session_needs_and_is_confirmed_by_its_ack() {
    let (mut stand, mut peer, session) =
        ringing(&["Supported: timer", "Session-Expires: 600", "Record-Route: <sip:p.example;lr>"]);
    progress(&mut stand, session, Reply::new(180));
    let ringing = stand.only();
    assert_eq!((ringing.line(), ringing.get(Name::Contact)), ("180 INVITE".into(), CONTACT.into()));
    accept(&mut stand, session);
    let ok = stand.only();
    assert_eq!(ok.tag(Name::To), ringing.tag(Name::To));
    assert_eq!(ok.get(Name::Contact), CONTACT);
    assert_eq!(ok.get(Name::SessionExpires), "600;refresher=uac");
    assert_eq!(ok.all(Name::Require), ["timer"]);
    assert_eq!(ok.get(Name::Supported), "100rel, timer, tdialog");
    assert_eq!(ok.get(Name::AllowEvents), "presence");
    assert!(ok.get(Name::Allow).contains("UPDATE"));
    assert_eq!(ok.get(Name::RecordRoute), "<sip:p.example;lr>");
    assert!(ok.message.body().starts_with(b"v=0"));
    peer.our_tag = ok.tag(Name::To);
    stand.receive(&peer.request_at("ACK", 1, &[], None));
    assert_eq!(stand.told(), ["Confirmed"]);
    assert_eq!(stand.watch(40_000), []);
}

#[test]
fn a_2xx_is_repeated_until_its_ack_on_streams_too() {
    for flow in [udp(), tcp()] {
        let mut stand = Stand { flow, ..Stand::default() };
        let mut peer = Peer::default();
        stand.receive(&peer.request("INVITE", &[], Some(SDP)));
        let session = stand.invited();
        accept(&mut stand, session);
        let first = stand.sent().pop().expect("the 200");
        let again = stand.watch(8000);
        assert_eq!(again, [500, 1500, 3500, 7500].map(|at| (at, "200 INVITE".to_owned())));
        peer.our_tag = first.tag(Name::To);
        // The ACK of another INVITE, and one that is not of this dialog.
        stand.receive(&peer.request_at("ACK", 2, &[], None));
        stand.receive(&Peer { tag: "other".into(), ..peer.clone() }.request_at("ACK", 1, &[], None));
        assert_eq!((stand.told(), stand.watch(4000).len()), (vec![], 1));
        stand.receive(&peer.request_at("ACK", 1, &[], None));
        stand.receive(&peer.request_at("ACK", 1, &[], None));
        assert_eq!((stand.told(), stand.watch(60_000)), (vec!["Confirmed".to_owned()], vec![]));
    }
}

#[test]
fn without_ack_the_session_is_released_and_lost() {
    let (mut stand, _, _) = accepted(&[]);
    let seen = stand.watch(40_000);
    let last = seen.iter().find(|(_, line)| line == "BYE").expect("a BYE");
    assert_eq!(last.0, 32_000);
    assert_eq!(seen.iter().filter(|(_, line)| line == "200 INVITE").count(), 10);
    assert_eq!(stand.told(), ["Lost: no ACK for the 2xx"]);
    stand.pass(60_000);
    assert_eq!((stand.told(), stand.agent.open_sessions()), (vec![], 0));
}

#[test]
fn a_release_before_the_ack_waits_for_it() {
    let (mut stand, mut peer, session) = accepted(&[]);
    stand.agent.bye(stand.now, &mut stand.ids, session, Some("SIP;cause=200"), &mut stand.out);
    assert_eq!((stand.lines(), stand.told()), (vec![], vec![]));
    stand.receive(&peer.request_at("ACK", 1, &[], None));
    let bye = stand.only();
    assert_eq!((bye.line(), stand.told()), ("BYE".to_owned(), vec![]));
    stand.receive(&bye.answer(200, "", &[], None));
    assert_eq!((stand.told(), stand.agent.open_sessions()), (vec!["Ended".to_owned()], 0));
}

#[test]
fn a_release_without_any_ack_ends_after_64_t1() {
    let (mut stand, _, session) = accepted(&[]);
    stand.agent.bye(stand.now, &mut stand.ids, session, None, &mut stand.out);
    let seen = stand.watch(32_000);
    assert_eq!(seen.last(), Some(&(32_000, "BYE".to_owned())));
    assert_eq!(stand.told(), [""; 0]);
    stand.pass(32_000);
    assert_eq!(stand.told(), ["Ended"]);
}

#[test]
fn a_repeated_invite_gets_the_same_answer_and_no_second_session() {
    let mut stand = Stand::default();
    let mut peer = Peer::default();
    let invite = peer.request("INVITE", &[], Some(SDP));
    stand.receive(&invite);
    let session = stand.invited();
    stand.lines();
    stand.receive(&invite);
    assert_eq!((stand.told(), stand.lines()), (vec![], vec!["100 INVITE".to_owned()]));
    progress(&mut stand, session, Reply::new(180));
    stand.receive(&invite);
    assert_eq!((stand.told(), stand.lines()), (vec![], vec!["180 INVITE".to_owned(); 2]));
}

#[test]
fn cancel_before_the_answer_ends_the_session() {
    let (mut stand, peer, session) = ringing(&[]);
    stand.receive(&peer.cancel(&["Reason: SIP;cause=200;text=\"elsewhere\""]));
    assert_eq!(stand.lines(), ["200 CANCEL", "487 INVITE"]);
    assert_eq!(stand.told(), ["Cancelled SIP;cause=200;text=\"elsewhere\""]);
    accept(&mut stand, session);
    assert_eq!((stand.lines(), stand.agent.open_sessions()), (vec![], 0));
}

#[test]
fn cancel_after_the_answer_changes_nothing() {
    let (mut stand, mut peer, _) = accepted(&[]);
    stand.receive(&Peer { our_tag: String::new(), ..peer.clone() }.cancel(&[]));
    assert_eq!((stand.lines(), stand.told()), (vec!["200 CANCEL".to_owned()], vec![]));
    stand.receive(&peer.request_at("ACK", 1, &[], None));
    assert_eq!(stand.told(), ["Confirmed"]);
}

#[test]
fn a_bye_that_overtakes_the_ack_ends_the_session() {
    let (mut stand, mut peer, _) = accepted(&[]);
    stand.receive(&peer.request("BYE", &[], None));
    assert_eq!((stand.lines(), stand.told()), (vec!["200 BYE".to_owned()], vec!["Released".to_owned()]));
    stand.receive(&peer.request_at("ACK", 1, &[], None));
    assert_eq!((stand.told(), stand.watch(60_000)), (vec![], vec![]));
}

#[test]
fn a_bye_in_the_early_dialog_ends_the_invite() {
    let (mut stand, mut peer, session) = ringing(&[]);
    progress(&mut stand, session, Reply::new(180));
    peer.our_tag = stand.only().tag(Name::To);
    stand.receive(&peer.request("BYE", &[], None));
    assert_eq!(
        (stand.lines(), stand.told()),
        (vec!["200 BYE".to_owned(), "487 INVITE".to_owned()], vec!["Released".to_owned()])
    );
    assert_eq!(stand.agent.open_sessions(), 0);
}

#[test]
fn releasing_what_was_not_accepted_refuses_it() {
    let (mut stand, _, session) = ringing(&[]);
    stand.agent.bye(stand.now, &mut stand.ids, session, None, &mut stand.out);
    assert_eq!((stand.lines(), stand.told()), (vec!["480 INVITE".to_owned()], vec!["Ended".to_owned()]));
}

#[test]
fn who_needs_time_says_so_every_minute() {
    let (mut stand, _, session) = ringing(&[]);
    assert_eq!(stand.watch(100_000), []);
    progress(&mut stand, session, Reply::new(180).header(Name::PAnswerState, "Unconfirmed"));
    stand.lines();
    assert_eq!(stand.watch(130_000), [(60_000, "180 INVITE".to_owned()), (120_000, "180 INVITE".to_owned())]);
}

#[test]
fn an_invite_with_an_unreadable_contact_is_lost_when_it_would_be_accepted() {
    for early in [true, false] {
        let (mut stand, _, session) = ringing(&["Contact: <sip:anna@192.0.2.5:port>"]);
        match early {
            true => progress(&mut stand, session, Reply::new(180)),
            false => accept(&mut stand, session),
        }
        assert_eq!(stand.lines(), ["400 INVITE"]);
        stand.pass(0);
        assert_eq!(
            (stand.told(), stand.agent.open_sessions()),
            (vec!["Lost: Contact cannot be read".to_owned()], 0)
        );
    }
}

#[test]
fn beyond_the_limit_of_sessions_the_caller_is_asked_to_come_back() {
    let mut settings = settings();
    settings.transactions.limits.sessions = 2;
    let mut stand = Stand::with(settings);
    for number in 0..3 {
        let mut peer = Peer { call_id: format!("call-{number}"), branch: number * 10, ..Peer::default() };
        stand.receive(&peer.request("INVITE", &[], None));
    }
    assert_eq!(stand.told(), ["Invite", "Invite"]);
    let refusal = stand.sent().pop().expect("a refusal");
    assert_eq!((refusal.line(), refusal.get(Name::RetryAfter)), ("503 INVITE".into(), "5".into()));
    assert_eq!(
        stand.agent.invite(stand.now, &mut stand.ids, our_invite(), None, &mut stand.out),
        Err(NotSent::Full)
    );
}

#[test]
fn an_interval_that_is_too_small_is_refused_with_ours() {
    let mut stand = Stand::default();
    stand.receive(&Peer::default().request("INVITE", &["Supported: timer", "Session-Expires: 60"], None));
    let sent = stand.only();
    assert_eq!((sent.line(), sent.get(Name::MinSe)), ("422 INVITE".into(), "90".into()));
    assert_eq!(stand.told(), [""; 0]);
}

mod reliable {
    use super::*;

    const WANTS: &[&str] = &["Supported: 100rel"];
    const NEEDS: &[&str] = &["Require: 100rel"];

    fn unconfirmed() -> Reply {
        Reply::new(183).header(Name::PAnswerState, "Unconfirmed")
    }

    fn prack(peer: &mut Peer, rseq: &str) -> String {
        peer.request("PRACK", &[&format!("RAck: {rseq} 1 INVITE")], None)
    }

    /// The 183 is out, reliably.
    fn waiting() -> (Stand, Peer, SessionId, String) {
        let (mut stand, mut peer, session) = ringing(WANTS);
        progress(&mut stand, session, unconfirmed());
        let sent = stand.only();
        peer.our_tag = sent.tag(Name::To);
        assert_eq!(
            (sent.line(), sent.all(Name::Require)),
            ("183 INVITE".to_owned(), vec!["100rel".to_owned()])
        );
        (stand, peer, session, sent.get(Name::RSeq))
    }

    #[test]
    fn who_supports_it_gets_it_for_what_matters_and_who_requires_it_always() {
        for (extra, reply, expected) in [
            (&[][..], unconfirmed(), false),
            (WANTS, Reply::new(180), false),
            (WANTS, unconfirmed(), true),
            (WANTS, Reply::new(183).body(SDP.0, SDP.1), true),
            (NEEDS, Reply::new(180), true),
        ] {
            let (mut stand, _, session) = ringing(extra);
            progress(&mut stand, session, reply);
            assert_eq!(!stand.only().get(Name::RSeq).is_empty(), expected, "{extra:?}");
        }
    }

    #[test]
    fn it_is_repeated_until_its_prack() {
        let (mut stand, mut peer, _, rseq) = waiting();
        let seen = stand.watch(4000);
        assert_eq!(seen, [500, 1500, 3500].map(|at| (at, "183 INVITE".to_owned())));
        stand.receive(&prack(&mut peer, &rseq));
        assert_eq!((stand.lines(), stand.told()), (vec!["200 PRACK".to_owned()], vec![]));
        assert_eq!(stand.watch(50_000), []);
    }

    #[test]
    fn a_prack_that_matches_nothing_is_refused() {
        let (mut stand, mut peer, _, rseq) = waiting();
        let number: u32 = rseq.parse().expect("a number");
        stand.receive(&prack(&mut peer, &(number + 1).to_string()));
        stand.receive(&peer.request("PRACK", &[], None));
        stand.receive(&peer.request("PRACK", &["RAck: nonsense"], None));
        assert_eq!(stand.lines(), ["481 PRACK", "400 PRACK", "400 PRACK"]);
        stand.receive(&prack(&mut peer, &rseq));
        stand.receive(&prack(&mut peer, &rseq));
        assert_eq!(stand.lines(), ["200 PRACK", "481 PRACK"]);
    }

    #[test]
    fn the_next_one_waits_for_the_prack_of_the_first() {
        let (mut stand, mut peer, session, rseq) = waiting();
        progress(&mut stand, session, unconfirmed());
        assert_eq!(stand.lines(), [""; 0]);
        stand.receive(&prack(&mut peer, &rseq));
        let sent = stand.sent();
        let first: u32 = rseq.parse().expect("a number");
        let second: Vec<_> =
            sent.iter().map(|sent| sent.get(Name::RSeq)).filter(|rseq| !rseq.is_empty()).collect();
        assert_eq!(second, [(first + 1).to_string()]);
    }

    #[test]
    fn the_2xx_waits_for_the_prack() {
        let (mut stand, mut peer, session, rseq) = waiting();
        accept(&mut stand, session);
        assert_eq!(stand.lines(), [""; 0]);
        stand.receive(&prack(&mut peer, &rseq));
        assert_eq!(stand.lines(), ["200 PRACK", "200 INVITE"]);
        // Kept before the caller hears of it.
        assert_eq!(stand.told(), ["Moved"]);
        assert!(stand.agent.stored(session).is_some());
        stand.receive(&peer.request_at("ACK", 1, &[], None));
        assert_eq!(stand.told(), ["Confirmed"]);
    }

    #[test]
    fn a_refusal_does_not_wait() {
        let (mut stand, _, session, _) = waiting();
        refuse(&mut stand, session, Reply::new(486));
        assert_eq!((stand.lines(), stand.watch(5000).len()), (vec!["486 INVITE".to_owned()], 3));
    }

    #[test]
    fn cancel_ends_a_2xx_that_waits() {
        let (mut stand, peer, session, _) = waiting();
        accept(&mut stand, session);
        stand.receive(&Peer { our_tag: String::new(), ..peer }.cancel(&[]));
        assert_eq!(
            (stand.lines(), stand.told()),
            (vec!["200 CANCEL".to_owned(), "487 INVITE".to_owned()], vec!["Cancelled".to_owned()])
        );
    }

    #[test]
    fn without_prack_the_invite_is_refused_and_the_session_lost() {
        for accepts in [false, true] {
            let (mut stand, _, session, _) = waiting();
            if accepts {
                accept(&mut stand, session);
            }
            let seen = stand.watch(32_000);
            assert_eq!(seen.last(), Some(&(32_000, "504 INVITE".to_owned())));
            assert_eq!(stand.told(), ["Lost: no PRACK for a reliable provisional response"]);
            assert_eq!(stand.agent.open_sessions(), 0);
        }
    }

    #[test]
    fn a_prack_with_a_body_is_the_users() {
        let (mut stand, mut peer, _, rseq) = waiting();
        stand.receive(&peer.request("PRACK", &[&format!("RAck: {rseq} 1 INVITE")], Some(SDP)));
        let id = stand.asked();
        let reply = Reply::new(200).body(SDP.0, SDP.1);
        stand.agent.answer(stand.now, &mut stand.ids, id, reply, None, &mut stand.out);
        assert_eq!((stand.lines(), stand.watch(5000)), (vec!["200 PRACK".to_owned()], vec![]));
    }
}
