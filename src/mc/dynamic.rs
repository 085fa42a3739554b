//! Group dynamic data: who is affiliated to a group and what goes on in it. TS 24.379 9.2.1.6, 9.2.2.3.9, 9.2.2.3.10;
//! TS 23.280 10.1.5.6.
//!
//! ```text
//!  MC service client, or           MC service server that owns the group
//!  a function elsewhere
//!    |-- SUBSCRIBE (presence) ----->| the group exists; may the subscriber know?
//!    |<----------------------- 200 -|
//!    |<-- NOTIFY: whole state ------| at once, and on every change: affiliations, call, emergency, imminent peril
//! ```
//!
//! The state of the group (emergency, imminent peril, a call) is for its members. The list of the affiliated is for whom
//! the group document allows it: the action `on-network-allow-getting-affiliation-list` (TS 24.481 7.2.8).

use super::groups;
use crate::documents::group_dynamic::{GroupDynamicData, GroupState};
use crate::documents::pidf::{Affiliation, Presence, Tuple};
use crate::model::*;
use crate::procedure::{Refusal, View};

/// TS 24.379 9.2.2.3.9: what a subscription of a user to a group of this system watches. `user`: the filter, if there is
/// one: only this user.
///
/// # Errors
/// 404: no such group (113). 403: the subscriber is neither a member nor allowed to see who is affiliated (116).
pub fn subscribe(
    view: &View<'_>,
    sender: &UserId,
    group: &GroupId,
    user: Option<UserId>,
    service: Service,
) -> Result<Watched, Refusal> {
    let document =
        view.model.group(Side::Mc, group.as_str()).ok_or_else(|| Refusal::NoSuchGroup(group.clone()))?;
    let is_member = groups::is_member(view.model, sender, group);
    if !is_member && !document.rules.affiliation_list.includes(sender, false) {
        return Err(Refusal::NotMember(group.clone()));
    }
    Ok(Watched::Group { group: group.clone(), service, user })
}

/// TS 24.379 9.2.2.3.10: the whole state of a group as a subscriber may see it. A group that is gone has neither members
/// nor state.
pub fn document(
    model: &Model,
    subscriber: &Subscriber,
    group: &GroupId,
    service: Service,
    user: Option<&UserId>,
) -> GroupDynamicData {
    let presence = Presence { entity: group.to_string(), ..Presence::default() };
    let Some(known) = model.group(Side::Mc, group.as_str()) else {
        return GroupDynamicData { presence, state: None };
    };
    let sees_members = match subscriber {
        Subscriber::User(id) => {
            known.rules.affiliation_list.includes(id, groups::is_member(model, id, group))
        }
        Subscriber::Function(_) => true,
    };
    let mut tuples = Vec::new();
    if sees_members {
        for (member, clients) in groups::affiliated_members(model, service, group) {
            if user.is_some_and(|user| *user != member) {
                continue;
            }
            let affiliations = clients.iter().map(|client| Affiliation::with_client(client.as_str(), None));
            tuples.push(Tuple { id: member.to_string(), affiliations: affiliations.collect() });
        }
    }
    GroupDynamicData { presence: Presence { tuples, ..presence }, state: Some(state(model, service, group)) }
}

/// What goes on in a group.
fn state(model: &Model, service: Service, group: &GroupId) -> GroupState {
    let call = model.call_on(service, group.as_str());
    let is = |priority| call.is_some_and(|call| call.priority == priority);
    GroupState {
        emergency: is(CallPriority::Emergency),
        imminent_peril: is(CallPriority::ImminentPeril),
        call: call.is_some(),
    }
}
