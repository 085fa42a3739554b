//! What the XML documents of this room share: a cursor over quick-xml's reader and namespace resolver, and a writer.
//!
//! The cursor holds to XML 1.0 (fifth edition) and Namespaces in XML 1.0 where the reader below is lax, because what
//! it keeps raw goes on to peers that may be strict. It never expands an entity, and its cost is linear in the octets
//! of the document: attributes per element and namespaces in scope are bounded.

use super::DocumentError;
use crate::config::Limits;
use quick_xml::XmlVersion;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::attributes::{Attribute, Attributes};
use quick_xml::events::{BytesDecl, BytesRef, Event};
use quick_xml::name::{
    Namespace, NamespaceError, NamespaceResolver, PrefixDeclaration, QName, ResolveResult,
};
use quick_xml::reader::Reader;
use smallvec::SmallVec;
use std::borrow::Cow;

mod namespaces;
mod out;
#[cfg(test)]
mod tests;

pub(super) use namespaces::Ns;
pub(super) use out::{Name, Out};

const OUTSIDE: &str = "text or markup outside the root element";

/// Namespaces that may be in scope at once; no document of these services comes near it.
const NAMESPACES_IN_SCOPE: usize = 128;

type Result<T> = std::result::Result<T, DocumentError>;

/// Reads one document from front to back. After an element was given out, its content must be taken with
/// [`Self::text`], [`Self::skip`], [`Self::raw`] or [`Self::child`] until `None`.
pub(super) struct Xml<'i> {
    reader: Reader<&'i [u8]>,
    /// Declarations in scope. The reader's own namespace layer would go through the attributes once more.
    scope: NamespaceResolver,
    source: &'i str,
    document: &'static str,
    limits: &'i Limits,
    elements: usize,
    depth: usize,
    /// The last element given out was written `<a/>`; its end is still to be told.
    empty: bool,
    /// `]]>` occurs somewhere, so character data must be searched for it (XML 1.0 2.4).
    section_end: bool,
}

/// An element as it was opened.
#[derive(Clone, Copy)]
pub(super) struct Element<'i> {
    /// Its namespace.
    pub ns: Ns,
    /// Its name without prefix.
    pub name: &'i str,
    /// What stands between `<` and `>` or `/>`.
    tag: &'i str,
    /// Octets of `tag` that are the qualified name.
    name_octets: usize,
}

