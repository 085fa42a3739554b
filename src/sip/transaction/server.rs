//! The server transactions of a node: found by key, moved by their machines.

use super::clock::{Alarm, Clock, Running, Side};
use super::kept::{Kept, Tails};
use super::machine::{ServerAction as Do, Timer};
use super::slab::{self, Slab};
use super::{Flow, Outbox, Path, ServerId, Transmit, server_invite, server_plain};
use crate::env::Time;
use crate::model::Transport;
use crate::sip::message::Request;
use bytes::Bytes;
use hashbrown::HashTable;
use std::collections::VecDeque;
use std::net::SocketAddr;

/// One server transaction. After the final answer nothing is left of the request but its key.
#[derive(Debug)]
pub struct Server {
    hash: u64,
    key: Box<[u8]>,
    /// Where responses go.
    flow: Flow,
    /// The last response; empty if there was none yet.
    response: Kept,
    running: Running,
    open: Option<Box<Open>>,
    state: State,
    doublings: u8,
    /// The CANCEL that this layer answered by itself: its answer tells of nothing that could be kept.
    own: bool,
}

/// What is kept until the final answer.
#[derive(Debug)]
struct Open {
    request: Request,
    /// Where it came from.
    flow: Flow,
    /// Its place among the requests that another could be merged with.
    merged: Option<u64>,
}

/// One of the two machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Figure 7.
    Invite(server_invite::State),
    /// Figure 8.
    Plain(server_plain::State),
}

/// What happens to a server transaction, in the words of both machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The request again.
    Again,
    /// An ACK with the same branch.
    Ack,
    /// The user answers with this status.
    Answer(u16),
    /// The answer could not be kept.
    NotKept,
    /// A timer fired.
    Fired(Timer),
}

impl State {
    fn next(self, heard: Heard) -> Option<(Self, &'static [Do])> {
        match self {
            Self::Invite(state) => {
                use server_invite::{Event as On, next};
                let on = match heard {
                    Heard::Again => On::Invite,
                    Heard::Ack => On::Ack,
                    Heard::Answer(..=199) => On::Provisional,
                    Heard::Answer(200..=299) => On::Success,
                    Heard::Answer(_) => On::Failure,
                    Heard::NotKept => On::NotKept,
                    Heard::Fired(timer) => On::Fired(timer),
                };
                next(state, on).map(|(state, actions)| (Self::Invite(state), actions))
            }
            Self::Plain(state) => {
                use server_plain::{Event as On, next};
                let on = match heard {
                    Heard::Again => On::Request,
                    Heard::Ack => return None,
                    Heard::Answer(..=199) => On::Provisional,
                    Heard::Answer(_) => On::Final,
                    Heard::NotKept => On::NotKept,
                    Heard::Fired(timer) => On::Fired(timer),
                };
                next(state, on).map(|(state, actions)| (Self::Plain(state), actions))
            }
        }
    }

    fn is_over(self) -> bool {
        matches!(
            self,
            Self::Invite(server_invite::State::Terminated) | Self::Plain(server_plain::State::Terminated)
        )
    }

    /// Answered, acknowledged where that is due, and here only for repetitions: the peer loses little if it is
    /// forgotten early.
    fn is_expendable(self) -> bool {
        matches!(
            self,
            Self::Invite(server_invite::State::Confirmed) | Self::Plain(server_plain::State::Completed)
        )
    }
}

impl Server {
    /// The request, until the final answer, and where it came from.
    pub fn request(&self) -> Option<(&Request, Flow)> {
        self.open.as_ref().map(|open| (&open.request, open.flow))
    }

    /// Where its responses go.
    pub fn peer(&self) -> SocketAddr {
        self.flow.peer
    }

    /// The last response, if there was one.
    pub fn response(&self) -> Option<Bytes> {
        Some(&self.response).filter(|response| !response.is_empty()).map(Kept::octets)
    }

    /// Whether the machine has an arrow for this.
    pub fn takes(&self, heard: Heard) -> bool {
        self.state.next(heard).is_some()
    }

