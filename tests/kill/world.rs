//! All clients of the server, behind one socket: their requests, and what they answer.

use crate::books::{Call, Groups, Notice, Operation, Pair, Party, Publisher, Truth};
use crate::process::SOON;
use crate::sip::{self, Dialog, Writer};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

const PUBLISHERS: usize = 8;
const PAIRS: usize = 3;
const CALLS: usize = 3;

/// Groups of the publishers.
const GROUPS: usize = 5;

/// Who forms and tears down temporary groups.
pub const BOSS: &str = "boss";

/// When a request is sent again.
const AGAIN: Duration = Duration::from_millis(500);

/// Kinds of notices.
pub const FORMED: &str = "group-regroup-notification";
pub const TORN_DOWN: &str = "group-regroup-teardown-notification";
pub const RESULT: &str = "group-regroup-response";
pub const TEARDOWN_RESULT: &str = "group-regroup-teardown-response";
const KINDS: [&str; 4] = [FORMED, TORN_DOWN, RESULT, TEARDOWN_RESULT];

/// What a request was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    Publish(usize),
    Register(usize),
    Refresh(usize),
    Operation(usize),
    Invite(usize),
    Bye(usize),
    /// Somebody waits for the answer.
    Asked,
}

/// A request without final answer.
struct Open {
    what: For,
    octets: String,
    first: Instant,
    sent: Instant,
}

pub struct World {
    pub rng: StdRng,
    socket: UdpSocket,
    server: SocketAddr,
    pub write: Writer,
    /// By branch.
    open: BTreeMap<String, Open>,
    /// Answers that somebody waits for, by branch.
    answers: HashMap<String, String>,
    /// What we answered, by branch and method.
    said: HashMap<(String, String), String>,
    /// ACKs by Call-ID.
    acks: HashMap<String, String>,
    pub publishers: Vec<Publisher>,
    pub pairs: Vec<Pair>,
    pub calls: Vec<Call>,
    /// Other users and their affiliations, which do not change.
    pub others: BTreeMap<String, Groups>,
    /// Notifications of fetches, by Call-ID.
    pub fetched: HashMap<String, Groups>,
    pub owed: BTreeSet<Notice>,
    pub heard: BTreeSet<Notice>,
    /// Requests answered, for the record.
    pub done: u64,
}

