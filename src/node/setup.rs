//! From the checked configuration to a node that knows the provisioned users and groups.

use crate::config::{self, Config};
use crate::env::Ids;
use crate::model::{FunctionKind, Model, Psi};
use crate::procedure::{Functions, Partner, Permissions, Policy, ResourcePriorities};
use crate::service::{Digest, Peer, Peers, Service, Setup};
use crate::sip::dialog::AgentSettings;
use crate::sip::message::{Method, Uri};
use crate::sip::transaction::{Beyond, Border, Listener, NextHops, Settings, Timers};

/// Methods this server takes.
const ALLOWED: [Method; 13] = [
    Method::Invite,
    Method::Ack,
    Method::Cancel,
    Method::Bye,
    Method::Prack,
    Method::Update,
    Method::Info,
    Method::Options,
    Method::Register,
    Method::Message,
    Method::Publish,
    Method::Subscribe,
    Method::Notify,
];

/// Option tags this server understands: RFC 3262, RFC 4028, RFC 3841, RFC 4488, RFC 4538, RFC 7614, RFC 3327.
const OPTIONS: [&str; 8] =
    ["100rel", "timer", "pref", "norefersub", "tdialog", "explicitsub", "nosub", "path"];

/// Event packages with a notifier or a state agent here.
const EVENTS: [&str; 3] = ["presence", "conference", "xcap-diff"];

/// The service of a configuration, without facts. `ids` seeds everything random.
pub fn service(config: &Config, mut ids: Ids) -> Service {
    let model =
        Model::provisioned(config.users.iter(), config.groups.iter().map(|group| group.document.clone()));
    let mut nonce_key = [0; 32];
    for (place, octet) in nonce_key.iter_mut().zip(ids.token().bytes()) {
        *place = octet;
    }
    let hash_key = (ids.number(), ids.number());
    let setup = Setup {
        policy: policy(config),
        agent: agent(config, hash_key),
        peers: peers(config),
        registrar: config.server.registrar,
        digest: Digest { realm: config.sip.realm.clone(), algorithms: config.sip.digest.clone(), nonce_key },
        core: config.server.core.iter().map(|core| format!("<{}>", core.uri)).collect(),
        media_ports: config.media.ports,
        limits: config.limits.clone(),
        fallback_psi: Psi::new(format!("sip:{}", config.server.domain)),
    };
    Service::new(setup, model, ids)
}

/// The listeners of a configuration.
pub fn listeners(config: &Config) -> Vec<Listener> {
    let listener = |listener: &config::Listener| Listener {
        transport: listener.transport,
        bind: listener.bind,
        advertised: listener.advertised.clone(),
    };
    config.server.listeners.iter().map(listener).collect()
}

fn agent(config: &Config, hash_key: (u64, u64)) -> AgentSettings {
    let hosts =
        config.routes.iter().map(|route| (route.host.to_ascii_lowercase(), route.to.clone())).collect();
    AgentSettings {
        transactions: Settings {
            timers: Timers { t1: config.timers.t1, t2: config.timers.t2, t4: config.timers.t4 },
            hops: NextHops { listeners: listeners(config), hosts },
            limits: config.limits.clone(),
            udp_request_octets: config.sip.udp_request_octets,
            product: config.server.product.clone(),
            beyond: beyond(config),
            hash_key,
        },
        allowed: ALLOWED.to_vec(),
        options: OPTIONS.to_vec(),
        events: EVENTS.to_vec(),
        session_interval: config.session.interval,
        session_minimum: config.session.minimum,
    }
}

/// The partner systems, as far as messages themselves matter.
pub(super) fn beyond(config: &Config) -> Beyond {
    Beyond {
        systems: config.partners.iter().map(|entry| entry.addresses.clone()).collect(),
        borders: borders(config),
        warning_agent: config.server.name.clone(),
    }
}

/// The borders at which the topology of this system is hidden.
fn borders(config: &Config) -> Vec<Border> {
    let Some(gateway) = &config.functions.gateway else { return Vec::new() };
    config.partners.iter().filter_map(|entry| border(config, gateway, entry)).collect()
}

fn border(config: &Config, gateway: &Psi, entry: &config::Partner) -> Option<Border> {
    let hidden = entry.gateway.hidden.as_ref()?;
    let functions = functions_of(entry);
    let theirs = [functions.participating, functions.controlling, functions.gms].into_iter().flatten();
    let uris = theirs.map(|psi| psi.to_string()).chain(entry.proxy.clone());
    let hosts: Vec<String> =
        uris.filter_map(|uri| Some(Uri::parse(uri.as_bytes()).ok()?.host().to_ascii_lowercase())).collect();
    let routes = config.routes.iter().filter(|route| hosts.contains(&route.host.to_ascii_lowercase()));
    let ways = routes.flat_map(|route| &route.to).map(|(_, address)| config::Addresses::from(*address));
    let users = |kind, psis: &[Psi]| -> Vec<_> {
        let user = |psi: &Psi| Uri::parse(psi.as_str().as_bytes()).ok()?.user().map(str::to_owned);
        psis.iter().filter_map(user).map(|user| (kind, user)).collect()
    };
    let mut instances = users(FunctionKind::Controlling, &config.functions.controlling);
    instances.extend(users(FunctionKind::Participating, &config.functions.participating));
    Some(Border {
        beyond: entry.addresses.iter().copied().chain(ways).collect(),
        gateway: gateway.to_string(),
        sent_by: hidden.advertised.clone(),
        instances,
        media: hidden.media_address.map(|shown| (config.media.address, shown)),
    })
}

