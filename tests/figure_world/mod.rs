//! The world of a figure: one node, a store in memory, clients that speak plain text SIP. Built without the crate's own
//! parsers, so that what the server emits is judged from outside.

use bytes::Bytes;
use rollcall::env::{Ids, Time};
use rollcall::model::{Change, Fact, FactKey, Transport};
use rollcall::node::{Core, Input, Kept, Node, Ready};
use rollcall::sip::transaction::{Flow, Path, Transmit};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::time::Duration;

/// The configuration of every figure.
const CONFIG: &str = include_str!("../figures/system.toml");
const DOMAIN: &str = "one.example";
const ICSI: &str = "urn:urn-7:3gpp-service.ims.icsi.mcptt";

/// A running figure.
pub struct World {
    now: Time,
    node: Node,
    facts: BTreeMap<FactKey, Fact>,
    disk_works: bool,
    out: Vec<String>,
    last_input: Option<(Flow, Bytes)>,
    lose_next: bool,
    counter: u32,
    /// Names of addresses, in the order of first use.
    ports: BTreeMap<u16, String>,
    /// Requests of the server that wait for a client's answer: by client and method, newest last.
    asked: HashMap<(String, String), Vec<String>>,
    /// Last response each client got, by method.
    answers: HashMap<(String, String), String>,
    /// Last request each client sent, by method.
    sent: HashMap<(String, String), String>,
    /// Dialogs of each client by method that made them: the request or response text that holds the tags.
    dialogs: HashMap<(String, String), Dialog>,
    /// Random values seen, by order.
    aliases: Vec<String>,
}

#[derive(Clone)]
struct Dialog {
    target: String,
    local: String,
    remote: String,
    call_id: String,
    cseq: u32,
}

impl World {
    pub fn new() -> Self {
        let now = Time::from_millis(1_800_000_000_000);
        Self {
            now,
            node: node(now, []),
            facts: BTreeMap::new(),
            disk_works: true,
            out: Vec::new(),
            last_input: None,
            lose_next: false,
            counter: 0,
            ports: BTreeMap::new(),
            asked: HashMap::new(),
            answers: HashMap::new(),
            sent: HashMap::new(),
            dialogs: HashMap::new(),
            aliases: Vec::new(),
        }
    }

    /// What the server sent since the last call, one line each.
    pub fn outputs(&mut self) -> Vec<String> {
        std::mem::take(&mut self.out)
    }

