//! What every store must do; run against each of them.

use super::{Store, StoreError};
use crate::env::Time;
use crate::model::{
    CallRef, Change, ClientAffiliations, Fact, Leg, LegId, LegLink, LegOwner, Notice, Owed, OwedRef,
    Participant, Registration, UserId,
};

/// Opens the same records again and again.
pub type Opener = Box<dyn FnMut() -> Result<Box<dyn Store>, StoreError>>;

/// Runs all tests, each with fresh records that `fresh` makes.
pub fn run(fresh: &mut dyn FnMut() -> Opener) {
    a_new_store_is_empty(&mut fresh());
    a_batch_is_there_after_reopening(&mut fresh());
    a_record_is_replaced_and_removed(&mut fresh());
    the_last_change_of_a_key_in_a_batch_counts(&mut fresh());
    replay_follows_the_variants_of_facts(&mut fresh());
    an_empty_batch_is_kept(&mut fresh());
    large_records_and_long_keys_are_kept(&mut fresh());
    many_commits_and_reopenings_add_up(&mut fresh());
}

/// A small fact: something owed to a user.
pub fn owed(id: u64, to: &str) -> Fact {
    Fact::Owed(Owed {
        id: OwedRef(id),
        to: UserId::from(to),
        clients: Vec::new(),
        service: crate::model::Service::Mcptt,
        notice: Notice::TornDown {
            temporary: "sip:temporary@one.example".into(),
            constituents: vec!["sip:fire@one.example".into()],
            transaction_id: "t1".to_owned(),
            requestor: "sip:alice@one.example".into(),
        },
        until: Time::from_millis(id),
    })
}

/// All facts of a store.
pub fn facts(store: &mut dyn Store) -> Vec<Fact> {
    let mut facts = Vec::new();
    store.replay(&mut |fact| facts.push(fact)).unwrap();
    facts
}

fn affiliation(user: &str) -> Fact {
    Fact::Affiliation(ClientAffiliations {
        user: user.into(),
        client: "urn:uuid:0".into(),
        groups: Vec::new(),
    })
}

fn leg(id: u64) -> Fact {
    Fact::Leg(Leg {
        id: LegId(id),
        owner: LegOwner::Call(CallRef(1)),
        link: LegLink::Memory(LegId(id + 1)),
        service: crate::model::Service::Mcptt,
        ending: false,
    })
}

fn participant(leg: u64) -> Fact {
    Fact::Participant(Participant {
        call: CallRef(1),
        leg: LegId(leg),
        user: "sip:bob@one.example".into(),
        client: None,
        media_port: 4000,
        left: false,
        turns: 1,
        joined: Time::from_millis(0),
    })
}

fn registration(public: &str) -> Fact {
    Fact::Registration(Registration {
        public_id: public.into(),
        user: "sip:bob@one.example".into(),
        bindings: Vec::new(),
    })
}

fn a_new_store_is_empty(open: &mut Opener) {
    assert_eq!(facts(open().unwrap().as_mut()), []);
    assert_eq!(facts(open().unwrap().as_mut()), []);
}

fn a_batch_is_there_after_reopening(open: &mut Opener) {
    let batch = [Change::Put(owed(1, "a")), Change::Put(owed(2, "b"))];
    let mut store = open().unwrap();
    store.commit(&batch).unwrap();
    let kept = [owed(1, "a"), owed(2, "b")];
    assert_eq!(facts(store.as_mut()), kept);
    drop(store);
    assert_eq!(facts(open().unwrap().as_mut()), kept);
}

fn a_record_is_replaced_and_removed(open: &mut Opener) {
    let mut store = open().unwrap();
    store.commit(&[Change::Put(owed(1, "a")), Change::Put(owed(2, "b"))]).unwrap();
    store.commit(&[Change::Put(owed(1, "c")), Change::Remove(owed(2, "b").key())]).unwrap();
    store.commit(&[Change::Remove(owed(3, "never there").key())]).unwrap();
    assert_eq!(facts(store.as_mut()), [owed(1, "c")]);
    drop(store);
    assert_eq!(facts(open().unwrap().as_mut()), [owed(1, "c")]);
}

fn the_last_change_of_a_key_in_a_batch_counts(open: &mut Opener) {
    let mut store = open().unwrap();
    let (one, two, three) = (owed(1, "a"), owed(2, "b"), owed(3, "c"));
    store.commit(&[Change::Put(three.clone())]).unwrap();
    store
        .commit(&[
            Change::Put(one.clone()),
            Change::Remove(one.key()),
            Change::Put(owed(1, "again")),
            Change::Put(two.clone()),
            Change::Put(owed(2, "changed")),
            Change::Remove(two.key()),
            Change::Remove(three.key()),
            Change::Put(owed(3, "back")),
        ])
        .unwrap();
    let kept = [owed(1, "again"), owed(3, "back")];
    assert_eq!(facts(store.as_mut()), kept);
    drop(store);
    assert_eq!(facts(open().unwrap().as_mut()), kept);
}

fn replay_follows_the_variants_of_facts(open: &mut Opener) {
    let mut store = open().unwrap();
    let order = [
        registration("sip:z@one.example"),
        affiliation("sip:a@one.example"),
        participant(9),
        leg(1),
        owed(5, "a"),
    ];
    let backwards: Vec<Change> = order.iter().rev().cloned().map(Change::Put).collect();
    store.commit(&backwards).unwrap();
    assert_eq!(facts(store.as_mut()), order);
    drop(store);
    assert_eq!(facts(open().unwrap().as_mut()), order);
}

fn an_empty_batch_is_kept(open: &mut Opener) {
    open().unwrap().commit(&[]).unwrap();
    assert_eq!(facts(open().unwrap().as_mut()), []);
}

fn large_records_and_long_keys_are_kept(open: &mut Opener) {
    let mut store = open().unwrap();
    let large = affiliation(&format!("sip:{}@one.example", "x".repeat(200_000)));
    store.commit(&[Change::Put(large.clone())]).unwrap();
    assert_eq!(facts(store.as_mut()), std::slice::from_ref(&large));
    drop(store);
    let mut store = open().unwrap();
    assert_eq!(facts(store.as_mut()), std::slice::from_ref(&large));
    store.commit(&[Change::Remove(large.key())]).unwrap();
    assert_eq!(facts(store.as_mut()), []);
}

fn many_commits_and_reopenings_add_up(open: &mut Opener) {
    for round in 0..5_u64 {
        let mut store = open().unwrap();
        for step in 0..20_u64 {
            let id = round * 20 + step;
            store.commit(&[Change::Put(leg(id)), Change::Put(owed(id % 7, &format!("{id}")))]).unwrap();
        }
    }
    let facts = facts(open().unwrap().as_mut());
    assert_eq!(facts.iter().filter(|fact| matches!(fact, Fact::Leg(_))).count(), 100);
    let last: Vec<_> = facts.iter().filter(|fact| matches!(fact, Fact::Owed(_))).cloned().collect();
    let expected: Vec<_> = (0..7_u64)
        .map(|slot| {
            let id = (0..100).rev().find(|id| id % 7 == slot).unwrap();
            owed(slot, &format!("{id}"))
        })
        .collect();
    assert_eq!(last, expected);
}
