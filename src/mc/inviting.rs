//! The controlling function invites a member: TS 24.379 10.1.1.4.1.1, with 6.3.3.1.2.

use super::constituents::{self, RUNNING};
use super::session::{Asked, Session, WithClients, media_leg};
use super::{commencement, leaving, upgrading};
use crate::documents::{McInfo, SessionDescription};
use crate::model::*;
use crate::procedure::*;
use std::collections::BTreeSet;

/// Asks a member.
///
/// # Errors
/// [`Refusal::NoResources`].
pub(super) fn invite(
    view: &mut View<'_>,
    session: &mut Session,
    user: &UserId,
    clients: &BTreeSet<ClientId>,
    out: &mut Outcome<Over>,
) -> Result<(), Refusal> {
    let info = info(session, user);
    let to = Party::Terminating { user: user.clone(), clients: clients.iter().cloned().collect() };
    send(view, session, Invitee { name: user.clone(), to, info, caller: None, priority: None }, out)
        .map(|_| ())
}

/// Asks members who are not in the call and have not declined it, required ones first, as far as the group has places. Returns
/// whom it could not ask: they count as members who rejected, once all others are asked.
pub(super) fn invite_all(
    view: &mut View<'_>,
    session: &mut Session,
    mut invitees: Vec<WithClients>,
    out: &mut Outcome<Over>,
) -> Vec<(UserId, Refusal)> {
    let required =
        |session: &Session, user: &UserId| session.members().get(user).is_some_and(|member| member.required);
    invitees.sort_by_key(|(user, _)| !required(session, user));
    let mut unasked = Vec::new();
    for (user, clients) in invitees {
        let calls = session.commencement.is_some() && user == session.call.initiator;
        let along = session.taken_along.values().any(|users| users.contains(&user));
        if calls || along || !session.legs_of(&user).is_empty() || session.declined.contains(&user) {
            continue;
        }
        if session.is_full(session.participants() + session.asked.len()) {
            if let Some(commencement) = &mut session.commencement {
                commencement.cut = true;
            }
            break;
        }
        if let Err(refusal) = invite(view, session, &user, &clients, out) {
            unasked.push((user, refusal));
        }
    }
    unasked
}

/// Who is invited into a call of the controlling function.
pub(super) struct Invitee {
    /// By which name it is among those who are asked.
    pub name: UserId,
    /// Whom the INVITE goes to.
    pub to: Party,
    /// What it says beside what every INVITE of the call says.
    pub info: McInfo,
    /// Who calls; `None`: whoever began the call.
    pub caller: Option<UserId>,
    /// Floor priority; `None`: that of a member of this name.
    pub priority: Option<u8>,
}

/// Sends the INVITE over a new leg.
///
/// # Errors
/// [`Refusal::NoResources`].
pub(super) fn send(
    view: &mut View<'_>,
    session: &mut Session,
    invitee: Invitee,
    out: &mut Outcome<Over>,
) -> Result<LegId, Refusal> {
    let Invitee { name, to, info, caller, priority } = invitee;
    let port = view.media.take().ok_or(Refusal::NoResources { what: "media ports" })?;
    let leg = LegId(view.ids.number());
    let call = &session.call;
    let template = &session.template;
    let mut media = media_leg(view, &call.group, session.members(), &name, leg, port, false);
    media.priority = priority.or(media.priority);
    let kind = if call.group.prearranged { "prearranged" } else { "chat" };
    // In the part of a constituent: who called on the temporary group.
    let began = call.superior.as_ref().map_or(&call.initiator, |above| &above.caller);
    let mut info = McInfo {
        session_type: Some(kind.to_owned()),
        calling_user: Some(caller.as_ref().unwrap_or(began).to_string()),
        broadcast: call.broadcast.then_some(true),
        organisation: template.info.organisation.clone(),
        kept: template.info.kept.clone(),
        ..info
    };
    upgrading::indicate(call, &template.info, &mut info);
    let invitation = Invitation {
        service: call.service,
        info,
        offer: Some(SessionDescription::invite(template.offer.as_ref(), &media)),
        focus: true,
        focus_session: None,
        asserted: view.policy.functions.controlling.first().cloned(),
        service_requested: true,
        // Steps 9 and 10 of 6.3.3.1.2.
        answer_modes: template.answer_modes.clone(),
        resource_priority: upgrading::resource_priority(view.policy, call),
        hops: template.hops,
        session: None,
    };
    out.sends.push(Send::Call(CallSend::Invite {
        leg,
        owner: LegOwner::Call(call.id),
        to,
        invitation: Box::new(invitation),
    }));
    session.ask(leg, name, port);
    Ok(leg)
}

/// Step 3: a member accepted. The place may be taken by now by somebody who came without being asked.
pub(super) fn accepted(
    view: &mut View<'_>,
    session: &mut Session,
    leg: LegId,
    acceptance: Acceptance,
    out: &mut Outcome<Over>,
) {
    if let Some(user) = seat(view, session, leg, acceptance.client, out) {
        commencement::accepted(view, session, &user, &acceptance.warnings, out);
    }
}

/// Who accepted on this leg takes part from now on. `None`: nobody is asked on it any more, or the call is full.
pub(super) fn seat(
    view: &mut View<'_>,
    session: &mut Session,
    leg: LegId,
    client: Option<ClientId>,
    out: &mut Outcome<Over>,
) -> Option<UserId> {
    let Asked { user, port } = session.answered(leg)?;
    if session.is_full(session.participants()) {
        view.media.give_back(port);
        out.sends.push(Send::Call(CallSend::Release { leg, reason: None }));
        let limit = session.call.group.max_participants.unwrap_or(u32::MAX);
        let full = Refusal::TooManyParticipants { limit }.into();
        commencement::refused(view, session, &user, full, out);
        return None;
    }
    session.seat(view, leg, user.clone(), client, port, out);
    Some(user)
}

/// A member refused or could not be reached. Who declined is not asked again in this call; who could not be reached is,
/// when a new affiliation tells that the member is back.
pub(super) fn refused(
    view: &mut View<'_>,
    session: &mut Session,
    leg: LegId,
    rejection: Rejection,
    out: &mut Outcome<Over>,
) {
    let Some(asked) = session.answered(leg) else { return };
    view.media.give_back(asked.port);
    // The member is in the call by another function: it is not missing.
    if constituents::says(&rejection.warnings, RUNNING) {
        commencement::accepted(view, session, &asked.user, &[], out);
        return leaving::release_policy(view, session, out);
    }
    let declined = rejection.warnings.iter().any(|warning| warning.code == Some(110));
    if declined || rejection.status >= 600 {
        session.declined.insert(asked.user.clone());
    }
    commencement::refused(view, session, &asked.user, rejection, out);
}

/// TS 24.379 6.3.4.1.2: the members of a constituent learn both groups.
fn groups(call: &Call) -> (String, Option<String>) {
    match &call.superior {
        Some(superior) => (superior.temporary.to_string(), Some(call.group.id.to_string())),
        None => (call.group.id.to_string(), None),
    }
}

/// TS 24.379 10.1.1.4.1.1 step 4: the member in request-uri, the group in calling-group-id.
fn info(session: &Session, user: &UserId) -> McInfo {
    let (calling_group, associated_group) = groups(&session.call);
    McInfo {
        request_uri: Some(user.to_string()),
        calling_group: Some(calling_group),
        associated_group,
        ..McInfo::default()
    }
}
