//! The pieces that header values are made of (RFC 3261 25.1), as nom parsers on octets. They read values as they
//! stand in the message: white space may hold folds. A parser gives back slices of what it read, never copies.

use crate::sip::wire::octet::{is_host, is_space, is_token, is_value};
use memchr::memchr2;
use nom::bytes::complete::{take_while, take_while_m_n, take_while1};
use nom::character::complete::char;
use nom::combinator::{opt, recognize};
use nom::sequence::{delimited, preceded};
use nom::{IResult, Parser};
use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What was read, or nothing: the caller knows which header it reads and says so.
pub(super) type Parsed<'a, T> = IResult<&'a [u8], T, ()>;

/// A parser that fails.
pub(super) fn fail<T>() -> Parsed<'static, T> {
    Err(nom::Err::Error(()))
}

/// `SWS`: white space that may be missing.
pub(super) fn space(input: &[u8]) -> Parsed<'_, &[u8]> {
    take_while(is_space).parse(input)
}

/// A separator with white space around it: `COMMA`, `SEMI`, `SLASH`, `COLON`, `EQUAL`.
pub(super) fn separator<'a>(sign: char) -> impl Parser<&'a [u8], Output = char, Error = ()> {
    delimited(space, char(sign), space)
}

/// `token`.
pub(super) fn token(input: &[u8]) -> Parsed<'_, &[u8]> {
    take_while1(is_token).parse(input)
}

/// A token as text.
pub(super) fn word(input: &[u8]) -> Parsed<'_, &str> {
    let (rest, octets) = token(input)?;
    Ok((rest, str::from_utf8(octets).map_err(|_| nom::Err::Error(()))?))
}

/// A number of any size; beyond the type it stays at the largest value.
pub(super) fn number(input: &[u8]) -> Parsed<'_, u32> {
    let (rest, digits) = take_while1(|o: u8| o.is_ascii_digit()).parse(input)?;
    let add = |sum: u32, octet: &u8| sum.saturating_mul(10).saturating_add(u32::from(octet - b'0'));
    Ok((rest, digits.iter().fold(0, add)))
}

/// A port number.
pub(super) fn port(input: &[u8]) -> Parsed<'_, u16> {
    let (rest, number) = number(input)?;
    u16::try_from(number).map(|port| (rest, port)).map_err(|_| nom::Err::Error(()))
}

/// What stands between the quotes of a quoted string, escapes and folds untouched.
pub(super) fn quoted(input: &[u8]) -> Parsed<'_, &[u8]> {
    let (text, _) = char('"').parse(input)?;
    let mut at = 0;
    loop {
        let Some(found) = text.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) else { return fail() };
        at += found;
        match text.get(at..) {
            Some([b'"', rest @ ..]) => return Ok((rest, text.get(..at).unwrap_or_default())),
            // The octet after a backslash is plain, whatever it is, but for CR and LF.
            Some([b'\\', escaped, ..]) if !matches!(escaped, b'\r' | b'\n') => at += 2,
            _ => return fail(),
        }
    }
}

/// The text of a quoted string: escapes resolved, a fold becomes one space, octets that are not UTF-8 replaced.
pub(super) fn unquoted(inside: &[u8]) -> Cow<'_, str> {
    if memchr2(b'\\', b'\r', inside).is_none() {
        return String::from_utf8_lossy(inside);
    }
    let mut out = Vec::with_capacity(inside.len());
    let mut rest = inside;
    while let [octet, tail @ ..] = rest {
        rest = tail;
        match (octet, tail) {
            (b'\\', [escaped, tail @ ..]) => {
                out.push(*escaped);
                rest = tail;
            }
            (b'\r', [b'\n', ..]) => {
                out.push(b' ');
                while let [o, tail @ ..] = rest
                    && is_space(*o)
                {
                    rest = tail;
                }
            }
            _ => out.push(*octet),
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

/// Writes text as a quoted string (RFC 3261 25.1).
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            '\r' | '\n' => out.push(' '),
            _ => out.push(letter),
        }
    }
    out.push('"');
    out
}

/// `host`: a name or an IPv4 address as it stands, or an IPv6 address in brackets.
pub(super) fn host(input: &[u8]) -> Parsed<'_, &[u8]> {
    if input.first() == Some(&b'[') {
        return recognize(bracketed).parse(input);
    }
    let (rest, name) = take_while1(is_host).parse(input)?;
    // No label may be empty but that of the root at the end.
    if name.starts_with(b".") || name.windows(2).any(|pair| pair == b"..") {
        fail()
    } else {
        Ok((rest, name))
    }
}

