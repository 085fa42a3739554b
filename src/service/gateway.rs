//! The MC gateway server between this system and its partners (TS 23.280 5.2.10.7, TS 24.379 5.5.1, 6.8). Its exit point
//! refuses what our agreement with the partner does not give us, before anything leaves; its entry point finds the
//! function that a request to the gateway means. What the partner sees of us is replaced where messages are written, by
//! [`crate::sip::transaction::Border`].

use super::Service;
use super::read::{Bodies, canonical};
use super::trust::{Sender, Unknown};
use crate::documents::{names, pidf};
use crate::env::Time;
use crate::model::{Asked, FunctionKind, GroupOperation, Psi, UserId, Watching};
use crate::procedure::{Caller, Invitation, Permissions, Refusal};
use crate::sip::message::{Method, Request, Uri};
use crate::sip::transaction::Flow;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// What our users and functions need to be allowed for a request to a partner.
pub(super) type Needs = fn(&Permissions) -> bool;

/// Calls.
pub(super) const CALL: Needs = |may| may.call;
/// Affiliation, its status, and its change by others.
pub(super) const AFFILIATE: Needs = |may| may.affiliate;

/// What a request of our functions needs; `None`: nothing, it answers the other side.
pub(super) fn needs_of(asked: &Asked) -> Option<Needs> {
    match asked {
        Asked::Affiliation { .. } => Some(AFFILIATE),
        Asked::Group(request) => Some(match request.what.operation() {
            GroupOperation::RegroupCheck
            | GroupOperation::RegroupNotification
            | GroupOperation::RegroupCancel
            | GroupOperation::TeardownNotification => |may| may.regroup,
            GroupOperation::InformationProvision
            | GroupOperation::InformationWithdrawal
            | GroupOperation::InformationRequest => |may| may.group_configuration,
        }),
        Asked::ProposalEnd { .. } | Asked::GroupResult(_) => None,
    }
}

/// What a subscription of ours needs.
pub(super) fn needs_of_watch(what: &Watching) -> Needs {
    match what {
        Watching::GroupAffiliation { .. }
        | Watching::UserAffiliations { .. }
        | Watching::GroupData { .. } => AFFILIATE,
        Watching::Session { .. } | Watching::Focus { .. } => CALL,
        Watching::GroupDocument { .. } => |may| may.group_configuration,
    }
}

