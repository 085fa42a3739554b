//! Group (de-)affiliation status updates from an MC service server that is elsewhere: TS 23.280 10.8.3.1 step 5b and its
//! like (10.8.3.2.2 step 7b, 10.8.4.2 step 4b, 10.8.4.3 step 6b, 10.8.5.1.1 step 6, 10.8.5.2.1 step 7).
//!
//! ```text
//!  MC service server                  GMS
//!    |-- 5b PUBLISH: clients of a user ->| kept beside the document, so that no document changes
//!    |<---------------------------- 200 -|
//! ```
//!
//! Stage 3 has no such message; its form here is that of the PUBLISH between servers (TS 24.379 9.2.2.2.6). Where both are
//! in this process, the GMS sees what the MC service server knows.

use crate::documents::pidf::Presence;
use crate::env::Time;
use crate::model::*;
use crate::procedure::{Answer, Caller, Outcome, Over, Refusal, ReplyTo, Send, View, uri};
use std::collections::BTreeSet;
use std::time::Duration;

/// The interval of an affiliation that is in force until it is told otherwise.
const FOR_GOOD: u32 = u32::MAX;

/// What a server tells of a user and a group.
#[derive(Clone, Debug)]
pub struct StatusAsk {
    /// The request that waits for its answer.
    pub reply: ReplyTo,
    /// The server.
    pub caller: Caller,
    /// The group.
    pub group: GroupId,
    /// The user.
    pub user: UserId,
    /// The service.
    pub service: Service,
    /// The document per group: by which clients the user is affiliated.
    pub presence: Presence,
    /// Expires, seconds; 0: the user is not affiliated any more.
    pub expires: Option<u32>,
}

/// Takes a status update. The same told twice changes nothing.
///
/// # Errors
/// 403: not the controlling function of this system. 404: no such group (113). 400: a document that is not about this user
/// and group.
pub fn update(view: &mut View<'_>, ask: StatusAsk) -> Result<Outcome<Over>, Refusal> {
    let StatusAsk { reply, caller, group, user, service, presence, expires } = ask;
    if caller.partner.is_some() || !caller.controlling {
        let why = "affiliations are told by the MC service server of this system";
        return Err(Refusal::NotPermitted { why });
    }
    if view.model.group(Side::Gms, group.as_str()).is_none() {
        return Err(Refusal::NoSuchGroup(group));
    }
    let about = |text: &str, id: &str| uri::identity(text).as_deref() == Some(id);
    let tuple = presence.tuples.iter().find(|tuple| about(&tuple.id, user.as_str()));
    let (Some(tuple), true) = (tuple, about(&presence.entity, group.as_str())) else {
        return Err(Refusal::malformed("pidf: not about the user and group of mcptt-info"));
    };
    let named = tuple.affiliations.iter().filter_map(|affiliation| affiliation.client.as_deref());
    let clients: BTreeSet<ClientId> = named.map(|client| ClientId::new(client.trim())).collect();
    let granted = expires.unwrap_or(FOR_GOOD);
    let known = view.model.owned_affiliation(group.as_str(), &user, service);
    let change = if granted == 0 || clients.is_empty() {
        known.map(|_| Change::Remove(FactKey::OwnedAffiliation(group, user, service)))
    } else {
        let (clients, expires) = (clients.into_iter().collect(), ends(view.now, granted));
        let told = OwnedAffiliation { group, user, service, clients, expires };
        (known != Some(&told)).then_some(Change::Put(Fact::OwnedAffiliation(told)))
    };
    let answer = Answer { expires: Some(granted), etag: Some(view.ids.token()), ..Answer::plain(200) };
    Ok(Outcome::end(change.into_iter().collect(), vec![Send::Answer { to: reply, answer }]))
}

fn ends(now: Time, seconds: u32) -> Option<Time> {
    (seconds != FOR_GOOD).then(|| now.plus(Duration::from_secs(seconds.into())))
}
