//! Words to SIP: headers and bodies as TS 24.379 clause 6 lists them.

use super::Service;
use super::reach::Way;
use crate::documents::affiliation_command::{AffiliationCommand, ChangeOutcome};
use crate::documents::gmop::{self, OperationKind};
use crate::documents::{Body, McInfo, SessionDescription, multipart, names, resource_lists};
use crate::model::{
    Failure, FunctionKind, GmsOperation, GroupDocument, GroupId, LegOwner, Notice, OperationResult, Owed,
    ProposalEnd, Psi, Service as McService, Temporary, UserId,
};
use crate::procedure::{
    Acceptance, Answer, AnswerModeHeader, Invitation, Progress, Rejection, SharedMembers, Warning,
};
use crate::sip::message::{Draft, Method, Reply, Uri, values};
use crate::sip::wire::Name;

/// Option tags that we list in INVITE towards others (TS 24.379 6.3.3.1.2).
const SUPPORTED_IN_INVITE: &str = "timer, 100rel, tdialog, norefersub";
/// Option tags in 200 to INVITE (TS 24.379 6.3.3.2.3.2).
const SUPPORTED_IN_ANSWER: &str = "timer, tdialog, norefersub, explicitsub, nosub";

impl Service {
    /// The PSI that our function of a kind speaks as.
    pub(super) fn psi_of_kind(&self, kind: FunctionKind) -> &Psi {
        self.setup.policy.functions.of(kind).first().unwrap_or(&self.setup.fallback_psi)
    }

    /// The PSI a function instance speaks as.
    pub(super) fn psi_of(&self, owner: LegOwner) -> &Psi {
        let functions = &self.setup.policy.functions;
        let list = match owner {
            LegOwner::Call(_) => &functions.controlling,
            LegOwner::Participation(_) => &functions.participating,
        };
        list.first().unwrap_or(&self.setup.fallback_psi)
    }

    /// The session identity of an instance: a URI that reaches this process, with the instance in `gr`
    /// (TS 24.379 4.5). That of the participating function names the call behind it as well, `gr=<instance>-<call>`: a
    /// client that has left comes back by it (TS 24.379 10.1.1.3.5) when the instance is over.
    pub(super) fn session_identity(&self, owner: LegOwner, listener: u16) -> String {
        let psi = self.psi_of(owner);
        let user = Uri::parse(psi.as_str().as_bytes())
            .ok()
            .and_then(|uri| uri.user().map(str::to_owned))
            .unwrap_or_else(|| "mc".to_owned());
        let (LegOwner::Call(crate::model::CallRef(number))
        | LegOwner::Participation(crate::model::ParticipationRef(number))) = owner;
        let transport = match self.setup.agent.transactions.hops.listeners.get(usize::from(listener)) {
            Some(listener) if listener.transport == crate::model::Transport::Tcp => ";transport=tcp",
            _ => "",
        };
        let behind = match (owner, self.legs.call_behind(owner)) {
            (LegOwner::Participation(_), Some(call)) => format!("-{:016x}", call.0),
            _ => String::new(),
        };
        format!("sip:{user}@{};gr={number:016x}{behind}{transport}", self.advertised(listener))
    }

    /// Contact of an instance: its session identity with the service's tags, and `isfocus` where it is a focus for
    /// the other end.
    pub(super) fn contact(&self, owner: LegOwner, listener: u16, service: McService, focus: bool) -> String {
        let names = names::of(service);
        let focus = if focus { ";isfocus" } else { "" };
        format!(
            "<{}>;+{};+g.3gpp.icsi-ref=\"{}\"{focus}",
            self.session_identity(owner, listener),
            names.feature_tag,
            names.icsi_escaped
        )
    }

    /// A final answer to any request but INVITE, whose refusals say more: [`Self::render_refusal`].
    pub(super) fn render_answer(&self, answer: &Answer) -> Reply {
        with_body(self.head_of(answer), answer.body.iter().cloned().collect())
    }

    /// The refusal of an INVITE by one of our functions: as [`Self::render_answer`], with the function's identity, and
    /// with an info document in the names of the service that was asked for.
    pub(super) fn render_refusal(&self, answer: &Answer, psi: &Psi, service: McService) -> Reply {
        let mut reply = self.head_of(answer);
        reply.headers.insert(0, (Name::PAssertedIdentity, format!("<{psi}>")));
        if let Some(members) = &answer.members {
            return self.with_members(reply, members);
        }
        let info = answer.info.iter().map(|info| info_body(info, service));
        with_body(reply, info.chain(answer.body.clone()).collect())
    }

