use super::*;
use crate::documents::McInfo;
use crate::documents::conference_info::Extent;
use crate::mc::testing::*;
use crate::model::testing::*;

const SERVER: &str = "ncf(ems@two.example)";
const EMS: &str = "sip:ems@two.example";

/// A call of alice on `joint`, of `fire` (alice, bob) here and `ems` of a partner, whose server accepts. `minimum` members
/// must come before alice is answered. Returns the lines to alice.
fn running(minimum: u16) -> (Switchboard, Vec<String>) {
    let mut board = Switchboard::new(["alice", "bob"].map(user), [group("fire", &["alice", "bob"])]);
    board.world.affiliate("alice", "a1", &["fire"]);
    board.world.affiliate("bob", "b1", &["fire"]);
    let mut joint = temporary_group("joint", &["fire", EMS]);
    joint.minimum_to_start = minimum;
    board.world.apply(&regrouping(&joint));
    let may = Permissions { call: true, ..Permissions::default() };
    let domain = "two.example".to_owned();
    let partner = Partner { domain: domain.clone(), may, ..Partner::default() };
    board.world.policy.partners.insert(domain, partner);
    board.call("alice", "joint");
    let lines = board.accept(SERVER);
    (board, lines)
}

fn theirs() -> Caller {
    Caller {
        psi: Psi::from("sip:cf@two.example"),
        partner: Some("two.example".to_owned()),
        participating: false,
        controlling: true,
        gms: false,
    }
}

fn asks(named: Option<&str>, asking: Option<&str>) -> McInfo {
    let owned = |group: Option<&str>| group.map(str::to_owned);
    McInfo { request_uri: owned(named), calling_group: owned(asking), ..McInfo::default() }
}

/// The leg of the partner's part.
fn leg_of_ems(board: &Switchboard) -> LegId {
    let mut seats = board.world.model.participants(board.the_call().id);
    seats.find(|seat| seat.user.as_str() == EMS).expect("the partner's part").leg
}

fn asked(board: &mut Switchboard, caller: &Caller, info: &McInfo) -> Result<Watched, Refusal> {
    let call = board.the_call().id;
    subscribe(&board.world.view(), caller, call, info)
}

// TS 24.379 10.1.3.4.3.
#[test]
fn the_function_of_a_constituent_watches_the_call_that_it_has_a_part_of() {
    let (mut board, _) = running(0);
    let (call, leg) = (board.the_call().id, leg_of_ems(&board));
    let watched = Watched::Conference { call, service: Service::Mcptt, audience: Audience::Focus(leg) };
    for named in [None, Some("sip:joint@one.example")] {
        assert_eq!(asked(&mut board, &theirs(), &asks(named, Some(EMS))), Ok(watched.clone()));
    }
}

#[test]
fn a_function_without_agreement_is_179_and_no_controlling_function_is_refused() {
    let (mut board, _) = running(0);
    let info = asks(None, Some(EMS));
    let participating = Caller { controlling: false, participating: true, ..theirs() };
    let refused = asked(&mut board, &participating, &info);
    assert!(matches!(refused, Err(Refusal::NotPermitted { .. })), "{refused:?}");
    board.world.policy.partners.clear();
    let refused = asked(&mut board, &theirs(), &info);
    assert_eq!(refused, Err(Refusal::PartnerMayNot(theirs().psi)));
}

#[test]
fn a_function_speaks_for_a_group_of_its_own_system() {
    let (mut board, _) = running(0);
    let refused = asked(&mut board, &theirs(), &asks(None, None));
    assert!(matches!(refused, Err(Refusal::Malformed { .. })), "{refused:?}");
    for stranger in ["sip:fire@one.example", "sip:ems@three.example"] {
        let refused = asked(&mut board, &theirs(), &asks(None, Some(stranger)));
        assert!(matches!(refused, Err(Refusal::NotPermitted { .. })), "{stranger}: {refused:?}");
    }
}

