//! Affiliation status of a user who is served by another server (TS 24.379 9.2.2.2.10), and dynamic data of a group that
//! another server owns (9.2.1.6): for watchers here.
//!
//! ```text
//!  MC service client          MC service server          MC service server of the target
//!    |-- SUBSCRIBE (presence) --->| may it watch others?       |
//!    |<-------------------- 200 --|-- SUBSCRIBE -------------->| with mcptt-calling-user-id
//!    |                            |<----------- 200, NOTIFY ---|
//!    |<-- NOTIFY: the same state -|                            |
//! ```
//!
//! The roster of a call of another controlling function (10.1.3.3) is told to its participants here in the same way; there
//! our subscription stands for one session.
//!
//! Our subscription stands for one watcher, one target and one service, however often the watcher subscribes: the other
//! server decides by who watches. It ends with the last subscription of the watcher. A refusal there ends those here.

use crate::documents::group_dynamic::GroupDynamicData;
use crate::documents::pidf::Presence;
use crate::model::*;
use crate::procedure::{Outcome, Over, Place, Send, View};

/// Subscribes at the server of the target, unless we do.
pub fn begin(view: &mut View<'_>, watching: &Watching) -> Outcome<Over> {
    let place = match watching {
        Watching::UserAffiliations { user, .. } => view.policy.participating_of(user),
        Watching::GroupData { group, .. } => view.policy.controlling_of(group),
        Watching::Session { id } => match view.model.participation(*id) {
            Some(session) => view.policy.controlling_of(&session.group),
            None => Place::Nowhere,
        },
        Watching::GroupAffiliation { .. } | Watching::GroupDocument { .. } | Watching::Focus { .. } => {
            Place::Nowhere
        }
    };
    let Place::At(at) = place else { return Outcome::default() };
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
    let (of_user, of_group, by, service) = match watching {
        Watching::UserAffiliations { user, by, service } => (Some(user), None, Some(by), Some(*service)),
        Watching::GroupData { group, by, service } => (None, Some(group), Some(by), Some(*service)),
        Watching::GroupAffiliation { .. }
        | Watching::GroupDocument { .. }
        | Watching::Session { .. }
        | Watching::Focus { .. } => (None, None, None, None),
    };
    let by = by.cloned().map(Subscriber::User);
    let of_user = of_user.map(|user| model.watchers_of_user(user));
    let of_group = of_group.map(|group| model.watchers_of_group(group));
    let of_session = match watching {
        Watching::Session { id } => Some(model.watchers_of_session(*id)),
        _ => None,
    };
    let subscriptions = of_user.into_iter().flatten().chain(of_group.into_iter().flatten());
    let subscriptions = subscriptions.filter(move |subscription| {
        Some(&subscription.subscriber) == by.as_ref() && Some(subscription.watched.service()) == service
    });
    subscriptions.chain(of_session.into_iter().flatten())
}

/// A subscription here is over. Ours ends with the last.
pub fn end_if_unwatched(view: &View<'_>, watching: &Watching) -> Outcome<Over> {
    if watchers(view.model, watching).next().is_some() {
        return Outcome::default();
    }
    let Some(watch) = view.model.watch_of(watching) else { return Outcome::default() };
    Outcome::end(vec![Change::Remove(FactKey::Watch(watch.id))], vec![Send::Unwatch(watch.id)])
}

/// The document for a watcher, of what was heard. `only`: the client or user of the watcher's filter.
pub fn document(heard: &GroupDynamicData, only: Option<&str>, p_id: Option<&str>) -> GroupDynamicData {
    let wanted = |id: &str| only.is_none_or(|only| only == id);
    let tuples = heard.presence.tuples.iter().filter(|tuple| wanted(&tuple.id)).cloned().collect();
    let presence = Presence { entity: heard.presence.entity.clone(), tuples, p_id: p_id.map(str::to_owned) };
    GroupDynamicData { presence, state: heard.state }
}
