//! TS 23.280 figures 10.8.3.1-1 and 10.8.4.2-1 and TS 24.379 9.2.2.2.3: every step, every refusal.

use super::*;
use crate::documents::pidf::{Affiliation, Tuple};
use crate::model::testing::*;
use crate::procedure::testing::World;

/// alice is a member of all of them and may have two; bob is in `fire` only; `chief` may affiliate others.
fn world() -> World {
    let chief = user_with("chief", |profile| profile.allow_affiliate_others = true);
    let alice = user_with("alice", |profile| profile.max_affiliations_n2 = Some(2));
    World::new(
        [chief, alice, user("bob")],
        [
            group("fire", &["alice", "bob"]),
            group("sea", &["alice"]),
            group("rail", &["alice"]),
            group("air", &["alice"]),
        ],
    )
}

pub fn ask(name: &str, client: &str, groups: &[&str]) -> PublishAsk {
    PublishAsk {
        reply: ReplyTo(1),
        sender: user_id(name),
        by_agreement: false,
        service: Service::Mcptt,
        info: McInfo { request_uri: Some(user_id(name).to_string()), ..McInfo::default() },
        presence: Some(Presence {
            entity: user_id(name).to_string(),
            tuples: vec![Tuple {
                id: client.to_owned(),
                affiliations: groups
                    .iter()
                    .map(|group| Affiliation {
                        group: Some(group_id(group).to_string()),
                        ..Affiliation::default()
                    })
                    .collect(),
            }],
            p_id: Some("p1".to_owned()),
        }),
        expires: Some(u32::MAX),
        etag: None,
    }
}

pub fn done(world: &mut World, ask: PublishAsk) -> Outcome<Over> {
    world.ask(|view| publish(view, ask)).unwrap()
}

fn refusal(world: &mut World, ask: PublishAsk) -> Refusal {
    world.ask(|view| publish(view, ask)).map(|outcome| outcome.sends.len()).unwrap_err()
}

/// Status and warnings of a refusal's answer.
fn answer(refusal: &Refusal) -> (u16, Vec<Option<u16>>) {
    let answer = refusal.answer();
    (answer.status, answer.warnings.iter().map(|warning| warning.code).collect())
}

/// The groups of a client, in stored order, by short name.
fn groups_of(world: &World, user: &str, client: &str) -> Vec<String> {
    let record = world.model.affiliations(user_id(user).as_str(), client);
    let short = |entry: &GroupAffiliation| {
        entry.group.as_str().trim_start_matches("sip:").trim_end_matches("@one.example").to_owned()
    };
    record.map(|record| record.groups.iter().map(short).collect()).unwrap_or_default()
}

/// The entity tag that an outcome hands out.
pub fn etag(outcome: &Outcome<Over>) -> String {
    match outcome.sends.first() {
        Some(Send::Answer { answer, .. }) => answer.etag.clone().unwrap(),
        other => panic!("{other:?}"),
    }
}

/// The words of an outcome after the receipt, one each, in order.
fn order(outcome: &Outcome<Over>) -> Vec<String> {
    let flag = |groups: &[(GroupId, bool)]| {
        groups.iter().map(|(group, in_it)| format!(" {group}={in_it}")).collect::<String>()
    };
    let word = |send: &Send| match send {
        Send::AffiliationStatus { user, p_id, .. } => format!("status {user} {p_id:?}"),
        Send::AffiliationUpdate { user, groups, .. } => format!("update {user}{}", flag(groups)),
        Send::Affiliated { client, group, .. } => format!("affiliated {client} {group}"),
        Send::Deaffiliated { client, group, .. } => format!("deaffiliated {client} {group}"),
        Send::Answer { .. } => "answer".to_owned(),
        other => panic!("unexpected: {other:?}"),
    };
    outcome.sends.iter().map(word).collect()
}

