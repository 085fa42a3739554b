//! The controlling function of a group takes an INVITE: TS 24.379 10.1.1.4.2 and, for chat groups, 10.1.2.4.1.1.
//!
//! ```text
//!  O-PF              controlling function                     members
//!    |-- INVITE ----------->| 2 media, 3 service                  |
//!    |                      | 6.3.5.2 group, member; regrouped?   |
//!    |                      | 119; emergency; 14a affiliated      |
//!    |                      | 14g enough affiliated members       |
//!    |                      |-- 14g v INVITE (`inviting`) ------->|
//!    |<-- answer (`commencement`)                                 |
//! ```
//!
//! A group whose call is running is joined instead (`joining`).

use super::calls::Open;
use super::commencement::{self, Caller, Commencement};
use super::session::{FIRST_HOPS, Session, Template, media_leg, note, session_identity};
use super::{groups, inviting, joining, regrouped, upgrading};
use crate::documents::SessionDescription;
use crate::documents::sdp::MediaLeg;
use crate::model::*;
use crate::procedure::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An INVITE as the controlling function reads it.
pub(super) struct Request {
    pub leg: LegId,
    pub user: UserId,
    pub client: Option<ClientId>,
    pub offer: SessionDescription,
    pub invitation: Invitation,
}

/// A request for a session over a new leg.
///
/// # Errors
/// The first check of TS 24.379 10.1.1.4.2 that fails.
pub(super) fn incoming(
    view: &mut View<'_>,
    open: &mut Open,
    leg: LegId,
    mut invitation: Invitation,
) -> Result<(LegOwner, Outcome<Over>), Refusal> {
    if invitation.hops == 0 {
        return Err(Refusal::TooManyHops);
    }
    if invitation.focus {
        return Err(Refusal::NotPermitted { why: "isfocus: no non-controlling function here" });
    }
    if invitation.info.encrypted {
        return Err(Refusal::Encrypted);
    }
    let user = named(invitation.info.calling_user.as_deref(), "mcptt-calling-user-id").map(UserId::new)?;
    let client = invitation.info.client_id.as_deref().map(ClientId::from);
    let offer = invitation.offer.take().ok_or(Refusal::MediaNotAcceptable { why: "no offer" })?;
    let request = Request { leg, user, client, offer, invitation };

    if let Some(id) = request.invitation.session {
        return joining::rejoin(view, open, id, request);
    }
    let group =
        named(request.invitation.info.request_uri.as_deref(), "mcptt-request-uri").map(GroupId::new)?;
    let document = view.model.group(Side::Mc, group.as_str());
    // Steps 2 and 3.
    acceptable(view, document.map(Arc::as_ref), &request.offer)?;
    if !request.invitation.service_requested {
        return Err(Refusal::NotOurService);
    }
    let document = admitted(view, document, &group, &request)?;
    regrouped::refuse_or_redirect(view, open, &group)?;
    session_type_fits(document, request.invitation.info.session_type.as_deref())?;
    if let Some(session) = open.call_on(view.model, &group) {
        return joining::join(view, session, request);
    }
    begin(view, open, document, request)
}

/// An identity of the body in canonical form.
fn named(uri: Option<&str>, element: &str) -> Result<String, Refusal> {
    uri.and_then(uri::identity).ok_or_else(|| Refusal::Malformed { place: element.to_owned() })
}

/// Step 2: one speech medium with a codec that we take. The ports of this answer are not used.
pub(super) fn acceptable(
    view: &View<'_>,
    group: Option<&GroupDocument>,
    offer: &SessionDescription,
) -> Result<(), Refusal> {
    let encodings = match group {
        Some(group) if !group.encodings.is_empty() => &group.encodings,
        _ => &view.policy.default_encodings,
    };
    let trial = MediaLeg {
        address: view.policy.media_address,
        port: 9,
        session: 1,
        version: 1,
        encodings,
        priority: None,
        implicit_request: false,
        queueing: false,
    };
    offer.answer(&trial).map(drop).map_err(|why| Refusal::MediaNotAcceptable { why })
}

