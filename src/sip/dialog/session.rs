//! An INVITE session from the INVITE to the answer to the BYE: RFC 3261 sections 13 to 15, with the reliable
//! provisional responses of RFC 3262 and the session timer of RFC 4028. Two ways in, one way out.
//!
//! ```text
//!  called (UAS)                                      calling (UAC)
//!
//!  INVITE in                                         INVITE out
//!      |           refuse, CANCEL 487, BYE 487,           |
//! +----v-------+  no PRACK 504, unusable 400        +----v----+ 300-699, 408, 503:
//! | Proceeding |---------------------> Over         | Calling | tell Refused        +------+
//! +------------+                                    +---------+-------------------->| Over |
//!   |  | accept while a reliable                      |    |  cancel: CANCEL       +------+
//!   |  | 1xx waits for its PRACK                      |    |                           ^
//!   |  v                                              |    |   +------------+ 300-699: |
//!   | +---------+ as Proceeding                       |    +-->| Cancelling |----------+
//!   | | Holding |--------------> Over                 |        +------------+ tell GivenUp, Ended
//!   | +---------+                                     |              |
//!   |  | PRACK                                 2xx:   |              | 2xx: ACK, BYE,
//!   v  v send 2xx                         ACK, tell   |              | tell GivenUp
//! +----------+                             Accepted   |              |
//! | Accepted |  repeat 2xx                            |              |
//! +----------+                                        |              |
//!   |  |  | ACK: tell Confirmed   +-----------+        |              |
//!   |  |  +---------------------->| Confirmed |<-------+              |
//!   |  |      bye with no ACK yet +-----------+                       |
//!   |  | bye  for a re-INVITE   |   |   |   | BYE: 200, tell Released |
//!   |  v  +---------------------+   |   |   +-----------> Over        |
//!   | +---------+ ACK, no ACK: bye: |   |                             |
//!   | | Leaving |------------+  BYE |   | 408, 481, timer, no ACK:    |
//!   | +---------+  BYE       |      |   | BYE, tell Lost              |
//!   | no ACK:                |      |   |                             |
//!   | BYE, tell Lost      +--v------v-+ | +---------+                 |
//!   |                     | Releasing |<--|---------|-----------------+
//!   |                     +-----------+ +>|         |
//!   +------------------------|----------->| Closing |
//!               BYE answered |            +---------+
//!                 tell Ended v                 | BYE answered
//!                          Over <--------------+
//! ```
//!
//! `Closing` is `Releasing` for a session of which the user has heard the last word (`Lost`).

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// An INVITE came; no final answer yet.
    Proceeding,
    /// The 2xx waits for the PRACK of a reliable provisional response (RFC 3262 3).
    Holding,
    /// The 2xx is sent and repeated until its ACK comes.
    Accepted,
    /// As `Accepted`, and the user has released the session: no BYE before the ACK (RFC 3261 15).
    Leaving,
    /// We sent an INVITE; no final answer yet.
    Calling,
    /// The user gave our INVITE up; the final answer is awaited.
    Cancelling,
    /// 2xx and ACK went through.
    Confirmed,
    /// Our BYE is out.
    Releasing,
    /// Our BYE is out, and the user has been told that the session is lost.
    Closing,
    /// Nothing is left.
    Over,
}

