//! Two agents call each other at random over a network that loses, doubles and delays. Whatever happens, every session
//! gets one last word, and nothing is left in the end. A seed gives the same run for ever.

use super::*;
use crate::config::Limits;
use crate::env::Time;
use crate::sip::transaction::{ClientId, Path};
use crate::sip::wire;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// What a user has made up its mind to do.
#[derive(Clone, Debug)]
enum Plan {
    Call,
    Ring(SessionId, bool),
    Accept(SessionId),
    Refuse(SessionId),
    Cancel(SessionId),
    Leave(SessionId),
    Ask(SessionId, Method, bool),
    Answer(ServerId, u16),
}

/// What a side knows of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Known {
    /// The user can hear no more of it.
    over: bool,
    /// We accepted it, or it was accepted.
    accepted: bool,
    /// We released or cancelled it.
    left: bool,
}

struct Side {
    stand: Stand,
    sessions: BTreeMap<SessionId, Known>,
    asked: BTreeMap<ClientId, bool>,
    calls: u32,
}

struct World {
    now: Time,
    dice: Ids,
    sides: [Side; 2],
    /// Messages on their way, by time of arrival.
    network: BTreeMap<(Time, u64), (usize, Bytes)>,
    plans: BTreeMap<(Time, u64), (usize, Plan)>,
    count: u64,
    /// Percent of messages that are lost, and that are doubled.
    loss: u64,
    heard: u64,
}

use crate::env::Ids;

fn address(side: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1 + side as u8], 5060))
}

fn side(index: usize) -> Side {
    let mut settings = settings();
    for listener in &mut settings.transactions.hops.listeners {
        listener.bind = address(index);
        listener.advertised = address(index).to_string();
    }
    // Short sessions, so that refreshes happen within a run.
    settings.session_interval = 90;
    let mut stand = Stand::with(settings);
    stand.ids = Ids::new([index as u8 + 1; 32]);
    Side { stand, sessions: BTreeMap::new(), asked: BTreeMap::new(), calls: 0 }
}

impl World {
    fn new(seed: u8, loss: u64) -> Self {
        let mut dice = Ids::new([seed; 32]);
        let first = dice.number();
        Self {
            now: Time::from_millis(1_000_000),
            dice,
            sides: [side(0), side(1)],
            network: BTreeMap::new(),
            plans: BTreeMap::new(),
            count: first % 2,
            loss,
            heard: 0,
        }
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.dice.number() % sides
    }

    fn plan(&mut self, side: usize, within_millis: u64, plan: Plan) {
        let at = self.now.plus(Duration::from_millis(self.dice.number() % within_millis.max(1)));
        self.count += 1;
        self.plans.insert((at, self.count), (side, plan));
    }

    /// Runs until this moment.
    fn run(&mut self, until: Time) {
        loop {
            let next = [
                self.network.first_key_value().map(|((at, _), _)| *at),
                self.plans.first_key_value().map(|((at, _), _)| *at),
                self.sides[0].stand.agent.due(),
                self.sides[1].stand.agent.due(),
            ];
            let Some(next) = next.into_iter().flatten().min().filter(|at| *at <= until) else { break };
            self.now = self.now.max(next);
            if let Some((at, _)) = self.network.first_key_value().filter(|((at, _), _)| *at <= self.now) {
                let at = *at;
                let (side, octets) = self.network.remove(&at).expect("it is there");
                let stand = &mut self.sides[side].stand;
                let flow = crate::sip::transaction::Flow { peer: address(1 - side), ..udp() };
                let message =
                    wire::datagram(octets, &Limits::default()).expect("we write messages").expect("one");
                stand.agent.receive(
                    self.now,
                    &mut stand.ids,
                    flow,
                    Ok(message),
                    &mut stand.out,
                    &mut stand.events,
                );
            } else if let Some((at, _)) = self.plans.first_key_value().filter(|((at, _), _)| *at <= self.now)
            {
                let at = *at;
                let (side, plan) = self.plans.remove(&at).expect("it is there");
                self.act(side, plan);
            }
            for index in 0..2 {
                let Stand { agent, ids, out, events, .. } = &mut self.sides[index].stand;
                if agent.due().is_some_and(|due| due <= self.now) {
                    agent.fire(self.now, ids, out, events);
                }
                agent.settle(self.now, out);
                self.listen(index);
                self.send(index);
            }
        }
        self.now = until;
    }

