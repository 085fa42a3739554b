//! The sections about who talks to this server: its own functions by name, peers, partners, and where hosts are.

use super::gateway::Gateway;
use super::group_policy::group_policy;
use super::identity::{host, identity};
use super::names::Names;
use super::network::{Addresses, endpoint};
use super::policy::{REGROUPED_CALL, RegroupedCall};
use super::reader::{Found, Key, Section, short, without_lines};
use crate::model::{GroupPolicy, Psi, Transport};
use std::cell::Cell;
use std::net::SocketAddr;

/// `[functions]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Functions {
    /// Participating function.
    pub participating: Vec<Psi>,
    /// Controlling function of groups.
    pub controlling: Vec<Psi>,
    /// Group management server.
    pub gms: Vec<Psi>,
    /// MC gateway server: what partners see of all of these.
    pub gateway: Option<Psi>,
}

impl Functions {
    /// The functions, and the line of the section.
    pub(super) fn walk(root: &Section<'_>, names: &mut Names) -> (Self, usize) {
        let functions = root.table(
            "functions",
            "Public service identities (PSI) of the functions of this server. The Request-URI of a request names one of \
             them; each PSI names one function (TS 24.379 4.2, 6.3.1).",
        );
        let mut taken = |name, found: Vec<(usize, Psi)>| -> Vec<Psi> {
            for (line, psi) in &found {
                if let Err(taken) = names.take(psi.as_str().into(), *line) {
                    functions.mistake(
                        *line,
                        name,
                        format!("expected a PSI of its own, found {psi} of line {taken} again"),
                    );
                }
            }
            found.into_iter().map(|(_, psi)| psi).collect()
        };
        let here =
            |name, meaning| psis(functions.key(name, meaning).at_least_one()).required().unwrap_or_default();
        let participating = taken("participating", here("participating", "Participating function."));
        let controlling = taken("controlling", here("controlling", "Controlling function of groups."));
        let gms = psis(functions.key("gms", "Group management server.").at_least_one());
        let gms = gms.optional("it is elsewhere: a `[[peer]]` has the role `gms`");
        let gms = taken("gms", gms.unwrap_or_default());
        let gateway = functions
            .key("gateway", "MC gateway server: what partners see of all functions, where their entry says so (TS 24.379 5.5.1).");
        let line = Cell::new(0);
        let gateway = gateway.text("URI", |text| identity(text).map(Psi::new)).at(&line).optional("none");
        let gateway = gateway.map(|gateway| taken("gateway", vec![(line.get(), gateway)]));
        let gateway = gateway.and_then(|gateway| gateway.into_iter().next());
        (Self { participating, controlling, gms, gateway }, functions.line())
    }

    /// A GMS must be somewhere.
    pub(super) fn check_gms(&self, root: &Section<'_>, line: usize, peers: &[Peer]) {
        let is_gms = |peer: &Peer| peer.roles.contains(&PeerRole::Gms) && !peer.psis.is_empty();
        if self.gms.is_empty() && !peers.iter().any(is_gms) {
            let expected = "missing; expected: URI, or a `[[peer]]` with the role \"gms\" and its PSI";
            root.mistake(line, "functions.gms", expected);
        }
    }
}

fn psis<'s, 'a>(key: Key<'s, 'a>) -> Found<'s, 'a, Vec<(usize, Psi)>> {
    key.texts("URI", |text| identity(text).map(Psi::new))
}

/// `[[peer]]`: a server inside our trust domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Name for the log.
    pub name: String,
    /// Where its messages come from.
    pub addresses: Vec<Addresses>,
    /// PSIs it may assert as its own.
    pub psis: Vec<Psi>,
    /// What it is.
    pub roles: Vec<PeerRole>,
}

/// What a peer is, and so what it may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerRole {
    /// Asserts identities of users; third-party REGISTER.
    SCscf,
    /// Asserts identities of users and servers.
    ICscf,
    /// Participating function of our system: calls on behalf of its users.
    Participating,
    /// Controlling function of our system: invites our users.
    Controlling,
    /// Group management server of our system.
    Gms,
}

