//! MIME bodies: one part, or `multipart/mixed` (RFC 2046 5.1), nested, with any boundary.

use super::DocumentError;
use super::xml::{malformed, too_large};
use crate::config::Limits;
use bytes::Bytes;
use memchr::memmem;
use std::collections::BTreeSet;
use std::ops::Range;

#[cfg(test)]
mod tests;

const DOCUMENT: &str = "MIME body";

/// RFC 2046 5.1.1: a boundary has 1 to 70 characters.
const BOUNDARY_OCTETS: usize = 70;

/// What boundaries of ours begin with; a number and a full stop follow.
const STEM: &[u8] = b"rollcall.";

/// A body with its type, as sent or received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// `Content-Type` value, for instance `multipart/mixed;boundary=b1`.
    pub content_type: String,
    /// The octets.
    pub content: Bytes,
}

/// One leaf of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Media type in lower case without parameters, for instance `application/sdp`.
    pub media_type: String,
    /// `Content-ID` without brackets.
    pub content_id: Option<String>,
    /// `Content-Disposition` value.
    pub disposition: Option<String>,
    /// The octets.
    pub content: Bytes,
}

/// A body with the headers that name it and say what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labelled {
    /// The body.
    pub body: Body,
    /// `Content-ID` without brackets, to which a `cid:` URI points (RFC 2392).
    pub content_id: Option<String>,
    /// `Content-Disposition`.
    pub disposition: Option<String>,
}

impl From<Body> for Labelled {
    fn from(body: Body) -> Self {
        Self { body, content_id: None, disposition: None }
    }
}

/// All leaf parts of a body, in order: the body itself if it is not multipart. Nested multipart is flattened, and any
/// subtype of multipart is read as mixed (RFC 2046 5.1.3). No type and no octets: no part.
///
/// # Errors
/// [`DocumentError`] if a type, a boundary or a part header is broken, a transfer encoding other than 7bit, 8bit and
/// binary is used, or a limit is passed.
pub fn split(content_type: &str, body: &Bytes, limits: &Limits) -> Result<Vec<Part>, DocumentError> {
    let mut parts = Vec::with_capacity(2);
    if body.is_empty() && content_type.trim().is_empty() {
        return Ok(parts);
    }
    let headers = Headers { content_type: content_type.into(), ..Headers::default() };
    split_into(&mut parts, headers, body, 0, limits)?;
    Ok(parts)
}

/// The same for the body of a message: a body that is not multipart has its labels in the headers of the message.
///
/// # Errors
/// As [`split`].
pub fn split_labelled(whole: &Labelled, limits: &Limits) -> Result<Vec<Part>, DocumentError> {
    let mut parts = split(&whole.body.content_type, &whole.body.content, limits)?;
    if let [part] = parts.as_mut_slice() {
        part.content_id = part.content_id.take().or_else(|| whole.content_id.clone());
        part.disposition = part.disposition.take().or_else(|| whole.disposition.clone());
    }
    Ok(parts)
}

/// The part that a `cid:` URI points to, by its Content-ID.
pub fn by_content_id<'p>(parts: &'p [Part], content_id: &str) -> Option<&'p Part> {
    parts.iter().find(|part| part.content_id.as_deref() == Some(content_id))
}

/// Puts parts together: one part stays alone, several become `multipart/mixed` with a boundary that occurs in none.
/// The same parts give the same body.
pub fn join(parts: Vec<Body>) -> Body {
    join_labelled(parts.into_iter().map(Labelled::from).collect()).body
}

/// The same for parts with labels. The labels of a part that stays alone belong into the headers of the message.
pub fn join_labelled(mut parts: Vec<Labelled>) -> Labelled {
    if parts.len() < 2 {
        return parts.pop().unwrap_or(Body { content_type: String::new(), content: Bytes::new() }.into());
    }
    let boundary = format!("{}{}.", String::from_utf8_lossy(STEM), free_number(&parts));
    let octets: usize =
        parts.iter().map(|part| part.body.content.len() + part.body.content_type.len() + 64).sum();
    let mut content = Vec::with_capacity(octets);
    for part in &parts {
        for piece in ["--", &boundary, "\r\nContent-Type: ", &part.body.content_type, "\r\n"] {
            content.extend_from_slice(piece.as_bytes());
        }
        if let Some(id) = &part.content_id {
            let line = format!("Content-ID: <{}>\r\n", one_line(id));
            content.extend_from_slice(line.as_bytes());
        }
        if let Some(disposition) = &part.disposition {
            let line = format!("Content-Disposition: {}\r\n", one_line(disposition));
            content.extend_from_slice(line.as_bytes());
        }
        content.extend_from_slice(b"\r\n");
        content.extend_from_slice(&part.body.content);
        content.extend_from_slice(b"\r\n");
    }
    for piece in ["--", &boundary, "--\r\n"] {
        content.extend_from_slice(piece.as_bytes());
    }
    Body { content_type: format!("multipart/mixed;boundary={boundary}"), content: content.into() }.into()
}