    fn send(&mut self, side: usize) {
        for transmit in std::mem::take(&mut self.sides[side].stand.out) {
            let to = match transmit.path {
                Path::Flow(flow) => flow.peer,
                Path::Address { address, .. } => address,
            };
            assert_eq!(to, address(1 - side));
            let copies = match self.roll(100) {
                roll if roll < self.loss => 0,
                roll if roll < 2 * self.loss => 2,
                _ => 1,
            };
            for _ in 0..copies {
                let delay = if self.loss == 0 { 5 } else { self.roll(200) };
                self.count += 1;
                let at = self.now.plus(Duration::from_millis(delay));
                self.network.insert((at, self.count), (1 - side, transmit.octets.clone()));
            }
        }
    }

    fn act(&mut self, index: usize, plan: Plan) {
        let now = self.now;
        let side = &mut self.sides[index];
        let Stand { agent, ids, out, .. } = &mut side.stand;
        let body = || OutBody { content_type: SDP.0.to_owned(), content: SDP.1.as_bytes().into() };
        let contact = format!("<sip:{index}@{}>", address(index));
        match plan {
            Plan::Call => {
                side.calls += 1;
                let mut draft = our_invite();
                draft.uri = format!("sip:x@{}", address(1 - index));
                draft.headers.retain(|(name, _)| !matches!(name, Name::CallId | Name::From | Name::Contact));
                let draft = draft
                    .header(Name::CallId, format!("call-{index}-{}", side.calls))
                    .header(Name::From, format!("<sip:{index}@one.example>;tag={}", ids.tag()))
                    .header(Name::Contact, contact);
                let session = agent.invite(now, ids, draft, None, out).expect("there is a way");
                assert_eq!(side.sessions.insert(session, Known::default()), None);
                match self.roll(5) {
                    0 => self.plan(index, 3000, Plan::Cancel(session)),
                    1 => self.plan(index, 30_000, Plan::Leave(session)),
                    _ => {}
                }
            }
            Plan::Ring(session, reliable) => {
                let reply = Reply::new(if reliable { 183 } else { 180 });
                let reply = if reliable { reply.body(SDP.0, SDP.1) } else { reply };
                agent.progress(now, ids, session, reply, &contact, out);
            }
            Plan::Accept(session) => {
                let known = side.sessions.get_mut(&session).expect("it was told");
                if !known.over {
                    known.accepted = true;
                    agent.accept(now, ids, session, Reply::new(200).body(SDP.0, SDP.1), &contact, out);
                }
            }
            Plan::Refuse(session) => {
                let known = side.sessions.get_mut(&session).expect("it was told");
                if !known.over && !known.accepted {
                    known.over = true;
                    agent.refuse(now, ids, session, Reply::new(486), out);
                }
            }
            Plan::Cancel(session) | Plan::Leave(session) => {
                let known = side.sessions.get_mut(&session).expect("it was told");
                if !known.over {
                    known.left = true;
                    match plan {
                        Plan::Cancel(_) => agent.cancel(now, ids, session, None, out),
                        _ => agent.bye(now, ids, session, None, out),
                    }
                }
            }
            Plan::Ask(session, method, offer) => {
                let body = offer.then(body);
                if let Ok(id) = agent.in_session(now, ids, session, method, Vec::new(), body, out) {
                    assert_eq!(side.asked.insert(id, false), None);
                }
            }
            Plan::Answer(id, status) => {
                let reply = Reply::new(status);
                let reply = if status == 200 { reply.body(SDP.0, SDP.1) } else { reply };
                agent.answer(now, ids, id, reply, None, out);
            }
        }
    }

    /// The user of a side hears what its agent tells and makes plans.
    fn listen(&mut self, index: usize) {
        let Stand { agent, events, .. } = &mut self.sides[index].stand;
        agent.tell(events);
        for event in std::mem::take(events) {
            self.heard += 1;
            let (session, over, plans) = self.consider(&event);
            if let AgentEvent::Answered { id, .. } = event {
                // Each request of ours is answered once.
                assert_eq!(self.sides[index].asked.insert(id, true), Some(false), "{event:?}");
                continue;
            }
            let Some(session) = session else { continue };
            let sessions = &mut self.sides[index].sessions;
            if matches!(event, AgentEvent::Invite { .. }) {
                assert_eq!(sessions.insert(session, Known::default()), None);
            }
            let known = sessions.get_mut(&session).expect("it is known");
            assert!(!known.over, "{event:?} after the last word");
            if known.left {
                let last = matches!(event, AgentEvent::GivenUp { .. } | AgentEvent::Ended { .. });
                assert!(last, "{event:?} after we left");
            }
            known.over |= over;
            known.accepted |= matches!(event, AgentEvent::Accepted { .. });
            for (within, plan) in plans {
                self.plan(index, within, plan);
            }
        }
    }

