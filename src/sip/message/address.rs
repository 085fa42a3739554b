//! name-addr (RFC 3261 20.10, 25.1).

use super::grammar::{end, parameters, quoted, separator, space, unquoted};
use super::uri::Parts;
use super::{Malformed, Uri};
use crate::sip::wire::octet::{is_space, is_token};
use memchr::memchr;
use nom::{Offset, Parser};

/// `"Display" <uri>;params` (From, To, Contact, Route, P-Asserted-Identity...).
#[derive(Clone, Debug)]
pub struct NameAddr {
    /// Display name with its quotes taken off and escapes resolved.
    pub display: Option<String>,
    /// The URI.
    pub uri: Uri,
    /// Header parameters in order, names in lower case, quoted values unquoted; `None` value: no `=`.
    pub params: Vec<(String, Option<String>)>,
    /// The whole value as written.
    pub text: String,
}

const BAD_PARAMETER: Malformed = Malformed { place: "address: parameter" };

impl NameAddr {
    /// Reads exactly one name-addr or addr-spec with parameters.
    ///
    /// # Errors
    /// [`Malformed`] if it breaks RFC 3261 25.1.
    pub fn parse(text: &[u8]) -> Result<Self, Malformed> {
        let (rest, address) = Self::first(text)?;
        end(rest).map_err(|_| BAD_PARAMETER)?;
        Ok(address)
    }

    /// Reads a comma list of them.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_list(text: &[u8]) -> Result<Vec<Self>, Malformed> {
        let mut list = Vec::new();
        let mut rest = text;
        loop {
            let (after, address) = Self::first(rest)?;
            list.push(address);
            let Ok((next, _)) = separator(',').parse(after) else {
                end(after).map_err(|_| BAD_PARAMETER)?;
                return Ok(list);
            };
            rest = next;
        }
    }

    /// A header parameter; `Some("")` for one without value.
    pub fn param(&self, name: &str) -> Option<&str> {
        let found = self.params.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_deref().unwrap_or(""))
    }

    /// The address at the front of a list, and what follows it.
    fn first(text: &[u8]) -> Result<(&[u8], Self), Malformed> {
        let text = space(text).map_or(text, |(rest, _)| rest);
        let (rest, raw) = Raw::read(text)?;
        let uri = Uri::parse(raw.uri)?;
        let mut params = Vec::new();
        let (rest, ()) = parameters(rest, |name, value| {
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            params.push((name, value.written().then(|| value.text().into_owned())));
            Some(())
        })
        .map_err(|_| BAD_PARAMETER)?;
        let written = text.get(..text.offset(rest)).unwrap_or_default();
        let text = String::from_utf8_lossy(written).into_owned();
        let display = match raw.display {
            Display::None => None,
            Display::Quoted(inside) => Some(unquoted(inside).into_owned()),
            Display::Plain(words) => {
                Some(String::from_utf8_lossy(words).split_ascii_whitespace().collect::<Vec<_>>().join(" "))
            }
        };
        Ok((rest, Self { display, uri, params, text }))
    }

    /// `Contact: *` (RFC 3261 10.2.2).
    pub(super) fn star() -> Self {
        Self { display: None, uri: Uri::star(), params: Vec::new(), text: "*".to_owned() }
    }
}

/// An address without its parameters, taken apart without copying. The URI is not yet read.
pub(super) struct Raw<'a> {
    display: Display<'a>,
    pub uri: &'a [u8],
}

enum Display<'a> {
    None,
    /// What stood between the quotes.
    Quoted(&'a [u8]),
    /// Tokens with white space.
    Plain(&'a [u8]),
}

impl<'a> Raw<'a> {
    /// Reads name-addr or addr-spec; what follows, parameters first, is given back.
    pub(super) fn read(text: &'a [u8]) -> Result<(&'a [u8], Self), Malformed> {
        const DISPLAY: Malformed = Malformed { place: "address: display name" };
        if text.first() == Some(&b'"') {
            let (rest, inside) = quoted(text).map_err(|_| DISPLAY)?;
            let (rest, _) = space(rest).map_err(|_| DISPLAY)?;
            return Self::bracketed(rest, Display::Quoted(inside)).unwrap_or(Err(DISPLAY));
        }
        // Octets beyond ASCII should stand in quotes, but nothing is ambiguous about them here.
        let plain = |o: &u8| is_token(*o) || is_space(*o) || *o >= 0x80;
        let words = text.iter().position(|o| !plain(o)).unwrap_or(text.len());
        let (words, rest) = text.split_at_checked(words).unwrap_or((text, &[]));
        let display = if words.iter().all(|o| is_space(*o)) { Display::None } else { Display::Plain(words) };
        Self::bracketed(rest, display).unwrap_or_else(|| Self::bare(text))
    }

    /// `<addr-spec>`; `None` if there is no bracket.
    fn bracketed(text: &'a [u8], display: Display<'a>) -> Option<Result<(&'a [u8], Self), Malformed>> {
        let text = text.strip_prefix(b"<")?;
        let found = memchr(b'>', text).and_then(|at| Some((text.get(at + 1..)?, text.get(..at)?)));
        let found = found.map(|(rest, uri)| (rest, Self { display, uri }));
        Some(found.ok_or(Malformed { place: "address: no closing bracket" }))
    }

    /// addr-spec without brackets: then parameters belong to the header, and a URI with a comma, a question mark or
    /// a semicolon cannot be written (RFC 3261 20.10).
    fn bare(text: &'a [u8]) -> Result<(&'a [u8], Self), Malformed> {
        let length =
            text.iter().position(|o| is_space(*o) || matches!(o, b';' | b',' | b'?' | b'<' | b'>' | b'"'));
        let (uri, rest) = text.split_at_checked(length.unwrap_or(text.len())).unwrap_or((text, &[]));
        if rest.first() == Some(&b'?') {
            return Err(Malformed { place: "address: URI with headers needs brackets" });
        }
        Ok((rest, Self { display: Display::None, uri }))
    }

    /// Whether the URI can be read.
    pub(super) fn check_uri(&self) -> Result<(), Malformed> {
        Parts::read(self.uri).map(|_| ())
    }
}
