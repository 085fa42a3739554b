//! Coming into a call that is running: by INVITE to the group (TS 24.379 10.1.1.4.2 step 15), by its session identity
//! (10.1.1.4.5), or invited because of a new affiliation (10.1.1.4.6).
//!
//! ```text
//!  user               controlling function            participants
//!    |-- INVITE ------------>| 15 a, 6.3.5.3, d            |
//!    |<-- 200, 123 ----------| roster                      |
//!    |                       |-- re-INVITE, if it became an emergency (g)
//! ```

use super::affiliation::by_call;
use super::calls::Open;
use super::controlling::{Request, Standing, acceptable, affiliated};
use super::session::{Session, media_leg, session_identity};
use super::{admitting, commencement, constituents, groups, inviting, upgrading};
use crate::model::*;
use crate::procedure::*;

/// Step 15: the group of the request has a running call, and the user is a member.
///
/// # Errors
/// The first check that fails: emergency, 120, 121 (106 for a chat group), 122.
pub(super) fn join(
    view: &mut View<'_>,
    session: &mut Session,
    request: Request,
) -> Result<(LegOwner, Outcome<Over>), Refusal> {
    priority_allowed(view, session, &request)?;
    let standing = match standing(view, session, &request) {
        Err(refusal @ Refusal::NotAffiliated(_)) => {
            may_join(session, &request.user)?;
            return admitting::ask(view, session, request, refusal);
        }
        standing => standing?,
    };
    may_join(session, &request.user)?;
    enter(view, session, request, standing)
}

fn standing(view: &View<'_>, session: &Session, request: &Request) -> Result<Standing, Refusal> {
    let Request { user, client, invitation, .. } = request;
    if constituents::named(view, session, user) {
        return Ok(Standing::Affiliated);
    }
    let group = &session.call.group.id;
    match affiliated(view, user, client.as_ref(), group, invitation)? {
        // TS 24.379 9.2.2.3.6: nobody vouches here for whom no constituent of ours lists.
        Standing::ByCall if !groups::is_member(view.model, user, group) => {
            Err(Refusal::NotAffiliated(group.clone()))
        }
        standing => Ok(standing),
    }
}

/// TS 24.379 10.1.1.4.5: the user asks for the session by its identity. A call whose group was torn down takes back those
/// who were in it, nobody else.
///
/// # Errors
/// 137, then as [`join`], with 121 before 120.
pub(super) fn rejoin(
    view: &mut View<'_>,
    open: &mut Open,
    id: CallRef,
    request: Request,
) -> Result<(LegOwner, Outcome<Over>), Refusal> {
    // Step 2.
    let session = open.session(id).ok_or(Refusal::NoSuchCall)?;
    if session.call.service != request.invitation.service {
        return Err(Refusal::NoSuchCall);
    }
    acceptable(view, Some(&session.call.group), &request.offer)?;
    // Step 4.
    if !request.invitation.service_requested {
        return Err(Refusal::NotOurService);
    }
    if let Some(asked) = request.invitation.info.request_uri.as_deref()
        && uri::identity(asked).is_none_or(|asked| !session.is_of(&asked))
    {
        return Err(Refusal::NoSuchCall);
    }
    if !session.members().contains_key(&request.user) {
        return Err(Refusal::NotMember(session.call.group.id.clone()));
    }
    priority_allowed(view, session, &request)?;
    // Steps 6 and 8.
    let standing = if session.orphaned(view.model) {
        if !session.has_known(&request.user) {
            return Err(Refusal::MayNotJoin);
        }
        Standing::Affiliated
    } else {
        may_join(session, &request.user)?;
        standing(view, session, &request)?
    };
    enter(view, session, request, standing)
}

