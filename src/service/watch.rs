//! Subscriptions: who watches what, and the notifications that follow.

use super::Service;
use super::read::{Bodies, identity, unusable};
use super::render::is_focus;
use super::trust::{Unknown, malformed};
use crate::documents::{names, pidf};
use crate::env::Time;
use crate::mc::affiliation::owning;
use crate::mc::dynamic::Shown;
use crate::mc::remote_change::Originator;
use crate::mc::{dynamic, status};
use crate::model::{
    Change, ClientId, Fact, FactKey, GroupId, LegOwner, Service as McService, Side, Subscriber, Subscription,
    SubscriptionRef, UserId, Watched, Watching,
};
use crate::procedure::{Place, Refusal};
use crate::sip::dialog::UNTOLD_CSEQ;
use crate::sip::message::{OutBody, Request};
use crate::sip::subscription::NotifierEvent;
use crate::sip::transaction::{Flow, ServerId};
use crate::sip::wire::Name;
use bytes::Bytes;
use std::time::Duration;

/// Documents of one round of notifications that are kept for the next watcher: nearly all watch the same.
const SHARED: usize = 8;

/// Documents that were made for one watcher and say the same to others.
#[derive(Debug, Default)]
struct Shared(Vec<(Watched, bool, Option<Bytes>)>);

impl Shared {
    /// The document about what is watched, as seen by those who may see all of it or not; made once.
    fn once(&mut self, watched: &Watched, all: bool, make: impl FnOnce() -> Option<Bytes>) -> Option<Bytes> {
        let made = self.0.iter().find(|(of, seen, _)| *seen == all && of == watched);
        if let Some((.., content)) = made {
            return content.clone();
        }
        let content = make();
        if self.0.len() < SHARED {
            self.0.push((watched.clone(), all, content.clone()));
        }
        content
    }
}

impl Service {
    /// SUBSCRIBE: affiliation status (TS 24.379 9.2.2.2.4), the roster of a call (10.1.3), group documents (TS 24.481
    /// 6.3.13).
    pub(super) fn subscribe(
        &mut self,
        now: Time,
        id: ServerId,
        flow: Flow,
        request: &Request,
    ) -> Result<(), Unknown> {
        if request.to_tag().is_some() {
            let known = self.notifier.addressed(request).and_then(|id| self.model.subscription(id));
            let longest = known.map_or(0, |known| self.longest(&known.subscriber));
            let (agent, ids, out) = (&mut self.agent, &mut self.ids, &mut self.out);
            self.notifier.in_dialog(now, ids, agent, request, id, longest, out, &mut self.notifier_events);
            return Ok(());
        }
        let refuse = |refusal| Unknown::Refuse(refusal);
        let event = self.event(request).map_err(refuse)?;
        if event == "presence" && self.addressed_controlling(request) {
            return self.subscribe_group(now, id, flow, request);
        }
        let bodies = self.bodies(request).map_err(refuse)?;
        match event.as_str() {
            "presence" => self.watch_affiliations(now, id, flow, request, bodies),
            "conference" => self.watch_conference(now, id, flow, request, bodies),
            "xcap-diff" => self.watch_documents(now, id, flow, request, &bodies),
            _ => {
                self.identify(now, flow, request)?;
                Err(refuse(Refusal::BadEvent))
            }
        }
    }

