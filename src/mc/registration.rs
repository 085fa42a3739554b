//! Where a user can be reached: REGISTER of a client at our own registrar (RFC 3261 10.3), or what a configured S-CSCF
//! says of its users (third-party REGISTER, TS 24.229 5.7.1.1).
//!
//! ```text
//!  client or S-CSCF             MC service server
//!    |-- REGISTER ----------------->| steps 5 to 7: bindings, all or none
//!    |<------- 200 with bindings ---| step 8
//!    |                              | first binding of a client for a service: the configured groups (9.2.2.2.15)
//!    |                              | last binding of a client gone: its affiliations (TS 24.379 7.3.5)
//! ```

use super::affiliation::{self, Plan};
use super::settings;
use crate::env::Time;
use crate::model::*;
use crate::procedure::{Answer, Outcome, Over, Refusal, ReplyTo, Send, View, uri};
use std::collections::BTreeSet;
use std::time::Duration;

/// From this interval on a registrar may not call it too brief (RFC 3261 10.3 step 7), seconds.
const NEVER_TOO_BRIEF: u32 = 3600;

/// A REGISTER. Without contacts it asks what is there.
#[derive(Clone, Debug)]
pub struct RegisterAsk {
    /// The request that waits for its answer.
    pub reply: ReplyTo,
    /// The MC user that the address of record belongs to.
    pub user: UserId,
    /// The address of record: To.
    pub public_id: PublicId,
    /// Contacts, in order.
    pub contacts: Vec<ContactAsk>,
    /// `Contact: *`, of the client itself where an S-CSCF tells.
    pub remove_all: bool,
    /// Expires header, seconds.
    pub expires: Option<u32>,
    /// Call-ID; that of the client's own REGISTER if an S-CSCF encloses it.
    pub call_id: String,
    /// CSeq number.
    pub cseq: u32,
    /// Where it came from.
    pub source: Source,
    /// `Route` values for requests to these contacts (Path, or the configured core).
    pub route: Vec<String>,
    /// Who registers.
    pub origin: BindingOrigin,
    /// Most contacts of one address of record (`Limits::contacts_per_identity`).
    pub contacts_limit: usize,
}

/// One Contact of a REGISTER.
#[derive(Clone, Debug)]
pub struct ContactAsk {
    /// Its URI.
    pub contact: String,
    /// `expires` parameter, seconds; `None`: the header's.
    pub expires: Option<u32>,
    /// `+sip.instance`, or the client ID of the body.
    pub client: Option<ClientId>,
    /// Its parameters as received, for answers (`q` among them).
    pub parameters: String,
    /// Services that its client registers for.
    pub services: ServiceSet,
}

/// RFC 3261 10.3 steps 4 to 8. Steps 1 to 3 (domain, extensions, authentication) are behind the service layer.
///
/// # Errors
/// No binding changes with any of these. 400: `*` beside other contacts or with an interval, or a CSeq that is not higher
/// than that of the binding. 403: the address belongs to somebody else, or would have too many contacts. 404: the user is
/// not known. 423: an interval below the configured one.
pub fn register(view: &mut View<'_>, ask: RegisterAsk) -> Result<Outcome<Over>, Refusal> {
    // Steps 4 and 5.
    if view.model.user(ask.user.as_str()).is_none() {
        return Err(Refusal::UnknownUser);
    }
    if view.model.user_of(ask.public_id.as_str()).is_some_and(|owner| owner.id != ask.user) {
        return Err(Refusal::NotPermitted { why: "the address of record belongs to another user" });
    }
    let live = live_bindings(view, &ask.public_id);
    let bindings = match ask.origin {
        BindingOrigin::Own => own(view, &ask, &live)?,
        BindingOrigin::ThirdParty => third_party(view, &ask, &live),
    };
    if bindings.len() > ask.contacts_limit && bindings.len() > live.len() {
        return Err(Refusal::NotPermitted { why: "too many contacts" });
    }
    // Step 8. The service layer writes the bindings into it.
    let answer = Send::Answer { to: ask.reply, answer: Answer::plain(200) };
    let mut outcome = Outcome::end(Vec::new(), vec![answer]);
    store(view, &ask.user, &ask.public_id, bindings, &mut outcome);
    Ok(outcome)
}

/// Bindings of an address of record that ended by time. Nothing comes of a timer that is early.
pub fn expire(view: &mut View<'_>, public_id: &PublicId) -> Outcome<Over> {
    let mut outcome = Outcome::default();
    if let Some(registration) = view.model.registration(public_id.as_str()) {
        let live = live_bindings(view, public_id);
        store(view, &registration.user, public_id, live, &mut outcome);
    }
    outcome
}

