//! Everyone outside the server: clients, and functions that the configuration knows as peers.

use crate::outside::message::{Message, parameter, uri_in};
use crate::outside::{bodies, xml};
use std::collections::HashMap;
use std::net::SocketAddr;

/// One address outside. A client of a user is called after the user (`bob`, `zoe@two`), a further one with a suffix
/// (`bob.desk`, `zoe.desk@two`).
#[derive(Debug)]
pub struct Party {
    pub name: String,
    pub address: SocketAddr,
    /// Identity that a peer asserts for itself.
    pub psi: Option<&'static str>,
    /// Last request by method.
    pub sent: HashMap<String, Message>,
    /// Last answer by method.
    pub answers: HashMap<String, Message>,
    /// Last MESSAGE with an affiliation command that the server sent.
    pub proposed: Option<Message>,
    /// Requests of the server without a final answer, oldest first.
    pub asked: Vec<Message>,
    /// Branches of all that the server asked: a repetition is not asked again.
    seen: Vec<String>,
    /// INVITE dialogs that stand, oldest first.
    pub dialogs: Vec<Dialog>,
    /// INVITE dialogs that ended, oldest first.
    pub ended: Vec<Dialog>,
    /// Subscriptions that stand, oldest first.
    pub subscriptions: Vec<Dialog>,
    /// Subscriptions that ended, oldest first.
    pub past: Vec<Dialog>,
    /// The session identity that the server gave last.
    pub session: Option<String>,
    /// CSeq of the last REGISTER.
    pub registrations: u32,
}

/// One side of a dialog.
#[derive(Clone, Debug)]
pub struct Dialog {
    /// The group of a call, the event package of a subscription.
    pub about: String,
    /// The peer's Contact.
    pub target: String,
    /// From of our requests.
    pub local: String,
    /// To of our requests.
    pub remote: String,
    pub call_id: String,
    pub cseq: u32,
}

/// Peers of `system.toml`: name, address, PSI.
const PEERS: [(&str, &str, Option<&str>); 3] = [
    ("pf", "192.0.2.9:5060", Some("sip:pf@one.example")),
    ("cf", "192.0.2.8:5060", Some("sip:cf@one.example")),
    ("scscf", "192.0.2.7:5060", None),
];

impl Party {
    /// Clients have ports of their own on one address.
    pub fn new(name: &str, number: usize) -> Self {
        let peer = PEERS.iter().find(|(peer, ..)| *peer == name);
        let address = match peer {
            Some((_, address, _)) => (*address).to_owned(),
            None => format!("192.0.2.1:{}", 6001 + number),
        };
        Self {
            name: name.to_owned(),
            address: address.parse().expect("address"),
            psi: peer.and_then(|(_, _, psi)| *psi),
            sent: HashMap::new(),
            answers: HashMap::new(),
            proposed: None,
            asked: Vec::new(),
            seen: Vec::new(),
            dialogs: Vec::new(),
            ended: Vec::new(),
            subscriptions: Vec::new(),
            past: Vec::new(),
            session: None,
            registrations: 0,
        }
    }

    /// The user whose client this is: `zoe@two` of the client `zoe.desk@two`.
    pub fn user(&self) -> String {
        let (client, system) = self.name.split_at(self.name.find('@').unwrap_or(self.name.len()));
        format!("{}{system}", client.split('.').next().unwrap_or_default())
    }

    /// The name of the client without that of its system: `zoe.desk`.
    pub fn client(&self) -> &str {
        self.name.split('@').next().unwrap_or_default()
    }

    /// Contact value of a client.
    pub fn contact(&self) -> String {
        format!(
            "<sip:{}@{}>;+g.3gpp.mcptt",
            self.client().split('.').next().unwrap_or_default(),
            self.address
        )
    }

