//! Timers of procedures, and of facts that end by time.

use super::Service;
use super::passing_on::PassRef;
use crate::env::Time;
use crate::env::wheel::{TimerId, Wheel};
use crate::mc::affiliation::owning;
use crate::model::{
    Change, ClientId, Fact, FactKey, GroupAffiliation, GroupId, OwedRef, ParticipationRef, ProposalRef, Psi,
    PublicId, RequestRef, Service as McService, SharingState, SubscriptionRef, UserId, WatchRef,
};
use crate::procedure::Wake;
use crate::{gms, mc};
use std::collections::HashMap;

/// What a timer is for. It may come late or twice: whoever it wakes looks at the facts again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Alarm {
    /// A procedure asked to be woken.
    Wake(Wake),
    /// A binding runs out.
    Registration(PublicId),
    /// An affiliation runs out.
    Affiliation(UserId, ClientId),
    /// The settings of a client for a service run out.
    Settings(UserId, ClientId, McService),
    /// The affiliation of a user who is served elsewhere runs out.
    OwnedAffiliation(GroupId, UserId, McService),
    /// No copy of an earlier PUBLISH for such a user can come any more.
    LastPublish(GroupId, UserId, McService),
    /// A request that is owed is given up.
    OwedGivenUp(OwedRef),
    /// A request that is owed is tried again.
    OwedAgain(OwedRef),
    /// A request to a function elsewhere is tried again.
    RequestAgain(RequestRef),
    /// A request to a function elsewhere has not been answered for long.
    RequestSilent(RequestRef),
    /// A subscription at a function elsewhere is made again.
    WatchAgain(WatchRef),
    /// Who asked once for the affiliations of a user elsewhere waits no longer.
    FetchOver(SubscriptionRef),
    /// The controlling function elsewhere has not told the roster of the call in which a client of ours has this session.
    RosterOverdue(ParticipationRef),
    /// A request that was passed on is given up.
    PassedOn(PassRef),
    /// The target of a proposal, or the owners of its groups, took too long.
    Proposal(ProposalRef),
    /// The document of a group has not come in time for those who wait for it.
    DocumentOverdue(GroupId),
    /// A finished operation need not be remembered any more.
    Operation(UserId, String),
    /// A stage of a formation of several systems is over.
    Formation(GroupId),
    /// A reservation of another system runs out.
    Reservation(GroupId),
    /// A teardown that partner systems have not confirmed goes on without them.
    Withdrawal(GroupId),
    /// A request for the configuration of a group of another system is given up, or may be made again.
    Wanted(GroupId),
    /// A partner has not answered a configuration.
    Sharing(GroupId, Psi),
    /// The groups of the configuration may be others than before.
    Reloaded,
    /// The configurations of groups are compared with what partners have.
    Share,
    /// A finished operation of another GMS need not be remembered any more.
    Exchange(Psi, String),
}

/// All alarms: at most one of a kind for each fact, so that a client that refreshes all the time leaves none behind.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    wheel: Wheel<Alarm>,
    set: HashMap<Alarm, (Time, TimerId)>,
}

impl Alarms {
    /// Sets an alarm, or moves it to another time.
    fn set(&mut self, at: Time, alarm: Alarm) {
        if let Some((before, timer)) = self.set.get(&alarm).copied() {
            if before == at {
                return;
            }
            self.wheel.cancel(timer);
        }
        let timer = self.wheel.schedule(at, alarm.clone());
        self.set.insert(alarm, (at, timer));
    }

    fn cancel(&mut self, alarm: &Alarm) {
        if let Some((_, timer)) = self.set.remove(alarm) {
            self.wheel.cancel(timer);
        }
    }

    /// Whether an alarm is set.
    pub fn is_set(&self, alarm: &Alarm) -> bool {
        self.set.contains_key(alarm)
    }

    /// The alarms that are due.
    fn expire(&mut self, now: Time) -> Vec<Alarm> {
        let mut due = Vec::new();
        self.wheel.expire(now, &mut due);
        for alarm in &due {
            self.set.remove(alarm);
        }
        due
    }

    /// When the next one is due.
    pub fn due(&self) -> Option<Time> {
        self.wheel.due()
    }

    /// Alarms that are set.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        debug_assert_eq!(self.wheel.len(), self.set.len());
        self.set.len()
    }
}

impl Service {
    pub(super) fn set_alarm(&mut self, at: Time, alarm: Alarm) {
        self.alarms.set(at, alarm);
    }

    pub(super) fn cancel_alarm(&mut self, alarm: &Alarm) {
        self.alarms.cancel(alarm);
    }

