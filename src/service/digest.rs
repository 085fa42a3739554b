//! Digest authentication as a registrar needs it (RFC 7616, RFC 2617; RFC 3261 22): stateless nonces, MD5 and
//! SHA-256, `qop=auth`.

use crate::config::DigestAlgorithm;
use crate::env::Time;
use crate::model::User;
use crate::sip::message::Request;
use crate::sip::message::values::Digest as Credentials;
use crate::sip::wire::Name;
use sha2::{Digest as _, Sha256};
use std::fmt::Write;
use std::net::IpAddr;
use std::time::Duration;

/// How long a nonce is good; an older one is challenged again with `stale=true`.
const NONCE_LIFE: Duration = Duration::from_secs(300);

/// What the credentials of a request are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Good,
    Absent,
    Stale,
    Wrong,
}

/// How this server challenges.
#[derive(Clone, Debug)]
pub struct Digest {
    /// The realm.
    pub realm: String,
    /// Algorithms that are offered, and the only ones that are taken, in order of preference (RFC 8760).
    pub algorithms: Vec<DigestAlgorithm>,
    /// Key of the nonces.
    pub nonce_key: [u8; 32],
}

impl Digest {
    /// `WWW-Authenticate` values.
    pub(super) fn challenges(&self, now: Time, from: IpAddr, stale: bool) -> Vec<String> {
        let realm = &self.realm;
        let nonce = nonce(&self.nonce_key, now, from);
        let stale = if stale { ", stale=true" } else { "" };
        let challenge = |algorithm: &DigestAlgorithm| {
            let algorithm = algorithm.name();
            format!("Digest realm=\"{realm}\", nonce=\"{nonce}\", algorithm={algorithm}, qop=\"auth\"{stale}")
        };
        self.algorithms.iter().map(challenge).collect()
    }

    /// Checks the `Authorization` headers of a request.
    pub(super) fn verify(
        &self,
        request: &Request,
        user: &User,
        password: &str,
        (now, from): (Time, IpAddr),
    ) -> Verdict {
        let mut verdict = Verdict::Absent;
        for line in request.wire().headers(Name::Authorization) {
            let Ok(credentials) = Credentials::parse(&line) else {
                verdict = Verdict::Wrong;
                continue;
            };
            match self.verify_one(&credentials, request, user, password, (now, from)) {
                Verdict::Good => return Verdict::Good,
                Verdict::Absent => {}
                other => verdict = other,
            }
        }
        verdict
    }

    fn verify_one(
        &self,
        credentials: &Credentials,
        request: &Request,
        user: &User,
        password: &str,
        (now, from): (Time, IpAddr),
    ) -> Verdict {
        let realm = self.realm.as_str();
        let get =
            |name: &str| credentials.params.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
        if get("realm") != Some(realm) {
            return Verdict::Absent;
        }
        let (Some(username), Some(nonce_given), Some(uri), Some(response)) =
            (get("username"), get("nonce"), get("uri"), get("response"))
        else {
            return Verdict::Wrong;
        };
        let named = get("algorithm").unwrap_or("MD5");
        let hash = match self.algorithms.iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(named))
        {
            Some(DigestAlgorithm::Md5) => md5_hex,
            Some(DigestAlgorithm::Sha256) => sha256_hex,
            None => return Verdict::Wrong,
        };
        if !may_use(user, username) {
            return Verdict::Wrong;
        }
        let method = request.method_token();
        let secret = hash(&format!("{username}:{realm}:{password}"));
        let what = hash(&format!("{method}:{uri}"));
        let expected = match get("qop") {
            Some(qop) if qop.eq_ignore_ascii_case("auth") => {
                let (Some(nc), Some(cnonce)) = (get("nc"), get("cnonce")) else { return Verdict::Wrong };
                hash(&format!("{secret}:{nonce_given}:{nc}:{cnonce}:{qop}:{what}"))
            }
            Some(_) => return Verdict::Wrong,
            None => hash(&format!("{secret}:{nonce_given}:{what}")),
        };
        if !same(expected.as_bytes(), response.to_ascii_lowercase().as_bytes()) {
            return Verdict::Wrong;
        }
        match issued(nonce_given, &self.nonce_key, from) {
            Some(at) if now.since(at) <= NONCE_LIFE => Verdict::Good,
            Some(_) => Verdict::Stale,
            None => Verdict::Stale,
        }
    }
}