    /// Whether it is an INVITE that waits for its final answer.
    pub fn is_ringing(&self) -> bool {
        self.state == State::Invite(server_invite::State::Proceeding)
    }

    /// Whether it is an INVITE that was accepted.
    pub fn is_accepted(&self) -> bool {
        self.state == State::Invite(server_invite::State::Accepted)
    }

    fn is_reliable(&self) -> bool {
        self.flow.transport != Transport::Udp
    }
}

/// All server transactions.
#[derive(Debug)]
pub struct Servers {
    slab: Slab<Server>,
    by_key: HashTable<u32>,
    /// Requests outside dialogs that have no final answer yet, by what merged requests have in common.
    by_merged: HashTable<u32>,
    /// Expendable ones, oldest first: those of INVITEs, and others. Each waits a fixed time, so the front leaves first.
    expendable: [VecDeque<(Time, u64)>; 2],
    tails: Tails,
}

/// A new server transaction.
#[derive(Debug)]
pub struct Arrived {
    /// The request.
    pub request: Request,
    /// Where it came from.
    pub flow: Flow,
    /// Where its responses go.
    pub reply: Flow,
    /// The machine and its first state.
    pub state: State,
    /// Hash of what merged requests have in common, if it can be merged.
    pub merged: Option<u64>,
    /// The CANCEL that this layer answers by itself.
    pub own: bool,
}

impl Servers {
    /// No transactions.
    pub fn new() -> Self {
        Self {
            slab: Slab::new(),
            by_key: HashTable::new(),
            by_merged: HashTable::new(),
            expendable: [VecDeque::new(), VecDeque::new()],
            tails: Tails::default(),
        }
    }

    /// Transactions held.
    pub fn len(&self) -> usize {
        self.slab.len()
    }

    /// A transaction by its number.
    pub fn get(&self, id: u64) -> Option<&Server> {
        self.slab.get(id)
    }

    /// The transaction with this key.
    pub fn find(&self, hash: u64, key: &[u8]) -> Option<u64> {
        let found = self.by_key.find(hash, |&place| {
            self.slab.at(place).is_some_and(|(_, server)| server.hash == hash && *server.key == *key)
        })?;
        self.slab.at(*found).map(|(id, _)| id)
    }

    /// Whether a request like this one, which came another way, still waits for its final answer.
    pub fn is_merged(&self, hash: u64, request: &Request) -> bool {
        let same = |other: &Request| {
            other.call_id() == request.call_id()
                && other.from_tag() == request.from_tag()
                && other.cseq() == request.cseq()
                && other.method_token() == request.method_token()
        };
        let is_same = |&place: &u32| {
            self.slab.at(place).is_some_and(|(_, server)| server.request().is_some_and(|(r, _)| same(r)))
        };
        self.by_merged.find(hash, is_same).is_some()
    }

    /// Takes a new transaction in.
    pub fn insert(&mut self, hash: u64, key: &[u8], arrived: Arrived) -> u64 {
        let Arrived { request, flow, reply, state, merged, own } = arrived;
        let id = self.slab.insert(Server {
            hash,
            key: key.into(),
            flow: reply,
            response: Kept::default(),
            running: Running::default(),
            open: Some(Box::new(Open { request, flow, merged })),
            state,
            doublings: 0,
            own,
        });
        let Self { slab, by_key, by_merged, .. } = self;
        let place = slab::place(id);
        by_key.insert_unique(hash, place, |&place| slab.at(place).map_or(0, |(_, server)| server.hash));
        if let Some(hash) = merged {
            by_merged.insert_unique(hash, place, |&place| {
                let open = slab.at(place).and_then(|(_, server)| server.open.as_ref());
                open.and_then(|open| open.merged).unwrap_or(0)
            });
        }
        id
    }

    /// Writes down the response that the machine will send from now on. A final one ends the need for the request.
    pub fn set_response(&mut self, id: u64, response: Bytes, is_final: bool) {
        let Some(server) = self.slab.get_mut(id) else { return };
        server.response = Kept::whole(response);
        if is_final {
            self.close(id);
        }
    }

