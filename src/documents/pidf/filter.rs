//! `application/simple-filter+xml` (RFC 4661) as TS 24.379 9.3.2 uses it: only one tuple of a presence document.

use crate::config::Limits;
use crate::documents::xml::{Ns, Out, Xml};
use crate::documents::{DocumentError, xsd};

/// The tuple that a filter restricts to: a client in a document per user, a user in a document per group. It is the value
/// in `//pidf:presence/pidf:tuple[@id="X"]`; `None` for any other filter, so that its sender is told everything.
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

/// Writes the filter that [`filter_tuple`] reads. `None` if the identity holds quotation marks of both kinds, which no
/// path of this kind can say: then ask without a filter.
pub fn tuple_filter(id: &str) -> Option<String> {
    let quote = ['"', '\''].into_iter().find(|quote| !id.contains(*quote))?;
    let mut out = Out::new();
    out.element(("", "filter-set"), &[("xmlns", Ns::SimpleFilter.text())], |out| {
        out.element(("", "ns-bindings"), &[], |out| {
            out.empty(("", "ns-binding"), &[("prefix", "pidf"), ("urn", Ns::Pidf.text())]);
        });
        out.element(("", "filter"), &[("id", "f1")], |out| {
            out.element(("", "what"), &[], |out| {
                let path = format!("//pidf:presence/pidf:tuple[@id={quote}{id}{quote}]");
                out.leaf(("", "include"), &[], &path);
            });
        });
    });
    Some(out.finish())
}
