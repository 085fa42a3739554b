//! The session timer (RFC 4028): who refreshes, how often, and when a session that nobody refreshes ends.

use super::checks::lists;
use crate::env::Time;
use crate::model::SessionTimerFact;
use crate::sip::message::values::SessionExpires;
use crate::sip::message::{Malformed, Request, Response};
use crate::sip::wire::Name;
use std::time::Duration;

/// RFC 4028 5: the smallest interval anybody may ask for, which also holds where no Min-SE says more. Seconds.
pub(super) const LEAST_INTERVAL: u32 = 90;
/// RFC 4028 10: the BYE leaves this long before the session ends, or a third of the interval if that is less.
const LAST_CALL: Duration = Duration::from_secs(32);

/// What an INVITE or UPDATE asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// The sender knows session timers.
    pub supported: bool,
    /// The session timer it asks for.
    pub expires: Option<SessionExpires>,
    /// The smallest interval it takes, seconds.
    pub minimum: u32,
}

/// What a 2xx grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Granted {
    /// Seconds.
    pub interval: u32,
    /// The sender of the request refreshes.
    pub refresher_uac: bool,
    /// The sender of the request knows session timers.
    pub supported: bool,
}

impl Asked {
    /// Reads the headers of a request.
    ///
    /// # Errors
    /// [`Malformed`] if Session-Expires or Min-SE cannot be read.
    pub fn of(request: &Request) -> Result<Self, Malformed> {
        Ok(Self {
            supported: lists(request, Name::Supported, "timer") || lists(request, Name::Require, "timer"),
            expires: request.session_expires()?,
            minimum: request.number(Name::MinSe)?.unwrap_or(LEAST_INTERVAL),
        })
    }

    /// The interval is to be refused with 422 (RFC 4028 9): never towards a sender that would not understand why.
    pub fn too_small(&self, minimum: u32) -> bool {
        self.supported && self.expires.is_some_and(|expires| expires.interval < minimum)
    }

    /// What we answer (RFC 4028 9, table 2). `interval` is ours: a longer one is cut to it as far as Min-SE allows.
    /// `we_refresh`: who does so far, kept where the request leaves the choice to us; in a new session the
    /// sender refreshes (TS 24.379 6.3.3.2.3.2 step 2).
    pub fn grant(&self, interval: u32, minimum: u32, we_refresh: Option<bool>) -> Granted {
        let ours = interval.max(self.minimum).max(minimum);
        let refresher_uac = if self.supported {
            self.expires.and_then(|expires| expires.refresher_uac).unwrap_or(we_refresh != Some(true))
        } else {
            false
        };
        let interval = match self.expires {
            // Cut to ours, but never below what we take from a sender that got no 422.
            Some(expires) => expires.interval.min(ours).max(minimum),
            None => ours,
        };
        Granted { interval, refresher_uac, supported: self.supported }
    }
}

impl Granted {
    /// The headers of the 2xx.
    pub fn headers(&self) -> Vec<(Name, String)> {
        let refresher = if self.refresher_uac { "uac" } else { "uas" };
        let mut headers = vec![(Name::SessionExpires, format!("{};refresher={refresher}", self.interval))];
        if self.supported {
            headers.push((Name::Require, "timer".to_owned()));
        }
        headers
    }

    /// The timer that starts with the 2xx.
    pub fn start(&self, now: Time) -> SessionTimerFact {
        running(now, self.interval, !self.refresher_uac)
    }
}

/// The timer that a 2xx to our INVITE or UPDATE starts; `None`: no session timer (RFC 4028 7.2).
///
/// # Errors
/// [`Malformed`] if Session-Expires cannot be read.
pub(super) fn of_response(now: Time, response: &Response) -> Result<Option<SessionTimerFact>, Malformed> {
    let Some(expires) = response.session_expires()? else { return Ok(None) };
    // Without the parameter, which a 2xx must have, somebody has to refresh: we.
    Ok(Some(running(now, expires.interval, expires.refresher_uac.unwrap_or(true))))
}

/// The headers of a request that goes on with a session timer (RFC 4028 7.4).
pub(super) fn request_headers(timer: &SessionTimerFact, minimum: u32) -> Vec<(Name, String)> {
    let refresher = if timer.we_refresh { "uac" } else { "uas" };
    let interval = timer.interval.max(minimum);
    let mut headers = vec![(Name::SessionExpires, format!("{interval};refresher={refresher}"))];
    headers.extend(min_se(minimum));
    headers
}

