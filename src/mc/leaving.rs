//! Leaving a group call, and its end: TS 24.379 6.3.3.2.4, 6.3.8.1, 10.1.1.4.4.
//!
//! ```text
//!  participant          controlling function            others
//!    |-- BYE --------------->| roster                      |
//!    |                       | release policy: too few ->  |-- BYE to all
//! ```

use super::non_controlling::{self, On, State};
use super::session::Session;
use super::{commencement, groups};
use crate::model::*;
use crate::procedure::*;
use std::collections::BTreeSet;

/// A participant is gone: it left, or (`lost`) its session broke.
pub(super) fn left(
    view: &mut View<'_>,
    session: &mut Session,
    leg: LegId,
    lost: bool,
    out: &mut Outcome<Over>,
) {
    let above = session.is_superior(leg);
    let Some(user) = session.vacate(view, leg, out) else { return };
    if above {
        let event = if lost { On::Lost } else { On::Released };
        let why = "the controlling function of the temporary group is gone";
        return non_controlling::step(view, session, event, why, out);
    }
    after(view, session, &user, out);
}

/// TS 24.379 10.1.1.4.4.3: a participant whose client is no longer affiliated is removed; a member that is asked and has
/// no affiliated client left is not asked any more.
pub(super) fn deaffiliated(
    view: &mut View<'_>,
    session: &mut Session,
    user: &UserId,
    client: &ClientId,
    out: &mut Outcome<Over>,
) {
    // Nobody loses a call because its group was torn down.
    if session.orphaned(view.model) {
        return;
    }
    let still = groups::affiliated_to(view.model, session.call.service, user, &session.call.group.id);
    for leg in session.legs_of(user).to_vec() {
        if let Some(seat) = session.seats.get(&leg) {
            let stays = match &seat.client {
                Some(of_seat) => of_seat != client || still.contains(client),
                None => !still.is_empty(),
            };
            if !stays {
                out.sends.push(Send::Call(CallSend::Release { leg, reason: None }));
                left(view, session, leg, false, out);
            }
        } else if still.is_empty()
            && let Some(asked) = session.answered(leg)
        {
            view.media.give_back(asked.port);
            out.sends.push(Send::Call(CallSend::Cancel { leg }));
            let rejection = Refusal::NotAffiliated(session.call.group.id.clone()).into();
            commencement::refused(view, session, user, rejection, out);
        }
        if session.over {
            return;
        }
    }
    if session.commencement.is_none() && !enough_affiliated(view.model, session) {
        end(view, session, On::Failed, "fewer affiliated members than the minimum", out);
    }
}

/// TNG3 expired (TS 24.379 6.3.8.1). The call of a constituent waits while it is part of that of its temporary group,
/// whose own TNG3 counts for both.
pub(super) fn timed_out(view: &mut View<'_>, session: &mut Session, out: &mut Outcome<Over>) {
    if session.call.ends.is_none_or(|ends| view.now < ends) || session.call.superior.is_some() {
        return;
    }
    if session.commencement.is_some() {
        commencement::give_up(view, session, Refusal::TooFewMembers.into(), "TNG3 expired", out);
    } else {
        session.end(view, "TNG3 expired", out);
    }
}

/// The caller gave up before the answer: members are released or no longer asked.
pub(super) fn cancelled(view: &mut View<'_>, session: &mut Session, out: &mut Outcome<Over>) {
    let event = if State::of(Some(session)) == State::Inviting { On::Cancelled } else { On::Over };
    end(view, session, event, "the caller gave up", out);
}

/// The end of a call; where it is part of that of a temporary group, by the figure.
fn end(view: &mut View<'_>, session: &mut Session, event: On, why: &str, out: &mut Outcome<Over>) {
    match session.call.superior {
        Some(_) => non_controlling::step(view, session, event, why, out),
        None => session.end(view, why, out),
    }
}

/// What the loss of a participant means for the call.
fn after(view: &mut View<'_>, session: &mut Session, user: &UserId, out: &mut Outcome<Over>) {
    let established = session.commencement.is_none();
    let required = session.members().get(user).is_some_and(|member| member.required);
    if let Some(needs) = commencement::needs(session) {
        let gone = Rejection { status: 480, ..Rejection::default() };
        if required {
            needs.missing.insert(user.clone());
        }
        commencement::refused(view, session, user, gone, out);
    } else if session.call.broadcast && *user == session.call.initiator {
        end(view, session, On::Over, "the initiator of the broadcast left", out);
    }
    let last = session.heads() <= 1 && session.asked.is_empty();
    if established && last && State::of(Some(session)) == State::NonControlling {
        end(view, session, On::TooFew, "too few members", out);
    } else if established {
        release_policy(view, session, out);
    }
}

