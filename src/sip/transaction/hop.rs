//! Next hops by configuration and literal addresses. DNS (RFC 3263) will answer here too.

use super::Path;
use super::key::DEFAULT_PORT;
use crate::model::Transport;
use crate::sip::message::{Draft, NameAddr, Uri};
use crate::sip::wire::Name;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

/// A listening socket and how it is named in Via and Contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Protocol.
    pub transport: Transport,
    /// Address it is bound to.
    pub bind: SocketAddr,
    /// Host and port peers can reach it at, for instance `192.0.2.1:5060` or `[2001:db8::1]:5060`.
    pub advertised: String,
}

/// Finds where a request goes.
#[derive(Clone, Debug, Default)]
pub struct NextHops {
    /// Listeners, by index.
    pub listeners: Vec<Listener>,
    /// Configured hosts (lower case): where they are, in order of preference.
    pub hosts: HashMap<String, Vec<(Transport, SocketAddr)>>,
}

/// One place a request can be sent to, and the listener it leaves from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Listener to send from (datagrams) or to be named in Via.
    pub listener: u16,
    /// Protocol.
    pub transport: Transport,
    /// Address and port.
    pub address: SocketAddr,
}

impl From<Hop> for Path {
    fn from(hop: Hop) -> Self {
        Self::Address { listener: hop.listener, transport: hop.transport, address: hop.address }
    }
}

/// No way to this host is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no way to {host}: {why}")]
pub struct NoHop {
    /// The host, or what stands in its place in a URI that has none.
    pub host: String,
    /// What is missing, for the log.
    pub why: &'static str,
}

impl NoHop {
    fn new(host: &str, why: &'static str) -> Self {
        Self { host: host.to_owned(), why }
    }
}

impl NextHops {
    /// Where a request goes, best first: to the first Route if that is a loose router, else to the Request-URI
    /// (RFC 3261 8.1.2).
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn of(&self, draft: &Draft) -> Result<Vec<Hop>, NoHop> {
        if let Some(route) = draft.get(Name::Route) {
            let routes = NameAddr::parse_list(route.as_bytes())
                .map_err(|_| NoHop::new(route, "the first Route cannot be read"))?;
            if let Some(first) = routes.first()
                && first.uri.param("lr").is_some()
            {
                return self.resolve(&first.uri);
            }
        }
        let uri = Uri::parse(draft.uri.as_bytes())
            .map_err(|_| NoHop::new(&draft.uri, "the Request-URI cannot be read"))?;
        self.resolve(&uri)
    }

    /// Where this URI is, best first. A literal address is one hop, over UDP unless `transport` says otherwise
    /// (RFC 3263 4.1). A configured host is all its places that fit `transport` and the port, if the URI has them. `maddr`
    /// stands for the host.
    ///
    /// # Errors
    /// [`NoHop`] if the scheme has no host, the host is unknown, or no listener fits.
    pub fn resolve(&self, uri: &Uri) -> Result<Vec<Hop>, NoHop> {
        match uri.scheme() {
            "sip" => {}
            "sips" => return Err(NoHop::new(uri.host(), "sips needs TLS, which no listener offers")),
            _ => return Err(NoHop::new(uri.as_str(), "only sip URIs have a host")),
        }
        let host = uri.param("maddr").filter(|maddr| !maddr.is_empty()).unwrap_or(uri.host());
        let transport = match uri.param("transport") {
            None => None,
            Some(name) if name.eq_ignore_ascii_case("udp") => Some(Transport::Udp),
            Some(name) if name.eq_ignore_ascii_case("tcp") => Some(Transport::Tcp),
            Some(_) => return Err(NoHop::new(host, "its transport is not offered")),
        };
        let places = match literal(host) {
            Some(address) => {
                let address = SocketAddr::new(address, uri.port().unwrap_or(DEFAULT_PORT));
                vec![(transport.unwrap_or(Transport::Udp), address)]
            }
            // RFC 3263 4.1 and 4.2 (NAPTR, SRV, A and AAAA) will go on from here when the host is not configured.
            None => self.configured(host, transport, uri.port())?,
        };
        let hops: Vec<_> =
            places.into_iter().filter_map(|(transport, address)| self.hop(transport, address)).collect();
        if hops.is_empty() {
            return Err(NoHop::new(host, "no listener has its transport and address family"));
        }
        Ok(hops)
    }

