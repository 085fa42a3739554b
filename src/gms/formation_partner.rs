//! Temporary group formation with constituents of several MC systems: TS 23.280 10.2.4.2. This half: the GMS that owns
//! some of the constituents of a temporary group which another GMS forms ([`super::formation_across`]).
//!
//! ```text
//!  GMS 1                     GMS 2            MC service server 2    affiliated members
//!    |-- 3 check ------------->| checks, reserve      |                      |
//!    |<-------------- result --|                      |                      |
//!    |-- 5 notification ------>| mark                 |                      |
//!    |<-------------- result --|-- 6 notify --------->|                      |
//!    |                         |-- 7 notification -------------------------->|
//!
//!  a constituent here:
//!    free -- check --> reserved -- notification --> part of the temporary group
//!    reserved -- cancel, or T-regroup-reserve --> free
//! ```
//!
//! The result of a check names no members, to no partner: whoever is in a constituent is told by the own system (7), and
//! called through it. A partner that names some is not refused; nothing is kept of it.
//!
//! Two formations that want the same group: the one that finds it reserved is refused, unless the identity of its
//! temporary group comes before that of the other in order; then it waits a little for the other to get the group or to
//! give it up. So of any number that want each other's groups in several systems at once, one gets all: whoever comes
//! first in order is never refused for somebody who is himself refused for it, and nobody waits in a circle.

use super::between::{self, Request};
use super::{formation, read_group};
use crate::documents::gmop::{GroupProposal, ReasonCode};
use crate::model::*;
use crate::procedure::{Answer, Outcome, Over, Refusal, Send, View};
use std::collections::BTreeSet;

/// How many answer times a check waits at most for whoever has reserved what it wants: less than its sender waits for
/// the result.
pub const WAITING_ATTEMPTS: u32 = 2;

/// Most checks that wait at once; the next is refused as if it came later in order.
pub const WAITING: usize = 100;

/// Step 3, as GMS 2 hears it.
///
/// # Errors
/// The sender may not regroup our groups, or the request names none.
pub(super) fn check(
    view: &mut View<'_>,
    request: Request,
    proposal: Option<&GroupProposal>,
) -> Result<Outcome<Over>, Refusal> {
    between::may_regroup(view.policy, &request)?;
    let constituents = constituents(view, proposal)?;
    let temporary = request.group.clone();

    // The same request again, as long as it is not decided.
    let known = view.model.reservation(temporary.as_str());
    if known.is_some_and(|known| known.transaction_id == request.transaction_id) {
        return Ok(Outcome::end(Vec::new(), vec![accepted(&request)]));
    }
    // A later request of the same GMS for the same group takes the place of the earlier one.
    let mut outcome = Outcome::default();
    let freed = known.filter(|known| known.held).map(|known| known.constituents.clone()).unwrap_or_default();
    if known.is_some() {
        outcome.changes.push(Change::Remove(FactKey::Reservation(temporary.clone())));
    }

    let verdict = checks(view, &constituents).map(|()| claim(view.model, &temporary, &constituents));
    let held = match verdict {
        Err(refusal) => {
            let (code, group) = between::reason_of(&refusal).unwrap_or((ReasonCode::LocalPolicy, None));
            let failure = match group {
                Some(group) => between::failure(&code, std::slice::from_ref(group)),
                None => between::failure(&code, &[]),
            };
            request.finish(view, GroupOperation::RegroupCheck, Err(failure), &mut outcome);
            grant_waiting(view, freed, &mut outcome);
            return Ok(outcome);
        }
        Ok(Claim::Lost(group)) => {
            let failure = between::failure(&ReasonCode::GroupAlreadyRegrouped, &[group]);
            request.finish(view, GroupOperation::RegroupCheck, Err(failure), &mut outcome);
            grant_waiting(view, freed, &mut outcome);
            return Ok(outcome);
        }
        Ok(Claim::Free) => true,
        Ok(Claim::Wait) => false,
    };
    let span = if held { view.policy.reserved_for } else { view.policy.gms_timeout * WAITING_ATTEMPTS };
    outcome.changes.push(Change::Put(Fact::Reservation(Reservation {
        temporary: temporary.clone(),
        by: request.caller.psi.clone(),
        constituents: constituents.clone(),
        transaction_id: request.transaction_id.clone(),
        call_id: request.call_id.clone(),
        service: request.service,
        held,
        until: view.now.plus(span),
    })));
    if held {
        outcome.log = Some(format!("{constituents:?} reserved for temporary group {temporary}"));
        request.finish(view, GroupOperation::RegroupCheck, Ok(()), &mut outcome);
    } else {
        outcome.sends.push(accepted(&request));
    }
    let freed = freed.into_iter().filter(|group| !constituents.contains(group)).collect();
    grant_waiting(view, freed, &mut outcome);
    Ok(outcome)
}

