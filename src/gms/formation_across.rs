//! Temporary group formation with constituents of several MC systems: TS 23.280 10.2.4.2. This half: the GMS that was
//! asked and that keeps the temporary group; the other is [`super::formation_partner`].
//!
//! ```text
//!  group management client      GMS 1        MC service server 1     GMS 2       own members
//!    |-- 1 regroup request ------>|                  |                  |             |
//!    |<------------ 202 ----------| 2 checks         |                  |             |
//!    |                            |-- 3 check ------------------------->| reserve     |
//!    |                            |<-------------------------- result --|             |
//!    |                            | 4 store, mark    |                  |             |
//!    |                            |-- 5 notification ------------------>| mark        |
//!    |                            |<-------------------------- result --|             |
//!    |                            |-- 6 notify ----->|                  |             |
//!    |                            |-- 7 notification -------------------------------->|
//!    |<-- 8 regroup result -------|                  |                  |             |
//! ```
//!
//! From 2 on the identity of the group and its constituents here are taken ([`Formation`]): of two formations that want
//! the same group one finds it taken. Where the partners' answers cross, [`super::formation_partner`] decides who waits
//! for whom, so that one of them gets all.
//!
//! If a partner refuses or is silent at 3, the others are told (cancel) and nothing has changed. If one does at 5, what 4
//! stored goes again, and the others are told until they confirm ([`Withdrawal`]).

use super::between::{self, ATTEMPTS, CANCEL_FOR, FORMATION_ATTEMPTS};
use super::{formation, formation_partner, repeat, teardown_across};
use crate::documents::gmop::ReasonCode;
use crate::env::Time;
use crate::model::*;
use crate::procedure::{Outcome, Over, Refusal, Send, View};
use std::collections::BTreeMap;

/// Most temporary groups of several systems that are being formed at once.
pub const FORMATIONS: usize = 1000;

/// Steps 1 to 3, when the request has passed the checks of step 2.
///
/// # Errors
/// [`Refusal::Full`] at [`FORMATIONS`].
pub(super) fn begin(
    view: &mut View<'_>,
    asker: Asker,
    accepted: Send,
    document: GroupDocument,
    own: Vec<GroupId>,
    foreign: Vec<(GroupId, Psi)>,
) -> Result<Outcome<Over>, Refusal> {
    if view.model.formation_count() >= FORMATIONS {
        return Err(Refusal::Full { what: "temporary groups being formed", limit: FORMATIONS });
    }
    let mut by_gms: BTreeMap<Psi, Vec<GroupId>> = BTreeMap::new();
    for (group, gms) in foreign {
        by_gms.entry(gms).or_default().push(group);
    }
    let mut outcome = Outcome::end(Vec::new(), vec![accepted]).logged(format!(
        "{} forms temporary group {} with {:?}",
        asker.user,
        document.id,
        by_gms.keys().collect::<Vec<_>>()
    ));
    let until = view.now.plus(view.policy.gms_timeout * ATTEMPTS);
    let ends = view.now.plus(view.policy.gms_timeout * FORMATION_ATTEMPTS);

    // Step 3.
    let mut parts = Vec::new();
    for (gms, constituents) in by_gms {
        let what = GroupAsked::RegroupCheck { constituents: constituents.clone() };
        let formation = (&document, &asker);
        parts.push(ask(view, formation, &gms, constituents, what, until, &mut outcome));
    }
    outcome.changes.push(Change::Put(Fact::Formation(Formation {
        asker,
        document,
        own,
        stage: FormationStage::Checking,
        parts,
        until,
        ends,
    })));
    Ok(outcome)
}

fn ask(
    view: &mut View<'_>,
    (document, asker): (&GroupDocument, &Asker),
    gms: &Psi,
    constituents: Vec<GroupId>,
    what: GroupAsked,
    until: Time,
    outcome: &mut Outcome<Over>,
) -> Part {
    let transaction_id = view.ids.token();
    let request = GroupRequest {
        what,
        group: document.id.clone(),
        transaction_id: transaction_id.clone(),
        requestor: between::requestor_for(view.policy, gms, &asker.user),
        service: asker.service,
    };
    let request = between::ask(view, gms, request, until, outcome);
    Part { gms: gms.clone(), constituents, transaction_id, request: Some(request), done: false }
}

/// One of the partners answered step 3 or 5, or could not be reached.
pub(super) fn answered(
    view: &mut View<'_>,
    mut formation: Formation,
    place: usize,
    result: Result<(), Failure>,
) -> Outcome<Over> {
    let Some(part) = formation.parts.get_mut(place) else { return Outcome::default() };
    if let Err(mut failure) = result {
        if failure.rejected.is_empty() {
            let rejected = part.constituents.iter().map(|group| (group.clone(), failure.code.clone()));
            failure.rejected = rejected.collect();
        }
        let refused = part.gms.clone();
        return fail(view, formation, failure, Some(&refused));
    }
    part.done = true;
    if !formation.parts.iter().all(|part| part.done) {
        return Outcome::end(vec![Change::Put(Fact::Formation(formation))], Vec::new());
    }
    match formation.stage {
        FormationStage::Checking => commit(view, formation),
        FormationStage::Notifying => finish(view, formation),
    }
}

