//! Between two systems, as one GMS sees it: `one.example` is ours, `two.example` the partner.

use super::super::between::{self, PartnerAsk};
use super::super::configuration_policy::{incoming, outgoing};
use super::super::{configuration_provision, configuration_request, formation_across, formation_partner};
use super::*;
use crate::documents::gmop::Response;
use crate::procedure::{Caller, Functions, Partner, Permissions};
use std::sync::Arc;

const PARTNER_GMS: &str = "sip:gms@two.example";

fn partner() -> Partner {
    Partner {
        domain: "two.example".to_owned(),
        functions: Functions { gms: vec![Psi::new(PARTNER_GMS)], ..Functions::default() },
        may: Permissions { regroup: true, group_configuration: true, ..Permissions::default() },
        provide_groups: true,
        ..Partner::default()
    }
}

/// The world of the other tests, with an agreement.
fn world_of_two() -> World {
    let mut world = world();
    world.policy.partners.insert("two.example".to_owned(), partner());
    world
}

fn their_gms() -> Caller {
    Caller {
        psi: Psi::new(PARTNER_GMS),
        partner: Some("two.example".to_owned()),
        participating: false,
        controlling: false,
        gms: true,
    }
}

/// Their check of `fire` for one of their temporary groups.
fn check(temporary: &str, transaction_id: &str) -> PartnerAsk {
    PartnerAsk {
        reply: ReplyTo(1),
        caller: their_gms(),
        call_id: "theirs".to_owned(),
        service: Service::Mcptt,
        operation: GmopOperation {
            group: Some(GroupProposal {
                uri: temporary.to_owned(),
                constituents: Some(vec![group_id("fire").to_string()]),
                ..GroupProposal::default()
            }),
            group_id: Some(temporary.to_owned()),
            ..ask("dispatcher", OperationKind::GroupRegroupCheck, Some(transaction_id)).operation
        },
    }
}

/// What is asked of the partner, or told to it, in order.
fn told(outcome: &Outcome<Over>) -> Vec<Asked> {
    let request = |change: &Change| match change {
        Change::Put(Fact::Request(request)) => Some(request.what.clone()),
        _ => None,
    };
    outcome.changes.iter().filter_map(request).collect()
}

/// The result of the only request that an outcome answers.
fn result_in(outcome: &Outcome<Over>) -> Result<(), Failure> {
    match told(outcome).as_slice() {
        [Asked::GroupResult(response)] => response.result.clone(),
        other => panic!("{other:?}"),
    }
}

fn across(world: &mut World, name: &str) -> Outcome<Over> {
    let ask = formation("dispatcher", name, &["fire", "sip:rail@two.example"]);
    world.ask(|view| super::super::formation::request(view, ask)).unwrap()
}

