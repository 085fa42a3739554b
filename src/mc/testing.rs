//! A switchboard for tests: it plays the service layer, which connects the functions of this process in memory, and the
//! clients at the outer ends. Tests say what clients do and read what clients get.
//!
//! Names are those of `model::testing`: `alice` stands for `sip:alice@one.example`. What an end gets is written as a
//! line, `bob <- INVITE fire by alice`. An end outside of this process is written with what it stands for: `pf(alice)` is
//! a participating function that calls for alice.

use super::calls::{self, Incoming, Open};
use super::elsewhere::LeftElsewhere;
use crate::config::Limits;
use crate::documents::{McInfo, SessionDescription};
use crate::env::Time;
use crate::model::testing::*;
use crate::model::*;
use crate::procedure::testing::World;
use crate::procedure::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Functions, clients, and the lines between them.
pub(super) struct Switchboard {
    pub world: World,
    pub open: Open,
    /// Users whose clients are not registered: an invitation ends with 480.
    pub away: BTreeSet<UserId>,
    /// Users whose terminating participating function is in another process.
    pub elsewhere: BTreeSet<UserId>,
    /// The controlling functions are in another process.
    pub controlling_elsewhere: bool,
    owners: BTreeMap<LegId, LegOwner>,
    links: BTreeMap<LegId, LegId>,
    ends: BTreeMap<LegId, End>,
    order: Vec<LegId>,
    queue: VecDeque<Waiting>,
    wakes: Vec<(Time, Wake)>,
    lines: Vec<String>,
    /// The operator's lines.
    pub log: Vec<String>,
}

/// What waits to be handed over.
enum Waiting {
    Word(CallSend),
    Event(LegOwner, LegId, LegEvent),
}

/// An outer end of a leg.
#[derive(Clone, Debug)]
struct End {
    name: String,
    state: EndState,
    /// What it was invited with.
    invited: Option<(Party, Box<Invitation>)>,
    /// What it was accepted with.
    accepted: Option<Box<Acceptance>>,
    refused: Option<Box<Rejection>>,
    answered: Option<Result<Box<Acceptance>, Box<Rejection>>>,
}

/// How far the session of an outer end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndState {
    /// It called and waits.
    Calling,
    /// It was invited and has not answered.
    Invited,
    /// In a session.
    Open,
    /// Refused, cancelled or released.
    Over,
}

/// The leg of an outer end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Phone(pub LegId);

impl Switchboard {
    pub fn new(
        users: impl IntoIterator<Item = User>,
        groups: impl IntoIterator<Item = GroupDocument>,
    ) -> Self {
        Self {
            world: World::new(users, groups),
            open: Open::default(),
            away: BTreeSet::new(),
            elsewhere: BTreeSet::new(),
            controlling_elsewhere: false,
            owners: BTreeMap::new(),
            links: BTreeMap::new(),
            ends: BTreeMap::new(),
            order: Vec::new(),
            queue: VecDeque::new(),
            wakes: Vec::new(),
            lines: Vec::new(),
            log: Vec::new(),
        }
    }

    /// Users alice to erin, and the group `fire` of all of them but erin; alice, bob and carol are affiliated with one
    /// client each. `change` changes the group first.
    pub fn fire(change: impl FnOnce(&mut GroupDocument)) -> Self {
        Self::fire_of(&[], change)
    }

    /// The same with flags for some of the members.
    pub fn fire_of(marks: &[(&str, Member)], change: impl FnOnce(&mut GroupDocument)) -> Self {
        let mut members: BTreeMap<&str, Member> =
            ["alice", "bob", "carol", "dave"].map(|name| (name, Member::default())).into();
        members.extend(marks.iter().cloned());
        let members: Vec<_> = members.into_iter().collect();
        let mut group = group_with_members("fire", &members);
        change(&mut group);
        let mut board = Self::new(["alice", "bob", "carol", "dave", "erin"].map(user), [group]);
        for (user, client) in [("alice", "a1"), ("bob", "b1"), ("carol", "c1")] {
            board.world.affiliate(user, client, &["fire"]);
        }
        board
    }

