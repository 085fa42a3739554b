//! SIP as text, built and read without the crate's own parsers: the server is judged from outside.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::SocketAddr;

pub const DOMAIN: &str = "one.example";
const ICSI: &str = "urn:urn-7:3gpp-service.ims.icsi.mcptt";

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 99\r\n\
    i=speech\r\na=rtpmap:99 AMR-WB/16000\r\nm=application 40002 udp MCPTT\r\n\
    a=fmtp:MCPTT mc_queueing;mc_priority=5;mc_granted;mc_implicit_request\r\n";

/// A dialog from the point of view of a client.
#[derive(Clone, Debug)]
pub struct Dialog {
    pub call_id: String,
    /// From and To of our requests.
    pub local: String,
    pub remote: String,
    pub target: String,
    pub cseq: u32,
}

/// Writes messages from one address.
pub struct Writer {
    pub own: SocketAddr,
    pub count: u64,
}

impl Writer {
    pub fn next(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    fn via(&mut self) -> String {
        let (own, n) = (self.own, self.next());
        format!("Via: SIP/2.0/UDP {own};branch=z9hG4bKk{n};rport\r\nMax-Forwards: 70\r\n")
    }

    fn head(&mut self, method: &str, user: &str, uri: &str) -> String {
        let via = self.via();
        let n = self.count;
        format!(
            "{method} {uri} SIP/2.0\r\n{via}From: <sip:{user}@{DOMAIN}>;tag=t{n}\r\nTo: <{uri}>\r\nCall-ID: k{n}\r\n\
             CSeq: 1 {method}\r\n"
        )
    }

    fn contact(&self, user: &str) -> String {
        format!("Contact: <sip:{user}@{}>;+g.3gpp.mcptt\r\n", self.own)
    }

    /// REGISTER. The contacts stand with their parameters; none: asks what is there.
    pub fn register(&mut self, user: &str, cseq: u64, contacts: &[String]) -> String {
        let via = self.via();
        let n = self.count;
        let contacts: String = contacts.iter().map(|contact| format!("Contact: {contact}\r\n")).collect();
        format!(
            "REGISTER sip:{DOMAIN} SIP/2.0\r\n{via}From: <sip:{user}@{DOMAIN}>;tag=t{n}\r\n\
             To: <sip:{user}@{DOMAIN}>\r\nCall-ID: register-{user}\r\nCSeq: {cseq} REGISTER\r\n{contacts}\
             Content-Length: 0\r\n\r\n"
        )
    }

    /// PUBLISH of the whole set of groups a client wants to be affiliated to.
    pub fn publish<'a>(&mut self, user: &str, groups: impl IntoIterator<Item = &'a String>) -> String {
        let mut entries = String::new();
        for group in groups {
            let _ = write!(entries, "<mcpttPI10:affiliation group=\"sip:{group}@{DOMAIN}\"/>");
        }
        let expires = if entries.is_empty() { "0" } else { "4294967295" };
        let pidf = format!(
            "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" xmlns:mcpttPI10=\"urn:3gpp:ns:mcpttPresInfo:1.0\" \
             entity=\"sip:{user}@{DOMAIN}\"><tuple id=\"urn:uuid:{user}\"><status>{entries}</status></tuple>\
             <mcpttPI10:p-id>p{}</mcpttPI10:p-id></presence>",
            self.count
        );
        let head = self.head("PUBLISH", user, &format!("sip:mcptt@{DOMAIN}"));
        let head = format!("{head}Event: presence\r\nExpires: {expires}\r\nP-Preferred-Service: {ICSI}\r\n");
        let info = info(&request_uri(user));
        multipart(&head, &[("application/vnd.3gpp.mcptt-info+xml", &info), ("application/pidf+xml", &pidf)])
    }

    /// SUBSCRIBE to the own affiliations.
    pub fn subscribe(&mut self, user: &str, expires: u32) -> String {
        let head = self.head("SUBSCRIBE", user, &format!("sip:mcptt@{DOMAIN}"));
        let contact = self.contact(user);
        let head = format!(
            "{head}{contact}Event: presence\r\nExpires: {expires}\r\nP-Preferred-Service: {ICSI}\r\n"
        );
        single(&head, "application/vnd.3gpp.mcptt-info+xml", &info(&request_uri(user)))
    }

    /// MESSAGE that asks for a temporary group of these groups.
    pub fn form(&mut self, user: &str, temporary: &str, of: &[String], transaction: &str) -> String {
        let mut constituents = String::new();
        for group in of {
            let name = "g:constituent-MCPTT-group-ID";
            let _ = write!(constituents, "<{name}>sip:{group}@{DOMAIN}</{name}>");
        }
        let operation = format!(
            "<group-regroup-creation transaction-id=\"{transaction}\"><ls:group \
             xmlns:ls=\"urn:oma:xml:poc:list-service\" xmlns:g=\"urn:3gpp:ns:mcpttGroupInfo:1.0\"><ls:list-service \
             uri=\"sip:{temporary}@{DOMAIN}\"><ls:display-name>Harbour</ls:display-name><g:on-network-temporary>\
             <g:constituent-MCPTT-group-IDs>{constituents}</g:constituent-MCPTT-group-IDs></g:on-network-temporary>\
             </ls:list-service></ls:group></group-regroup-creation>"
        );
        self.operation(user, temporary, "group-regroup-request", &operation)
    }

