//! Affiliation status of a user: who may watch it, and the document that a watcher gets. TS 24.379 9.2.2.2.4, 9.2.2.2.5.
//!
//! ```text
//!  MC service client            MC service server
//!    |-- SUBSCRIBE (presence) ----->| 4 may this user watch that one?
//!    |<----------------------- 200 -|
//!    |<-- NOTIFY: whole state ------| at once, and on every change
//! ```

use super::remote_change::Originator;
use crate::documents::pidf::{Affiliation, Presence, Tuple};
use crate::env::Time;
use crate::model::*;
use crate::procedure::{Place, Refusal, View};

/// TS 24.379 9.2.2.2.4 steps 1 to 4: what a subscription of `sender` to the status of `target` watches. `client`: the
/// per-client restriction of the filter, if there is one.
///
/// # Errors
/// 403: the sender may not watch another user; with Warning 180 where the agreement with a partner does not permit it. 404:
/// one of the two is not known.
pub fn subscribe(
    view: &View<'_>,
    sender: &Originator,
    target: &UserId,
    client: Option<ClientId>,
    service: Service,
) -> Result<Watched, Refusal> {
    // Step 4.
    let own = sender.user() == target;
    let may = |profile: &UserProfile| own || profile.allow_request_affiliated_groups;
    sender.may(view, may, "not authorised to watch other users")?;
    let from_client = matches!(sender, Originator::Client(_));
    match view.policy.participating_of(target) {
        // Served elsewhere: `status_elsewhere`. What another server passed on to us is for our users only.
        Place::At(_) if from_client => {}
        _ if view.model.user(target.as_str()).is_some() => {}
        _ => return Err(Refusal::UnknownUser),
    }
    Ok(Watched::Affiliations { user: target.clone(), client, service })
}

