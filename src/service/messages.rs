//! MESSAGE: which procedure it is for, by its bodies.

use super::read::{canonical, fingerprint, unusable};
use super::trust::{Sender, Unknown};
use super::{ReplyKind, Service};
use crate::documents::gmop::{Gmop, OperationKind};
use crate::documents::names;
use crate::env::Time;
use crate::gms;
use crate::model::Service as McService;
use crate::procedure::Refusal;
use crate::sip::message::Request;
use crate::sip::transaction::{Flow, ServerId};

impl Service {
    /// MESSAGE: operations of the GMS (this product's carrier of TS 24.481 GMOP).
    pub(super) fn message(
        &mut self,
        now: Time,
        id: ServerId,
        flow: Flow,
        request: &Request,
    ) -> Result<(), Unknown> {
        let refuse = |refusal| Unknown::Refuse(refusal);
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
            return Err(refuse(Refusal::NotFound));
        }
        let user = match self.identify(now, flow, request)? {
            Sender::User(user) => user,
            Sender::Function(..) => {
                return Err(refuse(Refusal::NotPermitted {
                    why: "group operations between systems are not agreed",
                }));
            }
        };
        let mut bodies = self.bodies(request).map_err(refuse)?;
        let mc_service = self.service_of(request, &bodies).map_err(refuse)?.unwrap_or(McService::Mcptt);
        let Some((_, info)) = bodies.info.take() else {
            return Err(refuse(Refusal::Malformed { place: "mcptt-info missing".to_owned() }));
        };
        let info = canonical(info);
        let Some(part) = bodies.find(names::GMOP) else {
            let known = info.req_type.as_deref().is_none_or(|kind| KINDS.contains(&kind));
            return Err(refuse(if known {
                Refusal::UnsupportedBody { expected: names::GMOP }
            } else {
                Refusal::UnknownOperation
            }));
        };
        let operation =
            match Gmop::decode(&part.content, &self.setup.limits).map_err(|e| refuse(unusable(e)))? {
                Gmop::Request(operation) => operation,
                Gmop::Response(_) => return Err(refuse(Refusal::UnknownOperation)),
            };
        match (info.req_type.as_deref(), kind_of(&operation.kind)) {
            (Some(kind), _) if !KINDS.contains(&kind) => return Err(refuse(Refusal::UnknownOperation)),
            (Some(kind), Some(of_document)) if kind != of_document => {
                let place = "mcptt-info and GMOP name different operations";
                return Err(refuse(Refusal::malformed(place)));
            }
            _ => {}
        }
        let hash = fingerprint(&part.content);
        let client = self.client_named(now, &user, info.client_id.as_deref(), flow);
        let groups =
            operation.group.as_ref().and_then(|group| group.constituents.as_ref()).map_or(0, Vec::len);
        self.within_groups_limit(groups).map_err(refuse)?;
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
}

/// Request kinds of TS 24.379's `req-type` that this server's GMS takes.
const KINDS: [&str; 2] = ["group-regroup-request", "group-regroup-teardown-request"];

/// The request kind that belongs to an operation element.
fn kind_of(operation: &OperationKind) -> Option<&'static str> {
    let [formation, teardown] = KINDS;
    match operation {
        OperationKind::GroupRegroupCreation => Some(formation),
        OperationKind::GroupRegroupTeardown => Some(teardown),
        _ => None,
    }
}