impl World {
    pub fn new(server: SocketAddr, seed: u64) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("socket");
        let own = socket.local_addr().expect("address");
        let now = Instant::now();
        let publishers = (0..PUBLISHERS).map(|p| Publisher {
            name: format!("p{p}"),
            groups: Truth::new(Groups::new()),
            extra: Truth::new(None),
            subscription: None,
            notified: (0, None),
            busy: false,
        });
        let pairs = (0..PAIRS).map(|k| Pair {
            temporary: Truth::new(None),
            constituents: [format!("t{k}x"), format!("t{k}y")],
            members: [format!("m{k}x"), format!("m{k}y")],
            open: None,
            next: now,
        });
        let calls = (0..CALLS).map(|k| Call {
            group: format!("c{k}"),
            caller: format!("c{k}a"),
            inviting: false,
            parties: BTreeMap::new(),
            next: now,
        });
        let mut others = BTreeMap::from([(BOSS.to_owned(), Groups::new())]);
        for k in 0..PAIRS {
            for side in ["x", "y"] {
                others.insert(format!("m{k}{side}"), Groups::from([format!("t{k}{side}")]));
            }
        }
        for k in 0..CALLS {
            for member in ["a", "b", "c"] {
                others.insert(format!("c{k}{member}"), Groups::from([format!("c{k}")]));
            }
        }
        Self {
            rng: StdRng::seed_from_u64(seed),
            socket,
            server,
            write: Writer { own, count: 0 },
            open: BTreeMap::new(),
            answers: HashMap::new(),
            said: HashMap::new(),
            acks: HashMap::new(),
            publishers: publishers.collect(),
            pairs: pairs.collect(),
            calls: calls.collect(),
            others,
            fetched: HashMap::new(),
            owed: BTreeSet::new(),
            heard: BTreeSet::new(),
            done: 0,
        }
    }

    /// The configuration of the server that these clients need.
    pub fn config(server: SocketAddr, data: &std::path::Path) -> String {
        let mut text = format!(
            "[server]\ndomain = \"one.example\"\ndata = {data:?}\nlisten = [\"udp:{server}\"]\nregistrar = true\n\
             [functions]\nparticipating = \"sip:mcptt@one.example\"\ncontrolling = \"sip:groups@one.example\"\n\
             gms = \"sip:gms@one.example\"\n[media]\naddress = \"127.0.0.9\"\n[policy]\nowed_for = \"1h\"\n"
        );
        let mut user = |name: &str| {
            text.push_str(&format!(
                "[[user]]\nid = \"sip:{name}@one.example\"\nclient = \"urn:uuid:{name}\"\n\
                 allow_prearranged_call = true\nallow_chat_call = true\nallow_regroup = {}\n",
                name == BOSS
            ));
        };
        let world = Self::new(server, 0);
        world.publishers.iter().map(|publisher| &*publisher.name).for_each(&mut user);
        world.others.keys().map(|name| &**name).for_each(&mut user);
        let mut group = |name: &str, members: &[String]| {
            let members: Vec<_> = members.iter().map(|member| format!("sip:{member}@one.example")).collect();
            text.push_str(&format!(
                "[[group]]\nid = \"sip:{name}@one.example\"\nmembers = {members:?}\nprearranged = true\n\
                 maximum_duration = \"1h\"\nprotect_media = false\nprotect_floor_control = false\n\
                 [group.rules]\ninitiate = \"members\"\njoin = \"members\"\nregroup = [\"sip:{BOSS}@one.example\"]\n"
            ));
        };
        let publishers: Vec<_> = world.publishers.iter().map(|publisher| publisher.name.clone()).collect();
        for g in 0..GROUPS {
            group(&format!("a{g}"), &publishers);
        }
        for k in 0..PAIRS {
            for side in ["x", "y"] {
                group(&format!("t{k}{side}"), &[format!("m{k}{side}")]);
            }
        }
        for k in 0..CALLS {
            group(&format!("c{k}"), &["a", "b", "c"].map(|member| format!("c{k}{member}")));
        }
        text
    }

    /// Registers and affiliates everybody; publishers subscribe.
    pub fn move_in(&mut self) {
        let publishers: Vec<String> =
            self.publishers.iter().map(|publisher| publisher.name.clone()).collect();
        let names: Vec<String> = publishers.iter().chain(self.others.keys()).cloned().collect();
        for name in &names {
            let contact = [format!("<sip:{name}@{}>;expires=3600", self.write.own)];
            let cseq = self.write.next();
            let register = self.write.register(name, cseq, &contact);
            self.ask_for(200, register);
        }
        for (name, groups) in self.others.clone() {
            let publish = self.write.publish(&name, &groups);
            self.ask_for(200, publish);
        }
        for (p, name) in publishers.iter().enumerate() {
            let subscribe = self.write.subscribe(name, 3600);
            let answer = self.ask_for(200, subscribe);
            self.publishers[p].subscription = Some(Dialog::of_answer(&answer));
        }
    }

    // Requests.

    pub fn send(&mut self, what: For, octets: String) -> String {
        let branch = sip::branch(&octets);
        let now = Instant::now();
        self.transmit(&octets);
        self.open.insert(branch.clone(), Open { what, octets, first: now, sent: now });
        branch
    }

    /// Sends a request and waits for its final answer.
    pub fn ask(&mut self, octets: String) -> String {
        let branch = self.send(For::Asked, octets);
        self.until("an answer", |world| world.answers.remove(&branch))
    }

    /// Sends a request that must be answered like this.
    pub fn ask_for(&mut self, status: u16, octets: String) -> String {
        let answer = self.ask(octets.clone());
        assert_eq!(sip::status(&answer), status, "asked\n{octets}\nanswered\n{answer}");
        answer
    }

    /// Lets things happen until this is there.
    pub fn until<T>(&mut self, what: &str, mut is: impl FnMut(&mut Self) -> Option<T>) -> T {
        let begin = Instant::now();
        loop {
            if let Some(found) = is(self) {
                return found;
            }
            assert!(begin.elapsed() < SOON, "never: {what}");
            self.step(Duration::from_millis(5));
        }
    }

    /// Waits until every request is answered.
    pub fn settle(&mut self) {
        self.until("answers to all", |world| world.open.is_empty().then_some(()));
    }

    /// The server is gone: what it sent before is read, then some requests are given up, some will be sent again. Those
    /// are kept that a client may repeat: the server must answer them even if it carried them out already.
    pub fn crash(&mut self) {
        while self.step(Duration::ZERO) {}
        let rng = &mut self.rng;
        self.open.retain(|_, open| {
            matches!(open.what, For::Publish(_) | For::Operation(_)) && rng.random_bool(0.5)
        });
    }

    /// The server is there again.
    pub fn resume(&mut self) {
        let now = Instant::now();
        for open in self.open.values_mut() {
            (open.first, open.sent) = (now, now);
        }
        for octets in self.open.values().map(|open| open.octets.clone()).collect::<Vec<_>>() {
            self.transmit(&octets);
        }
        let kept: Vec<For> = self.open.values().map(|open| open.what).collect();
        for (p, publisher) in self.publishers.iter_mut().enumerate() {
            publisher.busy = kept.contains(&For::Publish(p));
        }
    }

    fn transmit(&mut self, octets: &str) {
        self.socket.send_to(octets.as_bytes(), self.server).expect("send");
    }

    // What happens.

    /// Takes one message, waiting for it so long. False if there was none.
    pub fn step(&mut self, wait: Duration) -> bool {
        let mut buffer = [0; 65_536];
        let blocking = !wait.is_zero();
        self.socket.set_nonblocking(!blocking).expect("option");
        if blocking {
            self.socket.set_read_timeout(Some(wait)).expect("timeout");
        }
        let came = match self.socket.recv_from(&mut buffer) {
            Ok((length, _)) => {
                let text = String::from_utf8(buffer[..length].to_vec()).expect("text");
                self.take(&text);
                true
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => false,
            Err(error) => panic!("{error}"),
        };
        if !came && blocking {
            self.repeat();
        }
        came
    }

    fn repeat(&mut self) {
        let now = Instant::now();
        let mut late = Vec::new();
        for open in self.open.values_mut() {
            assert!(now - open.first < SOON, "no answer to {:?}\n{}", open.what, open.octets);
            if now - open.sent > AGAIN {
                open.sent = now;
                late.push(open.octets.clone());
            }
        }
        for octets in late {
            self.transmit(&octets);
        }
    }

    fn take(&mut self, text: &str) {
        if text.starts_with("SIP/2.0 ") {
            return self.answered(text);
        }
        let key = (sip::branch(text), text.split(' ').next().unwrap_or_default().to_owned());
        if let Some(said) = self.said.get(&key).cloned() {
            return self.transmit(&said);
        }
        let user = sip::addressee(text);
        let status = match &*key.1 {
            "ACK" => return self.acknowledged(text),
            "NOTIFY" => self.notified(text),
            "MESSAGE" => self.noticed(&user, text),
            "INVITE" => 200,
            "BYE" => self.released(text),
            "CANCEL" => 200,
            other => panic!("the server asks {other}\n{text}"),
        };
        let answer = self.write.answer(&user, text, status);
        if key.1 == "INVITE" {
            let dialog = Dialog::of_request(text, &answer);
            let party = Party { dialog, sure: false, leaving: false };
            let call = self.calls.iter_mut().find(|call| user.starts_with(&call.group)).expect("a group");
            call.parties.insert(party.dialog.call_id.clone(), party);
        }
        self.transmit(&answer);
        self.said.insert(key, answer);
    }

    fn answered(&mut self, text: &str) {
        let status = sip::status(text);
        if status < 200 {
            return;
        }
        let invite = sip::method(text) == "INVITE";
        let Some(open) = self.open.remove(&sip::branch(text)) else {
            let ack = self.acks.get(&sip::header(text, "Call-ID").unwrap_or_default()).cloned();
            if let Some(ack) = ack.filter(|_| invite) {
                self.transmit(&ack);
            }
            return;
        };
        self.done += 1;
        if invite {
            let ack = self.write.acknowledge(&open.octets, text);
            self.transmit(&ack);
            self.acks.insert(sip::header(text, "Call-ID").unwrap_or_default(), ack);
        }
        let wanted = |good: u16| assert_eq!(status, good, "asked\n{}\nanswered\n{text}", open.octets);
        match open.what {
            For::Asked => {
                self.answers.insert(sip::branch(text), text.to_owned());
            }
            For::Publish(p) => {
                wanted(200);
                self.publishers[p].busy = false;
                self.publishers[p].groups.confirmed();
            }
            For::Register(p) => {
                wanted(200);
                self.publishers[p].busy = false;
                self.publishers[p].extra.confirmed();
            }
            For::Refresh(p) => {
                wanted(200);
                self.publishers[p].busy = false;
            }
            For::Operation(k) => {
                wanted(200);
                let operation = self.pairs[k].open.take().expect("an operation");
                self.operated(k, &operation);
            }
            For::Invite(k) => {
                wanted(200);
                let call = &mut self.calls[k];
                call.inviting = false;
                let dialog = Dialog::of_answer(text);
                let party = Party { dialog, sure: true, leaving: false };
                call.parties.insert(party.dialog.call_id.clone(), party);
            }
            For::Bye(k) => {
                let call_id = sip::header(text, "Call-ID").unwrap_or_default();
                // Unless the BYE of the server crossed ours.
                if self.calls[k].parties.remove(&call_id).is_some() {
                    wanted(200);
                }
            }
        }
    }

    /// An operation is known to be carried out: everybody concerned hears of it.
    pub fn operated(&mut self, k: usize, operation: &Operation) {
        let pair = &mut self.pairs[k];
        let held = operation.forms.then(|| operation.temporary.clone());
        pair.temporary = Truth::new(held);
        let (kind, result) = if operation.forms { (FORMED, RESULT) } else { (TORN_DOWN, TEARDOWN_RESULT) };
        for member in &pair.members {
            self.owed.insert((member.clone(), kind, operation.temporary.clone()));
        }
        self.owed.insert((BOSS.to_owned(), result, operation.temporary.clone()));
    }

    fn noticed(&mut self, user: &str, text: &str) -> u16 {
        let kind = ["req-type", "resp-type"].into_iter().find_map(|name| sip::element(text, name));
        let kind = kind.and_then(|kind| KINDS.into_iter().find(|known| *known == kind));
        let kind = kind.unwrap_or_else(|| panic!("an unknown notice\n{text}"));
        let group = sip::element(text, "mcptt-calling-group-id").map(|uri| sip::short(&uri));
        let group = group.unwrap_or_else(|| panic!("no group\n{text}"));
        // Whoever hears of it knows that it was done.
        let forms = matches!(kind, FORMED | RESULT);
        let open = self.pairs.iter().position(|pair| {
            pair.open.as_ref().is_some_and(|open| open.forms == forms && open.temporary == group)
        });
        if let Some(k) = open {
            let operation = self.pairs[k].open.clone().expect("found");
            self.operated(k, &operation);
        }
        self.heard.insert((user.to_owned(), kind, group));
        200
    }

    fn notified(&mut self, text: &str) -> u16 {
        let call_id = sip::header(text, "Call-ID").unwrap_or_default();
        let groups = sip::affiliated(text);
        let publisher = self.publishers.iter_mut().find(|publisher| {
            publisher.subscription.as_ref().is_some_and(|dialog| dialog.call_id == call_id)
        });
        match publisher {
            Some(publisher) if sip::cseq(text) > publisher.notified.0 => {
                publisher.groups.shown(&groups, &publisher.name);
                publisher.notified = (sip::cseq(text), Some(groups));
            }
            Some(_) => {}
            None => {
                self.fetched.insert(call_id, groups);
            }
        }
        200
    }

    fn acknowledged(&mut self, text: &str) {
        let call_id = sip::header(text, "Call-ID").unwrap_or_default();
        for call in &mut self.calls {
            if let Some(party) = call.parties.get_mut(&call_id) {
                party.sure = true;
            }
        }
    }

    fn released(&mut self, text: &str) -> u16 {
        let call_id = sip::header(text, "Call-ID").unwrap_or_default();
        let known = self.calls.iter_mut().any(|call| call.parties.remove(&call_id).is_some());
        if known { 200 } else { 481 }
    }

    // Load.

    /// Lets everybody do something for so long.
    pub fn load(&mut self, span: Duration) {
        let end = Instant::now() + span;
        while Instant::now() < end {
            self.begin();
            self.step(Duration::from_millis(1));
            while self.step(Duration::ZERO) && Instant::now() < end {}
        }
    }

    fn begin(&mut self) {
        for p in 0..self.publishers.len() {
            if !self.publishers[p].busy {
                self.publisher(p);
            }
        }
        let now = Instant::now();
        for k in 0..self.pairs.len() {
            if self.pairs[k].open.is_none() && self.pairs[k].next <= now {
                self.pair(k);
            }
        }
        for k in 0..self.calls.len() {
            if !self.calls[k].inviting && self.calls[k].next <= now {
                self.call(k);
            }
        }
    }

    fn pause(&mut self, most: u64) -> Instant {
        Instant::now() + Duration::from_millis(self.rng.random_range(0..=most))
    }

    /// Any set of groups but the one that is there.
    pub fn other_groups(&mut self, p: usize) -> Groups {
        loop {
            let rng = &mut self.rng;
            let groups = (0..GROUPS).filter(|_| rng.random_bool(0.5)).map(|g| format!("a{g}")).collect();
            if groups != self.publishers[p].groups.told {
                return groups;
            }
        }
    }

    fn publisher(&mut self, p: usize) {
        let choice = self.rng.random_range(0..10);
        let groups = self.other_groups(p);
        let publisher = &mut self.publishers[p];
        publisher.busy = true;
        let name = publisher.name.clone();
        let (what, octets) = match choice {
            0..7 => {
                let octets = self.write.publish(&name, &groups);
                publisher.groups.ask(groups);
                (For::Publish(p), octets)
            }
            7..9 => {
                // The old one goes and the new one comes, both or neither.
                let cseq = self.write.next();
                let (old, new) = (publisher.extra.told, (choice == 7).then_some(cseq));
                publisher.extra.ask(new);
                let mut contacts: Vec<String> =
                    old.map(|old| self.extra(&name, old, 0)).into_iter().collect();
                contacts.extend(new.map(|new| self.extra(&name, new, 3600)));
                (For::Register(p), self.write.register(&name, cseq, &contacts))
            }
            _ => {
                let Some(dialog) = &mut publisher.subscription else { return };
                (For::Refresh(p), self.write.refresh(&name, dialog))
            }
        };
        self.send(what, octets);
    }

    /// The second contact of a publisher.
    pub fn extra(&self, name: &str, version: u64, expires: u32) -> String {
        format!("<sip:{name}-{version}@{}>;expires={expires}", self.write.own)
    }

    fn pair(&mut self, k: usize) {
        self.pairs[k].next = self.pause(60);
        let operation = match self.pairs[k].temporary.told.clone() {
            Some(temporary) => Operation { forms: false, temporary },
            None => Operation { forms: true, temporary: format!("temporary{k}-{}", self.write.next()) },
        };
        let octets = self.operation(k, &operation);
        self.pairs[k].temporary.ask(operation.forms.then(|| operation.temporary.clone()));
        self.pairs[k].open = Some(operation);
        self.send(For::Operation(k), octets);
    }

    /// The request for an operation, with a transaction of its own.
    pub fn operation(&mut self, k: usize, operation: &Operation) -> String {
        let transaction = format!("o{}", self.write.next());
        let Operation { forms, temporary } = operation;
        if *forms {
            self.write.form(BOSS, temporary, &self.pairs[k].constituents.clone(), &transaction)
        } else {
            self.write.tear_down(BOSS, temporary, &transaction)
        }
    }

    fn call(&mut self, k: usize) {
        self.calls[k].next = self.pause(80);
        let sure: Vec<String> = self.calls[k]
            .parties
            .values()
            .filter(|party| party.sure && !party.leaving)
            .map(|party| party.dialog.call_id.clone())
            .collect();
        if self.calls[k].parties.is_empty() {
            let call = &mut self.calls[k];
            call.inviting = true;
            let octets = self.write.invite(&call.caller, &call.group, "prearranged");
            self.send(For::Invite(k), octets);
        } else if !sure.is_empty() && self.rng.random_bool(0.5) {
            let one = self.rng.random_range(0..sure.len());
            self.hang_up(k, &sure[one]);
        }
    }

    /// Sends the BYE of a party.
    pub fn hang_up(&mut self, k: usize, call_id: &str) {
        let party = self.calls[k].parties.get_mut(call_id).expect("a party");
        party.leaving = true;
        let octets = self.write.inside(&mut party.dialog, "BYE", "");
        self.send(For::Bye(k), octets);
    }
}
