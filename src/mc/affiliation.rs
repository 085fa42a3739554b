//! Affiliation and de-affiliation at the server that serves the user, by the PUBLISH of TS 24.379 9.2.2.2.3. To groups of
//! this MC system: TS 23.280 figures 10.8.3.1-1 and 10.8.4.2-1 (10.X.3.1-1 and 10.X.4.2-1 of the change request).
//!
//! ```text
//!  MC service client            MC service server                       GMS
//!    |-- 1 (de-)affiliation ------->|                                     |
//!    |<----------- 200, a receipt --| 2a, 2b the group policy is here:    |
//!    |                              |    `mc::groups` holds a copy        |
//!    |                              | 3 group enabled, user a member, N2  |
//!    |                              | 4 store                             |
//!    |<-- 5a response, by NOTIFY ---|                                     |
//!    |                              |-- 5b status update ---------------->|
//! ```
//!
//! In figure 10.8.4.2-1: 1, 2 (affiliated at all?), 3 store, 4a, 4b. One PUBLISH carries the complete set of one client
//! (TS 24.379 9.2.1.2), so it affiliates and de-affiliates at once. For a group of this system the serving and the owning
//! server are one: the checks of TS 24.379 9.2.2.3.3 are made here instead of publishing to the owner.
//!
//! To groups of a partner system, or of another process of our own: TS 23.280 figures 10.8.3.2.2-1 and 10.8.4.3-1, and
//! 10.8.5.2.1-1 if an authorised user asks for another one.
//!
//! ```text
//!  MC service client      MC service server            MC service server that owns the group (`owning`)
//!    |-- 1 (de-)affiliation ->|                                     |
//!    |<------ 200, a receipt -| 2 user subscription, N2             |
//!    |<- NOTIFY: affiliating -|-- SUBSCRIBE, once ----------------->|
//!    |                        |-- 3 PUBLISH: clients of the user -->| 4, 5 group policy; 6 store
//!    |                        |<-------------- 7a 200 and NOTIFY ---|
//!    |                        | 8 store                             |
//!    |<- 9 NOTIFY: affiliated-|                                     |
//! ```
//!
//! Figure 10.8.4.3-1: 1, 2 (affiliated at all?), 3 PUBLISH with the clients that stay, 7 remove, 8 NOTIFY. Figure
//! 10.8.5.2.1-1: 1, 2 (may the originator?), 3; 9 store, 10a NOTIFY to the target, 10b its 200, 11 NOTIFY to the originator,
//! if he watches the target.
//!
//! Each affiliation goes its way by the table of `figure`; where the owner is this server, its answer is there at once.
//!
//! The state is keyed by user and client; the entity tag of RFC 3903 stands for it (`entity_tag`).

pub(super) mod by_call;
mod figure;
pub mod owning;
#[cfg(test)]
mod partner_tests;
mod plan;
#[cfg(test)]
mod tests;

pub(super) use plan::Plan;

use super::{entity_tag, group_policy};
use crate::documents::pidf::Presence;
use crate::documents::{McInfo, names};
use crate::env::Time;
use crate::model::*;
use crate::procedure::{
    Answer, Heard, Outcome, Over, Place, Policy, Refusal, ReplyTo, RequestEnd, Send, View, uri,
};
use figure::{On, Terms};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The interval that means "as long as I am interested": the least that is granted (TS 24.379 9.2.2.2.3 step 5).
pub const WHOLE_INTERVAL: u32 = u32::MAX;

/// Most clients of one user that can have affiliations at once.
pub const CLIENTS_PER_USER: usize = 32;

/// Longest MC service client ID that is taken, octets.
pub const CLIENT_ID_OCTETS: usize = 256;

/// Most groups of other owners to which one user can be affiliated at once: for each of them a subscription is held.
pub const GROUPS_ELSEWHERE_PER_USER: usize = 64;

