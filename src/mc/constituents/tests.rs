use crate::documents::McInfo;
use crate::mc::testing::*;
use crate::model::testing::*;
use crate::model::*;
use crate::procedure::*;

/// `joint` of `fire` (alice, bob) here and `ems` of a partner.
fn board(change: impl FnOnce(&mut GroupDocument)) -> Switchboard {
    let mut board = Switchboard::new(["alice", "bob"].map(user), [group("fire", &["alice", "bob"])]);
    board.world.affiliate("alice", "a1", &["fire"]);
    board.world.affiliate("bob", "b1", &["fire"]);
    let mut joint = temporary_group("joint", &["fire", "sip:ems@two.example"]);
    change(&mut joint);
    board.world.apply(&regrouping(&joint));
    board
}

const SERVER: &str = "ncf(ems@two.example)";

fn list(users: &[&str]) -> Rejection {
    let users = users.iter().map(|user| user_id(user)).collect();
    let group = GroupId::from("sip:ems@two.example");
    Rejection { status: 403, members: Some(Box::new(SharedMembers { group, users })), ..Rejection::default() }
}

#[test]
fn members_that_a_partner_names_are_invited_each_once() {
    let mut board = board(|_| ());
    board.elsewhere.insert(user_id("sip:zoe@two.example"));
    let (_, lines) = board.call("alice", "joint");
    assert_eq!(
        lines,
        [&format!("{SERVER} <- INVITE joint by alice"), "bob <- INVITE joint by alice", "alice <- 200"]
    );
    assert_eq!(
        board.reject_with(SERVER, list(&["alice", "bob", "sip:zoe@two.example"])),
        ["pf(zoe@two.example) <- INVITE joint by alice"],
        "neither the caller nor whoever is asked already"
    );
    board.accept("pf(zoe@two.example)");
    let call = board.the_call();
    assert!(call.members.contains_key(&user_id("sip:zoe@two.example")), "she may come back");
}

#[test]
fn a_refusal_of_the_partner_is_one_member_that_failed() {
    let mut board = board(|_| ());
    board.call("alice", "joint");
    assert!(board.reject(SERVER, 480).is_empty());
    assert_eq!(board.reject("bob", 486), ["alice <- BYE"]);
    board.assert_quiet();
}

#[test]
fn a_partner_that_speaks_for_its_members_is_one_participant_and_its_147_stays_between_us() {
    let mut board = board(|group| group.minimum_to_start = 1);
    let (alice, _) = board.call("alice", "joint");
    let warnings = vec![Warning::coded(147), Warning::coded(111)];
    assert_eq!(board.accept_with(SERVER, warnings), ["alice <- 200 111"]);
    let call = board.the_call().id;
    assert_eq!(board.in_call(call), ["alice", "ems@two.example"]);
    board.reject("bob", 486);
    assert_eq!(board.hang_up(alice), [format!("{SERVER} <- BYE")]);
    board.assert_quiet();
}

#[test]
fn nobody_is_disturbed_before_the_callers_system_vouches_for_it() {
    let stranger = || Switchboard::from_elsewhere("sip:zoe@two.example", "joint");
    let asked = [format!("{SERVER} <- INVITE joint by zoe@two.example")];
    for named in [true, false] {
        let mut board = board(|_| ());
        let (_, lines) = board.call_from_elsewhere("zoe", stranger());
        assert_eq!(lines, asked);
        let users: &[&str] = if named { &["sip:zoe@two.example"] } else { &["bob"] };
        let lines = board.reject_with(SERVER, list(users));
        if named {
            assert_eq!(sorted(lines).last().unwrap(), "pf(zoe) <- 200");
        } else {
            assert_eq!(lines, ["pf(zoe) <- 403 116"]);
            board.assert_quiet();
        }
    }
    // The partner is silent: its silence is the answer.
    let mut board = board(|_| ());
    board.call_from_elsewhere("zoe", stranger());
    assert_eq!(board.reject(SERVER, 408), ["pf(zoe) <- 408"]);
    board.assert_quiet();
}

