//! Looks at every message the server sends and names what breaks a rule. The rules are those that hold for any figure.

use super::message::{Message, parameter, uri_in};
use super::{bodies, xml};
use bytes::Bytes;
use std::collections::HashMap;

/// Children of `mcptt-Params` in the order of the schema (TS 24.379 F.1.2).
const MCPTT_PARAMS: [&str; 20] = [
    "mcptt-access-token",
    "session-type",
    "mcptt-request-uri",
    "mcptt-calling-user-id",
    "mcptt-called-party-id",
    "mcptt-calling-group-id",
    "required",
    "emergency-ind",
    "alert-ind",
    "imminentperil-ind",
    "broadcast-ind",
    "mc-org",
    "floor-state",
    "associated-group-id",
    "originated-by",
    "MKFC-GKTPs",
    "mcptt-client-id",
    "alert-ind-rcvd",
    "gw-mcptt-usage",
    "anyExt",
];

/// How the server that is judged names itself.
#[derive(Clone, Debug)]
pub struct Own {
    /// Its name in Via.
    pub sent_by: String,
    /// Host in Warning, and in those that it hands on.
    pub agents: Vec<String>,
    /// Its participating function.
    pub participating: String,
    /// The media function, and those whose descriptions it hands on.
    pub media: Vec<String>,
    /// Controlling functions, here or elsewhere, whose invitations it sends or hands on.
    pub controlling: Vec<String>,
    /// Its gateway server, where that hides it from other systems.
    pub gateway: Option<Gateway>,
}

/// A gateway server that hides its system.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Its URI.
    pub uri: String,
    /// Its name in Via and Contact.
    pub sent_by: String,
    /// What nobody beyond it may see, in no octet of any message: names and addresses of what is behind it.
    pub inside: Vec<String>,
}

/// What the judge remembers.
#[derive(Debug)]
pub struct Judge {
    own: Own,
    /// Requests that came in, by branch and method.
    requests: HashMap<(String, String), Message>,
    /// Final answers to them.
    finals: HashMap<(String, String), Bytes>,
    /// Requests of the server, by branch and method.
    sent: HashMap<(String, String), Bytes>,
    /// CSeq and method of the server's last request, by Call-ID and tag.
    cseqs: HashMap<(String, String), (u32, String)>,
}

impl Judge {
    pub fn new(own: Own) -> Self {
        Self {
            own,
            requests: HashMap::new(),
            finals: HashMap::new(),
            sent: HashMap::new(),
            cseqs: HashMap::new(),
        }
    }

    /// How the server names itself.
    pub fn own(&self) -> &Own {
        &self.own
    }

    /// A request comes in.
    pub fn heard(&mut self, request: &Message) {
        if request.status().is_none() {
            self.requests.insert(transaction(request), request.clone());
        }
    }

    /// The server was started again, or its transactions have ended (64*T1): what it answered before it may answer
    /// otherwise now.
    pub fn forget(&mut self) {
        self.finals.clear();
    }

    /// The server says something. Returns what is wrong with it.
    pub fn said(&mut self, message: &Message, octets: &Bytes) -> Vec<String> {
        self.said_by(self.own.clone(), message, octets)
    }

    /// The same of what crosses the border to another system: nothing may show what is behind the gateway.
    pub fn said_beyond(&mut self, message: &Message, octets: &Bytes) -> Vec<String> {
        let Some(gateway) = self.own.gateway.clone() else { return self.said(message, octets) };
        let own = Own { sent_by: gateway.sent_by.clone(), ..self.own.clone() };
        let mut found = self.said_by(own, message, octets);
        let text = String::from_utf8_lossy(octets).to_ascii_lowercase();
        // The last lines of a response's head are what the other side wrote; its Via tells where it had our request from.
        let text = without_received(&text);
        let shown = gateway.inside.iter().filter(|inside| text.contains(&inside.to_ascii_lowercase()));
        found.extend(shown.map(|inside| {
            let first = octets.split(|octet| *octet == b'\r').next().unwrap_or_default();
            format!("TS 24.379 6.8.2 step 3: {inside} beyond the border: {}", String::from_utf8_lossy(first))
        }));
        let asserted = message.all("P-Asserted-Identity").all(|one| uri_in(one) == gateway.uri);
        if !asserted {
            found.push(format!("TS 24.379 6.8.2 step 3: asserted {}", message.value("P-Asserted-Identity")));
        }
        found
    }

