//! The originating participating function: a client of ours calls a group. TS 24.379 10.1.1.3.1.1, 10.1.1.3.5.
//!
//! ```text
//!  client             originating PF            controlling function
//!    |-- INVITE ----------->| 4 profile, 5 N6, 6 media     |
//!    |                      | 7 who controls the group     |
//!    |                      | implicit affiliation: `affiliation::by_call`
//!    |                      |-- 8 INVITE (6.3.2.1.3) ----->|
//!    |<-- 180, 183 ---------|<-------------- 180, 183 -----|
//!    |<-- 200 --------------|<------------------- 200 -----|  6.3.2.1.5.2
//!    |<-- refusal ----------|<--------------- refusal -----|  a 302: `regrouped`
//!    |-- CANCEL ----------->|-- CANCEL ------------------->|  a 2xx that crosses it has affiliated the client
//! ```

use super::affiliation::by_call::{self, Came};
use super::calls::Open;
use super::controlling::acceptable;
use super::elsewhere::LeftElsewhere;
use super::groups;
use super::regrouped::{Redirected, give_way, gives_way, redirected};
use super::session::session_identity;
use crate::documents::McInfo;
use crate::model::*;
use crate::procedure::*;

/// The client waits for the controlling function.
#[derive(Debug)]
pub(super) struct AwaitControlling {
    pub id: ParticipationRef,
    pub user: UserId,
    client: Option<ClientId>,
    group: GroupId,
    client_leg: LegId,
    core_leg: LegId,
    service: Service,
    /// The call affiliates the client, and has added the entry.
    affiliating: bool,
    /// What to send again if we have to follow a redirection.
    again: Option<Box<Invitation>>,
    followed: bool,
    /// The client gave up. Only how the INVITE ends is awaited: whoever accepted it has affiliated the client.
    pub given_up: bool,
}

/// Who asks the originating participating function.
#[derive(Debug)]
pub(super) struct Originator {
    /// Whom the public identity is bound to.
    pub user: UserId,
    /// The client, from the registration.
    pub client: Option<ClientId>,
    /// For a rejoin of a call whose controlling function is elsewhere: the session that the user left.
    pub elsewhere: Option<LeftElsewhere>,
}

/// Steps 2 to 8.
///
/// # Errors
/// The first check that fails: 141, 140, 109 or 108, 103, 488, 142, 102.
pub(super) fn incoming(
    view: &mut View<'_>,
    open: &Open,
    leg: LegId,
    caller: Originator,
    invitation: Invitation,
) -> Result<(ParticipationRef, Outcome<AwaitControlling>), Refusal> {
    let Originator { user, client, elsewhere } = caller;
    if invitation.hops == 0 {
        return Err(Refusal::TooManyHops);
    }
    // Step 2.
    let profile = view.model.user(user.as_str()).map(|user| &user.profile).ok_or(Refusal::UnknownUser)?;
    // Step 3.
    let info = &invitation.info;
    if info.encrypted {
        return Err(Refusal::Encrypted);
    }
    // Step 4.
    match info.session_type.as_deref() {
        Some("prearranged") if profile.allow_prearranged_call => {}
        Some("chat") if profile.allow_chat_call => {}
        Some("prearranged") => return Err(Refusal::CallsNotAllowed { prearranged: true }),
        Some("chat") => return Err(Refusal::CallsNotAllowed { prearranged: false }),
        Some(_) => return Err(Refusal::LocalPolicy { why: "session-type not served" }),
        None => return Err(Refusal::Malformed { place: "session-type".to_owned() }),
    }
    let group = called_group(view, &invitation, elsewhere.as_ref())?;
    let client = info.client_id.as_deref().map(ClientId::from).or(client);
    // Step 5. An emergency call passes (NOTE 3): the controlling function refuses it if it is not authorised.
    if let Some(limit) = profile.max_calls_n6
        && info.emergency != Some(true)
        && simultaneous_calls(view.model, open, &user, client.as_ref(), &group) >= limit as usize
    {
        return Err(Refusal::TooManyCalls { limit });
    }
    // Step 6.
    let offer = invitation.offer.as_ref().ok_or(Refusal::MediaNotAcceptable { why: "no offer" })?;
    acceptable(view, view.model.group(Side::Mc, group.as_str()).map(AsRef::as_ref), offer)?;
    // Step 7.
    if view.policy.controlling_of(&group) == Place::Nowhere {
        return Err(Refusal::NoControllingFunction(group));
    }
    // TS 24.379 9.2.2.2.12, of a client that is not affiliated.
    let mut outcome = Outcome::default();
    outcome.sends.extend(groups::wanted(view, &group));
    let affiliating = affiliate(view, &user, client.as_ref(), &invitation, &group, &mut outcome)?;
    // Step 8.
    let id = ParticipationRef(view.ids.number());
    let core_leg = LegId(view.ids.number());
    let mut invitation = Box::new(outgoing(&user, client.as_ref(), invitation));
    // A rejoin need not name the group: a controlling function elsewhere hears it all the same.
    invitation.info.request_uri.get_or_insert_with(|| group.to_string());
    let again = (view.policy.regrouped_call_of(&group) == RegroupedCall::Follow).then(|| invitation.clone());
    let wait = AwaitControlling {
        id,
        user,
        client,
        group: group.clone(),
        client_leg: leg,
        core_leg,
        service: invitation.service,
        affiliating,
        again,
        followed: false,
        given_up: false,
    };
    let invite = CallSend::Invite {
        leg: core_leg,
        owner: LegOwner::Participation(id),
        to: Party::Controlling { group, session: elsewhere.map(|left| left.session) },
        invitation,
    };
    outcome.sends.push(Send::Call(invite));
    outcome.wait = Some(wait);
    Ok((id, outcome))
}

