//! Methods.

use std::fmt;

/// A request method. Case matters (RFC 3261 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names are those of the methods")]
pub enum Method {
    Invite,
    Ack,
    Bye,
    Cancel,
    Options,
    Register,
    Prack,
    Subscribe,
    Notify,
    Publish,
    Info,
    Refer,
    Message,
    Update,
    /// A method this server does not know: 501.
    Other,
}

impl Method {
    /// All methods but `Other`.
    pub const ALL: [Self; 14] = [
        Self::Invite,
        Self::Ack,
        Self::Bye,
        Self::Cancel,
        Self::Options,
        Self::Register,
        Self::Prack,
        Self::Subscribe,
        Self::Notify,
        Self::Publish,
        Self::Info,
        Self::Refer,
        Self::Message,
        Self::Update,
    ];

    /// The method with this token.
    pub fn read(token: &[u8]) -> Self {
        Self::ALL.into_iter().find(|method| method.text().as_bytes() == token).unwrap_or(Self::Other)
    }

    /// The token; empty for `Other`.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Invite => "INVITE",
            Self::Ack => "ACK",
            Self::Bye => "BYE",
            Self::Cancel => "CANCEL",
            Self::Options => "OPTIONS",
            Self::Register => "REGISTER",
            Self::Prack => "PRACK",
            Self::Subscribe => "SUBSCRIBE",
            Self::Notify => "NOTIFY",
            Self::Publish => "PUBLISH",
            Self::Info => "INFO",
            Self::Refer => "REFER",
            Self::Message => "MESSAGE",
            Self::Update => "UPDATE",
            Self::Other => "",
        }
    }

    /// Whether a request with this method can create a dialog, so that an answer echoes its Record-Route
    /// (RFC 3261 12.1, RFC 6665 4.4.1, RFC 3515 2.4.4).
    pub const fn may_create_dialog(self) -> bool {
        matches!(self, Self::Invite | Self::Subscribe | Self::Notify | Self::Refer)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// `Err` for `Other`.
impl TryFrom<Method> for rsip::Method {
    type Error = Method;

    fn try_from(method: Method) -> Result<Self, Method> {
        Ok(match method {
            Method::Invite => Self::Invite,
            Method::Ack => Self::Ack,
            Method::Bye => Self::Bye,
            Method::Cancel => Self::Cancel,
            Method::Options => Self::Options,
            Method::Register => Self::Register,
            Method::Prack => Self::PRack,
            Method::Subscribe => Self::Subscribe,
            Method::Notify => Self::Notify,
            Method::Publish => Self::Publish,
            Method::Info => Self::Info,
            Method::Refer => Self::Refer,
            Method::Message => Self::Message,
            Method::Update => Self::Update,
            Method::Other => return Err(method),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_is_read_from_its_own_token_and_case_matters() {
        for method in Method::ALL {
            assert_eq!(Method::read(method.text().as_bytes()), method);
            assert_eq!(Method::read(method.text().to_ascii_lowercase().as_bytes()), Method::Other);
        }
        assert_eq!(Method::read(b""), Method::Other);
        assert_eq!(Method::read(b"NEWMETHOD"), Method::Other);
    }

    #[test]
    fn rsip_spells_every_method_as_we_do() {
        for method in Method::ALL {
            let theirs = rsip::Method::try_from(method).expect("known to rsip");
            assert_eq!(theirs.to_string(), method.text());
        }
        assert_eq!(rsip::Method::try_from(Method::Other), Err(Method::Other));
    }
}
