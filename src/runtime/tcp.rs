//! Stream connections: a task for each, a bounded queue to each. A peer that does not read loses its connection and
//! never slows another; a peer that sends too fast is not read, and nobody else notices; a peer that says nothing, or
//! half a message, is not waited for.

use super::counters::Counters;
use super::pot::{Held, Pot};
use crate::config::Limits;
use crate::model::Transport;
use crate::node::Input;
use crate::sip::transaction::{ClientId, Flow};
use crate::sip::wire::stream::{Framed, Framer};
use bytes::{Bytes, BytesMut};
use dashmap::DashMap;
use socket2::{SockRef, TcpKeepalive};
use std::collections::VecDeque;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;

/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// How long a connection whose framing broke stays open for the answer.
const LINGER: Duration = Duration::from_millis(500);

/// How long the kernel repeats what the peer does not confirm before it gives the connection up.
const UNCONFIRMED: Duration = Duration::from_secs(32);

/// Silence after which the kernel asks whether the peer is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(120);

/// Octets asked of the kernel at a time.
const READ: usize = 8 << 10;

/// What a waiting message costs beside its octets.
const ITEM: usize = 64;

/// Octets that each connection may hold in each direction whatever the others do, and what all may hold beyond.
const ALLOWANCE: usize = 16 << 10;
const TOGETHER: usize = 256 << 20;

/// A peer with more than `Limits::connection_queue_octets` waiting for it does not read if nothing could be written for
/// so long. Many answers at once, as after a slow commit, are no fault of the peer.
const STUCK: Duration = Duration::from_secs(1);

/// Even then so many times the limit may wait.
const BURST: usize = 16;

/// Messages of all connections that wait for the driver; a full queue stops the reading of connections, not the driver.
pub const TO_DRIVER: usize = 1_024;

/// All stream connections of the process.
pub struct Connections {
    open: DashMap<u64, Arc<Connection>>,
    /// The newest connection with a peer's address, whoever opened it.
    by_peer: DashMap<SocketAddr, u64>,
    next: AtomicU64,
    /// One for each connection that may be open.
    places: Arc<Semaphore>,
    /// For what is read, and for what is to be written.
    reading: Arc<Pot>,
    writing: Arc<Pot>,
    started: Instant,
    limits: Limits,
    patience: Duration,
    to_driver: mpsc::Sender<Input>,
    counters: Arc<Counters>,
}

/// What the driver has of a connection.
struct Connection {
    /// Bounded in octets by `send`; `None` once nothing is written any more.
    queue: Mutex<Option<VecDeque<Item>>>,
    /// Something came into the queue.
    filled: Notify,
    /// What waits in the queue, or is being written.
    waiting: Held,
    /// When something was written last, or began to wait: milliseconds since the start.
    moved: AtomicU64,
    cut: Notify,
}

/// One message on its way out.
struct Item {
    octets: Bytes,
    ticket: Option<ClientId>,
}

impl Item {
    fn cost(&self) -> usize {
        self.octets.len() + ITEM
    }
}

/// What the task of a connection has of it.
struct Own {
    flow: Flow,
    connection: Arc<Connection>,
    /// Of the message that is being written.
    in_hand: Option<ClientId>,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    fn queue(&self) -> MutexGuard<'_, Option<VecDeque<Item>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False if nothing is written any more.
    fn push(&self, item: Item) -> bool {
        match &mut *self.queue() {
            Some(queue) => queue.push_back(item),
            None => return false,
        }
        self.filled.notify_one();
        true
    }

    /// Waits for the next message to write.
    async fn next(&self) -> Item {
        loop {
            if let Some(item) = self.pop() {
                return item;
            }
            self.filled.notified().await;
        }
    }

    fn pop(&self) -> Option<Item> {
        let mut queue = self.queue();
        let items = queue.as_mut()?;
        let item = items.pop_front();
        if items.is_empty() {
            // An idle connection holds no queue.
            *items = VecDeque::new();
        }
        item
    }

    /// Takes no more, and returns what was not written.
    fn close(&self) -> VecDeque<Item> {
        self.queue().take().unwrap_or_default()
    }
}