/// Implicit affiliation, if the request brings it and the client needs it. A client that nobody has named has none.
///
/// # Errors
/// 486 with 102: N2.
fn affiliate<W>(
    view: &mut View<'_>,
    user: &UserId,
    client: Option<&ClientId>,
    invitation: &Invitation,
    group: &GroupId,
    outcome: &mut Outcome<W>,
) -> Result<bool, Refusal> {
    match client {
        Some(client)
            if by_call::eligible(view, user, client, group, invitation)
                && !by_call::is_known(view, user, client, invitation.service, group) =>
        {
            by_call::begin(view, user, client, invitation.service, group, outcome)
        }
        _ => Ok(false),
    }
}

/// The group that is called; for a rejoin that does not name it, the group of the session.
fn called_group(
    view: &View<'_>,
    invitation: &Invitation,
    elsewhere: Option<&LeftElsewhere>,
) -> Result<GroupId, Refusal> {
    if let Some(uri) = invitation.info.request_uri.as_deref() {
        let malformed = || Refusal::Malformed { place: "mcptt-request-uri".to_owned() };
        let group = uri::identity(uri).map(GroupId::new).ok_or_else(malformed)?;
        return match elsewhere {
            Some(left) if left.group != group => Err(Refusal::NoSuchCall),
            _ => Ok(group),
        };
    }
    if let Some(left) = elsewhere {
        return Ok(left.group.clone());
    }
    match invitation.session {
        Some(call) => view.model.call(call).map(|call| call.group.id.clone()).ok_or(Refusal::NoSuchCall),
        None => Err(Refusal::Malformed { place: "mcptt-request-uri".to_owned() }),
    }
}

/// Calls that count for N6: those in progress and those being set up. A client that calls its group again has lost that
/// call, which does not count; nor does the call of a constituent, which gives way to that of the temporary group.
fn simultaneous_calls(
    model: &Model,
    open: &Open,
    user: &UserId,
    client: Option<&ClientId>,
    group: &GroupId,
) -> usize {
    let running = model
        .participations_of(user.as_str())
        .filter(|one| one.group != *group || one.client.as_ref() != client)
        .filter(|one| !gives_way(model, one, client, group))
        .count();
    running + open.calls_in_setup(user)
}

/// TS 24.379 6.3.2.1.3: what of the client's INVITE goes on. Answer-Mode does not.
fn outgoing(user: &UserId, client: Option<&ClientId>, invitation: Invitation) -> Invitation {
    let info = McInfo {
        calling_user: Some(user.to_string()),
        calling_group: None,
        client_id: client.map(ToString::to_string),
        access_token: None,
        ..invitation.info
    };
    Invitation { info, focus: false, answer_modes: Vec::new(), hops: invitation.hops - 1, ..invitation }
}

