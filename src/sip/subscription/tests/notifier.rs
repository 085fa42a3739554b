use super::*;
use crate::env::Time;
use crate::model::SubscriptionRef;
use crate::sip::message::OutBody;
use std::time::Duration;

const ID: SubscriptionRef = SubscriptionRef(7);
const EVENT: &str = "Event: presence;id=9";

/// A notifier over an agent.
#[derive(Default)]
struct Node {
    stand: Stand,
    notifier: Notifier,
    /// Seconds that a refresh gets at most, if there is such a limit.
    longest: Option<u32>,
    /// What the notifier told.
    told: Vec<NotifierEvent>,
}

impl Node {
    /// A message comes; SUBSCRIBE in a dialog and answers go to the notifier.
    fn receive(&mut self, text: &str) {
        self.stand.receive(text);
        let Stand { now, ids, agent, out, events, .. } = &mut self.stand;
        for event in std::mem::take(events) {
            match event {
                AgentEvent::Request { id, request, .. } if request.to_tag().is_some() => {
                    let longest = self.longest.unwrap_or(u32::MAX);
                    self.notifier.in_dialog(*now, ids, agent, &request, id, longest, out, &mut self.told);
                }
                AgentEvent::Answered { id, status, .. } => {
                    assert!(self.notifier.answered(*now, ids, agent, id, status, out, &mut self.told));
                }
                other => events.push(other),
            }
        }
    }

    fn pass(&mut self, millis: u64) {
        self.stand.pass(millis);
        self.notifier.fire(self.stand.now, &mut self.told);
        let Stand { now, ids, agent, out, events, .. } = &mut self.stand;
        for event in std::mem::take(events) {
            let AgentEvent::Answered { id, status, .. } = event else { panic!("{event:?}") };
            assert!(self.notifier.answered(*now, ids, agent, id, status, out, &mut self.told));
        }
    }

    fn notify(&mut self, state: &str, ended: Option<&str>) {
        let body =
            OutBody { content_type: "text/plain".into(), content: state.to_owned().into_bytes().into() };
        let Stand { now, ids, agent, out, .. } = &mut self.stand;
        self.notifier.notify(*now, ids, agent, ID, Vec::new(), Some(body), ended, out);
    }

    fn told(&mut self) -> Vec<NotifierEvent> {
        std::mem::take(&mut self.told)
    }

    /// Takes a SUBSCRIBE that creates a dialog.
    fn accept(&mut self, peer: &mut Peer, expires: u32) -> Option<crate::model::DialogFact> {
        let Some(AgentEvent::Request { id, request, .. }) = self.stand.events.pop() else {
            panic!("no SUBSCRIBE")
        };
        let Stand { now, ids, agent, out, .. } = &mut self.stand;
        let fact = self.notifier.accept(*now, ids, agent, (&request, id), ID, expires, CONTACT, out);
        peer.our_tag = fact.as_ref().map(|fact| fact.local_tag.clone()).unwrap_or_default();
        fact
    }
}

/// A subscription, and its first NOTIFY sent and answered.
fn subscribed(expires: u32) -> (Node, Peer) {
    let mut node = Node::default();
    let mut peer = Peer::default();
    node.receive(&peer.request("SUBSCRIBE", &[EVENT], None));
    node.accept(&mut peer, expires);
    node.notify("one", None);
    let notify = node.stand.sent().pop().expect("a NOTIFY");
    node.receive(&notify.answer(200, "", &[], None));
    assert_eq!(node.told(), [NotifierEvent::Delivered { id: ID }]);
    (node, peer)
}

fn body(sent: &Sent) -> String {
    String::from_utf8_lossy(&sent.message.body()).into_owned()
}

