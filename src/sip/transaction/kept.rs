//! Responses as they are kept for repetitions: for 32 seconds each, over UDP, so their size is what a busy server's
//! memory goes into. What stands behind CSeq is alike in most answers of a kind, and is kept once for all of them.

use bytes::{BufMut, Bytes, BytesMut};
use memchr::memmem;

/// Ends of responses that are compared; answers of that many kinds in turn still share.
const RECENT: usize = 4;

/// Octets from which an end is worth sharing.
const WORTH_SHARING: usize = 64;

/// A response: whole, or in two pieces of which the second is shared.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    head: Bytes,
    tail: Bytes,
}

impl Kept {
    /// A response that will be sent soon, as it is.
    pub fn whole(response: Bytes) -> Self {
        Self { head: response, tail: Bytes::new() }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.head.is_empty()
    }

    /// Whether it begins with these octets.
    pub fn starts_with(&self, octets: &[u8]) -> bool {
        self.head.starts_with(octets)
    }

    /// The response.
    pub fn octets(&self) -> Bytes {
        if self.tail.is_empty() {
            return self.head.clone();
        }
        let mut whole = BytesMut::with_capacity(self.head.len() + self.tail.len());
        whole.put_slice(&self.head);
        whole.put_slice(&self.tail);
        whole.freeze()
    }
}

/// The ends of the responses that were kept last.
#[derive(Debug, Default)]
pub struct Tails {
    recent: [Bytes; RECENT],
    oldest: usize,
}

impl Tails {
    /// Keeps a response in as little memory as it needs.
    pub fn keep(&mut self, response: &Kept) -> Kept {
        let whole = &response.head;
        if !response.tail.is_empty() {
            return response.clone();
        }
        let line = memmem::find(whole, b"\r\nCSeq: ").map(|at| at + 2);
        let split = line.and_then(|line| Some(line + memchr::memchr(b'\n', whole.get(line..)?)? + 1));
        let Some((head, tail)) = split.and_then(|at| whole.split_at_checked(at)) else {
            return Kept::whole(Bytes::copy_from_slice(whole));
        };
        if tail.len() < WORTH_SHARING {
            return Kept::whole(Bytes::copy_from_slice(whole));
        }
        let known = self.recent.iter().find(|known| *known == tail).cloned();
        let tail = known.unwrap_or_else(|| {
            let tail = Bytes::copy_from_slice(tail);
            if let Some(place) = self.recent.get_mut(self.oldest) {
                *place = tail.clone();
            }
            self.oldest = (self.oldest + 1) % RECENT;
            tail
        });
        Kept { head: Bytes::copy_from_slice(head), tail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(call_id: &str, end: &str) -> Kept {
        Kept::whole(Bytes::from(format!(
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1\r\nCall-ID: {call_id}\r\nCSeq: 1 OPTIONS\r\n{end}\r\n\r\n"
        )))
    }

    #[test]
    fn answers_that_end_alike_share_their_end_and_read_as_they_were() {
        let end = "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, REGISTER, MESSAGE, PUBLISH\r\nContent-Length: 0";
        let mut tails = Tails::default();
        let (one, other) = (response("a", end), response("b", end));
        let (kept_one, kept_other) = (tails.keep(&one), tails.keep(&other));
        assert_eq!(kept_one.octets(), one.octets());
        assert_eq!(kept_other.octets(), other.octets());
        assert_eq!(kept_one.tail.as_ptr(), kept_other.tail.as_ptr());
        assert!(kept_one.head.len() < 100);
        assert_eq!(tails.keep(&kept_one).octets(), one.octets(), "kept twice");
    }

    #[test]
    fn ends_of_a_few_kinds_in_turn_are_still_shared() {
        let ends: Vec<String> =
            (0..RECENT).map(|n| format!("Allow: {}\r\nContent-Length: 0", "X".repeat(80 + n))).collect();
        let mut tails = Tails::default();
        let first: Vec<Kept> = ends.iter().map(|end| tails.keep(&response("a", end))).collect();
        let second: Vec<Kept> = ends.iter().map(|end| tails.keep(&response("b", end))).collect();
        assert!(first.iter().zip(&second).all(|(a, b)| a.tail.as_ptr() == b.tail.as_ptr()));
    }

    #[test]
    fn what_is_short_or_strange_is_kept_whole() {
        let mut tails = Tails::default();
        let short = response("a", "Content-Length: 0");
        assert_eq!(tails.keep(&short).octets(), short.octets());
        assert!(tails.keep(&short).tail.is_empty());
        let strange = Kept::whole(Bytes::from_static(b"SIP/2.0 200 OK\r\nCSeq: 1"));
        assert_eq!(tails.keep(&strange).octets(), strange.octets());
        assert!(tails.keep(&Kept::default()).is_empty());
    }
}
