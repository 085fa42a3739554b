//! One system of the simulation: a node, and a disk that keeps what was committed.

use super::checks::{self, Checks};
use super::setting::{self, DOMAINS, Decisions, Nature};
use crate::outside::judge::{Judge, Own};
use crate::outside::message::Message;
use rand::Rng;
use rand::rngs::StdRng;
use rollcall::config::Config;
use rollcall::env::{Ids, Time};
use rollcall::model::{
    Change, Fact, FactKey, GroupDocument, GroupId, Side, Subscriber, Subscription, Transport,
};
use rollcall::node::{Batch, Core, Input, Kept, Node, Ready};
use rollcall::sip::transaction::Transmit;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

/// A system.
pub struct Server {
    system: usize,
    systems: usize,
    nature: Nature,
    /// What its administrator wants now.
    pub decisions: Decisions,
    /// What he wanted before.
    pub earlier: Vec<Decisions>,
    config: Config,
    /// `None`: it is down.
    node: Option<Node>,
    /// Starts so far: messages for an earlier one are lost with it.
    pub starts: u8,
    /// What is on disk.
    pub facts: BTreeMap<FactKey, Fact>,
    /// Batches that are being written, in order.
    writing: VecDeque<Batch>,
    /// When the last commit ends.
    pub last_commit: u64,
    pub judge: Judge,
    pub checks: Checks,
}

impl Server {
    pub fn new(system: usize, systems: usize, rng: &mut StdRng) -> Self {
        let nature = Nature::new(rng, system, systems);
        let decisions = Decisions::new(rng, system);
        let config = nature.configuration(&decisions);
        let own = Own {
            sent_by: config.server.listeners[0].advertised.clone(),
            agents: DOMAINS[..systems].iter().map(|domain| (*domain).to_owned()).collect(),
            participating: setting::identity("mcptt", system),
            media: (0..systems).map(setting::media).collect(),
            controlling: (0..systems).map(|system| setting::identity("groups", system)).collect(),
            gateway: None,
        };
        Self {
            system,
            systems,
            nature,
            decisions,
            earlier: Vec::new(),
            config,
            node: None,
            starts: 0,
            facts: BTreeMap::new(),
            writing: VecDeque::new(),
            last_commit: 0,
            judge: Judge::new(own),
            checks: Checks::new(system, systems),
        }
    }

    /// The addresses that it listens on.
    pub fn listeners(&self) -> Vec<(Transport, SocketAddr)> {
        let listeners = self.config.server.listeners.iter();
        listeners.map(|listener| (listener.transport, listener.bind)).collect()
    }

    /// Its administrator decides anew; it takes that over if it is up, and otherwise when it starts.
    pub fn reload(&mut self, rng: &mut StdRng) {
        self.earlier.push(std::mem::replace(&mut self.decisions, Decisions::new(rng, self.system)));
        self.config = self.nature.configuration(&self.decisions);
        if let Some(node) = &mut self.node {
            node.reload(&self.config);
        }
    }

    /// The configurations of its groups, as provisioned.
    pub fn provisioned(&self) -> impl Iterator<Item = &GroupDocument> {
        self.config.groups.iter().map(|group| &group.document)
    }

