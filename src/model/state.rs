//! The picture of the world that every procedure decides by.

mod affiliations;
mod calls;
mod groups;
mod operations;
mod owed;
mod subscriptions;
mod users;

use super::*;
use affiliations::Affiliated;
use groups::Groups;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Arc;
use subscriptions::WatchKey;

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
    rosters: BTreeMap<CallRef, BTreeMap<GroupId, Roster>>,
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
    requests_to: BTreeMap<Psi, usize>,
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
    last_publish: HashMap<(GroupId, UserId, Service), LastPublish>,
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
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Put(fact) => self.put(fact),
            Change::Remove(key) => self.remove(&key),
        }
    }

    fn put(&mut self, fact: Fact) {
        match fact {
            Fact::TemporaryGroup(side, document) | Fact::Configuration(side, document) => {
                self.put_document(side, document);
            }
            Fact::Regrouped(side, group, mark) => self.put_mark(side, group, mark),
            Fact::Registration(registration) => self.put_registration(registration),
            Fact::Affiliation(client) => self.put_affiliations(client),
            Fact::Call(call) => self.put_call(call),
            Fact::Participant(participant) => self.put_participant(participant),
            Fact::Participation(participation) => self.put_participation(participation),
            Fact::Leg(leg) => self.put_leg(leg),
            Fact::Subscription(subscription) => self.put_subscription(subscription),
            Fact::Owed(owed) => self.put_owed(owed),
            Fact::Operation(operation) => self.put_operation(operation),
            Fact::Request(request) => self.put_request(request),
            Fact::Watch(watch) => self.put_watch(watch),
            Fact::Proposal(proposal) => self.put_proposal(proposal),
            Fact::Settings(settings) => self.put_settings(settings),
            Fact::Formation(formation) => self.put_formation(formation),
            Fact::Reservation(reservation) => self.put_reservation(reservation),
            Fact::Withdrawal(withdrawal) => self.put_withdrawal(withdrawal),
            Fact::Exchange(exchange) => self.put_exchange(exchange),
            Fact::Received(received) => self.put_received(received),
            Fact::Sharing(sharing) => self.put_sharing(sharing),
            Fact::Wanted(wanted) => self.put_wanted(wanted),
            Fact::OwnedAffiliation(owned) => self.put_owned_affiliation(owned),
            Fact::LastPublish(last) => self.put_last_publish(last),
            Fact::Untold(subscription) => self.put_untold(subscription),
            Fact::Roster(roster) => self.put_roster(roster),
        }
    }

    fn remove(&mut self, key: &FactKey) {
        match key {
            FactKey::TemporaryGroup(side, group) | FactKey::Configuration(side, group) => {
                self.remove_document(*side, group);
            }
            FactKey::Regrouped(side, group) => self.remove_mark(*side, group),
            FactKey::Registration(public) => self.remove_registration(public),
            FactKey::Affiliation(user, client) => self.remove_affiliations(user, client),
            FactKey::Call(id) => self.remove_call(*id),
            FactKey::Participant(call, leg) => self.remove_participant(*call, *leg),
            FactKey::Participation(id) => self.remove_participation(*id),
            FactKey::Leg(id) => self.remove_leg(*id),
            FactKey::Subscription(id) => self.remove_subscription(*id),
            FactKey::Owed(id) => self.remove_owed(*id),
            FactKey::Operation(user, transaction) => self.remove_operation(user, transaction),
            FactKey::Request(id) => self.remove_request(*id),
            FactKey::Watch(id) => self.remove_watch(*id),
            FactKey::Proposal(id) => self.remove_proposal(*id),
            FactKey::Settings(user, client, service) => self.remove_settings(user, client, *service),
            FactKey::Formation(id) => self.remove_formation(id),
            FactKey::Reservation(id) => self.remove_reservation(id),
            FactKey::Withdrawal(id) => self.remove_withdrawal(id),
            FactKey::Exchange(with, transaction) => self.remove_exchange(with, transaction),
            FactKey::Received(group) => self.remove_received(group),
            FactKey::Sharing(group, with) => self.remove_sharing(group, with),
            FactKey::Wanted(group) => self.remove_wanted(group),
            FactKey::OwnedAffiliation(group, user, service) => {
                self.remove_owned_affiliation(group, user, *service);
            }
            FactKey::LastPublish(group, user, service) => self.remove_last_publish(group, user, *service),
            FactKey::Untold(subscription) => self.remove_untold(*subscription),
            FactKey::Roster(call, of) => self.remove_roster(*call, of),
        }
    }
}

/// Takes a value out of an index. The entry goes with its last value.
fn unlink<K: Eq + Hash, V: Ord>(index: &mut HashMap<K, BTreeSet<V>>, key: &K, value: &V) {
    if let Some(values) = index.get_mut(key) {
        values.remove(value);
        if values.is_empty() {
            index.remove(key);
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
            order.iter().for_each(|call| model.apply(put(call)));
            let joint = group_id("joint");
            assert_eq!(model.call_on(Service::Mcptt, joint.as_str()).map(|call| call.id), Some(CallRef(2)));
            model.apply(Change::Remove(FactKey::Call(CallRef(2))));
            assert_eq!(model.call_on(Service::Mcptt, joint.as_str()), None);
            assert_eq!(model.calls().count(), 1);
        }
    }

    #[test]
    fn a_call_that_outlives_its_group_is_not_on_it_any_more() {
        let running = call(1, temporary_group("joint", &["fire", "police"]));
        let mut model = Model::provisioned([], []);
        model.apply(Change::Put(Fact::Call(running.clone())));
        assert!(model.call_on(Service::Mcptt, group_id("joint").as_str()).is_some());
        model.apply(Change::Put(Fact::Call(Call { orphaned: true, ..running })));
        assert_eq!(model.call_on(Service::Mcptt, group_id("joint").as_str()), None);
    }
}
