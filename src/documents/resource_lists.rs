//! `application/resource-lists+xml` (RFC 4826).

use super::DocumentError;
use crate::config::Limits;

/// All `entry@uri` values, nested lists included, in document order.
///
/// # Errors
/// [`DocumentError`].
pub fn decode(body: &[u8], limits: &Limits) -> Result<Vec<String>, DocumentError> {
    let _ = (body, limits);
    unimplemented!()
}

/// Writes one flat list.
pub fn encode(uris: &[String]) -> String {
    let _ = uris;
    unimplemented!()
}
