//! One affiliation at the server that serves the user, and what the server that owns the group says about it: TS 24.379
//! 9.2.2.2.3 step 14, 9.2.2.2.6, 9.2.2.2.7.
//!
//! ```text
//!             wanted: extend, publish                 listed: follow
//!  +---------+                      +-------------+                    +------------+ wanted: extend
//!  | Nothing |--------------------->| Affiliating |------------------->| Affiliated | listed, taken: follow
//!  +---------+                      +-------------+                    +------------+ due: publish
//!    ^  ^  ^   refused, failed;       |         ^  wanted: extend        |     |   ^
//!    |  |  |   too long, expired:     |         |  taken: await          |     |   |
//!    |  |  |   publish                |         |  due: publish          |     |   |
//!    |  |  +--------------------------+         |                        |     |   |
//!    |  |                  unwanted:  |         | wanted:      unwanted: |     |   | kept
//!    |  |            hurry, publish   v         | extend,          hurry,|     |   |
//!    |  |                          +---------------+  publish    publish |     |   |
//!    |  +--------------------------| Deaffiliating |<--------------------+     |   |
//!    |   refused, absent, failed,  +---------------+                           |   |
//!    |   expired                       +---------------------------------------|---+
//!    +-------------------------------------------------------------------------+
//!        refused, absent, failed; expired: publish
//! ```
//!
//! *Publish* tells the owner by which clients the user is affiliated now. Where this server owns the group itself there is
//! nobody to tell: the answer, *listed*, *absent* or *kept*, is there at once. `deaffiliated` of TS 24.379 is `Nothing`.
//!
//! Beyond the arrows of TS 24.379, for what it leaves open: an entry that ends by itself is withdrawn at the owner, who may
//! have heard of it; a request that was taken and that no notification answers is sent again, so often; a de-affiliation
//! that the owner does not allow leaves the affiliation as it was.

use crate::env::Time;
use crate::model::*;
use std::time::Duration;

/// Timer F: how long the answer of an owner is awaited (RFC 3261 17.1.2.2 with T1 of the core network).
pub(super) const TIMER_F: Duration = Duration::from_secs(32);

/// What is on its way out disappears after this time, whatever the owner says.
pub const DEAFFILIATING_FOR: Duration = Duration::from_secs(64);

/// How often an owner that takes the request is asked again for a notification before it counts as a refusal.
const ATTEMPTS: u8 = 3;

/// A refresh goes no sooner than this after the grant, however short the grant is.
const SHORTEST_REFRESH: Duration = Duration::from_secs(1);

/// Where an affiliation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No entry.
    Nothing,
    /// Asked for; the owner has not said yes.
    Affiliating,
    /// In force.
    Affiliated,
    /// Not wanted any more; the owner has not said that it is gone.
    Deaffiliating,
}

/// What happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// The client names the group in its set.
    Wanted,
    /// The client leaves it out.
    Unwanted,
    /// The owner has taken the request (2xx).
    Taken,
    /// The owner lists the client.
    Listed,
    /// The owner does not list it, in answer to the request that asked for it.
    Refused,
    /// The owner does not list it.
    Absent,
    /// The owner refused the request, or was silent.
    Failed,
    /// The owner does not let it go.
    Kept,
    /// Next publishing.
    Due,
    /// Next publishing, after so many that nothing came of.
    TooLong,
    /// Its time is over.
    Expired,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Do {
    /// The interval of the client begins anew.
    Extend,
    /// It ends soon.
    Hurry,
    /// The owner is told.
    Publish,
    /// A notification is awaited.
    Await,
    /// The grant of the owner counts.
    Follow,
}

