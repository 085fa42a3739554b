//! The world of the simulation: one system or two, each with a disk that takes its time, a network that loses, repeats
//! and delays, and clients with a will of their own. Everything follows from one seed.

mod border;
mod checks;
mod phone;
mod rung;
mod server;
mod setting;

use crate::outside::message::Message;
use crate::outside::network::{CONNECT_TIMEOUT, Carrier, Network, Reach, Receiver};
use bytes::Bytes;
use phone::Phone;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rollcall::model::{Fact, FactKey, Transport};
use rollcall::node::{Input, Kept};
use rollcall::sip::transaction::{ClientId, Flow, Transmit};
use rung::Rung;
use server::Server;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::SocketAddr;
use std::time::Duration;

/// When the simulation begins, milliseconds.
const START: u64 = 1_800_000_000_000;

/// A running simulation.
pub struct World {
    now: u64,
    rng: StdRng,
    servers: Vec<Server>,
    network: Network,
    /// When the last message of a stream arrives: none overtakes another.
    streams: BTreeMap<u64, u64>,
    phones: Vec<Phone>,
    events: BinaryHeap<Queued>,
    order: u64,
    /// Chances of a message to be lost and to be repeated, of a commit to end in a crash.
    loss: f64,
    repetition: f64,
    crash: f64,
    /// Clients that calls of temporary groups ring.
    rung: Rung,
    /// Nobody begins anything new.
    resting: bool,
    /// Show every message.
    traces: bool,
    pub crashes: u32,
    pub commits: u32,
    pub messages: u32,
    /// Requests and answers from one system to the other that arrived.
    pub between: BTreeMap<String, u32>,
}

/// Something that happens at a time.
enum Event {
    ToServer { from: usize, octets: Bytes },
    Between { to: usize, carrier: Carrier, octets: Bytes },
    Unreachable { server: usize, starts: u8, ticket: ClientId },
    ToPhone { to: usize, octets: Bytes },
    Committed { server: usize, starts: u8, number: u64 },
    Up { server: usize },
    Reload { server: usize },
}

struct Queued {
    at: u64,
    order: u64,
    event: Event,
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl Eq for Queued {}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Queued {
    /// The earliest is the greatest.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl World {
    pub fn new(seed: u64, systems: usize) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let servers: Vec<_> = (0..systems).map(|system| Server::new(system, systems, &mut rng)).collect();
        let calm = rng.random_bool(0.2);
        let phones = setting::clients(systems)
            .zip(1..)
            .map(|((name, system), number)| Phone::new(name, system, systems, number, START));
        let mut world = Self {
            now: START,
            network: Network::new(servers.iter().map(Server::listeners).collect()),
            phones: phones.collect(),
            servers,
            streams: BTreeMap::new(),
            events: BinaryHeap::new(),
            order: 0,
            loss: if calm { 0.0 } else { rng.random_range(0.0..0.15) },
            repetition: if calm { 0.0 } else { rng.random_range(0.0..0.1) },
            crash: if calm { 0.0 } else { rng.random_range(0.0..0.06) },
            rung: Rung::default(),
            resting: false,
            traces: std::env::var_os("TRACE").is_some(),
            crashes: 0,
            commits: 0,
            messages: 0,
            between: BTreeMap::new(),
            rng,
        };
        for server in 0..world.servers.len() {
            world.start(server);
            let first = world.now + world.rng.random_range(20_000..120_000);
            world.queue(first, Event::Reload { server });
        }
        let now = world.now;
        for place in 0..world.phones.len() {
            world.phones[place].begin(now, &mut world.rng);
            world.send_all(place);
        }
        world
    }

