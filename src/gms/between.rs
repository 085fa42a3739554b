//! What group management servers of several systems say to each other: MESSAGEs with a GMOP request, answered by a
//! MESSAGE with the result (TS 23.280 10.2.4.2, 10.2.4.3, 10.2.7).
//!
//! ```text
//!  GMS                                       GMS elsewhere
//!    |-- MESSAGE: request (transaction-id) ----->| stored before the answer
//!    |<-------------------------------- 200 OK --|
//!    |<-- MESSAGE: result (transaction-id) ------|
//!    |-- 200 OK -------------------------------->|
//! ```
//!
//! A request is a fact ([`Asked::Group`]) until it is answered, and so is a result ([`Asked::GroupResult`]); both may come
//! twice. A request that came before gets the result it got then ([`Exchange`]).

use super::{
    configuration_provision, configuration_request, configuration_withdrawal, formation_across,
    formation_partner, read_group, teardown_across, teardown_partner,
};
use crate::documents::gmop::{self, OperationKind, ReasonCode};
use crate::model::*;
use crate::procedure::{
    Answer, Caller, Outcome, Over, Policy, Refusal, ReplyTo, RequestEnd, Send, View, Warning,
};
use std::time::Duration;

/// How many answer times (`gms_timeout`, T-gms-http) a partner has for one request: it is asked that often, in other
/// words, before it counts as unreachable.
pub const ATTEMPTS: u32 = 3;

/// How many answer times a formation has altogether: with the default of 6 s it is over before T-result, 32 s.
pub const FORMATION_ATTEMPTS: u32 = 5;

/// How long a cancellation of what a partner has only reserved is tried. It may have to wait for the end of the
/// transaction of the check (64*T1), and then the partner's reservation runs out by itself.
pub const CANCEL_FOR: Duration = Duration::from_secs(90);

/// How long a result is tried. Who asked asks again if it does not come.
pub const RESULT_FOR: Duration = Duration::from_secs(60);

/// An operation that a GMS elsewhere asks for.
#[derive(Clone, Debug)]
pub struct PartnerAsk {
    /// The request that waits for its answer.
    pub reply: ReplyTo,
    /// Who asks.
    pub caller: Caller,
    /// Call-ID of the request, for In-Reply-To of the result.
    pub call_id: String,
    /// The service of the request.
    pub service: Service,
    /// The operation element.
    pub operation: gmop::Operation,
}

/// A request of a GMS elsewhere, looked at as far as all operations have it in common.
pub(super) struct Request {
    pub reply: ReplyTo,
    pub caller: Caller,
    pub call_id: String,
    pub service: Service,
    /// The group concerned.
    pub group: GroupId,
    pub transaction_id: String,
    /// In whose name.
    pub requestor: UserId,
}

impl Request {
    /// Whether the group concerned belongs to the partner system that asks.
    pub fn is_of_its_own(&self) -> bool {
        let partner = self.caller.partner.as_deref();
        partner.is_some_and(|domain| self.group.domain().eq_ignore_ascii_case(domain))
    }

    /// The empty answer to the request itself; the result comes by itself.
    pub fn taken(&self) -> Send {
        Send::Answer { to: self.reply, answer: Answer::plain(200) }
    }

    /// 200, and the result, which is remembered for a repetition.
    pub fn finish(
        &self,
        view: &mut View<'_>,
        operation: GroupOperation,
        result: Result<(), Failure>,
        outcome: &mut Outcome<Over>,
    ) {
        outcome.sends.push(self.taken());
        let response = GroupResponse {
            operation,
            group: self.group.clone(),
            transaction_id: self.transaction_id.clone(),
            in_reply_to: self.call_id.clone(),
            service: self.service,
            result,
            document: None,
        };
        respond(view, &self.caller.psi, response, outcome);
    }
}

