//! Messages in, messages out, on a clock that the test turns.

mod client;
mod hostile;
mod lossy;
mod server;

use super::*;
use crate::config::Limits;
use crate::env::Ids;
use crate::sip::message::{Draft, Method, Reply};
use crate::sip::wire::{self, Name};
use std::collections::HashMap;
use std::time::Duration;

/// A transaction layer, its clock, and what came out of it.
struct World {
    table: Transactions,
    ids: Ids,
    now: Time,
    out: Outbox,
    events: Vec<Event>,
}

fn settings() -> Settings {
    let listener = |transport, bind: &str| Listener {
        transport,
        bind: bind.parse().unwrap(),
        advertised: bind.to_owned(),
    };
    Settings {
        timers: Timers::default(),
        hops: NextHops {
            listeners: vec![
                listener(Transport::Udp, "192.0.2.1:5060"),
                listener(Transport::Tcp, "192.0.2.1:5060"),
            ],
            hosts: HashMap::from([(
                "two.example".to_owned(),
                vec![
                    (Transport::Udp, "192.0.2.20:5060".parse().unwrap()),
                    (Transport::Udp, "192.0.2.21:5060".parse().unwrap()),
                ],
            )]),
        },
        limits: Limits::default(),
        udp_request_octets: 1300,
        product: None,
        beyond: Beyond::default(),
        hash_key: (1, 2),
    }
}

fn udp() -> Flow {
    flow(Transport::Udp, 0)
}

fn tcp() -> Flow {
    flow(Transport::Tcp, 7)
}

fn flow(transport: Transport, connection: u64) -> Flow {
    let listener = u16::from(transport == Transport::Tcp);
    Flow { transport, listener, peer: "192.0.2.9:5062".parse().unwrap(), connection }
}

impl World {
    fn new() -> Self {
        Self::with(settings())
    }

    fn with(settings: Settings) -> Self {
        Self {
            table: Transactions::new(settings),
            ids: Ids::new([7; 32]),
            now: Time::from_millis(1_700_000_000_003),
            out: Vec::new(),
            events: Vec::new(),
        }
    }

    fn receive(&mut self, flow: Flow, text: &str) {
        let octets = Bytes::copy_from_slice(text.as_bytes());
        let message =
            wire::datagram(octets, &self.table.settings().limits).expect("a message").expect("no ping");
        self.table.receive(self.now, &mut self.ids, flow, message, &mut self.out, &mut self.events);
        self.table.settle_trying(self.now, &mut self.out);
    }

    /// Receives a request and returns the transaction that the user must answer.
    fn request(&mut self, flow: Flow, text: &str) -> ServerId {
        self.receive(flow, text);
        match self.events.pop() {
            Some(Event::Request { id, .. }) => id,
            other => panic!("no request came up: {other:?}"),
        }
    }

    fn respond(&mut self, id: ServerId, status: u16) -> bool {
        self.table.respond(self.now, id, &Reply::new(status), "ours", &mut self.out)
    }

    fn send(&mut self, draft: &Draft) -> ClientId {
        self.table.request(self.now, &mut self.ids, draft, None, &mut self.out).expect("a hop")
    }

    fn unreachable(&mut self, id: ClientId) {
        self.table.unreachable(self.now, &mut self.ids, id, &mut self.out, &mut self.events);
    }

    fn abandon(&mut self, id: ClientId) {
        self.table.abandon(self.now, id, &mut self.out);
    }

    fn cancel(&mut self, id: ClientId) {
        self.table.cancel(self.now, &mut self.ids, id, Some("SIP;cause=200"), &mut self.out);
    }

    /// Lets time pass, with every timer at its moment. Returns how long after now each message left.
    fn wait(&mut self, millis: u64) -> Vec<u64> {
        let start = self.now;
        let end = start.plus(Duration::from_millis(millis));
        let mut sent = Vec::new();
        loop {
            let due = self.table.due().filter(|due| *due <= end);
            self.now = due.unwrap_or(end).max(self.now);
            let before = self.out.len();
            self.table.fire(self.now, &mut self.ids, &mut self.out, &mut self.events);
            sent.extend((before..self.out.len()).map(|_| self.now.since(start).as_millis() as u64));
            if due.is_none() {
                return sent;
            }
        }
    }

    /// Start lines of what was sent since the last look.
    fn sent(&mut self) -> Vec<String> {
        self.out.drain(..).map(|transmit| line(&transmit.octets)).collect()
    }

    /// The one message that was sent since the last look.
    fn one(&mut self) -> (Transmit, String) {
        assert_eq!(self.out.len(), 1, "{:?}", self.out);
        let transmit = self.out.remove(0);
        let text = String::from_utf8(transmit.octets.to_vec()).unwrap();
        (transmit, text)
    }

    /// Names of the events since the last look.
    fn told(&mut self) -> Vec<&'static str> {
        let name = |event: Event| match event {
            Event::Request { .. } => "request",
            Event::Ack { .. } => "ack",
            Event::Cancel { .. } => "cancel",
            Event::Response { .. } => "response",
            Event::Timeout { .. } => "timeout",
            Event::Unreachable { .. } => "unreachable",
            Event::NoAck { .. } => "no ack",
            Event::StrayResponse { .. } => "stray",
        };
        self.events.drain(..).map(name).collect()
    }

    fn is_empty(&self) -> bool {
        self.table.open() == (0, 0) && self.table.due().is_none()
    }
}

fn line(octets: &[u8]) -> String {
    let text = String::from_utf8(octets.to_vec()).unwrap();
    text.split("\r\n").next().unwrap_or_default().to_owned()
}

/// A request of a peer.
fn message(method: &str, branch: &str, to_tag: &str, transport: &str) -> String {
    format!(
        "{method} sip:fire@192.0.2.1 SIP/2.0\r\n\
         Via: SIP/2.0/{transport} 192.0.2.9:5062;branch={branch}\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:a@one.example>;tag=f\r\n\
         To: <sip:fire@one.example>{to_tag}\r\n\
         Call-ID: call\r\n\
         CSeq: 1 {method}\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

fn over_udp(method: &str, branch: &str) -> String {
    message(method, branch, "", "UDP")
}

fn ack(branch: &str) -> String {
    message("ACK", branch, ";tag=ours", "UDP")
}

/// A request of ours.
fn draft(method: Method, uri: &str) -> Draft {
    Draft::new(method, uri)
        .header(Name::MaxForwards, "70")
        .header(Name::From, "<sip:fire@one.example>;tag=f")
        .header(Name::To, "<sip:a@one.example>")
        .header(Name::CallId, "call")
        .header(Name::CSeq, format!("1 {method}"))
}

/// A peer's answer to a request of ours.
fn answer(request: &str, status: u16, tag: &str) -> String {
    let copied = |name: &str| {
        let lines = request.split("\r\n").filter(|line| line.starts_with(name));
        lines.map(|line| format!("{line}\r\n")).collect::<String>()
    };
    let to = copied("To:").replace("\r\n", &format!(";tag={tag}\r\n"));
    let (via, from) = (copied("Via:"), copied("From:"));
    let (call, cseq) = (copied("Call-ID:"), copied("CSeq:"));
    format!("SIP/2.0 {status} Whatever\r\n{via}{from}{to}{call}{cseq}Content-Length: 0\r\n\r\n")
}
