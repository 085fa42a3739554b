//! Who sent a request. P-Asserted-Identity counts only from configured peers; anyone else is known by a registration
//! from the same place, proves a password, or is refused.

use super::Service;
use super::digest::Verdict;
use super::read::{identity, unusable};
use crate::config::Addresses;
use crate::documents::{DocumentError, McInfo};
use crate::env::Time;
use crate::mc::remote_change::Originator;
use crate::model::{BindingOrigin, Psi, User, UserId};
use crate::procedure::{Caller, Functions, Refusal};
use crate::sip::message::{Malformed, Request};
use crate::sip::transaction::Flow;
use crate::sip::wire::Name;
use std::net::SocketAddr;
use std::sync::Arc;

/// A system or function that this server trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Name for logs.
    pub name: String,
    /// Where its messages come from.
    pub addresses: Vec<Addresses>,
    /// Functions it speaks for.
    pub functions: Functions,
    /// It is an S-CSCF or I-CSCF: what it asserts about users and servers counts.
    pub core: bool,
    /// It is an S-CSCF: third-party REGISTER is taken from it.
    pub serving: bool,
    /// It is another MC system, of this domain.
    pub partner: Option<String>,
}

impl Peer {
    /// The function of this peer that has this PSI.
    fn function(&self, psi: &str) -> Option<Caller> {
        let is = |psis: &[Psi]| psis.iter().any(|known| known.as_str() == psi);
        let caller = Caller {
            psi: Psi::new(psi),
            partner: self.partner.clone(),
            participating: is(&self.functions.participating),
            controlling: is(&self.functions.controlling),
            gms: is(&self.functions.gms),
        };
        (caller.participating || caller.controlling || caller.gms).then_some(caller)
    }
}

/// All configured peers.
#[derive(Clone, Debug, Default)]
pub struct Peers(pub Vec<Peer>);

impl Peers {
    /// The peers a message from this address may be from. Several functions may share an address.
    pub(super) fn at(&self, address: SocketAddr) -> impl Iterator<Item = &Peer> {
        self.0.iter().filter(move |peer| peer.addresses.iter().any(|candidate| candidate.contains(address)))
    }
}

/// Who sent a request.
#[derive(Clone, Debug)]
pub(super) enum Sender {
    /// A trusted function that spoke as itself.
    Function(Caller),
    /// A user of this system.
    User(Arc<User>),
}

/// Why a sender is not known.
#[derive(Clone, Debug)]
pub(super) enum Unknown {
    /// Ask for credentials: 401 with this `WWW-Authenticate`.
    Challenge(Vec<String>),
    /// Refuse.
    Refuse(Refusal),
}

impl From<Refusal> for Unknown {
    fn from(refusal: Refusal) -> Self {
        Self::Refuse(refusal)
    }
}

impl From<Malformed> for Unknown {
    fn from(error: Malformed) -> Self {
        Self::Refuse(malformed(error))
    }
}

impl From<DocumentError> for Unknown {
    fn from(error: DocumentError) -> Self {
        Self::Refuse(unusable(error))
    }
}

impl Service {
    /// Whether the request comes from a configured S-CSCF.
    pub(super) fn is_from_serving(&self, flow: Flow) -> bool {
        self.setup.peers.at(flow.peer).any(|peer| peer.serving)
    }

    /// Finds out who sent the request.
    pub(super) fn identify(&mut self, now: Time, flow: Flow, request: &Request) -> Result<Sender, Unknown> {
        if self.setup.peers.at(flow.peer).next().is_some() {
            let asserted = request.addresses(Name::PAssertedIdentity)?;
            let core = self.setup.peers.at(flow.peer).any(|peer| peer.core);
            // A core passes on requests of any function that is known, a peer only those of its own.
            let speaks = |peer: &&Peer| core || peer.addresses.iter().any(|one| one.contains(flow.peer));
            for peer in self.setup.peers.0.iter().filter(speaks) {
                let function = asserted.iter().find_map(|one| peer.function(&one.uri.identity()));
                if let Some(caller) = function {
                    return Ok(Sender::Function(caller));
                }
            }
            if core {
                // TS 24.229 5.7.1.3A: one of the asserted identities (a sip and a tel URI may be there) is the user's.
                let user = asserted
                    .iter()
                    .find_map(|identity| self.model.user_of(&identity.uri.identity()).cloned());
                return user.map(Sender::User).ok_or(Refusal::UnknownUser.into());
            }
            if !asserted.is_empty() {
                return Err(Refusal::NotPermitted { why: "asserted identity not of this peer" }.into());
            }
        }
        if !self.setup.registrar {
            return Err(Refusal::NotPermitted { why: "sender is not a configured peer" }.into());
        }
        let claimed = self.claimed_user(request).map_err(|unknown| self.unknown_system(request, unknown))?;
        // Behind a proxy everybody comes from the same place, so there it tells nothing about who has a password.
        let direct = claimed.password.is_none() || request.vias().is_ok_and(|vias| vias.len() == 1);
        let registered_here = direct
            && self
                .model
                .registrations_of(claimed.id.as_str())
                .flat_map(|registration| &registration.bindings)
                .any(|binding| {
                    binding.origin == BindingOrigin::Own
                        && binding.expires > now
                        && binding.source == flow.source()
                });
        if registered_here {
            return Ok(Sender::User(claimed));
        }
        if claimed.password.is_none() {
            return Err(Refusal::NotPermitted { why: "user is not registered from this address" }.into());
        }
        self.authenticate(now, flow, request, &claimed)?;
        Ok(Sender::User(claimed))
    }

