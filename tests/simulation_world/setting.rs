//! Who lives in the simulation: the systems, their groups and users, and what differs from seed to seed.

use rand::Rng;
use rand::rngs::StdRng;
use rollcall::config::Config;
use rollcall::model::GroupDocument;
use std::fmt::Write as _;

/// Domains of the systems.
pub const DOMAINS: [&str; 2] = ["one.example", "two.example"];
/// Temporary groups that users may ask for, in the domain of each.
pub const TEMPORARY: [&str; 2] = ["t1", "t2"];

/// Groups of each system.
const GROUPS: [&[&str]; 2] = [&["g1", "g2", "g3", "chat"], &["h1", "h2"]];
/// Clients of each system; `u2` has two. `m` is a member of nothing.
const CLIENTS: [&[&str]; 2] = [&["u1", "u2", "u2.desk", "u3", "u4", "u5", "m"], &["v1", "v2", "v3"]];
/// May form and tear down temporary groups.
pub const DISPATCHERS: [&str; 3] = ["u1", "u2", "v1"];

/// An identity in the domain of a system: `sip:u1@one.example`.
pub fn identity(name: &str, system: usize) -> String {
    format!("sip:{name}@{}", DOMAINS[system])
}

/// Where a system listens, without its port.
pub fn host(system: usize) -> String {
    format!("192.0.2.{}", 100 * (system + 1))
}

/// Its media function.
pub fn media(system: usize) -> String {
    format!("192.0.2.{}", 100 * (system + 1) + 1)
}

/// The clients, each with its system.
pub fn clients(systems: usize) -> impl Iterator<Item = (&'static str, usize)> {
    (0..systems).flat_map(|system| CLIENTS[system].iter().map(move |client| (*client, system)))
}

/// All users.
pub fn users(systems: usize) -> Vec<String> {
    let users = clients(systems).filter(|(client, _)| !client.contains('.'));
    users.map(|(user, system)| identity(user, system)).collect()
}

/// Groups that are provisioned in a system.
pub fn groups_of(system: usize) -> Vec<String> {
    GROUPS[system].iter().map(|group| identity(group, system)).collect()
}

/// Groups that are provisioned in any system.
pub fn groups(systems: usize) -> Vec<String> {
    (0..systems).flat_map(groups_of).collect()
}

/// Temporary groups that may be formed in any system.
pub fn temporary(systems: usize) -> Vec<String> {
    (0..systems).flat_map(|system| TEMPORARY.map(|group| identity(group, system))).collect()
}

/// What the administrator of a system decides anew now and then, and a reload takes over.
#[derive(Clone, Debug)]
pub struct Decisions {
    /// Priority of each group of the system.
    pub priorities: Vec<u8>,
    /// Whether the first group has users of the partner among its members.
    with_partner: bool,
    /// Whether the configuration of groups is shared with the partner, and then whether it is provided or only given.
    pub shares: bool,
    provides: bool,
    /// What the partner's groups are made of here.
    pub priority_max: Option<u8>,
    pub disables: bool,
    /// Codecs that are supported here of the partner's groups.
    codec: &'static str,
}

impl Decisions {
    pub fn new(rng: &mut StdRng, system: usize) -> Self {
        Self {
            priorities: GROUPS[system].iter().map(|_| rng.random_range(0..100)).collect(),
            with_partner: rng.random_bool(0.8),
            shares: rng.random_bool(0.85),
            provides: rng.random_bool(0.6),
            priority_max: rng.random_bool(0.5).then(|| rng.random_range(0..100)),
            disables: rng.random_bool(0.1),
            codec: if rng.random_bool(0.85) { "AMR-WB" } else { "EVS" },
        }
    }

    /// Whether a group of the partner has a codec that is supported here.
    pub fn supports(&self, group: &GroupDocument) -> bool {
        group.encodings.iter().any(|encoding| encoding == self.codec)
    }

    fn agreement(&self) -> String {
        let may = if self.shares { ", \"group-configuration\"" } else { "" };
        let priority = self.priority_max.map(|most| format!("priority_max = {most}\n")).unwrap_or_default();
        format!(
            "may = [\"regroup\", \"call\", \"affiliate\"{may}]\nprovide_groups = {}\n[partner.group_policy]\n\
             disable = {}\nencodings = [\"{}\"]\n{priority}",
            self.provides, self.disables, self.codec
        )
    }
}

/// What a system is for all its life: its configuration, but for the decisions of its administrator.
#[derive(Clone, Debug)]
pub struct Nature {
    system: usize,
    systems: usize,
    head: String,
    shares_members: bool,
    answer: &'static str,
    participants: &'static str,
}

impl Nature {
    pub fn new(rng: &mut StdRng, system: usize, systems: usize) -> Self {
        let answer = if rng.random_bool(0.5) { "automatic" } else { "manual" };
        let shares_members = rng.random_bool(0.8);
        let participants = if rng.random_bool(0.2) { "max_participants = 3\n" } else { "" };
        let head = head(rng, system, systems);
        Self { system, systems, head, shares_members, answer, participants }
    }

    /// The configuration with these decisions.
    pub fn configuration(&self, decisions: &Decisions) -> Config {
        configuration(self, decisions)
    }
}

