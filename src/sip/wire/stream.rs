//! Cuts a stream into messages (RFC 3261 18.3, RFC 5626 3.5.1).

use super::Name;
use super::lines;
use super::octet::is_token;
use crate::config::Limits;
use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem;

/// Finds message ends in a growing buffer; remembers how far it looked, so that octets that trickle in cost no more.
#[derive(Debug, Default)]
pub struct Framer {
    /// Octets at the front of the buffer in which no head ends.
    searched: usize,
    /// Length of the message at the front, once its head is complete.
    whole: Option<usize>,
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
    /// Framing is lost; the connection must be closed. Holds the head of the message where an answer may be possible:
    /// [`super::message`] tells which.
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
        if let Some(whole) = self.whole {
            return self.cut(buffer, whole);
        }
        if self.searched == 0 {
            match skip_blank_lines(buffer) {
                None => {}
                Some(framed) => return framed,
            }
        }
        // The end of the head may have begun in what was already searched.
        let from = self.searched.saturating_sub(3);
        let Some(at) = memmem::find(buffer.get(from..).unwrap_or_default(), b"\r\n\r\n") else {
            self.searched = buffer.len();
            if buffer.len() > limits.message_octets {
                return Framed::Broken { place: "message head too large", head: None };
            }
            return Framed::More;
        };
        let head = from + at + 4;
        let broken = |buffer: &mut BytesMut, place| Framed::Broken {
            place,
            head: Some(buffer.split_to(head).freeze()),
        };
        match body_length(buffer.get(..head).unwrap_or_default()) {
            Err(place) => broken(buffer, place),
            Ok(body) => match head.checked_add(body) {
                Some(whole) if whole <= limits.message_octets => {
                    self.whole = Some(whole);
                    self.cut(buffer, whole)
                }
                _ => broken(buffer, "message too large"),
            },
        }
    }

    fn cut(&mut self, buffer: &mut BytesMut, whole: usize) -> Framed {
        if buffer.len() < whole {
            return Framed::More;
        }
        *self = Self::default();
        Framed::Message(buffer.split_to(whole).freeze())
    }
}

/// Between messages: CRLF is skipped, two of them are a ping, and what cannot begin a message ends the connection.
fn skip_blank_lines(buffer: &mut BytesMut) -> Option<Framed> {
    loop {
        match buffer.as_ref() {
            [] | [b'\r'] | [b'\r', b'\n'] | [b'\r', b'\n', b'\r'] => return Some(Framed::More),
            [b'\r', b'\n', b'\r', b'\n', ..] => {
                buffer.advance(4);
                return Some(Framed::Ping);
            }
            [b'\r', b'\n', ..] => buffer.advance(2),
            [octet, ..] if is_token(*octet) => return None,
            _ => return Some(Framed::Broken { place: "not the beginning of a message", head: None }),
        }
    }
}

/// Octets of the body that this head announces. Without a readable number there is no telling where the next message
/// begins; neither is there if peers may disagree on what the header lines are.
fn body_length(head: &[u8]) -> Result<usize, &'static str> {
    let mut found = None;
    let mut at = 0;
    while let Some(line) = lines::line(head, at)
        && line.start != line.end
    {
        at = line.next;
        if line.bare {
            return Err("line ends without CRLF");
        }
        let Some(header) = lines::header(head, &line) else { continue };
        if header.name == Name::ContentLength {
            let value = head.get(header.value.0 as usize..header.value.1 as usize).unwrap_or_default();
            let length = lines::content_length(value).ok_or("Content-Length is not a number")?;
            if found.replace(length).is_some() {
                return Err("Content-Length twice");
            }
        }
    }
    found.ok_or("Content-Length missing")
}
