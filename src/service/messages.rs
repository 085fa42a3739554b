//! MESSAGE: which procedure it is for, by its bodies.

use super::read::{Bodies, MAX_FORWARDS, canonical, fingerprint};
use super::trust::{Sender, Unknown};
use super::{ReplyKind, Service};
use crate::documents::affiliation_command::AffiliationCommand;
use crate::documents::gmop::{Gmop, Operation, OperationKind};
use crate::documents::{Body, McInfo, Part, names};
use crate::env::Time;
use crate::mc::proposing::CommandAsk;
use crate::mc::remote_change::Originator;
use crate::model::{Service as McService, UserId};
use crate::procedure::{Heading, Refusal};
use crate::sip::dialog::without_params;
use crate::sip::message::{Malformed, Request};
use crate::sip::transaction::{Flow, ServerId};
use crate::sip::wire::Name;
use crate::{gms, mc};

impl Service {
    /// MESSAGE: operations of the GMS (this product's carrier of TS 24.481 GMOP).
    pub(super) fn message(
        &mut self,
        now: Time,
        id: ServerId,
        flow: Flow,
        request: &Request,
    ) -> Result<(), Unknown> {
        let addressed = request.uri().identity();
        let functions = &self.setup.policy.functions;
        let to_gms = functions.gms.iter().any(|psi| psi.as_str() == addressed);
        let ours = to_gms
            || functions
                .participating
                .iter()
                .chain(&functions.controlling)
                .any(|psi| psi.as_str() == addressed);
        if !ours {
            return Err(Refusal::NotFound.into());
        }
        let mut bodies = self.bodies(request)?;
        let mc_service = self.service_of(request, &bodies)?.unwrap_or(McService::Mcptt);
        if bodies.parts.iter().any(|part| names::of_affiliation_command_type(&part.media_type).is_some()) {
            return self.affiliation_command(now, id, flow, request, bodies, mc_service);
        }
        let user = match self.identify(now, flow, request)? {
            Sender::User(user) => user,
            Sender::Function(caller) if to_gms => {
                return self.message_of_function(now, id, request, caller, bodies);
            }
            Sender::Function(..) => {
                return Err(Refusal::NotPermitted { why: "a function has nothing to tell this one" }.into());
            }
        };
        let Some((_, info)) = bodies.info.take() else {
            return Err(Refusal::malformed("mcptt-info missing").into());
        };
        let info = canonical(info);
        let part = gmop_part(&bodies, &info)?;
        let operation = self.operation(part, &info)?;
        let hash = fingerprint(&part.content);
        let client = self.client_named(now, &user, info.client_id.as_deref(), flow);
        let groups =
            operation.group.as_ref().and_then(|group| group.constituents.as_ref()).map_or(0, Vec::len);
        self.within_groups_limit(groups)?;
        self.decide(now, id, request, ReplyKind::Plain, |service, reply| {
            let ask = gms::Ask {
                reply,
                sender: user.id.clone(),
                client,
                call_id: request.call_id().to_owned(),
                info,
                service: mc_service,
                operation,
                hash,
            };
            match ask.operation.kind {
                OperationKind::GroupRegroupCreation => gms::formation::request(&mut view!(service, now), ask),
                OperationKind::GroupRegroupTeardown => gms::teardown::request(&mut view!(service, now), ask),
                _ => Err(Refusal::UnknownOperation),
            }
        })
    }

    /// The operation in a GMOP document, if users may ask it of our GMS.
    fn operation(&self, part: &Part, info: &McInfo) -> Result<Operation, Unknown> {
        let operation = match Gmop::decode(&part.content, &self.setup.limits)? {
            Gmop::Request(operation) => operation,
            Gmop::Response(_) => return Err(Refusal::UnknownOperation.into()),
        };
        if let Some(said) = info.req_type.as_deref() {
            if !is_taken(said) {
                return Err(Refusal::UnknownOperation.into());
            }
            if takes(&operation.kind) && said != operation.kind.request_type() {
                return Err(Refusal::malformed("mcptt-info and GMOP name different operations").into());
            }
        }
        Ok(operation)
    }

    /// An affiliation command (TS 24.379 9.2.1.4): a proposal, or, with an outcome, what came of one.
    fn affiliation_command(
        &mut self,
        now: Time,
        id: ServerId,
        flow: Flow,
        request: &Request,
        mut bodies: Bodies,
        service: McService,
    ) -> Result<(), Unknown> {
        self.addressed_participating(request)?;
        let info = bodies.info.take().map(|(_, info)| canonical(info));
        let sender = self.originator(now, flow, request, info.as_ref())?;
        let Some(info) = info else {
            return Err(Refusal::malformed("mcptt-info missing").into());
        };
        let content_type = names::of(service).affiliation_command_type;
        let Some(part) = bodies.find(content_type) else {
            return Err(Refusal::UnsupportedBody { expected: content_type }.into());
        };
        let mut command = AffiliationCommand::decode(&part.content, &self.setup.limits)?;
        if let (Originator::Function { caller, .. }, Some(said), Some(originator)) =
            (&sender, &mut command.outcome, &info.request_uri)
            && let Some(shown) = &mut said.in_reply_to
        {
            *shown = self.call_id_meant(caller, &UserId::new(originator.as_str()), shown);
        }
        self.within_groups_limit(command.affiliate.len() + command.de_affiliate.len())?;
        let document = Body { content_type: content_type.to_owned(), content: part.content.clone() };
        let heading = heading(request)?;
        let client = match &sender {
            Originator::Client(user) => match self.model.user(user.as_str()).cloned() {
                Some(user) => self.client_named(now, &user, info.client_id.as_deref(), flow),
                None => None,
            },
            Originator::Function { .. } => None,
        };
        self.decide(now, id, request, ReplyKind::Plain, |layer, reply| {
            let is_outcome = command.outcome.is_some();
            let ask = CommandAsk { reply, sender, client, service, info, command, document, heading };
            if is_outcome {
                mc::proposal_end::told(&mut view!(layer, now), ask)
            } else {
                mc::proposing::propose(&mut view!(layer, now), ask)
            }
        })
    }
}

/// What a MESSAGE keeps when it is passed on.
fn heading(request: &Request) -> Result<Heading, Malformed> {
    let hops = request.number(Name::MaxForwards)?.unwrap_or(MAX_FORWARDS);
    Ok(Heading {
        from: without_params(&request.from()?.text).to_owned(),
        to: without_params(&request.to()?.text).to_owned(),
        call_id: request.call_id().to_owned(),
        cseq: request.cseq(),
        hops: hops.saturating_sub(1),
    })
}

/// The GMOP document of a MESSAGE.
fn gmop_part<'a>(bodies: &'a Bodies, info: &McInfo) -> Result<&'a Part, Refusal> {
    bodies.find(names::GMOP).ok_or_else(|| {
        if info.req_type.as_deref().is_none_or(is_taken) {
            Refusal::UnsupportedBody { expected: names::GMOP }
        } else {
            Refusal::UnknownOperation
        }
    })
}

/// Whether users may ask this of our GMS.
fn takes(operation: &OperationKind) -> bool {
    matches!(operation, OperationKind::GroupRegroupCreation | OperationKind::GroupRegroupTeardown)
}

/// Whether this `req-type` asks for such an operation.
fn is_taken(request_type: &str) -> bool {
    OperationKind::of_request_type(request_type).as_ref().is_some_and(takes)
}
