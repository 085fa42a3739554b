//! Bodies that clients and functions send.

/// MIME types.
pub const SDP: &str = "application/sdp";
pub const INFO: &str = "application/vnd.3gpp.mcptt-info+xml";
pub const GMOP: &str = "application/vnd.3gpp.GMOP+xml";
pub const PIDF: &str = "application/pidf+xml";
pub const COMMAND: &str = "application/vnd.3gpp.mcptt-affiliation-command+xml";
pub const CONFERENCE: &str = "application/conference-info+xml";

pub const SETTINGS: &str = "application/poc-settings+xml";

/// The ICSI of MCPTT.
pub const ICSI: &str = "urn:urn-7:3gpp-service.ims.icsi.mcptt";

/// Accept-Contact values of every MCPTT request (TS 24.379 6.2.8).
pub const ACCEPT_CONTACT: [&str; 2] = [
    "*;+g.3gpp.mcptt;require;explicit",
    "*;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.mcptt\";require;explicit",
];

/// An offer of this speech codec with floor control (TS 24.380 4.3).
pub fn offer(codec: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 99\r\n\
         i=speech\r\na=rtpmap:99 {codec}/16000\r\nm=application 40002 udp MCPTT\r\n\
         a=fmtp:MCPTT mc_queueing;mc_priority=5;mc_granted;mc_implicit_request\r\n"
    )
}

/// An mcptt-info document with these children of `mcptt-Params`.
pub fn info(params: &str) -> String {
    format!(
        "<mcpttinfo xmlns=\"urn:3gpp:ns:mcpttInfo:1.0\"><mcptt-Params>{params}</mcptt-Params></mcpttinfo>"
    )
}

/// A child of `mcptt-Params` that holds a URI.
pub fn uri(element: &str, value: &str) -> String {
    format!("<{element} type=\"Normal\"><mcpttURI>{value}</mcpttURI></{element}>")
}

/// A child that holds a string.
pub fn string(element: &str, value: &str) -> String {
    format!("<{element} type=\"Normal\"><mcpttString>{value}</mcpttString></{element}>")
}

/// A child that holds a truth value.
pub fn boolean(element: &str, value: &str) -> String {
    format!("<{element} type=\"Normal\"><mcpttBoolean>{value}</mcpttBoolean></{element}>")
}

/// An affiliation document (TS 24.379 9.3.1).
pub fn pidf(entity: &str, client: &str, groups: &[String], p_id: &str) -> String {
    let entries: String =
        groups.iter().map(|group| format!("<mcpttPI10:affiliation group=\"{group}\"/>")).collect();
    format!(
        "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" xmlns:mcpttPI10=\"urn:3gpp:ns:mcpttPresInfo:1.0\" \
         entity=\"{entity}\"><tuple id=\"{client}\"><status>{entries}</status></tuple>\
         <mcpttPI10:p-id>{p_id}</mcpttPI10:p-id></presence>"
    )
}

/// Settings of a client (RFC 4354).
pub fn settings(client: &str, answer_mode: Option<&str>) -> String {
    let mode =
        answer_mode.map(|mode| format!("<am-settings><answer-mode>{mode}</answer-mode></am-settings>"));
    format!(
        "<poc-settings xmlns=\"urn:oma:params:xml:ns:poc:poc-settings\"><entity id=\"{client}\">{}</entity>\
         </poc-settings>",
        mode.unwrap_or_default()
    )
}

/// An affiliation command (TS 24.379 F.4); with an outcome and the Call-ID it is about, the answer to one.
pub fn command(enter: &[String], leave: &[String], outcome: Option<(&str, &str)>) -> String {
    let list = |name: &str, groups: &[String]| {
        let groups: String = groups.iter().map(|group| format!("<group>{group}</group>")).collect();
        if groups.is_empty() { groups } else { format!("<{name}>{groups}</{name}>") }
    };
    let extension = outcome.map(|(outcome, call_id)| {
        let ns = "xmlns=\"urn:example:mcx:affiliation-ext:1.0\"";
        format!(
            "<anyExt><change-outcome {ns}>{outcome}</change-outcome>\
             <in-reply-to {ns}>{call_id}</in-reply-to></anyExt>"
        )
    });
    format!(
        "<command-list xmlns=\"urn:3gpp:ns:affiliationCommand:1.0\">{}{}{}</command-list>",
        list("affiliate", enter),
        list("de-affiliate", leave),
        extension.unwrap_or_default()
    )
}

/// A GMOP document that asks for a temporary group of these constituents.
pub fn regroup(group: &str, constituents: &[String], transaction: Option<&str>) -> String {
    let transaction = transaction.map(|id| format!(" transaction-id=\"{id}\"")).unwrap_or_default();
    let constituents: String = constituents
        .iter()
        .map(|group| format!("<g:constituent-MCPTT-group-ID>{group}</g:constituent-MCPTT-group-ID>"))
        .collect();
    gmop(&format!(
        "<group-regroup-creation{transaction}><ls:group xmlns:ls=\"urn:oma:xml:poc:list-service\" \
         xmlns:g=\"urn:3gpp:ns:mcpttGroupInfo:1.0\"><ls:list-service uri=\"{group}\">\
         <ls:display-name>Harbour</ls:display-name><g:on-network-temporary>\
         <g:constituent-MCPTT-group-IDs>{constituents}</g:constituent-MCPTT-group-IDs>\
         </g:on-network-temporary></ls:list-service></ls:group></group-regroup-creation>"
    ))
}

/// A GMOP document that asks for the teardown of a temporary group.
pub fn teardown(group: &str, transaction: Option<&str>) -> String {
    let transaction = transaction.map(|id| format!(" transaction-id=\"{id}\"")).unwrap_or_default();
    gmop(&format!(
        "<gx:group-regroup-teardown xmlns:gx=\"urn:rollcall:gmop-ext:1.0\" group-id=\"{group}\"{transaction}/>"
    ))
}

fn gmop(operation: &str) -> String {
    format!("<document xmlns=\"urn:3gpp:ns:mcpttGMOP:1.0\"><request>{operation}</request></document>")
}