/// TS 24.379 6.3.8.1: a call of one participant, with nobody else to come, ends. Looked at when somebody left or will
/// not come, so that the first one of a chat group call is not sent away. As part of the call of a temporary group, one
/// participant has others to speak to; that the last but one has left is looked at in [`after`].
pub(super) fn release_policy(view: &mut View<'_>, session: &mut Session, out: &mut Outcome<Over>) {
    if session.over || session.commencement.is_some() {
        return;
    }
    let nobody_comes = session.asked.is_empty();
    let too_few = match (session.heads(), &session.call.superior) {
        (0, None) => true,
        (1, None) | (0, Some(_)) => nobody_comes,
        _ => false,
    };
    if too_few {
        end(view, session, On::TooFew, "too few participants", out);
    }
}

/// Whether the group still has `on-network-minimum-number-of-affiliated-members`.
fn enough_affiliated(model: &Model, session: &Session) -> bool {
    let Some(minimum) = session.call.group.minimum_affiliated else { return true };
    let group = &session.call.group.id;
    let mut seen = BTreeSet::new();
    let lists = std::iter::once(group).chain(groups::constituents_of(model, group));
    for list in lists {
        for (user, _) in model.affiliated_users(session.call.service, list.as_str()) {
            if seen.len() as u64 >= u64::from(minimum) {
                return true;
            }
            if session.members().contains_key(user) {
                seen.insert(user);
            }
        }
    }
    seen.len() as u64 >= u64::from(minimum)
}

#[cfg(test)]
mod tests {
    use crate::mc::testing::*;
    use crate::model::testing::*;
    use crate::model::*;
    use crate::procedure::*;

    /// A call of alice, bob and carol on `fire`.
    fn three() -> (Switchboard, Phone) {
        three_in(|_| ())
    }

    fn three_in(change: impl FnOnce(&mut GroupDocument)) -> (Switchboard, Phone) {
        let mut board = Switchboard::fire(change);
        let (alice, _) = board.call("alice", "fire");
        board.accept("bob");
        board.accept("carol");
        (board, alice)
    }

    // TS 24.379 6.3.3.2.4.
    #[test]
    fn a_participant_that_leaves_ends_nothing_while_two_are_left() {
        let (mut board, alice) = three();
        assert!(board.hang_up(alice).is_empty());
        let call = board.the_call().id;
        assert_eq!(board.in_call(call), ["bob", "carol"]);
        assert_eq!(board.world.media.in_use(), 2);
        let alice = board.world.model.participants(call).find(|one| one.left).unwrap();
        assert_eq!((alice.user.clone(), alice.turns), (user_id("alice"), 2));
    }

    #[test]
    fn the_last_participant_is_released() {
        let (mut board, alice) = three();
        board.hang_up(alice);
        let bob = board.phone("bob");
        assert_eq!(board.lose(bob), ["carol <- BYE"]);
        board.assert_quiet();
    }

    #[test]
    fn one_participant_waits_while_somebody_is_asked() {
        let mut board = Switchboard::fire(|_| ());
        board.call("alice", "fire");
        assert!(board.reject("bob", 486).is_empty());
        assert_eq!(board.reject("carol", 486), ["alice <- BYE"]);
        board.assert_quiet();
    }

    #[test]
    fn with_nobody_in_the_call_nobody_is_asked_any_more() {
        let mut board = Switchboard::fire(|_| ());
        let (alice, _) = board.call("alice", "fire");
        assert_eq!(sorted(board.hang_up(alice)), ["bob <- CANCEL", "carol <- CANCEL"]);
        board.assert_quiet();
    }

    // Race: release against acceptance.
    #[test]
    fn a_member_that_accepts_when_the_call_has_ended_is_released() {
        let mut board = Switchboard::fire(|_| ());
        board.elsewhere.insert(user_id("bob"));
        let (alice, _) = board.call("alice", "fire");
        board.hang_up(alice);
        assert_eq!(board.accept("pf(bob)"), ["pf(bob) <- BYE"]);
        board.assert_quiet();
    }

    #[test]
    fn a_release_heard_twice_changes_nothing_the_second_time() {
        let (mut board, alice) = three();
        board.hang_up(alice);
        assert!(board.hang_up(alice).is_empty());
        assert_eq!(board.in_call(board.the_call().id), ["bob", "carol"]);
    }

    // TS 24.379 10.1.1.4.4.3.
    #[test]
    fn a_participant_whose_client_loses_its_affiliation_is_removed() {
        let (mut board, _) = three();
        assert_eq!(board.deaffiliate("bob", "b1", "fire", &[]), ["bob <- BYE"]);
        assert_eq!(board.in_call(board.the_call().id), ["alice", "carol"]);
        assert_eq!(board.deaffiliate("alice", "a1", "fire", &[]), ["alice <- BYE", "carol <- BYE"]);
        board.assert_quiet();
    }

