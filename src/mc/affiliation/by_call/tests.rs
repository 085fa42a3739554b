//! TS 24.379 9.2.2.2.12 to 9.2.2.2.14 at the serving server, 9.2.2.3.6 and 9.2.2.3.7 at the one that owns the group.

use crate::mc::testing::*;
use crate::model::testing::*;
use crate::model::*;
use crate::procedure::*;

/// Dave is a member of `fire` and not affiliated; `change` makes `fire` what the test needs.
fn board(change: impl FnOnce(&mut GroupDocument)) -> Switchboard {
    Switchboard::fire(change)
}

fn chat(user: &str) -> Invitation {
    let mut invitation = Switchboard::invitation(user, "fire");
    invitation.info.session_type = Some("chat".to_owned());
    invitation
}

fn emergency(user: &str) -> Invitation {
    let mut invitation = Switchboard::invitation(user, "fire");
    invitation.info.emergency = Some(true);
    invitation
}

/// Dave's entries: group, status, whether a call in set-up brought it.
fn entries(board: &Switchboard) -> Vec<(String, AffiliationStatus, bool)> {
    let records = board.world.model.affiliations_of("sip:dave@one.example");
    records
        .flat_map(|record| &record.groups)
        .map(|entry| (short(entry.group.as_str()), entry.status, entry.by_call))
        .collect()
}

fn affiliated(group: &str) -> Vec<(String, AffiliationStatus, bool)> {
    vec![(group.to_owned(), AffiliationStatus::Affiliated, false)]
}

fn affiliating(group: &str) -> Vec<(String, AffiliationStatus, bool)> {
    vec![(group.to_owned(), AffiliationStatus::Affiliating, true)]
}

#[test]
fn who_joins_a_chat_group_is_affiliated_by_it_and_stays_so_after_the_call() {
    let mut board = board(|group| group.prearranged = false);
    let (dave, lines) = board.call_with("dave", chat("dave"));
    assert_eq!(lines, ["NOTIFY of dave", "GMS: dave true fire", "dave <- 200"]);
    assert_eq!(entries(&board), affiliated("fire"));
    board.hang_up(dave);
    board.assert_quiet();
    assert_eq!(entries(&board), affiliated("fire"));
    // Once affiliated, nothing more is to be told.
    let (_, lines) = board.call_with("dave", chat("dave"));
    assert_eq!(lines, ["dave <- 200"]);
}

#[test]
fn who_joins_a_chat_group_call_that_runs_is_affiliated_too() {
    let mut board = board(|group| group.prearranged = false);
    board.call_with("alice", chat("alice"));
    let (_, lines) = board.call_with("dave", chat("dave"));
    assert_eq!(lines, ["NOTIFY of dave", "GMS: dave true fire", "dave <- 200 123"]);
    assert_eq!(entries(&board), affiliated("fire"));
}

#[test]
fn a_join_that_is_refused_leaves_no_affiliation() {
    let mut board = board(|group| {
        group.prearranged = false;
        group.rules.join = Who::Users(vec![user_id("alice")]);
    });
    let (_, lines) = board.call_with("dave", chat("dave"));
    assert_eq!(lines, ["NOTIFY of dave", "dave <- 403 106"]);
    assert!(entries(&board).is_empty());
    // Who is no member is not eligible: 9.2.2.3.8.
    let (_, lines) = board.call_with("erin", chat("erin"));
    assert_eq!(lines, ["NOTIFY of erin", "erin <- 403 116"]);
    assert!(board.world.model.affiliations_of("sip:erin@one.example").next().is_none());
}

#[test]
fn an_ordinary_call_on_a_prearranged_group_affiliates_nobody() {
    let mut board = board(|_| ());
    let (_, lines) = board.call("dave", "fire");
    assert_eq!(lines, ["dave <- 403 120"]);
    assert!(entries(&board).is_empty());
    board.call("alice", "fire");
    let (_, lines) = board.call("dave", "fire");
    assert_eq!(lines, ["dave <- 403 120"], "nor does one that joins");
}

