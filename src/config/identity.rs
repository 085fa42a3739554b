//! Identities as a configuration may write them, and ranges of them.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// What is expected where an identity stands.
pub(super) const IDENTITY: &str = "a URI such as \"sip:alice@one.example\"";

/// Marks that mean the same with and without an escape (RFC 3261 25.1 `unreserved`, 19.1.4).
const UNRESERVED: &[u8] = b"-_.!~*'()";
/// More marks that a user part may hold as they are (RFC 3261 25.1 `user-unreserved`).
const USER: &[u8] = b"&=+$,;?/";

/// Reads a `sip:`, `sips:` or `tel:` URI and makes it canonical: scheme and host in lower case, no needless escapes,
/// no default port, no visual separators. Parameters, headers and a password are no part of an identity.
pub(super) fn identity(text: &str) -> Result<String, String> {
    let (scheme, rest) = text.split_once(':').ok_or(IDENTITY)?;
    let scheme = scheme.to_ascii_lowercase();
    match scheme.as_str() {
        "sip" | "sips" => {
            let (user, place) = match rest.rsplit_once('@') {
                Some((user, place)) => (Some(user_part(user)?), place),
                None => (None, rest),
            };
            let place = place_part(place, if scheme == "sips" { 5061 } else { 5060 })?;
            Ok(match user {
                Some(user) => format!("{scheme}:{user}@{place}"),
                None => format!("{scheme}:{place}"),
            })
        }
        "tel" => {
            let number: String = rest.chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')')).collect();
            let digits = number.strip_prefix('+').unwrap_or_default();
            if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return Err("a global number such as \"tel:+15550001\"".to_owned());
            }
            Ok(format!("tel:{number}"))
        }
        _ => Err(IDENTITY.to_owned()),
    }
}

fn user_part(text: &str) -> Result<String, String> {
    let wrong = || "a URI whose user part is plain, such as \"sip:alice@one.example\"".to_owned();
    let mut user = String::with_capacity(text.len());
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        match octet {
            b'%' => {
                let mut digit = || char::from(octets.next()?).to_digit(16);
                let (Some(high), Some(low)) = (digit(), digit()) else { return Err(wrong()) };
                match u8::try_from(high * 16 + low) {
                    Ok(plain) if is_unreserved(plain) => user.push(char::from(plain)),
                    Ok(escaped) => write!(user, "%{escaped:02X}").map_err(|_| wrong())?,
                    Err(_) => return Err(wrong()),
                }
            }
            plain if is_unreserved(plain) || USER.contains(&plain) => user.push(char::from(plain)),
            _ => return Err(wrong()),
        }
    }
    if user.is_empty() { Err(wrong()) } else { Ok(user) }
}

fn is_unreserved(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || UNRESERVED.contains(&octet)
}

fn place_part(text: &str, usual: u16) -> Result<String, String> {
    if text.contains([';', '?']) {
        return Err("a URI without parameters and headers".to_owned());
    }
    let end_of_host = text.rfind(']').map_or(0, |at| at + 1);
    let tail = text.get(end_of_host..).unwrap_or_default();
    match tail.split_once(':') {
        None => host(text),
        Some((_, port)) => {
            let host = host(text.get(..text.len() - port.len() - 1).unwrap_or_default())?;
            match port.parse::<u16>() {
                Ok(port) if port == usual => Ok(host),
                Ok(port) if port != 0 => Ok(format!("{host}:{port}")),
                _ => Err("a port from 1 to 65535".to_owned()),
            }
        }
    }
}

/// Reads a host name, an IPv4 address or an IPv6 address in brackets; in lower case.
pub(super) fn host(text: &str) -> Result<String, String> {
    if let Some(inner) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        let address: Ipv6Addr = inner.parse().map_err(|_| "an IPv6 address in brackets".to_owned())?;
        return Ok(format!("[{address}]"));
    }
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let numeric = text.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    let good = text.len() <= 253
        && text.split('.').all(label)
        && (!numeric || matches!(text.parse(), Ok(IpAddr::V4(_))));
    if good { Ok(text.to_ascii_lowercase()) } else { Err("a host name such as \"one.example\"".to_owned()) }
}

/// A text with a number in it, such as `sip:user{n}@one.example`; `{n:4}` pads with zeros to four digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    before: String,
    after: String,
    width: usize,
}

