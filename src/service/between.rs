//! What group management servers of several systems say to each other, as SIP: MESSAGE with an info document that says
//! what kind of request or result it is, and a GMOP document.

use super::ReplyKind;
use super::Service;
use super::read::Bodies;
use super::render::{about_constituents, info_body, outcome_of, rejected_in, with_draft_body};
use super::trust::Unknown;
use crate::documents::gmop::{self, Gmop, OperationKind};
use crate::documents::{Body, McInfo, names};
use crate::env::Time;
use crate::gms::between::{self, PartnerAsk, kind_of};
use crate::model::{
    FunctionKind, FunctionRequest, GroupAsked, GroupRequest, GroupResponse, Service as McService,
};
use crate::procedure::{Caller, Refusal};
use crate::sip::message::{Draft, Method, Request};
use crate::sip::transaction::ServerId;
use crate::sip::wire::Name;

impl Service {
    /// A MESSAGE of a function elsewhere to our GMS.
    pub(super) fn message_of_function(
        &mut self,
        now: Time,
        id: ServerId,
        request: &Request,
        caller: Caller,
        mut bodies: Bodies,
    ) -> Result<(), Unknown> {
        if !caller.gms {
            let why = "group operations between functions are those of group management servers";
            return Err(Refusal::NotPermitted { why }.into());
        }
        let caller = self.spoken_for(caller, FunctionKind::Gms);
        let service = self.service_of(request, &bodies)?.unwrap_or(McService::Mcptt);
        let Some((_, info)) = bodies.info.take() else {
            return Err(Refusal::malformed("mcptt-info missing").into());
        };
        let document = match bodies.find(names::GMOP) {
            Some(part) => Gmop::decode(&part.content, &self.setup.limits)?,
            // A deletion needs nothing but the group; whoever says no more than that repeats it with its Call-ID.
            None if info.req_type.as_deref() == Some(OperationKind::DeleteGroup.request_type()) => {
                Gmop::Request(gmop::Operation {
                    kind: OperationKind::DeleteGroup,
                    group_id: info.request_uri.clone(),
                    transaction_id: Some(request.call_id().to_owned()),
                    requestor: None,
                    group: None,
                    document: None,
                })
            }
            None => return Err(Refusal::UnsupportedBody { expected: names::GMOP }.into()),
        };
        let (said, kind) = match &document {
            Gmop::Request(operation) => (&info.req_type, operation.kind.request_type()),
            Gmop::Response(response) => {
                (&info.resp_type, OperationKind::of(&response.operation).response_type())
            }
        };
        if kind.is_empty() {
            return Err(Refusal::UnknownOperation.into());
        }
        if said.as_deref().is_some_and(|said| said != kind) {
            return Err(Refusal::malformed("mcptt-info and GMOP name different operations").into());
        }
        self.decide(now, id, request, ReplyKind::Plain, |service_itself, reply| match document {
            Gmop::Request(operation) => {
                let groups = operation.group.as_ref().and_then(|group| group.constituents.as_ref());
                service_itself.within_groups_limit(groups.map_or(0, Vec::len))?;
                let call_id = request.call_id().to_owned();
                let ask = PartnerAsk { reply, caller, call_id, service, operation };
                between::request(&mut view!(service_itself, now), ask)
            }
            Gmop::Response(response) => {
                between::response(&mut view!(service_itself, now), reply, &caller, *response)
            }
        })
    }

    /// A request of our GMS to one elsewhere.
    pub(super) fn render_group_request(&mut self, request: &FunctionRequest, asked: &GroupRequest) -> Draft {
        let GroupRequest { what, group, transaction_id, requestor, service } = asked;
        let kind = kind_of(what.operation());
        let info = McInfo {
            request_uri: Some(group.to_string()),
            calling_user: Some(requestor.to_string()),
            req_type: Some(kind.request_type().to_owned()),
            ..McInfo::default()
        };
        let document = match what {
            GroupAsked::RegroupCheck { constituents } | GroupAsked::TeardownNotification { constituents } => {
                about_constituents(kind, group, constituents, transaction_id, requestor)
            }
            GroupAsked::RegroupNotification { document } => {
                gmop::notification(kind, document, transaction_id, requestor.as_str())
            }
            GroupAsked::InformationProvision { document } => Gmop::Request(gmop::Operation {
                kind,
                group_id: Some(group.to_string()),
                transaction_id: Some(transaction_id.clone()),
                requestor: Some(requestor.to_string()),
                group: None,
                document: Some(Box::new(document.clone())),
            })
            .encode(),
            GroupAsked::RegroupCancel
            | GroupAsked::InformationRequest
            | GroupAsked::InformationWithdrawal => Gmop::Request(gmop::Operation {
                kind,
                group_id: Some(group.to_string()),
                transaction_id: Some(transaction_id.clone()),
                requestor: Some(requestor.to_string()),
                group: None,
                document: None,
            })
            .encode(),
        };
        self.between_gms(request, *service, None, &info, document)
    }

    /// The result of what a GMS elsewhere asked of ours.
    pub(super) fn render_group_response(
        &mut self,
        request: &FunctionRequest,
        response: &GroupResponse,
    ) -> Draft {
        let kind = kind_of(response.operation);
        let info = McInfo {
            request_uri: Some(response.group.to_string()),
            resp_type: Some(kind.response_type().to_owned()),
            ..McInfo::default()
        };
        let failure = response.result.as_ref().err();
        let document = Gmop::Response(Box::new(gmop::Response {
            operation: kind.name().to_owned(),
            group_id: response.group.to_string(),
            transaction_id: response.transaction_id.clone(),
            result: outcome_of(failure),
            rejected: rejected_in(failure),
            document: response.document.clone(),
        }));
        let in_reply_to = Some(response.in_reply_to.as_str());
        self.between_gms(request, response.service, in_reply_to, &info, document.encode())
    }

    fn between_gms(
        &mut self,
        request: &FunctionRequest,
        service: McService,
        in_reply_to: Option<&str>,
        info: &McInfo,
        document: String,
    ) -> Draft {
        let names = names::of(service);
        let mut draft = self.towards_function(Method::Message, request.from, &request.to, service);
        if let Some(call_id) = in_reply_to {
            draft = draft.header(Name::InReplyTo, call_id);
        }
        draft =
            draft.header(Name::AcceptContact, format!("*;+{};require;explicit", names.feature_tag)).header(
                Name::AcceptContact,
                format!("*;+g.3gpp.icsi-ref=\"{}\";require;explicit", names.icsi_escaped),
            );
        let parts = vec![
            info_body(info, service),
            Body { content_type: names::GMOP.to_owned(), content: document.into() },
        ];
        with_draft_body(draft, parts)
    }
}
