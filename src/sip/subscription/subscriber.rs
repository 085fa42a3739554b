//! The subscriber: subscribes, refreshes, takes NOTIFY, notices silence (RFC 6665 4.1, figure 1 with the end drawn out).
//!
//! ```text
//!  subscribe: SUBSCRIBE, start N
//!     |
//! +---v-----+ NOTIFY: stop N, tell  +--------+  time to refresh: SUBSCRIBE
//! | Waiting |---------------------->| Active |  NOTIFY: tell
//! +---------+                       +--------+
//!   |     | give up                   |    | give up: SUBSCRIBE 0, start N
//!   |     v                           |    v
//!   | +----------+ dialog known:      |  +---------+
//!   | | Quitting |--------------------|->| Leaving |  NOTIFY: nothing
//!   | +----------+ SUBSCRIBE 0,       |  +---------+
//!   |     |        start N            |    |
//!   |     | refused, N                |    | NOTIFY terminated, refused, N
//!   |     +-------------> Over <------|----+  tell Ended
//!   | refused, N,                     | NOTIFY terminated, refused for good, expired:
//!   | NOTIFY terminated: tell Ended   | tell Ended
//!   +-------------------> Over <------+
//! ```
//!
//! The figure tells `pending` from `active`; for us the difference is only in what the user is told.

use super::ends_subscription;
use crate::env::wheel::{TimerId, Wheel};
use crate::env::{Ids, Time};
use crate::model::DialogFact;
use crate::sip::dialog::{Agent, Dialog, bad_request, come_back};
use crate::sip::message::values::{Event, SubscriptionState, Warning};
use crate::sip::message::{Draft, Malformed, Method, Reply, Request, Response};
use crate::sip::transaction::{ClientId, Due, NoHop, Outbox, Path, ServerId};
use crate::sip::wire::Name;
use std::collections::BTreeMap;
use std::time::Duration;

/// A refresh leaves this long before the subscription ends, or at half of a short one.
const REFRESH_BEFORE: Duration = Duration::from_secs(60);

/// A refresh goes at the latest so long after the last news of a subscription, however long it was granted: a notifier that
/// could not reach us has forgotten it, and only the answer to a refresh says so.
const LONGEST_SILENCE: Duration = Duration::from_secs(3600);

/// A subscription of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriberId(pub u64);

/// All subscriptions of this node at others.
#[derive(Debug, Default)]
pub struct Subscriber {
    subscriptions: BTreeMap<SubscriberId, Subscription>,
    /// By Call-ID and our tag; both are ours.
    dialogs: BTreeMap<(String, String), SubscriberId>,
    /// SUBSCRIBEs that are not answered.
    clients: BTreeMap<ClientId, SubscriberId>,
    wheel: Wheel<SubscriberId>,
    told: Vec<SubscriberEvent>,
    last: u64,
}

/// What the subscriber tells its user.
#[derive(Debug)]
pub enum SubscriberEvent {
    /// A NOTIFY came; it is answered 200. With state `terminated` `Ended` follows.
    Notified {
        /// The subscription.
        id: SubscriberId,
        /// What it says about the subscription.
        state: SubscriptionState,
        /// The NOTIFY, for its body.
        request: Request,
    },
    /// The subscription is over.
    Ended {
        /// The subscription.
        id: SubscriberId,
        /// How.
        end: End,
    },
}

/// How a subscription of ours ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// SUBSCRIBE was refused, timed out (408) or could not be sent (503).
    Refused {
        /// The status.
        status: u16,
        /// `Retry-After`, seconds.
        retry_after: Option<u32>,
        /// `Min-Expires` (423), seconds.
        min_expires: Option<u32>,
        /// `Warning` values, in order.
        warnings: Vec<Warning>,
    },
    /// The notifier ended it (RFC 6665 4.1.3 says what each reason means for another try: `deactivated` and `timeout`
    /// at once, `probation` and `giveup` after `retry_after`, `rejected`, `noresource` and `invariant` never).
    Terminated {
        /// `reason`.
        reason: Option<String>,
        /// `retry-after`, seconds.
        retry_after: Option<u32>,
    },
    /// No NOTIFY within timer N (64*T1), or the subscription ran out before a refresh came through.
    Silent,
    /// We gave it up.
    GivenUp,
}