    /// Why a sender is refused whom nobody knows: one that says it is of another system has no agreement with us.
    fn unknown_system(&self, request: &Request, unknown: Unknown) -> Unknown {
        let asserted = request.addresses(Name::PAssertedIdentity).unwrap_or_default();
        let domain = &self.setup.policy.domain;
        let foreign = asserted.iter().find(|one| !one.uri.host().eq_ignore_ascii_case(domain));
        match (unknown, foreign) {
            (Unknown::Refuse(Refusal::UnknownUser), Some(foreign)) => {
                Unknown::Refuse(Refusal::PartnerMayNot(Psi::new(foreign.uri.identity())))
            }
            (unknown, _) => unknown,
        }
    }

    /// Whether a function may speak for a user: one of a partner only for users of its own system.
    ///
    /// # Errors
    /// [`Refusal::NotPermitted`].
    pub(super) fn speaks_for(&self, caller: &Caller, user: Option<&str>) -> Result<(), Refusal> {
        let domain = caller.partner.as_deref().unwrap_or(&self.setup.policy.domain);
        match user {
            Some(user) if !UserId::new(user).domain().eq_ignore_ascii_case(domain) => {
                Err(Refusal::NotPermitted { why: "a system speaks only for its own users" })
            }
            _ => Ok(()),
        }
    }

    /// The user on whose behalf something is asked of the participating function: who sent it, or, from a participating
    /// function elsewhere, who `mcptt-calling-user-id` names (TS 24.379 9.2.2.2.3 steps 2 and 3).
    ///
    /// # Errors
    /// As [`Self::identify`]; 403 for a function of another kind, or one that does not speak for the user; 400 if no user
    /// is named.
    pub(super) fn originator(
        &mut self,
        now: Time,
        flow: Flow,
        request: &Request,
        info: Option<&McInfo>,
    ) -> Result<Originator, Unknown> {
        let caller = match self.identify(now, flow, request)? {
            Sender::User(user) => return Ok(Originator::Client(user.id.clone())),
            Sender::Function(caller) => caller,
        };
        if !caller.participating {
            return Err(Refusal::NotPermitted { why: "only participating functions ask for users" }.into());
        }
        let Some(user) = info.and_then(|info| info.calling_user.as_deref()) else {
            return Err(Refusal::malformed("mcptt-info: no mcptt-calling-user-id").into());
        };
        let user = identity(user);
        self.speaks_for(&caller, Some(&user))?;
        Ok(Originator::Function { user: UserId::new(user), caller })
    }

    /// The user a client claims to be: P-Preferred-Identity, else From.
    pub(super) fn claimed_user(&self, request: &Request) -> Result<Arc<User>, Unknown> {
        let preferred = request.addresses(Name::PPreferredIdentity)?;
        let identity = match preferred.first() {
            Some(preferred) => preferred.uri.identity(),
            None => request.from()?.uri.identity(),
        };
        self.model.user_of(&identity).cloned().ok_or(Refusal::UnknownUser.into())
    }

    /// Checks the Digest credentials of a user who has a password (RFC 3261 22, RFC 7616).
    pub(super) fn authenticate(
        &self,
        now: Time,
        flow: Flow,
        request: &Request,
        user: &User,
    ) -> Result<(), Unknown> {
        let from = flow.peer.ip();
        let Some(password) = &user.password else { return Ok(()) };
        let stale = match self.setup.digest.verify(request, user, password, (now, from)) {
            Verdict::Good => return Ok(()),
            Verdict::Stale => true,
            Verdict::Absent => false,
            Verdict::Wrong => {
                tracing::warn!(user = %user.id, call_id = request.call_id(), "wrong credentials");
                false
            }
        };
        Err(Unknown::Challenge(self.setup.digest.challenges(now, from, stale)))
    }
}

/// The refusal of a message that cannot be read at this place.
pub(super) fn malformed(error: Malformed) -> Refusal {
    Refusal::Malformed { place: error.place.to_owned() }
}
