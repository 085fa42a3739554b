//! What this server has yet to send: to its users, and to functions elsewhere.

use crate::env::Time;
use crate::model::*;
use serde::{Deserialize, Serialize};

/// A request this server owes to a user: sent after the commit, and again after a restart, until it is answered or
/// given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    /// Its identity.
    pub id: OwedRef,
    /// Who gets it.
    pub to: UserId,
    /// Only these clients of the user; empty: all.
    pub clients: Vec<ClientId>,
    /// The service whose clients these are, in whose names it is told.
    pub service: Service,
    /// What it says.
    pub notice: Notice,
    /// When to give it up.
    pub until: Time,
}

/// Contents of an owed MESSAGE from the GMS, or from the participating function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Notice {
    /// A group of yours is now part of a temporary group (TS 23.280 10.2.4.1).
    Regrouped {
        /// The temporary group's document.
        temporary: GroupDocument,
        /// The receiver's constituent groups.
        constituents: Vec<GroupId>,
        /// transaction-id of the operation.
        transaction_id: String,
        /// Who formed it.
        requestor: UserId,
    },
    /// The temporary group is gone (TS 23.280 10.2.4.2a step 6a).
    TornDown {
        /// The temporary group.
        temporary: GroupId,
        /// The receiver's constituent groups.
        constituents: Vec<GroupId>,
        /// transaction-id of the operation.
        transaction_id: String,
        /// Who tore it down.
        requestor: UserId,
    },
    /// The result of an operation, to the user who asked for it (TS 23.280 10.2.4.2a step 7).
    Result(OperationResult),
    /// What came of a proposal to change affiliations, to the user who made it (TS 23.280 10.8.5.1.2 step 6). From the
    /// participating function.
    Proposal(ProposalEnd),
}

/// The result of a GMS operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationResult {
    /// Which operation: the local name of the request element.
    pub operation: GmsOperation,
    /// The group it was about.
    pub group: GroupId,
    /// transaction-id of the request.
    pub transaction_id: String,
    /// Call-ID of the request, for In-Reply-To.
    pub in_reply_to: String,
    /// The resulting document (formation).
    pub document: Option<GroupDocument>,
    /// Why it failed after the request was accepted. `None`: success.
    pub failure: Option<Failure>,
}

/// Operations that users ask of the GMS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GmsOperation {
    /// Form a temporary group.
    Formation,
    /// Tear it down.
    Teardown,
}

/// A finished operation: its repetition (same requestor, same transaction-id) changes nothing and gets the same
/// result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Who asked.
    pub requestor: UserId,
    /// transaction-id of the request.
    pub transaction_id: String,
    /// What came of it.
    pub result: OperationResult,
    /// Fingerprint of the request, to tell a repetition from a reuse of the identifier.
    pub request_hash: u64,
    /// When the record may go.
    pub forget: Time,
}

/// Which function of an MC system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FunctionKind {
    /// Participating function: serves users.
    Participating,
    /// Controlling function: owns groups; non-controlling where another one controls the call.
    Controlling,
    /// Group management server.
    Gms,
}

/// A request of one of our functions to a function elsewhere, outside any dialog. It is a fact until it is answered for
/// good: after a restart it is sent again, so whoever receives it must bear a repetition.
///
/// Requests with the same receiver and the same [`Asked::subject`] go one after the other, in the order in which they
/// were begun, so that a late repetition of an old one cannot undo a new one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionRequest {
    /// Its identity.
    pub id: RequestRef,
    /// Our function.
    pub from: FunctionKind,
    /// The function that is asked.
    pub to: Psi,
    /// What for.
    pub what: Asked,
    /// When it was begun.
    pub begun: Time,
    /// After silence, 408, 480, 500, 503 or 504 it is sent again, with pauses that grow, until then. `None`: the first
    /// transaction decides.
    pub until: Option<Time>,
}

/// What one function asks of another.
#[allow(clippy::large_enum_variant, reason = "few at a time, each moved once")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Asked {
    /// PUBLISH: the clients by which a user is affiliated to a group. From the server that serves the user to the one
    /// that owns the group (TS 24.379 9.2.2.2.6); from that one to a GMS elsewhere (TS 23.280 10.8.3.1 step 5b).
    Affiliation {
        /// The group.
        group: GroupId,
        /// The user.
        user: UserId,
        /// The service.
        service: Service,
        /// None: the user is not affiliated any more.
        clients: Vec<ClientId>,
        /// `p-id` of the document; the notification that follows repeats it.
        p_id: String,
    },
    /// MESSAGE: what came of a proposal to change affiliations. From the server of the target to that of the user who
    /// made it (TS 23.280 10.8.5.1.2 step 6).
    ProposalEnd {
        /// What is told.
        end: ProposalEnd,
        /// The service.
        service: Service,
    },
    /// MESSAGE: a request of one GMS to another.
    Group(GroupRequest),
    /// MESSAGE: the result of such a request.
    GroupResult(GroupResponse),
}

impl Asked {
    /// What must stay in order: requests about the same subject are sent one at a time.
    pub fn subject(&self) -> String {
        match self {
            Self::Affiliation { group, user, service, .. } => format!("{group} {user} {service:?}"),
            Self::ProposalEnd { end, .. } => format!("{} {} {}", end.originator, end.target, end.call_id),
            Self::Group(request) => request.group.to_string(),
            // Each result stands for itself: its receiver knows it by the transaction-id.
            Self::GroupResult(response) => format!("result {}", response.transaction_id),
        }
    }

    /// Whether its receiver knows a repetition, in whatever order it comes, so that it may be sent again before it is
    /// known what became of the first one.
    pub fn bears_repetition(&self) -> bool {
        matches!(self, Self::Group(_) | Self::GroupResult(_))
    }

    /// Whether it ends something that its receiver holds for us, and asks for nothing new.
    pub fn gives_back(&self) -> bool {
        match self {
            Self::Affiliation { clients, .. } => clients.is_empty(),
            Self::Group(request) => matches!(
                request.what,
                GroupAsked::RegroupCancel
                    | GroupAsked::TeardownNotification { .. }
                    | GroupAsked::InformationWithdrawal
            ),
            Self::ProposalEnd { .. } | Self::GroupResult(_) => false,
        }
    }

    /// What it is, for the log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Affiliation { .. } => "affiliation",
            Self::ProposalEnd { .. } => "outcome of a proposal",
            Self::Group(request) => match request.what {
                GroupAsked::RegroupCheck { .. } => "check of a temporary group",
                GroupAsked::RegroupNotification { .. } => "notification of a temporary group",
                GroupAsked::RegroupCancel => "cancellation of a temporary group",
                GroupAsked::TeardownNotification { .. } => "notification of a teardown",
                GroupAsked::InformationProvision { .. } => "provision of a group configuration",
                GroupAsked::InformationRequest => "request for a group configuration",
                GroupAsked::InformationWithdrawal => "withdrawal of a group configuration",
            },
            Self::GroupResult(_) => "result of a group operation",
        }
    }
}
