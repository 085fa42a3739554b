//! Entity tags of published state (RFC 3903). A tag is made of the state it stands for, so it needs no memory of its own:
//! whoever presents it shows that he knows this state.

use crate::env::Ids;
use sha2::{Digest, Sha256};

/// The part of a tag that stands for a state, which is told by its parts: 64 bits of their digest.
pub fn state<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.len().to_be_bytes());
        digest.update(part);
    }
    digest.finalize().iter().take(8).map(|octet| format!("{octet:02x}")).collect()
}

/// A fresh tag for a state (RFC 3903 6: each 2xx has one of its own).
pub fn fresh(ids: &mut Ids, state: &str) -> String {
    format!("{state}-{}", ids.tag())
}

/// Whether a tag was given out for this state.
pub fn stands_for(tag: &str, state: &str) -> bool {
    tag.split_once('-').is_some_and(|(of_tag, _)| of_tag == state)
}
