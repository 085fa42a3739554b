//! MIME bodies: one part, or `multipart/mixed` (RFC 2046 5.1), nested, with any boundary.

use super::DocumentError;
use crate::config::Limits;
use bytes::Bytes;

/// A body with its type, as sent or received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// `Content-Type` value, for instance `multipart/mixed;boundary=b1`.
    pub content_type: String,
    /// The octets.
    pub content: Bytes,
}

/// One leaf of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Media type in lower case without parameters, for instance `application/sdp`.
    pub media_type: String,
    /// `Content-ID` without brackets.
    pub content_id: Option<String>,
    /// `Content-Disposition` value.
    pub disposition: Option<String>,
    /// The octets.
    pub content: Bytes,
}

/// All leaf parts of a body, in order: the body itself if it is not multipart. Nested multipart is flattened.
///
/// # Errors
/// [`DocumentError`] if a boundary is missing or a limit is passed.
pub fn split(content_type: &str, body: &Bytes, limits: &Limits) -> Result<Vec<Part>, DocumentError> {
    let _ = (content_type, body, limits);
    unimplemented!()
}

/// Puts parts together: one part stays alone, several become `multipart/mixed` with a boundary that occurs in none.
pub fn join(parts: Vec<Body>) -> Body {
    let _ = parts;
    unimplemented!()
}
