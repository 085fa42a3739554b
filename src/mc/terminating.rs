//! The terminating participating function: a group call for a user of ours. TS 24.379 10.1.1.3.2.
//!
//! ```text
//!  controlling function      terminating PF               client
//!    |-- INVITE ------------------>| 2 isfocus                |
//!    |                             | binding, commencement    |
//!    |                             |-- INVITE (6.3.2.2.3) --->|
//!    |<-- 180, 183 ----------------|<-------------- 180, 183 -|
//!    |<-- 200 (6.3.2.2.5, .6) -----|<------------------- 200 -|
//!    |<-- 480, 110 ----------------|<--------------- refusal -|
//!    |-- CANCEL ------------------>|-- CANCEL --------------->|
//! ```

use super::groups;
use super::session::session_identity;
use crate::model::*;
use crate::procedure::*;

/// The controlling function waits for the client.
#[derive(Debug)]
pub(super) struct AwaitClient {
    pub id: ParticipationRef,
    pub user: UserId,
    group: GroupId,
    core_leg: LegId,
    client_leg: LegId,
    manual: bool,
    alerted: bool,
}

/// Steps 2 and following, up to the INVITE to the client.
///
/// # Errors
/// 104 without `isfocus`; 404 with 141 for a user that is not ours.
pub(super) fn incoming(
    view: &mut View<'_>,
    leg: LegId,
    invitation: Invitation,
) -> Result<(ParticipationRef, Outcome<AwaitClient>), Refusal> {
    if invitation.hops == 0 {
        return Err(Refusal::TooManyHops);
    }
    if !invitation.focus {
        return Err(Refusal::NoFocus);
    }
    let info = &invitation.info;
    if info.encrypted {
        return Err(Refusal::Encrypted);
    }
    let named = |uri: &Option<String>, element: &str| {
        let uri = uri.as_deref().and_then(uri::identity);
        uri.ok_or_else(|| Refusal::Malformed { place: element.to_owned() })
    };
    let user = UserId::new(named(&info.request_uri, "mcptt-request-uri")?);
    let group = GroupId::new(named(&info.calling_group, "mcptt-calling-group-id")?);
    let profile = view.model.user(user.as_str()).map(|user| &user.profile).ok_or(Refusal::UnknownUser)?;
    // Only the clients that the user affiliated to the group; if we know of none, the controlling function knows better.
    let clients = groups::affiliated_to(view.model, &user, &group).into_iter().collect();

    let manual = profile.answer_mode == AnswerMode::Manual;
    let mode = if manual { "Manual" } else { "Auto" };
    let mut answer_modes = vec![(AnswerModeHeader::Answer, mode.to_owned())];
    answer_modes.extend(
        invitation.answer_modes.into_iter().filter(|(header, _)| *header == AnswerModeHeader::PrivAnswer),
    );

    let id = ParticipationRef(view.ids.number());
    let client_leg = LegId(view.ids.number());
    let invite = CallSend::Invite {
        leg: client_leg,
        owner: LegOwner::Participation(id),
        to: Party::Client { user: user.clone(), clients },
        invitation: Box::new(Invitation {
            answer_modes,
            hops: invitation.hops - 1,
            session: None,
            ..invitation
        }),
    };
    let wait = AwaitClient { id, user, group, core_leg: leg, client_leg, manual, alerted: false };
    Ok((id, Outcome::wait(wait, Vec::new(), vec![Send::Call(invite)])))
}

impl AwaitClient {
    /// What is heard on one of the two legs.
    pub(super) fn on(mut self, view: &View<'_>, leg: LegId, event: LegEvent) -> Outcome<Self> {
        let mut sends = Vec::new();
        match event {
            LegEvent::Progress(progress) if leg == self.client_leg => {
                self.alerted |= progress.status == 180;
                sends.push(Send::Call(CallSend::Progress { leg: self.core_leg, progress }));
            }
            LegEvent::Accepted(acceptance) if leg == self.client_leg => {
                return self.established(view, *acceptance);
            }
            LegEvent::Refused(rejection) if leg == self.client_leg => {
                let rejection = self.declined(*rejection);
                return self.refuse(rejection);
            }
            LegEvent::Released { .. } | LegEvent::Lost { .. } if leg == self.client_leg => {
                return self.refuse(Rejection { status: 480, ..Rejection::default() });
            }
            // The controlling function gave up. An acceptance on its way is released when it comes.
            LegEvent::Cancelled | LegEvent::Released { .. } | LegEvent::Lost { .. }
                if leg == self.core_leg =>
            {
                return Outcome::end(Vec::new(), vec![Send::Call(CallSend::Cancel { leg: self.client_leg })]);
            }
            event => sends.extend(super::relaying::stray(leg, &event)),
        }
        Outcome::wait(self, Vec::new(), sends)
    }

    fn established(self, view: &View<'_>, mut acceptance: Acceptance) -> Outcome<Self> {
        let participation = Participation {
            id: self.id,
            role: ParticipationRole::Terminating,
            user: self.user,
            client: acceptance.client.clone(),
            group: self.group,
            client_leg: self.client_leg,
            core_leg: self.core_leg,
            session: None,
        };
        acceptance.session = session_identity(&view.policy.functions.participating, self.id.0);
        let accept = CallSend::Accept { leg: self.core_leg, acceptance: Box::new(acceptance) };
        Outcome::end(vec![Change::Put(Fact::Participation(participation))], vec![Send::Call(accept)])
    }

    /// TS 24.379 6.3.2.2.6: a user who was asked and said no is 480 with Warning 110. Any other refusal goes on as it is.
    fn declined(&self, rejection: Rejection) -> Rejection {
        let by_user = match rejection.status {
            603 => true,
            480 | 486 => self.manual && self.alerted,
            _ => false,
        };
        if !by_user || rejection.warnings.iter().any(|warning| warning.code.is_some()) {
            return rejection;
        }
        let warnings = vec![Warning::coded(110)];
        Rejection { status: 480, warnings, contacts: Vec::new(), ..rejection }
    }

    fn refuse(self, rejection: Rejection) -> Outcome<Self> {
        let refuse = CallSend::Refuse { leg: self.core_leg, rejection: Box::new(rejection) };
        Outcome::end(Vec::new(), vec![Send::Call(refuse)])
    }
}
