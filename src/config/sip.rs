//! The sections about SIP: timers, session timers, Digest.

use super::reader::{MILLISECOND, SECOND, Section, short, without_lines};
use std::cell::Cell;
use std::time::Duration;

/// `[timers]`: RFC 3261 table 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// Estimate of the round-trip time.
    pub t1: Duration,
    /// Longest interval between repetitions.
    pub t2: Duration,
    /// Longest life of a message in the network.
    pub t4: Duration,
}

impl Timers {
    pub(super) fn walk(root: &Section<'_>) -> Self {
        let timers = root.table("timers", "Transaction timers (RFC 3261 table 4). All systems that talk to each other should agree on them.");
        let line = Cell::new(0);
        let t1 = timers
            .key("t1", "T1, estimate of the round-trip time; a transaction gives up after 64 T1.")
            .duration(10 * MILLISECOND..=10 * SECOND)
            .or(500 * MILLISECOND);
        let t2 = timers
            .key("t2", "T2, longest interval between repetitions of a request or a final response.")
            .duration(10 * MILLISECOND..=60 * SECOND)
            .at(&line)
            .or(4 * SECOND);
        let t4 = timers
            .key("t4", "T4, longest life of a message in the network.")
            .duration(10 * MILLISECOND..=60 * SECOND)
            .or(5 * SECOND);
        if t1 > t2 {
            timers.mistake(line.get(), "t2", format!("expected at least `t1`, {t1:?}, found {t2:?}"));
        }
        Self { t1, t2, t4 }
    }
}

/// `[session]`: RFC 4028.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// Session interval that we ask for, seconds.
    pub interval: u32,
    /// Smallest interval that we accept, seconds: `Min-SE`, 422 below.
    pub minimum: u32,
}

impl Session {
    pub(super) fn walk(root: &Section<'_>) -> Self {
        let session = root.table("session", "Session timers (RFC 4028).");
        let line = Cell::new(0);
        let interval = session
            .key("interval", "Session interval that we ask for, seconds.")
            .integer(90..=86_400)
            .or(1800);
        let minimum = session
            .key("minimum", "Smallest interval that we accept, seconds (`Min-SE`; 422 below).")
            .integer(90..=86_400)
            .at(&line)
            .or(90);
        if minimum > interval {
            session.mistake(
                line.get(),
                "minimum",
                format!("expected at most `interval`, {interval}, found {minimum}"),
            );
        }
        Self { interval, minimum }
    }
}

/// `[sip]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sip {
    /// Largest request in octets that goes over UDP where TCP could carry it.
    pub udp_request_octets: usize,
    /// Realm of Digest challenges.
    pub realm: String,
    /// Algorithms of Digest challenges, in order of preference; at least one.
    pub digest: Vec<DigestAlgorithm>,
}

/// An algorithm of Digest (RFC 7616 3.2, RFC 8760).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestAlgorithm {
    /// `SHA-256`.
    Sha256,
    /// `MD5`: for clients that know nothing better.
    Md5,
}

impl DigestAlgorithm {
    /// As it is written in a challenge.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Md5 => "MD5",
        }
    }
}

impl Sip {
    pub(super) fn walk(root: &Section<'_>, domain: Option<&str>) -> Self {
        let sip = root.table("sip", "Details of SIP.");
        let udp_request_octets = sip
            .key(
                "udp_request_octets",
                "Largest request in octets that goes over UDP where TCP could carry it (RFC 3261 18.1.1).",
            )
            .integer(256..=65_535)
            .or(1300);
        let realm = sip
            .key("realm", "Realm of Digest challenges (RFC 3261 22.1).")
            .text("string", |text| {
                short(text).and_then(|realm| {
                    if realm.contains(['"', '\\']) {
                        Err("a text without quotes and backslashes".to_owned())
                    } else {
                        Ok(realm)
                    }
                })
            })
            .optional("the domain");
        let digest = sip
            .key("digest", "Algorithms of Digest challenges, one challenge for each, in this order (RFC 8760). Some clients read the first one only.")
            .at_least_one()
            .texts("\"SHA-256\", \"MD5\"", |text| match text {
                "SHA-256" => Ok(DigestAlgorithm::Sha256),
                "MD5" => Ok(DigestAlgorithm::Md5),
                _ => Err("\"SHA-256\" or \"MD5\"".to_owned()),
            })
            .or_else(vec![(0, DigestAlgorithm::Sha256), (0, DigestAlgorithm::Md5)], "`[\"SHA-256\", \"MD5\"]`");
        let realm = realm.or(domain.map(str::to_owned)).unwrap_or_default();
        Self { udp_request_octets, realm, digest: without_lines(digest) }
    }
}
