//! After a restart: calls and sessions as the facts tell of them. What waited for an answer is not among the facts, so
//! everything that was not established is released.

use super::session::Session;
use super::{leaving, roster};
use crate::model::*;
use crate::procedure::*;
use std::collections::BTreeSet;

/// Sessions at the participating function: those with a side missing are released.
pub(super) fn participations(view: &View<'_>, out: &mut Outcome<Over>) {
    let model = view.model;
    for participation in model.participations() {
        let legs = [participation.client_leg, participation.core_leg];
        if legs.iter().all(|leg| stands(model, *leg)) {
            continue;
        }
        out.changes.push(Change::Remove(FactKey::Participation(participation.id)));
        for leg in legs {
            release(model, leg, out);
        }
    }
}

/// The calls that go on, with their TNG3.
pub(super) fn calls(view: &mut View<'_>, out: &mut Outcome<Over>) -> Vec<Session> {
    let model = view.model;
    let mut sessions = Vec::new();
    for call in model.calls() {
        let participants: Vec<Participant> = model.participants(call.id).cloned().collect();
        let mut session = Session::restored(call, &participants, view.media);
        if !call.established {
            session.end(view, "it was not established when the server stopped", out);
            continue;
        }
        // Their invitations are lost: they will not come, which is what the expiry of TNG1 means.
        let abandons = call.group.on_acknowledgement_timeout == OnTimeout::Abandon;
        if abandons && call.superior.as_ref().is_some_and(|superior| superior.awaits_required) {
            session.end(view, "required members were still awaited when the server stopped", out);
            continue;
        }
        let gone: Vec<LegId> = session.seats.keys().copied().filter(|leg| !stands(model, *leg)).collect();
        for leg in gone {
            release(model, leg, out);
            leaving::left(view, &mut session, leg, true, out);
        }
        leaving::timed_out(view, &mut session, out);
        // Invitations that waited for an answer are lost: nobody else will come. A chat group call waits for anyone.
        if call.group.prearranged {
            leaving::release_policy(view, &mut session, out);
        }
        if session.over {
            continue;
        }
        if let Some(at) = call.ends {
            out.sends.push(Send::WakeAt { at, wake: Wake::Tng3(call.id) });
        }
        roster::restored(view, &session, out);
        sessions.push(session);
    }
    sessions
}

/// Legs that no session and no call holds: whoever is behind them is released.
pub(super) fn legs<'a>(
    view: &View<'_>,
    sessions: impl Iterator<Item = &'a Session>,
    out: &mut Outcome<Over>,
) {
    let model = view.model;
    let removed: BTreeSet<ParticipationRef> = out
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::Remove(FactKey::Participation(id)) => Some(*id),
            _ => None,
        })
        .collect();
    let mut held: BTreeSet<LegId> = sessions.flat_map(|session| session.seats.keys().copied()).collect();
    for participation in model.participations().filter(|one| !removed.contains(&one.id)) {
        held.extend([participation.client_leg, participation.core_leg]);
    }
    held.extend(releases(out));
    for leg in model.legs().filter(|leg| !held.contains(&leg.id)) {
        release(model, leg.id, out);
    }
}

/// How many legs an outcome releases.
pub(super) fn released(out: &Outcome<Over>) -> usize {
    releases(out).count()
}

fn releases(out: &Outcome<Over>) -> impl Iterator<Item = LegId> {
    out.sends.iter().filter_map(|send| match send {
        Send::Call(CallSend::Release { leg, .. }) => Some(*leg),
        _ => None,
    })
}

/// Whether a leg has somebody at its other end, as far as the facts tell.
fn stands(model: &Model, leg: LegId) -> bool {
    let Some(leg) = model.leg(leg).filter(|leg| !leg.ending) else { return false };
    match &leg.link {
        LegLink::Dialog(_) => true,
        LegLink::Memory(other) => model.leg(*other).is_some_and(|other| !other.ending),
    }
}

