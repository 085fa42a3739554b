//! When the caller of a prearranged group call is answered: TS 24.379 6.3.3.3 and the end of 10.1.1.4.2.
//!
//! ```text
//!  caller              controlling function                  members
//!    |-- INVITE ------------->| TNG1, if members are required    |
//!    |                        |-- INVITE ----------------------->|
//!    |<-- 180 ----------------|<------------------------- 180 ---|
//!    |                        |<---------------- 200 / refusal --|  accepted, refused
//!    |                        | TNG1 expires                     |  timed_out
//!    |<-- 200 / refusal ------| all required are in, and enough: 200
//!    |                        | nobody can come any more, or abandoned: refusal, BYE and CANCEL to members
//! ```
//!
//! The same rules hold inside a non-controlling function (`non_controlling`), whose caller is the controlling function of
//! the temporary group: that one is answered with the first member, because its own TNG1 runs meanwhile, and is released if
//! the constituent's rules come to nothing afterwards.

use super::affiliation::by_call;
use super::controlling::Standing;
use super::non_controlling::{self, On, State};
use super::session::{Session, WithClients, note, session_identity};
use super::{leaving, upgrading};
use crate::documents::SessionDescription;
use crate::model::*;
use crate::procedure::*;
use std::collections::BTreeSet;

/// Most Warnings that the answer to the caller collects from members.
pub(super) const COLLECTED_WARNINGS: usize = 16;

/// What the caller waits for.
#[derive(Debug)]
pub(super) struct Commencement {
    /// Who waits.
    pub caller: Caller,
    /// What the rules of the group ask for.
    pub needs: Needs,
    /// Not all members could be asked (Warning 122).
    pub cut: bool,
    /// The best refusal of a member so far.
    pub refusal: Option<Rejection>,
    /// Warnings of members that accepted.
    pub warnings: Vec<Warning>,
    /// The caller knows that a member is being alerted.
    pub alerting: bool,
    /// The caller knows that a member's function has answered for it.
    pub unconfirmed: bool,
    /// Who must vouch for the caller before anything else happens (`constituents`).
    pub vouching: Option<Box<Held>>,
}

/// What the rules of a group ask for before its call stands: required members, and how many.
#[derive(Debug)]
pub(super) struct Needs {
    /// Required members that are not in the call.
    pub missing: BTreeSet<UserId>,
    /// The timer for them.
    pub tng1: Tng1,
    /// The call goes on without a required member (Warning 111).
    pub incomplete: bool,
}

/// What waits until a system vouches for the caller.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Members to be invited.
    pub members: Vec<WithClients>,
    /// Constituents to be asked.
    pub groups: Vec<GroupId>,
}

/// The one who called.
#[derive(Debug)]
pub(super) struct Caller {
    pub leg: LegId,
    /// As whom it takes part: the temporary group, for its controlling function.
    pub user: UserId,
    pub client: Option<ClientId>,
    pub port: u16,
    pub answer: SessionDescription,
    pub standing: Standing,
}

impl Caller {
    /// The call is accepted, and affiliates its caller if it was to.
    pub fn affiliate(&self, view: &mut View<'_>, call: &Call, out: &mut Outcome<Over>) {
        if let (Standing::ByCall, Some(client)) = (self.standing, &self.client) {
            by_call::take_in(view, &call.initiator, client, call.service, &call.group.id, out);
        }
    }
}

/// TNG1, the acknowledged call setup timer (TS 24.379 B.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tng1 {
    /// No required members.
    Off,
    /// Required members have not all accepted.
    Running,
    /// Expired, and the group document lets the call proceed.
    Expired,
}

/// What follows from the state of the set-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    Wait,
    Answer,
    GiveUp,
}

impl Commencement {
    /// A caller who waits for these required members.
    pub fn new(caller: Caller, missing: BTreeSet<UserId>) -> Self {
        let tng1 = if missing.is_empty() { Tng1::Off } else { Tng1::Running };
        Self {
            caller,
            needs: Needs { missing, tng1, incomplete: false },
            cut: false,
            refusal: None,
            warnings: Vec::new(),
            alerting: false,
            unconfirmed: false,
            vouching: None,
        }
    }

