//! The scanner.

use super::lines::{self, Trim};
use super::octet::{is_space, is_token};
use super::{Name, Rejected};
use crate::config::Limits;
use bytes::Bytes;
use memchr::memchr;
use smallvec::SmallVec;
use std::borrow::Cow;

/// One SIP message as it came: the octets and where the parts are. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Message {
    buffer: Bytes,
    start: StartSpans,
    headers: SmallVec<[HeaderSpan; 32]>,
    body: u32,
}

/// Offsets into the message, from inclusive, to exclusive.
type Span = (u32, u32);

#[derive(Clone, Copy, Debug)]
enum StartSpans {
    Request { method: Span, uri: Span },
    Response { status: u16, reason: Span },
}

#[derive(Clone, Copy, Debug)]
struct HeaderSpan {
    line: u32,
    value: Span,
    name_length: u16,
    name: Name,
    folded: bool,
}

/// The start line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start<'a> {
    /// `METHOD uri SIP/2.0`.
    Request {
        /// Method token, case as received.
        method: &'a [u8],
        /// Request-URI.
        uri: &'a [u8],
    },
    /// `SIP/2.0 code reason`.
    Response {
        /// Status code, 100 to 699.
        status: u16,
        /// Reason phrase, may be empty.
        reason: &'a [u8],
    },
}

impl Message {
    /// The start line.
    pub fn start(&self) -> Start<'_> {
        match self.start {
            StartSpans::Request { method, uri } => {
                Start::Request { method: self.slice(method), uri: self.slice(uri) }
            }
            StartSpans::Response { status, reason } => Start::Response { status, reason: self.slice(reason) },
        }
    }

    /// All octets of the message as received, without what stood before its start line or after its body.
    pub fn octets(&self) -> &Bytes {
        &self.buffer
    }

    /// The body; empty if there is none. Shares the octets of the message.
    pub fn body(&self) -> Bytes {
        self.buffer.slice(self.body as usize..)
    }

    /// First value of a header: without surrounding white space, folding replaced by one space.
    pub fn header(&self, name: Name) -> Option<Cow<'_, [u8]>> {
        self.headers(name).next()
    }

    /// All header lines with this name, in order; comma lists are not split here.
    pub fn headers(&self, name: Name) -> impl Iterator<Item = Cow<'_, [u8]>> {
        self.headers.iter().filter(move |h| h.name == name).map(|h| self.unfolded(h))
    }

    /// Header lines with this name as spelled (for names without a [`Name`] of their own), case-insensitive.
    pub fn headers_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Cow<'a, [u8]>> {
        self.headers
            .iter()
            .filter(|h| self.spelling(h).eq_ignore_ascii_case(name.as_bytes()))
            .map(|h| self.unfolded(h))
    }

    /// All header lines in order: name, spelling, value.
    pub fn lines(&self) -> impl Iterator<Item = (Name, &[u8], Cow<'_, [u8]>)> {
        self.headers.iter().map(|h| (h.name, self.spelling(h), self.unfolded(h)))
    }

    /// All header lines in order with their values as they stand in the message, folds included; what the grammars
    /// read and what an answer copies.
    pub(in crate::sip) fn raw_lines(&self) -> impl Iterator<Item = (Name, &[u8])> {
        self.headers.iter().map(|h| (h.name, self.slice(h.value)))
    }

    /// Values of one name as they stand in the message, folds included.
    pub(in crate::sip) fn raw(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        self.headers.iter().filter(move |h| h.name == name).map(|h| self.slice(h.value))
    }

    fn spelling(&self, header: &HeaderSpan) -> &[u8] {
        self.slice((header.line, header.line + u32::from(header.name_length)))
    }

    fn unfolded(&self, header: &HeaderSpan) -> Cow<'_, [u8]> {
        let value = self.slice(header.value);
        if header.folded { unfold(value) } else { Cow::Borrowed(value) }
    }

    fn slice(&self, span: Span) -> &[u8] {
        self.buffer.get(span.0 as usize..span.1 as usize).unwrap_or_default()
    }
}