impl AwaitControlling {
    /// What is heard on one of the two legs.
    pub(super) fn on(self, view: &mut View<'_>, leg: LegId, event: LegEvent) -> Outcome<Self> {
        if self.given_up {
            return self.given_up(view, leg, &event);
        }
        let mut sends = Vec::new();
        match event {
            LegEvent::Progress(progress) if leg == self.core_leg => {
                sends.push(Send::Call(CallSend::Progress { leg: self.client_leg, progress }));
            }
            LegEvent::Accepted(acceptance) if leg == self.core_leg => {
                return self.established(view, *acceptance);
            }
            LegEvent::Refused(rejection) if leg == self.core_leg => return self.refused(view, rejection),
            LegEvent::Released { .. } | LegEvent::Lost { .. } if leg == self.core_leg => {
                return self.refuse(view, Rejection { status: 500, ..Rejection::default() });
            }
            // The client gave up. An acceptance on its way is released when it comes.
            LegEvent::Cancelled | LegEvent::Released { .. } | LegEvent::Lost { .. }
                if leg == self.client_leg =>
            {
                return self.give_up(view);
            }
            event => sends.extend(super::relaying::stray(leg, &event)),
        }
        Outcome::wait(self, Vec::new(), sends)
    }

    /// An acceptance on its way is released when it comes. A controlling function elsewhere that has accepted has
    /// affiliated the client, so how the INVITE ends is awaited.
    fn give_up(mut self, view: &mut View<'_>) -> Outcome<Self> {
        let cancel = Send::Call(CallSend::Cancel { leg: self.core_leg });
        let mut outcome = Outcome::end(Vec::new(), vec![cancel]);
        if let (true, Some(client)) = (self.affiliating, &self.client) {
            let (user, group) = (&self.user, &self.group);
            self.given_up = by_call::give_up(view, user, client, self.service, group, &mut outcome);
        }
        outcome.wait = self.given_up.then_some(self);
        outcome
    }

    /// Something is heard after [`Self::give_up`].
    fn given_up(self, view: &mut View<'_>, leg: LegId, event: &LegEvent) -> Outcome<Self> {
        let LegEvent::GivenUp { status } = *event else {
            return Outcome::wait(self, Vec::new(), super::relaying::stray(leg, event).into_iter().collect());
        };
        let mut outcome = Outcome::default();
        let unsure = (200..300).contains(&status) || says_nothing(status);
        self.not_affiliated(view, Came::End { unsure }, &mut outcome);
        outcome
    }

    /// TS 24.379 6.3.2.1.5.2.
    fn established(self, view: &mut View<'_>, mut acceptance: Acceptance) -> Outcome<Self> {
        let participation = Participation {
            id: self.id,
            role: ParticipationRole::Originating,
            user: self.user,
            client: self.client,
            group: self.group.clone(),
            client_leg: self.client_leg,
            core_leg: self.core_leg,
            session: acceptance.session.take(),
        };
        if self.followed {
            // The client called another group: it learns in which one it is now.
            let info = acceptance.info.get_or_insert_default();
            info.calling_group = Some(self.group.to_string());
        }
        acceptance.session = session_identity(&view.policy.functions.participating, self.id.0);
        acceptance.client = None;
        let accept = CallSend::Accept { leg: self.client_leg, acceptance: Box::new(acceptance) };
        let mut outcome = Outcome::end(Vec::new(), vec![Send::Call(accept)]);
        let (user, client) = (&participation.user, participation.client.as_ref());
        give_way(view.model, user, client, &self.group, &mut outcome);
        // TS 24.379 9.2.2.2.13.
        if let (true, Some(client)) = (self.affiliating, &participation.client) {
            by_call::complete(view, &participation.user, client, self.service, &self.group, &mut outcome);
        }
        outcome.changes.push(Change::Put(Fact::Participation(participation)));
        outcome
    }

    /// A final answer from 300.
    fn refused(self, view: &mut View<'_>, rejection: Box<Rejection>) -> Outcome<Self> {
        if !(300..400).contains(&rejection.status) {
            return self.refuse(view, *rejection);
        }
        match redirected(view.policy, &self.group, self.followed, &rejection) {
            Redirected::PassOn => self.refuse(view, *rejection),
            Redirected::Refuse => self.refuse(view, Refusal::Regrouped.into()),
            Redirected::Follow(temporary) => self.follow(view, temporary),
        }
    }

