//! The world of a figure: one system or several, each with a store in memory, a clock that moves only when the figure
//! says so, the network between the systems, and everyone outside, who speak plain text SIP.

mod between;
mod facts;
pub mod mishap;
mod names;
mod party;
mod says;
mod server;
mod service;
mod system;
mod told;

use crate::outside::judge::{Gateway, Judge, Own};
use crate::outside::message::Message;
use crate::outside::network::{CONNECT_TIMEOUT, Network, Reach, Receiver};
use between::{Arrival, Between, Fate};
use bytes::Bytes;
use names::Names;
use party::Party;
use rollcall::config::{Config, Hidden};
use rollcall::env::Time;
use rollcall::model::{Change, Fact, FactKey, Service, SharingState, Transport};
use rollcall::node::Input;
use rollcall::sip::transaction::{Flow, Transmit};
use server::{Crash, Server};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;
use system::System;

/// A running figure.
pub struct World {
    now: Time,
    /// Name and configuration of each system, until the first message.
    given: Vec<(String, System)>,
    servers: Vec<Server>,
    names: Names,
    network: Network,
    between: Between,
    /// The next message that goes in from outside is lost.
    loses: bool,
    last_input: Option<(usize, Flow, Bytes)>,
    /// The last message of each party, and to which system.
    last_of: BTreeMap<String, (usize, Bytes)>,
    /// The system that is spoken to.
    spoken_to: usize,
    out: Vec<String>,
    pub parties: Vec<Party>,
    faults: Vec<String>,
    counter: u32,
    /// Nobody is at these addresses: what is sent there comes back as unreachable.
    vanished: Vec<String>,
    /// Random values seen, by order.
    aliases: Vec<String>,
    /// The figure is played with a mishap.
    played: Option<mishap::Played>,
}

/// Tells the words of a figure for which service a message was: it is read in the names of MCPTT.
const SERVICE: &str = "x-service";

/// What addresses of clients begin with.
const CLIENTS: &str = "192.0.2.1:";

/// Name of the only system of a figure that names none.
pub const SERVER: &str = "server";

impl World {
    /// A world of these systems, each with its name and that of its configuration.
    pub fn new(systems: &[(String, String)]) -> Self {
        let given: Vec<(String, System)> =
            systems.iter().map(|(name, file)| (name.clone(), System::new(file))).collect();
        let names = Names::new(given.iter().map(|(name, system)| (name.clone(), system.domain().to_owned())));
        Self {
            now: Time::from_millis(1_800_000_000_000),
            given,
            servers: Vec::new(),
            names,
            network: Network::default(),
            between: Between::default(),
            loses: false,
            last_input: None,
            last_of: BTreeMap::new(),
            spoken_to: 0,
            out: Vec::new(),
            parties: Vec::new(),
            faults: Vec::new(),
            counter: 0,
            vanished: Vec::new(),
            aliases: Vec::new(),
            played: None,
        }
    }

