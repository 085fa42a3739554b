//! The one notion of time of the core.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A moment, in milliseconds since the Unix epoch. Within a process it never runs backwards
/// (`runtime::clock` adds the monotonic clock to the wall clock read at start), and a stored deadline keeps its
/// meaning across a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Time(u64);

impl Time {
    /// The moment `millis` milliseconds after the Unix epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the Unix epoch.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// This moment plus `span`; saturates, so a far deadline never wraps into the past.
    pub const fn plus(self, span: Duration) -> Self {
        let millis = span.as_millis();
        Self(self.0.saturating_add(if millis > u64::MAX as u128 { u64::MAX } else { millis as u64 }))
    }

    /// Time that passed since `earlier`; zero if `earlier` lies in the future.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}
