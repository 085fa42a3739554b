//! Requests of our functions to functions elsewhere ([`FunctionRequest`]): sent after the commit that decided them, again
//! after a restart, one at a time for each subject, until they are answered for good; then the procedure is told.

use super::Service;
use super::alarms::Alarm;
use super::gateway::needs_of;
use super::render::{info_body, with_draft_body};
use crate::documents::pidf::{Affiliation, Presence, Tuple};
use crate::documents::{Body, McInfo, names};
use crate::env::Time;
use crate::model::{
    Asked, Change, FactKey, FunctionKind, FunctionRequest, Psi, RequestRef, Service as McService,
};
use crate::procedure::{Answer, Outcome, Refusal, RequestEnd, Warning};
use crate::sip::message::{Draft, Method, Response};
use crate::sip::transaction::ClientId;
use crate::sip::wire::Name;
use crate::{gms, mc};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// The first pause before a request is sent again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(2);

/// Attempts of a request that bears repetition which follow each other without pause when they are not answered.
const ATTEMPTS_AT_ONCE: u32 = 2;

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The pause after so many attempts that came to nothing.
pub(super) fn pause(attempts: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << attempts.min(5)).min(LONGEST_PAUSE)
}

/// Receiver and subject.
pub(super) type LineKey = (Psi, String);

/// Requests that are under way.
#[derive(Debug, Default)]
pub(super) struct Requests {
    by_client: HashMap<ClientId, (RequestRef, LineKey)>,
    /// For each receiver and subject: the request that is under way or pauses, and those behind it.
    lines: HashMap<LineKey, Line>,
}

#[derive(Debug)]
struct Line {
    first: RequestRef,
    /// The transaction of its last attempt, while that is open: whatever follows must wait for its end.
    open: Option<ClientId>,
    /// Attempts of the first one that came to nothing.
    attempts: u32,
    behind: VecDeque<RequestRef>,
}

impl Requests {
    /// Requests whose answer is awaited.
    pub fn open(&self) -> usize {
        self.by_client.len()
    }

    /// Nothing is left of any request.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.by_client.is_empty() && self.lines.is_empty()
    }
}

impl Service {
    /// Sends a request as soon as those about the same subject are over.
    pub(super) fn begin_request(&mut self, now: Time, id: RequestRef) {
        let Some(request) = self.model.request(id) else { return };
        let key = (request.to.clone(), request.what.subject());
        match self.requests.lines.get_mut(&key) {
            Some(line) => line.behind.push_back(id),
            None => {
                let line = Line { first: id, open: None, attempts: 0, behind: VecDeque::new() };
                self.requests.lines.insert(key.clone(), line);
            }
        }
        self.advance(now, &key);
    }

    /// Sends the first request of a line, unless it is under way or pauses. Those that were withdrawn are left out.
    pub(super) fn advance(&mut self, now: Time, key: &LineKey) {
        let Some(line) = self.requests.lines.get_mut(key) else { return };
        if line.open.is_some() {
            return;
        }
        while self.model.request(line.first).is_none() {
            match line.behind.pop_front() {
                Some(next) => (line.first, line.attempts) = (next, 0),
                None => {
                    self.requests.lines.remove(key);
                    return;
                }
            }
        }
        let id = line.first;
        if self.alarms.is_set(&Alarm::RequestAgain(id)) {
            return;
        }
        let Some(request) = self.model.request(id).cloned() else { return };
        if let Some(needs) = needs_of(&request.what)
            && let Err(refusal) = self.exit(&request.to, needs)
        {
            return self.request_ended(now, id, key, &request, refused(&refusal));
        }
        let draft = self.render_request(now, &request);
        match self.agent.request(now, &mut self.ids, &draft, None, &mut self.out) {
            Ok(client) => {
                self.requests.by_client.insert(client, (id, key.clone()));
                if let Some(line) = self.requests.lines.get_mut(key) {
                    line.open = Some(client);
                }
                if request.what.bears_repetition() {
                    let silent = now.plus(self.setup.policy.gms_timeout);
                    self.set_alarm(silent, Alarm::RequestSilent(id));
                }
            }
            Err(error) => {
                tracing::warn!(to = %request.to, "request to another function not sent: {error}");
                self.request_over(now, id, key, NO_WAY, None);
            }
        }
    }

    /// The fact of a request is removed. Returns its line if others wait there for it.
    pub(super) fn request_removed(&mut self, id: RequestRef) -> Option<LineKey> {
        let request = self.model.request(id)?;
        let key = (request.to.clone(), request.what.subject());
        let line = self.requests.lines.get(&key).filter(|line| line.first == id && line.open.is_none())?;
        if line.behind.is_empty() {
            self.requests.lines.remove(&key);
            return None;
        }
        Some(key)
    }