#[test]
fn a_group_that_is_wanted_for_one_temporary_group_is_refused_to_another_that_comes_later_in_order() {
    let mut world = world_of_two();
    world.ask(|view| between::request(view, check("sip:b@two.example", "1"))).unwrap();
    let refused = world.ask(|view| between::request(view, check("sip:c@two.example", "2"))).unwrap();
    let failure = result_in(&refused).unwrap_err();
    assert_eq!(failure.code, "group-already-regrouped");
    assert_eq!(failure.rejected, [(group_id("fire"), failure.code.clone())]);
    assert!(world.model.reservation("sip:c@two.example").is_none());

    // The one that comes before it waits, and gets the group when the other gives it up.
    let waits = world.ask(|view| between::request(view, check("sip:a@two.example", "3"))).unwrap();
    assert!(told(&waits).is_empty());
    let mut cancel = check("sip:b@two.example", "4");
    cancel.operation.kind = OperationKind::GroupRegroupCancel;
    let cancelled = world.ask(|view| between::request(view, cancel)).unwrap();
    let results: Vec<_> = told(&cancelled)
        .into_iter()
        .map(|asked| match asked {
            Asked::GroupResult(response) => (response.transaction_id, response.result),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(results, [("4".to_owned(), Ok(())), ("3".to_owned(), Ok(()))]);
    assert!(world.model.reservation("sip:a@two.example").is_some_and(|reservation| reservation.held));
}

#[test]
fn checks_wait_up_to_the_limit() {
    let mut world = world_of_two();
    world.ask(|view| between::request(view, check("sip:z@two.example", "0"))).unwrap();
    for number in 0..=formation_partner::WAITING {
        let temporary = format!("sip:a{number}@two.example");
        let ask = check(&temporary, &format!("t{number}"));
        let outcome = world.ask(|view| between::request(view, ask)).unwrap();
        assert_eq!(told(&outcome).is_empty(), number < formation_partner::WAITING, "{number}");
    }
    assert_eq!(world.model.waiting().count(), formation_partner::WAITING);
}

#[test]
fn a_partner_speaks_only_of_temporary_groups_of_its_own_and_only_by_agreement() {
    let mut world = world_of_two();
    for temporary in ["sip:joint@one.example", "sip:joint@three.example"] {
        let refusal = between::request(&mut world.view(), check(temporary, "1")).unwrap_err();
        assert_eq!(answer(&refusal), (403, vec![Some(180)]));
    }
    world.policy.partners.clear();
    let refusal = between::request(&mut world.view(), check("sip:b@two.example", "1")).unwrap_err();
    assert_eq!(answer(&refusal), (403, vec![Some(180)]));
}

#[test]
fn a_reservation_runs_out_and_a_notification_without_one_marks_nothing() {
    let mut world = world_of_two();
    world.ask(|view| between::request(view, check("sip:b@two.example", "1"))).unwrap();
    world.wait(world.policy.reserved_for);
    world.run(|view| formation_partner::expire(view, &GroupId::new("sip:b@two.example")));
    assert!(world.model.spoken_for(group_id("fire").as_str()).is_none());

    let mut late = check("sip:b@two.example", "2");
    late.operation.kind = OperationKind::GroupRegroupNotification;
    let mut document = temporary_group("sip:b@two.example", &["fire", "sip:rail@two.example"]);
    document.members = MemberList::default();
    late.operation.document = Some(Box::new(document));
    late.operation.group = None;
    let outcome = world.ask(|view| between::request(view, late)).unwrap();
    assert_eq!(result_in(&outcome).unwrap_err().code, "version-conflict");
    assert!(world.model.regrouped(Side::Gms, group_id("fire").as_str()).is_none());
}

#[test]
fn a_result_that_nobody_waits_for_is_taken_and_changes_nothing() {
    let mut world = world_of_two();
    let kind = OperationKind::GroupRegroupCheck;
    let response = Response::success(&kind, group_id("joint").as_str(), "nobody's");
    let outcome = between::response(&mut world.view(), ReplyTo(1), &their_gms(), response).unwrap();
    assert!(outcome.changes.is_empty());
    assert_eq!(order(&outcome), ["200"]);
}

// The owner of a constituent may name its members with its success. Nothing here needs them: its users are notified by
// their own system, and called through it.
#[test]
fn members_that_a_partner_names_with_its_success_are_not_kept() {
    let mut world = world_of_two();
    across(&mut world, "joint");
    let asked = world.model.formation(group_id("joint").as_str()).unwrap().parts[0].transaction_id.clone();
    let kind = OperationKind::GroupRegroupCheck;
    let mut response = Response::success(&kind, group_id("joint").as_str(), &asked);
    response.document = Some(group("sip:rail@two.example", &["sip:zoe@two.example"]));
    let outcome = world.ask(|view| between::response(view, ReplyTo(1), &their_gms(), response)).unwrap();
    assert!(matches!(told(&outcome).as_slice(), [Asked::Group(_)]), "it goes on with step 5");
    assert!(!format!("{:?}", outcome.changes).contains("zoe"));
    assert!(world.model.group(Side::Gms, "sip:rail@two.example").is_none());
}

#[test]
fn no_more_temporary_groups_are_formed_at_once_than_the_limit() {
    let mut world = world_of_two();
    let begun = across(&mut world, "joint");
    let Some(begun_one) = world.model.formation(group_id("joint").as_str()).cloned() else {
        panic!("{begun:?}")
    };
    for number in 1..formation_across::FORMATIONS {
        let id = GroupId::new(format!("sip:t{number}@one.example"));
        let document = GroupDocument { id, ..begun_one.document.clone() };
        let other = Formation { document, own: Vec::new(), ..begun_one.clone() };
        world.apply(&[Change::Put(Fact::Formation(other))]);
    }
    let mut ask = formation("dispatcher", "late", &["police", "sip:port@two.example"]);
    ask.operation.transaction_id = Some("t-late".to_owned());
    let refusal = super::super::formation::request(&mut world.view(), ask).unwrap_err();
    assert_eq!(answer(&refusal).0, 503);
}

// TS 23.280 10.2.7.3: two servers that ask at once cause one request; a failure is remembered for a while.
#[test]
fn a_configuration_is_asked_for_once_and_not_again_soon_after_a_failure() {
    let mut world = world_of_two();
    let rail = GroupId::new("sip:rail@two.example");
    assert_eq!(told(&world.run(|view| configuration_request::wanted(view, &rail))).len(), 1);
    assert!(told(&world.run(|view| configuration_request::wanted(view, &rail))).is_empty());
    world.wait(world.policy.gms_timeout * between::ATTEMPTS);
    world.run(|view| configuration_request::expire(view, &rail));
    assert!(told(&world.run(|view| configuration_request::wanted(view, &rail))).is_empty());
    world.wait(configuration_request::FAILED_FOR);
    world.run(|view| configuration_request::expire(view, &rail));
    assert_eq!(told(&world.run(|view| configuration_request::wanted(view, &rail))).len(), 1);
}

#[test]
fn a_group_is_provided_to_a_partner_that_has_members_in_it_and_once() {
    let mut world = world_of_two();
    assert!(told(&world.run(configuration_provision::share)).is_empty());
    let mixed = group("fire", &["alice", "sip:zoe@two.example"]);
    world.model.provision_groups([mixed], "one.example");
    let asked = told(&world.run(configuration_provision::share));
    let [Asked::Group(GroupRequest { what: GroupAsked::InformationProvision { document }, .. })] =
        asked.as_slice()
    else {
        panic!("{asked:?}")
    };
    // The partner is told of its own users only: nothing is agreed about ours.
    assert_eq!(document.members.keys().collect::<Vec<_>>(), [&UserId::from("sip:zoe@two.example")]);
    assert!(told(&world.run(configuration_provision::share)).is_empty());
}

#[test]
fn who_is_hidden_from_a_partner_is_hidden_in_the_rules_too() {
    let mut document = group("fire", &["alice", "sip:zoe@two.example"]);
    document.rules.initiate = Who::Users(vec![user_id("alice"), UserId::from("sip:zoe@two.example")]);
    document.rules.join = Who::Users(vec![user_id("alice")]);
    let seen = outgoing(&document, &partner());
    assert_eq!(seen.rules.initiate, Who::Users(vec![UserId::from("sip:zoe@two.example")]));
    assert_eq!(seen.rules.join, Who::Nobody);
    let shared = outgoing(&document, &Partner { shares_members: true, ..partner() });
    assert_eq!((shared.members, shared.rules.join), (document.members, document.rules.join));
}

/// An area; each number another one.
fn area(number: u32) -> Area {
    let center = Point { longitude: number, latitude: number };
    vec![Shape::Arc { center, radius: 1, offset_angle: 0, included_angle: 255 }]
}

#[test]
fn a_policy_lowers_and_denies_and_never_raises_or_allows() {
    let mut document = group("sip:rail@two.example", &["alice", "sip:zoe@two.example"]);
    document.priority = Some(200);
    document.max_participants = Some(5);
    document.rules.imminent_peril_call = Who::Nobody;
    let policy = GroupPolicy {
        priority_map: [(200, 100)].into(),
        priority_max: Some(90),
        max_participants: Some(50),
        maximum_duration: Some(std::time::Duration::from_secs(60)),
        deny: vec!["allow-MCPTT-emergency-call".to_owned()],
        user_priorities: [(user_id("alice"), 7), (user_id("nobody"), 9)].into(),
        permitted_area: Some(area(1)),
        hang_timer: Some(std::time::Duration::from_secs(4)),
        emergency_timeout: Some(std::time::Duration::from_secs(90)),
        ..GroupPolicy::default()
    };
    let effective = incoming(&document, &policy).unwrap();
    // Where its members may use a group is a matter of the system that they are in: added, or put in place of what came.
    let details = |document: &GroupDocument| {
        (document.details.permitted_area.clone(), document.details.emergency_timeout)
    };
    assert_eq!(details(&effective), (policy.permitted_area.clone(), policy.emergency_timeout));
    Arc::make_mut(&mut document.details).permitted_area = Some(area(2));
    assert_eq!(details(&incoming(&document, &policy).unwrap()), details(&effective));
    assert_eq!(details(&incoming(&document, &GroupPolicy::default()).unwrap()).0, Some(area(2)));
    assert_eq!(effective.hang_timer, policy.hang_timer);
    assert_eq!((effective.priority, effective.max_participants), (Some(90), Some(5)));
    assert_eq!(effective.maximum_duration, policy.maximum_duration);
    assert_eq!(effective.rules.emergency_call, Who::Nobody);
    assert_eq!(effective.rules.imminent_peril_call, Who::Nobody);
    assert_eq!(effective.members.get(&user_id("alice")).and_then(|member| member.priority), Some(7));
    assert_eq!(effective.members.len(), 2);
    assert_eq!(effective.protect_media, document.protect_media);
}

#[test]
fn a_configuration_that_cannot_be_used_after_the_policy_is_refused() {
    let mut document = group("sip:rail@two.example", &["alice"]);
    document.encodings = vec!["AMR-WB".to_owned()];
    let policy = GroupPolicy { encodings: vec!["EVS".to_owned()], ..GroupPolicy::default() };
    assert!(incoming(&document, &policy).is_err());
    let few = GroupPolicy { max_participants: Some(1), ..GroupPolicy::default() };
    let required = Member { required: true, ..Member::default() };
    let strict = group_with_members("rail", &[("alice", required.clone()), ("bob", required)]);
    assert!(incoming(&strict, &few).is_err());
    assert!(
        incoming(&GroupDocument { maximum_duration: None, ..document.clone() }, &GroupPolicy::default())
            .is_err()
    );
    assert!(incoming(&GroupDocument { services: Vec::new(), ..document }, &GroupPolicy::default()).is_err());
}
