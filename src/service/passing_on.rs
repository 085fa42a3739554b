//! Requests that are passed on ([`PassOn`]): to the clients of a user, or to a function elsewhere, while the one that
//! caused them waits. The first that takes it answers for all; if nobody does, the best refusal is the answer.

use super::Service;
use super::alarms::Alarm;
use super::gateway::AFFILIATE;
use super::legs::rank;
use super::reach::Way;
use super::read::warnings;
use super::render::{info_body, requested, with_draft_body};
use crate::env::Time;
use crate::mc::{proposal_end, remote_change};
use crate::model::{FunctionKind, ProposalRef};
use crate::procedure::{Answer, Heading, PassOn, PassTo, Passed, PassedAnswer, ReplyTo};
use crate::sip::message::{Draft, Method, Response};
use crate::sip::transaction::ClientId;
use crate::sip::wire::Name;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How long clients may take, in multiples of T1. Whoever asked us gives up after 64 (RFC 3261 17.1.2.2), and a server
/// between us waits for [`FUNCTION_PATIENCE`]: each answer must still arrive.
pub const CLIENT_PATIENCE: u32 = 40;

/// How long a function elsewhere may take, in multiples of T1.
pub const FUNCTION_PATIENCE: u32 = 52;

/// A request that was passed on, for as long as its answer is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PassRef(u64);

/// Requests that were passed on.
#[derive(Debug, Default)]
pub(super) struct Passing {
    /// Transactions without final answer. Some may belong to requests that are answered.
    by_client: HashMap<ClientId, PassRef>,
    open: BTreeMap<PassRef, Pass>,
    last: u64,
}

#[derive(Debug)]
struct Pass {
    reply: ReplyTo,
    to: PassTo,
    /// Transactions without final answer.
    waiting: BTreeSet<ClientId>,
    best: PassedAnswer,
    proposal: Option<ProposalRef>,
}

impl Passing {
    /// Requests whose answer is awaited.
    pub fn open(&self) -> usize {
        self.open.len()
    }
}

impl Service {
    /// Passes a request on.
    pub(super) fn pass_on(&mut self, now: Time, pass: PassOn) {
        let mut drafts: Vec<(Draft, Option<Way>)> = Vec::new();
        if let PassTo::Function(function) = &pass.to
            && let Err(refusal) = self.exit(function, AFFILIATE)
        {
            let Answer { status, warnings, .. } = refusal.answer();
            let best = PassedAnswer { status: Some(status), warnings, ..PassedAnswer::default() };
            let PassOn { reply, to, proposal, .. } = pass;
            return self.passed(now, Pass { reply, to, waiting: BTreeSet::new(), best, proposal });
        }
        match &pass.to {
            PassTo::Function(_) => drafts.push((self.render_passed(&pass, None), None)),
            PassTo::Clients(user) => {
                for way in self.ways_to(now, user.as_str(), &[]) {
                    drafts.push((self.render_passed(&pass, Some(&way)), Some(way)));
                }
            }
        }
        let PassOn { reply, to, proposal, .. } = pass;
        let nobody = drafts.is_empty();
        let patience = if matches!(to, PassTo::Clients(_)) { CLIENT_PATIENCE } else { FUNCTION_PATIENCE };
        self.passing.last += 1;
        let id = PassRef(self.passing.last);
        let mut waiting = BTreeSet::new();
        for (draft, way) in drafts {
            let path = way.and_then(|way| way.path);
            match self.agent.request(now, &mut self.ids, &draft, path, &mut self.out) {
                Ok(client) => {
                    self.passing.by_client.insert(client, id);
                    waiting.insert(client);
                }
                Err(error) => tracing::warn!("request not passed on: {error}"),
            }
        }
        // 480: not registered (RFC 3261 21.4.18).
        let best = PassedAnswer { status: nobody.then_some(480), ..PassedAnswer::default() };
        let pass = Pass { reply, to, waiting, best, proposal };
        if pass.waiting.is_empty() {
            self.passed(now, pass);
            return;
        }
        self.passing.open.insert(id, pass);
        let t1 = self.setup.agent.transactions.timers.t1;
        self.set_alarm(now.plus(t1.saturating_mul(patience)), Alarm::PassedOn(id));
    }

