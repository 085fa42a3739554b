//! Subscriptions of our functions at functions elsewhere ([`Watch`]): made after the commit that decided them, taken up
//! again after a restart, made anew after they were lost; the procedure hears what they bring. The other half, those who
//! watch us, is in `watch`.

use super::Service;
use super::alarms::Alarm;
use super::gateway::needs_of_watch;
use super::read::unusable;
use super::render::{info_body, with_draft_body};
use super::requests::{about, pause};
use crate::documents::group_dynamic::GroupDynamicData;
use crate::documents::pidf::{self, Presence};
use crate::documents::{Body, names};
use crate::env::Time;
use crate::mc;
use crate::model::{Change, DialogFact, Fact, FactKey, Service as McService, Watch, WatchRef, Watching};
use crate::procedure::{Heard, Refusal};
use crate::sip::message::{Draft, Method, Request};
use crate::sip::subscription::{End, SubscriberEvent, SubscriberId};
use crate::sip::transaction::ServerId;
use crate::sip::wire::Name;
use std::collections::HashMap;
use std::time::Duration;

/// A stored end of a subscription may be wrong by this much: not every notification that says it again is written.
const EXPIRY_TOLERANCE: Duration = Duration::from_secs(30);

/// Which subscription of the SIP core belongs to which fact.
#[derive(Debug, Default)]
pub(super) struct Watches {
    of: HashMap<WatchRef, SubscriberId>,
    by: HashMap<SubscriberId, WatchRef>,
    /// Attempts in a row that came to nothing.
    attempts: HashMap<WatchRef, u32>,
    /// What was heard last of users elsewhere.
    pub heard: HashMap<WatchRef, GroupDynamicData>,
    /// What the NOTIFY that is being handled says, read before it was answered.
    read: Option<(SubscriberId, Result<Heard, Refusal>)>,
}

/// A subscription that is to be refreshed at once is taken back as if it had this long to go.
const REFRESH_SPAN: Duration = Duration::from_secs(60);

impl Service {
    /// Subscribes, or subscribes again.
    pub(super) fn begin_watch(&mut self, now: Time, id: WatchRef) {
        let Some(watch) = self.model.watch(id).cloned() else { return };
        if self.watches.of.contains_key(&id) {
            return;
        }
        if let Err(refusal) = self.exit(&watch.at, needs_of_watch(&watch.what)) {
            let answer = refusal.answer();
            let warnings = answer.warnings.iter().map(|warning| self.warning_value(warning)).collect();
            let status = answer.status;
            let end = End::Refused { status, retry_after: None, min_expires: None, warnings };
            return self.watch_ended(now, id, end);
        }
        let draft = self.render_watch(&watch);
        // The notifier grants what it likes; it may not take less (TS 24.379 9.2.1.2, 9.2.2.2.7).
        let interval = mc::affiliation::WHOLE_INTERVAL;
        let (agent, ids, out) = (&mut self.agent, &mut self.ids, &mut self.out);
        match self.subscriber.subscribe(now, ids, agent, draft, interval, None, out) {
            Ok(subscriber) => {
                self.watches.of.insert(id, subscriber);
                self.watches.by.insert(subscriber, id);
            }
            Err(error) => {
                tracing::warn!(at = %watch.at, "subscription not sent: {error}");
                if let Watching::Session { id: session } = watch.what {
                    self.session_refused(now, session, &End::Silent);
                }
                self.watch_later(now, id, None);
            }
        }
    }

    /// Gives a subscription up whose fact is gone.
    pub(super) fn end_watch(&mut self, now: Time, id: WatchRef) {
        self.watches.attempts.remove(&id);
        self.watches.heard.remove(&id);
        self.forget_roster(id);
        let Some(subscriber) = self.watches.of.remove(&id) else { return };
        self.watches.by.remove(&subscriber);
        let (agent, ids, out) = (&mut self.agent, &mut self.ids, &mut self.out);
        self.subscriber.give_up(now, ids, agent, subscriber, out);
    }

    fn watch_later(&mut self, now: Time, id: WatchRef, asked: Option<u32>) {
        let attempts = self.watches.attempts.entry(id).or_default();
        let wait = pause(*attempts).max(Duration::from_secs(asked.unwrap_or_default().into()));
        *attempts = attempts.saturating_add(1);
        self.set_alarm(now.plus(wait), Alarm::WatchAgain(id));
    }

    /// A NOTIFY. Whoever knows both tags of a dialog of ours may notify; anybody else hears 481 (RFC 6665 4.1.3). A body
    /// that cannot be used is refused, and leaves the subscription and what is known as they are.
    pub(super) fn notified(&mut self, now: Time, id: ServerId, request: &Request) {
        let subscriber = self.subscriber.subscription_of(request);
        let watch = subscriber.and_then(|subscriber| self.watches.by.get(&subscriber).copied());
        self.watches.read = match (subscriber, watch) {
            (Some(subscriber), Some(watch)) => Some((subscriber, self.read_notification(watch, request))),
            _ => None,
        };
        let bad_body = match &self.watches.read {
            Some((_, Err(refusal))) => Some(self.render_answer(&refusal.answer())),
            _ => None,
        };
        let (agent, ids, events) = (&mut self.agent, &mut self.ids, &mut self.subscriber_events);
        self.subscriber.notified(now, ids, agent, request.clone(), id, bad_body, &mut self.out, events);
    }

