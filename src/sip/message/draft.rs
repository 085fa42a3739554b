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

#[cfg(test)]
mod tests {
    use super::*;
    use rsip::prelude::{HeadersExt, UntypedHeader};

    fn draft() -> Draft {
        Draft::new(Method::Invite, "sip:fire@two.example")
            .header(Name::MaxForwards, "70")
            .header(Name::Route, "<sip:p.two.example;lr>")
            .header(Name::From, "<sip:a@one.example>;tag=f")
            .header(Name::To, "<sip:fire@two.example>")
            .header(Name::CallId, "c@one")
            .header(Name::CSeq, "1 INVITE")
    }

    #[test]
    fn headers_stand_in_their_order_between_via_and_content_length() {
        let octets = draft().body("application/sdp", "v=0\r\n").to_wire("SIP/2.0/UDP h;branch=z9hG4bK1");
        assert_eq!(
            octets,
            "INVITE sip:fire@two.example SIP/2.0\r\n\
             Via: SIP/2.0/UDP h;branch=z9hG4bK1\r\n\
             Max-Forwards: 70\r\n\
             Route: <sip:p.two.example;lr>\r\n\
             From: <sip:a@one.example>;tag=f\r\n\
             To: <sip:fire@two.example>\r\n\
             Call-ID: c@one\r\n\
             CSeq: 1 INVITE\r\n\
             Content-Type: application/sdp\r\n\
             Content-Length: 5\r\n\
             \r\n\
             v=0\r\n"
        );
        assert!(draft().to_wire("SIP/2.0/UDP h").ends_with(b"\r\nContent-Length: 0\r\n\r\n"));
    }

    #[test]
    fn no_value_can_begin_a_header_of_its_own() {
        let octets =
            draft().header(Name::Subject, "a\r\nP-Asserted-Identity: <sip:boss@x>\n b").to_wire("h\rX: y");
        let text = String::from_utf8_lossy(&octets);
        assert!(text.contains("\r\nSubject: a  P-Asserted-Identity: <sip:boss@x>  b\r\n"));
        assert!(text.contains("\r\nVia: h X: y\r\n"));
    }

    #[test]
    fn rsip_reads_what_we_write() {
        for method in Method::ALL {
            let mut draft = draft();
            draft.method = method;
            let octets =
                draft.body("text/plain", "hello").to_wire("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1");
            let theirs = rsip::Request::try_from(octets.to_vec()).expect("rsip reads it");
            assert_eq!(theirs.method, rsip::Method::try_from(method).expect("known"));
            assert_eq!(theirs.call_id_header().map(|id| id.value()), Ok("c@one"));
            assert_eq!(theirs.max_forwards_header().map(|hops| hops.value()), Ok("70"));
            assert_eq!(theirs.body, b"hello");
        }
    }
}
