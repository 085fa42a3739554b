//! Every order in which what group management servers of several systems say to each other can arrive, not some of them:
//! TS 23.280 10.2.4.2 and 10.2.4.3 with several users asking at once.
//!
//! A server is what its inputs made of it, so a state of the world is what each server has got so far, in which order. All
//! such states are visited: each message that is on its way may be the next to arrive, an answer may be overtaken by the
//! result that follows it, and, as often as a test says, a server restarts or its clock runs ahead to its next timer.

use super::super::between::{self, PartnerAsk, kind_of};
use super::super::{formation_across, formation_partner, teardown_across};
use super::*;
use crate::documents::gmop::{Reason, ReasonCode, Response};
use crate::env::Time;
use crate::procedure::{Caller, Functions, Partner, Permissions, RequestEnd, Warning};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

const DOMAINS: [&str; 3] = ["one.example", "two.example", "three.example"];

fn gms_of(server: usize) -> Psi {
    Psi::new(format!("sip:gms@{}", DOMAINS[server]))
}

/// What happens to a server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Input {
    /// A user's request, by its place in the list of the test.
    Ask(usize),
    /// A message of a server arrives: by its number there, and what it says.
    Arrives { from: usize, number: usize, what: usize },
    /// The clock runs to the next timer.
    Late,
    /// The process dies, and another one starts from the facts.
    Restart,
}

/// What a server says to another.
#[allow(clippy::large_enum_variant, reason = "each is kept once")]
#[derive(Clone, Debug)]
enum Said {
    /// A request, or the result of one.
    Request(Asked),
    /// The answer to a message of the receiver, by its number there.
    Answer { to: usize, status: u16, warnings: Vec<Warning> },
}

/// Requests about one subject, as the service layer sends them: one at a time.
#[derive(Debug, Default)]
struct Line {
    waiting: VecDeque<RequestRef>,
    /// The one whose answer is awaited, with the number of its message.
    open: Option<(RequestRef, usize)>,
}

/// A server, with as much of the layers below as orders messages.
struct Server {
    place: usize,
    world: World,
    facts: BTreeMap<FactKey, Fact>,
    lines: BTreeMap<(Psi, String), Line>,
    sent: Vec<(usize, Said)>,
}

impl Server {
    fn new(place: usize, servers: usize) -> Self {
        let mut server = Self {
            place,
            world: provisioned(place, servers),
            facts: BTreeMap::new(),
            lines: BTreeMap::new(),
            sent: Vec::new(),
        };
        server.world.ids = crate::env::Ids::new([place as u8 + 1; 32]);
        server
    }

    fn take(&mut self, input: &Input, said: Option<&Said>, asks: &[(usize, Ask)]) {
        match (input, said) {
            (Input::Ask(number), _) => {
                let ask = asks[*number].1.clone();
                let outcome = match ask.operation.kind {
                    OperationKind::GroupRegroupCreation => {
                        super::super::formation::request(&mut self.world.view(), ask)
                    }
                    _ => super::super::teardown::request(&mut self.world.view(), ask),
                };
                if let Ok(outcome) = outcome {
                    self.carry_out(outcome);
                }
            }
            (Input::Arrives { from, number, .. }, Some(Said::Request(asked))) => {
                let (status, warnings) = self.hear(*from, asked);
                self.sent.push((*from, Said::Answer { to: *number, status, warnings }));
            }
            (_, Some(Said::Answer { to, status, warnings })) => self.answered(*to, *status, warnings),
            (Input::Late, _) => self.late(),
            (Input::Restart, _) => self.restart(),
            (Input::Arrives { .. }, None) => unreachable!("a message says something"),
        }
    }

