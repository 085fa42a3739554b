//! What must hold after every step, whatever came before.

use super::phone::{PATIENCE, group_of, key};
use super::setting::{self, DOMAINS, identity};
use crate::outside::message::{Message, parameter, uri_in};
use crate::outside::{bodies, xml};
use rollcall::config::Config;
use rollcall::model::{
    AffiliationStatus, Asker, Change, DialogFact, Fact, FactKey, GroupId, Leg, LegLink, Model, Service, Side,
    UserId,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What the checks remember.
pub struct Checks {
    /// The system that is checked, and how many there are.
    system: usize,
    systems: usize,
    /// Everything that was changed since the last start, kept or not: what the model must be.
    facts: BTreeMap<FactKey, Fact>,
    /// Requests of clients by branch and method.
    requests: HashMap<String, Message>,
    /// Final answers that were given.
    answered: BTreeSet<String>,
    /// INVITEs that were sent before: what comes again is no invitation.
    asked: BTreeSet<String>,
    /// INVITEs to a client that are open or accepted: by client and call.
    invited: BTreeMap<(String, String), Invited>,
}

/// An INVITE to a client.
struct Invited {
    call_id: String,
    group: String,
    /// When it was sent, milliseconds.
    at: u64,
    /// The client said something: it may ring for long.
    rings: bool,
}

impl Invited {
    /// RFC 3261 17.1.1.2, timer B: nobody waits any longer for a client that says nothing.
    fn is_given_up(&self, now: u64) -> bool {
        !self.rings && now >= self.at + PATIENCE
    }
}

impl Checks {
    pub fn new(system: usize, systems: usize) -> Self {
        Self {
            system,
            systems,
            facts: BTreeMap::new(),
            requests: HashMap::new(),
            answered: BTreeSet::new(),
            asked: BTreeSet::new(),
            invited: BTreeMap::new(),
        }
    }

    /// A client says something.
    pub fn heard(&mut self, name: &str, message: &Message) {
        match message.status() {
            None => {
                self.requests.entry(key(message)).or_insert_with(|| message.clone());
                if message.method() == "BYE" {
                    self.over(name, message.value("Call-ID"));
                }
            }
            Some(status) if status >= 300 && message.method() == "INVITE" => {
                self.over(name, message.value("Call-ID"));
            }
            Some(200..300) if message.method() == "INVITE" => {
                // The user's other clients are given up.
                let of = |invited: &Invited| invited.call_id == message.value("Call-ID");
                let call =
                    self.invited.iter().find(|(_, invited)| of(invited)).map(|((_, call), _)| call.clone());
                self.given_up(name, &call.unwrap_or_default(), Some(name));
            }
            Some(_) if message.method() == "INVITE" => {
                let rings = |invited: &&mut Invited| invited.call_id == message.value("Call-ID");
                self.invited.values_mut().filter(rings).for_each(|invited| invited.rings = true);
            }
            Some(_) => {}
        }
    }

    /// Nobody waits for the answers of a user's clients to the INVITEs of a call any more, but for that of one.
    fn given_up(&mut self, name: &str, call: &str, but: Option<&str>) {
        self.invited
            .retain(|(who, of), _| of != call || user_of(who) != user_of(name) || Some(who.as_str()) == but);
    }

    fn over(&mut self, name: &str, call_id: &str) {
        self.invited.retain(|(who, _), invited| who != name || invited.call_id != call_id);
    }

    /// The server starts from these facts.
    pub fn restarted(&mut self, facts: &BTreeMap<FactKey, Fact>) {
        self.facts = facts.clone();
        self.answered.clear();
        self.invited.clear();
    }

    /// The server changed what it knows.
    pub fn changed(&mut self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Put(fact) => drop(self.facts.insert(fact.key(), fact.clone())),
                Change::Remove(key) => drop(self.facts.remove(key)),
            }
        }
        // Who lost the affiliation is given up; a CANCEL may have to wait for the client's first word.
        let (facts, system) = (&self.facts, self.system);
        self.invited.retain(|(name, _), invited| {
            is_affiliated(facts, &identity(user_of(name), system), &invited.group)
        });
    }

    /// The facts give the same model again.
    pub fn replayed(&self, model: &Model, config: &Config, systems: usize) {
        let groups = config.groups.iter().map(|group| group.document.clone());
        let mut again = Model::provisioned(config.users.iter(), groups);
        for fact in self.facts.values() {
            again.apply(Change::Put(fact.clone()));
        }
        let (again, now): (BTreeSet<_>, BTreeSet<_>) = (told(&again, systems), told(model, systems));
        let only = |one: &BTreeSet<String>, other: &BTreeSet<String>| {
            one.difference(other).cloned().collect::<Vec<_>>()
        };
        assert!(
            again == now,
            "replay gives another model: {:?} for {:?}",
            only(&again, &now),
            only(&now, &again)
        );
    }

    /// A constituent belongs to at most one temporary group, marks and documents say the same, and the MC service server
    /// knows what the GMS has told it: temporary groups that are formed, here or by a partner.
    pub fn groups(&self, model: &Model, own_groups: &[String]) {
        let documents = |side| -> BTreeMap<GroupId, Vec<GroupId>> {
            let all = model.groups(side);
            all.filter_map(|group| Some((group.id.clone(), group.temporary.as_ref()?.constituents.clone())))
                .collect()
        };
        // Our groups by temporary group.
        let marks = |side| {
            let mut marks: BTreeMap<GroupId, BTreeSet<GroupId>> = BTreeMap::new();
            for group in own_groups {
                if let Some(mark) = model.regrouped(side, group) {
                    marks.entry(mark.temporary.clone()).or_default().insert(GroupId::new(group.clone()));
                }
            }
            marks
        };
        let is_own = |group: &GroupId| group.as_str().ends_with(&format!("@{}", DOMAINS[self.system]));
        let of_documents = |documents: &BTreeMap<GroupId, Vec<GroupId>>| {
            let own =
                |constituents: &[GroupId]| constituents.iter().filter(|one| is_own(one)).cloned().collect();
            documents.iter().map(|(id, constituents)| (id.clone(), own(constituents))).collect()
        };

        // The GMS has the documents of its own temporary groups, and marks for those of partners.
        let (formed, mut marked) = (documents(Side::Gms), marks(Side::Gms));
        let of_own: BTreeMap<_, _> = marked.iter().filter(|(id, _)| is_own(id)).collect();
        let expected: BTreeMap<GroupId, BTreeSet<GroupId>> = of_documents(&formed);
        assert_eq!(of_own, expected.iter().collect(), "marks and documents of the GMS");
        for (id, constituents) in &formed {
            assert!(constituents.len() >= 2, "{id} of {constituents:?}");
        }
        // The MC service server has both for all, as soon as they are formed.
        marked.retain(|id, _| model.formation(id.as_str()).is_none());
        assert_eq!(marks(Side::Mc), marked, "marks of the MC service server and of the GMS");
        let known: BTreeMap<GroupId, BTreeSet<GroupId>> = of_documents(&documents(Side::Mc));
        assert_eq!(known, marked, "documents of the MC service server and marks of the GMS");
    }

    /// The server says something, and this is on disk.
    pub fn said(&mut self, now: u64, name: &str, message: &Message, facts: &BTreeMap<FactKey, Fact>) {
        // What it may know is the status of an affiliation that it asked for itself, to a group that it thought of.
        if name == "m" && message.header("Event") != Some("presence") {
            let says = message.body.contains("sip:t1@") || message.body.contains("sip:t2@");
            let says = says || message.headers.iter().any(|(_, value)| value.contains("sip:t"));
            assert!(!says, "a stranger learns of a temporary group: {message:?}");
        }
        match message.status() {
            None => self.asks(now, name, message),
            Some(status) if status >= 200 => {
                if status < 300 && message.method() == "INVITE" {
                    // Whoever comes by itself need not be asked.
                    self.given_up(name, &call_of(message), None);
                }
                let key = key(message);
                if let Some(request) = self.requests.get(&key).cloned()
                    && self.answered.insert(key)
                    && status < 300
                {
                    promised(name, self.system, &request, message, facts);
                }
            }
            Some(_) => {}
        }
    }

    /// Nobody is invited twice to one call.
    fn asks(&mut self, now: u64, name: &str, message: &Message) {
        let call_id = message.value("Call-ID").to_owned();
        match message.method() {
            "BYE" | "CANCEL" => self.over(name, &call_id),
            "INVITE"
                if parameter(message.value("To"), "tag").is_none() && self.asked.insert(key(message)) =>
            {
                // That of a call whose controlling function is elsewhere names none: there it is looked at.
                let call = call_of(message);
                assert!(
                    self.systems > 1 || !call.is_empty(),
                    "it names no call: {}",
                    message.value("Contact")
                );
                if call.is_empty() {
                    return;
                }
                let group = group_of(message);
                let invited = Invited { call_id, group: group.clone(), at: now, rings: false };
                let before = self.invited.insert((name.to_owned(), call.clone()), invited);
                assert!(
                    before.is_none_or(|before| before.is_given_up(now)),
                    "{name} is invited twice to call {call} on {group}",
                );
            }
            _ => {}
        }
    }
}

