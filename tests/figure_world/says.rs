//! What comes from outside: from the words of a figure to a SIP message.
//!
//! Words without `=` are what the request is about (a group, an event package, an operation); `key=value` says more;
//! `+Name:value` adds a header (`_` stands for a space), `-Name` leaves one out, `uri=` addresses another URI,
//! `method=` says another method in the first line, `service=mcvideo` another service than MCPTT.

use super::World;
use super::names::Names;
use super::party::Party;
use crate::outside::message::{Message, parameter, uri_in};
use crate::outside::{bodies, digest};

/// The words behind a verb.
pub struct Words<'a>(pub Vec<&'a str>);

impl<'a> Words<'a> {
    /// `key=value`.
    pub fn value(&self, key: &str) -> Option<&'a str> {
        self.0.iter().find_map(|word| word.split_once('=').filter(|(k, _)| *k == key).map(|(_, value)| value))
    }

    /// The first word that is no setting.
    fn first(&self) -> Option<&'a str> {
        self.0.iter().find(|word| !word.contains('=')).copied()
    }

    fn has(&self, word: &str) -> bool {
        self.0.contains(&word)
    }

    /// `a,b,c` as identities.
    fn list(text: &str, names: &Names) -> Vec<String> {
        text.split(',').filter(|one| !one.is_empty()).map(|one| names.full(one)).collect()
    }
}

impl World {
    /// The message that a line `from -> server verb words` stands for.
    pub fn compose(&mut self, from: &str, verb: &str, words: &[&str]) -> Message {
        let (tweaks, words): (Vec<&str>, Vec<&str>) =
            words.iter().partition(|word| word.starts_with('+') || word.starts_with('-'));
        let words = Words(words);
        let mut message = match verb {
            "REGISTER" => self.register(from, &words),
            "PUBLISH" => self.publish(from, &words),
            "SETTINGS" => self.settings(from, &words),
            "SUBSCRIBE" => self.subscribe(from, &words),
            "MESSAGE" if words.has("propose") || words.value("outcome").is_some() => {
                self.command(from, &words)
            }
            "MESSAGE" => self.operation(from, &words),
            "INVITE" => self.invite(from, &words),
            "RE-INVITE" => self.re_invite(from, &words),
            "ACK" => self.ack(from, &words),
            "BYE" | "UPDATE" | "INFO" => self.within(from, verb, &words),
            "PRACK" => self.prack(from, &words),
            "CANCEL" => self.cancel(from),
            code if code.parse::<u16>().is_ok() => self.answer(from, code, &words),
            other => self.request(from, other, &self.function("mcptt")),
        };
        if let Some(method) = words.value("method") {
            message.start = format!("{method} {} SIP/2.0", message.uri());
        }
        if let Some(uri) = words.value("uri") {
            message.start = format!("{} {uri} SIP/2.0", message.method());
        }
        for tweak in tweaks {
            message = match tweak.split_at(1) {
                ("+", header) => {
                    let (name, value) =
                        header.split_once(':').unwrap_or_else(|| panic!("no header: {tweak}"));
                    let value = value.replace('_', " ");
                    if name == "Body" { Message { body: value, ..message } } else { message.add(name, value) }
                }
                (_, name) => message.without(name),
            };
        }
        message
    }

    /// The identity of a short name.
    fn full(&self, name: &str) -> String {
        self.names.full(name)
    }

    /// The domain that is spoken to, as a URI.
    fn domain(&self) -> String {
        format!("sip:{}", self.servers[self.spoken_to].system.domain())
    }

    /// A function of the system that is spoken to.
    fn function(&self, name: &str) -> String {
        format!("sip:{name}@{}", self.servers[self.spoken_to].system.domain())
    }

    fn number(&mut self) -> u32 {
        self.counter += 1;
        self.counter
    }

    /// The head of a request outside any dialog.
    fn request(&mut self, from: &str, method: &str, uri: &str) -> Message {
        let n = self.number();
        let party = self.party(from);
        let (address, user, asserted) = (party.address, party.user(), party.psi);
        let user = self.full(&user);
        let message = Message::new(format!("{method} {uri} SIP/2.0"))
            .add("Via", format!("SIP/2.0/UDP {address};branch=z9hG4bKf{n};rport"))
            .add("Max-Forwards", "70")
            .add("From", format!("<{}>;tag=t{n}", asserted.unwrap_or(&user)))
            .add("To", format!("<{uri}>"))
            .add("Call-ID", format!("c{n}"))
            .add("CSeq", format!("1 {method}"));
        match asserted {
            Some(psi) => message.add("P-Asserted-Identity", format!("<{psi}>")),
            None => message,
        }
    }

