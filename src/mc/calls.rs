//! Entry points of the call procedures: what the service calls when a word of a call comes in.
//!
//! Three functions take part in a group call, each an instance of its own with legs of its own:
//!
//! ```text
//!  client ---- O-PF ---- CF ---- T-PF ---- client
//!            originating  |    terminating
//!                         +---- T-PF ---- client
//! ```
//!
//! An instance hears [`LegEvent`]s on its legs and answers with [`CallSend`]s. It does not
//! know what is behind a leg: a SIP dialog, or another instance in this process.
//!
//! Every entry point expects that the changes of earlier outcomes were applied to the model it is shown. What is told to
//! a peer and must outlive a restart is a fact; the rest is in [`Open`].

use super::affiliation::by_call;
use super::elsewhere::{LeftElsewhere, LeftSessions};
use super::originating::{AwaitControlling, Originator};
use super::relaying::{self, Relay, stray};
use super::session::Session;
use super::terminating::AwaitClient;
use super::{
    admitting, commencement, constituents, controlling, inviting, joining, leaving, non_controlling,
    originating, restoring, roster, terminating, upgrading,
};
use crate::model::*;
use crate::procedure::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Calls and sessions in the course of set-up, and what can be derived of the others: rebuilt by [`restore`].
#[derive(Debug, Default)]
pub struct Open {
    setups: BTreeMap<ParticipationRef, Setup>,
    calling: HashMap<UserId, usize>,
    ringing: HashMap<UserId, BTreeSet<ParticipationRef>>,
    relays: BTreeMap<ParticipationRef, Relay>,
    sessions: BTreeMap<CallRef, Session>,
    on_group: PerService<HashMap<GroupId, CallRef>>,
    on_constituent: HashMap<GroupId, BTreeSet<CallRef>>,
    left: LeftSessions,
}

/// A session at the participating function that is not accepted yet.
#[derive(Debug)]
enum Setup {
    Originating(AwaitControlling),
    Terminating(AwaitClient),
}

impl Open {
    /// The call of a service that runs or is being set up on a group. A call that has outlived its group is not found.
    pub(super) fn call_on(
        &mut self,
        model: &Model,
        service: Service,
        group: &GroupId,
    ) -> Option<&mut Session> {
        let session = self.sessions.get_mut(self.on_group[service].get(group)?)?;
        (!session.orphaned(model)).then_some(session)
    }

    /// A call by its identity.
    pub(super) fn session(&mut self, id: CallRef) -> Option<&mut Session> {
        self.sessions.get_mut(&id)
    }

    /// Whether a call runs on a temporary group that was torn down and had this constituent.
    pub(super) fn is_in_orphaned_call(&self, model: &Model, constituent: &GroupId) -> bool {
        let calls = self.on_constituent.get(constituent).into_iter().flatten();
        calls.filter_map(|id| self.sessions.get(id)).any(|session| session.orphaned(model))
    }

    /// How many calls of a user wait for the controlling function.
    pub(super) fn calls_in_setup(&self, user: &UserId) -> usize {
        self.calling.get(user).copied().unwrap_or(0)
    }

    /// Invitations that a user has not answered.
    pub(super) fn ringing(&self, user: &UserId) -> impl Iterator<Item = &AwaitClient> {
        self.ringing.get(user).into_iter().flatten().filter_map(|id| match self.setups.get(id) {
            Some(Setup::Terminating(wait)) => Some(wait),
            _ => None,
        })
    }

    /// A new call.
    pub(super) fn keep(&mut self, session: Session) {
        if session.over {
            return;
        }
        let id = session.call.id;
        // A call that outlived its group may be kept after one on a new group of the same identity: after a restart.
        if !session.call.orphaned {
            self.on_group[session.call.service].insert(session.call.group.id.clone(), id);
        }
        for constituent in session.constituents() {
            self.on_constituent.entry(constituent.clone()).or_default().insert(id);
        }
        self.sessions.insert(id, session);
    }

    /// After something happened to a call: its record follows, and a call that is over is forgotten.
    pub(super) fn settle(&mut self, model: &Model, id: CallRef, out: &mut Outcome<Over>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.settle(model, out);
        if !session.over {
            return;
        }
        let Some(session) = self.sessions.remove(&id) else { return };
        let on_group = &mut self.on_group[session.call.service];
        if on_group.get(&session.call.group.id) == Some(&id) {
            on_group.remove(&session.call.group.id);
        }
        // A part in a call elsewhere may have ended before.
        for constituent in session.constituents().chain([&session.call.group.id]) {
            if let Some(calls) = self.on_constituent.get_mut(constituent) {
                calls.remove(&id);
                if calls.is_empty() {
                    self.on_constituent.remove(constituent);
                }
            }
        }
    }