/// A user name is the user part of one of the user's public identities, or the whole identity with or without scheme.
fn may_use(user: &User, username: &str) -> bool {
    user.public_ids.iter().any(|public| {
        let bare = public.as_str().split_once(':').map_or(public.as_str(), |(_, rest)| rest);
        username == public.as_str() || username == bare || bare.split('@').next() == Some(username)
    })
}

/// A nonce is good for the address it was given to only: credentials that somebody overhears are of no use elsewhere.
fn nonce(key: &[u8; 32], now: Time, from: IpAddr) -> String {
    let stamp = format!("{:x}", now.as_millis());
    format!("{stamp}.{}", seal(key, &stamp, from))
}

/// When this nonce was made, if we made it for this address.
fn issued(nonce: &str, key: &[u8; 32], from: IpAddr) -> Option<Time> {
    let (stamp, sealed) = nonce.split_once('.')?;
    same(seal(key, stamp, from).as_bytes(), sealed.as_bytes())
        .then(|| u64::from_str_radix(stamp, 16).ok().map(Time::from_millis))
        .flatten()
}

fn seal(key: &[u8; 32], stamp: &str, from: IpAddr) -> String {
    let mut hash = Sha256::new();
    hash.update(key);
    hash.update(stamp.as_bytes());
    hash.update(from.to_canonical().to_string().as_bytes());
    hash.update(key);
    hex(&hash.finalize()[..16])
}

fn md5_hex(text: &str) -> String {
    hex(&md5::Md5::digest(text.as_bytes()))
}

fn sha256_hex(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

/// Comparison that takes the same time wherever the difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (x, y)| difference | (x ^ y)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn the_example_of_rfc_2617_gives_its_response() {
        let secret = md5_hex("Mufasa:testrealm@host.com:Circle Of Life");
        let what = md5_hex("GET:/dir/index.html");
        let nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093";
        let response = md5_hex(&format!("{secret}:{nonce}:00000001:0a4f113b:auth:{what}"));
        assert_eq!(response, "6629fae49393a05397450978507c4ef1");
    }

    #[test]
    fn challenges_come_in_the_order_of_preference() {
        let algorithms = vec![DigestAlgorithm::Md5, DigestAlgorithm::Sha256];
        let digest = Digest { realm: "one.example".to_owned(), algorithms, nonce_key: [7; 32] };
        let challenges = digest.challenges(Time::default(), HERE, true);
        let [first, second] = challenges.as_slice() else { panic!("{challenges:?}") };
        assert!(first.starts_with("Digest realm=\"one.example\", nonce=\"0."), "{first}");
        assert!(first.ends_with("\", algorithm=MD5, qop=\"auth\", stale=true"), "{first}");
        assert!(second.contains("algorithm=SHA-256"), "{second}");
    }

    #[test]
    fn a_nonce_is_recognised_and_tells_its_age() {
        let key = [7; 32];
        let at = Time::from_millis(1_700_000_000_000);
        let text = nonce(&key, at, HERE);
        assert_eq!(issued(&text, &key, HERE), Some(at));
        assert_eq!(issued(&text, &key, IpAddr::from([192, 0, 2, 1])), None);
        assert_eq!(issued(&text, &[8; 32], HERE), None);
        assert_eq!(issued(&text.replace('.', ".0"), &key, HERE), None);
        assert_eq!(issued("", &key, HERE), None);
    }
}