    /// The head of a request that a user sends, perhaps through the core (`by=`).
    fn of_user(&mut self, from: &str, method: &str, uri: &str, words: &Words<'_>) -> Message {
        let message = self.request(from, method, uri);
        match words.value("by").filter(|_| self.party(from).psi.is_none()) {
            Some(user) => {
                let tag = parameter(message.value("From"), "tag").unwrap_or_default().to_owned();
                let asserted = format!("<{}>", self.full(user));
                message
                    .set("From", format!("<{}>;tag={tag}", self.full(user)))
                    .add("P-Asserted-Identity", asserted)
                    .add("P-Asserted-Service", bodies::ICSI)
            }
            None => match words.value("as") {
                Some(user) => message.add("P-Preferred-Identity", format!("<{}>", self.full(user))),
                None => message,
            }
            .add("P-Preferred-Service", bodies::ICSI),
        }
    }

    /// RFC 3261 10.2: one Call-ID for all registrations of a client, CSeq rising. From the core (`of=`) each has a
    /// Call-ID of its own (TS 24.229 5.4.1.7).
    fn register(&mut self, from: &str, words: &Words<'_>) -> Message {
        let domain = self.domain();
        let core = words.value("of");
        let user = self.party(from).user();
        let user = self.full(core.unwrap_or(&user));
        let party = self.party(from);
        party.registrations += 1;
        let cseq = words.value("cseq").map_or(party.registrations.to_string(), str::to_owned);
        let instance =
            party.name.contains('.').then(|| format!(";+sip.instance=\"<urn:uuid:{}>\"", party.client()));
        let contact = match words.value("contact") {
            Some("none") => None,
            Some("*") => Some("*".to_owned()),
            Some(other) => Some(format!("<{other}>")),
            None if core.is_some() => Some(format!("<sip:{}>", party.address)),
            None => Some(format!("{}{}", party.contact(), instance.unwrap_or_default())),
        };
        let challenge = party.answers.get("REGISTER").map(|answer| {
            let wanted = words.value("algorithm").unwrap_or("SHA-256");
            let mut all = answer.all("WWW-Authenticate");
            all.find(|one| one.contains(wanted)).unwrap_or_default().to_owned()
        });
        let mut message = self
            .request(from, "REGISTER", &domain)
            .set("To", format!("<{user}>"))
            .set("CSeq", format!("{cseq} REGISTER"));
        if core.is_none() {
            message =
                message.set("Call-ID", words.value("callid").map_or(format!("reg-{from}"), str::to_owned));
        }
        if let Some(contact) = contact {
            message = message.add("Contact", contact);
        }
        if words.value("expires") != Some("none") {
            message = message.add("Expires", words.value("expires").unwrap_or("3600"));
        }
        if let (Some(password), Some(challenge)) = (words.value("password"), challenge) {
            let name = words.value("username").unwrap_or(from);
            let credentials = digest::authorization(&challenge, name, password, "REGISTER", &domain);
            message = message.add("Authorization", credentials);
        }
        message
    }

    fn publish(&mut self, from: &str, words: &Words<'_>) -> Message {
        let groups = words.first().map(|groups| Words::list(groups, &self.names)).unwrap_or_default();
        let user = self.party(from).user();
        let target = words.value("for").unwrap_or(&user).to_owned();
        let expires = words.value("expires").unwrap_or(if groups.is_empty() { "0" } else { "4294967295" });
        let client = format!("urn:uuid:{}", words.value("client").unwrap_or(client_of(from)));
        let p_id = format!("p{}", self.number());
        let pidf =
            bodies::pidf(&self.full(words.value("entity").unwrap_or(&target)), &client, &groups, &p_id);
        let info = self.about(&self.full(&target), words);
        let tag = match words.value("if-match") {
            Some("last") => {
                let tag =
                    self.party(from).answers.get("PUBLISH").map(|answer| answer.value("SIP-ETag").to_owned());
                Some(tag.expect("no entity tag"))
            }
            other => other.map(str::to_owned),
        };
        let mut message =
            self.of_user(from, "PUBLISH", &self.function("mcptt"), words).add("Event", "presence");
        if expires != "none" {
            message = message.add("Expires", expires);
        }
        if let Some(tag) = tag {
            message = message.add("SIP-If-Match", tag);
        }
        if words.has("bare") {
            return message.with_body(bodies::INFO, &info);
        }
        message.with_parts(&[(bodies::INFO, &info), (bodies::PIDF, &pidf)])
    }

