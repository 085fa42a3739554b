//! TS 24.379 7.3.3 to 7.3.5.

use super::*;
use crate::mc::registration::{ContactAsk, RegisterAsk, expire as registration_expires, register};
use crate::model::testing::*;
use crate::procedure::testing::World;

/// alice's profile has `fire` for MCPTT and MCVideo.
fn world() -> World {
    let alice = user_with("alice", |profile| profile.implicit_affiliations = vec![group_id("fire")]);
    let fire = GroupDocument {
        services: vec![Service::Mcptt, Service::McVideo],
        ..group("fire", &["alice", "bob"])
    };
    World::new([alice, user("bob")], [fire, group("sea", &["alice"])])
}

fn ask(name: &str, client: &str) -> SettingsAsk {
    SettingsAsk {
        reply: ReplyTo(1),
        sender: user_id(name),
        client: None,
        service: Service::Mcptt,
        info: McInfo { client_id: Some(client.to_owned()), ..McInfo::default() },
        entities: Some(vec![PocSettings {
            client: client.to_owned(),
            answer_mode: Some(AnswerMode::Manual),
            ..PocSettings::default()
        }]),
        expires: Some(u32::MAX),
        etag: None,
    }
}

fn off(name: &str, client: &str) -> SettingsAsk {
    SettingsAsk { expires: Some(0), entities: None, ..ask(name, client) }
}

fn done(world: &mut World, ask: SettingsAsk) -> Outcome<Over> {
    world.ask(|view| publish(view, ask)).unwrap()
}

fn refused(world: &mut World, ask: SettingsAsk) -> u16 {
    world.ask(|view| publish(view, ask)).map(|outcome| outcome.sends.len()).unwrap_err().answer().status
}

/// The 200: interval and entity tag.
fn answered(outcome: &Outcome<Over>) -> (u32, String) {
    match outcome.sends.first() {
        Some(Send::Answer { to: ReplyTo(1), answer }) if answer.status == 200 => {
            (answer.expires.unwrap(), answer.etag.clone().unwrap())
        }
        other => panic!("{other:?}"),
    }
}

fn registers(world: &mut World, client: &str, expires: u32, cseq: u32) {
    let ask = RegisterAsk {
        reply: ReplyTo(2),
        user: user_id("alice"),
        public_id: public_id("alice"),
        contacts: vec![ContactAsk {
            contact: format!("sip:{client}@192.0.2.1"),
            expires: None,
            client: Some(ClientId::from(client)),
            parameters: String::new(),
            services: Service::Mcptt.into(),
        }],
        remove_all: false,
        expires: Some(expires),
        call_id: client.to_owned(),
        cseq,
        source: Source { transport: Transport::Udp, address: "192.0.2.1:5061".parse().unwrap() },
        route: Vec::new(),
        origin: BindingOrigin::Own,
        contacts_limit: 3,
    };
    world.ask(|view| register(view, ask)).unwrap();
}

/// alice's affiliations: client, service, group.
fn entries(world: &World) -> Vec<(String, Service, String)> {
    let records = world.model.affiliations_of("sip:alice@one.example");
    records
        .flat_map(|record| record.groups.iter().map(|entry| (record.client.to_string(), entry)))
        .map(|(client, entry)| {
            let group = entry.group.as_str().trim_start_matches("sip:").trim_end_matches("@one.example");
            (client, entry.service, group.to_owned())
        })
        .collect()
}

fn entry(client: &str, service: Service, group: &str) -> (String, Service, String) {
    (client.to_owned(), service, group.to_owned())
}

fn stored<'a>(world: &'a World, client: &str) -> Option<&'a ClientSettings> {
    world.model.settings(&user_id("alice"), &ClientId::from(client), Service::Mcptt)
}

#[test]
fn settings_are_kept_and_the_first_ones_affiliate_to_the_groups_of_the_profile() {
    let mut world = world();
    let outcome = done(&mut world, ask("alice", "a"));
    assert_eq!(answered(&outcome).0, u32::MAX);
    assert_eq!(stored(&world, "a").unwrap().answer_mode, Some(AnswerMode::Manual));
    assert_eq!(entries(&world), [entry("a", Service::Mcptt, "fire")]);
    assert!(matches!(outcome.sends[1], Send::AffiliationStatus { service: Service::Mcptt, .. }));
    // 7.3.4: new settings are no new authorisation.
    world.affiliate("alice", "a", &["sea"]);
    let automatic = PocSettings {
        client: "a".to_owned(),
        answer_mode: Some(AnswerMode::Automatic),
        ..PocSettings::default()
    };
    let outcome = done(&mut world, SettingsAsk { entities: Some(vec![automatic]), ..ask("alice", "a") });
    assert_eq!((outcome.changes.len(), outcome.sends.len()), (1, 1));
    assert_eq!(stored(&world, "a").unwrap().answer_mode, Some(AnswerMode::Automatic));
    assert_eq!(entries(&world), [entry("a", Service::Mcptt, "sea")]);
}

