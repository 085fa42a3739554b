//! Affiliations of a user as they are to become, and what follows from the difference (TS 24.379 9.2.2.2.3 steps 16 to
//! 19).

use super::is_live;
use crate::env::Time;
use crate::model::*;
use crate::procedure::{Outcome, Over, Send};
use std::collections::{BTreeMap, BTreeSet};

/// New sets of some clients of one user. A client that is not named keeps what it has.
pub struct Plan<'a> {
    model: &'a Model,
    user: UserId,
    sets: BTreeMap<ClientId, Vec<GroupAffiliation>>,
}

impl<'a> Plan<'a> {
    /// Nothing changes yet.
    pub fn new(model: &'a Model, user: &UserId) -> Self {
        Self { model, user: user.clone(), sets: BTreeMap::new() }
    }

    /// Whose affiliations.
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// What a client is to have.
    pub fn of(&self, client: &ClientId) -> &[GroupAffiliation] {
        match self.sets.get(client) {
            Some(set) => set,
            None => self.before(client),
        }
    }

    /// Gives a client this set of groups of one service. Those of other services stay.
    pub fn replace(&mut self, client: &ClientId, service: Service, set: Vec<GroupAffiliation>) {
        let mut entries: Vec<_> =
            self.of(client).iter().filter(|entry| entry.service != service).cloned().collect();
        entries.extend(set);
        entries.sort_by_key(|entry| entry.service);
        self.sets.insert(client.clone(), entries);
    }

    /// Leaves a client only what `keep` says.
    pub fn keep(&mut self, client: &ClientId, keep: impl Fn(&GroupAffiliation) -> bool) {
        let entries = self.of(client).iter().filter(|entry| keep(entry)).cloned().collect();
        self.sets.insert(client.clone(), entries);
    }

    /// Different groups of a service to which the user's other clients are affiliated.
    pub fn groups_of_others(&self, client: &ClientId, service: Service, now: Time) -> BTreeSet<GroupId> {
        let clients: BTreeSet<_> = self
            .model
            .affiliations_of(self.user.as_str())
            .map(|record| &record.client)
            .chain(self.sets.keys())
            .collect();
        clients
            .into_iter()
            .filter(|other| *other != client)
            .flat_map(|other| self.of(other))
            .filter(|entry| entry.service == service && is_live(entry, now))
            .map(|entry| entry.group.clone())
            .collect()
    }

    /// As [`Self::finish`], and the watchers of the user are told if anything changed.
    pub fn finish_and_tell(self, outcome: &mut Outcome<Over>) {
        let user = self.user.clone();
        let (changed, at) = (outcome.changes.len(), outcome.sends.len());
        self.finish(outcome);
        if outcome.changes.len() > changed {
            outcome.sends.insert(at, Send::AffiliationStatus { user, p_id: None });
        }
    }

    /// Adds the facts that change; then, in this order, the status update for the GMS (TS 23.280 10.8.3.1 step 5b,
    /// 10.8.4.2 step 4b) and the words for calls, of the group or of the temporary group it is part of: first what ended,
    /// then what is new.
    pub fn finish(self, outcome: &mut Outcome<Over>) {
        let mut touched = BTreeSet::new();
        let (mut ended, mut begun) = (Vec::new(), Vec::new());
        for (client, set) in &self.sets {
            let before = self.before(client);
            if before == set.as_slice() {
                continue;
            }
            outcome.changes.push(self.change(client, set));
            let (had, has) = (affiliated(before), affiliated(set));
            for group in had.difference(&has).map(|group| (*group).clone()) {
                touched.insert(group.clone());
                ended.push(Send::Deaffiliated { user: self.user.clone(), client: client.clone(), group });
            }
            for group in has.difference(&had).map(|group| (*group).clone()) {
                touched.insert(group.clone());
                begun.push(Send::Affiliated { user: self.user.clone(), client: client.clone(), group });
            }
        }
        let groups: Vec<_> = touched
            .into_iter()
            .filter_map(|group| {
                let before = self.model.affiliated_clients(group.as_str(), self.user.as_str()).is_some();
                let after = self.is_affiliated(&group);
                (before != after).then_some((group, after))
            })
            .collect();
        if !groups.is_empty() {
            outcome.sends.push(Send::AffiliationUpdate { user: self.user.clone(), groups });
        }
        outcome.sends.extend(ended);
        outcome.sends.extend(begun);
    }

    fn before(&self, client: &ClientId) -> &'a [GroupAffiliation] {
        self.model.affiliations(self.user.as_str(), client.as_str()).map_or(&[], |record| &record.groups)
    }

    fn change(&self, client: &ClientId, set: &[GroupAffiliation]) -> Change {
        let (user, client) = (self.user.clone(), client.clone());
        if set.is_empty() {
            Change::Remove(FactKey::Affiliation(user, client))
        } else {
            Change::Put(Fact::Affiliation(ClientAffiliations { user, client, groups: set.to_vec() }))
        }
    }

    /// Whether any client of the user is to be affiliated to a group.
    fn is_affiliated(&self, group: &GroupId) -> bool {
        let unchanged = self.model.affiliated_clients(group.as_str(), self.user.as_str());
        unchanged.into_iter().flatten().any(|client| !self.sets.contains_key(client))
            || self.sets.values().any(|set| affiliated(set).contains(group))
    }
}

/// The groups of a set that are in force.
fn affiliated(set: &[GroupAffiliation]) -> BTreeSet<&GroupId> {
    set.iter()
        .filter(|entry| entry.status == AffiliationStatus::Affiliated)
        .map(|entry| &entry.group)
        .collect()
}
