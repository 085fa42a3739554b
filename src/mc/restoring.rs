//! After a restart: calls and sessions as the facts tell of them. What waited for an answer is not among the facts, so
//! everything that was not established is released.

use super::leaving;
use super::session::{Session, note};
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
        let gone: Vec<LegId> = session.seats.keys().copied().filter(|leg| !stands(model, *leg)).collect();
        for leg in gone {
            release(model, leg, out);
            leaving::left(view, &mut session, leg, out);
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
        let line = format!("call {} on {} goes on", call.id, call.group.id);
        note(out, line);
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
    held.extend(out.sends.iter().filter_map(|send| match send {
        Send::Call(CallSend::Release { leg, .. }) => Some(*leg),
        _ => None,
    }));
    for leg in model.legs().filter(|leg| !held.contains(&leg.id)) {
        release(model, leg.id, out);
    }
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
