//! A small node, and a server around it.

use rollcall::config::Limits;
use rollcall::env::Time;
use rollcall::model::{Change, Fact, Notice, Owed, OwedRef, Transport};
use rollcall::node::{Batch, Core, Due, Input, Kept, Ready};
use rollcall::runtime::{self, Clock, Control, Handle, ServeError, Settings};
use rollcall::sip::transaction::{ClientId, Flow, Listener, Path, ServerId, Transmit, unavailable_instead};
use rollcall::store::{MemoryStore, Store, StoreError};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// How long a test waits for what must come.
pub const SOON: Duration = Duration::from_secs(30);

/// What the node tells the test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A request that is not answered until the test says so.
    Waits(Flow),
    /// A response to a request of ours.
    Response(Flow),
    Unreachable(ClientId),
    Broken(&'static str),
    Settled(u64, Kept),
    Stopped,
}

/// Does what the method of a request names: OPTIONS is answered at once, MESSAGE after its fact is kept, SUBSCRIBE when
/// the test says so, INFO is a mistake in the program.
pub struct Echo {
    pub out: Vec<Transmit>,
    waiting: Vec<Transmit>,
    changes: Vec<Change>,
    facts: u64,
    last: u64,
    settled: u64,
    held: VecDeque<(u64, Vec<Transmit>)>,
    /// So many answers may wait for the disk.
    room: usize,
    /// Has something open that a stop waits for.
    pub busy: bool,
    seen: Sender<Seen>,
}

impl Echo {
    fn new(seen: Sender<Seen>, room: usize) -> Self {
        Self {
            out: Vec::new(),
            waiting: Vec::new(),
            changes: Vec::new(),
            facts: 0,
            last: 0,
            settled: 0,
            held: VecDeque::new(),
            room,
            busy: false,
            seen,
        }
    }

    fn tell(&self, seen: Seen) {
        let _ = self.seen.send(seen);
    }

    fn receive(&mut self, flow: Flow, text: &str) {
        let answer = Transmit {
            path: Path::Flow(flow),
            octets: answer(text).into(),
            ticket: None,
            answers: Some(ServerId(1)),
            trying: false,
        };
        match text.split(' ').next().unwrap_or_default() {
            "OPTIONS" => self.out.push(answer),
            "MESSAGE" => {
                self.facts += 1;
                self.changes.push(Change::Put(fact(self.facts)));
                self.out.push(answer);
            }
            "SUBSCRIBE" => {
                self.waiting.push(answer);
                self.tell(Seen::Waits(flow));
            }
            "INFO" => panic!("a mistake in the program, as asked"),
            "SIP/2.0" => self.tell(Seen::Response(flow)),
            other => panic!("not a request of this test: {other}"),
        }
    }

    /// Answers what waits.
    pub fn answer_all(&mut self) {
        self.out.append(&mut self.waiting);
    }
}

fn fact(id: u64) -> Fact {
    Fact::Owed(Owed {
        id: OwedRef(id),
        to: "sip:alice@one.example".into(),
        clients: Vec::new(),
        service: rollcall::model::Service::Mcptt,
        notice: Notice::TornDown {
            temporary: "sip:temporary@one.example".into(),
            constituents: Vec::new(),
            transaction_id: "t1".to_owned(),
            requestor: "sip:alice@one.example".into(),
        },
        until: Time::from_millis(id),
    })
}

/// 200 to a request, with what RFC 3261 8.2.6.2 copies, and the body of the request.
fn answer(request: &str) -> String {
    let (head, body) = request.split_once("\r\n\r\n").expect("a whole message");
    let copied = ["via", "from", "to", "call-id", "cseq", "content-length"];
    let mut text = "SIP/2.0 200 OK\r\n".to_owned();
    for line in head.lines().skip(1) {
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        if copied.contains(&name.as_str()) {
            text.push_str(line);
            text.push_str("\r\n");
        }
    }
    text + "\r\n" + body
}

impl Core for Echo {
    fn handle(&mut self, _: Time, input: Input, _: &mut Ready) {
        match input {
            Input::Datagram { flow, octets } | Input::Stream { flow, octets } => {
                self.receive(flow, &String::from_utf8_lossy(&octets));
            }
            Input::Broken { place, .. } => self.tell(Seen::Broken(place)),
            Input::Unreachable { ticket } => self.tell(Seen::Unreachable(ticket)),
            Input::Tick => {}
        }
    }

    fn finish(&mut self, _: Time, ready: &mut Ready) {
        if !self.changes.is_empty() {
            self.last += 1;
            ready.batch = Some(Batch { number: self.last, changes: std::mem::take(&mut self.changes) });
        }
        let out = std::mem::take(&mut self.out);
        if self.last == self.settled {
            ready.at_once.extend(out);
        } else if !out.is_empty() {
            self.held.push_back((self.last, out));
        }
    }

    fn settle(&mut self, _: Time, number: u64, kept: Kept) -> Vec<Transmit> {
        self.tell(Seen::Settled(number, kept));
        self.settled = number;
        let mut released = Vec::new();
        while self.held.front().is_some_and(|(waits_for, _)| *waits_for <= number || kept == Kept::No) {
            let (_, held) = self.held.pop_front().expect("checked");
            released.extend(held.into_iter().filter_map(|transmit| match kept {
                Kept::Yes => Some(transmit),
                Kept::No => Some(Transmit { octets: unavailable_instead(&transmit.octets)?, ..transmit }),
            }));
        }
        released
    }

    fn due(&self) -> Due {
        None
    }

    fn is_full(&self) -> bool {
        self.held.iter().map(|(_, held)| held.len()).sum::<usize>() >= self.room
    }

