//! Conference event package: who may watch a call, and its roster. TS 24.379 10.1.3.3, 10.1.3.4, 6.3.3.4; RFC 4575.
//!
//! ```text
//!  participant     participating function     controlling function
//!    |-- SUBSCRIBE ------>| 137                      |
//!    |                    |-- SUBSCRIBE ------------>| 137, 138, 105
//!    |<-- NOTIFY ---------|<-- NOTIFY, on accept and with every change of the roster
//! ```
//!
//! The two functions hand the request over in memory where they are one process.

use super::remote_change::relayed;
use super::roster;
use super::session::members;
use crate::documents::McInfo;
use crate::documents::conference_info::{ConferenceInfo, EndpointStatus};
use crate::model::*;
use crate::procedure::*;
use std::collections::BTreeMap;

/// What the Request-URI of a SUBSCRIBE named: a session identity of one of our functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// A session at the participating function.
    Participation(ParticipationRef),
    /// A call at the controlling function.
    Call(CallRef),
}

/// Whether `subscriber`, a user of this server, may watch the roster; what is watched. Of a call whose controlling function
/// is elsewhere that one decides ([`Watched::Session`]).
///
/// # Errors
/// 137: no such session, or not the group of the session. 138: not a participant, or the group does not allow it.
/// 105: a broadcast call.
pub fn subscribe(
    view: &View<'_>,
    subscriber: &UserId,
    target: Which,
    info: Option<&McInfo>,
) -> Result<Watched, Refusal> {
    match target {
        // 10.1.3.3: the session is the subscriber's own.
        Which::Participation(id) => {
            let session = view.model.participation(id).filter(|session| session.user == *subscriber);
            let session = session.ok_or(Refusal::NoSuchCall)?;
            let Some((id, leg)) = call_behind(view.model, session) else {
                return elsewhere(view.model, session, info);
            };
            let takes_part = view.model.participant(id, leg).is_some_and(|one| !one.left);
            controlled(view, subscriber, id, takes_part, info)
        }
        Which::Call(id) => {
            let mut participants = view.model.participants(id);
            let takes_part = participants.any(|one| !one.left && one.user == *subscriber);
            controlled(view, subscriber, id, takes_part, info)
        }
    }
}

/// Whether a participating function elsewhere may watch the roster of a call for a participant that it serves
/// (TS 24.379 10.1.3.4.1). The service has checked that it speaks for the user.
///
/// # Errors
/// As [`subscribe`] and [`roster::subscribe`]; 403: another function, or no agreement to call (179).
pub fn subscribe_function(
    view: &View<'_>,
    caller: &Caller,
    call: CallRef,
    info: &McInfo,
) -> Result<Watched, Refusal> {
    if !caller.may(view.policy).call {
        return Err(Refusal::PartnerMayNot(caller.psi.clone()));
    }
    // Without a user it is a controlling function, which has a part of the call itself.
    let Some(user) = info.calling_user.as_deref().map(UserId::new) else {
        return roster::subscribe(view, caller, call, info);
    };
    if !caller.participating {
        return Err(Refusal::NotPermitted { why: "only participating functions ask for users" });
    }
    match subscribe(view, &user, Which::Call(call), Some(info))? {
        Watched::Conference { call, service, .. } => {
            Ok(Watched::Conference { call, service, audience: Audience::ServedElsewhere(user) })
        }
        other => Ok(other),
    }
}

/// What a client hears whose controlling function did not let it watch: its refusal, as far as it means the same to the
/// client. `None`: it did not answer (RFC 4320 4.2 has no 408 for this request).
pub fn not_heard(status: Option<u16>, warnings: Vec<Warning>, retry_after: Option<u32>) -> Answer {
    match status {
        None | Some(408) => Answer::worded(504, "the controlling function does not answer"),
        Some(status) => Answer { warnings, retry_after, ..Answer::plain(relayed(status)) },
    }
}

