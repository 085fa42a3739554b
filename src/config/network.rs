//! Addresses: listeners, next hops, peers, ports.

use super::identity::host;
use crate::model::Transport;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// A listening socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Protocol.
    pub transport: Transport,
    /// Address it is bound to.
    pub bind: SocketAddr,
    /// Host and port peers can reach it at, for Via and Contact: `192.0.2.1:5060`, `[2001:db8::1]:5060`.
    pub advertised: String,
}

/// What a listener is expected to look like.
pub(super) const ENDPOINT: &str =
    "transport, address and port such as \"udp:127.0.0.1:5060\" or \"tcp:[::1]:5060\"";

/// Reads `udp:127.0.0.1:5060`.
pub(super) fn endpoint(text: &str) -> Result<(Transport, SocketAddr), String> {
    let (transport, address) = text.split_once(':').ok_or(ENDPOINT)?;
    let transport = match transport.to_ascii_lowercase().as_str() {
        "udp" => Transport::Udp,
        "tcp" => Transport::Tcp,
        _ => return Err(ENDPOINT.to_owned()),
    };
    let address: SocketAddr = address.parse().map_err(|_| ENDPOINT)?;
    if address.port() == 0 { Err("a port from 1 to 65535".to_owned()) } else { Ok((transport, address)) }
}

/// What an advertised address is expected to look like.
pub(super) const ADVERTISED: &str = "host and port such as \"mc.one.example:5060\" or \"[2001:db8::1]:5060\"";

/// Reads `mc.one.example:5060`.
pub(super) fn advertised(text: &str) -> Result<String, String> {
    let (name, port) = text.rsplit_once(':').ok_or(ADVERTISED)?;
    match port.parse::<u16>() {
        Ok(port) if port != 0 => Ok(format!("{}:{port}", host(name).map_err(|_| ADVERTISED)?)),
        _ => Err(ADVERTISED.to_owned()),
    }
}

/// Addresses of a peer: a network, and one port of it or all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The network, or the one address.
    pub network: IpAddr,
    /// Leading bits that count: 32 or 128 for one address.
    pub prefix: u8,
    /// The port; `None`: any.
    pub port: Option<u16>,
}

/// What addresses of a peer are expected to look like.
pub(super) const ADDRESSES: &str = "an address, an address with port or a network such as \"192.0.2.7\", \"192.0.2.7:5060\", \"[2001:db8::1]:5060\" or \"192.0.2.0/24\"";

impl Addresses {
    /// Reads `192.0.2.7`, `192.0.2.7:5060`, `192.0.2.0/24`, `2001:db8::/32`.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        if let Some((network, prefix)) = text.split_once('/') {
            let network: IpAddr = network.parse().map_err(|_| ADDRESSES)?;
            let all = if network.is_ipv4() { 32 } else { 128 };
            let prefix: u8 = prefix.parse().ok().filter(|prefix| *prefix <= all).ok_or(ADDRESSES)?;
            let rules = Self { network, prefix, port: None };
            if masked(bits(network), prefix, all) != bits(network) {
                return Err(format!("a network: no bits set after the first {prefix}"));
            }
            return Ok(rules);
        }
        let one = |address: IpAddr, port| Self {
            network: address,
            prefix: if address.is_ipv4() { 32 } else { 128 },
            port,
        };
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(one(address.ip(), Some(address.port()).filter(|port| *port != 0)));
        }
        text.parse::<IpAddr>().map(|address| one(address, None)).map_err(|_| ADDRESSES.to_owned())
    }

    /// This one address, with any port: a stream from it has another than it listens on.
    pub fn from(address: SocketAddr) -> Self {
        let prefix = if address.is_ipv4() { 32 } else { 128 };
        Self { network: address.ip(), prefix, port: None }
    }

    /// Whether some address is meant by both.
    pub(super) fn meets(&self, other: &Self) -> bool {
        let all = if self.network.is_ipv4() { 32 } else { 128 };
        let common = self.prefix.min(other.prefix);
        let same_port = self.port.is_none() || other.port.is_none() || self.port == other.port;
        self.network.is_ipv4() == other.network.is_ipv4()
            && same_port
            && masked(bits(self.network), common, all) == masked(bits(other.network), common, all)
    }

    /// Whether a message from this address is meant. An IPv4 address that arrived on an IPv6 socket counts as IPv4.
    pub fn contains(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        let all = if self.network.is_ipv4() { 32 } else { 128 };
        ip.is_ipv4() == self.network.is_ipv4()
            && self.port.is_none_or(|port| port == address.port())
            && masked(bits(ip), self.prefix, all) == bits(self.network)
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => SocketAddr::new(self.network, port).fmt(f),
            None if self.prefix == if self.network.is_ipv4() { 32 } else { 128 } => self.network.fmt(f),
            None => write!(f, "{}/{}", self.network, self.prefix),
        }
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The first `prefix` of `all` bits.
fn masked(bits: u128, prefix: u8, all: u8) -> u128 {
    let host = u32::from(all.saturating_sub(prefix));
    bits.checked_shr(host).and_then(|bits| bits.checked_shl(host)).unwrap_or(0)
}

