//! INVITE server transaction: RFC 3261 figure 7, with the Accepted state of RFC 6026 7.1.
//!
//! ```text
//!                         | INVITE: pass it up
//!  1xx: send        +-----v------+  2xx: send, start L     +----------+  ACK: pass it up
//!  INVITE: resend   | Proceeding |------------------------>| Accepted |  2xx: send
//!                   +------------+                         +----------+  INVITE: nothing
//!                         |                                 |       | L
//!                         | 300-699: send, start G and H    |       |
//!                         | not kept: start G and H         |       |
//!                         |   +-----------------------------+       |
//!                         |   | not kept: start G and H             |
//!  INVITE: resend   +-----v---v-+  H: report "no ACK"      +--------v---+
//!  G: resend        | Completed |------------------------->| Terminated |
//!                   +-----------+                          +----^-------+
//!                         | ACK: start I                        |
//!                   +-----v-----+  I                            |
//!  ACK: nothing     | Confirmed |-------------------------------+   G: unreliable transport only
//!                   +-----------+
//! ```
//!
//! "Pass it up, send 100" of the first arrow is the table's ([`super::Transactions::settle_trying`]): the user gets the
//! rest of the same input to answer. Transport errors (a loop at every state in RFC 6026) are the runtime's: a
//! response whose stream is gone goes out over a new one (RFC 3261 18.2.2).

use super::machine::{ServerAction as Do, Timer};

/// Where the transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No final response yet.
    Proceeding,
    /// A 2xx was sent; its repetition is the dialog's.
    Accepted,
    /// A failure was sent and waits for its ACK.
    Completed,
    /// The ACK came; more of them may.
    Confirmed,
    /// Over.
    Terminated,
}

/// What happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The INVITE again.
    Invite,
    /// An ACK with the INVITE's branch.
    Ack,
    /// The user answers 100 to 199.
    Provisional,
    /// The user answers 200 to 299, or repeats it.
    Success,
    /// The user answers 300 to 699.
    Failure,
    /// The response has not left and never will, because what it says could not be kept; a 503 takes its place.
    NotKept,
    /// A timer fired.
    Fired(Timer),
}

/// The first arrow, without actions.
pub const START: State = State::Proceeding;

/// Where the figure goes from here. `None`: the figure has no such arrow.
#[rustfmt::skip]
pub fn next(state: State, event: Event) -> Option<(State, &'static [Do])> {
    use {Event as On, State as In, Timer::*};
    Some(match (state, event) {
        (In::Proceeding, On::Invite)      => (In::Proceeding, &[Do::Send]),
        (In::Proceeding, On::Provisional) => (In::Proceeding, &[Do::Send]),
        (In::Proceeding, On::Success)     => (In::Accepted,   &[Do::Send, Do::Start(L)]),
        (In::Proceeding, On::Failure)     => (In::Completed,  &[Do::Send, Do::Start(G), Do::Start(H)]),
        (In::Completed,  On::Invite)      => (In::Completed,  &[Do::Send]),
        (In::Completed,  On::Fired(G))    => (In::Completed,  &[Do::Send, Do::Double(G)]),
        (In::Completed,  On::Fired(H))    => (In::Terminated, &[Do::ReportNoAck]),
        (In::Completed,  On::Ack)         => (In::Confirmed,  &[Do::Start(I)]),
        (In::Confirmed,  On::Ack)         => (In::Confirmed,  &[]),
        (In::Confirmed,  On::Fired(I))    => (In::Terminated, &[]),
        (In::Accepted,   On::Invite)      => (In::Accepted,   &[]),
        (In::Accepted,   On::Ack)         => (In::Accepted,   &[Do::DeliverAck]),
        (In::Accepted,   On::Success)     => (In::Accepted,   &[Do::Send]),
        (In::Accepted,   On::Fired(L))    => (In::Terminated, &[]),
        // Not in the figure: commit before answer. The caller sends the 503 in the place of the response.
        (In::Proceeding, On::NotKept)     => (In::Completed,  &[Do::Start(G), Do::Start(H)]),
        (In::Accepted,   On::NotKept)     => (In::Completed,  &[Do::Start(G), Do::Start(H)]),
        (In::Completed,  On::NotKept)     => (In::Completed,  &[]),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::machine::tests::matches_figure;
    use super::{Event as On, State as In, Timer::*, *};

    const STATES: &[State] = &[In::Proceeding, In::Accepted, In::Completed, In::Confirmed, In::Terminated];
    const EVENTS: &[Event] = &[
        On::Invite,
        On::Ack,
        On::Provisional,
        On::Success,
        On::Failure,
        On::NotKept,
        On::Fired(G),
        On::Fired(H),
        On::Fired(I),
        On::Fired(L),
    ];

    #[test]
    fn the_arrows_are_those_of_the_figure() {
        matches_figure("server_invite", START, STATES, EVENTS, next);
    }

    #[test]
    fn proceeding_takes_exactly_one_final_answer() {
        let (state, _) = next(In::Proceeding, On::Success).unwrap();
        assert_eq!(next(state, On::Failure), None);
        let (state, _) = next(In::Proceeding, On::Failure).unwrap();
        assert_eq!(next(state, On::Success), None);
        assert_eq!(next(state, On::Provisional), None);
    }

    #[test]
    fn completed_gives_up_when_no_ack_came_before_timer_h() {
        assert_eq!(next(In::Completed, On::Fired(H)), Some((In::Terminated, &[Do::ReportNoAck][..])));
    }

    #[test]
    fn confirmed_absorbs_acks_until_timer_i_and_repeats_nothing() {
        assert_eq!(next(In::Confirmed, On::Ack), Some((In::Confirmed, &[][..])));
        assert_eq!(next(In::Confirmed, On::Fired(G)), None);
        assert_eq!(next(In::Confirmed, On::Invite), None);
        assert_eq!(next(In::Confirmed, On::Fired(I)), Some((In::Terminated, &[][..])));
    }

    #[test]
    fn accepted_swallows_the_invite_and_passes_acks_up() {
        assert_eq!(next(In::Accepted, On::Invite), Some((In::Accepted, &[][..])));
        assert_eq!(next(In::Accepted, On::Ack), Some((In::Accepted, &[Do::DeliverAck][..])));
    }
}
