//! Affiliation status of a user who is served by another server. TS 24.379 9.2.2.2.10.
//!
//! ```text
//!  MC service client          MC service server          MC service server of the target
//!    |-- SUBSCRIBE (presence) --->| may it watch others?       |
//!    |<-------------------- 200 --|-- SUBSCRIBE -------------->| with mcptt-calling-user-id
//!    |                            |<----------- 200, NOTIFY ---|
//!    |<-- NOTIFY: the same state -|                            |
//! ```
//!
//! Our subscription stands for one watcher, one target and one service, however often the watcher subscribes: the other
//! server decides by who watches. It ends with the last subscription of the watcher. A refusal there ends those here.

use crate::documents::pidf::Presence;
use crate::model::*;
use crate::procedure::{Outcome, Over, Place, Send, View};

/// Subscribes at the server of the target, unless we do.
pub fn begin(view: &mut View<'_>, watching: &Watching) -> Outcome<Over> {
    let Watching::UserAffiliations { user, .. } = watching else { return Outcome::default() };
    let policy = view.policy;
    let Place::At(at) = policy.participating_of(user) else { return Outcome::default() };
    if view.model.watch_of(watching).is_some() {
        return Outcome::default();
    }
    let id = WatchRef(view.ids.number());
    let (from, at, what) = (FunctionKind::Participating, at.clone(), watching.clone());
    let watch = Watch { id, from, at, what, dialog: None };
    Outcome::end(vec![Change::Put(Fact::Watch(watch))], vec![Send::Watch(id)])
}

/// The subscriptions that a subscription of ours at another server is for.
pub fn watchers<'a>(
    model: &'a Model,
    watching: &Watching,
) -> impl Iterator<Item = &'a Subscription> + use<'a> {
    let (target, by, service) = match watching {
        Watching::UserAffiliations { user, by, service } => {
            (Some(user.clone()), Some(Subscriber::User(by.clone())), Some(*service))
        }
        Watching::GroupAffiliation { .. } | Watching::GroupDocument { .. } => (None, None, None),
    };
    let subscriptions = target.map(|target| model.watchers_of_user(&target));
    subscriptions.into_iter().flatten().filter(move |subscription| {
        Some(&subscription.subscriber) == by.as_ref() && Some(subscription.watched.service()) == service
    })
}

/// A subscription here is over. Ours ends with the last.
pub fn end_if_unwatched(view: &View<'_>, watching: &Watching) -> Outcome<Over> {
    if watchers(view.model, watching).next().is_some() {
        return Outcome::default();
    }
    let Some(watch) = view.model.watch_of(watching) else { return Outcome::default() };
    Outcome::end(vec![Change::Remove(FactKey::Watch(watch.id))], vec![Send::Unwatch(watch.id)])
}

/// The document for a watcher, of what was heard. `client`: the per-client restriction of the watcher's filter.
pub fn document(heard: &Presence, client: Option<&ClientId>, p_id: Option<&str>) -> Presence {
    let wanted = |id: &str| client.is_none_or(|client| client.as_str() == id);
    let tuples = heard.tuples.iter().filter(|tuple| wanted(&tuple.id)).cloned().collect();
    Presence { entity: heard.entity.clone(), tuples, p_id: p_id.map(str::to_owned) }
}