#[test]
fn settings_are_for_one_client_and_one_service() {
    let mut world = world();
    done(&mut world, ask("alice", "a"));
    done(&mut world, SettingsAsk { service: Service::McVideo, ..ask("alice", "a") });
    done(&mut world, ask("alice", "b"));
    let (ptt, video) = (Service::Mcptt, Service::McVideo);
    let all = [entry("a", ptt, "fire"), entry("a", video, "fire"), entry("b", ptt, "fire")];
    assert_eq!(entries(&world), all);
    let outcome = done(&mut world, off("alice", "a"));
    assert_eq!(answered(&outcome).0, 0);
    assert_eq!(entries(&world), [entry("a", video, "fire"), entry("b", ptt, "fire")]);
    assert!(
        outcome
            .sends
            .iter()
            .any(|send| matches!(send, Send::Deaffiliated { client, .. } if client.as_str() == "a"))
    );
    assert_eq!(world.model.settings_of(&user_id("alice")).count(), 2);
    // Once more: nothing is left to do.
    assert!(done(&mut world, off("alice", "a")).changes.is_empty());
}

#[test]
fn a_registered_client_is_authorised_already() {
    let mut world = world();
    registers(&mut world, "a", 3600, 1);
    world.affiliate("alice", "a", &["sea"]);
    done(&mut world, ask("alice", "a"));
    assert_eq!(entries(&world), [entry("a", Service::Mcptt, "sea")]);
    // Not for another service.
    done(&mut world, SettingsAsk { service: Service::McVideo, ..ask("alice", "a") });
    assert_eq!(entries(&world).len(), 2);
}

#[test]
fn a_client_with_settings_that_registers_is_authorised_already() {
    let mut world = world();
    done(&mut world, ask("alice", "a"));
    world.affiliate("alice", "a", &["sea"]);
    registers(&mut world, "a", 3600, 1);
    assert_eq!(entries(&world), [entry("a", Service::Mcptt, "sea")]);
}

#[test]
fn a_client_that_logged_off_stays_so_until_it_publishes_or_registers_anew() {
    let mut world = world();
    registers(&mut world, "a", 3600, 1);
    done(&mut world, off("alice", "a"));
    assert!(entries(&world).is_empty());
    assert!(!stored(&world, "a").unwrap().active);
    registers(&mut world, "a", 3600, 2);
    assert!(entries(&world).is_empty(), "a refresh does not log on");
    done(&mut world, ask("alice", "a"));
    assert_eq!(entries(&world).len(), 1);
    done(&mut world, off("alice", "a"));
    registers(&mut world, "a", 0, 3);
    assert_eq!(stored(&world, "a"), None, "the end of the registration forgets it");
    registers(&mut world, "a", 3600, 4);
    assert_eq!(entries(&world).len(), 1);
}

#[test]
fn the_end_of_the_registration_ends_settings_of_its_client_only() {
    let mut world = world();
    registers(&mut world, "a", 3600, 1);
    done(&mut world, ask("alice", "a"));
    done(&mut world, ask("alice", "b"));
    world.wait(Duration::from_secs(3600));
    world.run(|view| registration_expires(view, &public_id("alice")));
    assert!(stored(&world, "a").is_none() && stored(&world, "b").is_some());
    assert_eq!(entries(&world), [entry("b", Service::Mcptt, "fire")]);
}

#[test]
fn settings_that_run_out_log_off() {
    let mut world = world();
    let outcome = done(&mut world, SettingsAsk { expires: Some(600), ..ask("alice", "a") });
    assert_eq!(answered(&outcome).0, 600);
    let run_out = |world: &mut World| {
        let (user, client) = (user_id("alice"), ClientId::from("a"));
        world.run(|view| expire(view, &user, &client, Service::Mcptt))
    };
    world.wait(Duration::from_secs(599));
    assert!(run_out(&mut world).changes.is_empty(), "early");
    world.wait(Duration::from_secs(1));
    assert!(!run_out(&mut world).changes.is_empty());
    assert!(entries(&world).is_empty() && stored(&world, "a").is_none());
    assert!(run_out(&mut world).changes.is_empty(), "twice");
}

