//! Bodies: MIME multipart, XML documents and SDP, to and from typed values. The only room that knows quick-xml.
//!
//! Every decoder checks namespaces, ignores what it does not know, refuses DOCTYPE and entities that it does not
//! define, and stops at the limits of [`crate::config::Limits`]. Every encoder writes elements in the order of the
//! schema.

pub mod affiliation_command;
pub mod conference_info;
pub mod gmop;
pub mod group_document;
pub mod group_dynamic;
pub mod mc_info;
pub mod multipart;
pub mod names;
pub mod pidf;
pub mod poc_settings;
pub mod resource_lists;
pub mod sdp;
#[cfg(test)]
mod testing;
pub mod xcap_diff;
mod xml;
mod xsd;

pub use mc_info::McInfo;
pub use multipart::{Body, Part};
pub use sdp::SessionDescription;

/// Why a body was refused. `place` names the element, attribute or line; the bytes are never echoed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Broken MIME, XML or SDP, or a value outside its type.
    #[error("{document}: {problem} at {place}")]
    Malformed {
        /// Which document, for instance `mcptt-info`.
        document: &'static str,
        /// Element, attribute, header or line.
        place: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// A limit was passed.
    #[error("{document}: over the limit of {limit} {what}")]
    TooLarge {
        /// Which document.
        document: &'static str,
        /// What is limited, for instance `levels of elements`.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The element tree is of another type or namespace than its media type promises.
    #[error("{document}: root element is not {expected}")]
    WrongRoot {
        /// Which document.
        document: &'static str,
        /// Expected root element.
        expected: &'static str,
    },
}
