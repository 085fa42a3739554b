//! Group documents between an MC service server and a GMS that are two processes: both ends of the subscription of
//! TS 24.481 6.3.13 as SIP (RFC 5875).

use super::Service;
use super::alarms::Alarm;
use super::read::{Bodies, fingerprint, unusable};
use super::render::with_draft_body;
use super::trust::{Sender, Unknown};
use crate::documents::xcap_diff::{self, DocumentChange, XcapDiff};
use crate::documents::{Body, group_document, multipart, names, resource_lists};
use crate::env::Time;
use crate::gms;
use crate::mc;
use crate::model::{
    FunctionKind, GroupId, Service as McService, Subscriber, Subscription, SubscriptionRef, Watch, Watched,
};
use crate::procedure::{Answer, GroupTold, Outcome, Refusal};
use crate::sip::message::{Draft, Method, OutBody, Request};
use crate::sip::transaction::{Flow, ServerId};
use crate::sip::wire::Name;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Most requests of other functions that wait for group documents at once; beyond, they are refused (113).
pub(super) const AWAITING: usize = 10_000;

/// How long they wait. Whoever asks gives up after timer F, 32 s.
pub(super) const PATIENCE: Duration = Duration::from_secs(8);

/// Requests that wait for the document of a group.
pub(super) type Awaiting = BTreeMap<GroupId, Vec<(ServerId, Flow, Request)>>;

/// Media types that our subscription to a group document takes.
const TAKEN: &str = "application/xcap-diff+xml, application/vnd.oma.poc.groups+xml, multipart/mixed";

impl Service {
    /// SUBSCRIBE of an MC service server to group documents of our GMS.
    pub(super) fn watch_documents(
        &mut self,
        now: Time,
        id: ServerId,
        flow: Flow,
        request: &Request,
        bodies: &Bodies,
    ) -> Result<(), Unknown> {
        let Sender::Function(caller) = self.identify(now, flow, request)? else {
            return Err(Refusal::NotPermitted { why: "only servers may ask for that" }.into());
        };
        if !self.addressed_gms(request) {
            return Err(Refusal::NotFound.into());
        }
        let Some(part) = bodies.find(names::RESOURCE_LISTS) else {
            return Err(Refusal::UnsupportedBody { expected: names::RESOURCE_LISTS }.into());
        };
        let selectors = resource_lists::decode(&part.content, &self.setup.limits)?;
        self.within_groups_limit(selectors.len())?;
        let groups = selectors.iter().filter_map(|selector| xcap_diff::selected_group(selector));
        let accepts = |line: &[u8]| {
            let groups = names::GROUPS.as_bytes();
            line.windows(groups.len()).any(|window| window.eq_ignore_ascii_case(groups))
        };
        let with_documents = request.wire().headers(Name::Accept).any(|line| accepts(&line));
        let watched = gms::documents::subscribe(&caller, groups.collect(), with_documents)?;
        let subscriber = Subscriber::Function(caller.psi.clone());
        self.accept_subscription(now, id, flow, request, subscriber, watched, None)
    }

    /// Whether a request is for our GMS.
    pub(super) fn addressed_gms(&self, request: &Request) -> bool {
        let addressed = request.uri().identity();
        self.setup.policy.functions.gms.iter().any(|psi| psi.as_str() == addressed)
    }

    /// A request of another function about a group whose document is to come from a GMS elsewhere is not answered before
    /// the document is here (TS 23.280 10.8.3.2.2 steps 4a and 4b). Returns whether it waits.
    pub(super) fn await_document(
        &mut self,
        now: Time,
        group: Option<&str>,
        (id, flow): (ServerId, Flow),
        request: &Request,
    ) -> bool {
        let Some(group) = group.map(GroupId::new) else { return false };
        let full = self.awaiting.values().map(Vec::len).sum::<usize>() >= AWAITING;
        if full || !mc::group_policy::is_needed(&view!(self, now), &group) {
            return false;
        }
        let mut outcome = Outcome::default();
        mc::group_policy::want(&mut view!(self, now), &group, &mut outcome);
        self.carry_out(now, outcome);
        if !self.awaiting.contains_key(&group) {
            self.set_alarm(now.plus(PATIENCE), Alarm::DocumentOverdue(group.clone()));
        }
        self.awaiting.entry(group).or_default().push((id, flow, request.clone()));
        true
    }

    /// The document of a group is here, or it is known that there is none: what waited for it goes on.
    pub(super) fn group_known(&mut self, now: Time, group: &GroupId) {
        let outcome = mc::affiliation::group_known(&mut view!(self, now), group);
        self.carry_out(now, outcome);
        let outcome = mc::affiliation::recheck_group(&mut view!(self, now), group);
        self.carry_out(now, outcome);
        self.cancel_alarm(&Alarm::DocumentOverdue(group.clone()));
        let waiting = self.awaiting.remove(group).unwrap_or_default();
        if mc::group_policy::is_needed(&view!(self, now), group) {
            self.refuse_waiting(now, waiting, &Refusal::NoSuchGroup(group.clone()));
            return;
        }
        for (id, flow, request) in waiting {
            self.route(now, id, flow, &request);
        }
    }

