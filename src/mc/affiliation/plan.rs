//! Affiliations of a user as they are to become, and what follows from the difference (TS 24.379 9.2.2.2.3 steps 16 to
//! 19, 9.2.2.2.6).

use super::figure::{On, Stepped, TIMER_F, Terms, step, timed};
use super::{PERSISTENCE, counts, p_id_of};
use crate::env::Time;
use crate::mc::group_policy;
use crate::mc::groups;
use crate::model::*;
use crate::procedure::{Outcome, Place, Send, View};
use std::collections::{BTreeMap, BTreeSet};

/// New sets of some clients of one user. A client that is not named keeps what it has.
pub struct Plan<'a> {
    model: &'a Model,
    user: UserId,
    sets: BTreeMap<ClientId, Vec<GroupAffiliation>>,
    /// Groups whose owners are told by which clients the user is affiliated.
    publish: BTreeSet<(GroupId, Service)>,
    /// Groups whose documents are needed first (TS 23.280 10.8.3.1 step 2a).
    undecided: BTreeSet<GroupId>,
}

impl<'a> Plan<'a> {
    /// Nothing changes yet.
    pub fn new(model: &'a Model, user: &UserId) -> Self {
        Self {
            model,
            user: user.clone(),
            sets: BTreeMap::new(),
            publish: BTreeSet::new(),
            undecided: BTreeSet::new(),
        }
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

    /// The client wants these groups of a service, in this order, and no others (TS 24.379 9.2.2.2.3 steps 14 and 15).
    /// Those of other services stay.
    pub fn want(
        &mut self,
        view: &View<'_>,
        client: &ClientId,
        service: Service,
        groups: Vec<GroupId>,
        expires: Option<Time>,
    ) {
        let (mut known, mut set): (Vec<_>, Vec<_>) =
            self.of(client).iter().cloned().partition(|entry| entry.service == service);
        let terms = Terms { now: view.now, expires, granted: None };
        for group in groups {
            let place = known.iter().position(|entry| entry.group == group);
            let old = place.map(|place| known.remove(place)).filter(|entry| entry.lasts(view.now));
            set.extend(self.wanted(view, old, group, service, terms));
        }
        for entry in known {
            set.extend(self.unwanted(entry, terms));
        }
        set.sort_by_key(|entry| entry.service);
        self.sets.insert(client.clone(), set);
    }

    /// The client wants these groups of a service too; what it has stays as it is (TS 24.379 9.2.2.2.15 step 8).
    pub fn add(
        &mut self,
        view: &View<'_>,
        client: &ClientId,
        service: Service,
        groups: Vec<GroupId>,
        expires: Option<Time>,
    ) {
        let mut set = self.of(client).to_vec();
        let terms = Terms { now: view.now, expires, granted: None };
        for group in groups {
            let is = |entry: &GroupAffiliation| entry.service == service && entry.group == group;
            if set.iter().any(|entry| is(entry) && counts(entry, view.now)) {
                continue;
            }
            let place = set.iter().position(is);
            let old = place.map(|place| set.remove(place)).filter(|entry| entry.lasts(view.now));
            set.extend(self.wanted(view, old, group, service, terms));
        }
        set.sort_by_key(|entry| entry.service);
        self.sets.insert(client.clone(), set);
    }

    /// The client is gone, with all it had for these services.
    pub fn log_off(&mut self, client: &ClientId, now: Time, from: impl Fn(Service) -> bool) {
        let terms = Terms { now, expires: None, granted: None };
        let entries = self.of(client).to_vec();
        let left = entries
            .into_iter()
            .filter_map(|entry| if from(entry.service) { self.unwanted(entry, terms) } else { Some(entry) })
            .collect();
        self.sets.insert(client.clone(), left);
    }

    /// What the time brings to the entries of a client.
    pub fn pass_time(&mut self, client: &ClientId, now: Time) {
        let terms = Terms { now, expires: None, granted: None };
        let entries = self.of(client).to_vec();
        let left = entries
            .into_iter()
            .filter_map(|entry| match timed(&entry, now) {
                Some(event) => self.step(entry, event, terms),
                None => Some(entry),
            })
            .collect();
        self.sets.insert(client.clone(), left);
    }

    /// The owner of a group has spoken: `says` is what that means to the entry of each client.
    pub fn owner_says(
        &mut self,
        (group, service): (&GroupId, Service),
        says: impl Fn(&ClientId, &GroupAffiliation) -> Option<(On, Terms)>,
    ) {
        let is = |entry: &GroupAffiliation| {
            entry.service == service && entry.group == *group && entry.owner.is_some() && !entry.by_call
        };
        for client in self.clients() {
            let entries = self.of(&client);
            if !entries.iter().any(is) {
                continue;
            }
            let entries = entries.to_vec();
            let left = entries
                .into_iter()
                .filter_map(|entry| match says(&client, &entry).filter(|_| is(&entry)) {
                    Some((event, terms)) => self.step(entry, event, terms),
                    None => Some(entry),
                })
                .collect();
            self.sets.insert(client, left);
        }
    }

    /// The owner of this group is told once more by which clients the user is affiliated.
    pub fn tell_owner(&mut self, group: &GroupId, service: Service) {
        self.publish.insert((group.clone(), service));
    }

    fn wanted(
        &mut self,
        view: &View<'_>,
        old: Option<GroupAffiliation>,
        group: GroupId,
        service: Service,
        terms: Terms,
    ) -> Option<GroupAffiliation> {
        let owner = match view.policy.controlling_of(&group) {
            Place::Here => None,
            Place::At(_) | Place::Nowhere => Some(Box::default()),
        };
        // The owner may have moved with a change of the configuration. What a call is about to bring is the client's own now,
        // and the owner has not heard of it.
        let old = old.filter(|old| !old.by_call && old.owner.is_some() == owner.is_some());
        let fresh = GroupAffiliation { owner, ..GroupAffiliation::own(group, service, None) };
        let here = fresh.owner.is_none();
        let asked = self.note(step(old, || fresh, On::Wanted, terms));
        match asked {
            Some(entry) if here && group_policy::is_needed(view, &entry.group) => {
                // It ends unless the GMS tells of the group in time.
                self.undecided.insert(entry.group.clone());
                Some(GroupAffiliation { expires: Some(view.now.plus(TIMER_F)), ..entry })
            }
            // The owner is here, and has let the user in before.
            Some(entry) if here => self.step(entry, On::Listed, terms),
            other => other,
        }
    }

    /// The document of a group that is owned here is known now, or it is known that there is none: what waited for it is
    /// decided (TS 23.280 10.8.3.1 step 3). `admits`: whether the owner lets the user in.
    pub fn decide(
        &mut self,
        client: &ClientId,
        group: &GroupId,
        expires: Option<Time>,
        now: Time,
        admits: impl Fn(Service) -> bool,
    ) {
        let terms = Terms { now, expires, granted: None };
        let entries = self.of(client).to_vec();
        let decided = |entry: GroupAffiliation| {
            if !waits_for_document(&entry, group) {
                return Some(entry);
            }
            if !admits(entry.service) {
                return self.step(entry, On::Refused, terms);
            }
            let entry = self.step(entry, On::Wanted, terms)?;
            self.step(entry, On::Listed, terms)
        };
        let left = entries.into_iter().filter_map(decided).collect();
        self.sets.insert(client.clone(), left);
    }

    fn unwanted(&mut self, entry: GroupAffiliation, terms: Terms) -> Option<GroupAffiliation> {
        let here = entry.owner.is_none();
        let asked = self.step(entry, On::Unwanted, terms);
        asked.and_then(|entry| if here { self.step(entry, On::Absent, terms) } else { Some(entry) })
    }

    fn step(&mut self, entry: GroupAffiliation, event: On, terms: Terms) -> Option<GroupAffiliation> {
        let (group, service, here) = (entry.group.clone(), entry.service, entry.owner.is_none());
        let same = GroupAffiliation::own(group.clone(), service, None);
        let Stepped { entry, publish } = step(Some(entry), || same, event, terms);
        if publish && !here {
            self.publish.insert((group, service));
        }
        entry
    }

    fn note(&mut self, stepped: Stepped) -> Option<GroupAffiliation> {
        let entry = stepped.entry?;
        if stepped.publish && entry.owner.is_some() {
            self.publish.insert((entry.group.clone(), entry.service));
        }
        Some(entry)
    }

    /// The user's clients that have or are to have affiliations, in order.
    fn clients(&self) -> BTreeSet<ClientId> {
        let known = self.model.affiliations_of(self.user.as_str()).map(|record| record.client.clone());
        known.chain(self.sets.keys().cloned()).collect()
    }

    /// Whether an entry of any client for a group of another owner is so.
    pub fn any(&self, (group, service): (&GroupId, Service), is: impl Fn(&GroupAffiliation) -> bool) -> bool {
        let of_pair = |entry: &&GroupAffiliation| {
            entry.service == service && entry.group == *group && entry.owner.is_some()
        };
        self.clients().iter().flat_map(|client| self.of(client)).filter(of_pair).any(is)
    }

    /// Whether a client waits for the owner of a group, as `is` says.
    pub fn waiting(&self, about: (&GroupId, Service), is: impl Fn(&AtOwner) -> bool) -> bool {
        self.any(about, |entry| {
            entry.status == AffiliationStatus::Affiliating && entry.owner.as_deref().is_some_and(&is)
        })
    }

    /// Groups of other owners with which the user's other clients have to do, of any service.
    pub fn groups_elsewhere(&self, client: &ClientId, now: Time) -> BTreeSet<(GroupId, Service)> {
        let others = self.clients().into_iter().filter(|other| other != client).collect::<Vec<_>>();
        let entries = others.iter().flat_map(|other| self.of(other));
        entries
            .filter(|entry| entry.owner.is_some() && entry.lasts(now))
            .map(|entry| (entry.group.clone(), entry.service))
            .collect()
    }

    /// Different groups of a service to which the user's other clients are affiliated or about to be.
    pub fn groups_of_others(&self, client: &ClientId, service: Service, now: Time) -> BTreeSet<GroupId> {
        self.clients()
            .iter()
            .filter(|other| *other != client)
            .flat_map(|other| self.of(other))
            .filter(|entry| entry.service == service && counts(entry, now))
            .map(|entry| entry.group.clone())
            .collect()
    }

    /// As [`Self::finish`], and the watchers of the user are told of each service in which something changed that they
    /// see.
    pub fn finish_and_tell<W>(self, view: &mut View<'_>, outcome: &mut Outcome<W>) {
        for service in Service::ALL {
            let seen = |(client, set): (&ClientId, &Vec<GroupAffiliation>)| {
                visible(service, self.before(client)).ne(visible(service, set))
            };
            if self.sets.iter().any(seen) {
                let user = self.user.clone();
                outcome.sends.push(Send::AffiliationStatus { user, service, p_id: None });
            }
        }
        self.finish(view, outcome);
    }

    /// Adds the facts that change; then, in this order, the status update for the GMS (TS 23.280 10.8.3.1 step 5b,
    /// 10.8.4.2 step 4b) and the words for calls, of the group or of the temporary group it is part of: first what ended,
    /// then what is new; then subscriptions at owners elsewhere, and what is published to them.
    pub fn finish<W>(mut self, view: &mut View<'_>, outcome: &mut Outcome<W>) {
        for group in std::mem::take(&mut self.undecided) {
            group_policy::want(view, &group, outcome);
        }
        let mut towards_owners = Outcome::<W>::default();
        for (group, service) in std::mem::take(&mut self.publish) {
            self.publish_to_owner(view, group, service, &mut towards_owners);
        }
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
        // Subscriptions come before what they are to bring the answer of.
        self.watch_owners(view, outcome);
        outcome.changes.extend(towards_owners.changes);
        outcome.sends.extend(towards_owners.sends);
    }

    /// TS 24.379 9.2.2.2.6 steps 3 and 4. One request says all, so an older one that the owner has not answered is
    /// withdrawn, and the entries that waited for its p-id wait for the new one.
    fn publish_to_owner<W>(
        &mut self,
        view: &mut View<'_>,
        group: GroupId,
        service: Service,
        outcome: &mut Outcome<W>,
    ) {
        let Place::At(owner) = view.policy.controlling_of(&group) else {
            // The agreement is gone: nobody can say yes any more.
            for client in self.clients() {
                let is = |entry: &GroupAffiliation| {
                    let here = entry.owner.is_none();
                    !(entry.service == service && entry.group == group) || here
                };
                let set = self.of(&client).iter().filter(|entry| is(entry)).cloned().collect();
                self.sets.insert(client, set);
            }
            return;
        };
        let id = RequestRef(view.ids.number());
        let mut clients = Vec::new();
        let mut asking = false;
        let mut ends = None;
        for client in self.clients() {
            let is = |entry: &GroupAffiliation| {
                let pair = entry.service == service && entry.group == group;
                pair && !entry.by_call && entry.lasts(view.now)
            };
            let Some(place) = self.of(&client).iter().position(is) else { continue };
            let mut set = self.of(&client).to_vec();
            let Some(entry) = set.get_mut(place) else { continue };
            let counts = counts(entry, view.now);
            asking |= entry.status == AffiliationStatus::Affiliating;
            if let Some(owner) = &mut entry.owner {
                ends = ends.max(owner.expires);
                owner.asked = Some(id);
            }
            self.sets.insert(client.clone(), set);
            if counts {
                clients.push(client);
            }
        }
        if asking {
            outcome.sends.extend(groups::wanted(view, &group));
        }
        let what = Asked::Affiliation {
            group,
            user: self.user.clone(),
            service,
            clients,
            p_id: p_id_of(view.policy, id),
        };
        for older in view.model.requests_about(owner, &what.subject()) {
            outcome.changes.push(Change::Remove(FactKey::Request(older.id)));
        }
        // Whoever asks hears a no within timer F. What was not asked by anybody must arrive some time.
        let until = (!asking).then(|| ends.unwrap_or_else(|| view.now.plus(PERSISTENCE)));
        let (from, to, begun) = (FunctionKind::Participating, owner.clone(), view.now);
        let request = FunctionRequest { id, from, to, what, begun, until };
        outcome.changes.push(Change::Put(Fact::Request(request)));
        outcome.sends.push(Send::Request(id));
    }

    /// TS 24.379 9.2.2.2.7: there is a subscription at the owner as long as there is an entry of the user for the group; not
    /// for one that a call is about to bring.
    fn watch_owners<W>(&self, view: &mut View<'_>, outcome: &mut Outcome<W>) {
        let elsewhere = |set: &[GroupAffiliation]| -> BTreeSet<(GroupId, Service)> {
            let entries = set.iter().filter(|entry| entry.owner.is_some() && !entry.by_call);
            entries.map(|entry| (entry.group.clone(), entry.service)).collect()
        };
        let mut touched = BTreeSet::new();
        for (client, set) in &self.sets {
            touched.extend(elsewhere(self.before(client)));
            touched.extend(elsewhere(set));
        }
        if touched.is_empty() {
            return;
        }
        let has: BTreeSet<_> = self.clients().iter().flat_map(|client| elsewhere(self.of(client))).collect();
        for pair in touched {
            let kept = has.contains(&pair);
            let (group, service) = pair;
            let what = Watching::GroupAffiliation { group: group.clone(), user: self.user.clone(), service };
            match view.model.watch_of(&what) {
                None if kept => {
                    let Place::At(owner) = view.policy.controlling_of(&group) else { continue };
                    let id = WatchRef(view.ids.number());
                    let (from, at) = (FunctionKind::Participating, owner.clone());
                    outcome.changes.push(Change::Put(Fact::Watch(Watch {
                        id,
                        from,
                        at,
                        what,
                        dialog: None,
                    })));
                    outcome.sends.push(Send::Watch(id));
                }
                Some(watch) if !kept => {
                    outcome.changes.push(Change::Remove(FactKey::Watch(watch.id)));
                    outcome.sends.push(Send::Unwatch(watch.id));
                }
                _ => {}
            }
        }
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

/// What watchers see of the entries of one service.
fn visible(
    service: Service,
    set: &[GroupAffiliation],
) -> impl Iterator<Item = (&GroupId, AffiliationStatus, Option<Time>)> {
    let of_service = set.iter().filter(move |entry| entry.service == service);
    of_service.map(|entry| (&entry.group, entry.status, entry.ends()))
}

/// The groups of a set that are owned here and in force for a service.
fn affiliated(service: Service, set: &[GroupAffiliation]) -> BTreeSet<&GroupId> {
    let here = |entry: &&GroupAffiliation| {
        entry.service == service && entry.owner.is_none() && entry.status == AffiliationStatus::Affiliated
    };
    set.iter().filter(here).map(|entry| &entry.group).collect()
}

/// Whether an entry of a group that is owned here waits for the group's document.
pub fn waits_for_document(entry: &GroupAffiliation, group: &GroupId) -> bool {
    entry.group == *group
        && entry.status == AffiliationStatus::Affiliating
        && entry.owner.is_none()
        && !entry.by_call
}
