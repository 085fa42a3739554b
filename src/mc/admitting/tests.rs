use super::JOINS_WAITING;
use crate::mc::testing::*;
use crate::model::testing::*;
use crate::model::*;
use crate::procedure::*;

const SERVER: &str = "ncf(ems@two.example)";

/// Alice and bob in a call on `joint` of `fire` here and `ems` of a partner, which has answered with `answer`.
fn running(answer: Rejection) -> Switchboard {
    let mut board = Switchboard::new(["alice", "bob"].map(user), [group("fire", &["alice", "bob"])]);
    board.world.affiliate("alice", "a1", &["fire"]);
    board.world.affiliate("bob", "b1", &["fire"]);
    board.world.apply(&regrouping(&temporary_group("joint", &["fire", "sip:ems@two.example"])));
    board.call("alice", "joint");
    board.accept("bob");
    board.reject_with(SERVER, answer);
    board
}

fn list(users: &[&str]) -> Rejection {
    let users = users.iter().map(|user| user_id(user)).collect();
    let group = GroupId::from("sip:ems@two.example");
    Rejection { status: 403, members: Some(Box::new(SharedMembers { group, users })), ..Rejection::default() }
}

fn zoe() -> Invitation {
    Switchboard::from_elsewhere("sip:zoe@two.example", "joint")
}

fn warned(status: u16, codes: &[u16]) -> Rejection {
    let warnings = codes.iter().map(|code| Warning::coded(*code)).collect();
    Rejection { status, warnings, ..Rejection::default() }
}

#[test]
fn a_user_whom_its_system_names_by_now_comes_in_and_nobody_is_invited() {
    let mut board = running(list(&[]));
    let (_, lines) = board.call_from_elsewhere("zoe", zoe());
    assert_eq!(lines, [format!("{SERVER} <- INVITE joint by zoe@two.example")]);
    let lines = board.reject_with(SERVER, list(&["sip:yan@two.example", "sip:zoe@two.example"]));
    assert_eq!(lines, ["pf(zoe) <- 200 123"]);
    assert_eq!(board.in_call(board.the_call().id), ["alice", "bob", "zoe@two.example"]);
    // She may come back without being asked about.
    let zoe_leg = board.phone("pf(zoe)");
    board.hang_up(zoe_leg);
    let (_, lines) = board.call_from_elsewhere("zoe", zoe());
    assert_eq!(lines, ["pf(zoe) <- 200 123"]);
    board.assert_consistent();
}

#[test]
fn a_system_that_does_not_name_the_user_or_is_silent_lets_nobody_in() {
    for (answer, line) in [
        (list(&["sip:yan@two.example"]), "pf(zoe) <- 403 120"),
        (warned(403, &[128]), "pf(zoe) <- 403 120"),
        (warned(403, &[119]), "pf(zoe) <- 403 120"),
        (warned(408, &[]), "pf(zoe) <- 408"),
        (warned(503, &[]), "pf(zoe) <- 503"),
    ] {
        let mut board = running(list(&[]));
        board.call_from_elsewhere("zoe", zoe());
        assert_eq!(board.reject_with(SERVER, answer), [line]);
        assert_eq!(board.in_call(board.the_call().id), ["alice", "bob"]);
        board.assert_consistent();
    }
}

#[test]
fn a_function_that_takes_part_already_vouches_in_its_refusal() {
    let mut board = running(list(&[]));
    board.call_from_elsewhere("zoe", zoe());
    assert_eq!(board.reject_with(SERVER, warned(403, &[128, 147])), ["pf(zoe) <- 200 123"]);
}

#[test]
fn a_function_that_takes_part_from_now_on_brings_its_members() {
    let mut board = running(warned(480, &[112]));
    board.call_from_elsewhere("zoe", zoe());
    let ncf = board.phone(SERVER);
    let progress = Progress { status: 183, unconfirmed: false, warnings: vec![Warning::coded(147)] };
    assert_eq!(board.say(ncf, LegEvent::Progress(progress)), ["pf(zoe) <- 200 123"]);
    assert!(board.accept(SERVER).is_empty());
    assert_eq!(board.in_call(board.the_call().id), ["alice", "bob", "ems@two.example", "zoe@two.example"]);
    board.assert_consistent();
}

#[test]
fn whoever_gives_up_is_not_asked_about_any_more() {
    let mut board = running(list(&[]));
    let (caller, _) = board.call_from_elsewhere("zoe", zoe());
    assert_eq!(board.cancel(caller), [format!("{SERVER} <- CANCEL")]);
    board.assert_consistent();
}

#[test]
fn a_call_that_ends_meanwhile_is_told() {
    let mut board = running(list(&[]));
    board.call_from_elsewhere("zoe", zoe());
    let alice = board.phone("alice");
    assert!(board.hang_up(alice).is_empty(), "somebody may come");
    let bob = board.phone("bob");
    assert_eq!(sorted(board.hang_up(bob)), [&format!("{SERVER} <- CANCEL"), "pf(zoe) <- 404 137"]);
    board.assert_quiet();
    // The last one waits in vain.
    let mut board = running(list(&[]));
    board.call_from_elsewhere("zoe", zoe());
    let alice = board.phone("alice");
    board.hang_up(alice);
    assert_eq!(board.reject_with(SERVER, list(&[])), ["pf(zoe) <- 403 120", "bob <- BYE"]);
    board.assert_quiet();
}

#[test]
fn a_call_that_is_full_by_then_takes_nobody_in() {
    let mut board = running(list(&[]));
    board.call_from_elsewhere("zoe", zoe());
    while board.world.media.take().is_some() {}
    // The port of the question is free again, and is hers.
    assert_eq!(board.reject_with(SERVER, list(&["sip:zoe@two.example"])), ["pf(zoe) <- 200 123"]);
}

#[test]
fn only_so_many_wait() {
    let mut board = running(list(&[]));
    for number in 0..=JOINS_WAITING {
        let user = format!("sip:zoe{number}@two.example");
        let (_, lines) = board.call_from_elsewhere("zoe", Switchboard::from_elsewhere(&user, "joint"));
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0] == "pf(zoe) <- 403 120", number == JOINS_WAITING, "{lines:?}");
    }
    board.assert_consistent();
}

// Strangers whose system is not in the temporary group, and users of ours, are not asked about: `joining`.
#[test]
fn a_user_of_ours_is_known_here() {
    let mut board = running(list(&[]));
    board.world.apply(&[Change::Remove(FactKey::Affiliation(user_id("bob"), ClientId::from("b1")))]);
    let (_, lines) = board.call_from_elsewhere("bob", Switchboard::from_elsewhere("bob", "joint"));
    assert_eq!(lines, ["pf(bob) <- 403 120"]);
}