#[derive(Debug)]
struct Subscription {
    state: State,
    /// The first SUBSCRIBE; later ones repeat what it says beyond the dialog.
    draft: Draft,
    event: Event,
    /// Seconds we ask for.
    wanted: u32,
    dialog: Option<Dialog>,
    /// The SUBSCRIBE that is not answered yet.
    open: Option<ClientId>,
    /// Timer N.
    silence: Option<Time>,
    refresh: Option<Time>,
    expires: Option<Time>,
    timer: Option<(TimerId, Time)>,
}

/// Where a subscription stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No NOTIFY came yet.
    Waiting,
    /// Given up before the notifier's tag is known.
    Quitting,
    /// NOTIFY came, `active` or `pending`.
    Active,
    /// Given up; the last NOTIFY is awaited.
    Leaving,
    /// Forgotten.
    Over,
}

/// What happens to a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum On {
    /// The dialog is known: a 2xx or a NOTIFY came.
    Known,
    Notified,
    NotifiedEnd,
    /// The answer to SUBSCRIBE ends it.
    Refused,
    /// Timer N.
    Silence,
    RefreshDue,
    Expired,
    GiveUp,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Do {
    StopSilence,
    StartSilence,
    Subscribe,
    Unsubscribe,
    TellNotified,
    TellEnded,
}

/// Where the figure goes from here. `None`: the figure has no such arrow, and nothing is to be done.
#[rustfmt::skip]
fn next(state: State, event: On) -> Option<(State, &'static [Do])> {
    use State as In;
    Some(match (state, event) {
        (In::Waiting,  On::Notified)    => (In::Active,   &[Do::StopSilence, Do::TellNotified]),
        (In::Waiting,  On::GiveUp)      => (In::Quitting, &[]),
        (In::Quitting, On::Known)       => (In::Leaving,  &[Do::Unsubscribe, Do::StartSilence]),
        (In::Active,   On::Notified)    => (In::Active,   &[Do::TellNotified]),
        (In::Active,   On::RefreshDue)  => (In::Active,   &[Do::Subscribe]),
        (In::Active,   On::GiveUp)      => (In::Leaving,  &[Do::Unsubscribe, Do::StartSilence]),
        (In::Leaving,  On::Notified)    => (In::Leaving,  &[]),
        (In::Waiting | In::Active, On::NotifiedEnd)
                                        => (In::Over,     &[Do::TellNotified, Do::TellEnded]),
        (In::Quitting | In::Leaving, On::NotifiedEnd)
                                        => (In::Over,     &[Do::TellEnded]),
        (In::Waiting | In::Quitting | In::Active | In::Leaving, On::Refused)
                                        => (In::Over,     &[Do::TellEnded]),
        (In::Waiting | In::Quitting | In::Leaving, On::Silence)
                                        => (In::Over,     &[Do::TellEnded]),
        (In::Active,   On::Expired)     => (In::Over,     &[Do::TellEnded]),
        _ => return None,
    })
}

impl Subscriber {
    /// Subscribes. `draft` is a SUBSCRIBE with From with tag, To, Call-ID, CSeq, Contact and Event; Expires is added.
    ///
    /// # Errors
    /// [`NoHop`] if there is no way to the target. A draft without these headers has no way either.
    #[allow(clippy::too_many_arguments, reason = "time and identifiers come in as values")]
    pub fn subscribe(
        &mut self,
        now: Time,
        ids: &mut Ids,
        agent: &mut Agent,
        mut draft: Draft,
        expires: u32,
        path: Option<Path>,
        out: &mut Outbox,
    ) -> Result<SubscriberId, NoHop> {
        let incomplete =
            |_: Malformed| NoHop { host: draft.uri.clone(), why: "the SUBSCRIBE is not complete" };
        let event =
            Event::parse(draft.get(Name::Event).unwrap_or_default().as_bytes()).map_err(incomplete)?;
        let key = key_of(&draft).map_err(incomplete)?;
        draft.headers.retain(|(name, _)| *name != Name::Expires);
        let mut sent = draft.clone();
        sent.headers.push((Name::Expires, expires.to_string()));
        let client = agent.request(now, ids, &sent, path, out)?;
        self.last += 1;
        let id = SubscriberId(self.last);
        let subscription = Subscription {
            state: State::Waiting,
            draft,
            event,
            wanted: expires,
            dialog: None,
            open: Some(client),
            silence: Some(now.plus(patience(agent))),
            refresh: None,
            expires: None,
            timer: None,
        };
        self.clients.insert(client, id);
        self.dialogs.insert(key, id);
        self.subscriptions.insert(id, subscription);
        self.rewind(id);
        Ok(id)
    }

