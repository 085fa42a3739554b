//! The non-controlling function: the server of a constituent in a call on its temporary group, which another system
//! controls. TS 24.379 6.3.4, 10.1.1.5.
//!
//! ```text
//!  controlling function        non-controlling function              members
//!    |-- INVITE, isfocus ------------>| 10.1.1.5.2.1: `checked`         |
//!    |<-- 403, members ---------------| of a system that is told them   |
//!    |                                |-- INVITE ---------------------->|
//!    |<-- 200 (147) ------------------|<------------------- first 200 --|
//!    |                                | TNG1 and the rules of the constituent (`commencement`)
//!    |<-- 200, 123, floor-state ------| a call of the constituent runs: it is taken along
//!    |-- BYE ------------------------>|-- BYE to all, or the running call splits off again
//! ```
//!
//! Where it goes from where is a table: [`figure`].
//!
//! The call of the constituent is an ordinary call of this server (`session`) with one participant more: the controlling
//! function of the temporary group ([`Superior`]). What its members do is what members of any call do. A constituent of our
//! own temporary group whose call is running is taken along in the same way, in memory.

mod figure;

pub(super) use figure::{On, State};

use super::calls::Open;
use super::commencement::{self, Caller, Commencement};
use super::constituents::{AUTHORISED, RUNNING};
use super::controlling::{Standing, acceptable, enough, named};
use super::session::{Session, Template, media_leg, note, session_identity};
use super::{groups, inviting, leaving, upgrading};
use crate::documents::{McInfo, SessionDescription};
use crate::model::*;
use crate::procedure::*;
use figure::{Do, next};
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
    /// The system that asks is told our members.
    shared: bool,
    /// The controlling function is in this process: it invites whoever is in no running call.
    own: bool,
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
/// For a chat group call [`Refusal::MayBegin`] or 116 about its caller.
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
    let result = checked(view, leg, port, from, invitation).and_then(|request| {
        let (service, group) = (request.invitation.service, &request.document.id);
        let event = if request.shared { On::Asked } else { On::Invited };
        let session = open.call_on(view.model, service, group);
        let actions = next(State::of(session.as_deref()), event).map_or(&[][..], |(_, actions)| actions);
        match (actions.first(), session) {
            (Some(Do::TellMembers), _) => {
                let users = groups::affiliated_members(view.model, service, group).into_keys().collect();
                let members = SharedMembers { group: group.clone(), users };
                Err(Refusal::MembersInstead(Box::new(members)))
            }
            // Nobody is invited to the call of a chat group (TS 24.379 10.1.2.4.1.1).
            (Some(_), _) if request.invitation.info.session_type.as_deref() == Some("chat") => {
                Err(if request.authorised { Refusal::MayBegin } else { Refusal::NotMember(group.clone()) })
            }
            (Some(Do::Invite), _) => begin(view, open, request),
            (Some(Do::TakeAlong), Some(session)) => Ok(merge(view, session, request)),
            _ => Err(Refusal::FocusAssigned { authorised: request.authorised }),
        }
    });
    if result.is_err() {
        view.media.give_back(port);
    }
    result
}

/// Checks 2 to 7 of 10.1.1.5.2.1, in this order.
fn checked(
    view: &View<'_>,
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
    // 7.
    let authorised = document.members.contains_key(&caller);
    if authorised && !document.rules.initiate.includes(&caller, true) {
        return Err(Refusal::MayNotInitiate);
    }
    let shared = view.policy.partner(domain).is_some_and(|partner| partner.shares_members);
    let own = view.policy.functions.controlling.contains(&from.psi);
    let name = UserId::new(temporary.as_str());
    let media = media_leg(view, &document, &document.members, &name, leg, port, false);
    let answer = offer.answer(&media).map_err(|why| Refusal::MediaNotAcceptable { why })?;
    Ok(Request { leg, document, temporary, caller, authorised, shared, own, offer, answer, port, invitation })
}