#[test]
fn an_emergency_call_affiliates_when_it_is_accepted_not_before() {
    let mut board = board(|group| group.minimum_to_start = 1);
    let (_, lines) = board.call_with("dave", emergency("dave"));
    assert_eq!(lines.iter().filter(|line| line.contains("INVITE")).count(), 3);
    assert_eq!(entries(&board), affiliating("fire"));
    assert!(!board.world.model.is_affiliated(
        Service::Mcptt,
        "sip:dave@one.example",
        "d1",
        "sip:fire@one.example"
    ));
    let lines = board.accept("bob");
    assert_eq!(lines, ["NOTIFY of dave", "GMS: dave true fire", "dave <- 200 emergency no-alert"]);
    assert_eq!(entries(&board), affiliated("fire"));
}

#[test]
fn imminent_peril_affiliates_as_well_and_so_does_joining_with_it() {
    let peril = |user: &str| {
        let mut invitation = Switchboard::invitation(user, "fire");
        invitation.info.imminent_peril = Some(true);
        invitation
    };
    let mut one = board(|_| ());
    let (_, lines) = one.call_with("dave", peril("dave"));
    assert!(lines.contains(&"dave <- 200 imminent-peril".to_owned()), "{lines:?}");
    assert_eq!(entries(&one), affiliated("fire"));
    let mut other = board(|_| ());
    other.call("alice", "fire");
    let (_, lines) = other.call_with("dave", peril("dave"));
    assert!(lines.contains(&"dave <- 200 123 imminent-peril".to_owned()), "{lines:?}");
    assert_eq!(entries(&other), affiliated("fire"));
}

#[test]
fn an_emergency_call_that_is_not_allowed_or_fails_leaves_no_affiliation() {
    let mut forbidden = board(|group| group.rules.emergency_call = Who::Nobody);
    let (_, lines) = forbidden.call_with("dave", emergency("dave"));
    assert_eq!(lines, ["NOTIFY of dave", "dave <- 403 no-emergency no-alert"]);
    assert!(entries(&forbidden).is_empty());

    let mut alone = board(|group| group.minimum_to_start = 1);
    alone.call_with("dave", emergency("dave"));
    for name in ["alice", "bob"] {
        assert!(alone.reject(name, 486).is_empty());
    }
    assert_eq!(alone.reject("carol", 486), ["NOTIFY of dave", "dave <- 486"]);
    assert!(entries(&alone).is_empty());
    alone.assert_quiet();
}

#[test]
fn a_caller_that_gives_up_is_not_affiliated() {
    let mut board = board(|group| group.minimum_to_start = 1);
    let (dave, _) = board.call_with("dave", emergency("dave"));
    let lines = board.cancel(dave);
    assert!(lines.contains(&"NOTIFY of dave".to_owned()), "{lines:?}");
    assert!(entries(&board).is_empty());
    board.assert_quiet();
}

// Race: CANCEL against the acceptance of an owner elsewhere, which affiliates.
#[test]
fn a_call_that_was_given_up_is_on_its_way_out_until_the_invite_is_over() {
    let mut board = board(|group| group.prearranged = false);
    let functions =
        Functions { controlling: vec![Psi::new("sip:groups@one.example")], ..Functions::default() };
    let partner = Partner { domain: "one.example".to_owned(), functions, ..Partner::default() };
    board.world.policy.domain = "two.example".to_owned();
    board.world.policy.partners.insert("one.example".to_owned(), partner);
    board.controlling_elsewhere = true;
    let (dave, _) = board.call_with("dave", chat("dave"));
    assert_eq!(board.cancel(dave), ["NOTIFY of dave", "cf <- CANCEL"]);
    assert_eq!(entries(&board), vec![("fire".to_owned(), AffiliationStatus::Deaffiliating, true)]);
    // It does not count for N6, and the next call brings an entry of its own, which stays.
    let cf = board.phone("cf");
    board.call_with("dave", chat("dave"));
    assert_eq!(entries(&board), affiliating("fire"));
    assert!(board.say(cf, LegEvent::GivenUp { status: 487 }).is_empty());
    assert_eq!(entries(&board), affiliating("fire"));
    assert_eq!(board.reject("cf", 403), ["NOTIFY of dave", "dave <- 403"]);
    assert!(entries(&board).is_empty());
    board.assert_quiet();
}

