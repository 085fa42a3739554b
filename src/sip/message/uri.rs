//! URIs (RFC 3261 19.1, RFC 3966).

use super::Malformed;
use super::grammar::{MOST_PARAMETERS, Parsed, escapes_are_whole, fail, host, ip, port};
use crate::sip::wire::octet::{is_password, is_unreserved, is_uri_headers, is_uri_parameter, is_user};
use nom::bytes::complete::{take_while, take_while1};
use nom::character::complete::char;
use nom::combinator::{opt, recognize};
use nom::multi::fold_many_m_n;
use nom::sequence::{preceded, terminated};
use nom::{Offset, Parser};
use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

/// A `sip:`, `sips:` or `tel:` URI, or one of another scheme kept as it is.
#[derive(Clone, Debug)]
pub struct Uri {
    text: String,
    scheme: Cow<'static, str>,
    kind: Kind,
    user: Option<Span>,
    password: Option<Span>,
    host: Span,
    port: Option<u16>,
    params: Span,
    headers: Span,
}

/// Offsets into the text, from inclusive, to exclusive.
type Span = (u32, u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Sip,
    Tel,
    Other,
}

/// A URI taken apart without copying.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts<'a> {
    scheme: &'a [u8],
    kind: Kind,
    user: Option<&'a [u8]>,
    password: Option<&'a [u8]>,
    host: &'a [u8],
    port: Option<u16>,
    params: &'a [u8],
    headers: &'a [u8],
}

impl<'a> Parts<'a> {
    /// Reads all of `text` as one URI.
    pub(super) fn read(text: &'a [u8]) -> Result<Self, Malformed> {
        let (rest, scheme) = terminated(take_while1(is_scheme), char(':'))
            .parse(text)
            .map_err(|_: nom::Err<()>| BAD_SCHEME)?;
        if !scheme.first().is_some_and(u8::is_ascii_alphabetic) || u32::try_from(text.len()).is_err() {
            return Err(BAD_SCHEME);
        }
        let mut parts = Parts {
            scheme,
            kind: Kind::Other,
            user: None,
            password: None,
            host: &[],
            port: None,
            params: &[],
            headers: &[],
        };
        if scheme.eq_ignore_ascii_case(b"sip") || scheme.eq_ignore_ascii_case(b"sips") {
            parts.kind = Kind::Sip;
            parts.sip(rest)?;
        } else if scheme.eq_ignore_ascii_case(b"tel") {
            parts.kind = Kind::Tel;
            parts.tel(rest)?;
        } else if rest.is_empty()
            || !rest.iter().all(|o| (0x21..0x7f).contains(o) && !matches!(o, b'<' | b'>' | b'"'))
        {
            return Err(Malformed { place: "URI holds characters that no URI may hold" });
        }
        Ok(parts)
    }

    /// RFC 3261 25.1 `SIP-URI` after the scheme.
    fn sip(&mut self, text: &'a [u8]) -> Result<(), Malformed> {
        let mut rest = text;
        if let Ok((after, (user, password))) = user_info(text) {
            if !escapes_are_whole(user) || !password.is_none_or(escapes_are_whole) {
                return Err(Malformed { place: "URI user has a broken escape" });
            }
            (self.user, self.password, rest) = (Some(user), password, after);
        }
        let (rest, host) = host(rest).map_err(|_| Malformed { place: "URI host" })?;
        let (rest, port) = opt(preceded(char(':'), port)).parse(rest).map_err(|_| BAD_PORT)?;
        let (rest, params) = parameters(rest).map_err(|_| BAD_PARAMETER)?;
        let (rest, headers) = opt(preceded(char('?'), take_while1(is_uri_headers)))
            .parse(rest)
            .map_err(|_: nom::Err<()>| BAD_HEADERS)?;
        let headers = headers.unwrap_or_default();
        match rest.first() {
            None => {}
            Some(b':') => return Err(BAD_PORT),
            Some(b'?') => return Err(BAD_HEADERS),
            Some(b';') => return Err(BAD_PARAMETER),
            Some(_) => return Err(Malformed { place: "URI host" }),
        }
        if !escapes_are_whole(params) {
            return Err(BAD_PARAMETER);
        }
        if !escapes_are_whole(headers) {
            return Err(BAD_HEADERS);
        }
        (self.host, self.port, self.params, self.headers) = (host, port, params, headers);
        Ok(())
    }

