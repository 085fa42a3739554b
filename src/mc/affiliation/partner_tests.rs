//! TS 24.379 9.2.2.2.6 and 9.2.2.2.7: what is asked of an owner elsewhere, and what comes of its answers. `rail` and `port`
//! are groups of `two.example`.

use super::tests::{ask, done, etag};
use super::*;
use crate::documents::pidf::{Affiliation, Tuple};
use crate::model::testing::*;
use crate::procedure::testing::World;
use crate::procedure::{Functions, Partner, Warning};

const RAIL: &str = "sip:rail@two.example";
const PORT: &str = "sip:port@two.example";

fn world() -> World {
    let mut world = World::new([user("alice"), user("bob")], [group("fire", &["alice", "bob"])]);
    let controlling = vec![Psi::new("sip:controlling@two.example")];
    let functions = Functions { controlling, ..Functions::default() };
    let partner = Partner { domain: "two.example".to_owned(), functions, ..Partner::default() };
    world.policy.partners.insert("two.example".to_owned(), partner);
    world
}

/// Status of an entry, by client and group.
fn status(world: &World, client: &str, group: &str) -> Option<AffiliationStatus> {
    let record = world.model.affiliations(user_id("alice").as_str(), client)?;
    record.groups.iter().find(|entry| entry.group.as_str() == group).map(|entry| entry.status)
}

/// The one request that is open about a group, with its clients.
fn open(world: &World, group: &str) -> Option<(FunctionRequest, Vec<String>)> {
    let mut found: Vec<_> = world
        .model
        .requests()
        .filter(
            |request| matches!(&request.what, Asked::Affiliation { group: id, .. } if id.as_str() == group),
        )
        .cloned()
        .collect();
    assert!(found.len() <= 1, "one request says all");
    let request = found.pop()?;
    let Asked::Affiliation { clients, .. } = &request.what else { return None };
    let clients = clients.iter().map(ToString::to_string).collect();
    Some((request, clients))
}

fn watches(world: &World) -> usize {
    world.model.watches().count()
}

/// The service removes the request and tells how it ended.
fn ends(world: &mut World, group: &str, end: RequestEnd) -> Outcome<Over> {
    let (request, _) = open(world, group).expect("an open request");
    world.apply(&[Change::Remove(FactKey::Request(request.id))]);
    world.run(|view| request_ended(view, &request, end))
}

fn taken(world: &mut World, group: &str) {
    ends(world, group, RequestEnd::Taken { expires: Some(u32::MAX) });
}

fn failed(status: u16) -> RequestEnd {
    RequestEnd::Failed { status, warnings: Vec::new(), min_expires: None }
}

/// A notification that lists these clients of alice.
fn notified(world: &mut World, group: &str, clients: &[&str], p_id: Option<String>) -> Outcome<Over> {
    let affiliations =
        clients.iter().map(|client| Affiliation::with_client(*client, None)).collect::<Vec<_>>();
    let tuple = Tuple { id: user_id("alice").to_string(), affiliations };
    let tuples = if clients.is_empty() { Vec::new() } else { vec![tuple] };
    let presence = Presence { entity: group.to_owned(), tuples, p_id };
    let watch = world.model.watches().find(
        |watch| matches!(&watch.what, Watching::GroupAffiliation { group: id, .. } if id.as_str() == group),
    );
    let watch = watch.expect("a subscription").clone();
    world.run(|view| heard(view, &watch, Heard::Affiliations(presence)))
}

fn p_id(world: &World, group: &str) -> Option<String> {
    let (request, _) = open(world, group)?;
    Some(p_id_of(&world.policy, request.id))
}

/// Alice's client is affiliated to `rail`.
fn affiliated(world: &mut World, client: &str) {
    done(world, ask("alice", client, &[RAIL]));
    taken(world, RAIL);
    notified(world, RAIL, &[client], None);
    assert_eq!(status(world, client, RAIL), Some(AffiliationStatus::Affiliated));
}

