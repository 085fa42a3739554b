//! Affiliations of a user as they are to become, and what follows from the difference (TS 24.379 9.2.2.2.3 steps 16 to
//! 19).

use super::counts;
use crate::env::Time;
use crate::model::*;
use crate::procedure::{Outcome, Send};
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

    /// Different groups of a service to which the user's other clients are affiliated or about to be.
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
            .filter(|entry| entry.service == service && counts(entry, now))
            .map(|entry| entry.group.clone())
            .collect()
    }

    /// As [`Self::finish`], and the watchers of the user are told of each service in which something changed.
    pub fn finish_and_tell<W>(self, outcome: &mut Outcome<W>) {
        for service in Service::ALL {
            if self.sets.iter().any(|(client, set)| of(service, self.before(client)).ne(of(service, set))) {
                let user = self.user.clone();
                outcome.sends.push(Send::AffiliationStatus { user, service, p_id: None });
            }
        }
        self.finish(outcome);
    }

    /// Adds the facts that change; then, in this order, the status update for the GMS (TS 23.280 10.8.3.1 step 5b,
    /// 10.8.4.2 step 4b) and the words for calls, of the group or of the temporary group it is part of: first what ended,
    /// then what is new.
    pub fn finish<W>(self, outcome: &mut Outcome<W>) {
        let mut touched: PerService<BTreeSet<GroupId>> = PerService::default();
        let (mut ended, mut begun) = (Vec::new(), Vec::new());
        for (client, set) in &self.sets {
            let before = self.before(client);
            if before == set.as_slice() {
                continue;
            }
            outcome.changes.push(self.change(client, set));
            for service in Service::ALL {
                let (had, has) = (affiliated(service, before), affiliated(service, set));
                for group in had.difference(&has).map(|group| (*group).clone()) {
                    touched[service].insert(group.clone());
                    let (user, client) = (self.user.clone(), client.clone());
                    ended.push(Send::Deaffiliated { user, client, service, group });
                }
                for group in has.difference(&had).map(|group| (*group).clone()) {
                    touched[service].insert(group.clone());
                    let (user, client) = (self.user.clone(), client.clone());
                    begun.push(Send::Affiliated { user, client, service, group });
                }
            }
        }
        for service in Service::ALL {
            let groups: Vec<_> = std::mem::take(&mut touched[service])
                .into_iter()
                .filter_map(|group| {
                    let clients = self.model.affiliated_clients(service, group.as_str(), self.user.as_str());
                    let after = self.is_affiliated(service, &group);
                    (clients.is_some() != after).then_some((group, after))
                })
                .collect();
            if !groups.is_empty() {
                outcome.sends.push(Send::AffiliationUpdate { user: self.user.clone(), service, groups });
            }
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

    /// Whether any client of the user is to be affiliated to a group for a service.
    fn is_affiliated(&self, service: Service, group: &GroupId) -> bool {
        let unchanged = self.model.affiliated_clients(service, group.as_str(), self.user.as_str());
        unchanged.into_iter().flatten().any(|client| !self.sets.contains_key(client))
            || self.sets.values().any(|set| affiliated(service, set).contains(group))
    }
}

/// The entries of one service.
fn of(service: Service, set: &[GroupAffiliation]) -> impl Iterator<Item = &GroupAffiliation> {
    set.iter().filter(move |entry| entry.service == service)
}

/// The groups of a set that are in force for a service.
fn affiliated(service: Service, set: &[GroupAffiliation]) -> BTreeSet<&GroupId> {
    of(service, set)
        .filter(|entry| entry.status == AffiliationStatus::Affiliated)
        .map(|entry| &entry.group)
        .collect()
}