/// What comes next inside an element.
pub(super) enum Node<'i> {
    /// A child begins.
    Open(Element<'i>),
    /// Character data: one run, or one reference, resolved.
    Text(Cow<'i, str>),
    /// The element ends.
    Close,
}

impl<'i> Xml<'i> {
    /// Opens a document and reads up to its root, which must be `name` in `ns`.
    pub(super) fn open(
        body: &'i [u8],
        document: &'static str,
        (ns, name): (Ns, &'static str),
        limits: &'i Limits,
    ) -> Result<(Self, Element<'i>)> {
        let (xml, root) = Self::open_any(body, document, limits)?;
        xml.expect_root(root, root.is(ns, name), name)
    }

    /// The same for a document whose namespace is not known for sure: the root is known by its local name.
    pub(super) fn open_by_name(
        body: &'i [u8],
        document: &'static str,
        name: &'static str,
        limits: &'i Limits,
    ) -> Result<(Self, Element<'i>)> {
        let (xml, root) = Self::open_any(body, document, limits)?;
        xml.expect_root(root, root.name == name, name)
    }

    fn open_any(body: &'i [u8], document: &'static str, limits: &'i Limits) -> Result<(Self, Element<'i>)> {
        if body.len() > limits.xml_octets {
            return Err(too_large(document, "octets", limits.xml_octets));
        }
        let source = std::str::from_utf8(body)
            .map_err(|at| malformed(document, octet(at.valid_up_to()), "not UTF-8"))?;
        // The reader takes the mark off by itself, but then its positions are off by three.
        let source = source.strip_prefix('\u{feff}').unwrap_or(source);
        if source.starts_with('\u{feff}') {
            return Err(malformed(document, octet(0), OUTSIDE));
        }
        if let Some(at) = first_forbidden(source) {
            return Err(malformed(document, octet(at), "character that XML does not allow"));
        }
        let mut reader = Reader::from_str(source);
        reader.config_mut().check_comments = true;
        let mut scope = NamespaceResolver::default();
        scope.set_max_namespace_bindings(NAMESPACES_IN_SCOPE);
        let section_end = memchr::memmem::find(source.as_bytes(), b"]]>").is_some();
        let mut xml = Self {
            reader,
            scope,
            source,
            document,
            limits,
            elements: 0,
            depth: 0,
            empty: false,
            section_end,
        };
        loop {
            let at = xml.position();
            match xml.event()? {
                Event::Decl(declaration) if at == 0 => xml.declaration(&declaration)?,
                Event::Start(tag) => {
                    let root = xml.opened(tag.len(), false)?;
                    return Ok((xml, root));
                }
                Event::Empty(tag) => {
                    let root = xml.opened(tag.len(), true)?;
                    return Ok((xml, root));
                }
                Event::Eof => return Err(xml.fault("no root element")),
                other => xml.between(&other)?,
            }
        }
    }

    fn expect_root(
        self,
        root: Element<'i>,
        fits: bool,
        expected: &'static str,
    ) -> Result<(Self, Element<'i>)> {
        if fits {
            Ok((self, root))
        } else {
            Err(DocumentError::WrongRoot { document: self.document, expected })
        }
    }

    /// What may stand before and after the root element.
    fn between(&self, event: &Event<'i>) -> Result<()> {
        match event {
            Event::Comment(_) | Event::PI(_) => Ok(()),
            Event::Text(text) if text.bytes().all(is_space) => Ok(()),
            Event::DocType(_) => Err(self.fault("DOCTYPE")),
            _ => Err(self.fault(OUTSIDE)),
        }
    }

    fn declaration(&self, declaration: &BytesDecl<'i>) -> Result<()> {
        let version = declaration.version().map_err(|_| self.fault("XML declaration"))?;
        if !version.strip_prefix("1.").is_some_and(|minor| !minor.is_empty() && all_digits(minor)) {
            return Err(self.fault("XML version"));
        }
        match declaration.encoding() {
            None => Ok(()),
            Some(Ok(encoding)) if encoding.eq_ignore_ascii_case("utf-8") => Ok(()),
            Some(_) => Err(self.fault("encoding other than UTF-8")),
        }
    }

    /// Reads to the end of the document; the root must have been taken whole.
    pub(super) fn finish(mut self) -> Result<()> {
        loop {
            match self.event()? {
                Event::Eof => return Ok(()),
                other => self.between(&other)?,
            }
        }
    }

    /// The next node of the element that is open.
    pub(super) fn node(&mut self) -> Result<Node<'i>> {
        if std::mem::take(&mut self.empty) {
            return Ok(self.closed());
        }
        loop {
            match self.event()? {
                Event::Start(tag) => return self.opened(tag.len(), false).map(Node::Open),
                Event::Empty(tag) => return self.opened(tag.len(), true).map(Node::Open),
                Event::End(_) => return Ok(self.closed()),
                Event::Text(text) => {
                    if self.section_end && text.contains("]]>") {
                        return Err(self.fault("]]> in character data"));
                    }
                    return Ok(Node::Text(text.xml10_content()));
                }
                Event::CData(text) => return Ok(Node::Text(text.xml10_content())),
                Event::GeneralRef(reference) => return self.resolve(&reference).map(Node::Text),
                Event::Comment(_) | Event::PI(_) => {}
                Event::DocType(_) | Event::Decl(_) => return Err(self.fault("declaration inside an element")),
                Event::Eof => return Err(self.fault("end of document inside an element")),
            }
        }
    }

    fn resolve(&self, reference: &BytesRef<'i>) -> Result<Cow<'i, str>> {
        match reference.resolve_char_ref() {
            Ok(Some(c)) if is_allowed(c) => Ok(Cow::Owned(c.to_string())),
            Ok(None) => {
                resolve_xml_entity(reference).map(Cow::Borrowed).ok_or_else(|| self.fault("undefined entity"))
            }
            _ => Err(self.fault("character reference")),
        }
    }

    /// The next child of the element that is open; `None` at its end. Text between children is passed over.
    pub(super) fn child(&mut self) -> Result<Option<Element<'i>>> {
        loop {
            match self.node()? {
                Node::Open(element) => return Ok(Some(element)),
                Node::Text(_) => {}
                Node::Close => return Ok(None),
            }
        }
    }

    /// The text of the element that is open, up to and with its end, without white space at both ends. Children are
    /// passed over.
    pub(super) fn text(&mut self) -> Result<Cow<'i, str>> {
        let mut whole = Cow::Borrowed("");
        loop {
            match self.node()? {
                Node::Open(_) => self.skip()?,
                Node::Text(more) => append(&mut whole, more),
                Node::Close => return Ok(trim(whole)),
            }
        }
    }

    /// Passes over the rest of the element that is open, up to and with its end.
    pub(super) fn skip(&mut self) -> Result<()> {
        let mut open = 1_usize;
        while open > 0 {
            match self.node()? {
                Node::Open(_) => open += 1,
                Node::Text(_) => {}
                Node::Close => open -= 1,
            }
        }
        Ok(())
    }

    /// The element just opened, up to and with its end, as XML that stands alone: the namespace declarations in scope
    /// are written into it. `budget`: octets that may still be kept of this document; one declaration with a long name
    /// and many small elements would else grow without bound.
    pub(super) fn raw(&mut self, element: &Element<'_>, budget: &mut usize) -> Result<String> {
        self.skip()?;
        self.raw_behind(element, budget)
    }

    /// The same for an element that has just been read to its end.
    pub(super) fn raw_behind(&self, element: &Element<'_>, budget: &mut usize) -> Result<String> {
        let mut text = String::with_capacity(element.tag.len() + 64);
        text.push('<');
        let (name, attributes) = element.tag.split_at(element.name_octets);
        text.push_str(name);
        self.push_scope(element, &mut text)?;
        text.push_str(attributes);
        let from = (element.tag.as_ptr() as usize).wrapping_sub(self.source.as_ptr() as usize);
        let behind = from.wrapping_add(element.tag.len())..self.position();
        text.push_str(self.source.get(behind).unwrap_or_default());
        match budget.checked_sub(text.len()) {
            Some(left) => *budget = left,
            None => return Err(too_large(self.document, "octets of kept elements", self.limits.xml_octets)),
        }
        Ok(text)
    }

    /// Octets that may be kept of this document.
    pub(super) fn kept_octets(&self) -> usize {
        self.limits.xml_octets
    }

    /// Declarations in scope that `element` does not make itself.
    fn push_scope(&self, element: &Element<'_>, text: &mut String) -> Result<()> {
        let mut own: SmallVec<[PrefixDeclaration<'_>; 4]> = SmallVec::new();
        for attribute in element.attributes() {
            let attribute = attribute.map_err(|_| self.fault("attribute"))?;
            own.extend(attribute.key.as_namespace_binding());
        }
        let mut default_bound = false;
        for (prefix, Namespace(name)) in self.scope.bindings() {
            default_bound |= prefix == PrefixDeclaration::Default;
            if own.contains(&prefix) {
                continue;
            }
            match prefix {
                PrefixDeclaration::Default => text.push_str(" xmlns=\""),
                PrefixDeclaration::Named(prefix) => {
                    text.push_str(" xmlns:");
                    text.push_str(prefix);
                    text.push_str("=\"");
                }
            }
            // As written in the document, so references stay references; only the quotation mark may be ours.
            for piece in name.split_inclusive('"') {
                match piece.strip_suffix('"') {
                    Some(before) => {
                        text.push_str(before);
                        text.push_str("&quot;");
                    }
                    None => text.push_str(piece),
                }
            }
            text.push('"');
        }
        if !default_bound && !own.contains(&PrefixDeclaration::Default) {
            text.push_str(" xmlns=\"\"");
        }
        Ok(())
    }

    fn event(&mut self) -> Result<Event<'i>> {
        self.reader.read_event().map_err(|_| self.fault("not well-formed"))
    }

    fn closed(&mut self) -> Node<'i> {
        self.depth = self.depth.saturating_sub(1);
        self.scope.pop();
        Node::Close
    }

    /// Checks the element whose tag has just been read; `octets` of it stand between the brackets.
    fn opened(&mut self, octets: usize, empty: bool) -> Result<Element<'i>> {
        self.elements += 1;
        if self.elements > self.limits.xml_elements {
            return Err(too_large(self.document, "elements", self.limits.xml_elements));
        }
        self.depth += 1;
        let level = u16::try_from(self.depth).ok().filter(|_| self.depth <= self.limits.xml_depth);
        let Some(level) = level else {
            return Err(too_large(self.document, "levels of elements", self.limits.xml_depth));
        };
        self.scope.set_level(level);
        let end = self.position().saturating_sub(if empty { 2 } else { 1 });
        let tag = end.checked_sub(octets).and_then(|from| self.source.get(from..end)).unwrap_or_default();
        let name_octets = tag.bytes().position(is_space).unwrap_or(tag.len());
        let qualified = tag.get(..name_octets).unwrap_or_default();
        if !is_qualified_name(qualified) {
            return Err(self.fault("name of an element"));
        }
        let mut element = Element { ns: Ns::None, name: "", tag, name_octets };
        if name_octets < tag.len() {
            self.take_attributes(&element)?;
        }
        let (namespace, name) = self.scope.resolve_element(QName(qualified));
        element.name = name.into_inner();
        element.ns = match namespace {
            ResolveResult::Bound(Namespace(text)) => Ns::of(text),
            ResolveResult::Unbound => Ns::None,
            ResolveResult::Unknown(_) => return Err(self.fault("prefix that is not declared")),
        };
        self.empty = empty;
        Ok(element)
    }

    /// Checks the attributes of an element and puts its declarations into scope.
    fn take_attributes(&mut self, element: &Element<'i>) -> Result<()> {
        let mut seen: SmallVec<[QName<'i>; 8]> = SmallVec::new();
        let mut prefixed = false;
        for attribute in element.attributes() {
            let Ok(Attribute { key, value }) = attribute else { return Err(self.fault("attribute")) };
            if seen.len() == self.limits.xml_attributes {
                return Err(too_large(
                    self.document,
                    "attributes of one element",
                    self.limits.xml_attributes,
                ));
            }
            if seen.contains(&key) {
                return Err(self.fault("attribute that occurs twice"));
            }
            seen.push(key);
            if !element.is_parted(key.0) || !is_qualified_name(key.0) || value.contains('<') {
                return Err(self.fault("attribute"));
            }
            if value.contains('&') && normalized(&Attribute { key, value: Cow::Borrowed(&value) }).is_none() {
                return Err(self.fault("reference in an attribute"));
            }
            match key.as_namespace_binding() {
                Some(PrefixDeclaration::Named(_)) if value.is_empty() => {
                    return Err(self.fault("namespace declaration"));
                }
                Some(declaration) => self.declare(declaration, &value)?,
                None => prefixed |= key.0.contains(':'),
            }
        }
        if prefixed && seen.into_iter().any(|key| self.is_undeclared(key)) {
            return Err(self.fault("prefix that is not declared"));
        }
        Ok(())
    }

    fn declare(&mut self, prefix: PrefixDeclaration<'_>, name: &str) -> Result<()> {
        self.scope.add(prefix, Namespace(name)).map_err(|error| match error {
            NamespaceError::TooManyBindings(limit) => too_large(self.document, "namespaces in scope", limit),
            _ => self.fault("namespace declaration"),
        })
    }

    fn is_undeclared(&self, attribute: QName<'_>) -> bool {
        matches!(self.scope.resolve_attribute(attribute).0, ResolveResult::Unknown(_))
    }

    fn position(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
    }

    /// A fault at the place the cursor has reached.
    pub(super) fn fault(&self, problem: &'static str) -> DocumentError {
        malformed(self.document, octet(self.position()), problem)
    }

    /// A fault in a known element or attribute.
    pub(super) fn fault_in(&self, place: &str, problem: &'static str) -> DocumentError {
        malformed(self.document, place.to_owned(), problem)
    }

    /// The text of the element that is open, as a value of its type.
    pub(super) fn value<T>(&mut self, place: &str, read: impl FnOnce(&str) -> Option<T>) -> Result<T> {
        let text = self.text()?;
        read(&text).ok_or_else(|| self.fault_in(place, "value outside its type"))
    }

    /// An attribute that must be there.
    pub(super) fn required(&self, element: &Element<'i>, name: &'static str) -> Result<Cow<'i, str>> {
        element.attribute(name).ok_or_else(|| self.fault_in(name, "attribute missing"))
    }
}

