//! Every limit, in one place, with a default that suits a system of 100,000 users.

use super::reader::Section;

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
    /// Groups in one affiliation or one temporary group (400 beyond).
    pub groups_per_request: usize,
    /// Users that a roster of another server names (400 beyond).
    pub roster_users: usize,
    /// Server transactions open at once (503 beyond).
    pub server_transactions: usize,
    /// Client transactions open at once.
    pub client_transactions: usize,
    /// Sessions (INVITE dialogs) at once (503 beyond).
    pub sessions: usize,
    /// Subscriptions of one user at once (503 beyond).
    pub subscriptions_per_user: usize,
    /// Subscriptions of one function elsewhere at once (503 beyond).
    pub subscriptions_per_function: usize,
    /// Contacts of one public identity (403 beyond).
    pub contacts_per_identity: usize,
    /// Requests owed at once to users and to functions of the own system; an operation that would pass it is refused as a
    /// whole with 503.
    pub owed: usize,
    /// Requests owed to the functions of one partner system at once, beside [`Self::owed`]: what asks more of a partner that
    /// does not answer is refused with 503, what gives something back is not.
    pub owed_per_partner: usize,
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
            roster_users: 1_000,
            server_transactions: 1_000_000,
            client_transactions: 1_000_000,
            sessions: 400_000,
            subscriptions_per_user: 32,
            subscriptions_per_function: 200_000,
            contacts_per_identity: 16,
            owed: 1_000_000,
            owed_per_partner: 50_000,
            connections: 100_000,
            connection_queue_octets: 1_048_576,
            waiting_for_store: 100_000,
        }
    }
}

impl Limits {
    #[rustfmt::skip]
    pub(super) fn walk(root: &Section<'_>) -> Self {
        let section = root.table("limits", "Sizes and counts beyond which this server refuses instead of growing.");
        let limit = |name, meaning, range, default: usize| section.key(name, meaning).integer(range).or(default);
        let is = Self::default();
        Self {
            message_octets: limit("message_octets", "Octets of one SIP message; 413 beyond.", 1_300..=1_048_576, is.message_octets),
            header_octets: limit("header_octets", "Octets of one header, folded lines included; 400 beyond.", 256..=65_536, is.header_octets),
            headers: limit("headers", "Header lines of one message; 400 beyond.", 16..=4_096, is.headers),
            multipart_depth: limit("multipart_depth", "Levels of multipart within multipart.", 1..=16, is.multipart_depth),
            parts: limit("parts", "Parts of one body.", 2..=256, is.parts),
            xml_octets: limit("xml_octets", "Octets of one XML document.", 1_024..=1_048_576, is.xml_octets),
            xml_depth: limit("xml_depth", "Levels of XML elements.", 12..=256, is.xml_depth),
            xml_elements: limit("xml_elements", "Elements of one XML document.", 64..=65_536, is.xml_elements),
            xml_attributes: limit("xml_attributes", "Attributes of one XML element.", 8..=1_024, is.xml_attributes),
            sdp_lines: limit("sdp_lines", "Lines of one session description.", 16..=8_192, is.sdp_lines),
            groups_per_request: limit("groups_per_request", "Groups in one affiliation or one temporary group; 400 beyond.", 2..=4_096, is.groups_per_request),
            roster_users: limit("roster_users", "Users that the roster of a call, told by another server, names; 400 beyond.", 2..=65_536, is.roster_users),
            server_transactions: limit("server_transactions", "Server transactions at once; 503 beyond.", 16..=10_000_000, is.server_transactions),
            client_transactions: limit("client_transactions", "Client transactions at once.", 16..=10_000_000, is.client_transactions),
            sessions: limit("sessions", "INVITE dialogs at once; 503 beyond.", 2..=4_000_000, is.sessions),
            subscriptions_per_user: limit("subscriptions_per_user", "Subscriptions of one user at once; 503 beyond.", 1..=1_024, is.subscriptions_per_user),
            subscriptions_per_function: limit("subscriptions_per_function", "Subscriptions of one function elsewhere at once; 503 beyond.", 1..=10_000_000, is.subscriptions_per_function),
            contacts_per_identity: limit("contacts_per_identity", "Contacts of one public identity; 403 beyond.", 1..=256, is.contacts_per_identity),
            owed: limit("owed", "Requests owed at once to users and to functions of the own system; an operation that would pass it is refused as a whole with 503.", 16..=10_000_000, is.owed),
            owed_per_partner: limit("owed_per_partner", "Requests owed to the functions of one partner system at once, beside `owed`; what asks more of it is refused with 503.", 1..=10_000_000, is.owed_per_partner),
            connections: limit("connections", "Stream connections at once.", 1..=1_000_000, is.connections),
            connection_queue_octets: limit("connection_queue_octets", "Octets that wait to be written to one connection; a peer that does not read loses the connection.", 65_536..=67_108_864, is.connection_queue_octets),
            waiting_for_store: limit("waiting_for_store", "Messages that wait for the disk at once; 503 beyond.", 16..=10_000_000, is.waiting_for_store),
        }
    }
}
