//! The picture of the world that every procedure decides by.

mod affiliations;
mod calls;
mod groups;
mod owed;
mod subscriptions;
mod users;

use super::*;
use affiliations::{Affiliated, no_longer_affiliated, of_client};
use groups::Groups;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use subscriptions::WatchKey;
use users::is_of;

/// Provisioned data and facts together. Changes only through [`Model::apply`].
#[derive(Debug, Default)]
pub struct Model {
    users: HashMap<UserId, Arc<User>>,
    by_public_id: HashMap<PublicId, UserId>,
    gms: Groups,
    mc: Groups,
    registrations: HashMap<PublicId, Registration>,
    registered: HashMap<UserId, BTreeSet<PublicId>>,
    /// By user: few.
    settings: HashMap<UserId, Vec<ClientSettings>>,
    /// By user; the clients of a user, few, in order.
    affiliations: HashMap<UserId, Vec<ClientAffiliations>>,
    /// Records with an entry that is on its way in or out.
    unsettled: BTreeSet<(UserId, ClientId)>,
    affiliated: PerService<Affiliated>,
    calls: BTreeMap<CallRef, Call>,
    call_of_group: PerService<HashMap<GroupId, CallRef>>,
    participants: BTreeMap<CallRef, BTreeMap<LegId, Participant>>,
    participations: BTreeMap<ParticipationRef, Participation>,
    participations_of: HashMap<UserId, BTreeSet<ParticipationRef>>,
    legs: BTreeMap<LegId, Leg>,
    subscriptions: BTreeMap<SubscriptionRef, Subscription>,
    watchers: BTreeMap<WatchKey, BTreeSet<SubscriptionRef>>,
    subscriptions_by: HashMap<Subscriber, BTreeSet<SubscriptionRef>>,
    untold: BTreeSet<SubscriptionRef>,
    owed: BTreeMap<OwedRef, Owed>,
    owed_to: HashMap<UserId, BTreeSet<OwedRef>>,
    operations: HashMap<(UserId, String), Operation>,
    requests: BTreeMap<RequestRef, FunctionRequest>,
    requests_about: HashMap<(Psi, String), BTreeSet<RequestRef>>,
    watches: BTreeMap<WatchRef, Watch>,
    watch_of: HashMap<Watching, WatchRef>,
    proposals: BTreeMap<ProposalRef, Proposal>,
    /// By originator and by target.
    proposals_of: HashMap<UserId, BTreeSet<ProposalRef>>,
    formations: BTreeMap<GroupId, Formation>,
    reservations: BTreeMap<GroupId, Reservation>,
    /// Reservations that wait for others.
    waiting: BTreeSet<GroupId>,
    /// Constituents that are spoken for, with the temporary group that is to have them.
    spoken_for: HashMap<GroupId, GroupId>,
    withdrawals: BTreeMap<GroupId, Withdrawal>,
    /// Operations whose result is awaited: requestor and transaction-id, with the fingerprint of the request.
    unfinished: HashMap<(UserId, String), u64>,
    exchanges: HashMap<(Psi, String), Exchange>,
    received: BTreeMap<GroupId, Received>,
    sharings: BTreeMap<(GroupId, Psi), Sharing>,
    wanted: HashMap<GroupId, Wanted>,
    watches_of_documents: usize,
    owned: HashMap<GroupId, BTreeMap<(UserId, Service), OwnedAffiliation>>,
}

impl Model {
    /// A model that knows the provisioned users and groups and no fact. Both sides start from the same documents.
    pub fn provisioned(
        users: impl IntoIterator<Item = User>,
        groups: impl IntoIterator<Item = GroupDocument>,
    ) -> Self {
        let mut model = Self::default();
        for user in users {
            for public in &user.public_ids {
                model.by_public_id.insert(public.clone(), user.id.clone());
            }
            model.users.insert(user.id.clone(), Arc::new(user));
        }
        for group in groups {
            let group = Arc::new(group);
            model.gms.documents.insert(group.id.clone(), group.clone());
            model.mc.documents.insert(group.id.clone(), group);
        }
        model
    }