    /// Keeps what waits; the rest of the outcome goes to the service.
    fn wait<W>(&mut self, outcome: Outcome<W>, setup: impl FnOnce(W) -> Setup) -> Outcome<Over> {
        // Sessions that give way to a new one.
        for change in &outcome.changes {
            if let Change::Remove(FactKey::Participation(id)) = change {
                self.relays.remove(id);
            }
        }
        if let Some(wait) = outcome.wait {
            match setup(wait) {
                Setup::Originating(wait) => {
                    if !wait.given_up {
                        *self.calling.entry(wait.user.clone()).or_default() += 1;
                    }
                    self.setups.insert(wait.id, Setup::Originating(wait));
                }
                Setup::Terminating(wait) => {
                    self.ringing.entry(wait.user.clone()).or_default().insert(wait.id);
                    self.setups.insert(wait.id, Setup::Terminating(wait));
                }
            }
        }
        Outcome { changes: outcome.changes, sends: outcome.sends, wait: None, log: outcome.log }
    }

    /// The session with a controlling function elsewhere that this one of ours is or was: the user may come back to it.
    pub fn left_elsewhere(
        &self,
        model: &Model,
        id: ParticipationRef,
        user: &UserId,
    ) -> Option<LeftElsewhere> {
        self.left.find(model, id, user)
    }

    /// Calls, those in set-up included.
    pub fn calls(&self) -> usize {
        self.sessions.len()
    }

    /// Sessions at the participating function that wait for an answer.
    pub fn setups(&self) -> usize {
        self.setups.len()
    }

    /// Media ports that calls hold.
    #[cfg(test)]
    pub(super) fn ports(&self) -> usize {
        let of = |session: &Session| {
            session.seats.len() + session.asked.len() + usize::from(session.commencement.is_some())
        };
        self.sessions.values().map(of).sum()
    }

    /// Nothing is open.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        let calls = self.sessions.is_empty()
            && self.on_group == PerService::default()
            && self.on_constituent.is_empty();
        calls
            && self.setups.is_empty()
            && self.calling.is_empty()
            && self.ringing.is_empty()
            && self.relays.is_empty()
    }

    fn take_setup(&mut self, id: ParticipationRef) -> Option<Setup> {
        let setup = self.setups.remove(&id)?;
        match &setup {
            Setup::Originating(wait) => {
                if !wait.given_up
                    && let Some(count) = self.calling.get_mut(&wait.user)
                {
                    *count = count.saturating_sub(1);
                    if *count == 0 {
                        self.calling.remove(&wait.user);
                    }
                }
            }
            Setup::Terminating(wait) => {
                if let Some(ringing) = self.ringing.get_mut(&wait.user) {
                    ringing.remove(&id);
                    if ringing.is_empty() {
                        self.ringing.remove(&wait.user);
                    }
                }
            }
        }
        Some(setup)
    }
}

/// Which function an invitation is for (TS 24.379 6.3.1.1), and what the service knows of its sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// From a client of ours to its originating participating function.
    Originating {
        /// Whom the public identity is bound to.
        user: UserId,
        /// The client, from the registration or the body.
        client: Option<ClientId>,
        /// The client comes back, by our session identity, to a call whose controlling function is elsewhere
        /// ([`Open::left_elsewhere`]).
        elsewhere: Option<LeftElsewhere>,
    },
    /// From a participating function to the controlling function of a group. The service has checked that the sender is
    /// trusted, so `mcptt-calling-user-id` counts.
    Controlling {
        /// PSI of the sender; `None`: an instance in this process.
        from: Option<Psi>,
    },
    /// From a controlling function to the terminating participating function of a member.
    Terminating,
    /// From the controlling function of a temporary group to that of a constituent, which is the non-controlling function
    /// of this call.
    NonControlling {
        /// The controlling function.
        from: Caller,
    },
}