#[test]
fn the_caller_counts_for_the_least_number_of_affiliated_members() {
    let mut board = board(|group| group.minimum_affiliated = Some(4));
    let (_, lines) = board.call("alice", "fire");
    assert_eq!(lines, ["alice <- 480 112"]);
    let (_, lines) = board.call_with("dave", emergency("dave"));
    assert!(lines.contains(&"dave <- 200 emergency no-alert".to_owned()), "{lines:?}");
}

#[test]
fn beyond_n2_the_call_is_refused_and_the_owner_hears_nothing() {
    let member = group("police", &["dave"]);
    let mut fire = group("fire", &["dave"]);
    fire.prearranged = false;
    let limited = user_with("dave", |profile| profile.max_affiliations_n2 = Some(1));
    let mut board = Switchboard::new([limited], [fire, member]);
    board.controlling_elsewhere = true;
    board.world.affiliate("dave", "d2", &["police"]);
    let before = entries(&board);
    let (_, lines) = board.call_with("dave", chat("dave"));
    assert_eq!(lines, ["dave <- 486 102"]);
    assert_eq!(entries(&board), before);
    // The group counts once, whichever client has it.
    board.world.affiliate("dave", "d2", &["fire"]);
    let (_, lines) = board.call_with("dave", chat("dave"));
    assert_eq!(lines, ["cf <- INVITE fire by dave"]);
    // And what a call is about to bring counts as well.
    board.world.affiliate("dave", "d2", &[]);
    let mut police = Switchboard::invitation("dave", "police");
    police.info.emergency = Some(true);
    let (_, lines) = board.call_with("dave", police);
    assert_eq!(lines, ["dave <- 486 102"]);
}

#[test]
fn an_owner_in_another_process_decides() {
    let asked = || {
        let mut board = board(|group| group.prearranged = false);
        board.controlling_elsewhere = true;
        let (_, lines) = board.call_with("dave", chat("dave"));
        assert_eq!(lines, ["cf <- INVITE fire by dave"], "no PUBLISH, no NOTIFY");
        assert_eq!(entries(&board), affiliating("fire"));
        board
    };
    let mut accepted = asked();
    assert_eq!(accepted.accept("cf"), ["NOTIFY of dave", "GMS: dave true fire", "dave <- 200"]);
    assert_eq!(entries(&accepted), affiliated("fire"));
    for status in [302, 403, 480, 500, 603] {
        let mut refused = asked();
        let lines = refused.reject("cf", status);
        assert_eq!(lines, ["NOTIFY of dave".to_owned(), format!("dave <- {status}")]);
        assert!(entries(&refused).is_empty());
    }
}

#[test]
fn a_participating_function_elsewhere_is_believed_and_its_user_taken_in() {
    let mut board = board(|group| group.prearranged = false);
    let mut invitation = chat("dave");
    invitation.info.calling_user = Some(user_id("dave").to_string());
    let (_, lines) = board.call_from_elsewhere("dave", invitation);
    assert_eq!(lines, ["NOTIFY of dave", "GMS: dave true fire", "pf(dave) <- 200"]);
    assert_eq!(entries(&board), affiliated("fire"));
}

#[test]
fn a_restart_during_set_up_leaves_nothing_behind() {
    let mut board = board(|group| group.minimum_to_start = 1);
    board.call_with("dave", emergency("dave"));
    assert_eq!(entries(&board), affiliating("fire"));
    assert!(board.restart().contains(&"NOTIFY of dave".to_owned()));
    assert!(entries(&board).is_empty());
    board.assert_quiet();
}