    /// Makes one change. The only way facts change, live and at replay.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Put(fact) => self.put(fact.clone()),
            Change::Remove(key) => self.remove(key),
        }
    }

    fn put(&mut self, fact: Fact) {
        if let Fact::Subscription(new) = &fact
            && let Some(known) = self.subscriptions.get_mut(&new.id)
            && known.watched == new.watched
            && known.subscriber == new.subscriber
        {
            // The indexes stay as they are: a group may have many thousand watchers.
            known.clone_from(new);
            return;
        }
        self.remove_indexes(&fact.key());
        match fact {
            Fact::TemporaryGroup(side, document) => {
                self.side_mut(side).documents.insert(document.id.clone(), Arc::new(document));
            }
            Fact::Regrouped(side, group, mark) => {
                let side = self.side_mut(side);
                side.parts_of.entry(mark.temporary.clone()).or_default().insert(group.clone());
                side.regrouped.insert(group, mark);
            }
            Fact::Registration(registration) => {
                self.registered
                    .entry(registration.user.clone())
                    .or_default()
                    .insert(registration.public_id.clone());
                self.registrations.insert(registration.public_id.clone(), registration);
            }
            Fact::Affiliation(client) => {
                if client.groups.iter().any(|entry| entry.status != AffiliationStatus::Affiliated) {
                    self.unsettled.insert((client.user.clone(), client.client.clone()));
                }
                for entry in &client.groups {
                    if entry.status == AffiliationStatus::Affiliated {
                        self.affiliated[entry.service]
                            .entry(entry.group.clone())
                            .or_default()
                            .entry(client.user.clone())
                            .or_default()
                            .insert(client.client.clone());
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
            Fact::Call(call) => {
                if !call.orphaned {
                    self.call_of_group[call.service].insert(call.group.id.clone(), call.id);
                }
                self.calls.insert(call.id, call);
            }
            Fact::Participant(participant) => {
                self.participants.entry(participant.call).or_default().insert(participant.leg, participant);
            }
            Fact::Participation(participation) => {
                self.participations_of
                    .entry(participation.user.clone())
                    .or_default()
                    .insert(participation.id);
                self.participations.insert(participation.id, participation);
            }
            Fact::Leg(leg) => {
                self.legs.insert(leg.id, leg);
            }
            Fact::Subscription(subscription) => {
                for key in WatchKey::of(&subscription.watched) {
                    self.watchers.entry(key).or_default().insert(subscription.id);
                }
                self.subscriptions_by
                    .entry(subscription.subscriber.clone())
                    .or_default()
                    .insert(subscription.id);
                self.subscriptions.insert(subscription.id, subscription);
            }
            Fact::Owed(owed) => {
                self.owed_to.entry(owed.to.clone()).or_default().insert(owed.id);
                self.owed.insert(owed.id, owed);
            }
            Fact::Operation(operation) => {
                let key = (operation.requestor.clone(), operation.transaction_id.clone());
                self.operations.insert(key, operation);
            }
            Fact::Request(request) => {
                let about = (request.to.clone(), request.what.subject());
                self.requests_about.entry(about).or_default().insert(request.id);
                self.requests.insert(request.id, request);
            }
            Fact::Watch(watch) => {
                if let Watching::GroupDocument { .. } = watch.what {
                    self.watches_of_documents += 1;
                }
                self.watch_of.insert(watch.what.clone(), watch.id);
                self.watches.insert(watch.id, watch);
            }
            Fact::Proposal(proposal) => {
                for user in [&proposal.originator, &proposal.target] {
                    self.proposals_of.entry(user.clone()).or_default().insert(proposal.id);
                }
                self.proposals.insert(proposal.id, proposal);
            }
            Fact::Settings(settings) => {
                let of_user = self.settings.entry(settings.user.clone()).or_default();
                of_user.retain(|known| !is_of(known, &settings.client, settings.service));
                of_user.push(settings);
            }
            Fact::Formation(formation) => {
                let id = formation.document.id.clone();
                let own = formation.own.iter().map(|group| (group.clone(), id.clone()));
                self.spoken_for.extend(own);
                self.begin_operation(&formation.asker);
                self.formations.insert(id, formation);
            }
            Fact::Reservation(reservation) => {
                let id = reservation.temporary.clone();
                if reservation.held {
                    let held = reservation.constituents.iter().map(|group| (group.clone(), id.clone()));
                    self.spoken_for.extend(held);
                } else {
                    self.waiting.insert(id.clone());
                }
                self.reservations.insert(id, reservation);
            }
            Fact::Withdrawal(withdrawal) => {
                if let Some(asker) = &withdrawal.asker {
                    self.begin_operation(asker);
                }
                self.withdrawals.insert(withdrawal.temporary.clone(), withdrawal);
            }
            Fact::Configuration(side, document) => {
                self.side_mut(side).documents.insert(document.id.clone(), Arc::new(document));
            }
            Fact::Received(received) => {
                self.received.insert(received.document.id.clone(), received);
            }
            Fact::Sharing(sharing) => {
                self.sharings.insert((sharing.document.id.clone(), sharing.with.clone()), sharing);
            }
            Fact::Wanted(wanted) => {
                self.wanted.insert(wanted.group.clone(), wanted);
            }
            Fact::Exchange(exchange) => {
                let key = (exchange.with.clone(), exchange.transaction_id.clone());
                self.exchanges.insert(key, exchange);
            }
            Fact::OwnedAffiliation(owned) => {
                let users = self.affiliated[owned.service].entry(owned.group.clone()).or_default();
                users.entry(owned.user.clone()).or_default().extend(owned.clients.iter().cloned());
                let of_group = self.owned.entry(owned.group.clone()).or_default();
                of_group.insert((owned.user.clone(), owned.service), owned);
            }
            Fact::Untold(subscription) => {
                self.untold.insert(subscription);
            }
        }
    }

    fn begin_operation(&mut self, asker: &Asker) {
        self.unfinished.insert((asker.user.clone(), asker.transaction_id.clone()), asker.request_hash);
    }

    fn end_operation(&mut self, asker: &Asker) {
        self.unfinished.remove(&(asker.user.clone(), asker.transaction_id.clone()));
    }

    fn remove(&mut self, key: &FactKey) {
        self.remove_indexes(key);
        match key {
            FactKey::TemporaryGroup(side, group) => {
                self.side_mut(*side).documents.remove(group);
            }
            FactKey::Regrouped(side, group) => {
                self.side_mut(*side).regrouped.remove(group);
            }
            FactKey::Registration(public) => {
                self.registrations.remove(public);
            }
            FactKey::Affiliation(user, client) => {
                if let Some(clients) = self.affiliations.get_mut(user) {
                    clients.retain(|known| known.client != *client);
                    if clients.is_empty() {
                        self.affiliations.remove(user);
                    }
                }
            }
            FactKey::Call(id) => {
                self.calls.remove(id);
            }
            FactKey::Participant(call, leg) => {
                if let Some(legs) = self.participants.get_mut(call) {
                    legs.remove(leg);
                    if legs.is_empty() {
                        self.participants.remove(call);
                    }
                }
            }
            FactKey::Participation(id) => {
                self.participations.remove(id);
            }
            FactKey::Leg(id) => {
                self.legs.remove(id);
            }
            FactKey::Subscription(id) => {
                self.subscriptions.remove(id);
            }
            FactKey::Owed(id) => {
                self.owed.remove(id);
            }
            FactKey::Operation(user, transaction) => {
                self.operations.remove(&(user.clone(), transaction.clone()));
            }
            FactKey::Request(id) => {
                self.requests.remove(id);
            }
            FactKey::Watch(id) => {
                self.watches.remove(id);
            }
            FactKey::Proposal(id) => {
                self.proposals.remove(id);
            }
            FactKey::Settings(user, client, service) => {
                if let Some(of_user) = self.settings.get_mut(user) {
                    of_user.retain(|known| !is_of(known, client, *service));
                    if of_user.is_empty() {
                        self.settings.remove(user);
                    }
                }
            }
            FactKey::Formation(id) => {
                self.formations.remove(id);
            }
            FactKey::Reservation(id) => {
                self.reservations.remove(id);
            }
            FactKey::Withdrawal(id) => {
                self.withdrawals.remove(id);
            }
            FactKey::Configuration(side, group) => {
                self.side_mut(*side).documents.remove(group);
            }
            FactKey::Received(group) => {
                self.received.remove(group);
            }
            FactKey::Sharing(group, with) => {
                self.sharings.remove(&(group.clone(), with.clone()));
            }
            FactKey::Wanted(group) => {
                self.wanted.remove(group);
            }
            FactKey::Exchange(with, transaction) => {
                self.exchanges.remove(&(with.clone(), transaction.clone()));
            }
            FactKey::OwnedAffiliation(group, user, service) => {
                if let Some(of_group) = self.owned.get_mut(group) {
                    of_group.remove(&(user.clone(), *service));
                    if of_group.is_empty() {
                        self.owned.remove(group);
                    }
                }
            }
            FactKey::Untold(subscription) => {
                self.untold.remove(subscription);
            }
        }
    }

    /// Takes a record out of the indexes that are derived from its contents.
    fn remove_indexes(&mut self, key: &FactKey) {
        match key {
            FactKey::Registration(public) => {
                if let Some(old) = self.registrations.get(public)
                    && let Some(of_user) = self.registered.get_mut(&old.user)
                {
                    of_user.remove(public);
                    if of_user.is_empty() {
                        self.registered.remove(&old.user);
                    }
                }
            }
            FactKey::Affiliation(user, client) => {
                let Some(old) = of_client(&self.affiliations, user.as_str(), client.as_str()) else { return };
                if !self.unsettled.is_empty() {
                    self.unsettled.remove(&(user.clone(), client.clone()));
                }
                for entry in &old.groups {
                    let clients = std::iter::once(client);
                    no_longer_affiliated(&mut self.affiliated[entry.service], &entry.group, user, clients);
                }
            }
            FactKey::OwnedAffiliation(group, user, service) => {
                let old = self.owned.get(group).and_then(|of_group| of_group.get(&(user.clone(), *service)));
                let Some(old) = old else { return };
                no_longer_affiliated(&mut self.affiliated[*service], group, user, &old.clients);
            }
            FactKey::Call(id) => {
                if let Some(old) = self.calls.get(id)
                    && self.call_of_group[old.service].get(&old.group.id) == Some(id)
                {
                    self.call_of_group[old.service].remove(&old.group.id);
                }
            }
            FactKey::Participation(id) => {
                if let Some(old) = self.participations.get(id)
                    && let Some(of_user) = self.participations_of.get_mut(&old.user)
                {
                    of_user.remove(id);
                    if of_user.is_empty() {
                        self.participations_of.remove(&old.user);
                    }
                }
            }
            FactKey::Subscription(id) => {
                if let Some(old) = self.subscriptions.get(id) {
                    for key in WatchKey::of(&old.watched) {
                        let Some(ids) = self.watchers.get_mut(&key) else { continue };
                        ids.remove(id);
                        if ids.is_empty() {
                            self.watchers.remove(&key);
                        }
                    }
                    if let Some(ids) = self.subscriptions_by.get_mut(&old.subscriber) {
                        ids.remove(id);
                        if ids.is_empty() {
                            self.subscriptions_by.remove(&old.subscriber);
                        }
                    }
                }
            }
            FactKey::Owed(id) => {
                if let Some(old) = self.owed.get(id)
                    && let Some(ids) = self.owed_to.get_mut(&old.to)
                {
                    ids.remove(id);
                    if ids.is_empty() {
                        self.owed_to.remove(&old.to);
                    }
                }
            }
            FactKey::Request(id) => {
                if let Some(old) = self.requests.get(id) {
                    let about = (old.to.clone(), old.what.subject());
                    if let Some(ids) = self.requests_about.get_mut(&about) {
                        ids.remove(id);
                        if ids.is_empty() {
                            self.requests_about.remove(&about);
                        }
                    }
                }
            }
            FactKey::Watch(id) => {
                let Some(old) = self.watches.get(id) else { return };
                if self.watch_of.get(&old.what) == Some(id) {
                    self.watch_of.remove(&old.what);
                }
                if let Watching::GroupDocument { .. } = old.what {
                    self.watches_of_documents = self.watches_of_documents.saturating_sub(1);
                }
            }
            FactKey::Proposal(id) => {
                let Some(old) = self.proposals.get(id) else { return };
                for user in [&old.originator, &old.target] {
                    if let Some(ids) = self.proposals_of.get_mut(user) {
                        ids.remove(id);
                        if ids.is_empty() {
                            self.proposals_of.remove(user);
                        }
                    }
                }
            }
            FactKey::Regrouped(side, group) => {
                let side = self.side_mut(*side);
                if let Some(old) = side.regrouped.get(group)
                    && let Some(parts) = side.parts_of.get_mut(&old.temporary)
                {
                    parts.remove(group);
                    if parts.is_empty() {
                        side.parts_of.remove(&old.temporary);
                    }
                }
            }
            FactKey::Formation(id) => {
                if let Some(old) = self.formations.remove(id) {
                    self.release(id, &old.own);
                    self.end_operation(&old.asker);
                }
            }
            FactKey::Reservation(id) => {
                if let Some(old) = self.reservations.remove(id) {
                    self.waiting.remove(id);
                    self.release(id, &old.constituents);
                }
            }
            FactKey::Withdrawal(id) => {
                if let Some(old) = self.withdrawals.remove(id)
                    && let Some(asker) = &old.asker
                {
                    self.end_operation(asker);
                }
            }
            _ => {}
        }
    }

    /// These constituents are no longer spoken for by this temporary group.
    fn release(&mut self, temporary: &GroupId, constituents: &[GroupId]) {
        for group in constituents {
            if self.spoken_for.get(group) == Some(temporary) {
                self.spoken_for.remove(group);
            }
        }
    }

    fn side_mut(&mut self, side: Side) -> &mut Groups {
        match side {
            Side::Gms => &mut self.gms,
            Side::Mc => &mut self.mc,
        }
    }

    fn side(&self, side: Side) -> &Groups {
        match side {
            Side::Gms => &self.gms,
            Side::Mc => &self.mc,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    // TS 23.280 10.2.4.2a step 5, and the group formed again under the same identity.
    #[test]
    fn the_call_on_a_group_is_not_one_that_outlived_its_group_in_whatever_order_they_come() {
        let document = temporary_group("joint", &["fire", "police"]);
        let old = Call { orphaned: true, ..call(1, document.clone()) };
        let new = call(2, document);
        let put = |call: &Call| Change::Put(Fact::Call(call.clone()));
        for order in [[&old, &new], [&new, &old]] {
            let mut model = Model::provisioned([], []);
            order.iter().for_each(|call| model.apply(&put(call)));
            let joint = group_id("joint");
            assert_eq!(model.call_on(Service::Mcptt, joint.as_str()).map(|call| call.id), Some(CallRef(2)));
            model.apply(&Change::Remove(FactKey::Call(CallRef(2))));
            assert_eq!(model.call_on(Service::Mcptt, joint.as_str()), None);
            assert_eq!(model.calls().count(), 1);
        }
    }

    #[test]
    fn a_call_that_outlives_its_group_is_not_on_it_any_more() {
        let running = call(1, temporary_group("joint", &["fire", "police"]));
        let mut model = Model::provisioned([], []);
        model.apply(&Change::Put(Fact::Call(running.clone())));
        assert!(model.call_on(Service::Mcptt, group_id("joint").as_str()).is_some());
        model.apply(&Change::Put(Fact::Call(Call { orphaned: true, ..running })));
        assert_eq!(model.call_on(Service::Mcptt, group_id("joint").as_str()), None);
    }
}
