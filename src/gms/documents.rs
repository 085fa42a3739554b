//! Group documents for MC service servers that are elsewhere: TS 24.481 6.3.13.2.2, 6.3.13.3; TS 23.280 10.8.3.1 steps
//! 2a and 2b.
//!
//! ```text
//!  MC service server             GMS
//!    |-- 2a SUBSCRIBE (xcap-diff) ->| a server of this system?
//!    |<----------------------- 200 -|
//!    |<-- 2b NOTIFY: state ---------| at once, and with every change of a document
//! ```
//!
//! A notification names every document that is there with its entity tag (RFC 5874) and, for a subscriber that accepts
//! it, holds the documents themselves: XCAP, by which they would be fetched otherwise, is not needed then.

use crate::model::*;
use crate::procedure::{Caller, Refusal};
use std::sync::Arc;

/// A watched document as it stands.
#[derive(Clone, Debug)]
pub struct State {
    /// The group.
    pub group: GroupId,
    /// Its document, with the mark of a constituent; `None`: there is none.
    pub document: Option<(Arc<GroupDocument>, Option<Regrouped>)>,
}

/// What a subscription of a server watches.
///
/// # Errors
/// 403: not an MC service server of this system. 400: no group of this GMS is named.
pub fn subscribe(caller: &Caller, groups: Vec<GroupId>, with_documents: bool) -> Result<Watched, Refusal> {
    if caller.partner.is_some() || !(caller.participating || caller.controlling) {
        return Err(Refusal::NotPermitted { why: "documents are for the MC service servers of this system" });
    }
    if groups.is_empty() {
        return Err(Refusal::malformed("resource-lists: no entry is the document of a group"));
    }
    Ok(Watched::GroupDocuments { groups, with_documents })
}

/// The documents as they stand.
pub fn state(model: &Model, groups: &[GroupId]) -> Vec<State> {
    let state = |group: &GroupId| {
        let document = model.group(Side::Gms, group.as_str()).cloned();
        let mark = || model.regrouped(Side::Gms, group.as_str()).cloned();
        State { group: group.clone(), document: document.map(|document| (document, mark())) }
    };
    groups.iter().map(state).collect()
}