/// Reads `40000-49999`: both ends belong to it, and it holds at least one pair of ports that starts even.
pub(super) fn ports(text: &str) -> Result<(u16, u16), String> {
    let expected = "a range of ports such as \"40000-49999\"";
    let (first, last) = text.split_once('-').ok_or(expected)?;
    let port = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port != 0).ok_or(expected);
    let (first, last) = (port(first)?, port(last)?);
    if first.saturating_add(first % 2) < last {
        Ok((first, last))
    } else {
        Err("a range that holds at least one pair of ports, the first of them even".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_names_protocol_address_and_port() {
        assert_eq!(endpoint("udp:127.0.0.1:5060"), Ok((Transport::Udp, "127.0.0.1:5060".parse().unwrap())));
        assert_eq!(endpoint("TCP:[::1]:5060"), Ok((Transport::Tcp, "[::1]:5060".parse().unwrap())));
        for wrong in
            ["127.0.0.1:5060", "udp:localhost:5060", "udp:127.0.0.1", "udp:127.0.0.1:0", "tls:[::1]:5061", ""]
        {
            assert!(endpoint(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_advertised_address_is_a_host_with_a_port() {
        assert_eq!(advertised("MC.One.Example:5060").as_deref(), Ok("mc.one.example:5060"));
        assert_eq!(advertised("[2001:DB8::1]:5060").as_deref(), Ok("[2001:db8::1]:5060"));
        for wrong in ["mc.one.example", "mc.one.example:0", "2001:db8::1:5060", ":5060", "a b:1"] {
            assert!(advertised(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn peers_are_told_by_address_port_and_network() {
        let contains =
            |rule: &str, address: &str| Addresses::read(rule).unwrap().contains(address.parse().unwrap());
        assert!(contains("192.0.2.7", "192.0.2.7:40000"));
        assert!(contains("192.0.2.7", "[::ffff:192.0.2.7]:40000"));
        assert!(!contains("192.0.2.7", "192.0.2.8:40000"));
        assert!(contains("192.0.2.7:5060", "192.0.2.7:5060"));
        assert!(!contains("192.0.2.7:5060", "192.0.2.7:5061"));
        assert!(contains("192.0.2.0/24", "192.0.2.255:1"));
        assert!(!contains("192.0.2.0/24", "192.0.3.0:1"));
        assert!(contains("0.0.0.0/0", "203.0.113.9:1"));
        assert!(!contains("0.0.0.0/0", "[2001:db8::1]:1"));
        assert!(contains("2001:db8::/32", "[2001:db8:ffff::1]:1"));
        assert!(!contains("2001:db8::/32", "[2001:db9::]:1"));
        assert!(contains("::/0", "[2001:db9::]:1"));
        for wrong in ["192.0.2.7/24", "192.0.2.0/33", "host.example", "", "192.0.2.0/", "/24"] {
            assert!(Addresses::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn addresses_are_shown_as_they_were_written() {
        for text in ["192.0.2.7", "192.0.2.7:5060", "192.0.2.0/24", "[2001:db8::1]:5060", "2001:db8::/32"] {
            assert_eq!(Addresses::read(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_range_of_ports_holds_a_pair() {
        assert_eq!(ports("40000-49999"), Ok((40_000, 49_999)));
        assert_eq!(ports("40000-40001"), Ok((40_000, 40_001)));
        for wrong in ["40001-40002", "40000-40000", "5-4", "0-9", "1-65536", "40000", "a-b", "65535-65535"] {
            assert!(ports(wrong).is_err(), "{wrong}");
        }
    }
}
