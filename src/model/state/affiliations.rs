//! Who is affiliated to which group, and what is proposed about it.

use super::unlink;
use crate::model::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Users affiliated to groups, with their clients.
pub(super) type Affiliated = HashMap<GroupId, BTreeMap<UserId, BTreeSet<ClientId>>>;

impl Model {
    pub(super) fn put_affiliations(&mut self, client: ClientAffiliations) {
        self.unlink_affiliations(&client.user, &client.client);
        if client.groups.iter().any(|entry| entry.status != AffiliationStatus::Affiliated) {
            self.unsettled.insert((client.user.clone(), client.client.clone()));
        }
        for entry in &client.groups {
            if entry.status == AffiliationStatus::Affiliated {
                let users = self.affiliated[entry.service].entry(entry.group.clone()).or_default();
                users.entry(client.user.clone()).or_default().insert(client.client.clone());
            }
        }
        let clients = self.affiliations.entry(client.user.clone()).or_default();
        match clients.binary_search_by(|known| known.client.cmp(&client.client)) {
            Ok(at) => {
                if let Some(known) = clients.get_mut(at) {
                    *known = client;
                }
            }
            Err(at) => {
                // Nearly everybody has one client: no room is kept for more.
                clients.reserve_exact(1);
                clients.insert(at, client);
            }
        }
    }

    pub(super) fn remove_affiliations(&mut self, user: &UserId, client: &ClientId) {
        self.unlink_affiliations(user, client);
        if let Some(clients) = self.affiliations.get_mut(user) {
            clients.retain(|known| known.client != *client);
            if clients.is_empty() {
                self.affiliations.remove(user);
            }
        }
    }

    /// Takes the affiliations of a client out of the indexes.
    fn unlink_affiliations(&mut self, user: &UserId, client: &ClientId) {
        let Some(old) = of_client(&self.affiliations, user.as_str(), client.as_str()) else { return };
        if !self.unsettled.is_empty() {
            self.unsettled.remove(&(user.clone(), client.clone()));
        }
        for entry in &old.groups {
            let clients = std::iter::once(client);
            no_longer_affiliated(&mut self.affiliated[entry.service], &entry.group, user, clients);
        }
    }

    pub(super) fn put_owned_affiliation(&mut self, owned: OwnedAffiliation) {
        self.remove_owned_affiliation(&owned.group, &owned.user, owned.service);
        let users = self.affiliated[owned.service].entry(owned.group.clone()).or_default();
        users.entry(owned.user.clone()).or_default().extend(owned.clients.iter().cloned());
        let of_group = self.owned.entry(owned.group.clone()).or_default();
        of_group.insert((owned.user.clone(), owned.service), owned);
    }

    pub(super) fn remove_owned_affiliation(&mut self, group: &GroupId, user: &UserId, service: Service) {
        let Some(of_group) = self.owned.get_mut(group) else { return };
        if let Some(old) = of_group.remove(&(user.clone(), service)) {
            no_longer_affiliated(&mut self.affiliated[service], group, user, &old.clients);
        }
        if of_group.is_empty() {
            self.owned.remove(group);
        }
    }

    pub(super) fn put_last_publish(&mut self, last: LastPublish) {
        let key = (last.group.clone(), last.user.clone(), last.service);
        self.last_publish.insert(key, last);
    }

    pub(super) fn remove_last_publish(&mut self, group: &GroupId, user: &UserId, service: Service) {
        self.last_publish.remove(&(group.clone(), user.clone(), service));
    }

    pub(super) fn put_proposal(&mut self, proposal: Proposal) {
        self.remove_proposal(proposal.id);
        for user in [&proposal.originator, &proposal.target] {
            self.proposals_of.entry(user.clone()).or_default().insert(proposal.id);
        }
        self.proposals.insert(proposal.id, proposal);
    }

    pub(super) fn remove_proposal(&mut self, id: ProposalRef) {
        if let Some(old) = self.proposals.remove(&id) {
            for user in [&old.originator, &old.target] {
                unlink(&mut self.proposals_of, user, &id);
            }
        }
    }

    /// Affiliations of one client.
    pub fn affiliations(&self, user: &str, client: &str) -> Option<&ClientAffiliations> {
        of_client(&self.affiliations, user, client)
    }

