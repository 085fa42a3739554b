//! Entry points of the call procedures: what the service calls when a word of a call comes in.
//!
//! Three functions take part in a group call, each an instance of its own with legs of its own:
//!
//! ```text
//!  client ---- O-PF ---- CF ---- T-PF ---- client
//!            originating  |    terminating
//!                         +---- T-PF ---- client
//! ```
//!
//! An instance hears [`LegEvent`]s on its legs and answers with [`CallSend`](crate::procedure::CallSend)s. It does not
//! know what is behind a leg: a SIP dialog, or another instance in this process.
//!
//! Every entry point expects that the changes of earlier outcomes were applied to the model it is shown. What is told to
//! a peer and must outlive a restart is a fact; the rest is in [`Open`].

use crate::model::*;
use crate::procedure::*;

/// Calls and sessions in the course of set-up, and what can be derived of the others: rebuilt by [`restore`].
#[derive(Debug, Default)]
pub struct Open {}

/// Which function an invitation is for (TS 24.379 6.3.1.1), and what the service knows of its sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// From a client of ours to its originating participating function.
    Originating {
        /// Whom the public identity is bound to.
        user: UserId,
        /// The client, from the registration or the body.
        client: Option<ClientId>,
    },
    /// From a participating function to the controlling function of a group. The service has checked that the sender is
    /// trusted, so `mcptt-calling-user-id` counts.
    Controlling {
        /// PSI of the sender; `None`: an instance in this process.
        from: Option<Psi>,
    },
    /// From a controlling function to the terminating participating function of a member.
    Terminating,
}

/// A new invitation over a new leg. On success returns the instance that owns the leg from now on.
///
/// # Errors
/// The refusal with which the service answers the leg; no instance came to be.
pub fn incoming(
    view: &mut View<'_>,
    open: &mut Open,
    leg: LegId,
    role: Incoming,
    invitation: Invitation,
) -> Result<(LegOwner, Outcome<Over>), Refusal> {
    let _ = (view, open, leg, role, invitation);
    unimplemented!()
}

/// Something was heard on a leg of an instance. What comes for an instance that is over by now is answered so that
/// nothing is left standing: a late acceptance is released, a late offer refused with 481.
pub fn hear(
    view: &mut View<'_>,
    open: &mut Open,
    owner: LegOwner,
    leg: LegId,
    event: LegEvent,
) -> Outcome<Over> {
    let _ = (view, open, owner, leg, event);
    unimplemented!()
}

/// A timer of a call fired. Nothing comes of a timer whose call is over.
pub fn wake(view: &mut View<'_>, open: &mut Open, wake: Wake) -> Outcome<Over> {
    let _ = (view, open, wake);
    unimplemented!()
}

/// A user is affiliated to a group with one more client: the running call of the group, or of the temporary group it is
/// part of, invites the user (TS 24.379 10.1.1.4.6).
pub fn affiliated(
    view: &mut View<'_>,
    open: &mut Open,
    user: &UserId,
    client: &ClientId,
    group: &GroupId,
) -> Outcome<Over> {
    let _ = (view, open, user, client, group);
    unimplemented!()
}

/// An affiliation of a user's client to a group ended: the call of the group removes this client
/// (TS 24.379 10.1.1.4.4.3). A call whose group was torn down keeps its participants.
pub fn deaffiliated(
    view: &mut View<'_>,
    open: &mut Open,
    user: &UserId,
    client: &ClientId,
    group: &GroupId,
) -> Outcome<Over> {
    let _ = (view, open, user, client, group);
    unimplemented!()
}

/// After replay: takes the calls back. Media ports of participants are claimed; calls that were not established are
/// released with all their legs, established ones get their TNG3 again and the release policy is looked at; sessions at
/// the participating function whose other side is gone are released, and so is every leg that nobody owns.
pub fn restore(view: &mut View<'_>, open: &mut Open) -> Outcome<Over> {
    let _ = (view, open);
    unimplemented!()
}
