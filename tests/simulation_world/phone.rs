//! A client of the simulation: the transactions of RFC 3261 17 in a few lines, dialogs, and a will of its own.
//!
//! It retransmits what is not answered, answers what it is asked (or not), and does something at random when it has been
//! idle for a while. Everything it says goes to the server.

use super::setting::{self, DISPATCHERS, DOMAINS, TEMPORARY, identity};
use crate::outside::message::{Message, parameter, uri_in};
use crate::outside::{bodies, xml};
use rand::Rng;
use rand::rngs::StdRng;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

const T1: u64 = 500;
const T2: u64 = 4_000;
/// 64*T1: how long a transaction is waited for.
pub const PATIENCE: u64 = 32_000;

/// A client.
#[derive(Debug)]
pub struct Phone {
    pub name: String,
    pub user: String,
    /// The system that serves it.
    pub system: usize,
    /// Groups that it has heard of: those of its system and, less often, those of the other one.
    own_groups: Vec<String>,
    groups: Vec<String>,
    pub address: SocketAddr,
    counter: u32,
    /// What it says next.
    pub out: Vec<Message>,
    asked: Vec<Asked>,
    /// INVITEs that had a 2xx: its To tag, its ACK, and until when it may come again.
    accepted: Vec<(Message, String, Message, u64)>,
    /// Last answer by branch and method.
    answers: HashMap<String, Message>,
    ringing: Vec<Ringing>,
    /// Final answers to INVITEs that are repeated until their ACK comes.
    repeated: Vec<Repeated>,
    pub dialogs: Vec<Dialog>,
    pub watching: Vec<Dialog>,
    /// Session identities of calls that it was in.
    sessions: Vec<String>,
    registrations: u32,
    transactions: u32,
    /// The group that a 302 named.
    moved: Option<String>,
    next_act: u64,
    /// It has come to rest: it leaves everything, and starts nothing.
    pub resting: bool,
    /// It gives up its affiliations as soon as it is registered again.
    leaving: bool,
    /// How many requests of each kind it had answered with 2xx, and with anything else.
    pub heard: BTreeMap<String, (u32, u32)>,
}

/// A request that waits for its final answer.
#[derive(Debug)]
struct Asked {
    message: Message,
    again: u64,
    interval: u64,
    until: u64,
    /// A provisional answer came.
    proceeding: bool,
    /// An INVITE is given up then.
    give_up: u64,
    cancelled: bool,
}

/// An INVITE of the server that has no final answer yet.
#[derive(Debug)]
struct Ringing {
    invite: Message,
    ring_at: Option<u64>,
    decide_at: u64,
    /// `None`: never.
    decision: Option<u16>,
}

#[derive(Debug)]
struct Repeated {
    call_id: String,
    cseq: u32,
    message: Message,
    again: u64,
    interval: u64,
    until: u64,
}

/// One side of a dialog.
#[derive(Clone, Debug)]
pub struct Dialog {
    pub call_id: String,
    local: String,
    remote: String,
    pub target: String,
    cseq: u32,
    event: String,
}

impl Phone {
    pub fn new(name: &str, system: usize, systems: usize, number: u16, start: u64) -> Self {
        Self {
            name: name.to_owned(),
            user: name.split('.').next().unwrap_or_default().to_owned(),
            system,
            own_groups: setting::groups_of(system),
            groups: setting::groups(systems),
            address: SocketAddr::from(([192, 0, 2, 1], 6000 + number)),
            counter: 0,
            out: Vec::new(),
            asked: Vec::new(),
            accepted: Vec::new(),
            answers: HashMap::new(),
            ringing: Vec::new(),
            repeated: Vec::new(),
            dialogs: Vec::new(),
            watching: Vec::new(),
            sessions: Vec::new(),
            registrations: 0,
            transactions: 0,
            moved: None,
            next_act: start,
            resting: false,
            leaving: false,
            heard: BTreeMap::new(),
        }
    }