/// Every fold with the white space around it becomes one space (RFC 3261 7.3.1).
fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    let Some(mut at) = memchr(b'\r', value) else { return Cow::Borrowed(value) };
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    loop {
        let (line, tail) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        out.extend_from_slice(line);
        while out.last().is_some_and(|o| is_space(*o)) {
            out.pop();
        }
        rest = tail.trim_start_lws();
        if !out.is_empty() && !rest.is_empty() {
            out.push(b' ');
        }
        match memchr(b'\r', rest) {
            Some(next) => at = next,
            None => break,
        }
    }
    out.extend_from_slice(rest);
    Cow::Owned(out)
}

/// Reads one datagram. `Ok(None)`: a keep-alive (only CR LF or NUL octets), to be ignored (a double CRLF as on
/// streams is not answered on UDP).
///
/// # Errors
/// [`Rejected`] as RFC 3261 18.3 and RFC 4475 ask.
pub fn datagram(octets: Bytes, limits: &Limits) -> Result<Option<Message>, Rejected> {
    if octets.iter().all(|o| matches!(o, b'\r' | b'\n' | 0)) {
        return Ok(None);
    }
    scan(octets, Framing::Datagram, limits).map(Some)
}

/// Reads one whole message that [`super::stream::Framer`] cut out of a stream, or the head of one that it could not
/// cut out.
///
/// # Errors
/// As [`datagram`]; also if Content-Length is missing.
pub fn message(octets: Bytes, limits: &Limits) -> Result<Message, Rejected> {
    scan(octets, Framing::Stream, limits)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Framing {
    Datagram,
    Stream,
}

/// What is wrong with a message; the first thing found is what the sender hears.
#[derive(Clone, Copy)]
struct Fault {
    status: u16,
    place: &'static str,
}

const fn bad(place: &'static str) -> Fault {
    Fault { status: 400, place }
}

fn scan(octets: Bytes, framing: Framing, limits: &Limits) -> Result<Message, Rejected> {
    let blank = octets.chunks(2).take_while(|pair| *pair == b"\r\n").count() * 2;
    let mut buffer = octets.slice(blank..);
    // Offsets are 32 bits wide whatever the configuration says.
    let most = limits.message_octets.min(u32::MAX as usize / 2);
    let mut fault = None;
    if buffer.len() > most {
        fault = Some(Fault { status: 413, place: "message too large" });
        buffer.truncate(most);
    }

    let Some(line) = lines::line(&buffer, 0) else {
        return Err(Rejected::Silent { place: "start line has no end" });
    };
    let (start, start_fault) = start_line(&buffer, &line);
    fault = start_fault.or(fault);

    let mut message = Message { buffer, start, headers: SmallVec::new(), body: 0 };
    let mut content_length = None;
    let mut at = line.next;
    let mut count = 0;
    loop {
        let Some(line) = lines::line(&message.buffer, at) else {
            fault = fault.or(Some(bad("headers do not end with a blank line")));
            at = message.buffer.len();
            break;
        };
        at = line.next;
        if line.start == line.end {
            if line.bare {
                fault = fault.or(Some(bad("line ends without CRLF")));
            }
            break;
        }
        count += 1;
        if count > limits.headers {
            fault = fault.or(Some(bad("too many header lines")));
            at = message.buffer.len();
            break;
        }
        if line.bare {
            fault = fault.or(Some(bad("line ends without CRLF")));
        }
        if line.end - line.start > limits.header_octets {
            fault = fault.or(Some(bad("header line too long")));
            continue;
        }
        let Some(header) = lines::header(&message.buffer, &line) else {
            fault = fault.or(Some(bad("header line without a name")));
            continue;
        };
        if header.name == Name::ContentLength {
            let value = message.slice(header.value);
            match lines::content_length(value) {
                None => fault = fault.or(Some(bad("Content-Length is not a number"))),
                Some(_) if content_length.is_some() => fault = fault.or(Some(bad("Content-Length twice"))),
                length => content_length = length,
            }
        }
        message.headers.push(HeaderSpan {
            line: line.start as u32,
            value: header.value,
            name_length: header.name_length,
            name: header.name,
            folded: line.folded,
        });
    }
    message.body = at as u32;

    let available = message.buffer.len() - at;
    fault = fault.or_else(|| match content_length {
        None if framing == Framing::Datagram => None,
        None => Some(bad("Content-Length missing")),
        Some(length) if framing == Framing::Stream && length > most.saturating_sub(at) => {
            Some(Fault { status: 413, place: "message too large" })
        }
        Some(length) if length > available => Some(bad("body shorter than Content-Length")),
        Some(length) => {
            message.buffer.truncate(at + length);
            None
        }
    });
    match fault {
        None => Ok(message),
        Some(fault) => Err(reject(message, fault)),
    }
}

/// The parts of the start line, as far as they can be told apart, and what is wrong with it.
fn start_line(octets: &[u8], line: &lines::Line) -> (StartSpans, Option<Fault>) {
    let text = octets.get(..line.end).unwrap_or_default();
    // An empty part need not lie within the octets.
    let span = |part: &[u8]| {
        let from = if part.is_empty() { 0 } else { part.as_ptr().addr() - octets.as_ptr().addr() };
        (from as u32, (from + part.len()) as u32)
    };
    let fault = match () {
        () if line.bare => Some(bad("line ends without CRLF")),
        () if line.folded => Some(bad("start line is folded")),
        () => None,
    };
    let first = memchr(b' ', text).unwrap_or(text.len());
    let (word, rest) = text.split_at_checked(first).unwrap_or((text, &[]));
    let rest = rest.get(1..).unwrap_or_default();
    if word.get(..4).is_some_and(|w| w.eq_ignore_ascii_case(b"SIP/")) {
        // RFC 3261 7.2. A peer that forgets the space before an empty reason phrase is understood.
        let (code, reason) = rest.split_at_checked(3).unwrap_or((&[], rest));
        let status = lines::content_length(code).and_then(|code| u16::try_from(code).ok()).unwrap_or(0);
        let reason = match reason {
            [] => reason,
            [b' ', reason @ ..] => reason,
            _ => return (StartSpans::Response { status, reason: span(reason) }, Some(bad("status code"))),
        };
        let fault = fault.or(version(word)).or(match status {
            100..=699 => None,
            _ => Some(bad("status code")),
        });
        return (StartSpans::Response { status, reason: span(reason) }, fault);
    }
    // RFC 3261 7.1: single spaces, none within the Request-URI, nothing after the version.
    let last = memchr::memrchr(b' ', rest);
    let (uri, after) = last.and_then(|at| rest.split_at_checked(at)).unwrap_or((rest, &[]));
    let fault = fault.or(version(after.get(1..).unwrap_or_default())).or(match () {
        () if word.is_empty() || !word.iter().all(|o| is_token(*o)) => Some(bad("method is not a token")),
        () if uri.is_empty() => Some(bad("Request-URI missing")),
        () if uri.iter().any(|o| is_space(*o)) => Some(bad("white space in the request line")),
        () => None,
    });
    (StartSpans::Request { method: span(word), uri: span(uri) }, fault)
}

/// `SIP/2.0` in any case is ours, any other numbers are another version: 505.
fn version(text: &[u8]) -> Option<Fault> {
    if text.eq_ignore_ascii_case(b"SIP/2.0") {
        return None;
    }
    let numbers = text.get(4..).unwrap_or_default();
    let mut parts = numbers.split(|o| *o == b'.');
    let number =
        |part: Option<&[u8]>| part.is_some_and(|p| !p.is_empty() && p.iter().all(u8::is_ascii_digit));
    let is_version = text.get(..4).is_some_and(|t| t.eq_ignore_ascii_case(b"SIP/"))
        && number(parts.next())
        && number(parts.next())
        && parts.next().is_none();
    Some(if is_version {
        Fault { status: 505, place: "SIP version" }
    } else {
        bad("SIP version cannot be read")
    })
}

fn reject(message: Message, fault: Fault) -> Rejected {
    let Fault { status, place } = fault;
    let answerable = match message.start() {
        // RFC 3261 17.1.1.3: nobody waits for an answer to an ACK.
        Start::Request { method, .. } => {
            method != b"ACK"
                && message.raw(Name::Via).next().is_some()
                && message.raw(Name::CSeq).next().is_some()
        }
        Start::Response { .. } => false,
    };
    if answerable {
        Rejected::Answerable { message: Box::new(message), status, place }
    } else {
        Rejected::Silent { place }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<Option<Message>, Rejected> {
        datagram(Bytes::copy_from_slice(text), &Limits::default())
    }

    fn whole(text: &[u8]) -> Message {
        read(text).expect("a good message").expect("a message")
    }

    #[test]
    fn values_come_unfolded_and_trimmed_and_compact_names_count() {
        let message = whole(
            b"\r\n\r\nOPTIONS sip:a@b SIP/2.0\r\nv :SIP/2.0/UDP h\r\nSubject: \t one \r\n  two\r\n\tthree \r\nsubject:\r\n four\r\nX: \xff\r\n\r\nbody",
        );
        assert_eq!(message.start(), Start::Request { method: b"OPTIONS", uri: b"sip:a@b" });
        assert_eq!(message.header(Name::Via).as_deref(), Some(&b"SIP/2.0/UDP h"[..]));
        let subjects: Vec<_> = message.headers(Name::Subject).map(Cow::into_owned).collect();
        assert_eq!(subjects, [b"one two three".to_vec(), b"four".to_vec()]);
        assert_eq!(message.headers_named("x").next().as_deref(), Some(&b"\xff"[..]));
        assert_eq!(message.body(), "body");
        assert!(message.octets().starts_with(b"OPTIONS"));
    }

    /// An OPTIONS with these lines between its CSeq and its blank line.
    fn options(lines: &str) -> Vec<u8> {
        format!("OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nCSeq: 1 OPTIONS\r\n{lines}\r\n")
            .into_bytes()
    }

    fn fault(result: Result<Option<Message>, Rejected>) -> (u16, &'static str) {
        match result {
            Err(Rejected::Answerable { status, place, .. }) => (status, place),
            Err(Rejected::Silent { place }) => (0, place),
            Ok(taken) => panic!("{taken:?}"),
        }
    }

    #[test]
    fn start_lines_of_requests() {
        let line = |line: &str| fault(read(&[line.as_bytes(), &options("")[23..]].concat()));
        assert_eq!(line("OPTIONS  sip:a@b SIP/2.0"), (400, "white space in the request line"));
        assert_eq!(line("OPTIONS sip:a@b\tSIP/2.0"), (400, "SIP version cannot be read"));
        assert_eq!(line("OPTIONS sip:a@b SIP/2.0 "), (400, "SIP version cannot be read"));
        assert_eq!(line("OPTIONS sip:a@b HTTP/1.1"), (400, "SIP version cannot be read"));
        assert_eq!(line("OPTIONS sip:a@b SIP/2."), (400, "SIP version cannot be read"));
        assert_eq!(line("OPTIONS sip:a@b SIP/3.0"), (505, "SIP version"));
        assert_eq!(line("OPTIONS SIP/2.0"), (400, "SIP version cannot be read"));
        assert_eq!(line("OPTIONS  SIP/2.0"), (400, "Request-URI missing"));
        assert_eq!(line(" sip:a@b SIP/2.0"), (400, "method is not a token"));
        assert_eq!(line("OPT\u{e4}ONS sip:a@b SIP/2.0"), (400, "method is not a token"));
        assert_eq!(line("OPTIONS sip:a@b SIP/2.0\r\n x"), (400, "start line is folded"));
        assert_eq!(line("ACK sip:a@b SIP/3.0"), (0, "SIP version"));
        assert_eq!(line("OPTIONS"), (400, "SIP version cannot be read"));
    }

    #[test]
    fn start_lines_of_responses() {
        let start = |line: &str| read(&[line.as_bytes(), &options("")[23..]].concat());
        for (line, status, reason) in [
            ("SIP/2.0 200 OK", 200, "OK"),
            ("SIP/2.0 699 ", 699, ""),
            ("SIP/2.0 100", 100, ""),
            ("sip/2.0 486  Busy  ", 486, " Busy  "),
        ] {
            let message = start(line).expect("taken").expect("a message");
            assert_eq!(message.start(), Start::Response { status, reason: reason.as_bytes() });
        }
        for line in
            ["SIP/2.0 099 x", "SIP/2.0 700 x", "SIP/2.0 20 x", "SIP/2.0 2000 x", "SIP/2.0  200 x", "SIP/2.0"]
        {
            assert_eq!(fault(start(line)), (0, "status code"), "{line}");
        }
        assert_eq!(fault(start("SIP/3.0 200 OK")), (0, "SIP version"));
    }

    #[test]
    fn only_what_has_a_via_and_a_cseq_is_answered() {
        let broken = |text: &str| fault(read(text.as_bytes())).0;
        assert_eq!(broken("BYE sip:a SIP/2.0\r\nv: x\r\nCSeq: x\r\nno colon\r\n\r\n"), 400);
        assert_eq!(broken("BYE sip:a SIP/2.0\r\nCSeq: x\r\nno colon\r\n\r\n"), 0);
        assert_eq!(broken("BYE sip:a SIP/2.0\r\nVia: x\r\nno colon\r\n\r\n"), 0);
        assert_eq!(broken("ACK sip:a SIP/2.0\r\nVia: x\r\nCSeq: x\r\nno colon\r\n\r\n"), 0);
        assert_eq!(broken("\x16\x03\x01 no SIP at all"), 0);
    }

    #[test]
    fn header_lines_up_to_the_limit() {
        let limits = Limits { headers: 10, ..Limits::default() };
        let with = |count: usize| datagram(Bytes::from(options(&"a: b\r\n".repeat(count - 2))), &limits);
        assert_eq!(with(10).expect("taken").map(|message| message.lines().count()), Some(10));
        assert_eq!(fault(with(11)), (400, "too many header lines"));
    }

    #[test]
    fn a_header_line_up_to_the_limit() {
        let limits = Limits { header_octets: 100, ..Limits::default() };
        let with = |line: String| datagram(Bytes::from(options(&format!("{line}\r\n"))), &limits);
        assert!(with(format!("a: {}", "b".repeat(97))).is_ok());
        assert_eq!(fault(with(format!("a: {}", "b".repeat(98)))), (400, "header line too long"));
        assert!(with(format!("a: {}\r\n {}", "b".repeat(47), "c".repeat(47))).is_ok());
        assert_eq!(
            fault(with(format!("a: {}\r\n {}", "b".repeat(47), "c".repeat(48)))),
            (400, "header line too long")
        );
    }

    #[test]
    fn a_message_up_to_the_limit() {
        let octets = [options("").as_slice(), b"body"].concat();
        let limited = |most: usize| {
            let limits = Limits { message_octets: most, ..Limits::default() };
            datagram(Bytes::from(octets.clone()), &limits)
        };
        assert!(limited(octets.len()).is_ok());
        assert_eq!(fault(limited(octets.len() - 1)), (413, "message too large"));
        // Too little is left to answer.
        assert_eq!(fault(limited(30)).0, 0);
    }

    #[test]
    fn a_message_from_a_stream_must_say_its_length() {
        let on_stream = |octets: Vec<u8>| message(Bytes::from(octets), &Limits::default()).map(Some);
        assert_eq!(fault(on_stream(options(""))), (400, "Content-Length missing"));
        assert_eq!(fault(on_stream(options("l: 65535\r\n"))), (413, "message too large"));
        assert_eq!(fault(on_stream(options("l: 1\r\n"))), (400, "body shorter than Content-Length"));
        assert!(on_stream(options("l: 0\r\n")).is_ok());
    }

    #[test]
    fn folds_become_one_space() {
        for (value, unfolded) in [
            ("a", "a"),
            ("a\r\n b", "a b"),
            ("a \t\r\n \t b\r\n\tc", "a b c"),
            ("a\r\n \r\n b", "a b"),
            ("\"a\r\n  b\"", "\"a b\""),
        ] {
            assert_eq!(unfold(value.as_bytes()).as_ref(), unfolded.as_bytes(), "{value:?}");
        }
    }
}