    /// The hop to an address, from the listener that fits best.
    pub fn hop(&self, transport: Transport, address: SocketAddr) -> Option<Hop> {
        let fits = |listener: &&(usize, &Listener)| {
            listener.1.transport == transport && listener.1.bind.is_ipv4() == address.is_ipv4()
        };
        // A socket bound to the loopback address reaches nobody else, and the other way round.
        let reaches = |listener: &&(usize, &Listener)| {
            let bound = listener.1.bind.ip();
            bound.is_unspecified() || bound.is_loopback() == address.ip().is_loopback()
        };
        let all = || self.listeners.iter().enumerate();
        let (index, _) = all().find(|l| fits(&l) && reaches(&l)).or_else(|| all().find(|l| fits(&l)))?;
        Some(Hop { listener: u16::try_from(index).ok()?, transport, address })
    }

    /// `host:port` of a listener, as it stands in Via; empty if there is no such listener.
    pub fn sent_by(&self, listener: u16) -> &str {
        self.listeners.get(usize::from(listener)).map_or("", |listener| &listener.advertised)
    }

    fn configured(
        &self,
        host: &str,
        transport: Option<Transport>,
        port: Option<u16>,
    ) -> Result<Vec<(Transport, SocketAddr)>, NoHop> {
        let lower = host.to_ascii_lowercase();
        let lower = lower.strip_suffix('.').unwrap_or(&lower);
        let places = self.hosts.get(lower).ok_or_else(|| NoHop::new(host, "the host is not configured"))?;
        let fitting: Vec<_> =
            places.iter().copied().filter(|(t, _)| transport.is_none_or(|wanted| wanted == *t)).collect();
        let Some(port) = port else { return Ok(fitting) };
        let with_port: Vec<_> = fitting.iter().copied().filter(|(_, a)| a.port() == port).collect();
        if !with_port.is_empty() {
            return Ok(with_port);
        }
        // A port that the configuration does not name is another server of the same host.
        let mut moved: Vec<_> =
            fitting.into_iter().map(|(t, address)| (t, SocketAddr::new(address.ip(), port))).collect();
        moved.dedup();
        Ok(moved)
    }
}

