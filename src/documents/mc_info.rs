//! `application/vnd.3gpp.mcptt-info+xml` (TS 24.379 F.1) and its MCVideo and MCData twins.

use super::DocumentError;
use crate::config::Limits;
use crate::model::Service;

/// The parameters document. Fields stand in the order of the schema; URIs are kept as the text of the document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct McInfo {
    /// `mcptt-access-token`.
    pub access_token: Option<String>,
    /// `session-type`.
    pub session_type: Option<String>,
    /// `mcptt-request-uri`: the group or user addressed.
    pub request_uri: Option<String>,
    /// `mcptt-calling-user-id`.
    pub calling_user: Option<String>,
    /// `mcptt-called-party-id`.
    pub called_party: Option<String>,
    /// `mcptt-calling-group-id`.
    pub calling_group: Option<String>,
    /// `required`.
    pub required: Option<bool>,
    /// `emergency-ind`.
    pub emergency: Option<bool>,
    /// `alert-ind`.
    pub alert: Option<bool>,
    /// `imminentperil-ind`.
    pub imminent_peril: Option<bool>,
    /// `broadcast-ind`.
    pub broadcast: Option<bool>,
    /// `mc-org`.
    pub organisation: Option<String>,
    /// `floor-state`.
    pub floor_state: Option<String>,
    /// `associated-group-id`.
    pub associated_group: Option<String>,
    /// `originated-by`.
    pub originated_by: Option<String>,
    /// `mcptt-client-id`.
    pub client_id: Option<String>,
    /// `alert-ind-rcvd`.
    pub alert_received: Option<bool>,
    /// `gw-mcptt-usage`.
    pub gateway_usage: Option<bool>,
    /// `anyExt/req-type` (or the older `request-type`).
    pub req_type: Option<String>,
    /// `anyExt/resp-type` (or the older `response-type`).
    pub resp_type: Option<String>,
    /// Everything else of `mcptt-Params` that must survive (MKFC-GKTPs, foreign elements, the rest of `anyExt`): raw,
    /// self-contained XML (namespace declarations included), in the order received, split by where it belongs.
    pub kept: Kept,
    /// An element carried `type="Encrypted"`: its value was not read (Warning 140).
    pub encrypted: bool,
}

/// Raw XML that passes through unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The `MKFC-GKTPs` element.
    pub keys: Option<String>,
    /// Elements of other namespaces after `gw-mcptt-usage`.
    pub foreign: Vec<String>,
    /// Children of `anyExt`, without `req-type`, `resp-type`, `request-type`, `response-type`.
    pub any_ext: Vec<String>,
}

impl McInfo {
    /// Reads the document of `service`.
    ///
    /// # Errors
    /// [`DocumentError`] if it is not well-formed, of another namespace or root, over a limit, or a value is outside
    /// its type.
    pub fn decode(body: &[u8], service: Service, limits: &Limits) -> Result<Self, DocumentError> {
        let _ = (body, service, limits);
        unimplemented!()
    }

    /// Writes the document for `service`, elements in schema order.
    pub fn encode(&self, service: Service) -> String {
        let _ = service;
        unimplemented!()
    }
}