fn priority_allowed(view: &View<'_>, session: &Session, request: &Request) -> Result<(), Refusal> {
    let info = &request.invitation.info;
    let wanted = upgrading::wanted(info, session.call.priority);
    upgrading::authorised(&session.call.group.rules, &request.user, wanted)?;
    let state = match wanted {
        upgrading::Wanted::Raise(state) => state.max(session.call.priority),
        _ => session.call.priority,
    };
    upgrading::claim(view.policy, request.invitation.resource_priority.as_deref(), state)
}

/// TS 24.379 6.3.5.3.
fn may_join(session: &Session, user: &UserId) -> Result<(), Refusal> {
    if session.call.group.rules.join.includes(user, true) {
        Ok(())
    } else if session.call.group.prearranged {
        Err(Refusal::MayNotJoin)
    } else {
        Err(Refusal::MayNotJoinChat)
    }
}

/// Step 15 d to r.
pub(super) fn enter(
    view: &mut View<'_>,
    session: &mut Session,
    request: Request,
    standing: Standing,
) -> Result<(LegOwner, Outcome<Over>), Refusal> {
    let Request { leg, user, client, offer, invitation } = request;
    // A client that calls again has lost its session: the new one takes the place of the old.
    let replaced: Vec<LegId> = session
        .legs_of(&user)
        .iter()
        .copied()
        .filter(|leg| session.seats.get(leg).is_some_and(|seat| seat.client == client))
        .collect();
    if session.is_full(session.participants().saturating_sub(replaced.len())) {
        let limit = session.call.group.max_participants.unwrap_or(u32::MAX);
        return Err(Refusal::TooManyParticipants { limit });
    }
    let port = view.media.take().ok_or(Refusal::NoResources { what: "media ports" })?;
    let media = media_leg(view, &session.call.group, session.members(), &user, leg, port, false);
    let answer = match offer.answer(&media) {
        Ok(answer) => answer,
        Err(why) => {
            view.media.give_back(port);
            return Err(Refusal::MediaNotAcceptable { why });
        }
    };

    let mut out = Outcome::default();
    for old in replaced {
        out.sends.push(Send::Call(CallSend::Release { leg: old, reason: None }));
        session.vacate(view, old, &mut out);
    }
    // Whoever comes by itself need not be asked any more.
    for asked_leg in session.legs_of(&user).to_vec() {
        if let Some(asked) = session.answered(asked_leg) {
            view.media.give_back(asked.port);
            out.sends.push(Send::Call(CallSend::Cancel { leg: asked_leg }));
        }
    }
    session.declined.remove(&user);
    let raised = upgrading::change(session, &invitation.info);
    // Step 15 j.
    let acceptance = Acceptance {
        answer: Some(answer.clone()),
        info: upgrading::state(&session.call, &session.template.info),
        warnings: vec![Warning::coded(123)],
        session: session_identity(&view.policy.functions.controlling, session.call.id.0),
        ..Acceptance::default()
    };
    out.sends.push(Send::Call(CallSend::Accept { leg, acceptance: Box::new(acceptance) }));
    if let (Standing::ByCall, Some(client)) = (standing, &client) {
        by_call::take_in(view, &user, client, session.call.service, &session.call.group.id, &mut out);
    }
    session.seat(view, leg, user.clone(), client, port, &mut out);
    session.describe(leg, answer);
    // Step 15 g.
    if raised {
        upgrading::tell_others(view, session, &[leg], &mut out);
    }
    commencement::accepted(view, session, &user, &[], &mut out);
    session.settle(view.model, &mut out);
    Ok((LegOwner::Call(session.call.id), out))
}

