//! Digest credentials as a client makes them (RFC 7616 3.4).

use sha2::Digest as _;

/// The Authorization value for one of the challenges.
pub fn authorization(challenge: &str, user: &str, password: &str, method: &str, uri: &str) -> String {
    let get = |name: &str| {
        challenge
            .trim_start_matches("Digest ")
            .split(", ")
            .find_map(|one| one.split_once('=').filter(|(n, _)| *n == name))
            .map_or("", |(_, value)| value.trim_matches('"'))
    };
    let (realm, nonce, algorithm) = (get("realm"), get("nonce"), get("algorithm"));
    let hash = |text: String| {
        if algorithm == "SHA-256" {
            hex(&sha2::Sha256::digest(text.as_bytes()))
        } else {
            hex(&md5::Md5::digest(text.as_bytes()))
        }
    };
    let secret = hash(format!("{user}:{realm}:{password}"));
    let what = hash(format!("{method}:{uri}"));
    let response = hash(format!("{secret}:{nonce}:00000001:c0ffee:auth:{what}"));
    format!(
        "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
         algorithm={algorithm}, qop=auth, nc=00000001, cnonce=\"c0ffee\", response=\"{response}\""
    )
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
