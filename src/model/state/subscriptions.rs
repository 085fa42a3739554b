//! Subscriptions: those that this server notifies, with what they watch, and its own at functions elsewhere.

use super::unlink;
use crate::model::*;
use std::collections::BTreeSet;

/// Index of subscriptions by what they watch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum WatchKey {
    User(UserId),
    GroupAndUser(GroupId, UserId),
    Call(CallRef),
    Session(ParticipationRef),
    Group(GroupId),
    Document(GroupId),
}

impl WatchKey {
    pub(super) fn of(watched: &Watched) -> Vec<Self> {
        match watched {
            Watched::Affiliations { user, .. } => vec![Self::User(user.clone())],
            Watched::GroupAffiliation { group, user, .. } => {
                vec![Self::GroupAndUser(group.clone(), user.clone())]
            }
            Watched::Conference { call, .. } => vec![Self::Call(*call)],
            Watched::Session { id, .. } => vec![Self::Session(*id)],
            Watched::Group { group, .. } => vec![Self::Group(group.clone())],
            Watched::GroupDocuments { groups, .. } => groups.iter().cloned().map(Self::Document).collect(),
        }
    }
}

impl Model {
    pub(super) fn put_subscription(&mut self, subscription: Subscription) {
        if let Some(known) = self.subscriptions.get_mut(&subscription.id)
            && known.watched == subscription.watched
            && known.subscriber == subscription.subscriber
        {
            // The indexes stay as they are: a group may have many thousand watchers.
            *known = subscription;
            return;
        }
        self.remove_subscription(subscription.id);
        for key in WatchKey::of(&subscription.watched) {
            self.watchers.entry(key).or_default().insert(subscription.id);
        }
        self.subscriptions_by.entry(subscription.subscriber.clone()).or_default().insert(subscription.id);
        self.subscriptions.insert(subscription.id, subscription);
    }

    pub(super) fn remove_subscription(&mut self, id: SubscriptionRef) {
        let Some(old) = self.subscriptions.remove(&id) else { return };
        for key in WatchKey::of(&old.watched) {
            let Some(ids) = self.watchers.get_mut(&key) else { continue };
            ids.remove(&id);
            if ids.is_empty() {
                self.watchers.remove(&key);
            }
        }
        unlink(&mut self.subscriptions_by, &old.subscriber, &id);
    }

    pub(super) fn put_untold(&mut self, subscription: SubscriptionRef) {
        self.untold.insert(subscription);
    }

    pub(super) fn remove_untold(&mut self, subscription: SubscriptionRef) {
        self.untold.remove(&subscription);
    }

    pub(super) fn put_watch(&mut self, watch: Watch) {
        self.remove_watch(watch.id);
        if let Watching::GroupDocument { .. } = watch.what {
            self.watches_of_documents += 1;
        }
        self.watch_of.insert(watch.what.clone(), watch.id);
        self.watches.insert(watch.id, watch);
    }

    pub(super) fn remove_watch(&mut self, id: WatchRef) {
        let Some(old) = self.watches.remove(&id) else { return };
        if self.watch_of.get(&old.what) == Some(&id) {
            self.watch_of.remove(&old.what);
        }
        if let Watching::GroupDocument { .. } = old.what {
            self.watches_of_documents = self.watches_of_documents.saturating_sub(1);
        }
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

    /// Subscriptions to the roster of a call elsewhere in which this is the subscriber's session.
    pub fn watchers_of_session(&self, id: ParticipationRef) -> impl Iterator<Item = &Subscription> {
        self.watching(WatchKey::Session(id))
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
}