/// How long an owner that does not answer is told that an affiliation is over.
pub(super) const PERSISTENCE: Duration = Duration::from_secs(3600);

/// A PUBLISH of affiliation status.
#[derive(Clone, Debug)]
pub struct PublishAsk {
    /// The request that waits for its answer.
    pub reply: ReplyTo,
    /// The originating user: bound to P-Asserted-Identity, or named by a trusted server.
    pub sender: UserId,
    /// The sender is a partner's user: the agreement with the partner stands for the profile, and permits it.
    pub by_agreement: bool,
    /// The service whose affiliations are meant.
    pub service: Service,
    /// mcptt-info: names the served user.
    pub info: McInfo,
    /// The affiliation document, if there is one.
    pub presence: Option<Presence>,
    /// Expires, seconds.
    pub expires: Option<u32>,
    /// SIP-If-Match.
    pub etag: Option<String>,
}

/// TS 24.379 9.2.2.2.3 steps 1 to 19.
///
/// # Errors
/// Nothing changes with any of these. 400: no served user, or a document without exactly one client. 403: the sender may
/// not change that user's affiliations, or the user has affiliations of [`CLIENTS_PER_USER`] clients already. 404: a user
/// that is not known. 412: an entity tag of another state. 423: an interval below [`WHOLE_INTERVAL`]. A group that the
/// user cannot have is no error: it does not appear in the notification.
pub fn publish(view: &mut View<'_>, ask: PublishAsk) -> Result<Outcome<Over>, Refusal> {
    // Steps 1 to 3. The sender was found by the service layer, for a client and for another server alike.
    let served = served_user(&ask.info)?;

    // Step 4. Another user's affiliations: mandatory mode (TS 23.280 10.8.5.1.1 step 2).
    if !ask.by_agreement {
        let sender = view.model.user(ask.sender.as_str()).ok_or(Refusal::UnknownUser)?;
        if ask.sender != served && !sender.profile.allow_affiliate_others {
            return Err(Refusal::NotPermitted { why: super::remote_change::MAY_NOT });
        }
    }
    if view.model.user(served.as_str()).is_none() {
        return Err(Refusal::UnknownUser);
    }

    // Steps 5 to 7.
    let interval = match ask.expires {
        Some(0) => 0,
        Some(WHOLE_INTERVAL) => view.policy.affiliation_interval,
        _ => return Err(Refusal::IntervalTooBrief { minimum: WHOLE_INTERVAL }),
    };

    // Steps 9 to 12, before the 200 of step 8: a document that cannot be read is refused.
    let Wanted { client, groups, p_id } = match wanted(view.model, &served, &ask)? {
        Read::Wanted(wanted) => wanted,
        Read::Ignored => {
            let etag = entity_tag(view, &served, &ClientId::new(""), ask.service, &[]);
            return Ok(Outcome::end(Vec::new(), vec![receipt(ask.reply, interval, etag)])
                .logged(format!("PUBLISH for {served} ignored: its document is about somebody else")));
        }
    };

    // Steps 13 to 15. No interval: every entry of this client goes, and of no other client.
    let mut plan = Plan::new(view.model, &served);
    let mut dropped = Vec::new();
    let mut groups = if interval == 0 { Vec::new() } else { groups };
    let held = may_not_leave(view, &plan, &client, ask.service, &groups);
    if interval != 0 {
        within_client_limit(view.model, &served, &client)?;
    }
    dropped.extend(held.iter().map(|group| format!("{group}: stays, nobody leaves it")));
    groups.splice(0..0, held);
    let kept = candidates(view, &plan, &client, ask.service, groups, &mut dropped);
    plan.want(view, &client, ask.service, kept, expiry(view.now, view.policy.affiliation_interval));

    // Step 8, with the tag of what steps 16 and 17 store.
    let etag = entity_tag(view, &served, &client, ask.service, plan.of(&client));
    let mut outcome = Outcome::end(Vec::new(), vec![receipt(ask.reply, interval, etag)]);

    // Steps 16 to 19. The watchers hear of every handled PUBLISH, by its p-id.
    outcome.sends.push(Send::AffiliationStatus { user: served.clone(), service: ask.service, p_id });
    plan.finish(view, &mut outcome);
    if !dropped.is_empty() {
        outcome = outcome.logged(format!("{served}, client {client}: not as asked: {}", dropped.join("; ")));
    }
    Ok(outcome)
}