/// TS 24.379 10.1.1.4.6: a member of the group is newly affiliated. Not for chat groups (nobody is invited there), nor
/// for a group that was torn down, nor for those who declined.
pub(super) fn late(view: &mut View<'_>, session: &mut Session, user: &UserId, out: &mut Outcome<Over>) {
    let of_caller = session.commencement.is_some() && session.call.initiator == *user;
    if of_caller
        || !session.call.group.prearranged
        || session.orphaned(view.model)
        || !session.members().contains_key(user)
        || !session.legs_of(user).is_empty()
        || session.declined.contains(user)
        || constituents::takes_part(view, session, user)
        || session.is_full(session.participants() + session.asked.len())
    {
        return;
    }
    let clients = groups::affiliated_to(view.model, session.call.service, user, &session.call.group.id);
    if clients.is_empty() {
        return;
    }
    // Without a free media port the member stays outside; the next affiliation tries again.
    if inviting::invite(view, session, user, &clients, out).is_err() {
        super::session::note(out, format!("{user} not invited to call {}: no media port", session.call.id));
    }
}

#[cfg(test)]
mod tests {
    use crate::mc::testing::*;
    use crate::model::testing::*;
    use crate::model::*;
    use crate::procedure::*;

    /// Alice's call on `fire`, with bob in it; carol is asked, dave is not affiliated.
    fn running(change: impl FnOnce(&mut GroupDocument)) -> (Switchboard, Phone) {
        let mut board = Switchboard::fire(change);
        let (alice, _) = board.call("alice", "fire");
        board.accept("bob");
        (board, alice)
    }

    fn by_identity(user: &str, call: CallRef) -> Invitation {
        Invitation { session: Some(call), ..Switchboard::invitation(user, "fire") }
    }

    #[test]
    fn a_call_on_a_group_with_a_running_call_joins_it_and_invites_nobody() {
        let (mut board, _) = running(|_| ());
        board.reject("carol", 486);
        let (carol, lines) = board.call("carol", "fire");
        assert_eq!(lines, ["carol <- 200 123"]);
        let call = board.the_call().id;
        assert_eq!(board.in_call(call), ["alice", "bob", "carol"]);
        let answer = board.accepted(carol).answer.as_ref().unwrap().encode();
        assert!(answer.contains("mc_queueing") && !answer.contains("mc_implicit_request"), "{answer}");
    }

    // Race: a member calls the group while it is asked.
    #[test]
    fn a_member_that_comes_by_itself_is_not_asked_any_more() {
        let (mut board, _) = running(|_| ());
        let asked = board.phone("carol");
        let (_, lines) = board.call("carol", "fire");
        assert_eq!(lines, ["carol <- CANCEL", "carol <- 200 123"]);
        // Its acceptance of the invitation was on the way.
        let late = LegEvent::Accepted(Box::default());
        assert_eq!(board.say(asked, late), ["carol <- BYE"]);
        assert_eq!(board.in_call(board.the_call().id), ["alice", "bob", "carol"]);
    }

    #[test]
    fn two_members_that_call_at_the_same_time_meet_in_one_call() {
        let carol = Member { required: true, ..Member::default() };
        let mut board = Switchboard::fire_of(&[("carol", carol)], |_| ());
        board.call("alice", "fire");
        let (_, lines) = board.call("carol", "fire");
        assert_eq!(lines, ["carol <- CANCEL", "carol <- 200 123", "alice <- 200"]);
    }

    #[test]
    fn a_member_that_comes_by_itself_when_nobody_else_will_ends_the_call_for_good() {
        let mut board = Switchboard::fire(|group| group.minimum_to_start = 2);
        board.call("alice", "fire");
        board.accept("bob");
        let bob = board.phone("bob");
        board.hang_up(bob);
        let (_, lines) = board.call("carol", "fire");
        assert_eq!(lines, ["carol <- CANCEL", "carol <- 200 123", "alice <- 480", "carol <- BYE"]);
        board.assert_quiet();
        // A call on the group is another call.
        let (_, lines) = board.call("alice", "fire");
        assert_eq!(lines, ["bob <- INVITE fire by alice", "carol <- INVITE fire by alice"]);
    }