impl Connections {
    /// No connection yet. What they receive goes to `to_driver`. A peer has the time `patience` for its first message and
    /// for the rest of each message that it began.
    pub fn new(
        limits: Limits,
        patience: Duration,
        to_driver: mpsc::Sender<Input>,
        counters: Arc<Counters>,
    ) -> Arc<Self> {
        Arc::new(Self {
            open: DashMap::new(),
            by_peer: DashMap::new(),
            next: AtomicU64::new(1),
            places: Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS))),
            reading: Pot::new(ALLOWANCE, TOGETHER),
            writing: Pot::new(ALLOWANCE, TOGETHER),
            started: Instant::now(),
            limits,
            patience,
            to_driver,
            counters,
        })
    }

    /// Accepts connections for ever.
    pub async fn accept(self: Arc<Self>, listener: TcpListener, index: u16) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let flow =
                        |connection| Flow { transport: Transport::Tcp, listener: index, peer, connection };
                    match self.register(flow) {
                        Some(own) => drop(tokio::spawn(self.clone().run(stream, own, true))),
                        None => self.counters.connections_refused(),
                    }
                }
                Err(error) => {
                    // Out of descriptors or memory, most likely: wait for some to come back.
                    tracing::debug!("accept: {error}");
                    self.counters.accepts_failed();
                    #[allow(clippy::disallowed_methods, reason = "the runtime may wait")]
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// A new connection; `None` if there are too many.
    fn register(&self, flow: impl FnOnce(u64) -> Flow) -> Option<Own> {
        let place = self.places.clone().try_acquire_owned().ok()?;
        let flow = flow(self.next.fetch_add(1, Ordering::Relaxed));
        let connection = Arc::new(Connection {
            queue: Mutex::new(Some(VecDeque::new())),
            filled: Notify::new(),
            waiting: self.writing.holder(),
            moved: AtomicU64::new(self.now()),
            cut: Notify::new(),
        });
        self.open.insert(flow.connection, connection.clone());
        self.by_peer.insert(flow.peer, flow.connection);
        Some(Own { flow, connection, in_hand: None, _place: place })
    }

    /// Sends over an open connection. False if it is gone, or cut now because its peer does not read.
    pub fn send(&self, id: u64, octets: Bytes, ticket: Option<ClientId>) -> bool {
        let Some(connection) = self.open.get(&id).map(|open| open.clone()) else { return false };
        let item = Item { octets, ticket };
        let before = connection.waiting.octets();
        if before == 0 {
            connection.moved.store(self.now(), Ordering::Relaxed);
        } else if self.is_deaf(&connection, before + item.cost()) {
            self.cut(id);
            return false;
        }
        if !connection.waiting.add(item.cost()) {
            self.cut_longest();
        }
        connection.push(item)
    }

    /// Whether a peer does not read, if so much is to wait for it.
    fn is_deaf(&self, connection: &Connection, waiting: usize) -> bool {
        let limit = self.limits.connection_queue_octets;
        if waiting <= limit {
            return false;
        }
        let moved = Duration::from_millis(connection.moved.load(Ordering::Relaxed));
        waiting > limit.saturating_mul(BURST) || self.started.elapsed().saturating_sub(moved) >= STUCK
    }

    /// All peers together have too much waiting for them: the one that has most goes.
    fn cut_longest(&self) {
        let longest = self.open.iter().max_by_key(|open| open.waiting.octets()).map(|open| *open.key());
        if let Some(id) = longest {
            self.cut(id);
        }
    }

    fn cut(&self, id: u64) {
        if let Some((_, connection)) = self.open.remove(&id) {
            connection.cut.notify_one();
            self.counters.connections_cut();
        }
    }

    /// Milliseconds since the start.
    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Sends to an address over a connection with it, or over a new one. What cannot be sent comes back to the driver as
    /// [`Input::Unreachable`].
    pub fn send_to(
        self: &Arc<Self>,
        handle: &tokio::runtime::Handle,
        listener: u16,
        local: SocketAddr,
        to: SocketAddr,
        octets: Bytes,
        ticket: Option<ClientId>,
    ) -> bool {
        let known = self.by_peer.get(&to).map(|id| *id);
        if let Some(id) = known
            && self.send(id, octets.clone(), ticket)
        {
            return true;
        }
        let flow = |connection| Flow { transport: Transport::Tcp, listener, peer: to, connection };
        let Some(own) = self.register(flow) else {
            self.counters.connections_refused();
            return false;
        };
        let sent = self.send(own.flow.connection, octets, ticket);
        handle.spawn(self.clone().dial(local, own));
        sent
    }

    /// Whether messages wait to be written.
    pub fn is_writing(&self) -> bool {
        self.open.iter().any(|connection| connection.waiting.octets() > 0)
    }

    async fn dial(self: Arc<Self>, local: SocketAddr, own: Own) {
        let peer = own.flow.peer;
        let connecting = async {
            let socket = if peer.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            if !local.ip().is_unspecified() {
                socket.bind(SocketAddr::new(local.ip(), 0))?;
            }
            socket.connect(peer).await
        };
        match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(Ok(stream)) => return self.run(stream, own, false).await,
            Ok(Err(error)) => tracing::debug!(%peer, "connect: {error}"),
            Err(_) => tracing::debug!(%peer, "connect: no answer"),
        }
        self.end(own).await;
    }

    /// Looks after a connection until it ends. `greets`: the peer opened it, so it has something to say.
    async fn run(self: Arc<Self>, stream: TcpStream, mut own: Own, greets: bool) {
        set_up(&stream);
        let (reading, writing) = stream.into_split();
        tokio::select! {
            () = self.read(reading, own.flow, greets) => {}
            () = self.write(writing, &own.connection, &mut own.in_hand) => {}
            () = own.connection.cut.notified() => {
                tracing::warn!(peer = %own.flow.peer, "connection cut: the peer does not read");
            }
        }
        self.end(own).await;
    }

    /// Forgets a connection and tells the driver what was not sent.
    async fn end(&self, own: Own) {
        let id = own.flow.connection;
        self.open.remove(&id);
        self.by_peer.remove_if(&own.flow.peer, |_, newest| *newest == id);
        let unsent = own.connection.close();
        let lost = own.in_hand.into_iter().chain(unsent.into_iter().filter_map(|item| item.ticket));
        for ticket in lost {
            // Fails only when the driver has ended.
            let _ = self.to_driver.send(Input::Unreachable { ticket }).await;
        }
    }

    async fn write(
        &self,
        mut stream: OwnedWriteHalf,
        connection: &Connection,
        in_hand: &mut Option<ClientId>,
    ) {
        loop {
            let item = connection.next().await;
            *in_hand = item.ticket;
            let cost = item.cost();
            let mut octets = item.octets;
            while !octets.is_empty() {
                match stream.write_buf(&mut octets).await {
                    Ok(1..) => connection.moved.store(self.now(), Ordering::Relaxed),
                    Ok(0) | Err(_) => return,
                }
            }
            *in_hand = None;
            connection.waiting.remove(cost);
        }
    }

    async fn read(&self, mut stream: OwnedReadHalf, flow: Flow, greets: bool) {
        let mut buffer = BytesMut::new();
        let mut framer = Framer::default();
        let held = self.reading.holder();
        let mut until = greets.then(|| Instant::now() + self.patience);
        loop {
            loop {
                match framer.next(&mut buffer, &self.limits) {
                    Framed::Message(octets) => {
                        until = None;
                        // A copy: the transaction that keeps the message must not keep the whole buffer.
                        let octets = Bytes::copy_from_slice(&octets);
                        if self.to_driver.send(Input::Stream { flow, octets }).await.is_err() {
                            return;
                        }
                    }
                    Framed::Ping => {
                        until = None;
                        self.send(flow.connection, Bytes::from_static(b"\r\n"), None);
                    }
                    Framed::More => break,
                    Framed::Broken { place, head } => {
                        self.counters.streams_broken();
                        tracing::debug!(peer = %flow.peer, "stream closed: {place}");
                        let _ = self.to_driver.send(Input::Broken { flow, head, place }).await;
                        // Leaves the writer a moment for the answer, and the peer's kernel no reason to throw it away.
                        let rest = async {
                            loop {
                                buffer.clear();
                                if !matches!(stream.read_buf(&mut buffer).await, Ok(1..)) {
                                    std::future::pending::<()>().await;
                                }
                            }
                        };
                        let _ = tokio::time::timeout(LINGER, rest).await;
                        return;
                    }
                }
            }
            // Line ends between messages stay in the buffer, but begin nothing.
            let begun = buffer.first().is_some_and(|octet| *octet != b'\r');
            if begun && until.is_none() {
                until = Some(Instant::now() + self.patience);
            }
            if buffer.is_empty() {
                // An idle connection holds no buffer.
                buffer = BytesMut::new();
                held.set(0);
                if !matches!(within(until, stream.readable()).await, Some(Ok(()))) {
                    return;
                }
            }
            buffer.reserve(READ);
            if !held.set(buffer.capacity()) {
                self.counters.connections_cut();
                tracing::warn!(peer = %flow.peer, "connection cut: peers began too many messages at once");
                return;
            }
            if !matches!(within(until, stream.read_buf(&mut buffer)).await, Some(Ok(1..))) {
                return;
            }
        }
    }
}

/// What comes in time; without a deadline, what comes.
async fn within<T>(until: Option<Instant>, what: impl Future<Output = T>) -> Option<T> {
    match until {
        Some(until) => tokio::time::timeout_at(until, what).await.ok(),
        None => Some(what.await),
    }
}

/// What the kernel does for a connection. None of it is worth losing the connection over.
fn set_up(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let alive = TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE / 4).with_retries(4);
    for done in [
        stream.set_nodelay(true),
        socket.set_tcp_keepalive(&alive),
        // Also for a peer that confirms but reads nothing.
        socket.set_tcp_user_timeout(Some(UNCONFIRMED)),
    ] {
        if let Err(error) = done {
            tracing::debug!("socket option: {error}");
        }
    }
}
