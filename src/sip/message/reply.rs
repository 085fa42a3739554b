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
        _ => match status / 100 {
            1 => "Session Progress",
            2 => "OK",
            3 => "Redirected",
            4 => "Request Failed",
            5 => "Server Failed",
            _ => "Failed",
        },
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

    /// The Via lines of the answer to a request with this Via line.
    fn answered_via(via: &str, peer: &str) -> String {
        let request = request(&INVITE.replace("SIP/2.0/UDP 192.0.2.9:5060 ; branch=z9hG4bK1", via));
        let answer = text(&Reply::new(100).to_wire(&request, None, peer.parse().expect("address")));
        answer
            .lines()
            .nth(1)
            .unwrap_or_default()
            .replace(", SIP/2.0/TCP one.example;branch=z9hG4bK2;x=\"a,b\"", "")
    }

    #[test]
    fn the_top_via_tells_where_the_request_came_from() {
        for (via, peer, answered) in [
            ("SIP/2.0/UDP 192.0.2.9;a=b", "192.0.2.9:1", "Via: SIP/2.0/UDP 192.0.2.9;a=b"),
            ("SIP/2.0/UDP 192.0.2.9", "[::ffff:192.0.2.9]:1", "Via: SIP/2.0/UDP 192.0.2.9"),
            ("SIP/2.0/UDP h : 5 ;a=b", "192.0.2.9:1", "Via: SIP/2.0/UDP h : 5;received=192.0.2.9 ;a=b"),
            ("SIP/2.0/UDP 192.0.2.8", "192.0.2.9:1", "Via: SIP/2.0/UDP 192.0.2.8;received=192.0.2.9"),
            (
                "SIP/2.0/UDP 192.0.2.9;rport",
                "192.0.2.9:77",
                "Via: SIP/2.0/UDP 192.0.2.9;received=192.0.2.9;rport=77",
            ),
            (
                "SIP/2.0/UDP h; rport = 5 ;received=1.1.1.1;b",
                "[2001:db8::1]:77",
                "Via: SIP/2.0/UDP h; rport=77 ;received=2001:db8::1;b",
            ),
            ("SIP/2.0/UDP [2001:DB8:0::1]", "[2001:db8::1]:1", "Via: SIP/2.0/UDP [2001:DB8:0::1]"),
            // What the sender claims to have been received from is never passed on.
            (
                "SIP/2.0/UDP 192.0.2.9;received=1.1.1.1",
                "192.0.2.9:1",
                "Via: SIP/2.0/UDP 192.0.2.9;received=192.0.2.9",
            ),
        ] {
            assert_eq!(answered_via(via, peer), answered, "{via}");
        }
    }

    #[test]
    fn the_to_tag_is_left_out_of_100_and_of_requests_that_have_one() {
        let within = request(&INVITE.replace("To: sip:b@two.example", "t: <sip:b@two.example> ; tag=theirs"));
        let to = |request: &Request, status: u16| {
            let answer = text(&Reply::new(status).to_wire(request, Some("ours"), peer()));
            answer.lines().find(|line| line.starts_with("To:")).unwrap_or_default().to_owned()
        };
        assert_eq!(to(&request(INVITE), 100), "To: sip:b@two.example");
        assert_eq!(to(&request(INVITE), 180), "To: sip:b@two.example;tag=ours");
        assert_eq!(to(&within, 200), "To: <sip:b@two.example> ; tag=theirs");
    }

    #[test]
    fn record_route_is_echoed_where_a_dialog_may_begin() {
        let routes = |method: &str, status: u16| {
            let request = request(&INVITE.replace("INVITE", method));
            text(&Reply::new(status).to_wire(&request, Some("ours"), peer()))
                .matches("Record-Route: ")
                .count()
        };
        for method in ["INVITE", "SUBSCRIBE", "NOTIFY", "REFER"] {
            assert_eq!(
                [100, 101, 180, 200, 299, 302, 486].map(|s| routes(method, s)),
                [0, 2, 2, 2, 2, 0, 0],
                "{method}"
            );
        }
        for method in ["MESSAGE", "BYE", "OPTIONS", "PUBLISH", "UPDATE"] {
            assert_eq!(routes(method, 200), 0, "{method}");
        }
    }

    #[test]
    fn what_cannot_be_answered_is_not() {
        let lenient = |text: &str| Reply::new(400).to_wire_lenient(&message(text), "ours", peer());
        assert!(lenient(INVITE).is_some());
        assert_eq!(lenient(&INVITE.replace("INVITE", "ACK")), None);
        assert_eq!(lenient(&INVITE.replace("INVITE sip:b@two.example SIP/2.0", "SIP/2.0 200 OK")), None);
        assert_eq!(lenient(&INVITE.replace("CSeq", "X")), None);
        assert_eq!(lenient(&INVITE.replace("Via", "X").replace("v: ", "X: ")), None);
        assert_eq!(lenient(&INVITE.replace("SIP/2.0/UDP 192.0.2.9:5060", "SIP/2.0/UDP")), None);
    }

    #[test]
    fn an_answer_to_a_broken_request_has_one_line_for_each_header() {
        let broken = "OPTIONS sip:b@x SIP/2.0\r\nVia: SIP/2.0/UDP h;x\rContact: <sip:evil@x>\r\nCSeq: 1\r\n x OPTIONS\r\n\r\n";
        let Err(wire::Rejected::Answerable { message, status, place }) =
            wire::datagram(Bytes::from_static(broken.as_bytes()), &Limits::default())
        else {
            panic!("taken")
        };
        assert_eq!((status, place), (400, "line ends without CRLF"));
        let answer = Reply::new(status).to_wire_lenient(&message, "ours", peer()).expect("an answer");
        assert_eq!(
            answer,
            "SIP/2.0 400 Bad Request\r\n\
             Via: SIP/2.0/UDP h;received=192.0.2.9;x Contact: <sip:evil@x>\r\n\
             CSeq: 1   x OPTIONS\r\n\
             Content-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn reasons_stay_on_their_line() {
        let mut reply = Reply::new(400);
        reply.reason = Some("CSeq\r\nX: y".to_owned());
        let answer = reply.to_wire(&request(INVITE), Some("ours"), peer());
        assert!(answer.starts_with(b"SIP/2.0 400 CSeq  X: y\r\nVia"));
    }

    #[test]
    fn every_status_code_has_a_phrase() {
        assert!((100..700).all(|status| !reason_phrase(status).is_empty()));
        assert_eq!(
            (reason_phrase(299), reason_phrase(450), reason_phrase(699)),
            ("OK", "Request Failed", "Failed")
        );
    }

    #[test]
    fn rsip_reads_what_we_write() {
        use rsip::prelude::{HeadersExt, UntypedHeader};
        let plain = INVITE.replace("CSeq: 7\n \x20INVITE", "CSeq: 7 INVITE");
        for status in [100, 180, 200, 302, 486, 603] {
            let octets =
                Reply::new(status).body("text/plain", "hi").to_wire(&request(&plain), Some("ours"), peer());
            let theirs = rsip::Response::try_from(octets.to_vec()).expect("rsip reads it");
            assert_eq!(theirs.status_code, rsip::StatusCode::from(status));
            assert_eq!(theirs.call_id_header().map(|id| id.value()), Ok("call@one"));
            assert_eq!(theirs.cseq_header().map(|cseq| cseq.value()), Ok("7 INVITE"));
            assert_eq!(theirs.body, b"hi");
        }
    }
}
