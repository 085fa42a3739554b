//! The notifier: accepts subscriptions, sends NOTIFY in order, ends them.

use crate::env::{Ids, Time};
use crate::model::{DialogFact, SubscriptionRef};
use crate::sip::dialog::Agent;
use crate::sip::message::{OutBody, Reply, Request};
use crate::sip::transaction::{ClientId, Due, Outbox, ServerId};
use crate::sip::wire::Name;

/// All subscriptions this node notifies.
#[derive(Debug, Default)]
pub struct Notifier {}

/// What the notifier tells its user.
#[derive(Debug)]
pub enum NotifierEvent {
    /// A refresh (`expires` > 0, already answered 200) or an un-subscribe (`expires` 0, answered 200, over after the
    /// last NOTIFY that the user sends). The user answers with [`Notifier::notify`]: every (re)SUBSCRIBE is followed by a NOTIFY with the full state.
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
    /// The last queued NOTIFY was answered with 2xx: nothing is owed any more. `dialog` is what to store.
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

impl Notifier {
    /// Accepts a new subscription: 200 with `expires` and `contact`, and remembers the dialog. The user sends the first NOTIFY
    /// right after. Returns what to store.
    #[allow(clippy::too_many_arguments)]
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
        let _ = (now, ids, agent, request, id, expires, contact, out);
        unimplemented!()
    }

    /// Takes a SUBSCRIBE with a To tag: finds its dialog, else answers 481.
    #[allow(clippy::too_many_arguments)]
    pub fn in_dialog(
        &mut self,
        now: Time,
        ids: &mut Ids,
        agent: &mut Agent,
        request: &Request,
        server: ServerId,
        out: &mut Outbox,
        events: &mut Vec<NotifierEvent>,
    ) {
        let _ = (now, ids, agent, request, server, out, events);
        unimplemented!()
    }

    /// Sends (or queues behind the one that is not answered yet, replacing a queued one: the state is always full) a
    /// NOTIFY. `ended`: the reason of `terminated`; `None`: `active;expires=<rest>`.
    #[allow(clippy::too_many_arguments)]
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
        let _ = (now, ids, agent, id, headers, body, ended, out);
        unimplemented!()
    }

    /// Offers the answer to a request of ours; true if it was one of our NOTIFYs.
    #[allow(clippy::too_many_arguments)]
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
        let _ = (now, ids, agent, client, status, out, events);
        unimplemented!()
    }

    /// What to store about a subscription's dialog.
    pub fn stored(&self, id: SubscriptionRef) -> Option<DialogFact> {
        let _ = id;
        unimplemented!()
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
        let _ = (id, event, event_id, dialog, expires);
        unimplemented!()
    }

    /// Lets expiry fire.
    pub fn fire(&mut self, now: Time, events: &mut Vec<NotifierEvent>) {
        let _ = (now, events);
        unimplemented!()
    }

    /// When [`Self::fire`] has something to do, at the earliest.
    pub fn due(&self) -> Due {
        unimplemented!()
    }
}