/// A literal IPv4 address or a bracketed IPv6 reference; `maddr` may have IPv6 without brackets.
fn literal(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::message::Method;

    fn listener(transport: Transport, bind: &str) -> Listener {
        Listener { transport, bind: bind.parse().unwrap(), advertised: bind.to_owned() }
    }

    fn hops() -> NextHops {
        let list =
            |places: &[(Transport, &str)]| places.iter().map(|(t, a)| (*t, a.parse().unwrap())).collect();
        NextHops {
            listeners: vec![
                listener(Transport::Udp, "127.0.0.1:5060"),
                listener(Transport::Udp, "192.0.2.1:5060"),
                listener(Transport::Tcp, "192.0.2.1:5060"),
                listener(Transport::Udp, "[2001:db8::1]:5060"),
            ],
            hosts: HashMap::from([
                (
                    "core.example".to_owned(),
                    list(&[
                        (Transport::Udp, "192.0.2.7:5070"),
                        (Transport::Tcp, "192.0.2.8:5070"),
                        (Transport::Udp, "[2001:db8::7]:5080"),
                    ]),
                ),
                ("six.example".to_owned(), list(&[(Transport::Tcp, "[2001:db8::9]:5060")])),
            ]),
        }
    }

    fn resolve(uri: &str) -> Result<Vec<(u16, Transport, String)>, String> {
        hops()
            .resolve(&Uri::parse(uri.as_bytes()).unwrap())
            .map(|hops| hops.into_iter().map(|h| (h.listener, h.transport, h.address.to_string())).collect())
            .map_err(|error| error.to_string())
    }

    fn one(
        listener: u16,
        transport: Transport,
        address: &str,
    ) -> Result<Vec<(u16, Transport, String)>, String> {
        Ok(vec![(listener, transport, address.to_owned())])
    }

    #[test]
    fn a_literal_address_goes_over_udp_to_port_5060_unless_the_uri_says_otherwise() {
        assert_eq!(resolve("sip:a@192.0.2.9"), one(1, Transport::Udp, "192.0.2.9:5060"));
        assert_eq!(resolve("sip:192.0.2.9:5099"), one(1, Transport::Udp, "192.0.2.9:5099"));
        assert_eq!(resolve("sip:a@192.0.2.9;transport=TCP"), one(2, Transport::Tcp, "192.0.2.9:5060"));
        assert_eq!(resolve("sip:a@[2001:db8::5]"), one(3, Transport::Udp, "[2001:db8::5]:5060"));
    }

    #[test]
    fn the_listener_that_reaches_the_address_is_taken() {
        assert_eq!(resolve("sip:127.0.0.1:5090"), one(0, Transport::Udp, "127.0.0.1:5090"));
        assert_eq!(resolve("sip:127.0.0.1:5090;transport=tcp"), one(2, Transport::Tcp, "127.0.0.1:5090"));
    }

    #[test]
    fn without_a_fitting_listener_there_is_no_way() {
        let why = "no listener has its transport and address family";
        assert_eq!(
            resolve("sip:[2001:db8::5];transport=tcp"),
            Err(format!("no way to [2001:db8::5]: {why}"))
        );
        assert_eq!(resolve("sip:six.example"), Err(format!("no way to six.example: {why}")));
    }

    #[test]
    fn maddr_stands_for_the_host() {
        assert_eq!(
            resolve("sip:a@nowhere.example;maddr=192.0.2.9"),
            one(1, Transport::Udp, "192.0.2.9:5060")
        );
    }

    #[test]
    fn a_configured_host_is_all_its_places_in_order() {
        let all: Vec<_> = resolve("sip:fire@Core.Example").unwrap().into_iter().map(|hop| hop.2).collect();
        assert_eq!(all, ["192.0.2.7:5070", "192.0.2.8:5070", "[2001:db8::7]:5080"]);
        assert_eq!(resolve("sip:core.example;transport=tcp"), one(2, Transport::Tcp, "192.0.2.8:5070"));
        assert_eq!(resolve("sip:core.example:5080"), one(3, Transport::Udp, "[2001:db8::7]:5080"));
        assert_eq!(resolve("sip:core.example:6000;transport=tcp"), one(2, Transport::Tcp, "192.0.2.8:6000"));
    }

    #[test]
    fn what_is_not_known_is_refused_with_its_reason() {
        for (uri, why) in [
            ("sip:other.example", "no way to other.example: the host is not configured"),
            ("sips:core.example", "no way to core.example: sips needs TLS, which no listener offers"),
            ("tel:+431234", "no way to tel:+431234: only sip URIs have a host"),
            ("sip:core.example;transport=sctp", "no way to core.example: its transport is not offered"),
        ] {
            assert_eq!(resolve(uri), Err(why.to_owned()));
        }
    }

    #[test]
    fn the_first_route_decides_if_it_is_a_loose_router() {
        let to = |route: &str| {
            let draft = Draft::new(Method::Message, "sip:a@192.0.2.9").header(Name::Route, route);
            hops().of(&draft).map(|hops| hops.iter().map(|hop| hop.address.to_string()).collect::<Vec<_>>())
        };
        assert_eq!(to("<sip:192.0.2.3;lr>, <sip:192.0.2.4;lr>"), Ok(vec!["192.0.2.3:5060".to_owned()]));
        assert_eq!(to("<sip:192.0.2.3>"), Ok(vec!["192.0.2.9:5060".to_owned()]));
        assert!(to("<sip:192.0.2.3").is_err());
    }
}
