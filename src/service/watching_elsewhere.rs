//! Watchers here of users who are served elsewhere: our subscription there, and their notifications (TS 24.379
//! 9.2.2.2.10).

use super::Service;
use super::alarms::Alarm;
use super::passing_on::FUNCTION_PATIENCE;
use crate::documents::pidf::Presence;
use crate::env::Time;
use crate::mc::status_elsewhere;
use crate::model::{ClientId, Subscriber, Subscription, SubscriptionRef, Watch, Watched, Watching};
use crate::procedure::{Heard, Place};

impl Service {
    /// The subscription of ours that a subscription to the affiliations of a user elsewhere needs.
    pub(super) fn user_elsewhere(&self, subscription: &Subscription) -> Option<Watching> {
        let (Watched::Affiliations { user, service, .. }, Subscriber::User(by)) =
            (&subscription.watched, &subscription.subscriber)
        else {
            return None;
        };
        let elsewhere = matches!(self.setup.policy.participating_of(user), Place::At(_));
        let watching =
            || Watching::UserAffiliations { user: user.clone(), by: by.clone(), service: *service };
        elsewhere.then(watching)
    }

    /// What a watcher is told of a user elsewhere; `None`: nothing was heard yet.
    pub(super) fn heard_elsewhere(
        &self,
        watching: &Watching,
        client: Option<&ClientId>,
        p_id: Option<&str>,
    ) -> Option<Presence> {
        let watch = self.model.watch_of(watching)?;
        let heard = self.watches.heard.get(&watch.id)?;
        Some(status_elsewhere::document(heard, client, p_id))
    }

    /// A subscription to the affiliations of a user elsewhere was accepted. `ended`: it asks once. Who asks once hears
    /// nothing before there is something to tell, or nothing comes.
    pub(super) fn watch_elsewhere(
        &mut self,
        now: Time,
        id: SubscriptionRef,
        watching: Watching,
        ended: Option<&str>,
    ) {
        let outcome = status_elsewhere::begin(&mut view!(self, now), &watching);
        self.carry_out(now, outcome);
        let heard = self.heard_elsewhere(&watching, None, None).is_some();
        if heard || ended.is_none() {
            self.notify(now, id, None, ended);
            return;
        }
        let t1 = self.setup.agent.transactions.timers.t1;
        self.set_alarm(now.plus(t1.saturating_mul(FUNCTION_PATIENCE)), Alarm::FetchOver(id));
    }

    /// What a subscription of ours brings.
    pub(super) fn hear_elsewhere(&mut self, now: Time, watch: &Watch, heard: Heard) {
        let Watching::UserAffiliations { user, .. } = &watch.what else { return };
        let (p_id, ends) = match heard {
            Heard::Affiliations(presence) if presence.entity == user.as_str() => {
                let p_id = presence.p_id.clone();
                self.watches.heard.insert(watch.id, presence);
                (p_id, None)
            }
            Heard::Affiliations(_) | Heard::Group(_) | Heard::Nothing => return,
            Heard::Refused(status) => {
                self.watches.heard.remove(&watch.id);
                (None, Some(if status == 403 { "rejected" } else { "noresource" }))
            }
            Heard::Lost => {
                self.watches.heard.remove(&watch.id);
                return;
            }
        };
        let watchers: Vec<(SubscriptionRef, bool)> = status_elsewhere::watchers(&self.model, &watch.what)
            .map(|subscription| (subscription.id, subscription.expires <= now))
            .collect();
        for (id, asks_once) in watchers {
            let ended = ends.or(asks_once.then_some("timeout"));
            self.notify(now, id, p_id.as_deref(), ended);
        }
    }
}
