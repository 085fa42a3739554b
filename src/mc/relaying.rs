//! A session of a served user that stands: the participating function hands on what either side says.
//! TS 24.379 6.3.2.1.6, 6.3.2.2.8.1 (release), 10.1.1.3.3, 10.1.1.3.4 (re-INVITE).
//!
//! ```text
//!  client        participating function      controlling function
//!    |-- BYE ------------->|-- BYE -------------------->|   and the other way round
//!    |-- re-INVITE ------->|-- re-INVITE -------------->|
//!    |<-- answer ----------|<-- answer -----------------|
//! ```

use crate::documents::{McInfo, SessionDescription};
use crate::model::*;
use crate::procedure::*;

/// Re-INVITEs under way in one session.
#[derive(Debug, Default)]
pub(super) struct Relay {
    /// One of the client's waits for the controlling function.
    from_client: bool,
    /// One of the controlling function's waits for the client.
    from_core: bool,
    /// One of the controlling function's that came while `from_client`: goes on afterwards.
    held: Option<(Option<SessionDescription>, Option<Box<McInfo>>)>,
}

impl Relay {
    /// Nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        !self.from_client && !self.from_core && self.held.is_none()
    }
}

/// What is heard on a leg of an established session.
pub(super) fn hear(
    participation: &Participation,
    relay: &mut Relay,
    leg: LegId,
    event: LegEvent,
) -> Outcome<Over> {
    let (client, core) = (participation.client_leg, participation.core_leg);
    let other = match leg {
        _ if leg == client => core,
        _ if leg == core => client,
        _ => return Outcome::end(Vec::new(), stray(leg, &event).into_iter().collect()),
    };
    let mut sends = Vec::new();
    match event {
        LegEvent::Released { reason } => return released(participation, other, reason),
        LegEvent::Cancelled | LegEvent::Lost { .. } | LegEvent::Refused(_) => {
            return released(participation, other, None);
        }
        LegEvent::Offered { offer, info } if leg == client => {
            if relay.from_client || relay.from_core {
                sends.push(answer_offer(client, Err(pending())));
            } else {
                relay.from_client = true;
                let info = info.map(|info| {
                    let calling_user = Some(participation.user.to_string());
                    Box::new(McInfo { calling_user, ..*info })
                });
                sends.push(Send::Call(CallSend::Offer { leg: core, offer, info }));
            }
        }
        LegEvent::Offered { offer, info } => {
            if relay.from_core || relay.held.is_some() {
                sends.push(answer_offer(core, Err(pending())));
            } else if relay.from_client {
                relay.held = Some((offer, info));
            } else {
                relay.from_core = true;
                sends.push(Send::Call(CallSend::Offer { leg: client, offer, info }));
            }
        }
        LegEvent::OfferAnswered(result) if leg == client => {
            if std::mem::take(&mut relay.from_core) {
                sends.push(answer_offer(core, result));
            }
        }
        LegEvent::OfferAnswered(result) => {
            if std::mem::take(&mut relay.from_client) {
                sends.push(answer_offer(client, result));
            }
            if let Some((offer, info)) = relay.held.take() {
                relay.from_core = true;
                sends.push(Send::Call(CallSend::Offer { leg: client, offer, info }));
            }
        }
        LegEvent::Progress(_) | LegEvent::Accepted(_) | LegEvent::GivenUp { .. } | LegEvent::Confirmed => {}
    }
    Outcome::end(Vec::new(), sends)
}

/// One side is gone: the other is released, the record goes.
fn released(participation: &Participation, other: LegId, reason: Option<String>) -> Outcome<Over> {
    Outcome::end(
        vec![Change::Remove(FactKey::Participation(participation.id))],
        vec![Send::Call(CallSend::Release { leg: other, reason })],
    )
}

/// What to say to something heard on a leg that nobody waits for: a late acceptance is released, an offer is refused.
pub(super) fn stray(leg: LegId, event: &LegEvent) -> Option<Send> {
    match event {
        LegEvent::Accepted(_) => Some(Send::Call(CallSend::Release { leg, reason: None })),
        LegEvent::Offered { .. } => {
            let gone = Rejection { status: 481, ..Rejection::default() };
            Some(answer_offer(leg, Err(Box::new(gone))))
        }
        LegEvent::Progress(_)
        | LegEvent::Refused(_)
        | LegEvent::Cancelled
        | LegEvent::GivenUp { .. }
        | LegEvent::Confirmed
        | LegEvent::Released { .. }
        | LegEvent::Lost { .. }
        | LegEvent::OfferAnswered(_) => None,
    }
}

fn answer_offer(leg: LegId, result: Result<Box<Acceptance>, Box<Rejection>>) -> Send {
    Send::Call(CallSend::AnswerOffer { leg, result })
}

/// RFC 3261 14.2: another offer is under way.
fn pending() -> Box<Rejection> {
    Box::new(Rejection { status: 491, ..Rejection::default() })
}

