//! The originating participating function: a client of ours calls a group. TS 24.379 10.1.1.3.1.1, 10.1.1.3.5.
//!
//! ```text
//!  client             originating PF            controlling function
//!    |-- INVITE ----------->| 4 profile, 5 N6, 6 media     |
//!    |                      | 7 who controls the group     |
//!    |                      |-- 8 INVITE (6.3.2.1.3) ----->|
//!    |<-- 180, 183 ---------|<-------------- 180, 183 -----|
//!    |<-- 200 --------------|<------------------- 200 -----|  6.3.2.1.5.2
//!    |<-- refusal ----------|<--------------- refusal -----|  a 302: `regrouped`
//!    |-- CANCEL ----------->|-- CANCEL ------------------->|
//! ```

use super::calls::Open;
use super::controlling::acceptable;
use super::regrouped::{Redirected, redirected};
use super::session::session_identity;
use crate::documents::McInfo;
use crate::model::*;
use crate::procedure::*;

/// The client waits for the controlling function.
#[derive(Debug)]
pub(super) struct AwaitControlling {
    pub id: ParticipationRef,
    pub user: UserId,
    client: Option<ClientId>,
    group: GroupId,
    client_leg: LegId,
    core_leg: LegId,
    /// What to send again if we have to follow a redirection.
    again: Option<Box<Invitation>>,
    followed: bool,
}

/// Steps 2 to 8.
///
/// # Errors
/// The first check that fails: 141, 140, 109 or 108, 103, 488, 142.
pub(super) fn incoming(
    view: &mut View<'_>,
    open: &Open,
    leg: LegId,
    user: UserId,
    client: Option<ClientId>,
    invitation: Invitation,
) -> Result<(ParticipationRef, Outcome<AwaitControlling>), Refusal> {
    if invitation.hops == 0 {
        return Err(Refusal::TooManyHops);
    }
    // Step 2.
    let profile = view.model.user(user.as_str()).map(|user| &user.profile).ok_or(Refusal::UnknownUser)?;
    // Step 3.
    let info = &invitation.info;
    if info.encrypted {
        return Err(Refusal::Encrypted);
    }
    // Step 4.
    match info.session_type.as_deref() {
        Some("prearranged") if profile.allow_prearranged_call => {}
        Some("chat") if profile.allow_chat_call => {}
        Some("prearranged") => return Err(Refusal::CallsNotAllowed { prearranged: true }),
        Some("chat") => return Err(Refusal::CallsNotAllowed { prearranged: false }),
        Some(_) => return Err(Refusal::LocalPolicy { why: "session-type not served" }),
        None => return Err(Refusal::Malformed { place: "session-type".to_owned() }),
    }
    let group = called_group(view, &invitation)?;
    let client = info.client_id.as_deref().map(ClientId::from).or(client);
    // Step 5. An emergency call passes (NOTE 3): the controlling function refuses it if it is not authorised.
    if let Some(limit) = profile.max_calls_n6
        && info.emergency != Some(true)
        && simultaneous_calls(view.model, open, &user, client.as_ref(), &group) >= limit as usize
    {
        return Err(Refusal::TooManyCalls { limit });
    }
    // Step 6.
    let offer = invitation.offer.as_ref().ok_or(Refusal::MediaNotAcceptable { why: "no offer" })?;
    acceptable(view, view.model.group(Side::Mc, group.as_str()).map(AsRef::as_ref), offer)?;
    // Step 7.
    if !is_controlled_here(view, &group) {
        return Err(Refusal::NoControllingFunction(group));
    }
    // Step 8.
    let id = ParticipationRef(view.ids.number());
    let core_leg = LegId(view.ids.number());
    let invitation = Box::new(outgoing(&user, client.as_ref(), invitation));
    let again = (view.policy.regrouped_call_of(&group) == RegroupedCall::Follow).then(|| invitation.clone());
    let wait = AwaitControlling {
        id,
        user,
        client,
        group: group.clone(),
        client_leg: leg,
        core_leg,
        again,
        followed: false,
    };
    let invite = CallSend::Invite {
        leg: core_leg,
        owner: LegOwner::Participation(id),
        to: Party::Controlling { group },
        invitation,
    };
    Ok((id, Outcome::wait(wait, Vec::new(), vec![Send::Call(invite)])))
}

/// The group that is called; for a rejoin that does not name it, the group of the session.
fn called_group(view: &View<'_>, invitation: &Invitation) -> Result<GroupId, Refusal> {
    if let Some(uri) = invitation.info.request_uri.as_deref() {
        let malformed = || Refusal::Malformed { place: "mcptt-request-uri".to_owned() };
        return uri::identity(uri).map(GroupId::new).ok_or_else(malformed);
    }
    match invitation.session {
        Some(call) => view.model.call(call).map(|call| call.group.id.clone()).ok_or(Refusal::NoSuchCall),
        None => Err(Refusal::Malformed { place: "mcptt-request-uri".to_owned() }),
    }
}

/// Calls that count for N6: those in progress and those being set up. A client that calls its group again has lost that
/// call, which does not count.
fn simultaneous_calls(
    model: &Model,
    open: &Open,
    user: &UserId,
    client: Option<&ClientId>,
    group: &GroupId,
) -> usize {
    let running = model
        .participations_of(user.as_str())
        .filter(|one| one.group != *group || one.client.as_ref() != client)
        .count();
    running + open.calls_in_setup(user)
}

