//! Puts a message together.

use super::OutBody;
use crate::sip::wire::Name;
use bytes::{BufMut, Bytes, BytesMut};
use memchr::memchr2;
use std::fmt::Write;

/// A message that grows.
pub(super) struct Writer(BytesMut);

impl Writer {
    /// A message of about this many octets.
    pub(super) fn new(octets: usize) -> Self {
        Self(BytesMut::with_capacity(octets))
    }

    /// Adds octets as they are.
    pub(super) fn octets(&mut self, octets: &[u8]) {
        self.0.put_slice(octets);
    }

    /// Adds octets with CR and LF replaced by spaces, so that no value can begin a header of its own.
    pub(super) fn one_line(&mut self, octets: &[u8]) {
        let mut rest = octets;
        while let Some(at) = memchr2(b'\r', b'\n', rest) {
            let (line, tail) = rest.split_at_checked(at).unwrap_or((rest, &[]));
            self.0.put_slice(line);
            self.0.put_u8(b' ');
            rest = tail.get(1..).unwrap_or_default();
        }
        self.0.put_slice(rest);
    }

    /// Adds text that stays on its line.
    pub(super) fn text(&mut self, text: &str) {
        self.one_line(text.as_bytes());
    }

    /// Adds CRLF.
    pub(super) fn end_line(&mut self) {
        self.octets(b"\r\n");
    }

    /// Adds a number.
    pub(super) fn number(&mut self, number: usize) {
        let mut digits = [0; 20];
        let mut at = digits.len();
        let mut left = number;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (left % 10) as u8;
            at -= 1;
            left /= 10;
            if left == 0 {
                break;
            }
        }
        self.0.put_slice(digits.get(at..).unwrap_or_default());
    }

    /// Adds what is printed without white space: an address.
    pub(super) fn display(&mut self, what: impl std::fmt::Display) {
        // Memory grows as needed, so this cannot fail.
        let _ = write!(self.0, "{what}");
    }

    /// Adds a header line.
    pub(super) fn header(&mut self, name: Name, value: &str) {
        self.name(name);
        self.text(value);
        self.end_line();
    }

    /// Adds `Name: `.
    pub(super) fn name(&mut self, name: Name) {
        self.octets(name.text().as_bytes());
        self.octets(b": ");
    }

    /// Adds Content-Type, Content-Length, the blank line and the body.
    pub(super) fn finish(mut self, body: Option<&OutBody>) -> Bytes {
        if let Some(body) = body {
            self.header(Name::ContentType, &body.content_type);
        }
        self.name(Name::ContentLength);
        self.number(body.map_or(0, |body| body.content.len()));
        self.octets(b"\r\n\r\n");
        if let Some(body) = body {
            self.octets(&body.content);
        }
        self.0.freeze()
    }
}

/// Octets that these headers and this body take at most.
pub(super) fn size(headers: &[(Name, String)], body: Option<&OutBody>) -> usize {
    let headers: usize = headers.iter().map(|(name, value)| name.text().len() + value.len() + 4).sum();
    headers + body.map_or(0, |body| body.content.len() + body.content_type.len() + 16) + 48
}