    /// Groups `fire` (alice, bob) and `police` (bob, carol), both in the temporary group `joint`; everybody is affiliated
    /// to all constituents they are members of.
    pub fn joint(change: impl FnOnce(&mut GroupDocument)) -> Self {
        let groups = [group("fire", &["alice", "bob"]), group("police", &["bob", "carol"])];
        let mut board = Self::new(["alice", "bob", "carol", "dave"].map(user), groups);
        board.world.affiliate("alice", "a1", &["fire"]);
        board.world.affiliate("bob", "b1", &["fire", "police"]);
        board.world.affiliate("carol", "c1", &["police"]);
        let mut joint = temporary_group("joint", &["fire", "police"]);
        change(&mut joint);
        board.world.apply(&regrouping(&joint));
        board
    }

    /// The MC service server's copy of a group is this one from now on.
    pub fn put_group(&mut self, document: GroupDocument) {
        self.world.apply(&[Change::Put(Fact::TemporaryGroup(Side::Mc, document))]);
    }

    /// The GMS tears down the temporary group `joint`.
    pub fn tear_down(&mut self) {
        let change = GroupChange::TornDown {
            temporary: group_id("joint"),
            constituents: vec![group_id("fire"), group_id("police")],
        };
        let outcome = super::groups::changed(&self.world.view(), change);
        self.world.keep(&outcome);
    }

    /// What a client of `user` sends to call `group`; its client ID is the user's initial and `1`.
    pub fn invitation(user: &str, group: &str) -> Invitation {
        Invitation {
            service: Service::Mcptt,
            info: McInfo {
                session_type: Some("prearranged".to_owned()),
                request_uri: Some(group_id(group).to_string()),
                client_id: Some(client_of(user)),
                ..McInfo::default()
            },
            offer: Some(offer("AMR-WB")),
            focus: false,
            focus_session: None,
            asserted: None,
            service_requested: true,
            answer_modes: Vec::new(),
            resource_priority: None,
            hops: 70,
            session: None,
        }
    }

    /// What a participating function elsewhere sends for a user of its own.
    pub fn from_elsewhere(user: &str, group: &str) -> Invitation {
        let mut invitation = Self::invitation(user, group);
        invitation.info.calling_user = Some(user_id(user).to_string());
        invitation
    }

    /// A client calls a group.
    pub fn call(&mut self, user: &str, group: &str) -> (Phone, Vec<String>) {
        self.call_with(user, Self::invitation(user, group))
    }

    /// A client sends this invitation.
    pub fn call_with(&mut self, user: &str, invitation: Invitation) -> (Phone, Vec<String>) {
        self.rejoin(user, None, invitation)
    }

    /// The same by the session identity of a call whose controlling function is elsewhere.
    pub fn rejoin(
        &mut self,
        user: &str,
        elsewhere: Option<LeftElsewhere>,
        invitation: Invitation,
    ) -> (Phone, Vec<String>) {
        let role = Incoming::Originating { user: user_id(user), client: None, elsewhere };
        self.come_in(user.to_owned(), role, invitation)
    }

    /// A participating function elsewhere calls the controlling function for `user`.
    pub fn call_from_elsewhere(&mut self, user: &str, invitation: Invitation) -> (Phone, Vec<String>) {
        let from = Some(Psi::from("sip:pf@two.example"));
        self.come_in(format!("pf({user})"), Incoming::Controlling { from }, invitation)
    }

    /// A controlling function elsewhere invites a user of ours.
    pub fn invite_from_elsewhere(&mut self, invitation: Invitation) -> (Phone, Vec<String>) {
        self.come_in("cf".to_owned(), Incoming::Terminating, invitation)
    }

