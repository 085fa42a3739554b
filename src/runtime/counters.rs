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
    streams_broken: AtomicU64,
    accepts_failed: AtomicU64,
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

    /// A connection was cut: its peer does not read, or peers hold too much memory.
    pub fn connections_cut(&self) {
        self.connections_cut.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection was closed: what came over it is no SIP.
    pub fn streams_broken(&self) {
        self.streams_broken.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection could not be accepted.
    pub fn accepts_failed(&self) {
        self.accepts_failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Logs what changed, if enough time went by since the last line.
    pub fn log(&self, now: Time) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let datagrams_dropped = read(&self.datagrams_dropped);
        let connections_refused = read(&self.connections_refused);
        let connections_cut = read(&self.connections_cut);
        let streams_broken = read(&self.streams_broken);
        let accepts_failed = read(&self.accepts_failed);
        let sum = datagrams_dropped + connections_refused + connections_cut + streams_broken + accepts_failed;
        let last = Time::from_millis(read(&self.last));
        if sum == read(&self.logged) || now.since(last) < INTERVAL {
            return;
        }
        self.logged.store(sum, Ordering::Relaxed);
        self.last.store(now.as_millis(), Ordering::Relaxed);
        tracing::warn!(
            datagrams_dropped,
            connections_refused,
            connections_cut,
            streams_broken,
            accepts_failed,
            "trouble at the sockets (totals since start)"
        );
    }
}