    /// What becomes of the caller. `accepted`: members in the call; `pending`: members asked without an answer yet.
    fn decide(&self, accepted: usize, pending: usize, minimum: usize) -> Decision {
        if self.vouching.is_some() {
            return if pending == 0 { Decision::GiveUp } else { Decision::Wait };
        }
        // Every invited member rejected.
        if pending == 0 && accepted == 0 && self.refusal.is_some() {
            return Decision::GiveUp;
        }
        self.needs.decide(accepted, pending, minimum)
    }
}

impl Needs {
    /// The rows of TS 24.379 6.3.3.3. `minimum`: `on-network-minimum-number-to-start`.
    fn decide(&self, accepted: usize, pending: usize, minimum: usize) -> Decision {
        if self.awaits_required() {
            return Decision::Wait;
        }
        if accepted >= minimum {
            return Decision::Answer;
        }
        // Not in the clause: nobody is left who could make up the number.
        if pending == 0 { Decision::GiveUp } else { Decision::Wait }
    }

    /// TNG1 runs for members who are not in the call.
    pub fn awaits_required(&self) -> bool {
        self.tng1 == Tng1::Running && !self.missing.is_empty()
    }

    /// A member will not come. True if the call is abandoned for it.
    fn lost(&mut self, user: &UserId, on_timeout: OnTimeout) -> bool {
        if self.tng1 == Tng1::Off || !self.missing.contains(user) {
            return false;
        }
        if self.tng1 == Tng1::Running && on_timeout == OnTimeout::Abandon {
            return true;
        }
        self.missing.remove(user);
        self.incomplete = true;
        false
    }
}

/// What the rules of the group still ask for.
pub(super) fn needs(session: &mut Session) -> Option<&mut Needs> {
    match &mut session.commencement {
        Some(commencement) => Some(&mut commencement.needs),
        None => session.needs.as_mut(),
    }
}

/// Starts TNG1, if there are required members.
pub(super) fn start_tng1(view: &View<'_>, session: &Session, out: &mut Outcome<Over>) {
    let running = |commencement: &Commencement| commencement.needs.tng1 == Tng1::Running;
    if session.commencement.as_ref().is_some_and(running) {
        let tng1 = session.call.group.acknowledgement_timeout.unwrap_or(view.policy.tng1_default);
        out.sends.push(Send::WakeAt { at: view.now.plus(tng1), wake: Wake::Tng1(session.call.id) });
    }
}

/// Acts on the state of the set-up. Nothing happens once the caller is answered and the group's rules are met.
pub(super) fn look(view: &mut View<'_>, session: &mut Session, out: &mut Outcome<Over>) {
    let minimum = usize::from(session.call.group.minimum_to_start);
    let named: usize = session.named.values().sum();
    let (accepted, pending) = (session.heads() + named, session.asked.len());
    let group = session.call.group.id.clone();
    let inviting = State::of(Some(session)) == State::Inviting;
    let Some(commencement) = &mut session.commencement else {
        return stand(view, session, (accepted, pending, minimum), out);
    };
    match commencement.decide(accepted, pending, minimum) {
        Decision::GiveUp => {
            let none = match commencement.vouching {
                Some(_) => Refusal::NotMember(group),
                None => Refusal::TooFewMembers,
            };
            let refusal = commencement.refusal.take().unwrap_or_else(|| none.into());
            give_up(view, session, refusal, "nobody is left to start with", out);
        }
        // The controlling function of a temporary group is answered with the first member.
        Decision::Wait | Decision::Answer if inviting => match (accepted, pending) {
            (0, 0) => {
                give_up(view, session, Refusal::TooFewMembers.into(), "nobody is left to start with", out)
            }
            (0, _) => {}
            _ => non_controlling::step(view, session, On::FirstMember, "", out),
        },
        Decision::Wait => {}
        Decision::Answer => answer(view, session, false, out),
    }
}