/// 202: the result comes later.
fn accepted(request: &Request) -> Send {
    Send::Answer { to: request.reply, answer: Answer::plain(202) }
}

/// The groups of ours that are wanted, each once.
fn constituents(view: &View<'_>, proposal: Option<&GroupProposal>) -> Result<Vec<GroupId>, Refusal> {
    let named = proposal.and_then(|proposal| proposal.constituents.as_deref()).unwrap_or_default();
    let mut constituents = Vec::new();
    for text in named {
        let group = read_group(text)?;
        if !constituents.contains(&group) {
            constituents.push(group);
        }
    }
    match constituents.len() {
        0 => Err(Refusal::malformed("GMOP: no constituent groups")),
        count if count > view.policy.constituents_limit => {
            Err(Refusal::TooManyGroups { limit: view.policy.constituents_limit })
        }
        _ => Ok(constituents),
    }
}

/// The checks of step 2 that the owner of the groups makes. That the partner may regroup them is the agreement's.
fn checks(view: &View<'_>, constituents: &[GroupId]) -> Result<(), Refusal> {
    let own = |group: &GroupId| {
        let document = view.model.group(Side::Gms, group.as_str()).filter(|_| view.policy.is_own(group));
        document.ok_or_else(|| Refusal::GroupNotFound(group.clone()))
    };
    let documents = constituents.iter().map(own).collect::<Result<Vec<_>, _>>()?;
    formation::usable(&documents, |group| formation::is_marked(view.model, group))
}

/// What becomes of a claim on groups that are in no temporary group yet.
enum Claim {
    Free,
    /// Whoever has reserved them comes later in order.
    Wait,
    /// This one is somebody else's.
    Lost(GroupId),
}

fn claim(model: &Model, temporary: &GroupId, constituents: &[GroupId]) -> Claim {
    let mut free = true;
    for group in constituents {
        match model.spoken_for(group.as_str()) {
            None => {}
            Some(holder) if holder == temporary => {}
            Some(holder) if temporary < holder && model.waiting().count() < WAITING => free = false,
            Some(_) => return Claim::Lost(group.clone()),
        }
    }
    if free { Claim::Free } else { Claim::Wait }
}

/// Groups of ours have become free: those who wait for them get them, in order, if they can have all they want.
pub(super) fn grant_waiting(view: &mut View<'_>, freed: Vec<GroupId>, outcome: &mut Outcome<Over>) {
    let mut freed: BTreeSet<GroupId> = freed.into_iter().collect();
    let waiting: Vec<Reservation> = view.model.waiting().cloned().collect();
    for mut waiting in waiting {
        let concerned = waiting.constituents.iter().any(|group| freed.contains(group));
        let is_free = |group: &GroupId| {
            freed.contains(group)
                || view.model.spoken_for(group.as_str()).is_none()
                    && view.model.regrouped(Side::Gms, group.as_str()).is_none()
        };
        if !concerned || !waiting.constituents.iter().all(is_free) {
            continue;
        }
        for group in &waiting.constituents {
            freed.remove(group);
        }
        waiting.held = true;
        waiting.until = view.now.plus(view.policy.reserved_for);
        decide(view, &waiting, Ok(()), outcome);
        outcome.changes.push(Change::Put(Fact::Reservation(waiting)));
    }
}

/// Groups of ours are part of a temporary group now: those who wait for them have lost.
pub(super) fn refuse_waiting(view: &mut View<'_>, taken: &[GroupId], outcome: &mut Outcome<Over>) {
    let waiting: Vec<Reservation> = view.model.waiting().cloned().collect();
    for waiting in waiting {
        if let Some(group) = waiting.constituents.iter().find(|group| taken.contains(group)) {
            let failure = between::failure(&ReasonCode::GroupAlreadyRegrouped, std::slice::from_ref(group));
            decide(view, &waiting, Err(failure), outcome);
            outcome.changes.push(Change::Remove(FactKey::Reservation(waiting.temporary)));
        }
    }
}

/// The result of a check that had to wait.
fn decide(
    view: &mut View<'_>,
    waiting: &Reservation,
    result: Result<(), Failure>,
    outcome: &mut Outcome<Over>,
) {
    let response = GroupResponse {
        operation: GroupOperation::RegroupCheck,
        group: waiting.temporary.clone(),
        transaction_id: waiting.transaction_id.clone(),
        in_reply_to: waiting.call_id.clone(),
        service: waiting.service,
        result,
        document: None,
    };
    between::respond(view, &waiting.by, response, outcome);
}

