//! A figure that is played with one mishap: what the parties do then, who play by heart no longer but by the protocol, and
//! what is left when all of them have hung up.

use super::between::Fate;
use super::server::Crash;
use super::{World, told};
use crate::outside::message::{Message, parameter};
use rollcall::model::{Change, Fact};
use std::collections::BTreeMap;
use std::time::Duration;

/// One thing that goes wrong between or in the systems, counted from the start of the figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// This message from one system to another is lost.
    Lost(usize),
    /// It arrives twice.
    Twice(usize),
    /// The system dies with this commit, of which nothing is kept.
    DiesBefore(usize),
    /// The system dies with this commit: it is kept, and nothing is sent.
    DiesAfter(usize),
}

/// What is noted while a figure is played so.
#[derive(Debug, Default)]
pub struct Played {
    mishap: Option<Mishap>,
    /// Nobody reads what happens.
    quiet: bool,
    /// It happened.
    pub struck: bool,
    /// Messages between the systems and commits so far.
    pub crossed: usize,
    pub commits: usize,
    /// Requests of the parties that have no final answer: who, which, and whether it was heard of at all.
    open: Vec<(String, Message, bool)>,
    /// What each party heard, once each, but for provisional answers and the states that NOTIFYs tell.
    heard: BTreeMap<String, String>,
}

/// Where a figure leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What each party heard, in no order.
    pub heard: Vec<String>,
    /// What each system still keeps, and holds.
    pub kept: Vec<String>,
    pub holds: Vec<String>,
}

/// RFC 3261 17.1.1.2: a client asks again after T1, 2*T1, 4*T1...
const AGAIN: [u64; 6] = [500, 1_000, 2_000, 4_000, 8_000, 16_000];

impl World {
    /// From now on parties repeat what nobody answers, and this happens; `quiet`: nobody reads what does.
    pub fn play(&mut self, mishap: Option<Mishap>, quiet: bool) {
        self.played = Some(Played { mishap, quiet, ..Played::default() });
    }

    /// Whether nobody reads what happens.
    pub(super) fn is_quiet(&self) -> bool {
        self.played.as_ref().is_some_and(|played| played.quiet)
    }

    /// What was noted.
    pub fn played(&self) -> (usize, usize) {
        self.played.as_ref().map_or((0, 0), |played| (played.crossed, played.commits))
    }

    /// What happens to the next message between systems, if the mishap hits it.
    pub(super) fn strikes_message(&mut self) -> Option<Fate> {
        let played = self.played.as_mut()?;
        let number = played.crossed;
        played.crossed += 1;
        let fate = match played.mishap? {
            Mishap::Lost(at) if at == number => Fate::Lost,
            Mishap::Twice(at) if at == number => Fate::Twice,
            _ => return None,
        };
        played.struck = true;
        Some(fate)
    }

    /// How the system dies with its next commit, if the mishap hits it.
    pub(super) fn strikes_commit(&self) -> Option<Crash> {
        let played = self.played.as_ref()?;
        let keeps = match played.mishap? {
            Mishap::DiesBefore(at) if at == played.commits => false,
            Mishap::DiesAfter(at) if at == played.commits => true,
            _ => return None,
        };
        Some(Crash { keeps, with_message: false })
    }

    /// A party heard this.
    pub(super) fn note_heard(&mut self, name: &str, message: &Message) {
        let Some(played) = &mut self.played else { return };
        let method = message.method();
        let (call_id, cseq) = (message.value("Call-ID"), message.value("CSeq"));
        let (key, first) = match message.status() {
            Some(status) => {
                let of = |open: &(String, Message, bool)| {
                    open.1.value("Call-ID") == call_id && open.1.value("CSeq") == cseq
                };
                played.open.iter_mut().filter(|open| of(open)).for_each(|open| open.2 = true);
                if status < 200 {
                    return;
                }
                played.open.retain(|open| !of(open));
                (format!("{call_id} {cseq} {status}"), format!("{status} {method}"))
            }
            None if method == "ACK" || method == "NOTIFY" => return,
            None => {
                let branch = parameter(message.value("Via"), "branch").unwrap_or_default();
                (format!("{branch} {method}"), method.to_owned())
            }
        };
        let line = || format!("{name} hears {first}{}", told::words(message, &self.names));
        played.heard.entry(format!("{name} {key}")).or_insert_with(line);
    }

    /// A party sent this: it is repeated until something is heard of it.
    pub(super) fn repeat_until_heard(&mut self, name: &str, message: &Message) {
        for later in AGAIN {
            if !self.is_unheard(name, message) {
                return;
            }
            self.wait(Duration::from_millis(later));
            if self.is_unheard(name, message) {
                self.repeats(name);
            }
        }
    }

    fn is_unheard(&self, name: &str, message: &Message) -> bool {
        let open = self.played.iter().flat_map(|played| &played.open);
        open.into_iter().any(|(who, sent, heard)| who == name && sent == message && !heard)
    }

    /// A request leaves a party.
    pub(super) fn note_sent(&mut self, name: &str, message: &Message) {
        if let Some(played) = &mut self.played
            && message.status().is_none()
            && message.method() != "ACK"
        {
            played.open.push((name.to_owned(), message.clone(), false));
        }
    }

