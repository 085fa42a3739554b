//! The notifier: accepts subscriptions, sends NOTIFY in order, ends them (RFC 6665 4.2).
//!
//! ```text
//!  accept                            accept with Expires 0 (a fetch)
//!     |                                  |
//! +---v----+  SUBSCRIBE 0: 200,      +---v----+
//! | Active |  tell Refreshed         | Ending |
//! |        |------------------------>|        |
//! +--------+  expiry: tell Expired   +--------+
//!   |   ^ |                              | notify: NOTIFY terminated
//!   |   | | notify with a reason:        v
//!   |   | | NOTIFY terminated        +---------+  SUBSCRIBE: 481
//!   |   | +------------------------->| Closing |  (in Ending too)
//!   |   | SUBSCRIBE: 200, tell Refreshed-------+
//!   |   | notify: NOTIFY active          | NOTIFY answered: tell Gone
//!   +---+ NOTIFY answered: tell Delivered|
//!                                        v
//!                                      Over    <--- from everywhere, tell Gone: 481 and the like to a NOTIFY
//! ```

use super::ends_subscription;
use crate::env::wheel::{TimerId, Wheel};
use crate::env::{Ids, Time};
use crate::model::{DialogFact, SubscriptionRef};
use crate::sip::dialog::{Agent, Dialog, bad_request, come_back};
use crate::sip::message::values::Event;
use crate::sip::message::{Malformed, Method, OutBody, Reply, Request};
use crate::sip::transaction::{ClientId, Due, Outbox, ServerId};
use crate::sip::wire::Name;
use std::collections::BTreeMap;
use std::time::Duration;

/// Seconds granted to a refresh without Expires where the first grant is not known any more (RFC 3856 6.4).
const DEFAULT_EXPIRES: u32 = 3600;

/// All subscriptions this node notifies.
#[derive(Debug, Default)]
pub struct Notifier {
    subscriptions: BTreeMap<SubscriptionRef, Subscription>,
    /// By our tag. It is ours, so no peer chooses where its subscription stands.
    dialogs: BTreeMap<String, SubscriptionRef>,
    /// NOTIFYs that are not answered.
    clients: BTreeMap<ClientId, SubscriptionRef>,
    wheel: Wheel<SubscriptionRef>,
    told: Vec<NotifierEvent>,
}

/// What the notifier tells its user.
#[derive(Debug, PartialEq, Eq)]
pub enum NotifierEvent {
    /// A refresh (`expires` > 0, already answered 200) or an un-subscribe (`expires` 0, answered 200, over after the
    /// last NOTIFY that the user sends). The user answers with [`Notifier::notify`]: every (re)SUBSCRIBE is followed by
    /// a NOTIFY with the full state.
    Refreshed {
        /// The subscription.
        id: SubscriptionRef,
        /// Granted seconds; 0: it ends.
        expires: u32,
    },
    /// The subscription ran out: the user sends the last NOTIFY (`terminated;reason=timeout`).
    Expired {
        /// The subscription.
        id: SubscriptionRef,
    },
    /// The last queued NOTIFY was answered: nothing is owed any more.
    Delivered {
        /// The subscription.
        id: SubscriptionRef,
    },
    /// The subscriber is gone (481, 408, 404, 410, 489..., RFC 6665 4.2.2) or the terminating NOTIFY was answered:
    /// forget it.
    Gone {
        /// The subscription.
        id: SubscriptionRef,
    },
}

/// One subscription.
#[derive(Debug)]
struct Subscription {
    state: State,
    dialog: Dialog,
    event: Event,
    /// Seconds granted last.
    granted: u32,
    expires: Time,
    timer: Option<TimerId>,
    /// The NOTIFY that is not answered yet.
    open: Option<ClientId>,
    /// The state to send when it is: the newest replaces an older one.
    queued: Option<Notice>,
}

/// What a NOTIFY says.
#[derive(Debug)]
struct Notice {
    headers: Vec<(Name, String)>,
    body: Option<OutBody>,
    /// Reason of `terminated`.
    ended: Option<String>,
}

