//! TS 24.379 9.2.2.3.3 to 9.2.2.3.5: every step, every refusal. Zoe and Yan are users of `two.example`.

use super::*;
use crate::model::testing::*;
use crate::procedure::testing::World;
use crate::procedure::{Functions, Partner, Permissions};
use std::time::Duration;

const ZOE: &str = "sip:zoe@two.example";

/// Zoe is a member of `fire` and `joint`, `air` is disabled, `video` is for MCVideo; `two.example` may affiliate.
fn world() -> World {
    let mut groups = ["fire", "air", "video", "joint"].map(|name| group(name, &["alice", ZOE]));
    groups[1].disabled = true;
    groups[2].services = vec![Service::McVideo];
    let mut world = World::new([user("alice")], groups.into_iter().chain([group("sea", &["alice"])]));
    let functions = Functions { participating: vec![psi()], ..Functions::default() };
    let may = Permissions { affiliate: true, ..Permissions::default() };
    let partner = Partner { domain: "two.example".to_owned(), functions, may, ..Partner::default() };
    world.policy.partners.insert("two.example".to_owned(), partner);
    world
}

fn psi() -> Psi {
    Psi::new("sip:participating@two.example")
}

fn caller() -> Caller {
    let partner = Some("two.example".to_owned());
    Caller { psi: psi(), partner, participating: true, controlling: false, gms: false }
}

fn ask(group: &str, clients: &[&str]) -> GroupPublishAsk {
    let affiliations = clients.iter().map(|client| Affiliation::with_client(*client, None)).collect();
    GroupPublishAsk {
        reply: ReplyTo(1),
        caller: caller(),
        service: Service::Mcptt,
        info: info(group),
        presence: Presence {
            entity: group_id(group).to_string(),
            tuples: vec![Tuple { id: ZOE.to_owned(), affiliations }],
            p_id: Some("p1".to_owned()),
        },
        expires: Some(if clients.is_empty() { 0 } else { WHOLE_INTERVAL }),
        call_id: "1@two.example".to_owned(),
        cseq: 1,
    }
}

// RFC 3261 10.3 step 7, after a restart too.
#[test]
fn a_copy_of_an_earlier_publish_does_not_undo_a_later_one() {
    let mut world = world();
    let numbered = |cseq: u32, clients: &[&str]| GroupPublishAsk { cseq, ..ask("fire", clients) };
    let last = u32::MAX >> 1;
    for (cseq, clients) in [(last - 1, &["z1"][..]), (last, &[]), (3, &["z2"])] {
        let outcome = publish(&mut world.view(), numbered(cseq, clients)).unwrap();
        world.keep(&outcome);
    }
    for old in [last - 1, last, 2] {
        let refusal = publish(&mut world.view(), numbered(old, &[])).unwrap_err();
        assert!(matches!(refusal, Refusal::Overtaken), "{old}: {refusal}");
    }
    // The same once more does no harm; another Call-ID has an order of its own.
    publish(&mut world.view(), numbered(3, &["z2"])).unwrap();
    let other = GroupPublishAsk { call_id: "2@two.example".to_owned(), ..numbered(2, &[]) };
    publish(&mut world.view(), other).unwrap();
    // Nor is anything older by then.
    world.now = world.now.plus(COPIES_FOR);
    publish(&mut world.view(), numbered(2, &[])).unwrap();
}

fn info(group: &str) -> McInfo {
    McInfo {
        request_uri: Some(group_id(group).to_string()),
        calling_user: Some(ZOE.to_owned()),
        ..McInfo::default()
    }
}

fn done(world: &mut World, ask: GroupPublishAsk) -> Outcome<Over> {
    world.ask(|view| publish(view, ask)).unwrap()
}

fn clients_of(world: &World, group: &str) -> Vec<String> {
    let owned = world.model.owned_affiliation(group_id(group).as_str(), &UserId::new(ZOE), Service::Mcptt);
    owned.map(|owned| owned.clients.iter().map(ToString::to_string).collect()).unwrap_or_default()
}

/// The words of an outcome, one each, in order.
fn words(outcome: &Outcome<Over>) -> Vec<String> {
    let word = |send: &Send| match send {
        Send::Answer { answer, .. } => format!("answer {} {:?}", answer.status, answer.expires),
        Send::GroupAffiliation { group, user, p_id, .. } => format!("notify {group} {user} {p_id:?}"),
        Send::AffiliationUpdate { user, groups, .. } => format!("update {user} {groups:?}"),
        Send::Affiliated { client, .. } => format!("affiliated {client}"),
        Send::Deaffiliated { client, .. } => format!("deaffiliated {client}"),
        other => panic!("unexpected: {other:?}"),
    };
    outcome.sends.iter().map(word).collect()
}