fn live_bindings(view: &View<'_>, public_id: &PublicId) -> Vec<Binding> {
    let registration = view.model.registration(public_id.as_str());
    let bindings = registration.map_or(&[][..], |registration| &registration.bindings);
    bindings.iter().filter(|binding| binding.expires > view.now).cloned().collect()
}

/// Steps 6 and 7: what a client's own REGISTER makes of the bindings.
fn own(view: &View<'_>, ask: &RegisterAsk, live: &[Binding]) -> Result<Vec<Binding>, Refusal> {
    let in_order = |binding: &Binding| binding.call_id != ask.call_id || ask.cseq > binding.cseq;
    let out_of_order = || Refusal::malformed("CSeq is not higher than that of the binding");

    // Step 6.
    if ask.remove_all {
        if !ask.contacts.is_empty() {
            return Err(Refusal::malformed("Contact: * beside other contacts"));
        }
        if ask.expires != Some(0) {
            return Err(Refusal::malformed("Contact: * with an interval other than 0"));
        }
        return if live.iter().all(in_order) { Ok(Vec::new()) } else { Err(out_of_order()) };
    }

    // Step 7.
    let (longest, shortest) = (view.policy.registration_maximum, view.policy.registration_minimum);
    let mut bindings = live.to_vec();
    for contact in &ask.contacts {
        let interval = contact.expires.or(ask.expires).unwrap_or(longest);
        if interval > 0 && interval < shortest && interval < NEVER_TOO_BRIEF {
            return Err(Refusal::IntervalTooBrief { minimum: shortest.min(NEVER_TOO_BRIEF) });
        }
        let same = |binding: &Binding| uri::same_contact(&binding.contact, &contact.contact);
        if !live.iter().filter(|binding| same(binding)).all(in_order) {
            return Err(out_of_order());
        }
        let old = bindings.iter().position(same).map(|place| bindings.remove(place));
        if interval > 0 {
            let known = old.as_ref().and_then(|old| old.client.clone());
            let client = contact.client.clone().or(known);
            let (uri, interval) = (contact.contact.clone(), interval.min(longest));
            bindings.push(binding(view.now, ask, uri, client, contact, interval, old.as_ref()));
        }
    }
    Ok(bindings)
}

/// A third-party REGISTER, keyed by To. Each has a Call-ID of its own and says nothing of an order; its Contact is the
/// S-CSCF, so requests go to the public identity; and the S-CSCF does not ask again if its interval is refused, so it is
/// taken as it is. A user may have registered from several clients, and each of them makes the S-CSCF tell: there is a
/// binding for each client, and one for all whose client is not known.
fn third_party(view: &View<'_>, ask: &RegisterAsk, live: &[Binding]) -> Vec<Binding> {
    let silent = ContactAsk {
        contact: String::new(),
        expires: None,
        client: None,
        parameters: String::new(),
        services: ServiceSet::default(),
    };
    let contact = ask.contacts.first().unwrap_or(&silent);
    let interval = contact.expires.or(ask.expires).unwrap_or(view.policy.registration_maximum);
    let told = |binding: &&Binding| binding.origin == BindingOrigin::ThirdParty;
    let mut bindings: Vec<Binding> =
        live.iter().filter(told).filter(|binding| binding.client.is_some()).cloned().collect();

    // Named in the body, or as whoever registered with this Call-ID (RFC 3261 10.2), or the only one there is.
    let of_call = || bindings.iter().find(|binding| binding.call_id == ask.call_id);
    let only = || if let [one] = bindings.as_slice() { Some(one) } else { None };
    let default = || match bindings.as_slice() {
        [] => view.model.user(ask.user.as_str()).and_then(|user| user.default_client.clone()),
        _ => None,
    };
    let of = |binding: &Binding| binding.client.clone();
    let client = contact.client.clone();
    let client = client.or_else(|| of_call().or_else(only).and_then(of)).or_else(default);

    let known = client.is_some() && bindings.iter().any(|binding| binding.client == client);
    if interval > 0 && (client.is_some() || bindings.is_empty()) {
        bindings.retain(|binding| binding.client != client);
        let uri = ask.public_id.to_string();
        let old = live.iter().find(|binding| told(binding) && binding.client == client);
        bindings.push(self::binding(view.now, ask, uri, client, contact, interval, old));
    } else if interval > 0 {
        // One of several, and nobody knows which: the user stays registered.
        for binding in &mut bindings {
            binding.expires = binding.expires.max(view.now.plus(Duration::from_secs(u64::from(interval))));
        }
    } else if known && !ask.remove_all {
        // The others are still there: an S-CSCF that has nobody left says so of the last one.
        bindings.retain(|binding| binding.client != client);
    } else if ask.remove_all || ask.expires == Some(0) {
        bindings.clear();
    } else {
        return live.to_vec();
    }
    bindings
}