    /// Lets everything happen for so long.
    pub fn run(&mut self, seconds: u64) {
        let end = self.now + seconds * 1000;
        while let Some(at) = self.next().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.step();
        }
        self.now = end;
    }

    /// Everyone ends calls and subscriptions; the network and the disk are good from now on.
    pub fn rest(&mut self) {
        (self.loss, self.repetition, self.crash, self.resting) = (0.0, 0.0, 0.0, true);
        for place in 0..self.phones.len() {
            let now = self.now;
            self.phones[place].rest(now);
            self.send_all(place);
        }
    }

    /// Everyone gives up all affiliations.
    pub fn leave(&mut self) {
        for place in 0..self.phones.len() {
            let now = self.now;
            self.phones[place].leave(now);
            self.send_all(place);
        }
    }

    /// What must hold between the systems when everything has come to rest.
    pub fn agreed(&self) {
        self.servers.iter().for_each(Server::replayed);
        border::at_rest(&self.facts());
        border::configurations_agree(&self.servers);
    }

    /// When all have left nothing is left behind.
    pub fn left_behind(&self) {
        self.agreed();
        for server in &self.servers {
            assert_eq!(server.still_holds(), "nothing", "left behind by {}", server.domain());
        }
    }

    /// What is on the disk of each system.
    fn facts(&self) -> Vec<&BTreeMap<FactKey, Fact>> {
        self.servers.iter().map(|server| &server.facts).collect()
    }

    /// How often each kind of request was answered with 2xx and with anything else.
    pub fn heard(&self) -> BTreeMap<String, (u32, u32)> {
        let mut all = BTreeMap::new();
        for (method, (good, bad)) in self.phones.iter().flat_map(|phone| &phone.heard) {
            let count: &mut (u32, u32) = all.entry(method.clone()).or_default();
            count.0 += good;
            count.1 += bad;
        }
        all
    }

    fn next(&self) -> Option<u64> {
        let queued = self.events.peek().map(|queued| queued.at);
        let phones = self.phones.iter().map(Phone::due).min();
        let server = self.servers.iter().filter_map(Server::due).min();
        [queued, phones, server].into_iter().flatten().min().filter(|at| *at < u64::MAX)
    }

    fn step(&mut self) {
        for place in 0..self.phones.len() {
            if self.phones[place].due() <= self.now {
                let now = self.now;
                self.phones[place].fire(now, &mut self.rng);
                self.send_all(place);
            }
        }
        for server in 0..self.servers.len() {
            if self.servers[server].due().is_some_and(|due| due <= self.now) {
                self.feed(server, Input::Tick);
                // A wheel that rounds up: step over the tick.
                if self.servers[server].due().is_some_and(|due| due <= self.now) {
                    self.now += 1;
                }
            }
        }
        while self.events.peek().is_some_and(|queued| queued.at <= self.now) {
            let Some(queued) = self.events.pop() else { break };
            self.happens(queued.event);
        }
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::ToServer { from, octets } => self.arrives(from, octets),
            Event::Between { to, carrier, octets } => self.crosses(to, carrier, octets),
            Event::Unreachable { server, starts, ticket } => {
                if self.servers[server].starts == starts {
                    self.feed(server, Input::Unreachable { ticket });
                }
            }
            Event::ToPhone { to, octets } => {
                let message = Message::read(&octets);
                let now = self.now;
                self.phones[to].hear(now, &mut self.rng, &message);
                self.send_all(to);
            }
            Event::Committed { server, starts, number } => {
                if self.servers[server].starts == starts && self.servers[server].is_up() {
                    self.committed(server, number);
                }
            }
            Event::Reload { server } => {
                let (now, rng) = (self.now, &mut self.rng);
                if !self.resting {
                    self.servers[server].reload(rng);
                    let next = now + rng.random_range(20_000..120_000);
                    self.queue(next, Event::Reload { server });
                    self.trace_line(server, "reloads");
                    self.feed(server, Input::Tick);
                }
            }
            Event::Up { server } => {
                if !self.servers[server].is_up() {
                    self.start(server);
                }
            }
        }
    }

    // The network.

    fn queue(&mut self, at: u64, event: Event) {
        self.order += 1;
        self.events.push(Queued { at, order: self.order, event });
    }

    /// Sends one datagram over the network: not at all, once, or twice.
    fn travel(&mut self, event: impl Fn() -> Event) {
        let times = if self.rng.random_bool(self.loss) {
            0
        } else {
            1 + u32::from(self.rng.random_bool(self.repetition))
        };
        for _ in 0..times {
            let delay = self.delay();
            self.queue(self.now + delay, event());
        }
    }

    fn delay(&mut self) -> u64 {
        let slow = self.rng.random_bool(0.03);
        if slow { self.rng.random_range(400..3_000) } else { self.rng.random_range(1..60) }
    }

    /// Sends one message to another system. A stream loses nothing in its middle: now and then it breaks.
    fn leaves_for(&mut self, to: usize, carrier: Carrier, octets: Bytes) {
        let Carrier::Stream(connection) = carrier else {
            return self.travel(|| Event::Between { to, carrier, octets: octets.clone() });
        };
        if self.rng.random_bool(self.loss / 4.0) {
            return self.network.lose(carrier);
        }
        let at = self.now + self.delay();
        let at = at.max(self.streams.get(&connection).copied().unwrap_or_default());
        self.streams.insert(connection, at);
        self.queue(at, Event::Between { to, carrier, octets });
    }

    fn send_all(&mut self, from: usize) {
        for message in std::mem::take(&mut self.phones[from].out) {
            let octets = message.octets();
            self.travel(|| Event::ToServer { from, octets: octets.clone() });
        }
    }

    /// A message of a client comes in at its system.
    fn arrives(&mut self, from: usize, octets: Bytes) {
        let Phone { system: server, address, .. } = self.phones[from];
        if !self.servers[server].is_up() {
            return;
        }
        self.messages += 1;
        let message = Message::read(&octets);
        self.trace(server, "<-", &self.phones[from].name, &message);
        self.servers[server].judge.heard(&message);
        self.servers[server].checks.heard(&self.phones[from].name, &message);
        self.rung.heard(&message);
        let flow = Flow { transport: Transport::Udp, listener: 0, peer: address, connection: 0 };
        self.feed_message(server, &message, Input::Datagram { flow, octets });
    }

    /// A message of a system comes in at another one.
    fn crosses(&mut self, to: usize, carrier: Carrier, octets: Bytes) {
        let Some(input) =
            self.network.input(to, carrier, octets.clone()).filter(|_| self.servers[to].is_up())
        else {
            return;
        };
        self.messages += 1;
        let message = Message::read(&octets);
        let status = message.status().map(|status| format!("{status} ")).unwrap_or_default();
        *self.between.entry(format!("{status}{}", message.method())).or_default() += 1;
        self.trace(to, "<-", "the other", &message);
        self.servers[to].judge.heard(&message);
        self.rung.crossed(&message);
        self.feed_message(to, &message, input);
    }

    /// TS 23.280 10.2.4.2a step 5, 10.2.4.3 step 5: whatever a message to the GMS does, calls go on.
    fn feed_message(&mut self, server: usize, message: &Message, input: Input) {
        let before = self.servers[server].calls();
        self.feed(server, input);
        if message.method() == "MESSAGE" && message.status().is_none() && self.servers[server].is_up() {
            let after = self.servers[server].calls();
            assert_eq!(before, after, "a message to the GMS cut a call: {}", message.start);
        }
    }

    fn trace_line(&self, server: usize, what: &str) {
        if self.traces {
            println!("{:>8} {} {what}", self.now - START, self.servers[server].domain());
        }
    }

    /// Shows a message if `TRACE` is set.
    fn trace(&self, server: usize, way: &str, who: &str, message: &Message) {
        if self.traces {
            let at = self.now - START;
            let (server, start) = (self.servers[server].domain(), &message.start);
            let (cseq, call_id) = (message.value("CSeq"), message.value("Call-ID"));
            println!(
                "{at:>8} {server} {way} {who}: {start} ({cseq}, {call_id}) {}",
                message.value("Contact")
            );
        }
    }

    // The systems.

    fn start(&mut self, server: usize) {
        self.servers[server].start(self.now, &mut self.rng);
        self.feed(server, Input::Tick);
        self.servers[server].replayed();
    }

    fn feed(&mut self, server: usize, input: Input) {
        let before = self.servers[server].temporary_calls();
        let (number, leaving) = self.servers[server].feed(self.now, &mut self.rng, input);
        if let Some(number) = number {
            self.commits += 1;
            let at = self.now + if self.rng.random_bool(0.1) { self.rng.random_range(1..400) } else { 2 };
            let one = &mut self.servers[server];
            one.last_commit = at.max(one.last_commit);
            let (at, starts) = (one.last_commit, one.starts);
            self.queue(at, Event::Committed { server, starts, number });
        }
        if self.servers[server].is_up() {
            self.servers[server].hold();
            self.servers[server].kept_calls(&before);
            if self.rng.random_bool(0.01) {
                self.servers[server].replayed();
            }
        }
        self.emit(server, leaving);
        if self.rng.random_bool(self.crash / 20.0) {
            self.die(server);
        }
    }

    /// A batch is on disk, or the server dies in the attempt.
    fn committed(&mut self, server: usize, number: u64) {
        let fate = if self.rng.random_bool(self.crash) { self.rng.random_range(1..4) } else { 0 };
        if fate == 1 {
            // Before it was kept.
            return self.die(server);
        }
        let kept = if fate == 2 { Kept::No } else { Kept::Yes };
        if fate == 3 {
            // After it was kept, before anything was sent.
            self.servers[server].keep(number);
            return self.die(server);
        }
        let leaving = self.servers[server].settle(self.now, number, kept);
        border::at_all_times(&self.facts());
        self.emit(server, leaving);
        if kept == Kept::No {
            // The runtime builds the node anew from what the store has.
            self.die(server);
        }
    }

    fn die(&mut self, server: usize) {
        self.crashes += 1;
        self.trace_line(server, "dies");
        self.servers[server].die();
        self.rung.forget();
        self.network.disconnect(server);
        let down = if self.rng.random_bool(0.5) { 0 } else { self.rng.random_range(1..4_000) };
        self.queue(self.now + down, Event::Up { server });
    }

    fn emit(&mut self, from: usize, leaving: Vec<Transmit>) {
        for transmit in leaving {
            let is_up = |to: usize| self.servers[to].is_up();
            let reach = |to: usize| if is_up(to) { Reach::Open } else { Reach::Refused };
            let receiver = self.network.receiver(from, &transmit, reach);
            // Whether it is noticed that nobody is there, and when.
            let unreachable = match receiver {
                Receiver::Nobody => Some(0),
                Receiver::Silence => Some(CONNECT_TIMEOUT.as_millis() as u64),
                Receiver::Server(to, Carrier::Datagram(_)) if !is_up(to) && self.rng.random_bool(0.5) => {
                    Some(1)
                }
                _ => None,
            };
            if let (Some(later), Some(ticket)) = (unreachable, transmit.ticket) {
                let starts = self.servers[from].starts;
                self.queue(self.now + later, Event::Unreachable { server: from, starts, ticket });
            }
            match receiver {
                Receiver::Server(to, carrier) => {
                    let message = self.servers[from].judged(&transmit);
                    self.trace(from, "->", "the other", &message);
                    if unreachable.is_none() {
                        self.leaves_for(to, carrier, transmit.octets.clone());
                    }
                }
                Receiver::Address(peer) => self.leaves_for_client(from, peer, &transmit),
                Receiver::Nobody | Receiver::Silence => {}
            }
        }
    }

    fn leaves_for_client(&mut self, from: usize, peer: SocketAddr, transmit: &Transmit) {
        let message = self.servers[from].judged(transmit);
        let Some(to) = self.phones.iter().position(|phone| phone.address == peer) else {
            panic!("a message to nobody: {}", message.start)
        };
        let name = self.phones[to].name.clone();
        self.trace(from, "->", &name, &message);
        self.servers[from].said(self.now, &name, &message);
        self.rung.said(&name, &message);
        let octets = transmit.octets.clone();
        self.travel(|| Event::ToPhone { to, octets: octets.clone() });
    }
}

/// So long is a simulated life.
pub fn life(rng_seed: u64) -> Duration {
    Duration::from_secs(120 + rng_seed % 5 * 60)
}
