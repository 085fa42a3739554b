//! A request on its way out.

use super::writer::{Writer, size};
use super::{Method, OutBody};
use crate::sip::wire::Name;
use bytes::Bytes;

/// A request that we originate, complete but for Via (the transaction layer's) and Content-Length.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Method.
    pub method: Method,
    /// Request-URI.
    pub uri: String,
    /// Headers in the order they are written. From, To, Call-ID, CSeq and Max-Forwards must be among them.
    pub headers: Vec<(Name, String)>,
    /// Body.
    pub body: Option<OutBody>,
}

impl Draft {
    /// A request without headers.
    pub fn new(method: Method, uri: impl Into<String>) -> Self {
        Self { method, uri: uri.into(), headers: Vec::new(), body: None }
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

    /// First value of a header.
    pub fn get(&self, name: Name) -> Option<&str> {
        self.headers.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
    }

    /// The message with this Via value on top. Content-Type and Content-Length come from the body, last.
    pub fn to_wire(&self, via: &str) -> Bytes {
        let body = self.body.as_ref();
        let mut out = Writer::new(size(&self.headers, body) + self.uri.len() + via.len() + 32);
        out.octets(self.method.text().as_bytes());
        out.octets(b" ");
        out.text(&self.uri);
        out.octets(b" SIP/2.0\r\n");
        out.header(Name::Via, via);
        for (name, value) in &self.headers {
            out.header(*name, value);
        }
        out.finish(body)
    }
}