    fn hear(&mut self, from: usize, asked: &Asked) -> (u16, Vec<Warning>) {
        let reply = ReplyTo(1);
        let partner = Some(DOMAINS[from].to_owned());
        let caller =
            Caller { psi: gms_of(from), partner, participating: false, controlling: false, gms: true };
        let outcome = match asked {
            Asked::Group(request) => {
                let (call_id, service) = ("theirs".to_owned(), request.service);
                let ask = PartnerAsk { reply, caller, call_id, service, operation: operation(request) };
                between::request(&mut self.world.view(), ask)
            }
            Asked::GroupResult(response) => {
                between::response(&mut self.world.view(), reply, &caller, result(response))
            }
            other => panic!("{other:?}"),
        };
        match outcome {
            Ok(outcome) => {
                let answered = outcome.sends.iter().find_map(|send| match send {
                    Send::Answer { answer, .. } => Some(answer.status),
                    _ => None,
                });
                self.carry_out(outcome);
                (answered.expect("every request is answered"), Vec::new())
            }
            Err(refusal) => {
                let answer = refusal.answer();
                (answer.status, answer.warnings)
            }
        }
    }

    fn carry_out(&mut self, outcome: Outcome<Over>) {
        let removed = |change: &Change| matches!(change, Change::Remove(FactKey::Request(_)));
        let withdraws = outcome.changes.iter().any(removed);
        for change in outcome.changes {
            match &change {
                Change::Put(fact) => self.facts.insert(fact.key(), fact.clone()),
                Change::Remove(key) => self.facts.remove(key),
            };
            self.world.model.apply(change);
        }
        for send in outcome.sends {
            if let Send::Request(id) = send {
                self.line_up(id);
            }
        }
        if withdraws {
            self.lines.keys().cloned().collect::<Vec<_>>().iter().for_each(|line| self.advance(line));
        }
    }

    fn line_up(&mut self, id: RequestRef) {
        let request = self.world.model.request(id).expect("what is sent is a fact");
        let line = (request.to.clone(), request.what.subject());
        self.lines.entry(line.clone()).or_default().waiting.push_back(id);
        self.advance(&line);
    }

    fn advance(&mut self, key: &(Psi, String)) {
        let Some(line) = self.lines.get_mut(key).filter(|line| line.open.is_none()) else { return };
        while let Some(id) = line.waiting.pop_front() {
            let Some(request) = self.world.model.request(id) else { continue };
            let to = DOMAINS.iter().position(|domain| key.0.as_str().ends_with(domain)).expect("a server");
            line.open = Some((id, self.sent.len()));
            self.sent.push((to, Said::Request(request.what.clone())));
            return;
        }
    }

    fn answered(&mut self, number: usize, status: u16, warnings: &[Warning]) {
        let open = self.lines.iter().find(|(_, line)| line.open.is_some_and(|(_, open)| open == number));
        // One of an earlier life.
        let Some((key, _)) = open else { return };
        let key = key.clone();
        let line = self.lines.get_mut(&key).expect("it was found");
        let (id, _) = line.open.take().expect("it is open");
        let warnings = warnings.to_vec();
        self.over(
            id,
            match status {
                200..=299 => RequestEnd::Taken { expires: None },
                _ => RequestEnd::Failed { status, warnings, min_expires: None },
            },
        );
        self.advance(&key);
    }

    fn over(&mut self, id: RequestRef, end: RequestEnd) {
        let Some(request) = self.world.model.request(id).cloned() else { return };
        self.carry_out(Outcome::end(vec![Change::Remove(FactKey::Request(id))], Vec::new()));
        let outcome = between::request_ended(&mut self.world.view(), &request, end);
        self.carry_out(outcome);
    }

    /// When the next timer of a procedure, or the end of a request, is due.
    fn due(&self) -> Option<Time> {
        let due = |fact: &Fact| match fact {
            Fact::Formation(formation) => Some(formation.until),
            Fact::Reservation(reservation) => Some(reservation.until),
            Fact::Withdrawal(withdrawal) => Some(withdrawal.wake),
            Fact::Request(request) => request.until.filter(|until| *until < Time::from_millis(u64::MAX)),
            _ => None,
        };
        self.facts.values().filter_map(due).min()
    }