fn head(rng: &mut StdRng, system: usize, systems: usize) -> String {
    let (domain, host, media) = (DOMAINS[system], host(system), media(system));
    let regrouped = ["redirect", "follow", "reject"][rng.random_range(0..3)];
    let wait = rng.random_bool(0.2);
    // Affiliations end by time, or not.
    let interval = if rng.random_bool(0.25) { "affiliation_interval = 90\n" } else { "" };
    // Between systems some requests go over a stream, or all go as datagrams.
    let (stream, datagrams) = match systems {
        1 => (String::new(), 1300),
        _ => (format!(", \"tcp:{host}:5060\""), if rng.random_bool(0.5) { 1300 } else { 65_000 }),
    };
    format!(
        "[server]\nname = \"{domain}\"\ndomain = \"{domain}\"\nmemory = true\n\
         listen = [\"udp:{host}:5060\"{stream}]\nregistrar = true\n[sip]\nudp_request_octets = {datagrams}\n\
         [functions]\nparticipating = \"sip:mcptt@{domain}\"\ncontrolling = \"sip:groups@{domain}\"\n\
         gms = \"sip:gms@{domain}\"\n[media]\naddress = \"{media}\"\nports = \"40000-40047\"\n\
         [policy]\nregrouped_call = \"{regrouped}\"\nconstituents_wait_for_call = {wait}\n{interval}\
         [session]\ninterval = 180\n"
    )
}

fn configuration(nature: &Nature, decisions: &Decisions) -> Config {
    let Nature { system, systems, shares_members, answer, .. } = *nature;
    let (domain, mut text) = (DOMAINS[system], nature.head.clone());
    for partner in (0..systems).filter(|partner| *partner != system) {
        let (domain, host) = (DOMAINS[partner], self::host(partner));
        let agreement = decisions.agreement();
        let _ = write!(
            text,
            "[[partner]]\ndomain = \"{domain}\"\naddresses = [\"{host}\"]\nparticipating = [\"sip:mcptt@{domain}\"]\n\
             controlling = [\"sip:groups@{domain}\"]\ngms = [\"sip:gms@{domain}\"]\n\
             shares_members = {shares_members}\n{agreement}[[route]]\nhost = \"{domain}\"\nto = [\"udp:{host}:5060\"]\n"
        );
    }
    for user in CLIENTS[system].iter().filter(|client| !client.contains('.')) {
        let regroup = DISPATCHERS.contains(user);
        let implicit = match *user {
            "u3" => format!("implicit_affiliations = [\"{}\"]\n", identity("g1", 0)),
            _ => String::new(),
        };
        let _ = write!(
            text,
            "[[user]]\nid = \"sip:{user}@{domain}\"\nclient = \"urn:uuid:{user}\"\nallow_regroup = {regroup}\n\
             allow_affiliate_others = {regroup}\nallow_request_affiliated_groups = {regroup}\n{implicit}\
             allow_prearranged_call = true\nallow_chat_call = true\nmax_affiliations_n2 = 3\nmax_calls_n6 = 2\n\
             answer_mode = \"{answer}\"\n"
        );
    }
    let groups = groups_with_members(system, systems, decisions.with_partner);
    for ((group, members, more), priority) in groups.into_iter().zip(&decisions.priorities) {
        let more = more.replace("PARTICIPANTS", nature.participants);
        let _ = write!(
            text,
            "[[group]]\nid = \"sip:{group}@{domain}\"\nmembers = [{members}]\npriority = {priority}\n{more}\
             encodings = [\"AMR-WB\"]\nprotect_media = false\n\
             protect_floor_control = false\n[group.rules]\ninitiate = \"members\"\njoin = \"members\"\n\
             conference_state = \"members\"\nregroup = \"members\"\naffiliation_list = \"members\"\n\
             emergency_call = \"members\"\n"
        );
    }
    let file = std::path::Path::new("simulation.toml");
    Config::read(file, text.as_bytes()).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

/// Groups of a system: name, members as TOML, further keys.
fn groups_with_members(
    system: usize,
    systems: usize,
    with_partner: bool,
) -> Vec<(&'static str, String, &'static str)> {
    let list = |users: &[(&str, usize)]| -> String {
        let known = users.iter().filter(|(_, system)| *system < systems);
        known.map(|(user, system)| format!("\"{}\"", identity(user, *system))).collect::<Vec<_>>().join(", ")
    };
    let mixed = |text: String| format!("{text}, {{ user = \"{}\", required = true }}", identity("u4", 0));
    let all = [("u1", 0), ("u2", 0), ("u3", 0), ("u4", 0), ("u5", 0), ("v1", 1), ("v2", 1)];
    let some = [("u1", 0), ("u2", 0), ("u3", 0)];
    let first = [("v1", 1), ("v2", 1), ("v3", 1), ("u1", 0), ("u2", 0)];
    match system {
        0 => vec![
            (
                "g1",
                list(if with_partner { &all } else { &all[..5] }),
                "prearranged = true\nmaximum_duration = \"10m\"\nPARTICIPANTS",
            ),
            (
                "g2",
                mixed(list(&some)),
                "prearranged = true\nmaximum_duration = \"5m\"\non_acknowledgement_timeout = \"proceed\"\n",
            ),
            (
                "g3",
                mixed(list(&[&some[..], &[("v1", 1)]].concat())),
                "prearranged = true\nmaximum_duration = \"5m\"\nminimum_to_start = 2\n",
            ),
            ("chat", list(&all), ""),
        ],
        _ => vec![
            (
                "h1",
                list(&first[..if with_partner { 5 } else { 3 }]),
                "prearranged = true\nmaximum_duration = \"10m\"\n",
            ),
            (
                "h2",
                list(&[("v1", 1), ("v2", 1), ("v3", 1)]),
                "prearranged = true\nmaximum_duration = \"5m\"\n",
            ),
        ],
    }
}
