//! What a procedure knows of URIs: whom they name, and whether two of them name the same contact.

use crate::sip::message::Uri;

/// The identity that a URI of a document names, in the canonical form that keys users, groups and functions; `None` if
/// the text is not a URI. Canonical text stays as it is.
pub fn identity(uri: &str) -> Option<String> {
    if Uri::is_identity(uri) {
        return Some(uri.to_owned());
    }
    Uri::parse(uri.trim().as_bytes()).ok().map(|uri| uri.identity())
}

/// Whether two contacts are the same place (RFC 3261 19.1.4). Text that is no URI equals itself only.
pub fn same_contact(one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    match (Uri::parse(one.as_bytes()), Uri::parse(other.as_bytes())) {
        (Ok(one), Ok(other)) => one.equivalent(&other),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{identity, same_contact};

    #[test]
    fn an_identity_keeps_neither_spelling_nor_parameters() {
        assert_eq!(identity(" SIP:Fire@One.Example;x=y ").as_deref(), Some("sip:Fire@one.example"));
        assert_eq!(identity("sip:fire@one.example").as_deref(), Some("sip:fire@one.example"));
        assert_eq!(identity("no uri at all"), None);
    }

    #[test]
    fn contacts_are_compared_as_uris() {
        assert!(same_contact("sip:a@192.0.2.1;lr", "SIP:a@192.0.2.1;lr"));
        assert!(!same_contact("sip:a@192.0.2.1:5060", "sip:a@192.0.2.1:5070"));
        assert!(same_contact("*", "*"));
        assert!(!same_contact("?", "sip:a@192.0.2.1"));
    }
}