#[test]
fn affiliation_is_stored_answered_and_told_in_the_order_of_the_figure() {
    let mut world = world();
    let outcome = done(&mut world, ask("alice", "a", &["sea", "fire"]));
    assert_eq!(
        order(&outcome),
        [
            "answer",
            "status sip:alice@one.example Some(\"p1\")",
            "update sip:alice@one.example sip:fire@one.example=true sip:sea@one.example=true",
            "affiliated a sip:fire@one.example",
            "affiliated a sip:sea@one.example",
        ]
    );
    let Some(Send::Answer { to, answer }) = outcome.sends.first() else { panic!() };
    assert_eq!((*to, answer.status, answer.expires), (ReplyTo(1), 200, Some(u32::MAX)));
    assert_eq!(groups_of(&world, "alice", "a"), ["sea", "fire"]);
    let record = world.model.affiliations(user_id("alice").as_str(), "a").unwrap();
    assert!(
        record.groups.iter().all(|entry| entry.expires.is_none()),
        "the whole interval does not end by time"
    );
    assert_eq!(outcome.log, None);
}

#[test]
fn the_set_is_complete_so_what_is_left_out_is_de_affiliated() {
    let mut world = world();
    done(&mut world, ask("alice", "a", &["sea", "fire"]));
    let outcome = done(&mut world, ask("alice", "a", &["rail", "fire"]));
    assert_eq!(
        order(&outcome)[2],
        "update sip:alice@one.example sip:rail@one.example=true sip:sea@one.example=false"
    );
    assert_eq!(groups_of(&world, "alice", "a"), ["rail", "fire"]);
}

#[test]
fn the_same_publish_again_changes_nothing_but_is_answered_and_told() {
    let mut world = world();
    let first = done(&mut world, ask("alice", "a", &["sea", "fire"]));
    let again = done(&mut world, ask("alice", "a", &["sea", "fire"]));
    assert!(again.changes.is_empty());
    assert_eq!(order(&again), ["answer", "status sip:alice@one.example Some(\"p1\")"]);
    assert_ne!(etag(&first), etag(&again), "each 2xx has an entity tag of its own");
}

#[test]
fn no_interval_ends_the_affiliations_of_this_client_and_no_other() {
    let mut world = world();
    done(&mut world, ask("alice", "a", &["sea", "fire"]));
    done(&mut world, ask("alice", "b", &["fire"]));
    let outcome = done(&mut world, PublishAsk { expires: Some(0), ..ask("alice", "a", &[]) });
    assert_eq!(order(&outcome)[2], "update sip:alice@one.example sip:sea@one.example=false");
    let Some(Send::Answer { answer, .. }) = outcome.sends.first() else { panic!() };
    assert_eq!(answer.expires, Some(0));
    assert!(world.model.affiliations(user_id("alice").as_str(), "a").is_none());
    assert_eq!(groups_of(&world, "alice", "b"), ["fire"]);
}

#[test]
fn de_affiliation_of_a_client_without_affiliations_is_answered_and_changes_nothing() {
    let mut world = world();
    let outcome = done(&mut world, PublishAsk { expires: Some(0), ..ask("alice", "a", &["fire"]) });
    assert!(outcome.changes.is_empty());
    assert_eq!(order(&outcome), ["answer", "status sip:alice@one.example Some(\"p1\")"]);
}

#[test]
fn any_other_interval_is_too_brief() {
    let mut world = world();
    for expires in [None, Some(1), Some(3600), Some(u32::MAX - 1)] {
        let refused = refusal(&mut world, PublishAsk { expires, ..ask("alice", "a", &["fire"]) });
        assert_eq!(refused, Refusal::IntervalTooBrief { minimum: u32::MAX });
        let answer = refused.answer();
        assert_eq!((answer.status, answer.min_expires), (423, Some(u32::MAX)));
    }
}