/// The user of a client.
fn user_of(name: &str) -> &str {
    name.split('.').next().unwrap_or_default()
}

/// The call that the session identity in Contact names.
fn call_of(message: &Message) -> String {
    uri_in(message.value("Contact")).split('-').nth(1).unwrap_or_default().to_owned()
}

/// Whether a client's user is affiliated to a group, or to a constituent of it.
fn is_affiliated(facts: &BTreeMap<FactKey, Fact>, user: &str, group: &str) -> bool {
    let constituents = match facts.get(&FactKey::TemporaryGroup(Side::Mc, GroupId::new(group.to_owned()))) {
        Some(Fact::TemporaryGroup(_, document)) => {
            document.temporary.iter().flat_map(|temporary| temporary.constituents.clone()).collect()
        }
        _ => Vec::new(),
    };
    facts.values().any(|fact| match fact {
        Fact::Affiliation(client) if client.user.as_str() == user => client
            .groups
            .iter()
            .any(|entry| entry.group.as_str() == group || constituents.contains(&entry.group)),
        _ => false,
    })
}

/// What a 2xx promises is on disk.
fn promised(name: &str, system: usize, request: &Message, answer: &Message, facts: &BTreeMap<FactKey, Fact>) {
    // The server's side of the dialog, if the answer made one or the request was in one.
    let call_id = request.value("Call-ID");
    let tag = parameter(answer.value("To"), "tag").unwrap_or_default();
    let is_this = |dialog: &DialogFact| dialog.call_id == call_id && dialog.local_tag == tag;
    let legs = || {
        facts.values().filter_map(|fact| match fact {
            Fact::Leg(leg) => Some(leg),
            _ => None,
        })
    };
    let in_dialog = |leg: &&Leg| matches!(&leg.link, LegLink::Dialog(dialog) if is_this(dialog));
    let user = UserId::new(identity(user_of(name), system));
    match request.method() {
        "REGISTER" => {
            let contact = uri_in(request.value("Contact"));
            let bound = facts.values().any(|fact| match fact {
                Fact::Registration(registration) => {
                    registration.bindings.iter().any(|binding| binding.contact == contact)
                }
                _ => false,
            });
            assert_eq!(bound, request.value("Expires") != "0", "{name}: 200 to REGISTER, on disk: {bound}");
        }
        "PUBLISH" => {
            let pidf = request.part(bodies::PIDF).unwrap_or_default();
            let asked: BTreeSet<&str> = xml::tags(&pidf, "affiliation")
                .into_iter()
                .filter_map(|tag| xml::attribute(tag, "group"))
                .collect();
            let of =
                |element, name| xml::tags(&pidf, element).first().and_then(|tag| xml::attribute(tag, name));
            let (entity, tuple) = (of("presence", "entity"), of("tuple", "id"));
            for fact in facts.values() {
                if let Fact::Affiliation(client) = fact
                    && Some(client.user.as_str()) == entity
                    && Some(client.client.as_str()) == tuple
                {
                    // The owner of a group may have to be told yet that it is left.
                    let mut left = client.groups.iter().filter(|entry| !asked.contains(entry.group.as_str()));
                    let kept = left.all(|entry| entry.status == AffiliationStatus::Deaffiliating);
                    assert!(kept, "{name}: 200 to PUBLISH of {asked:?}, on disk: {:?}", client.groups);
                }
            }
        }
        "MESSAGE" => {
            let gmop = request.part(bodies::GMOP).unwrap_or_default();
            let operation = ["group-regroup-creation", "group-regroup-teardown"]
                .iter()
                .find_map(|operation| xml::tags(&gmop, operation).first().copied());
            let transaction =
                operation.and_then(|tag| xml::attribute(tag, "transaction-id")).unwrap_or_default();
            let is_it = |asker: &Asker| asker.user == user && asker.transaction_id == transaction;
            let there = facts.values().any(|fact| match fact {
                Fact::Operation(done) => done.requestor == user && done.transaction_id == transaction,
                // With other systems it takes a while.
                Fact::Formation(formation) => is_it(&formation.asker),
                Fact::Withdrawal(withdrawal) => withdrawal.asker.as_ref().is_some_and(is_it),
                _ => false,
            });
            assert!(there, "{name}: 2xx to MESSAGE {transaction}, not on disk");
        }
        "SUBSCRIBE" => {
            let there = facts.values().any(
                |fact| matches!(fact, Fact::Subscription(subscription) if is_this(&subscription.dialog)),
            );
            // Who asks once about a user elsewhere waits until that one's system has answered.
            let info = request.part(bodies::INFO).unwrap_or_default();
            let about = xml::text(&info, "mcptt-request-uri").unwrap_or_default();
            let elsewhere = !about.is_empty() && !about.ends_with(DOMAINS[system]);
            let once = answer.value("Expires") == "0";
            assert!(there != once || there && elsewhere, "{name}: 200 to SUBSCRIBE, on disk: {there}");
        }
        "INVITE" => {
            let there = legs().any(|leg| in_dialog(&leg));
            assert!(there, "{name}: 200 to INVITE, no leg on disk");
        }
        "BYE" => {
            let there = legs().any(|leg| in_dialog(&leg) && !leg.ending);
            assert!(!there, "{name}: 200 to BYE, the leg is on disk");
        }
        _ => {}
    }
}

