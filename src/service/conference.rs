//! Rosters of calls (TS 24.379 10.1.3): who may subscribe, what the notifications say, and, where the controlling function
//! is elsewhere, our subscription there for the participants that we serve.
//!
//! ```text
//!  client              participating function           controlling function elsewhere
//!    |-- SUBSCRIBE -------->| the session is the client's own      |
//!    |                      |-- SUBSCRIBE, its session identity -->|
//!    |<-- the refusal ------|<-- refusal, or nothing: 504 ---------|  none of ours: the client is told as much
//!    |<-- 200, NOTIFY ------|<-- 200, NOTIFY ----------------------|  the same roster
//!    |<-- NOTIFY -----------|<-- NOTIFY ---------------------------|
//! ```
//!
//! The client is answered when the first NOTIFY is here, so that it hears the refusals of the controlling function itself,
//! and a roster with the 200. One subscription of ours stands for one session, however often its client subscribes.

use super::alarms::Alarm;
use super::passing_on::FUNCTION_PATIENCE;
use super::read::{Bodies, canonical, canonical_roster, unusable, warning};
use super::render::{info_body, requested, with_draft_body};
use super::requests::about;
use super::trust::{Sender, Unknown};
use super::{Service, Work};
use crate::documents::conference_info::{ConferenceInfo, Extent, RosterTold};
use crate::documents::{Body, McInfo, multipart, names};
use crate::env::Time;
use crate::mc::{conference, roster, status_elsewhere};
use crate::model::{
    Audience, CallRef, FunctionKind, GroupId, Leg, LegId, LegLink, LegOwner, ParticipationRef, Psi,
    Service as McService, Subscriber, Subscription, SubscriptionRef, Watch, WatchRef, Watched, Watching,
};
use crate::procedure::{Answer, Heard, Refusal};
use crate::sip::message::{Draft, OutBody, Request};
use crate::sip::subscription::End;
use crate::sip::transaction::{Flow, ServerId};
use crate::sip::wire::Name;
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};

/// Media types that our subscription to a roster takes.
const TAKEN: &str = "application/conference-info+xml, application/vnd.3gpp.mcptt-info+xml, \
    application/vnd.3gpp.mcvideo-info+xml, application/vnd.3gpp.mcdata-info+xml, multipart/mixed";

/// A SUBSCRIBE that is not answered yet.
type Waiting = (ServerId, Flow, Request);

/// Rosters of calls whose controlling function is elsewhere.
#[derive(Debug, Default)]
pub(super) struct Rosters {
    /// What was heard last.
    heard: HashMap<WatchRef, ConferenceInfo>,
    /// Clients that wait for the first of it, by their session in the call.
    waiting: BTreeMap<ParticipationRef, Vec<Waiting>>,
}

impl Rosters {
    /// Clients that wait for an answer.
    pub fn waiting(&self) -> usize {
        self.waiting.values().map(Vec::len).sum()
    }
}

impl Service {
    /// SUBSCRIBE to the roster of a call: of a client (TS 24.379 10.1.3.3, 10.1.3.4.1), or of a function elsewhere.
    pub(super) fn watch_conference(
        &mut self,
        now: Time,
        id: ServerId,
        flow: Flow,
        request: &Request,
        bodies: Bodies,
    ) -> Result<(), Unknown> {
        let refuse = |refusal| Unknown::Refuse(refusal);
        let sender = self.identify(now, flow, request)?;
        let owner = self.session_addressed(request.uri()).map(|addressed| addressed.owner);
        let info = bodies.info.map(|(_, info)| canonical(info));
        let (subscriber, watched) = match (sender, owner) {
            (_, None) => return Err(refuse(Refusal::NoSuchCall)),
            (Sender::User(user), Some(owner)) => {
                let which = match owner {
                    LegOwner::Participation(id) => conference::Which::Participation(id),
                    LegOwner::Call(call) => conference::Which::Call(call),
                };
                let watched = conference::subscribe(&view!(self, now), &user.id, which, info.as_ref());
                (Subscriber::User(user.id.clone()), watched)
            }
            (Sender::Function(_), Some(LegOwner::Participation(_))) => {
                return Err(refuse(Refusal::NotPermitted { why: "only the client may ask for that" }));
            }
            (Sender::Function(caller), Some(LegOwner::Call(call))) => {
                let info = info.ok_or_else(|| refuse(Refusal::malformed("mcptt-info missing")))?;
                self.speaks_for(&caller, info.calling_user.as_deref()).map_err(refuse)?;
                let watched = conference::subscribe_function(&view!(self, now), &caller, call, &info);
                (Subscriber::Function(caller.psi), watched)
            }
        };
        match watched.map_err(refuse)? {
            Watched::Session { id: session, .. } if !self.has_heard(session) => {
                self.await_roster(now, session, &subscriber, (id, flow, request.clone())).map_err(refuse)
            }
            watched => self.accept_subscription(now, id, flow, request, subscriber, watched, owner),
        }
    }

