//! Which part of the service a request is for, by its method, and what they have in common.

use super::render::ACCEPT;
use super::trust::{Sender, Unknown, malformed};
use super::{ReplyContext, ReplyKind, Service};
use crate::env::Time;
use crate::model::{ClientId, User};
use crate::procedure::{Outcome, Over, Refusal, ReplyTo};
use crate::sip::message::{Method, Reply, Request, Uri};
use crate::sip::transaction::{Flow, ServerId};
use crate::sip::wire::Name;
use std::sync::Arc;

impl Service {
    /// A request outside the INVITE sessions.
    pub(super) fn route(&mut self, now: Time, id: ServerId, flow: Flow, request: &Request) {
        let result = match request.method() {
            Method::Options => self.options(now, id, request),
            _ if self.stopping && request.to_tag().is_none() => {
                Err(Unknown::Refuse(Refusal::StoreUnavailable))
            }
            Method::Register => self.register(now, id, flow, request),
            Method::Message => self.message(now, id, flow, request),
            Method::Publish => self.publish(now, id, flow, request),
            Method::Subscribe => self.subscribe(now, id, flow, request),
            Method::Notify => {
                self.notified(now, id, request);
                Ok(())
            }
            _ => Err(Unknown::Refuse(Refusal::UnknownOperation)),
        };
        if let Err(unknown) = result {
            self.refused(now, id, flow, request, unknown);
        }
    }

    /// Refuses a request outside the INVITE sessions.
    pub(super) fn refused(
        &mut self,
        now: Time,
        id: ServerId,
        flow: Flow,
        request: &Request,
        unknown: Unknown,
    ) {
        match unknown {
            Unknown::Challenge(challenges) => {
                let reply = challenge(challenges);
                self.agent.answer(now, &mut self.ids, id, reply, None, &mut self.out);
            }
            Unknown::Refuse(refusal) => {
                let answer = refusal.answer();
                tracing::info!(
                    call_id = request.call_id(),
                    peer = %flow.peer,
                    method = request.method_token(),
                    status = answer.status,
                    "request refused: {refusal}"
                );
                let reply = self.render_answer(&answer);
                self.agent.answer(now, &mut self.ids, id, reply, None, &mut self.out);
            }
        }
    }

    /// Registers who waits for an answer, runs the procedure, and carries out what it decided.
    pub(super) fn decide(
        &mut self,
        now: Time,
        id: ServerId,
        request: &Request,
        kind: ReplyKind,
        procedure: impl FnOnce(&mut Self, ReplyTo) -> Result<Outcome<Over>, Refusal>,
    ) -> Result<(), Unknown> {
        let to = ReplyTo(id.0);
        let outcome = procedure(self, to).map_err(Unknown::Refuse)?;
        self.room_for_owed(&outcome).map_err(Unknown::Refuse)?;
        self.cause = Some(request.call_id().to_owned());
        self.replies.insert(to, ReplyContext { server: id, kind });
        self.carry_out(now, outcome);
        Ok(())
    }

    /// OPTIONS (RFC 3261 11): what this server takes.
    fn options(&mut self, now: Time, id: ServerId, request: &Request) -> Result<(), Unknown> {
        if !self.is_ours(request.uri()) {
            return Err(Unknown::Refuse(Refusal::NotFound));
        }
        let reply = Reply::new(200)
            .header(Name::Allow, self.allow.clone())
            .header(Name::Accept, ACCEPT)
            .header(Name::AcceptEncoding, "identity")
            .header(Name::AcceptLanguage, "en")
            .header(Name::Supported, self.supported.clone())
            .header(Name::AllowEvents, self.allow_events.clone());
        self.agent.answer(now, &mut self.ids, id, reply, None, &mut self.out);
        Ok(())
    }

    /// Whether a URI names this server: its domain, a listener, or a PSI.
    pub(super) fn is_ours(&self, uri: &Uri) -> bool {
        let host = uri.host();
        let policy = &self.setup.policy;
        if host.eq_ignore_ascii_case(&policy.domain) && uri.user().is_none() {
            return true;
        }
        if uri.user().is_none() && (host.eq_ignore_ascii_case(&policy.warning_agent) || self.is_listener(uri))
        {
            return true;
        }
        let identity = uri.identity();
        let functions = &policy.functions;
        [&functions.participating, &functions.controlling, &functions.gms]
            .into_iter()
            .flatten()
            .any(|psi| psi.as_str() == identity)
    }

    fn is_listener(&self, uri: &Uri) -> bool {
        self.setup.agent.transactions.hops.listeners.iter().any(|listener| {
            let (host, port) = listener.advertised.rsplit_once(':').unwrap_or((&listener.advertised, "5060"));
            host.eq_ignore_ascii_case(uri.host()) && port.parse().ok() == Some(uri.port().unwrap_or(5060))
        })
    }

    /// `Limits::groups_per_request`.
    pub(super) fn within_groups_limit(&self, groups: usize) -> Result<(), Refusal> {
        let limit = self.setup.limits.groups_per_request;
        if groups > limit { Err(Refusal::TooManyGroups { limit }) } else { Ok(()) }
    }

    pub(super) fn client_named(
        &self,
        now: Time,
        user: &User,
        named: Option<&str>,
        flow: Flow,
    ) -> Option<ClientId> {
        named
            .map(ClientId::from)
            .or_else(|| self.client_at(now, &user.id, flow))
            .or_else(|| user.default_client.clone())
    }

    /// The user who sent a request; functions are refused where only users may ask.
    pub(super) fn sending_user(
        &mut self,
        now: Time,
        flow: Flow,
        request: &Request,
    ) -> Result<Arc<User>, Unknown> {
        match self.identify(now, flow, request)? {
            Sender::User(user) => Ok(user),
            Sender::Function(..) => {
                Err(Unknown::Refuse(Refusal::NotPermitted { why: "only users may ask for that" }))
            }
        }
    }

    /// Whether the controlling function itself is asked, not a session of it.
    pub(super) fn addressed_controlling(&self, request: &Request) -> bool {
        let addressed = request.uri().identity();
        self.setup.policy.functions.controlling.iter().any(|psi| psi.as_str() == addressed)
    }

    pub(super) fn addressed_participating(&self, request: &Request) -> Result<(), Refusal> {
        let addressed = request.uri().identity();
        let ours = self.setup.policy.functions.participating.iter().any(|psi| psi.as_str() == addressed);
        if ours { Ok(()) } else { Err(Refusal::NotFound) }
    }

    pub(super) fn event(&self, request: &Request) -> Result<String, Refusal> {
        let line = request.wire().header(Name::Event).ok_or(Refusal::BadEvent)?;
        let event = crate::sip::message::values::Event::parse(&line).map_err(malformed)?;
        Ok(event.package.to_ascii_lowercase())
    }
}

/// Asks for credentials.
pub(super) fn challenge(challenges: Vec<String>) -> Reply {
    let add = |reply: Reply, challenge| reply.header(Name::WwwAuthenticate, challenge);
    challenges.into_iter().fold(Reply::new(401), add)
}
