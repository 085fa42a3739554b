//! Cuts a stream into messages (RFC 3261 18.3, RFC 5626 3.5.1).

use crate::config::Limits;
use bytes::{Bytes, BytesMut};

/// Finds message ends in a growing buffer; remembers how far it looked, so that octets that trickle in cost no more.
#[derive(Debug, Default)]
pub struct Framer {
    searched: usize,
}

/// What the front of the buffer is.
#[derive(Debug)]
pub enum Framed {
    /// A whole message, cut out of the buffer.
    Message(Bytes),
    /// A double CRLF: answer with one CRLF (RFC 5626 keep-alive).
    Ping,
    /// More octets are needed.
    More,
    /// Framing is lost; the connection must be closed. Holds the head of the message where an answer may be possible.
    Broken {
        /// What was wrong, for the log.
        place: &'static str,
        /// The message head, if one was complete.
        head: Option<Bytes>,
    },
}

impl Framer {
    /// Takes the next thing from the front of `buffer`.
    pub fn next(&mut self, buffer: &mut BytesMut, limits: &Limits) -> Framed {
        let _ = (buffer, limits);
        unimplemented!()
    }
}
