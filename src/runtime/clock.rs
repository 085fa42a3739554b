//! The clock of the process.

use crate::env::Time;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Wall clock read once, monotonic clock added: time never runs backwards while the process lives.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    wall: Time,
    started: Instant,
}

impl Clock {
    /// A clock that starts now.
    #[allow(clippy::disallowed_methods, reason = "the one place where the core's time comes from")]
    pub fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { wall: Time::from_millis(0).plus(since_epoch), started: Instant::now() }
    }

    /// The time.
    pub fn now(&self) -> Time {
        self.wall.plus(self.started.elapsed())
    }
}
