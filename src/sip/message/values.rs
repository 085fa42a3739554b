//! Header values beyond addresses.

use super::Malformed;
use super::grammar::{Parsed, Value, elements, end, number, parameters, quoted, space, unquoted, word};
use crate::sip::wire::Name;
use nom::Parser;
use nom::bytes::complete::{take_while_m_n, take_while1};
use std::fmt;

pub use super::digest::Digest;
pub use super::grammar::quote;
pub use super::refused::{MOST_REFUSED, RefusedUri};
pub use super::via::Via;

/// `Event` or one of `Allow-Events` (RFC 6665 8.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Package, as written.
    pub package: String,
    /// `id` parameter.
    pub id: Option<String>,
}

impl Event {
    /// Reads a value.
    ///
    /// # Errors
    /// [`Malformed`] if it breaks the grammar.
    pub fn parse(value: &[u8]) -> Result<Self, Malformed> {
        let mut event = Self { package: String::new(), id: None };
        let (_, (package, ())) = whole(
            value,
            (word, |rest| {
                parameters(rest, |name, value| {
                    if name.eq_ignore_ascii_case(b"id") {
                        event.id = Some(value.text().into_owned());
                    }
                    Some(())
                })
            }),
        )
        .map_err(|_| unreadable(Name::Event))?;
        event.package = package.to_owned();
        Ok(event)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.package)?;
        match &self.id {
            Some(id) => write!(f, ";id={id}"),
            None => Ok(()),
        }
    }
}

/// `Subscription-State` (RFC 6665 8.2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionState {
    /// `active`, `pending`, `terminated`, or an extension; lower case.
    pub state: String,
    /// `reason`.
    pub reason: Option<String>,
    /// `expires`, seconds.
    pub expires: Option<u32>,
    /// `retry-after`, seconds.
    pub retry_after: Option<u32>,
}

impl SubscriptionState {
    /// Reads a value.
    ///
    /// # Errors
    /// [`Malformed`] if it breaks the grammar.
    pub fn parse(value: &[u8]) -> Result<Self, Malformed> {
        let mut read = Self { state: String::new(), reason: None, expires: None, retry_after: None };
        let (_, (state, ())) = whole(
            value,
            (word, |rest| {
                parameters(rest, |name, value| {
                    if name.eq_ignore_ascii_case(b"reason") {
                        read.reason = Some(value.text().into_owned());
                    } else if name.eq_ignore_ascii_case(b"expires") {
                        read.expires = Some(seconds(value)?);
                    } else if name.eq_ignore_ascii_case(b"retry-after") {
                        read.retry_after = Some(seconds(value)?);
                    }
                    Some(())
                })
            }),
        )
        .map_err(|_| unreadable(Name::SubscriptionState))?;
        read.state = state.to_ascii_lowercase();
        Ok(read)
    }
}

impl fmt::Display for SubscriptionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.state)?;
        if let Some(reason) = &self.reason {
            write!(f, ";reason={reason}")?;
        }
        if let Some(expires) = self.expires {
            write!(f, ";expires={expires}")?;
        }
        if let Some(retry_after) = self.retry_after {
            write!(f, ";retry-after={retry_after}")?;
        }
        Ok(())
    }
}

/// `Session-Expires` (RFC 4028 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionExpires {
    /// Seconds.
    pub interval: u32,
    /// `refresher`: `Some(true)` for uac, `Some(false)` for uas.
    pub refresher_uac: Option<bool>,
}

impl SessionExpires {
    /// Reads a value.
    ///
    /// # Errors
    /// [`Malformed`] if it breaks the grammar.
    pub fn parse(value: &[u8]) -> Result<Self, Malformed> {
        let mut refresher_uac = None;
        let (_, (interval, ())) = whole(
            value,
            (number, |rest| {
                parameters(rest, |name, value| {
                    if name.eq_ignore_ascii_case(b"refresher") {
                        let role = value.plain()?;
                        refresher_uac = Some(if role.eq_ignore_ascii_case(b"uac") {
                            true
                        } else if role.eq_ignore_ascii_case(b"uas") {
                            false
                        } else {
                            return None;
                        });
                    }
                    Some(())
                })
            }),
        )
        .map_err(|_| unreadable(Name::SessionExpires))?;
        Ok(Self { interval, refresher_uac })
    }
}

impl fmt::Display for SessionExpires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.interval)?;
        match self.refresher_uac {
            Some(true) => f.write_str(";refresher=uac"),
            Some(false) => f.write_str(";refresher=uas"),
            None => Ok(()),
        }
    }
}