#[test]
fn a_subscription_is_answered_and_then_notified() {
    let mut node = Node::default();
    let mut peer = Peer::default();
    node.receive(&peer.request("SUBSCRIBE", &[EVENT, "Record-Route: <sip:192.0.2.8;lr>"], None));
    let fact = node.accept(&mut peer, 600).expect("it makes a dialog");
    let ok = node.stand.only();
    assert_eq!(
        (ok.line(), ok.get(Name::Expires), ok.get(Name::Contact)),
        ("200 SUBSCRIBE".into(), "600".into(), CONTACT.into())
    );
    assert_eq!((ok.tag(Name::To), node.notifier.stored(ID)), (fact.local_tag.clone(), Some(&fact)));
    node.stand.pass(1500);
    node.notify("one", None);
    let notify = node.stand.only();
    assert_eq!((notify.line(), notify.uri()), ("NOTIFY".to_owned(), "sip:anna@192.0.2.5:5066".to_owned()));
    assert_eq!(notify.get(Name::Event), "presence;id=9");
    assert_eq!(notify.get(Name::SubscriptionState), "active;expires=599");
    assert_eq!(
        (notify.get(Name::CSeq), notify.get(Name::Route)),
        ("1 NOTIFY".into(), "<sip:192.0.2.8;lr>".into())
    );
    assert_eq!((notify.get(Name::Contact), body(&notify)), (CONTACT.to_owned(), "one".to_owned()));
    assert_eq!((notify.tag(Name::From), notify.tag(Name::To)), (peer.our_tag, "peer".to_owned()));
    assert_eq!(node.told(), []);
    node.receive(&notify.answer(200, "", &[], None));
    assert_eq!(node.told(), [NotifierEvent::Delivered { id: ID }]);
}

#[test]
fn one_notify_at_a_time_and_the_newest_state_after_it() {
    let (mut node, _) = subscribed(600);
    for state in ["two", "three", "four"] {
        node.notify(state, None);
    }
    let first = node.stand.only();
    assert_eq!(body(&first), "two");
    node.receive(&first.answer(200, "", &[], None));
    let second = node.stand.only();
    assert_eq!((body(&second), second.get(Name::CSeq)), ("four".to_owned(), "3 NOTIFY".to_owned()));
    assert_eq!(node.told(), []);
    node.receive(&second.answer(200, "", &[], None));
    assert_eq!((node.told(), node.stand.lines()), (vec![NotifierEvent::Delivered { id: ID }], vec![]));
}

#[test]
fn a_notify_is_repeated_with_the_same_octets() {
    let (mut node, _) = subscribed(600);
    node.notify("two", None);
    let first = node.stand.only();
    node.pass(500);
    assert_eq!(node.stand.only().transmit.octets, first.transmit.octets);
}

#[test]
fn a_fetch_gets_one_notify_which_is_the_last() {
    let mut node = Node::default();
    let mut peer = Peer::default();
    node.receive(&peer.request("SUBSCRIBE", &[EVENT, "Expires: 0"], None));
    node.accept(&mut peer, 0);
    assert_eq!(node.stand.only().get(Name::Expires), "0");
    node.notify("one", None);
    let notify = node.stand.only();
    assert_eq!(
        (notify.get(Name::SubscriptionState), body(&notify)),
        ("terminated;reason=timeout".into(), "one".into())
    );
    node.notify("two", None);
    node.receive(&notify.answer(200, "", &[], None));
    assert_eq!((node.told(), node.stand.lines()), (vec![NotifierEvent::Gone { id: ID }], vec![]));
    assert!(node.notifier.is_empty() && node.notifier.stored(ID).is_none());
}

#[test]
fn a_refresh_is_granted_and_counts_from_now() {
    let (mut node, mut peer) = subscribed(600);
    node.pass(500_000);
    let moved = "Contact: <sip:anna@192.0.2.5:5099>";
    node.receive(&peer.request("SUBSCRIBE", &[EVENT, "Expires: 700", moved], None));
    let ok = node.stand.only();
    assert_eq!(
        (ok.line(), ok.get(Name::Expires), ok.get(Name::Contact)),
        ("200 SUBSCRIBE".into(), "700".into(), CONTACT.into())
    );
    assert_eq!(node.told(), [NotifierEvent::Refreshed { id: ID, expires: 700 }]);
    node.notify("two", None);
    let notify = node.stand.only();
    assert_eq!(
        (notify.get(Name::SubscriptionState), notify.uri()),
        ("active;expires=700".into(), "sip:anna@192.0.2.5:5099".into())
    );
    node.receive(&notify.answer(200, "", &[], None));
    node.told();
    node.pass(699_999);
    assert_eq!(node.told(), []);
    node.pass(1);
    assert_eq!(node.told(), [NotifierEvent::Expired { id: ID }]);
}