#[test]
fn a_granted_interval_below_the_whole_one_ends_by_time() {
    let mut world = world();
    world.policy.affiliation_interval = 600;
    let outcome = done(&mut world, ask("alice", "a", &["fire"]));
    let Some(Send::Answer { answer, .. }) = outcome.sends.first() else { panic!() };
    assert_eq!(answer.expires, Some(600));
    world.wait(Duration::from_millis(599_999));
    assert!(world.run(|view| expire(view, &user_id("alice"), &ClientId::from("a"))).sends.is_empty());
    world.wait(Duration::from_millis(1));
    let over = world.run(|view| expire(view, &user_id("alice"), &ClientId::from("a")));
    assert_eq!(
        order(&over),
        [
            "status sip:alice@one.example None",
            "update sip:alice@one.example sip:fire@one.example=false",
            "deaffiliated a sip:fire@one.example",
        ]
    );
    assert!(world.model.affiliations(user_id("alice").as_str(), "a").is_none());
    let again = world.run(|view| expire(view, &user_id("alice"), &ClientId::from("a")));
    assert!(again.changes.is_empty() && again.sends.is_empty());
}

#[test]
fn a_refresh_moves_the_end() {
    let mut world = world();
    world.policy.affiliation_interval = 600;
    done(&mut world, ask("alice", "a", &["fire"]));
    world.wait(Duration::from_secs(300));
    let refresh = done(&mut world, ask("alice", "a", &["fire"]));
    assert_eq!(refresh.changes.len(), 1);
    assert_eq!(order(&refresh), ["answer", "status sip:alice@one.example Some(\"p1\")"]);
    world.wait(Duration::from_secs(599));
    assert!(world.run(|view| expire(view, &user_id("alice"), &ClientId::from("a"))).changes.is_empty());
}

#[test]
fn a_document_about_somebody_else_is_answered_and_ignored() {
    let mut world = world();
    for entity in ["sip:bob@one.example", "", "nobody"] {
        let mut ask = ask("alice", "a", &["fire"]);
        ask.presence.as_mut().unwrap().entity = entity.to_owned();
        let outcome = done(&mut world, ask);
        assert!(outcome.changes.is_empty());
        assert_eq!(order(&outcome), ["answer"]);
        let Some(Send::Answer { answer, .. }) = outcome.sends.first() else { panic!() };
        assert_eq!((answer.status, answer.expires), (200, Some(u32::MAX)));
    }
}

#[test]
fn a_request_must_name_the_served_user_and_one_client() {
    let mut world = world();
    let mut no_target = ask("alice", "a", &["fire"]);
    no_target.info.request_uri = None;
    let mut no_uri = ask("alice", "a", &["fire"]);
    no_uri.info.request_uri = Some("alice".to_owned());
    let mut no_tuple = ask("alice", "a", &["fire"]);
    no_tuple.presence.as_mut().unwrap().tuples.clear();
    let mut two = ask("alice", "a", &["fire"]);
    let tuple = two.presence.as_ref().unwrap().tuples[0].clone();
    two.presence.as_mut().unwrap().tuples.push(tuple);
    let mut no_group = ask("alice", "a", &["fire"]);
    no_group.presence.as_mut().unwrap().tuples[0].affiliations[0].group = None;
    let no_document = PublishAsk { presence: None, ..ask("alice", "a", &[]) };
    let bad = [
        no_target,
        no_uri,
        no_tuple,
        two,
        no_group,
        no_document,
        ask("alice", " ", &[]),
        ask("alice", "a\nb", &[]),
    ];
    for ask in bad {
        let refused = refusal(&mut world, ask);
        assert!(matches!(refused, Refusal::Malformed { .. }), "{refused:?}");
        assert_eq!(answer(&refused), (400, vec![None]));
    }
}

#[test]
fn an_encrypted_target_cannot_be_served() {
    let mut world = world();
    let mut ask = ask("alice", "a", &["fire"]);
    ask.info.encrypted = true;
    let refused = refusal(&mut world, ask);
    assert_eq!(refused, Refusal::Encrypted);
    assert_eq!(answer(&refused), (403, vec![Some(140)]));
}