    /// The GMS is silent: whoever waits for the document of this group hears it.
    pub(super) fn document_overdue(&mut self, now: Time, group: &GroupId) {
        let waiting = self.awaiting.remove(group).unwrap_or_default();
        tracing::warn!(group = %group, waiting = waiting.len(), "document not to be had: GMS silent");
        self.refuse_waiting(now, waiting, &Refusal::NoGroupDocument(group.clone()));
    }

    fn refuse_waiting(&mut self, now: Time, waiting: Vec<(ServerId, Flow, Request)>, refusal: &Refusal) {
        let answer = match refusal {
            // TS 24.379 9.2.2.3.3 step 4 refuses with 403 what a call refuses with 404.
            Refusal::NoSuchGroup(_) => Answer::warned(403, 113),
            other => other.answer(),
        };
        for (id, ..) in waiting {
            let reply = self.render_answer(&answer);
            self.agent.answer(now, &mut self.ids, id, reply, None, &mut self.out);
        }
    }

    /// Documents changed: each watcher is told once.
    pub(super) fn notify_documents(&mut self, now: Time, groups: &BTreeSet<GroupId>) {
        let watching: BTreeSet<SubscriptionRef> = groups
            .iter()
            .flat_map(|group| self.model.watchers_of_document(group))
            .map(|watcher| watcher.id)
            .collect();
        for id in watching {
            self.notify(now, id, None, None);
        }
    }

    /// The state of watched documents: their entity tags, and the documents themselves for who takes them. A document that
    /// does not exist is left out.
    pub(super) fn documents_body(&self, subscription: &Subscription) -> Option<OutBody> {
        let Watched::GroupDocuments { groups, with_documents } = &subscription.watched else { return None };
        let mut documents = Vec::new();
        let mut parts = Vec::new();
        for state in gms::documents::state(&self.model, groups) {
            let Some((document, mark)) = state.document else { continue };
            let content = group_document::encode(&document, true, mark.as_ref());
            documents.push(DocumentChange {
                selector: xcap_diff::group_selector(state.group.as_str()),
                previous_etag: None,
                new_etag: Some(format!("{:016x}", fingerprint(content.as_bytes()))),
            });
            if *with_documents {
                parts.push(Body { content_type: names::GROUPS.to_owned(), content: content.into() });
            }
        }
        // No XCAP server is here yet: the root only has to be one URI for all selectors.
        let root = format!("https://{}/", self.setup.policy.warning_agent);
        let diff = XcapDiff { root, documents }.encode();
        parts.insert(0, Body { content_type: names::XCAP_DIFF.to_owned(), content: diff.into() });
        let body = multipart::join(parts);
        Some(OutBody { content_type: body.content_type, content: body.content })
    }

    /// What a notification of a GMS elsewhere says about the document of a group.
    pub(super) fn document_told(
        &self,
        group: &GroupId,
        bodies: &Bodies,
    ) -> Result<Option<GroupTold>, Refusal> {
        let Some(part) = bodies.find(names::XCAP_DIFF) else { return Ok(None) };
        let limits = &self.setup.limits;
        let diff = XcapDiff::decode(&part.content, limits).map_err(unusable)?;
        let named = |document: &&DocumentChange| {
            xcap_diff::selected_group(&document.selector).is_some_and(|named| named == *group)
        };
        if diff.documents.iter().find(named).is_none_or(|document| document.new_etag.is_none()) {
            return Ok(Some(GroupTold::Gone));
        }
        for part in bodies.parts.iter().filter(|part| part.media_type.eq_ignore_ascii_case(names::GROUPS)) {
            let (document, mark) = group_document::decode_marked(&part.content, limits).map_err(unusable)?;
            if document.id == *group {
                return Ok(Some(GroupTold::Document(Box::new(document), mark)));
            }
        }
        Err(Refusal::malformed("the document of the group is not in the notification"))
    }

    /// The SUBSCRIBE for the document of a group.
    pub(super) fn render_document_watch(&mut self, watch: &Watch, group: &GroupId) -> Draft {
        let list = resource_lists::encode(&[xcap_diff::group_selector(group.as_str())]);
        let part = Body { content_type: names::RESOURCE_LISTS.to_owned(), content: list.into() };
        let draft = self.subscribe_head(watch, "xcap-diff", TAKEN, McService::Mcptt);
        debug_assert!(draft.method == Method::Subscribe && watch.from == FunctionKind::Controlling);
        with_draft_body(draft, vec![part])
    }
}
