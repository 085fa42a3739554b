//! Requests that are passed on while the one that caused them waits for its answer.

use super::{ReplyTo, Warning};
use crate::documents::{Body, McInfo};
use crate::model::*;

/// A request of a user that goes on to the user's clients it is about, or to the function that serves that user
/// (TS 24.379 9.2.2.2.8, 9.2.2.2.9). What is answered there is the answer to the request that caused it. Nothing of it
/// survives a restart: who asked sends it again.
#[derive(Clone, Debug)]
pub struct PassOn {
    /// The request that waits.
    pub reply: ReplyTo,
    /// Where it goes.
    pub to: PassTo,
    /// The service.
    pub service: Service,
    /// mcptt-info of the new request: whom it is about, and who asked.
    pub info: McInfo,
    /// The other part of its body, as it was received.
    pub document: Option<Body>,
    /// What kind of request it is.
    pub request: Passed,
    /// The proposal that falls if nobody takes the request.
    pub proposal: Option<ProposalRef>,
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassTo {
    /// To all clients of a user that are registered: the first that takes it answers for all.
    Clients(UserId),
    /// To the participating function that serves the user.
    Function(Psi),
}

/// What kind of request is passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passed {
    /// PUBLISH of affiliations (TS 24.379 9.2.2.2.9).
    Affiliations {
        /// Expires, seconds, as received.
        expires: Option<u32>,
        /// SIP-If-Match as received.
        etag: Option<String>,
    },
    /// MESSAGE (TS 24.379 9.2.2.2.8).
    Message(Heading),
}

/// What a MESSAGE keeps when it is passed on, so that the one who answers it by another MESSAGE can name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heading {
    /// From without tag.
    pub from: String,
    /// To without tag.
    pub to: String,
    /// Call-ID.
    pub call_id: String,
    /// CSeq number.
    pub cseq: u32,
    /// Max-Forwards of the request that goes out.
    pub hops: u32,
}

/// The final answer to a request that was passed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PassedAnswer {
    /// The status; `None`: nobody answered, or nobody could be reached.
    pub status: Option<u16>,
    /// Warnings, in order.
    pub warnings: Vec<Warning>,
    /// Retry-After, seconds.
    pub retry_after: Option<u32>,
    /// Expires granted (PUBLISH).
    pub expires: Option<u32>,
    /// Min-Expires (423).
    pub min_expires: Option<u32>,
    /// SIP-ETag (PUBLISH).
    pub etag: Option<String>,
}
