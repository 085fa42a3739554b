//! Two transaction layers over a network that loses, repeats and reorders, with users that answer late, refuse, cancel
//! and acknowledge.

use super::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};

const CALLS: u64 = 60;
/// Well under T4, so that nothing arrives after it was forgotten.
const LONGEST_DELAY: u64 = 1_000;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Caller,
    Callee,
}

/// What happens at a moment.
enum Happening {
    Arrival(Who, Bytes),
    Call(u64),
    GiveUp(ClientId),
    Answer(ServerId, u16),
    /// The dialog of the callee repeats its 2xx until the ACK comes.
    Repeat(ServerId, String, u64),
}

struct Net {
    random: StdRng,
    now: Time,
    queue: BTreeMap<(Time, u64), Happening>,
    count: u64,
    loss: f64,
    caller: World,
    callee: World,
    /// By Call-ID.
    came_up: BTreeSet<String>,
    answered: BTreeMap<String, u16>,
    acknowledged: BTreeSet<String>,
    clients: BTreeMap<ClientId, String>,
    heard: BTreeMap<ClientId, BTreeSet<u16>>,
    finals: u64,
    timeouts: u64,
    no_acks: u64,
}

impl Net {
    fn new(seed: u64, loss: f64) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
            now: World::new().now,
            queue: BTreeMap::new(),
            count: 0,
            loss,
            caller: World::new(),
            callee: World::new(),
            came_up: BTreeSet::new(),
            answered: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
            clients: BTreeMap::new(),
            heard: BTreeMap::new(),
            finals: 0,
            timeouts: 0,
            no_acks: 0,
        }
    }

    fn at(&mut self, millis: u64, happening: Happening) {
        self.count += 1;
        self.queue.insert((self.now.plus(Duration::from_millis(millis)), self.count), happening);
    }

    fn run(&mut self) {
        for call in 0..CALLS {
            self.at(call * 40, Happening::Call(call));
        }
        loop {
            let next = self.queue.keys().next().map(|(time, _)| *time);
            let due = [next, self.caller.table.due(), self.callee.table.due()].into_iter().flatten().min();
            let Some(now) = due else { break };
            self.now = self.now.max(now);
            (self.caller.now, self.callee.now) = (self.now, self.now);
            self.caller.wait(0);
            self.callee.wait(0);
            while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let happening = entry.remove();
                self.happen(happening);
            }
            self.carry(Who::Caller);
            self.carry(Who::Callee);
            self.tell();
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Arrival(Who::Caller, octets) => {
                self.caller.receive(udp(), str::from_utf8(&octets).unwrap())
            }
            Happening::Arrival(Who::Callee, octets) => {
                self.callee.receive(udp(), str::from_utf8(&octets).unwrap())
            }
            Happening::Call(call) => {
                let method = if call % 2 == 0 { Method::Invite } else { Method::Message };
                let mut draft = draft(method, "sip:a@192.0.2.9:5062");
                for (name, value) in &mut draft.headers {
                    if *name == Name::CallId {
                        *value = call.to_string();
                    }
                }
                let id = self.caller.send(&draft);
                self.clients.insert(id, call.to_string());
                // Figure 5 waits for ever in Proceeding; a user does not.
                self.at(100_000, Happening::GiveUp(id));
                if call % 5 == 0 {
                    let after = self.random.random_range(0..6_000);
                    self.at(after, Happening::GiveUp(id));
                }
            }
            Happening::GiveUp(id) => self.caller.cancel(id),
            Happening::Answer(id, status) => {
                let Some(call) = self.callee.table.request_of(id).map(|request| request.call_id().to_owned())
                else {
                    return;
                };
                let invite = self.callee.table.request_of(id).is_some_and(|r| r.method() == Method::Invite);
                assert!(self.callee.respond(id, status));
                if status >= 200 {
                    self.answered.insert(call.clone(), status);
                }
                if invite && status == 200 {
                    self.at(500, Happening::Repeat(id, call, 500));
                }
            }
            Happening::Repeat(id, call, interval) => {
                if !self.acknowledged.contains(&call) && self.callee.table.last_response(id).is_some() {
                    self.callee.table.resend(id, &mut self.callee.out);
                    self.at(interval * 2, Happening::Repeat(id, call, (interval * 2).min(4_000)));
                }
            }
        }
    }

    /// Hands what one side sent to the network.
    fn carry(&mut self, from: Who) {
        let (side, to) = match from {
            Who::Caller => (&mut self.caller, Who::Callee),
            Who::Callee => (&mut self.callee, Who::Caller),
        };
        for transmit in std::mem::take(&mut side.out) {
            let copies = if self.random.random_bool(0.1) { 2 } else { 1 };
            for _ in 0..copies {
                let delay = self.random.random_range(0..LONGEST_DELAY);
                if !self.random.random_bool(self.loss) {
                    self.at(delay, Happening::Arrival(to, transmit.octets.clone()));
                }
            }
        }
    }

    /// Tells the users.
    fn tell(&mut self) {
        for event in std::mem::take(&mut self.callee.events) {
            match event {
                Event::Request { id, request, .. } => {
                    assert!(self.came_up.insert(request.call_id().to_owned()), "a request came up twice");
                    let status = [200, 200, 404, 486, 302][self.random.random_range(0..5)];
                    let delay = self.random.random_range(0..4_000);
                    if request.method() == Method::Invite && delay > 2_000 {
                        self.at(delay / 2, Happening::Answer(id, 180));
                    }
                    self.at(delay, Happening::Answer(id, status));
                }
                Event::Cancel { id, .. } => self.at(0, Happening::Answer(id, 487)),
                Event::Ack { request, .. } => {
                    self.acknowledged.insert(request.call_id().to_owned());
                }
                Event::NoAck { .. } => self.no_acks += 1,
                other => panic!("{other:?}"),
            }
        }
        for event in std::mem::take(&mut self.caller.events) {
            match event {
                Event::Response { id, response, .. } => {
                    let (call, status) = (&self.clients[&id], response.status());
                    if status < 200 {
                        continue;
                    }
                    assert_eq!(
                        self.answered.get(call),
                        Some(&status),
                        "the caller hears what the callee said"
                    );
                    let first = self.heard.entry(id).or_default().insert(status);
                    assert!(
                        first || response.method() == Method::Invite && status == 200,
                        "one final answer"
                    );
                    self.finals += u64::from(first);
                    if response.method() == Method::Invite && status == 200 {
                        let mut ack = draft(Method::Ack, "sip:a@192.0.2.9:5062");
                        ack.headers.retain(|(name, _)| *name != Name::CallId && *name != Name::To);
                        let ack =
                            ack.header(Name::CallId, call).header(Name::To, "<sip:a@one.example>;tag=ours");
                        let caller = &mut self.caller;
                        caller.table.send_ack(&mut caller.ids, &ack, None, &mut caller.out).unwrap();
                    }
                }
                Event::Timeout { .. } => self.timeouts += 1,
                Event::StrayResponse { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn is_clean(&self) -> bool {
        self.caller.is_empty() && self.callee.is_empty()
    }
}

#[test]
fn every_request_is_answered_once_over_a_network_that_loses_a_fifth() {
    for seed in 0..12 {
        let mut net = Net::new(seed, 0.2);
        net.run();
        assert_eq!((net.finals, net.timeouts), (CALLS, 0), "seed {seed}");
        assert_eq!(net.no_acks, 0, "seed {seed}");
        let accepted = net
            .answered
            .iter()
            .filter(|(call, status)| **status == 200 && call.parse::<u64>().is_ok_and(|call| call % 2 == 0));
        assert!(accepted.into_iter().all(|(call, _)| net.acknowledged.contains(call)), "seed {seed}");
        assert!(net.is_clean(), "seed {seed}");
    }
}

#[test]
fn over_a_network_that_loses_nearly_all_every_request_still_ends_and_nothing_is_left() {
    for seed in 100..106 {
        let mut net = Net::new(seed, 0.85);
        net.run();
        assert!(net.timeouts > 0, "seed {seed}");
        // A CANCEL without a final answer ends its INVITE by timeout too, so each call has exactly one end.
        assert_eq!(net.finals + net.timeouts, CALLS, "seed {seed}");
        assert!(net.is_clean(), "seed {seed}");
    }
}
