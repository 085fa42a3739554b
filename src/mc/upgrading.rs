//! Emergency and imminent peril in a group call, and the re-INVITE that asks for them or changes media:
//! TS 24.379 6.3.3.1.13 to 6.3.3.1.16, 6.3.3.1.19, 10.1.1.4.7.
//!
//! ```text
//!  participant          controlling function          other participants
//!    |-- re-INVITE ----------->| authorised?                  |
//!    |<-- 200 or 403 ----------|                              |
//!    |                         |-- re-INVITE, new indications >|
//! ```

use super::session::{Session, media_leg};
use crate::documents::{McInfo, SessionDescription};
use crate::model::*;
use crate::procedure::*;

/// What the indications of a request ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Nothing.
    Nothing,
    /// To raise the call to this state.
    Raise(CallPriority),
    /// To end this state.
    Cancel(CallPriority),
}

/// Reads the indications for a call in state `now`. An emergency beats imminent peril; the end of a state that the call
/// is not in asks for nothing.
pub(super) fn wanted(info: &McInfo, now: CallPriority) -> Wanted {
    if info.emergency == Some(true) {
        Wanted::Raise(CallPriority::Emergency)
    } else if info.imminent_peril == Some(true) {
        Wanted::Raise(CallPriority::ImminentPeril)
    } else if info.emergency == Some(false) && now == CallPriority::Emergency
        || info.imminent_peril == Some(false) && now == CallPriority::ImminentPeril
    {
        Wanted::Cancel(now)
    } else {
        Wanted::Nothing
    }
}

/// TS 24.379 6.3.3.1.13: what the group's rules let the user do. `user` is a member of the group.
///
/// # Errors
/// [`Refusal::PriorityNotAllowed`]: 403 with the refused indications (6.3.3.1.14).
pub(super) fn authorised(rules: &GroupRules, user: &UserId, wanted: Wanted) -> Result<(), Refusal> {
    let state = match wanted {
        Wanted::Nothing => return Ok(()),
        Wanted::Raise(state) | Wanted::Cancel(state) => state,
    };
    let emergency = state == CallPriority::Emergency;
    let rule = if emergency { &rules.emergency_call } else { &rules.imminent_peril_call };
    if rule.includes(user, true) { Ok(()) } else { Err(Refusal::PriorityNotAllowed { emergency }) }
}

/// A `Resource-Priority` of an emergency or of imminent peril counts only with the indication, or in a call of that
/// state.
///
/// # Errors
/// [`Refusal::NotPermitted`].
pub(super) fn claim(policy: &Policy, received: Option<&str>, state: CallPriority) -> Result<(), Refusal> {
    let Some(received) = received else { return Ok(()) };
    let values = &policy.resource_priorities;
    let claims = |value: &Option<String>| {
        value.as_ref().is_some_and(|value| {
            Some(value) != values.normal.as_ref()
                && received.split(',').any(|one| one.trim().eq_ignore_ascii_case(value))
        })
    };
    let claimed = if claims(&values.emergency) {
        CallPriority::Emergency
    } else if claims(&values.imminent_peril) {
        CallPriority::ImminentPeril
    } else {
        CallPriority::Normal
    };
    if claimed > state {
        return Err(Refusal::NotPermitted { why: "Resource-Priority without emergency or imminent peril" });
    }
    Ok(())
}

/// TS 24.379 6.3.3.1.19: the configured value for the state of the call, else what the caller sent.
pub(super) fn resource_priority(policy: &Policy, call: &Call) -> Option<String> {
    let values = &policy.resource_priorities;
    let configured = match call.priority {
        CallPriority::Emergency => &values.emergency,
        CallPriority::ImminentPeril => &values.imminent_peril,
        CallPriority::Normal => &values.normal,
    };
    configured.clone().or_else(|| call.resource_priority.clone())
}

/// Writes the state of the call into a body (TS 24.379 6.3.3.1.7 step 6). `caller`: the body that brought the state
/// about, for its alert indication.
pub(super) fn indicate(call: &Call, caller: &McInfo, info: &mut McInfo) {
    match call.priority {
        CallPriority::Emergency => {
            info.emergency = Some(true);
            info.alert = Some(caller.alert == Some(true));
        }
        CallPriority::ImminentPeril => info.imminent_peril = Some(true),
        CallPriority::Normal => {}
    }
}

