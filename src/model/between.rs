//! What the group management servers of several systems have under way with each other (TS 23.280 10.2.4.2, 10.2.4.3,
//! 10.2.7): facts, because a restart on either side must leave both with the same temporary groups.

use super::*;
use crate::env::Time;
use serde::{Deserialize, Serialize};

/// Who waits for the result of an operation, and how its repetition is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asker {
    /// The user.
    pub user: UserId,
    /// By which client, where known: the result goes there.
    pub client: Option<ClientId>,
    /// The service of the request, in whose names the result is told.
    pub service: Service,
    /// transaction-id of the request.
    pub transaction_id: String,
    /// Call-ID of the request, for In-Reply-To of the result.
    pub call_id: String,
    /// Fingerprint of the request.
    pub request_hash: u64,
}

/// A temporary group that is being formed of groups of several systems (TS 23.280 10.2.4.2), from the request to its
/// result. While the record stands its identity and its constituents of this system are taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Formation {
    /// Who asked.
    pub asker: Asker,
    /// What is to be.
    pub document: GroupDocument,
    /// The constituents that are owned here.
    pub own: Vec<GroupId>,
    /// How far it is.
    pub stage: FormationStage,
    /// The partner systems, each once.
    pub parts: Vec<Part>,
    /// When the stage fails for want of answers.
    pub until: Time,
    /// When the whole must be over.
    pub ends: Time,
}

/// How far a [`Formation`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FormationStage {
    /// The partners are asked to check and reserve their groups. Nothing is stored yet.
    Checking,
    /// The group is stored, its constituents here are marked; the partners are told.
    Notifying,
}

/// What a partner system has to do with an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its GMS.
    pub gms: Psi,
    /// The constituents that it owns.
    pub constituents: Vec<GroupId>,
    /// transaction-id of the request to it.
    pub transaction_id: String,
    /// The request to it, unless it is still to be made.
    pub request: Option<RequestRef>,
    /// It answered that it has done so.
    pub done: bool,
}

/// Constituents of this system that a GMS elsewhere wants for a temporary group of its own (TS 23.280 10.2.4.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// The temporary group to be.
    pub temporary: GroupId,
    /// The GMS that forms it.
    pub by: Psi,
    /// Our groups that it wants.
    pub constituents: Vec<GroupId>,
    /// transaction-id of its request.
    pub transaction_id: String,
    /// Call-ID of its request.
    pub call_id: String,
    /// Service of its request.
    pub service: Service,
    /// Reserved for it; otherwise it waits for whoever has reserved them now, and its request is not answered yet.
    pub held: bool,
    /// When the reservation, or the waiting, ends.
    pub until: Time,
}

/// A temporary group of ours that is gone, as partner systems have yet to confirm (TS 23.280 10.2.4.3 step 7a). Its
/// identity is not given again before they did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawal {
    /// The temporary group.
    pub temporary: GroupId,
    /// Why it is gone.
    pub cause: WithdrawalCause,
    /// In whose name the partners are told.
    pub requestor: UserId,
    /// Service of the requests.
    pub service: Service,
    /// The partner systems that have not confirmed yet.
    pub parts: Vec<Part>,
    /// Who waits for the result. `None`: the result was told.
    pub asker: Option<Asker>,
    /// When to go on without waiting: first with the result, then with asking again.
    pub wake: Time,
}

/// Why a temporary group is withdrawn at the partners.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WithdrawalCause {
    /// It was torn down.
    TornDown,
    /// Its formation failed after partners were told of it.
    NotFormed,
}

/// What a GMS elsewhere asked and got, kept so that its repetition gets the same result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// The GMS.
    pub with: Psi,
    /// transaction-id of its request.
    pub transaction_id: String,
    /// What came of it. `in_reply_to` is that of the first request.
    pub response: GroupResponse,
    /// The request by which it is told; `None`: the answer to its request told it.
    pub told: Option<RequestRef>,
    /// When the record may go.
    pub forget: Time,
}

/// The configuration of a group of another system, as its primary system sent it (TS 23.280 10.2.7). What everybody here
/// goes by is what our policy made of it: [`Fact::Configuration`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// As sent.
    pub document: GroupDocument,
    /// The GMS that sent it.
    pub from: Psi,
}

/// The configuration of a group of ours at a partner system (TS 23.280 10.2.7.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sharing {
    /// The partner's GMS.
    pub with: Psi,
    /// What was sent last.
    pub document: GroupDocument,
    /// transaction-id of the request that carried it.
    pub transaction_id: String,
    /// What came of it.
    pub state: SharingState,
}

