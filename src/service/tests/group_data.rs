//! Subscriptions to the dynamic data of a group (TS 24.379 9.2.2.3.9, 9.2.2.3.10).

use super::*;
use crate::documents::group_dynamic::{GroupDynamicData, GroupState};
use crate::model::{Service as McService, Who};

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