fn listed(world: &World, group: &str) -> Presence {
    let watched =
        Watched::GroupAffiliation { group: group_id(group), user: UserId::new(ZOE), service: Service::Mcptt };
    document(&world.model, &watched, None, world.now).unwrap()
}

#[test]
fn the_user_is_stored_answered_told_and_counts_as_affiliated() {
    let mut world = world();
    let outcome = done(&mut world, ask("fire", &["z2", "z1"]));
    assert_eq!(
        words(&outcome),
        [
            "answer 200 Some(4294967295)",
            "notify sip:fire@one.example sip:zoe@two.example Some(\"p1\")",
            "update sip:zoe@two.example [(sip:fire@one.example, true)]",
            "affiliated z1",
            "affiliated z2",
        ]
    );
    assert_eq!(clients_of(&world, "fire"), ["z1", "z2"]);
    let members = groups::affiliated_members(&world.model, Service::Mcptt, &group_id("fire"));
    assert!(members.contains_key(&UserId::new(ZOE)), "calls invite users of other systems too");
    let tuple = &listed(&world, "fire").tuples[0];
    assert_eq!(tuple.id, ZOE);
    assert_eq!(tuple.affiliations[0], Affiliation::with_client("z1", None));
}

/// Nothing changes but what is known of the last PUBLISH.
fn only_numbered(outcome: &Outcome<Over>) -> bool {
    matches!(outcome.changes[..], [Change::Put(Fact::LastPublish(_))])
}

#[test]
fn the_same_again_changes_nothing_and_is_answered_and_told() {
    let mut world = world();
    done(&mut world, ask("fire", &["z1"]));
    let again = done(&mut world, ask("fire", &["z1", "z1"]));
    assert!(only_numbered(&again));
    assert_eq!(words(&again).len(), 2);
}

#[test]
fn a_smaller_set_removes_the_others_and_the_last_one_goes_with_expires_0() {
    let mut world = world();
    done(&mut world, ask("fire", &["z1", "z2"]));
    let fewer = done(&mut world, ask("fire", &["z2"]));
    assert_eq!(words(&fewer)[2..], ["deaffiliated z1"], "no news for the GMS");
    let none = done(&mut world, ask("fire", &[]));
    assert_eq!(
        words(&none)[..3],
        [
            "answer 200 Some(0)",
            "notify sip:fire@one.example sip:zoe@two.example Some(\"p1\")",
            "update sip:zoe@two.example [(sip:fire@one.example, false)]",
        ]
    );
    assert!(listed(&world, "fire").tuples.is_empty());
    assert_eq!(world.model.affiliated_count(Service::Mcptt, group_id("fire").as_str()), 0);
    // Who is not affiliated may de-affiliate: nothing changes, and it is told.
    let nobody = done(&mut world, ask("fire", &[]));
    assert!(only_numbered(&nobody));
    assert_eq!(words(&nobody).len(), 2);
}

#[test]
fn every_check_has_its_refusal() {
    type Case = (fn(&mut World, &mut GroupPublishAsk), u16, Option<u16>);
    let cases: [Case; 14] = [
        (|_, ask| ask.caller.participating = false, 403, None),
        (
            |world, _| world.policy.partners.get_mut("two.example").unwrap().may = Permissions::default(),
            403,
            Some(180),
        ),
        (|world, _| drop(world.policy.partners.remove("two.example")), 403, Some(180)),
        (|_, ask| ask.info.request_uri = None, 400, None),
        (|_, ask| ask.info.calling_user = Some("zoe".to_owned()), 400, None),
        (|_, ask| ask.info.calling_user = Some(user_id("alice").to_string()), 403, None),
        (|_, ask| ask.expires = None, 423, None),
        (|_, ask| ask.expires = Some(3600), 423, None),
        (|_, ask| ask.info = info("none"), 403, Some(113)),
        (|_, ask| ask.info = info("sip:rail@two.example"), 403, Some(113)),
        (|_, ask| ask.info = info("air"), 403, Some(115)),
        (|_, ask| ask.info = info("sea"), 403, Some(116)),
        (|_, ask| ask.info = info("video"), 403, Some(100)),
        (|_, ask| ask.presence.tuples[0].affiliations[0].client = Some(" ".to_owned()), 400, None),
    ];
    for (number, (change, status, code)) in cases.into_iter().enumerate() {
        let mut world = world();
        let mut ask = ask("fire", &["z1"]);
        change(&mut world, &mut ask);
        let subscription = subscribe(&world.view(), &ask.caller, &ask.info, ask.service, ask.expires);
        let refusal = world.ask(|view| publish(view, ask)).map(|outcome| outcome.sends.len()).unwrap_err();
        let answer = refusal.answer();
        let found = answer.warnings.first().and_then(|warning| warning.code);
        assert_eq!((answer.status, found), (status, code), "{number}: {refusal}");
        assert!(clients_of(&world, "fire").is_empty());
        // A subscription meets the same checks, those of the document apart.
        if number != 13 {
            assert_eq!(subscription.unwrap_err(), refusal, "{number}");
        }
    }
}