    #[test]
    fn another_client_of_a_participant_may_lose_its_affiliation() {
        let (mut board, _) = three();
        board.world.affiliate("bob", "b2", &["fire"]);
        assert!(board.deaffiliate("bob", "b2", "fire", &[]).is_empty());
        assert_eq!(board.in_call(board.the_call().id), ["alice", "bob", "carol"]);
    }

    #[test]
    fn a_member_without_affiliation_is_not_asked_any_more() {
        let mut board = Switchboard::fire(|_| ());
        board.call("alice", "fire");
        board.accept("bob");
        assert_eq!(board.deaffiliate("carol", "c1", "fire", &[]), ["carol <- CANCEL"]);
        assert_eq!(board.world.media.in_use(), 2);
    }

    #[test]
    fn a_required_member_without_affiliation_abandons_the_set_up() {
        let carol = Member { required: true, ..Member::default() };
        let mut board = Switchboard::fire_of(&[("carol", carol)], |_| ());
        board.call("alice", "fire");
        let lines = board.deaffiliate("carol", "c1", "fire", &[]);
        assert_eq!(sorted(lines), ["alice <- 403 120 112", "bob <- CANCEL", "carol <- CANCEL"]);
        board.assert_quiet();
    }

    #[test]
    fn a_participant_stays_in_the_call_of_a_temporary_group_through_another_constituent() {
        let mut board = Switchboard::joint(|_| ());
        board.call("alice", "joint");
        board.accept("bob");
        board.accept("carol");
        assert!(board.deaffiliate("bob", "b1", "fire", &["police"]).is_empty());
        assert_eq!(board.deaffiliate("bob", "b1", "police", &[]), ["bob <- BYE"]);
    }

    // TS 23.280 10.2.4.2a step 5.
    #[test]
    fn nobody_loses_a_call_whose_group_was_torn_down() {
        let mut board = Switchboard::joint(|_| ());
        let (alice, _) = board.call("alice", "joint");
        board.accept("bob");
        board.accept("carol");
        board.tear_down();
        assert!(board.deaffiliate("bob", "b1", "joint", &[]).is_empty());
        assert!(board.deaffiliate("carol", "c1", "police", &[]).is_empty());
        let call = board.the_call().id;
        assert_eq!(board.in_call(call), ["alice", "bob", "carol"]);
        // It ends by itself.
        board.hang_up(alice);
        let bob = board.phone("bob");
        assert_eq!(board.hang_up(bob), ["carol <- BYE"]);
        board.assert_quiet();
    }

    // TS 24.379 6.3.8.1.
    #[test]
    fn fewer_affiliated_members_than_the_minimum_end_the_call() {
        let (mut board, _) = three_in(|group| group.minimum_affiliated = Some(3));
        board.world.affiliate("erin", "e1", &["fire"]);
        board.world.affiliate("dave", "d1", &["fire"]);
        assert!(board.deaffiliate("dave", "d1", "fire", &[]).is_empty(), "three are left");
        let lines = board.deaffiliate("bob", "b1", "fire", &[]);
        assert_eq!(sorted(lines), ["alice <- BYE", "bob <- BYE", "carol <- BYE"], "erin is no member");
        board.assert_quiet();
    }

    #[test]
    fn the_initiator_of_a_broadcast_takes_the_call_along_whatever_the_others_do() {
        let mut board = Switchboard::fire(|_| ());
        let mut invitation = Switchboard::invitation("alice", "fire");
        invitation.info.broadcast = Some(true);
        let (alice, _) = board.call_with("alice", invitation);
        board.accept("bob");
        board.accept("carol");
        board.affiliate("dave", "d1", "fire");
        board.accept("dave");
        let bob = board.phone("bob");
        assert!(board.hang_up(bob).is_empty());
        assert_eq!(sorted(board.hang_up(alice)), ["carol <- BYE", "dave <- BYE"]);
        board.assert_quiet();
    }

    #[test]
    fn tng3_of_a_call_in_set_up_refuses_the_caller() {
        let mut board = Switchboard::fire(|group| {
            group.minimum_to_start = 2;
            group.maximum_duration = Some(std::time::Duration::from_secs(3));
        });
        board.call("alice", "fire");
        let lines = board.wait(3);
        assert_eq!(sorted(lines), ["alice <- 480 112", "bob <- CANCEL", "carol <- CANCEL"]);
        board.assert_quiet();
    }

    #[test]
    fn a_timer_of_a_call_that_is_over_or_not_due_does_nothing() {
        let (mut board, _) = three();
        let id = board.the_call().id;
        for wake in [Wake::Tng3(id), Wake::Tng1(id), Wake::Tng3(CallRef(1)), Wake::Tng1(CallRef(1))] {
            let outcome = crate::mc::calls::wake(&mut board.world.view(), &mut board.open, wake);
            assert!(outcome.changes.is_empty() && outcome.sends.is_empty());
        }
    }
}
