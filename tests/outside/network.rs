//! The network between servers that run in one test: which of them a message is for, and the stream connections that
//! are open between them. It takes the place of the runtime's sockets; when things arrive is the test's affair.

use super::message::Message;
use bytes::Bytes;
use rollcall::model::Transport;
use rollcall::node::Input;
use rollcall::sip::transaction::{Flow, Path, Transmit};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Where the servers listen, and the connections between them.
#[derive(Debug, Default)]
pub struct Network {
    /// Listeners of each server, in the order of its configuration.
    listeners: Vec<Vec<(Transport, SocketAddr)>>,
    /// Counted from 1, as the runtime does.
    last: u64,
    open: BTreeMap<u64, [End; 2]>,
}

/// A server and how it sees a connection.
#[derive(Clone, Copy, Debug)]
struct End {
    server: usize,
    flow: Flow,
}

/// Who gets a message.
#[derive(Clone, Copy, Debug)]
pub enum Receiver {
    /// Another server, over this carrier.
    Server(usize, Carrier),
    /// Whoever is at this address, as a datagram.
    Address(SocketAddr),
    /// Nobody: there is no connection, and none can be opened.
    Nobody,
    /// Nobody: a connection was asked for, and nothing came back.
    Silence,
}

/// How a server looks to whoever wants to open a connection to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    Open,
    /// It refuses: nobody listens.
    Refused,
    /// It does not answer.
    Silent,
}

/// How long the runtime waits for a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// What carries a message between two servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// A datagram; the flow is the receiver's.
    Datagram(Flow),
    /// This connection.
    Stream(u64),
}

impl Network {
    pub fn new(listeners: Vec<Vec<(Transport, SocketAddr)>>) -> Self {
        Self { listeners, ..Self::default() }
    }

    /// Who gets what a server sends. A stream is opened if needed and if that server's `reach` lets it; clients take none.
    pub fn receiver(&mut self, from: usize, transmit: &Transmit, reach: impl Fn(usize) -> Reach) -> Receiver {
        let datagram = |listener: u16, to: SocketAddr| match self.listening(Transport::Udp, to) {
            Some((server, index)) => {
                let peer = self.address(from, listener);
                let flow = Flow { transport: Transport::Udp, listener: index, peer, connection: 0 };
                Receiver::Server(server, Carrier::Datagram(flow))
            }
            None => Receiver::Address(to),
        };
        match transmit.path {
            Path::Flow(flow) if flow.transport == Transport::Udp => datagram(flow.listener, flow.peer),
            Path::Address { transport: Transport::Udp, listener, address } => datagram(listener, address),
            Path::Address { transport: Transport::Tcp, listener, address } => {
                self.dial(from, listener, address, reach)
            }
            Path::Flow(flow) => match self.other(from, flow.connection) {
                Some(other) => Receiver::Server(other.server, Carrier::Stream(flow.connection)),
                // RFC 3261 18.2.2: the connection is gone, so the answer goes to sent-by.
                None if transmit.answers.is_some() => match sent_by(&transmit.octets, flow.peer) {
                    Some(address) => self.dial(from, flow.listener, address, reach),
                    None => Receiver::Nobody,
                },
                None => Receiver::Nobody,
            },
        }
    }

    /// The message as it comes in at a server; `None` if its connection broke on the way.
    pub fn input(&self, to: usize, carrier: Carrier, octets: Bytes) -> Option<Input> {
        match carrier {
            Carrier::Datagram(flow) => Some(Input::Datagram { flow, octets }),
            Carrier::Stream(connection) => {
                let ends = self.open.get(&connection)?;
                let end = ends.iter().find(|end| end.server == to)?;
                Some(Input::Stream { flow: end.flow, octets })
            }
        }
    }

    /// A message is lost. A stream loses nothing in its middle: it breaks.
    pub fn lose(&mut self, carrier: Carrier) {
        if let Carrier::Stream(connection) = carrier {
            self.open.remove(&connection);
        }
    }

    /// A server is gone, and all its connections with it.
    pub fn disconnect(&mut self, server: usize) {
        self.open.retain(|_, ends| ends.iter().all(|end| end.server != server));
    }

    /// The connection that a server has with an address, whoever opened it, or a new one.
    fn dial(
        &mut self,
        from: usize,
        listener: u16,
        to: SocketAddr,
        reach: impl Fn(usize) -> Reach,
    ) -> Receiver {
        let known = self.open.iter().find_map(|(connection, [one, other])| {
            let ends = [(one, other), (other, one)];
            let (_, peer) = ends.into_iter().find(|(own, _)| own.server == from && own.flow.peer == to)?;
            Some((*connection, peer.server))
        });
        if let Some((connection, server)) = known {
            return Receiver::Server(server, Carrier::Stream(connection));
        }
        let Some((server, index)) = self.listening(Transport::Tcp, to) else { return Receiver::Nobody };
        match reach(server) {
            Reach::Open => {}
            Reach::Refused => return Receiver::Nobody,
            Reach::Silent => return Receiver::Silence,
        }
        self.last += 1;
        let connection = self.last;
        let port = 32_768 + u16::try_from(connection % 16_384).unwrap_or_default();
        let dialer = SocketAddr::new(self.address(from, listener).ip(), port);
        let flow = |listener, peer| Flow { transport: Transport::Tcp, listener, peer, connection };
        let here = End { server: from, flow: flow(listener, to) };
        let there = End { server, flow: flow(index, dialer) };
        self.open.insert(connection, [here, there]);
        Receiver::Server(server, Carrier::Stream(connection))
    }

    fn other(&self, from: usize, connection: u64) -> Option<End> {
        let ends = self.open.get(&connection)?;
        ends.iter().find(|end| end.server != from).copied()
    }

    /// The server that listens there, and the index of its listener.
    fn listening(&self, transport: Transport, address: SocketAddr) -> Option<(usize, u16)> {
        self.listeners.iter().enumerate().find_map(|(server, listeners)| {
            let index = listeners.iter().position(|one| *one == (transport, address))?;
            Some((server, u16::try_from(index).ok()?))
        })
    }

    fn address(&self, server: usize, listener: u16) -> SocketAddr {
        self.listeners[server][usize::from(listener)].1
    }
}

/// Where a response goes whose connection to `peer` is gone: there, at the port of its topmost Via.
fn sent_by(octets: &[u8], peer: SocketAddr) -> Option<SocketAddr> {
    let message = Message::read(octets);
    let (_, port) = message.value("Via").split([' ', ';']).nth(1)?.rsplit_once(':')?;
    Some(SocketAddr::new(peer.ip(), port.parse().ok()?))
}
