//! Subscriptions to the dynamic data of a group (TS 24.379 9.2.2.3.9, 9.2.2.3.10).

use super::*;
use crate::documents::group_dynamic::{GroupDynamicData, GroupState};
use crate::model::{Service as McService, Who};
use crate::sip::dialog::UNTOLD_CSEQ;

/// The brigade, with a chief who is no member of any group but may see who is affiliated to `fire`.
fn world() -> World {
    let names = ["alice", "bob", "carol"];
    let mut fire = group("fire", &names);
    fire.rules.affiliation_list = Who::Users(vec![user_id("chief"), user_id("alice")]);
    let users =
        names.iter().chain(&["chief"]).map(|name| user_with(name, |profile| profile.allow_regroup = true));
    let mut world = World::new(setup(), users.collect(), vec![fire, group("rescue", &["bob"])]);
    for (name, host) in ["alice", "bob", "carol", "chief"].into_iter().zip(5..) {
        world.register(name, host, 3600);
    }
    world.sent.clear();
    world
}

impl World {
    fn watch_group(&mut self, who: (&str, u8), group: &str, filter: Option<&str>, expires: u32) -> Sent {
        let target = format!(
            "<mcptt-request-uri type=\"Normal\"><mcpttURI>sip:{group}@one.example</mcpttURI></mcptt-request-uri>"
        );
        let contact = format!("Contact: <sip:{}@192.0.2.{}:5060>", who.0, who.1);
        let expires = format!("Expires: {expires}");
        let service = format!("P-Preferred-Service: {ICSI}");
        let lines = ["Event: presence", contact.as_str(), &service, &expires];
        let (kind, body) = match filter {
            None => ("application/vnd.3gpp.mcptt-info+xml".to_owned(), info(&target)),
            Some(name) => {
                let filter = crate::documents::pidf::tuple_filter(user_id(name).as_str()).unwrap();
                with_info(&target, "application/simple-filter+xml", &filter)
            }
        };
        self.ask(who, "SUBSCRIBE", PARTICIPATING, &lines, Some((&kind, &body)))
    }

    /// The notification that a client got since the last look, answered; who is affiliated, and the state.
    fn told(&mut self, host: u8) -> Option<(Vec<String>, GroupState, String)> {
        let notify = self.to(host, "NOTIFY").cloned();
        self.sent.clear();
        let notify = notify?;
        let text = notify.answer(200, "theirs", &[], None);
        self.receive(flow(host), &text);
        let body = notify.message.body();
        let data = GroupDynamicData::decode(&body, McService::Mcptt, &Limits::default()).unwrap();
        let name = |id: &str| id.trim_start_matches("sip:").split('@').next().unwrap_or_default().to_owned();
        let names = data.presence.tuples.iter().map(|tuple| name(&tuple.id)).collect();
        Some((names, data.state.expect("a state"), notify.get(wire::Name::SubscriptionState)))
    }

    fn affiliated(&mut self, user: &str, groups: &[&str]) {
        self.service.change(affiliation(user, &format!("{user}-phone"), groups));
        self.service.run(self.now);
        self.settle();
    }
}

const QUIET: GroupState = GroupState { emergency: false, imminent_peril: false, call: false };

#[test]
fn whoever_may_see_it_is_told_who_is_affiliated_and_what_goes_on() {
    let mut world = world();
    assert_eq!(world.watch_group(("chief", 8), "fire", None, 600).line(), "200 SUBSCRIBE");
    let (names, state, subscription) = world.told(8).unwrap();
    assert_eq!((names.len(), state, subscription.as_str()), (0, QUIET, "active;expires=600"));
    world.affiliated("alice", &["fire"]);
    assert_eq!(world.told(8).unwrap().0, ["alice"]);
    world.affiliated("bob", &["fire", "rescue"]);
    assert_eq!(world.told(8).unwrap().0, ["alice", "bob"]);
    // Another group of the same client: nothing to tell.
    world.affiliated("bob", &["fire"]);
    assert!(world.told(8).is_none());
    world.call(("alice", 5), "fire", &[]);
    assert_eq!(world.told(8).unwrap().1, GroupState { call: true, ..QUIET });
}

