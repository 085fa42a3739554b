//! TS 23.280 10.2.4.1 within one system: every step, every refusal.

use super::*;
use crate::gms::formation::request;
use std::time::Duration;

/// What the request is refused with; nothing may have changed.
fn refusal(world: &mut World, ask: Ask) -> Refusal {
    world.ask(|view| request(view, ask)).map(|outcome| outcome.sends.len()).unwrap_err()
}

fn done(world: &mut World, ask: Ask) -> Outcome<Over> {
    world.ask(|view| request(view, ask)).unwrap()
}

#[test]
fn the_order_is_that_of_the_figure() {
    let mut world = world();
    world.affiliate("alice", "a1", &["fire"]);
    world.affiliate("bob", "b1", &["fire", "police"]);
    world.affiliate("bob", "b2", &["police"]);
    let outcome = done(&mut world, formation("dispatcher", "joint", &["police", "fire"]));
    assert_eq!(
        order(&outcome),
        [
            "200",
            "formed sip:joint@one.example",
            "regrouped to sip:alice@one.example",
            "regrouped to sip:bob@one.example",
            "result to sip:dispatcher@one.example",
        ]
    );
}

#[test]
fn the_document_and_the_marks_appear_together_at_the_gms_alone() {
    let mut world = world();
    let outcome = done(&mut world, formation("dispatcher", "joint", &["police", "fire", "police"]));
    let constituents = vec![group_id("police"), group_id("fire")];
    let document = world.model.group(Side::Gms, group_id("joint").as_str()).unwrap();
    let temporary = Temporary { constituents: constituents.clone(), requestor: user_id("dispatcher") };
    assert_eq!(document.temporary.as_ref(), Some(&temporary));
    assert!(document.members.is_empty());
    assert_eq!(document.display_name, "Harbour fire");
    let mark = Regrouped {
        temporary: group_id("joint"),
        requestor: user_id("dispatcher"),
        constituents,
        priority: None,
        protect_media: document.protect_media,
        protect_floor_control: document.protect_floor_control,
    };
    for name in ["fire", "police"] {
        assert_eq!(world.model.regrouped(Side::Gms, group_id(name).as_str()), Some(&mark));
        assert!(world.model.regrouped(Side::Mc, group_id(name).as_str()).is_none());
    }
    assert!(world.model.regrouped(Side::Gms, group_id("rail").as_str()).is_none());
    let told = outcome.sends.iter().find_map(|send| match send {
        Send::GroupChanged(GroupChange::Formed { document, marks }) => Some((document, marks)),
        _ => None,
    });
    let (told, marks) = told.unwrap();
    assert_eq!(told, document.as_ref());
    assert_eq!(marks, &[(group_id("police"), mark.clone()), (group_id("fire"), mark)]);
}

#[test]
fn each_affiliated_member_hears_once_of_his_own_groups_at_his_affiliated_clients() {
    let mut world = world();
    world.affiliate("bob", "b1", &["fire", "police"]);
    world.affiliate("bob", "b2", &["police"]);
    world.affiliate("carol", "c1", &["rail"]);
    world.affiliate("dispatcher", "d1", &["fire"]);
    let outcome = done(&mut world, formation("dispatcher", "joint", &["police", "fire"]));
    let owed = owed_in(&outcome);
    assert_eq!(owed.len(), 2, "carol is not affiliated to one of them, the dispatcher is no member");
    assert_eq!(owed[0].to, user_id("bob"));
    assert_eq!(owed[0].clients, [ClientId::from("b1"), ClientId::from("b2")]);
    assert_eq!(owed[0].until, world.now.plus(Duration::from_secs(32)));
    let Notice::Regrouped { temporary, constituents, transaction_id, requestor } = &owed[0].notice else {
        panic!("{:?}", owed[0].notice);
    };
    assert_eq!(temporary.id, group_id("joint"));
    assert_eq!(constituents, &[group_id("police"), group_id("fire")]);
    assert_eq!((transaction_id.as_str(), requestor), ("t-1", &user_id("dispatcher")));
}