/// Where the figure goes from here. `None`: the figure has no such arrow, and nothing is to be done.
#[rustfmt::skip]
fn next(state: State, event: On) -> Option<(State, &'static [Do])> {
    use State as In;
    Some(match (state, event) {
        (In::Nothing,       On::Wanted)   => (In::Affiliating,   &[Do::Extend, Do::Publish]),
        (In::Affiliating,   On::Wanted)   => (In::Affiliating,   &[Do::Extend]),
        (In::Affiliating,   On::Taken)    => (In::Affiliating,   &[Do::Await]),
        (In::Affiliating,   On::Due)      => (In::Affiliating,   &[Do::Publish]),
        (In::Affiliating,   On::Listed)   => (In::Affiliated,    &[Do::Follow]),
        (In::Affiliating,   On::Unwanted) => (In::Deaffiliating, &[Do::Hurry, Do::Publish]),
        (In::Affiliating,   On::Refused | On::Failed)
                                          => (In::Nothing,       &[]),
        (In::Affiliating,   On::TooLong | On::Expired)
                                          => (In::Nothing,       &[Do::Publish]),
        (In::Affiliated,    On::Wanted)   => (In::Affiliated,    &[Do::Extend]),
        (In::Affiliated,    On::Listed | On::Taken)
                                          => (In::Affiliated,    &[Do::Follow]),
        (In::Affiliated,    On::Due)      => (In::Affiliated,    &[Do::Publish]),
        (In::Affiliated,    On::Unwanted) => (In::Deaffiliating, &[Do::Hurry, Do::Publish]),
        (In::Affiliated,    On::Refused | On::Absent | On::Failed)
                                          => (In::Nothing,       &[]),
        (In::Affiliated,    On::Expired)  => (In::Nothing,       &[Do::Publish]),
        (In::Deaffiliating, On::Wanted)   => (In::Affiliating,   &[Do::Extend, Do::Publish]),
        (In::Deaffiliating, On::Kept)     => (In::Affiliated,    &[Do::Extend]),
        (In::Deaffiliating, On::Refused | On::Absent | On::Failed | On::Expired)
                                          => (In::Nothing,       &[]),
        _ => return None,
    })
}

impl State {
    fn of(entry: Option<&GroupAffiliation>) -> Self {
        match entry.map(|entry| entry.status) {
            None => Self::Nothing,
            Some(AffiliationStatus::Affiliating) => Self::Affiliating,
            Some(AffiliationStatus::Affiliated) => Self::Affiliated,
            Some(AffiliationStatus::Deaffiliating) => Self::Deaffiliating,
        }
    }

    fn status(self) -> Option<AffiliationStatus> {
        match self {
            Self::Nothing => None,
            Self::Affiliating => Some(AffiliationStatus::Affiliating),
            Self::Affiliated => Some(AffiliationStatus::Affiliated),
            Self::Deaffiliating => Some(AffiliationStatus::Deaffiliating),
        }
    }
}

/// What comes with an event.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// The time.
    pub now: Time,
    /// When the interval of the client ends, if it begins now; `None`: not by time.
    pub expires: Option<Time>,
    /// When the grant of the owner ends, if it gave one; `None`: not by time.
    pub granted: Option<Time>,
}

/// What became of an entry.
#[derive(Debug)]
pub struct Stepped {
    /// The entry; `None`: it is gone.
    pub entry: Option<GroupAffiliation>,
    /// The owner is to be told.
    pub publish: bool,
}

/// Takes one step. `fresh` is the entry as it begins, where there is none.
pub fn step(
    entry: Option<GroupAffiliation>,
    fresh: impl FnOnce() -> GroupAffiliation,
    event: On,
    terms: Terms,
) -> Stepped {
    let Some((state, actions)) = next(State::of(entry.as_ref()), event) else {
        return Stepped { entry, publish: false };
    };
    let publish = actions.contains(&Do::Publish);
    let Some(status) = state.status() else { return Stepped { entry: None, publish } };
    let mut entry = entry.unwrap_or_else(fresh);
    entry.status = status;
    entry.by_call = false;
    for action in actions {
        match action {
            Do::Extend => entry.expires = terms.expires,
            Do::Hurry => {
                entry.expires = Some(terms.now.plus(DEAFFILIATING_FOR));
                if let Some(owner) = &mut entry.owner {
                    **owner = AtOwner::default();
                }
            }
            Do::Publish => {
                if let Some(owner) = &mut entry.owner {
                    let again = event == On::Due && state == State::Affiliating;
                    let attempts = if again { owner.attempts.saturating_add(1) } else { 0 };
                    **owner = AtOwner { expires: owner.expires, attempts, ..AtOwner::default() };
                }
            }
            Do::Await => {
                if let Some(owner) = &mut entry.owner {
                    owner.expires = terms.granted;
                    owner.publish_at = Some(terms.now.plus(TIMER_F));
                }
            }
            Do::Follow => {
                if let Some(owner) = &mut entry.owner {
                    let half = |granted: Time| granted.since(terms.now) / 2;
                    let publish_at =
                        terms.granted.map(|granted| terms.now.plus(half(granted).max(SHORTEST_REFRESH)));
                    **owner = AtOwner { asked: owner.asked, attempts: 0, expires: terms.granted, publish_at };
                }
            }
        }
    }
    Stepped { entry: Some(entry), publish }
}

