//! Non-INVITE server transaction: RFC 3261 figure 8.
//!
//! ```text
//!                        | request: pass it up
//!                   +----v-------+
//!  request: nothing |   Trying   |------------+
//!                   +------------+            |
//!                        | 1xx: send          |
//!  1xx: send        +----v-------+            |
//!  request: resend  | Proceeding |            |
//!                   +------------+            |
//!                        | 200-699: send,     | 200-699: send,
//!                        |   start J          |   start J
//!  request: resend  +----v-------+            |
//!                   | Completed  |<-----------+
//!                   +------------+
//!                        | J
//!                   +----v-------+
//!                   | Terminated |
//!                   +------------+
//! ```
//!
//! Transport errors are the runtime's: a response whose stream is gone goes out over a new one (RFC 3261 18.2.2).

use super::machine::{ServerAction as Do, Timer};

/// Where the transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No response yet.
    Trying,
    /// A provisional response was sent.
    Proceeding,
    /// The final response was sent; the request may come again.
    Completed,
    /// Over.
    Terminated,
}

/// What happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The request again.
    Request,
    /// The user answers 100 to 199.
    Provisional,
    /// The user answers 200 to 699.
    Final,
    /// The response has not left and never will, because what it says could not be kept; a 503 takes its place.
    NotKept,
    /// A timer fired.
    Fired(Timer),
}

/// The first arrow, without actions.
pub const START: State = State::Trying;

/// Where the figure goes from here. `None`: the figure has no such arrow.
#[rustfmt::skip]
pub fn next(state: State, event: Event) -> Option<(State, &'static [Do])> {
    use {Event as On, State as In, Timer::*};
    Some(match (state, event) {
        (In::Trying,     On::Request)     => (In::Trying,     &[]),
        (In::Trying,     On::Provisional) => (In::Proceeding, &[Do::Send]),
        (In::Trying,     On::Final)       => (In::Completed,  &[Do::Send, Do::Start(J)]),
        (In::Proceeding, On::Request)     => (In::Proceeding, &[Do::Send]),
        (In::Proceeding, On::Provisional) => (In::Proceeding, &[Do::Send]),
        (In::Proceeding, On::Final)       => (In::Completed,  &[Do::Send, Do::Start(J)]),
        (In::Completed,  On::Request)     => (In::Completed,  &[Do::Send]),
        (In::Completed,  On::Fired(J))    => (In::Terminated, &[]),
        // Not in the figure: commit before answer. The caller sends the 503 in the place of the response.
        (In::Proceeding, On::NotKept)     => (In::Completed,  &[Do::Start(J)]),
        (In::Completed,  On::NotKept)     => (In::Completed,  &[]),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::machine::tests::matches_figure;
    use super::{Event as On, State as In, Timer::*, *};

    const STATES: &[State] = &[In::Trying, In::Proceeding, In::Completed, In::Terminated];
    const EVENTS: &[Event] = &[On::Request, On::Provisional, On::Final, On::NotKept, On::Fired(J)];

    #[test]
    fn the_arrows_are_those_of_the_figure() {
        matches_figure("server_plain", START, STATES, EVENTS, next);
    }

    #[test]
    fn trying_is_silent_when_the_request_comes_again() {
        assert_eq!(next(In::Trying, On::Request), Some((In::Trying, &[][..])));
    }

    #[test]
    fn completed_answers_repetitions_and_takes_no_second_answer() {
        assert_eq!(next(In::Completed, On::Request), Some((In::Completed, &[Do::Send][..])));
        assert_eq!(next(In::Completed, On::Final), None);
        assert_eq!(next(In::Completed, On::Provisional), None);
    }
}
