//! Temporary group teardown involving multiple group host servers: TS 23.280 10.2.4.3, figure 10.2.4.3-1. This half: the
//! GMS that owns some of the constituents; the other is [`super::teardown_across`].
//!
//! ```text
//!  GMS 1                  GMS 2             MC service server 2     affiliated members
//!    |-- 7a notification -->| remove               |                      |
//!    |<--- 7b response -----|-- 8 notify --------->| a call that runs     |
//!    |                      |                      | is preserved         |
//!    |                      |-- 9a notification -------------------------->|
//!    |                      |<------------------------- 9b response -------|
//! ```
//!
//! 7b waits for the removal to be stored and for nothing else. A teardown of what is not known here, or not any more, is
//! confirmed: the sender repeats until it hears so. Only the system that formed a temporary group can end it.

use super::between::{self, Request};
use super::{formation_partner, teardown};
use crate::model::*;
use crate::procedure::{Outcome, Over, Refusal, View};

/// Step 7a, as GMS 2 hears it, with 7b, 8 and 9a; or that a temporary group is not formed after all, which for what was
/// only reserved changes nothing that anybody has heard of.
///
/// # Errors
/// The sender may not say so.
pub(super) fn told(
    view: &mut View<'_>,
    request: Request,
    operation: GroupOperation,
) -> Result<Outcome<Over>, Refusal> {
    between::may_regroup(view.policy, &request)?;
    let temporary = request.group.clone();
    let mut outcome = Outcome::default();
    let mut freed = Vec::new();
    if let Some(reservation) = view.model.reservation(temporary.as_str()) {
        if reservation.held {
            freed.clone_from(&reservation.constituents);
        }
        outcome.changes.push(Change::Remove(FactKey::Reservation(temporary.clone())));
    }
    // Step 7b.
    request.finish(view, operation, Ok(()), &mut outcome);

    // Steps 8 and 9a.
    let own: Vec<GroupId> = view.model.marked(Side::Gms, temporary.as_str()).cloned().collect();
    if !own.is_empty() {
        outcome.log = Some(format!(
            "{own:?} are no longer part of temporary group {temporary} of {}",
            request.caller.psi
        ));
        let (transaction_id, requestor) = (&request.transaction_id, &request.requestor);
        teardown::release(view, &temporary, &own, transaction_id, requestor, &mut outcome);
        freed.extend(own);
    }
    formation_partner::grant_waiting(view, freed, &mut outcome);
    Ok(outcome)
}