/// Our affiliated members are invited, the controlling function is answered with the first of them. The rules of the
/// constituent about required members hold, unless the controlling function says that they do not (`required`).
fn begin(
    view: &mut View<'_>,
    open: &mut Open,
    request: Request,
) -> Result<(CallRef, Outcome<Over>), Refusal> {
    let Request { leg, document, temporary, caller, authorised, offer, answer, port, mut invitation, .. } =
        request;
    let service = invitation.service;
    let mut invitees: BTreeMap<UserId, BTreeSet<ClientId>> =
        groups::affiliated_members(view.model, service, &document.id);
    enough(&document, &document.members, &invitees)?;
    invitees.remove(&caller);
    if invitees.is_empty() {
        return Err(if authorised { Refusal::NobodyElse } else { Refusal::TooFewMembers });
    }
    let required: BTreeSet<UserId> = document
        .members
        .iter()
        .filter(|(user, member)| {
            member.required && **user != caller && invitation.info.required != Some(false)
        })
        .map(|(user, _)| user.clone())
        .collect();
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
        initiator: caller.clone(),
        broadcast: invitation.info.broadcast == Some(true),
        priority,
        resource_priority: invitation.resource_priority.take(),
        established: false,
        started: view.now,
        // TNG3 is the controlling function's.
        ends: None,
        orphaned: false,
        superior: Some(Superior {
            leg,
            temporary: temporary.clone(),
            caller: caller.clone(),
            merged: false,
            awaits_required: false,
        }),
    };
    let template = Template::of(invitation, offer);
    let mut out = Outcome::default();
    note(
        &mut out,
        format!("call {id} on {} began for its temporary group: {} members", document.id, invitees.len()),
    );
    let user = UserId::new(temporary.as_str());
    let above = Caller { leg, user, client: None, port, answer, standing: Standing::Affiliated };
    let mut commencement = Commencement::new(above, required);
    let warnings = vouching(authorised);
    commencement.warnings.clone_from(&warnings);
    let progress = Progress { status: 183, unconfirmed: false, warnings };
    out.sends.push(Send::Call(CallSend::Progress { leg, progress }));
    let mut session = Session::new(call, template, Some(commencement));
    commencement::start_tng1(view, &session, &mut out);
    invite_all(view, &mut session, invitees, &mut out);
    commencement::look(view, &mut session, &mut out);
    session.settle(view.model, &mut out);
    open.keep(session);
    Ok((id, out))
}

/// The affiliated members who are not in the call yet are asked.
fn invite_all(
    view: &mut View<'_>,
    session: &mut Session,
    invitees: BTreeMap<UserId, BTreeSet<ClientId>>,
    out: &mut Outcome<Over>,
) {
    for (user, refusal) in inviting::invite_all(view, session, invitees.into_iter().collect(), out) {
        note(out, format!("{user} not invited to call {}: {refusal}", session.call.id));
        commencement::refused(view, session, &user, refusal.into(), out);
    }
}

/// The running call of the constituent becomes part of that of the temporary group. Its affiliated members who are not in
/// it are invited: whoever declined it or left it has not declined the call of the temporary group.
fn merge(view: &mut View<'_>, session: &mut Session, request: Request) -> (CallRef, Outcome<Over>) {
    let Request { leg, temporary, caller, authorised, own, answer, port, invitation, .. } = request;
    let mut out = Outcome::default();
    let id = session.call.id;
    note(&mut out, format!("call {id} on {} is part of that on {temporary} now", session.call.group.id));
    let name = UserId::new(temporary.as_str());
    session.call.superior =
        Some(Superior { leg, temporary, caller: caller.clone(), merged: true, awaits_required: false });
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
    if session.call.group.prearranged && !own {
        session.declined.clear();
        let mut invitees =
            groups::affiliated_members(view.model, session.call.service, &session.call.group.id);
        invitees.remove(&caller);
        invite_all(view, session, invitees, &mut out);
    }
    (id, out)
}

/// The caller is a member of ours who may begin the call.
fn vouching(authorised: bool) -> Vec<Warning> {
    if authorised { vec![Warning::coded(AUTHORISED)] } else { Vec::new() }
}

/// What an event means to the call of a constituent: what the figure says. `why`: for the operator's line if it ends.
pub(super) fn step(
    view: &mut View<'_>,
    session: &mut Session,
    event: On,
    why: &str,
    out: &mut Outcome<Over>,
) {
    let Some((_, actions)) = next(State::of(Some(session)), event) else { return };
    for action in actions {
        match action {
            Do::Accept => commencement::answer(view, session, false, out),
            Do::AcceptUnconfirmed => commencement::answer(view, session, true, out),
            Do::Refuse => commencement::refuse(session, out),
            Do::End => {
                upgrading::undecided(session, out);
                session.end(view, why, out);
            }
            Do::Split => split(view, session, out),
            // The answers to an INVITE of a controlling function: `incoming`.
            Do::TellMembers | Do::Invite | Do::TakeAlong | Do::RefuseAssigned => {}
        }
    }
}

/// The call is the constituent's own again, with its own TNG3.
fn split(view: &mut View<'_>, session: &mut Session, out: &mut Outcome<Over>) {
    session.call.superior = None;
    session.touch();
    upgrading::undecided(session, out);
    note(out, format!("call {} on {} split off again", session.call.id, session.call.group.id));
    leaving::timed_out(view, session, out);
    leaving::release_policy(view, session, out);
}

#[cfg(test)]
mod tests;
