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
    /// Namespace that we write into it; the namespaces are not public, so a reader goes by local names.
    pub affiliation_command_namespace: &'static str,
}

pub(super) static MCPTT: Names = Names {
    service: Service::Mcptt,
    icsi: "urn:urn-7:3gpp-service.ims.icsi.mcptt",
    icsi_escaped: "urn%3Aurn-7%3A3gpp-service.ims.icsi.mcptt",
    feature_tag: "g.3gpp.mcptt",
    info_type: "application/vnd.3gpp.mcptt-info+xml",
    info_namespace: "urn:3gpp:ns:mcpttInfo:1.0",
    prefix: "mcptt",
    presence_namespace: "urn:3gpp:ns:mcpttPresInfo:1.0",
    presence_prefix: "mcpttPI10",
    affiliation_command_type: "application/vnd.3gpp.mcptt-affiliation-command+xml",
    affiliation_command_namespace: "urn:3gpp:ns:affiliationCommand:1.0",
};

pub(super) static MCVIDEO: Names = Names {
    service: Service::McVideo,
    icsi: "urn:urn-7:3gpp-service.ims.icsi.mcvideo",
    icsi_escaped: "urn%3Aurn-7%3A3gpp-service.ims.icsi.mcvideo",
    feature_tag: "g.3gpp.mcvideo",
    info_type: "application/vnd.3gpp.mcvideo-info+xml",
    info_namespace: "urn:3gpp:ns:mcvideoInfo:1.0",
    prefix: "mcvideo",
    presence_namespace: "urn:3gpp:ns:mcvideoPresInfo:1.0",
    presence_prefix: "mcvideoPI10",
    affiliation_command_type: "application/vnd.3gpp.mcvideo-affiliation-command+xml",
    affiliation_command_namespace: "urn:3gpp:ns:affiliationCommand:1.0",
};

pub(super) static MCDATA: Names = Names {
    service: Service::McData,
    icsi: "urn:urn-7:3gpp-service.ims.icsi.mcdata",
    icsi_escaped: "urn%3Aurn-7%3A3gpp-service.ims.icsi.mcdata",
    feature_tag: "g.3gpp.mcdata",
    info_type: "application/vnd.3gpp.mcdata-info+xml",
    info_namespace: "urn:3gpp:ns:mcdataInfo:1.0",
    prefix: "mcdata",
    presence_namespace: "urn:3gpp:ns:mcdataPresInfo:1.0",
    presence_prefix: "mcdataPI10",
    affiliation_command_type: "application/vnd.3gpp.mcdata-affiliation-command+xml",
    affiliation_command_namespace: "urn:3gpp:ns:affiliationCommand:1.0",
};

/// The names of a service.
pub fn of(service: Service) -> &'static Names {
    match service {
        Service::Mcptt => &MCPTT,
        Service::McVideo => &MCVIDEO,
        Service::McData => &MCDATA,
    }
}

/// The service whose info body has this media type, compared without regard to case.
pub fn of_info_type(media_type: &str) -> Option<Service> {
    [&MCPTT, &MCVIDEO, &MCDATA]
        .into_iter()
        .find(|names| names.info_type.eq_ignore_ascii_case(media_type))
        .map(|names| names.service)
}

/// The service whose affiliation command has this media type, compared without regard to case.
pub fn of_affiliation_command_type(media_type: &str) -> Option<Service> {
    [&MCPTT, &MCVIDEO, &MCDATA]
        .into_iter()
        .find(|names| names.affiliation_command_type.eq_ignore_ascii_case(media_type))
        .map(|names| names.service)
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
/// `application/xcap-diff+xml`
pub const XCAP_DIFF: &str = "application/xcap-diff+xml";
/// `application/poc-settings+xml`
pub const POC_SETTINGS: &str = "application/poc-settings+xml";
/// `application/vnd.oma.poc.groups+xml`
pub const GROUPS: &str = "application/vnd.oma.poc.groups+xml";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_service_has_names_of_its_own_kind() {
        for service in [Service::Mcptt, Service::McVideo, Service::McData] {
            let names = of(service);
            assert_eq!(names.service, service);
            assert_eq!(names.icsi, format!("urn:urn-7:3gpp-service.ims.icsi.{}", names.prefix));
            assert_eq!(names.icsi_escaped, names.icsi.replace(':', "%3A"));
            assert_eq!(names.feature_tag, format!("g.3gpp.{}", names.prefix));
            assert_eq!(names.info_type, format!("application/vnd.3gpp.{}-info+xml", names.prefix));
            assert_eq!(names.info_namespace, format!("urn:3gpp:ns:{}Info:1.0", names.prefix));
            assert_eq!(names.presence_namespace, format!("urn:3gpp:ns:{}PresInfo:1.0", names.prefix));
            assert_eq!(names.presence_prefix, format!("{}PI10", names.prefix));
            assert!(names.affiliation_command_type.contains(names.prefix));
            let command = names.affiliation_command_type.to_uppercase();
            assert_eq!(of_affiliation_command_type(&command), Some(service));
            assert_eq!(of_info_type(&names.info_type.to_uppercase()), Some(service));
        }
        assert_eq!((of_info_type(SDP), of_affiliation_command_type(SDP)), (None, None));
    }
}