#[test]
fn the_result_goes_to_the_client_that_asked_with_the_document() {
    let mut world = world();
    let outcome = done(&mut world, formation("dispatcher", "joint", &["police", "fire"]));
    let owed = owed_in(&outcome);
    let document = world.model.group(Side::Gms, group_id("joint").as_str()).unwrap();
    assert_eq!(owed[0].clients, [ClientId::from("desk")]);
    let result = OperationResult {
        operation: GmsOperation::Formation,
        group: group_id("joint"),
        transaction_id: "t-1".to_owned(),
        in_reply_to: "request-1".to_owned(),
        document: Some(document.as_ref().clone()),
        failure: None,
    };
    assert_eq!(owed[0].notice, Notice::Result(result));
}

#[test]
fn a_repetition_gets_the_same_result_and_changes_nothing_else() {
    let mut world = world();
    world.affiliate("alice", "a1", &["fire"]);
    let first = done(&mut world, formation("dispatcher", "", &["police", "fire"]));
    let mut again = formation("dispatcher", "", &["police", "fire"]);
    again.call_id = "request-2".to_owned();
    let second = done(&mut world, again);
    assert_eq!(order(&second), ["200", "result to sip:dispatcher@one.example"]);
    assert_eq!(second.changes.len(), 1, "only the result that is owed again");
    let (first, second) = (owed_in(&first).pop().unwrap(), owed_in(&second).pop().unwrap());
    let (Notice::Result(first), Notice::Result(second)) = (first.notice, second.notice) else { panic!() };
    assert_eq!(second, OperationResult { in_reply_to: "request-2".to_owned(), ..first });
}

#[test]
fn a_transaction_id_used_for_something_else_is_refused() {
    let mut world = world();
    done(&mut world, formation("dispatcher", "joint", &["police", "fire"]));
    let mut other = formation("dispatcher", "other", &["rail", "sea"]);
    other.hash = 2;
    let refused = refusal(&mut world, other.clone());
    assert_eq!(refused, Refusal::TransactionReused);
    assert_eq!(answer(&refused), (400, vec![None]));
    // Another user's transaction-id is another one.
    other.sender = user_id("chief");
    done(&mut world, other);
}

#[test]
fn a_finished_operation_is_forgotten_in_time() {
    let mut world = world();
    done(&mut world, formation("dispatcher", "joint", &["police", "fire"]));
    world.wait(world.policy.operations_for);
    let refused = refusal(&mut world, formation("dispatcher", "joint", &["police", "fire"]));
    assert_eq!(refused, Refusal::GroupIdInUse(group_id("joint")));
}

#[test]
fn without_a_transaction_id_the_gms_makes_one() {
    let mut world = world();
    let mut ask = formation("dispatcher", "joint", &["police", "fire"]);
    ask.operation.transaction_id = Some(" ".to_owned());
    let outcome = done(&mut world, ask);
    let Notice::Result(result) = &owed_in(&outcome)[0].notice else { panic!() };
    assert_eq!(result.transaction_id.len(), 32);
    assert!(world.model.operation(&user_id("dispatcher"), &result.transaction_id).is_some());
}

#[test]
fn a_transaction_id_is_taken_up_to_the_limit() {
    let mut world = world();
    let mut ask = formation("dispatcher", "joint", &["police", "fire"]);
    ask.operation.transaction_id = Some("t".repeat(TRANSACTION_ID_OCTETS + 1));
    assert_eq!(answer(&refusal(&mut world, ask.clone())), (400, vec![None]));
    ask.operation.transaction_id = Some("t".repeat(TRANSACTION_ID_OCTETS));
    done(&mut world, ask);
}

#[test]
fn another_operation_is_not_taken_for_a_formation() {
    let mut world = world();
    let refused = refusal(&mut world, teardown("dispatcher", "joint"));
    assert_eq!(refused, Refusal::UnknownOperation);
    assert_eq!(answer(&refused), (501, vec![None]));
}