/// The IPv6 address within `[` and `]`.
pub(super) fn bracketed(input: &[u8]) -> Parsed<'_, Ipv6Addr> {
    // 45 letters are the longest way to write one.
    let address = take_while_m_n(2, 45, |o: u8| o.is_ascii_hexdigit() || matches!(o, b':' | b'.'));
    let (rest, text) = delimited(char('['), address, char(']')).parse(input)?;
    let address = str::from_utf8(text).ok().and_then(ipv6).ok_or(nom::Err::Error(()))?;
    Ok((rest, address))
}

/// An IPv6 address without brackets. The grammar of RFC 3261 has a mistake that puts a third colon before an IPv4
/// address at the end; what was written by it means the same as with two (RFC 5118 4.10).
fn ipv6(text: &str) -> Option<Ipv6Addr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let (head, tail) = text.split_once(":::")?;
    tail.parse::<Ipv4Addr>().ok()?;
    format!("{head}::{tail}").parse().ok()
}

/// `host [ COLON port ]`.
pub(super) fn host_port(input: &[u8]) -> Parsed<'_, (&[u8], Option<u16>)> {
    (host, opt(preceded(separator(':'), port))).parse(input)
}

/// An IP address, IPv6 with or without brackets.
pub(super) fn ip(text: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(text).ok()?;
    match text.strip_prefix('[') {
        Some(rest) => ipv6(rest.strip_suffix(']')?).map(IpAddr::V6),
        None => text.parse().ok().map(IpAddr::V4).or_else(|| ipv6(text).map(IpAddr::V6)),
    }
}

/// The value of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// No `=`.
    Missing,
    /// As written.
    Plain(&'a [u8]),
    /// What stood between the quotes.
    Quoted(&'a [u8]),
}

impl<'a> Value<'a> {
    /// Whether there is an `=`.
    pub(super) fn written(self) -> bool {
        self != Self::Missing
    }

    /// The value without quotes; empty if missing.
    pub(super) fn text(self) -> Cow<'a, str> {
        match self {
            Self::Missing => Cow::Borrowed(""),
            Self::Plain(text) => String::from_utf8_lossy(text),
            Self::Quoted(text) => unquoted(text),
        }
    }

    /// The value if it was written without quotes.
    pub(super) fn plain(self) -> Option<&'a [u8]> {
        if let Self::Plain(text) = self { Some(text) } else { None }
    }
}

/// `generic-param`.
pub(super) fn parameter(input: &[u8]) -> Parsed<'_, (&[u8], Value<'_>)> {
    let (rest, name) = token(input)?;
    let Ok((rest, _)) = separator('=').parse(rest) else { return Ok((rest, (name, Value::Missing))) };
    if rest.first() == Some(&b'"') {
        let (rest, inside) = quoted(rest)?;
        return Ok((rest, (name, Value::Quoted(inside))));
    }
    let (rest, value) = take_while1(is_value).parse(rest)?;
    Ok((rest, (name, Value::Plain(value))))
}

/// Parameters of one value or URI, and of one Digest challenge; more are refused before memory goes into them.
pub const MOST_PARAMETERS: usize = 64;

/// `*( SEMI generic-param )`: calls `each` with all of them and stops before what is none.
pub(super) fn parameters<'a>(
    mut input: &'a [u8],
    mut each: impl FnMut(&'a [u8], Value<'a>) -> Option<()>,
) -> Parsed<'a, ()> {
    for _ in 0..=MOST_PARAMETERS {
        let Ok((rest, _)) = separator(';').parse(input) else { return Ok((input, ())) };
        let (rest, (name, value)) = parameter(rest)?;
        each(name, value).ok_or(nom::Err::Error(()))?;
        input = rest;
    }
    fail()
}

/// White space up to the end of the value: what every complete value ends with.
pub(super) fn end(input: &[u8]) -> Parsed<'_, ()> {
    match space(input)? {
        ([], _) => Ok((&[], ())),
        _ => fail(),
    }
}

/// The elements of a comma list; commas within quotes do not count. Not trimmed, may be empty.
pub(super) fn elements(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(list);
    std::iter::from_fn(move || {
        let list = rest?;
        let mut at = 0;
        while let Some(found) = list.get(at..).and_then(|tail| memchr2(b',', b'"', tail)) {
            at += found;
            if list.get(at) == Some(&b',') {
                rest = list.get(at + 1..);
                return list.get(..at);
            }
            // An unbalanced quote hides the rest of the line.
            at = match list.get(at..).map(quoted) {
                Some(Ok((tail, _))) => list.len() - tail.len(),
                _ => break,
            };
        }
        rest = None;
        Some(list)
    })
}

/// Whether every `%` begins an escape.
pub(super) fn escapes_are_whole(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'%', rest) {
        match rest.get(at + 1..) {
            Some([high, low, tail @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                rest = tail
            }
            _ => return false,
        }
    }
    true
}