/// What a partner made of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SharingState {
    /// No answer yet.
    Asked {
        /// The request, while it is not over.
        request: RequestRef,
        /// When it is asked again if no answer came.
        until: Time,
    },
    /// It should not have it any more, and has not confirmed that yet.
    Withdrawing {
        /// The request, while it is not over.
        request: RequestRef,
        /// When it is asked again if no answer came.
        until: Time,
    },
    /// The partner has it.
    Stored,
    /// It refused. The next version of the document is offered again.
    Refused(Failure),
}

/// A group of another system whose configuration our MC service server wants (TS 23.280 10.2.7.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// The group.
    pub group: GroupId,
    /// transaction-id of the request.
    pub transaction_id: String,
    /// The request, while no answer came.
    pub request: Option<RequestRef>,
    /// When to stop waiting for the answer; after a failure, when the primary system may be asked again.
    pub until: Time,
}

/// A request of one GMS to another (MESSAGE with GMOP).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRequest {
    /// What is asked.
    pub what: GroupAsked,
    /// The group concerned.
    pub group: GroupId,
    /// transaction-id; the same in every repetition.
    pub transaction_id: String,
    /// In whose name: a user, if the agreement lets systems tell each other their users, else the GMS.
    pub requestor: UserId,
    /// Service whose names the request is in.
    pub service: Service,
}

/// What one GMS asks of another.
#[allow(clippy::large_enum_variant, reason = "few at a time")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GroupAsked {
    /// Check these constituents, and reserve them.
    RegroupCheck {
        /// Those the receiver owns.
        constituents: Vec<GroupId>,
    },
    /// The temporary group is formed.
    RegroupNotification {
        /// Its document.
        document: GroupDocument,
    },
    /// The temporary group is not formed after all.
    RegroupCancel,
    /// The temporary group is gone (TS 23.280 10.2.4.3 step 7a).
    TeardownNotification {
        /// Those the receiver owns.
        constituents: Vec<GroupId>,
    },
    /// The configuration of a group of the sender (TS 23.280 10.2.7.2 step 1).
    InformationProvision {
        /// The document, with the members that the receiver may know.
        document: GroupDocument,
    },
    /// Asks for the configuration of a group of the receiver (TS 23.280 10.2.7.3 step 2).
    InformationRequest,
    /// The configuration of a group of the sender counts at the receiver no longer.
    InformationWithdrawal,
}

impl GroupAsked {
    /// Which operation this is.
    pub fn operation(&self) -> GroupOperation {
        match self {
            Self::RegroupCheck { .. } => GroupOperation::RegroupCheck,
            Self::RegroupNotification { .. } => GroupOperation::RegroupNotification,
            Self::RegroupCancel => GroupOperation::RegroupCancel,
            Self::TeardownNotification { .. } => GroupOperation::TeardownNotification,
            Self::InformationProvision { .. } => GroupOperation::InformationProvision,
            Self::InformationRequest => GroupOperation::InformationRequest,
            Self::InformationWithdrawal => GroupOperation::InformationWithdrawal,
        }
    }
}

/// Operations between GMSs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum GroupOperation {
    /// `group-regroup-check`.
    RegroupCheck,
    /// `group-regroup-notification`.
    RegroupNotification,
    /// `group-regroup-cancel`.
    RegroupCancel,
    /// `group-regroup-teardown-notification`.
    TeardownNotification,
    /// `group-information-provision`.
    InformationProvision,
    /// `group-information-request`.
    InformationRequest,
    /// `delete-group`.
    InformationWithdrawal,
}

/// The result of an operation between GMSs, as it is told (MESSAGE with GMOP).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupResponse {
    /// Of which operation.
    pub operation: GroupOperation,
    /// The group concerned.
    pub group: GroupId,
    /// transaction-id of the request.
    pub transaction_id: String,
    /// Call-ID of the request, for In-Reply-To.
    pub in_reply_to: String,
    /// Service of the request.
    pub service: Service,
    /// Success, or why not.
    pub result: Result<(), Failure>,
    /// The document that was asked for: present if and only if the request is fulfilled (TS 23.280 10.2.2).
    pub document: Option<GroupDocument>,
}

/// Why a group management operation failed, in the codes of `gx:reason`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// `code`.
    pub code: String,
    /// Constituents that caused it, with their codes.
    pub rejected: Vec<(GroupId, String)>,
}
