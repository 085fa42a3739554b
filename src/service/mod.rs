//! From message to procedure and back. One value, [`Service`], composes the SIP core, the model and the procedures;
//! the node above it only counts commits.
//!
//! | file | what it does |
//! |---|---|
//! | `router` | which part a request is for, by its method |
//! | `registering`, `messages`, `publishing` | REGISTER, MESSAGE, PUBLISH: which procedure they are for |
//! | `trust` | who sent it, and what that sender may do |
//! | `read` | SIP to words |
//! | `render` | words to SIP |
//! | `legs` | what is behind a leg: a SIP session, several at once, or another function in this process |
//! | `reach` | where a user is |
//! | `overload` | what is refused first |
//! | `owed` | requests that must arrive, also after a restart |
//! | `passing_on` | requests that go on to clients or to functions elsewhere while their sender waits |
//! | `requests` | requests to functions elsewhere |
//! | `gateway` | what passes between this system and its partners, and to whom it goes |
//! | `between` | what group management servers say to each other |
//! | `owning` | what functions elsewhere say about groups that are owned here |
//! | `watch` | who watches us, and the notifications |
//! | `subscribing` | what we watch elsewhere |
//! | `conference` | rosters of calls, here and elsewhere |
//! | `watching_elsewhere` | affiliations of users elsewhere, for watchers here |
//! | `group_documents` | group documents, to and from another process |
//! | `alarms` | timers of procedures and facts |
//! | `holds` | what is held, counted |
//! | `restart` | from the facts on disk back to a running service |

/// A [`crate::procedure::View`] of the service's own parts, leaving the others free to be borrowed.
macro_rules! view {
    ($service:expr, $now:expr) => {
        crate::procedure::View {
            model: &$service.model,
            policy: &$service.setup.policy,
            now: $now,
            ids: &mut $service.ids,
            media: &mut $service.media,
        }
    };
}

mod alarms;
mod between;
mod conference;
mod digest;
mod gateway;
mod group_documents;
mod holds;
mod legs;
mod messages;
mod overload;
mod owed;
mod owning;
mod passing_on;
mod publishing;
mod reach;
mod read;
mod registering;
#[cfg(test)]
mod regrouping;
mod render;
mod requests;
mod restart;
mod router;
mod subscribing;
#[cfg(test)]
mod tests;
mod trust;
mod watch;
mod watching_elsewhere;

pub use digest::Digest;
pub use holds::Holds;
pub use trust::{Peer, Peers};

use crate::config::Limits;
use crate::env::{Ids, Time};
use crate::mc::calls::Open;
use crate::model::{
    Change, Fact, GroupDocument, GroupId, LegId, Model, OwedRef, Psi, PublicId, Service as McService, UserId,
};
use crate::procedure::{Answer, MediaPorts, Outcome, Over, Policy, ReplyTo, Send};
use crate::sip::dialog::{Agent, AgentEvent, AgentSettings, SessionId};
use crate::sip::subscription::{Notifier, NotifierEvent, Subscriber, SubscriberEvent};
use crate::sip::transaction::{Beyond, ClientId, Flow, Outbox, ServerId};
use crate::sip::wire;
use alarms::Alarm;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// What the service is set up with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Policy of the procedures.
    pub policy: Policy,
    /// For the SIP core.
    pub agent: AgentSettings,
    /// Configured peers.
    pub peers: Peers,
    /// Clients may REGISTER here.
    pub registrar: bool,
    /// Digest challenges.
    pub digest: Digest,
    /// With a core: where requests to users go, as `Route` values.
    pub core: Vec<String>,
    /// Ports of the media function, first and last.
    pub media_ports: (u16, u16),
    /// Limits.
    pub limits: Limits,
    /// Identity of a function that the configuration gives no PSI.
    pub fallback_psi: Psi,
}