/// The body of a 200 that shows the state of the call; none for an ordinary call.
pub(super) fn state(call: &Call, caller: &McInfo) -> Option<McInfo> {
    let mut info = McInfo::default();
    indicate(call, caller, &mut info);
    (call.priority != CallPriority::Normal).then_some(info)
}

/// Takes over what `info` asks for. True if the call changed: then [`tell_others`].
pub(super) fn change(session: &mut Session, info: &McInfo) -> bool {
    let now = session.call.priority;
    let next = match wanted(info, now) {
        Wanted::Nothing => now,
        Wanted::Raise(state) => now.max(state),
        Wanted::Cancel(_) => CallPriority::Normal,
    };
    if next != CallPriority::Normal {
        session.template.info.alert = info.alert.or(session.template.info.alert);
    }
    if next == now {
        return false;
    }
    session.call.priority = next;
    session.touch();
    true
}

/// TS 24.379 6.3.3.1.6 and 6.3.3.1.15: every other participant gets a re-INVITE with the indications.
pub(super) fn tell_others(view: &View<'_>, session: &mut Session, but: &[LegId], out: &mut Outcome<Over>) {
    let legs: Vec<LegId> = session.seats.keys().copied().filter(|leg| !but.contains(leg)).collect();
    for leg in legs {
        offer(view, session, leg, out);
    }
}

/// One re-INVITE at a time on a leg; a change in between is told by the next one.
fn offer(view: &View<'_>, session: &mut Session, leg: LegId, out: &mut Outcome<Over>) {
    let description = description(view, session, leg);
    let mut info = McInfo { calling_group: Some(session.name().to_string()), ..McInfo::default() };
    if session.call.priority == CallPriority::Normal {
        // The cancellation names both (6.3.3.1.15).
        info.emergency = Some(false);
        info.imminent_peril = Some(false);
    } else {
        indicate(&session.call, &session.template.info, &mut info);
    }
    let Some(seat) = session.seats.get_mut(&leg) else { return };
    info.request_uri = Some(seat.user.to_string());
    if seat.offering {
        seat.offer_again = true;
        return;
    }
    seat.offering = true;
    out.sends.push(Send::Call(CallSend::Offer { leg, offer: description, info: Some(Box::new(info)) }));
}

/// What we offer on a leg while the media stay as they are (RFC 3264 8): an INVITE without an offer would ask for one.
fn description(view: &View<'_>, session: &Session, leg: LegId) -> Option<SessionDescription> {
    let seat = session.seats.get(&leg)?;
    if let Some(described) = &seat.described {
        return Some(described.again(view.now.as_millis()));
    }
    let media = media_leg(view, &session.call.group, session.members(), &seat.user, leg, seat.port, false);
    Some(SessionDescription::invite(session.template.offer.as_ref(), &media))
}

/// The answer to our re-INVITE. A refusal changes nothing: the participant stays as it was. That of the controlling
/// function above us decides what one of our members asked for.
pub(super) fn offer_answered(
    view: &View<'_>,
    session: &mut Session,
    leg: LegId,
    result: Result<Box<Acceptance>, Box<Rejection>>,
    out: &mut Outcome<Over>,
) {
    if session.is_superior(leg)
        && let Some(passed) = session.passed.take()
    {
        decided(view, session, *passed, leg, result, out);
    }
    let Some(seat) = session.seats.get_mut(&leg) else { return };
    seat.offering = false;
    if std::mem::take(&mut seat.offer_again) {
        offer(view, session, leg, out);
    }
}

