//! One roster of a call on a temporary group, of which several servers have a part: its controlling function and the
//! non-controlling functions of constituents subscribe to each other. TS 23.379 10.6.2.4.1.1 step 8; TS 24.379 10.1.3.4.3,
//! 10.1.3.5.3.
//!
//! ```text
//!  watchers       controlling function        non-controlling function       watchers
//!                      |-- SUBSCRIBE ----------------->|  when the leg between them stands
//!                      |<-- 200, NOTIFY: its members --|  or its group in their place
//!                      |<---------------- SUBSCRIBE ---|
//!                      |-- 200, NOTIFY: everybody ---->|
//!    |<-- NOTIFY ------|                               |-- NOTIFY ------>|  everybody
//! ```
//!
//! Each keeps what the other told last ([`Roster`]) beside its own participants; what both tell of counts once, and is
//! connected if it is connected anywhere. The non-controlling function tells of its own participants only, so nothing that
//! it heard comes back as news. Where the two are one process the roster is handed over in memory.

use super::calls::Open;
use super::conference;
use super::session::Session;
use crate::documents::conference_info::{ConferenceInfo, EndpointStatus, RosterTold};
use crate::model::*;
use crate::procedure::*;
use std::collections::BTreeMap;

/// Whether a function elsewhere may watch the roster of a call that it has a part of.
///
/// # Errors
/// 403: another function, or no agreement to call (179). 400: no group that it speaks for. 137: no such call, or not the
/// group of the call. 138: it has no part of the call. 105: a broadcast call.
pub fn subscribe(
    view: &View<'_>,
    caller: &Caller,
    call: CallRef,
    info: &crate::documents::McInfo,
) -> Result<Watched, Refusal> {
    if !caller.may(view.policy).call {
        return Err(Refusal::PartnerMayNot(caller.psi.clone()));
    }
    if !caller.controlling {
        return Err(Refusal::NotPermitted { why: "only controlling functions ask for themselves" });
    }
    let Some(asks) = info.calling_group.as_deref().map(GroupId::new) else {
        return Err(Refusal::malformed(
            "mcptt-info: neither mcptt-calling-user-id nor mcptt-calling-group-id",
        ));
    };
    let domain = caller.partner.as_deref().unwrap_or(&view.policy.domain);
    if !asks.domain().eq_ignore_ascii_case(domain) {
        return Err(Refusal::NotPermitted { why: "a system speaks only for its own groups" });
    }
    let of = view.model.call(call).ok_or(Refusal::NoSuchCall)?;
    let named = info.request_uri.as_deref();
    if named.is_some_and(|named| named != of.group.id.as_str() && named != conference::name(of).as_str()) {
        return Err(Refusal::NoSuchCall);
    }
    let mut seats = view.model.participants(call);
    let seat = seats.find(|one| !one.left && one.user.as_str() == asks.as_str() && is_focus(of, one));
    let leg = seat.ok_or(Refusal::NoConferenceState)?.leg;
    if of.broadcast {
        return Err(Refusal::Broadcast);
    }
    Ok(Watched::Conference { call, service: of.service, audience: Audience::Focus(leg) })
}

/// Whether a participant stands for another controlling function and those behind it.
fn is_focus(call: &Call, participant: &Participant) -> bool {
    let above = call.superior.as_ref().is_some_and(|superior| superior.leg == participant.leg);
    above || is_constituent(call, &participant.user)
}

/// Whether a participant of this name stands for a constituent of the call's temporary group.
pub(super) fn is_constituent(call: &Call, user: &UserId) -> bool {
    let parts = call.group.temporary.iter().flat_map(|temporary| &temporary.constituents);
    parts.into_iter().any(|part| part.as_str() == user.as_str())
}

/// The other function on a leg has its part of the call: subscribes to its roster, unless we do. A broadcast call has none.
pub(super) fn stands(view: &mut View<'_>, session: &Session, leg: LegId, out: &mut Outcome<Over>) {
    let Some(seat) = session.seats.get(&leg) else { return };
    if session.call.broadcast || !(session.is_superior(leg) || session.is_constituent(&seat.user)) {
        return;
    }
    let group = GroupId::new(seat.user.as_str());
    match view.model.leg(leg).map(|leg| &leg.link) {
        Some(LegLink::Memory(_)) => out.sends.push(Send::RosterHandedOver { to: leg }),
        Some(LegLink::Dialog(_)) => {
            let what = Watching::Focus { leg };
            let Place::At(at) = view.policy.controlling_of(&group) else { return };
            if view.model.watch_of(&what).is_some() {
                return;
            }
            let id = WatchRef(view.ids.number());
            let watch = Watch { id, from: FunctionKind::Controlling, at: at.clone(), what, dialog: None };
            out.changes.push(Change::Put(Fact::Watch(watch)));
            out.sends.push(Send::Watch(id));
        }
        None => {}
    }
}

