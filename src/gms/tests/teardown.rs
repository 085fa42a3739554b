//! TS 23.280 figure 10.2.4.2a-1: every step, every refusal.

use super::*;
use crate::gms::teardown::request;
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
    let mut world = formed_world();
    world.affiliate("carol", "c1", &["police", "rail"]);
    world.affiliate("alice", "a1", &["fire"]);
    let outcome = done(&mut world, teardown("dispatcher", "joint"));
    assert_eq!(
        order(&outcome),
        [
            "200",
            "torn down sip:joint@one.example",
            "torn down to sip:alice@one.example",
            "torn down to sip:carol@one.example",
            "result to sip:dispatcher@one.example",
        ]
    );
}

#[test]
fn step_3_removes_the_document_and_all_marks() {
    let mut world = formed_world();
    let outcome = done(&mut world, teardown("dispatcher", "joint"));
    assert!(world.model.group(Side::Gms, group_id("joint").as_str()).is_none());
    for name in ["fire", "police"] {
        assert!(world.model.regrouped(Side::Gms, group_id(name).as_str()).is_none());
        assert!(world.model.group(Side::Gms, group_id(name).as_str()).is_some());
    }
    let told = outcome.sends.iter().find_map(|send| match send {
        Send::GroupChanged(GroupChange::TornDown { temporary, constituents }) => {
            Some((temporary, constituents))
        }
        _ => None,
    });
    assert_eq!(told, Some((&group_id("joint"), &vec![group_id("fire"), group_id("police")])));
}

#[test]
fn step_5_touches_no_call() {
    let mut world = formed_world();
    let outcome = done(&mut world, teardown("dispatcher", "joint"));
    let call =
        |change: &Change| matches!(change, Change::Put(Fact::Call(_)) | Change::Remove(FactKey::Call(_)));
    assert!(!outcome.changes.iter().any(call));
}

#[test]
fn step_6a_tells_each_affiliated_member_once() {
    let mut world = formed_world();
    world.affiliate("bob", "b1", &["fire", "police"]);
    world.affiliate("bob", "b2", &["police"]);
    let outcome = done(&mut world, teardown("dispatcher", "joint"));
    let owed = owed_in(&outcome);
    assert_eq!(owed.len(), 2);
    assert_eq!((&owed[0].to, owed[0].until), (&user_id("bob"), world.now.plus(Duration::from_secs(32))));
    assert_eq!(owed[0].clients, [ClientId::from("b1"), ClientId::from("b2")]);
    let notice = Notice::TornDown {
        temporary: group_id("joint"),
        constituents: vec![group_id("fire"), group_id("police")],
        transaction_id: "t-2".to_owned(),
        requestor: user_id("dispatcher"),
    };
    assert_eq!(owed[0].notice, notice);
}

#[test]
fn step_7_confirms_without_waiting_for_a_member() {
    let mut world = formed_world();
    world.affiliate("bob", "b1", &["fire"]);
    let outcome = done(&mut world, teardown("dispatcher", "joint"));
    assert!(outcome.wait.is_none());
    let result = OperationResult {
        operation: GmsOperation::Teardown,
        group: group_id("joint"),
        transaction_id: "t-2".to_owned(),
        in_reply_to: "request-1".to_owned(),
        document: None,
        failure: None,
    };
    let owed = owed_in(&outcome).pop().unwrap();
    assert_eq!((owed.to, owed.notice), (user_id("dispatcher"), Notice::Result(result)));
    assert_eq!(owed.clients, [ClientId::from("desk")]);
}

#[test]
fn a_formation_that_a_member_has_not_heard_of_is_no_longer_told() {
    let mut world = world();
    world.affiliate("alice", "a1", &["fire"]);
    let request = formation("dispatcher", "joint", &["fire", "police"]);
    world.ask(|view| crate::gms::formation::request(view, request)).unwrap();
    done(&mut world, teardown("dispatcher", "joint"));
    let left: Vec<_> = world.model.all_owed().map(|owed| &owed.notice).collect();
    assert_eq!(left.len(), 3, "two results and the notification of the teardown");
    assert!(!left.iter().any(|notice| matches!(notice, Notice::Regrouped { .. })));
}

#[test]
fn a_repetition_is_confirmed_again_although_the_group_is_gone() {
    let mut world = formed_world();
    world.affiliate("bob", "b1", &["fire"]);
    done(&mut world, teardown("dispatcher", "joint"));
    let again = done(&mut world, teardown("dispatcher", "joint"));
    assert_eq!(order(&again), ["200", "result to sip:dispatcher@one.example"]);
    assert_eq!(again.changes.len(), 1);
    let mut other = teardown("dispatcher", "joint");
    other.operation.transaction_id = Some("t-3".to_owned());
    assert_eq!(refusal(&mut world, other), Refusal::GroupNotFound(group_id("joint")));
}

#[test]
fn the_transaction_id_of_the_formation_is_not_used_for_the_teardown() {
    let mut world = formed_world();
    let mut ask = teardown("dispatcher", "joint");
    ask.operation.transaction_id = Some("t-1".to_owned());
    ask.hash = 2;
    assert_eq!(refusal(&mut world, ask), Refusal::TransactionReused);
    assert!(world.model.group(Side::Gms, group_id("joint").as_str()).is_some());
}

