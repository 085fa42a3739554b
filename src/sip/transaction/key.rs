//! What a request is matched by: RFC 3261 17.2.3 (transactions) and 8.2.2.2 (merged requests).

use crate::sip::message::{Method, Request, Via};
use siphasher::sip::SipHasher13;

/// What the branch of an RFC 3261 element begins with.
pub const COOKIE: &str = "z9hG4bK";
/// Port of a URI or sent-by without one (RFC 3261 18.1.1 and 19.1.2).
pub const DEFAULT_PORT: u16 = 5060;

/// Hashes what peers choose, with keys they do not know.
#[derive(Clone, Debug)]
pub struct Hasher {
    places: SipHasher13,
    tags: SipHasher13,
}

impl Hasher {
    /// A hasher with this key.
    pub fn new(key: (u64, u64)) -> Self {
        // Tags are seen by peers, places in tables must not be: two keys.
        let tags = (key.0 ^ 0x7461_6773_7461_6773, key.1.rotate_left(32));
        Self {
            places: SipHasher13::new_with_keys(key.0, key.1),
            tags: SipHasher13::new_with_keys(tags.0, tags.1),
        }
    }

    /// Where a key has its place.
    pub fn place(&self, key: &[u8]) -> u64 {
        self.places.hash(key)
    }

    /// The To tag of an answer without state: the same for each repetition of the request (RFC 3261 8.2.7).
    pub fn tag(&self, key: &[u8]) -> String {
        format!("{:016x}", self.tags.hash(key))
    }

    /// Whether [`Self::tag`] gave this tag.
    pub fn gave(&self, tag: &str, key: &[u8]) -> bool {
        tag.len() == 16 && u64::from_str_radix(tag, 16) == Ok(self.tags.hash(key))
    }
}

/// Writes the key of the server transaction that a request belongs to if its method were `method`: that of the INVITE
/// for its ACK and CANCEL. `to_tag` counts only for a request without the cookie of RFC 3261.
pub fn transaction(key: &mut Vec<u8>, request: &Request, method: Method, to_tag: &str) {
    key.clear();
    let via = request.top_via();
    let branch = via.branch.as_deref().unwrap_or_default();
    if is_rfc3261(via) {
        key.push(3);
        part(key, branch.as_bytes());
    } else {
        key.push(2);
        part(key, request.uri().as_str().as_bytes());
        part(key, branch.as_bytes());
        part(key, via.transport.as_bytes());
        part(key, request.from_tag().as_bytes());
        part(key, to_tag.as_bytes());
        part(key, request.call_id().as_bytes());
        key.extend_from_slice(&request.cseq().to_be_bytes());
    }
    part(key, via.host.as_bytes());
    key.extend_from_slice(&via.port.unwrap_or(DEFAULT_PORT).to_be_bytes());
    method_part(key, request, method);
}

/// Writes what two requests have in common that came over different ways but were one when they set out.
pub fn merged(key: &mut Vec<u8>, request: &Request) {
    key.clear();
    part(key, request.call_id().as_bytes());
    part(key, request.from_tag().as_bytes());
    key.extend_from_slice(&request.cseq().to_be_bytes());
    method_part(key, request, request.method());
}

/// Whether the branch of this Via names a transaction. The bare cookie does not (RFC 4475 3.2.1).
pub fn is_rfc3261(via: &Via) -> bool {
    via.branch.as_deref().is_some_and(|branch| branch.len() > COOKIE.len() && branch.starts_with(COOKIE))
}

/// With its length, so that no two lists of parts read alike.
fn part(key: &mut Vec<u8>, octets: &[u8]) {
    key.extend_from_slice(&(octets.len() as u32).to_be_bytes());
    key.extend_from_slice(octets);
}

fn method_part(key: &mut Vec<u8>, request: &Request, method: Method) {
    key.push(method as u8);
    if method == Method::Other {
        key.extend_from_slice(request.method_token().as_bytes());
    }
}
