//! The sections about this server and the systems around it.

use super::Limits;
use super::identity::{host, identity};
use super::names::Names;
use super::network::*;
use super::reader::{Key, Section};
use crate::model::{Psi, Transport};
use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// `[server]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Host in Warning headers.
    pub name: String,
    /// Domain of this MC system, lower case.
    pub domain: String,
    /// Where facts are kept.
    pub storage: Storage,
    /// Sockets, at least one.
    pub listeners: Vec<Listener>,
    /// Clients may REGISTER here.
    pub registrar: bool,
    /// Where requests to users go that are not registered here.
    pub core: Option<Core>,
    /// `Server` and `User-Agent` of our messages; `None`: neither.
    pub product: Option<String>,
    /// How long a stop may take to finish what is open.
    pub shutdown_grace: Duration,
    /// Threads of the runtime; `None`: one per core.
    pub worker_threads: Option<u16>,
}

/// Where facts are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// In this directory.
    Directory(PathBuf),
    /// Nowhere: they go with the process.
    Memory,
}

/// The entry to the SIP core: an I-CSCF or S-CSCF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Core {
    /// Its URI, as it stands in Route: `sip:icscf.one.example:4060;lr`.
    pub uri: String,
}

impl Server {
    pub(super) fn walk(root: &Section<'_>) -> Option<Self> {
        let server = root.table("server", "This server.");
        let domain = server
            .key(
                "domain",
                "Domain of this MC system. Users, groups and temporary groups of this system are in it.",
            )
            .text("host name", host)
            .required();
        let name = server
            .key("name", "Host in Warning headers (RFC 3261 20.43).")
            .text("host name", host)
            .optional("the domain");
        let line = Cell::new(0);
        let data = server
            .key("data", "Directory for the facts that survive a restart; made if it is missing. A relative path starts at the working directory.")
            .text("path", |text| {
                if text.is_empty() { Err("a path".to_owned()) } else { Ok(PathBuf::from(text)) }
            })
            .at(&line)
            .optional("none: `memory` must be true");
        let memory = server
            .key("memory", "Keep facts in memory only: they go with the process. Excludes `data`.")
            .boolean()
            .optional("`false`");
        let storage = match (data, memory) {
            (Some(directory), None | Some(false)) => Some(Storage::Directory(directory)),
            (None, Some(true)) => Some(Storage::Memory),
            (Some(_), Some(true)) => {
                server.mistake(line.get(), "data", "expected either `data` or `memory = true`, found both");
                None
            }
            (None, memory) => {
                if !server.has("data") && (memory.is_some() || !server.has("memory")) {
                    server.mistake(line.get(), "data", "missing; expected a path, or `memory = true`");
                }
                None
            }
        };
        let listeners = listeners(&server);
        let registrar = server
            .key("registrar", "Clients REGISTER here. Without it third-party REGISTER from a peer with the role `s-cscf` tells who is there.")
            .boolean()
            .optional("`false`");
        let core = server
            .key("core", "I-CSCF or S-CSCF for requests to users, as a Route value. Its host is an address or has a `[[route]]`.")
            .text("SIP URI such as \"sip:icscf.one.example:4060;lr\"", core)
            .at(&line)
            .optional("none: `registrar` must be true");
        let registrar_is_wrong = registrar.is_none() && server.has("registrar");
        let registrar = registrar.unwrap_or(false);
        if !server.has("core") && !registrar && !registrar_is_wrong {
            server.mistake(
                line.get(),
                "core",
                "missing; expected the SIP URI of the core, or `registrar = true`",
            );
        }
        let product = server
            .key("product", "`Server` of responses and `User-Agent` of requests; an empty string for none.")
            .text("product token", product)
            .or("rollcall".to_owned());
        let shutdown_grace = server
            .key("shutdown_grace", "How long a stop may take to finish what is open.")
            .duration(Duration::ZERO..=HOUR)
            .or(Duration::from_secs(10));
        let worker_threads = server
            .key("worker_threads", "Threads for sockets and disk.")
            .integer(1..=1024)
            .optional("one per core");
        let domain = domain?;
        Some(Self {
            name: name.unwrap_or_else(|| domain.clone()),
            domain,
            storage: storage?,
            listeners,
            registrar,
            core,
            product: Some(product).filter(|product| !product.is_empty()),
            shutdown_grace,
            worker_threads,
        })
    }
}

