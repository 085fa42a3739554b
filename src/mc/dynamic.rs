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
use crate::procedure::{Caller, Place, Refusal, View};
use std::collections::{BTreeMap, BTreeSet};

/// Whether an identity that is no user and no group of this system is a group of another one: the sender is affiliated to it
/// or about to be, or its document was given to us.
pub fn is_group_elsewhere(view: &View<'_>, sender: &UserId, target: &GroupId) -> bool {
    let names = |record: &ClientAffiliations| record.groups.iter().any(|entry| entry.group == *target);
    matches!(view.policy.controlling_of(target), Place::At(_))
        && (view.model.group(Side::Mc, target.as_str()).is_some()
            || view.model.affiliations_of(sender.as_str()).any(names))
}

/// What a subscription of a function elsewhere to a group of this system watches: the GMS of this system everything, a
/// partner's participating function what the user may see for whom it asks (`by`).
///
/// # Errors
/// As [`subscribe`]; 403: another function, or no agreement (180).
pub fn subscribe_function(
    view: &View<'_>,
    caller: &Caller,
    group: &GroupId,
    (user, by): (Option<UserId>, Option<UserId>),
    service: Service,
) -> Result<Watched, Refusal> {
    match by {
        Some(by) => {
            if !caller.participating {
                return Err(Refusal::NotPermitted { why: "only functions that serve users ask for them" });
            }
            if !caller.may(view.policy).affiliate {
                return Err(Refusal::PartnerMayNot(caller.psi.clone()));
            }
            let watched = subscribe(view, &by, group, user, service)?;
            Ok(match watched {
                Watched::Group { group, service, user, .. } => {
                    Watched::Group { group, service, user, by: Some(by) }
                }
                other => other,
            })
        }
        None if caller.gms && caller.partner.is_none() => {
            let known = view.model.group(Side::Mc, group.as_str());
            known.ok_or_else(|| Refusal::NoSuchGroup(group.clone()))?;
            Ok(Watched::Group { group: group.clone(), service, user, by: None })
        }
        None => Err(Refusal::NotPermitted { why: "only the group management server asks for itself" }),
    }
}

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
    Ok(Watched::Group { group: group.clone(), service, user, by: None })
}

/// Whose affiliations to a group a notification shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Everybody's.
    All,
    /// One member's: who is affiliated.
    One(UserId),
    /// Nobody's.
    Nobody,
}

/// What a subscriber is shown of a group. `user`: the filter. `by`: the user for whom a function asks; without one it
/// sees all.
pub fn shown(
    model: &Model,
    subscriber: &Subscriber,
    group: &GroupId,
    service: Service,
    (user, by): (Option<&UserId>, Option<&UserId>),
) -> Shown {
    let Some(known) = model.group(Side::Mc, group.as_str()) else { return Shown::Nobody };
    let viewer = match subscriber {
        Subscriber::User(id) => Some(id),
        Subscriber::Function(_) => by,
    };
    let sees_all = viewer
        .is_none_or(|id| known.rules.affiliation_list.includes(id, groups::is_member(model, id, group)));
    let one = match (sees_all, viewer, user) {
        (true, _, None) => return Shown::All,
        (true, _, Some(user)) => user,
        // Everybody may see himself.
        (false, Some(viewer), user) if user.is_none_or(|user| user == viewer) => viewer,
        (false, ..) => return Shown::Nobody,
    };
    let affiliated =
        groups::is_member(model, one, group) && !groups::affiliated_to(model, service, one, group).is_empty();
    if affiliated { Shown::One(one.clone()) } else { Shown::Nobody }
}

/// TS 24.379 9.2.2.3.10: the whole state of a group, with the affiliations that are [`shown`]. A group that is gone has
/// neither members nor state.
pub fn document(model: &Model, group: &GroupId, service: Service, shown: &Shown) -> GroupDynamicData {
    let presence = Presence { entity: group.to_string(), ..Presence::default() };
    if model.group(Side::Mc, group.as_str()).is_none() {
        return GroupDynamicData { presence, state: None };
    }
    let members = match shown {
        Shown::All => groups::affiliated_members(model, service, group),
        Shown::One(user) => {
            BTreeMap::from([(user.clone(), groups::affiliated_to(model, service, user, group))])
        }
        Shown::Nobody => BTreeMap::new(),
    };
    let tuple = |(member, clients): (UserId, BTreeSet<ClientId>)| {
        let affiliations = clients.iter().map(|client| Affiliation::with_client(client.as_str(), None));
        Tuple { id: member.to_string(), affiliations: affiliations.collect() }
    };
    let tuples = members.into_iter().map(tuple).collect();
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