#[test]
fn only_a_user_who_may_regroup_may_regroup() {
    let mut world = world();
    for sender in ["alice", "stranger"] {
        let refused = refusal(&mut world, formation(sender, "joint", &["fire", "police"]));
        assert_eq!(refused, Refusal::NotAuthorised);
        assert_eq!(answer(&refused), (403, vec![Some(100)]));
    }
}

#[test]
fn the_document_must_be_complete() {
    let mut world = world();
    let mut ask = formation("dispatcher", "joint", &["fire", "police"]);
    ask.operation.group = None;
    assert_eq!(answer(&refusal(&mut world, ask)), (400, vec![None]));
    let mut ask = formation("dispatcher", "joint", &["fire", "police"]);
    ask.operation.group.as_mut().unwrap().constituents = None;
    assert_eq!(answer(&refusal(&mut world, ask)), (400, vec![None]));
    let mut ask = formation("dispatcher", "joint", &["fire", "police"]);
    ask.operation.group.as_mut().unwrap().constituents.as_mut().unwrap().push("no uri".to_owned());
    assert!(matches!(refusal(&mut world, ask), Refusal::Malformed { .. }));
    let mut ask = formation("dispatcher", "joint", &["fire", "police"]);
    ask.operation.group_id = Some("sip:other@one.example".to_owned());
    assert!(matches!(refusal(&mut world, ask), Refusal::Malformed { .. }));
}

#[test]
fn a_display_name_is_taken_up_to_the_limit() {
    let mut world = world();
    let mut ask = formation("dispatcher", "joint", &["fire", "police"]);
    ask.operation.group.as_mut().unwrap().display_name = Some("n".repeat(DISPLAY_NAME_OCTETS + 1));
    assert!(matches!(refusal(&mut world, ask.clone()), Refusal::Malformed { .. }));
    ask.operation.group.as_mut().unwrap().display_name = Some("n".repeat(DISPLAY_NAME_OCTETS));
    done(&mut world, ask);
}

#[test]
fn two_distinct_groups_are_the_least() {
    let mut world = world();
    for constituents in [&[][..], &["fire"], &["fire", "fire"]] {
        let refused = refusal(&mut world, formation("dispatcher", "joint", constituents));
        assert_eq!(refused, Refusal::TooFewGroups);
        assert_eq!(answer(&refused), (400, vec![None]));
    }
}

#[test]
fn the_limit_of_constituents_can_be_reached_but_not_passed() {
    let mut world = world();
    world.policy.constituents_limit = 3;
    let refused = refusal(&mut world, formation("dispatcher", "joint", &["fire", "police", "rail", "sea"]));
    assert_eq!(refused, Refusal::TooManyGroups { limit: 3 });
    assert_eq!(answer(&refused), (400, vec![None]));
    done(&mut world, formation("dispatcher", "joint", &["fire", "police", "fire", "rail"]));
}

#[test]
fn a_proposed_identity_must_be_free_and_ours() {
    let mut world = world();
    let taken = ["rail", "alice", "gms", "mcptt-controlling", "mcptt-participating", "sip:joint@two.example"];
    for id in taken {
        let refused = refusal(&mut world, formation("dispatcher", id, &["fire", "police"]));
        assert_eq!(refused, Refusal::GroupIdInUse(group_id(id)));
        assert_eq!(answer(&refused), (403, vec![Some(165)]));
    }
}

#[test]
fn an_identity_may_be_proposed_in_the_attribute() {
    let mut world = world();
    let mut ask = formation("dispatcher", "", &["fire", "police"]);
    ask.operation.group_id = Some("SIP:joint@One.example".to_owned());
    done(&mut world, ask);
    assert!(world.model.group(Side::Gms, group_id("joint").as_str()).is_some());
}

#[test]
fn the_gms_chooses_an_identity_in_its_domain() {
    let mut world = world();
    let outcome = done(&mut world, formation("dispatcher", "", &["fire", "police"]));
    let Notice::Result(result) = &owed_in(&outcome)[0].notice else { panic!() };
    assert!(result.group.as_str().starts_with("sip:tgi-"), "{}", result.group);
    assert_eq!(result.group.domain(), "one.example");
}

