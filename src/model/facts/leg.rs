//! One side of a session, and the SIP dialogs that sessions and subscriptions stand on.

use crate::env::Time;
use crate::model::*;
use serde::{Deserialize, Serialize};

/// One side of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// Its identity.
    pub id: LegId,
    /// The function instance that holds it.
    pub owner: LegOwner,
    /// What is at the other end.
    pub link: LegLink,
    /// The service of the session.
    pub service: Service,
    /// Released by us, but the other end has not heard: a restart repeats the BYE.
    pub ending: bool,
}

/// The function instance that holds a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LegOwner {
    /// A call at the controlling function.
    Call(CallRef),
    /// A session at the participating function.
    Participation(ParticipationRef),
}

/// What is at the other end of a leg.
#[allow(clippy::large_enum_variant, reason = "a leg is a record of its own; most end in a dialog")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LegLink {
    /// A leg of another function in this process.
    Memory(LegId),
    /// A SIP dialog.
    Dialog(DialogFact),
}

/// A SIP dialog as it is stored (RFC 3261 12): enough to go on with it after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DialogFact {
    /// Call-ID.
    pub call_id: String,
    /// Our tag.
    pub local_tag: String,
    /// The peer's tag.
    pub remote_tag: String,
    /// Our URI with display name, as in From of our requests, without tag.
    pub local_uri: String,
    /// The peer's URI with display name, without tag.
    pub remote_uri: String,
    /// The peer's Contact.
    pub remote_target: String,
    /// Our Contact value, with parameters.
    pub local_contact: String,
    /// Route set, in the order requests carry it.
    pub route_set: Vec<String>,
    /// CSeq of our last request in the dialog.
    pub local_cseq: u32,
    /// CSeq of the peer's last request, if there was one.
    pub remote_cseq: Option<u32>,
    /// Where the peer was last heard from; used where the route set and target give no better answer.
    pub source: Option<Source>,
    /// RFC 4028: interval in seconds, whether we refresh, and when it runs out.
    pub session_timer: Option<SessionTimerFact>,
}

/// A session timer as it is stored (RFC 4028).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionTimerFact {
    /// Session interval in seconds.
    pub interval: u32,
    /// Whether this server refreshes.
    pub we_refresh: bool,
    /// When the session ends if nobody refreshes.
    pub expires: Time,
}
