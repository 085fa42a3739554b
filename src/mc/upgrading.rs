//! Emergency and imminent peril in a group call, and the re-INVITE that asks for them or changes media:
//! TS 24.379 6.3.3.1.13 to 6.3.3.1.16, 6.3.3.1.19, 10.1.1.4.7.
//!
//! ```text
//!  participant          controlling function          other participants
//!    |-- re-INVITE ----------->| authorised?                  |
//!    |<-- 200 or 403 ----------|                              |
//!    |                         |-- re-INVITE, new indications >|
//! ```

use super::session::{Session, media_leg};
use crate::documents::{McInfo, SessionDescription};
use crate::model::*;
use crate::procedure::*;

/// What the indications of a request ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Nothing.
    Nothing,
    /// To raise the call to this state.
    Raise(CallPriority),
    /// To end this state.
    Cancel(CallPriority),
}

/// Reads the indications for a call in state `now`. An emergency beats imminent peril; the end of a state that the call
/// is not in asks for nothing.
pub(super) fn wanted(info: &McInfo, now: CallPriority) -> Wanted {
    if info.emergency == Some(true) {
        Wanted::Raise(CallPriority::Emergency)
    } else if info.imminent_peril == Some(true) {
        Wanted::Raise(CallPriority::ImminentPeril)
    } else if info.emergency == Some(false) && now == CallPriority::Emergency
        || info.imminent_peril == Some(false) && now == CallPriority::ImminentPeril
    {
        Wanted::Cancel(now)
    } else {
        Wanted::Nothing
    }
}

/// TS 24.379 6.3.3.1.13: what the group's rules let the user do. `user` is a member of the group.
///
/// # Errors
/// [`Refusal::PriorityNotAllowed`]: 403 with the refused indications (6.3.3.1.14).
pub(super) fn authorised(rules: &GroupRules, user: &UserId, wanted: Wanted) -> Result<(), Refusal> {
    let state = match wanted {
        Wanted::Nothing => return Ok(()),
        Wanted::Raise(state) | Wanted::Cancel(state) => state,
    };
    let emergency = state == CallPriority::Emergency;
    let rule = if emergency { &rules.emergency_call } else { &rules.imminent_peril_call };
    if rule.includes(user, true) { Ok(()) } else { Err(Refusal::PriorityNotAllowed { emergency }) }
}

/// A `Resource-Priority` of an emergency or of imminent peril counts only with the indication, or in a call of that
/// state.
///
/// # Errors
/// [`Refusal::NotPermitted`].
pub(super) fn claim(policy: &Policy, received: Option<&str>, state: CallPriority) -> Result<(), Refusal> {
    let Some(received) = received else { return Ok(()) };
    let values = &policy.resource_priorities;
    let claims = |value: &Option<String>| {
        value.as_ref().is_some_and(|value| {
            Some(value) != values.normal.as_ref()
                && received.split(',').any(|one| one.trim().eq_ignore_ascii_case(value))
        })
    };
    let claimed = if claims(&values.emergency) {
        CallPriority::Emergency
    } else if claims(&values.imminent_peril) {
        CallPriority::ImminentPeril
    } else {
        CallPriority::Normal
    };
    if claimed > state {
        return Err(Refusal::NotPermitted { why: "Resource-Priority without emergency or imminent peril" });
    }
    Ok(())
}

/// TS 24.379 6.3.3.1.19: the configured value for the state of the call, else what the caller sent.
pub(super) fn resource_priority(policy: &Policy, call: &Call) -> Option<String> {
    let values = &policy.resource_priorities;
    let configured = match call.priority {
        CallPriority::Emergency => &values.emergency,
        CallPriority::ImminentPeril => &values.imminent_peril,
        CallPriority::Normal => &values.normal,
    };
    configured.clone().or_else(|| call.resource_priority.clone())
}

/// Writes the state of the call into a body (TS 24.379 6.3.3.1.7 step 6). `caller`: the body that brought the state
/// about, for its alert indication.
pub(super) fn indicate(call: &Call, caller: &McInfo, info: &mut McInfo) {
    match call.priority {
        CallPriority::Emergency => {
            info.emergency = Some(true);
            info.alert = Some(caller.alert == Some(true));
        }
        CallPriority::ImminentPeril => info.imminent_peril = Some(true),
        CallPriority::Normal => {}
    }
}

