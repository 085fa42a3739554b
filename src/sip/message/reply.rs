//! A response on its way out.

use super::{OutBody, Request};
use crate::sip::wire::{self, Name};
use bytes::Bytes;
use std::net::SocketAddr;

/// A response that we send, without what it copies from the request (RFC 3261 8.2.6.2).
#[derive(Clone, Debug)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// Reason phrase; `None`: the usual one.
    pub reason: Option<String>,
    /// Headers beyond Via, From, To, Call-ID, CSeq, Record-Route, Content-Length, in the order they are written.
    pub headers: Vec<(Name, String)>,
    /// Body.
    pub body: Option<OutBody>,
}

impl Reply {
    /// A response without headers.
    pub fn new(status: u16) -> Self {
        Self { status, reason: None, headers: Vec::new(), body: None }
    }

    /// Adds a header line.
    #[must_use]
    pub fn header(mut self, name: Name, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, content_type: impl Into<String>, content: impl Into<Bytes>) -> Self {
        self.body = Some(OutBody { content_type: content_type.into(), content: content.into() });
        self
    }

    /// The message: Via lines (the top one with `received` and `rport` of `peer` as RFC 3261 18.2.1 and RFC 3581
    /// ask), From, To (with `to_tag` unless the request has one or the status is 100), Call-ID, CSeq, Record-Route
    /// (101-299 to requests that may create a dialog), then our headers and the body. Copies spans of the request.
    pub fn to_wire(&self, request: &Request, to_tag: Option<&str>, peer: SocketAddr) -> Bytes {
        let _ = (request, to_tag, peer);
        unimplemented!()
    }

    /// The same for a request so broken that [`Request::read`] refused it; `None` if nothing can be answered.
    pub fn to_wire_lenient(&self, request: &wire::Message, to_tag: &str, peer: SocketAddr) -> Option<Bytes> {
        let _ = (request, to_tag, peer);
        unimplemented!()
    }
}

/// The usual reason phrase of a status code.
pub fn reason_phrase(status: u16) -> &'static str {
    let _ = status;
    unimplemented!()
}