    /// When [`Self::fire`] has something to do.
    pub fn due(&self) -> u64 {
        let asked = self.asked.iter().flat_map(|asked| {
            let repeats = !(asked.proceeding && asked.message.method() == "INVITE");
            [if repeats { asked.again } else { u64::MAX }, asked.until, asked.give_up]
        });
        let ringing = self.ringing.iter().flat_map(|one| [one.ring_at.unwrap_or(u64::MAX), one.decide_at]);
        let repeated = self.repeated.iter().flat_map(|one| [one.again, one.until]);
        let act = if self.resting { u64::MAX } else { self.next_act };
        asked.chain(ringing).chain(repeated).chain([act]).min().unwrap_or(u64::MAX)
    }

    /// Does what is due.
    pub fn fire(&mut self, now: u64, rng: &mut StdRng) {
        self.fire_asked(now);
        self.fire_ringing(now, rng);
        self.repeated.retain(|one| one.until > now);
        for one in self.repeated.iter_mut().filter(|one| one.again <= now) {
            self.out.push(one.message.clone());
            one.interval = (one.interval * 2).min(T2);
            one.again = now + one.interval;
        }
        self.accepted.retain(|(.., until)| *until > now);
        if !self.resting && self.next_act <= now {
            self.next_act = now + rng.random_range(300..6_000);
            // One thing at a time, but calls may go on meanwhile.
            if self.asked.iter().all(|asked| asked.message.method() == "INVITE") {
                self.act(now, rng);
            }
        }
    }

    fn fire_asked(&mut self, now: u64) {
        let mut cancels = Vec::new();
        for asked in &mut self.asked {
            let invite = asked.message.method() == "INVITE";
            if asked.again <= now && !(invite && asked.proceeding) {
                self.out.push(asked.message.clone());
                asked.interval = if invite { asked.interval * 2 } else { (asked.interval * 2).min(T2) };
                asked.again = now + asked.interval;
            }
            if asked.give_up <= now {
                asked.give_up = u64::MAX;
                if asked.proceeding && !asked.cancelled {
                    asked.cancelled = true;
                    asked.until = now + PATIENCE;
                    cancels.push(asked.message.clone());
                }
            }
        }
        self.asked.retain(|asked| asked.until > now);
        for invite in cancels {
            let mut cancel = Message::new(format!("CANCEL {} SIP/2.0", invite.uri()));
            for name in ["Via", "Max-Forwards", "From", "To", "Call-ID"] {
                cancel = cancel.add(name, invite.value(name));
            }
            self.ask(now, cancel.add("CSeq", format!("{} CANCEL", invite.cseq())));
        }
    }

    fn fire_ringing(&mut self, now: u64, rng: &mut StdRng) {
        for place in (0..self.ringing.len()).rev() {
            if self.ringing[place].ring_at.is_some_and(|at| at <= now) {
                self.ringing[place].ring_at = None;
                let invite = self.ringing[place].invite.clone();
                let answer = self.answer_to(&invite, 180).add("Contact", self.contact());
                self.say_answer(&invite, answer);
            }
            if self.ringing[place].decide_at <= now {
                let ringing = self.ringing.remove(place);
                if let Some(status) = ringing.decision {
                    self.decide(now, &ringing.invite, if self.resting { 480 } else { status });
                }
            }
        }
        let _ = rng;
    }

    fn decide(&mut self, now: u64, invite: &Message, status: u16) {
        let mut answer = self.answer_to(invite, status);
        if status == 200 {
            answer = answer.add("Contact", self.contact()).with_body(bodies::SDP, &bodies::offer("AMR-WB"));
            if let Some(interval) = invite.header("Session-Expires") {
                let interval = interval.split(';').next().unwrap_or_default();
                answer = answer
                    .add("Require", "timer")
                    .add("Session-Expires", format!("{interval};refresher=uac"));
            }
            self.dialogs.push(Dialog {
                call_id: invite.value("Call-ID").to_owned(),
                local: answer.value("To").to_owned(),
                remote: invite.value("From").to_owned(),
                target: uri_in(invite.value("Contact")).to_owned(),
                cseq: 0,
                event: String::new(),
            });
            self.sessions.push(uri_in(invite.value("Contact")).to_owned());
        }
        self.repeat_until_ack(now, invite, &answer);
        self.say_answer(invite, answer);
    }