const AFFILIATING: Option<AffiliationStatus> = Some(AffiliationStatus::Affiliating);
const AFFILIATED: Option<AffiliationStatus> = Some(AffiliationStatus::Affiliated);
const DEAFFILIATING: Option<AffiliationStatus> = Some(AffiliationStatus::Deaffiliating);

#[test]
fn own_groups_are_affiliated_at_once_and_owners_elsewhere_asked_one_by_one() {
    let mut world = world();
    let outcome = done(&mut world, ask("alice", "a", &["fire", RAIL, PORT]));
    assert_eq!(status(&world, "a", group_id("fire").as_str()), AFFILIATED);
    assert_eq!((status(&world, "a", RAIL), status(&world, "a", PORT)), (AFFILIATING, AFFILIATING));
    let order: Vec<&str> = outcome
        .sends
        .iter()
        .filter_map(|send| match send {
            Send::Answer { .. } => Some("answer"),
            Send::AffiliationStatus { .. } => Some("status"),
            Send::Watch(_) => Some("watch"),
            Send::Request(_) => Some("request"),
            Send::AffiliationUpdate { groups, .. } => {
                assert_eq!(groups.len(), 1, "the GMS of a partner hears from the partner");
                None
            }
            _ => None,
        })
        .collect();
    assert_eq!(order, ["answer", "status", "watch", "watch", "request", "request"]);
    assert_eq!(open(&world, RAIL).unwrap().1, ["a"]);
    assert_eq!(watches(&world), 2);
}

#[test]
fn the_same_publish_again_asks_nobody() {
    let mut world = world();
    affiliated(&mut world, "a");
    let again = done(&mut world, ask("alice", "a", &[RAIL]));
    assert!(again.changes.is_empty());
    assert_eq!(again.sends.len(), 2, "answer and notification");
}

#[test]
fn the_receipt_of_an_owner_is_no_affiliation() {
    let mut world = world();
    done(&mut world, ask("alice", "a", &[RAIL]));
    notified(&mut world, RAIL, &[], None);
    assert_eq!(status(&world, "a", RAIL), AFFILIATING, "the state before the request was taken");
    taken(&mut world, RAIL);
    assert_eq!(status(&world, "a", RAIL), AFFILIATING);
    let told = notified(&mut world, RAIL, &["a"], None);
    assert_eq!(status(&world, "a", RAIL), AFFILIATED);
    assert!(matches!(told.sends[..], [Send::AffiliationStatus { p_id: None, .. }]));
    assert!(notified(&mut world, RAIL, &["a"], None).changes.is_empty());
}

#[test]
fn not_listed_in_answer_to_the_request_is_a_refusal() {
    let mut world = world();
    done(&mut world, ask("alice", "a", &["fire", RAIL]));
    let p_id = p_id(&world, RAIL);
    notified(&mut world, RAIL, &[], Some("of-another".to_owned()));
    assert_eq!(status(&world, "a", RAIL), AFFILIATING);
    notified(&mut world, RAIL, &[], p_id);
    assert_eq!(status(&world, "a", RAIL), None);
    assert_eq!(status(&world, "a", group_id("fire").as_str()), AFFILIATED);
    assert_eq!(watches(&world), 0, "nothing is left to watch");
}

#[test]
fn a_notification_about_another_group_or_user_says_nothing() {
    let mut world = world();
    affiliated(&mut world, "a");
    let watch = world.model.watches().next().unwrap().clone();
    let other = Presence { entity: PORT.to_owned(), ..Presence::default() };
    world.run(|view| heard(view, &watch, Heard::Affiliations(other)));
    assert_eq!(status(&world, "a", RAIL), AFFILIATED);
    let tuple =
        Tuple { id: user_id("bob").to_string(), affiliations: vec![Affiliation::with_client("a", None)] };
    let of_bob = Presence { entity: RAIL.to_owned(), tuples: vec![tuple], p_id: None };
    world.run(|view| heard(view, &watch, Heard::Affiliations(of_bob)));
    assert_eq!(status(&world, "a", RAIL), None, "alice is not in it");
}

