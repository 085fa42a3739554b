use super::*;
use crate::sip::message::{Draft, Method};
use crate::sip::transaction::{ClientId, NoHop};

const PARTNER: &str = "Contact: <sip:partner@192.0.2.5:5066>";
const EVENT: &str = "Event: presence;id=3";

/// A subscriber over an agent.
#[derive(Default)]
struct Node {
    stand: Stand,
    subscriber: Subscriber,
    /// What the subscriber told.
    told: Vec<SubscriberEvent>,
}

impl Node {
    fn receive(&mut self, text: &str) {
        self.stand.receive(text);
        self.hear();
    }

    fn pass(&mut self, millis: u64) {
        let end = self.stand.now.plus(std::time::Duration::from_millis(millis));
        loop {
            let due = [self.subscriber.due(), self.stand.agent.due()].into_iter().flatten().min();
            let Some(due) = due.filter(|due| *due <= end) else { break };
            self.stand.now = self.stand.now.max(due);
            self.stand.pass(0);
            self.hear();
            let Stand { now, ids, agent, out, .. } = &mut self.stand;
            self.subscriber.fire(*now, ids, agent, out, &mut self.told);
        }
        self.stand.now = end;
    }

    fn hear(&mut self) {
        let Stand { now, ids, agent, out, events, .. } = &mut self.stand;
        for event in std::mem::take(events) {
            match event {
                AgentEvent::Request { id, request, .. } => {
                    self.subscriber.notified(*now, ids, agent, request, id, None, out, &mut self.told);
                }
                AgentEvent::Answered { id, status, response } => {
                    let response = response.as_ref();
                    let told = &mut self.told;
                    self.subscriber.answered(*now, ids, agent, id, status, response, out, told);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn subscribe(&mut self, draft: Draft, expires: u32) -> Result<SubscriberId, NoHop> {
        let Stand { now, ids, agent, out, .. } = &mut self.stand;
        self.subscriber.subscribe(*now, ids, agent, draft, expires, None, out)
    }

    fn give_up(&mut self, id: SubscriberId) {
        let Stand { now, ids, agent, out, .. } = &mut self.stand;
        self.subscriber.give_up(*now, ids, agent, id, out);
        self.subscriber.fire(*now, ids, agent, out, &mut self.told);
    }

    /// What the subscriber told since the last call, in short.
    fn told(&mut self) -> Vec<String> {
        let short = |event: SubscriberEvent| match event {
            SubscriberEvent::Notified { state, request, .. } => {
                format!("{} {}", state.state, String::from_utf8_lossy(&request.body()))
            }
            SubscriberEvent::Ended { end, .. } => format!("{end:?}"),
        };
        std::mem::take(&mut self.told).into_iter().map(short).collect()
    }
}

fn draft() -> Draft {
    Draft::new(Method::Subscribe, "sip:partner@192.0.2.5:5066")
        .header(Name::MaxForwards, "70")
        .header(Name::From, "<sip:one@one.example>;tag=ours")
        .header(Name::To, "<sip:two@two.example>")
        .header(Name::CallId, "our-subscription")
        .header(Name::CSeq, "1 SUBSCRIBE")
        .header(Name::Contact, CONTACT)
        .header(Name::Event, "presence;id=3")
        .header(Name::Accept, "application/pidf+xml")
        .body("text/plain", "filter")
}

/// A SUBSCRIBE is out.
fn subscribing(expires: u32) -> (Node, Peer, Sent, SubscriberId) {
    let mut node = Node::default();
    let id = node.subscribe(draft(), expires).expect("there is a way");
    let sent = node.stand.only();
    let peer = Peer::of(&sent, "partner");
    (node, peer, sent, id)
}

/// The same, accepted and notified.
fn subscribed(expires: u32) -> (Node, Peer, SubscriberId) {
    let (mut node, mut peer, sent, id) = subscribing(expires);
    node.receive(&sent.answer(200, "partner", &[PARTNER, &format!("Expires: {expires}")], None));
    node.receive(&notify(&mut peer, "active", "one"));
    assert_eq!(node.told(), ["active one"]);
    assert_eq!(node.stand.lines(), ["200 NOTIFY"]);
    (node, peer, id)
}

fn notify(peer: &mut Peer, state: &str, body: &str) -> String {
    peer.request(
        "NOTIFY",
        &[EVENT, PARTNER, &format!("Subscription-State: {state}")],
        Some(("text/plain", body)),
    )
}

#[test]
fn a_subscription_asks_for_its_time_and_hears_of_the_state() {
    let (mut node, mut peer, sent, _) = subscribing(600);
    assert_eq!((sent.line(), sent.get(Name::Expires)), ("SUBSCRIBE".to_owned(), "600".to_owned()));
    node.receive(&sent.answer(200, "partner", &[PARTNER, "Expires: 300"], None));
    assert_eq!(node.told(), [""; 0]);
    node.receive(&notify(&mut peer, "pending", ""));
    node.receive(&notify(&mut peer, "active;expires=300", "state"));
    assert_eq!(node.told(), ["pending ", "active state"]);
    assert_eq!(node.stand.lines(), ["200 NOTIFY", "200 NOTIFY"]);
}

#[test]
fn a_notify_that_overtakes_the_200_makes_the_dialog() {
    let (mut node, mut peer, sent, id) = subscribing(600);
    node.receive(&notify(&mut peer, "active;expires=600", "early"));
    assert_eq!(
        (node.told(), node.stand.lines()),
        (vec!["active early".to_owned()], vec!["200 NOTIFY".to_owned()])
    );
    node.receive(&sent.answer(200, "partner", &[PARTNER, "Expires: 600"], None));
    let (fact, _) = node.subscriber.stored(id).expect("it is a dialog");
    assert_eq!((fact.remote_tag.as_str(), fact.local_cseq, fact.remote_cseq), ("partner", 1, Some(101)));
    node.pass(541_000);
    let refresh = node.stand.sent().remove(0);
    assert_eq!((refresh.line(), refresh.get(Name::CSeq)), ("SUBSCRIBE".to_owned(), "2 SUBSCRIBE".to_owned()));
}

#[test]
fn a_second_fork_is_told_that_we_do_not_know_it() {
    let (mut node, mut peer, _) = subscribed(600);
    let mut other = Peer { tag: "fork".to_owned(), branch: 50, ..peer.clone() };
    node.receive(&notify(&mut other, "active", "other"));
    assert_eq!((node.told(), node.stand.lines()), (vec![], vec!["481 NOTIFY".to_owned()]));
    node.receive(&notify(&mut peer, "active", "two"));
    assert_eq!(node.told(), ["active two"]);
}

#[test]
fn it_is_refreshed_before_it_ends_with_what_it_said_first() {
    let (mut node, mut peer, _) = subscribed(600);
    for _ in 0..3 {
        node.pass(539_999);
        assert_eq!(node.stand.lines(), [""; 0]);
        node.pass(1);
        let refresh = node.stand.only();
        assert_eq!((refresh.line(), refresh.get(Name::Expires)), ("SUBSCRIBE".to_owned(), "600".to_owned()));
        assert_eq!(
            (refresh.tag(Name::From), refresh.tag(Name::To)),
            ("ours".to_owned(), "partner".to_owned())
        );
        assert_eq!(
            (refresh.get(Name::Event), refresh.get(Name::Accept)),
            ("presence;id=3".into(), "application/pidf+xml".into())
        );
        assert_eq!(refresh.all(Name::Contact), [CONTACT]);
        assert_eq!(&refresh.message.body()[..], b"filter");
        node.receive(&refresh.answer(200, "", &[PARTNER, "Expires: 600"], None));
        node.receive(&notify(&mut peer, "active;expires=600", "again"));
        assert_eq!(
            (node.told(), node.stand.lines()),
            (vec!["active again".to_owned()], vec!["200 NOTIFY".to_owned()])
        );
    }
}

#[test]
fn a_notify_can_shorten_it() {
    let (mut node, mut peer, _) = subscribed(600);
    node.receive(&notify(&mut peer, "active;expires=100", "short"));
    node.stand.lines();
    node.pass(50_000);
    assert_eq!(node.stand.lines(), ["SUBSCRIBE"]);
}

#[test]
fn a_refresh_that_is_refused_for_good_ends_it_and_another_leaves_it_to_its_time() {
    for status in [481, 404, 489, 408] {
        let (mut node, _, _) = subscribed(600);
        node.pass(540_000);
        let refresh = node.stand.only();
        node.receive(&refresh.answer(status, "", &["Retry-After: 9"], None));
        let end = End::Refused { status, retry_after: Some(9), min_expires: None, warnings: Vec::new() };
        assert_eq!(node.told(), [format!("{end:?}")]);
    }
    let (mut node, mut peer, _) = subscribed(600);
    node.pass(540_000);
    let refresh = node.stand.only();
    node.receive(&refresh.answer(500, "", &[], None));
    node.receive(&notify(&mut peer, "active", "still here"));
    assert_eq!(node.told(), ["active still here"]);
    node.pass(60_000);
    assert_eq!(node.told(), ["Silent"]);
    node.receive(&notify(&mut peer, "active", "too late"));
    assert_eq!(node.stand.lines().last(), Some(&"481 NOTIFY".to_owned()));
}

#[test]
fn a_refusal_of_the_first_subscribe_is_told_with_what_it_says() {
    let (mut node, mut peer, sent, _) = subscribing(10);
    node.receive(&sent.answer(423, "x", &["Min-Expires: 3600"], None));
    let end = End::Refused { status: 423, retry_after: None, min_expires: Some(3600), warnings: Vec::new() };
    assert_eq!(node.told(), [format!("{end:?}")]);
    node.receive(&notify(&mut peer, "active", ""));
    assert_eq!((node.told(), node.stand.lines()), (vec![], vec!["481 NOTIFY".to_owned()]));
}

#[test]
fn nobody_answers_or_nobody_notifies() {
    let (mut node, _, _, _) = subscribing(600);
    node.pass(32_000);
    // Timer F and timer N are due at the same moment; either says that it is over, once.
    assert_eq!(node.told().len(), 1);
    let (mut node, _, sent, id) = subscribing(600);
    node.receive(&sent.answer(200, "partner", &[PARTNER, "Expires: 600"], None));
    node.pass(31_999);
    assert_eq!(node.told(), [""; 0]);
    node.pass(1);
    assert_eq!((node.told(), node.subscriber.stored(id)), (vec!["Silent".to_owned()], None));
    node.pass(1_000_000);
    assert_eq!((node.told(), node.stand.lines()), (vec![], vec![]));
}

#[test]
fn the_notifier_ends_it_with_a_reason() {
    let (mut node, mut peer, id) = subscribed(600);
    node.receive(&notify(&mut peer, "terminated;reason=probation;retry-after=60", "last"));
    let end = End::Terminated { reason: Some("probation".to_owned()), retry_after: Some(60) };
    assert_eq!(node.told(), ["terminated last".to_owned(), format!("{end:?}")]);
    assert_eq!((node.stand.lines(), node.subscriber.stored(id)), (vec!["200 NOTIFY".to_owned()], None));
    node.pass(1_000_000);
    assert_eq!((node.told(), node.stand.lines()), (vec![], vec![]));
}

#[test]
fn the_first_notify_may_be_the_last() {
    let (mut node, mut peer, _, _) = subscribing(0);
    node.receive(&notify(&mut peer, "terminated;reason=timeout", "fetched"));
    assert_eq!(node.told()[0], "terminated fetched");
    assert_eq!(node.told(), [""; 0]);
}

#[test]
fn given_up_it_unsubscribes_and_ends_with_the_last_notify() {
    let (mut node, mut peer, id) = subscribed(600);
    node.give_up(id);
    let last = node.stand.only();
    assert_eq!((last.line(), last.get(Name::Expires)), ("SUBSCRIBE".to_owned(), "0".to_owned()));
    node.receive(&last.answer(200, "", &[PARTNER, "Expires: 0"], None));
    node.receive(&notify(&mut peer, "active", "crossing"));
    assert_eq!(node.told(), [""; 0]);
    node.receive(&notify(&mut peer, "terminated;reason=timeout", "last"));
    assert_eq!(
        (node.told(), node.stand.lines()),
        (vec!["GivenUp".to_owned()], vec!["200 NOTIFY".to_owned(), "200 NOTIFY".into()])
    );
}

#[test]
fn given_up_it_ends_also_without_a_last_notify_or_when_nobody_knows_it() {
    let (mut node, _, id) = subscribed(600);
    node.give_up(id);
    let last = node.stand.only();
    node.receive(&last.answer(200, "", &[PARTNER], None));
    node.pass(32_000);
    assert_eq!(node.told(), ["GivenUp"]);
    let (mut node, _, id) = subscribed(600);
    node.give_up(id);
    let last = node.stand.only();
    node.receive(&last.answer(481, "", &[], None));
    assert_eq!(node.told(), ["GivenUp"]);
}

#[test]
fn given_up_before_the_answer_it_unsubscribes_as_soon_as_it_knows_where() {
    let (mut node, mut peer, sent, id) = subscribing(600);
    node.give_up(id);
    assert_eq!(node.stand.lines(), [""; 0]);
    node.receive(&sent.answer(200, "partner", &[PARTNER], None));
    let last = node.stand.only();
    assert_eq!((last.get(Name::Expires), last.tag(Name::To)), ("0".to_owned(), "partner".to_owned()));
    node.receive(&notify(&mut peer, "terminated;reason=timeout", ""));
    assert_eq!(node.told(), ["GivenUp"]);
    let (mut node, _, _, id) = subscribing(600);
    node.give_up(id);
    node.pass(32_000);
    assert_eq!(node.told(), ["GivenUp"]);
}

#[test]
fn a_notify_must_be_of_the_subscription_and_complete() {
    let (mut node, mut peer, _) = subscribed(600);
    let state = "Subscription-State: active";
    node.receive(&peer.request("NOTIFY", &["Event: presence", state], None));
    node.receive(&peer.request("NOTIFY", &[EVENT], None));
    node.receive(&peer.request("NOTIFY", &[EVENT, "Subscription-State: ;;"], None));
    node.receive(&peer.request_at("NOTIFY", 1, &[EVENT, state], None));
    let mut stranger = Peer { our_tag: "unknown".to_owned(), branch: 70, ..peer.clone() };
    node.receive(&stranger.request("NOTIFY", &[EVENT, state], None));
    assert_eq!(node.stand.lines(), ["481 NOTIFY", "400 NOTIFY", "400 NOTIFY", "500 NOTIFY", "481 NOTIFY"]);
    assert_eq!(node.told(), [""; 0]);
}

#[test]
fn a_draft_that_is_not_complete_is_not_sent() {
    for missing in [Name::Event, Name::From] {
        let mut node = Node::default();
        let mut draft = draft();
        draft.headers.retain(|(name, _)| *name != missing);
        assert!(node.subscribe(draft, 600).is_err());
        assert_eq!(node.stand.lines(), [""; 0]);
    }
}

#[test]
fn after_a_restart_it_goes_on() {
    let (mut node, mut peer, id) = subscribed(600);
    let (fact, expires) = node.subscriber.stored(id).expect("it is stored");
    node.stand.restart();
    node.subscriber = Subscriber::default();
    node.subscriber.restore(draft(), 600, &fact, expires).expect("it can be read");
    node.receive(&notify(&mut peer, "active", "two"));
    assert_eq!(
        (node.told(), node.stand.lines()),
        (vec!["active two".to_owned()], vec!["200 NOTIFY".to_owned()])
    );
    node.pass(540_000);
    assert_eq!(node.stand.only().get(Name::CSeq), "102 SUBSCRIBE");
}

#[test]
fn an_answer_to_something_else_is_not_taken() {
    let (mut node, _, _) = subscribed(600);
    let Stand { now, ids, agent, out, .. } = &mut node.stand;
    assert!(!node.subscriber.answered(*now, ids, agent, ClientId(99), 200, None, out, &mut node.told));
}
