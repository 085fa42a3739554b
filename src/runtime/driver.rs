//! The loop: take all that waits, handle it, hand one batch to the disk, send what may leave.

use super::counters::Counters;
use super::tcp::{Connections, TO_DRIVER};
use super::udp::{self, Udp};
use super::{Clock, keeper, refuse, sys};
use crate::config::Limits;
use crate::env::{Ids, Time};
use crate::model::Transport;
use crate::node::{Batch, Core, Input, Kept, Ready};
use crate::sip::message::values::Via;
use crate::sip::transaction::{ClientId, Flow, Listener, Path, Transmit};
use crate::sip::wire::{self, Name};
use crate::store::{Store, StoreError};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc as sync;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::mpsc;

/// Datagram batches taken from one socket before the others get their turn.
const TURNS: usize = 4;

/// Stream messages taken in one turn.
const STREAM_TURN: usize = 256;

/// Longest sleep of an idle loop: counters are logged, a clock that was set does no harm.
const IDLE: Duration = Duration::from_secs(1);

/// First and longest pause between attempts to reopen the store.
const REOPEN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// What the runtime is set up with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Sockets to listen on.
    pub listeners: Vec<Listener>,
    /// Limits.
    pub limits: Limits,
    /// Threads for stream connections.
    pub worker_threads: usize,
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
/// pauses, whenever the store has failed.
///
/// # Errors
/// [`ServeError`] if a listener cannot be bound, or the first build fails.
pub fn start<C: Core + 'static>(
    settings: Settings,
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
    let built = build()?;
    let (control, orders) = mpsc::unbounded_channel();
    let thread = std::thread::Builder::new()
        .name("node".to_owned())
        .spawn(move || run(settings, clock, datagrams, streams, orders, built, build))?;
    Ok(Handle { control, thread, bound })
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
struct Outside {
    settings: Settings,
    clock: Clock,
    datagrams: Vec<Udp>,
    connections: Arc<Connections>,
    workers: tokio::runtime::Handle,
    inbox: mpsc::Receiver<Input>,
    receiver: sys::Receiver,
    counters: Arc<Counters>,
    ids: Ids,
    unreachable: Vec<ClientId>,
}

fn run<C: Core>(
    settings: Settings,
    clock: Clock,
    datagrams: Vec<(u16, std::net::UdpSocket)>,
    streams: Vec<(u16, std::net::TcpListener)>,
    mut orders: mpsc::UnboundedReceiver<Control<C>>,
    built: Built<C>,
    mut build: impl FnMut() -> Result<Built<C>, StoreError>,
) -> Result<(), ServeError> {
    let workers = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(settings.worker_threads.max(1))
        .thread_name("streams")
        .enable_all()
        .build()?;
    let reactor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let counters = Arc::new(Counters::default());
    let (to_driver, inbox) = mpsc::channel(TO_DRIVER);
    let connections = Connections::new(settings.limits.clone(), to_driver, counters.clone());
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
        let ids = Ids::new(settings.seed);
        let mut outside = Outside {
            settings,
            clock,
            datagrams: sockets,
            connections,
            workers: workers.handle().clone(),
            inbox,
            receiver: sys::Receiver::new(),
            counters,
            ids,
            unreachable: Vec::new(),
        };
        let mut built = Some(built);
        loop {
            let (core, store) = match built.take() {
                Some(built) => built,
                None => match outside.without_node(&mut orders, &mut build).await {
                    Some(built) => built,
                    None => return Ok(()),
                },
            };
            if outside.with_node(core, store, &mut orders).await? {
                return Ok(());
            }
        }
    });
    workers.shutdown_timeout(Duration::from_millis(200));
    result
}

