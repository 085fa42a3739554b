//! A call on a constituent of a temporary group: the controlling function redirects it to the temporary group, or
//! refuses; the originating participating function follows the redirection for its client, or passes it on.
//! TS 24.379 10.1.1.4.2 (Warning 148); the redirection is the note of TS 23.379 10.6.2.4.1.1.
//!
//! ```text
//!  client           O-PF                 CF of the constituent      CF of the temporary group
//!    |-- INVITE ----->|-- INVITE constituent -->|                             |
//!    |                |<-- 302 temporary group -| refuse_or_redirect          |
//!    |<-- 302 --------| (redirect)              |                             |
//!    |                |-- INVITE temporary group ----(follow)---------------->|
//! ```

use super::calls::Open;
use super::groups;
use crate::model::*;
use crate::procedure::{CallSend, Outcome, Policy, Refusal, RegroupedCall, Rejection, Send, View, uri};

/// Whether a call on this group may begin or be joined. Asked after the membership check only: a stranger never learns
/// the temporary group.
///
/// # Errors
/// [`Refusal::MovedTemporarily`] or [`Refusal::Regrouped`], as the policy says.
pub(super) fn refuse_or_redirect(
    view: &View<'_>,
    open: &Open,
    caller: &UserId,
    group: &GroupId,
) -> Result<(), Refusal> {
    if let Some(mark) = view.model.regrouped(Side::Mc, group.as_str()) {
        return Err(match view.policy.regrouped_call_for(caller, group) {
            RegroupedCall::Redirect | RegroupedCall::Follow => {
                Refusal::MovedTemporarily { constituent: group.clone(), temporary: mark.temporary.clone() }
            }
            RegroupedCall::Reject => Refusal::Regrouped,
        });
    }
    // TS 23.280 10.2.4.2a step 5, where the operator wants the constituents to wait for it.
    if view.policy.constituents_wait_for_call && open.is_in_orphaned_call(view.model, group) {
        return Err(Refusal::Regrouped);
    }
    Ok(())
}

/// Whether a client's session in the call of a constituent gives way to its session in the call of the temporary group: the
/// client is in that call then, whether the constituent's is part of it or not. It does not count for N6 either.
pub(super) fn gives_way(
    model: &Model,
    session: &Participation,
    client: Option<&ClientId>,
    group: &GroupId,
) -> bool {
    let marked = model.regrouped(Side::Mc, session.group.as_str());
    session.client.as_ref() == client
        && (marked.is_some_and(|mark| mark.temporary == *group)
            || groups::constituents_of(model, group).contains(&session.group))
}

/// The client has come into the call of this group: its sessions that [`gives_way`] names end.
pub(super) fn give_way<W>(
    model: &Model,
    user: &UserId,
    client: Option<&ClientId>,
    group: &GroupId,
    out: &mut Outcome<W>,
) {
    for session in model.participations_of(user.as_str()) {
        if !gives_way(model, session, client, group) {
            continue;
        }
        out.changes.push(Change::Remove(FactKey::Participation(session.id)));
        for leg in [session.client_leg, session.core_leg] {
            out.sends.push(Send::Call(CallSend::Release { leg, reason: None }));
        }
    }
}

/// What the originating participating function makes of a 3xx.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Redirected {
    /// The client gets it as it is.
    PassOn,
    /// A new INVITE to this group.
    Follow(GroupId),
    /// No way to follow it: 403 with Warning 148.
    Refuse,
}

