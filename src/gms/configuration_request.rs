//! Partner MC system requests group configuration from the primary MC system: TS 23.280 10.2.7.3, figure 10.2.7.3-1.
//!
//! ```text
//!  MC service server, partner    GMS, partner system        GMS, primary system
//!    |-- 1 request ----------------->|                              |
//!    |                               |-- 2 information request ---->|
//!    |                               |<- 3 information response ----|
//!    |                               | 4 modify by policy           |
//!    |                               | 5 store                      |
//!    |<------------------- 6 notify -|                              |
//! ```
//!
//! Both halves stand here. 1 is [`Send::GroupWanted`](crate::procedure::Send::GroupWanted): our MC service server needs a
//! group that it has no configuration of. However many ask at once, 2 is sent once ([`Wanted`]). A failure is remembered
//! for a while, so that a group that is refused or not there is not asked for at every call. 3 carries the document or a
//! reason, never both.

use super::between::{self, GroupAnswer, Request};
use super::configuration_policy::{concerns, outgoing};
use super::configuration_provision::{given, longest_wait, primary_of, store};
use crate::documents::gmop::ReasonCode;
use crate::model::*;
use crate::procedure::{Outcome, Over, Refusal, View};
use std::time::Duration;

/// How long a failure is remembered.
pub const FAILED_FOR: Duration = Duration::from_secs(60);

/// Most groups that are asked for, or were refused lately, at once; what is wanted beyond is asked for another time.
pub const WANTED: usize = 10_000;

/// Steps 1 and 2.
pub fn wanted(view: &mut View<'_>, group: &GroupId) -> Outcome<Over> {
    let mut outcome = Outcome::default();
    let known = view.model.received(group.as_str()).is_some() || view.model.wanted(group.as_str()).is_some();
    if known || view.model.wanted_count() >= WANTED {
        return outcome;
    }
    let Some(primary) = primary_of(view, group) else { return outcome };
    let transaction_id = view.ids.token();
    let until = view.now.plus(longest_wait(view));
    let request = GroupRequest {
        what: GroupAsked::InformationRequest,
        group: group.clone(),
        transaction_id: transaction_id.clone(),
        requestor: between::own_identity(view.policy, &primary),
        service: Service::Mcptt,
    };
    let request = Some(between::ask(view, &primary, request, until, &mut outcome));
    outcome.changes.push(Change::Put(Fact::Wanted(Wanted {
        group: group.clone(),
        transaction_id,
        request,
        until,
    })));
    outcome
}

/// Step 3, at the primary system.
///
/// # Errors
/// The agreement does not say so.
pub(super) fn asked(view: &mut View<'_>, request: Request) -> Result<Outcome<Over>, Refusal> {
    if !request.caller.may(view.policy).group_configuration {
        return Err(Refusal::PartnerMayNot(request.caller.psi.clone()));
    }
    let mut outcome = Outcome::end(Vec::new(), vec![request.taken()]);
    let document = document_for(view, &request);
    if let Ok(document) = &document {
        let (gms, transaction_id) = (&request.caller.psi, request.transaction_id.clone());
        outcome.changes.push(given(gms, document.clone(), transaction_id));
    }
    let (result, document) = match document {
        Ok(document) => (Ok(()), Some(document)),
        Err(code) => (Err(between::failure(&code, &[])), None),
    };
    let response = GroupResponse {
        operation: GroupOperation::InformationRequest,
        group: request.group.clone(),
        transaction_id: request.transaction_id.clone(),
        in_reply_to: request.call_id.clone(),
        service: request.service,
        result,
        document,
    };
    // A repetition is answered by what is true then.
    between::send_response(view, &request.caller.psi, response, &mut outcome);
    Ok(outcome)
}

fn document_for(view: &View<'_>, request: &Request) -> Result<GroupDocument, ReasonCode> {
    let own = view.policy.is_own(&request.group);
    let group = view.model.group(Side::Gms, request.group.as_str()).filter(|_| own);
    let group = group.ok_or(ReasonCode::GroupNotFound)?;
    if group.temporary.is_some() {
        return Err(ReasonCode::GroupIsTemporary);
    }
    let domain = request.caller.partner.as_deref();
    let partner = domain.and_then(|domain| view.policy.partner(domain)).ok_or(ReasonCode::LocalPolicy)?;
    // Nothing is told of a group that none of the partner's users is in.
    if !concerns(group, &partner.domain) {
        return Err(ReasonCode::LocalPolicy);
    }
    Ok(outgoing(group, partner))
}

/// Steps 4 to 6, or why not.
pub(super) fn answered(view: &View<'_>, by: &Psi, wanted: Wanted, answer: GroupAnswer) -> Outcome<Over> {
    let mut outcome = Outcome::default();
    let open = wanted.request.and_then(|id| view.model.request(id));
    outcome.changes.extend(open.map(|open| Change::Remove(FactKey::Request(open.id))));
    let stored = match (answer.result, answer.document) {
        (Ok(()), Some(document)) if document.id == wanted.group => store(view, by, document, &mut outcome),
        (Ok(()), _) => Err(between::failure(&ReasonCode::DocumentInvalid, &[])),
        (Err(failure), _) => Err(failure),
    };
    if let Err(failure) = stored {
        failed(view, wanted, &failure.code, &mut outcome);
    }
    outcome
}

fn failed(view: &View<'_>, wanted: Wanted, why: &str, outcome: &mut Outcome<Over>) {
    outcome.log = Some(format!("no configuration of {}: {why}", wanted.group));
    let until = view.now.plus(FAILED_FOR);
    outcome.changes.push(Change::Put(Fact::Wanted(Wanted { request: None, until, ..wanted })));
}

/// No answer came in time; or a failure need not be remembered any more.
pub fn expire(view: &View<'_>, group: &GroupId) -> Outcome<Over> {
    let mut outcome = Outcome::default();
    let Some(wanted) = view.model.wanted(group.as_str()).filter(|wanted| wanted.until <= view.now) else {
        return outcome;
    };
    let wanted = wanted.clone();
    match wanted.request {
        Some(request) => {
            let open = view.model.request(request);
            outcome.changes.extend(open.map(|open| Change::Remove(FactKey::Request(open.id))));
            failed(view, wanted, ReasonCode::PartnerUnreachable.text(), &mut outcome);
        }
        None => outcome.changes.push(Change::Remove(FactKey::Wanted(wanted.group))),
    }
    outcome
}