    /// Something happened to a subscription of ours.
    pub(super) fn on_subscriber(&mut self, now: Time, event: SubscriberEvent) {
        match event {
            SubscriberEvent::Notified { id, request, .. } => {
                let Some(watch) = self.watches.by.get(&id).copied() else { return };
                self.watches.attempts.remove(&watch);
                self.keep_watch(watch, id);
                self.cause = Some(request.call_id().to_owned());
                let read = self.watches.read.take().filter(|(of, _)| *of == id);
                let read = read.map_or_else(|| self.read_notification(watch, &request), |(_, read)| read);
                let heard = match read {
                    Ok(heard) => heard,
                    Err(refusal) => {
                        tracing::warn!(call_id = request.call_id(), "notification not understood: {refusal}");
                        Heard::Nothing
                    }
                };
                self.hear_watch(now, watch, heard);
            }
            SubscriberEvent::Ended { id, end } => {
                let Some(watch) = self.watches.by.remove(&id) else { return };
                self.watches.of.remove(&watch);
                self.watch_ended(now, watch, end);
            }
        }
    }

    fn watch_ended(&mut self, now: Time, id: WatchRef, end: End) {
        let Some(watch) = self.model.watch(id).cloned() else { return };
        tracing::warn!(at = %watch.at, "subscription at another function ended: {end:?}");
        if let Watching::Session { id: session } = watch.what {
            self.session_refused(now, session, &end);
        }
        let (heard, asked) = match end {
            End::GivenUp => return,
            // 480 with Warning 105: a broadcast call has no roster (TS 24.379 10.1.3.4.1).
            End::Refused { status: status @ 480, retry_after, warnings, .. }
                if is_of_roster(&watch.what) && !warnings.is_empty() =>
            {
                (Heard::Refused(status), retry_after)
            }
            End::Refused { status: 408 | 480 | 481 | 500 | 503 | 504, retry_after, .. } => {
                (Heard::Lost, retry_after)
            }
            End::Refused { status, retry_after, .. } => (Heard::Refused(status), retry_after),
            End::Silent => (Heard::Lost, None),
            End::Terminated { reason, retry_after } => match reason.as_deref() {
                Some("rejected" | "noresource" | "invariant") => (Heard::Refused(GONE), retry_after),
                _ => (Heard::Lost, retry_after),
            },
        };
        if watch.dialog.is_some() {
            self.put(Fact::Watch(Watch { dialog: None, ..watch }));
        }
        self.hear_watch(now, id, heard);
        if self.model.watch(id).is_some() {
            self.watch_later(now, id, asked);
        }
    }

    fn hear_watch(&mut self, now: Time, id: WatchRef, heard: Heard) {
        let Some(watch) = self.model.watch(id).cloned() else { return };
        let outcome = match &watch.what {
            Watching::GroupAffiliation { .. } => mc::affiliation::heard(&mut view!(self, now), &watch, heard),
            Watching::UserAffiliations { .. } | Watching::GroupData { .. } => {
                return self.hear_elsewhere(now, &watch, heard);
            }
            Watching::GroupDocument { .. } => mc::group_policy::heard(&mut view!(self, now), &watch, heard),
            Watching::Session { id: session } => return self.hear_session(now, &watch, *session, heard),
            Watching::Focus { leg } => {
                mc::roster::heard(&mut view!(self, now), &mut self.open, *leg, Some(id), heard)
            }
        };
        self.carry_out(now, outcome);
    }

    /// Writes the dialog of a subscription when what is known of it has changed.
    fn keep_watch(&mut self, id: WatchRef, subscriber: SubscriberId) {
        let (Some(watch), Some((dialog, expires))) =
            (self.model.watch(id).cloned(), self.subscriber.stored(subscriber))
        else {
            return;
        };
        let known = watch.dialog.as_ref().is_some_and(|(stored, until)| {
            let same = DialogFact { remote_cseq: dialog.remote_cseq, ..stored.clone() } == dialog;
            let apart = until.since(expires).max(expires.since(*until));
            same && apart <= EXPIRY_TOLERANCE
        });
        if !known {
            self.put(Fact::Watch(Watch { dialog: Some((dialog, expires)), ..watch }));
        }
    }