#[test]
fn an_owner_that_refuses_or_is_silent_ends_the_affiliation_and_the_silent_one_is_told_so() {
    for (status_code, told) in [(403, false), (404, false), (408, true), (503, true)] {
        let mut world = world();
        done(&mut world, ask("alice", "a", &["fire", RAIL]));
        let outcome = ends(&mut world, RAIL, failed(status_code));
        assert_eq!(status(&world, "a", RAIL), None);
        assert!(outcome.log.is_some());
        let request = open(&world, RAIL);
        assert_eq!(request.is_some(), told, "{status_code}");
        if let Some((request, clients)) = request {
            assert!(clients.is_empty());
            assert_eq!(request.until, Some(world.now.plus(PERSISTENCE)));
        }
    }
}

#[test]
fn silence_says_nothing_about_what_was_in_force_before() {
    let mut world = world();
    affiliated(&mut world, "a");
    done(&mut world, ask("alice", "b", &[RAIL]));
    assert_eq!(open(&world, RAIL).unwrap().1, ["a", "b"]);
    ends(&mut world, RAIL, failed(408));
    assert_eq!((status(&world, "a", RAIL), status(&world, "b", RAIL)), (AFFILIATED, None));
    assert_eq!(open(&world, RAIL).unwrap().1, ["a"]);
    // A refusal is one for the user.
    ends(&mut world, RAIL, failed(403));
    assert_eq!(status(&world, "a", RAIL), None);
    assert_eq!(open(&world, RAIL).unwrap().1, Vec::<String>::new());
}

#[test]
fn an_interval_that_is_too_brief_is_asked_for_once_more() {
    let mut world = world();
    let brief =
        || RequestEnd::Failed { status: 423, warnings: Vec::new(), min_expires: Some(WHOLE_INTERVAL) };
    done(&mut world, ask("alice", "a", &[RAIL]));
    ends(&mut world, RAIL, brief());
    assert_eq!(status(&world, "a", RAIL), AFFILIATING);
    ends(&mut world, RAIL, brief());
    assert_eq!(status(&world, "a", RAIL), None);
    assert!(open(&world, RAIL).is_none());
    // Less than what was asked for is no reason to ask again.
    done(&mut world, ask("alice", "a", &[RAIL]));
    let less = RequestEnd::Failed { status: 423, warnings: Vec::new(), min_expires: Some(60) };
    ends(&mut world, RAIL, less);
    assert_eq!(status(&world, "a", RAIL), None);
}

#[test]
fn what_is_not_wanted_any_more_goes_when_the_owner_says_so_or_by_time() {
    let mut world = world();
    affiliated(&mut world, "a");
    done(&mut world, ask("alice", "a", &[]));
    assert_eq!(status(&world, "a", RAIL), DEAFFILIATING);
    let again = done(&mut world, ask("alice", "a", &[]));
    assert!(again.changes.is_empty(), "it is on its way out already");
    notified(&mut world, RAIL, &["a"], None);
    assert_eq!(status(&world, "a", RAIL), DEAFFILIATING, "crossed in flight");
    let second = p_id(&world, RAIL);
    notified(&mut world, RAIL, &[], second);
    assert_eq!(status(&world, "a", RAIL), None);
    taken(&mut world, RAIL);
    // By time.
    affiliated(&mut world, "a");
    done(&mut world, PublishAsk { expires: Some(0), ..ask("alice", "a", &[]) });
    world.wait(figure::DEAFFILIATING_FOR);
    world.run(|view| expire(view, &user_id("alice"), &ClientId::from("a")));
    assert_eq!((status(&world, "a", RAIL), watches(&world)), (None, 0));
    assert!(open(&world, RAIL).is_some(), "the owner is told until it listens");
}

