//! From the facts on disk back to a running service. What was told to a peer before the crash goes on; what was owed
//! is sent; what was half set up is released.

use super::Service;
use super::alarms::Alarm;
use crate::env::Time;
use crate::mc::{affiliation, calls};
use crate::model::{Change, Fact, Leg, LegLink, LegOwner, Subscription, Watched};
use std::time::Duration;

impl Service {
    /// Takes one stored fact. All facts are taken before [`Self::resume`].
    pub fn replay(&mut self, _now: Time, fact: Fact) {
        self.set_alarms(&fact);
        self.model.apply(Change::Put(fact));
    }

    /// Starts again from the facts: dialogs, subscriptions, calls with their media ports; then sends what is owed.
    pub fn resume(&mut self, now: Time) {
        let legs: Vec<Leg> = self.model.legs().cloned().collect();
        for leg in legs {
            let LegLink::Dialog(dialog) = &leg.link else {
                self.legs.restore(&leg, None, 0, false);
                continue;
            };
            let listener = self.listener_for(dialog.source);
            let session = self.agent.restore(now, &mut self.ids, dialog);
            let psi = self.psi_of(leg.owner).clone();
            self.agent.speak_as(session, &psi);
            if leg.ending {
                self.legs.restore_ending(session, leg.id);
                self.agent.bye(now, &mut self.ids, session, None, &mut self.out);
            } else {
                let client = match leg.owner {
                    LegOwner::Participation(id) => {
                        self.model.participation(id).is_some_and(|session| session.client_leg == leg.id)
                    }
                    LegOwner::Call(_) => false,
                };
                self.legs.restore(&leg, Some(session), listener, client);
            }
        }
        let subscriptions: Vec<_> = self.model.subscriptions().cloned().collect();
        // As it was before the crash: what follows tells its watchers by itself.
        let mut untold: Vec<_> = self.model.untold().collect();
        // Rosters of calls elsewhere are asked for again, and told when they are here.
        untold.retain(|id| {
            let subscription = self.model.subscription(*id);
            !subscription.is_some_and(|one| matches!(one.watched, Watched::Session { .. }))
        });
        for subscription in &subscriptions {
            let package = subscription.watched.package();
            let event_id = subscription.event_id.as_deref();
            // The interval may be shorter than before.
            let longest = now.plus(Duration::from_secs(self.longest(&subscription.subscriber).into()));
            let expires = subscription.expires.min(longest);
            if expires < subscription.expires {
                self.put(Fact::Subscription(Subscription { expires, ..subscription.clone() }));
            }
            self.notifier.restore(subscription.id, package, event_id, &subscription.dialog, expires);
        }
        let outcome = calls::restore(&mut view!(self, now), &mut self.open);
        self.carry_out(now, outcome);
        // Whom a group does not let in any more leaves its call too.
        let outcome = affiliation::recheck(&mut view!(self, now));
        self.carry_out(now, outcome);
        self.notify_each(now, untold, None, None);
        // What has run out meanwhile is given up by its alarm.
        let owed: Vec<_> =
            self.model.all_owed().filter(|owed| owed.until > now).map(|owed| owed.id).collect();
        for id in owed {
            self.deliver_owed(now, id);
        }
        self.resume_watches(now);
        self.resume_requests(now);
        self.set_alarm(now, Alarm::Share);
        self.run(now);
    }
}
