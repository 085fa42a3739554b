//! `application/vnd.3gpp.GMOP+xml`: group management operations, with this product's extension namespace where the
//! standard's content model is not public.

use super::DocumentError;
use crate::config::Limits;
use crate::model::{GroupDocument, GroupId};

/// The extension namespace.
pub const EXTENSION_NAMESPACE: &str = "urn:rollcall:gmop-ext:1.0";

/// A GMOP document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gmop {
    /// `<request>` with one operation.
    Request(Operation),
    /// `gx:response`.
    Response(Response),
}

/// One operation element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Which one.
    pub kind: OperationKind,
    /// Attribute `group-id`: the temporary group or group concerned.
    pub group_id: Option<String>,
    /// Attribute `transaction-id`.
    pub transaction_id: Option<String>,
    /// Attribute `requestor`.
    pub requestor: Option<String>,
    /// The group inside, as far as an operation uses it.
    pub group: Option<GroupProposal>,
}

/// Operations, by local name in either namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum OperationKind {
    GetExcludingMemberlist,
    GroupRegroupCreation,
    GroupRegroupCheck,
    GroupRegroupNotification,
    GroupRegroupCancel,
    GroupRegroupTeardown,
    GroupRegroupTeardownNotification,
    GroupInformationProvision,
    GroupInformationRequest,
    /// A name this server does not know: 501.
    Unknown(String),
}

/// What a `ls:group` inside an operation says about a temporary group. URIs as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupProposal {
    /// `list-service@uri`; empty: the GMS chooses.
    pub uri: String,
    /// `display-name`.
    pub display_name: Option<String>,
    /// `on-network-temporary/constituent-MCPTT-group-IDs`, in order, `None` if the element is absent.
    pub constituents: Option<Vec<String>>,
    /// `on-network-group-priority`.
    pub priority: Option<u8>,
    /// `protect-media`.
    pub protect_media: Option<bool>,
    /// `protect-floor-control-signalling`.
    pub protect_floor_control: Option<bool>,
}

/// `gx:response`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// `operation`.
    pub operation: String,
    /// `group-id`.
    pub group_id: String,
    /// `transaction-id`.
    pub transaction_id: String,
    /// `gx:result` success, or failure with code and text.
    pub result: Result<(), (String, String)>,
    /// `gx:rejected-group`: id and code.
    pub rejected: Vec<(GroupId, String)>,
    /// The resulting document.
    pub document: Option<GroupDocument>,
}

impl Gmop {
    /// Reads a document.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn decode(body: &[u8], limits: &Limits) -> Result<Self, DocumentError> {
        let _ = (body, limits);
        unimplemented!()
    }

    /// Writes a document.
    pub fn encode(&self) -> String {
        unimplemented!()
    }
}

/// Writes a notification (`gx:group-regroup-notification` or `gx:group-regroup-teardown-notification`) with a whole
/// group document inside (member list left out).
pub fn notification(
    kind: OperationKind,
    document: &GroupDocument,
    transaction_id: &str,
    requestor: &str,
) -> String {
    let _ = (kind, document, transaction_id, requestor);
    unimplemented!()
}