    /// Which session an event is of, whether it is its last word, and what the user thinks of it.
    fn consider(&mut self, event: &AgentEvent) -> (Option<SessionId>, bool, Vec<(u64, Plan)>) {
        let mut plans = Vec::new();
        match *event {
            AgentEvent::Invite { session, .. } => {
                match self.roll(4) {
                    0 => plans.push((2000, Plan::Ring(session, false))),
                    1 => plans.extend([(500, Plan::Ring(session, true)), (2000, Plan::Ring(session, true))]),
                    _ => {}
                }
                plans.push(match self.roll(8) {
                    0 => (5000, Plan::Refuse(session)),
                    1 => (5000, Plan::Leave(session)),
                    2 => (100_000, Plan::Accept(session)),
                    _ => (4000, Plan::Accept(session)),
                });
                (Some(session), false, plans)
            }
            AgentEvent::Accepted { session, .. } | AgentEvent::Confirmed { session, .. } => {
                for _ in 0..self.roll(6) {
                    let method = [Method::Info, Method::Update, Method::Invite][self.roll(3) as usize];
                    let offer = method == Method::Invite || self.roll(2) == 0;
                    plans.push((60_000, Plan::Ask(session, method, offer)));
                }
                if self.roll(3) == 0 {
                    plans.push((150_000, Plan::Leave(session)));
                }
                (Some(session), false, plans)
            }
            AgentEvent::InSession { session, id, .. } => {
                let status = if self.roll(4) == 0 { 488 } else { 200 };
                plans.push((self.dice.number() % 3000 + 1, Plan::Answer(id, status)));
                (Some(session), false, plans)
            }
            AgentEvent::Progress { session, .. }
            | AgentEvent::GivenUp { session, .. }
            | AgentEvent::Moved { session } => (Some(session), false, plans),
            AgentEvent::Cancelled { session, .. }
            | AgentEvent::Refused { session, .. }
            | AgentEvent::Released { session, .. }
            | AgentEvent::Lost { session, .. }
            | AgentEvent::Ended { session } => (Some(session), true, plans),
            AgentEvent::Request { .. } | AgentEvent::Answered { .. } => (None, false, plans),
        }
    }
}

fn play(seed: u8, loss: u64) {
    let mut world = World::new(seed, loss);
    for _ in 0..40 {
        let side = world.roll(2) as usize;
        world.plan(side, 200_000, Plan::Call);
    }
    world.run(world.now.plus(Duration::from_secs(300)));
    // Everybody goes home.
    world.plans.clear();
    world.loss = 0;
    for index in 0..2 {
        let sessions = &world.sides[index].sessions;
        let open =
            sessions.iter().filter(|(_, known)| !known.over && !known.left).map(|(session, _)| *session);
        for session in open.collect::<Vec<_>>() {
            world.plan(index, 1, Plan::Leave(session));
        }
    }
    world.run(world.now.plus(Duration::from_secs(600)));
    assert!(world.heard > 100, "{}", world.heard);
    for side in &world.sides {
        assert_eq!(side.stand.agent.open_sessions(), 0, "seed {seed}");
        assert_eq!(side.stand.agent.open_transactions(), (0, 0), "seed {seed}");
        let open: Vec<_> = side.asked.iter().filter(|(_, answered)| !**answered).collect();
        assert_eq!(open, [], "seed {seed}");
        assert!(side.sessions.values().all(|known| known.over), "seed {seed}");
    }
}

#[test]
fn every_session_gets_one_last_word_and_nothing_is_left() {
    for seed in 1..=20 {
        play(seed, 0);
    }
}

#[test]
fn the_same_where_messages_are_lost_doubled_and_overtaken() {
    for seed in 1..=20 {
        play(seed, 10);
        play(seed, 30);
    }
}
