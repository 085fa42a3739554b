//! Group documents from a GMS that is elsewhere: TS 23.280 10.8.3.1 steps 2a and 2b and their like in the other figures of
//! affiliation, as the subscription of TS 24.481 6.3.13.
//!
//! ```text
//!  MC service server                                  GMS
//!    |  a group is needed whose document is not here    |
//!    |-- 2a SUBSCRIBE (xcap-diff) --------------------->|
//!    |<------------------------ 2b NOTIFY: document ----|  and again with every change
//!    |  the copy changes; what waited for it goes on    |
//! ```
//!
//! Where the GMS is in this process it tells its changes by [`crate::procedure::GroupChange`] instead, and every document
//! is here from the start.

use super::groups;
use crate::model::*;
use crate::procedure::{GroupChange, GroupTold, Heard, Outcome, Over, Place, Send, View};

/// Most groups whose documents are watched at a GMS elsewhere: whoever names groups that do not exist cannot fill the
/// server with subscriptions.
pub const WATCHED_GROUPS: usize = 100_000;

/// Whether a group of this system has a document at a GMS elsewhere that is not known here.
pub fn is_needed(view: &View<'_>, group: &GroupId) -> bool {
    view.policy.is_own(group)
        && view.model.group(Side::Mc, group.as_str()).is_none()
        && matches!(view.policy.gms_of(group), Place::At(_))
}

/// Step 2a: sees to it that the document of a group becomes known, if it is not and the GMS is elsewhere.
pub fn want<W>(view: &mut View<'_>, group: &GroupId, outcome: &mut Outcome<W>) {
    let Place::At(gms) = view.policy.gms_of(group) else { return };
    let what = Watching::GroupDocument { group: group.clone() };
    let is_same = |change: &Change| matches!(change, Change::Put(Fact::Watch(watch)) if watch.what == what);
    if !is_needed(view, group)
        || view.model.watch_of(&what).is_some()
        || outcome.changes.iter().any(is_same)
        || view.model.watches_of_documents() >= WATCHED_GROUPS
    {
        return;
    }
    let id = WatchRef(view.ids.number());
    let watch = Watch { id, from: FunctionKind::Controlling, at: gms.clone(), what, dialog: None };
    outcome.changes.push(Change::Put(Fact::Watch(watch)));
    outcome.sends.push(Send::Watch(id));
}

/// Step 2b: what the GMS says becomes our copy; what waited for it is decided. Nothing comes of a lost subscription: it is
/// made again.
pub fn heard(view: &mut View<'_>, watch: &Watch, heard: Heard) -> Outcome<Over> {
    let Watching::GroupDocument { group } = &watch.what else { return Outcome::default() };
    let known = view.model.group(Side::Mc, group.as_str()).is_some();
    let mut outcome = match heard {
        Heard::Group(GroupTold::Document(document, mark)) if document.id == *group => {
            document_told(view, *document, mark)
        }
        Heard::Group(GroupTold::Document(document, _)) => {
            let what = format!("{} told of {} where {group} was asked for", watch.at, document.id);
            return Outcome::default().logged(what);
        }
        Heard::Group(GroupTold::Gone) => gone(view, group, watch.id),
        // The GMS does not let us have the document: what waits for it cannot be decided. A copy stays in use.
        Heard::Refused(status) if !known => {
            let mut outcome =
                Outcome::default().logged(format!("document of {group} not to be had: {status}"));
            give_up(watch.id, &mut outcome);
            outcome
        }
        Heard::Refused(_)
        | Heard::Affiliations(_)
        | Heard::Passed(_)
        | Heard::Roster(_)
        | Heard::Nothing
        | Heard::Lost => {
            return Outcome::default();
        }
    };
    outcome.sends.push(Send::GroupKnown(group.clone()));
    outcome
}

fn document_told(view: &mut View<'_>, document: GroupDocument, mark: Option<Regrouped>) -> Outcome<Over> {
    let (model, group) = (view.model, document.id.clone());
    let mut outcome = Outcome::default();
    if model.group(Side::Mc, group.as_str()).map(AsRef::as_ref) != Some(&document) {
        outcome.changes.push(Change::Put(Fact::TemporaryGroup(Side::Mc, document)));
    }
    match mark {
        Some(mark) => {
            // The temporary group's own document is needed for calls on it.
            want(view, &mark.temporary, &mut outcome);
            if model.regrouped(Side::Mc, group.as_str()) != Some(&mark) {
                outcome.changes.push(Change::Put(Fact::Regrouped(Side::Mc, group, mark)));
            }
        }
        None if model.regrouped(Side::Mc, group.as_str()).is_some() => {
            outcome.changes.push(Change::Remove(FactKey::Regrouped(Side::Mc, group)));
        }
        None => {}
    }
    outcome
}

/// The group does not exist: its copy goes, and a temporary one is torn down (TS 23.280 10.2.4.2a step 4).
fn gone(view: &mut View<'_>, group: &GroupId, watch: WatchRef) -> Outcome<Over> {
    let known = view.model.group(Side::Mc, group.as_str()).cloned();
    let mut outcome = match known.as_ref().map(|known| &known.temporary) {
        Some(Some(_)) => {
            let change = GroupChange::TornDown { temporary: group.clone(), constituents: Vec::new() };
            groups::changed(view, change)
        }
        Some(None) => {
            let change = Change::Remove(FactKey::TemporaryGroup(Side::Mc, group.clone()));
            Outcome::end(vec![change], Vec::new())
        }
        None => Outcome::default(),
    };
    give_up(watch, &mut outcome);
    outcome
}