#[test]
fn wanted_again_before_the_owner_let_go_is_asked_for_again() {
    let mut world = world();
    affiliated(&mut world, "a");
    done(&mut world, ask("alice", "a", &[]));
    let first = p_id(&world, RAIL);
    done(&mut world, ask("alice", "a", &[RAIL]));
    assert_eq!(
        (status(&world, "a", RAIL), open(&world, RAIL).unwrap().1),
        (AFFILIATING, vec!["a".to_owned()])
    );
    notified(&mut world, RAIL, &[], first);
    assert_eq!(status(&world, "a", RAIL), AFFILIATING, "that was about the request before");
    let second = p_id(&world, RAIL);
    notified(&mut world, RAIL, &["a"], second);
    assert_eq!(status(&world, "a", RAIL), AFFILIATED);
}

#[test]
fn news_that_an_older_request_brought_does_not_undo_what_was_asked_later() {
    let mut world = world();
    affiliated(&mut world, "a");
    done(&mut world, ask("alice", "a", &[]));
    let left = p_id(&world, RAIL);
    done(&mut world, ask("alice", "a", &[RAIL]));
    let again = p_id(&world, RAIL);
    // The owner told how it was, then that she is gone, then that she is back.
    notified(&mut world, RAIL, &["a"], None);
    assert_eq!(status(&world, "a", RAIL), AFFILIATED);
    assert!(notified(&mut world, RAIL, &[], left).changes.is_empty());
    notified(&mut world, RAIL, &["a"], again);
    assert_eq!(status(&world, "a", RAIL), AFFILIATED);
    taken(&mut world, RAIL);
    assert_eq!(status(&world, "a", RAIL), AFFILIATED);
    // And the other way round.
    let back = world.model.affiliations(user_id("alice").as_str(), "a").unwrap().groups[0].owner.clone();
    let back = back.and_then(|owner| owner.asked).map(|id| p_id_of(&world.policy, id));
    done(&mut world, ask("alice", "a", &[]));
    assert!(notified(&mut world, RAIL, &["a"], back).changes.is_empty());
    assert_eq!(status(&world, "a", RAIL), DEAFFILIATING);
}

#[test]
fn an_owner_that_does_not_let_go_keeps_the_affiliation() {
    let mut world = world();
    affiliated(&mut world, "a");
    done(&mut world, ask("alice", "a", &[]));
    let warnings =
        vec![Warning { code: Some(100), text: "function not allowed due to local policy".to_owned() }];
    ends(&mut world, RAIL, RequestEnd::Failed { status: 403, warnings, min_expires: None });
    assert_eq!(status(&world, "a", RAIL), AFFILIATED);
    let record = world.model.affiliations(user_id("alice").as_str(), "a").unwrap();
    assert_eq!(record.groups[0].ends(), None);
    assert!(open(&world, RAIL).is_none());
}

#[test]
fn an_owner_that_takes_the_request_and_says_nothing_is_asked_again_and_at_last_given_up() {
    let mut world = world();
    done(&mut world, ask("alice", "a", &[RAIL]));
    let mut asked = 1;
    while status(&world, "a", RAIL).is_some() {
        taken(&mut world, RAIL);
        world.wait(Duration::from_secs(32));
        world.run(|view| expire(view, &user_id("alice"), &ClientId::from("a")));
        asked += 1;
        assert!(asked < 10);
    }
    assert_eq!(asked, 5, "four times for the user, once that it is over");
    assert_eq!(open(&world, RAIL).unwrap().1, Vec::<String>::new());
}

#[test]
fn a_refused_subscription_ends_what_was_in_force() {
    let mut world = world();
    affiliated(&mut world, "a");
    let watch = world.model.watches().next().unwrap().clone();
    world.run(|view| heard(view, &watch, Heard::Lost));
    assert_eq!(status(&world, "a", RAIL), AFFILIATED);
    world.run(|view| heard(view, &watch, Heard::Refused(403)));
    assert_eq!((status(&world, "a", RAIL), watches(&world)), (None, 0));
    // While a request is under way its own answer counts.
    done(&mut world, ask("alice", "a", &[RAIL]));
    let watch = world.model.watches().next().unwrap().clone();
    world.run(|view| heard(view, &watch, Heard::Refused(403)));
    assert_eq!(status(&world, "a", RAIL), AFFILIATING);
}

