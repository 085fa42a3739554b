//! Affiliation of users who are served elsewhere, at the server that owns the group: TS 24.379 9.2.2.3.3 to 9.2.2.3.5, the
//! partner's half of TS 23.280 figures 10.8.3.2.2-1, 10.8.4.3-1 and 10.8.5.2.1-1.
//!
//! ```text
//!  server that serves the user      server that owns the group              GMS
//!    |-- SUBSCRIBE, once --------------->| the checks of PUBLISH              |
//!    |<------------- 200 and NOTIFY -----|                                    |
//!    |-- 3 PUBLISH: clients of the user >| 4a, 4b the group policy, if it is  |
//!    |                                   |   not here: `mc::group_policy`     |
//!    |                                   | 5 group enabled, user a member     |
//!    |                                   | 6 store                            |
//!    |<--------------- 7a 200, NOTIFY ---|-- 7b status update --------------->|
//! ```
//!
//! Figure 10.8.4.3-1: 4 the same checks, and whether anybody may leave; 5 remove; 6a, 6b. Figure 10.8.5.2.1-1: 4a, 4b, 5, 6,
//! 7 status update, 8 response.
//!
//! There are no states between: who is in the set, and not over its time, is affiliated (9.2.2.3.2). Calls take their
//! members from it as from users who are served here.

use super::{CLIENT_ID_OCTETS, CLIENTS_PER_USER, WHOLE_INTERVAL, expiry};
use crate::documents::McInfo;
use crate::documents::pidf::{Affiliation, Presence, Tuple};
use crate::env::Time;
use crate::mc::{group_policy, groups};
use crate::model::*;
use crate::procedure::{Answer, Caller, Outcome, Over, Place, Refusal, ReplyTo, Send, View, uri};
use std::collections::BTreeSet;
use std::time::Duration;

/// A PUBLISH of a function that serves a user.
#[derive(Clone, Debug)]
pub struct GroupPublishAsk {
    /// The request that waits for its answer.
    pub reply: ReplyTo,
    /// Who published.
    pub caller: Caller,
    /// The service whose affiliations are meant.
    pub service: Service,
    /// mcptt-info: names group and user.
    pub info: McInfo,
    /// The document per group.
    pub presence: Presence,
    /// Expires, seconds.
    pub expires: Option<u32>,
    /// Call-ID.
    pub call_id: String,
    /// The number of CSeq.
    pub cseq: u32,
}

/// How long after a PUBLISH a copy of an earlier one may still come: as long as that may have been repeated
/// (RFC 3261 17.1.2.2, timer F) and a message may be in the network (RFC 3261 17.1.1.1, T4).
const COPIES_FOR: Duration = Duration::from_secs(32 + 5);

/// What a function may ask about: a group that is owned here and a user of its own.
struct Subject {
    group: GroupId,
    user: UserId,
    /// Seconds granted.
    interval: u32,
}

/// TS 24.379 9.2.2.3.3.
///
/// # Errors
/// Nothing changes with any of these. 400: no group, no user, or a document that cannot be used. 403: the function does not
/// serve users, its system has no agreement (179), the user is served here, there is no such group (113), it is disabled
/// (115), the user is no member (116), the group does not offer the service or nobody leaves it (100). 423: an interval below
/// [`WHOLE_INTERVAL`]. 500: it is older than one that was handled before.
pub fn publish(view: &mut View<'_>, ask: GroupPublishAsk) -> Result<Outcome<Over>, Refusal> {
    // Steps 1 to 5.
    let Subject { group, user, interval } = subject(view, &ask.caller, &ask.info, ask.service, ask.expires)?;
    let last = in_order(view, &ask, &group, &user)?;
    let document = ask.presence;

    // Step 6.
    let etag = view.ids.token();
    let answer = Answer { expires: Some(interval), etag: Some(etag), ..Answer::plain(200) };
    let mut outcome = Outcome::end(Vec::new(), vec![Send::Answer { to: ask.reply, answer }]);

    // Steps 7 and 8.
    let about = |text: &str, id: &str| uri::identity(text).as_deref() == Some(id);
    if !about(&document.entity, group.as_str()) {
        return Ok(
            outcome.logged(format!("PUBLISH about {group} ignored: its document is about another group"))
        );
    }
    let [tuple] = document.tuples.as_slice() else {
        return Err(Refusal::malformed("pidf: not exactly one tuple"));
    };
    if !about(&tuple.id, user.as_str()) {
        return Ok(
            outcome.logged(format!("PUBLISH about {user} ignored: its document is about another user"))
        );
    }

    // Steps 9 to 11.
    let clients = if interval == 0 { Vec::new() } else { clients(tuple)? };
    let owned = OwnedAffiliation {
        group: group.clone(),
        user: user.clone(),
        service: ask.service,
        clients,
        expires: expiry(view.now, interval),
    };
    may_leave(view, &owned)?;
    let mut words = Vec::new();
    replace(view.model, owned, &mut outcome.changes, &mut words);
    outcome.changes.push(Change::Put(Fact::LastPublish(last)));

    // Steps 12 and 13.
    let (service, p_id) = (ask.service, document.p_id);
    outcome.sends.push(Send::GroupAffiliation { group, user, service, p_id });
    outcome.sends.extend(words);
    Ok(outcome)
}

