//! A response on its way out.

use super::via::Marks;
use super::writer::{Writer, size};
use super::{NameAddr, OutBody, Request, Via};
use crate::sip::wire::{self, Name, Start};
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
        let tag = to_tag.filter(|_| self.status > 100 && request.to_tag().is_none());
        let echo_routes = (101..300).contains(&self.status) && request.method().may_create_dialog();
        self.write(request.wire(), request.marks(), tag, echo_routes, peer, Writer::octets)
    }

    /// The same for a request so broken that [`Request::read`] or the scanner refused it; `None` if it cannot be
    /// answered: it is an ACK, or has no Via whose sent-by can be read or no CSeq, without which the answer would not
    /// find its request. What else is missing is left out, of what is there twice the first is copied, and no octet
    /// that is copied ends a line.
    pub fn to_wire_lenient(&self, request: &wire::Message, to_tag: &str, peer: SocketAddr) -> Option<Bytes> {
        match request.start() {
            Start::Request { method, .. } if method != b"ACK" => {}
            Start::Request { .. } | Start::Response { .. } => return None,
        }
        let top = request.raw(Name::Via).next()?;
        request.raw(Name::CSeq).next()?;
        let marks = match Via::read(top) {
            Ok((_, marks, _)) => marks,
            Err(_) => Via::sent(top).ok()?.2,
        };
        let has_tag = |to: &[u8]| NameAddr::parse(to).is_ok_and(|to| to.param("tag").is_some());
        let tag = (self.status > 100 && !request.raw(Name::To).next().is_some_and(has_tag)).then_some(to_tag);
        Some(self.write(request, &marks, tag, false, peer, Writer::one_line))
    }

    fn write(
        &self,
        request: &wire::Message,
        marks: &Marks,
        to_tag: Option<&str>,
        echo_routes: bool,
        peer: SocketAddr,
        copy: fn(&mut Writer, &[u8]),
    ) -> Bytes {
        let body = self.body.as_ref();
        let copied: usize =
            request.raw_lines().filter(|(name, _)| is_copied(*name)).map(|(_, value)| value.len() + 16).sum();
        let mut out = Writer::new(copied + size(&self.headers, body) + 160);
        out.octets(b"SIP/2.0 ");
        out.number(usize::from(self.status));
        out.octets(b" ");
        out.text(self.reason.as_deref().unwrap_or_else(|| reason_phrase(self.status)));
        out.octets(b"\r\n");

        let mut vias = request.raw(Name::Via);
        if let Some(top) = vias.next() {
            out.name(Name::Via);
            write_top_via(&mut out, top, marks, peer, copy);
            out.end_line();
        }
        let line = |out: &mut Writer, name: Name, value: &[u8]| {
            out.name(name);
            copy(out, value);
            if let Some(tag) = to_tag.filter(|_| name == Name::To) {
                out.octets(b";tag=");
                out.text(tag);
            }
            out.end_line();
        };
        vias.for_each(|via| line(&mut out, Name::Via, via));
        for name in [Name::From, Name::To, Name::CallId, Name::CSeq] {
            request.raw(name).take(1).for_each(|value| line(&mut out, name, value));
        }
        if echo_routes {
            request.raw(Name::RecordRoute).for_each(|route| line(&mut out, Name::RecordRoute, route));
        }
        for (name, value) in &self.headers {
            out.header(*name, value);
        }
        out.finish(body)
    }
}

fn is_copied(name: Name) -> bool {
    matches!(name, Name::Via | Name::From | Name::To | Name::CallId | Name::CSeq | Name::RecordRoute)
}

/// Writes the top Via line with what the transport layer saw: `received` if the sender is not where sent-by says or
/// asked for `rport` (RFC 3261 18.2.1, RFC 3581 4), else octet by octet as it came.
fn write_top_via(
    out: &mut Writer,
    line: &[u8],
    marks: &Marks,
    peer: SocketAddr,
    copy: fn(&mut Writer, &[u8]),
) {
    let peer_ip = peer.ip().to_canonical();
    let honest = marks.address.is_some_and(|address| address.to_canonical() == peer_ip);
    if honest && marks.rport.is_none() && marks.received.is_none() {
        return copy(out, line);
    }
    let received = (marks.received.unwrap_or((marks.sent_by, marks.sent_by)), false);
    let port = marks.rport.map(|span| (span, true));
    let (first, second) = match port {
        Some(port) if port < received => (port, Some(received)),
        port => (received, port),
    };
    let mut at = 0;
    for ((from, to), is_port) in std::iter::once(first).chain(second) {
        copy(out, line.get(at..from as usize).unwrap_or_default());
        if is_port {
            out.octets(b"rport=");
            out.number(usize::from(peer.port()));
        } else {
            out.octets(if from == to { b";received=" } else { b"received=" });
            out.display(peer_ip);
        }
        at = to as usize;
    }
    copy(out, line.get(at..).unwrap_or_default());
}