    /// Gives a subscription up; `Ended` follows.
    pub fn give_up(
        &mut self,
        now: Time,
        ids: &mut Ids,
        agent: &mut Agent,
        id: SubscriberId,
        out: &mut Outbox,
    ) {
        let mut call = Call { now, ids, agent, out };
        self.step(&mut call, id, On::GiveUp, Matter::default());
        if self.subscriptions.get(&id).is_some_and(|subscription| subscription.dialog.is_some()) {
            self.step(&mut call, id, On::Known, Matter::default());
        }
    }

    /// The subscription that a NOTIFY is for by its Call-ID and To tag, for whoever reads its body before it is answered.
    pub fn subscription_of(&self, request: &Request) -> Option<SubscriberId> {
        let tag = request.to_tag()?.to_owned();
        self.dialogs.get(&(request.call_id().to_owned(), tag)).copied()
    }

    /// Takes a NOTIFY: finds its subscription and answers 200, else answers 481. `bad_body`: the answer in place of 200; what
    /// the NOTIFY says of the subscription counts all the same.
    #[allow(clippy::too_many_arguments, reason = "time and identifiers come in as values")]
    pub fn notified(
        &mut self,
        now: Time,
        ids: &mut Ids,
        agent: &mut Agent,
        request: Request,
        server: ServerId,
        bad_body: Option<Reply>,
        out: &mut Outbox,
        events: &mut Vec<SubscriberEvent>,
    ) {
        match self.accept(now, ids, agent, &request, server) {
            Ok((id, state)) => {
                agent.answer(now, ids, server, bad_body.unwrap_or(Reply::new(200)), None, out);
                let mut call = Call { now, ids, agent, out };
                self.step(&mut call, id, On::Known, Matter::default());
                let ended = state.state == "terminated";
                self.count_down(now, id, state.expires);
                let end = End::Terminated { reason: state.reason.clone(), retry_after: state.retry_after };
                let matter = Matter { notified: Some((state, request)), end: Some(end) };
                self.step(&mut call, id, if ended { On::NotifiedEnd } else { On::Notified }, matter);
            }
            Err(refusal) => agent.answer(now, ids, server, refusal, None, out),
        }
        events.append(&mut self.told);
    }

    /// Offers the answer to a request of ours; true if it was one of our SUBSCRIBEs.
    #[allow(clippy::too_many_arguments, reason = "time and identifiers come in as values")]
    pub fn answered(
        &mut self,
        now: Time,
        ids: &mut Ids,
        agent: &mut Agent,
        client: ClientId,
        status: u16,
        response: Option<&Response>,
        out: &mut Outbox,
        events: &mut Vec<SubscriberEvent>,
    ) -> bool {
        let Some(id) = self.clients.remove(&client) else { return false };
        let mut call = Call { now, ids, agent, out };
        if let Some(subscription) = self.subscriptions.get_mut(&id) {
            subscription.open = None;
            match (status, response) {
                (200..=299, Some(response)) => self.accepted(&mut call, id, response),
                // RFC 6665 4.1.2.2: another refusal of a refresh leaves the subscription as it is.
                _ if subscription.state == State::Active && !ends_subscription(status) => {}
                _ => {
                    let number = |name| response.and_then(|response| response.number(name).ok().flatten());
                    let end = End::Refused {
                        status,
                        retry_after: number(Name::RetryAfter),
                        min_expires: number(Name::MinExpires),
                        warnings: response.map(warnings).unwrap_or_default(),
                    };
                    self.step(&mut call, id, On::Refused, Matter { end: Some(end), ..Matter::default() });
                }
            }
        }
        events.append(&mut self.told);
        true
    }

