use crate::mc::testing::*;
use crate::model::testing::*;
use crate::model::*;
use crate::procedure::*;

const TEMPORARY: &str = "sip:tg@two.example";

/// `fire`, regrouped by the partner; bob and carol would come.
fn board() -> Switchboard {
    let mut board = Switchboard::fire(|_| ());
    regroup(&mut board);
    board
}

fn regroup(board: &mut Switchboard) {
    let mark = Regrouped {
        temporary: GroupId::from(TEMPORARY),
        requestor: user_id("sip:zoe@two.example"),
        constituents: vec![group_id("fire"), GroupId::from("sip:ems@two.example")],
        priority: None,
        protect_media: false,
        protect_floor_control: false,
    };
    board.world.apply(&[Change::Put(Fact::Regrouped(Side::Mc, group_id("fire"), mark))]);
}

fn invitation(caller: &str) -> Invitation {
    let mut invitation = Switchboard::from_elsewhere(caller, "fire");
    invitation.info.calling_group = Some(TEMPORARY.to_owned());
    invitation.info.client_id = None;
    invitation.focus = true;
    invitation
}

#[test]
fn the_controlling_function_is_answered_with_the_first_member() {
    let mut board = board();
    let (cf, lines) = board.ask_constituent(invitation("sip:zoe@two.example"));
    assert_eq!(
        sorted(lines),
        [
            "alice <- INVITE tg@two.example by zoe@two.example",
            "bob <- INVITE tg@two.example by zoe@two.example",
            "carol <- INVITE tg@two.example by zoe@two.example",
            "cf <- 183",
        ]
    );
    let info = &board.invited("bob").info;
    assert_eq!(info.associated_group.as_deref(), Some("sip:fire@one.example"));
    assert_eq!(board.accept("bob"), ["cf <- 200"]);
    board.accept("carol");
    board.reject("alice", 486);
    assert_eq!(sorted(board.hang_up(cf)), ["bob <- BYE", "carol <- BYE"]);
    board.assert_quiet();
}

#[test]
fn a_member_that_calls_is_vouched_for_and_not_invited() {
    let mut board = board();
    let (_, lines) = board.ask_constituent(invitation("alice"));
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!(board.accept("bob"), ["cf <- 200 147"]);
}

#[test]
fn one_member_is_not_enough_to_stay() {
    let mut board = board();
    board.ask_constituent(invitation("alice"));
    board.accept("bob");
    board.accept("carol");
    let carol = board.phone("carol");
    assert_eq!(sorted(board.hang_up(carol)), ["bob <- BYE", "cf <- BYE"]);
    board.assert_quiet();
}

#[test]
fn without_members_that_come_the_constituent_fails() {
    let mut board = board();
    board.ask_constituent(invitation("alice"));
    board.reject("bob", 486);
    assert_eq!(board.reject("carol", 480), ["cf <- 486"]);
    board.assert_quiet();
    // The controlling function gives up.
    let (cf, _) = board.ask_constituent(invitation("alice"));
    assert_eq!(sorted(board.cancel(cf)), ["bob <- CANCEL", "carol <- CANCEL"]);
    board.assert_quiet();
}

// TS 24.379 10.1.1.5.2.4.
#[test]
fn a_running_call_is_taken_along_and_splits_off_again() {
    let mut board = Switchboard::fire(|_| ());
    board.call("alice", "fire");
    board.accept("bob");
    board.reject("carol", 486);
    regroup(&mut board);
    let (cf, lines) = board.ask_constituent(invitation("sip:zoe@two.example"));
    assert_eq!(lines, ["cf <- 200 123"]);
    assert_eq!(board.accepted(cf).info.as_ref().unwrap().floor_state.as_deref(), Some("floor-idle"));
    assert!(board.the_call().superior.is_some());
    let (_, lines) = board.ask_constituent(invitation("sip:zoe@two.example"));
    assert_eq!(lines, ["cf <- 403 128"]);
    assert!(board.lose(cf).is_empty());
    assert!(board.the_call().superior.is_none());
    assert_eq!(board.in_call(board.the_call().id), ["alice", "bob"]);
}

#[test]
fn a_partner_that_may_know_the_members_gets_their_names() {
    let mut board = board();
    let partner = Partner { domain: "two.example".to_owned(), shares_members: true, ..Partner::default() };
    board.world.policy.partners.insert("two.example".to_owned(), partner);
    let (cf, lines) = board.ask_constituent(invitation("sip:zoe@two.example"));
    assert_eq!(lines, ["cf <- 403"]);
    let users = ["alice", "bob", "carol"].map(user_id).to_vec();
    let members = SharedMembers { group: group_id("fire"), users };
    assert_eq!(board.refused(cf).members.as_deref(), Some(&members), "dave is not affiliated");
    board.assert_quiet();
}

// TS 24.379 10.1.1.5.2.1: a request that breaks every check gets the answer of the first; mended, that of the next.
#[test]
fn checks_come_in_their_order() {
    let mut board = board();
    let mut document = group("fire", &["alice", "bob", "carol"]);
    document.disabled = true;
    document.rules.initiate = Who::Nobody;
    board.put_group(document.clone());
    let mut asked = invitation("alice");
    asked.hops = 0;
    asked.info.encrypted = true;
    asked.info.calling_group = Some("sip:tg@three.example".to_owned());
    asked.service_requested = false;
    asked.offer = Some(offer("EVS"));
    let ports = std::mem::replace(&mut board.world.media, MediaPorts::new(40_000, 40_000));
    let refused = |board: &mut Switchboard, invitation: &Invitation| {
        let (caller, _) = board.ask_constituent(invitation.clone());
        let rejection = board.refused(caller);
        (rejection.status, rejection.warnings.iter().find_map(|warning| warning.code))
    };
    assert_eq!(refused(&mut board, &asked), (483, None));
    asked.hops = 70;
    assert_eq!(refused(&mut board, &asked), (403, Some(140)));
    asked.info.encrypted = false;
    assert_eq!(refused(&mut board, &asked), (500, None), "1");
    board.world.media = ports;
    assert_eq!(refused(&mut board, &asked), (488, None), "2");
    asked.offer = Some(offer("AMR-WB"));
    assert_eq!(refused(&mut board, &asked), (403, Some(101)), "3");
    asked.service_requested = true;
    assert_eq!(refused(&mut board, &asked), (403, None), "4");
    asked.info.calling_group = Some("sip:other@two.example".to_owned());
    asked.info.request_uri = Some("sip:none@one.example".to_owned());
    assert_eq!(refused(&mut board, &asked), (404, Some(113)), "5");
    asked.info.request_uri = Some("sip:fire@one.example".to_owned());
    assert_eq!(refused(&mut board, &asked), (403, Some(115)), "5");
    document.disabled = false;
    board.put_group(document.clone());
    assert_eq!(refused(&mut board, &asked), (403, None), "6");
    asked.info.calling_group = Some(TEMPORARY.to_owned());
    assert_eq!(refused(&mut board, &asked), (403, Some(119)), "7");
    document.rules.initiate = Who::Members;
    document.minimum_affiliated = Some(9);
    board.put_group(document);
    assert_eq!(refused(&mut board, &asked), (480, Some(112)));
    assert_eq!(board.world.media.in_use(), 0);
}