    /// Affiliations of all clients of a user, in order of the client.
    pub fn affiliations_of(&self, user: &str) -> impl Iterator<Item = &ClientAffiliations> {
        self.affiliations.get(user).into_iter().flatten()
    }

    /// Affiliations of all clients, in no particular order.
    pub fn all_affiliations(&self) -> impl Iterator<Item = &ClientAffiliations> {
        self.affiliations.values().flatten()
    }

    /// Clients with an affiliation that is on its way in or out, in order of the user.
    pub fn unsettled_affiliations(&self) -> impl Iterator<Item = &ClientAffiliations> {
        self.unsettled
            .iter()
            .filter_map(|(user, client)| of_client(&self.affiliations, user.as_str(), client.as_str()))
    }

    /// Whether this client of the user is affiliated to exactly this group for a service (TS 24.379 6.3.6, 9.2.2.2.11).
    pub fn is_affiliated(&self, service: Service, user: &str, client: &str, group: &str) -> bool {
        self.affiliated_clients(service, group, user).is_some_and(|clients| clients.contains(client))
    }

    /// Users affiliated to a group for a service with at least one client, in order of the user.
    pub fn affiliated_users(
        &self,
        service: Service,
        group: &str,
    ) -> impl Iterator<Item = (&UserId, &BTreeSet<ClientId>)> {
        self.affiliated[service].get(group).into_iter().flatten()
    }

    /// Clients by which a user is affiliated to a group for a service.
    pub fn affiliated_clients(
        &self,
        service: Service,
        group: &str,
        user: &str,
    ) -> Option<&BTreeSet<ClientId>> {
        self.affiliated[service].get(group).and_then(|users| users.get(user))
    }

    /// How many users are affiliated to a group for a service.
    pub fn affiliated_count(&self, service: Service, group: &str) -> usize {
        self.affiliated[service].get(group).map_or(0, BTreeMap::len)
    }

    /// The affiliation of a user who is served elsewhere to a group that is owned here.
    pub fn owned_affiliation(
        &self,
        group: &str,
        user: &UserId,
        service: Service,
    ) -> Option<&OwnedAffiliation> {
        self.owned.get(group).and_then(|of_group| of_group.get(&(user.clone(), service)))
    }

    /// The last PUBLISH for a user who is served elsewhere about a group that is owned here, for a while.
    pub fn last_publish(&self, group: &GroupId, user: &UserId, service: Service) -> Option<&LastPublish> {
        self.last_publish.get(&(group.clone(), user.clone(), service))
    }

    /// Affiliations to a group that is owned here of users who are served elsewhere, in order of the user.
    pub fn owned_affiliations(&self, group: &str) -> impl Iterator<Item = &OwnedAffiliation> {
        self.owned.get(group).into_iter().flat_map(BTreeMap::values)
    }

    /// Groups that are owned here and to which users who are served elsewhere are affiliated, in no particular order.
    pub fn owned_groups(&self) -> impl Iterator<Item = &GroupId> {
        self.owned.keys()
    }

    /// A proposal to change affiliations.
    pub fn proposal(&self, id: ProposalRef) -> Option<&Proposal> {
        self.proposals.get(&id)
    }

    /// Proposals that a user made, or that are about that user's affiliations, in order of their identity.
    pub fn proposals_of(&self, user: &UserId) -> impl Iterator<Item = &Proposal> {
        self.proposals_of.get(user).into_iter().flatten().filter_map(|id| self.proposals.get(id))
    }

    /// How many proposals there are.
    pub fn proposal_count(&self) -> usize {
        self.proposals.len()
    }
}

fn no_longer_affiliated<'a>(
    affiliated: &mut Affiliated,
    group: &GroupId,
    user: &UserId,
    gone: impl IntoIterator<Item = &'a ClientId>,
) {
    let Some(users) = affiliated.get_mut(group) else { return };
    if let Some(clients) = users.get_mut(user) {
        for client in gone {
            clients.remove(client);
        }
        if clients.is_empty() {
            users.remove(user);
        }
    }
    if users.is_empty() {
        affiliated.remove(group);
    }
}

fn of_client<'a>(
    affiliations: &'a HashMap<UserId, Vec<ClientAffiliations>>,
    user: &str,
    client: &str,
) -> Option<&'a ClientAffiliations> {
    affiliations.get(user)?.iter().find(|known| known.client.as_str() == client)
}