fn listeners(server: &Section<'_>) -> Vec<Listener> {
    let kind = "list: transport, address and port such as `\"udp:127.0.0.1:5060\"`, or a table";
    let found = server
        .key("listen", "Sockets. Each is a string, or a table where peers reach it by another name.")
        .at_least_one()
        .items(kind, |item| {
            let line = item.line;
            let Some(table) = item.table("A listener that peers reach by another name.") else {
                let (transport, bind) = item.text(ENDPOINT, endpoint)?;
                if bind.ip().is_unspecified() {
                    item.wrong("a table with `at` and `advertise`, since peers cannot reach this address");
                    return None;
                }
                return Some((line, Listener { transport, bind, advertised: bind.to_string() }));
            };
            let at =
                table.key("at", "Protocol, address and port to bind.").text(ENDPOINT, endpoint).required();
            let advertised = table
                .key("advertise", "Host and port for Via and Contact.")
                .text(ADVERTISED, advertised)
                .required();
            let (transport, bind) = at?;
            Some((line, Listener { transport, bind, advertised: advertised? }))
        })
        .required()
        .unwrap_or_default();
    let mut listeners: Vec<Listener> = Vec::new();
    for (line, listener) in found {
        let same = |other: &Listener| (other.transport, other.bind) == (listener.transport, listener.bind);
        if listeners.iter().any(same) {
            server.mistake(
                line,
                "listen",
                format!("expected each listener once, found {} again", listener.bind),
            );
        } else {
            listeners.push(listener);
        }
    }
    listeners
}

fn core(text: &str) -> Result<Core, String> {
    let (uri, parameters) = text.split_once(';').unwrap_or((text, ""));
    let plain = identity(uri)?;
    if !plain.starts_with("sip:") {
        return Err("a SIP URI such as \"sip:icscf.one.example:4060;lr\"".to_owned());
    }
    let loose = parameters.split(';').any(|one| one.eq_ignore_ascii_case("lr"));
    let end = if loose { "" } else { ";lr" };
    let good = parameters.bytes().all(|octet| octet.is_ascii_graphic() && !b"<>\",?".contains(&octet));
    if good { Ok(Core { uri: format!("{text}{end}") }) } else { Err("URI parameters after `;`".to_owned()) }
}

/// RFC 3261 25.1: `product = token [SLASH product-version]`.
fn product(text: &str) -> Result<String, String> {
    let token = |octet: u8| octet.is_ascii_alphanumeric() || b"-.!%*_+`'~/ ".contains(&octet);
    let tidy = text.trim() == text;
    if text.len() <= 80 && tidy && text.bytes().all(token) {
        Ok(text.to_owned())
    } else {
        Err("product tokens such as \"rollcall/1\"".to_owned())
    }
}

/// Media ports must not be the ports of a UDP listener on the same address.
pub(super) fn ports_apart(root: &Section<'_>, server: &Server, media: &Media, line: usize) {
    for listener in &server.listeners {
        let bind = listener.bind;
        let same_host = bind.ip() == media.address || bind.ip().is_unspecified();
        if listener.transport == Transport::Udp
            && same_host
            && (media.ports.0..=media.ports.1).contains(&bind.port())
        {
            let message = format!("expected a range without the port of the listener udp:{bind}");
            root.mistake(line, "media.ports", message);
        }
    }
}

/// `[functions]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Functions {
    /// Participating function.
    pub participating: Vec<Psi>,
    /// Controlling function of groups.
    pub controlling: Vec<Psi>,
    /// Group management server.
    pub gms: Vec<Psi>,
}