/// A new invitation over a new leg. On success returns the instance that owns the leg from now on.
///
/// # Errors
/// The refusal with which the service answers the leg; no instance came to be.
pub fn incoming(
    view: &mut View<'_>,
    open: &mut Open,
    leg: LegId,
    role: Incoming,
    invitation: Invitation,
) -> Result<(LegOwner, Outcome<Over>), Refusal> {
    match role {
        Incoming::Originating { user, client, elsewhere } => {
            let caller = Originator { user, client, elsewhere };
            let (id, outcome) = originating::incoming(view, open, leg, caller, invitation)?;
            Ok((LegOwner::Participation(id), open.wait(outcome, Setup::Originating)))
        }
        Incoming::Terminating => {
            let (id, outcome) = terminating::incoming(view, open, leg, invitation)?;
            Ok((LegOwner::Participation(id), open.wait(outcome, Setup::Terminating)))
        }
        Incoming::NonControlling { from } => {
            let (id, mut outcome) = non_controlling::incoming(view, open, leg, &from, invitation)?;
            open.settle(view.model, id, &mut outcome);
            Ok((LegOwner::Call(id), outcome))
        }
        Incoming::Controlling { from: _ } => {
            let (owner, mut outcome) = controlling::incoming(view, open, leg, invitation)?;
            // Whoever comes into a call may bring about its end: there may be nobody left to start with.
            if let LegOwner::Call(id) = owner {
                open.settle(view.model, id, &mut outcome);
            }
            Ok((owner, outcome))
        }
    }
}

/// Something was heard on a leg of an instance. What comes for an instance that is over by now is answered so that
/// nothing is left standing: a late acceptance is released, a late offer refused with 481.
pub fn hear(
    view: &mut View<'_>,
    open: &mut Open,
    owner: LegOwner,
    leg: LegId,
    event: LegEvent,
) -> Outcome<Over> {
    match owner {
        LegOwner::Call(id) => {
            let Some(session) = open.sessions.get_mut(&id) else { return nobody(leg, &event) };
            let mut out = Outcome::default();
            call_hears(view, session, leg, event, &mut out);
            open.settle(view.model, id, &mut out);
            out
        }
        LegOwner::Participation(id) => match open.take_setup(id) {
            Some(Setup::Originating(wait)) => {
                let outcome = wait.on(view, leg, event);
                open.wait(outcome, Setup::Originating)
            }
            Some(Setup::Terminating(wait)) => {
                let outcome = wait.on(view, leg, event);
                open.wait(outcome, Setup::Terminating)
            }
            None => {
                let Some(participation) = view.model.participation(id) else { return nobody(leg, &event) };
                let mut relay = open.relays.remove(&id).unwrap_or_default();
                let out = relaying::hear(participation, &mut relay, leg, event);
                if out.changes.is_empty() && !relay.is_idle() {
                    open.relays.insert(id, relay);
                }
                if !out.changes.is_empty() {
                    open.left.note(view.model, participation);
                }
                out
            }
        },
    }
}

/// Who hears what at the controlling function: the caller that waits, a member that is asked, a participant.
fn call_hears(
    view: &mut View<'_>,
    session: &mut Session,
    leg: LegId,
    event: LegEvent,
    out: &mut Outcome<Over>,
) {
    if admitting::hears(view, session, leg, &event, out) {
        return;
    }
    if session.commencement.as_ref().is_some_and(|commencement| commencement.caller.leg == leg) {
        match event {
            LegEvent::Cancelled
            | LegEvent::Released { .. }
            | LegEvent::Lost { .. }
            | LegEvent::Refused(_) => leaving::cancelled(view, session, out),
            event => out.sends.extend(stray(leg, &event)),
        }
    } else if let Some(asked) = session.asked.get(&leg) {
        let constituent = session.is_constituent(&asked.user);
        match event {
            LegEvent::Progress(progress) if constituent => {
                constituents::progress(view, session, &progress, out);
            }
            LegEvent::Accepted(acceptance) if constituent => {
                constituents::accepted(view, session, leg, &acceptance, out);
            }
            LegEvent::Refused(rejection) if constituent => {
                constituents::refused(view, session, leg, *rejection, out);
            }
            LegEvent::Progress(progress) => commencement::progress(view, session, &progress, out),
            LegEvent::Accepted(acceptance) => inviting::accepted(view, session, leg, *acceptance, out),
            LegEvent::Refused(rejection) => inviting::refused(view, session, leg, *rejection, out),
            LegEvent::Cancelled | LegEvent::Released { .. } | LegEvent::Lost { .. } => {
                let lost = Rejection { status: 480, ..Rejection::default() };
                inviting::refused(view, session, leg, lost, out);
            }
            event => out.sends.extend(stray(leg, &event)),
        }
    } else if session.seats.contains_key(&leg) {
        match event {
            LegEvent::Released { .. } => leaving::left(view, session, leg, false, out),
            LegEvent::Lost { .. } | LegEvent::Cancelled | LegEvent::Refused(_) => {
                leaving::left(view, session, leg, true, out);
            }
            LegEvent::Offered { offer, info } => {
                upgrading::offered(view, session, leg, offer.as_ref(), info.as_deref(), out);
            }
            LegEvent::OfferAnswered(result) => {
                upgrading::offer_answered(view, session, leg, result, out);
            }
            LegEvent::Confirmed if session.is_superior(leg) => roster::stands(view, session, leg, out),
            LegEvent::Progress(_)
            | LegEvent::Accepted(_)
            | LegEvent::GivenUp { .. }
            | LegEvent::Confirmed => {}
        }
    } else {
        out.sends.extend(stray(leg, &event));
    }
}