    /// A new INVITE to the temporary group: same caller, same offer, same indications. The session-type is that of the
    /// temporary group, where it is known.
    fn follow(mut self, view: &mut View<'_>, temporary: GroupId) -> Outcome<Self> {
        if view.policy.controlling_of(&temporary) == Place::Nowhere {
            return self.refuse(view, Refusal::NoControllingFunction(temporary).into());
        }
        let Some(mut invitation) = self.again.take() else {
            return self.refuse(view, Refusal::Regrouped.into());
        };
        invitation.info.request_uri = Some(temporary.to_string());
        invitation.session = None;
        if let Some(document) = view.model.group(Side::Mc, temporary.as_str()) {
            let kind = if document.prearranged { "prearranged" } else { "chat" };
            invitation.info.session_type = Some(kind.to_owned());
        }
        let mut outcome = Outcome::default();
        if let (true, Some(client)) = (self.affiliating, &self.client) {
            let (from, to) = (&self.group, &temporary);
            self.affiliating = by_call::follow(view, &self.user, client, from, to, &invitation, &mut outcome);
        } else {
            // Whom the constituent knows its temporary group, elsewhere, may not.
            let (user, client) = (self.user.clone(), self.client.clone());
            match affiliate(view, &user, client.as_ref(), &invitation, &temporary, &mut outcome) {
                Ok(added) => self.affiliating = added,
                Err(refusal) => return self.refuse(view, refusal.into()),
            }
        }
        self.core_leg = LegId(view.ids.number());
        self.group = temporary.clone();
        self.followed = true;
        let invite = CallSend::Invite {
            leg: self.core_leg,
            owner: LegOwner::Participation(self.id),
            to: Party::Controlling { group: temporary, session: None },
            invitation,
        };
        outcome.sends.push(Send::Call(invite));
        outcome.wait = Some(self);
        outcome
    }

    fn refuse(self, view: &mut View<'_>, rejection: Rejection) -> Outcome<Self> {
        let came = if says_nothing(rejection.status) { Came::Silence } else { Came::Nothing };
        let refuse = CallSend::Refuse { leg: self.client_leg, rejection: Box::new(rejection) };
        let mut outcome = Outcome::end(Vec::new(), vec![Send::Call(refuse)]);
        self.not_affiliated(view, came, &mut outcome);
        outcome
    }

    /// TS 24.379 9.2.2.2.14: nothing came of the call.
    fn not_affiliated<W>(&self, view: &mut View<'_>, came: Came, outcome: &mut Outcome<W>) {
        if let (true, Some(client)) = (self.affiliating, &self.client) {
            by_call::cancel(view, &self.user, client, self.service, &self.group, came, outcome);
        }
    }
}

/// Whether a final answer does not tell if the controlling function had accepted: silence, or somebody on the way.
fn says_nothing(status: u16) -> bool {
    matches!(status, 408 | 500 | 503 | 504)
}

#[cfg(test)]
mod tests {
    use crate::documents::McInfo;
    use crate::mc::testing::*;
    use crate::model::testing::*;
    use crate::model::*;
    use crate::procedure::*;

    /// Our participating function, with the controlling function elsewhere.
    fn board() -> Switchboard {
        let mut board = Switchboard::fire(|_| ());
        board.controlling_elsewhere = true;
        board
    }

    // TS 24.379 6.3.2.1.3.
    #[test]
    fn the_controlling_function_is_told_who_calls() {
        let mut board = board();
        let mut invitation = Switchboard::invitation("alice", "fire");
        invitation.info.calling_user = Some("sip:mallory@one.example".to_owned());
        invitation.info.calling_group = Some("sip:police@one.example".to_owned());
        invitation.info.access_token = Some("secret".to_owned());
        invitation.info.kept.foreign = vec!["<x xmlns='y'/>".to_owned()];
        invitation.answer_modes = vec![(AnswerModeHeader::Answer, "Auto".to_owned())];
        invitation.resource_priority = Some("mcpttp.0".to_owned());
        invitation.focus = true;
        let (_, lines) = board.call_with("alice", invitation.clone());
        assert_eq!(lines, ["cf <- INVITE fire by alice"]);
        let sent = board.invited("cf");
        let info = McInfo {
            calling_user: Some("sip:alice@one.example".to_owned()),
            calling_group: None,
            access_token: None,
            ..invitation.info
        };
        assert_eq!(sent.info, info);
        assert!(sent.answer_modes.is_empty() && !sent.focus);
        assert_eq!(sent.offer, invitation.offer);
        assert_eq!((sent.hops, sent.resource_priority.as_deref()), (69, Some("mcpttp.0")));
        assert_eq!(*board.party("cf"), Party::Controlling { group: group_id("fire"), session: None });
    }

