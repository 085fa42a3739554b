//! The world of the simulation: one node, a disk that takes its time, a network that loses, repeats and delays, and
//! clients with a will of their own. Everything follows from one seed.

mod checks;
mod phone;

use crate::outside::judge::{Judge, Own};
use crate::outside::message::Message;
use bytes::Bytes;
use checks::Checks;
use phone::Phone;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rollcall::config::Config;
use rollcall::env::{Ids, Time};
use rollcall::model::{Change, Fact, FactKey, Transport};
use rollcall::node::{Batch, Core, Input, Kept, Node, Ready};
use rollcall::sip::transaction::{Flow, Path, Transmit};
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

/// Groups that are provisioned.
pub const GROUPS: [&str; 4] = ["g1", "g2", "g3", "chat"];
/// Clients; `u2` has two. `m` is a member of nothing.
const PHONES: [&str; 7] = ["u1", "u2", "u2.desk", "u3", "u4", "u5", "m"];
/// When the simulation begins, milliseconds.
const START: u64 = 1_800_000_000_000;

/// A running simulation.
pub struct World {
    now: u64,
    rng: StdRng,
    config: Config,
    /// `None`: the server is down.
    node: Option<Node>,
    /// Starts so far: messages for an earlier one are lost with it.
    starts: u8,
    /// What is on disk.
    facts: BTreeMap<FactKey, Fact>,
    /// Batches that are being written, in order.
    writing: VecDeque<Batch>,
    phones: Vec<Phone>,
    events: BinaryHeap<Queued>,
    order: u64,
    judge: Judge,
    checks: Checks,
    /// Chances of a message to be lost and to be repeated, of a commit to end in a crash.
    loss: f64,
    repetition: f64,
    crash: f64,
    /// Show every message.
    traces: bool,
    pub crashes: u32,
    pub commits: u32,
    pub messages: u32,
}

/// Something that happens at a time.
enum Event {
    ToServer(usize, Bytes),
    ToPhone(usize, Bytes),
    Committed(u8, u64),
    Up,
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
    pub fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let config = configuration(&mut rng);
        let calm = rng.random_bool(0.2);
        let own = Own {
            sent_by: "192.0.2.100:5060".to_owned(),
            agent: "one.example".to_owned(),
            media: vec!["192.0.2.101".to_owned()],
            controlling: vec!["sip:groups@one.example".to_owned()],
        };
        let mut world = Self {
            now: START,
            config,
            node: None,
            starts: 0,
            facts: BTreeMap::new(),
            writing: VecDeque::new(),
            phones: PHONES.iter().zip(1..).map(|(name, number)| Phone::new(name, number, START)).collect(),
            events: BinaryHeap::new(),
            order: 0,
            judge: Judge::new(own),
            checks: Checks::default(),
            loss: if calm { 0.0 } else { rng.random_range(0.0..0.15) },
            repetition: if calm { 0.0 } else { rng.random_range(0.0..0.1) },
            crash: if calm { 0.0 } else { rng.random_range(0.0..0.06) },
            traces: std::env::var_os("TRACE").is_some(),
            crashes: 0,
            commits: 0,
            messages: 0,
            rng,
        };
        world.start();
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

    /// Everyone leaves everything; the network and the disk are good from now on.
    pub fn rest(&mut self) {
        (self.loss, self.repetition, self.crash) = (0.0, 0.0, 0.0);
        for place in 0..self.phones.len() {
            let now = self.now;
            self.phones[place].rest(now);
            self.send_all(place);
        }
    }

    /// What the server holds when it has come to rest.
    pub fn holds(&self) -> String {
        match &self.node {
            Some(node) => node.service().holds().to_string(),
            None => "no server".to_owned(),
        }
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
        let server = self.node.as_ref().and_then(|node| node.due()).map(Time::as_millis);
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
        if self.node.as_ref().and_then(|node| node.due()).is_some_and(|due| due.as_millis() <= self.now) {
            self.feed(Input::Tick);
            // A wheel that rounds up: step over the tick.
            if self.node.as_ref().and_then(|node| node.due()).is_some_and(|due| due.as_millis() <= self.now) {
                self.now += 1;
            }
        }
        while self.events.peek().is_some_and(|queued| queued.at <= self.now) {
            let Some(queued) = self.events.pop() else { break };
            match queued.event {
                Event::ToServer(from, octets) => self.arrives(from, octets),
                Event::ToPhone(to, octets) => {
                    let message = Message::read(&octets);
                    let now = self.now;
                    self.phones[to].hear(now, &mut self.rng, &message);
                    self.send_all(to);
                }
                Event::Committed(start, number) if start == self.starts => self.committed(number),
                Event::Committed(..) => {}
                Event::Up => {
                    if self.node.is_none() {
                        self.start();
                    }
                }
            }
        }
    }

    // The network.

    fn queue(&mut self, at: u64, event: Event) {
        self.order += 1;
        self.events.push(Queued { at, order: self.order, event });
    }

