//! A stand for tests of the layers above the transactions: an agent on a clock that the test moves, messages in and
//! messages out as octets.

use crate::config::Limits;
use crate::env::{Ids, Time};
use crate::model::Transport;
use crate::sip::dialog::{Agent, AgentEvent, AgentSettings, SessionId};
use crate::sip::message::{Draft, Method};
use crate::sip::transaction::{
    Beyond, ClientId, Flow, Listener, NextHops, Outbox, Path, ServerId, Settings, Timers, Transmit,
};
use crate::sip::wire::{self, Name, Start};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Our Contact in a session.
pub const CONTACT: &str = "<sip:fire@192.0.2.1:5060;gr=s1>;isfocus";
/// A session description.
pub const SDP: (&str, &str) = ("application/sdp", "v=0\r\n");

/// Where the peer is.
pub fn peer() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 5], 5066))
}

/// A datagram from the peer.
pub fn udp() -> Flow {
    Flow { transport: Transport::Udp, listener: 0, peer: peer(), connection: 0 }
}

/// A connection from the peer, from a port it does not listen on.
pub fn tcp() -> Flow {
    let peer = SocketAddr::from(([192, 0, 2, 5], 40_000));
    Flow { transport: Transport::Tcp, listener: 1, peer, connection: 1 }
}

/// What an agent of tests is set up with.
pub fn settings() -> AgentSettings {
    let listener = |transport| Listener {
        transport,
        bind: SocketAddr::from(([192, 0, 2, 1], 5060)),
        advertised: "192.0.2.1:5060".to_owned(),
    };
    AgentSettings {
        transactions: Settings {
            timers: Timers::default(),
            hops: NextHops {
                listeners: vec![listener(Transport::Udp), listener(Transport::Tcp)],
                hosts: HashMap::new(),
            },
            limits: Limits::default(),
            udp_request_octets: 1300,
            product: None,
            beyond: Beyond::default(),
            hash_key: (1, 2),
        },
        allowed: Method::ALL.into_iter().filter(|method| *method != Method::Refer).collect(),
        options: vec!["100rel", "timer", "tdialog"],
        events: vec!["presence"],
        session_interval: 1800,
        session_minimum: 90,
    }
}

/// An agent and what stands around it.
#[derive(Debug)]
pub struct Stand {
    pub now: Time,
    pub ids: Ids,
    pub agent: Agent,
    pub out: Outbox,
    pub events: Vec<AgentEvent>,
    pub flow: Flow,
}

/// A message that was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub message: wire::Message,
    pub transmit: Transmit,
}

impl Default for Stand {
    fn default() -> Self {
        Self::with(settings())
    }
}

impl Stand {
    pub fn with(settings: AgentSettings) -> Self {
        Self {
            now: Time::from_millis(1_000_000),
            ids: Ids::new([7; 32]),
            agent: Agent::new(settings),
            out: Outbox::new(),
            events: Vec::new(),
            flow: udp(),
        }
    }

    /// Another agent that knows nothing of the first.
    pub fn restart(&mut self) {
        self.agent = Agent::new(self.agent.settings().clone());
        self.out.clear();
        self.events.clear();
    }

    /// A message comes from the peer.
    pub fn receive(&mut self, text: &str) {
        let message = wire::datagram(text.to_owned().into_bytes().into(), &Limits::default());
        let message = message.map(|message| message.expect("a message"));
        self.agent.receive(self.now, &mut self.ids, self.flow, message, &mut self.out, &mut self.events);
        self.agent.settle(self.now, &mut self.out);
    }