#[test]
fn what_the_client_publishes_meanwhile_is_its_own() {
    // Listed: the refusal of the call does not take it away.
    let mut board = board(|group| group.prearranged = false);
    board.controlling_elsewhere = true;
    board.call_with("dave", chat("dave"));
    board.world.affiliate("dave", "d1", &["fire"]);
    board.reject("cf", 480);
    assert_eq!(entries(&board), affiliated("fire"));
    // Left out: the acceptance of the call does not bring it back at the serving server.
    board.world.affiliate("dave", "d1", &[]);
    board.call_with("dave", chat("dave"));
    board.world.apply(&[Change::Remove(FactKey::Affiliation(user_id("dave"), ClientId::from("d1")))]);
    assert_eq!(board.accept("cf"), ["dave <- 200"]);
    assert!(entries(&board).is_empty());
}

#[test]
fn a_client_without_a_name_or_with_one_that_cannot_be_kept_is_not_affiliated() {
    let mut board = board(|group| group.prearranged = false);
    let long = "x".repeat(super::super::CLIENT_ID_OCTETS + 1);
    for name in [None, Some(String::new()), Some(long)] {
        let mut invitation = chat("dave");
        invitation.info.client_id = name;
        let (_, lines) = board.call_with("dave", invitation);
        assert_eq!(lines, ["dave <- 403 120"]);
        assert!(entries(&board).is_empty());
    }
}

#[test]
fn more_clients_than_the_limit_cannot_affiliate_by_calls() {
    let mut board = board(|group| group.prearranged = false);
    for number in 0..super::super::CLIENTS_PER_USER {
        board.world.affiliate("dave", &format!("other-{number}"), &["fire"]);
    }
    let (_, lines) = board.call_with("dave", chat("dave"));
    assert_eq!(lines, ["dave <- 403 120"]);
    let mut known = chat("dave");
    known.info.client_id = Some("other-0".to_owned());
    let (_, lines) = board.call_with("dave", known);
    assert_eq!(lines, ["dave <- 200"]);
}

// TS 24.282: a call is no trigger there.
#[test]
fn mcdata_has_no_affiliation_by_call() {
    let mut board = board(|group| {
        group.prearranged = false;
        group.services = vec![Service::McData];
    });
    let (_, lines) = board.call_with("dave", Invitation { service: Service::McData, ..chat("dave") });
    assert_eq!(lines, ["dave <- 403 120"]);
}

#[test]
fn whoever_is_affiliated_to_a_constituent_needs_no_affiliation_to_the_temporary_group() {
    let mut board = Switchboard::joint(|_| ());
    let mut invitation = Switchboard::invitation("alice", "joint");
    invitation.info.emergency = Some(true);
    let (_, lines) = board.call_with("alice", invitation);
    assert!(lines.contains(&"alice <- 200 emergency no-alert".to_owned()), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("GMS")), "{lines:?}");
}

#[test]
fn an_entry_follows_the_call_to_the_temporary_group() {
    let mut board = Switchboard::joint(|_| ());
    board.world.policy.regrouped_call = RegroupedCall::Follow;
    board.world.apply(&[Change::Remove(FactKey::Affiliation(user_id("alice"), ClientId::from("a1")))]);
    let mut invitation = Switchboard::invitation("alice", "fire");
    invitation.info.emergency = Some(true);
    let (_, lines) = board.call_with("alice", invitation);
    assert!(lines.contains(&"GMS: alice true joint".to_owned()), "{lines:?}");
    let records: Vec<_> = board.world.model.affiliations_of("sip:alice@one.example").collect();
    let [record] = records[..] else { panic!("{records:?}") };
    assert_eq!(record.groups.len(), 1);
    assert_eq!(record.groups[0].group, group_id("joint"));

    // Without the follow-up the call ends with the redirection, and nobody is affiliated.
    let mut board = Switchboard::joint(|_| ());
    board.world.apply(&[Change::Remove(FactKey::Affiliation(user_id("alice"), ClientId::from("a1")))]);
    let mut invitation = Switchboard::invitation("alice", "fire");
    invitation.info.emergency = Some(true);
    let (_, lines) = board.call_with("alice", invitation);
    assert_eq!(lines, ["NOTIFY of alice", "alice <- 302 148"]);
    assert!(board.world.model.affiliations_of("sip:alice@one.example").next().is_none());
}