/// A request of a GMS elsewhere.
///
/// # Errors
/// What is answered at once, without effect and without result: the sender may not, or the request is no request.
pub fn request(view: &mut View<'_>, ask: PartnerAsk) -> Result<Outcome<Over>, Refusal> {
    let PartnerAsk { reply, caller, call_id, service, operation } = ask;
    let in_document = operation.group.as_ref().map(|group| group.uri.as_str());
    let in_whole = operation.document.as_ref().map(|group| group.id.as_str());
    let group = super::named(&[operation.group_id.as_deref(), in_document, in_whole])?
        .ok_or_else(|| Refusal::malformed("GMOP: no group-id"))?;
    let transaction_id = match operation.transaction_id.as_deref().map(str::trim) {
        None | Some("") => return Err(Refusal::malformed("GMOP: no transaction-id")),
        Some(id) if id.len() > super::TRANSACTION_ID_OCTETS => {
            return Err(Refusal::malformed("GMOP: transaction-id is too long"));
        }
        Some(id) => id.to_owned(),
    };
    let requestor = match operation.requestor.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
        Some(text) => UserId::new(read_group(text)?.as_str()),
        None => UserId::new(caller.psi.as_str()),
    };
    let request = Request { reply, caller, call_id, service, group, transaction_id, requestor };

    // What was done before is not done twice. What was asked under another name is another request.
    let known = view.model.exchange(&request.caller.psi, &request.transaction_id);
    if let Some(known) = known.filter(|known| known.forget > view.now) {
        let response = &known.response;
        if response.group != request.group || kind_of(response.operation) != operation.kind {
            return Err(Refusal::TransactionReused);
        }
        let response = GroupResponse { in_reply_to: request.call_id.clone(), ..response.clone() };
        let mut outcome = Outcome::end(Vec::new(), vec![request.taken()]);
        // The result that is on its way is enough.
        if known.told.is_none_or(|told| view.model.request(told).is_none()) {
            respond(view, &request.caller.psi, response, &mut outcome);
        }
        return Ok(outcome);
    }
    match operation.kind {
        OperationKind::GroupRegroupCheck => formation_partner::check(view, request, operation.group.as_ref()),
        OperationKind::GroupRegroupNotification => {
            formation_partner::notified(view, request, operation.document)
        }
        OperationKind::GroupRegroupCancel => {
            teardown_partner::told(view, request, GroupOperation::RegroupCancel)
        }
        OperationKind::GroupRegroupTeardownNotification => {
            teardown_partner::told(view, request, GroupOperation::TeardownNotification)
        }
        OperationKind::GroupInformationProvision => {
            configuration_provision::provided(view, request, operation.document)
        }
        OperationKind::GroupInformationRequest => configuration_request::asked(view, request),
        OperationKind::DeleteGroup => configuration_withdrawal::withdrawn(view, request),
        _ => Err(Refusal::UnknownOperation),
    }
}

/// Whether a GMS elsewhere may say something about a temporary group: the agreement permits regrouping, and the group is
/// of its own system.
///
/// # Errors
/// [`Refusal::PartnerMayNot`].
pub(super) fn may_regroup(policy: &Policy, request: &Request) -> Result<(), Refusal> {
    let domain = request.caller.partner.as_deref().unwrap_or(&policy.domain);
    let its_own = request.group.domain().eq_ignore_ascii_case(domain);
    if its_own && request.caller.may(policy).regroup {
        return Ok(());
    }
    Err(Refusal::PartnerMayNot(request.caller.psi.clone()))
}

/// The result of a request of ours.
pub fn response(
    view: &mut View<'_>,
    reply: ReplyTo,
    caller: &Caller,
    response: gmop::Response,
) -> Result<Outcome<Over>, Refusal> {
    let group = read_group(&response.group_id)?;
    let result = response.result.map_err(|reason| Failure {
        code: reason.code.text().to_owned(),
        rejected: response
            .rejected
            .into_iter()
            .map(|(group, code)| (group, code.text().to_owned()))
            .collect(),
    });
    let answer = GroupAnswer { result, document: response.document };
    let mut outcome = ended(view, &caller.psi, &group, &response.transaction_id, answer);
    outcome.sends.insert(0, Send::Answer { to: reply, answer: Answer::plain(200) });
    Ok(outcome)
}

/// A request of ours to a GMS elsewhere is over as far as SIP is concerned. Its result is still to come if it was taken.
pub fn request_ended(view: &mut View<'_>, request: &FunctionRequest, end: RequestEnd) -> Outcome<Over> {
    let Asked::Group(asked) = &request.what else { return Outcome::default() };
    let result = match end {
        RequestEnd::Taken { .. } if is_compact(view.policy, &request.to, &asked.what) => Ok(()),
        RequestEnd::Taken { .. } => return Outcome::default(),
        RequestEnd::Failed { status, warnings, .. } => {
            let code = code_of(status, &warnings).text().to_owned();
            Err(Failure { code, rejected: Vec::new() })
        }
    };
    let answer = GroupAnswer { result, document: None };
    ended(view, &request.to, &asked.group, &asked.transaction_id, answer)
}

