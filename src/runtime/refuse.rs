//! What is answered while there is no node: 503 to everything, without state.

use crate::config::Limits;
use crate::env::Ids;
use crate::procedure::RETRY_AFTER_SECONDS;
use crate::sip::message::{Method, Reply, Request};
use crate::sip::transaction::{Flow, Path, Transmit};
use crate::sip::wire::{self, Name};
use bytes::Bytes;

/// The 503 to a request that nobody can handle now; `None` if it gets no answer.
pub fn unavailable(flow: Flow, octets: Bytes, limits: &Limits, ids: &mut Ids) -> Option<Transmit> {
    let message = wire::datagram(octets, limits).ok()??;
    if let wire::Start::Response { .. } = message.start() {
        return None;
    }
    let request = Request::read(message).ok()?;
    if request.method() == Method::Ack {
        return None;
    }
    let reply = Reply::new(503).header(Name::RetryAfter, RETRY_AFTER_SECONDS.to_string());
    let octets = reply.to_wire(&request, Some(&ids.tag()), flow.peer);
    Some(Transmit { path: Path::Flow(flow), octets, ticket: None, answers: None, trying: true })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Transport;

    #[test]
    fn a_request_is_told_to_come_back_and_an_ack_is_not_answered() {
        let flow = Flow {
            transport: Transport::Udp,
            listener: 0,
            peer: "192.0.2.1:5060".parse().expect("address"),
            connection: 0,
        };
        let message = |method: &str| {
            Bytes::from(format!(
                "{method} sip:a@b.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
                 From: <sip:c@b.example>;tag=1\r\nTo: <sip:a@b.example>\r\nCall-ID: x\r\nCSeq: 1 {method}\r\n\
                 Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
            ))
        };
        let (limits, mut ids) = (Limits::default(), Ids::new([1; 32]));
        let answer = unavailable(flow, message("OPTIONS"), &limits, &mut ids).expect("an answer");
        let text = String::from_utf8_lossy(&answer.octets).into_owned();
        assert!(text.starts_with("SIP/2.0 503 "), "{text}");
        assert!(text.contains("Retry-After: 5\r\n"), "{text}");
        assert!(unavailable(flow, message("ACK"), &limits, &mut ids).is_none());
        assert!(unavailable(flow, Bytes::from_static(b"\r\n\r\n"), &limits, &mut ids).is_none());
    }
}