/// Where a subscription stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Accepted and not expired.
    Active,
    /// Expired, given back, or a fetch: the user's next NOTIFY is the last.
    Ending,
    /// The last NOTIFY is sent or waits behind another.
    Closing,
    /// Forgotten.
    Over,
}

/// What happens to a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum On {
    Notify,
    NotifyLast,
    Refresh,
    Unsubscribe,
    Expire,
    /// The last NOTIFY that was queued is answered.
    Answered,
    /// A NOTIFY showed that the subscriber is gone.
    Lost,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Do {
    Send,
    SendLast,
    Grant,
    AnswerGone,
    TellRefreshed,
    TellExpired,
    TellDelivered,
    TellGone,
}

/// Where the figure goes from here. `None`: the figure has no such arrow, and nothing is to be done.
#[rustfmt::skip]
fn next(state: State, event: On) -> Option<(State, &'static [Do])> {
    use State as In;
    Some(match (state, event) {
        (In::Active,  On::Notify)      => (In::Active,  &[Do::Send]),
        (In::Active,  On::NotifyLast)  => (In::Closing, &[Do::SendLast]),
        (In::Active,  On::Refresh)     => (In::Active,  &[Do::Grant, Do::TellRefreshed]),
        (In::Active,  On::Unsubscribe) => (In::Ending,  &[Do::Grant, Do::TellRefreshed]),
        (In::Active,  On::Expire)      => (In::Ending,  &[Do::TellExpired]),
        (In::Active,  On::Answered)    => (In::Active,  &[Do::TellDelivered]),
        // The user's next word is the last, whatever it takes the subscription for.
        (In::Ending,  On::Notify | On::NotifyLast)
                                       => (In::Closing, &[Do::SendLast]),
        (In::Ending | In::Closing, On::Refresh | On::Unsubscribe)
                                       => (state,       &[Do::AnswerGone]),
        (In::Closing, On::Answered)    => (In::Over,    &[Do::TellGone]),
        (In::Active | In::Ending | In::Closing, On::Lost)
                                       => (In::Over,    &[Do::TellGone]),
        _ => return None,
    })
}

impl Notifier {
    /// Accepts a new subscription: 200 with `expires` and `contact`, and remembers the dialog. The user sends the first
    /// NOTIFY right after; with `expires` 0 (a fetch) it is the last too. Returns what to store; `None` if the request
    /// cannot make a dialog (answered 400) or names no event (489).
    #[allow(clippy::too_many_arguments, reason = "time and identifiers come in as values")]
    pub fn accept(
        &mut self,
        now: Time,
        ids: &mut Ids,
        agent: &mut Agent,
        request: (&Request, ServerId),
        id: SubscriptionRef,
        expires: u32,
        contact: &str,
        out: &mut Outbox,
    ) -> Option<DialogFact> {
        let (request, server) = request;
        let tag = ids.tag();
        let made =
            Dialog::of_request(request, &tag, contact).and_then(|dialog| Ok((dialog, request.event()?)));
        let (mut dialog, event) = match made {
            Ok((dialog, Some(event))) => (dialog, event),
            Ok((_, None)) => {
                agent.answer(now, ids, server, Reply::new(489), None, out);
                return None;
            }
            Err(malformed) => {
                agent.answer(now, ids, server, bad_request(malformed.place), None, out);
                return None;
            }
        };
        dialog.fact.source = agent.source_of(server);
        let reply = Reply::new(200).header(Name::Expires, expires.to_string()).header(Name::Contact, contact);
        agent.answer(now, ids, server, reply, Some(&tag), out);
        let fact = dialog.fact.clone();
        let state = if expires == 0 { State::Ending } else { State::Active };
        let until = now.plus(Duration::from_secs(expires.into()));
        self.insert(id, Subscription::new(state, dialog, event, expires, until));
        Some(fact)
    }

