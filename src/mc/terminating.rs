//! The terminating participating function: a group call for a user of ours. TS 24.379 10.1.1.3.2.
//!
//! ```text
//!  controlling function      terminating PF               client
//!    |-- INVITE ------------------>| 2 isfocus; rung already? |
//!    |                             | binding, commencement    |
//!    |                             |-- INVITE (6.3.2.2.3) --->|
//!    |<-- 180, 183 ----------------|<-------------- 180, 183 -|
//!    |<-- 200 (6.3.2.2.5, .6) -----|<------------------- 200 -|
//!    |<-- 480, 110 ----------------|<--------------- refusal -|
//!    |-- CANCEL ------------------>|-- CANCEL --------------->|
//! ```

use super::calls::Open;
use super::session::session_identity;
use super::{groups, regrouped, settings};
use crate::model::*;
use crate::procedure::*;

/// The controlling function waits for the client.
#[derive(Debug)]
pub(super) struct AwaitClient {
    pub id: ParticipationRef,
    pub user: UserId,
    group: GroupId,
    service: Service,
    /// The controlling function's session identity, if it is elsewhere: the client may come back by it.
    session: Option<String>,
    core_leg: LegId,
    client_leg: LegId,
    manual: bool,
    alerted: bool,
}

/// Steps 2 and following, up to the INVITE to the client.
///
/// # Errors
/// 104 without `isfocus`; 404 with 141 for a user that is not ours; 486 with 123 for one whom another function has rung for
/// this call, or has in it.
pub(super) fn incoming(
    view: &mut View<'_>,
    open: &Open,
    leg: LegId,
    invitation: Invitation,
) -> Result<(ParticipationRef, Outcome<AwaitClient>), Refusal> {
    if invitation.hops == 0 {
        return Err(Refusal::TooManyHops);
    }
    if !invitation.focus {
        return Err(Refusal::NoFocus);
    }
    let info = &invitation.info;
    if info.encrypted {
        return Err(Refusal::Encrypted);
    }
    let named = |uri: &Option<String>, element: &str| {
        let uri = uri.as_deref().and_then(uri::identity);
        uri.ok_or_else(|| Refusal::Malformed { place: element.to_owned() })
    };
    let user = UserId::new(named(&info.request_uri, "mcptt-request-uri")?);
    let group = GroupId::new(named(&info.calling_group, "mcptt-calling-group-id")?);
    let profile = view.model.user(user.as_str()).map(|user| &user.profile).ok_or(Refusal::UnknownUser)?;
    if rung_by_another(view, open, &user, &group, &invitation) {
        return Err(Refusal::InCallAlready(user));
    }
    // Only the clients that the user affiliated to the group; if we know of none, the controlling function knows better.
    let clients = groups::affiliated_to(view.model, invitation.service, &user, &group);

    // What the clients have published, else what the configuration says of the user.
    let said = settings::answer_mode(view.model, &user, invitation.service, &clients);
    let manual = said.unwrap_or(profile.answer_mode) == AnswerMode::Manual;
    let mode = if manual { "Manual" } else { "Auto" };
    let mut answer_modes = vec![(AnswerModeHeader::Answer, mode.to_owned())];
    answer_modes.extend(
        invitation.answer_modes.into_iter().filter(|(header, _)| *header == AnswerModeHeader::PrivAnswer),
    );

    let (session, invitation_service) = (invitation.focus_session.clone(), invitation.service);
    let id = ParticipationRef(view.ids.number());
    let client_leg = LegId(view.ids.number());
    let invite = CallSend::Invite {
        leg: client_leg,
        owner: LegOwner::Participation(id),
        to: Party::Client { user: user.clone(), clients: clients.into_iter().collect() },
        invitation: Box::new(Invitation {
            answer_modes,
            hops: invitation.hops - 1,
            session: None,
            focus_session: None,
            ..invitation
        }),
    };
    let service = invitation_service;
    let wait =
        AwaitClient { id, user, group, service, session, core_leg: leg, client_leg, manual, alerted: false };
    Ok((id, Outcome::wait(wait, Vec::new(), vec![Send::Call(invite)])))
}