    /// RFC 3966 3 after the scheme; the number stands where other URIs have the host.
    fn tel(&mut self, text: &'a [u8]) -> Result<(), Malformed> {
        let (rest, number) = telephone_number(text).map_err(|_| Malformed { place: "tel URI number" })?;
        let (rest, params) = parameters(rest).map_err(|_| BAD_PARAMETER)?;
        if !rest.is_empty() || !escapes_are_whole(params) {
            return Err(BAD_PARAMETER);
        }
        (self.host, self.params) = (number, params);
        Ok(())
    }
}

const BAD_SCHEME: Malformed = Malformed { place: "URI scheme" };
const BAD_PORT: Malformed = Malformed { place: "URI port" };
const BAD_PARAMETER: Malformed = Malformed { place: "URI parameter" };
const BAD_HEADERS: Malformed = Malformed { place: "URI headers" };

fn is_scheme(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'-' | b'.')
}

/// `user [ ":" password ] "@"`.
fn user_info(input: &[u8]) -> Parsed<'_, (&[u8], Option<&[u8]>)> {
    let password = opt(preceded(char(':'), take_while(is_password)));
    terminated((take_while1(is_user), password), char('@')).parse(input)
}

/// `*( ";" pname [ "=" pvalue ] )`, from the first semicolon to the end of the last value.
fn parameters(input: &[u8]) -> Parsed<'_, &[u8]> {
    let parameter = preceded(char(';'), take_while1(is_uri_parameter));
    recognize(fold_many_m_n(0, MOST_PARAMETERS, parameter, || (), |(), _| ())).parse(input)
}

/// Digits with visual separators, after `+` for a global number; local numbers may hold `*`, `#` and A to F.
fn telephone_number(input: &[u8]) -> Parsed<'_, &[u8]> {
    let (rest, number) = match input {
        [b'+', ..] => {
            recognize((char('+'), take_while1(|o: u8| o.is_ascii_digit() || is_visual(o)))).parse(input)
        }
        _ => take_while1(|o: u8| o.is_ascii_hexdigit() || matches!(o, b'*' | b'#') || is_visual(o))
            .parse(input),
    }?;
    if number.iter().skip(usize::from(number.starts_with(b"+"))).all(|o| is_visual(*o)) {
        return fail();
    }
    Ok((rest, number))
}

fn is_visual(octet: u8) -> bool {
    matches!(octet, b'-' | b'.' | b'(' | b')')
}

impl Uri {
    /// Reads a URI.
    ///
    /// # Errors
    /// [`Malformed`] if it breaks the grammar of its scheme.
    pub fn parse(text: &[u8]) -> Result<Self, Malformed> {
        let parts = Parts::read(text)?;
        let owned = str::from_utf8(text).map_err(|_| Malformed { place: "URI is not ASCII" })?.to_owned();
        let span = |part: &[u8]| {
            if part.is_empty() {
                return (0, 0);
            }
            let from = text.offset(part) as u32;
            (from, from + part.len() as u32)
        };
        Ok(Self {
            scheme: scheme_name(parts.scheme),
            kind: parts.kind,
            user: parts.user.map(span),
            password: parts.password.map(span),
            host: span(parts.host),
            port: parts.port,
            params: span(parts.params),
            headers: span(parts.headers),
            text: owned,
        })
    }

    /// Stands for "all contacts" (RFC 3261 10.2.2), where a URI would stand; equals no other.
    pub(super) fn star() -> Self {
        Self {
            text: "*".to_owned(),
            scheme: Cow::Borrowed(""),
            kind: Kind::Other,
            user: None,
            password: None,
            host: (0, 0),
            port: None,
            params: (0, 0),
            headers: (0, 0),
        }
    }