    /// What to store about a subscription: the dialog, and when it ends. `None` before its first NOTIFY.
    pub fn stored(&self, id: SubscriberId) -> Option<(DialogFact, Time)> {
        let subscription = self.subscriptions.get(&id)?;
        Some((subscription.dialog.as_ref()?.fact.clone(), subscription.expires?))
    }

    /// Takes a stored subscription back after a restart, CSeq moved on as for sessions. `draft` is a SUBSCRIBE as for
    /// [`Self::subscribe`], of which Event and the headers beyond the dialog count.
    ///
    /// # Errors
    /// [`Malformed`] if Event cannot be read.
    pub fn restore(
        &mut self,
        draft: Draft,
        wanted: u32,
        dialog: &DialogFact,
        expires: Time,
    ) -> Result<SubscriberId, Malformed> {
        let event = Event::parse(draft.get(Name::Event).unwrap_or_default().as_bytes())?;
        let mut dialog = Dialog { fact: dialog.clone() };
        dialog.move_cseq_on();
        self.last += 1;
        let id = SubscriberId(self.last);
        self.dialogs.insert((dialog.fact.call_id.clone(), dialog.fact.local_tag.clone()), id);
        let subscription = Subscription {
            state: State::Active,
            draft,
            event,
            wanted,
            dialog: Some(dialog),
            open: None,
            silence: None,
            refresh: Some(minus(expires, REFRESH_BEFORE)),
            expires: Some(expires),
            timer: None,
        };
        self.subscriptions.insert(id, subscription);
        self.rewind(id);
        Ok(id)
    }

    /// Lets timers that are due fire.
    pub fn fire(
        &mut self,
        now: Time,
        ids: &mut Ids,
        agent: &mut Agent,
        out: &mut Outbox,
        events: &mut Vec<SubscriberEvent>,
    ) {
        let mut due = Vec::new();
        self.wheel.expire(now, &mut due);
        let mut call = Call { now, ids, agent, out };
        for id in due {
            let Some(subscription) = self.subscriptions.get_mut(&id) else { continue };
            subscription.timer = None;
            let is_due = |moment: Option<Time>| moment.is_some_and(|at| at <= now);
            if is_due(subscription.silence) {
                subscription.silence = None;
                self.step(&mut call, id, On::Silence, Matter::default());
            } else if is_due(subscription.expires) {
                subscription.expires = None;
                self.step(&mut call, id, On::Expired, Matter::default());
            } else if is_due(subscription.refresh) {
                subscription.refresh = None;
                self.step(&mut call, id, On::RefreshDue, Matter::default());
            }
            self.rewind(id);
        }
        events.append(&mut self.told);
    }

    /// When [`Self::fire`] has something to do, at the earliest: at once if there is something to tell.
    pub fn due(&self) -> Due {
        if self.told.is_empty() { self.wheel.due() } else { Some(Time::from_millis(0)) }
    }

