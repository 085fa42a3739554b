//! A switchboard for tests: it plays the service layer, which connects the functions of this process in memory, and the
//! clients at the outer ends. Tests say what clients do and read what clients get.
//!
//! Names are those of `model::testing`: `alice` stands for `sip:alice@one.example`. What an end gets is written as a
//! line, `bob <- INVITE fire by alice`. An end outside of this process is written with what it stands for: `pf(alice)` is
//! a participating function that calls for alice.

mod delivery;
mod lines;
mod seen;

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

pub(super) use lines::{short, sorted};

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
        let (user, group) = (user_id(user), group_id(group));
        let outcome =
            calls::affiliated(&mut self.world.view(), &mut self.open, &user, Service::Mcptt, &group);
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
}

impl End {
    fn new(name: String, invited: Option<(Party, Box<Invitation>)>) -> Self {
        let state = if invited.is_some() { EndState::Invited } else { EndState::Calling };
        Self { name, state, invited, accepted: None, refused: None, answered: None }
    }
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
