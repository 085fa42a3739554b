//! An offer, as far as it is interpreted.

/// An offer, cut into its media descriptions.
pub(super) struct Offer<'a> {
    pub(super) session: Section<'a>,
    pub(super) media: Vec<Section<'a>>,
}

/// The session's lines, or the lines from one `m=` to the next.
#[derive(Clone, Copy)]
pub(super) struct Section<'a>(&'a str);

/// A codec of an offer.
#[derive(Clone, Copy)]
pub(super) struct Codec<'a> {
    pub(super) payload_type: u8,
    /// `name/clock` or `name/clock/channels`.
    pub(super) map: &'a str,
}

impl<'a> Offer<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let mut rest = text;
        let mut cut = || {
            let end = rest.find("\nm=").map_or(rest.len(), |at| at + 1);
            let (section, after) = rest.split_at(end);
            rest = after;
            (!section.is_empty()).then_some(Section(section))
        };
        Self { session: cut().unwrap_or(Section("")), media: std::iter::from_fn(cut).collect() }
    }

    /// The speech medium: audio labelled `i=speech`, else the first audio (TS 24.379 6.2.1).
    pub(super) fn speech(&self) -> Option<(usize, Section<'a>)> {
        let audio = |section: &&(usize, Section<'a>)| section.1.is_audio();
        let all: Vec<_> = self.media.iter().copied().enumerate().collect();
        let labelled = all.iter().filter(audio).find(|(_, section)| section.is_labelled_speech());
        labelled.or_else(|| all.iter().find(audio)).copied()
    }

    /// The floor control channel (TS 24.380 4.3).
    pub(super) fn control(&self) -> Option<(usize, Section<'a>)> {
        self.media.iter().copied().enumerate().find(|(_, section)| section.is_control())
    }

    /// All `t=`, `r=` and `z=` lines: an answer repeats them (RFC 3264 6).
    pub(super) fn times(&self) -> &'a str {
        let text = self.session.0;
        let of = |line: &str| line.starts_with("t=") || line.starts_with("r=") || line.starts_with("z=");
        let mut from = None;
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            match (of(line), from) {
                (true, None) => from = Some(at),
                (false, Some(from)) => return text.get(from..at).unwrap_or_default(),
                _ => {}
            }
            at += line.len();
        }
        from.and_then(|from| text.get(from..)).unwrap_or_default()
    }

    pub(super) fn direction(&self, media: &Section<'a>) -> Option<&'a str> {
        let of = |section: &Section<'a>| {
            section.attributes().find(|a| matches!(*a, "sendrecv" | "sendonly" | "recvonly" | "inactive"))
        };
        of(media).or_else(|| of(&self.session))
    }
}

/// The answer to a direction (RFC 3264 6.1); nothing for the default.
pub(super) fn mirrored(direction: &str) -> Option<&'static str> {
    match direction {
        "sendonly" => Some("recvonly"),
        "recvonly" => Some("sendonly"),
        "inactive" => Some("inactive"),
        _ => None,
    }
}

