//! Typed messages and headers, read on demand from what the scanner found, and builders for what we send. The only
//! room that knows rsip: it gives the vocabulary of what we generate (methods, status codes) and the second opinion
//! in tests; what peers send is read by our own grammars.

mod address;
mod digest;
mod draft;
pub mod escape;
mod grammar;
mod headers;
mod method;
mod refused;
mod reply;
mod request;
mod response;
mod uri;
pub mod values;
mod via;
mod writer;

pub use address::NameAddr;
pub use draft::Draft;
pub use headers::Headers;
pub use method::Method;
pub use reply::{Reply, reason_phrase};
pub use request::Request;
pub use response::Response;
pub use uri::Uri;
pub use via::Via;

/// A header, URI or start line that cannot be read; becomes a 400 that names the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}")]
pub struct Malformed {
    /// What was wrong and where, for instance `CSeq method differs from the request line`.
    pub place: &'static str,
}

/// A body on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutBody {
    /// `Content-Type`.
    pub content_type: String,
    /// The octets.
    pub content: bytes::Bytes,
}
