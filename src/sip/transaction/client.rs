//! The client transactions of a node: found by the branch we gave them, moved by their machines.

use super::clock::{Alarm, Clock, Running, Side};
use super::hop::Hop;
use super::key::COOKIE;
use super::machine::{ClientAction as Do, Timer};
use super::slab::{self, Slab};
use super::{ClientId, Outbox, Path, Transmit, client_invite, client_plain, rewrite};
use crate::env::Time;
use crate::model::Transport;
use crate::sip::message::{Method, Response};
use crate::sip::wire::Name;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// One client transaction.
#[derive(Debug)]
pub struct Client {
    /// With the place in the slab this is the branch; nobody can guess it.
    random: u64,
    /// What is sent again: the request, and once that has failed its ACK.
    octets: Bytes,
    path: Path,
    pending: Option<Box<Pending>>,
    running: Running,
    state: State,
    method: Method,
    doublings: u8,
    /// The CANCEL has been sent.
    cancelled: bool,
}

/// What few transactions need.
#[derive(Debug, Default)]
pub struct Pending {
    /// The way over UDP of a request that went over TCP because it is large (RFC 3261 18.1.1).
    pub datagram: Option<Hop>,
    /// Further hops, the next one last.
    pub hops: Vec<Hop>,
    /// The user gave up before a provisional response came, with this Reason.
    pub cancel: Option<Option<String>>,
}

/// One of the two machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Figure 5.
    Invite(client_invite::State),
    /// Figure 6.
    Plain(client_plain::State),
}