#[test]
fn a_client_id_is_taken_up_to_the_limit() {
    let mut world = world();
    let longest = "c".repeat(CLIENT_ID_OCTETS);
    done(&mut world, ask("alice", &longest, &["fire"]));
    let refused = refusal(&mut world, ask("alice", &format!("{longest}c"), &["fire"]));
    assert!(matches!(refused, Refusal::Malformed { .. }));
}

#[test]
fn a_user_has_affiliations_of_so_many_clients_and_no_more() {
    let mut world = world();
    for client in 0..CLIENTS_PER_USER {
        done(&mut world, ask("alice", &format!("c{client}"), &["fire"]));
    }
    let refused = refusal(&mut world, ask("alice", "one-more", &["fire"]));
    assert_eq!(refused, Refusal::NotPermitted { why: "too many clients of this user have affiliations" });
    assert_eq!(answer(&refused), (403, vec![None]));
    done(&mut world, ask("alice", "c0", &["sea"]));
    done(&mut world, PublishAsk { expires: Some(0), ..ask("alice", "one-more", &[]) });
    done(&mut world, PublishAsk { expires: Some(0), ..ask("alice", "c0", &[]) });
    done(&mut world, ask("alice", "one-more", &["fire"]));
}

#[test]
fn other_users_are_affiliated_with_permission_only() {
    let mut world = world();
    for target in ["alice", "nobody"] {
        let refused =
            refusal(&mut world, PublishAsk { sender: user_id("bob"), ..ask(target, "a", &["fire"]) });
        assert_eq!(refused, Refusal::NotPermitted { why: "not authorised to affiliate other users" });
        assert_eq!(answer(&refused), (403, vec![None]));
    }
    let outcome = done(&mut world, PublishAsk { sender: user_id("chief"), ..ask("alice", "a", &["fire"]) });
    assert_eq!(order(&outcome)[1], "status sip:alice@one.example Some(\"p1\")");
    assert_eq!(groups_of(&world, "alice", "a"), ["fire"]);
}

#[test]
fn users_that_are_not_known_are_not_found() {
    let mut world = world();
    let target = PublishAsk { sender: user_id("chief"), ..ask("nobody", "a", &["fire"]) };
    for ask in [target, ask("nobody", "a", &["fire"])] {
        let refused = refusal(&mut world, ask);
        assert_eq!(refused, Refusal::UnknownUser);
        assert_eq!(answer(&refused), (404, vec![Some(141)]));
    }
}

#[test]
fn a_group_the_user_cannot_have_does_not_appear_and_the_operator_hears_why() {
    type Case = (&'static str, fn(&mut GroupDocument), &'static str);
    let cases: [Case; 5] = [
        ("none", |_| (), "does not exist"),
        ("sea", |group| group.disabled = true, "is disabled"),
        ("sea", |group| group.members = MemberList::default(), "not a member"),
        ("sea", |group| group.services = vec![Service::McVideo], "does not offer the service"),
        ("sip:sea@two.example", |_| (), "sip:sea@two.example: no agreement"),
    ];
    for (wanted, change, why) in cases {
        let mut sea = group("sea", &["alice"]);
        change(&mut sea);
        let mut world = World::new([user("alice")], [group("fire", &["alice"]), sea]);
        let outcome = done(&mut world, ask("alice", "a", &[wanted, "fire"]));
        assert_eq!(groups_of(&world, "alice", "a"), ["fire"], "{why}");
        let log = outcome.log.unwrap();
        assert!(log.contains(why), "{log}");
    }
}

#[test]
fn a_group_that_was_disabled_meanwhile_is_lost_with_the_next_publish() {
    let mut world = world();
    world.affiliate("alice", "a", &["none", "fire"]);
    let outcome = done(&mut world, ask("alice", "a", &["none", "fire"]));
    assert_eq!(groups_of(&world, "alice", "a"), ["fire"]);
    assert_eq!(order(&outcome)[2], "update sip:alice@one.example sip:none@one.example=false");
}