/// After a restart: the subscriptions that were decided on and not kept, or not decided on yet.
pub(super) fn restored(view: &mut View<'_>, session: &Session, out: &mut Outcome<Over>) {
    for leg in session.seats.keys() {
        if !matches!(view.model.leg(*leg).map(|leg| &leg.link), Some(LegLink::Memory(_))) {
            stands(view, session, *leg, out);
        }
    }
}

/// A participant is out. If it stood for another function, what the two told each other ends; those behind it are out too.
/// If not, and a function above us named it, that is out of date.
pub(super) fn left(model: &Model, session: &mut Session, leg: LegId, user: &UserId, out: &mut Outcome<Over>) {
    let call = &session.call;
    let focus = session.is_superior(leg) || session.is_constituent(user);
    let of = match (&call.superior, focus) {
        (_, true) => GroupId::new(user.as_str()),
        (Some(superior), false) => superior.temporary.clone(),
        (None, false) => return,
    };
    let gone = |named: &UserId| focus || named == user && session.legs_of(user).is_empty();
    if let Some(known) = model.roster(call.id, &of)
        && known.users.iter().any(|(named, connected)| *connected && gone(named))
    {
        let still = |(named, connected): &(UserId, bool)| (named.clone(), *connected && !gone(named));
        let users = known.users.iter().map(still).collect();
        let roster = Roster { users, turns: known.turns.saturating_add(1), ..known.clone() };
        out.changes.push(Change::Put(Fact::Roster(roster)));
    }
    if focus {
        session.named.remove(&leg);
        out.sends.push(Send::RosterEndsFor { call: session.call.id, leg });
        unwatch(model, leg, out);
    }
}

/// The call is over, and with it what others told of it.
pub(super) fn ended(model: &Model, session: &Session, out: &mut Outcome<Over>) {
    for leg in session.seats.keys() {
        unwatch(model, *leg, out);
    }
    for roster in model.rosters(session.call.id) {
        out.changes.push(Change::Remove(FactKey::Roster(roster.call, roster.of.clone())));
    }
}

fn unwatch(model: &Model, leg: LegId, out: &mut Outcome<Over>) {
    // It may have been decided on just now: then nobody was asked.
    let of_leg = |change: &Change| match change {
        Change::Put(Fact::Watch(watch)) if watch.what == (Watching::Focus { leg }) => Some(watch.id),
        _ => None,
    };
    if let Some(id) = out.changes.iter().find_map(of_leg) {
        out.changes.retain(|change| of_leg(change).is_none());
        out.sends.retain(|send| !matches!(send, Send::Watch(begun) if *begun == id));
    }
    if let Some(watch) = model.watch_of(&Watching::Focus { leg }) {
        out.changes.push(Change::Remove(FactKey::Watch(watch.id)));
        out.sends.push(Send::Unwatch(watch.id));
    }
}

/// What the function at the other end of a leg tells, or what became of our subscription to it (`watch`).
pub fn heard(
    view: &mut View<'_>,
    open: &mut Open,
    leg: LegId,
    watch: Option<WatchRef>,
    heard: Heard,
) -> Outcome<Over> {
    let mut out = Outcome::default();
    let call = match view.model.leg(leg).map(|leg| leg.owner) {
        Some(LegOwner::Call(call)) => open.session(call),
        _ => None,
    };
    let stands = call.filter(|session| session.seats.contains_key(&leg));
    match (stands, heard) {
        (Some(session), Heard::Roster(told)) => told_of(view, session, leg, told, &mut out),
        // It does not tell, or its part is over: then its release is on the way. Its group stands for those behind it.
        (Some(_), Heard::Refused(_)) | (None, _) => {
            if let Some(watch) = watch.filter(|watch| view.model.watch(*watch).is_some()) {
                out.changes.push(Change::Remove(FactKey::Watch(watch)));
                out.sends.push(Send::Unwatch(watch));
            }
        }
        (Some(_), _) => {}
    }
    if let Some(LegOwner::Call(id)) = view.model.leg(leg).map(|leg| leg.owner) {
        open.settle(view.model, id, &mut out);
    }
    out
}

