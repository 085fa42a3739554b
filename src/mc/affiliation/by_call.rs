//! Implicit affiliation by a call: whoever joins a chat group, or calls a group in an emergency or in imminent peril,
//! need not be affiliated to it; the call affiliates (TS 24.379 9.1; not for MCData, TS 24.282).
//!
//! ```text
//!  client            serving server                server that owns the group
//!    |-- INVITE ---------->| 9.2.2.2.12: affiliating, N2    |
//!    |<-- 486, 102 --------|   no room                      |
//!    |                     |-- INVITE --------------------->| 9.2.2.3.6: a member?
//!    |                     |<---------------------- 200 ----| 9.2.2.3.7: affiliated
//!    |<-- 200, NOTIFY -----| 9.2.2.2.13: affiliated         |
//!    |                     |<-------------------- refusal --|
//!    |<-- refusal, NOTIFY -| 9.2.2.2.14: the entry goes     |
//! ```
//!
//! No PUBLISH goes to the owner: the INVITE does its work. The owner takes the user in with its 200, not before: nobody is
//! affiliated by a call that failed, on neither side. If an owner elsewhere may have accepted what was given up here, it is
//! told by PUBLISH how things stand. The affiliation outlives the call.
//!
//! Where both servers are this process they share one table. Who changes it tells the watchers, so that they hear once.

use super::figure::DEAFFILIATING_FOR;
use super::plan::Plan;
use super::{GROUPS_ELSEWHERE_PER_USER, counts, expiry, is_usable, owning, within_client_limit};
use crate::mc::groups;
use crate::model::*;
use crate::procedure::{Invitation, Outcome, Place, Refusal, View};

/// Whether a request for a call affiliates its sender (TS 24.379 9.1): it joins a chat group, or begins an emergency or
/// imminent-peril group call. A call on a prearranged group is no such request.
pub fn affiliates(invitation: &Invitation) -> bool {
    let info = &invitation.info;
    let chat = info.session_type.as_deref() == Some("chat");
    let urgent = info.emergency == Some(true) || info.imminent_peril == Some(true);
    invitation.service != Service::McData && (chat || urgent)
}

/// Whether the owner of a group takes this client for affiliated to it. An owner elsewhere does not know of constituents
/// that are not its own.
pub fn is_known(
    view: &View<'_>,
    user: &UserId,
    client: &ClientId,
    service: Service,
    group: &GroupId,
) -> bool {
    let owner = view.policy.controlling_of(group);
    if owner == Place::Here {
        return groups::affiliated_to(view.model, service, user, group).contains(client);
    }
    let document = view.model.group(Side::Mc, group.as_str());
    let temporary = document.and_then(|document| document.temporary.as_ref());
    let constituents = temporary.map_or(&[][..], |temporary| &temporary.constituents);
    let at_owner = constituents.iter().filter(|constituent| view.policy.controlling_of(constituent) == owner);
    std::iter::once(group)
        .chain(at_owner)
        .any(|group| view.model.is_affiliated(service, user.as_str(), client.as_str(), group.as_str()))
}