    fn repeat_until_ack(&mut self, now: u64, invite: &Message, answer: &Message) {
        self.repeated.push(Repeated {
            call_id: invite.value("Call-ID").to_owned(),
            cseq: invite.cseq(),
            message: answer.clone(),
            again: now + T1,
            interval: T1,
            until: now + PATIENCE,
        });
    }

    fn say_answer(&mut self, request: &Message, answer: Message) {
        self.answers.insert(key(request), answer.clone());
        self.out.push(answer);
    }

    // What comes in.

    /// Takes a message of the server.
    pub fn hear(&mut self, now: u64, rng: &mut StdRng, message: &Message) {
        match message.status() {
            Some(status) => self.hear_answer(now, message, status),
            None => self.hear_request(now, rng, message),
        }
    }

    fn hear_answer(&mut self, now: u64, message: &Message, status: u16) {
        let branch = parameter(message.value("Via"), "branch").unwrap_or_default();
        let of = |asked: &Asked| {
            parameter(asked.message.value("Via"), "branch") == Some(branch)
                && asked.message.method() == message.method()
        };
        if let Some(place) = self.asked.iter().position(of) {
            if status < 200 {
                self.asked[place].proceeding = true;
                if self.asked[place].message.method() == "INVITE" && !self.asked[place].cancelled {
                    // RFC 3261 17.1.1.2: timer B is for silence only.
                    self.asked[place].until = u64::MAX;
                }
                return;
            }
            let asked = self.asked.remove(place);
            let count = self.heard.entry(message.method().to_owned()).or_default();
            if status < 300 {
                count.0 += 1
            } else {
                count.1 += 1
            }
            self.concluded(now, asked, message, status);
            return;
        }
        if message.method() != "INVITE" || status < 200 {
            return;
        }
        // RFC 3261 13.2.2.4, 17.1.1.3: the ACK again; a 2xx of another tag is acknowledged and released.
        let known = self.accepted.iter().find(|(invite, ..)| {
            invite.value("Call-ID") == message.value("Call-ID") && invite.cseq() == message.cseq()
        });
        if let Some((invite, tag, ack, _)) = known.cloned() {
            let refused_before = tag.is_empty();
            if status >= 300 {
                self.out.extend(refused_before.then_some(ack));
            } else if parameter(message.value("To"), "tag") == Some(&tag) {
                self.out.push(ack);
            } else {
                let dialog = dialog_of(&invite, message);
                let ack = self.ack_of_2xx(&invite, message);
                self.accepted.push((
                    invite,
                    parameter(message.value("To"), "tag").unwrap_or_default().to_owned(),
                    ack.clone(),
                    now + PATIENCE,
                ));
                self.out.push(ack);
                self.bye(now, dialog);
            }
        }
    }