    /// Offers a final answer; true if it was to one of these requests.
    pub(super) fn pass_answered(
        &mut self,
        now: Time,
        client: ClientId,
        status: u16,
        response: Option<&Response>,
    ) -> bool {
        let Some(id) = self.passing.by_client.remove(&client) else { return false };
        let Some(pass) = self.passing.open.get_mut(&id) else { return true };
        pass.waiting.remove(&client);
        if let Some(response) = response {
            let better = pass.best.status.is_none_or(|best| rank(status) < rank(best));
            if better {
                pass.best = answer_of(status, response);
            }
        }
        if pass.waiting.is_empty() || (200..=299).contains(&status) {
            self.pass_over(now, id);
        }
        true
    }

    /// Nobody has taken a request in time: whoever caused it hears so, and it is not sent again.
    pub(super) fn pass_overdue(&mut self, now: Time, id: PassRef) {
        let waiting = self.passing.open.get_mut(&id).map(|pass| std::mem::take(&mut pass.waiting));
        for client in waiting.unwrap_or_default() {
            self.passing.by_client.remove(&client);
            self.agent.abandon(now, client, &mut self.out);
        }
        self.pass_over(now, id);
    }

    /// The time of a request is over, or it is answered.
    fn pass_over(&mut self, now: Time, id: PassRef) {
        let Some(pass) = self.passing.open.remove(&id) else { return };
        self.cancel_alarm(&Alarm::PassedOn(id));
        self.passed(now, pass);
    }

    fn passed(&mut self, now: Time, pass: Pass) {
        let taken = pass.best.status.is_some_and(|status| (200..=299).contains(&status));
        if !taken {
            let status = pass.best.status;
            tracing::info!(status, "nobody took the request that was passed on to {:?}", pass.to);
        }
        if let Some(proposal) = pass.proposal.filter(|_| !taken) {
            let outcome = proposal_end::not_taken(&view!(self, now), proposal);
            self.carry_out(now, outcome);
        }
        self.answer(now, pass.reply, remote_change::answer(&pass.to, pass.best));
    }

    fn render_passed(&mut self, pass: &PassOn, way: Option<&Way>) -> Draft {
        let method = match &pass.request {
            Passed::Affiliations { .. } => Method::Publish,
            Passed::Message(_) => Method::Message,
        };
        let psi = self.psi_of_kind(FunctionKind::Participating).clone();
        let mut draft = match (&pass.to, way) {
            (PassTo::Function(to), _) => {
                self.towards_function(method, FunctionKind::Participating, to, pass.service)
            }
            (PassTo::Clients(_), Some(way)) => self.outside_dialog(method, &psi, way, pass.service),
            (PassTo::Clients(_), None) => Draft::new(method, String::new()),
        };
        match &pass.request {
            Passed::Affiliations { expires, etag } => {
                draft = draft.header(Name::Event, "presence");
                if let Some(expires) = expires {
                    draft = draft.header(Name::Expires, expires.to_string());
                }
                if let Some(etag) = etag {
                    draft = draft.header(Name::SipIfMatch, etag.clone());
                }
            }
            Passed::Message(heading) => {
                if way.is_none() {
                    draft = requested(draft, pass.service);
                }
                self.keep_heading(&mut draft, heading);
                if let (PassTo::Function(to), Some(call_id)) =
                    (&pass.to, draft.headers.iter_mut().find(|(name, _)| *name == Name::CallId))
                {
                    call_id.1 = self.call_id_beyond(to, &heading.call_id);
                }
            }
        }
        let info = info_body(&pass.info, pass.service);
        with_draft_body(draft, std::iter::once(info).chain(pass.document.clone()).collect())
    }

    /// The headers of a MESSAGE that is passed on (TS 24.379 9.2.2.2.8). The tag is ours: a client that had the MESSAGE
    /// before a restart must not take it for a copy on another branch (RFC 3261 8.2.2.2).
    fn keep_heading(&mut self, draft: &mut Draft, heading: &Heading) {
        for (name, value) in &mut draft.headers {
            match name {
                Name::From => *value = format!("{};tag={}", heading.from, self.ids.tag()),
                Name::To => value.clone_from(&heading.to),
                Name::CallId => value.clone_from(&heading.call_id),
                Name::CSeq => *value = format!("{} MESSAGE", heading.cseq),
                Name::MaxForwards => *value = heading.hops.to_string(),
                _ => {}
            }
        }
    }
}

/// What an answer says to whoever is told of it.
fn answer_of(status: u16, response: &Response) -> PassedAnswer {
    let number = |name| response.number(name).ok().flatten();
    PassedAnswer {
        status: Some(status),
        warnings: warnings(response),
        retry_after: number(Name::RetryAfter),
        expires: number(Name::Expires),
        min_expires: number(Name::MinExpires),
        etag: response.text(Name::SipEtag),
    }
}