/// The usual reason phrase of a status code (RFC 3261 21 and the registry); that of its class for an unknown one.
pub fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        199 => "Early Dialog Terminated",
        200 => "OK",
        202 => "Accepted",
        204 => "No Notification",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        305 => "Use Proxy",
        380 => "Alternative Service",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        412 => "Conditional Request Failed",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        417 => "Unknown Resource-Priority",
        420 => "Bad Extension",
        421 => "Extension Required",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        424 => "Bad Location Information",
        428 => "Use Identity Header",
        429 => "Provide Referrer Identity",
        430 => "Flow Failed",
        433 => "Anonymity Disallowed",
        437 => "Unsupported Credential",
        438 => "Invalid Identity Header",
        439 => "First Hop Lacks Outbound Support",
        440 => "Max-Breadth Exceeded",
        469 => "Bad Info Package",
        470 => "Consent Needed",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        485 => "Ambiguous",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        493 => "Undecipherable",
        494 => "Security Agreement Required",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        555 => "Push Notification Service Not Supported",
        580 => "Precondition Failure",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        607 => "Unwanted",
        608 => "Rejected",
        101..=199 => "Session Progress",
        201..=299 => "OK",
        301..=399 => "Redirected",
        401..=499 => "Request Failed",
        501..=599 => "Server Failed",
        _ => "Failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Limits;

    fn message(text: &str) -> wire::Message {
        wire::datagram(Bytes::from(text.replace('\n', "\r\n")), &Limits::default())
            .expect("read")
            .expect("a message")
    }

    fn request(text: &str) -> Request {
        Request::read(message(text)).expect("a request")
    }

    fn text(octets: &Bytes) -> String {
        String::from_utf8_lossy(octets).replace("\r\n", "\n")
    }

    fn peer() -> SocketAddr {
        "192.0.2.9:5099".parse().expect("address")
    }

    const INVITE: &str = "INVITE sip:b@two.example SIP/2.0\n\
        v: SIP/2.0/UDP 192.0.2.9:5060 ; branch=z9hG4bK1, SIP/2.0/TCP one.example;branch=z9hG4bK2;x=\"a,b\"\n\
        Record-Route: <sip:p1.example;lr>, <sip:p2.example;lr>\n\
        f: \"A \\\"B\\\"\" <sip:a@one.example>;tag=from\n\
        To: sip:b@two.example\n\
        i: call@one\n\
        Via: SIP/2.0/UDP three.example\n\
        CSeq: 7\n \x20INVITE\n\
        Max-Forwards: 70\n\
        record-route: <sip:p3.example;lr>\n\
        \n";

    #[test]
    fn an_answer_copies_what_the_request_says_and_adds_a_tag() {
        let reply = Reply::new(200).header(Name::Contact, "<sip:us@two.example>").body("text/plain", "hello");
        assert_eq!(
            text(&reply.to_wire(&request(INVITE), Some("ours"), peer())),
            "SIP/2.0 200 OK\n\
             Via: SIP/2.0/UDP 192.0.2.9:5060 ; branch=z9hG4bK1, SIP/2.0/TCP one.example;branch=z9hG4bK2;x=\"a,b\"\n\
             Via: SIP/2.0/UDP three.example\n\
             From: \"A \\\"B\\\"\" <sip:a@one.example>;tag=from\n\
             To: sip:b@two.example;tag=ours\n\
             Call-ID: call@one\n\
             CSeq: 7\n \x20INVITE\n\
             Record-Route: <sip:p1.example;lr>, <sip:p2.example;lr>\n\
             Record-Route: <sip:p3.example;lr>\n\
             Contact: <sip:us@two.example>\n\
             Content-Type: text/plain\n\
             Content-Length: 5\n\
             \n\
             hello"
        );
    }
}