    /// The pause of a request is over.
    pub(super) fn request_again(&mut self, now: Time, id: RequestRef) {
        let Some(request) = self.model.request(id) else { return };
        let key = (request.to.clone(), request.what.subject());
        self.advance(now, &key);
    }

    /// Offers a final answer; true if it was to one of these requests.
    pub(super) fn function_answered(
        &mut self,
        now: Time,
        client: ClientId,
        status: u16,
        response: Option<&Response>,
    ) -> bool {
        let Some((id, key)) = self.requests.by_client.remove(&client) else { return false };
        let Some(line) = self.requests.lines.get_mut(&key).filter(|line| line.first == id) else {
            return true;
        };
        if line.open != Some(client) && comes_to_nothing(status) {
            // An attempt that was given up: a later one may still be answered.
            return true;
        }
        if line.open == Some(client) || self.model.request(id).is_some() {
            line.open = None;
        }
        self.cancel_alarm(&Alarm::RequestSilent(id));
        self.cancel_alarm(&Alarm::RequestAgain(id));
        self.request_over(now, id, &key, status, response);
        true
    }

    /// The last attempt of a request has not been answered for so long that it is made again. The receiver bears it, and
    /// an answer to the earlier attempt counts if it comes.
    pub(super) fn request_silent(&mut self, now: Time, id: RequestRef) {
        let Some(request) = self.model.request(id) else { return };
        let key = (request.to.clone(), request.what.subject());
        let until = request.until;
        let Some(line) = self.requests.lines.get_mut(&key) else { return };
        if line.first != id || line.open.is_none() {
            return;
        }
        // The first attempts follow each other at once, further ones with pauses.
        let wait = line.attempts.checked_sub(ATTEMPTS_AT_ONCE).map_or(Duration::ZERO, pause);
        if until.is_none_or(|until| until <= now.plus(wait)) {
            // Too late for another one: the transaction decides.
            return;
        }
        line.attempts = line.attempts.saturating_add(1);
        line.open = None;
        if wait.is_zero() {
            self.advance(now, &key);
        } else {
            self.set_alarm(now.plus(wait), Alarm::RequestAgain(id));
        }
    }

    fn request_over(
        &mut self,
        now: Time,
        id: RequestRef,
        key: &LineKey,
        status: u16,
        response: Option<&Response>,
    ) {
        let Some(line) = self.requests.lines.get_mut(key) else { return };
        let Some(request) = self.model.request(id).cloned() else {
            // Withdrawn meanwhile: nobody wants to know.
            self.advance(now, key);
            return;
        };
        let number = |name| response.and_then(|response| response.number(name).ok().flatten());
        let asked = number(Name::RetryAfter).map(|seconds| Duration::from_secs(seconds.into()));
        let again = now.plus(pause(line.attempts).max(asked.unwrap_or_default().min(LONGEST_PAUSE)));
        if comes_to_nothing(status) && request.until.is_some_and(|until| again < until) {
            line.attempts = line.attempts.saturating_add(1);
            tracing::warn!(to = %request.to, status, "{} not taken yet: sent again", request.what.name());
            self.set_alarm(again, Alarm::RequestAgain(id));
            return;
        }
        let end = match status {
            200..=299 => RequestEnd::Taken { expires: number(Name::Expires) },
            _ => RequestEnd::Failed {
                status,
                warnings: response.map(super::read::warnings).unwrap_or_default(),
                min_expires: number(Name::MinExpires),
            },
        };
        self.request_ended(now, id, key, &request, end);
    }

    /// A request is over for good.
    fn request_ended(
        &mut self,
        now: Time,
        id: RequestRef,
        key: &LineKey,
        request: &FunctionRequest,
        end: RequestEnd,
    ) {
        if let RequestEnd::Failed { status, warnings, .. } = &end {
            let why = warnings.first().map_or("", |warning: &Warning| warning.text.as_str());
            tracing::warn!(to = %request.to, status, "{} failed: {why}", request.what.name());
        }
        self.change(Change::Remove(FactKey::Request(id)));
        let outcome = match &request.what {
            Asked::Affiliation { .. } => mc::affiliation::request_ended(&mut view!(self, now), request, end),
            // Whoever was to be told has been, or cannot be.
            Asked::ProposalEnd { .. } => Outcome::default(),
            Asked::Group(_) => gms::between::request_ended(&mut view!(self, now), request, end),
            // Who asked asks again.
            Asked::GroupResult(_) => Outcome::default(),
        };
        self.carry_out(now, outcome);
        self.advance(now, key);
    }