/// The rules of a constituent whose controlling function above was answered before they were met.
fn stand(
    view: &mut View<'_>,
    session: &mut Session,
    (accepted, pending, minimum): (usize, usize, usize),
    out: &mut Outcome<Over>,
) {
    let Some(needs) = &session.needs else { return };
    match needs.decide(accepted, pending, minimum) {
        Decision::Wait => {}
        Decision::Answer => session.needs = None,
        Decision::GiveUp => {
            non_controlling::step(view, session, On::Failed, "too few members came", out);
        }
    }
}

/// A member is in: it accepted, or came by itself while it was asked.
pub(super) fn accepted(
    view: &mut View<'_>,
    session: &mut Session,
    user: &UserId,
    warnings: &[Warning],
    out: &mut Outcome<Over>,
) {
    let Some(needs) = needs(session) else { return };
    needs.missing.remove(user);
    for warning in warnings {
        if let Some(commencement) = &mut session.commencement
            && commencement.warnings.len() < COLLECTED_WARNINGS
            && !commencement.warnings.contains(warning)
        {
            commencement.warnings.push(warning.clone());
        }
    }
    look(view, session, out);
}

/// A member will not come: it refused, could not be reached, left again or lost its affiliation.
pub(super) fn refused(
    view: &mut View<'_>,
    session: &mut Session,
    user: &UserId,
    rejection: Rejection,
    out: &mut Outcome<Over>,
) {
    let on_timeout = session.call.group.on_acknowledgement_timeout;
    let established = session.commencement.is_none();
    let rejection = presentable(rejection);
    if needs(session).is_some_and(|needs| needs.lost(user, on_timeout)) {
        let why = format!("required member {user} rejected");
        let warnings = rejection.warnings.iter().cloned().chain([Warning::coded(112)]).collect();
        return give_up(view, session, Rejection { warnings, ..rejection }, &why, out);
    }
    if let Some(commencement) = &mut session.commencement {
        let best = commencement.refusal.as_ref();
        if best.is_none_or(|best| rank(rejection.status) < rank(best.status)) {
            commencement.refusal = Some(rejection);
        }
    }
    look(view, session, out);
    // The call goes on without this member; if it was the last one asked, somebody may be alone now.
    if established {
        leaving::release_policy(view, session, out);
    }
}

/// TNG1 expired.
pub(super) fn timed_out(view: &mut View<'_>, session: &mut Session, out: &mut Outcome<Over>) {
    let on_timeout = session.call.group.on_acknowledgement_timeout;
    let Some(needs) = needs(session).filter(|needs| needs.tng1 == Tng1::Running) else { return };
    if needs.missing.is_empty() {
        return;
    }
    match on_timeout {
        OnTimeout::Abandon => {
            give_up(view, session, Refusal::TooFewMembers.into(), "TNG1 expired", out);
        }
        OnTimeout::Proceed => {
            needs.tng1 = Tng1::Expired;
            needs.incomplete = true;
            look(view, session, out);
        }
    }
}

/// A provisional answer of a member. The first 180 goes on to the caller; on a 183 with `P-Answer-State: Unconfirmed`
/// the caller may be answered if the media function keeps the speech until a member is there. If it does not, that of the
/// temporary group's controlling function may: the 183 goes on to it.
pub(super) fn progress(
    view: &mut View<'_>,
    session: &mut Session,
    progress: &Progress,
    out: &mut Outcome<Over>,
) {
    let inviting = State::of(Some(session)) == State::Inviting;
    let Some(commencement) = &mut session.commencement else { return };
    let leg = commencement.caller.leg;
    let tell = |status, unconfirmed| {
        let progress = Progress { status, unconfirmed, warnings: Vec::new() };
        Send::Call(CallSend::Progress { leg, progress })
    };
    if progress.unconfirmed && view.policy.buffers_media && inviting {
        non_controlling::step(view, session, On::Unconfirmed, "", out);
    } else if progress.unconfirmed && view.policy.buffers_media && commencement.needs.tng1 != Tng1::Running {
        answer(view, session, true, out);
    } else if progress.unconfirmed && inviting && !commencement.unconfirmed {
        commencement.unconfirmed = true;
        out.sends.push(tell(183, true));
    } else if progress.status == 180 && !commencement.alerting {
        commencement.alerting = true;
        out.sends.push(tell(180, false));
    }
}

