//! Identities of the Mission Critical world, in canonical form.

use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

macro_rules! identity {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Wraps text that is already canonical (`sip::message::Uri::identity` makes it so).
            pub fn new(canonical: impl Into<Arc<str>>) -> Self {
                Self(canonical.into())
            }

            /// The canonical text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The host part of a SIP identity; empty where there is none.
            pub fn domain(&self) -> &str {
                let rest = self.0.rsplit_once('@').map_or("", |(_, host)| host);
                rest.split([';', '?', ':']).next().unwrap_or("")
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }
    };
}

identity! {
    /// An MC service ID (MCPTT ID): who somebody is in the Mission Critical service. A URI, `sip:` or `tel:`.
    UserId
}
identity! {
    /// An MC service group ID; a temporary group identity (TGI) is one like any other.
    GroupId
}
identity! {
    /// An MC service client ID: one device of a user, usually `urn:uuid:...` (TS 24.379 4.10).
    ClientId
}
identity! {
    /// A public user identity (IMPU): how the SIP core knows a user.
    PublicId
}
identity! {
    /// A public service identity (PSI): how a function of a server is addressed.
    Psi
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub u64);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:016x}", self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:016x}", self.0)
            }
        }
    };
}

number! {
    /// A group call (MCPTT session) at its controlling function.
    CallRef
}
number! {
    /// The session of one served user at a participating function: the client on one side, the controlling function
    /// on the other.
    ParticipationRef
}
number! {
    /// One side of a session, as the function that holds it sees it.
    LegId
}
number! {
    /// A subscription that this server notifies.
    SubscriptionRef
}
number! {
    /// A request of one of our functions to a function elsewhere.
    RequestRef
}
number! {
    /// A subscription of one of our functions at a function elsewhere.
    WatchRef
}
number! {
    /// A proposal to change affiliations.
    ProposalRef
}
number! {
    /// A request this server still owes to somebody.
    OwedRef
}