/// What a participating function of the partner sends for a user of its own to `joint`, a chat group.
fn chat(user: &str) -> Invitation {
    let mut invitation = Switchboard::from_elsewhere(user, "joint");
    invitation.info.session_type = Some("chat".to_owned());
    invitation
}

#[test]
fn whoever_begins_a_chat_group_call_from_elsewhere_needs_somebody_who_vouches() {
    let asked = [format!("{SERVER} <- INVITE joint by zoe@two.example")];
    let may_begin = Rejection { status: 403, warnings: vec![Warning::coded(147)], ..Rejection::default() };
    let answers = [
        (list(&["sip:zoe@two.example", "sip:yan@two.example"]), "pf(zoe) <- 200"),
        (may_begin, "pf(zoe) <- 200"),
        (list(&["sip:yan@two.example"]), "pf(zoe) <- 403 116"),
        (Refusal::NotMember(group_id("ems")).into(), "pf(zoe) <- 403 116"),
    ];
    for (answer, expected) in answers {
        let mut board = board(|group| group.prearranged = false);
        let (_, lines) = board.call_from_elsewhere("zoe", chat("sip:zoe@two.example"));
        assert_eq!(lines, asked);
        assert_eq!(board.invited(SERVER).info.session_type.as_deref(), Some("chat"));
        assert_eq!(board.reject_with(SERVER, answer), [expected], "nobody is invited");
        if expected.contains("403") {
            board.assert_quiet();
        }
    }
}

#[test]
fn members_that_a_partner_names_may_join_the_call_of_a_chat_group() {
    let mut board = board(|group| group.prearranged = false);
    let (_, lines) = board.call_with("alice", {
        let mut invitation = Switchboard::invitation("alice", "joint");
        invitation.info.session_type = Some("chat".to_owned());
        invitation
    });
    assert_eq!(sorted(lines), ["alice <- 200".to_owned(), format!("{SERVER} <- INVITE joint by alice")]);
    let (_, lines) = board.call_from_elsewhere("zoe", chat("sip:zoe@two.example"));
    let answers = [format!("{SERVER} <- INVITE joint by zoe@two.example")];
    assert_eq!(lines, answers, "not named yet: her system is asked about her");
    assert_eq!(board.reject_with(SERVER, list(&["sip:zoe@two.example"])), ["pf(zoe) <- 200 123"]);
    board.call_from_elsewhere("yan", chat("sip:yan@two.example"));
    assert_eq!(board.reject_with(SERVER, list(&["sip:zoe@two.example"])), ["pf(yan) <- 403 120"]);
}

// A call in an emergency affiliates members: of whom no constituent is known here, it does not make one.
#[test]
fn a_stranger_does_not_come_into_a_running_call_by_an_emergency() {
    let mut board = board(|_| ());
    board.call("alice", "joint");
    board.accept("bob");
    let call = board.the_call().id;
    for stranger in ["sip:zoe@two.example", "sip:mallory@three.example", "mallory"] {
        let mut invitation = Switchboard::from_elsewhere(stranger, "joint");
        invitation.info.emergency = Some(true);
        let (_, mut lines) = board.call_from_elsewhere("stranger", invitation);
        if lines[0].starts_with(SERVER) {
            lines = board.reject_with(SERVER, list(&["bob"]));
        }
        assert_eq!(lines, ["pf(stranger) <- 403 120"], "{stranger}");
    }
    assert_eq!(board.in_call(call), ["alice", "bob"]);
    let joint = group_id("joint");
    assert_eq!(board.world.model.owned_affiliations(joint.as_str()).count(), 0);
}

