//! Digest challenges and credentials.

use super::Malformed;
use super::grammar::{MOST_PARAMETERS, end, parameter, quote, separator, space, token};
use nom::Parser;
use std::fmt;

/// Credentials or challenge of Digest (RFC 7616, RFC 2617), parameters unquoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// Parameters in order, names in lower case.
    pub params: Vec<(String, String)>,
}

impl Digest {
    /// Reads one challenge, or the credentials of one header line.
    ///
    /// # Errors
    /// [`Malformed`] if the scheme is another or the grammar is broken, or a parameter comes twice.
    pub fn parse(value: &[u8]) -> Result<Self, Malformed> {
        const UNREADABLE: Malformed = Malformed { place: "Digest parameters cannot be read" };
        if !Self::is_digest(value) {
            return Err(Malformed { place: "not the Digest scheme" });
        }
        let (mut rest, _) = (space, token, space).parse(value).map_err(|_| UNREADABLE)?;
        let mut params: Vec<(String, String)> = Vec::new();
        loop {
            let (after, (name, value)) = parameter(rest).map_err(|_| UNREADABLE)?;
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            if !value.written()
                || params.len() == MOST_PARAMETERS
                || params.iter().any(|(known, _)| *known == name)
            {
                return Err(UNREADABLE);
            }
            params.push((name, value.text().into_owned()));
            match separator(',').parse(after) {
                Ok((after, _)) => rest = after,
                Err(_) => {
                    end(after).map_err(|_| UNREADABLE)?;
                    return Ok(Self { params });
                }
            }
        }
    }

    /// Whether the value names the Digest scheme.
    pub(super) fn is_digest(value: &[u8]) -> bool {
        token(value).is_ok_and(|(_, scheme)| scheme.eq_ignore_ascii_case(b"Digest"))
    }

    /// A parameter, by its name in lower case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// `nc`: exactly eight hexadecimal digits (RFC 7616 3.4).
    pub fn nonce_count(&self) -> Option<u32> {
        let digits =
            self.get("nc").filter(|nc| nc.len() == 8 && nc.bytes().all(|o| o.is_ascii_hexdigit()))?;
        u32::from_str_radix(digits, 16).ok()
    }
}

/// As a header value: `Digest realm="x", nonce="y"...`.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // RFC 3261 25.1: these stand without quotes; `qop` is quoted in challenges only.
        let credentials = self.get("response").is_some();
        let plain =
            |name: &str| matches!(name, "algorithm" | "stale" | "nc") || (name == "qop" && credentials);
        f.write_str("Digest ")?;
        for (at, (name, value)) in self.params.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            if plain(name) {
                write!(f, "{comma}{name}={value}")?;
            } else {
                write!(f, "{comma}{name}={}", quote(value))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_and_credentials_are_read_and_written() {
        for text in [
            r#"Digest realm="a \"b\"", nonce="n,=", qop="auth,auth-int", algorithm=SHA-256, stale=true"#,
            r#"Digest username="u", realm="r", nonce="n", uri="sip:x", response="0f", nc=0000000a, qop=auth, cnonce="c""#,
        ] {
            assert_eq!(Digest::parse(text.as_bytes()).expect("Digest").to_string(), text);
        }
        let loose = Digest::parse(b"digest\r\n REALM = \"r\" ,nonce=plain").expect("Digest");
        assert_eq!(
            (loose.get("realm"), loose.get("nonce"), loose.get("opaque")),
            (Some("r"), Some("plain"), None)
        );
    }

    #[test]
    fn what_breaks_the_grammar_is_refused() {
        for broken in
            ["", "Basic abc", "Digest", "Digest realm", "Digest realm=\"r", "Digest a=1,", "Digest a=1,A=2"]
        {
            assert!(Digest::parse(broken.as_bytes()).is_err(), "{broken}");
        }
    }

    #[test]
    fn as_many_parameters_as_the_limit_and_no_more() {
        let with = |count: usize| {
            let params: Vec<_> = (0..count).map(|at| format!("p{at}=x")).collect();
            Digest::parse(format!("Digest {}", params.join(",")).as_bytes())
        };
        assert_eq!(with(MOST_PARAMETERS).map(|digest| digest.params.len()), Ok(MOST_PARAMETERS));
        assert!(with(MOST_PARAMETERS + 1).is_err());
    }

    #[test]
    fn a_nonce_count_is_eight_hexadecimal_digits() {
        let count = |nc: &str| Digest { params: vec![("nc".into(), nc.into())] }.nonce_count();
        assert_eq!((count("00000300"), count("FFFFFFFF")), (Some(0x300), Some(u32::MAX)));
        assert_eq!((count("1"), count("0000000g"), count("+0000001")), (None, None, None));
    }
}