/// What the time brings to an entry; `None`: nothing yet.
pub fn timed(entry: &GroupAffiliation, now: Time) -> Option<On> {
    if !entry.lasts(now) {
        return Some(On::Expired);
    }
    let owner = entry.owner.as_ref().filter(|owner| owner.publish_at.is_some_and(|at| at <= now))?;
    Some(match entry.status {
        AffiliationStatus::Affiliating if owner.attempts >= ATTEMPTS => On::TooLong,
        _ => On::Due,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::group_id;

    const STATES: [State; 4] = [State::Nothing, State::Affiliating, State::Affiliated, State::Deaffiliating];
    const EVENTS: [On; 11] = [
        On::Wanted,
        On::Unwanted,
        On::Taken,
        On::Listed,
        On::Refused,
        On::Absent,
        On::Failed,
        On::Kept,
        On::Due,
        On::TooLong,
        On::Expired,
    ];
    const NOW: Time = Time::from_millis(1_000_000);

    fn after(seconds: u64) -> Time {
        NOW.plus(Duration::from_secs(seconds))
    }

    fn terms(granted: Option<Time>) -> Terms {
        Terms { now: NOW, expires: None, granted }
    }

    fn entry(status: AffiliationStatus) -> GroupAffiliation {
        let own = GroupAffiliation::own(group_id("sip:rail@two.example"), Service::Mcptt, None);
        GroupAffiliation { status, owner: Some(Box::default()), ..own }
    }

    fn stepped(entry: GroupAffiliation, event: On, granted: Option<Time>) -> GroupAffiliation {
        let never = || -> GroupAffiliation { panic!("there is an entry") };
        step(Some(entry), never, event, terms(granted)).entry.expect("an entry")
    }

    #[test]
    fn the_table_has_the_arrows_of_the_figure() {
        crate::sip::figure::check("affiliation", &STATES, &EVENTS, next);
    }

    #[test]
    fn a_grant_is_refreshed_at_half_of_what_is_left() {
        let affiliated = stepped(entry(AffiliationStatus::Affiliating), On::Listed, Some(after(600)));
        assert_eq!(affiliated.status, AffiliationStatus::Affiliated);
        assert_eq!((affiliated.ends(), affiliated.due()), (Some(after(600)), Some(after(300))));
        assert_eq!(timed(&affiliated, after(299)), None);
        assert_eq!(timed(&affiliated, after(300)), Some(On::Due));
        assert_eq!(timed(&affiliated, after(600)), Some(On::Expired));
        // The owner grants for good: nothing is due any more.
        let for_good = stepped(affiliated, On::Listed, None);
        assert_eq!((for_good.ends(), for_good.due()), (None, None));
    }

    #[test]
    fn a_tiny_grant_does_not_make_us_publish_all_the_time() {
        let affiliated = stepped(
            entry(AffiliationStatus::Affiliating),
            On::Listed,
            Some(NOW.plus(Duration::from_millis(3))),
        );
        assert_eq!(affiliated.owner.unwrap().publish_at, Some(after(1)));
    }

    #[test]
    fn what_is_on_its_way_out_ends_after_twice_timer_f() {
        let going = stepped(entry(AffiliationStatus::Affiliated), On::Unwanted, None);
        assert_eq!(timed(&going, after(63)), None);
        assert_eq!(timed(&going, after(64)), Some(On::Expired));
    }

    #[test]
    fn an_owner_who_takes_the_request_and_says_nothing_is_asked_so_often() {
        let mut waiting = entry(AffiliationStatus::Affiliating);
        for attempt in 0..ATTEMPTS {
            waiting = stepped(waiting, On::Taken, None);
            assert_eq!(timed(&waiting, after(31)), None);
            assert_eq!(timed(&waiting, after(32)), Some(On::Due), "{attempt}");
            waiting = stepped(waiting, On::Due, None);
        }
        waiting = stepped(waiting, On::Taken, None);
        assert_eq!(timed(&waiting, after(32)), Some(On::TooLong));
    }
}