/// A value that cannot begin a header of its own.
fn one_line(value: &str) -> String {
    value.replace(['\r', '\n'], " ")
}

/// The smallest number that makes a boundary which occurs in no part. One pass over the parts, whatever they hold.
fn free_number(parts: &[Labelled]) -> usize {
    let finder = memmem::Finder::new(STEM);
    let mut taken = BTreeSet::new();
    for part in parts {
        for at in finder.find_iter(&part.body.content) {
            let digits = part.body.content.get(at + STEM.len()..).unwrap_or_default();
            // A number of more digits than these is never reached.
            let end = digits.iter().take(20).position(|b| !b.is_ascii_digit()).unwrap_or(0);
            let number = digits.get(..end).and_then(|digits| std::str::from_utf8(digits).ok());
            taken.extend(number.and_then(|number| number.parse::<usize>().ok()));
        }
    }
    // As many numbers as are taken, and one more, hold a free one.
    (1..=taken.len() + 1).find(|number| !taken.contains(number)).unwrap_or_default()
}

/// Headers of a part that mean something here.
#[derive(Default)]
struct Headers<'a> {
    content_type: std::borrow::Cow<'a, str>,
    content_id: Option<String>,
    disposition: Option<String>,
}

/// `type/subtype` in lower case, and the boundary if it is a multipart type.
struct MediaType {
    name: String,
    boundary: Option<String>,
}

fn split_into(
    parts: &mut Vec<Part>,
    headers: Headers<'_>,
    body: &Bytes,
    depth: usize,
    limits: &Limits,
) -> Result<(), DocumentError> {
    let media_type = media_type(&headers.content_type)?;
    if !media_type.name.starts_with("multipart/") {
        if parts.len() == limits.parts {
            return Err(too_large(DOCUMENT, "parts", limits.parts));
        }
        let Headers { content_id, disposition, .. } = headers;
        parts.push(Part { media_type: media_type.name, content_id, disposition, content: body.clone() });
        return Ok(());
    }
    if depth == limits.multipart_depth {
        return Err(too_large(DOCUMENT, "levels of multipart", limits.multipart_depth));
    }
    let boundary =
        media_type.boundary.ok_or_else(|| malformed(DOCUMENT, "Content-Type", "boundary missing"))?;
    let mut delimiters = Delimiters::new(body, &boundary);
    let mut delimiter =
        delimiters.next().ok_or_else(|| malformed(DOCUMENT, "multipart", "boundary does not occur"))?;
    if delimiter.close {
        return Err(malformed(DOCUMENT, "multipart", "no part"));
    }
    while !delimiter.close {
        let next =
            delimiters.next().ok_or_else(|| malformed(DOCUMENT, "multipart", "closing boundary missing"))?;
        // The line end before a delimiter belongs to the delimiter; it may be the one that ends the last.
        let range = delimiter.end..next.start.max(delimiter.end);
        let part = body.get(range.clone()).unwrap_or_default();
        let (headers, content) = part_headers(part, limits)?;
        let content = body.slice(range.start + content.start..range.start + content.end);
        split_into(parts, headers, &content, depth + 1, limits)?;
        delimiter = next;
    }
    Ok(())
}

/// A delimiter line: from the line end before it to the line end after it, that one included.
struct Delimiter {
    start: usize,
    end: usize,
    close: bool,
}

struct Delimiters<'a> {
    body: &'a [u8],
    finder: memmem::Finder<'static>,
    from: usize,
}

impl<'a> Delimiters<'a> {
    fn new(body: &'a [u8], boundary: &str) -> Self {
        let finder = memmem::Finder::new(format!("--{boundary}").as_bytes()).into_owned();
        Self { body, finder, from: 0 }
    }
}

impl Iterator for Delimiters<'_> {
    type Item = Delimiter;

    fn next(&mut self) -> Option<Delimiter> {
        loop {
            let at = self.from + self.finder.find(self.body.get(self.from..)?)?;
            let after = at + self.finder.needle().len();
            self.from = after;
            let start = match self.body.get(..at)? {
                [] => 0,
                [.., b'\r', b'\n'] => at - 2,
                [.., b'\n'] => at - 1,
                _ => continue,
            };
            let rest = self.body.get(after..)?;
            let (close, rest) = match rest.strip_prefix(b"--") {
                Some(rest) => (true, rest),
                None => (false, rest),
            };
            let padding = rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
            let end = after + if close { 2 } else { 0 } + padding;
            let line_end = match rest.get(padding..)? {
                [b'\r', b'\n', ..] => 2,
                [b'\n', ..] => 1,
                [] if close => 0,
                // A longer boundary that begins like this one, or text.
                _ => continue,
            };
            self.from = end;
            return Some(Delimiter { start, end: end + line_end, close });
        }
    }
}

