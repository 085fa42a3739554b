//! Non-INVITE client transaction: RFC 3261 figure 6.
//!
//! ```text
//!                      | request: send, start E and F
//!  E: send, double  +--v---------+  F: report timeout
//!                   |   Trying   |  unreachable: report
//!                   +------------+----------------------+
//!                      |   | 1xx: deliver               |
//!  1xx: deliver     +--|---v-----+  F: report timeout   |
//!  E: send, T2      | Proceeding |  unreachable: report |
//!                   +------------+----------------------+
//!                      |   | 200-699: deliver, start K  |
//!       200-699:    +--v---v-----+                      |
//!   deliver, start K| Completed  |                      |
//!                   +------------+                      |
//!                          | K                          |
//!                   +------v-----+                      |
//!                   | Terminated |<---------------------+    E: unreliable transport only
//!                   +------------+
//! ```
//!
//! Beyond the figure: the user may abandon a request whose answer nobody waits for any more. It is not repeated then, and
//! what still comes is taken in silence until F.
//!
//! ```text
//!   Trying, Proceeding --abandoned--> Abandoned -- F, unreachable --> Terminated
//!                                        |------- 200-699: start K --> Completed
//! ```
//!
//! "Unreachable" comes when the last of the next hops failed (RFC 3263 4.3); before that the table starts the figure
//! anew with the next one.

use super::machine::{ClientAction as Do, Timer};

/// Where the transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No response yet.
    Trying,
    /// A provisional response came.
    Proceeding,
    /// The user does not want to know any more.
    Abandoned,
    /// The final response came; it may come again.
    Completed,
    /// Over.
    Terminated,
}

/// What happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A response 100 to 199.
    Provisional,
    /// A response 200 to 699.
    Final,
    /// The user gives up.
    Abandon,
    /// Nothing could be sent.
    Unreachable,
    /// A timer fired.
    Fired(Timer),
}

/// The first arrow.
pub const START: (State, &[Do]) = (State::Trying, &[Do::Send, Do::Start(Timer::E), Do::Start(Timer::F)]);

/// Where the figure goes from here. `None`: the figure has no such arrow.
#[rustfmt::skip]
pub fn next(state: State, event: Event) -> Option<(State, &'static [Do])> {
    use {Event as On, State as In, Timer::*};
    Some(match (state, event) {
        (In::Trying,     On::Fired(E))    => (In::Trying,     &[Do::Send, Do::Double(E)]),
        (In::Trying,     On::Fired(F))    => (In::Terminated, &[Do::ReportTimeout]),
        (In::Trying,     On::Unreachable) => (In::Terminated, &[Do::ReportUnreachable]),
        (In::Trying,     On::Provisional) => (In::Proceeding, &[Do::Deliver]),
        (In::Trying,     On::Final)       => (In::Completed,  &[Do::Deliver, Do::Start(K)]),
        (In::Proceeding, On::Fired(E))    => (In::Proceeding, &[Do::Send, Do::StartAtT2(E)]),
        (In::Proceeding, On::Fired(F))    => (In::Terminated, &[Do::ReportTimeout]),
        (In::Proceeding, On::Unreachable) => (In::Terminated, &[Do::ReportUnreachable]),
        (In::Proceeding, On::Provisional) => (In::Proceeding, &[Do::Deliver]),
        (In::Proceeding, On::Final)       => (In::Completed,  &[Do::Deliver, Do::Start(K)]),
        (In::Trying | In::Proceeding, On::Abandon)
                                          => (In::Abandoned,  &[]),
        (In::Abandoned,  On::Final)       => (In::Completed,  &[Do::Start(K)]),
        (In::Abandoned,  On::Fired(F) | On::Unreachable)
                                          => (In::Terminated, &[]),
        (In::Completed,  On::Fired(K))    => (In::Terminated, &[]),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::machine::tests::matches_figure;
    use super::{Event as On, State as In, Timer::*, *};

    const STATES: &[State] = &[In::Trying, In::Proceeding, In::Abandoned, In::Completed, In::Terminated];
    const EVENTS: &[Event] =
        &[On::Provisional, On::Final, On::Abandon, On::Unreachable, On::Fired(E), On::Fired(F), On::Fired(K)];

    #[test]
    fn the_arrows_are_those_of_the_figure() {
        matches_figure("client_plain", START.0, STATES, EVENTS, next);
    }

    #[test]
    fn trying_begins_with_the_request_and_timers_e_and_f() {
        assert_eq!(START, (In::Trying, &[Do::Send, Do::Start(E), Do::Start(F)][..]));
    }

    #[test]
    fn proceeding_keeps_repeating_at_t2_and_keeps_timer_f() {
        let (_, actions) = next(In::Proceeding, On::Fired(E)).unwrap();
        assert_eq!(actions, [Do::Send, Do::StartAtT2(E)]);
        assert!(next(In::Proceeding, On::Fired(F)).is_some());
    }

    #[test]
    fn completed_swallows_repeated_responses_and_lost_sends() {
        assert_eq!(next(In::Completed, On::Final), None);
        assert_eq!(next(In::Completed, On::Unreachable), None);
        assert_eq!(next(In::Completed, On::Fired(F)), None);
    }
}
