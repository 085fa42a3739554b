//! Writing XML documents.

use super::is_allowed;

/// A name in two pieces that are written one behind the other: a namespace prefix with its colon, or the name of a
/// service, and the rest.
pub(in crate::documents) type Name<'a> = (&'a str, &'a str);

/// Writes a document. Elements close by themselves, text is escaped, characters that XML does not allow become U+FFFD.
pub(in crate::documents) struct Out {
    text: String,
}

impl Out {
    /// Begins a document.
    pub(in crate::documents) fn new() -> Self {
        let mut text = String::with_capacity(1024);
        text.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
        Self { text }
    }

    /// Octets written so far.
    pub(in crate::documents) fn len(&self) -> usize {
        self.text.len()
    }

    /// The document.
    pub(in crate::documents) fn finish(self) -> String {
        self.text
    }

    /// An element with what `content` writes into it.
    pub(in crate::documents) fn element(
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
    pub(in crate::documents) fn leaf(&mut self, name: Name<'_>, attributes: &[(&str, &str)], text: &str) {
        self.element(name, attributes, |out| out.escape(text, false));
    }

    /// An element without content.
    pub(in crate::documents) fn empty(&mut self, name: Name<'_>, attributes: &[(&str, &str)]) {
        self.element(name, attributes, |_| {});
    }

    /// XML that is already complete.
    pub(in crate::documents) fn raw(&mut self, xml: &str) {
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