/// TS 24.379 10.1.1.4.7: a re-INVITE of a participant.
pub(super) fn offered(
    view: &mut View<'_>,
    session: &mut Session,
    leg: LegId,
    offer: Option<&SessionDescription>,
    info: Option<&McInfo>,
    out: &mut Outcome<Over>,
) {
    let result = examine(view, session, leg, offer, info);
    let Ok(answer) = result else {
        let result = result.map(|_| Box::default()).map_err(|refusal| Box::new(refusal.into()));
        out.sends.push(Send::Call(CallSend::AnswerOffer { leg, result }));
        return;
    };
    if let Some(info) = info
        && let Some(superior) = session.call.superior.as_ref().map(|superior| superior.leg)
        && superior != leg
        && wanted(info, session.call.priority) != Wanted::Nothing
    {
        return pass_on(view, session, leg, superior, answer, info, out);
    }
    let changed = info.is_some_and(|info| change(session, info));
    if let (Some(_), Some(answer)) = (offer, &answer) {
        session.describe(leg, answer.clone());
    }
    let acceptance = Acceptance {
        answer,
        // Shows the state as it is: imminent peril asked for in an emergency leaves the emergency.
        info: info.and_then(|_| state(&session.call, &session.template.info)),
        ..Acceptance::default()
    };
    out.sends.push(Send::Call(CallSend::AnswerOffer { leg, result: Ok(Box::new(acceptance)) }));
    if changed {
        tell_others(view, session, &[leg], out);
    }
}

/// What a member of a constituent asked for, while the controlling function decides.
#[derive(Debug)]
pub(super) struct Passed {
    leg: LegId,
    answer: Option<SessionDescription>,
    info: McInfo,
}

/// TS 24.379 10.1.1.5: a member's indications go to the controlling function of the temporary group, in the member's name.
fn pass_on(
    view: &View<'_>,
    session: &mut Session,
    leg: LegId,
    superior: LegId,
    answer: Option<SessionDescription>,
    info: &McInfo,
    out: &mut Outcome<Over>,
) {
    let free = session.passed.is_none() && session.seats.get(&superior).is_some_and(|seat| !seat.offering);
    let Some(user) = session.seats.get(&leg).map(|seat| seat.user.to_string()).filter(|_| free) else {
        // RFC 3261 14.2.
        let pending = Rejection { status: 491, ..Rejection::default() };
        out.sends.push(Send::Call(CallSend::AnswerOffer { leg, result: Err(Box::new(pending)) }));
        return;
    };
    let above = McInfo {
        request_uri: Some(session.call.group.id.to_string()),
        calling_user: Some(user),
        calling_group: Some(session.name().to_string()),
        emergency: info.emergency,
        alert: info.alert,
        imminent_peril: info.imminent_peril,
        ..McInfo::default()
    };
    let offer = description(view, session, superior);
    if let Some(seat) = session.seats.get_mut(&superior) {
        seat.offering = true;
    }
    session.passed = Some(Box::new(Passed { leg, answer, info: info.clone() }));
    out.sends.push(Send::Call(CallSend::Offer { leg: superior, offer, info: Some(Box::new(above)) }));
}

/// The controlling function is gone before it decided.
pub(super) fn undecided(session: &mut Session, out: &mut Outcome<Over>) {
    if let Some(passed) = session.passed.take() {
        let gone = Rejection { status: 480, ..Rejection::default() };
        out.sends.push(Send::Call(CallSend::AnswerOffer { leg: passed.leg, result: Err(Box::new(gone)) }));
    }
}

/// The controlling function has decided. Its other legs hear of it from there, our other members from us.
fn decided(
    view: &View<'_>,
    session: &mut Session,
    passed: Passed,
    superior: LegId,
    result: Result<Box<Acceptance>, Box<Rejection>>,
    out: &mut Outcome<Over>,
) {
    let Passed { leg, answer, info } = passed;
    let changed = result.is_ok() && change(session, &info);
    let result = result.map(|_| {
        let info = state(&session.call, &session.template.info);
        Box::new(Acceptance { answer, info, ..Acceptance::default() })
    });
    out.sends.push(Send::Call(CallSend::AnswerOffer { leg, result }));
    if changed {
        tell_others(view, session, &[leg, superior], out);
    }
}