/// T-regroup-reserve is over, or a check has waited long enough.
pub fn expire(view: &mut View<'_>, temporary: &GroupId) -> Outcome<Over> {
    let Some(reservation) = view.model.reservation(temporary.as_str()) else { return Outcome::default() };
    if reservation.until > view.now {
        return Outcome::default();
    }
    let reservation = reservation.clone();
    let mut outcome = Outcome::default();
    outcome.changes.push(Change::Remove(FactKey::Reservation(temporary.clone())));
    if reservation.held {
        outcome.log = Some(format!("reservation for temporary group {temporary} ran out"));
        grant_waiting(view, reservation.constituents, &mut outcome);
    } else {
        let failure = between::failure(&ReasonCode::GroupAlreadyRegrouped, &reservation.constituents);
        decide(view, &reservation, Err(failure), &mut outcome);
    }
    outcome
}

/// Step 5, as GMS 2 hears it, with its steps 6 and 7.
///
/// # Errors
/// The sender may not regroup our groups, or the document is none of a temporary group with groups of ours.
pub(super) fn notified(
    view: &mut View<'_>,
    request: Request,
    document: Option<Box<GroupDocument>>,
) -> Result<Outcome<Over>, Refusal> {
    between::may_regroup(view.policy, &request)?;
    let mut document = *document.ok_or_else(|| Refusal::malformed("GMOP: no group"))?;
    let Some(temporary) = &mut document.temporary else {
        return Err(Refusal::malformed("GMOP: no on-network-temporary"));
    };
    if temporary.constituents.len() > view.policy.constituents_limit {
        return Err(Refusal::TooManyGroups { limit: view.policy.constituents_limit });
    }
    if document.display_name.len() > super::DISPLAY_NAME_OCTETS {
        return Err(Refusal::malformed("GMOP: display-name is too long"));
    }
    temporary.requestor = request.requestor.clone();
    let own: Vec<GroupId> =
        temporary.constituents.iter().filter(|group| view.policy.is_own(group)).cloned().collect();
    if own.is_empty() {
        return Err(Refusal::malformed("GMOP: no constituent group of this system"));
    }
    // The members of the temporary group are not this document's.
    document.members = MemberList::default();
    let id = document.id.clone();

    // Only what was checked and reserved before: a notification that comes after its cancellation finds nothing.
    let reserved = view.model.reservation(id.as_str());
    let reserved = reserved.filter(|known| known.held && known.constituents == own);
    if reserved.is_none() {
        let mut outcome = Outcome::default();
        let failure = lost(view, &id, &own);
        request.finish(view, GroupOperation::RegroupNotification, Err(failure), &mut outcome);
        return Ok(outcome);
    }
    let mut outcome = Outcome::end(vec![Change::Remove(FactKey::Reservation(id.clone()))], Vec::new());
    outcome.log = Some(format!("{own:?} are part of temporary group {id} of {}", request.caller.psi));
    let marks = formation::marks(&document, &own).into_iter();
    outcome.changes.extend(marks.map(|(group, mark)| Change::Put(Fact::Regrouped(Side::Gms, group, mark))));
    request.finish(view, GroupOperation::RegroupNotification, Ok(()), &mut outcome);

    // Steps 6 and 7 in this system.
    formation::tell_own(view, &document, &own, &request.transaction_id, &mut outcome);
    refuse_waiting(view, &own, &mut outcome);
    Ok(outcome)
}

/// Why a temporary group cannot have these groups of ours, which are not reserved for it any more.
fn lost(view: &View<'_>, temporary: &GroupId, own: &[GroupId]) -> Failure {
    if let Some(group) = own.iter().find(|group| view.model.group(Side::Gms, group.as_str()).is_none()) {
        return between::failure(&ReasonCode::GroupNotFound, std::slice::from_ref(group));
    }
    let taken = own.iter().find(|group| {
        let mark = view.model.regrouped(Side::Gms, group.as_str()).map(|mark| &mark.temporary);
        mark.or(view.model.spoken_for(group.as_str())).is_some_and(|other| other != temporary)
    });
    match taken {
        Some(group) => between::failure(&ReasonCode::GroupAlreadyRegrouped, std::slice::from_ref(group)),
        None => between::failure(&ReasonCode::VersionConflict, own),
    }
}