#[test]
fn a_call_that_is_not_there_or_of_another_group_is_137() {
    let (mut board, _) = running(0);
    let of_fire = asks(Some("sip:fire@one.example"), Some(EMS));
    assert_eq!(asked(&mut board, &theirs(), &of_fire), Err(Refusal::NoSuchCall));
    let nowhere = subscribe(&board.world.view(), &theirs(), CallRef(1), &asks(None, Some(EMS)));
    assert_eq!(nowhere, Err(Refusal::NoSuchCall));
}

#[test]
fn who_has_no_part_of_the_call_or_has_it_no_more_is_138() {
    let (mut board, _) = running(0);
    let another = asks(None, Some("sip:port@two.example"));
    assert_eq!(asked(&mut board, &theirs(), &another), Err(Refusal::NoConferenceState));
    board.accept("bob");
    let server = board.phone(SERVER);
    board.hang_up(server);
    let gone = asked(&mut board, &theirs(), &asks(None, Some(EMS)));
    assert_eq!(gone, Err(Refusal::NoConferenceState));
}

#[test]
fn a_broadcast_is_105_for_functions_too() {
    let (mut board, _) = running(0);
    let broadcast = Call { broadcast: true, ..board.the_call().clone() };
    board.world.apply(&[Change::Put(Fact::Call(broadcast))]);
    assert_eq!(asked(&mut board, &theirs(), &asks(None, Some(EMS))), Err(Refusal::Broadcast));
}

/// The partner's server tells a whole roster of its members. Returns the lines that follow.
fn tell(board: &mut Switchboard, users: &[(&str, EndpointStatus)]) -> Vec<String> {
    let users = users.iter().map(|(user, status)| (user_id(user).to_string(), Some(*status))).collect();
    let told = RosterTold { entity: EMS.to_owned(), version: 1, extent: Extent::Full, users };
    let leg = leg_of_ems(board);
    let (view, open) = (&mut board.world.view(), &mut board.open);
    let outcome = heard(view, open, leg, None, Heard::Roster(told));
    board.take(outcome);
    board.run()
}

const ZOE: &str = "sip:zoe@two.example";
const YAN: &str = "sip:yan@two.example";
const XENA: &str = "sip:xena@two.example";

// TS 24.379 6.3.3.3.
#[test]
fn members_that_a_constituents_server_names_count_for_the_minimum_number() {
    use EndpointStatus::{Connected, DialingOut, Disconnected};
    // The seat of the constituent counts for the first that it names.
    let (mut board, lines) = running(3);
    assert!(lines.is_empty(), "{lines:?}");
    let few = [(ZOE, Connected), (YAN, Disconnected), (XENA, DialingOut)];
    assert!(tell(&mut board, &few).is_empty());
    assert!(tell(&mut board, &[(ZOE, Connected), (YAN, Connected), ("alice", Connected)]).is_empty());
    let enough = [(ZOE, Connected), (YAN, Connected), (XENA, Connected)];
    assert_eq!(tell(&mut board, &enough), ["alice <- 200"]);
}

#[test]
fn a_constituent_that_is_named_by_itself_names_nobody() {
    let (mut board, _) = running(2);
    assert!(tell(&mut board, &[(EMS, EndpointStatus::Connected)]).is_empty());
    assert_eq!(board.world.model.rosters(board.the_call().id).count(), 0);
    assert_eq!(board.accept("bob"), ["alice <- 200"]);
}

#[test]
fn what_is_told_twice_changes_nothing() {
    let (mut board, _) = running(0);
    let users = [(ZOE, EndpointStatus::Connected)];
    tell(&mut board, &users);
    let call = board.the_call().id;
    let known = board.world.model.roster(call, &GroupId::from(EMS)).cloned().expect("a roster");
    assert_eq!((known.users.as_slice(), known.turns), ([(user_id(ZOE), true)].as_slice(), 1));
    tell(&mut board, &users);
    assert_eq!(board.world.model.roster(call, &GroupId::from(EMS)), Some(&known));
}