    #[test]
    fn the_client_of_the_registration_is_named_where_the_body_does_not() {
        let mut board = board();
        let mut invitation = Switchboard::invitation("alice", "fire");
        invitation.info.client_id = None;
        let role = crate::mc::calls::Incoming::Originating {
            user: user_id("alice"),
            client: Some(ClientId::from("a7")),
            elsewhere: None,
        };
        let incoming =
            crate::mc::calls::incoming(&mut board.world.view(), &mut board.open, LegId(1), role, invitation);
        match &incoming.unwrap().1.sends[..] {
            [Send::Call(CallSend::Invite { invitation, .. })] => {
                assert_eq!(invitation.info.client_id.as_deref(), Some("a7"));
            }
            other => panic!("{other:?}"),
        }
    }

    // TS 24.379 10.1.1.3.1.1 steps 2 to 7: mended one by one.
    #[test]
    fn checks_come_in_the_order_of_the_clause() {
        let mut board = board();
        board.world.policy.domain = "two.example".to_owned();
        board.world.model = Model::provisioned(
            [user_with("alice", |profile| {
                profile.allow_prearranged_call = false;
                profile.allow_chat_call = false;
                profile.max_calls_n6 = Some(0);
            })],
            [],
        );
        let mut invitation = Switchboard::invitation("alice", "fire");
        invitation.hops = 0;
        invitation.info.encrypted = true;
        invitation.info.request_uri = Some("no URI".to_owned());
        invitation.info.session_type = None;
        invitation.offer = None;
        let refused = |board: &mut Switchboard, user: &str, invitation: &Invitation| {
            let (caller, _) = board.call_with(user, invitation.clone());
            board.assert_quiet();
            let rejection = board.refused(caller);
            (rejection.status, rejection.warnings.iter().find_map(|warning| warning.code))
        };
        assert_eq!(refused(&mut board, "nobody", &invitation), (483, None));
        invitation.hops = 70;
        assert_eq!(refused(&mut board, "nobody", &invitation), (404, Some(141)), "step 2");
        assert_eq!(refused(&mut board, "alice", &invitation), (403, Some(140)), "step 3");
        invitation.info.encrypted = false;
        assert_eq!(refused(&mut board, "alice", &invitation), (400, None), "no session-type");
        invitation.info.session_type = Some("private".to_owned());
        assert_eq!(refused(&mut board, "alice", &invitation), (403, Some(100)));
        invitation.info.session_type = Some("chat".to_owned());
        assert_eq!(refused(&mut board, "alice", &invitation), (403, Some(108)), "step 4");
        invitation.info.session_type = Some("prearranged".to_owned());
        assert_eq!(refused(&mut board, "alice", &invitation), (403, Some(109)), "step 4");
        let limited = user_with("alice", |profile| profile.max_calls_n6 = Some(0));
        board.world.model = Model::provisioned([limited], []);
        assert_eq!(refused(&mut board, "alice", &invitation), (400, None), "no group");
        invitation.info.request_uri = Some("sip:fire@one.example".to_owned());
        assert_eq!(refused(&mut board, "alice", &invitation), (486, Some(103)), "step 5");
        board.world.model = Model::provisioned([user("alice")], []);
        assert_eq!(refused(&mut board, "alice", &invitation), (488, None), "step 6: no offer");
        invitation.offer = Some(offer("EVS"));
        assert_eq!(refused(&mut board, "alice", &invitation), (488, None), "step 6: no common codec");
        invitation.offer = Some(offer("AMR-WB"));
        assert_eq!(refused(&mut board, "alice", &invitation), (404, Some(142)), "step 7");
        board.world.policy.domain = "one.example".to_owned();
        let (_, lines) = board.call_with("alice", invitation);
        assert_eq!(lines, ["cf <- INVITE fire by alice"], "the controlling function knows that it is gone");
    }

