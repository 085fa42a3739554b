//! Group calls and sessions.

use crate::model::*;
use std::collections::BTreeMap;

impl Model {
    /// A call.
    pub fn call(&self, id: CallRef) -> Option<&Call> {
        self.calls.get(&id)
    }

    /// The call of a service that runs on a group. A call on a temporary group that is gone is found by its identity only: a new group
    /// of the same identity may have a call of its own.
    pub fn call_on(&self, service: Service, group: &str) -> Option<&Call> {
        self.call_of_group[service].get(group).and_then(|id| self.calls.get(id))
    }

    /// All calls, in order of their identity.
    pub fn calls(&self) -> impl Iterator<Item = &Call> {
        self.calls.values()
    }

    /// Participants of a call, in order of their leg.
    pub fn participants(&self, call: CallRef) -> impl Iterator<Item = &Participant> {
        self.participants.get(&call).into_iter().flat_map(BTreeMap::values)
    }

    /// One participant.
    pub fn participant(&self, call: CallRef, leg: LegId) -> Option<&Participant> {
        self.participants.get(&call).and_then(|legs| legs.get(&leg))
    }

    /// A session at the participating function.
    pub fn participation(&self, id: ParticipationRef) -> Option<&Participation> {
        self.participations.get(&id)
    }

    /// Sessions of a user at the participating function.
    pub fn participations_of(&self, user: &str) -> impl Iterator<Item = &Participation> {
        self.participations_of.get(user).into_iter().flatten().filter_map(|id| self.participations.get(id))
    }

    /// All sessions at the participating function.
    pub fn participations(&self) -> impl Iterator<Item = &Participation> {
        self.participations.values()
    }

    /// One side of a session.
    pub fn leg(&self, id: LegId) -> Option<&Leg> {
        self.legs.get(&id)
    }

    /// All legs, in order of their identity.
    pub fn legs(&self) -> impl Iterator<Item = &Leg> {
        self.legs.values()
    }
}