    pub fn domain(&self) -> &'static str {
        DOMAINS[self.system]
    }

    pub fn is_up(&self) -> bool {
        self.node.is_some()
    }

    pub fn due(&self) -> Option<u64> {
        self.node.as_ref().and_then(Core::due).map(Time::as_millis)
    }

    /// What it holds when all is over. A function elsewhere that ended its subscription and died before we heard so keeps
    /// it here until the next news, which it answers 481.
    pub fn still_holds(&self) -> String {
        let Some(node) = &self.node else { return "no server".to_owned() };
        let mut holds = node.service().holds();
        let of_functions =
            |subscription: &&Subscription| matches!(subscription.subscriber, Subscriber::Function(_));
        holds.subscriptions -= node.service().model().subscriptions().filter(of_functions).count();
        holds.to_string()
    }

    /// Its calls with their participants.
    pub fn calls(&self) -> Vec<String> {
        self.node.as_ref().map(|node| checks::calls(node.service().model())).unwrap_or_default()
    }

    /// The calls of its temporary groups, with their participants.
    pub fn temporary_calls(&self) -> BTreeMap<GroupId, Vec<String>> {
        let Some(node) = &self.node else { return BTreeMap::new() };
        checks::temporary_calls(node.service().model())
    }

    /// TS 23.280 10.2.4.3 step 5: whatever takes a temporary group away, message or timer, leaves its call as
    /// it was.
    pub fn kept_calls(&self, before: &BTreeMap<GroupId, Vec<String>>) {
        let Some(node) = &self.node else { return };
        let model = node.service().model();
        for (group, calls) in before {
            if model.group(Side::Mc, group.as_str()).is_none() {
                let now = checks::calls(model);
                let gone: Vec<_> = calls.iter().filter(|one| !now.contains(one)).collect();
                assert!(gone.is_empty(), "the teardown of {group} cut its call: {gone:?}");
            }
        }
    }

    /// Starts from what is on disk.
    pub fn start(&mut self, now: u64, rng: &mut StdRng) {
        self.starts = self.starts.wrapping_add(1);
        let mut seed = [self.starts; 32];
        rng.fill(&mut seed);
        let mut service = rollcall::node::setup::service(&self.config, Ids::new(seed));
        for fact in self.facts.values() {
            service.replay(Time::from_millis(now), fact.clone());
        }
        self.judge.forget();
        self.checks.restarted(&self.facts);
        self.node = Some(Node::start(service, Time::from_millis(now)));
    }

    pub fn die(&mut self) {
        self.node = None;
        self.writing.clear();
        self.last_commit = 0;
    }

    /// Takes an input. Returns the number of the batch that is to be committed, and what may leave at once.
    pub fn feed(&mut self, now: u64, rng: &mut StdRng, input: Input) -> (Option<u64>, Vec<Transmit>) {
        let Some(node) = &mut self.node else { return (None, Vec::new()) };
        let now = Time::from_millis(now);
        let mut ready = Ready::default();
        node.handle(now, input, &mut ready);
        // Sometimes several inputs make one batch.
        if !rng.random_bool(0.8) {
            node.handle(now, Input::Tick, &mut ready);
        }
        node.finish(now, &mut ready);
        let open = !self.writing.is_empty() || ready.batch.is_some();
        for transmit in &ready.at_once {
            let trying = transmit.octets.starts_with(b"SIP/2.0 100 ");
            assert!(trying || !open, "left before its commit: {}", String::from_utf8_lossy(&transmit.octets));
        }
        let number = ready.batch.map(|batch| {
            self.checks.changed(&batch.changes);
            let number = batch.number;
            self.writing.push_back(batch);
            number
        });
        (number, ready.at_once)
    }

    /// The next batch is on disk.
    pub fn keep(&mut self, number: u64) {
        let batch = self.writing.pop_front().expect("a batch is being written");
        assert_eq!(batch.number, number, "commits end in order");
        for change in &batch.changes {
            match change {
                Change::Put(fact) => drop(self.facts.insert(fact.key(), fact.clone())),
                Change::Remove(key) => drop(self.facts.remove(key)),
            }
        }
    }

    /// A commit ended. Returns what may leave now.
    pub fn settle(&mut self, now: u64, number: u64, kept: Kept) -> Vec<Transmit> {
        if kept == Kept::Yes {
            self.keep(number);
        } else {
            // Also a repetition of what was said before becomes a 503 now.
            self.judge.forget();
        }
        let Some(node) = &mut self.node else { return Vec::new() };
        node.settle(Time::from_millis(now), number, kept)
    }

    /// What it sends, if it breaks no rule.
    pub fn judged(&mut self, transmit: &Transmit) -> Message {
        let message = Message::read(&transmit.octets);
        let faults = self.judge.said(&message, &transmit.octets);
        assert!(faults.is_empty(), "{faults:?} in {}", String::from_utf8_lossy(&transmit.octets));
        message
    }

    /// It says something to a client.
    pub fn said(&mut self, now: u64, name: &str, message: &Message) {
        self.checks.said(now, name, message, &self.facts);
    }

    /// What must hold after each step.
    pub fn hold(&self) {
        let Some(node) = &self.node else { return };
        self.checks.groups(node.service().model(), &setting::groups_of(self.system));
        let holds = node.service().holds();
        assert!(holds.calls > 0 || holds.ports == 0, "ports without a call: {holds}");
    }

    /// The facts give the same model again.
    pub fn replayed(&self) {
        if let Some(node) = &self.node {
            self.checks.replayed(node.service().model(), &self.config, self.systems);
        }
    }
}