    /// PUBLISH of `poc-settings` (TS 24.379 7.3.3): `answer=manual`, `expires=0`, `bare` without a document.
    fn settings(&mut self, from: &str, words: &Words<'_>) -> Message {
        let user = self.party(from).user();
        let target = self.full(words.value("for").unwrap_or(&user));
        let client = format!("urn:uuid:{}", words.value("client").unwrap_or(client_of(from)));
        let expires = words.value("expires").unwrap_or("4294967295");
        let params = bodies::uri("mcptt-request-uri", &target) + &bodies::string("mcptt-client-id", &client);
        let (info, settings) = (bodies::info(&params), bodies::settings(&client, words.value("answer")));
        let mut message = self
            .of_user(from, "PUBLISH", &self.function("mcptt"), words)
            .add("Event", "poc-settings")
            .add("Expires", expires);
        if let Some(tag) = words.value("if-match") {
            let last =
                self.party(from).answers.get("PUBLISH").map(|answer| answer.value("SIP-ETag").to_owned());
            let tag = if tag == "last" { last.expect("no entity tag") } else { tag.to_owned() };
            message = message.add("SIP-If-Match", tag);
        }
        if words.has("bare") || expires == "0" {
            return message.with_body(bodies::INFO, &info);
        }
        message.with_parts(&[(bodies::INFO, &info), (bodies::SETTINGS, &settings)])
    }

    /// `presence [of=user]`, `conference [group=] [in=group of the call] [of=whose session]`, or `again` for a refresh inside the newest subscription
    /// (`late`: inside the one that ended last).
    fn subscribe(&mut self, from: &str, words: &Words<'_>) -> Message {
        let expires = words.value("expires").unwrap_or("3600");
        if words.has("again") {
            let party = self.party(from);
            let list = if words.has("late") { &mut party.past } else { &mut party.subscriptions };
            let dialog = list.last_mut().expect("no subscription");
            dialog.cseq += 1;
            let dialog = dialog.clone();
            let event = dialog.about.clone();
            return self.inside(from, "SUBSCRIBE", &dialog).add("Event", event).add("Expires", expires);
        }
        let package = words.first().unwrap_or("presence");
        let (uri, about) = if package == "conference" {
            let of_call = words.value("in").map(|group| self.full(group)).and_then(|group| {
                let mut dialogs = self.party(from).dialogs.iter();
                dialogs.rfind(|dialog| dialog.about == group).map(|dialog| dialog.target.clone())
            });
            let session = of_call.unwrap_or_else(|| self.session(words.value("of").unwrap_or(from)));
            (session, words.value("group").map(|group| self.full(group)))
        } else {
            {
                let user = self.party(from).user();
                (self.function("mcptt"), Some(self.full(words.value("of").unwrap_or(&user))))
            }
        };
        let message =
            self.of_user(from, "SUBSCRIBE", &uri, words).add("Event", package).add("Expires", expires);
        let message = self.with_contact(from, message);
        match about {
            Some(about) => message.with_body(bodies::INFO, &self.about(&about, words)),
            None => message,
        }
    }

    fn with_contact(&mut self, from: &str, message: Message) -> Message {
        let contact = self.party(from).contact();
        message.add("Contact", contact)
    }

    /// The session identity that the party got last.
    fn session(&mut self, from: &str) -> String {
        self.party(from).session.clone().unwrap_or_else(|| {
            let address = &self.servers[self.spoken_to].judge.own().sent_by;
            format!("sip:mcptt@{address};gr=0000000000000001")
        })
    }

    /// mcptt-info: whom it is about, and, from a function, for whom it speaks (`caller=`).
    fn about(&self, target: &str, words: &Words<'_>) -> String {
        let mut params = bodies::uri("mcptt-request-uri", target);
        if let Some(caller) = words.value("caller") {
            params.push_str(&bodies::uri("mcptt-calling-user-id", &self.full(caller)));
        }
        bodies::info(&params)
    }