    /// The final answer to a request of ours.
    fn concluded(&mut self, now: u64, asked: Asked, answer: &Message, status: u16) {
        let request = asked.message;
        match request.method() {
            "INVITE" if status >= 300 => {
                if status == 302 {
                    self.moved = Some(uri_in(answer.value("Contact")).to_owned());
                }
                let mut ack = Message::new(format!("ACK {} SIP/2.0", request.uri()));
                ack = ack.add("Via", request.value("Via")).add("Max-Forwards", "70");
                for name in ["From", "To", "Call-ID"] {
                    ack = ack.add(name, answer.value(name));
                }
                let ack = ack.add("CSeq", format!("{} ACK", request.cseq()));
                self.accepted.push((request, String::new(), ack.clone(), now + PATIENCE));
                self.out.push(ack);
            }
            "INVITE" => {
                let ack = self.ack_of_2xx(&request, answer);
                let tag = parameter(answer.value("To"), "tag").unwrap_or_default().to_owned();
                self.accepted.push((request.clone(), tag, ack.clone(), now + PATIENCE));
                self.out.push(ack);
                if parameter(request.value("To"), "tag").is_some() {
                    return;
                }
                let dialog = dialog_of(&request, answer);
                self.sessions.push(dialog.target.clone());
                if asked.cancelled || self.resting {
                    self.bye(now, dialog);
                } else {
                    self.dialogs.push(dialog);
                }
            }
            "REGISTER" if self.leaving => {
                let user = self.name.clone();
                self.publish(now, &user, &[]);
            }
            "SUBSCRIBE" if status < 300 && parameter(request.value("To"), "tag").is_none() => {
                let mut dialog = dialog_of(&request, answer);
                dialog.event = request.value("Event").to_owned();
                self.watching.push(dialog);
            }
            "SUBSCRIBE" if status == 481 => {
                self.watching.retain(|watch| watch.call_id != request.value("Call-ID"));
            }
            _ => {}
        }
    }

    fn ack_of_2xx(&mut self, invite: &Message, answer: &Message) -> Message {
        let via = self.via();
        let ack = Message::new(format!("ACK {} SIP/2.0", uri_in(answer.value("Contact"))))
            .add("Via", via)
            .add("Max-Forwards", "70")
            .add("From", answer.value("From"))
            .add("To", answer.value("To"))
            .add("Call-ID", answer.value("Call-ID"))
            .add("CSeq", format!("{} ACK", answer.cseq()));
        if invite.part(bodies::SDP).is_none() {
            return ack.with_body(bodies::SDP, &bodies::offer("AMR-WB"));
        }
        ack
    }

    fn hear_request(&mut self, now: u64, rng: &mut StdRng, request: &Message) {
        let call_id = request.value("Call-ID");
        if request.method() == "ACK" {
            let of = |one: &Repeated| one.call_id == call_id && one.cseq == request.cseq();
            self.repeated.retain(|one| !of(one));
            return;
        }
        if let Some(answer) = self.answers.get(&key(request)) {
            // A 2xx to INVITE is repeated by timer, everything else when asked again.
            self.out.push(answer.clone());
            return;
        }
        let known = self.dialogs.iter().any(|dialog| dialog.call_id == call_id);
        match request.method() {
            "INVITE" if parameter(request.value("To"), "tag").is_none() => self.rings(now, rng, request),
            "INVITE" if !known => self.refuse(now, request, 481),
            "INVITE" => {
                if !self.resting && rng.random_bool(0.1) {
                    self.refuse(now, request, *[488, 491, 500].get(rng.random_range(0..3)).unwrap_or(&488));
                    return;
                }
                let answer = self
                    .answer_to(request, 200)
                    .add("Contact", self.contact())
                    .with_body(bodies::SDP, &bodies::offer("AMR-WB"));
                self.repeat_until_ack(now, request, &answer);
                self.say_answer(request, answer);
            }
            "CANCEL" => {
                let branch = parameter(request.value("Via"), "branch").unwrap_or_default();
                let ok = self.answer_to(request, 200);
                self.say_answer(request, ok);
                let of = |ringing: &Ringing| parameter(ringing.invite.value("Via"), "branch") == Some(branch);
                if let Some(place) = self.ringing.iter().position(of) {
                    let ringing = self.ringing.remove(place);
                    self.refuse(now, &ringing.invite, 487);
                }
            }
            "BYE" => {
                self.dialogs.retain(|dialog| dialog.call_id != call_id);
                self.plain(request, if known { 200 } else { 481 });
            }
            "UPDATE" | "INFO" => self.plain(request, if known { 200 } else { 481 }),
            "NOTIFY" => {
                let expected = self.watching.iter().any(|watch| watch.call_id == call_id)
                    || self.asked.iter().any(|asked| asked.message.value("Call-ID") == call_id);
                if !self.resting && rng.random_bool(0.03) {
                    return;
                }
                if request.value("Subscription-State").starts_with("terminated") {
                    self.watching.retain(|watch| watch.call_id != call_id);
                }
                self.plain(request, if expected { 200 } else { 481 });
            }
            "MESSAGE" => match rng.random_range(0..20) {
                0 if !self.resting => {}
                1 if !self.resting => self.plain(request, 480),
                _ => self.plain(request, 200),
            },
            _ => self.plain(request, 405),
        }
    }

