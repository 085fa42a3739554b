//! Every limit, in one place, with a default that suits a system of 100,000 users.

/// Sizes and counts beyond which this server refuses, with a clear answer, instead of growing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of one SIP message (413 or 400 beyond; a stream is closed).
    pub message_octets: usize,
    /// Octets of one header line, folded lines included.
    pub header_octets: usize,
    /// Header lines of one message.
    pub headers: usize,
    /// Levels of multipart within multipart.
    pub multipart_depth: usize,
    /// Leaf parts of one body.
    pub parts: usize,
    /// Octets of one XML document.
    pub xml_octets: usize,
    /// Levels of XML elements.
    pub xml_depth: usize,
    /// Elements of one XML document.
    pub xml_elements: usize,
    /// Attributes of one XML element.
    pub xml_attributes: usize,
    /// Lines of one session description.
    pub sdp_lines: usize,
    /// Groups in one affiliation or one temporary group.
    pub groups_per_request: usize,
    /// Server transactions open at once (503 beyond).
    pub server_transactions: usize,
    /// Client transactions open at once.
    pub client_transactions: usize,
    /// Sessions (INVITE dialogs) at once (503 beyond).
    pub sessions: usize,
    /// Subscriptions of one user at once (503 beyond).
    pub subscriptions_per_user: usize,
    /// Contacts of one public identity (403 beyond).
    pub contacts_per_identity: usize,
    /// Requests owed at once.
    pub owed: usize,
    /// Stream connections at once.
    pub connections: usize,
    /// Octets waiting to be written to one connection; a peer that does not read loses the connection.
    pub connection_queue_octets: usize,
    /// Messages that wait for the disk at once (503 beyond; at twice as many the sockets are not read).
    pub waiting_for_store: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_octets: 65_535,
            header_octets: 8_192,
            headers: 256,
            multipart_depth: 4,
            parts: 32,
            xml_octets: 65_535,
            xml_depth: 32,
            xml_elements: 4_096,
            xml_attributes: 64,
            sdp_lines: 512,
            groups_per_request: 256,
            server_transactions: 1_000_000,
            client_transactions: 1_000_000,
            sessions: 400_000,
            subscriptions_per_user: 32,
            contacts_per_identity: 16,
            owed: 1_000_000,
            connections: 100_000,
            connection_queue_octets: 1_048_576,
            waiting_for_store: 100_000,
        }
    }
}
