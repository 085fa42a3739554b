//! Via.

use super::Malformed;
use super::grammar::{host_port, ip, parameters, separator, space, token};
use nom::{Offset, Parser};
use std::borrow::Cow;
use std::net::IpAddr;

/// One Via value (RFC 3261 20.42, RFC 3581).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    /// `UDP`, `TCP`, `TLS`..., upper case.
    pub transport: Cow<'static, str>,
    /// sent-by host, lower case, IPv6 with brackets.
    pub host: String,
    /// sent-by port, if written.
    pub port: Option<u16>,
    /// `branch`.
    pub branch: Option<String>,
    /// `received`. In a request it is what the peer claims, not what was seen: answers go where the request came from.
    pub received: Option<IpAddr>,
    /// `rport`: `Some(None)` if present without value.
    pub rport: Option<Option<u16>>,
    /// `maddr`.
    pub maddr: Option<String>,
}

/// Where an answer changes a Via line: offsets into the value of the line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// The sent-by host, if it is an address.
    pub address: Option<IpAddr>,
    /// After sent-by.
    pub sent_by: u32,
    /// `rport` and its value.
    pub rport: Option<(u32, u32)>,
    /// `received` and its value.
    pub received: Option<(u32, u32)>,
}

impl Via {
    /// Reads the first value of a Via line.
    ///
    /// # Errors
    /// [`Malformed`] if it breaks the grammar.
    pub fn parse_first(line: &[u8]) -> Result<Self, Malformed> {
        Self::read(line).map(|(via, _, _)| via)
    }

    /// Reads all values of a Via line.
    ///
    /// # Errors
    /// [`Malformed`] if one of them breaks the grammar.
    pub fn parse_list(line: &[u8]) -> Result<Vec<Self>, Malformed> {
        let mut list = Vec::new();
        let mut rest = Some(line);
        while let Some(text) = rest {
            let (via, _, after) = Self::read(text)?;
            list.push(via);
            rest = after;
        }
        Ok(list)
    }

    /// The branch, if it is unique and so alone names the transaction (RFC 3261 17.2.3); a bare magic cookie is not.
    pub fn unique_branch(&self) -> Option<&str> {
        const COOKIE: &str = "z9hG4bK";
        let branch = self.branch.as_deref()?;
        let (start, rest) = branch.split_at_checked(COOKIE.len())?;
        (start.eq_ignore_ascii_case(COOKIE) && !rest.is_empty()).then_some(branch)
    }

    /// The first value of a line, its marks, and the values after its comma.
    pub(super) fn read(line: &[u8]) -> Result<(Self, Marks, Option<&[u8]>), Malformed> {
        const PARAMETER: Malformed = Malformed { place: "Via: parameter" };
        let (rest, mut via, mut marks) = Self::sent(line)?;
        let read = parameters(rest, |name, value| {
            // Where the parameter ends: at the end of its value, or of its name if it has none.
            let from = line.offset(name) as u32;
            let to = value.plain().map_or(from + name.len() as u32, |v| (line.offset(v) + v.len()) as u32);
            // RFC 3261 7.3.1: no parameter twice, so that nobody reads another one than we do.
            let known = |known: &[u8]| name.eq_ignore_ascii_case(known);
            let twice = known(b"branch") && via.branch.is_some()
                || known(b"rport") && via.rport.is_some()
                || known(b"received") && via.received.is_some();
            if twice {
                return None;
            }
            let text = || value.plain().and_then(|v| str::from_utf8(v).ok());
            if known(b"branch") {
                via.branch = Some(text()?.to_owned());
            } else if known(b"rport") {
                marks.rport = Some((from, to));
                via.rport = Some(if value.written() { Some(text()?.parse().ok()?) } else { None });
            } else if known(b"received") {
                marks.received = Some((from, to));
                via.received = Some(ip(value.plain()?)?);
            } else if known(b"maddr") {
                via.maddr = Some(text()?.to_ascii_lowercase());
            }
            Some(())
        });
        let (rest, ()) = read.map_err(|_| PARAMETER)?;
        let (rest, _) = space(rest).map_err(|_| PARAMETER)?;
        match rest {
            [] => Ok((via, marks, None)),
            [b',', after @ ..] => Ok((via, marks, Some(after))),
            _ => Err(PARAMETER),
        }
    }

