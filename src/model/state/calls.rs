//! Group calls and sessions.

use super::unlink;
use crate::model::*;
use std::collections::BTreeMap;

impl Model {
    pub(super) fn put_call(&mut self, call: Call) {
        self.remove_call(call.id);
        if !call.orphaned {
            self.call_of_group[call.service].insert(call.group.id.clone(), call.id);
        }
        self.calls.insert(call.id, call);
    }

    pub(super) fn remove_call(&mut self, id: CallRef) {
        if let Some(old) = self.calls.remove(&id)
            && self.call_of_group[old.service].get(&old.group.id) == Some(&id)
        {
            self.call_of_group[old.service].remove(&old.group.id);
        }
    }

    pub(super) fn put_participant(&mut self, participant: Participant) {
        self.participants.entry(participant.call).or_default().insert(participant.leg, participant);
    }

    pub(super) fn remove_participant(&mut self, call: CallRef, leg: LegId) {
        if let Some(legs) = self.participants.get_mut(&call) {
            legs.remove(&leg);
            if legs.is_empty() {
                self.participants.remove(&call);
            }
        }
    }

    pub(super) fn put_roster(&mut self, roster: Roster) {
        self.rosters.entry(roster.call).or_default().insert(roster.of.clone(), roster);
    }

    pub(super) fn remove_roster(&mut self, call: CallRef, of: &GroupId) {
        if let Some(rosters) = self.rosters.get_mut(&call) {
            rosters.remove(of);
            if rosters.is_empty() {
                self.rosters.remove(&call);
            }
        }
    }

    pub(super) fn put_participation(&mut self, participation: Participation) {
        self.remove_participation(participation.id);
        let of_user = self.participations_of.entry(participation.user.clone()).or_default();
        of_user.insert(participation.id);
        self.participations.insert(participation.id, participation);
    }

    pub(super) fn remove_participation(&mut self, id: ParticipationRef) {
        if let Some(old) = self.participations.remove(&id) {
            unlink(&mut self.participations_of, &old.user, &id);
        }
    }

    pub(super) fn put_leg(&mut self, leg: Leg) {
        self.legs.insert(leg.id, leg);
    }

    pub(super) fn remove_leg(&mut self, id: LegId) {
        self.legs.remove(&id);
    }

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

    /// What other controlling functions told of a call, in order of the groups they speak for.
    pub fn rosters(&self, call: CallRef) -> impl Iterator<Item = &Roster> {
        self.rosters.get(&call).into_iter().flat_map(BTreeMap::values)
    }

    /// What the one told that speaks for this group.
    pub fn roster(&self, call: CallRef, of: &GroupId) -> Option<&Roster> {
        self.rosters.get(&call).and_then(|rosters| rosters.get(of))
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