fn binding(
    now: Time,
    ask: &RegisterAsk,
    uri: String,
    client: Option<ClientId>,
    contact: &ContactAsk,
    interval: u32,
    old: Option<&Binding>,
) -> Binding {
    let before = old.filter(|old| old.client == client).map(|old| old.services).unwrap_or_default();
    Binding {
        contact: uri,
        route: ask.route.clone(),
        client,
        parameters: contact.parameters.clone(),
        call_id: ask.call_id.clone(),
        cseq: ask.cseq,
        expires: now.plus(Duration::from_secs(u64::from(interval))),
        source: ask.source,
        origin: ask.origin,
        services: before.union(contact.services),
    }
}

/// Makes these the bindings of the address of record, and draws the consequences for affiliations: a client that came for
/// a service gets the groups of the profile for it, a client that is gone loses its groups.
fn store(
    view: &mut View<'_>,
    user: &UserId,
    public_id: &PublicId,
    bindings: Vec<Binding>,
    outcome: &mut Outcome<Over>,
) {
    let stored = view.model.registration(public_id.as_str());
    if stored.map_or(&[][..], |stored| &stored.bindings) == bindings.as_slice() {
        return;
    }
    let elsewhere: Vec<&Binding> = view
        .model
        .registrations_of(user.as_str())
        .filter(|registration| registration.public_id != *public_id)
        .flat_map(|registration| &registration.bindings)
        .collect();
    let stored = stored.filter(|stored| stored.user == *user);
    let before = Clients::of(
        view.model,
        user,
        elsewhere.iter().copied().chain(stored.iter().flat_map(|stored| &stored.bindings)),
    );
    let after = Clients::of(view.model, user, elsewhere.into_iter().chain(&bindings));

    let mut plan = Plan::new(view.model, user);
    for client in before.gone(&after, view.model, user) {
        plan.log_off(&client, view.now, |_| true);
        settings::forget(view.model, user, &client, outcome);
    }
    let mut dropped = Vec::new();
    for (client, service) in after.authorised.difference(&before.authorised) {
        // Authorised by its settings already (TS 24.379 7.3.3).
        if !view.model.settings(user, client, *service).is_some_and(|settings| settings.active) {
            dropped.extend(affiliation::implicit(view, &mut plan, client, *service));
        }
    }
    outcome.changes.push(if bindings.is_empty() {
        Change::Remove(FactKey::Registration(public_id.clone()))
    } else {
        let (public_id, user) = (public_id.clone(), user.clone());
        Change::Put(Fact::Registration(Registration { public_id, user, bindings }))
    });
    plan.finish_and_tell(view, outcome);
    if !dropped.is_empty() {
        outcome.log = Some(format!("{user}: groups of the profile left out: {}", dropped.join("; ")));
    }
}

/// Whether a client of a user is registered for a service.
pub(super) fn is_authorised(view: &View<'_>, user: &UserId, client: &ClientId, service: Service) -> bool {
    let registrations = view.model.registrations_of(user.as_str());
    let live = registrations.flat_map(|one| &one.bindings).filter(|binding| binding.expires > view.now);
    Clients::of(view.model, user, live).authorised.contains(&(client.clone(), service))
}

/// The clients behind some bindings.
struct Clients {
    known: BTreeSet<ClientId>,
    /// With the services that each of them registered for.
    authorised: BTreeSet<(ClientId, Service)>,
    /// A binding that names no client, of a user without a default one.
    unknown: bool,
}

impl Clients {
    fn of<'a>(model: &Model, user: &UserId, bindings: impl Iterator<Item = &'a Binding>) -> Self {
        let default = model.user(user.as_str()).and_then(|user| user.default_client.clone());
        let mut clients = Self { known: BTreeSet::new(), authorised: BTreeSet::new(), unknown: false };
        for binding in bindings {
            let Some(client) = binding.client.clone().or_else(|| default.clone()) else {
                clients.unknown = true;
                continue;
            };
            clients.authorised.extend(binding.services.iter().map(|service| (client.clone(), service)));
            clients.known.insert(client);
        }
        clients
    }

    fn is_empty(&self) -> bool {
        self.known.is_empty() && !self.unknown
    }

    /// Clients that logged off between `self` and `after`. Which one went with a binding that named none is known only
    /// when nothing is left: all of them.
    fn gone(&self, after: &Self, model: &Model, user: &UserId) -> BTreeSet<ClientId> {
        if self.unknown && after.is_empty() {
            return model.affiliations_of(user.as_str()).map(|record| record.client.clone()).collect();
        }
        self.known.difference(&after.known).cloned().collect()
    }
}

#[cfg(test)]
mod tests;
