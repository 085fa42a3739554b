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
