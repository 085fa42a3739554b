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

/// `fire` with these rules; dave is no member, carol is required; asked for by the controlling function.
fn carol_required(change: impl FnOnce(&mut GroupDocument)) -> (Switchboard, Phone) {
    let carol = Member { required: true, ..Member::default() };
    let mut board = Switchboard::fire_of(&[("carol", carol)], change);
    regroup(&mut board);
    let (cf, lines) = board.ask_constituent(invitation("alice"));
    assert_eq!(lines.len(), 3, "{lines:?}");
    (board, cf)
}

// The controlling function does not wait for the constituent's required members: its own TNG1 runs.
#[test]
fn tng1_of_the_constituent_runs_on_after_the_controlling_function_was_answered() {
    let (mut board, _) = carol_required(|_| ());
    assert_eq!(board.accept("bob"), ["cf <- 200 147"]);
    assert!(board.wait(4).is_empty());
    assert!(board.accept("carol").is_empty());
    assert!(board.wait(60).is_empty(), "she came in time");
    assert_eq!(board.in_call(board.the_call().id), ["bob", "carol", "tg@two.example"]);

    let (mut board, _) = carol_required(|_| ());
    board.accept("bob");
    assert_eq!(sorted(board.wait(5)), ["bob <- BYE", "carol <- CANCEL", "cf <- BYE"]);
    board.assert_quiet();
}

#[test]
fn a_constituent_whose_required_member_rejects_fails_before_and_after_the_first_answer() {
    let (mut board, _) = carol_required(|_| ());
    assert_eq!(board.reject("carol", 486), ["cf <- 486 112", "bob <- CANCEL"]);
    board.assert_quiet();
    let (mut board, _) = carol_required(|_| ());
    board.accept("bob");
    assert_eq!(sorted(board.reject("carol", 486)), ["bob <- BYE", "cf <- BYE"]);
    board.assert_quiet();
    // In the call, and gone again before the rules are met.
    let dave = Member { required: true, ..Member::default() };
    let mut board = Switchboard::fire_of(&[("bob", dave.clone()), ("carol", dave)], |_| ());
    regroup(&mut board);
    board.ask_constituent(invitation("alice"));
    board.accept("bob");
    let bob = board.phone("bob");
    assert_eq!(sorted(board.hang_up(bob)), ["carol <- CANCEL", "cf <- BYE"]);
    board.assert_quiet();
}

#[test]
fn a_constituent_may_proceed_without_its_required_members() {
    let proceed = |group: &mut GroupDocument| group.on_acknowledgement_timeout = OnTimeout::Proceed;
    let (mut board, _) = carol_required(proceed);
    board.accept("bob");
    assert!(board.wait(5).is_empty());
    assert!(board.reject("carol", 408).is_empty());
    assert_eq!(board.in_call(board.the_call().id), ["bob", "tg@two.example"]);
    // Known before the controlling function is answered, it is told.
    let (mut board, _) = carol_required(proceed);
    board.reject("carol", 486);
    assert_eq!(board.accept("bob"), ["cf <- 200 111 147"]);
}

#[test]
fn a_restart_while_a_required_member_is_awaited_ends_the_constituent_unless_it_may_proceed() {
    let (mut board, _) = carol_required(|_| ());
    board.accept("bob");
    assert_eq!(sorted(board.restart()), ["bob <- BYE", "cf <- BYE"]);
    let proceed = |group: &mut GroupDocument| group.on_acknowledgement_timeout = OnTimeout::Proceed;
    let (mut board, _) = carol_required(proceed);
    board.accept("bob");
    assert!(board.restart().is_empty());
    // Whoever came is awaited no more.
    let (mut board, _) = carol_required(|_| ());
    board.accept("bob");
    board.accept("carol");
    assert!(board.restart().is_empty());
}

#[test]
fn the_controlling_function_may_do_without_the_required_members() {
    let carol = Member { required: true, ..Member::default() };
    let mut board = Switchboard::fire_of(&[("carol", carol)], |_| ());
    regroup(&mut board);
    let mut asked = invitation("alice");
    asked.info.required = Some(false);
    board.ask_constituent(asked);
    board.accept("bob");
    assert!(board.wait(60).is_empty());
    assert!(board.reject("carol", 486).is_empty());
    assert_eq!(board.in_call(board.the_call().id), ["bob", "tg@two.example"]);
}