impl Pattern {
    /// Reads a pattern: exactly one `{n}` or `{n:WIDTH}` with a width from 1 to 20.
    pub fn read(text: &str) -> Option<Self> {
        let (before, rest) = text.split_once("{n")?;
        let (width, after) = rest.split_once('}')?;
        if before.contains(['{', '}']) || after.contains(['{', '}']) {
            return None;
        }
        let width = match width.strip_prefix(':') {
            Some(width) => width.parse().ok().filter(|width| (1..=20).contains(width))?,
            None if width.is_empty() => 1,
            None => return None,
        };
        Some(Self { before: before.to_owned(), after: after.to_owned(), width })
    }

    /// Reads a pattern of identities.
    pub fn identity(text: &str) -> Result<Self, String> {
        let expected =
            || "a URI with the number in its user part, such as \"sip:user{n}@one.example\"".to_owned();
        let pattern = Self::read(text).ok_or_else(expected)?;
        // What is canonical with one number is canonical with every number.
        let sample = identity(&pattern.text(0))?;
        let (before, after) = (pattern.before.len(), pattern.after.len());
        let canonical = Self {
            before: sample.get(..before).ok_or_else(expected)?.to_owned(),
            after: sample.get(before + pattern.width..).ok_or_else(expected)?.to_owned(),
            width: pattern.width,
        };
        let domain = canonical.after.split_once('@').is_some() || canonical.before.starts_with("tel:");
        if domain && canonical.after.len() == after && canonical.text(0) == sample {
            Ok(canonical)
        } else {
            Err(expected())
        }
    }

    /// The text for one number.
    pub fn text(&self, n: u64) -> String {
        let mut text = String::new();
        self.write(n, &mut text);
        text
    }

    fn write(&self, n: u64, text: &mut String) {
        use std::fmt::Write;
        let Self { before, after, width } = self;
        // Writing to a String does not fail.
        let _ = write!(text, "{before}{n:0width$}{after}");
    }

    fn number(&self, text: &str) -> Option<u64> {
        let digits = text.strip_prefix(self.before.as_str())?.strip_suffix(self.after.as_str())?;
        let as_written =
            digits.len() == self.width || (digits.len() > self.width && !digits.starts_with('0'));
        if !as_written || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
            return None;
        }
        digits.parse().ok()
    }
}

/// All texts of a pattern for the numbers of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PatternRange {
    pub pattern: Pattern,
    pub numbers: RangeInclusive<u64>,
}

impl PatternRange {
    /// Whether `text` is one of them.
    pub fn contains(&self, text: &str) -> bool {
        self.pattern.number(text).is_some_and(|number| self.numbers.contains(&number))
    }

