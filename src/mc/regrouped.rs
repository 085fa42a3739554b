//! A call on a constituent of a temporary group: the controlling function redirects it to the temporary group, or
//! refuses; the originating participating function follows the redirection for its client, or passes it on.
//! TS 24.379 10.1.1.4.2 (Warning 148); the redirection is the note of TS 23.379 10.6.2.4.1.1.
//!
//! ```text
//!  client           O-PF                 CF of the constituent      CF of the temporary group
//!    |-- INVITE ----->|-- INVITE constituent -->|                             |
//!    |                |<-- 302 temporary group -| refuse_or_redirect          |
//!    |<-- 302 --------| (redirect)              |                             |
//!    |                |-- INVITE temporary group ----(follow)---------------->|
//! ```

use super::calls::Open;
use crate::model::*;
use crate::procedure::{Policy, Refusal, RegroupedCall, Rejection, View, uri};

/// Whether a call on this group may begin or be joined. Asked after the membership check only: a stranger never learns
/// the temporary group.
///
/// # Errors
/// [`Refusal::MovedTemporarily`] or [`Refusal::Regrouped`], as the policy says.
pub(super) fn refuse_or_redirect(view: &View<'_>, open: &Open, group: &GroupId) -> Result<(), Refusal> {
    if let Some(mark) = view.model.regrouped(Side::Mc, group.as_str()) {
        return Err(match view.policy.regrouped_call_of(group) {
            RegroupedCall::Redirect | RegroupedCall::Follow => {
                Refusal::MovedTemporarily { constituent: group.clone(), temporary: mark.temporary.clone() }
            }
            RegroupedCall::Reject => Refusal::Regrouped,
        });
    }
    // TS 23.280 10.2.4.2a step 5, where the operator wants the constituents to wait for it.
    if view.policy.constituents_wait_for_call && open.is_in_orphaned_call(view.model, group) {
        return Err(Refusal::Regrouped);
    }
    Ok(())
}

/// What the originating participating function makes of a 3xx.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Redirected {
    /// The client gets it as it is.
    PassOn,
    /// A new INVITE to this group.
    Follow(GroupId),
    /// No way to follow it: 403 with Warning 148.
    Refuse,
}

/// The target is taken from the body first, from Contact second. It is followed once, and never to the group that was
/// called first.
pub(super) fn redirected(
    policy: &Policy,
    first: &GroupId,
    followed: bool,
    rejection: &Rejection,
) -> Redirected {
    if policy.regrouped_call_of(first) != RegroupedCall::Follow {
        return Redirected::PassOn;
    }
    let of_body = rejection.info.as_ref().and_then(|info| info.request_uri.as_deref());
    let target = of_body.or_else(|| rejection.contacts.first().map(String::as_str)).and_then(uri::identity);
    match target.map(GroupId::new) {
        Some(target) if !followed && target != *first => Redirected::Follow(target),
        _ => Redirected::Refuse,
    }
}