/// The body of a 200 that shows the state of the call; none for an ordinary call.
pub(super) fn state(call: &Call, caller: &McInfo) -> Option<McInfo> {
    let mut info = McInfo::default();
    indicate(call, caller, &mut info);
    (call.priority != CallPriority::Normal).then_some(info)
}

/// Takes over what `info` asks for. True if the call changed: then [`tell_others`].
pub(super) fn change(session: &mut Session, info: &McInfo) -> bool {
    let now = session.call.priority;
    let next = match wanted(info, now) {
        Wanted::Nothing => now,
        Wanted::Raise(state) => now.max(state),
        Wanted::Cancel(_) => CallPriority::Normal,
    };
    if next != CallPriority::Normal {
        session.template.info.alert = info.alert.or(session.template.info.alert);
    }
    if next == now {
        return false;
    }
    session.call.priority = next;
    session.touch();
    true
}

/// TS 24.379 6.3.3.1.6 and 6.3.3.1.15: every other participant gets a re-INVITE with the indications.
pub(super) fn tell_others(session: &mut Session, but: LegId, out: &mut Outcome<Over>) {
    let legs: Vec<LegId> = session.seats.keys().copied().filter(|leg| *leg != but).collect();
    for leg in legs {
        offer(session, leg, out);
    }
}

/// One re-INVITE at a time on a leg; a change in between is told by the next one.
fn offer(session: &mut Session, leg: LegId, out: &mut Outcome<Over>) {
    let mut info = McInfo { calling_group: Some(session.call.group.id.to_string()), ..McInfo::default() };
    if session.call.priority == CallPriority::Normal {
        // The cancellation names both (6.3.3.1.15).
        info.emergency = Some(false);
        info.imminent_peril = Some(false);
    } else {
        indicate(&session.call, &session.template.info, &mut info);
    }
    let Some(seat) = session.seats.get_mut(&leg) else { return };
    info.request_uri = Some(seat.user.to_string());
    if seat.offering {
        seat.offer_again = true;
        return;
    }
    seat.offering = true;
    out.sends.push(Send::Call(CallSend::Offer { leg, offer: None, info: Some(info) }));
}

/// The answer to our re-INVITE. A refusal changes nothing: the participant stays as it was.
pub(super) fn offer_answered(session: &mut Session, leg: LegId, out: &mut Outcome<Over>) {
    let Some(seat) = session.seats.get_mut(&leg) else { return };
    seat.offering = false;
    if std::mem::take(&mut seat.offer_again) {
        offer(session, leg, out);
    }
}

/// TS 24.379 10.1.1.4.7: a re-INVITE of a participant.
pub(super) fn offered(
    view: &mut View<'_>,
    session: &mut Session,
    leg: LegId,
    offer: Option<&SessionDescription>,
    info: Option<&McInfo>,
    out: &mut Outcome<Over>,
) {
    let result = examine(view, session, leg, offer, info);
    let Ok(answer) = result else {
        let result = result.map(|_| Box::default()).map_err(|refusal| Box::new(refusal.into()));
        out.sends.push(Send::Call(CallSend::AnswerOffer { leg, result }));
        return;
    };
    let changed = info.is_some_and(|info| change(session, info));
    let acceptance = Acceptance {
        answer,
        // Shows the state as it is: imminent peril asked for in an emergency leaves the emergency.
        info: info.and_then(|_| state(&session.call, &session.template.info)),
        ..Acceptance::default()
    };
    out.sends.push(Send::Call(CallSend::AnswerOffer { leg, result: Ok(Box::new(acceptance)) }));
    if changed {
        tell_others(session, leg, out);
    }
}

/// Media and authorisation.
fn examine(
    view: &View<'_>,
    session: &Session,
    leg: LegId,
    offer: Option<&SessionDescription>,
    info: Option<&McInfo>,
) -> Result<Option<SessionDescription>, Refusal> {
    let seat = session.seats.get(&leg).ok_or(Refusal::NoSuchCall)?;
    if let Some(info) = info {
        if info.encrypted {
            return Err(Refusal::Encrypted);
        }
        authorised(&session.call.group.rules, &seat.user, wanted(info, session.call.priority))?;
    }
    let Some(offer) = offer else { return Ok(None) };
    let media = media_leg(view, &session.call.group, session.members(), &seat.user, leg, seat.port, false);
    offer.answer(&media).map(Some).map_err(|why| Refusal::MediaNotAcceptable { why })
}