#[test]
fn a_document_about_another_group_or_user_is_answered_and_ignored() {
    let mut world = world();
    let mut other_group = ask("fire", &["z1"]);
    other_group.presence.entity = group_id("joint").to_string();
    let mut other_user = ask("fire", &["z1"]);
    other_user.presence.tuples[0].id = "sip:yan@two.example".to_owned();
    for ask in [other_group, other_user] {
        let outcome = done(&mut world, ask);
        assert_eq!(words(&outcome), ["answer 200 Some(4294967295)"]);
        assert!(outcome.changes.is_empty() && outcome.log.is_some());
    }
    let mut two = ask("fire", &["z1"]);
    let tuple = two.presence.tuples[0].clone();
    two.presence.tuples.push(tuple);
    assert!(matches!(world.ask(|view| publish(view, two)), Err(Refusal::Malformed { .. })));
}

#[test]
fn a_user_has_so_many_clients_and_no_more() {
    let mut world = world();
    let names: Vec<String> = (0..=CLIENTS_PER_USER).map(|number| format!("z{number}")).collect();
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let refusal = world.ask(|view| publish(view, ask("fire", &all))).map(|_| ()).unwrap_err();
    assert_eq!(refusal.answer().status, 403);
    done(&mut world, ask("fire", &all[1..]));
    assert_eq!(clients_of(&world, "fire").len(), CLIENTS_PER_USER);
}

#[test]
fn what_is_granted_for_a_time_ends_by_time_and_is_told() {
    let mut world = world();
    world.policy.affiliation_interval = 600;
    let outcome = done(&mut world, ask("fire", &["z1"]));
    assert_eq!(words(&outcome)[0], "answer 200 Some(600)");
    let ends = world.now.plus(Duration::from_secs(600));
    assert_eq!(listed(&world, "fire").tuples[0].affiliations[0].expires, Some(ends));
    let expire = |world: &mut World| {
        world.run(|view| expire(view, &group_id("fire"), &UserId::new(ZOE), Service::Mcptt))
    };
    world.wait(Duration::from_millis(599_999));
    assert!(expire(&mut world).changes.is_empty());
    world.wait(Duration::from_millis(1));
    assert!(listed(&world, "fire").tuples.is_empty(), "not a moment longer");
    assert_eq!(words(&expire(&mut world))[0], "notify sip:fire@one.example sip:zoe@two.example None");
    assert!(expire(&mut world).sends.is_empty());
}

#[test]
fn a_group_that_nobody_leaves_refuses_to_let_clients_go() {
    let mut world = world();
    world.policy.no_de_affiliation.insert(group_id("fire"));
    done(&mut world, ask("fire", &["z1"]));
    done(&mut world, ask("fire", &["z1", "z2"]));
    for fewer in [&["z2"][..], &[]] {
        let refusal = world.ask(|view| publish(view, ask("fire", fewer))).map(|_| ()).unwrap_err();
        let answer = refusal.answer();
        assert_eq!((answer.status, answer.warnings[0].code), (403, Some(100)));
    }
    assert_eq!(clients_of(&world, "fire"), ["z1", "z2"]);
}

#[test]
fn whom_the_groups_of_another_configuration_do_not_let_in_goes_at_the_restart() {
    let mut world = world();
    done(&mut world, ask("fire", &["z1"]));
    done(&mut world, ask("joint", &["z1"]));
    let facts: Vec<_> = ["fire", "joint"]
        .map(|name| world.model.owned_affiliation(group_id(name).as_str(), &UserId::new(ZOE), Service::Mcptt))
        .into_iter()
        .flatten()
        .map(|owned| Change::Put(Fact::OwnedAffiliation(owned.clone())))
        .collect();
    let mut again = World::new([user("alice")], [group("fire", &["alice"]), group("joint", &[ZOE])]);
    again.apply(&facts);
    let outcome = again.run(|view| recheck(view));
    assert_eq!(words(&outcome)[0], "notify sip:fire@one.example sip:zoe@two.example None");
    assert!(clients_of(&again, "fire").is_empty());
    assert_eq!(clients_of(&again, "joint"), ["z1"]);
    assert!(again.run(|view| recheck(view)).changes.is_empty());
}
