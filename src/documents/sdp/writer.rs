//! Descriptions of ours.

use super::offer::{Codec, Section};
use super::{MediaLeg, SessionDescription};
use std::fmt::Write;
use std::net::IpAddr;

/// Writes a description of ours.
pub(super) struct Writer {
    text: String,
}

impl Writer {
    pub(super) fn new(leg: &MediaLeg<'_>, times: &str) -> Self {
        let mut out = Self { text: String::with_capacity(384) };
        let (kind, address) = match leg.address {
            IpAddr::V4(address) => ("IP4", address.to_string()),
            IpAddr::V6(address) => ("IP6", address.to_string()),
        };
        out.line(format_args!("v=0"));
        out.line(format_args!("o=- {} {} IN {kind} {address}", leg.session, leg.version));
        out.line(format_args!("s=-"));
        out.line(format_args!("c=IN {kind} {address}"));
        out.text.push_str(times);
        out
    }

    pub(super) fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing into a String cannot fail.
        let _ = self.text.write_fmt(line);
        self.text.push_str("\r\n");
    }

    /// The speech medium with these codecs of `medium` and their attributes.
    pub(super) fn speech(&mut self, port: u16, protocol: &str, codecs: &[Codec<'_>], medium: Section<'_>) {
        self.text.push_str("m=audio ");
        let _ = write!(self.text, "{port} {protocol}");
        for codec in codecs {
            let _ = write!(self.text, " {}", codec.payload_type);
        }
        self.text.push_str("\r\n");
        self.line(format_args!("i=speech"));
        for codec in codecs {
            self.line(format_args!("a=rtpmap:{} {}", codec.payload_type, codec.map));
            for attribute in medium.format_parameters(codec.payload_type) {
                self.line(format_args!("a={attribute}"));
            }
        }
        for attribute in medium.attributes() {
            if attribute.starts_with("ptime:") || attribute.starts_with("maxptime:") {
                self.line(format_args!("a={attribute}"));
            }
        }
    }

    /// The speech medium with the leg's own codecs; dynamic payload types from 96 up.
    pub(super) fn own_speech(&mut self, leg: &MediaLeg<'_>) {
        let mut maps: Vec<&str> =
            leg.encodings.iter().filter_map(|encoding| map_of(encoding)).take(32).collect();
        if maps.is_empty() {
            maps.extend(SPEECH_CODECS.first());
        }
        let numbered = || maps.iter().zip(96_u8..);
        let _ = write!(self.text, "m=audio {} RTP/AVP", leg.port);
        for (_, payload_type) in numbered() {
            let _ = write!(self.text, " {payload_type}");
        }
        self.text.push_str("\r\ni=speech\r\n");
        for (map, payload_type) in numbered() {
            self.line(format_args!("a=rtpmap:{payload_type} {map}"));
        }
    }

    /// The floor control channel, on the port after the speech medium's.
    pub(super) fn control(&mut self, leg: &MediaLeg<'_>, parameters: &[String]) {
        self.line(format_args!("m=application {} udp MCPTT", leg.port.saturating_add(1)));
        if !parameters.is_empty() {
            self.line(format_args!("a=fmtp:MCPTT {}", parameters.join(";")));
        }
    }

    pub(super) fn finish(self) -> SessionDescription {
        SessionDescription { text: self.text }
    }
}

/// Speech codecs with the clock rate and channels of their rtpmap. The first is the mandatory one (TS 26.179).
const SPEECH_CODECS: &[&str] = &[
    "AMR-WB/16000",
    "AMR/8000",
    "AMR-WB+/72000",
    "EVS/16000",
    "PCMU/8000",
    "PCMA/8000",
    "G722/8000",
    "G729/8000",
    "opus/48000/2",
];

/// The `rtpmap` value of an encoding; `None`: its clock rate is not known here.
fn map_of(encoding: &str) -> Option<&str> {
    if encoding.contains('/') {
        return encoding.bytes().all(|b| b.is_ascii_graphic()).then_some(encoding);
    }
    let known = |map: &&&str| map.split('/').next().is_some_and(|name| name.eq_ignore_ascii_case(encoding));
    SPEECH_CODECS.iter().find(known).copied()
}
