//! URIs (RFC 3261 19.1, RFC 3966) and name-addr.

use super::Malformed;

/// A `sip:`, `sips:` or `tel:` URI, or one of another scheme kept as it is.
#[derive(Clone, Debug)]
pub struct Uri {
    text: String,
}

impl Uri {
    /// Reads a URI.
    ///
    /// # Errors
    /// [`Malformed`] if it breaks the grammar of its scheme.
    pub fn parse(text: &[u8]) -> Result<Self, Malformed> {
        let _ = text;
        unimplemented!()
    }

    /// The URI as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Scheme in lower case: `sip`, `sips`, `tel`, `urn`...
    pub fn scheme(&self) -> &str {
        unimplemented!()
    }

    /// User part, still escaped, without password. `None` for schemes other than sip and sips.
    pub fn user(&self) -> Option<&str> {
        unimplemented!()
    }

    /// Host, IPv6 with brackets; as written.
    pub fn host(&self) -> &str {
        unimplemented!()
    }

    /// Port, if written.
    pub fn port(&self) -> Option<u16> {
        unimplemented!()
    }

    /// A URI parameter: `Some("")` for one without value. Name case-insensitive.
    pub fn param(&self, name: &str) -> Option<&str> {
        let _ = name;
        unimplemented!()
    }

    /// What identifies the party behind this URI: scheme, user and host in canonical form (lower-case scheme and
    /// host, needless escapes removed, no port 5060, no parameters, no headers, no password; a `tel:` number without
    /// visual separators). The key of users, groups and PSIs.
    pub fn identity(&self) -> String {
        unimplemented!()
    }

    /// Equality of RFC 3261 19.1.4 (and RFC 3966 4 for `tel:`).
    pub fn equivalent(&self, other: &Self) -> bool {
        let _ = other;
        unimplemented!()
    }
}

/// `"Display" <uri>;params` (From, To, Contact, Route, P-Asserted-Identity...).
#[derive(Clone, Debug)]
pub struct NameAddr {
    /// Display name with its quotes taken off and escapes resolved.
    pub display: Option<String>,
    /// The URI.
    pub uri: Uri,
    /// Header parameters in order, names in lower case, quoted values unquoted; `None` value: no `=`.
    pub params: Vec<(String, Option<String>)>,
    /// The whole value as written.
    pub text: String,
}

impl NameAddr {
    /// Reads exactly one name-addr or addr-spec with parameters.
    ///
    /// # Errors
    /// [`Malformed`] if it breaks RFC 3261 25.1.
    pub fn parse(text: &[u8]) -> Result<Self, Malformed> {
        let _ = text;
        unimplemented!()
    }

    /// Reads a comma list of them.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_list(text: &[u8]) -> Result<Vec<Self>, Malformed> {
        let _ = text;
        unimplemented!()
    }

    /// A header parameter; `Some("")` for one without value.
    pub fn param(&self, name: &str) -> Option<&str> {
        let _ = name;
        unimplemented!()
    }
}