    /// Sets the alarms that follow from a fact; live and at replay alike.
    pub(super) fn set_alarms(&mut self, fact: &Fact) {
        let (first, alarm) = match fact {
            Fact::Registration(registration) => (
                registration.bindings.iter().map(|binding| binding.expires).min(),
                Alarm::Registration(registration.public_id.clone()),
            ),
            Fact::Affiliation(client) => (
                client.groups.iter().filter_map(GroupAffiliation::due).min(),
                Alarm::Affiliation(client.user.clone(), client.client.clone()),
            ),
            Fact::Settings(settings) => (
                settings.expires,
                Alarm::Settings(settings.user.clone(), settings.client.clone(), settings.service),
            ),
            Fact::OwnedAffiliation(owned) => (
                owned.expires,
                Alarm::OwnedAffiliation(owned.group.clone(), owned.user.clone(), owned.service),
            ),
            Fact::LastPublish(last) => {
                (Some(last.until), Alarm::LastPublish(last.group.clone(), last.user.clone(), last.service))
            }
            Fact::Owed(owed) => (Some(owed.until), Alarm::OwedGivenUp(owed.id)),
            Fact::Proposal(proposal) => (Some(proposal.until), Alarm::Proposal(proposal.id)),
            Fact::Operation(operation) => (
                Some(operation.forget),
                Alarm::Operation(operation.requestor.clone(), operation.transaction_id.clone()),
            ),
            Fact::Formation(formation) => {
                (Some(formation.until), Alarm::Formation(formation.document.id.clone()))
            }
            Fact::Reservation(reservation) => {
                (Some(reservation.until), Alarm::Reservation(reservation.temporary.clone()))
            }
            Fact::Withdrawal(withdrawal) => {
                (Some(withdrawal.wake), Alarm::Withdrawal(withdrawal.temporary.clone()))
            }
            Fact::Wanted(wanted) => (Some(wanted.until), Alarm::Wanted(wanted.group.clone())),
            Fact::Sharing(sharing) => (
                match sharing.state {
                    SharingState::Asked { until, .. } | SharingState::Withdrawing { until, .. } => {
                        Some(until)
                    }
                    _ => None,
                },
                Alarm::Sharing(sharing.document.id.clone(), sharing.with.clone()),
            ),
            Fact::Exchange(exchange) => (
                Some(exchange.forget),
                Alarm::Exchange(exchange.with.clone(), exchange.transaction_id.clone()),
            ),
            _ => return,
        };
        match first {
            Some(at) => self.set_alarm(at, alarm),
            None => self.alarms.cancel(&alarm),
        }
    }

    /// Cancels the alarms of a fact that is gone.
    pub(super) fn cancel_alarms(&mut self, key: &FactKey) {
        match key {
            FactKey::Registration(public_id) => self.alarms.cancel(&Alarm::Registration(public_id.clone())),
            FactKey::Affiliation(user, client) => {
                self.alarms.cancel(&Alarm::Affiliation(user.clone(), client.clone()));
            }
            FactKey::Settings(user, client, service) => {
                self.alarms.cancel(&Alarm::Settings(user.clone(), client.clone(), *service));
            }
            FactKey::OwnedAffiliation(group, user, service) => {
                self.alarms.cancel(&Alarm::OwnedAffiliation(group.clone(), user.clone(), *service));
            }
            FactKey::LastPublish(group, user, service) => {
                self.alarms.cancel(&Alarm::LastPublish(group.clone(), user.clone(), *service));
            }
            FactKey::Owed(id) => {
                self.alarms.cancel(&Alarm::OwedGivenUp(*id));
                self.alarms.cancel(&Alarm::OwedAgain(*id));
            }
            FactKey::Request(id) => {
                self.alarms.cancel(&Alarm::RequestAgain(*id));
                self.alarms.cancel(&Alarm::RequestSilent(*id));
            }
            FactKey::Watch(id) => self.alarms.cancel(&Alarm::WatchAgain(*id)),
            FactKey::Subscription(id) => self.alarms.cancel(&Alarm::FetchOver(*id)),
            FactKey::Proposal(id) => self.alarms.cancel(&Alarm::Proposal(*id)),
            FactKey::Operation(user, transaction) => {
                self.alarms.cancel(&Alarm::Operation(user.clone(), transaction.clone()));
            }
            FactKey::Formation(id) => self.alarms.cancel(&Alarm::Formation(id.clone())),
            FactKey::Reservation(id) => self.alarms.cancel(&Alarm::Reservation(id.clone())),
            FactKey::Wanted(group) => self.alarms.cancel(&Alarm::Wanted(group.clone())),
            FactKey::Sharing(group, with) => {
                self.alarms.cancel(&Alarm::Sharing(group.clone(), with.clone()));
            }
            FactKey::Withdrawal(id) => self.alarms.cancel(&Alarm::Withdrawal(id.clone())),
            FactKey::Exchange(with, transaction) => {
                self.alarms.cancel(&Alarm::Exchange(with.clone(), transaction.clone()));
            }
            FactKey::Call(call) => {
                self.alarms.cancel(&Alarm::Wake(Wake::Tng1(*call)));
                self.alarms.cancel(&Alarm::Wake(Wake::Tng3(*call)));
            }
            _ => {}
        }
    }