    fn late(&mut self) {
        let Some(due) = self.due() else { return };
        self.world.now = self.world.now.max(due);
        for fact in self.facts.values().cloned().collect::<Vec<_>>() {
            let view = &mut self.world.view();
            let outcome = match &fact {
                Fact::Formation(formation) => formation_across::expire(view, &formation.document.id),
                Fact::Reservation(reservation) => formation_partner::expire(view, &reservation.temporary),
                Fact::Withdrawal(withdrawal) => teardown_across::wake(view, &withdrawal.temporary),
                Fact::Request(request) if request.until.is_some_and(|until| until <= view.now) => {
                    self.over(
                        request.id,
                        RequestEnd::Failed { status: 408, warnings: vec![], min_expires: None },
                    );
                    continue;
                }
                _ => continue,
            };
            self.carry_out(outcome);
        }
    }

    fn restart(&mut self) {
        let servers = self.world.policy.partners.len() + 1;
        let World { now, ids, .. } = std::mem::replace(&mut self.world, provisioned(self.place, servers));
        (self.world.now, self.world.ids) = (now, ids);
        self.lines.clear();
        self.facts.values().for_each(|fact| self.world.model.apply(Change::Put(fact.clone())));
        let mut open: Vec<_> =
            self.world.model.requests().map(|request| (request.begun, request.id)).collect();
        open.sort_unstable();
        open.into_iter().for_each(|(_, id)| self.line_up(id));
    }
}

/// A system with a user who may regroup and two groups, and agreements with all others.
fn provisioned(place: usize, servers: usize) -> World {
    let here = |name: &str| format!("sip:{name}@{}", DOMAINS[place]);
    let users =
        ["dispatcher", "chief"].map(|name| user_with(&here(name), |profile| profile.allow_regroup = true));
    let groups = ["fire", "rail"].map(|name| group(&here(name), &[]));
    let mut world = World::new(users, groups);
    world.policy.domain = DOMAINS[place].to_owned();
    world.policy.functions = Functions { gms: vec![gms_of(place)], ..Functions::default() };
    for other in (0..servers).filter(|other| *other != place) {
        world.policy.partners.insert(
            DOMAINS[other].to_owned(),
            Partner {
                domain: DOMAINS[other].to_owned(),
                functions: Functions { gms: vec![gms_of(other)], ..Functions::default() },
                may: Permissions { regroup: true, ..Permissions::default() },
                ..Partner::default()
            },
        );
    }
    world
}

/// The operation element of a request.
fn operation(request: &GroupRequest) -> GmopOperation {
    let about = |constituents: &[GroupId]| GroupProposal {
        uri: request.group.to_string(),
        constituents: Some(constituents.iter().map(ToString::to_string).collect()),
        ..GroupProposal::default()
    };
    let (group, document) = match &request.what {
        GroupAsked::RegroupCheck { constituents } | GroupAsked::TeardownNotification { constituents } => {
            (Some(about(constituents)), None)
        }
        GroupAsked::RegroupNotification { document } => (None, Some(Box::new(document.clone()))),
        _ => (None, None),
    };
    GmopOperation {
        kind: kind_of(request.what.operation()),
        group_id: Some(request.group.to_string()),
        transaction_id: Some(request.transaction_id.clone()),
        requestor: Some(request.requestor.to_string()),
        group,
        document,
    }
}

/// The response element of a result.
fn result(response: &GroupResponse) -> Response {
    let reason = |failure: &Failure| Reason { code: ReasonCode::of(&failure.code), text: String::new() };
    let rejected = response.result.as_ref().err().map(|failure| failure.rejected.clone()).unwrap_or_default();
    Response {
        operation: kind_of(response.operation).name().to_owned(),
        group_id: response.group.to_string(),
        transaction_id: response.transaction_id.clone(),
        result: response.result.as_ref().copied().map_err(reason),
        rejected: rejected.into_iter().map(|(group, code)| (group, ReasonCode::of(&code))).collect(),
        document: response.document.clone(),
    }
}

/// A server after some inputs: what can be seen of it from outside, and what it keeps.
struct Seen {
    inputs: Vec<Input>,
    /// Receiver and content of all it has said so far.
    sent: Vec<(usize, usize)>,
    got: BTreeSet<(usize, usize)>,
    is_due: bool,
    lates: usize,
    restarts: usize,
    /// How often each request was made.
    asked: Vec<usize>,
    facts: Vec<Fact>,
    next: HashMap<Input, usize>,
}

