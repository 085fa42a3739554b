//! Header names.

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
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other => "",
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