#[cfg(test)]
mod tests {
    use crate::documents::McInfo;
    use crate::mc::testing::*;
    use crate::model::*;
    use crate::procedure::*;

    /// A session of alice's with a controlling function elsewhere.
    fn board() -> (Switchboard, Phone, Phone) {
        let mut board = Switchboard::fire(|_| ());
        board.controlling_elsewhere = true;
        let (alice, _) = board.call("alice", "fire");
        board.accept("cf");
        let cf = board.phone("cf");
        (board, alice, cf)
    }

    // TS 24.379 6.3.2.1.6, 6.3.2.2.8.1.
    #[test]
    fn a_release_of_either_side_releases_the_other_and_forgets_the_session() {
        let (mut board, alice, _) = board();
        assert_eq!(board.hang_up(alice), ["cf <- BYE"]);
        board.assert_quiet();
        let (mut board, _, cf) = self::board();
        assert_eq!(board.hang_up(cf), ["alice <- BYE"]);
        board.assert_quiet();
        let (mut board, alice, _) = self::board();
        assert_eq!(board.lose(alice), ["cf <- BYE"]);
        board.assert_quiet();
        let (mut board, _, cf) = self::board();
        assert_eq!(board.lose(cf), ["alice <- BYE"]);
        board.assert_quiet();
    }

    // Race: both sides release.
    #[test]
    fn a_release_that_crosses_another_is_not_answered() {
        let (mut board, alice, cf) = board();
        board.hang_up(alice);
        assert!(board.hang_up(cf).is_empty());
        board.assert_quiet();
    }

    #[test]
    fn a_reason_is_handed_on() {
        let (mut board, alice, _) = board();
        let owner = LegOwner::Participation(board.world.model.participations().next().unwrap().id);
        let reason = Some("SIP;cause=200".to_owned());
        let outcome = crate::mc::calls::hear(
            &mut board.world.view(),
            &mut board.open,
            owner,
            alice.0,
            LegEvent::Released { reason: reason.clone() },
        );
        match &outcome.sends[..] {
            [Send::Call(CallSend::Release { reason: told, .. })] => assert_eq!(*told, reason),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_re_invite_goes_through_and_its_answer_comes_back() {
        let (mut board, alice, cf) = board();
        let emergency = McInfo { emergency: Some(true), ..McInfo::default() };
        assert_eq!(board.offer(alice, Some("AMR-WB"), Some(emergency)), ["cf <- re-INVITE emergency"]);
        assert_eq!(board.accept_offer(cf), ["alice <- re 200"]);
        assert_eq!(board.offer(cf, None, None), ["alice <- re-INVITE"]);
        assert_eq!(board.reject_offer(alice, 488), ["cf <- re 488"]);
        board.hang_up(alice);
        board.assert_quiet();
    }

    // RFC 3261 14.2.
    #[test]
    fn a_client_that_offers_while_an_offer_is_under_way_gets_491() {
        let (mut board, alice, cf) = board();
        board.offer(alice, None, None);
        assert_eq!(board.offer(alice, None, None), ["alice <- re 491"]);
        board.accept_offer(cf);
        board.offer(cf, None, None);
        assert_eq!(board.offer(alice, None, None), ["alice <- re 491"]);
        assert_eq!(board.accept_offer(alice), ["cf <- re 200"]);
    }

    #[test]
    fn an_offer_of_the_controlling_function_waits_for_the_clients() {
        let (mut board, alice, cf) = board();
        board.offer(alice, None, None);
        assert!(board.offer(cf, None, None).is_empty(), "held");
        assert_eq!(board.offer(cf, None, None), ["cf <- re 491"], "one is enough");
        assert_eq!(board.accept_offer(cf), ["alice <- re 200", "alice <- re-INVITE"]);
        assert_eq!(board.accept_offer(alice), ["cf <- re 200"]);
        assert_eq!(board.offer(cf, None, None), ["alice <- re-INVITE"]);
        assert_eq!(board.offer(cf, None, None), ["cf <- re 491"]);
    }

    #[test]
    fn an_answer_without_an_offer_is_dropped() {
        let (mut board, alice, cf) = board();
        assert!(board.accept_offer(alice).is_empty());
        assert!(board.accept_offer(cf).is_empty());
        assert!(board.accept("cf").is_empty(), "a second acceptance changes nothing");
        board.hang_up(alice);
        board.assert_quiet();
    }

    #[test]
    fn a_session_that_ends_with_an_offer_under_way_leaves_nothing() {
        let (mut board, alice, cf) = board();
        board.offer(alice, None, None);
        board.offer(cf, None, None);
        assert_eq!(board.hang_up(cf), ["alice <- BYE"]);
        board.assert_quiet();
        assert_eq!(board.offer(alice, None, None), ["alice <- re 481"], "nobody is there");
    }
}
