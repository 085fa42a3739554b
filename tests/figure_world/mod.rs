//! The world of a figure: one node, a store in memory, a clock that moves only when the figure says so, and everyone
//! outside, who speak plain text SIP.

mod party;
mod says;
mod system;
mod told;

use crate::outside::judge::Judge;
use crate::outside::message::Message;
use bytes::Bytes;
use party::Party;
use rollcall::env::{Ids, Time};
use rollcall::model::{Change, Fact, FactKey, Transport};
use rollcall::node::{Core, Input, Kept, Node, Ready};
use rollcall::sip::transaction::{Flow, Path, Transmit};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;
use system::System;

/// A running figure.
pub struct World {
    now: Time,
    system: System,
    node: Option<Node>,
    starts: u8,
    facts: BTreeMap<FactKey, Fact>,
    disk_works: bool,
    next: Fate,
    last_input: Option<(Flow, Bytes)>,
    /// The last message of each party.
    last_of: BTreeMap<String, Bytes>,
    out: Vec<String>,
    pub parties: Vec<Party>,
    judge: Judge,
    faults: Vec<String>,
    counter: u32,
    /// Nobody is at these addresses: what is sent there comes back as unreachable.
    vanished: Vec<String>,
    /// Random values seen, by order.
    aliases: Vec<String>,
}

/// What happens to the next message that goes in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Arrives,
    /// It is lost.
    Lost,
    /// It arrives, and the server dies before anything is kept.
    CrashBeforeCommit,
    /// It arrives, its facts are kept, and the server dies before anything is sent.
    CrashAfterCommit,
}

impl World {
    pub fn new() -> Self {
        Self {
            now: Time::from_millis(1_800_000_000_000),
            system: System::new(),
            node: None,
            starts: 0,
            facts: BTreeMap::new(),
            disk_works: true,
            next: Fate::Arrives,
            last_input: None,
            last_of: BTreeMap::new(),
            out: Vec::new(),
            parties: Vec::new(),
            judge: Judge::default(),
            faults: Vec::new(),
            counter: 0,
            vanished: Vec::new(),
            aliases: Vec::new(),
        }
    }

    /// What the server sent since the last call, one line each; several equal lines become one with their number.
    pub fn outputs(&mut self) -> Vec<String> {
        let mut counted: Vec<(String, usize)> = Vec::new();
        for line in std::mem::take(&mut self.out) {
            match counted.last_mut().filter(|(last, _)| *last == line) {
                Some((_, count)) => *count += 1,
                None => counted.push((line, 1)),
            }
        }
        counted
            .into_iter()
            .map(|(line, count)| if count > 1 { format!("{line} x{count}") } else { line })
            .collect()
    }

    /// What the server sent that breaks a rule of every figure.
    pub fn faults(&mut self) -> Vec<String> {
        std::mem::take(&mut self.faults)
    }

    /// Does what one line says.
    pub fn act(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        if self.system.change(&words) {
            if self.node.is_some() {
                self.restart();
            }
            return;
        }
        match words.as_slice() {
            ["given", given @ ..] => self.given(given),
            ["wait", span] => self.wait(span),
            ["repeat"] => {
                let (flow, octets) = self.last_input.clone().expect("nothing to repeat");
                self.datagram(flow, octets);
            }
            [name, "repeats"] => {
                let octets = self.last_of.get(*name).expect("nothing to repeat").clone();
                let flow = self.flow(name);
                self.datagram(flow, octets);
            }
            ["lose"] => self.next = Fate::Lost,
            ["crash"] => self.restart(),
            ["crash", "before", "commit"] => self.next = Fate::CrashBeforeCommit,
            ["crash", "after", "commit"] => self.next = Fate::CrashAfterCommit,
            ["disk", "fails"] => self.disk_works = false,
            ["disk", "works"] => self.disk_works = true,
            ["look"] => self.look(),
            [name, "vanishes"] => self.vanished.push((*name).to_owned()),
            [name, "returns"] => self.vanished.retain(|gone| gone != name),
            [from, "->", "server", verb, rest @ ..] => self.send(from, verb, rest),
            _ => panic!("not a line of a figure: {line}"),
        }
    }

    fn send(&mut self, from: &str, verb: &str, rest: &[&str]) {
        let message = self.compose(from, verb, rest);
        let party = self.party(from);
        if message.status().is_none() {
            party.sent.insert(message.method().to_owned(), message.clone());
            self.judge.heard(&message);
        }
        self.last_of.insert(from.to_owned(), message.octets());
        let flow = self.flow(from);
        self.datagram(flow, message.octets());
    }

    fn flow(&mut self, name: &str) -> Flow {
        let peer = self.party(name).address;
        Flow { transport: Transport::Udp, listener: 0, peer, connection: 0 }
    }