    /// Does what one line says.
    pub fn act(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["wait", span] => self.wait(span),
            ["repeat"] => {
                let (flow, octets) = self.last_input.clone().expect("nothing to repeat");
                self.datagram(flow, octets);
            }
            ["lose"] => self.lose_next = true,
            ["crash"] => self.crash(),
            ["disk", "fails"] => self.disk_works = false,
            ["disk", "works"] => self.disk_works = true,
            [from, "->", to, what @ ..] => self.client(from, to, what),
            _ => panic!("not a line of a figure: {line}"),
        }
    }

    fn wait(&mut self, span: &str) {
        let until = self.now.plus(duration(span));
        while let Some(due) = self.node.due().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.feed(Input::Tick);
            if self.node.due() == Some(due) {
                // A wheel that rounds up: step over the tick.
                self.now = self.now.plus(Duration::from_millis(10));
            }
        }
        self.now = until;
        self.feed(Input::Tick);
    }

    fn crash(&mut self) {
        let facts: Vec<Fact> = self.facts.values().cloned().collect();
        self.node = node(self.now, facts);
        self.feed(Input::Tick);
    }

    fn datagram(&mut self, flow: Flow, octets: Bytes) {
        self.last_input = Some((flow, octets.clone()));
        if std::mem::take(&mut self.lose_next) {
            return;
        }
        self.feed(Input::Datagram { flow, octets });
    }

    fn feed(&mut self, input: Input) {
        let mut ready = Ready::default();
        self.node.handle(self.now, input, &mut ready);
        self.node.finish(self.now, &mut ready);
        let mut leaving = ready.at_once;
        if let Some(batch) = ready.batch {
            if self.disk_works {
                for change in &batch.changes {
                    self.keep(change);
                }
            }
            let kept = if self.disk_works { Kept::Yes } else { Kept::No };
            leaving.extend(self.node.settle(self.now, batch.number, kept));
            if !self.disk_works {
                let facts: Vec<Fact> = self.facts.values().cloned().collect();
                self.node = node(self.now, facts);
            }
        }
        for transmit in leaving {
            self.emitted(&transmit);
        }
    }

    fn keep(&mut self, change: &Change) {
        match change {
            Change::Put(fact) => {
                self.facts.insert(fact.key(), fact.clone());
            }
            Change::Remove(key) => {
                self.facts.remove(key);
            }
        }
        let line = match change {
            Change::Put(Fact::TemporaryGroup(side, document)) => {
                format!("server keeps {side:?} temporary {}", short(document.id.as_str()))
            }
            Change::Put(Fact::Regrouped(side, group, mark)) => {
                format!(
                    "server keeps {side:?} {} in {}",
                    short(group.as_str()),
                    short(mark.temporary.as_str())
                )
            }
            Change::Remove(FactKey::TemporaryGroup(side, group)) => {
                format!("server forgets {side:?} temporary {}", short(group.as_str()))
            }
            Change::Remove(FactKey::Regrouped(side, group)) => {
                format!("server forgets {side:?} {} regrouped", short(group.as_str()))
            }
            Change::Put(Fact::Affiliation(client)) => {
                let groups: Vec<String> = client
                    .groups
                    .iter()
                    .map(|entry| format!("{}:{:?}", short(entry.group.as_str()), entry.status).to_lowercase())
                    .collect();
                format!("server keeps {} {}", short(client.user.as_str()), groups.join(","))
            }
            Change::Remove(FactKey::Affiliation(user, _)) => {
                format!("server forgets {} affiliations", short(user.as_str()))
            }
            _ => return,
        };
        let line = self.alias(line);
        self.out.push(line);
    }

    // What comes out.

    fn emitted(&mut self, transmit: &Transmit) {
        let text = String::from_utf8_lossy(&transmit.octets).into_owned();
        let peer = match transmit.path {
            Path::Flow(flow) => flow.peer,
            Path::Address { address, .. } => address,
        };
        let name = self.ports.get(&peer.port()).cloned().unwrap_or_else(|| peer.to_string());
        let first = text.lines().next().unwrap_or_default().to_owned();
        let line = if let Some(status) = first.strip_prefix("SIP/2.0 ") {
            let cseq = header(&text, "CSeq").unwrap_or_default();
            let method = cseq.split(' ').nth(1).unwrap_or_default().to_owned();
            let code = status.split(' ').next().unwrap_or_default().to_owned();
            self.note_response(&name, &method, &code, &text);
            format!("server -> {name} {code} {method}{}", details(&text))
        } else {
            let method = first.split(' ').next().unwrap_or_default().to_owned();
            if method != "ACK" && method != "CANCEL" {
                let waiting = self.asked.entry((name.clone(), method.clone())).or_default();
                if waiting.last().map(|old| header(old, "Via") == header(&text, "Via")) != Some(true) {
                    waiting.push(text.clone());
                }
            }
            if method == "INVITE" && header(&text, "To").is_some_and(|to| !to.contains("tag=")) {
                self.dialogs.remove(&(name.clone(), "INVITED".to_owned()));
            }
            format!("server -> {name} {method}{}", details(&text))
        };
        let line = self.alias(line);
        self.out.push(line);
    }

    fn note_response(&mut self, name: &str, method: &str, code: &str, text: &str) {
        self.answers.insert((name.to_owned(), method.to_owned()), text.to_owned());
        if code.starts_with('2') && (method == "INVITE" || method == "SUBSCRIBE") {
            let dialog = Dialog {
                target: uri_in(&header(text, "Contact").unwrap_or_default()),
                local: header(text, "From").unwrap_or_default(),
                remote: header(text, "To").unwrap_or_default(),
                call_id: header(text, "Call-ID").unwrap_or_default(),
                cseq: header(text, "CSeq")
                    .and_then(|c| c.split(' ').next().and_then(|n| n.parse().ok()))
                    .unwrap_or(1),
            };
            self.dialogs.insert((name.to_owned(), method.to_owned()), dialog);
        }
    }

    /// Random values become `#1`, `#2`... in the order in which they appear.
    fn alias(&mut self, line: String) -> String {
        let mut result = String::new();
        let mut word = String::new();
        for c in line.chars().chain(std::iter::once('\n')) {
            if c.is_ascii_hexdigit() {
                word.push(c);
                continue;
            }
            if word.len() >= 16 {
                let at = self.aliases.iter().position(|seen| *seen == word).unwrap_or_else(|| {
                    self.aliases.push(word.clone());
                    self.aliases.len() - 1
                });
                let _ = write!(result, "#{}", at + 1);
            } else {
                result.push_str(&word);
            }
            word.clear();
            if c != '\n' {
                result.push(c);
            }
        }
        result
    }

    // What goes in.

    fn client(&mut self, from: &str, to: &str, what: &[&str]) {
        let flow = self.flow(from);
        let Some((&verb, rest)) = what.split_first() else { panic!("{from} says nothing") };
        let message = match verb {
            "REGISTER" => self.register(from, rest),
            "PUBLISH" => self.publish(from, rest),
            "SUBSCRIBE" => self.subscribe(from, to, rest),
            "MESSAGE" => self.message(from, rest),
            "INVITE" => self.invite(from, to, rest),
            "ACK" => self.ack(from),
            "BYE" | "UPDATE" => self.in_dialog(from, verb),
            "CANCEL" => self.cancel(from),
            code => self.answer(from, code, rest),
        };
        if code_of(verb).is_none() {
            self.sent.insert((from.to_owned(), verb.to_owned()), message.clone());
        }
        self.datagram(flow, Bytes::from(message));
    }

    /// Every name has a port of its own on the loopback address of the figure.
    fn flow(&mut self, name: &str) -> Flow {
        let port = match self.ports.iter().find(|(_, n)| *n == name) {
            Some((port, _)) => *port,
            None => {
                let port = 6001 + u16::try_from(self.ports.len()).expect("few clients");
                self.ports.insert(port, name.to_owned());
                port
            }
        };
        let peer = format!("192.0.2.1:{port}").parse().expect("address");
        Flow { transport: Transport::Udp, listener: 0, peer, connection: 0 }
    }

    fn head(&mut self, method: &str, from: &str, uri: &str) -> String {
        self.counter += 1;
        let n = self.counter;
        let port = self.flow(from).peer.port();
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:{port};branch=z9hG4bKf{n};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{from}@{DOMAIN}>;tag=t{n}\r\nTo: <{uri}>\r\nCall-ID: c{n}\r\n\
             CSeq: 1 {method}\r\n"
        )
    }

    fn contact(&mut self, from: &str) -> String {
        let port = self.flow(from).peer.port();
        format!("Contact: <sip:{from}@192.0.2.1:{port}>;+g.3gpp.mcptt\r\n")
    }

    fn register(&mut self, from: &str, rest: &[&str]) -> String {
        let expires = value(rest, "expires").unwrap_or("3600");
        let head = self
            .head("REGISTER", from, &format!("sip:{DOMAIN}"))
            .replace(&format!("To: <sip:{DOMAIN}>"), &format!("To: <sip:{from}@{DOMAIN}>"));
        let contact = self.contact(from);
        format!("{head}{contact}Expires: {expires}\r\nContent-Length: 0\r\n\r\n")
    }

    fn publish(&mut self, from: &str, rest: &[&str]) -> String {
        let groups: Vec<&str> = rest.iter().filter(|w| !w.contains('=')).flat_map(|w| w.split(',')).collect();
        let target = value(rest, "for").unwrap_or(from);
        let expires = value(rest, "expires").unwrap_or(if groups.is_empty() { "0" } else { "4294967295" });
        let client = value(rest, "client").unwrap_or(target);
        let entries: String = groups
            .iter()
            .map(|group| format!("<mcpttPI10:affiliation group=\"sip:{group}@{DOMAIN}\"/>"))
            .collect();
        self.counter += 1;
        let pidf = format!(
            "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" xmlns:mcpttPI10=\"urn:3gpp:ns:mcpttPresInfo:1.0\" \
             entity=\"sip:{target}@{DOMAIN}\"><tuple id=\"urn:uuid:{client}\"><status>{entries}</status></tuple>\
             <mcpttPI10:p-id>p{}</mcpttPI10:p-id></presence>",
            self.counter
        );
        let info = info(&format!(
            "<mcptt-request-uri type=\"Normal\"><mcpttURI>sip:{target}@{DOMAIN}</mcpttURI></mcptt-request-uri>"
        ));
        let head = self.head("PUBLISH", from, &format!("sip:mcptt@{DOMAIN}"));
        let head = format!("{head}Event: presence\r\nExpires: {expires}\r\nP-Preferred-Service: {ICSI}\r\n");
        multipart(&head, &[("application/vnd.3gpp.mcptt-info+xml", &info), ("application/pidf+xml", &pidf)])
    }

    fn subscribe(&mut self, from: &str, to: &str, rest: &[&str]) -> String {
        let package = rest.first().copied().unwrap_or("presence");
        let expires = value(rest, "expires").unwrap_or("3600");
        let (uri, about) = if package == "conference" {
            let session = self.session_uri(from);
            let group = value(rest, "group").expect("group=").to_owned();
            (session, format!("sip:{group}@{DOMAIN}"))
        } else {
            let target = value(rest, "of").unwrap_or(from).to_owned();
            (format!("sip:mcptt@{DOMAIN}"), format!("sip:{target}@{DOMAIN}"))
        };
        let _ = to;
        let info = info(&format!(
            "<mcptt-request-uri type=\"Normal\"><mcpttURI>{about}</mcpttURI></mcptt-request-uri>"
        ));
        let head = self.head("SUBSCRIBE", from, &uri);
        let contact = self.contact(from);
        single(
            &format!(
                "{head}{contact}Event: {package}\r\nExpires: {expires}\r\nP-Preferred-Service: {ICSI}\r\n"
            ),
            "application/vnd.3gpp.mcptt-info+xml",
            &info,
        )
    }

    /// The session identity of the call a client is in, from whichever side made the dialog.
    fn session_uri(&self, from: &str) -> String {
        let own = self.dialogs.get(&(from.to_owned(), "INVITE".to_owned()));
        let invited = self.dialogs.get(&(from.to_owned(), "INVITED".to_owned()));
        own.or(invited)
            .map(|dialog| dialog.target.clone())
            .unwrap_or_else(|| format!("sip:mcptt@{DOMAIN};gr=0"))
    }

    fn message(&mut self, from: &str, rest: &[&str]) -> String {
        let kind = rest.first().copied().unwrap_or_default();
        let tid = value(rest, "tid").map(|t| format!(" transaction-id=\"{t}\"")).unwrap_or_default();
        let group = value(rest, "group").map(|group| format!("sip:{group}@{DOMAIN}"));
        let (req_type, operation) = match kind {
            "regroup" => {
                let constituents: String = value(rest, "of")
                    .unwrap_or_default()
                    .split(',')
                    .filter(|group| !group.is_empty())
                    .map(|group| {
                        let group = if group.contains('@') {
                            format!("sip:{group}")
                        } else {
                            format!("sip:{group}@{DOMAIN}")
                        };
                        format!("<g:constituent-MCPTT-group-ID>{group}</g:constituent-MCPTT-group-ID>")
                    })
                    .collect();
                let uri = group.clone().unwrap_or_default();
                (
                    "group-regroup-request",
                    format!(
                        "<group-regroup-creation{tid}><ls:group xmlns:ls=\"urn:oma:xml:poc:list-service\" \
                         xmlns:g=\"urn:3gpp:ns:mcpttGroupInfo:1.0\"><ls:list-service uri=\"{uri}\">\
                         <ls:display-name>Harbour</ls:display-name><g:on-network-temporary>\
                         <g:constituent-MCPTT-group-IDs>{constituents}</g:constituent-MCPTT-group-IDs>\
                         </g:on-network-temporary></ls:list-service></ls:group></group-regroup-creation>"
                    ),
                )
            }
            "teardown" => (
                "group-regroup-teardown-request",
                format!(
                    "<gx:group-regroup-teardown xmlns:gx=\"urn:rollcall:gmop-ext:1.0\" group-id=\"{}\"{tid}/>",
                    group.clone().expect("group=")
                ),
            ),
            other => panic!("unknown operation {other}"),
        };
        let gmop = format!(
            "<document xmlns=\"urn:3gpp:ns:mcpttGMOP:1.0\"><request>{operation}</request></document>"
        );
        let about = group
            .map(|g| {
                format!("<mcptt-request-uri type=\"Normal\"><mcpttURI>{g}</mcpttURI></mcptt-request-uri>")
            })
            .unwrap_or_default();
        let info = info(&format!(
            "{about}<anyExt><req-type type=\"Normal\"><mcpttString>{req_type}</mcpttString></req-type></anyExt>"
        ));
        let head = self.head("MESSAGE", from, &format!("sip:gms@{DOMAIN}"));
        let head = format!("{head}P-Preferred-Service: {ICSI}\r\n");
        multipart(
            &head,
            &[("application/vnd.3gpp.mcptt-info+xml", &info), ("application/vnd.3gpp.GMOP+xml", &gmop)],
        )
    }

    fn invite(&mut self, from: &str, to: &str, rest: &[&str]) -> String {
        let group = rest.iter().find(|w| !w.contains('=')).copied().unwrap_or_default();
        let kind = value(rest, "session").unwrap_or("prearranged");
        let emergency = match value(rest, "emergency") {
            Some(flag) => {
                format!("<emergency-ind type=\"Normal\"><mcpttBoolean>{flag}</mcpttBoolean></emergency-ind>")
            }
            None => String::new(),
        };
        let client = value(rest, "client").unwrap_or(from);
        let info = info(&format!(
            "<session-type>{kind}</session-type><mcptt-request-uri type=\"Normal\"><mcpttURI>sip:{group}@{DOMAIN}\
             </mcpttURI></mcptt-request-uri>{emergency}<mcptt-client-id type=\"Normal\"><mcpttString>urn:uuid:{client}\
             </mcpttString></mcptt-client-id>"
        ));
        let uri = if to == "session" { self.session_uri(from) } else { format!("sip:mcptt@{DOMAIN}") };
        let head = self.head("INVITE", from, &uri);
        let contact = self.contact(from);
        let head = format!(
            "{head}{contact}Accept-Contact: *;+g.3gpp.mcptt;require;explicit\r\n\
             Accept-Contact: *;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.mcptt\";require;explicit\r\n\
             P-Preferred-Service: {ICSI}\r\n"
        );
        multipart(&head, &[("application/sdp", OFFER), ("application/vnd.3gpp.mcptt-info+xml", &info)])
    }

    fn ack(&mut self, from: &str) -> String {
        let key = (from.to_owned(), "INVITE".to_owned());
        let answer = self.answers.get(&key).expect("nothing to acknowledge").clone();
        let code = answer.split(' ').nth(1).unwrap_or_default().to_owned();
        let invite = self.sent.get(&key).expect("no INVITE").clone();
        let (uri, via) = if code.starts_with('2') {
            self.counter += 1;
            let port = self.flow(from).peer.port();
            let target = uri_in(&header(&answer, "Contact").unwrap_or_default());
            (target, format!("SIP/2.0/UDP 192.0.2.1:{port};branch=z9hG4bKf{}", self.counter))
        } else {
            let uri = invite.split(' ').nth(1).unwrap_or_default().to_owned();
            (uri, header(&invite, "Via").unwrap_or_default())
        };
        format!(
            "ACK {uri} SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: 1 ACK\r\n\
             Content-Length: 0\r\n\r\n",
            header(&answer, "From").unwrap_or_default(),
            header(&answer, "To").unwrap_or_default(),
            header(&answer, "Call-ID").unwrap_or_default()
        )
    }

    fn in_dialog(&mut self, from: &str, method: &str) -> String {
        self.counter += 1;
        let n = self.counter;
        let port = self.flow(from).peer.port();
        let own = (from.to_owned(), "INVITE".to_owned());
        let invited = (from.to_owned(), "INVITED".to_owned());
        let key = if self.dialogs.contains_key(&own) { own } else { invited };
        let dialog = self.dialogs.get_mut(&key).expect("no dialog");
        dialog.cseq += 1;
        format!(
            "{method} {} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:{port};branch=z9hG4bKf{n}\r\nMax-Forwards: 70\r\n\
             From: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {} {method}\r\nContent-Length: 0\r\n\r\n",
            dialog.target, dialog.local, dialog.remote, dialog.call_id, dialog.cseq
        )
    }

    fn cancel(&mut self, from: &str) -> String {
        let invite = self.sent.get(&(from.to_owned(), "INVITE".to_owned())).expect("no INVITE").clone();
        let uri = invite.split(' ').nth(1).unwrap_or_default();
        let copy = |name: &str| header(&invite, name).unwrap_or_default();
        format!(
            "CANCEL {uri} SIP/2.0\r\nVia: {}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\n\
             CSeq: 1 CANCEL\r\nContent-Length: 0\r\n\r\n",
            copy("Via"),
            copy("From"),
            copy("To"),
            copy("Call-ID")
        )
    }

    /// `bob -> server 200 INVITE`: answers the oldest request of that method that waits.
    fn answer(&mut self, from: &str, code: &str, rest: &[&str]) -> String {
        let status = code_of(code).unwrap_or_else(|| panic!("{from} cannot say {code}"));
        let method = rest.first().copied().expect("method");
        let waiting = self.asked.get_mut(&(from.to_owned(), method.to_owned()));
        let waiting =
            waiting.filter(|w| !w.is_empty()).unwrap_or_else(|| panic!("{from} was not asked {method}"));
        let request = if status < 200 { waiting[0].clone() } else { waiting.remove(0) };
        let mut text = format!("SIP/2.0 {status} Whatever\r\n");
        for line in request.lines().skip(1).take_while(|line| !line.is_empty()) {
            let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
            if name == "to" && !line.contains("tag=") {
                let _ = write!(text, "{line};tag=u-{from}\r\n");
            } else if ["via", "from", "to", "call-id", "cseq", "record-route"].contains(&name.as_str()) {
                let _ = write!(text, "{line}\r\n");
            }
        }
        if method != "INVITE" || !(180..300).contains(&status) {
            text.push_str("Content-Length: 0\r\n\r\n");
            return text;
        }
        text.push_str(&self.contact(from));
        if status < 200 {
            text.push_str("Content-Length: 0\r\n\r\n");
            return text;
        }
        let dialog = Dialog {
            target: uri_in(&header(&request, "Contact").unwrap_or_default()),
            local: header(&text, "To").unwrap_or_default(),
            remote: header(&request, "From").unwrap_or_default(),
            call_id: header(&request, "Call-ID").unwrap_or_default(),
            cseq: 0,
        };
        self.dialogs.insert((from.to_owned(), "INVITED".to_owned()), dialog);
        single(&text, "application/sdp", OFFER)
    }
}

