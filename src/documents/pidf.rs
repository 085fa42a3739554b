//! `application/pidf+xml` with the affiliation extension (TS 24.379 9.3.1).

use super::xml::{Element, Ns, Out, Xml};
use super::{DocumentError, names, xsd};
use crate::config::Limits;
use crate::env::Time;
use crate::model::{AffiliationStatus, Service};

#[cfg(test)]
mod tests;

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
    /// Reads a document of `service`'s extension namespace. Affiliations of another service are not seen.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn decode(body: &[u8], service: Service, limits: &Limits) -> Result<Self, DocumentError> {
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
            } else {
                xml.skip()?;
            }
        }
        xml.finish()?;
        Ok(presence)
    }

    /// Writes the document; `p-id` after the tuples.
    pub fn encode(&self, service: Service) -> String {
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

/// The client of a per-client restriction (`application/simple-filter+xml`, TS 24.379 9.3.2): the value in
/// `//pidf:presence/pidf:tuple[@id="X"]`; `None` for any other filter, so that its sender is told everything.
///
/// # Errors
/// [`DocumentError`] if it is not well-formed.
pub fn filter_tuple(body: &[u8], limits: &Limits) -> Result<Option<String>, DocumentError> {
    const NS: Ns = Ns::SimpleFilter;
    let (mut xml, _) = Xml::open(body, "simple-filter", (NS, "filter-set"), limits)?;
    // Includes seen; anything that says more than one plain include makes the filter one of another kind.
    let mut includes = Vec::new();
    let mut plain = true;
    while let Some(filter) = xml.child()? {
        if !filter.is(NS, "filter") {
            xml.skip()?;
            continue;
        }
        plain &= ["uri", "domain", "remove"].iter().all(|name| filter.attribute(name).is_none());
        plain &= filter.attribute("enabled").is_none_or(|enabled| xsd::boolean(&enabled) == Some(true));
        while let Some(what) = xml.child()? {
            if !what.is(NS, "what") {
                plain &= what.ns != NS;
                xml.skip()?;
                continue;
            }
            while let Some(element) = xml.child()? {
                plain &= element.is(NS, "include") && element.attribute("type").is_none();
                includes.push(xml.text()?);
            }
        }
    }
    xml.finish()?;
    Ok(match includes.as_slice() {
        [include] if plain => tuple_of(include).map(str::to_owned),
        _ => None,
    })
}

/// `X` of `//p:presence/p:tuple[@id="X"]`, with any one prefix and either kind of quotes.
fn tuple_of(path: &str) -> Option<&str> {
    let (prefix, rest) = path.strip_prefix("//")?.split_once(":presence/")?;
    let rest = rest.strip_prefix(prefix)?.strip_prefix(":tuple[@id=")?.strip_suffix(']')?;
    let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let id = rest.strip_prefix(quote)?.strip_suffix(quote)?;
    let named =
        !prefix.is_empty() && !prefix.contains(|c: char| matches!(c, ':' | '/' | '[') || c.is_whitespace());
    (named && !id.is_empty() && !id.contains(quote)).then_some(id)
}
