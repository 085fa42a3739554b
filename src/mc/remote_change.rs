//! Remote change of affiliation, mandatory mode: TS 23.280 figures 10.8.5.1.1-1 and 10.8.5.2.1-1 (10.X.5.1.1-1 and
//! 10.X.5.2.1-1 of the change request), by a PUBLISH for another user (TS 24.379 9.2.1.2).
//!
//! ```text
//!  client 1 (authorised)          MC service server                    client 2 (target)
//!    |-- 1 change request ---------->|                                    |
//!    |<----------- 200, a receipt ---| 2 may user 1 do that? N2 of user 2 |
//!    |                               | 3 to 6: `affiliation`              |
//!    |                               |-- 7a NOTIFY ---------------------->|
//!    |                               |<---------------------- 7b its 200 -|
//!    |<-- 8 NOTIFY with the p-id ----|                                    |
//! ```
//!
//! TS 23.280 10.8.5.1.1 steps 3a and 3b need no message here: `groups` holds a copy of the group policy.
//!
//! One PUBLISH concerns one target; several targets take several of them. Steps 7a and 8 are notifications on the
//! subscriptions of both, so a target that is not there hears of it when it subscribes. In figure 10.8.5.2.1-1 the steps
//! are 1, 2, 3 to 8 towards the partner, 9 store, 10a, 10b, 11: nothing of it is different here, `affiliation` publishes
//! to whoever owns a group.
//!
//! Step 2, whether user 1 may, is in [`super::affiliation::publish`], where the target is served. A target who is served
//! elsewhere is the matter of this file: the request goes on to the function that serves the target, with the user who
//! asks in `mcptt-calling-user-id` (TS 24.379 9.2.2.2.9); what is answered there is our answer. That function has no
//! profile of our user, so we check it; the other way round the agreement with the partner stands for the profile.

use crate::documents::{Body, McInfo};
use crate::model::*;
use crate::procedure::*;

/// Who wants to change, propose or watch the affiliations of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Originator {
    /// A user of ours, by a client.
    Client(UserId),
    /// A user for whom a participating function elsewhere speaks, as it may.
    Function {
        /// The user.
        user: UserId,
        /// The function.
        caller: Caller,
    },
}

impl Originator {
    /// The user.
    pub fn user(&self) -> &UserId {
        match self {
            Self::Client(user) | Self::Function { user, .. } => user,
        }
    }

    /// Whether the agreement with a partner stands for the profile, which the partner has.
    pub fn is_partners(&self) -> bool {
        matches!(self, Self::Function { caller: Caller { partner: Some(_), .. }, .. })
    }

    /// Whether the originator may: by the profile; for a partner's user by the agreement (TS 23.280 10.8.5.1.1 step 2).
    ///
    /// # Errors
    /// 403 with `why`; 403 with Warning 180 where the agreement does not permit it; 404 for a user who is not known.
    pub fn may(
        &self,
        view: &View<'_>,
        permission: impl Fn(&UserProfile) -> bool,
        why: &'static str,
    ) -> Result<(), Refusal> {
        match self {
            Self::Function { caller, .. } if caller.partner.is_some() => {
                let may = caller.may(view.policy).affiliate;
                if may { Ok(()) } else { Err(Refusal::PartnerMayNot(caller.psi.clone())) }
            }
            Self::Client(user) | Self::Function { user, .. } => {
                let user = view.model.user(user.as_str()).ok_or(Refusal::UnknownUser)?;
                if permission(&user.profile) { Ok(()) } else { Err(Refusal::NotPermitted { why }) }
            }
        }
    }
}

/// A PUBLISH for a user who is served elsewhere.
#[derive(Clone, Debug)]
pub struct ForwardAsk {
    /// The request that waits for its answer.
    pub reply: ReplyTo,
    /// Who asks: a user of ours.
    pub originator: UserId,
    /// Whose affiliations.
    pub target: UserId,
    /// The service.
    pub service: Service,
    /// mcptt-info as received.
    pub info: McInfo,
    /// The affiliation document as received.
    pub document: Option<Body>,
    /// Expires, seconds.
    pub expires: Option<u32>,
    /// SIP-If-Match.
    pub etag: Option<String>,
}