    /// Takes a SUBSCRIBE with a To tag: finds its dialog, else answers 481. `longest`: seconds that a refresh is granted
    /// at most (RFC 6665 4.2.1.1: less than asked for is right, more is not).
    #[allow(clippy::too_many_arguments, reason = "time and identifiers come in as values")]
    pub fn in_dialog(
        &mut self,
        now: Time,
        ids: &mut Ids,
        agent: &mut Agent,
        request: &Request,
        server: ServerId,
        longest: u32,
        out: &mut Outbox,
        events: &mut Vec<NotifierEvent>,
    ) {
        if let Err(refusal) = self.refresh(now, ids, agent, (request, server), longest, out) {
            agent.answer(now, ids, server, refusal, None, out);
        }
        events.append(&mut self.told);
    }

    /// The subscription in whose dialog a request may be, by its To tag.
    pub fn addressed(&self, request: &Request) -> Option<SubscriptionRef> {
        self.dialogs.get(request.to_tag()?).copied()
    }

    /// Sends (or queues behind the one that is not answered yet, replacing a queued one: the state is always full) a
    /// NOTIFY. `ended`: the reason of `terminated`; `None`: `active;expires=<rest>`, or `terminated;reason=timeout`
    /// if the subscription has ended by itself.
    #[allow(clippy::too_many_arguments, reason = "time and identifiers come in as values")]
    pub fn notify(
        &mut self,
        now: Time,
        ids: &mut Ids,
        agent: &mut Agent,
        id: SubscriptionRef,
        headers: Vec<(Name, String)>,
        body: Option<OutBody>,
        ended: Option<&str>,
        out: &mut Outbox,
    ) {
        let event = if ended.is_some() { On::NotifyLast } else { On::Notify };
        let notice = Notice { headers, body, ended: ended.map(str::to_owned) };
        let mut call = Call { now, ids, agent, out };
        self.step(&mut call, id, event, Matter { notice: Some(notice), ..Matter::default() });
    }

    /// Offers the answer to a request of ours; true if it was one of our NOTIFYs.
    #[allow(clippy::too_many_arguments, reason = "time and identifiers come in as values")]
    pub fn answered(
        &mut self,
        now: Time,
        ids: &mut Ids,
        agent: &mut Agent,
        client: ClientId,
        status: u16,
        out: &mut Outbox,
        events: &mut Vec<NotifierEvent>,
    ) -> bool {
        let Some(id) = self.clients.remove(&client) else { return false };
        let mut call = Call { now, ids, agent, out };
        if let Some(subscription) = self.subscriptions.get_mut(&id) {
            subscription.open = None;
            if ends_subscription(status) {
                self.step(&mut call, id, On::Lost, Matter::default());
            } else if let Some(notice) = subscription.queued.take() {
                self.send(&mut call, id, notice);
            } else {
                // Another refusal leaves the subscription as it is, and the subscriber without this state.
                self.step(&mut call, id, On::Answered, Matter::default());
            }
        }
        events.append(&mut self.told);
        true
    }

    /// What to store about a subscription's dialog. It is stored when the subscription is accepted and refreshed, and
    /// when CSeq has moved by [`crate::sip::dialog::UNTOLD_CSEQ`] since.
    pub fn stored(&self, id: SubscriptionRef) -> Option<&DialogFact> {
        self.subscriptions.get(&id).map(|subscription| &subscription.dialog.fact)
    }

    /// When a subscription ends; `None` if there is none.
    pub fn expires(&self, id: SubscriptionRef) -> Option<Time> {
        self.subscriptions.get(&id).map(|subscription| subscription.expires)
    }

    /// Subscriptions that are open.
    pub fn len(&self) -> usize {
        self.subscriptions.len()
    }

    /// Whether there is no subscription.
    pub fn is_empty(&self) -> bool {
        self.subscriptions.is_empty()
    }