/// The SIP core, the model and the procedures in wait.
#[derive(Debug)]
pub struct Service {
    setup: Setup,
    ids: Ids,
    agent: Agent,
    notifier: Notifier,
    subscriber: Subscriber,
    model: Model,
    media: MediaPorts,
    open: Open,
    legs: legs::Legs,
    replies: HashMap<ReplyTo, ReplyContext>,
    owed_open: BTreeMap<OwedRef, owed::Delivery>,
    owed_by_client: HashMap<ClientId, OwedRef>,
    requests: requests::Requests,
    passing: passing_on::Passing,
    watches: subscribing::Watches,
    rosters: conference::Rosters,
    offers: HashMap<ClientId, LegId>,
    alarms: alarms::Alarms,
    /// Call-ID of the request that is being handled, for the log.
    cause: Option<String>,
    /// New work is refused because the disk cannot follow; how much was.
    shed: u64,
    agent_events: Vec<AgentEvent>,
    notifier_events: Vec<NotifierEvent>,
    subscriber_events: Vec<SubscriberEvent>,
    work: VecDeque<Work>,
    /// Groups that changed while this input was handled, and documents of groups: their watchers are told once.
    concerned: BTreeSet<(GroupId, McService)>,
    documents_concerned: BTreeSet<GroupId>,
    /// Users whose clients' affiliation to a group changed: a GMS elsewhere is told once.
    status_due: BTreeSet<(UserId, McService, GroupId)>,
    awaiting: group_documents::Awaiting,
    out: Outbox,
    changes: Vec<Change>,
    stopping: bool,
    /// Header values of every answer to OPTIONS.
    allow: String,
    supported: String,
    allow_events: String,
}

/// Something to do before the input counts as handled.
#[derive(Debug)]
enum Work {
    /// From the SIP core.
    Agent(AgentEvent),
    /// From the notifier.
    Notifier(NotifierEvent),
    /// From the subscriber.
    Subscriber(SubscriberEvent),
    /// Requests to a function elsewhere about one subject: the first was withdrawn.
    Advance(requests::LineKey),
    /// A subscription to affiliations of a user elsewhere is over.
    Unwatched(crate::model::Watching),
    /// A session of a user of ours in a call elsewhere is over.
    SessionGone(crate::model::ParticipationRef),
    /// A leg hears something.
    Hear(LegId, crate::procedure::LegEvent),
    /// One function in this process asks another for a session.
    Incoming(legs::Handover),
}

/// What is needed to render the answer to a request.
#[derive(Clone, Debug)]
struct ReplyContext {
    server: ServerId,
    kind: ReplyKind,
}

/// Answers that carry more than a procedure says.
#[derive(Clone, Debug)]
enum ReplyKind {
    Plain,
    /// REGISTER: 200 lists the contacts.
    Register(PublicId),
}

impl Service {
    /// A service that knows the provisioned model and no fact.
    pub fn new(setup: Setup, model: Model, ids: Ids) -> Self {
        let (first, last) = setup.media_ports;
        Self {
            agent: Agent::new(setup.agent.clone()),
            media: MediaPorts::new(first, last),
            allow: setup.agent.allowed.iter().map(|method| method.text()).collect::<Vec<_>>().join(", "),
            supported: setup.agent.options.join(", "),
            allow_events: setup.agent.events.join(", "),
            setup,
            ids,
            notifier: Notifier::default(),
            subscriber: Subscriber::default(),
            model,
            open: Open::default(),
            legs: legs::Legs::default(),
            replies: HashMap::new(),
            owed_open: BTreeMap::new(),
            owed_by_client: HashMap::new(),
            requests: requests::Requests::default(),
            passing: passing_on::Passing::default(),
            watches: subscribing::Watches::default(),
            rosters: conference::Rosters::default(),
            offers: HashMap::new(),
            alarms: alarms::Alarms::default(),
            cause: None,
            shed: 0,
            agent_events: Vec::new(),
            notifier_events: Vec::new(),
            subscriber_events: Vec::new(),
            work: VecDeque::new(),
            concerned: BTreeSet::new(),
            documents_concerned: BTreeSet::new(),
            status_due: BTreeSet::new(),
            awaiting: group_documents::Awaiting::new(),
            out: Outbox::new(),
            changes: Vec::new(),
            stopping: false,
        }
    }

    /// What the service knows.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The limits in force.
    pub fn limits(&self) -> &Limits {
        &self.setup.limits
    }

    /// Takes one scanned message and does everything that follows from it.
    pub fn receive(&mut self, now: Time, flow: Flow, message: Result<wire::Message, wire::Rejected>) {
        if let Err(rejected) = &message {
            let (place, answered) = match rejected {
                wire::Rejected::Answerable { place, .. } => (place, true),
                wire::Rejected::Silent { place } => (place, false),
            };
            tracing::warn!(peer = %flow.peer, answered, "message refused: {place}");
        }
        self.take(now, flow, message);
    }

