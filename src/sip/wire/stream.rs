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

#[cfg(test)]
mod tests {
    use super::*;

    const BYE: &[u8] = b"BYE sip:a SIP/2.0\r\nVia: x\r\nCSeq: 1 BYE\r\nl: 4\r\n\r\nbody";

    fn next(framer: &mut Framer, buffer: &mut BytesMut) -> Framed {
        framer.next(buffer, &Limits::default())
    }

    fn broken(octets: &[u8], limits: &Limits) -> (&'static str, bool) {
        match Framer::default().next(&mut BytesMut::from(octets), limits) {
            Framed::Broken { place, head } => (place, head.is_some()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn messages_come_out_whole_when_octets_trickle_in() {
        let (mut framer, mut buffer) = (Framer::default(), BytesMut::new());
        let mut messages = 0;
        for octet in [BYE, BYE].concat() {
            assert!(matches!(next(&mut framer, &mut buffer), Framed::More));
            buffer.extend_from_slice(&[octet]);
            if buffer.len() == BYE.len() {
                let Framed::Message(message) = next(&mut framer, &mut buffer) else { panic!("no message") };
                assert_eq!(message, BYE);
                messages += 1;
            }
        }
        assert_eq!((messages, buffer.len()), (2, 0));
    }

    #[test]
    fn what_was_searched_is_not_searched_again() {
        let (mut framer, mut buffer) =
            (Framer::default(), BytesMut::from(&b"BYE sip:a SIP/2.0\r\nVia: x\r"[..]));
        assert!(matches!(next(&mut framer, &mut buffer), Framed::More));
        assert_eq!(framer.searched, buffer.len());
        // The blank line begins within what was searched.
        buffer.extend_from_slice(b"\nl: 0\r\n");
        assert!(matches!(next(&mut framer, &mut buffer), Framed::More));
        buffer.extend_from_slice(b"\r\n");
        assert!(matches!(next(&mut framer, &mut buffer), Framed::Message(_)));
        assert_eq!(framer.searched, 0);
    }

    #[test]
    fn a_double_crlf_between_messages_is_a_ping_and_a_single_one_is_skipped() {
        let (mut framer, mut buffer) = (Framer::default(), BytesMut::from(&b"\r\n\r\n\r\n"[..]));
        assert!(matches!(next(&mut framer, &mut buffer), Framed::Ping));
        assert!(matches!(next(&mut framer, &mut buffer), Framed::More));
        buffer.extend_from_slice(BYE);
        buffer.extend_from_slice(b"\r\n\r");
        assert!(matches!(next(&mut framer, &mut buffer), Framed::Message(message) if message == BYE));
        assert!(matches!(next(&mut framer, &mut buffer), Framed::More));
        buffer.extend_from_slice(b"\n");
        assert!(matches!(next(&mut framer, &mut buffer), Framed::Ping));
    }

    #[test]
    fn what_cannot_begin_a_message_ends_the_stream_at_once() {
        assert_eq!(
            broken(b"\x16\x03\x01\x02", &Limits::default()),
            ("not the beginning of a message", false)
        );
        assert_eq!(broken(b"\r\n \r\n", &Limits::default()), ("not the beginning of a message", false));
        assert_eq!(broken(b"\rX", &Limits::default()), ("not the beginning of a message", false));
    }

    #[test]
    fn a_head_without_a_sure_length_ends_the_stream_but_may_be_answered() {
        let with = |lines: &str| {
            let octets = format!("BYE sip:a SIP/2.0\r\nVia: x\r\nCSeq: 1 BYE\r\n{lines}\r\n");
            broken(octets.as_bytes(), &Limits::default())
        };
        assert_eq!(with(""), ("Content-Length missing", true));
        assert_eq!(with("l: 4\r\nl: 4\r\n"), ("Content-Length twice", true));
        assert_eq!(with("l: -4\r\n"), ("Content-Length is not a number", true));
        assert_eq!(with("Subject: a\nl: 4\r\n"), ("line ends without CRLF", true));
        assert_eq!(with("l: 65536\r\n"), ("message too large", true));
        assert_eq!(with("l: 18446744073709551615\r\n"), ("message too large", true));
    }

    #[test]
    fn a_message_up_to_the_limit() {
        let limits = |most: usize| Limits { message_octets: most, ..Limits::default() };
        let whole = Framer::default().next(&mut BytesMut::from(BYE), &limits(BYE.len()));
        assert!(matches!(whole, Framed::Message(_)));
        assert_eq!(broken(BYE, &limits(BYE.len() - 1)), ("message too large", true));
        let endless = [b'x'; 100];
        assert!(matches!(
            Framer::default().next(&mut BytesMut::from(&endless[..]), &limits(100)),
            Framed::More
        ));
        assert_eq!(broken(&endless, &limits(99)), ("message head too large", false));
    }
}
