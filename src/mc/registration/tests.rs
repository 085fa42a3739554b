//! RFC 3261 10.3, third-party REGISTER, and what registration does to affiliations.

use super::*;
use crate::model::testing::*;
use crate::procedure::testing::World;

const HERE: &str = "sip:alice@192.0.2.1:5061";
const THERE: &str = "sip:alice@192.0.2.2:5062";

fn world() -> World {
    let alice = user_with("alice", |profile| {
        profile.implicit_affiliations = vec![group_id("fire"), group_id("none"), group_id("sea")];
    });
    World::new(
        [alice, user("bob")],
        [group("fire", &["alice", "bob"]), group("sea", &["alice"]), group("rail", &["alice"])],
    )
}

fn source() -> Source {
    Source { transport: Transport::Udp, address: "192.0.2.1:5061".parse().unwrap() }
}

fn contact(uri: &str, client: &str) -> ContactAsk {
    ContactAsk {
        contact: uri.to_owned(),
        expires: None,
        client: (!client.is_empty()).then(|| ClientId::from(client)),
        parameters: ";+g.3gpp.mcptt".to_owned(),
        services: Service::Mcptt.into(),
    }
}

fn ask(name: &str, contacts: &[ContactAsk], cseq: u32) -> RegisterAsk {
    RegisterAsk {
        reply: ReplyTo(1),
        user: user_id(name),
        public_id: public_id(name),
        contacts: contacts.to_vec(),
        remove_all: false,
        expires: Some(3600),
        call_id: "call-1".to_owned(),
        cseq,
        source: source(),
        route: vec!["<sip:edge.one.example;lr>".to_owned()],
        origin: BindingOrigin::Own,
        contacts_limit: 3,
    }
}

fn third_party(name: &str, client: &str, expires: u32, call_id: &str) -> RegisterAsk {
    RegisterAsk {
        origin: BindingOrigin::ThirdParty,
        expires: Some(expires),
        call_id: call_id.to_owned(),
        ..ask(name, &[contact("sip:scscf.one.example", client)], 10)
    }
}

fn done(world: &mut World, ask: RegisterAsk) -> Outcome<Over> {
    world.ask(|view| register(view, ask)).unwrap()
}

fn refusal(world: &mut World, ask: RegisterAsk) -> Refusal {
    world.ask(|view| register(view, ask)).map(|outcome| outcome.sends.len()).unwrap_err()
}

fn status(refusal: &Refusal) -> u16 {
    refusal.answer().status
}

/// Contacts that are stored, with what is left of their time in seconds.
fn contacts(world: &World, name: &str) -> Vec<(String, u64)> {
    let registration = world.model.registration(public_id(name).as_str());
    let bindings = registration.map_or(&[][..], |registration| &registration.bindings);
    bindings.iter().map(|it| (it.contact.clone(), it.expires.since(world.now).as_secs())).collect()
}

fn groups_of(world: &World, name: &str, client: &str) -> Vec<GroupId> {
    let record = world.model.affiliations(user_id(name).as_str(), client);
    record.map(|record| record.groups.iter().map(|entry| entry.group.clone()).collect()).unwrap_or_default()
}

fn is_answered(outcome: &Outcome<Over>) -> bool {
    matches!(outcome.sends.first(), Some(Send::Answer { to: ReplyTo(1), answer }) if *answer == Answer::plain(200))
}

#[test]
fn a_binding_is_stored_as_it_came() {
    let mut world = world();
    assert!(is_answered(&done(&mut world, ask("bob", &[contact(HERE, "b")], 1))));
    let registration = world.model.registration(public_id("bob").as_str()).unwrap();
    let binding = Binding {
        contact: HERE.to_owned(),
        route: vec!["<sip:edge.one.example;lr>".to_owned()],
        client: Some(ClientId::from("b")),
        parameters: ";+g.3gpp.mcptt".to_owned(),
        call_id: "call-1".to_owned(),
        cseq: 1,
        expires: world.now.plus(Duration::from_secs(3600)),
        source: source(),
        origin: BindingOrigin::Own,
        services: Service::Mcptt.into(),
    };
    assert_eq!(
        registration,
        &Registration { public_id: public_id("bob"), user: user_id("bob"), bindings: vec![binding] }
    );
}