    // TS 24.379 10.1.1.4.2 step 15: a, 6.3.5.3, d.
    #[test]
    fn a_join_is_refused_without_affiliation_without_the_rule_and_when_the_call_is_full() {
        let (mut board, _) = running(|group| {
            group.rules.join = Who::Users(["alice", "bob", "dave"].map(user_id).to_vec());
            group.max_participants = Some(2);
        });
        let (_, lines) = board.call("dave", "fire");
        assert_eq!(lines, ["dave <- 403 120"]);
        let (_, lines) = board.call("carol", "fire");
        assert_eq!(lines, ["carol <- 403 121"]);
        board.world.affiliate("dave", "d1", &["fire"]);
        let (_, lines) = board.call("dave", "fire");
        assert_eq!(lines, ["dave <- 486 122"]);
        let (_, lines) = board.call("erin", "fire");
        assert_eq!(lines, ["erin <- 403 116"]);
        assert_eq!(board.world.media.in_use(), 2);
    }

    #[test]
    fn a_member_that_accepts_when_the_call_is_full_is_released() {
        let mut board = Switchboard::fire(|group| group.max_participants = Some(3));
        board.call("alice", "fire");
        board.world.affiliate("dave", "d1", &["fire"]);
        board.call("dave", "fire");
        assert!(board.accept("bob").is_empty());
        assert_eq!(board.accept("carol"), ["carol <- BYE"]);
        assert_eq!(board.in_call(board.the_call().id), ["alice", "bob", "dave"]);
    }

    #[test]
    fn a_client_that_calls_again_takes_the_place_of_its_lost_session() {
        let (mut board, _) = running(|group| group.max_participants = Some(2));
        let (_, lines) = board.call("alice", "fire");
        assert_eq!(lines, ["alice <- BYE", "alice <- 200 123"]);
        assert_eq!(board.in_call(board.the_call().id), ["alice", "bob"]);
        assert_eq!(board.world.model.participations_of("sip:alice@one.example").count(), 1);
    }

    #[test]
    fn another_client_of_a_participant_joins_beside_it() {
        let (mut board, _) = running(|_| ());
        board.world.affiliate("alice", "a2", &["fire"]);
        let mut invitation = Switchboard::invitation("alice", "fire");
        invitation.info.client_id = Some("a2".to_owned());
        let (_, lines) = board.call_with("alice", invitation);
        assert_eq!(lines, ["alice <- 200 123"]);
        assert_eq!(board.in_call(board.the_call().id), ["alice", "alice", "bob"]);
    }

    #[test]
    fn a_join_without_common_codec_or_media_port_changes_nothing() {
        let (mut board, _) = running(|_| ());
        let call = board.the_call().id;
        let invitation = Invitation { offer: Some(offer("EVS")), ..Switchboard::invitation("carol", "fire") };
        let (_, lines) = board.call_with("carol", invitation);
        assert_eq!(lines, ["carol <- 488"]);
        while board.world.media.take().is_some() {}
        let (_, lines) = board.call("carol", "fire");
        assert_eq!(lines, ["carol <- 500"]);
        assert_eq!(board.in_call(call), ["alice", "bob"]);
    }

    // TS 24.379 10.1.1.4.5.
    #[test]
    fn a_participant_that_left_comes_back_by_the_session_identity() {
        let (mut board, _) = running(|_| ());
        board.accept("carol");
        let call = board.the_call().id;
        let carol = board.phone("carol");
        board.hang_up(carol);
        assert_eq!(board.in_call(call), ["alice", "bob"]);
        let (_, lines) = board.call_with("carol", by_identity("carol", call));
        assert_eq!(lines, ["carol <- 200 123"]);
        assert_eq!(board.in_call(call), ["alice", "bob", "carol"]);
        assert_eq!(board.world.model.participants(call).count(), 3, "one record for each user");
    }

