//! Coming into a call that is running: by INVITE to the group (TS 24.379 10.1.1.4.2 step 15), by its session identity
//! (10.1.1.4.5), or invited because of a new affiliation (10.1.1.4.6).
//!
//! ```text
//!  user               controlling function            participants
//!    |-- INVITE ------------>| 15 a, 6.3.5.3, d            |
//!    |<-- 200, 123 ----------| roster                      |
//!    |                       |-- re-INVITE, if it became an emergency (g)
//! ```

use super::calls::Open;
use super::controlling::{Request, acceptable, affiliated};
use super::session::{Session, media_leg, session_identity};
use super::{commencement, groups, inviting, upgrading};
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
    affiliated(view.model, &request.user, request.client.as_ref(), &session.call.group.id)?;
    may_join(session, &request.user)?;
    enter(view, session, request)
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
    acceptable(view, Some(&session.call.group), &request.offer)?;
    // Step 4.
    if !request.invitation.service_requested {
        return Err(Refusal::NotOurService);
    }
    if let Some(asked) = request.invitation.info.request_uri.as_deref()
        && uri::identity(asked).as_deref() != Some(session.call.group.id.as_str())
    {
        return Err(Refusal::NoSuchCall);
    }
    if !session.members().contains_key(&request.user) {
        return Err(Refusal::NotMember(session.call.group.id.clone()));
    }
    priority_allowed(view, session, &request)?;
    // Steps 6 and 8.
    if session.orphaned(view.model) {
        if !session.has_known(&request.user) {
            return Err(Refusal::MayNotJoin);
        }
    } else {
        may_join(session, &request.user)?;
        affiliated(view.model, &request.user, request.client.as_ref(), &session.call.group.id)?;
    }
    enter(view, session, request)
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
fn enter(
    view: &mut View<'_>,
    session: &mut Session,
    request: Request,
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
        answer: Some(answer),
        info: upgrading::state(&session.call, &session.template.info),
        warnings: vec![Warning::coded(123)],
        session: session_identity(&view.policy.functions.controlling, session.call.id.0),
        ..Acceptance::default()
    };
    out.sends.push(Send::Call(CallSend::Accept { leg, acceptance: Box::new(acceptance) }));
    session.seat(view, leg, user.clone(), client, port, &mut out);
    // Step 15 g.
    if raised {
        upgrading::tell_others(session, leg, &mut out);
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
        || session.is_full(session.participants() + session.asked.len())
    {
        return;
    }
    let clients = groups::affiliated_to(view.model, user, &session.call.group.id);
    if clients.is_empty() {
        return;
    }
    // Without a free media port the member stays outside; the next affiliation tries again.
    if inviting::invite(view, session, user, &clients, out).is_err() {
        super::session::note(out, format!("{user} not invited to call {}: no media port", session.call.id));
    }
}