/// All that can happen to the world.
struct Explorer {
    asks: Vec<(usize, Ask)>,
    servers: usize,
    /// How often a clock runs ahead, and how often a server restarts, in all.
    lates: usize,
    restarts: usize,
    /// What was ever said, each once.
    contents: Vec<Said>,
    content_of: HashMap<String, usize>,
    seen: Vec<Seen>,
    /// What is the same from outside and inside is the same, whatever led there.
    same: HashMap<(usize, String), usize>,
}

/// For each server, what it is after its inputs.
type State = Vec<usize>;

impl Explorer {
    fn new(servers: usize, asks: Vec<(usize, Ask)>) -> (Self, State) {
        let (content_of, contents) = (HashMap::new(), Vec::new());
        let mut explorer = Self {
            asks,
            servers,
            lates: 0,
            restarts: 0,
            contents,
            content_of,
            seen: Vec::new(),
            same: HashMap::new(),
        };
        let state = (0..servers).map(|place| explorer.see(place, Vec::new())).collect();
        (explorer, state)
    }

    /// Runs a server through its inputs.
    fn see(&mut self, place: usize, inputs: Vec<Input>) -> usize {
        let mut server = Server::new(place, self.servers);
        for input in &inputs {
            let said = match input {
                Input::Arrives { what, .. } => Some(&self.contents[*what]),
                _ => None,
            };
            server.take(input, said, &self.asks);
        }
        let mut sent = Vec::new();
        for (to, said) in std::mem::take(&mut server.sent) {
            let next = self.contents.len();
            let content = *self.content_of.entry(format!("{said:?}")).or_insert(next);
            if content == next {
                self.contents.push(said);
            }
            sent.push((to, content));
        }
        let got = inputs.iter().filter_map(|input| match input {
            Input::Arrives { from, number, .. } => Some((*from, *number)),
            _ => None,
        });
        let got: BTreeSet<(usize, usize)> = got.collect();
        let count = |one: &Input| inputs.iter().filter(|input| *input == one).count();
        let (lates, restarts) = (count(&Input::Late), count(&Input::Restart));
        let asked = (0..self.asks.len()).map(|number| count(&Input::Ask(number))).collect();
        let Server { facts, lines, world, .. } = &server;
        let all =
            format!("{facts:?} {lines:?} {sent:?} {got:?} {lates} {restarts} {asked:?} {:?}", world.now);
        let next = self.seen.len();
        let same = *self.same.entry((place, all)).or_insert(next);
        if same == next {
            let (is_due, facts) = (server.due().is_some(), server.facts.into_values().collect());
            let next = HashMap::new();
            self.seen.push(Seen { got, sent, is_due, facts, inputs, lates, restarts, asked, next });
        }
        same
    }

    fn after(&mut self, state: &State, place: usize, input: Input) -> State {
        let before = state[place];
        let known = self.seen[before].next.get(&input).copied();
        let place_after = known.unwrap_or_else(|| {
            let inputs = self.seen[before].inputs.iter().cloned().chain([input.clone()]).collect();
            let after = self.see(place, inputs);
            self.seen[before].next.insert(input, after);
            after
        });
        let mut next = state.clone();
        next[place] = place_after;
        // That a message was taken is known at once: later, it would only hold up what follows it on its line. A refusal
        // is a message as any other.
        let sent = self.seen[place_after].sent.iter().enumerate().skip(self.seen[before].sent.len());
        let taken = sent
            .filter(|(_, (_, what))| matches!(&self.contents[*what], Said::Answer { status: 200..=299, .. }));
        let taken: Vec<_> = taken.map(|(number, (to, what))| (*to, number, *what)).collect();
        for (to, number, what) in taken {
            next = self.after(&next, to, Input::Arrives { from: place, number, what });
        }
        next
    }