#[test]
fn required_members_of_a_list_come_first_and_a_cut_is_told() {
    let mut board = board(|group| {
        group.max_participants = Some(3);
        group.minimum_to_start = 2;
    });
    board.elsewhere.extend(["yan", "zoe"].map(|name| user_id(&format!("sip:{name}@two.example"))));
    board.call("alice", "joint");
    let lines = board.reject_with(SERVER, list(&["sip:yan@two.example", "sip:zoe@two.example"]));
    assert_eq!(lines, ["pf(yan@two.example) <- INVITE joint by alice"]);
    board.accept("bob");
    assert_eq!(board.accept("pf(yan@two.example)"), ["alice <- 200 122"]);
}

/// Calls of alice, bob and dave on `fire` and of bob and carol on `police`, which were then regrouped into `joint`. Each of
/// them may have one call at a time.
fn running(calls: &[&str]) -> Switchboard {
    let users = ["alice", "bob", "carol", "dave"];
    let groups = [group("fire", &["alice", "bob", "dave"]), group("police", &["bob", "carol"])];
    let mut board =
        Switchboard::new(users.map(|name| user_with(name, |profile| profile.max_calls_n6 = Some(1))), groups);
    board.world.affiliate("alice", "a1", &["fire"]);
    board.world.affiliate("bob", "b1", &["fire", "police"]);
    board.world.affiliate("carol", "c1", &["police"]);
    board.world.affiliate("dave", "d1", &["fire"]);
    for call in calls {
        let caller = if *call == "fire" { "alice" } else { "carol" };
        board.call(caller, call);
        for phone in board.ends(EndState::Invited) {
            board.accept_on(phone, Vec::new());
        }
    }
    board.world.apply(&regrouping(&temporary_group("joint", &["fire", "police"])));
    board
}

fn calls_of(board: &Switchboard) -> Vec<(String, Vec<String>)> {
    let calls = board.world.model.calls();
    let mut calls: Vec<_> =
        calls.map(|call| (short(call.group.id.as_str()), board.in_call(call.id))).collect();
    calls.sort();
    calls
}

fn call(group: &str, users: &[&str]) -> (String, Vec<String>) {
    (group.to_owned(), users.iter().map(|user| (*user).to_owned()).collect())
}

// TS 24.379 10.1.1.5.2: case of a running call, with the controlling function in the same process.
#[test]
fn a_running_call_of_our_own_constituent_is_taken_along_and_goes_on_afterwards() {
    let mut board = running(&["fire"]);
    let (carol, lines) = board.call("carol", "joint");
    assert_eq!(lines, ["carol <- 200"], "bob is in already, by his call on fire");
    assert_eq!(
        calls_of(&board),
        [call("fire", &["alice", "bob", "dave", "joint"]), call("joint", &["carol", "fire"])]
    );
    board.assert_consistent();
    board.hang_up(carol);
    assert_eq!(calls_of(&board), [call("fire", &["alice", "bob", "dave"])]);
    // Another call of the temporary group, torn down meanwhile: nobody loses anything.
    let (carol, _) = board.call("carol", "joint");
    board.tear_down();
    board.hang_up(carol);
    assert_eq!(calls_of(&board), [call("fire", &["alice", "bob", "dave"])]);
    let alice = board.phone("alice");
    board.hang_up(alice);
    let bob = board.phone("bob");
    assert_eq!(board.hang_up(bob), ["dave <- BYE"]);
    board.assert_quiet();
}

// N6 is 1: the old session does not count, and gives way.
#[test]
fn whoever_calls_out_of_a_running_call_leaves_it_for_that_of_the_temporary_group() {
    let mut board = running(&["fire"]);
    let old = board.phone("alice");
    let (alice, lines) = board.call("alice", "joint");
    assert_eq!(lines, ["carol <- INVITE joint by alice", "alice <- 200", "alice <- BYE"]);
    assert!(board.ends(EndState::Over).contains(&old));
    assert_eq!(
        calls_of(&board),
        [call("fire", &["bob", "dave", "joint"]), call("joint", &["alice", "fire"])]
    );
    board.accept("carol");
    board.assert_consistent();
    // Her other call would be one too many.
    board.put_group(group("other", &["alice"]));
    let (_, lines) = board.call("alice", "other");
    assert_eq!(lines, ["alice <- 486 103"]);
    assert!(board.hang_up(alice).is_empty());
    let carol = board.phone("carol");
    assert!(board.hang_up(carol).is_empty(), "fire goes on");
    assert_eq!(calls_of(&board), [call("fire", &["bob", "dave"])]);
}

