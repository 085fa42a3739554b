//! `application/conference-info+xml` (RFC 4575) as TS 24.379 6.3.3.4 uses it: always the full state.

/// The roster of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConferenceInfo {
    /// `entity`: the MC service group ID.
    pub entity: String,
    /// `version`, rising.
    pub version: u32,
    /// Users in the session: MC service ID and endpoint status.
    pub users: Vec<(String, EndpointStatus)>,
    /// The conference is over: `state="deleted"`.
    pub deleted: bool,
}

/// Endpoint status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum EndpointStatus {
    Connected,
    Disconnected,
    DialingOut,
}

impl ConferenceInfo {
    /// Writes the document.
    pub fn encode(&self) -> String {
        unimplemented!()
    }
}