    /// The controlling function of a partner's temporary group asks for a constituent of ours.
    pub fn ask_constituent(&mut self, invitation: Invitation) -> (Phone, Vec<String>) {
        let from = Caller {
            psi: Psi::from("sip:cf@two.example"),
            partner: Some("two.example".to_owned()),
            participating: false,
            controlling: true,
            gms: false,
        };
        self.come_in("cf".to_owned(), Incoming::NonControlling { from }, invitation)
    }

    fn come_in(&mut self, name: String, role: Incoming, invitation: Invitation) -> (Phone, Vec<String>) {
        let leg = LegId(self.world.ids.number());
        self.add_end(leg, End::new(name, None));
        match calls::incoming(&mut self.world.view(), &mut self.open, leg, role, invitation) {
            Ok((owner, outcome)) => {
                self.owners.insert(leg, owner);
                self.take(outcome);
            }
            Err(refusal) => self.refuse(leg, Box::new(refusal.into())),
        }
        (Phone(leg), self.run())
    }

    /// The client of a user accepts the invitation it got last.
    pub fn accept(&mut self, name: &str) -> Vec<String> {
        self.accept_with(name, Vec::new())
    }

    /// The same with warnings in the answer.
    pub fn accept_with(&mut self, name: &str, warnings: Vec<Warning>) -> Vec<String> {
        let phone = self.phone(name);
        self.accept_on(phone, warnings)
    }

    /// The invitation on this leg is accepted.
    pub fn accept_on(&mut self, phone: Phone, warnings: Vec<Warning>) -> Vec<String> {
        let name = &self.ends[&phone.0].name;
        let acceptance = Acceptance {
            answer: Some(offer("AMR-WB")),
            warnings,
            client: (!name.contains('(')).then(|| ClientId::new(client_of(name))),
            ..Acceptance::default()
        };
        self.accept_as(phone, acceptance)
    }

    /// The same with exactly this.
    pub fn accept_as(&mut self, phone: Phone, acceptance: Acceptance) -> Vec<String> {
        self.establish(phone.0);
        self.say(phone, LegEvent::Accepted(Box::new(acceptance)))
    }

    /// The client of a user refuses the invitation it got last.
    pub fn reject(&mut self, name: &str, status: u16) -> Vec<String> {
        self.reject_with(name, Rejection { status, ..Rejection::default() })
    }

    /// The same with more than a status.
    pub fn reject_with(&mut self, name: &str, rejection: Rejection) -> Vec<String> {
        let phone = self.phone(name);
        self.reject_on(phone, rejection)
    }

    /// The invitation on this leg is refused.
    pub fn reject_on(&mut self, phone: Phone, rejection: Rejection) -> Vec<String> {
        self.close(phone.0);
        self.say(phone, LegEvent::Refused(Box::new(rejection)))
    }

    /// The client of a user answers provisionally.
    pub fn progress(&mut self, name: &str, status: u16, unconfirmed: bool) -> Vec<String> {
        let phone = self.phone(name);
        self.say(phone, LegEvent::Progress(Progress { status, unconfirmed, warnings: Vec::new() }))
    }

    /// The client gives its INVITE up.
    pub fn cancel(&mut self, phone: Phone) -> Vec<String> {
        self.close(phone.0);
        self.say(phone, LegEvent::Cancelled)
    }

    /// The client leaves.
    pub fn hang_up(&mut self, phone: Phone) -> Vec<String> {
        self.close(phone.0);
        self.say(phone, LegEvent::Released { reason: None })
    }

    /// The session of the client breaks.
    pub fn lose(&mut self, phone: Phone) -> Vec<String> {
        self.close(phone.0);
        self.say(phone, LegEvent::Lost { why: "no ACK" })
    }

    /// The client sends a re-INVITE.
    pub fn offer(&mut self, phone: Phone, media: Option<&str>, info: Option<McInfo>) -> Vec<String> {
        self.say(phone, LegEvent::Offered { offer: media.map(offer), info: info.map(Box::new) })
    }

