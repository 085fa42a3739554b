//! Leaving a group call, and its end: TS 24.379 6.3.3.2.4, 6.3.8.1, 10.1.1.4.4.
//!
//! ```text
//!  participant          controlling function            others
//!    |-- BYE --------------->| roster                      |
//!    |                       | release policy: too few ->  |-- BYE to all
//! ```

use super::commencement;
use super::groups;
use super::session::Session;
use crate::model::*;
use crate::procedure::*;
use std::collections::BTreeSet;

/// A participant is gone: BYE, or its session broke.
pub(super) fn left(view: &mut View<'_>, session: &mut Session, leg: LegId, out: &mut Outcome<Over>) {
    let Some(user) = session.vacate(view, leg, out) else { return };
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
    let still = groups::affiliated_to(view.model, user, &session.call.group.id);
    for leg in session.legs_of(user).to_vec() {
        if let Some(seat) = session.seats.get(&leg) {
            let stays = match &seat.client {
                Some(of_seat) => of_seat != client || still.contains(client),
                None => !still.is_empty(),
            };
            if !stays {
                out.sends.push(Send::Call(CallSend::Release { leg, reason: None }));
                left(view, session, leg, out);
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
        session.end(view, "fewer affiliated members than the minimum", out);
    }
}

/// TNG3 expired (TS 24.379 6.3.8.1).
pub(super) fn timed_out(view: &mut View<'_>, session: &mut Session, out: &mut Outcome<Over>) {
    if session.call.ends.is_none_or(|ends| view.now < ends) {
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
    session.end(view, "the caller gave up", out);
}

/// What the loss of a participant means for the call.
fn after(view: &mut View<'_>, session: &mut Session, user: &UserId, out: &mut Outcome<Over>) {
    if session.commencement.is_some() {
        let gone = Rejection { status: 480, ..Rejection::default() };
        let required = session.members().get(user).is_some_and(|member| member.required);
        if required && let Some(commencement) = &mut session.commencement {
            commencement.missing.insert(user.clone());
        }
        commencement::refused(view, session, user, gone, out);
    } else if session.call.broadcast && *user == session.call.initiator {
        session.end(view, "the initiator of the broadcast left", out);
    } else {
        release_policy(view, session, out);
    }
}

/// TS 24.379 6.3.8.1: a call of one participant, with nobody else to come, ends. Looked at when somebody left or will
/// not come, so that the first one of a chat group call is not sent away.
pub(super) fn release_policy(view: &mut View<'_>, session: &mut Session, out: &mut Outcome<Over>) {
    if session.over || session.commencement.is_some() {
        return;
    }
    if session.seats.is_empty() || session.seats.len() == 1 && session.asked.is_empty() {
        session.end(view, "too few participants", out);
    }
}

/// Whether the group still has `on-network-minimum-number-of-affiliated-members`.
fn enough_affiliated(model: &Model, session: &Session) -> bool {
    let Some(minimum) = session.call.group.minimum_affiliated else { return true };
    let group = &session.call.group.id;
    let mut seen = BTreeSet::new();
    let lists = std::iter::once(group).chain(groups::constituents_of(model, group));
    for list in lists {
        for (user, _) in model.affiliated_users(list.as_str()) {
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
