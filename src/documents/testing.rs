//! What the tests of this room share.

use super::DocumentError;
use quick_xml::NsReader;
use quick_xml::events::Event;
use quick_xml::name::{Namespace, ResolveResult};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// The elements of a document in order, one `depth {namespace}name text` each, as a reader that knows nothing of this
/// room sees them. Panics on anything that is not well-formed.
pub(super) fn outline(xml: &str) -> Vec<String> {
    let mut reader = NsReader::from_str(xml);
    let (mut lines, mut depth) = (Vec::<String>::new(), 0);
    loop {
        match reader.read_resolved_event().expect("well-formed") {
            (namespace, event @ (Event::Start(_) | Event::Empty(_))) => {
                let (tag, open) = match &event {
                    Event::Start(tag) => (tag, true),
                    Event::Empty(tag) => (tag, false),
                    _ => unreachable!(),
                };
                let namespace = match namespace {
                    ResolveResult::Bound(Namespace(name)) => name,
                    ResolveResult::Unbound => "",
                    ResolveResult::Unknown(prefix) => panic!("undeclared prefix {prefix}"),
                };
                let attributes: String = tag
                    .attributes()
                    .map(|attribute| attribute.expect("attribute"))
                    .filter(|attribute| attribute.key.as_namespace_binding().is_none())
                    .map(|attribute| format!(" @{}={}", attribute.key.0, attribute.value))
                    .collect();
                let name = tag.local_name().into_inner().to_owned();
                lines.push(format!("{depth} {{{namespace}}}{name}{attributes}"));
                depth += usize::from(open);
            }
            (_, Event::End(_)) => depth -= 1,
            (_, Event::Text(text)) if !text.trim().is_empty() => {
                let line = lines.last_mut().expect("text within an element");
                line.push(' ');
                line.push_str(text.trim());
            }
            (_, Event::GeneralRef(reference)) => {
                let line = lines.last_mut().expect("reference within an element");
                line.push_str(&format!("&{};", &*reference));
            }
            (_, Event::Eof) => {
                assert_eq!(depth, 0);
                return lines;
            }
            _ => {}
        }
    }
}

/// Local names of the children of the element at `path` (local names from the root), in order.
pub(super) fn children(xml: &str, path: &[&str]) -> Vec<String> {
    let mut here: Vec<String> = Vec::new();
    let mut found = Vec::new();
    for line in outline(xml) {
        let (depth, rest) = line.split_once(' ').expect("depth");
        let name = rest.split_once('}').expect("name").1.split(' ').next().expect("name").to_owned();
        here.truncate(depth.parse().expect("number"));
        if here == path {
            found.push(name.clone());
        }
        here.push(name);
    }
    found
}

/// Whether this is the error for passing the limit on `what`.
pub(super) fn passes<T>(result: Result<T, DocumentError>, expected: &str, expected_limit: usize) -> bool {
    matches!(result, Err(DocumentError::TooLarge { what, limit, .. }) if what == expected && limit == expected_limit)
}

/// Whether this is a malformed document whose problem is `expected`.
pub(super) fn breaks<T>(result: Result<T, DocumentError>, expected: &str) -> bool {
    matches!(result, Err(DocumentError::Malformed { problem, .. }) if problem == expected)
}

/// Runs `decode` over `rounds` mutations of each seed: octets changed, cut out, repeated, and pieces of other seeds.
/// A given seed number gives the same mutations for ever.
pub(super) fn fuzz(seed: u64, rounds: usize, seeds: &[&[u8]], mut decode: impl FnMut(&[u8])) {
    const PIECES: &[&[u8]] = &[
        b"<",
        b">",
        b"/>",
        b"</",
        b"&",
        b"&amp;",
        b"&#0;",
        b"&#x10ffff;",
        b"<![CDATA[",
        b"]]>",
        b"<!--",
        b"-->",
        b"<?",
        b"?>",
        b"xmlns=\"\"",
        b"xmlns:a='x'",
        b"\"",
        b"'",
        b"\0",
        b"\xff",
        b"\xc3\xa9",
        b"\r\n",
        b"\n",
        b"--",
        b"=",
        b":",
        b";",
        b" ",
        b"99999999999999999999",
        b"-1",
        b"<!DOCTYPE a [",
        b"\xef\xbb\xbf",
        b"\xef\xbf\xbf",
    ];
    let mut random = StdRng::seed_from_u64(seed);
    for round in 0..rounds {
        let mut text = seeds[round % seeds.len()].to_vec();
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(0..=text.len());
            let end = random.random_range(at..=text.len().min(at + 40));
            match random.random_range(0..5) {
                0 => drop(text.drain(at..end)),
                1 => {
                    let copy = text[at..end].to_vec();
                    let to = random.random_range(0..=text.len());
                    text.splice(to..to, copy);
                }
                2 => {
                    let piece = PIECES[random.random_range(0..PIECES.len())];
                    text.splice(at..at, piece.iter().copied());
                }
                3 => {
                    let other = seeds[random.random_range(0..seeds.len())];
                    let from = random.random_range(0..=other.len());
                    let to = random.random_range(from..=other.len());
                    text.splice(at..end, other[from..to].iter().copied());
                }
                _ => {
                    if let Some(octet) = text.get_mut(at) {
                        *octet = random.random();
                    }
                }
            }
        }
        decode(&text);
    }
}