    /// Checks a NOTIFY and takes it into its dialog; the first one makes it (RFC 6665 4.4.1).
    fn accept(
        &mut self,
        now: Time,
        ids: &mut Ids,
        agent: &Agent,
        request: &Request,
        server: ServerId,
    ) -> Result<(SubscriberId, SubscriptionState), Reply> {
        let _ = now;
        let gone = || Reply::new(481);
        let malformed = |malformed: Malformed| bad_request(malformed.place);
        let tag = request.to_tag().unwrap_or_default().to_owned();
        let id = self.dialogs.get(&(request.call_id().to_owned(), tag.clone())).copied().ok_or_else(gone)?;
        let subscription = self.subscriptions.get_mut(&id).ok_or_else(gone)?;
        if request.event().map_err(malformed)?.as_ref() != Some(&subscription.event) {
            return Err(gone());
        }
        let state = request.subscription_state().map_err(malformed)?;
        let state = state.ok_or_else(|| bad_request("Subscription-State missing"))?;
        let source = agent.source_of(server);
        let foreign = source.filter(|source| match &subscription.dialog {
            Some(dialog) => !agent.is_other_end(dialog, source.address),
            None => !agent.is_asked(&subscription.draft, source.address),
        });
        if let Some(source) = foreign {
            return Err(agent.not_the_other_end(request, source.address));
        }
        match &mut subscription.dialog {
            // A fork of ours that is not the first: we want one subscription only (RFC 6665 4.1.2.4).
            Some(dialog) if !dialog.is_of(request) => return Err(gone()),
            Some(dialog) => {
                if !dialog.in_order(request) {
                    return Err(come_back(ids));
                }
                let contacts = request.contacts().map_err(malformed)?;
                dialog.refresh_target(contacts.first().map(|contact| contact.uri.as_str()));
                dialog.fact.source = source.or(dialog.fact.source);
            }
            None => {
                let contact = subscription.draft.get(Name::Contact).unwrap_or_default();
                let mut dialog = Dialog::of_request(request, &tag, contact).map_err(malformed)?;
                dialog.fact.local_cseq = cseq_of(&subscription.draft);
                dialog.fact.source = source;
                subscription.dialog = Some(dialog);
            }
        }
        Ok((id, state))
    }

    /// SUBSCRIBE was accepted.
    fn accepted(&mut self, call: &mut Call<'_>, id: SubscriberId, response: &Response) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        let contact = subscription.draft.get(Name::Contact).unwrap_or_default();
        match &mut subscription.dialog {
            None => subscription.dialog = Dialog::of_response(&subscription.draft, response, contact).ok(),
            Some(dialog) => {
                if response.to_tag() == Some(dialog.fact.remote_tag.as_str()) {
                    let contacts = response.contacts().unwrap_or_default();
                    dialog.refresh_target(contacts.first().map(|contact| contact.uri.as_str()));
                }
            }
        }
        let granted = response.number(Name::Expires).ok().flatten().unwrap_or(subscription.wanted);
        if matches!(subscription.state, State::Waiting | State::Active) {
            self.count_down(call.now, id, Some(granted));
        }
        self.step(call, id, On::Known, Matter::default());
    }

    /// The subscription ends in so many seconds from now, unless it is refreshed.
    fn count_down(&mut self, now: Time, id: SubscriberId, seconds: Option<u32>) {
        let (Some(seconds), Some(subscription)) = (seconds, self.subscriptions.get_mut(&id)) else { return };
        let span = Duration::from_secs(seconds.into());
        let expires = now.plus(span);
        subscription.expires = Some(expires);
        let refresh = minus(expires, REFRESH_BEFORE.min(span / 2));
        subscription.refresh = Some(refresh.min(now.plus(LONGEST_SILENCE)));
        self.rewind(id);
    }

    fn step(&mut self, call: &mut Call<'_>, id: SubscriberId, event: On, mut matter: Matter) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        let given_up = matches!(subscription.state, State::Quitting | State::Leaving);
        let Some((state, actions)) = next(subscription.state, event) else { return };
        subscription.state = state;
        for action in actions {
            let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
            match action {
                Do::StopSilence => subscription.silence = None,
                Do::StartSilence => subscription.silence = Some(call.now.plus(patience(call.agent))),
                Do::Subscribe => self.send(call, id, None),
                Do::Unsubscribe => {
                    subscription.refresh = None;
                    subscription.expires = None;
                    self.send(call, id, Some(0));
                }
                Do::TellNotified => self.told.extend(
                    matter.notified.take().map(|(state, request)| SubscriberEvent::Notified {
                        id,
                        state,
                        request,
                    }),
                ),
                Do::TellEnded => {
                    let end = matter.end.take().filter(|_| !given_up);
                    let silent = if given_up { End::GivenUp } else { End::Silent };
                    self.told.push(SubscriberEvent::Ended { id, end: end.unwrap_or(silent) });
                }
            }
        }
        if state == State::Over {
            self.remove(id);
        } else {
            self.rewind(id);
        }
    }

