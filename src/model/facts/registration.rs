//! Where users can be reached, and what their clients have said about services.

use crate::env::Time;
use crate::model::*;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// Transport protocol of a flow. TLS gets its variant when it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Transport {
    /// Datagrams: unreliable.
    Udp,
    /// A stream: reliable.
    Tcp,
}

/// Where a registered user is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The address of record.
    pub public_id: PublicId,
    /// The MC user it stands for.
    pub user: UserId,
    /// At least one; the registration ends with the last.
    pub bindings: Vec<Binding>,
}

/// One contact of a registration (RFC 3261 10.2.1), or the S-CSCF of a third-party registration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// URI to send requests to: the contact; with a core, the public identity itself.
    pub contact: String,
    /// `Route` values for requests to it (`Path` of the REGISTER, or the configured core); may be empty.
    pub route: Vec<String>,
    /// `+sip.instance` or the client ID of the body, if either was given.
    pub client: Option<ClientId>,
    /// Contact parameters as received, for answers to REGISTER (`+g.3gpp.mcptt` and the like).
    pub parameters: String,
    /// Call-ID and CSeq of the REGISTER, for RFC 3261 10.3 step 7.
    pub call_id: String,
    /// See `call_id`.
    pub cseq: u32,
    /// When the binding ends.
    pub expires: Time,
    /// Where the REGISTER came from: requests from the same place count as this user's.
    pub source: Source,
    /// How the binding came about.
    pub origin: BindingOrigin,
    /// Services that the client was authorised for by registering: by its feature tags, or by what it said. A refresh may
    /// add to them and takes none away.
    pub services: ServiceSet,
}

/// Transport and address a message came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Source {
    /// Protocol.
    pub transport: Transport,
    /// Address and port of the peer.
    pub address: SocketAddr,
}

/// How a binding came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BindingOrigin {
    /// The client registered here.
    Own,
    /// A configured S-CSCF said so (third-party REGISTER).
    ThirdParty,
}

/// What a client has said about a service by PUBLISH of `poc-settings` (TS 24.379 7.3.3, 7.3.4), or that it has logged off
/// from it (7.3.5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientSettings {
    /// The user.
    pub user: UserId,
    /// The client.
    pub client: ClientId,
    /// The service.
    pub service: Service,
    /// Logged on. A client that has logged off while it is registered stays so until it logs on again: a refreshed
    /// registration does not.
    pub active: bool,
    /// How the client commences calls; `None`: it has not said.
    pub answer_mode: Option<AnswerMode>,
    /// When the settings end, and the client with them is logged off; `None`: not by time.
    pub expires: Option<Time>,
}