impl Functions {
    pub(super) fn walk(root: &Section<'_>, names: &mut Names) -> Self {
        let functions = root.table(
            "functions",
            "Public service identities (PSI) of the functions of this server. The Request-URI of a request names one of \
             them; each PSI names one function (TS 24.379 4.2, 6.3.1).",
        );
        let mut psis = |name, meaning| -> Vec<Psi> {
            let found = psis(functions.key(name, meaning).at_least_one()).required().unwrap_or_default();
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
        Self {
            participating: psis("participating", "Participating function."),
            controlling: psis("controlling", "Controlling function of groups."),
            gms: psis("gms", "Group management server."),
        }
    }
}

fn psis<'s, 'a>(key: Key<'s, 'a>) -> super::reader::Found<'s, 'a, Vec<(usize, Psi)>> {
    key.texts("URI", |text| identity(text).map(Psi::new))
}

fn without_lines<T>(found: Vec<(usize, T)>) -> Vec<T> {
    found.into_iter().map(|(_, value)| value).collect()
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

fn short(text: &str) -> Result<String, String> {
    if (1..=255).contains(&text.len()) && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err("a text of 1 to 255 octets on one line".to_owned())
    }
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
    /// Its answer to calls on constituents of temporary groups, where it differs from the policy.
    pub regrouped_call: Option<RegroupedCall>,
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

impl Partner {
    pub(super) fn walk_all(root: &Section<'_>, own: Option<&str>) -> Vec<Self> {
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
            };
            let may = partner
                .key("may", "What it may do here. `regroup`: put our groups into its temporary groups; `call`: call our groups and users; `affiliate`: affiliate its users to our groups; `group-configuration`: exchange group configuration.")
                .texts("\"regroup\", \"call\", \"affiliate\", \"group-configuration\"", |text| match text {
                    "regroup" => Ok(Permission::Regroup),
                    "call" => Ok(Permission::Call),
                    "affiliate" => Ok(Permission::Affiliate),
                    "group-configuration" => Ok(Permission::GroupConfiguration),
                    _ => Err("\"regroup\", \"call\", \"affiliate\" or \"group-configuration\"".to_owned()),
                })
                .optional("nothing")
                .unwrap_or_default();
            let shares_members = partner
                .key("shares_members", "Both systems tell each other the members of their groups.")
                .boolean()
                .or(false);
            let regrouped_call = partner
                .key("regrouped_call", "As in `[policy]`, for calls from this system.")
                .one_of(&REGROUPED_CALL)
                .optional("as in `[policy]`");
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
            partners.push(Self { domain, addresses, functions, may, shares_members, regrouped_call });
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

/// `[media]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// Address of the media function, for SDP answers.
    pub address: IpAddr,
    /// First and last port.
    pub ports: (u16, u16),
    /// Codecs by rtpmap name, for offers to members where the caller's offer has none.
    pub encodings: Vec<String>,
}

impl Media {
    /// With the line of its ports.
    pub(super) fn walk(root: &Section<'_>) -> Option<(Self, usize)> {
        let media =
            root.table("media", "The media function that SDP answers name. It is not part of this server.");
        let line = Cell::new(0);
        let address = media
            .key("address", "Its address.")
            .text("IP address", |text| {
                let address = text.parse::<IpAddr>().ok().filter(|address| !address.is_unspecified());
                address.ok_or_else(|| "an IP address that clients can reach".to_owned())
            })
            .required();
        let ports = media
            .key("ports", "Its ports: a pair per leg, speech on the even one, floor control on the next.")
            .text("range such as `\"40000-49999\"`", ports)
            .at(&line)
            .or_else((40_000, 49_999), "`\"40000-49999\"`");
        let encodings = media
            .key("encodings", "Codecs offered to members where the caller's offer has none, by rtpmap name.")
            .texts("name such as `\"AMR-WB\"`", encoding)
            .or_else(vec![(0, "AMR-WB".to_owned())], "`[\"AMR-WB\"]`");
        Some((Self { address: address?, ports, encodings: without_lines(encodings) }, line.get()))
    }
}

/// Reads the name of a codec (RFC 4855).
pub(super) fn encoding(text: &str) -> Result<String, String> {
    let token = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.+".contains(&octet);
    if (1..=64).contains(&text.len()) && text.bytes().all(token) {
        Ok(text.to_owned())
    } else {
        Err("a codec by rtpmap name such as \"AMR-WB\"".to_owned())
    }
}

/// What to answer to a call on a constituent of a temporary group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegroupedCall {
    /// 302 with the temporary group's URI, for the caller to follow.
    Redirect,
    /// 302 between the functions; our participating function follows it for its client.
    Follow,
    /// 403 with Warning 148.
    Reject,
}

pub(super) const REGROUPED_CALL: [(&str, RegroupedCall); 3] = [
    ("redirect", RegroupedCall::Redirect),
    ("follow", RegroupedCall::Follow),
    ("reject", RegroupedCall::Reject),
];

/// `[policy]`: what the standard leaves open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Answer to a call on a constituent of a temporary group.
    pub regrouped_call: RegroupedCall,
    /// TNG1 where the group document has none.
    pub tng1_default: Duration,
    /// How long a MESSAGE to a user is repeated.
    pub owed_for: Duration,
    /// How long a finished GMS operation is remembered for its repetition.
    pub operations_for: Duration,
    /// Most constituents of one temporary group.
    pub constituents_limit: usize,
    /// Interval granted for affiliations, seconds.
    pub affiliation_interval: u32,
    /// Shortest life of a registration, seconds.
    pub registration_minimum: u32,
    /// Longest life of a registration, seconds.
    pub registration_maximum: u32,
    /// Constituents take calls only after the call on their torn-down temporary group.
    pub constituents_wait_for_call: bool,
    /// The media function buffers speech until the first member has answered.
    pub buffers_media: bool,
    /// Values of `Resource-Priority`.
    pub resource_priority: ResourcePriority,
}