/// TS 24.379 6.3.5.2: the group exists for this service, may be called, and the caller is a member.
fn admitted<'a>(
    view: &View<'_>,
    document: Option<&'a Arc<GroupDocument>>,
    group: &GroupId,
    request: &Request,
) -> Result<&'a Arc<GroupDocument>, Refusal> {
    let document = document.filter(|document| document.services.contains(&request.invitation.service));
    let document = document.ok_or_else(|| Refusal::NoSuchGroup(group.clone()))?;
    if document.preconfigured_only {
        return Err(Refusal::PreconfiguredOnly);
    }
    if document.disabled {
        return Err(Refusal::GroupDisabled(group.clone()));
    }
    if !groups::is_member(view.model, &request.user, group) {
        return Err(Refusal::NotMember(group.clone()));
    }
    Ok(document)
}

/// TS 24.379 6.3.5.2 step 5 c and d.
fn session_type_fits(document: &GroupDocument, session_type: Option<&str>) -> Result<(), Refusal> {
    match session_type {
        Some("prearranged") if document.prearranged => Ok(()),
        Some("chat") if !document.prearranged => Ok(()),
        Some("prearranged" | "chat") => Err(Refusal::WrongSessionType { prearranged: document.prearranged }),
        Some(_) => Err(Refusal::LocalPolicy { why: "session-type not served" }),
        None => Err(Refusal::Malformed { place: "session-type".to_owned() }),
    }
}

/// TS 24.379 6.3.6: the caller's client is affiliated; where the client is not named, any client of the user.
pub(super) fn affiliated(
    model: &Model,
    user: &UserId,
    client: Option<&ClientId>,
    group: &GroupId,
) -> Result<(), Refusal> {
    let clients = groups::affiliated_to(model, user, group);
    let is = match client {
        Some(client) => clients.contains(client),
        None => !clients.is_empty(),
    };
    if is { Ok(()) } else { Err(Refusal::NotAffiliated(group.clone())) }
}

/// Step 14: no call is running on the group.
fn begin(
    view: &mut View<'_>,
    open: &mut Open,
    document: &Arc<GroupDocument>,
    request: Request,
) -> Result<(LegOwner, Outcome<Over>), Refusal> {
    let Request { leg, user, client, offer, invitation } = request;
    let (group, info) = (&document.id, &invitation.info);
    // 6.3.5.4 step 3; whoever begins a chat group call joins it.
    if document.prearranged && !document.rules.initiate.includes(&user, true) {
        return Err(Refusal::MayNotInitiate);
    }
    if !document.prearranged && !document.rules.join.includes(&user, true) {
        return Err(Refusal::MayNotJoinChat);
    }
    // Steps 10 and 11.
    let wanted = upgrading::wanted(info, CallPriority::Normal);
    upgrading::authorised(&document.rules, &user, wanted)?;
    let priority = match wanted {
        upgrading::Wanted::Raise(state) => state,
        _ => CallPriority::Normal,
    };
    upgrading::claim(view.policy, invitation.resource_priority.as_deref(), priority)?;
    // Step 14 a.
    affiliated(view.model, &user, client.as_ref(), group)?;
    // Step 14 g i.
    let members = groups::members_of(view.model, group);
    let asked = if document.prearranged {
        let affiliated = groups::affiliated_members(view.model, group);
        enough(document, &members, &affiliated)?;
        affiliated
    } else {
        BTreeMap::new()
    };
    // Step 1.
    let port = view.media.take().ok_or(Refusal::NoResources { what: "media ports" })?;
    let answer = match offer.answer(&media_leg(view, document, &members, &user, leg, port, true)) {
        Ok(answer) => answer,
        Err(why) => {
            view.media.give_back(port);
            return Err(Refusal::MediaNotAcceptable { why });
        }
    };
    // Step 14 e.
    let id = CallRef(view.ids.number());
    let broadcast = document.prearranged && info.broadcast == Some(true);
    let call = Call {
        id,
        group: document.as_ref().clone(),
        members: if document.temporary.is_some() { members.clone() } else { MemberList::default() },
        service: invitation.service,
        initiator: user.clone(),
        broadcast,
        priority,
        resource_priority: invitation.resource_priority,
        established: false,
        started: view.now,
        ends: document
            .maximum_duration
            .filter(|_| document.prearranged)
            .map(|duration| view.now.plus(duration)),
        orphaned: false,
    };
    let template = Template {
        info: invitation.info,
        offer: Some(offer),
        answer_modes: invitation.answer_modes,
        hops: invitation.hops.saturating_sub(1).min(FIRST_HOPS),
    };
    let caller = Caller { leg, client, port, answer };
    let mut out = Outcome::default();
    let mut session = if document.prearranged {
        invite_members(view, call, template, caller, &members, asked, &mut out)
    } else {
        chat(view, call, template, caller, &mut out)
    };
    session.settle(view.model, &mut out);
    open.keep(session);
    Ok((LegOwner::Call(id), out))
}

