//! Temporary group teardown involving multiple group host servers: TS 23.280 10.2.4.3, figure 10.2.4.3-1. This half: what
//! GMS 1 does beyond a teardown within its own system ([`super::teardown`]); the other is in `teardown_partner`.
//!
//! ```text
//!  group management client     GMS 1      MC service server 1   members 1      GMS 2
//!    |-- 1 teardown request ---->|                |                 |            |
//!    |<------------ 202 ---------| 2 checks       |                 |            |
//!    |                           | 3 remove       |                 |            |
//!    |                           |-- 4 notify --->| 5 a call that   |            |
//!    |                           |                |   runs goes on  |            |
//!    |                           |-- 6a notification -------------->|            |
//!    |                           |<---------------- 6b response ----|            |
//!    |                           |-- 7a notification --------------------------->|
//!    |                           |<------------------------------ 7b response ---|
//!    |<-- 10 confirmation -------|                |                 |            |
//! ```
//!
//! 4, 6a and 7a start together when 3 is stored. 10 waits for 7b of all partners, but no longer than `gms_timeout`
//! (T-gms-http): the group is gone here whatever a partner says. 7a is repeated until it is confirmed, over restarts, for
//! as long as there is an agreement with that partner: a group that is stuck in a temporary group that is no more cannot
//! be used. 7a only goes to systems whose groups took part.
//!
//! A formation that failed after partners were told of it is withdrawn in the same way.

use super::between;
use super::repeat;
use crate::env::Time;
use crate::model::*;
use crate::procedure::{Outcome, Over, Place, View};
use std::collections::BTreeMap;
use std::time::Duration;

/// When a partner is asked again which took 7a but did not confirm it, or refused it.
pub const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// The partner systems that own some of these constituents, each with its GMS. One without agreement has nobody to ask.
pub(super) fn parts(view: &View<'_>, constituents: &[GroupId]) -> BTreeMap<Psi, Vec<GroupId>> {
    let mut parts: BTreeMap<Psi, Vec<GroupId>> = BTreeMap::new();
    for group in constituents.iter().filter(|group| !view.policy.is_own(group)) {
        if let Place::At(gms) = view.policy.gms_of(group) {
            parts.entry(gms.clone()).or_default().push(group.clone());
        }
    }
    parts
}

/// Step 7a, beside what happens in the own system.
pub(super) fn begin(
    view: &mut View<'_>,
    asker: Asker,
    temporary: GroupId,
    parts: BTreeMap<Psi, Vec<GroupId>>,
    outcome: &mut Outcome<Over>,
) {
    let parts = parts.into_iter().map(|(gms, constituents)| Part {
        transaction_id: view.ids.token(),
        request: None,
        done: false,
        gms,
        constituents,
    });
    let mut withdrawal = Withdrawal {
        temporary,
        cause: WithdrawalCause::TornDown,
        requestor: asker.user.clone(),
        service: asker.service,
        parts: parts.collect(),
        asker: Some(asker),
        wake: view.now.plus(view.policy.gms_timeout),
    };
    ask(view, &mut withdrawal, outcome);
    outcome.changes.push(Change::Put(Fact::Withdrawal(withdrawal)));
}

/// A formation failed after these partners were told of it: they are told that it is not formed.
pub(super) fn withdraw(
    view: &mut View<'_>,
    asker: &Asker,
    temporary: &GroupId,
    parts: Vec<Part>,
    outcome: &mut Outcome<Over>,
) {
    let parts = parts.into_iter().map(|part| Part {
        transaction_id: view.ids.token(),
        request: None,
        done: false,
        ..part
    });
    let mut withdrawal = Withdrawal {
        temporary: temporary.clone(),
        cause: WithdrawalCause::NotFormed,
        requestor: asker.user.clone(),
        service: asker.service,
        parts: parts.collect(),
        asker: None,
        wake: view.now.plus(AGAIN_AFTER),
    };
    ask(view, &mut withdrawal, outcome);
    outcome.changes.push(Change::Put(Fact::Withdrawal(withdrawal)));
}