#[test]
fn n2_reduces_the_set_in_the_order_of_the_document() {
    let mut world = world();
    let outcome = done(&mut world, ask("alice", "a", &["sea", "sea", "fire", "rail"]));
    assert_eq!(groups_of(&world, "alice", "a"), ["sea", "fire"]);
    assert!(outcome.log.unwrap().contains("sip:rail@one.example: beyond N2=2"));
}

#[test]
fn n2_keeps_first_what_the_client_has() {
    let mut world = world();
    done(&mut world, ask("alice", "a", &["rail", "fire"]));
    done(&mut world, ask("alice", "a", &["sea", "air", "fire"]));
    assert_eq!(groups_of(&world, "alice", "a"), ["sea", "fire"]);
}

#[test]
fn n2_counts_different_groups_over_all_clients() {
    let mut world = world();
    done(&mut world, ask("alice", "a", &["sea", "fire"]));
    // Groups of another client cost nothing more; a third group finds no room.
    done(&mut world, ask("alice", "b", &["rail", "fire", "sea"]));
    assert_eq!(groups_of(&world, "alice", "b"), ["fire", "sea"]);
    assert_eq!(groups_of(&world, "alice", "a"), ["sea", "fire"]);
    // Room that another client gives up can be used.
    done(&mut world, PublishAsk { expires: Some(0), ..ask("alice", "a", &[]) });
    done(&mut world, ask("alice", "b", &["rail", "sea"]));
    assert_eq!(groups_of(&world, "alice", "b"), ["rail", "sea"]);
}

#[test]
fn n2_does_not_count_what_is_over() {
    let mut world = world();
    world.policy.affiliation_interval = 60;
    done(&mut world, ask("alice", "a", &["sea", "fire"]));
    world.wait(Duration::from_secs(60));
    done(&mut world, ask("alice", "b", &["rail", "air"]));
    assert_eq!(groups_of(&world, "alice", "b"), ["rail", "air"]);
}

#[test]
fn without_n2_there_is_no_limit() {
    let mut world = World::new([user("bob")], ["fire", "sea", "rail"].map(|name| group(name, &["bob"])));
    done(&mut world, ask("bob", "b", &["fire", "sea", "rail"]));
    assert_eq!(groups_of(&world, "bob", "b").len(), 3);
}

#[test]
fn services_do_not_touch_each_other() {
    let both = |name: &str| GroupDocument {
        services: vec![Service::Mcptt, Service::McVideo],
        ..group(name, &["alice"])
    };
    let n2 = user_with("alice", |profile| profile.max_affiliations_n2 = Some(1));
    let mut world = World::new([n2], [both("fire"), both("sea")]);
    done(&mut world, PublishAsk { service: Service::McVideo, ..ask("alice", "a", &["sea"]) });
    done(&mut world, ask("alice", "a", &["fire"]));
    assert_eq!(groups_of(&world, "alice", "a"), ["fire", "sea"]);
    let again = done(&mut world, PublishAsk { service: Service::McVideo, ..ask("alice", "a", &["sea"]) });
    assert!(again.changes.is_empty(), "the order of the services does not matter");
    done(&mut world, PublishAsk { expires: Some(0), ..ask("alice", "a", &[]) });
    assert_eq!(groups_of(&world, "alice", "a"), ["sea"]);
}

#[test]
fn an_entity_tag_of_the_present_state_is_taken() {
    let mut world = world();
    let first = done(&mut world, ask("alice", "a", &["fire"]));
    let second = done(&mut world, PublishAsk { etag: Some(etag(&first)), ..ask("alice", "a", &["sea"]) });
    assert_eq!(groups_of(&world, "alice", "a"), ["sea"]);
    let removal =
        PublishAsk { etag: Some(etag(&second)), expires: Some(0), presence: None, ..ask("alice", "a", &[]) };
    done(&mut world, removal);
    assert!(world.model.affiliations(user_id("alice").as_str(), "a").is_none());
}