    /// The URI as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Scheme in lower case: `sip`, `sips`, `tel`, `urn`...
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Whether this is a `sip` or `sips` URI.
    pub fn is_sip(&self) -> bool {
        self.kind == Kind::Sip
    }

    /// User part, still escaped, without password. `None` for schemes other than sip and sips.
    pub fn user(&self) -> Option<&str> {
        self.user.map(|span| self.slice(span))
    }

    /// Password, still escaped.
    pub fn password(&self) -> Option<&str> {
        self.password.map(|span| self.slice(span))
    }

    /// Host, IPv6 with brackets; as written. Of a `tel` URI its number; empty for other schemes.
    pub fn host(&self) -> &str {
        self.slice(self.host)
    }

    /// The host as an address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        ip(self.host().as_bytes())
    }

    /// Port, if written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// A URI parameter: `Some("")` for one without value. Name case-insensitive.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.unwrap_or(""))
    }

    /// All URI parameters in order, still escaped; `None` value: no `=`.
    pub fn params(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.slice(self.params).split(';').skip(1).map(|param| match param.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (param, None),
        })
    }

    /// All headers of the URI (`?Subject=x&Priority=urgent`) in order, still escaped.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let headers = self.slice(self.headers).split('&').filter(|header| !header.is_empty());
        headers.map(|header| header.split_once('=').unwrap_or((header, "")))
    }

    /// Whether a text is a `sip:` URI that is its own [`Self::identity`], as nearly all in practice are: told at a
    /// glance, so `false` means only that the URI must be read to know.
    pub fn is_identity(text: &str) -> bool {
        let Some((user, host)) = text.strip_prefix("sip:").and_then(|rest| rest.split_once('@')) else {
            return false;
        };
        let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
        let label = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-';
        !user.is_empty()
            && user.bytes().all(plain)
            && host.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
            && host.split('.').all(|part| part.bytes().all(label) && !part.is_empty())
            && !host.split('.').any(|part| part.starts_with('-') || part.ends_with('-'))
            && host
                .rsplit('.')
                .next()
                .is_some_and(|top| top.as_bytes().first().is_some_and(u8::is_ascii_lowercase))
    }

    /// What identifies the party behind this URI: scheme, user and host in canonical form (lower-case scheme and
    /// host, needless escapes removed, no default port, no parameters, no headers, no password; a `tel:` number
    /// without visual separators, a local one with its `phone-context`). The key of users, groups and PSIs.
    pub fn identity(&self) -> String {
        if Self::is_identity(&self.text) {
            return self.text.to_string();
        }
        let mut out = String::with_capacity(self.text.len());
        out.push_str(&self.scheme);
        out.push(':');
        match self.kind {
            Kind::Sip => {
                if let Some(user) = self.user() {
                    push_canonical(&mut out, user);
                    out.push('@');
                }
                push_host(&mut out, self.host());
                let usual = if self.scheme == "sips" { 5061 } else { 5060 };
                if let Some(port) = self.port.filter(|port| *port != usual) {
                    out.push(':');
                    out.push_str(&port.to_string());
                }
            }
            Kind::Tel => {
                push_number(&mut out, self.host());
                if let Some(context) = self.param("phone-context").filter(|_| !self.host().starts_with('+')) {
                    out.push_str(";phone-context=");
                    out.push_str(&phone_context(context));
                }
            }
            Kind::Other => {
                let rest = self.text.get(self.scheme.len() + 1..).unwrap_or_default();
                // RFC 8141 3.1: the namespace identifier is case-insensitive, the rest is not.
                match rest.split_once(':').filter(|_| self.scheme == "urn") {
                    Some((namespace, rest)) => {
                        out.push_str(&namespace.to_ascii_lowercase());
                        out.push(':');
                        out.push_str(rest);
                    }
                    None => out.push_str(rest),
                }
            }
        }
        out
    }

    /// Equality of RFC 3261 19.1.4 (and RFC 3966 4 for `tel:`).
    pub fn equivalent(&self, other: &Self) -> bool {
        self.scheme == other.scheme
            && match self.kind {
                Kind::Sip => self.sip_equivalent(other),
                Kind::Tel => self.tel_equivalent(other),
                Kind::Other => self.identity() == other.identity(),
            }
    }

    fn sip_equivalent(&self, other: &Self) -> bool {
        // Parameters that must be absent from both or the same in both, even at their default.
        const TELLING: [&str; 5] = ["transport", "user", "ttl", "method", "maddr"];
        let canonical_host = |uri: &Self| {
            let mut host = String::new();
            push_host(&mut host, uri.host());
            host
        };
        self.user().map(canonical) == other.user().map(canonical)
            && self.password().map(canonical) == other.password().map(canonical)
            && self.port == other.port
            && canonical_host(self) == canonical_host(other)
            && self.params().all(|(name, _)| self.agrees_on(name, other))
            && TELLING.iter().all(|name| self.param(name).is_some() == other.param(name).is_some())
            && self.canonical_headers() == other.canonical_headers()
    }

    /// Whether the two do not have different values of a parameter.
    fn agrees_on(&self, name: &str, other: &Self) -> bool {
        match (self.param(name), other.param(name)) {
            (Some(own), Some(others)) => canonical(own).eq_ignore_ascii_case(&canonical(others)),
            _ => true,
        }
    }

    fn canonical_headers(&self) -> Vec<(String, String)> {
        let mut headers: Vec<_> = self
            .headers()
            .map(|(name, value)| (canonical(name).to_ascii_lowercase(), canonical(value)))
            .collect();
        headers.sort();
        headers
    }

    fn tel_equivalent(&self, other: &Self) -> bool {
        let number = |uri: &Self| {
            let mut number = String::new();
            push_number(&mut number, uri.host());
            number
        };
        let params = |uri: &Self| {
            let mut params: Vec<_> = uri
                .params()
                .map(|(name, value)| {
                    let (name, value) = (name.to_ascii_lowercase(), value.unwrap_or(""));
                    let value = match name.as_str() {
                        "ext" => value.chars().filter(|c| !is_visual(*c as u8)).collect(),
                        "phone-context" => phone_context(value),
                        _ => canonical(value).to_ascii_lowercase(),
                    };
                    (name, value)
                })
                .collect();
            params.sort();
            params
        };
        number(self) == number(other) && params(self) == params(other)
    }

    fn slice(&self, span: Span) -> &str {
        self.text.get(span.0 as usize..span.1 as usize).unwrap_or_default()
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Scheme names in use are not copied.
fn scheme_name(written: &[u8]) -> Cow<'static, str> {
    const KNOWN: [&str; 6] = ["sip", "tel", "sips", "urn", "http", "https"];
    match KNOWN.iter().find(|known| written.eq_ignore_ascii_case(known.as_bytes())) {
        Some(known) => Cow::Borrowed(known),
        None => Cow::Owned(String::from_utf8_lossy(written).to_ascii_lowercase()),
    }
}

