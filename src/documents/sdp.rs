//! SDP (RFC 8866) as far as an MCPTT call needs it: offer and answer of one speech medium and the media plane
//! control channel (TS 24.379 6.2.1, TS 24.380 clauses 4.3, 12 and 14).

use super::DocumentError;
use super::xml::{malformed, too_large};
use crate::config::Limits;

mod offer;
mod order;
#[cfg(test)]
mod tests;
mod writer;

use offer::{Codec, Offer, Section, mirrored};
use order::Order;
use writer::Writer;

const DOCUMENT: &str = "SDP";

/// A session description. What is not interpreted is kept and written back in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionDescription {
    pub(crate) text: String,
}

impl SessionDescription {
    /// Reads a description: line order, mandatory lines and the fields of `v=`, `o=`, `c=`, `t=` and `m=` are checked.
    /// Within a media description the lines may stand in any order, as deployed clients write `i=` behind `a=`.
    ///
    /// # Errors
    /// [`DocumentError`] if a mandatory line is missing or out of order, or a limit is passed.
    pub fn decode(body: &[u8], limits: &Limits) -> Result<Self, DocumentError> {
        let source = std::str::from_utf8(body)
            .map_err(|at| malformed(DOCUMENT, format!("octet {}", at.valid_up_to()), "not UTF-8"))?;
        let mut text = String::with_capacity(source.len() + 32);
        let mut order = Order::default();
        for (number, line) in source.trim_end_matches(['\r', '\n']).split('\n').enumerate() {
            if number == limits.sdp_lines {
                return Err(too_large(DOCUMENT, "lines", limits.sdp_lines));
            }
            let line = line.strip_suffix('\r').unwrap_or(line);
            order
                .take(line)
                .map_err(|problem| malformed(DOCUMENT, format!("line {}", number + 1), problem))?;
            text.push_str(line);
            text.push_str("\r\n");
        }
        order.finish().map_err(|problem| malformed(DOCUMENT, "end", problem))?;
        Ok(Self { text })
    }

    /// The description as it goes on the wire, lines ended by CRLF.
    pub fn encode(&self) -> &str {
        &self.text
    }

    /// Answers this offer for a leg of the media function: speech at `port`, floor control at `port + 1`; the first
    /// of our codecs that the offer has; no fmtp parameter that was not offered (TS 24.380 14.3.1); `implicit_request`:
    /// whether an implicit floor request is accepted; unsupported media get port 0 in place. `mc_granted` is never
    /// repeated: the floor is granted by the media function, on the control channel.
    ///
    /// # Errors
    /// The reason, if there is no speech medium or no common codec (488).
    pub fn answer(&self, leg: &MediaLeg<'_>) -> Result<Self, &'static str> {
        let offer = Offer::of(&self.text);
        let speech = offer.speech().ok_or("no speech medium")?;
        let (_, medium) = speech;
        let codecs = medium.codecs();
        let codec = leg
            .encodings
            .iter()
            .find_map(|encoding| codecs.iter().copied().find(|codec| codec.is(encoding)))
            .ok_or("no common codec")?;
        let control = offer.control();
        let mut out = Writer::new(leg, offer.times());
        for (index, media) in offer.media.iter().enumerate() {
            if index == speech.0 {
                out.speech(leg.port, media.protocol(), &[codec], *media);
                if let Some(direction) = offer.direction(media).and_then(mirrored) {
                    out.line(format_args!("a={direction}"));
                }
            } else if control.as_ref().is_some_and(|(at, _)| *at == index) {
                out.control(leg, &answered_parameters(media, leg));
            } else {
                out.line(format_args!("m={} 0 {} {}", media.kind(), media.protocol(), media.formats()));
            }
        }
        Ok(out.finish())
    }

    /// Whether [`Self::answer`] would find a speech medium with one of these codecs, without writing the answer.
    ///
    /// # Errors
    /// The reason, as [`Self::answer`] gives it.
    pub fn acceptable(&self, encodings: &[String]) -> Result<(), &'static str> {
        let offer = Offer::of(&self.text);
        let (_, medium) = offer.speech().ok_or("no speech medium")?;
        let codecs = medium.codecs();
        let common = encodings.iter().any(|encoding| codecs.iter().any(|codec| codec.is(encoding)));
        if common { Ok(()) } else { Err("no common codec") }
    }