/// What happens to a client transaction, in the words of both machines.
#[derive(Clone, Copy, Debug)]
pub enum Heard<'a> {
    /// A response.
    Response(&'a Response),
    /// The user gives up, with a Reason.
    Cancel(Option<&'a str>),
    /// The user does not want to know any more.
    Abandon,
    /// Nothing could be sent.
    Unreachable,
    /// A timer fired.
    Fired(Timer),
}

impl State {
    /// The first state and what is done on entering it.
    fn start(method: Method) -> (Self, &'static [Do]) {
        if method == Method::Invite {
            (Self::Invite(client_invite::START.0), client_invite::START.1)
        } else {
            (Self::Plain(client_plain::START.0), client_plain::START.1)
        }
    }

    fn next(self, heard: Heard) -> Option<(Self, &'static [Do])> {
        match self {
            Self::Invite(state) => {
                use client_invite::{Event as On, next};
                let on = match heard {
                    Heard::Response(response) => match response.status() {
                        ..=199 => On::Provisional,
                        200..=299 => On::Success,
                        _ => On::Failure,
                    },
                    Heard::Cancel(_) => On::Cancel,
                    // An INVITE is cancelled.
                    Heard::Abandon => return None,
                    Heard::Unreachable => On::Unreachable,
                    Heard::Fired(timer) => On::Fired(timer),
                };
                next(state, on).map(|(state, actions)| (Self::Invite(state), actions))
            }
            Self::Plain(state) => {
                use client_plain::{Event as On, next};
                let on = match heard {
                    Heard::Response(response) if response.status() < 200 => On::Provisional,
                    Heard::Response(_) => On::Final,
                    Heard::Cancel(_) => return None,
                    Heard::Abandon => On::Abandon,
                    Heard::Unreachable => On::Unreachable,
                    Heard::Fired(timer) => On::Fired(timer),
                };
                next(state, on).map(|(state, actions)| (Self::Plain(state), actions))
            }
        }
    }

    fn is_over(self) -> bool {
        matches!(
            self,
            Self::Invite(client_invite::State::Terminated) | Self::Plain(client_plain::State::Terminated)
        )
    }

    /// No response has come.
    fn is_first(self) -> bool {
        matches!(self, Self::Invite(client_invite::State::Calling) | Self::Plain(client_plain::State::Trying))
    }

    /// The final response has come.
    fn is_answered(self) -> bool {
        matches!(
            self,
            Self::Invite(client_invite::State::Completed | client_invite::State::Accepted)
                | Self::Plain(client_plain::State::Completed)
        )
    }
}

impl Client {
    /// Whether this is a CANCEL of ours, whose fate nobody asks for.
    pub fn is_own(&self) -> bool {
        self.method == Method::Cancel
    }

    /// Where it was sent.
    pub fn address(&self) -> SocketAddr {
        match self.path {
            Path::Flow(flow) => flow.peer,
            Path::Address { address, .. } => address,
        }
    }

    /// Octets of the request.
    pub fn octets(&self) -> &Bytes {
        &self.octets
    }

    /// Whether another hop may be tried when this one fails.
    pub fn may_move(&self) -> bool {
        self.state.is_first() && self.pending.as_ref().is_some_and(|pending| pending.cancel.is_none())
    }

    /// The half of the branch that is drawn at random.
    pub fn random(&self) -> u64 {
        self.random
    }

    /// Takes the way over UDP to the same place.
    pub fn take_datagram(&mut self) -> Option<Hop> {
        self.pending.as_mut()?.datagram.take()
    }

    /// Takes the next place.
    pub fn take_hop(&mut self) -> Option<Hop> {
        self.pending.as_mut()?.hops.pop()
    }

    fn is_reliable(&self) -> bool {
        let transport = match self.path {
            Path::Flow(flow) => flow.transport,
            Path::Address { transport, .. } => transport,
        };
        transport != Transport::Udp
    }

    fn send(&self, id: u64, out: &mut Outbox) {
        if !self.octets.is_empty() {
            let ticket = Some(ClientId(id));
            out.push(Transmit {
                path: self.path,
                octets: self.octets.clone(),
                ticket,
                answers: None,
                trying: false,
            });
        }
    }
}

/// All client transactions.
#[derive(Debug)]
pub struct Clients {
    slab: Slab<Client>,
    /// CANCELs, which have the branch of their INVITE, by its random half.
    cancels: BTreeMap<u64, u64>,
}

/// A request about to be sent.
#[derive(Debug)]
pub struct Leaving {
    /// The random half of its branch.
    pub random: u64,
    /// Method.
    pub method: Method,
    /// Where to.
    pub path: Path,
    /// The message.
    pub octets: Bytes,
    /// Further ways.
    pub pending: Option<Box<Pending>>,
}

/// A request about to be sent another way.
#[derive(Debug)]
pub struct Moved {
    /// The random half of its branch.
    pub random: u64,
    /// Where to.
    pub path: Path,
    /// The message.
    pub octets: Bytes,
    /// The way over UDP, if `path` is a stream because of the size.
    pub datagram: Option<Hop>,
}

impl Clients {
    /// No transactions.
    pub fn new() -> Self {
        Self { slab: Slab::new(), cancels: BTreeMap::new() }
    }

    /// Transactions held.
    pub fn len(&self) -> usize {
        self.slab.len()
    }

    /// A transaction by its number.
    pub fn get(&self, id: u64) -> Option<&Client> {
        self.slab.get(id)
    }

    /// A transaction by its number.
    pub fn get_mut(&mut self, id: u64) -> Option<&mut Client> {
        self.slab.get_mut(id)
    }

    /// The place the next transaction will have, for its branch.
    pub fn next_place(&self) -> u32 {
        slab::place(self.slab.next_id())
    }

    /// The transaction a response belongs to (RFC 3261 17.1.3): branch of the top Via, and method of CSeq.
    pub fn find(&self, branch: &str, method: Method) -> Option<u64> {
        let (random, place) = read_branch(branch)?;
        if method == Method::Cancel {
            return self.cancels.get(&random).copied();
        }
        let (id, client) = self.slab.at(place)?;
        (client.random == random && client.method == method).then_some(id)
    }

    /// Takes a new transaction in and sends its request.
    pub fn insert(&mut self, now: Time, clock: &mut Clock, leaving: Leaving, out: &mut Outbox) -> u64 {
        let Leaving { random, method, path, octets, pending } = leaving;
        let id = self.slab.insert(Client {
            random,
            octets,
            path,
            pending,
            running: Running::default(),
            state: State::start(method).0,
            method,
            doublings: 0,
            cancelled: false,
        });
        if method == Method::Cancel {
            self.cancels.insert(random, id);
        }
        self.start(now, clock, id, out);
        id
    }

    /// Starts the figure anew with another message to another place.
    pub fn move_to(&mut self, now: Time, clock: &mut Clock, id: u64, moved: Moved, out: &mut Outbox) {
        let Some(client) = self.slab.get_mut(id) else { return };
        (client.random, client.path, client.octets) = (moved.random, moved.path, moved.octets);
        if moved.datagram.is_some() {
            client.pending.get_or_insert_default().datagram = moved.datagram;
        }
        clock.stop(&mut client.running, |_| true);
        self.start(now, clock, id, out);
    }

    fn start(&mut self, now: Time, clock: &mut Clock, id: u64, out: &mut Outbox) {
        let Some(client) = self.slab.get_mut(id) else { return };
        let (state, actions) = State::start(client.method);
        client.state = state;
        for action in actions {
            client.perform(now, clock, id, *action, out);
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
        let client = self.slab.get_mut(id)?;
        if client.cancelled && matches!(heard, Heard::Cancel(_)) {
            return None;
        }
        let (state, actions) = client.state.next(heard)?;
        if state != client.state {
            client.state = state;
            // What the new state has no arrow for need not fire.
            clock.stop(&mut client.running, |timer| state.next(Heard::Fired(timer)).is_none());
        }
        let mut at_once = None;
        let mut cancel = None;
        for &action in actions {
            match (action, heard) {
                (Do::Ack, Heard::Response(response)) => client.acknowledge(id, response, out),
                (Do::Cancel, Heard::Cancel(reason)) => cancel = client.cancel(reason),
                _ => at_once = client.perform(now, clock, id, action, out).or(at_once),
            }
        }
        if state.is_answered() {
            client.pending = None;
            if state != State::Invite(client_invite::State::Completed) {
                client.octets = Bytes::new();
            }
        }
        if state.is_over() {
            self.remove(id, clock);
        } else if let Some(timer) = at_once {
            self.drive(now, clock, id, Heard::Fired(timer), out);
        }
        if let Some(leaving) = cancel {
            self.insert(now, clock, leaving, out);
        }
        Some(actions)
    }

    /// The Reason of a CANCEL that the user asked for and that may leave now.
    pub fn cancel_wish(&mut self, id: u64) -> Option<Option<String>> {
        let client = self.slab.get_mut(id)?;
        if client.state.is_first() { None } else { client.pending.as_mut()?.cancel.take() }
    }

    /// Remembers that the user gave up, until a provisional response comes.
    pub fn wish_cancel(&mut self, id: u64, reason: Option<&str>) {
        if let Some(client) = self.slab.get_mut(id)
            && client.state == State::Invite(client_invite::State::Calling)
        {
            let pending = client.pending.get_or_insert_default();
            pending.cancel.get_or_insert_with(|| reason.map(str::to_owned));
        }
    }

    fn remove(&mut self, id: u64, clock: &mut Clock) {
        let Some(mut client) = self.slab.remove(id) else { return };
        clock.stop(&mut client.running, |_| true);
        if client.is_own() {
            self.cancels.remove(&client.random);
        }
    }
}

impl Client {
    /// Does what needs nothing but the transaction. Returns a timer that fires at once.
    fn perform(
        &mut self,
        now: Time,
        clock: &mut Clock,
        id: u64,
        action: Do,
        out: &mut Outbox,
    ) -> Option<Timer> {
        let reliable = self.is_reliable();
        let timer = match action {
            Do::Send => {
                self.send(id, out);
                return None;
            }
            Do::Start(timer) => {
                self.doublings = 0;
                timer
            }
            Do::Double(timer) => {
                self.doublings = self.doublings.saturating_add(1);
                timer
            }
            Do::StartAtT2(timer) => {
                self.doublings = u8::MAX;
                timer
            }
            Do::Ack | Do::Cancel | Do::Deliver | Do::ReportTimeout | Do::ReportUnreachable => return None,
        };
        let alarm = Alarm { id, side: Side::Client, timer };
        clock.start(now, &mut self.running, alarm, reliable, self.doublings).then_some(timer)
    }

    /// Sends the ACK of a failure; the first one takes the place of the INVITE.
    fn acknowledge(&mut self, id: u64, response: &Response, out: &mut Outbox) {
        if !self.octets.starts_with(b"ACK ") {
            let to = response.wire().raw(Name::To).next().unwrap_or_default();
            self.octets = rewrite::ack(&self.octets, to).unwrap_or_default();
        }
        self.send(id, out);
    }

    /// The CANCEL of this INVITE: same way, same branch, a transaction of its own.
    fn cancel(&mut self, reason: Option<&str>) -> Option<Leaving> {
        self.cancelled = true;
        let octets = rewrite::cancel(&self.octets, reason)?;
        Some(Leaving { random: self.random, method: Method::Cancel, path: self.path, octets, pending: None })
    }
}

/// Writes the branch of a client transaction.
pub fn write_branch(via: &mut String, random: u64, place: u32) {
    use std::fmt::Write;
    // Writing to a String cannot fail.
    let _ = write!(via, "{COOKIE}{random:016x}{place:08x}");
}

/// Reads what [`write_branch`] wrote.
fn read_branch(branch: &str) -> Option<(u64, u32)> {
    let digits = branch.strip_prefix(COOKIE)?;
    if digits.len() != 24 || !digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let (random, place) = digits.split_at_checked(16)?;
    Some((u64::from_str_radix(random, 16).ok()?, u32::from_str_radix(place, 16).ok()?))
}
