//! The picture of the world that every procedure decides by.

use super::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

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

/// Users affiliated to groups, with their clients.
type Affiliated = HashMap<GroupId, BTreeMap<UserId, BTreeSet<ClientId>>>;

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

fn is_of(settings: &ClientSettings, client: &ClientId, service: Service) -> bool {
    settings.client == *client && settings.service == service
}

/// What a side knows of groups.
#[derive(Debug, Default)]
struct Groups {
    documents: HashMap<GroupId, Arc<GroupDocument>>,
    regrouped: HashMap<GroupId, Regrouped>,
    /// Marked constituents by their temporary group.
    parts_of: HashMap<GroupId, BTreeSet<GroupId>>,
}

/// Index of subscriptions by what they watch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum WatchKey {
    User(UserId),
    GroupAndUser(GroupId, UserId),
    Call(CallRef),
    Group(GroupId),
    Document(GroupId),
}

impl WatchKey {
    fn of(watched: &Watched) -> Vec<Self> {
        match watched {
            Watched::Affiliations { user, .. } => vec![Self::User(user.clone())],
            Watched::GroupAffiliation { group, user, .. } => {
                vec![Self::GroupAndUser(group.clone(), user.clone())]
            }
            Watched::Conference { call, .. } => vec![Self::Call(*call)],
            Watched::Group { group, .. } => vec![Self::Group(group.clone())],
            Watched::GroupDocuments { groups, .. } => groups.iter().cloned().map(Self::Document).collect(),
        }
    }
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

    /// A provisioned user.
    pub fn user(&self, id: &str) -> Option<&Arc<User>> {
        self.users.get(id)
    }

    /// The user that a public identity is bound to by provisioning.
    pub fn user_of(&self, public: &str) -> Option<&Arc<User>> {
        self.by_public_id.get(public).and_then(|id| self.users.get(id))
    }

    /// A group document as a side knows it.
    pub fn group(&self, side: Side, id: &str) -> Option<&Arc<GroupDocument>> {
        self.side(side).documents.get(id)
    }

    /// The temporary group that a group belongs to, as a side knows it.
    pub fn regrouped(&self, side: Side, id: &str) -> Option<&Regrouped> {
        self.side(side).regrouped.get(id)
    }

    /// The groups that are marked as constituents of a temporary group, as a side knows them, in order.
    pub fn marked(&self, side: Side, temporary: &str) -> impl Iterator<Item = &GroupId> {
        self.side(side).parts_of.get(temporary).into_iter().flatten()
    }

    /// Every group document of a side, in no particular order.
    pub fn groups(&self, side: Side) -> impl Iterator<Item = &Arc<GroupDocument>> {
        self.side(side).documents.values()
    }

    /// Bindings of one public identity.
    pub fn registration(&self, public: &str) -> Option<&Registration> {
        self.registrations.get(public)
    }

    /// All registrations of a user, in order of the public identity.
    pub fn registrations_of(&self, user: &str) -> impl Iterator<Item = &Registration> {
        self.registered.get(user).into_iter().flatten().filter_map(|public| self.registrations.get(public))
    }

    /// What a client has said about a service.
    pub fn settings(&self, user: &UserId, client: &ClientId, service: Service) -> Option<&ClientSettings> {
        self.settings_of(user).find(|known| is_of(known, client, service))
    }

    /// What the clients of a user have said about services, in no particular order.
    pub fn settings_of(&self, user: &UserId) -> impl Iterator<Item = &ClientSettings> {
        self.settings.get(user).into_iter().flatten()
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

    /// Whether a subscriber has yet to take the state as it is now.
    pub fn is_untold(&self, id: SubscriptionRef) -> bool {
        self.untold.contains(&id)
    }

    /// Subscriptions whose subscribers have yet to take the state as it is now.
    pub fn untold(&self) -> impl Iterator<Item = SubscriptionRef> {
        self.untold.iter().copied()
    }

    /// A subscription.
    pub fn subscription(&self, id: SubscriptionRef) -> Option<&Subscription> {
        self.subscriptions.get(&id)
    }

    /// All subscriptions, in order of their identity.
    pub fn subscriptions(&self) -> impl Iterator<Item = &Subscription> {
        self.subscriptions.values()
    }

    /// Subscriptions to the affiliation status of a user.
    pub fn watchers_of_user(&self, user: &UserId) -> impl Iterator<Item = &Subscription> + use<'_> {
        self.watching(WatchKey::User(user.clone()))
    }

