//! A long random walk of formations, teardowns, affiliations and registrations: what must hold after every step, whatever
//! came before. Here because it joins the GMS and the MC service server, which do not see each other.

use crate::documents::McInfo;
use crate::documents::gmop::{GroupProposal, Operation as GmopOperation, OperationKind};
use crate::documents::pidf::{Affiliation, Presence, Tuple};
use crate::gms::{Ask, formation, teardown};
use crate::mc::affiliation::{PublishAsk, publish};
use crate::mc::registration::{ContactAsk, RegisterAsk, register};
use crate::mc::{affiliation, groups, registration};
use crate::model::testing::*;
use crate::model::*;
use crate::procedure::testing::World;
use crate::procedure::{Outcome, Over, Refusal, ReplyTo, Send};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeSet;
use std::time::Duration;

const GROUPS: [&str; 6] = ["g0", "g1", "g2", "g3", "g4", "g5"];
const TEMPORARY: [&str; 4] = ["t0", "t1", "t2", "g0"];
const USERS: [&str; 4] = ["u0", "u1", "u2", "u3"];
const CLIENTS: [&str; 3] = ["c0", "c1", "c2"];
const N2: usize = 3;

fn provisioned() -> (Vec<User>, Vec<GroupDocument>) {
    let user = |name: &&str| {
        user_with(name, |profile| {
            profile.allow_regroup = *name != "u3";
            profile.max_affiliations_n2 = Some(N2 as u32);
            profile.implicit_affiliations = vec![group_id("g0"), group_id("g1")];
        })
    };
    let members = |number: usize| if number.is_multiple_of(2) { &USERS[..] } else { &USERS[..2] };
    let groups = GROUPS.iter().enumerate().map(|(number, name)| group(name, members(number)));
    (USERS.iter().map(user).collect(), groups.collect())
}

/// The walk: its world, every change it made, and how often each kind of step was taken and done.
struct Walk {
    world: World,
    rng: StdRng,
    changes: Vec<Change>,
    done: u32,
    refused: u32,
}

impl Walk {
    fn new(seed: u64) -> Self {
        let (users, groups) = provisioned();
        let mut world = World::new(users, groups);
        world.policy.affiliation_interval = 600;
        Self { world, rng: StdRng::seed_from_u64(seed), changes: Vec::new(), done: 0, refused: 0 }
    }

