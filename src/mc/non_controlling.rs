//! The non-controlling function: the server of a constituent in a call on its temporary group, which another system
//! controls. TS 24.379 6.3.4, 10.1.1.5.
//!
//! ```text
//!             INVITE(isfocus), members not shared              first member 200
//!  Idle --------------------------------------------> Inviting ------------------> NonControlling
//!   |  INVITE, members shared: 403 + members, stay       | all failed: 4xx, Idle     |  BYE of the controlling function,
//!   |                                                    |                           |  or <= 1 member: BYE to all, Idle
//!   | a call of the constituent itself
//!   +---> Controlling -- INVITE(isfocus) for its temporary group: 200, 123, floor-state --> Merged
//!              ^                                                                              |
//!              +---------------- BYE of the controlling function: split ---------------------+
//! ```
//!
//! The call of the constituent is an ordinary call of this server (`session`) with one participant more: the controlling
//! function of the temporary group ([`Superior`]). What its members do is what members of any call do.

use super::calls::Open;
use super::commencement::{self, Caller, Commencement};
use super::constituents::{AUTHORISED, RUNNING};
use super::controlling::{Standing, acceptable, enough, named};
use super::session::{FIRST_HOPS, Session, Template, media_leg, note, session_identity};
use super::{groups, inviting, leaving, upgrading};
use crate::documents::{McInfo, SessionDescription};
use crate::model::*;
use crate::procedure::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a non-controlling function tells of the floor when it takes a running call along: without floor control of our
/// own nobody holds it by us.
const FLOOR_STATE: &str = "floor-idle";

/// What the INVITE of the controlling function asks for.
struct Request {
    leg: LegId,
    document: Arc<GroupDocument>,
    temporary: GroupId,
    caller: UserId,
    /// The caller is a member of ours, and may begin a call.
    authorised: bool,
    offer: SessionDescription,
    answer: SessionDescription,
    port: u16,
    invitation: Invitation,
}

/// An INVITE of the controlling function of a temporary group (10.1.1.5.2.1).
///
/// # Errors
/// The first check that fails: 500, 488, 403 (service, relationship), 113, 115, 128, 119. Then
/// [`Refusal::MembersInstead`] for a system that we share our members with; 480 with 112 if nobody can be invited.
pub(super) fn incoming(
    view: &mut View<'_>,
    open: &mut Open,
    leg: LegId,
    from: &crate::procedure::Caller,
    invitation: Invitation,
) -> Result<(CallRef, Outcome<Over>), Refusal> {
    if invitation.hops == 0 {
        return Err(Refusal::TooManyHops);
    }
    if invitation.info.encrypted {
        return Err(Refusal::Encrypted);
    }
    // 1.
    let port = view.media.take().ok_or(Refusal::NoResources { what: "media ports" })?;
    let result = checked(view, open, leg, port, from, invitation).and_then(|request| {
        match open.call_on(view.model, request.invitation.service, &request.document.id) {
            Some(session) => Ok(merge(view, session, request)),
            None => begin(view, open, request),
        }
    });
    if result.is_err() {
        view.media.give_back(port);
    }
    result
}

/// Checks 2 to 7 of 10.1.1.5.2.1, in this order.
fn checked(
    view: &mut View<'_>,
    open: &mut Open,
    leg: LegId,
    port: u16,
    from: &crate::procedure::Caller,
    mut invitation: Invitation,
) -> Result<Request, Refusal> {
    let service = invitation.service;
    let info = &invitation.info;
    let group = named(info.request_uri.as_deref(), "mcptt-request-uri").map(GroupId::new)?;
    let temporary = named(info.calling_group.as_deref(), "mcptt-calling-group-id").map(GroupId::new)?;
    let caller = named(info.calling_user.as_deref(), "mcptt-calling-user-id").map(UserId::new)?;
    let document = view.model.group(Side::Mc, group.as_str()).cloned();
    // 2.
    let offer = invitation.offer.take().ok_or(Refusal::MediaNotAcceptable { why: "no offer" })?;
    acceptable(view, document.as_deref(), &offer)?;
    // 3.
    if !invitation.service_requested {
        return Err(Refusal::NotOurService);
    }
    // 4. The agreement was looked at with the sender; a system controls its own temporary groups only.
    let domain = from.partner.as_deref().unwrap_or(&view.policy.domain);
    if !temporary.domain().eq_ignore_ascii_case(domain) {
        return Err(Refusal::NotPermitted { why: "a system controls its own groups only" });
    }
    // 5.
    let document = document
        .filter(|document| document.services.contains(&service))
        .filter(|document| document.temporary.is_none() && view.policy.controlling_of(&group) == Place::Here)
        .ok_or_else(|| Refusal::NoSuchGroup(group.clone()))?;
    if document.disabled {
        return Err(Refusal::GroupDisabled(group));
    }
    // 6.
    let mark = view.model.regrouped(Side::Mc, group.as_str());
    if mark.is_none_or(|mark| mark.temporary != temporary) {
        return Err(Refusal::NotRegroupedInto);
    }
    if open.call_on(view.model, service, &group).is_some_and(|session| session.call.superior.is_some()) {
        return Err(Refusal::FocusAssigned);
    }
    // 7.
    let authorised = document.members.contains_key(&caller);
    if authorised && !document.rules.initiate.includes(&caller, true) {
        return Err(Refusal::MayNotInitiate);
    }
    if view.policy.partner(domain).is_some_and(|partner| partner.shares_members) {
        let users = groups::affiliated_members(view.model, service, &group).into_keys().collect();
        return Err(Refusal::MembersInstead(Box::new(SharedMembers { group, users })));
    }
    let name = UserId::new(temporary.as_str());
    let media = media_leg(view, &document, &document.members, &name, leg, port, false);
    let answer = offer.answer(&media).map_err(|why| Refusal::MediaNotAcceptable { why })?;
    Ok(Request { leg, document, temporary, caller, authorised, offer, answer, port, invitation })
}

