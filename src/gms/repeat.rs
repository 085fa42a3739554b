//! Operations are idempotent on (sender, transaction-id): who asks again gets the same result, and nothing is done twice.

use super::{Ask, TRANSACTION_ID_OCTETS, owe};
use crate::model::*;
use crate::procedure::{Answer, Outcome, Over, Refusal, Send, View};

/// What a request is, by its transaction-id.
#[derive(Debug)]
pub(super) enum Asked {
    /// Not seen before: who waits for the result. The transaction-id is the sender's, or ours if there was none.
    First(Asker),
    /// Asked before: the same result again, or, while it is not known yet, only that the request is accepted.
    Again(Outcome<Over>),
}

/// Looks the request up among the operations that are finished or under way.
///
/// # Errors
/// [`Refusal::TransactionReused`] if the sender used the transaction-id for another request, [`Refusal::Malformed`] if
/// it is too long.
pub(super) fn look(view: &mut View<'_>, ask: &Ask) -> Result<Asked, Refusal> {
    let transaction_id = match ask.operation.transaction_id.as_deref().map(str::trim) {
        None | Some("") => return Ok(Asked::First(asker(ask, view.ids.token()))),
        Some(id) if id.len() > TRANSACTION_ID_OCTETS => {
            return Err(Refusal::malformed("GMOP: transaction-id is too long"));
        }
        Some(id) => id.to_owned(),
    };
    if let Some(hash) = view.model.unfinished(&ask.sender, &transaction_id) {
        if hash != ask.hash {
            return Err(Refusal::TransactionReused);
        }
        return Ok(Asked::Again(Outcome::end(Vec::new(), vec![accepted(ask)])));
    }
    let known = view.model.operation(&ask.sender, &transaction_id).filter(|known| known.forget > view.now);
    let Some(known) = known else { return Ok(Asked::First(asker(ask, transaction_id))) };
    if known.request_hash != ask.hash {
        return Err(Refusal::TransactionReused);
    }
    let result = OperationResult { in_reply_to: ask.call_id.clone(), ..known.result.clone() };
    let mut outcome = Outcome::end(Vec::new(), vec![receipt(ask)]);
    tell(view, &asker(ask, transaction_id), result, &mut outcome);
    Ok(Asked::Again(outcome))
}

fn asker(ask: &Ask, transaction_id: String) -> Asker {
    Asker {
        user: ask.sender.clone(),
        client: ask.client.clone(),
        service: ask.service,
        transaction_id,
        call_id: ask.call_id.clone(),
        request_hash: ask.hash,
    }
}

/// The empty 200 to the request itself (RFC 3428 7: no body in it).
pub(super) fn receipt(ask: &Ask) -> Send {
    Send::Answer { to: ask.reply, answer: Answer::plain(200) }
}

/// 202: the result waits for other systems.
pub(super) fn accepted(ask: &Ask) -> Send {
    Send::Answer { to: ask.reply, answer: Answer::plain(202) }
}

/// The result of an operation: `group` is what it was about.
pub(super) fn result(asker: &Asker, operation: GmsOperation, group: GroupId) -> OperationResult {
    OperationResult {
        operation,
        group,
        transaction_id: asker.transaction_id.clone(),
        in_reply_to: asker.call_id.clone(),
        document: None,
        failure: None,
    }
}

/// Remembers what came of the operation, and owes the result to who asked.
pub(super) fn finish(
    view: &mut View<'_>,
    asker: &Asker,
    result: OperationResult,
    outcome: &mut Outcome<Over>,
) {
    outcome.changes.push(Change::Put(Fact::Operation(Operation {
        requestor: asker.user.clone(),
        transaction_id: result.transaction_id.clone(),
        result: result.clone(),
        request_hash: asker.request_hash,
        forget: view.now.plus(view.policy.operations_for),
    })));
    tell(view, asker, result, outcome);
}

fn tell(view: &mut View<'_>, asker: &Asker, result: OperationResult, outcome: &mut Outcome<Over>) {
    let clients = asker.client.iter().cloned().collect();
    let notice = Notice::Result(result);
    owe(view, asker.user.clone(), asker.service, clients, notice, outcome);
}