#[test]
fn a_constituent_that_does_not_reach_its_minimum_fails() {
    let minimum = |group: &mut GroupDocument| group.minimum_to_start = 2;
    let begun = || {
        let mut board = Switchboard::fire(minimum);
        regroup(&mut board);
        board.ask_constituent(invitation("alice"));
        board
    };
    let mut board = begun();
    assert_eq!(board.accept("bob"), ["cf <- 200 147"]);
    assert_eq!(sorted(board.reject("carol", 486)), ["bob <- BYE", "cf <- BYE"]);
    board.assert_quiet();
    let mut board = begun();
    board.reject("carol", 486);
    assert_eq!(board.accept("bob"), ["cf <- 486", "bob <- BYE"], "nobody else will come");
    board.assert_quiet();
    let mut board = begun();
    board.accept("bob");
    board.accept("carol");
    assert!(board.wait(60).is_empty());
}

// TS 24.379 6.3.2.2.5.2: the member's function has answered, the member not yet.
#[test]
fn an_unconfirmed_member_answers_the_controlling_function_where_speech_is_kept() {
    let mut board = board();
    board.world.policy.buffers_media = true;
    board.ask_constituent(invitation("alice"));
    assert_eq!(board.progress("bob", 183, true), ["cf <- 200 147 unconfirmed"]);
    assert!(board.accept("bob").is_empty());
    // Where it is not kept, the controlling function may know how.
    let mut board = self::board();
    board.ask_constituent(invitation("alice"));
    assert_eq!(board.progress("bob", 183, true), ["cf <- 183 unconfirmed"]);
    assert!(board.progress("carol", 183, true).is_empty(), "once");
    assert_eq!(board.accept("bob"), ["cf <- 200 147"]);
}

#[test]
fn an_unconfirmed_member_that_does_not_come_after_all_ends_the_part_of_the_constituent() {
    let mut board = board();
    board.world.policy.buffers_media = true;
    board.ask_constituent(invitation("alice"));
    board.progress("bob", 183, true);
    assert!(board.reject("bob", 486).is_empty(), "carol is asked still");
    assert_eq!(board.reject("carol", 486), ["cf <- BYE"]);
    board.assert_quiet();
}

