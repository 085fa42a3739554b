//! What the XML documents of this room share: a cursor over quick-xml's namespace reader, and a writer.
//!
//! The cursor holds to XML 1.0 (fifth edition) and Namespaces in XML 1.0 where the reader below is lax, because what
//! it keeps raw goes on to peers that may be strict. It never expands an entity, and its cost is linear in the octets
//! of the document: attributes per element and namespaces in scope are bounded.

use super::DocumentError;
use crate::config::Limits;
use quick_xml::NsReader;
use quick_xml::XmlVersion;
use quick_xml::errors::Error;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::attributes::{Attribute, Attributes};
use quick_xml::events::{BytesDecl, BytesRef, Event};
use quick_xml::name::{Namespace, NamespaceError, PrefixDeclaration, QName, ResolveResult};
use smallvec::SmallVec;
use std::borrow::Cow;

/// Namespaces that may be in scope at once; no document of these services comes near it.
const NAMESPACES_IN_SCOPE: usize = 128;

macro_rules! namespaces {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// The namespaces this room knows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Ns {
            /// No namespace at all.
            None,
            /// A namespace nobody here knows.
            Foreign,
            $($(#[$doc])* $name,)*
        }

        impl Ns {
            /// The namespace of this name.
            pub(super) fn of(text: &str) -> Self {
                match text {
                    "" => Self::None,
                    $($text => Self::$name,)*
                    _ => Self::Foreign,
                }
            }

            /// Its name; empty for those that have none here.
            pub(super) const fn text(self) -> &'static str {
                match self {
                    Self::None | Self::Foreign => "",
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

namespaces! {
    /// MCPTT parameters (TS 24.379 F.1).
    McpttInfo = "urn:3gpp:ns:mcpttInfo:1.0",
    /// MCVideo parameters (TS 24.281 F.1).
    McVideoInfo = "urn:3gpp:ns:mcvideoInfo:1.0",
    /// MCData parameters (TS 24.282 D.1).
    McDataInfo = "urn:3gpp:ns:mcdataInfo:1.0",
    /// MCPTT affiliation in presence documents (TS 24.379 9.3.1).
    McpttPresence = "urn:3gpp:ns:mcpttPresInfo:1.0",
    /// Its MCVideo twin.
    McVideoPresence = "urn:3gpp:ns:mcvideoPresInfo:1.0",
    /// Its MCData twin.
    McDataPresence = "urn:3gpp:ns:mcdataPresInfo:1.0",
    /// Presence documents (RFC 3863).
    Pidf = "urn:ietf:params:xml:ns:pidf",
    /// Filters (RFC 4661).
    SimpleFilter = "urn:ietf:params:xml:ns:simple-filter",
    /// Lists of URIs (RFC 4826).
    ResourceLists = "urn:ietf:params:xml:ns:resource-lists",
    /// Rosters (RFC 4575).
    ConferenceInfo = "urn:ietf:params:xml:ns:conference-info",
    /// Authorisation rules (RFC 4745).
    CommonPolicy = "urn:ietf:params:xml:ns:common-policy",
    /// Group documents (TS 24.481 7.2.2).
    ListService = "urn:oma:xml:poc:list-service",
    /// OMA XDM extensions.
    Extensions = "urn:oma:xml:xdm:extensions",
    /// 3GPP extensions of group documents (TS 24.481 7.2.4.2).
    GroupInfo = "urn:3gpp:ns:mcpttGroupInfo:1.0",
    /// Group management operations.
    Gmop = "urn:3gpp:ns:mcpttGMOP:1.0",
    /// This product's extension of them.
    GmopExtension = "urn:rollcall:gmop-ext:1.0",
    /// XML encryption.
    Encryption = "http://www.w3.org/2001/04/xmlenc#",
}

type Result<T> = std::result::Result<T, DocumentError>;

/// Reads one document from front to back. After an element was given out, its content must be taken with
/// [`Self::text`], [`Self::skip`], [`Self::raw`] or [`Self::child`] until `None`.
pub(super) struct Xml<'i> {
    reader: NsReader<&'i [u8]>,
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
    empty: bool,
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
        if body.len() > limits.xml_octets {
            return Err(too_large(document, "octets", limits.xml_octets));
        }
        let source = std::str::from_utf8(body)
            .map_err(|at| malformed(document, octet(at.valid_up_to()), "not UTF-8"))?;
        // The reader takes the mark off by itself, but then its positions are off by three.
        let source = source.strip_prefix('\u{feff}').unwrap_or(source);
        if let Some(at) = first_forbidden(source) {
            return Err(malformed(document, octet(at), "character that XML does not allow"));
        }
        let mut reader = NsReader::from_str(source);
        reader.config_mut().check_comments = true;
        reader.resolver_mut().set_max_namespace_bindings(NAMESPACES_IN_SCOPE);
        let section_end = memchr::memmem::find(source.as_bytes(), b"]]>").is_some();
        let mut xml =
            Self { reader, source, document, limits, elements: 0, depth: 0, empty: false, section_end };
        loop {
            let at = xml.position();
            match xml.event()? {
                Event::Decl(declaration) if at == 0 => xml.declaration(&declaration)?,
                Event::Start(tag) => {
                    let root = xml.opened(tag.len(), false)?;
                    return xml.expect_root(root, ns, name);
                }
                Event::Empty(tag) => {
                    let root = xml.opened(tag.len(), true)?;
                    return xml.expect_root(root, ns, name);
                }
                Event::Eof => return Err(xml.fault("no root element")),
                other => xml.between(&other)?,
            }
        }
    }

    fn expect_root(self, root: Element<'i>, ns: Ns, name: &'static str) -> Result<(Self, Element<'i>)> {
        if root.is(ns, name) {
            Ok((self, root))
        } else {
            Err(DocumentError::WrongRoot { document: self.document, expected: name })
        }
    }

    /// What may stand before and after the root element.
    fn between(&self, event: &Event<'i>) -> Result<()> {
        match event {
            Event::Comment(_) | Event::PI(_) => Ok(()),
            Event::Text(text) if text.bytes().all(is_space) => Ok(()),
            Event::DocType(_) => Err(self.fault("DOCTYPE")),
            _ => Err(self.fault("text or markup outside the root element")),
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
            self.depth = self.depth.saturating_sub(1);
            return Ok(Node::Close);
        }
        loop {
            match self.event()? {
                Event::Start(tag) => return self.opened(tag.len(), false).map(Node::Open),
                Event::Empty(tag) => return self.opened(tag.len(), true).map(Node::Open),
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(Node::Close);
                }
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
        let mut text = String::with_capacity(element.tag.len() + 64);
        text.push('<');
        let (name, attributes) = element.tag.split_at(element.name_octets);
        text.push_str(name);
        self.push_scope(element, &mut text)?;
        text.push_str(attributes);
        text.push_str(if element.empty { "/>" } else { ">" });
        let from = self.position();
        self.skip()?;
        if !element.empty {
            text.push_str(self.source.get(from..self.position()).unwrap_or_default());
        }
        match budget.checked_sub(text.len()) {
            Some(left) => *budget = left,
            None => return Err(too_large(self.document, "octets of kept elements", self.limits.xml_octets)),
        }
        Ok(text)
    }

    /// Declarations in scope that `element` does not make itself.
    fn push_scope(&self, element: &Element<'_>, text: &mut String) -> Result<()> {
        let mut own: SmallVec<[PrefixDeclaration<'_>; 4]> = SmallVec::new();
        for attribute in element.attributes() {
            let attribute = attribute.map_err(|_| self.fault("attribute"))?;
            own.extend(attribute.key.as_namespace_binding());
        }
        let mut default_bound = false;
        for (prefix, Namespace(name)) in self.reader.resolver().bindings() {
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
        self.reader.read_event().map_err(|error| match error {
            Error::Namespace(NamespaceError::TooManyBindings(limit)) => {
                too_large(self.document, "namespaces in scope", limit)
            }
            Error::Namespace(_) => self.fault("namespace declaration"),
            _ => self.fault("not well-formed"),
        })
    }

    /// Checks the element whose tag has just been read; `octets` of it stand between the brackets.
    fn opened(&mut self, octets: usize, empty: bool) -> Result<Element<'i>> {
        self.elements += 1;
        if self.elements > self.limits.xml_elements {
            return Err(too_large(self.document, "elements", self.limits.xml_elements));
        }
        self.depth += 1;
        if self.depth > self.limits.xml_depth {
            return Err(too_large(self.document, "levels of elements", self.limits.xml_depth));
        }
        let end = self.position().saturating_sub(if empty { 2 } else { 1 });
        let tag = end.checked_sub(octets).and_then(|from| self.source.get(from..end)).unwrap_or_default();
        let name_octets = tag.bytes().position(is_space).unwrap_or(tag.len());
        let qualified = tag.get(..name_octets).unwrap_or_default();
        if !is_qualified_name(qualified) {
            return Err(self.fault("name of an element"));
        }
        let (namespace, name) = self.reader.resolver().resolve_element(QName(qualified));
        let ns = match namespace {
            ResolveResult::Bound(Namespace(text)) => Ns::of(text),
            ResolveResult::Unbound => Ns::None,
            ResolveResult::Unknown(_) => return Err(self.fault("prefix that is not declared")),
        };
        let element = Element { ns, name: name.into_inner(), tag, name_octets, empty };
        if name_octets < tag.len() {
            self.check_attributes(&element)?;
        }
        self.empty = empty;
        Ok(element)
    }

    fn check_attributes(&self, element: &Element<'i>) -> Result<()> {
        let mut seen: SmallVec<[&str; 8]> = SmallVec::new();
        for attribute in element.attributes() {
            let Ok(Attribute { key: QName(key), value }) = attribute else {
                return Err(self.fault("attribute"));
            };
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
            let at = (key.as_ptr() as usize).wrapping_sub(element.tag.as_ptr() as usize);
            let parted = at
                .checked_sub(1)
                .and_then(|before| element.tag.as_bytes().get(before))
                .is_some_and(|b| is_space(*b));
            if !parted || !is_qualified_name(key) || value.contains('<') {
                return Err(self.fault("attribute"));
            }
            if value.contains('&') {
                normalized(&Attribute { key: QName(key), value: Cow::Borrowed(&value) })
                    .ok_or_else(|| self.fault("reference in an attribute"))?;
            }
            match key.split_once(':') {
                None | Some(("xml", _)) => {}
                Some(("xmlns", _)) if value.is_empty() => return Err(self.fault("namespace declaration")),
                Some(("xmlns", _)) => {}
                Some(_) => {
                    let (namespace, _) = self.reader.resolver().resolve_attribute(QName(key));
                    if matches!(namespace, ResolveResult::Unknown(_)) {
                        return Err(self.fault("prefix that is not declared"));
                    }
                }
            }
        }
        Ok(())
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

    fn attributes(&self) -> Attributes<'i> {
        let mut attributes = Attributes::new(self.tag, self.name_octets);
        attributes.with_checks(false);
        attributes
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
    let control = text.bytes().position(|b| b < b' ' && !is_space(b));
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
    let is_part = |part: &str| {
        part.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_' || b >= 0x80)
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_') || b >= 0x80)
    };
    match text.split_once(':') {
        None => is_part(text),
        Some((prefix, local)) => is_part(prefix) && is_part(local),
    }
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

/// A name in two pieces that are written one behind the other: a namespace prefix with its colon, or the name of a
/// service, and the rest.
pub(super) type Name<'a> = (&'a str, &'a str);

/// Writes a document. Elements close by themselves, text is escaped, characters that XML does not allow become U+FFFD.
pub(super) struct Out {
    text: String,
}

impl Out {
    /// Begins a document.
    pub(super) fn new() -> Self {
        let mut text = String::with_capacity(1024);
        text.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
        Self { text }
    }

    /// The document.
    pub(super) fn finish(self) -> String {
        self.text
    }

    /// An element with what `content` writes into it.
    pub(super) fn element(
        &mut self,
        name: Name<'_>,
        attributes: &[(&str, &str)],
        content: impl FnOnce(&mut Self),
    ) {
        self.tag(name, attributes);
        self.text.push('>');
        let before = self.text.len();
        content(self);
        if self.text.len() == before {
            self.text.pop();
            self.text.push_str("/>");
            return;
        }
        self.text.push_str("</");
        self.text.push_str(name.0);
        self.text.push_str(name.1);
        self.text.push('>');
    }

    /// An element with text.
    pub(super) fn leaf(&mut self, name: Name<'_>, attributes: &[(&str, &str)], text: &str) {
        self.element(name, attributes, |out| out.escape(text, false));
    }

    /// An element without content.
    pub(super) fn empty(&mut self, name: Name<'_>, attributes: &[(&str, &str)]) {
        self.element(name, attributes, |_| {});
    }

    /// XML that is already complete.
    pub(super) fn raw(&mut self, xml: &str) {
        self.text.push_str(xml);
    }

    fn tag(&mut self, name: Name<'_>, attributes: &[(&str, &str)]) {
        self.text.push('<');
        self.text.push_str(name.0);
        self.text.push_str(name.1);
        for (name, value) in attributes {
            self.text.push(' ');
            self.text.push_str(name);
            self.text.push_str("=\"");
            self.escape(value, true);
            self.text.push('"');
        }
    }

    fn escape(&mut self, text: &str, attribute: bool) {
        for c in text.chars() {
            match c {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                '\r' => self.text.push_str("&#13;"),
                '"' if attribute => self.text.push_str("&quot;"),
                '\t' if attribute => self.text.push_str("&#9;"),
                '\n' if attribute => self.text.push_str("&#10;"),
                c if is_allowed(c) => self.text.push(c),
                _ => self.text.push('\u{fffd}'),
            }
        }
    }
}