#[test]
fn a_question_changes_nothing() {
    let mut world = world();
    done(&mut world, ask("bob", &[contact(HERE, "b")], 1));
    let outcome = done(&mut world, ask("bob", &[], 1));
    assert!(is_answered(&outcome) && outcome.changes.is_empty());
}

#[test]
fn each_contact_has_its_own_interval_and_the_longest_is_the_limit() {
    let mut world = world();
    let long = ContactAsk { expires: Some(1_000_000), ..contact(HERE, "") };
    let own = ContactAsk { expires: Some(60), ..contact(THERE, "") };
    let mut request = ask("bob", &[long, own, contact("sip:alice@192.0.2.3", "")], 1);
    request.expires = None;
    done(&mut world, request);
    let seconds: Vec<_> = contacts(&world, "bob").into_iter().map(|(_, left)| left).collect();
    assert_eq!(seconds, [7200, 60, 7200]);
}

#[test]
fn an_interval_below_the_least_is_too_brief() {
    let mut world = world();
    for too_brief in [1, 59] {
        let brief = ContactAsk { expires: Some(too_brief), ..contact(THERE, "") };
        let refused = refusal(&mut world, ask("bob", &[contact(HERE, ""), brief], 1));
        assert_eq!(refused, Refusal::IntervalTooBrief { minimum: 60 });
        assert_eq!((status(&refused), refused.answer().min_expires), (423, Some(60)));
    }
    assert!(contacts(&world, "bob").is_empty(), "all contacts or none");
}

#[test]
fn an_hour_is_never_too_brief() {
    let mut world = world();
    world.policy.registration_minimum = 7200;
    let refused =
        refusal(&mut world, RegisterAsk { expires: Some(3599), ..ask("bob", &[contact(HERE, "")], 1) });
    assert_eq!(refused, Refusal::IntervalTooBrief { minimum: 3600 });
    done(&mut world, RegisterAsk { expires: Some(3600), ..ask("bob", &[contact(HERE, "")], 1) });
}

#[test]
fn a_refresh_replaces_the_binding_of_the_same_uri() {
    let mut world = world();
    done(&mut world, ask("bob", &[contact(HERE, "b")], 1));
    world.wait(Duration::from_secs(100));
    done(&mut world, ask("bob", &[contact(&HERE.replace("sip:", "SIP:"), "")], 2));
    let bindings = contacts(&world, "bob");
    assert_eq!(bindings, [(HERE.replace("sip:", "SIP:"), 3600)]);
    let registration = world.model.registration(public_id("bob").as_str()).unwrap();
    assert_eq!(registration.bindings[0].client, Some(ClientId::from("b")), "known from before");
}

#[test]
fn within_a_call_id_the_cseq_must_rise() {
    let mut world = world();
    done(&mut world, ask("bob", &[contact(HERE, "")], 5));
    for cseq in [4, 5] {
        let late = refusal(&mut world, ask("bob", &[contact(THERE, ""), contact(HERE, "")], cseq));
        assert!(matches!(late, Refusal::Malformed { .. }));
        assert_eq!(status(&late), 400);
        let removal = RegisterAsk { remove_all: true, expires: Some(0), ..ask("bob", &[], cseq) };
        assert_eq!(status(&refusal(&mut world, removal)), 400);
    }
    assert_eq!(contacts(&world, "bob").len(), 1, "nothing of a late request is done");
    done(&mut world, RegisterAsk { call_id: "call-2".to_owned(), ..ask("bob", &[contact(HERE, "")], 1) });
}