/// What happens to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// The user accepts.
    Accept,
    /// The user accepts while a reliable provisional response is not acknowledged.
    AcceptEarly,
    /// The last reliable provisional response was acknowledged.
    Pracked,
    /// A reliable provisional response was not acknowledged within 64*T1.
    NoPrack,
    /// The INVITE cannot make a dialog: its Contact or Record-Route cannot be read.
    Unusable,
    /// The user refuses.
    Refuse,
    /// CANCEL came.
    PeerCancels,
    /// The ACK of our 2xx came.
    Ack,
    /// No ACK of a 2xx of ours within 64*T1.
    NoAck,
    /// 2xx to our INVITE.
    Success,
    /// 300-699 to our INVITE, or it timed out or could not be sent.
    Failure,
    /// Our INVITE got a provisional response and then nothing for `PATIENCE`.
    Silence,
    /// The user gives our INVITE up.
    Cancel,
    /// The user releases the session.
    Leave,
    /// The user releases the session while a 2xx of ours to a re-INVITE waits for its ACK.
    LeaveEarly,
    /// BYE came.
    PeerLeaves,
    /// Our BYE was answered, timed out or could not be sent.
    ByeAnswered,
    /// The peer does not know the session any more (481), is silent (408), or the session timer ran out.
    Broken,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Send the 2xx of the user and start repeating it.
    SendSuccess,
    /// Keep the 2xx of the user until [`Event::Pracked`].
    HoldSuccess,
    /// Send the refusal of the user.
    SendRefusal,
    /// Answer the INVITE 487.
    SendTerminated,
    /// Answer the INVITE 504: a reliable provisional response was never acknowledged.
    SendNoPrack,
    /// Answer the INVITE 400: it cannot make a dialog.
    SendUnusable,
    /// Stop repeating the 2xx.
    StopRepeating,
    /// Acknowledge the 2xx.
    SendAck,
    /// Send CANCEL.
    SendCancel,
    /// Send BYE.
    SendBye,
    /// Answer the BYE 200.
    AnswerBye,
    /// `AgentEvent::Cancelled`.
    TellCancelled,
    /// `AgentEvent::Confirmed`.
    TellConfirmed,
    /// `AgentEvent::Accepted`.
    TellAccepted,
    /// `AgentEvent::Refused`.
    TellRefused,
    /// `AgentEvent::Released`.
    TellReleased,
    /// `AgentEvent::Lost`.
    TellLost,
    /// `AgentEvent::GivenUp`.
    TellGivenUp,
    /// `AgentEvent::Ended`.
    TellEnded,
}