    fn head_of(&self, answer: &Answer) -> Reply {
        let mut reply = self.warned(Reply::new(answer.status), &answer.warnings);
        for group in &answer.contacts {
            reply = reply.header(Name::Contact, format!("<{group}>"));
        }
        if let Some(seconds) = answer.retry_after {
            reply = reply.header(Name::RetryAfter, seconds.to_string());
        }
        if let Some(seconds) = answer.expires {
            reply = reply.header(Name::Expires, seconds.to_string());
        }
        if let Some(seconds) = answer.min_expires {
            reply = reply.header(Name::MinExpires, seconds.to_string());
        }
        if let Some(etag) = &answer.etag {
            reply = reply.header(Name::SipEtag, etag.clone());
        }
        if answer.status == 489 {
            reply = reply.header(Name::AllowEvents, self.setup.agent.events.join(", "));
        }
        if answer.status == 415 {
            reply = reply.header(Name::Accept, ACCEPT);
        }
        reply
    }

    fn warned(&self, mut reply: Reply, warnings: &[Warning]) -> Reply {
        for warning in warnings {
            reply = reply.header(Name::Warning, self.warning(warning));
        }
        reply
    }

    /// A Warning value (TS 24.379 4.4.1).
    pub(super) fn warning(&self, warning: &Warning) -> String {
        let values::Warning { code, agent, text } = self.warning_value(warning);
        format!("{code} {agent} \"{text}\"")
    }

    /// The same as a value.
    pub(super) fn warning_value(&self, warning: &Warning) -> values::Warning {
        let text: String = warning
            .text
            .chars()
            .map(|c| if c == '"' || c == '\\' || c.is_control() { ' ' } else { c })
            .collect();
        let text = match warning.code {
            Some(code) => format!("{code:03} {text}"),
            None => text,
        };
        values::Warning { code: 399, agent: self.setup.policy.warning_agent.clone(), text }
    }

    /// A provisional answer to INVITE.
    pub(super) fn render_progress(&self, progress: &Progress) -> Reply {
        let reply = self.warned(Reply::new(progress.status), &progress.warnings);
        if progress.unconfirmed { reply.header(Name::PAnswerState, "Unconfirmed") } else { reply }
    }

    /// A 200 to INVITE (TS 24.379 6.3.3.2.3.2, 6.3.2.1.5.2).
    pub(super) fn render_acceptance(
        &self,
        owner: LegOwner,
        service: McService,
        acceptance: &Acceptance,
    ) -> Reply {
        let mut reply = Reply::new(200)
            .header(Name::PAssertedIdentity, format!("<{}>", self.psi_of(owner)))
            .header(Name::PAssertedService, names::of(service).icsi)
            .header(Name::Supported, SUPPORTED_IN_ANSWER);
        reply = self.warned(reply, &acceptance.warnings);
        if acceptance.unconfirmed {
            reply = reply.header(Name::PAnswerState, "Unconfirmed");
        }
        with_body(reply, session_bodies(acceptance.answer.as_ref(), acceptance.info.as_ref(), service))
    }

    /// A final failure of INVITE.
    pub(super) fn render_rejection(
        &self,
        owner: LegOwner,
        service: McService,
        rejection: &Rejection,
    ) -> Reply {
        let mut reply =
            Reply::new(rejection.status).header(Name::PAssertedIdentity, format!("<{}>", self.psi_of(owner)));
        reply = self.warned(reply, &rejection.warnings);
        for contact in &rejection.contacts {
            reply = reply.header(Name::Contact, format!("<{contact}>"));
        }
        if let Some(seconds) = rejection.retry_after {
            reply = reply.header(Name::RetryAfter, seconds.to_string());
        }
        with_body(reply, session_bodies(None, rejection.info.as_ref(), service))
    }