    /// Pre-conditions of a figure, without showing how they come about.
    fn given(&mut self, words: &[&str]) {
        match words {
            [names @ .., "registered"] => {
                for name in names {
                    self.must(name, "REGISTER", &[], 200);
                }
            }
            [core, "registered", of] => {
                self.must(core, "REGISTER", &[of], 200);
            }
            [name, "affiliated", groups] => {
                if !self.party(name).sent.contains_key("REGISTER") {
                    self.must(name, "REGISTER", &[], 200);
                }
                self.must(name, "PUBLISH", &[groups], 200);
            }
            [name, "formed", group, "of", constituents] => {
                let (of, group) = (format!("of={constituents}"), format!("group={group}"));
                self.must(name, "MESSAGE", &["regroup", &of, &group], 200);
            }
            // Everyone answers what is asked.
            ["answers"] => {}
            [name, "calls", group, "with", members @ ..] => self.given_call(name, group, members),
            _ => panic!("not a pre-condition: {words:?}"),
        }
        self.answer_all("MESSAGE");
        self.answer_all("NOTIFY");
        self.out.clear();
    }

    /// A call that stands: these members accepted, all others are busy.
    fn given_call(&mut self, name: &str, group: &str, members: &[&str]) {
        self.send(name, "INVITE", &[group]);
        for member in members {
            self.send(member, "200", &["INVITE"]);
        }
        let others: Vec<String> = self.parties.iter().map(|party| party.name.clone()).collect();
        for other in others {
            while self.party(&other).asked.iter().any(|asked| asked.method() == "INVITE") {
                self.send(&other, "486", &["INVITE"]);
            }
        }
        let answer = self.party(name).answers.get("INVITE").and_then(Message::status);
        assert_eq!(answer, Some(200), "the call does not stand: {:?}", self.out);
        self.send(name, "ACK", &[]);
    }

    fn must(&mut self, from: &str, verb: &str, words: &[&str], status: u16) {
        self.send(from, verb, words);
        let answer = self.party(from).answers.get(verb).and_then(Message::status);
        assert_eq!(answer, Some(status), "{from} {verb} {words:?}: {:?}", self.out);
    }

    fn answer_all(&mut self, method: &str) {
        let names: Vec<String> = self.parties.iter().map(|party| party.name.clone()).collect();
        for name in names {
            while self.party(&name).asked.iter().any(|asked| asked.method() == method) {
                self.send(&name, "200", &[method]);
            }
        }
    }