#[test]
fn a_member_without_the_right_is_told_what_goes_on_only() {
    let mut world = world();
    world.affiliated("alice", &["fire"]);
    assert_eq!(world.watch_group(("bob", 6), "fire", None, 600).line(), "200 SUBSCRIBE");
    let (names, state, _) = world.told(6).unwrap();
    assert_eq!((names.len(), state), (0, QUIET));
}

#[test]
fn who_is_neither_member_nor_allowed_is_refused() {
    let mut world = world();
    let refused = world.watch_group(("chief", 8), "rescue", None, 600);
    assert_eq!(refused.line(), "403 SUBSCRIBE");
    assert!(refused.get(wire::Name::Warning).contains("\"116 "));
}

#[test]
fn a_filter_shows_one_user() {
    let mut world = world();
    world.affiliated("alice", &["fire"]);
    world.affiliated("bob", &["fire"]);
    world.watch_group(("chief", 8), "fire", Some("bob"), 600);
    assert_eq!(world.told(8).unwrap().0, ["bob"]);
}

#[test]
fn a_fetch_tells_once() {
    let mut world = world();
    world.affiliated("alice", &["fire"]);
    world.watch_group(("chief", 8), "fire", None, 0);
    let (names, _, subscription) = world.told(8).unwrap();
    assert_eq!((names.len(), subscription.as_str()), (1, "terminated;reason=timeout"));
    world.affiliated("bob", &["fire"]);
    assert!(world.told(8).is_none());
}

#[test]
fn the_members_of_constituents_are_those_of_the_temporary_group() {
    let mut world = world();
    for change in regrouping(&temporary_group("joint", &["fire", "rescue"])) {
        world.service.change(change);
    }
    world.service.run(world.now);
    assert_eq!(world.watch_group(("bob", 6), "joint", None, 600).line(), "200 SUBSCRIBE");
    assert_eq!(world.told(6).unwrap().0.len(), 0);
    world.affiliated("alice", &["fire"]);
    assert_eq!(world.told(6).unwrap().0, ["alice"]);
}

#[test]
fn a_thousand_watchers_are_each_told_once() {
    let mut world = world();
    world.service.setup.limits.subscriptions_per_user = 2_000;
    for _ in 0..1_000 {
        world.watch_group(("chief", 8), "fire", None, 600);
        world.told(8);
    }
    world.affiliated("alice", &["fire"]);
    assert_eq!(world.sent.iter().filter(|sent| sent.line() == "NOTIFY").count(), 1_000);
}

/// As [`world`], with a GMS of this system at 20, and a partner system at 30 that may affiliate its users.
fn with_functions() -> World {
    use crate::config::Addresses;
    use crate::procedure::{Functions, Partner, Permissions};
    let peer = |host: u8, functions: Functions, partner: Option<&str>| Peer {
        name: "peer".to_owned(),
        addresses: vec![Addresses { network: flow(host).peer.ip(), prefix: 32, port: None }],
        functions,
        core: false,
        serving: false,
        partner: partner.map(str::to_owned),
    };
    let mut setup = setup();
    let gms = Functions { gms: vec![Psi::new("sip:gms@one.example")], ..Functions::default() };
    let theirs = Functions {
        participating: vec![Psi::new("sip:participating@two.example")],
        controlling: vec![Psi::new("sip:controlling@two.example")],
        ..Functions::default()
    };
    setup.peers = Peers(vec![peer(20, gms, None), peer(30, theirs.clone(), Some("two.example"))]);
    let partner = Partner {
        domain: "two.example".to_owned(),
        functions: theirs,
        may: Permissions { affiliate: true, ..Permissions::default() },
        ..Partner::default()
    };
    setup.policy.partners.insert("two.example".to_owned(), partner);
    setup
        .agent
        .transactions
        .hops
        .hosts
        .insert("two.example".to_owned(), vec![(Transport::Udp, flow(30).peer)]);
    let mut fire = group("fire", &["alice", "bob", "sip:rail@two.example"]);
    fire.rules.affiliation_list = Who::Users(vec![user_id("alice")]);
    World::new(setup, vec![user("alice"), user("bob")], vec![fire])
}