    /// What is on its way, with its receiver.
    fn under_way(&self, state: &State) -> Vec<(usize, Input)> {
        let mut arriving = Vec::new();
        for (from, seen) in state.iter().enumerate() {
            for (number, (to, what)) in self.seen[*seen].sent.iter().enumerate() {
                if !self.seen[state[*to]].got.contains(&(from, number)) {
                    arriving.push((*to, Input::Arrives { from, number, what: *what }));
                }
            }
        }
        arriving
    }

    fn count(&self, state: &State, of: impl Fn(&Seen) -> usize) -> usize {
        state.iter().map(|seen| of(&self.seen[*seen])).sum()
    }

    fn unasked(&self, state: &State, upto: usize) -> Vec<(usize, Input)> {
        let asks = (0..upto).filter(|number| self.count(state, |seen| seen.asked[*number]) == 0);
        asks.map(|number| (self.asks[number].0, Input::Ask(number))).collect()
    }

    /// Everything arrives, and every timer fires, until nothing more is to come.
    fn settle(&mut self, mut state: State) -> State {
        for _ in 0..500 {
            let late = || (0..state.len()).find(|place| self.seen[state[*place]].is_due);
            let next = self.under_way(&state).into_iter().next();
            let Some((place, input)) = next.or_else(|| late().map(|place| (place, Input::Late))) else {
                return state;
            };
            state = self.after(&state, place, input);
        }
        panic!("it never comes to rest: {:?}", self.story(&state));
    }