#[test]
fn a_group_that_is_not_temporary_is_not_torn_down() {
    let mut world = formed_world();
    for name in ["rail", "fire"] {
        let refused = refusal(&mut world, teardown("dispatcher", name));
        assert_eq!(refused, Refusal::NotTemporary(group_id(name)));
        assert_eq!(answer(&refused), (403, vec![None]));
        assert_eq!(refused.answer().warnings[0].text, "the group is not a temporary group");
    }
}

#[test]
fn a_group_that_does_not_exist_is_not_found() {
    let mut world = formed_world();
    let refused = refusal(&mut world, teardown("dispatcher", "none"));
    assert_eq!(refused, Refusal::GroupNotFound(group_id("none")));
    assert_eq!(answer(&refused), (404, vec![Some(163)]));
}

#[test]
fn without_allow_regroup_nothing_is_torn_down() {
    let mut world = formed_world();
    for (sender, group) in [("alice", "joint"), ("alice", "none"), ("alice", "fire"), ("stranger", "joint")] {
        let refused = refusal(&mut world, teardown(sender, group));
        assert_eq!(refused, Refusal::NotAuthorised);
        assert_eq!(answer(&refused), (403, vec![Some(100)]));
    }
}

#[test]
fn another_user_tears_down_only_what_every_constituent_lets_him() {
    for (rule, allowed) in [(Who::Anyone, true), (Who::Users(vec![user_id("dispatcher")]), false)] {
        let mut world = world_with("police", |group| group.rules.regroup = rule);
        form(&mut world);
        assert_eq!(world.ask(|view| request(view, teardown("chief", "joint"))).is_ok(), allowed);
        // Who formed it always may.
        assert_eq!(world.ask(|view| request(view, teardown("dispatcher", "joint"))).is_ok(), !allowed);
    }
}

#[test]
fn a_policy_that_cannot_be_read_permits_nothing() {
    let mut world = world();
    world.apply(&regrouping(&temporary_group("joint", &["fire", "gone"])));
    assert_eq!(refusal(&mut world, teardown("chief", "joint")), Refusal::NotAuthorised);
    world.apply(&regrouping(&temporary_group("far", &["sip:a@two.example", "sip:b@two.example"])));
    assert_eq!(refusal(&mut world, teardown("chief", "far")), Refusal::NotAuthorised);
    // The one who formed it can still end it, and every mark goes.
    done(&mut world, teardown("dispatcher", "joint"));
    assert!(world.model.regrouped(Side::Gms, group_id("gone").as_str()).is_none());
}

#[test]
fn the_group_may_be_named_in_any_of_its_places() {
    let joint = group_id("joint").to_string();
    let mut in_info = ask("dispatcher", OperationKind::GroupRegroupTeardown, None);
    in_info.info.request_uri = Some(joint.clone());
    let mut in_document = ask("dispatcher", OperationKind::GroupRegroupTeardown, None);
    in_document.operation.group = Some(GroupProposal { uri: joint, ..GroupProposal::default() });
    for ask in [in_info, in_document] {
        let mut world = formed_world();
        done(&mut world, ask);
        assert!(world.model.group(Side::Gms, group_id("joint").as_str()).is_none());
    }
}

#[test]
fn a_request_without_a_group_or_with_two_is_malformed() {
    let mut world = formed_world();
    let none = ask("dispatcher", OperationKind::GroupRegroupTeardown, None);
    assert_eq!(answer(&refusal(&mut world, none)), (400, vec![None]));
    let mut two = teardown("dispatcher", "joint");
    two.info.request_uri = Some("sip:fire@one.example".to_owned());
    assert_eq!(answer(&refusal(&mut world, two)), (400, vec![None]));
}

#[test]
fn a_group_named_by_an_encrypted_element_only_is_not_known() {
    let mut world = formed_world();
    let mut hidden = ask("dispatcher", OperationKind::GroupRegroupTeardown, None);
    hidden.info.encrypted = true;
    let refused = refusal(&mut world, hidden);
    assert_eq!(refused, Refusal::Encrypted);
    assert_eq!(answer(&refused), (403, vec![Some(140)]));
    let mut named = teardown("dispatcher", "joint");
    named.info.encrypted = true;
    done(&mut world, named);
}

#[test]
fn another_operation_is_not_taken_for_a_teardown() {
    let mut world = formed_world();
    let refused = refusal(&mut world, formation("dispatcher", "joint", &["fire", "police"]));
    assert_eq!(refused, Refusal::UnknownOperation);
}

#[test]
fn the_constituents_are_free_for_the_next_temporary_group() {
    let mut world = formed_world();
    done(&mut world, teardown("dispatcher", "joint"));
    let mut ask = formation("chief", "joint", &["fire", "rail"]);
    ask.operation.transaction_id = None;
    world.ask(|view| crate::gms::formation::request(view, ask)).unwrap();
    let mark = world.model.regrouped(Side::Gms, group_id("fire").as_str()).unwrap();
    assert_eq!(mark.requestor, user_id("chief"));
}