    /// After a restart: what was not answered for good is sent again, in the order in which it was begun.
    pub(super) fn resume_requests(&mut self, now: Time) {
        let mut requests: Vec<_> = self.model.requests().map(|request| (request.begun, request.id)).collect();
        requests.sort_unstable();
        for (_, id) in requests {
            self.begin_request(now, id);
        }
    }

    fn render_request(&mut self, now: Time, request: &FunctionRequest) -> Draft {
        match &request.what {
            Asked::Affiliation { group, user, service, clients, p_id } => {
                let affiliations = clients
                    .iter()
                    .map(|client| Affiliation { client: Some(client.to_string()), ..Affiliation::default() });
                let tuple = Tuple { id: user.to_string(), affiliations: affiliations.collect() };
                let presence =
                    Presence { entity: group.to_string(), tuples: vec![tuple], p_id: Some(p_id.clone()) };
                let expires = if clients.is_empty() { 0 } else { mc::affiliation::WHOLE_INTERVAL };
                let parts = vec![
                    info_body(&about(group.as_str(), user.as_str()), *service),
                    Body { content_type: names::PIDF.to_owned(), content: presence.encode(*service).into() },
                ];
                let mut draft = self.towards_function(Method::Publish, request.from, &request.to, *service);
                self.number(now, &mut draft, &request.what.subject());
                let draft = draft.header(Name::Event, "presence").header(Name::Expires, expires.to_string());
                with_draft_body(draft, parts)
            }
            Asked::ProposalEnd { end, service } => {
                let draft = self.towards_function(Method::Message, request.from, &request.to, *service);
                with_draft_body(draft, super::render::proposal_end_bodies(end, *service))
            }
            Asked::Group(asked) => self.render_group_request(request, asked),
            Asked::GroupResult(response) => self.render_group_response(request, response),
        }
    }

    /// Gives all requests about a subject the same Call-ID and rising numbers, after a restart too, so that the receiver
    /// knows a copy that the network brings late for what it is (RFC 3261 10.2 and 10.3 step 7 for REGISTER). The clock
    /// counts, as RFC 3261 8.1.1.5 proposes.
    fn number(&self, now: Time, draft: &mut Draft, subject: &str) {
        let cseq = now.as_millis() & u64::from(u32::MAX >> 1);
        for (name, value) in &mut draft.headers {
            match name {
                Name::CallId => {
                    *value =
                        format!("{}@{}", mc::affiliation::publication(subject), self.setup.policy.domain);
                }
                Name::CSeq => *value = format!("{cseq} {}", draft.method.text()),
                _ => {}
            }
        }
    }

    /// The head of a request outside any dialog from one of our functions to a function elsewhere.
    pub(super) fn towards_function(
        &mut self,
        method: Method,
        from: FunctionKind,
        to: &Psi,
        service: McService,
    ) -> Draft {
        let policy = &self.setup.policy;
        let psi = policy.functions.of(from).first().unwrap_or(&self.setup.fallback_psi).clone();
        let mut draft = Draft::new(method, to.to_string());
        if let Some(proxy) = policy.partner_of_function(to).and_then(|partner| partner.proxy.clone()) {
            draft = draft.header(Name::Route, proxy);
        }
        draft
            .header(Name::From, format!("<{psi}>;tag={}", self.ids.tag()))
            .header(Name::To, format!("<{to}>"))
            .header(Name::CallId, self.ids.call_id())
            .header(Name::CSeq, format!("1 {}", method.text()))
            .header(Name::MaxForwards, super::read::MAX_FORWARDS.to_string())
            .header(Name::PAssertedIdentity, format!("<{psi}>"))
            .header(Name::PAssertedService, names::of(service).icsi)
    }
}

/// mcptt-info between servers: what it is about, and for whom (TS 24.379 9.2.2.2.6).
pub(super) fn about(target: &str, user: &str) -> McInfo {
    McInfo { request_uri: Some(target.to_owned()), calling_user: Some(user.to_owned()), ..McInfo::default() }
}

/// What comes of a request that does not leave.
fn refused(refusal: &Refusal) -> RequestEnd {
    let Answer { status, warnings, .. } = refusal.answer();
    RequestEnd::Failed { status, warnings, min_expires: None }
}

/// The status that stands for "there is no way to the receiver".
const NO_WAY: u16 = 503;

/// Whether this answer says nothing about the request itself, so that it may be tried again.
fn comes_to_nothing(status: u16) -> bool {
    matches!(status, 408 | 480 | 500 | 503 | 504)
}
