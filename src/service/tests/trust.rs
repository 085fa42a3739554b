//! Whom the service believes.

use super::*;
use crate::model::{Binding, BindingOrigin, Registration};

fn world() -> World {
    let mut alice = user("alice");
    alice.password = Some("secret".into());
    let mut bob = user("bob");
    bob.password = None;
    World::new(setup(), vec![alice, bob], vec![group("fire", &["alice", "bob"])])
}

fn subscribe(world: &mut World, who: (&str, u8), extra: &[&str]) -> String {
    let target = format!(
        "<mcptt-request-uri type=\"Normal\"><mcpttURI>sip:{}@one.example</mcpttURI></mcptt-request-uri>",
        who.0
    );
    let service = format!("P-Preferred-Service: {ICSI}");
    let mut lines = vec!["Event: presence", "Contact: <sip:x@192.0.2.9:5060>", &service];
    lines.extend(extra);
    let body = info(&target);
    world
        .ask(who, "SUBSCRIBE", PARTICIPATING, &lines, Some(("application/vnd.3gpp.mcptt-info+xml", &body)))
        .line()
}

#[test]
fn what_a_stranger_asserts_about_himself_does_not_count() {
    let mut world = world();
    world.register("bob", 6, 3600);
    // Bob speaks as bob from where he registered, whatever P-Asserted-Identity says.
    let alice = "P-Asserted-Identity: <sip:alice@one.example>";
    assert_eq!(subscribe(&mut world, ("bob", 6), &[alice]), "200 SUBSCRIBE");
    let subscriber = world.facts.values().find_map(|fact| match fact {
        Fact::Subscription(subscription) => Some(subscription.subscriber.clone()),
        _ => None,
    });
    assert_eq!(subscriber, Some(crate::model::Subscriber::User(user_id("bob"))));
    // From elsewhere bob is not bob, and alice has to prove herself.
    assert_eq!(subscribe(&mut world, ("bob", 9), &[]), "403 SUBSCRIBE");
    assert_eq!(subscribe(&mut world, ("alice", 6), &[]), "401 SUBSCRIBE");
}

#[test]
fn behind_a_proxy_a_user_with_a_password_proves_it_each_time() {
    let mut world = world();
    let model = Registration {
        public_id: public_id("alice"),
        user: user_id("alice"),
        bindings: vec![Binding {
            contact: "sip:alice@192.0.2.8:5060".to_owned(),
            route: Vec::new(),
            client: None,
            parameters: String::new(),
            call_id: "c".to_owned(),
            cseq: 1,
            expires: world.now.plus(Duration::from_secs(600)),
            source: flow(8).source(),
            origin: BindingOrigin::Own,
            services: crate::model::Service::Mcptt.into(),
        }],
    };
    world.service.put(Fact::Registration(model));
    assert_eq!(subscribe(&mut world, ("alice", 8), &[]), "200 SUBSCRIBE");
    let hop = "Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKbehind";
    assert_eq!(subscribe(&mut world, ("alice", 8), &[hop]), "401 SUBSCRIBE");
}

#[test]
fn nobody_registers_somebody_else_or_elsewhere() {
    let mut world = world();
    assert_eq!(world.register("alice", 5, 3600).line(), "401 REGISTER");
    let lines = ["Contact: <sip:bob@192.0.2.6:5060>", "P-Preferred-Identity: <sip:alice@one.example>"];
    assert_eq!(world.ask(("bob", 6), "REGISTER", "sip:one.example", &lines, None).line(), "403 REGISTER");
    assert_eq!(
        world.ask(("bob", 6), "REGISTER", "sip:two.example", &lines[..1], None).line(),
        "404 REGISTER"
    );
    assert!(world.facts.is_empty());
    assert_eq!(
        world.ask(("bob", 6), "REGISTER", "sip:one.example", &lines[..1], None).line(),
        "200 REGISTER"
    );
}

#[test]
fn a_client_has_no_business_with_the_controlling_function() {
    let mut world = World::brigade(setup());
    let caller = world.call(("alice", 5), "nothing", &[]);
    let text = caller.text("INVITE", 9, "", "sip:mcptt-controlling@one.example", &[], "");
    world.sent.clear();
    world.receive(flow(5), &text.replace("call-", "other-").replace("z9hG4bK", "z9hG4bKo"));
    assert!(world.to(5, "403 INVITE").is_some(), "{:?}", world.sent);
}