/// Releases a leg that is there and not released yet.
fn release(model: &Model, leg: LegId, out: &mut Outcome<Over>) {
    if model.leg(leg).is_some_and(|leg| !leg.ending) {
        out.sends.push(Send::Call(CallSend::Release { leg, reason: None }));
    }
}

#[cfg(test)]
mod tests {
    use crate::mc::testing::*;
    use crate::model::testing::*;
    use crate::model::*;
    use std::time::Duration;

    #[test]
    fn an_established_call_goes_on_after_a_restart() {
        let mut board = Switchboard::fire(|group| group.maximum_duration = Some(Duration::from_secs(60)));
        let (alice, _) = board.call("alice", "fire");
        board.accept("bob");
        board.accept("carol");
        let call = board.the_call().clone();
        board.wait(20);
        assert!(board.restart().is_empty());
        assert_eq!(board.log.last().unwrap(), "after the restart: 1 calls go on, 0 ended, 0 legs released");
        assert_eq!(*board.the_call(), call);
        assert_eq!(board.world.media.in_use(), 3, "the ports are theirs still");
        // A BYE finds its call, a join too.
        assert!(board.hang_up(alice).is_empty());
        assert_eq!(board.in_call(call.id), ["bob", "carol"]);
        let (_, lines) = board.call("alice", "fire");
        assert_eq!(lines, ["alice <- 200 123"]);
        assert_eq!(board.affiliate("dave", "d1", "fire"), ["dave <- INVITE fire by alice"]);
        board.accept("dave");
        // TNG3 runs on.
        assert!(board.wait(39).is_empty());
        assert_eq!(sorted(board.wait(1)), ["alice <- BYE", "bob <- BYE", "carol <- BYE", "dave <- BYE"]);
        board.assert_quiet();
    }

    #[test]
    fn what_a_call_is_survives_a_restart() {
        let mut board = Switchboard::fire(|_| ());
        let mut invitation = Switchboard::invitation("alice", "fire");
        invitation.info.broadcast = Some(true);
        invitation.info.emergency = Some(true);
        invitation.resource_priority = Some("mcpttp.15".to_owned());
        let (alice, _) = board.call_with("alice", invitation);
        board.accept("bob");
        board.accept("carol");
        board.restart();
        assert_eq!(
            board.affiliate("dave", "d1", "fire"),
            ["dave <- INVITE fire by alice emergency no-alert broadcast"]
        );
        let invited = board.invited("dave");
        assert_eq!(invited.resource_priority.as_deref(), Some("mcpttp.15"));
        assert!(invited.offer.as_ref().unwrap().encode().contains("AMR-WB"), "our own codecs");
        assert_eq!(
            sorted(board.hang_up(alice)),
            ["bob <- BYE", "carol <- BYE", "dave <- CANCEL"],
            "the initiator of a broadcast"
        );
        board.assert_quiet();
    }

    #[test]
    fn a_call_that_was_not_established_is_released_with_all_its_legs() {
        let mut board = Switchboard::fire(|group| group.minimum_to_start = 2);
        board.call("alice", "fire");
        board.accept("bob");
        assert!(!board.the_call().established);
        assert_eq!(board.restart(), ["bob <- BYE"]);
        let restarted = board.log.iter().find(|line| line.starts_with("after")).unwrap();
        assert_eq!(restarted, "after the restart: 0 calls go on, 1 ended, 1 legs released");
        assert_eq!(board.world.model.calls().count(), 0);
        assert_eq!(board.world.media.in_use(), 0);
    }

    #[test]
    fn a_call_whose_time_ran_out_meanwhile_ends() {
        let mut board = Switchboard::fire(|group| group.maximum_duration = Some(Duration::from_secs(60)));
        board.call("alice", "fire");
        board.accept("bob");
        board.accept("carol");
        board.world.wait(Duration::from_secs(60));
        assert_eq!(sorted(board.restart()), ["alice <- BYE", "bob <- BYE", "carol <- BYE"]);
        board.assert_quiet();
    }