    /// `propose for=bob enter=a,b leave=c`; `outcome=accepted for=alice enter=a,b leave=c`, about the proposal that came
    /// last (`in-reply-to=` names another).
    fn command(&mut self, from: &str, words: &Words<'_>) -> Message {
        let groups = |key| Words::list(words.value(key).unwrap_or_default(), &self.names);
        let (enter, leave) = (groups("enter"), groups("leave"));
        let about = words.value("in-reply-to").map(str::to_owned).or_else(|| {
            let proposed = self.party(from).proposed.as_ref();
            proposed.map(|message| message.value("Call-ID").to_owned())
        });
        let outcome = words.value("outcome");
        let outcome = outcome.map(|outcome| (outcome, about.as_deref().expect("no proposal came")));
        let command = bodies::command(&enter, &leave, outcome);
        let info = self.about(&self.full(words.value("for").expect("for whom")), words);
        let message = self.of_user(from, "MESSAGE", &self.function("mcptt"), words);
        match words.value("without") {
            Some("info") => message.with_body(bodies::COMMAND, &command),
            _ => message.with_parts(&[(bodies::INFO, &info), (bodies::COMMAND, &command)]),
        }
    }

    /// `regroup of=a,b group=c tid=t`, `teardown group=c tid=t`.
    fn operation(&mut self, from: &str, words: &Words<'_>) -> Message {
        let group = words.value("group").map(|group| self.full(group));
        let about = group.clone().map(|group| bodies::uri("mcptt-request-uri", &group)).unwrap_or_default();
        let tid = words.value("tid");
        let (kind, document) = match words.first() {
            Some("regroup") => {
                let constituents = Words::list(words.value("of").unwrap_or_default(), &self.names);
                ("group-regroup-request", bodies::regroup(&group.unwrap_or_default(), &constituents, tid))
            }
            Some("teardown") => {
                ("group-regroup-teardown-request", bodies::teardown(&group.unwrap_or_default(), tid))
            }
            other => panic!("unknown operation {other:?}"),
        };
        let kind = words.value("kind").unwrap_or(kind);
        let kind = format!("<anyExt>{}</anyExt>", bodies::string("req-type", kind));
        let info = bodies::info(&format!("{about}{kind}"));
        let message = self.of_user(from, "MESSAGE", &self.function("gms"), words);
        match words.value("without") {
            Some("gmop") => message.with_body(bodies::INFO, &info),
            Some("info") => message.with_body(bodies::GMOP, &document),
            _ => message.with_parts(&[(bodies::INFO, &info), (bodies::GMOP, &document)]),
        }
    }

    /// From a client: `INVITE group`, or `INVITE session` with the session identity it was given. From a participating
    /// function: `INVITE group by=user`. From a controlling function: `INVITE user group=elsewhere by=user`.
    fn invite(&mut self, from: &str, words: &Words<'_>) -> Message {
        let what = words.first().unwrap_or_default();
        let function = self.party(from).psi;
        let uri = match function {
            _ if what == "session" => self.session(words.value("of").unwrap_or(from)),
            Some("sip:pf@one.example") => self.function("groups"),
            _ => self.function("mcptt"),
        };
        let mut params =
            format!("<session-type>{}</session-type>", words.value("session").unwrap_or("prearranged"));
        if words.value("encrypted").is_some() {
            params.push_str(
                "<mcptt-request-uri type=\"Encrypted\"><xenc:EncryptedData \
                 xmlns:xenc=\"http://www.w3.org/2001/04/xmlenc#\"/></mcptt-request-uri>",
            );
        } else if what != "session" {
            params.push_str(&bodies::uri("mcptt-request-uri", &self.full(what)));
        } else if let Some(group) = words.value("group") {
            params.push_str(&bodies::uri("mcptt-request-uri", &self.full(group)));
        }
        if function.is_some() {
            let caller = self.full(words.value("by").unwrap_or("alice"));
            params.push_str(&bodies::uri("mcptt-calling-user-id", &caller));
            if let Some(group) = words.value("group") {
                params.push_str(&bodies::uri("mcptt-calling-group-id", &self.full(group)));
            }
        }
        params.push_str(&indications(words));
        if words.value("broadcast").is_some() {
            params.push_str("<broadcast-ind>true</broadcast-ind>");
        }
        match words.value("client") {
            Some("none") => {}
            None if function.is_some() => {}
            client => {
                let client = format!("urn:uuid:{}", client_of(client.or(words.value("by")).unwrap_or(from)));
                params.push_str(&bodies::string("mcptt-client-id", &client));
            }
        }
        let mut message = self.of_user(from, "INVITE", &uri, words);
        message = match function {
            Some(psi) => {
                let focus = if psi.contains("cf@") { ";isfocus" } else { "" };
                let address = self.party(from).address;
                let gruu = psi.replace("one.example", &address.to_string());
                message.add("Contact", format!("<{gruu};gr=leg-1>;+g.3gpp.mcptt{focus}"))
            }
            None => self.with_contact(from, message),
        };
        for value in bodies::ACCEPT_CONTACT {
            message = message.add("Accept-Contact", value);
        }
        if words.value("timer") != Some("none") {
            message = message.add("Supported", "timer").add("Session-Expires", "1800");
        }
        if let Some(priority) = words.value("priority") {
            message = message.add("Resource-Priority", priority);
        }
        let info = bodies::info(&params);
        match words.value("offer") {
            Some("none") => message.with_body(bodies::INFO, &info),
            codec => message.with_parts(&[
                (bodies::SDP, &bodies::offer(codec.unwrap_or("AMR-WB"))),
                (bodies::INFO, &info),
            ]),
        }
    }