    /// The affiliated members of a group (TS 24.379 10.1.1.5.2, RFC 5318): the only place where the list of members goes.
    fn with_members(&self, reply: Reply, members: &SharedMembers) -> Reply {
        let users: Vec<String> = members.users.iter().map(ToString::to_string).collect();
        let id = format!("members@{}", self.setup.policy.domain);
        reply
            .header(Name::PRefusedUriList, format!("<{}>;members=<cid:{id}>", members.group))
            .header(Name::ContentId, format!("<{id}>"))
            .header(Name::ContentDisposition, "recipient-list")
            .body(names::RESOURCE_LISTS, resource_lists::encode(&users))
    }

    /// The INVITE of the terminating participating function to a client (TS 24.379 6.3.2.2.3). `client_contact` is our
    /// Contact.
    pub(super) fn render_invite(
        &mut self,
        owner: LegOwner,
        way: &Way,
        invitation: &Invitation,
        our_contact: &str,
    ) -> Draft {
        let psi = self.psi_of(owner).clone();
        let mut draft = self
            .outside_dialog(Method::Invite, &psi, way, invitation.service)
            .header(Name::Contact, our_contact);
        for (name, value) in &mut draft.headers {
            match (name, &invitation.asserted) {
                (Name::MaxForwards, _) => *value = invitation.hops.to_string(),
                (Name::PAssertedIdentity, Some(psi)) => *value = format!("<{psi}>"),
                _ => {}
            }
        }
        what_is_asked(draft, invitation)
    }

    /// The INVITE to a function elsewhere: of the originating participating function to a controlling function
    /// (TS 24.379 6.3.2.1.3), of the controlling function to the terminating participating function of a member
    /// (6.3.3.1.2). `session`: the session identity that the function gave, in place of its PSI. Returns the listener that
    /// our Contact names as well.
    pub(super) fn render_invite_to_function(
        &mut self,
        owner: LegOwner,
        to: &Psi,
        session: Option<&str>,
        invitation: &Invitation,
    ) -> (Draft, u16) {
        let kind = match owner {
            LegOwner::Call(_) => FunctionKind::Controlling,
            LegOwner::Participation(_) => FunctionKind::Participating,
        };
        let service = invitation.service;
        let mut draft = self.towards_function(Method::Invite, kind, to, service);
        if let Some(session) = session {
            session.clone_into(&mut draft.uri);
        }
        for (name, value) in &mut draft.headers {
            if *name == Name::MaxForwards {
                *value = invitation.hops.to_string();
            }
        }
        let hops = self.setup.agent.transactions.hops.of(&draft);
        let listener = hops.ok().and_then(|hops| hops.first().map(|hop| hop.listener)).unwrap_or(0);
        draft = draft.header(Name::Contact, self.contact(owner, listener, service, is_focus(owner, false)));
        draft = what_is_asked(requested(draft, service), invitation);
        (draft, listener)
    }

    /// The MESSAGE that carries a notice to one client.
    pub(super) fn render_notice(&mut self, owed: &Owed, way: &Way) -> Draft {
        let Owed { to, service, notice, .. } = owed;
        let service = *service;
        let psi = |kind| self.psi_of_kind(kind).clone();
        let gmop = |info: McInfo, document: String| {
            let document = Body { content_type: names::GMOP.to_owned(), content: document.into() };
            (psi(FunctionKind::Gms), vec![info_body(&info, service), document])
        };
        let client = way.client.as_ref();
        let about = |group: &GroupId| McInfo {
            request_uri: Some(to.to_string()),
            calling_group: Some(group.to_string()),
            client_id: client.map(ToString::to_string),
            ..McInfo::default()
        };
        let (psi, parts) = match notice {
            Notice::Regrouped { temporary, constituents, transaction_id, requestor } => {
                let kind = OperationKind::GroupRegroupNotification;
                let req_type = Some(kind.request_type().to_owned());
                let document =
                    GroupDocument { temporary: concerning(temporary, constituents), ..temporary.clone() };
                gmop(
                    McInfo { req_type, ..about(&temporary.id) },
                    gmop::notification(kind, &document, transaction_id, requestor.as_str()),
                )
            }
            Notice::TornDown { temporary, constituents, transaction_id, requestor } => {
                let kind = OperationKind::GroupRegroupTeardownNotification;
                let req_type = Some(kind.request_type().to_owned());
                gmop(
                    McInfo { req_type, ..about(temporary) },
                    about_constituents(kind, temporary, constituents, transaction_id, requestor),
                )
            }
            Notice::Result(result) => {
                let kind = match result.operation {
                    GmsOperation::Formation => OperationKind::GroupRegroupCreation,
                    GmsOperation::Teardown => OperationKind::GroupRegroupTeardown,
                };
                let resp_type = Some(kind.response_type().to_owned());
                gmop(McInfo { resp_type, ..about(&result.group) }, result_document(&kind, result))
            }
            Notice::Proposal(end) => (psi(FunctionKind::Participating), proposal_end_bodies(end, service)),
        };
        let mut draft = self.outside_dialog(Method::Message, &psi, way, service);
        if let Notice::Result(result) = notice {
            draft = draft.header(Name::InReplyTo, result.in_reply_to.clone());
        }
        with_draft_body(draft, parts)
    }

