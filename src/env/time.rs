//! The one notion of time of the core.

use serde::{Deserialize, Serialize};
use std::num::NonZeroU64;
use std::time::Duration;

/// A moment, in milliseconds since the Unix epoch. Within a process it never runs backwards
/// (`runtime::clock` adds the monotonic clock to the wall clock read at start), and a stored deadline keeps its
/// meaning across a restart.
///
/// One more than the milliseconds is held, so that `Option<Time>` needs no more room than `Time`: affiliations by the
/// million may end by time or not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "u64", into = "u64")]
pub struct Time(NonZeroU64);

impl Time {
    /// The moment `millis` milliseconds after the Unix epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(NonZeroU64::MIN.saturating_add(millis))
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0.get() - 1
    }

    /// Whole seconds since the Unix epoch.
    pub const fn as_secs(self) -> u64 {
        self.as_millis() / 1000
    }

    /// This moment plus `span`; saturates, so a far deadline never wraps into the past.
    pub const fn plus(self, span: Duration) -> Self {
        let millis = span.as_millis();
        Self(self.0.saturating_add(if millis > u64::MAX as u128 { u64::MAX } else { millis as u64 }))
    }

    /// Time that passed since `earlier`; zero if `earlier` lies in the future.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.get().saturating_sub(earlier.0.get()))
    }
}

impl Default for Time {
    fn default() -> Self {
        Self::from_millis(0)
    }
}

impl std::fmt::Debug for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Time({})", self.as_millis())
    }
}

impl From<u64> for Time {
    fn from(millis: u64) -> Self {
        Self::from_millis(millis)
    }
}

impl From<Time> for u64 {
    fn from(time: Time) -> Self {
        time.as_millis()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_keeps_its_milliseconds_up_to_the_last_one() {
        for millis in [0, 1, 1_000_000_000_000, u64::MAX - 1] {
            assert_eq!(Time::from_millis(millis).as_millis(), millis);
            assert_eq!(u64::from(Time::from(millis)), millis);
        }
        assert_eq!(Time::from_millis(u64::MAX).as_millis(), u64::MAX - 1);
        assert_eq!(Time::default(), Time::from_millis(0));
        let far = Time::from_millis(5).plus(Duration::MAX);
        assert_eq!(far.since(Time::from_millis(5)), Duration::from_millis(u64::MAX - 6));
        assert_eq!(Time::default().since(far), Duration::ZERO);
    }

    #[test]
    fn no_time_takes_no_more_room() {
        assert_eq!(size_of::<Option<Time>>(), size_of::<u64>());
    }
}
