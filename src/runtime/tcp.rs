//! Stream connections: a task for each, a bounded queue to each. A peer that does not read loses its connection and
//! never slows another; a peer that sends too fast is not read, and nobody else notices.

use super::counters::Counters;
use crate::config::Limits;
use crate::model::Transport;
use crate::node::Input;
use crate::sip::transaction::{ClientId, Flow};
use crate::sip::wire::stream::{Framed, Framer};
use bytes::{Bytes, BytesMut};
use dashmap::DashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Notify, mpsc};

/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// Octets asked of the kernel at a time.
const READ: usize = 8 << 10;

/// Messages of all connections that wait for the driver; a full queue stops the reading of connections, not the driver.
pub const TO_DRIVER: usize = 1_024;

/// All stream connections of the process.
pub struct Connections {
    open: DashMap<u64, Connection>,
    /// Connections we opened, by where they lead.
    dialled: DashMap<SocketAddr, u64>,
    next: AtomicU64,
    limits: Limits,
    to_driver: mpsc::Sender<Input>,
    counters: Arc<Counters>,
}

struct Connection {
    queue: mpsc::UnboundedSender<Item>,
    queued: Arc<AtomicUsize>,
    closing: Arc<Notify>,
}

/// One message on its way out.
struct Item {
    octets: Bytes,
    ticket: Option<ClientId>,
}

impl Connections {
    /// No connection yet. What they receive goes to `to_driver`.
    pub fn new(limits: Limits, to_driver: mpsc::Sender<Input>, counters: Arc<Counters>) -> Arc<Self> {
        Arc::new(Self {
            open: DashMap::new(),
            dialled: DashMap::new(),
            next: AtomicU64::new(1),
            limits,
            to_driver,
            counters,
        })
    }