/// TS 24.379 9.2.2.2.9: on to the participating function `at` that serves the target.
///
/// # Errors
/// 403: the originator may not change the affiliations of others.
pub fn forward(view: &View<'_>, at: Psi, ask: ForwardAsk) -> Result<Outcome<Over>, Refusal> {
    let ForwardAsk { reply, originator, target, service, info, document, expires, etag } = ask;
    // Step 2 of the figure, the half of it that only we can check.
    Originator::Client(originator.clone()).may(view, |profile| profile.allow_affiliate_others, MAY_NOT)?;
    let log = format!("PUBLISH of {originator} for {target} goes on to {at}");
    let pass_on = PassOn {
        reply,
        to: PassTo::Function(at),
        service,
        info: between_servers(&originator, &target, info.client_id),
        document,
        request: Passed::Affiliations { expires, etag },
        proposal: None,
    };
    Ok(Outcome::end(Vec::new(), vec![Send::PassOn(Box::new(pass_on))]).logged(log))
}

/// Why a change of another user's affiliations is refused.
pub(super) const MAY_NOT: &str = "not authorised to affiliate other users";

/// mcptt-info of a request between the servers of two users: the originator is who we know it to be, never what the body
/// said.
pub(super) fn between_servers(originator: &UserId, target: &UserId, client: Option<String>) -> McInfo {
    McInfo {
        request_uri: Some(target.to_string()),
        calling_user: Some(originator.to_string()),
        client_id: client,
        ..McInfo::default()
    }
}

/// The answer to a request that was passed on: that of whoever was asked (TS 24.379 9.2.2.2.9), as far as it means the
/// same to the user who asked us.
pub fn answer(to: &PassTo, end: PassedAnswer) -> Answer {
    let PassedAnswer { status, warnings, retry_after, expires, min_expires, etag } = end;
    let as_is = |status| Answer { warnings, retry_after, ..Answer::plain(status) };
    match (status, to) {
        // RFC 4320 4.2 has no 408 for these requests.
        (None | Some(408), PassTo::Clients(_)) => Answer::worded(480, "no client of the user answers"),
        (None | Some(408), PassTo::Function(_)) => {
            Answer::worded(504, "the user's MC system does not answer")
        }
        (Some(status @ 200..=299), _) => Answer { expires, etag, ..Answer::plain(status) },
        (Some(status), _) => Answer { min_expires, ..as_is(relayed(status)) },
    }
}

/// The status of a refusal from elsewhere as it is told here.
pub(super) fn relayed(status: u16) -> u16 {
    match status {
        // Where the user is now is for us to find; no challenge of theirs is for our user.
        300..=399 => 480,
        401 | 407 => 403,
        // RFC 3261 16.7 step 6: it is not us who are overloaded.
        503 => 500,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(status: Option<u16>) -> PassedAnswer {
        PassedAnswer { status, retry_after: Some(7), min_expires: Some(9), ..PassedAnswer::default() }
    }

    // TS 24.379 9.2.2.2.9; RFC 4320 4.2: no 408 leaves for these requests.
    #[test]
    fn what_was_answered_elsewhere_is_answered_here_unless_it_means_something_else_here() {
        let clients = PassTo::Clients("sip:bob@one.example".into());
        let function = PassTo::Function("sip:mcptt@two.example".into());
        for (status, by_clients, by_function) in [
            (None, 480, 504),
            (Some(408), 480, 504),
            (Some(200), 200, 200),
            (Some(202), 202, 202),
            (Some(302), 480, 480),
            (Some(401), 403, 403),
            (Some(407), 403, 403),
            (Some(423), 423, 423),
            (Some(486), 486, 486),
            (Some(503), 500, 500),
            (Some(606), 606, 606),
        ] {
            assert_eq!(answer(&clients, heard(status)).status, by_clients, "{status:?}");
            assert_eq!(answer(&function, heard(status)).status, by_function, "{status:?}");
        }
        let brief = answer(&function, heard(Some(423)));
        assert_eq!((brief.min_expires, brief.retry_after), (Some(9), Some(7)));
    }

    #[test]
    fn a_body_cannot_say_who_asks() {
        let info = between_servers(&"sip:alice@one.example".into(), &"sip:zoe@two.example".into(), None);
        assert_eq!(info.calling_user.as_deref(), Some("sip:alice@one.example"));
        assert_eq!(info.request_uri.as_deref(), Some("sip:zoe@two.example"));
    }
}