    /// The head of a request outside any dialog that a function sends to a user.
    pub(super) fn outside_dialog(
        &mut self,
        method: Method,
        psi: &Psi,
        way: &Way,
        service: McService,
    ) -> Draft {
        let mut draft = Draft::new(method, way.uri.clone());
        for route in &way.route {
            draft = draft.header(Name::Route, route.clone());
        }
        draft = draft
            .header(Name::From, format!("<{psi}>;tag={}", self.ids.tag()))
            .header(Name::To, format!("<{}>", way.public_id))
            .header(Name::CallId, self.ids.call_id())
            .header(Name::CSeq, format!("1 {}", method.text()))
            .header(Name::MaxForwards, super::read::MAX_FORWARDS.to_string())
            .header(Name::PAssertedIdentity, format!("<{psi}>"))
            .header(Name::PAssertedService, names::of(service).icsi);
        draft = requested(draft, service);
        if way.core {
            let domain = self.setup.policy.domain.clone();
            draft = draft
                .header(Name::PChargingVector, format!("icid-value={};orig-ioi={domain}", self.ids.token()));
        }
        draft
    }
}

/// Accept-Contact: who can take the service (TS 24.379 6.3.3.1.2 steps 2 and 4).
pub(super) fn requested(draft: Draft, service: McService) -> Draft {
    let names = names::of(service);
    draft.header(Name::AcceptContact, format!("*;+{};require;explicit", names.feature_tag)).header(
        Name::AcceptContact,
        format!("*;+g.3gpp.icsi-ref=\"{}\";require;explicit", names.icsi_escaped),
    )
}

/// What an invitation asks for: headers and bodies that are the same for everybody.
fn what_is_asked(mut draft: Draft, invitation: &Invitation) -> Draft {
    draft = draft.header(Name::Supported, SUPPORTED_IN_INVITE);
    for (header, value) in &invitation.answer_modes {
        let name = match header {
            AnswerModeHeader::Answer => Name::AnswerMode,
            AnswerModeHeader::PrivAnswer => Name::PrivAnswerMode,
        };
        draft = draft.header(name, value.clone());
    }
    if let Some(priority) = &invitation.resource_priority {
        draft = draft.header(Name::ResourcePriority, priority.clone());
    }
    let parts = session_bodies(invitation.offer.as_ref(), Some(&invitation.info), invitation.service);
    with_draft_body(draft, parts)
}

/// Whether the Contact of this instance carries `isfocus`: the controlling function is the focus; a participating
/// function is one for its client (TS 24.379 6.3.2.1.5.2), not for the controlling function.
pub(super) fn is_focus(owner: LegOwner, towards_client: bool) -> bool {
    matches!(owner, LegOwner::Call(_)) || towards_client
}

/// Which bodies this server takes, for 415 and OPTIONS.
pub(super) const ACCEPT: &str = "application/sdp, application/vnd.3gpp.mcptt-info+xml, \
    application/vnd.3gpp.mcvideo-info+xml, application/vnd.3gpp.mcdata-info+xml, application/vnd.3gpp.GMOP+xml, \
    application/vnd.3gpp.mcptt-affiliation-command+xml, application/vnd.3gpp.mcvideo-affiliation-command+xml, \
    application/vnd.3gpp.mcdata-affiliation-command+xml, \
    application/pidf+xml, application/conference-info+xml, application/poc-settings+xml, \
    application/xcap-diff+xml, \
    application/vnd.oma.poc.groups+xml, application/resource-lists+xml, application/simple-filter+xml, multipart/mixed";

