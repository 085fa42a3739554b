//! A user of a partner wants to come into the running call of a temporary group, and is known here neither as an affiliated
//! member nor from a list: it may have become one since. Its own system is asked again. TS 24.379 10.1.1.4.2 step 15 a,
//! 6.3.4, 10.1.1.5.2.1.
//!
//! ```text
//!  O-PF            controlling function        server of a constituent
//!    |-- INVITE ----------->| `joining`               |
//!    |                      |-- INVITE, isfocus ----->| this user calls
//!    |                      |<-- 403, members --------| it shares its members: among them?
//!    |                      |<-- 403, 128 and 147 ----| it takes part in the call already, and vouches for the user
//!    |                      |<-- 183, 147 ------------| it takes part from now on
//!    |<-- 200, or 403 120 --|                         |
//! ```
//!
//! Nobody is invited because of a list that is told here: a join invites nobody.

use super::controlling::{Request, Standing};
use super::session::{Session, note};
use super::{commencement, constituents, joining, leaving};
use crate::model::*;
use crate::procedure::*;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Most users of one call for whom a system is being asked.
pub(super) const JOINS_WAITING: usize = 64;

/// A user who wants to come in.
#[derive(Debug)]
pub(super) struct Join {
    request: Request,
    /// Legs over which a system is asked.
    asked: BTreeSet<LegId>,
}

/// The systems that may know the user are asked.
///
/// # Errors
/// `refusal` if there is none, or too many wait.
pub(super) fn ask(
    view: &mut View<'_>,
    session: &mut Session,
    request: Request,
    refusal: Refusal,
) -> Result<(LegOwner, Outcome<Over>), Refusal> {
    let service = session.call.service;
    let mut groups = constituents::vouching(view, &session.call.group, service, &request.user);
    if view.policy.is_own_user(&request.user) {
        // To which groups our own users are affiliated is known here.
        let known =
            |group: &GroupId| view.model.affiliated_clients(service, group.as_str(), request.user.as_str());
        groups.retain(|group| known(group).is_some_and(|clients| !clients.is_empty()));
    }
    if groups.is_empty() || session.joins.len() >= JOINS_WAITING {
        return Err(refusal);
    }
    let mut out = Outcome::default();
    let mut asked = BTreeSet::new();
    for group in groups {
        if let Ok(leg) = constituents::ask_for(view, session, &group, Some(&request.user), &mut out) {
            asked.insert(leg);
        }
    }
    if asked.is_empty() {
        return Err(Refusal::NoResources { what: "media ports" });
    }
    note(&mut out, format!("{} wants to come into call {}: asked its system", request.user, session.call.id));
    session.joins.push(Join { request, asked });
    Ok((LegOwner::Call(session.call.id), out))
}

/// Something was heard on a leg of a join, or on one over which a system is asked. Returns false if it is neither.
pub(super) fn hears(
    view: &mut View<'_>,
    session: &mut Session,
    leg: LegId,
    event: &LegEvent,
    out: &mut Outcome<Over>,
) -> bool {
    if let Some(at) = session.joins.iter().position(|join| join.request.leg == leg) {
        match event {
            // The user gave up.
            LegEvent::Cancelled
            | LegEvent::Released { .. }
            | LegEvent::Lost { .. }
            | LegEvent::Refused(_) => {
                let join = session.joins.remove(at);
                withdraw(view, session, join.asked, out);
            }
            _ => out.sends.extend(super::relaying::stray(leg, event)),
        }
        return true;
    }
    let Some(at) = session.joins.iter().position(|join| join.asked.contains(&leg)) else { return false };
    let vouches = |warnings: &[Warning]| constituents::says(warnings, constituents::AUTHORISED);
    match event {
        LegEvent::Progress(progress) if !vouches(&progress.warnings) => return true,
        LegEvent::Offered { .. }
        | LegEvent::OfferAnswered(_)
        | LegEvent::Confirmed
        | LegEvent::GivenUp { .. } => {
            out.sends.extend(super::relaying::stray(leg, event));
            return true;
        }
        _ => {}
    }
    let mut join = session.joins.remove(at);
    join.asked.remove(&leg);
    match event {
        // It is about to take part, or does: this leg is one of the call from now on.
        LegEvent::Progress(_) => admit(view, session, join, out),
        LegEvent::Accepted(acceptance) => {
            if vouches(&acceptance.warnings) {
                admit(view, session, join, out);
            } else {
                deny(view, session, join, None, out);
            }
            constituents::accepted(view, session, leg, acceptance, out);
        }
        LegEvent::Refused(rejection) => {
            close(view, session, leg);
            let named =
                rejection.members.as_ref().is_some_and(|list| list.users.contains(&join.request.user));
            if named || vouches(&rejection.warnings) {
                admit(view, session, join, out);
            } else {
                deny(view, session, join, Some(rejection), out);
            }
        }
        _ => {
            close(view, session, leg);
            deny(view, session, join, None, out);
        }
    }
    true
}