/// Asks every partner that is not being asked already.
fn ask(view: &mut View<'_>, withdrawal: &mut Withdrawal, outcome: &mut Outcome<Over>) {
    for part in &mut withdrawal.parts {
        if part.request.is_some_and(|id| view.model.request(id).is_some()) {
            continue;
        }
        let what = match withdrawal.cause {
            WithdrawalCause::TornDown => {
                GroupAsked::TeardownNotification { constituents: part.constituents.clone() }
            }
            WithdrawalCause::NotFormed => GroupAsked::RegroupCancel,
        };
        let request = GroupRequest {
            what,
            group: withdrawal.temporary.clone(),
            transaction_id: part.transaction_id.clone(),
            requestor: between::requestor_for(view.policy, &part.gms, &withdrawal.requestor),
            service: withdrawal.service,
        };
        part.request = Some(between::ask(view, &part.gms, request, FOR_EVER, outcome));
    }
}

/// Until it is answered.
const FOR_EVER: Time = Time::from_millis(u64::MAX);

/// Step 7b: a partner confirmed. One that refused is asked again later.
pub(super) fn answered(
    view: &mut View<'_>,
    mut withdrawal: Withdrawal,
    place: usize,
    result: Result<(), Failure>,
) -> Outcome<Over> {
    let temporary = withdrawal.temporary.clone();
    let mut outcome = Outcome::default();
    if let Err(failure) = result {
        let by = withdrawal.parts.get(place).map(|part| &part.gms);
        outcome.log = Some(format!("{by:?} did not let temporary group {temporary} go: {}", failure.code));
        return outcome;
    }
    let part = withdrawal.parts.remove(place);
    // It may be confirmed before its transaction is over.
    outcome.changes.extend(between::withdrawn(view.model, &part));
    if !withdrawal.parts.is_empty() {
        outcome.changes.push(Change::Put(Fact::Withdrawal(withdrawal)));
        return outcome;
    }
    outcome.log = Some(format!("every partner system let temporary group {temporary} go"));
    outcome.changes.push(Change::Remove(FactKey::Withdrawal(temporary)));
    confirm(view, &mut withdrawal, &mut outcome);
    outcome
}

/// Step 10, once.
fn confirm(view: &mut View<'_>, withdrawal: &mut Withdrawal, outcome: &mut Outcome<Over>) {
    if let Some(asker) = withdrawal.asker.take() {
        let result = repeat::result(&asker, GmsOperation::Teardown, withdrawal.temporary.clone());
        repeat::finish(view, &asker, result, outcome);
    }
}

/// T-gms-http is over, or it is time to ask again.
pub fn wake(view: &mut View<'_>, temporary: &GroupId) -> Outcome<Over> {
    let Some(withdrawal) = view.model.withdrawal(temporary.as_str()) else { return Outcome::default() };
    if withdrawal.wake > view.now {
        return Outcome::default();
    }
    let mut withdrawal = withdrawal.clone();
    let mut outcome = Outcome::default();
    // Step 10 does not wait longer for 7b.
    if withdrawal.asker.is_some() {
        confirm(view, &mut withdrawal, &mut outcome);
        outcome.log = Some(format!("{temporary}: a partner system has not confirmed the teardown yet"));
    } else {
        let (kept, gone) = withdrawal
            .parts
            .into_iter()
            .partition(|part| view.policy.partner_of_function(&part.gms).is_some());
        withdrawal.parts = kept;
        let gone: Vec<Part> = gone;
        for part in gone {
            outcome.log = Some(format!("{temporary}: no agreement with the system of {} any more", part.gms));
            outcome.changes.extend(between::withdrawn(view.model, &part));
        }
        if withdrawal.parts.is_empty() {
            outcome.changes.push(Change::Remove(FactKey::Withdrawal(temporary.clone())));
            return outcome;
        }
        ask(view, &mut withdrawal, &mut outcome);
    }
    withdrawal.wake = view.now.plus(AGAIN_AFTER);
    outcome.changes.push(Change::Put(Fact::Withdrawal(withdrawal)));
    outcome
}