/// A node over the figures' configuration that starts from these facts.
fn node(now: Time, facts: impl IntoIterator<Item = Fact>) -> Node {
    let file = std::path::Path::new("system.toml");
    let config =
        rollcall::config::Config::read(file, CONFIG.as_bytes()).expect("configuration of the figures");
    let mut service = rollcall::node::setup::service(&config, Ids::new([7; 32]));
    for fact in facts {
        service.replay(now, fact);
    }
    Node::start(service, now)
}

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
    m=audio 40000 RTP/AVP 99\r\ni=speech\r\na=rtpmap:99 AMR-WB/16000\r\nm=application 40002 udp MCPTT\r\n\
    a=fmtp:MCPTT mc_queueing;mc_priority=5;mc_granted;mc_implicit_request\r\n";

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

fn code_of(word: &str) -> Option<u16> {
    word.parse().ok()
}

fn value<'a>(words: &[&'a str], key: &str) -> Option<&'a str> {
    words.iter().find_map(|word| word.split_once('=').filter(|(k, _)| *k == key).map(|(_, v)| v))
}

fn duration(text: &str) -> Duration {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number: u64 = number.parse().expect("number");
    match unit {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number * 60),
        "h" => Duration::from_secs(number * 3600),
        other => panic!("unit {other}"),
    }
}

