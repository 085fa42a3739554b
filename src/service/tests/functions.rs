//! Requests and subscriptions of our functions at functions elsewhere: a partner at 192.0.2.30.

use super::*;
use crate::model::{
    Asked, FunctionKind, FunctionRequest, RequestRef, Service as McService, Watch, WatchRef, Watching,
};

const PARTNER: u8 = 30;
const CONTROLLING: &str = "sip:controlling@two.example";
/// Seconds until a refresh follows a restart.
const REFRESHED_WITHIN: u32 = 61;

fn world() -> World {
    let mut setup = setup();
    let partner = (Transport::Udp, flow(PARTNER).peer);
    setup.agent.transactions.hops.hosts.insert("two.example".to_owned(), vec![partner]);
    World::new(setup, vec![user("alice")], vec![])
}

impl World {
    fn request(&mut self, number: u64, group: &str, until: Option<Duration>) {
        let request = FunctionRequest {
            id: RequestRef(number),
            from: FunctionKind::Participating,
            to: Psi::new(CONTROLLING),
            what: Asked::Affiliation {
                group: group.into(),
                user: user_id("alice"),
                service: McService::Mcptt,
                clients: vec!["a".into()],
                p_id: format!("p{number}"),
            },
            begun: self.now.plus(Duration::from_millis(number)),
            until: until.map(|span| self.now.plus(span)),
        };
        self.service.put(Fact::Request(request));
        self.service.begin_request(self.now, RequestRef(number));
        self.after();
    }

    fn watch(&mut self) {
        let watch = Watch {
            id: WatchRef(1),
            from: FunctionKind::Participating,
            at: Psi::new(CONTROLLING),
            what: Watching::GroupAffiliation {
                group: "sip:rail@two.example".into(),
                user: user_id("alice"),
                service: McService::Mcptt,
            },
            dialog: None,
        };
        self.service.put(Fact::Watch(watch));
        self.service.begin_watch(self.now, WatchRef(1));
        self.after();
    }

    /// What a procedure did outside of any input is followed up.
    fn after(&mut self) {
        self.service.run(self.now);
        self.settle();
    }

    /// Requests of a method that went to the partner since the last look, each transaction once, by their p-id or Event.
    fn published(&mut self) -> Vec<(String, Sent)> {
        let mut published: Vec<(String, Sent)> = Vec::new();
        for sent in std::mem::take(&mut self.sent) {
            let body = String::from_utf8_lossy(&sent.transmit.octets).into_owned();
            let Some((_, rest)) = body.split_once("p-id>") else { continue };
            let p_id = rest.split('<').next().unwrap_or_default().to_owned();
            let number = |of: &Sent| (of.get(wire::Name::CallId), of.get(wire::Name::CSeq));
            let again = |(_, known): &(String, Sent)| number(known) == number(&sent);
            if sent.line() == "PUBLISH" && !published.iter().any(again) {
                published.push((p_id, sent));
            }
        }
        published
    }

    fn only_published(&mut self, p_id: &str) -> Sent {
        let mut published = self.published();
        let names: Vec<_> = published.iter().map(|(name, _)| name.clone()).collect();
        assert_eq!(names, [p_id]);
        published.remove(0).1
    }

    fn answer_with(&mut self, request: &Sent, status: u16, extra: &[&str]) {
        self.receive(flow(PARTNER), &request.answer(status, "theirs", extra, None));
    }

    fn subscribed(&mut self) -> Sent {
        let sent = std::mem::take(&mut self.sent);
        sent.into_iter().find(|sent| sent.line() == "SUBSCRIBE").expect("a SUBSCRIBE")
    }

    /// A NOTIFY of the partner in the dialog that this SUBSCRIBE began. Returns the answer.
    fn notify(&mut self, subscribe: &Sent, cseq: u32, our_tag: &str, state: &str) -> String {
        let call_id = subscribe.get(wire::Name::CallId);
        let text = format!(
            "NOTIFY sip:192.0.2.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.30:5060;branch=z9hG4bKn{cseq}{our_tag}\r\n\
             Max-Forwards: 70\r\nFrom: <{CONTROLLING}>;tag=theirs\r\nTo: <sip:x@one.example>;tag={our_tag}\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} NOTIFY\r\nContact: <sip:192.0.2.30>\r\nEvent: presence\r\n\
             Subscription-State: {state}\r\nContent-Length: 0\r\n\r\n"
        );
        self.sent.clear();
        self.receive(flow(PARTNER), &text);
        self.sent.iter().map(Sent::line).find(|line| line.ends_with("NOTIFY")).unwrap_or_default()
    }

