//! The words that the four machines share, and how long their timers run.

use super::Timers;
use std::time::Duration;

/// A timer of RFC 3261 table 4 or RFC 6026.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// INVITE request repetition, unreliable transport only.
    A,
    /// INVITE transaction timeout.
    B,
    /// Wait for repeated failures of an INVITE.
    D,
    /// Repetition of another request, unreliable transport only.
    E,
    /// Timeout of another transaction.
    F,
    /// Repetition of a failure of an INVITE, unreliable transport only.
    G,
    /// Wait for the ACK of a failure.
    H,
    /// Wait for repeated ACKs.
    I,
    /// Wait for repetitions of another request.
    J,
    /// Wait for repeated responses to another request.
    K,
    /// Wait for repetitions of an INVITE that was accepted (RFC 6026 7.1).
    L,
    /// Wait for repeated and forked 2xx (RFC 6026 7.2).
    M,
    /// Wait for the final response after a CANCEL; without a letter in RFC 3261 9.1.
    Cancelled,
}

/// What a client machine wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAction {
    /// Send the request (again).
    Send,
    /// Send the ACK of a failure (again).
    Ack,
    /// Send a CANCEL, which has a transaction of its own.
    Cancel,
    /// Pass the response to the user.
    Deliver,
    /// Tell the user that no final response came in time.
    ReportTimeout,
    /// Tell the user that the request cannot be sent.
    ReportUnreachable,
    /// Start a timer.
    Start(Timer),
    /// Start a timer with twice the interval it had; E stops growing at T2.
    Double(Timer),
    /// Start a timer with interval T2.
    StartAtT2(Timer),
}

/// What a server machine wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerAction {
    /// Send the last response (again), if there is one yet.
    Send,
    /// Pass the ACK to the user.
    DeliverAck,
    /// Tell the user that the failure was never acknowledged.
    ReportNoAck,
    /// Start a timer.
    Start(Timer),
    /// Start a timer with twice the interval it had, up to T2.
    Double(Timer),
}

impl Timer {
    /// Interval after `doublings` doublings. Zero: fires at once; `None`: does not run at all, because the transport
    /// repeats for us.
    pub fn interval(self, timers: &Timers, reliable: bool, doublings: u8) -> Option<Duration> {
        let doubled = timers.t1.saturating_mul(1u32.checked_shl(doublings.into()).unwrap_or(u32::MAX));
        Some(match self {
            Self::A | Self::E | Self::G if reliable => return None,
            Self::A => doubled,
            Self::E | Self::G => doubled.min(timers.t2),
            Self::D | Self::I | Self::J | Self::K if reliable => Duration::ZERO,
            Self::I | Self::K => timers.t4,
            Self::D => TIMER_D,
            Self::B | Self::F | Self::H | Self::J | Self::L | Self::M | Self::Cancelled => timers.t1 * 64,
        })
    }
}

/// RFC 3261 17.1.1.2: at least 32 s on unreliable transports.
const TIMER_D: Duration = Duration::from_secs(32);

#[cfg(test)]
pub mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::fmt::Debug;

    /// Holds a machine against `docs/figures/<name>.dot`, and asks that every state is reached from the first and
    /// every state but the last is left.
    #[track_caller]
    pub fn matches_figure<S, E, A>(
        name: &str,
        start: S,
        states: &[S],
        events: &[E],
        next: impl Fn(S, E) -> Option<(S, &'static [A])>,
    ) where
        S: Copy + Debug,
        E: Copy + Debug,
        A: Debug + 'static,
    {
        crate::sip::figure::check(name, states, events, &next);
        let mut reached = BTreeSet::from([format!("{start:?}")]);
        for &state in states {
            let ways = events.iter().filter_map(|&event| next(state, event));
            let ends: BTreeSet<_> =
                ways.map(|(to, _)| format!("{to:?}")).filter(|to| *to != format!("{state:?}")).collect();
            assert_eq!(ends.is_empty(), format!("{state:?}") == "Terminated", "{state:?}");
            reached.extend(ends);
        }
        let all: BTreeSet<_> = states.iter().map(|state| format!("{state:?}")).collect();
        assert_eq!(reached, all);
    }

    fn millis(timer: Timer, reliable: bool, doublings: u8) -> Option<u128> {
        timer.interval(&Timers::default(), reliable, doublings).map(|interval| interval.as_millis())
    }

    #[test]
    fn repetition_doubles_and_stops_growing_at_t2_except_for_invite() {
        let grown = |timer| (0..6).filter_map(|n| millis(timer, false, n)).collect::<Vec<_>>();
        assert_eq!(grown(Timer::A), [500, 1000, 2000, 4000, 8000, 16000]);
        assert_eq!(grown(Timer::E), [500, 1000, 2000, 4000, 4000, 4000]);
        assert_eq!(grown(Timer::G), [500, 1000, 2000, 4000, 4000, 4000]);
        assert!(millis(Timer::A, false, u8::MAX).is_some());
    }

    #[test]
    fn timers_have_the_values_of_table_4_on_datagrams() {
        use Timer::*;
        let values = [B, D, F, H, I, J, K, L, M, Cancelled].map(|timer| millis(timer, false, 3));
        assert_eq!(
            values.map(Option::unwrap),
            [32000, 32000, 32000, 32000, 5000, 32000, 5000, 32000, 32000, 32000]
        );
    }

    #[test]
    fn streams_repeat_for_us_and_lose_nothing_to_wait_for() {
        use Timer::*;
        assert_eq!([A, E, G].map(|timer| millis(timer, true, 0)), [None; 3]);
        assert_eq!([D, I, J, K].map(|timer| millis(timer, true, 0)), [Some(0); 4]);
        assert_eq!([B, F, H, L, M, Cancelled].map(|timer| millis(timer, true, 0)), [Some(32000); 6]);
    }
}