/// The temporary group's element as a receiver sees it: only the constituents that concern it.
fn concerning(temporary: &GroupDocument, constituents: &[GroupId]) -> Option<Temporary> {
    temporary.temporary.as_ref().map(|old| Temporary { constituents: constituents.to_vec(), ..old.clone() })
}

/// An operation about these constituents of a temporary group.
pub(super) fn about_constituents(
    kind: OperationKind,
    temporary: &GroupId,
    constituents: &[GroupId],
    transaction_id: &str,
    requestor: &UserId,
) -> String {
    gmop::Gmop::Request(gmop::Operation {
        kind,
        group_id: Some(temporary.to_string()),
        transaction_id: Some(transaction_id.to_owned()),
        requestor: Some(requestor.to_string()),
        group: Some(gmop::GroupProposal {
            uri: temporary.to_string(),
            constituents: Some(constituents.iter().map(ToString::to_string).collect()),
            ..gmop::GroupProposal::default()
        }),
        document: None,
    })
    .encode()
}

fn result_document(operation: &OperationKind, result: &OperationResult) -> String {
    gmop::Gmop::Response(Box::new(gmop::Response {
        operation: operation.name().to_owned(),
        group_id: result.group.to_string(),
        transaction_id: result.transaction_id.clone(),
        result: outcome_of(result.failure.as_ref()),
        rejected: rejected_in(result.failure.as_ref()),
        document: result.document.clone(),
    }))
    .encode()
}

/// What came of a proposal (TS 23.280 10.8.5.1.2 step 6), in the form that the target's client uses to us.
pub(super) fn proposal_end_bodies(end: &ProposalEnd, service: McService) -> Vec<Body> {
    let command = AffiliationCommand {
        affiliate: end.changes.affiliate.clone(),
        de_affiliate: end.changes.de_affiliate.clone(),
        outcome: Some(ChangeOutcome { outcome: end.outcome, in_reply_to: Some(end.call_id.clone()) }),
    };
    let content_type = names::of(service).affiliation_command_type.to_owned();
    vec![
        info_body(&super::requests::about(end.originator.as_str(), end.target.as_str()), service),
        Body { content_type, content: command.encode(service).into() },
    ]
}
/// `gx:result` and `gx:reason`.
pub(super) fn outcome_of(failure: Option<&Failure>) -> Result<(), gmop::Reason> {
    failure.map_or(Ok(()), |failure| Err(gmop::Reason::new(gmop::ReasonCode::of(&failure.code))))
}

/// `gx:rejected-group`.
pub(super) fn rejected_in(failure: Option<&Failure>) -> Vec<(GroupId, gmop::ReasonCode)> {
    let rejected = failure.into_iter().flat_map(|failure| &failure.rejected);
    rejected.map(|(group, code)| (group.clone(), gmop::ReasonCode::of(code))).collect()
}

pub(super) fn info_body(info: &McInfo, service: McService) -> Body {
    Body { content_type: names::of(service).info_type.to_owned(), content: info.encode(service).into() }
}

fn session_bodies(sdp: Option<&SessionDescription>, info: Option<&McInfo>, service: McService) -> Vec<Body> {
    let mut parts = Vec::new();
    if let Some(sdp) = sdp {
        parts.push(Body {
            content_type: names::SDP.to_owned(),
            content: bytes::Bytes::copy_from_slice(sdp.encode().as_bytes()),
        });
    }
    if let Some(info) = info
        && *info != McInfo::default()
    {
        parts.push(info_body(info, service));
    }
    parts
}

fn with_body(reply: Reply, parts: Vec<Body>) -> Reply {
    if parts.is_empty() {
        return reply;
    }
    let body = multipart::join(parts);
    reply.body(body.content_type, body.content)
}

pub(super) fn with_draft_body(draft: Draft, parts: Vec<Body>) -> Draft {
    if parts.is_empty() {
        return draft;
    }
    let body = multipart::join(parts);
    draft.body(body.content_type, body.content)
}

/// Bodies of an offer inside a session.
pub(super) fn offer_body(
    offer: Option<&SessionDescription>,
    info: Option<&McInfo>,
    service: McService,
) -> Option<Body> {
    let parts = session_bodies(offer, info, service);
    (!parts.is_empty()).then(|| multipart::join(parts))
}