    /// A new INVITE: rings, answers at once, or says nothing.
    fn rings(&mut self, now: u64, rng: &mut StdRng, invite: &Message) {
        let branch = parameter(invite.value("Via"), "branch");
        if self.ringing.iter().any(|ringing| parameter(ringing.invite.value("Via"), "branch") == branch) {
            return;
        }
        if self.resting {
            return self.refuse(now, invite, 480);
        }
        let (ring_at, delay, decision) = match rng.random_range(0..20) {
            0 => (None, PATIENCE, None),
            1 => (Some(now + 100), 400_000, None),
            2 | 3 => (None, 10, Some(486)),
            4 => (Some(now + 50), 2_000, Some(603)),
            5 => (Some(now + 50), 1_000, Some(480)),
            6..10 => (None, rng.random_range(1..300), Some(200)),
            _ => (Some(now + rng.random_range(1..200)), rng.random_range(300..9_000), Some(200)),
        };
        self.ringing.push(Ringing { invite: invite.clone(), ring_at, decide_at: now + delay, decision });
    }

    fn refuse(&mut self, now: u64, invite: &Message, status: u16) {
        let answer = self.answer_to(invite, status);
        self.repeat_until_ack(now, invite, &answer);
        self.say_answer(invite, answer);
    }

    fn plain(&mut self, request: &Message, status: u16) {
        let answer = self.answer_to(request, status);
        self.say_answer(request, answer);
    }

    fn answer_to(&self, request: &Message, status: u16) -> Message {
        let mut answer = Message::new(format!("SIP/2.0 {status} Whatever"));
        for (name, value) in &request.headers {
            let value = match name.as_str() {
                "To" if parameter(value, "tag").is_none() => format!("{value};tag=u-{}", self.name),
                "Via" | "From" | "To" | "Call-ID" | "CSeq" | "Record-Route" => value.clone(),
                _ => continue,
            };
            answer = answer.add(name, value);
        }
        answer
    }

    // What it wants.

    fn act(&mut self, now: u64, rng: &mut StdRng) {
        match rng.random_range(0..100) {
            0..8 => self.register(now, if rng.random_bool(0.15) { 0 } else { 3600 }),
            8..28 => self.affiliate(now, rng),
            // Others may not, and try now and then.
            28..38 if self.may_form() || rng.random_bool(0.1) => self.form(now, rng),
            38..46 if self.may_form() || rng.random_bool(0.1) => self.tear_down(now, rng),
            28..68 => self.call(now, rng),
            68..80 => {
                if let Some(dialog) = self.dialogs.pop() {
                    self.bye(now, dialog);
                }
            }
            80..86 => self.come_back(now, rng),
            86..90 => self.re_invite(now, rng),
            90..97 => self.watch(now, rng),
            _ => self.unwatch(now),
        }
    }

    /// First words.
    pub fn begin(&mut self, now: u64, rng: &mut StdRng) {
        self.register(now, 3600);
        self.affiliate(now, rng);
    }

