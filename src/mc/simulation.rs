//! Calls mixed at random: users call, answer, cancel, leave, lose their sessions and affiliations, groups are formed and
//! torn down, the server restarts, words cross each other. After every step what is remembered must fit together, and in
//! the end nothing may be left.

use super::testing::*;
use crate::documents::McInfo;
use crate::model::testing::*;
use crate::model::*;
use crate::procedure::*;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use std::time::Duration;

const USERS: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];
const GROUPS: [&str; 4] = ["fire", "police", "chat", "joint"];

fn board(random: &mut StdRng) -> Switchboard {
    let mut member =
        |name: &'static str| (name, Member { required: random.random_bool(0.2), ..Member::default() });
    let fire = [member("alice"), member("bob"), member("carol"), member("dave")];
    let police = [member("bob"), member("carol"), member("erin")];
    let mut groups = [
        group_with_members("fire", &fire),
        group_with_members("police", &police),
        GroupDocument { prearranged: false, ..group("chat", &USERS) },
    ];
    for group in &mut groups {
        group.minimum_to_start = random.random_range(0..3);
        group.max_participants = random.random_bool(0.3).then(|| random.random_range(1..5));
        group.minimum_affiliated = random.random_bool(0.3).then(|| random.random_range(1..3));
        group.maximum_duration = Some(Duration::from_secs(random.random_range(10..100)));
        if random.random() {
            group.on_acknowledgement_timeout = OnTimeout::Proceed;
        }
    }
    let users = USERS.map(|name| {
        user_with(name, |profile| {
            if random.random() {
                profile.answer_mode = AnswerMode::Manual;
            }
            profile.max_affiliations_n2 = random.random_bool(0.2).then_some(2);
        })
    });
    let mut board = Switchboard::new(users, groups);
    board.world.policy.regrouped_call =
        [RegroupedCall::Redirect, RegroupedCall::Follow, RegroupedCall::Reject][random.random_range(0..3)];
    board.world.policy.buffers_media = random.random();
    if random.random_bool(0.3) {
        board.world.media = MediaPorts::new(40_000, 40_000 + random.random_range(1..12));
    }
    for name in USERS {
        let client = format!("{}1", &name[..1]);
        board.world.affiliate(name, &client, &["fire", "police", "chat"]);
    }
    board
}

/// One thing that happens. `None`: nothing of that kind could happen.
fn step(board: &mut Switchboard, random: &mut StdRng) -> Option<()> {
    let user = *USERS.choose(random)?;
    let client = format!("{}1", &user[..1]);
    let group = *GROUPS.choose(random)?;
    match random.random_range(0..18) {
        0..4 => {
            let mut invitation = Switchboard::invitation(user, group);
            if group == "chat" {
                invitation.info.session_type = Some("chat".to_owned());
            }
            invitation.info.broadcast = random.random_bool(0.1).then_some(true);
            invitation.info.emergency = random.random_bool(0.1).then_some(true);
            let call = board.world.model.calls().next().map(|call| call.id);
            invitation.session = call.filter(|_| random.random_bool(0.1));
            board.call_with(user, invitation);
        }
        4..8 => {
            let phone = *board.ends(EndState::Invited).choose(random)?;
            board.accept_on(phone, Vec::new());
        }
        8 => {
            let phone = *board.ends(EndState::Invited).choose(random)?;
            let status = *[404, 408, 480, 486, 503, 603].choose(random)?;
            board.reject_on(phone, Rejection { status, ..Rejection::default() });
        }
        9 => {
            let phone = *board.ends(EndState::Invited).choose(random)?;
            let progress = Progress { status: 180, unconfirmed: random.random(), warnings: Vec::new() };
            board.say(phone, LegEvent::Progress(progress));
        }
        10 => {
            let phone = *board.ends(EndState::Calling).choose(random)?;
            board.cancel(phone);
        }
        11 => {
            let phone = *board.ends(EndState::Open).choose(random)?;
            if random.random() {
                board.hang_up(phone)
            } else {
                board.lose(phone)
            };
        }
        12 => {
            let phone = *board.ends(EndState::Open).choose(random)?;
            let emergency = random.random::<bool>().then(|| random.random());
            let info = McInfo { emergency, ..McInfo::default() };
            board.offer(phone, random.random::<bool>().then_some("AMR-WB"), Some(info));
        }
        13 => {
            let phone = *board.ends(EndState::Open).choose(random)?;
            if random.random() {
                board.accept_offer(phone)
            } else {
                board.reject_offer(phone, 488)
            };
        }
        14 => {
            let kept: Vec<&str> = GROUPS[..3].iter().copied().filter(|one| *one != group).collect();
            board.deaffiliate(user, &client, group, &kept);
            // Whoever stays away from a group may come back to it by a call (TS 24.379 9.1).
            if random.random() {
                board.affiliate_to(user, &client, group, &GROUPS[..3]);
            }
        }
        15 => {
            board.wait(random.random_range(1..8));
        }
        16 => {
            if board.world.model.group(Side::Mc, "sip:joint@one.example").is_some() {
                board.tear_down();
            } else {
                board.world.apply(&regrouping(&temporary_group("joint", &["fire", "police"])));
            }
        }
        _ => {
            // A word that crossed ours: it comes on a leg that is over for us.
            let phone = *board.ends(EndState::Over).choose(random)?;
            if board.is_known(phone) && random.random_bool(0.9) {
                board.accept_on(phone, Vec::new());
            } else {
                board.restart();
            }
        }
    }
    Some(())
}

#[test]
fn whatever_happens_facts_ports_and_sessions_fit_together_and_nothing_is_left() {
    for seed in 0..400 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut board = board(&mut random);
        for _ in 0..80 {
            step(&mut board, &mut random);
            board.assert_consistent();
        }
        for phone in board.ends(EndState::Calling) {
            board.cancel(phone);
        }
        for phone in board.ends(EndState::Invited) {
            board.reject_on(phone, Rejection { status: 480, ..Rejection::default() });
        }
        for phone in board.ends(EndState::Open) {
            board.hang_up(phone);
        }
        board.assert_quiet();
    }
}
