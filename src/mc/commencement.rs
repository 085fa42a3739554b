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

use super::leaving;
use super::session::{Session, note, session_identity};
use super::upgrading;
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
    /// Required members that are not in the call.
    pub missing: BTreeSet<UserId>,
    /// The timer for them.
    pub tng1: Tng1,
    /// The call goes on without a required member (Warning 111).
    pub incomplete: bool,
    /// Not all members could be asked (Warning 122).
    pub cut: bool,
    /// The best refusal of a member so far.
    pub refusal: Option<Rejection>,
    /// Warnings of members that accepted.
    pub warnings: Vec<Warning>,
    /// The caller knows that a member is being alerted.
    pub alerting: bool,
}

/// The one who called.
#[derive(Debug)]
pub(super) struct Caller {
    pub leg: LegId,
    pub client: Option<ClientId>,
    pub port: u16,
    pub answer: SessionDescription,
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
            missing,
            tng1,
            incomplete: false,
            cut: false,
            refusal: None,
            warnings: Vec::new(),
            alerting: false,
        }
    }

    /// The rows of TS 24.379 6.3.3.3. `accepted`: members in the call; `pending`: members asked without an answer yet;
    /// `minimum`: `on-network-minimum-number-to-start`.
    fn decide(&self, accepted: usize, pending: usize, minimum: usize) -> Decision {
        // Every invited member rejected.
        if pending == 0 && accepted == 0 && self.refusal.is_some() {
            return Decision::GiveUp;
        }
        if self.tng1 == Tng1::Running && !self.missing.is_empty() {
            return Decision::Wait;
        }
        if accepted >= minimum {
            return Decision::Answer;
        }
        // Not in the clause: nobody is left who could make up the number.
        if pending == 0 { Decision::GiveUp } else { Decision::Wait }
    }
}

/// Acts on the state of the set-up. Nothing happens once the caller is answered.
pub(super) fn look(view: &mut View<'_>, session: &mut Session, out: &mut Outcome<Over>) {
    let minimum = usize::from(session.call.group.minimum_to_start);
    let (accepted, pending) = (session.seats.len(), session.asked.len());
    let Some(commencement) = &mut session.commencement else { return };
    match commencement.decide(accepted, pending, minimum) {
        Decision::Wait => {}
        Decision::Answer => answer(view, session, false, out),
        Decision::GiveUp => {
            let refusal = commencement.refusal.take().unwrap_or_else(|| Refusal::TooFewMembers.into());
            give_up(view, session, refusal, "nobody is left to start with", out);
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
    let Some(commencement) = &mut session.commencement else { return };
    commencement.missing.remove(user);
    for warning in warnings {
        if commencement.warnings.len() < COLLECTED_WARNINGS && !commencement.warnings.contains(warning) {
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
    let Some(commencement) = &mut session.commencement else {
        // The call goes on without this member; if it was the last one asked, somebody may be alone now.
        leaving::release_policy(view, session, out);
        return;
    };
    if commencement.missing.contains(user) && commencement.tng1 != Tng1::Off {
        let abandon = session.call.group.on_acknowledgement_timeout == OnTimeout::Abandon;
        if commencement.tng1 == Tng1::Running && abandon {
            let mut rejection = presentable(rejection);
            rejection.warnings.push(Warning::coded(112));
            give_up(view, session, rejection, &format!("required member {user} rejected"), out);
            return;
        }
        commencement.missing.remove(user);
        commencement.incomplete = true;
    }
    let better = commencement.refusal.as_ref().is_none_or(|best| rank(rejection.status) < rank(best.status));
    if better {
        commencement.refusal = Some(presentable(rejection));
    }
    look(view, session, out);
}

/// TNG1 expired.
pub(super) fn timed_out(view: &mut View<'_>, session: &mut Session, out: &mut Outcome<Over>) {
    let Some(commencement) = &mut session.commencement else { return };
    if commencement.tng1 != Tng1::Running {
        return;
    }
    match session.call.group.on_acknowledgement_timeout {
        OnTimeout::Abandon => {
            give_up(view, session, Refusal::TooFewMembers.into(), "TNG1 expired", out);
        }
        OnTimeout::Proceed => {
            commencement.tng1 = Tng1::Expired;
            commencement.incomplete |= !commencement.missing.is_empty();
            look(view, session, out);
        }
    }
}

/// A provisional answer of a member. The first 180 goes on to the caller; on a 183 with `P-Answer-State: Unconfirmed`
/// the caller may be answered if the media function keeps the speech until a member is there.
pub(super) fn progress(
    view: &mut View<'_>,
    session: &mut Session,
    progress: &Progress,
    out: &mut Outcome<Over>,
) {
    let Some(commencement) = &mut session.commencement else { return };
    if progress.unconfirmed && commencement.tng1 != Tng1::Running && view.policy.buffers_media {
        answer(view, session, true, out);
    } else if progress.status == 180 && !commencement.alerting {
        commencement.alerting = true;
        let progress = Progress { status: 180, unconfirmed: false, warnings: Vec::new() };
        out.sends.push(Send::Call(CallSend::Progress { leg: commencement.caller.leg, progress }));
    }
}

/// TS 24.379 6.3.3.2.3.2: 200 to the caller. Own warnings stand first (step 7).
fn answer(view: &mut View<'_>, session: &mut Session, unconfirmed: bool, out: &mut Outcome<Over>) {
    let Some(commencement) = session.commencement.take() else { return };
    let mut warnings = Vec::new();
    if commencement.incomplete {
        warnings.push(Warning::coded(111));
    }
    if commencement.cut {
        warnings.push(Warning::coded(122));
    }
    warnings.extend(commencement.warnings);
    session.call.established = true;
    session.touch();
    let Caller { leg, client, port, answer } = commencement.caller;
    let acceptance = Acceptance {
        answer: Some(answer),
        info: upgrading::state(&session.call, &session.template.info),
        warnings,
        session: session_identity(&view.policy.functions.controlling, session.call.id.0),
        unconfirmed,
        client: None,
    };
    out.sends.push(Send::Call(CallSend::Accept { leg, acceptance: Box::new(acceptance) }));
    let initiator = session.call.initiator.clone();
    session.seat(view, leg, initiator, client, port, out);
    let line = format!("call {} established with {} participants", session.call.id, session.seats.len());
    note(out, line);
}

/// The call does not come about: the caller is refused, members are released or no longer asked.
pub(super) fn give_up(
    view: &mut View<'_>,
    session: &mut Session,
    rejection: Rejection,
    why: &str,
    out: &mut Outcome<Over>,
) {
    if let Some(commencement) = &session.commencement {
        let leg = commencement.caller.leg;
        out.sends.push(Send::Call(CallSend::Refuse { leg, rejection: Box::new(rejection) }));
    }
    session.end(view, why, out);
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
        400..=499 => 1,
        500..=599 => 2,
        _ => 3,
    }
}
