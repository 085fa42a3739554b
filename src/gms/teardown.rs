//! Temporary group teardown within an MC system: TS 23.280 10.2.4.2a, figure 10.2.4.2a-1. With constituents of other
//! systems, figure 10.2.4.3-1, the GMS does the same and [`super::teardown_across`] besides.
//!
//! ```text
//!  group management client          GMS             MC service server     affiliated members
//!    |-- 1 teardown request -------->|                      |                      |
//!    |                               | 2 checks             |                      |
//!    |                               | 3 remove             |                      |
//!    |                               |-- 4 notify --------->|                      |
//!    |                               |                      | 5 a call that runs   |
//!    |                               |                      |   is preserved       |
//!    |                               |-- 6a notification ------------------------->|
//!    |                               |<------------------------ 6b response -------|
//!    |<-- 7 teardown confirmation ---|                      |                      |
//! ```
//!
//! 4 is [`Send::GroupChanged`]; 6a and 7 are owed ([`Fact::Owed`]), so a restart sends them; 6b is the answer to 6a, and
//! the silence of one member holds up neither the others nor 7.

use super::repeat::{self, Asked};
use super::{Ask, affiliated_members, named, owe, teardown_across};
use crate::documents::gmop::OperationKind;
use crate::model::*;
use crate::procedure::{GroupChange, Outcome, Over, Refusal, Send, View};

/// TS 23.280 10.2.4.2a steps 1 to 7.
///
/// # Errors
/// The first of the checks of step 2 that fails; nothing has changed then, and nobody else has heard of the request.
pub fn request(view: &mut View<'_>, ask: Ask) -> Result<Outcome<Over>, Refusal> {
    // Step 1. What was done before is not done twice.
    if ask.operation.kind != OperationKind::GroupRegroupTeardown {
        return Err(Refusal::UnknownOperation);
    }
    let asker = match repeat::look(view, &ask)? {
        Asked::Again(outcome) => return Ok(outcome),
        Asked::First(asker) => asker,
    };

    // Step 2.
    let (temporary, constituents) = check(view, &ask)?;

    // Step 3. The document and all marks go together.
    let own: Vec<GroupId> =
        constituents.iter().filter(|group| is_marked(view.model, group, &temporary)).cloned().collect();
    let mut outcome = Outcome::end(Vec::new(), Vec::new())
        .logged(format!("{} tore down temporary group {temporary} of {own:?}", ask.sender));
    outcome.changes.push(Change::Remove(FactKey::TemporaryGroup(Side::Gms, temporary.clone())));
    let parts = teardown_across::parts(view, &constituents);
    let receipt = if parts.is_empty() { repeat::receipt(&ask) } else { repeat::accepted(&ask) };
    outcome.sends.push(receipt);

    // Steps 3 to 6a.
    release(view, &temporary, &own, &asker.transaction_id, &ask.sender, &mut outcome);

    // Step 7. It does not wait for 6b, but for partner systems if there are any.
    if parts.is_empty() {
        let result = repeat::result(&asker, GmsOperation::Teardown, temporary);
        repeat::finish(view, &asker, result, &mut outcome);
    } else {
        teardown_across::begin(view, asker, temporary, parts, &mut outcome);
    }
    Ok(outcome)
}

/// Steps 3 to 6a for the groups of this system: their marks go, and those who are concerned hear of it. A notification of
/// the formation that somebody has not heard yet goes too: it must not arrive after 6a.
pub(super) fn release(
    view: &mut View<'_>,
    temporary: &GroupId,
    own: &[GroupId],
    transaction_id: &str,
    requestor: &UserId,
    outcome: &mut Outcome<Over>,
) {
    // Step 3.
    outcome
        .changes
        .extend(own.iter().map(|group| Change::Remove(FactKey::Regrouped(Side::Gms, group.clone()))));
    outcome.changes.extend(unheard_formation(view.model, temporary));

    // Step 4.
    outcome.sends.push(Send::GroupChanged(GroupChange::TornDown {
        temporary: temporary.clone(),
        constituents: own.to_vec(),
    }));

    // Step 5. Nothing is sent: a call that runs is the MC service server's, and lives until it ends by itself.

    // Step 6a. Each affiliated member once for each service, with the groups of his that were part of it.
    for ((member, service), concern) in affiliated_members(view.model, temporary, own) {
        let notice = Notice::TornDown {
            temporary: temporary.clone(),
            constituents: concern.constituents,
            transaction_id: transaction_id.to_owned(),
            requestor: requestor.clone(),
        };
        let clients = concern.clients.into_iter().collect();
        owe(view, member, service, clients, notice, outcome);
    }
}

/// TS 23.280 10.2.4.2a step 2: the user is authorised, the group exists, and it is a temporary group. Gives the group and
/// its constituents.
fn check(view: &View<'_>, ask: &Ask) -> Result<(GroupId, Vec<GroupId>), Refusal> {
    let operation = &ask.operation;
    let in_document = operation.group.as_ref().map(|group| group.uri.as_str());
    let group = named(&[operation.group_id.as_deref(), in_document, ask.info.request_uri.as_deref()])?
        .ok_or_else(|| {
            if ask.info.encrypted { Refusal::Encrypted } else { Refusal::malformed("GMOP: no group-id") }
        })?;
    let document = view.model.group(Side::Gms, group.as_str());

    // Authorised by the profile (<allow-regroup>, TS 24.484 8.3.2) and by the policy of the groups concerned.
    let by_profile = view.model.user(ask.sender.as_str()).is_some_and(|user| user.profile.allow_regroup);
    if !by_profile || !document.is_none_or(|document| policy_allows(view, document, &ask.sender)) {
        return Err(Refusal::NotAuthorised);
    }
    // One that is still being formed is not there yet.
    let document = document.filter(|_| view.model.formation(group.as_str()).is_none());
    let document = document.ok_or_else(|| Refusal::GroupNotFound(group.clone()))?;
    let temporary = document.temporary.as_ref().ok_or_else(|| Refusal::NotTemporary(group.clone()))?;
    Ok((group, temporary.constituents.clone()))
}

/// Group policy: who formed a temporary group may tear it down, and anyone whom every constituent of this system lets
/// regroup it. For any other group its own rule counts. A policy that cannot be read permits nothing.
fn policy_allows(view: &View<'_>, document: &GroupDocument, user: &UserId) -> bool {
    let allows = |group: &GroupDocument| group.rules.regroup.includes(user, group.members.contains_key(user));
    let Some(temporary) = &document.temporary else { return allows(document) };
    let mut own = temporary.constituents.iter().filter(|group| view.policy.is_own(group)).peekable();
    temporary.requestor == *user
        || own.peek().is_some()
            && own.all(|group| view.model.group(Side::Gms, group.as_str()).is_some_and(|group| allows(group)))
}

fn is_marked(model: &Model, constituent: &GroupId, temporary: &GroupId) -> bool {
    model.regrouped(Side::Gms, constituent.as_str()).is_some_and(|mark| mark.temporary == *temporary)
}

fn unheard_formation<'a>(model: &'a Model, group: &'a GroupId) -> impl Iterator<Item = Change> + 'a {
    model
        .all_owed()
        .filter(|owed| matches!(&owed.notice, Notice::Regrouped { temporary, .. } if temporary.id == *group))
        .map(|owed| Change::Remove(FactKey::Owed(owed.id)))
}
