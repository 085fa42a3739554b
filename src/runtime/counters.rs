//! What went wrong, counted: a line in the log at most once in ten seconds, however often it happens.

use crate::env::Time;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How often the counters may be logged.
const INTERVAL: Duration = Duration::from_secs(10);

/// Counters shared by the sockets.
#[derive(Debug, Default)]
pub struct Counters {
    datagrams_dropped: AtomicU64,
    connections_refused: AtomicU64,
    connections_cut: AtomicU64,
    logged: AtomicU64,
    last: AtomicU64,
}

impl Counters {
    /// A datagram did not fit the send queue.
    pub fn datagrams_dropped(&self) {
        self.datagrams_dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection was refused: too many are open.
    pub fn connections_refused(&self) {
        self.connections_refused.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection was cut: its peer does not read.
    pub fn connections_cut(&self) {
        self.connections_cut.fetch_add(1, Ordering::Relaxed);
    }

    /// Logs what changed, if enough time went by since the last line.
    pub fn log(&self, now: Time) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (datagrams, refused, cut) =
            (read(&self.datagrams_dropped), read(&self.connections_refused), read(&self.connections_cut));
        let sum = datagrams + refused + cut;
        let last = Time::from_millis(read(&self.last));
        if sum == read(&self.logged) || now.since(last) < INTERVAL {
            return;
        }
        self.logged.store(sum, Ordering::Relaxed);
        self.last.store(now.as_millis(), Ordering::Relaxed);
        tracing::warn!(
            datagrams_dropped = datagrams,
            connections_refused = refused,
            connections_cut = cut,
            "overload at the sockets (totals since start)"
        );
    }
}
