//! The group management server: one file per procedure (TS 23.280 clause 10.2, TS 24.481).
//!
//! | file | what it is about |
//! |---|---|
//! | `formation`, `teardown` | temporary groups within this system |
//! | `formation_across`, `teardown_across` | the same with groups of other systems, at the server that keeps the temporary group |
//! | `formation_partner`, `teardown_partner` | the same at a server that owns some of the constituents |
//! | `configuration_provision`, `configuration_request`, `configuration_withdrawal` | group configuration that systems share |
//! | `configuration_policy` | what is left out of it, and what the receiver changes |
//! | `documents`, `status` | an MC service server that is another process: group documents for it, affiliations from it |
//! | `between` | what all requests between group management servers have in common |
//! | `repeat` | an operation that is asked for again |

pub mod between;
mod configuration_policy;
pub mod configuration_provision;
pub mod configuration_request;
mod configuration_withdrawal;
pub mod documents;
pub mod formation;
pub mod formation_across;
pub mod formation_partner;
mod repeat;
pub mod status;
pub mod teardown;
pub mod teardown_across;
mod teardown_partner;

use crate::documents::McInfo;
use crate::documents::gmop::Operation as GmopOperation;
use crate::model::*;
use crate::procedure::{Outcome, Over, Refusal, ReplyTo, Send, View, uri};
use std::collections::{BTreeMap, BTreeSet};

/// Longest transaction-id that is taken, octets: every member's notification carries it.
pub const TRANSACTION_ID_OCTETS: usize = 128;

/// Longest display name of a temporary group, octets: every member's notification carries it.
pub const DISPLAY_NAME_OCTETS: usize = 256;

/// Longest group identity that is taken, octets.
pub const GROUP_ID_OCTETS: usize = 256;

/// A GMS operation, asked by a user.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The request that waits for its answer.
    pub reply: ReplyTo,
    /// Who asks: the authenticated identity. What the document says in `requestor` counts for nothing.
    pub sender: UserId,
    /// By which client, where known: the result goes there.
    pub client: Option<ClientId>,
    /// Call-ID of the request, for In-Reply-To of the result.
    pub call_id: String,
    /// mcptt-info.
    pub info: McInfo,
    /// The operation element.
    pub operation: GmopOperation,
    /// The service of the request, in whose names the result is told.
    pub service: Service,
    /// Fingerprint of the bodies: tells a repetition from another request with the same transaction-id.
    pub hash: u64,
}

/// What a member with an affiliation has to do with a temporary group.
#[derive(Debug, Default, PartialEq, Eq)]
struct Concern {
    /// The clients by which the member is affiliated.
    clients: BTreeSet<ClientId>,
    /// The member's own constituent groups, in the order of the temporary group.
    constituents: Vec<GroupId>,
}

/// Affiliated members of the constituents that are owned here, each once for each service in which he is affiliated: his
/// clients of different services speak different names. Who is affiliated to the temporary group itself is concerned by
/// every constituent of which he is a member.
fn affiliated_members(
    model: &Model,
    temporary: &GroupId,
    constituents: &[GroupId],
) -> BTreeMap<(UserId, Service), Concern> {
    let mut members: BTreeMap<(UserId, Service), Concern> = BTreeMap::new();
    for constituent in constituents {
        let Some(document) = model.group(Side::Gms, constituent.as_str()) else { continue };
        for service in Service::ALL {
            let affiliated = model.affiliated_users(service, constituent.as_str());
            for (user, clients) in affiliated.chain(model.affiliated_users(service, temporary.as_str())) {
                if !document.members.contains_key(user) {
                    continue;
                }
                let concern = members.entry((user.clone(), service)).or_default();
                concern.clients.extend(clients.iter().cloned());
                if concern.constituents.last() != Some(constituent) {
                    concern.constituents.push(constituent.clone());
                }
            }
        }
    }
    members
}

/// Notes a request that is owed: as a fact, and as something to send.
/// Users of other systems are told by the GMS of theirs.
fn owe(
    view: &mut View<'_>,
    to: UserId,
    service: Service,
    clients: Vec<ClientId>,
    notice: Notice,
    outcome: &mut Outcome<Over>,
) {
    if !view.policy.is_own_user(&to) {
        return;
    }
    let id = OwedRef(view.ids.number());
    let until = view.now.plus(view.policy.owed_for);
    outcome.changes.push(Change::Put(Fact::Owed(Owed { id, to, clients, service, notice, until })));
    outcome.sends.push(Send::Owed(id));
}

/// The group that a request names in several places. Places that say nothing do not count; the others must agree.
fn named(places: &[Option<&str>]) -> Result<Option<GroupId>, Refusal> {
    let mut group: Option<GroupId> = None;
    for text in places.iter().flatten().map(|text| text.trim()).filter(|text| !text.is_empty()) {
        let id = read_group(text)?;
        if group.as_ref().is_some_and(|known| *known != id) {
            return Err(Refusal::malformed(
                "the request names different groups in group-id, list-service and mcptt-info",
            ));
        }
        group = Some(id);
    }
    Ok(group)
}

/// A group identity from a document.
fn read_group(text: &str) -> Result<GroupId, Refusal> {
    if text.len() > GROUP_ID_OCTETS {
        return Err(Refusal::malformed("GMOP: a group identity is too long"));
    }
    uri::identity(text)
        .map(GroupId::new)
        .ok_or_else(|| Refusal::malformed("GMOP: a group identity is not a URI"))
}

#[cfg(test)]
mod tests;
