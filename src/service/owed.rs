//! Requests that must arrive: sent after the commit that decided them, again after a restart, until they are answered
//! or given up. The silence of one user never holds the others.

use super::Service;
use super::alarms::Alarm;
use crate::env::Time;
use crate::model::{Change, Fact, FactKey, OwedRef};
use crate::procedure::{Outcome, Over, Partner, Refusal};
use crate::sip::transaction::ClientId;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// When a request that could not be sent, or met an overloaded client, is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// By how much an operation changes what is owed.
#[derive(Debug, Default)]
struct Growth {
    more: usize,
    less: usize,
}

impl Growth {
    /// Whether there is room for it beside what is owed already.
    fn fits(&self, known: usize, limit: usize) -> bool {
        self.more == 0 || known.saturating_sub(self.less) + self.more <= limit
    }
}

/// A request that is under way.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    /// Transactions without final answer: one per client.
    waiting: BTreeSet<ClientId>,
    /// A client took it.
    taken: bool,
    /// A client asked for patience.
    again: bool,
}

impl Service {
    /// Whether what a procedure wants to owe fits into `Limits::owed`, and what it wants to owe to a partner system into that
    /// partner's own share, `Limits::owed_per_partner`: a partner that has been silent for days takes nothing from others.
    /// An operation that does not fit is refused as a whole before anything has changed: nobody is left out, and who asked
    /// may try again. What gives something back to a partner fits always: there is no more of it than was taken.
    ///
    /// # Errors
    /// [`Refusal::Full`].
    pub(super) fn room_for_owed(&self, outcome: &Outcome<Over>) -> Result<(), Refusal> {
        let mut here = Growth::default();
        let mut at_partners: BTreeMap<&str, Growth> = BTreeMap::new();
        let partner_of =
            |psi| self.setup.policy.partner_of_function(psi).map(|partner| partner.domain.as_str());
        for change in &outcome.changes {
            match change {
                Change::Put(Fact::Owed(_) | Fact::Proposal(_)) => here.more += 1,
                Change::Remove(FactKey::Owed(_) | FactKey::Proposal(_)) => here.less += 1,
                Change::Put(Fact::Request(request)) => match partner_of(&request.to) {
                    Some(_) if request.what.gives_back() => {}
                    Some(domain) => at_partners.entry(domain).or_default().more += 1,
                    None => here.more += 1,
                },
                Change::Remove(FactKey::Request(id)) => {
                    let Some(request) = self.model.request(*id) else { continue };
                    partner_of(&request.to)
                        .map_or(&mut here, |domain| at_partners.entry(domain).or_default())
                        .less += 1;
                }
                _ => {}
            }
        }
        let to_partner = |partner: &Partner| self.model.requests_to(partner.functions.all());
        for (domain, growth) in at_partners {
            let known = self.setup.policy.partner(domain).map_or(0, to_partner);
            let limit = self.setup.limits.owed_per_partner;
            if !growth.fits(known, limit) {
                tracing::warn!(
                    partner = domain,
                    known,
                    "the partner does not take what is owed to it: no more for it"
                );
                return Err(Refusal::Full { what: "requests owed to one partner system", limit });
            }
        }
        let limit = self.setup.limits.owed;
        let elsewhere: usize = match here.more {
            0 => 0,
            _ => self.setup.policy.partners.values().map(to_partner).sum(),
        };
        if here.fits(self.model.owed_count().saturating_sub(elsewhere), limit) {
            return Ok(());
        }
        Err(Refusal::Full { what: "requests owed to users", limit })
    }

    /// Sends an owed request to every client it is for.
    pub(super) fn deliver_owed(&mut self, now: Time, id: OwedRef) {
        let Some(owed) = self.model.owed(id).cloned() else { return };
        if self.owed_open.get(&id).is_some_and(|delivery| !delivery.waiting.is_empty()) {
            return;
        }
        let mut delivery = Delivery::default();
        for way in self.ways_to(now, owed.to.as_str(), &owed.clients) {
            let draft = self.render_notice(&owed, &way);
            match self.agent.request(now, &mut self.ids, &draft, way.path, &mut self.out) {
                Ok(client) => {
                    self.owed_by_client.insert(client, id);
                    delivery.waiting.insert(client);
                }
                Err(error) => {
                    tracing::warn!(user = %owed.to, "notification not sent: {error}");
                    delivery.again = true;
                }
            }
        }
        if delivery.waiting.is_empty() {
            // Not registered now: the registration will ask for it, or its time runs out.
            if delivery.again {
                self.set_alarm(now.plus(AGAIN_AFTER), Alarm::OwedAgain(id));
            }
            self.owed_open.remove(&id);
        } else {
            self.owed_open.insert(id, delivery);
        }
    }

    /// A client answered, or did not (408), or could not be reached (503).
    pub(super) fn owed_answered(&mut self, now: Time, id: OwedRef, client: ClientId, status: u16) {
        let Some(delivery) = self.owed_open.get_mut(&id) else { return };
        delivery.waiting.remove(&client);
        match status {
            200..=299 => delivery.taken = true,
            // Retry-After is not read: the request is given up soon anyway.
            480 | 500 | 503 => delivery.again = true,
            _ => {}
        }
        if !delivery.waiting.is_empty() {
            return;
        }
        let (taken, again) = (delivery.taken, delivery.again);
        self.owed_open.remove(&id);
        if !taken && again {
            self.set_alarm(now.plus(AGAIN_AFTER), Alarm::OwedAgain(id));
            return;
        }
        if let Some(owed) = self.model.owed(id)
            && !taken
        {
            tracing::warn!(user = %owed.to, status, "notification refused");
        }
        self.forget_owed(id);
    }

    /// Its time is over.
    pub(super) fn give_up_owed(&mut self, now: Time, id: OwedRef) {
        let Some(owed) = self.model.owed(id) else { return };
        if owed.until > now {
            return;
        }
        tracing::warn!(user = %owed.to, "notification given up: no answer in time");
        self.owed_open.remove(&id);
        self.forget_owed(id);
    }

    fn forget_owed(&mut self, id: OwedRef) {
        if self.model.owed(id).is_some() {
            self.change(Change::Remove(FactKey::Owed(id)));
        }
    }

    /// A user registered: what waits for that user goes out.
    pub(super) fn deliver_owed_to(&mut self, now: Time, user: &str) {
        let waiting: Vec<OwedRef> = self
            .model
            .owed_to(user)
            .filter(|owed| owed.until > now && !self.owed_open.contains_key(&owed.id))
            .map(|owed| owed.id)
            .collect();
        for id in waiting {
            self.deliver_owed(now, id);
        }
    }
}