    /// Subscriptions of functions elsewhere to the affiliation of a user of theirs to a group that is owned here.
    pub fn watchers_of_affiliation(
        &self,
        group: &GroupId,
        user: &UserId,
    ) -> impl Iterator<Item = &Subscription> + use<'_> {
        self.watching(WatchKey::GroupAndUser(group.clone(), user.clone()))
    }

    /// Subscriptions to the roster of a call.
    pub fn watchers_of_call(&self, call: CallRef) -> impl Iterator<Item = &Subscription> {
        self.watching(WatchKey::Call(call))
    }

    /// Subscriptions to who is affiliated to a group and what goes on in it, for any service.
    pub fn watchers_of_group(&self, group: &GroupId) -> impl Iterator<Item = &Subscription> + use<'_> {
        self.watching(WatchKey::Group(group.clone()))
    }

    /// Subscriptions to the document of a group.
    pub fn watchers_of_document(&self, group: &GroupId) -> impl Iterator<Item = &Subscription> + use<'_> {
        self.watching(WatchKey::Document(group.clone()))
    }

    /// Groups whose documents are watched.
    pub fn watched_documents(&self) -> impl Iterator<Item = &GroupId> {
        self.watchers.keys().filter_map(|key| match key {
            WatchKey::Document(group) => Some(group),
            _ => None,
        })
    }

    /// The group whose document at the GMS is changed by this.
    pub fn document_concerned(&self, change: &Change) -> Option<GroupId> {
        match change {
            Change::Put(Fact::TemporaryGroup(Side::Gms, GroupDocument { id: group, .. }))
            | Change::Put(Fact::Regrouped(Side::Gms, group, _))
            | Change::Put(Fact::Configuration(Side::Gms, GroupDocument { id: group, .. }))
            | Change::Remove(
                FactKey::TemporaryGroup(Side::Gms, group)
                | FactKey::Regrouped(Side::Gms, group)
                | FactKey::Configuration(Side::Gms, group),
            ) => Some(group.clone()),
            _ => None,
        }
    }

    /// Groups whose dynamic data follow from this change, if anybody watches any group: what is told of a group is made
    /// of affiliations, calls and marks.
    pub fn groups_concerned(&self, change: &Change) -> Vec<(GroupId, Service)> {
        let first = WatchKey::Group(GroupId::new(""));
        let is_group = |key: &WatchKey| matches!(key, WatchKey::Group(_));
        if !self.watchers.range(first..).next().is_some_and(|(key, _)| is_group(key)) {
            return Vec::new();
        }
        let key = match change {
            Change::Put(fact) => fact.key(),
            Change::Remove(key) => key.clone(),
        };
        let mut groups = Vec::new();
        match &key {
            FactKey::Affiliation(user, client) => {
                let old = self.affiliations(user.as_str(), client.as_str());
                let new = match change {
                    Change::Put(Fact::Affiliation(new)) => Some(new),
                    _ => None,
                };
                let (old, new) =
                    (old.map_or(&[][..], |old| &old.groups), new.map_or(&[][..], |new| &new.groups));
                let one_sided = |these: &[GroupAffiliation], those: &[GroupAffiliation]| -> Vec<_> {
                    let missing = these.iter().filter(|entry| !those.contains(entry));
                    missing.map(|entry| (entry.group.clone(), entry.service)).collect()
                };
                groups.extend(one_sided(old, new));
                groups.extend(one_sided(new, old));
            }
            FactKey::Call(id) => {
                let new = match change {
                    Change::Put(Fact::Call(new)) => Some(new),
                    _ => None,
                };
                groups.extend(
                    self.call(*id).into_iter().chain(new).map(|call| (call.group.id.clone(), call.service)),
                );
            }
            FactKey::OwnedAffiliation(group, _, service) => groups.push((group.clone(), *service)),
            FactKey::TemporaryGroup(Side::Mc, group) => {
                groups.extend(Service::ALL.map(|service| (group.clone(), service)));
            }
            _ => {}
        }
        // Who is affiliated to a constituent is affiliated to the temporary group.
        let temporary = |(group, service): &(GroupId, Service)| {
            Some((self.regrouped(Side::Mc, group.as_str())?.temporary.clone(), *service))
        };
        let of_temporary: Vec<_> = groups.iter().filter_map(temporary).collect();
        groups.extend(of_temporary);
        groups
    }

    fn watching(&self, key: WatchKey) -> impl Iterator<Item = &Subscription> + use<'_> {
        self.watchers.get(&key).into_iter().flatten().filter_map(|id| self.subscriptions.get(id))
    }

    /// How many subscriptions somebody holds.
    pub fn subscriptions_by(&self, subscriber: &Subscriber) -> usize {
        self.subscriptions_by.get(subscriber).map_or(0, BTreeSet::len)
    }

    /// Requests that are owed to a user.
    pub fn owed_to(&self, user: &str) -> impl Iterator<Item = &Owed> {
        self.owed_to.get(user).into_iter().flatten().filter_map(|id| self.owed.get(id))
    }

    /// How many requests are owed, to users and to functions elsewhere; each proposal will be one.
    pub fn owed_count(&self) -> usize {
        self.owed.len() + self.requests.len() + self.proposals.len()
    }

    /// A request that is owed.
    pub fn owed(&self, id: OwedRef) -> Option<&Owed> {
        self.owed.get(&id)
    }

    /// All requests that are owed.
    pub fn all_owed(&self) -> impl Iterator<Item = &Owed> {
        self.owed.values()
    }

    /// A request to a function elsewhere that is not answered for good.
    pub fn request(&self, id: RequestRef) -> Option<&FunctionRequest> {
        self.requests.get(&id)
    }

    /// All requests to functions elsewhere that are not answered for good.
    pub fn requests(&self) -> impl Iterator<Item = &FunctionRequest> {
        self.requests.values()
    }

    /// Requests to a function elsewhere about one subject ([`Asked::subject`]), in no particular order.
    pub fn requests_about(
        &self,
        to: &Psi,
        subject: &str,
    ) -> impl Iterator<Item = &FunctionRequest> + use<'_> {
        let ids = self.requests_about.get(&(to.clone(), subject.to_owned()));
        ids.into_iter().flatten().filter_map(|id| self.requests.get(id))
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

    /// Affiliations to a group that is owned here of users who are served elsewhere, in order of the user.
    pub fn owned_affiliations(&self, group: &str) -> impl Iterator<Item = &OwnedAffiliation> {
        self.owned.get(group).into_iter().flat_map(BTreeMap::values)
    }

    /// Groups that are owned here and to which users who are served elsewhere are affiliated, in no particular order.
    pub fn owned_groups(&self) -> impl Iterator<Item = &GroupId> {
        self.owned.keys()
    }

    /// A subscription of ours.
    pub fn watch(&self, id: WatchRef) -> Option<&Watch> {
        self.watches.get(&id)
    }

    /// The subscription of ours that is about this.
    pub fn watch_of(&self, what: &Watching) -> Option<&Watch> {
        self.watch_of.get(what).and_then(|id| self.watches.get(id))
    }

    /// How many documents are watched at a GMS elsewhere.
    pub fn watches_of_documents(&self) -> usize {
        self.watches_of_documents
    }

    /// All subscriptions of ours.
    pub fn watches(&self) -> impl Iterator<Item = &Watch> {
        self.watches.values()
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

    /// A finished operation of the GMS.
    pub fn operation(&self, requestor: &UserId, transaction_id: &str) -> Option<&Operation> {
        self.operations.get(&(requestor.clone(), transaction_id.to_owned()))
    }

    /// The fingerprint of an operation of the GMS whose result is awaited.
    pub fn unfinished(&self, requestor: &UserId, transaction_id: &str) -> Option<u64> {
        self.unfinished.get(&(requestor.clone(), transaction_id.to_owned())).copied()
    }

    /// A temporary group of several systems that is being formed.
    pub fn formation(&self, temporary: &str) -> Option<&Formation> {
        self.formations.get(temporary)
    }

    /// How many temporary groups of several systems are being formed.
    pub fn formation_count(&self) -> usize {
        self.formations.len()
    }

    /// How many temporary groups of several systems are on their way in or out here, reservations included.
    pub fn regrouping_count(&self) -> usize {
        self.formations.len() + self.reservations.len() + self.withdrawals.len()
    }

    /// What a GMS elsewhere has reserved, or waits for.
    pub fn reservation(&self, temporary: &str) -> Option<&Reservation> {
        self.reservations.get(temporary)
    }

    /// Reservations that wait for others, in order of the temporary group.
    pub fn waiting(&self) -> impl Iterator<Item = &Reservation> {
        self.waiting.iter().filter_map(|id| self.reservations.get(id))
    }

    /// The temporary group, not formed yet, that is to have this group.
    pub fn spoken_for(&self, group: &str) -> Option<&GroupId> {
        self.spoken_for.get(group)
    }

    /// A temporary group that partner systems have yet to let go.
    pub fn withdrawal(&self, temporary: &str) -> Option<&Withdrawal> {
        self.withdrawals.get(temporary)
    }

    /// All of them, in order.
    pub fn withdrawals(&self) -> impl Iterator<Item = &Withdrawal> {
        self.withdrawals.values()
    }

    /// What the primary system of a group sent.
    pub fn received(&self, group: &str) -> Option<&Received> {
        self.received.get(group)
    }

    /// All of them, in order of the group.
    pub fn all_received(&self) -> impl Iterator<Item = &Received> {
        self.received.values()
    }

    /// The configuration of a group of ours at a partner.
    pub fn sharing(&self, group: &GroupId, with: &Psi) -> Option<&Sharing> {
        self.sharings.get(&(group.clone(), with.clone()))
    }

    /// Configurations of a group of ours at partners.
    pub fn sharings_of(&self, group: &GroupId) -> impl Iterator<Item = &Sharing> {
        let from = (group.clone(), Psi::new(""));
        let group = group.clone();
        self.sharings.range(from..).map(|(_, sharing)| sharing).take_while(move |it| it.document.id == group)
    }

    /// All of them.
    pub fn sharings(&self) -> impl Iterator<Item = &Sharing> {
        self.sharings.values()
    }

    /// A group of another system whose configuration is wanted, or was refused lately.
    pub fn wanted(&self, group: &str) -> Option<&Wanted> {
        self.wanted.get(group)
    }

    /// How many of them there are.
    pub fn wanted_count(&self) -> usize {
        self.wanted.len()
    }

    /// Takes the provisioned groups of this system anew. A temporary group stays, and so does a group that is part of one:
    /// it cannot go while it is. Returns those that would have gone.
    pub fn provision_groups(
        &mut self,
        groups: impl IntoIterator<Item = GroupDocument>,
        domain: &str,
    ) -> Vec<GroupId> {
        let groups: BTreeMap<GroupId, Arc<GroupDocument>> =
            groups.into_iter().map(|group| (group.id.clone(), Arc::new(group))).collect();
        let mut kept = Vec::new();
        for side in [&mut self.gms, &mut self.mc] {
            let Groups { documents, regrouped, .. } = side;
            documents.retain(|id, document| {
                let provisioned = document.temporary.is_none() && id.domain().eq_ignore_ascii_case(domain);
                if !provisioned || groups.contains_key(id) {
                    return true;
                }
                let stays = regrouped.contains_key(id);
                if stays && !kept.contains(id) {
                    kept.push(id.clone());
                }
                stays
            });
            documents.extend(groups.iter().map(|(id, document)| (id.clone(), document.clone())));
        }
        kept
    }

    /// A finished operation of a GMS elsewhere.
    pub fn exchange(&self, with: &Psi, transaction_id: &str) -> Option<&Exchange> {
        self.exchanges.get(&(with.clone(), transaction_id.to_owned()))
    }

    /// All finished operations that are still remembered, in no particular order.
    pub fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.operations.values()
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