/// `RAck` (RFC 3262 7.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RAck {
    /// RSeq of the provisional response.
    pub rseq: u32,
    /// CSeq number of it.
    pub cseq: u32,
    /// Method of it.
    pub method: String,
}

impl RAck {
    /// Reads a value.
    ///
    /// # Errors
    /// [`Malformed`] if it breaks the grammar.
    pub fn parse(value: &[u8]) -> Result<Self, Malformed> {
        let (_, (rseq, _, cseq, _, method)) =
            whole(value, (number, gap, number, gap, word)).map_err(|_| unreadable(Name::RAck))?;
        Ok(Self { rseq, cseq, method: method.to_owned() })
    }
}

impl fmt::Display for RAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.rseq, self.cseq, self.method)
    }
}

/// One `Warning` value (RFC 3261 20.43).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Three digits; 399 for those of TS 24.379 4.4.
    pub code: u16,
    /// warn-agent.
    pub agent: String,
    /// Text without quotes.
    pub text: String,
}

impl Warning {
    /// Reads a comma list of values.
    ///
    /// # Errors
    /// [`Malformed`] if one of them breaks the grammar.
    pub fn parse_list(list: &[u8]) -> Result<Vec<Self>, Malformed> {
        elements(list).map(Self::parse).collect()
    }

    /// Reads one value.
    ///
    /// # Errors
    /// [`Malformed`] if it breaks the grammar.
    pub fn parse(value: &[u8]) -> Result<Self, Malformed> {
        let digits = take_while_m_n(3, 3, |o: u8| o.is_ascii_digit());
        // A host with port or a pseudonym; what else peers write there is only shown.
        let agent = take_while1(|o: u8| o.is_ascii_graphic() && o != b'"');
        let (_, (_, code, _, agent, _, text)) =
            whole(value, (space, digits, gap, agent, gap, quoted)).map_err(|_| unreadable(Name::Warning))?;
        let code = number(code).map_err(|_| unreadable(Name::Warning))?.1 as u16;
        let agent = String::from_utf8_lossy(agent).into_owned();
        Ok(Self { code, agent, text: unquoted(text).into_owned() })
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03} {} {}", self.code, self.agent, quote(&self.text))
    }
}

/// Whether this is a `SIP-date` (RFC 3261 20.17): `Sat, 13 Nov 2010 23:29:00 GMT` and no other zone.
pub(super) fn is_date(value: &[u8]) -> bool {
    const DAYS: [&[u8]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];
    const MONTHS: [&[u8]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    let among = |from: usize, names: &[&[u8]]| {
        let word = value.get(from..from + 3).unwrap_or_default();
        names.iter().any(|name| name.eq_ignore_ascii_case(word))
    };
    // 9 stands for any digit, what stands for a letter was looked at above.
    const SHAPE: &[u8] = b"aaa, 99 aaa 9999 99:99:99 GMT";
    let fits = |(octet, shape): (&u8, &u8)| match shape {
        b'9' => octet.is_ascii_digit(),
        b'a' => octet.is_ascii_alphabetic(),
        _ => octet.eq_ignore_ascii_case(shape),
    };
    value.len() == SHAPE.len() && value.iter().zip(SHAPE).all(fits) && among(0, &DAYS) && among(8, &MONTHS)
}

/// A whole value: nothing but white space may follow.
fn whole<'a, T>(value: &'a [u8], mut parser: impl Parser<&'a [u8], Output = T, Error = ()>) -> Parsed<'a, T> {
    let (rest, read) = parser.parse(value)?;
    let (rest, ()) = end(rest)?;
    Ok((rest, read))
}

/// White space that must be there.
fn gap(input: &[u8]) -> Parsed<'_, &[u8]> {
    take_while1(crate::sip::wire::octet::is_space).parse(input)
}

/// delta-seconds of a parameter.
fn seconds(value: Value<'_>) -> Option<u32> {
    let (rest, seconds) = number(value.plain()?).ok()?;
    rest.is_empty().then_some(seconds)
}

