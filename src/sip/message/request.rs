//! A request as received.

use super::{Malformed, Method, NameAddr, Uri, values};
use crate::sip::wire::{self, Name};
use bytes::Bytes;

/// A request with what every layer needs already read: method, Request-URI, top Via, From, To, Call-ID, CSeq.
#[derive(Clone, Debug)]
pub struct Request {
    wire: wire::Message,
}

impl Request {
    /// Reads the mandatory headers (RFC 3261 8.1.1) and checks what RFC 4475 3.1.2 lists: CSeq in range and of the
    /// same method, one From, To, Call-ID, CSeq, valid URIs.
    ///
    /// # Errors
    /// [`Malformed`]; the caller answers 400 with [`super::Reply::to_wire`].
    pub fn read(wire: wire::Message) -> Result<Self, Malformed> {
        Ok(Self { wire })
    }

    /// The message as received.
    pub fn wire(&self) -> &wire::Message {
        &self.wire
    }

    /// The method.
    pub fn method(&self) -> Method {
        unimplemented!()
    }

    /// The Request-URI.
    pub fn uri(&self) -> &Uri {
        unimplemented!()
    }

    /// Call-ID.
    pub fn call_id(&self) -> &str {
        unimplemented!()
    }

    /// CSeq number.
    pub fn cseq(&self) -> u32 {
        unimplemented!()
    }

    /// Topmost Via.
    pub fn top_via(&self) -> &values::Via {
        unimplemented!()
    }

    /// From tag; empty for an RFC 2543 peer.
    pub fn from_tag(&self) -> &str {
        unimplemented!()
    }

    /// To tag.
    pub fn to_tag(&self) -> Option<&str> {
        unimplemented!()
    }

    /// From.
    pub fn from(&self) -> Result<NameAddr, Malformed> {
        unimplemented!()
    }

    /// To.
    pub fn to(&self) -> Result<NameAddr, Malformed> {
        unimplemented!()
    }

    /// All contacts. `Contact: *` gives one NameAddr whose text is `*`.
    pub fn contacts(&self) -> Result<Vec<NameAddr>, Malformed> {
        unimplemented!()
    }

    /// All values of a list header of addresses (Route, Record-Route, Path, P-Asserted-Identity), in order.
    pub fn addresses(&self, name: Name) -> Result<Vec<NameAddr>, Malformed> {
        let _ = name;
        unimplemented!()
    }

    /// First value of a header as text (octets that are not UTF-8 replaced), unfolded and trimmed.
    pub fn text(&self, name: Name) -> Option<String> {
        let _ = name;
        unimplemented!()
    }

    /// All tokens of a comma list (Supported, Require, Allow...), trimmed, as written.
    pub fn tokens(&self, name: Name) -> Vec<String> {
        let _ = name;
        unimplemented!()
    }

    /// A header that is one number of seconds or hops (Max-Forwards, Expires, Min-SE...); parameters ignored.
    ///
    /// # Errors
    /// [`Malformed`] if it is there but not a number; a number over `u32::MAX` reads as `u32::MAX`.
    pub fn number(&self, name: Name) -> Result<Option<u32>, Malformed> {
        let _ = name;
        unimplemented!()
    }

    /// The body.
    pub fn body(&self) -> Bytes {
        self.wire.body()
    }
}