    /// Time passes; timers fire at their moment.
    pub fn pass(&mut self, millis: u64) {
        let end = self.now.plus(Duration::from_millis(millis));
        while let Some(due) = self.agent.due().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.agent.fire(self.now, &mut self.ids, &mut self.out, &mut self.events);
        }
        self.now = end;
    }

    /// Time passes; when messages went out, in milliseconds from now, and how they begin.
    pub fn watch(&mut self, millis: u64) -> Vec<(u64, String)> {
        let (start, end) = (self.now, self.now.plus(Duration::from_millis(millis)));
        let mut seen = Vec::new();
        while let Some(due) = self.agent.due().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.agent.fire(self.now, &mut self.ids, &mut self.out, &mut self.events);
            let moment = self.now.since(start).as_millis() as u64;
            seen.extend(self.sent().iter().map(|sent| (moment, sent.line())));
        }
        self.now = end;
        seen
    }

    /// Time passes until something is sent.
    #[track_caller]
    pub fn wait(&mut self) -> Sent {
        while self.out.is_empty() {
            self.now = self.now.max(self.agent.due().expect("something is due"));
            self.agent.fire(self.now, &mut self.ids, &mut self.out, &mut self.events);
        }
        self.only()
    }

    /// What was sent since the last call.
    pub fn sent(&mut self) -> Vec<Sent> {
        let read = |transmit: Transmit| Sent {
            message: wire::message(transmit.octets.clone(), &Limits::default()).expect("we send messages"),
            transmit,
        };
        std::mem::take(&mut self.out).into_iter().map(read).collect()
    }

    /// How the messages begin that were sent since the last call: method or status, and method of CSeq.
    pub fn lines(&mut self) -> Vec<String> {
        self.sent().iter().map(Sent::line).collect()
    }

    /// The one message that was sent since the last call.
    #[track_caller]
    pub fn only(&mut self) -> Sent {
        let mut sent = self.sent();
        assert_eq!(sent.len(), 1, "{:?}", sent.iter().map(Sent::line).collect::<Vec<_>>());
        sent.remove(0)
    }

    /// What the user was told since the last call, in short.
    pub fn told(&mut self) -> Vec<String> {
        self.agent.tell(&mut self.events);
        std::mem::take(&mut self.events).iter().map(short).collect()
    }

    /// The session of the INVITE that just came up.
    #[track_caller]
    pub fn invited(&mut self) -> SessionId {
        match self.events.pop() {
            Some(AgentEvent::Invite { session, .. }) => session,
            other => panic!("no INVITE but {other:?}"),
        }
    }

    /// The transaction of the request that just came up.
    #[track_caller]
    pub fn asked(&mut self) -> ServerId {
        match self.events.pop() {
            Some(AgentEvent::Request { id, .. } | AgentEvent::InSession { id, .. }) => id,
            other => panic!("no request but {other:?}"),
        }
    }
}

/// An event of the agent in short.
pub fn short(event: &AgentEvent) -> String {
    let status = |id: &ClientId, status: &u16, response: bool| {
        let _ = id;
        format!("Answered {status}{}", if response { "" } else { " without response" })
    };
    match event {
        AgentEvent::Request { request, .. } => format!("Request {}", request.method_token()),
        AgentEvent::Invite { .. } => "Invite".to_owned(),
        AgentEvent::Cancelled { reason, .. } => {
            reason.as_ref().map_or("Cancelled".to_owned(), |reason| format!("Cancelled {reason}"))
        }
        AgentEvent::Progress { response, .. } => format!("Progress {}", response.status()),
        AgentEvent::Accepted { .. } => "Accepted".to_owned(),
        AgentEvent::Refused { status, response, .. } => {
            format!("Refused {status}{}", if response.is_some() { "" } else { " without response" })
        }
        AgentEvent::Confirmed { .. } => "Confirmed".to_owned(),
        AgentEvent::Released { .. } => "Released".to_owned(),
        AgentEvent::InSession { request, .. } => format!("InSession {}", request.method_token()),
        AgentEvent::Moved { .. } => "Moved".to_owned(),
        AgentEvent::Lost { why, .. } => format!("Lost: {why}"),
        AgentEvent::GivenUp { status, .. } => format!("GivenUp {status}"),
        AgentEvent::Ended { .. } => "Ended".to_owned(),
        AgentEvent::Answered { id, status: code, response } => status(id, code, response.is_some()),
    }
}

impl Sent {
    /// `BYE`, or `200 INVITE`.
    pub fn line(&self) -> String {
        match self.message.start() {
            Start::Request { method, .. } => String::from_utf8_lossy(method).into_owned(),
            Start::Response { status, .. } => {
                let cseq = self.get(Name::CSeq);
                format!("{status} {}", cseq.split(' ').next_back().unwrap_or_default())
            }
        }
    }

    /// The Request-URI.
    pub fn uri(&self) -> String {
        match self.message.start() {
            Start::Request { uri, .. } => String::from_utf8_lossy(uri).into_owned(),
            Start::Response { .. } => panic!("a response has no Request-URI"),
        }
    }

    /// First value of a header; empty if it is not there.
    pub fn get(&self, name: Name) -> String {
        self.message
            .header(name)
            .map(|value| String::from_utf8_lossy(&value).into_owned())
            .unwrap_or_default()
    }

    /// All lines of a header.
    pub fn all(&self, name: Name) -> Vec<String> {
        self.message.headers(name).map(|value| String::from_utf8_lossy(&value).into_owned()).collect()
    }

    /// Tag of From or To.
    pub fn tag(&self, name: Name) -> String {
        self.get(name).split(";tag=").nth(1).unwrap_or_default().to_owned()
    }

    /// Where it went.
    pub fn to(&self) -> (Transport, SocketAddr) {
        match self.transmit.path {
            Path::Flow(flow) => (flow.transport, flow.peer),
            Path::Address { transport, address, .. } => (transport, address),
        }
    }