impl Outside {
    /// Runs a node until it is stopped (true) or its store fails (false).
    async fn with_node<C: Core>(
        &mut self,
        mut core: C,
        store: Box<dyn Store>,
        orders: &mut mpsc::UnboundedReceiver<Control<C>>,
    ) -> Result<bool, ServeError> {
        let (batches, mut results) = keeper::start(store)?;
        let mut stopping: Option<Time> = None;
        let mut committing = 0u64;
        let mut committed = 0u64;
        let mut ready = Ready::default();
        core.handle(self.clock.now(), Input::Tick, &mut ready);
        self.finish(&mut core, &mut ready, &batches, &mut committing);
        loop {
            let now = self.clock.now();
            let mut worked = false;
            while let Ok((number, kept)) = results.try_recv() {
                worked = true;
                committed = number;
                for transmit in core.settle(now, number, kept) {
                    self.send(transmit);
                }
                if kept == Kept::No {
                    self.flush();
                    return Ok(false);
                }
            }
            worked |= self.take(&mut |input, ready: &mut Ready| core.handle(now, input, ready), &mut ready);
            if core.due().is_some_and(|due| due <= now) {
                core.handle(now, Input::Tick, &mut ready);
                worked = true;
            }
            while let Ok(order) = orders.try_recv() {
                worked = true;
                match order {
                    Control::Stop if stopping.is_none() => {
                        core.stop();
                        stopping = Some(now.plus(self.settings.shutdown_grace));
                    }
                    Control::Stop => {}
                    Control::Apply(apply) => apply(&mut core),
                }
            }
            self.finish(&mut core, &mut ready, &batches, &mut committing);
            self.counters.log(now);
            if let Some(until) = stopping
                && committed == committing
                && (core.is_idle() || now >= until)
            {
                return Ok(true);
            }
            if worked {
                // Stream tasks of this reactor and its timers get a turn.
                tokio::task::yield_now().await;
                continue;
            }
            let nap = core.due().map_or(IDLE, |due| due.since(now)).min(IDLE);
            let nap = if stopping.is_some() { nap.min(Duration::from_millis(20)) } else { nap };
            #[allow(clippy::disallowed_methods, reason = "an idle driver waits for whatever comes first")]
            let sleep = tokio::time::sleep(nap.max(Duration::from_millis(1)));
            let (datagrams, inbox) = (&self.datagrams, &mut self.inbox);
            tokio::select! {
                biased;
                () = poll_fn(|context| {
                    let ready = datagrams.iter().filter(|udp| udp.poll_ready(context).is_ready()).count();
                    if ready > 0 { Poll::Ready(()) } else { Poll::Pending }
                }) => {}
                Some(input) = inbox.recv() => core.handle(self.clock.now(), input, &mut ready),
                Some((number, kept)) = results.recv() => {
                    committed = number;
                    for transmit in core.settle(self.clock.now(), number, kept) {
                        self.send(transmit);
                    }
                    if kept == Kept::No {
                        self.flush();
                        return Ok(false);
                    }
                    self.flush();
                }
                Some(order) = orders.recv() => match order {
                    Control::Stop => {
                        core.stop();
                        stopping = Some(self.clock.now().plus(self.settings.shutdown_grace));
                    }
                    Control::Apply(apply) => apply(&mut core),
                },
                () = sleep => {}
            }
        }
    }

    /// Takes what waits at the sockets, a bounded turn of each. True if anything did.
    fn take(&mut self, handle: &mut dyn FnMut(Input, &mut Ready), ready: &mut Ready) -> bool {
        let mut worked = false;
        for udp in &mut self.datagrams {
            let listener = udp.listener;
            for _ in 0..TURNS {
                let more = udp.receive(&mut self.receiver, |peer, octets| {
                    let flow = Flow { transport: Transport::Udp, listener, peer, connection: 0 };
                    handle(Input::Datagram { flow, octets }, ready);
                });
                if !more {
                    break;
                }
                worked = true;
            }
        }
        for _ in 0..STREAM_TURN {
            let Ok(input) = self.inbox.try_recv() else { break };
            worked = true;
            handle(input, ready);
        }
        for ticket in std::mem::take(&mut self.unreachable) {
            worked = true;
            handle(Input::Unreachable { ticket }, ready);
        }
        worked
    }

    /// Ends a turn: hands facts to the disk, sends what may leave.
    fn finish<C: Core>(
        &mut self,
        core: &mut C,
        ready: &mut Ready,
        batches: &sync::Sender<Batch>,
        committing: &mut u64,
    ) {
        core.finish(self.clock.now(), ready);
        if let Some(batch) = ready.batch.take() {
            *committing = batch.number;
            // The thread ends only after a failure, which comes back as a result.
            let _ = batches.send(batch);
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

    /// While there is no store: answers 503 and tries to build a new node. `None`: told to stop.
    async fn without_node<C: Core>(
        &mut self,
        orders: &mut mpsc::UnboundedReceiver<Control<C>>,
        build: &mut impl FnMut() -> Result<Built<C>, StoreError>,
    ) -> Option<Built<C>> {
        let mut pause = REOPEN.0;
        let mut again = self.clock.now().plus(pause);
        tracing::error!("the store failed: every request is answered 503 until it is open again");
        loop {
            let (limits, mut answers) = (self.settings.limits.clone(), Vec::new());
            let mut ids = self.ids.clone();
            let mut refuse = |input: Input, _: &mut Ready| {
                if let Input::Datagram { flow, octets } | Input::Stream { flow, octets } = input {
                    answers.extend(refuse::unavailable(flow, octets, &limits, &mut ids));
                }
            };
            let mut nothing = Ready::default();
            let worked = self.take(&mut refuse, &mut nothing);
            self.ids = ids;
            for answer in answers {
                self.send(answer);
            }
            self.flush();
            while let Ok(order) = orders.try_recv() {
                if let Control::Stop = order {
                    return None;
                }
            }
            let now = self.clock.now();
            if now >= again {
                match build() {
                    Ok(built) => {
                        tracing::info!("the store is open again");
                        return Some(built);
                    }
                    Err(error) => {
                        pause = (pause * 2).min(REOPEN.1);
                        again = now.plus(pause);
                        tracing::error!("{error}; next attempt in {} s", pause.as_secs());
                    }
                }
            }
            if !worked {
                #[allow(clippy::disallowed_methods, reason = "nothing else to do")]
                tokio::time::sleep(Duration::from_millis(5)).await;
            } else {
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Where RFC 3261 18.2.2 sends a response whose connection is gone: the peer's address, the port of sent-by.
fn sent_by(response: &bytes::Bytes, peer: SocketAddr, limits: &Limits) -> SocketAddr {
    let port = wire::message(response.clone(), limits).ok().and_then(|message| {
        let via = message.header(Name::Via)?;
        Via::parse_first(&via).ok()?.port
    });
    SocketAddr::new(peer.ip(), port.unwrap_or(5060))
}