    fn take(&mut self, now: Time, flow: Flow, message: Result<wire::Message, wire::Rejected>) {
        let (agent, ids) = (&mut self.agent, &mut self.ids);
        agent.receive(now, ids, flow, message, &mut self.out, &mut self.agent_events);
        self.run(now);
    }

    /// The runtime could not send what carried this ticket.
    pub fn unreachable(&mut self, now: Time, ticket: ClientId) {
        self.agent.unreachable(now, &mut self.ids, ticket, &mut self.out, &mut self.agent_events);
        self.run(now);
    }

    /// Lets timers that are due fire.
    pub fn tick(&mut self, now: Time) {
        if self.agent.due().is_some_and(|due| due <= now) {
            self.agent.fire(now, &mut self.ids, &mut self.out, &mut self.agent_events);
            self.run(now);
        }
        if self.notifier.due().is_some_and(|due| due <= now) {
            self.notifier.fire(now, &mut self.notifier_events);
            self.run(now);
        }
        if self.subscriber.due().is_some_and(|due| due <= now) {
            let (agent, ids) = (&mut self.agent, &mut self.ids);
            self.subscriber.fire(now, ids, agent, &mut self.out, &mut self.subscriber_events);
            self.run(now);
        }
        self.fire_alarms(now);
    }

    /// When [`Self::tick`] has something to do, at the earliest.
    pub fn due(&self) -> Option<Time> {
        [self.agent.due(), self.notifier.due(), self.subscriber.due(), self.alarms.due()]
            .into_iter()
            .flatten()
            .min()
    }

    /// New initial requests are refused from now on; what is open goes on.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// Another policy, other peers and other groups, from the next request on. What comes from the sections of the server
    /// and its media function stays as it was at the start. What partners have of the groups is compared with them at the
    /// next tick (TS 23.280 10.2.7.2 step 1).
    pub fn reload(
        &mut self,
        policy: Policy,
        peers: Peers,
        beyond: Beyond,
        groups: impl IntoIterator<Item = GroupDocument>,
    ) {
        self.agent.set_beyond(beyond);
        for group in self.model.provision_groups(groups, &self.setup.policy.domain) {
            tracing::warn!(group = %group, "the group is part of a temporary group: it goes at the next reload after that");
        }
        self.documents_concerned.extend(self.model.watched_documents().cloned());
        self.set_alarm(Time::from_millis(0), Alarm::Reloaded);
        let old = &mut self.setup.policy;
        self.setup.policy = Policy {
            warning_agent: std::mem::take(&mut old.warning_agent),
            domain: std::mem::take(&mut old.domain),
            media_address: old.media_address,
            default_encodings: std::mem::take(&mut old.default_encodings),
            ..policy
        };
        self.setup.peers = peers;
    }

    /// Whether nobody waits for an answer of ours, and nobody is asked something: a stop need not wait.
    pub fn is_idle(&self) -> bool {
        self.replies.is_empty()
            && self.owed_open.is_empty()
            && self.requests.open() == 0
            && self.passing.open() == 0
    }

    /// Takes what is to be sent.
    pub fn take_out(&mut self) -> Outbox {
        std::mem::take(&mut self.out)
    }

    /// Takes what is to be kept.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Works until nothing is left to do, then lets `100 Trying` go.
    fn run(&mut self, now: Time) {
        loop {
            self.agent.tell(&mut self.agent_events);
            self.work.extend(self.agent_events.drain(..).map(Work::Agent));
            self.work.extend(self.notifier_events.drain(..).map(Work::Notifier));
            self.work.extend(self.subscriber_events.drain(..).map(Work::Subscriber));
            let Some(work) = self.work.pop_front() else {
                let due = std::mem::take(&mut self.status_due);
                if due.is_empty() && self.concerned.is_empty() && self.documents_concerned.is_empty() {
                    break;
                }
                for (user, service, group) in due {
                    let outcome =
                        crate::mc::status_update::update(&mut view!(self, now), &user, service, &group);
                    self.carry_out(now, outcome);
                }
                let documents = std::mem::take(&mut self.documents_concerned);
                self.notify_documents(now, &documents);
                for (group, service) in std::mem::take(&mut self.concerned) {
                    self.notify_group(now, &group, service);
                }
                continue;
            };
            match work {
                Work::Agent(event) => self.on_agent(now, event),
                Work::Notifier(event) => self.on_notifier(now, event),
                Work::Subscriber(event) => self.on_subscriber(now, event),
                Work::Advance(line) => self.advance(now, &line),
                Work::Unwatched(watching) => self.unwatched(now, &watching),
                Work::SessionGone(session) => self.session_gone(now, session),
                Work::Hear(leg, event) => self.hear(now, leg, event),
                Work::Incoming(handover) => self.hand_over(now, handover),
            }
        }
        self.cause = None;
        self.agent.settle(now, &mut self.out);
    }