impl Service {
    /// Exit point (TS 24.379 6.8.2 step 2): whether this may be asked of the function at `to`.
    ///
    /// # Errors
    /// [`Refusal::NotWithPartner`].
    pub(super) fn exit(&self, to: &Psi, needs: Needs) -> Result<(), Refusal> {
        match self.setup.policy.partner_of_function(to) {
            Some(partner) if !needs(&partner.we_may) => {
                tracing::info!(partner = partner.domain, to = %to, "not asked: the agreement does not permit it");
                Err(Refusal::NotWithPartner { domain: partner.domain.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Entry point (TS 24.379 6.8.3): a request to our gateway server goes to the function that is meant. Any other comes
    /// back as it is.
    ///
    /// # Errors
    /// As [`Self::identify`]; [`Refusal::PartnerMayNot`] for a system whose entry gives it no way through the gateway.
    pub(super) fn entered(
        &mut self,
        now: Time,
        flow: Flow,
        request: Request,
    ) -> Result<Request, (Request, Unknown)> {
        let policy = &self.setup.policy;
        let Some(gateway) = &policy.gateway else { return Ok(request) };
        if request.uri().identity() != gateway.as_str() || request.to_tag().is_some() {
            return Ok(request);
        }
        if !self.may_enter(flow) {
            let gateway = gateway.clone();
            let unknown = match self.identify(now, flow, &request) {
                Ok(Sender::Function(caller)) => Unknown::Refuse(Refusal::PartnerMayNot(caller.psi)),
                Ok(Sender::User(_)) => Unknown::Refuse(Refusal::PartnerMayNot(gateway)),
                Err(unknown) => unknown,
            };
            return Err((request, unknown));
        }
        let kind = self.meant(&request);
        let function = self.setup.policy.functions.of(kind).first();
        match function.and_then(|psi| Uri::parse(psi.as_str().as_bytes()).ok()) {
            Some(uri) => {
                tracing::debug!(call_id = request.call_id(), ?kind, "entered by the gateway");
                Ok(request.readdressed(uri))
            }
            None => Ok(request),
        }
    }

    /// Whether a partner that has this address may come in by the gateway.
    fn may_enter(&self, flow: Flow) -> bool {
        let partners = self.setup.peers.at(flow.peer).filter_map(|peer| peer.partner.as_deref());
        partners.filter_map(|domain| self.setup.policy.partner(domain)).any(|partner| partner.enters)
    }

    /// The kind of function that a request means, by its method and body. What cannot be read is the business of the
    /// function that reads it again.
    fn meant(&self, request: &Request) -> FunctionKind {
        use FunctionKind::{Controlling, Gms, Participating};
        let bodies = self.bodies(request).ok();
        let info = bodies.as_ref().and_then(|bodies| bodies.info.clone()).map(|(_, info)| canonical(info));
        let named = info.and_then(|info| info.request_uri);
        let user = named.as_deref().is_some_and(|named| self.model.user(named).is_some());
        match request.method() {
            Method::Message => {
                let mut parts = bodies.iter().flat_map(|bodies| &bodies.parts);
                let command =
                    parts.any(|part| names::of_affiliation_command_type(&part.media_type).is_some());
                if command { Participating } else { Gms }
            }
            Method::Subscribe if self.event(request).is_ok_and(|event| event == "xcap-diff") => Gms,
            // A function that invites is a focus (TS 24.379 6.3.1.1): a user, or on behalf of a temporary group.
            Method::Invite => match self.invitation(request, None) {
                Ok(invitation) if invitation.focus && !self.is_for_group(&invitation) => Participating,
                _ => Controlling,
            },
            // The document of a user names groups, that of a group the clients of a user (TS 24.379 9.3.1.2).
            _ if user || self.names_groups(request, bodies.as_ref()) => Participating,
            _ => Controlling,
        }
    }

    fn names_groups(&self, request: &Request, bodies: Option<&Bodies>) -> bool {
        let service = bodies.and_then(|bodies| self.service_of(request, bodies).ok().flatten());
        let part = bodies.and_then(|bodies| bodies.find(names::PIDF));
        let presence = part.zip(service).and_then(|(part, service)| {
            pidf::Presence::decode(&part.content, service, &self.setup.limits).ok()
        });
        let mut tuples = presence.iter().flat_map(|presence| &presence.tuples);
        tuples.any(|tuple| tuple.affiliations.iter().any(|one| one.group.is_some()))
    }

    fn is_for_group(&self, invitation: &Invitation) -> bool {
        let named = invitation.info.request_uri.as_deref().map(super::read::identity);
        named.is_some_and(|named| self.names_group_here(&named))
    }

    /// As whom a function speaks that a partner's gateway speaks for.
    pub(super) fn spoken_for(&self, caller: Caller, kind: FunctionKind) -> Caller {
        let partner = caller.partner.as_deref().and_then(|domain| self.setup.policy.partner(domain));
        match partner.filter(|partner| partner.gateways.contains(&caller.psi)) {
            Some(partner) => {
                let psi = partner.functions.of(kind).first().unwrap_or(&caller.psi).clone();
                Caller { psi, ..caller }
            }
            None => caller,
        }
    }

    /// A Call-ID of a client as a partner sees it: it may tell the client's address, and names nothing there.
    pub(super) fn call_id_beyond(&self, to: &Psi, call_id: &str) -> String {
        let policy = &self.setup.policy;
        match policy.partner_of_function(to).filter(|partner| partner.hides) {
            Some(partner) => hidden(&policy.domain, &partner.domain, call_id),
            None => call_id.to_owned(),
        }
    }

    /// The Call-ID that a partner means by what it was shown in place of it, among proposals of this user.
    pub(super) fn call_id_meant(&self, caller: &Caller, originator: &UserId, shown: &str) -> String {
        let policy = &self.setup.policy;
        let partner = caller.partner.as_deref().and_then(|domain| policy.partner(domain));
        let Some(partner) = partner.filter(|partner| partner.hides) else { return shown.to_owned() };
        let mut known = self.model.proposals_of(originator).map(|proposal| proposal.call_id.as_str());
        let meant = known.find(|call_id| hidden(&policy.domain, &partner.domain, call_id) == shown);
        meant.unwrap_or(shown).to_owned()
    }
}

/// The same for the same Call-ID, whenever it is asked for; 128 bits.
fn hidden(own: &str, partner: &str, call_id: &str) -> String {
    let mut hash = Sha256::new();
    for part in [own, partner, call_id] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize().iter().take(16).fold(String::with_capacity(32), |mut text, octet| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}