/// TS 24.379 9.2.2.2.5: the whole state of a user; `p_id` of the PUBLISH that caused the notification. `None` if the
/// subscription watches something else.
pub fn document(model: &Model, watched: &Watched, p_id: Option<&str>, now: Time) -> Option<Presence> {
    let Watched::Affiliations { user, client, service } = watched else { return None };
    let tuples = model
        .affiliations_of(user.as_str())
        // c) Only the client of the filter.
        .filter(|record| client.as_ref().is_none_or(|client| *client == record.client))
        .map(|record| Tuple {
            id: record.client.to_string(),
            affiliations: record
                .groups
                .iter()
                // a) Nothing whose time is over; b) what is de-affiliated has no entry.
                .filter(|entry| entry.service == *service && entry.lasts(now))
                .map(|entry| {
                    // What is not in force has no time worth telling: it ends when its owner has spoken, or is silent.
                    let ends = entry.ends().filter(|_| entry.status == AffiliationStatus::Affiliated);
                    Affiliation::to_group(entry.group.as_str(), Some(entry.status), ends)
                })
                .collect(),
        })
        .filter(|tuple| !tuple.affiliations.is_empty())
        .collect();
    // d)
    Some(Presence { entity: user.to_string(), tuples, p_id: p_id.map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::*;
    use crate::procedure::testing::World;
    use std::time::Duration;

    fn world() -> World {
        let watcher = user_with("chief", |profile| profile.allow_request_affiliated_groups = true);
        World::new(
            [watcher, user("alice"), user("bob")],
            [group("fire", &["alice"]), group("sea", &["alice"])],
        )
    }

    fn watch(world: &mut World, sender: &str, target: &str) -> Result<Watched, Refusal> {
        let sender = Originator::Client(user_id(sender));
        subscribe(&world.view(), &sender, &user_id(target), None, Service::Mcptt)
    }

    fn all_of(name: &str) -> Watched {
        Watched::Affiliations { user: user_id(name), client: None, service: Service::Mcptt }
    }

    #[test]
    fn a_user_may_watch_himself() {
        assert_eq!(watch(&mut world(), "alice", "alice"), Ok(all_of("alice")));
    }

    #[test]
    fn another_user_is_watched_with_permission_only() {
        let mut world = world();
        assert_eq!(watch(&mut world, "chief", "alice"), Ok(all_of("alice")));
        for target in ["alice", "nobody"] {
            let refusal = watch(&mut world, "bob", target).unwrap_err();
            assert_eq!(refusal, Refusal::NotPermitted { why: "not authorised to watch other users" });
            assert_eq!(refusal.answer().status, 403);
        }
    }

    #[test]
    fn unknown_users_are_not_found() {
        let mut world = world();
        for (sender, target) in [("nobody", "nobody"), ("chief", "nobody")] {
            let refusal = watch(&mut world, sender, target).unwrap_err();
            assert_eq!(refusal, Refusal::UnknownUser);
            let answer = refusal.answer();
            assert_eq!((answer.status, answer.warnings[0].code), (404, Some(141)));
        }
    }

    #[test]
    fn the_document_has_a_tuple_for_each_client_with_groups() {
        let mut world = world();
        world.affiliate("alice", "b", &["sea"]);
        world.affiliate("alice", "a", &["sea", "fire"]);
        let document = document(&world.model, &all_of("alice"), Some("p1"), world.now).unwrap();
        assert_eq!(document.entity, "sip:alice@one.example");
        assert_eq!(document.p_id.as_deref(), Some("p1"));
        let groups = |tuple: &Tuple| -> Vec<String> {
            tuple.affiliations.iter().filter_map(|affiliation| affiliation.group.clone()).collect()
        };
        let tuples: Vec<_> = document.tuples.iter().map(|tuple| (tuple.id.as_str(), groups(tuple))).collect();
        let (fire, sea) = ("sip:fire@one.example".to_owned(), "sip:sea@one.example".to_owned());
        assert_eq!(tuples, [("a", vec![sea.clone(), fire]), ("b", vec![sea])]);
        let first = &document.tuples[0].affiliations[0];
        assert_eq!((first.status, first.expires), (Some(AffiliationStatus::Affiliated), None));
    }

    #[test]
    fn a_filter_leaves_one_client() {
        let mut world = world();
        world.affiliate("alice", "a", &["sea"]);
        world.affiliate("alice", "b", &["sea"]);
        let watched = Watched::Affiliations {
            user: user_id("alice"),
            client: Some(ClientId::from("b")),
            service: Service::Mcptt,
        };
        let document = document(&world.model, &watched, None, world.now).unwrap();
        assert_eq!(document.tuples.iter().map(|tuple| tuple.id.as_str()).collect::<Vec<_>>(), ["b"]);
        assert_eq!(document.p_id, None);
    }

    #[test]
    fn what_is_over_or_of_another_service_is_left_out_and_empty_tuples_too() {
        let mut world = world();
        let ends = world.now.plus(Duration::from_secs(10));
        let entry = |group: &str, expires, service| GroupAffiliation::own(group_id(group), service, expires);
        world.apply(&[Change::Put(Fact::Affiliation(ClientAffiliations {
            user: user_id("alice"),
            client: ClientId::from("a"),
            groups: vec![entry("fire", Some(ends), Service::Mcptt), entry("sea", None, Service::McVideo)],
        }))]);
        let before = document(&world.model, &all_of("alice"), None, world.now).unwrap();
        assert_eq!(before.tuples[0].affiliations.len(), 1);
        assert_eq!(before.tuples[0].affiliations[0].expires, Some(ends));
        assert!(document(&world.model, &all_of("alice"), None, ends).unwrap().tuples.is_empty());
    }

    #[test]
    fn a_roster_is_no_affiliation_status() {
        let world = world();
        let watched = Watched::Session { id: ParticipationRef(1), service: Service::Mcptt };
        assert_eq!(document(&world.model, &watched, None, world.now), None);
    }
}