/// TS 24.379 9.2.2.2.12, at the serving server: the group is noted as `affiliating`. Returns whether it was this request
/// that added the entry; [`complete`] or [`cancel`] follows.
///
/// # Errors
/// 486 with 102: the user would have more groups than N2. 403: [`super::CLIENTS_PER_USER`]. Nothing changed.
pub fn begin<W>(
    view: &mut View<'_>,
    user: &UserId,
    client: &ClientId,
    service: Service,
    group: &GroupId,
    outcome: &mut Outcome<W>,
) -> Result<bool, Refusal> {
    within_client_limit(view.model, user, client)?;
    let mut plan = Plan::new(view.model, user);
    // Step 2.
    let own: Vec<_> = of(&plan, client, service);
    if own.iter().any(|entry| entry.group == *group && counts(entry, view.now)) {
        return Ok(false);
    }
    // Step 3.
    let limit = view.model.user(user.as_str()).and_then(|user| user.profile.max_affiliations_n2);
    if let Some(limit) = limit {
        let mut groups = plan.groups_of_others(client, service, view.now);
        groups.extend(own.iter().filter(|entry| counts(entry, view.now)).map(|entry| entry.group.clone()));
        if !groups.contains(group) && groups.len() >= usize::try_from(limit).unwrap_or(usize::MAX) {
            return Err(Refusal::TooManyAffiliations { limit });
        }
    }
    let owner = owner_of(view, group);
    if owner.is_some() {
        let mut elsewhere = plan.groups_elsewhere(client, view.now);
        let of_client = plan.of(client).iter().filter(|entry| entry.owner.is_some());
        elsewhere.extend(of_client.map(|entry| (entry.group.clone(), entry.service)));
        elsewhere.insert((group.clone(), service));
        if elsewhere.len() > GROUPS_ELSEWHERE_PER_USER {
            return Err(Refusal::TooManyAffiliations { limit: GROUPS_ELSEWHERE_PER_USER as u32 });
        }
    }
    // Step 4. Nobody is told yet: the call may fail.
    let mut entries = without(own, group);
    let expires = expiry(view.now, view.policy.affiliation_interval);
    let status = AffiliationStatus::Affiliating;
    let own = GroupAffiliation::own(group.clone(), service, expires);
    entries.push(GroupAffiliation { status, by_call: true, owner, ..own });
    plan.replace(client, service, entries);
    plan.finish(view, outcome);
    Ok(true)
}

/// The call goes on to another group, the temporary group of the one that was called: the entry does too, if this
/// `invitation` needs it. Returns whether it does.
pub fn follow<W>(
    view: &mut View<'_>,
    user: &UserId,
    client: &ClientId,
    from: &GroupId,
    to: &GroupId,
    invitation: &Invitation,
    outcome: &mut Outcome<W>,
) -> bool {
    let service = invitation.service;
    let mut plan = Plan::new(view.model, user);
    let mut entries = of(&plan, client, service);
    let needed = affiliates(invitation)
        && !is_known(view, user, client, service, to)
        && !entries.iter().any(|entry| entry.group == *to);
    if needed {
        for entry in entries.iter_mut().filter(|entry| entry.by_call && entry.group == *from) {
            entry.group = to.clone();
            entry.owner = owner_of(view, to);
        }
    } else {
        entries.retain(|entry| !(entry.by_call && entry.group == *from));
    }
    plan.replace(client, service, entries);
    plan.finish(view, outcome);
    needed
}

/// TS 24.379 9.2.2.2.13, at the serving server: the owner has accepted. What the user himself ended meanwhile stays ended,
/// and an owner elsewhere, which may have heard of that before it got the INVITE, is told so again. From now on it notifies.
pub fn complete<W>(
    view: &mut View<'_>,
    user: &UserId,
    client: &ClientId,
    service: Service,
    group: &GroupId,
    outcome: &mut Outcome<W>,
) {
    let mut plan = Plan::new(view.model, user);
    let mut entries = of(&plan, client, service);
    for entry in entries.iter_mut().filter(|entry| entry.group == *group && entry.by_call) {
        (entry.status, entry.by_call) = (AffiliationStatus::Affiliated, false);
    }
    let ended = !entries.iter().any(|entry| entry.group == *group && counts(entry, view.now));
    if ended && owner_of(view, group).is_some() {
        plan.tell_owner(group, service);
    }
    plan.replace(client, service, entries);
    plan.finish_and_tell(view, outcome);
}

/// The call is given up, at the serving server, and an owner elsewhere may be about to accept it: the entry is on its way
/// out until it is known how the INVITE ended, and [`cancel`] follows. Returns false where the owner is this server, and
/// the entry is gone.
pub fn give_up<W>(
    view: &mut View<'_>,
    user: &UserId,
    client: &ClientId,
    service: Service,
    group: &GroupId,
    outcome: &mut Outcome<W>,
) -> bool {
    if owner_of(view, group).is_none() {
        cancel(view, user, client, service, group, Came::Nothing, outcome);
        return false;
    }
    let mut plan = Plan::new(view.model, user);
    let mut entries = of(&plan, client, service);
    for entry in entries.iter_mut().filter(|entry| entry.by_call && entry.group == *group) {
        entry.status = AffiliationStatus::Deaffiliating;
        entry.expires = Some(view.now.plus(DEAFFILIATING_FOR));
    }
    plan.replace(client, service, entries);
    plan.finish_and_tell(view, outcome);
    true
}

