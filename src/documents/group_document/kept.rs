//! Elements of a group document that pass through: what this server does not read survives being stored, changed by
//! policy and written again.

use crate::documents::DocumentError;
use crate::documents::xml::{Element, Node, Ns, Out, Xml, append};
use crate::model::{KeptContent, KeptElement, Space};
use std::borrow::Cow;

/// The element just opened, read to its end. An element of text and plain attributes in one of the two namespaces that a
/// group document declares is taken apart; anything else is kept as XML that stands alone, which is longer.
pub(super) fn read<'i>(
    xml: &mut Xml<'i>,
    element: &Element<'i>,
    budget: &mut usize,
) -> Result<KeptElement, DocumentError> {
    let space = match element.ns {
        Ns::ListService => Space::ListService,
        Ns::GroupInfo => Space::GroupInfo,
        _ => Space::Foreign,
    };
    let mut attributes = element.plain_attributes().filter(|_| space != Space::Foreign);
    let mut text = Cow::Borrowed("");
    loop {
        match xml.node()? {
            Node::Text(more) => append(&mut text, more),
            Node::Open(_) => {
                attributes = None;
                xml.skip()?;
            }
            Node::Close => break,
        }
    }
    let content = match attributes {
        Some(attributes) => KeptContent::Simple { attributes, text: text.into_owned() },
        None => KeptContent::Xml(xml.raw_behind(element, budget)?),
    };
    Ok(KeptElement { space, name: element.name.to_owned(), content })
}

/// Writes an element again. `ls`: the prefix of the OMA namespace, with colon.
pub(super) fn write(out: &mut Out, ls: &str, element: &KeptElement) {
    match &element.content {
        KeptContent::Simple { attributes, text } => {
            let prefix = if element.space == Space::ListService { ls } else { "mcpttgi:" };
            let attributes: Vec<_> =
                attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            out.leaf((prefix, &element.name), &attributes, text);
        }
        KeptContent::Xml(xml) => out.raw(xml),
    }
}

/// Writes elements of the 3GPP namespace in the order of a schema: for each name `known` writes what this server reads
/// itself; where it writes nothing, what was kept under that name follows. Names that the schema does not have come last,
/// and behind them what belongs to other namespaces.
pub(super) fn write_in_order(
    out: &mut Out,
    order: &[&str],
    kept: &[KeptElement],
    mut known: impl FnMut(&mut Out, &str),
) {
    for name in order {
        let before = out.len();
        known(out, name);
        if out.len() == before && !kept.is_empty() {
            let named = |element: &&KeptElement| element.space == Space::GroupInfo && element.name == *name;
            kept.iter().filter(named).for_each(|element| write(out, "", element));
        }
    }
    for space in [Space::GroupInfo, Space::Foreign] {
        let strange = |element: &&KeptElement| {
            element.space == space && (space == Space::Foreign || !order.contains(&element.name.as_str()))
        };
        kept.iter().filter(strange).for_each(|element| write(out, "", element));
    }
}