/// Headers of one part, and where its content is.
fn part_headers<'a>(part: &'a [u8], limits: &Limits) -> Result<(Headers<'a>, Range<usize>), DocumentError> {
    let mut headers = Headers { content_type: "text/plain".into(), ..Headers::default() };
    let mut rest = part;
    let mut lines = 0;
    while !rest.is_empty() {
        let (line, after) = unfolded_end(rest);
        rest = after;
        if line.is_empty() {
            break;
        }
        lines += 1;
        if lines > limits.headers {
            return Err(too_large(DOCUMENT, "headers of a part", limits.headers));
        }
        if line.len() > limits.header_octets {
            return Err(too_large(DOCUMENT, "octets of a part header", limits.header_octets));
        }
        let line = std::str::from_utf8(line).map_err(|_| malformed(DOCUMENT, "part header", "not UTF-8"))?;
        let (name, value) =
            line.split_once(':').ok_or_else(|| malformed(DOCUMENT, "part header", "no colon"))?;
        let (name, value) = (name.trim_end_matches([' ', '\t']), value.trim());
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(malformed(DOCUMENT, "part header", "not a header name"));
        }
        if name.eq_ignore_ascii_case("Content-Type") {
            headers.content_type = value.into();
        } else if name.eq_ignore_ascii_case("Content-ID") {
            let id = value.strip_prefix('<').and_then(|id| id.strip_suffix('>')).unwrap_or(value);
            headers.content_id = Some(id.to_owned());
        } else if name.eq_ignore_ascii_case("Content-Disposition") {
            headers.disposition = Some(value.replace(['\r', '\n'], ""));
        } else if name.eq_ignore_ascii_case("Content-Transfer-Encoding")
            && !["7bit", "8bit", "binary"].iter().any(|known| value.eq_ignore_ascii_case(known))
        {
            return Err(malformed(DOCUMENT, "Content-Transfer-Encoding", "encoding not supported"));
        }
    }
    Ok((headers, part.len() - rest.len()..part.len()))
}

/// Cuts off one header line with the lines that continue it, and its line end.
fn unfolded_end(text: &[u8]) -> (&[u8], &[u8]) {
    let mut from = 0;
    while let Some(at) = memchr::memchr(b'\n', text.get(from..).unwrap_or_default()) {
        let end = from + at;
        let (line, rest) = (text.get(..end).unwrap_or_default(), text.get(end + 1..).unwrap_or_default());
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() || !matches!(rest, [b' ' | b'\t', ..]) {
            return (line, rest);
        }
        from = end + 1;
    }
    (text.strip_suffix(b"\r").unwrap_or(text), b"")
}

/// Reads a `Content-Type` value (RFC 2045 5.1, RFC 3261 25.1).
fn media_type(value: &str) -> Result<MediaType, DocumentError> {
    let broken = |problem| malformed(DOCUMENT, "Content-Type", problem);
    let (name, mut parameters) = value.split_once(';').unwrap_or((value, ""));
    let (kind, subtype) = name.split_once('/').ok_or_else(|| broken("no subtype"))?;
    let (kind, subtype) = (kind.trim(), subtype.trim());
    if kind.is_empty() || subtype.is_empty() || !kind.bytes().chain(subtype.bytes()).all(is_token) {
        return Err(broken("not a media type"));
    }
    let mut name = String::with_capacity(kind.len() + subtype.len() + 1);
    name.push_str(kind);
    name.push('/');
    name.push_str(subtype);
    name.make_ascii_lowercase();
    let mut boundary = None;
    while name.starts_with("multipart/") && !parameters.trim().is_empty() {
        let (key, rest) = parameters.split_once('=').ok_or_else(|| broken("parameter without value"))?;
        let (value, rest) = parameter_value(rest.trim_start()).ok_or_else(|| broken("quotes"))?;
        if key.trim_start_matches([';', ' ', '\t']).trim().eq_ignore_ascii_case("boundary") {
            if boundary.is_some() {
                return Err(broken("two boundaries"));
            }
            if value.len() > BOUNDARY_OCTETS || !is_boundary(&value) {
                return Err(broken("not a boundary"));
            }
            boundary = Some(value);
        }
        parameters = rest;
    }
    Ok(MediaType { name, boundary })
}

/// A token or quoted string, and what stands behind the semicolon that ends it. A boundary without quotes may have
/// any character of its own, as senders write it.
fn parameter_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_once(';').unwrap_or((text, ""));
        return Some((value.trim_end().to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => {
                let rest = quoted.get(at + 1..)?.trim_start();
                return match rest.strip_prefix(';') {
                    Some(rest) => Some((value, rest)),
                    None => rest.is_empty().then_some((value, "")),
                };
            }
            '\\' => value.push(characters.next()?.1),
            c => value.push(c),
        }
    }
    None
}

/// `boundary` of RFC 2046 5.1.1, apart from its length.
fn is_boundary(text: &str) -> bool {
    !text.is_empty()
        && !text.ends_with(' ')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&b))
}

/// `token` of RFC 3261 25.1 and RFC 2045 5.1, what both allow.
fn is_token(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-.!%*_+`'~#$&^|{}".contains(&octet)
}