#[test]
fn an_entity_tag_of_another_state_is_refused() {
    let mut world = world();
    let first = etag(&done(&mut world, ask("alice", "a", &["fire"])));
    let other = etag(&done(&mut world, ask("alice", "b", &["fire"])));
    done(&mut world, ask("alice", "a", &["sea"]));
    let tags = [first.clone(), other, "unknown".to_owned(), "-".to_owned(), String::new()];
    for (number, tag) in tags.into_iter().enumerate() {
        let refused = refusal(&mut world, PublishAsk { etag: Some(tag), ..ask("alice", "a", &["rail"]) });
        assert_eq!(refused, Refusal::UnknownEntityTag, "{number}");
        assert_eq!(answer(&refused), (412, vec![]));
    }
    let removal =
        PublishAsk { etag: Some(first), expires: Some(0), presence: None, ..ask("alice", "a", &[]) };
    assert_eq!(refusal(&mut world, removal), Refusal::UnknownEntityTag);
    assert_eq!(groups_of(&world, "alice", "a"), ["sea"]);
}

#[test]
fn a_refresh_without_a_body_keeps_the_groups() {
    let mut world = world();
    world.policy.affiliation_interval = 600;
    let first = done(&mut world, ask("alice", "a", &["sea", "fire"]));
    world.wait(Duration::from_secs(300));
    let refresh = PublishAsk { etag: Some(etag(&first)), presence: None, ..ask("alice", "a", &[]) };
    let outcome = done(&mut world, refresh.clone());
    assert_eq!(order(&outcome), ["answer", "status sip:alice@one.example None"]);
    assert_eq!(groups_of(&world, "alice", "a"), ["sea", "fire"]);
    let record = world.model.affiliations(user_id("alice").as_str(), "a").unwrap();
    assert_eq!(record.groups[0].expires, Some(world.now.plus(Duration::from_secs(600))));
    // Its tag stood for the state before.
    assert_eq!(refusal(&mut world, refresh), Refusal::UnknownEntityTag);
}

#[test]
fn calls_hear_who_came_and_who_went() {
    let mut world = world();
    let come = done(&mut world, ask("alice", "a", &["sea", "fire"]));
    assert_eq!(order(&come)[3..], ["affiliated a sip:fire@one.example", "affiliated a sip:sea@one.example"]);
    let one_more = done(&mut world, ask("alice", "b", &["fire"]));
    assert_eq!(order(&one_more)[2..], ["affiliated b sip:fire@one.example"], "no news for the GMS");
    let stay = done(&mut world, ask("alice", "a", &["fire", "sea"]));
    assert_eq!(order(&stay).len(), 2);
    let change = done(&mut world, ask("alice", "a", &["rail", "sea"]));
    assert_eq!(
        order(&change)[2..],
        ["deaffiliated a sip:fire@one.example"],
        "N2: client b has fire, so no room for rail"
    );
    let swap = done(&mut world, ask("alice", "b", &["rail"]));
    assert_eq!(
        order(&swap)[2..],
        [
            "update sip:alice@one.example sip:fire@one.example=false sip:rail@one.example=true",
            "deaffiliated b sip:fire@one.example",
            "affiliated b sip:rail@one.example",
        ]
    );
}

#[test]
fn a_member_of_a_constituent_may_name_the_temporary_group_itself() {
    let mut world = world();
    world.apply(&regrouping(&temporary_group("joint", &["fire", "rail"])));
    done(&mut world, ask("bob", "b", &["joint"]));
    assert_eq!(groups_of(&world, "bob", "b"), ["joint"]);
    let mut world = self::world();
    world.apply(&regrouping(&temporary_group("joint", &["sea", "rail"])));
    done(&mut world, ask("bob", "b", &["joint"]));
    assert!(groups_of(&world, "bob", "b").is_empty());
}

