//! Sessions of our users in calls whose controlling function is elsewhere: what is remembered of them when they end, so
//! that a client that has left comes back by its session identity (TS 24.379 10.1.1.3.5.1).
//!
//! The controlling function gave our participating function a session identity, and that one gave another to the client.
//! While the session stands, its record knows both. Afterwards only this memory does: the last sessions that ended, not
//! kept over a restart. Whoever comes back later gets 404 with Warning 137, and calls the group.

use crate::model::*;
use std::collections::{BTreeMap, VecDeque};

/// Most ended sessions that are remembered; the oldest is forgotten first.
pub const LEFT_SESSIONS: usize = 10_000;

/// A session with a controlling function elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftElsewhere {
    /// The group of the call.
    pub group: GroupId,
    /// The session identity that the controlling function gave.
    pub session: String,
}

/// Sessions that have ended, with whose they were.
#[derive(Debug, Default)]
pub(super) struct LeftSessions {
    of: BTreeMap<ParticipationRef, (UserId, LeftElsewhere)>,
    order: VecDeque<ParticipationRef>,
}

impl LeftSessions {
    /// A session is about to end: its record and legs are still known.
    pub fn note(&mut self, model: &Model, session: &Participation) {
        let Some(left) = elsewhere(model, session) else { return };
        if self.of.insert(session.id, (session.user.clone(), left)).is_none() {
            self.order.push_back(session.id);
        }
        while self.order.len() > LEFT_SESSIONS {
            let oldest = self.order.pop_front();
            oldest.map(|id| self.of.remove(&id));
        }
    }

    /// The session that `id` is or was, if it is the user's.
    pub fn find(&self, model: &Model, id: ParticipationRef, user: &UserId) -> Option<LeftElsewhere> {
        if let Some(session) = model.participation(id) {
            return elsewhere(model, session).filter(|_| session.user == *user);
        }
        let (of, left) = self.of.get(&id)?;
        (of == user).then(|| left.clone())
    }
}

/// The controlling function is elsewhere if a SIP dialog leads to it. `None` as well if it has released the session: then
/// there is nothing to come back to.
fn elsewhere(model: &Model, session: &Participation) -> Option<LeftElsewhere> {
    match model.leg(session.core_leg)?.link {
        LegLink::Dialog(_) => {
            Some(LeftElsewhere { group: session.group.clone(), session: session.session.clone()? })
        }
        LegLink::Memory(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mc::testing::*;
    use crate::model::testing::*;
    use crate::procedure::*;

    /// Alice in a call on `fire` whose controlling function is elsewhere.
    fn board() -> (Switchboard, Phone, ParticipationRef) {
        let mut board = Switchboard::fire(|_| ());
        board.controlling_elsewhere = true;
        let (alice, _) = board.call("alice", "fire");
        let cf = board.phone("cf");
        let session = Some("sip:groups@two.example;gr=5".to_owned());
        board.accept_as(cf, Acceptance { session, ..Acceptance::default() });
        let id = board.world.model.participations().next().unwrap().id;
        (board, alice, id)
    }

    fn left() -> LeftElsewhere {
        LeftElsewhere { group: group_id("fire"), session: "sip:groups@two.example;gr=5".to_owned() }
    }

    fn find(board: &Switchboard, id: ParticipationRef, user: &str) -> Option<LeftElsewhere> {
        board.open.left_elsewhere(&board.world.model, id, &user_id(user))
    }

    #[test]
    fn a_session_elsewhere_is_found_while_it_stands_and_after_its_user_left() {
        let (mut board, alice, id) = board();
        assert_eq!(find(&board, id, "alice"), Some(left()));
        assert_eq!(find(&board, id, "bob"), None, "not his");
        board.hang_up(alice);
        board.assert_quiet();
        assert_eq!(find(&board, id, "alice"), Some(left()));
        assert_eq!(find(&board, id, "bob"), None);
        board.restart();
        assert_eq!(find(&board, id, "alice"), None);
    }

    #[test]
    fn a_session_that_the_controlling_function_released_is_not_come_back_to() {
        let (mut board, _, id) = board();
        let cf = board.phone("cf");
        board.hang_up(cf);
        assert_eq!(find(&board, id, "alice"), None);
    }

    #[test]
    fn a_client_that_comes_back_is_led_to_the_session_it_left() {
        let (mut board, alice, id) = board();
        board.hang_up(alice);
        let elsewhere = find(&board, id, "alice");
        let mut invitation = Switchboard::invitation("alice", "fire");
        invitation.info.request_uri = None;
        let (_, lines) = board.rejoin("alice", elsewhere.clone(), invitation);
        assert_eq!(lines.len(), 1);
        let to = Party::Controlling { group: group_id("fire"), session: Some(left().session) };
        assert_eq!(*board.party("cf"), to);
        let (_, lines) = board.rejoin("alice", elsewhere, Switchboard::invitation("alice", "police"));
        assert_eq!(lines, ["alice <- 404 137"], "the session is not of that group");
    }

    #[test]
    fn a_call_of_this_process_is_not_elsewhere() {
        let mut board = Switchboard::fire(|_| ());
        let (alice, _) = board.call("alice", "fire");
        let id = board.world.model.participations_of("sip:alice@one.example").next().unwrap().id;
        assert_eq!(find(&board, id, "alice"), None);
        board.hang_up(alice);
        assert_eq!(find(&board, id, "alice"), None);
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let (board, _, _) = board();
        let session = board.world.model.participations().next().unwrap().clone();
        let mut sessions = LeftSessions::default();
        for number in 0..=LEFT_SESSIONS as u64 {
            let session = Participation { id: ParticipationRef(number), ..session.clone() };
            sessions.note(&board.world.model, &session);
        }
        assert_eq!((sessions.of.len(), sessions.order.len()), (LEFT_SESSIONS, LEFT_SESSIONS));
        assert!(!sessions.of.contains_key(&ParticipationRef(0)));
        assert!(sessions.of.contains_key(&ParticipationRef(LEFT_SESSIONS as u64)));
    }
}
