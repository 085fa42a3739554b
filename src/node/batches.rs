//! Inputs in batches, one commit, then the answers. Nothing a peer can see leaves before the facts it rests on are on
//! disk: while a commit is open everything but `100 Trying` waits for it.

use super::{Batch, Core, Due, Input, Kept, Ready};
use crate::config::Config;
use crate::env::Time;
use crate::service::Service;
use crate::sip::transaction::{Transmit, unavailable_instead};
use crate::sip::wire;
use std::collections::VecDeque;

/// The node of a running server.
#[derive(Debug)]
pub struct Node {
    service: Service,
    /// Number of the last batch handed out.
    last: u64,
    /// Number of the last batch settled.
    settled: u64,
    /// What waits, by the batch it waits for, in order.
    held: VecDeque<(u64, Vec<Transmit>)>,
    held_count: usize,
}

impl Node {
    /// A node around a service to which all facts were replayed; starts again what was going on.
    pub fn start(mut service: Service, now: Time) -> Self {
        service.resume(now);
        Self { service, last: 0, settled: 0, held: VecDeque::new(), held_count: 0 }
    }

    /// The service inside, to look at.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// Takes what can change without a restart from a configuration: functions, policy, peers, groups.
    pub fn reload(&mut self, config: &Config) {
        let groups = config.groups.iter().map(|group| group.document.clone());
        self.service.reload(
            super::setup::policy(config),
            super::setup::peers(config),
            super::setup::beyond(config),
            groups,
        );
    }

    /// Messages that wait for the disk.
    pub fn held(&self) -> usize {
        self.held_count
    }

    fn receive(
        &mut self,
        now: Time,
        flow: crate::sip::transaction::Flow,
        octets: bytes::Bytes,
        stream: bool,
    ) {
        let limits = self.service.limits();
        let overloaded = self.held_count >= limits.waiting_for_store;
        let caught_up = self.held_count < limits.waiting_for_store / 2;
        let scanned = if stream {
            wire::message(octets, limits)
        } else {
            match wire::datagram(octets, limits) {
                Ok(Some(message)) => Ok(message),
                Ok(None) => return,
                Err(rejected) => Err(rejected),
            }
        };
        if caught_up {
            self.service.shed_no_more();
        }
        match scanned {
            Ok(message) if overloaded && self.service.may_shed(&message) => {
                self.service.shed(now, flow, message);
            }
            scanned => self.service.receive(now, flow, scanned),
        }
    }
}

impl Core for Node {
    fn handle(&mut self, now: Time, input: Input, _ready: &mut Ready) {
        match input {
            Input::Datagram { flow, octets } => self.receive(now, flow, octets, false),
            Input::Stream { flow, octets } => self.receive(now, flow, octets, true),
            Input::Broken { flow, head, place } => match head {
                Some(head) => {
                    // Whatever the head still says, its end is not known: it is refused, never obeyed.
                    let rejected = match wire::message(head, self.service.limits()) {
                        Ok(message) => {
                            wire::Rejected::Answerable { message: Box::new(message), status: 400, place }
                        }
                        Err(rejected) => rejected,
                    };
                    self.service.receive(now, flow, Err(rejected));
                }
                None => tracing::warn!(peer = %flow.peer, "stream closed: {place}"),
            },
            Input::Unreachable { ticket } => self.service.unreachable(now, ticket),
            Input::Tick => self.service.tick(now),
        }
    }

    fn finish(&mut self, _now: Time, ready: &mut Ready) {
        let changes = self.service.take_changes();
        if !changes.is_empty() {
            self.last += 1;
            ready.batch = Some(Batch { number: self.last, changes });
        }
        let out = self.service.take_out();
        if self.last == self.settled {
            ready.at_once.extend(out);
            return;
        }
        let mut waiting = Vec::new();
        for transmit in out {
            if transmit.trying { ready.at_once.push(transmit) } else { waiting.push(transmit) }
        }
        self.held_count += waiting.len();
        match self.held.back_mut() {
            Some((number, held)) if *number == self.last => held.append(&mut waiting),
            _ => self.held.push_back((self.last, waiting)),
        }
    }

    fn settle(&mut self, _now: Time, number: u64, kept: Kept) -> Vec<Transmit> {
        self.settled = self.settled.max(number);
        let mut released = Vec::new();
        while self.held.front().is_some_and(|(waits_for, _)| *waits_for <= number || kept == Kept::No) {
            let Some((_, held)) = self.held.pop_front() else { break };
            self.held_count -= held.len();
            match kept {
                Kept::Yes => released.extend(held),
                // What was not kept is not said: answers become 503, requests of ours are not sent.
                Kept::No => {
                    released.extend(held.into_iter().filter(|t| t.answers.is_some()).filter_map(|transmit| {
                        let octets = unavailable_instead(&transmit.octets)?;
                        Some(Transmit { octets, ..transmit })
                    }))
                }
            }
        }
        released
    }

    fn due(&self) -> Due {
        self.service.due()
    }

    fn is_full(&self) -> bool {
        self.held_count >= self.service.limits().waiting_for_store.saturating_mul(2)
    }

    fn stop(&mut self) {
        self.service.stop();
    }

    fn is_idle(&self) -> bool {
        self.held.is_empty() && self.service.is_idle()
    }
}
