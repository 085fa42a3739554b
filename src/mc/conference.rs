//! Conference event package: who may watch a call, and its roster. TS 24.379 10.1.3.3, 10.1.3.4, 6.3.3.4; RFC 4575.
//!
//! ```text
//!  participant     participating function     controlling function
//!    |-- SUBSCRIBE ------>| 137                      |
//!    |                    |-- (handed over) -------->| 137, 138, 105
//!    |<-- NOTIFY, on accept and with every change of the roster
//! ```

use super::session::members;
use crate::documents::McInfo;
use crate::documents::conference_info::{ConferenceInfo, EndpointStatus};
use crate::model::*;
use crate::procedure::*;
use std::collections::BTreeMap;

/// What the Request-URI of a SUBSCRIBE named: a session identity of one of our functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// A session at the participating function.
    Participation(ParticipationRef),
    /// A call at the controlling function.
    Call(CallRef),
}

/// Whether `subscriber` may watch the roster; which call is watched.
///
/// # Errors
/// 137: no such session, or not the group of the session. 138: not a participant, or the group does not allow it.
/// 105: a broadcast call.
pub fn subscribe(
    view: &View<'_>,
    subscriber: &UserId,
    target: Which,
    info: Option<&McInfo>,
) -> Result<CallRef, Refusal> {
    let (id, takes_part) = match target {
        // 10.1.3.3: the session is the subscriber's own.
        Which::Participation(id) => {
            let session = view.model.participation(id).filter(|session| session.user == *subscriber);
            let behind = session.and_then(|session| call_behind(view.model, session));
            let (id, leg) = behind.ok_or(Refusal::NoSuchCall)?;
            (id, view.model.participant(id, leg).is_some_and(|one| !one.left))
        }
        Which::Call(id) => {
            let mut participants = view.model.participants(id);
            (id, participants.any(|one| !one.left && one.user == *subscriber))
        }
    };
    // 10.1.3.4.1.
    let call = view.model.call(id).ok_or(Refusal::NoSuchCall)?;
    let group = info.and_then(|info| info.request_uri.as_deref());
    if group.is_some_and(|group| uri::identity(group).as_deref() != Some(call.group.id.as_str())) {
        return Err(Refusal::NoSuchCall);
    }
    let is_member = members(call).contains_key(subscriber);
    if !takes_part || !call.group.rules.conference_state.includes(subscriber, is_member) {
        return Err(Refusal::NoConferenceState);
    }
    if call.broadcast {
        return Err(Refusal::Broadcast);
    }
    Ok(id)
}

/// The call at the other end of a session and its leg towards us, if its controlling function is in this process.
fn call_behind(model: &Model, session: &Participation) -> Option<(CallRef, LegId)> {
    let LegLink::Memory(other) = &model.leg(session.core_leg)?.link else { return None };
    match model.leg(*other)?.owner {
        LegOwner::Call(call) => Some((call, *other)),
        LegOwner::Participation(_) => None,
    }
}

/// The roster of a call, full state (TS 24.379 6.3.3.4). `None`: the call is over, and the last NOTIFY has no body.
pub fn document(model: &Model, call: CallRef) -> Option<ConferenceInfo> {
    let group = &model.call(call)?.group.id;
    let mut version: u32 = 0;
    let mut users: BTreeMap<&UserId, EndpointStatus> = BTreeMap::new();
    for participant in model.participants(call) {
        version = version.saturating_add(participant.turns);
        let status = if participant.left { EndpointStatus::Disconnected } else { EndpointStatus::Connected };
        users
            .entry(&participant.user)
            .and_modify(|known| {
                if status == EndpointStatus::Connected {
                    *known = status;
                }
            })
            .or_insert(status);
    }
    Some(ConferenceInfo {
        entity: group.to_string(),
        version,
        users: users.into_iter().map(|(user, status)| (user.to_string(), status)).collect(),
        deleted: false,
    })
}