    /// A re-INVITE with indications; `offer=none` asks for an offer.
    fn re_invite(&mut self, from: &str, words: &Words<'_>) -> Message {
        let message = self.within(from, "INVITE", words);
        let mut message = self.with_contact(from, message);
        if let Some(priority) = words.value("priority") {
            message = message.add("Resource-Priority", priority);
        }
        let params = indications(words);
        let info = bodies::info(&params);
        let offer = bodies::offer(words.value("offer").unwrap_or("AMR-WB"));
        match (words.value("offer"), params.is_empty()) {
            (Some("none"), true) => message,
            (Some("none"), false) => message.with_body(bodies::INFO, &info),
            (_, true) => message.with_body(bodies::SDP, &offer),
            (_, false) => message.with_parts(&[(bodies::SDP, &offer), (bodies::INFO, &info)]),
        }
    }

    /// The ACK for the last answer to an INVITE (RFC 3261 13.2.2.4, 17.1.1.3).
    fn ack(&mut self, from: &str, _words: &Words<'_>) -> Message {
        let n = self.number();
        let party = self.party(from);
        let answer = party.answers.get("INVITE").expect("nothing to acknowledge").clone();
        let invite = party.sent.get("INVITE").expect("no INVITE").clone();
        let (uri, via) = if answer.status() < Some(300) {
            let via = format!("SIP/2.0/UDP {};branch=z9hG4bKf{n}", party.address);
            (uri_in(answer.value("Contact")).to_owned(), via)
        } else {
            (invite.uri().to_owned(), invite.value("Via").to_owned())
        };
        let ack = Message::new(format!("ACK {uri} SIP/2.0"))
            .add("Via", via)
            .add("Max-Forwards", "70")
            .add("From", answer.value("From"))
            .add("To", answer.value("To"))
            .add("Call-ID", answer.value("Call-ID"))
            .add("CSeq", format!("{} ACK", answer.cseq()));
        // Without an offer of ours the answer held one, which the ACK answers (RFC 3261 13.2.2.4).
        let offered = answer.status() < Some(300) && invite.part(bodies::SDP).is_none();
        if offered { ack.with_body(bodies::SDP, &bodies::offer("AMR-WB")) } else { ack }
    }

    /// A request in the newest call, or in that of the group that `of=` names; `late`: in the one that ended last. BYE
    /// ends the dialog.
    fn within(&mut self, from: &str, method: &str, words: &Words<'_>) -> Message {
        let of = words.value("of").map(|group| self.full(group));
        let party = self.party(from);
        let list = if words.has("late") { &mut party.ended } else { &mut party.dialogs };
        let place = match of {
            Some(group) => list.iter().rposition(|dialog| dialog.about == group),
            None => list.len().checked_sub(1),
        };
        let place = place.unwrap_or_else(|| panic!("{from} has no dialog"));
        list[place].cseq += 1;
        let dialog = list[place].clone();
        if method == "BYE" && !words.has("late") {
            party.ended.push(party.dialogs.remove(place));
        }
        self.inside(from, method, &dialog)
    }

    fn inside(&mut self, from: &str, method: &str, dialog: &super::party::Dialog) -> Message {
        let n = self.number();
        let address = self.party(from).address;
        Message::new(format!("{method} {} SIP/2.0", dialog.target))
            .add("Via", format!("SIP/2.0/UDP {address};branch=z9hG4bKf{n}"))
            .add("Max-Forwards", "70")
            .add("From", dialog.local.clone())
            .add("To", dialog.remote.clone())
            .add("Call-ID", dialog.call_id.clone())
            .add("CSeq", format!("{} {method}", dialog.cseq))
    }