/// Whether a PUBLISH is none that another one has overtaken: a server that numbers its requests about one user and group
/// with one Call-ID shows their order by CSeq, as RFC 3261 10.3 step 7 has it for REGISTER. One that does not, which
/// RFC 3903 permits, must wait for the answer to each (RFC 3903 4).
///
/// # Errors
/// [`Refusal::Overtaken`].
fn in_order(
    view: &View<'_>,
    ask: &GroupPublishAsk,
    group: &GroupId,
    user: &UserId,
) -> Result<LastPublish, Refusal> {
    let last = view.model.last_publish(group, user, ask.service);
    // CSeq has 31 bits (RFC 3261 8.1.1.5), and may begin again.
    let is_newer =
        |last: &LastPublish| (1..1 << 30).contains(&(last.cseq.wrapping_sub(ask.cseq) & (u32::MAX >> 1)));
    if last.is_some_and(|last| last.until > view.now && last.call_id == ask.call_id && is_newer(last)) {
        return Err(Refusal::Overtaken);
    }
    Ok(LastPublish {
        group: group.clone(),
        user: user.clone(),
        service: ask.service,
        call_id: ask.call_id.clone(),
        cseq: ask.cseq,
        until: view.now.plus(COPIES_FOR),
    })
}

/// TS 24.379 9.2.2.3.4: what a subscription of a function watches. It hears of one user of its
/// own, whatever its filter says.
///
/// # Errors
/// Those of [`publish`].
pub fn subscribe(
    view: &View<'_>,
    caller: &Caller,
    info: &McInfo,
    service: Service,
    expires: Option<u32>,
) -> Result<Watched, Refusal> {
    let Subject { group, user, .. } = subject(view, caller, info, service, expires)?;
    Ok(Watched::GroupAffiliation { group, user, service })
}

/// Steps 1 to 5 of TS 24.379 9.2.2.3.3 and 9.2.2.3.4.
fn subject(
    view: &View<'_>,
    caller: &Caller,
    info: &McInfo,
    service: Service,
    expires: Option<u32>,
) -> Result<Subject, Refusal> {
    if !caller.participating {
        return Err(Refusal::NotPermitted { why: "only functions that serve users are affiliated for them" });
    }
    if !caller.may(view.policy).affiliate {
        return Err(Refusal::PartnerMayNot(caller.psi.clone()));
    }
    // Steps 1 and 2.
    let named =
        |text: Option<&str>, missing| text.and_then(uri::identity).ok_or_else(|| Refusal::malformed(missing));
    let group =
        GroupId::new(named(info.request_uri.as_deref(), "mcptt-info: mcptt-request-uri names no group")?);
    let user =
        UserId::new(named(info.calling_user.as_deref(), "mcptt-info: mcptt-calling-user-id names no user")?);
    if view.policy.participating_of(&user) == Place::Here {
        return Err(Refusal::NotPermitted { why: "the user is served here" });
    }
    // Step 3.
    let interval = match expires {
        Some(0) => 0,
        Some(WHOLE_INTERVAL) => view.policy.affiliation_interval,
        _ => return Err(Refusal::IntervalTooBrief { minimum: WHOLE_INTERVAL }),
    };
    // Steps 4 and 5.
    if view.policy.controlling_of(&group) != Place::Here {
        return Err(Refusal::NoGroupToAffiliate(group));
    }
    admits(view, &user, &group, service)?;
    Ok(Subject { group, user, interval })
}

