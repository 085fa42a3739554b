//! Facts: what survives a restart, as keyed records.

mod affiliation;
mod call;
mod leg;
mod owed;
mod registration;
mod subscription;

pub use affiliation::*;
pub use call::*;
pub use leg::*;
pub use owed::*;
pub use registration::*;
pub use subscription::*;

use super::*;
use serde::{Deserialize, Serialize};

/// One change of what the server knows. Changes that belong together are committed together.
#[allow(clippy::large_enum_variant, reason = "few at a time, each moved once on its way to the disk")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// Adds the record or replaces the one with the same key.
    Put(Fact),
    /// Removes the record; nothing happens if there is none.
    Remove(FactKey),
}

/// One record. The order of the variants is the order of replay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fact {
    /// A group document that a side knows by being told: of a temporary group, or from a GMS elsewhere.
    TemporaryGroup(Side, GroupDocument),
    /// The mark of a constituent group as a side knows it.
    Regrouped(Side, GroupId, Regrouped),
    /// Where a public user identity can be reached.
    Registration(Registration),
    /// The affiliations of one client.
    Affiliation(ClientAffiliations),
    /// A group call.
    Call(Call),
    /// A participant of a group call.
    Participant(Participant),
    /// A served user's session at the participating function.
    Participation(Participation),
    /// One side of a session and what is at its other end.
    Leg(Leg),
    /// A subscription we notify.
    Subscription(Subscription),
    /// A request we still owe.
    Owed(Owed),
    /// A finished operation, kept so that its repetition gets the same result.
    Operation(Operation),
    /// A request of one of our functions to a function elsewhere that is not answered for good.
    Request(FunctionRequest),
    /// A subscription of one of our functions at a function elsewhere.
    Watch(Watch),
    /// A proposal to change affiliations whose outcome is to be told.
    Proposal(Proposal),
    /// The settings of a client for a service.
    Settings(ClientSettings),
    /// A temporary group of several systems that is being formed.
    Formation(Formation),
    /// Groups of ours that a GMS elsewhere wants for a temporary group.
    Reservation(Reservation),
    /// A temporary group that partner systems have yet to let go.
    Withdrawal(Withdrawal),
    /// A finished operation of a GMS elsewhere.
    Exchange(Exchange),
    /// The document of a group of another system as a side goes by it.
    Configuration(Side, GroupDocument),
    /// What such a document was when it came.
    Received(Received),
    /// The configuration of a group of ours at a partner system.
    Sharing(Sharing),
    /// A group of another system whose configuration is wanted.
    Wanted(Wanted),
    /// The affiliation of a user who is served elsewhere to a group that is owned here.
    OwnedAffiliation(OwnedAffiliation),
    /// The last PUBLISH for such a user.
    LastPublish(LastPublish),
    /// The subscriber has not taken the state as it is now: a notification with the full state is owed, also after a
    /// restart. A record of its own, because it comes and goes with every notification and the subscription stays.
    Untold(SubscriptionRef),
    /// Whom another controlling function has in a call.
    Roster(Roster),
}