    fn said_by(&mut self, own: Own, message: &Message, octets: &Bytes) -> Vec<String> {
        let mut faults = Faults { own: &own, of: message, found: Vec::new() };
        faults.everything();
        if message.status().is_some() {
            self.response(message, octets, &mut faults);
        } else {
            self.request(message, octets, &mut faults);
        }
        faults.found
    }

    fn response(&mut self, message: &Message, octets: &Bytes, faults: &mut Faults<'_>) {
        let status = message.status().unwrap_or_default();
        let key = transaction(message);
        if let Some(request) = self.requests.get(&key) {
            faults.belongs_to(request);
            faults.answer(status, request);
        } else if !key.0.is_empty() && status != 400 {
            faults.note("RFC 3261 8.2.6: an answer to nothing");
        }
        if status >= 200 {
            let first = self.finals.entry(key).or_insert_with(|| octets.clone());
            faults.check(first == octets, "RFC 3261 17.2: a second final answer");
        }
    }

    fn request(&mut self, message: &Message, octets: &Bytes, faults: &mut Faults<'_>) {
        faults.own_request();
        let key = transaction(message);
        if let Some(old) = self.sent.get(&key) {
            faults.check(old == octets, "RFC 3261 17.1.1.2: a repetition that differs");
            return;
        }
        self.sent.insert(key, octets.clone());
        if message.method() == "ACK" || message.method() == "CANCEL" {
            return;
        }
        let tag = parameter(message.value("From"), "tag").unwrap_or_default().to_owned();
        let last = self.cseqs.entry((message.value("Call-ID").to_owned(), tag)).or_default();
        let method = message.method().to_owned();
        // A restart repeats a BYE: whoever heard the first has no dialog any more.
        let rises = message.cseq() > last.0 || method == "BYE" && last.1 == "BYE";
        faults.check(rises, "RFC 3261 12.2.1.1: CSeq does not rise");
        *last = (message.cseq(), method);
    }
}

/// A message without the address that its receiver had the request from (RFC 3261 18.2.1): the receiver knows it.
fn without_received(text: &str) -> String {
    let parts = text.split(";received=").enumerate();
    parts
        .map(|(place, part)| match place {
            0 => part,
            _ => {
                part.trim_start_matches(|c: char| c.is_ascii_hexdigit() || matches!(c, '.' | ':' | '[' | ']'))
            }
        })
        .collect()
}

fn transaction(message: &Message) -> (String, String) {
    let branch = parameter(message.value("Via"), "branch").unwrap_or_default();
    let method = message.method();
    // The ACK of a refusal belongs to its INVITE; that of a 2xx to nothing.
    (branch.to_owned(), method.to_owned())
}

struct Faults<'a> {
    own: &'a Own,
    of: &'a Message,
    found: Vec<String>,
}