    /// Accepts connections for ever.
    pub async fn accept(self: Arc<Self>, listener: TcpListener, index: u16) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    if self.open.len() >= self.limits.connections {
                        self.counters.connections_refused();
                        continue;
                    }
                    let (id, items) = self.register();
                    let flow = Flow { transport: Transport::Tcp, listener: index, peer, connection: id };
                    tokio::spawn(self.clone().run(stream, flow, items));
                }
                Err(error) => {
                    // Out of descriptors, most likely: wait for some to come back.
                    tracing::warn!("accept: {error}");
                    #[allow(clippy::disallowed_methods, reason = "the runtime may wait")]
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn register(&self) -> (u64, mpsc::UnboundedReceiver<Item>) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        // Unbounded in number, bounded in octets by `send`.
        let (queue, items) = mpsc::unbounded_channel();
        let connection =
            Connection { queue, queued: Arc::new(AtomicUsize::new(0)), closing: Arc::new(Notify::new()) };
        self.open.insert(id, connection);
        (id, items)
    }

    /// Sends over an open connection. False if it is gone.
    pub fn send(&self, id: u64, octets: Bytes, ticket: Option<ClientId>) -> bool {
        let Some(connection) = self.open.get(&id) else { return false };
        let waiting = connection.queued.fetch_add(octets.len(), Ordering::Relaxed);
        if waiting > 0 && waiting.saturating_add(octets.len()) > self.limits.connection_queue_octets {
            connection.closing.notify_one();
            drop(connection);
            self.counters.connections_cut();
            self.open.remove(&id);
            return false;
        }
        connection.queue.send(Item { octets, ticket }).is_ok()
    }

    /// Sends to an address over the connection that we opened to it, or over a new one. What cannot be sent comes back
    /// to the driver as [`Input::Unreachable`].
    pub fn send_to(
        self: &Arc<Self>,
        handle: &tokio::runtime::Handle,
        listener: u16,
        local: SocketAddr,
        to: SocketAddr,
        octets: Bytes,
        ticket: Option<ClientId>,
    ) -> bool {
        let known = self.dialled.get(&to).map(|id| *id);
        if let Some(id) = known
            && self.send(id, octets.clone(), ticket)
        {
            return true;
        }
        if self.open.len() >= self.limits.connections {
            self.counters.connections_refused();
            return false;
        }
        let (id, items) = self.register();
        self.dialled.insert(to, id);
        let sent = self.send(id, octets, ticket);
        let flow = Flow { transport: Transport::Tcp, listener, peer: to, connection: id };
        handle.spawn(self.clone().dial(flow, local, items));
        sent
    }

    async fn dial(self: Arc<Self>, flow: Flow, local: SocketAddr, mut items: mpsc::UnboundedReceiver<Item>) {
        let connecting = async {
            let socket = if flow.peer.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            if !local.ip().is_unspecified() {
                socket.bind(SocketAddr::new(local.ip(), 0))?;
            }
            socket.connect(flow.peer).await
        };
        match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(Ok(stream)) => self.run(stream, flow, items).await,
            failed => {
                match failed {
                    Ok(Err(error)) => tracing::debug!(peer = %flow.peer, "connect: {error}"),
                    _ => tracing::debug!(peer = %flow.peer, "connect: no answer"),
                }
                self.forget(flow);
                items.close();
                self.report(&mut items).await;
            }
        }
    }

    fn forget(&self, flow: Flow) {
        self.open.remove(&flow.connection);
        self.dialled.remove_if(&flow.peer, |_, id| *id == flow.connection);
    }

    /// Tells the driver what was not sent.
    async fn report(&self, items: &mut mpsc::UnboundedReceiver<Item>) {
        while let Some(item) = items.recv().await {
            if let Some(ticket) = item.ticket {
                let _ = self.to_driver.send(Input::Unreachable { ticket }).await;
            }
        }
    }

    async fn run(self: Arc<Self>, stream: TcpStream, flow: Flow, mut items: mpsc::UnboundedReceiver<Item>) {
        let _ = stream.set_nodelay(true);
        let Some((queued, closing)) =
            self.open.get(&flow.connection).map(|c| (c.queued.clone(), c.closing.clone()))
        else {
            return;
        };
        let (reading, writing) = stream.into_split();
        tokio::select! {
            () = self.read(reading, flow) => {}
            () = write(writing, &mut items, &queued) => {}
            () = closing.notified() => {
                tracing::warn!(peer = %flow.peer, "connection cut: the peer does not read");
            }
        }
        self.forget(flow);
        items.close();
        self.report(&mut items).await;
    }

    async fn read(&self, mut stream: OwnedReadHalf, flow: Flow) {
        let mut buffer = BytesMut::new();
        let mut framer = Framer::default();
        loop {
            loop {
                let input = match framer.next(&mut buffer, &self.limits) {
                    Framed::Message(octets) => Input::Stream { flow, octets },
                    Framed::Ping => {
                        self.send(flow.connection, Bytes::from_static(b"\r\n"), None);
                        continue;
                    }
                    Framed::More => break,
                    Framed::Broken { place, head } => {
                        tracing::warn!(peer = %flow.peer, "stream closed: {place}");
                        let _ = self.to_driver.send(Input::Broken { flow, head, place }).await;
                        // Leaves the writer a moment for the answer.
                        #[allow(clippy::disallowed_methods, reason = "the runtime may wait")]
                        tokio::time::sleep(LINGER).await;
                        return;
                    }
                };
                if self.to_driver.send(input).await.is_err() {
                    return;
                }
            }
            if buffer.is_empty() {
                // An idle connection holds no buffer.
                buffer = BytesMut::new();
                if stream.readable().await.is_err() {
                    return;
                }
            }
            buffer.reserve(READ);
            match stream.read_buf(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }
}

/// How long a connection whose framing broke stays open for the answer.
const LINGER: Duration = Duration::from_millis(500);

async fn write(mut stream: OwnedWriteHalf, items: &mut mpsc::UnboundedReceiver<Item>, queued: &AtomicUsize) {
    while let Some(item) = items.recv().await {
        let written = stream.write_all(&item.octets).await;
        queued.fetch_sub(item.octets.len(), Ordering::Relaxed);
        if written.is_err() {
            return;
        }
    }
}