    fn pick<'a>(&mut self, names: &[&'a str]) -> &'a str {
        names[self.rng.random_range(0..names.len())]
    }

    fn some(&mut self, names: &[&'static str]) -> Vec<&'static str> {
        let count = self.rng.random_range(0..4);
        (0..count).map(|_| self.pick(names)).collect()
    }

    /// Keeps the outcome, and hands over what the GMS tells the MC service server, as the service layer does.
    fn take(&mut self, outcome: Result<Outcome<Over>, Refusal>) {
        let Ok(outcome) = outcome else {
            self.refused += 1;
            return;
        };
        self.done += 1;
        self.keep(&outcome);
        for send in outcome.sends {
            if let Send::GroupChanged(change) = send {
                let copied = groups::changed(&self.world.view(), change.clone());
                self.keep(&copied);
                assert!(groups::changed(&self.world.view(), change).changes.is_empty(), "told twice");
            }
        }
    }

    fn keep(&mut self, outcome: &Outcome<Over>) {
        self.world.keep(outcome);
        self.changes.extend(outcome.changes.iter().cloned());
    }

    fn step(&mut self) {
        match self.rng.random_range(0..10) {
            0..3 => self.form(),
            3..5 => self.tear_down(),
            5..8 => self.publish(),
            8 => self.register(),
            _ => self.wait(),
        }
    }

    fn ask(&mut self, kind: OperationKind) -> Ask {
        let transaction_id = self.rng.random_bool(0.5).then(|| format!("t{}", self.rng.random_range(0..6)));
        Ask {
            reply: ReplyTo(1),
            sender: user_id(self.pick(&USERS)),
            client: None,
            call_id: "c".to_owned(),
            service: Service::Mcptt,
            info: McInfo::default(),
            operation: GmopOperation {
                kind,
                group_id: None,
                transaction_id,
                requestor: None,
                group: None,
                document: None,
            },
            hash: self.rng.random_range(0..3),
        }
    }

    fn form(&mut self) {
        let mut ask = self.ask(OperationKind::GroupRegroupCreation);
        let mut constituents = self.some(&GROUPS);
        if self.rng.random_bool(0.1) {
            constituents.push("t0");
        }
        ask.operation.group = Some(GroupProposal {
            uri: if self.rng.random_bool(0.2) {
                String::new()
            } else {
                group_id(self.pick(&TEMPORARY)).to_string()
            },
            constituents: Some(constituents.into_iter().map(|name| group_id(name).to_string()).collect()),
            ..GroupProposal::default()
        });
        let outcome = formation::request(&mut self.world.view(), ask);
        self.take(outcome);
    }

    fn tear_down(&mut self) {
        let mut ask = self.ask(OperationKind::GroupRegroupTeardown);
        let formed: Vec<_> = self.temporary_groups(Side::Gms).into_iter().collect();
        let any = GroupId::new(group_id(self.pick(&TEMPORARY)).to_string());
        let place = self.rng.random_range(0..=formed.len());
        ask.operation.group_id = Some(formed.get(place).unwrap_or(&any).to_string());
        let outcome = teardown::request(&mut self.world.view(), ask);
        self.take(outcome);
    }

    fn publish(&mut self) {
        let name = self.pick(&USERS);
        let mut groups = self.some(&GROUPS);
        groups.extend(self.some(&TEMPORARY));
        let affiliation =
            |group: &str| Affiliation { group: Some(group_id(group).to_string()), ..Affiliation::default() };
        let tuple = Tuple {
            id: self.pick(&CLIENTS).to_owned(),
            affiliations: groups.into_iter().map(affiliation).collect(),
        };
        let ask = PublishAsk {
            reply: ReplyTo(1),
            sender: user_id(name),
            by_agreement: false,
            service: Service::Mcptt,
            info: McInfo { request_uri: Some(user_id(name).to_string()), ..McInfo::default() },
            presence: Some(Presence { entity: user_id(name).to_string(), tuples: vec![tuple], p_id: None }),
            expires: Some(if self.rng.random_bool(0.2) { 0 } else { u32::MAX }),
            etag: None,
        };
        let outcome = publish(&mut self.world.view(), ask);
        self.take(outcome);
    }

    fn register(&mut self) {
        let name = self.pick(&USERS);
        let client = self.pick(&CLIENTS);
        let ask = RegisterAsk {
            reply: ReplyTo(1),
            user: user_id(name),
            public_id: public_id(name),
            contacts: vec![ContactAsk {
                contact: format!("sip:{client}@192.0.2.1"),
                expires: None,
                client: Some(ClientId::from(client)),
                parameters: String::new(),
                services: Service::Mcptt.into(),
            }],
            remove_all: false,
            expires: Some(if self.rng.random_bool(0.4) { 0 } else { 3600 }),
            call_id: format!("c{}", self.rng.random_range(0..1000)),
            cseq: 1,
            source: Source { transport: Transport::Udp, address: "192.0.2.1:5060".parse().unwrap() },
            route: Vec::new(),
            origin: BindingOrigin::Own,
            contacts_limit: 4,
        };
        let outcome = register(&mut self.world.view(), ask);
        self.take(outcome);
    }

    /// Lets time pass, and everything end that ends by time.
    fn wait(&mut self) {
        let span = Duration::from_secs(self.rng.random_range(0..700));
        self.world.wait(span);
        for name in USERS {
            for client in CLIENTS {
                let (user, client) = (user_id(name), ClientId::from(client));
                let outcome = affiliation::expire(&mut self.world.view(), &user, &client);
                self.keep(&outcome);
            }
            let outcome = registration::expire(&mut self.world.view(), &public_id(name));
            self.keep(&outcome);
        }
    }

    fn temporary_groups(&self, side: Side) -> BTreeSet<GroupId> {
        let all = self.world.model.groups(side);
        all.filter(|group| group.temporary.is_some()).map(|group| group.id.clone()).collect()
    }

    fn check(&self) {
        let model = &self.world.model;
        // Marks and documents say the same, and no group is a constituent twice.
        let mut taken = BTreeSet::new();
        for id in self.temporary_groups(Side::Gms) {
            let document = model.group(Side::Gms, id.as_str()).unwrap();
            let constituents = &document.temporary.as_ref().unwrap().constituents;
            assert!(constituents.len() >= 2);
            for constituent in constituents {
                assert!(taken.insert(constituent.clone()), "{constituent} is in two temporary groups");
                let mark = model.regrouped(Side::Gms, constituent.as_str());
                assert_eq!(mark.map(|mark| &mark.temporary), Some(&id));
            }
        }
        for name in GROUPS {
            let id = group_id(name);
            assert_eq!(model.regrouped(Side::Gms, id.as_str()).is_some(), taken.contains(&id), "{id}");
            // Both sides agree.
            assert_eq!(model.regrouped(Side::Gms, id.as_str()), model.regrouped(Side::Mc, id.as_str()));
            assert!(model.group(Side::Gms, id.as_str()).is_some_and(|group| group.temporary.is_none()));
        }
        assert_eq!(self.temporary_groups(Side::Gms), self.temporary_groups(Side::Mc));
        // N2 over all clients; only groups that exist; every entry has a time ahead of it.
        for name in USERS {
            let entries: Vec<_> =
                model.affiliations_of(user_id(name).as_str()).flat_map(|record| &record.groups).collect();
            let different: BTreeSet<_> = entries.iter().map(|entry| &entry.group).collect();
            assert!(different.len() <= N2, "{name} {different:?}");
            for group in different {
                assert!(model.group(Side::Mc, group.as_str()).is_some(), "{name} is affiliated to {group}");
                assert!(groups::is_member(model, &user_id(name), group));
            }
            for record in model.affiliations_of(user_id(name).as_str()) {
                assert!(!record.groups.is_empty());
            }
        }
    }

    /// The changes give the same again in a model that has seen nothing else.
    fn replay(&self) {
        let (users, groups) = provisioned();
        let mut model = Model::provisioned(users, groups);
        self.changes.iter().for_each(|change| model.apply(change.clone()));
        assert_eq!(facts(&model), facts(&self.world.model));
    }
}

/// Everything that the walk can have changed, in a fixed order.
fn facts(model: &Model) -> Vec<String> {
    let mut all = Vec::new();
    for side in [Side::Gms, Side::Mc] {
        all.extend(model.groups(side).map(|group| format!("{side:?} {group:?}")));
        for name in GROUPS {
            all.push(format!("{side:?} {name} {:?}", model.regrouped(side, group_id(name).as_str())));
        }
    }
    for name in USERS {
        all.extend(model.affiliations_of(user_id(name).as_str()).map(|record| format!("{record:?}")));
        all.extend(model.registrations_of(user_id(name).as_str()).map(|it| format!("{it:?}")));
    }
    for name in GROUPS.iter().chain(&TEMPORARY) {
        all.push(format!(
            "{name} {:?}",
            model.affiliated_users(Service::Mcptt, group_id(name).as_str()).collect::<Vec<_>>()
        ));
    }
    all.extend(model.all_owed().map(|owed| format!("{owed:?}")));
    all.extend(model.operations().map(|operation| format!("{operation:?}")));
    all.sort();
    all
}

#[test]
fn after_any_walk_both_sides_agree_and_replay_gives_the_same() {
    for seed in 0..20 {
        let mut walk = Walk::new(seed);
        for _ in 0..300 {
            walk.step();
            walk.check();
        }
        walk.replay();
        assert!(
            walk.done > 50 && walk.refused > 10,
            "seed {seed}: {} done, {} refused",
            walk.done,
            walk.refused
        );
    }
}