/// TS 24.379 6.3.3.2.3.2: 200 to the caller. Own warnings stand first (step 7).
pub(super) fn answer(view: &mut View<'_>, session: &mut Session, unconfirmed: bool, out: &mut Outcome<Over>) {
    let Some(commencement) = session.commencement.take() else { return };
    let mut warnings = Vec::new();
    if commencement.needs.incomplete {
        warnings.push(Warning::coded(111));
    }
    if commencement.cut {
        warnings.push(Warning::coded(122));
    }
    warnings.extend(commencement.warnings);
    session.call.established = true;
    session.touch();
    let caller = commencement.caller;
    let (leg, answer) = (caller.leg, caller.answer.clone());
    let acceptance = Acceptance {
        answer: Some(answer.clone()),
        info: upgrading::state(&session.call, &session.template.info),
        warnings,
        session: session_identity(&view.policy.functions.controlling, session.call.id.0),
        unconfirmed,
        client: None,
    };
    out.sends.push(Send::Call(CallSend::Accept { leg, acceptance: Box::new(acceptance) }));
    caller.affiliate(view, &session.call, out);
    session.seat(view, leg, caller.user, caller.client, caller.port, out);
    session.describe(leg, answer);
    let line = format!("call {} established with {} participants", session.call.id, session.seats.len());
    note(out, line);
    // What the constituent's own rules ask for is looked at further.
    if State::of(Some(session)) == State::NonControlling {
        session.needs = Some(commencement.needs);
        look(view, session, out);
    }
}

/// The call does not come about: the caller is refused, members are released or no longer asked.
pub(super) fn give_up(
    view: &mut View<'_>,
    session: &mut Session,
    rejection: Rejection,
    why: &str,
    out: &mut Outcome<Over>,
) {
    if let Some(commencement) = &mut session.commencement {
        commencement.refusal = Some(rejection);
    }
    if session.call.superior.is_some() {
        return non_controlling::step(view, session, On::Failed, why, out);
    }
    refuse(session, out);
    session.end(view, why, out);
}

/// The caller, if it waits still, is refused.
pub(super) fn refuse(session: &mut Session, out: &mut Outcome<Over>) {
    if let Some(commencement) = &mut session.commencement
        && let Some(rejection) = commencement.refusal.take()
    {
        let leg = commencement.caller.leg;
        out.sends.push(Send::Call(CallSend::Refuse { leg, rejection: Box::new(rejection) }));
    }
}

/// What the caller may see of a member's refusal: the code, warnings and indications, no contacts. A redirection means
/// nothing to the caller.
fn presentable(rejection: Rejection) -> Rejection {
    let status = if rejection.status < 400 { 480 } else { rejection.status };
    Rejection { status, contacts: Vec::new(), retry_after: None, ..rejection }
}

