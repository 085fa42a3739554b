//! Lines of a message head. The scanner and the framer walk by the same rules, so that both see the same headers.

use super::Name;
use super::octet::{is_space, is_token};
use memchr::{memchr, memchr2};

/// One line with its continuation lines, as offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub start: usize,
    /// Before the CRLF.
    pub end: usize,
    /// After the CRLF.
    pub next: usize,
    pub folded: bool,
    /// Holds a CR or LF that is not part of a CRLF. Peers disagree on whether such an octet ends a line, so a header
    /// could be smuggled past one of them: the message is refused.
    pub bare: bool,
}

/// The line that starts at `start`; `None` if the octets end before it does.
pub(super) fn line(octets: &[u8], start: usize) -> Option<Line> {
    let (mut from, mut folded, mut bare) = (start, false, false);
    loop {
        let mut at = from + memchr2(b'\r', b'\n', octets.get(from..)?)?;
        let next = match octets.get(at..)? {
            [b'\r', b'\n', ..] => at + 2,
            [b'\n', ..] => {
                bare = true;
                at + 1
            }
            // The message is lost already; look for the end of the line only.
            after => {
                bare = true;
                at += memchr(b'\n', after)?;
                at + 1
            }
        };
        // A blank line ends the head whatever the body begins with.
        if at == start || !matches!(octets.get(next), Some(b' ' | b'\t')) {
            return Some(Line { start, end: at, next, folded, bare });
        }
        folded = true;
        from = next;
    }
}

/// A header line taken apart: the name with its length, the value without surrounding white space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub name: Name,
    pub name_length: u16,
    pub value: (u32, u32),
}

/// Reads `name HCOLON value`; `None` if the line is no header.
pub(super) fn header(octets: &[u8], line: &Line) -> Option<Header> {
    let text = octets.get(line.start..line.end)?;
    let name_length = text.iter().position(|o| !is_token(*o))?;
    let (name, rest) = text.split_at_checked(name_length)?;
    if name.is_empty() {
        return None;
    }
    let spaces = rest.iter().position(|o| !is_space(*o))?;
    let [b':', value @ ..] = rest.get(spaces..)? else { return None };
    let value_start = line.end - value.trim_start_lws().len();
    let value_end = value_start + value.trim_lws().len();
    Some(Header {
        name: Name::read(name),
        name_length: u16::try_from(name_length).ok()?,
        value: (u32::try_from(value_start).ok()?, u32::try_from(value_end).ok()?),
    })
}

/// The value of a Content-Length header; `None` if it is not a number this machine can count.
pub(super) fn content_length(value: &[u8]) -> Option<usize> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0usize, |sum, octet| {
        octet.is_ascii_digit().then(|| sum.checked_mul(10)?.checked_add(usize::from(octet - b'0')))?
    })
}

/// White space of SIP header values: space, tab, and CR LF of folds.
pub(super) trait Trim {
    fn trim_start_lws(&self) -> &[u8];
    fn trim_lws(&self) -> &[u8];
}

impl Trim for [u8] {
    fn trim_start_lws(&self) -> &[u8] {
        let mut rest = self;
        while let [first, tail @ ..] = rest
            && is_space(*first)
        {
            rest = tail;
        }
        rest
    }

    fn trim_lws(&self) -> &[u8] {
        let mut rest = self.trim_start_lws();
        while let [head @ .., last] = rest
            && is_space(*last)
        {
            rest = head;
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(text: &[u8]) -> Line {
        line(text, 0).expect("a line")
    }

    #[test]
    fn a_line_takes_its_continuations_along() {
        let text = b"Subject: a\r\n b\r\n\tc\r\nTo: d\r\n";
        let first = only(text);
        assert_eq!((first.end, first.next, first.folded, first.bare), (18, 20, true, false));
        let second = line(text, first.next).expect("second line");
        assert_eq!((second.end, second.folded), (25, false));
        assert_eq!(line(text, second.next), None);
    }

    #[test]
    fn a_blank_line_does_not_fold_into_a_body_that_begins_with_a_space() {
        let blank = only(b"\r\n body");
        assert_eq!((blank.start, blank.end, blank.next), (0, 0, 2));
    }

    #[test]
    fn cr_or_lf_alone_is_marked() {
        assert!(only(b"a\rb\r\n").bare);
        assert!(only(b"a\nb\r\n").bare);
        assert!(only(b"a\r\r\n").bare);
        assert!(!only(b"ab\r\n").bare);
        assert_eq!(line(b"a\r", 0), None);
    }

    #[test]
    fn a_header_may_have_space_before_its_colon_and_an_empty_value() {
        let read = |text: &[u8]| {
            let line = only(text);
            header(text, &line).map(|h| {
                let value = text.get(h.value.0 as usize..h.value.1 as usize).unwrap_or(b"?");
                (h.name, h.name_length, String::from_utf8_lossy(value).into_owned())
            })
        };
        assert_eq!(read(b"to \t:  x y \r\n"), Some((Name::To, 2, "x y".into())));
        assert_eq!(read(b"Supported:\r\n"), Some((Name::Supported, 9, String::new())));
        assert_eq!(read(b"Subject:\r\n \r\n"), Some((Name::Subject, 7, String::new())));
        assert_eq!(read(b"X-Thing: :a\r\n"), Some((Name::Other, 7, ":a".into())));
        assert_eq!(read(b"no colon here\r\n"), None);
        assert_eq!(read(b": no name\r\n"), None);
        assert_eq!(read(b"br\xe4cke: x\r\n"), None);
    }

    #[test]
    fn content_length_is_digits_within_the_range_of_the_machine() {
        assert_eq!(content_length(b"0"), Some(0));
        assert_eq!(content_length(b"00000000000000000000000000000000150"), Some(150));
        for bad in ["", "-1", "+1", "1 2", "1,1", "0x10", "18446744073709551616", "999999999999999999999999"]
        {
            assert_eq!(content_length(bad.as_bytes()), None, "{bad}");
        }
    }
}
