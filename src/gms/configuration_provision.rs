//! Primary MC system provides group configuration to the partner MC system: TS 23.280 10.2.7.2, figure 10.2.7.2-1.
//!
//! ```text
//!  GMS, primary system          GMS, partner system        MC service server, partner
//!    |-- 1 provision request ------->| 2 modify by policy           |
//!    |                               | 3 store                      |
//!    |                               |-- 4 notify ----------------->|
//!    |<----- 5 provision response ---|                              |
//! ```
//!
//! Both halves stand here. 1 comes about by what the administrator provisions: every group with members in a partner
//! system is provided to it, at the start and at each reload of the configuration, if it is not what the partner has
//! already. It is repeated until the partner answers; what it refused is offered again when it has changed. 2 keeps what
//! came ([`Received`]) and what our policy makes of it, so that a change of policy is applied to what came.

use super::between::{self, ATTEMPTS, Request};
use super::configuration_policy::{concerns, incoming, outgoing};
use super::configuration_withdrawal::{self, no_more_of};
use crate::documents::gmop::ReasonCode;
use crate::model::*;
use crate::procedure::{GroupChange, Outcome, Over, Place, Refusal, Send, View};
use std::time::Duration;

/// When a partner is asked again that took a configuration and did not say what became of it.
pub const AGAIN_AFTER: Duration = Duration::from_secs(300);

/// Step 1: what partners do not have yet, or not as it is now.
pub fn share(view: &mut View<'_>) -> Outcome<Over> {
    let mut outcome = Outcome::default();
    configuration_withdrawal::withdraw(view, &mut outcome);
    let mut groups: Vec<_> = view.model.groups(Side::Gms).cloned().collect();
    groups.retain(|group| group.temporary.is_none() && view.policy.is_own(&group.id));
    groups.sort_by(|one, other| one.id.cmp(&other.id));
    for partner in view.policy.partners.values().filter(|partner| partner.may.group_configuration) {
        for group in groups.iter().filter(|group| concerns(group, &partner.domain)) {
            let Some(gms) = partner.functions.gms.first() else { continue };
            let document = outgoing(group, partner);
            let known = view.model.sharing(&group.id, gms);
            let is_other = |known: &Sharing| {
                known.document != document || matches!(known.state, SharingState::Withdrawing { .. })
            };
            if known.map_or(partner.provide_groups, is_other) {
                // What it has not taken, or not removed, is not what it should have any more.
                outcome.changes.extend(known.and_then(|known| no_more_of(view.model, known)));
                provide(view, gms, document, &mut outcome);
            }
        }
    }
    outcome
}

fn provide(view: &mut View<'_>, gms: &Psi, document: GroupDocument, outcome: &mut Outcome<Over>) {
    let transaction_id = view.ids.token();
    let until = view.now.plus(AGAIN_AFTER);
    let request = GroupRequest {
        group: document.id.clone(),
        transaction_id: transaction_id.clone(),
        requestor: between::own_identity(view.policy, gms),
        service: document.services.first().copied().unwrap_or(Service::Mcptt),
        what: GroupAsked::InformationProvision { document: document.clone() },
    };
    let request = between::ask(view, gms, request, until, outcome);
    let state = SharingState::Asked { request, until };
    let with = gms.clone();
    outcome.changes.push(Change::Put(Fact::Sharing(Sharing { with, document, transaction_id, state })));
}

/// The partner has not answered for long: it is asked once more, or to forget what it has if it should not have it any
/// more.
pub fn again(view: &mut View<'_>, group: &GroupId, with: &Psi) -> Outcome<Over> {
    let mut outcome = Outcome::default();
    let Some(sharing) = view.model.sharing(group, with) else { return outcome };
    let (SharingState::Asked { until, .. } | SharingState::Withdrawing { until, .. }) = sharing.state else {
        return outcome;
    };
    if until > view.now {
        return outcome;
    }
    let sharing = sharing.clone();
    match sharing.state {
        SharingState::Asked { .. } if configuration_withdrawal::is_right(view, &sharing) => {
            outcome.changes.extend(no_more_of(view.model, &sharing));
            provide(view, with, sharing.document, &mut outcome);
        }
        _ => configuration_withdrawal::begin(view, sharing, &mut outcome),
    }
    outcome
}

/// Step 5, at the primary system.
pub(super) fn answered(mut sharing: Sharing, result: Result<(), Failure>) -> Outcome<Over> {
    match sharing.state {
        SharingState::Asked { .. } => {}
        SharingState::Withdrawing { .. } => return configuration_withdrawal::answered(sharing, result),
        SharingState::Stored | SharingState::Refused(_) => return Outcome::default(),
    }
    let (group, with) = (sharing.document.id.clone(), sharing.with.clone());
    let (state, line) = match result {
        // Nobody was there: `again` tries later.
        Err(failure) if failure.code == ReasonCode::PartnerUnreachable.text() => return Outcome::default(),
        Err(failure) => {
            let line = format!("{with} did not take the configuration of {group}: {}", failure.code);
            (SharingState::Refused(failure), line)
        }
        Ok(()) => (SharingState::Stored, format!("{with} has the configuration of {group}")),
    };
    sharing.state = state;
    Outcome::end(vec![Change::Put(Fact::Sharing(sharing))], Vec::new()).logged(line)
}