/// A header value, by its full name.
fn header(text: &str, name: &str) -> Option<String> {
    text.lines().take_while(|line| !line.is_empty()).find_map(|line| {
        line.split_once(':')
            .filter(|(n, _)| n.trim().eq_ignore_ascii_case(name))
            .map(|(_, v)| v.trim().to_owned())
    })
}

fn uri_in(value: &str) -> String {
    value.split('<').nth(1).and_then(|rest| rest.split('>').next()).unwrap_or(value).to_owned()
}

/// `sip:fire-1@one.example` is `fire-1` in a figure.
fn short(identity: &str) -> String {
    identity.trim_start_matches("sip:").trim_end_matches(&format!("@{DOMAIN}")).to_owned()
}

/// What a figure tells of a message beyond its method: only what the standard gives a meaning.
fn details(text: &str) -> String {
    let mut words = String::new();
    if let Some(warning) = header(text, "Warning") {
        let _ = write!(words, " warning={:?}", warning.split('"').nth(1).unwrap_or_default());
    }
    for (name, key) in
        [("Expires", "expires"), ("Min-Expires", "min-expires"), ("Retry-After", "retry-after")]
    {
        if let Some(value) = header(text, name) {
            let _ = write!(words, " {key}={value}");
        }
    }
    if text.starts_with("SIP/2.0 3")
        && let Some(contact) = header(text, "Contact")
    {
        let _ = write!(words, " contact={}", short(&uri_in(&contact)));
    }
    if let Some(event) = header(text, "Event") {
        let state = header(text, "Subscription-State").unwrap_or_default();
        let _ = write!(words, " {event} {}", state.split(";expires").next().unwrap_or_default());
    }
    if header(text, "Contact").is_some_and(|contact| contact.contains(";isfocus")) {
        words.push_str(" isfocus");
    }
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    for (element, key) in [
        ("mcptt-request-uri", "to"),
        ("mcptt-calling-user-id", "caller"),
        ("mcptt-calling-group-id", "group"),
        ("emergency-ind", "emergency"),
        ("alert-ind", "alert"),
        ("req-type", "req"),
        ("resp-type", "resp"),
    ] {
        if let Some(value) = element_text(body, element) {
            let _ = write!(words, " {key}={}", short(&value));
        }
    }
    let constituents: Vec<String> = body
        .match_indices("constituent-MCPTT-group-ID>")
        .filter_map(|(at, tag)| {
            let rest = &body[at + tag.len()..];
            let value = rest.split('<').next()?;
            value.starts_with("sip:").then(|| short(value))
        })
        .collect();
    if !constituents.is_empty() {
        let _ = write!(words, " of={}", constituents.join(","));
    }
    if let Some(result) = element_text(body, "result") {
        let _ = write!(words, " result={result}");
    }
    for part in body.split("affiliation ").skip(1) {
        let attribute = |name: &str| {
            part.split('>')
                .next()
                .and_then(|tag| tag.split_once(&format!("{name}=\"")).and_then(|(_, v)| v.split('"').next()))
        };
        if let (Some(group), Some(status)) = (attribute("group"), attribute("status")) {
            let _ = write!(words, " {}:{status}", short(group));
        }
    }
    if body.contains("<conference-info") {
        for user in body.split("<user ").skip(1) {
            let entity = user.split("entity=\"").nth(1).and_then(|v| v.split('"').next()).unwrap_or_default();
            let status = element_text(user, "status").unwrap_or_default();
            let _ = write!(words, " {}:{status}", short(entity));
        }
    }
    if body.contains("v=0\r\n") || body.starts_with("v=0") {
        words.push_str(" sdp");
    }
    words
}

/// The text inside an element, whatever wraps it.
fn element_text(body: &str, element: &str) -> Option<String> {
    let at = body
        .match_indices(element)
        .find(|(at, name)| {
            let before = body[..*at].chars().last();
            let after = body[at + name.len()..].chars().next();
            matches!(before, Some('<' | ':'))
                && matches!(after, Some('>' | ' '))
                && !body[..*at].ends_with("</")
        })?
        .0;
    let rest = &body[at..];
    let mut inside = rest.split_once('>')?.1;
    while let Some(opened) = inside.trim_start().strip_prefix('<') {
        if opened.starts_with('/') {
            return None;
        }
        inside = opened.split_once('>')?.1;
    }
    Some(inside.split('<').next()?.trim().to_owned())
}
