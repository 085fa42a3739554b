//! INVITE client transaction: RFC 3261 figure 5, with the Accepted state of RFC 6026 7.2.
//!
//! ```text
//!                          | INVITE: send, start A and B
//!  A: send, double   +-----v------+  B: report timeout,  unreachable: report
//!                    |  Calling   |-----------------------------------------------+
//!                    +------------+                                               |
//!                      |  |  | 1xx: deliver                                        |
//!              2xx:    |  |  |                                                     |
//!         deliver,     |  |  |    +------------+  1xx: deliver                     |
//!          start M     |  |  +--->| Proceeding |  cancel: CANCEL, start Cancelled  |
//!                      |  |       +------------+------------------------------+    |
//!   +----------+       |  |         |       | 300-699: ACK, deliver, start D  |    |
//!   | Accepted |<------+  |         |       |                                 |    |
//!   |          |<-------------------+       |        Cancelled: report timeout|    |
//!   +----------+  2xx: deliver, start M     |                                 |    |
//!    |  2xx: deliver      | 300-699: ACK, deliver, start D                    |    |
//!    | M                  |          +------v-----+                           |    |
//!    |                    +--------->| Completed  |  300-699: ACK             |    |
//!    |                               +------------+                           |    |
//!    |                                      | D,  unreachable                 |    |
//!    |                               +------v-----+                           |    |
//!    +------------------------------>| Terminated |<--------------------------+----+
//!                                    +------------+      A: unreliable transport only
//! ```
//!
//! "Unreachable" comes when the last of the next hops failed (RFC 3263 4.3); before that the table starts the figure
//! anew with the next one.

use super::machine::{ClientAction as Do, Timer};

/// Where the transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No response yet.
    Calling,
    /// A provisional response came.
    Proceeding,
    /// A failure came; it may come again.
    Completed,
    /// A 2xx came; more of them may.
    Accepted,
    /// Over.
    Terminated,
}

/// What happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A response 100 to 199.
    Provisional,
    /// A response 200 to 299.
    Success,
    /// A response 300 to 699.
    Failure,
    /// The user gives up.
    Cancel,
    /// Nothing could be sent.
    Unreachable,
    /// A timer fired.
    Fired(Timer),
}

/// The first arrow.
pub const START: (State, &[Do]) = (State::Calling, &[Do::Send, Do::Start(Timer::A), Do::Start(Timer::B)]);

/// Where the figure goes from here. `None`: the figure has no such arrow.
#[rustfmt::skip]
pub fn next(state: State, event: Event) -> Option<(State, &'static [Do])> {
    use {Event as On, State as In, Timer::*};
    Some(match (state, event) {
        (In::Calling,    On::Fired(A))         => (In::Calling,    &[Do::Send, Do::Double(A)]),
        (In::Calling,    On::Fired(B))         => (In::Terminated, &[Do::ReportTimeout]),
        (In::Calling,    On::Unreachable)      => (In::Terminated, &[Do::ReportUnreachable]),
        (In::Calling,    On::Provisional)      => (In::Proceeding, &[Do::Deliver]),
        (In::Calling,    On::Success)          => (In::Accepted,   &[Do::Deliver, Do::Start(M)]),
        (In::Calling,    On::Failure)          => (In::Completed,  &[Do::Ack, Do::Deliver, Do::Start(D)]),
        (In::Proceeding, On::Provisional)      => (In::Proceeding, &[Do::Deliver]),
        (In::Proceeding, On::Success)          => (In::Accepted,   &[Do::Deliver, Do::Start(M)]),
        (In::Proceeding, On::Failure)          => (In::Completed,  &[Do::Ack, Do::Deliver, Do::Start(D)]),
        // Not in the figure but in RFC 3261 9.1: CANCEL goes out only after a provisional response, and the INVITE
        // is over if no final response follows within 64*T1.
        (In::Proceeding, On::Cancel)           => (In::Proceeding, &[Do::Cancel, Do::Start(Cancelled)]),
        (In::Proceeding, On::Fired(Cancelled)) => (In::Terminated, &[Do::ReportTimeout]),
        (In::Completed,  On::Failure)          => (In::Completed,  &[Do::Ack]),
        // The figure tells the user here; ours knows the final response already, and nothing is left to decide.
        (In::Completed,  On::Unreachable)      => (In::Terminated, &[]),
        (In::Completed,  On::Fired(D))         => (In::Terminated, &[]),
        (In::Accepted,   On::Success)          => (In::Accepted,   &[Do::Deliver]),
        (In::Accepted,   On::Fired(M))         => (In::Terminated, &[]),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::machine::tests::matches_figure;
    use super::{Event as On, State as In, Timer::*, *};

    const STATES: &[State] = &[In::Calling, In::Proceeding, In::Completed, In::Accepted, In::Terminated];
    const EVENTS: &[Event] = &[
        On::Provisional,
        On::Success,
        On::Failure,
        On::Cancel,
        On::Unreachable,
        On::Fired(A),
        On::Fired(B),
        On::Fired(D),
        On::Fired(M),
        On::Fired(Cancelled),
    ];

    #[test]
    fn the_arrows_are_those_of_the_figure() {
        matches_figure("client_invite", START.0, STATES, EVENTS, next);
    }

    #[test]
    fn calling_begins_with_the_invite_and_timers_a_and_b() {
        assert_eq!(START, (In::Calling, &[Do::Send, Do::Start(A), Do::Start(B)][..]));
    }

    #[test]
    fn calling_repeats_with_timer_a_and_gives_up_with_timer_b() {
        assert_eq!(next(In::Calling, On::Fired(A)), Some((In::Calling, &[Do::Send, Do::Double(A)][..])));
        assert_eq!(next(In::Calling, On::Fired(B)), Some((In::Terminated, &[Do::ReportTimeout][..])));
    }

    #[test]
    fn proceeding_neither_repeats_nor_gives_up_by_itself() {
        assert_eq!(next(In::Proceeding, On::Fired(A)), None);
        assert_eq!(next(In::Proceeding, On::Fired(B)), None);
    }

    #[test]
    fn calling_does_not_cancel_before_a_provisional_response() {
        assert_eq!(next(In::Calling, On::Cancel), None);
        assert!(next(In::Proceeding, On::Cancel).unwrap().1.contains(&Do::Cancel));
    }

    #[test]
    fn completed_acknowledges_every_repetition_and_delivers_none() {
        assert_eq!(next(In::Completed, On::Failure), Some((In::Completed, &[Do::Ack][..])));
        assert_eq!(next(In::Completed, On::Success), None);
    }

    #[test]
    fn accepted_delivers_every_2xx_and_acknowledges_none() {
        assert_eq!(next(In::Accepted, On::Success), Some((In::Accepted, &[Do::Deliver][..])));
        assert_eq!(next(In::Accepted, On::Failure), None);
    }
}