/// A timer of a call fired. Nothing comes of a timer whose call is over.
pub fn wake(view: &mut View<'_>, open: &mut Open, wake: Wake) -> Outcome<Over> {
    let mut out = Outcome::default();
    let (Wake::Tng1(id) | Wake::Tng3(id)) = wake;
    let Some(session) = open.sessions.get_mut(&id) else { return out };
    match wake {
        Wake::Tng1(_) => commencement::timed_out(view, session, &mut out),
        Wake::Tng3(_) => leaving::timed_out(view, session, &mut out),
    }
    open.settle(view.model, id, &mut out);
    out
}

/// A user is affiliated to a group for a service with one more client: the running call of the group, or of the temporary
/// group it is part of, invites the user (TS 24.379 10.1.1.4.6).
pub fn affiliated(
    view: &mut View<'_>,
    open: &mut Open,
    user: &UserId,
    service: Service,
    group: &GroupId,
) -> Outcome<Over> {
    let mut out = Outcome::default();
    // A constituent that is regrouped has its calls on the temporary group.
    let mark = view.model.regrouped(Side::Mc, group.as_str());
    let temporary = mark.map_or(group, |mark| &mark.temporary);
    // Where another server controls that call, ours is the part of the constituent (TS 24.379 10.1.1.5).
    let of = if open.call_on(view.model, service, temporary).is_some() { temporary } else { group };
    let Some(session) = open.call_on(view.model, service, of) else { return out };
    if of == group && mark.is_some() != session.call.superior.is_some() {
        return out;
    }
    let id = session.call.id;
    joining::late(view, session, user, &mut out);
    open.settle(view.model, id, &mut out);
    out
}

/// An affiliation of a user's client to a group ended for a service: its call on the group removes this client
/// (TS 24.379 10.1.1.4.4.3). A call whose group was torn down keeps its participants.
pub fn deaffiliated(
    view: &mut View<'_>,
    open: &mut Open,
    user: &UserId,
    client: &ClientId,
    service: Service,
    group: &GroupId,
) -> Outcome<Over> {
    let mut out = Outcome::default();
    // A call of the constituent itself may have begun before it was regrouped.
    let mark = view.model.regrouped(Side::Mc, group.as_str());
    for group in std::iter::once(group).chain(mark.map(|mark| &mark.temporary)) {
        let Some(session) = open.call_on(view.model, service, group) else { continue };
        let id = session.call.id;
        leaving::deaffiliated(view, session, user, client, &mut out);
        open.settle(view.model, id, &mut out);
    }
    out
}

/// After replay: takes the calls back. Media ports of participants are claimed; calls that were not established are
/// released with all their legs, established ones get their TNG3 again and the release policy is looked at; sessions at
/// the participating function whose other side is gone are released, and so is every leg that nobody owns.
pub fn restore(view: &mut View<'_>, open: &mut Open) -> Outcome<Over> {
    let mut out = Outcome::default();
    restoring::participations(view, &mut out);
    by_call::restore(view, &mut out);
    for session in restoring::calls(view, &mut out) {
        let id = session.call.id;
        open.keep(session);
        open.settle(view.model, id, &mut out);
    }
    restoring::legs(view, open.sessions.values(), &mut out);
    // One line, not one for each of many.
    let (all, released) = (view.model.calls().count(), restoring::released(&out));
    let going_on = open.sessions.len();
    out.log = (all + released > 0).then(|| {
        let ended = all.saturating_sub(going_on);
        format!("after the restart: {going_on} calls go on, {ended} ended, {released} legs released")
    });
    out
}

fn nobody(leg: LegId, event: &LegEvent) -> Outcome<Over> {
    Outcome::end(Vec::new(), stray(leg, event).into_iter().collect())
}