    #[test]
    fn a_rejoin_checks_what_the_clause_checks() {
        let (mut board, _) = running(|group| {
            group.rules.join = Who::Users(["alice", "bob", "dave"].map(user_id).to_vec());
            group.max_participants = Some(2);
        });
        let call = board.the_call().id;
        let (_, lines) = board.call_with("carol", by_identity("carol", CallRef(4711)));
        assert_eq!(lines, ["carol <- 404 137"]);
        let mut other_group = by_identity("carol", call);
        other_group.info.request_uri = Some("sip:police@one.example".to_owned());
        let (_, lines) = board.call_with("carol", other_group);
        assert_eq!(lines, ["carol <- 404 137"]);
        let mut no_service = by_identity("carol", call);
        no_service.service_requested = false;
        let (_, lines) = board.call_with("carol", no_service);
        assert_eq!(lines, ["carol <- 403 101"]);
        let (_, lines) = board.call_with("erin", by_identity("erin", call));
        assert_eq!(lines, ["erin <- 403 116"]);
        let (_, lines) = board.call_with("carol", by_identity("carol", call));
        assert_eq!(lines, ["carol <- 403 121"], "step 6");
        let (_, lines) = board.call_with("dave", by_identity("dave", call));
        assert_eq!(lines, ["dave <- 403 120"], "step 8");
        board.world.affiliate("dave", "d1", &["fire"]);
        let (_, lines) = board.call_with("dave", by_identity("dave", call));
        assert_eq!(lines, ["dave <- 486 122"], "step 10");
    }

    #[test]
    fn a_rejoin_need_not_name_the_group() {
        let (mut board, _) = running(|_| ());
        board.reject("carol", 486);
        let mut invitation = by_identity("carol", board.the_call().id);
        invitation.info.request_uri = None;
        let (_, lines) = board.call_with("carol", invitation.clone());
        assert_eq!(lines, ["carol <- 200 123"]);
        invitation.session = Some(CallRef(4711));
        let (_, lines) = board.call_with("carol", invitation);
        assert_eq!(lines, ["carol <- 404 137"]);
    }

    // TS 24.379 10.1.1.4.6.
    #[test]
    fn a_member_that_is_newly_affiliated_is_invited_into_the_running_call() {
        let (mut board, _) = running(|_| ());
        assert_eq!(board.affiliate("dave", "d1", "fire"), ["dave <- INVITE fire by alice"]);
        assert!(board.affiliate("dave", "d2", "fire").is_empty(), "asked already");
        assert!(board.accept("dave").is_empty());
        assert_eq!(board.in_call(board.the_call().id), ["alice", "bob", "dave"]);
        assert!(board.affiliate("dave", "d3", "fire").is_empty(), "in already");
        assert!(board.affiliate("erin", "e1", "fire").is_empty(), "not a member");
    }

    #[test]
    fn a_caller_that_waits_is_not_invited_by_its_own_affiliation() {
        let mut board = Switchboard::fire(|group| group.minimum_to_start = 1);
        board.call("alice", "fire");
        assert!(board.affiliate("alice", "a2", "fire").is_empty());
    }

    #[test]
    fn late_entry_spares_those_who_declined_but_not_those_who_were_away() {
        let (mut board, _) = running(|_| ());
        board.reject("carol", 603);
        assert!(board.affiliate("carol", "c1", "fire").is_empty());
        board.away.insert(user_id("dave"));
        assert!(board.affiliate("dave", "d1", "fire").is_empty());
        board.away.clear();
        assert_eq!(board.affiliate("dave", "d1", "fire"), ["dave <- INVITE fire by alice"]);
    }

    #[test]
    fn late_entry_keeps_to_the_most_participants() {
        let mut board = Switchboard::fire(|group| group.max_participants = Some(3));
        board.call("alice", "fire");
        board.accept("bob");
        assert!(board.affiliate("dave", "d1", "fire").is_empty(), "carol is asked, that makes three");
        board.reject("carol", 486);
        assert_eq!(board.affiliate("dave", "d1", "fire"), ["dave <- INVITE fire by alice"]);
    }