/// Names a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FactKey {
    /// Of [`Fact::TemporaryGroup`].
    TemporaryGroup(Side, GroupId),
    /// Of [`Fact::Regrouped`].
    Regrouped(Side, GroupId),
    /// Of [`Fact::Registration`].
    Registration(PublicId),
    /// Of [`Fact::Affiliation`].
    Affiliation(UserId, ClientId),
    /// Of [`Fact::Call`].
    Call(CallRef),
    /// Of [`Fact::Participant`].
    Participant(CallRef, LegId),
    /// Of [`Fact::Participation`].
    Participation(ParticipationRef),
    /// Of [`Fact::Leg`].
    Leg(LegId),
    /// Of [`Fact::Subscription`].
    Subscription(SubscriptionRef),
    /// Of [`Fact::Owed`].
    Owed(OwedRef),
    /// Of [`Fact::Operation`]: who asked, and the transaction-id of the request.
    Operation(UserId, String),
    /// Of [`Fact::Request`].
    Request(RequestRef),
    /// Of [`Fact::Watch`].
    Watch(WatchRef),
    /// Of [`Fact::Proposal`].
    Proposal(ProposalRef),
    /// Of [`Fact::Settings`].
    Settings(UserId, ClientId, Service),
    /// Of [`Fact::Formation`]: the temporary group.
    Formation(GroupId),
    /// Of [`Fact::Reservation`]: the temporary group.
    Reservation(GroupId),
    /// Of [`Fact::Withdrawal`]: the temporary group.
    Withdrawal(GroupId),
    /// Of [`Fact::Exchange`]: who asked, and the transaction-id of the request.
    Exchange(Psi, String),
    /// Of [`Fact::Configuration`].
    Configuration(Side, GroupId),
    /// Of [`Fact::Received`].
    Received(GroupId),
    /// Of [`Fact::Sharing`]: the group and the partner's GMS.
    Sharing(GroupId, Psi),
    /// Of [`Fact::Wanted`].
    Wanted(GroupId),
    /// Of [`Fact::OwnedAffiliation`].
    OwnedAffiliation(GroupId, UserId, Service),
    /// Of [`Fact::LastPublish`].
    LastPublish(GroupId, UserId, Service),
    /// Of [`Fact::Untold`].
    Untold(SubscriptionRef),
    /// Of [`Fact::Roster`]: the call, and for whom the other function speaks.
    Roster(CallRef, GroupId),
}

impl Fact {
    /// The key of this record.
    pub fn key(&self) -> FactKey {
        match self {
            Self::TemporaryGroup(side, document) => FactKey::TemporaryGroup(*side, document.id.clone()),
            Self::Regrouped(side, group, _) => FactKey::Regrouped(*side, group.clone()),
            Self::Registration(registration) => FactKey::Registration(registration.public_id.clone()),
            Self::Affiliation(client) => FactKey::Affiliation(client.user.clone(), client.client.clone()),
            Self::Call(call) => FactKey::Call(call.id),
            Self::Participant(participant) => FactKey::Participant(participant.call, participant.leg),
            Self::Participation(participation) => FactKey::Participation(participation.id),
            Self::Leg(leg) => FactKey::Leg(leg.id),
            Self::Subscription(subscription) => FactKey::Subscription(subscription.id),
            Self::Owed(owed) => FactKey::Owed(owed.id),
            Self::Operation(operation) => {
                FactKey::Operation(operation.requestor.clone(), operation.transaction_id.clone())
            }
            Self::Request(request) => FactKey::Request(request.id),
            Self::Watch(watch) => FactKey::Watch(watch.id),
            Self::Proposal(proposal) => FactKey::Proposal(proposal.id),
            Self::Settings(settings) => {
                FactKey::Settings(settings.user.clone(), settings.client.clone(), settings.service)
            }
            Self::Formation(formation) => FactKey::Formation(formation.document.id.clone()),
            Self::Reservation(reservation) => FactKey::Reservation(reservation.temporary.clone()),
            Self::Withdrawal(withdrawal) => FactKey::Withdrawal(withdrawal.temporary.clone()),
            Self::Configuration(side, document) => FactKey::Configuration(*side, document.id.clone()),
            Self::Received(received) => FactKey::Received(received.document.id.clone()),
            Self::Sharing(sharing) => FactKey::Sharing(sharing.document.id.clone(), sharing.with.clone()),
            Self::Wanted(wanted) => FactKey::Wanted(wanted.group.clone()),
            Self::Exchange(exchange) => {
                FactKey::Exchange(exchange.with.clone(), exchange.transaction_id.clone())
            }
            Self::OwnedAffiliation(owned) => {
                FactKey::OwnedAffiliation(owned.group.clone(), owned.user.clone(), owned.service)
            }
            Self::LastPublish(last) => {
                FactKey::LastPublish(last.group.clone(), last.user.clone(), last.service)
            }
            Self::Untold(subscription) => FactKey::Untold(*subscription),
            Self::Roster(roster) => FactKey::Roster(roster.call, roster.of.clone()),
        }
    }
}

/// The GMS and the MC service server share a binary, not facts: each keeps its own picture of the groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Side {
    /// The group management server, owner of the documents.
    Gms,
    /// The MC service server, which holds copies.
    Mc,
}