    /// The peer's answer to this request.
    pub fn answer(&self, status: u16, to_tag: &str, extra: &[&str], body: Option<(&str, &str)>) -> String {
        let mut text = format!("SIP/2.0 {status} x\r\n");
        for via in self.all(Name::Via) {
            text += &format!("Via: {via}\r\n");
        }
        let to = self.get(Name::To);
        let to = if to.contains(";tag=") || to_tag.is_empty() { to } else { format!("{to};tag={to_tag}") };
        text += &format!("From: {}\r\nTo: {to}\r\n", self.get(Name::From));
        text += &format!("Call-ID: {}\r\nCSeq: {}\r\n", self.get(Name::CallId), self.get(Name::CSeq));
        finish(text, extra, body)
    }
}

/// A peer that calls us, or that we call: what it says in a dialog.
#[derive(Clone, Debug)]
pub struct Peer {
    pub call_id: String,
    pub tag: String,
    /// Our tag, once it is known.
    pub our_tag: String,
    pub cseq: u32,
    pub branch: u32,
    pub uri: String,
}

impl Default for Peer {
    fn default() -> Self {
        Self {
            call_id: "call-1".to_owned(),
            tag: "peer".to_owned(),
            our_tag: String::new(),
            cseq: 0,
            branch: 0,
            uri: "sip:fire@one.example".to_owned(),
        }
    }
}

impl Peer {
    /// The peer of a dialog that a request of ours opened.
    pub fn of(request: &Sent, tag: &str) -> Self {
        Self {
            call_id: request.get(Name::CallId),
            tag: tag.to_owned(),
            our_tag: request.tag(Name::From),
            cseq: 100,
            ..Self::default()
        }
    }

    /// A new request, with its next CSeq.
    pub fn request(&mut self, method: &str, extra: &[&str], body: Option<(&str, &str)>) -> String {
        self.cseq += 1;
        self.request_at(method, self.cseq, extra, body)
    }

    /// A new request with this CSeq.
    pub fn request_at(
        &mut self,
        method: &str,
        cseq: u32,
        extra: &[&str],
        body: Option<(&str, &str)>,
    ) -> String {
        self.branch += 1;
        self.text(method, cseq, self.branch, extra, body)
    }

    /// A request in the transaction of the last one: CANCEL.
    pub fn cancel(&self, extra: &[&str]) -> String {
        self.text("CANCEL", self.cseq, self.branch, extra, None)
    }

    /// The ACK of the last request, an INVITE that was refused.
    pub fn ack_refusal(&self) -> String {
        self.text("ACK", self.cseq, self.branch, &[], None)
    }

    fn text(
        &self,
        method: &str,
        cseq: u32,
        branch: u32,
        extra: &[&str],
        body: Option<(&str, &str)>,
    ) -> String {
        let Self { call_id, tag, our_tag, uri, .. } = self;
        let to_tag = if our_tag.is_empty() { String::new() } else { format!(";tag={our_tag}") };
        let text = format!(
            "{method} {uri} SIP/2.0\r\n\
             Via: SIP/2.0/UDP 192.0.2.5:5066;branch=z9hG4bKp{branch}\r\n\
             Max-Forwards: 0\r\n\
             From: Anna <sip:anna@one.example>;tag={tag}\r\n\
             To: <{uri}>{to_tag}\r\n\
             Call-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\n"
        );
        let contact = ["Contact: <sip:anna@192.0.2.5:5066>"];
        let own = extra.iter().any(|line| line.starts_with("Contact"));
        let needs = matches!(method, "INVITE" | "UPDATE" | "SUBSCRIBE" | "NOTIFY");
        let contact = if needs && !own { &contact[..] } else { &[] };
        let lines: Vec<&str> =
            contact.iter().chain(extra).copied().filter(|line| *line != "Contact").collect();
        finish(text, &lines, body)
    }
}

fn finish(mut text: String, extra: &[&str], body: Option<(&str, &str)>) -> String {
    for line in extra {
        text += &format!("{line}\r\n");
    }
    let (kind, content) = body.unwrap_or_default();
    if body.is_some() {
        text += &format!("Content-Type: {kind}\r\n");
    }
    text += &format!("Content-Length: {}\r\n\r\n{content}", content.len());
    text
}

/// An INVITE of ours.
pub fn our_invite() -> Draft {
    Draft::new(Method::Invite, "sip:bob@192.0.2.5:5066")
        .header(Name::MaxForwards, "70")
        .header(Name::From, "<sip:fire@one.example>;tag=ours")
        .header(Name::To, "<sip:bob@one.example>")
        .header(Name::CallId, "our-call")
        .header(Name::CSeq, "1 INVITE")
        .header(Name::Contact, CONTACT)
        .body(SDP.0, SDP.1)
}