    /// Makes the changes of an outcome and sends what it sends.
    fn carry_out(&mut self, now: Time, outcome: Outcome<Over>) {
        if let Some(line) = outcome.log {
            tracing::info!(call_id = self.cause, "{line}");
        }
        for change in outcome.changes {
            self.change(change);
        }
        for send in outcome.sends {
            self.send(now, send);
        }
    }

    /// Makes one change: in the model, in the alarms that follow from it, and in the batch for the disk.
    fn change(&mut self, change: Change) {
        if let Change::Remove(crate::model::FactKey::Participant(call, leg)) = &change
            && let Some(participant) = self.model.participant(*call, *leg)
        {
            tracing::debug!(call = %call, user = %participant.user, "participant left");
        }
        if let Change::Remove(crate::model::FactKey::Request(id)) = &change
            && let Some(line) = self.request_removed(*id)
        {
            self.work.push_back(Work::Advance(line));
        }
        self.concerned.extend(self.model.groups_concerned(&change));
        if let Change::Remove(crate::model::FactKey::Subscription(id)) = &change
            && let Some(watching) = self.model.subscription(*id).and_then(|one| self.user_elsewhere(one))
        {
            self.work.push_back(Work::Unwatched(watching));
        }
        if let Change::Remove(crate::model::FactKey::Participation(id)) = &change {
            self.session_goes(*id);
        }
        self.documents_concerned.extend(self.model.document_concerned(&change));
        self.model.apply(change.clone());
        match &change {
            Change::Put(fact) => self.set_alarms(fact),
            Change::Remove(key) => self.cancel_alarms(key),
        }
        self.changes.push(change);
    }

    fn put(&mut self, fact: Fact) {
        self.change(Change::Put(fact));
    }

    /// Sends one word of a procedure.
    fn send(&mut self, now: Time, send: Send) {
        match send {
            Send::Answer { to, answer } => self.answer(now, to, answer),
            Send::GroupChanged(change) => {
                let outcome = crate::mc::groups::changed(&view!(self, now), change);
                self.carry_out(now, outcome);
            }
            Send::GroupWanted(group) => {
                let outcome = crate::gms::configuration_request::wanted(&mut view!(self, now), &group);
                self.carry_out(now, outcome);
            }
            Send::Owed(owed) => self.deliver_owed(now, owed),
            Send::GroupKnown(group) => self.group_known(now, &group),
            Send::Request(request) => self.begin_request(now, request),
            Send::PassOn(pass) => self.pass_on(now, *pass),
            Send::Watch(watch) => self.begin_watch(now, watch),
            Send::Unwatch(watch) => self.end_watch(now, watch),
            Send::AffiliationStatus { user, service, p_id } => {
                self.notify_affiliations(now, &user, service, p_id.as_deref());
                if self.model.proposal_count() > 0 {
                    let outcome = crate::mc::proposal_end::settle(&mut view!(self, now), &user, service);
                    self.carry_out(now, outcome);
                }
            }
            Send::GroupAffiliation { group, user, service, p_id } => {
                self.notify_group_affiliation(now, (&group, &user), service, p_id.as_deref());
            }
            Send::AffiliationUpdate { user, service, groups } => {
                // A GMS in this process sees what the model knows; one elsewhere is told below.
                for (group, affiliated) in groups {
                    let what = if affiliated { "affiliated" } else { "no longer affiliated" };
                    tracing::info!(call_id = self.cause, user = %user, group = %group, ?service, "{what}");
                }
            }
            Send::Affiliated { user, service, group, .. } => {
                self.status_due.insert((user.clone(), service, group.clone()));
                let (view, open) = (&mut view!(self, now), &mut self.open);
                let outcome = crate::mc::calls::affiliated(view, open, &user, service, &group);
                self.carry_out(now, outcome);
            }
            Send::Deaffiliated { user, client, service, group } => {
                self.status_due.insert((user.clone(), service, group.clone()));
                let (view, open) = (&mut view!(self, now), &mut self.open);
                let outcome = crate::mc::calls::deaffiliated(view, open, &user, &client, service, &group);
                self.carry_out(now, outcome);
            }
            Send::Roster { call } => self.notify_roster(now, call, true),
            Send::RosterHeard { call } => self.notify_roster(now, call, false),
            Send::RosterEnds { call } => self.end_roster(now, call, None),
            Send::RosterEndsFor { call, leg } => self.end_roster(now, call, Some(leg)),
            Send::RosterHandedOver { to } => self.hand_roster_over(now, to),
            Send::Call(send) => self.send_call(now, send),
            Send::WakeAt { at, wake } => self.set_alarm(at, Alarm::Wake(wake)),
        }
    }