/// `[policy.resource_priority]`; `None`: the value of the received INVITE is carried on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourcePriority {
    /// In-progress emergency.
    pub emergency: Option<String>,
    /// In-progress imminent peril.
    pub imminent_peril: Option<String>,
    /// Any other call.
    pub normal: Option<String>,
}

impl ResourcePriority {
    fn walk(policy: &Section<'_>) -> Self {
        let section = policy.table(
            "resource_priority",
            "`Resource-Priority` of INVITEs to members by the state of the call (TS 24.379 6.3.3.1.19; RFC 4412).",
        );
        let value = |name, meaning| {
            section
                .key(name, meaning)
                .text("namespace and priority such as `\"mcpttp.15\"`", resource_priority)
                .optional("as in the received INVITE")
        };
        Self {
            emergency: value("emergency", "In-progress emergency."),
            imminent_peril: value("imminent_peril", "In-progress imminent peril."),
            normal: value("normal", "Any other call."),
        }
    }
}

/// RFC 4412 3.1: `r-value = namespace "." r-priority`.
fn resource_priority(text: &str) -> Result<String, String> {
    let token = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-!%*_+`'~".contains(&octet))
    };
    match text.split_once('.') {
        Some((namespace, priority)) if text.len() <= 80 && token(namespace) && token(priority) => {
            Ok(text.to_owned())
        }
        _ => Err("namespace and priority such as \"mcpttp.15\"".to_owned()),
    }
}

impl Policy {
    pub(super) fn walk(root: &Section<'_>) -> Self {
        let policy = root.table("policy", "What the standard leaves to the operator.");
        let line = Cell::new(0);
        let regrouped_call = policy
            .key("regrouped_call", "A call on a constituent of a temporary group: `redirect` answers 302 with the temporary group, `follow` lets our participating function follow it for the client, `reject` answers 403 with Warning 148.")
            .one_of(&REGROUPED_CALL)
            .or_else(RegroupedCall::Redirect, "`\"redirect\"`");
        let tng1_default = policy
            .key("tng1_default", "TNG1, how long a call waits for required members, where the group has no `acknowledgement_timeout` (TS 24.379 B.2.1).")
            .duration(100 * MILLISECOND..=10 * 60 * SECOND)
            .or(5 * SECOND);
        let owed_for = policy
            .key("owed_for", "How long a MESSAGE to a user is repeated who does not answer it.")
            .duration(SECOND..=DAY)
            .or(32 * SECOND);
        let operations_for = policy
            .key(
                "operations_for",
                "How long a finished group management operation is remembered for its repetition.",
            )
            .duration(SECOND..=7 * DAY)
            .or(HOUR);
        let constituents_limit = policy
            .key("constituents_limit", "Most constituents of one temporary group.")
            .integer(2..=256)
            .or(32);
        let affiliation_interval = policy
            .key("affiliation_interval", "Interval granted for affiliations and subscriptions to them, seconds; 4294967295: not by time (TS 24.379 9.2.1.2).")
            .integer(60..=u32::MAX)
            .or(u32::MAX);
        let registration_minimum = policy
            .key(
                "registration_minimum",
                "Shortest life of a registration, seconds; 423 below (RFC 3261 10.3 step 7).",
            )
            .integer(1..=86_400)
            .or(60);
        let registration_maximum = policy
            .key("registration_maximum", "Longest life of a registration, seconds.")
            .integer(60..=604_800)
            .at(&line)
            .or(3600);
        let constituents_wait_for_call = policy
            .key(
                "constituents_wait_for_call",
                "Refuse calls on constituents while a call on their torn-down temporary group still runs.",
            )
            .boolean()
            .or(false);
        let buffers_media = policy
            .key("buffers_media", "The media function buffers speech until the first member has answered, so the caller may be answered before (TS 24.379 6.3.3.3).")
            .boolean()
            .or(false);
        let resource_priority = ResourcePriority::walk(&policy);
        if registration_minimum > registration_maximum {
            let message = format!(
                "expected at least `registration_minimum`, {registration_minimum}, found {registration_maximum}"
            );
            policy.mistake(line.get(), "registration_maximum", message);
        }
        Self {
            regrouped_call,
            tng1_default,
            owed_for,
            operations_for,
            constituents_limit,
            affiliation_interval,
            registration_minimum,
            registration_maximum,
            constituents_wait_for_call,
            buffers_media,
            resource_priority,
        }
    }
}