#[test]
fn a_client_that_logs_off_leaves_the_others_in_the_group() {
    let mut world = world();
    affiliated(&mut world, "a");
    done(&mut world, ask("alice", "b", &[RAIL]));
    taken(&mut world, RAIL);
    notified(&mut world, RAIL, &["a", "b"], None);
    done(&mut world, PublishAsk { expires: Some(0), ..ask("alice", "a", &[]) });
    assert_eq!(open(&world, RAIL).unwrap().1, ["b"]);
    notified(&mut world, RAIL, &["b"], None);
    assert_eq!((status(&world, "a", RAIL), status(&world, "b", RAIL)), (None, AFFILIATED));
    assert_eq!(watches(&world), 1);
}

#[test]
fn a_user_has_so_many_groups_elsewhere_and_no_more() {
    let mut world = world();
    let names: Vec<String> =
        (0..=GROUPS_ELSEWHERE_PER_USER).map(|number| format!("sip:g{number}@two.example")).collect();
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let outcome = done(&mut world, ask("alice", "a", &all));
    assert_eq!(watches(&world), GROUPS_ELSEWHERE_PER_USER);
    assert!(outcome.log.unwrap().contains("beyond 64 groups elsewhere"));
    // What another client has is counted once.
    done(&mut world, ask("alice", "b", &all[..3]));
    assert_eq!(status(&world, "b", all[0]), AFFILIATING);
    done(&mut world, ask("alice", "b", &[all[GROUPS_ELSEWHERE_PER_USER]]));
    assert_eq!(status(&world, "b", all[GROUPS_ELSEWHERE_PER_USER]), None);
}

#[test]
fn an_agreement_that_is_gone_takes_its_affiliations_with_it() {
    let mut world = world();
    affiliated(&mut world, "a");
    world.policy.partners.clear();
    done(&mut world, ask("alice", "a", &[RAIL]));
    assert_eq!((status(&world, "a", RAIL), watches(&world)), (None, 0));
    assert!(open(&world, RAIL).is_none());
}

#[test]
fn the_entity_tag_stands_for_what_is_wanted() {
    let mut world = world();
    done(&mut world, ask("alice", "a", &["fire", RAIL]));
    let tag = etag(&done(&mut world, ask("alice", "a", &["fire"])));
    notified(&mut world, RAIL, &[], None);
    let refresh = PublishAsk { etag: Some(tag), presence: None, ..ask("alice", "a", &[]) };
    done(&mut world, refresh);
    assert_eq!(status(&world, "a", group_id("fire").as_str()), AFFILIATED);
}

#[test]
fn a_group_of_this_system_that_nobody_leaves_stays_with_its_clients() {
    let mut world = world();
    world.policy.no_de_affiliation.insert(group_id("fire"));
    done(&mut world, ask("alice", "a", &["fire", RAIL]));
    let outcome = done(&mut world, PublishAsk { expires: Some(0), ..ask("alice", "a", &[]) });
    assert_eq!(status(&world, "a", group_id("fire").as_str()), AFFILIATED);
    assert_eq!(status(&world, "a", RAIL), DEAFFILIATING);
    assert!(outcome.log.unwrap().contains("sip:fire@one.example: stays, nobody leaves it"));
}

#[test]
fn services_are_asked_for_apart_and_do_not_touch_each_other() {
    let mut world = world();
    affiliated(&mut world, "a");
    done(&mut world, PublishAsk { service: Service::McVideo, ..ask("alice", "a", &[RAIL]) });
    assert_eq!(watches(&world), 2);
    assert!(matches!(
        open(&world, RAIL).unwrap().0.what,
        Asked::Affiliation { service: Service::McVideo, .. }
    ));
    ends(&mut world, RAIL, failed(403));
    assert_eq!((status(&world, "a", RAIL), watches(&world)), (AFFILIATED, 1));
}