/// Steps 4 and 5. All have reserved: the document and the marks here appear together, and the partners are told.
fn commit(view: &mut View<'_>, formation: Formation) -> Outcome<Over> {
    let Formation { asker, document, own, ends, .. } = formation;
    let until = view.now.plus(view.policy.gms_timeout * ATTEMPTS).min(ends);
    let mut outcome = Outcome::end(formation::store(&document, &own), Vec::new());
    let mut parts = Vec::new();
    for Part { gms, constituents, .. } in formation.parts {
        let requestor = between::requestor_for(view.policy, &gms, &asker.user);
        let mut told = document.clone();
        if let Some(temporary) = &mut told.temporary {
            temporary.requestor = requestor;
        }
        let what = GroupAsked::RegroupNotification { document: told };
        parts.push(ask(view, (&document, &asker), &gms, constituents, what, until, &mut outcome));
    }
    // Whoever waits for a constituent of ours has lost it.
    formation_partner::refuse_waiting(view, &own, &mut outcome);
    let stage = FormationStage::Notifying;
    outcome.changes.push(Change::Put(Fact::Formation(Formation {
        asker,
        document,
        own,
        stage,
        parts,
        until,
        ends,
    })));
    outcome
}

/// Steps 6 to 8. All have marked their groups.
fn finish(view: &mut View<'_>, formation: Formation) -> Outcome<Over> {
    let Formation { asker, document, own, parts, .. } = formation;
    let constituents = document.temporary.as_ref().map_or(&[][..], |temporary| &temporary.constituents);
    let mut outcome = Outcome::default().logged(format!(
        "{} formed temporary group {} of {constituents:?} with {} other systems",
        asker.user,
        document.id,
        parts.len()
    ));
    outcome.changes.push(Change::Remove(FactKey::Formation(document.id.clone())));
    formation::tell(view, &asker, document, &own, &mut outcome);
    outcome
}

/// The stage's time is over: somebody was silent.
pub fn expire(view: &mut View<'_>, temporary: &GroupId) -> Outcome<Over> {
    let Some(formation) = view.model.formation(temporary.as_str()) else { return Outcome::default() };
    if formation.until > view.now {
        return Outcome::default();
    }
    let formation = formation.clone();
    let silent = formation.parts.iter().filter(|part| !part.done).flat_map(|part| part.constituents.clone());
    let silent: Vec<_> = silent.collect();
    let failure = between::failure(&ReasonCode::PartnerUnreachable, &silent);
    fail(view, formation, failure, None)
}

/// Not in the figure: a partner refused, or was silent. What was reserved or marked is given back everywhere, and the
/// user hears why.
fn fail(
    view: &mut View<'_>,
    formation: Formation,
    failure: Failure,
    refused_by: Option<&Psi>,
) -> Outcome<Over> {
    let Formation { asker, document, own, stage, parts, .. } = formation;
    let temporary = document.id.clone();
    let mut outcome = Outcome::default().logged(format!(
        "temporary group {temporary} of {} not formed: {} {:?}",
        asker.user, failure.code, failure.rejected
    ));
    outcome.changes.push(Change::Remove(FactKey::Formation(temporary.clone())));
    outcome.changes.extend(parts.iter().filter_map(|part| between::withdrawn(view.model, part)));
    match stage {
        FormationStage::Checking => {
            // Whoever may have reserved something is told; who refused has not.
            let until = view.now.plus(CANCEL_FOR);
            for part in parts.iter().filter(|part| Some(&part.gms) != refused_by) {
                let formation = (&document, &asker);
                ask(view, formation, &part.gms, Vec::new(), GroupAsked::RegroupCancel, until, &mut outcome);
            }
        }
        FormationStage::Notifying => {
            outcome.changes.push(Change::Remove(FactKey::TemporaryGroup(Side::Gms, temporary.clone())));
            let marks = own.iter().map(|group| Change::Remove(FactKey::Regrouped(Side::Gms, group.clone())));
            outcome.changes.extend(marks);
            teardown_across::withdraw(view, &asker, &temporary, parts, &mut outcome);
        }
    }
    let result = repeat::result(&asker, GmsOperation::Formation, temporary);
    repeat::finish(view, &asker, OperationResult { failure: Some(failure), ..result }, &mut outcome);
    formation_partner::grant_waiting(view, own, &mut outcome);
    outcome
}
