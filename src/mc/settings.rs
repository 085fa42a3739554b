//! Service authorisation and service settings of a client, and its log-off: PUBLISH of `poc-settings`, TS 24.379 7.3.3 to
//! 7.3.5.
//!
//! ```text
//!  MC service client            MC service server
//!    |-- PUBLISH (poc-settings) --->| 7.3.3 settings kept; of a client that was not authorised: its
//!    |<----------------------- 200 -|   configured groups (9.2.2.2.15)
//!    |-- PUBLISH ------------------>| 7.3.4 new settings, or a refresh: affiliations stay as they are
//!    |<----------------------- 200 -|
//!    |-- PUBLISH, Expires 0 ------->| 7.3.5 log-off: settings and all affiliations of this client for this
//!    |<----------------------- 200 -|   service go; so they do when the settings run out
//! ```
//!
//! Who asks is known by the asserted identity or by Digest: access tokens are not looked at. A client that registers is
//! authorised by that as well (7.3.2, `registration`); its log-off by PUBLISH lasts until its next PUBLISH, however often
//! the registration is refreshed.

use super::affiliation::{self, CLIENTS_PER_USER, Plan, WHOLE_INTERVAL};
use super::{entity_tag, registration};
use crate::documents::poc_settings::PocSettings;
use crate::documents::{McInfo, names};
use crate::env::Time;
use crate::model::*;
use crate::procedure::{Answer, Outcome, Over, Refusal, ReplyTo, Send, View, uri};
use std::collections::BTreeSet;
use std::time::Duration;

/// A PUBLISH of settings.
#[derive(Clone, Debug)]
pub struct SettingsAsk {
    /// The request that waits for its answer.
    pub reply: ReplyTo,
    /// Who asks.
    pub sender: UserId,
    /// The client that the registration tells, or the user's default one: where the document names none.
    pub client: Option<ClientId>,
    /// The service whose settings are meant.
    pub service: Service,
    /// mcptt-info.
    pub info: McInfo,
    /// The settings, if there is a document.
    pub entities: Option<Vec<PocSettings>>,
    /// Expires, seconds.
    pub expires: Option<u32>,
    /// SIP-If-Match.
    pub etag: Option<String>,
}

/// TS 24.379 7.3.3 to 7.3.5.
///
/// # Errors
/// Nothing changes with any of these. 400: no client is named, or no settings. 403: settings of another user, or of more
/// than [`CLIENTS_PER_USER`] clients. 404: a user that is not known. 412: an entity tag of other settings. 423: an interval
/// below the shortest registration.
pub fn publish(view: &mut View<'_>, ask: SettingsAsk) -> Result<Outcome<Over>, Refusal> {
    if ask.info.encrypted {
        return Err(Refusal::Encrypted);
    }
    let user = &ask.sender;
    if view.model.user(user.as_str()).is_none() {
        return Err(Refusal::UnknownUser);
    }
    if let Some(named) = ask.info.request_uri.as_deref()
        && uri::identity(named).as_deref() != Some(user.as_str())
    {
        return Err(Refusal::NotPermitted { why: "settings of another user" });
    }
    let client = client_of(&ask)?;
    let stored = view.model.settings(user, &client, ask.service).filter(|settings| settings.active);
    if let Some(etag) = &ask.etag
        && !stored.is_some_and(|settings| entity_tag::stands_for(etag, &state_of(settings)))
    {
        return Err(Refusal::UnknownEntityTag);
    }

    // 7.3.5.
    let Some(interval) = interval(view, &ask)? else {
        let etag = entity_tag::fresh(view.ids, &entity_tag::state([user.as_str(), client.as_str()]));
        let mut outcome = Outcome::end(Vec::new(), vec![receipt(ask.reply, 0, etag)]);
        log_off(view, user, &client, ask.service, &mut outcome);
        return Ok(outcome.logged(format!("{user}, client {client}: logged off from {:?}", ask.service)));
    };

    // 7.3.4: settings, or none in a refresh (RFC 3903 4.3).
    let answer_mode = match (&ask.entities, stored) {
        (Some(entities), _) => settings_for(entities, &client).and_then(|entity| entity.answer_mode),
        (None, Some(stored)) if ask.etag.is_some() => stored.answer_mode,
        (None, _) => return Err(Refusal::malformed("PUBLISH without application/poc-settings+xml")),
    };
    within_client_limit(view.model, user, &client)?;
    let expires =
        (interval != WHOLE_INTERVAL).then(|| view.now.plus(Duration::from_secs(u64::from(interval))));
    let settings = ClientSettings {
        user: user.clone(),
        client: client.clone(),
        service: ask.service,
        active: true,
        answer_mode,
        expires,
    };
    let etag = entity_tag::fresh(view.ids, &state_of(&settings));
    let mut outcome = Outcome::end(Vec::new(), vec![receipt(ask.reply, interval, etag)]);
    if stored != Some(&settings) {
        outcome.changes.push(Change::Put(Fact::Settings(settings)));
    }

    // 7.3.3, the last step.
    if !is_authorised(view, user, &client, ask.service) {
        let mut plan = Plan::new(view.model, user);
        let dropped = affiliation::implicit(view, &mut plan, &client, ask.service);
        plan.finish_and_tell(view, &mut outcome);
        if !dropped.is_empty() {
            let line = format!("{user}: groups of the profile left out: {}", dropped.join("; "));
            outcome = outcome.logged(line);
        }
    }
    Ok(outcome)
}