fn give_up(watch: WatchRef, outcome: &mut Outcome<Over>) {
    outcome.changes.push(Change::Remove(FactKey::Watch(watch)));
    outcome.sends.push(Send::Unwatch(watch));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::*;
    use crate::procedure::testing::World;

    const GMS: &str = "sip:gms@elsewhere.example";

    /// A server that knows alice and bob, and no group; the GMS is elsewhere.
    fn world() -> World {
        let mut world = World::new([user("alice"), user("bob")], []);
        world.policy.functions.gms.clear();
        world.policy.elsewhere.gms = vec![GMS.into()];
        world
    }

    fn wanted(world: &mut World, name: &str) -> Option<Watch> {
        let outcome = world.run(|view| {
            let mut outcome: Outcome<Over> = Outcome::default();
            want(view, &group_id(name), &mut outcome);
            outcome
        });
        outcome.changes.into_iter().find_map(|change| match change {
            Change::Put(Fact::Watch(watch)) => Some(watch),
            _ => None,
        })
    }

    fn told(world: &mut World, watch: &Watch, told: GroupTold) -> Outcome<Over> {
        world.run(|view| heard(view, watch, Heard::Group(told)))
    }

    fn document(name: &str, members: &[&str]) -> GroupTold {
        GroupTold::Document(Box::new(group(name, members)), None)
    }

    fn known(outcome: &Outcome<Over>) -> bool {
        outcome.sends.iter().any(|send| matches!(send, Send::GroupKnown(_)))
    }

    #[test]
    fn a_document_is_asked_for_once_and_kept_as_it_changes() {
        let mut world = world();
        let watch = wanted(&mut world, "fire").unwrap();
        assert_eq!((watch.at.as_str(), watch.from), (GMS, FunctionKind::Controlling));
        assert_eq!(wanted(&mut world, "fire"), None);
        assert!(known(&told(&mut world, &watch, document("fire", &["alice"]))));
        assert!(groups::is_member(&world.model, &user_id("alice"), &group_id("fire")));
        told(&mut world, &watch, document("fire", &["bob"]));
        assert!(!groups::is_member(&world.model, &user_id("alice"), &group_id("fire")));
        // Told again: nothing to write.
        assert!(told(&mut world, &watch, document("fire", &["bob"])).changes.is_empty());
        assert_eq!(wanted(&mut world, "fire"), None);
    }

    #[test]
    fn a_group_that_is_not_there_is_not_watched_any_more() {
        let mut world = world();
        let watch = wanted(&mut world, "nowhere").unwrap();
        let outcome = told(&mut world, &watch, GroupTold::Gone);
        assert!(known(&outcome));
        assert!(outcome.sends.iter().any(|send| matches!(send, Send::Unwatch(id) if *id == watch.id)));
        assert_eq!(world.model.watches_of_documents(), 0);
    }

    #[test]
    fn a_refusal_decides_what_waits_but_leaves_a_known_copy() {
        let mut world = world();
        let refused =
            |world: &mut World, watch: &Watch| world.run(|view| heard(view, watch, Heard::Refused(403)));
        let watch = wanted(&mut world, "fire").unwrap();
        assert!(known(&refused(&mut world, &watch)));
        let watch = wanted(&mut world, "fire").unwrap();
        told(&mut world, &watch, document("fire", &["alice"]));
        assert!(refused(&mut world, &watch).changes.is_empty());
        assert!(world.model.group(Side::Mc, group_id("fire").as_str()).is_some());
    }

    #[test]
    fn a_lost_subscription_changes_nothing() {
        let mut world = world();
        let watch = wanted(&mut world, "fire").unwrap();
        let outcome = world.run(|view| heard(view, &watch, Heard::Lost));
        assert!(outcome.changes.is_empty() && outcome.sends.is_empty());
    }

    #[test]
    fn the_document_of_another_group_is_not_taken() {
        let mut world = world();
        let watch = wanted(&mut world, "fire").unwrap();
        assert!(told(&mut world, &watch, document("police", &["alice"])).changes.is_empty());
        assert!(is_needed(&world.view(), &group_id("fire")));
    }

    #[test]
    fn a_mark_brings_the_temporary_group_and_goes_with_it() {
        let mut world = world();
        let watch = wanted(&mut world, "fire").unwrap();
        let joint = temporary_group("joint", &["fire", "police"]);
        let mark = regrouping(&joint).into_iter().find_map(|change| match change {
            Change::Put(Fact::Regrouped(Side::Mc, group, mark)) if group == group_id("fire") => Some(mark),
            _ => None,
        });
        let marked = GroupTold::Document(Box::new(group("fire", &["alice"])), mark);
        told(&mut world, &watch, marked);
        let of_joint = Watching::GroupDocument { group: group_id("joint") };
        let of_joint = world.model.watch_of(&of_joint).cloned().expect("the temporary group is watched");
        told(&mut world, &of_joint, GroupTold::Document(Box::new(joint), None));
        assert_eq!(groups::constituents_of(&world.model, &group_id("joint")).len(), 2);
        told(&mut world, &of_joint, GroupTold::Gone);
        assert_eq!(world.model.regrouped(Side::Mc, group_id("fire").as_str()), None);
        assert!(world.model.group(Side::Mc, group_id("joint").as_str()).is_none());
    }

    #[test]
    fn where_the_gms_is_here_nothing_is_asked() {
        let mut world = World::new([user("alice")], []);
        assert_eq!(wanted(&mut world, "fire"), None);
        assert!(!is_needed(&world.view(), &group_id("fire")));
        let mut world = self::world();
        assert_eq!(wanted(&mut world, "sip:rail@two.example"), None);
    }
}