    /// Ends calls and subscriptions, and begins nothing new.
    pub fn rest(&mut self, now: u64) {
        self.resting = true;
        while let Some(dialog) = self.dialogs.pop() {
            self.bye(now, dialog);
        }
        while !self.watching.is_empty() {
            self.unwatch(now);
        }
        for asked in self.asked.iter_mut().filter(|asked| asked.message.method() == "INVITE") {
            asked.give_up = now;
        }
        for ringing in &mut self.ringing {
            ringing.decide_at = now;
            ringing.decision = Some(480);
        }
    }

    /// Gives up all affiliations; the registration may have run out meanwhile.
    pub fn leave(&mut self, now: u64) {
        self.register(now, 3600);
        self.leaving = true;
    }

    fn register(&mut self, now: u64, expires: u32) {
        self.registrations += 1;
        let (cseq, name) = (self.registrations, self.name.clone());
        let message = self
            .request("REGISTER", &format!("sip:{}", DOMAINS[self.system]))
            .set("To", format!("<{}>", self.identity()))
            .set("Call-ID", format!("reg-{name}"))
            .set("CSeq", format!("{cseq} REGISTER"))
            .add("Contact", format!("{};+sip.instance=\"<urn:uuid:{name}>\"", self.contact()))
            .add("Expires", expires.to_string());
        self.ask(now, message);
    }

    fn affiliate(&mut self, now: u64, rng: &mut StdRng) {
        let mut groups = self.groups.clone();
        groups.retain(|group| rng.random_bool(if self.own_groups.contains(group) { 0.75 } else { 0.5 }));
        if rng.random_bool(0.1) {
            groups.clear();
        }
        // A dispatcher decides for others, too.
        let user = match self.may_form() && rng.random_bool(0.15) {
            true => self.anybody(rng),
            false => self.name.clone(),
        };
        self.publish(now, &user, &groups);
    }

    /// The groups to which a client is to be affiliated.
    fn publish(&mut self, now: u64, client: &str, groups: &[String]) {
        let entity = identity(client.split('.').next().unwrap_or_default(), self.system);
        self.counter += 1;
        let pidf =
            bodies::pidf(&entity, &format!("urn:uuid:{client}"), groups, &format!("p{}", self.counter));
        let info = bodies::info(&bodies::uri("mcptt-request-uri", &entity));
        let message = self
            .request("PUBLISH", &self.function("mcptt"))
            .add("Event", "presence")
            .add("Expires", if groups.is_empty() { "0" } else { "4294967295" })
            .with_parts(&[(bodies::INFO, &info), (bodies::PIDF, &pidf)]);
        self.ask(now, message);
    }

    fn form(&mut self, now: u64, rng: &mut StdRng) {
        let constituents = [self.own_group(rng), self.any_group(rng)];
        let group = identity(pick(rng, &TEMPORARY), self.system);
        let document = bodies::regroup(&group, &constituents, Some(&self.transaction(rng)));
        self.operation(now, "group-regroup-request", &document);
    }

    fn tear_down(&mut self, now: u64, rng: &mut StdRng) {
        let group = match rng.random_bool(0.1) {
            true => self.any_group(rng),
            false => self.temporary_group(rng),
        };
        let document = bodies::teardown(&group, Some(&self.transaction(rng)));
        self.operation(now, "group-regroup-teardown-request", &document);
    }

    /// Mostly a fresh one.
    fn transaction(&mut self, rng: &mut StdRng) -> String {
        if !rng.random_bool(0.1) {
            self.transactions += 1;
        }
        format!("{}-{}", self.name, self.transactions)
    }

    fn operation(&mut self, now: u64, kind: &str, document: &str) {
        let kind = format!("<anyExt>{}</anyExt>", bodies::string("req-type", kind));
        let message = self
            .request("MESSAGE", &self.function("gms"))
            .with_parts(&[(bodies::INFO, &bodies::info(&kind)), (bodies::GMOP, document)]);
        self.ask(now, message);
    }

