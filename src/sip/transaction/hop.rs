//! Next hops by configuration and literal addresses. DNS (RFC 3263) will answer here too.

use crate::model::Transport;
use std::collections::HashMap;
use std::net::SocketAddr;

/// A listening socket and how it is named in Via and Contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Protocol.
    pub transport: Transport,
    /// Address it is bound to.
    pub bind: SocketAddr,
    /// Host and port peers can reach it at, for instance `192.0.2.1:5060` or `[2001:db8::1]:5060`.
    pub advertised: String,
}

/// Finds where a request goes.
#[derive(Clone, Debug, Default)]
pub struct NextHops {
    /// Listeners, by index.
    pub listeners: Vec<Listener>,
    /// Configured hosts (lower case): where they are, in order of preference.
    pub hosts: HashMap<String, Vec<(Transport, SocketAddr)>>,
}

/// No way to this host is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no way to {host}: {why}")]
pub struct NoHop {
    /// The host, or what stands in its place in a URI that has none.
    pub host: String,
    /// What is missing, for the log.
    pub why: &'static str,
}