    fn dialog_known(&self) -> bool {
        self.facts.values().any(|fact| matches!(fact, Fact::Watch(Watch { dialog: Some(_), .. })))
    }
}

const LONG: Option<Duration> = Some(Duration::from_secs(3600));

#[test]
fn a_request_is_forgotten_when_it_is_taken() {
    let mut world = world();
    world.request(1, "sip:rail@two.example", LONG);
    let publish = world.only_published("p1");
    assert_eq!(publish.to().1, flow(PARTNER).peer);
    assert_eq!(publish.get(wire::Name::PAssertedIdentity), format!("<{PARTICIPATING}>"));
    world.answer_with(&publish, 200, &["Expires: 4294967295"]);
    assert!(world.facts.is_empty());
    assert!(world.service.requests.is_empty());
}

#[test]
fn a_request_that_meets_an_overloaded_function_is_sent_again_and_at_last_given_up() {
    let mut world = world();
    world.request(1, "sip:rail@two.example", Some(Duration::from_secs(60)));
    let first = world.only_published("p1");
    world.answer_with(&first, 503, &["Retry-After: 20"]);
    world.wait(Duration::from_secs(19));
    assert!(world.published().is_empty());
    world.wait(Duration::from_secs(2));
    let second = world.only_published("p1");
    // The owner tells from Call-ID and CSeq which of them came later.
    assert_eq!(first.get(wire::Name::CallId), second.get(wire::Name::CallId));
    assert_ne!(first.get(wire::Name::CSeq), second.get(wire::Name::CSeq));
    // Nobody answers: one more attempt begins in time, a further one would come after it.
    world.wait(Duration::from_secs(80));
    let mut attempts = world.published();
    attempts.retain(|(_, publish)| publish.get(wire::Name::CSeq) != second.get(wire::Name::CSeq));
    assert_eq!(attempts.len(), 1, "the third");
    assert!(world.facts.is_empty());
    assert!(world.service.requests.is_empty());
    assert_eq!(world.service.alarms.len(), 0);
}

#[test]
fn without_a_time_the_first_transaction_decides() {
    for status in [503, 403] {
        let mut world = world();
        world.request(1, "sip:rail@two.example", None);
        let publish = world.only_published("p1");
        world.answer_with(&publish, status, &[]);
        assert!(world.facts.is_empty());
        world.wait(Duration::from_secs(100));
        assert!(world.published().is_empty());
    }
}

#[test]
fn requests_about_one_subject_go_one_after_the_other_and_hold_up_no_others() {
    let mut world = world();
    world.request(1, "sip:rail@two.example", LONG);
    world.request(2, "sip:rail@two.example", LONG);
    world.request(3, "sip:port@two.example", LONG);
    let published = world.published();
    assert_eq!(published.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["p1", "p3"]);
    world.answer_with(&published[0].1, 403, &[]);
    world.only_published("p2");
}

#[test]
fn a_request_that_was_withdrawn_while_it_paused_makes_way() {
    let mut world = world();
    world.request(1, "sip:rail@two.example", LONG);
    let first = world.only_published("p1");
    world.answer_with(&first, 503, &[]);
    world.request(2, "sip:rail@two.example", LONG);
    assert!(world.published().is_empty());
    world.service.change(Change::Remove(FactKey::Request(RequestRef(1))));
    world.after();
    let second = world.only_published("p2");
    world.answer_with(&second, 200, &[]);
    assert!(world.service.requests.is_empty());
}

#[test]
fn a_request_that_was_withdrawn_under_way_holds_its_successor_until_its_transaction_is_over() {
    let mut world = world();
    world.request(1, "sip:rail@two.example", LONG);
    let first = world.only_published("p1");
    world.service.change(Change::Remove(FactKey::Request(RequestRef(1))));
    world.request(2, "sip:rail@two.example", LONG);
    assert!(world.published().is_empty());
    world.answer_with(&first, 200, &[]);
    world.only_published("p2");
}