/// TS 24.379 9.2.2.2.15: after service authorisation a user is affiliated to the groups of his profile, as far as N2
/// allows. Groups that are there already stay as they are. Run once when a client comes: a refreshed registration must
/// not bring groups back which the user has left.
pub(super) fn implicit(
    view: &View<'_>,
    plan: &mut Plan<'_>,
    client: &ClientId,
    service: Service,
) -> Vec<String> {
    let mut dropped = Vec::new();
    let Some(user) = view.model.user(plan.user().as_str()) else { return dropped };
    if within_client_limit(view.model, plan.user(), client).is_err() {
        return dropped;
    }
    let has = plan.of(client).iter().filter(|entry| entry.service == service && counts(entry, view.now));
    let mut groups: Vec<_> = has.map(|entry| entry.group.clone()).collect();
    // Groups of the profile that are for other services only.
    let elsewhere = |group: &GroupId| {
        let document = view.model.group(Side::Mc, group.as_str());
        document.is_some_and(|document| !document.services.contains(&service))
    };
    groups.extend(user.profile.implicit_affiliations.iter().filter(|group| !elsewhere(group)).cloned());
    let groups = candidates(view, plan, client, service, groups, &mut dropped);
    plan.add(view, client, service, groups, expiry(view.now, view.policy.affiliation_interval));
    dropped
}

/// Affiliations of a client that ended by time (TS 24.379 9.2.2.2.3, the expiration of step 14), or that are to be
/// published to their owners again (9.2.2.2.2, next publishing). Nothing comes of a timer that is early.
pub fn expire(view: &mut View<'_>, user: &UserId, client: &ClientId) -> Outcome<Over> {
    let mut plan = Plan::new(view.model, user);
    plan.pass_time(client, view.now);
    let mut outcome = Outcome::default();
    plan.finish_and_tell(view, &mut outcome);
    outcome
}

/// After a restart with other groups than before: from a group that is gone, disabled, without this service or without this
/// member the user is de-affiliated, and whoever watches hears of it (TS 24.379 9.2.2.3.3 steps 4 to 5 at a time of our
/// own). A group whose document is still to come is not judged.
pub fn recheck(view: &mut View<'_>) -> Outcome<Over> {
    let mut out = owning::recheck(view);
    let concerned: BTreeSet<&UserId> = view
        .model
        .all_affiliations()
        .filter(|record| record.groups.iter().any(|entry| !stays(view, &record.user, entry)))
        .map(|record| &record.user)
        .collect();
    dismiss(view, concerned, stays, &mut out);
    out
}

/// The same for one group, of which the document has changed, or is gone.
pub fn recheck_group(view: &mut View<'_>, group: &GroupId) -> Outcome<Over> {
    let model = view.model;
    let mut out = Outcome::default();
    for owned in model.owned_affiliations(group.as_str()) {
        if owning::admits(view, &owned.user, group, owned.service).is_err() {
            owning::end(model, owned, &mut out);
        }
    }
    let mut concerned = BTreeSet::new();
    for service in Service::ALL {
        let users = model.affiliated_users(service, group.as_str()).map(|(user, _)| user);
        concerned.extend(users.filter(|user| owning::admits(view, user, group, service).is_err()));
    }
    let stays = |view: &View<'_>, user: &UserId, entry: &GroupAffiliation| {
        let is_judged = entry.owner.is_none() && entry.group == *group;
        !is_judged || owning::admits(view, user, group, entry.service).is_ok()
    };
    dismiss(view, concerned, stays, &mut out);
    out
}

