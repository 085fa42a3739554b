//! `application/pidf+xml` with the affiliation extension (TS 24.379 9.3.1).

use super::DocumentError;
use crate::config::Limits;
use crate::env::Time;
use crate::model::{AffiliationStatus, Service};

/// Affiliation information, per user or per group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// `entity`: MC service ID (per user) or group ID (per group).
    pub entity: String,
    /// `tuple`s.
    pub tuples: Vec<Tuple>,
    /// `p-id`.
    pub p_id: Option<String>,
}

/// One `tuple`: a client (per user) or a user (per group).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tuple {
    /// `id`.
    pub id: String,
    /// `affiliation` elements.
    pub affiliations: Vec<Affiliation>,
}

/// One `affiliation` element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Affiliation {
    /// `group` (per user).
    pub group: Option<String>,
    /// `client` (per group).
    pub client: Option<String>,
    /// `status`.
    pub status: Option<AffiliationStatus>,
    /// `expires`.
    pub expires: Option<Time>,
}

impl Presence {
    /// Reads a document of `service`'s extension namespace.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn decode(body: &[u8], service: Service, limits: &Limits) -> Result<Self, DocumentError> {
        let _ = (body, service, limits);
        unimplemented!()
    }

    /// Writes the document; `p-id` after the tuples.
    pub fn encode(&self, service: Service) -> String {
        let _ = service;
        unimplemented!()
    }
}

/// The client of a per-client restriction (`application/simple-filter+xml`, TS 24.379 9.3.2): the value in
/// `//pidf:presence/pidf:tuple[@id="X"]`; `None` for any other filter.
///
/// # Errors
/// [`DocumentError`] if it is not well-formed.
pub fn filter_tuple(body: &[u8], limits: &Limits) -> Result<Option<String>, DocumentError> {
    let _ = (body, limits);
    unimplemented!()
}
