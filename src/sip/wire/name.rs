//! Header names.

/// Slots of the look-up table; a power of two, at least twice the number of names.
const SLOTS: usize = 256;

/// Position in [`Name::ALL`], or [`FREE`].
const TABLE: [u8; SLOTS] = table();
const FREE: u8 = u8::MAX;
const SHORT: [u8; 32] = short_forms();

impl Name {
    /// The name spelled so; case does not matter, compact forms count.
    pub fn read(spelling: &[u8]) -> Self {
        if let [letter] = spelling {
            let known = letter.is_ascii_alphabetic().then(|| SHORT[usize::from(letter & 31)]);
            return known.and_then(|at| Self::ALL.get(usize::from(at))).copied().unwrap_or(Self::Other);
        }
        let mut slot = slot(spelling);
        while let Some(name) = Self::ALL.get(usize::from(TABLE[slot])) {
            let text = name.text().as_bytes();
            if text == spelling || text.eq_ignore_ascii_case(spelling) {
                return *name;
            }
            slot = (slot + 1) % SLOTS;
        }
        Self::Other
    }
}

/// Where a spelling is looked for first: length and three letters without their case tell nearly all names apart.
const fn slot(spelling: &[u8]) -> usize {
    let length = spelling.len();
    if length == 0 {
        return 0;
    }
    let (first, middle, last) = (spelling[0] | 32, spelling[length / 2] | 32, spelling[length - 1] | 32);
    let mixed = length * 253 + first as usize * 30 + last as usize * 16 + middle as usize * 93;
    (mixed ^ (mixed >> 7)) % SLOTS
}

const fn table() -> [u8; SLOTS] {
    assert!(Name::ALL.len() * 2 < SLOTS);
    let mut table = [FREE; SLOTS];
    let mut at = 0;
    while at < Name::ALL.len() {
        let mut slot = slot(Name::ALL[at].text().as_bytes());
        while table[slot] != FREE {
            slot = (slot + 1) % SLOTS;
        }
        table[slot] = at as u8;
        at += 1;
    }
    table
}

const fn short_forms() -> [u8; 32] {
    let mut forms = [FREE; 32];
    let mut at = 0;
    while at < Name::ALL.len() {
        if let Some(letter) = Name::ALL[at].short() {
            assert!(forms[(letter & 31) as usize] == FREE);
            forms[(letter & 31) as usize] = at as u8;
        }
        at += 1;
    }
    forms
}

macro_rules! names {
    ($($variant:ident $text:literal $short:literal,)*) => {
        /// A header name this server has a use for; anything else is `Other` and kept by its spelling.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Name {
            $(#[doc = concat!("`", $text, "`")] $variant,)*
            /// Any other name.
            Other,
        }

        impl Name {
            /// All names but `Other`.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name as this server writes it; empty for `Other`.
            pub const fn text(self) -> &'static str {
                const TEXTS: &[&str] = &[$($text,)* ""];
                TEXTS[self as usize]
            }

            /// What the log and the reason phrase say of a header with this name that cannot be read.
            pub const fn unreadable(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($text, " cannot be read"),)*
                    Self::Other => "header cannot be read",
                }
            }

            /// The compact form, if there is one (RFC 3261 7.3.3 and the registry).
            pub const fn short(self) -> Option<u8> {
                match self {
                    $(Self::$variant => { let s: &[u8] = $short; if s.is_empty() { None } else { Some(s[0]) } })*
                    Self::Other => None,
                }
            }
        }
    };
}