    // Step 5.
    #[test]
    fn n6_counts_calls_in_progress_and_in_set_up() {
        let members = ["alice", "bob"];
        let users = [user_with("alice", |profile| profile.max_calls_n6 = Some(2)), user("bob")];
        let mut board =
            Switchboard::new(users, ["fire", "police", "harbour"].map(|name| group(name, &members)));
        board.world.affiliate("alice", "a1", &["fire", "police", "harbour"]);
        board.world.affiliate("bob", "b1", &["fire", "police", "harbour"]);
        board.call("alice", "fire");
        board.controlling_elsewhere = true;
        let (second, lines) = board.call("alice", "police");
        assert_eq!(lines, ["cf <- INVITE police by alice"]);
        let (_, lines) = board.call("alice", "harbour");
        assert_eq!(lines, ["alice <- 486 103"]);
        // A client that calls its own group again is not counted twice.
        board.cancel(second);
        board.controlling_elsewhere = false;
        board.call("alice", "police");
        board.controlling_elsewhere = true;
        let (_, lines) = board.call("alice", "police");
        assert_eq!(lines, ["cf <- INVITE police by alice"]);
        // NOTE 3: an emergency passes.
        let mut emergency = Switchboard::invitation("alice", "harbour");
        emergency.info.emergency = Some(true);
        let (_, lines) = board.call_with("alice", emergency);
        assert_eq!(lines, ["cf <- INVITE harbour by alice emergency"]);
    }

    // TS 24.379 6.3.2.1.5.2.
    #[test]
    fn provisional_answers_and_the_acceptance_go_to_the_client() {
        let mut board = board();
        let (alice, _) = board.call("alice", "fire");
        assert_eq!(board.progress("cf", 180, false), ["alice <- 180"]);
        assert_eq!(board.progress("cf", 183, true), ["alice <- 183 unconfirmed"]);
        assert_eq!(board.world.model.participations().count(), 0, "nothing to remember yet");
        let cf = board.phone("cf");
        let acceptance = Acceptance {
            answer: Some(offer("AMR-WB")),
            info: Some(McInfo { emergency: Some(true), ..McInfo::default() }),
            warnings: vec![Warning::coded(111), Warning::plain("more")],
            session: Some("sip:groups@two.example;gr=5".to_owned()),
            unconfirmed: true,
            client: None,
        };
        let lines = board.say(cf, LegEvent::Accepted(Box::new(acceptance.clone())));
        assert_eq!(lines, ["alice <- 200 111 unconfirmed emergency"]);
        let participation = board.world.model.participations().next().unwrap();
        assert_eq!(participation.session, acceptance.session, "for the conference package");
        assert_eq!(participation.client, Some(ClientId::from("a1")));
        let told = board.accepted(alice);
        let own = format!("sip:mcptt-participating@one.example;gr={}", participation.id);
        assert_eq!(told.session, Some(own), "each function has its own session identity");
        assert_eq!((&told.answer, &told.warnings), (&acceptance.answer, &acceptance.warnings));
    }

    #[test]
    fn a_refusal_goes_to_the_client_as_it_is() {
        let mut board = board();
        let (alice, _) = board.call("alice", "fire");
        let refusal: Rejection = Refusal::PriorityNotAllowed { emergency: true }.into();
        assert_eq!(board.reject_with("cf", refusal), ["alice <- 403 no-emergency no-alert"]);
        assert_eq!(board.refused(alice).status, 403);
        board.call("alice", "fire");
        let busy = Rejection {
            retry_after: Some(7),
            warnings: vec![Warning::coded(122)],
            ..Rejection { status: 486, ..Rejection::default() }
        };
        assert_eq!(board.reject_with("cf", busy), ["alice <- 486 122"]);
        // Silence is 408.
        board.call("alice", "fire");
        assert_eq!(board.reject("cf", 408), ["alice <- 408"]);
        board.call("alice", "fire");
        let cf = board.phone("cf");
        assert_eq!(board.lose(cf), ["alice <- 500"]);
        board.assert_quiet();
    }

    // Race: CANCEL against the acceptance.
    #[test]
    fn a_call_that_was_given_up_is_cancelled_and_a_late_acceptance_released() {
        let mut board = board();
        let (alice, _) = board.call("alice", "fire");
        assert_eq!(board.cancel(alice), ["cf <- CANCEL"]);
        assert_eq!(board.accept("cf"), ["cf <- BYE"]);
        board.assert_quiet();
    }

    #[test]
    fn words_out_of_season_are_answered_and_change_nothing() {
        let mut board = board();
        let (alice, _) = board.call("alice", "fire");
        assert_eq!(board.offer(alice, None, None), ["alice <- re 481"]);
        assert!(board.say(alice, LegEvent::Confirmed).is_empty());
        assert!(
            board
                .say(
                    alice,
                    LegEvent::Progress(Progress { status: 180, unconfirmed: false, warnings: Vec::new() })
                )
                .is_empty()
        );
        assert_eq!(board.accept("cf"), ["alice <- 200"], "still waiting");
    }
}
