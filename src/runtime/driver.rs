//! The loop: take all that waits, handle it, hand one batch to the disk, send what may leave.

use super::builder::Builder;
use super::counters::Counters;
use super::keeper::{Keeper, Settled};
use super::refuse::Refuser;
use super::tcp::{Connections, TO_DRIVER};
use super::udp::{self, Udp};
use super::{Clock, sys};
use crate::config::Limits;
use crate::env::{Ids, Time};
use crate::model::Transport;
use crate::node::{Core, Input, Kept, Ready};
use crate::sip::message::values::Via;
use crate::sip::transaction::{ClientId, Flow, Listener, Path, Transmit};
use crate::sip::wire::{self, Name};
use crate::store::{Store, StoreError};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::mpsc;

/// Datagram batches taken from one socket before the others get their turn.
const TURNS: usize = 4;

/// Stream messages taken in one turn.
const STREAM_TURN: usize = 256;

/// Longest sleep of an idle loop: counters are logged, a clock that was set does no harm.
const IDLE: Duration = Duration::from_secs(1);

/// Longest sleep while a stop waits for what is open.
const STOPPING: Duration = Duration::from_millis(20);

/// How long the end waits for peers to read what was sent to them.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Descriptors that stream connections leave to listeners, the store and the log, if there are that many.
const OTHER_DESCRIPTORS: usize = 1_200;

/// How long a stream may take for its first message, and for the rest of each message that it began: no transaction of
/// its peer lives longer (RFC 3261 timer B, 64*T1).
pub const PATIENCE: Duration = Duration::from_secs(32);

/// What the runtime is set up with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Sockets to listen on.
    pub listeners: Vec<Listener>,
    /// Limits.
    pub limits: Limits,
    /// Threads for stream connections.
    pub worker_threads: usize,
    /// How long a stream may take for a message, see [`PATIENCE`].
    pub patience: Duration,
    /// How long a stop waits for what is open.
    pub shutdown_grace: Duration,
    /// Seed for identifiers of the runtime's own answers.
    pub seed: [u8; 32],
}

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A listener cannot be bound.
    #[error("cannot listen on {transport:?} {address}: {error}")]
    Bind {
        /// Protocol.
        transport: Transport,
        /// Address.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system refused threads or a reactor.
    #[error("the system refused: {0}")]
    System(#[from] io::Error),
}

/// Orders to a running driver.
pub enum Control<C> {
    /// Take no new work, finish what is open, end.
    Stop,
    /// Do something to the node between two inputs.
    Apply(Box<dyn FnOnce(&mut C) + Send>),
}

/// A running driver.
pub struct Handle<C> {
    control: mpsc::UnboundedSender<Control<C>>,
    thread: std::thread::JoinHandle<Result<(), ServeError>>,
    /// Addresses the listeners are bound to (a port of 0 is resolved).
    pub bound: Vec<(Transport, SocketAddr)>,
}

impl<C> Handle<C> {
    /// Gives an order. Nothing happens if the driver has ended.
    pub fn order(&self, control: Control<C>) {
        let _ = self.control.send(control);
    }

    /// Whether the driver has ended.
    pub fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// [`ServeError`] that ended it.
    pub fn join(self) -> Result<(), ServeError> {
        self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the driver thread panicked").into()))
    }
}

/// A node and the store it was replayed from.
pub type Built<C> = (C, Box<dyn Store>);

/// Binds the listeners, builds the node and runs it on a thread of its own. `build` is called again, with growing
/// pauses, whenever the store has failed, and after a panic of the node.
///
/// # Errors
/// [`ServeError`] if a listener cannot be bound, or the first build fails.
pub fn start<C: Core + 'static>(
    mut settings: Settings,
    clock: Clock,
    mut build: impl FnMut() -> Result<Built<C>, StoreError> + Send + 'static,
) -> Result<Handle<C>, ServeError> {
    let mut datagrams = Vec::new();
    let mut streams = Vec::new();
    let mut bound = Vec::new();
    for (index, listener) in settings.listeners.iter().enumerate() {
        let index = u16::try_from(index).unwrap_or(u16::MAX);
        let failed =
            |error| ServeError::Bind { transport: listener.transport, address: listener.bind, error };
        match listener.transport {
            Transport::Udp => {
                let socket = udp::bind(listener).map_err(failed)?;
                bound.push((Transport::Udp, socket.local_addr().map_err(failed)?));
                datagrams.push((index, socket));
            }
            Transport::Tcp => {
                let socket = bind_stream(listener.bind).map_err(failed)?;
                bound.push((Transport::Tcp, socket.local_addr().map_err(failed)?));
                streams.push((index, socket));
            }
        }
    }
    if !streams.is_empty() {
        settings.limits.connections = possible_connections(settings.limits.connections);
    }
    let built = build()?;
    let builder = Builder::start(build)?;
    let (control, orders) = mpsc::unbounded_channel();
    let thread = std::thread::Builder::new()
        .name("node".to_owned())
        .spawn(move || run(settings, clock, datagrams, streams, orders, built, builder))?;
    Ok(Handle { control, thread, bound })
}