    /// Whether there is a roster to tell of a call elsewhere.
    fn has_heard(&self, session: ParticipationRef) -> bool {
        let watch = self.model.watch_of(&Watching::Session { id: session });
        watch.is_some_and(|watch| self.rosters.heard.contains_key(&watch.id))
    }

    /// The controlling function is asked first.
    fn await_roster(
        &mut self,
        now: Time,
        session: ParticipationRef,
        subscriber: &Subscriber,
        request: Waiting,
    ) -> Result<(), Refusal> {
        let waiting = self.rosters.waiting.get(&session).map_or(0, Vec::len);
        self.room_for_subscription(subscriber, waiting)?;
        if waiting == 0 {
            let t1 = self.setup.agent.transactions.timers.t1;
            self.set_alarm(now.plus(t1.saturating_mul(FUNCTION_PATIENCE)), Alarm::RosterOverdue(session));
        }
        self.rosters.waiting.entry(session).or_default().push(request);
        let watching = Watching::Session { id: session };
        let outcome = status_elsewhere::begin(&mut view!(self, now), &watching);
        self.carry_out(now, outcome);
        if self.model.watch_of(&watching).is_none() {
            let group = self.model.participation(session).map(|session| session.group.clone());
            let refusal = group.map_or(Refusal::NoSuchCall, Refusal::NoControllingFunction);
            self.answer_waiting(now, session, &refusal.answer());
        }
        Ok(())
    }

    fn take_waiting(&mut self, session: ParticipationRef) -> Vec<Waiting> {
        self.cancel_alarm(&Alarm::RosterOverdue(session));
        self.rosters.waiting.remove(&session).unwrap_or_default()
    }

    fn answer_waiting(&mut self, now: Time, session: ParticipationRef, answer: &Answer) {
        for (id, _, request) in self.take_waiting(session) {
            tracing::info!(call_id = request.call_id(), status = answer.status, "no roster for the client");
            let reply = self.render_answer(answer);
            self.agent.answer(now, &mut self.ids, id, reply, None, &mut self.out);
        }
    }

    /// The controlling function elsewhere has not answered in time.
    pub(super) fn roster_overdue(&mut self, now: Time, session: ParticipationRef) {
        self.answer_waiting(now, session, &conference::not_heard(None, Vec::new(), None));
        self.unwatch_if_unwatched(now, session);
    }

    fn unwatch_if_unwatched(&mut self, now: Time, session: ParticipationRef) {
        if !self.rosters.waiting.contains_key(&session) {
            let watching = Watching::Session { id: session };
            let outcome = status_elsewhere::end_if_unwatched(&view!(self, now), &watching);
            self.carry_out(now, outcome);
        }
    }

    /// A subscription of a client is over: ours at the controlling function ends with the last, unless a client waits.
    pub(super) fn unwatched(&mut self, now: Time, watching: &Watching) {
        match watching {
            Watching::Session { id } => self.unwatch_if_unwatched(now, *id),
            _ => {
                let outcome = status_elsewhere::end_if_unwatched(&view!(self, now), watching);
                self.carry_out(now, outcome);
            }
        }
    }