    /// Sends one message over the network: not at all, once, or twice.
    fn travel(&mut self, event: impl Fn() -> Event) {
        let times = if self.rng.random_bool(self.loss) {
            0
        } else {
            1 + u32::from(self.rng.random_bool(self.repetition))
        };
        for _ in 0..times {
            let slow = self.rng.random_bool(0.03);
            let delay = if slow { self.rng.random_range(400..3_000) } else { self.rng.random_range(1..60) };
            self.queue(self.now + delay, event());
        }
    }

    fn send_all(&mut self, from: usize) {
        for message in std::mem::take(&mut self.phones[from].out) {
            let octets = message.octets();
            self.travel(|| Event::ToServer(from, octets.clone()));
        }
    }

    fn arrives(&mut self, from: usize, octets: Bytes) {
        if self.node.is_none() {
            return;
        }
        self.messages += 1;
        let message = Message::read(&octets);
        self.trace("->", self.phones[from].address, &message);
        self.judge.heard(&message);
        self.checks.heard(&self.phones[from].name, &message);
        let flow =
            Flow { transport: Transport::Udp, listener: 0, peer: self.phones[from].address, connection: 0 };
        let before = self.node.as_ref().map(|node| checks::calls(node.service().model()));
        self.feed(Input::Datagram { flow, octets });
        // TS 23.280 10.2.4.2a step 5: whatever a message to the GMS does, calls go on.
        if message.method() == "MESSAGE" && message.status().is_none() {
            let after = self.node.as_ref().map(|node| checks::calls(node.service().model()));
            if after.is_some() {
                assert_eq!(before, after, "a message to the GMS cut a call: {}", message.start);
            }
        }
    }

    /// Shows a message if `TRACE` is set.
    fn trace(&self, way: &str, peer: SocketAddr, message: &Message) {
        if self.traces {
            let at = self.now - START;
            let (start, cseq, call_id) = (&message.start, message.value("CSeq"), message.value("Call-ID"));
            println!("{at:>8} {peer} {way} {start} ({cseq}, {call_id}) {}", message.value("Contact"));
        }
    }

    // The server.

    fn start(&mut self) {
        self.starts = self.starts.wrapping_add(1);
        let mut seed = [self.starts; 32];
        self.rng.fill(&mut seed);
        let mut service = rollcall::node::setup::service(&self.config, Ids::new(seed));
        for fact in self.facts.values() {
            service.replay(Time::from_millis(self.now), fact.clone());
        }
        self.judge.forget();
        self.checks.restarted(&self.facts);
        self.node = Some(Node::start(service, Time::from_millis(self.now)));
        self.feed(Input::Tick);
        if let Some(node) = &self.node {
            self.checks.replayed(node.service().model(), &self.config);
        }
    }

    fn feed(&mut self, input: Input) {
        let Some(node) = &mut self.node else { return };
        let now = Time::from_millis(self.now);
        let mut ready = Ready::default();
        node.handle(now, input, &mut ready);
        // Sometimes several inputs make one batch.
        if !self.rng.random_bool(0.8) {
            node.handle(now, Input::Tick, &mut ready);
        }
        node.finish(now, &mut ready);
        let open = !self.writing.is_empty() || ready.batch.is_some();
        for transmit in &ready.at_once {
            let trying = transmit.octets.starts_with(b"SIP/2.0 100 ");
            assert!(trying || !open, "left before its commit: {}", String::from_utf8_lossy(&transmit.octets));
        }
        if let Some(batch) = ready.batch {
            self.checks.changed(&batch.changes);
            self.commits += 1;
            let at = self.now + if self.rng.random_bool(0.1) { self.rng.random_range(1..400) } else { 2 };
            let at = at.max(self.checks.last_commit);
            self.checks.last_commit = at;
            let event = Event::Committed(self.starts, batch.number);
            self.writing.push_back(batch);
            self.queue(at, event);
        }
        let Some(node) = &self.node else { return };
        let model = node.service().model();
        self.checks.groups(model, &GROUPS);
        let holds = node.service().holds();
        assert!(holds.calls > 0 || holds.ports == 0, "ports without a call: {holds}");
        if self.rng.random_bool(0.01) {
            self.checks.replayed(model, &self.config);
        }
        self.emit(ready.at_once);
        if self.rng.random_bool(self.crash / 20.0) {
            self.die();
        }
    }