impl Peer {
    pub(super) fn walk_all(root: &Section<'_>) -> Vec<Self> {
        let mut peers: Vec<Self> = Vec::new();
        let sections = root.tables(
            "peer",
            "A server inside the trust domain. P-Asserted-Identity counts only from peers; anyone else has the identity \
             that was registered from the same address, or none.",
        );
        for peer in sections {
            let line = Cell::new(0);
            let name = peer.key("name", "Name for the log.").text("string", short).at(&line).required();
            let addresses = addresses(peer.key("addresses", "Where its requests come from."));
            let psis =
                psis(peer.key("psis", "PSIs it may assert as its own.")).optional("none").unwrap_or_default();
            let roles = peer
                .key("roles", "What it is. `s-cscf`: asserts users and sends third-party REGISTER; `i-cscf`: asserts users and servers; `participating`, `controlling`, `gms`: asserts its PSIs and acts as that function of this MC system.")
                .texts("\"s-cscf\", \"i-cscf\", \"participating\", \"controlling\", \"gms\"", |text| match text {
                    "s-cscf" => Ok(PeerRole::SCscf),
                    "i-cscf" => Ok(PeerRole::ICscf),
                    "participating" => Ok(PeerRole::Participating),
                    "controlling" => Ok(PeerRole::Controlling),
                    "gms" => Ok(PeerRole::Gms),
                    _ => Err("\"s-cscf\", \"i-cscf\", \"participating\", \"controlling\" or \"gms\"".to_owned()),
                })
                .required()
                .unwrap_or_default();
            let Some(name) = name else { continue };
            if peers.iter().any(|other| other.name == name) {
                peer.mistake(
                    line.get(),
                    "name",
                    format!("expected a name of its own, found \"{name}\" again"),
                );
            }
            peers.push(Self { name, addresses, psis: without_lines(psis), roles: without_lines(roles) });
        }
        peers
    }
}

fn addresses(key: Key<'_, '_>) -> Vec<Addresses> {
    let found = key.at_least_one().texts("address, address with port, or network", Addresses::read);
    without_lines(found.required().unwrap_or_default())
}

/// `[[partner]]`: another MC system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partner {
    /// Its domain, lower case.
    pub domain: String,
    /// Where its messages come from.
    pub addresses: Vec<Addresses>,
    /// PSIs of its functions.
    pub functions: Functions,
    /// What it may do here.
    pub may: Vec<Permission>,
    /// It tells us the members of its groups, and we tell it ours.
    pub shares_members: bool,
    /// It is told who of our members takes part in its calls.
    pub shares_participants: bool,
    /// Its answer to calls on constituents of temporary groups, where it differs from the policy.
    pub regrouped_call: Option<RegroupedCall>,
    /// A teardown is confirmed by the 200 to its notification.
    pub compact_7b: bool,
    /// It gets the configuration of groups with members of its own before it asks.
    pub provide_groups: bool,
    /// What becomes of the configuration of its groups here.
    pub group_policy: GroupPolicy,
    /// Requests to its functions go through this proxy.
    pub proxy: Option<String>,
    /// What our users and functions may ask of it.
    pub we_may: Vec<Permission>,
    /// Our gateway server between us and it, and its own.
    pub gateway: Gateway,
}

/// What a partner system may do here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Put our groups into its temporary groups and take them out.
    Regroup,
    /// Call our groups and users.
    Call,
    /// Affiliate its users to our groups.
    Affiliate,
    /// Exchange group configuration.
    GroupConfiguration,
}

impl Permission {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Regroup, Self::Call, Self::Affiliate, Self::GroupConfiguration];
}

const PERMISSIONS: &str = "\"regroup\", \"call\", \"affiliate\", \"group-configuration\"";