/// Whether another function than the one that invites has the user in this call, or is asking: the controlling function of
/// a temporary group and the non-controlling functions of its constituents each know their own members only. The same
/// function, inviting again, has lost the session that we know of.
fn rung_by_another(
    view: &View<'_>,
    open: &Open,
    user: &UserId,
    group: &GroupId,
    invitation: &Invitation,
) -> bool {
    let own = view.policy.functions.controlling.first().map(Psi::as_str).unwrap_or_default();
    // A session identity is a GRUU of the function's PSI.
    let function = |session: Option<&str>| match session {
        Some(session) => session.split(';').next().unwrap_or_default().to_owned(),
        None => own.to_owned(),
    };
    let inviting = function(invitation.focus_session.as_deref());
    let service = invitation.service;
    let rings = open.ringing(user).any(|wait| {
        wait.group == *group && wait.service == service && function(wait.session.as_deref()) != inviting
    });
    // In a constituent's call of ours that is part of this one, the user is in it.
    let part = |of: &GroupId| {
        let superior = view.model.call_on(service, of.as_str()).and_then(|call| call.superior.as_ref());
        superior.is_some_and(|above| above.temporary == *group)
    };
    rings
        || view.model.participations_of(user.as_str()).any(|one| {
            let of_service = view.model.leg(one.core_leg).is_some_and(|leg| leg.service == service);
            of_service
                && (one.group == *group || part(&one.group))
                && function(one.session.as_deref()) != inviting
        })
}

impl AwaitClient {
    /// What is heard on one of the two legs.
    pub(super) fn on(mut self, view: &View<'_>, leg: LegId, event: LegEvent) -> Outcome<Self> {
        let mut sends = Vec::new();
        match event {
            LegEvent::Progress(progress) if leg == self.client_leg => {
                self.alerted |= progress.status == 180;
                sends.push(Send::Call(CallSend::Progress { leg: self.core_leg, progress }));
            }
            LegEvent::Accepted(acceptance) if leg == self.client_leg => {
                return self.established(view, *acceptance);
            }
            LegEvent::Refused(rejection) if leg == self.client_leg => {
                let rejection = self.declined(*rejection);
                return self.refuse(rejection);
            }
            LegEvent::Released { .. } | LegEvent::Lost { .. } if leg == self.client_leg => {
                return self.refuse(Rejection { status: 480, ..Rejection::default() });
            }
            // The controlling function gave up. An acceptance on its way is released when it comes.
            LegEvent::Cancelled | LegEvent::Released { .. } | LegEvent::Lost { .. }
                if leg == self.core_leg =>
            {
                return Outcome::end(Vec::new(), vec![Send::Call(CallSend::Cancel { leg: self.client_leg })]);
            }
            event => sends.extend(super::relaying::stray(leg, &event)),
        }
        Outcome::wait(self, Vec::new(), sends)
    }

    fn established(self, view: &View<'_>, mut acceptance: Acceptance) -> Outcome<Self> {
        let participation = Participation {
            id: self.id,
            role: ParticipationRole::Terminating,
            user: self.user,
            client: acceptance.client.clone(),
            group: self.group,
            client_leg: self.client_leg,
            core_leg: self.core_leg,
            session: self.session,
        };
        acceptance.session = session_identity(&view.policy.functions.participating, self.id.0);
        let accept = CallSend::Accept { leg: self.core_leg, acceptance: Box::new(acceptance) };
        let mut outcome = Outcome::end(Vec::new(), vec![Send::Call(accept)]);
        let (user, client) = (&participation.user, participation.client.as_ref());
        regrouped::give_way(view.model, user, client, &participation.group, &mut outcome);
        outcome.changes.push(Change::Put(Fact::Participation(participation)));
        outcome
    }

    /// TS 24.379 6.3.2.2.6: a user who was asked and said no is 480 with Warning 110. Any other refusal goes on as it is.
    fn declined(&self, rejection: Rejection) -> Rejection {
        let by_user = match rejection.status {
            603 => true,
            480 | 486 => self.manual && self.alerted,
            _ => false,
        };
        if !by_user || rejection.warnings.iter().any(|warning| warning.code.is_some()) {
            return rejection;
        }
        let warnings = vec![Warning::coded(110)];
        Rejection { status: 480, warnings, contacts: Vec::new(), ..rejection }
    }