    /// The client accepts our re-INVITE.
    pub fn accept_offer(&mut self, phone: Phone) -> Vec<String> {
        self.say(phone, LegEvent::OfferAnswered(Ok(Box::default())))
    }

    /// The client refuses our re-INVITE.
    pub fn reject_offer(&mut self, phone: Phone, status: u16) -> Vec<String> {
        let rejection = Rejection { status, ..Rejection::default() };
        self.say(phone, LegEvent::OfferAnswered(Err(Box::new(rejection))))
    }

    /// Says anything on the leg of an end.
    pub fn say(&mut self, phone: Phone, event: LegEvent) -> Vec<String> {
        let owner = self.owners[&phone.0];
        self.hand_over(owner, phone.0, event);
        self.run()
    }

    /// A client is affiliated to this group only, and the call functions hear of it.
    pub fn affiliate(&mut self, user: &str, client: &str, group: &str) -> Vec<String> {
        self.affiliate_to(user, client, group, &[group])
    }

    /// A client is affiliated to these groups, of which `group` is new.
    pub fn affiliate_to(&mut self, user: &str, client: &str, group: &str, all: &[&str]) -> Vec<String> {
        self.world.affiliate(user, client, all);
        let (user, client, group) = (user_id(user), ClientId::from(client), group_id(group));
        let outcome =
            calls::affiliated(&mut self.world.view(), &mut self.open, &user, &client, Service::Mcptt, &group);
        self.take(outcome);
        self.run()
    }

    /// A client keeps these affiliations only and loses the one to `group`.
    pub fn deaffiliate(&mut self, user: &str, client: &str, group: &str, kept: &[&str]) -> Vec<String> {
        if kept.is_empty() {
            let key = FactKey::Affiliation(user_id(user), ClientId::from(client));
            self.world.apply(&[Change::Remove(key)]);
        } else {
            self.world.affiliate(user, client, kept);
        }
        let (user, client, group) = (user_id(user), ClientId::from(client), group_id(group));
        let outcome = calls::deaffiliated(
            &mut self.world.view(),
            &mut self.open,
            &user,
            &client,
            Service::Mcptt,
            &group,
        );
        self.take(outcome);
        self.run()
    }

    /// Time passes; timers fire.
    pub fn wait(&mut self, seconds: u64) -> Vec<String> {
        let until = self.world.now.plus(Duration::from_secs(seconds));
        while let Some(at) = self.wakes.iter().position(|(at, _)| *at <= until) {
            let (at, wake) = self.wakes.remove(at);
            self.world.now = self.world.now.max(at);
            let outcome = calls::wake(&mut self.world.view(), &mut self.open, wake);
            self.take(outcome);
        }
        self.world.now = until;
        self.run()
    }

    /// The server stops and starts again: facts and SIP dialogs stay, everything else is gone.
    pub fn restart(&mut self) -> Vec<String> {
        self.open = Open::default();
        self.world.media = MediaPorts::new(40_000, 40_999);
        self.links.clear();
        self.owners.clear();
        self.queue.clear();
        self.wakes.clear();
        for end in self.ends.values_mut().filter(|end| end.state != EndState::Open) {
            end.state = EndState::Over;
        }
        for leg in self.world.model.legs() {
            self.owners.insert(leg.id, leg.owner);
            if let LegLink::Memory(other) = leg.link {
                self.links.insert(leg.id, other);
            }
        }
        let outcome = calls::restore(&mut self.world.view(), &mut self.open);
        self.take(outcome);
        self.run()
    }

    /// The leg of an end: its last one.
    pub fn phone(&self, name: &str) -> Phone {
        let last = self.order.iter().rev().find(|leg| self.ends[leg].name == name);
        Phone(*last.expect("an end of that name"))
    }

    /// What an end was invited with.
    pub fn invited(&self, name: &str) -> &Invitation {
        &self.ends[&self.phone(name).0].invited.as_ref().expect("an invitation").1
    }