fn unreadable(name: Name) -> Malformed {
    Malformed { place: name.unreadable() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_have_a_package_and_may_have_an_id() {
        let event = Event::parse(b"conference ; x ; ID = 7").expect("an event");
        assert_eq!(event, Event { package: "conference".into(), id: Some("7".into()) });
        assert_eq!(event.to_string(), "conference;id=7");
        assert_eq!(Event::parse(b"poc-settings.winfo").expect("an event").to_string(), "poc-settings.winfo");
        for broken in ["", ";id=1", "a b", "a;", "a,b"] {
            assert_eq!(Event::parse(broken.as_bytes()).expect_err(broken).place, "Event cannot be read");
        }
    }

    #[test]
    fn subscription_states_are_read_and_written() {
        let text = "terminated;reason=timeout;expires=0;retry-after=5";
        let state = SubscriptionState::parse(b"Terminated ;reason=timeout; expires=0;retry-after=5;x")
            .expect("a state");
        assert_eq!(state.to_string(), text);
        assert_eq!(SubscriptionState::parse(text.as_bytes()), Ok(state));
        for broken in ["", "active;expires=x", "active;expires=1x", "active;expires", "active,pending"] {
            let refused = SubscriptionState::parse(broken.as_bytes()).expect_err(broken);
            assert_eq!(refused.place, "Subscription-State cannot be read");
        }
    }

    #[test]
    fn session_intervals_may_name_the_refresher() {
        for (text, interval, refresher_uac) in [
            ("1800", 1800, None),
            ("90;refresher=uac", 90, Some(true)),
            ("90;refresher=uas", 90, Some(false)),
        ] {
            let expires = SessionExpires { interval, refresher_uac };
            assert_eq!(SessionExpires::parse(text.as_bytes()), Ok(expires));
            assert_eq!(expires.to_string(), text);
        }
        assert_eq!(SessionExpires::parse(b"99999999999").map(|expires| expires.interval), Ok(u32::MAX));
        for broken in ["", "x", "-1", "90;refresher=me", "90;refresher", "90 s"] {
            assert!(SessionExpires::parse(broken.as_bytes()).is_err(), "{broken}");
        }
    }

    #[test]
    fn racks_are_two_numbers_and_a_method() {
        let rack = RAck::parse(b"776656 \t1 INVITE ").expect("a RAck");
        assert_eq!(rack, RAck { rseq: 776_656, cseq: 1, method: "INVITE".into() });
        assert_eq!(rack.to_string(), "776656 1 INVITE");
        for broken in ["", "1 INVITE", "1 2", "1 2 INVITE x", "1  INVITE", "12INVITE"] {
            assert_eq!(RAck::parse(broken.as_bytes()).expect_err(broken).place, "RAck cannot be read");
        }
    }

    #[test]
    fn warnings_stand_in_lists_and_their_text_may_hold_commas() {
        let line = b"399 one.example:5060 \"148 group, \\\"regrouped\\\"\" , 307 [::1] \"\"";
        let list = Warning::parse_list(line).expect("two");
        assert_eq!(list[0].text, "148 group, \"regrouped\"");
        assert_eq!((list[0].code, list[0].agent.as_str()), (399, "one.example:5060"));
        assert_eq!(list[1], Warning { code: 307, agent: "[::1]".into(), text: String::new() });
        assert_eq!(list[0].to_string().as_bytes(), &line[..47]);
        for broken in ["", "39 a \"\"", "3999 a \"\"", "399 a", "399 a text", "399 a \"x", "399 a \"x\","] {
            assert!(Warning::parse_list(broken.as_bytes()).is_err(), "{broken}");
        }
    }

    #[test]
    fn dates_are_in_gmt_and_of_fixed_shape() {
        assert!(is_date(b"Sat, 13 Nov 2010 23:29:00 GMT"));
        for broken in [
            "Fri, 01 Jan 2010 16:00:00 EST",
            "Xyz, 13 Nov 2010 23:29:00 GMT",
            "Sat, 13 Xyz 2010 23:29:00 GMT",
            "Sat, 1 Nov 2010 23:29:00 GMT",
            "Saturday, 13-Nov-10 23:29:00 GMT",
            "",
        ] {
            assert!(!is_date(broken.as_bytes()), "{broken}");
        }
    }

    #[test]
    fn quoting_and_reading_give_the_text_back() {
        for text in ["", "a", "a \"b\" \\ c", "ä,;<>"] {
            let quoted_text = quote(text);
            let (rest, inside) = quoted(quoted_text.as_bytes()).expect("quoted");
            assert_eq!((rest, &*unquoted(inside)), (&b""[..], text));
        }
        assert_eq!(quote("a\r\nVia: x"), "\"a  Via: x\"");
    }
}