names! {
    Via "Via" b"v",
    From "From" b"f",
    To "To" b"t",
    CallId "Call-ID" b"i",
    CSeq "CSeq" b"",
    MaxForwards "Max-Forwards" b"",
    Contact "Contact" b"m",
    Route "Route" b"",
    RecordRoute "Record-Route" b"",
    ContentLength "Content-Length" b"l",
    ContentType "Content-Type" b"c",
    ContentDisposition "Content-Disposition" b"",
    ContentEncoding "Content-Encoding" b"e",
    ContentId "Content-ID" b"",
    MimeVersion "MIME-Version" b"",
    Require "Require" b"",
    ProxyRequire "Proxy-Require" b"",
    Supported "Supported" b"k",
    Unsupported "Unsupported" b"",
    Allow "Allow" b"",
    AllowEvents "Allow-Events" b"u",
    Accept "Accept" b"",
    AcceptEncoding "Accept-Encoding" b"",
    AcceptLanguage "Accept-Language" b"",
    AcceptContact "Accept-Contact" b"a",
    RejectContact "Reject-Contact" b"j",
    RequestDisposition "Request-Disposition" b"d",
    Event "Event" b"o",
    SubscriptionState "Subscription-State" b"",
    Expires "Expires" b"",
    MinExpires "Min-Expires" b"",
    SessionExpires "Session-Expires" b"x",
    MinSe "Min-SE" b"",
    RSeq "RSeq" b"",
    RAck "RAck" b"",
    Reason "Reason" b"",
    RetryAfter "Retry-After" b"",
    Warning "Warning" b"",
    Authorization "Authorization" b"",
    WwwAuthenticate "WWW-Authenticate" b"",
    ProxyAuthorization "Proxy-Authorization" b"",
    ProxyAuthenticate "Proxy-Authenticate" b"",
    AuthenticationInfo "Authentication-Info" b"",
    PAssertedIdentity "P-Asserted-Identity" b"",
    PPreferredIdentity "P-Preferred-Identity" b"",
    PAssertedService "P-Asserted-Service" b"",
    PPreferredService "P-Preferred-Service" b"",
    PServedUser "P-Served-User" b"",
    PChargingVector "P-Charging-Vector" b"",
    PAccessNetworkInfo "P-Access-Network-Info" b"",
    PAnswerState "P-Answer-State" b"",
    PAssociatedUri "P-Associated-URI" b"",
    PRefusedUriList "P-Refused-URI-List" b"",
    PVisitedNetworkId "P-Visited-Network-ID" b"",
    ServiceRoute "Service-Route" b"",
    Path "Path" b"",
    SipEtag "SIP-ETag" b"",
    SipIfMatch "SIP-If-Match" b"",
    InReplyTo "In-Reply-To" b"",
    ResourcePriority "Resource-Priority" b"",
    AnswerMode "Answer-Mode" b"",
    PrivAnswerMode "Priv-Answer-Mode" b"",
    InfoPackage "Info-Package" b"",
    RecvInfo "Recv-Info" b"",
    UserAgent "User-Agent" b"",
    Server "Server" b"",
    Date "Date" b"",
    Timestamp "Timestamp" b"",
    Subject "Subject" b"s",
    Organization "Organization" b"",
    Priority "Priority" b"",
    Privacy "Privacy" b"",
    ReferTo "Refer-To" b"r",
    ReferredBy "Referred-By" b"b",
    Replaces "Replaces" b"",
    Join "Join" b"",
    HistoryInfo "History-Info" b"",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case_and_by_its_compact_form() {
        for name in Name::ALL {
            assert_eq!(Name::read(name.text().as_bytes()), *name);
            assert_eq!(Name::read(name.text().to_ascii_lowercase().as_bytes()), *name);
            assert_eq!(Name::read(name.text().to_ascii_uppercase().as_bytes()), *name);
            if let Some(letter) = name.short() {
                assert_eq!(Name::read(&[letter]), *name);
                assert_eq!(Name::read(&[letter.to_ascii_uppercase()]), *name);
            }
        }
    }

    #[test]
    fn anything_else_is_other() {
        for text in ["", "z", "-", "Vi", "Viaa", "Fron", "X-Via", "Call_ID", "Content-Lengtj", "\u{1}"] {
            assert_eq!(Name::read(text.as_bytes()), Name::Other, "{text}");
        }
        assert_eq!(Name::read(&[b'x'; 70_000]), Name::Other);
    }
}