/// Media and authorisation: the answer to the offer, or our offer if there is none.
fn examine(
    view: &View<'_>,
    session: &Session,
    leg: LegId,
    offer: Option<&SessionDescription>,
    info: Option<&McInfo>,
) -> Result<Option<SessionDescription>, Refusal> {
    let seat = session.seats.get(&leg).ok_or(Refusal::NoSuchCall)?;
    if let Some(info) = info {
        if info.encrypted {
            return Err(Refusal::Encrypted);
        }
        // Of the members of a constituent its own server says which one asks; where there is a controlling function above
        // us, that one decides.
        let behind = info.calling_user.as_deref().and_then(uri::identity).map(UserId::new);
        let user = behind.filter(|_| session.is_constituent(&seat.user)).unwrap_or_else(|| seat.user.clone());
        if session.call.superior.is_none() {
            authorised(&session.call.group.rules, &user, wanted(info, session.call.priority))?;
        }
    }
    // RFC 3261 14.2: without an offer ours is asked for.
    let Some(offer) = offer else { return Ok(description(view, session, leg)) };
    let media = media_leg(view, &session.call.group, session.members(), &seat.user, leg, seat.port, false);
    offer.answer(&media).map(Some).map_err(|why| Refusal::MediaNotAcceptable { why })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mc::testing::*;
    use crate::model::testing::*;

    fn emergency() -> McInfo {
        McInfo { emergency: Some(true), alert: Some(true), ..McInfo::default() }
    }

    fn imminent_peril() -> McInfo {
        McInfo { imminent_peril: Some(true), ..McInfo::default() }
    }

    /// A call of alice, bob and carol on `fire`.
    fn three_in(change: impl FnOnce(&mut GroupDocument)) -> (Switchboard, Phone) {
        let mut board = Switchboard::fire(change);
        let (alice, _) = board.call("alice", "fire");
        board.accept("bob");
        board.accept("carol");
        (board, alice)
    }

    fn port(description: &SessionDescription) -> String {
        description.encode().split("m=audio ").nth(1).unwrap().split(' ').next().unwrap().to_owned()
    }

    #[test]
    fn an_emergency_call_is_told_to_members_with_its_priority() {
        let mut board = Switchboard::fire(|_| ());
        board.world.policy.resource_priorities.emergency = Some("mcpttp.15".to_owned());
        let mut invitation = Switchboard::invitation("alice", "fire");
        invitation.info.emergency = Some(true);
        let (_, lines) = board.call_with("alice", invitation);
        assert_eq!(
            lines,
            [
                "bob <- INVITE fire by alice emergency no-alert",
                "carol <- INVITE fire by alice emergency no-alert",
                "alice <- 200 emergency no-alert",
            ]
        );
        assert_eq!(board.invited("bob").resource_priority.as_deref(), Some("mcpttp.15"));
        assert_eq!(board.the_call().priority, CallPriority::Emergency);
        // Late entry is told as well.
        assert_eq!(
            board.affiliate("dave", "d1", "fire"),
            ["dave <- INVITE fire by alice emergency no-alert"]
        );
    }

    // TS 24.379 6.3.3.1.14.
    #[test]
    fn a_call_without_the_permission_is_403_with_what_is_refused() {
        let mut board = Switchboard::fire(|group| {
            group.rules.emergency_call = Who::Users(vec![user_id("bob")]);
            group.rules.imminent_peril_call = Who::Nobody;
        });
        for (info, answer) in [
            (emergency(), "alice <- 403 no-emergency no-alert"),
            (imminent_peril(), "alice <- 403 no-imminent-peril"),
        ] {
            let mut invitation = Switchboard::invitation("alice", "fire");
            invitation.info.emergency = info.emergency;
            invitation.info.imminent_peril = info.imminent_peril;
            let (_, lines) = board.call_with("alice", invitation);
            assert_eq!(lines, [answer]);
        }
        // An explicit "no" needs no permission.
        let mut invitation = Switchboard::invitation("alice", "fire");
        invitation.info.emergency = Some(false);
        let (_, lines) = board.call_with("alice", invitation);
        assert_eq!(lines.last().unwrap(), "alice <- 200");
    }

    // TS 24.379 10.1.1.4.7, 6.3.3.1.6.
    #[test]
    fn an_upgrade_is_answered_and_told_to_the_others() {
        let (mut board, alice) = three_in(|_| ());
        let lines = board.offer(alice, None, Some(emergency()));
        assert_eq!(
            sorted(lines),
            [
                "alice <- re 200 emergency alert",
                "bob <- re-INVITE emergency alert",
                "carol <- re-INVITE emergency alert",
            ]
        );
        assert_eq!(board.the_call().priority, CallPriority::Emergency);
        let bob = board.phone("bob");
        assert!(board.accept_offer(bob).is_empty());
        // The same once more changes nothing.
        assert_eq!(board.offer(alice, None, Some(emergency())), ["alice <- re 200 emergency alert"]);
    }

    // TS 24.379 6.3.3.1.15.
    #[test]
    fn the_end_of_an_emergency_names_both_indications() {
        let (mut board, alice) = three_in(|_| ());
        board.offer(alice, None, Some(emergency()));
        for name in ["bob", "carol"] {
            let phone = board.phone(name);
            board.accept_offer(phone);
        }
        let over = McInfo { emergency: Some(false), ..McInfo::default() };
        assert_eq!(
            sorted(board.offer(alice, None, Some(over))),
            [
                "alice <- re 200",
                "bob <- re-INVITE no-emergency no-imminent-peril",
                "carol <- re-INVITE no-emergency no-imminent-peril",
            ]
        );
        assert_eq!(board.the_call().priority, CallPriority::Normal);
    }

    #[test]
    fn an_upgrade_without_permission_leaves_the_call_as_it_is() {
        let (mut board, alice) = three_in(|group| {
            group.rules.emergency_call = Who::Users(vec![user_id("bob")]);
        });
        let lines = board.offer(alice, Some("AMR-WB"), Some(emergency()));
        assert_eq!(lines, ["alice <- re 403 no-emergency no-alert"]);
        assert_eq!(board.the_call().priority, CallPriority::Normal);
        // Nor may she end the emergency of another.
        let bob = board.phone("bob");
        board.offer(bob, None, Some(emergency()));
        board.accept_offer(alice);
        let over = McInfo { emergency: Some(false), ..McInfo::default() };
        assert_eq!(board.offer(alice, None, Some(over)), ["alice <- re 403 no-emergency no-alert"]);
        assert_eq!(board.the_call().priority, CallPriority::Emergency);
    }

    // TS 24.379 6.2.8.1: emergency beats imminent peril.
    #[test]
    fn imminent_peril_in_an_emergency_leaves_the_emergency() {
        let (mut board, alice) = three_in(|_| ());
        board.offer(alice, None, Some(emergency()));
        let bob = board.phone("bob");
        board.accept_offer(bob);
        assert_eq!(board.offer(bob, None, Some(imminent_peril())), ["bob <- re 200 emergency alert"]);
        // The other way round it is an upgrade.
        let (mut board, alice) = three_in(|_| ());
        assert_eq!(board.offer(alice, None, Some(imminent_peril())).len(), 3);
        for name in ["bob", "carol"] {
            let phone = board.phone(name);
            board.accept_offer(phone);
        }
        assert_eq!(board.offer(alice, None, Some(emergency())).len(), 3);
        // And the end of imminent peril means nothing in it.
        let over = McInfo { imminent_peril: Some(false), ..McInfo::default() };
        assert_eq!(board.offer(alice, None, Some(over)), ["alice <- re 200 emergency alert"]);
    }

    #[test]
    fn a_change_while_a_re_invite_is_under_way_is_told_by_the_next_one() {
        let (mut board, alice) = three_in(|_| ());
        board.offer(alice, None, Some(imminent_peril()));
        let bob = board.phone("bob");
        let carol = board.phone("carol");
        assert_eq!(board.accept_offer(carol), Vec::<String>::new());
        let lines = board.offer(alice, None, Some(emergency()));
        assert_eq!(sorted(lines), ["alice <- re 200 emergency alert", "carol <- re-INVITE emergency alert"]);
        assert_eq!(board.reject_offer(bob, 500), ["bob <- re-INVITE emergency alert"]);
        assert!(board.accept_offer(bob).is_empty());
    }

    // TS 24.379 10.1.1.4.2 step 15 g.
    #[test]
    fn a_join_can_raise_the_call_to_an_emergency() {
        let mut board = Switchboard::fire(|_| ());
        board.call("alice", "fire");
        board.accept("bob");
        let mut invitation = Switchboard::invitation("carol", "fire");
        invitation.info.emergency = Some(true);
        let (_, lines) = board.call_with("carol", invitation);
        assert_eq!(
            sorted(lines),
            [
                "alice <- re-INVITE emergency no-alert",
                "bob <- re-INVITE emergency no-alert",
                "carol <- 200 123 emergency no-alert",
                "carol <- CANCEL",
            ]
        );
    }

    #[test]
    fn a_join_of_an_emergency_shows_it_and_may_claim_its_priority() {
        let mut board =
            Switchboard::fire(|group| group.rules.emergency_call = Who::Users(vec![user_id("alice")]));
        board.world.policy.resource_priorities = ResourcePriorities {
            emergency: Some("mcpttp.15".to_owned()),
            imminent_peril: Some("mcpttp.8".to_owned()),
            normal: Some("mcpttp.0".to_owned()),
        };
        let with = |value: &str| Invitation {
            resource_priority: Some(value.to_owned()),
            ..Switchboard::invitation("bob", "fire")
        };
        let mut call = Switchboard::invitation("alice", "fire");
        call.info.imminent_peril = Some(true);
        board.call_with("alice", call);
        let (_, lines) = board.call_with("bob", with("MCPTTP.15"));
        assert_eq!(lines, ["bob <- 403"], "more than the call is");
        let (_, lines) = board.call_with("bob", with("mcpttp.8"));
        assert_eq!(lines.last().unwrap(), "bob <- 200 123 imminent-peril");
        let mut raised = with("mcpttp.15");
        raised.info.emergency = Some(true);
        let (_, lines) = board.call_with("bob", raised);
        assert_eq!(lines, ["bob <- 403 no-emergency no-alert"], "and no join either");
    }

    // TS 24.379 10.1.1.4.7: media.
    #[test]
    fn a_media_change_is_answered_from_the_same_ports() {
        let (mut board, alice) = three_in(|_| ());
        let before = board.accepted(alice).answer.clone().unwrap();
        board.wait(1);
        assert_eq!(board.offer(alice, Some("AMR-WB"), None), ["alice <- re 200"]);
        let after = board.offer_answer(alice).as_ref().unwrap().answer.clone().unwrap();
        assert_eq!(port(&after), port(&before));
        assert_ne!(after.encode(), before.encode(), "the version of o= rises");
        assert!(!after.encode().contains("mc_implicit_request"), "TS 24.380 14.5");
        // Without an offer she gets ours (RFC 3261 14.2).
        board.wait(1);
        board.offer(alice, None, None);
        let ours = board.offer_answer(alice).as_ref().unwrap().answer.clone().unwrap();
        assert_eq!(port(&ours), port(&before));
        assert_eq!(board.offer(alice, Some("EVS"), None), ["alice <- re 488"]);
        assert_eq!(board.in_call(board.the_call().id).len(), 3);
    }

    #[test]
    fn an_encrypted_body_is_refused_inside_the_session_too() {
        let (mut board, alice) = three_in(|_| ());
        let info = McInfo { encrypted: true, ..McInfo::default() };
        assert_eq!(board.offer(alice, None, Some(info)), ["alice <- re 403 140"]);
    }

    // TS 23.280 10.2.4.2a step 5: requests in the session are served from the snapshot.
    #[test]
    fn a_call_that_outlived_its_group_can_still_become_an_emergency() {
        let mut board = Switchboard::joint(|_| ());
        let (alice, _) = board.call("alice", "joint");
        board.accept("bob");
        board.accept("carol");
        board.tear_down();
        assert_eq!(board.offer(alice, Some("AMR-WB"), Some(emergency())).len(), 3);
        let call = board.the_call();
        assert_eq!((call.priority, call.orphaned), (CallPriority::Emergency, true));
    }

    #[test]
    fn resource_priority_follows_the_state_of_the_call_where_it_is_configured() {
        let mut policy = crate::procedure::testing::policy();
        let mut board = three_in(|_| ()).0;
        board.wait(0);
        let mut call = board.the_call().clone();
        call.resource_priority = Some("mcpttq.3".to_owned());
        assert_eq!(resource_priority(&policy, &call).as_deref(), Some("mcpttq.3"));
        policy.resource_priorities.normal = Some("mcpttp.0".to_owned());
        assert_eq!(resource_priority(&policy, &call).as_deref(), Some("mcpttp.0"));
        call.priority = CallPriority::ImminentPeril;
        assert_eq!(resource_priority(&policy, &call).as_deref(), Some("mcpttq.3"));
        policy.resource_priorities.imminent_peril = Some("mcpttp.8".to_owned());
        assert_eq!(resource_priority(&policy, &call).as_deref(), Some("mcpttp.8"));
    }
}