/// The checks of the controlling function (10.1.3.4.1).
fn controlled(
    view: &View<'_>,
    subscriber: &UserId,
    id: CallRef,
    takes_part: bool,
    info: Option<&McInfo>,
) -> Result<Watched, Refusal> {
    let call = view.model.call(id).ok_or(Refusal::NoSuchCall)?;
    if group_named(info).is_some_and(|group| group != call.group.id && group != *name(call)) {
        return Err(Refusal::NoSuchCall);
    }
    // The server of a constituent elsewhere may have vouched for a participant whom no list here has.
    let is_member = members(call).contains_key(subscriber) || call.group.temporary.is_some();
    if !takes_part || !call.group.rules.conference_state.includes(subscriber, is_member) {
        return Err(Refusal::NoConferenceState);
    }
    if call.broadcast {
        return Err(Refusal::Broadcast);
    }
    Ok(Watched::Conference { call: id, service: call.service, audience: Audience::Participant })
}

/// A session in a call whose controlling function is elsewhere (10.1.3.3).
fn elsewhere(model: &Model, session: &Participation, info: Option<&McInfo>) -> Result<Watched, Refusal> {
    let leg = model.leg(session.core_leg).filter(|leg| matches!(leg.link, LegLink::Dialog(_)));
    let leg = leg.ok_or(Refusal::NoSuchCall)?;
    if group_named(info).is_some_and(|group| group != session.group) {
        return Err(Refusal::NoSuchCall);
    }
    Ok(Watched::Session { id: session.id, service: leg.service })
}

/// The group that a SUBSCRIBE names.
fn group_named(info: Option<&McInfo>) -> Option<GroupId> {
    let group = info.and_then(|info| info.request_uri.as_deref())?;
    Some(GroupId::new(uri::identity(group).unwrap_or_else(|| group.to_owned())))
}

/// The group of a call as its participants know it.
pub fn name(call: &Call) -> &GroupId {
    call.superior.as_ref().map_or(&call.group.id, |superior| &superior.temporary)
}

/// The call at the other end of a session and its leg towards us, if its controlling function is in this process.
fn call_behind(model: &Model, session: &Participation) -> Option<(CallRef, LegId)> {
    let LegLink::Memory(other) = &model.leg(session.core_leg)?.link else { return None };
    match model.leg(*other)?.owner {
        LegOwner::Call(call) => Some((call, *other)),
        LegOwner::Participation(_) => None,
    }
}

/// The roster of a call, full state (TS 24.379 6.3.3.4), as it is told to `audience`: everybody, but to the controlling
/// function above us our own participants only. `None`: the call is over, and the last NOTIFY has no body.
pub fn document(
    model: &Model,
    policy: &Policy,
    call: CallRef,
    audience: &Audience,
) -> Option<ConferenceInfo> {
    let of = model.call(call)?;
    let users = match (&of.superior, audience) {
        (Some(superior), Audience::Focus(leg)) if superior.leg == *leg => {
            if hides_participants(policy, of) {
                BTreeMap::from([(UserId::new(of.group.id.as_str()), EndpointStatus::Connected)])
            } else {
                own(model, of)
            }
        }
        _ => everybody(model, of, None),
    };
    let turns = model.participants(call).map(|participant| participant.turns);
    let version = turns.chain(model.rosters(call).map(|roster| roster.turns)).fold(0, u32::saturating_add);
    Some(ConferenceInfo {
        entity: name(of).to_string(),
        version,
        users: users.into_iter().map(|(user, status)| (user.to_string(), status)).collect(),
        deleted: false,
    })
}

/// Whether the system that controls the temporary group is not told who takes part of a constituent of ours, and gets the
/// constituent in their place.
pub fn hides_participants(policy: &Policy, call: &Call) -> bool {
    let partner = call.superior.as_ref().and_then(|superior| policy.partner(superior.temporary.domain()));
    partner.is_some_and(|partner| !partner.shares_members && !partner.shares_participants)
}

/// Users with their status.
pub(super) type Users = BTreeMap<UserId, EndpointStatus>;

/// Participants that this server has itself: those that stand for others are not among them.
fn own(model: &Model, call: &Call) -> Users {
    let mut users = Users::new();
    for participant in model.participants(call.id) {
        // The controlling function above a constituent's call is not a user of it.
        let listed = match &call.group.temporary {
            Some(_) => !roster::is_constituent(call, &participant.user),
            None => call.group.members.contains_key(&participant.user),
        };
        if listed {
            let status = status(!participant.left);
            add(&mut users, participant.user.clone(), status);
        }
    }
    users
}

