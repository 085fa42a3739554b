use super::*;

const MINUTE: u64 = 60_000;

fn timer_of(stand: &Stand, session: SessionId) -> Option<(u32, bool)> {
    let timer = stand.agent.stored(session)?.session_timer?;
    Some((timer.interval, timer.we_refresh))
}

#[test]
fn the_refresher_and_interval_of_the_answer_are_kept() {
    for (extra, expected) in [
        (&[][..], Some((1800, true))),
        (&["Supported: timer"], Some((1800, false))),
        (&["Supported: timer", "Session-Expires: 600;refresher=uas"], Some((600, true))),
        (&["Supported: timer", "Session-Expires: 600;refresher=uac"], Some((600, false))),
        (&["Supported: timer", "Session-Expires: 4294967295", "Min-SE: 3600"], Some((3600, false))),
        (&["Session-Expires: 99999999999"], Some((1800, true))),
    ] {
        let (stand, _, session) = called_with(settings(), extra);
        assert_eq!(timer_of(&stand, session), expected, "{extra:?}");
    }
    for (extra, expected) in [
        (&[][..], None),
        (&["Session-Expires: 600;refresher=uac", "Require: timer"], Some((600, true))),
        (&["Session-Expires: 600;refresher=uas"], Some((600, false))),
        (&["Session-Expires: 600"], Some((600, true))),
        (&["Session-Expires: soon"], None),
    ] {
        let (stand, _, session) = calling(extra);
        assert_eq!(timer_of(&stand, session), expected, "{extra:?}");
    }
}

#[test]
fn an_interval_that_cannot_be_read_is_a_bad_request() {
    let mut stand = Stand::default();
    stand.receive(&Peer::default().request("INVITE", &["Session-Expires: soon"], None));
    assert_eq!((stand.lines(), stand.told()), (vec!["400 INVITE".to_owned()], vec![]));
}

#[test]
fn we_refresh_by_update_at_half_again_and_again() {
    let (mut stand, _, session) = calling(&["Session-Expires: 600;refresher=uac"]);
    for round in 0..3 {
        assert_eq!(stand.watch(5 * MINUTE - 1), [], "{round}");
        stand.pass(1);
        let update = stand.only();
        assert_eq!(
            (update.line(), update.get(Name::SessionExpires)),
            ("UPDATE".into(), "600;refresher=uac".into())
        );
        assert!(update.message.body().is_empty());
        assert_eq!(update.get(Name::Contact), CONTACT);
        stand.receive(&update.answer(200, "", &["Session-Expires: 600;refresher=uac"], None));
        assert_eq!(stand.told(), ["Moved"]);
    }
    let fact = stand.agent.stored(session).expect("it lives");
    assert_eq!(
        fact.session_timer.map(|timer| timer.expires),
        Some(stand.now.plus(std::time::Duration::from_secs(600)))
    );
}

#[test]
fn a_refresh_of_the_peer_starts_the_timer_anew() {
    let (mut stand, mut peer, session) =
        called_with(settings(), &["Supported: timer", "Session-Expires: 600"]);
    for _ in 0..5 {
        stand.pass(5 * MINUTE);
        let refresh = ["Supported: timer", "Session-Expires: 600;refresher=uac"];
        stand.receive(&peer.request("UPDATE", &refresh, None));
        let ok = stand.only();
        assert_eq!(
            (ok.get(Name::SessionExpires), ok.all(Name::Require)),
            ("600;refresher=uac".into(), vec!["timer".into()])
        );
        assert_eq!(stand.told(), ["Moved"]);
    }
    assert_eq!(timer_of(&stand, session), Some((600, false)));
}

#[test]
fn a_refresh_may_hand_the_refreshing_over() {
    let (mut stand, mut peer, session) =
        called_with(settings(), &["Supported: timer", "Session-Expires: 600"]);
    stand.receive(&peer.request("UPDATE", &["Supported: timer", "Session-Expires: 600;refresher=uas"], None));
    assert_eq!(
        (timer_of(&stand, session), stand.lines()),
        (Some((600, true)), vec!["200 UPDATE".to_owned()])
    );
    assert_eq!(stand.watch(5 * MINUTE), [(300_000, "UPDATE".to_owned())]);
}

#[test]
fn a_refresh_with_too_small_an_interval_is_refused() {
    let (mut stand, mut peer, session) =
        called_with(settings(), &["Supported: timer", "Session-Expires: 600"]);
    stand.receive(&peer.request("UPDATE", &["Supported: timer", "Session-Expires: 10"], None));
    let refusal = stand.only();
    assert_eq!((refusal.line(), refusal.get(Name::MinSe)), ("422 UPDATE".to_owned(), "90".to_owned()));
    assert_eq!(timer_of(&stand, session), Some((600, false)));
}

#[test]
fn without_refresh_the_session_is_released_shortly_before_its_end() {
    let (mut stand, _, _) = called_with(settings(), &["Supported: timer", "Session-Expires: 600"]);
    assert_eq!(stand.watch(568_000), [(568_000, "BYE".to_owned())]);
    assert_eq!(stand.told(), ["Lost: the session timer ran out"]);
}

#[test]
fn a_session_without_timer_never_ends_by_itself() {
    let (mut stand, _, session) = calling(&[]);
    assert_eq!(stand.watch(100_000 * MINUTE), []);
    assert!(stand.agent.stored(session).is_some());
}

