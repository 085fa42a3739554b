//! Messages that follow from one we wrote before: ACK and CANCEL from an INVITE, a 503 from another response, a
//! request with another Via.

use crate::config::Limits;
use crate::sip::message::{Draft, Method, NameAddr, Request};
use crate::sip::wire::{self, Name, Start};
use bytes::{BufMut, Bytes, BytesMut};
use memchr::memmem;

/// `Retry-After` of the 503 that stands for lack of room or of a working store, seconds.
pub const RETRY_AFTER_SECONDS: u32 = 5;

/// `503 Service Unavailable` in the place of another response that we built: same Via, From, To, Call-ID and CSeq,
/// `Retry-After`, no body. `None` if the octets are no response that could be final (a request, or `100 Trying`, which has
/// no To tag).
pub fn unavailable_instead(response: &Bytes) -> Option<Bytes> {
    let message = ours(response)?;
    match message.start() {
        Start::Response { status: 101.., .. } => {}
        Start::Response { .. } | Start::Request { .. } => return None,
    }
    let mut out = BytesMut::with_capacity(response.len());
    out.put_slice(b"SIP/2.0 503 Service Unavailable\r\n");
    for (name, value) in message.raw_lines() {
        if matches!(name, Name::Via | Name::From | Name::To | Name::CallId | Name::CSeq) {
            for part in [name.text().as_bytes(), b": ", value, b"\r\n"] {
                out.put_slice(part);
            }
        }
    }
    out.put_slice(format!("Retry-After: {RETRY_AFTER_SECONDS}\r\nContent-Length: 0\r\n\r\n").as_bytes());
    Some(out.freeze())
}

/// The To tag of a response that we built.
pub fn to_tag(response: &Bytes) -> Option<String> {
    let message = ours(response)?;
    let to = NameAddr::parse(message.raw(Name::To).next()?).ok()?;
    to.param("tag").map(str::to_owned)
}

/// The ACK of a failure of our INVITE: `to` is that of the response, all else the INVITE's (RFC 3261 17.1.1.3).
pub fn ack(invite: &Bytes, to: &[u8]) -> Option<Bytes> {
    follow(invite, Method::Ack, Some(to), None)
}

/// The CANCEL of our INVITE (RFC 3261 9.1), with a Reason (RFC 3326).
pub fn cancel(invite: &Bytes, reason: Option<&str>) -> Option<Bytes> {
    follow(invite, Method::Cancel, None, reason)
}

fn follow(invite: &Bytes, method: Method, to: Option<&[u8]>, reason: Option<&str>) -> Option<Bytes> {
    let invite = Request::read(ours(invite)?).ok()?;
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    let lines = |name| invite.wire().raw(name).map(text);
    let to = to.map(text).or_else(|| lines(Name::To).next())?;
    let mut draft = Draft::new(method, invite.uri().as_str());
    draft.headers.extend(lines(Name::Route).map(|route| (Name::Route, route)));
    draft.headers.extend(lines(Name::MaxForwards).map(|hops| (Name::MaxForwards, hops)));
    draft.headers.extend(lines(Name::From).map(|from| (Name::From, from)));
    draft.headers.push((Name::To, to));
    draft.headers.push((Name::CallId, invite.call_id().to_owned()));
    draft.headers.push((Name::CSeq, format!("{} {method}", invite.cseq())));
    draft.headers.extend(reason.map(|reason| (Name::Reason, reason.to_owned())));
    Some(draft.to_wire(&lines(Name::Via).next()?))
}

/// The same request with another Via, which is always the second line of what [`Draft::to_wire`] wrote.
pub fn with_via(request: &Bytes, via: &str) -> Option<Bytes> {
    let start = memmem::find(request, b"\r\n")? + 2;
    let rest = start + memmem::find(request.get(start..)?, b"\r\n")?;
    let mut out = BytesMut::with_capacity(request.len() + via.len());
    out.put_slice(request.get(..start)?);
    out.put_slice(b"Via: ");
    out.put_slice(via.as_bytes());
    out.put_slice(request.get(rest..)?);
    Some(out.freeze())
}

