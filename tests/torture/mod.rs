//! The messages of RFC 4475 and RFC 5118, taken as the server takes a datagram.

#![allow(dead_code, reason = "each of the tests that share this uses a part of it")]

use bytes::Bytes;
use rollcall::config::Limits;
use rollcall::sip::message::{Malformed, Reply, Request, Response};
use rollcall::sip::wire::{self, Rejected, Start};
use std::net::SocketAddr;

/// What becomes of a message before anything but its syntax is looked at.
#[derive(Debug)]
pub enum Verdict {
    Request(Box<Request>),
    Response(Box<Response>),
    /// Refused with an answer.
    Answer {
        status: u16,
        place: &'static str,
        text: String,
    },
    /// Dropped.
    Silence {
        place: &'static str,
    },
}

/// The octets of a message.
pub fn octets(folder: &str, name: &str) -> Bytes {
    let path = format!("{}/tests/torture/{folder}/{name}.dat", env!("CARGO_MANIFEST_DIR"));
    Bytes::from(std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}")))
}

/// Where all of them come from.
pub fn peer() -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 7], 5062))
}

/// Takes one message.
pub fn take(folder: &str, name: &str) -> Verdict {
    let answer = |message: &wire::Message, status: u16, place: &'static str| match Reply::new(status)
        .to_wire_lenient(message, "ours", peer())
    {
        Some(octets) => {
            Verdict::Answer { status, place, text: String::from_utf8_lossy(&octets).into_owned() }
        }
        None => Verdict::Silence { place },
    };
    let message = match wire::datagram(octets(folder, name), &Limits::default()) {
        Ok(message) => message.expect("not a keep-alive"),
        Err(Rejected::Silent { place }) => return Verdict::Silence { place },
        Err(Rejected::Answerable { message, status, place }) => return answer(&message, status, place),
    };
    match message.start() {
        Start::Request { .. } => match Request::read_or_return(message) {
            Ok(request) => Verdict::Request(Box::new(request)),
            Err(refused) => answer(&refused.0, 400, refused.1.place),
        },
        Start::Response { .. } => match Response::read(message) {
            Ok(response) => Verdict::Response(Box::new(response)),
            Err(Malformed { place }) => Verdict::Silence { place },
        },
    }
}

/// A request that is taken.
pub fn request(folder: &str, name: &str) -> Box<Request> {
    match take(folder, name) {
        Verdict::Request(request) => request,
        other => panic!("{name}: {other:?}"),
    }
}

/// A response that is taken.
pub fn response(folder: &str, name: &str) -> Box<Response> {
    match take(folder, name) {
        Verdict::Response(response) => response,
        other => panic!("{name}: {other:?}"),
    }
}

/// Asserts that the message is refused with this status for this reason, and gives the answer.
pub fn refused(folder: &str, name: &str, status: u16, place: &str) -> String {
    match take(folder, name) {
        Verdict::Answer { status: s, place: p, text } => {
            assert_eq!((s, p), (status, place), "{name}");
            assert!(text.starts_with(&format!("SIP/2.0 {status} ")), "{name}: {text}");
            text
        }
        other => panic!("{name}: {other:?}"),
    }
}