/// Calls with their participants.
pub fn calls(model: &Model) -> Vec<String> {
    let mut calls: Vec<String> = model
        .calls()
        .flat_map(|call| {
            model
                .participants(call.id)
                .filter(|one| !one.left)
                .map(move |one| format!("{} {}", call.id, one.leg))
        })
        .collect();
    calls.sort();
    calls
}

/// The calls of temporary groups that are there, with their participants.
pub fn temporary_calls(model: &Model) -> BTreeMap<GroupId, Vec<String>> {
    let mut all: BTreeMap<GroupId, Vec<String>> = BTreeMap::new();
    for call in model.calls().filter(|call| call.group.temporary.is_some() && !call.orphaned) {
        let participants = model.participants(call.id).filter(|one| !one.left);
        all.entry(call.group.id.clone())
            .or_default()
            .extend(participants.map(|one| format!("{} {}", call.id, one.leg)));
    }
    all
}

/// Everything a model knows that can change, in a fixed order.
fn told(model: &Model, systems: usize) -> BTreeSet<String> {
    let mut all = Vec::new();
    let groups = [setting::groups(systems), setting::temporary(systems)].concat();
    let users = setting::users(systems);
    for side in [Side::Gms, Side::Mc] {
        all.extend(model.groups(side).map(|group| format!("{side:?} {group:?}")));
        all.extend(groups.iter().map(|group| format!("{side:?} {group} {:?}", model.regrouped(side, group))));
    }
    for (group, service) in groups.iter().flat_map(|group| Service::ALL.map(|service| (group, service))) {
        let mut affiliated: Vec<_> = model.affiliated_users(service, group).collect();
        affiliated.sort();
        let call = model.call_on(service, group).map(|call| call.id);
        all.push(format!("{service:?} {group} {affiliated:?}, call {call:?}"));
    }
    for user in &users {
        all.extend(model.affiliations_of(user).map(|record| format!("{record:?}")));
        all.extend(model.registrations_of(user).map(|registration| format!("{registration:?}")));
        all.push(format!("{user} {}", model.participations_of(user).count()));
    }
    all.extend(model.calls().map(|call| format!("{call:?}")));
    all.extend(model.calls().flat_map(|call| model.participants(call.id)).map(|one| format!("{one:?}")));
    all.extend(model.participations().map(|one| format!("{one:?}")));
    all.extend(model.legs().map(|leg| format!("{leg:?}")));
    all.extend(model.subscriptions().map(|subscription| format!("{subscription:?}")));
    all.extend(model.all_owed().map(|owed| format!("{owed:?}")));
    all.extend(model.requests().map(|request| format!("{request:?}")));
    all.extend(model.watches().map(|watch| format!("{watch:?}")));
    for group in &groups {
        all.push(format!("{group} {:?} {:?}", model.formation(group), model.reservation(group)));
        all.push(format!("{group} {:?} {:?}", model.withdrawal(group), model.spoken_for(group)));
    }
    all.extend(model.operations().map(|operation| format!("{operation:?}")));
    all.into_iter().collect()
}