#[test]
fn a_refresh_without_expires_gets_what_was_granted_before() {
    let (mut node, mut peer) = subscribed(600);
    node.receive(&peer.request("SUBSCRIBE", &[EVENT], None));
    assert_eq!(node.stand.only().get(Name::Expires), "600");
}

#[test]
fn a_refresh_gets_no_more_than_the_longest_interval() {
    let (mut node, mut peer) = subscribed(600);
    node.longest = Some(1_000);
    for (asked, granted) in [("999", "999"), ("1000", "1000"), ("1001", "1000"), ("4294967295", "1000")] {
        node.receive(&peer.request("SUBSCRIBE", &[EVENT, &format!("Expires: {asked}")], None));
        assert_eq!(node.stand.only().get(Name::Expires), granted, "{asked}");
        let expires = granted.parse().expect("a number");
        assert_eq!(node.told(), [NotifierEvent::Refreshed { id: ID, expires }]);
    }
    node.pass(1_000_000);
    assert_eq!(node.told(), [NotifierEvent::Expired { id: ID }]);
}

#[test]
fn an_unsubscribe_is_answered_and_ends_with_a_last_notify() {
    let (mut node, mut peer) = subscribed(600);
    node.receive(&peer.request("SUBSCRIBE", &[EVENT, "Expires: 0"], None));
    assert_eq!(node.stand.only().get(Name::Expires), "0");
    assert_eq!(node.told(), [NotifierEvent::Refreshed { id: ID, expires: 0 }]);
    node.notify("two", None);
    let notify = node.stand.only();
    assert_eq!(
        (notify.get(Name::SubscriptionState), body(&notify)),
        ("terminated;reason=timeout".into(), "two".into())
    );
    // Too late for another thought.
    node.receive(&peer.request("SUBSCRIBE", &[EVENT, "Expires: 600"], None));
    assert_eq!((node.stand.lines(), node.told()), (vec!["481 SUBSCRIBE".to_owned()], vec![]));
    node.receive(&notify.answer(200, "", &[], None));
    assert_eq!(node.told(), [NotifierEvent::Gone { id: ID }]);
    node.pass(10_000_000);
    assert_eq!((node.told(), node.notifier.due()), (vec![], None));
}

#[test]
fn a_subscription_that_runs_out_ends_with_a_last_notify() {
    let (mut node, mut peer) = subscribed(600);
    node.pass(600_000);
    assert_eq!(node.told(), [NotifierEvent::Expired { id: ID }]);
    node.receive(&peer.request("SUBSCRIBE", &[EVENT, "Expires: 600"], None));
    assert_eq!(node.stand.lines(), ["481 SUBSCRIBE"]);
    node.notify("two", None);
    let notify = node.stand.only();
    assert_eq!(notify.get(Name::SubscriptionState), "terminated;reason=timeout");
    node.receive(&notify.answer(200, "", &[], None));
    assert_eq!(node.told(), [NotifierEvent::Gone { id: ID }]);
}

#[test]
fn the_user_ends_a_subscription_with_its_own_reason_even_behind_another_notify() {
    let (mut node, _) = subscribed(600);
    node.notify("two", None);
    let first = node.stand.only();
    node.notify("three", None);
    node.notify("last", Some("noresource"));
    node.notify("never", None);
    assert_eq!(node.stand.lines(), [""; 0]);
    node.receive(&first.answer(200, "", &[], None));
    let last = node.stand.only();
    assert_eq!(
        (last.get(Name::SubscriptionState), body(&last)),
        ("terminated;reason=noresource".into(), "last".into())
    );
    assert_eq!(node.told(), []);
    node.receive(&last.answer(200, "", &[], None));
    assert_eq!(node.told(), [NotifierEvent::Gone { id: ID }]);
}