#[test]
fn a_request_without_a_way_is_tried_again() {
    let mut world = world();
    world.service = World::new(setup(), vec![user("alice")], vec![]).service;
    world.request(1, "sip:rail@two.example", Some(Duration::from_secs(5)));
    assert_eq!(world.facts.len(), 1);
    world.wait(Duration::from_secs(10));
    assert!(world.facts.is_empty());
}

#[test]
fn after_a_restart_requests_go_out_again_in_their_order() {
    let mut world = world();
    for number in 1..=3 {
        world.request(number, "sip:rail@two.example", LONG);
    }
    world.sent.clear();
    world.restart();
    for name in ["p1", "p2", "p3"] {
        let publish = world.only_published(name);
        world.answer_with(&publish, 200, &[]);
    }
    assert!(world.facts.is_empty());
}

#[test]
fn a_subscription_elsewhere_survives_a_restart() {
    let mut world = world();
    world.watch();
    let subscribe = world.subscribed();
    assert_eq!(subscribe.get(wire::Name::Expires), "4294967295");
    world.answer_with(&subscribe, 200, &["Expires: 4294967295", "Contact: <sip:192.0.2.30>"]);
    let tag = subscribe.tag(wire::Name::From);
    assert_eq!(world.notify(&subscribe, 1, &tag, "active;expires=4294967295"), "200 NOTIFY");
    assert!(world.dialog_known());
    world.restart();
    assert!(world.sent.is_empty());
    assert_eq!(world.notify(&subscribe, 2, &tag, "active;expires=4294967290"), "200 NOTIFY");
    assert_eq!(world.notify(&subscribe, 3, "somebody-elses", "active;expires=4294967290"), "481 NOTIFY");
}

#[test]
fn a_subscription_elsewhere_is_refreshed_after_each_of_several_restarts_with_a_higher_cseq() {
    let mut world = world();
    world.watch();
    let subscribe = world.subscribed();
    world.answer_with(&subscribe, 200, &["Expires: 4294967295", "Contact: <sip:192.0.2.30>"]);
    let tag = subscribe.tag(wire::Name::From);
    world.notify(&subscribe, 1, &tag, "active;expires=4294967295");
    let mut last = 0;
    for _ in 0..3 {
        world.restart();
        for _ in 0..REFRESHED_WITHIN {
            if world.sent.is_empty() {
                world.wait(Duration::from_secs(1));
            }
        }
        // Nobody answers, and nothing else comes before the server dies again.
        let refresh = world.subscribed();
        assert_eq!(refresh.get(wire::Name::CallId), subscribe.get(wire::Name::CallId));
        let cseq = refresh.get(wire::Name::CSeq).split(' ').next().and_then(|number| number.parse().ok());
        let cseq: u32 = cseq.expect("CSeq");
        assert!(cseq > last, "{cseq} after {last}");
        last = cseq;
    }
}

#[test]
fn a_subscription_that_is_lost_is_made_again() {
    let mut world = world();
    world.watch();
    let subscribe = world.subscribed();
    let tag = subscribe.tag(wire::Name::From);
    assert_eq!(world.notify(&subscribe, 1, &tag, "active;expires=600"), "200 NOTIFY");
    assert_eq!(world.notify(&subscribe, 2, &tag, "terminated;reason=deactivated"), "200 NOTIFY");
    assert!(!world.dialog_known());
    world.wait(Duration::from_secs(3));
    let again = world.subscribed();
    assert_ne!(again.get(wire::Name::CallId), subscribe.get(wire::Name::CallId));
    // Refused, silent: again, with pauses that grow.
    world.answer_with(&again, 403, &[]);
    world.wait(Duration::from_secs(5));
    world.subscribed();
    world.wait(Duration::from_secs(32 + 9));
    world.subscribed();
}

#[test]
fn a_subscription_is_given_up_with_its_fact() {
    let mut world = world();
    world.watch();
    let subscribe = world.subscribed();
    let tag = subscribe.tag(wire::Name::From);
    world.notify(&subscribe, 1, &tag, "active;expires=600");
    world.service.change(Change::Remove(FactKey::Watch(WatchRef(1))));
    world.service.end_watch(world.now, WatchRef(1));
    world.after();
    let last = world.subscribed();
    assert_eq!(last.get(wire::Name::Expires), "0");
    assert_eq!(world.notify(&subscribe, 2, &tag, "terminated;reason=timeout"), "200 NOTIFY");
    assert_eq!(world.service.alarms.len(), 0);
}