/// Everybody who is in a call, each once: our own participants, and those whom other controlling functions told of. A
/// constituent whose server names nobody stands for its members. `now`: in place of what that function told before.
pub(super) fn everybody(model: &Model, call: &Call, now: Option<&Roster>) -> Users {
    let mut users = own(model, call);
    let told = |of: &GroupId| now.filter(|now| now.of == *of).or_else(|| model.roster(call.id, of));
    if let Some(superior) = &call.superior {
        // Its name for us is not needed: our participants are here.
        let others = told(&superior.temporary).into_iter().flat_map(|roster| &roster.users);
        for (user, connected) in others.filter(|(user, _)| user.as_str() != call.group.id.as_str()) {
            add(&mut users, user.clone(), status(*connected));
        }
    }
    for seat in model.participants(call.id).filter(|one| roster::is_constituent(call, &one.user)) {
        let roster = told(&GroupId::new(seat.user.as_str()));
        let members =
            roster.into_iter().flat_map(|roster| &roster.users).filter(|(user, _)| *user != seat.user);
        let mut named = false;
        for (user, connected) in members {
            named = true;
            add(&mut users, user.clone(), status(*connected && !seat.left));
        }
        if !named {
            add(&mut users, seat.user.clone(), status(!seat.left));
        }
    }
    users
}

fn status(connected: bool) -> EndpointStatus {
    if connected { EndpointStatus::Connected } else { EndpointStatus::Disconnected }
}