#[test]
fn a_subscription_that_expires_behind_a_notify_still_gets_its_last_one() {
    let (mut node, _) = subscribed(10);
    node.notify("two", None);
    let first = node.stand.only();
    node.pass(10_000);
    node.stand.lines();
    assert_eq!(node.told(), [NotifierEvent::Expired { id: ID }]);
    node.notify("last", None);
    node.receive(&first.answer(200, "", &[], None));
    let last = node.stand.only();
    assert_eq!(
        (last.get(Name::SubscriptionState), node.told()),
        ("terminated;reason=timeout".into(), vec![])
    );
}

#[test]
fn who_does_not_know_the_subscription_is_forgotten() {
    for status in [404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604, 408, 503] {
        let (mut node, mut peer) = subscribed(600);
        node.notify("two", None);
        let notify = node.stand.only();
        node.notify("three", None);
        node.receive(&notify.answer(status, "", &[], None));
        assert_eq!(
            (node.told(), node.stand.lines()),
            (vec![NotifierEvent::Gone { id: ID }], vec![]),
            "{status}"
        );
        node.receive(&peer.request("SUBSCRIBE", &[EVENT], None));
        assert_eq!(node.stand.lines(), ["481 SUBSCRIBE"]);
    }
}

#[test]
fn another_refusal_leaves_the_subscription_and_repeats_nothing() {
    for status in [400, 401, 403, 491, 500, 600] {
        let (mut node, _) = subscribed(600);
        node.notify("two", None);
        let notify = node.stand.only();
        node.receive(&notify.answer(status, "", &[], None));
        assert_eq!(
            (node.told(), node.stand.lines()),
            (vec![NotifierEvent::Delivered { id: ID }], vec![]),
            "{status}"
        );
        node.notify("three", None);
        assert_eq!(node.stand.lines(), ["NOTIFY"]);
    }
}

#[test]
fn silence_and_no_way_end_the_subscription() {
    let (mut node, _) = subscribed(600);
    node.notify("two", None);
    node.pass(32_000);
    assert_eq!(node.told(), [NotifierEvent::Gone { id: ID }]);

    let (mut node, mut peer) = subscribed(600);
    node.receive(&peer.request("SUBSCRIBE", &[EVENT, "Contact: <sips:anna@192.0.2.5>"], None));
    node.told();
    node.stand.lines();
    node.stand.agent = crate::sip::dialog::Agent::new({
        let mut settings = settings();
        settings.transactions.hops.listeners.clear();
        settings
    });
    node.notify("two", None);
    assert!(node.notifier.due().is_some_and(|due| due <= node.stand.now));
    node.pass(0);
    assert_eq!(node.told(), [NotifierEvent::Gone { id: ID }]);
}

#[test]
fn a_subscribe_in_a_dialog_must_be_of_it_in_order_and_for_its_event() {
    let (mut node, mut peer) = subscribed(600);
    let refused = |node: &mut Node, text: String| {
        node.receive(&text);
        assert_eq!(node.told(), []);
        node.stand.only().line()
    };
    assert_eq!(
        refused(&mut node, Peer { tag: "other".into(), ..peer.clone() }.request("SUBSCRIBE", &[EVENT], None)),
        "481 SUBSCRIBE"
    );
    let mut stranger = Peer { our_tag: "unknown".into(), branch: 100, ..peer.clone() };
    assert_eq!(refused(&mut node, stranger.request("SUBSCRIBE", &[EVENT], None)), "481 SUBSCRIBE");
    peer.branch = 200;
    assert_eq!(refused(&mut node, peer.request("SUBSCRIBE", &["Event: presence"], None)), "403 SUBSCRIBE");
    assert_eq!(refused(&mut node, peer.request("SUBSCRIBE", &["Event: dialog;id=9"], None)), "403 SUBSCRIBE");
    assert_eq!(refused(&mut node, peer.request("SUBSCRIBE", &[], None)), "403 SUBSCRIBE");
    assert_eq!(
        refused(&mut node, peer.request("SUBSCRIBE", &[EVENT, "Expires: soon"], None)),
        "400 SUBSCRIBE"
    );
    assert_eq!(refused(&mut node, peer.request_at("SUBSCRIBE", 1, &[EVENT], None)), "500 SUBSCRIBE");
}