    /// Sends a SUBSCRIBE inside the dialog.
    fn send(&mut self, call: &mut Call<'_>, id: SubscriberId, expires: Option<u32>) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        let Some(dialog) = &mut subscription.dialog else { return };
        let mut draft = dialog.request(Method::Subscribe, None);
        let repeated = subscription.draft.headers.iter().filter(|(name, _)| !is_of_dialog(*name)).cloned();
        draft.headers.extend(repeated);
        draft.headers.push((Name::Expires, expires.unwrap_or(subscription.wanted).to_string()));
        if expires.is_none() {
            draft.body = subscription.draft.body.clone();
        }
        match call.agent.request_within(call.now, call.ids, dialog, &draft, call.out) {
            Ok(client) => {
                if let Some(old) = subscription.open.replace(client) {
                    self.clients.remove(&old);
                }
                self.clients.insert(client, id);
            }
            Err(error) => tracing::info!(%error, "SUBSCRIBE cannot be sent"),
        }
    }

    fn remove(&mut self, id: SubscriberId) {
        let Some(subscription) = self.subscriptions.remove(&id) else { return };
        if let Some((timer, _)) = subscription.timer {
            self.wheel.cancel(timer);
        }
        if let Some(client) = subscription.open {
            self.clients.remove(&client);
        }
        let key = match &subscription.dialog {
            Some(dialog) => Ok((dialog.fact.call_id.clone(), dialog.fact.local_tag.clone())),
            None => key_of(&subscription.draft),
        };
        if let Ok(key) = key {
            self.dialogs.remove(&key);
        }
    }

    /// Sets the alarm of a subscription to what is due first.
    fn rewind(&mut self, id: SubscriberId) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        let due =
            [subscription.silence, subscription.refresh, subscription.expires].into_iter().flatten().min();
        if subscription.timer.map(|(_, at)| at) == due {
            return;
        }
        if let Some((timer, _)) = subscription.timer.take() {
            self.wheel.cancel(timer);
        }
        subscription.timer = due.map(|at| (self.wheel.schedule(at, id), at));
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
    notified: Option<(SubscriptionState, Request)>,
    end: Option<End>,
}

/// Timer N (RFC 6665 4.1.2.4).
fn patience(agent: &Agent) -> Duration {
    agent.settings().transactions.timers.t1 * 64
}

fn minus(moment: Time, span: Duration) -> Time {
    Time::from_millis(moment.as_millis().saturating_sub(span.as_millis() as u64))
}

/// The `Warning` values of a response; a line that breaks the grammar says nothing.
fn warnings(response: &Response) -> Vec<Warning> {
    let lines = response.wire().headers(Name::Warning);
    lines.flat_map(|line| Warning::parse_list(&line).unwrap_or_default()).collect()
}

/// Headers that [`Dialog::request`] writes.
fn is_of_dialog(name: Name) -> bool {
    matches!(
        name,
        Name::From | Name::To | Name::CallId | Name::CSeq | Name::Contact | Name::Route | Name::MaxForwards
    )
}

/// Call-ID and our tag of a request of ours.
fn key_of(draft: &Draft) -> Result<(String, String), Malformed> {
    let from = crate::sip::message::NameAddr::parse(draft.get(Name::From).unwrap_or_default().as_bytes())?;
    let tag = from.param("tag").ok_or(Malformed { place: "From tag missing" })?;
    Ok((draft.get(Name::CallId).unwrap_or_default().to_owned(), tag.to_owned()))
}

fn cseq_of(draft: &Draft) -> u32 {
    let cseq = draft.get(Name::CSeq).unwrap_or_default();
    cseq.split_ascii_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_the_arrows_of_the_figure() {
        let states = [State::Waiting, State::Quitting, State::Active, State::Leaving, State::Over];
        let events = [
            On::Known,
            On::Notified,
            On::NotifiedEnd,
            On::Refused,
            On::Silence,
            On::RefreshDue,
            On::Expired,
            On::GiveUp,
        ];
        crate::sip::figure::check("subscriber", &states, &events, next);
    }
}