    /// A batch is on disk, or the server dies in the attempt.
    fn committed(&mut self, number: u64) {
        let Some(batch) = self.writing.pop_front() else { return };
        assert_eq!(batch.number, number, "commits end in order");
        let fate = if self.rng.random_bool(self.crash) { self.rng.random_range(1..4) } else { 0 };
        if fate == 1 {
            // Before it was kept.
            return self.die();
        }
        let kept = if fate == 2 { Kept::No } else { Kept::Yes };
        if kept == Kept::Yes {
            for change in &batch.changes {
                match change {
                    Change::Put(fact) => drop(self.facts.insert(fact.key(), fact.clone())),
                    Change::Remove(key) => drop(self.facts.remove(key)),
                }
            }
        }
        if fate == 3 {
            // After it was kept, before anything was sent.
            return self.die();
        }
        let Some(node) = &mut self.node else { return };
        let leaving = node.settle(Time::from_millis(self.now), number, kept);
        if kept == Kept::No {
            // Also a repetition of what was said before becomes a 503 now.
            self.judge.forget();
        }
        self.emit(leaving);
        if kept == Kept::No {
            // The runtime builds the node anew from what the store has.
            self.die();
        }
    }

    fn die(&mut self) {
        self.crashes += 1;
        if self.traces {
            println!("{:>8} the server dies", self.now - START);
        }
        self.node = None;
        self.writing.clear();
        self.checks.last_commit = 0;
        let down = if self.rng.random_bool(0.5) { 0 } else { self.rng.random_range(1..4_000) };
        self.queue(self.now + down, Event::Up);
    }

    fn emit(&mut self, leaving: Vec<Transmit>) {
        for transmit in leaving {
            let peer: SocketAddr = match transmit.path {
                Path::Flow(flow) => flow.peer,
                Path::Address { address, .. } => address,
            };
            let message = Message::read(&transmit.octets);
            let faults = self.judge.said(&message, &transmit.octets);
            assert!(faults.is_empty(), "{faults:?}");
            self.trace("<-", peer, &message);
            let Some(to) = self.phones.iter().position(|phone| phone.address == peer) else {
                panic!("a message to nobody: {}", message.start)
            };
            let name = self.phones[to].name.clone();
            self.checks.said(self.now, &name, &message, &self.facts);
            let octets = transmit.octets.clone();
            self.travel(|| Event::ToPhone(to, octets.clone()));
        }
    }
}

/// A configuration of the simulation.
fn configuration(rng: &mut StdRng) -> Config {
    let regrouped = ["redirect", "follow", "reject"][rng.random_range(0..3)];
    let wait = rng.random_bool(0.2);
    let participants = if rng.random_bool(0.2) { "max_participants = 3\n" } else { "" };
    let answer = if rng.random_bool(0.5) { "automatic" } else { "manual" };
    let mut text = format!(
        "[server]\nname = \"one.example\"\ndomain = \"one.example\"\nmemory = true\n\
         listen = [\"udp:192.0.2.100:5060\"]\nregistrar = true\n\
         [functions]\nparticipating = \"sip:mcptt@one.example\"\ncontrolling = \"sip:groups@one.example\"\n\
         gms = \"sip:gms@one.example\"\n[media]\naddress = \"192.0.2.101\"\nports = \"40000-40047\"\n\
         [policy]\nregrouped_call = \"{regrouped}\"\nconstituents_wait_for_call = {wait}\n\
         [session]\ninterval = 180\n"
    );
    for user in ["u1", "u2", "u3", "u4", "u5", "m"] {
        let regroup = ["u1", "u2"].contains(&user);
        text.push_str(&format!(
            "[[user]]\nid = \"sip:{user}@one.example\"\nclient = \"urn:uuid:{user}\"\nallow_regroup = {regroup}\n\
             allow_prearranged_call = true\nallow_chat_call = true\nmax_affiliations_n2 = 3\nmax_calls_n6 = 2\n\
             answer_mode = \"{answer}\"\n"
        ));
    }
    let members = |users: &[&str]| -> String {
        users.iter().map(|user| format!("\"sip:{user}@one.example\"")).collect::<Vec<_>>().join(", ")
    };
    let all = members(&["u1", "u2", "u3", "u4", "u5"]);
    let some = members(&["u1", "u2", "u3"]);
    let required = format!("{some}, {{ user = \"sip:u4@one.example\", required = true }}");
    for (group, members, more) in [
        ("g1", &all, format!("prearranged = true\nmaximum_duration = \"10m\"\n{participants}")),
        (
            "g2",
            &required,
            "prearranged = true\nmaximum_duration = \"5m\"\non_acknowledgement_timeout = \"proceed\"\n"
                .to_owned(),
        ),
        ("g3", &required, "prearranged = true\nmaximum_duration = \"5m\"\nminimum_to_start = 2\n".to_owned()),
        ("chat", &all, String::new()),
    ] {
        text.push_str(&format!(
            "[[group]]\nid = \"sip:{group}@one.example\"\nmembers = [{members}]\n{more}protect_media = false\n\
             protect_floor_control = false\n[group.rules]\ninitiate = \"members\"\njoin = \"members\"\n\
             conference_state = \"members\"\nregroup = \"members\"\nemergency_call = \"members\"\n"
        ));
    }
    let file = std::path::Path::new("simulation.toml");
    Config::read(file, text.as_bytes()).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

/// So long is a simulated life.
pub fn life(rng_seed: u64) -> Duration {
    Duration::from_secs(120 + rng_seed % 5 * 60)
}
