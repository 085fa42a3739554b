//! `P-Refused-URI-List` (RFC 5318): the lists whose members a server names instead of inviting them itself.

use super::address::Raw;
use super::grammar::{Parsed, end, fail, parameter, quoted, separator, space, token, unquoted};
use super::{Malformed, Uri, escape};
use crate::sip::wire::Name;
use memchr::memchr;
use nom::Parser;
use std::fmt;

/// Entries of the list, and parameters of an entry, that are read; more are refused.
pub const MOST_REFUSED: usize = 64;

/// One entry: a list that was refused.
#[derive(Clone, Debug)]
pub struct RefusedUri {
    /// The URI of the list, for instance the ID of a group.
    pub uri: Uri,
    /// The Content-ID, without brackets, of the body that names the members: `members=<cid:...>`.
    pub members: Option<String>,
}

impl RefusedUri {
    /// Reads a comma list of entries.
    ///
    /// # Errors
    /// [`Malformed`] if one breaks the grammar or there are more than [`MOST_REFUSED`].
    pub fn parse_list(list: &[u8]) -> Result<Vec<Self>, Malformed> {
        let mut entries = Vec::new();
        let mut rest = list;
        while entries.len() < MOST_REFUSED {
            let (after, entry) = Self::first(rest)?;
            entries.push(entry);
            match separator(',').parse(after) {
                Ok((next, _)) => rest = next,
                Err(_) => {
                    end(after).map_err(|_| UNREADABLE)?;
                    return Ok(entries);
                }
            }
        }
        Err(UNREADABLE)
    }

    fn first(text: &[u8]) -> Result<(&[u8], Self), Malformed> {
        let text = space(text).map_or(text, |(rest, _)| rest);
        let (mut rest, raw) = Raw::read(text).map_err(|_| UNREADABLE)?;
        let uri = Uri::parse(raw.uri).map_err(|_| UNREADABLE)?;
        let mut members = None;
        for _ in 0..MOST_REFUSED {
            let Ok((after, _)) = separator(';').parse(rest) else { return Ok((rest, Self { uri, members })) };
            let (name_end, name) = token(after).map_err(|_| UNREADABLE)?;
            if !name.eq_ignore_ascii_case(b"members") {
                rest = parameter(after).map_err(|_| UNREADABLE)?.0;
                continue;
            }
            let (after, id) = (separator('='), content_id).parse(name_end).map_err(|_| UNREADABLE)?;
            if members.replace(id.1).is_some() {
                return Err(UNREADABLE);
            }
            rest = after;
        }
        Err(UNREADABLE)
    }
}

const UNREADABLE: Malformed = Malformed { place: Name::PRefusedUriList.unreadable() };

/// `<cid:...>`, or the same within quotes.
fn content_id(input: &[u8]) -> Parsed<'_, String> {
    let (rest, id) = match input.split_first() {
        Some((b'<', tail)) => {
            let Some(at) = memchr(b'>', tail) else { return fail() };
            let (id, rest) = tail.split_at_checked(at).unwrap_or((tail, &[]));
            (rest.get(1..).unwrap_or_default(), String::from_utf8_lossy(id))
        }
        _ => {
            let (rest, inside) = quoted(input)?;
            (rest, unquoted(inside))
        }
    };
    let id = id.trim_matches(['<', '>']);
    let cid = id.split_at_checked(4).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("cid:"));
    match cid.and_then(|(_, id)| escape::decode(id)).filter(|id| !id.is_empty()) {
        Some(id) => Ok((rest, id)),
        None => fail(),
    }
}

impl fmt::Display for RefusedUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.uri.as_str())?;
        let Some(members) = &self.members else { return Ok(()) };
        // RFC 2392 2: an address, escaped as in a URI; its at sign stands for itself.
        write!(f, ";members=<cid:{}>", escape::encode(members).replace("%40", "@"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, Option<String>)> {
        let list = RefusedUri::parse_list(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e}"));
        list.into_iter().map(|entry| (entry.uri.as_str().to_owned(), entry.members)).collect()
    }

    fn entry(uri: &str, members: Option<&str>) -> (String, Option<String>) {
        (uri.to_owned(), members.map(str::to_owned))
    }

    #[test]
    fn a_list_and_the_body_with_its_members_are_read() {
        let ems = entry("sip:ems2@b.example", Some("list9@b.example"));
        for text in [
            "<sip:ems2@b.example>;members=<cid:list9@b.example>",
            "sip:ems2@b.example;members=<cid:list9@b.example>",
            "\"EMS, 2\" <sip:ems2@b.example> ; x=y ;\r\n MEMBERS = <CID:list9%40b.example>;z",
            "<sip:ems2@b.example>;members=\"cid:list9@b.example\"",
            "<sip:ems2@b.example>;members=\"<cid:list9@b.example>\"",
        ] {
            assert_eq!(read(text), std::slice::from_ref(&ems), "{text}");
        }
        assert_eq!(
            read("<sip:a@b>;members=<cid:1@b>, sip:c@d , <sip:e@f>;x=\"a,b\""),
            [entry("sip:a@b", Some("1@b")), entry("sip:c@d", None), entry("sip:e@f", None)]
        );
    }

    #[test]
    fn what_is_written_is_read() {
        for members in [None, Some("list9@b.example"), Some("a b>%\"@b"), Some("one")] {
            let uri = Uri::parse(b"sip:ems2@b.example;x=y").expect("a URI");
            let text = RefusedUri { uri, members: members.map(str::to_owned) }.to_string();
            assert_eq!(read(&text), [entry("sip:ems2@b.example;x=y", members)], "{text}");
        }
        let uri = Uri::parse(b"sip:ems2@b.example").expect("a URI");
        let refused = RefusedUri { uri, members: Some("list9@b.example".to_owned()) };
        assert_eq!(refused.to_string(), "<sip:ems2@b.example>;members=<cid:list9@b.example>");
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for broken in [
            "",
            "<sip:a@b>,",
            "<sip:a@b>;members",
            "<sip:a@b>;members=",
            "<sip:a@b>;members=cid:1@b",
            "<sip:a@b>;members=<cid:1@b",
            "<sip:a@b>;members=<cid:>",
            "<sip:a@b>;members=<mid:1@b>",
            "<sip:a@b>;members=<\u{e9}\u{e9}\u{e9}>",
            "<sip:a@b>;members=<cid:%>",
            "<sip:a@b>;members=<cid:1>;members=<cid:2>",
            "<sip:a@b>;members=\"cid:1",
            "<sip:>",
            "<sip:a@b> x",
        ] {
            let refused = RefusedUri::parse_list(broken.as_bytes()).expect_err(broken);
            assert_eq!(refused.place, "P-Refused-URI-List cannot be read");
        }
    }

    #[test]
    fn entries_and_parameters_are_limited() {
        let list = |count: usize| vec!["<sip:a@b>"; count].join(",");
        assert_eq!(
            RefusedUri::parse_list(list(MOST_REFUSED).as_bytes()).map(|list| list.len()),
            Ok(MOST_REFUSED)
        );
        assert!(RefusedUri::parse_list(list(MOST_REFUSED + 1).as_bytes()).is_err());
        let parameters = |count: usize| format!("<sip:a@b>{}", ";x".repeat(count));
        assert!(RefusedUri::parse_list(parameters(MOST_REFUSED - 1).as_bytes()).is_ok());
        assert!(RefusedUri::parse_list(parameters(MOST_REFUSED).as_bytes()).is_err());
    }
}