#[test]
fn a_constituent_that_does_not_exist_is_named() {
    let mut world = world();
    let refused = refusal(&mut world, formation("dispatcher", "joint", &["fire", "air", "water"]));
    assert_eq!(refused, Refusal::GroupNotFound(group_id("air")));
    assert_eq!(answer(&refused), (404, vec![Some(163)]));
}

#[test]
fn the_policy_of_every_constituent_counts() {
    for (rule, allowed) in [
        (Who::Nobody, false),
        (Who::Members, false),
        (Who::Users(vec![user_id("chief")]), false),
        (Who::Users(vec![user_id("dispatcher")]), true),
        (Who::Anyone, true),
    ] {
        let mut world = world_with("police", |group| group.rules.regroup = rule.clone());
        let outcome = world.ask(|view| request(view, formation("dispatcher", "joint", &["fire", "police"])));
        match outcome {
            Ok(_) => assert!(allowed, "{rule:?}"),
            Err(refusal) => {
                assert!(!allowed, "{rule:?}");
                assert_eq!(refusal, Refusal::NotAuthorised);
            }
        }
    }
}

#[test]
fn a_temporary_group_is_no_constituent() {
    let mut world = formed_world();
    let mut ask = formation("dispatcher", "wide", &["rail", "joint"]);
    ask.operation.transaction_id = None;
    let refused = refusal(&mut world, ask);
    assert_eq!(refused, Refusal::GroupIsTemporary(group_id("joint")));
    assert_eq!(answer(&refused), (403, vec![None]));
}

#[test]
fn a_group_belongs_to_one_temporary_group_at_a_time() {
    let mut world = formed_world();
    let mut ask = formation("chief", "other", &["rail", "police"]);
    ask.operation.transaction_id = None;
    let refused = refusal(&mut world, ask);
    assert_eq!(refused, Refusal::AlreadyRegrouped(group_id("police")));
    assert_eq!(answer(&refused), (403, vec![Some(148)]));
    assert!(world.model.group(Side::Gms, group_id("other").as_str()).is_none());
    assert!(world.model.regrouped(Side::Gms, group_id("rail").as_str()).is_none());
}

#[test]
fn groups_out_of_use_are_not_regrouped() {
    let changes: [fn(&mut GroupDocument); 3] = [
        |group| group.disabled = true,
        |group| group.preconfigured_only = true,
        |group| group.services = vec![Service::McVideo],
    ];
    for change in changes {
        let mut world = world_with("police", change);
        let refused = refusal(&mut world, formation("dispatcher", "joint", &["fire", "police"]));
        assert!(matches!(refused, Refusal::LocalPolicy { .. }));
        assert_eq!(answer(&refused), (403, vec![Some(100)]));
    }
}

#[test]
fn a_constituent_of_another_system_needs_an_agreement() {
    let mut world = world();
    let refused = refusal(&mut world, formation("dispatcher", "joint", &["fire", "sip:police@two.example"]));
    assert_eq!(refused, Refusal::PartnerNotPermitted(group_id("sip:police@two.example")));
    assert_eq!(answer(&refused), (403, vec![Some(179)]));
}

#[test]
fn the_first_check_that_fails_decides() {
    // Each request breaks one check less than the one before it.
    let mut world = world_with("sea", |group| group.disabled = true);
    form(&mut world);
    let far = "sip:police@two.example";
    let steps: [(&str, &str, &[&str], Refusal); 6] = [
        ("alice", "rail", &["fire"], Refusal::NotAuthorised),
        ("chief", "rail", &["air"], Refusal::TooFewGroups),
        ("chief", "rail", &["sea", "fire", "air", far], Refusal::GroupIdInUse(group_id("rail"))),
        ("chief", "new", &["sea", "fire", "air", far], Refusal::GroupNotFound(group_id("air"))),
        ("chief", "new", &["sea", "fire", far], Refusal::AlreadyRegrouped(group_id("fire"))),
        (
            "chief",
            "new",
            &["sea", "rail", far],
            Refusal::LocalPolicy { why: "a constituent group is disabled" },
        ),
    ];
    for (sender, id, constituents, expected) in steps {
        assert_eq!(refusal(&mut world, formation(sender, id, constituents)), expected);
    }
}