/// `[timers]`: RFC 3261 table 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// Estimate of the round-trip time.
    pub t1: Duration,
    /// Longest interval between repetitions.
    pub t2: Duration,
    /// Longest life of a message in the network.
    pub t4: Duration,
}

impl Timers {
    pub(super) fn walk(root: &Section<'_>) -> Self {
        let timers = root.table("timers", "Transaction timers (RFC 3261 table 4). All systems that talk to each other should agree on them.");
        let line = Cell::new(0);
        let t1 = timers
            .key("t1", "T1, estimate of the round-trip time; a transaction gives up after 64 T1.")
            .duration(10 * MILLISECOND..=10 * SECOND)
            .or(500 * MILLISECOND);
        let t2 = timers
            .key("t2", "T2, longest interval between repetitions of a request or a final response.")
            .duration(10 * MILLISECOND..=60 * SECOND)
            .at(&line)
            .or(4 * SECOND);
        let t4 = timers
            .key("t4", "T4, longest life of a message in the network.")
            .duration(10 * MILLISECOND..=60 * SECOND)
            .or(5 * SECOND);
        if t1 > t2 {
            timers.mistake(line.get(), "t2", format!("expected at least `t1`, {t1:?}, found {t2:?}"));
        }
        Self { t1, t2, t4 }
    }
}

/// `[session]`: RFC 4028.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// Session interval that we ask for, seconds.
    pub interval: u32,
    /// Smallest interval that we accept, seconds: `Min-SE`, 422 below.
    pub minimum: u32,
}

impl Session {
    pub(super) fn walk(root: &Section<'_>) -> Self {
        let session = root.table("session", "Session timers (RFC 4028).");
        let line = Cell::new(0);
        let interval = session
            .key("interval", "Session interval that we ask for, seconds.")
            .integer(90..=86_400)
            .or(1800);
        let minimum = session
            .key("minimum", "Smallest interval that we accept, seconds (`Min-SE`; 422 below).")
            .integer(90..=86_400)
            .at(&line)
            .or(90);
        if minimum > interval {
            session.mistake(
                line.get(),
                "minimum",
                format!("expected at most `interval`, {interval}, found {minimum}"),
            );
        }
        Self { interval, minimum }
    }
}

/// `[sip]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sip {
    /// Largest request in octets that goes over UDP where TCP could carry it.
    pub udp_request_octets: usize,
    /// Realm of Digest challenges.
    pub realm: String,
    /// Algorithms of Digest challenges, in order of preference; at least one.
    pub digest: Vec<DigestAlgorithm>,
}

/// An algorithm of Digest (RFC 7616 3.2, RFC 8760).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestAlgorithm {
    /// `SHA-256`.
    Sha256,
    /// `MD5`: for clients that know nothing better.
    Md5,
}

impl DigestAlgorithm {
    /// As it is written in a challenge.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Md5 => "MD5",
        }
    }
}