    fn read_notification(&self, id: WatchRef, request: &Request) -> Result<Heard, Refusal> {
        let Some(watch) = self.model.watch(id) else { return Ok(Heard::Nothing) };
        let bodies = self.bodies(request)?;
        match &watch.what {
            Watching::UserAffiliations { service, .. } | Watching::GroupData { service, .. } => {
                let Some(part) = bodies.find(names::PIDF) else { return Ok(Heard::Nothing) };
                let mut data = GroupDynamicData::decode(&part.content, *service, &self.setup.limits)
                    .map_err(unusable)?;
                data.presence = super::read::canonical_presence(data.presence);
                Ok(Heard::Passed(data))
            }
            Watching::GroupAffiliation { service, .. } => {
                let Some(part) = bodies.find(names::PIDF) else { return Ok(Heard::Nothing) };
                let presence = Presence::decode(&part.content, *service, &self.setup.limits);
                presence.map(super::read::canonical_presence).map(Heard::Affiliations).map_err(unusable)
            }
            Watching::GroupDocument { group } => {
                Ok(self.document_told(group, &bodies)?.map_or(Heard::Nothing, Heard::Group))
            }
            Watching::Session { .. } | Watching::Focus { .. } => self.roster_told(watch, &bodies),
        }
    }

    /// After a restart: known dialogs go on, the others begin.
    pub(super) fn resume_watches(&mut self, now: Time) {
        let watches: Vec<Watch> = self.model.watches().cloned().collect();
        for watch in watches {
            if let Watching::Session { id } = watch.what
                && self.model.watchers_of_session(id).next().is_none()
            {
                // Its client was not answered before the crash, and asks again.
                self.change(Change::Remove(FactKey::Watch(watch.id)));
                continue;
            }
            let Some((dialog, expires)) = watch.dialog.clone().filter(|(_, expires)| *expires > now) else {
                self.begin_watch(now, watch.id);
                continue;
            };
            let draft = self.render_watch(&watch);
            let interval = mc::affiliation::WHOLE_INTERVAL;
            // What was heard of users elsewhere is no fact: it is asked for again, by a refresh. The others are refreshed
            // soon, one after the other: the notifier may have given us up while we were away.
            let later = match watch.what {
                Watching::UserAffiliations { .. }
                | Watching::GroupData { .. }
                | Watching::Session { .. }
                | Watching::Focus { .. } => Duration::ZERO,
                Watching::GroupAffiliation { .. } | Watching::GroupDocument { .. } => {
                    Duration::from_secs(self.ids.number() % REFRESH_SPAN.as_secs())
                }
            };
            let soon = expires.min(now.plus(REFRESH_SPAN + later));
            match self.subscriber.restore(draft, interval, &dialog, soon) {
                Ok(subscriber) => {
                    self.watches.of.insert(watch.id, subscriber);
                    self.watches.by.insert(subscriber, watch.id);
                    // The CSeq was moved on for what may have been sent before. The next start must go on from here.
                    let moved = self.subscriber.stored(subscriber).map(|(dialog, _)| (dialog, expires));
                    self.put(Fact::Watch(Watch { dialog: moved, ..watch }));
                }
                Err(_) => self.begin_watch(now, watch.id),
            }
        }
    }

    /// The SUBSCRIBE of a watch.
    fn render_watch(&mut self, watch: &Watch) -> Draft {
        match &watch.what {
            Watching::GroupDocument { group } => self.render_document_watch(watch, group),
            Watching::Session { id } => self.render_session_watch(watch, *id),
            Watching::Focus { leg } => self.render_focus_watch(watch, *leg),
            Watching::GroupAffiliation { group, user, service } => {
                let mut parts = vec![info_body(&about(group.as_str(), user.as_str()), *service)];
                if let Some(filter) = pidf::tuple_filter(user.as_str()) {
                    let content_type = names::SIMPLE_FILTER.to_owned();
                    parts.push(Body { content_type, content: filter.into() });
                }
                let draft = self.subscribe_head(watch, "presence", names::PIDF, *service);
                with_draft_body(draft, parts)
            }
            Watching::GroupData { group, by, service } => {
                let parts = vec![info_body(&about(group.as_str(), by.as_str()), *service)];
                let draft = self.subscribe_head(watch, "presence", names::PIDF, *service);
                with_draft_body(draft, parts)
            }
            Watching::UserAffiliations { user, by, service } => {
                let parts = vec![info_body(&about(user.as_str(), by.as_str()), *service)];
                let draft = self.subscribe_head(watch, "presence", names::PIDF, *service);
                with_draft_body(draft, parts)
            }
        }
    }

    pub(super) fn subscribe_head(
        &mut self,
        watch: &Watch,
        event: &str,
        accept: &str,
        service: McService,
    ) -> Draft {
        let listener = 0;
        let contact = self.plain_contact(listener);
        self.towards_function(Method::Subscribe, watch.from, &watch.at, service)
            .header(Name::Contact, contact)
            .header(Name::Event, event)
            .header(Name::Accept, accept)
    }
}

fn is_of_roster(what: &Watching) -> bool {
    matches!(what, Watching::Session { .. } | Watching::Focus { .. })
}

/// The status that stands for "the notifier ended it for good".
const GONE: u16 = 410;