#[test]
fn a_call_that_is_refused_costs_nobody_the_running_one() {
    let mut board = running(&["fire"]);
    let mut joint = temporary_group("joint", &["fire", "police"]);
    joint.minimum_affiliated = Some(9);
    board.put_group(joint);
    let (_, lines) = board.call("alice", "joint");
    assert_eq!(lines, ["alice <- 480 112"]);
    assert_eq!(calls_of(&board), [call("fire", &["alice", "bob", "dave"])]);
}

#[test]
fn running_calls_of_two_constituents_meet_in_that_of_the_temporary_group() {
    let mut board = running(&["fire", "police"]);
    let (alice, lines) = board.call("alice", "joint");
    assert_eq!(lines, ["alice <- 200", "alice <- BYE"]);
    assert_eq!(
        calls_of(&board),
        [
            call("fire", &["bob", "dave", "joint"]),
            call("joint", &["alice", "fire", "police"]),
            call("police", &["bob", "carol", "joint"]),
        ]
    );
    assert!(board.hang_up(alice).is_empty(), "two constituents are left");
    board.assert_consistent();
    // One after the other leaves.
    let police = board.world.model.call_on(Service::Mcptt, "sip:police@one.example").unwrap().id;
    let leg = board.world.model.participants(police).find(|one| one.user == user_id("carol")).unwrap().leg;
    let _ = leg;
    let carol = board.phone("carol");
    board.hang_up(carol);
    assert_eq!(calls_of(&board).len(), 3, "bob has others to speak to");
    board.assert_consistent();
}

#[test]
fn a_required_member_in_a_running_call_is_there() {
    let mut board = running(&["fire"]);
    let required = Member { required: true, ..Member::default() };
    let marked = [("alice", Member::default()), ("bob", required), ("dave", Member::default())];
    board.put_group(group_with_members("fire", &marked));
    let (_, lines) = board.call("carol", "joint");
    assert_eq!(lines, ["carol <- 200"]);
}

#[test]
fn members_who_are_not_in_the_running_call_are_invited_once() {
    let mut board = running(&["fire"]);
    let phone = board.phone("dave");
    board.hang_up(phone);
    let (_, lines) = board.call("carol", "joint");
    assert_eq!(lines, ["dave <- INVITE joint by carol", "carol <- 200"]);
    // Late entry: of whoever is in neither.
    assert!(board.affiliate_to("bob", "b2", "fire", &["fire"]).is_empty());
    board.reject("dave", 408);
    assert_eq!(board.affiliate_to("dave", "d2", "fire", &["fire"]), ["dave <- INVITE joint by carol"]);
}

#[test]
fn a_running_call_that_cannot_be_taken_along_has_its_users_invited() {
    let mut board = running(&["fire"]);
    // One port for the caller, one for its leg to the constituent, none for the constituent's.
    let taken: Vec<u16> = std::iter::from_fn(|| board.world.media.take()).collect();
    taken[..2].iter().for_each(|port| board.world.media.give_back(*port));
    let (_, lines) = board.call("carol", "joint");
    assert_eq!(lines, ["carol <- 200", "alice <- INVITE joint by carol"], "with the port that is free again");
    taken[2..].iter().for_each(|port| board.world.media.give_back(*port));
    board.assert_consistent();
}