/// The policy of a configuration.
pub(super) fn policy(config: &Config) -> Policy {
    let policy = &config.policy;
    Policy {
        warning_agent: config.server.name.clone(),
        domain: config.server.domain.clone(),
        functions: functions(&config.functions),
        gateway: config.functions.gateway.clone(),
        elsewhere: elsewhere(&config.peers),
        partners: config.partners.iter().map(|entry| (entry.domain.clone(), partner(entry))).collect(),
        regrouped_call: policy.regrouped_call,
        regrouped_calls: config
            .groups
            .iter()
            .filter_map(|group| Some((group.document.id.clone(), group.regrouped_call?)))
            .collect(),
        tng1_default: policy.tng1_default,
        owed_for: policy.owed_for,
        operations_for: policy.operations_for,
        gms_timeout: policy.gms_timeout,
        reserved_for: policy.reserved_for,
        constituents_limit: policy.constituents_limit,
        affiliation_interval: policy.affiliation_interval,
        function_subscription_interval: policy.function_subscription_interval,
        no_de_affiliation: policy.no_de_affiliation.iter().cloned().collect(),
        registration_minimum: policy.registration_minimum,
        registration_maximum: policy.registration_maximum,
        media_address: config.media.address,
        default_encodings: config.media.encodings.clone(),
        constituents_wait_for_call: policy.constituents_wait_for_call,
        buffers_media: policy.buffers_media,
        check_proposals: policy.check_proposals,
        proposal_outcome: policy.proposal_outcome.then_some(policy.proposal_timeout),
        resource_priorities: ResourcePriorities {
            emergency: policy.resource_priority.emergency.clone(),
            imminent_peril: policy.resource_priority.imminent_peril.clone(),
            normal: policy.resource_priority.normal.clone(),
        },
    }
}

fn functions(configured: &config::Functions) -> Functions {
    Functions {
        participating: configured.participating.clone(),
        controlling: configured.controlling.clone(),
        gms: configured.gms.clone(),
    }
}

/// Functions of our own system among the peers.
fn elsewhere(peers: &[config::Peer]) -> Functions {
    use config::PeerRole;
    let of = |role| {
        let peers = peers.iter().filter(move |peer| peer.roles.contains(&role));
        peers.flat_map(|peer| peer.psis.clone()).collect()
    };
    Functions {
        participating: of(PeerRole::Participating),
        controlling: of(PeerRole::Controlling),
        gms: of(PeerRole::Gms),
    }
}

/// The functions of a partner, and its gateway server as each of them.
fn functions_of(entry: &config::Partner) -> Functions {
    let mut functions = functions(&entry.functions);
    for list in [&mut functions.participating, &mut functions.controlling, &mut functions.gms] {
        list.extend(entry.gateway.theirs.iter().cloned());
    }
    functions
}

fn permissions(permitted: &[config::Permission]) -> Permissions {
    use config::Permission;
    let may = |permission| permitted.contains(&permission);
    Permissions {
        regroup: may(Permission::Regroup),
        call: may(Permission::Call),
        affiliate: may(Permission::Affiliate),
        group_configuration: may(Permission::GroupConfiguration),
    }
}

fn partner(entry: &config::Partner) -> Partner {
    Partner {
        domain: entry.domain.clone(),
        functions: functions_of(entry),
        may: permissions(&entry.may),
        we_may: permissions(&entry.we_may),
        gateways: entry.gateway.theirs.clone(),
        enters: entry.gateway.entry,
        hides: entry.gateway.hidden.is_some(),
        shares_members: entry.shares_members,
        shares_participants: entry.shares_participants,
        regrouped_call: entry.regrouped_call,
        compact_7b: entry.compact_7b,
        provide_groups: entry.provide_groups,
        group_policy: entry.group_policy.clone(),
        proxy: entry.proxy.as_ref().map(|uri| format!("<{uri}>")),
    }
}

/// The trusted peers and the partner systems of a configuration.
pub(super) fn peers(config: &Config) -> Peers {
    let partner = |entry: &config::Partner| Peer {
        name: entry.domain.clone(),
        addresses: entry.addresses.clone(),
        functions: functions_of(entry),
        core: false,
        serving: false,
        partner: Some(entry.domain.clone()),
    };
    Peers(config.peers.iter().map(peer).chain(config.partners.iter().map(partner)).collect())
}

fn peer(peer: &config::Peer) -> Peer {
    use config::PeerRole;
    let is = |role| peer.roles.contains(&role);
    let psis = |role| if is(role) { peer.psis.clone() } else { Vec::new() };
    Peer {
        name: peer.name.clone(),
        addresses: peer.addresses.clone(),
        functions: Functions {
            participating: psis(PeerRole::Participating),
            controlling: psis(PeerRole::Controlling),
            gms: psis(PeerRole::Gms),
        },
        core: is(PeerRole::SCscf) || is(PeerRole::ICscf),
        serving: is(PeerRole::SCscf),
        partner: None,
    }
}