#[test]
fn no_interval_removes_the_binding() {
    let mut world = world();
    done(&mut world, ask("bob", &[contact(HERE, ""), contact(THERE, "")], 1));
    let gone = ContactAsk { expires: Some(0), ..contact(HERE, "") };
    let never_there = ContactAsk { expires: Some(0), ..contact("sip:x@192.0.2.9", "") };
    done(&mut world, ask("bob", &[gone, never_there], 2));
    assert_eq!(contacts(&world, "bob"), [(THERE.to_owned(), 3600)]);
    done(&mut world, RegisterAsk { expires: Some(0), ..ask("bob", &[contact(THERE, "")], 3) });
    assert!(world.model.registration(public_id("bob").as_str()).is_none());
}

#[test]
fn a_star_removes_all_and_stands_alone() {
    let mut world = world();
    done(&mut world, ask("bob", &[contact(HERE, ""), contact(THERE, "")], 1));
    let star = RegisterAsk { remove_all: true, expires: Some(0), ..ask("bob", &[], 2) };
    for bad in [
        RegisterAsk { contacts: vec![contact(HERE, "")], ..star.clone() },
        RegisterAsk { expires: Some(60), ..star.clone() },
        RegisterAsk { expires: None, ..star.clone() },
    ] {
        assert_eq!(status(&refusal(&mut world, bad)), 400);
    }
    assert_eq!(contacts(&world, "bob").len(), 2);
    done(&mut world, star.clone());
    assert!(world.model.registration(public_id("bob").as_str()).is_none());
    assert!(done(&mut world, star).changes.is_empty(), "there is nothing left to remove");
}

#[test]
fn the_limit_of_contacts_can_be_reached_but_not_passed() {
    let mut world = world();
    let many: Vec<_> = (1..=4).map(|host| contact(&format!("sip:bob@192.0.2.{host}"), "")).collect();
    done(&mut world, ask("bob", &many[..3], 1));
    let refused = refusal(&mut world, ask("bob", &many, 2));
    assert_eq!(refused, Refusal::NotPermitted { why: "too many contacts" });
    assert_eq!(status(&refused), 403);
    done(&mut world, ask("bob", &many[..3], 3));
    // A limit that was lowered meanwhile lets the bindings be refreshed.
    done(&mut world, RegisterAsk { contacts_limit: 1, ..ask("bob", &many[..2], 4) });
}

#[test]
fn the_address_must_belong_to_the_user() {
    let mut world = world();
    let stranger = refusal(&mut world, ask("nobody", &[contact(HERE, "")], 1));
    assert_eq!(stranger, Refusal::UnknownUser);
    assert_eq!(status(&stranger), 404);
    let other = RegisterAsk { public_id: public_id("alice"), ..ask("bob", &[contact(HERE, "")], 1) };
    let refused = refusal(&mut world, other);
    assert_eq!(refused, Refusal::NotPermitted { why: "the address of record belongs to another user" });
    assert_eq!(status(&refused), 403);
}

#[test]
fn a_binding_ends_by_time() {
    let mut world = world();
    let short = ContactAsk { expires: Some(60), ..contact(HERE, "") };
    done(&mut world, ask("bob", &[short, contact(THERE, "")], 1));
    world.wait(Duration::from_secs(59));
    assert!(world.run(|view| expire(view, &public_id("bob"))).changes.is_empty(), "an early timer");
    world.wait(Duration::from_secs(1));
    world.run(|view| expire(view, &public_id("bob")));
    assert_eq!(contacts(&world, "bob"), [(THERE.to_owned(), 3540)]);
    world.wait(Duration::from_secs(3540));
    world.run(|view| expire(view, &public_id("bob")));
    assert!(world.model.registration(public_id("bob").as_str()).is_none());
    assert!(world.run(|view| expire(view, &public_id("bob"))).changes.is_empty());
}

#[test]
fn a_binding_that_is_over_does_not_hold_up_a_new_one() {
    let mut world = world();
    done(&mut world, RegisterAsk { expires: Some(60), ..ask("bob", &[contact(HERE, "")], 9) });
    world.wait(Duration::from_secs(60));
    done(&mut world, ask("bob", &[contact(HERE, "")], 1));
    assert_eq!(contacts(&world, "bob").len(), 1);
}