fn canonical(escaped: &str) -> String {
    let mut out = String::with_capacity(escaped.len());
    push_canonical(&mut out, escaped);
    out
}

/// Escapes of unreserved characters resolved, all others with upper-case digits (RFC 3261 19.1.4).
fn push_canonical(out: &mut String, escaped: &str) {
    let mut pieces = escaped.split('%');
    out.push_str(pieces.next().unwrap_or(""));
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2).unwrap_or((piece, ""));
        match u8::from_str_radix(digits, 16) {
            Ok(octet) if is_unreserved(octet) => out.push(char::from(octet)),
            _ => {
                out.push('%');
                out.push_str(&digits.to_ascii_uppercase());
            }
        }
        out.push_str(rest);
    }
}

/// Host in lower case, IPv6 in its shortest form, without the dot of an absolute name.
fn push_host(out: &mut String, host: &str) {
    match ip(host.as_bytes()) {
        Some(IpAddr::V6(address)) => out.push_str(&format!("[{address}]")),
        _ => out.push_str(&host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()),
    }
}

fn push_number(out: &mut String, number: &str) {
    out.extend(number.chars().filter(|c| !is_visual(*c as u8)).map(|c| c.to_ascii_lowercase()));
}

/// A `phone-context`: a global number or a domain name (RFC 3966 5.1.5).
fn phone_context(value: &str) -> String {
    let mut out = String::new();
    if value.starts_with('+') {
        push_number(&mut out, value);
    } else {
        push_host(&mut out, value);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        Uri::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    fn place(text: &str) -> &'static str {
        Uri::parse(text.as_bytes()).expect_err(text).place
    }

    #[test]
    fn the_parts_of_a_sip_uri() {
        let uri = uri(
            "SIPS:alice:secret@Atlanta.COM:5070;transport=TCP;lr;x=a%20b?subject=project%20x&priority=urgent",
        );
        assert_eq!((uri.scheme(), uri.user(), uri.password()), ("sips", Some("alice"), Some("secret")));
        assert_eq!((uri.host(), uri.port()), ("Atlanta.COM", Some(5070)));
        assert_eq!(
            (uri.param("TRANSPORT"), uri.param("lr"), uri.param("x")),
            (Some("TCP"), Some(""), Some("a%20b"))
        );
        assert_eq!(uri.param("absent"), None);
        let headers: Vec<_> = uri.headers().collect();
        assert_eq!(headers, [("subject", "project%20x"), ("priority", "urgent")]);
    }

    #[test]
    fn what_breaks_the_grammar_is_named() {
        assert_eq!(place(""), "URI scheme");
        assert_eq!(place("alice@x"), "URI scheme");
        assert_eq!(place("5ip:a@x"), "URI scheme");
        assert_eq!(place("sip:"), "URI host");
        assert_eq!(place("sip:a@"), "URI host");
        assert_eq!(place("sip:a@b@c"), "URI host");
        assert_eq!(place("sip:@b"), "URI host");
        assert_eq!(place("sip:a b@c"), "URI host");
        assert_eq!(place("sip:a@b c"), "URI host");
        assert_eq!(place("sip:a@b..c"), "URI host");
        assert_eq!(place("sip:a@[::1"), "URI host");
        assert_eq!(place("sip:a@[::g]"), "URI host");
        assert_eq!(place("sip:a@[1.2.3.4]"), "URI host");
        assert_eq!(place("sip:a%4@b"), "URI user has a broken escape");
        assert_eq!(place("sip:a:%zz@b"), "URI user has a broken escape");
        assert_eq!(place("sip:a@b:"), "URI port");
        assert_eq!(place("sip:a@b:65536"), "URI port");
        assert_eq!(place("sip:a@b:5060x"), "URI host");
        assert_eq!(place("sip:a@b;"), "URI parameter");
        assert_eq!(place("sip:a@b;;lr"), "URI parameter");
        assert_eq!(place("sip:a@b;x=%4"), "URI parameter");
        assert_eq!(place("sip:a@b?"), "URI headers");
        assert_eq!(place("sip:a@b?x=%"), "URI headers");
        assert_eq!(place("tel:"), "tel URI number");
        assert_eq!(place("tel:+"), "tel URI number");
        assert_eq!(place("tel:-.-"), "tel URI number");
        assert_eq!(place("tel:+1;"), "URI parameter");
        assert_eq!(place("tel:+1 2"), "URI parameter");
        assert_eq!(place("urn:"), "URI holds characters that no URI may hold");
        assert_eq!(place("urn:a b"), "URI holds characters that no URI may hold");
        assert_eq!(place("http://<x>"), "URI holds characters that no URI may hold");
        assert_eq!(Uri::parse(b"sip:\xffa@b").expect_err("not ASCII").place, "URI host");
    }

    #[test]
    fn a_uri_takes_as_many_parameters_as_the_limit_and_no_more() {
        let with = |count: usize| format!("sip:a@b{}", ";x=y".repeat(count));
        assert!(Uri::parse(with(MOST_PARAMETERS).as_bytes()).is_ok());
        assert_eq!(place(&with(MOST_PARAMETERS + 1)), "URI parameter");
    }

    /// The examples of RFC 3261 19.1.4.
    #[test]
    fn equivalent_uris_of_rfc_3261() {
        let equal = [
            ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
            ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
            (
                "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            ),
            (
                "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            ),
        ];
        for (one, other) in equal {
            assert!(uri(one).equivalent(&uri(other)) && uri(other).equivalent(&uri(one)), "{one} {other}");
        }
    }

    /// The examples of RFC 3261 19.1.4.
    #[test]
    fn different_uris_of_rfc_3261() {
        let different = [
            ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
            ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
            ("sip:bob@biloxi.com", "sips:bob@biloxi.com"),
            ("sip:bob@biloxi.com", "sip:biloxi.com"),
            ("sip:bob:x@biloxi.com", "sip:bob@biloxi.com"),
            ("sip:a@b;maddr=192.0.2.1", "sip:a@b"),
            ("sip:a@b;user=phone", "sip:a@b"),
            ("sip:a@b;ttl=1", "sip:a@b"),
            ("sip:a%3Bb@c", "sip:a;b@c"),
        ];
        for (one, other) in different {
            assert!(!uri(one).equivalent(&uri(other)) && !uri(other).equivalent(&uri(one)), "{one} {other}");
        }
    }

    #[test]
    fn telephone_numbers_compare_without_separators() {
        for (one, other, same) in [
            ("tel:+1-555-0100", "TEL:+1(555)0100", true),
            ("tel:+1-555-0100", "tel:15550100", false),
            ("tel:7042;phone-context=Example.COM", "tel:70-42;PHONE-context=example.com", true),
            ("tel:7042;phone-context=+1-55", "tel:7042;phone-context=+155", true),
            ("tel:7042;phone-context=+155", "tel:7042;phone-context=+166", false),
            ("tel:+15550100;ext=1-2", "tel:+15550100;ext=12", true),
            ("tel:+15550100;a=1;b=2", "tel:+15550100;B=2;A=1", true),
            ("tel:+15550100;x=1", "tel:+15550100", false),
        ] {
            assert_eq!(uri(one).equivalent(&uri(other)), same, "{one} {other}");
            assert_eq!(uri(other).equivalent(&uri(one)), same, "{other} {one}");
        }
    }

    #[test]
    fn what_looks_like_an_identity_at_a_glance_is_one() {
        for text in ["sip:fire@one.example", "sip:user7@a-b.one.example", "sip:Tom_1.x@host"] {
            assert!(Uri::is_identity(text), "{text}");
            let read = Uri::parse(text.as_bytes()).expect("a URI");
            assert_eq!(read.identity(), text);
        }
        for text in [
            "SIP:fire@one.example",
            "sip:fire@One.example",
            "sip:fire@one.example;x",
            "sip:fire@one.example:5060",
            "sip:a%62@one.example",
            "sip:one.example",
            "sip:@one.example",
            "sip:fire@192.0.2.1",
            "sip:fire@-a.example",
            "tel:+1",
        ] {
            assert!(!Uri::is_identity(text), "{text}");
        }
    }

    #[test]
    fn identity_is_one_for_all_spellings() {
        for (written, identity) in [
            ("sip:alice@one.example", "sip:alice@one.example"),
            ("SIP:%61l%69ce:pw@One.Example.:5060;user=phone;gr?x=y", "sip:alice@one.example"),
            ("sip:a%2fb%3A@x:5061", "sip:a%2Fb%3A@x:5061"),
            ("sips:a@x:5061", "sips:a@x"),
            ("sips:a@x:5060", "sips:a@x:5060"),
            ("sip:one.example;lr", "sip:one.example"),
            ("sip:a@[2001:DB8:0:0::1]", "sip:a@[2001:db8::1]"),
            ("tel:+1-(555).0100;ext=3", "tel:+15550100"),
            ("tel:70-4B;phone-context=Example.com", "tel:704b;phone-context=example.com"),
            ("tel:112", "tel:112"),
            ("URN:Service:sos.Police", "urn:service:sos.Police"),
            ("im:Bob@x", "im:Bob@x"),
        ] {
            assert_eq!(uri(written).identity(), identity, "{written}");
        }
    }
}