/// The target is taken from the body first, from Contact second. It is followed once, and never to the group that was
/// called first.
pub(super) fn redirected(
    policy: &Policy,
    first: &GroupId,
    followed: bool,
    rejection: &Rejection,
) -> Redirected {
    if policy.regrouped_call_of(first) != RegroupedCall::Follow {
        return Redirected::PassOn;
    }
    let of_body = rejection.info.as_ref().and_then(|info| info.request_uri.as_deref());
    let target = of_body.or_else(|| rejection.contacts.first().map(String::as_str)).and_then(uri::identity);
    match target.map(GroupId::new) {
        Some(target) if !followed && target != *first => Redirected::Follow(target),
        _ => Redirected::Refuse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::McInfo;
    use crate::mc::testing::*;
    use crate::model::testing::*;
    use crate::procedure::*;

    fn board(policy: RegroupedCall) -> Switchboard {
        let mut board = Switchboard::joint(|_| ());
        board.world.policy.regrouped_call = policy;
        board
    }

    // Vector i.
    #[test]
    fn a_call_on_a_constituent_can_be_refused_with_148() {
        let mut board = board(RegroupedCall::Reject);
        let (alice, lines) = board.call("alice", "fire");
        assert_eq!(lines, ["alice <- 403 148"]);
        let rejection = board.refused(alice);
        assert_eq!(
            (&rejection.info, rejection.contacts.len()),
            (&None, 0),
            "the temporary group is not named"
        );
        board.assert_quiet();
    }

    #[test]
    fn a_call_on_a_constituent_is_redirected_to_the_temporary_group() {
        let mut board = board(RegroupedCall::Redirect);
        let (alice, lines) = board.call("alice", "fire");
        assert_eq!(lines, ["alice <- 302 148"]);
        let rejection = board.refused(alice);
        assert_eq!(rejection.contacts, ["sip:joint@one.example"]);
        let info = rejection.info.as_ref().unwrap();
        assert_eq!(info.request_uri.as_deref(), Some("sip:joint@one.example"));
        assert_eq!(info.calling_group.as_deref(), Some("sip:fire@one.example"));
        board.assert_quiet();
        // The client may call the temporary group.
        let (_, lines) = board.call("alice", "joint");
        assert_eq!(lines.last().unwrap(), "alice <- 200");
    }

    // Vector ii.
    #[test]
    fn our_participating_function_follows_the_redirection_for_its_client() {
        let mut board = board(RegroupedCall::Follow);
        let (alice, lines) = board.call("alice", "fire");
        assert_eq!(lines, ["bob <- INVITE joint by alice", "carol <- INVITE joint by alice", "alice <- 200"]);
        let info = board.accepted(alice).info.as_ref().unwrap();
        assert_eq!(info.calling_group.as_deref(), Some("sip:joint@one.example"), "where it is now");
        let participation = board.world.model.participations_of("sip:alice@one.example").next().unwrap();
        assert_eq!(participation.group, group_id("joint"));
        board.accept("bob");
        board.accept("carol");
        assert!(board.hang_up(alice).is_empty());
        let bob = board.phone("bob");
        assert_eq!(board.hang_up(bob), ["carol <- BYE"]);
        board.assert_quiet();
    }

    #[test]
    fn the_second_invite_is_the_first_with_another_group() {
        let mut board = board(RegroupedCall::Follow);
        board.controlling_elsewhere = true;
        let mut invitation = Switchboard::invitation("alice", "fire");
        // Vector v: an emergency call is handled alike.
        invitation.info.emergency = Some(true);
        invitation.resource_priority = Some("mcpttp.15".to_owned());
        let (_, lines) = board.call_with("alice", invitation);
        assert_eq!(lines, ["cf <- INVITE fire by alice emergency"]);
        let first = (board.phone("cf"), board.invited("cf").clone());
        let moved = Refusal::MovedTemporarily { constituent: group_id("fire"), temporary: group_id("joint") };
        assert_eq!(board.reject_with("cf", moved.into()), ["cf <- INVITE joint by alice emergency"]);
        let (phone, second) = (board.phone("cf"), board.invited("cf").clone());
        assert_ne!(phone, first.0, "a new dialog");
        assert_eq!(second.resource_priority.as_deref(), Some("mcpttp.15"));
        assert_eq!(second.offer, first.1.offer);
        let info = McInfo { request_uri: first.1.info.request_uri.clone(), ..second.info };
        assert_eq!(info, first.1.info);
        assert_eq!(*board.party("cf"), Party::Controlling { group: group_id("joint"), session: None });
        // Only the second one is the call now.
        assert_eq!(board.say(first.0, LegEvent::Accepted(Box::default())), ["cf <- BYE"]);
    }

    // Vector iii.
    #[test]
    fn a_second_redirection_or_one_in_a_circle_ends_in_403_and_148() {
        let moved = |to: &str| Rejection {
            contacts: vec![format!("sip:{to}@one.example")],
            status: 302,
            ..Rejection::default()
        };
        let mut board = board(RegroupedCall::Follow);
        board.controlling_elsewhere = true;
        board.call("alice", "fire");
        assert_eq!(board.reject_with("cf", moved("fire")), ["alice <- 403 148"]);
        board.call("alice", "fire");
        board.reject_with("cf", moved("joint"));
        assert_eq!(board.reject_with("cf", moved("police")), ["alice <- 403 148"]);
        board.call("alice", "fire");
        let nowhere = Rejection { status: 302, ..Rejection::default() };
        assert_eq!(board.reject_with("cf", nowhere), ["alice <- 403 148"]);
        board.assert_quiet();
    }

    #[test]
    fn a_redirection_to_a_group_that_nobody_controls_is_404_and_142() {
        let mut board = board(RegroupedCall::Follow);
        board.controlling_elsewhere = true;
        board.call("alice", "fire");
        let moved = Rejection {
            status: 302,
            contacts: vec!["sip:joint@two.example".to_owned()],
            ..Rejection::default()
        };
        assert_eq!(board.reject_with("cf", moved), ["alice <- 404 142"]);
    }

    #[test]
    fn a_client_that_cancels_after_the_redirection_cancels_the_second_invite() {
        let mut board = board(RegroupedCall::Follow);
        board.controlling_elsewhere = true;
        let (alice, _) = board.call("alice", "fire");
        let moved = Refusal::MovedTemporarily { constituent: group_id("fire"), temporary: group_id("joint") };
        board.reject_with("cf", moved.into());
        assert_eq!(board.cancel(alice), ["cf <- CANCEL"]);
        board.assert_quiet();
    }

    // Vector iv.
    #[test]
    fn a_stranger_learns_nothing_of_the_temporary_group() {
        for policy in [RegroupedCall::Redirect, RegroupedCall::Follow, RegroupedCall::Reject] {
            let mut board = board(policy);
            let (dave, lines) = board.call("dave", "fire");
            assert_eq!(lines, ["dave <- 403 116"]);
            assert!(board.refused(dave).contacts.is_empty() && board.refused(dave).info.is_none());
            // A member of another constituent is a stranger too.
            let (_, lines) = board.call("carol", "fire");
            assert_eq!(lines, ["carol <- 403 116"]);
        }
    }

    // Profile B point 1: an INVITE with isfocus is the regroup call itself.
    #[test]
    fn an_invite_with_isfocus_is_never_redirected() {
        let mut board = board(RegroupedCall::Redirect);
        let mut invitation = Switchboard::from_elsewhere("alice", "fire");
        invitation.focus = true;
        let (caller, _) = board.call_from_elsewhere("alice", invitation);
        let rejection = board.refused(caller);
        assert_eq!((rejection.status, rejection.contacts.len()), (403, 0));
        assert!(rejection.info.is_none());
    }

    // Vector vi.
    #[test]
    fn a_chat_constituent_is_followed_with_the_session_type_of_the_temporary_group() {
        let mut board = board(RegroupedCall::Follow);
        board.put_group(GroupDocument { prearranged: false, ..group("fire", &["alice", "bob"]) });
        let mut invitation = Switchboard::invitation("alice", "fire");
        invitation.info.session_type = Some("chat".to_owned());
        let (_, lines) = board.call_with("alice", invitation);
        assert_eq!(lines.last().unwrap(), "alice <- 200");
        assert_eq!(lines.len(), 3);
    }

    // Vector vii: teardown between the 302 and the second INVITE.
    #[test]
    fn a_temporary_group_that_is_gone_meanwhile_is_404_and_113() {
        let mut board = board(RegroupedCall::Follow);
        board.controlling_elsewhere = true;
        board.call("alice", "fire");
        board.tear_down();
        board.controlling_elsewhere = false;
        let moved = Refusal::MovedTemporarily { constituent: group_id("fire"), temporary: group_id("joint") };
        assert_eq!(board.reject_with("cf", moved.into()), ["alice <- 404 113"]);
        board.assert_quiet();
    }

    #[test]
    fn constituents_wait_for_the_call_of_their_torn_down_group_only_if_the_operator_wants_it() {
        for wanted in [true, false] {
            let mut board = board(RegroupedCall::Redirect);
            board.world.policy.constituents_wait_for_call = wanted;
            let (alice, _) = board.call("alice", "joint");
            board.accept("bob");
            board.reject("carol", 486);
            board.tear_down();
            let (_, lines) = board.call("carol", "police");
            if wanted {
                assert_eq!(lines, ["carol <- 403 148"]);
                board.hang_up(alice);
                let (_, lines) = board.call("carol", "police");
                assert_eq!(lines.last().unwrap(), "carol <- 200", "the call has ended");
            } else {
                assert_eq!(lines.last().unwrap(), "carol <- 200");
            }
        }
    }

    // TS 23.280 10.2.4.1: the regrouping moves nobody.
    #[test]
    fn a_call_of_a_constituent_that_was_running_goes_on_but_takes_nobody_in() {
        let mut board = board(RegroupedCall::Redirect);
        board.tear_down();
        board.call("alice", "fire");
        board.accept("bob");
        board.world.apply(&regrouping(&temporary_group("joint", &["fire", "police"])));
        assert_eq!(board.in_call(board.the_call().id), ["alice", "bob"]);
        let (_, lines) = board.call("bob", "fire");
        assert_eq!(lines, ["bob <- 302 148"]);
        assert!(board.affiliate("bob", "b2", "fire").is_empty());
    }

    #[test]
    fn a_redirection_is_read_from_the_body_first() {
        let mut policy = crate::procedure::testing::policy();
        policy.regrouped_call = RegroupedCall::Follow;
        let mut rejection = Rejection {
            status: 302,
            contacts: vec!["sip:b@one.example".to_owned()],
            info: Some(McInfo { request_uri: Some("sip:a@one.example".to_owned()), ..McInfo::default() }),
            ..Rejection::default()
        };
        let first = group_id("fire");
        let follow = |rejection: &Rejection| redirected(&policy, &first, false, rejection);
        assert_eq!(follow(&rejection), Redirected::Follow(group_id("a")));
        rejection.info = None;
        assert_eq!(follow(&rejection), Redirected::Follow(group_id("b")));
        rejection.contacts = vec!["not a URI".to_owned()];
        assert_eq!(follow(&rejection), Redirected::Refuse);
    }
}