    /// Whether a party can do what a line says: after a mishap it may not have been asked, or have no call.
    pub fn is_possible(&mut self, line: &str) -> bool {
        let words: Vec<&str> = line.split(' ').collect();
        let [from, "->", to, verb, rest @ ..] = words.as_slice() else { return true };
        let to = self.server(to);
        let asker = self.servers[to].judge.own().sent_by.clone();
        let of = rest.iter().find_map(|word| word.strip_prefix("of=")).map(|group| self.names.full(group));
        let late = rest.contains(&"late");
        let party = self.party(from);
        match *verb {
            code if code.parse::<u16>().is_ok() => {
                let method = rest.first().copied().unwrap_or_default();
                party
                    .asked
                    .iter()
                    .any(|asked| asked.method() == method && asked.value("Via").contains(&asker))
            }
            "ACK" => {
                let (sent, answer) = (party.sent.get("INVITE"), party.answers.get("INVITE"));
                answer.is_some_and(|answer| {
                    answer.status() >= Some(200) && sent.map(Message::cseq) == Some(answer.cseq())
                })
            }
            "BYE" | "UPDATE" | "INFO" | "RE-INVITE" => {
                let list = if late { &party.ended } else { &party.dialogs };
                list.iter().any(|dialog| of.as_ref().is_none_or(|group| dialog.about == *group))
            }
            "CANCEL" | "PRACK" => party.sent.contains_key("INVITE"),
            "SUBSCRIBE" if rest.contains(&"again") => {
                !if late { &party.past } else { &party.subscriptions }.is_empty()
            }
            _ => true,
        }
    }

    /// Calls that the parties are in, by party and Call-ID.
    pub fn calls_of_parties(&self) -> Vec<(String, String)> {
        let of = |party: &super::Party| -> Vec<_> {
            party.dialogs.iter().map(|dialog| (party.name.clone(), dialog.call_id.clone())).collect()
        };
        self.parties.iter().flat_map(of).collect()
    }

    /// Everything that waits is answered, everybody hangs up, and time passes until nothing is left to come.
    pub fn rest(&mut self) {
        self.between.heal();
        (self.loses, self.vanished) = (false, Vec::new());
        for server in 0..self.servers.len() {
            self.servers[server].disk_works = true;
            self.servers[server].crash = None;
            if !self.servers[server].is_up() {
                self.restart(server);
            }
        }
        for _ in 0..3 {
            self.answer_everything();
            let names: Vec<String> = self.parties.iter().map(|party| party.name.clone()).collect();
            for name in names {
                let home = self.names.home(&name);
                while !self.party(&name).dialogs.is_empty() {
                    self.send(&name, home, "BYE", &[]);
                }
            }
            self.wait(Duration::from_secs(2));
            // RFC 3261 17.1.1.2: a call that was forgotten with its system is asked for again, or given up.
            let open = self.played.as_ref().map(|played| played.open.clone()).unwrap_or_default();
            for (name, message, _) in open {
                let (home, flow) = (self.names.home(&name), self.flow(&name));
                self.datagram(home, flow, message.octets());
                self.arrivals();
            }
        }
        for span in [40, 90, 200] {
            self.answer_everything();
            self.wait(Duration::from_secs(span));
        }
    }

    fn answer_everything(&mut self) {
        for _ in 0..4 {
            for method in ["CANCEL", "BYE", "UPDATE", "INFO", "MESSAGE", "NOTIFY"] {
                self.answer_all(method, "200");
            }
            let within =
                |asked: &Message| asked.method() == "INVITE" && parameter(asked.value("To"), "tag").is_some();
            let again = self.parties.iter().any(|party| party.asked.iter().any(within));
            self.answer_all("INVITE", if again { "200" } else { "486" });
        }
    }

    /// Where the figure has led; and what nobody answered, or broke a rule.
    pub fn outcome(&mut self) -> (Outcome, Vec<String>) {
        let played = self.played.take().unwrap_or_default();
        let mut faults = self.faults();
        if played.mishap.is_some() && !played.struck {
            faults.push("the mishap did not happen".to_owned());
        }
        for (name, message, _) in &played.open {
            faults.push(format!("{name} hangs: {} ({})", message.start, message.value("CSeq")));
        }
        let mut heard: Vec<String> = played.heard.into_values().collect();
        heard.sort();
        let mut kept = Vec::new();
        for server in &self.servers {
            let mut lines: Vec<String> = server.facts().map(|fact| self.fact(fact)).collect();
            lines.sort();
            kept.extend(lines.into_iter().map(|line| format!("{} {line}", server.name)));
        }
        let holds = self.servers.iter().map(|server| format!("{} holds {}", server.name, server.holds()));
        (Outcome { heard, kept, holds: holds.collect() }, faults)
    }

    /// A fact without what is drawn by lot or depends on the time.
    fn fact(&self, fact: &Fact) -> String {
        let kind = || format!("{:?}", fact.key()).split('(').next().unwrap_or_default().to_owned();
        self.kept(&Change::Put(fact.clone())).unwrap_or_else(kind)
    }
}
