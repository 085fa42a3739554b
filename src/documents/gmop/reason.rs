//! Why a group management operation failed: `gx:reason` and `gx:rejected-group`.

use std::borrow::Cow;

/// `gx:reason`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Attribute `code`.
    pub code: ReasonCode,
    /// What a person may read; may be empty.
    pub text: String,
}

impl Reason {
    /// The reason of this code, in the code's own words.
    pub fn new(code: ReasonCode) -> Self {
        let text = code.words().into_owned();
        Self { code, text }
    }
}

/// `gx:reason@code` and `gx:rejected-group@code`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReasonCode {
    /// User profile or group policy forbids it.
    NotAuthorised,
    /// Refused by policy.
    LocalPolicy,
    /// No agreement with that MC system.
    PartnerNotPermitted,
    /// A named group does not exist.
    GroupNotFound,
    /// A constituent is itself a temporary group.
    GroupIsTemporary,
    /// A constituent is in another temporary group.
    GroupAlreadyRegrouped,
    /// Teardown of an ordinary group.
    NotATemporaryGroup,
    /// The proposed temporary group ID is taken.
    GroupIdInUse,
    /// Fewer than two distinct constituents.
    TooFewGroups,
    /// A partner's GMS did not answer in time.
    PartnerUnreachable,
    /// The body cannot be used.
    DocumentInvalid,
    /// Another version of the document was expected.
    VersionConflict,
    /// One that this server does not know.
    Unknown(String),
}

static CODES: [(ReasonCode, &str, &str); 12] = {
    use ReasonCode::*;
    [
        (NotAuthorised, "not-authorised", "the user may not do that"),
        (LocalPolicy, "local-policy", "refused by local policy"),
        (PartnerNotPermitted, "partner-not-permitted", "no agreement between the systems permits that"),
        (GroupNotFound, "group-not-found", "a group does not exist"),
        (GroupIsTemporary, "group-is-temporary", "a constituent group is a temporary group"),
        (
            GroupAlreadyRegrouped,
            "group-already-regrouped",
            "a constituent group is part of another temporary group",
        ),
        (NotATemporaryGroup, "not-a-temporary-group", "the group is not a temporary group"),
        (GroupIdInUse, "group-id-in-use", "the group ID is in use"),
        (TooFewGroups, "too-few-groups", "a temporary group needs at least two groups"),
        (PartnerUnreachable, "partner-unreachable", "a partner system did not answer in time"),
        (DocumentInvalid, "document-invalid", "the document cannot be used"),
        (VersionConflict, "version-conflict", "the group has changed meanwhile"),
    ]
};

impl ReasonCode {
    /// The code of this text.
    pub fn of(text: &str) -> Self {
        let known = CODES.iter().find(|(_, known, _)| *known == text);
        known.map_or_else(|| Self::Unknown(text.to_owned()), |(code, ..)| code.clone())
    }

    /// The text of the attribute.
    pub fn text(&self) -> &str {
        match self {
            Self::Unknown(text) => text,
            known => known.row().map_or("", |(_, text, _)| text),
        }
    }

    fn words(&self) -> Cow<'static, str> {
        match self {
            Self::Unknown(text) => Cow::Owned(text.clone()),
            known => Cow::Borrowed(known.row().map_or("", |(.., words)| words)),
        }
    }

    fn row(&self) -> Option<&'static (Self, &'static str, &'static str)> {
        CODES.iter().find(|(code, ..)| code == self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_text_of_its_own() {
        for (number, (code, text, words)) in CODES.iter().enumerate() {
            assert_eq!((ReasonCode::of(text), code.text()), (code.clone(), *text));
            assert_eq!(Reason::new(code.clone()), Reason { code: code.clone(), text: (*words).to_owned() });
            assert!(CODES[..number].iter().all(|(before, other, _)| before != code && other != text));
        }
        let strange = ReasonCode::Unknown("moon-phase".to_owned());
        assert_eq!((ReasonCode::of("moon-phase"), strange.text()), (strange.clone(), "moon-phase"));
        assert_eq!(Reason::new(strange).text, "moon-phase");
    }
}