    fn refuse(self, rejection: Rejection) -> Outcome<Self> {
        let refuse = CallSend::Refuse { leg: self.core_leg, rejection: Box::new(rejection) };
        Outcome::end(Vec::new(), vec![Send::Call(refuse)])
    }
}

#[cfg(test)]
mod tests {
    use crate::mc::testing::*;
    use crate::model::testing::*;
    use crate::model::*;
    use crate::procedure::*;

    fn board(mode: AnswerMode) -> Switchboard {
        let bob = user_with("bob", |profile| profile.answer_mode = mode);
        let mut board = Switchboard::new([bob], [group("fire", &["bob"])]);
        board.world.affiliate("bob", "b1", &["fire"]);
        board
    }

    /// What a controlling function elsewhere sends for bob.
    fn invitation() -> Invitation {
        let mut invitation = Switchboard::from_elsewhere("alice", "fire");
        invitation.info.calling_group = invitation.info.request_uri.take();
        invitation.info.request_uri = Some("sip:bob@one.example".to_owned());
        invitation.info.client_id = None;
        invitation.focus = true;
        invitation.focus_session = Some("sip:groups@two.example;gr=5".to_owned());
        invitation.asserted = Some(Psi::new("sip:groups@two.example"));
        invitation
    }

    #[test]
    fn the_client_is_invited_in_the_commencement_mode_of_its_user() {
        for (mode, word) in [(AnswerMode::Automatic, "Auto"), (AnswerMode::Manual, "Manual")] {
            let mut board = board(mode);
            let mut given = invitation();
            given.resource_priority = Some("mcpttp.0".to_owned());
            given.answer_modes = vec![
                (AnswerModeHeader::Answer, "other".to_owned()),
                (AnswerModeHeader::PrivAnswer, "Auto".to_owned()),
            ];
            let (_, lines) = board.invite_from_elsewhere(given.clone());
            assert_eq!(lines, ["bob <- INVITE fire by alice"]);
            let sent = board.invited("bob");
            let modes = [(AnswerModeHeader::Answer, word), (AnswerModeHeader::PrivAnswer, "Auto")];
            assert_eq!(sent.answer_modes, modes.map(|(header, mode)| (header, mode.to_owned())));
            assert_eq!((&sent.info, &sent.offer), (&given.info, &given.offer), "bodies as received");
            assert!(sent.focus);
            assert_eq!(sent.asserted, given.asserted, "TS 24.379 10.1.1.3.2");
            assert_eq!((sent.hops, &sent.resource_priority), (69, &given.resource_priority));
        }
    }

    #[test]
    fn only_clients_that_are_affiliated_to_the_group_ring() {
        let mut board = board(AnswerMode::Automatic);
        board.world.affiliate("bob", "b2", &[]);
        board.invite_from_elsewhere(invitation());
        let clients = |names: &[&str]| Party::Client {
            user: user_id("bob"),
            clients: names.iter().map(|name| ClientId::from(*name)).collect(),
        };
        assert_eq!(*board.party("bob"), clients(&["b1"]));
        board.world.affiliate("bob", "b2", &["fire"]);
        board.invite_from_elsewhere(invitation());
        assert_eq!(*board.party("bob"), clients(&["b1", "b2"]));
        // A group of another system: the controlling function knows its affiliations.
        let mut far = invitation();
        far.info.calling_group = Some("sip:ems@two.example".to_owned());
        board.invite_from_elsewhere(far);
        assert_eq!(*board.party("bob"), clients(&[]));
    }