    /// The server says something to this party.
    pub fn hear(&mut self, message: &Message) {
        if message.status().is_some() {
            self.hear_answer(message);
            return;
        }
        let branch = parameter(message.value("Via"), "branch").unwrap_or_default().to_owned();
        let method = message.method().to_owned();
        let key = format!("{branch} {method}");
        if method == "ACK" || self.seen.contains(&key) {
            return;
        }
        self.seen.push(key);
        if message.part(bodies::COMMAND).is_some() {
            self.proposed = Some(message.clone());
        }
        if method == "BYE" {
            let ends = |dialog: &Dialog| dialog.call_id == message.value("Call-ID");
            self.ended.extend(self.dialogs.iter().find(|dialog| ends(dialog)).cloned());
            self.dialogs.retain(|dialog| !ends(dialog));
        }
        if method == "NOTIFY" && message.value("Subscription-State").starts_with("terminated") {
            let ends = |dialog: &Dialog| dialog.call_id == message.value("Call-ID");
            self.past.extend(self.subscriptions.iter().find(|dialog| ends(dialog)).cloned());
            self.subscriptions.retain(|dialog| !ends(dialog));
        }
        if method == "NOTIFY" {
            // The state of a subscription is told by its last one.
            let same = |asked: &Message| {
                asked.method() == "NOTIFY" && asked.value("Call-ID") == message.value("Call-ID")
            };
            self.asked.retain(|asked| !same(asked));
        }
        self.asked.push(message.clone());
    }

    fn hear_answer(&mut self, message: &Message) {
        let method = message.method().to_owned();
        let request = self.sent.get(&method).filter(|sent| sent.value("CSeq") == message.value("CSeq"));
        let first = request.is_some_and(|request| parameter(request.value("To"), "tag").is_none());
        if first && (200..300).contains(&message.status().unwrap_or_default()) {
            let mut dialog = Dialog {
                about: String::new(),
                target: uri_in(message.value("Contact")).to_owned(),
                local: message.value("From").to_owned(),
                remote: message.value("To").to_owned(),
                call_id: message.value("Call-ID").to_owned(),
                cseq: message.cseq(),
            };
            let known = |list: &[Dialog]| list.iter().any(|one| one.call_id == dialog.call_id);
            match method.as_str() {
                "INVITE" if !known(&self.dialogs) => {
                    let named = |message: &Message, element| {
                        message
                            .part(bodies::INFO)
                            .and_then(|info| xml::text(&info, element).map(str::to_owned))
                    };
                    let group = named(message, "mcptt-calling-group-id")
                        .or_else(|| named(request?, "mcptt-request-uri"));
                    dialog.about = group.unwrap_or_default();
                    self.session = Some(dialog.target.clone());
                    self.dialogs.push(dialog);
                }
                "SUBSCRIBE" if !known(&self.subscriptions) => {
                    dialog.about =
                        request.map(|request| request.value("Event").to_owned()).unwrap_or_default();
                    self.subscriptions.push(dialog);
                }
                _ => {}
            }
        }
        self.answers.insert(method, message.clone());
    }

    /// The newest request of this method that waits, of MESSAGEs the oldest, of the system whose name in
    /// Via this is; a final answer takes it away.
    pub fn take_asked(&mut self, method: &str, asker: &str, last_word: bool) -> Option<Message> {
        let meant = |request: &Message| request.method() == method && request.value("Via").contains(asker);
        let mut all = self.asked.iter().enumerate().filter(|(_, request)| meant(request));
        let (place, _) = if method == "MESSAGE" { all.next()? } else { all.next_back()? };
        Some(if last_word { self.asked.remove(place) } else { self.asked[place].clone() })
    }

    /// An INVITE of the server was accepted.
    pub fn accepted(&mut self, invite: &Message, answer: &Message) {
        if parameter(invite.value("To"), "tag").is_some() {
            return;
        }
        let group = invite.part(bodies::INFO);
        let group = group.as_deref().and_then(|info| xml::text(info, "mcptt-calling-group-id"));
        let dialog = Dialog {
            about: group.unwrap_or_default().to_owned(),
            target: uri_in(invite.value("Contact")).to_owned(),
            local: answer.value("To").to_owned(),
            remote: invite.value("From").to_owned(),
            call_id: invite.value("Call-ID").to_owned(),
            cseq: 0,
        };
        self.session = Some(dialog.target.clone());
        self.dialogs.push(dialog);
    }
}