fn told_of(
    view: &mut View<'_>,
    session: &mut Session,
    leg: LegId,
    told: RosterTold,
    out: &mut Outcome<Over>,
) {
    let Some(seat) = session.seats.get(&leg) else { return };
    let (call, of) = (session.call.id, GroupId::new(seat.user.as_str()));
    let known = view.model.roster(call, &of);
    let before = known.map(|known| ConferenceInfo {
        users: known.users.iter().map(|(user, connected)| (user.to_string(), status(*connected))).collect(),
        ..ConferenceInfo::default()
    });
    let now = told.onto(before.as_ref());
    // Who is only being called is not on the roster yet; a constituent that is named by itself names nobody.
    let listed = now
        .users
        .into_iter()
        .filter(|(user, status)| *status != EndpointStatus::DialingOut && user.as_str() != of.as_str());
    let users: BTreeMap<UserId, bool> =
        listed.map(|(user, status)| (UserId::new(user), status == EndpointStatus::Connected)).collect();
    count(view, session, leg, &users, out);
    let users: Vec<(UserId, bool)> = users.into_iter().collect();
    if known.map_or(users.is_empty(), |known| known.users == users) || session.over {
        return;
    }
    let turns = known.map_or(0, |known| known.turns).saturating_add(1);
    let roster = Roster { call, of, users, turns };
    let seen = |roster: Option<&Roster>| conference::everybody(view.model, &session.call, roster);
    // The one who told us hears what has become of it here: a user may be in by another way.
    if !session.is_superior(leg) || seen(None) != seen(Some(&roster)) {
        out.sends.push(Send::RosterHeard { call });
    }
    out.changes.push(Change::Put(Fact::Roster(roster)));
}

/// While the caller waits: members that a constituent's server names count for the minimum number, and required ones are
/// in (TS 24.379 6.3.3.3).
fn count(
    view: &mut View<'_>,
    session: &mut Session,
    leg: LegId,
    users: &BTreeMap<UserId, bool>,
    out: &mut Outcome<Over>,
) {
    if session.is_superior(leg) || super::commencement::needs(session).is_none() {
        return;
    }
    // The caller, who has no seat before the answer, is no member that came.
    let caller = session.commencement.as_ref().map(|commencement| &commencement.caller.user);
    let is_new = |user: &UserId| {
        let seated = session.legs_of(user).iter().any(|leg| session.seats.contains_key(leg));
        !seated && !session.is_constituent(user) && caller != Some(user)
    };
    let connected = users.iter().filter(|(_, connected)| **connected).map(|(user, _)| user);
    let named: Vec<&UserId> = connected.filter(|user| is_new(user)).collect();
    // The seat of the constituent counts for the first.
    session.named.insert(leg, named.len().saturating_sub(1));
    let named: std::collections::BTreeSet<UserId> = named.into_iter().cloned().collect();
    if let Some(needs) = super::commencement::needs(session) {
        needs.missing.retain(|user| !named.contains(user));
    }
    super::commencement::look(view, session, out);
}

fn status(connected: bool) -> EndpointStatus {
    if connected { EndpointStatus::Connected } else { EndpointStatus::Disconnected }
}

/// The roster that goes from one function of this process to the other, in memory: the leg that hears it, and what it
/// hears of the other end's call.
pub fn handed_over(model: &Model, policy: &Policy, to: LegId) -> Option<RosterTold> {
    let LegLink::Memory(other) = model.leg(to)?.link else { return None };
    let LegOwner::Call(call) = model.leg(other)?.owner else { return None };
    let document = conference::document(model, policy, call, &Audience::Focus(other))?;
    Some(document.into())
}

/// Legs of other calls of this process that hear of a change in this one: those of constituents, and, if its own
/// participants changed, that of the call above.
pub fn in_memory(model: &Model, call: CallRef, own: bool) -> Vec<LegId> {
    let Some(of) = model.call(call) else { return Vec::new() };
    let above = |leg: LegId| of.superior.as_ref().is_some_and(|superior| superior.leg == leg);
    let seats = model.participants(call).filter(|one| !one.left && is_focus(of, one));
    let hears = seats.filter(|seat| own || !above(seat.leg)).filter_map(|seat| model.leg(seat.leg));
    hears
        .filter_map(|leg| match leg.link {
            LegLink::Memory(other) => Some(other),
            LegLink::Dialog(_) => None,
        })
        .collect()
}

#[cfg(test)]
mod tests;