    /// Takes a stored subscription back after a restart (CSeq moved on as for sessions).
    pub fn restore(
        &mut self,
        id: SubscriptionRef,
        event: &str,
        event_id: Option<&str>,
        dialog: &DialogFact,
        expires: Time,
    ) {
        let mut dialog = Dialog { fact: dialog.clone() };
        dialog.move_cseq_on();
        let event = Event { package: event.to_owned(), id: event_id.map(str::to_owned) };
        self.insert(id, Subscription::new(State::Active, dialog, event, DEFAULT_EXPIRES, expires));
    }

    /// Lets expiry fire.
    pub fn fire(&mut self, now: Time, events: &mut Vec<NotifierEvent>) {
        let mut due = Vec::new();
        self.wheel.expire(now, &mut due);
        for id in due {
            let Some(subscription) = self.subscriptions.get_mut(&id) else { continue };
            subscription.timer = None;
            if let Some((state, _)) = next(subscription.state, On::Expire) {
                subscription.state = state;
                self.told.push(NotifierEvent::Expired { id });
            }
        }
        events.append(&mut self.told);
    }

    /// When [`Self::fire`] has something to do, at the earliest: at once if there is something to tell.
    pub fn due(&self) -> Due {
        if self.told.is_empty() { self.wheel.due() } else { Some(Time::from_millis(0)) }
    }

    fn insert(&mut self, id: SubscriptionRef, mut subscription: Subscription) {
        self.remove(id);
        if subscription.state == State::Active {
            subscription.timer = Some(self.wheel.schedule(subscription.expires, id));
        }
        self.dialogs.insert(subscription.dialog.fact.local_tag.clone(), id);
        self.subscriptions.insert(id, subscription);
    }

    fn remove(&mut self, id: SubscriptionRef) {
        let Some(subscription) = self.subscriptions.remove(&id) else { return };
        self.dialogs.remove(&subscription.dialog.fact.local_tag);
        if let Some(timer) = subscription.timer {
            self.wheel.cancel(timer);
        }
        if let Some(client) = subscription.open {
            self.clients.remove(&client);
        }
    }

    /// A SUBSCRIBE inside a dialog: RFC 6665 4.2.1.1 and 4.2.1.4.
    fn refresh(
        &mut self,
        now: Time,
        ids: &mut Ids,
        agent: &mut Agent,
        (request, server): (&Request, ServerId),
        longest: u32,
        out: &mut Outbox,
    ) -> Result<(), Reply> {
        let gone = || Reply::new(481);
        let malformed = |malformed: Malformed| bad_request(malformed.place);
        let id = request.to_tag().and_then(|tag| self.dialogs.get(tag)).copied().ok_or_else(gone)?;
        let subscription = self.subscriptions.get_mut(&id).ok_or_else(gone)?;
        let dialog = &mut subscription.dialog;
        if !dialog.is_of(request) {
            return Err(gone());
        }
        let source = agent.source_of(server);
        if let Some(source) = source.filter(|source| !agent.is_other_end(dialog, source.address)) {
            return Err(agent.not_the_other_end(request, source.address));
        }
        if !dialog.in_order(request) {
            return Err(come_back(ids));
        }
        // Another event would be a second subscription in this dialog (RFC 6665 4.5.2).
        if request.event().map_err(malformed)?.as_ref() != Some(&subscription.event) {
            return Err(Reply::new(403));
        }
        let asked = request.number(Name::Expires).map_err(malformed)?.unwrap_or(subscription.granted);
        let expires = asked.min(longest);
        let contacts = request.contacts().map_err(malformed)?;
        dialog.refresh_target(contacts.first().map(|contact| contact.uri.as_str()));
        dialog.fact.source = source.or(dialog.fact.source);
        let event = if expires == 0 { On::Unsubscribe } else { On::Refresh };
        let mut call = Call { now, ids, agent, out };
        self.step(&mut call, id, event, Matter { server: Some(server), expires, ..Matter::default() });
        Ok(())
    }

