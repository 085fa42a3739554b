//! The service by itself: what clients send, what they hear, and the facts that are kept. Every input is committed at
//! once; a restart builds the service again from the facts.

mod border;
mod functions;
mod group_data;
mod limits;
mod rosters;
mod sessions;
mod trust;

use super::*;
use crate::config::DigestAlgorithm;
use crate::model::testing::*;
use crate::model::{FactKey, GroupDocument, Leg, LegLink, Transport, User};
use crate::procedure::testing::policy;
use crate::sip::testing::{Sent, settings};
use std::time::Duration;

pub const ICSI: &str = "urn:urn-7:3gpp-service.ims.icsi.mcptt";
pub const PARTICIPATING: &str = "sip:mcptt-participating@one.example";
pub const GMS: &str = "sip:gms@one.example";
const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.5\r\ns=-\r\nc=IN IP4 192.0.2.5\r\nt=0 0\r\n\
    m=audio 50000 RTP/AVP 97\r\ni=speech\r\na=rtpmap:97 AMR-WB/16000\r\n\
    m=application 50002 udp MCPTT\r\na=fmtp:MCPTT mc_queueing;mc_priority=7\r\n";

/// A service, its disk, and what it sent.
pub struct World {
    pub setup: Setup,
    pub service: Service,
    pub now: Time,
    pub facts: BTreeMap<FactKey, Fact>,
    pub sent: Vec<Sent>,
    users: Vec<User>,
    groups: Vec<GroupDocument>,
    requests: u32,
}

/// Where a client is: the last octet of its address.
pub fn flow(host: u8) -> Flow {
    let peer = std::net::SocketAddr::from(([192, 0, 2, host], 5060));
    Flow { transport: Transport::Udp, listener: 0, peer, connection: 0 }
}

pub fn setup() -> Setup {
    let mut agent = settings();
    agent.events.push("conference");
    Setup {
        policy: policy(),
        agent,
        peers: Peers::default(),
        registrar: true,
        digest: Digest {
            realm: DOMAIN.to_owned(),
            algorithms: vec![DigestAlgorithm::Md5],
            nonce_key: [3; 32],
        },
        core: Vec::new(),
        media_ports: (40_000, 40_999),
        limits: Limits::default(),
        fallback_psi: Psi::new("sip:one.example"),
    }
}

impl World {
    pub fn new(setup: Setup, users: Vec<User>, groups: Vec<GroupDocument>) -> Self {
        let model = Model::provisioned(users.clone(), groups.clone());
        Self {
            service: Service::new(setup.clone(), model, Ids::new([7; 32])),
            now: Time::from_millis(1_000_000_000_000),
            facts: BTreeMap::new(),
            sent: Vec::new(),
            requests: 0,
            setup,
            users,
            groups,
        }
    }

    /// Alice, bob and carol are affiliated to `fire` and registered: alice at 5, bob at 6, carol at 7.
    pub fn brigade(setup: Setup) -> Self {
        let names = ["alice", "bob", "carol"];
        let users = names.iter().map(|name| user_with(name, |profile| profile.allow_regroup = true));
        let groups = vec![group("fire", &names), group("rescue", &names)];
        let mut world = Self::new(setup, users.collect(), groups);
        for (name, host) in names.into_iter().zip(5..) {
            world.register(name, host, 3600);
            world.service.change(affiliation(name, &format!("{name}-phone"), &["fire", "rescue"]));
        }
        world.settle();
        world.sent.clear();
        world
    }

    /// What follows from an input is kept and sent.
    fn settle(&mut self) {
        for change in self.service.take_changes() {
            match change {
                Change::Put(fact) => drop(self.facts.insert(fact.key(), fact)),
                Change::Remove(key) => drop(self.facts.remove(&key)),
            }
        }
        for transmit in self.service.take_out() {
            let message = wire::datagram(transmit.octets.clone(), &Limits::default());
            let message = message.unwrap().unwrap();
            self.sent.push(Sent { message, transmit });
        }
    }

    pub fn receive(&mut self, flow: Flow, text: &str) {
        let message = wire::datagram(text.to_owned().into_bytes().into(), &Limits::default());
        self.service.receive(self.now, flow, message.map(|message| message.expect("a message")));
        self.settle();
    }