    #[test]
    fn a_call_with_one_participant_and_lost_invitations_ends_unless_it_is_a_chat() {
        let mut board = Switchboard::fire(|_| ());
        board.call("alice", "fire");
        assert_eq!(board.restart(), ["alice <- BYE"]);

        let mut board = Switchboard::fire(|group| group.prearranged = false);
        let mut invitation = Switchboard::invitation("alice", "fire");
        invitation.info.session_type = Some("chat".to_owned());
        board.call_with("alice", invitation);
        assert!(board.restart().is_empty());
        assert_eq!(board.in_call(board.the_call().id), ["alice"]);
    }

    #[test]
    fn a_participant_whose_leg_is_gone_has_left() {
        let mut board = Switchboard::fire(|_| ());
        board.call("alice", "fire");
        board.accept("bob");
        board.accept("carol");
        let call = board.the_call().id;
        let bob = board.world.model.participants(call).find(|one| one.user == user_id("bob")).unwrap().leg;
        board.world.apply(&[Change::Remove(FactKey::Leg(bob))]);
        assert_eq!(board.restart(), ["bob <- BYE"], "his participating function lost its other side");
        assert_eq!(board.in_call(call), ["alice", "carol"]);
        assert_eq!(board.world.model.participations_of("sip:bob@one.example").count(), 0);
    }

    #[test]
    fn a_session_whose_client_is_gone_is_released_towards_the_call() {
        let mut board = Switchboard::fire(|_| ());
        let (alice, _) = board.call("alice", "fire");
        board.accept("bob");
        board.accept("carol");
        let call = board.the_call().id;
        // Released before the stop, and the BYE is still owed: the record says so.
        let leg = board.world.model.leg(alice.0).unwrap().clone();
        board.world.apply(&[Change::Put(Fact::Leg(Leg { ending: true, ..leg }))]);
        assert!(board.restart().is_empty());
        assert_eq!(board.in_call(call), ["bob", "carol"]);
        assert_eq!(board.world.model.participations_of("sip:alice@one.example").count(), 0);
    }

    #[test]
    fn a_leg_that_nobody_holds_is_released() {
        let mut board = Switchboard::fire(|_| ());
        let (alice, _) = board.call("alice", "fire");
        board.accept("bob");
        board.accept("carol");
        let id = board.world.model.participations_of("sip:alice@one.example").next().unwrap().id;
        board.world.apply(&[Change::Remove(FactKey::Participation(id))]);
        assert_eq!(board.restart(), ["alice <- BYE"]);
        assert!(board.world.model.leg(alice.0).is_none());
        assert_eq!(board.in_call(board.the_call().id), ["bob", "carol"]);
    }

    #[test]
    fn a_call_that_outlived_its_group_goes_on_from_its_snapshot() {
        let mut board = Switchboard::joint(|_| ());
        let (alice, _) = board.call("alice", "joint");
        board.accept("bob");
        board.accept("carol");
        board.tear_down();
        board.hang_up(alice);
        let call = board.the_call().id;
        assert!(board.restart().is_empty());
        assert!(board.the_call().orphaned);
        let rejoin = |user: &str| crate::procedure::Invitation {
            session: Some(call),
            ..Switchboard::invitation(user, "joint")
        };
        let (_, lines) = board.call_with("alice", rejoin("alice"));
        assert_eq!(lines, ["alice <- 200 123"], "the roster remembers her");
        let (_, lines) = board.call("carol", "joint");
        assert_eq!(lines, ["carol <- 404 113"]);
        assert!(board.affiliate("carol", "c1", "police").is_empty());
    }

    #[test]
    fn nothing_is_restored_from_nothing() {
        let mut board = Switchboard::fire(|_| ());
        assert!(board.restart().is_empty());
        board.assert_quiet();
        assert!(board.log.is_empty());
    }
}