    /// The offer to a member: the caller's codecs with their attributes, at a leg of the media function
    /// (TS 24.379 6.3.3.1.1). `caller`: the offer of the one who called, if there is one. Codecs of the caller that the
    /// leg does not take are left out; without a caller, or without a codec in common, the leg's own are offered.
    pub fn invite(caller: Option<&Self>, leg: &MediaLeg<'_>) -> Self {
        let offer = caller.map(|caller| Offer::of(&caller.text));
        let speech = offer.as_ref().and_then(Offer::speech).map(|(_, medium)| medium);
        let codecs: Vec<Codec<'_>> = speech
            .iter()
            .flat_map(|medium| medium.codecs())
            .filter(|codec| leg.encodings.iter().any(|encoding| codec.is(encoding)))
            .collect();
        let mut out = Writer::new(leg, "t=0 0\r\n");
        match speech {
            Some(medium) if !codecs.is_empty() => out.speech(leg.port, medium.protocol(), &codecs, medium),
            _ => out.own_speech(leg),
        }
        let mut parameters = Vec::new();
        if leg.queueing {
            parameters.push("mc_queueing".to_owned());
        }
        if let Some(priority) = leg.priority.filter(|priority| *priority > 0) {
            parameters.push(format!("mc_priority={priority}"));
        }
        out.control(leg, &parameters);
        out.finish()
    }

    /// This description of ours as the offer of a re-INVITE: the same media in the same places (RFC 3264 8), without
    /// the parameters that only a first offer and its answer have (TS 24.380 14.5). `version`: of `o=`, higher than
    /// before.
    pub fn again(&self, version: u64) -> Self {
        let mut text = String::with_capacity(self.text.len() + 8);
        for line in self.text.split_inclusive("\r\n") {
            if let Some(origin) = line.strip_prefix("o=") {
                let fields = origin.split(' ').enumerate();
                let field = |(place, field): (usize, &str)| match place {
                    2 => version.to_string(),
                    _ => field.to_owned(),
                };
                text.push_str("o=");
                text.push_str(&fields.map(field).collect::<Vec<_>>().join(" "));
            } else if let Some(parameters) = line.strip_prefix("a=fmtp:MCPTT ") {
                let lasting = |parameter: &&str| !FIRST_ONLY.contains(&parameter.trim());
                let kept: Vec<&str> = parameters.trim_end().split(';').filter(lasting).collect();
                if !kept.is_empty() {
                    text.push_str("a=fmtp:MCPTT ");
                    text.push_str(&kept.join(";"));
                    text.push_str("\r\n");
                }
            } else {
                text.push_str(line);
            }
        }
        Self { text }
    }
}

/// Parameters of the floor control channel that stand in a first offer and its answer only (TS 24.380 14.5).
const FIRST_ONLY: [&str; 2] = ["mc_granted", "mc_implicit_request"];

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

/// What of the offered parameters the answer repeats (TS 24.380 14.3).
fn answered_parameters(media: &Section<'_>, leg: &MediaLeg<'_>) -> Vec<String> {
    let offered = |name: &str| {
        media.control_parameters().find_map(|parameter| {
            let (given, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            given.trim().eq_ignore_ascii_case(name).then_some(value.trim())
        })
    };
    let mut parameters = Vec::new();
    if leg.queueing && offered("mc_queueing").is_some() {
        parameters.push("mc_queueing".to_owned());
    }
    // 1 to 255; anything else was no offer.
    let asked = offered("mc_priority").and_then(|value| value.parse::<u8>().ok());
    let priority = asked.map(|asked| leg.priority.map_or(asked, |most| asked.min(most)));
    if let Some(priority) = priority.filter(|priority| *priority > 0) {
        parameters.push(format!("mc_priority={priority}"));
    }
    if leg.implicit_request && offered("mc_implicit_request").is_some() {
        parameters.push("mc_implicit_request".to_owned());
    }
    parameters
}