#[test]
fn a_third_party_registration_is_one_binding_whatever_its_call_id_and_cseq() {
    let mut world = world();
    done(&mut world, third_party("bob", "b", 3720, "x1"));
    let outcome = done(&mut world, third_party("bob", "", 600, "x2"));
    assert!(is_answered(&outcome));
    let registration = world.model.registration(public_id("bob").as_str()).unwrap();
    let [binding] = registration.bindings.as_slice() else { panic!("{registration:?}") };
    assert_eq!(binding.contact, "sip:bob@one.example", "requests go to the public identity");
    assert_eq!(binding.origin, BindingOrigin::ThirdParty);
    assert_eq!(binding.client, Some(ClientId::from("b")), "known from before");
    assert_eq!(contacts(&world, "bob")[0].1, 600);
}

#[test]
fn the_interval_of_an_s_cscf_is_taken_as_it_is() {
    let mut world = world();
    done(&mut world, third_party("bob", "b", 10, "x1"));
    assert_eq!(contacts(&world, "bob")[0].1, 10);
    done(&mut world, third_party("bob", "b", 600_000, "x2"));
    assert_eq!(contacts(&world, "bob")[0].1, 600_000);
    done(&mut world, RegisterAsk { expires: None, contacts: Vec::new(), ..third_party("bob", "b", 0, "x3") });
    assert_eq!(contacts(&world, "bob")[0].1, 7200);
}

#[test]
fn a_third_party_registration_without_interval_ends_the_registration() {
    let mut world = world();
    done(&mut world, ask("bob", &[contact(HERE, ""), contact(THERE, "")], 1));
    done(&mut world, third_party("bob", "b", 3720, "x1"));
    assert_eq!(contacts(&world, "bob").len(), 1);
    done(&mut world, third_party("bob", "b", 0, "x2"));
    assert!(world.model.registration(public_id("bob").as_str()).is_none());
    assert!(done(&mut world, third_party("bob", "b", 0, "x3")).changes.is_empty());
}

fn third_party_clients(world: &World, name: &str) -> Vec<Option<String>> {
    let registration = world.model.registration(public_id(name).as_str());
    let bindings = registration.map_or(&[][..], |registration| &registration.bindings);
    bindings.iter().map(|binding| binding.client.as_ref().map(ToString::to_string)).collect()
}

fn named(clients: &[&str]) -> Vec<Option<String>> {
    clients.iter().map(|client| Some((*client).to_owned())).collect()
}

#[test]
fn a_second_client_behind_a_core_leaves_the_first_one_registered_and_affiliated() {
    let mut world = world();
    done(&mut world, third_party("alice", "a", 3720, "of a"));
    done(&mut world, third_party("alice", "b", 3720, "of b"));
    assert_eq!(third_party_clients(&world, "alice"), named(&["a", "b"]));
    for client in ["a", "b"] {
        assert_eq!(groups_of(&world, "alice", client), [group_id("fire"), group_id("sea")]);
    }
    // A refresh that names nobody is told by its Call-ID.
    done(&mut world, third_party("alice", "", 600, "of a"));
    assert_eq!(third_party_clients(&world, "alice"), named(&["b", "a"]));
    assert_eq!(contacts(&world, "alice")[1].1, 600);
}

#[test]
fn one_of_two_clients_behind_a_core_goes_and_the_other_one_stays() {
    // Some S-CSCFs say 0 for the client that goes, others what is left of the user.
    for outer in [0, 3000] {
        let mut world = world();
        done(&mut world, third_party("alice", "a", 3720, "of a"));
        done(&mut world, third_party("alice", "b", 3720, "of b"));
        let mut goes = third_party("alice", "", outer, "of a");
        goes.contacts[0].expires = Some(0);
        done(&mut world, goes);
        assert_eq!(third_party_clients(&world, "alice"), named(&["b"]));
        assert!(groups_of(&world, "alice", "a").is_empty());
        assert_eq!(groups_of(&world, "alice", "b").len(), 2);
        done(&mut world, third_party("alice", "b", 0, "of b"));
        assert!(world.model.registration(public_id("alice").as_str()).is_none());
    }
}