    /// A session of a user of ours is about to be forgotten: whoever watches its call by it hears so.
    pub(super) fn session_goes(&mut self, session: ParticipationRef) {
        let watched = self.model.watch_of(&Watching::Session { id: session }).is_some();
        if watched || self.rosters.waiting.contains_key(&session) {
            self.work.push_back(Work::SessionGone(session));
        }
    }

    /// A session of a user of ours is gone.
    pub(super) fn session_gone(&mut self, now: Time, session: ParticipationRef) {
        self.answer_waiting(now, session, &Refusal::NoSuchCall.answer());
        self.end_session_watchers(now, session, GONE);
        self.unwatch_if_unwatched(now, session);
    }

    fn end_session_watchers(&mut self, now: Time, session: ParticipationRef, reason: &str) {
        let watchers: Vec<SubscriptionRef> =
            self.model.watchers_of_session(session).map(|watcher| watcher.id).collect();
        self.notify_each(now, watchers, None, Some(reason));
    }

    /// What our subscription for a client brings.
    pub(super) fn hear_session(&mut self, now: Time, watch: &Watch, session: ParticipationRef, heard: Heard) {
        match heard {
            Heard::Roster(told) => {
                let roster = told.onto(self.rosters.heard.get(&watch.id));
                self.rosters.heard.insert(watch.id, roster);
                let watchers: Vec<SubscriptionRef> =
                    self.model.watchers_of_session(session).map(|watcher| watcher.id).collect();
                self.notify_each(now, watchers, None, None);
                for (id, flow, request) in self.take_waiting(session) {
                    self.route(now, id, flow, &request);
                }
            }
            Heard::Refused(status) => {
                self.rosters.heard.remove(&watch.id);
                self.end_session_watchers(now, session, if status == 403 { "rejected" } else { GONE });
                self.unwatch_if_unwatched(now, session);
            }
            // The client keeps what it knows: the controlling function is asked again while somebody watches.
            Heard::Lost => self.unwatch_if_unwatched(now, session),
            Heard::Affiliations(_) | Heard::Passed(_) | Heard::Group(_) | Heard::Nothing => {}
        }
    }

    /// Our subscription for a client ended before it brought anything: whoever waits hears why.
    pub(super) fn session_refused(&mut self, now: Time, session: ParticipationRef, end: &End) {
        if !self.rosters.waiting.contains_key(&session) {
            return;
        }
        let answer = match end {
            End::Refused { status, warnings, retry_after, .. } => {
                let warnings = warnings.iter().cloned().map(warning).collect();
                conference::not_heard(Some(*status), warnings, *retry_after)
            }
            End::Terminated { .. } => Refusal::NoSuchCall.answer(),
            End::Silent | End::GivenUp => conference::not_heard(None, Vec::new(), None),
        };
        self.answer_waiting(now, session, &answer);
    }

    /// The SUBSCRIBE for a client (TS 24.379 10.1.3.3): to the session identity that the controlling function gave.
    pub(super) fn render_session_watch(&mut self, watch: &Watch, session: ParticipationRef) -> Draft {
        let known = self.model.participation(session);
        let leg = known.and_then(|session| self.model.leg(session.core_leg)).cloned();
        let info = known.map(|session| about(session.group.as_str(), session.user.as_str()));
        self.render_roster_watch(watch, leg.as_ref(), info)
    }

    /// The SUBSCRIBE to the other controlling function of a call (TS 24.379 10.1.3.4.3, 10.1.3.5.3). It names the group that
    /// is asked about and the one that asks, as the INVITE between the two does.
    pub(super) fn render_focus_watch(&mut self, watch: &Watch, leg: LegId) -> Draft {
        let leg = self.model.leg(leg).cloned();
        let call = leg.as_ref().and_then(|leg| match leg.owner {
            LegOwner::Call(call) => self.model.call(call),
            LegOwner::Participation(_) => None,
        });
        let seat = leg.as_ref().zip(call).and_then(|(leg, call)| self.model.participant(call.id, leg.id));
        let info = seat.zip(call).map(|(seat, call)| McInfo {
            request_uri: Some(seat.user.to_string()),
            calling_group: Some(call.group.id.to_string()),
            ..McInfo::default()
        });
        self.render_roster_watch(watch, leg.as_ref(), info)
    }