/// Settings that ended by time: a log-off. Nothing comes of a timer that is early.
pub fn expire(view: &mut View<'_>, user: &UserId, client: &ClientId, service: Service) -> Outcome<Over> {
    let mut outcome = Outcome::default();
    let settings = view.model.settings(user, client, service);
    if settings.is_some_and(|settings| settings.active && settings.expires.is_some_and(|end| end <= view.now))
    {
        log_off(view, user, client, service, &mut outcome);
    }
    outcome
}

/// The client is gone from the registrar: it has no settings any more.
pub(super) fn forget(model: &Model, user: &UserId, client: &ClientId, outcome: &mut Outcome<Over>) {
    let of_client = model.settings_of(user).filter(|settings| settings.client == *client);
    let keys = of_client.map(|known| FactKey::Settings(user.clone(), client.clone(), known.service));
    outcome.changes.extend(keys.map(Change::Remove));
}

/// How these clients of a user commence calls of a service (TS 24.379 10.1.1.3.2): by hand if one of them has said so.
/// `None`: they have not said. No client named: all.
pub(super) fn answer_mode(
    model: &Model,
    user: &UserId,
    service: Service,
    clients: &BTreeSet<ClientId>,
) -> Option<AnswerMode> {
    let said: Vec<AnswerMode> = model
        .settings_of(user)
        .filter(|settings| settings.active && settings.service == service)
        .filter(|settings| clients.is_empty() || clients.contains(&settings.client))
        .filter_map(|settings| settings.answer_mode)
        .collect();
    said.iter().find(|mode| **mode == AnswerMode::Manual).or(said.first()).copied()
}

/// 7.3.5: what the client had for the service goes; while it is registered we remember that it has logged off.
fn log_off(
    view: &mut View<'_>,
    user: &UserId,
    client: &ClientId,
    service: Service,
    outcome: &mut Outcome<Over>,
) {
    let (user_id, client_id) = (user.clone(), client.clone());
    let stored = view.model.settings(user, client, service);
    if registration::is_authorised(view, user, client, service) {
        let off = ClientSettings {
            user: user_id,
            client: client_id,
            service,
            active: false,
            answer_mode: None,
            expires: None,
        };
        if stored != Some(&off) {
            outcome.changes.push(Change::Put(Fact::Settings(off)));
        }
    } else if stored.is_some() {
        outcome.changes.push(Change::Remove(FactKey::Settings(user_id, client_id, service)));
    }
    let mut plan = Plan::new(view.model, user);
    plan.log_off(client, view.now, |of| of == service);
    plan.finish_and_tell(view, outcome);
}

/// Whether the client is logged on to the service: by its settings, or by its registration.
fn is_authorised(view: &View<'_>, user: &UserId, client: &ClientId, service: Service) -> bool {
    match view.model.settings(user, client, service) {
        Some(settings) => settings.active,
        None => registration::is_authorised(view, user, client, service),
    }
}

/// The client: named in mcptt-info, or known by its registration, or the only one that the settings are for.
fn client_of(ask: &SettingsAsk) -> Result<ClientId, Refusal> {
    let only = match ask.entities.as_deref() {
        Some([entity]) => Some(ClientId::from(entity.client.trim())),
        _ => None,
    };
    let named = ask.info.client_id.as_deref().map(|id| ClientId::from(id.trim()));
    let client = named.or_else(|| ask.client.clone()).or(only);
    client
        .filter(|client| affiliation::is_usable(client.as_str()))
        .ok_or_else(|| Refusal::malformed("mcptt-info: no usable client ID"))
}

/// The settings for a client: those of its entity, or of the only one.
fn settings_for<'a>(entities: &'a [PocSettings], client: &ClientId) -> Option<&'a PocSettings> {
    match entities {
        [entity] => Some(entity),
        _ => entities.iter().find(|entity| entity.client.trim() == client.as_str()),
    }
}

/// The interval that is granted, as asked; `None`: log-off.
fn interval(view: &View<'_>, ask: &SettingsAsk) -> Result<Option<u32>, Refusal> {
    let minimum = view.policy.registration_minimum;
    match ask.expires.unwrap_or(WHOLE_INTERVAL) {
        0 => Ok(None),
        short if short < minimum => Err(Refusal::IntervalTooBrief { minimum }),
        interval => Ok(Some(interval)),
    }
}

/// A user cannot fill the server with the settings of clients he makes up.
fn within_client_limit(model: &Model, user: &UserId, client: &ClientId) -> Result<(), Refusal> {
    let others: BTreeSet<&ClientId> =
        model.settings_of(user).map(|known| &known.client).filter(|known| *known != client).collect();
    if others.len() >= CLIENTS_PER_USER {
        return Err(Refusal::NotPermitted { why: "too many clients of this user have settings" });
    }
    Ok(())
}

/// What an entity tag stands for.
fn state_of(settings: &ClientSettings) -> String {
    let expires = settings.expires.map_or(0, Time::as_millis).to_string();
    let mode = match settings.answer_mode {
        None => "",
        Some(AnswerMode::Automatic) => "automatic",
        Some(AnswerMode::Manual) => "manual",
    };
    let (user, client) = (settings.user.as_str(), settings.client.as_str());
    entity_tag::state(["settings", user, client, names::of(settings.service).prefix, mode, &expires])
}

fn receipt(to: ReplyTo, interval: u32, etag: String) -> Send {
    Send::Answer { to, answer: Answer { expires: Some(interval), etag: Some(etag), ..Answer::plain(200) } }
}

#[cfg(test)]
mod tests;
