//! What the driver and the datagram path cost: answers every request with 200 and does nothing else.
//!
//! `cargo run --release --example echo -- ADDRESS SECONDS [keep]`, with any load generator on the other side. With
//! `keep` every turn also commits a fact, to a store in memory. At the end it prints the answers and the processor
//! time of the process for each.

use bytes::{Bytes, BytesMut};
use rollcall::config::Limits;
use rollcall::env::Time;
use rollcall::model::{CallRef, Change, Fact, Leg, LegId, LegLink, LegOwner, Service, Transport};
use rollcall::node::{Batch, Core, Due, Input, Kept, Ready};
use rollcall::runtime::{Clock, Control, Settings, start};
use rollcall::sip::transaction::{Listener, Path, Transmit};
use rollcall::store::MemoryStore;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Default)]
struct Echo {
    answered: Arc<AtomicU64>,
    keep: bool,
    waiting: Vec<Transmit>,
    held: Vec<(u64, Vec<Transmit>)>,
    number: u64,
}

fn answer(request: &Bytes) -> Bytes {
    let line = request.iter().position(|octet| *octet == b'\n').map_or(0, |at| at + 1);
    let mut answer = BytesMut::with_capacity(request.len() + 16);
    answer.extend_from_slice(b"SIP/2.0 200 OK\r\n");
    answer.extend_from_slice(&request[line..]);
    answer.freeze()
}

impl Core for Echo {
    fn handle(&mut self, _: Time, input: Input, ready: &mut Ready) {
        if let Input::Datagram { flow, octets } | Input::Stream { flow, octets } = input {
            let path = Path::Flow(flow);
            let octets = answer(&octets);
            self.answered.fetch_add(1, Ordering::Relaxed);
            let transmit = Transmit { path, octets, ticket: None, answers: None, trying: false };
            if self.keep { self.waiting.push(transmit) } else { ready.at_once.push(transmit) }
        }
    }

    fn finish(&mut self, _: Time, ready: &mut Ready) {
        if !self.waiting.is_empty() {
            self.number += 1;
            self.held.push((self.number, std::mem::take(&mut self.waiting)));
            let leg = Leg {
                id: LegId(self.number % 1_000),
                owner: LegOwner::Call(CallRef(1)),
                link: LegLink::Memory(LegId(1)),
                service: Service::Mcptt,
                ending: false,
            };
            ready.batch = Some(Batch { number: self.number, changes: vec![Change::Put(Fact::Leg(leg))] });
        }
    }

    fn settle(&mut self, _: Time, number: u64, _: Kept) -> Vec<Transmit> {
        let later = self.held.iter().position(|(held, _)| *held > number).unwrap_or(self.held.len());
        self.held.drain(..later).flat_map(|(_, held)| held).collect()
    }

    fn due(&self) -> Due {
        None
    }
}

/// Processor time of this process: its own, and the kernel's for it.
fn processor_time() -> (Duration, Duration) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or("").split(' ').collect();
    let ticks = |field| fields.get(field).and_then(|ticks: &&str| ticks.parse().ok()).unwrap_or(0);
    (Duration::from_millis(ticks(11) * 10), Duration::from_millis(ticks(12) * 10))
}

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:5060".to_owned()).parse()?;
    let seconds = arguments.next().unwrap_or_else(|| "10".to_owned()).parse()?;
    let keep = arguments.next().is_some();
    let settings = Settings {
        listeners: [Transport::Udp, Transport::Tcp]
            .map(|transport| Listener { transport, bind: address, advertised: address.to_string() })
            .to_vec(),
        limits: Limits::default(),
        worker_threads: 1,
        patience: rollcall::runtime::PATIENCE,
        shutdown_grace: Duration::from_secs(1),
        seed: [1; 32],
    };
    let answered = Arc::new(AtomicU64::new(0));
    let counter = answered.clone();
    let server = start(settings, Clock::start(), move || {
        let echo = Echo { answered: counter.clone(), keep, ..Echo::default() };
        Ok((echo, Box::new(MemoryStore::new())))
    })?;
    #[allow(clippy::disallowed_methods, reason = "this is no part of the core")]
    std::thread::sleep(Duration::from_secs(seconds));
    server.order(Control::Stop);
    server.join()?;
    let (count, (own, kernel)) = (answered.load(Ordering::Relaxed), processor_time());
    let each = |time: Duration| time.as_micros() as f64 / count.max(1) as f64;
    println!(
        "{count} answers; for each {:.2} us of own time, {:.2} us in the kernel",
        each(own),
        each(kernel)
    );
    Ok(())
}
