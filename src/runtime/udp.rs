//! Datagram sockets: received and sent in batches, never waited for.

use super::counters::Counters;
use super::sys;
use crate::sip::transaction::{ClientId, Listener};
use bytes::Bytes;
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Kernel buffer of a socket in each direction, octets; the system may grant less.
const SOCKET_BUFFER: usize = 8 << 20;

/// A receive buffer below this loses bursts that this server could handle: some 2,000 small datagrams.
const SMALL_BUFFER: usize = 2 << 20;

/// Datagrams, and their octets, that wait for a full kernel buffer; beyond, the newest is dropped, as the network would.
const QUEUE: usize = 65_536;
const QUEUE_OCTETS: usize = 64 << 20;

/// One listening socket.
pub struct Udp {
    /// Index of its listener.
    pub listener: u16,
    socket: UdpSocket,
    queue: VecDeque<(SocketAddr, Bytes)>,
    tickets: VecDeque<Option<ClientId>>,
    queued_octets: usize,
    counters: Arc<Counters>,
}

/// Binds the socket of a listener.
pub fn bind(listener: &Listener) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::for_address(listener.bind), Type::DGRAM, Some(Protocol::UDP))?;
    if listener.bind.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // The kernel's limits may be lower; that is no reason not to run.
    if sys::force_receive_buffer(socket.as_fd(), SOCKET_BUFFER).is_err() {
        let _ = socket.set_recv_buffer_size(SOCKET_BUFFER);
    }
    let _ = socket.set_send_buffer_size(SOCKET_BUFFER);
    if socket.recv_buffer_size().is_ok_and(|granted| granted < SMALL_BUFFER) {
        tracing::warn!(
            "udp {}: bursts will be lost, the system grants little receive buffer: raise net.core.rmem_max to \
             {SOCKET_BUFFER}",
            listener.bind
        );
    }
    socket.set_nonblocking(true)?;
    socket.bind(&listener.bind.into())?;
    Ok(socket.into())
}

impl Udp {
    /// Puts a bound socket into the running reactor.
    pub fn new(listener: u16, socket: std::net::UdpSocket, counters: Arc<Counters>) -> io::Result<Self> {
        let socket = UdpSocket::from_std(socket)?;
        let (queue, tickets) = (VecDeque::new(), VecDeque::new());
        Ok(Self { listener, socket, queue, tickets, queued_octets: 0, counters })
    }

    /// Takes one batch of what waits; returns how many datagrams it had, [`sys::BATCH`] if more may wait.
    pub fn receive(&mut self, receiver: &mut sys::Receiver, each: impl FnMut(SocketAddr, Bytes)) -> usize {
        match receiver.receive(self.socket.as_fd(), each) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => {
                // ICMP errors of earlier datagrams surface here; they say nothing about this socket.
                tracing::debug!("receive: {error}");
                0
            }
        }
    }

    /// Puts a datagram at the end of the queue.
    pub fn push(&mut self, to: SocketAddr, octets: Bytes, ticket: Option<ClientId>) {
        if self.queue.len() >= QUEUE || self.queued_octets + octets.len() > QUEUE_OCTETS {
            self.counters.datagrams_dropped();
            return;
        }
        self.queued_octets += octets.len();
        self.queue.push_back((to, octets));
        self.tickets.push_back(ticket);
    }

    /// Sends what the kernel takes. Tickets of datagrams that cannot leave are pushed to `failed`.
    pub fn flush(&mut self, failed: &mut Vec<ClientId>) {
        while !self.queue.is_empty() {
            let (front, _) = self.queue.as_slices();
            let sent = match sys::send(self.socket.as_fd(), front) {
                Ok(sent) => sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    if let Some((to, _)) = self.queue.front() {
                        tracing::debug!(peer = %to, "send: {error}");
                    }
                    // A queue of the device that is full is a loss like any other: the request is sent again.
                    if error.raw_os_error() != Some(libc::ENOBUFS) {
                        failed.extend(self.tickets.front().copied().flatten());
                    }
                    1
                }
            };
            self.queued_octets -= self.queue.drain(..sent).map(|(_, octets)| octets.len()).sum::<usize>();
            self.tickets.drain(..sent);
        }
    }

    /// Whether datagrams wait for the kernel.
    pub fn is_writing(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Ready when datagrams wait, or when the kernel takes more of what is queued.
    pub fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()> {
        // Readiness is forgotten when it is reported: the next receive or send tells whether it was true, and until then
        // the reactor must be asked again.
        let forget = |interest| {
            let nothing: io::Result<()> =
                self.socket.try_io(interest, || Err(io::ErrorKind::WouldBlock.into()));
            drop(nothing);
        };
        if self.socket.poll_recv_ready(context).is_ready() {
            forget(Interest::READABLE);
            return Poll::Ready(());
        }
        if !self.queue.is_empty() && self.socket.poll_send_ready(context).is_ready() {
            forget(Interest::WRITABLE);
            return Poll::Ready(());
        }
        Poll::Pending
    }
}