    fn call(&mut self, now: u64, rng: &mut StdRng) {
        let group = match self.moved.take() {
            Some(group) => group,
            None if rng.random_bool(0.4) => self.temporary_group(rng),
            None => self.any_group(rng),
        };
        let kind = if group.starts_with("sip:chat@") { "chat" } else { "prearranged" };
        let mut params = format!("<session-type>{kind}</session-type>");
        params.push_str(&bodies::uri("mcptt-request-uri", &group));
        if rng.random_bool(0.1) {
            params.push_str(&bodies::boolean("emergency-ind", "true"));
        }
        self.invite(now, rng, &self.function("mcptt"), &params);
    }

    fn come_back(&mut self, now: u64, rng: &mut StdRng) {
        if self.sessions.is_empty() {
            return;
        }
        let session = self.sessions[rng.random_range(0..self.sessions.len())].clone();
        let kind = if rng.random_bool(0.2) { "chat" } else { "prearranged" };
        self.invite(now, rng, &session, &format!("<session-type>{kind}</session-type>"));
    }

    fn invite(&mut self, now: u64, rng: &mut StdRng, uri: &str, params: &str) {
        let client = bodies::string("mcptt-client-id", &format!("urn:uuid:{}", self.name));
        let mut message = self.request("INVITE", uri).add("Contact", self.contact());
        for value in bodies::ACCEPT_CONTACT {
            message = message.add("Accept-Contact", value);
        }
        let info = bodies::info(&format!("{params}{client}"));
        let message = message.with_parts(&[(bodies::SDP, &bodies::offer("AMR-WB")), (bodies::INFO, &info)]);
        self.ask(now, message);
        if let Some(asked) = self.asked.last_mut() {
            asked.give_up = now + rng.random_range(200..40_000);
        }
    }

    fn re_invite(&mut self, now: u64, rng: &mut StdRng) {
        let Some(dialog) = self.dialogs.last_mut() else { return };
        dialog.cseq += 1;
        let dialog = dialog.clone();
        let flag = if rng.random_bool(0.6) { "true" } else { "false" };
        let info = bodies::info(&bodies::boolean("emergency-ind", flag));
        let message = self.within("INVITE", &dialog).add("Contact", self.contact());
        let message = match rng.random_range(0..4) {
            0 => message.with_body(bodies::INFO, &info),
            1 => message,
            2 => message.with_body(bodies::SDP, &bodies::offer("AMR-WB")),
            _ => message.with_parts(&[(bodies::SDP, &bodies::offer("AMR-WB")), (bodies::INFO, &info)]),
        };
        self.ask(now, message);
    }

    fn watch(&mut self, now: u64, rng: &mut StdRng) {
        let conference = self.dialogs.last().filter(|_| rng.random_bool(0.6));
        let (uri, event) = match conference {
            Some(dialog) => (dialog.target.clone(), "conference"),
            None => (self.function("mcptt"), "presence"),
        };
        let mut message = self
            .request("SUBSCRIBE", &uri)
            .add("Contact", self.contact())
            .add("Event", event)
            .add("Expires", if rng.random_bool(0.1) { "0" } else { "120" });
        if event == "presence" {
            let whom = match rng.random_range(0..6) {
                0 => self.any_group(rng),
                1 => identity(&self.anybody(rng), self.system),
                _ => self.identity(),
            };
            let info = bodies::info(&bodies::uri("mcptt-request-uri", &whom));
            message = message.with_body(bodies::INFO, &info);
        }
        self.ask(now, message);
    }

    fn unwatch(&mut self, now: u64) {
        let Some(mut watch) = self.watching.pop() else { return };
        watch.cseq += 1;
        let message = self.within("SUBSCRIBE", &watch).add("Event", watch.event.clone()).add("Expires", "0");
        // Until the last NOTIFY has come the subscription is known.
        self.watching.insert(0, watch);
        self.ask(now, message);
        if self.resting {
            self.watching.remove(0);
        }
    }

    fn bye(&mut self, now: u64, mut dialog: Dialog) {
        dialog.cseq += 1;
        let message = self.within("BYE", &dialog);
        self.ask(now, message);
    }