impl World {
    /// A function asks about a group.
    fn function_asks(&mut self, host: u8, psi: &str, group: &str, by: Option<&str>) -> Sent {
        let element =
            |name: &str, uri: &str| format!("<{name} type=\"Normal\"><mcpttURI>{uri}</mcpttURI></{name}>");
        let mut target = element("mcptt-request-uri", group);
        if let Some(by) = by {
            target += &element("mcptt-calling-user-id", by);
        }
        let contact = format!("Contact: <sip:function@192.0.2.{host}:5060>");
        let asserted = format!("P-Asserted-Identity: <{psi}>");
        let service = format!("P-Asserted-Service: {ICSI}");
        let lines = ["Event: presence", contact.as_str(), &asserted, &service, "Expires: 4294967295"];
        let body = ("application/vnd.3gpp.mcptt-info+xml", info(&target));
        self.ask(("function", host), "SUBSCRIBE", CONTROLLING, &lines, Some((body.0, &body.1)))
    }
}

const CONTROLLING: &str = "sip:mcptt-controlling@one.example";
const FIRE: &str = "sip:fire@one.example";

#[test]
fn the_group_management_server_of_this_system_is_told_everything() {
    let mut world = with_functions();
    world.affiliated("alice", &["fire"]);
    world.affiliated("bob", &["fire"]);
    assert_eq!(world.function_asks(20, "sip:gms@one.example", FIRE, None).line(), "200 SUBSCRIBE");
    assert_eq!(world.told(20).unwrap().0, ["alice", "bob"]);
}

#[test]
fn a_partner_is_told_what_the_user_may_see_for_whom_it_asks() {
    let mut world = with_functions();
    world.affiliated("alice", &["fire"]);
    let psi = "sip:participating@two.example";
    let answer = world.function_asks(30, psi, FIRE, Some("sip:rail@two.example"));
    assert_eq!(answer.line(), "200 SUBSCRIBE");
    let (names, state, _) = world.told(30).unwrap();
    assert_eq!((names.len(), state), (0, QUIET));
    // Not for a user of ours, not for one who is no member, not for itself, not about groups that are not there.
    assert_eq!(world.function_asks(30, psi, FIRE, Some("sip:alice@one.example")).line(), "403 SUBSCRIBE");
    assert_eq!(world.function_asks(30, psi, FIRE, Some("sip:other@two.example")).line(), "403 SUBSCRIBE");
    assert_eq!(world.function_asks(30, psi, FIRE, None).line(), "403 SUBSCRIBE");
    let nowhere = world.function_asks(20, "sip:gms@one.example", "sip:nowhere@one.example", None);
    assert_eq!(nowhere.line(), "404 SUBSCRIBE");
    world.service.setup.policy.partners.clear();
    let answer = world.function_asks(30, psi, FIRE, Some("sip:rail@two.example"));
    assert_eq!(answer.line(), "403 SUBSCRIBE");
    assert!(answer.get(wire::Name::Warning).contains("\"180 "));
}

