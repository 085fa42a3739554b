//! Telling a GMS elsewhere who is affiliated: TS 23.280 10.8.3.1 step 5b and its like, the other half of
//! [`crate::gms::status`].

use crate::model::*;
use crate::procedure::{Outcome, Over, Place, Send, View};
use std::time::Duration;

/// How long a GMS that does not answer is told again. The next change of the same user and group tells it anew.
const TOLD_FOR: Duration = Duration::from_secs(3600);

/// Tells the GMS of a group, if it is elsewhere, by which clients the user is affiliated now. An update that it has not
/// answered is withdrawn: the new one says all.
pub fn update(view: &mut View<'_>, user: &UserId, service: Service, group: &GroupId) -> Outcome<Over> {
    let mut outcome = Outcome::default();
    // A group of a partner is its own server's business.
    let (Place::At(gms), Place::Here) = (view.policy.gms_of(group), view.policy.controlling_of(group)) else {
        return outcome;
    };
    let clients = view.model.affiliated_clients(service, group.as_str(), user.as_str());
    let id = RequestRef(view.ids.number());
    let what = Asked::Affiliation {
        group: group.clone(),
        user: user.clone(),
        service,
        clients: clients.into_iter().flatten().cloned().collect(),
        p_id: format!("{}-{id}", view.policy.domain),
    };
    for older in view.model.requests_about(gms, &what.subject()) {
        outcome.changes.push(Change::Remove(FactKey::Request(older.id)));
    }
    let (from, to, begun) = (FunctionKind::Controlling, gms.clone(), view.now);
    let until = Some(view.now.plus(TOLD_FOR));
    outcome.changes.push(Change::Put(Fact::Request(FunctionRequest { id, from, to, what, begun, until })));
    outcome.sends.push(Send::Request(id));
    outcome
}