    /// SUBSCRIBE to the affiliation status of a user, or to the dynamic data of a group.
    fn watch_affiliations(
        &mut self,
        now: Time,
        id: ServerId,
        flow: Flow,
        request: &Request,
        mut bodies: Bodies,
    ) -> Result<(), Unknown> {
        let refuse = |refusal| Unknown::Refuse(refusal);
        let sender = self.originator(now, flow, request, bodies.info.as_ref().map(|(_, info)| info))?;
        self.addressed_participating(request).map_err(refuse)?;
        let service =
            self.service_of(request, &bodies).map_err(refuse)?.ok_or(refuse(Refusal::NotOurService))?;
        let filter = match bodies.find(names::SIMPLE_FILTER) {
            Some(part) => {
                pidf::filter_tuple(&part.content, &self.setup.limits).map_err(|e| refuse(unusable(e)))?
            }
            None => None,
        };
        let target = bodies.info.take().and_then(|(_, info)| info.request_uri);
        let Some(target) = target.map(|text| identity(&text)) else {
            return Err(refuse(Refusal::Malformed { place: "mcptt-request-uri missing".to_owned() }));
        };
        let (view, target) = (view!(self, now), GroupId::new(target));
        // An identity names a user or a group.
        let is_elsewhere = match &sender {
            Originator::Client(user) => dynamic::is_group_elsewhere(&view, user, &target),
            Originator::Function { .. } => false,
        };
        let watched = if is_elsewhere || view.model.group(Side::Mc, target.as_str()).is_some() {
            let user_filter = filter.as_deref().map(|id| UserId::new(identity(id)));
            // Of groups functions elsewhere ask the controlling function.
            let Originator::Client(user) = &sender else { return Err(refuse(Refusal::UnknownUser)) };
            match view.policy.controlling_of(&target) {
                // The server that owns the group decides what it tells.
                Place::At(_) => {
                    let (group, user) = (target, user_filter);
                    Ok(Watched::Group { group, service, user, by: None })
                }
                _ => dynamic::subscribe(&view, user, &target, user_filter, service),
            }
        } else {
            let client = filter.as_deref().map(ClientId::from);
            status::subscribe(&view, &sender, &UserId::new(target.as_str()), client, service)
        };
        let subscriber = match sender {
            Originator::Client(user) => Subscriber::User(user),
            Originator::Function { caller, .. } => Subscriber::Function(caller.psi),
        };
        self.accept_subscription(now, id, flow, request, subscriber, watched.map_err(refuse)?, None)
    }

    /// Takes a subscription that may be: 200, and the first NOTIFY.
    #[allow(clippy::too_many_arguments, reason = "time and identifiers come in as values")]
    pub(super) fn accept_subscription(
        &mut self,
        now: Time,
        server: ServerId,
        flow: Flow,
        request: &Request,
        subscriber: Subscriber,
        watched: Watched,
        owner: Option<LegOwner>,
    ) -> Result<(), Unknown> {
        let refuse = |refusal| Unknown::Refuse(refusal);
        self.room_for_subscription(&subscriber, 0).map_err(refuse)?;
        let asked = request.number(Name::Expires).map_err(|e| refuse(malformed(e)))?;
        let longest = self.longest(&subscriber);
        let expires = asked.unwrap_or(longest).min(longest);
        let id = SubscriptionRef(self.ids.number());
        let contact = match owner {
            Some(owner) => self.contact(owner, flow.listener, watched.service(), is_focus(owner, true)),
            None => self.plain_contact(flow.listener),
        };
        let (agent, ids, out) = (&mut self.agent, &mut self.ids, &mut self.out);
        let pair = (request, server);
        let Some(dialog) = self.notifier.accept(now, ids, agent, pair, id, expires, &contact, out) else {
            return Ok(());
        };
        let event_id = request
            .wire()
            .header(Name::Event)
            .and_then(|line| crate::sip::message::values::Event::parse(&line).ok())
            .and_then(|event| event.id);
        tracing::info!(call_id = request.call_id(), subscriber = %subscriber, expires, "subscribed");
        let fact = Subscription {
            id,
            subscriber,
            watched,
            dialog,
            event_id,
            expires: now.plus(Duration::from_secs(u64::from(expires))),
        };
        let ended = (expires == 0).then_some("timeout");
        let elsewhere = self.user_elsewhere(&fact);
        self.put(Fact::Subscription(fact));
        match elsewhere {
            // Its roster is here.
            Some(Watching::Session { .. }) | None => self.notify(now, id, None, ended),
            Some(watching) => self.watch_elsewhere(now, id, watching, ended),
        }
        Ok(())
    }

    /// The longest interval that a subscriber is granted, seconds. A client that is gone is noticed by its registration; a
    /// function elsewhere that has forgotten a subscription, by its refresh that does not come (RFC 6665 4.2.1.1).
    pub(super) fn longest(&self, subscriber: &Subscriber) -> u32 {
        let policy = &self.setup.policy;
        match subscriber {
            Subscriber::User(_) => policy.affiliation_interval,
            Subscriber::Function(_) => policy.affiliation_interval.min(policy.function_subscription_interval),
        }
    }