/// Where the figure goes from here. `None`: the figure has no such arrow, and nothing is to be done.
#[rustfmt::skip]
pub fn next(state: State, event: Event) -> Option<(State, &'static [Action])> {
    use {Action as Do, Event as On, State as In};
    Some(match (state, event) {
        (In::Proceeding, On::Accept)      => (In::Accepted,   &[Do::SendSuccess]),
        (In::Proceeding, On::AcceptEarly) => (In::Holding,    &[Do::HoldSuccess]),
        (In::Proceeding, On::Pracked)     => (In::Proceeding, &[]),
        (In::Holding,    On::Pracked)     => (In::Accepted,   &[Do::SendSuccess]),
        (In::Proceeding | In::Holding, On::Refuse)
                                          => (In::Over,       &[Do::SendRefusal]),
        // Releasing what the caller does not know to be accepted is refusing it.
        (In::Proceeding | In::Holding, On::Leave)
                                          => (In::Over,       &[Do::SendRefusal, Do::TellEnded]),
        (In::Proceeding | In::Holding, On::PeerCancels)
                                          => (In::Over,       &[Do::SendTerminated, Do::TellCancelled]),
        // RFC 3261 15.1.2: a BYE in an early dialog ends the INVITE too.
        (In::Proceeding | In::Holding, On::PeerLeaves)
                                          => (In::Over,       &[Do::AnswerBye, Do::SendTerminated, Do::TellReleased]),
        (In::Proceeding | In::Holding, On::NoPrack)
                                          => (In::Over,       &[Do::SendNoPrack, Do::TellLost]),
        (In::Proceeding, On::Unusable)    => (In::Over,       &[Do::SendUnusable, Do::TellLost]),

        (In::Accepted,   On::Ack)         => (In::Confirmed,  &[Do::StopRepeating, Do::TellConfirmed]),
        (In::Accepted,   On::NoAck)       => (In::Closing,    &[Do::StopRepeating, Do::SendBye, Do::TellLost]),
        (In::Accepted,   On::Leave)       => (In::Leaving,    &[]),
        (In::Accepted,   On::PeerLeaves)  => (In::Over,       &[Do::StopRepeating, Do::AnswerBye, Do::TellReleased]),
        (In::Leaving,    On::Ack | On::NoAck)
                                          => (In::Releasing,  &[Do::StopRepeating, Do::SendBye]),
        (In::Leaving,    On::PeerLeaves)  => (In::Over,       &[Do::StopRepeating, Do::AnswerBye, Do::TellEnded]),

        (In::Calling,    On::Success)     => (In::Confirmed,  &[Do::SendAck, Do::TellAccepted]),
        (In::Calling,    On::Failure)     => (In::Over,       &[Do::TellRefused]),
        // A 2xx that crosses this CANCEL is released as one of a fork that lost.
        (In::Calling,    On::Silence)     => (In::Over,       &[Do::SendCancel, Do::TellRefused]),
        (In::Calling,    On::Cancel | On::Leave)
                                          => (In::Cancelling, &[Do::SendCancel]),
        (In::Cancelling, On::Success)     => (In::Releasing,  &[Do::SendAck, Do::TellGivenUp, Do::SendBye]),
        (In::Cancelling, On::Failure)     => (In::Over,       &[Do::TellGivenUp, Do::TellEnded]),

        (In::Confirmed,  On::Leave)       => (In::Releasing,  &[Do::SendBye]),
        // The user may give up an INVITE whose 2xx it has not heard of yet.
        (In::Confirmed,  On::Cancel)      => (In::Releasing,  &[Do::TellGivenUp, Do::SendBye]),
        // RFC 3261 15 does not tell the first INVITE from later ones.
        (In::Confirmed,  On::LeaveEarly)  => (In::Leaving,    &[]),
        (In::Confirmed,  On::PeerLeaves)  => (In::Over,       &[Do::AnswerBye, Do::TellReleased]),
        (In::Confirmed,  On::Broken | On::NoAck)
                                          => (In::Closing,    &[Do::SendBye, Do::TellLost]),

        (In::Releasing | In::Closing, On::PeerLeaves)
                                          => (state,          &[Do::AnswerBye]),
        (In::Releasing,  On::ByeAnswered) => (In::Over,       &[Do::TellEnded]),
        (In::Closing,    On::ByeAnswered) => (In::Over,       &[]),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 10] = {
        use State::*;
        [Proceeding, Holding, Accepted, Leaving, Calling, Cancelling, Confirmed, Releasing, Closing, Over]
    };
    const EVENTS: [Event; 18] = {
        use Event::*;
        [
            Accept,
            AcceptEarly,
            Pracked,
            NoPrack,
            Unusable,
            Refuse,
            PeerCancels,
            Ack,
            NoAck,
            Success,
            Failure,
            Silence,
            Cancel,
            Leave,
            LeaveEarly,
            PeerLeaves,
            ByeAnswered,
            Broken,
        ]
    };

    #[test]
    fn the_table_has_the_arrows_of_the_figure() {
        crate::sip::figure::check("invite_session", &STATES, &EVENTS, next);
    }

    #[test]
    fn the_user_hears_exactly_one_last_word() {
        use Action::*;
        let last = [TellCancelled, TellRefused, TellReleased, TellLost, TellEnded];
        for state in STATES {
            for event in EVENTS {
                let Some((to, actions)) = next(state, event) else { continue };
                let words = actions.iter().filter(|action| last.contains(action)).count();
                let over = |state| matches!(state, State::Over | State::Closing);
                // Who refuses knows that it is over.
                let ends = over(to) && !over(state) && event != Event::Refuse;
                assert_eq!(words == 1, ends, "{state:?} on {event:?}");
                assert!(words <= 1, "{state:?} on {event:?}");
            }
        }
    }

    #[test]
    fn nothing_leads_out_of_over_and_no_state_is_a_trap() {
        for event in EVENTS {
            assert_eq!(next(State::Over, event), None);
        }
        for start in [State::Proceeding, State::Calling] {
            let mut seen = std::collections::BTreeSet::from([start]);
            let mut open = vec![start];
            while let Some(state) = open.pop() {
                for event in EVENTS {
                    if let Some((to, _)) = next(state, event)
                        && seen.insert(to)
                    {
                        open.push(to);
                    }
                }
            }
            assert!(seen.contains(&State::Over), "from {start:?}");
        }
        for state in STATES.into_iter().filter(|state| *state != State::Over) {
            assert!(
                EVENTS.iter().any(|event| next(state, *event).is_some_and(|(to, _)| to != state)),
                "{state:?}"
            );
        }
    }

    #[test]
    fn no_bye_of_ours_crosses_a_missing_ack() {
        // RFC 3261 15: the callee must not send BYE before the ACK came or the server transaction timed out.
        for state in [State::Accepted, State::Leaving] {
            for event in EVENTS.into_iter().filter(|event| !matches!(event, Event::Ack | Event::NoAck)) {
                let sends = next(state, event).is_some_and(|(_, actions)| actions.contains(&Action::SendBye));
                assert!(!sends, "{state:?} on {event:?}");
            }
        }
    }
}