/// Idle to Inviting: our affiliated members are invited, the controlling function is answered with the first of them.
fn begin(
    view: &mut View<'_>,
    open: &mut Open,
    request: Request,
) -> Result<(CallRef, Outcome<Over>), Refusal> {
    let Request { leg, document, temporary, caller, authorised, offer, answer, port, invitation } = request;
    let service = invitation.service;
    let mut invitees: BTreeMap<UserId, BTreeSet<ClientId>> =
        groups::affiliated_members(view.model, service, &document.id);
    enough(&document, &document.members, &invitees)?;
    invitees.remove(&caller);
    if invitees.is_empty() {
        return Err(Refusal::TooFewMembers);
    }
    let id = CallRef(view.ids.number());
    let priority = match upgrading::wanted(&invitation.info, CallPriority::Normal) {
        upgrading::Wanted::Raise(state) => state,
        _ => CallPriority::Normal,
    };
    let call = Call {
        id,
        group: document.as_ref().clone(),
        members: MemberList::default(),
        service,
        initiator: caller,
        broadcast: invitation.info.broadcast == Some(true),
        priority,
        resource_priority: invitation.resource_priority,
        established: false,
        started: view.now,
        // TNG3 is the controlling function's.
        ends: None,
        orphaned: false,
        superior: Some(Superior { leg, temporary, merged: false }),
    };
    let template = Template {
        info: invitation.info,
        offer: Some(offer),
        answer_modes: invitation.answer_modes,
        hops: invitation.hops.saturating_sub(1).min(FIRST_HOPS),
    };
    let mut out = Outcome::default();
    note(
        &mut out,
        format!("call {id} on {} began for its temporary group: {} members", document.id, invitees.len()),
    );
    let standing = Standing::Affiliated;
    let above = Caller { leg, client: None, port, answer, standing };
    let mut commencement = Commencement::new(above, BTreeSet::new());
    commencement.first_suffices = true;
    let warnings = vouching(authorised);
    commencement.warnings.clone_from(&warnings);
    let progress = Progress { status: 183, unconfirmed: false, warnings };
    out.sends.push(Send::Call(CallSend::Progress { leg, progress }));
    let mut session = Session::new(call, template, Some(commencement));
    let required = |user: &UserId| document.members.get(user).is_some_and(|member| member.required);
    let (mut first, others): (Vec<_>, Vec<_>) = invitees.into_iter().partition(|(user, _)| required(user));
    first.extend(others);
    for (user, clients) in first {
        if session.is_full(session.participants() + session.asked.len()) {
            break;
        }
        if let Err(refusal) = inviting::invite(view, &mut session, &user, &clients, &mut out) {
            note(&mut out, format!("{user} not invited to call {id}: {refusal}"));
        }
    }
    commencement::look(view, &mut session, &mut out);
    session.settle(view.model, &mut out);
    open.keep(session);
    Ok((id, out))
}

/// Controlling to Merged: the running call of the constituent becomes part of that of the temporary group.
fn merge(view: &mut View<'_>, session: &mut Session, request: Request) -> (CallRef, Outcome<Over>) {
    let Request { leg, temporary, authorised, answer, port, invitation, .. } = request;
    let mut out = Outcome::default();
    let id = session.call.id;
    note(&mut out, format!("call {id} on {} is part of that on {temporary} now", session.call.group.id));
    let name = UserId::new(temporary.as_str());
    session.call.superior = Some(Superior { leg, temporary, merged: true });
    session.touch();
    let mut warnings = vouching(authorised);
    warnings.push(Warning::coded(RUNNING));
    let acceptance = Acceptance {
        answer: Some(answer.clone()),
        info: Some(McInfo { floor_state: Some(FLOOR_STATE.to_owned()), ..McInfo::default() }),
        warnings,
        session: session_identity(&view.policy.functions.controlling, id.0),
        ..Acceptance::default()
    };
    out.sends.push(Send::Call(CallSend::Accept { leg, acceptance: Box::new(acceptance) }));
    session.seat(view, leg, name, None, port, &mut out);
    session.describe(leg, answer);
    if upgrading::change(session, &invitation.info) {
        upgrading::tell_others(view, session, &[leg], &mut out);
    }
    (id, out)
}

/// The caller is a member of ours who may begin the call.
fn vouching(authorised: bool) -> Vec<Warning> {
    if authorised { vec![Warning::coded(AUTHORISED)] } else { Vec::new() }
}

/// The controlling function released us, or was lost: NonControlling to Idle, Merged back to Controlling (10.1.1.5.2.4).
pub(super) fn released(view: &mut View<'_>, session: &mut Session, out: &mut Outcome<Over>) {
    let Some(superior) = session.call.superior.take() else { return };
    session.touch();
    upgrading::undecided(session, out);
    if superior.merged {
        note(out, format!("call {} on {} split off again", session.call.id, session.call.group.id));
        leaving::release_policy(view, session, out);
    } else {
        session.end(view, "the controlling function of the temporary group released it", out);
    }
}

#[cfg(test)]
mod tests;