    pub(super) fn fire_alarms(&mut self, now: Time) {
        for alarm in self.alarms.expire(now) {
            match alarm {
                Alarm::Wake(wake) => {
                    let outcome = mc::calls::wake(&mut view!(self, now), &mut self.open, wake);
                    self.carry_out(now, outcome);
                }
                Alarm::Registration(public_id) => {
                    let outcome = mc::registration::expire(&mut view!(self, now), &public_id);
                    self.carry_out(now, outcome);
                }
                Alarm::Affiliation(user, client) => {
                    let outcome = mc::affiliation::expire(&mut view!(self, now), &user, &client);
                    self.carry_out(now, outcome);
                }
                Alarm::OwnedAffiliation(group, user, of) => {
                    let outcome = owning::expire(&view!(self, now), &group, &user, of);
                    self.carry_out(now, outcome);
                }
                Alarm::LastPublish(group, user, service) => {
                    self.change(Change::Remove(FactKey::LastPublish(group, user, service)));
                }
                Alarm::Settings(user, client, service) => {
                    let outcome = mc::settings::expire(&mut view!(self, now), &user, &client, service);
                    self.carry_out(now, outcome);
                }
                Alarm::OwedGivenUp(owed) => self.give_up_owed(now, owed),
                Alarm::OwedAgain(owed) => self.deliver_owed(now, owed),
                Alarm::RequestAgain(request) => self.request_again(now, request),
                Alarm::RequestSilent(request) => self.request_silent(now, request),
                Alarm::WatchAgain(watch) => self.begin_watch(now, watch),
                Alarm::DocumentOverdue(group) => self.document_overdue(now, &group),
                Alarm::FetchOver(subscription) => self.notify(now, subscription, None, Some("timeout")),
                Alarm::PassedOn(pass) => self.pass_overdue(now, pass),
                Alarm::RosterOverdue(session) => self.roster_overdue(now, session),
                Alarm::Proposal(proposal) => {
                    let outcome = mc::proposal_end::expire(&mut view!(self, now), proposal);
                    self.carry_out(now, outcome);
                }
                Alarm::Operation(user, transaction) => {
                    if self.model.operation(&user, &transaction).is_some_and(|old| old.forget <= now) {
                        self.change(Change::Remove(FactKey::Operation(user, transaction)));
                    }
                }
                Alarm::Formation(id) => {
                    let outcome = gms::formation_across::expire(&mut view!(self, now), &id);
                    self.carry_out(now, outcome);
                }
                Alarm::Reservation(id) => {
                    let outcome = gms::formation_partner::expire(&mut view!(self, now), &id);
                    self.carry_out(now, outcome);
                }
                Alarm::Withdrawal(id) => {
                    let outcome = gms::teardown_across::wake(&mut view!(self, now), &id);
                    self.carry_out(now, outcome);
                }
                Alarm::Wanted(group) => {
                    let outcome = gms::configuration_request::expire(&view!(self, now), &group);
                    self.carry_out(now, outcome);
                }
                Alarm::Sharing(group, with) => {
                    let outcome = gms::configuration_provision::again(&mut view!(self, now), &group, &with);
                    self.carry_out(now, outcome);
                }
                Alarm::Reloaded => {
                    let outcome = mc::affiliation::recheck(&mut view!(self, now));
                    self.carry_out(now, outcome);
                    self.set_alarm(now, Alarm::Share);
                }
                Alarm::Share => {
                    let outcome = gms::configuration_provision::share(&mut view!(self, now));
                    self.carry_out(now, outcome);
                    let outcome = gms::configuration_provision::reapply(&view!(self, now));
                    self.carry_out(now, outcome);
                }
                Alarm::Exchange(with, transaction) => {
                    if self.model.exchange(&with, &transaction).is_some_and(|old| old.forget <= now) {
                        self.change(Change::Remove(FactKey::Exchange(with, transaction)));
                    }
                }
            }
            self.run(now);
        }
    }
}
