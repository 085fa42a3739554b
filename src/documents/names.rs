//! One service, three names: what differs between MCPTT, MCVideo and MCData (TS 24.379, 24.281, 24.282), and the
//! media types of all bodies.

use crate::model::Service;

/// The names of one service.
#[derive(Debug, PartialEq, Eq)]
pub struct Names {
    /// The service.
    pub service: Service,
    /// IMS communication service identifier.
    pub icsi: &'static str,
    /// The ICSI as it stands in a media feature tag (percent-encoded).
    pub icsi_escaped: &'static str,
    /// Media feature tag without `+`.
    pub feature_tag: &'static str,
    /// Media type of the info body.
    pub info_type: &'static str,
    /// Namespace of the info body.
    pub info_namespace: &'static str,
    /// Prefix of element names: `mcptt`, `mcvideo`, `mcdata`.
    pub prefix: &'static str,
    /// pidf extension namespace.
    pub presence_namespace: &'static str,
    /// Usual prefix of it.
    pub presence_prefix: &'static str,
    /// Media type of the affiliation command.
    pub affiliation_command_type: &'static str,
}

/// The names of a service.
pub fn of(service: Service) -> &'static Names {
    let _ = service;
    unimplemented!()
}

/// `application/sdp`
pub const SDP: &str = "application/sdp";
/// `application/pidf+xml`
pub const PIDF: &str = "application/pidf+xml";
/// `application/simple-filter+xml`
pub const SIMPLE_FILTER: &str = "application/simple-filter+xml";
/// `application/resource-lists+xml`
pub const RESOURCE_LISTS: &str = "application/resource-lists+xml";
/// `application/conference-info+xml`
pub const CONFERENCE_INFO: &str = "application/conference-info+xml";
/// `application/vnd.3gpp.GMOP+xml`; compared without regard to case.
pub const GMOP: &str = "application/vnd.3gpp.GMOP+xml";
/// `application/vnd.oma.poc.groups+xml`
pub const GROUPS: &str = "application/vnd.oma.poc.groups+xml";