    // TS 24.379 10.1.1.3.2.
    #[test]
    fn checks_come_in_the_order_of_the_clause() {
        let mut board = board(AnswerMode::Automatic);
        let mut given = invitation();
        given.hops = 0;
        given.focus = false;
        given.info.encrypted = true;
        given.info.request_uri = None;
        given.info.calling_group = None;
        let refused = |board: &mut Switchboard, invitation: &Invitation| {
            let (caller, _) = board.invite_from_elsewhere(invitation.clone());
            board.assert_quiet();
            let rejection = board.refused(caller);
            (rejection.status, rejection.warnings.iter().find_map(|warning| warning.code))
        };
        assert_eq!(refused(&mut board, &given), (483, None));
        given.hops = 70;
        assert_eq!(refused(&mut board, &given), (403, Some(104)), "step 2");
        given.focus = true;
        assert_eq!(refused(&mut board, &given), (403, Some(140)));
        given.info.encrypted = false;
        assert_eq!(refused(&mut board, &given), (400, None), "no user");
        given.info.request_uri = Some("sip:nobody@one.example".to_owned());
        assert_eq!(refused(&mut board, &given), (400, None), "no group");
        given.info.calling_group = Some("sip:fire@one.example".to_owned());
        assert_eq!(refused(&mut board, &given), (404, Some(141)), "not a user of ours");
    }

    #[test]
    fn answers_of_the_client_go_to_the_controlling_function() {
        let mut board = board(AnswerMode::Manual);
        let (cf, _) = board.invite_from_elsewhere(invitation());
        assert_eq!(board.progress("bob", 180, false), ["cf <- 180"]);
        assert_eq!(board.accept_with("bob", vec![Warning::coded(149)]), ["cf <- 200 149"]);
        let participation = board.world.model.participations().next().unwrap();
        assert_eq!(participation.role, ParticipationRole::Terminating);
        assert_eq!((&participation.user, &participation.group), (&user_id("bob"), &group_id("fire")));
        assert_eq!(participation.client, Some(ClientId::from("b1")));
        assert_eq!(participation.session.as_deref(), Some("sip:groups@two.example;gr=5"));
        let acceptance = board.accepted(cf);
        let own = format!("sip:mcptt-participating@one.example;gr={}", participation.id);
        assert_eq!((&acceptance.session, acceptance.answer.is_some()), (&Some(own), true));
        assert_eq!(acceptance.client, Some(ClientId::from("b1")));
        // Either side ends it.
        assert_eq!(board.hang_up(cf), ["bob <- BYE"]);
        board.assert_quiet();
        let (_, _) = board.invite_from_elsewhere(invitation());
        board.accept("bob");
        let bob = board.phone("bob");
        assert_eq!(board.hang_up(bob), ["cf <- BYE"]);
        board.assert_quiet();
    }

    // TS 24.379 6.3.2.2.6.
    #[test]
    fn a_user_that_says_no_is_480_and_110() {
        for (mode, rings, status, line) in [
            (AnswerMode::Manual, true, 603, "cf <- 480 110"),
            (AnswerMode::Manual, true, 486, "cf <- 480 110"),
            (AnswerMode::Manual, true, 480, "cf <- 480 110"),
            (AnswerMode::Automatic, false, 603, "cf <- 480 110"),
            // Nobody was asked.
            (AnswerMode::Manual, false, 480, "cf <- 480"),
            (AnswerMode::Automatic, true, 486, "cf <- 486"),
            // Not the user's word.
            (AnswerMode::Manual, true, 408, "cf <- 408"),
            (AnswerMode::Manual, true, 488, "cf <- 488"),
        ] {
            let mut board = board(mode);
            board.invite_from_elsewhere(invitation());
            if rings {
                board.progress("bob", 180, false);
            }
            assert_eq!(board.reject("bob", status), [line], "{mode:?} {rings} {status}");
            board.assert_quiet();
        }
    }

    #[test]
    fn a_warning_of_the_client_is_kept() {
        let mut board = board(AnswerMode::Manual);
        board.invite_from_elsewhere(invitation());
        board.progress("bob", 180, false);
        let rejection = Rejection {
            status: 480,
            warnings: vec![Warning::coded(110), Warning::plain("in a meeting")],
            ..Rejection::default()
        };
        let cf = board.phone("cf");
        board.reject_with("bob", rejection.clone());
        assert_eq!(board.refused(cf).warnings, rejection.warnings);
    }

    #[test]
    fn a_user_without_client_is_480_and_nothing_else() {
        let mut board = board(AnswerMode::Manual);
        board.away.insert(user_id("bob"));
        let (_, lines) = board.invite_from_elsewhere(invitation());
        assert_eq!(lines, ["cf <- 480"]);
        board.assert_quiet();
    }