// The members are no temporary call's to lose: the last of the two that refuse does not cut the one who came.
#[test]
fn the_only_member_that_came_stays() {
    let mut board = board();
    board.ask_constituent(invitation("alice"));
    board.accept("bob");
    assert!(board.reject("carol", 486).is_empty());
    assert_eq!(board.in_call(board.the_call().id), ["bob", "tg@two.example"]);
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

/// A running call of alice and bob, which carol has declined, on `fire` that was regrouped afterwards.
fn running() -> (Switchboard, Phone) {
    let mut board =
        Switchboard::fire(|group| group.maximum_duration = Some(std::time::Duration::from_secs(60)));
    let (alice, _) = board.call("alice", "fire");
    board.accept("bob");
    board.reject("carol", 603);
    regroup(&mut board);
    (board, alice)
}

// TS 24.379 10.1.1.5.2.4. Who is in the running call is not rung; who is not, is.
#[test]
fn a_running_call_is_taken_along_and_splits_off_again() {
    let (mut board, _) = running();
    let (cf, lines) = board.ask_constituent(invitation("sip:zoe@two.example"));
    assert_eq!(lines, ["cf <- 200 123", "carol <- INVITE tg@two.example by zoe@two.example"]);
    assert_eq!(board.accepted(cf).info.as_ref().unwrap().floor_state.as_deref(), Some("floor-idle"));
    board.accept("carol");
    let (_, lines) = board.ask_constituent(invitation("sip:zoe@two.example"));
    assert_eq!(lines, ["cf <- 403 128"]);
    assert!(board.lose(cf).is_empty());
    assert!(board.the_call().superior.is_none());
    assert_eq!(board.in_call(board.the_call().id), ["alice", "bob", "carol"]);
    // And once more; of its members that want to come in it knows who may.
    let (cf, lines) = board.ask_constituent(invitation("sip:zoe@two.example"));
    assert_eq!(lines, ["cf <- 200 123"]);
    let (_, lines) = board.ask_constituent(invitation("dave"));
    assert_eq!(lines, ["cf <- 403 128 147"]);
    assert!(board.hang_up(cf).is_empty());
    assert_eq!(board.in_call(board.the_call().id), ["alice", "bob", "carol"]);
}

#[test]
fn a_call_that_was_taken_along_has_the_time_of_the_temporary_group() {
    let (mut board, _) = running();
    let (cf, _) = board.ask_constituent(invitation("sip:zoe@two.example"));
    board.reject("carol", 486);
    assert!(board.wait(70).is_empty(), "TNG3 of the constituent is over");
    assert_eq!(sorted(board.hang_up(cf)), ["alice <- BYE", "bob <- BYE"]);
    board.assert_quiet();
}

#[test]
fn the_last_one_of_a_call_that_was_taken_along_stays_with_the_temporary_group() {
    let (mut board, alice) = running();
    let (cf, _) = board.ask_constituent(invitation("sip:zoe@two.example"));
    board.reject("carol", 486);
    assert!(board.hang_up(alice).is_empty());
    assert_eq!(board.in_call(board.the_call().id), ["bob", "tg@two.example"]);
    assert_eq!(board.hang_up(cf), ["bob <- BYE"]);
    board.assert_quiet();
    let (mut board, alice) = running();
    board.ask_constituent(invitation("sip:zoe@two.example"));
    board.reject("carol", 486);
    let bob = board.phone("bob");
    board.hang_up(bob);
    assert_eq!(board.hang_up(alice), ["cf <- BYE"]);
    board.assert_quiet();
}

// Its own caller waits still.
#[test]
fn a_call_in_set_up_is_taken_along() {
    let mut board = Switchboard::fire(|group| group.minimum_to_start = 2);
    let (alice, _) = board.call("alice", "fire");
    regroup(&mut board);
    let (cf, lines) = board.ask_constituent(invitation("sip:zoe@two.example"));
    assert_eq!(lines, ["cf <- 200 123"], "bob and carol are asked already");
    board.accept("bob");
    assert_eq!(board.accept("carol"), ["alice <- 200"]);
    assert_eq!(board.in_call(board.the_call().id), ["alice", "bob", "carol", "tg@two.example"]);
    board.hang_up(cf);
    assert_eq!(board.in_call(board.the_call().id), ["alice", "bob", "carol"]);
    board.hang_up(alice);

    let mut board = Switchboard::fire(|group| group.minimum_to_start = 2);
    let (alice, _) = board.call("alice", "fire");
    regroup(&mut board);
    board.ask_constituent(invitation("sip:zoe@two.example"));
    assert_eq!(sorted(board.cancel(alice)), ["bob <- CANCEL", "carol <- CANCEL", "cf <- BYE"]);
    board.assert_quiet();
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
fn nobody_is_invited_to_the_call_of_a_chat_group_and_its_caller_is_vouched_for() {
    for (caller, code) in [("alice", 147), ("sip:zoe@two.example", 116)] {
        let mut board = board();
        let mut invitation = invitation(caller);
        invitation.info.session_type = Some("chat".to_owned());
        let (_, lines) = board.ask_constituent(invitation);
        assert_eq!(lines, [format!("cf <- 403 {code}")]);
        board.assert_quiet();
    }
}

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

#[test]
fn a_caller_who_is_the_only_affiliated_member_is_vouched_for() {
    let mut board = board();
    for (user, client) in [("bob", "b1"), ("carol", "c1")] {
        board.deaffiliate(user, client, "fire", &[]);
    }
    let (_, lines) = board.ask_constituent(invitation("alice"));
    assert_eq!(lines, ["cf <- 480 112 147"]);
    board.assert_quiet();
}
