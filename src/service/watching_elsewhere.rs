//! Watchers here of users who are served elsewhere (TS 24.379 9.2.2.2.10) and of groups that are owned elsewhere: our
//! subscription there, and their notifications.

use super::Service;
use super::alarms::Alarm;
use super::passing_on::FUNCTION_PATIENCE;
use crate::documents::group_dynamic::GroupDynamicData;
use crate::env::Time;
use crate::mc::status_elsewhere;
use crate::model::{Subscriber, Subscription, SubscriptionRef, Watch, Watched, Watching};
use crate::procedure::{Heard, Place};

impl Service {
    /// The subscription of ours that a subscription to the affiliations of a user elsewhere needs.
    pub(super) fn user_elsewhere(&self, subscription: &Subscription) -> Option<Watching> {
        let Subscriber::User(by) = &subscription.subscriber else { return None };
        let (by, policy) = (by.clone(), &self.setup.policy);
        match &subscription.watched {
            Watched::Affiliations { user, service, .. } => {
                let elsewhere = matches!(policy.participating_of(user), Place::At(_));
                elsewhere.then(|| Watching::UserAffiliations { user: user.clone(), by, service: *service })
            }
            Watched::Group { group, service, .. } => {
                let elsewhere = matches!(policy.controlling_of(group), Place::At(_));
                elsewhere.then(|| Watching::GroupData { group: group.clone(), by, service: *service })
            }
            Watched::Session { id, .. } => Some(Watching::Session { id: *id }),
            _ => None,
        }
    }

    /// What a watcher is told of a user elsewhere; `None`: nothing was heard yet.
    pub(super) fn heard_elsewhere(
        &self,
        watching: &Watching,
        only: Option<&str>,
        p_id: Option<&str>,
    ) -> Option<GroupDynamicData> {
        let watch = self.model.watch_of(watching)?;
        let heard = self.watches.heard.get(&watch.id)?;
        Some(status_elsewhere::document(heard, only, p_id))
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
        let entity = match &watch.what {
            Watching::UserAffiliations { user, .. } => user.as_str(),
            Watching::GroupData { group, .. } => group.as_str(),
            _ => return,
        };
        let (p_id, ends) = match heard {
            Heard::Passed(data) if data.presence.entity == entity => {
                let p_id = data.presence.p_id.clone();
                self.watches.heard.insert(watch.id, data);
                (p_id, None)
            }
            Heard::Passed(_)
            | Heard::Affiliations(_)
            | Heard::Group(_)
            | Heard::Roster(_)
            | Heard::Nothing => return,
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