    /// The final response has left, and stays for long: it is kept in as little memory as it needs.
    pub fn compact(&mut self, id: u64) {
        if let Some(server) = self.slab.get_mut(id) {
            server.response = self.tails.keep(&server.response);
        }
    }

    /// Moves a transaction along its figure. The actions are done, but for what only the caller can tell the user;
    /// `None`: the figure has no such arrow.
    pub fn drive(
        &mut self,
        now: Time,
        clock: &mut Clock,
        id: u64,
        heard: Heard,
        out: &mut Outbox,
    ) -> Option<&'static [Do]> {
        let server = self.slab.get_mut(id)?;
        let (state, actions) = server.state.next(heard)?;
        if state != server.state {
            server.state = state;
            if state == State::Invite(server_invite::State::Confirmed) {
                // Nothing is resent any more: figure 7 has no arrow that sends from here.
                server.response = Kept::default();
            }
            // What the new state has no arrow for need not fire.
            clock.stop(&mut server.running, |timer| state.next(Heard::Fired(timer)).is_none());
            if state.is_expendable() && !server.is_reliable() {
                let queue = usize::from(matches!(state, State::Plain(_)));
                self.expendable[queue].push_back((now, id));
            }
        }
        let mut at_once = None;
        for &action in actions {
            match action {
                Do::Send => server.send(id, out),
                Do::Start(timer) | Do::Double(timer) => {
                    server.doublings =
                        if action == Do::Start(timer) { 0 } else { server.doublings.saturating_add(1) };
                    let (reliable, doublings) = (server.is_reliable(), server.doublings);
                    let alarm = Alarm { id, side: Side::Server, timer };
                    if clock.start(now, &mut server.running, alarm, reliable, doublings) {
                        at_once = Some(timer);
                    }
                }
                Do::DeliverAck | Do::ReportNoAck => {}
            }
        }
        if state.is_over() {
            self.remove(id, clock);
        } else if let Some(timer) = at_once {
            self.drive(now, clock, id, Heard::Fired(timer), out);
        }
        Some(actions)
    }

    /// Forgets the transaction that has waited longest for mere repetitions. False: there is none.
    pub fn forget_one(&mut self, clock: &mut Clock) -> bool {
        let oldest = self.expendable.iter().filter_map(|queue| queue.front().copied()).min();
        oldest.is_some_and(|(_, id)| {
            self.remove(id, clock);
            true
        })
    }

    fn remove(&mut self, id: u64, clock: &mut Clock) {
        self.close(id);
        let Some(mut server) = self.slab.remove(id) else { return };
        clock.stop(&mut server.running, |_| true);
        take_out(&mut self.by_key, server.hash, slab::place(id));
        for queue in &mut self.expendable {
            while queue.front().is_some_and(|(_, id)| self.slab.get(*id).is_none()) {
                queue.pop_front();
            }
            if queue.is_empty() && queue.capacity() > KEPT {
                *queue = VecDeque::new();
            }
        }
    }

    fn close(&mut self, id: u64) {
        let open = self.slab.get_mut(id).and_then(|server| server.open.take());
        if let Some(hash) = open.and_then(|open| open.merged) {
            take_out(&mut self.by_merged, hash, slab::place(id));
        }
    }
}

/// Places that an empty table keeps.
const KEPT: usize = 1024;

fn take_out(table: &mut HashTable<u32>, hash: u64, place: u32) {
    if let Ok(entry) = table.find_entry(hash, |&other| other == place) {
        entry.remove();
    }
    if table.is_empty() && table.capacity() > KEPT {
        *table = HashTable::new();
    }
}

impl Server {
    fn send(&self, id: u64, out: &mut Outbox) {
        if self.response.is_empty() {
            return;
        }
        out.push(Transmit {
            path: Path::Flow(self.flow),
            octets: self.response.octets(),
            ticket: None,
            answers: (!self.own).then_some(ServerId(id)),
            trying: self.response.starts_with(b"SIP/2.0 100 "),
        });
    }
}
