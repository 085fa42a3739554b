//! `application/pidf+xml` with the affiliation extension (TS 24.379 9.3.1), in two forms: per user, and per group.

use super::xml::{Element, Ns, Out, Xml};
use super::{DocumentError, names, xsd};
use crate::config::Limits;
use crate::env::Time;
use crate::model::{AffiliationStatus, Service};

mod filter;
#[cfg(test)]
mod tests;

pub use filter::{filter_tuple, tuple_filter};

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

/// Which of the two forms a document has (TS 24.379 9.3.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The entity is a user, a tuple is a client of it, an affiliation names a group: between a client and the serving
    /// server of the user, and between serving servers.
    PerUser,
    /// The entity is a group, a tuple is a user, an affiliation names a client of that user: between the serving server
    /// of a user and the server that owns the group.
    PerGroup,
}

impl Presence {
    /// The form of this document: `group` in every affiliation, or `client` in every affiliation. `None` if there is no
    /// affiliation, or if they do not agree; then only who is asked, and what for, tells how to read it.
    pub fn form(&self) -> Option<Form> {
        let mut forms = self.tuples.iter().flat_map(|tuple| &tuple.affiliations).map(Affiliation::form);
        let first = forms.next()??;
        forms.all(|form| form == Some(first)).then_some(first)
    }

    /// Reads a document of `service`'s extension namespace. Affiliations of another service are not seen.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn decode(body: &[u8], service: Service, limits: &Limits) -> Result<Self, DocumentError> {
        Self::decode_with(body, service, limits, |_, _| Ok(false))
    }

    /// Reads a document. `other` may take a child of `presence` that is neither tuple nor `p-id`: it reads it to its end
    /// and says so.
    pub(super) fn decode_with(
        body: &[u8],
        service: Service,
        limits: &Limits,
        mut other: impl FnMut(&mut Xml<'_>, &Element<'_>) -> Result<bool, DocumentError>,
    ) -> Result<Self, DocumentError> {
        let extension = Ns::of(names::of(service).presence_namespace);
        let (mut xml, root) = Xml::open(body, "pidf", (Ns::Pidf, "presence"), limits)?;
        let mut presence = Self { entity: xml.required(&root, "entity")?.into_owned(), ..Self::default() };
        while let Some(element) = xml.child()? {
            if element.is(Ns::Pidf, "tuple") {
                let tuple = Tuple::read(&mut xml, &element, extension)?;
                presence.tuples.push(tuple);
            } else if element.is(extension, "p-id") {
                let p_id = xml.text()?.into_owned();
                if presence.p_id.replace(p_id).is_some() {
                    return Err(xml.fault_in("p-id", TWICE));
                }
            } else if !other(&mut xml, &element)? {
                xml.skip()?;
            }
        }
        xml.finish()?;
        Ok(presence)
    }

    /// Writes the document; `p-id` after the tuples.
    pub fn encode(&self, service: Service) -> String {
        self.encode_with(service, |_, _| {})
    }

    /// Writes a document. `other` may add children of the extension namespace, of which it gets the prefix with colon.
    pub(super) fn encode_with(&self, service: Service, other: impl FnOnce(&mut Out, &str)) -> String {
        let names = names::of(service);
        let prefix = format!("{}:", names.presence_prefix);
        let declaration = format!("xmlns:{}", names.presence_prefix);
        let mut out = Out::new();
        let attributes = [
            ("xmlns", Ns::Pidf.text()),
            (declaration.as_str(), names.presence_namespace),
            ("entity", self.entity.as_str()),
        ];
        out.element(("", "presence"), &attributes, |out| {
            for tuple in &self.tuples {
                out.element(("", "tuple"), &[("id", &tuple.id)], |out| {
                    out.element(("", "status"), &[], |out| {
                        for affiliation in &tuple.affiliations {
                            affiliation.write(out, (&prefix, "affiliation"));
                        }
                    });
                });
            }
            other(out, &prefix);
            if let Some(p_id) = &self.p_id {
                out.leaf((&prefix, "p-id"), &[], p_id);
            }
        });
        out.finish()
    }
}

const TWICE: &str = "element that occurs twice";

impl Tuple {
    fn read(xml: &mut Xml<'_>, element: &Element<'_>, extension: Ns) -> Result<Self, DocumentError> {
        let mut tuple = Self { id: xml.required(element, "id")?.into_owned(), affiliations: Vec::new() };
        let mut status = false;
        while let Some(element) = xml.child()? {
            if !element.is(Ns::Pidf, "status") {
                xml.skip()?;
                continue;
            }
            if std::mem::replace(&mut status, true) {
                return Err(xml.fault_in("status", TWICE));
            }
            while let Some(element) = xml.child()? {
                if element.is(extension, "affiliation") {
                    let affiliation = Affiliation::read(xml, &element)?;
                    tuple.affiliations.push(affiliation);
                }
                xml.skip()?;
            }
        }
        Ok(tuple)
    }
}

impl Affiliation {
    /// To this group, in a document per user. Status and expiry stand only in notifications.
    pub fn to_group(
        group: impl Into<String>,
        status: Option<AffiliationStatus>,
        expires: Option<Time>,
    ) -> Self {
        Self { group: Some(group.into()), client: None, status, expires }
    }

    /// With this client, in a document per group: being in the list is being affiliated.
    pub fn with_client(client: impl Into<String>, expires: Option<Time>) -> Self {
        Self { group: None, client: Some(client.into()), status: None, expires }
    }

    fn form(&self) -> Option<Form> {
        match (&self.group, &self.client) {
            (Some(_), None) => Some(Form::PerUser),
            (None, Some(_)) => Some(Form::PerGroup),
            _ => None,
        }
    }

    fn read(xml: &Xml<'_>, element: &Element<'_>) -> Result<Self, DocumentError> {
        let outside = |place| xml.fault_in(place, "value outside its type");
        let status = match element.attribute("status").as_deref() {
            None => None,
            Some(text) => Some(status(text).ok_or_else(|| outside("status"))?),
        };
        let expires = match element.attribute("expires") {
            None => None,
            Some(text) => Some(xsd::date_time(&text).ok_or_else(|| outside("expires"))?),
        };
        let owned = |name| element.attribute(name).map(|value| value.into_owned());
        Ok(Self { group: owned("group"), client: owned("client"), status, expires })
    }

    fn write(&self, out: &mut Out, name: super::xml::Name<'_>) {
        let expires = self.expires.map(xsd::date_time_text);
        let attributes = [
            ("group", self.group.as_deref()),
            ("client", self.client.as_deref()),
            ("status", self.status.map(status_text)),
            ("expires", expires.as_deref()),
        ];
        let given: Vec<_> = attributes.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        out.empty(name, &given);
    }
}

fn status(text: &str) -> Option<AffiliationStatus> {
    [AffiliationStatus::Affiliating, AffiliationStatus::Affiliated, AffiliationStatus::Deaffiliating]
        .into_iter()
        .find(|status| status_text(*status) == text)
}

fn status_text(status: AffiliationStatus) -> &'static str {
    match status {
        AffiliationStatus::Affiliating => "affiliating",
        AffiliationStatus::Affiliated => "affiliated",
        AffiliationStatus::Deaffiliating => "deaffiliating",
    }
}