#[test]
fn a_user_who_is_gone_from_the_core_takes_all_clients_along() {
    let all = |ask: RegisterAsk| RegisterAsk { remove_all: true, ..ask };
    for ends in [
        third_party("alice", "", 0, "of the network"),
        third_party("alice", "c", 0, "of somebody else"),
        all(third_party("alice", "a", 0, "of a")),
    ] {
        let mut world = world();
        done(&mut world, third_party("alice", "a", 3720, "of a"));
        done(&mut world, third_party("alice", "b", 3720, "of b"));
        done(&mut world, ends);
        assert!(world.model.registration(public_id("alice").as_str()).is_none());
        assert!(groups_of(&world, "alice", "b").is_empty());
    }
}

#[test]
fn nobody_knows_which_client_goes_or_stays() {
    let mut world = world();
    done(&mut world, third_party("alice", "a", 300, "of a"));
    done(&mut world, third_party("alice", "b", 300, "of b"));
    let mut goes = third_party("alice", "", 3720, "of c");
    goes.contacts[0].expires = Some(0);
    assert!(done(&mut world, goes).changes.is_empty(), "the user is still registered");
    done(&mut world, third_party("alice", "", 3720, "of c"));
    assert_eq!(third_party_clients(&world, "alice"), named(&["a", "b"]));
    assert!(contacts(&world, "alice").iter().all(|contact| contact.1 == 3720));
}

#[test]
fn a_client_that_nobody_names_is_the_default_one_of_its_user() {
    let mut bob = user("bob");
    bob.default_client = Some(ClientId::from("b"));
    let mut world = World::new([bob], []);
    done(&mut world, third_party("bob", "", 3720, "x1"));
    done(&mut world, third_party("bob", "", 3720, "x2"));
    assert_eq!(third_party_clients(&world, "bob"), named(&["b"]));
}

