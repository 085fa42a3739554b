//! Percent escapes (RFC 3986 2.1).

use std::fmt::Write;

/// Writes every octet as an escape that is neither a letter, a digit nor one of `-._~`: so the text stands in one segment
/// of a path.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            out.push(char::from(octet));
        } else {
            // Memory grows as needed, so this cannot fail.
            let _ = write!(out, "%{octet:02X}");
        }
    }
    out
}

/// Resolves all escapes. `None` if a `%` begins none, or if they make octets that are not UTF-8.
pub fn decode(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        match (first, tail) {
            (b'%', [high, low, tail @ ..]) => {
                octets.push(digit(*high)? << 4 | digit(*low)?);
                rest = tail;
            }
            (b'%', _) => return None,
            (octet, tail) => {
                octets.push(*octet);
                rest = tail;
            }
        }
    }
    String::from_utf8(octets).ok()
}

fn digit(octet: u8) -> Option<u8> {
    char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_becomes_one_segment_and_itself_again() {
        for (text, segment) in [
            ("sip:fire-1@primary.example", "sip%3Afire-1%40primary.example"),
            ("a/b?c#d[e] %", "a%2Fb%3Fc%23d%5Be%5D%20%25"),
            ("J\u{f6}rg_~.", "J%C3%B6rg_~."),
            ("", ""),
        ] {
            assert_eq!(encode(text), segment);
            assert_eq!(decode(segment).as_deref(), Some(text));
        }
        assert_eq!(decode("sip%3afire-1@primary.example").as_deref(), Some("sip:fire-1@primary.example"));
    }

    #[test]
    fn what_is_no_escape_is_refused() {
        for broken in ["%", "%4", "%4g", "%+4", "a%", "%ff", "%c3", "\u{e9}%"] {
            assert_eq!(decode(broken), None, "{broken}");
        }
    }
}