    /// A SUBSCRIBE to a roster at the session identity at the other end of a leg.
    fn render_roster_watch(&mut self, watch: &Watch, leg: Option<&Leg>, info: Option<McInfo>) -> Draft {
        let service = leg.map_or(McService::Mcptt, |leg| leg.service);
        let mut draft = requested(self.subscribe_head(watch, "conference", TAKEN, service), service);
        if let Some(LegLink::Dialog(dialog)) = leg.map(|leg| &leg.link) {
            let target = &dialog.remote_target;
            for (name, value) in &mut draft.headers {
                if *name == Name::To {
                    *value = format!("<{target}>");
                }
            }
            draft.uri.clone_from(target);
        }
        with_draft_body(draft, info.iter().map(|info| info_body(info, service)).collect())
    }

    /// Reads a notification about a roster.
    pub(super) fn roster_told(&self, watch: &Watch, bodies: &Bodies) -> Result<Heard, Refusal> {
        if bodies.parts.is_empty() {
            return Ok(Heard::Nothing);
        }
        let Some(part) = bodies.find(names::CONFERENCE_INFO) else {
            return Err(Refusal::UnsupportedBody { expected: names::CONFERENCE_INFO });
        };
        let told = RosterTold::decode(&part.content, &self.setup.limits).map_err(unusable)?;
        let limit = self.setup.limits.roster_users;
        let known = if told.extent == Extent::Partial { self.users_known(watch) } else { 0 };
        if known.saturating_add(told.users.len()) > limit {
            return Err(Refusal::malformed(format!("conference-info: more than {limit} users")));
        }
        Ok(Heard::Roster(canonical_roster(told)))
    }

    /// How many users were heard of last.
    fn users_known(&self, watch: &Watch) -> usize {
        match &watch.what {
            Watching::Session { .. } => {
                self.rosters.heard.get(&watch.id).map_or(0, |heard| heard.users.len())
            }
            Watching::Focus { leg } => {
                let Some(LegOwner::Call(call)) = self.model.leg(*leg).map(|leg| leg.owner) else { return 0 };
                let seat = self.model.participant(call, *leg);
                let known = seat.and_then(|seat| self.model.roster(call, &GroupId::new(seat.user.as_str())));
                known.map_or(0, |known| known.users.len())
            }
            _ => 0,
        }
    }

    /// Our subscription is over.
    pub(super) fn forget_roster(&mut self, watch: WatchRef) {
        self.rosters.heard.remove(&watch);
    }

    /// The NOTIFY about a call here (TS 24.379 6.3.3.4): headers and body. `roster`: the document.
    pub(super) fn roster_notification(
        &self,
        subscription: &Subscription,
        (call, service, audience): (CallRef, McService, &Audience),
        roster: impl FnOnce(&Audience) -> Option<Bytes>,
    ) -> (Vec<(Name, String)>, Option<OutBody>) {
        let headers = notification_headers(self.psi_of(LegOwner::Call(call)), service);
        let Some(known) = self.model.call(call) else { return (headers, None) };
        let superior = known.superior.as_ref().map(|superior| superior.leg);
        // Nearly everybody is told the same.
        let (reader, group, same) = match audience {
            Audience::Participant => {
                (subscription.subscriber.to_string(), conference::name(known), Audience::Participant)
            }
            Audience::ServedElsewhere(user) => {
                (user.to_string(), conference::name(known), Audience::Participant)
            }
            Audience::Focus(leg) => {
                let seat = self.model.participant(call, *leg).map(|seat| seat.user.to_string());
                let same = if superior == Some(*leg) { audience.clone() } else { Audience::Participant };
                (seat.unwrap_or_default(), &known.group.id, same)
            }
        };
        let roster = roster(&same).unwrap_or_default();
        (headers, Some(notification_body(reader, group, service, roster)))
    }