#[test]
fn the_first_binding_of_a_client_affiliates_it_to_the_groups_of_the_profile() {
    let mut world = world();
    let outcome = done(&mut world, ask("alice", &[contact(HERE, "a")], 1));
    assert_eq!(groups_of(&world, "alice", "a"), [group_id("fire"), group_id("sea")]);
    assert!(
        outcome.log.as_ref().is_some_and(|log| log.contains("sip:none@one.example")),
        "{:?}",
        outcome.log
    );
    let told = vec![(group_id("fire"), true), (group_id("sea"), true)];
    match &outcome.sends[1..] {
        [
            Send::AffiliationStatus { user, service: Service::Mcptt, p_id: None },
            Send::AffiliationUpdate { groups, .. },
            Send::Affiliated { .. },
            Send::Affiliated { .. },
        ] => {
            assert_eq!((user, groups), (&user_id("alice"), &told));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_refresh_does_not_bring_groups_back_that_were_left() {
    let mut world = world();
    done(&mut world, ask("alice", &[contact(HERE, "a")], 1));
    world.affiliate("alice", "a", &["rail"]);
    let refresh = done(&mut world, ask("alice", &[contact(HERE, "a")], 2));
    let moved = done(
        &mut world,
        ask("alice", &[contact(THERE, "a"), ContactAsk { expires: Some(0), ..contact(HERE, "a") }], 3),
    );
    for outcome in [refresh, moved] {
        assert_eq!((outcome.changes.len(), outcome.sends.len()), (1, 1));
    }
    assert_eq!(groups_of(&world, "alice", "a"), [group_id("rail")]);
}

#[test]
fn groups_that_are_there_already_stay_and_n2_is_kept() {
    let alice = user_with("alice", |profile| {
        profile.max_affiliations_n2 = Some(2);
        profile.implicit_affiliations = vec![group_id("fire"), group_id("sea")];
    });
    let mut world = World::new([alice], ["fire", "sea", "rail"].map(|name| group(name, &["alice"])));
    world.affiliate("alice", "a", &["rail"]);
    let outcome = done(&mut world, ask("alice", &[contact(HERE, "a")], 1));
    assert_eq!(groups_of(&world, "alice", "a"), [group_id("rail"), group_id("fire")]);
    assert!(outcome.log.unwrap().contains("N2=2"));
}

#[test]
fn the_last_binding_of_a_client_takes_its_affiliations_along() {
    let mut world = world();
    done(&mut world, ask("alice", &[contact(HERE, "a"), contact(THERE, "b")], 1));
    let outcome =
        done(&mut world, RegisterAsk { expires: Some(0), ..ask("alice", &[contact(HERE, "a")], 2) });
    assert!(groups_of(&world, "alice", "a").is_empty());
    assert_eq!(groups_of(&world, "alice", "b").len(), 2, "another client is none of its business");
    assert!(
        !outcome.sends.iter().any(|send| matches!(send, Send::AffiliationUpdate { .. })),
        "the user is still affiliated with the other client: {:?}",
        outcome.sends
    );
}

#[test]
fn a_client_with_another_binding_is_still_there() {
    let mut world = world();
    let mut other = world.model.user("sip:alice@one.example").unwrap().as_ref().clone();
    other.public_ids.push(PublicId::from("tel:+15550001"));
    let groups = [group("fire", &["alice"]), group("sea", &["alice"])];
    world.model = Model::provisioned([other], groups);
    done(&mut world, ask("alice", &[contact(HERE, "a")], 1));
    let phone =
        RegisterAsk { public_id: PublicId::from("tel:+15550001"), ..ask("alice", &[contact(HERE, "a")], 1) };
    done(&mut world, phone.clone());
    done(&mut world, RegisterAsk { expires: Some(0), ..ask("alice", &[contact(HERE, "a")], 2) });
    assert_eq!(groups_of(&world, "alice", "a").len(), 2);
    done(&mut world, RegisterAsk { expires: Some(0), cseq: 2, ..phone });
    assert!(groups_of(&world, "alice", "a").is_empty());
}

#[test]
fn affiliations_end_when_the_registration_runs_out() {
    let mut world = world();
    done(&mut world, ask("alice", &[contact(HERE, "a")], 1));
    world.wait(Duration::from_secs(3600));
    let outcome = world.run(|view| expire(view, &public_id("alice")));
    assert!(world.model.affiliations(user_id("alice").as_str(), "a").is_none());
    match outcome.sends.as_slice() {
        [
            Send::AffiliationStatus { .. },
            Send::AffiliationUpdate { .. },
            Send::Deaffiliated { client, group, .. },
            Send::Deaffiliated { .. },
        ] => {
            assert_eq!((client, group), (&ClientId::from("a"), &group_id("fire")));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_binding_without_client_stands_for_the_default_client() {
    let mut world = world();
    let mut alice = world.model.user("sip:alice@one.example").unwrap().as_ref().clone();
    alice.default_client = Some(ClientId::from("desk"));
    world.model = Model::provisioned([alice], [group("fire", &["alice"])]);
    done(&mut world, ask("alice", &[contact(HERE, "")], 1));
    assert_eq!(groups_of(&world, "alice", "desk"), [group_id("fire")]);
    world.affiliate("alice", "van", &["fire"]);
    done(&mut world, RegisterAsk { expires: Some(0), ..ask("alice", &[contact(HERE, "")], 2) });
    assert!(groups_of(&world, "alice", "desk").is_empty());
    assert_eq!(groups_of(&world, "alice", "van").len(), 1, "affiliated by somebody else while it is away");
}

#[test]
fn where_no_client_is_known_the_last_binding_takes_all_affiliations_along() {
    let mut world = world();
    done(&mut world, ask("alice", &[contact(HERE, ""), contact(THERE, "")], 1));
    world.affiliate("alice", "a", &["fire"]);
    world.affiliate("alice", "b", &["sea"]);
    done(&mut world, RegisterAsk { expires: Some(0), ..ask("alice", &[contact(HERE, "")], 2) });
    assert_eq!((groups_of(&world, "alice", "a").len(), groups_of(&world, "alice", "b").len()), (1, 1));
    done(&mut world, RegisterAsk { expires: Some(0), ..ask("alice", &[contact(THERE, "")], 3) });
    assert!(groups_of(&world, "alice", "a").is_empty() && groups_of(&world, "alice", "b").is_empty());
}

// TS 23.280 5.2.5: each service has its own.
#[test]
fn each_service_of_a_client_gets_its_own_groups_of_the_profile_when_the_client_comes_for_it() {
    let alice = user_with("alice", |profile| {
        profile.implicit_affiliations = ["fire", "sea", "rail"].map(group_id).to_vec();
    });
    let of = |name: &str, services: &[Service]| GroupDocument {
        services: services.to_vec(),
        ..group(name, &["alice"])
    };
    let groups = [
        of("fire", &[Service::Mcptt, Service::McVideo]),
        of("sea", &[Service::McVideo]),
        of("rail", &[Service::McData]),
    ];
    let mut world = World::new([alice], groups);
    let told = |services: &[Service]| ContactAsk {
        services: services.iter().copied().collect(),
        ..contact(HERE, "a")
    };
    let entries = |world: &World| -> Vec<(Service, GroupId)> {
        let record = world.model.affiliations(user_id("alice").as_str(), "a").unwrap();
        record.groups.iter().map(|entry| (entry.service, entry.group.clone())).collect()
    };
    let (fire, sea, rail) = (group_id("fire"), group_id("sea"), group_id("rail"));
    let first = done(&mut world, ask("alice", &[told(&[Service::Mcptt, Service::McVideo])], 1));
    assert_eq!(first.log, None, "a group of another service only is no group left out");
    let expected =
        [(Service::Mcptt, fire.clone()), (Service::McVideo, fire.clone()), (Service::McVideo, sea.clone())];
    assert_eq!(entries(&world), expected);
    // A refresh that adds a service authorises for that one only, and one that says less takes nothing away.
    world.model.apply(Change::Put(Fact::Affiliation(ClientAffiliations {
        user: user_id("alice"),
        client: ClientId::from("a"),
        groups: vec![GroupAffiliation::own(sea.clone(), Service::McVideo, None)],
    })));
    done(&mut world, ask("alice", &[told(&[Service::Mcptt, Service::McData])], 2));
    assert_eq!(entries(&world), [(Service::McVideo, sea.clone()), (Service::McData, rail.clone())]);
    done(&mut world, ask("alice", &[told(&[Service::McVideo])], 3));
    assert_eq!(entries(&world), [(Service::McVideo, sea), (Service::McData, rail)]);
    // Everything goes with the last binding.
    done(&mut world, RegisterAsk { expires: Some(0), ..ask("alice", &[told(&[])], 4) });
    assert!(world.model.affiliations(user_id("alice").as_str(), "a").is_none());
}

#[test]
fn a_third_party_registration_tells_the_services_of_its_client_once() {
    let mut world = world();
    let video = |mut ask: RegisterAsk| {
        ask.contacts[0].services = Service::McVideo.into();
        ask
    };
    done(&mut world, third_party("alice", "a", 3600, "x1"));
    assert_eq!(groups_of(&world, "alice", "a").len(), 2);
    world.affiliate("alice", "a", &["rail"]);
    done(&mut world, third_party("alice", "a", 3600, "x2"));
    assert_eq!(groups_of(&world, "alice", "a"), [group_id("rail")], "a refresh brings nothing back");
    done(&mut world, video(third_party("alice", "a", 3600, "x3")));
    let registration = world.model.registration(public_id("alice").as_str()).unwrap();
    let services = [Service::Mcptt, Service::McVideo].into_iter().collect();
    assert_eq!(registration.bindings[0].services, services);
    done(&mut world, third_party("alice", "a", 0, "x4"));
    assert!(groups_of(&world, "alice", "a").is_empty());
}