    /// MESSAGE that asks for the end of a temporary group.
    pub fn tear_down(&mut self, user: &str, temporary: &str, transaction: &str) -> String {
        let operation = format!(
            "<gx:group-regroup-teardown xmlns:gx=\"urn:rollcall:gmop-ext:1.0\" \
             group-id=\"sip:{temporary}@{DOMAIN}\" transaction-id=\"{transaction}\"/>"
        );
        self.operation(user, temporary, "group-regroup-teardown-request", &operation)
    }

    fn operation(&mut self, user: &str, about: &str, kind: &str, operation: &str) -> String {
        let gmop = format!(
            "<document xmlns=\"urn:3gpp:ns:mcpttGMOP:1.0\"><request>{operation}</request></document>"
        );
        let info = info(&format!(
            "{}<anyExt><req-type type=\"Normal\"><mcpttString>{kind}</mcpttString></req-type></anyExt>",
            request_uri(about)
        ));
        let head = self.head("MESSAGE", user, &format!("sip:gms@{DOMAIN}"));
        let head = format!("{head}P-Preferred-Service: {ICSI}\r\n");
        let parts =
            [("application/vnd.3gpp.mcptt-info+xml", &*info), ("application/vnd.3gpp.GMOP+xml", &gmop)];
        multipart(&head, &parts)
    }

    /// INVITE to a group, as `prearranged` or `chat`.
    pub fn invite(&mut self, user: &str, group: &str, kind: &str) -> String {
        let info = info(&format!(
            "<session-type>{kind}</session-type>{}<mcptt-client-id type=\"Normal\"><mcpttString>urn:uuid:{user}\
             </mcpttString></mcptt-client-id>",
            request_uri(group)
        ));
        let head = self.head("INVITE", user, &format!("sip:mcptt@{DOMAIN}"));
        let contact = self.contact(user);
        let head = format!(
            "{head}{contact}Accept-Contact: *;+g.3gpp.mcptt;require;explicit\r\n\
             Accept-Contact: *;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.mcptt\";require;explicit\r\n\
             P-Preferred-Service: {ICSI}\r\n"
        );
        multipart(&head, &[("application/sdp", SDP), ("application/vnd.3gpp.mcptt-info+xml", &info)])
    }

    /// A request without body inside a dialog; `more` are further header lines.
    pub fn inside(&mut self, dialog: &mut Dialog, method: &str, more: &str) -> String {
        dialog.cseq += 1;
        let via = self.via();
        let Dialog { call_id, local, remote, target, cseq } = dialog;
        format!(
            "{method} {target} SIP/2.0\r\n{via}From: {local}\r\nTo: {remote}\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\n{more}Content-Length: 0\r\n\r\n"
        )
    }

    /// SUBSCRIBE that prolongs a subscription.
    pub fn refresh(&mut self, user: &str, dialog: &mut Dialog) -> String {
        let contact = self.contact(user);
        self.inside(dialog, "SUBSCRIBE", &format!("Event: presence\r\nExpires: 3600\r\n{contact}"))
    }

    /// ACK to the final answer to an INVITE.
    pub fn acknowledge(&mut self, invite: &str, answer: &str) -> String {
        let copied = |name| header(answer, name).unwrap_or_default();
        let (uri, via) = if status(answer) < 300 {
            (uri_in(&copied("Contact")), self.via())
        } else {
            let uri = invite.split(' ').nth(1).unwrap_or_default().to_owned();
            (uri, format!("Via: {}\r\nMax-Forwards: 70\r\n", header(invite, "Via").unwrap_or_default()))
        };
        format!(
            "ACK {uri} SIP/2.0\r\n{via}From: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n",
            copied("From"),
            copied("To"),
            copied("Call-ID")
        )
    }

    /// The answer of a client to a request of the server, with a To tag of its own.
    pub fn answer(&self, user: &str, request: &str, status: u16) -> String {
        let mut text = format!("SIP/2.0 {status} As asked\r\n");
        for line in head_lines(request) {
            let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
            if name == "to" && !line.contains("tag=") {
                let _ = write!(text, "{line};tag=u{}\r\n", header(request, "Call-ID").unwrap_or_default());
            } else if ["via", "from", "to", "call-id", "cseq", "record-route"].contains(&name.as_str()) {
                let _ = write!(text, "{line}\r\n");
            }
        }
        let sdp = method(request) == "INVITE" && status < 300;
        text.push_str(&self.contact(user));
        if sdp { single(&text, "application/sdp", SDP) } else { text + "Content-Length: 0\r\n\r\n" }
    }
}