    /// The document of a call here.
    pub(super) fn roster_document(&self, call: CallRef, audience: &Audience) -> Option<Bytes> {
        Some(conference::document(&self.model, &self.setup.policy, call, audience)?.encode().into())
    }

    /// The roster of a call changed: its watchers are told, and the other controlling functions in this process. `own`: our
    /// own participants changed, of whom a function above us is told, unless it is told nobody.
    pub(super) fn notify_roster(&mut self, now: Time, call: CallRef, own: bool) {
        let of = self.model.call(call);
        let superior = of.and_then(|of| of.superior.as_ref()).map(|superior| superior.leg);
        let above = own && of.is_some_and(|of| !conference::hides_participants(&self.setup.policy, of));
        let is_told = |watched: &Watched| match watched {
            Watched::Conference { audience: Audience::Focus(leg), .. } => above || superior != Some(*leg),
            _ => true,
        };
        let watchers = self.model.watchers_of_call(call).filter(|watcher| is_told(&watcher.watched));
        let watchers: Vec<SubscriptionRef> = watchers.map(|watcher| watcher.id).collect();
        self.notify_each(now, watchers, None, None);
        for leg in roster::in_memory(&self.model, call, own) {
            self.hand_roster_over(now, leg);
        }
    }

    /// A call is over, or one of its other controlling functions has no part of it any more.
    pub(super) fn end_roster(&mut self, now: Time, call: CallRef, only: Option<LegId>) {
        let concerned = |watched: &Watched| match (only, watched) {
            (None, _) => true,
            (Some(leg), Watched::Conference { audience, .. }) => *audience == Audience::Focus(leg),
            _ => false,
        };
        let watchers = self.model.watchers_of_call(call).filter(|watcher| concerned(&watcher.watched));
        let watchers: Vec<SubscriptionRef> = watchers.map(|watcher| watcher.id).collect();
        self.notify_each(now, watchers, None, Some(GONE));
    }

    /// One controlling function of this process hears the roster of the other.
    pub(super) fn hand_roster_over(&mut self, now: Time, to: LegId) {
        if let Some(told) = roster::handed_over(&self.model, &self.setup.policy, to) {
            let (view, open) = (&mut view!(self, now), &mut self.open);
            let outcome = roster::heard(view, open, to, None, Heard::Roster(told));
            self.carry_out(now, outcome);
        }
    }

    /// The NOTIFY about a call elsewhere: what its controlling function told.
    pub(super) fn session_notification(
        &self,
        subscription: &Subscription,
        session: ParticipationRef,
        service: McService,
    ) -> (Vec<(Name, String)>, Option<OutBody>) {
        let watch = self.model.watch_of(&Watching::Session { id: session });
        let psi = watch.map_or(self.psi_of_kind(FunctionKind::Participating), |watch| &watch.at);
        let headers = notification_headers(psi, service);
        let heard = watch.and_then(|watch| self.rosters.heard.get(&watch.id));
        let (Some(heard), Some(known)) = (heard, self.model.participation(session)) else {
            return (headers, None);
        };
        let (reader, roster) = (subscription.subscriber.to_string(), heard.encode().into());
        (headers, Some(notification_body(reader, &known.group, service, roster)))
    }
}

/// Reason of the last NOTIFY to whoever watches a call that is over (RFC 6665 4.1.3).
const GONE: &str = "noresource";

fn notification_headers(psi: &Psi, service: McService) -> Vec<(Name, String)> {
    vec![
        (Name::PAssertedIdentity, format!("<{psi}>")),
        (Name::PPreferredService, names::of(service).icsi.to_owned()),
    ]
}

fn notification_body(reader: String, group: &GroupId, service: McService, roster: Bytes) -> OutBody {
    let info =
        McInfo { request_uri: Some(reader), calling_group: Some(group.to_string()), ..McInfo::default() };
    let document = Body { content_type: names::CONFERENCE_INFO.to_owned(), content: roster };
    let body = multipart::join(vec![info_body(&info, service), document]);
    OutBody { content_type: body.content_type, content: body.content }
}