/// `Min-SE`, where it says more than its absence (RFC 4028 5).
pub(super) fn min_se(minimum: u32) -> Option<(Name, String)> {
    if minimum > LEAST_INTERVAL { Some((Name::MinSe, minimum.to_string())) } else { None }
}

/// When the refresher refreshes: at half of the interval (RFC 4028 10).
pub(super) fn refresh_at(timer: &SessionTimerFact) -> Time {
    before(timer.expires, Duration::from_secs(timer.interval.into()) / 2)
}

/// When a session that was not refreshed is released (RFC 4028 10).
pub(super) fn release_at(timer: &SessionTimerFact) -> Time {
    before(timer.expires, LAST_CALL.min(Duration::from_secs(timer.interval.into()) / 3))
}

fn running(now: Time, interval: u32, we_refresh: bool) -> SessionTimerFact {
    SessionTimerFact { interval, we_refresh, expires: now.plus(Duration::from_secs(interval.into())) }
}

fn before(moment: Time, span: Duration) -> Time {
    Time::from_millis(moment.as_millis().saturating_sub(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(supported: bool, interval: Option<u32>, refresher_uac: Option<bool>, minimum: u32) -> Asked {
        Asked {
            supported,
            expires: interval.map(|interval| SessionExpires { interval, refresher_uac }),
            minimum,
        }
    }

    #[test]
    fn the_refresher_is_that_of_table_2() {
        for (supported, wanted, granted) in [
            (false, None, false),
            (false, Some(false), false),
            // "NA" in the table: a sender that does not know timers cannot be made to refresh.
            (false, Some(true), false),
            (true, None, true),
            (true, Some(true), true),
            (true, Some(false), false),
        ] {
            let grant = asked(supported, Some(600), wanted, 90).grant(1800, 90, None);
            assert_eq!(grant.refresher_uac, granted, "{supported} {wanted:?}");
        }
    }

    #[test]
    fn a_choice_left_to_us_keeps_the_refresher_of_the_session() {
        assert!(!asked(true, Some(600), None, 90).grant(1800, 90, Some(true)).refresher_uac);
        assert!(asked(true, Some(600), None, 90).grant(1800, 90, Some(false)).refresher_uac);
    }

    #[test]
    fn an_interval_is_cut_to_ours_but_not_below_min_se() {
        assert_eq!(asked(true, Some(600), None, 90).grant(1800, 90, None).interval, 600);
        assert_eq!(asked(true, Some(7200), None, 90).grant(1800, 90, None).interval, 1800);
        assert_eq!(asked(true, Some(7200), None, 3600).grant(1800, 90, None).interval, 3600);
        assert_eq!(asked(true, Some(u32::MAX), None, u32::MAX).grant(1800, 90, None).interval, u32::MAX);
        assert_eq!(asked(false, None, None, 90).grant(1800, 90, None).interval, 1800);
    }

    #[test]
    fn an_interval_below_the_minimum_is_refused_only_to_who_understands() {
        assert!(asked(true, Some(89), None, 90).too_small(90));
        assert!(!asked(true, Some(90), None, 90).too_small(90));
        assert!(!asked(true, None, None, 90).too_small(90));
        assert!(!asked(false, Some(10), None, 90).too_small(90));
        assert_eq!(asked(false, Some(10), None, 90).grant(1800, 90, None).interval, 90);
    }

    #[test]
    fn only_who_knows_timers_is_required_to_keep_them() {
        let value = |granted: Granted| granted.headers();
        assert_eq!(
            value(Granted { interval: 600, refresher_uac: true, supported: true }),
            [(Name::SessionExpires, "600;refresher=uac".to_owned()), (Name::Require, "timer".to_owned())]
        );
        assert_eq!(
            value(Granted { interval: 600, refresher_uac: false, supported: false }),
            [(Name::SessionExpires, "600;refresher=uas".to_owned())]
        );
    }

    #[test]
    fn a_session_is_refreshed_at_half_and_released_before_its_end() {
        let second = |s: u64| Time::from_millis(s * 1000);
        let timer = running(second(1000), 1800, true);
        assert_eq!((refresh_at(&timer), release_at(&timer)), (second(1900), second(2768)));
        let short = running(second(1000), 90, true);
        assert_eq!((refresh_at(&short), release_at(&short)), (second(1045), second(1060)));
        let endless = running(second(1000), u32::MAX, true);
        assert_eq!(endless.expires, second(1000 + u64::from(u32::MAX)));
    }
}