    fn ask(&mut self, now: u64, message: Message) {
        self.asked.push(Asked {
            message: message.clone(),
            again: now + T1,
            interval: T1,
            until: now + PATIENCE,
            proceeding: false,
            give_up: u64::MAX,
            cancelled: false,
        });
        self.out.push(message);
    }

    fn via(&mut self) -> String {
        self.counter += 1;
        format!("SIP/2.0/UDP {};branch=z9hG4bK{}{};rport", self.address, self.name, self.counter)
    }

    fn identity(&self) -> String {
        identity(&self.user, self.system)
    }

    /// A function of its system.
    fn function(&self, name: &str) -> String {
        identity(name, self.system)
    }

    fn may_form(&self) -> bool {
        DISPATCHERS.contains(&self.user.as_str())
    }

    /// A user of its system.
    fn anybody(&self, rng: &mut StdRng) -> String {
        let users: Vec<&str> = setting::clients(self.system + 1)
            .filter(|(client, system)| *system == self.system && !client.contains('.'))
            .map(|(client, _)| client)
            .collect();
        pick(rng, &users).to_owned()
    }

    fn own_group(&self, rng: &mut StdRng) -> String {
        self.own_groups[rng.random_range(0..self.own_groups.len())].clone()
    }

    fn any_group(&self, rng: &mut StdRng) -> String {
        self.groups[rng.random_range(0..self.groups.len())].clone()
    }

    /// Mostly one of its own system.
    fn temporary_group(&self, rng: &mut StdRng) -> String {
        let elsewhere = self.own_groups.len() < self.groups.len() && rng.random_bool(0.2);
        identity(pick(rng, &TEMPORARY), if elsewhere { 1 - self.system } else { self.system })
    }

    fn contact(&self) -> String {
        format!("<sip:{}@{}>;+g.3gpp.mcptt", self.user, self.address)
    }

    fn request(&mut self, method: &str, uri: &str) -> Message {
        let via = self.via();
        let n = self.counter;
        Message::new(format!("{method} {uri} SIP/2.0"))
            .add("Via", via)
            .add("Max-Forwards", "70")
            .add("From", format!("<{}>;tag=t{n}", self.identity()))
            .add("To", format!("<{uri}>"))
            .add("Call-ID", format!("{}-{n}", self.name))
            .add("CSeq", format!("1 {method}"))
            .add("P-Preferred-Service", bodies::ICSI)
    }

    fn within(&mut self, method: &str, dialog: &Dialog) -> Message {
        let via = self.via();
        Message::new(format!("{method} {} SIP/2.0", dialog.target))
            .add("Via", via)
            .add("Max-Forwards", "70")
            .add("From", dialog.local.clone())
            .add("To", dialog.remote.clone())
            .add("Call-ID", dialog.call_id.clone())
            .add("CSeq", format!("{} {method}", dialog.cseq))
    }
}

/// What tells a repetition from a new request.
pub fn key(message: &Message) -> String {
    let branch = parameter(message.value("Via"), "branch").unwrap_or_default();
    format!("{branch} {}", message.method())
}

fn dialog_of(request: &Message, answer: &Message) -> Dialog {
    Dialog {
        call_id: request.value("Call-ID").to_owned(),
        local: answer.value("From").to_owned(),
        remote: answer.value("To").to_owned(),
        target: uri_in(answer.value("Contact")).to_owned(),
        cseq: answer.cseq(),
        event: String::new(),
    }
}

fn pick<'a>(rng: &mut StdRng, list: &[&'a str]) -> &'a str {
    list[rng.random_range(0..list.len())]
}

/// The group that an INVITE of the server is for.
pub fn group_of(invite: &Message) -> String {
    let info = invite.part(bodies::INFO).unwrap_or_default();
    xml::text(&info, "mcptt-calling-group-id").unwrap_or_default().to_owned()
}
