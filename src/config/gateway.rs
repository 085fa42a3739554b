//! Our MC gateway server between us and a partner (TS 23.280 5.2.10.7, TS 24.379 5.5.1, 6.8): keys of `[[partner]]`.

use super::identity::identity;
use super::neighbours::Peer;
use super::network::{ADVERTISED, Addresses, advertised};
use super::reader::{Section, without_lines};
use crate::model::Psi;
use std::cell::Cell;
use std::net::IpAddr;

/// Which points of our gateway a partner meets, and what it may see behind them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gateway {
    /// What leaves for the partner passes the exit point (TS 24.379 6.8.2).
    pub exit: bool,
    /// What the partner sends may be addressed to the gateway, which finds the function (TS 24.379 6.8.3).
    pub entry: bool,
    /// Our topology is hidden at the exit point.
    pub hidden: Option<Hidden>,
    /// PSIs of the partner's own gateway server, which speaks as any function of the partner.
    pub theirs: Vec<Psi>,
}

/// What is seen in place of our topology.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hidden {
    /// Host and port in Via and Contact.
    pub advertised: String,
    /// Address in SDP; `None`: that of the media function.
    pub media_address: Option<IpAddr>,
}

impl Gateway {
    /// Reads the keys. `own`: `functions.gateway` is there.
    pub(super) fn walk(partner: &Section<'_>, addresses: &[Addresses], own: bool, peers: &[Peer]) -> Self {
        let at = Cell::new(0);
        let (exit, entry) = partner
            .key("gateway", "Our MC gateway server between us and this system, `functions.gateway` (TS 24.379 6.8). `exit`: what leaves for it passes the gateway, as `hide_topology` needs; `entry`: what is addressed to it goes to the function that is meant, by method and body; `both`; `none`: functions talk to functions.")
            .one_of(&[("none", (false, false)), ("exit", (true, false)), ("entry", (false, true)), ("both", (true, true))])
            .at(&at)
            .or_else((false, false), "`\"none\"`");
        if (exit || entry) && !own {
            partner.mistake(
                at.get(),
                "gateway",
                "expected `functions.gateway` as well, the PSI of our gateway server",
            );
        }
        let hide_at = Cell::new(0);
        let hide = partner
            .key("hide_topology", "At the exit point nothing leaves that shows what is behind the gateway: it speaks by its own PSI, host and product, in headers and in the SDP of our media function. A client's own offer keeps its media address. Identities of users and groups stay as they are (TS 23.280 5.2.10.7).")
            .boolean()
            .at(&hide_at)
            .or(false);
        let (name_at, media_at) = (Cell::new(0), Cell::new(0));
        let name = partner
            .key("advertise", "With `hide_topology`: host and port of our gateway server in Via and Contact. The partner reaches our listeners by them.")
            .text(ADVERTISED, advertised)
            .at(&name_at)
            .optional("none");
        let media_address = partner
            .key(
                "media_address",
                "With `hide_topology`: address in SDP, where the partner reaches our media function.",
            )
            .text("IP address", |text| text.parse().map_err(|_| "an IP address".to_owned()))
            .at(&media_at)
            .optional("`media.address`");
        let theirs = partner
            .key("gateways", "PSIs of its own MC gateway server, which may speak as any of its functions. Requests to functions whose PSIs are not given go to the first.")
            .texts("URI", |text| identity(text).map(Psi::new))
            .optional("none");
        let mut hidden = None;
        if hide {
            if !exit {
                partner.mistake(
                    hide_at.get(),
                    "hide_topology",
                    "expected `gateway = \"exit\"` or `\"both\"` with it",
                );
            }
            if name.is_none() && !partner.has("advertise") {
                partner.mistake(
                    hide_at.get(),
                    "hide_topology",
                    format!("expected `advertise` with it: {ADVERTISED}"),
                );
            }
            // What crosses the border is known by where it goes.
            let inner =
                |one: &&Addresses| peers.iter().flat_map(|peer| &peer.addresses).any(|peer| one.meets(peer));
            if let Some(shared) = addresses.iter().find(inner) {
                let expected = format!("expected addresses that no `[[peer]]` has, found {shared}");
                partner.mistake(hide_at.get(), "hide_topology", expected);
            }
            hidden = name.map(|advertised| Hidden { advertised, media_address });
        } else {
            for (key, at) in [("advertise", &name_at), ("media_address", &media_at)] {
                if partner.has(key) {
                    partner.mistake(at.get(), key, "expected `hide_topology = true` with it");
                }
            }
        }
        Self { exit, entry, hidden, theirs: without_lines(theirs.unwrap_or_default()) }
    }
}
