//! A constituent at its own server: alone, or in the call on its temporary group. TS 24.379 6.3.4, 10.1.1.5.
//!
//! ```text
//!  Asked: members are told    Invited: invite     FirstMember: accept          TooFew, Failed,
//!  +------+              +----------+                     +----------------+   Released, Lost: end
//!  | Idle |------------->| Inviting |-------------------->| NonControlling |---------------------> Idle
//!  +------+              +----------+                     +----------------+
//!   |    ^                 | Failed: refuse, end; Cancelled: end
//!   |    +-----------------+
//!   | Called         Invited: take the running call along
//!   |   +-------------+                +--------+  TooFew, Failed, Over: end
//!   +-->| Controlling |--------------->| Merged |---------------------------> Idle
//!       +-------------+                +--------+
//!        | Over  ^   Released, Lost: split  |
//!        v       +--------------------------+
//!       Idle
//! ```
//!
//! *End* releases whoever is still in the call, the controlling function of the temporary group among them. Whoever asks
//! for a constituent that has a controlling function above it already is refused (Warning 128).

use crate::mc::session::Session;

/// Where a constituent stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No call.
    Idle,
    /// Its members are invited for the temporary group; none has answered.
    Inviting,
    /// Some of its members are in the call of the temporary group, by a call that has no other purpose.
    NonControlling,
    /// A call of its own.
    Controlling,
    /// Its own call is part of the call of the temporary group.
    Merged,
}

/// What happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// The controlling function of the temporary group asks for it.
    Invited,
    /// The same from a system that is told the members, and invites them itself.
    Asked,
    /// A member calls it: an ordinary call, which `controlling` takes.
    #[cfg_attr(not(test), expect(dead_code, reason = "drawn, and done elsewhere"))]
    Called,
    /// The first member has accepted.
    FirstMember,
    /// A member's function has answered for it (`P-Answer-State: Unconfirmed`), and we keep the speech meanwhile.
    Unconfirmed,
    /// Nobody came, or the constituent's own rules are not met.
    Failed,
    /// The controlling function gives up before it was answered.
    Cancelled,
    /// The controlling function releases us.
    Released,
    /// The session with the controlling function broke.
    Lost,
    /// Members left, and too few are there still.
    TooFew,
    /// Its own call is over by its own rules.
    Over,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Do {
    /// The members are told (403 with the list).
    TellMembers,
    /// The affiliated members are invited.
    Invite,
    /// The controlling function is accepted.
    Accept,
    /// It is accepted before a member is there.
    AcceptUnconfirmed,
    /// It is accepted into the running call (123, `floor-state`), and members who are not in it are invited.
    TakeAlong,
    /// It is refused: another one has the constituent.
    RefuseAssigned,
    /// Whoever waits for the call is refused.
    Refuse,
    /// Everybody is released, invitations are cancelled.
    End,
    /// The call is the constituent's own again (TS 24.379 10.1.1.5.2.4).
    Split,
}

/// Where the figure goes from here. `None`: the figure has no such arrow, and nothing is to be done.
#[rustfmt::skip]
pub fn next(state: State, event: On) -> Option<(State, &'static [Do])> {
    use State as In;
    Some(match (state, event) {
        (In::Idle,           On::Asked)       => (In::Idle,           &[Do::TellMembers]),
        (In::Idle,           On::Invited)     => (In::Inviting,       &[Do::Invite]),
        (In::Idle,           On::Called)      => (In::Controlling,    &[]),
        (In::Inviting,       On::FirstMember) => (In::NonControlling, &[Do::Accept]),
        (In::Inviting,       On::Unconfirmed) => (In::NonControlling, &[Do::AcceptUnconfirmed]),
        (In::Inviting,       On::Failed)      => (In::Idle,           &[Do::Refuse, Do::End]),
        (In::Inviting,       On::Cancelled)   => (In::Idle,           &[Do::End]),
        (In::NonControlling, On::Released | On::Lost | On::TooFew | On::Failed)
                                              => (In::Idle,           &[Do::End]),
        (In::Controlling,    On::Asked)       => (In::Controlling,    &[Do::TellMembers]),
        (In::Controlling,    On::Invited)     => (In::Merged,         &[Do::TakeAlong]),
        (In::Controlling,    On::Over)        => (In::Idle,           &[Do::End]),
        (In::Merged,         On::Released | On::Lost)
                                              => (In::Controlling,    &[Do::Split]),
        (In::Merged,         On::Failed)      => (In::Idle,           &[Do::Refuse, Do::End]),
        (In::Merged,         On::TooFew | On::Over)
                                              => (In::Idle,           &[Do::End]),
        (In::Inviting | In::NonControlling | In::Merged, On::Invited | On::Asked)
                                              => (state,              &[Do::RefuseAssigned]),
        _ => return None,
    })
}

impl State {
    /// Where the constituent of a call stands; `None`: it has none.
    pub(in crate::mc) fn of(session: Option<&Session>) -> Self {
        let Some(session) = session else { return Self::Idle };
        match &session.call.superior {
            None => Self::Controlling,
            Some(superior) if superior.merged => Self::Merged,
            Some(_) if session.commencement.is_some() => Self::Inviting,
            Some(_) => Self::NonControlling,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 5] =
        [State::Idle, State::Inviting, State::NonControlling, State::Controlling, State::Merged];
    const EVENTS: [On; 11] = [
        On::Invited,
        On::Asked,
        On::Called,
        On::FirstMember,
        On::Unconfirmed,
        On::Failed,
        On::Cancelled,
        On::Released,
        On::Lost,
        On::TooFew,
        On::Over,
    ];

    #[test]
    fn the_table_has_the_arrows_of_the_figure() {
        crate::sip::figure::check("non_controlling", &STATES, &EVENTS, next);
    }

    // Nobody is left in a call that is nobody's.
    #[test]
    fn every_way_to_idle_ends_the_call() {
        for state in STATES.into_iter().filter(|state| *state != State::Idle) {
            for event in EVENTS {
                if let Some((State::Idle, actions)) = next(state, event) {
                    assert_eq!(actions.last(), Some(&Do::End), "{state:?} {event:?}");
                }
            }
        }
    }
}