#[test]
fn a_subscribe_that_makes_no_dialog_or_names_no_event_is_refused() {
    for (extra, status) in [
        (["Contact: <sip:anna@192.0.2.5:port>", EVENT], "400 SUBSCRIBE"),
        (["Contact", EVENT], "400 SUBSCRIBE"),
        (["Supported: x", "Subject: x"], "489 SUBSCRIBE"),
        (["Event: ;;", "Subject: x"], "400 SUBSCRIBE"),
    ] {
        let mut node = Node::default();
        let mut peer = Peer::default();
        node.receive(&peer.request("SUBSCRIBE", &extra, None));
        assert_eq!(node.accept(&mut peer, 600), None);
        assert_eq!((node.stand.lines(), node.notifier.len()), (vec![status.to_owned()], 0));
    }
}

#[test]
fn the_longest_interval_does_not_overflow() {
    let (mut node, mut peer) = subscribed(u32::MAX);
    node.receive(&peer.request("SUBSCRIBE", &[EVENT, "Expires: 4294967295"], None));
    assert_eq!(node.stand.only().get(Name::Expires), "4294967295");
    node.notify("two", None);
    assert_eq!(node.stand.only().get(Name::SubscriptionState), "active;expires=4294967295");
    assert_eq!(
        node.notifier.expires(ID),
        Some(node.stand.now.plus(Duration::from_secs(u64::from(u32::MAX))))
    );
}

#[test]
fn a_peer_on_a_stream_is_notified_over_it() {
    let mut node = Node::default();
    node.stand.flow = tcp();
    let mut peer = Peer::default();
    node.receive(&peer.request(
        "SUBSCRIBE",
        &[EVENT, "Contact: <sip:anna@192.0.2.5:5066;transport=tcp>"],
        None,
    ));
    node.accept(&mut peer, 600);
    node.stand.lines();
    node.notify("one", None);
    assert_eq!(node.stand.only().to().1, tcp().peer);
}

#[test]
fn after_a_restart_the_subscription_goes_on() {
    let (mut node, mut peer) = subscribed(600);
    let fact = node.notifier.stored(ID).cloned().expect("it is stored");
    let expires = node.notifier.expires(ID).expect("it is stored");
    node.stand.restart();
    node.notifier = Notifier::default();
    node.notifier.restore(ID, "presence", Some("9"), &fact, expires);
    node.stand.pass(100_000);
    node.notify("two", None);
    let notify = node.stand.only();
    assert_eq!(
        (notify.get(Name::CSeq), notify.get(Name::Event)),
        ("102 NOTIFY".into(), "presence;id=9".into())
    );
    assert_eq!(notify.get(Name::SubscriptionState), "active;expires=500");
    node.receive(&notify.answer(200, "", &[], None));
    node.receive(&peer.request("SUBSCRIBE", &[EVENT, "Expires: 700"], None));
    assert_eq!(
        node.told(),
        [NotifierEvent::Delivered { id: ID }, NotifierEvent::Refreshed { id: ID, expires: 700 }]
    );
    node.pass(700_000);
    assert_eq!(node.told(), [NotifierEvent::Expired { id: ID }]);
}

#[test]
fn a_subscription_that_ran_out_while_we_were_away_expires_at_once() {
    let (node, _) = subscribed(600);
    let fact = node.notifier.stored(ID).expect("it is stored");
    let mut notifier = Notifier::default();
    notifier.restore(ID, "presence", None, fact, Time::from_millis(5));
    assert_eq!(notifier.due(), Some(Time::from_millis(5)));
    let mut told = Vec::new();
    notifier.fire(node.stand.now, &mut told);
    assert_eq!(told, [NotifierEvent::Expired { id: ID }]);
}

#[test]
fn an_answer_to_something_else_is_not_taken() {
    let (mut node, _) = subscribed(600);
    node.notify("two", None);
    let Stand { now, ids, agent, out, .. } = &mut node.stand;
    let other = crate::sip::transaction::ClientId(12345);
    assert!(!node.notifier.answered(*now, ids, agent, other, 200, out, &mut node.told));
    assert_eq!(node.told(), []);
}