/// TS 24.379 9.2.2.3.3 steps 4, 4a, 5 and 9.2.2.3.8: whether a group that is owned here lets the user in.
///
/// # Errors
/// Why it does not: 403 with 113, 115, 116 or 100.
pub(in crate::mc) fn admits(
    view: &View<'_>,
    user: &UserId,
    group: &GroupId,
    service: Service,
) -> Result<(), Refusal> {
    let document = view.model.group(Side::Mc, group.as_str());
    let document = document.ok_or_else(|| Refusal::NoGroupToAffiliate(group.clone()))?;
    if document.disabled {
        return Err(Refusal::GroupDisabled(group.clone()));
    }
    if !groups::is_member(view.model, user, group) {
        return Err(Refusal::NotMember(group.clone()));
    }
    if !document.services.contains(&service) {
        return Err(Refusal::LocalPolicy { why: "a group does not offer the service" });
    }
    Ok(())
}

/// TS 23.280 10.8.4.3 step 4: whether the clients that are not named any more may leave the group.
fn may_leave(view: &View<'_>, owned: &OwnedAffiliation) -> Result<(), Refusal> {
    let old = view.model.owned_affiliation(owned.group.as_str(), &owned.user, owned.service);
    let leaves = old.is_some_and(|old| old.clients.iter().any(|client| !owned.clients.contains(client)));
    if leaves && view.policy.no_de_affiliation.contains(&owned.group) {
        return Err(Refusal::LocalPolicy { why: "nobody leaves the group by de-affiliation" });
    }
    Ok(())
}

/// The clients that a document per group names, in order.
fn clients(tuple: &Tuple) -> Result<Vec<ClientId>, Refusal> {
    let mut clients = BTreeSet::new();
    for affiliation in &tuple.affiliations {
        let client = affiliation.client.as_deref().map(str::trim).unwrap_or_default();
        if client.is_empty() || client.len() > CLIENT_ID_OCTETS || client.chars().any(char::is_control) {
            return Err(Refusal::malformed("pidf: affiliation without a usable client"));
        }
        clients.insert(ClientId::new(client));
    }
    if clients.len() > CLIENTS_PER_USER {
        return Err(Refusal::NotPermitted { why: "too many clients of this user have affiliations" });
    }
    Ok(clients.into_iter().collect())
}

/// TS 24.379 9.2.2.3.7: one more client of a user who is served elsewhere is affiliated, by a call that this server accepts.
pub(super) fn take_in<W>(
    view: &View<'_>,
    user: &UserId,
    client: &ClientId,
    service: Service,
    group: &GroupId,
    outcome: &mut Outcome<W>,
) {
    let old = view.model.owned_affiliation(group.as_str(), user, service);
    let mut clients: BTreeSet<ClientId> = old.iter().flat_map(|old| old.clients.iter().cloned()).collect();
    clients.insert(client.clone());
    let owned = OwnedAffiliation {
        group: group.clone(),
        user: user.clone(),
        service,
        clients: clients.into_iter().collect(),
        expires: expiry(view.now, view.policy.affiliation_interval),
    };
    let mut words = Vec::new();
    replace(view.model, owned, &mut outcome.changes, &mut words);
    let (group, user) = (group.clone(), user.clone());
    outcome.sends.push(Send::GroupAffiliation { group, user, service, p_id: None });
    outcome.sends.extend(words);
}

/// Whether one more client of a user who is served elsewhere fits into [`CLIENTS_PER_USER`].
pub(super) fn has_room(
    model: &Model,
    user: &UserId,
    client: &ClientId,
    service: Service,
    group: &GroupId,
) -> bool {
    let owned = model.owned_affiliation(group.as_str(), user, service);
    owned.is_none_or(|owned| owned.clients.contains(client) || owned.clients.len() < CLIENTS_PER_USER)
}