    pub fn wait(&mut self, span: Duration) {
        let end = self.now.plus(span);
        while let Some(due) = self.service.due().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.service.tick(self.now);
            self.settle();
            if self.service.due() == Some(due) {
                self.now = self.now.plus(Duration::from_millis(10));
            }
        }
        self.now = end;
    }

    /// The process is killed and started again.
    pub fn restart(&mut self) {
        let model = Model::provisioned(self.users.clone(), self.groups.clone());
        self.service = Service::new(self.setup.clone(), model, Ids::new([8; 32]));
        for fact in self.facts.values() {
            self.service.replay(self.now, fact.clone());
        }
        self.sent.clear();
        self.service.resume(self.now);
        self.settle();
    }

    /// A request outside any dialog. Returns the final answer.
    pub fn ask(
        &mut self,
        (user, host): (&str, u8),
        method: &str,
        uri: &str,
        extra: &[&str],
        body: Option<(&str, &str)>,
    ) -> Sent {
        self.requests += 1;
        let number = self.requests;
        let from = format!("sip:{user}@one.example");
        let to = if method == "REGISTER" { from.as_str() } else { uri };
        let mut text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.{host}:5060;branch=z9hG4bKr{number}\r\n\
             Max-Forwards: 70\r\nFrom: <{from}>;tag=t{number}\r\nTo: <{to}>\r\nCall-ID: r{number}\r\n\
             CSeq: 1 {method}\r\n"
        );
        extra.iter().for_each(|line| text += &format!("{line}\r\n"));
        let (kind, content) = body.unwrap_or_default();
        if body.is_some() {
            text += &format!("Content-Type: {kind}\r\n");
        }
        text += &format!("Content-Length: {}\r\n\r\n{content}", content.len());
        self.sent.clear();
        self.receive(flow(host), &text);
        let final_answer = |sent: &&Sent| {
            let line = sent.line();
            sent.get(wire::Name::CallId) == format!("r{number}")
                && line.ends_with(method)
                && !line.starts_with('1')
        };
        self.sent.iter().find(final_answer).unwrap_or_else(|| panic!("no answer to {text}")).clone()
    }

    pub fn register(&mut self, user: &str, host: u8, expires: u32) -> Sent {
        let contact = format!("Contact: <sip:{user}@192.0.2.{host}:5060>;+sip.instance=\"<{user}-phone>\"");
        let expires = format!("Expires: {expires}");
        self.ask((user, host), "REGISTER", "sip:one.example", &[&contact, &expires], None)
    }

    /// An INVITE to a group; answers and invitations are in `sent`.
    pub fn call(&mut self, (user, host): (&str, u8), group: &str, extra: &[&str]) -> Caller {
        let number = self.requests + 1;
        self.requests = number;
        let caller = Caller { number, user: user.to_owned(), host };
        let info = info(&format!(
            "<session-type>prearranged</session-type><mcptt-request-uri type=\"Normal\"><mcpttURI>\
             sip:{group}@one.example</mcpttURI></mcptt-request-uri>"
        ));
        let body = format!(
            "--b\r\nContent-Type: application/sdp\r\n\r\n{OFFER}\r\n\
             --b\r\nContent-Type: application/vnd.3gpp.mcptt-info+xml\r\n\r\n{info}\r\n--b--\r\n"
        );
        let accept = format!("Accept-Contact: *;+g.3gpp.icsi-ref=\"{}\"", ICSI.replace(':', "%3A"));
        let service = format!("P-Preferred-Service: {ICSI}");
        let mut lines = vec![
            "Accept-Contact: *;+g.3gpp.mcptt;require;explicit",
            &accept,
            &service,
            "Content-Type: multipart/mixed;boundary=b",
        ];
        lines.extend(extra);
        let text = caller.text("INVITE", 1, "", PARTICIPATING, &lines, &body);
        self.sent.clear();
        self.receive(flow(host), &text);
        caller
    }

    /// The message of this kind that went to a client.
    pub fn to(&self, host: u8, line: &str) -> Option<&Sent> {
        self.sent.iter().find(|sent| sent.to().1 == flow(host).peer && sent.line() == line)
    }

    /// A client answers a request of the server.
    pub fn answer(&mut self, host: u8, request: &Sent, status: u16) {
        let accepts = status == 200 && request.line() == "INVITE";
        let contact = format!("Contact: <sip:client@192.0.2.{host}:5060>");
        let extra: &[&str] = if accepts { &[&contact] } else { &[] };
        let body = accepts.then_some(("application/sdp", OFFER));
        let text = request.answer(status, "theirs", extra, body);
        self.receive(flow(host), &text);
    }
}

/// A client that called.
pub struct Caller {
    number: u32,
    user: String,
    host: u8,
}

impl Caller {
    pub fn text(
        &self,
        method: &str,
        cseq: u32,
        to_tag: &str,
        uri: &str,
        extra: &[&str],
        body: &str,
    ) -> String {
        let Self { number, user, host } = self;
        let tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
        let mut text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.{host}:5060;branch=z9hG4bKi{number}{method}{cseq}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@one.example>;tag=c{number}\r\nTo: <{PARTICIPATING}>{tag}\r\n\
             Call-ID: call-{number}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:{user}@192.0.2.{host}:5060>\r\n"
        );
        extra.iter().for_each(|line| text += &format!("{line}\r\n"));
        text + &format!("Content-Length: {}\r\n\r\n{body}", body.len())
    }
}

/// An mcptt-info document of these elements.
pub fn info(elements: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><mcpttinfo xmlns=\"urn:3gpp:ns:mcpttInfo:1.0\">\
         <mcptt-Params>{elements}</mcptt-Params></mcpttinfo>"
    )
}

/// A body of two parts, the first of them mcptt-info.
pub fn with_info(elements: &str, kind: &str, content: &str) -> (String, String) {
    let body = format!(
        "--b\r\nContent-Type: application/vnd.3gpp.mcptt-info+xml\r\n\r\n{}\r\n\
         --b\r\nContent-Type: {kind}\r\n\r\n{content}\r\n--b--\r\n",
        info(elements)
    );
    ("multipart/mixed;boundary=b".to_owned(), body)
}