    // Race: CANCEL against the acceptance.
    #[test]
    fn an_invitation_that_was_given_up_is_cancelled_and_a_late_acceptance_released() {
        let mut board = board(AnswerMode::Automatic);
        let (cf, _) = board.invite_from_elsewhere(invitation());
        assert_eq!(board.cancel(cf), ["bob <- CANCEL"]);
        assert_eq!(board.accept("bob"), ["bob <- BYE"]);
        board.assert_quiet();
    }

    #[test]
    fn words_out_of_season_are_answered_and_change_nothing() {
        let mut board = board(AnswerMode::Automatic);
        let (cf, _) = board.invite_from_elsewhere(invitation());
        assert_eq!(board.offer(cf, None, None), ["cf <- re 481"]);
        assert!(board.say(cf, LegEvent::Confirmed).is_empty());
        let bob = board.phone("bob");
        assert_eq!(board.lose(bob), ["cf <- 480"]);
        board.assert_quiet();
    }

    /// The same invitation from another function.
    fn from(function: &str, user: &str, group: &str) -> Invitation {
        let mut invitation = invitation();
        invitation.info.request_uri = Some(user_id(user).to_string());
        invitation.info.calling_group = Some(group_id(group).to_string());
        invitation.focus_session = Some(format!("sip:groups@{function}.example;gr=7"));
        invitation
    }

    // No member is rung twice: both the controlling and a non-controlling function may have the user.
    #[test]
    fn a_user_whom_another_function_rings_or_has_in_the_call_is_not_rung_again() {
        let mut board = board(AnswerMode::Manual);
        let (cf, _) = board.invite_from_elsewhere(invitation());
        let (_, lines) = board.invite_from_elsewhere(from("three", "bob", "fire"));
        assert_eq!(lines, ["cf <- 486 123"], "it rings");
        board.accept("bob");
        let (_, lines) = board.invite_from_elsewhere(from("three", "bob", "fire"));
        assert_eq!(lines, ["cf <- 486 123"], "in the call");
        // Another call, another service.
        let (_, lines) = board.invite_from_elsewhere(from("three", "bob", "police"));
        assert_eq!(lines, ["bob <- INVITE police by alice"]);
        let video = Invitation { service: Service::McVideo, ..from("three", "bob", "fire") };
        let (_, lines) = board.invite_from_elsewhere(video);
        assert_eq!(lines, ["bob <- INVITE fire by alice"]);
        // When the first is over, so is the reason.
        board.hang_up(cf);
        let (_, lines) = board.invite_from_elsewhere(from("three", "bob", "fire"));
        assert_eq!(lines, ["bob <- INVITE fire by alice"]);
    }

    #[test]
    fn the_same_function_may_invite_again_what_it_has_lost() {
        let mut board = board(AnswerMode::Manual);
        board.invite_from_elsewhere(invitation());
        board.accept("bob");
        let again =
            Invitation { focus_session: Some("sip:groups@two.example;gr=9".to_owned()), ..invitation() };
        let (_, lines) = board.invite_from_elsewhere(again);
        assert_eq!(lines, ["bob <- INVITE fire by alice"]);
    }

    #[test]
    fn a_user_in_the_call_of_a_constituent_that_was_taken_along_is_not_rung() {
        let mut board = Switchboard::fire(|_| ());
        board.call("alice", "fire");
        board.accept("bob");
        let mut call = board.the_call().clone();
        let leg = LegId(9_999);
        call.superior = Some(Superior {
            leg,
            temporary: group_id("sip:tg@two.example"),
            caller: user_id("sip:zoe@two.example"),
            merged: true,
            awaits_required: false,
        });
        board.world.apply(&[Change::Put(Fact::Call(call))]);
        let (_, lines) = board.invite_from_elsewhere(from("two", "bob", "sip:tg@two.example"));
        assert_eq!(lines, ["cf <- 486 123"]);
        let (_, lines) = board.invite_from_elsewhere(from("two", "dave", "sip:tg@two.example"));
        assert_eq!(lines, ["dave <- INVITE tg@two.example by alice"]);
    }
}