    #[test]
    fn late_entry_without_a_media_port_is_left_to_the_next_affiliation() {
        let (mut board, _) = running(|_| ());
        let mut taken = Vec::new();
        while let Some(port) = board.world.media.take() {
            taken.push(port);
        }
        assert!(board.affiliate("dave", "d1", "fire").is_empty());
        assert!(board.log.last().unwrap().contains("no media port"));
        board.world.media.give_back(taken[0]);
        assert_eq!(board.affiliate("dave", "d1", "fire"), ["dave <- INVITE fire by alice"]);
    }

    #[test]
    fn an_affiliation_to_a_constituent_brings_a_member_into_the_call_of_the_temporary_group() {
        let mut board = Switchboard::joint(|_| ());
        board.world.affiliate("carol", "c1", &[]);
        board.call("alice", "joint");
        board.accept("bob");
        assert_eq!(board.affiliate("carol", "c1", "police"), ["carol <- INVITE joint by alice"]);
        board.accept("carol");
        assert_eq!(board.in_call(board.the_call().id), ["alice", "bob", "carol"]);
    }

    // TS 23.280 10.2.4.2a step 5.
    #[test]
    fn a_call_that_outlives_its_group_takes_back_its_own_and_nobody_else() {
        let mut board = Switchboard::joint(|_| ());
        board.call("alice", "joint");
        board.accept("bob");
        board.reject("carol", 486);
        let call = board.the_call().id;
        board.tear_down();
        assert!(board.the_call().orphaned);

        // A new call on the group that is gone.
        let (_, lines) = board.call("carol", "joint");
        assert_eq!(lines, ["carol <- 404 113"]);
        // Late entry, through a constituent or not.
        assert!(board.affiliate("carol", "c1", "police").is_empty());
        // Rejoin.
        let rejoin =
            |user: &str| Invitation { session: Some(call), ..Switchboard::invitation(user, "joint") };
        let (_, lines) = board.call_with("carol", rejoin("carol"));
        assert_eq!(lines, ["carol <- 403 121"]);
        let bob = board.phone("bob");
        board.affiliate("dave", "d1", "fire");
        assert_eq!(board.in_call(call), ["alice", "bob"]);
        // Bob comes back, although nobody is affiliated to the group any more.
        let (_, lines) = board.call_with("bob", rejoin("bob"));
        assert_eq!(lines, ["bob <- BYE", "bob <- 200 123"]);
        assert_ne!(board.phone("bob"), bob);
        assert!(board.the_call().orphaned, "the record keeps the mark");
        // A constituent is an ordinary group again, with a call of its own.
        let (_, lines) = board.call("carol", "police");
        assert_eq!(lines, ["bob <- INVITE police by carol", "carol <- 200"]);
    }

    #[test]
    fn a_call_that_is_being_set_up_when_its_group_goes_is_orphaned_too() {
        let mut board = Switchboard::joint(|group| group.minimum_to_start = 2);
        board.call("alice", "joint");
        board.tear_down();
        board.accept("bob");
        assert_eq!(board.accept("carol"), ["alice <- 200"]);
        assert!(board.the_call().orphaned);
    }

    #[test]
    fn a_new_temporary_group_of_the_same_identity_has_a_call_of_its_own() {
        let mut board = Switchboard::joint(|_| ());
        board.call("alice", "joint");
        board.accept("bob");
        let old = board.the_call().id;
        board.tear_down();
        board.world.apply(&regrouping(&temporary_group("joint", &["fire", "police"])));
        let (carol, lines) = board.call("carol", "joint");
        assert_eq!(lines.last().unwrap(), "carol <- 200", "no 123");
        let new = board.world.model.calls().find(|call| call.id != old).unwrap().id;
        assert_eq!(board.in_call(old), ["alice", "bob"]);
        assert_eq!(board.in_call(new), ["carol"]);
        board.hang_up(carol);
        assert!(board.world.model.call(new).is_none());
        assert!(board.world.model.call(old).is_some());
    }
}