/// The result of a request of ours.
pub(super) struct GroupAnswer {
    pub result: Result<(), Failure>,
    pub document: Option<GroupDocument>,
}

/// Whether the 200 to a request is its result already (`compact_7b`).
fn is_compact(policy: &Policy, gms: &Psi, what: &GroupAsked) -> bool {
    matches!(what, GroupAsked::TeardownNotification { .. } | GroupAsked::RegroupCancel)
        && policy.partner_of_function(gms).is_some_and(|partner| partner.compact_7b)
}

/// A request of ours has its result: whoever waits for it goes on. Nobody waits for what came late or twice.
fn ended(
    view: &mut View<'_>,
    by: &Psi,
    group: &GroupId,
    transaction_id: &str,
    answer: GroupAnswer,
) -> Outcome<Over> {
    let result = answer.result;
    if let Some(wanted) = view.model.wanted(group.as_str())
        && wanted.transaction_id == transaction_id
    {
        let answer = GroupAnswer { result, ..answer };
        return configuration_request::answered(view, by, wanted.clone(), answer);
    }
    let sharing = view
        .model
        .sharings_of(group)
        .find(|sharing| sharing.transaction_id == transaction_id && is_same(view.policy, &sharing.with, by));
    if let Some(sharing) = sharing {
        let sharing = sharing.clone();
        return configuration_provision::answered(sharing, result);
    }
    let is_it = |part: &Part| part.transaction_id == transaction_id && is_same(view.policy, &part.gms, by);
    if let Some(formation) = view.model.formation(group.as_str())
        && let Some(place) = formation.parts.iter().position(is_it)
    {
        let formation = formation.clone();
        return formation_across::answered(view, formation, place, result);
    }
    if let Some(withdrawal) = view.model.withdrawal(group.as_str())
        && let Some(place) = withdrawal.parts.iter().position(is_it)
    {
        let withdrawal = withdrawal.clone();
        return teardown_across::answered(view, withdrawal, place, result);
    }
    Outcome::default()
}

/// Whether two PSIs are GMSs of the same system: whoever of them is asked, the other may answer.
fn is_same(policy: &Policy, one: &Psi, other: &Psi) -> bool {
    let system = |psi| policy.partner_of_function(psi).map(|partner| &partner.domain);
    one == other || system(one).is_some_and(|domain| system(other) == Some(domain))
}

/// Asks a GMS elsewhere: as a fact, and as something to send.
pub(super) fn ask(
    view: &mut View<'_>,
    to: &Psi,
    request: GroupRequest,
    until: crate::env::Time,
    outcome: &mut Outcome<Over>,
) -> RequestRef {
    let id = RequestRef(view.ids.number());
    outcome.changes.push(Change::Put(Fact::Request(FunctionRequest {
        id,
        from: FunctionKind::Gms,
        to: to.clone(),
        what: Asked::Group(request),
        begun: view.now,
        until: Some(until),
    })));
    outcome.sends.push(Send::Request(id));
    id
}

/// Takes back the request to a partner, if it is not over.
pub(super) fn withdrawn(model: &Model, part: &Part) -> Option<Change> {
    let open = part.request.and_then(|id| model.request(id));
    open.map(|open| Change::Remove(FactKey::Request(open.id)))
}

/// Tells the result of a request, and remembers it for a repetition.
pub(super) fn respond(view: &mut View<'_>, to: &Psi, response: GroupResponse, outcome: &mut Outcome<Over>) {
    let told = send_response(view, to, response.clone(), outcome);
    outcome.changes.push(Change::Put(Fact::Exchange(Exchange {
        with: to.clone(),
        transaction_id: response.transaction_id.clone(),
        response,
        told,
        forget: view.now.plus(view.policy.operations_for),
    })));
}