#[test]
fn a_reload_changes_policy_and_peers_but_not_who_this_server_is() {
    let mut world = World::brigade(setup());
    let new = Policy { domain: "two.example".to_owned(), owed_for: Duration::from_secs(7), ..policy() };
    world.service.reload(new, Peers::default(), crate::sip::transaction::Beyond::default(), []);
    let policy = &world.service.setup.policy;
    assert_eq!((policy.domain.as_str(), policy.owed_for), ("one.example", Duration::from_secs(7)));
}

#[test]
fn credentials_are_worth_nothing_at_another_address() {
    use crate::sip::wire::Name;
    use md5::Digest as _;
    let mut world = world();
    let challenge = world.register("alice", 5, 3600).get(Name::WwwAuthenticate);
    let nonce = challenge.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let hash =
        |text: &str| md5::Md5::digest(text).iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    let secret = hash("alice:one.example:secret");
    let what = hash("REGISTER:sip:one.example");
    let response = hash(&format!("{secret}:{nonce}:00000001:abc:auth:{what}"));
    let line = format!(
        "Authorization: Digest username=\"alice\", realm=\"one.example\", nonce=\"{nonce}\", \
         uri=\"sip:one.example\", response=\"{response}\", qop=auth, nc=00000001, cnonce=\"abc\""
    );
    let mut register = |host: u8| {
        let contact = format!("Contact: <sip:alice@192.0.2.{host}:5060>");
        world.ask(("alice", host), "REGISTER", "sip:one.example", &[&contact, &line], None)
    };
    let elsewhere = register(9);
    assert_eq!(elsewhere.line(), "401 REGISTER");
    assert!(elsewhere.get(Name::WwwAuthenticate).contains("stale=true"));
    assert_eq!(register(5).line(), "200 REGISTER");
}

/// A peer at 192.0.2.20 with this permission.
fn with_peer(change: impl FnOnce(&mut Peer)) -> World {
    use crate::config::Addresses;
    let network = std::net::IpAddr::from([192, 0, 2, 20]);
    let mut peer = Peer {
        name: "peer".to_owned(),
        addresses: vec![Addresses { network, prefix: 32, port: None }],
        functions: crate::procedure::Functions::default(),
        core: false,
        serving: false,
        partner: None,
    };
    change(&mut peer);
    let mut setup = setup();
    setup.peers = Peers(vec![peer]);
    World::new(setup, vec![user("alice")], vec![group("fire", &["alice"])])
}

#[test]
fn only_the_serving_part_of_a_core_registers_users() {
    let register = |world: &mut World| {
        let lines = [
            "Contact: <sip:scscf.one.example>",
            "Expires: 600",
            "P-Preferred-Identity: <sip:scscf.one.example>",
        ];
        let answer = world.ask(("alice", 20), "REGISTER", "sip:192.0.2.1:5060", &lines, None);
        (answer.line(), world.facts.len())
    };
    let mut serving = with_peer(|peer| (peer.core, peer.serving) = (true, true));
    assert_eq!(register(&mut serving), ("200 REGISTER".to_owned(), 1));
    let mut interrogating = with_peer(|peer| peer.core = true);
    assert_eq!(register(&mut interrogating).1, 0);
}

#[test]
fn a_peer_does_what_its_entry_permits_and_speaks_for_its_own_identities_only() {
    let asserted = |identity: &str| format!("P-Asserted-Identity: <{identity}>");
    let mut world = with_peer(|peer| peer.functions.controlling = vec![Psi::new("sip:peer@two.example")]);
    let own = asserted("sip:peer@two.example");
    let call = |world: &mut World, line: &str| {
        world.call(("alice", 20), "fire", &[line]);
        world.to(20, "403 INVITE").is_some()
    };
    // Without `isfocus` nobody invites a member (104), and users are asserted by a core only.
    assert!(call(&mut world, &own));
    assert!(call(&mut world, &asserted("sip:alice@one.example")));
    let mut core = with_peer(|peer| peer.core = true);
    let subscribed = subscribe(&mut core, ("alice", 20), &[&asserted("sip:alice@one.example")]);
    assert_eq!(subscribed, "200 SUBSCRIBE");
    assert_eq!(subscribe(&mut core, ("alice", 20), &[&asserted("sip:mallory@one.example")]), "404 SUBSCRIBE");
}
