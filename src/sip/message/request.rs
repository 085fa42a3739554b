//! A request as received.

use super::headers::Known;
use super::values::is_date;
use super::{Headers, Malformed, Uri};
use crate::sip::wire::{self, Name, Start};
use std::ops::Deref;
use std::sync::Arc;

/// A request with what every layer needs already read: method, Request-URI, top Via, From, To, Call-ID, CSeq. Its
/// headers are read through [`Headers`]. Cheap to clone and to hand on.
#[derive(Clone, Debug)]
pub struct Request(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    headers: Headers,
    uri: Uri,
}

impl Request {
    /// Reads the mandatory headers (RFC 3261 8.1.1) and checks what RFC 4475 3.1.2 lists: CSeq in range and of the
    /// same method, one From, To, Call-ID, CSeq, valid URIs.
    ///
    /// # Errors
    /// [`Malformed`]; the caller answers 400 (see [`Self::read_or_return`]).
    pub fn read(wire: wire::Message) -> Result<Self, Malformed> {
        Self::read_or_return(wire).map_err(|refused| refused.1)
    }

    /// The same, and gives the message back that was refused, for [`super::Reply::to_wire_lenient`].
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_or_return(wire: wire::Message) -> Result<Self, Box<(wire::Message, Malformed)>> {
        match Self::check(&wire) {
            Ok((uri, known)) => Ok(Self(Arc::new(Inner { headers: Headers::new(wire, known), uri }))),
            Err(malformed) => Err(Box::new((wire, malformed))),
        }
    }

    fn check(wire: &wire::Message) -> Result<(Uri, Known), Malformed> {
        let Start::Request { method, uri } = wire.start() else {
            return Err(Malformed { place: "not a request" });
        };
        let uri = Uri::parse(uri).map_err(|_| Malformed { place: "Request-URI cannot be read" })?;
        // RFC 3261 19.1.1: no headers in a Request-URI.
        if uri.headers().next().is_some() {
            return Err(Malformed { place: "Request-URI with headers" });
        }
        let known = Known::read(wire)?;
        if known.method_token(wire).as_bytes() != method {
            return Err(Malformed { place: "CSeq method differs from the request line" });
        }
        // RFC 4475 3.1.2.12.
        if wire.header(Name::Date).is_some_and(|date| !is_date(&date)) {
            return Err(Malformed { place: Name::Date.unreadable() });
        }
        Ok((uri, known))
    }

    /// The same request to another Request-URI: it was taken by one who knows better where it belongs.
    #[must_use]
    pub fn readdressed(&self, uri: Uri) -> Self {
        Self(Arc::new(Inner { headers: self.0.headers.clone(), uri }))
    }

    /// The Request-URI.
    pub fn uri(&self) -> &Uri {
        &self.0.uri
    }
}

impl Deref for Request {
    type Target = Headers;

    fn deref(&self) -> &Headers {
        &self.0.headers
    }
}
