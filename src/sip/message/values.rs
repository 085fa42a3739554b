//! Header values beyond addresses.

use super::Malformed;
use std::net::IpAddr;

/// One Via value (RFC 3261 20.42, RFC 3581).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    /// `UDP`, `TCP`, `TLS`..., upper case.
    pub transport: String,
    /// sent-by host, lower case, IPv6 with brackets.
    pub host: String,
    /// sent-by port, if written.
    pub port: Option<u16>,
    /// `branch`.
    pub branch: Option<String>,
    /// `received`.
    pub received: Option<IpAddr>,
    /// `rport`: `Some(None)` if present without value.
    pub rport: Option<Option<u16>>,
}

impl Via {
    /// Reads the first value of a Via line.
    ///
    /// # Errors
    /// [`Malformed`] if it breaks the grammar.
    pub fn parse_first(line: &[u8]) -> Result<Self, Malformed> {
        let _ = line;
        unimplemented!()
    }
}

/// `Event` or one of `Allow-Events` (RFC 6665 8.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Package, as written.
    pub package: String,
    /// `id` parameter.
    pub id: Option<String>,
}

/// `Subscription-State` (RFC 6665 8.2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionState {
    /// `active`, `pending`, `terminated`, or an extension; lower case.
    pub state: String,
    /// `reason`.
    pub reason: Option<String>,
    /// `expires`, seconds.
    pub expires: Option<u32>,
    /// `retry-after`, seconds.
    pub retry_after: Option<u32>,
}

/// `Session-Expires` (RFC 4028 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionExpires {
    /// Seconds.
    pub interval: u32,
    /// `refresher`: `Some(true)` for uac, `Some(false)` for uas.
    pub refresher_uac: Option<bool>,
}

/// `RAck` (RFC 3262 7.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RAck {
    /// RSeq of the provisional response.
    pub rseq: u32,
    /// CSeq number of it.
    pub cseq: u32,
    /// Method of it.
    pub method: String,
}

/// One `Warning` value (RFC 3261 20.43).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Three digits; 399 for those of TS 24.379 4.4.
    pub code: u16,
    /// warn-agent.
    pub agent: String,
    /// Text without quotes.
    pub text: String,
}

/// Credentials or challenge of Digest (RFC 7616, RFC 2617), parameters unquoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// Parameters in order, names in lower case.
    pub params: Vec<(String, String)>,
}