#[test]
fn an_entity_tag_refreshes_and_one_of_other_settings_is_refused() {
    let mut world = world();
    let first = answered(&done(&mut world, SettingsAsk { expires: Some(600), ..ask("alice", "a") })).1;
    let refresh = |etag: &str| SettingsAsk {
        entities: None,
        expires: Some(900),
        etag: Some(etag.to_owned()),
        ..ask("alice", "a")
    };
    let second = answered(&done(&mut world, refresh(&first))).1;
    assert_ne!(first, second);
    assert_eq!(stored(&world, "a").unwrap().answer_mode, Some(AnswerMode::Manual));
    for etag in [first.as_str(), "", "-", "nonsense"] {
        assert_eq!(refused(&mut world, refresh(etag)), 412, "{etag}");
    }
    assert_eq!(refused(&mut world, SettingsAsk { etag: Some(first), ..off("alice", "a") }), 412);
    done(&mut world, SettingsAsk { etag: Some(second.clone()), ..off("alice", "a") });
    assert_eq!(refused(&mut world, refresh(&second)), 412, "logged off");
}

#[test]
fn what_is_missing_or_not_allowed_changes_nothing() {
    let mut world = world();
    let good = ask("alice", "a");
    let info = |info: McInfo| SettingsAsk { info, ..good.clone() };
    let other = McInfo { request_uri: Some(user_id("bob").to_string()), ..good.info.clone() };
    assert_eq!(refused(&mut world, info(other)), 403);
    assert_eq!(refused(&mut world, info(McInfo { encrypted: true, ..good.info.clone() })), 403);
    assert_eq!(refused(&mut world, SettingsAsk { sender: user_id("nobody"), ..good.clone() }), 404);
    assert_eq!(refused(&mut world, SettingsAsk { entities: None, ..good.clone() }), 400);
    assert_eq!(refused(&mut world, SettingsAsk { expires: Some(59), ..good.clone() }), 423);
    let nameless = SettingsAsk { info: McInfo::default(), entities: Some(Vec::new()), ..good.clone() };
    assert_eq!(refused(&mut world, nameless), 400);
    for id in ["", "a\nb", &"x".repeat(affiliation::CLIENT_ID_OCTETS + 1)] {
        assert_eq!(refused(&mut world, ask("alice", id)), 400, "{id:?}");
    }
    assert_eq!(world.model.settings_of(&user_id("alice")).count(), 0);
    assert!(entries(&world).is_empty());
    done(&mut world, SettingsAsk { expires: Some(60), ..good });
}

#[test]
fn the_client_is_that_of_the_body_or_of_the_registration_or_of_the_settings() {
    let mut world = world();
    let unnamed = SettingsAsk { info: McInfo::default(), ..ask("alice", "entity") };
    done(&mut world, unnamed.clone());
    assert!(stored(&world, "entity").is_some());
    done(&mut world, SettingsAsk { client: Some(ClientId::from("registered")), ..unnamed });
    assert!(stored(&world, "registered").is_some());
    done(&mut world, SettingsAsk { client: Some(ClientId::from("registered")), ..ask("alice", "named") });
    assert!(stored(&world, "named").is_some());
}

#[test]
fn a_user_has_settings_of_so_many_clients_and_no_more() {
    let mut world = world();
    for number in 0..CLIENTS_PER_USER {
        done(&mut world, ask("alice", &format!("c{number}")));
    }
    assert_eq!(refused(&mut world, ask("alice", "one more")), 403);
    done(&mut world, ask("alice", "c0"));
    done(&mut world, off("alice", "c0"));
    done(&mut world, ask("alice", "one more"));
}

#[test]
fn one_client_that_answers_by_hand_is_enough_for_a_call_that_asks_it() {
    let mut world = world();
    let mode = |world: &World, clients: &[&str]| {
        let clients = clients.iter().map(|client| ClientId::from(*client)).collect();
        answer_mode(&world.model, &user_id("alice"), Service::Mcptt, &clients)
    };
    assert_eq!(mode(&world, &[]), None);
    let automatic = PocSettings {
        client: "b".to_owned(),
        answer_mode: Some(AnswerMode::Automatic),
        ..PocSettings::default()
    };
    done(&mut world, SettingsAsk { entities: Some(vec![automatic]), ..ask("alice", "b") });
    done(&mut world, SettingsAsk { service: Service::McVideo, ..ask("alice", "b") });
    assert_eq!(mode(&world, &[]), Some(AnswerMode::Automatic));
    done(&mut world, ask("alice", "a"));
    assert_eq!(mode(&world, &[]), Some(AnswerMode::Manual));
    assert_eq!(mode(&world, &["b"]), Some(AnswerMode::Automatic));
    assert_eq!(mode(&world, &["c"]), None);
    done(&mut world, off("alice", "a"));
    assert_eq!(mode(&world, &["a"]), None);
}