/// As many connections as were asked for, or as the system has descriptors for.
fn possible_connections(wanted: usize) -> usize {
    match sys::allow_descriptors(wanted.saturating_add(OTHER_DESCRIPTORS)) {
        Ok(descriptors) => {
            let possible = descriptors - OTHER_DESCRIPTORS.min(descriptors / 2);
            if possible < wanted {
                tracing::warn!(
                    "limits.connections is {possible}, not {wanted}: limit of open files (RLIMIT_NOFILE)"
                );
            }
            wanted.min(possible)
        }
        Err(error) => {
            tracing::warn!("limit of open files: {error}");
            wanted
        }
    }
}

fn bind_stream(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}

/// Everything the loop holds but the node and its store.
struct Outside<C> {
    settings: Settings,
    clock: Clock,
    datagrams: Vec<Udp>,
    connections: Arc<Connections>,
    workers: tokio::runtime::Handle,
    inbox: mpsc::Receiver<Input>,
    orders: mpsc::UnboundedReceiver<Control<C>>,
    receiver: sys::Receiver,
    counters: Arc<Counters>,
    refuser: Refuser,
    /// Tickets of what could not be sent.
    unreachable: Vec<ClientId>,
    /// Told to stop: when to wait no longer for what is open.
    stopping: Option<Time>,
}

/// Why a node runs no more.
enum End {
    /// It was told to.
    Stopped,
    /// Its store failed.
    StoreFailed,
}

/// What ended the sleep of an idle loop.
enum Woken<C> {
    /// Datagrams wait, or the time is up.
    Look,
    Stream(Input),
    Settled(Settled),
    Order(Control<C>),
}

fn run<C: Core + 'static>(
    settings: Settings,
    clock: Clock,
    datagrams: Vec<(u16, std::net::UdpSocket)>,
    streams: Vec<(u16, std::net::TcpListener)>,
    orders: mpsc::UnboundedReceiver<Control<C>>,
    built: Built<C>,
    mut builder: Builder<C>,
) -> Result<(), ServeError> {
    let workers = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(settings.worker_threads.max(1))
        .thread_name("streams")
        .enable_all()
        .build()?;
    let reactor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let counters = Arc::new(Counters::default());
    let (to_driver, inbox) = mpsc::channel(TO_DRIVER);
    let connections =
        Connections::new(settings.limits.clone(), settings.patience, to_driver, counters.clone());
    for (index, socket) in streams {
        let _inside = workers.enter();
        let listener = tokio::net::TcpListener::from_std(socket)?;
        workers.spawn(connections.clone().accept(listener, index));
    }
    let result = reactor.block_on(async {
        let mut sockets = Vec::new();
        for (index, socket) in datagrams {
            sockets.push(Udp::new(index, socket, counters.clone())?);
        }
        let mut outside = Outside {
            refuser: Refuser::new(settings.limits.clone(), Ids::new(settings.seed)),
            settings,
            clock,
            datagrams: sockets,
            connections,
            workers: workers.handle().clone(),
            inbox,
            orders,
            receiver: sys::Receiver::new(),
            counters,
            unreachable: Vec::new(),
            stopping: None,
        };
        let mut built = Some(built);
        while let Some((core, store)) = built.take() {
            let mut keeper = Keeper::start(store)?;
            let began = outside.clock.now();
            let ended = unwound(outside.with_node(core, &mut keeper)).await;
            // The store must be closed before it is opened again.
            keeper.end().await;
            match ended {
                Some(End::Stopped) => break,
                Some(End::StoreFailed) => {
                    tracing::error!("the store failed: every request is answered 503 until it is open again");
                }
                None => tracing::error!("the node panicked and is built anew from the store"),
            }
            builder.ask(outside.clock.now().since(began));
            built = outside.without_node(&mut builder).await;
            if built.is_some() {
                tracing::info!("the store is open again");
            }
        }
        outside.last_words().await;
        Ok(())
    });
    workers.shutdown_timeout(Duration::from_millis(200));
    result
}

/// What a future comes to; `None` if it panics. What it leaves behind must be thrown away or be fit for use at any point.
async fn unwound<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(value)) => Poll::Ready(Some(value)),
        // The panic has been reported already.
        Err(_) => Poll::Ready(None),
    })
    .await
}