/// Leaves these users what `stays`.
fn dismiss(
    view: &mut View<'_>,
    users: BTreeSet<&UserId>,
    stays: impl Fn(&View<'_>, &UserId, &GroupAffiliation) -> bool,
    out: &mut Outcome<Over>,
) {
    for user in users {
        let mut plan = Plan::new(view.model, user);
        for record in view.model.affiliations_of(user.as_str()) {
            plan.keep(&record.client, |entry| stays(view, user, entry));
        }
        plan.finish_and_tell(view, out);
    }
}

/// Whether the group of an entry lets the user in, or others decide that, or nobody yet.
fn stays(view: &View<'_>, user: &UserId, entry: &GroupAffiliation) -> bool {
    entry.owner.is_some()
        || group_policy::is_needed(view, &entry.group)
        || owning::admits(view, user, &entry.group, entry.service).is_ok()
}

/// A PUBLISH of ours to the server that owns a group is over (TS 24.379 9.2.2.2.6 step 5).
pub fn request_ended(view: &mut View<'_>, request: &FunctionRequest, end: RequestEnd) -> Outcome<Over> {
    let Asked::Affiliation { group, user, service, .. } = &request.what else { return Outcome::default() };
    if request.from != FunctionKind::Participating {
        return Outcome::default();
    }
    let mut plan = Plan::new(view.model, user);
    let interval = view.policy.affiliation_interval;
    let terms = Terms { now: view.now, expires: expiry(view.now, interval), granted: None };
    let waits = |entry: &GroupAffiliation| {
        let asked = entry.owner.as_ref().is_some_and(|owner| owner.asked == Some(request.id));
        asked && entry.status == AffiliationStatus::Affiliating
    };
    let about = (group, *service);
    let mut log = None;
    match end {
        // What is granted now is what the notification will say, or less.
        RequestEnd::Taken { expires } => {
            let granted =
                expires.filter(|expires| *expires != 0).and_then(|expires| expiry(view.now, expires));
            let terms = Terms { granted, ..terms };
            plan.owner_says(about, |_, entry| {
                let concerned = match entry.status {
                    AffiliationStatus::Affiliating => waits(entry),
                    _ => granted.is_some(),
                };
                concerned.then_some((On::Taken, terms))
            });
        }
        // Once more, if what it asks for is what we can give.
        RequestEnd::Failed { status: 423, min_expires: Some(WHOLE_INTERVAL), .. }
            if plan.waiting(about, |owner| owner.asked == Some(request.id) && owner.attempts == 0) =>
        {
            plan.owner_says(about, |_, entry| waits(entry).then_some((On::Due, terms)));
        }
        // Silence says nothing about what was in force before. The owner may have heard what we asked: it is withdrawn.
        RequestEnd::Failed { status, .. } if is_silence(status) => {
            let asked = plan.waiting(about, |owner| owner.asked == Some(request.id));
            plan.owner_says(about, |_, entry| {
                let concerned = waits(entry) || entry.status == AffiliationStatus::Deaffiliating;
                concerned.then_some((On::Failed, terms))
            });
            if asked {
                plan.tell_owner(group, *service);
            }
            log = Some(format!("{user}: the owner of {group} is silent ({status})"));
        }
        RequestEnd::Failed { status, warnings, .. } => {
            let kept = warnings.iter().any(|warning| warning.code == Some(NOT_ALLOWED));
            let had = plan.any(about, |entry| entry.status == AffiliationStatus::Affiliated);
            plan.owner_says(about, |_, entry| match entry.status {
                AffiliationStatus::Deaffiliating if kept => Some((On::Kept, terms)),
                AffiliationStatus::Affiliated if kept => None,
                _ => Some((On::Failed, terms)),
            });
            // It may go by what it took before.
            if had && !kept {
                plan.tell_owner(group, *service);
            }
            let why = warnings.first().map_or("", |warning| warning.text.as_str());
            log = Some(format!("{user}: refused by the owner of {group}: {status} {why}"));
        }
    }
    let mut outcome = Outcome::default();
    plan.finish_and_tell(view, &mut outcome);
    outcome.log = log;
    outcome
}

/// What the server that owns a group says (TS 24.379 9.2.2.2.7).
pub fn heard(view: &mut View<'_>, watch: &Watch, heard: Heard) -> Outcome<Over> {
    let Watching::GroupAffiliation { group, user, service } = &watch.what else { return Outcome::default() };
    let about = (group, *service);
    let mut plan = Plan::new(view.model, user);
    let terms = Terms { now: view.now, expires: None, granted: None };
    let mut outcome = Outcome::default();
    match heard {
        Heard::Affiliations(document) => {
            if uri::identity(&document.entity).as_deref() != Some(group.as_str()) {
                return outcome.logged(format!("notification of {} about another group ignored", watch.at));
            }
            let listed = listed(&document, user, view.now);
            let ours =
                |p_id: &str| p_id.strip_prefix(&view.policy.domain).is_some_and(|rest| rest.starts_with('-'));
            plan.owner_says(about, |client, entry| {
                let asked = entry.owner.as_ref().and_then(|owner| owner.asked);
                let answers = match (&document.p_id, asked.map(|id| p_id_of(view.policy, id))) {
                    (Some(answered), Some(asked)) if *answered == asked => true,
                    // Old news: the answer to what was asked later is on its way.
                    (Some(answered), Some(_)) if ours(answered) => return None,
                    _ => false,
                };
                Some(match listed.get(client) {
                    Some(granted) => (On::Listed, Terms { granted: *granted, ..terms }),
                    None if answers => (On::Refused, terms),
                    None => (On::Absent, terms),
                })
            });
        }
        // Whoever may not ask is not affiliated; a request that is under way has its own answer.
        Heard::Refused(status) => {
            let open = |owner: &AtOwner| owner.asked.is_some_and(|id| view.model.request(id).is_some());
            let waits = |entry: &GroupAffiliation| {
                entry.status == AffiliationStatus::Affiliating && entry.owner.as_deref().is_some_and(open)
            };
            let ended = plan.any(about, |entry| counts(entry, view.now) && !waits(entry));
            plan.owner_says(about, |_, entry| (!waits(entry)).then_some((On::Failed, terms)));
            if ended {
                plan.tell_owner(group, *service);
                outcome.log = Some(format!("{user}: the owner of {group} refuses to notify: {status}"));
            }
        }
        Heard::Group(_) | Heard::Passed(_) | Heard::Roster(_) | Heard::Nothing | Heard::Lost => {}
    }
    plan.finish_and_tell(view, &mut outcome);
    outcome
}

/// TS 23.280 10.8.3.1 step 3 for what waited for a group's document: it is here now, or there is none.
pub fn group_known(view: &mut View<'_>, group: &GroupId) -> Outcome<Over> {
    let waits =
        |record: &&ClientAffiliations| record.groups.iter().any(|e| plan::waits_for_document(e, group));
    let waiting: BTreeSet<(UserId, ClientId)> = view
        .model
        .unsettled_affiliations()
        .filter(waits)
        .map(|record| (record.user.clone(), record.client.clone()))
        .collect();
    let expires = expiry(view.now, view.policy.affiliation_interval);
    let mut outcome = Outcome::default();
    let mut refused = Vec::new();
    let mut waiting = waiting.into_iter().peekable();
    while let Some((user, client)) = waiting.next() {
        let admitted = PerService::of(|service| owning::admits(view, &user, group, service));
        let mut plan = Plan::new(view.model, &user);
        plan.decide(&client, group, expires, view.now, |service| admitted[service].is_ok());
        while let Some((_, client)) = waiting.next_if(|(other, _)| *other == user) {
            plan.decide(&client, group, expires, view.now, |service| admitted[service].is_ok());
        }
        plan.finish_and_tell(view, &mut outcome);
        if let Err(refusal) = &admitted[Service::Mcptt] {
            refused.push(format!("{user}: {refusal}"));
        }
    }
    if !refused.is_empty() {
        outcome.log = Some(format!("not affiliated to {group}: {}", refused.join("; ")));
    }
    outcome
}

/// The clients of a user that a notification of an owner lists, with the end of the grant.
fn listed(document: &Presence, user: &UserId, now: Time) -> BTreeMap<ClientId, Option<Time>> {
    let of_user =
        document.tuples.iter().filter(|tuple| uri::identity(&tuple.id).as_deref() == Some(user.as_str()));
    of_user
        .flat_map(|tuple| &tuple.affiliations)
        .filter(|affiliation| affiliation.expires.is_none_or(|expires| expires > now))
        .filter_map(|affiliation| {
            Some((ClientId::new(affiliation.client.as_deref()?.trim()), affiliation.expires))
        })
        .collect()
}

/// The code of Warning by which an owner says that it does not let an affiliation go: `function not allowed due to ...`.
const NOT_ALLOWED: u16 = 100;

/// Whether an end says nothing about the request itself.
fn is_silence(status: u16) -> bool {
    matches!(status, 408 | 480 | 500 | 503 | 504)
}

/// What the Call-IDs of all requests about one user and group have in common: those who see them need not know whom they
/// are about.
pub fn publication(subject: &str) -> String {
    entity_tag::state([subject])
}

/// The p-id of a request to an owner, unlike that of any other request of any server.
fn p_id_of(policy: &Policy, request: RequestRef) -> String {
    format!("{}-{request}", policy.domain)
}

/// Whether an entry counts for N2 (TS 24.379 9.2.2.2.3 step 14 b): affiliated or about to be, and its time not over.
pub(super) fn counts(entry: &GroupAffiliation, now: Time) -> bool {
    entry.status != AffiliationStatus::Deaffiliating && entry.lasts(now)
}

/// Step 1: whose affiliations.
///
/// # Errors
/// 400: mcptt-info names nobody. 403 with Warning 140: it is encrypted.
pub fn served_user(info: &McInfo) -> Result<UserId, Refusal> {
    if info.encrypted {
        return Err(Refusal::Encrypted);
    }
    let target =
        info.request_uri.as_deref().ok_or_else(|| Refusal::malformed("mcptt-info: no mcptt-request-uri"))?;
    uri::identity(target)
        .map(UserId::new)
        .ok_or_else(|| Refusal::malformed("mcptt-info: mcptt-request-uri is not a URI"))
}

/// What a PUBLISH asks for.
struct Wanted {
    client: ClientId,
    /// As named, in document order, each once.
    groups: Vec<GroupId>,
    p_id: Option<String>,
}

enum Read {
    Wanted(Wanted),
    /// Step 9: the document is about another user.
    Ignored,
}

/// Steps 9, 10 and 18: client, groups and p-id from the document; without one, those that the entity tag stands for
/// (RFC 3903 4.3, 4.5: refresh and removal carry no body).
fn wanted(model: &Model, served: &UserId, ask: &PublishAsk) -> Result<Read, Refusal> {
    let of_service = |record: &ClientAffiliations| -> Vec<GroupAffiliation> {
        record.groups.iter().filter(|entry| entry.service == ask.service).cloned().collect()
    };
    let matches = |client: &ClientId, entries: &[GroupAffiliation], etag: &str| {
        entity_tag::stands_for(etag, &state_of(served, client, ask.service, entries))
    };
    let Some(document) = &ask.presence else {
        let etag =
            ask.etag.as_deref().ok_or_else(|| Refusal::malformed("PUBLISH without application/pidf+xml"))?;
        let record = model
            .affiliations_of(served.as_str())
            .find(|record| matches(&record.client, &of_service(record), etag))
            .ok_or(Refusal::UnknownEntityTag)?;
        let wanted = |entry: &GroupAffiliation| entry.status != AffiliationStatus::Deaffiliating;
        let groups = of_service(record).into_iter().filter(wanted).map(|entry| entry.group).collect();
        return Ok(Read::Wanted(Wanted { client: record.client.clone(), groups, p_id: None }));
    };
    // Step 9.
    if uri::identity(&document.entity).as_deref() != Some(served.as_str()) {
        return Ok(Read::Ignored);
    }
    // Step 10.
    let [tuple] = document.tuples.as_slice() else {
        return Err(Refusal::malformed("pidf: not exactly one tuple"));
    };
    let id = tuple.id.trim();
    if !is_usable(id) {
        return Err(Refusal::malformed("pidf: the tuple has no usable id"));
    }
    let client = ClientId::new(id);
    let stored = model.affiliations(served.as_str(), client.as_str()).map(of_service).unwrap_or_default();
    if ask.etag.as_deref().is_some_and(|etag| !matches(&client, &stored, etag)) {
        return Err(Refusal::UnknownEntityTag);
    }
    let mut seen = BTreeSet::new();
    let mut groups = Vec::new();
    for affiliation in &tuple.affiliations {
        let group = affiliation.group.as_deref().and_then(uri::identity);
        let group =
            GroupId::new(group.ok_or_else(|| Refusal::malformed("pidf: affiliation without a group"))?);
        if seen.insert(group.clone()) {
            groups.push(group);
        }
    }
    Ok(Read::Wanted(Wanted { client, groups, p_id: document.p_id.clone() }))
}

/// Whether a client ID can be stored and written into a document.
pub(super) fn is_usable(client: &str) -> bool {
    !client.is_empty() && client.len() <= CLIENT_ID_OCTETS && !client.chars().any(char::is_control)
}

/// TS 23.280 10.8.4.2 step 2: groups of this system that the client has, does not name, and may not leave.
fn may_not_leave(
    view: &View<'_>,
    plan: &Plan<'_>,
    client: &ClientId,
    service: Service,
    named: &[GroupId],
) -> Vec<GroupId> {
    let stays = |entry: &&GroupAffiliation| {
        entry.service == service
            && entry.owner.is_none()
            && counts(entry, view.now)
            && view.policy.no_de_affiliation.contains(&entry.group)
            && !named.contains(&entry.group)
    };
    plan.of(client).iter().filter(stays).map(|entry| entry.group.clone()).collect()
}

/// A user cannot fill the server with the affiliations of clients he makes up.
fn within_client_limit(model: &Model, user: &UserId, client: &ClientId) -> Result<(), Refusal> {
    let others = model.affiliations_of(user.as_str()).filter(|record| record.client != *client).count();
    if others >= CLIENTS_PER_USER {
        return Err(Refusal::NotPermitted { why: "too many clients of this user have affiliations" });
    }
    Ok(())
}

/// Step 14 with the checks of the owning server (TS 23.280 10.8.3.1 step 3): which of these groups the client gets. What
/// is not given goes to `dropped`, with the reason for the operator.
fn candidates(
    view: &View<'_>,
    plan: &Plan<'_>,
    client: &ClientId,
    service: Service,
    groups: Vec<GroupId>,
    dropped: &mut Vec<String>,
) -> Vec<GroupId> {
    let mut eligible = Vec::new();
    // Groups of other owners, counted when the first one is met.
    let mut elsewhere = None;
    for group in groups {
        let admitted = match view.policy.controlling_of(&group) {
            // Decided when the document comes (TS 23.280 10.8.3.1 step 2a).
            Place::Here if group_policy::is_needed(view, &group) => Ok(()),
            Place::Here => owning::admits(view, plan.user(), &group, service),
            Place::At(_) if !view.policy.we_may(group.domain()).affiliate => {
                Err(Refusal::NotWithPartner { domain: group.domain().to_owned() })
            }
            // The group policy is the owner's (TS 23.280 10.8.3.2.2 step 5).
            Place::At(_) => {
                let known = elsewhere.get_or_insert_with(|| plan.groups_elsewhere(client, view.now));
                let new = known.insert((group.clone(), service));
                if new && known.len() > GROUPS_ELSEWHERE_PER_USER {
                    known.remove(&(group.clone(), service));
                    dropped.push(format!("{group}: beyond {GROUPS_ELSEWHERE_PER_USER} groups elsewhere"));
                    continue;
                }
                Ok(())
            }
            Place::Nowhere => Err(Refusal::PartnerNotPermitted(group.clone())),
        };
        match admitted {
            Ok(()) => eligible.push(group),
            Err(refusal) => dropped.push(format!("{group}: {refusal}")),
        }
    }
    // Steps 14 b) and c). N2 counts different groups over all clients of the user.
    let limit = view.model.user(plan.user().as_str()).and_then(|user| user.profile.max_affiliations_n2);
    let Some(limit) = limit else { return eligible };
    let elsewhere = plan.groups_of_others(client, service, view.now);
    let mut room = usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(elsewhere.len());
    let mut given: BTreeSet<GroupId> =
        eligible.iter().filter(|group| elsewhere.contains(*group)).cloned().collect();
    // Reduction by our policy: what the client has already goes first, then the order of the request.
    let has = |group: &GroupId| {
        plan.of(client)
            .iter()
            .any(|entry| entry.service == service && entry.group == *group && counts(entry, view.now))
    };
    let (old, new): (Vec<_>, Vec<_>) =
        eligible.iter().filter(|group| !elsewhere.contains(*group)).partition(|group| has(group));
    for group in old.into_iter().chain(new) {
        if room > 0 {
            room -= 1;
            given.insert(group.clone());
        } else {
            dropped.push(format!("{group}: beyond N2={limit}"));
        }
    }
    eligible.retain(|group| given.contains(group));
    eligible
}

/// When an affiliation of this interval ends; the whole interval does not end by time.
fn expiry(now: Time, interval: u32) -> Option<Time> {
    (interval != WHOLE_INTERVAL).then(|| now.plus(Duration::from_secs(u64::from(interval))))
}

/// Step 8: the receipt. It says nothing about the groups.
fn receipt(to: ReplyTo, interval: u32, etag: String) -> Send {
    Send::Answer { to, answer: Answer { expires: Some(interval), etag: Some(etag), ..Answer::plain(200) } }
}

/// A fresh entity tag for this state of one client (RFC 3903 6: each 2xx has one of its own).
fn entity_tag(
    view: &mut View<'_>,
    user: &UserId,
    client: &ClientId,
    service: Service,
    entries: &[GroupAffiliation],
) -> String {
    let of_service: Vec<_> = entries.iter().filter(|entry| entry.service == service).cloned().collect();
    entity_tag::fresh(view.ids, &state_of(user, client, service, &of_service))
}

/// What an entity tag stands for.
fn state_of(user: &UserId, client: &ClientId, service: Service, entries: &[GroupAffiliation]) -> String {
    let wanted = entries.iter().filter(|entry| entry.status != AffiliationStatus::Deaffiliating);
    let wanted: Vec<(&str, String)> = wanted
        .map(|entry| (entry.group.as_str(), entry.expires.map_or(0, Time::as_millis).to_string()))
        .collect();
    let groups = wanted.iter().flat_map(|(group, time)| [*group, time.as_str()]);
    entity_tag::state([user.as_str(), client.as_str(), names::of(service).prefix].into_iter().chain(groups))
}