impl Partner {
    pub(super) fn walk_all(
        root: &Section<'_>,
        own: Option<&str>,
        own_functions: &Functions,
        peers: &[Peer],
    ) -> Vec<Self> {
        let mut partners: Vec<Self> = Vec::new();
        let sections = root.tables("partner", "Another MC system. It may do only what its entry permits.");
        for partner in sections {
            let line = Cell::new(0);
            let domain = partner.key("domain", "Its domain.").text("host name", host).at(&line).required();
            let addresses = addresses(partner.key("addresses", "Where its requests come from."));
            let list = |name, meaning| {
                without_lines(psis(partner.key(name, meaning)).optional("none").unwrap_or_default())
            };
            let functions = Functions {
                participating: list("participating", "PSIs of its participating function."),
                controlling: list("controlling", "PSIs of its controlling function."),
                gms: list("gms", "PSIs of its group management server."),
                gateway: None,
            };
            let permissions = |name, meaning| {
                partner.key(name, meaning).texts(PERMISSIONS, |text| match text {
                    "regroup" => Ok(Permission::Regroup),
                    "call" => Ok(Permission::Call),
                    "affiliate" => Ok(Permission::Affiliate),
                    "group-configuration" => Ok(Permission::GroupConfiguration),
                    _ => Err("\"regroup\", \"call\", \"affiliate\" or \"group-configuration\"".to_owned()),
                })
            };
            let may = permissions(
                "may",
                "What it may do here. `regroup`: put our groups into its temporary groups; `call`: call our groups and users; `affiliate`: affiliate its users to our groups; `group-configuration`: exchange group configuration. Anything else is refused with Warning 180 (TS 24.379 6.8.3).",
            );
            let may = may.optional("nothing").unwrap_or_default();
            let we_may = permissions(
                "we_may",
                "What our users and functions may ask of it, in the same words. Anything else is refused to them with Warning 179, and nothing leaves (TS 24.379 6.8.2).",
            );
            let we_may = we_may.optional("everything");
            let we_may = we_may.map_or_else(|| Permission::ALL.to_vec(), without_lines);
            let shares_members = partner
                .key("shares_members", "Both systems tell each other the members of their groups.")
                .boolean()
                .or(false);
            let shares_participants = partner
                .key("shares_participants", "It is told who of our members takes part in a call that it controls, although it is not told the members of our groups (`shares_members`): its users see them on the roster of the call. Without it they see the group in their place.")
                .boolean()
                .or(false);
            let regrouped_call = partner
                .key("regrouped_call", "As in `[policy]`, for calls from this system.")
                .one_of(&REGROUPED_CALL)
                .optional("as in `[policy]`");
            let compact_7b = partner
                .key("compact_7b", "The 200 to the notification of a teardown is its confirmation already, in both directions (TS 23.280 10.2.4.3 step 7b); otherwise a MESSAGE of its own follows.")
                .boolean()
                .or(false);
            let proxy = partner
                .key("proxy", "Next hop of requests to its functions, such as its gateway server or a proxy between the two systems (TS 23.280 10.2.7.2 NOTE 1); its host may need a `[[route]]`.")
                .text("SIP URI", |text| super::server::core(text).map(|core| core.uri))
                .optional("none: the host of the PSI");
            let provide_groups = partner
                .key("provide_groups", "With `group-configuration`: groups with members of its own are provided to it at the start, and when they change (TS 23.280 10.2.7.2); otherwise it gets what it asks for, and its changes (10.2.7.3).")
                .boolean()
                .or(true);
            let gateway = Gateway::walk(&partner, &addresses, own_functions.gateway.is_some(), peers);
            let group_policy = group_policy(&partner);
            let Some(domain) = domain else { continue };
            if own == Some(domain.as_str()) {
                partner.mistake(
                    line.get(),
                    "domain",
                    format!("expected another domain than our own, {domain}"),
                );
            }
            if partners.iter().any(|other| other.domain == domain) {
                partner.mistake(
                    line.get(),
                    "domain",
                    format!("expected each domain once, found {domain} again"),
                );
            }
            let may = without_lines(may);
            partners.push(Self {
                domain,
                addresses,
                functions,
                may,
                shares_members,
                shares_participants,
                regrouped_call,
                compact_7b,
                provide_groups,
                group_policy,
                proxy,
                we_may,
                gateway,
            });
        }
        partners
    }
}

/// `[[route]]`: where a host is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The host, lower case.
    pub host: String,
    /// Where it is, in order of preference; at least one.
    pub to: Vec<(Transport, SocketAddr)>,
}

impl Route {
    pub(super) fn walk_all(root: &Section<'_>) -> Vec<Self> {
        let mut routes: Vec<Self> = Vec::new();
        let sections = root.tables(
            "route",
            "Where the host of a URI is. A host without an entry must be an address. Domains of partners and hosts of \
             the core need one.",
        );
        for route in sections {
            let line = Cell::new(0);
            let host = route.key("host", "The host.").text("host name", host).at(&line).required();
            let to = route
                .key("to", "Where it is, in order of preference.")
                .at_least_one()
                .texts("transport, address and port such as `\"udp:192.0.2.7:5060\"`", endpoint)
                .required()
                .unwrap_or_default();
            let Some(host) = host else { continue };
            if routes.iter().any(|other| other.host == host) {
                route.mistake(line.get(), "host", format!("expected each host once, found {host} again"));
            }
            routes.push(Self { host, to: without_lines(to) });
        }
        routes
    }
}