/// Its system knows the user: it comes in, unless the call is full by now.
fn admit(view: &mut View<'_>, session: &mut Session, join: Join, out: &mut Outcome<Over>) {
    let Join { request, asked } = join;
    for leg in asked {
        close(view, session, leg);
        out.sends.push(Send::Call(CallSend::Cancel { leg }));
    }
    Arc::make_mut(&mut session.call.members).entry(request.user.clone()).or_default();
    session.touch();
    let leg = request.leg;
    match joining::enter(view, session, request, Standing::Affiliated) {
        Ok((_, entered)) => {
            out.changes.extend(entered.changes);
            out.sends.extend(entered.sends);
            if let Some(line) = entered.log {
                note(out, line);
            }
        }
        Err(refusal) => {
            refuse(leg, refusal.into(), out);
            look(view, session, out);
        }
    }
}

/// A system does not know the user. The last one that says so decides: its silence is told as such.
fn deny(
    view: &mut View<'_>,
    session: &mut Session,
    join: Join,
    rejection: Option<&Rejection>,
    out: &mut Outcome<Over>,
) {
    if join.asked.is_empty() {
        let silent = rejection.filter(|one| one.status == 408 || one.status >= 500);
        let unknown = || Refusal::NotAffiliated(session.call.group.id.clone()).into();
        let answer =
            silent.map_or_else(unknown, |one| Rejection { status: one.status, ..Rejection::default() });
        refuse(join.request.leg, answer, out);
    } else {
        session.joins.push(join);
    }
    look(view, session, out);
}

/// The call is over: whoever waits to come in is told.
pub(super) fn over(session: &mut Session, out: &mut Outcome<Over>) {
    for join in std::mem::take(&mut session.joins) {
        refuse(join.request.leg, Refusal::NoSuchCall.into(), out);
    }
}

fn withdraw(view: &mut View<'_>, session: &mut Session, legs: BTreeSet<LegId>, out: &mut Outcome<Over>) {
    for leg in legs {
        close(view, session, leg);
        out.sends.push(Send::Call(CallSend::Cancel { leg }));
    }
    look(view, session, out);
}

/// One less is awaited.
fn look(view: &mut View<'_>, session: &mut Session, out: &mut Outcome<Over>) {
    commencement::look(view, session, out);
    if session.call.group.prearranged {
        leaving::release_policy(view, session, out);
    }
}

fn close(view: &mut View<'_>, session: &mut Session, leg: LegId) {
    if let Some(asked) = session.answered(leg) {
        view.media.give_back(asked.port);
    }
}

fn refuse(leg: LegId, rejection: Rejection, out: &mut Outcome<Over>) {
    out.sends.push(Send::Call(CallSend::Refuse { leg, rejection: Box::new(rejection) }));
}

#[cfg(test)]
mod tests;
