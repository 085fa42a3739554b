use super::*;
use crate::env::Time;
use std::time::Duration;

/// The process is gone; another takes the stored session.
fn restarted(stand: &mut Stand, session: SessionId) -> SessionId {
    let fact = stand.agent.stored(session).expect("it is stored");
    stand.restart();
    stand.agent.restore(stand.now, &mut stand.ids, &fact)
}

#[test]
fn a_restored_session_is_the_one_that_was_stored() {
    let (mut stand, _, session) = called_with(settings(), &["Supported: timer", "Session-Expires: 600"]);
    let before = stand.agent.stored(session).expect("it is stored");
    let session = restarted(&mut stand, session);
    let after = stand.agent.stored(session).expect("it is here");
    assert_eq!(after.local_cseq, before.local_cseq + RESTART_CSEQ_GAP);
    assert_eq!(crate::model::DialogFact { local_cseq: before.local_cseq, ..after }, before);
}

#[test]
fn after_a_restart_the_peer_can_release() {
    let (mut stand, mut peer, session) = called();
    let session = restarted(&mut stand, session);
    stand.receive(&peer.request("BYE", &[], None));
    assert!(matches!(stand.events[..], [AgentEvent::Released { session: told, .. }] if told == session));
    assert_eq!((stand.lines(), stand.agent.open_sessions()), (vec!["200 BYE".to_owned()], 0));
}

#[test]
fn after_a_restart_we_can_release_with_a_higher_cseq() {
    let (mut stand, _, session) = calling(&[]);
    let session = restarted(&mut stand, session);
    bye(&mut stand, session);
    let bye = stand.only();
    assert_eq!(
        (bye.line(), bye.get(Name::CSeq), bye.tag(Name::To)),
        ("BYE".into(), "102 BYE".into(), "bob".into())
    );
    stand.receive(&bye.answer(200, "", &[], None));
    assert_eq!(stand.told(), ["Ended"]);
}

#[test]
fn the_first_request_after_a_restart_asks_to_store_its_cseq() {
    let (mut stand, _, session) = called();
    let session = restarted(&mut stand, session);
    in_session(&mut stand, session, Method::Info, None).expect("it goes out");
    assert_eq!(stand.told(), ["Moved"]);
    in_session(&mut stand, session, Method::Info, None).expect("it goes out");
    assert_eq!(stand.told(), [""; 0]);
    assert_eq!(stand.agent.stored(session).map(|fact| fact.local_cseq), Some(RESTART_CSEQ_GAP + 2));
}

/// A process that dies again and again, each time after so many requests; only what it was told to store lives on.
/// Returns the CSeq of every request that it sent.
fn lives(stand: &mut Stand, session: SessionId, first: u32, requests: &[u32]) -> Vec<u32> {
    let mut stored = stand.agent.stored(session).expect("it is stored");
    stored.local_cseq = first;
    let mut sent = Vec::new();
    for requests in requests {
        stand.restart();
        let session = stand.agent.restore(stand.now, &mut stand.ids, &stored);
        for _ in 0..*requests {
            in_session(stand, session, Method::Info, None).expect("it goes out");
            let cseq = stand.only().get(Name::CSeq);
            sent.push(cseq.split(' ').next().and_then(|number| number.parse().ok()).expect("a number"));
            if stand.told() == ["Moved"] {
                stored = stand.agent.stored(session).expect("it is stored");
            }
        }
    }
    sent
}

// RFC 3261 12.2.2: a peer refuses what is lower than it has seen.
#[test]
fn cseq_grows_over_any_number_of_restarts() {
    let (mut stand, _, session) = called();
    let pattern = [1, 0, 0, UNTOLD_CSEQ - 1, UNTOLD_CSEQ, UNTOLD_CSEQ + 1, 2, RESTART_CSEQ_GAP, 0, 3];
    let requests: Vec<u32> = pattern.into_iter().cycle().take(200).collect();
    let sent = lives(&mut stand, session, 1, &requests);
    assert_eq!(sent.len(), requests.iter().sum::<u32>() as usize);
    assert!(sent.is_sorted_by(|one, next| one < next));
    // A life costs no more than the gap: in all its years a dialog does not come near 2^31.
    let lives = u32::try_from(requests.len()).expect("few");
    assert!(sent.last() <= Some(&(1 + sent.len() as u32 + lives * RESTART_CSEQ_GAP)));
}

#[test]
fn a_dialog_that_restarts_without_a_word_stays_where_it_is() {
    let (mut stand, _, session) = called();
    assert_eq!(lives(&mut stand, session, 7, &[0, 0, 0, 0, 0, 0, 0, 0, 1]), [8 + RESTART_CSEQ_GAP]);
}