    /// Visits every state that can follow, and checks what each of them comes to in the end. The first `done` requests
    /// were made before. Returns how many states there are.
    fn explore(&mut self, start: State, check: impl Fn(&Self, &State)) -> usize {
        let done = self.count_asked(&start);
        let (lates, restarts) =
            (self.count(&start, |seen| seen.lates), self.count(&start, |seen| seen.restarts));
        let mut visited = HashSet::from([start.clone()]);
        let mut open = vec![start];
        while let Some(state) = open.pop() {
            let mut possible = self.under_way(&state);
            possible.extend(self.unasked(&state, self.asks.len()));
            if possible.is_empty() {
                let end = self.settle(state.clone());
                self.agrees(&end);
                check(self, &end);
            }
            for place in 0..state.len() {
                if self.seen[state[place]].is_due
                    && self.count(&state, |seen| seen.lates) - lates < self.lates
                {
                    possible.push((place, Input::Late));
                }
                let restarts_now = self.count(&state, |seen| seen.restarts) - restarts;
                let is_new = self.seen[state[place]].inputs.last() != Some(&Input::Restart);
                if is_new && self.count_asked(&state) > done && restarts_now < self.restarts {
                    possible.push((place, Input::Restart));
                }
            }
            for (place, input) in possible {
                let next = self.after(&state, place, input);
                if visited.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
        visited.len()
    }

    fn count_asked(&self, state: &State) -> usize {
        (0..self.asks.len())
            .filter(|number: &usize| self.count(state, |seen| seen.asked[*number]) > 0)
            .count()
    }

    fn facts(&self, state: &State) -> impl Iterator<Item = &Fact> {
        state.clone().into_iter().flat_map(|seen| &self.seen[seen].facts)
    }

    /// For each temporary group that stands, its constituents.
    fn standing(&self, state: &State) -> BTreeMap<GroupId, Vec<GroupId>> {
        let of = |fact: &Fact| match fact {
            Fact::TemporaryGroup(Side::Gms, document) => {
                let temporary = document.temporary.as_ref().expect("it is temporary");
                Some((document.id.clone(), temporary.constituents.clone()))
            }
            _ => None,
        };
        self.facts(state).filter_map(of).collect()
    }

    /// The users' requests that are finished: which group, and what came of it.
    fn results(&self, state: &State) -> Vec<(GroupId, GmsOperation, Result<(), String>)> {
        let of = |fact: &Fact| match fact {
            Fact::Operation(Operation { result, .. }) => {
                let failure = result.failure.as_ref().map(|failure| failure.code.clone());
                Some((result.group.clone(), result.operation, failure.map_or(Ok(()), Err)))
            }
            _ => None,
        };
        self.facts(state).filter_map(of).collect()
    }

    /// In the end all systems have the same temporary groups, every user has the result that is true, and nothing is left
    /// of what led there.
    fn agrees(&self, state: &State) {
        let standing = self.standing(state);
        let mut marks = BTreeMap::new();
        for fact in self.facts(state) {
            match fact {
                Fact::Regrouped(Side::Gms, group, mark) => {
                    marks.insert(group.clone(), mark.temporary.clone());
                }
                Fact::Formation(_) | Fact::Reservation(_) | Fact::Withdrawal(_) | Fact::Request(_) => {
                    panic!("left over: {fact:?} after {}", self.story(state));
                }
                _ => {}
            }
        }
        let wanted: BTreeMap<GroupId, GroupId> = standing
            .iter()
            .flat_map(|(temporary, parts)| parts.iter().map(|part| (part.clone(), temporary.clone())))
            .collect();
        assert_eq!(marks, wanted, "{}", self.story(state));
        let torn_down: BTreeSet<GroupId> = self
            .results(state)
            .into_iter()
            .filter(|(_, operation, result)| *operation == GmsOperation::Teardown && result.is_ok())
            .map(|(group, ..)| group)
            .collect();
        for (group, operation, result) in self.results(state) {
            let stands = standing.contains_key(&group);
            match operation {
                GmsOperation::Formation => {
                    let stood = stands || torn_down.contains(&group);
                    assert_eq!(stood, result.is_ok(), "{group} {result:?} {}", self.story(state));
                }
                GmsOperation::Teardown => assert!(!stands, "{group} {}", self.story(state)),
            }
        }
    }

    /// What each server got, for whoever has to find out why.
    fn story(&self, state: &State) -> String {
        let tell = |input: &Input| match input {
            Input::Arrives { from, what, .. } => {
                format!("from {}: {:?}", DOMAINS[*from], self.contents[*what])
            }
            other => format!("{other:?}"),
        };
        let of = |(place, seen): (usize, &usize)| {
            let inputs: Vec<String> = self.seen[*seen].inputs.iter().map(tell).collect();
            format!("\n{}:\n  {}", DOMAINS[place], inputs.join("\n  "))
        };
        state.iter().enumerate().map(of).collect()
    }
}

/// A user of a server asks to form a group of these.
fn forms(server: usize, user: &str, temporary: &str, constituents: &[&str]) -> (usize, Ask) {
    let here = |name: &str| format!("sip:{name}@{}", DOMAINS[server]);
    (server, formation(&here(user), &here(temporary), constituents))
}

const FIRE_ONE: &str = "sip:fire@one.example";
const RAIL_ONE: &str = "sip:rail@one.example";
const FIRE_TWO: &str = "sip:fire@two.example";
const FIRE_THREE: &str = "sip:fire@three.example";

fn succeeded(explorer: &Explorer, state: &State) -> usize {
    explorer.results(state).iter().filter(|(_, _, result)| result.is_ok()).count()
}

// Two users of two systems want the same two groups, one of each system.
#[test]
fn of_two_formations_that_want_each_others_groups_exactly_one_wins_in_every_interleaving() {
    for (first, second) in [("a", "b"), ("b", "a")] {
        let asks = vec![
            forms(0, "dispatcher", first, &[FIRE_ONE, FIRE_TWO]),
            forms(1, "dispatcher", second, &[FIRE_ONE, FIRE_TWO]),
        ];
        let (mut explorer, start) = Explorer::new(2, asks);
        let states = explorer.explore(start, |explorer, end| {
            assert_eq!(explorer.standing(end).len(), 1, "{}", explorer.story(end));
            // Who was refused at once has no result to wait for.
            assert_eq!(succeeded(explorer, end), 1);
        });
        assert!(states > 20, "{states}");
    }
}

// Two users of one system want the same group of the other.
#[test]
fn of_two_formations_that_want_the_same_partner_group_exactly_one_wins_in_every_interleaving() {
    let asks = vec![
        forms(0, "dispatcher", "a", &[FIRE_ONE, FIRE_TWO]),
        forms(0, "chief", "b", &[RAIL_ONE, FIRE_TWO]),
    ];
    let (mut explorer, start) = Explorer::new(2, asks);
    let states = explorer.explore(start, |explorer, end| {
        assert_eq!(explorer.standing(end).len(), 1, "{}", explorer.story(end));
    });
    assert!(states > 20, "{states}");
}

// A restart of either side at every step, and a clock that runs ahead at every step: no system is left with another view
// of the temporary groups than the others.
#[test]
fn a_restart_at_any_step_leaves_both_systems_with_the_same_temporary_group() {
    let asks = vec![forms(0, "dispatcher", "a", &[FIRE_ONE, FIRE_TWO])];
    let (mut explorer, start) = Explorer::new(2, asks);
    explorer.restarts = 2;
    let states = explorer.explore(start, |explorer, end| {
        assert_eq!(explorer.standing(end).len(), 1, "{}", explorer.story(end));
    });
    assert!(states > 20, "{states}");
}

#[test]
fn silence_and_a_restart_at_any_step_leave_both_systems_with_the_same_view() {
    let asks = vec![forms(0, "dispatcher", "a", &[FIRE_ONE, FIRE_TWO])];
    let (mut explorer, start) = Explorer::new(2, asks);
    (explorer.lates, explorer.restarts) = (2, 1);
    let states = explorer.explore(start, |_, _| {});
    assert!(states > 20, "{states}");
}

#[test]
fn two_formations_and_a_restart_or_silence_at_any_step_leave_both_systems_with_the_same_view() {
    let asks = vec![
        forms(0, "dispatcher", "b", &[FIRE_ONE, FIRE_TWO]),
        forms(1, "dispatcher", "a", &[FIRE_ONE, FIRE_TWO]),
    ];
    for (lates, restarts) in [(1, 0), (0, 1)] {
        let (mut explorer, start) = Explorer::new(2, asks.clone());
        (explorer.lates, explorer.restarts) = (lates, restarts);
        let states = explorer.explore(start, |explorer, end| {
            let standing = explorer.standing(end).len();
            assert!(standing == 1 || lates > 0 && standing == 0, "{}", explorer.story(end));
        });
        assert!(states > 100, "{states}");
    }
}

// Three systems, each of which wants the groups of the two others: nobody waits in a circle.
#[test]
fn of_three_formations_of_three_systems_one_wins_in_every_interleaving() {
    let all = [FIRE_ONE, FIRE_TWO, FIRE_THREE];
    let asks = vec![
        forms(0, "dispatcher", "c", &all[..2]),
        forms(1, "dispatcher", "b", &all[1..]),
        forms(2, "dispatcher", "a", &[FIRE_ONE, FIRE_THREE]),
    ];
    let (mut explorer, start) = Explorer::new(3, asks);
    let states = explorer.explore(start, |explorer, end| {
        assert_eq!(explorer.standing(end).len(), 1, "{}", explorer.story(end));
    });
    assert!(states > 100, "{states}");
}

// TS 23.280 10.2.4.3 step 7a crosses formations that want the groups which it sets free.
#[test]
fn a_teardown_that_crosses_a_new_formation_leaves_both_systems_with_the_same_view() {
    let here = |name: &str| format!("sip:{name}@one.example");
    let asks = vec![
        forms(0, "dispatcher", "old", &[FIRE_ONE, FIRE_TWO]),
        (0, teardown(&here("dispatcher"), &here("old"))),
        forms(1, "dispatcher", "new", &[FIRE_ONE, FIRE_TWO]),
    ];
    for (lates, restarts) in [(0, 0), (1, 0), (0, 1)] {
        let (mut explorer, start) = Explorer::new(2, asks.clone());
        (explorer.lates, explorer.restarts) = (lates, restarts);
        let formed = explorer.after(&start, 0, Input::Ask(0));
        let formed = explorer.settle(formed);
        assert_eq!(explorer.standing(&formed).len(), 1);
        let states = explorer.explore(formed, |explorer, end| {
            let old = GroupId::new(here("old"));
            assert!(!explorer.standing(end).contains_key(&old), "{}", explorer.story(end));
        });
        assert!(states > 20, "{states}");
    }
}
