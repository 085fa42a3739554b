//! SDP (RFC 8866) as far as an MCPTT call needs it: offer and answer of one speech medium and the media plane
//! control channel (TS 24.379 6.2.1, TS 24.380 clauses 4.3, 12 and 14).

use super::DocumentError;
use crate::config::Limits;

/// A session description. What is not interpreted is kept and written back in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionDescription {
    pub(crate) text: String,
}

impl SessionDescription {
    /// Reads a description.
    ///
    /// # Errors
    /// [`DocumentError`] if a mandatory line is missing or out of order, or a limit is passed.
    pub fn decode(body: &[u8], limits: &Limits) -> Result<Self, DocumentError> {
        let _ = (body, limits);
        unimplemented!()
    }

    /// The description as it goes on the wire, lines ended by CRLF.
    pub fn encode(&self) -> &str {
        &self.text
    }

    /// Answers this offer for a leg of the media function: speech at `port`, floor control at `port + 1`; the first
    /// codec that both sides know; no fmtp parameter that was not offered (TS 24.380 14.3.1); `implicit_request`:
    /// whether an implicit floor request is accepted; unsupported media get port 0 in place.
    ///
    /// # Errors
    /// The reason, if there is no speech medium or no common codec (488).
    pub fn answer(&self, leg: &MediaLeg<'_>) -> Result<Self, &'static str> {
        let _ = leg;
        unimplemented!()
    }

    /// The offer to a member: the caller's codecs with their attributes, at a leg of the media function
    /// (TS 24.379 6.3.3.1.1). `caller`: the offer of the one who called, if there is one.
    pub fn invite(caller: Option<&Self>, leg: &MediaLeg<'_>) -> Self {
        let _ = (caller, leg);
        unimplemented!()
    }
}

/// One leg of the media function.
#[derive(Clone, Debug)]
pub struct MediaLeg<'a> {
    /// Address of the media function.
    pub address: std::net::IpAddr,
    /// First of two ports.
    pub port: u16,
    /// `o=` session identifier; its version counts answers and offers of the leg.
    pub session: u64,
    /// `o=` version.
    pub version: u64,
    /// Codecs we take, by rtpmap name, in order of preference.
    pub encodings: &'a [String],
    /// The member's floor priority: `mc_priority` in offers, upper bound in answers.
    pub priority: Option<u8>,
    /// Answer: accept `mc_implicit_request`.
    pub implicit_request: bool,
    /// The call queues floor requests: `mc_queueing`.
    pub queueing: bool,
}
