//! What systems beyond a border see of this one: the messages of a gateway that hides what is behind it (TS 24.379 6.8.2
//! step 3, TS 23.280 5.2.10.7). Requests and responses are written by their functions as always; on the way out everything
//! that shows a function, a host or an address is replaced by the gateway's. Nothing is remembered: the same message is
//! always shown alike, and what comes back (a Contact, a Request-URI) says by itself what it stands for ([`shown`]).

use super::hop::Listener;
use super::key::DEFAULT_PORT;
use crate::config::Addresses;
use crate::model::FunctionKind;
use crate::sip::message::{Draft, NameAddr, OutBody, Reply, Uri};
use crate::sip::wire::Name;
use std::net::{IpAddr, SocketAddr};

/// Other systems, as far as messages themselves matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beyond {
    /// The addresses of each. What one of them began only that one goes on with.
    pub systems: Vec<Vec<Addresses>>,
    /// Where what is behind a gateway of ours is hidden.
    pub borders: Vec<Border>,
    /// Host in Warning headers of refusals of what another one goes on with.
    pub warning_agent: String,
}

impl Beyond {
    /// Whether one and the same system may be at both addresses, whatever the ports: none of those that are known is at
    /// either, or one of them is at both.
    pub fn same_side(&self, one: SocketAddr, other: SocketAddr) -> bool {
        let at = |system: &[Addresses], address: SocketAddr| {
            system.iter().any(|known| Addresses { port: None, ..*known }.contains(address))
        };
        let mut either = self.systems.iter().filter(|system| at(system, one) || at(system, other)).peekable();
        either.peek().is_none() || either.any(|system| at(system, one) && at(system, other))
    }
}

/// A gateway that hides this system from another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Border {
    /// Addresses of the other system: what goes there crosses the border.
    pub beyond: Vec<Addresses>,
    /// The gateway's URI, in place of those of functions and of senders.
    pub gateway: String,
    /// The gateway's host and port, in Via and Contact.
    pub sent_by: String,
    /// User parts of the functions that have session identities.
    pub instances: Vec<(FunctionKind, String)>,
    /// The media function's address, and what is shown for it.
    pub media: Option<(IpAddr, IpAddr)>,
}

/// Headers that tell of the network, the equipment or the user behind the gateway and that nobody beyond it needs.
const LEFT_OUT: [Name; 6] = [
    Name::UserAgent,
    Name::Server,
    Name::PAccessNetworkInfo,
    Name::PChargingVector,
    Name::PServedUser,
    Name::PPreferredIdentity,
];

impl Border {
    /// Whether this address is beyond the border.
    pub(super) fn is_beyond(&self, address: SocketAddr) -> bool {
        self.beyond.iter().any(|one| one.contains(address))
    }

    /// Whether this URI is one that only those beyond the border know: the gateway's, or a Contact of it.
    pub(super) fn is_gateway(&self, uri: &Uri) -> bool {
        uri.identity() == self.gateway || is_at(uri, &self.sent_by)
    }

    /// A request as it is seen beyond the border.
    pub(super) fn request(&self, draft: &Draft, listeners: &[Listener]) -> Draft {
        let mut draft = draft.clone();
        let tag = |value: &str, name| NameAddr::parse(value.as_bytes()).ok()?.param(name).map(str::to_owned);
        let within = draft.get(Name::To).is_some_and(|to| tag(to, "tag").is_some());
        draft.headers.retain(|(name, _)| !LEFT_OUT.contains(name));
        for (name, value) in &mut draft.headers {
            match name {
                // Inside a dialog both sides go on as they began (RFC 3261 12.2.1.1).
                Name::From | Name::To if within => {}
                Name::From => {
                    let tag = tag(value, "tag").map(|tag| format!(";tag={tag}")).unwrap_or_default();
                    *value = format!("<{}>{tag}", self.gateway);
                }
                Name::To => *value = format!("<{}>", draft.uri),
                _ => self.header(*name, value, listeners),
            }
        }
        self.body(&mut draft.body);
        draft
    }