/// Steps 2 to 5, at the partner system.
///
/// # Errors
/// The sender may not provide the configuration of that group.
pub(super) fn provided(
    view: &mut View<'_>,
    request: Request,
    document: Option<Box<GroupDocument>>,
) -> Result<Outcome<Over>, Refusal> {
    may_configure(view, &request)?;
    let document = *document.ok_or_else(|| Refusal::malformed("GMOP: no group"))?;
    let mut outcome = Outcome::default();
    let result = store(view, &request.caller.psi, document, &mut outcome);
    request.finish(view, GroupOperation::InformationProvision, result, &mut outcome);
    Ok(outcome)
}

/// A system provides its own groups only, and only if the agreement says so.
fn may_configure(view: &View<'_>, request: &Request) -> Result<(), Refusal> {
    if request.is_of_its_own() && request.caller.may(view.policy).group_configuration {
        return Ok(());
    }
    Err(Refusal::PartnerMayNot(request.caller.psi.clone()))
}

/// Steps 2 to 4: what came is changed by our policy and stored, and the MC service server hears of it.
pub(super) fn store(
    view: &View<'_>,
    from: &Psi,
    document: GroupDocument,
    outcome: &mut Outcome<Over>,
) -> Result<(), Failure> {
    let group = document.id.clone();
    let Some(partner) = view.policy.partner(group.domain()) else {
        return Err(between::failure(&ReasonCode::PartnerNotPermitted, &[]));
    };
    if !concerns(&document, &view.policy.domain) {
        return Err(between::failure(&ReasonCode::LocalPolicy, &[]));
    }
    // Step 2.
    let effective = incoming(&document, &partner.group_policy).map_err(|why| {
        outcome.log = Some(format!("configuration of {group} from {from} refused: {why}"));
        between::failure(&ReasonCode::DocumentInvalid, &[])
    })?;
    // Step 3.
    outcome.log = Some(format!("configuration of {group} from {from} stored"));
    let received = Received { document, from: from.clone() };
    if view.model.received(group.as_str()) != Some(&received) {
        outcome.changes.push(Change::Put(Fact::Received(received)));
    }
    if view.model.wanted(group.as_str()).is_some() {
        outcome.changes.push(Change::Remove(FactKey::Wanted(group.clone())));
    }
    use_it(view, effective, outcome);
    Ok(())
}

fn use_it(view: &View<'_>, effective: GroupDocument, outcome: &mut Outcome<Over>) {
    if view.model.group(Side::Gms, effective.id.as_str()).is_some_and(|known| **known == effective) {
        return;
    }
    outcome.changes.push(Change::Put(Fact::Configuration(Side::Gms, effective.clone())));
    // Step 4.
    outcome.sends.push(Send::GroupChanged(GroupChange::Configured { document: effective }));
}

/// Our policy may have changed: it is applied again to what came. What it would make unusable stays as it was; what is
/// not agreed any more goes.
pub fn reapply(view: &View<'_>) -> Outcome<Over> {
    let mut outcome = Outcome::default();
    for received in view.model.all_received() {
        let partner = view.policy.partner(received.document.id.domain());
        let Some(partner) = partner.filter(|partner| partner.may.group_configuration) else {
            configuration_withdrawal::remove(received, &mut outcome);
            continue;
        };
        if let Ok(effective) = incoming(&received.document, &partner.group_policy) {
            use_it(view, effective, &mut outcome);
        }
    }
    outcome
}

/// Notes that a partner has got a document by asking for it: from now on it hears of changes.
pub(super) fn given(gms: &Psi, document: GroupDocument, transaction_id: String) -> Change {
    let state = SharingState::Stored;
    Change::Put(Fact::Sharing(Sharing { with: gms.clone(), document, transaction_id, state }))
}

/// How long the MC service server waits at most for a configuration that was asked for.
pub(super) fn longest_wait(view: &View<'_>) -> Duration {
    view.policy.gms_timeout * ATTEMPTS
}

/// The GMS that is asked for the configuration of a group of another system.
pub(super) fn primary_of(view: &View<'_>, group: &GroupId) -> Option<Psi> {
    let partner = view.policy.partner(group.domain())?;
    match view.policy.gms_of(group) {
        Place::At(gms) if partner.may.group_configuration => Some(gms.clone()),
        _ => None,
    }
}
