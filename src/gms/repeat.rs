//! Operations are idempotent on (sender, transaction-id): who asks again gets the same result, and nothing is done twice.

use super::{Ask, TRANSACTION_ID_OCTETS, owe};
use crate::model::*;
use crate::procedure::{Answer, Outcome, Over, Refusal, Send, View};

/// What a request is, by its transaction-id.
#[derive(Debug)]
pub(super) enum Asked {
    /// Not seen before. The transaction-id is the sender's, or ours if there was none.
    First(String),
    /// Asked and finished before: the same result again.
    Again(Outcome<Over>),
}

/// Looks the request up among the finished operations.
///
/// # Errors
/// [`Refusal::TransactionReused`] if the sender used the transaction-id for another request, [`Refusal::Malformed`] if
/// it is too long.
pub(super) fn look(view: &mut View<'_>, ask: &Ask) -> Result<Asked, Refusal> {
    let transaction_id = match ask.operation.transaction_id.as_deref().map(str::trim) {
        None | Some("") => return Ok(Asked::First(view.ids.token())),
        Some(id) if id.len() > TRANSACTION_ID_OCTETS => {
            return Err(Refusal::malformed("GMOP: transaction-id is too long"));
        }
        Some(id) => id.to_owned(),
    };
    let known = view.model.operation(&ask.sender, &transaction_id).filter(|known| known.forget > view.now);
    let Some(known) = known else { return Ok(Asked::First(transaction_id)) };
    if known.request_hash != ask.hash {
        return Err(Refusal::TransactionReused);
    }
    let result = OperationResult { in_reply_to: ask.call_id.clone(), ..known.result.clone() };
    let mut outcome = Outcome::end(Vec::new(), vec![receipt(ask)]);
    tell(view, ask, result, &mut outcome);
    Ok(Asked::Again(outcome))
}

/// The empty 200 to the request itself (RFC 3428 7: no body in it).
pub(super) fn receipt(ask: &Ask) -> Send {
    Send::Answer { to: ask.reply, answer: Answer::plain(200) }
}

/// Remembers what came of the operation, and owes the result to who asked.
pub(super) fn finish(view: &mut View<'_>, ask: &Ask, result: OperationResult, outcome: &mut Outcome<Over>) {
    outcome.changes.push(Change::Put(Fact::Operation(Operation {
        requestor: ask.sender.clone(),
        transaction_id: result.transaction_id.clone(),
        result: result.clone(),
        request_hash: ask.hash,
        forget: view.now.plus(view.policy.operations_for),
    })));
    tell(view, ask, result, outcome);
}

fn tell(view: &mut View<'_>, ask: &Ask, result: OperationResult, outcome: &mut Outcome<Over>) {
    let clients = ask.client.iter().cloned().collect();
    let notice = Notice::Result(result);
    owe(view, ask.sender.clone(), ask.service, clients, notice, outcome);
}
