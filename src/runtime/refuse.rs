//! What is answered while there is no node: 503 to everything, without state.

use crate::config::Limits;
use crate::env::Ids;
use crate::node::Input;
use crate::procedure::RETRY_AFTER_SECONDS;
use crate::sip::message::{Method, Reply, Request};
use crate::sip::transaction::{Hasher, Path, Transmit, reply_flow};
use crate::sip::wire::{self, Name};

/// Answers in the place of a node.
pub struct Refuser {
    limits: Limits,
    hasher: Hasher,
}

impl Refuser {
    /// The tags of its answers are drawn from `ids`.
    pub fn new(limits: Limits, mut ids: Ids) -> Self {
        Self { limits, hasher: Hasher::new((ids.number(), ids.number())) }
    }

    /// The 503 to a request that nobody can handle now; `None` if there is nothing to answer.
    pub fn unavailable(&self, input: Input) -> Option<Transmit> {
        let (flow, message) = match input {
            Input::Datagram { flow, octets } => (flow, wire::datagram(octets, &self.limits).ok()??),
            Input::Stream { flow, octets } => (flow, wire::message(octets, &self.limits).ok()?),
            Input::Broken { .. } | Input::Unreachable { .. } | Input::Tick => return None,
        };
        if let wire::Start::Response { .. } = message.start() {
            return None;
        }
        let request = Request::read(message).ok()?;
        if request.method() == Method::Ack {
            return None;
        }
        // The same tag for each repetition (RFC 3261 8.2.7).
        let branch = request.top_via().branch.as_deref().unwrap_or_default();
        let key = [branch, request.call_id(), request.from_tag(), request.method_token()].join("\0");
        let reply = Reply::new(503).header(Name::RetryAfter, RETRY_AFTER_SECONDS.to_string());
        let octets = reply.to_wire(&request, Some(&self.hasher.tag(key.as_bytes())), flow.peer);
        let path = Path::Flow(reply_flow(flow, request.top_via()));
        Some(Transmit { path, octets, ticket: None, answers: None, trying: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Transport;
    use crate::sip::transaction::Flow;
    use bytes::Bytes;

    const FLOW: Flow = Flow {
        transport: Transport::Udp,
        listener: 0,
        peer: std::net::SocketAddr::V4(std::net::SocketAddrV4::new(
            std::net::Ipv4Addr::new(192, 0, 2, 1),
            5099,
        )),
        connection: 0,
    };

    fn message(method: &str, via: &str) -> Input {
        let octets = Bytes::from(format!(
            "{method} sip:a@b.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1{via}\r\n\
             From: <sip:c@b.example>;tag=1\r\nTo: <sip:a@b.example>\r\nCall-ID: x\r\nCSeq: 1 {method}\r\n\
             Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        ));
        Input::Datagram { flow: FLOW, octets }
    }

    fn refuser() -> Refuser {
        Refuser::new(Limits::default(), Ids::new([1; 32]))
    }

    #[test]
    fn a_request_is_told_to_come_back_and_a_repetition_hears_the_same() {
        let refuser = refuser();
        let answer = refuser.unavailable(message("OPTIONS", "")).expect("an answer");
        let text = String::from_utf8_lossy(&answer.octets).into_owned();
        assert!(text.starts_with("SIP/2.0 503 "), "{text}");
        assert!(text.contains("Retry-After: 5\r\n"), "{text}");
        let again = refuser.unavailable(message("OPTIONS", "")).expect("an answer");
        assert_eq!(again.octets, answer.octets);
    }

    #[test]
    fn the_answer_goes_to_sent_by_or_with_rport_to_the_source() {
        let to = |via: &str| match refuser().unavailable(message("INVITE", via)).expect("an answer").path {
            Path::Flow(flow) => flow.peer.port(),
            Path::Address { .. } => panic!("not over the flow"),
        };
        assert_eq!((to(""), to(";rport")), (5060, 5099));
    }

    #[test]
    fn what_asks_nothing_is_not_answered() {
        let refuser = refuser();
        assert!(refuser.unavailable(message("ACK", "")).is_none());
        for octets in [&b"\r\n\r\n"[..], b"SIP/2.0 200 OK\r\n\r\n", b"x"] {
            let octets = Bytes::from_static(octets);
            assert!(refuser.unavailable(Input::Datagram { flow: FLOW, octets: octets.clone() }).is_none());
            assert!(refuser.unavailable(Input::Stream { flow: FLOW, octets }).is_none());
        }
        assert!(refuser.unavailable(Input::Tick).is_none());
    }
}