impl Sip {
    pub(super) fn walk(root: &Section<'_>, domain: Option<&str>) -> Self {
        let sip = root.table("sip", "Details of SIP.");
        let udp_request_octets = sip
            .key(
                "udp_request_octets",
                "Largest request in octets that goes over UDP where TCP could carry it (RFC 3261 18.1.1).",
            )
            .integer(256..=65_535)
            .or(1300);
        let realm = sip
            .key("realm", "Realm of Digest challenges (RFC 3261 22.1).")
            .text("string", |text| {
                short(text).and_then(|realm| {
                    if realm.contains(['"', '\\']) {
                        Err("a text without quotes and backslashes".to_owned())
                    } else {
                        Ok(realm)
                    }
                })
            })
            .optional("the domain");
        let digest = sip
            .key("digest", "Algorithms of Digest challenges, one challenge for each, in this order (RFC 8760). Some clients read the first one only.")
            .at_least_one()
            .texts("\"SHA-256\", \"MD5\"", |text| match text {
                "SHA-256" => Ok(DigestAlgorithm::Sha256),
                "MD5" => Ok(DigestAlgorithm::Md5),
                _ => Err("\"SHA-256\" or \"MD5\"".to_owned()),
            })
            .or_else(vec![(0, DigestAlgorithm::Sha256), (0, DigestAlgorithm::Md5)], "`[\"SHA-256\", \"MD5\"]`");
        let realm = realm.or(domain.map(str::to_owned)).unwrap_or_default();
        Self { udp_request_octets, realm, digest: without_lines(digest) }
    }
}

impl Limits {
    #[rustfmt::skip]
    pub(super) fn walk(root: &Section<'_>) -> Self {
        let section = root.table("limits", "Sizes and counts beyond which this server refuses instead of growing.");
        let limit = |name, meaning, range, default: usize| section.key(name, meaning).integer(range).or(default);
        let is = Self::default();
        Self {
            message_octets: limit("message_octets", "Octets of one SIP message; 413 beyond.", 1_300..=1_048_576, is.message_octets),
            header_octets: limit("header_octets", "Octets of one header, folded lines included; 400 beyond.", 256..=65_536, is.header_octets),
            headers: limit("headers", "Header lines of one message; 400 beyond.", 16..=4_096, is.headers),
            multipart_depth: limit("multipart_depth", "Levels of multipart within multipart.", 1..=16, is.multipart_depth),
            parts: limit("parts", "Parts of one body.", 2..=256, is.parts),
            xml_octets: limit("xml_octets", "Octets of one XML document.", 1_024..=1_048_576, is.xml_octets),
            xml_depth: limit("xml_depth", "Levels of XML elements.", 12..=256, is.xml_depth),
            xml_elements: limit("xml_elements", "Elements of one XML document.", 64..=65_536, is.xml_elements),
            xml_attributes: limit("xml_attributes", "Attributes of one XML element.", 8..=1_024, is.xml_attributes),
            sdp_lines: limit("sdp_lines", "Lines of one session description.", 16..=8_192, is.sdp_lines),
            groups_per_request: limit("groups_per_request", "Groups in one affiliation or one temporary group.", 2..=4_096, is.groups_per_request),
            server_transactions: limit("server_transactions", "Server transactions at once; 503 beyond.", 16..=10_000_000, is.server_transactions),
            client_transactions: limit("client_transactions", "Client transactions at once.", 16..=10_000_000, is.client_transactions),
            sessions: limit("sessions", "INVITE dialogs at once; 503 beyond.", 2..=4_000_000, is.sessions),
            subscriptions_per_user: limit("subscriptions_per_user", "Subscriptions of one user at once; 503 beyond.", 1..=1_024, is.subscriptions_per_user),
            contacts_per_identity: limit("contacts_per_identity", "Contacts of one public identity; 403 beyond.", 1..=256, is.contacts_per_identity),
            owed: limit("owed", "Requests to users that wait for their answer at once.", 16..=10_000_000, is.owed),
            connections: limit("connections", "Stream connections at once.", 1..=1_000_000, is.connections),
            connection_queue_octets: limit("connection_queue_octets", "Octets that wait to be written to one connection; a peer that does not read loses the connection.", 65_536..=67_108_864, is.connection_queue_octets),
            waiting_for_store: limit("waiting_for_store", "Messages that wait for the disk at once; 503 beyond.", 16..=10_000_000, is.waiting_for_store),
        }
    }
}