    /// Answers a request that a procedure has decided about.
    fn answer(&mut self, now: Time, to: ReplyTo, answer: Answer) {
        let Some(context) = self.replies.remove(&to) else {
            tracing::error!(reply = to.0, "a procedure answered a request twice");
            return;
        };
        let mut reply = self.render_answer(&answer);
        if let ReplyKind::Register(public_id) = &context.kind
            && answer.status == 200
        {
            for contact in self.contacts_for_answer(now, public_id) {
                reply = reply.header(wire::Name::Contact, contact);
            }
        }
        self.agent.answer(now, &mut self.ids, context.server, reply, None, &mut self.out);
    }

    fn on_agent(&mut self, now: Time, event: AgentEvent) {
        match event {
            AgentEvent::Request { id, flow, request } => match self.entered(now, flow, request) {
                Ok(request) => self.route(now, id, flow, &request),
                Err((request, unknown)) => self.refused(now, id, flow, &request, unknown),
            },
            AgentEvent::Invite { session, flow, request } => match self.entered(now, flow, request) {
                Ok(request) => self.invited(now, session, flow, &request),
                Err((request, unknown)) => {
                    let service = McService::Mcptt;
                    self.refused_invite(now, session, flow, &request, service, unknown);
                }
            },
            AgentEvent::Answered { id, status, response } => {
                self.request_answered(now, id, status, response.as_ref());
            }
            AgentEvent::Cancelled { session, .. }
            | AgentEvent::Progress { session, .. }
            | AgentEvent::Accepted { session, .. }
            | AgentEvent::Refused { session, .. }
            | AgentEvent::Confirmed { session, .. }
            | AgentEvent::Released { session, .. }
            | AgentEvent::InSession { session, .. }
            | AgentEvent::Moved { session }
            | AgentEvent::Lost { session, .. }
            | AgentEvent::GivenUp { session, .. }
            | AgentEvent::Ended { session } => self.on_session(now, session, event),
        }
    }

    /// The final answer to a request of ours outside the INVITE sessions' set-up.
    fn request_answered(
        &mut self,
        now: Time,
        id: ClientId,
        status: u16,
        response: Option<&crate::sip::message::Response>,
    ) {
        let (agent, ids) = (&mut self.agent, &mut self.ids);
        if self.notifier.answered(now, ids, agent, id, status, &mut self.out, &mut self.notifier_events) {
            return;
        }
        let (agent, ids, events) = (&mut self.agent, &mut self.ids, &mut self.subscriber_events);
        if self.subscriber.answered(now, ids, agent, id, status, response, &mut self.out, events)
            || self.function_answered(now, id, status, response)
            || self.pass_answered(now, id, status, response)
        {
            return;
        }
        if let Some(owed) = self.owed_by_client.remove(&id) {
            self.owed_answered(now, owed, id, status);
        } else if let Some(leg) = self.offers.remove(&id) {
            self.offer_answered(leg, status, response);
        }
    }

    /// The session that carries a leg, for tests and logs.
    pub fn session_of(&self, leg: LegId) -> Option<SessionId> {
        self.legs.session(leg)
    }
}
