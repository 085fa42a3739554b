//! Conference event package: subscription and roster. TS 24.379 10.1.3.3, 10.1.3.4; RFC 4575.

use crate::documents::McInfo;
use crate::documents::conference_info::ConferenceInfo;
use crate::model::*;
use crate::procedure::*;

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
    let _ = (view, subscriber, target, info);
    unimplemented!()
}

/// The roster of a call, full state. `None`: the call is over, and the last NOTIFY has no body.
pub fn document(model: &Model, call: CallRef) -> Option<ConferenceInfo> {
    let _ = (model, call);
    unimplemented!()
}