    /// Whom the last invitation of an end was for.
    pub fn party(&self, name: &str) -> &Party {
        &self.ends[&self.phone(name).0].invited.as_ref().expect("an invitation").0
    }

    /// What a caller was accepted with.
    pub fn accepted(&self, phone: Phone) -> &Acceptance {
        self.ends[&phone.0].accepted.as_ref().expect("an acceptance")
    }

    /// What a caller was refused with.
    pub fn refused(&self, phone: Phone) -> &Rejection {
        self.ends[&phone.0].refused.as_ref().expect("a refusal")
    }

    /// How the last re-INVITE of an end was answered.
    pub fn offer_answer(&self, phone: Phone) -> &Result<Box<Acceptance>, Box<Rejection>> {
        self.ends[&phone.0].answered.as_ref().expect("an answer")
    }

    /// The one call that is a fact.
    pub fn the_call(&self) -> &Call {
        let mut calls = self.world.model.calls();
        let call = calls.next().expect("a call");
        assert!(calls.next().is_none(), "one call only");
        call
    }

    /// Users in a call, by name.
    pub fn in_call(&self, id: CallRef) -> Vec<String> {
        let mut names: Vec<_> = self
            .world
            .model
            .participants(id)
            .filter(|one| !one.left)
            .map(|one| short(one.user.as_str()))
            .collect();
        names.sort();
        names
    }

    /// Ends in this state.
    pub fn ends(&self, state: EndState) -> Vec<Phone> {
        self.order.iter().filter(|leg| self.ends[leg].state == state).map(|leg| Phone(*leg)).collect()
    }

    /// Whether the leg of an end belongs to a function that may be gone (a restart forgets it).
    pub fn is_known(&self, phone: Phone) -> bool {
        self.owners.contains_key(&phone.0)
    }

    /// What is remembered fits together: facts with facts, ports with legs, ends with records.
    pub fn assert_consistent(&self) {
        let model = &self.world.model;
        assert_eq!(self.world.media.in_use(), self.open.ports(), "media ports");
        for call in model.calls() {
            let mut seats = model.participants(call.id).filter(|one| !one.left).peekable();
            assert!(seats.peek().is_some() || !call.established, "a call without participants");
            for seat in seats {
                assert!(model.leg(seat.leg).is_some(), "a participant without leg");
            }
        }
        for participation in model.participations() {
            for leg in [participation.client_leg, participation.core_leg] {
                assert!(model.leg(leg).is_some(), "a session without leg");
            }
        }
        for leg in model.legs() {
            match leg.link {
                LegLink::Memory(other) => assert!(model.leg(other).is_some(), "half a link"),
                LegLink::Dialog(_) => {
                    assert_eq!(self.ends[&leg.id].state, EndState::Open, "{}", self.ends[&leg.id].name);
                }
            }
            match leg.owner {
                LegOwner::Call(call) => {
                    let seat = model.participant(call, leg.id);
                    assert!(seat.is_some_and(|seat| !seat.left), "a leg without participant");
                }
                LegOwner::Participation(id) => {
                    assert!(model.participation(id).is_some(), "a leg without session");
                }
            }
        }
        for end in self.ends(EndState::Open) {
            assert!(model.leg(end.0).is_some(), "{} has no session", self.ends[&end.0].name);
        }
    }

    /// Nothing is left of any call.
    pub fn assert_quiet(&self) {
        assert!(self.open.is_idle(), "{:?}", self.open);
        assert_eq!(self.world.media.in_use(), 0, "media ports");
        assert_eq!(self.world.model.calls().count(), 0, "calls");
        assert_eq!(self.world.model.participations().count(), 0, "participations");
        assert_eq!(self.world.model.legs().count(), 0, "legs");
        assert_eq!(self.world.model.unsettled_affiliations().count(), 0, "affiliations by call");
        let open: Vec<_> =
            self.ends.values().filter(|end| end.state == EndState::Open).map(|end| &end.name).collect();
        assert!(open.is_empty(), "sessions of {open:?}");
    }