/// Which refusal says most to the caller, lowest first: one that holds everywhere (6xx), then the member's own, then a
/// server's.
fn rank(status: u16) -> u8 {
    match status {
        600.. => 0,
        500..=599 => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mc::testing::*;
    use crate::model::testing::*;
    use std::time::Duration;

    fn required() -> Member {
        Member { required: true, ..Member::default() }
    }

    /// Alice has called `fire`; bob and carol are asked, carol being required.
    fn carol_required(change: impl FnOnce(&mut GroupDocument)) -> (Switchboard, Phone) {
        let mut board = Switchboard::fire_of(&[("carol", required())], change);
        let (alice, lines) = board.call("alice", "fire");
        assert_eq!(lines, ["carol <- INVITE fire by alice", "bob <- INVITE fire by alice"]);
        (board, alice)
    }

    fn proceed(group: &mut GroupDocument) {
        group.on_acknowledgement_timeout = OnTimeout::Proceed;
    }

    #[test]
    fn without_required_members_and_minimum_the_caller_is_answered_at_once() {
        let mut board = Switchboard::fire(|_| ());
        let (_, lines) = board.call("alice", "fire");
        assert_eq!(lines.last().unwrap(), "alice <- 200");
    }

    #[test]
    fn without_required_members_the_caller_waits_for_the_minimum() {
        let mut board = Switchboard::fire(|group| group.minimum_to_start = 2);
        let (_, lines) = board.call("alice", "fire");
        assert_eq!(lines.len(), 2);
        assert!(board.accept("bob").is_empty());
        assert!(!board.the_call().established);
        assert_eq!(board.accept("carol"), ["alice <- 200"]);
        assert!(board.the_call().established);
    }

    #[test]
    fn the_caller_waits_for_all_required_members_and_the_minimum() {
        let (mut board, _) = carol_required(|group| group.minimum_to_start = 2);
        assert!(board.accept("carol").is_empty());
        assert_eq!(board.accept("bob"), ["alice <- 200"]);
        assert!(board.wait(10).is_empty(), "TNG1 was stopped");

        let (mut board, _) = carol_required(|_| ());
        assert!(board.accept("bob").is_empty());
        assert_eq!(board.accept("carol"), ["alice <- 200"]);
    }

    #[test]
    fn tng1_takes_its_value_from_the_group_or_else_five_seconds() {
        let (mut board, _) = carol_required(|_| ());
        assert!(board.wait(4).is_empty());
        assert_eq!(board.wait(1)[0], "alice <- 480 112");

        let (mut board, _) =
            carol_required(|group| group.acknowledgement_timeout = Some(Duration::from_secs(30)));
        assert!(board.wait(29).is_empty());
        assert_eq!(board.wait(1)[0], "alice <- 480 112");
    }

    #[test]
    fn tng1_abandons_with_480_and_releases_everybody() {
        let (mut board, alice) = carol_required(|_| ());
        board.accept("bob");
        assert_eq!(sorted(board.wait(5)), ["alice <- 480 112", "bob <- BYE", "carol <- CANCEL"]);
        assert_eq!(board.refused(alice).warnings, [Warning::coded(112)]);
        board.assert_quiet();
    }

    #[test]
    fn tng1_proceeds_with_111_and_the_required_member_may_still_come() {
        let (mut board, _) = carol_required(proceed);
        board.accept("bob");
        assert_eq!(board.wait(5), ["alice <- 200 111"]);
        assert!(board.accept("carol").is_empty());
        assert_eq!(board.in_call(board.the_call().id), ["alice", "bob", "carol"]);
    }

    #[test]
    fn tng1_proceeds_only_with_the_minimum() {
        let (mut board, _) = carol_required(|group| {
            proceed(group);
            group.minimum_to_start = 1;
        });
        assert!(board.wait(5).is_empty(), "nobody is in yet");
        assert_eq!(board.accept("bob"), ["alice <- 200 111"]);

        // The late one may be the required member itself: it was not there in time.
        let (mut board, _) = carol_required(|group| {
            proceed(group);
            group.minimum_to_start = 1;
        });
        board.wait(5);
        assert_eq!(board.accept("carol"), ["alice <- 200 111"]);
    }

    #[test]
    fn a_required_member_that_rejects_abandons_with_its_code_and_112() {
        let (mut board, alice) = carol_required(|_| ());
        board.accept("bob");
        assert_eq!(sorted(board.reject("carol", 486)), ["alice <- 486 112", "bob <- BYE"]);
        assert_eq!(board.refused(alice).retry_after, None);
        board.assert_quiet();
    }

    #[test]
    fn a_required_member_that_declined_keeps_its_own_warning_in_front() {
        let (mut board, _) = carol_required(|_| ());
        assert_eq!(board.reject("carol", 603)[0], "alice <- 480 110 112");
    }

    #[test]
    fn a_required_member_that_rejects_leaves_a_call_that_proceeds_with_111() {
        let (mut board, _) = carol_required(|group| {
            proceed(group);
            group.minimum_to_start = 1;
        });
        assert!(board.reject("carol", 486).is_empty(), "keeps going");
        assert_eq!(board.accept("bob"), ["alice <- 200 111"]);
    }

    #[test]
    fn an_optional_member_that_rejects_is_only_noted() {
        let (mut board, _) = carol_required(|_| ());
        assert!(board.reject("bob", 486).is_empty());
        assert_eq!(board.accept("carol"), ["alice <- 200"]);
    }

    #[test]
    fn when_every_member_rejected_the_best_refusal_goes_to_the_caller() {
        for (bob, carol, best) in [
            (486, 606, 606),
            (606, 486, 606),
            (503, 486, 486),
            (480, 486, 480),
            (302, 503, 480),
            (503, 302, 480),
        ] {
            let mut board = Switchboard::fire(|group| group.minimum_to_start = 1);
            let (alice, _) = board.call("alice", "fire");
            assert!(board.reject("bob", bob).is_empty());
            assert_eq!(board.reject("carol", carol), [format!("alice <- {best}")]);
            assert!(board.refused(alice).contacts.is_empty());
            board.assert_quiet();
        }
    }

    #[test]
    fn members_that_are_silent_or_away_count_as_rejecting() {
        let mut board = Switchboard::fire(|group| group.minimum_to_start = 1);
        board.away.insert(user_id("bob"));
        board.call("alice", "fire");
        assert_eq!(board.reject("carol", 408), ["alice <- 480"], "the first of the 4xx");
        board.assert_quiet();
    }

    #[test]
    fn a_minimum_that_nobody_is_left_to_make_up_is_refused() {
        let mut board = Switchboard::fire(|group| group.minimum_to_start = 2);
        board.call("alice", "fire");
        board.accept("bob");
        assert_eq!(sorted(board.reject("carol", 486)), ["alice <- 486", "bob <- BYE"]);
        board.assert_quiet();

        let mut board = Switchboard::fire(|group| group.minimum_to_start = 3);
        board.call("alice", "fire");
        board.accept("bob");
        assert_eq!(
            sorted(board.accept("carol")),
            ["alice <- 480 112", "bob <- BYE", "carol <- BYE"],
            "all came, and it was not enough"
        );
        board.assert_quiet();
    }

    #[test]
    fn a_required_member_that_is_not_affiliated_is_waited_for() {
        let mut board = Switchboard::fire_of(&[("dave", required())], |_| ());
        let (_, lines) = board.call("alice", "fire");
        assert_eq!(lines.len(), 2);
        board.accept("bob");
        board.accept("carol");
        assert_eq!(board.affiliate("dave", "d1", "fire"), ["dave <- INVITE fire by alice"]);
        assert_eq!(board.accept("dave"), ["alice <- 200"]);

        let mut board = Switchboard::fire_of(&[("dave", required())], |_| ());
        board.call("alice", "fire");
        board.accept("bob");
        assert_eq!(board.wait(5)[0], "alice <- 480 112");
    }

    #[test]
    fn a_required_caller_is_there_already() {
        let mut board = Switchboard::fire_of(&[("alice", required())], |_| ());
        let (_, lines) = board.call("alice", "fire");
        assert_eq!(lines.last().unwrap(), "alice <- 200");
    }

    #[test]
    fn a_required_member_that_leaves_before_the_start_counts_as_one_that_rejected() {
        let (mut board, _) = carol_required(|group| group.minimum_to_start = 2);
        board.accept("carol");
        let carol = board.phone("carol");
        assert_eq!(sorted(board.hang_up(carol)), ["alice <- 480 112", "bob <- CANCEL"]);
        board.assert_quiet();
    }

    // Race: CANCEL against acceptances.
    #[test]
    fn a_caller_that_cancels_leaves_nobody_behind() {
        let (mut board, alice) = carol_required(|_| ());
        board.accept("bob");
        assert_eq!(sorted(board.cancel(alice)), ["bob <- BYE", "carol <- CANCEL"]);
        board.assert_quiet();
    }

    #[test]
    fn a_member_that_accepts_after_the_call_was_abandoned_is_released() {
        let mut board = Switchboard::fire_of(&[("carol", required())], |_| ());
        board.elsewhere.insert(user_id("carol"));
        board.call("alice", "fire");
        board.accept("bob");
        let lines = board.wait(5);
        assert!(lines.contains(&"pf(carol) <- CANCEL".to_owned()), "{lines:?}");
        // Its 200 was on the way.
        assert_eq!(board.accept("pf(carol)"), ["pf(carol) <- BYE"]);
        board.assert_quiet();
    }

    #[test]
    fn the_first_ringing_is_told_to_the_caller() {
        let (mut board, _) = carol_required(|_| ());
        assert_eq!(board.progress("bob", 180, false), ["alice <- 180"]);
        assert!(board.progress("carol", 180, false).is_empty());
        assert!(board.progress("carol", 183, false).is_empty());
    }

    #[test]
    fn an_unconfirmed_183_answers_the_caller_if_media_are_buffered_and_tng1_is_not_running() {
        for (buffers, needed, answered) in [(true, false, true), (false, false, false), (true, true, false)] {
            let marks = [("carol", Member { required: needed, ..Member::default() })];
            let mut board = Switchboard::fire_of(&marks, |group| group.minimum_to_start = 1);
            board.world.policy.buffers_media = buffers;
            let (alice, _) = board.call("alice", "fire");
            let lines = board.progress("bob", 183, true);
            if answered {
                assert_eq!(lines, ["alice <- 200 unconfirmed"]);
                assert!(board.accepted(alice).unconfirmed);
                assert!(board.accept("bob").is_empty());
            } else {
                assert!(lines.is_empty());
            }
        }
    }

    // TS 24.379 6.3.3.2.3.2 step 7.
    #[test]
    fn warnings_of_members_follow_our_own_each_once_and_not_without_limit() {
        let (mut board, alice) = carol_required(|group| {
            proceed(group);
            group.minimum_to_start = 2;
        });
        board.wait(5);
        let many = (0..COLLECTED_WARNINGS as u64 + 1).map(|n| Warning::plain(format!("note {n}")));
        let mut warnings = vec![Warning::coded(149), Warning::coded(149)];
        warnings.extend(many);
        board.accept_with("bob", warnings);
        assert_eq!(board.accept_with("carol", vec![Warning::coded(149)]), ["alice <- 200 111 149"]);
        let told = &board.accepted(alice).warnings;
        assert_eq!(told.len(), 1 + COLLECTED_WARNINGS);
        assert_eq!(told.last().unwrap().text, format!("note {}", COLLECTED_WARNINGS - 2));
    }

    #[test]
    fn a_caller_whose_acknowledgement_never_came_leaves_the_call() {
        let mut board = Switchboard::fire(|_| ());
        let (alice, _) = board.call("alice", "fire");
        board.accept("bob");
        board.accept("carol");
        assert!(board.lose(alice).is_empty());
        assert_eq!(board.in_call(board.the_call().id), ["bob", "carol"]);
    }

    #[test]
    fn a_second_expiry_of_tng1_changes_nothing() {
        let (mut board, _) = carol_required(proceed);
        board.accept("bob");
        board.wait(5);
        let id = board.the_call().id;
        let outcome = crate::mc::calls::wake(&mut board.world.view(), &mut board.open, Wake::Tng1(id));
        assert!(outcome.changes.is_empty() && outcome.sends.is_empty());
    }
}