/// Puts an affiliation in the place of what was there; without clients it goes. Adds what the GMS and running calls hear.
fn replace(model: &Model, owned: OwnedAffiliation, changes: &mut Vec<Change>, words: &mut Vec<Send>) {
    let OwnedAffiliation { group, user, service, .. } = &owned;
    let (group, user, service) = (group.clone(), user.clone(), *service);
    let old = model.owned_affiliation(group.as_str(), &user, service);
    if old == Some(&owned) || (old.is_none() && owned.clients.is_empty()) {
        return;
    }
    let had: BTreeSet<ClientId> = old.iter().flat_map(|old| old.clients.iter().cloned()).collect();
    let has: BTreeSet<ClientId> = owned.clients.iter().cloned().collect();
    changes.push(if has.is_empty() {
        Change::Remove(FactKey::OwnedAffiliation(group.clone(), user.clone(), service))
    } else {
        Change::Put(Fact::OwnedAffiliation(owned))
    });
    if had.is_empty() != has.is_empty() {
        let groups = vec![(group.clone(), !has.is_empty())];
        words.push(Send::AffiliationUpdate { user: user.clone(), service, groups });
    }
    for client in had.difference(&has) {
        let (user, client, group) = (user.clone(), client.clone(), group.clone());
        words.push(Send::Deaffiliated { user, client, service, group });
    }
    for client in has.difference(&had) {
        let (user, client, group) = (user.clone(), client.clone(), group.clone());
        words.push(Send::Affiliated { user, client, service, group });
    }
}

/// Ends an affiliation for a reason of our own, and tells whoever watches it.
pub(in crate::mc) fn end(model: &Model, owned: &OwnedAffiliation, outcome: &mut Outcome<Over>) {
    let gone = OwnedAffiliation { clients: Vec::new(), ..owned.clone() };
    let mut words = Vec::new();
    replace(model, gone, &mut outcome.changes, &mut words);
    let (group, user, service) = (owned.group.clone(), owned.user.clone(), owned.service);
    outcome.sends.push(Send::GroupAffiliation { group, user, service, p_id: None });
    outcome.sends.extend(words);
}

/// The time of an affiliation is over. Nothing comes of a timer that is early.
pub fn expire(view: &View<'_>, group: &GroupId, user: &UserId, service: Service) -> Outcome<Over> {
    let mut outcome = Outcome::default();
    if let Some(owned) = view.model.owned_affiliation(group.as_str(), user, service)
        && owned.expires.is_some_and(|expires| expires <= view.now)
    {
        end(view.model, owned, &mut outcome);
    }
    outcome
}

/// After a restart, and with other groups than before: whom a group does not let in any more is not affiliated
/// (TS 24.379 9.2.2.3.3 step 5).
pub(super) fn recheck(view: &View<'_>) -> Outcome<Over> {
    let mut outcome = Outcome::default();
    let groups: BTreeSet<&GroupId> = view.model.owned_groups().collect();
    // The group of a call that outlived it keeps them until the call ends (TS 23.280 10.2.4.3 step 5).
    let calls = view.model.calls().filter(|call| call.orphaned);
    let outlived: BTreeSet<&GroupId> = calls.map(|call| &call.group.id).collect();
    for owned in groups.into_iter().flat_map(|group| view.model.owned_affiliations(group.as_str())) {
        let known = !outlived.contains(&owned.group) && !group_policy::is_needed(view, &owned.group);
        if known && admits(view, &owned.user, &owned.group, owned.service).is_err() {
            end(view.model, owned, &mut outcome);
        }
    }
    outcome
}

/// TS 24.379 9.2.2.3.5: the document for a watcher; a user who is not affiliated has no tuple. `p_id` of the PUBLISH that
/// caused the notification. `None` if the subscription watches something else.
pub fn document(model: &Model, watched: &Watched, p_id: Option<&str>, now: Time) -> Option<Presence> {
    let Watched::GroupAffiliation { group, user, service } = watched else { return None };
    let owned = model.owned_affiliation(group.as_str(), user, *service);
    let owned = owned.filter(|owned| owned.expires.is_none_or(|expires| expires > now));
    let tuple = owned.map(|owned| Tuple {
        id: user.to_string(),
        affiliations: owned
            .clients
            .iter()
            .map(|client| Affiliation::with_client(client.as_str(), owned.expires))
            .collect(),
    });
    let (entity, tuples) = (group.to_string(), tuple.into_iter().collect());
    Some(Presence { entity, tuples, p_id: p_id.map(str::to_owned) })
}

#[cfg(test)]
mod tests;