    /// `sent-protocol LWS sent-by`: what an answer needs even if the parameters are broken.
    pub(super) fn sent(line: &[u8]) -> Result<(&[u8], Self, Marks), Malformed> {
        let mut protocol = (space, token, separator('/'), token, separator('/'), token, space);
        let (rest, (_, _, _, _, _, transport, _)) =
            protocol.parse(line).map_err(|_| Malformed { place: "Via: sent-protocol" })?;
        let (rest, (host, port)) = host_port(rest).map_err(|_| Malformed { place: "Via: sent-by" })?;
        let marks = Marks { address: ip(host), sent_by: line.offset(rest) as u32, ..Marks::default() };
        let via = Self {
            transport: transport_name(transport),
            host: String::from_utf8_lossy(host).to_ascii_lowercase(),
            port,
            branch: None,
            received: None,
            rport: None,
            maddr: None,
        };
        Ok((rest, via, marks))
    }
}

/// Transports in use are not copied.
fn transport_name(written: &[u8]) -> Cow<'static, str> {
    const KNOWN: [&str; 6] = ["UDP", "TCP", "TLS", "WS", "WSS", "SCTP"];
    match KNOWN.iter().find(|known| written.eq_ignore_ascii_case(known.as_bytes())) {
        Some(known) => Cow::Borrowed(known),
        None => Cow::Owned(String::from_utf8_lossy(written).to_ascii_uppercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(line: &str) -> &'static str {
        Via::parse_first(line.as_bytes()).expect_err(line).place
    }

    #[test]
    fn all_parts_are_read_whatever_white_space_stands_between_them() {
        let line = b" SIP \t/\r\n 2.0 / tcp\r\n [2001:DB8::1] : 5061\r\n ; BRANCH = z9hG4bKx ;rport; received\t=192.0.2.1;x=\"a,;b\" ;maddr=H , next";
        let via = Via::parse_first(line).expect("a Via");
        assert_eq!((&*via.transport, via.host.as_str(), via.port), ("TCP", "[2001:db8::1]", Some(5061)));
        assert_eq!(via.branch.as_deref(), Some("z9hG4bKx"));
        assert_eq!(via.received, Some(IpAddr::from([192, 0, 2, 1])));
        assert_eq!((via.rport, via.maddr.as_deref()), (Some(None), Some("h")));
    }

    #[test]
    fn what_breaks_the_grammar_is_named() {
        assert_eq!(place(""), "Via: sent-protocol");
        assert_eq!(place("SIP/2.0 h"), "Via: sent-protocol");
        assert_eq!(place("SIP/2.0/UDP"), "Via: sent-by");
        assert_eq!(place("SIP/2.0/UDP ;branch=x"), "Via: sent-by");
        assert_eq!(place("SIP/2.0/UDP [::x]"), "Via: sent-by");
        assert_eq!(place("SIP/2.0/UDP h:x"), "Via: parameter");
        assert_eq!(place("SIP/2.0/UDP h:70000"), "Via: parameter");
        assert_eq!(place("SIP/2.0/UDP h;"), "Via: parameter");
        assert_eq!(place("SIP/2.0/UDP h;branch="), "Via: parameter");
        assert_eq!(place("SIP/2.0/UDP h;branch=\"x\""), "Via: parameter");
        assert_eq!(place("SIP/2.0/UDP h;branch=x;branch=y"), "Via: parameter");
        assert_eq!(place("SIP/2.0/UDP h;received=name"), "Via: parameter");
        assert_eq!(place("SIP/2.0/UDP h;rport=70000"), "Via: parameter");
        assert_eq!(place("SIP/2.0/UDP h;rport;rport=1"), "Via: parameter");
        assert_eq!(place("SIP/2.0/UDP h x"), "Via: parameter");
    }

    #[test]
    fn a_branch_is_unique_if_more_than_the_cookie() {
        let unique = |branch: &str| {
            let via = Via::parse_first(format!("SIP/2.0/UDP h;branch={branch}").as_bytes()).expect("a Via");
            via.unique_branch().is_some()
        };
        assert!(unique("z9hG4bKa") && unique("Z9HG4BKa"));
        assert!(!unique("z9hG4bK") && !unique("1") && !unique("xz9hG4bKa"));
    }

    #[test]
    fn a_list_of_vias_is_read_to_its_end() {
        let list = Via::parse_list(b"SIP/2.0/UDP a , SIP/2.0/TLS b;x=\",\"").expect("two");
        assert_eq!(list.iter().map(|via| via.host.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert!(Via::parse_list(b"SIP/2.0/UDP a,").is_err());
    }
}