#[test]
fn cseq_is_never_refused_for_its_size() {
    let (mut stand, _, session) = called();
    let sent = lives(&mut stand, session, (1 << 31) - 150, &[2, 2, 2]);
    assert_eq!(
        sent,
        [(1 << 31) - 49, (1 << 31) - 48, (1 << 31) - 1, (1 << 31) - 1, (1 << 31) - 1, (1 << 31) - 1]
    );
}

#[test]
fn after_a_restart_both_sides_can_re_invite() {
    let (mut stand, mut peer, session) = called();
    let session = restarted(&mut stand, session);
    stand.receive(&peer.request("INVITE", &[], Some(SDP)));
    let id = stand.asked();
    answer(&mut stand, id, Reply::new(200).body(SDP.0, SDP.1));
    stand.receive(&peer.request_at("ACK", peer.cseq, &[], None));
    assert_eq!(
        (stand.lines(), stand.told()),
        (vec!["100 INVITE".to_owned(), "200 INVITE".to_owned()], vec!["Moved".to_owned()])
    );
    in_session(&mut stand, session, Method::Invite, Some(SDP)).expect("it goes out");
    let invite = stand.only();
    stand.receive(&invite.answer(200, "", &[], Some(SDP)));
    assert_eq!(stand.lines(), ["ACK"]);
}

#[test]
fn after_a_restart_a_request_out_of_order_is_still_refused() {
    let (mut stand, mut peer, session) = called();
    stand.receive(&peer.request_at("UPDATE", 20, &[], None));
    restarted(&mut stand, session);
    stand.receive(&peer.request_at("INFO", 19, &[], None));
    assert_eq!(stand.lines(), ["500 INFO"]);
}

#[test]
fn after_a_restart_we_refresh_at_the_old_time() {
    let (mut stand, _, session) = calling(&["Session-Expires: 600;refresher=uac"]);
    stand.pass(100_000);
    restarted(&mut stand, session);
    assert_eq!(stand.watch(200_000), [(200_000, "UPDATE".to_owned())]);
}

#[test]
fn a_refresh_that_fell_into_the_restart_is_made_up_for() {
    let (mut stand, _, session) = calling(&["Session-Expires: 600;refresher=uac"]);
    let fact = stand.agent.stored(session).expect("it is stored");
    stand.restart();
    stand.now = stand.now.plus(Duration::from_secs(400));
    stand.agent.restore(stand.now, &mut stand.ids, &fact);
    stand.pass(0);
    assert_eq!(stand.lines(), ["UPDATE"]);
}

#[test]
fn after_a_restart_the_peers_refresh_keeps_the_session_and_its_silence_ends_it() {
    let (mut stand, mut peer, session) =
        called_with(settings(), &["Supported: timer", "Session-Expires: 600"]);
    restarted(&mut stand, session);
    stand.pass(300_000);
    stand.receive(&peer.request("UPDATE", &["Supported: timer", "Session-Expires: 600;refresher=uac"], None));
    assert_eq!(stand.lines(), ["200 UPDATE"]);
    stand.told();
    assert_eq!(stand.watch(568_000), [(568_000, "BYE".to_owned())]);
    assert_eq!(stand.told(), ["Lost: the session timer ran out"]);
}

#[test]
fn a_session_that_ended_while_we_were_away_is_released_and_lost() {
    let (mut stand, _, session) = called_with(settings(), &["Supported: timer", "Session-Expires: 600"]);
    let fact = stand.agent.stored(session).expect("it is stored");
    stand.restart();
    stand.now = stand.now.plus(Duration::from_secs(100_000));
    stand.agent.restore(stand.now, &mut stand.ids, &fact);
    assert!(stand.agent.due().is_some_and(|due| due <= stand.now));
    stand.pass(0);
    assert_eq!(
        (stand.lines(), stand.told()),
        (vec!["BYE".to_owned()], vec!["Lost: the session timer ran out".to_owned()])
    );
}

#[test]
fn what_is_not_accepted_is_not_stored() {
    let mut stand = Stand::default();
    let mut peer = Peer::default();
    stand.receive(&peer.request("INVITE", &[], Some(SDP)));
    let session = stand.invited();
    assert_eq!(stand.agent.stored(session), None);
    stand.agent.progress(stand.now, &mut stand.ids, session, Reply::new(180), CONTACT, &mut stand.out);
    assert_eq!(stand.agent.stored(session), None);
    stand.agent.accept(stand.now, &mut stand.ids, session, Reply::new(200), CONTACT, &mut stand.out);
    let fact = stand.agent.stored(session).expect("it is accepted");
    assert_eq!(
        (fact.call_id.as_str(), fact.remote_cseq, fact.local_contact.as_str()),
        ("call-1", Some(1), CONTACT)
    );
    assert_eq!(fact.remote_uri, "Anna <sip:anna@one.example>");
    assert_eq!(fact.source.map(|source| source.address), Some(crate::sip::testing::peer()));
    assert_ne!(fact.session_timer.map(|timer| timer.expires), Some(Time::default()));
}
