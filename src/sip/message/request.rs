//! A request as received.

use super::uri::Parts;
use super::values::is_date;
use super::{Headers, Malformed, Uri};
use crate::sip::wire::{self, Name, Start};
use std::ops::Deref;

/// A request with what every layer needs already read: method, Request-URI, top Via, From, To, Call-ID, CSeq. Its
/// headers are read through [`Headers`].
#[derive(Clone, Debug)]
pub struct Request {
    headers: Headers,
    uri: Uri,
}

impl Request {
    /// Reads the mandatory headers (RFC 3261 8.1.1) and checks what RFC 4475 3.1.2 lists: CSeq in range and of the
    /// same method, one From, To, Call-ID, CSeq, valid URIs.
    ///
    /// # Errors
    /// [`Malformed`]; the caller answers 400 with [`super::Reply::to_wire_lenient`].
    pub fn read(wire: wire::Message) -> Result<Self, Malformed> {
        let Start::Request { method, uri } = wire.start() else {
            return Err(Malformed { place: "not a request" });
        };
        // RFC 3261 19.1.1: no headers in a Request-URI.
        if Parts::read(uri).is_ok_and(|parts| parts.has_headers()) {
            return Err(Malformed { place: "Request-URI with headers" });
        }
        let uri = Uri::parse(uri).map_err(|_| Malformed { place: "Request-URI cannot be read" })?;
        let method = super::Method::read(method);
        let headers = Headers::read(wire)?;
        if headers.method() != method || !matches_token(&headers) {
            return Err(Malformed { place: "CSeq method differs from the request line" });
        }
        if headers.wire().header(Name::Date).is_some_and(|date| !is_date(&date)) {
            return Err(Malformed { place: Name::Date.unreadable() });
        }
        Ok(Self { headers, uri })
    }

    /// The Request-URI.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }
}

fn matches_token(headers: &Headers) -> bool {
    matches!(headers.wire().start(), Start::Request { method, .. } if method == headers.method_token().as_bytes())
}

impl Deref for Request {
    type Target = Headers;

    fn deref(&self) -> &Headers {
        &self.headers
    }
}