pub(super) fn send_response(
    view: &mut View<'_>,
    to: &Psi,
    response: GroupResponse,
    outcome: &mut Outcome<Over>,
) -> Option<RequestRef> {
    let confirms =
        matches!(response.operation, GroupOperation::TeardownNotification | GroupOperation::RegroupCancel)
            && response.result.is_ok();
    if confirms && view.policy.partner_of_function(to).is_some_and(|partner| partner.compact_7b) {
        return None;
    }
    let id = RequestRef(view.ids.number());
    outcome.changes.push(Change::Put(Fact::Request(FunctionRequest {
        id,
        from: FunctionKind::Gms,
        to: to.clone(),
        what: Asked::GroupResult(response),
        begun: view.now,
        until: Some(view.now.plus(RESULT_FOR)),
    })));
    outcome.sends.push(Send::Request(id));
    Some(id)
}

/// In whose name a partner is asked: the user's, if both systems tell each other their users, else our own.
pub(super) fn requestor_for(policy: &Policy, gms: &Psi, user: &UserId) -> UserId {
    if policy.partner_of_function(gms).is_none_or(|partner| partner.shares_members) {
        return user.clone();
    }
    own_identity(policy, gms)
}

/// In whose name the GMS asks one elsewhere for itself: its gateway's, where that hides it (TS 24.379 6.8.2 step 3).
pub(super) fn own_identity(policy: &Policy, gms: &Psi) -> UserId {
    let hidden = policy.partner_of_function(gms).is_some_and(|partner| partner.hides);
    if let Some(gateway) = policy.gateway.as_ref().filter(|_| hidden) {
        return UserId::new(gateway.as_str());
    }
    UserId::new(policy.functions.gms.first().map_or(policy.domain.as_str(), Psi::as_str))
}

/// The failure with this code, of these constituents.
pub(super) fn failure(code: &ReasonCode, groups: &[GroupId]) -> Failure {
    let code = code.text().to_owned();
    let rejected = groups.iter().map(|group| (group.clone(), code.clone())).collect();
    Failure { code, rejected }
}

/// The operation element of an operation.
pub fn kind_of(operation: GroupOperation) -> OperationKind {
    match operation {
        GroupOperation::RegroupCheck => OperationKind::GroupRegroupCheck,
        GroupOperation::RegroupNotification => OperationKind::GroupRegroupNotification,
        GroupOperation::RegroupCancel => OperationKind::GroupRegroupCancel,
        GroupOperation::TeardownNotification => OperationKind::GroupRegroupTeardownNotification,
        GroupOperation::InformationProvision => OperationKind::GroupInformationProvision,
        GroupOperation::InformationRequest => OperationKind::GroupInformationRequest,
        GroupOperation::InformationWithdrawal => OperationKind::DeleteGroup,
    }
}

/// What a GMS means that answers a request with this status: by its first Warning if that has a code, else by the status.
fn code_of(status: u16, warnings: &[Warning]) -> ReasonCode {
    match warnings.iter().find_map(|warning| warning.code) {
        Some(148) => return ReasonCode::GroupAlreadyRegrouped,
        Some(163) => return ReasonCode::GroupNotFound,
        Some(165) => return ReasonCode::GroupIdInUse,
        Some(179 | 180) => return ReasonCode::PartnerNotPermitted,
        Some(100) => return ReasonCode::LocalPolicy,
        _ => {}
    }
    match status {
        400 | 415 | 501 => ReasonCode::DocumentInvalid,
        403 => ReasonCode::PartnerNotPermitted,
        412 => ReasonCode::VersionConflict,
        _ => ReasonCode::PartnerUnreachable,
    }
}

/// The reason that a refusal is told by in a result; `None` for one that is no result of an operation.
pub(super) fn reason_of(refusal: &Refusal) -> Option<(ReasonCode, Option<&GroupId>)> {
    Some(match refusal {
        Refusal::GroupNotFound(group) => (ReasonCode::GroupNotFound, Some(group)),
        Refusal::GroupIsTemporary(group) => (ReasonCode::GroupIsTemporary, Some(group)),
        Refusal::AlreadyRegrouped(group) => (ReasonCode::GroupAlreadyRegrouped, Some(group)),
        Refusal::LocalPolicy { .. } => (ReasonCode::LocalPolicy, None),
        Refusal::NotAuthorised => (ReasonCode::NotAuthorised, None),
        _ => return None,
    })
}