/// Step 14 g i: enough affiliated members, and all of those who must be.
fn enough(
    document: &GroupDocument,
    members: &MemberList,
    affiliated: &BTreeMap<UserId, BTreeSet<ClientId>>,
) -> Result<(), Refusal> {
    let few =
        document.minimum_affiliated.is_some_and(|minimum| (affiliated.len() as u64) < u64::from(minimum));
    let lacking =
        members.iter().any(|(user, member)| member.affiliation_required && !affiliated.contains_key(user));
    if few || lacking { Err(Refusal::TooFewMembers) } else { Ok(()) }
}

/// Step 14 g v: affiliated members, required ones first, at most as many as the group may have participants.
fn invite_members(
    view: &mut View<'_>,
    call: Call,
    template: Template,
    caller: Caller,
    members: &MemberList,
    mut affiliated: BTreeMap<UserId, BTreeSet<ClientId>>,
    out: &mut Outcome<Over>,
) -> Session {
    affiliated.remove(&call.initiator);
    let required = |user: &UserId| members.get(user).is_some_and(|member| member.required);
    let (mut invitees, others): (Vec<_>, Vec<_>) =
        affiliated.into_iter().partition(|(user, _)| required(user));
    invitees.extend(others);
    let room = call.group.max_participants.map_or(usize::MAX, |limit| (limit as usize).saturating_sub(1));
    let missing = members
        .iter()
        .filter(|(user, member)| member.required && **user != call.initiator)
        .map(|(user, _)| user.clone())
        .collect();
    let mut commencement = Commencement::new(caller, missing);
    commencement.cut = invitees.len() > room;
    invitees.truncate(room);

    let id = call.id;
    note(
        out,
        format!("call {id} on {} began: {} asks {} members", call.group.id, call.initiator, invitees.len()),
    );
    if let Some(at) = call.ends {
        out.sends.push(Send::WakeAt { at, wake: Wake::Tng3(id) });
    }
    if commencement.tng1 == commencement::Tng1::Running {
        let tng1 = call.group.acknowledgement_timeout.unwrap_or(view.policy.tng1_default);
        out.sends.push(Send::WakeAt { at: view.now.plus(tng1), wake: Wake::Tng1(id) });
    }
    let mut session = Session::new(call, template, Some(commencement));
    let mut unasked = Vec::new();
    for (user, clients) in invitees {
        if let Err(refusal) = inviting::invite(view, &mut session, &user, &clients, out) {
            unasked.push((user, refusal));
        }
    }
    // Whoever could not be asked counts as one who rejected, once all others are asked.
    for (user, refusal) in unasked {
        commencement::refused(view, &mut session, &user, refusal.into(), out);
    }
    commencement::look(view, &mut session, out);
    session
}

/// TS 24.379 10.1.2.4.1.1: the first to join creates the session and is answered at once; nobody is invited.
fn chat(
    view: &mut View<'_>,
    mut call: Call,
    template: Template,
    caller: Caller,
    out: &mut Outcome<Over>,
) -> Session {
    call.established = true;
    note(out, format!("chat call {} on {} began: {}", call.id, call.group.id, call.initiator));
    let acceptance = Acceptance {
        answer: Some(caller.answer),
        info: upgrading::state(&call, &template.info),
        session: session_identity(&view.policy.functions.controlling, call.id.0),
        ..Acceptance::default()
    };
    out.sends.push(Send::Call(CallSend::Accept { leg: caller.leg, acceptance: Box::new(acceptance) }));
    let initiator = call.initiator.clone();
    let mut session = Session::new(call, template, None);
    session.seat(view, caller.leg, initiator, caller.client, caller.port, out);
    session
}