impl<'i> Element<'i> {
    /// Whether this is the element `name` of `ns`.
    pub(super) fn is(&self, ns: Ns, name: &str) -> bool {
        self.ns == ns && self.name == name
    }

    /// Whether white space stands before this name, which is a piece of the tag.
    fn is_parted(&self, name: &str) -> bool {
        let at = (name.as_ptr() as usize).wrapping_sub(self.tag.as_ptr() as usize);
        let before = at.checked_sub(1).and_then(|before| self.tag.as_bytes().get(before));
        before.is_some_and(|octet| is_space(*octet))
    }

    fn attributes(&self) -> Attributes<'i> {
        let mut attributes = Attributes::new(self.tag, self.name_octets);
        attributes.with_checks(false);
        attributes
    }

    /// All attributes with their values, namespace declarations apart; `None` if one has a prefix.
    pub(super) fn plain_attributes(&self) -> Option<Vec<(String, String)>> {
        self.attributes()
            .flatten()
            .filter(|attribute| attribute.key.as_namespace_binding().is_none())
            .map(|attribute| {
                let value = normalized(&attribute)?.into_owned();
                (!attribute.key.0.contains(':')).then(|| (attribute.key.0.to_owned(), value))
            })
            .collect()
    }

    /// The value of an attribute without namespace, without white space at both ends.
    pub(super) fn attribute(&self, name: &str) -> Option<Cow<'i, str>> {
        if self.name_octets == self.tag.len() {
            return None;
        }
        let attribute = self.attributes().flatten().find(|attribute| attribute.key.0 == name)?;
        normalized(&attribute).map(trim)
    }
}

