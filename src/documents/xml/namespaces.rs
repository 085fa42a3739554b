//! The namespaces of this room's documents.

macro_rules! namespaces {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// The namespaces this room knows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(in crate::documents) enum Ns {
            /// No namespace at all.
            None,
            /// A namespace nobody here knows.
            Foreign,
            $($(#[$doc])* $name,)*
        }

        impl Ns {
            /// The namespace of this name.
            pub(in crate::documents) fn of(text: &str) -> Self {
                match text {
                    "" => Self::None,
                    $($text => Self::$name,)*
                    _ => Self::Foreign,
                }
            }

            /// Its name; empty for those that have none here.
            pub(in crate::documents) const fn text(self) -> &'static str {
                match self {
                    Self::None | Self::Foreign => "",
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

namespaces! {
    /// MCPTT parameters (TS 24.379 F.1).
    McpttInfo = "urn:3gpp:ns:mcpttInfo:1.0",
    /// MCVideo parameters (TS 24.281 F.1).
    McVideoInfo = "urn:3gpp:ns:mcvideoInfo:1.0",
    /// MCData parameters (TS 24.282 D.1).
    McDataInfo = "urn:3gpp:ns:mcdataInfo:1.0",
    /// MCPTT affiliation in presence documents (TS 24.379 9.3.1).
    McpttPresence = "urn:3gpp:ns:mcpttPresInfo:1.0",
    /// Its MCVideo twin.
    McVideoPresence = "urn:3gpp:ns:mcvideoPresInfo:1.0",
    /// Its MCData twin.
    McDataPresence = "urn:3gpp:ns:mcdataPresInfo:1.0",
    /// Presence documents (RFC 3863).
    Pidf = "urn:ietf:params:xml:ns:pidf",
    /// Filters (RFC 4661).
    SimpleFilter = "urn:ietf:params:xml:ns:simple-filter",
    /// Lists of URIs (RFC 4826).
    ResourceLists = "urn:ietf:params:xml:ns:resource-lists",
    /// Changes of documents (RFC 5874).
    XcapDiff = "urn:ietf:params:xml:ns:xcap-diff",
    /// Service settings (RFC 4354).
    PocSettings = "urn:oma:params:xml:ns:poc:poc-settings",
    /// 3GPP extensions of service settings (TS 24.379 7.4.1.2).
    McsSettings = "urn:3gpp:mcsSettings:1.0",
    /// Rosters (RFC 4575).
    ConferenceInfo = "urn:ietf:params:xml:ns:conference-info",
    /// Authorisation rules (RFC 4745).
    CommonPolicy = "urn:ietf:params:xml:ns:common-policy",
    /// Group documents (TS 24.481 7.2.2).
    ListService = "urn:oma:xml:poc:list-service",
    /// OMA XDM extensions.
    Extensions = "urn:oma:xml:xdm:extensions",
    /// 3GPP extensions of group documents (TS 24.481 7.2.4.2).
    GroupInfo = "urn:3gpp:ns:mcpttGroupInfo:1.0",
    /// Group management operations.
    Gmop = "urn:3gpp:ns:mcpttGMOP:1.0",
    /// This product's extension of them.
    GmopExtension = "urn:rollcall:gmop-ext:1.0",
    /// XML encryption.
    Encryption = "http://www.w3.org/2001/04/xmlenc#",
}