    /// All of them, in order of the number.
    pub fn texts(&self) -> impl Iterator<Item = Arc<str>> + '_ {
        let mut text = String::new();
        self.numbers.clone().map(move |number| {
            text.clear();
            self.pattern.write(number, &mut text);
            text.as_str().into()
        })
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        (self.numbers.end() + 1).saturating_sub(*self.numbers.start())
    }

    /// A text that both have, if there is one.
    pub fn common(&self, other: &Self) -> Option<Arc<str>> {
        let (one, two) = (&self.pattern, &other.pattern);
        if one == two {
            let first = *self.numbers.start().max(other.numbers.start());
            let last = *self.numbers.end().min(other.numbers.end());
            return (first <= last).then(|| one.text(first).into());
        }
        let apart = |a: &str, b: &str| !a.starts_with(b) && !b.starts_with(a);
        let apart_at_end = |a: &str, b: &str| !a.ends_with(b) && !b.ends_with(a);
        if apart(&one.before, &two.before) || apart_at_end(&one.after, &two.after) {
            return None;
        }
        let (few, many) = if self.len() <= other.len() { (self, other) } else { (other, self) };
        few.texts().find(|text| many.contains(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_becomes_canonical() {
        for (written, canonical) in [
            ("sip:Alice@One.Example", "sip:Alice@one.example"),
            ("SIP:alice@one.example:5060", "sip:alice@one.example"),
            ("sip:alice@one.example:5070", "sip:alice@one.example:5070"),
            ("sip:%61li%63e%20b@one.example", "sip:alice%20b@one.example"),
            ("sip:one.example", "sip:one.example"),
            ("sip:a@[2001:DB8:0::1]:5060", "sip:a@[2001:db8::1]"),
            ("sips:a@192.0.2.1:5061", "sips:a@192.0.2.1"),
            ("tel:+1-555.00(01)", "tel:+15550001"),
        ] {
            assert_eq!(identity(written).as_deref(), Ok(canonical));
            assert_eq!(identity(canonical).as_deref(), Ok(canonical), "canonical stays canonical");
        }
    }

    #[test]
    fn what_is_no_identity_is_refused() {
        for wrong in [
            "",
            "alice",
            "alice@one.example",
            "sip:",
            "sip:@one.example",
            "sip:alice@",
            "sip:alice:secret@one.example",
            "sip:alice@one.example;transport=tcp",
            "sip:alice@one.example?subject=x",
            "sip:al ice@one.example",
            "sip:al%2@one.example",
            "sip:al%zz@one.example",
            "sip:alice@one..example",
            "sip:alice@-one.example",
            "sip:alice@one.example:0",
            "sip:alice@one.example:65536",
            "sip:alice@[::1",
            "sip:alice@256.0.0.1",
            "tel:5550001",
            "tel:+",
            "tel:+1x",
            "urn:service:sos",
            "http://one.example",
            "<sip:alice@one.example>",
            "sip:älice@one.example",
        ] {
            assert!(identity(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_pattern_has_one_number() {
        let pattern = Pattern::identity("sip:User{n}@One.Example").unwrap();
        assert_eq!(pattern.text(17), "sip:User17@one.example");
        assert_eq!(Pattern::identity("sip:u{n:4}@one.example").unwrap().text(17), "sip:u0017@one.example");
        assert_eq!(Pattern::identity("tel:+1555{n:4}").unwrap().text(17), "tel:+15550017");
        for wrong in [
            "sip:user@one.example",
            "sip:{n}{n}@one.example",
            "sip:u{n:0}@one.example",
            "sip:u{n:21}@one.example",
            "sip:u{n@one.example",
            "sip:u@one{n}.example",
            "sip:u{n:x}@one.example",
            "sip:u{n4}@one.example",
        ] {
            assert!(Pattern::identity(wrong).is_err(), "{wrong}");
        }
    }

    fn range(pattern: &str, numbers: RangeInclusive<u64>) -> PatternRange {
        PatternRange { pattern: Pattern::read(pattern).unwrap(), numbers }
    }

    #[test]
    fn a_range_contains_what_it_lists_and_nothing_else() {
        let users = range("u{n}@x", 9..=11);
        assert_eq!(
            users.texts().map(|text| text.to_string()).collect::<Vec<_>>(),
            ["u9@x", "u10@x", "u11@x"]
        );
        assert_eq!(users.len(), 3);
        for text in ["u9@x", "u10@x", "u11@x"] {
            assert!(users.contains(text));
        }
        for text in ["u8@x", "u12@x", "u010@x", "u+10@x", "u@x", "u10@y", "v10@x", "u99999999999999999999@x"]
        {
            assert!(!users.contains(text), "{text}");
        }
        assert!(range("u{n:3}@x", 9..=11).contains("u010@x"));
        assert!(!range("u{n:3}@x", 9..=11).contains("u10@x"));
    }

    #[test]
    fn ranges_that_overlap_name_a_common_text() {
        let common = |a: &PatternRange, b: &PatternRange| {
            let found = a.common(b).map(|text| text.to_string());
            assert_eq!(found.is_some(), b.common(a).is_some());
            found
        };
        let users = range("u{n}@x", 0..=199);
        assert_eq!(common(&users, &range("u{n}@x", 199..=300)).as_deref(), Some("u199@x"));
        assert_eq!(common(&users, &range("u{n}@x", 200..=300)), None);
        assert_eq!(common(&users, &range("u1{n}@x", 0..=9)).as_deref(), Some("u10@x"));
        assert_eq!(common(&users, &range("u{n:2}@x", 5..=10)).as_deref(), Some("u10@x"));
        assert_eq!(common(&users, &range("u{n:2}@x", 5..=9)), None);
        assert_eq!(common(&users, &range("u{n}@y", 0..=199)), None);
    }
}
