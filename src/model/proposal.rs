//! What is remembered of a proposal to change affiliations (negotiated mode) until who made it was told what came of
//! it.

use super::*;
use crate::env::Time;
use serde::{Deserialize, Serialize};

/// A proposal of one user to another, by MESSAGE (TS 23.280 10.8.5.1.2). It is remembered only where outcomes are told:
/// by the participating function of the target, by that of the originator, once where these are the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Its identity.
    pub id: ProposalRef,
    /// Who made it.
    pub originator: UserId,
    /// Whose affiliations are to change.
    pub target: UserId,
    /// The service of these affiliations.
    pub service: Service,
    /// Call-ID of the MESSAGE.
    pub call_id: String,
    /// What is to change.
    pub changes: ProposedChanges,
    /// What the target decided; `None`: nothing yet.
    pub decided: Option<Decision>,
    /// When the waiting ends: for the decision, then for the servers that own the groups.
    pub until: Time,
}

/// Groups to enter and to leave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposedChanges {
    /// Groups to affiliate to.
    pub affiliate: Vec<GroupId>,
    /// Groups to leave.
    pub de_affiliate: Vec<GroupId>,
}

/// The decision of the target: of its first client that made one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The client; `None`: it did not name itself.
    pub client: Option<ClientId>,
    /// What it accepted.
    pub accepted: ProposedChanges,
    /// It has sent the PUBLISH that makes it so. Until then a group that is not there was not yet asked for.
    pub published: bool,
}

/// What came of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProposalOutcome {
    /// All of it is in force.
    Accepted,
    /// A part of it is.
    Partial,
    /// Nothing of it is: the target declined, or the servers that own the groups did.
    Rejected,
    /// The target did not answer in time.
    Timeout,
}

/// What whoever made a proposal is told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposalEnd {
    /// Who made it.
    pub originator: UserId,
    /// Whose affiliations it was about.
    pub target: UserId,
    /// Call-ID of its MESSAGE.
    pub call_id: String,
    /// What came of it.
    pub outcome: ProposalOutcome,
    /// What is in force of it.
    pub changes: ProposedChanges,
}
