//! Who is affiliated to which group.

use crate::env::Time;
use crate::model::*;
use serde::{Deserialize, Serialize};

/// All affiliations of one client of one user. The record goes with the last group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientAffiliations {
    /// The user.
    pub user: UserId,
    /// The client.
    pub client: ClientId,
    /// The groups, in the order of the request.
    pub groups: Vec<GroupAffiliation>,
}

/// One affiliation of one client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupAffiliation {
    /// The group.
    pub group: GroupId,
    /// Status (TS 24.379 9.3.1.2); `deaffiliated` is the absence of the entry.
    pub status: AffiliationStatus,
    /// When what was granted to the client ends; `None`: not by time (interval 4294967295).
    pub expires: Option<Time>,
    /// Service that the affiliation is for.
    pub service: Service,
    /// The request for a call brought it, and is not answered yet (TS 24.379 9.2.2.2.12): only while `Affiliating`, or
    /// `Deaffiliating` if the request was given up. If the call is refused the entry goes, and a restart, which ends the call, takes it along.
    pub by_call: bool,
    /// How it stands with the server that owns the group; `None`: this server owns it.
    pub owner: Option<Box<AtOwner>>,
}

impl GroupAffiliation {
    /// An entry in force, of a group that is owned here.
    pub fn own(group: GroupId, service: Service, expires: Option<Time>) -> Self {
        Self { group, status: AffiliationStatus::Affiliated, expires, service, by_call: false, owner: None }
    }

    /// When it ends by time: what was granted to the client, or what the owner granted.
    pub fn ends(&self) -> Option<Time> {
        let granted = self.owner.as_ref().and_then(|owner| owner.expires);
        self.expires.into_iter().chain(granted).min()
    }

    /// Whether its time is not over.
    pub fn lasts(&self, now: Time) -> bool {
        self.ends().is_none_or(|end| end > now)
    }

    /// When something is to be done about it: its end, or the next publishing to the owner.
    pub fn due(&self) -> Option<Time> {
        let publish = self.owner.as_ref().and_then(|owner| owner.publish_at);
        self.ends().into_iter().chain(publish).min()
    }
}

/// What the server that serves a user keeps of its talk with the server that owns a group (TS 24.379 9.2.2.2.2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtOwner {
    /// The last request about this entry: its affiliating p-id, while it is not in force.
    pub asked: Option<RequestRef>,
    /// How often it was asked again because no notification came.
    pub attempts: u8,
    /// When the owner's grant ends; `None`: not by time.
    pub expires: Option<Time>,
    /// Next publishing: when to publish again, to refresh the grant or because no notification came.
    pub publish_at: Option<Time>,
}

/// The affiliation of a user who is served elsewhere to a group that is owned here (TS 24.379 9.2.2.3.2). That it is there
/// means affiliated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnedAffiliation {
    /// The group.
    pub group: GroupId,
    /// The user.
    pub user: UserId,
    /// The service.
    pub service: Service,
    /// The clients by which the user is affiliated, in order; at least one.
    pub clients: Vec<ClientId>,
    /// When it ends; `None`: not by time.
    pub expires: Option<Time>,
}

/// Which PUBLISH for a user who is served elsewhere was the last one about a group that is owned here: a copy of an earlier
/// one that the network brings late must not undo it, not even after a restart. It is kept as long as that may happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastPublish {
    /// The group.
    pub group: GroupId,
    /// The user.
    pub user: UserId,
    /// The service.
    pub service: Service,
    /// Its Call-ID.
    pub call_id: String,
    /// Its CSeq.
    pub cseq: u32,
    /// When no copy of an earlier one can come any more.
    pub until: Time,
}

/// Status values that may stand in a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AffiliationStatus {
    /// The owner of the group has not answered yet.
    Affiliating,
    /// In force.
    Affiliated,
    /// On its way out.
    Deaffiliating,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// There may be millions of them, nearly all to groups of this system.
    #[test]
    fn an_affiliation_is_small() {
        assert!(size_of::<GroupAffiliation>() <= 40);
    }
}
