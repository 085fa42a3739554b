//! `application/vnd.oma.poc.groups+xml`: the group document (TS 24.481 7.2).

use super::DocumentError;
use crate::config::Limits;
use crate::model::{GroupDocument, Regrouped};

/// Reads a whole document (exactly one `list-service`).
///
/// # Errors
/// [`DocumentError`].
pub fn decode(body: &[u8], limits: &Limits) -> Result<GroupDocument, DocumentError> {
    let _ = (body, limits);
    unimplemented!()
}

/// Writes a document, with or without `list`, with the mark of a constituent group if there is one.
pub fn encode(document: &GroupDocument, with_members: bool, regrouped: Option<&Regrouped>) -> String {
    let _ = (document, with_members, regrouped);
    unimplemented!()
}