    /// RFC 3262 4: for the last reliable provisional answer to our INVITE.
    fn prack(&mut self, from: &str, _words: &Words<'_>) -> Message {
        let n = self.number();
        let party = self.party(from);
        let answer = party.answers.get("INVITE").expect("nothing to acknowledge").clone();
        Message::new(format!("PRACK {} SIP/2.0", uri_in(answer.value("Contact"))))
            .add("Via", format!("SIP/2.0/UDP {};branch=z9hG4bKf{n}", party.address))
            .add("Max-Forwards", "70")
            .add("From", answer.value("From"))
            .add("To", answer.value("To"))
            .add("Call-ID", answer.value("Call-ID"))
            .add("CSeq", format!("{} PRACK", answer.cseq() + 1))
            .add("RAck", format!("{} {} INVITE", answer.value("RSeq"), answer.cseq()))
    }

    fn cancel(&mut self, from: &str) -> Message {
        let invite = self.party(from).sent.get("INVITE").expect("no INVITE").clone();
        let mut message = Message::new(format!("CANCEL {} SIP/2.0", invite.uri()));
        for name in ["Via", "Max-Forwards", "From", "To", "Call-ID"] {
            message = message.add(name, invite.value(name));
        }
        message.add("CSeq", format!("{} CANCEL", invite.cseq()))
    }

    /// `200 INVITE`: answers the oldest request of that method that waits. `warning=110` adds a Warning.
    fn answer(&mut self, from: &str, code: &str, words: &Words<'_>) -> Message {
        let status: u16 = code.parse().expect("status");
        let method = words.first().expect("method");
        let asker = self.servers[self.spoken_to].judge.own().sent_by.clone();
        let party = self.party(from);
        let asked = party.take_asked(method, &asker, status >= 200);
        let request = asked.unwrap_or_else(|| panic!("{from} was not asked {method}"));
        let mut message = Message::new(format!("SIP/2.0 {status} Whatever"));
        for (name, value) in &request.headers {
            let value = match name.as_str() {
                "To" if parameter(value, "tag").is_none() && status > 100 => {
                    format!("{value};tag=u-{}", client_of(from))
                }
                "Via" | "From" | "To" | "Call-ID" | "CSeq" | "Record-Route" => value.clone(),
                _ => continue,
            };
            message = message.add(name, value);
        }
        if let Some(warning) = words.value("warning") {
            message = message.add("Warning", format!("399 192.0.2.1 \"{warning} said the client\""));
        }
        if words.has("unconfirmed") {
            message = message.add("P-Answer-State", "Unconfirmed");
        }
        if let Some(number) = words.value("rseq") {
            message = message.add("Require", "100rel").add("RSeq", number);
        }
        if method != "INVITE" || status <= 100 || status >= 300 {
            return message;
        }
        message = message.add("Contact", party.contact());
        if status < 200 {
            return message;
        }
        // RFC 4028 9: the server asks for a timer and leaves the refresher to us: itself.
        if let Some(interval) = request.header("Session-Expires") {
            let interval = interval.split(';').next().unwrap_or_default();
            message =
                message.add("Require", "timer").add("Session-Expires", format!("{interval};refresher=uac"));
        }
        message = message.with_body(bodies::SDP, &bodies::offer("AMR-WB"));
        party.accepted(&request, &message);
        message
    }

    /// Who is at an address.
    pub fn party(&mut self, name: &str) -> &mut Party {
        let place = match self.parties.iter().position(|party| party.name == name) {
            Some(place) => place,
            None => {
                self.parties.push(Party::new(name, self.parties.len()));
                self.parties.len() - 1
            }
        };
        &mut self.parties[place]
    }
}

/// `zoe.desk` of `zoe.desk@two`.
fn client_of(name: &str) -> &str {
    name.split('@').next().unwrap_or_default()
}

/// Emergency, alert and imminent peril of a request.
fn indications(words: &Words<'_>) -> String {
    [("emergency", "emergency-ind"), ("alert", "alert-ind"), ("peril", "imminentperil-ind")]
        .into_iter()
        .filter_map(|(key, element)| words.value(key).map(|value| bodies::boolean(element, value)))
        .collect()
}