/// Who is connected anywhere is connected.
fn add(users: &mut Users, user: UserId, status: EndpointStatus) {
    users.entry(user).and_modify(|known| *known = status.min(*known)).or_insert(status);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mc::testing::*;
    use crate::model::testing::*;
    use crate::procedure::testing::policy;

    /// A call of alice and bob on `fire`; carol is asked.
    fn running(change: impl FnOnce(&mut GroupDocument)) -> (Switchboard, CallRef) {
        let mut board = Switchboard::fire(change);
        board.call("alice", "fire");
        board.accept("bob");
        let call = board.the_call().id;
        (board, call)
    }

    fn session_of(board: &Switchboard, user: &str) -> Which {
        let user = user_id(user);
        Which::Participation(board.world.model.participations_of(user.as_str()).next().unwrap().id)
    }

    fn asks_for(group: &str) -> McInfo {
        McInfo { request_uri: Some(group_id(group).to_string()), ..McInfo::default() }
    }

    fn watched(call: CallRef) -> Watched {
        Watched::Conference { call, service: Service::Mcptt, audience: Audience::Participant }
    }

    fn subscribe(
        board: &mut Switchboard,
        user: &str,
        target: Which,
        group: &str,
    ) -> Result<Watched, Refusal> {
        super::subscribe(&board.world.view(), &user_id(user), target, Some(&asks_for(group)))
    }

    #[test]
    fn participants_watch_their_call_by_the_session_identity_they_were_given() {
        let (mut board, call) = running(|_| ());
        for user in ["alice", "bob"] {
            let target = session_of(&board, user);
            assert_eq!(subscribe(&mut board, user, target, "fire"), Ok(watched(call)));
        }
        assert_eq!(subscribe(&mut board, "alice", Which::Call(call), "fire"), Ok(watched(call)));
        let target = session_of(&board, "alice");
        let without_body = super::subscribe(&board.world.view(), &user_id("alice"), target, None);
        assert_eq!(without_body, Ok(watched(call)));
    }

    // TS 24.379 10.1.3.3, 10.1.3.4.1.
    #[test]
    fn a_session_that_does_not_exist_or_belongs_to_another_is_137() {
        let (mut board, call) = running(|_| ());
        let of_alice = session_of(&board, "alice");
        for (user, target, group) in [
            ("alice", Which::Participation(ParticipationRef(1)), "fire"),
            ("bob", of_alice, "fire"),
            ("alice", of_alice, "police"),
            ("alice", Which::Call(CallRef(1)), "fire"),
            ("alice", Which::Call(call), "police"),
        ] {
            assert_eq!(subscribe(&mut board, user, target, group), Err(Refusal::NoSuchCall));
        }
    }

    #[test]
    fn whoever_is_not_in_the_call_and_whoever_the_group_does_not_let_is_138() {
        let (mut board, call) = running(|group| {
            group.rules.conference_state = Who::Users(["alice", "carol"].map(user_id).to_vec());
        });
        for user in ["bob", "carol", "dave", "erin"] {
            let refused = subscribe(&mut board, user, Which::Call(call), "fire");
            assert_eq!(refused, Err(Refusal::NoConferenceState), "{user}");
        }
        let target = session_of(&board, "bob");
        assert_eq!(subscribe(&mut board, "bob", target, "fire"), Err(Refusal::NoConferenceState));
        let target = session_of(&board, "alice");
        assert_eq!(subscribe(&mut board, "alice", target, "fire"), Ok(watched(call)));
    }

    #[test]
    fn a_broadcast_is_105() {
        let mut board = Switchboard::fire(|_| ());
        let mut invitation = Switchboard::invitation("alice", "fire");
        invitation.info.broadcast = Some(true);
        board.call_with("alice", invitation);
        let target = session_of(&board, "alice");
        assert_eq!(subscribe(&mut board, "alice", target, "fire"), Err(Refusal::Broadcast));
    }

    #[test]
    fn a_call_that_outlived_its_group_is_watched_from_its_snapshot() {
        let mut board = Switchboard::joint(|_| ());
        board.call("alice", "joint");
        board.accept("bob");
        board.tear_down();
        let (target, call) = (session_of(&board, "bob"), board.the_call().id);
        assert_eq!(subscribe(&mut board, "bob", target, "joint"), Ok(watched(call)));
    }

    // TS 24.379 10.1.3.3.
    #[test]
    fn of_a_session_whose_controlling_function_is_elsewhere_that_one_decides() {
        let mut board = Switchboard::fire(|_| ());
        board.controlling_elsewhere = true;
        board.call("alice", "fire");
        board.accept("cf");
        let target = session_of(&board, "alice");
        let Which::Participation(id) = target else { panic!() };
        let watched = Watched::Session { id, service: Service::Mcptt };
        assert_eq!(subscribe(&mut board, "alice", target, "fire"), Ok(watched));
        assert_eq!(subscribe(&mut board, "alice", target, "police"), Err(Refusal::NoSuchCall));
        assert_eq!(subscribe(&mut board, "bob", target, "fire"), Err(Refusal::NoSuchCall));
    }

    fn function(participating: bool, partner: Option<&str>) -> Caller {
        Caller {
            psi: Psi::new("sip:mcptt@two.example"),
            partner: partner.map(str::to_owned),
            participating,
            controlling: true,
            gms: false,
        }
    }

    // TS 24.379 10.1.3.4.1.
    #[test]
    fn a_function_elsewhere_watches_for_a_participant_as_far_as_its_agreement_goes() {
        let (mut board, call) = running(|_| ());
        let mut info = asks_for("fire");
        let asks = |board: &mut Switchboard, caller: &Caller, info: &McInfo| {
            subscribe_function(&board.world.view(), caller, call, info)
        };
        let ours = function(true, None);
        assert!(matches!(asks(&mut board, &ours, &info), Err(Refusal::Malformed { .. })));
        info.calling_user = Some(user_id("bob").to_string());
        let audience = Audience::ServedElsewhere(user_id("bob"));
        let watched = Watched::Conference { call, service: Service::Mcptt, audience };
        assert_eq!(asks(&mut board, &ours, &info), Ok(watched));
        info.calling_user = Some(user_id("carol").to_string());
        assert_eq!(asks(&mut board, &ours, &info), Err(Refusal::NoConferenceState));
        let refused = asks(&mut board, &function(false, None), &info);
        assert!(matches!(refused, Err(Refusal::NotPermitted { .. })));
        let stranger = function(true, Some("two.example"));
        assert_eq!(asks(&mut board, &stranger, &info), Err(Refusal::PartnerMayNot(stranger.psi.clone())));
    }

    // TS 24.379 6.3.3.4; RFC 4575 5.1: the version rises with every document that differs.
    #[test]
    fn the_roster_names_who_is_in_and_who_was_and_its_version_always_rises() {
        let (mut board, call) = running(|_| ());
        let roster = |board: &Switchboard| {
            let document = document(&board.world.model, &policy(), call, &Audience::Participant).unwrap();
            assert_eq!(document.entity, "sip:fire@one.example");
            assert!(!document.deleted);
            let users: Vec<_> = document
                .users
                .iter()
                .map(|(user, status)| {
                    let sign = if *status == EndpointStatus::Connected { '+' } else { '-' };
                    format!("{sign}{}", short(user))
                })
                .collect();
            (document.version, users.join(" "))
        };
        let mut seen = vec![roster(&board)];
        assert_eq!(seen[0].1, "+alice +bob");
        board.accept("carol");
        seen.push(roster(&board));
        assert_eq!(seen[1].1, "+alice +bob +carol");
        let bob = board.phone("bob");
        board.hang_up(bob);
        seen.push(roster(&board));
        assert_eq!(seen[2].1, "+alice -bob +carol");
        let (bob, _) = board.call("bob", "fire");
        seen.push(roster(&board));
        assert_eq!(seen[3].1, "+alice +bob +carol");
        board.hang_up(bob);
        seen.push(roster(&board));
        board.call("bob", "fire");
        seen.push(roster(&board));
        // A second client of bob's comes and goes.
        board.world.affiliate("bob", "b2", &["fire"]);
        let mut invitation = Switchboard::invitation("bob", "fire");
        invitation.info.client_id = Some("b2".to_owned());
        let (second, _) = board.call_with("bob", invitation.clone());
        seen.push(roster(&board));
        board.hang_up(second);
        seen.push(roster(&board));
        assert_eq!(seen[7].1, "+alice +bob +carol");
        let first = board.deaffiliate("bob", "b1", "fire", &[]);
        assert_eq!(first, ["bob <- BYE"]);
        seen.push(roster(&board));
        assert_eq!(seen[8].1, "+alice -bob +carol");
        board.call_with("bob", invitation);
        seen.push(roster(&board));
        for pair in seen.windows(2) {
            assert!(pair[0].0 < pair[1].0, "{seen:?}");
        }
        assert_eq!(board.world.model.participants(call).count(), 3, "one record for each user");
    }

    #[test]
    fn a_call_that_is_over_has_no_roster() {
        let (mut board, call) = running(|_| ());
        board.reject("carol", 486);
        let bob = board.phone("bob");
        board.hang_up(bob);
        assert_eq!(document(&board.world.model, &policy(), call, &Audience::Participant), None);
    }

    #[test]
    fn watchers_are_told_once_for_what_one_event_changed() {
        let (mut board, call) = running(|_| ());
        let rosters = |outcome: &Outcome<Over>| {
            let told = |send: &&Send| matches!(send, Send::Roster { call: one } if *one == call);
            outcome.sends.iter().filter(told).count()
        };
        // Alice calls again: her old session goes, the new one comes.
        let leg = LegId(1);
        let invitation = Switchboard::from_elsewhere("alice", "fire");
        let role = crate::mc::calls::Incoming::Controlling { from: None };
        let incoming =
            crate::mc::calls::incoming(&mut board.world.view(), &mut board.open, leg, role, invitation);
        assert_eq!(rosters(&incoming.unwrap().1), 1);
    }

    #[test]
    fn the_last_word_to_watchers_is_the_end() {
        let (mut board, call) = running(|_| ());
        board.reject("carol", 486);
        let bob = board.world.model.participants(call).find(|one| one.user == user_id("bob")).unwrap().leg;
        let outcome = crate::mc::calls::hear(
            &mut board.world.view(),
            &mut board.open,
            LegOwner::Call(call),
            bob,
            LegEvent::Released { reason: None },
        );
        assert!(!outcome.sends.iter().any(|send| matches!(send, Send::Roster { .. })));
        assert!(
            outcome.sends.iter().any(|send| matches!(send, Send::RosterEnds { call: one } if *one == call))
        );
    }
}