    /// Hands words over until nobody says anything more.
    fn run(&mut self) -> Vec<String> {
        while let Some(next) = self.queue.pop_front() {
            match next {
                Waiting::Word(word) => self.send(word),
                Waiting::Event(owner, leg, event) => {
                    let outcome = calls::hear(&mut self.world.view(), &mut self.open, owner, leg, event);
                    self.take(outcome);
                }
            }
        }
        std::mem::take(&mut self.lines)
    }

    /// Keeps the facts and takes what is sent.
    fn take(&mut self, outcome: Outcome<Over>) {
        self.world.keep(&outcome);
        self.log.extend(outcome.log);
        for send in outcome.sends {
            match send {
                Send::Call(word) => self.queue.push_back(Waiting::Word(word)),
                Send::WakeAt { at, wake } => self.wakes.push((at, wake)),
                Send::Roster { call } => {
                    let document = super::conference::document(&self.world.model, call).expect("a roster");
                    let users: Vec<_> = document.users.iter().map(|(user, _)| short(user)).collect();
                    assert!(!users.is_empty());
                }
                Send::RosterEnds { call } => {
                    assert!(super::conference::document(&self.world.model, call).is_none());
                }
                Send::AffiliationStatus { user, .. } => {
                    self.lines.push(format!("NOTIFY of {}", short(user.as_str())));
                }
                Send::Affiliated { user, client, service, group } => {
                    let (view, open) = (&mut self.world.view(), &mut self.open);
                    let outcome = calls::affiliated(view, open, &user, &client, service, &group);
                    self.take(outcome);
                }
                Send::AffiliationUpdate { user, groups, .. } => {
                    for (group, affiliated) in groups {
                        let gms =
                            format!("GMS: {} {affiliated} {}", short(user.as_str()), short(group.as_str()));
                        self.lines.push(gms);
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn send(&mut self, word: CallSend) {
        match word {
            CallSend::Invite { leg, owner, to, invitation } => {
                self.owners.insert(leg, owner);
                self.deliver(leg, to, invitation);
            }
            CallSend::Cancel { leg } => self.tell(leg, LegEvent::Cancelled),
            CallSend::Progress { leg, progress } => self.tell(leg, LegEvent::Progress(progress)),
            CallSend::Accept { leg, acceptance } => {
                self.establish(leg);
                self.tell(leg, LegEvent::Accepted(acceptance));
                if let Some(other) = self.links.get(&leg).copied() {
                    self.establish(other);
                }
                if let Some(owner) = self.owners.get(&leg).copied() {
                    self.hand_over(owner, leg, LegEvent::Confirmed);
                }
            }
            CallSend::Refuse { leg, rejection } => self.tell(leg, LegEvent::Refused(rejection)),
            CallSend::Release { leg, reason } => self.tell(leg, LegEvent::Released { reason }),
            CallSend::Offer { leg, offer, info } => self.tell(leg, LegEvent::Offered { offer, info }),
            CallSend::AnswerOffer { leg, result } => self.tell(leg, LegEvent::OfferAnswered(result)),
        }
    }

    /// A word reaches what is at the other end of a leg.
    fn tell(&mut self, leg: LegId, event: LegEvent) {
        let over = matches!(
            event,
            LegEvent::Cancelled | LegEvent::Refused(_) | LegEvent::Released { .. } | LegEvent::Lost { .. }
        );
        if let Some(other) = self.links.get(&leg).copied() {
            if let Some(owner) = self.owners.get(&other).copied() {
                self.hand_over(owner, other, event);
            }
            if over {
                self.close(leg);
                self.close(other);
            }
            return;
        }
        let Some(end) = self.ends.get_mut(&leg) else { return };
        match &event {
            LegEvent::Accepted(acceptance) => end.accepted = Some(acceptance.clone()),
            LegEvent::Refused(rejection) => end.refused = Some(rejection.clone()),
            LegEvent::OfferAnswered(result) => end.answered = Some(result.clone()),
            _ => {}
        }
        let line = format!("{} <- {}", end.name, written(&event));
        self.lines.push(line);
        if over {
            self.close(leg);
        }
    }

    /// An invitation reaches a function of this process, or an end.
    fn deliver(&mut self, leg: LegId, to: Party, invitation: Box<Invitation>) {
        let (role, name) = match &to {
            Party::Client { user, .. } if self.away.contains(user) => {
                let owner = self.owners[&leg];
                let rejection = Rejection { status: 480, ..Rejection::default() };
                self.hand_over(owner, leg, LegEvent::Refused(Box::new(rejection)));
                return;
            }
            Party::Client { user, .. } => (None, short(user.as_str())),
            Party::Terminating { user, .. } if self.elsewhere.contains(user) => {
                (None, format!("pf({})", short(user.as_str())))
            }
            Party::Terminating { .. } => (Some(Incoming::Terminating), String::new()),
            Party::NonControlling { group } => (None, format!("ncf({})", short(group.as_str()))),
            Party::Controlling { .. } if self.controlling_elsewhere => (None, "cf".to_owned()),
            Party::Controlling { .. } => (Some(Incoming::Controlling { from: None }), String::new()),
        };
        let Some(role) = role else {
            self.lines.push(format!("{name} <- {}", invitation_written(&invitation)));
            self.add_end(leg, End::new(name, Some((to, invitation))));
            return;
        };
        let other = LegId(self.world.ids.number());
        match calls::incoming(&mut self.world.view(), &mut self.open, other, role, *invitation) {
            Ok((owner, outcome)) => {
                self.owners.insert(other, owner);
                self.links.insert(leg, other);
                self.links.insert(other, leg);
                self.take(outcome);
            }
            Err(refusal) => {
                let owner = self.owners[&leg];
                self.hand_over(owner, leg, LegEvent::Refused(Box::new(refusal.into())));
            }
        }
    }

    fn hand_over(&mut self, owner: LegOwner, leg: LegId, event: LegEvent) {
        self.queue.push_back(Waiting::Event(owner, leg, event));
    }

    fn add_end(&mut self, leg: LegId, end: End) {
        self.order.push(leg);
        self.ends.insert(leg, end);
    }

    fn refuse(&mut self, leg: LegId, rejection: Box<Rejection>) {
        self.tell(leg, LegEvent::Refused(rejection));
    }

    /// A leg is part of a session from now on: the service layer stores it.
    fn establish(&mut self, leg: LegId) {
        let Some(owner) = self.owners.get(&leg).copied() else { return };
        let link = match self.links.get(&leg) {
            Some(other) => LegLink::Memory(*other),
            None => LegLink::Dialog(dialog()),
        };
        if let Some(end) = self.ends.get_mut(&leg) {
            end.state = EndState::Open;
        }
        self.world.apply(&[Change::Put(Fact::Leg(Leg {
            id: leg,
            owner,
            service: Service::Mcptt,
            link,
            ending: false,
        }))]);
    }

    fn close(&mut self, leg: LegId) {
        self.links.remove(&leg);
        if let Some(end) = self.ends.get_mut(&leg) {
            end.state = EndState::Over;
        }
        self.world.apply(&[Change::Remove(FactKey::Leg(leg))]);
    }
}

impl End {
    fn new(name: String, invited: Option<(Party, Box<Invitation>)>) -> Self {
        let state = if invited.is_some() { EndState::Invited } else { EndState::Calling };
        Self { name, state, invited, accepted: None, refused: None, answered: None }
    }
}

/// Lines whose order means nothing: that of random leg identities.
pub(super) fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

/// `sip:fire@one.example` as `fire`.
pub(super) fn short(uri: &str) -> String {
    uri.trim_start_matches("sip:").trim_end_matches("@one.example").to_owned()
}

/// The client ID of a user: `a1` for alice.
fn client_of(user: &str) -> String {
    format!("{}1", &user[..1])
}

/// An offer of one speech medium with this codec, and of floor control.
pub(super) fn offer(codec: &str) -> SessionDescription {
    let text = format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
         m=audio 30000 RTP/AVP 97\r\ni=speech\r\na=rtpmap:97 {codec}/16000\r\n\
         m=application 30001 udp MCPTT\r\na=fmtp:MCPTT mc_queueing;mc_priority=5;mc_implicit_request\r\n"
    );
    SessionDescription::decode(text.as_bytes(), &Limits::default()).expect("an offer")
}

fn dialog() -> DialogFact {
    DialogFact {
        call_id: "1@one.example".to_owned(),
        local_tag: "1".to_owned(),
        remote_tag: "2".to_owned(),
        local_uri: "sip:as@one.example".to_owned(),
        remote_uri: "sip:client@one.example".to_owned(),
        remote_target: "sip:client@192.0.2.1".to_owned(),
        local_contact: "<sip:as@one.example>".to_owned(),
        route_set: Vec::new(),
        local_cseq: 1,
        remote_cseq: None,
        source: None,
        session_timer: None,
    }
}

/// `INVITE fire by alice`, with what differs from an ordinary invitation.
fn invitation_written(invitation: &Invitation) -> String {
    let info = &invitation.info;
    let group = info.calling_group.as_deref().or(info.request_uri.as_deref());
    let mut line = format!("INVITE {}", short(group.unwrap_or("?")));
    if let Some(user) = &info.calling_user {
        line.push_str(&format!(" by {}", short(user)));
    }
    line.push_str(&indications(info));
    line
}

/// `200 111 122`, `re-INVITE emergency`, `BYE`, ...
fn written(event: &LegEvent) -> String {
    let warned = |status: u16, warnings: &[Warning]| {
        let codes: String =
            warnings.iter().filter_map(|warning| warning.code).map(|code| format!(" {code}")).collect();
        format!("{status}{codes}")
    };
    let shown = |info: &Option<McInfo>| info.as_ref().map(indications).unwrap_or_default();
    match event {
        LegEvent::Progress(progress) => {
            let unconfirmed = if progress.unconfirmed { " unconfirmed" } else { "" };
            format!("{}{unconfirmed}", progress.status)
        }
        LegEvent::Accepted(acceptance) => {
            let unconfirmed = if acceptance.unconfirmed { " unconfirmed" } else { "" };
            format!("{}{unconfirmed}{}", warned(200, &acceptance.warnings), shown(&acceptance.info))
        }
        LegEvent::Refused(rejection) => {
            format!("{}{}", warned(rejection.status, &rejection.warnings), shown(&rejection.info))
        }
        LegEvent::Cancelled => "CANCEL".to_owned(),
        LegEvent::Confirmed => "ACK".to_owned(),
        LegEvent::Released { .. } => "BYE".to_owned(),
        LegEvent::Lost { .. } => "lost".to_owned(),
        LegEvent::Offered { info, .. } => {
            format!("re-INVITE{}", info.as_deref().map(indications).unwrap_or_default())
        }
        LegEvent::OfferAnswered(Ok(acceptance)) => {
            format!("re {}{}", warned(200, &acceptance.warnings), shown(&acceptance.info))
        }
        LegEvent::OfferAnswered(Err(rejection)) => {
            format!("re {}{}", warned(rejection.status, &rejection.warnings), shown(&rejection.info))
        }
    }
}

fn indications(info: &McInfo) -> String {
    let mut line = String::new();
    for (name, value) in [
        ("emergency", info.emergency),
        ("alert", info.alert),
        ("imminent-peril", info.imminent_peril),
        ("broadcast", info.broadcast),
    ] {
        match value {
            Some(true) => line.push_str(&format!(" {name}")),
            Some(false) => line.push_str(&format!(" no-{name}")),
            None => {}
        }
    }
    line
}