#[test]
fn a_refresh_that_is_not_answered_loses_the_session() {
    let (mut stand, _, _) = calling(&["Session-Expires: 600;refresher=uac"]);
    let seen = stand.watch(6 * MINUTE);
    assert_eq!(seen.iter().find(|(_, line)| line == "BYE"), Some(&(332_000, "BYE".to_owned())));
    assert_eq!(stand.told(), ["Lost: the peer is silent"]);
}

#[test]
fn a_refresh_that_is_refused_is_tried_again_until_the_end() {
    let (mut stand, _, _) = calling(&["Session-Expires: 600;refresher=uac"]);
    let mut tries = Vec::new();
    let start = stand.now;
    while stand.told().is_empty() {
        let sent = stand.wait();
        tries.push((stand.now.since(start).as_secs(), sent.line()));
        stand.receive(&sent.answer(500, "", &[], None));
    }
    let updates: Vec<u64> = tries.iter().filter(|(_, line)| line == "UPDATE").map(|(at, _)| *at).collect();
    assert_eq!(updates, [300, 434, 501, 534, 551, 559]);
    assert_eq!(tries.last(), Some(&(568, "BYE".to_owned())));
}

#[test]
fn a_refresh_learns_a_larger_interval_from_422() {
    let (mut stand, _, session) = calling(&["Session-Expires: 600;refresher=uac"]);
    stand.pass(5 * MINUTE);
    let first = stand.only();
    stand.receive(&first.answer(422, "", &["Min-SE: 1200"], None));
    let second = stand.only();
    assert_eq!(
        (second.get(Name::SessionExpires), second.get(Name::MinSe)),
        ("1200;refresher=uac".into(), "1200".into())
    );
    stand.receive(&second.answer(200, "", &["Session-Expires: 1200;refresher=uac"], None));
    assert_eq!((timer_of(&stand, session), stand.told()), (Some((1200, true)), vec!["Moved".to_owned()]));
}

#[test]
fn a_peer_without_update_is_refreshed_by_the_last_description() {
    let allow = "Allow: INVITE, ACK, BYE, CANCEL";
    let (mut stand, _, _) = calling(&["Session-Expires: 600;refresher=uac", allow]);
    stand.pass(5 * MINUTE);
    let invite = stand.only();
    assert_eq!((invite.line(), &invite.message.body()[..]), ("INVITE".to_owned(), SDP.1.as_bytes()));
    stand.receive(&invite.answer(200, "", &["Session-Expires: 600;refresher=uac"], Some(SDP)));
    assert_eq!((stand.lines(), stand.told()), (vec!["ACK".to_owned()], vec!["Moved".to_owned()]));
    assert_eq!(stand.watch(5 * MINUTE), [(300_000, "INVITE".to_owned())]);
    // The same where the peer called.
    let extra = ["Supported: timer", "Session-Expires: 600;refresher=uas", allow];
    let (mut stand, _, _) = called_with(settings(), &extra);
    stand.pass(5 * MINUTE);
    let invite = stand.only();
    assert_eq!((invite.line(), &invite.message.body()[..]), ("INVITE".to_owned(), SDP.1.as_bytes()));
}

#[test]
fn a_refresh_by_re_invite_waits_for_another_offer() {
    let extra = ["Supported: timer", "Session-Expires: 600;refresher=uas", "Allow: INVITE, ACK, BYE"];
    let (mut stand, mut peer, _) = called_with(settings(), &extra);
    stand.pass(5 * MINUTE - 1000);
    stand.receive(&peer.request("INVITE", &[], Some(SDP)));
    let id = stand.asked();
    stand.lines();
    assert_eq!(stand.watch(5000), []);
    answer(&mut stand, id, Reply::new(488));
    stand.lines();
    stand.receive(&peer.ack_refusal());
    assert_eq!(stand.watch(1000), [(1000, "INVITE".to_owned())]);
}

#[test]
fn a_peer_that_only_says_later_that_it_takes_no_update_is_refreshed_as_far_as_we_can() {
    let (mut stand, _, session) = calling(&["Session-Expires: 600;refresher=uac"]);
    stand.pass(5 * MINUTE);
    let update = stand.only();
    stand.receive(&update.answer(405, "", &["Allow: INVITE, ACK, BYE"], None));
    // Its Allow did not tell, so no description was kept: the session ends in time.
    assert_eq!((stand.lines(), stand.told()), (vec![], vec![]));
    assert!(stand.agent.stored(session).is_some());
    assert_eq!(stand.watch(268_000), [(268_000, "BYE".to_owned())]);
}

#[test]
fn a_refresh_that_meets_a_glare_is_tried_again() {
    let (mut stand, _, _) = calling(&["Session-Expires: 600;refresher=uac"]);
    stand.pass(5 * MINUTE);
    let update = stand.only();
    stand.receive(&update.answer(491, "", &[], None));
    assert_eq!(stand.told(), [""; 0]);
    let again = stand.wait();
    assert_eq!(again.line(), "UPDATE");
    stand.receive(&again.answer(200, "", &["Session-Expires: 600;refresher=uac"], None));
    assert_eq!(stand.told(), ["Moved"]);
}

#[test]
fn a_2xx_to_the_refresh_without_timer_ends_the_timer() {
    let (mut stand, _, session) = calling(&["Session-Expires: 600;refresher=uac"]);
    stand.pass(5 * MINUTE);
    let update = stand.only();
    stand.receive(&update.answer(200, "", &[], None));
    assert_eq!((timer_of(&stand, session), stand.told()), (None, vec!["Moved".to_owned()]));
    assert_eq!(stand.watch(1000 * MINUTE), []);
}
