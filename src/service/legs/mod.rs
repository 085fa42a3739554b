//! Legs: what is behind one side of a session. A leg ends in a SIP session, in several that are tried at once, or in a
//! leg of another function in this process; procedures cannot tell the difference. Here is the table of legs.

mod asking;
mod incoming;
mod within;
mod words;

pub(super) use asking::rank;

use crate::mc::calls::Incoming;
use crate::model::{
    CallRef, ClientId, Leg, LegId, LegLink, LegOwner, ParticipationRef, Service as McService,
};
use crate::procedure::{Invitation, Rejection};
use crate::sip::dialog::SessionId;
use crate::sip::transaction::ServerId;
use std::collections::HashMap;

/// All legs of this process.
#[derive(Debug, Default)]
pub(super) struct Legs {
    legs: HashMap<LegId, LegState>,
    by_session: HashMap<SessionId, LegId>,
    /// Sessions we released whose BYE is not answered yet.
    ending: HashMap<SessionId, LegId>,
    /// INVITEs to functions elsewhere that were given up: who wants to hear how they end.
    given_up: HashMap<SessionId, (LegId, LegOwner)>,
    /// Offers inside a session that wait for our answer.
    offers: HashMap<LegId, ServerId>,
    /// Legs of sessions at the participating function to a controlling function in this process.
    to_core: HashMap<ParticipationRef, LegId>,
}

#[derive(Debug)]
struct LegState {
    owner: LegOwner,
    service: McService,
    end: End,
    established: bool,
}

/// What is at the other end.
#[allow(clippy::large_enum_variant, reason = "of many legs most are sessions; tries last seconds")]
#[derive(Debug)]
enum End {
    /// A leg in this process.
    Memory(LegId),
    /// A SIP session. `listener`: for our Contact. `client`: the peer is a client, not a function.
    Session { session: SessionId, listener: u16, client: bool },
    /// INVITEs to the contacts of a client, of which the first that accepts stays; or one to a function elsewhere.
    Trying { tries: Vec<Try>, best: Option<Rejection> },
}

#[derive(Debug)]
struct Try {
    session: SessionId,
    client: Option<ClientId>,
    listener: u16,
    /// The peer is a function elsewhere, not a client.
    function: bool,
}

/// A request for a session from one function of this process to another.
#[derive(Debug)]
pub(super) struct Handover {
    /// The leg of the one who asks.
    from: LegId,
    role: Incoming,
    invitation: Box<Invitation>,
}

/// What a session identity names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addressed {
    /// The instance that gave the identity away; it may be over.
    pub owner: LegOwner,
    /// The call it leads to, where its controlling function is in this process.
    pub call: Option<CallRef>,
}

impl Legs {
    /// The session that carries a leg.
    pub fn session(&self, leg: LegId) -> Option<SessionId> {
        match &self.legs.get(&leg)?.end {
            End::Session { session, .. } => Some(*session),
            _ => None,
        }
    }

    /// Nothing is left of any leg.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        let Self { legs, by_session, ending, given_up, offers, to_core } = self;
        legs.is_empty()
            && by_session.is_empty()
            && ending.is_empty()
            && given_up.is_empty()
            && offers.is_empty()
            && to_core.is_empty()
    }

    /// Legs that are open, or wait for the answer to their BYE or CANCEL.
    pub fn count(&self) -> usize {
        self.legs.len() + self.ending.len() + self.given_up.len()
    }

    /// A leg was joined with one of another function in this process.
    fn joined(&mut self, leg: LegId) {
        if let Some(LegOwner::Participation(id)) = self.legs.get(&leg).map(|state| state.owner) {
            self.to_core.insert(id, leg);
        }
    }

    /// The call that an instance is or leads to, if its controlling function is in this process.
    pub fn call_behind(&self, owner: LegOwner) -> Option<CallRef> {
        let leg = match owner {
            LegOwner::Call(call) => return Some(call),
            LegOwner::Participation(id) => self.to_core.get(&id)?,
        };
        let End::Memory(other) = &self.legs.get(leg)?.end else { return None };
        match self.legs.get(other)?.owner {
            LegOwner::Call(call) => Some(call),
            LegOwner::Participation(_) => None,
        }
    }

    fn forget(&mut self, leg: LegId) -> Option<LegState> {
        let state = self.legs.remove(&leg)?;
        self.offers.remove(&leg);
        if let LegOwner::Participation(id) = state.owner
            && self.to_core.get(&id) == Some(&leg)
        {
            self.to_core.remove(&id);
        }
        match &state.end {
            End::Session { session, .. } => {
                self.by_session.remove(session);
            }
            End::Trying { tries, .. } => {
                for attempt in tries {
                    self.by_session.remove(&attempt.session);
                }
            }
            End::Memory(_) => {}
        }
        Some(state)
    }

    /// Takes a leg back after a restart. `client`: the peer is a client, not a function.
    pub fn restore(&mut self, leg: &Leg, session: Option<SessionId>, listener: u16, client: bool) {
        let end = match (&leg.link, session) {
            (LegLink::Memory(other), _) => End::Memory(*other),
            (LegLink::Dialog(_), Some(session)) => {
                self.by_session.insert(session, leg.id);
                End::Session { session, listener, client }
            }
            (LegLink::Dialog(_), None) => return,
        };
        let in_memory = matches!(end, End::Memory(_));
        self.legs.insert(leg.id, LegState { owner: leg.owner, service: leg.service, end, established: true });
        if in_memory {
            self.joined(leg.id);
        }
    }

    /// A restored leg whose BYE must be repeated.
    pub fn restore_ending(&mut self, session: SessionId, leg: LegId) {
        self.ending.insert(session, leg);
    }
}

enum Reached {
    Memory(LegId),
    Session { session: SessionId, owner: LegOwner, service: McService, listener: u16, client: bool },
}
