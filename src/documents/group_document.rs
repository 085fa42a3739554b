//! `application/vnd.oma.poc.groups+xml`: the group document (TS 24.481 7.2).
//!
//! What [`GroupDocument`] has no field for passes through: it is in `details` and is written again, in the place that the
//! schema gives it. Lost on the way are comments, attributes that the schema does not have, members that a list names by
//! reference, and actions under a condition that this server does not know (they give nobody anything here, and are not
//! passed on as if they did). Three fields are not in the document: the version (it is the entity tag), who formed a
//! temporary group, and who may regroup.

use super::DocumentError;
use super::xml::{Ns, Out, Xml};
use crate::config::Limits;
use crate::model::{GroupDocument, Regrouped};

mod area;
mod kept;
mod order;
mod policy;
pub(super) mod read;
mod rules;
#[cfg(test)]
mod tests;
pub(super) mod write;

pub use policy::{deny_action, remove, remove_keys, remove_off_network};
pub use rules::who;

const DOCUMENT: &str = "group document";

/// Reads a whole document (exactly one `list-service`). Identities are brought into canonical form.
///
/// # Errors
/// [`DocumentError`].
pub fn decode(body: &[u8], limits: &Limits) -> Result<GroupDocument, DocumentError> {
    decode_marked(body, limits).map(|(document, _)| document)
}

/// Reads a whole document, and the mark of a constituent group if it has one (`on-network-regrouped`).
///
/// # Errors
/// [`DocumentError`].
pub fn decode_marked(
    body: &[u8],
    limits: &Limits,
) -> Result<(GroupDocument, Option<Regrouped>), DocumentError> {
    let (mut xml, _) = Xml::open(body, DOCUMENT, (Ns::ListService, "group"), limits)?;
    let read = read::group(&mut xml)?;
    xml.finish()?;
    Ok(read)
}

/// Writes a document, with or without `list`, with the mark of a constituent group if there is one.
pub fn encode(document: &GroupDocument, with_members: bool, regrouped: Option<&Regrouped>) -> String {
    let mut out = Out::new();
    write::group(&mut out, "", document, with_members, regrouped);
    out.finish()
}