    /// A response as it is seen beyond the border.
    pub(super) fn response(&self, reply: &Reply, listeners: &[Listener]) -> Reply {
        let mut reply = reply.clone();
        reply.headers.retain(|(name, _)| !LEFT_OUT.contains(name));
        for (name, value) in &mut reply.headers {
            self.header(*name, value, listeners);
        }
        self.body(&mut reply.body);
        reply
    }

    fn header(&self, name: Name, value: &mut String, listeners: &[Listener]) {
        match name {
            Name::PAssertedIdentity => *value = format!("<{}>", self.gateway),
            Name::Contact => {
                if let Some(shown) = self.contact(value, listeners) {
                    *value = shown;
                }
            }
            Name::Warning => {
                // warn-code SP warn-agent SP warn-text (RFC 3261 20.43).
                let mut parts = value.splitn(3, ' ');
                if let (Some(code), Some(_), Some(text)) = (parts.next(), parts.next(), parts.next()) {
                    let host = self.sent_by.rsplit_once(':').map_or(self.sent_by.as_str(), |(host, _)| host);
                    *value = format!("{code} {host} {text}");
                }
            }
            Name::Reason => *value = without_text(value),
            _ => {}
        }
    }

    /// A Contact that names this server; `None`: it names somebody else, such as a group.
    fn contact(&self, value: &str, listeners: &[Listener]) -> Option<String> {
        let (start, end) = (value.find('<')?, value.find('>')?);
        let uri = Uri::parse(value.get(start + 1..end)?.as_bytes()).ok()?;
        if !listeners.iter().any(|listener| is_at(&uri, &listener.advertised)) {
            return None;
        }
        let user = self.gateway.split_once(':')?.1.split_once('@').map(|(user, _)| user);
        let user = user.map(|user| format!("{user}@")).unwrap_or_default();
        let instance = uri.param("gr").map(|instance| {
            let mark = mark_of(uri.user(), &self.instances);
            format!(";gr={mark}.{instance}")
        });
        let transport = uri.param("transport").map(|transport| format!(";transport={transport}"));
        let (instance, transport) = (instance.unwrap_or_default(), transport.unwrap_or_default());
        Some(format!("<sip:{user}{}{instance}{transport}>{}", self.sent_by, value.get(end + 1..)?))
    }

    /// Addresses in descriptions of sessions (RFC 4566 5.2, 5.7).
    fn body(&self, body: &mut Option<OutBody>) {
        let (Some(body), Some((inner, shown))) = (body, self.media) else { return };
        let kind = body.content_type.to_ascii_lowercase();
        if !kind.starts_with("application/sdp") && !kind.starts_with("multipart/") {
            return;
        }
        let Ok(text) = std::str::from_utf8(&body.content) else { return };
        let word =
            |address: IpAddr| format!("IN {} {address}", if address.is_ipv4() { "IP4" } else { "IP6" });
        let (inner, shown) = (word(inner), word(shown));
        let mut changed = String::with_capacity(text.len() + 64);
        for line in text.split_inclusive('\n') {
            let bare = line.trim_end_matches(['\r', '\n']);
            match bare.strip_suffix(inner.as_str()) {
                Some(head) if head == "c=" || head.starts_with("o=") => {
                    changed.push_str(head);
                    changed.push_str(&shown);
                    changed.push_str(line.get(bare.len()..).unwrap_or_default());
                }
                _ => changed.push_str(line),
            }
        }
        body.content = changed.into();
    }
}

/// Marks of instances in `gr` of what the gateway shows.
const CONTROLLING: &str = "c";
const PARTICIPATING: &str = "p";
/// The two functions have the same user part.
const EITHER: &str = "x";

fn mark_of(user: Option<&str>, instances: &[(FunctionKind, String)]) -> &'static str {
    let is = |kind| instances.iter().any(|(of, name)| *of == kind && Some(name.as_str()) == user);
    match (is(FunctionKind::Controlling), is(FunctionKind::Participating)) {
        (true, false) => CONTROLLING,
        (false, true) => PARTICIPATING,
        _ => EITHER,
    }
}