/// Reads a message that we wrote; the limits are for peers.
fn ours(octets: &Bytes) -> Option<wire::Message> {
    let limits = Limits {
        message_octets: usize::MAX,
        header_octets: usize::MAX,
        headers: usize::MAX,
        ..Limits::default()
    };
    wire::message(octets.clone(), &limits).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::message::Reply;

    const INVITE: &str = "INVITE sip:fire@192.0.2.9 SIP/2.0\r\n\
        Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport\r\n\
        Max-Forwards: 70\r\n\
        Route: <sip:192.0.2.3;lr>, <sip:192.0.2.4;lr>\r\n\
        Route: <sip:192.0.2.5;lr>\r\n\
        From: <sip:a@one.example>;tag=f\r\n\
        To: <sip:fire@one.example>\r\n\
        Call-ID: c@192.0.2.1\r\n\
        CSeq: 7 INVITE\r\n\
        Contact: <sip:192.0.2.1>\r\n\
        Content-Type: text/plain\r\n\
        Content-Length: 4\r\n\r\nbody";

    fn text(octets: Option<Bytes>) -> String {
        String::from_utf8(octets.expect("built").to_vec()).unwrap()
    }

    #[test]
    fn an_ack_has_the_branch_the_routes_and_the_to_of_the_response() {
        assert_eq!(
            text(ack(&Bytes::from(INVITE), b"<sip:fire@one.example>;tag=t")),
            "ACK sip:fire@192.0.2.9 SIP/2.0\r\n\
             Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport\r\n\
             Route: <sip:192.0.2.3;lr>, <sip:192.0.2.4;lr>\r\n\
             Route: <sip:192.0.2.5;lr>\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:a@one.example>;tag=f\r\n\
             To: <sip:fire@one.example>;tag=t\r\n\
             Call-ID: c@192.0.2.1\r\n\
             CSeq: 7 ACK\r\n\
             Content-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn a_cancel_has_the_to_of_the_invite_and_a_reason_that_stays_one_line() {
        let cancel = text(cancel(&Bytes::from(INVITE), Some("SIP;cause=200\r\nVia: x")));
        assert!(cancel.starts_with("CANCEL sip:fire@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;"));
        assert!(cancel.contains("\r\nTo: <sip:fire@one.example>\r\n"));
        assert!(cancel.contains("\r\nCSeq: 7 CANCEL\r\nReason: SIP;cause=200  Via: x\r\n"));
        assert!(!cancel.contains("Contact") && !cancel.contains("body"));
    }

    #[test]
    fn another_via_changes_nothing_else() {
        let changed = text(with_via(&Bytes::from(INVITE), "SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bK2"));
        assert_eq!(
            changed,
            INVITE.replace(
                "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport",
                "SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bK2"
            )
        );
    }

    #[test]
    fn a_503_keeps_what_finds_the_transaction_and_nothing_else() {
        let request = Request::read(ours(&Bytes::from(INVITE)).unwrap()).unwrap();
        let reply = Reply::new(200).header(Name::Contact, "<sip:x>").body("text/plain", "secret");
        let ok = reply.to_wire(&request, Some("t"), "192.0.2.1:5061".parse().unwrap());
        assert_eq!(to_tag(&ok).as_deref(), Some("t"));
        assert_eq!(
            text(unavailable_instead(&ok)),
            "SIP/2.0 503 Service Unavailable\r\n\
             Via: SIP/2.0/UDP 192.0.2.1:5060;received=192.0.2.1;branch=z9hG4bK1;rport=5061\r\n\
             From: <sip:a@one.example>;tag=f\r\n\
             To: <sip:fire@one.example>;tag=t\r\n\
             Call-ID: c@192.0.2.1\r\n\
             CSeq: 7 INVITE\r\n\
             Retry-After: 5\r\n\
             Content-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn only_a_response_that_can_be_final_becomes_a_503() {
        let request = Request::read(ours(&Bytes::from(INVITE)).unwrap()).unwrap();
        let trying = Reply::new(100).to_wire(&request, Some("t"), "192.0.2.1:5061".parse().unwrap());
        assert_eq!(unavailable_instead(&trying), None);
        assert_eq!(unavailable_instead(&Bytes::from(INVITE)), None);
        assert_eq!(unavailable_instead(&Bytes::from_static(b"nonsense")), None);
    }
}