#[test]
fn a_restart_leaves_a_running_call_where_it_was_taken() {
    let mut board = running(&["fire"]);
    let (carol, _) = board.call("carol", "joint");
    assert!(board.restart().is_empty());
    assert_eq!(calls_of(&board).len(), 2);
    board.assert_consistent();
    assert!(board.hang_up(carol).is_empty());
    assert_eq!(calls_of(&board), [call("fire", &["alice", "bob", "dave"])]);
}

// TS 24.379 10.1.1.4.7, both ways.
#[test]
fn an_emergency_passes_through_the_call_that_was_taken_along() {
    let mut board = running(&["fire"]);
    let (carol, _) = board.call("carol", "joint");
    let emergency = McInfo { emergency: Some(true), ..McInfo::default() };
    let lines = board.offer(carol, None, Some(emergency));
    let told: Vec<_> = ["alice", "bob", "dave"]
        .map(|name| format!("{name} <- re-INVITE emergency no-alert"))
        .into_iter()
        .chain(["carol <- re 200 emergency no-alert".to_owned()])
        .collect();
    assert_eq!(sorted(lines), sorted(told));
    for name in ["alice", "bob", "dave"] {
        let phone = board.phone(name);
        board.accept_offer(phone);
    }
    let over = McInfo { emergency: Some(false), ..McInfo::default() };
    let alice = board.phone("alice");
    let lines = board.offer(alice, None, Some(over));
    assert_eq!(
        sorted(lines),
        [
            "alice <- re 200",
            "bob <- re-INVITE no-emergency no-imminent-peril",
            "carol <- re-INVITE no-emergency no-imminent-peril",
            "dave <- re-INVITE no-emergency no-imminent-peril",
        ]
    );
}

// A partner that shares its members, whose own call is running: its users come over one by one.
#[test]
fn a_user_invited_out_of_a_running_call_leaves_it_on_acceptance() {
    let mut board = Switchboard::fire(|_| ());
    board.call("alice", "fire");
    board.accept("bob");
    board.accept("carol");
    let mark = Regrouped {
        temporary: GroupId::from("sip:tg@two.example"),
        requestor: user_id("sip:zoe@two.example"),
        constituents: vec![group_id("fire")],
        priority: None,
        protect_media: false,
        protect_floor_control: false,
    };
    board.world.apply(&[Change::Put(Fact::Regrouped(Side::Mc, group_id("fire"), mark))]);
    let invite = |user: &str| {
        let mut invitation = Switchboard::from_elsewhere("sip:zoe@two.example", "fire");
        invitation.info.request_uri = Some(user_id(user).to_string());
        invitation.info.calling_group = Some("sip:tg@two.example".to_owned());
        invitation.info.client_id = None;
        invitation.focus = true;
        invitation.asserted = Some(Psi::from("sip:cf@two.example"));
        invitation
    };
    for (user, left) in [("bob", vec!["bob <- BYE"]), ("carol", vec!["carol <- BYE", "alice <- BYE"])] {
        let (_, lines) = board.invite_from_elsewhere(invite(user));
        assert_eq!(lines, [format!("{user} <- INVITE tg@two.example by zoe@two.example")]);
        let lines = board.accept(user);
        assert_eq!(lines[0], "cf <- 200");
        assert_eq!(lines[1..], left);
        board.assert_consistent();
    }
    assert_eq!(board.world.model.calls().count(), 0);
}

// The member's own function says so: 486 with Warning 123.
#[test]
fn a_required_member_that_is_in_the_call_by_another_function_is_there() {
    let mut board = board(|_| ());
    let bob = Member { required: true, ..Member::default() };
    board.put_group(group_with_members("fire", &[("alice", Member::default()), ("bob", bob)]));
    board.elsewhere.insert(user_id("bob"));
    board.call("alice", "joint");
    let there = Rejection { status: 486, warnings: vec![Warning::coded(123)], ..Rejection::default() };
    assert_eq!(board.reject_with("pf(bob)", there), ["alice <- 200"]);
}