/// What a call that did not affiliate came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// It was refused.
    Nothing,
    /// Nobody knows: an owner elsewhere may have accepted it, and its answer was lost.
    Silence,
    /// It was given up before. `unsure`: an owner elsewhere accepted it all the same, or may have.
    End {
        /// See above.
        unsure: bool,
    },
}

/// TS 24.379 9.2.2.2.14, at the serving server: the call was refused or given up, and what it added goes; what a newer
/// call added stays. An owner elsewhere that may have accepted is told by which clients the user is affiliated.
pub fn cancel<W>(
    view: &mut View<'_>,
    user: &UserId,
    client: &ClientId,
    service: Service,
    group: &GroupId,
    came: Came,
    outcome: &mut Outcome<W>,
) {
    let (status, unsure) = match came {
        Came::Nothing => (AffiliationStatus::Affiliating, false),
        Came::Silence => (AffiliationStatus::Affiliating, true),
        Came::End { unsure } => (AffiliationStatus::Deaffiliating, unsure),
    };
    let mut plan = Plan::new(view.model, user);
    plan.keep(client, |entry| {
        let of_call = entry.by_call && entry.status == status;
        !(of_call && entry.service == service && entry.group == *group)
    });
    if unsure && owner_of(view, group).is_some() {
        plan.tell_owner(group, service);
    }
    plan.finish_and_tell(view, outcome);
}

/// TS 24.379 9.2.2.3.7, at the server that owns the group, which has found the user eligible (9.2.2.3.6, 9.2.2.3.8) and
/// accepts the call: the client is affiliated.
pub fn take_in<W>(
    view: &mut View<'_>,
    user: &UserId,
    client: &ClientId,
    service: Service,
    group: &GroupId,
    outcome: &mut Outcome<W>,
) {
    if view.model.is_affiliated(service, user.as_str(), client.as_str(), group.as_str()) {
        return;
    }
    if view.policy.participating_of(user) != Place::Here {
        return owning::take_in(view, user, client, service, group, outcome);
    }
    let mut plan = Plan::new(view.model, user);
    let mut entries = without(of(&plan, client, service), group);
    let expires = expiry(view.now, view.policy.affiliation_interval);
    entries.push(GroupAffiliation::own(group.clone(), service, expires));
    plan.replace(client, service, entries);
    plan.finish_and_tell(view, outcome);
}

/// TS 24.379 9.2.2.3.6, at the server that owns the group, for a member of it: whether a request of this client may
/// affiliate it.
pub fn eligible(
    view: &View<'_>,
    user: &UserId,
    client: &ClientId,
    group: &GroupId,
    invitation: &Invitation,
) -> bool {
    affiliates(invitation)
        && is_usable(client.as_str())
        && within_client_limit(view.model, user, client).is_ok()
        && owning::has_room(view.model, user, client, invitation.service, group)
}

/// After a restart: calls in set-up are gone, and what they added goes.
pub fn restore<W>(view: &mut View<'_>, outcome: &mut Outcome<W>) {
    let model = view.model;
    for record in model.unsettled_affiliations() {
        let mut plan = Plan::new(view.model, &record.user);
        plan.keep(&record.client, |entry| !entry.by_call);
        // The owner may have accepted.
        for entry in record.groups.iter().filter(|entry| entry.by_call && entry.owner.is_some()) {
            plan.tell_owner(&entry.group, entry.service);
        }
        plan.finish_and_tell(view, outcome);
    }
}

/// What an entry notes of an owner elsewhere; `None`: the group is owned here.
fn owner_of(view: &View<'_>, group: &GroupId) -> Option<Box<AtOwner>> {
    (view.policy.controlling_of(group) != Place::Here).then(Box::default)
}

fn of(plan: &Plan<'_>, client: &ClientId, service: Service) -> Vec<GroupAffiliation> {
    plan.of(client).iter().filter(|entry| entry.service == service).cloned().collect()
}

fn without(mut entries: Vec<GroupAffiliation>, group: &GroupId) -> Vec<GroupAffiliation> {
    entries.retain(|entry| entry.group != *group);
    entries
}

#[cfg(test)]
mod tests;