/// An attribute's value as XML 1.0 3.3.3 defines it; `None` if a reference in it cannot be resolved.
fn normalized<'a>(attribute: &Attribute<'a>) -> Option<Cow<'a, str>> {
    let value = attribute.normalized_value_with(XmlVersion::Explicit1_0, 1, resolve_xml_entity).ok()?;
    (matches!(value, Cow::Borrowed(_)) || value.chars().all(is_allowed)).then_some(value)
}

/// Joins runs of character data; copies only if there is more than one.
pub(super) fn append<'i>(whole: &mut Cow<'i, str>, more: Cow<'i, str>) {
    if whole.is_empty() {
        *whole = more;
    } else if !more.is_empty() {
        whole.to_mut().push_str(&more);
    }
}

/// Takes XML white space off both ends.
pub(super) fn trim(text: Cow<'_, str>) -> Cow<'_, str> {
    let is_space = |c: char| matches!(c, ' ' | '\t' | '\r' | '\n');
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_matches(is_space)),
        Cow::Owned(text) => match text.trim_matches(is_space) {
            trimmed if trimmed.len() == text.len() => Cow::Owned(text),
            trimmed => Cow::Owned(trimmed.to_owned()),
        },
    }
}

fn is_space(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r' | b'\n')
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

/// `Char` of XML 1.0 2.2.
fn is_allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

/// Position of the first character that XML 1.0 2.2 does not allow.
fn first_forbidden(text: &str) -> Option<usize> {
    let is_control = |b: u8| b < b' ' && !is_space(b);
    // The fold looks at all octets, and so at many at once.
    let controls = text.bytes().fold(false, |found, b| found | is_control(b));
    let control = if controls { text.bytes().position(is_control) } else { None };
    // U+FFFE and U+FFFF begin with EF, which ASCII documents never have.
    let rest = memchr::memchr(0xef, text.as_bytes())
        .and_then(|_| text.char_indices().find(|(_, c)| !is_allowed(*c)).map(|(at, _)| at));
    match (control, rest) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// `QName` of Namespaces in XML 1.0, with characters beyond ASCII taken as they are.
fn is_qualified_name(text: &str) -> bool {
    let (mut colons, mut begins) = (0, true);
    for octet in text.bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => begins = false,
            b'0'..=b'9' | b'-' | b'.' if !begins => {}
            b':' if !begins && colons == 0 => (colons, begins) = (1, true),
            _ => return false,
        }
    }
    !begins
}

fn octet(at: usize) -> String {
    format!("octet {at}")
}

/// A broken document.
pub(super) fn malformed(
    document: &'static str,
    place: impl Into<String>,
    problem: &'static str,
) -> DocumentError {
    DocumentError::Malformed { document, place: place.into(), problem }
}

/// A document over a limit.
pub(super) fn too_large(document: &'static str, what: &'static str, limit: usize) -> DocumentError {
    DocumentError::TooLarge { document, what, limit }
}
