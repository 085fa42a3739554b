//! One system of a figure: a node, a store in memory, and what happens to both.

use super::system::System;
use crate::outside::judge::Judge;
use rollcall::config::Config;
use rollcall::env::{Ids, Time};
use rollcall::model::{Change, Fact, FactKey};
use rollcall::node::{Core, Input, Kept, Node, Ready};
use rollcall::sip::transaction::Transmit;
use std::collections::BTreeMap;

/// A system of the figure.
pub struct Server {
    /// What the figure calls it.
    pub name: String,
    pub system: System,
    /// Its text as it was read last, and what it says.
    read: Option<(String, Config)>,
    /// Its place among the systems.
    place: u8,
    /// `None`: not started yet, or down.
    node: Option<Node>,
    starts: u8,
    facts: BTreeMap<FactKey, Fact>,
    pub disk_works: bool,
    /// It dies soon.
    pub crash: Option<Crash>,
    pub judge: Judge,
}

/// When a server dies: nothing is sent, and nothing of that commit is kept, or all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crash {
    pub keeps: bool,
    /// With the next message, even if it changes nothing; else at the next commit.
    pub with_message: bool,
}

/// What came of an input.
#[derive(Default)]
pub struct Fed {
    pub kept: Vec<Change>,
    pub leaving: Vec<Transmit>,
    /// There was something to commit.
    pub commits: bool,
    /// The node is to be built anew from what was kept.
    pub ends: bool,
}

impl Server {
    /// A system that has not been started.
    pub fn new(name: &str, place: usize, system: System, judge: Judge) -> Self {
        Self {
            name: name.to_owned(),
            system,
            read: None,
            place: u8::try_from(place).expect("few systems"),
            node: None,
            starts: 0,
            facts: BTreeMap::new(),
            disk_works: true,
            crash: None,
            judge,
        }
    }

    /// The configuration as it is now.
    pub fn config(system: &System) -> Config {
        Config::read(std::path::Path::new("system.toml"), system.text().as_bytes())
            .unwrap_or_else(|mistakes| panic!("configuration of the figure: {mistakes:?}"))
    }

    /// Starts, or starts again, from the facts on disk.
    pub fn start(&mut self, now: Time) {
        self.starts += 1;
        // No two starts and no two systems draw the same random values.
        let seed = self.starts + 100 * self.place;
        let read = self.read.take().filter(|(text, _)| text == self.system.text());
        let read = read.unwrap_or_else(|| (self.system.text().to_owned(), Self::config(&self.system)));
        let (_, config) = self.read.insert(read);
        let mut service = rollcall::node::setup::service(config, Ids::new([seed; 32]));
        for fact in self.facts.values() {
            service.replay(now, fact.clone());
        }
        self.node = Some(Node::start(service, now));
        self.judge.forget();
    }

    /// The store is lost with all that was in it.
    pub fn lose_store(&mut self) {
        self.facts.clear();
    }

    pub fn stop(&mut self) {
        self.node = None;
    }

    pub fn is_up(&self) -> bool {
        self.node.is_some()
    }

    pub fn starts(&self) -> u8 {
        self.starts
    }

    pub fn due(&self) -> Option<Time> {
        self.node.as_ref().and_then(Core::due)
    }

    /// What it still holds.
    pub fn holds(&self) -> String {
        self.node
            .as_ref()
            .map_or_else(|| "nothing: it is down".to_owned(), |node| node.service().holds().to_string())
    }

    /// Takes an input, commits what comes of it, and says what may leave then.
    pub fn feed(&mut self, now: Time, input: Input) -> Fed {
        let Some(node) = &mut self.node else { return Fed::default() };
        let is_message = matches!(input, Input::Datagram { .. } | Input::Stream { .. });
        let mut ready = Ready::default();
        node.handle(now, input, &mut ready);
        node.finish(now, &mut ready);
        let crash = self.crash.take_if(|crash| ready.batch.is_some() || is_message && crash.with_message);
        let mut fed = Fed { leaving: ready.at_once, commits: ready.batch.is_some(), ..Fed::default() };
        if let Some(batch) = ready.batch {
            let kept = if self.disk_works { Kept::Yes } else { Kept::No };
            if kept == Kept::Yes && crash.is_none_or(|crash| crash.keeps) {
                self.keep(&batch.changes);
                fed.kept = batch.changes;
            }
            fed.leaving.extend(self.node.iter_mut().flat_map(|node| node.settle(now, batch.number, kept)));
            // The runtime builds the node anew from what the store has.
            fed.ends = kept == Kept::No;
        }
        if crash.is_some() { Fed { leaving: Vec::new(), ends: true, ..fed } } else { fed }
    }

    /// What was kept.
    pub fn facts(&self) -> impl Iterator<Item = &Fact> {
        self.facts.values()
    }

    /// Everything that was kept is lost.
    pub fn empty(&mut self) {
        self.facts.clear();
    }

    pub fn keep(&mut self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Put(fact) => drop(self.facts.insert(fact.key(), fact.clone())),
                Change::Remove(key) => drop(self.facts.remove(key)),
            }
        }
    }
}
