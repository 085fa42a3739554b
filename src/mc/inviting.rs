//! The controlling function invites a member: TS 24.379 10.1.1.4.1.1, with 6.3.3.1.2.

use super::session::{Session, media_leg};
use super::{commencement, upgrading};
use crate::documents::{McInfo, SessionDescription};
use crate::model::*;
use crate::procedure::*;
use std::collections::BTreeSet;

/// Asks a member over a new leg. Does nothing if no media port is free.
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
    let port = view.media.take().ok_or(Refusal::NoResources { what: "media ports" })?;
    let leg = LegId(view.ids.number());
    let call = &session.call;
    let media = media_leg(view, &call.group, session.members(), user, leg, port, false);
    let template = &session.template;
    let invitation = Invitation {
        service: call.service,
        info: info(session, user),
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
        to: Party::Terminating { user: user.clone(), clients: clients.iter().cloned().collect() },
        invitation: Box::new(invitation),
    }));
    session.ask(leg, user.clone(), port);
    Ok(())
}

/// Step 3: a member accepted. The place may be taken by now by somebody who came without being asked.
pub(super) fn accepted(
    view: &mut View<'_>,
    session: &mut Session,
    leg: LegId,
    acceptance: Acceptance,
    out: &mut Outcome<Over>,
) {
    let Some(asked) = session.answered(leg) else { return };
    if session.is_full(session.participants()) {
        view.media.give_back(asked.port);
        out.sends.push(Send::Call(CallSend::Release { leg, reason: None }));
        let limit = session.call.group.max_participants.unwrap_or(u32::MAX);
        let full = Refusal::TooManyParticipants { limit }.into();
        commencement::refused(view, session, &asked.user, full, out);
        return;
    }
    session.seat(view, leg, asked.user.clone(), acceptance.client, asked.port, out);
    commencement::accepted(view, session, &asked.user, &acceptance.warnings, out);
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
    let call = &session.call;
    let (calling_group, associated_group) = groups(call);
    let mut info = McInfo {
        session_type: Some("prearranged".to_owned()),
        request_uri: Some(user.to_string()),
        calling_user: Some(call.superior.as_ref().map_or(&call.initiator, |above| &above.caller).to_string()),
        calling_group: Some(calling_group),
        associated_group,
        broadcast: call.broadcast.then_some(true),
        organisation: session.template.info.organisation.clone(),
        kept: session.template.info.kept.clone(),
        ..McInfo::default()
    };
    upgrading::indicate(call, &session.template.info, &mut info);
    info
}