impl Faults<'_> {
    fn note(&mut self, rule: &str) {
        self.found.push(format!("{rule}: {} ({})", self.of.start, self.of.value("CSeq")));
    }

    fn check(&mut self, holds: bool, rule: &str) {
        if !holds {
            self.note(rule);
        }
    }

    fn need(&mut self, name: &str, rule: &str) {
        self.check(self.of.header(name).is_some(), &format!("{rule}: no {name}"));
    }

    /// Rules for requests and responses.
    fn everything(&mut self) {
        let of = self.of;
        for name in ["From", "To", "Call-ID", "CSeq"] {
            // What a request lacks its 400 need not have.
            let all = of.all(name).count();
            let fits = all == 1 || all == 0 && of.status() == Some(400);
            self.check(fits, &format!("RFC 3261 8.1.1: not one {name}"));
        }
        let length = of.header("Content-Length").and_then(|length| length.parse().ok());
        self.check(length == Some(of.body.len()), "RFC 3261 20.14: Content-Length");
        self.check(
            of.body.is_empty() || of.header("Content-Type").is_some(),
            "RFC 3261 7.4.1: no Content-Type",
        );
        for warning in of.all("Warning") {
            let begins = |agent: &String| warning.starts_with(&format!("399 {agent} \""));
            let fits = self.own.agents.iter().any(begins) && warning.ends_with('"');
            self.check(fits, "TS 24.379 4.4.1: Warning");
        }
        for (kind, content) in of.parts() {
            if kind.contains("xml") {
                if let Err(why) = xml::check(&content) {
                    self.note(&format!("XML 1.0: {why}"));
                }
            } else if kind == bodies::SDP {
                self.description(&content);
            }
            if kind == bodies::INFO {
                self.info(&content);
            }
        }
    }

    fn info(&mut self, content: &str) {
        self.check(
            content.contains("urn:3gpp:ns:mcpttInfo:1.0") && content.contains("<mcptt-Params"),
            "TS 24.379 F.1.2: namespace and root",
        );
        let places: Vec<usize> = MCPTT_PARAMS
            .iter()
            .filter_map(|name| content.find(&format!("<{name}>")).or(content.find(&format!("<{name} "))))
            .collect();
        self.check(places.is_sorted(), "TS 24.379 F.1.2: order of elements");
    }

    /// RFC 4566 5, TS 24.380 4.3.
    fn description(&mut self, sdp: &str) {
        let kinds: String = sdp.split("\r\n").filter_map(|line| line.chars().next()).collect();
        self.check(sdp.ends_with("\r\n"), "RFC 4566 5: end of line");
        self.check(kinds.starts_with("vosct"), "RFC 4566 5: order of lines");
        // What a function elsewhere or a client describes is handed on as it is.
        if ["AMR-WB", "EVS"].iter().any(|codec| bodies::offer(codec) == sdp) {
            return;
        }
        let named = |media: &String| sdp.contains(&format!("c=IN IP4 {media}\r\n"));
        self.check(self.own.media.iter().any(named), "the media function's address");
        let ports: Vec<u16> = sdp
            .split("\r\n")
            .filter_map(|line| line.strip_prefix("m="))
            .filter_map(|line| line.split(' ').nth(1)?.parse().ok())
            .collect();
        let paired = ports.len() == 2 && ports[0].is_multiple_of(2) && ports[1] == ports[0] + 1;
        self.check(paired && sdp.contains("m=application"), "TS 24.380 4.3: speech and floor control");
    }

    /// A response is made of its request (RFC 3261 8.2.6.2).
    fn belongs_to(&mut self, request: &Message) {
        let of = self.of;
        // What the server adds to the topmost one is `received` and the value of `rport` (RFC 3581 4).
        let via = |message: &Message| -> Vec<String> {
            let plain = |via: &str| -> Vec<String> {
                let added = |part: &&str| !part.starts_with("received=") && !part.starts_with("rport");
                via.split(';').filter(added).map(str::to_owned).collect()
            };
            message.all("Via").map(|via| plain(via).join(";")).collect()
        };
        self.check(via(of) == via(request), "RFC 3261 8.2.6.2: Via");
        for name in ["From", "Call-ID", "CSeq"] {
            self.check(of.header(name) == request.header(name), &format!("RFC 3261 8.2.6.2: {name}"));
        }
        let (to, asked) = (of.value("To"), request.value("To"));
        self.check(to.starts_with(asked), "RFC 3261 8.2.6.2: To");
        if of.status() != Some(100) && !asked.is_empty() {
            self.check(parameter(to, "tag").is_some(), "RFC 3261 8.2.6.2: no To tag");
        }
    }

    /// What an answer of this status must carry.
    fn answer(&mut self, status: u16, request: &Message) {
        let of = self.of;
        match status {
            401 => self.need("WWW-Authenticate", "RFC 3261 22.1"),
            405 => self.need("Allow", "RFC 3261 8.2.1"),
            415 => {
                let says = of.header("Accept").or(of.header("Accept-Encoding")).is_some();
                self.check(says, "RFC 3261 8.2.3: neither Accept nor Accept-Encoding");
            }
            420 => self.need("Unsupported", "RFC 3261 8.2.2.3"),
            421 => self.need("Require", "RFC 3261 21.4.16"),
            422 => self.need("Min-SE", "RFC 4028 6"),
            423 => self.need("Min-Expires", "RFC 3261 10.3 step 7"),
            489 => self.need("Allow-Events", "RFC 6665 8.3.2"),
            503 => self.need("Retry-After", "an overloaded server says when to come back"),
            _ => {}
        }
        match (request.method(), status) {
            ("MESSAGE", 200..=299) => {
                self.check(of.body.is_empty() && of.header("Contact").is_none(), "RFC 3428 7: a bare 2xx");
            }
            ("PUBLISH", 200..=299) => {
                self.need("SIP-ETag", "RFC 3903 6");
                self.need("Expires", "RFC 3903 6");
            }
            ("SUBSCRIBE", 200..=299) => {
                self.need("Expires", "RFC 6665 4.2.1.1");
                self.need("Contact", "RFC 6665 4.2.1.2");
            }
            ("INVITE", 200..=299) => {
                self.check(of.part(bodies::SDP).is_some(), "RFC 3261 13.3.1.4: neither answer nor offer");
                self.need("Contact", "RFC 3261 13.3.1.4");
                self.need("Allow", "RFC 3261 13.3.1.4");
                self.need("Supported", "TS 24.379 6.3.3.2.3.2 step 8");
                self.need("P-Asserted-Identity", "TS 24.379 6.3.3.2.3.2 step 4");
                let contact = of.value("Contact");
                self.check(contact.contains(";gr="), "TS 24.379 4.5: a session identity");
                if let Some(timer) = of.header("Session-Expires") {
                    self.check(timer.contains("refresher="), "RFC 4028 9: no refresher");
                    let asked = request.value("Supported").contains("timer");
                    self.check(!asked || of.value("Require").contains("timer"), "RFC 4028 9: Require");
                }
            }
            // RFC 3261 12.1.1: it makes an early dialog.
            ("INVITE", 101..=199) => self.need("Contact", "RFC 3261 12.1.1"),
            ("INVITE", 300..=399) => self.need("Contact", "RFC 3261 8.1.3.4"),
            _ => {}
        }
    }

    /// A request of ours.
    fn own_request(&mut self) {
        let of = self.of;
        let via = of.value("Via");
        self.check(
            via.contains(&format!(" {};", self.own.sent_by))
                && parameter(via, "branch").is_some_and(|b| b.starts_with("z9hG4bK")),
            "RFC 3261 8.1.1.7: Via",
        );
        self.need("Max-Forwards", "RFC 3261 8.1.1.6");
        self.check(parameter(of.value("From"), "tag").is_some(), "RFC 3261 8.1.1.3: no From tag");
        let within = parameter(of.value("To"), "tag").is_some();
        match of.method() {
            "INVITE" if !within => {
                self.first_of_dialog();
                // To a controlling function elsewhere from our participating one (TS 24.379 6.3.2.1.3), or from a
                // controlling function to a member.
                let contact = of.value("Contact");
                let asserted = uri_in(of.value("P-Asserted-Identity"));
                let hidden = self.own.gateway.as_ref().is_some_and(|gateway| asserted == gateway.uri);
                let asked_for = asserted == self.own.participating || hidden && !contact.contains(";isfocus");
                self.check(
                    contact.contains(";isfocus") != asked_for
                        && contact.contains(";gr=")
                        && contact.contains("+g.3gpp.mcptt"),
                    "TS 24.379 6.3.2.1.3, 6.3.2.2.3: Contact",
                );
                self.check(of.value("Supported").contains("timer"), "TS 24.379 6.3.2.2.3: Supported");
                let timer = of.value("Session-Expires");
                self.check(!timer.contains("refresher"), "TS 24.379 6.3.3.1.2 step 6: no refresher");
                self.check(of.part(bodies::SDP).is_some(), "TS 24.379 6.3.3.1.1: no offer");
                let info = of.part(bodies::INFO).unwrap_or_default();
                let elements =
                    ["session-type", "mcptt-calling-user-id", "mcptt-request-uri", "mcptt-calling-group-id"];
                // Back into a call (TS 24.379 10.1.1.3.1.2) the Request-URI names the session, and so the group.
                let needed = match asked_for {
                    true if of.uri().contains(";gr=") => 2,
                    true => 3,
                    false => 4,
                };
                for element in &elements[..needed] {
                    let there = xml::text(&info, element).is_some();
                    self.check(there, &format!("TS 24.379 10.1.1.4.1.1 step 4: no {element}"));
                }
                self.check(!info.contains("mcptt-access-token"), "a token goes to nobody");
            }
            "MESSAGE" => {
                self.first_of_dialog();
                self.check(of.header("Contact").is_none(), "RFC 3428 4: Contact");
                let kinds: Vec<_> = of.parts().into_iter().map(|(kind, _)| kind).collect();
                let known = [bodies::GMOP, bodies::COMMAND].map(|document| vec![bodies::INFO, document]);
                let fits = known.iter().any(|known| kinds.iter().eq(known.iter()));
                self.check(fits, "mcptt-info first, then GMOP or an affiliation command");
                let result = of.part(bodies::INFO).is_some_and(|info| info.contains("resp-type"));
                self.check(
                    result == of.header("In-Reply-To").is_some(),
                    "RFC 3261 20.21: In-Reply-To of a result",
                );
            }
            "NOTIFY" => {
                self.check(within, "RFC 6665 4.2.2: in a dialog");
                self.need("Event", "RFC 6665 4.2.2");
                self.need("Subscription-State", "RFC 6665 4.2.2");
                self.need("Contact", "RFC 6665 4.2.2");
            }
            "PUBLISH" => {
                self.first_of_dialog();
                self.need("Event", "RFC 3903 4");
                let whole = matches!(of.header("Expires"), Some("0" | "4294967295"));
                self.check(whole, "TS 24.379 9.2.2.2.6: Expires");
                self.check(of.header("Contact").is_none(), "RFC 3903 4: Contact");
                let kinds: Vec<_> = of.parts().into_iter().map(|(kind, _)| kind).collect();
                self.check(
                    kinds == [bodies::INFO, bodies::PIDF],
                    "TS 24.379 9.2.2.2.6: mcptt-info, then PIDF",
                );
            }
            "SUBSCRIBE" => {
                if !within {
                    self.first_of_dialog();
                }
                self.need("Event", "RFC 6665 4.1.2.1");
                self.need("Expires", "RFC 6665 4.1.2.1");
                self.need("Contact", "RFC 6665 4.1.2.1");
            }
            "INVITE" => {
                // What a client asks of a controlling function elsewhere is handed on as it is.
                let asked_for = self.own.controlling.iter().any(|psi| {
                    let user = psi.split_inclusive('@').next().unwrap_or_default();
                    of.uri().starts_with(user)
                });
                self.check(
                    asked_for || of.part(bodies::SDP).is_some(),
                    "TS 24.379 6.3.3.1.6: a re-INVITE without an offer",
                );
            }
            "BYE" | "UPDATE" | "INFO" => self.check(within, "RFC 3261 12.2.1.1: in a dialog"),
            "ACK" | "CANCEL" | "PRACK" => {}
            other => self.note(&format!("the server has no reason to send {other}")),
        }
        if of.method() == "INVITE" {
            self.need("Contact", "RFC 3261 8.1.1.8");
        }
    }

    /// TS 24.379 6.3.3.1.2 and its like: who asserts what, and for whom it is.
    fn first_of_dialog(&mut self) {
        let of = self.of;
        let asserted = uri_in(of.value("P-Asserted-Identity"));
        let fits = match of.method() {
            // TS 24.379 6.3.2.2.3: handed on from the controlling function, here or elsewhere.
            "INVITE" => {
                let controlling = self.own.controlling.iter().any(|controlling| controlling == asserted);
                controlling || asserted == self.own.participating
            }
            // TS 24.379 9.2.2.2.8: handed on from the user who proposes.
            "MESSAGE" if of.part(bodies::COMMAND).is_some() => asserted.starts_with("sip:"),
            _ => asserted == uri_in(of.value("From")) && asserted.starts_with("sip:"),
        };
        self.check(fits, "P-Asserted-Identity is the function's");
        self.check(of.value("P-Asserted-Service") == bodies::ICSI, "TS 24.379 6.3.3.1.2 step 3");
        // Between functions, where no client is to be chosen, these say nothing.
        if of.method() == "INVITE" || of.part(bodies::GMOP).is_some() {
            let accepts: Vec<&str> = of.all("Accept-Contact").collect();
            self.check(accepts == bodies::ACCEPT_CONTACT, "TS 24.379 6.3.3.1.2 steps 2 and 4");
        }
    }
}