    fn stop(&mut self) {
        self.tell(Seen::Stopped);
    }

    fn is_idle(&self) -> bool {
        !self.busy
    }
}

/// What stands between the server and its records.
#[derive(Default)]
pub struct Door {
    /// Commits wait, and so does the making of nodes.
    shut: Mutex<bool>,
    opened: Condvar,
    /// The next commit is a mistake in the program.
    pub breaks: AtomicBool,
    /// The records cannot be opened.
    pub locked: AtomicBool,
    /// Times that a node was built.
    pub built: AtomicUsize,
    /// Changes of each commit.
    pub commits: Mutex<Vec<usize>>,
}

impl Door {
    pub fn shut(&self) {
        *self.shut.lock().expect("door") = true;
    }

    pub fn open(&self) {
        *self.shut.lock().expect("door") = false;
        self.opened.notify_all();
    }

    fn wait(&self) {
        let shut = self.shut.lock().expect("door");
        drop(self.opened.wait_while(shut, |shut| *shut).expect("door"));
    }

    pub fn commits(&self) -> Vec<usize> {
        self.commits.lock().expect("commits").clone()
    }
}

struct Guarded {
    records: MemoryStore,
    door: Arc<Door>,
}

impl Store for Guarded {
    fn commit(&mut self, batch: &[Change]) -> Result<(), StoreError> {
        self.door.commits.lock().expect("commits").push(batch.len());
        self.door.wait();
        assert!(!self.door.breaks.swap(false, Ordering::SeqCst), "a mistake in the store, as asked");
        self.records.commit(batch)
    }

    fn replay(&mut self, each: &mut dyn FnMut(Fact)) -> Result<(), StoreError> {
        self.records.replay(each)
    }
}

/// What a test may change of a server.
pub struct Wish {
    pub listeners: Vec<(Transport, &'static str)>,
    pub limits: Limits,
    pub patience: Duration,
    pub grace: Duration,
    pub room: usize,
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            listeners: vec![(Transport::Udp, "127.0.0.1:0"), (Transport::Tcp, "127.0.0.1:0")],
            limits: Limits::default(),
            patience: SOON,
            grace: SOON,
            room: usize::MAX,
        }
    }
}

/// A running server.
pub struct Server {
    handle: Option<Handle<Echo>>,
    pub bound: Vec<SocketAddr>,
    pub seen: Receiver<Seen>,
    pub records: MemoryStore,
    pub door: Arc<Door>,
}

impl Server {
    pub fn start() -> Self {
        Self::with(Wish::default())
    }

    pub fn with(wish: Wish) -> Self {
        let listeners = wish.listeners.iter().map(|(transport, bind)| Listener {
            transport: *transport,
            bind: bind.parse().expect("address"),
            advertised: (*bind).to_owned(),
        });
        let settings = Settings {
            listeners: listeners.collect(),
            limits: wish.limits,
            worker_threads: 2,
            patience: wish.patience,
            shutdown_grace: wish.grace,
            seed: [7; 32],
        };
        let (records, door) = (MemoryStore::new(), Arc::new(Door::default()));
        let (tell, seen) = channel();
        let (medium, guard) = (records.clone(), door.clone());
        let build = move || {
            guard.built.fetch_add(1, Ordering::SeqCst);
            guard.wait();
            if guard.locked.load(Ordering::SeqCst) {
                return Err(StoreError::Engine("locked, as asked".to_owned()));
            }
            let mut store = Guarded { records: medium.reopen()?, door: guard.clone() };
            let mut core = Echo::new(tell.clone(), wish.room);
            store.replay(&mut |_| core.facts += 1)?;
            Ok((core, Box::new(store) as Box<dyn Store>))
        };
        let handle = runtime::start(settings, Clock::start(), build).expect("a server");
        let bound = handle.bound.iter().map(|(_, address)| *address).collect();
        Self { handle: Some(handle), bound, seen, records, door }
    }

    /// Lets the node do something between two inputs.
    pub fn apply(&self, order: impl FnOnce(&mut Echo) + Send + 'static) {
        self.handle.as_ref().expect("running").order(Control::Apply(Box::new(order)));
    }

    /// Waits until a turn of the loop is over.
    pub fn turn(&self) {
        let (tell, hear) = channel();
        self.apply(move |_| tell.send(()).expect("the test waits"));
        hear.recv_timeout(SOON).expect("an order is heard");
    }

    /// Lets the node send a request with this ticket.
    pub fn send(&self, path: Path, ticket: u64, octets: impl Into<bytes::Bytes>) {
        let ticket = Some(ClientId(ticket));
        let transmit = Transmit { path, octets: octets.into(), ticket, answers: None, trying: false };
        self.apply(move |node| node.out.push(transmit));
    }

    pub fn order_stop(&self) {
        self.handle.as_ref().expect("running").order(Control::Stop);
    }

    pub fn is_over(&self) -> bool {
        self.handle.as_ref().expect("running").is_over()
    }

    /// Waits for the end.
    pub fn join(&mut self) -> Result<(), ServeError> {
        self.handle.take().expect("running").join()
    }

    /// The next thing that the node tells.
    pub fn hears(&self) -> Seen {
        self.seen.recv_timeout(SOON).expect("the node is silent")
    }

    /// How many facts are kept.
    pub fn facts(&self) -> usize {
        self.records.len()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            self.door.open();
            handle.order(Control::Apply(Box::new(|node| node.busy = false)));
            handle.order(Control::Stop);
            let ended = handle.join();
            if !std::thread::panicking() {
                ended.expect("the server ends well");
            }
        }
    }
}