/// Step 7: a group that is known here, or would be: the controlling function then knows that it is gone (113).
fn is_controlled_here(view: &View<'_>, group: &GroupId) -> bool {
    let known = view.model.group(Side::Mc, group.as_str()).is_some();
    let ours = group.domain().eq_ignore_ascii_case(&view.policy.domain);
    !view.policy.functions.controlling.is_empty() && (known || ours)
}

/// TS 24.379 6.3.2.1.3: what of the client's INVITE goes on. Answer-Mode does not.
fn outgoing(user: &UserId, client: Option<&ClientId>, invitation: Invitation) -> Invitation {
    let info = McInfo {
        calling_user: Some(user.to_string()),
        calling_group: None,
        client_id: client.map(ToString::to_string),
        access_token: None,
        ..invitation.info
    };
    Invitation { info, focus: false, answer_modes: Vec::new(), hops: invitation.hops - 1, ..invitation }
}

impl AwaitControlling {
    /// What is heard on one of the two legs.
    pub(super) fn on(self, view: &mut View<'_>, leg: LegId, event: LegEvent) -> Outcome<Self> {
        let mut sends = Vec::new();
        match event {
            LegEvent::Progress(progress) if leg == self.core_leg => {
                sends.push(Send::Call(CallSend::Progress { leg: self.client_leg, progress }));
            }
            LegEvent::Accepted(acceptance) if leg == self.core_leg => {
                return self.established(view, *acceptance);
            }
            LegEvent::Refused(rejection) if leg == self.core_leg => return self.refused(view, rejection),
            LegEvent::Released { .. } | LegEvent::Lost { .. } if leg == self.core_leg => {
                return self.refuse(Rejection { status: 500, ..Rejection::default() });
            }
            // The client gave up. An acceptance on its way is released when it comes.
            LegEvent::Cancelled | LegEvent::Released { .. } | LegEvent::Lost { .. }
                if leg == self.client_leg =>
            {
                return Outcome::end(Vec::new(), vec![Send::Call(CallSend::Cancel { leg: self.core_leg })]);
            }
            event => sends.extend(super::relaying::stray(leg, &event)),
        }
        Outcome::wait(self, Vec::new(), sends)
    }

    /// TS 24.379 6.3.2.1.5.2.
    fn established(self, view: &View<'_>, mut acceptance: Acceptance) -> Outcome<Self> {
        let participation = Participation {
            id: self.id,
            role: ParticipationRole::Originating,
            user: self.user,
            client: self.client,
            group: self.group.clone(),
            client_leg: self.client_leg,
            core_leg: self.core_leg,
            session: acceptance.session.take(),
        };
        if self.followed {
            // The client called another group: it learns in which one it is now.
            let info = acceptance.info.get_or_insert_default();
            info.calling_group = Some(self.group.to_string());
        }
        acceptance.session = session_identity(&view.policy.functions.participating, self.id.0);
        acceptance.client = None;
        let accept = CallSend::Accept { leg: self.client_leg, acceptance: Box::new(acceptance) };
        Outcome::end(vec![Change::Put(Fact::Participation(participation))], vec![Send::Call(accept)])
    }

    /// A final answer from 300.
    fn refused(self, view: &mut View<'_>, rejection: Box<Rejection>) -> Outcome<Self> {
        if !(300..400).contains(&rejection.status) {
            return self.refuse(*rejection);
        }
        match redirected(view.policy, &self.group, self.followed, &rejection) {
            Redirected::PassOn => self.refuse(*rejection),
            Redirected::Refuse => self.refuse(Refusal::Regrouped.into()),
            Redirected::Follow(temporary) => self.follow(view, temporary),
        }
    }

    /// A new INVITE to the temporary group: same caller, same offer, same indications. The session-type is that of the
    /// temporary group, where it is known.
    fn follow(mut self, view: &mut View<'_>, temporary: GroupId) -> Outcome<Self> {
        if !is_controlled_here(view, &temporary) {
            return self.refuse(Refusal::NoControllingFunction(temporary).into());
        }
        let Some(mut invitation) = self.again.take() else { return self.refuse(Refusal::Regrouped.into()) };
        invitation.info.request_uri = Some(temporary.to_string());
        invitation.session = None;
        if let Some(document) = view.model.group(Side::Mc, temporary.as_str()) {
            let kind = if document.prearranged { "prearranged" } else { "chat" };
            invitation.info.session_type = Some(kind.to_owned());
        }
        self.core_leg = LegId(view.ids.number());
        self.group = temporary.clone();
        self.followed = true;
        let invite = CallSend::Invite {
            leg: self.core_leg,
            owner: LegOwner::Participation(self.id),
            to: Party::Controlling { group: temporary },
            invitation,
        };
        Outcome::wait(self, Vec::new(), vec![Send::Call(invite)])
    }

    fn refuse(self, rejection: Rejection) -> Outcome<Self> {
        let refuse = CallSend::Refuse { leg: self.client_leg, rejection: Box::new(rejection) };
        Outcome::end(Vec::new(), vec![Send::Call(refuse)])
    }
}