impl<'a> Section<'a> {
    fn lines(self) -> impl Iterator<Item = &'a str> {
        self.0.lines()
    }

    pub(super) fn attributes(self) -> impl Iterator<Item = &'a str> {
        self.lines().filter_map(|line| line.strip_prefix("a="))
    }

    /// Field of the `m=` line.
    fn field(self, number: usize) -> &'a str {
        let line = self.lines().next().and_then(|line| line.strip_prefix("m=")).unwrap_or_default();
        line.splitn(4, ' ').nth(number).unwrap_or_default()
    }

    pub(super) fn kind(self) -> &'a str {
        self.field(0)
    }

    pub(super) fn protocol(self) -> &'a str {
        self.field(2)
    }

    pub(super) fn formats(self) -> &'a str {
        self.field(3).trim()
    }

    fn is_used(self) -> bool {
        self.field(1).split('/').next().is_some_and(|port| port.parse() != Ok(0_u16))
    }

    fn is_audio(self) -> bool {
        let rtp = self.protocol().get(..4).is_some_and(|start| start.eq_ignore_ascii_case("RTP/"));
        self.is_used() && rtp && self.kind().eq_ignore_ascii_case("audio")
    }

    fn is_labelled_speech(self) -> bool {
        self.lines()
            .any(|line| line.strip_prefix("i=").is_some_and(|i| i.trim().eq_ignore_ascii_case("speech")))
    }

    fn is_control(self) -> bool {
        self.is_used()
            && self.kind().eq_ignore_ascii_case("application")
            && self.protocol().eq_ignore_ascii_case("udp")
            && self.formats().eq_ignore_ascii_case("MCPTT")
    }

    /// The codecs of an RTP medium, in the order of its `m=` line, each payload type once. One pass over the
    /// attributes, however many formats there are.
    pub(super) fn codecs(self) -> Vec<Codec<'a>> {
        let mut maps: [Option<&'a str>; PAYLOAD_TYPES] = [None; PAYLOAD_TYPES];
        let mapped = self.attributes().filter_map(|attribute| of_payload(attribute, "rtpmap:"));
        for (payload_type, map) in STATIC_PAYLOADS.iter().copied().chain(mapped) {
            if let Some(slot) = maps.get_mut(usize::from(payload_type)) {
                *slot = Some(map);
            }
        }
        let codec = |format: &str| {
            let payload_type: u8 = format.parse().ok()?;
            let map = maps.get_mut(usize::from(payload_type))?.take()?;
            Some(Codec { payload_type, map })
        };
        self.formats().split(' ').filter_map(codec).collect()
    }

    /// The `fmtp` attributes of one payload type, whole.
    pub(super) fn format_parameters(self, payload_type: u8) -> impl Iterator<Item = &'a str> {
        self.attributes().filter(move |attribute| {
            of_payload(attribute, "fmtp:").is_some_and(|(number, _)| number == payload_type)
        })
    }

    /// Parameters of the floor control channel. The separator is a semicolon; the colon of the ABNF is taken too.
    pub(super) fn control_parameters(self) -> impl Iterator<Item = &'a str> {
        self.attributes()
            .filter_map(|attribute| {
                let (name, rest) = attribute.split_once(':')?;
                let (format, parameters) = rest.split_once(' ')?;
                (name.eq_ignore_ascii_case("fmtp") && format.eq_ignore_ascii_case("MCPTT"))
                    .then_some(parameters)
            })
            .flat_map(|parameters| parameters.split([';', ':']))
            .map(str::trim)
            .filter(|parameter| !parameter.is_empty())
    }
}

impl Codec<'_> {
    /// Whether this is `encoding`: a name, or a name with clock rate.
    pub(super) fn is(&self, encoding: &str) -> bool {
        let same_map = |map: &str| map.eq_ignore_ascii_case(encoding);
        let name = self.map.split('/').next().unwrap_or_default();
        same_map(name) || same_map(self.map) || self.map.strip_suffix("/1").is_some_and(same_map)
    }
}

/// Payload types of RTP (RFC 3550 5.1: seven bits).
const PAYLOAD_TYPES: usize = 128;

/// Audio payload types that need no rtpmap (RFC 3551 6).
const STATIC_PAYLOADS: &[(u8, &str)] = &[
    (0, "PCMU/8000"),
    (3, "GSM/8000"),
    (4, "G723/8000"),
    (8, "PCMA/8000"),
    (9, "G722/8000"),
    (15, "G728/8000"),
    (18, "G729/8000"),
];

/// Payload type and value of an attribute that has the form `name` payload-type value.
fn of_payload<'a>(attribute: &'a str, name: &str) -> Option<(u8, &'a str)> {
    let (payload_type, value) = attribute.strip_prefix(name)?.split_once(' ')?;
    Some((payload_type.parse().ok()?, value.trim()))
}