/// What an instance in `gr` stands for that the gateway has shown: the kinds of functions it may be of, and the instance as
/// its function wrote it. `None`: it is none of a gateway.
pub fn shown(instance: &str) -> Option<(&'static [FunctionKind], &str)> {
    let (mark, instance) = instance.split_once('.')?;
    let kinds: &[FunctionKind] = match mark {
        CONTROLLING => &[FunctionKind::Controlling],
        PARTICIPATING => &[FunctionKind::Participating],
        EITHER => &[FunctionKind::Controlling, FunctionKind::Participating],
        _ => return None,
    };
    Some((kinds, instance))
}

/// Whether a URI names this host and port.
fn is_at(uri: &Uri, place: &str) -> bool {
    let (host, port) = match place.rsplit_once(':') {
        Some((host, digits)) if !digits.ends_with(']') => (host, digits.parse().ok()),
        _ => (place, Some(DEFAULT_PORT)),
    };
    uri.host().eq_ignore_ascii_case(host) && Some(uri.port().unwrap_or(DEFAULT_PORT)) == port
}

/// Reason values without their texts, which anybody may have written (RFC 3326 2).
pub(super) fn without_text(value: &str) -> String {
    let mut kept = String::with_capacity(value.len());
    let (mut parameter, mut quoted, mut escaped) = (String::new(), false, false);
    let keep = |kept: &mut String, parameter: &mut String| {
        let name = parameter.trim_start_matches(';').split('=').next().unwrap_or_default().trim();
        if !name.eq_ignore_ascii_case("text") {
            kept.push_str(parameter);
        }
        parameter.clear();
    };
    for character in value.chars() {
        if !quoted && matches!(character, ';' | ',') {
            keep(&mut kept, &mut parameter);
        }
        if character == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = quoted && character == '\\' && !escaped;
        parameter.push(character);
    }
    keep(&mut kept, &mut parameter);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Transport;
    use crate::sip::message::Method;

    fn listeners() -> Vec<Listener> {
        let bind = "10.0.0.1:5060".parse().unwrap();
        vec![Listener { transport: Transport::Udp, bind, advertised: "node-1.inside:5060".to_owned() }]
    }

    fn border() -> Border {
        Border {
            beyond: Vec::new(),
            gateway: "sip:gate@one.example".to_owned(),
            sent_by: "gate.one.example:5070".to_owned(),
            instances: vec![
                (FunctionKind::Controlling, "groups".to_owned()),
                (FunctionKind::Participating, "mcptt".to_owned()),
            ],
            media: Some(("10.0.0.2".parse().unwrap(), "192.0.2.2".parse().unwrap())),
        }
    }

    fn draft() -> Draft {
        Draft::new(Method::Invite, "sip:gate@two.example")
            .header(Name::From, "\"Controlling\" <sip:groups@inside>;tag=f")
            .header(Name::To, "<sip:mcptt@inside>")
            .header(Name::PAssertedIdentity, "<sip:groups@inside>")
            .header(Name::UserAgent, "rollcall at node-1")
            .header(
                Name::Contact,
                "<sip:groups@node-1.inside:5060;gr=00ff;transport=tcp>;+g.3gpp.mcptt;isfocus",
            )
            .header(Name::Reason, "SIP;cause=200;text=\"at node-1, \\\"inside\\\"\", Q.850;cause=16")
            .body("application/sdp", "o=- 1 1 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\n")
    }

    #[test]
    fn a_request_speaks_as_the_gateway_and_shows_nothing_behind_it() {
        let shown = border().request(&draft(), &listeners());
        let text = String::from_utf8(shown.to_wire("SIP/2.0/UDP h").to_vec()).unwrap();
        assert_eq!(
            text,
            "INVITE sip:gate@two.example SIP/2.0\r\n\
             Via: SIP/2.0/UDP h\r\n\
             From: <sip:gate@one.example>;tag=f\r\n\
             To: <sip:gate@two.example>\r\n\
             P-Asserted-Identity: <sip:gate@one.example>\r\n\
             Contact: <sip:gate@gate.one.example:5070;gr=c.00ff;transport=tcp>;+g.3gpp.mcptt;isfocus\r\n\
             Reason: SIP;cause=200, Q.850;cause=16\r\n\
             Content-Type: application/sdp\r\n\
             Content-Length: 51\r\n\r\n\
             o=- 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\n"
        );
    }

    #[test]
    fn inside_a_dialog_the_ends_keep_the_names_they_began_with() {
        let mut draft = draft();
        for (name, value) in &mut draft.headers {
            match name {
                Name::From => *value = "<sip:gate@one.example>;tag=f".to_owned(),
                Name::To => *value = "<sip:them@two.example>;tag=t".to_owned(),
                _ => {}
            }
        }
        let shown = border().request(&draft, &listeners());
        assert_eq!(shown.get(Name::From), Some("<sip:gate@one.example>;tag=f"));
        assert_eq!(shown.get(Name::To), Some("<sip:them@two.example>;tag=t"));
        assert_eq!(shown.get(Name::PAssertedIdentity), Some("<sip:gate@one.example>"));
    }

    #[test]
    fn a_response_warns_in_the_gateways_name_and_keeps_contacts_that_are_groups() {
        let reply = Reply::new(302)
            .header(Name::Warning, "399 node-1.inside \"148 group is regrouped\"")
            .header(Name::Contact, "<sip:joint@one.example>")
            .header(Name::Server, "rollcall");
        let shown = border().response(&reply, &listeners());
        assert_eq!(
            shown.headers,
            [
                (Name::Warning, "399 gate.one.example \"148 group is regrouped\"".to_owned()),
                (Name::Contact, "<sip:joint@one.example>".to_owned()),
            ]
        );
    }

    #[test]
    fn a_contact_without_instance_shows_host_and_transport_only() {
        let reply = Reply::new(200).header(Name::Contact, "<sip:node-1.inside:5060;transport=tcp>");
        let shown = border().response(&reply, &listeners());
        let contact = "<sip:gate@gate.one.example:5070;transport=tcp>".to_owned();
        assert_eq!(shown.headers, [(Name::Contact, contact)]);
    }

    #[test]
    fn what_the_gateway_showed_says_what_it_stands_for() {
        assert_eq!(shown("c.00ff-01"), Some((&[FunctionKind::Controlling][..], "00ff-01")));
        assert_eq!(shown("p.00ff"), Some((&[FunctionKind::Participating][..], "00ff")));
        assert_eq!(shown("x.00ff").map(|(kinds, _)| kinds.len()), Some(2));
        assert_eq!(shown("00ff"), None);
        assert_eq!(shown("q.00ff"), None);
        let same = vec![
            (FunctionKind::Controlling, "mc".to_owned()),
            (FunctionKind::Participating, "mc".to_owned()),
        ];
        assert_eq!(mark_of(Some("mc"), &same), EITHER);
    }

    #[test]
    fn what_a_system_began_nobody_else_goes_on_with() {
        let network = |text: &str| Addresses::from(text.parse().unwrap());
        let systems =
            vec![vec![network("192.0.2.1:5060")], vec![network("192.0.2.2:0"), network("192.0.2.3:0")]];
        let beyond = Beyond { systems, ..Beyond::default() };
        let same = |one: &str, other: &str| beyond.same_side(one.parse().unwrap(), other.parse().unwrap());
        assert!(same("192.0.2.1:5060", "192.0.2.1:40000"), "a stream has another port");
        assert!(same("192.0.2.2:5060", "192.0.2.3:5060"));
        assert!(same("192.0.2.8:5060", "192.0.2.9:5060"), "who is no other system may move");
        assert!(!same("192.0.2.1:5060", "192.0.2.2:5060"));
        assert!(!same("192.0.2.1:5060", "192.0.2.9:5060"));
        assert!(!same("192.0.2.9:5060", "192.0.2.1:5060"));
    }

    #[test]
    fn only_addresses_of_descriptions_change_in_a_body_of_several_parts() {
        let parts =
            "--b\r\n\r\nc=IN IP4 10.0.0.2\r\n--b\r\n\r\n<x>c=IN IP4 10.0.0.2</x>\r\nc=IN IP4 10.0.0.21\r\n";
        let reply = Reply::new(200).body("multipart/mixed;boundary=b", parts);
        let shown = border().response(&reply, &listeners()).body.unwrap().content;
        assert_eq!(shown, parts.replacen("10.0.0.2", "192.0.2.2", 1));
    }
}