    /// Whether a subscriber may have one more subscription; `waiting` of its requests are not answered yet.
    pub(super) fn room_for_subscription(
        &self,
        subscriber: &Subscriber,
        waiting: usize,
    ) -> Result<(), Refusal> {
        let limits = &self.setup.limits;
        let (limit, what) = match subscriber {
            Subscriber::User(_) => (limits.subscriptions_per_user, "subscriptions of one user"),
            Subscriber::Function(_) => (limits.subscriptions_per_function, "subscriptions of one function"),
        };
        if self.model.subscriptions_by(subscriber).saturating_add(waiting) < limit {
            return Ok(());
        }
        Err(Refusal::Full { what, limit })
    }

    /// Our Contact where no session stands behind it.
    pub(super) fn plain_contact(&self, listener: u16) -> String {
        let tcp = self
            .setup
            .agent
            .transactions
            .hops
            .listeners
            .get(usize::from(listener))
            .is_some_and(|listener| listener.transport == crate::model::Transport::Tcp);
        format!("<sip:{}{}>", self.advertised(listener), if tcp { ";transport=tcp" } else { "" })
    }

    /// The affiliation status of a user changed for a service.
    pub(super) fn notify_affiliations(
        &mut self,
        now: Time,
        user: &UserId,
        of: McService,
        p_id: Option<&str>,
    ) {
        let concerned =
            |watched: &Watched| matches!(watched, Watched::Affiliations { service, .. } if *service == of);
        let watching: Vec<SubscriptionRef> = self
            .model
            .watchers_of_user(user)
            .filter(|watcher| concerned(&watcher.watched))
            .map(|watcher| watcher.id)
            .collect();
        self.notify_each(now, watching, p_id, None);
    }

    /// Who is affiliated to a group changed for a service, or what goes on in it.
    pub(super) fn notify_group(&mut self, now: Time, group: &GroupId, of: McService) {
        let watching: Vec<SubscriptionRef> = self
            .model
            .watchers_of_group(group)
            .filter(|watcher| watcher.watched.service() == of)
            .map(|watcher| watcher.id)
            .collect();
        self.notify_each(now, watching, None, None);
    }

    /// The affiliation of a user who is served elsewhere to a group that is owned here changed for a service.
    pub(super) fn notify_group_affiliation(
        &mut self,
        now: Time,
        (group, user): (&GroupId, &UserId),
        of: McService,
        p_id: Option<&str>,
    ) {
        let watching: Vec<SubscriptionRef> = self
            .model
            .watchers_of_affiliation(group, user)
            .filter(|watcher| watcher.watched.service() == of)
            .map(|watcher| watcher.id)
            .collect();
        self.notify_each(now, watching, p_id, None);
    }

    /// Sends a NOTIFY with the full state; `ended` ends the subscription.
    pub(super) fn notify(&mut self, now: Time, id: SubscriptionRef, p_id: Option<&str>, ended: Option<&str>) {
        self.notify_each(now, vec![id], p_id, ended);
    }

    /// Sends a NOTIFY with the full state to each; `ended` ends the subscriptions.
    pub(super) fn notify_each(
        &mut self,
        now: Time,
        subscriptions: Vec<SubscriptionRef>,
        p_id: Option<&str>,
        ended: Option<&str>,
    ) {
        let mut shared = Shared::default();
        for id in subscriptions {
            let Some(subscription) = self.model.subscription(id) else { continue };
            let (headers, body) = self.state_of(now, subscription, p_id, &mut shared);
            let (agent, ids, out) = (&mut self.agent, &mut self.ids, &mut self.out);
            self.notifier.notify(now, ids, agent, id, headers, body, ended, out);
            if ended.is_some() {
                self.forget_subscription(id);
            } else if let (Some(dialog), Some(known)) =
                (self.notifier.stored(id), self.model.subscription(id))
            {
                // A restart moves CSeq on further than this.
                let moved = dialog.local_cseq.abs_diff(known.dialog.local_cseq) >= UNTOLD_CSEQ;
                if moved || dialog.remote_cseq != known.dialog.remote_cseq {
                    let fact = Subscription { dialog: dialog.clone(), ..known.clone() };
                    self.put(Fact::Subscription(fact));
                }
                if !self.model.is_untold(id) {
                    self.put(Fact::Untold(id));
                }
            }
        }
    }

