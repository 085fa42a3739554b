//! A SIP message as text.

use bytes::Bytes;
use std::fmt::Write as _;

/// A SIP message: start line, headers in order, body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub start: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Message {
    /// A message without headers.
    pub fn new(start: impl Into<String>) -> Self {
        Self { start: start.into(), headers: Vec::new(), body: String::new() }
    }

    /// Reads what the server sent: every line must be as RFC 3261 7 has it, long names, no folding.
    pub fn read(octets: &[u8]) -> Self {
        let text = std::str::from_utf8(octets).unwrap_or_else(|_| panic!("not UTF-8: {octets:?}"));
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no end of headers: {text}"));
        let mut lines = head.split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        let headers = lines
            .map(|line| {
                let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("no header: {line:?}"));
                (name.to_owned(), value.to_owned())
            })
            .collect();
        Self { start, headers, body: body.to_owned() }
    }

    /// Status code of a response.
    pub fn status(&self) -> Option<u16> {
        self.start.strip_prefix("SIP/2.0 ")?.split(' ').next()?.parse().ok()
    }

    /// Method of a request, or of the request that a response answers.
    pub fn method(&self) -> &str {
        match self.status() {
            Some(_) => self.value("CSeq").split(' ').nth(1).unwrap_or_default(),
            None => self.start.split(' ').next().unwrap_or_default(),
        }
    }

    /// Request-URI.
    pub fn uri(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default()
    }

    /// CSeq number.
    pub fn cseq(&self) -> u32 {
        self.value("CSeq").split(' ').next().and_then(|number| number.parse().ok()).unwrap_or_default()
    }

    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The first header of this name, or nothing.
    pub fn value(&self, name: &str) -> &str {
        self.header(name).unwrap_or_default()
    }

    /// All headers of this name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers
            .iter()
            .filter(move |(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Adds a header.
    pub fn add(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Replaces the headers of this name by one.
    pub fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        let value = value.into();
        match self.headers.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
            Some((_, old)) => *old = value,
            None => self.headers.push((name.to_owned(), value)),
        }
        self
    }

    /// Leaves out the headers of this name.
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self
    }

    /// One body.
    pub fn with_body(self, kind: &str, body: &str) -> Self {
        Self { body: body.to_owned(), ..self.set("Content-Type", kind) }
    }

    /// Several bodies.
    pub fn with_parts(self, parts: &[(&str, &str)]) -> Self {
        let mut body = String::new();
        for (kind, content) in parts {
            let _ = write!(body, "--b\r\nContent-Type: {kind}\r\n\r\n{content}\r\n");
        }
        body.push_str("--b--\r\n");
        self.with_body("multipart/mixed;boundary=b", &body)
    }

    /// The bodies with their media types; one, or those of a multipart.
    pub fn parts(&self) -> Vec<(String, String)> {
        let kind = self.value("Content-Type");
        if self.body.is_empty() {
            return Vec::new();
        }
        let Some((_, boundary)) = kind.split_once("boundary=") else {
            return vec![(kind.to_owned(), self.body.clone())];
        };
        let boundary = format!("--{}", boundary.trim_matches('"'));
        let mut parts = Vec::new();
        for part in self.body.split(&boundary).skip(1) {
            if part.starts_with("--") {
                break;
            }
            let (head, content) = part.split_once("\r\n\r\n").expect("a part without end of headers");
            let kind = head.split("\r\n").find_map(|line| line.strip_prefix("Content-Type: "));
            let content = content.strip_suffix("\r\n").expect("a part without end");
            parts.push((kind.unwrap_or_default().to_owned(), content.to_owned()));
        }
        parts
    }

    /// The body of this media type.
    pub fn part(&self, kind: &str) -> Option<String> {
        self.parts().into_iter().find(|(k, _)| k.starts_with(kind)).map(|(_, content)| content)
    }

    /// Octets with a fresh Content-Length, unless the message brings one.
    pub fn octets(&self) -> Bytes {
        let mut text = format!("{}\r\n", self.start);
        for (name, value) in &self.headers {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        if self.header("Content-Length").is_none() {
            let _ = write!(text, "Content-Length: {}\r\n", self.body.len());
        }
        let _ = write!(text, "\r\n{}", self.body);
        Bytes::from(text)
    }
}

/// The URI inside `<...>`, or the whole without parameters.
pub fn uri_in(value: &str) -> &str {
    match value.split_once('<') {
        Some((_, rest)) => rest.split('>').next().unwrap_or_default(),
        None => value.split(';').next().unwrap_or_default(),
    }
}

/// A parameter behind the URI, without quotes.
pub fn parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let behind = value.rsplit_once('>').map_or(value, |(_, rest)| rest);
    behind.split(';').skip(1).find_map(|one| {
        let (n, v) = one.split_once('=').unwrap_or((one, ""));
        n.trim().eq_ignore_ascii_case(name).then(|| v.trim().trim_matches('"'))
    })
}