/// `fire` as the MC service server knows it from now on.
fn becomes(world: &mut World, change: impl FnOnce(&mut GroupDocument)) {
    let mut fire = world.model.group(Side::Mc, group_id("fire").as_str()).unwrap().as_ref().clone();
    change(&mut fire);
    world.apply(&[Change::Put(Fact::TemporaryGroup(Side::Mc, fire))]);
}

#[test]
fn whom_a_changed_group_does_not_let_in_any_more_is_de_affiliated_and_nobody_else() {
    for (name, change) in [
        ("no member", (|group| group.members = std::sync::Arc::default()) as fn(&mut GroupDocument)),
        ("disabled", |group| group.disabled = true),
        ("another service", |group| group.services = vec![Service::McData]),
    ] {
        let mut world = world();
        world.affiliate("alice", "a", &["fire", "sea"]);
        world.affiliate("bob", "b", &["fire"]);
        world.affiliate("alice", "a2", &["sea"]);
        assert!(world.run(|view| recheck_group(view, &group_id("fire"))).changes.is_empty(), "{name}");
        becomes(&mut world, change);
        let outcome = world.run(|view| recheck_group(view, &group_id("fire")));
        assert_eq!(groups_of(&world, "alice", "a"), ["sea"], "{name}");
        assert_eq!(groups_of(&world, "alice", "a2"), ["sea"], "{name}");
        assert!(groups_of(&world, "bob", "b").is_empty(), "{name}");
        let words = order(&outcome);
        for word in [
            "status sip:alice@one.example None",
            "update sip:bob@one.example sip:fire@one.example=false",
            "deaffiliated b sip:fire@one.example",
        ] {
            assert!(words.iter().any(|said| said == word), "{name}: {words:?}");
        }
        assert!(world.run(recheck).changes.is_empty(), "{name}: nothing is left for a restart");
    }
}

#[test]
fn a_restart_with_other_groups_de_affiliates_too() {
    let mut world = world();
    world.affiliate("alice", "a", &["fire", "sea", "gone"]);
    becomes(&mut world, |group| group.disabled = true);
    world.run(recheck);
    assert_eq!(groups_of(&world, "alice", "a"), ["sea"]);
}

#[test]
fn a_group_whose_document_is_still_to_come_is_not_judged_at_a_restart() {
    let mut world = world();
    world.policy.functions.gms.clear();
    world.policy.elsewhere.gms = vec!["sip:gms@elsewhere.example".into()];
    world.affiliate("alice", "a", &["later"]);
    assert!(world.run(recheck).changes.is_empty());
    // Once it is known that there is none, it is.
    world.run(|view| recheck_group(view, &group_id("later")));
    assert!(groups_of(&world, "alice", "a").is_empty());
}

#[test]
fn a_set_that_a_client_publishes_during_its_call_is_its_own() {
    let mut world = world();
    let mut outcome: Outcome<Over> = Outcome::default();
    let (alice, client, fire) = (user_id("alice"), ClientId::from("a"), group_id("fire"));
    by_call::begin(&mut world.view(), &alice, &client, Service::Mcptt, &fire, &mut outcome).unwrap();
    world.keep(&outcome);
    done(&mut world, ask("alice", "a", &["fire"]));
    world.run(|view| {
        let mut outcome: Outcome<Over> = Outcome::default();
        by_call::cancel(view, &alice, &client, Service::Mcptt, &fire, by_call::Came::Silence, &mut outcome);
        outcome
    });
    assert_eq!(groups_of(&world, "alice", "a"), ["fire"], "the refusal of the call takes nothing away");
    let entry = &world.model.affiliations(alice.as_str(), "a").unwrap().groups[0];
    assert_eq!((entry.status, entry.by_call), (AffiliationStatus::Affiliated, false));
}