    fn step(&mut self, call: &mut Call<'_>, id: SubscriptionRef, event: On, mut matter: Matter) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        let Some((state, actions)) = next(subscription.state, event) else { return };
        subscription.state = state;
        for action in actions {
            match action {
                Do::Send | Do::SendLast => {
                    let Some(mut notice) = matter.notice.take() else { continue };
                    if *action == Do::SendLast {
                        notice.ended.get_or_insert_with(|| "timeout".to_owned());
                    }
                    self.send_or_queue(call, id, notice);
                }
                Do::Grant => self.grant(call, id, &matter),
                Do::AnswerGone => {
                    if let Some(server) = matter.server {
                        call.agent.answer(call.now, call.ids, server, Reply::new(481), None, call.out);
                    }
                }
                Do::TellRefreshed => self.told.push(NotifierEvent::Refreshed { id, expires: matter.expires }),
                Do::TellExpired => self.told.push(NotifierEvent::Expired { id }),
                Do::TellDelivered => self.told.push(NotifierEvent::Delivered { id }),
                Do::TellGone => self.told.push(NotifierEvent::Gone { id }),
            }
        }
        if state == State::Over {
            self.remove(id);
        }
    }

    /// Answers a refresh and counts from here.
    fn grant(&mut self, call: &mut Call<'_>, id: SubscriptionRef, matter: &Matter) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        subscription.expires = call.now.plus(Duration::from_secs(matter.expires.into()));
        if let Some(timer) = subscription.timer.take() {
            self.wheel.cancel(timer);
        }
        if matter.expires > 0 {
            subscription.granted = matter.expires;
            subscription.timer = Some(self.wheel.schedule(subscription.expires, id));
        }
        if let Some(server) = matter.server {
            let reply = Reply::new(200)
                .header(Name::Expires, matter.expires.to_string())
                .header(Name::Contact, subscription.dialog.fact.local_contact.as_str());
            call.agent.answer(call.now, call.ids, server, reply, None, call.out);
        }
    }

    fn send_or_queue(&mut self, call: &mut Call<'_>, id: SubscriptionRef, notice: Notice) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        if subscription.open.is_some() {
            subscription.queued = Some(notice);
        } else {
            self.send(call, id, notice);
        }
    }

    fn send(&mut self, call: &mut Call<'_>, id: SubscriptionRef, notice: Notice) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        let mut draft = subscription.dialog.request(Method::Notify, None);
        let state = match notice.ended {
            Some(reason) => format!("terminated;reason={reason}"),
            None => {
                let rest = subscription.expires.since(call.now).as_millis().div_ceil(1000);
                format!("active;expires={rest}")
            }
        };
        draft.headers.push((Name::Event, subscription.event.to_string()));
        draft.headers.push((Name::SubscriptionState, state));
        draft.headers.extend(notice.headers);
        draft.body = notice.body;
        match call.agent.request_within(call.now, call.ids, &subscription.dialog, &draft, call.out) {
            Ok(client) => {
                subscription.open = Some(client);
                self.clients.insert(client, id);
            }
            Err(error) => {
                tracing::info!(%error, "NOTIFY cannot be sent");
                self.step(call, id, On::Lost, Matter::default());
            }
        }
    }
}

impl Subscription {
    fn new(state: State, dialog: Dialog, event: Event, granted: u32, expires: Time) -> Self {
        Self { state, dialog, event, granted, expires, timer: None, open: None, queued: None }
    }
}

/// What every step may need of the outside.
struct Call<'a> {
    now: Time,
    ids: &'a mut Ids,
    agent: &'a mut Agent,
    out: &'a mut Outbox,
}

/// What comes with an event.
#[derive(Debug, Default)]
struct Matter {
    notice: Option<Notice>,
    server: Option<ServerId>,
    expires: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_the_arrows_of_the_figure() {
        let states = [State::Active, State::Ending, State::Closing, State::Over];
        let events =
            [On::Notify, On::NotifyLast, On::Refresh, On::Unsubscribe, On::Expire, On::Answered, On::Lost];
        crate::sip::figure::check("notifier", &states, &events, next);
    }
}