    /// Puts every system behind a gateway server that hides it from the others.
    pub fn hide(&mut self) {
        let systems: Vec<_> =
            self.given.iter().map(|(_, system)| (system.domain().to_owned(), system.places())).collect();
        for (_, system) in &mut self.given {
            let own = system.domain().to_owned();
            let partners: Vec<_> = systems.iter().filter(|(domain, _)| *domain != own).cloned().collect();
            system.hide(&partners);
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
        if words[0] == "system" || self.change(&words) {
            return;
        }
        self.begin();
        match words.as_slice() {
            ["given", given @ ..] => self.given(given),
            ["wait", span] => self.wait(duration(span)),
            ["repeat"] => {
                let (to, flow, octets) = self.last_input.clone().expect("nothing to repeat");
                self.datagram(to, flow, octets);
            }
            ["repeat", from, "->", to] => {
                let way = self.way(from, to);
                self.between.repeat(self.now, way);
            }
            [name, "repeats"] => self.repeats(name),
            ["lose"] => self.loses = true,
            ["lose", "store", "of", name] => {
                let server = self.server(name);
                self.servers[server].lose_store();
                self.restart(server);
            }
            ["lose", from, "->", to, times @ ..] => self.expect(from, to, Fate::Lost, times),
            ["double", from, "->", to, times @ ..] => self.expect(from, to, Fate::Twice, times),
            ["delay", from, "->", to, span, times @ ..] => {
                self.expect(from, to, Fate::Delayed(duration(span)), times);
            }
            ["cut", from, "->", to] => self.between.cut(self.way(from, to)),
            ["mend", from, "->", to] => self.between.mend(self.way(from, to)),
            ["cut", one, other] => [(one, other), (other, one)]
                .into_iter()
                .for_each(|(from, to)| self.between.cut(self.way(from, to))),
            ["mend", one, other] => [(one, other), (other, one)]
                .into_iter()
                .for_each(|(from, to)| self.between.mend(self.way(from, to))),
            ["crash", when @ ..] => self.crash(when),
            ["stop", name] => {
                let server = self.server(name);
                self.network.disconnect(server);
                self.servers[server].stop();
            }
            ["start", name] => {
                let server = self.server(name);
                self.restart(server);
            }
            ["empty", name] => {
                let server = self.server(name);
                self.servers[server].empty();
                self.restart(server);
            }
            ["disk", "fails"] => self.servers[0].disk_works = false,
            ["disk", "works"] => self.servers[0].disk_works = true,
            ["disk", "of", name, works] => {
                let server = self.server(name);
                self.servers[server].disk_works = *works == "works";
            }
            ["look"] => (0..self.servers.len()).for_each(|server| self.look(server)),
            [name, "vanishes"] => self.vanished.push((*name).to_owned()),
            [name, "returns"] => self.vanished.retain(|gone| gone != name),
            [from, "->", to, verb, rest @ ..] => {
                let to = self.server(to);
                self.send(from, to, verb, rest);
            }
            _ => panic!("not a line of a figure: {line}"),
        }
        self.arrivals();
    }

    /// Changes a configuration if the line is about one: that of the system it begins with, or of the only one.
    fn change(&mut self, words: &[&str]) -> bool {
        let named = self.given.iter().position(|(name, _)| name == words[0] && self.given.len() > 1);
        let words = if named.is_some() { &words[1..] } else { words };
        let place = named.unwrap_or(0);
        let changed = match self.servers.get_mut(place) {
            Some(server) => server.system.change(words),
            None => self.given[place].1.change(words),
        };
        if changed && !self.servers.is_empty() {
            self.restart(place);
        }
        changed
    }

    /// Starts all systems, if that was not done.
    fn begin(&mut self) {
        if !self.servers.is_empty() {
            return;
        }
        let configs: Vec<_> = self.given.iter().map(|(_, system)| Server::config(system)).collect();
        let media: Vec<String> = configs.iter().map(|config| config.media.address.to_string()).collect();
        let controlling = configs.iter().flat_map(|config| &config.functions.controlling);
        let controlling = controlling.map(ToString::to_string).chain(["sip:cf@one.example".to_owned()]);
        let gateways = configs.iter().filter_map(|config| config.functions.gateway.as_ref());
        let controlling: Vec<String> = controlling.chain(gateways.map(ToString::to_string)).collect();
        let agents: Vec<String> = configs.iter().map(|config| config.server.name.clone()).collect();
        let shown = configs.iter().flat_map(|config| &config.partners);
        let shown: Vec<_> = shown.filter_map(|partner| partner.gateway.hidden.clone()).collect();
        let host = |hidden: &Hidden| hidden.advertised.split(':').next().unwrap_or_default().to_owned();
        let agents: Vec<String> = agents.into_iter().chain(shown.iter().map(host)).collect();
        let addresses = shown.iter().filter_map(|hidden| hidden.media_address);
        let media: Vec<String> = media.into_iter().chain(addresses.map(|one| one.to_string())).collect();
        let listeners = configs.iter().map(|config| {
            config.server.listeners.iter().map(|listener| (listener.transport, listener.bind)).collect()
        });
        self.network = Network::new(listeners.collect());
        for (place, (config, (name, system))) in configs.iter().zip(&self.given).enumerate() {
            let own = Own {
                sent_by: config.server.listeners[0].advertised.clone(),
                agents: agents.clone(),
                participating: config.functions.participating[0].to_string(),
                media: media.clone(),
                controlling: controlling.clone(),
                gateway: gateway(config),
            };
            let mut server = Server::new(name, place, system.clone(), Judge::new(own));
            server.start(self.now);
            self.servers.push(server);
        }
    }

    /// The system of this name.
    fn server(&self, name: &str) -> usize {
        let place = self.given.iter().position(|(given, _)| given == name);
        place.unwrap_or_else(|| panic!("no system {name}"))
    }

    fn way(&self, from: &str, to: &str) -> (usize, usize) {
        (self.server(from), self.server(to))
    }

    /// What happens to the next message from one system to another, or `x3` to the next three.
    fn expect(&mut self, from: &str, to: &str, fate: Fate, times: &[&str]) {
        let way = self.way(from, to);
        let times = times.first().and_then(|times| times.strip_prefix('x'));
        let times: u32 = times.map_or(1, |times| times.parse().expect("number"));
        (0..times).for_each(|_| self.between.expect(way, fate));
    }

    /// `crash`, `crash before commit`, `crash after commit`, each of the only system or of the one that is named.
    fn crash(&mut self, when: &[&str]) {
        let named = when.first().and_then(|name| self.given.iter().position(|(given, _)| given == name));
        let server = named.unwrap_or(0);
        match &when[usize::from(named.is_some())..] {
            [] => self.restart(server),
            [when @ ("before" | "after"), "commit"] => {
                let crash = Crash { keeps: *when == "after", with_message: named.is_none() };
                self.servers[server].crash = Some(crash);
            }
            other => panic!("crash when? {other:?}"),
        }
    }

    /// A message of a party.
    fn send(&mut self, from: &str, to: usize, verb: &str, rest: &[&str]) {
        self.spoken_to = to;
        let message = self.compose(from, verb, rest);
        let party = self.party(from);
        if message.status().is_none() {
            party.sent.insert(message.method().to_owned(), message.clone());
            self.servers[to].judge.heard(&message);
        }
        let service = rest.iter().find_map(|word| word.strip_prefix("service="));
        let spoken = match service {
            Some(service) => service::put(message, service),
            None => message,
        };
        self.last_of.insert(from.to_owned(), (to, spoken.octets()));
        let flow = self.flow(from);
        self.note_sent(from, &spoken);
        self.datagram(to, flow, spoken.octets());
        self.arrivals();
        self.repeat_until_heard(from, &spoken);
    }

    /// The last message of a party comes again.
    fn repeats(&mut self, name: &str) {
        let (to, octets) = self.last_of.get(name).expect("nothing to repeat").clone();
        let flow = self.flow(name);
        self.datagram(to, flow, octets);
        self.arrivals();
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
                // With groups of several systems the result comes later.
                let status = if constituents.contains('@') { 202 } else { 200 };
                self.must(name, "MESSAGE", &["regroup", &of, &group], status);
                self.arrivals();
            }
            [group, "regroups", of] => {
                for (system, domain) in self.systems() {
                    let config = Server::config(&self.servers[self.server(&system)].system);
                    let facts = facts::regrouped(&self.names, &domain, &config.groups[0].document, group, of);
                    self.write(&system, facts);
                }
            }
            [group, "is", "gone", "at", system] => self.remove_group(group, system),
            // Everyone answers what is asked.
            ["answers"] => {}
            [name, "calls", group, "with", members @ ..] => self.given_call(name, group, members),
            _ => panic!("not a pre-condition: {words:?}"),
        }
        self.answer_all("MESSAGE", "200");
        self.answer_all("NOTIFY", "200");
        self.out.clear();
    }

    /// Names and domains of the systems.
    fn systems(&self) -> Vec<(String, String)> {
        self.given.iter().map(|(name, system)| (name.clone(), system.domain().to_owned())).collect()
    }

    /// Takes a temporary group out of the store of a system, which starts again without it.
    fn remove_group(&mut self, group: &str, system: &str) {
        let (id, server) = (self.names.full(group), self.server(system));
        let changes = facts::gone(&id, self.servers[server].facts());
        self.servers[server].keep(&changes);
        self.restart(server);
    }

    /// Writes facts into the store of a system, which starts again with them.
    fn write(&mut self, system: &str, facts: Vec<Fact>) {
        let server = self.server(system);
        self.servers[server].keep(&facts.into_iter().map(Change::Put).collect::<Vec<_>>());
        self.restart(server);
    }

    /// A call that stands: these members accepted, all others are busy.
    fn given_call(&mut self, name: &str, group: &str, members: &[&str]) {
        let home = self.names.home(name);
        self.send(name, home, "INVITE", &[group]);
        for member in members {
            let home = self.names.home(member);
            self.send(member, home, "200", &["INVITE"]);
        }
        self.answer_all("INVITE", "486");
        let answer = self.party(name).answers.get("INVITE").and_then(Message::status);
        if self.played.is_some() && answer != Some(200) {
            return;
        }
        assert_eq!(answer, Some(200), "the call does not stand: {:?}", self.out);
        self.send(name, home, "ACK", &[]);
    }

    fn must(&mut self, from: &str, verb: &str, words: &[&str], status: u16) {
        let home = self.names.home(from);
        self.send(from, home, verb, words);
        let answer = self.party(from).answers.get(verb).and_then(Message::status);
        if self.played.is_some() {
            return;
        }
        assert_eq!(answer, Some(status), "{from} {verb} {words:?}: {:?}", self.out);
    }

    /// Everyone gives this answer to all requests of a method that wait.
    fn answer_all(&mut self, method: &str, status: &str) {
        let names: Vec<String> = self.parties.iter().map(|party| party.name.clone()).collect();
        for name in names {
            while let Some(asked) = self.party(&name).asked.iter().find(|asked| asked.method() == method) {
                let asker = asked.value("Via").split([' ', ';']).nth(1).unwrap_or_default().to_owned();
                let to = self.servers.iter().position(|server| server.judge.own().sent_by == asker);
                self.send(&name, to.unwrap_or(0), status, &[method]);
            }
        }
    }

    fn wait(&mut self, span: Duration) {
        let until = self.now.plus(span);
        loop {
            let arrives = self.between.due();
            let dues =
                self.servers.iter().enumerate().filter_map(|(place, server)| Some((server.due()?, place)));
            let next = dues.min();
            let Some(at) =
                arrives.into_iter().chain(next.map(|(due, _)| due)).min().filter(|at| *at <= until)
            else {
                break;
            };
            self.now = self.now.max(at);
            self.arrivals();
            let Some((due, place)) = next.filter(|(due, _)| *due <= self.now) else { continue };
            self.feed(place, Input::Tick);
            self.arrivals();
            if self.servers[place].due() == Some(due) {
                // A wheel that rounds up: step over the tick.
                self.now = self.now.plus(Duration::from_millis(10));
            }
        }
        self.now = until;
        for place in 0..self.servers.len() {
            self.feed(place, Input::Tick);
            if span > Duration::from_secs(32) {
                self.servers[place].judge.forget();
            }
        }
        self.arrivals();
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

    /// What a system still holds.
    fn look(&mut self, server: usize) {
        let server = &self.servers[server];
        let line = format!("{} holds {}", server.name, server.holds());
        self.out.push(line);
    }

    /// A message from outside comes in, unless it is lost.
    fn datagram(&mut self, to: usize, flow: Flow, octets: Bytes) {
        self.last_input = Some((to, flow, octets.clone()));
        if !std::mem::take(&mut self.loses) {
            self.feed(to, Input::Datagram { flow, octets });
        }
    }

    fn feed(&mut self, server: usize, input: Input) {
        let strikes = self.strikes_commit();
        if strikes.is_some() {
            self.servers[server].crash = strikes;
        }
        let fed = self.servers[server].feed(self.now, input);
        if let Some(played) = &mut self.played {
            played.commits += usize::from(fed.commits);
            played.struck |= strikes.is_some() && fed.commits;
            if strikes.is_some() && !fed.commits {
                self.servers[server].crash = None;
            }
        }
        for change in &fed.kept {
            if let Some(line) = self.kept(change) {
                let line = self.alias(format!("{} {line}", self.servers[server].name));
                self.out.push(line);
            }
        }
        self.emit(server, fed.leaving);
        if fed.ends {
            self.restart(server);
        }
    }

    /// A system starts again from the facts that were kept.
    fn restart(&mut self, server: usize) {
        self.network.disconnect(server);
        self.servers[server].start(self.now);
        self.feed(server, Input::Tick);
        self.arrivals();
    }

    /// Everything arrives whose time has come.
    fn arrivals(&mut self) {
        while let Some(arrival) = self.between.next(self.now) {
            match arrival {
                Arrival::Message { to, carrier, octets } => {
                    let Some(input) = self.network.input(to, carrier, octets.clone()) else { continue };
                    if self.servers[to].is_up() {
                        self.servers[to].judge.heard(&Message::read(&octets));
                        self.feed(to, input);
                    }
                }
                Arrival::Unreachable { server, starts, ticket } => {
                    if self.servers[server].starts() == starts {
                        self.feed(server, Input::Unreachable { ticket });
                    }
                }
            }
        }
    }

    fn emit(&mut self, from: usize, leaving: Vec<Transmit>) {
        let mut unreachable = Vec::new();
        for transmit in leaving {
            if !self.leaves(from, &transmit) {
                unreachable.extend(transmit.ticket);
            }
        }
        for ticket in unreachable {
            self.feed(from, Input::Unreachable { ticket });
        }
    }

    /// Sends a message. False: it was noticed that nobody is there.
    fn leaves(&mut self, from: usize, transmit: &Transmit) -> bool {
        let reach = |to: usize| match self.servers[to].is_up() {
            false => Reach::Refused,
            true if self.between.is_cut((from, to)) || self.between.is_cut((to, from)) => Reach::Silent,
            true => Reach::Open,
        };
        match self.network.receiver(from, transmit, reach) {
            Receiver::Server(to, carrier) => {
                let octets = transmit.octets.clone();
                if let Some(fate) = self.strikes_message() {
                    self.between.strike((from, to), fate);
                }
                let fate = self.between.leave(self.now, (from, to), carrier, octets);
                if fate == Some(Fate::Lost) {
                    self.network.lose(carrier);
                }
                let message = self.judged(from, transmit, true);
                if !self.is_quiet() {
                    let (name, words) = (self.servers[to].name.clone(), told::between(&message, &self.names));
                    let fate = fate.map(|fate| format!(" ({fate})")).unwrap_or_default();
                    self.tell(from, &name, &message, &format!("{words}{fate}"));
                }
                self.servers[to].is_up()
            }
            Receiver::Address(peer) => self.leaves_for(from, peer, transmit),
            Receiver::Nobody => false,
            Receiver::Silence => {
                if let Some(ticket) = transmit.ticket {
                    let starts = self.servers[from].starts();
                    let arrival = Arrival::Unreachable { server: from, starts, ticket };
                    self.between.arrives(self.now.plus(CONNECT_TIMEOUT), arrival);
                }
                true
            }
        }
    }

    /// Hands a message to the party that it is for. False if nobody is there.
    fn leaves_for(&mut self, from: usize, peer: SocketAddr, transmit: &Transmit) -> bool {
        let message = self.judged(from, transmit, false);
        let place = self.parties.iter().position(|party| party.address == peer);
        let place = place.or_else(|| {
            // A peer that has not said anything yet.
            let peers = ["pf", "cf", "scscf"].map(|name| Party::new(name, 0));
            self.parties.extend(peers.into_iter().filter(|party| party.address == peer));
            self.parties.iter().position(|party| party.address == peer)
        });
        let name = place.map_or(peer.to_string(), |place| self.parties[place].name.clone());
        if !self.is_quiet() {
            let words = told::words(&message, &self.names);
            self.tell(from, &name, &message, &words);
        }
        if self.vanished.contains(&name) {
            return false;
        }
        if let Some(place) = place {
            self.note_heard(&name, &message);
            self.parties[place].hear(&message);
        }
        true
    }

    fn judged(&mut self, from: usize, transmit: &Transmit, beyond: bool) -> Message {
        let (mut message, service, faults) = service::read(Message::read(&transmit.octets));
        self.faults.extend(faults);
        // A partner that was taken out of the configuration is a stranger.
        let beyond = beyond && self.servers[from].system.text().contains("hide_topology = true");
        let judge = &mut self.servers[from].judge;
        self.faults.extend(match beyond {
            true => judge.said_beyond(&message, &transmit.octets),
            false => judge.said(&message, &transmit.octets),
        });
        if let Some(service) = service {
            message = message.add(SERVICE, service);
        }
        message
    }

    /// One arrow of what happened.
    fn tell(&mut self, from: usize, to: &str, message: &Message, words: &str) {
        let first = match message.status() {
            Some(status) => format!("{status} {}", message.method()),
            None => message.method().to_owned(),
        };
        let line = self.alias(format!("{} -> {to} {first}{words}", self.servers[from].name));
        self.out.push(line);
    }

    /// What a figure tells of a change that was kept.
    fn kept(&self, change: &Change) -> Option<String> {
        let short = |identity: &str| self.names.short(identity);
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
                    .map(|entry| {
                        let service = match entry.service {
                            Service::Mcptt => String::new(),
                            other => format!(":{other:?}"),
                        };
                        format!("{}:{:?}{service}", short(entry.group.as_str()), entry.status).to_lowercase()
                    })
                    .collect();
                let device = client.client.as_str().trim_start_matches("urn:uuid:");
                format!("keeps {device} {}", groups.join(","))
            }
            Change::Remove(FactKey::Affiliation(_, client)) => {
                format!("forgets {} affiliations", client.as_str().trim_start_matches("urn:uuid:"))
            }
            Change::Put(Fact::Configuration(side, document)) => {
                let priority =
                    document.priority.map(|value| format!(" priority={value}")).unwrap_or_default();
                let members = document.members.keys().map(|user| short(user.as_str())).collect::<Vec<_>>();
                let disabled = if document.disabled { " disabled" } else { "" };
                let group = short(document.id.as_str());
                format!("keeps {side:?} {group}{priority}{disabled} of {}", members.join(","))
            }
            Change::Put(Fact::Received(received)) => {
                format!("keeps received {}", short(received.document.id.as_str()))
            }
            Change::Put(Fact::Sharing(sharing)) => {
                let state = match &sharing.state {
                    SharingState::Asked { .. } => "asked".to_owned(),
                    SharingState::Withdrawing { .. } => "withdrawing".to_owned(),
                    SharingState::Stored => "stored".to_owned(),
                    SharingState::Refused(failure) => format!("refused:{}", failure.code),
                };
                let group = short(sharing.document.id.as_str());
                format!("keeps {group} at {} {state}", short(sharing.with.as_str()))
            }
            Change::Remove(FactKey::Sharing(group, with)) => {
                format!("forgets {} at {}", short(group.as_str()), short(with.as_str()))
            }
            Change::Remove(FactKey::Received(group)) => format!("forgets received {}", short(group.as_str())),
            Change::Remove(FactKey::Configuration(side, group)) => {
                format!("forgets {side:?} {}", short(group.as_str()))
            }
            Change::Put(Fact::Wanted(wanted)) => {
                let what = if wanted.request.is_some() { "wanted" } else { "not to be had" };
                format!("keeps {} {what}", short(wanted.group.as_str()))
            }
            Change::Remove(FactKey::Wanted(group)) => format!("forgets {} wanted", short(group.as_str())),
            Change::Put(Fact::Reservation(reservation)) => {
                let groups: Vec<String> =
                    reservation.constituents.iter().map(|group| short(group.as_str())).collect();
                let what = if reservation.held { "reserved for" } else { "wanted for" };
                format!("keeps {} {what} {}", groups.join(","), short(reservation.temporary.as_str()))
            }
            Change::Remove(FactKey::Reservation(temporary)) => {
                format!("forgets reserved for {}", short(temporary.as_str()))
            }
            Change::Put(Fact::OwnedAffiliation(owned)) => {
                let clients: Vec<&str> =
                    owned.clients.iter().map(|id| id.as_str().trim_start_matches("urn:uuid:")).collect();
                let (user, group) = (short(owned.user.as_str()), short(owned.group.as_str()));
                format!("keeps {user} in {group} with {}", clients.join(","))
            }
            Change::Remove(FactKey::OwnedAffiliation(group, user, _)) => {
                format!("forgets {} in {}", short(user.as_str()), short(group.as_str()))
            }
            Change::Put(Fact::Settings(settings)) => {
                let device = settings.client.as_str().trim_start_matches("urn:uuid:");
                let mode = settings.answer_mode.map(|mode| format!(" {mode:?}")).unwrap_or_default();
                let on = if settings.active { "on" } else { "off" };
                format!("keeps {device} {on} {:?}{mode}", settings.service).to_lowercase()
            }
            Change::Remove(FactKey::Settings(_, client, service)) => {
                let device = client.as_str().trim_start_matches("urn:uuid:");
                format!("forgets {device} settings {service:?}").to_lowercase()
            }
            Change::Put(Fact::Call(call)) if call.orphaned => {
                format!("keeps call on {} that is gone", short(call.group.id.as_str()))
            }
            _ => return None,
        })
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

/// The gateway server that hides a system, and what it hides: functions, hosts, addresses, the product, and the clients.
fn gateway(config: &Config) -> Option<Gateway> {
    let hidden = config.partners.iter().find_map(|partner| partner.gateway.hidden.as_ref())?;
    let functions = &config.functions;
    let psis = [&functions.participating, &functions.controlling, &functions.gms].into_iter().flatten();
    let psis = psis.filter_map(|psi| Some(psi.as_str().strip_prefix("sip:")?.to_owned()));
    let listeners = config.server.listeners.iter().map(|listener| listener.bind.ip().to_string());
    let others = [config.server.name.clone(), config.media.address.to_string(), "node-7".to_owned()];
    let inside = psis.chain(listeners).chain(others).chain([CLIENTS.to_owned()]);
    Some(Gateway {
        uri: functions.gateway.as_ref()?.to_string(),
        sent_by: hidden.advertised.clone(),
        inside: inside.collect(),
    })
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