    fn forget_subscription(&mut self, id: SubscriptionRef) {
        self.told(id);
        self.change(Change::Remove(FactKey::Subscription(id)));
    }

    /// Nothing is owed to a subscriber any more.
    fn told(&mut self, id: SubscriptionRef) {
        if self.model.is_untold(id) {
            self.change(Change::Remove(FactKey::Untold(id)));
        }
    }

    fn state_of(
        &self,
        now: Time,
        subscription: &Subscription,
        p_id: Option<&str>,
        shared: &mut Shared,
    ) -> (Vec<(Name, String)>, Option<OutBody>) {
        let watched = &subscription.watched;
        let pidf = |content: Bytes| Some(OutBody { content_type: names::PIDF.to_owned(), content });
        match watched {
            Watched::GroupAffiliation { service, .. } => {
                let Some(document) = owning::document(&self.model, watched, p_id, now) else {
                    return (Vec::new(), None);
                };
                (Vec::new(), pidf(document.encode(*service).into()))
            }
            Watched::Affiliations { service, client, .. } => {
                let content = match self.user_elsewhere(subscription) {
                    Some(watching) => {
                        let only = client.as_ref().map(ClientId::as_str);
                        self.heard_elsewhere(&watching, only, p_id).map(|data| data.encode(*service).into())
                    }
                    None => shared.once(watched, true, || {
                        let document = status::document(&self.model, watched, p_id, now)?;
                        Some(document.encode(*service).into())
                    }),
                };
                (Vec::new(), content.and_then(pidf))
            }
            Watched::Group { group, service, user, by } => {
                if let Some(watching) = self.user_elsewhere(subscription) {
                    let heard = self.heard_elsewhere(&watching, user.as_ref().map(UserId::as_str), p_id);
                    return (Vec::new(), heard.and_then(|data| pidf(data.encode(*service).into())));
                }
                let (group, service, filter) = (group.clone(), *service, (user.as_ref(), by.as_ref()));
                let shown = dynamic::shown(&self.model, &subscription.subscriber, &group, service, filter);
                let make =
                    || Some(dynamic::document(&self.model, &group, service, &shown).encode(service).into());
                let content = match shown {
                    Shown::One(_) => make(),
                    Shown::All | Shown::Nobody => {
                        let same = Watched::Group { group: group.clone(), service, user: None, by: None };
                        shared.once(&same, shown == Shown::All, make)
                    }
                };
                (Vec::new(), content.and_then(pidf))
            }
            Watched::GroupDocuments { .. } => (Vec::new(), self.documents_body(subscription)),
            Watched::Session { id, service } => self.session_notification(subscription, *id, *service),
            Watched::Conference { call, service, audience } => {
                let (call, service) = (*call, *service);
                self.roster_notification(subscription, (call, service, audience), |audience| {
                    let same = Watched::Conference { call, service, audience: audience.clone() };
                    shared.once(&same, true, || self.roster_document(call, audience))
                })
            }
        }
    }

    /// Something happened to a subscription.
    pub(super) fn on_notifier(&mut self, now: Time, event: NotifierEvent) {
        match event {
            NotifierEvent::Refreshed { id, expires } => {
                let Some(subscription) = self.model.subscription(id).cloned() else { return };
                let dialog = self.notifier.stored(id).unwrap_or(&subscription.dialog).clone();
                let until = now.plus(Duration::from_secs(u64::from(expires)));
                self.put(Fact::Subscription(Subscription { dialog, expires: until, ..subscription }));
                self.notify(now, id, None, (expires == 0).then_some("timeout"));
            }
            NotifierEvent::Expired { id } => self.notify(now, id, None, Some("timeout")),
            NotifierEvent::Delivered { id } => self.told(id),
            NotifierEvent::Gone { id } => {
                if let Some(subscription) = self.model.subscription(id) {
                    tracing::info!(subscriber = %subscription.subscriber, "subscription gone");
                    self.forget_subscription(id);
                }
            }
        }
    }
}
