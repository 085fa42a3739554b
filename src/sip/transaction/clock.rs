//! The timers of all transactions.

use super::Timers;
use super::machine::Timer;
use crate::env::Time;
use crate::env::wheel::{TimerId, Wheel};
use std::time::Duration;

/// On which side a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// A server transaction.
    Server,
    /// A client transaction.
    Client,
}

/// A timer of a transaction, small because there are as many as transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// Number of the transaction among those of its side.
    pub id: u64,
    /// Its side.
    pub side: Side,
    /// Which timer.
    pub timer: Timer,
}

/// The wheel, and the values of RFC 3261 table 4.
#[derive(Debug)]
pub struct Clock {
    wheel: Wheel<Alarm>,
    timers: Timers,
}

/// The timers one transaction has running: never more than a repetition and an end.
#[derive(Debug, Default)]
pub struct Running([Option<(Timer, TimerId)>; 2]);

impl Clock {
    /// No timers.
    pub fn new(timers: Timers) -> Self {
        Self { wheel: Wheel::new(), timers }
    }

    /// When the next timer fires.
    pub fn due(&self) -> Option<Time> {
        self.wheel.due()
    }

    /// Takes out what fires.
    pub fn expire(&mut self, now: Time, fired: &mut Vec<Alarm>) {
        self.wheel.expire(now, fired);
    }

    /// Timers that run.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.wheel.len()
    }

    /// Starts a timer; a second start of the same timer takes the place of the first. True: it fires at once.
    #[must_use]
    pub fn start(
        &mut self,
        now: Time,
        running: &mut Running,
        alarm: Alarm,
        reliable: bool,
        doublings: u8,
    ) -> bool {
        match alarm.timer.interval(&self.timers, reliable, doublings) {
            None => false,
            Some(Duration::ZERO) => true,
            Some(interval) => {
                self.stop(running, |other| other == alarm.timer);
                let id = self.wheel.schedule(now.plus(interval), alarm);
                if let Some(place) = running.0.iter_mut().find(|place| place.is_none()) {
                    *place = Some((alarm.timer, id));
                }
                false
            }
        }
    }

    /// Stops the timers that `which` names.
    pub fn stop(&mut self, running: &mut Running, which: impl Fn(Timer) -> bool) {
        for place in &mut running.0 {
            if let Some((timer, id)) = *place
                && which(timer)
            {
                self.wheel.cancel(id);
                *place = None;
            }
        }
    }
}
