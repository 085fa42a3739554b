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

#[cfg(test)]
mod tests {
    use super::super::grammar::MOST_PARAMETERS;
    use super::*;

    fn address(text: &str) -> NameAddr {
        NameAddr::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    fn place(text: &str) -> &'static str {
        NameAddr::parse(text.as_bytes()).expect_err(text).place
    }

    #[test]
    fn display_names_come_in_every_form() {
        for (text, display) in [
            ("<sip:a@b>", None),
            ("sip:a@b", None),
            (" <sip:a@b> ", None),
            ("Anna <sip:a@b>", Some("Anna")),
            ("Anna<sip:a@b>", Some("Anna")),
            ("Anna \t B.  C <sip:a@b>", Some("Anna B. C")),
            ("Jörg <sip:a@b>", Some("Jörg")),
            ("\"\"<sip:a@b>", Some("")),
            ("\"A, <B> \\\"C\\\\\" <sip:a@b>", Some("A, <B> \"C\\")),
            ("\"A\r\n B\"\r\n <sip:a@b>", Some("A B")),
        ] {
            let address = address(text);
            assert_eq!(address.display.as_deref(), display, "{text}");
            assert_eq!(address.uri.as_str(), "sip:a@b", "{text}");
            assert_eq!(address.text, text.trim(), "{text}");
        }
    }

    #[test]
    fn without_brackets_parameters_belong_to_the_header() {
        let bare = address("sip:a@b;x=1;Y");
        assert_eq!((bare.uri.as_str(), bare.param("x"), bare.param("y")), ("sip:a@b", Some("1"), Some("")));
        assert_eq!(bare.params, [("x".to_owned(), Some("1".to_owned())), ("y".to_owned(), None)]);
        let bracketed = address("<sip:a@b;x=1>;y=\"a;b, c\"");
        assert_eq!((bracketed.uri.param("x"), bracketed.param("y")), (Some("1"), Some("a;b, c")));
        assert_eq!(bracketed.param("x"), None);
    }

    #[test]
    fn what_breaks_the_grammar_is_named() {
        assert_eq!(place("\"A <sip:a@b>"), "address: display name");
        assert_eq!(place("\"A\" sip:a@b"), "address: display name");
        assert_eq!(place("<sip:a@b"), "address: no closing bracket");
        assert_eq!(place("sip:a@b?x=y"), "address: URI with headers needs brackets");
        assert_eq!(place("< sip:a@b>"), "URI scheme");
        assert_eq!(place("A, B <sip:a@b>"), "URI scheme");
        assert_eq!(place("<sip:a@b>;"), "address: parameter");
        assert_eq!(place("<sip:a@b>;x=\"y"), "address: parameter");
        assert_eq!(place("<sip:a@b> x"), "address: parameter");
        assert_eq!(place("<sip:a@b>, <sip:c@d>"), "address: parameter");
        assert_eq!(place(""), "URI scheme");
    }

    #[test]
    fn a_list_is_read_to_its_end_or_refused() {
        let list =
            NameAddr::parse_list(b"\"A, B\" <sip:a>;x=\"1,2\" , sip:b;y\r\n ,<sip:c,d@e>").expect("a list");
        let uris: Vec<_> = list.iter().map(|address| address.uri.as_str()).collect();
        assert_eq!(uris, ["sip:a", "sip:b", "sip:c,d@e"]);
        for broken in ["", "<sip:a>,", ",<sip:a>", "<sip:a>,,<sip:b>", "<sip:a> <sip:b>"] {
            assert!(NameAddr::parse_list(broken.as_bytes()).is_err(), "{broken}");
        }
    }

    #[test]
    fn an_address_takes_as_many_parameters_as_the_limit_and_no_more() {
        let with = |count: usize| NameAddr::parse(format!("<sip:a>{}", ";x=y".repeat(count)).as_bytes());
        assert_eq!(with(MOST_PARAMETERS).map(|address| address.params.len()), Ok(MOST_PARAMETERS));
        assert_eq!(with(MOST_PARAMETERS + 1).map(|_| ()), Err(BAD_PARAMETER));
    }
}