impl Dialog {
    /// Of the answer to a request of ours.
    pub fn of_answer(answer: &str) -> Self {
        let value = |name| header(answer, name).unwrap_or_default();
        Self {
            call_id: value("Call-ID"),
            local: value("From"),
            remote: value("To"),
            target: uri_in(&value("Contact")),
            cseq: 1,
        }
    }

    /// Of our answer to a request of the server.
    pub fn of_request(request: &str, answer: &str) -> Self {
        Self {
            call_id: header(request, "Call-ID").unwrap_or_default(),
            local: header(answer, "To").unwrap_or_default(),
            remote: header(request, "From").unwrap_or_default(),
            target: uri_in(&header(request, "Contact").unwrap_or_default()),
            cseq: 0,
        }
    }
}

fn request_uri(identity: &str) -> String {
    format!(
        "<mcptt-request-uri type=\"Normal\"><mcpttURI>sip:{identity}@{DOMAIN}</mcpttURI></mcptt-request-uri>"
    )
}

fn info(params: &str) -> String {
    format!(
        "<mcpttinfo xmlns=\"urn:3gpp:ns:mcpttInfo:1.0\"><mcptt-Params>{params}</mcptt-Params></mcpttinfo>"
    )
}

fn single(head: &str, kind: &str, body: &str) -> String {
    format!("{head}Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn multipart(head: &str, parts: &[(&str, &str)]) -> String {
    let mut body = String::new();
    for (kind, content) in parts {
        let _ = write!(body, "--b\r\nContent-Type: {kind}\r\n\r\n{content}\r\n");
    }
    body.push_str("--b--\r\n");
    single(head, "multipart/mixed;boundary=b", &body)
}

fn head_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().skip(1).take_while(|line| !line.is_empty())
}

/// A header value, by its full name.
pub fn header(text: &str, name: &str) -> Option<String> {
    head_lines(text).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

/// Every value of a header.
pub fn headers<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    head_lines(text).filter_map(move |line| {
        let (found, value) = line.split_once(':')?;
        found.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// The method of a request, or of the request that a response answers.
pub fn method(text: &str) -> String {
    let cseq = header(text, "CSeq").unwrap_or_default();
    cseq.split_whitespace().nth(1).unwrap_or_default().to_owned()
}

pub fn cseq(text: &str) -> u32 {
    let cseq = header(text, "CSeq").unwrap_or_default();
    cseq.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// Status of a response; 0 of a request.
pub fn status(text: &str) -> u16 {
    let code = text.strip_prefix("SIP/2.0 ").and_then(|rest| rest.split(' ').next());
    code.and_then(|code| code.parse().ok()).unwrap_or_default()
}

pub fn branch(text: &str) -> String {
    let via = header(text, "Via").unwrap_or_default();
    via.split("branch=").nth(1).and_then(|rest| rest.split([';', ',']).next()).unwrap_or_default().to_owned()
}

pub fn uri_in(value: &str) -> String {
    value.split('<').nth(1).and_then(|rest| rest.split('>').next()).unwrap_or(value).to_owned()
}

/// `sip:alice@one.example` is alice.
pub fn short(uri: &str) -> String {
    let rest = uri.trim().trim_start_matches("sip:");
    rest.split(['@', ';']).next().unwrap_or_default().to_owned()
}

/// The user whom a request of the server is for.
pub fn addressee(request: &str) -> String {
    short(request.split(' ').nth(1).unwrap_or_default())
}

/// Groups with the status `affiliated` in a notification; other statuses are a mistake.
pub fn affiliated(notify: &str) -> BTreeSet<String> {
    let mut groups = BTreeSet::new();
    for part in notify.split("affiliation ").skip(1) {
        let tag = part.split('>').next().unwrap_or_default();
        let attribute = |name: &str| {
            tag.split_once(&format!("{name}=\""))
                .and_then(|(_, rest)| rest.split('"').next())
                .unwrap_or_default()
        };
        assert_eq!(attribute("status"), "affiliated", "{notify}");
        groups.insert(short(attribute("group")));
    }
    groups
}

/// The text inside an element, whatever wraps it.
pub fn element(body: &str, name: &str) -> Option<String> {
    let opens = |at: usize| {
        let tag = body[..at].rsplit('<').next().unwrap_or_default();
        let ends = body[at + name.len()..].starts_with(['>', ' ']);
        ends && (tag.is_empty() && body[..at].ends_with('<')
            || tag.ends_with(':') && !tag.contains(['/', '>']))
    };
    let at = body.match_indices(name).map(|(at, _)| at).find(|at| opens(*at))?;
    let mut inside = body[at..].split_once('>')?.1.trim_start();
    while let Some(tag) = inside.strip_prefix('<').filter(|tag| !tag.starts_with('/')) {
        inside = tag.split_once('>')?.1.trim_start();
    }
    Some(inside.split('<').next()?.trim().to_owned())
}