#[test]
fn the_document_takes_from_the_constituents_what_the_request_leaves_open() {
    let mut groups = groups();
    let [fire, police, ..] = &mut groups;
    fire.prearranged = false;
    fire.maximum_duration = None;
    fire.encodings = vec!["EVS".to_owned(), "AMR-WB".to_owned(), "PCMU".to_owned()];
    fire.services = vec![Service::McVideo, Service::Mcptt];
    fire.acknowledgement_timeout = Some(Duration::from_secs(3));
    fire.on_acknowledgement_timeout = OnTimeout::Proceed;
    fire.hang_timer = Some(Duration::from_secs(4));
    fire.rules.emergency_call = Who::Anyone;
    fire.protect_media = true;
    police.encodings = vec!["pcmu".to_owned(), "amr-wb".to_owned()];
    police.acknowledgement_timeout = Some(Duration::from_secs(9));
    police.hang_timer = Some(Duration::from_secs(6));
    police.maximum_duration = Some(Duration::from_secs(600));
    police.rules.imminent_peril_call = Who::Users(vec![user_id("carol")]);
    let mut world = World { model: Model::provisioned(world_users(), groups), ..world() };
    done(&mut world, formation("dispatcher", "joint", &["fire", "police"]));
    let document = world.model.group(Side::Gms, group_id("joint").as_str()).unwrap();
    assert!(document.prearranged);
    assert_eq!(document.maximum_duration, Some(Duration::from_secs(600)));
    assert_eq!(document.encodings, ["AMR-WB", "PCMU"]);
    assert_eq!(document.services, [Service::Mcptt]);
    assert_eq!(document.acknowledgement_timeout, Some(Duration::from_secs(9)));
    assert_eq!(document.on_acknowledgement_timeout, OnTimeout::Abandon);
    assert_eq!(document.hang_timer, Some(Duration::from_secs(4)));
    assert!(document.protect_media);
    assert!(!document.protect_floor_control);
    assert_eq!(document.rules.initiate, Who::Members);
    assert_eq!(document.rules.emergency_call, Who::Members);
    assert_eq!(document.rules.imminent_peril_call, Who::Nobody);
    assert_eq!(document.priority, None);
}

#[test]
fn what_the_request_says_goes_before_what_the_constituents_have() {
    let mut world = world_with("fire", |group| group.protect_media = true);
    let mut ask = formation("dispatcher", "joint", &["fire", "police"]);
    let proposal = ask.operation.group.as_mut().unwrap();
    proposal.priority = Some(7);
    proposal.protect_media = Some(false);
    proposal.protect_floor_control = Some(true);
    proposal.display_name = None;
    done(&mut world, ask);
    let document = world.model.group(Side::Gms, group_id("joint").as_str()).unwrap();
    assert_eq!(document.priority, Some(7));
    assert!(!document.protect_media && document.protect_floor_control);
    assert_eq!(document.display_name, "");
    let mark = world.model.regrouped(Side::Gms, group_id("fire").as_str()).unwrap();
    assert_eq!(mark.priority, Some(7));
}

#[test]
fn codecs_without_anything_in_common_come_from_the_configuration() {
    let mut world = world_with("fire", |group| group.encodings = vec!["PCMA".to_owned()]);
    done(&mut world, formation("dispatcher", "joint", &["fire", "police"]));
    let document = world.model.group(Side::Gms, group_id("joint").as_str()).unwrap();
    assert_eq!(document.encodings, ["PCMA"], "police prefers none");
    let mut groups = groups();
    groups[0].encodings = vec!["PCMA".to_owned()];
    groups[1].encodings = vec!["PCMU".to_owned()];
    let mut world = World { model: Model::provisioned(world_users(), groups), ..super::world() };
    done(&mut world, formation("dispatcher", "joint", &["fire", "police"]));
    let document = world.model.group(Side::Gms, group_id("joint").as_str()).unwrap();
    assert_eq!(document.encodings, ["AMR-WB"]);
}
