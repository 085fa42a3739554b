//! The scanner.

use super::{Name, Rejected};
use crate::config::Limits;
use bytes::Bytes;
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

#[derive(Clone, Copy, Debug)]
struct StartSpans {
    first: (u32, u32),
    second: (u32, u32),
    third: (u32, u32),
    response: bool,
}

#[derive(Clone, Copy, Debug)]
struct HeaderSpan {
    name: Name,
    raw_name: (u32, u32),
    value: (u32, u32),
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
        unimplemented!()
    }

    /// All octets, as received.
    pub fn octets(&self) -> &Bytes {
        &self.buffer
    }

    /// The body; empty if there is none. Shares the octets of the message.
    pub fn body(&self) -> Bytes {
        self.buffer.slice(self.body as usize..)
    }

    /// First value of a header: without surrounding white space, folding replaced by one space.
    pub fn header(&self, name: Name) -> Option<Cow<'_, [u8]>> {
        let _ = name;
        unimplemented!()
    }

    /// All header lines with this name, in order; comma lists are not split here.
    pub fn headers(&self, name: Name) -> impl Iterator<Item = Cow<'_, [u8]>> {
        let _ = name;
        std::iter::empty()
    }

    /// Header lines with this name as spelled (for names without a [`Name`] of their own), case-insensitive.
    pub fn headers_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Cow<'a, [u8]>> {
        let _ = name;
        std::iter::empty()
    }

    /// All header lines in order: name, spelling, value.
    pub fn lines(&self) -> impl Iterator<Item = (Name, &[u8], Cow<'_, [u8]>)> {
        std::iter::empty()
    }
}

/// Reads one datagram. `Ok(None)`: a keep-alive (only CR LF or NUL octets), to be ignored (a double CRLF as on
/// streams is not answered on UDP).
///
/// # Errors
/// [`Rejected`] as RFC 3261 18.3 and RFC 4475 ask.
pub fn datagram(octets: Bytes, limits: &Limits) -> Result<Option<Message>, Rejected> {
    let _ = (octets, limits);
    unimplemented!()
}

/// Reads one whole message that [`super::stream::Framer`] cut out of a stream.
///
/// # Errors
/// As [`datagram`].
pub fn message(octets: Bytes, limits: &Limits) -> Result<Message, Rejected> {
    let _ = (octets, limits);
    unimplemented!()
}