    fn wait(&mut self, span: &str) {
        let span = duration(span);
        let until = self.now.plus(span);
        while let Some(due) = self.node().due().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.feed(Input::Tick);
            if self.node().due() == Some(due) {
                // A wheel that rounds up: step over the tick.
                self.now = self.now.plus(Duration::from_millis(10));
            }
        }
        self.now = until;
        self.feed(Input::Tick);
        if span > Duration::from_secs(32) {
            self.judge.forget();
        }
        // Repetitions to several clients come in turns: count them where the first one stands.
        let mut counted: Vec<(String, usize)> = Vec::new();
        for line in std::mem::take(&mut self.out) {
            match counted.iter_mut().find(|(known, _)| *known == line) {
                Some((_, count)) => *count += 1,
                None => counted.push((line, 1)),
            }
        }
        self.out = counted.into_iter().flat_map(|(line, count)| vec![line; count]).collect();
    }

    /// What the server still holds.
    fn look(&mut self) {
        let held = self.node().service().holds();
        let line = format!("server holds {held}");
        self.out.push(line);
    }

    fn datagram(&mut self, flow: Flow, octets: Bytes) {
        self.last_input = Some((flow, octets.clone()));
        match std::mem::replace(&mut self.next, Fate::Arrives) {
            Fate::Lost => {}
            Fate::Arrives => self.feed(Input::Datagram { flow, octets }),
            fate => {
                let mut ready = Ready::default();
                let now = self.now;
                self.node().handle(now, Input::Datagram { flow, octets }, &mut ready);
                self.node().finish(now, &mut ready);
                if let (Fate::CrashAfterCommit, Some(batch)) = (fate, ready.batch) {
                    batch.changes.iter().for_each(|change| self.keep(change));
                }
                self.restart();
            }
        }
    }

    fn feed(&mut self, input: Input) {
        let now = self.now;
        let mut ready = Ready::default();
        self.node().handle(now, input, &mut ready);
        self.node().finish(now, &mut ready);
        let mut leaving = ready.at_once;
        if let Some(batch) = ready.batch {
            let kept = if self.disk_works { Kept::Yes } else { Kept::No };
            if kept == Kept::Yes {
                batch.changes.iter().for_each(|change| self.keep(change));
            }
            leaving.extend(self.node().settle(now, batch.number, kept));
            if kept == Kept::No {
                // The runtime builds the node anew from what the store has.
                self.emit(leaving);
                self.restart();
                return;
            }
        }
        self.emit(leaving);
    }

    fn emit(&mut self, leaving: Vec<Transmit>) {
        for transmit in leaving {
            if let Some(ticket) = self.emitted(&transmit) {
                self.feed(Input::Unreachable { ticket });
            }
        }
    }

    fn node(&mut self) -> &mut Node {
        if self.node.is_none() {
            self.start();
        }
        self.node.as_mut().expect("just started")
    }

    /// A node over the configuration that starts from the facts on disk.
    fn start(&mut self) {
        let file = std::path::Path::new("system.toml");
        let config = rollcall::config::Config::read(file, self.system.text().as_bytes())
            .unwrap_or_else(|mistakes| panic!("configuration of the figure: {mistakes:?}"));
        self.starts += 1;
        let mut service = rollcall::node::setup::service(&config, Ids::new([self.starts; 32]));
        for fact in self.facts.values() {
            service.replay(self.now, fact.clone());
        }
        self.node = Some(Node::start(service, self.now));
    }

    fn restart(&mut self) {
        self.start();
        self.judge.forget();
        self.feed(Input::Tick);
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
        if let Some(line) = kept(change) {
            let line = self.alias(format!("server {line}"));
            self.out.push(line);
        }
    }

    /// Hands a message to whom it is for. Returns its ticket if nobody is there.
    fn emitted(&mut self, transmit: &Transmit) -> Option<rollcall::sip::transaction::ClientId> {
        let peer = match transmit.path {
            Path::Flow(flow) => flow.peer,
            Path::Address { address, .. } => address,
        };
        let message = Message::read(&transmit.octets);
        self.faults.extend(self.judge.said(&message, &transmit.octets));
        let place = self.parties.iter().position(|party| party.address == peer);
        let place = place.or_else(|| {
            // A peer that has not said anything yet.
            let peers = ["pf", "cf", "scscf"].map(|name| Party::new(name, 0));
            self.parties.extend(peers.into_iter().filter(|party| party.address == peer));
            self.parties.iter().position(|party| party.address == peer)
        });
        let name = place.map_or(peer.to_string(), |place| self.parties[place].name.clone());
        let first = match message.status() {
            Some(status) => format!("{status} {}", message.method()),
            None => message.method().to_owned(),
        };
        let line = self.alias(format!("server -> {name} {first}{}", told::words(&message)));
        self.out.push(line);
        if self.vanished.contains(&name) {
            return transmit.ticket;
        }
        if let Some(place) = place {
            self.parties[place].hear(&message);
        }
        None
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
}

/// What a figure tells of a change that was kept.
fn kept(change: &Change) -> Option<String> {
    Some(match change {
        Change::Put(Fact::TemporaryGroup(side, document)) => {
            format!("keeps {side:?} temporary {}", short(document.id.as_str()))
        }
        Change::Put(Fact::Regrouped(side, group, mark)) => {
            format!("keeps {side:?} {} in {}", short(group.as_str()), short(mark.temporary.as_str()))
        }
        Change::Remove(FactKey::TemporaryGroup(side, group)) => {
            format!("forgets {side:?} temporary {}", short(group.as_str()))
        }
        Change::Remove(FactKey::Regrouped(side, group)) => {
            format!("forgets {side:?} {} regrouped", short(group.as_str()))
        }
        Change::Put(Fact::Affiliation(client)) => {
            let groups: Vec<String> = client
                .groups
                .iter()
                .map(|entry| format!("{}:{:?}", short(entry.group.as_str()), entry.status).to_lowercase())
                .collect();
            let device = client.client.as_str().trim_start_matches("urn:uuid:");
            format!("keeps {device} {}", groups.join(","))
        }
        Change::Remove(FactKey::Affiliation(_, client)) => {
            format!("forgets {} affiliations", client.as_str().trim_start_matches("urn:uuid:"))
        }
        Change::Put(Fact::Call(call)) if call.orphaned => {
            format!("keeps call on {} that is gone", short(call.group.id.as_str()))
        }
        _ => return None,
    })
}

/// `fire-1` is sip:fire-1@one.example, `fire-2@two.example` is sip:fire-2@two.example.
fn full(identity: &str) -> String {
    if identity.contains('@') { format!("sip:{identity}") } else { format!("sip:{identity}@one.example") }
}

/// `sip:fire-1@one.example` is `fire-1` in a figure.
fn short(identity: &str) -> String {
    identity.trim_start_matches("sip:").trim_end_matches("@one.example").to_owned()
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