#[test]
fn a_group_of_a_partner_is_watched_there_and_its_news_are_passed_on() {
    let mut world = with_functions();
    world.register("alice", 5, 3600);
    let entry = crate::model::GroupAffiliation {
        owner: Some(Box::default()),
        ..crate::model::GroupAffiliation::own("sip:port@two.example".into(), McService::Mcptt, None)
    };
    world.service.put(Fact::Affiliation(crate::model::ClientAffiliations {
        user: user_id("alice"),
        client: "alice-phone".into(),
        groups: vec![entry],
    }));
    let target =
        "<mcptt-request-uri type=\"Normal\"><mcpttURI>sip:port@two.example</mcpttURI></mcptt-request-uri>";
    let service = format!("P-Preferred-Service: {ICSI}");
    let lines = ["Event: presence", "Contact: <sip:alice@192.0.2.5:5060>", &service, "Expires: 600"];
    let body = info(target);
    let answer = world.ask(
        ("alice", 5),
        "SUBSCRIBE",
        PARTICIPATING,
        &lines,
        Some(("application/vnd.3gpp.mcptt-info+xml", &body)),
    );
    assert_eq!(answer.line(), "200 SUBSCRIBE");
    let ours = world.to(30, "SUBSCRIBE").cloned().expect("our subscription");
    assert!(
        ours.line() == "SUBSCRIBE"
            && ours.transmit.octets.starts_with(b"SUBSCRIBE sip:controlling@two.example ")
    );
    let first = world.to(5, "NOTIFY").cloned().expect("the first notification");
    world.receive(flow(5), &first.answer(200, "theirs", &[], None));
    world
        .receive(flow(30), &ours.answer(200, "theirs", &["Expires: 600", "Contact: <sip:192.0.2.30>"], None));
    let data = GroupDynamicData {
        presence: crate::documents::pidf::Presence {
            entity: "sip:port@two.example".to_owned(),
            tuples: vec![crate::documents::pidf::Tuple {
                id: "sip:rail@two.example".to_owned(),
                affiliations: vec![crate::documents::pidf::Affiliation::with_client("theirs", None)],
            }],
            p_id: None,
        },
        state: Some(GroupState { call: true, ..QUIET }),
    };
    let content = data.encode(McService::Mcptt);
    let text = format!(
        "NOTIFY sip:192.0.2.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.30:5060;branch=z9hG4bKn1\r\nMax-Forwards: 70\r\n\
         From: <sip:controlling@two.example>;tag=theirs\r\nTo: <sip:x@one.example>;tag={}\r\nCall-ID: {}\r\n\
         CSeq: 1 NOTIFY\r\nContact: <sip:192.0.2.30>\r\nEvent: presence\r\nSubscription-State: active;expires=600\r\n\
         Content-Type: application/pidf+xml\r\nContent-Length: {}\r\n\r\n{content}",
        ours.tag(wire::Name::From),
        ours.get(wire::Name::CallId),
        content.len()
    );
    world.sent.clear();
    world.receive(flow(30), &text);
    let (names, state, _) = world.told(5).unwrap();
    assert_eq!((names, state), (vec!["rail".to_owned()], GroupState { call: true, ..QUIET }));
}

#[test]
fn who_sees_more_or_less_of_a_group_gets_an_own_document() {
    let mut world = world();
    for (who, filter) in [(("alice", 5), None), (("bob", 6), None), (("chief", 8), Some("bob"))] {
        world.watch_group(who, "fire", filter, 600);
        world.told(who.1);
    }
    world.affiliated("carol", &["fire"]);
    let sent = std::mem::take(&mut world.sent);
    let names: Vec<_> = [5, 6, 8]
        .into_iter()
        .map(|host| {
            world.sent.clone_from(&sent);
            world.told(host).unwrap().0
        })
        .collect();
    assert_eq!(names, [vec!["carol".to_owned()], vec![], vec![]]);
}

#[test]
fn what_a_watcher_was_not_told_is_told_after_a_restart_and_no_more_than_that() {
    let mut world = world();
    world.watch_group(("alice", 5), "fire", None, 600);
    world.told(5);
    world.watch_group(("chief", 8), "fire", None, 600);
    world.told(8);
    world.affiliated("bob", &["fire"]);
    world.told(5);
    world.restart();
    assert_eq!(world.sent.len(), 1, "alice has answered");
    assert_eq!(world.told(8).unwrap().0, ["bob"]);
    world.restart();
    assert!(world.told(8).is_none());
}

#[test]
fn a_subscription_is_written_again_only_when_its_cseq_has_moved_far() {
    let mut world = world();
    world.watch_group(("chief", 8), "fire", None, 600);
    world.told(8);
    let stored = |world: &World| {
        let subscription = world.facts.values().find_map(|fact| match fact {
            Fact::Subscription(subscription) => Some(subscription.dialog.local_cseq),
            _ => None,
        });
        let untold = world.facts.keys().any(|key| matches!(key, FactKey::Untold(_)));
        (subscription.unwrap(), untold)
    };
    assert_eq!(stored(&world), (0, false));
    for round in 1..UNTOLD_CSEQ - 1 {
        world.affiliated("bob", if round % 2 == 0 { &[] } else { &["fire"] });
        assert_eq!(stored(&world), (0, true));
        world.told(8).unwrap();
        assert_eq!(stored(&world), (0, false));
    }
    world.affiliated("bob", &["fire"]);
    assert_eq!(stored(&world), (UNTOLD_CSEQ, true));
}
