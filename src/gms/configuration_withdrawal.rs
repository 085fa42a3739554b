//! A partner MC system is to have the configuration of a group no longer (TS 23.280 10.2.7.1): none of its users is in the
//! group any more, the group is gone, or the agreement is. The reference is a DELETE of its copy; as MESSAGE it is
//! `delete-group-request`.
//!
//! ```text
//!  GMS, primary system          GMS, partner system        MC service server, partner
//!    |-- withdrawal ---------------->| remove                       |
//!    |                               |-- notify ------------------->|
//!    |<--------------------- result -|                              |
//! ```
//!
//! Both halves stand here. The withdrawal is repeated until the partner answers, over restarts; a partner with which there
//! is no agreement of any kind any more has nobody to ask. What is not known at the partner is confirmed: the sender repeats
//! until it hears so. A system whose own side of the agreement is gone drops by itself what it got by it
//! ([`super::configuration_provision::reapply`]).

use super::between::{self, Request};
use super::configuration_policy::concerns;
use super::configuration_provision::AGAIN_AFTER;
use crate::documents::gmop::ReasonCode;
use crate::model::*;
use crate::procedure::{GroupChange, Outcome, Over, Refusal, Send, View};

/// Withdraws what partners have and should not have any more.
pub(super) fn withdraw(view: &mut View<'_>, outcome: &mut Outcome<Over>) {
    let due: Vec<Sharing> = view
        .model
        .sharings()
        .filter(|sharing| {
            !matches!(sharing.state, SharingState::Withdrawing { .. }) && !is_right(view, sharing)
        })
        .cloned()
        .collect();
    for sharing in due {
        begin(view, sharing, outcome);
    }
}

/// Whether a partner should have the configuration of a group.
pub(super) fn is_right(view: &View<'_>, sharing: &Sharing) -> bool {
    let group = view.model.group(Side::Gms, sharing.document.id.as_str());
    let group = group.filter(|group| group.temporary.is_none() && view.policy.is_own(&group.id));
    let partner = view.policy.partner_of_function(&sharing.with);
    let agreed = partner.filter(|partner| partner.may.group_configuration);
    agreed.zip(group).is_some_and(|(partner, group)| concerns(group, &partner.domain))
}

/// Asks a partner to remove what it has. What it has not taken yet it need not take any more.
pub(super) fn begin(view: &mut View<'_>, sharing: Sharing, outcome: &mut Outcome<Over>) {
    let (group, with) = (sharing.document.id.clone(), sharing.with.clone());
    outcome.changes.extend(no_more_of(view.model, &sharing));
    if view.policy.partner_of_function(&with).is_none() {
        outcome.log =
            Some(format!("no agreement with {with} any more: the configuration of {group} stays there"));
        outcome.changes.push(Change::Remove(FactKey::Sharing(group, with)));
        return;
    }
    let transaction_id = view.ids.token();
    let until = view.now.plus(AGAIN_AFTER);
    let request = GroupRequest {
        what: GroupAsked::InformationWithdrawal,
        group,
        transaction_id: transaction_id.clone(),
        requestor: between::own_identity(view.policy, &with),
        service: sharing.document.services.first().copied().unwrap_or(Service::Mcptt),
    };
    let request = between::ask(view, &with, request, until, outcome);
    let state = SharingState::Withdrawing { request, until };
    outcome.changes.push(Change::Put(Fact::Sharing(Sharing { transaction_id, state, ..sharing })));
}

/// Takes back the request about a configuration that is not over.
pub(super) fn no_more_of(model: &Model, sharing: &Sharing) -> Option<Change> {
    let open = match sharing.state {
        SharingState::Asked { request, .. } | SharingState::Withdrawing { request, .. } => request,
        SharingState::Stored | SharingState::Refused(_) => return None,
    };
    model.request(open).map(|open| Change::Remove(FactKey::Request(open.id)))
}

/// The result, at the primary system. Only silence is worth another try: whoever refuses to remove a configuration has
/// none of ours, or keeps it whatever we say.
pub(super) fn answered(sharing: Sharing, result: Result<(), Failure>) -> Outcome<Over> {
    let (group, with) = (sharing.document.id, sharing.with);
    let line = match result {
        Err(failure) if failure.code == ReasonCode::PartnerUnreachable.text() => return Outcome::default(),
        Err(failure) => format!("{with} did not remove the configuration of {group}: {}", failure.code),
        Ok(()) => format!("{with} has the configuration of {group} no longer"),
    };
    Outcome::end(vec![Change::Remove(FactKey::Sharing(group, with))], Vec::new()).logged(line)
}

/// At the partner system. A system may take back its own groups whatever else is agreed.
///
/// # Errors
/// The group is not the sender's.
pub(super) fn withdrawn(view: &mut View<'_>, request: Request) -> Result<Outcome<Over>, Refusal> {
    if !request.is_of_its_own() {
        return Err(Refusal::PartnerMayNot(request.caller.psi.clone()));
    }
    let mut outcome = Outcome::default();
    request.finish(view, GroupOperation::InformationWithdrawal, Ok(()), &mut outcome);
    if let Some(received) = view.model.received(request.group.as_str()) {
        outcome.log =
            Some(format!("configuration of {} taken back by {}", request.group, request.caller.psi));
        remove(received, &mut outcome);
    }
    Ok(outcome)
}

/// What came from another system counts here no longer, and the MC service server hears of it.
pub(super) fn remove(received: &Received, outcome: &mut Outcome<Over>) {
    let group = received.document.id.clone();
    outcome.changes.push(Change::Remove(FactKey::Received(group.clone())));
    outcome.changes.push(Change::Remove(FactKey::Configuration(Side::Gms, group.clone())));
    outcome.sends.push(Send::GroupChanged(GroupChange::Withdrawn { group }));
}