impl<C: Core + 'static> Outside<C> {
    /// Runs a node until it is stopped or its store fails.
    async fn with_node(&mut self, mut core: C, keeper: &mut Keeper) -> End {
        let mut ready = Ready::default();
        core.handle(self.clock.now(), Input::Tick, &mut ready);
        self.finish(&mut core, &mut ready, keeper);
        let mut woken = Woken::Look;
        loop {
            let now = self.clock.now();
            let mut worked = true;
            let mut ended = None;
            match std::mem::replace(&mut woken, Woken::Look) {
                Woken::Look => worked = false,
                Woken::Stream(input) => core.handle(now, input, &mut ready),
                Woken::Settled(settled) => ended = Some(settled),
                Woken::Order(order) => self.obey(order, &mut core),
            }
            while let Some((number, kept)) = ended.take().or_else(|| keeper.try_settled()) {
                worked = true;
                if kept == Kept::No {
                    // What was handled since waits for a commit too, and is refused with the rest.
                    self.finish(&mut core, &mut ready, keeper);
                }
                for transmit in core.settle(now, number, kept) {
                    self.send(transmit);
                }
                if kept == Kept::No {
                    self.flush();
                    return if self.stopping.is_some() { End::Stopped } else { End::StoreFailed };
                }
            }
            while let Ok(order) = self.orders.try_recv() {
                worked = true;
                self.obey(order, &mut core);
            }
            let late = self.stopping.is_some_and(|until| until <= now);
            // A node that has its hands full is left alone until the disk has caught up; peers wait or try again.
            let full = core.is_full() || late;
            if !full {
                worked |= self.take(&mut |input| core.handle(now, input, &mut ready));
                if core.due().is_some_and(|due| due <= now) {
                    worked = true;
                    core.handle(now, Input::Tick, &mut ready);
                }
            }
            self.finish(&mut core, &mut ready, keeper);
            self.counters.log(now);
            if self.stopping.is_some() && keeper.is_idle() && (late || core.is_idle()) {
                return End::Stopped;
            }
            if worked || !full && !self.unreachable.is_empty() {
                // The reactor gets a turn.
                tokio::task::yield_now().await;
                continue;
            }
            let mut nap = core.due().filter(|_| !full).map_or(IDLE, |due| due.since(now)).min(IDLE);
            if let Some(until) = self.stopping.filter(|_| !late) {
                nap = nap.min(until.since(now)).min(STOPPING);
            }
            woken = self.sleep(nap, full, keeper).await;
        }
    }

    /// Waits for whatever comes first.
    async fn sleep(&mut self, nap: Duration, full: bool, keeper: &mut Keeper) -> Woken<C> {
        #[allow(clippy::disallowed_methods, reason = "an idle driver waits for whatever comes first")]
        let sleep = tokio::time::sleep(nap.max(Duration::from_millis(1)));
        let datagrams = &self.datagrams;
        tokio::select! {
            biased;
            settled = keeper.settled() => Woken::Settled(settled),
            Some(order) = self.orders.recv() => Woken::Order(order),
            () = any_ready(datagrams), if !full => Woken::Look,
            Some(input) = self.inbox.recv(), if !full => Woken::Stream(input),
            () = sleep => Woken::Look,
        }
    }

    fn obey(&mut self, order: Control<C>, core: &mut C) {
        match order {
            Control::Stop => {
                core.stop();
                self.stop();
            }
            Control::Apply(apply) => apply(core),
        }
    }

    /// The first order to stop sets the time; another one does not prolong it.
    fn stop(&mut self) {
        let until = self.clock.now().plus(self.settings.shutdown_grace);
        self.stopping.get_or_insert(until);
    }

    /// Takes what waits at the sockets, a bounded turn of each. True if anything did.
    fn take(&mut self, handle: &mut dyn FnMut(Input)) -> bool {
        let mut worked = false;
        for udp in &mut self.datagrams {
            let listener = udp.listener;
            for _ in 0..TURNS {
                let count = udp.receive(&mut self.receiver, |peer, octets| {
                    let flow = Flow { transport: Transport::Udp, listener, peer, connection: 0 };
                    handle(Input::Datagram { flow, octets });
                });
                worked |= count > 0;
                if count < sys::BATCH {
                    break;
                }
            }
        }
        for _ in 0..STREAM_TURN {
            let Ok(input) = self.inbox.try_recv() else { break };
            worked = true;
            handle(input);
        }
        for ticket in self.unreachable.drain(..) {
            worked = true;
            handle(Input::Unreachable { ticket });
        }
        worked
    }

    /// Ends a turn: hands facts to the disk, sends what may leave.
    fn finish(&mut self, core: &mut C, ready: &mut Ready, keeper: &mut Keeper) {
        core.finish(self.clock.now(), ready);
        if let Some(batch) = ready.batch.take() {
            keeper.commit(batch);
        }
        for transmit in ready.at_once.drain(..) {
            self.send(transmit);
        }
        self.flush();
    }

    fn flush(&mut self) {
        for udp in &mut self.datagrams {
            udp.flush(&mut self.unreachable);
        }
    }

    fn send(&mut self, transmit: Transmit) {
        let Transmit { path, octets, ticket, answers, .. } = transmit;
        let sent = match path {
            Path::Flow(flow) if flow.transport == Transport::Udp => {
                self.send_datagram(flow.listener, flow.peer, octets, ticket)
            }
            Path::Address { listener, transport: Transport::Udp, address } => {
                self.send_datagram(listener, address, octets, ticket)
            }
            Path::Flow(flow) => {
                if self.connections.send(flow.connection, octets.clone(), ticket) {
                    true
                } else if answers.is_some() {
                    // RFC 3261 18.2.2: the connection is gone, so the answer goes to sent-by.
                    let to = sent_by(&octets, flow.peer, &self.settings.limits);
                    self.dial(flow.listener, to, octets, ticket)
                } else {
                    false
                }
            }
            Path::Address { listener, transport: Transport::Tcp, address } => {
                self.dial(listener, address, octets, ticket)
            }
        };
        if !sent && let Some(ticket) = ticket {
            self.unreachable.push(ticket);
        }
    }

    fn dial(&self, listener: u16, to: SocketAddr, octets: bytes::Bytes, ticket: Option<ClientId>) -> bool {
        let local = self.settings.listeners.get(usize::from(listener)).map_or(to, |listener| listener.bind);
        self.connections.send_to(&self.workers, listener, local, to, octets, ticket)
    }

    fn send_datagram(
        &mut self,
        listener: u16,
        to: SocketAddr,
        octets: bytes::Bytes,
        ticket: Option<ClientId>,
    ) -> bool {
        let Some(udp) = self.datagrams.iter_mut().find(|udp| udp.listener == listener) else { return false };
        udp.push(to, octets, ticket);
        true
    }

    /// While there is no node: answers 503 until the one that was asked for is built. `None`: told to stop.
    async fn without_node(&mut self, builder: &mut Builder<C>) -> Option<Built<C>> {
        // Whoever waited to hear of these is gone.
        self.unreachable.clear();
        let mut woken = None;
        loop {
            let mut orders: Vec<_> = woken.take().into_iter().collect();
            while let Ok(order) = self.orders.try_recv() {
                orders.push(order);
            }
            // What was to be applied is in the next build.
            if orders.iter().any(|order| matches!(order, Control::Stop)) {
                self.stop();
            }
            if self.stopping.is_some() {
                return None;
            }
            // Whoever goes on asking does not keep it from being seen.
            if let Some(built) = builder.try_built() {
                return Some(built);
            }
            let mut inputs = Vec::new();
            let worked = self.take(&mut |input| inputs.push(input));
            self.refuse(inputs);
            self.counters.log(self.clock.now());
            if worked {
                // The reactor gets a turn.
                tokio::task::yield_now().await;
                continue;
            }
            #[allow(clippy::disallowed_methods, reason = "nothing else to do")]
            let sleep = tokio::time::sleep(IDLE);
            let datagrams = &self.datagrams;
            tokio::select! {
                biased;
                built = builder.built() => return Some(built),
                Some(order) = self.orders.recv() => woken = Some(order),
                () = any_ready(datagrams) => {}
                Some(input) = self.inbox.recv() => self.refuse(vec![input]),
                () = sleep => {}
            }
        }
    }

    fn refuse(&mut self, inputs: Vec<Input>) {
        for input in inputs {
            if let Some(answer) = self.refuser.unavailable(input) {
                self.send(answer);
            }
        }
        self.flush();
    }

    /// Gives peers a moment to read what was sent to them.
    async fn last_words(&mut self) {
        let until = self.clock.now().plus(LAST_WORDS);
        loop {
            self.flush();
            let writing = self.connections.is_writing() || self.datagrams.iter().any(Udp::is_writing);
            if !writing || self.clock.now() >= until {
                return;
            }
            #[allow(clippy::disallowed_methods, reason = "nothing else to do")]
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// Waits until any of the sockets is ready.
async fn any_ready(datagrams: &[Udp]) {
    poll_fn(|context| {
        // All of them are asked, so that each wakes us.
        let ready = datagrams.iter().filter(|udp| udp.poll_ready(context).is_ready()).count();
        if ready > 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Where RFC 3261 18.2.2 sends a response whose connection is gone: the peer's address, the port of sent-by.
fn sent_by(response: &bytes::Bytes, peer: SocketAddr, limits: &Limits) -> SocketAddr {
    let port = wire::message(response.clone(), limits).ok().and_then(|message| {
        let via = message.header(Name::Via)?;
        Via::parse_first(&via).ok()?.port
    });
    SocketAddr::new(peer.ip(), port.unwrap_or(5060))
}
